//! What operators do in a storm: it is done, it is taken back, and nobody calls it loss.

use crate::common::Shared;
use std::io::Write;
use wavetank_traces::history::reader;
use wavetank_workloads::case::Case;
use wavetank_workloads::lab::{self, RunReport};
use wavetank_workloads::scenario::{Listeners, RunOptions, Scenario};

const SEED: u64 = 3;

pub(super) fn scenario(name: &str) -> Scenario {
    Scenario::by_name(name).expect("it is built in")
}

/// A seed's case of a scenario in peace, but for these entries, with knobs as the scenario has them, but for these.
pub(super) fn case(scenario: Scenario, knobs: &[(&str, serde_json::Value)], entries: &[String]) -> Case {
    let drawn = scenario.draw(SEED, &RunOptions::default());
    let mut json = serde_json::to_value(&drawn).expect("it can be JSON");
    let storm = format!(r#"{{"operations": "ordinary", "entries": [{}]}}"#, entries.join(", "));
    let knob = |name: &str| match name {
        "small_log" | "fast_close" => false.into(),
        _ => serde_json::Value::Null,
    };
    for (name, value) in json["cluster"]["knobs"].as_object_mut().expect("it has knobs") {
        let given = knobs.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
        *value = given.unwrap_or_else(|| knob(name));
    }
    json["cluster"]["storm"] = serde_json::from_str(&storm).expect("it is a storm");
    serde_json::from_value(json).expect("it is a case")
}

pub(super) fn entry(during: [&str; 2], what: &str) -> String {
    let [start, end] = during;
    format!(r#"{{"family": "x", "start": "{start}", "end": "{end}", "what": {what}}}"#)
}

pub(super) fn run(scenario: Scenario, case: &Case) -> RunReport {
    assert_eq!(scenario.check(case), Ok(()));
    let report = lab::run_case(scenario, SEED, case, &RunOptions::default(), Listeners::default());
    let report = report.expect("no panic");
    assert_eq!(report.findings, []);
    report
}

pub(super) fn count(report: &RunReport, mark: &str) -> u64 {
    report.marks.iter().find(|(name, _)| *name == mark).map_or(0, |(_, count)| count)
}

/// Logs in small segments that are looked at every second, and kept by themselves.
fn small_segments() -> (&'static str, serde_json::Value) {
    let text = r#"{"check_interval": "1 s", "segment_bytes": 4096, "time": null, "bytes": null,
        "offsets_segment_bytes": 100000000}"#;
    ("retention", serde_json::from_str(text).expect("it is JSON"))
}

const BY_THEIR_OWN: &str = "retention: segments were deleted by their topic's own settings";
const DELETED: &str = "retention: segments were deleted";

#[test]
fn a_topic_keeps_less_for_a_while_and_what_goes_is_not_lost() {
    let scenario = scenario("late-writes@s3-wal");
    let calm = run(scenario, &case(scenario, &[small_segments()], &[]));
    assert_eq!(count(&calm, DELETED), 0);
    let deleted = |during, what: &str| {
        let report = run(scenario, &case(scenario, &[small_segments()], &[entry(during, what)]));
        assert_eq!(count(&report, "admin: a topic's settings were altered"), 2, "and taken back");
        assert_eq!(count(&report, DELETED), count(&report, BY_THEIR_OWN));
        count(&report, DELETED)
    };
    let short = deleted(["12 s", "16 s"], r#"{"retain": {"topic": 1, "time": "2 s", "bytes": null}}"#);
    let long = deleted(["12 s", "60 s"], r#"{"retain": {"topic": 1, "time": "2 s", "bytes": null}}"#);
    assert!(0 < short && short * 2 < long, "{short} within four seconds, {long} within 48");
    assert!(deleted(["12 s", "40 s"], r#"{"retain": {"topic": 1, "time": null, "bytes": 8192}}"#) > 0);
}

/// How many records its consumers were handed.
fn read(scenario: Scenario, case: &Case) -> (u64, RunReport) {
    let file = Shared::default();
    let history = Some(Box::new(file.clone()) as Box<dyn Write + Send>);
    let listeners = Listeners { history, ..Listeners::default() };
    assert_eq!(scenario.check(case), Ok(()));
    let report = lab::run_case(scenario, SEED, case, &RunOptions::default(), listeners).expect("no panic");
    assert_eq!(report.findings, []);
    let history = reader::read(&file.0.lock().unwrap()[..], "the file").expect("it is a history");
    (history.ids().flat_map(|id| history.polls(id)).map(|run| u64::from(run.count)).sum(), report)
}

const RESET: &str = "admin: a group's offsets were reset";
const IN_USE: &str = "admin: a group had members, and its offsets were not reset";
const TOO_LATE: &str = "admin: a reset of offsets was given up";

#[test]
fn a_group_goes_back_while_it_is_empty_alone_and_a_job_does_not_care() {
    let scenario = scenario("rebalance@s3-wal");
    let reset = |what: &str, more: &[String]| {
        let entries = [&[entry(["40 s", "46 s"], what)], more].concat();
        read(scenario, &case(scenario, &[], &entries))
    };
    let (once, _) = read(scenario, &case(scenario, &[], &[]));
    let (from_the_start, report) = reset(r#"{"reset-offsets": {"group": 1, "to": "earliest"}}"#, &[]);
    assert_eq!((count(&report, RESET), count(&report, TOO_LATE)), (1, 0));
    let (back, report) = reset(r#"{"reset-offsets": {"group": 1, "to": {"back": 20}}}"#, &[]);
    assert_eq!((count(&report, RESET), count(&report, TOO_LATE)), (1, 0));
    // 30 records a second from the fifth second on; six partitions.
    assert!((once + 80..once + 160).contains(&back), "{back} were read, and {once} without a reset");
    assert!(from_the_start > once + 700, "{from_the_start} were read, and {once} without a reset");

    // Another operator starts a member again, too early.
    let early = [entry(["39 s", "40.05 s"], r#"{"kill": "consumer 3"}"#)];
    let (_, report) = reset(r#"{"reset-offsets": {"group": 1, "to": "earliest"}}"#, &early);
    assert!(count(&report, IN_USE) > 0 && count(&report, TOO_LATE) == 1 && count(&report, RESET) == 0);

    let (of_a_job, report) = reset(r#"{"reset-offsets": {"group": 3, "to": "earliest"}}"#, &[]);
    assert_eq!((of_a_job, count(&report, RESET)), (once, 1));
}

#[test]
fn a_job_has_fewer_subtasks_for_a_while_and_more_and_counts_nothing_twice() {
    let backfill = scenario("backfill@s3-wal");
    let rescaled = |entries: &[String]| {
        let report = run(backfill, &case(backfill, &[], entries));
        count(&report, "flink: a job is rescaled")
    };
    let to = |during, parallelism: u32| {
        entry(during, &format!(r#"{{"rescale": {{"job": 0, "parallelism": {parallelism}}}}}"#))
    };
    assert_eq!(rescaled(&[]), 0);
    assert_eq!(rescaled(&[to(["26 s", "34 s"], 1)]), 2, "there and back");
    assert_eq!(rescaled(&[to(["26 s", "28 s"], 1), to(["30 s", "38 s"], 3)]), 4);
    assert_eq!(rescaled(&[to(["26 s", "36 s"], 2)]), 0, "it has as many");
    assert_eq!(rescaled(&[to(["8 s", "34 s"], 1)]), 1, "it begins with one");
    // A job manager that starts again has forgotten it, and has nothing to take back.
    let dies = entry(["29 s", "31 s"], r#"{"kill": "job-manager 0"}"#);
    assert_eq!(rescaled(&[to(["26 s", "38 s"], 3), dies]), 1);
}

#[test]
fn what_no_operator_would_do_is_refused() {
    let rebalance = scenario("rebalance@s3-wal");
    for (what, said) in [
        (r#"{"retain": {"topic": 0, "time": "2 s", "bytes": null}}"#, "topic 0 is the platform's own"),
        (r#"{"retain": {"topic": 7, "time": "2 s", "bytes": null}}"#, "there is no topic 7"),
        (r#"{"retain": {"topic": 1, "time": null, "bytes": null}}"#, "neither \"time\" nor \"bytes\""),
        (r#"{"retain": {"topic": 1, "time": "90000 s", "bytes": null}}"#, "at most a day"),
        (r#"{"reset-offsets": {"group": 4, "to": "earliest"}}"#, "there is no group 4: there is 0 to 3"),
        (r#"{"reset-offsets": {"group": 1, "to": {"back": 0}}}"#, "back by 0 is where it is"),
        (r#"{"rescale": {"job": 1, "parallelism": 1}}"#, "there is job 0 alone"),
        (r#"{"rescale": {"job": 0, "parallelism": 0}}"#, "slots: 1 to"),
        (r#"{"rescale": {"job": 0, "parallelism": 9}}"#, "slots: 1 to"),
    ] {
        let misfit = rebalance.check(&case(rebalance, &[], &[entry(["12 s", "16 s"], what)])).expect_err(what);
        assert!(misfit.to_string().contains(said), "{said}: {misfit}");
    }
    let bare = scenario("bare-log@object");
    let text = r#"{"bare-log": {"plan": "storm", "storm_ends": "40 s", "ends": "70 s", "storm": {"operations": "ordinary",
        "entries": [{"family": "x", "start": "1 s", "end": "2 s", "what": {"retain": {"topic": 1, "time": "2 s", "bytes": null}}}]}}}"#;
    let misfit = bare.check(&serde_json::from_str(text).expect("it is a case")).expect_err("it has no topics");
    assert!(misfit.to_string().contains("there is no topic 1: this run has none"), "{misfit}");
}
