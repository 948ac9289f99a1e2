//! How fast histories are written and read: `cargo run --release -p wavetank-traces --example read_speed [operations]`.

#![allow(clippy::disallowed_types, clippy::disallowed_methods, reason = "it measures real time")]

use std::time::Instant;
use wavetank_traces::Offset;
use wavetank_traces::history::{Draft, Form, Function, History, Kind, Process, Value, Writer, reader};

/// Clients that send one record, or poll some.
fn history(ops: u64) -> History {
    let mut history = History::new();
    let keys: Vec<_> = (0..64).map(|key| history.key(&format!("p{key}"))).collect();
    let mut draft = Draft::default();
    for index in 0..ops {
        draft.clear();
        (draft.index, draft.time, draft.process) =
            (index, index as i64 * 137_000, Some(Process((index / 2 % 50) as i64)));
        draft.kind = if index % 2 == 0 { Kind::Invoke } else { Kind::Ok };
        let (key, place, done) = (keys[(index / 2 % 64) as usize], index / 2, index % 2 == 1);
        if place % 2 == 0 {
            draft.function = Function::Send;
            draft.send(key, done.then_some(Offset(place as i64)), Value(place));
        } else {
            draft.function = Function::Poll;
            draft.poll();
            for nth in 0..if done { 3 } else { 0 } {
                draft.polled(key, Some(Offset((place + 2 * nth) as i64)), Value(place + nth), 1);
            }
        }
        history.push(&draft).expect("each client does one thing at a time");
    }
    history
}

fn main() {
    let ops = std::env::args().nth(1).and_then(|ops| ops.parse().ok()).unwrap_or(1_000_000);
    let history = history(ops);
    let mut bytes = Vec::new();
    let start = Instant::now();
    Writer::new(Form::Ranges).all(&history, &mut bytes).expect("memory takes everything");
    let report = |what: &str, start: Instant| {
        let seconds = start.elapsed().as_secs_f64();
        let (rate, mega) = (ops as f64 / seconds / 1e6, bytes.len() as f64 / seconds / 1e6);
        println!(
            "{what}: {ops} operations of {} bytes in {seconds:.2} s, {rate:.2} M/s, {mega:.0} MB/s",
            bytes.len() as u64 / ops
        );
    };
    report("written", start);
    for _ in 0..3 {
        let start = Instant::now();
        assert_eq!(reader::read(&bytes[..], "memory").expect("what was written is read").len() as u64, ops);
        report("read", start);
    }
}
