//! Failures made small: what is kept, what goes, and that it goes on where it was interrupted.

use crate::common::Folder;
use std::path::Path;
use wavetank_workloads::case::Case;
use wavetank_workloads::lab::{self, Failure, Fingerprint, Sameness, Shrunk, outcome};
use wavetank_workloads::mutant::Mutant;
use wavetank_workloads::scenario::{Listeners, RunOptions, Scenario};

/// The first failure of a sweep with a bug.
fn failure(scenario: &str, mutant: &str, seeds: std::ops::Range<u64>) -> Failure {
    let scenario = Scenario::by_name(scenario).expect("it is built in");
    let mutant = Some(Mutant::by_name(mutant).expect("it is known"));
    let options = RunOptions { mutant, ..RunOptions::default() };
    let run = |seed| lab::outcome(&lab::run(scenario, seed, &options, Listeners::default()));
    let mut failed = seeds.map(|seed| (seed, run(seed))).filter(|(_, outcome)| outcome.has_failed());
    let (seed, outcome) = failed.next().expect("a seed shows the bug");
    Failure::new(scenario, seed, &options, outcome)
}

fn shrunk(failure: &Failure, out: &Path, jobs: usize) -> Shrunk {
    lab::shrink(failure, out, jobs, |_| true).unwrap_or_else(|error| panic!("{error}"))
}

fn replayed(failure: &Failure) -> Sameness {
    failure.compare(&outcome(&failure.replay(Listeners::default())))
}

fn loses_nine_of_ten_faults(scenario: &str, mutant: &str, seeds: std::ops::Range<u64>) {
    let (folder, failure) = (Folder::new(mutant), failure(scenario, mutant, seeds));
    let out = folder.join("small.json");
    let shrunk = shrunk(&failure, &out, 2);
    let (before, after) = (shrunk.before, shrunk.after);
    println!("{scenario} {mutant}: {before:?} -> {after:?}, {} candidates", shrunk.tried);
    assert!(shrunk.is_done && before.faults() >= 10, "{before:?}");
    assert!(after.faults() * 10 <= before.faults(), "{before:?} -> {after:?}");
    assert!(after.events < before.events && after.end <= before.end);

    let small = Failure::read(&out).expect("it was written");
    assert_eq!((&small.case, &small.outcome), (&shrunk.failure.case, &shrunk.failure.outcome));
    assert_eq!(Fingerprint::of(&small.outcome), Fingerprint::of(&failure.outcome));
    assert_eq!(replayed(&small), Sameness::Same);
    let sound = Failure { options: RunOptions { mutant: None, ..small.options }, ..small };
    assert_eq!(replayed(&sound), Sameness::Different, "it is the bug that shows");
}

#[test]
fn a_bare_logs_failure_loses_nine_of_ten_faults() {
    loses_nine_of_ten_faults("bare-log@object", "wal-overlap-first-only", 190..400);
}

#[test]
fn a_clusters_failure_loses_nine_of_ten_faults() {
    loses_nine_of_ten_faults("broker-failover@s3-wal", "storage-failover-trims-own-wal", 3..300);
}

#[test]
fn a_harbours_failure_loses_nine_of_ten_faults() {
    loses_nine_of_ten_faults("harbour", "append-resent", 8..100);
}

#[test]
fn an_interrupted_shrinking_goes_on_to_the_bytes_of_one_that_was_not_whatever_the_jobs() {
    let (folder, failure) = (Folder::new("interrupted"), failure("bare-log@gp3", "wal-no-ring-cycle-check", 0..400));
    let (whole, parts) = (folder.join("whole.json"), folder.join("parts.json"));
    let at_once = shrunk(&failure, &whole, 1);
    let bytes = |path: &Path| std::fs::read_to_string(path).expect("it was written");
    let progress = folder.join("parts.json.progress");
    let mut done = 0;
    for stop_at in [3, 20, at_once.tried / 2, at_once.tried - 1] {
        let mut last = 0;
        let part = lab::shrink(&failure, &parts, 2, |step| {
            last = step.tried;
            step.tried < stop_at
        });
        let part = part.unwrap_or_else(|error| panic!("{error}"));
        assert!(!part.is_done && last >= done, "{last} after {done}");
        assert_eq!(replayed(&Failure::read(&parts).expect("it was written")), Sameness::Same);
        done = last;
        // Killed in the middle of a line.
        let torn = bytes(&progress);
        std::fs::write(&progress, &torn[..torn.len() - 5]).expect("it can be written");
    }
    let rest = shrunk(&failure, &parts, 2);
    assert_eq!((rest.after, rest.tried), (at_once.after, at_once.tried));
    let renamed = bytes(&parts).replace("parts.json", "whole.json");
    assert!(renamed == bytes(&whole), "the results differ");
    assert!(!progress.exists(), "nothing is left to go on with");
}

#[test]
fn what_cannot_be_smaller_stays_and_what_does_not_fail_is_refused() {
    let (folder, failure) = (Folder::new("stays"), failure("bare-log@object", "wal-overlap-first-only", 190..400));
    let mut once = shrunk(&failure, &folder.join("once.json"), 2).failure;
    // Rounded times may let something more go, once or twice.
    let stays = (0..4).any(|_| {
        let again = shrunk(&once, &folder.join("again.json"), 2).failure;
        let stays = (again.seed, &again.case, &again.outcome) == (once.seed, &once.case, &once.outcome);
        once = again;
        stays
    });
    assert!(stays, "it goes on and on");

    let refused =
        |failure: &Failure, out: &Path| lab::shrink(failure, out, 1, |_| true).expect_err("it is refused").to_string();
    let sound = Failure { options: RunOptions::default(), ..once.clone() };
    let error = refused(&sound, &folder.join("sound.json"));
    assert!(error.contains("run again, nothing is wrong, and it was a violation of nothing-comes-back"), "{error}");
    for letter in ["letter", "new.json.progress"] {
        std::fs::write(folder.join(letter), "dear friend").expect("it can be written");
        let error = refused(&once, &folder.join(letter.trim_end_matches(".progress")));
        assert!(error.contains(&format!("{letter}: there is something else already")), "{error}");
    }
}

#[test]
fn the_test_of_a_failure_names_its_file_and_its_fingerprint() {
    let (folder, failure) = (Folder::new("test"), failure("bare-log@object", "wal-overlap-first-only", 190..400));
    let shrunk = shrunk(&failure, &folder.join("it.json"), 2);
    let text = lab::regression_test(&shrunk.failure, &shrunk.fingerprint, "it.json");
    assert!(text.contains(r#"Failure::parse("it.json", include_str!("it.json"))"#), "{text}");
    assert!(text.contains(r#"Some("violation of nothing-comes-back (epoch)")"#), "{text}");
    // As the test does it.
    let json = std::fs::read_to_string(folder.join("it.json")).expect("it was written");
    let kept = Failure::parse("it.json", &json).expect("it can be read");
    assert!(matches!(kept.case, Case::BareLog(_)));
    assert_eq!(replayed(&kept), Sameness::Same);
    assert_eq!(Fingerprint::of(&kept.outcome), Some(shrunk.fingerprint));
}
