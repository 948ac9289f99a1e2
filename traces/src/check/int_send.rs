//! `int-nonmonotonic-send` and `int-send-skip`: within one operation, consecutive sends to a key are not consecutive in
//! the log. A skip is what interleaved transactions do all the time, so it is told but never held against anybody.

use super::Evidence;
use super::anomaly::Anomaly;
use super::proof::Proof;
use super::step::{self, Names, Step};
use crate::history::{History, Kind, OpId};

/// What its steps are called.
pub const NAMES: Names = Names { skip: Some(Anomaly::IntSendSkip), nonmonotonic: Anomaly::IntNonmonotonicSend };

/// Every such step, in operations of any end.
pub fn check(evidence: &Evidence, out: &mut Vec<Proof>) {
    let history = evidence.history;
    history.ids().filter(|id| history.op(*id).kind != Kind::Invoke).for_each(|id| check_op(evidence, id, out));
}

fn check_op(evidence: &Evidence, id: OpId, out: &mut Vec<Proof>) {
    step::by_key(evidence.history.sends(id), |key, runs| step::check_inner(evidence, id, key, runs, NAMES, out));
}

/// The steps from run to run that one completed operation makes.
pub fn steps(history: &History, id: OpId, visit: &mut dyn FnMut(Step)) {
    step::by_key(history.sends(id), |key, runs| step::between(id, key, runs, visit));
}
