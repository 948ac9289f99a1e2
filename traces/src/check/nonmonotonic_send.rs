//! `nonmonotonic-send`: a producer's next send to a key lies before its last one in the log.
//!
//! As with polls, an `assign` or `subscribe` forgets the keys that it does not list: that is what the original does,
//! although a consumer's assignment has nothing to do with a producer.

use super::Evidence;
use super::anomaly::Anomaly;
use super::positions::Positions;
use super::proof::Proof;
use super::step::{self, Names, Step};
use crate::history::{Function, History, Kind, OpId};

/// What its steps are called.
pub const NAMES: Names = Names { skip: None, nonmonotonic: Anomaly::NonmonotonicSend };

/// Every such step among `ok` and `info` operations.
pub fn check(evidence: &Evidence, out: &mut Vec<Proof>) {
    follow(evidence, Sends::default(), out);
}

/// Every such step, if assignments forget nothing.
pub fn check_across_assignments(evidence: &Evidence, out: &mut Vec<Proof>) {
    follow(evidence, Sends { assignments_keep: true, ..Sends::default() }, out);
}

fn follow(evidence: &Evidence, mut sends: Sends, out: &mut Vec<Proof>) {
    for id in evidence.history.ids() {
        sends.steps(evidence.history, id, &mut |step| out.extend(step.check(evidence, NAMES)));
    }
}

/// Follows all producers through a history.
#[derive(Clone, Debug, Default)]
pub struct Sends {
    positions: Positions,
    /// Assignments forget nothing.
    assignments_keep: bool,
}

impl Sends {
    /// Takes the next operation in: the steps that it makes.
    pub fn steps(&mut self, history: &History, id: OpId, visit: &mut dyn FnMut(Step)) {
        let op = history.op(id);
        if !matches!(op.kind, Kind::Ok | Kind::Info) {
            return;
        }
        match op.function {
            Function::Assign | Function::Subscribe if !self.assignments_keep => {
                self.positions.keep(op.process, history.assigned(id));
            }
            Function::Send | Function::Txn => {
                step::by_key(history.sends(id), |key, runs| {
                    self.positions.step(op.process, id, key, runs).into_iter().for_each(&mut *visit);
                    self.positions.advance(op.process, id, key, runs);
                });
            }
            Function::Assign | Function::Subscribe | Function::Poll | Function::Crash | Function::Other => {}
        }
    }
}
