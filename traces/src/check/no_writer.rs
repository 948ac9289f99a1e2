//! `no-writer-of-value`: a poll returned a value that no operation sent.
//!
//! The original gives up on such a history. A checker that does not know all writers cannot say what must have committed,
//! so the verdict is unknown, unless the history is known to be complete, as under Kafka's contract it is taken to be.

use super::Evidence;
use super::anomaly::Anomaly;
use super::proof::Proof;
use crate::history::{Kind, OpId};

/// Every such read, of operations of any end.
pub fn check(evidence: &Evidence, out: &mut Vec<Proof>) {
    let history = evidence.history;
    history.ids().filter(|id| history.op(*id).kind != Kind::Invoke).for_each(|id| check_op(evidence, id, out));
}

fn check_op(evidence: &Evidence, reader: OpId, out: &mut Vec<Proof>) {
    for run in evidence.history.polls(reader).filter(|run| run.count > 0) {
        for values in evidence.index.key(run.key).writers.gaps(&run.values()) {
            out.push(Proof::Read { anomaly: Anomaly::NoWriterOfValue, key: run.key, values, writer: None, reader });
        }
    }
}
