//! Recording in the steady state allocates nothing. A binary of its own: the allocator counts for all its threads.

use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use std::alloc::System;
use wavetank_traces::Offset;
use wavetank_traces::history::{Draft, Form, Function, History, KeyId, Kind, LinesRecorder, Process, Recorder, Value};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const CLIENTS: u64 = 100;
/// Numbers of the same width from the first to the last: a wider one makes a longer line.
const FROM: u64 = 100_000;
const WARM: u64 = 110_000;
const END: u64 = 120_000;

/// A part of a run: every client in turn invokes or completes a transaction that sends a batch and polls.
fn play(recorder: &mut dyn Recorder, keys: &[KeyId], draft: &mut Draft, from: u64, to: u64) {
    for index in from..to {
        draft.clear();
        let done = (index / CLIENTS) % 2 == 1;
        (draft.index, draft.time, draft.function) = (index, index as i64 * 1000, Function::Txn);
        draft.process = Some(Process((index % CLIENTS) as i64));
        draft.kind = if done { Kind::Ok } else { Kind::Invoke };
        let key = |nth: u64| keys[(nth % keys.len() as u64) as usize];
        draft.send_batch(key(index), done.then_some(Offset(index as i64 * 10)), Value(index * 10), 10);
        draft.poll();
        for nth in (0..8).rev().filter(|_| done) {
            draft.polled(key(index + nth), Some(Offset(index as i64)), Value(index), 1 + nth as u32);
            draft.polled(key(index), Some(Offset(index as i64 + 100)), Value(index), 1);
        }
        recorder.record(draft).unwrap();
    }
}

fn allocations(recorder: &mut dyn Recorder) -> usize {
    let keys: Vec<_> = (0..16).map(|key| recorder.key(&format!("topic-{key}"))).collect();
    let mut draft = Draft::default();
    play(recorder, &keys, &mut draft, FROM, WARM);
    let region = Region::new(ALLOCATOR);
    play(recorder, &keys, &mut draft, WARM, END);
    let change = region.change();
    change.allocations + change.reallocations
}

#[test]
fn recording_in_the_steady_state_allocates_nothing() {
    for form in [Form::Ranges, Form::Plain] {
        assert_eq!(allocations(&mut LinesRecorder::new(std::io::sink(), form)), 0, "{form:?}");
    }
    // In memory, the history itself grows: a doubling now and then.
    let growth = allocations(&mut History::new());
    assert!(growth <= 6, "{growth} allocations");
}
