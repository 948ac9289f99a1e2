//! What a controller's files have in common.

use crate::cloud::volume::VolumeError;
use thiserror::Error;

/// Direct I/O is in multiples of this.
pub(super) const SECTOR: u64 = 4_096;

/// A controller cannot go on with what its volume says.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(super) enum StorageError {
    /// It is not attached, or its zone has only just come back: worth another try.
    #[error("the volume is not there yet: {0}")]
    NotThereYet(VolumeError),
    /// After a failed write or sync the cache cannot be believed.
    #[error("{0} failed: {1}")]
    Failed(String, VolumeError),
    /// What was durable is not there.
    #[error("{0}")]
    Corrupt(&'static str),
}
