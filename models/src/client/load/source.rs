//! One stream of records of a producer: where it stands, and which partition its next record is for.

use super::Curve;

/// Where a stream's records go.
pub(in crate::client) enum Target {
    /// To one partition, by its place.
    Fixed(usize),
    /// To one until at least `batch.size` bytes have gone there (KIP-794).
    Sticky {
        /// Which, by its place.
        partition: usize,
        /// Bytes that went there.
        bytes: u64,
    },
}

/// See the [module](self).
pub(in crate::client) struct Source {
    /// When its records are due.
    pub curve: Curve,
    /// The next record.
    pub next: u64,
    /// Where it goes.
    pub target: Target,
}

impl Source {
    /// The partition of its next record, by its place.
    pub fn partition(&self) -> usize {
        match self.target {
            Target::Fixed(partition) | Target::Sticky { partition, .. } => partition,
        }
    }
}
