//! Pauses of processes and hosts, and clocks that are wrong.

use crate::common::*;
use std::sync::{Arc, Mutex};
use wavetank_models::cloud::host::{GcProfile, HostFault, HostSpec};
use wavetank_models::cloud::latency::Latency;
use wavetank_models::cloud::volume::VolumeOp;
use wavetank_models::fault::Fault;
use wavetank_models::world::{Action, Event, Factory, Input, World};
use wavetank_sim::{Core, EndReason, Limits, Nanos, NodeId, What};

const A: NodeId = NodeId(0);
const B: NodeId = NodeId(1);

/// Connects to A and sends it the numbers 1 to 20, each at as many milliseconds.
fn sends_each_millisecond(log: &Log) -> Factory {
    let mut opened = None;
    actor(log, move |cx, input| match input {
        Input::Boot => {
            opened = Some(cx.connect(A));
            for n in 1..=20 {
                cx.set_timer(ms(n), n);
            }
        }
        Input::Timer { token, .. } => cx.send(opened.expect("since the boot"), frame(*token)),
        _ => (),
    })
}

fn position(what: &str, texts: &[String]) -> usize {
    texts.iter().position(|text| text == what).unwrap_or_else(|| panic!("no {what} in {texts:?}"))
}

#[test]
fn what_waited_for_a_stopped_process_comes_in_order_and_before_anything_newer() {
    for seed in 0..60 {
        let log = Log::default();
        let resumed = us(12_100);
        Chart::seeded(seed).run(
            |world, core, sea| {
                let ebs = sea.ebs;
                let stopped = actor(&log, move |cx, input| match input {
                    Input::Boot => {
                        for n in [6, 7, 8, 12] {
                            cx.set_timer(ms(n), n);
                        }
                        // At the very instant of the resumption, as message 12 is.
                        cx.set_timer(resumed, 99);
                        cx.set_timer(us(5_020), 5);
                    }
                    // Ends while the process stands still.
                    Input::Timer { token: 5, .. } => cx.volume(ebs, 2, VolumeOp::SyncDirectory),
                    // Answered at once, which is later than all that waited.
                    Input::Timer { token: 6, .. } => drop(cx.connect(A)),
                    _ => (),
                });
                world.add_node(core, "stopped", sea.hosts[0], stopped);
                world.add_node(core, "sends", sea.hosts[1], sends_each_millisecond(&log));
                world.plan(core, us(5_050), Action::Pause(A));
                world.plan(core, resumed, Action::Resume(A));
            },
            |world, _, outcome, _| assert_eq!((world.payloads(), outcome.reason), (0, EndReason::Idle)),
        );
        let lines: Vec<_> = log.of(A).into_iter().filter(|line| line.what != "dropped").collect();
        let texts: Vec<_> = lines.iter().map(|line| line.what.clone()).collect();
        let messages: Vec<_> = texts.iter().filter(|text| text.starts_with("message")).cloned().collect();
        assert_eq!(messages, (1..=20).map(|n| format!("message {n}")).collect::<Vec<_>>(), "seed {seed}");
        assert!(lines.iter().all(|line| line.at <= us(5_050) || line.at >= resumed), "seed {seed}: {lines:?}");
        assert!(lines.windows(2).all(|pair| pair[0].at <= pair[1].at));
        // In the order in which it surfaced while the process stood still.
        let order = [
            "message 5",
            "timer 6",
            "message 6",
            "timer 7",
            "message 7",
            "timer 8",
            "message 8",
            "message 9",
            "message 10",
            "message 11",
            "timer 12",
        ];
        let waited: Vec<_> = lines.iter().filter(|line| line.at == resumed).map(|line| line.what.clone()).collect();
        assert_eq!(waited.len(), order.len() + 4, "seed {seed}: {waited:?}");
        assert_eq!(waited.iter().filter(|text| order.contains(&text.as_str())).collect::<Vec<_>>(), order);
        let newest = position("timer 12", &waited);
        for newer in ["message 12", "timer 99", "reset Refused"] {
            assert!(position(newer, &waited) > newest, "seed {seed}: {newer} overtook: {waited:?}");
        }
        assert!(position("volume 2 ok", &waited) < position("message 8", &waited), "seed {seed}: {waited:?}");
    }
}

/// A timer every millisecond.
fn ticks(log: &Log) -> Factory {
    actor(log, |cx, input| {
        if matches!(input, Input::Boot | Input::Timer { .. }) {
            cx.set_timer(ms(1), 0);
        }
    })
}

