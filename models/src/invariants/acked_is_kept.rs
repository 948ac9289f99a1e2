//! What a producer was told is in the log is in every later leader's log.

use super::{Broken, Invariant, named};
use crate::kafka::partition_map::PartitionMap;
use crate::probe::Probe;

/// See the [module](self).
#[derive(Default)]
pub(super) struct AckedIsKept {
    acked: PartitionMap<u64>,
}

impl Invariant for AckedIsKept {
    named!("acked-is-kept", "no leader begins before the end of what was acknowledged", hears: [Partitions]);

    fn heed(&mut self, probe: &Probe) -> Result<bool, Broken> {
        match probe {
            Probe::Acked { span, .. } => {
                let acked = self.acked.entry(span.tp);
                *acked = span.next.max(*acked);
                Ok(false)
            }
            Probe::LeaderReady { tp, broker, epoch, log_end, .. } => {
                let acked = self.acked.get(*tp).copied().unwrap_or(0);
                if *log_end < acked {
                    return Err(format!(
                        "partition {tp}: broker {broker} leads in epoch {epoch} with a log that ends at {log_end}, \
                         but everything before {acked} was acknowledged"
                    )
                    .into());
                }
                Ok(true)
            }
            _ => Ok(false),
        }
    }
}
