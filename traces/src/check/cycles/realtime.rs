//! The order of real time: an operation that was `ok` comes before all that were invoked later.
//!
//! What failed did not happen, and of what is unknown nobody knows when, so nothing comes after those in real time. They
//! come after others all the same.

use super::graph::completions;
use crate::history::{History, Kind, OpId};

/// Whether anything comes after this completion only because it was invoked later.
pub fn has_successors(history: &History, completion: OpId) -> bool {
    history.op(completion).kind == Kind::Ok
}

/// Whether any operation comes before another.
pub fn orders_any(history: &History) -> bool {
    let first = completions(history).find(|id| has_successors(history, *id));
    let last = completions(history).filter_map(|id| history.partner(id)).max();
    first.is_some() && first < last
}
