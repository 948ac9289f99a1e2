//! Clusters, run small: what exploring finds, and that it finds it again.

use std::path::Path;
use wavetank_models::cloud::price::PicoUsd;
use wavetank_sim::{Nanos, on_fresh_thread, run_many};
use wavetank_workloads::cluster::{ClusterReport, Purpose, Setup, run};
use wavetank_workloads::compare::Kept;
use wavetank_workloads::scenario::{Listeners, RunOptions};
use wavetank_workloads::spec::scenario::{Scenario, builtin};
use wavetank_workloads::spec::{Folder, Source};

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

/// A broker's disk of 1 MB/s takes about 850 records of 1 KiB a second: three of them, with what each log adds, less than
/// 3,000. A rate counts as one that holds when less than a second's worth falls behind in 30 s: 3 % beyond the limit pass.
#[test]
fn the_highest_rate_that_holds_is_found_and_measured() {
    let text = "platforms = [\"ebs-wal\"]\n[scenario]\nname = \"most\"\nsummary = \"as much as it can\"\n\
                [cluster]\nbrokers = 3\n[workload]\npartitions = 6\nmessage_size = \"1 KiB\"\nrate = \"max\"\n\
                producers = 2\n[[group]]\nname = \"readers\"\nmembers = 3\n\
                [platform.ebs-wal]\n\"s3.wal.path\" = \"0@file:///dev/x?iobandwidth=1000000\"\n\
                [measure]\nduration = \"20 s\"\nwarm_up = \"10 s\"\n[expect]\nthroughput = \">= 97 %\"\n";
    let scenario = Scenario::parse(&Source::new("most.toml", text), &Folder(Path::new(""))).expect("it is right").value;
    let setup = Setup { scenario: &scenario, platform: &scenario.platforms[0], purpose: Purpose::Measure };
    let measure = || run(setup, 1, &RunOptions::default(), Listeners::default());
    let [one, two] = [(), ()].map(|()| on_fresh_thread(measure).expect("no panic"));
    assert!(one.run.findings.is_empty(), "{:?}", one.run.findings);
    assert_eq!(one.run.digest, two.run.digest);
    let measurement = one.measurement.expect("it was measured");
    let rate = measurement.sustainable_rate.expect("it was looked for");
    assert!((1_000..3_000).contains(&rate), "{rate}");
    assert_eq!(measurement.expectations[0].kept(), Kept::Kept, "{:?}", measurement.expectations);
}

#[test]
fn members_that_know_their_zone_read_in_it_and_that_costs_less() {
    let used = |protocol: &str, settings: &str| {
        let text = format!(
            "platforms = [\"s3-wal\"]\n[scenario]\nname = \"near\"\nsummary = \"who reads where\"\n\
             [workload]\npartitions = 12\nmessage_size = \"4 KiB\"\nrate = 600\n\
             [[group]]\nname = \"readers\"\nmembers = 6\nprotocol = \"{protocol}\"\n{settings}\n\
             [measure]\nduration = \"20 s\"\nwarm_up = \"15 s\"\n"
        );
        let scenario =
            Scenario::parse(&Source::new("near.toml", text), &Folder(Path::new(""))).expect("it is right").value;
        let setup = Setup { scenario: &scenario, platform: &scenario.platforms[0], purpose: Purpose::Measure };
        let measure = || run(setup, 1, &RunOptions::default(), Listeners::default());
        let report = on_fresh_thread(measure).expect("no panic");
        assert!(report.run.findings.is_empty(), "{:?}", report.run.findings);
        let usage = report.measurement.expect("it was measured").usage;
        let lines = usage.monthly.iter().filter(|line| line.product.contains("cross-az"));
        (usage.bytes["cross-AZ"], lines.map(|line| line.cost).sum::<PicoUsd>())
    };
    for protocol in ["eager", "cooperative"] {
        let plain = used(protocol, "");
        let near = used(protocol, "settings = { \"client.rack\" = \"{zone.id}\" }");
        // A copy comes in, two thirds of it from elsewhere, and one goes out: of that nothing crosses a zone any more.
        assert!(near.0 * 100 < plain.0 * 65 && near.1 < plain.1, "{protocol}: {near:?} instead of {plain:?}");
        // A zone that no broker is in is as none.
        let lost = used(protocol, "settings = { \"client.rack\" = \"nowhere\" }");
        assert!(lost.0.abs_diff(plain.0) * 20 < plain.0, "{protocol}: {lost:?} instead of {plain:?}");
    }
}

