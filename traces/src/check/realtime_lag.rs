//! How far behind, in time, each poll was: a measure, not an anomaly.
//!
//! The lag of a key in a poll is a lower bound of how long ago the highest offset that the process had seen stopped being
//! the last of the log. If offset 1 must have existed from time 3 on, and a poll that was invoked at time 4 leaves its
//! process at offset 0, then its lag is at least 1. A process that has seen nothing of an assigned key is at offset -1.

use crate::history::{Function, History, KeyId, Kind, OpId, Process};
use std::collections::BTreeMap;

/// The lag of one key in one poll.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lag {
    /// Who polled.
    pub process: Option<Process>,
    /// The key.
    pub key: KeyId,
    /// When the poll was invoked.
    pub time: i64,
    /// The lag, in the history's unit of time.
    pub lag: i64,
}

/// The lags of all `ok` operations that may poll, for each key that the process is at.
pub fn series(history: &History) -> Vec<Lag> {
    let expiry = Expiry::of(history);
    let mut positions: BTreeMap<Option<Process>, BTreeMap<KeyId, i64>> = BTreeMap::new();
    let mut lags = Vec::new();
    for id in history.ids().filter(|id| history.op(*id).kind == Kind::Ok) {
        let op = history.op(id);
        let at = positions.entry(op.process).or_default();
        match op.function {
            Function::Assign => {
                let of = |key: &KeyId| (*key, at.get(key).copied().unwrap_or(-1));
                *at = history.assigned(id).iter().map(of).collect();
            }
            Function::Subscribe => at.clear(),
            Function::Poll | Function::Txn => {
                for (key, offset) in highest(history, id) {
                    let known = at.entry(key).or_insert(offset);
                    *known = offset.max(*known);
                }
                let time = history.partner(id).map_or(op.time, |invocation| history.op(invocation).time);
                let lag = |(key, offset): (&KeyId, &i64)| {
                    let lag = expiry.of_offset(*key, *offset).map_or(0, |expired| time.saturating_sub(expired).max(0));
                    Lag { process: op.process, key: *key, time, lag }
                };
                lags.extend(at.iter().map(lag));
            }
            Function::Send | Function::Crash | Function::Other => {}
        }
    }
    lags
}

/// The first of the greatest lags.
pub fn worst(lags: &[Lag]) -> Option<Lag> {
    lags.iter().copied().reduce(|worst, lag| if lag.lag > worst.lag { lag } else { worst })
}

/// When each offset was known to be no longer the last: by key, the records of the highest known offset.
struct Expiry {
    records: BTreeMap<KeyId, Vec<(i64, i64)>>,
}

impl Expiry {
    fn of(history: &History) -> Expiry {
        let mut records: BTreeMap<KeyId, Vec<(i64, i64)>> = BTreeMap::new();
        for id in history.ids().filter(|id| matches!(history.op(*id).kind, Kind::Ok | Kind::Info)) {
            for (key, offset) in highest(history, id) {
                let records = records.entry(key).or_default();
                if records.last().is_none_or(|(highest, _)| *highest < offset) {
                    records.push((offset, history.op(id).time));
                }
            }
        }
        Expiry { records }
    }

    /// When something after this offset was first known to exist.
    fn of_offset(&self, key: KeyId, offset: i64) -> Option<i64> {
        let records = self.records.get(&key)?;
        records.get(records.partition_point(|(highest, _)| *highest <= offset)).map(|(_, time)| *time)
    }
}

/// The highest offset of each key that an operation sent to or polled; -1 if it polled nothing of it.
pub fn highest(history: &History, id: OpId) -> BTreeMap<KeyId, i64> {
    let mut highest = BTreeMap::new();
    for run in history.sends(id).chain(history.polls(id)) {
        let last = run.offset.filter(|_| run.count > 0).map(|offset| offset.0 + i64::from(run.count) - 1);
        if let Some(last) = last.or(run.is_poll().then_some(-1)) {
            let known = highest.entry(run.key).or_insert(last);
            *known = last.max(*known);
        }
    }
    highest
}
