//! A set in the order of its members.

use super::{find, insert, places, remove, seat};
use serde::de::{Deserialize, Deserializer};
use serde::ser::{Serialize, Serializer};
use std::borrow::Borrow;
use std::collections::{VecDeque, vec_deque};
use std::fmt;
use std::mem;
use std::ops::RangeBounds;

/// A set in the order of its members, whose methods mean what those of [`BTreeSet`](std::collections::BTreeSet) mean. See the
/// [module](super).
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct SortedSet<T> {
    members: VecDeque<T>,
}

impl<T> SortedSet<T> {
    /// A set with nothing in it, which takes no memory.
    pub const fn new() -> Self {
        Self { members: VecDeque::new() }
    }

    /// How many members there are.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Takes all members out.
    pub fn clear(&mut self) {
        self.members.clear();
    }

    /// The members, in order.
    pub fn iter(&self) -> vec_deque::Iter<'_, T> {
        self.members.iter()
    }

    /// The least member.
    pub fn first(&self) -> Option<&T> {
        self.members.front()
    }

    /// The greatest member.
    pub fn last(&self) -> Option<&T> {
        self.members.back()
    }

    /// Takes the least member out.
    pub fn pop_first(&mut self) -> Option<T> {
        self.members.pop_front()
    }

    /// Takes the greatest member out.
    pub fn pop_last(&mut self) -> Option<T> {
        self.members.pop_back()
    }

    /// Keeps the members of which `keep` says so.
    pub fn retain(&mut self, keep: impl FnMut(&T) -> bool) {
        self.members.retain(keep);
    }
}

impl<T: Ord> SortedSet<T> {
    fn find<Q>(&self, member: &Q) -> Result<usize, usize>
    where
        T: Borrow<Q>,
        Q: Ord + ?Sized,
    {
        find(&self.members, member)
    }

    /// Whether this is a member.
    pub fn contains<Q>(&self, member: &Q) -> bool
    where
        T: Borrow<Q>,
        Q: Ord + ?Sized,
    {
        self.find(member).is_ok()
    }

    /// Makes this a member, and says whether it was none.
    pub fn insert(&mut self, member: T) -> bool {
        let seat = seat(&self.members, &member);
        if let Err(at) = seat {
            insert(&mut self.members, at, member);
        }
        seat.is_err()
    }

    /// Takes a member out, and says whether it was one.
    pub fn remove<Q>(&mut self, member: &Q) -> bool
    where
        T: Borrow<Q>,
        Q: Ord + ?Sized,
    {
        self.take(member).is_some()
    }

    /// Takes a member out.
    pub fn take<Q>(&mut self, member: &Q) -> Option<T>
    where
        T: Borrow<Q>,
        Q: Ord + ?Sized,
    {
        self.find(member).ok().and_then(|at| remove(&mut self.members, at))
    }

    /// The members within bounds, in order.
    ///
    /// # Panics
    ///
    /// If the range starts behind its end.
    pub fn range<Q>(&self, range: impl RangeBounds<Q>) -> vec_deque::Iter<'_, T>
    where
        T: Borrow<Q>,
        Q: Ord + ?Sized,
    {
        let places = places(&self.members, &range);
        self.members.range(places)
    }

    /// Takes the members from `member` on out.
    pub fn split_off<Q>(&mut self, member: &Q) -> Self
    where
        T: Borrow<Q>,
        Q: Ord + ?Sized,
    {
        let at = self.find(member).unwrap_or_else(|at| at);
        Self { members: self.members.split_off(at) }
    }

    /// Takes all members of another set over.
    pub fn append(&mut self, other: &mut Self) {
        self.extend(mem::take(other));
    }

    /// The members that are not in another set, in order.
    pub fn difference<'a>(&'a self, other: &'a Self) -> impl DoubleEndedIterator<Item = &'a T> {
        self.iter().filter(|member| !other.contains(*member))
    }

    /// The members that are in another set too, in order.
    pub fn intersection<'a>(&'a self, other: &'a Self) -> impl DoubleEndedIterator<Item = &'a T> {
        self.iter().filter(|member| other.contains(*member))
    }

    /// Whether all members are in another set too.
    pub fn is_subset(&self, other: &Self) -> bool {
        self.difference(other).next().is_none()
    }

    /// Whether no member is in another set too.
    pub fn is_disjoint(&self, other: &Self) -> bool {
        self.intersection(other).next().is_none()
    }
}

impl<T> Default for SortedSet<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: fmt::Debug> fmt::Debug for SortedSet<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

impl<T: Ord> Extend<T> for SortedSet<T> {
    fn extend<I: IntoIterator<Item = T>>(&mut self, members: I) {
        for member in members {
            self.insert(member);
        }
    }
}

impl<'a, T: Ord + Copy> Extend<&'a T> for SortedSet<T> {
    fn extend<I: IntoIterator<Item = &'a T>>(&mut self, members: I) {
        self.extend(members.into_iter().copied());
    }
}

impl<T: Ord> FromIterator<T> for SortedSet<T> {
    fn from_iter<I: IntoIterator<Item = T>>(members: I) -> Self {
        let mut set = Self::new();
        set.extend(members);
        set
    }
}

impl<T: Ord, const N: usize> From<[T; N]> for SortedSet<T> {
    fn from(members: [T; N]) -> Self {
        members.into_iter().collect()
    }
}

impl<T> IntoIterator for SortedSet<T> {
    type Item = T;
    type IntoIter = vec_deque::IntoIter<T>;

    fn into_iter(self) -> Self::IntoIter {
        self.members.into_iter()
    }
}

impl<'a, T> IntoIterator for &'a SortedSet<T> {
    type Item = &'a T;
    type IntoIter = vec_deque::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<T: Serialize> Serialize for SortedSet<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self)
    }
}

impl<'de, T: Deserialize<'de> + Ord> Deserialize<'de> for SortedSet<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Vec::deserialize(deserializer).map(Self::from_iter)
    }
}
