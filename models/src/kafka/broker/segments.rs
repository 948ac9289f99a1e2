//! The segments of a partition's log, as far as retention needs them (Kafka's `LogSegment`, `LogSegment.shouldRoll`,
//! `UnifiedLog.deleteOldSegments`; AutoMQ's `ElasticLogMeta`, which keeps the same of each segment in the meta stream).
//!
//! A segment is a run of batches: where it begins, its bytes, the timestamp of its first batch and the largest one. What is
//! deleted is a **prefix of whole segments**: one that is not to go yet keeps all later ones. The last segment may go too, and
//! the log is empty then.
//!
//! Which batch is in which segment is a function of the batches and the settings alone, so whoever reads the log again cuts it
//! in the same places.
//!
//! Simpler than reality: a segment is rolled by its size and its age, never because an index is full
//! (`segment.index.bytes`), and without jitter; the streams below have no segments, so nothing is written when one begins.

use crate::kafka::batch::RecordBatch;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use wavetank_sim::Nanos;

/// A topic's settings of segments and retention, by Kafka's keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogConfig {
    /// `segment.bytes` (1 GiB).
    pub segment_bytes: u64,
    /// `segment.ms` (7 days).
    pub segment_time: Nanos,
    /// `retention.ms` (7 days); none: for ever.
    pub retention_time: Option<Nanos>,
    /// `retention.bytes`; none (as in Kafka): no limit.
    pub retention_bytes: Option<u64>,
}

impl Default for LogConfig {
    fn default() -> LogConfig {
        let week = Nanos::secs(7 * 86_400);
        LogConfig { segment_bytes: 1 << 30, segment_time: week, retention_time: Some(week), retention_bytes: None }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Segment {
    base: u64,
    bytes: u64,
    first_timestamp: u64,
    largest_timestamp: u64,
}

/// How far a log goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Its first offset.
    pub start: u64,
    /// What may be deleted lies before; none: all of it may be, which is a bug.
    pub high_watermark: Option<u64>,
    /// Offset after its last.
    pub end: u64,
}

/// See the [module](self).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Segments {
    all: VecDeque<Segment>,
}

impl Segments {
    /// A batch goes into the last segment, or into a new one.
    pub fn append(&mut self, batch: &RecordBatch, config: &LogConfig) {
        let (bytes, first, largest) = (u64::from(batch.size_bytes()), batch.base_timestamp.0, batch.max_timestamp.0);
        let has_room = |last: &&mut Segment| {
            last.bytes + bytes <= config.segment_bytes
                && largest.saturating_sub(last.first_timestamp) <= config.segment_time.0
        };
        match self.all.back_mut().filter(has_room) {
            Some(last) => {
                last.bytes += bytes;
                last.largest_timestamp = last.largest_timestamp.max(largest);
            }
            None => {
                let base = batch.base_offset;
                self.all.push_back(Segment { base, bytes, first_timestamp: first, largest_timestamp: largest });
            }
        }
    }

    /// Where the log is to begin: after the segments that are wholly before its start, then those beyond the size, then those
    /// that are too old, in that order. A wall clock says `now`.
    pub fn expired(&self, log: Extent, now: Nanos, config: &LogConfig) -> u64 {
        let upper = |n: usize| self.all.get(n + 1).map_or(log.end, |next| next.base);
        let may_go = |n: &usize| *n < self.all.len() && log.high_watermark.is_none_or(|highest| upper(*n) <= highest);
        let mut gone = self.all.iter().skip(1).take_while(|segment| segment.base <= log.start).count();
        if let Some(limit) = config.retention_bytes {
            let size: u64 = self.all.iter().skip(gone).map(|segment| segment.bytes).sum();
            let mut beyond = size.saturating_sub(limit);
            while may_go(&gone) && size >= limit && self.all[gone].bytes <= beyond {
                beyond -= self.all[gone].bytes;
                gone += 1;
            }
        }
        if let Some(limit) = config.retention_time {
            let is_old = |segment: &Segment| now.0.saturating_sub(segment.largest_timestamp) > limit.0;
            while may_go(&gone) && is_old(&self.all[gone]) {
                gone += 1;
            }
        }
        let start = if gone == 0 { log.start } else { upper(gone - 1) };
        start.max(log.start)
    }

    /// Forgets the segments that are wholly before an offset, in a log that ends there.
    pub fn delete_before(&mut self, offset: u64, log_end: u64) {
        while !self.all.is_empty() && self.all.get(1).map_or(log_end, |next| next.base) <= offset {
            self.all.pop_front();
        }
    }

