//! Which offsets consumers went past.
//!
//! Who reads an offset has gone past all offsets before it, back to where it had a reason to begin: the log's start at
//! that time, or where it last sought to (under `auto.offset.reset=latest`, where it first read). A record that somebody
//! went past and nobody read was not there.

use super::context::{Context, OffsetReset};
use super::log_start::LogStarts;
use super::moves::Moves;
use crate::check::Evidence;
use crate::check::index::KeyIndex;
use crate::history::{KeyId, Kind, OpId, Process, Run};
use rangemap::RangeMap;
use std::collections::BTreeMap;
use std::ops::Range;

/// What consumers did to one key.
#[derive(Clone, Debug, Default)]
pub struct Passage {
    /// Offsets that somebody went past, with the time at which somebody first did.
    pub passed: RangeMap<i64, i64>,
    /// Offsets that somebody left out on purpose, with how.
    pub sought: RangeMap<i64, String>,
}

/// The passages of all keys, by number.
pub fn passages(evidence: &Evidence, context: &Context, moves: &Moves, starts: &[LogStarts]) -> Vec<Passage> {
    let history = evidence.history;
    let mut walk = Walk { evidence, context, moves, starts, stands: BTreeMap::new(), passages: Vec::new() };
    walk.passages.resize_with(history.keys(), Passage::default);
    for id in history.ids().filter(|id| history.op(*id).kind == Kind::Ok) {
        for (key, offsets) in spans(evidence, id) {
            walk.go(id, key, &offsets);
        }
    }
    walk.passages
}

struct Walk<'a> {
    evidence: &'a Evidence<'a>,
    context: &'a Context,
    moves: &'a Moves,
    starts: &'a [LogStarts],
    stands: BTreeMap<(Option<Process>, KeyId), Stand>,
    passages: Vec<Passage>,
}

/// Where a process stands in a key.
#[derive(Default)]
struct Stand {
    /// How many seeks and resets it has made.
    moves: usize,
    /// The offset at which it had a reason to begin.
    floor: i64,
    /// The offset of the last record that it read.
    read: Option<i64>,
}

impl Walk<'_> {
    /// An operation read from the first to the last of these offsets.
    fn go(&mut self, id: OpId, key: KeyId, read: &Range<i64>) {
        let op = self.evidence.history.op(id);
        let log_start = self.starts[key.0 as usize].at(op.time);
        let stand = self.stands.entry((op.process, key)).or_default();
        let gone = stand.read.is_none_or(|last| last.saturating_add(1) < log_start);
        let latest = self.context.client(op.process).auto_offset_reset == Some(OffsetReset::Latest);
        let passage = &mut self.passages[key.0 as usize];
        let (count, last) = self.moves.before(op.process, key, id);
        if let Some(last) = last.filter(|_| stand.moves != count) {
            stand.floor = last.floor().unwrap_or(read.start);
            passage.leave_out(stand.floor, &last.by);
        } else if latest && gone {
            stand.floor = read.start;
            let process = op.process.map_or(String::new(), |process| format!(" of process {process}"));
            passage.leave_out(stand.floor, &format!("auto.offset.reset=latest{process}"));
        }
        (stand.moves, stand.read) = (count, Some(read.end));
        passage.pass(stand.floor.max(log_start)..read.end, op.time);
    }
}

impl Passage {
    /// Somebody had a reason not to read what lies before this offset.
    fn leave_out(&mut self, floor: i64, by: &str) {
        if floor > 0 {
            self.sought.insert(0..floor, by.to_owned());
        }
    }

    /// Somebody went past these offsets at this time.
    fn pass(&mut self, offsets: Range<i64>, time: i64) {
        if offsets.start < offsets.end {
            let new: Vec<_> = self.passed.gaps(&offsets).collect();
            self.passed.extend(new.into_iter().map(|offsets| (offsets, time)));
        }
    }
}

/// The offsets that an operation polled of each key: the first to the last.
fn spans(evidence: &Evidence, id: OpId) -> BTreeMap<KeyId, Range<i64>> {
    let mut spans: BTreeMap<KeyId, Range<i64>> = BTreeMap::new();
    for run in evidence.history.polls(id).filter(|run| run.count > 0) {
        let Some(offset) = offset(evidence.index.key(run.key), run) else { continue };
        let last = offset + i64::from(run.count) - 1;
        let span = spans.entry(run.key).or_insert(offset..last);
        *span = span.start.min(offset)..span.end.max(last);
    }
    spans
}

fn offset(known: &KeyIndex, run: &Run) -> Option<i64> {
    run.offset.map(|offset| offset.0).or_else(|| known.log.offset_of(run.value))
}
