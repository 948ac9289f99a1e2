//! `int-poll-skip` and `int-nonmonotonic-poll`: within one operation, across all its polls, consecutive records of a key
//! are not consecutive in the log. Keys that a rebalance moved during the operation are exempt.

use super::Evidence;
use super::anomaly::Anomaly;
use super::proof::Proof;
use super::step::{self, Names, Step};
use crate::history::{History, KeyId, Kind, OpId, Run};
use std::collections::BTreeSet;

/// What its steps are called.
pub const NAMES: Names = Names { skip: Some(Anomaly::IntPollSkip), nonmonotonic: Anomaly::IntNonmonotonicPoll };

/// Every such step, in operations of any end.
pub fn check(evidence: &Evidence, out: &mut Vec<Proof>) {
    let history = evidence.history;
    history.ids().filter(|id| history.op(*id).kind != Kind::Invoke).for_each(|id| check_op(evidence, id, out));
}

fn check_op(evidence: &Evidence, id: OpId, out: &mut Vec<Proof>) {
    stable(evidence.history, id, |key, runs| step::check_inner(evidence, id, key, runs, NAMES, out));
}

/// The steps from run to run that one completed operation makes.
pub fn steps(history: &History, id: OpId, visit: &mut dyn FnMut(Step)) {
    stable(history, id, |key, runs| step::between(id, key, runs, visit));
}

/// What an operation polled of each key that no rebalance moved meanwhile.
fn stable(history: &History, id: OpId, mut visit: impl FnMut(KeyId, &[Run])) {
    let moved: BTreeSet<_> = history.rebalanced(id).iter().copied().collect();
    step::by_key(history.polls(id), |key, runs| {
        if !moved.contains(&key) {
            visit(key, runs);
        }
    });
}
