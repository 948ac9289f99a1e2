//! From what a scenario says to what models are told.

use super::size::Purpose;
use crate::spec::scenario::{KeyChoice, Platform, Workload};
use crate::spec::settings::{self, OWN_ZONE, RestartStrategy, StartupMode, WalUri};
use wavetank_models::client;
use wavetank_models::client::Backoff;
use wavetank_models::client::load::Partitioner;
use wavetank_models::cloud::network::AzId;
use wavetank_models::flink::{FlinkSettings, Startup};
use wavetank_models::kafka::broker::retention::RetentionOptions;
use wavetank_models::kafka::broker::segments::LogConfig;
use wavetank_models::kafka::controller::{BalancerOptions, ControllerOptions};
use wavetank_models::kafka::protocol::client::{Acks, IsolationLevel};
use wavetank_models::kafka::shared_storage::StorageOptions;
use wavetank_models::kafka::wal::object::ObjectWalOptions;
use wavetank_models::kafka::wal::ring::RingOptions;
use wavetank_sim::Nanos;

/// Sizes in requests are 32 bits wide on the wire.
fn narrow(bytes: u64) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

pub(super) fn producer(of: &settings::ProducerSettings) -> client::ProducerSettings {
    client::ProducerSettings {
        acks: match of.acks {
            settings::Acks::None => Acks::None,
            settings::Acks::Leader => Acks::Leader,
            settings::Acks::All => Acks::All,
        },
        enable_idempotence: of.enable_idempotence,
        max_in_flight_requests_per_connection: of.max_in_flight as usize,
        retries: of.retries,
        delivery_timeout: of.delivery_timeout,
        request_timeout: of.request_timeout,
        linger: of.linger,
        batch_size: narrow(of.batch_size),
        buffer_memory: of.buffer_memory,
        max_block: of.max_block,
        max_request_size: narrow(of.max_request_size),
        retry_backoff: Backoff { min: of.retry_backoff, max: of.retry_backoff_max },
        metadata_max_age: of.metadata_max_age,
    }
}

/// A consumer's in a zone; racks are zones, by their place among `azs`.
pub(super) fn consumer_in(of: &settings::ConsumerSettings, az: AzId, azs: &[String]) -> client::ConsumerSettings {
    let client_rack = of.client_rack.as_deref().map(|rack| match azs.iter().position(|name| name == rack) {
        _ if rack == OWN_ZONE => u32::from(az.0),
        Some(place) => place as u32,
        // A rack in which there is no broker.
        None => azs.len() as u32,
    });
    client::ConsumerSettings { client_rack, ..consumer(of) }
}

pub(super) fn consumer(of: &settings::ConsumerSettings) -> client::ConsumerSettings {
    client::ConsumerSettings {
        fetch_min_bytes: narrow(of.fetch_min_bytes),
        fetch_max_bytes: narrow(of.fetch_max_bytes),
        fetch_max_wait: of.fetch_max_wait,
        max_partition_fetch_bytes: narrow(of.max_partition_fetch_bytes),
        max_poll_records: of.max_poll_records,
        max_poll_interval: of.max_poll_interval,
        session_timeout: of.session_timeout,
        heartbeat_interval: of.heartbeat_interval,
        isolation_level: match of.isolation_level {
            settings::IsolationLevel::ReadUncommitted => IsolationLevel::ReadUncommitted,
            settings::IsolationLevel::ReadCommitted => IsolationLevel::ReadCommitted,
        },
        auto_offset_reset: match of.auto_offset_reset {
            settings::OffsetReset::Latest => client::AutoOffsetReset::Latest,
            settings::OffsetReset::Earliest => client::AutoOffsetReset::Earliest,
            settings::OffsetReset::None => client::AutoOffsetReset::None,
        },
        enable_auto_commit: of.enable_auto_commit,
        auto_commit_interval: of.auto_commit_interval,
        request_timeout: of.request_timeout,
        retry_backoff: Backoff { min: of.retry_backoff, max: of.retry_backoff_max },
        metadata_max_age: of.metadata_max_age,
        // KIP-848's coordinator is not modelled: reading the scenario warns of it.
        partition_assignor: match of.assignor.is_cooperative() || of.group_protocol == settings::GroupProtocol::Consumer
        {
            true => client::PartitionAssignor::CooperativeSticky,
            false => client::PartitionAssignor::Range,
        },
        ..client::ConsumerSettings::default()
    }
}

/// How a producer chooses partitions.
pub(super) fn partitioner(of: &Workload) -> Partitioner {
    let keys = u32::try_from(of.keys.count).unwrap_or(u32::MAX).max(1);
    let hot = || of.hot.iter().map(|hot| (hot.partition, hot.share)).collect();
    match &of.keys.choice {
        KeyChoice::None if of.hot.is_empty() => Partitioner::Sticky,
        KeyChoice::RoundRobin if of.hot.is_empty() => Partitioner::RoundRobin,
        KeyChoice::Zipf { skew } => Partitioner::Keyed { keys, skew: *skew, hot: hot() },
        KeyChoice::None | KeyChoice::RoundRobin | KeyChoice::Uniform => {
            Partitioner::Keyed { keys: keys.max(10_000), skew: 0.0, hot: hot() }
        }
    }
}

/// What is deleted of logs.
pub(super) fn retention(workload: &Workload, platform: &Platform) -> RetentionOptions {
    let of = workload.log_config(platform);
    RetentionOptions {
        check_interval: of.check_interval,
        topics: LogConfig {
            segment_bytes: of.segment_bytes,
            segment_time: of.segment_time,
            retention_time: of.retention_time,
            retention_bytes: of.retention_bytes,
        },
        offsets_segment_bytes: platform.broker.offsets_topic_segment_bytes,
        mutant: None,
    }
}