/// When the nodes' lives ticked, up to a time, under a plan.
fn ticked(plan: impl FnOnce(&mut World, &mut Core<Event>, &Sea)) -> impl Fn(NodeId, u32) -> Vec<Nanos> {
    let log = Log::default();
    let chart = Chart { limits: Limits { time_max: us(22_900), ..Limits::default() }, ..Chart::default() };
    chart.run(
        |world, core, sea| {
            world.add_node(core, "one", sea.hosts[0], ticks(&log));
            world.add_node(core, "beside it", sea.hosts[0], ticks(&log));
            world.add_node(core, "elsewhere", sea.hosts[1], ticks(&log));
            plan(world, core, sea);
        },
        |_, _, _, _| (),
    );
    move |node, epoch| log.times(node, epoch, "timer 0")
}

/// What ticks would be with a stand-still from one time to another.
fn with_a_gap(from: Nanos, to: Nanos) -> Vec<Nanos> {
    let before = (1..23).map(ms).take_while(|at| *at <= from);
    let after = (0..23).map(|n| to + ms(n)).take_while(|at| *at < us(22_900));
    before.chain(after).collect()
}

#[test]
fn a_host_pause_stops_all_processes_of_the_host_and_no_others() {
    let ticked = ticked(|world, core, sea| {
        fault_between(world, core, Fault::Host(sea.hosts[0], HostFault::Pause), us(5_500), us(9_700));
    });
    for node in [A, B] {
        assert_eq!(ticked(node, 1), with_a_gap(us(5_500), us(9_700)));
    }
    assert_eq!(ticked(NodeId(2), 1), (1..23).map(ms).collect::<Vec<_>>());
}

#[test]
fn a_host_pause_stops_its_threads_and_what_they_hold_comes_in_order() {
    let log = Log::default();
    let works = actor(&log, |cx, input| {
        if let Input::Boot = input {
            cx.work(7, ms(10));
        }
    });
    Chart { host: HostSpec::kafka(2), ..Chart::default() }.run(
        |world, core, sea| {
            world.add_node(core, "works", sea.hosts[0], works);
            world.add_node(core, "sends", sea.hosts[1], sends_each_millisecond(&log));
            fault_between(world, core, Fault::Host(sea.hosts[0], HostFault::Pause), us(5_050), us(12_050));
        },
        |world, _, _, _| assert_eq!(world.payloads(), 0),
    );
    assert_eq!(log.times(A, 1, "worked 7"), [ms(17)], "ten milliseconds of work and seven of standing still");
    let messages: Vec<_> = log.of(A).into_iter().filter(|line| line.what.starts_with("message")).collect();
    assert_eq!(
        messages.iter().map(|line| line.what.clone()).collect::<Vec<_>>(),
        (1..=20).map(|n| format!("message {n}")).collect::<Vec<_>>()
    );
    assert!(messages.iter().all(|line| line.at < us(5_050) || line.at > us(12_050)), "{messages:?}");
    assert!(messages[5].at < us(12_200), "its threads go on at once: {messages:?}");
}

#[test]
fn stops_of_processes_and_hosts_compose_and_each_ends_by_itself() {
    let stop = |world: &mut World, core: &mut Core<Event>, from, to| {
        world.plan(core, from, Action::Pause(A));
        world.plan(core, to, Action::Resume(A));
    };
    let freeze = |world: &mut World, core: &mut Core<Event>, sea: &Sea, from, to| {
        fault_between(world, core, Fault::Host(sea.hosts[0], HostFault::Pause), from, to);
    };
    let (a, b, c, d) = (us(5_500), us(8_500), us(12_500), us(17_500));
    // The host stands still within the time in which the process does.
    let inner = ticked(|world, core, sea| {
        stop(world, core, a, d);
        freeze(world, core, sea, b, c);
    });
    assert_eq!((inner(A, 1), inner(B, 1)), (with_a_gap(a, d), with_a_gap(b, c)));
    // The other way round, and overlapping both ways.
    for (stops, freezes) in [((b, c), (a, d)), ((a, c), (b, d)), ((b, d), (a, c))] {
        let seen = ticked(|world, core, sea| {
            stop(world, core, stops.0, stops.1);
            freeze(world, core, sea, freezes.0, freezes.1);
        });
        assert_eq!(seen(A, 1), with_a_gap(a, d), "stopped {stops:?}, host stopped {freezes:?}");
        assert_eq!(seen(B, 1), with_a_gap(freezes.0, freezes.1));
    }
    // Two causes for the host to stand still.
    let twice = ticked(|world, core, sea| {
        freeze(world, core, sea, a, c);
        freeze(world, core, sea, b, d);
    });
    assert_eq!((twice(A, 1), twice(B, 1)), (with_a_gap(a, d), with_a_gap(a, d)));
}

