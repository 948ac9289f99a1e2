//! Controllers in a world: three of them in three zones, with volumes, under a storm; clients that write and read back.

mod common;

use common::*;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use wavetank_models::cloud::network::{HostId, NetworkFault, PartitionDirection, Scope};
use wavetank_models::cloud::object_store::ObjectOp;
use wavetank_models::cloud::volume::{Survival, Volume, VolumeFault, VolumeFormat, VolumeSpec};
use wavetank_models::fault::Fault;
use wavetank_models::kafka::controller::{Controller, ControllerMutant, ControllerOptions, ControllerSpec};
use wavetank_models::kafka::ids::{
    BrokerEpoch, BrokerId, ControllerEpoch, ControllerId, MetadataOffset, ObjectId, StreamEpoch, StreamId, TopicId,
    TopicIdPartition,
};
use wavetank_models::kafka::metadata::StreamRange;
use wavetank_models::kafka::protocol::controller::{
    CloseStream, CommitStreamSetObject, ControllerAnswer, ControllerRequest, ControllerResponse, NewObject,
    StorageRequest, TrimStream,
};
use wavetank_models::kafka::protocol::{ErrorCode, Request, Response};
use wavetank_models::kafka::rpc::{Reply, Rpc};
use wavetank_models::kafka::token::TokenSpace;
use wavetank_models::probe::{BrokenPromise, FirstTold, Probe, ProbeSink};
use wavetank_models::world::{Action, Behaviour, Cx, Event, Input, Process, VolumeId, World};
use wavetank_sim::{Choices, Core, Domain, EndReason, Incarnation, Limits, Nanos, NodeId, Outcome, SortedMap};

const STORM_ENDS: Nanos = Nanos::secs(30);
const VERIFY_AT: Nanos = Nanos::secs(50);
const CONTROLLERS: [NodeId; 3] = [NodeId(0), NodeId(1), NodeId(2)];

// ---- what is watched ----

#[derive(Default)]
struct Seen {
    first_told: FirstTold,
    leaders: BTreeMap<ControllerEpoch, ControllerId>,
    elected_at: Vec<Nanos>,
    committed: BTreeMap<MetadataOffset, u64>,
    fenced: Vec<(BrokerId, Nanos)>,
    /// What is told of streams and objects.
    facts: Vec<Probe>,
    deleted_at: Vec<Nanos>,
}

#[derive(Clone, Default)]
struct Watch(Arc<Mutex<Seen>>);

impl ProbeSink for Watch {
    fn probe(&mut self, now: Nanos, by: Incarnation, probe: &Probe) -> Result<(), BrokenPromise> {
        let mut seen = self.0.lock().unwrap();
        if !seen.first_told.is_news(by, probe) {
            return Ok(());
        }
        match probe {
            &Probe::ControllerElected { controller, epoch } => {
                seen.elected_at.push(now);
                if let Some(other) = seen.leaders.insert(epoch, controller) {
                    let why = format!("{other} and {controller} were both elected in epoch {epoch}");
                    return Err(BrokenPromise { invariant: "OneLeaderAnEpoch", why, about: Vec::new() });
                }
            }
            &Probe::MetadataCommitted { offset, fingerprint } => {
                let known = *seen.committed.entry(offset).or_insert(fingerprint);
                if known != fingerprint {
                    let why = format!("two entries are committed at {offset}");
                    return Err(BrokenPromise { invariant: "MetadataLogMatching", why, about: Vec::new() });
                }
            }
            &Probe::BrokerFenced { broker, .. } => seen.fenced.push((broker, now)),
            Probe::ObjectDeleted { .. } => {
                seen.deleted_at.push(now);
                seen.facts.push(probe.clone());
            }
            fact => seen.facts.push(fact.clone()),
        }
        Ok(())
    }
}

// ---- who asks ----

/// One request at a time, to whichever controller answers.
struct Line {
    rpc: Rpc,
    at: usize,
    request: Option<ControllerRequest>,
}

const RETRY: u64 = 1;
const NEXT: u64 = 2;

impl Line {
    fn new() -> Line {
        Line { rpc: Rpc::new(TokenSpace(1)), at: 0, request: None }
    }

    fn ask(&mut self, cx: &mut Cx<'_>, request: ControllerRequest) {
        self.request = Some(request.clone());
        if !self.rpc.is_ready(cx, CONTROLLERS[self.at]) {
            self.at = (self.at + 1) % 3;
            cx.set_timer(ms(50), RETRY);
            return;
        }
        self.rpc.call(cx, CONTROLLERS[self.at], Request::Controller(request), Nanos::secs(2));
    }

