//! The tank against a plain heap loop, in one run: the ratio is the figure to trust.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use wavetank_models::blob::Blob;
use wavetank_models::cloud::host::HostSpec;
use wavetank_models::cloud::network::{AzId, HostId, NetworkProfile, NicSpec};
use wavetank_models::cloud::object_store::{BucketId, Condition, ObjectOp, ObjectStore, ObjectStoreProfile};
use wavetank_models::cloud::volume::{Volume, VolumeFormat, VolumeSpec};
use wavetank_models::message::Message;
use wavetank_models::world::{Behaviour, CloudSpec, Cx, Event, Factory, Input, Process, StoreId, World, launch};
use wavetank_sim::{Core, Dispatch, Domain, Incarnation, Limits, Mailbox, Nanos, NodeId, Stream, Tank, run};

const NODES: u32 = 100;
const EVENTS: u64 = 1_000_000;

/// 24 bytes, like the events of the models.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Msg {
    from: u32,
    kind: u32,
    number: u64,
    bytes: u64,
}

impl wavetank_sim::Event for Msg {
    fn fingerprint(&self) -> (u64, u64) {
        (u64::from(self.from) << 32 | u64::from(self.kind), self.number)
    }
}

/// One state machine: counts what it gets and passes it on to somebody.
struct Machine {
    seen: u64,
    bytes: u64,
}

impl Machine {
    fn step(&mut self, message: Msg, random: u64) -> (u64, u32, Msg) {
        self.seen += 1;
        self.bytes += message.bytes;
        let delay = 1_000 + (random & 0xffff);
        let to = (random >> 32) as u32 % NODES;
        (delay, to, Msg { from: to, kind: message.kind, number: self.seen, bytes: message.bytes ^ delay })
    }
}

/// What anybody would write first: a heap, a generator, a vector of machines.
fn plain_heap(seed: u64) -> u64 {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut machines: Vec<Machine> = (0..NODES).map(|_| Machine { seen: 0, bytes: 0 }).collect();
    let mut heap = BinaryHeap::new();
    for node in 0..NODES {
        heap.push(Reverse((0u64, u64::from(node), node, Msg { from: node, kind: 1, number: 0, bytes: 1_024 })));
    }
    let first = u64::from(NODES);
    for sequence in first..first + EVENTS {
        let Reverse((now, _, node, message)) = heap.pop().expect("never empty");
        let (delay, to, message) = machines[node as usize].step(message, rng.next_u64());
        heap.push(Reverse((now + delay, sequence, to, message)));
    }
    machines.iter().map(|m| m.bytes).fold(0, u64::wrapping_add)
}

struct Machines {
    // A box a node, as models have it: the pointer is part of what is measured.
    #[allow(clippy::vec_box)]
    all: Vec<Box<Machine>>,
    choices: Stream,
}

impl Dispatch<Msg> for Machines {
    fn dispatch(&mut self, core: &mut Core<Msg>, to: Option<Incarnation>, message: Msg) {
        let node = to.expect("all events have a node").node;
        let (delay, to, message) = self.all[node.0 as usize].step(message, self.choices.bits64());
        core.schedule_to(core.now() + Nanos(delay), core.incarnation(NodeId(to)), message);
    }
    fn discard(&mut self, _: &mut Core<Msg>, _: Incarnation, _: Msg) {}
}

/// The same in the tank: seeded tie-breaks, epochs, cancellable entries, caps, digest and ring on.
fn tank(seed: u64) -> u64 {
    let limits = Limits { events_max: EVENTS, ..Limits::default() };
    run(
        seed,
        limits,
        None,
        |_, core| {
            for _ in 0..NODES {
                let node = core.create_node("machine");
                let first = Msg { from: node.0, kind: 1, number: 0, bytes: 1_024 };
                core.schedule_to(Nanos::ZERO, core.incarnation(node), first);
            }
            let all = (0..NODES).map(|_| Box::new(Machine { seen: 0, bytes: 0 })).collect();
            let choices = core.choices().stream(Domain::new("bench"), 0);
            Arc::new(Mutex::new(Machines { all, choices }))
        },
        |machines, _, _| machines.all.iter().map(|m| m.bytes).fold(0, u64::wrapping_add),
    )
}

