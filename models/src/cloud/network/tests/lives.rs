//! Connections come up, end, and are survived by one of their ends.

use super::*;
use PartitionDirection::{OneWay, TwoWay};

const A: Scope = Scope::Host(HostId(0));
const B: Scope = Scope::Host(HostId(1));

fn die(rig: &mut Rig, node: u32, death: Death) {
    rig.act(|net, now, out| net.endpoint_died(now, endpoint(node, 1).incarnation, death, out));
}

#[test]
fn a_connection_comes_up_in_a_round_trip_and_early_sends_follow() {
    let mut rig = Rig::listening(FREE);
    let conn = rig.connect(0, 1);
    rig.send(conn, 0, 7, 10);
    rig.run_for(Nanos::secs(20));
    let (at, from) = (endpoint(1, 1), endpoint(0, 1));
    assert_eq!(
        rig.log,
        [
            (Nanos::micros(100), Done::Accepted { conn, at, from }),
            (Nanos::micros(200), Done::Connected { conn, at: from }),
            (Nanos::micros(300), Done::Deliver { conn, to: at, msg: 7, bytes: 10 }),
        ]
    );
}

#[test]
fn nobody_listens_refused() {
    let mut rig = Rig::new(map(FREE), NetworkProfile::assumed(), 1);
    let conn = rig.connect(0, 1);
    rig.send(conn, 0, 7, 10);
    rig.run_for(Nanos::secs(20));
    let at = endpoint(0, 1);
    let reset = Done::Reset { conn, at, why: ResetReason::Refused };
    let then = Nanos::micros(200);
    assert_eq!(rig.log, [(then, reset), (then, Done::Discarded { msg: 7 }), (then, Done::Closed { conn })]);
}

#[test]
fn a_node_that_listens_elsewhere_refuses_here() {
    let mut rig = Rig::listening(FREE);
    let conn = rig.keys.insert(());
    rig.act(|net, now, out| net.connect(now, conn, endpoint(0, 1), (HostId(2), NodeId(1)), out));
    rig.run_for(Nanos::secs(1));
    assert_eq!(rig.resets()[0].1, ResetReason::Refused);
}

#[test]
fn a_cut_or_dark_target_times_out() {
    for dark in [false, true] {
        let mut rig = Rig::listening(FREE);
        if dark {
            die(&mut rig, 1, Death::Host);
        } else {
            rig.inject(0, cut(A, B, TwoWay));
        }
        let conn = rig.connect(0, 1);
        rig.send(conn, 0, 7, 10);
        rig.run_for(Nanos::secs(2000));
        assert_eq!(rig.resets(), [(0, ResetReason::ConnectTimeout, Nanos::secs(10))]);
        assert_eq!(rig.discarded(), [7]);
        assert_eq!(rig.keys.len(), 0);
        assert!(rig.wakes.is_empty());
    }
}

#[test]
fn a_short_cut_only_delays_the_handshake() {
    let mut rig = Rig::listening(FREE);
    rig.inject(0, cut(A, B, TwoWay));
    rig.connect(0, 1);
    rig.run_for(Nanos::secs(2));
    rig.heal(0);
    rig.run_for(Nanos::secs(20));
    // SYNs at 0, 1 and 3 s.
    assert_eq!(rig.log[1].0, Nanos::secs(3) + Nanos::micros(200));
    assert!(matches!(rig.log[1].1, Done::Connected { .. }));
}

#[test]
fn whoever_listens_when_the_syn_arrives_accepts() {
    let mut rig = Rig::listening(FREE);
    let conn = rig.connect(0, 1);
    die(&mut rig, 1, Death::Process);
    rig.net.listen(endpoint(1, 2));
    rig.run_for(Nanos::secs(1));
    assert_eq!(rig.log[0].1, Done::Accepted { conn, at: endpoint(1, 2), from: endpoint(0, 1) });
}

#[test]
fn a_lost_syn_ack_leaves_a_half_open_acceptor_that_learns_later() {
    let mut rig = Rig::listening(FREE);
    rig.inject(0, cut(B, A, OneWay));
    let conn = rig.connect(0, 1);
    rig.run_for(Nanos::secs(60));
    assert!(matches!(rig.log[0].1, Done::Accepted { .. }));
    assert_eq!(rig.resets(), [(0, ResetReason::ConnectTimeout, Nanos::secs(10))]);
    rig.send(conn, 1, 1, 1);
    rig.heal(0);
    rig.run_for(Nanos::secs(120));
    assert_eq!(rig.resets()[1].1, ResetReason::ResetByPeer);
    assert_eq!(rig.discarded(), [1]);
    assert_eq!(rig.keys.len(), 0);
}

#[test]
fn close_brings_over_what_was_sent_then_tells_the_peer() {
    let mut rig = Rig::listening(FAST);
    let conn = rig.connected(0, 1);
    for msg in 0..3 {
        rig.send(conn, 0, msg, 1_000_000);
    }
    rig.act(|net, now, out| net.close(now, conn, endpoint(0, 1).incarnation, out));
    rig.send(conn, 0, 3, 1);
    assert_eq!(rig.discarded(), [3], "after one's own close");
    rig.run_for(Nanos::secs(1));
    assert_eq!(rig.delivered().iter().map(|d| d.0).collect::<Vec<_>>(), [0, 1, 2]);
    assert_eq!((rig.resets()[0].0, rig.resets()[0].1), (1, ResetReason::ClosedByPeer));
    assert!(rig.resets()[0].2 > rig.delivered()[2].1);
    assert_eq!(rig.log.last().unwrap().1, Done::Closed { conn });
}

