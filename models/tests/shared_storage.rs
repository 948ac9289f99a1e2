//! Shared storage in a world: three controllers, two brokers with an S3 WAL, a producer, and a consumer that reads everything
//! from the beginning again and again, while objects are uploaded, compacted and trimmed and brokers die.

mod common;

use common::*;
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use std::alloc::System;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};
use wavetank_models::client::consumer::StartAt;
use wavetank_models::client::load::{LoadSpec, Partitioner, RateSchedule};
use wavetank_models::client::{
    ConsumerProcess, ConsumerSettings, ConsumerSpec, Directory, ProducerProcess, ProducerSettings, ProducerSpec,
    Subscription,
};
use wavetank_models::cloud::volume::{Volume, VolumeFormat, VolumeSpec};
use wavetank_models::invariants::Invariants;
use wavetank_models::kafka::broker::coordinator::OFFSETS_TOPIC;
use wavetank_models::kafka::broker::link::LinkOptions;
use wavetank_models::kafka::broker::retention::RetentionOptions;
use wavetank_models::kafka::broker::segments::LogConfig;
use wavetank_models::kafka::broker::{Broker, BrokerSpec, STORAGE_SPACE};
use wavetank_models::kafka::controller::{Controller, ControllerOptions, ControllerSpec};
use wavetank_models::kafka::ids::{BrokerId, ControllerId, GroupId, ObjectId, TopicId, TopicIdPartition};
use wavetank_models::kafka::object_client::ObjectPlace;
use wavetank_models::kafka::protocol::controller::{ControllerAnswer, ControllerRequest};
use wavetank_models::kafka::protocol::{ErrorCode, Request, Response};
use wavetank_models::kafka::rpc::{Reply, Rpc};
use wavetank_models::kafka::shared_storage::objects::Bucket;
use wavetank_models::kafka::shared_storage::stream_logs::{StreamLogs, StreamLogsSpec, WalSource};
use wavetank_models::kafka::shared_storage::{CompactionOptions, StorageMutant, StorageOptions};
use wavetank_models::kafka::token::TokenSpace;
use wavetank_models::kafka::wal::object::ObjectWalOptions;
use wavetank_models::kafka::wal::{self, WalSpec};
use wavetank_models::probe::{BrokenPromise, Probe, ProbeSink};
use wavetank_models::world::{Action, Behaviour, Cx, Event, Input, Process, World};
use wavetank_sim::{Choices, Core, Domain, EndReason, Incarnation, Limits, Nanos, NodeId};

#[global_allocator]
static HEAP: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// One test at a time: they share the heap's numbers.
static TURN: Mutex<()> = Mutex::new(());

fn turn() -> MutexGuard<'static, ()> {
    TURN.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

const CONTROLLERS: [NodeId; 3] = [NodeId(0), NodeId(1), NodeId(2)];
const FIRST_BROKER: u32 = 3;
const TOPIC: TopicId = TopicId(1);
const PARTITIONS: u32 = 4;

// ---- what is watched ----

#[derive(Default)]
struct Seen {
    invariants: Invariants,
    acked: BTreeMap<TopicIdPartition, u64>,
    /// By life of the consumer: how far it has read without a hole.
    consumed: BTreeMap<(u32, TopicIdPartition), u64>,
    committed: BTreeSet<ObjectId>,
    live: BTreeSet<ObjectId>,
    trims: u64,
    heap: Vec<(Nanos, usize, usize)>,
}

#[derive(Clone, Default)]
struct Watch(Arc<Mutex<Seen>>);

impl ProbeSink for Watch {
    fn probe(&mut self, _: Nanos, by: Incarnation, probe: &Probe) -> Result<(), BrokenPromise> {
        let mut seen = self.0.lock().unwrap();
        match *probe {
            Probe::Acked { span, .. } => {
                let end = seen.acked.entry(span.tp).or_default();
                *end = span.next.max(*end);
            }
            Probe::Consumed { span, .. } => {
                let next = seen.consumed.entry((by.epoch.0, span.tp)).or_default();
                if span.base != *next {
                    let why = format!("{}: a reader at {next} got {}..{}", span.tp, span.base, span.next);
                    return Err(BrokenPromise { invariant: "readable-without-a-hole", why, about: Vec::new() });
                }
                *next = span.next;
            }
            Probe::StreamCommitted { object, .. } if seen.committed.insert(object) => drop(seen.live.insert(object)),
            Probe::ObjectDeleted { object } => drop(seen.live.remove(&object)),
            Probe::StreamTrimmed { .. } => seen.trims += 1,
            _ => {}
        }
        seen.invariants.heed(probe)
    }
}

