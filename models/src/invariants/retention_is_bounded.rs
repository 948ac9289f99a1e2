//! Retention takes what is durable, from the beginning, and nothing else does.
//!
//! A leader may delete up to its high watermark (KAFKA-5634: what is beyond may not be acknowledged yet, or not be there for a
//! later leader). A log may begin before the highest log start that a leader has announced, for the announcement comes before
//! it is durable; but where a log begins **after** it, records are gone that nobody has deleted: that is loss, however the
//! records came to lie below the start.

use super::{Broken, Invariant, named};
use crate::kafka::ids::{LeaderEpoch, TopicIdPartition};
use crate::probe::Probe;
use wavetank_sim::SortedMap;

#[derive(Default)]
struct Log {
    epoch: LeaderEpoch,
    start: u64,
    high_watermark: u64,
    /// The highest start that was announced.
    announced: u64,
}

/// See the [module](self).
#[derive(Default)]
pub(super) struct RetentionIsBounded {
    logs: SortedMap<TopicIdPartition, Log>,
}

impl RetentionIsBounded {
    fn begins(&mut self, tp: TopicIdPartition, epoch: LeaderEpoch, start: u64, end: u64) -> Result<bool, Broken> {
        let log = self.logs.entry(tp).or_default();
        if start > log.announced {
            return Err(format!(
                "partition {tp}: its leader of epoch {epoch} begins at {start}, and no leader has deleted what is after {}",
                log.announced
            ).into());
        }
        (log.epoch, log.start, log.high_watermark) = (epoch, start, end);
        Ok(true)
    }

    fn deletes(&mut self, tp: TopicIdPartition, epoch: LeaderEpoch, to: u64) -> Result<bool, Broken> {
        let log = self.logs.entry(tp).or_default();
        // A leader that does not know yet that it is none: the controller will not have it.
        if epoch != log.epoch {
            return Ok(false);
        }
        if to < log.start || to > log.high_watermark {
            return Err(format!(
                "partition {tp}: its leader of epoch {epoch} deletes up to {to}, its log begins at {} and is durable up to {}",
                log.start, log.high_watermark
            ).into());
        }
        log.start = to;
        log.announced = log.announced.max(to);
        Ok(true)
    }
}

impl Invariant for RetentionIsBounded {
    named!(
        "retention-is-bounded",
        "retention stops at the high watermark, and no log begins later than it was deleted",
        hears: [Partitions]
    );

    fn heed(&mut self, probe: &Probe) -> Result<bool, Broken> {
        match probe {
            Probe::LeaderReady { tp, epoch, log_start, log_end, .. } => self.begins(*tp, *epoch, *log_start, *log_end),
            Probe::LogStart { tp, epoch, offset, .. } => self.deletes(*tp, *epoch, *offset),
            Probe::HighWatermark { tp, epoch, offset, .. } => {
                let log = self.logs.entry(*tp).or_default();
                if *epoch == log.epoch {
                    log.high_watermark = log.high_watermark.max(*offset);
                }
                Ok(false)
            }
            _ => Ok(false),
        }
    }
}