    /// The answer, and the timers that are not the line's.
    fn input(&mut self, cx: &mut Cx<'_>, input: Input) -> (Option<Result<ControllerAnswer, ErrorCode>>, bool) {
        let mut is_next = false;
        match self.rpc.input(cx, input) {
            Some(Input::Timer { token: RETRY, .. }) => {
                let request = self.request.clone().expect("something was asked");
                self.ask(cx, request);
            }
            Some(Input::Timer { token: NEXT, .. } | Input::Boot) => is_next = true,
            _ => {}
        }
        let mut answer = None;
        while let Some((_, reply)) = self.rpc.poll() {
            match reply {
                Reply::Answer(Response::Controller(ControllerResponse {
                    result: Err(ErrorCode::NotController),
                    leader,
                })) => {
                    self.at = leader.map_or((self.at + 1) % 3, |leader| leader.0 as usize);
                    cx.set_timer(ms(50), RETRY);
                }
                Reply::Answer(Response::Controller(response)) => answer = Some(response.result),
                Reply::Answer(other) => panic!("{}", other.name()),
                Reply::Lost(_) => {
                    self.at = (self.at + 1) % 3;
                    cx.set_timer(ms(50), RETRY);
                }
            }
        }
        (answer, is_next)
    }
}

/// Writes keys until it is time to verify, then reads back all that were acknowledged.
struct Writer {
    line: Line,
    number: u64,
    acked: Vec<u64>,
    verified: Option<usize>,
}

fn key(number: u64) -> Arc<str> {
    format!("key/{number}").into()
}

fn storage(request: StorageRequest) -> ControllerRequest {
    ControllerRequest::Storage { broker: BrokerId(7), epoch: BrokerEpoch(1), failover: false, request }
}

impl Writer {
    fn next(&mut self, cx: &mut Cx<'_>) {
        if self.verified.is_none() && cx.monotonic() >= VERIFY_AT {
            if self.acked.len() < 100 {
                cx.fail(format!("only {} writes went through", self.acked.len()));
            }
            self.verified = Some(0);
        }
        let request = match self.verified {
            None => {
                self.number += 1;
                let value = Arc::from(self.number.to_le_bytes());
                StorageRequest::KvPut { key: key(self.number), value, if_absent: true }
            }
            Some(at) => match self.acked.get(at) {
                Some(number) => StorageRequest::KvGet { key: key(*number) },
                None => return cx.stop("verified"),
            },
        };
        self.line.ask(cx, storage(request));
    }
}

impl Process for Writer {
    fn step(&mut self, cx: &mut Cx<'_>, input: Input) {
        let (answer, is_next) = self.line.input(cx, input);
        if is_next {
            return self.next(cx);
        }
        match (answer, &mut self.verified) {
            (None, _) => {}
            (Some(Ok(ControllerAnswer::Kv(Some(_)))), None) => {
                self.acked.push(self.number);
                cx.set_timer(ms(20), NEXT);
            }
            (Some(Ok(ControllerAnswer::Kv(value))), Some(at)) => {
                let number = self.acked[*at];
                if value.as_deref() != Some(&number.to_le_bytes()[..]) {
                    cx.fail(format!("acknowledged key {number} reads {value:?}"));
                }
                *at += 1;
                self.next(cx);
            }
            (Some(other), _) => cx.fail(format!("{other:?} is no answer")),
        }
    }
}

/// Registers, and says every two seconds that it is there.
struct FakeBroker {
    line: Line,
    broker: BrokerId,
    epoch: BrokerEpoch,
    is_registered: bool,
}

impl Process for FakeBroker {
    fn step(&mut self, cx: &mut Cx<'_>, input: Input) {
        let (answer, is_next) = self.line.input(cx, input);
        let (broker, epoch) = (self.broker, self.epoch);
        if is_next {
            let request = if self.is_registered {
                let (current, want_fence, want_shut_down) = (MetadataOffset(u64::MAX), false, false);
                ControllerRequest::BrokerHeartbeat { broker, epoch, current, want_fence, want_shut_down }
            } else {
                let incarnation = u64::from(cx.me().epoch.0);
                ControllerRequest::RegisterBroker { broker, incarnation, epoch, rack: 0 }
            };
            return self.line.ask(cx, request);
        }
        match answer {
            None => {}
            Some(Ok(_)) => {
                self.is_registered = true;
                cx.set_timer(Nanos::secs(2), NEXT);
            }
            Some(Err(error)) => cx.fail(error.to_string()),
        }
    }
}

