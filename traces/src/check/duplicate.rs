//! `duplicate`: a value that lies at two or more offsets of its partition. An acknowledgement and a poll that disagree
//! about the offset count too.

use super::Evidence;
use super::log::Log;
use super::proof::Proof;
use super::ranges::intersect;
use crate::Offset;
use crate::history::Value;
use std::collections::BTreeMap;

/// Every value at two or more offsets.
pub fn check(evidence: &Evidence, out: &mut Vec<Proof>) {
    for (key, known) in evidence.index.keys().filter(|(_, known)| !known.log.repeats().is_empty()) {
        for (value, mut offsets) in offsets_of_repeats(&known.log) {
            offsets.sort_unstable();
            out.push(Proof::Duplicate { key, value, offsets });
        }
    }
}

fn offsets_of_repeats(log: &Log) -> BTreeMap<Value, Vec<Offset>> {
    let mut offsets: BTreeMap<Value, Vec<Offset>> = BTreeMap::new();
    for stretch in log.firsts().chain(log.others()) {
        for value in intersect(&stretch.values(), log.repeats().overlapping(&stretch.values())).into_iter().flatten() {
            let offset = Offset(stretch.offset + (value - stretch.value) as i64);
            offsets.entry(Value(value)).or_default().push(offset);
        }
    }
    offsets
}