// ---- who sets up ----

/// Creates the topics.
struct Admin {
    rpc: Rpc,
    at: usize,
    topics: Vec<(&'static str, u32)>,
}

impl Admin {
    fn ask(&mut self, cx: &mut Cx<'_>) {
        let Some((name, partitions)) = self.topics.first().copied() else { return };
        let request = ControllerRequest::CreateTopic { name: name.into(), partitions };
        self.rpc.call(cx, CONTROLLERS[self.at], Request::Controller(request), Nanos::secs(5));
    }
}

impl Process for Admin {
    fn step(&mut self, cx: &mut Cx<'_>, input: Input) {
        match input {
            Input::Boot => drop(TokenSpace(2).set_timer(cx, Nanos::secs(3), 0)),
            Input::Timer { token, .. } if TokenSpace::split(token).0 == TokenSpace(2) => self.ask(cx),
            other => drop(self.rpc.input(cx, other)),
        }
        while let Some((_, reply)) = self.rpc.poll() {
            match reply {
                Reply::Answer(Response::Controller(response))
                    if matches!(response.result, Ok(ControllerAnswer::Topic(_))) =>
                {
                    self.topics.remove(0);
                }
                Reply::Answer(Response::Controller(response)) if response.result == Err(ErrorCode::NotController) => {
                    self.at = response.leader.map_or((self.at + 1) % 3, |leader| leader.0 as usize);
                }
                Reply::Answer(_) => {}
                Reply::Lost(_) => self.at = (self.at + 1) % 3,
            }
            TokenSpace(2).set_timer(cx, Nanos::millis(200), 0);
        }
    }
}

// ---- the world ----

#[derive(Clone)]
struct Setup {
    seed: u64,
    brokers: u32,
    storage: StorageOptions,
    rate: u64,
    load_ends: Nanos,
    ends: Nanos,
    /// Bytes that retention keeps of each partition (`retention.bytes`), in segments of a tenth.
    keep: Option<u64>,
    /// When the consumer begins anew, and when brokers die.
    rereads: Vec<Nanos>,
    deaths: Vec<(Nanos, u32, Nanos)>,
    /// How long dropped objects stay.
    object_retention: Nanos,
}

impl Setup {
    fn quick(seed: u64) -> Setup {
        let storage = StorageOptions {
            upload_interval: Nanos::secs(3),
            upload_threshold: 64 << 10,
            split_bytes: 16 << 10,
            block_bytes: 4 << 10,
            block_cache_bytes: 64 << 10,
            compaction: CompactionOptions::quick(),
            ..StorageOptions::for_cache(256 << 10)
        };
        Setup {
            seed,
            brokers: 2,
            storage,
            rate: 120,
            load_ends: Nanos::secs(60),
            ends: Nanos::secs(100),
            keep: None,
            rereads: [20, 30, 40, 50, 60, 70, 80].map(Nanos::secs).to_vec(),
            deaths: Vec::new(),
            object_retention: Nanos::secs(3),
        }
    }

    fn retention(&self) -> RetentionOptions {
        let topics = LogConfig {
            segment_bytes: self.keep.map_or(1 << 30, |keep| keep / 10),
            retention_bytes: self.keep,
            ..LogConfig::default()
        };
        RetentionOptions { topics, check_interval: Nanos::secs(2), ..RetentionOptions::default() }
    }

    /// Up to three deaths of brokers.
    fn with_deaths(mut self) -> Setup {
        let mut stream = Choices::new(self.seed).stream(Domain::new("test/deaths"), 0);
        for n in 0..stream.range(0..4) {
            let at = Nanos::secs(15 + 12 * n) + stream.nanos(Nanos::ZERO..Nanos::secs(4));
            let back = at + stream.nanos(Nanos::secs(1)..Nanos::secs(8));
            self.deaths.push((at, stream.range(0..2) as u32, back));
        }
        self
    }

