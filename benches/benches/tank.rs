//! The tank against a plain heap loop, in one run: the ratio is the figure to trust.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::{Arc, Mutex};
use wavetank_sim::{Core, Dispatch, Event, Incarnation, Limits, Nanos, NodeId, Stream, run};

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

impl Event for Msg {
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
            let choices = core.choices().stream(wavetank_sim::Domain::new("bench"), 0);
            Arc::new(Mutex::new(Machines { all, choices }))
        },
        |machines, _, _| machines.all.iter().map(|m| m.bytes).fold(0, u64::wrapping_add),
    )
}

fn benches(c: &mut Criterion) {
    let mut group = c.benchmark_group("tank");
    group.throughput(Throughput::Elements(EVENTS)).sample_size(20);
    group.bench_function("plain_heap", |b| b.iter(|| plain_heap(1)));
    group.bench_function("state_machines", |b| b.iter(|| tank(1)));
    group.finish();
}

criterion_group!(all, benches);
criterion_main!(all);
