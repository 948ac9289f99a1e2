//! The state of a job's latest complete checkpoint is there.
//!
//! A task that was cut off may look for an older one, which was discarded when the next was complete: it fails, and nobody
//! waits for it.

use super::{Broken, Invariant, named};
use crate::probe::Probe;
use wavetank_sim::SortedMap;

/// See the [module](self).
#[derive(Default)]
pub(super) struct CompletedIsKept {
    /// By job: the newest checkpoint that was completed, or begun from.
    latest: SortedMap<u32, u64>,
}

impl Invariant for CompletedIsKept {
    named!("completed-is-kept", "the state of a job's latest complete checkpoint is there", hears: [Jobs]);

    fn heed(&mut self, probe: &Probe) -> Result<bool, Broken> {
        match probe {
            Probe::CheckpointCompleted { job, checkpoint, .. } | Probe::CheckpointChosen { job, checkpoint } => {
                let latest = self.latest.entry(*job).or_default();
                *latest = (*checkpoint).max(*latest);
                Ok(false)
            }
            Probe::StateMissing { job, checkpoint } => {
                let latest = self.latest.get(job).copied().unwrap_or(0);
                if *checkpoint >= latest {
                    return Err(format!("job {job}: state of checkpoint {checkpoint}, the latest, is lost").into());
                }
                Ok(true)
            }
            _ => Ok(false),
        }
    }
}
