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
        let follows = self.tp == next.tp && self.next_offset() == next.offset;
        let follows = follows && self.batch.base_offset == next.batch.base_offset;
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
