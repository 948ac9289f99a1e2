//! A world of machines and guests in random storms: nothing leaks, everything repeats.

use crate::common::*;
use std::collections::BTreeSet;
use wavetank_models::anomaly::{Anomalies, AnomalyRates};
use wavetank_models::cloud::express::ExpressFault;
use wavetank_models::cloud::host::{HostFault, HostSpec};
use wavetank_models::cloud::network::{ConnId, NetworkFault, NicSpec, PartitionDirection, Scope};
use wavetank_models::cloud::nfs::{NfsFault, NfsOp, NfsRates};
use wavetank_models::cloud::object_store::{ObjectOp, ObjectRates, ObjectStoreFault};
use wavetank_models::cloud::volume::{FileId, Survival, VolumeAnswer, VolumeFault, VolumeOp, VolumeRates};
use wavetank_models::fault::Fault;
use wavetank_models::message::{Frame, Message};
use wavetank_models::world::{Action, Cx, Event, Factory, Guest, Input, TimerId, World};
use wavetank_sim::{Core, Digest, Domain, EndReason, Marks, Nanos, NodeId, Stream, on_fresh_thread};

const NODES: u32 = 6;
/// The storm, and with it all activity that nobody asked for, ends here.
const CALM: Nanos = Nanos::secs(12);

/// Does a bit of everything, at random, until the calm.
#[derive(Clone, Default)]
struct Busy {
    conns: Vec<ConnId>,
    timer: Option<TimerId>,
    file: Option<FileId>,
}

impl Busy {
    fn wish(&mut self, cx: &mut Cx<'_>, sea: &Sea) {
        let bytes = cx.random().range(0..200_000);
        let key = format!("k{}", cx.random().range(0..20));
        match cx.random().range(0..14) {
            0 | 1 => {
                let to = NodeId(cx.random().range(0..u64::from(NODES)) as u32);
                self.conns.push(cx.connect(to));
            }
            2..5 if !self.conns.is_empty() => {
                let conn = *cx.random().clone().pick(&self.conns);
                let body = Some(Box::new(wavetank_models::blob::Blob::named(1, bytes)));
                let frame = Frame { kind: 1, correlation: 0, value: bytes, body };
                (0..3).for_each(|_| cx.send(conn, Message::Frame(frame.clone())));
            }
            5 if self.conns.len() > 3 => {
                let conn = self.conns.remove(0);
                cx.close(conn);
            }
            6 => cx.object(sea.store, sea.bucket, bytes, put(&key, bytes)),
            7 => cx.object(sea.store, sea.bucket, bytes, ObjectOp::Get { key: key.as_str().into(), range: None }),
            8 => cx.express(sea.express, sea.express_bucket, bytes, put(&key, bytes)),
            9 => match self.file {
                Some(file) => {
                    cx.volume(sea.ebs, bytes, write(file, wavetank_models::blob::Blob::named(2, bytes)));
                    cx.volume(sea.ebs, bytes, VolumeOp::Sync { file });
                }
                None => cx.volume(sea.ebs, bytes, create(&key)),
            },
            10 => cx.nfs(sea.share, bytes, NfsOp::ExchangeId),
            11 => cx.work(bytes, Nanos(bytes * 100)),
            12 => {
                if let Some(timer) = self.timer.take() {
                    cx.cancel_timer(timer);
                }
                self.timer = Some(cx.set_timer(Nanos(bytes * 1_000), 1));
            }
            _ if cx.random().ratio(1, 50) => {
                cx.exit("by chance");
                cx.set_timer(ms(1), 2);
                cx.connect(NodeId(0));
            }
            _ => (),
        }
    }
}

fn busy(log: &Log, sea: &Sea) -> Factory {
    let (sea, mut me) = (sea.clone(), Busy::default());
    actor(log, move |cx, input| {
        match input {
            Input::Boot => drop(cx.connect(NodeId(0))),
            Input::Connected { conn } | Input::Accepted { conn, .. } => me.conns.push(*conn),
            Input::Reset { conn, .. } => me.conns.retain(|other| other != conn),
            Input::Message { conn, message: Message::Frame(asked) } if asked.kind == 1 => {
                cx.send(*conn, Message::frame(2, 0, asked.value));
            }
            Input::Volume(done) => {
                if let Ok(VolumeAnswer::Created(file)) = &done.result {
                    me.file = Some(*file);
                }
            }
            _ => (),
        }
        // The node's own clock may be slow: by a tenth at most.
        if cx.monotonic() < CALM && matches!(input, Input::Boot | Input::Timer { token: 7, .. }) {
            me.wish(cx, &sea);
            let pause = cx.random().nanos(Nanos::ZERO..ms(40));
            cx.set_timer(pause, 7);
        }
    })
}

