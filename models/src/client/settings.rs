//! Settings of clients, by Kafka's names, with the defaults of 4.x (`ProducerConfig`, `ConsumerConfig`).

use super::Backoff;
use crate::kafka::protocol::client::{Acks, IsolationLevel};
use thiserror::Error;
use wavetank_sim::Nanos;

/// A setting that Kafka's client would refuse to start with.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{key} = {value}: {why}")]
pub struct SettingsError {
    /// Which.
    pub key: &'static str,
    /// What it is.
    pub value: String,
    /// What is wrong, and what would be right.
    pub why: &'static str,
}

fn check(ok: bool, key: &'static str, value: impl ToString, why: &'static str) -> Result<(), SettingsError> {
    if ok { Ok(()) } else { Err(SettingsError { key, value: value.to_string(), why }) }
}

/// Of a producer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProducerSettings {
    /// `acks`.
    pub acks: Acks,
    /// `enable.idempotence`.
    pub enable_idempotence: bool,
    /// `max.in.flight.requests.per.connection`.
    pub max_in_flight_requests_per_connection: usize,
    /// `retries`.
    pub retries: u32,
    /// `delivery.timeout.ms`.
    pub delivery_timeout: Nanos,
    /// `request.timeout.ms`.
    pub request_timeout: Nanos,
    /// `linger.ms`.
    pub linger: Nanos,
    /// `batch.size`, in bytes.
    pub batch_size: u32,
    /// `buffer.memory`, in bytes.
    pub buffer_memory: u64,
    /// `max.block.ms`.
    pub max_block: Nanos,
    /// `max.request.size`, in bytes.
    pub max_request_size: u32,
    /// `retry.backoff.ms`, `retry.backoff.max.ms`.
    pub retry_backoff: Backoff,
    /// `metadata.max.age.ms`.
    pub metadata_max_age: Nanos,
}

const RETRY_BACKOFF: Backoff = Backoff { min: Nanos::millis(100), max: Nanos::secs(1) };
const METADATA_MAX_AGE: Nanos = Nanos::secs(300);

impl Default for ProducerSettings {
    fn default() -> ProducerSettings {
        ProducerSettings {
            acks: Acks::All,
            enable_idempotence: true,
            max_in_flight_requests_per_connection: 5,
            retries: i32::MAX as u32,
            delivery_timeout: Nanos::secs(120),
            request_timeout: Nanos::secs(30),
            linger: Nanos::millis(5),
            batch_size: 16_384,
            buffer_memory: 32 << 20,
            max_block: Nanos::secs(60),
            max_request_size: 1 << 20,
            retry_backoff: RETRY_BACKOFF,
            metadata_max_age: METADATA_MAX_AGE,
        }
    }
}

impl ProducerSettings {
    /// Whether a producer starts with these.
    ///
    /// # Errors
    /// The first setting that it would refuse.
    pub fn validate(&self) -> Result<(), SettingsError> {
        let idempotent = self.enable_idempotence;
        let in_flight = self.max_in_flight_requests_per_connection;
        let key = "max.in.flight.requests.per.connection";
        check(in_flight > 0, key, in_flight, "at least 1")?;
        check(!idempotent || in_flight <= 5, key, in_flight, "at most 5 with enable.idempotence")?;
        let acks = format!("{:?}", self.acks);
        check(!idempotent || self.acks == Acks::All, "acks", acks, "must be all with enable.idempotence")?;
        check(!idempotent || self.retries > 0, "retries", self.retries, "at least 1 with enable.idempotence")?;
        let (delivery, least) = (self.delivery_timeout, self.linger.saturating_add(self.request_timeout));
        let why = "must be at least linger.ms + request.timeout.ms";
        check(delivery >= least, "delivery.timeout.ms", delivery.as_millis_f64(), why)?;
        let fits = self.buffer_memory >= u64::from(self.batch_size);
        check(fits, "buffer.memory", self.buffer_memory, "must hold a batch of batch.size")
    }
}

/// `auto.offset.reset`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AutoOffsetReset {
    /// To the log start offset.
    Earliest,
    /// To the high watermark.
    #[default]
    Latest,
    /// Nowhere: the application is told.
    None,
}

/// `partition.assignment.strategy`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PartitionAssignor {
    /// `RangeAssignor`: eager.
    #[default]
    Range,
    /// `CooperativeStickyAssignor`.
    CooperativeSticky,
}

