//! A partition's version order: its values in log order, counted without holes.
//!
//! *Index* means rank: the place among the offsets that are known to hold something. Where several values were seen at
//! one offset, one of them is chosen, as a Clojure hash set would; where a chosen value is at several offsets, its index
//! is the last one.

use super::clojure;
use super::log::{Log, Stretch};
use crate::history::{History, Value};
use rangemap::RangeMap;
use std::ops::Range;

/// Chosen values in log order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Cell {
    index: u64,
    at: Stretch,
}

/// Values with consecutive indices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The first value.
    pub value: u64,
    /// Its index.
    pub index: u64,
    /// How many.
    pub len: u64,
}

impl Place {
    /// Its values.
    pub fn values(&self) -> Range<u64> {
        self.value..self.value + self.len
    }

    /// The part of it that has these values.
    pub fn part(&self, values: &Range<u64>) -> Option<Place> {
        let (start, end) = (self.value.max(values.start), (self.value + self.len).min(values.end));
        (start < end).then(|| Place { value: start, index: self.index + (start - self.value), len: end - start })
    }

    /// The part of it whose indices are at most `last`.
    pub fn up_to(&self, last: u64) -> Option<Place> {
        (self.index <= last).then(|| Place { len: self.len.min(last - self.index + 1), ..*self })
    }
}

/// The version order of one partition.
#[derive(Clone, Debug, Default)]
pub struct Order {
    cells: Vec<Cell>,
    by_value: Vec<Place>,
    /// Of all values, chosen or not; `None` where that is the same as `by_value`.
    first_and_last: Option<(Vec<Place>, Vec<Place>)>,
}

impl Order {
    /// The order that a log gives.
    pub fn new(log: &Log, history: &History) -> Order {
        let cells = cells(log, history);
        let as_place = |cell: &Cell| Place { value: cell.at.value, index: cell.index, len: cell.at.len };
        let mut by_value: Vec<_> = cells.iter().map(as_place).collect();
        if log.contradicts_itself() {
            by_value = latest(by_value.into_iter());
        } else {
            by_value.sort_unstable_by_key(|place| place.value);
        }
        let mut order = Order { cells, by_value, first_and_last: None };
        if log.contradicts_itself() {
            let mut all: Vec<_> = log.firsts().chain(log.others()).flat_map(|at| order.places(&at)).collect();
            all.sort_unstable_by_key(|place| place.index);
            order.first_and_last = Some((latest(all.iter().rev().copied()), latest(all.into_iter())));
        }
        order
    }

    /// How many offsets are known to hold something.
    pub fn len(&self) -> u64 {
        self.cells.last().map_or(0, |cell| cell.index + cell.at.len)
    }

    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        self.cells.is_empty()
    }

    /// The index of a value, if it was chosen anywhere.
    pub fn index(&self, value: Value) -> Option<u64> {
        find(&self.by_value, value)
    }

    /// The number of places from one value to another; `None` if either is not in the order.
    pub fn delta(&self, from: Value, to: Value) -> Option<i64> {
        Some(self.index(to)? as i64 - self.index(from)? as i64)
    }

    /// The chosen value at an index.
    pub fn value_at(&self, index: u64) -> Option<Value> {
        let cell = self.cells[..self.cells.partition_point(|cell| cell.index <= index)].last()?;
        let by = index - cell.index;
        (by < cell.at.len).then(|| Value(cell.at.value + by))
    }

    /// The index of an offset that is known to hold something.
    pub fn index_of(&self, offset: i64) -> Option<u64> {
        let cell = self.cells[..self.cells.partition_point(|cell| cell.at.offset <= offset)].last()?;
        let by = (offset - cell.at.offset) as u64;
        (by < cell.at.len).then(|| cell.index + by)
    }

    /// The chosen values at these indices, in order, as ranges.
    pub fn values_between(&self, indices: Range<u64>) -> Vec<Range<u64>> {
        let start = self.cells.partition_point(|cell| cell.index + cell.at.len <= indices.start);
        let clip = |cell: &Cell| {
            let from = indices.start.max(cell.index) - cell.index;
            let to = indices.end.min(cell.index + cell.at.len) - cell.index;
            cell.at.value + from..cell.at.value + to
        };
        self.cells[start..].iter().take_while(|cell| cell.index < indices.end).map(clip).collect()
    }

    /// The chosen values with their (last) indices, in order of value.
    pub fn by_value(&self) -> &[Place] {
        &self.by_value
    }

    /// All values, chosen or not, with the first index at which each was seen; in order of value.
    pub fn first_indices(&self) -> &[Place] {
        self.first_and_last.as_ref().map_or(&self.by_value, |(first, _)| first)
    }

    /// All values, chosen or not, with the last index at which each was seen; in order of value.
    pub fn last_indices(&self) -> &[Place] {
        self.first_and_last.as_ref().map_or(&self.by_value, |(_, last)| last)
    }

    /// The first index at which a value was seen, chosen or not.
    pub fn first_index(&self, value: Value) -> Option<u64> {
        find(self.first_indices(), value)
    }

    /// A stretch of the log by index, cut where cells end.
    fn places(&self, at: &Stretch) -> Vec<Place> {
        let start = self.cells.partition_point(|cell| cell.at.offsets().end <= at.offset);
        let inside = self.cells[start..].iter().take_while(|cell| cell.at.offset < at.offsets().end);
        inside
            .map(|cell| {
                let (from, to) = (cell.at.offset.max(at.offset), cell.at.offsets().end.min(at.offsets().end));
                Place {
                    value: at.value + (from - at.offset) as u64,
                    index: cell.index + (from - cell.at.offset) as u64,
                    len: (to - from) as u64,
                }
            })
            .collect()
    }
}

