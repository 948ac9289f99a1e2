//! What a plan over stream-set objects touches, and what it makes of it.

use super::super::object_format::BlockIndex;
use super::rewrite::{Block, Source};
use super::stream_sets::{Candidate, Outcome, Snapshot};
use crate::blob::Blob;
use crate::kafka::ids::{ObjectId, StreamId};
use crate::kafka::metadata::StreamRange;
use wavetank_sim::SortedSet;

fn range(stream: u64, start: u64, end: u64) -> StreamRange {
    StreamRange { stream: StreamId(stream), start, end }
}

fn snapshot(starts: &[(u64, u64)], sets: &[(u64, &[StreamRange])]) -> Snapshot {
    let candidate = |(object, ranges): &(u64, &[StreamRange])| {
        let object = ObjectId(*object);
        Candidate { object, size: 100, order: object, ranges: (*ranges).into() }
    };
    let starts = starts.iter().map(|(stream, start)| (StreamId(*stream), *start)).collect();
    Snapshot { sets: sets.iter().map(candidate).collect(), starts }
}

fn sources(snapshot: &Snapshot) -> Vec<Source> {
    let block = |range: &StreamRange| {
        let index = BlockIndex { range: *range, records: 1, position: 0, size: 100 };
        Block { index, bytes: Blob::zeros(100) }
    };
    let source = |set: &Candidate| Source { object: set.object, blocks: set.ranges.iter().map(block).collect() };
    snapshot.sets.iter().map(source).collect()
}

fn chosen(mut snapshot: Snapshot, split: u64) -> Vec<u64> {
    snapshot.choose(|object| object == ObjectId(split));
    snapshot.sets.iter().map(|set| set.object.0).collect()
}

#[test]
fn only_objects_that_share_a_stream_or_hold_nothing_are_touched() {
    let sets: [(u64, &[StreamRange]); 5] = [
        (1, &[range(1, 0, 5), range(2, 0, 5)]),
        (2, &[range(2, 5, 9)]),
        (3, &[range(3, 0, 5)]),
        (4, &[range(4, 0, 5), range(9, 0, 3)]),
        (5, &[range(3, 5, 9), range(5, 0, 2)]),
    ];
    // Stream 4 begins after what object 4 holds of it, stream 9 does not exist; of stream 3 only object 5 is needed.
    let starts = [(1, 0), (2, 0), (3, 5), (4, 5), (5, 0)];
    assert_eq!(chosen(snapshot(&starts, &sets), 0), [1, 2, 3, 4]);
    assert_eq!(chosen(snapshot(&starts, &sets), 5), [1, 2, 3, 4, 5], "it is old");
}

#[test]
fn large_streams_holes_and_old_objects_make_stream_objects() {
    let snapshot = snapshot(
        &[(1, 0), (2, 0), (3, 0), (4, 7)],
        &[
            (1, &[range(1, 0, 5), range(2, 0, 5), range(3, 0, 5), range(4, 0, 7)]),
            (2, &[range(1, 5, 9), range(2, 5, 9), range(2, 9, 12), range(3, 6, 9), range(4, 7, 9)]),
        ],
    );
    let outcome = Outcome::of(&snapshot, sources(&snapshot), 200, &SortedSet::new()).expect("nothing overlaps");
    assert_eq!(outcome.shared_ranges(), [range(1, 0, 9), range(4, 7, 9)]);
    assert_eq!(outcome.own_ranges(), [range(2, 0, 12), range(3, 0, 5), range(3, 6, 9)]);
    assert!(outcome.covers(&snapshot));
    let split = SortedSet::from([ObjectId(2)]);
    let outcome = Outcome::of(&snapshot, sources(&snapshot), 200, &split).expect("nothing overlaps");
    assert_eq!(outcome.shared_ranges(), []);
}

#[test]
fn what_overlaps_or_is_missing_is_noticed() {
    let of = |ranges: &'static [StreamRange]| snapshot(&[(1, 0)], &[(1, ranges), (2, &[])]);
    const OVERLAP: &[StreamRange] =
        &[StreamRange { stream: StreamId(1), start: 0, end: 5 }, StreamRange { stream: StreamId(1), start: 4, end: 9 }];
    let overlapping = of(OVERLAP);
    assert!(overlapping.has_overlaps() && !of(&OVERLAP[..1]).has_overlaps());
    assert!(Outcome::of(&overlapping, sources(&overlapping), 200, &SortedSet::new()).is_none());
    let whole = snapshot(&[(1, 0)], &[(1, &[range(1, 0, 5)]), (2, &[range(1, 5, 9)])]);
    let mut partly = sources(&whole);
    partly.pop();
    let outcome = Outcome::of(&whole, partly, 200, &SortedSet::new()).expect("nothing overlaps");
    assert!(!outcome.covers(&whole), "an object was not read");
}
