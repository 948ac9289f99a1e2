//! The contract of a log (the top of `kafka/wal/mod.rs`), held against what its users saw.
//!
//! Whatever was durable and is not trimmed, the next owner recovers, at the same place; nothing else of a log that was
//! emptied comes back; both in the log's order; and nobody hears of a log after its end. What is recovered is looked at when
//! the run is over: only then is it known what everybody had.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use wavetank_models::kafka::ids::StreamId;
use wavetank_models::kafka::wal::{WalOffset, WalRecord};
use wavetank_sim::Nanos;

/// What one owner of the log did and saw, in order of time: `at` is the place in that order.
#[derive(Default)]
struct Term {
    acquired: bool,
    appended: BTreeMap<(StreamId, u64), WalRecord>,
    durable: Vec<(WalOffset, WalRecord)>,
    trims: Vec<(u64, WalOffset)>,
    recovered: Vec<(WalOffset, WalRecord)>,
    recovery_ended: Option<u64>,
    reset_called: Option<u64>,
    /// Ready or released.
    empty: Option<u64>,
    over: bool,
}

#[derive(Default)]
struct State {
    clock: u64,
    now: Nanos,
    last_durable: Nanos,
    terms: BTreeMap<i64, Term>,
    broken: Vec<Breach>,
}

/// A rule of the contract that was broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rule {
    /// What was acknowledged and not trimmed, the next owner finds.
    DurableIsRecovered,
    /// What was removed stays removed, and what nobody wrote does not appear.
    NothingComesBack,
    /// Records are durable, and are recovered, in the log's order and in their stream's.
    WalOrder,
    /// Its events come in the order of its life, and none after its end.
    OneLife,
    /// What was trimmed takes no place once everything that was on its way has landed.
    TrimmedIsDeleted,
}

impl Rule {
    /// All of them.
    pub(super) const ALL: [Rule; 5] =
        [Rule::DurableIsRecovered, Rule::NothingComesBack, Rule::WalOrder, Rule::OneLife, Rule::TrimmedIsDeleted];

    pub(super) fn name(self) -> &'static str {
        match self {
            Rule::DurableIsRecovered => "durable-is-recovered",
            Rule::NothingComesBack => "nothing-comes-back",
            Rule::WalOrder => "wal-order",
            Rule::OneLife => "one-life",
            Rule::TrimmedIsDeleted => "trimmed-is-deleted",
        }
    }
}

/// How a rule was broken.
#[derive(Clone, Debug)]
pub(super) struct Breach {
    pub(super) rule: Rule,
    /// When it showed; none: at the end.
    pub(super) at: Option<Nanos>,
    pub(super) why: String,
    /// Whose records, where they are of one stream.
    pub(super) stream: Option<StreamId>,
}

/// Everybody tells it everything.
#[derive(Clone, Default)]
pub(super) struct Judge(Arc<Mutex<State>>);

/// Where breaches go.
struct Broken<'a> {
    at: Option<Nanos>,
    all: &'a mut Vec<Breach>,
}

impl Broken<'_> {
    fn push(&mut self, rule: Rule, why: String) {
        self.all.push(Breach { rule, at: self.at, why, stream: None });
    }

    fn push_of(&mut self, stream: StreamId, rule: Rule, why: String) {
        self.all.push(Breach { rule, at: self.at, why, stream: Some(stream) });
    }
}

impl Judge {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What follows happens at that time.
    pub(super) fn at(&self, now: Nanos) {
        self.state().now = now;
    }

