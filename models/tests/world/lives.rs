//! Lives of processes, hosts and zones: what dies with a life, what outlives it, what starts again.

use crate::common::*;
use wavetank_models::blob::Blob;
use wavetank_models::cloud::host::HostSpec;
use wavetank_models::cloud::network::NicSpec;
use wavetank_models::cloud::nfs::NfsOp;
use wavetank_models::cloud::volume::{FileId, IoMode, Survival, VolumeAnswer, VolumeOp};
use wavetank_models::fault::Fault;
use wavetank_models::world::{Action, Cx, Factory, Input, Signal, VolumeId};
use wavetank_sim::{EndReason, Limits, Nanos, NodeId};

const A: NodeId = NodeId(0);
const B: NodeId = NodeId(1);
const C: NodeId = NodeId(2);

#[test]
fn a_kill_drops_the_struct_and_a_restart_builds_one_with_empty_memory() {
    let log = Log::default();
    let mut count = 0;
    let counting = {
        let log = log.clone();
        actor(&log.clone(), move |cx, _| {
            count += 1;
            log.note(cx, format!("count {count}"));
            cx.set_timer(ms(1), 0);
        })
    };
    let clock = actor(&log, |cx, input| {
        if let Input::Boot = input {
            cx.set_timer(ms(7), 7);
        }
    });
    Chart::default().run(
        |world, core, sea| {
            world.add_node(core, "counting", sea.hosts[0], counting);
            world.add_node(core, "clock", sea.hosts[1], clock);
            world.plan(core, us(5_500), Action::Kill(A));
            world.plan(core, ms(10), Action::Restart(A));
            world.plan(core, us(12_500), Action::Kill(A));
        },
        |_, _, _, _| (),
    );
    assert_eq!(log.texts(A, 1).iter().filter(|what| what.starts_with("count")).count(), 6);
    assert_eq!(log.texts(A, 2)[..2], ["boot", "count 1"]);
    let lines = log.lines();
    let at = |life: u32, node: NodeId, what: &str| {
        lines.iter().position(|l| l.life.node == node && l.life.epoch.0 == life && l.what == what).expect(what)
    };
    assert!(at(1, A, "dropped") < at(1, B, "timer 7"), "the struct went when the process was killed, not later");
    assert!(at(1, A, "dropped") < at(2, A, "boot"));
}

/// Asks for one of everything in its first life, and for nothing in later ones.
fn asks_for_everything(log: &Log, sea: &Sea, peer: NodeId) -> Factory {
    let sea = sea.clone();
    actor(log, move |cx, input| {
        if !matches!(input, Input::Boot) || cx.me().epoch.0 > 1 {
            return;
        }
        cx.set_timer(us(90), 1);
        cx.set_timer(ms(20), 2);
        cx.volume(sea.ebs, 3, create("a"));
        cx.volume(sea.ebs, 4, VolumeOp::SyncDirectory);
        cx.volume(sea.nvme, 5, VolumeOp::SyncDirectory);
        cx.object(sea.store, sea.bucket, 6, put("k", 10));
        cx.express(sea.express, sea.express_bucket, 7, put("k", 10));
        cx.nfs(sea.share, 8, NfsOp::ExchangeId);
        cx.work(9, ms(10));
        let conn = cx.connect(peer);
        cx.send(conn, frame(10));
    })
}

/// Sends a message every half millisecond on every connection that it accepts.
fn chatters(log: &Log) -> Factory {
    let mut conns = Vec::new();
    actor(log, move |cx, input| match input {
        Input::Accepted { conn, .. } => {
            conns.push(*conn);
            cx.send(*conn, frame(1));
            cx.set_timer(us(500), 1);
        }
        Input::Timer { token, .. } if *token < 80 => {
            conns.iter().for_each(|conn| cx.send(*conn, frame(*token)));
            cx.set_timer(us(500), token + 1);
        }
        _ => (),
    })
}

