//! What consumers and groups promise.

use super::broker::Script;
use super::common::*;
use super::harness::{Ran, Setup, at};
use std::collections::BTreeMap;
use wavetank_models::client::load::Partitioner;
use wavetank_models::client::{AutoOffsetReset, PartitionAssignor};
use wavetank_models::probe::Probe;
use wavetank_models::world::{Action, Signal};
use wavetank_sim::{Nanos, NodeId};

fn group(seed: u64, assignor: PartitionAssignor) -> Setup {
    let mut setup = Setup { subscribe: true, consumers: 3, partitions: 7, ends: Nanos::secs(90), ..Setup::new(seed) };
    setup.consumer.partition_assignor = assignor;
    setup.consumer.session_timeout = Nanos::secs(10);
    setup
}

const BOTH: [PartitionAssignor; 2] = [PartitionAssignor::Range, PartitionAssignor::CooperativeSticky];

/// By generation, how many partitions each node was given.
fn generations(ran: &Ran) -> BTreeMap<u32, BTreeMap<NodeId, u32>> {
    let mut generations: BTreeMap<u32, BTreeMap<NodeId, u32>> = BTreeMap::new();
    for (_, node, probe) in ran.probes.all() {
        if let Probe::Assigned { generation, partitions, .. } = probe {
            generations.entry(generation).or_default().insert(node, partitions);
        }
    }
    generations
}

/// How often each record was consumed.
fn times_consumed(ran: &Ran) -> BTreeMap<u64, u64> {
    let mut seen: BTreeMap<(u32, u64), u64> = BTreeMap::new();
    for (_, _, probe) in ran.probes.all() {
        if let Probe::Consumed { span, .. } = probe {
            (span.base..span.next).for_each(|offset| *seen.entry((span.tp.partition, offset)).or_default() += 1);
        }
    }
    let mut times = BTreeMap::new();
    seen.values().for_each(|n| *times.entry(*n).or_default() += 1);
    times
}

#[test]
fn a_group_shares_all_partitions_and_reads_everything_once() {
    for assignor in BOTH {
        let ran = group(1, assignor).run();
        assert_eq!(ran.bad(), [""; 0], "{assignor:?}");
        let last = generations(&ran).into_values().last().expect("a generation");
        assert_eq!((last.len(), last.values().sum::<u32>()), (3, 7), "{assignor:?}");
        assert_eq!(times_consumed(&ran), BTreeMap::from([(1, 10_000)]), "{assignor:?}");
    }
}

#[test]
fn whoever_dies_leaves_its_partitions_to_the_others_and_nothing_is_skipped() {
    for (seed, assignor) in (0..20).flat_map(|seed| BOTH.map(|assignor| (seed, assignor))) {
        let setup = group(seed, assignor);
        let victim = setup.first_consumer();
        let ran = setup.run_with(|world, core, _| {
            world.plan(core, ms(9_000 + seed * 317), Action::Kill(victim));
            world.plan(core, ms(30_000 + seed * 211), Action::Restart(victim));
        });
        assert_eq!(ran.bad(), [""; 0], "seed {seed} {assignor:?}");
        let generations = generations(&ran);
        let last = generations.values().last().expect("a generation");
        assert_eq!((last.len(), last.values().sum::<u32>()), (3, 7), "seed {seed} {assignor:?} {generations:?}");
        assert!(generations.values().all(|of| of.values().sum::<u32>() <= 7), "seed {seed}: {generations:?}");
        let times = times_consumed(&ran);
        assert_eq!(times.values().sum::<u64>(), 10_000, "seed {seed} {assignor:?}: {times:?}");
    }
}

#[test]
fn a_zombie_is_fenced_and_finds_back() {
    for (seed, assignor) in (0..10).flat_map(|seed| BOTH.map(|assignor| (seed, assignor))) {
        let setup = group(seed, assignor);
        let victim = setup.first_consumer();
        let ran = setup.run_with(|world, core, _| {
            world.plan(core, ms(9_000 + seed * 317), Action::Pause(victim));
            world.plan(core, ms(30_000 + seed * 211), Action::Resume(victim));
        });
        assert_eq!(ran.bad(), [""; 0], "seed {seed} {assignor:?}");
        let generations = generations(&ran);
        let last = generations.values().last().expect("a generation");
        assert_eq!((last.len(), last.values().sum::<u32>()), (3, 7), "seed {seed} {assignor:?} {generations:?}");
        assert_eq!(times_consumed(&ran).values().sum::<u64>(), 10_000, "seed {seed} {assignor:?}");
    }
}

#[test]
fn a_group_in_a_storm_with_a_coordinator_that_dies_reads_everything() {
    for (seed, assignor) in (0..25).flat_map(|seed| BOTH.map(|assignor| (seed, assignor))) {
        let script = Script {
            lose_answer: 20,
            lose_request: 20,
            deny: 10,
            forget_session: 10,
            delay_max: ms(5),
            ..Script::default()
        };
        let mut setup = Setup { script, ..group(seed, assignor) };
        setup.ends = Nanos::secs(400);
        let ran = setup.run_with(|world, core, _| {
            world.plan(core, ms(9_000 + seed * 317), Action::Kill(NodeId(0)));
            world.plan(core, ms(12_000 + seed * 317), Action::Restart(NodeId(0)));
        });
        assert_eq!(ran.bad(), [""; 0], "seed {seed} {assignor:?}");
        ran.assert_logs_in_order(seed);
        assert_eq!(ran.records_in_log(), 10_000, "seed {seed}");
        assert_eq!(times_consumed(&ran).values().sum::<u64>(), 10_000, "seed {seed} {assignor:?}");
    }
}

