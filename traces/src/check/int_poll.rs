//! `int-poll-skip` and `int-nonmonotonic-poll`: within one operation, across all its polls, consecutive records of a key
//! are not consecutive in the log. Keys that a rebalance moved during the operation are exempt.

use super::Evidence;
use super::anomaly::Anomaly;
use super::proof::Proof;
use super::step::{self, Names};
use crate::history::{Kind, OpId};

const NAMES: Names = Names { skip: Some(Anomaly::IntPollSkip), nonmonotonic: Anomaly::IntNonmonotonicPoll };

/// Every such step, in operations of any end.
pub fn check(evidence: &Evidence, out: &mut Vec<Proof>) {
    let history = evidence.history;
    history.ids().filter(|id| history.op(*id).kind != Kind::Invoke).for_each(|id| check_op(evidence, id, out));
}

fn check_op(evidence: &Evidence, id: OpId, out: &mut Vec<Proof>) {
    for (key, runs) in step::by_key(evidence.history.polls(id)) {
        if !evidence.history.rebalanced(id).contains(&key) {
            step::check_inner(evidence, id, key, &runs, NAMES, out);
        }
    }
}
