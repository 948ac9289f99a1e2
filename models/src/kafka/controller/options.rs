//! What a controller can be told.

use wavetank_sim::Nanos;

/// Settings of a controller, by Kafka's and AutoMQ's names; defaults are theirs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControllerOptions {
    /// `controller.quorum.election.timeout.ms` (1000): the wait before an election is this, and up to as much again.
    pub election_timeout: Nanos,
    /// `controller.quorum.fetch.timeout.ms` (2000): a voter that has not fetched for so long wants an election; a leader
    /// from which no majority has fetched for half as long again resigns.
    pub fetch_timeout: Nanos,
    /// `controller.quorum.election.backoff.max.ms` (1000).
    pub election_backoff_max: Nanos,
    /// `controller.quorum.append.linger.ms` (25).
    pub append_linger: Nanos,
    /// `controller.quorum.request.timeout.ms` (2000).
    pub request_timeout: Nanos,
    /// `controller.quorum.retry.backoff.ms` (20).
    pub retry_backoff: Nanos,
    /// Entries in one answer to a fetch (Kafka counts bytes: 8 MiB).
    pub fetch_max_entries: usize,
    /// `metadata.max.idle.interval.ms` (500).
    pub idle_interval: Nanos,
    /// `broker.session.timeout.ms` (9000).
    pub session_timeout: Nanos,
    /// `s3.object.delete.retention.minutes` (1): a dropped object is deleted after this, and before twice this.
    pub object_retention: Nanos,
    /// A broker that registered less than this ago is not failed over (60 s, `NodeRuntimeMetadata.java`).
    pub failover_min_age: Nanos,
    /// The balancer; off, as `autobalancer.controller.enable` is unless it is set.
    pub balancer: Option<BalancerOptions>,
    /// A snapshot is made after so many entries (Kafka counts bytes: `metadata.log.max.record.bytes.between.snapshots`).
    pub snapshot_every: usize,
    /// So many entries before a snapshot stay for who is a little behind.
    pub snapshot_keep: usize,
}

impl Default for ControllerOptions {
    fn default() -> ControllerOptions {
        ControllerOptions {
            election_timeout: Nanos::secs(1),
            fetch_timeout: Nanos::secs(2),
            election_backoff_max: Nanos::secs(1),
            append_linger: Nanos::millis(25),
            request_timeout: Nanos::secs(2),
            retry_backoff: Nanos::millis(20),
            fetch_max_entries: 1_000,
            idle_interval: Nanos::millis(500),
            session_timeout: Nanos::secs(9),
            object_retention: Nanos::secs(60),
            failover_min_age: Nanos::secs(60),
            balancer: None,
            snapshot_every: 10_000,
            snapshot_keep: 1_000,
        }
    }
}

/// Settings of the balancer, by AutoMQ's names (`AutoBalancerControllerConfig`); defaults are its. Of pairs the first is for
/// bytes in, the second for bytes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BalancerOptions {
    /// `autobalancer.controller.anomaly.detect.interval.ms` (60 s).
    pub detect_interval: Nanos,
    /// `autobalancer.controller.metrics.delay.ms` (60 s).
    pub metrics_delay: Nanos,
    /// `autobalancer.controller.network.*.usage.distribution.detect.threshold` (1 MiB/s).
    pub usage_threshold: [u64; 2],
    /// `autobalancer.controller.network.*.distribution.detect.avg.deviation` (0.1), in thousandths.
    pub deviation_permille: [u32; 2],
    /// `autobalancer.controller.network.*.trivial.change.ratio` (0.05), in thousandths.
    pub trivial_permille: [u32; 2],
    /// `autobalancer.controller.execution.concurrency` (50).
    pub concurrency: usize,
    /// `autobalancer.controller.execution.interval.ms` (5 s).
    pub execution_interval: Nanos,
}

impl Default for BalancerOptions {
    fn default() -> BalancerOptions {
        BalancerOptions {
            detect_interval: Nanos::secs(60),
            metrics_delay: Nanos::secs(60),
            usage_threshold: [1 << 20; 2],
            deviation_permille: [100; 2],
            trivial_permille: [50; 2],
            concurrency: 50,
            execution_interval: Nanos::secs(5),
        }
    }
}
