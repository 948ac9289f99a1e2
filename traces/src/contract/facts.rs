//! Everything that classification asks for, in the order in which a history's keys are numbered.

use super::breach::{Breach, breaches};
use super::context::{ClientSettings, Context, KeyContext, TopicSettings};
use super::log_start::LogStarts;
use super::moves::{Moves, Placed};
use super::passage::{Passage, passages};
use crate::check::index::KeyIndex;
use crate::check::log::Log;
use crate::check::ranges::intersect;
use crate::check::{Evidence, Options};
use crate::history::{Function, History, KeyId, Kind, OpId, Process, Value};
use rangemap::{RangeMap, RangeSet};
use std::collections::BTreeMap;
use std::ops::Range;

/// What is known of a key.
#[derive(Debug)]
pub struct KeyFacts<'a> {
    /// From the context.
    pub context: Option<&'a KeyContext>,
    /// From the context.
    pub topic: TopicSettings,
    /// What ended promises.
    pub breaches: Vec<Breach>,
    /// What consumers went past.
    pub passage: Passage,
    /// Values that a poll under `read_committed` returned, whatever became of it.
    pub committed_reads: RangeSet<u64>,
    /// Values that a poll of an operation returned that did not end well.
    pub delivered: RangeSet<u64>,
    /// Values that an operation sent of which nobody knows how, or whether, it ended.
    pub possible: RangeSet<u64>,
    /// Values that two operations sent, neither of which failed.
    pub resent: RangeSet<u64>,
    /// Values that some operation sent that did not fail.
    pub sent: RangeSet<u64>,
    /// The last offset of each value, as the difference of value and offset.
    offsets: RangeMap<u64, u64>,
}

/// What is known. See the [module](self).
#[derive(Debug)]
pub struct Facts<'a> {
    /// The history and its index.
    pub evidence: &'a Evidence<'a>,
    /// The context.
    pub context: &'a Context,
    /// How the check was asked for.
    pub options: &'a Options,
    /// Seeks and resets.
    pub moves: Moves,
    /// By key number.
    pub starts: Vec<LogStarts>,
    /// The last operation's time.
    pub end: i64,
    keys: Vec<KeyFacts<'a>>,
    /// Completions that polled, or assigned, by process, in order.
    completions: BTreeMap<Process, Vec<OpId>>,
}

