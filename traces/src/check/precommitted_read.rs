//! `precommitted-read`: an operation, however it ended, polled a value that it had sent itself.
//!
//! Most databases allow that. In Kafka a transaction's records are invisible to everybody until it commits.

use super::Evidence;
use super::anomaly::Anomaly;
use super::proof::Proof;
use super::ranges::intersect;
use crate::history::{KeyId, Kind, OpId};
use rangemap::RangeSet;
use std::collections::BTreeMap;

/// Every such read, once for each operation and value.
pub fn check(evidence: &Evidence, out: &mut Vec<Proof>) {
    let history = evidence.history;
    history.ids().filter(|id| history.op(*id).kind != Kind::Invoke).for_each(|id| check_op(evidence, id, out));
}

/// The reads of its own values in one operation.
pub fn check_op(evidence: &Evidence, id: OpId, out: &mut Vec<Proof>) {
    let history = evidence.history;
    if history.polls(id).next().is_none() {
        return;
    }
    let mut sent: BTreeMap<KeyId, RangeSet<u64>> = BTreeMap::new();
    for run in history.sends(id) {
        sent.entry(run.key).or_default().insert(run.values());
    }
    let mut own: BTreeMap<KeyId, RangeSet<u64>> = BTreeMap::new();
    for run in history.polls(id).filter(|run| run.count > 0) {
        if let Some(sent) = sent.get(&run.key) {
            own.entry(run.key).or_default().extend(intersect(&run.values(), sent.overlapping(run.values())));
        }
    }
    for (key, values) in own.into_iter().flat_map(|(key, own)| own.into_iter().map(move |values| (key, values))) {
        let (writer, reader) = (Some(id), id);
        out.push(Proof::Read { anomaly: Anomaly::PrecommittedRead, key, values, writer, reader });
    }
}
