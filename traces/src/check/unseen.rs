//! `unseen`: values that an `ok` operation sent and that no `ok` operation had polled by the end.
//!
//! Only a history whose readers were given the time to reach the end can say this of a value near the end.

use super::Evidence;
use super::proof::Proof;
use crate::history::{History, KeyId, Kind};
use rangemap::RangeSet;
use std::collections::BTreeMap;
use std::ops::Range;

/// Each key's unseen values.
pub fn check(evidence: &Evidence, out: &mut Vec<Proof>) {
    for (key, known) in evidence.index.keys() {
        let unread = |sent: &Range<u64>| known.ok_read.gaps(sent).collect::<Vec<_>>();
        let values: Vec<_> = known.acked.iter().flat_map(unread).collect();
        if !values.is_empty() {
            out.push(Proof::Unseen { key, values });
        }
    }
}

/// How many acknowledged values of each key nobody had polled, after each `ok` operation: a measure over time.
pub fn series(history: &History) -> Vec<(i64, BTreeMap<KeyId, u64>)> {
    let mut polled: BTreeMap<KeyId, RangeSet<u64>> = BTreeMap::new();
    let mut waiting: BTreeMap<KeyId, RangeSet<u64>> = BTreeMap::new();
    let mut series = Vec::new();
    for id in history.ids() {
        let op = history.op(id);
        if op.kind != Kind::Ok || !op.function.touches_records() {
            continue;
        }
        for run in history.polls(id).filter(|run| run.count > 0) {
            polled.entry(run.key).or_default().insert(run.values());
            waiting.entry(run.key).or_default().remove(run.values());
        }
        for run in history.sends(id) {
            let new: Vec<_> = polled.entry(run.key).or_default().gaps(&run.values()).collect();
            waiting.entry(run.key).or_default().extend(new);
        }
        let size = |set: &RangeSet<u64>| set.iter().map(|range| range.end - range.start).sum();
        series.push((op.time, waiting.iter().map(|(key, set)| (*key, size(set))).collect()));
    }
    series
}
