//! A commit that was applied is known again when it is sent again: its sender has lost the answer, not the data.

use super::{Broken, Invariant, named};
use crate::probe::Probe;

/// See the [module](self).
#[derive(Default)]
pub(super) struct RetriedCommitIsKnown;

impl Invariant for RetriedCommitIsKnown {
    named!("retried-commit-is-known", "a commit that was applied is not refused when it comes again", hears: [Objects]);

    fn heed(&mut self, probe: &Probe) -> Result<bool, Broken> {
        match probe {
            Probe::CommitRefusedAfterApplied { object } => {
                Err(format!("object {object} is committed, and a commit of it that came again was refused").into())
            }
            Probe::StreamCommitted { .. } => Ok(true),
            _ => Ok(false),
        }
    }
}
