//! The lab's failures in files, and what a sweep must have reached.

use crate::common::Folder;
use wavetank_models::world::Event;
use wavetank_sim::Observer;
use wavetank_traces::artifact::Outcome;
use wavetank_workloads::case::Case;
use wavetank_workloads::lab::{self, Failure, Sameness, Totals};
use wavetank_workloads::mutant::Mutant;
use wavetank_workloads::scenario::{Listeners, RunOptions, Scenario};

fn options(mutant: &str) -> RunOptions {
    RunOptions { mutant: Some(Mutant::by_name(mutant).expect("it is known")), ..RunOptions::default() }
}

/// A pier that doubles records.
fn failure() -> Failure {
    let (seed, options) = (8, options("append-resent"));
    let result = lab::run(Scenario::Harbour, seed, &options, Listeners::default());
    let outcome = lab::outcome(&result);
    assert!(outcome.has_failed());
    Failure::new(Scenario::Harbour, seed, &options, outcome)
}

fn replayed(failure: &Failure) -> Sameness {
    failure.compare(&lab::outcome(&failure.replay(Listeners::default())))
}

#[test]
fn a_failure_is_the_same_when_it_is_read_and_run_again() {
    let folder = Folder::new("failure");
    let failure = failure();
    let path = failure.write(&folder.join("made/on/the/way")).expect("it can be written");
    assert_eq!(path.file_name().expect("a file"), "harbour-append-resent-seed-8.json");
    let read = Failure::read(&path).expect("it can be read");
    assert_eq!(
        (read.seed, read.options.mutant, &read.outcome),
        (failure.seed, failure.options.mutant, &failure.outcome)
    );
    assert_eq!(replayed(&read), Sameness::Same);
}

#[test]
fn a_failure_of_the_version_without_a_case_is_drawn_from_its_seed() {
    let (folder, failure) = (Folder::new("old"), failure());
    let path = failure.write(&folder).expect("it can be written");
    let text = std::fs::read_to_string(&path).expect("it is text");
    let mut json: serde_json::Value = serde_json::from_str(&text).expect("it is JSON");
    let fields = json.as_object_mut().expect("it has keys");
    for key in ["case", "replay", "violated"] {
        fields.remove(key).expect("version 2 has it");
    }
    fields.insert("version".into(), 1.into());
    std::fs::write(&path, json.to_string()).expect("it can be written");
    let old = Failure::read(&path).expect("it is still read");
    assert_eq!((&old.case, replayed(&old)), (&failure.case, Sameness::Same));
}

#[test]
fn a_replay_runs_the_case_of_the_file_and_not_the_seeds() {
    let mut failure = failure();
    let Case::Harbour(case) = &mut failure.case else { panic!("it is the harbour's") };
    assert!(!case.storm.entries.is_empty());
    case.storm.entries.clear();
    assert_ne!(replayed(&failure), Sameness::Same, "its storm is another one");
}

#[test]
fn a_replay_tells_another_way_from_another_failure() {
    let mut failure = failure();
    let Outcome::Ended(ended) = &mut failure.outcome else { panic!("it ends") };
    ended.digest = "0".repeat(32);
    assert_eq!(replayed(&failure), Sameness::OtherWay);
    let Outcome::Ended(ended) = &mut failure.outcome else { panic!("it ends") };
    ended.findings[0].by = "somebody else".into();
    assert_eq!(replayed(&failure), Sameness::Different);
    failure.options.mutant = None;
    assert_eq!(replayed(&failure), Sameness::Different, "without its mutant nothing is wrong");
}

#[test]
fn a_panic_is_a_failure_too() {
    let outcome = lab::outcome(&Err(wavetank_sim::Panicked { message: "a bug".into() }));
    let failure = Failure::new(Scenario::Harbour, 1, &RunOptions::default(), outcome.clone());
    let folder = Folder::new("panic");
    let read = Failure::read(&failure.write(&folder).expect("it can be written")).expect("it can be read");
    assert_eq!((read.compare(&outcome), replayed(&read)), (Sameness::Same, Sameness::Different));
}

#[test]
fn a_described_scenario_is_kept_with_all_that_it_names() {
    let scenario = Scenario::by_name("broker-failover@ebs-wal").expect("it is built in");
    let again = Scenario::of_text(&scenario.text()).expect("it was right");
    assert_eq!((again.name(), again.text()), (scenario.name(), scenario.text()));
    assert_eq!(again.demands(u64::MAX), scenario.demands(u64::MAX));
    let digest =
        |scenario| lab::run(scenario, 3, &RunOptions::default(), Listeners::default()).expect("no panic").digest;
    assert_eq!(digest(again), digest(scenario));
}

