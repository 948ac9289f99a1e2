//! The metadata log as a controller holds it in memory: a snapshot, and the entries after it.
//!
//! ```text
//!   ..... not in memory .....| start      kept for who is behind      | snapshot.end           | end
//!                            '----------------------------------------'------------------------'
//! ```
//!
//! What the [file](super::log_file) holds is the snapshot and what comes after it.

use crate::kafka::ids::{ControllerEpoch, MetadataOffset};
use crate::kafka::metadata::{ClusterImage, Entry};
use crate::kafka::protocol::controller::LogEnd;
use std::collections::VecDeque;
use std::sync::Arc;

/// What all entries before `end` add up to.
#[derive(Clone, Debug, Default)]
pub(super) struct Snapshot {
    /// Where the log ended.
    pub(super) end: LogEnd,
    /// The image.
    pub(super) image: Arc<ClusterImage>,
}

/// See the [module](self).
#[derive(Clone, Debug, Default)]
pub(super) struct Log {
    snapshot: Snapshot,
    start: LogEnd,
    entries: VecDeque<Arc<Entry>>,
}

impl Log {
    /// A log out of what its file holds.
    pub(super) fn recovered(snapshot: Snapshot, entries: Vec<Arc<Entry>>) -> Log {
        let mut log = Log { start: snapshot.end, snapshot, entries: VecDeque::new() };
        entries.into_iter().for_each(|entry| log.append(entry));
        log
    }

    pub(super) fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// Where the part in memory begins.
    pub(super) fn start(&self) -> LogEnd {
        self.start
    }

    pub(super) fn end(&self) -> LogEnd {
        let of = |entry: &Arc<Entry>| LogEnd { epoch: entry.epoch, offset: MetadataOffset(entry.offset.0 + 1) };
        self.entries.back().map_or(self.start, of)
    }

    fn index(&self, offset: MetadataOffset) -> usize {
        (offset.0 - self.start.offset.0) as usize
    }

    /// An entry that is in memory.
    pub(super) fn get(&self, offset: MetadataOffset) -> Option<&Arc<Entry>> {
        if offset < self.start.offset { None } else { self.entries.get(self.index(offset)) }
    }

    /// At most so many entries from an offset on, which must not be before the start.
    pub(super) fn entries_from(&self, offset: MetadataOffset, max: usize) -> impl Iterator<Item = &Arc<Entry>> {
        self.entries.iter().skip(self.index(offset)).take(max)
    }

    /// Where the greatest epoch ends that is not greater than this one; `None` where that is before the start.
    pub(super) fn end_of_epoch(&self, epoch: ControllerEpoch) -> Option<LogEnd> {
        let after = self.entries.partition_point(|entry| entry.epoch <= epoch);
        match after.checked_sub(1) {
            Some(last) => {
                let entry = &self.entries[last];
                Some(LogEnd { epoch: entry.epoch, offset: MetadataOffset(entry.offset.0 + 1) })
            }
            None => Some(self.start).filter(|start| start.epoch <= epoch),
        }
    }

    /// Whether a log that ends there is a prefix of this one; if not, where they part at the latest, or `None` when only
    /// the snapshot can tell.
    pub(super) fn compare(&self, end: LogEnd) -> Comparison {
        if end.offset < self.start.offset {
            return Comparison::Behind;
        }
        match self.end_of_epoch(end.epoch) {
            None => Comparison::Behind,
            Some(mine) if mine.epoch == end.epoch && end.offset <= mine.offset => Comparison::Prefix,
            Some(mine) => Comparison::Diverges(mine),
        }
    }

    pub(super) fn append(&mut self, entry: Arc<Entry>) {
        let end = self.end();
        assert!(entry.offset == end.offset && entry.epoch >= end.epoch, "{entry:?} does not come after {end:?}");
        self.entries.push_back(entry);
    }

    /// Drops all from an offset on.
    pub(super) fn truncate(&mut self, offset: MetadataOffset) {
        assert!(offset >= self.snapshot.end.offset, "a snapshot is of committed entries");
        self.entries.truncate(self.index(offset));
    }

