//! `precommitted-read`: an operation, however it ended, polled a value that it had sent itself.
//!
//! Most databases allow that. In Kafka a transaction's records are invisible to everybody until it commits.

use super::Evidence;
use super::anomaly::Anomaly;
use super::proof::Proof;
use crate::history::{Kind, OpId};
use std::collections::BTreeSet;

/// Every such read, once for each operation and value.
pub fn check(evidence: &Evidence, out: &mut Vec<Proof>) {
    let history = evidence.history;
    history.ids().filter(|id| history.op(*id).kind != Kind::Invoke).for_each(|id| check_op(evidence, id, out));
}

/// The reads of its own values in one operation.
pub fn check_op(evidence: &Evidence, id: OpId, out: &mut Vec<Proof>) {
    let mut found = BTreeSet::new();
    for sent in evidence.history.sends(id) {
        for polled in evidence.history.polls(id).filter(|polled| polled.key == sent.key) {
            let start = sent.values().start.max(polled.values().start);
            let end = sent.values().end.min(polled.values().end);
            if start < end && found.insert((sent.key, start, end)) {
                out.push(Proof::Read {
                    anomaly: Anomaly::PrecommittedRead,
                    key: sent.key,
                    values: start..end,
                    writer: Some(id),
                    reader: id,
                });
            }
        }
    }
}
