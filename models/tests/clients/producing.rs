//! What producers promise.

use super::broker::Script;
use super::common::*;
use super::harness::{Ran, Setup, at};
use wavetank_models::client::ProducerSettings;
use wavetank_models::client::load::{LoadSpec, Partitioner};
use wavetank_models::kafka::protocol::client::Acks;
use wavetank_models::probe::Probe;
use wavetank_models::world::Action;
use wavetank_sim::Nanos;
use wavetank_traces::history::Kind;

#[test]
fn a_quiet_day() {
    let ran = Setup::new(1).run();
    assert_eq!(ran.bad(), [""; 0]);
    // 500 records a second for 20 s.
    assert_eq!(ran.records_in_log(), 10_000);
    ran.assert_logs_in_order(1);
    assert_eq!((ran.ended(Kind::Fail), ran.ended(Kind::Info)), (0, 0));
    let consumed = |probe: &Probe| match probe {
        Probe::Consumed { span, .. } => span.next - span.base,
        _ => 0,
    };
    assert_eq!(ran.probes.all().iter().map(|(_, _, probe)| consumed(probe)).sum::<u64>(), 10_000);
}

fn storm(seed: u64) -> Script {
    let pick = |n: u64, of: &[u32]| of[(seed / n % of.len() as u64) as usize];
    Script {
        lose_answer: pick(1, &[0, 20, 100]),
        lose_request: pick(3, &[0, 20, 100]),
        deny: pick(9, &[0, 50]),
        forget_session: pick(2, &[0, 30]),
        delay_max: ms(u64::from(pick(5, &[0, 3, 40]))),
        ..Script::default()
    }
}

#[test]
fn an_idempotent_producer_loses_doubles_and_reorders_nothing() {
    for seed in 0..60 {
        let setup = Setup { script: storm(seed), ..Setup::new(seed) };
        let ran = setup.run();
        assert_eq!(ran.bad(), [""; 0], "seed {seed}");
        assert_eq!(ran.records_in_log(), 10_000, "seed {seed}");
        ran.assert_logs_in_order(seed);
    }
}

fn plain(max_in_flight: usize) -> ProducerSettings {
    ProducerSettings {
        enable_idempotence: false,
        max_in_flight_requests_per_connection: max_in_flight,
        ..ProducerSettings::default()
    }
}

#[test]
fn without_idempotence_retries_reorder_unless_one_request_is_on_its_way() {
    let script = Script { deny: 50, delay_max: ms(20), ..Script::default() };
    let is_in_order = |max_in_flight, seed| {
        let ran = Setup { script, producer: plain(max_in_flight), ..Setup::new(seed) }.run();
        assert_eq!(ran.records_in_log(), 10_000);
        ran.cluster.lock().unwrap().logs.values().all(|log| log.is_in_order().is_ok())
    };
    assert!((0..10).all(|seed| is_in_order(1, seed)));
    assert!((0..10).all(|seed| !is_in_order(5, seed)));
}

#[test]
fn without_idempotence_lost_answers_make_duplicates_and_the_checker_sees_them() {
    let script = Script { lose_answer: 50, ..Script::default() };
    let ran = Setup { script, producer: plain(5), is_wrong: true, ..Setup::new(1) }.run();
    assert!(ran.records_in_log() > 10_000);
    assert!(ran.bad().contains(&"duplicate".to_string()), "{:?}", ran.bad());
}