#[test]
fn readers_that_come_and_go_or_come_late_are_judged() {
    let text = "platforms = [\"nfs-wal\"]\n[scenario]\nname = \"come\"\nsummary = \"and go\"\n\
                [workload]\npartitions = 6\nmessage_size = \"1 KiB\"\nrate = 500\n\
                [workload.consumer]\n\"auto.offset.reset\" = \"earliest\"\n\
                [[group]]\nname = \"members\"\nmembers = 3\nprotocol = \"eager\"\n\
                [[group]]\nname = \"late\"\nmembers = 1\nstart_at = \"15 s\"\n\
                [[fault]]\nkind = \"consumer-churn\"\nat = \"3 s\"\nfor = \"8 s\"\ntarget = \"group:members\"\n\
                every = \"4 s\"\n\
                [expect]\n\"rebalance.pause\" = \"< 40 s\"\ncatch_up = \"< 1 ms\"\n\"sink.duplicates\" = 0\n\
                [measure]\nduration = \"30 s\"\nwarm_up = \"15 s\"\n";
    let scenario = Scenario::parse(&Source::new("come.toml", text), &Folder(Path::new(""))).expect("it is right").value;
    let setup = Setup { scenario: &scenario, platform: &scenario.platforms[0], purpose: Purpose::Measure };
    let measure = || run(setup, 1, &RunOptions::default(), Listeners::default());
    let report = on_fresh_thread(measure).expect("no panic");
    let it = report.measurement.expect("it was measured");
    assert!(it.rebalance_pause.is_some_and(|pause| pause > Nanos::millis(1)), "{:?}", it.rebalance_pause);
    assert!(matches!(it.catch_ups.as_slice(), [Some(took)] if *took < Nanos::secs(10)), "{:?}", it.catch_ups);
    let kept: Vec<_> = it.expectations.iter().map(|it| it.kept()).collect();
    assert_eq!(kept, [Kept::Kept, Kept::Missed, Kept::Unknown], "{:?}", it.expectations);
}

/// Kubernetes waits six minutes before it detaches a volume by force. A broker that is back before has it still, and must keep
/// it: nobody takes it away when those minutes are over. A log that nobody writes to would not notice; so the other broker is
/// killed too, and the first one leads everything by then.
#[test]
fn a_broker_that_is_back_in_time_keeps_its_volume() {
    let text = "platforms = [\"ebs-wal\"]\n[scenario]\nname = \"back\"\nsummary = \"in time\"\n\
                [cluster]\nbrokers = 2\n\
                [workload]\npartitions = 6\nmessage_size = \"1 KiB\"\nrate = 20\n\
                [[group]]\nname = \"readers\"\nmembers = 1\n\
                [[fault]]\nkind = \"kill-broker\"\nat = \"1 s\"\nfor = \"40 s\"\ntarget = \"broker:1\"\n\
                [[fault]]\nkind = \"kill-broker\"\nat = \"120 s\"\nfor = \"40 s\"\ntarget = \"broker:2\"\n\
                [measure]\nduration = \"500 s\"\nwarm_up = \"65 s\"\n";
    let scenario = Scenario::parse(&Source::new("back.toml", text), &Folder(Path::new(""))).expect("it is right").value;
    let setup = Setup { scenario: &scenario, platform: &scenario.platforms[0], purpose: Purpose::Measure };
    let report = on_fresh_thread(|| run(setup, 1, &RunOptions::default(), Listeners::default())).expect("no panic");
    assert!(report.run.findings.is_empty(), "{:?}", report.run.findings);
    let reached = |mark: &str| report.run.marks.iter().find(|(name, _)| *name == mark).map_or(0, |(_, count)| count);
    assert_eq!(reached("storage: a rescue was called off"), 2);
    assert_eq!(reached("wal: the device refused a fenced owner"), 0);
    let measurement = report.measurement.expect("it was measured");
    assert_eq!(measurement.recoveries.len(), 2);
    for recovery in &measurement.recoveries {
        let total = recovery.total().expect("it came back");
        assert!(recovery.by_itself && (Nanos::secs(40)..Nanos::secs(60)).contains(&total), "{recovery:?}");
    }
    // A second failure minutes later would be the volume's loss.
    let dead = measurement.seconds.iter().skip(200).filter(|second| second.available < measurement.partitions);
    assert_eq!(dead.count(), 0);
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
                seeds(),
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
