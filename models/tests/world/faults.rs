//! Faults as the world puts them on: ways that are cut, overlays that add up and go, operations' fates.

use crate::common::*;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use wavetank_models::anomaly::{Anomalies, AnomalyRates, Entity, Fate, Operation};
use wavetank_models::cloud::express::ExpressFault;
use wavetank_models::cloud::host::{HostFault, HostSpec};
use wavetank_models::cloud::network::{NetworkFault, Scope};
use wavetank_models::cloud::nfs::{NfsFault, NfsOp, NfsRates};
use wavetank_models::cloud::object_store::{ObjectRates, ObjectStoreFault};
use wavetank_models::cloud::volume::{VolumeFault, VolumeOp, VolumeRates};
use wavetank_models::fault::Fault;
use wavetank_models::world::{Action, Cx, Factory, Input};
use wavetank_sim::{Digest, EndReason, Nanos, NodeId, on_fresh_thread};

const A: NodeId = NodeId(0);
const B: NodeId = NodeId(1);

/// Asks, at each of the given times, for what `wish` says of the time's number.
fn asks_at(log: &Log, times: &[Nanos], wish: impl FnMut(&mut Cx<'_>, u64) + Clone + Send + 'static) -> Factory {
    let (times, mut wish) = (times.to_vec(), wish);
    actor(log, move |cx, input| match input {
        Input::Boot => {
            for (n, at) in times.iter().enumerate() {
                cx.set_timer(*at, n as u64);
            }
        }
        Input::Timer { token, .. } => wish(cx, *token),
        _ => (),
    })
}

const TIMED_OUT: &str = "failed: timed out: no answer within the attempt's time";

#[test]
fn a_store_beyond_a_cut_is_not_asked_or_does_it_and_cannot_say_so() {
    let host = Scope::Host(wavetank_models::cloud::network::HostId(0));
    for (request_way, fault) in [(true, cut(host, OBJECTS)), (false, cut(OBJECTS, host))] {
        let log = Log::default();
        Chart::default().run(
            |world, core, sea| {
                let at = sea.clone();
                let puts = asks_at(&log, &[ms(1), Nanos::secs(60)], move |cx, n| {
                    cx.object(at.store, at.bucket, n, put(&format!("k{n}"), 0));
                    cx.express(at.express, at.express_bucket, n, put(&format!("k{n}"), 0));
                });
                world.add_node(core, "puts", sea.hosts[0], puts);
                fault_between(world, core, fault, us(500), Nanos::secs(30));
            },
            |world, _, _, sea| {
                let kept: Vec<_> = world.store(sea.store).peek_keys(sea.bucket).map(ToString::to_string).collect();
                let express = world.express(sea.express).peek_keys(sea.express_bucket).count();
                assert_eq!((kept.len(), express), if request_way { (1, 1) } else { (2, 2) }, "{kept:?}");
                assert_eq!(world.payloads(), 0);
            },
        );
        let given_up = Nanos::secs(10) + ms(1);
        let (object, express) = if request_way { (ms(0), ms(0)) } else { (ms(30), ms(6)) };
        assert_eq!(log.times(A, 1, &format!("object 0 {TIMED_OUT}")), [given_up + object]);
        assert_eq!(log.times(A, 1, &format!("express 0 {TIMED_OUT}")), [given_up + express]);
        assert_eq!(log.times(A, 1, "object 1 ok"), [Nanos::secs(60) + ms(30)], "healed");
        assert_eq!(log.times(A, 1, "express 1 ok"), [Nanos::secs(60) + ms(6)]);
    }
}

#[test]
fn a_volume_and_a_share_beyond_a_cut_hang_until_the_way_is_open() {
    let host = Scope::Host(wavetank_models::cloud::network::HostId(0));
    for (from, to) in [(host, BLOCKS), (BLOCKS, host), (host, FILES), (FILES, host)] {
        let blocks = from == BLOCKS || to == BLOCKS;
        let log = Log::default();
        Chart::default().run(
            |world, core, sea| {
                let at = sea.clone();
                let asks = asks_at(&log, &[ms(1)], move |cx, _| {
                    cx.volume(at.ebs, 1, VolumeOp::SyncDirectory);
                    cx.nfs(at.share, 1, NfsOp::ExchangeId);
                });
                world.add_node(core, "asks", sea.hosts[0], asks);
                fault_between(world, core, cut(from, to), us(500), ms(7_300));
            },
            |world, _, outcome, _| assert_eq!((world.payloads(), outcome.reason), (0, EndReason::Idle)),
        );
        for (what, hangs) in [("volume 1 ok", blocks), ("nfs 1 ok", !blocks)] {
            let at = log.times(A, 1, what)[0];
            let answered = if hangs { ms(7_300)..ms(8_400) } else { ms(1)..ms(10) };
            assert!(answered.contains(&at), "{what} at {at:?} with {from:?} to {to:?} cut");
        }
    }
}

#[test]
fn faults_of_one_kind_add_up_while_they_hold_and_leave_nothing_behind() {
    let log = Log::default();
    let asked = [1, 3, 5, 7, 9].map(Nanos::secs);
    Chart::default().run(
        |world, core, sea| {
            let at = sea.clone();
            let asks = asks_at(&log, &asked, move |cx, n| {
                cx.work(n, ms(1));
                cx.volume(at.ebs, n, VolumeOp::SyncDirectory);
                cx.object(at.store, at.bucket, n, put("k", 0));
                cx.express(at.express, at.express_bucket, n, put("k", 0));
                cx.nfs(at.share, n, NfsOp::ExchangeId);
            });
            world.add_node(core, "asks", sea.hosts[0], asks);
            // Twice as slow, and three times.
            for (times, from, to) in [(2, Nanos::secs(2), Nanos::secs(6)), (3, Nanos::secs(4), Nanos::secs(8))] {
                let percent = times * 100;
                let faults = [
                    Fault::Host(sea.hosts[0], HostFault::Slow { num: times, den: 1 }),
                    Fault::Volume(sea.ebs, VolumeFault::Slow { latency_factor: times, throughput_divisor: 1 }),
                    Fault::Object(
                        sea.store,
                        ObjectStoreFault::Brownout { az: None, latency_percent: percent, error_ppm: 0 },
                    ),
                    Fault::Express(sea.express, ExpressFault::Brownout { latency_percent: percent, error_ppm: 0 }),
                    Fault::Nfs(sea.share, NfsFault::Slow { num: times, den: 1 }),
                ];
                for fault in faults {
                    fault_between(world, core, fault, from, to);
                }
            }
        },
        |_, _, _, _| (),
    );
    for (answer, healthy) in [("object", ms(30)), ("express", ms(6)), ("nfs", us(500)), ("worked", ms(1))] {
        let took = |n: usize| {
            let what = if answer == "worked" { format!("worked {n}") } else { format!("{answer} {n} ok") };
            log.times(A, 1, &what)[0] - asked[n]
        };
        for (n, times) in [1, 2, 6, 3, 1].into_iter().enumerate() {
            // A stretched thread's clock counts in whole steps of its own.
            let (took, expected) = (took(n), healthy * times);
            assert!(took.0.abs_diff(expected.0) < 10, "{answer} {n} took {took:?}, not {expected:?}");
        }
    }
    let took = [0, 1, 2, 3, 4].map(|n: usize| log.times(A, 1, &format!("volume {n} ok"))[0] - asked[n]);
    assert!(took[0] < took[1] && took[1] < took[3] && took[3] < took[2] && took[4] == took[0], "{took:?}");
}

#[test]
fn what_two_faults_hold_back_is_free_when_both_have_ended() {
    let log = Log::default();
    let sent = [10, 30, 50, 70, 90].map(ms);
    Chart::default().run(
        |world, core, sea| {
            let (ebs, share) = (sea.ebs, sea.share);
            let mut opened = None;
            let sends = actor(&log, move |cx, input| match input {
                Input::Boot => {
                    opened = Some(cx.connect(B));
                    for (n, at) in sent.iter().enumerate() {
                        cx.set_timer(*at, n as u64);
                    }
                }
                Input::Timer { token, .. } => {
                    cx.send(opened.expect("since the boot"), frame(*token));
                    cx.volume(ebs, *token, VolumeOp::SyncDirectory);
                    cx.nfs(share, *token, NfsOp::ExchangeId);
                }
                _ => (),
            });
            world.add_node(core, "sends", sea.hosts[0], sends);
            world.add_node(core, "receives", sea.hosts[1], listener(&log));
            for (from, to) in [(ms(20), ms(60)), (ms(40), ms(80))] {
                let clog = NetworkFault::Clog { from: Scope::Host(sea.hosts[0]), to: Scope::Host(sea.hosts[1]) };
                fault_between(world, core, Fault::Network(clog), from, to);
                fault_between(world, core, Fault::Volume(sea.ebs, VolumeFault::Stall), from, to);
                fault_between(world, core, Fault::Nfs(sea.share, NfsFault::Stall), from, to);
            }
        },
        |_, _, _, _| (),
    );
    for (n, sent) in sent.into_iter().enumerate() {
        let held = (1..=3).contains(&n);
        let expected = if held { ms(80) } else { sent };
        for (node, what) in [(B, format!("message {n}")), (A, format!("volume {n} ok")), (A, format!("nfs {n} ok"))] {
            let late = log.times(node, 1, &what)[0] - expected;
            assert!(late < ms(5), "{what} came {late:?} after {expected:?}");
        }
    }
}

// ---- fates of operations ----

const ROUNDS: u64 = 60;

/// A token says what it is for: the round and the kind.
fn token(kind: u64, round: u64) -> u64 {
    round * 10 + kind
}

fn token_of(operation: &Operation) -> u64 {
    let kind = match (operation.entity, operation.kind) {
        (Entity::Object(_), "Put") => 0,
        (Entity::Object(_), "Delete") => 1,
        (Entity::Express(_), "Put") => 2,
        (Entity::Volume(_), "SyncDirectory") => 3,
        (Entity::Nfs(_), "ExchangeId") => 4,
        other => panic!("nobody asked for {other:?}"),
    };
    token(kind, operation.nth)
}

struct Seen {
    digest: Digest,
    happened: Vec<(Operation, Fate)>,
    /// By token: what was answered, and when.
    answers: BTreeMap<u64, (String, Nanos)>,
}

/// Asks for one of each every half second, whatever is answered.
fn under(anomalies: impl FnOnce(&wavetank_sim::Choices) -> Anomalies + Send, end_at: Option<Nanos>) -> Seen {
    let run = || {
        let log = Log::default();
        let times: Vec<_> = (0..ROUNDS).map(|n| ms(500 * (n + 1))).collect();
        Chart::seeded(5).run(
            |world, core, sea| {
                let at = sea.clone();
                let asks = asks_at(&log, &times, move |cx, n| {
                    cx.object(at.store, at.bucket, token(0, n), put(&format!("k{n}"), 10));
                    let delete = wavetank_models::cloud::object_store::ObjectOp::Delete { key: format!("d{n}").into() };
                    cx.object(at.store, at.bucket, token(1, n), delete);
                    cx.express(at.express, at.express_bucket, token(2, n), put(&format!("k{n}"), 10));
                    cx.volume(at.ebs, token(3, n), VolumeOp::SyncDirectory);
                    cx.nfs(at.share, token(4, n), NfsOp::ExchangeId);
                });
                world.add_node(core, "asks", sea.hosts[0], asks);
                world.set_anomalies(anomalies(core.choices()));
                if let Some(at) = end_at {
                    world.plan(core, at, Action::EndAnomalies);
                }
            },
            |world, _, outcome, _| {
                assert_eq!(outcome.reason, EndReason::Idle);
                let answer = |line: Line| {
                    let token = line.what.split(' ').nth(1)?.parse().ok()?;
                    (!line.what.starts_with("timer")).then_some((token, (line.what, line.at)))
                };
                let happened = world.anomalies().happened().to_vec();
                Seen { digest: outcome.digest, happened, answers: log.of(A).into_iter().filter_map(answer).collect() }
            },
        )
    };
    on_fresh_thread(run).expect("no panic")
}

fn rates() -> AnomalyRates {
    let object = ObjectRates {
        slow_down_ppm: 80_000,
        internal_error_ppm: 80_000,
        timed_out_ppm: 80_000,
        reset_ppm: 80_000,
        answered_late_ppm: 80_000,
        applied_ppm: 500_000,
        duplicate_ppm: 100_000,
        ..ObjectRates::default()
    };
    AnomalyRates {
        volume: VolumeRates {
            io_error_ppm: 100_000,
            io_error_applied_ppm: 100_000,
            late_ppm: 200_000,
            late_max: ms(300),
        },
        express: object.clone(),
        object,
        nfs: NfsRates { request_lost_ppm: 100_000, reply_lost_ppm: 100_000, delay_ppm: 100_000, io_error_ppm: 100_000 },
    }
}

#[test]
fn a_replay_of_what_happened_is_the_same_run_and_one_struck_changes_its_operation_only() {
    let explored = under(|choices| Anomalies::explore(rates(), choices), None);
    assert_eq!(explored.answers.len() as u64, 5 * ROUNDS);
    let entity = |wanted: fn(&Entity) -> bool| explored.happened.iter().filter(|(op, _)| wanted(&op.entity)).count();
    let counts = [
        entity(|e| matches!(e, Entity::Object(_))),
        entity(|e| matches!(e, Entity::Express(_))),
        entity(|e| matches!(e, Entity::Volume(_))),
        entity(|e| matches!(e, Entity::Nfs(_))),
    ];
    assert!(counts.iter().all(|count| *count > 10), "{counts:?}");
    let replay = |list: Vec<(Operation, Fate)>| under(move |_| Anomalies::replay(list), None);
    let again = replay(explored.happened.clone());
    assert_eq!((again.digest, &again.happened), (explored.digest, &explored.happened));
    assert_eq!(again.answers, explored.answers);
    let calm = replay(Vec::new());
    let mut visible = 0;
    for strike in (0..explored.happened.len()).step_by(7) {
        let mut list = explored.happened.clone();
        let (struck, fate) = list.remove(strike);
        let shrunk = replay(list.clone());
        assert_eq!(shrunk.happened, list);
        for (token, answer) in &shrunk.answers {
            if *token == token_of(&struck) {
                assert_eq!(answer, &calm.answers[token], "{struck:?} is ordinary without its {fate:?}");
                visible += u32::from(*answer != explored.answers[token]);
            } else {
                assert_eq!(answer, &explored.answers[token], "{struck:?} was struck");
            }
        }
    }
    assert!(visible > 5, "{visible}");
}

#[test]
fn after_their_end_no_anomaly_happens() {
    let seen = under(|choices| Anomalies::explore(rates(), choices), Some(ms(15_250)));
    assert!(seen.happened.iter().all(|(operation, _)| operation.nth < 30));
    assert!(seen.happened.iter().any(|(operation, _)| operation.nth > 25));
    for (token, (what, _)) in &seen.answers {
        assert!(*token < 300 || what.ends_with("ok"), "{token}: {what}");
    }
}

// ---- ends of connections ----

#[test]
fn nothing_comes_on_a_connection_after_its_reset() {
    // Of each connection at each node: its inputs in order.
    type Inputs = BTreeMap<(NodeId, String), Vec<&'static str>>;
    let inputs: Arc<Mutex<Inputs>> = Arc::default();
    let note = {
        let inputs = inputs.clone();
        move |cx: &Cx<'_>, conn: &dyn std::fmt::Debug, what| {
            let key = (cx.me().node, format!("{} {conn:?}", cx.me()));
            inputs.lock().unwrap().entry(key).or_default().push(what);
        }
    };
    let log = Log::default();
    let watched = |connects: bool| {
        let note = note.clone();
        actor(&log, move |cx, input| match input {
            Input::Boot if connects => (1..=300).for_each(|n| {
                cx.set_timer(us(50 * n), n);
            }),
            Input::Timer { token, .. } => {
                let conn = cx.connect(A);
                (0..3).for_each(|n| cx.send(conn, frame(token * 10 + n)));
            }
            Input::Connected { conn } => note(cx, conn, "up"),
            Input::Accepted { conn, .. } => note(cx, conn, "up"),
            Input::Message { conn, .. } => note(cx, conn, "message"),
            Input::Reset { conn, .. } => note(cx, conn, "reset"),
            _ => (),
        })
    };
    Chart { host: HostSpec::kafka(2), ..Chart::default() }.run(
        |world, core, sea| {
            world.add_node(core, "accepts", sea.hosts[0], watched(false));
            world.add_node(core, "connects", sea.hosts[1], watched(true));
            let (from, to) = (Scope::Host(sea.hosts[0]), Scope::Host(sea.hosts[1]));
            let storm = NetworkFault::ResetStorm { from, to, every: us(70), ratio_ppm: 300_000 };
            fault_between(world, core, Fault::Network(storm), Nanos(1), ms(20));
        },
        |world, _, _, _| assert_eq!(world.payloads(), 0),
    );
    let inputs = inputs.lock().unwrap();
    let mut after_messages = 0;
    for ((node, conn), inputs) in inputs.iter() {
        let reset = inputs.iter().position(|what| *what == "reset");
        assert!(reset.is_none_or(|at| at + 1 == inputs.len()), "{node} {conn}: {inputs:?}");
        assert!(!inputs[1..].contains(&"up"), "{node} {conn}: {inputs:?}");
        after_messages += usize::from(inputs.contains(&"message") && reset.is_some());
    }
    assert!(inputs.len() > 400 && after_messages > 20, "{} {after_messages}", inputs.len());
}

#[test]
fn a_process_that_closes_a_connection_hears_no_more_of_it_than_was_read_already() {
    let log = Log::default();
    let closes = actor(&log, |cx, input| {
        if let Input::Message { conn, .. } = input {
            cx.close(*conn);
        }
    });
    let mut opened = None;
    let sends = asks_at(&log, &[ms(1)], move |cx, _| {
        let conn = *opened.get_or_insert_with(|| cx.connect(A));
        (0..20).for_each(|n| cx.send(conn, frame(n)));
    });
    Chart { host: HostSpec::kafka(2), ..Chart::default() }.run(
        |world, core, sea| {
            world.add_node(core, "closes", sea.hosts[0], closes);
            world.add_node(core, "sends", sea.hosts[1], sends);
        },
        |world, _, _, _| assert_eq!(world.payloads(), 0),
    );
    let heard = log.texts(A, 1).iter().filter(|what| what.starts_with("message")).count();
    assert!((1..=2).contains(&heard), "{heard} messages, the first of which closed the connection");
    assert_eq!(log.times(B, 1, "reset ClosedByPeer").len(), 1);
}
