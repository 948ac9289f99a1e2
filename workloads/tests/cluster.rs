//! Clusters, run small.

use wavetank_sim::on_fresh_thread;
use wavetank_workloads::cluster::{Mutants, Purpose, Setup, run};
use wavetank_workloads::scenario::{Listeners, RunOptions};
use wavetank_workloads::spec::scenario::builtin;

#[test]
fn a_calm_cluster_becomes_quiet() {
    let scenario = builtin::scenario("steady").expect("it is built in").expect("it is right").value;
    let platform = &scenario.platforms[0];
    let setup = Setup { scenario: &scenario, platform, purpose: Purpose::Explore };
    let report = on_fresh_thread(|| run(setup, 1, Mutants::default(), &RunOptions::default(), Listeners::default()));
    let report = report.expect("no panic");
    println!("{:?} {:?} {:?} {} events", report.run.reason, report.run.now, report.run.findings, report.run.events);
    for (name, count) in report.run.marks.iter() {
        println!("{count:8} {name}");
    }
    for line in &report.run.led_here {
        println!("{line}");
    }
    assert!(report.run.findings.is_empty());
}
