//! What the checkers share: who sent which value, who read it, what must have committed, and each partition's log.
//!
//! The index takes completions one by one, in order, and is right at any time for the prefix that it has seen (but for
//! what [`Index::settle`] adds); all checkers, at the end of a history or in the middle of a run, ask it and nothing else.

use super::log::Log;
use super::order::Order;
use super::ranges::clip;
use crate::Offset;
use crate::history::{History, KeyId, Kind, OpId, Run};
use rangemap::{RangeMap, RangeSet};
use std::collections::BTreeSet;
use std::ops::Range;

/// Which polls prove that what they returned was committed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Proofs {
    /// Those of `ok` operations, as in Jepsen.
    #[default]
    OkPolls,
    /// All: a consumer returns nothing but committed records, whatever becomes of its own transaction.
    AllPolls,
}

/// What is known of one partition.
#[derive(Clone, Debug, Default)]
pub struct KeyIndex {
    /// Its log.
    pub log: Log,
    /// The completion that sent each value; the last one, if several did.
    pub writers: RangeMap<u64, OpId>,
    /// Values that an `ok` operation sent.
    pub acked: RangeSet<u64>,
    /// Values that a `fail` operation sent.
    pub failed: RangeSet<u64>,
    /// Values that an `ok` operation polled.
    pub ok_read: RangeSet<u64>,
    /// Values that other operations polled whose polls are [proofs](Proofs) too.
    also_proven: RangeSet<u64>,
}

/// Evidence that an operation brought and that was not all known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct News {
    /// The key.
    pub key: KeyId,
    /// The offsets that it spoke of.
    pub offsets: Range<i64>,
}

/// The index of a history. See the [module](self).
#[derive(Clone, Debug, Default)]
pub struct Index {
    proofs: Proofs,
    keys: Vec<KeyIndex>,
    /// `info` operations of which a sent value was read.
    committed: BTreeSet<OpId>,
    /// `info` operations that sent something and are not known to be committed.
    unproven: BTreeSet<OpId>,
}

impl Index {
    /// An empty index.
    pub fn new(proofs: Proofs) -> Index {
        Index { proofs, ..Index::default() }
    }

    /// The index of a whole history.
    pub fn of(history: &History, proofs: Proofs) -> Index {
        let mut index = Index::new(proofs);
        let mut news = Vec::new();
        for id in history.ids() {
            index.add(history, id, &mut news);
            news.clear();
        }
        index.settle(history);
        index
    }

    /// Takes the next operation of a history in, and says what was new to which logs.
    pub fn add(&mut self, history: &History, id: OpId, news: &mut Vec<News>) {
        let op = history.op(id);
        self.keys.resize_with(history.keys(), KeyIndex::default);
        if op.kind == Kind::Invoke || !op.function.touches_records() {
            return;
        }
        for run in history.sends(id) {
            self.add_send(id, op.kind, run);
        }
        if op.kind == Kind::Ok {
            self.add_sends_to_log(history, id, news);
        }
        for run in history.polls(id).filter(|run| run.count > 0) {
            self.add_poll(history, op.kind, run, news);
        }
        if op.kind == Kind::Info && history.sends(id).next().is_some() {
            if self.is_proven(history, id) {
                self.commit(history, id, news);
            } else {
                self.unproven.insert(id);
            }
        }
    }

    /// At the end of a prefix: what [`Index::add`] cannot see at once because two operations sent the same value.
    pub fn settle(&mut self, history: &History) {
        let proven: Vec<_> = self.unproven.iter().copied().filter(|id| self.is_proven(history, *id)).collect();
        for id in proven {
            self.commit(history, id, &mut Vec::new());
        }
    }

    fn add_send(&mut self, id: OpId, kind: Kind, run: &Run) {
        let key = &mut self.keys[run.key.0 as usize];
        key.writers.insert(run.values(), id);
        match kind {
            Kind::Ok => key.acked.insert(run.values()),
            Kind::Fail => key.failed.insert(run.values()),
            Kind::Info | Kind::Invoke => {}
        }
    }

    fn add_poll(&mut self, history: &History, kind: Kind, run: &Run, news: &mut Vec<News>) {
        let key = &mut self.keys[run.key.0 as usize];
        if let Some(offset) = run.offset {
            note(news, run, offset, key.log.add(offset, run.value, run.count));
        }
        if kind == Kind::Ok {
            key.ok_read.insert(run.values());
        }
        let proves = kind == Kind::Ok || self.proofs == Proofs::AllPolls;
        if proves && kind != Kind::Ok {
            key.also_proven.insert(run.values());
        }
        if proves && !self.unproven.is_empty() {
            let writers = key.writers.overlapping(run.values()).map(|(_, writer)| *writer);
            let proven: Vec<_> = writers.filter(|writer| self.unproven.contains(writer)).collect();
            for writer in proven {
                self.commit(history, writer, news);
            }
        }
    }

