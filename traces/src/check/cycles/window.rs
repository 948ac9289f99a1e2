//! The part of a history that can contain cycles.
//!
//! Links of processes and of real time lead from earlier to later completions, and most links of data do too. Take any
//! place between two neighbouring completions of the history, such that a cycle has operations on both sides of it. The
//! cycle crosses that place forwards, so it also crosses it backwards: a link from a later to an earlier completion
//! spans it. Hence all places between the first and the last operation of a cycle are spanned by backward links, and
//! all its operations lie within the *windows* of those links, from the completion where each ends to the one where it
//! begins. What lies in no window lies on no cycle.

use super::graph::{Link, completions};
use super::search::Scope;
use crate::history::{History, OpId};

/// The operations within windows, and the links between those.
pub fn scope(history: &History, links: &[Link]) -> Scope {
    let inside = inside(history, links);
    let is_inside = |id: &OpId| inside[id.0 as usize];
    Scope {
        ops: completions(history).filter(is_inside).collect(),
        links: links.iter().filter(|link| is_inside(&link.from) && is_inside(&link.to)).copied().collect(),
    }
}

/// For each line of the history: whether it is in a window.
fn inside(history: &History, links: &[Link]) -> Vec<bool> {
    // Where the last link begins that ends here. Forward links begin before they end, and so make no window.
    let mut begins = vec![None; history.len()];
    for link in links {
        let begin = &mut begins[link.to.0 as usize];
        *begin = (*begin).max(Some(link.from));
    }
    let mut until = None;
    let is_inside = |(id, begin)| {
        until = until.max(begin);
        Some(id) <= until
    };
    history.ids().zip(begins).map(is_inside).collect()
}