#[test]
fn a_killed_process_s_words_arrive_then_its_peers_are_reset() {
    let mut rig = Rig::listening(FAST);
    let conn = rig.connected(0, 1);
    rig.send(conn, 0, 1, 1_000_000);
    rig.send(conn, 1, 2, 5);
    die(&mut rig, 0, Death::Process);
    rig.net.listen(endpoint(0, 2));
    rig.run_for(Nanos::secs(1));
    assert_eq!(rig.delivered().iter().map(|d| d.0).collect::<Vec<_>>(), [1]);
    assert_eq!(rig.discarded(), [2], "not to the next life");
    assert_eq!((rig.resets()[0].0, rig.resets()[0].1), (1, ResetReason::ResetByPeer));
    assert_eq!(rig.keys.len(), 0);
}

#[test]
fn a_host_without_power_is_silent_until_it_is_back() {
    let mut rig = Rig::listening(FAST);
    let conn = rig.connected(0, 1);
    let idle = rig.connected(2, 1);
    rig.send(conn, 1, 1, 5);
    rig.send(conn, 1, 2, 10_000_000);
    rig.run_for(Nanos::micros(50));
    // The first has left the card, the second has not.
    die(&mut rig, 1, Death::Host);
    rig.send(conn, 0, 3, 5);
    rig.run_for(Nanos::secs(50));
    assert_eq!(rig.delivered().iter().map(|d| d.0).collect::<Vec<_>>(), [1]);
    assert_eq!(rig.discarded(), [2]);
    assert!(rig.resets().is_empty());
    rig.net.listen(endpoint(1, 2));
    rig.run_for(Nanos::secs(100));
    assert_eq!(rig.discarded(), [2, 3], "not to the next life");
    assert_eq!((rig.resets()[0].0, rig.resets()[0].1), (0, ResetReason::ResetByPeer));
    assert_eq!(rig.keys.len(), 1);
    assert!(rig.keys.contains_key(idle), "an idle peer knows nothing");
    rig.act(|net, now, out| net.close(now, idle, endpoint(2, 1).incarnation, out));
    assert_eq!(rig.keys.len(), 0);
}

#[test]
fn a_host_that_never_comes_back_times_its_peers_out() {
    let mut rig = Rig::listening(FREE);
    let conn = rig.connected(0, 1);
    let start = rig.now;
    rig.send(conn, 0, 1, 5);
    die(&mut rig, 1, Death::Host);
    rig.run_for(Nanos::secs(2000));
    assert_eq!(rig.resets(), [(0, ResetReason::TimedOut, start + Nanos::millis(924_600))]);
    assert_eq!(rig.keys.len(), 0);
}

#[test]
fn strangers_can_neither_send_nor_close() {
    let mut rig = Rig::listening(FREE);
    let conn = rig.connected(0, 1);
    rig.send(conn, 2, 1, 1);
    rig.act(|net, now, out| net.send(now, conn, endpoint(0, 2).incarnation, 2, 1, out));
    rig.act(|net, now, out| net.close(now, conn, endpoint(2, 1).incarnation, out));
    rig.run_for(Nanos::secs(1));
    assert_eq!(rig.discarded(), [1, 2]);
    assert_eq!(rig.keys.len(), 1);
}

#[test]
fn a_dark_host_s_kernel_neither_delivers_nor_answers_what_its_card_had() {
    let mut rig = Rig::listening(FAST);
    let (conn, other) = (rig.connected(0, 1), rig.connected(2, 1));
    // Both are at the card of host 1 at about the same time; one waits for the other to pass.
    rig.send(other, 2, 1, 1_000_000);
    rig.run_for(Nanos::micros(300));
    rig.send(conn, 0, 2, 1_000_000);
    rig.run_for(Nanos::micros(1150));
    assert_eq!(rig.delivered().len(), 1);
    assert_eq!(rig.net.accounting().class(LinkClass::SameAz, Direction::In).messages, 1, "at the card, not through");
    die(&mut rig, 1, Death::Host);
    rig.run_for(Nanos::secs(100));
    assert!(rig.resets().is_empty() && rig.discarded().is_empty());
    rig.net.listen(endpoint(1, 2));
    rig.run_for(Nanos::secs(130));
    assert_eq!(rig.discarded(), [2]);
    assert_eq!(rig.resets().len(), 1);
}

#[test]
fn what_a_cut_takes_from_a_host_without_power_nobody_sends_again() {
    let mut rig = Rig::listening(FREE);
    let conn = rig.connected(0, 1);
    rig.send(conn, 0, 1, 5);
    rig.run_for(Nanos::micros(50));
    die(&mut rig, 0, Death::Host);
    assert!(rig.discarded().is_empty(), "it has left the card");
    rig.inject(0, cut(A, B, OneWay));
    assert_eq!(rig.discarded(), [1]);
    rig.heal(0);
    rig.run_for(Nanos::secs(10));
    assert!(rig.delivered().is_empty());
}

#[test]
fn power_loss_takes_what_killed_processes_had_left_to_the_kernel() {
    let mut rig = Rig::listening(FAST);
    let conn = rig.connected(4, 1);
    for msg in 0..3 {
        rig.send(conn, 4, msg, 1_000_000);
    }
    die(&mut rig, 4, Death::Process);
    rig.run_for(Nanos::micros(1500));
    die(&mut rig, 0, Death::Host);
    rig.run_for(Nanos::secs(10));
    assert_eq!(rig.delivered().iter().map(|d| d.0).collect::<Vec<_>>(), [0]);
    assert_eq!(rig.discarded(), [1, 2]);
    assert!(rig.resets().is_empty(), "the reset was lost, too");
}
