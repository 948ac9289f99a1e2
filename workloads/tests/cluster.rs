//! Clusters, run small: what exploring finds, and that it finds it again.

use wavetank_sim::{on_fresh_thread, run_many};
use wavetank_workloads::cluster::{ClusterReport, Purpose, Setup, run};
use wavetank_workloads::scenario::{Listeners, RunOptions};
use wavetank_workloads::spec::scenario::{Scenario, builtin};

fn scenario(name: &str) -> Scenario {
    builtin::scenario(name).expect("it is built in").expect("it is right").value
}

fn explore(scenario: &Scenario, platform: usize, seed: u64) -> ClusterReport {
    let platform = &scenario.platforms[platform];
    let setup = Setup { scenario, platform, purpose: Purpose::Explore };
    run(setup, seed, &RunOptions::default(), Listeners::default())
}

#[test]
fn a_calm_cluster_becomes_quiet_on_every_platform() {
    let scenario = scenario("steady");
    for platform in 0..scenario.platforms.len() {
        let report = on_fresh_thread(|| explore(&scenario, platform, 1)).expect("no panic");
        let name = scenario.platforms[platform].kind.name();
        assert!(report.run.findings.is_empty(), "{name}: {:?}", report.run.findings);
        assert!(report.run.history.checked > Some(100), "{name}: {:?}", report.run.history);
    }
}

/// How many storms each platform goes through: `WAVETANK_SEEDS` says more.
fn seeds() -> Vec<u64> {
    let count = std::env::var("WAVETANK_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(4);
    (0..count).collect()
}

#[test]
fn storms_within_budget_break_nothing() {
    let names = std::env::var("WAVETANK_SCENARIO").unwrap_or_else(|_| "broker-failover".into());
    let only = std::env::var("WAVETANK_PLATFORM").ok();
    let mut failed = 0;
    for name in names.split(',') {
        let scenario = scenario(name);
        for platform in 0..scenario.platforms.len() {
            let kind = scenario.platforms[platform].kind.name();
            if only.as_deref().is_some_and(|only| only != kind) {
                continue;
            }
            let (mut events, mut marks) = (0, wavetank_sim::Marks::default());
            run_many(
                2,
                &seeds(),
                |seed| explore(&scenario, platform, *seed),
                |seed, report| {
                    match report {
                        Ok(report) => {
                            events += report.run.events;
                            marks.merge(&report.run.marks);
                            for finding in &report.run.findings {
                                failed += 1;
                                println!(
                                    "{name} {kind} seed {seed}: {:?} {}: {}",
                                    finding.severity, finding.by, finding.why
                                );
                            }
                        }
                        Err(panic) => {
                            failed += 1;
                            println!("{name} {kind} seed {seed}: panic: {}", panic.message);
                        }
                    }
                    true
                },
            );
            println!("{name} {kind}: {events} events");
            if std::env::var("WAVETANK_MARKS").is_ok() {
                marks.iter().for_each(|(mark, count)| println!("  {count:9} {mark}"));
            }
        }
    }
    assert_eq!(failed, 0);
}
