//! What operators do in a storm: it is done, it is taken back, and nobody calls it loss.

use wavetank_workloads::case::Case;
use wavetank_workloads::lab::{self, RunReport};
use wavetank_workloads::scenario::{Listeners, RunOptions, Scenario};

const SEED: u64 = 3;

fn scenario(name: &str) -> Scenario {
    Scenario::by_name(name).expect("it is built in")
}

/// A seed's case of a scenario in peace, but for these entries, with knobs as the scenario has them, but for these.
fn case(scenario: Scenario, knobs: &[(&str, serde_json::Value)], entries: &[String]) -> Case {
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

fn entry(during: [&str; 2], what: &str) -> String {
    let [start, end] = during;
    format!(r#"{{"family": "x", "start": "{start}", "end": "{end}", "what": {what}}}"#)
}

fn run(scenario: Scenario, case: &Case) -> RunReport {
    assert_eq!(scenario.check(case), Ok(()));
    let report = lab::run_case(scenario, SEED, case, &RunOptions::default(), Listeners::default());
    let report = report.expect("no panic");
    assert_eq!(report.findings, []);
    report
}

fn count(report: &RunReport, mark: &str) -> u64 {
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

#[test]
fn what_no_operator_would_do_is_refused() {
    let rebalance = scenario("rebalance@s3-wal");
    for (what, said) in [
        (r#"{"retain": {"topic": 0, "time": "2 s", "bytes": null}}"#, "topic 0 is the platform's own"),
        (r#"{"retain": {"topic": 7, "time": "2 s", "bytes": null}}"#, "there is no topic 7"),
        (r#"{"retain": {"topic": 1, "time": null, "bytes": null}}"#, "neither \"time\" nor \"bytes\""),
        (r#"{"retain": {"topic": 1, "time": "90000 s", "bytes": null}}"#, "at most a day"),
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
