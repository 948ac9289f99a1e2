//! Flink-style jobs on clusters: what they put out is right whatever is killed, bugs show, and their recovery is measured.

use wavetank_models::flink::FlinkMutant;
use wavetank_sim::{Nanos, on_fresh_thread, run_many};
use wavetank_workloads::cluster::{ClusterReport, Purpose, Setup, run, supported};
use wavetank_workloads::compare::Distribution;
use wavetank_workloads::compare::figure::Figure;
use wavetank_workloads::mutant::Mutant;
use wavetank_workloads::scenario::{Listeners, RunOptions};
use wavetank_workloads::spec::Source;
use wavetank_workloads::spec::scenario::{Scenario, builtin};

fn builtin(name: &str) -> Scenario {
    builtin::scenario(name).expect("it is built in").expect("it is right").value
}

fn explore(scenario: &Scenario, platform: usize, seed: u64, mutant: Option<FlinkMutant>) -> ClusterReport {
    let setup = Setup { scenario, platform: &scenario.platforms[platform], purpose: Purpose::Explore };
    let options = RunOptions { mutant: mutant.map(Mutant::Flink), no_check: true, ..RunOptions::default() };
    run(setup, seed, &options, Listeners::default())
}

#[test]
fn in_every_scenario_a_job_consumes_beside_groups() {
    // `late-writes` is about logs alone.
    for (name, _) in builtin::ALL.iter().filter(|(name, _)| *name != "late-writes") {
        let scenario = builtin(name);
        assert!(!scenario.groups.is_empty() && !scenario.pipelines.is_empty(), "{name}");
    }
}

/// A storm that shows a bug, and that breaks nothing without it.
fn is_caught(mutant: FlinkMutant, seeds: std::ops::Range<u64>) {
    let scenario = builtin("backfill");
    let mut caught = None;
    run_many(
        2,
        seeds,
        |seed| explore(&scenario, 0, *seed, Some(mutant)),
        |seed, report| {
            let report = report.expect("no panic");
            let is_told = report.run.findings.iter().any(|finding| {
                finding.by.contains("oracle of pipelines")
                    || finding.why.contains("flink")
                    || finding.by.contains("restored")
            });
            caught = is_told.then_some(*seed);
            caught.is_none()
        },
    );
    let seed = caught.unwrap_or_else(|| panic!("{} was not caught", mutant.name()));
    let clean = on_fresh_thread(|| explore(&scenario, 0, seed, None)).expect("no panic");
    assert!(clean.run.findings.is_empty(), "seed {seed} without {}: {:?}", mutant.name(), clean.run.findings);
}

#[test]
fn restoring_from_committed_offsets_is_caught() {
    is_caught(FlinkMutant::RestoreFromCommittedOffsets, 0..20);
}

#[test]
fn a_barrier_that_blocks_nothing_is_caught() {
    is_caught(FlinkMutant::BarrierBlocksNothing, 0..40);
}

#[test]
fn a_checkpoint_without_metadata_is_caught() {
    is_caught(FlinkMutant::CompleteBeforeMetadata, 0..20);
}

const KILLED: &str = r#"
platforms = ["ebs-wal"]
[scenario]
name = "killed"
summary = "A task manager is killed."
[workload]
partitions = 4
message_size = "1 KiB"
rate = "200 msg/s"
producers = 2
[[group]]
name = "readers"
members = 1
[[pipeline]]
name = "totals"
parallelism = 2
task_managers = 3
state_keys = 100
[pipeline.settings]
"execution.checkpointing.interval" = "5 s"
[[fault]]
at = "20 s"
for = "5 s"
kind = "kill-task-manager"
target = "task-manager:1"
[[fault]]
at = "60 s"
kind = "kill-task-manager"
target = "task-manager:3"
[measure]
duration = "90 s"
warm_up = "15 s"
"#;

fn parsed(text: &str) -> Scenario {
    Scenario::parse(&Source::new("killed.toml", text), &builtin::Files)
        .unwrap_or_else(|wrong| panic!("{wrong:?}"))
        .value
}

/// It is noticed when the other task manager's connection breaks; the dead one is given up after two heartbeats that
/// cannot be sent (`heartbeat.rpc-failure-threshold`); then there is a restart delay of a second. The third one has
/// nothing to do, so its death costs nothing.
#[test]
fn a_killed_task_manager_costs_detection_restart_restore_and_catching_up() {
    let scenario = parsed(KILLED);
    supported(&scenario).expect("it can be simulated");
    let setup = Setup { scenario: &scenario, platform: &scenario.platforms[0], purpose: Purpose::Measure };
    let report = on_fresh_thread(|| run(setup, 1, &RunOptions::default(), Listeners::default())).expect("no panic");
    assert!(report.run.findings.is_empty(), "{:?}", report.run.findings);
    let measured = report.measurement.expect("it is measured");
    let [recovery] = &measured.job_recoveries[..] else { panic!("{:?}", measured.job_recoveries) };
    assert_eq!((recovery.what.as_str(), recovery.began), ("task manager 1 killed", Nanos::secs(20)));
    let within = |stage: Option<Nanos>, from: u64, to: u64| {
        let stage = stage.unwrap_or_else(|| panic!("a stage is missing: {recovery:?}"));
        assert!((Nanos::millis(from)..Nanos::millis(to)).contains(&stage), "{recovery:?}");
    };
    within(recovery.detection, 0, 1_000);
    within(recovery.restart, 10_000, 23_000);
    within(recovery.restore, 5, 2_000);
    within(recovery.catch_up, 1, 15_000);
    let completed = measured.latencies(Distribution::Checkpoint).len();
    assert!((10..=17).contains(&completed), "{completed} checkpoints");
    assert!(measured.latencies(Distribution::Freshness).len() > 15_000);
    // What came in while the job was down waited for it.
    let lag = Figure::JobLagMax.of(&measured).expect("there is a job");
    assert!((2_000.0..5_000.0).contains(&lag), "{lag}");
}

#[test]
fn what_a_job_cannot_do_yet_is_refused_by_name() {
    for (line, named) in [
        ("\"execution.checkpointing.mode\" = \"AT_LEAST_ONCE\"", "execution.checkpointing.mode"),
        ("\"execution.checkpointing.unaligned.enabled\" = true", "unaligned"),
        ("\"restart-strategy.type\" = \"fixed-delay\"", "restart-strategy"),
    ] {
        let text = KILLED.replace("[pipeline.settings]\n", &format!("[pipeline.settings]\n{line}\n"));
        let why = supported(&parsed(&text)).expect_err(line).to_string();
        assert!(why.contains(named) && why.contains("\"totals\""), "{why}");
    }
}