#[test]
fn nothing_that_an_old_life_waited_for_reaches_the_new_one() {
    let instants = [1, 50, 100, 150, 200, 250, 400, 600, 2_000, 5_000, 6_000, 10_000, 19_000, 25_000, 31_000];
    let mut seen = std::collections::BTreeSet::new();
    for (n, killed_at) in instants.into_iter().map(us).enumerate() {
        for gap in [Nanos(1), us(60), ms(1)] {
            for paused in [false, true] {
                let log = Log::default();
                let chart = Chart::seeded(n as u64);
                let left = chart.run(
                    |world, core, sea| {
                        world.add_node(core, "old", sea.hosts[0], asks_for_everything(&log, sea, B));
                        world.add_node(core, "peer", sea.hosts[1], chatters(&log));
                        if paused {
                            world.plan(core, killed_at - Nanos(1_000), Action::Pause(A));
                        }
                        world.plan(core, killed_at, Action::Kill(A));
                        world.plan(core, killed_at + gap, Action::Restart(A));
                    },
                    |world, _, outcome, _| {
                        assert_eq!(outcome.reason, EndReason::Idle);
                        assert_eq!(log.texts(A, 2), ["boot"], "killed at {killed_at:?}, restarted {gap:?} later");
                        world.payloads()
                    },
                );
                assert_eq!(left, 0);
                let first = log.texts(A, 1);
                assert_eq!(first.iter().position(|what| what == "dropped"), Some(first.len() - 1));
                seen.extend(first);
            }
        }
    }
    // What the late kills let through shows that there was something to keep away.
    for what in ["timer 1", "timer 2", "volume 3 ok", "volume 4 ok", "volume 5 ok", "object 6 ok", "express 7 ok"] {
        assert!(seen.contains(what), "{what} was never seen");
    }
    for what in ["nfs 8 ok", "worked 9", "connected", "message 1", "message 30"] {
        assert!(seen.contains(what), "{what} was never seen");
    }
}

/// Connects to A at once, sends a number at the given time, and never again.
fn sends_once_at(log: &Log, at: Nanos) -> Factory {
    let mut opened = None;
    actor(log, move |cx, input| match input {
        Input::Boot => {
            opened = Some(cx.connect(A));
            cx.set_timer(at, 1);
        }
        Input::Timer { .. } => cx.send(opened.expect("since the boot"), frame(77)),
        _ => (),
    })
}

#[test]
fn peers_of_a_killed_process_are_reset_and_those_of_a_dead_host_hear_nothing_until_they_send() {
    let resets_after = |death: fn(&Sea) -> Action| {
        let log = Log::default();
        Chart::default().run(
            |world, core, sea| {
                world.add_node(core, "dies", sea.hosts[0], listener(&log));
                world.add_node(core, "peer", sea.hosts[2], sends_once_at(&log, ms(50)));
                world.plan(core, ms(10), death(sea));
                world.plan(core, ms(20), Action::Restart(A));
            },
            |_, _, _, _| assert_eq!(log.texts(A, 2), ["boot"]),
        );
        log.times(B, 1, "reset ResetByPeer")
    };
    assert_eq!(resets_after(|_| Action::Kill(A)), [us(10_400)]);
    // Sent at 50 ms; there at 50.4; refused by a kernel that knows nothing; the refusal is here at 50.8.
    assert_eq!(resets_after(|sea| Action::PowerLoss(sea.hosts[0], Survival::Drawn)), [us(50_800)]);
}

#[test]
fn what_a_process_had_sent_lands_after_its_death() {
    for death in [|_: &Sea| Action::Kill(A), |sea: &Sea| Action::PowerLoss(sea.hosts[0], Survival::KeepAll)] {
        let log = Log::default();
        let dying = |sea: &Sea| {
            let (sea, log) = (sea.clone(), log.clone());
            let mut opened = None;
            actor(&log.clone(), move |cx, input| match input {
                Input::Boot if cx.me().epoch.0 == 1 => {
                    opened = Some(cx.connect(B));
                    cx.volume(sea.ebs, 1, create("a"));
                    cx.set_timer(ms(10), 2);
                }
                Input::Boot => cx.volume(sea.ebs, 5, lookup("a")),
                Input::Timer { .. } => {
                    cx.send(opened.expect("since the boot"), frame(42));
                    cx.object(sea.store, sea.bucket, 3, put("late", 10));
                    cx.express(sea.express, sea.express_bucket, 4, put("late", 10));
                }
                Input::Volume(done) => {
                    if let Ok(VolumeAnswer::Found(entry)) = &done.result {
                        log.note(cx, format!("found {}", entry.len));
                    }
                }
                _ => (),
            })
        };
        let life = Chart::default().run(
            |world, core, sea| {
                world.add_node(core, "dies", sea.hosts[0], dying(sea));
                world.add_node(core, "peer", sea.hosts[1], listener(&log));
                // Late enough for ten bytes to have left the host.
                world.plan(core, ms(10) + us(20), death(sea));
                world.plan(core, ms(100), Action::Restart(A));
            },
            |world, _, outcome, sea| {
                assert!(world.store(sea.store).peek(sea.bucket, "late").is_some());
                assert!(world.express(sea.express).peek(sea.express_bucket, "late").is_some());
                assert_eq!((world.payloads(), outcome.reason), (0, EndReason::Idle));
                log.texts(A, 2)
            },
        );
        assert_eq!(log.times(B, 1, "message 42"), [us(10_100)]);
        assert_eq!(life, ["boot", "volume 5 ok", "found 0"], "no answer of the old life's among them");
    }
}

