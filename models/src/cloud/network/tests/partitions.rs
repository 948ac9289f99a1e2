//! Partitions, clogs, grey links, storms, and what they leave behind: nothing.

use super::*;
use PartitionDirection::{OneWay, TwoWay};

const A: Scope = Scope::Host(HostId(0));
const B: Scope = Scope::Host(HostId(1));

#[test]
fn what_was_sent_into_a_partition_arrives_late_when_the_timer_finds_the_way_open() {
    let mut rig = Rig::listening(FREE);
    let conn = rig.connected(0, 1);
    rig.inject(0, cut(A, B, TwoWay));
    let sent_at = rig.now;
    rig.send(conn, 0, 1, 100);
    rig.run_for(Nanos::millis(700));
    rig.heal(0);
    rig.send(conn, 0, 2, 100);
    rig.run_for(Nanos::secs(5));
    // Timers at 200, 600 and 1400 ms; the heal is between the second and the third.
    let late = sent_at + Nanos::millis(1400) + Nanos::micros(100);
    assert_eq!(rig.delivered(), [(1, late), (2, late + Nanos(1))]);
    assert!(rig.resets().is_empty());
}

#[test]
fn a_cut_takes_what_is_on_the_wire() {
    let mut rig = Rig::listening(FREE);
    let conn = rig.connected(0, 1);
    let sent_at = rig.now;
    rig.send(conn, 0, 1, 100);
    rig.run_for(Nanos::micros(50));
    rig.inject(0, cut(Scope::All, Scope::All, TwoWay));
    rig.run_for(Nanos::micros(10));
    rig.heal(0);
    rig.run_for(Nanos::secs(1));
    let late = sent_at + Nanos::micros(50) + Nanos::millis(200) + Nanos::micros(100);
    assert_eq!(rig.delivered(), [(1, late)]);
    // Sent twice, arrived once.
    assert_eq!(rig.net.accounting().class(LinkClass::SameAz, Direction::Out), Traffic { bytes: 200, messages: 2 });
    assert_eq!(rig.net.accounting().class(LinkClass::SameAz, Direction::In), Traffic { bytes: 100, messages: 1 });
}

#[test]
fn a_one_way_partition_cuts_one_way() {
    let mut rig = Rig::listening(FREE);
    let conn = rig.connected(0, 1);
    rig.inject(0, cut(A, B, OneWay));
    let start = rig.now;
    rig.send(conn, 0, 1, 100);
    rig.send(conn, 1, 2, 100);
    rig.run_for(Nanos::secs(60));
    assert_eq!(rig.delivered(), [(2, start + Nanos::micros(100))]);
    rig.heal(0);
    rig.run_for(Nanos::secs(120));
    assert_eq!(rig.delivered().len(), 2);
}

#[test]
fn a_sender_gives_up_after_the_user_timeout_and_its_peer_learns_when_it_sends() {
    let mut rig = Rig::listening(FREE);
    let conn = rig.connected(0, 1);
    rig.inject(0, cut(A, B, TwoWay));
    let start = rig.now;
    rig.send(conn, 0, 1, 100);
    rig.run_for(Nanos::secs(2000));
    assert_eq!(rig.resets(), [(0, ResetReason::TimedOut, start + Nanos::millis(924_600))]);
    assert_eq!(rig.discarded(), [1]);
    rig.heal(0);
    rig.run_for(Nanos::secs(10));
    assert_eq!(rig.net.connection_count(), 1, "the peer knows nothing yet");
    rig.send(conn, 1, 2, 100);
    rig.run_for(Nanos::secs(1));
    assert_eq!(rig.discarded(), [1, 2]);
    assert_eq!(rig.resets()[1].0, 1);
    assert_eq!(rig.resets()[1].1, ResetReason::ResetByPeer);
    assert_eq!((rig.net.connection_count(), rig.keys.len()), (0, 0));
}

#[test]
fn two_partitions_unite_and_each_heals_by_its_own_id() {
    let mut rig = Rig::listening(FREE);
    let conn = rig.connected(0, 1);
    rig.inject(0, cut(A, B, TwoWay));
    rig.inject(1, cut(Scope::Node(NodeId(1)), Scope::All, TwoWay));
    rig.send(conn, 0, 1, 1);
    rig.run_for(Nanos::secs(2));
    rig.heal(0);
    rig.run_for(Nanos::secs(10));
    assert!(rig.delivered().is_empty());
    rig.heal(1);
    rig.run_for(Nanos::secs(20));
    assert_eq!(rig.delivered().len(), 1);
}