/// The same, but every hundredth event goes to a node whose behaviour is a guest: an async task with a mailbox.
fn guests(seed: u64) -> u64 {
    let limits = Limits { events_max: EVENTS, ..Limits::default() };
    run(
        seed,
        limits,
        None,
        |tank, core| {
            let total = Arc::new(AtomicU64::new(0));
            let mailboxes: Vec<Mailbox<Msg>> = (0..NODES).map(|_| Mailbox::default()).collect();
            for _ in 0..NODES {
                let node = core.create_node("machine");
                let first = Msg { from: node.0, kind: 1, number: 0, bytes: 1_024 };
                core.schedule_to(Nanos::ZERO, core.incarnation(node), first);
                let me = tank.guest(core.incarnation(node));
                let (mailbox, total) = (mailboxes[node.0 as usize].clone(), total.clone());
                let mut machine = Machine { seen: 0, bytes: 0 };
                core.spawn_guest(
                    node,
                    Box::pin(async move {
                        loop {
                            let message = mailbox.recv().await;
                            total.fetch_add(1, Ordering::Relaxed);
                            let mut core = me.tank().lock();
                            let (delay, to, message) = machine.step(message, message.bytes.wrapping_mul(0x9e37_79b9));
                            let (at, to) = (core.now() + Nanos(delay), core.incarnation(NodeId(to)));
                            core.schedule_to(at, to, message);
                        }
                    }),
                );
            }
            let all = (0..NODES).map(|_| Box::new(Machine { seen: 0, bytes: 0 })).collect();
            let choices = core.choices().stream(Domain::new("bench"), 0);
            Arc::new(Mutex::new(OnePercentGuests { machines: Machines { all, choices }, mailboxes, count: 0, total }))
        },
        |world, _, _| world.total.load(Ordering::Relaxed),
    )
}

struct OnePercentGuests {
    machines: Machines,
    mailboxes: Vec<Mailbox<Msg>>,
    count: u64,
    total: Arc<AtomicU64>,
}

impl Dispatch<Msg> for OnePercentGuests {
    fn dispatch(&mut self, core: &mut Core<Msg>, to: Option<Incarnation>, message: Msg) {
        self.count += 1;
        if self.count.is_multiple_of(100) {
            self.mailboxes[to.expect("all events have a node").node.0 as usize].push(message);
        } else {
            self.machines.dispatch(core, to, message);
        }
    }
    fn discard(&mut self, _: &mut Core<Msg>, _: Incarnation, _: Msg) {}
}

// ---- the world on top of the tank ----

const HEARTBEAT: Nanos = Nanos::secs(2);
const DAY: Nanos = Nanos::secs(86_400);

/// A broker with nothing to do: a heartbeat every two seconds.
struct Idle;

impl Process for Idle {
    fn step(&mut self, cx: &mut Cx<'_>, _: Input) {
        cx.set_timer(HEARTBEAT, 0);
    }
}

fn cloud() -> (CloudSpec, HostId) {
    let (mut cloud, azs) = CloudSpec::three_azs(NetworkProfile::assumed());
    let nic = NicSpec { bandwidth_bytes_per_sec: 1_250_000_000, single_flow_bytes_per_sec: 625_000_000 };
    let host = azs.map(|az| cloud.host(az, nic, HostSpec::instant()).expect("an instant host makes sense"))[0];
    (cloud, host)
}

fn machine<P: Process + 'static>(mut make: impl FnMut() -> P + Send + 'static) -> Factory {
    Box::new(move |_| Behaviour::Machine(Box::new(make())))
}

/// A hundred idle nodes for a virtual day.
fn idle_nodes(seed: u64) -> u64 {
    let (cloud, host) = cloud();
    let limits = Limits { time_max: DAY, ..Limits::default() };
    let build = |world: &mut World, core: &mut Core<Event>, _: &Arc<Tank<Event>>| {
        for n in 0..100 {
            world.add_node(core, &format!("idle-{n}"), host, machine(|| Idle));
        }
    };
    launch(seed, limits, None, cloud, build, |_, _, outcome| outcome.events)
}

/// Keeps 64 PUTs of 4 KiB on their way.
struct Uploader {
    store: StoreId,
    bucket: BucketId,
    left: u64,
}

impl Uploader {
    fn put(&mut self, cx: &mut Cx<'_>, slot: u64) {
        self.left -= 1;
        let key = self.keys(slot);
        let op = ObjectOp::Put { key, body: Blob::named(self.left, 4_096), condition: Condition::None };
        cx.object(self.store, self.bucket, slot, op);
    }

    fn keys(&self, slot: u64) -> Arc<str> {
        format!("{:04x}/object", slot ^ self.left & 0xfff).into()
    }
}

impl Process for Uploader {
    fn step(&mut self, cx: &mut Cx<'_>, input: Input) {
        match input {
            Input::Boot => (0..64).for_each(|slot| self.put(cx, slot)),
            Input::Object(done) if self.left > 0 => self.put(cx, done.token),
            _ => {}
        }
    }
}

const PUTS: u64 = 100_000;