#[test]
fn partitioners_spread_records_as_they_say() {
    let spread = |partitioner| {
        let mut setup = Setup::new(3);
        setup.load = LoadSpec { partitioner, ..setup.load };
        let ran = setup.run();
        assert_eq!(ran.bad(), [""; 0]);
        ran.assert_logs_in_order(3);
        let logs = &ran.cluster.lock().unwrap().logs;
        logs.values().map(|log| log.end()).collect::<Vec<_>>()
    };
    // Shares are rounded down to 10^-9: the last record of a stream may be a moment late.
    let even = spread(Partitioner::RoundRobin);
    assert!(even.iter().all(|n| (3_332..=3_334).contains(n)), "{even:?}");
    let skewed = spread(Partitioner::Keyed { keys: 1000, skew: 0.0, hot: vec![(1, 8.0)] });
    assert!(skewed[1] > 2 * (skewed[0] + skewed[2]), "{skewed:?}");
    let sticky = spread(Partitioner::Sticky);
    assert!(sticky.iter().all(|n| *n > 2_000) && sticky.iter().sum::<u64>() == 10_000, "{sticky:?}");
}

/// KIP-794: 16 records fill a batch, and leave some of `batch.size` unused.
#[test]
fn a_sticky_partition_changes_at_the_end_of_a_batch() {
    let mut setup = Setup::new(1);
    setup.load = LoadSpec { stop: Nanos::secs(5), ..LoadSpec::constant(10_000, 1000) };
    setup.producer.linger = Nanos::secs(1);
    let ran = setup.run();
    assert_eq!((ran.bad(), ran.records_in_log()), (vec![], 50_000));
    let logs = &ran.cluster.lock().unwrap().logs;
    let batches: Vec<u32> = logs.values().flat_map(|log| &log.batches).map(|batch| batch.count).collect();
    let small = batches.iter().filter(|count| **count < 16).count();
    // What was lingering at the end.
    assert!(small <= 3, "{small} of {} batches are not full", batches.len());
}

#[test]
fn order_survives_leaders_that_move_and_brokers_that_die() {
    for seed in 0..40 {
        let setup = Setup { script: storm(seed), ends: Nanos::secs(90), ..Setup::new(seed) };
        let ran = setup.run_with(|world, core, cluster| {
            for n in 0..6 {
                let (partition, to) = ((seed + n) % 3, (seed + n / 3) % 2);
                at(world, core, cluster, ms(2_000 + 2_500 * n + 37 * seed), move |cluster| {
                    cluster.move_leader(partition as u32, to as u32);
                });
            }
            world.plan(core, ms(5_000 + 131 * seed), Action::Kill(wavetank_sim::NodeId(1)));
            world.plan(core, ms(7_000 + 151 * seed), Action::Restart(wavetank_sim::NodeId(1)));
        });
        assert_eq!(ran.bad(), [""; 0], "seed {seed}");
        assert_eq!(ran.records_in_log(), 10_000, "seed {seed}");
        ran.assert_logs_in_order(seed);
    }
}

fn outage(setup: &Setup, from: u64, to: u64) -> Ran {
    setup.run_with(|world, core, cluster| {
        at(world, core, cluster, Nanos::secs(from), |cluster| cluster.script.deaf = true);
        at(world, core, cluster, Nanos::secs(to), |cluster| cluster.script.deaf = false);
    })
}

#[test]
fn what_is_not_delivered_in_time_is_unknown_and_what_follows_begins_a_new_epoch() {
    for seed in 0..20 {
        let mut setup = Setup::new(seed);
        (setup.producer.delivery_timeout, setup.producer.request_timeout) = (Nanos::secs(4), Nanos::secs(1));
        let ran = outage(&setup, 5, 12);
        assert_eq!(ran.bad(), [""; 0], "seed {seed}");
        assert_eq!(ran.ended(Kind::Fail), 0, "seed {seed}");
        let gave_up = |probe: &Probe| match probe {
            Probe::GaveUp { records, .. } => u64::from(*records),
            _ => 0,
        };
        let lost: u64 = ran.probes.all().iter().map(|(_, _, probe)| gave_up(probe)).sum();
        assert!(lost > 0, "seed {seed}");
        assert!(ran.records_in_log() + lost >= 10_000 && ran.records_in_log() < 10_000, "seed {seed}");
        let cluster = ran.cluster.lock().unwrap();
        let epochs = cluster.logs.values().flat_map(|log| log.producers.values()).map(|(epoch, _)| epoch.0);
        assert!(epochs.max() > Some(0), "seed {seed}");
    }
}

