//! The metadata log is one: a committed entry is the same for every controller, and an epoch has one active controller.

use super::{Broken, Invariant, named};
use crate::kafka::ids::{ControllerEpoch, ControllerId, MetadataOffset};
use crate::probe::Probe;
use wavetank_sim::SortedMap;

/// Entries that are remembered: controllers are never so far apart.
const REMEMBERED: usize = 10_000;

/// See the [module](self).
#[derive(Default)]
pub(super) struct MetadataIsOneLog {
    entries: SortedMap<MetadataOffset, u64>,
    leaders: SortedMap<ControllerEpoch, ControllerId>,
}

impl Invariant for MetadataIsOneLog {
    named!("metadata-is-one-log", "committed metadata never changes, and an epoch has one active controller", hears: [Quorum]);

    fn heed(&mut self, probe: &Probe) -> Result<bool, Broken> {
        match probe {
            Probe::MetadataCommitted { offset, fingerprint } => {
                let known = *self.entries.entry(*offset).or_insert(*fingerprint);
                if self.entries.len() > REMEMBERED {
                    self.entries.pop_first();
                }
                if known != *fingerprint {
                    return Err(format!("two different entries of the metadata log are committed at {offset}").into());
                }
                Ok(true)
            }
            Probe::ControllerElected { controller, epoch } => {
                let leader = *self.leaders.entry(*epoch).or_insert(*controller);
                if leader != *controller {
                    return Err(
                        format!("controllers {leader} and {controller} are both active in epoch {epoch}").into()
                    );
                }
                Ok(true)
            }
            _ => Ok(false),
        }
    }
}
