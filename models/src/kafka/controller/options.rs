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
            snapshot_every: 10_000,
            snapshot_keep: 1_000,
        }
    }
}
