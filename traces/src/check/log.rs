//! What a history proves about one partition's log: which values lie at which offsets.
//!
//! Evidence comes as [runs](crate::history::Run): consecutive values at consecutive offsets. Along a run the difference
//! of value and offset (its *diagonal*) is constant, so evidence that repeats or continues what is known costs nothing:
//! a log of a million records that arrived in ten thousand batches is at most ten thousand ranges, however often they
//! were polled. Only contradictions are kept beside: further values at an offset, further offsets of a value.

use super::ranges::intersect;
use crate::Offset;
use crate::history::Value;
use rangemap::{RangeMap, RangeSet};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

/// Consecutive values at consecutive offsets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stretch {
    /// The first offset.
    pub offset: i64,
    /// The first value.
    pub value: u64,
    /// How many.
    pub len: u64,
}

impl Stretch {
    /// Its offsets.
    pub fn offsets(&self) -> Range<i64> {
        self.offset..self.offset + self.len as i64
    }

    /// Its values.
    pub fn values(&self) -> Range<u64> {
        self.value..self.value + self.len
    }

    fn diagonal(&self) -> u64 {
        self.value.wrapping_sub(self.offset as u64)
    }

    fn at_offsets(diagonal: u64, offsets: Range<i64>) -> Stretch {
        let len = (offsets.end - offsets.start) as u64;
        Stretch { offset: offsets.start, value: diagonal.wrapping_add(offsets.start as u64), len }
    }
}

/// The known log of a partition.
#[derive(Clone, Debug, Default)]
pub struct Log {
    /// The first value that was seen at each offset, as diagonals.
    by_offset: RangeMap<i64, u64>,
    /// The first offset at which each value was seen, as diagonals.
    by_value: RangeMap<u64, u64>,
    /// Further values at offsets that have a first one: contradictions, so there are few.
    others: BTreeMap<i64, BTreeSet<Value>>,
    /// Values at more than one offset.
    repeats: RangeSet<u64>,
}

impl Log {
    /// Takes evidence in. Whether any of it was new.
    pub fn add(&mut self, offset: Offset, value: Value, count: u32) -> bool {
        let evidence = Stretch { offset: offset.0, value: value.0, len: u64::from(count) };
        if count == 0 || self.holds(&evidence) {
            return false;
        }
        let offsets = evidence.offsets();
        if !self.by_offset.overlaps(&offsets) {
            self.add_first(&evidence);
            return true;
        }
        let free: Vec<_> = self.by_offset.gaps(&offsets).collect();
        let mut is_new = self.add_others(&evidence);
        for offsets in free {
            self.add_first(&Stretch::at_offsets(evidence.diagonal(), offsets));
            is_new = true;
        }
        is_new
    }

    /// Whether all of it lies within one range that is already known: the common case.
    fn holds(&self, evidence: &Stretch) -> bool {
        self.by_offset
            .get_key_value(&evidence.offset)
            .is_some_and(|(known, diagonal)| *diagonal == evidence.diagonal() && known.end >= evidence.offsets().end)
    }

    /// Puts values at offsets that have none.
    fn add_first(&mut self, piece: &Stretch) {
        self.by_offset.insert(piece.offsets(), piece.diagonal());
        self.note_values(piece);
    }

    /// Puts values at those offsets that have others. Whether any of them was not there yet.
    fn add_others(&mut self, evidence: &Stretch) -> bool {
        let diagonal = evidence.diagonal();
        let others = self.by_offset.overlapping(evidence.offsets()).filter(|(_, known)| **known != diagonal);
        let contradicted = intersect(&evidence.offsets(), others.map(|(offsets, _)| offsets));
        let mut is_new = false;
        for offset in contradicted.into_iter().flatten() {
            let piece = Stretch::at_offsets(diagonal, offset..offset + 1);
            if self.others.entry(offset).or_default().insert(Value(piece.value)) {
                self.note_values(&piece);
                is_new = true;
            }
        }
        is_new
    }

    /// Notes where new values are, and which of them were elsewhere already.
    fn note_values(&mut self, piece: &Stretch) {
        let (values, diagonal) = (piece.values(), piece.diagonal());
        if !self.by_value.overlaps(&values) {
            return self.by_value.insert(values, diagonal);
        }
        let elsewhere = intersect(&values, self.by_value.overlapping(&values).map(|(range, _)| range));
        let free: Vec<_> = self.by_value.gaps(&values).collect();
        for range in free {
            self.by_value.insert(range, diagonal);
        }
        self.repeats.extend(elsewhere);
    }

    /// The first value seen at each offset, in order of offset.
    pub fn firsts(&self) -> impl Iterator<Item = Stretch> {
        self.by_offset.iter().map(|(offsets, diagonal)| Stretch::at_offsets(*diagonal, offsets.clone()))
    }