/// By how much the last record of a batch was given to the producer later than it was due, at most.
fn publish_delay_max(ran: &Ran) -> Nanos {
    let delay = |probe: &Probe| match probe {
        Probe::Produced { due, sent, .. } => sent.1.saturating_sub(due.1).max(sent.0.saturating_sub(due.0)),
        _ => Nanos::ZERO,
    };
    ran.probes.all().iter().map(|(_, _, probe)| delay(probe)).max().expect("probes")
}

#[test]
fn a_full_buffer_makes_the_application_wait_and_loses_nothing() {
    let mut setup = Setup::new(1);
    setup.producer.request_timeout = Nanos::secs(1);
    let ran = outage(&setup, 5, 12);
    assert_eq!((ran.bad(), ran.records_in_log(), publish_delay_max(&ran)), (vec![], 10_000, Nanos::ZERO));
    // 64 KiB hold four batches; 500 records of 200 bytes a second fill them at once.
    setup.producer.buffer_memory = 64 << 10;
    let ran = outage(&setup, 5, 12);
    assert_eq!((ran.bad(), ran.records_in_log()), (vec![], 10_000));
    assert!(publish_delay_max(&ran) > Nanos::secs(4), "{:?}", publish_delay_max(&ran));
    // And a record that waits for `max.block.ms` is the application's loss.
    setup.producer.max_block = Nanos::secs(2);
    let ran = outage(&setup, 5, 12);
    assert_eq!(ran.bad(), [""; 0]);
    assert!((9_990..10_000).contains(&ran.records_in_log()), "{}", ran.records_in_log());
}

#[test]
fn without_acknowledgements_a_send_is_done_when_it_is_sent() {
    let mut setup = Setup { producer: plain(5), ..Setup::new(1) };
    setup.producer.acks = Acks::None;
    let ran = setup.run();
    assert_eq!((ran.bad(), ran.records_in_log()), (vec![], 10_000));
    assert!(!ran.probes.all().iter().any(|(_, _, probe)| matches!(probe, Probe::Produced { .. })));
}

#[test]
fn a_producer_that_dies_leaves_its_sends_unknown_and_comes_back_as_another_writer() {
    for seed in 0..20 {
        let setup = Setup { script: storm(seed), ..Setup::new(seed) };
        let ran = setup.run_with(|world, core, _| {
            world.plan(core, ms(5_000 + 113 * seed), Action::Kill(setup.first_producer()));
            world.plan(core, ms(6_000 + 113 * seed), Action::Restart(setup.first_producer()));
        });
        assert_eq!(ran.bad(), [""; 0], "seed {seed}");
        ran.assert_logs_in_order(seed);
        let cluster = ran.cluster.lock().unwrap();
        let writers: std::collections::BTreeSet<_> =
            cluster.logs.values().flat_map(|log| log.ranges()).map(|(writer, ..)| writer).collect();
        assert_eq!(writers.len(), 2, "seed {seed}");
    }
}

#[test]
fn requests_hold_no_more_than_they_may() {
    let mut setup = Setup::new(1);
    // Batches of all partitions are full at once.
    let partitioner = Partitioner::RoundRobin;
    setup.load = LoadSpec { stop: Nanos::secs(5), partitioner, ..LoadSpec::constant(50_000, 1000) };
    setup.producer.max_request_size = 40_000;
    let ran = setup.run();
    assert_eq!(ran.bad(), [""; 0]);
    // A record more or less a partition: each has a third of the rate, from a moment of its own.
    assert!(ran.records_in_log().abs_diff(250_000) <= 3, "{}", ran.records_in_log());
    let cluster = ran.cluster.lock().unwrap();
    assert!((30_000..=40_000).contains(&cluster.bytes_per_request_max), "{}", cluster.bytes_per_request_max);
}