#[test]
fn what_waits_for_the_card_of_a_dead_process_never_leaves() {
    let kept = |killed: bool| {
        let log = Log::default();
        let nic = NicSpec { bandwidth_bytes_per_sec: 10_000_000, single_flow_bytes_per_sec: 0 };
        let chart = Chart { nic, ..Chart::default() };
        chart.run(
            |world, core, sea| {
                let at = sea.clone();
                let puts = actor(&log, move |cx, input| {
                    if matches!(input, Input::Boot) && cx.me().epoch.0 == 1 {
                        cx.object(at.store, at.bucket, 1, put("first", 100_000));
                        cx.object(at.store, at.bucket, 2, put("second", 1_000_000));
                    }
                });
                world.add_node(core, "puts", sea.hosts[0], puts);
                if killed {
                    world.plan(core, ms(50), Action::Kill(A));
                    world.plan(core, ms(60), Action::Restart(A));
                }
            },
            |world, _, _, sea| {
                assert_eq!(world.payloads(), 0);
                world.store(sea.store).peek_keys(sea.bucket).map(ToString::to_string).collect::<Vec<_>>()
            },
        )
    };
    assert_eq!(kept(false), ["first", "second"]);
    assert_eq!(kept(true), ["first"]);
}

#[test]
fn what_a_dead_process_computed_leaves_its_cores_at_once() {
    let log = Log::default();
    let works = actor(&log, |cx, input| {
        if let Input::Boot = input {
            cx.work(1, if cx.me().epoch.0 == 1 { Nanos::secs(5) } else { ms(4) });
        }
    });
    Chart { host: HostSpec::kafka(1), ..Chart::default() }.run(
        |world, core, sea| {
            world.add_node(core, "works", sea.hosts[0], works);
            world.plan(core, ms(10), Action::Kill(A));
            world.plan(core, ms(20), Action::Restart(A));
        },
        |world, _, _, _| assert_eq!(world.payloads(), 0),
    );
    assert_eq!((log.times(A, 1, "worked 1"), log.times(A, 2, "worked 1")), (vec![], vec![ms(24)]));
}

#[test]
fn a_process_that_ends_at_one_of_two_answers_does_not_get_the_other() {
    let log = Log::default();
    let ends = actor(&log, |cx, input| match input {
        // Both are answered at once, with a refusal.
        Input::Boot => (0..2).for_each(|_| {
            cx.connect(A);
        }),
        Input::Reset { .. } => cx.exit("enough"),
        _ => (),
    });
    Chart::default().run(
        |world, core, sea| {
            world.add_node(core, "ends", sea.hosts[0], ends);
        },
        |world, _, _, _| assert_eq!(world.payloads(), 0),
    );
    assert_eq!(log.texts(A, 1), ["boot", "reset Refused", "dropped"]);
}

/// Writes `hello` to a file in its first life and syncs where told to; later lives look what is there.
fn keeps_a_file(log: &Log, volume: VolumeId, sync: bool) -> Factory {
    let log = log.clone();
    let mut file = FileId::RAW;
    actor(&log.clone(), move |cx, input| match input {
        Input::Boot if cx.me().epoch.0 == 1 => cx.volume(volume, 1, create("a")),
        Input::Boot => cx.volume(volume, 1, lookup("a")),
        Input::Volume(done) => match &done.result {
            Ok(VolumeAnswer::Created(id)) => {
                file = *id;
                cx.volume(volume, 2, write(file, Blob::real("hello")));
            }
            Ok(VolumeAnswer::Written) if sync => cx.volume(volume, 3, VolumeOp::Sync { file }),
            Ok(VolumeAnswer::Found(entry)) => {
                let (file, len) = (entry.file, entry.len);
                cx.volume(volume, 4, VolumeOp::Read { file, offset: 0, len, mode: IoMode::Buffered });
            }
            Ok(VolumeAnswer::Read(blob)) => log.note(cx, format!("{:?}", blob.to_bytes().expect("real"))),
            _ => (),
        },
        _ => (),
    })
}