    fn build(&self, world: &mut World, core: &mut Core<Event>, sea: &Sea) -> NodeId {
        let choices = *core.choices();
        for n in 0..3 {
            let mut volume =
                Volume::new(VolumeSpec::gp3(sea.azs[0], VolumeFormat::FileSystem, 1 << 30), &choices, 100 + n);
            volume.attach_at_start(sea.hosts[0], sea.azs[0]).expect("fresh, and in the host's zone");
            let spec = ControllerSpec {
                id: ControllerId(n as u32),
                peers: (0..3).map(|n| (ControllerId(n), CONTROLLERS[n as usize])).collect(),
                volume: world.add_volume(volume),
                store: sea.store,
                bucket: sea.bucket,
                namespace: self.storage.namespace.clone(),
                options: ControllerOptions { object_retention: self.object_retention, ..ControllerOptions::default() },
                mutant: None,
            };
            let factory = Box::new(move |_| Behaviour::Machine(Box::new(Controller::new(spec.clone()))));
            let node = world.add_node(core, &format!("controller-{n}"), sea.hosts[0], factory);
            world.supervise(node, Nanos::secs(2));
        }
        let place = ObjectPlace::Regional(sea.store, sea.bucket);
        let wals: WalSource = Arc::new(move |_, _, space| {
            wal::build(WalSpec::Object { place, options: ObjectWalOptions::default() }, space, None)
        });
        for n in 0..self.brokers {
            let bucket = Bucket { store: sea.store, bucket: sea.bucket };
            let (broker, options, wals) = (BrokerId(n), self.storage.clone(), wals.clone());
            let logs = StreamLogsSpec { broker, options, bucket, wals, first_space: STORAGE_SPACE };
            let spec = BrokerSpec {
                id: broker,
                rack: n,
                controllers: CONTROLLERS.to_vec(),
                link: LinkOptions::default(),
                logs: Arc::new(move || Box::new(StreamLogs::new(logs.clone()))),
                snapshot_interval: Nanos::secs(5),
                report_interval: None,
                retention: self.retention(),
            };
            let factory = Box::new(move |_| Behaviour::Machine(Box::new(Broker::new(spec.clone()))));
            let node = world.add_node(core, &format!("broker-{n}"), sea.hosts[1 + n as usize], factory);
            assert_eq!(node, NodeId(FIRST_BROKER + n));
            world.supervise(node, Nanos::secs(2));
        }
        let topics = vec![(OFFSETS_TOPIC, 1), ("orders", PARTITIONS)];
        let admin = Box::new(move |_| {
            Behaviour::Machine(Box::new(Admin { rpc: Rpc::new(TokenSpace(1)), at: 0, topics: topics.clone() }))
        });
        world.add_node(core, "admin", sea.hosts[3], admin);
        let directory = Directory::new((0..self.brokers).map(|n| (BrokerId(n), NodeId(FIRST_BROKER + n))).collect());
        let producer = ProducerSpec {
            directory: directory.clone(),
            topic: TOPIC,
            partitions: PARTITIONS,
            load: LoadSpec {
                rate: RateSchedule::constant(self.rate),
                message_bytes: 300,
                partitioner: Partitioner::RoundRobin,
                start: Nanos::secs(6),
                stop: self.load_ends,
            },
            settings: ProducerSettings::default(),
            number: 0,
            recorded: false,
        };
        let factory = Box::new(move |life: Incarnation| {
            Behaviour::Machine(Box::new(ProducerProcess::new(producer.clone(), life.epoch.0)))
        });
        world.add_node(core, "producer", sea.hosts[3], factory);
        let tps = (0..PARTITIONS).map(|partition| TopicIdPartition { topic: TOPIC, partition });
        let consumer = ConsumerSpec {
            directory,
            group: GroupId(0),
            subscription: Subscription::Assign(tps.map(|tp| (tp, StartAt::Earliest)).collect()),
            settings: ConsumerSettings { enable_auto_commit: false, ..ConsumerSettings::default() },
            records_per_sec: None,
            recorded: false,
        };
        let factory = Box::new(move |_| Behaviour::Machine(Box::new(ConsumerProcess::new(consumer.clone()))));
        let consumer = world.add_node(core, "consumer", sea.hosts[3], factory);
        for at in &self.rereads {
            world.plan(core, *at, Action::Kill(consumer));
            world.plan(core, *at + Nanos::millis(10), Action::Restart(consumer));
        }
        for (at, broker, back) in &self.deaths {
            let node = NodeId(FIRST_BROKER + broker);
            world.plan(core, *at, Action::Kill(node));
            world.plan(core, *back, Action::Restart(node));
        }
        consumer
    }

