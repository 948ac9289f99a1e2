//! Guests: ordinary async code on a node, under the same rules as everybody.

use crate::common::*;
use std::future::Future;
use std::sync::{Arc, Mutex};
use std::task::Poll;
use wavetank_models::blob::Blob;
use wavetank_models::cloud::host::HostFault;
use wavetank_models::cloud::nfs::{NfsCall, NfsOp, NfsReply, OpenHow, Stable};
use wavetank_models::cloud::object_store::{Condition, ObjectOk, ObjectOp};
use wavetank_models::cloud::volume::{IoMode, Survival, VolumeAnswer, VolumeOp};
use wavetank_models::fault::Fault;
use wavetank_models::message::Message;
use wavetank_models::world::{Action, Behaviour, Event, Factory, Guest, Input};
use wavetank_sim::{EndReason, Incarnation, Nanos, NodeId, Observer, What, lockstep};

const A: NodeId = NodeId(0);
const B: NodeId = NodeId(1);

/// Each life runs this future.
fn guest<F>(body: impl Fn(Guest) -> F + Clone + Send + 'static) -> Factory
where
    F: Future<Output = ()> + Send + 'static,
{
    Box::new(move |_| -> Behaviour {
        let body = body.clone();
        Guest::behaviour(body)
    })
}

fn note(log: &Log, guest: &Guest, what: impl Into<String>) {
    log.push(guest.monotonic(), guest.me(), what);
}

/// Says in the log when it goes.
struct Gone(Log, Incarnation);

impl Drop for Gone {
    fn drop(&mut self) {
        self.0.push(Nanos::ZERO, self.1, "dropped");
    }
}

#[test]
fn a_guest_has_volumes_stores_shares_and_cores() {
    let log = Log::default();
    Chart::default().run(
        |world, core, sea| {
            let (sea, log) = (sea.clone(), log.clone());
            let host = sea.hosts[0];
            let body = move |me: Guest| {
                let (sea, log) = (sea.clone(), log.clone());
                async move {
                    let hello = Blob::real("hello");
                    // A volume.
                    let Ok(VolumeAnswer::Created(file)) = me.volume(sea.ebs, create("a")).await.result else {
                        panic!()
                    };
                    assert_eq!(me.volume(sea.ebs, write(file, hello.clone())).await.result, Ok(VolumeAnswer::Written));
                    assert_eq!(me.volume(sea.ebs, VolumeOp::Sync { file }).await.result, Ok(VolumeAnswer::Synced));
                    let read = VolumeOp::Read { file, offset: 1, len: 9, mode: IoMode::Buffered };
                    assert_eq!(me.volume(sea.ebs, read).await.result, Ok(VolumeAnswer::Read(Blob::real("ello"))));
                    note(&log, &me, "volume");
                    // Object stores.
                    let put = ObjectOp::Put { key: "k".into(), body: hello.clone(), condition: Condition::IfNoneMatch };
                    assert!(me.object(sea.store, sea.bucket, put.clone()).await.result.is_ok());
                    assert!(me.object(sea.store, sea.bucket, put).await.result.is_err(), "it is there");
                    let append = |offset| ObjectOp::Append {
                        key: "book".into(),
                        offset,
                        body: Blob::real("ab"),
                        condition: Condition::None,
                    };
                    for offset in [0, 2] {
                        assert!(me.express(sea.express, sea.express_bucket, append(offset)).await.result.is_ok());
                    }
                    let get = ObjectOp::Get { key: "book".into(), range: None };
                    match me.express(sea.express, sea.express_bucket, get).await.result {
                        Ok(ObjectOk::Content { body, .. }) => assert_eq!(body, Blob::real("abab")),
                        other => panic!("{other:?}"),
                    }
                    note(&log, &me, "objects");
                    // A share.
                    let Ok(NfsReply::Connected(client)) = me.nfs(sea.share, NfsOp::ExchangeId).await.result else {
                        panic!()
                    };
                    let call = |call| me.nfs(sea.share, NfsOp::Call { client, call });
                    let open = NfsCall::Open { path: "/f".into(), how: OpenHow::CreateNew };
                    let Ok(NfsReply::Opened { handle, state, .. }) = call(open).await.result else { panic!() };
                    let write =
                        NfsCall::Write { state, handle, offset: 0, data: hello.clone(), stable: Stable::FileSync };
                    assert!(call(write).await.result.is_ok());
                    let read = NfsCall::Read { state, handle, offset: 0, len: 5 };
                    assert_eq!(call(read).await.result, Ok(NfsReply::Data { data: hello, eof: true }));
                    note(&log, &me, "share");
                    // Cores.
                    let before = me.monotonic();
                    me.work(ms(3)).await;
                    assert_eq!(me.monotonic() - before, ms(3));
                    note(&log, &me, "all");
                }
            };
            world.add_node(core, "guest", host, guest(body));
        },
        |world, _, outcome, sea| {
            assert_eq!(log.texts(A, 1), ["volume", "objects", "share", "all"]);
            assert_eq!(world.store(sea.store).peek(sea.bucket, "k"), Some(&Blob::real("hello")));
            assert_eq!(world.share(sea.share).peek("/f"), Some(Blob::real("hello")));
            assert_eq!((world.payloads(), outcome.reason), (0, EndReason::Idle));
        },
    );
}

#[test]
fn a_guests_sleep_is_exact_on_its_nodes_clock() {
    let log = Log::default();
    let trues: Arc<Mutex<Vec<Nanos>>> = Arc::default();
    let seen = trues.clone();
    let observer = Box::new(move |record: &wavetank_sim::Record<Event>| {
        if let What::GuestWake = record.what {
            seen.lock().unwrap().push(record.at);
        }
        true
    });
    Chart::default().observed(
        Some(observer),
        |world, core, sea| {
            let log = log.clone();
            let sleeps = guest(move |me| {
                let log = log.clone();
                async move {
                    for span in [Nanos(1), us(999), ms(1), ms(11), ms(9)] {
                        me.sleep(span).await;
                        note(&log, &me, "woke");
                    }
                }
            });
            world.add_node(core, "sleeps", sea.hosts[0], sleeps);
            world.plan(core, us(1_500), Action::DriftClock(A, 100_000_000));
            world.plan(core, ms(10), Action::JumpClock(A, -5_000_000));
        },
        |_, _, _, _| (),
    );
    // The third sleep was under way when the clock began to run fast: it keeps its true time. Then 11 ms at 11/10 are
    // 10 ms, and 9 ms are 9/1.1, rounded up.
    let third = Nanos(1_999_001);
    let fourth = third + ms(10);
    assert_eq!(*trues.lock().unwrap(), [Nanos(1), Nanos(999_001), third, fourth, fourth + Nanos(8_181_819)]);
    let local = log.times(A, 1, "woke");
    assert_eq!(local[3] - local[2], ms(11), "the guest itself sees its own span pass");
}

/// Puts objects one after the other, by number, from a number of its life's own.
fn puts_on_and_on(sea: &Sea, log: &Log) -> Factory {
    let (sea, log) = (sea.clone(), log.clone());
    guest(move |me| {
        let (sea, log) = (sea.clone(), log.clone());
        async move {
            let gone = Gone(log.clone(), me.me());
            for n in 0..20 {
                let key = format!("life {} put {n}", me.me().epoch.0);
                let long = me.object(sea.store, sea.bucket, put(&key, 0));
                assert!(long.await.result.is_ok());
                note(&log, &me, format!("done {n}"));
                me.volume(sea.ebs, VolumeOp::SyncDirectory).await;
                me.nfs(sea.share, NfsOp::ExchangeId).await;
                me.express(sea.express, sea.express_bucket, put("k", 0)).await;
                me.sleep(ms(2)).await;
            }
            drop(gone);
        }
    })
}

#[test]
fn a_killed_guest_with_operations_in_flight_is_dropped_at_once_and_its_answers_reach_nobody() {
    for killed_at in [us(1), ms(10), us(30_001), us(31_000), ms(33), us(38_700), ms(39), ms(55)] {
        for paused in [false, true] {
            let log = Log::default();
            Chart::default().run(
                |world, core, sea| {
                    world.add_node(core, "guest", sea.hosts[0], puts_on_and_on(sea, &log));
                    if paused {
                        world.plan(core, killed_at - Nanos(1), Action::Pause(A));
                    }
                    world.plan(core, killed_at, Action::Kill(A));
                    world.plan(core, killed_at + us(100), Action::Restart(A));
                },
                |world, _, outcome, sea| {
                    assert_eq!((world.payloads(), outcome.reason), (0, EndReason::Idle));
                    let texts = log.texts(A, 1);
                    assert_eq!(texts.last().map(String::as_str), Some("dropped"));
                    let done = texts.len() - 1;
                    let second = log.texts(A, 2);
                    assert_eq!(second.len(), 21, "the new life does all its work from the beginning: {second:?}");
                    assert_eq!(second[0], "done 0");
                    // What the old life had asked for last landed all the same, unless it had no time to ask.
                    let landed = world.store(sea.store).peek_keys(sea.bucket).filter(|key| key.starts_with("life 1"));
                    let landed = landed.count();
                    assert!(landed == done || landed == done + 1, "{landed} landed, {done} were answered");
                },
            );
            let lines = log.lines();
            let dropped = lines.iter().position(|line| line.life.epoch.0 == 1 && line.what == "dropped");
            let begun = lines.iter().position(|line| line.life.epoch.0 == 2);
            assert!(dropped < begun, "the old life went before the new one came");
        }
    }
}

#[test]
fn an_answer_that_nobody_waits_for_any_more_is_forgotten_and_the_operation_is_not() {
    let log = Log::default();
    Chart::default().run(
        |world, core, sea| {
            let (sea, log) = (sea.clone(), log.clone());
            let host = sea.hosts[0];
            let impatient = guest(move |me| {
                let (sea, log) = (sea.clone(), log.clone());
                async move {
                    {
                        let mut slow = Box::pin(me.object(sea.store, sea.bucket, put("slow", 0)));
                        let asked = std::future::poll_fn(|cx| Poll::Ready(slow.as_mut().poll(cx).is_pending()));
                        assert!(asked.await);
                    }
                    // Its answer comes meanwhile, and wakes nobody: the sleep is looked at when it begins and when it ends.
                    let (mut nap, mut looks) = (Box::pin(me.sleep(ms(40))), 0);
                    std::future::poll_fn(|cx| {
                        looks += 1;
                        nap.as_mut().poll(cx)
                    })
                    .await;
                    assert_eq!(looks, 2);
                    let done = me.object(sea.store, sea.bucket, ObjectOp::Head { key: "nothing".into() }).await;
                    note(&log, &me, format!("{:?}", done.result.map(|_| ())));
                    me.sleep(ms(50)).await;
                    let done = me.express(sea.express, sea.express_bucket, put("k", 0)).await;
                    note(&log, &me, format!("{:?}", done.result.map(|_| ())));
                }
            });
            world.add_node(core, "impatient", host, impatient);
        },
        |world, _, _, sea| {
            assert!(world.store(sea.store).peek(sea.bucket, "slow").is_some());
            assert_eq!(world.payloads(), 0);
        },
    );
    assert_eq!(log.texts(A, 1), ["Err(NoSuchKey)", "Ok(())"]);
}

/// Takes what comes, and sends each message back, plus 100.
fn echoes(log: &Log) -> Factory {
    let log = log.clone();
    guest(move |me| {
        let log = log.clone();
        async move {
            loop {
                let input = me.recv().await;
                note(&log, &me, describe(&input));
                if let Input::Message { conn, message: Message::Frame(asked) } = input {
                    me.send(conn, frame(asked.value + 100));
                }
            }
        }
    })
}

/// Connects to A and sends it five numbers, a millisecond apart; `twist` changes the third.
fn counts_to_five(log: &Log, twist: u64) -> Factory {
    let mut opened = None;
    actor(log, move |cx, input| match input {
        Input::Boot => {
            opened = Some(cx.connect(A));
            for n in 1..=5 {
                cx.set_timer(ms(n), n);
            }
        }
        Input::Timer { token, .. } => {
            let value = if *token == 3 { token + twist } else { *token };
            cx.send(opened.expect("since the boot"), frame(value));
        }
        _ => (),
    })
}

#[test]
fn guests_and_machines_talk_in_order_and_a_guest_can_call_too() {
    let log = Log::default();
    let calls = {
        let log = log.clone();
        guest(move |me| {
            let log = log.clone();
            async move {
                assert!(matches!(me.recv().await, Input::Boot));
                let conn = me.connect(B).expect("alive");
                (0..3).for_each(|n| me.send(conn, frame(n)));
                for _ in 0..2 {
                    note(&log, &me, describe(&me.recv().await));
                }
                me.act(|cx| cx.close(conn));
            }
        })
    };
    let answers_once = actor(&log, |cx, input| {
        if let Input::Message { conn, message: Message::Frame(asked) } = input
            && asked.value == 2
        {
            cx.send(*conn, frame(7));
        }
    });
    Chart::default().run(
        |world, core, sea| {
            world.add_node(core, "guest", sea.hosts[0], calls);
            world.add_node(core, "machine", sea.hosts[1], answers_once);
        },
        |world, _, _, _| {
            assert_eq!(log.texts(A, 1), ["connected", "message 7"]);
            let heard = ["boot", "accepted n0", "message 0", "message 1", "message 2", "reset ClosedByPeer"];
            assert_eq!(log.texts(B, 1), heard);
            assert_eq!(world.payloads(), 0);
        },
    );
    let log = Log::default();
    Chart::default().run(
        |world, core, sea| {
            world.add_node(core, "echoes", sea.hosts[0], echoes(&log));
            world.add_node(core, "counts", sea.hosts[1], counts_to_five(&log, 0));
        },
        |world, _, _, _| assert_eq!(world.payloads(), 0),
    );
    let heard: Vec<_> = log.texts(B, 1).into_iter().filter(|what| what.starts_with("message")).collect();
    assert_eq!(heard, [101, 102, 103, 104, 105].map(|n| format!("message {n}")));
    assert_eq!(log.texts(A, 1)[..3], ["boot", "accepted n1", "message 1"]);
}

#[test]
fn a_stopped_guest_stands_still_and_gets_what_waited_in_order() {
    for frozen in [false, true] {
        let log = Log::default();
        Chart::default().run(
            |world, core, sea| {
                world.add_node(core, "echoes", sea.hosts[0], echoes(&log));
                world.add_node(core, "counts", sea.hosts[1], counts_to_five(&log, 0));
                if frozen {
                    fault_between(world, core, Fault::Host(sea.hosts[0], HostFault::Pause), us(1_500), us(4_500));
                } else {
                    world.plan(core, us(1_500), Action::Pause(A));
                    world.plan(core, us(4_500), Action::Resume(A));
                }
            },
            |_, _, _, _| (),
        );
        let messages: Vec<_> = log.of(A).into_iter().filter(|line| line.what.starts_with("message")).collect();
        let whats: Vec<_> = messages.iter().map(|line| line.what.clone()).collect();
        assert_eq!(whats, [1, 2, 3, 4, 5].map(|n| format!("message {n}")));
        let times: Vec<_> = messages.iter().map(|line| line.at).collect();
        assert_eq!(times, [us(1_100), us(4_500), us(4_500), us(4_500), us(5_100)]);
    }
}

#[test]
fn a_guest_that_exits_is_started_again_by_its_supervisor_and_begins_anew() {
    let log = Log::default();
    let exits = {
        let log = log.clone();
        guest(move |me| {
            let log = log.clone();
            async move {
                let _gone = Gone(log.clone(), me.me());
                note(&log, &me, "begins");
                // The second life sleeps for longer than it lives.
                me.sleep(ms(10) * u64::from(me.me().epoch.0).pow(10)).await;
                me.act(|cx| {
                    cx.mark("before");
                    cx.exit("enough");
                    cx.mark("after");
                });
                // It runs once more only to be dropped: what it wishes for is in vain.
                assert!(me.act(|cx| cx.mark("in vain")).is_none());
                me.sleep(ms(1)).await;
                note(&log, &me, "went on");
            }
        })
    };
    Chart::default().run(
        |world, core, sea| {
            world.add_node(core, "exits", sea.hosts[0], exits);
            world.supervise(A, ms(100));
            world.plan(core, ms(200), Action::PowerLoss(sea.hosts[0], Survival::Drawn));
        },
        |_, _, outcome, _| {
            assert_eq!(["before", "after", "in vain"].map(|mark| outcome.marks.count(mark)), [1, 0, 0]);
        },
    );
    let whats: Vec<_> = log.of(A).into_iter().map(|line| (line.life.epoch.0, line.what)).collect();
    let seen: Vec<_> = whats.iter().map(|(epoch, what)| (*epoch, what.as_str())).collect();
    assert_eq!(seen, [(1, "begins"), (1, "dropped"), (2, "begins"), (2, "dropped")]);
    assert_eq!(log.times(A, 2, "begins"), [ms(110)]);
}

#[test]
fn two_runs_in_lockstep_part_at_the_planted_difference_which_is_named() {
    let run = |observer: Observer<Event>, twist: u64| {
        let log = Log::default();
        Chart::default().observed(
            Some(observer),
            |world, core, sea| {
                world.add_node(core, "echoes", sea.hosts[0], echoes(&log));
                world.add_node(core, "counts", sea.hosts[1], counts_to_five(&log, twist));
            },
            |_, _, _, _| (),
        );
    };
    assert!(lockstep(|o| run(o, 0), |o| run(o, 0)).expect("no panic").is_none());
    let found = lockstep(|o| run(o, 0), |o| run(o, 40)).expect("no panic").expect("they differ");
    let (left, right) = (found.left.as_ref().expect("goes on"), found.right.as_ref().expect("goes on"));
    assert_eq!((left.at, right.at), (us(3_100), us(3_100)));
    assert_eq!(left.to.map(|to| to.node), Some(A));
    let text = found.to_string();
    assert!(text.contains("Message") && text.contains("first run") && text.contains("n0.1"), "{text}");
    assert!(found.same > 10);
}
