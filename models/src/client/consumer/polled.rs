//! Records as an application gets them.

use crate::kafka::batch::{RecordBatch, Records};
use crate::kafka::ids::{TopicIdPartition, WriterId};
use crate::probe::LogSpan;
use wavetank_sim::Nanos;

/// Consecutive records of one batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Polled {
    /// Of which partition.
    pub tp: TopicIdPartition,
    /// The batch that they are in.
    pub batch: RecordBatch,
    /// Offset of the first one.
    pub offset: u64,
    /// How many.
    pub count: u32,
}

impl Polled {
    /// The next offset to read after them.
    pub fn next_offset(&self) -> u64 {
        self.offset + u64::from(self.count)
    }

    /// Takes over those that follow on these in the same batch; `false`, and nothing is taken, if others do.
    pub fn extend(&mut self, next: &Polled) -> bool {
        let is_one_batch = self.tp == next.tp && self.batch.base_offset == next.batch.base_offset;
        let follows = is_one_batch && self.next_offset() == next.offset;
        if follows {
            self.count += next.count;
        }
        follows
    }

    /// Identity of the first one; `None` for records that are not of the load.
    pub fn first(&self) -> Option<(WriterId, u64)> {
        match self.batch.records {
            Records::Range { writer, first } => Some((writer, first + (self.offset - self.batch.base_offset))),
            Records::Inline(_) => None,
        }
    }

    /// What they are, for probes.
    pub fn span(&self) -> LogSpan {
        LogSpan { tp: self.tp, base: self.offset, next: self.next_offset(), first: self.first() }
    }

    /// Timestamps of the first and the last one; a batch has those of its own ends, and what lies between is on a line.
    pub fn timestamps(&self) -> (Nanos, Nanos) {
        let RecordBatch { base_timestamp, max_timestamp, count, base_offset, .. } = self.batch;
        let span = max_timestamp.saturating_sub(base_timestamp);
        let at = |place: u64| base_timestamp + span.scale(place, u64::from(count - 1).max(1));
        let first = self.offset - base_offset;
        (at(first), at(first + u64::from(self.count - 1)))
    }

    /// Their bytes, as a part of the batch's.
    pub fn bytes(&self) -> u32 {
        let share = u64::from(self.batch.records_bytes) * u64::from(self.count) / u64::from(self.batch.count);
        u32::try_from(share).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kafka::ids::{LeaderEpoch, TopicId};

    fn polled(base_offset: u64, offset: u64, count: u32) -> Polled {
        let batch = RecordBatch {
            base_offset,
            leader_epoch: LeaderEpoch(1),
            producer: None,
            count: 10,
            base_timestamp: Nanos::millis(100),
            max_timestamp: Nanos::millis(190),
            records_bytes: 1_005,
            records: Records::Range { writer: WriterId(7), first: 40 },
        };
        Polled { tp: TopicIdPartition { topic: TopicId(1), partition: 2 }, batch, offset, count }
    }

    #[test]
    fn consecutive_polls_of_a_batch_are_as_one() {
        let mut parts = polled(20, 21, 3);
        assert!(parts.extend(&polled(20, 24, 4)));
        assert_eq!(parts, polled(20, 21, 7));
        assert_eq!((parts.timestamps(), parts.bytes()), ((Nanos::millis(110), Nanos::millis(170)), 703));
    }

    #[test]
    fn what_does_not_follow_on_or_is_of_another_batch_is_left() {
        let mut parts = polled(20, 21, 3);
        let elsewhere = TopicIdPartition { topic: TopicId(1), partition: 3 };
        for other in
            [polled(20, 25, 2), polled(20, 23, 2), polled(24, 24, 2), Polled { tp: elsewhere, ..polled(20, 24, 2) }]
        {
            assert!(!parts.extend(&other), "{other:?}");
        }
        assert_eq!(parts, polled(20, 21, 3));
    }
}