/// What the second life finds of the file.
fn found_after(sync: bool, on: fn(&Sea) -> VolumeId, death: fn(&Sea) -> Action) -> String {
    let log = Log::default();
    Chart::default().run(
        |world, core, sea| {
            world.add_node(core, "keeper", sea.hosts[0], keeps_a_file(&log, on(sea), sync));
            world.plan(core, ms(50), death(sea));
            world.plan(core, ms(60), Action::Restart(A));
        },
        |world, _, _, _| {
            assert_eq!(world.payloads(), 0);
            log.texts(A, 2).pop().expect("at least a boot")
        },
    )
}

#[test]
fn the_page_cache_survives_a_process_and_not_its_host() {
    for volume in [|sea: &Sea| sea.ebs, |sea: &Sea| sea.nvme] {
        let dark = |sea: &Sea| Action::PowerLoss(sea.hosts[0], Survival::KeepNone);
        assert_eq!(found_after(false, volume, |_| Action::Kill(A)), "b\"hello\"");
        assert_eq!(found_after(false, volume, dark), "volume 1 failed: no such file");
        assert_eq!(found_after(true, volume, dark), "b\"hello\"");
    }
}

#[test]
fn an_instance_that_is_lost_takes_its_local_disk_along() {
    let lost = |sea: &Sea| Action::InstanceLost(sea.hosts[0], Survival::KeepAll);
    let dark = |sea: &Sea| Action::PowerLoss(sea.hosts[0], Survival::KeepAll);
    assert_eq!(found_after(true, |sea| sea.nvme, dark), "b\"hello\"");
    assert!(found_after(true, |sea| sea.nvme, lost).starts_with("volume 1 failed"));
    let log = Log::default();
    Chart::default().run(
        |world, core, sea| {
            world.add_node(core, "local", sea.hosts[0], keeps_a_file(&log, sea.nvme, true));
            world.add_node(core, "remote", sea.hosts[0], keeps_a_file(&log, sea.ebs, true));
            world.plan(core, ms(50), lost(sea));
        },
        |world, _, _, sea| {
            assert_eq!(world.volume(sea.nvme).used_bytes(), 0, "the local disk is empty");
            assert!(world.volume(sea.ebs).used_bytes() > 0, "the network volume is not");
            assert!(!world.volume(sea.ebs).is_attached_to(sea.hosts[0]), "the control plane has detached it");
        },
    );
}

/// When each life of a node booted.
fn boots(log: &Log, node: NodeId) -> Vec<Nanos> {
    log.of(node).into_iter().filter(|line| line.what == "boot").map(|line| line.at).collect()
}

#[test]
fn a_zone_that_comes_back_starts_what_ran_there_and_its_volumes_hold_what_was_synced() {
    let log = Log::default();
    Chart::default().run(
        |world, core, sea| {
            world.add_node(core, "keeper", sea.hosts[0], keeps_a_file(&log, sea.ebs, true));
            world.add_node(core, "dead before", sea.hosts[1], listener(&log));
            world.add_node(core, "elsewhere", sea.hosts[2], listener(&log));
            world.plan(core, ms(500), Action::Kill(B));
            fault_between(world, core, Fault::AzDown(sea.azs[0]), ms(1_000), ms(5_000));
        },
        |_, _, _, _| (),
    );
    assert_eq!(boots(&log, A), [Nanos::ZERO, ms(5_000)]);
    assert!(log.texts(A, 2).contains(&"b\"hello\"".to_string()), "{:?}", log.texts(A, 2));
    assert_eq!((boots(&log, B).len(), boots(&log, C).len()), (1, 1));
}

