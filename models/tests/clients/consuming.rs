//! What consumers and groups promise.

use super::broker::Script;
use super::common::*;
use super::harness::{Ran, Setup};
use std::collections::BTreeMap;
use wavetank_models::client::PartitionAssignor;
use wavetank_models::probe::Probe;
use wavetank_models::world::Action;
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
