//! Recording a record allocates nothing. A binary of its own: the allocator counts for all its threads.

use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use std::alloc::System;
use wavetank_sim::Nanos;
use wavetank_workloads::compare::recorder::{Recorder, Shape};
use wavetank_workloads::compare::{Distribution, Platform};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

#[test]
fn a_record_allocates_nothing_nor_does_a_second() {
    let shape = Shape {
        partitions: 16,
        record_bytes: 1_024,
        topics: 1,
        producers_per_topic: 1,
        consumers_per_topic: 1,
        begin: Nanos::secs(1),
        expected: Nanos::secs(9),
    };
    let mut recorder = Recorder::new(Platform { name: "p".into(), about: String::new() }, 1, shape);
    let region = Region::new(ALLOCATOR);
    // Nine seconds of measurement: an interval of ten is packed, which may allocate.
    for ms in (0..9_900).step_by(3) {
        let at = Nanos::millis(ms);
        let partition = (ms % 16) as u32;
        recorder.sent(at, partition);
        recorder.acked(at, partition, 100, 102_400);
        recorder.latency(at, Distribution::Produce, Nanos::micros(ms), 100);
        recorder.latencies(at, Distribution::EndToEnd, Nanos::millis(9), Nanos::millis(1), 100);
        recorder.consumed(at, 100, 102_400);
        recorder.lag(at, ms);
        recorder.sent(at, partition);
        recorder.failed(at, partition, 1);
    }
    let used = region.change();
    assert_eq!((used.allocations, used.reallocations), (0, 0), "{used:?}");
}