/// Asks one thing after the other, whatever the answers.
struct Script {
    line: Line,
    requests: std::vec::IntoIter<StorageRequest>,
}

impl Process for Script {
    fn step(&mut self, cx: &mut Cx<'_>, input: Input) {
        let (answer, is_next) = self.line.input(cx, input);
        if (is_next || answer.is_some())
            && let Some(request) = self.requests.next()
        {
            self.line.ask(cx, storage(request));
        }
    }
}

// ---- the world ----

fn add_controllers(
    world: &mut World,
    core: &mut Core<Event>,
    sea: &Sea,
    mutant: Option<ControllerMutant>,
) -> Vec<VolumeId> {
    let choices = *core.choices();
    let peers: SortedMap<ControllerId, NodeId> = (0..3).map(|i| (ControllerId(i), CONTROLLERS[i as usize])).collect();
    let mut volumes = Vec::new();
    for (i, controller) in CONTROLLERS.into_iter().enumerate() {
        let host = sea.hosts[i + 1];
        let mut volume =
            Volume::new(VolumeSpec::gp3(sea.azs[i], VolumeFormat::FileSystem, 1 << 30), &choices, 10 + i as u64);
        volume.attach_at_start(host, sea.azs[i]).expect("fresh, and in the host's zone");
        let volume = world.add_volume(volume);
        volumes.push(volume);
        let spec = ControllerSpec {
            id: ControllerId(i as u32),
            peers: peers.clone(),
            volume,
            store: sea.store,
            bucket: sea.bucket,
            namespace: "test".into(),
            options: ControllerOptions { snapshot_every: 150, snapshot_keep: 20, ..ControllerOptions::default() },
            mutant,
        };
        let make = move |_| Behaviour::Machine(Box::new(Controller::new(spec.clone())));
        let node = world.add_node(core, "controller", host, Box::new(make));
        assert_eq!(node, controller);
        world.supervise(node, Nanos::secs(1));
    }
    volumes
}

fn put_storm_on_plan(world: &mut World, core: &mut Core<Event>, seed: u64, sea: &Sea, volumes: &[VolumeId]) {
    let mut stream = Choices::new(seed).stream(Domain::new("test/controllers"), 0);
    let pace = stream.nanos(Nanos::millis(400)..Nanos::secs(4));
    let weights: Vec<u32> = (0..6).map(|_| u32::from(stream.ratio(2, 3))).chain([1]).collect();
    let mut at = Nanos::millis(100);
    while at < STORM_ENDS {
        let ends = (at + stream.nanos(Nanos::millis(10)..Nanos::secs(6))).min(STORM_ENDS);
        let i = stream.index(3);
        let (node, host) = (CONTROLLERS[i], sea.hosts[i + 1]);
        let other: HostId = sea.hosts[stream.index(3) + 1];
        let way = if other == host { Scope::All } else { Scope::Host(other) };
        let partition = |from, to, direction| Fault::Network(NetworkFault::Partition { from, to, direction });
        match stream.weighted(&weights) {
            0 => {
                world.plan(core, at, Action::Kill(node));
                world.plan(core, ends, Action::Restart(node));
            }
            1 => {
                world.plan(core, at, Action::PowerLoss(host, Survival::Drawn));
                world.plan(core, ends, Action::Restart(node));
            }
            2 => {
                world.plan(core, at, Action::Pause(node));
                world.plan(core, ends, Action::Resume(node));
            }
            3 => drop(fault_between(
                world,
                core,
                partition(Scope::Host(host), way, PartitionDirection::TwoWay),
                at,
                ends,
            )),
            4 => {
                let (from, to) = if stream.ratio(1, 2) { (Scope::Host(host), way) } else { (way, Scope::Host(host)) };
                fault_between(world, core, partition(from, to, PartitionDirection::OneWay), at, ends);
            }
            5 => drop(fault_between(world, core, Fault::Volume(volumes[i], VolumeFault::Stall), at, ends)),
            _ => {
                let fault = VolumeFault::IoErrors { reads: false, writes: true };
                let ends = ends.min(at + Nanos::secs(1));
                fault_between(world, core, Fault::Volume(volumes[i], fault), at, ends);
            }
        }
        at += stream.exponential(pace);
    }
    for node in CONTROLLERS {
        world.plan(core, STORM_ENDS, Action::Resume(node));
        world.plan(core, STORM_ENDS + Nanos::secs(2), Action::Restart(node));
    }
}

