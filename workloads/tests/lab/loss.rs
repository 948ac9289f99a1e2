//! What is lost with what logs are kept on, and what is not: a promise that ends is named, and what follows from it is no bug.

use super::operators::{case, count, entry, run, scenario};
use std::path::Path;
use wavetank_sim::on_fresh_thread;
use wavetank_workloads::cluster::{self, Purpose, Setup};
use wavetank_workloads::lab::Failure;
use wavetank_workloads::scenario::{Listeners, RunOptions};
use wavetank_workloads::spec::scenario::{PlatformKind, Scenario as Described};
use wavetank_workloads::spec::{Folder, Source};

const LOST: &str = "beyond the budget: durable records were lost with their log";

/// Uploads are a minute apart.
fn seldom_uploaded() -> [(&'static str, serde_json::Value); 2] {
    [("upload_interval", "60 s".into()), ("failover_min_age", "0 s".into())]
}

#[test]
fn records_are_lost_with_their_log_and_the_promise_that_ended_is_named() {
    for (name, what, promise) in [
        ("late-writes@ebs-wal", r#"{"volume": {"of": "broker 0", "fault": "lost"}}"#, "a volume or its zone"),
        ("late-writes@regional-ebs-wal", r#"{"volume": {"of": "broker 0", "fault": "lost"}}"#, "in all its zones"),
        ("late-writes@s3-express-wal", r#"{"express-lost": 0}"#, "a zone that is lost with its bucket"),
        ("late-writes@nfs-wal", r#"{"share": "lost"}"#, "a share that is lost"),
    ] {
        let scenario = scenario(name);
        let report = run(scenario, &case(scenario, &seldom_uploaded(), &[entry(["30 s", "38 s"], what)]));
        let told = report.beyond.join("\n");
        assert_eq!(count(&report, LOST), 1, "{name}: {told}");
        assert!(
            told.starts_with("lost at ") && told.contains(" records of ") && told.contains(promise),
            "{name}: {told}"
        );
    }
}

#[test]
fn what_follows_from_a_loss_is_no_bug() {
    let scenario = scenario("late-writes@ebs-wal");
    let lost = entry(["30 s", "38 s"], r#"{"volume": {"of": "broker 0", "fault": "lost"}}"#);
    let case = case(scenario, &seldom_uploaded(), &[lost]);
    let options = RunOptions { keep_going: true, ..RunOptions::default() };
    let report =
        wavetank_workloads::lab::run_case(scenario, 3, &case, &options, Listeners::default()).expect("no panic");
    assert_eq!((report.findings, report.marks.count(LOST)), (Vec::new(), 1));
}

/// The same in a measured run, which goes on: how much is lost is measured, and on which platforms.
#[test]
fn a_measured_run_counts_what_is_lost_where_a_log_can_be() {
    let text = "platforms = [\"s3-wal\", \"s3-express-wal\", \"ebs-wal\", \"nfs-wal\"]\n\
                [scenario]\nname = \"lost\"\nsummary = \"a log is lost\"\n[cluster]\nbrokers = 3\n\
                [workload]\npartitions = 6\nmessage_size = \"1 KiB\"\nrate = 200\n\
                [[group]]\nname = \"readers\"\nmembers = 1\n\
                [[fault]]\nkind = \"log-loss\"\nat = \"90 s\"\nfor = \"10 s\"\ntarget = \"busiest\"\n\
                [measure]\nduration = \"150 s\"\nwarm_up = \"5 s\"\n";
    let scenario =
        Described::parse(&Source::new("lost.toml", text), &Folder(Path::new(""))).expect("it is right").value;
    for platform in &scenario.platforms {
        let setup = Setup { scenario: &scenario, platform, purpose: Purpose::Measure };
        let measure = || cluster::run(setup, 1, &RunOptions::default(), Listeners::default());
        let report = on_fresh_thread(measure).expect("no panic");
        let it = report.measurement.expect("it was measured");
        let kind = platform.kind;
        assert_eq!(report.run.findings, [], "{kind:?}");
        assert!(it.seconds.len() >= 149, "{kind:?} went on");
        let is_kept = kind == PlatformKind::S3Wal;
        assert_eq!(
            (it.acked_lost == 0, it.ended_promises.is_empty()),
            (is_kept, is_kept),
            "{kind:?}: {}",
            it.acked_lost
        );
        assert!(it.seconds.last().is_some_and(|last| last.available == it.partitions), "{kind:?} is whole again");
    }
}

#[test]
fn a_volume_that_is_taken_from_its_broker_costs_a_restart_and_nothing_else() {
    let detach = |of: u32, at: &str| {
        entry([at, "50 s"], &format!(r#"{{"volume": {{"of": "broker {of}", "fault": "detach"}}}}"#))
    };
    for name in ["late-writes@ebs-wal", "late-writes@regional-ebs-wal"] {
        let scenario = scenario(name);
        let report = run(scenario, &case(scenario, &seldom_uploaded(), &[detach(0, "30 s"), detach(1, "31 s")]));
        assert_eq!(report.beyond, [""; 0], "{name}");
        assert_eq!(count(&report, "wal: the device refused a fenced owner"), 2, "{name}");
        assert!(count(&report, "recovery: a log had records that were in no object") > 0, "{name}");
    }
}

/// Found by sweeps. A rescuer that cannot upload, for the object store is gone for good, was called off when its broker was
/// back, and left the log's file locked: its client lived on, for its own log. The next rescuer had that client fenced, and with
/// it its own log, which nobody wrote to: it never noticed, was told to rescue again and again, and could not. Or the broker
/// died again before its rescuer was through: the next rescue began, and what the one before held was forgotten.
#[test]
fn a_rescuer_that_is_called_off_gives_the_lock_back() {
    for (name, text) in [
        ("called-off-rescue.json", include_str!("called-off-rescue.json")),
        ("rescued-again.json", include_str!("rescued-again.json")),
    ] {
        let kept = Failure::parse(name, text).expect("it can be read");
        assert!(!kept.outcome.findings().is_empty(), "it was wrong once");
        let report = kept.replay(Listeners::default()).expect("no panic");
        assert_eq!(report.findings, [], "{name}");
        assert!(count(&report, "storage: a rescue was called off") > 0, "{name}");
        assert_eq!(count(&report, "standstill: the object store is gone"), 1, "{}", report.beyond.join("\n"));
    }
}
