//! `lost-write`: a value that must have committed, lies before something that was read, and was itself read by nobody.
//!
//! Not everything can be expected to have been read: readers may be slow. But readers read in order, so whoever read a
//! value has passed what lies before it. For each partition the *bound* is the highest of the first indices of all
//! values that `ok` operations polled. A value whose last index is not beyond the bound, and whose writer must have
//! committed, must be among the values polled by `ok` operations.

use super::Evidence;
use super::order::{Order, Place, parts};
use super::proof::Proof;
use crate::history::{KeyId, OpId, Value};
use rangemap::RangeSet;
use std::collections::{BTreeMap, BTreeSet};

/// Every lost value.
pub fn check(evidence: &Evidence, out: &mut Vec<Proof>) {
    let start = out.len();
    let mut bounds = BTreeMap::new();
    for (key, known) in evidence.index.keys() {
        let order = evidence.order(key);
        let Some(bound) = bound(order, &known.ok_read) else { continue };
        bounds.insert(key, bound);
        for place in order.last_indices().iter().filter_map(|place| place.up_to(bound)) {
            check_place(evidence, key, &place, bound, out);
        }
    }
    name_readers(evidence, &bounds, &mut out[start..]);
}

/// The highest of the first indices of the values read; `None` if no value's offset is known.
fn bound(order: &Order, read: &RangeSet<u64>) -> Option<u64> {
    let last_of = |place: Place| place.index + place.len - 1;
    read.iter().flat_map(|values| parts(order.first_indices(), values)).map(last_of).max()
}

/// The lost values among these, which lie at or before the bound.
fn check_place(evidence: &Evidence, key: KeyId, place: &Place, bound: u64, out: &mut Vec<Proof>) {
    let Evidence { history, index, .. } = evidence;
    for missed in index.key(key).ok_read.gaps(&place.values()) {
        for (values, writer) in index.writers(key, &missed) {
            let Some(writer) = writer.filter(|writer| index.must_have_committed(history, *writer)) else { continue };
            for first in parts(evidence.order(key).first_indices(), &values) {
                out.push(Proof::LostWrite {
                    key,
                    values: first.values(),
                    index: first.index,
                    writer,
                    max_read_index: bound,
                    max_read: None,
                });
            }
        }
    }
}

/// Fills in who read at each key's bound: the first to poll the value whose last place that is.
fn name_readers(evidence: &Evidence, bounds: &BTreeMap<KeyId, u64>, proofs: &mut [Proof]) {
    if proofs.is_empty() {
        return;
    }
    let mut wanted: BTreeMap<KeyId, Value> = BTreeMap::new();
    for key in proofs.iter().filter_map(Proof::key).collect::<BTreeSet<_>>() {
        wanted.extend(value_last_at(evidence, key, bounds[&key]).map(|value| (key, value)));
    }
    let mut readers: BTreeMap<KeyId, OpId> = BTreeMap::new();
    for id in evidence.history.ids().rev() {
        for run in evidence.history.polls(id) {
            if wanted.get(&run.key).is_some_and(|value| run.values().contains(&value.0)) {
                readers.insert(run.key, id);
            }
        }
    }
    for proof in proofs {
        if let Proof::LostWrite { key, max_read, .. } = proof {
            *max_read = readers.get(key).copied();
        }
    }
}

/// The value whose last place this is; of several, the one that the original takes.
fn value_last_at(evidence: &Evidence, key: KeyId, index: u64) -> Option<Value> {
    let is_here = |place: &&Place| place.index <= index && index < place.index + place.len;
    let here = evidence.order(key).last_indices().iter().filter(is_here);
    let values: Vec<_> = here.map(|place| Value(place.value + (index - place.index))).collect();
    super::clojure::first_value(&values, evidence.history).copied()
}