struct Ended {
    outcome: Outcome<Event>,
    broken: Vec<String>,
    watch: Watch,
}

fn storm(seed: u64, mutant: Option<ControllerMutant>) -> Ended {
    let watch = Watch::default();
    let limits = Limits { events_max: 3_000_000, time_max: Nanos::secs(80), ..Limits::default() };
    let sink = Box::new(watch.clone());
    Chart { limits, ..Chart::seeded(seed) }.run(
        |world, core, sea| {
            let volumes = add_controllers(world, core, sea, mutant);
            let writer = |_| {
                let (line, acked) = (Line::new(), Vec::new());
                Behaviour::Machine(Box::new(Writer { line, number: 0, acked, verified: None }))
            };
            world.add_node(core, "writer", sea.hosts[0], Box::new(writer));
            world.set_probes(sink);
            put_storm_on_plan(world, core, seed, sea, &volumes);
        },
        move |world, _, outcome, _| {
            let broken = world.failures().iter().map(|failure| failure.why.clone()).collect();
            Ended { outcome, broken, watch }
        },
    )
}

#[test]
fn what_controllers_acknowledge_survives_and_a_quorum_is_live_after_a_storm() {
    let mut marks = BTreeMap::<&str, u64>::new();
    let (mut epochs, mut entries) = (0, 0);
    for seed in 0..300 {
        let Ended { outcome, broken, watch } = storm(seed, None);
        assert_eq!(broken, Vec::<String>::new(), "seed {seed}");
        assert_eq!(outcome.reason, EndReason::Stopped("verified".into()), "seed {seed}: not live by {:?}", outcome.now);
        for (mark, count) in outcome.marks.iter() {
            *marks.entry(mark).or_default() += count;
        }
        let seen = watch.0.lock().unwrap();
        epochs += seen.leaders.len();
        entries += seen.committed.len();
    }
    println!("{epochs} epochs, {entries} entries, {marks:#?}");
    for mark in [
        "controller: election with split vote",
        "controller: a leader resigned without quorum",
        "controller: a follower cut what parted from its leader's log",
        "controller: halted on a storage error",
        "controller: recovery cut off an unsynced tail of the metadata log",
        "controller: a voter was so far behind that it got a snapshot",
    ] {
        assert!(marks.get(mark).is_some_and(|count| *count > 0), "no storm reached {mark:?}");
    }
}

#[test]
fn a_quorum_that_acknowledges_the_unflushed_loses_what_it_acknowledged() {
    let mutant = Some(ControllerMutant::AckUnflushed);
    let found = (0..300).find_map(|seed| storm(seed, mutant).broken.pop());
    println!("{found:?}");
    assert!(found.is_some(), "not found");
}

#[test]
fn one_seed_is_one_run() {
    let run = |seed| storm(seed, None).outcome.digest;
    assert_eq!(run(3), run(3));
    assert_ne!(run(3), run(4));
}

#[test]
fn a_controller_is_elected_and_takes_over_in_the_configured_time_and_silent_brokers_are_fenced() {
    let watch = Watch::default();
    let sink = Box::new(watch.clone());
    let limits = Limits { events_max: 3_000_000, time_max: Nanos::secs(60), ..Limits::default() };
    Chart { limits, ..Chart::seeded(1) }.run(
        |world, core, sea| {
            add_controllers(world, core, sea, None);
            for i in 0..2 {
                let broker = move |_| {
                    let (line, broker) = (Line::new(), BrokerId(i));
                    let epoch = BrokerEpoch(1);
                    Behaviour::Machine(Box::new(FakeBroker { line, broker, epoch, is_registered: false }))
                };
                world.add_node(core, "broker", sea.hosts[0], Box::new(broker));
            }
            world.set_probes(sink);
            world.plan(core, Nanos::secs(20), Action::Kill(NodeId(3)));
        },
        |world, _, outcome, _| {
            assert_eq!((outcome.reason, world.failures().len()), (EndReason::TimeCap, 0));
        },
    );
    let seen = watch.0.lock().unwrap();
    assert!(seen.leaders.len() == 1 && seen.elected_at[0] < Nanos::secs(3), "{:?}", seen.elected_at);
    // Its last heartbeat was at 18 to 20 s; a session is 9 s, a check every 1.125 s.
    let [(broker, at)] = seen.fenced[..] else { panic!("{:?}", seen.fenced) };
    assert_eq!(broker, BrokerId(0));
    assert!(at > Nanos::secs(27) && at < Nanos::millis(30_200), "fenced at {at:?}");
}

