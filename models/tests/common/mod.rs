//! What the world's tests share: a small cloud with one of everything, processes made of closures, a log.

#![allow(dead_code)] // Each test binary uses a part.

use std::sync::{Arc, Mutex};
use wavetank_models::blob::Blob;
use wavetank_models::cloud::express::{ExpressProfile, ExpressStore};
use wavetank_models::cloud::host::HostSpec;
use wavetank_models::cloud::network::{AzId, HostId, LinkClass, NetworkFault, NetworkProfile, NicSpec};
use wavetank_models::cloud::network::{PartitionDirection, Scope};
use wavetank_models::cloud::nfs::{NfsShare, NfsSpec};
use wavetank_models::cloud::object_store::{BucketId, Condition, ObjectOp, ObjectStore, ObjectStoreProfile};
use wavetank_models::cloud::volume::{FileId, FileName, IoMode, Volume, VolumeFormat, VolumeOp, VolumeSpec};
use wavetank_models::fault::{Fault, FaultId};
use wavetank_models::message::Message;
use wavetank_models::world::{
    Action, Behaviour, CloudSpec, Cx, Event, ExpressId, Factory, Input, Process, ShareId, StoreId, VolumeId, World,
    launch,
};
use wavetank_sim::{Core, Incarnation, Limits, Nanos, NodeId, Observer, Outcome};

/// Hosts 0 and 1 are in zone 0, hosts 2 and 3 in zones 1 and 2; one way takes 100 us within a zone, 400 us across.
#[derive(Clone, Debug)]
pub struct Sea {
    pub azs: [AzId; 3],
    pub hosts: [HostId; 4],
    /// EBS gp3 with a file system, at host 0.
    pub ebs: VolumeId,
    /// A local disk with a file system, at host 0.
    pub nvme: VolumeId,
    pub store: StoreId,
    pub bucket: BucketId,
    /// In zone 0.
    pub express: ExpressId,
    pub express_bucket: BucketId,
    /// Zone 0 preferred, zone 1 standby.
    pub share: ShareId,
}

/// How the cloud is to be.
#[derive(Clone)]
pub struct Chart {
    pub seed: u64,
    pub host: HostSpec,
    pub nic: NicSpec,
    pub limits: Limits,
}

impl Default for Chart {
    /// Hosts and cards that cost no time.
    fn default() -> Chart {
        Chart {
            seed: 1,
            host: HostSpec::instant(),
            nic: NicSpec { bandwidth_bytes_per_sec: 0, single_flow_bytes_per_sec: 0 },
            limits: Limits { events_max: 3_000_000, ..Limits::default() },
        }
    }
}

impl Chart {
    pub fn seeded(seed: u64) -> Chart {
        Chart { seed, ..Chart::default() }
    }

    pub fn run<R>(
        self,
        build: impl FnOnce(&mut World, &mut Core<Event>, &Sea),
        finish: impl FnOnce(&mut World, &mut Core<Event>, Outcome<Event>, &Sea) -> R,
    ) -> R {
        self.observed(None, build, finish)
    }

    pub fn observed<R>(
        self,
        observer: Option<Observer<Event>>,
        build: impl FnOnce(&mut World, &mut Core<Event>, &Sea),
        finish: impl FnOnce(&mut World, &mut Core<Event>, Outcome<Event>, &Sea) -> R,
    ) -> R {
        let (mut cloud, azs) = CloudSpec::three_azs(NetworkProfile::assumed());
        let hosts =
            [0, 0, 1, 2].map(|az: usize| cloud.host(azs[az], self.nic, self.host.clone()).expect("a sane host"));
        let place = Arc::new(Mutex::new(None));
        let placed = place.clone();
        launch(
            self.seed,
            self.limits,
            observer,
            cloud,
            |world, core, _| {
                let sea = furnish(world, core, azs, hosts);
                build(world, core, &sea);
                *placed.lock().unwrap() = Some(sea);
            },
            |world, core, outcome| {
                let sea = place.lock().unwrap().take().expect("built");
                finish(world, core, outcome, &sea)
            },
        )
    }
}

fn furnish(world: &mut World, core: &mut Core<Event>, azs: [AzId; 3], hosts: [HostId; 4]) -> Sea {
    let choices = *core.choices();
    let mut volume = |spec: VolumeSpec, entity| {
        let mut volume = Volume::new(spec, &choices, entity);
        volume.attach_at_start(hosts[0], azs[0]).expect("fresh, and in the host's zone");
        world.add_volume(volume)
    };
    let ebs = volume(VolumeSpec::gp3(azs[0], VolumeFormat::FileSystem, 1 << 30), 0);
    let nvme = volume(VolumeSpec::local_nvme(azs[0], VolumeFormat::FileSystem, 1 << 30), 1);
    let mut store = ObjectStore::new(ObjectStoreProfile::assumed(), &choices, 0);
    let bucket = store.create_bucket(Nanos::ZERO);
    let mut express = ExpressStore::new(ExpressProfile::assumed(), azs[0].0, &choices, 0);
    let express_bucket = express.create_bucket(Nanos::ZERO);
    let share = NfsShare::new(NfsSpec::fsx_ontap_multi_az(512 << 20, 1 << 30), &choices, 0);
    Sea {
        azs,
        hosts,
        ebs,
        nvme,
        store: world.add_store(store),
        bucket,
        express: world.add_express(express),
        express_bucket,
        share: world.add_share(share),
    }
}

/// What happened to processes, in the order in which it did.
#[derive(Clone, Default)]
pub struct Log(Arc<Mutex<Vec<Line>>>);

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// On the node's monotonic clock, which is the tank's unless a test bends it; nothing for a drop.
    pub at: Nanos,
    pub life: Incarnation,
    pub what: String,
}

