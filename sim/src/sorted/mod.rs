//! Ordered maps and sets for the many small tables of the models: [`SortedMap`] and [`SortedSet`].
//!
//! Most tables of a broker, a device or an invariant hold a handful of entries, and those that hold more are mostly queues: a
//! new key (an offset, an id, a moment) is the greatest, and what goes is the least. So keys lie in order in a
//! ring, and values in another: what comes at an end costs nothing, a search halves and reads keys alone, and anything in the
//! middle moves the shorter side of both.
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

/// Where a key is, or where it would be.
fn find<K, Q>(keys: &VecDeque<K>, key: &Q) -> Result<usize, usize>
where
    K: Borrow<Q>,
    Q: Ord + ?Sized,
{
    let (front, back) = keys.as_slices();
    let (keys, before) = match back.first() {
        Some(first) if first.borrow() <= key => (back, front.len()),
        _ => (front, 0),
    };
    let found = keys.binary_search_by(|other| other.borrow().cmp(key));
    found.map(|at| before + at).map_err(|at| before + at)
}

/// Where a key that is to go in is, or would be. Most often it is the greatest.
fn seat<K: Ord>(keys: &VecDeque<K>, key: &K) -> Result<usize, usize> {
    match keys.back() {
        Some(last) if last >= key => find(keys, key),
        _ => Err(keys.len()),
    }
}

/// Puts an item in its place: most often the last, for which there is a shorter way.
fn insert<T>(items: &mut VecDeque<T>, at: usize, item: T) {
    if at == items.len() {
        items.push_back(item);
    } else {
        items.insert(at, item);
    }
}

/// Takes an item from its place: most often the first, for which there is a shorter way.
fn remove<T>(items: &mut VecDeque<T>, at: usize) -> Option<T> {
    if at == 0 { items.pop_front() } else { items.remove(at) }
}

/// The places of the keys within bounds.
fn places<K, Q>(keys: &VecDeque<K>, range: &impl RangeBounds<Q>) -> Range<usize>
where
    K: Borrow<Q>,
    Q: Ord + ?Sized,
{
    let below = |key: &Q, or_at: bool| match find(keys, key) {
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
        Bound::Unbounded => keys.len(),
    };
    start..end
}

#[cfg(test)]
mod tests;
