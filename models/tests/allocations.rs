//! A step in the steady state allocates nothing. A binary of its own: the allocator counts for all its threads.

mod common;

use common::*;
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use std::alloc::System;
use std::sync::{Arc, Mutex};
use wavetank_models::cloud::host::HostSpec;
use wavetank_models::cloud::network::NicSpec;
use wavetank_models::message::{Frame, Message};
use wavetank_models::world::{Behaviour, Cx, Input, Process, TimerId};
use wavetank_sim::{Nanos, NodeId};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Bounces by which every buffer has the capacity that it will ever need.
const WARM: u64 = 5_000;
const END: u64 = 50_000;

/// Bounces frames with the other, with a timeout that is set anew each time, and work on the side.
struct Pingpong {
    peer: Option<NodeId>,
    timeout: Option<TimerId>,
    counts: Arc<Mutex<Vec<usize>>>,
}

impl Process for Pingpong {
    fn step(&mut self, cx: &mut Cx<'_>, input: Input) {
        match input {
            Input::Boot => {
                if let Some(peer) = self.peer {
                    let conn = cx.connect(peer);
                    cx.send(conn, Message::frame(0, 0, 0));
                }
            }
            Input::Message { conn, message: Message::Frame(Frame { value, body, .. }) } => {
                if let Some(timeout) = self.timeout.take() {
                    cx.cancel_timer(timeout);
                }
                self.timeout = Some(cx.set_timer(Nanos::secs(1), 1));
                cx.work(value, us(1));
                if value == WARM || value == END {
                    let stats = ALLOCATOR.stats();
                    self.counts.lock().expect("counts").push(stats.allocations + stats.reallocations);
                }
                if value < END {
                    cx.send(conn, Message::Frame(Frame { kind: 0, correlation: value, value: value + 1, body }));
                }
            }
            _ => (),
        }
    }
}

#[test]
fn a_frame_a_timer_and_a_piece_of_work_cost_no_allocation() {
    let counts: Arc<Mutex<Vec<usize>>> = Arc::new(Mutex::new(Vec::with_capacity(8)));
    let nic = NicSpec { bandwidth_bytes_per_sec: 1_250_000_000, single_flow_bytes_per_sec: 625_000_000 };
    Chart { host: HostSpec::kafka(4), nic, ..Chart::default() }.run(
        |world, core, sea| {
            for (n, peer) in [None, Some(NodeId(0))].into_iter().enumerate() {
                let counts = counts.clone();
                let factory = Box::new(move |_| {
                    let process = Pingpong { peer, timeout: None, counts: counts.clone() };
                    Behaviour::Machine(Box::new(process))
                });
                world.add_node(core, "pingpong", sea.hosts[n], factory);
            }
        },
        |_, _, outcome, _| assert!(outcome.events > 5 * END),
    );
    let counts = counts.lock().expect("counts");
    assert_eq!(counts[1] - counts[0], 0, "allocations in {} bounces", END - WARM);
}