#[test]
fn a_clog_holds_in_order_and_lets_go_at_once() {
    let mut rig = Rig::listening(FREE);
    let conn = rig.connected(0, 1);
    rig.send(conn, 0, 1, 1);
    rig.run_for(Nanos::micros(50));
    rig.inject(0, NetworkFault::Clog { from: A, to: B });
    for msg in 2..5 {
        rig.send(conn, 0, msg, 1);
    }
    rig.send(conn, 1, 9, 1);
    rig.run_for(Nanos::secs(3000));
    assert_eq!(rig.delivered().iter().map(|d| d.0).collect::<Vec<_>>(), [9], "the other direction flows; no time-out");
    let healed_at = rig.now;
    rig.heal(0);
    rig.run_for(Nanos::secs(1));
    let first = healed_at + Nanos::micros(100);
    let expected: Vec<_> = (1..5).map(|msg| (msg, first + Nanos(u64::from(msg) - 1))).collect();
    assert_eq!(rig.delivered()[1..], expected);
}

#[test]
fn a_clog_under_a_partition_still_holds_after_the_heal_and_the_other_way_round() {
    for (first, second) in [(0, 1), (1, 0)] {
        let mut rig = Rig::listening(FREE);
        let conn = rig.connected(0, 1);
        rig.inject(0, NetworkFault::Clog { from: A, to: B });
        rig.inject(1, cut(A, B, TwoWay));
        rig.send(conn, 0, 1, 1);
        rig.run_for(Nanos::secs(1));
        rig.heal(first);
        rig.run_for(Nanos::secs(300));
        assert!(rig.delivered().is_empty());
        rig.heal(second);
        rig.run_for(Nanos::secs(200));
        assert_eq!(rig.delivered().len(), 1);
    }
}

#[test]
fn greys_multiply() {
    let mut rig = Rig::listening(FAST);
    let conn = rig.connected(0, 1);
    let took = |rig: &mut Rig, msg| {
        let start = rig.now;
        rig.send(conn, 0, msg, 1000);
        rig.run_for(Nanos::secs(1));
        rig.delivered().last().unwrap().1 - start
    };
    let pristine = took(&mut rig, 1);
    assert_eq!(pristine, Nanos::micros(101));
    rig.inject(0, grey(A, B, 3, 2));
    assert_eq!(took(&mut rig, 2), Nanos::micros(302));
    rig.inject(1, grey(Scope::Az(AzId(0)), Scope::Az(AzId(0)), 5, 10));
    assert_eq!(took(&mut rig, 3), Nanos::micros(1520));
    rig.heal(0);
    assert_eq!(took(&mut rig, 4), Nanos::micros(510));
    rig.heal(1);
    assert_eq!(took(&mut rig, 5), pristine);
}

#[test]
fn a_grey_card_is_slow_for_all_its_traffic_together() {
    let mut rig = Rig::listening(FAST);
    let (one, two) = (rig.connected(0, 1), rig.connected(0, 2));
    rig.inject(0, grey(A, Scope::All, 1, 10));
    let start = rig.now;
    rig.send(one, 0, 1, 1_000_000);
    rig.send(two, 0, 2, 1_000_000);
    rig.run_for(Nanos::secs(1));
    let times: Vec<_> = rig.delivered().iter().map(|d| d.1 - start).collect();
    assert_eq!(times, [Nanos::micros(10_100), Nanos::micros(20_400)]);
    let device = rig.net.charge(rig.now, HostId(0), LinkClass::ObjectStorage, Direction::Out, 1_000_000);
    assert_eq!(device - rig.now, Nanos::millis(10));
}

/// Every kind of fault comes and goes; after that each message takes exactly what it takes where nothing ever happened.
#[test]
fn heal_restores_exactly() {
    let run = |faults: &[NetworkFault]| {
        let mut rig = Rig::listening(FAST);
        let conns = [rig.connected(0, 1), rig.connected(0, 2), rig.connected(3, 1)];
        for (id, &fault) in faults.iter().enumerate() {
            rig.inject(id as u32, fault);
        }
        for (i, &conn) in conns.iter().enumerate() {
            rig.send(conn, [0, 0, 3][i], i as u32, 5000);
        }
        rig.run_for(Nanos::millis(900));
        for id in 0..faults.len() as u32 {
            rig.heal(id);
        }
        rig.run_until(Nanos::secs(100));
        assert_eq!(rig.delivered().len(), 3);
        rig.log.clear();
        for round in 0..20 {
            for (i, &conn) in conns.iter().enumerate() {
                rig.send(conn, [0, 0, 3][i], round * 3 + i as u32, 5000 * u64::from(round));
                rig.send(conn, [1, 2, 1][i], 100 + round * 3 + i as u32, 700);
            }
            rig.run_for(Nanos::micros(37));
        }
        rig.run_for(Nanos::secs(1));
        assert_eq!(rig.delivered().len(), 120);
        rig.log
    };
    let calm = run(&[]);
    let all = Scope::All;
    let storm = NetworkFault::ResetStorm { from: all, to: all, every: Nanos::millis(50), ratio_ppm: 0 };
    let faults = [
        cut(A, all, TwoWay),
        cut(all, B, OneWay),
        NetworkFault::Clog { from: all, to: A },
        grey(A, all, 7, 3),
        grey(all, all, 2, 9),
        storm,
    ];
    for fault in faults {
        assert_eq!(calm, run(&[fault]), "{fault:?}");
    }
    assert_eq!(calm, run(&faults));
}

