//! Why clusters stand still: what is never mended is named, and a bug is called a bug.

use std::collections::BTreeSet;
use wavetank_sim::{Nanos, run_many};
use wavetank_traces::Severity;
use wavetank_workloads::case::Case;
use wavetank_workloads::cluster::Cause;
use wavetank_workloads::lab::{RunReport, run_case};
use wavetank_workloads::mutant::Mutant;
use wavetank_workloads::scenario::{Listeners, RunOptions, Scenario};
use wavetank_workloads::storm::{Entry, Operations};

const AT: &str = "16 s";

/// A run whose storm is these entries, and nothing else; everything is as the scenario says.
fn run(name: &str, options: RunOptions, entries: &[String]) -> RunReport {
    let scenario = Scenario::by_name(name).expect("it is built in");
    let mut case = scenario.draw(7, &RunOptions::default());
    let entry = |text: &String| serde_json::from_str::<Entry>(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    (case.storm_mut().entries, case.storm_mut().operations) =
        (entries.iter().map(entry).collect(), Operations::Ordinary);
    if let Case::Cluster(case) = &mut case {
        case.knobs = serde_json::from_str(
            r#"{"small_log": false, "page_keys": null, "object_retention": null, "upload_interval": "1 s",
                "failover_min_age": "0 s", "retention": null, "fast_close": false}"#,
        )
        .expect("knobs");
    }
    scenario.check(&case).expect("it fits");
    run_case(scenario, 7, &case, &options, Listeners::default()).expect("no panic")
}