fn object_store_put(seed: u64) -> u64 {
    let (cloud, host) = cloud();
    let build = |world: &mut World, core: &mut Core<Event>, _: &Arc<Tank<Event>>| {
        // Rate limits off: the store, not its 503s, is measured.
        let mut profile = ObjectStoreProfile::assumed();
        profile.limits.put_per_sec = 0;
        let mut store = ObjectStore::new(profile, core.choices(), 0);
        let bucket = store.create_bucket(Nanos::ZERO);
        let store = world.add_store(store);
        world.add_node(core, "uploader", host, machine(move || Uploader { store, bucket, left: PUTS }));
    };
    launch(seed, Limits::default(), None, cloud, build, |_, _, outcome| outcome.events)
}

/// Answers every frame with a frame.
struct Echo {
    to: Option<NodeId>,
    left: u64,
}

impl Process for Echo {
    fn step(&mut self, cx: &mut Cx<'_>, input: Input) {
        match input {
            Input::Boot => {
                if let Some(to) = self.to {
                    let conn = cx.connect(to);
                    cx.send(conn, Message::frame(1, 0, 0));
                }
            }
            Input::Message { conn, message: Message::Frame(frame) } if self.left > 0 => {
                self.left -= 1;
                cx.send(conn, Message::frame(1, frame.correlation + 1, frame.value));
            }
            _ => {}
        }
    }
}

const ECHOES: u64 = 500_000;

/// Two processes in two zones exchange frames, network, hosts and all.
fn world_messages(seed: u64) -> u64 {
    let (mut cloud, a) = cloud();
    let nic = NicSpec { bandwidth_bytes_per_sec: 1_250_000_000, single_flow_bytes_per_sec: 625_000_000 };
    let b = cloud.host(AzId(1), nic, HostSpec::kafka(4)).expect("Kafka's defaults make sense");
    let build = move |world: &mut World, core: &mut Core<Event>, _: &Arc<Tank<Event>>| {
        let listener = world.add_node(core, "listener", b, machine(|| Echo { to: None, left: ECHOES / 2 }));
        for n in 0..16 {
            let share = ECHOES / 2 / 16;
            world.add_node(core, &format!("caller-{n}"), a, machine(move || Echo { to: Some(listener), left: share }));
        }
    };
    launch(seed, Limits::default(), None, cloud, build, |_, _, outcome| outcome.events)
}

/// A world of nine hosts and nine nodes, made and dropped.
fn new_world(seed: u64) -> u64 {
    let (mut cloud, azs) = CloudSpec::three_azs(NetworkProfile::assumed());
    let nic = NicSpec { bandwidth_bytes_per_sec: 1_250_000_000, single_flow_bytes_per_sec: 625_000_000 };
    let hosts: Vec<HostId> =
        (0..9).map(|n| cloud.host(azs[n % 3], nic, HostSpec::kafka(4)).expect("Kafka's defaults make sense")).collect();
    let limits = Limits { time_max: Nanos::millis(1), ..Limits::default() };
    let build = |world: &mut World, core: &mut Core<Event>, _: &Arc<Tank<Event>>| {
        world.add_store(ObjectStore::new(ObjectStoreProfile::assumed(), core.choices(), 0));
        for (n, host) in hosts.iter().enumerate() {
            let volume = VolumeSpec::gp3(azs[n % 3], VolumeFormat::FileSystem, 1 << 40);
            world.add_volume(Volume::new(volume, core.choices(), n as u64));
            world.add_node(core, &format!("broker-{n}"), *host, machine(|| Idle));
        }
    };
    launch(seed, limits, None, cloud, build, |_, _, outcome| outcome.events)
}

fn benches(c: &mut Criterion) {
    let mut group = c.benchmark_group("tank");
    group.throughput(Throughput::Elements(EVENTS)).sample_size(20);
    group.bench_function("plain_heap", |b| b.iter(|| plain_heap(1)));
    group.bench_function("state_machines", |b| b.iter(|| tank(1)));
    group.bench_function("guests_1pct", |b| b.iter(|| guests(1)));
    group.sample_size(10);
    group.throughput(Throughput::Elements(100 * (DAY.0 / HEARTBEAT.0)));
    group.bench_function("idle_100_nodes", |b| b.iter(|| idle_nodes(1)));
    group.throughput(Throughput::Elements(PUTS));
    group.bench_function("object_store_put", |b| b.iter(|| object_store_put(1)));
    group.throughput(Throughput::Elements(world_messages(1)));
    group.bench_function("world_messages", |b| b.iter(|| world_messages(1)));
    group.throughput(Throughput::Elements(1));
    group.bench_function("new_world", |b| b.iter(|| new_world(1)));
    group.finish();
}

criterion_group!(all, benches);
criterion_main!(all);