/// The places of `places`, sorted by value, that contain `values` or parts of them, cut to it.
pub fn parts<'a>(places: &'a [Place], values: &'a Range<u64>) -> impl Iterator<Item = Place> + 'a {
    let start = places.partition_point(|place| place.values().end <= values.start);
    places[start..].iter().take_while(|place| place.value < values.end).filter_map(|place| place.part(values))
}

fn find(places: &[Place], value: Value) -> Option<u64> {
    let place = places[..places.partition_point(|place| place.value <= value.0)].last()?;
    place.part(&(value.0..value.0 + 1)).map(|place| place.index)
}

/// Where places hold the same values, keeps those that come later; sorts by value.
fn latest(places: impl Iterator<Item = Place>) -> Vec<Place> {
    let mut map = RangeMap::new();
    for place in places {
        map.insert(place.values(), place.index.wrapping_sub(place.value));
    }
    let place = |(values, diagonal): (&Range<u64>, &u64)| Place {
        value: values.start,
        index: diagonal.wrapping_add(values.start),
        len: values.end - values.start,
    };
    map.iter().map(place).collect()
}

/// One chosen value for each known offset.
fn cells(log: &Log, history: &History) -> Vec<Cell> {
    let mut cells = Vec::new();
    let mut index = 0;
    let mut push = |at: Stretch| {
        cells.push(Cell { index, at });
        index += at.len;
    };
    for first in log.firsts() {
        let mut rest = first;
        for offset in log.conflicts_in(first.offsets()) {
            let (before, after) = split(&rest, offset);
            before.into_iter().for_each(&mut push);
            push(Stretch { offset, value: choose(&log.values_at(offset), history).0, len: 1 });
            rest = after;
        }
        if rest.len > 0 {
            push(rest);
        }
    }
    cells
}

/// What lies before and after an offset of the stretch.
fn split(stretch: &Stretch, offset: i64) -> (Option<Stretch>, Stretch) {
    let before = (offset - stretch.offset) as u64;
    let after = Stretch { offset: offset + 1, value: stretch.value + before + 1, len: stretch.len - before - 1 };
    ((before > 0).then_some(Stretch { len: before, ..*stretch }), after)
}

fn choose(values: &[Value], history: &History) -> Value {
    *clojure::first_value(values, history).expect("an offset in conflict has values")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Offset;

    fn order(evidence: &[(i64, u64, u32)]) -> (Log, Order) {
        let mut log = Log::default();
        for (offset, value, count) in evidence {
            log.add(Offset(*offset), Value(*value), *count);
        }
        let order = Order::new(&log, &History::new());
        (log, order)
    }

    fn each(places: &[Place]) -> Vec<(u64, u64)> {
        places.iter().flat_map(|place| (0..place.len).map(|by| (place.value + by, place.index + by))).collect()
    }

    #[test]
    fn holes_do_not_count() {
        let (_, order) = order(&[(10, 100, 2), (20, 50, 3), (0, 7, 1)]);
        assert_eq!(order.len(), 6);
        assert!(!order.is_empty() && Order::default().is_empty());
        let by_index: Vec<_> = (0..7).map(|index| order.value_at(index).map(|value| value.0)).collect();
        assert_eq!(by_index, [Some(7), Some(100), Some(101), Some(50), Some(51), Some(52), None]);
        assert_eq!(order.index(Value(51)), Some(4));
        assert_eq!(order.index(Value(53)), None);
        assert_eq!((order.index_of(11), order.index_of(12), order.index_of(22)), (Some(2), None, Some(5)));
        assert_eq!(order.delta(Value(52), Value(7)), Some(-5));
        assert_eq!(order.values_between(1..5), [100..102, 50..52]);
    }

    /// The vectors of the original's `log->value->first-index` and `log->last-index->values` tests.
    #[test]
    fn first_and_last_indices_count_every_value_of_an_offset() {
        let (a, b, c, d) = (1, 2, 3, 4);
        let (log, order) =
            order(&[(1, a, 1), (2, a, 1), (2, b, 1), (2, c, 1), (4, c, 1), (5, c, 1), (5, d, 1), (6, d, 1)]);
        assert_eq!(each(order.first_indices()), [(a, 0), (b, 1), (c, 1), (d, 3)]);
        assert_eq!(each(order.last_indices()), [(a, 1), (b, 1), (c, 3), (d, 4)]);
        assert_eq!(log.values_at(2), [Value(a), Value(b), Value(c)]);
    }

    #[test]
    fn a_long_stretch_is_cut_only_where_it_is_contradicted() {
        let (_, order) = order(&[(0, 100, 1_000_000), (500, 7, 1), (2_000_000, 105, 1)]);
        assert_eq!(order.cells.len(), 4);
        assert_eq!(order.index(Value(105)), Some(1_000_000), "the last one");
        assert_eq!(order.first_index(Value(105)), Some(5));
        // Which of 600 and 7 was chosen does not matter to what was seen.
        assert_eq!((order.first_index(Value(600)), order.first_index(Value(7))), (Some(500), Some(500)));
        assert_eq!(order.index(Value(601)), Some(501));
    }
}