    fn commit(&mut self, history: &History, id: OpId, news: &mut Vec<News>) {
        self.unproven.remove(&id);
        if self.committed.insert(id) {
            self.add_sends_to_log(history, id, news);
        }
    }

    fn add_sends_to_log(&mut self, history: &History, id: OpId, news: &mut Vec<News>) {
        for run in history.sends(id) {
            if let Some(offset) = run.offset {
                let is_new = self.keys[run.key.0 as usize].log.add(offset, run.value, run.count);
                note(news, run, offset, is_new);
            }
        }
    }

    fn is_proven(&self, history: &History, id: OpId) -> bool {
        history.sends(id).any(|run| {
            let key = self.key(run.key);
            key.ok_read.overlaps(&run.values()) || key.also_proven.overlaps(&run.values())
        })
    }

    /// Whether an operation's sends are in the log for certain: it was `ok`, or it was `info` and one of them was read.
    pub fn must_have_committed(&self, history: &History, id: OpId) -> bool {
        history.op(id).kind == Kind::Ok || self.committed.contains(&id)
    }

    /// What is known of a key.
    pub fn key(&self, key: KeyId) -> &KeyIndex {
        &self.keys[key.0 as usize]
    }

    /// All keys, in order of their numbers.
    pub fn keys(&self) -> impl Iterator<Item = (KeyId, &KeyIndex)> {
        self.keys.iter().enumerate().map(|(number, key)| (KeyId(number as u32), key))
    }

    /// Which operations sent these values: each range of values with its writer, and the ranges that nobody sent.
    pub fn writers(&self, key: KeyId, values: &Range<u64>) -> Vec<(Range<u64>, Option<OpId>)> {
        let writers = &self.key(key).writers;
        let sent = writers.overlapping(values).map(|(range, writer)| (clip(range, values), Some(*writer)));
        let mut all: Vec<_> = sent.chain(writers.gaps(values).map(|gap| (gap, None))).collect();
        all.sort_unstable_by_key(|(range, _)| range.start);
        all
    }

    /// A key's version order.
    pub fn order(&self, key: KeyId, history: &History) -> Order {
        Order::new(&self.key(key).log, history)
    }

    /// Each key's version order, by key number.
    pub fn orders(&self, history: &History) -> Vec<Order> {
        self.keys.iter().map(|key| Order::new(&key.log, history)).collect()
    }
}

fn note(news: &mut Vec<News>, run: &Run, offset: Offset, is_new: bool) {
    if is_new {
        news.push(News { key: run.key, offsets: offset.0..offset.0 + i64::from(run.count) });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::{Draft, Function, Process, Value};

    fn push(
        history: &mut History,
        process: i64,
        kind: Kind,
        function: Function,
        fill: impl Fn(&mut Draft, KeyId),
    ) -> OpId {
        let key = history.key("x");
        let mut draft = Draft::default();
        (draft.index, draft.process) = (history.len() as u64, Some(Process(process)));
        (draft.kind, draft.function) = (kind, function);
        fill(&mut draft, key);
        history.push(&draft).expect("well-formed")
    }

    /// A transaction of unknown end, and before that end a poll that got one of its values, and ended so.
    fn read_before_its_end(reader: Kind) -> (History, OpId) {
        let mut history = History::new();
        push(&mut history, 1, Kind::Invoke, Function::Txn, |draft, x| draft.send_batch(x, None, Value(10), 3));
        push(&mut history, 2, Kind::Invoke, Function::Poll, |draft, _| draft.poll());
        push(&mut history, 2, reader, Function::Poll, |draft, x| {
            draft.poll();
            draft.polled(x, None, Value(10), 1);
        });
        let info = push(&mut history, 1, Kind::Info, Function::Txn, |draft, x| {
            draft.send_batch(x, Some(Offset(5)), Value(10), 3);
        });
        (history, info)
    }

    #[test]
    fn a_value_read_before_its_operation_ended_proves_the_commit_if_the_poll_counts() {
        for (proofs, reader, proven) in [
            (Proofs::OkPolls, Kind::Ok, true),
            (Proofs::OkPolls, Kind::Fail, false),
            (Proofs::OkPolls, Kind::Info, false),
            (Proofs::AllPolls, Kind::Ok, true),
            (Proofs::AllPolls, Kind::Fail, true),
            (Proofs::AllPolls, Kind::Info, true),
        ] {
            let (history, info) = read_before_its_end(reader);
            let index = Index::of(&history, proofs);
            assert_eq!(index.must_have_committed(&history, info), proven, "{proofs:?} {reader:?}");
        }
    }

    #[test]
    fn news_name_all_offsets_that_were_spoken_of_and_the_same_again_is_none() {
        let (history, info) = read_before_its_end(Kind::Ok);
        let mut index = Index::new(Proofs::OkPolls);
        let mut news = Vec::new();
        history.ids().for_each(|id| index.add(&history, id, &mut news));
        assert_eq!(news, [News { key: history.runs(info)[0].key, offsets: 5..8 }]);
        news.clear();
        index.add(&history, info, &mut news);
        assert_eq!(news, []);
    }
}
