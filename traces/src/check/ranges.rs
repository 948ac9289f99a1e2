//! What two ranges have in common.

use std::ops::Range;

/// The part of a range that lies within another; empty if none does.
pub fn clip<T: Ord + Copy>(range: &Range<T>, to: &Range<T>) -> Range<T> {
    range.start.max(to.start)..range.end.min(to.end)
}

/// The parts of `of` that the ranges cover.
pub fn intersect<'a, T: Ord + Copy + 'a>(of: &Range<T>, ranges: impl Iterator<Item = &'a Range<T>>) -> Vec<Range<T>> {
    ranges.map(|range| clip(range, of)).filter(|range| range.start < range.end).collect()
}