/// Of a consumer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsumerSettings {
    /// `fetch.min.bytes`.
    pub fetch_min_bytes: u32,
    /// `fetch.max.bytes`.
    pub fetch_max_bytes: u32,
    /// `fetch.max.wait.ms`.
    pub fetch_max_wait: Nanos,
    /// `max.partition.fetch.bytes`.
    pub max_partition_fetch_bytes: u32,
    /// `max.poll.records`.
    pub max_poll_records: u32,
    /// `max.poll.interval.ms`.
    pub max_poll_interval: Nanos,
    /// `session.timeout.ms`.
    pub session_timeout: Nanos,
    /// `heartbeat.interval.ms`.
    pub heartbeat_interval: Nanos,
    /// `enable.auto.commit`.
    pub enable_auto_commit: bool,
    /// `auto.commit.interval.ms`.
    pub auto_commit_interval: Nanos,
    /// `auto.offset.reset`.
    pub auto_offset_reset: AutoOffsetReset,
    /// `isolation.level`.
    pub isolation_level: IsolationLevel,
    /// `partition.assignment.strategy`.
    pub partition_assignor: PartitionAssignor,
    /// `client.rack`: the zone.
    pub client_rack: Option<u32>,
    /// `request.timeout.ms`.
    pub request_timeout: Nanos,
    /// `retry.backoff.ms`, `retry.backoff.max.ms`.
    pub retry_backoff: Backoff,
    /// `metadata.max.age.ms`.
    pub metadata_max_age: Nanos,
}

impl Default for ConsumerSettings {
    fn default() -> ConsumerSettings {
        ConsumerSettings {
            fetch_min_bytes: 1,
            fetch_max_bytes: 50 << 20,
            fetch_max_wait: Nanos::millis(500),
            max_partition_fetch_bytes: 1 << 20,
            max_poll_records: 500,
            max_poll_interval: Nanos::secs(300),
            session_timeout: Nanos::secs(45),
            heartbeat_interval: Nanos::secs(3),
            enable_auto_commit: true,
            auto_commit_interval: Nanos::secs(5),
            auto_offset_reset: AutoOffsetReset::Latest,
            isolation_level: IsolationLevel::ReadUncommitted,
            partition_assignor: PartitionAssignor::Range,
            client_rack: None,
            request_timeout: Nanos::secs(30),
            retry_backoff: RETRY_BACKOFF,
            metadata_max_age: METADATA_MAX_AGE,
        }
    }
}

impl ConsumerSettings {
    /// Whether a consumer starts with these.
    ///
    /// # Errors
    /// The first setting that it would refuse.
    pub fn validate(&self) -> Result<(), SettingsError> {
        check(self.max_poll_records > 0, "max.poll.records", self.max_poll_records, "at least 1")?;
        let beat = self.heartbeat_interval;
        let why = "must be lower than session.timeout.ms";
        check(beat < self.session_timeout, "heartbeat.interval.ms", beat.as_millis_f64(), why)?;
        let why = "must be greater than fetch.max.wait.ms, or every quiet fetch times out";
        let timeout = self.request_timeout;
        check(timeout > self.fetch_max_wait, "request.timeout.ms", timeout.as_millis_f64(), why)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Spoil<S> = (&'static str, fn(&mut S));

    #[test]
    fn what_kafka_refuses_is_refused_by_name() {
        assert_eq!(ProducerSettings::default().validate(), Ok(()));
        assert_eq!(ConsumerSettings::default().validate(), Ok(()));
        let bad: [Spoil<ProducerSettings>; 5] = [
            ("max.in.flight.requests.per.connection", |s| s.max_in_flight_requests_per_connection = 6),
            ("acks", |s| s.acks = Acks::Leader),
            ("retries", |s| s.retries = 0),
            ("delivery.timeout.ms", |s| s.delivery_timeout = Nanos::secs(30)),
            ("buffer.memory", |s| s.buffer_memory = 1000),
        ];
        for (key, spoil) in bad {
            let mut settings = ProducerSettings::default();
            spoil(&mut settings);
            assert_eq!(settings.validate().unwrap_err().key, key);
        }
        let bad: [Spoil<ConsumerSettings>; 3] = [
            ("max.poll.records", |s| s.max_poll_records = 0),
            ("heartbeat.interval.ms", |s| s.heartbeat_interval = Nanos::secs(45)),
            ("request.timeout.ms", |s| s.request_timeout = Nanos::millis(500)),
        ];
        for (key, spoil) in bad {
            let mut settings = ConsumerSettings::default();
            spoil(&mut settings);
            assert_eq!(settings.validate().unwrap_err().key, key);
        }
    }
}