#[test]
fn a_process_that_is_started_on_a_host_that_stands_still_waits_and_a_stop_ends_with_its_life() {
    let frozen = ticked(|world, core, sea| {
        fault_between(world, core, Fault::Host(sea.hosts[0], HostFault::Pause), us(5_500), us(15_500));
        world.plan(core, us(7_500), Action::Kill(A));
        world.plan(core, us(9_500), Action::Restart(A));
    });
    assert_eq!(frozen(A, 2)[..2], [us(16_500), us(17_500)], "it boots when the host goes on");
    let stopped = ticked(|world, core, sea| {
        world.plan(core, us(5_500), Action::Pause(A));
        world.plan(core, us(7_500), Action::Kill(A));
        world.plan(core, us(9_500), Action::Restart(A));
        fault_between(world, core, Fault::Host(sea.hosts[0], HostFault::Pause), us(11_600), us(13_600));
    });
    assert_eq!(stopped(A, 2)[..4], [us(10_500), us(11_500), us(13_600), us(14_600)]);
}

/// Asks A and wants an answer within 5 ms; without one it closes the connection and asks again on another.
fn impatient(log: &Log) -> Factory {
    let (mut conn, mut asked) = (None, 0);
    actor(log, move |cx, input| {
        let gave_up = match input {
            Input::Boot => true,
            Input::Timer { token, .. } => *token == asked && asked < 2,
            _ => false,
        };
        if gave_up {
            if let Some(old) = conn {
                cx.close(old);
            }
            asked += 1;
            let new = cx.connect(A);
            cx.send(new, frame(asked));
            cx.set_timer(ms(5), asked);
            conn = Some(new);
        }
    })
}

#[test]
fn a_stopped_process_learns_afterwards_that_its_peer_gave_up() {
    let log = Log::default();
    let answers = actor(&log, |cx, input| {
        if let Input::Message { conn, message: wavetank_models::message::Message::Frame(asked) } = input {
            cx.send(*conn, frame(100 + asked.value));
        }
    });
    Chart::default().run(
        |world, core, sea| {
            world.add_node(core, "stopped", sea.hosts[0], answers);
            world.add_node(core, "impatient", sea.hosts[1], impatient(&log));
            world.plan(core, us(150), Action::Pause(A));
            world.plan(core, ms(50), Action::Resume(A));
        },
        |world, _, _, _| assert_eq!(world.payloads(), 0),
    );
    let lines = log.of(A);
    let texts: Vec<_> = lines.iter().map(|line| line.what.as_str()).collect();
    assert_eq!(texts[..6], ["boot", "accepted n1", "message 1", "reset ClosedByPeer", "accepted n1", "message 2"]);
    assert_eq!((lines[1].at, lines[2].at, lines[5].at), (us(100), ms(50), ms(50)));
    let heard: Vec<_> = log.texts(B, 1).into_iter().filter(|what| what.starts_with("message")).collect();
    assert_eq!(heard, ["message 102"], "the answer to the first request went nowhere");
}

#[test]
fn a_clock_jump_moves_the_wall_clock_and_neither_monotonic_clock_nor_timers() {
    let walls: Arc<Mutex<Vec<Nanos>>> = Arc::default();
    let log = Log::default();
    let hour = Nanos::secs(3_600);
    let seen = walls.clone();
    let tells = actor(&log, move |cx, input| {
        if let Input::Boot = input {
            for n in 1..=6 {
                cx.set_timer(hour + ms(n), n);
            }
        } else {
            seen.lock().unwrap().push(cx.wall());
        }
    });
    Chart::default().run(
        |world, core, sea| {
            world.add_node(core, "jumps", sea.hosts[0], tells);
            world.add_node(core, "does not", sea.hosts[0], listener(&log));
            world.plan(core, hour + us(2_500), Action::JumpClock(A, hour.0 as i64));
            world.plan(core, hour + us(4_500), Action::JumpClock(A, -2 * hour.0 as i64));
        },
        |_, core, outcome, _| {
            assert_eq!(core.clock(B).wall(outcome.now), outcome.now, "another node's clock");
        },
    );
    let fired: Vec<_> = log.of(A).iter().skip(1).take(6).map(|line| line.at).collect();
    assert_eq!(fired, (1..=6).map(|n| hour + ms(n)).collect::<Vec<_>>(), "monotonic clock and timers");
    let expected = [hour + ms(1), hour + ms(2), hour * 2 + ms(3), hour * 2 + ms(4), ms(5), ms(6)];
    assert_eq!(*walls.lock().unwrap(), expected);
}