    /// Bytes of the segments that take no batch any more.
    pub fn closed_bytes(&self) -> u64 {
        self.all.iter().rev().skip(1).map(|segment| segment.bytes).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kafka::ids::WriterId;
    use proptest::prelude::*;

    const KIB: u64 = 1 << 10;

    /// Segments of ten offsets of 1 KiB each, whose largest timestamps are these seconds.
    fn segments(seconds: &[u64]) -> (Segments, LogConfig) {
        let config = LogConfig { segment_bytes: KIB, ..LogConfig::default() };
        let mut segments = Segments::default();
        for (n, second) in (0..).zip(seconds) {
            let at = Nanos::secs(*second);
            let bytes = KIB as u32 - crate::kafka::batch::BATCH_HEADER_BYTES;
            let mut batch = RecordBatch::of_load(WriterId(0), n * 10, 10, bytes, (at, at));
            batch.base_offset = n * 10;
            segments.append(&batch, &config);
        }
        (segments, config)
    }

    fn log(high_watermark: u64) -> Extent {
        Extent { start: 0, high_watermark: Some(high_watermark), end: 40 }
    }

    #[test]
    fn time_goes_by_the_largest_timestamp_and_takes_a_prefix_up_to_the_high_watermark() {
        let (segments, mut config) = segments(&[10, 90, 20, 30]);
        config.retention_time = Some(Nanos::secs(50));
        let at = |now, high_watermark| segments.expired(log(high_watermark), Nanos::secs(now), &config);
        assert_eq!(at(60, 40), 0, "not older than the limit");
        assert_eq!(at(61, 40), 10);
        assert_eq!(at(139, 40), 10, "the second one keeps the older ones after it");
        assert_eq!((at(141, 40), at(141, 39), at(141, 9)), (40, 30, 0));
        assert_eq!(segments.expired(Extent { high_watermark: None, ..log(9) }, Nanos::secs(141), &config), 40);
        config.retention_time = None;
        assert_eq!(segments.expired(log(40), Nanos::secs(1 << 30), &config), 0);
    }

    #[test]
    fn size_leaves_no_less_than_the_limit() {
        let (segments, mut config) = segments(&[0, 0, 0, 0]);
        let mut at = |limit| {
            config.retention_bytes = Some(limit);
            segments.expired(log(40), Nanos::ZERO, &config)
        };
        let starts = [5 * KIB, 4 * KIB, 3 * KIB + 1, 3 * KIB, KIB, 1, 0].map(&mut at);
        assert_eq!(starts, [0, 0, 0, 10, 30, 30, 40]);
    }

    #[test]
    fn what_lies_before_the_start_goes_first() {
        let (mut segments, mut config) = segments(&[0, 0, 0, 0]);
        config.retention_bytes = Some(2 * KIB);
        let extent = Extent { start: 15, ..log(40) };
        assert_eq!(segments.expired(extent, Nanos::ZERO, &config), 20);
        segments.delete_before(20, 40);
        assert_eq!(segments.closed_bytes(), KIB);
        segments.delete_before(40, 40);
        assert_eq!(segments, Segments::default());
    }

    proptest! {
        #[test]
        fn segments_are_cut_in_the_same_places_whoever_reads_the_log(
            batches in prop::collection::vec((1u32..400, 0u64..9), 1..60), cut in any::<prop::sample::Index>(),
        ) {
            let config = LogConfig { segment_bytes: KIB, segment_time: Nanos(30), ..LogConfig::default() };
            let (mut all, mut at, mut offset) = (Vec::new(), 0, 0);
            for (bytes, later) in batches {
                at += later;
                let mut batch = RecordBatch::of_load(WriterId(0), offset, 3, bytes, (Nanos(at), Nanos(at)));
                batch.base_offset = offset;
                offset = batch.next_offset();
                all.push(batch);
            }
            let mut whole = Segments::default();
            all.iter().for_each(|batch| whole.append(batch, &config));
            // From a snapshot on.
            let (before, after) = all.split_at(cut.index(all.len()));
            let mut first = Segments::default();
            before.iter().for_each(|batch| first.append(batch, &config));
            after.iter().for_each(|batch| first.append(batch, &config));
            prop_assert_eq!(&first, &whole);
            prop_assert!(whole.all.iter().all(|segment| segment.bytes <= KIB));
        }
    }
}
