//! Settings of shared storage.

use crate::spec::settings::given::View;
use crate::spec::settings::{Given, Scope, WalUri};
use wavetank_sim::Nanos;

/// Settings of AutoMQ-style shared storage, each under its own name. A cache or threshold that is none is derived from memory.
#[derive(Clone, Debug, PartialEq)]
pub struct SharedStorageSettings {
    /// `s3.wal.path`.
    pub wal_path: Option<WalUri>,
    /// `s3.wal.cache.size`.
    pub wal_cache_size: Option<u64>,
    /// `s3.block.cache.size`.
    pub block_cache_size: Option<u64>,
    /// `s3.wal.upload.threshold`.
    pub wal_upload_threshold: Option<u64>,
    /// `s3.wal.upload.interval.ms`.
    pub wal_upload_interval: Nanos,
    /// `s3.stream.object.split.size`.
    pub stream_object_split_size: u64,
    /// `s3.object.block.size`.
    pub object_block_size: u64,
    /// `s3.object.part.size`.
    pub object_part_size: u64,
    /// `s3.stream.object.compaction.interval.minutes`.
    pub stream_object_compaction_interval: Nanos,
    /// `s3.stream.object.compaction.max.size.bytes`.
    pub stream_object_compaction_max_size: u64,
    /// `s3.stream.set.object.compaction.interval.minutes`.
    pub stream_set_object_compaction_interval: Nanos,
    /// `s3.stream.set.object.compaction.cache.size`.
    pub stream_set_object_compaction_cache_size: u64,
    /// `s3.stream.set.object.compaction.stream.split.size`.
    pub stream_set_object_compaction_split_size: u64,
    /// `s3.stream.set.object.compaction.force.split.minutes`.
    pub stream_set_object_compaction_force_split: Nanos,
    /// `s3.stream.set.object.compaction.max.num`.
    pub stream_set_object_compaction_max_num: u32,
    /// `s3.max.stream.num.per.stream.set.object`.
    pub max_streams_per_stream_set_object: u32,
    /// `s3.max.stream.object.num.per.commit`.
    pub max_stream_objects_per_commit: u32,
    /// `s3.controller.request.retry.max.count`.
    pub controller_request_retry_max: u32,
    /// `s3.controller.request.retry.base.delay.ms`.
    pub controller_request_retry_base_delay: Nanos,
    /// `s3.object.delete.retention.minutes`.
    pub object_delete_retention: Nanos,
    /// `s3.network.baseline.bandwidth`.
    pub network_baseline_bandwidth: u64,
    /// `s3.network.refill.period.ms`.
    pub network_refill_period: Nanos,
}

impl Default for SharedStorageSettings {
    fn default() -> SharedStorageSettings {
        SharedStorageSettings::of(&Given::default())
    }
}

impl SharedStorageSettings {
    /// What was set, and the defaults of the rest.
    pub fn of(given: &Given) -> SharedStorageSettings {
        let view = View { scope: Scope::SharedStorage, given };
        SharedStorageSettings {
            wal_path: view.wal_uri("s3.wal.path"),
            wal_cache_size: view.bytes_or_none("s3.wal.cache.size"),
            block_cache_size: view.bytes_or_none("s3.block.cache.size"),
            wal_upload_threshold: view.bytes_or_none("s3.wal.upload.threshold"),
            wal_upload_interval: view.span("s3.wal.upload.interval.ms"),
            stream_object_split_size: view.bytes("s3.stream.object.split.size"),
            object_block_size: view.bytes("s3.object.block.size"),
            object_part_size: view.bytes("s3.object.part.size"),
            stream_object_compaction_interval: view.span("s3.stream.object.compaction.interval.minutes"),
            stream_object_compaction_max_size: view.bytes("s3.stream.object.compaction.max.size.bytes"),
            stream_set_object_compaction_interval: view.span("s3.stream.set.object.compaction.interval.minutes"),
            stream_set_object_compaction_cache_size: view.bytes("s3.stream.set.object.compaction.cache.size"),
            stream_set_object_compaction_split_size: view.bytes("s3.stream.set.object.compaction.stream.split.size"),
            stream_set_object_compaction_force_split: view.span("s3.stream.set.object.compaction.force.split.minutes"),
            stream_set_object_compaction_max_num: view.count32("s3.stream.set.object.compaction.max.num"),
            max_streams_per_stream_set_object: view.count32("s3.max.stream.num.per.stream.set.object"),
            max_stream_objects_per_commit: view.count32("s3.max.stream.object.num.per.commit"),
            controller_request_retry_max: view.count32("s3.controller.request.retry.max.count"),
            controller_request_retry_base_delay: view.span("s3.controller.request.retry.base.delay.ms"),
            object_delete_retention: view.span("s3.object.delete.retention.minutes"),
            network_baseline_bandwidth: view.bytes("s3.network.baseline.bandwidth"),
            network_refill_period: view.span("s3.network.refill.period.ms"),
        }
    }
}

impl SharedStorageSettings {
    /// The write-ahead log's cache: as set, else what AutoMQ's broker derives from the memory it may use for buffers.
    pub fn wal_cache_bytes(&self, buffer_memory: u64) -> u64 {
        let derived = (buffer_memory / 3).max(buffer_memory.saturating_sub(3 << 30) / 3 * 2);
        self.wal_cache_size.unwrap_or(derived)
    }

    /// The cache of blocks read from objects: as set, else half of the write-ahead log's.
    pub fn block_cache_bytes(&self, buffer_memory: u64) -> u64 {
        self.block_cache_size.unwrap_or_else(|| self.wal_cache_bytes(buffer_memory) / 2)
    }

    /// How much of the log is uploaded as objects at once: as set, else a third of its cache, 500 MiB at most.
    pub fn upload_threshold_bytes(&self, buffer_memory: u64) -> u64 {
        self.wal_upload_threshold.unwrap_or_else(|| (self.wal_cache_bytes(buffer_memory) / 3).min(500 << 20))
    }
}