#[test]
fn a_drifting_clock_fires_timers_early_or_late_by_exactly_its_drift() {
    let log = Log::default();
    // Each timer is set when the one before fires.
    let spans = [ms(2), ms(11), ms(11), ms(9), ms(1)];
    let chained = actor(&log, move |cx, input| {
        let next = match input {
            Input::Boot => 0,
            Input::Timer { token, .. } => *token as usize + 1,
            _ => return,
        };
        if let Some(span) = spans.get(next) {
            cx.set_timer(*span, next as u64);
        }
    });
    let fired: Arc<Mutex<Vec<Nanos>>> = Arc::default();
    let true_times = fired.clone();
    let observer = Box::new(move |record: &wavetank_sim::Record<Event>| {
        if matches!(record.what, What::Event(Event::Timer { .. })) && record.to.map(|to| to.node) == Some(A) {
            true_times.lock().unwrap().push(record.at);
        }
        true
    });
    Chart::default().observed(
        Some(observer),
        |world, core, sea| {
            world.add_node(core, "drifts", sea.hosts[0], chained);
            world.add_node(core, "does not", sea.hosts[0], sends_each_millisecond(&log));
            world.plan(core, ms(1), Action::DriftClock(A, 100_000_000));
            world.plan(core, us(12_500), Action::DriftClock(A, -100_000_000));
            world.plan(core, us(32_500), Action::DriftClock(A, 0));
        },
        |_, _, _, _| (),
    );
    // 2 ms, set before; 11 ms at 11/10; 11 ms, set before the clock slowed down; 9 ms at 9/10; 1 ms, set at 9/10: 1/0.9 ms.
    let late = Nanos(33_111_112);
    assert_eq!(*fired.lock().unwrap(), [ms(2), ms(12), ms(22), ms(32), late]);
    let local = log.of(A).into_iter().filter(|l| l.what.starts_with("timer")).map(|l| l.at).collect::<Vec<_>>();
    assert_eq!(local[1] - local[0], ms(11), "the node itself sees its own span pass");
    assert_eq!(local[3] - local[2], ms(9));
    assert_eq!(log.times(B, 1, "timer 20"), [ms(20)]);
}

#[test]
fn a_timer_that_is_taken_back_never_fires_also_when_it_was_due_while_the_node_stood_still() {
    for paused in [false, true] {
        let log = Log::default();
        let mut last = None;
        let regrets = actor(&log, move |cx, input| match input {
            Input::Boot => {
                cx.set_timer(ms(6), 6);
                last = Some(cx.set_timer(ms(7), 7));
                cx.set_timer(ms(8), 8);
                // Set and taken back within one step, in either place.
                let brief = cx.set_timer(ms(5), 5);
                cx.cancel_timer(brief);
                let at_once = cx.set_timer(Nanos::ZERO, 0);
                cx.cancel_timer(at_once);
                let long = cx.set_timer(Nanos::secs(3_600), 1);
                cx.cancel_timer(long);
            }
            Input::Timer { token: 6, .. } => cx.cancel_timer(last.expect("since the boot")),
            Input::Timer { token: 8, timer } => {
                // Too late: it has fired, and 7 is gone.
                cx.cancel_timer(*timer);
                cx.cancel_timer(last.expect("since the boot"));
                cx.set_timer(ms(1), 9);
            }
            _ => (),
        });
        let texts = Chart::default().run(
            |world, core, sea| {
                world.add_node(core, "regrets", sea.hosts[0], regrets);
                if paused {
                    world.plan(core, ms(4), Action::Pause(A));
                    world.plan(core, ms(20), Action::Resume(A));
                }
            },
            |world, _, outcome, _| {
                assert_eq!((world.payloads(), outcome.reason), (0, EndReason::Idle));
                assert!(outcome.now < ms(100), "what was taken back keeps nobody waiting, until {:?}", outcome.now);
                log.texts(A, 1)
            },
        );
        assert_eq!(texts, ["boot", "timer 6", "timer 8", "timer 9"]);
    }
}

#[test]
fn a_collection_of_garbage_holds_timers_up_and_a_stop_outlasts_it() {
    // Collections from 100 to 140 ms, from 240 to 280 ms, and so on.
    let gc = GcProfile { every: Latency::constant(ms(100)), duration: Latency::constant(ms(40)) };
    let host = HostSpec { gc: Some(gc), ..HostSpec::instant() };
    let log = Log::default();
    let limits = Limits { time_max: ms(500), ..Limits::default() };
    Chart { host, limits, ..Chart::default() }.run(
        |world, core, sea| {
            let beats = actor(&log, |cx, input| {
                if matches!(input, Input::Boot) {
                    for n in 1..=40 {
                        cx.set_timer(ms(n * 10), n);
                    }
                }
            });
            world.add_node(core, "beats", sea.hosts[0], beats);
            world.plan(core, ms(250), Action::Pause(A));
            world.plan(core, ms(315), Action::Resume(A));
        },
        |_, _, _, _| (),
    );
    let at = |n: u64| log.times(A, 1, &format!("timer {n}"));
    assert_eq!((at(9), at(11), at(13), at(15)), (vec![ms(90)], vec![ms(140)], vec![ms(140)], vec![ms(150)]));
    assert_eq!((at(25), at(29), at(31), at(33)), (vec![ms(315)], vec![ms(315)], vec![ms(315)], vec![ms(330)]));
}