fn busy_guest(log: &Log, sea: &Sea) -> Factory {
    let (sea, log) = (sea.clone(), log.clone());
    Box::new(move |_| {
        let (sea, log) = (sea.clone(), log.clone());
        Guest::behaviour(move |guest| async move {
            let mut conn = None;
            while guest.monotonic() < CALM {
                let Some((what, key)) = guest.act(|cx| (cx.random().range(0..8), cx.random().range(0..9))) else {
                    return;
                };
                match what {
                    0 => drop(guest.object(sea.store, sea.bucket, put(&format!("g{key}"), key * 10_000)).await),
                    1 => drop(guest.express(sea.express, sea.express_bucket, put("g", key)).await),
                    2 => drop(guest.nfs(sea.share, NfsOp::ExchangeId).await),
                    3 => drop(guest.volume(sea.ebs, VolumeOp::SyncDirectory).await),
                    4 => guest.work(us(key * 300)).await,
                    5 => conn = guest.connect(NodeId(key as u32 % NODES)),
                    _ => {
                        if let Some(conn) = conn {
                            guest.send(conn, Message::frame(1, 0, key));
                            let input = guest.recv().await;
                            log.push(guest.monotonic(), guest.me(), describe(&input));
                        }
                        guest.sleep(us(700 * key)).await;
                    }
                }
            }
        })
    })
}

fn random_fault(world: &World, sea: &Sea, draws: &mut Stream) -> Fault {
    let hosts: Vec<_> = sea.hosts.to_vec();
    let (from, to) = (Scope::Host(*draws.pick(&hosts)), Scope::Az(*draws.pick(&sea.azs)));
    let host = *draws.pick(&hosts);
    assert!(world.host_of(NodeId(0)) == sea.hosts[0]);
    match draws.range(0..16) {
        0 => Fault::AzDown(*draws.pick(&sea.azs)),
        1 => Fault::Network(NetworkFault::Partition { from, to, direction: PartitionDirection::TwoWay }),
        2 => cut(from, to),
        3 => cut(from, OBJECTS),
        4 => cut(OBJECTS, from),
        5 => cut(from, BLOCKS),
        6 => cut(BLOCKS, from),
        7 => cut(FILES, from),
        8 => Fault::Network(NetworkFault::Clog { from, to }),
        9 => Fault::Network(NetworkFault::ResetStorm {
            from: Scope::All,
            to: Scope::All,
            every: ms(30),
            ratio_ppm: 200_000,
        }),
        10 | 11 => Fault::Host(host, HostFault::Pause),
        12 => Fault::Volume(sea.ebs, VolumeFault::Stall),
        13 => Fault::Object(sea.store, ObjectStoreFault::Outage { az: None }),
        14 => Fault::Express(sea.express, ExpressFault::Unreachable { from_az: 1 }),
        _ => Fault::Nfs(sea.share, NfsFault::Failover { duration: ms(300) }),
    }
}

fn random_action(sea: &Sea, draws: &mut Stream) -> Action {
    let node = NodeId(draws.range(0..u64::from(NODES)) as u32);
    let host = *draws.pick(&sea.hosts);
    match draws.range(0..14) {
        0..3 => Action::Kill(node),
        3..6 => Action::Restart(node),
        6 | 7 => Action::Pause(node),
        8 | 9 => Action::Resume(node),
        10 => Action::PowerLoss(host, Survival::Drawn),
        11 if host != sea.hosts[0] => Action::InstanceLost(host, Survival::Drawn),
        12 => Action::DriftClock(node, draws.range(0..200_000_000) as i64 - 100_000_000),
        _ => Action::JumpClock(node, draws.range(0..2_000_000_000) as i64 - 1_000_000_000),
    }
}

