//! `poll-skip` and `nonmonotonic-poll`: a consumer's next poll of a key does not go on where its last one ended.
//!
//! The position of a process in a key is the last record of its last `ok` operation that polled the key. A `fail` or
//! `info` operation is checked against it but does not move it: its consumer goes back. An `assign` or `subscribe` that
//! happened, or may have, forgets every key that it does not list.

use super::Evidence;
use super::anomaly::Anomaly;
use super::positions::Positions;
use super::proof::Proof;
use super::step::{self, Names};
use crate::history::{Function, Kind, OpId};

const NAMES: Names = Names { skip: Some(Anomaly::PollSkip), nonmonotonic: Anomaly::NonmonotonicPoll };

/// Every such step.
pub fn check(evidence: &Evidence, out: &mut Vec<Proof>) {
    check_from(evidence, true, out);
}

/// Every such step, if a poll that lists a key with no record does, or does not, forget the position in it.
pub fn check_from(evidence: &Evidence, empty_lists_forget: bool, out: &mut Vec<Proof>) {
    let mut positions = Positions::default();
    for id in evidence.history.ids() {
        let op = evidence.history.op(id);
        match op.function {
            Function::Assign | Function::Subscribe if matches!(op.kind, Kind::Ok | Kind::Info) => {
                positions.keep(op.process, evidence.history.assigned(id));
            }
            Function::Poll | Function::Txn if op.kind != Kind::Invoke => {
                check_op(evidence, id, &mut positions, empty_lists_forget, out);
            }
            _ => {}
        }
    }
}

fn check_op(evidence: &Evidence, id: OpId, positions: &mut Positions, empty_lists_forget: bool, out: &mut Vec<Proof>) {
    let op = evidence.history.op(id);
    let keys = step::by_key(evidence.history.polls(id)).into_iter();
    for (key, runs) in keys.filter(|(_, runs)| empty_lists_forget || !runs.is_empty()) {
        positions.check(evidence, id, key, &runs, NAMES, out);
        if op.kind == Kind::Ok {
            positions.advance(op.process, id, key, &runs);
        }
    }
}
