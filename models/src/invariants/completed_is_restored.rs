//! A job that restarts begins from its latest complete checkpoint.

use super::{Broken, Invariant, named};
use crate::probe::Probe;
use wavetank_sim::SortedMap;

/// See the [module](self).
#[derive(Default)]
pub(super) struct CompletedIsRestored {
    completed: SortedMap<u32, u64>,
}

impl Invariant for CompletedIsRestored {
    named!("completed-is-restored", "a restarted job begins from a checkpoint no older than the latest complete one", hears: [Jobs]);

    fn heed(&mut self, probe: &Probe) -> Result<bool, Broken> {
        match probe {
            Probe::CheckpointCompleted { job, checkpoint, .. } => {
                let completed = self.completed.entry(*job).or_default();
                *completed = (*checkpoint).max(*completed);
                Ok(false)
            }
            Probe::CheckpointChosen { job, checkpoint } => {
                let completed = self.completed.get(job).copied().unwrap_or(0);
                if *checkpoint < completed {
                    return Err(format!(
                        "job {job} begins from checkpoint {checkpoint} (0: none), but {completed} was complete"
                    )
                    .into());
                }
                Ok(true)
            }
            _ => Ok(false),
        }
    }
}