    /// Further values at offsets that have a first one.
    pub fn others(&self) -> impl Iterator<Item = Stretch> {
        let at = |(offset, values): (&i64, &BTreeSet<Value>)| {
            let offset = *offset;
            values.iter().map(move |value| Stretch { offset, value: value.0, len: 1 }).collect::<Vec<_>>()
        };
        self.others.iter().flat_map(at)
    }

    /// Offsets with more than one value, in order.
    pub fn conflicts(&self) -> impl Iterator<Item = i64> {
        self.others.keys().copied()
    }

    /// Those within a range.
    pub fn conflicts_in(&self, offsets: Range<i64>) -> impl Iterator<Item = i64> {
        self.others.range(offsets).map(|(offset, _)| *offset)
    }

    /// Whether any offset has more than one value, or any value more than one offset.
    pub fn contradicts_itself(&self) -> bool {
        !self.others.is_empty() || !self.repeats.is_empty()
    }

    /// All values at an offset, in order.
    pub fn values_at(&self, offset: i64) -> Vec<Value> {
        let first = self.by_offset.get(&offset);
        let first = first.map(|diagonal| Value(diagonal.wrapping_add(offset as u64)));
        let mut values: Vec<_> =
            first.into_iter().chain(self.others.get(&offset).into_iter().flatten().copied()).collect();
        values.sort_unstable();
        values
    }

    /// Values at more than one offset.
    pub fn repeats(&self) -> &RangeSet<u64> {
        &self.repeats
    }

    /// The offset at which a value was first seen.
    pub fn offset_of(&self, value: Value) -> Option<i64> {
        self.by_value.get(&value.0).map(|diagonal| value.0.wrapping_sub(*diagonal) as i64)
    }

    /// All offsets at which a value was seen, in no particular order.
    pub fn offsets_of(&self, value: Value) -> impl Iterator<Item = Offset> {
        let at = move |stretch: Stretch| {
            let by = value.0.checked_sub(stretch.value).filter(|by| *by < stretch.len)?;
            Some(Offset(stretch.offset + by as i64))
        };
        self.firsts().chain(self.others()).filter_map(at)
    }

    /// Whether any value is known to lie at one of these offsets.
    pub fn occupies(&self, offsets: Range<i64>) -> bool {
        offsets.start < offsets.end && self.by_offset.overlaps(&offsets)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(log: &mut Log, offset: i64, value: u64, count: u32) -> bool {
        log.add(Offset(offset), Value(value), count)
    }

    #[test]
    fn evidence_that_repeats_or_continues_is_one_range() {
        let mut log = Log::default();
        assert!(add(&mut log, 10, 100, 5));
        assert!(add(&mut log, 12, 102, 6));
        assert!(!add(&mut log, 10, 100, 8));
        assert!(!add(&mut log, 99, 99, 0));
        assert_eq!(log.firsts().collect::<Vec<_>>(), [Stretch { offset: 10, value: 100, len: 8 }]);
        assert_eq!((log.offset_of(Value(107)), log.offset_of(Value(108))), (Some(17), None));
        assert!(log.occupies(17..20) && !log.occupies(18..20) && !log.occupies(12..12));
    }

    #[test]
    fn contradictions_are_noted_where_they_are() {
        let mut log = Log::default();
        add(&mut log, 0, 100, 10);
        assert!(add(&mut log, 8, 200, 4));
        assert!(!add(&mut log, 8, 200, 4), "the same again is no news");
        assert!(log.repeats().is_empty());
        assert!(add(&mut log, 20, 105, 2));
        assert_eq!(log.conflicts().collect::<Vec<_>>(), [8, 9]);
        assert_eq!(log.repeats().iter().cloned().collect::<Vec<_>>(), vec![105..107]);
        assert_eq!(log.values_at(9), [Value(109), Value(201)]);
        assert_eq!(log.values_at(11), [Value(203)]);
        assert_eq!(log.values_at(12), []);
        assert_eq!(log.conflicts_in(9..11).collect::<Vec<_>>(), [9]);
        assert_eq!(log.offsets_of(Value(106)).collect::<Vec<_>>(), [Offset(6), Offset(21)]);
    }

    #[test]
    fn a_value_repeated_only_among_further_values_is_a_repeat() {
        let mut log = Log::default();
        add(&mut log, 0, 100, 2);
        add(&mut log, 0, 7, 1);
        assert!(log.repeats().is_empty());
        assert!(add(&mut log, 1, 7, 1));
        assert!(log.repeats().contains(&7) && log.conflicts().any(|offset| offset == 1));
        let mut offsets: Vec<_> = log.offsets_of(Value(7)).collect();
        offsets.sort_unstable();
        assert_eq!(offsets, [Offset(0), Offset(1)]);
    }
}
