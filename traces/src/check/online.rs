//! The same checkers while a history is being made: a run can stop at its first violation.
//!
//! What is found here stands, whatever follows: evidence about a log only grows, so a second value at an offset, a value
//! at a second offset, a read of a failed value, a step back and a skipped record stay what they are. A step over
//! offsets where nothing is known is remembered as a *leap*; if something turns up there later, the leap was a skip.
//! Cycles are looked for whenever the history has doubled, so that all searches together cost no more than two.
//!
//! What only the end can tell, [`Online::finish`] tells: what is lost or unseen (somebody may still read it), the steps
//! of values whose offsets were not known at the time, and what a value that two operations sent proves of either.

use super::anomaly::Anomaly;
use super::index::{Index, News, Proofs};
use super::nonmonotonic_send::{self, Sends};
use super::poll_skip::{self, Polls};
use super::proof::Proof;
use super::step::{Names, Step};
use super::{Evidence, Options, Report, cycles, g1a, int_poll, int_send, precommitted_read};
use crate::Offset;
use crate::history::reader::Reader;
use crate::history::{Draft, History, KeyId, Kind, OpId, ReadError, RecordError, Recorder, Refusal, Value};
use rangemap::{RangeMap, RangeSet};
use std::io::BufRead;
use std::ops::Range;

/// The length of history at which cycles are first looked for, unless [`Online::searching_from`] says otherwise.
const FIRST_SEARCH: usize = 4_096;

/// A history that is checked as it grows. See the [module](self).
#[derive(Debug)]
pub struct Online {
    options: Options,
    history: History,
    index: Index,
    polls: Polls,
    sends: Sends,
    keys: Vec<Watch>,
    news: Vec<News>,
    /// The steps of one operation: here to keep its memory.
    steps: Vec<(Step, Names)>,
    /// The length of history at which cycles are looked for next.
    next_search: usize,
    violation: Option<Proof>,
}

/// What is watched in one key.
#[derive(Debug, Default)]
struct Watch {
    /// Values that an invocation said it would send.
    intended: RangeSet<u64>,
    /// Offsets that steps passed over, because nothing was known there.
    leaps: RangeMap<i64, Leap>,
    /// Values that may be in the log twice, and out of order.
    rewritten: RangeSet<u64>,
}

/// A step over offsets at which nothing was known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Leap {
    step: Step,
    names: Names,
}

impl Watch {
    /// A completion mostly says what its invocation has said already, and asking costs less than saying it again.
    fn intends(&mut self, values: Range<u64>) {
        if self.intended.gaps(&values).next().is_some() {
            self.intended.insert(values);
        }
    }
}

impl Online {
    /// An empty history, to be checked for this.
    pub fn new(options: Options) -> Online {
        Online {
            options,
            history: History::new(),
            index: Index::new(Proofs::OkPolls),
            polls: Polls::default(),
            sends: Sends::default(),
            keys: Vec::new(),
            news: Vec::new(),
            steps: Vec::new(),
            next_search: FIRST_SEARCH,
            violation: None,
        }
    }

    /// Looks for cycles first when the history is this long.
    #[must_use]
    pub fn searching_from(self, next_search: usize) -> Online {
        Online { next_search: next_search.max(1), ..self }
    }

    /// The history so far.
    pub fn history(&self) -> &History {
        &self.history
    }

    /// The first violation, if there was one.
    pub fn violation(&self) -> Option<&Proof> {
        self.violation.as_ref()
    }

    /// Takes the next operation in. After the first violation the history still grows, but is not looked at until the
    /// end.
    pub fn add(&mut self, draft: &Draft) -> Result<Option<&Proof>, Refusal> {
        let id = self.history.push(draft)?;
        Ok(self.look_at(id))
    }

    /// Takes the next operation of a file in; false at its end.
    pub fn read(&mut self, reader: &mut Reader<impl BufRead>) -> Result<bool, ReadError> {
        let id = reader.next_into(&mut self.history)?;
        Ok(id.map(|id| self.look_at(id)).is_some())
    }