    /// Takes an image of a prefix in the place of its entries; the last `keep` of those stay in memory.
    pub(super) fn compact(&mut self, image: Arc<ClusterImage>, keep: usize) {
        let offset = image.next;
        let epoch = self.get(MetadataOffset(offset.0 - 1)).expect("a snapshot is of entries in memory").epoch;
        self.snapshot = Snapshot { end: LogEnd { epoch, offset }, image };
        while self.index(offset) > keep {
            let first = self.entries.pop_front().expect("it has as many");
            self.start = LogEnd { epoch: first.epoch, offset: MetadataOffset(first.offset.0 + 1) };
        }
    }

    /// Forgets everything for somebody else's snapshot.
    pub(super) fn replace(&mut self, snapshot: Snapshot) {
        *self = Log::recovered(snapshot, Vec::new());
    }
}

/// How a log relates to another that ends somewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comparison {
    /// The other is a prefix.
    Prefix,
    /// It is not: here ends the epoch up to which they can agree.
    Diverges(LogEnd),
    /// It ends where this log's memory does not reach.
    Behind,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(start: (u32, u64), epochs: &[u32]) -> Log {
        let end = LogEnd { epoch: ControllerEpoch(start.0), offset: MetadataOffset(start.1) };
        let mut image = ClusterImage::default();
        image.next = end.offset;
        let entry = |(i, epoch): (usize, &u32)| {
            let offset = MetadataOffset(start.1 + i as u64);
            Arc::new(Entry { epoch: ControllerEpoch(*epoch), offset, records: Vec::new() })
        };
        let entries = epochs.iter().enumerate().map(entry).collect();
        Log::recovered(Snapshot { end, image: Arc::new(image) }, entries)
    }

    fn end(epoch: u32, offset: u64) -> LogEnd {
        LogEnd { epoch: ControllerEpoch(epoch), offset: MetadataOffset(offset) }
    }

    #[test]
    fn logs_part_where_the_greatest_common_epoch_ends() {
        let log = log((0, 0), &[1, 1, 3, 3, 5]);
        for (other, expected) in [
            (end(0, 0), Comparison::Prefix),
            (end(1, 1), Comparison::Prefix),
            (end(1, 2), Comparison::Prefix),
            (end(1, 3), Comparison::Diverges(end(1, 2))),
            (end(2, 2), Comparison::Diverges(end(1, 2))),
            (end(3, 4), Comparison::Prefix),
            (end(4, 4), Comparison::Diverges(end(3, 4))),
            (end(5, 5), Comparison::Prefix),
            (end(5, 6), Comparison::Diverges(end(5, 5))),
            (end(9, 1), Comparison::Diverges(end(5, 5))),
        ] {
            assert_eq!(log.compare(other), expected, "{other:?}");
        }
    }

    #[test]
    fn what_ends_before_the_memory_needs_the_snapshot() {
        let log = log((2, 10), &[2, 4]);
        assert_eq!(log.compare(end(2, 9)), Comparison::Behind);
        assert_eq!(log.compare(end(1, 10)), Comparison::Behind);
        assert_eq!(log.compare(end(2, 10)), Comparison::Prefix);
        assert_eq!(log.compare(end(2, 11)), Comparison::Prefix);
        assert_eq!(log.compare(end(3, 11)), Comparison::Diverges(end(2, 11)));
    }

    #[test]
    fn a_compacted_log_keeps_a_tail_for_who_is_a_little_behind() {
        let mut log = log((0, 0), &[1, 1, 1, 2, 2]);
        let mut image = ClusterImage::default();
        image.next = MetadataOffset(4);
        log.compact(Arc::new(image), 2);
        assert_eq!((log.snapshot().end, log.start(), log.end()), (end(2, 4), end(1, 2), end(2, 5)));
        assert_eq!(log.compare(end(1, 2)), Comparison::Prefix);
        assert_eq!(log.compare(end(1, 1)), Comparison::Behind);
        assert_eq!(log.entries_from(MetadataOffset(3), 9).count(), 2);
    }
}
