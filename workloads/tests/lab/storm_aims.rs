//! Faults that wait for a step: they strike when it comes, at whoever does it, and never when it does not come.

use crate::common::Folder;
use wavetank_sim::Nanos;
use wavetank_workloads::case::Case;
use wavetank_workloads::lab::{self, Failure, RunReport};
use wavetank_workloads::mutant::Mutant;
use wavetank_workloads::scenario::{Listeners, RunOptions, Scenario};
use wavetank_workloads::storm::{Entry, Role, Struck};

const SEED: u64 = 3;

fn scenario(name: &str) -> Scenario {
    Scenario::by_name(name).expect("it is built in")
}

fn run(scenario: Scenario, case: &Case) -> RunReport {
    assert_eq!(scenario.check(case), Ok(()));
    let report = lab::run_case(scenario, SEED, case, &RunOptions::default(), Listeners::default());
    let report = report.expect("no panic");
    assert_eq!(report.findings, []);
    report
}

/// A bare log in peace, but for these entries.
fn bare_log(entries: &str) -> Case {
    let text = format!(
        r#"{{"bare-log": {{"plan": "storm", "storm_ends": "40 s", "ends": "70 s",
            "storm": {{"operations": "ordinary", "entries": [{entries}]}}}}}}"#
    );
    serde_json::from_str(&text).expect("it is a case")
}

