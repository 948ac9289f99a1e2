//! `G1a`: an `ok` operation polled a value of an operation that failed.

use super::Evidence;
use super::anomaly::Anomaly;
use super::proof::Proof;
use super::ranges::intersect;
use crate::history::{Kind, OpId};

/// Every such read.
pub fn check(evidence: &Evidence, out: &mut Vec<Proof>) {
    let history = evidence.history;
    history.ids().filter(|id| history.op(*id).kind == Kind::Ok).for_each(|id| check_op(evidence, id, out));
}

/// The reads of failed values in one operation.
pub fn check_op(evidence: &Evidence, reader: OpId, out: &mut Vec<Proof>) {
    for run in evidence.history.polls(reader) {
        let failed = &evidence.index.key(run.key).failed;
        for values in intersect(&run.values(), failed.overlapping(run.values())) {
            for (values, writer) in evidence.index.writers(run.key, &values) {
                out.push(Proof::Read { anomaly: Anomaly::G1a, key: run.key, values, writer, reader });
            }
        }
    }
}