    fn run(&self) -> Ran {
        let watch = Watch::default();
        let limits = Limits { events_max: 40_000_000, time_max: self.ends, ..Limits::default() };
        let (sink, heap) = (watch.clone(), watch.clone());
        let marks = Arc::new(Mutex::new(BTreeMap::new()));
        let told = marks.clone();
        let broken = Chart { limits, ..Chart::seeded(self.seed) }.run(
            |world, core, sea| {
                self.build(world, core, sea);
                // Counts objects and the heap's bytes each minute.
                let counter = actor(&Log::default(), move |cx, input| {
                    if matches!(input, Input::Boot | Input::Timer { .. }) {
                        let stats = HEAP.stats();
                        let bytes = stats.bytes_allocated.wrapping_sub(stats.bytes_deallocated);
                        let seen = &mut *heap.0.lock().unwrap();
                        seen.heap.push((cx.monotonic(), seen.live.len(), bytes));
                        cx.set_timer(Nanos::secs(60), 0);
                    }
                });
                world.add_node(core, "counter", sea.hosts[3], counter);
                world.set_probes(Box::new(sink));
            },
            |world, _, outcome, _| {
                *told.lock().unwrap() =
                    outcome.marks.iter().map(|(name, count)| (name.to_string(), count)).collect::<BTreeMap<_, _>>();
                let broken: Vec<String> = world.failures().iter().map(|failure| failure.why.clone()).collect();
                assert!(!broken.is_empty() || outcome.reason == EndReason::TimeCap, "{:?}", outcome.reason);
                broken
            },
        );
        let marks = std::mem::take(&mut *marks.lock().unwrap());
        Ran { broken, marks, watch }
    }
}

struct Ran {
    broken: Vec<String>,
    marks: BTreeMap<String, u64>,
    watch: Watch,
}

impl Ran {
    /// Whether the last life of the consumer has read all that was acknowledged.
    fn unread(&self) -> Vec<String> {
        let seen = self.watch.0.lock().unwrap();
        let life = seen.consumed.keys().map(|(life, _)| *life).max().unwrap_or(0);
        let read = |tp: &TopicIdPartition| seen.consumed.get(&(life, *tp)).copied().unwrap_or(0);
        let missing = seen.acked.iter().filter(|(tp, end)| read(tp) < **end);
        missing.map(|(tp, end)| format!("{tp}: read to {}, acknowledged to {end}", read(tp))).collect()
    }
}

#[test]
fn every_offset_stays_readable_through_uploads_compactions_and_deaths() {
    let _turn = turn();
    let mut marks = BTreeMap::<String, u64>::new();
    for seed in 0..12 {
        let mut setup = Setup::quick(seed).with_deaths();
        // In some runs objects are deleted as soon as they are dropped, and in some reads take turns.
        setup.object_retention = Nanos::secs(3 * (seed % 2));
        setup.storage.slow_reads = if seed % 3 == 0 { 1 } else { 12 };
        let ran = setup.run();
        assert_eq!(ran.broken, Vec::<String>::new(), "seed {seed}");
        assert_eq!(ran.unread(), Vec::<String>::new(), "seed {seed}: {:#?}", ran.marks);
        let acked: u64 = ran.watch.0.lock().unwrap().acked.values().sum();
        assert!(acked > 3_000, "seed {seed}: only {acked} records were acknowledged: {:#?}", ran.marks);
        for (mark, count) in ran.marks {
            *marks.entry(mark).or_default() += count;
        }
    }
    println!("{marks:#?}");
    for mark in [
        "compaction: stream-set objects were compacted",
        "compaction: stream objects were joined",
        "storage: a read went to objects",
        "storage: catch-up reads waited for their turn",
    ] {
        assert!(marks.get(mark).is_some_and(|count| *count > 0), "no run reached {mark:?}: {marks:#?}");
    }
}

#[test]
fn one_seed_is_one_run() {
    let _turn = turn();
    let run = |seed| {
        let ran = Setup { ends: Nanos::secs(40), ..Setup::quick(seed) }.run();
        let seen = ran.watch.0.lock().unwrap();
        (ran.marks.clone(), seen.consumed.clone(), seen.live.clone())
    };
    assert_eq!(run(5), run(5));
}

#[test]
fn over_two_hours_of_a_small_load_objects_stay_few_and_memory_flat() {
    let _turn = turn();
    let hours = 2;
    let setup = Setup {
        brokers: 1,
        storage: StorageOptions { ..StorageOptions::for_cache(64 << 20) },
        rate: 20,
        load_ends: Nanos::secs(hours * 3600),
        ends: Nanos::secs(hours * 3600),
        keep: Some(1 << 20),
        rereads: Vec::new(),
        ..Setup::quick(1)
    };
    let ran = setup.run();
    assert_eq!(ran.broken, Vec::<String>::new());
    let seen = ran.watch.0.lock().unwrap();
    println!("{:#?}\n{:?}", ran.marks, seen.heap);
    assert!(seen.committed.len() > 120 && seen.trims > 100, "{} committed, {} trims", seen.committed.len(), seen.trims);
    let most = seen.heap.iter().map(|(_, live, _)| *live).max().expect("it was counted");
    // Five minutes of uploads, and what they are joined into; retention holds what is joined down.
    assert!(most < 40, "{most} objects at once: {:?}", seen.heap);
    let bytes = |from: u64, to: u64| {
        let within = seen.heap.iter().filter(|(at, ..)| (Nanos::secs(from)..Nanos::secs(to)).contains(at));
        within.map(|(.., bytes)| *bytes).max().expect("it was counted")
    };
    let (early, late) = (bytes(2_400, 4_200), bytes(5_400, 7_200));
    assert!(late < early + early / 4, "the heap grew from {early} to {late} bytes");
}

#[test]
fn what_retention_trims_is_dropped_and_the_rest_stays_readable() {
    let _turn = turn();
    for seed in 0..4 {
        let ran = Setup { keep: Some(64 << 10), rereads: Vec::new(), ..Setup::quick(seed) }.run();
        assert_eq!((ran.broken.clone(), ran.unread()), (Vec::new(), Vec::new()), "seed {seed}");
        let dropped = ran.marks.get("compaction: objects below a stream's start were dropped");
        let seen = ran.watch.0.lock().unwrap();
        assert!(seen.trims > 10 && dropped.is_some(), "seed {seed}: {} trims, {:#?}", seen.trims, ran.marks);
        assert!(seen.live.len() < 40, "seed {seed}: {} objects are left", seen.live.len());
    }
}

/// Bugs that show in runs of one producer.
const SHOWN: [StorageMutant; 4] = [
    StorageMutant::DeltaOverflows,
    StorageMutant::CacheOrderNotWalOrder,
    StorageMutant::ConfirmBeforeCache,
    StorageMutant::TornImageRead,
];

/// A run in which a bug may show.
fn chance(mutant: StorageMutant, seed: u64) -> Setup {
    let mut setup = Setup::quick(seed);
    setup.storage.mutant = Some(mutant);
    match mutant {
        StorageMutant::DeltaOverflows | StorageMutant::TornImageRead => {}
        StorageMutant::CacheOrderNotWalOrder | StorageMutant::ConfirmBeforeCache => {
            setup.storage.upload_threshold = 16 << 10;
            setup = setup.with_deaths();
        }
        // These need several producers, a failover or a reassignment: cluster runs have them.
        StorageMutant::BackOffOvertaken
        | StorageMutant::FailoverTrimsOwnWal
        | StorageMutant::FencedGoesOn
        | StorageMutant::CloseWithoutUpload
        | StorageMutant::PrepareFailureSwallowed => {}
    }
    setup
}

#[test]
fn bugs_are_found() {
    let _turn = turn();
    let mut missed = Vec::new();
    for mutant in SHOWN {
        let found = (0..20).find_map(|seed| {
            let ran = chance(mutant, seed).run();
            let found = ran.broken.first().cloned().or_else(|| ran.unread().first().cloned());
            found.map(|found| (seed, found))
        });
        println!("{}: {found:?}", mutant.name());
        if found.is_none() {
            missed.push(mutant.name());
        }
    }
    assert_eq!(missed, Vec::<&str>::new());
}

#[test]
fn where_bugs_show_there_is_nothing_to_be_found_without_them() {
    let _turn = turn();
    for mutant in SHOWN {
        let mut setup = chance(mutant, 1);
        setup.storage.mutant = None;
        let ran = setup.run();
        assert_eq!((ran.broken.clone(), ran.unread()), (Vec::new(), Vec::new()), "as for {}", mutant.name());
    }
}