#[test]
fn facts_are_told_once_and_in_order_and_dropped_objects_are_deleted_from_the_store() {
    let watch = Watch::default();
    let sink = Box::new(watch.clone());
    let (stream, tp, epoch) = (StreamId(0), TopicIdPartition { topic: TopicId(4), partition: 1 }, StreamEpoch(2));
    let range = StreamRange { stream, start: 0, end: 5 };
    let (object, ranges) = (Some(NewObject { id: ObjectId(0), size: 3 }), vec![range]);
    let commit = Arc::new(CommitStreamSetObject { object, ranges, stream_objects: vec![], compacted: vec![] });
    let requests = vec![
        StorageRequest::CreateStreams { count: 1, tag: tp },
        StorageRequest::OpenStreams(vec![(stream, epoch)]),
        StorageRequest::PrepareObjects { count: 2, ttl: Nanos::secs(3) },
        StorageRequest::CommitStreamSetObject(commit.clone()),
        StorageRequest::CommitStreamSetObject(commit),
        StorageRequest::TrimStreams(vec![TrimStream { stream, epoch, start_offset: 4 }]),
        StorageRequest::CloseStreams(vec![CloseStream { stream, epoch, end_offset: None }]),
    ];
    // What the second object's writer had put before it gave up.
    let litter = "10000000/test/1";
    let log = Log::default();
    let limits = Limits { events_max: 3_000_000, time_max: Nanos::secs(80), ..Limits::default() };
    Chart { limits, ..Chart::seeded(1) }.run(
        |world, core, sea| {
            add_controllers(world, core, sea, None);
            let script = move |_| {
                let (line, requests) = (Line::new(), requests.clone().into_iter());
                Behaviour::Machine(Box::new(Script { line, requests }))
            };
            world.add_node(core, "script", sea.hosts[0], Box::new(script));
            let (store, bucket) = (sea.store, sea.bucket);
            let writer = actor(&log, move |cx, input| match input {
                Input::Boot => {
                    cx.object(store, bucket, 1, put(litter, 10));
                    cx.set_timer(Nanos::secs(60), 2);
                    cx.set_timer(Nanos::secs(75), 3);
                }
                Input::Timer { token, .. } => cx.object(store, bucket, *token, ObjectOp::Head { key: litter.into() }),
                _ => {}
            });
            world.add_node(core, "writer", sea.hosts[0], writer);
            world.set_probes(sink);
        },
        |world, _, outcome, _| {
            assert_eq!((outcome.reason, world.failures().len()), (EndReason::TimeCap, 0));
            assert_eq!(outcome.marks.count("controller: a commit was retried after it was applied"), 1);
        },
    );
    let (broker, object) = (BrokerId(7), ObjectId(0));
    let (life, failover) = (BrokerEpoch(1), false);
    let claimed = Probe::StreamsClaimed { broker, epoch: life, failover };
    let answered = Probe::CommitAnswered { broker, epoch: life, failover, at: MetadataOffset(4) };
    let seen = watch.0.lock().unwrap();
    assert_eq!(
        seen.facts,
        [
            claimed,
            Probe::StreamOpened { stream, tp, epoch, broker, end_offset: 0 },
            Probe::StreamCommitted { range, object, broker },
            // The commit, and the same once more.
            answered.clone(),
            answered,
            Probe::StreamTrimmed { stream, start_offset: 4 },
            Probe::StreamClosed { stream, epoch, end_offset: 5 },
            Probe::ObjectDropped { object: ObjectId(1) },
            Probe::ObjectDeleted { object: ObjectId(1) },
        ]
    );
    // Prepared after about 2 s for 3 s, dropped within 1 s, deleted 60 s later, within 1 s.
    assert!(seen.deleted_at[0] > Nanos::secs(63) && seen.deleted_at[0] < Nanos::secs(69), "{:?}", seen.deleted_at);
    let heads = log.lines().into_iter().map(|line| line.what).filter(|what| what.starts_with("object"));
    let heads: Vec<String> = heads.collect();
    assert_eq!(heads[..2], ["object 1 ok", "object 2 ok"]);
    assert!(heads[2].starts_with("object 3 failed: 404"), "{heads:?}");
}