    /// A producer writes these values again under a new epoch, and an earlier write of them may have landed, or land yet.
    /// Kafka then promises neither that they are in the log once nor their order (KIP-360), so neither is a finding here.
    pub fn rewritten(&mut self, key: KeyId, values: Range<u64>) {
        self.keys.resize_with(self.history.keys(), Watch::default);
        self.keys[key.0 as usize].rewritten.insert(values);
    }

    /// Whether a finding is about values that were written again under a new epoch.
    fn is_of_rewritten(&self, proof: &Proof) -> bool {
        let is_one = |key: &KeyId, value: &Value| {
            self.keys.get(key.0 as usize).is_some_and(|watch| watch.rewritten.contains(&value.0))
        };
        match proof {
            Proof::Duplicate { key, value, .. } => is_one(key, value),
            Proof::Step { key, values, .. } => values.iter().any(|value| is_one(key, value)),
            Proof::InconsistentOffsets { .. }
            | Proof::LostWrite { .. }
            | Proof::Unseen { .. }
            | Proof::Read { .. }
            | Proof::Cycle { .. }
            | Proof::CycleExists { .. }
            | Proof::EmptyGraph
            | Proof::BeyondEnd { .. }
            | Proof::DoubleConsumption { .. }
            | Proof::HangingTransaction { .. } => false,
        }
    }

    fn look_at(&mut self, id: OpId) -> Option<&Proof> {
        if self.violation.is_none() {
            self.violation = self.check(id).or_else(|| self.search());
        }
        self.violation.as_ref()
    }

    /// The end: checks the whole history.
    pub fn finish(mut self) -> (History, Report) {
        if self.violation.is_some() {
            self.index = Index::of(&self.history, Proofs::OkPolls);
        } else {
            self.index.settle(&self.history);
        }
        let counts = |proof: &Proof| !self.is_of_rewritten(proof);
        let report = super::check_indexed(&self.history, &self.index, &self.options, counts);
        (self.history, report)
    }

    fn check(&mut self, id: OpId) -> Option<Proof> {
        self.keys.resize_with(self.history.keys(), Watch::default);
        for run in self.history.sends(id) {
            self.keys[run.key.0 as usize].intends(run.values());
        }
        if self.history.op(id).kind == Kind::Invoke {
            return None;
        }
        self.news.clear();
        self.index.add(&self.history, id, &mut self.news);
        let contradiction = self.news.iter().find_map(|news| self.contradiction(news));
        contradiction.or_else(|| self.broken_leap()).or_else(|| self.bad_read(id)).or_else(|| self.bad_step(id))
    }

    /// A second value at an offset, or a second offset of a value.
    fn contradiction(&self, news: &News) -> Option<Proof> {
        let log = &self.index.key(news.key).log;
        if let Some(offset) = log.conflicts().next() {
            let values = log.values_at(offset);
            let index = self.index.order(news.key, &self.history).index_of(offset)?;
            return Some(Proof::InconsistentOffsets { key: news.key, offset: Offset(offset), index, values });
        }
        let rewritten = &self.keys[news.key.0 as usize].rewritten;
        let repeats = log.repeats().iter().find_map(|repeats| rewritten.gaps(repeats).next())?;
        let value = Value(repeats.start);
        let mut offsets: Vec<_> = log.offsets_of(value).collect();
        offsets.sort_unstable();
        Some(Proof::Duplicate { key: news.key, value, offsets })
    }

    /// Something turned up where a step had found nothing.
    fn broken_leap(&self) -> Option<Proof> {
        self.news.iter().find_map(|news| {
            let leaps = &self.keys[news.key.0 as usize].leaps;
            leaps.overlapping(&news.offsets).find_map(|(_, leap)| self.exactly(&leap.step, leap.names))
        })
    }

