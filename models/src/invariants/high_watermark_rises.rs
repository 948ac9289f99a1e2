//! A partition's high watermark never falls: not within an epoch, and not from one leader to the next.

use super::{Broken, Invariant, named};
use crate::kafka::partition_map::PartitionMap;
use crate::probe::Probe;

/// See the [module](self).
#[derive(Default)]
pub(super) struct HighWatermarkRises {
    highest: PartitionMap<u64>,
}

impl Invariant for HighWatermarkRises {
    named!("high-watermark-rises", "a high watermark never falls, whoever leads", hears: [Partitions]);

    fn heed(&mut self, probe: &Probe) -> Result<bool, Broken> {
        let (tp, offset, what) = match probe {
            Probe::HighWatermark { tp, offset, .. } => (tp, *offset, "is set to"),
            // A new leader on shared storage has nothing beyond it that could still be lost.
            Probe::LeaderReady { tp, log_end, .. } => (tp, *log_end, "begins at"),
            _ => return Ok(false),
        };
        let highest = self.highest.entry(*tp);
        // A zombie's own view may lag behind its successor's; what it may not do is acknowledge (fenced-is-silent).
        let is_beginning = matches!(probe, Probe::LeaderReady { .. });
        if offset < *highest && is_beginning {
            return Err(format!("partition {tp}: the high watermark was {highest} and {what} {offset}").into());
        }
        *highest = offset.max(*highest);
        Ok(true)
    }
}
