//! The cluster's metadata: a log of records, and the image that they add up to.
//!
//! Controllers and brokers hold the same image, each up to its own offset in the log; a broker that is behind acts on what
//! it knows. Nothing in here is known in any other way.
//!
//! Simpler than reality: an entry of the log is an atomic batch and has one offset, where Kafka's batch has one a record.

mod failover;
mod image;
mod record;

pub use failover::FailoverContext;
pub use image::{
    BrokerState, ClusterImage, ObjectImage, ObjectState, PartitionImage, StreamImage, StreamObjectImage, StreamPiece,
    StreamRangeImage, StreamSetObjectImage, StreamState, TopicConfigs, TopicImage, WalNode,
};
pub use record::{MetadataRecord, StreamRange, TopicSetting};

use super::ids::{ControllerEpoch, MetadataOffset};
use serde::{Deserialize, Serialize};

/// One entry of the metadata log: records that are applied together or not at all.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Entry {
    /// The epoch of the active controller that wrote it.
    pub epoch: ControllerEpoch,
    /// Its place.
    pub offset: MetadataOffset,
    /// What it says.
    pub records: Vec<MetadataRecord>,
}

impl Entry {
    /// Bytes on the wire and on disk: a batch's header, and about forty a record.
    pub fn wire_bytes(&self) -> u64 {
        61 + self.records.iter().map(MetadataRecord::wire_bytes).sum::<u64>()
    }
}
