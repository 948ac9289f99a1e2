//! Latency, order, queues, limits, and the books.

use super::*;
use proptest::prelude::*;

#[test]
fn an_idle_way_takes_card_time_plus_propagation_and_one_event() {
    for (to, class, way) in [
        (4, LinkClass::SameHost, Nanos::micros(10)),
        (1, LinkClass::SameAz, Nanos::micros(101)),
        (2, LinkClass::CrossAz, Nanos::micros(401)),
        (3, LinkClass::CrossRegion, Nanos::micros(35_001)),
    ] {
        let mut rig = Rig::listening(FAST);
        let conn = rig.connected(0, to);
        let start = rig.now;
        rig.send(conn, 0, 1, 1000);
        rig.run_for(Nanos::secs(1));
        assert_eq!(rig.delivered(), [(1, start + way)], "{class:?}");
        assert_eq!(rig.steps, 1);
        let expected = Traffic { bytes: 1000, messages: 1 };
        assert_eq!(rig.net.accounting().class(class, Direction::Out), expected);
        assert_eq!(rig.net.accounting().class(class, Direction::In), expected);
        let (a, b) = (AzId(0), rig.net.topology().az_of(endpoint(to, 1).host));
        let pair = if class == LinkClass::SameHost { Traffic::default() } else { expected };
        assert_eq!(rig.net.accounting().az_pair(a, b), pair);
    }
}

#[test]
fn one_connection_blocks_behind_its_head_another_overtakes() {
    let mut rig = Rig::listening(FREE);
    let (one, two) = (rig.connected(0, 1), rig.connected(0, 1));
    let slow = grey(Scope::Host(HostId(0)), Scope::Host(HostId(1)), 50, 1);
    let start = rig.now;
    rig.inject(0, slow);
    rig.send(one, 0, 1, 10);
    rig.heal(0);
    rig.send(one, 0, 2, 10);
    rig.send(two, 0, 3, 10);
    rig.run_for(Nanos::secs(1));
    let head = start + Nanos::millis(5);
    assert_eq!(rig.delivered(), [(3, start + Nanos::micros(100)), (1, head), (2, head + Nanos(1))]);
}

#[test]
fn a_slower_receiver_stretches_a_message() {
    let mut map = Topology::new();
    let region = map.add_region("r");
    let az = map.add_az(region, "a");
    map.add_host(az, FAST);
    map.add_host(az, NicSpec { bandwidth_bytes_per_sec: GIGABYTE / 4, ..FAST });
    let mut rig = Rig::new(map, NetworkProfile::assumed(), 1);
    rig.net.listen(endpoint(1, 1));
    let (there, back) = (rig.connected(0, 1), rig.connected(0, 1));
    let start = rig.now;
    rig.send(there, 0, 1, 1_000_000);
    rig.send(back, 1, 2, 1_000_000);
    rig.run_for(Nanos::secs(1));
    let mut delivered = rig.delivered();
    delivered.sort_unstable();
    assert_eq!(delivered, [(1, start + Nanos::micros(4100)), (2, start + Nanos::micros(4100))]);
}

#[test]
fn a_single_flow_gets_its_limit_and_does_not_hold_up_others() {
    let nic = NicSpec { bandwidth_bytes_per_sec: GIGABYTE, single_flow_bytes_per_sec: GIGABYTE / 4 };
    let mut rig = Rig::listening(nic);
    let (one, two) = (rig.connected(0, 1), rig.connected(0, 1));
    let start = rig.now;
    for msg in 0..100 {
        rig.send(one, 0, msg, 10_000);
    }
    rig.send(two, 0, 100, 10_000);
    rig.run_for(Nanos::secs(1));
    let last_of_one = rig.delivered().iter().find(|d| d.0 == 99).unwrap().1 - start;
    assert_eq!(last_of_one, Nanos::micros(4000 + 100));
    let other = rig.delivered().iter().find(|d| d.0 == 100).unwrap().1 - start;
    assert!(other <= Nanos::micros(1000 + 40 + 100 + 10), "behind the card's queue only: {other}");
}

/// What comes out between any two deliveries fits through; and what could have come out, did.
fn check_rate(delivered: &[(Nanos, u64)], bytes_per_sec: u64) {
    for (i, first) in delivered.iter().enumerate() {
        let mut bytes = 0;
        for last in &delivered[i + 1..] {
            bytes += last.1;
            let need = Nanos::transfer(bytes, bytes_per_sec);
            assert!(last.0 - first.0 >= need, "{bytes} bytes in {}", last.0 - first.0);
        }
    }
}

