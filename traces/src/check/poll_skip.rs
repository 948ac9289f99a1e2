//! `poll-skip` and `nonmonotonic-poll`: a consumer's next poll of a key does not go on where its last one ended.
//!
//! The position of a process in a key is the last record of its last `ok` operation that polled the key. A `fail` or
//! `info` operation is checked against it but does not move it: its consumer goes back. An `assign` or `subscribe` that
//! happened, or may have, forgets every key that it does not list.

use super::Evidence;
use super::anomaly::Anomaly;
use super::positions::Positions;
use super::proof::Proof;
use super::step::{self, Names, Step};
use crate::history::{Function, History, Kind, OpId};

/// What its steps are called.
pub const NAMES: Names = Names { skip: Some(Anomaly::PollSkip), nonmonotonic: Anomaly::NonmonotonicPoll };

/// Every such step.
pub fn check(evidence: &Evidence, out: &mut Vec<Proof>) {
    follow(evidence, Polls::default(), out);
}

/// Every such step, if a poll that lists a key with no record leaves the position in it as it was.
pub fn check_keeping_positions(evidence: &Evidence, out: &mut Vec<Proof>) {
    follow(evidence, Polls { empty_lists_keep: true, ..Polls::default() }, out);
}

fn follow(evidence: &Evidence, mut polls: Polls, out: &mut Vec<Proof>) {
    for id in evidence.history.ids() {
        polls.steps(evidence.history, id, &mut |step| out.extend(step.check(evidence, NAMES)));
    }
}

/// Follows all consumers through a history.
#[derive(Clone, Debug, Default)]
pub struct Polls {
    positions: Positions,
    /// A poll that lists a key with no record leaves the position in it as it was.
    empty_lists_keep: bool,
}

impl Polls {
    /// Takes the next operation in: the steps that it makes.
    pub fn steps(&mut self, history: &History, id: OpId, visit: &mut dyn FnMut(Step)) {
        let op = history.op(id);
        match op.function {
            Function::Assign | Function::Subscribe if matches!(op.kind, Kind::Ok | Kind::Info) => {
                self.positions.keep(op.process, history.assigned(id));
            }
            Function::Poll | Function::Txn if op.kind != Kind::Invoke => {
                step::by_key(history.polls(id), |key, runs| {
                    self.positions.step(op.process, id, key, runs).into_iter().for_each(&mut *visit);
                    if op.kind == Kind::Ok && !(runs.is_empty() && self.empty_lists_keep) {
                        self.positions.advance(op.process, id, key, runs);
                    }
                });
            }
            _ => {}
        }
    }
}
