//! Which offsets consumers went past.
//!
//! Who reads an offset has gone past all offsets before it, back to where it had a reason to begin: the log's start at
//! that time, or where it last sought to. A record that somebody went past and nobody read was not there.

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
pub fn passages(evidence: &Evidence, moves: &Moves, starts: &[LogStarts]) -> Vec<Passage> {
    let history = evidence.history;
    let mut walk = Walk { evidence, moves, starts, floors: BTreeMap::new(), passages: Vec::new() };
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
    moves: &'a Moves,
    starts: &'a [LogStarts],
    /// How many moves a process has made in a key, and the offset at which the last made it begin.
    floors: BTreeMap<(Option<Process>, KeyId), (usize, i64)>,
    passages: Vec<Passage>,
}

impl Walk<'_> {
    /// An operation read from the first to the last of these offsets.
    fn go(&mut self, id: OpId, key: KeyId, read: &Range<i64>) {
        let op = self.evidence.history.op(id);
        let floor = self.floor(op.process, key, id, read.start);
        let start = floor.max(self.starts[key.0 as usize].at(op.time));
        let passed = &mut self.passages[key.0 as usize].passed;
        if start < read.end {
            let new: Vec<_> = passed.gaps(&(start..read.end)).collect();
            passed.extend(new.into_iter().map(|offsets| (offsets, op.time)));
        }
    }

    fn floor(&mut self, process: Option<Process>, key: KeyId, id: OpId, read: i64) -> i64 {
        let (count, last) = self.moves.before(process, key, id);
        let known = self.floors.entry((process, key)).or_insert((0, 0));
        if let Some(last) = last.filter(|_| known.0 != count) {
            *known = (count, last.floor().unwrap_or(read));
            if known.1 > 0 {
                self.passages[key.0 as usize].sought.insert(0..known.1, last.by.clone());
            }
        }
        known.1
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