/// However one picks consecutive messages: from the first's sending to the last's delivery there was time for all.
fn check_time(messages: &[(Nanos, Nanos, u64)], bytes_per_sec: u64) {
    for i in 0..messages.len() {
        let (mut sent, mut delivered, mut bytes) = (Nanos::MAX, Nanos::ZERO, 0);
        for message in &messages[i..] {
            sent = sent.min(message.0);
            delivered = delivered.max(message.1);
            bytes += message.2;
            assert!(delivered - sent >= Nanos::transfer(bytes, bytes_per_sec), "{bytes} in {}", delivered - sent);
        }
    }
}

fn saturation(rig: &Rig, start: Nanos, bytes: u64) -> f64 {
    let end = rig.delivered().iter().map(|d| d.1).max().unwrap();
    bytes as f64 / GIGABYTE as f64 / (end - start).as_secs_f64()
}

#[test]
fn saturated_cards_reach_99_percent_and_never_more_than_all() {
    // Out of one card to two others, and from two cards into one.
    for pairs in [[(0, 1), (0, 2)], [(1, 0), (2, 0)]] {
        let mut rig = Rig::listening(FAST);
        let conns = pairs.map(|(a, b)| (a, rig.connected(a, b)));
        let start = rig.now;
        for msg in 0..10_000 {
            let (from, conn) = conns[msg as usize % 2];
            rig.send(conn, from, msg, 10_000);
        }
        rig.run_for(Nanos::secs(1));
        let share = saturation(&rig, start, 100_000_000);
        assert!((0.99..=1.0).contains(&share), "{share}");
    }
}

#[test]
fn a_link_between_zones_is_shared_and_a_full_card_elsewhere_does_not_hold_it_up() {
    let mut profile = NetworkProfile::assumed();
    profile.cross_az.bandwidth_bytes_per_sec = GIGABYTE / 2;
    let mut rig = Rig::with_profile(FAST, profile);
    let (zero, one, back) = (rig.connected(0, 2), rig.connected(1, 2), rig.connected(2, 0));
    // The first host's card is busy with something else for 100 ms.
    let local = rig.connected(0, 1);
    let start = rig.now;
    rig.send(local, 0, 0, 100_000_000);
    rig.send(zero, 0, 1, 1_000_000);
    for msg in 2..12 {
        rig.send(one, 1, msg, 1_000_000);
    }
    rig.send(back, 2, 99, 1_000_000);
    rig.run_for(Nanos::secs(1));
    let at = |msg| rig.delivered().iter().find(|d| d.0 == msg).unwrap().1 - start;
    assert_eq!(at(11), Nanos::micros(10 * 2000 + 400), "at the link's rate, at once");
    assert_eq!(at(1), Nanos::micros(100_000 + 2000 + 400));
    assert_eq!(at(99), Nanos::micros(2000 + 400), "the other direction has its own");
}

#[test]
fn two_hosts_share_the_link_between_their_zones() {
    let mut profile = NetworkProfile::assumed();
    profile.cross_az.bandwidth_bytes_per_sec = GIGABYTE / 2;
    let mut rig = Rig::with_profile(FAST, profile);
    let conns = [(0, rig.connected(0, 2)), (1, rig.connected(1, 2))];
    let start = rig.now;
    for msg in 0..2000 {
        let (from, conn) = conns[msg as usize % 2];
        rig.send(conn, from, msg, 10_000);
    }
    rig.run_for(Nanos::secs(1));
    let share = saturation(&rig, start, 20_000_000) * 2.0;
    assert!((0.98..=1.0).contains(&share), "{share}");
    assert_eq!(rig.net.accounting().az_pair(AzId(0), AzId(1)), Traffic { bytes: 20_000_000, messages: 2000 });
    assert_eq!(rig.net.accounting().az_pair(AzId(1), AzId(0)), Traffic::default());
}