#[test]
fn a_scenario_of_a_file_runs_as_the_built_in_one_does_and_demands_nothing() {
    let folder = Folder::new("file@home");
    let built_in = Scenario::by_name("steady@nfs-wal").expect("it is built in");
    let path = folder.join("mine.toml");
    let text = include_str!("../../scenarios/steady.toml");
    std::fs::write(&path, text).expect("it can be written");
    let path = path.to_str().expect("a path of text");
    let own = Scenario::by_name(&format!("{path}@nfs-wal")).expect("it is right");
    assert_eq!((own.name(), own.argument()), (built_in.name(), &*format!("{path}@nfs-wal")));
    assert_eq!(own.demands(u64::MAX), Vec::<&str>::new());
    let no_such = Scenario::by_name(&format!("{path}@floppy")).expect_err("there is none").to_string();
    assert!(no_such.contains("unknown platform 'floppy': there is s3-wal"), "{no_such}");
    std::fs::write(path, text.replace("\nrate = 20\n", "\nrat = 20\n")).expect("it can be written");
    let wrong = Scenario::by_name(path).expect_err("a key is unknown").to_string();
    assert!(wrong.contains("mine.toml:") && wrong.contains("rate"), "{wrong}");
    let nowhere = Scenario::by_name("nowhere.toml@s3-wal").expect_err("it is not there").to_string();
    assert!(nowhere.contains("can't read nowhere.toml"), "{nowhere}");
}

#[test]
fn what_cannot_be_replayed_says_why() {
    let folder = Folder::new("bad");
    let path = folder.join("it.json");
    let good = std::fs::read_to_string(failure().write(&folder).expect("it can be written")).expect("it is text");
    for (text, said) in [
        ("hello".to_owned(), "it.json: line 1, .: expected value"),
        (good.replace("append-resent", "gone"), "unknown mutant 'gone'"),
        (good.replace("\"scenario\": \"harbour\"", "\"scenario\": \"marina\""), "scenario: unknown variant `marina`"),
        (good.replace("\"keep_going\"", "\"keep\""), "options.keep: unknown field `keep`"),
        (good.replace("\"pier 1\"", "\"pier 7\""), "there is no pier 7: there is 0 to 2"),
        (good.replace("\"cargo\": 150", "\"cargo\": 0"), "it.json: its case does not fit its scenario: case.cargo: 0"),
        (good.replace("\"storm_ends\": \"40 s\"", "\"storm_ends\": \"9 s\""), "the storm is over at 9.000000000 s"),
        (good.replace("\"quiesce\": \"180 s\"", "\"quiesce\": 180"), "case.harbour.quiesce: invalid type: integer"),
    ] {
        std::fs::write(&path, text).expect("it can be written");
        let error = Failure::read(&path).expect_err(said).to_string();
        assert!(error.contains(said), "{said}: {error}");
    }
    let missing = Failure::read(&folder.join("none.json")).expect_err("it is not there").to_string();
    assert!(missing.contains("none.json: can't read it"), "{missing}");
}

#[test]
fn a_situation_that_no_seed_reached_is_missing_once_there_are_seeds_enough() {
    let mark = "pier: halted on a storage error";
    let outcome = |reached: bool| {
        let result = lab::run(Scenario::Harbour, 1, &RunOptions::default(), Listeners::default());
        let mut outcome = lab::outcome(&result);
        let Outcome::Ended(ended) = &mut outcome else { panic!("it ends") };
        let demanded = Scenario::Harbour.demands(u64::MAX).into_iter().map(|mark| (mark.to_owned(), 1));
        ended.marks = demanded.filter(|(name, _)| reached || name != mark).collect();
        outcome
    };
    let (without, with) = (outcome(false), outcome(true));
    let mut all = Totals::new(Scenario::Harbour);
    (0..199).for_each(|_| all.add(&without));
    assert_eq!(all.missing(Scenario::Harbour), Vec::<&str>::new(), "too few seeds to tell");
    all.add(&without);
    assert_eq!(all.missing(Scenario::Harbour), [mark]);
    all.add(&with);
    assert_eq!((all.missing(Scenario::Harbour), all.marks[mark].seeds), (Vec::new(), 1));
}

#[test]
fn a_listener_hears_a_replay() {
    let (send, receive) = std::sync::mpsc::channel();
    let observer: Observer<Event> = lab::trace(move |line| send.send(line).is_ok());
    let heard = failure().replay(Listeners { observer: Some(observer), ..Listeners::default() });
    assert!(heard.is_ok() && receive.iter().count() > 100);
}
