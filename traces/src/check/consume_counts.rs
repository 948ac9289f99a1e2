//! How often each process consumed the same value while subscribed: a measure, not an anomaly in Jepsen's contract.
//!
//! A transaction that polls by subscription and commits should process a record once. Assigned consumers are free to
//! read again.

use super::ranges::clip;
use crate::history::{Function, History, KeyId, Kind, Process, Value};
use rangemap::RangeMap;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

/// Values that one process consumed more than once, with the number of times.
pub fn repeated(history: &History) -> BTreeMap<(Option<Process>, KeyId, Value), u32> {
    let mut subscribed = BTreeSet::new();
    let mut counts: BTreeMap<(Option<Process>, KeyId), RangeMap<u64, u32>> = BTreeMap::new();
    for id in history.ids().filter(|id| history.op(*id).kind == Kind::Ok) {
        let op = history.op(id);
        if op.function == Function::Subscribe {
            subscribed.insert(op.process);
        } else if subscribed.contains(&op.process) {
            for run in history.polls(id).filter(|run| run.count > 0) {
                count(counts.entry((op.process, run.key)).or_default(), run.values());
            }
        }
    }
    let repeated = |((process, key), counts): ((_, _), RangeMap<u64, u32>)| {
        let more_than_once = counts.into_iter().filter(|(_, count)| *count > 1);
        more_than_once.flat_map(move |(values, count)| values.map(move |value| ((process, key, Value(value)), count)))
    };
    counts.into_iter().flat_map(repeated).collect()
}

/// Adds one to the counts of these values.
fn count(counts: &mut RangeMap<u64, u32>, values: Range<u64>) {
    let known: Vec<_> = counts.overlapping(&values).map(|(range, count)| (clip(range, &values), *count)).collect();
    let new: Vec<_> = counts.gaps(&values).collect();
    for (range, count) in known.into_iter().chain(new.into_iter().map(|range| (range, 0))) {
        counts.insert(range, count + 1);
    }
}