/// A broker's storage. Half of a host's memory is its heap's and the page cache's, half may be used for buffers.
pub(super) fn storage(platform: &Platform, memory_bytes: u64) -> StorageOptions {
    let (of, buffers) = (&platform.shared_storage, memory_bytes / 2);
    let cache = of.wal_cache_bytes(buffers);
    StorageOptions {
        block_cache_bytes: of.block_cache_bytes(buffers),
        upload_threshold: of.upload_threshold_bytes(buffers),
        upload_interval: of.wal_upload_interval,
        split_bytes: of.stream_object_split_size,
        block_bytes: of.object_block_size,
        block_streams: of.max_streams_per_stream_set_object as usize,
        ..StorageOptions::for_cache(cache)
    }
}

pub(super) fn object_wal(platform: &Platform) -> ObjectWalOptions {
    let WalUri::Object(of) = &platform.wal else { return ObjectWalOptions::default() };
    ObjectWalOptions {
        batch_interval: of.batch_interval,
        bulk_bytes_max: of.max_bytes_in_batch,
        unflushed_bytes_max: of.max_unflushed_bytes,
        in_flight_max: of.max_inflight_upload_count as usize,
        ..ObjectWalOptions::default()
    }
}

pub(super) fn ring(platform: &Platform) -> RingOptions {
    let WalUri::File(of) = &platform.wal else { return RingOptions::default() };
    RingOptions {
        capacity_bytes: of.capacity,
        iops: u64::from(of.iops),
        io_threads: of.iodepth as usize,
        bandwidth_bytes_per_sec: of.iobandwidth.unwrap_or(0),
        ..RingOptions::default()
    }
}

pub(super) fn controller(platform: &Platform) -> ControllerOptions {
    let of = &platform.broker;
    ControllerOptions {
        election_timeout: of.quorum_election_timeout,
        fetch_timeout: of.quorum_fetch_timeout,
        election_backoff_max: of.quorum_election_backoff_max,
        append_linger: of.quorum_append_linger,
        request_timeout: of.quorum_request_timeout,
        session_timeout: of.session_timeout,
        object_retention: platform.shared_storage.object_delete_retention,
        balancer: of.auto_balancer.then(|| balancer(of)),
        ..ControllerOptions::default()
    }
}

pub(super) fn startup(of: StartupMode) -> Startup {
    match of {
        StartupMode::Earliest => Startup::Earliest,
        StartupMode::Latest => Startup::Latest,
        StartupMode::GroupOffsets => Startup::GroupOffsets,
    }
}

/// A job's. Exploring runs are faster in everything, so that a minute sees many checkpoints and restarts.
pub(super) fn flink(of: &settings::FlinkSettings, purpose: Purpose, (subtasks, managers): (u32, u32)) -> FlinkSettings {
    let settings = FlinkSettings {
        checkpointing_interval: of.checkpoint_interval,
        checkpointing_timeout: of.checkpoint_timeout,
        checkpointing_min_pause: of.min_pause,
        tolerable_failed_checkpoints: of.tolerable_failed,
        checkpoints_num_retained: of.retained as usize,
        heartbeat_interval: of.heartbeat_interval,
        heartbeat_timeout: of.heartbeat_timeout,
        heartbeat_rpc_failure_threshold: of.heartbeat_failures,
        task_slots: of.slots_per_task_manager,
        buffer_timeout: of.buffer_timeout,
        ..FlinkSettings::default()
    };
    let settings = match of.restart {
        RestartStrategy::ExponentialDelay { initial, max, multiplier, jitter, reset } => FlinkSettings {
            restart_initial_backoff: initial,
            restart_max_backoff: max,
            restart_backoff_multiplier_percent: percent(multiplier),
            restart_jitter_percent: percent(jitter),
            restart_reset_backoff_threshold: reset,
            ..settings
        },
        RestartStrategy::FixedDelay { .. } | RestartStrategy::FailureRate { .. } | RestartStrategy::None => settings,
    };
    match purpose {
        Purpose::Measure => settings,
        Purpose::Explore => FlinkSettings {
            checkpointing_interval: settings.checkpointing_interval.map(|it| it.min(Nanos::millis(500))),
            checkpointing_timeout: settings.checkpointing_timeout.min(Nanos::secs(15)),
            heartbeat_interval: settings.heartbeat_interval.min(Nanos::secs(1)),
            heartbeat_timeout: settings.heartbeat_timeout.min(Nanos::secs(5)),
            restart_initial_backoff: settings.restart_initial_backoff.min(Nanos::millis(200)),
            restart_max_backoff: settings.restart_max_backoff.min(Nanos::secs(2)),
            sink_flush_interval: settings.sink_flush_interval.min(Nanos::millis(100)),
            task_slots: subtasks.div_ceil(managers),
            ..settings
        },
    }
}

fn percent(share: f64) -> u64 {
    (share * 100.0) as u64
}

fn balancer(of: &settings::BrokerSettings) -> BalancerOptions {
    let permille = |share: f64| (share * 1_000.0).round() as u32;
    BalancerOptions {
        detect_interval: of.balancer_detect_interval,
        metrics_delay: of.balancer_metrics_delay,
        usage_threshold: [of.balancer_in_threshold, of.balancer_out_threshold],
        deviation_permille: [of.balancer_in_deviation, of.balancer_out_deviation].map(permille),
        trivial_permille: [of.balancer_in_trivial_change, of.balancer_out_trivial_change].map(permille),
        concurrency: of.balancer_concurrency as usize,
        execution_interval: of.balancer_execution_interval,
    }
}
