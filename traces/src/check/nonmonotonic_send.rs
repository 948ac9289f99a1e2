//! `nonmonotonic-send`: a producer's next send to a key lies before its last one in the log.
//!
//! As with polls, an `assign` or `subscribe` forgets the keys that it does not list: that is what the original does,
//! although a consumer's assignment has nothing to do with a producer.

use super::Evidence;
use super::anomaly::Anomaly;
use super::positions::Positions;
use super::proof::Proof;
use super::step::{self, Names};
use crate::history::{Function, Kind, OpId};

const NAMES: Names = Names { skip: None, nonmonotonic: Anomaly::NonmonotonicSend };

/// Every such step among `ok` and `info` operations.
pub fn check(evidence: &Evidence, out: &mut Vec<Proof>) {
    check_across(evidence, true, out);
}

/// Every such step, if assignments do, or do not, forget the keys that they do not list.
pub fn check_across(evidence: &Evidence, assignments_forget: bool, out: &mut Vec<Proof>) {
    let mut positions = Positions::default();
    for id in evidence.history.ids() {
        let op = evidence.history.op(id);
        if !matches!(op.kind, Kind::Ok | Kind::Info) {
            continue;
        }
        match op.function {
            Function::Assign | Function::Subscribe if assignments_forget => {
                positions.keep(op.process, evidence.history.assigned(id))
            }
            Function::Send | Function::Txn => check_op(evidence, id, &mut positions, out),
            Function::Assign | Function::Subscribe | Function::Poll | Function::Crash | Function::Other => {}
        }
    }
}

fn check_op(evidence: &Evidence, id: OpId, positions: &mut Positions, out: &mut Vec<Proof>) {
    for (key, runs) in step::by_key(evidence.history.sends(id)) {
        positions.check(evidence, id, key, &runs, NAMES, out);
        positions.advance(evidence.history.op(id).process, id, key, &runs);
    }
}