/// On whole milliseconds, so that many things happen at one instant.
fn put_storm_on_plan(world: &mut World, core: &mut Core<Event>, sea: &Sea) {
    let mut draws = core.choices().stream(Domain::new("test/storm"), 0);
    let storm_ends = CALM - Nanos::secs(3);
    let instant = |draws: &mut Stream| ms(draws.range(1..storm_ends.0 / 1_000_000));
    for _ in 0..60 {
        let at = instant(&mut draws);
        let action = random_action(sea, &mut draws);
        world.plan(core, at, action);
    }
    for _ in 0..14 {
        let (a, b) = (instant(&mut draws), instant(&mut draws));
        let fault = random_fault(world, sea, &mut draws);
        fault_between(world, core, fault, a.min(b), a.max(b) + ms(1));
    }
    // Then all is well again.
    for node in (0..NODES).map(NodeId) {
        world.plan(core, storm_ends + ms(1), Action::DriftClock(node, 0));
        world.plan(core, storm_ends + ms(1), Action::Resume(node));
        world.plan(core, storm_ends + ms(2), Action::Restart(node));
    }
}

fn anomalies() -> AnomalyRates {
    let object = ObjectRates {
        slow_down_ppm: 30_000,
        timed_out_ppm: 30_000,
        reset_ppm: 30_000,
        answered_late_ppm: 30_000,
        applied_ppm: 500_000,
        duplicate_ppm: 50_000,
        ..ObjectRates::default()
    };
    AnomalyRates {
        volume: VolumeRates { io_error_ppm: 20_000, io_error_applied_ppm: 20_000, late_ppm: 50_000, late_max: ms(500) },
        express: object.clone(),
        object,
        nfs: NfsRates { request_lost_ppm: 20_000, reply_lost_ppm: 20_000, delay_ppm: 20_000, io_error_ppm: 20_000 },
    }
}

struct Passed {
    digest: Digest,
    discarded: u64,
    events: u64,
    marks: Marks,
}

fn storm(seed: u64) -> Passed {
    let log = Log::default();
    let nic = NicSpec { bandwidth_bytes_per_sec: 20_000_000, single_flow_bytes_per_sec: 0 };
    Chart { host: HostSpec::kafka(2), nic, ..Chart::seeded(seed) }.run(
        |world, core, sea| {
            for n in 0..NODES as usize {
                let (host, name) = (sea.hosts[n % sea.hosts.len()], format!("node-{n}"));
                let factory = if n % 3 == 2 { busy_guest(&log, sea) } else { busy(&log, sea) };
                let node = world.add_node(core, &name, host, factory);
                world.supervise(node, ms(200));
            }
            world.set_anomalies(Anomalies::explore(anomalies(), core.choices()));
            put_storm_on_plan(world, core, sea);
        },
        |world, _, outcome, _| {
            assert_eq!(outcome.reason, EndReason::Idle, "seed {seed}");
            assert_eq!(
                world.payloads(),
                0,
                "seed {seed}: something is left of {} connections",
                world.network().connection_count()
            );
            // Nobody heard anything in a life that had not booted.
            for node in (0..NODES).map(NodeId).filter(|node| node.0 % 3 != 2) {
                let mut booted = BTreeSet::new();
                for line in log.of(node) {
                    assert!(line.what == "dropped" || line.what != "boot" || booted.insert(line.life), "booted twice");
                    assert!(
                        line.what == "dropped" || booted.contains(&line.life),
                        "seed {seed}: {line:?} before its boot"
                    );
                }
                let last = log.of(node).into_iter().map(|line| line.at).max().expect("it booted");
                assert!(
                    last > CALM - ms(500),
                    "seed {seed}: {node} goes on when all is well again, not only to {last:?}"
                );
            }
            Passed {
                digest: outcome.digest,
                discarded: outcome.discarded,
                events: outcome.events,
                marks: outcome.marks,
            }
        },
    )
}

#[test]
fn nothing_is_left_when_a_storm_is_over_and_every_storm_repeats() {
    let mut digests = BTreeSet::new();
    let (mut discarded, mut events) = (0, 0);
    for seed in 0..50 {
        let passed = on_fresh_thread(|| storm(seed)).unwrap_or_else(|panic| panic!("seed {seed}: {}", panic.message));
        let again = on_fresh_thread(|| storm(seed)).unwrap_or_else(|panic| panic!("seed {seed}: {}", panic.message));
        assert_eq!(passed.digest, again.digest, "seed {seed}");
        assert_eq!(passed.marks, again.marks);
        assert!(digests.insert(passed.digest), "seed {seed} is another's twin");
        discarded += passed.discarded;
        events += passed.events;
    }
    assert!(discarded > 1_000 && events > 100_000, "the storms were real: {discarded} of {events}");
}