impl Log {
    pub fn push(&self, at: Nanos, life: Incarnation, what: impl Into<String>) {
        self.0.lock().unwrap().push(Line { at, life, what: what.into() });
    }

    pub fn note(&self, cx: &Cx<'_>, what: impl Into<String>) {
        self.push(cx.monotonic(), cx.me(), what);
    }

    pub fn lines(&self) -> Vec<Line> {
        self.0.lock().unwrap().clone()
    }

    /// What one node's lives saw.
    pub fn of(&self, node: NodeId) -> Vec<Line> {
        self.lines().into_iter().filter(|line| line.life.node == node).collect()
    }

    /// What one life saw, without times.
    pub fn texts(&self, node: NodeId, epoch: u32) -> Vec<String> {
        self.of(node).into_iter().filter(|line| line.life.epoch.0 == epoch).map(|line| line.what).collect()
    }

    /// When a life saw it, each time.
    pub fn times(&self, node: NodeId, epoch: u32, what: &str) -> Vec<Nanos> {
        let is = |line: &Line| line.life.epoch.0 == epoch && line.what == what;
        self.of(node).into_iter().filter(is).map(|line| line.at).collect()
    }
}

/// An input in words.
pub fn describe(input: &Input) -> String {
    fn end<T, E: std::fmt::Display>(result: &Result<T, E>) -> String {
        result.as_ref().map_or_else(|error| format!("failed: {error}"), |_| "ok".into())
    }
    match input {
        Input::Boot => "boot".into(),
        Input::Timer { token, .. } => format!("timer {token}"),
        Input::Connected { .. } => "connected".into(),
        Input::Accepted { from, .. } => format!("accepted {from}"),
        Input::Message { message: Message::Frame(frame), .. } => format!("message {}", frame.value),
        Input::Message { message: Message::Request { request, .. }, .. } => format!("request {}", request.name()),
        Input::Message { message: Message::Response { response, .. }, .. } => format!("response {}", response.name()),
        Input::Message { message: Message::Flink(message), .. } => format!("flink {}", message.name()),
        Input::Reset { why, .. } => format!("reset {why:?}"),
        Input::Volume(done) => format!("volume {} {}", done.token, end(&done.result)),
        Input::Object(done) => format!("object {} {}", done.token, end(&done.result)),
        Input::Express(done) => format!("express {} {}", done.token, end(&done.result)),
        Input::Nfs(done) => format!("nfs {} {}", done.token, end(&done.result)),
        Input::Worked { token } => format!("worked {token}"),
        Input::Signal(signal) => format!("signal {signal:?}"),
    }
}

/// A process made of a closure; every input goes into the log first.
struct Actor<F> {
    log: Log,
    life: Incarnation,
    react: F,
}

impl<F: FnMut(&mut Cx<'_>, &Input) + Send> Process for Actor<F> {
    fn step(&mut self, cx: &mut Cx<'_>, input: Input) {
        assert_eq!(cx.me(), self.life, "a struct of one life was stepped for another");
        self.log.note(cx, describe(&input));
        (self.react)(cx, &input);
    }
}

impl<F> Drop for Actor<F> {
    fn drop(&mut self) {
        self.log.push(Nanos::ZERO, self.life, "dropped");
    }
}

/// Each life gets a clone of `react` as it was at first: whatever it captures by value is the process's memory.
pub fn actor(log: &Log, react: impl FnMut(&mut Cx<'_>, &Input) + Clone + Send + 'static) -> Factory {
    let log = log.clone();
    Box::new(move |life| Behaviour::Machine(Box::new(Actor { log: log.clone(), life, react: react.clone() })))
}

/// A process that does nothing of its own.
pub fn listener(log: &Log) -> Factory {
    actor(log, |_, _| ())
}

pub fn ms(n: u64) -> Nanos {
    Nanos::millis(n)
}

pub fn us(n: u64) -> Nanos {
    Nanos::micros(n)
}

pub fn frame(value: u64) -> Message {
    Message::frame(0, 0, value)
}

pub fn put(key: &str, bytes: u64) -> ObjectOp {
    ObjectOp::Put { key: key.into(), body: Blob::named(7, bytes), condition: Condition::None }
}

/// A buffered write at the beginning of a file.
pub fn write(file: FileId, data: Blob) -> VolumeOp {
    VolumeOp::Write { file, offset: 0, data, mode: IoMode::Buffered }
}

pub fn create(name: &str) -> VolumeOp {
    VolumeOp::Create { name: FileName::from(name) }
}

pub fn lookup(name: &str) -> VolumeOp {
    VolumeOp::Lookup { name: FileName::from(name) }
}

/// A fault of the plan from one time to another.
pub fn fault_between(world: &mut World, core: &mut Core<Event>, fault: Fault, from: Nanos, to: Nanos) -> FaultId {
    let id = world.next_fault_id();
    world.plan(core, from, Action::Inject(id, fault));
    world.plan(core, to, Action::Heal(id));
    id
}

/// A cut of the ways from one scope to another, not back.
pub fn cut(from: Scope, to: Scope) -> Fault {
    Fault::Network(NetworkFault::Partition { from, to, direction: PartitionDirection::OneWay })
}

pub const OBJECTS: Scope = Scope::Storage(LinkClass::ObjectStorage);
pub const BLOCKS: Scope = Scope::Storage(LinkClass::BlockStorage);
pub const FILES: Scope = Scope::Storage(LinkClass::FileStorage);