impl<'a> Facts<'a> {
    /// Gathers them.
    pub fn new(evidence: &'a Evidence<'a>, context: &'a Context, options: &'a Options) -> Facts<'a> {
        let history = evidence.history;
        let moves = Moves::new(history, context);
        let names = || (0..history.keys() as u32).map(|key| history.key_name(KeyId(key)));
        let starts: Vec<_> = names().map(|name| LogStarts::new(context.key(name))).collect();
        let passages = passages(evidence, context, &moves, &starts);
        let keys = names().zip(passages).zip(evidence.index.keys());
        let keys = keys.map(|((name, passage), (_, known))| KeyFacts::new(context, name, passage, known)).collect();
        let end = history.ids().map(|id| history.op(id).time).max().unwrap_or(0);
        let mut facts = Facts { evidence, context, options, moves, starts, end, keys, completions: BTreeMap::new() };
        for id in history.ids() {
            facts.note_sends(id);
            facts.note_polls(id);
        }
        facts
    }

    /// Sends of invocations: which may have happened, and which happened twice.
    fn note_sends(&mut self, id: OpId) {
        let history = self.evidence.history;
        let end = history.partner(id).map(|partner| history.op(partner).kind);
        if history.op(id).kind != Kind::Invoke || end == Some(Kind::Fail) {
            return;
        }
        for run in history.sends(id) {
            let key = &mut self.keys[run.key.0 as usize];
            if !matches!(end, Some(Kind::Ok)) {
                key.possible.insert(run.values());
            }
            let again = intersect(&run.values(), key.sent.overlapping(run.values()));
            key.resent.extend(again);
            key.sent.insert(run.values());
        }
    }

    fn note_polls(&mut self, id: OpId) {
        let op = self.evidence.history.op(id);
        let Some(process) = op.process.filter(|_| op.kind != Kind::Invoke) else { return };
        if op.function.polls() || matches!(op.function, Function::Assign | Function::Subscribe) {
            self.completions.entry(process).or_default().push(id);
        }
        let committed = !self.client(id).reads_uncommitted();
        for run in self.evidence.history.polls(id).filter(|run| run.count > 0) {
            let key = &mut self.keys[run.key.0 as usize];
            if committed {
                key.committed_reads.insert(run.values());
            }
            if op.kind != Kind::Ok {
                key.delivered.insert(run.values());
            }
        }
    }

    /// The history.
    pub fn history(&self) -> &'a History {
        self.evidence.history
    }

    /// What is known of a key.
    pub fn key(&self, key: KeyId) -> &KeyFacts<'a> {
        &self.keys[key.0 as usize]
    }

    /// What the index knows of a key.
    pub fn index(&self, key: KeyId) -> &'a KeyIndex {
        self.evidence.index.key(key)
    }

    /// The settings of an operation's process.
    pub fn client(&self, id: OpId) -> ClientSettings {
        self.context.client(self.history().op(id).process)
    }

    /// The last of several operations that sent a value.
    pub fn writer(&self, key: KeyId, value: Value) -> Option<OpId> {
        self.index(key).writers.get(&value.0).copied()
    }

    /// The last seek or reset, between two operations, of the later one's process.
    pub fn move_between(&self, key: KeyId, from: OpId, to: OpId) -> Option<&Placed> {
        // What one operation polled went wrong while it ran.
        let from = if from == to { self.began(to) } else { from };
        self.moves.between(self.history().op(to).process, key, from, to)
    }

    /// An operation's invocation.
    pub fn began(&self, id: OpId) -> OpId {
        self.history().partner(id).map_or(id, |partner| partner.min(id))
    }

    /// When an operation began.
    pub fn invoked(&self, id: OpId) -> i64 {
        self.history().op(self.began(id)).time
    }

    /// When it ended, or was last heard of.
    pub fn ended(&self, id: OpId) -> i64 {
        self.history().op(id).time
    }

    /// The completions of an operation's process strictly between it and another that polled something, or could have.
    pub fn polls_between(&self, from: OpId, to: OpId) -> impl Iterator<Item = OpId> {
        let process = self.history().op(to).process;
        let all = process.and_then(|process| self.completions.get(&process)).map_or(&[][..], Vec::as_slice);
        let first = all.partition_point(|id| *id <= from);
        all[first..].iter().copied().take_while(move |id| *id < to)
    }

    /// Whether an operation's consumer gets its keys by subscription, so that rebalances move them.
    pub fn is_subscribed(&self, id: OpId) -> bool {
        let history = self.history();
        let process = history.op(id).process;
        let all = process.and_then(|process| self.completions.get(&process)).map_or(&[][..], Vec::as_slice);
        let before = &all[..all.binary_search(&id).unwrap_or_else(|place| place)];
        let assigns = |id: &&OpId| history.op(**id).kind != Kind::Fail && !history.op(**id).function.polls();
        let last = before.iter().rev().find(assigns).map(|id| history.op(*id).function);
        last.map_or(self.options.subscribe, |function| function == Function::Subscribe)
    }
}

impl<'a> KeyFacts<'a> {
    fn new(context: &'a Context, name: &str, passage: Passage, known: &KeyIndex) -> KeyFacts<'a> {
        KeyFacts {
            context: context.key(name),
            topic: context.topic(name),
            breaches: breaches(context, name),
            passage,
            committed_reads: RangeSet::new(),
            delivered: RangeSet::new(),
            possible: RangeSet::new(),
            resent: RangeSet::new(),
            sent: RangeSet::new(),
            offsets: last_offsets(&known.log),
        }
    }

    /// These values, cut where their (last) offsets are not consecutive; each part with its first offset, if known.
    pub fn located(&self, values: &Range<u64>) -> Vec<(Range<u64>, Option<i64>)> {
        let known = self.offsets.overlapping(values).map(|(range, difference)| {
            let start = range.start.max(values.start);
            (start..range.end.min(values.end), Some(start.wrapping_sub(*difference) as i64))
        });
        known.chain(self.offsets.gaps(values).map(|gap| (gap, None))).collect()
    }

    /// The last offset of a value.
    pub fn offset_of(&self, value: u64) -> Option<i64> {
        self.offsets.get(&value).map(|difference| value.wrapping_sub(*difference) as i64)
    }
}

fn last_offsets(log: &Log) -> RangeMap<u64, u64> {
    let mut stretches: Vec<_> = log.firsts().chain(log.others()).collect();
    stretches.sort_unstable();
    let mut offsets = RangeMap::new();
    for stretch in stretches {
        offsets.insert(stretch.values(), stretch.value.wrapping_sub(stretch.offset as u64));
    }
    offsets
}

/// Of values whose first lies at this offset, those at these offsets.
pub fn part_at(values: &Range<u64>, first: i64, offsets: &Range<i64>) -> Option<Range<u64>> {
    let last = first.saturating_add_unsigned(values.end - values.start);
    let (start, end) = (first.max(offsets.start), last.min(offsets.end));
    (start < end).then(|| values.start + (start - first) as u64..values.start + (end - first) as u64)
}