    fn with<R>(&self, epoch: i64, tell: impl FnOnce(&mut Term, u64, &mut Broken<'_>) -> R) -> R {
        let mut state = self.state();
        let State { clock, now, terms, broken, .. } = &mut *state;
        *clock += 1;
        let term = terms.entry(epoch).or_default();
        let mut broken = Broken { at: Some(*now), all: broken };
        if term.over {
            broken.push(Rule::OneLife, format!("epoch {epoch}: something came after the end"));
        }
        tell(term, *clock, &mut broken)
    }

    pub(super) fn acquired(&self, epoch: i64) {
        self.with(epoch, |term, _, broken| {
            if std::mem::replace(&mut term.acquired, true) {
                broken.push(Rule::OneLife, format!("epoch {epoch}: acquired twice"));
            }
        });
    }

    pub(super) fn appended(&self, epoch: i64, record: &WalRecord) {
        self.with(epoch, |term, _, _| term.appended.insert((record.stream, record.base_offset), record.clone()));
    }

    pub(super) fn durable(&self, epoch: i64, at: WalOffset, record: WalRecord) {
        {
            let mut state = self.state();
            state.last_durable = state.now;
        }
        self.with(epoch, |term, _, broken| {
            if term.empty.is_none() {
                broken.push(Rule::OneLife, format!("epoch {epoch}: durable before it was ready"));
            }
            if term.durable.last().is_some_and(|(last, _)| *last >= at) {
                let why = format!("epoch {epoch}: {} durable out of order", at.0);
                broken.push_of(record.stream, Rule::WalOrder, why);
            }
            let earlier = term.durable.iter().rev().find(|(_, other)| other.stream == record.stream);
            if record.base_offset != earlier.map_or(0, |(_, other)| other.next_offset()) {
                let why =
                    format!("epoch {epoch}: stream {}: offset {} out of order", record.stream, record.base_offset);
                broken.push_of(record.stream, Rule::WalOrder, why);
            }
            if term.appended.get(&(record.stream, record.base_offset)) != Some(&record) {
                let why = format!("epoch {epoch}: {} was never appended so", at.0);
                broken.push_of(record.stream, Rule::NothingComesBack, why);
            }
            term.durable.push((at, record));
        });
    }

    pub(super) fn trimmed(&self, epoch: i64, upto: WalOffset) {
        self.with(epoch, |term, now, _| term.trims.push((now, upto)));
    }

    pub(super) fn recovered(&self, epoch: i64, at: WalOffset, record: WalRecord) {
        self.with(epoch, |term, _, broken| {
            if term.recovered.last().is_some_and(|(last, _)| *last >= at) {
                let why = format!("epoch {epoch}: {} recovered out of order", at.0);
                broken.push_of(record.stream, Rule::WalOrder, why);
            }
            term.recovered.push((at, record));
        });
    }

    pub(super) fn recovery_ended(&self, epoch: i64) {
        self.with(epoch, |term, now, _| term.recovery_ended = Some(now));
    }

    pub(super) fn reset_called(&self, epoch: i64) {
        self.with(epoch, |term, now, _| term.reset_called = Some(now));
    }

    pub(super) fn empty(&self, epoch: i64) {
        self.with(epoch, |term, now, _| term.empty = Some(now));
    }

    pub(super) fn over(&self, epoch: i64) {
        self.with(epoch, |term, _, _| term.over = true);
    }

    /// Up to where that owner trimmed.
    pub(super) fn trimmed_upto(&self, epoch: i64) -> Option<WalOffset> {
        self.state().terms.get(&epoch)?.trims.iter().map(|(_, upto)| *upto).max()
    }

    /// When a record was last acknowledged.
    pub(super) fn last_durable(&self) -> Nanos {
        self.state().last_durable
    }

    /// What was broken, at the end of a run.
    pub(super) fn verdict(&self) -> Vec<Breach> {
        let state = self.state();
        let mut all = state.broken.clone();
        let mut broken = Broken { at: None, all: &mut all };
        for (epoch, term) in state.terms.iter().filter(|(_, term)| term.recovery_ended.is_some()) {
            check_recovery(&state.terms, *epoch, term, &mut broken);
        }
        all
    }
}

fn check_recovery(terms: &BTreeMap<i64, Term>, epoch: i64, term: &Term, broken: &mut Broken<'_>) {
    let ended = term.recovery_ended.expect("looked for by the caller");
    // Whoever emptied the log last: nothing from before may come, ...
    let emptied = terms.range(..epoch).rev().find(|(_, t)| t.empty.is_some_and(|at| at < ended)).map(|(e, _)| *e);
    // ... and whoever only began to empty it: what was there before may be gone.
    let emptying =
        terms.range(..epoch).rev().find(|(_, t)| t.reset_called.is_some_and(|at| at < ended)).map(|(e, _)| *e);
    for (at, record) in &term.recovered {
        let key = (record.stream, record.base_offset);
        let mut owners = terms.range(emptied.unwrap_or(i64::MIN)..epoch);
        let Some((from, owner)) = owners.find(|(_, t)| t.appended.get(&key) == Some(record)) else {
            let emptied = emptied.map_or("nobody".into(), |by| format!("epoch {by}"));
            let (stream, base, by) = (record.stream, record.base_offset, record.epoch);
            let why = format!(
                "epoch {epoch} recovered {}: offset {base} of stream {stream}, by epoch {by}: not of a log that {emptied} emptied",
                at.0
            );
            broken.push_of(stream, Rule::NothingComesBack, why);
            continue;
        };
        // Durable records are in the order of their offsets.
        if owner.durable.binary_search_by_key(at, |(place, _)| *place).is_err()
            && let Some((place, _)) = owner.durable.iter().find(|(_, other)| other == record)
        {
            broken.push_of(
                record.stream,
                Rule::WalOrder,
                format!("epoch {epoch} recovered at {} what epoch {from} had at {}", at.0, place.0),
            );
        }
    }
    let recovered: BTreeSet<_> = term.recovered.iter().map(|(_, r)| (r.epoch, r.stream, r.base_offset)).collect();
    for (from, owner) in terms.range(emptying.unwrap_or(i64::MIN)..epoch) {
        let trimmed = owner.trims.iter().filter(|(at, _)| *at < ended).map(|(_, upto)| *upto).max();
        let needed = owner.durable.iter().filter(|(at, _)| trimmed.is_none_or(|upto| *at > upto));
        for (at, r) in needed.filter(|(_, r)| !recovered.contains(&(r.epoch, r.stream, r.base_offset))) {
            let (stream, base) = (r.stream, r.base_offset);
            let why = format!(
                "epoch {epoch} did not recover {}: offset {base} of stream {stream}, which epoch {from} had acknowledged",
                at.0
            );
            broken.push_of(stream, Rule::DurableIsRecovered, why);
        }
    }
}