#[test]
fn what_was_handed_out_and_not_processed_is_read_again() {
    // 500 records take five seconds; it dies in the middle of them, whenever that is.
    let mut all = 0;
    for (seed, auto) in (0..12).flat_map(|seed| [(seed, true), (seed, false)]) {
        let mut setup = Setup { consumers: 1, records_per_sec: Some(100), ..group(seed, PartitionAssignor::Range) };
        setup.consumer.enable_auto_commit = auto;
        setup.load.stop = Nanos::secs(4);
        let victim = setup.first_consumer();
        let dies = ms(15_000 + seed * 713);
        let ran = setup.run_with(|world, core, _| {
            world.plan(core, dies, Action::Kill(victim));
            world.plan(core, dies + ms(1), Action::Restart(victim));
        });
        let times = times_consumed(&ran);
        assert_eq!(times.values().sum::<u64>(), 2_000, "seed {seed} auto {auto}: {times:?}");
        // At least the last poll's, which may have had few.
        let twice = times.get(&2).copied().unwrap_or(0);
        assert!(twice > 0, "seed {seed} auto {auto}: {times:?}");
        all += twice;
    }
    assert!(all > 24 * 300, "{all}");
}

#[test]
fn an_application_that_does_not_poll_loses_its_partitions_and_comes_back() {
    let mut setup = Setup { consumers: 2, records_per_sec: Some(20), ..group(1, PartitionAssignor::Range) };
    setup.consumer.max_poll_interval = Nanos::secs(12);
    setup.ends = Nanos::secs(200);
    let ran = setup.run();
    // 500 records at 20 a second: each poll takes longer than it may.
    assert!(generations(&ran).len() > 3, "{:?}", generations(&ran));
}

#[test]
fn lag_is_real_where_the_application_is_slow() {
    let mut setup = Setup { records_per_sec: Some(400), ..Setup::new(1) };
    // Its lag grows evenly: there is never nothing to take.
    setup.load.partitioner = Partitioner::RoundRobin;
    let ran = setup.run();
    let last =
        ran.probes.all().iter().filter(|(_, _, probe)| matches!(probe, Probe::Consumed { .. })).map(|p| p.0).max();
    // 10 000 records at 400 a second: 25 seconds where the load takes 20.
    assert!((24_000..26_500).contains(&(last.unwrap().0 / 1_000_000)), "{last:?}");
    assert_eq!(ran.bad(), [""; 0]);
}

#[test]
fn a_position_before_the_log_is_reset_as_the_policy_says() {
    for (policy, least, most) in [
        (AutoOffsetReset::Earliest, 9_900, 10_000),
        (AutoOffsetReset::Latest, 5_000, 9_900),
        (AutoOffsetReset::None, 0, 0),
    ] {
        // It boots when the logs have begun later already.
        let mut setup = Setup { consumers: 1, ..Setup::new(1) };
        setup.consumer.auto_offset_reset = policy;
        setup.start_offset = Some(0);
        let consumer = setup.first_consumer();
        let ran = setup.run_with(|world, core, cluster| {
            world.plan(core, ms(1), Action::Kill(consumer));
            at(world, core, cluster, ms(5_000), |cluster| {
                cluster.logs.values_mut().for_each(|log| log.start = 10);
            });
            world.plan(core, ms(5_001), Action::Restart(consumer));
        });
        let seen = times_consumed(&ran).values().sum::<u64>();
        assert!((least..=most).contains(&seen), "{policy:?}: {seen}");
    }
}

#[test]
fn whoever_leaves_in_good_order_is_not_waited_for_and_nothing_is_read_twice() {
    for (seed, assignor) in (0..10).flat_map(|seed| BOTH.map(|assignor| (seed, assignor))) {
        let mut setup = group(seed, assignor);
        // Whoever only vanished would be waited for until long after the end.
        setup.consumer.session_timeout = Nanos::secs(60);
        let leaver = setup.first_consumer();
        let ran = setup.run_with(|world, core, _| {
            world.plan(core, ms(9_000 + seed * 317), Action::Signal(leaver, Signal::Terminate));
        });
        assert_eq!(ran.bad(), [""; 0], "seed {seed} {assignor:?}");
        let last = generations(&ran).into_values().last().expect("a generation");
        assert_eq!((last.len(), last.values().sum::<u32>()), (2, 7), "seed {seed} {assignor:?}");
        let times = times_consumed(&ran);
        assert_eq!(times.values().sum::<u64>(), 10_000, "seed {seed} {assignor:?}: {times:?}");
        assert_eq!(times.get(&1), Some(&10_000), "seed {seed} {assignor:?}: it committed before it left: {times:?}");
    }
}