fn waiting(start: &str, aim: &str, what: &str) -> String {
    format!(r#"{{"family": "x", "start": "{start}", "end": "40 s", "aim": {{{aim}}}, "what": {what}}}"#)
}

#[test]
fn a_fault_strikes_when_its_step_comes_and_not_when_it_does_not() {
    let scenario = scenario("bare-log@object");
    let calm = run(scenario, &bare_log(""));
    let kill = |start, nth: u32| {
        let aim =
            format!(r#""step": "wal-trimmed", "by": "owner 0", "nth": {nth}, "after": "0.005 s", "lasts": "1 s""#);
        bare_log(&waiting(start, &aim, r#"{"kill": "owner 0"}"#))
    };
    let never = run(scenario, &kill("0 s", 100_000));
    assert_eq!((never.struck.clone(), never.digest), (Vec::new(), calm.digest), "who only waits changes nothing");

    let [first, second] = [1, 2].map(|nth| run(scenario, &kill("0 s", nth)).struck);
    let ([Struck { entry: 0, at: first, doer }], [Struck { entry: 0, at: second, .. }]) = (&first[..], &second[..])
    else {
        panic!("{first:?}, {second:?}")
    };
    assert!(*doer == Role::Owner.nth(0) && first < second);
    let later = run(scenario, &kill("20 s", 1)).struck;
    assert!(later[0].at > Nanos::secs(20), "what came before its start does not count: {later:?}");
    assert_ne!(run(scenario, &kill("0 s", 1)).digest, calm.digest);
}

#[test]
fn a_fault_that_waited_is_the_same_one_at_the_time_at_which_it_struck() {
    let scenario = scenario("broker-failover@s3-wal");
    let mut waited = 0;
    for seed in 0..20 {
        let case = scenario.draw(seed, &RunOptions::default());
        let report = run(scenario, &case);
        let Some(struck) = report.struck.first().copied() else { continue };
        let entry = &case.storm().entries[struck.entry];
        let Entry { start, end, aim, what, .. } = entry.at_time(struck);
        let was = entry.aim.expect("it waited");
        assert_eq!((start, aim), (struck.at, None), "seed {seed}");
        assert!(end == entry.end.min(start + was.lasts) && end <= case.storm_ends(), "seed {seed}");
        let hit = if was.at_doer { Some(struck.doer) } else { entry.what.member() };
        assert_eq!(what.member(), hit, "seed {seed}");
        waited += 1;
    }
    assert!(waited > 3, "{waited}");
}

#[test]
fn whoever_does_the_step_is_hit() {
    let scenario = scenario("bare-quorum");
    let text = format!(
        r#"{{"bare-quorum": {{"controllers": 3, "fetch_entries": null, "storm_ends": "40 s",
            "storm": {{"operations": "ordinary", "entries": [{}]}}}}}}"#,
        (1..4)
            .map(|nth| {
                let aim = format!(
                    r#""step": "controller-elected", "nth": {nth}, "after": "0.5 s", "lasts": "20 s", "at_doer": true"#
                );
                waiting("0 s", &aim, r#"{"pause": "controller 0"}"#)
            })
            .collect::<Vec<_>>()
            .join(", ")
    );
    let case: Case = serde_json::from_str(&text).expect("it is a case");
    let struck = run(scenario, &case).struck;
    // Of three, two stand still then: nobody is elected any more until they go on.
    assert!(struck.len() >= 2 && struck[0].doer != struck[1].doer, "{struck:?}");
    let story = case.story().join("\n");
    assert!(
        story.contains(
            "from 0 s on, until 40 s: 0.500000000 s after \"controller-elected\" no. 1, for 20.000000000 s: whichever controller did it stops, and goes on"
        ),
        "{story}"
    );
}

#[test]
fn an_aim_that_makes_no_sense_says_what_would() {
    let good = r#""nth": 1, "after": "0 s", "lasts": "1 s""#;
    for (aim, what, said) in [
        (format!(r#""step": "wal-trimed", {good}"#), r#"{"kill": "owner 0"}"#, "did you mean \"wal-trimmed\"?"),
        (
            format!(r#""step": "wal: over capcity", {good}"#),
            r#"{"kill": "owner 0"}"#,
            "did you mean \"wal: over capacity\"?",
        ),
        (format!(r#""step": "wal-reset", "by": "owner 3", {good}"#), r#"{"kill": "owner 0"}"#, "there is no owner 3"),
        (
            r#""step": "wal-reset", "nth": 0, "after": "0 s", "lasts": "1 s""#.into(),
            r#"{"kill": "owner 0"}"#,
            "aim.nth is 0: steps are counted from 1",
        ),
        (
            r#""step": "wal-reset", "nth": 1, "after": "90000 s", "lasts": "1 s""#.into(),
            r#"{"kill": "owner 0"}"#,
            "at most a day",
        ),
        (
            format!(r#""step": "wal-reset", "at_doer": true, {good}"#),
            r#"{"zone-down": 0}"#,
            "the fault names no member",
        ),
        (
            format!(r#""step": "wal-reset", "by": "rescuer 0", "at_doer": true, {good}"#),
            r#"{"kill": "owner 0"}"#,
            "rescuer 0 is no owner",
        ),
        (format!(r#""stepp": "wal-reset", {good}"#), r#"{"kill": "owner 0"}"#, "unknown field `stepp`"),
    ] {
        let text = serde_json::to_string(&bare_log("")).expect("it can be JSON");
        let text = text.replace(r#""entries":[]"#, &format!(r#""entries":[{}]"#, waiting("0 s", &aim, what)));
        let read = serde_json::from_str::<Case>(&text).map_err(|error| error.to_string());
        let checked =
            read.and_then(|case| scenario("bare-log@object").check(&case).map_err(|misfit| misfit.to_string()));
        let error = checked.expect_err(said);
        assert!(error.contains(said), "{said}: {error}");
    }
}

#[test]
fn shrinking_turns_a_wait_into_a_time() {
    let scenario = scenario("bare-log@object");
    let mutant = Some(Mutant::by_name("wal-failover-verifies-nothing").expect("it is known"));
    let options = RunOptions { mutant, ..RunOptions::default() };
    let has_aims = |case: &Case| case.storm().entries.iter().any(|entry| entry.aim.is_some());
    let mut waits = 0;
    for seed in (0..40).filter(|seed| has_aims(&scenario.draw(*seed, &RunOptions::default()))).take(6) {
        let outcome = lab::outcome(&lab::run(scenario, seed, &options, Listeners::default()));
        if !outcome.has_failed() {
            continue;
        }
        let folder = Folder::new(&format!("aims-{seed}"));
        let failure = Failure::new(scenario, seed, &options, outcome);
        let shrunk = lab::shrink(&failure, &folder.join("small.json"), 2, |_| true).expect("it can be shrunk");
        waits += shrunk.failure.case.storm().entries.iter().filter(|entry| entry.aim.is_some()).count();
        assert!(waits == 0, "{:?}", shrunk.failure.case.story());
    }
}
