//! Recording in the steady state allocates nothing of its own. A binary of its own: the allocator counts for all its
//! threads.

mod common;

use common::*;
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use std::alloc::System;
use std::sync::{Arc, Mutex};
use wavetank_models::world::{Behaviour, ClientId, Cx, Ended, Factory, Input, Process, Recording};
use wavetank_traces::Offset;
use wavetank_traces::check::Options;
use wavetank_traces::history::{Function, Value};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Numbers of the same width from the first to the last: a wider one makes a longer line.
const FROM: u64 = 100_000;
const WARM: u64 = 105_000;
const END: u64 = 155_000;
/// Operations recorded for each number: a send and a poll, both ends of each.
const OPERATIONS: u64 = 4 * (END - WARM);

/// How often a node allocates that sends batches of 10 and polls them, from the first number that counts to the last.
fn allocations(recording: Option<Recording>) -> usize {
    let counts: Arc<Mutex<Vec<usize>>> = Arc::new(Mutex::new(Vec::with_capacity(8)));
    Chart::default().run(
        |world, core, sea| {
            recording.into_iter().for_each(|recording| world.set_recording(recording));
            let counts = counts.clone();
            let factory: Factory =
                Box::new(move |_| Behaviour::Machine(Box::new(Client { n: FROM, counts: counts.clone() })));
            world.add_node(core, "client", sea.hosts[0], factory);
        },
        |_, _, _, _| (),
    );
    let counts = counts.lock().unwrap();
    counts[1] - counts[0]
}

struct Client {
    n: u64,
    counts: Arc<Mutex<Vec<usize>>>,
}

impl Process for Client {
    fn step(&mut self, cx: &mut Cx<'_>, _: Input) {
        let (value, offset) = (Value(self.n * 10), Some(Offset(self.n as i64 * 10)));
        let key = cx.history_key("a partition");
        let send = cx.invoke(ClientId(0), Function::Send, |draft| draft.send_batch(key, None, value, 10));
        let poll = cx.invoke(ClientId(1), Function::Poll, |draft| draft.poll());
        cx.complete(send, Ended::Ok, |draft| draft.send_batch(key, offset, value, 10));
        cx.complete(poll, Ended::Ok, |draft| {
            draft.poll();
            draft.polled(key, offset, value, 10);
        });
        if self.n == WARM || self.n == END {
            let stats = ALLOCATOR.stats();
            self.counts.lock().unwrap().push(stats.allocations + stats.reallocations);
        }
        self.n += 1;
        if self.n <= END {
            cx.set_timer(us(1), 0);
        }
    }
}

#[test]
fn recording_in_the_steady_state_allocates_nothing() {
    assert_eq!(allocations(None), 0, "without a recorder");
    assert_eq!(allocations(Some(Recording::new().written(Box::new(std::io::sink())))), 0, "into a file");
    // The history in memory grows, and so does what the checker knows: less than one allocation an operation.
    let checked = allocations(Some(Recording::new().checked(Options::default())));
    println!("checked: {checked} allocations for {OPERATIONS} operations");
    assert!(checked < OPERATIONS as usize, "{checked} allocations for {OPERATIONS} operations");
}