#[test]
fn devices_and_messages_queue_on_one_card_volumes_do_not() {
    let mut rig = Rig::listening(FAST);
    let conn = rig.connected(0, 1);
    let now = rig.now;
    let charge = |rig: &mut Rig, class, direction| rig.net.charge(now, HostId(0), class, direction, 1_000_000) - now;
    assert_eq!(charge(&mut rig, LinkClass::ObjectStorage, Direction::Out), Nanos::millis(1));
    assert_eq!(charge(&mut rig, LinkClass::FileStorage, Direction::Out), Nanos::millis(2));
    assert_eq!(charge(&mut rig, LinkClass::ObjectStorage, Direction::In), Nanos::millis(1));
    assert_eq!(charge(&mut rig, LinkClass::BlockStorage, Direction::Out), Nanos::ZERO);
    rig.send(conn, 0, 1, 1000);
    rig.send(conn, 1, 2, 1000);
    rig.run_for(Nanos::secs(1));
    let behind = [(2, now + Nanos::micros(1001)), (1, now + Nanos::micros(2101))];
    assert_eq!(rig.delivered(), behind);
    assert_eq!(rig.net.accounting().class(LinkClass::BlockStorage, Direction::Out).bytes, 1_000_000);

    let mut profile = NetworkProfile::assumed();
    profile.block_storage_shares_nic = true;
    profile.object_storage.bandwidth_bytes_per_sec = GIGABYTE / 8;
    let mut rig = Rig::with_profile(FAST, profile);
    let now = rig.now;
    let mut charge = |host, class| rig.net.charge(now, HostId(host), class, Direction::Out, 1_000_000) - now;
    assert_eq!(charge(0, LinkClass::BlockStorage), Nanos::millis(1));
    assert_eq!(charge(0, LinkClass::ObjectStorage), Nanos::millis(8));
    assert_eq!(charge(1, LinkClass::ObjectStorage), Nanos::millis(16), "one zone shares it");
    assert_eq!(charge(2, LinkClass::ObjectStorage), Nanos::millis(8));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Random sizes, gaps, senders and receivers: no card and no link ever passes more than its bandwidth.
    #[test]
    fn no_window_passes_more_than_the_bandwidth(
        sends in prop::collection::vec((0u32..4, 1u32..4, 0u64..200_000, 0u64..300), 1..120),
        limited in any::<bool>(),
        flow_limit in prop::sample::select(vec![0, GIGABYTE / 3]),
    ) {
        let mut profile = NetworkProfile::assumed();
        profile.cross_region = profile.cross_az.clone();
        if limited {
            profile.cross_az.bandwidth_bytes_per_sec = GIGABYTE / 2;
        }
        let mut rig = Rig::with_profile(NicSpec { single_flow_bytes_per_sec: flow_limit, ..FAST }, profile);
        let mut conns = SortedMap::new();
        for from in 0..4 {
            for to in (0..4).filter(|&to| to != from) {
                conns.insert((from, to), rig.connected(from, to));
            }
        }
        let mut sizes = Vec::new();
        for &(from, step, bytes, gap) in &sends {
            let to = (from + step) % 4;
            rig.send(conns[&(from, to)], from, sizes.len() as u32, bytes);
            sizes.push((from, to, bytes, rig.now));
            rig.run_for(Nanos::micros(gap));
        }
        rig.run_for(Nanos::secs(10));
        let mut delivered = rig.delivered();
        prop_assert_eq!(delivered.len(), sizes.len());
        for host in 0..4 {
            let of = |&(msg, at): &(u32, Nanos)| (sizes[msg as usize].1 == host).then_some((at, sizes[msg as usize].2));
            check_rate(&delivered.iter().filter_map(of).collect::<Vec<_>>(), GIGABYTE);
        }
        let pick = |delivered: &[(u32, Nanos)], wanted: &dyn Fn(u32, u32) -> bool| -> Vec<(Nanos, Nanos, u64)> {
            let of = |&(msg, at): &(u32, Nanos)| {
                let (from, to, bytes, sent) = sizes[msg as usize];
                wanted(from, to).then_some((sent, at, bytes))
            };
            delivered.iter().filter_map(of).collect()
        };
        if limited {
            check_time(&pick(&delivered, &|from, to| from < 2 && to == 2), GIGABYTE / 2);
            check_time(&pick(&delivered, &|from, to| from == 2 && to < 2), GIGABYTE / 2);
        }
        delivered.sort_unstable(); // Into the order of sending.
        for host in 0..4 {
            check_time(&pick(&delivered, &|from, _| from == host), GIGABYTE);
        }
        for &pair in conns.keys() {
            check_time(&pick(&delivered, &|from, to| (from, to) == pair), flow_limit);
        }
    }
}
