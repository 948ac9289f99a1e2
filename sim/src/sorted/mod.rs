//! Ordered maps and sets for the many small tables of the models: [`SortedMap`] and [`SortedSet`].
//!
//! Most tables of a broker, a device or an invariant hold a handful of entries, and those that hold more are mostly queues: a
//! new key (an offset, an id, a moment) is the greatest, and what goes is the least. So the entries lie in order in a ring: what
//! comes at an end costs nothing, a search halves, and anything in the middle moves the shorter side of the entries.
//!
//! They have the names and the answers of the standard library's maps and sets, and are checked against them. What they are for
//! beside: the models know some two hundred such tables, and the B-trees of all of them were more than half of the code
//! that a compiler was given for the models.
//!
//! **Not for** tables of thousands of entries that come and go in the middle: for these there are B-trees.

mod map;
mod set;

pub use map::{Entry, OccupiedEntry, SortedMap, VacantEntry};
pub use set::SortedSet;

use std::borrow::Borrow;
use std::collections::VecDeque;
use std::ops::{Bound, Range, RangeBounds};

/// Where a key is, or where it would be. `key_of` says by what an entry is found.
fn find<T, K, Q>(entries: &VecDeque<T>, key: &Q, key_of: impl Fn(&T) -> &K) -> Result<usize, usize>
where
    K: Borrow<Q>,
    Q: Ord + ?Sized,
{
    entries.binary_search_by(|entry| key_of(entry).borrow().cmp(key))
}

/// The places of the entries within bounds.
fn places<T, K, Q>(entries: &VecDeque<T>, range: &impl RangeBounds<Q>, key_of: impl Fn(&T) -> &K) -> Range<usize>
where
    K: Borrow<Q>,
    Q: Ord + ?Sized,
{
    let below = |key: &Q, or_at: bool| match find(entries, key, &key_of) {
        Ok(at) => at + usize::from(or_at),
        Err(at) => at,
    };
    let start = match range.start_bound() {
        Bound::Included(key) => below(key, false),
        Bound::Excluded(key) => below(key, true),
        Bound::Unbounded => 0,
    };
    let end = match range.end_bound() {
        Bound::Included(key) => below(key, true),
        Bound::Excluded(key) => below(key, false),
        Bound::Unbounded => entries.len(),
    };
    start..end
}

#[cfg(test)]
mod tests;
