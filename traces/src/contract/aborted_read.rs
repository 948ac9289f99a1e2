//! `aborted-read`: an operation that did not end well polled a value of one that failed.
//!
//! For an `ok` reader that is `G1a`. But a consumer under `read_committed` returns nothing that was not committed, whatever
//! becomes of the transaction around the poll, so a failed poll proves the same.

use crate::check::anomaly::Anomaly;
use crate::check::proof::Proof;
use crate::check::{Evidence, g1a};
use crate::history::Kind;

/// Every such read.
pub fn check(evidence: &Evidence, out: &mut Vec<Proof>) {
    let history = evidence.history;
    let start = out.len();
    for id in history.ids().filter(|id| matches!(history.op(*id).kind, Kind::Fail | Kind::Info)) {
        g1a::check_op(evidence, id, out);
    }
    for proof in &mut out[start..] {
        if let Proof::Read { anomaly, .. } = proof {
            *anomaly = Anomaly::AbortedRead;
        }
    }
}