#[test]
fn nothing_starts_on_a_host_that_is_off_until_its_zone_is_back() {
    let log = Log::default();
    let exits = actor(&log, |cx, input| match input {
        Input::Boot if cx.me().epoch.0 == 1 => {
            cx.set_timer(ms(900), 1);
        }
        Input::Timer { .. } => cx.exit("enough"),
        _ => (),
    });
    Chart::default().run(
        |world, core, sea| {
            world.add_node(core, "runs", sea.hosts[0], listener(&log));
            world.add_node(core, "restarted by the plan", sea.hosts[1], listener(&log));
            world.add_node(core, "restarted by its supervisor", sea.hosts[1], exits);
            world.supervise(C, ms(500));
            world.plan(core, ms(500), Action::Kill(B));
            world.plan(core, ms(3_500), Action::Restart(B));
            // Two causes for the same darkness: it ends with the later one.
            fault_between(world, core, Fault::AzDown(sea.azs[0]), ms(1_000), ms(5_000));
            fault_between(world, core, Fault::AzDown(sea.azs[0]), ms(3_000), ms(8_000));
        },
        |_, _, outcome, _| assert_eq!(outcome.reason, EndReason::Idle),
    );
    for node in [A, B, C] {
        assert_eq!(boots(&log, node), [Nanos::ZERO, ms(8_000)], "{node}");
    }
}

/// Exits at 10 ms in its first life, with wishes before and after.
fn exits(log: &Log, sea: &Sea) -> Factory {
    let sea = sea.clone();
    let mut opened = None;
    let wish = move |cx: &mut Cx<'_>, opened, value: u64| {
        cx.send(opened, frame(value));
        cx.object(sea.store, sea.bucket, value, put(&format!("put {value}"), 10));
        cx.set_timer(ms(1), value);
        cx.connect(B);
        cx.mark(if value == 1 { "before" } else { "after" });
    };
    actor(log, move |cx, input| match input {
        Input::Boot if cx.me().epoch.0 == 1 => {
            opened = Some(cx.connect(B));
            cx.set_timer(ms(10), 0);
        }
        Input::Timer { .. } => {
            let conn = opened.expect("since the boot");
            wish(cx, conn, 1);
            cx.exit("enough");
            wish(cx, conn, 2);
            cx.fail("this was wished for after the end");
        }
        _ => (),
    })
}

#[test]
fn an_exit_carries_out_nothing_after_it_and_only_a_supervised_process_starts_again() {
    for supervised in [false, true] {
        let log = Log::default();
        Chart::default().run(
            |world, core, sea| {
                world.add_node(core, "exits", sea.hosts[0], exits(&log, sea));
                world.add_node(core, "peer", sea.hosts[1], listener(&log));
                if supervised {
                    world.supervise(A, ms(1_000));
                    world.supervise(B, ms(1_000));
                }
                world.plan(core, ms(5_000), Action::Kill(B));
            },
            |world, _, outcome, sea| {
                let keys: Vec<_> = world.store(sea.store).peek_keys(sea.bucket).map(ToString::to_string).collect();
                assert_eq!(keys, ["put 1"]);
                assert_eq!((outcome.marks.count("before"), outcome.marks.count("after")), (1, 0));
                assert!(world.failures().is_empty());
                assert_eq!((world.payloads(), outcome.reason), (0, EndReason::Idle));
            },
        );
        let peer = log.texts(B, 1);
        assert!(peer.contains(&"message 1".to_string()) && !peer.contains(&"message 2".to_string()), "{peer:?}");
        assert_eq!(boots(&log, A), if supervised { vec![Nanos::ZERO, ms(1_010)] } else { vec![Nanos::ZERO] });
        assert_eq!(boots(&log, B), [Nanos::ZERO], "a killed process is nobody's to start");
    }
}

#[test]
fn messages_to_a_dead_life_are_thrown_away_with_what_they_carry() {
    let left_at = |time_max: Nanos| {
        let log = Log::default();
        let sends = actor(&log, |cx, input| {
            if let Input::Connected { conn } = input {
                (0..100).for_each(|n| cx.send(*conn, frame(n)));
            }
            if let Input::Boot = input {
                cx.connect(A);
            }
        });
        let chart = Chart { limits: Limits { time_max, ..Limits::default() }, ..Chart::default() };
        chart.run(
            |world, core, sea| {
                world.add_node(core, "dies", sea.hosts[0], listener(&log));
                world.add_node(core, "sends", sea.hosts[1], sends);
                world.plan(core, us(250), Action::Kill(A));
                world.plan(core, us(260), Action::Restart(A));
            },
            |world, _, _, _| {
                assert_eq!(log.texts(A, 2), if time_max < us(260) { vec![] } else { vec!["boot"] });
                world.payloads()
            },
        )
    };
    assert_eq!(left_at(us(249)), 100);
    assert_eq!(left_at(Nanos::secs(2_000)), 0);
}