fn for_good(what: &str) -> String {
    format!(r#"{{"family": "x", "start": "{AT}", "end": "{AT}", "permanent": true, "what": {what}}}"#)
}

/// Who of how many is killed for good.
fn killed(role: &str, count: usize) -> Vec<String> {
    (0..count).map(|n| for_good(&format!(r#"{{"kill": "{role} {n}"}}"#))).collect()
}

#[test]
fn what_is_never_mended_is_named_and_who_waits_for_it() {
    let one = |what: &str| vec![for_good(what)];
    // Whoever of a group is left reads for the others.
    let cut = |n: u32| {
        for_good(&format!(
            r#"{{"cut": {{"from": {{"member": "consumer {n}"}}, "to": "everywhere", "direction": "two-way"}}}}"#
        ))
    };
    let rows: Vec<(Cause, &str, Vec<String>, &str)> = vec![
        (Cause::Quorum, "broker-failover@s3-wal", killed("controller", 2), "controller-0 is down"),
        (Cause::Broker, "broker-failover@ebs-wal", killed("broker", 3), "is down"),
        (Cause::Zone, "az-outage@ebs-wal", one(r#"{"zone-down": 0}"#), "is in zone 0, which is dark"),
        (
            Cause::Volume,
            "broker-failover@ebs-wal",
            one(r#"{"volume": {"of": "broker 0", "fault": "stall"}}"#),
            "and the volume answers nothing",
        ),
        (
            Cause::ObjectStore,
            "broker-failover@s3-wal",
            one(r#"{"store": "outage"}"#),
            "and the object store answers nothing",
        ),
        (
            Cause::ExpressStore,
            "broker-failover@s3-express-wal",
            one(r#"{"express-down": 0}"#),
            "and the express store answers nothing",
        ),
        (Cause::Share, "broker-failover@nfs-wal", one(r#"{"share": "stall"}"#), "and the share answers nothing"),
        (Cause::Way, "broker-failover@s3-wal", vec![cut(0), cut(1)], "cannot be reached, or cannot answer"),
        (Cause::Client, "broker-failover@s3-wal", killed("consumer", 2), "is down"),
        (Cause::JobManager, "broker-failover@s3-wal", killed("job-manager", 1), "is down"),
        (Cause::TaskManager, "broker-failover@s3-wal", killed("task-manager", 2), "is down"),
    ];
    let named: BTreeSet<Cause> = rows.iter().map(|(cause, ..)| *cause).collect();
    assert_eq!(named, Cause::ALL.into(), "every cause has a scenario that yields it");
    let runs = |(_, name, entries, _): &(Cause, &str, Vec<String>, &str)| run(name, RunOptions::default(), entries);
    run_many(2, rows, runs, |(cause, name, _, ends), report| {
        let report = report.expect("no panic");
        let told = report.beyond.join("\n");
        assert!(report.findings.is_empty(), "{name}, {cause:?}: {:?}\n{told}", report.findings);
        assert_eq!(report.marks.count(cause.mark()), 1, "{name}, {cause:?}: ended as {}\n{told}", report.reason);
        assert!(told.contains(cause.words()) && told.contains(ends), "{name}, {cause:?}:\n{told}");
        true
    });
}

#[test]
fn a_wedge_is_called_a_bug_also_beside_something_that_is_never_mended() {
    // The quorum is gone for five seconds: what is asked of it then is answered late.
    let gone =
        |n: u32| format!(r#"{{"family": "x", "start": "{AT}", "end": "21 s", "what": {{"kill": "controller {n}"}}}}"#);
    let outage = [gone(0), gone(1), gone(2)];
    let mutant = Some(Mutant::by_name("storage-prepare-failure-swallowed").expect("it is known"));
    for beside in [Vec::new(), killed("producer", 1), killed("job-manager", 1)] {
        let entries = [&outage[..], &beside].concat();
        let clean = run("broker-failover@s3-wal", RunOptions::default(), &entries);
        assert!(clean.findings.is_empty(), "{:?}", clean.findings);
        let wedged = run("broker-failover@s3-wal", RunOptions { mutant, ..RunOptions::default() }, &entries);
        let finding = wedged.findings.first().expect("it is a bug");
        assert_eq!(finding.severity, Severity::Stall);
        let begins = "broker waits for nobody: ";
        assert!(finding.why.starts_with(begins) && finding.why.contains("asks for objects' ids"), "{}", finding.why);
    }
}

#[test]
fn what_a_platform_survives_is_no_standstill() {
    let report = run("broker-failover@s3-wal", RunOptions::default(), &killed("broker", 1));
    assert!(report.findings.is_empty() && report.beyond.is_empty(), "{:?}", report.beyond);
    assert!(report.now < Nanos::secs(300), "it went on without waiting for the broker: {}", report.now);
}

#[test]
fn some_things_cannot_be_left_undone() {
    let scenario = Scenario::by_name("broker-failover@s3-wal").expect("it is built in");
    let mut case = scenario.draw(1, &RunOptions::default());
    let entry = for_good(r#"{"clock": {"of": "broker 0", "jump_ns": 5, "drift_ppb": null}}"#);
    case.storm_mut().entries = vec![serde_json::from_str(&entry).expect("an entry")];
    let said = scenario.check(&case).expect_err("a jump has no end").to_string();
    assert!(said.starts_with("storm.entries[0]: \"permanent\": "), "{said}");
    let harbour = Scenario::by_name("harbour").expect("it is there");
    let mut case = harbour.draw(1, &RunOptions::default());
    case.storm_mut().entries = vec![serde_json::from_str(&for_good(r#"{"kill": "pier 0"}"#)).expect("an entry")];
    let said = harbour.check(&case).expect_err("nobody tells what stands still there").to_string();
    assert!(said.contains("only a cluster tells what it stands still for"), "{said}");
}

#[test]
fn over_budget_draws_what_fits_the_platform() {
    let options = RunOptions { over_budget: true, ..RunOptions::default() };
    for name in ["broker-failover@s3-express-wal", "az-outage@ebs-wal", "steady@nfs-wal"] {
        let scenario = Scenario::by_name(name).expect("it is built in");
        for seed in 0..60 {
            let (within, beyond) = (scenario.draw(seed, &RunOptions::default()), scenario.draw(seed, &options));
            assert_eq!(scenario.check(&beyond), Ok(()), "{name} seed {seed}");
            let (within, beyond) = (&within.storm().entries, &beyond.storm().entries);
            assert_eq!(beyond[..within.len()], within[..], "the rest of the storm is the same");
            assert!(
                beyond.len() > within.len() && beyond[within.len()..].iter().all(|entry| entry.family == "over-budget")
            );
        }
    }
}
