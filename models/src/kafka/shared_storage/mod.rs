//! Shared storage: streams over a write-ahead log and objects (AutoMQ's S3Stream).
//!
//! ```text
//!   append ──> WAL ──durable, in order──> log cache ──full block──> upload ──> commit ──> trim the WAL
//!                                            │                        │
//!   read  <── records ───────────────────────┴── block cache <── objects
//! ```
//!
//! [`engine`] holds it together for a broker's own streams; [`recovery`] empties a log that its owner, or its owner's former
//! life, left behind; [`compaction`] makes fewer and larger objects out of many small ones; [`network`] shares the way to the
//! object store; [`stream_logs`] makes partitions' logs out of streams.

pub mod compaction;
pub mod engine;
pub mod log_cache;
pub mod mutant;
pub mod network;
pub mod object_format;
pub mod objects;
pub mod reader;
pub mod recovery;
pub mod stream_logs;
pub mod upload;

pub use compaction::CompactionOptions;
pub use mutant::StorageMutant;

use crate::kafka::ids::{BrokerEpoch, BrokerId};
use crate::kafka::protocol::controller::{ControllerRequest, StorageRequest};
use objects::Transfer;
use std::sync::Arc;
use wavetank_sim::Nanos;

/// Sizes and times of a broker's storage, by AutoMQ's keys (`AutoMQConfig`, `Config`).
#[derive(Clone, Debug)]
pub struct StorageOptions {
    /// The cluster's part of object keys.
    pub namespace: Arc<str>,
    /// `s3.wal.cache.size`, bytes.
    pub cache_bytes: u64,
    /// `s3.block.cache.size`, bytes.
    pub block_cache_bytes: u64,
    /// `s3.wal.upload.threshold`, bytes.
    pub upload_threshold: u64,
    /// `s3.wal.upload.interval.ms`.
    pub upload_interval: Nanos,
    /// `s3.stream.object.split.size`, bytes.
    pub split_bytes: u64,
    /// `s3.object.block.size`, bytes.
    pub block_bytes: u64,
    /// `s3.max.stream.num.per.stream.set.object`.
    pub block_streams: usize,
    /// Blocks that are uploaded at once (4).
    pub upload_threads: usize,
    /// Recovered data that is uploaded at once, bytes (512 MiB).
    pub recovery_batch: u64,
    /// Parts and bandwidth of traffic with the store.
    pub transfer: Transfer,
    /// Reads that go to objects at once (12: the slow pool of `ElasticReplicaManager`).
    pub slow_reads: usize,
    /// Streams are closed before everything of them is uploaded (fast close, AutoMQ #3495, from version V6 on).
    pub fast_close: bool,
    /// When objects are compacted.
    pub compaction: CompactionOptions,
    /// A bug that is switched on.
    pub mutant: Option<StorageMutant>,
}

impl StorageOptions {
    /// The defaults for a broker with that much memory for the log cache: half of it for the block cache, a third of it,
    /// 500 MiB at most, before an upload.
    pub fn for_cache(cache_bytes: u64) -> StorageOptions {
        StorageOptions {
            namespace: "_kafka_wavetank".into(),
            cache_bytes,
            block_cache_bytes: cache_bytes / 2,
            upload_threshold: (cache_bytes / 3).min(500 << 20),
            upload_interval: Nanos::secs(60),
            split_bytes: 8 << 20,
            block_bytes: 512 << 10,
            block_streams: 20_000,
            upload_threads: 4,
            recovery_batch: 512 << 20,
            transfer: Transfer::default(),
            slow_reads: 12,
            fast_close: false,
            compaction: CompactionOptions::default(),
            mutant: None,
        }
    }
}

/// As whom something is asked of the controller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Whose streams.
    pub broker: BrokerId,
    /// Which life of it.
    pub epoch: BrokerEpoch,
    /// By its rescuer.
    pub failover: bool,
}

impl Identity {
    /// The request, as this one.
    pub fn request(self, request: StorageRequest) -> ControllerRequest {
        ControllerRequest::Storage { broker: self.broker, epoch: self.epoch, failover: self.failover, request }
    }
}