#[test]
fn a_life_boots_before_anything_else_reaches_it() {
    let (mut accepted, mut refused) = (0, 0);
    for seed in 0..60 {
        let log = Log::default();
        let life = Chart::seeded(seed).run(
            |world, core, sea| {
                world.add_node(core, "restarts", sea.hosts[0], listener(&log));
                world.add_node(core, "connects", sea.hosts[1], sends_once_at(&log, ms(1)));
                world.plan(core, us(50), Action::Kill(A));
                // The very instant at which the other's request for a connection gets there.
                world.plan(core, us(100), Action::Restart(A));
            },
            |_, _, _, _| log.texts(A, 2),
        );
        assert_eq!(life[0], "boot", "seed {seed}: {life:?}");
        accepted += u32::from(life.contains(&"message 77".to_string()));
        refused += log.times(B, 1, "reset Refused").len();
    }
    assert!(accepted > 0 && refused > 0, "both orders happen: {accepted}, {refused}");
}

#[test]
fn a_power_loss_takes_what_the_kernel_still_had_of_dead_processes_and_silences_the_host() {
    let peer_sees = |dark: bool| {
        let log = Log::default();
        let nic = NicSpec { bandwidth_bytes_per_sec: 10_000_000, single_flow_bytes_per_sec: 0 };
        let sends = actor(&log, |cx, input| {
            if let Input::Boot = input {
                let conn = cx.connect(B);
                let body = Some(Box::new(Blob::named(1, 1_000_000)));
                let frame = wavetank_models::message::Frame { value: 5, body, ..Default::default() };
                cx.send(conn, wavetank_models::message::Message::Frame(frame));
            }
        });
        let connects = actor(&log, |cx, input| match input {
            Input::Boot => {
                cx.set_timer(ms(300), 1);
            }
            Input::Timer { .. } => drop(cx.connect(A)),
            _ => (),
        });
        Chart { nic, ..Chart::default() }.run(
            |world, core, sea| {
                world.add_node(core, "dies", sea.hosts[0], sends);
                world.add_node(core, "peer", sea.hosts[1], connects);
                world.plan(core, ms(20), Action::Kill(A));
                if dark {
                    world.plan(core, ms(30), Action::PowerLoss(sea.hosts[0], Survival::Drawn));
                }
            },
            |world, _, _, _| assert_eq!(world.payloads(), 0),
        );
        let seen: Vec<_> = log.texts(B, 1);
        seen.into_iter().filter(|what| what.starts_with("message") || what.starts_with("reset")).collect::<Vec<_>>()
    };
    assert_eq!(peer_sees(false), ["message 5", "reset ResetByPeer", "reset Refused"]);
    assert_eq!(peer_sees(true), ["reset ConnectTimeout"]);
}

/// Ends a while after it was told to; rings each second until then.
fn ends_slowly(log: &Log) -> Factory {
    actor(log, |cx, input| match input {
        Input::Signal(Signal::Terminate) => drop(cx.set_timer(ms(50), 1)),
        Input::Timer { token: 1, .. } => cx.exit("in good order"),
        _ => (),
    })
}

#[test]
fn who_is_told_to_end_stays_down_until_it_is_started_again() {
    let log = Log::default();
    let process = ends_slowly(&log);
    Chart::default().run(
        |world, core, sea| {
            world.add_node(core, "ends", sea.hosts[0], process);
            world.supervise(A, ms(10));
            world.plan(core, ms(100), Action::Signal(A, Signal::Order(7)));
            world.plan(core, ms(200), Action::Signal(A, Signal::Terminate));
            world.plan(core, ms(900), Action::Restart(A));
            // Nothing happens to the dead.
            world.plan(core, ms(500), Action::Signal(A, Signal::Terminate));
        },
        |_, _, _, _| (),
    );
    let told = ["boot", "signal Order(7)", "signal Terminate", "timer 1", "dropped"];
    assert_eq!(log.texts(A, 1), told);
    assert_eq!(log.times(A, 2, "boot"), [ms(900)], "its supervisor leaves it alone");
}

#[test]
fn who_is_started_again_while_it_ends_starts_when_it_has() {
    let log = Log::default();
    let process = ends_slowly(&log);
    Chart::default().run(
        |world, core, sea| {
            world.add_node(core, "ends", sea.hosts[0], process);
            world.plan(core, ms(200), Action::Signal(A, Signal::Terminate));
            world.plan(core, ms(210), Action::Restart(A));
        },
        |_, _, _, _| (),
    );
    assert_eq!(log.times(A, 2, "boot"), [ms(250)]);
}