#[test]
fn a_reset_storm_resets_matching_connections_by_its_ratio_until_healed() {
    let storm = |ratio_ppm| NetworkFault::ResetStorm { from: B, to: A, every: Nanos::millis(10), ratio_ppm };
    let survivors = |ratio_ppm, rounds: u64| {
        let mut rig = Rig::listening(FREE);
        let other = rig.connected(0, 2);
        for _ in 0..200 {
            rig.connect(0, 1);
        }
        rig.run_for(Nanos::secs(1));
        rig.inject(0, storm(ratio_ppm));
        rig.run_for(Nanos::millis(10 * rounds));
        rig.heal(0);
        rig.run_for(Nanos::secs(100));
        assert!(rig.keys.contains_key(other), "not in its scope");
        assert!(rig.resets().iter().all(|r| r.1 == ResetReason::ResetByNetwork));
        assert_eq!(rig.resets().len(), 2 * (201 - rig.keys.len()), "both ends learn");
        rig.net.connection_count() - 1
    };
    assert_eq!(survivors(1_000_000, 1), 0);
    assert_eq!(survivors(0, 50), 200);
    assert!((60..140).contains(&survivors(500_000, 1)));
    assert!((20..90).contains(&survivors(500_000, 2)));
}

#[test]
fn a_storm_discards_what_is_under_way() {
    let mut rig = Rig::listening(FREE);
    let conn = rig.connected(0, 3);
    let storm =
        NetworkFault::ResetStorm { from: Scope::All, to: Scope::All, every: Nanos::millis(1), ratio_ppm: 1_000_000 };
    rig.inject(0, storm);
    rig.send(conn, 0, 1, 1);
    rig.send(conn, 3, 2, 1);
    rig.run_for(Nanos::secs(1));
    assert_eq!(rig.discarded(), [1, 2]);
    assert_eq!(rig.log.last().unwrap().1, Done::Closed { conn });
    rig.send(conn, 0, 3, 1);
    assert_eq!(rig.discarded(), [1, 2, 3]);
    rig.heal(0);
    rig.run_for(Nanos::secs(1));
    // The same id again: the old storm's wake-up must not count for the new one.
    rig.inject(0, storm);
    rig.heal(0);
    rig.inject(0, NetworkFault::Clog { from: A, to: B });
    rig.run_for(Nanos::secs(1));
}

#[test]
fn scopes_mean_borders_unless_both_are_the_same() {
    let reached = |fault: NetworkFault| {
        let mut rig = Rig::listening(FREE);
        let conns: Vec<_> =
            [(0, 1), (0, 2), (0, 3), (0, 4), (1, 2), (1, 4)].map(|(a, b)| (a, rig.connect(a, b))).into();
        rig.run_for(Nanos::secs(1));
        rig.log.clear();
        rig.inject(0, fault);
        for (i, &(from, conn)) in conns.iter().enumerate() {
            rig.send(conn, from, i as u32, 1);
        }
        rig.run_for(Nanos::secs(1));
        let mut names: Vec<_> =
            rig.delivered().iter().map(|d| ["01", "02", "03", "04", "12", "14"][d.0 as usize]).collect();
        names.sort_unstable();
        names.join(" ")
    };
    let (zone, all) = (Scope::Az(AzId(0)), Scope::All);
    let node = |n| Scope::Node(NodeId(n));
    for (from, to, direction, expected) in [
        (zone, all, TwoWay, "01 04 14"),
        (zone, zone, TwoWay, "02 03 04 12"),
        (all, all, TwoWay, "04"),
        (all, zone, OneWay, "01 02 03 04 12 14"),
        (all, A, OneWay, "01 02 03 04 12"),
        (A, all, TwoWay, "04 12"),
        (node(4), all, TwoWay, "01 02 03 04 12"),
        (node(4), node(0), TwoWay, "01 02 03 12 14"),
        (Scope::Region(RegionId(0)), Scope::Region(RegionId(1)), OneWay, "01 02 04 12 14"),
        (Scope::Region(RegionId(1)), Scope::Region(RegionId(0)), OneWay, "01 02 03 04 12 14"),
        (Scope::Storage(LinkClass::ObjectStorage), all, TwoWay, "01 02 03 04 12 14"),
    ] {
        assert_eq!(reached(cut(from, to, direction)), expected, "{from:?} {to:?} {direction:?}");
    }
}