    /// A read of what failed, of what the reader itself sent, or of what nobody sent.
    fn bad_read(&self, id: OpId) -> Option<Proof> {
        let evidence = self.evidence();
        let mut found = Vec::new();
        match self.history.op(id).kind {
            Kind::Ok => g1a::check_op(&evidence, id, &mut found),
            Kind::Fail if self.was_read(id) => g1a::check(&evidence, &mut found),
            Kind::Fail | Kind::Info | Kind::Invoke => {}
        }
        precommitted_read::check_op(&evidence, id, &mut found);
        found.into_iter().next().or_else(|| self.unintended(id))
    }

    fn was_read(&self, id: OpId) -> bool {
        self.history.sends(id).any(|run| self.index.key(run.key).ok_read.overlaps(&run.values()))
    }

    fn unintended(&self, reader: OpId) -> Option<Proof> {
        self.history.polls(reader).filter(|run| run.count > 0).find_map(|run| {
            let values = self.keys[run.key.0 as usize].intended.gaps(&run.values()).next()?;
            Some(Proof::Read { anomaly: Anomaly::NoWriterOfValue, key: run.key, values, writer: None, reader })
        })
    }

    /// A step back, or over something.
    fn bad_step(&mut self, id: OpId) -> Option<Proof> {
        let mut steps = std::mem::take(&mut self.steps);
        int_poll::steps(&self.history, id, &mut |step| steps.push((step, int_poll::NAMES)));
        let only_back = Names { skip: None, ..int_send::NAMES };
        int_send::steps(&self.history, id, &mut |step| steps.push((step, only_back)));
        self.sends.steps(&self.history, id, &mut |step| steps.push((step, nonmonotonic_send::NAMES)));
        let subscribe = self.options.subscribe;
        self.polls.steps(&self.history, id, &mut |step| {
            steps.extend((!subscribe).then_some((step, poll_skip::NAMES)));
        });
        let bad = steps.iter().find_map(|(step, names)| self.bad(step, *names));
        steps.clear();
        self.steps = steps;
        bad
    }

    /// Whether the log as it is known now disagrees with a step. If it does not, but may still, it is watched.
    fn bad(&mut self, step: &Step, names: Names) -> Option<Proof> {
        let log = &self.index.key(step.key).log;
        let (from, to) = (log.offset_of(step.from.1)?, log.offset_of(step.to.1)?);
        if to <= from || log.occupies(from + 1..to) {
            return self.exactly(step, names);
        }
        if to > from + 1 && names.skip.is_some() {
            let leap = Leap { step: *step, names };
            self.keys[step.key.0 as usize].leaps.insert(from + 1..to, leap);
        }
        None
    }

    /// The finding that the step is, by the orders of now.
    fn exactly(&self, step: &Step, names: Names) -> Option<Proof> {
        let orders = self.index.orders(&self.history);
        let proof = step.check(&Evidence { history: &self.history, index: &self.index, orders: &orders }, names)?;
        (!self.is_of_rewritten(&proof)).then_some(proof)
    }

    /// A cycle, if it is time to look for one.
    fn search(&mut self) -> Option<Proof> {
        if self.options.ww_deps || self.history.len() < self.next_search {
            return None;
        }
        self.next_search = 2 * self.history.len();
        let mut found = Vec::new();
        cycles::check(&self.evidence(), cycles::Edges::default(), &mut found);
        found.into_iter().find(|proof| matches!(proof, Proof::Cycle { .. }))
    }

    /// Without orders: what is asked here (reads, and cycles without write orders) needs none.
    fn evidence(&self) -> Evidence<'_> {
        Evidence { history: &self.history, index: &self.index, orders: &[] }
    }
}

/// A running system is checked as it is recorded; whoever runs it asks for the [violation](Online::violation).
impl Recorder for Online {
    fn key(&mut self, name: &str) -> KeyId {
        self.history.key(name)
    }

    fn value(&mut self, json: &serde_json::Value) -> Value {
        self.history.value(json)
    }

    fn record(&mut self, draft: &Draft) -> Result<(), RecordError> {
        Ok(self.add(draft).map(drop)?)
    }
}
