//! The contract of a log, held against what its users saw.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
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
    last_durable: Nanos,
    terms: BTreeMap<i64, Term>,
    broken: Vec<String>,
}

/// Everybody tells it everything.
#[derive(Clone, Default)]
pub struct Judge(Arc<Mutex<State>>);

/// What the judge has seen.
#[derive(Debug, Default, Clone, Copy)]
pub struct Seen {
    pub durable: usize,
    pub recovered: usize,
    pub trimmed: usize,
    pub owners: usize,
    pub ready: usize,
    pub released: usize,
    pub last_durable: Nanos,
}

impl Judge {
    fn with<R>(&self, epoch: i64, tell: impl FnOnce(&mut Term, u64, &mut Vec<String>) -> R) -> R {
        let mut state = self.0.lock().unwrap();
        let State { clock, terms, broken, .. } = &mut *state;
        *clock += 1;
        let term = terms.entry(epoch).or_default();
        if term.over {
            broken.push(format!("epoch {epoch}: something came after the end"));
        }
        tell(term, *clock, broken)
    }

    pub fn acquired(&self, epoch: i64) {
        self.with(epoch, |term, _, broken| {
            if std::mem::replace(&mut term.acquired, true) {
                broken.push(format!("epoch {epoch}: acquired twice"));
            }
        });
    }

    pub fn appended(&self, epoch: i64, record: &WalRecord) {
        self.with(epoch, |term, _, _| term.appended.insert((record.stream, record.base_offset), record.clone()));
    }

    pub fn durable(&self, now: Nanos, epoch: i64, at: WalOffset, record: WalRecord) {
        self.0.lock().unwrap().last_durable = now;
        self.with(epoch, |term, _, broken| {
            if term.empty.is_none() {
                broken.push(format!("epoch {epoch}: durable before it was ready"));
            }
            if term.durable.last().is_some_and(|(last, _)| *last >= at) {
                broken.push(format!("epoch {epoch}: {at:?} durable out of order"));
            }
            let earlier = term.durable.iter().rev().find(|(_, other)| other.stream == record.stream);
            if record.base_offset != earlier.map_or(0, |(_, other)| other.next_offset()) {
                broken.push(format!(
                    "epoch {epoch}: {:?} {} out of its stream's order",
                    record.stream, record.base_offset
                ));
            }
            if term.appended.get(&(record.stream, record.base_offset)) != Some(&record) {
                broken.push(format!("epoch {epoch}: {at:?} was never appended so"));
            }
            term.durable.push((at, record));
        });
    }

    pub fn trimmed(&self, epoch: i64, upto: WalOffset) {
        self.with(epoch, |term, now, _| term.trims.push((now, upto)));
    }

    pub fn recovered(&self, epoch: i64, at: WalOffset, record: WalRecord) {
        self.with(epoch, |term, _, broken| {
            if term.recovered.last().is_some_and(|(last, _)| *last >= at) {
                broken.push(format!("epoch {epoch}: {at:?} recovered out of order"));
            }
            term.recovered.push((at, record));
        });
    }

    pub fn recovery_ended(&self, epoch: i64) {
        self.with(epoch, |term, now, _| term.recovery_ended = Some(now));
    }

    pub fn reset_called(&self, epoch: i64) {
        self.with(epoch, |term, now, _| term.reset_called = Some(now));
    }

    pub fn empty(&self, epoch: i64) {
        self.with(epoch, |term, now, _| term.empty = Some(now));
    }

    pub fn over(&self, epoch: i64) {
        self.with(epoch, |term, _, _| term.over = true);
    }

    pub fn seen(&self) -> Seen {
        let state = self.0.lock().unwrap();
        let mut seen = Seen { owners: state.terms.len(), last_durable: state.last_durable, ..Seen::default() };
        for term in state.terms.values() {
            seen.durable += term.durable.len();
            seen.recovered += term.recovered.len();
            seen.trimmed += term.trims.len();
            seen.ready += usize::from(term.empty.is_some() && !term.appended.is_empty());
            seen.released += usize::from(term.empty.is_some() && term.appended.is_empty());
        }
        seen
    }

    /// What was broken, at the end of a run.
    pub fn verdict(&self) -> Vec<String> {
        let state = self.0.lock().unwrap();
        let mut broken = state.broken.clone();
        for (epoch, term) in state.terms.iter().filter(|(_, term)| term.recovery_ended.is_some()) {
            check_recovery(&state.terms, *epoch, term, &mut broken);
        }
        broken
    }
}

fn check_recovery(terms: &BTreeMap<i64, Term>, epoch: i64, term: &Term, broken: &mut Vec<String>) {
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
            broken.push(format!(
                "epoch {epoch} recovered {at:?} {record:?}: not of a log that epoch {emptied:?} emptied"
            ));
            continue;
        };
        // Durable records are in the order of their offsets.
        if owner.durable.binary_search_by_key(at, |(place, _)| *place).is_err()
            && let Some((place, _)) = owner.durable.iter().find(|(_, other)| other == record)
        {
            broken.push(format!("epoch {epoch} recovered at {at:?} what epoch {from} had at {place:?}"));
        }
    }
    let recovered: BTreeSet<_> = term.recovered.iter().map(|(_, r)| (r.epoch, r.stream, r.base_offset)).collect();
    for (from, owner) in terms.range(emptying.unwrap_or(i64::MIN)..epoch) {
        let trimmed = owner.trims.iter().filter(|(at, _)| *at < ended).map(|(_, upto)| *upto).max();
        let needed = owner.durable.iter().filter(|(at, _)| trimmed.is_none_or(|upto| *at > upto));
        for (at, r) in needed.filter(|(_, r)| !recovered.contains(&(r.epoch, r.stream, r.base_offset))) {
            broken.push(format!(
                "epoch {epoch} did not recover {at:?} {:?} {}, which epoch {from} had acknowledged",
                r.stream, r.base_offset
            ));
        }
    }
}
