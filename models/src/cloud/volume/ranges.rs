//! A set of byte ranges that merges neighbours: which bytes are dirty, resident, allocated.

use std::collections::BTreeMap;
use std::ops::Range;

/// Disjoint, non-empty, non-touching ranges.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Ranges(BTreeMap<u64, u64>);

impl Ranges {
    /// Adds `range`; answers how many of its bytes were not there before.
    pub(super) fn insert(&mut self, range: Range<u64>) -> u64 {
        if range.is_empty() {
            return 0;
        }
        let before = self.covered(&range);
        let (mut start, mut end) = (range.start, range.end);
        // A range that touches on the left, then all that begin inside or touch on the right, become one.
        if let Some((&s, &e)) = self.0.range(..start).next_back()
            && e >= start
        {
            start = s;
            end = end.max(e);
        }
        while let Some((&s, &e)) = self.0.range(start..=end).next() {
            self.0.remove(&s);
            end = end.max(e);
        }
        self.0.insert(start, end);
        range.end - range.start - before
    }

    /// Takes `range` out; answers how many bytes that were.
    pub(super) fn remove(&mut self, range: Range<u64>) -> u64 {
        let mut removed = 0;
        while let Some((start, end)) = self.first_overlap(&range) {
            self.0.remove(&start);
            if start < range.start {
                self.0.insert(start, range.start);
            }
            if end > range.end {
                self.0.insert(range.end, end);
            }
            removed += end.min(range.end) - start.max(range.start);
        }
        removed
    }

    /// How many bytes of `range` are in the set.
    pub(super) fn covered(&self, range: &Range<u64>) -> u64 {
        self.overlaps(range).map(|r| r.end - r.start).sum()
    }

    /// The parts of `range` that are in the set, in order.
    pub(super) fn overlaps<'a>(&'a self, range: &Range<u64>) -> impl Iterator<Item = Range<u64>> + use<'a> {
        let range = range.clone();
        let first = self.0.range(..range.start).next_back().map_or(range.start, |(&s, _)| s);
        let window = if range.is_empty() { 0..0 } else { first..range.end };
        self.0.range(window).map(move |(&s, &e)| s.max(range.start)..e.min(range.end)).filter(|r| r.start < r.end)
    }

    /// The parts of `range` that are not in the set, in order.
    pub(super) fn gaps(&self, range: &Range<u64>) -> Vec<Range<u64>> {
        let (mut at, mut gaps) = (range.start, Vec::new());
        for held in self.overlaps(range) {
            if held.start > at {
                gaps.push(at..held.start);
            }
            at = held.end;
        }
        if at < range.end {
            gaps.push(at..range.end);
        }
        gaps
    }

    /// All ranges, in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = Range<u64>> + '_ {
        self.0.iter().map(|(&s, &e)| s..e)
    }

    /// Takes at most `max` bytes out, from the lowest offset on.
    pub(super) fn take_first(&mut self, max: u64) -> Option<Range<u64>> {
        let (&start, &end) = self.0.first_key_value()?;
        let cut = end.min(start.saturating_add(max));
        self.remove(start..cut);
        Some(start..cut)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn total(&self) -> u64 {
        self.0.iter().map(|(s, e)| e - s).sum()
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    fn first_overlap(&self, range: &Range<u64>) -> Option<(u64, u64)> {
        if range.is_empty() {
            return None;
        }
        let left = self.0.range(..range.start).next_back().filter(|&(_, &e)| e > range.start);
        left.or_else(|| self.0.range(range.clone()).next()).map(|(&s, &e)| (s, e))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn ranges_equal_a_bitmap(ops in prop::collection::vec((0u64..60, 0u64..20, any::<bool>()), 0..40)) {
            let (mut ranges, mut bits) = (Ranges::default(), [false; 100]);
            for (start, len, add) in ops {
                let window = &mut bits[start as usize..(start + len) as usize];
                let held = window.iter().filter(|&&b| b).count() as u64;
                window.fill(add);
                if add {
                    prop_assert_eq!(ranges.insert(start..start + len), len - held);
                } else {
                    prop_assert_eq!(ranges.remove(start..start + len), held);
                }
                prop_assert_eq!(ranges.total(), bits.iter().filter(|&&b| b).count() as u64);
                let gaps: u64 = ranges.gaps(&(0..100)).iter().map(|r| r.end - r.start).sum();
                prop_assert_eq!(gaps, 100 - ranges.total());
                for r in ranges.iter() {
                    prop_assert!(r.start < r.end && !bits.get(r.end as usize).copied().unwrap_or(false));
                }
            }
        }
    }
}