#[test]
fn storage_is_reached_or_not_by_class_zone_and_direction() {
    let all = Scope::All;
    let storage = |class| Scope::Storage(class);
    use LinkClass::{BlockStorage as Block, FileStorage as File, ObjectStorage as Object};
    let reached = |fault| {
        let mut rig = Rig::listening(FREE);
        rig.inject(0, fault);
        let tell = |class| [0, 1, 2].map(|host| u8::from(rig.net.reachable(HostId(host), class)));
        let seen = [tell(Object), tell(Block), tell(File)];
        let id_again = seen;
        rig.heal(0);
        assert!(LinkClass::ALL.iter().filter(|c| c.is_storage()).all(|&c| rig.net.reachable(HostId(0), c)));
        id_again
    };
    assert_eq!(reached(cut(all, storage(Object), OneWay)), [[0, 0, 0], [1, 1, 1], [1, 1, 1]]);
    assert_eq!(reached(cut(A, storage(Block), TwoWay)), [[1, 1, 1], [0, 1, 1], [1, 1, 1]]);
    assert_eq!(reached(cut(storage(File), Scope::Node(NodeId(4)), OneWay)), [[1, 1, 1], [1, 1, 1], [0, 1, 1]]);
    // A zone's volumes are inside the zone, its object store and file shares are not.
    assert_eq!(reached(cut(Scope::Az(AzId(0)), all, TwoWay)), [[0, 0, 1], [1, 1, 1], [0, 0, 1]]);
    assert_eq!(reached(cut(Scope::Region(RegionId(0)), Scope::Region(RegionId(1)), TwoWay)), [[1; 3], [1; 3], [1; 3]]);
    assert_eq!(reached(cut(A, B, TwoWay)), [[1; 3], [1; 3], [1; 3]]);

    let mut rig = Rig::listening(FREE);
    rig.inject(0, cut(storage(Object), A, OneWay));
    assert!(rig.net.reachable_one_way(HostId(0), Object, Direction::Out));
    assert!(!rig.net.reachable_one_way(HostId(0), Object, Direction::In));
    rig.inject(1, grey(A, storage(Object), 3, 4));
    rig.inject(2, grey(all, storage(Object), 2, 5));
    let both = GreyFactor { latency: (6, 1), bandwidth_divisor: 20 };
    assert_eq!(rig.net.grey_factor(HostId(0), Object, Direction::Out), both);
    assert_eq!(rig.net.draw_latency(HostId(0), Object, Direction::Out), Nanos::micros(3000));
    assert_eq!(rig.net.grey_factor(HostId(0), Object, Direction::In).latency, (1, 1));
}

#[test]
fn senseless_faults_are_told_what_would_be_right() {
    let all = Scope::All;
    let grey = |latency_factor, bandwidth_divisor| NetworkFault::Grey {
        from: all,
        to: all,
        latency_factor,
        bandwidth_divisor,
    };
    for (fault, error) in [
        (grey((1, 0), 1), Some(NetworkFaultError::LatencyFactor(1, 0))),
        (grey((0, 1), 1), Some(NetworkFaultError::LatencyFactor(0, 1))),
        (grey((1, 1), 0), Some(NetworkFaultError::BandwidthDivisor)),
        (grey((1, 2), 1), None),
        (
            NetworkFault::ResetStorm { from: all, to: all, every: Nanos::ZERO, ratio_ppm: 1 },
            Some(NetworkFaultError::StormPeriod),
        ),
        (
            NetworkFault::Clog { from: all, to: Scope::Storage(LinkClass::SameAz) },
            Some(NetworkFaultError::NotStorage(LinkClass::SameAz)),
        ),
    ] {
        assert_eq!(fault.validate().err(), error, "{fault:?}");
    }
}

#[test]
fn the_user_timeout_counts_from_the_last_cut_not_from_the_first() {
    let mut rig = Rig::listening(FREE);
    let conn = rig.connected(0, 1);
    for msg in 0..2 {
        rig.inject(msg, cut(A, B, TwoWay));
        let start = rig.now;
        rig.send(conn, 0, msg, 1);
        rig.run_for(Nanos::millis(300));
        rig.heal(msg);
        rig.run_for(Nanos::secs(2000));
        // The timer's doubling begins anew, too.
        assert_eq!(rig.delivered()[msg as usize], (msg, start + Nanos::millis(600) + Nanos::micros(100)));
    }
    assert!(rig.resets().is_empty());
}
