//! Settings of producers and consumers.

use crate::spec::document::Severity;
use crate::spec::settings::given::{Conflict, View};
use crate::spec::settings::{Given, Scope};
use wavetank_sim::Nanos;

/// Whose acknowledgement a producer waits for: `acks`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acks {
    /// Nobody's.
    None,
    /// The leader's.
    Leader,
    /// All in-sync replicas'.
    All,
}

/// How batches are compressed: `compression.type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    None,
    /// By gzip.
    Gzip,
    /// By Snappy.
    Snappy,
    /// By LZ4.
    Lz4,
    /// By Zstandard.
    Zstd,
}

/// A producer's settings, each under Kafka's name.
#[derive(Clone, Debug, PartialEq)]
pub struct ProducerSettings {
    /// `acks`.
    pub acks: Acks,
    /// `enable.idempotence`; off by itself where another setting excludes it, as in Kafka.
    pub enable_idempotence: bool,
    /// `max.in.flight.requests.per.connection`.
    pub max_in_flight: u32,
    /// `retries`.
    pub retries: u32,
    /// `delivery.timeout.ms`.
    pub delivery_timeout: Nanos,
    /// `request.timeout.ms`.
    pub request_timeout: Nanos,
    /// `linger.ms`.
    pub linger: Nanos,
    /// `batch.size`.
    pub batch_size: u64,
    /// `max.request.size`.
    pub max_request_size: u64,
    /// `buffer.memory`.
    pub buffer_memory: u64,
    /// `max.block.ms`.
    pub max_block: Nanos,
    /// `retry.backoff.ms`.
    pub retry_backoff: Nanos,
    /// `retry.backoff.max.ms`.
    pub retry_backoff_max: Nanos,
    /// `metadata.max.age.ms`.
    pub metadata_max_age: Nanos,
    /// `compression.type`.
    pub compression: Compression,
    /// `transactional.id`.
    pub transactional_id: Option<String>,
    /// `transaction.timeout.ms`.
    pub transaction_timeout: Nanos,
}

impl Default for ProducerSettings {
    fn default() -> ProducerSettings {
        ProducerSettings::of(&Given::default())
    }
}

impl ProducerSettings {
    /// What was set, and the defaults of the rest.
    pub fn of(given: &Given) -> ProducerSettings {
        let view = View { scope: Scope::Producer, given };
        let acks = match view.word("acks") {
            "0" => Acks::None,
            "1" => Acks::Leader,
            _ => Acks::All,
        };
        let (max_in_flight, retries) = (view.count32("max.in.flight.requests.per.connection"), view.count32("retries"));
        let allowed = acks == Acks::All && max_in_flight <= 5 && retries > 0;
        ProducerSettings {
            acks,
            enable_idempotence: view.flag("enable.idempotence") && allowed,
            max_in_flight,
            retries,
            delivery_timeout: view.span("delivery.timeout.ms"),
            request_timeout: view.span("request.timeout.ms"),
            linger: view.span("linger.ms"),
            batch_size: view.bytes("batch.size"),
            max_request_size: view.bytes("max.request.size"),
            buffer_memory: view.bytes("buffer.memory"),
            max_block: view.span("max.block.ms"),
            retry_backoff: view.span("retry.backoff.ms"),
            retry_backoff_max: view.span("retry.backoff.max.ms"),
            metadata_max_age: view.span("metadata.max.age.ms"),
            compression: match view.word("compression.type") {
                "gzip" => Compression::Gzip,
                "snappy" => Compression::Snappy,
                "lz4" => Compression::Lz4,
                "zstd" => Compression::Zstd,
                _ => Compression::None,
            },
            transactional_id: view.text("transactional.id"),
            transaction_timeout: view.span("transaction.timeout.ms"),
        }
    }

    /// What Kafka's producer refuses, or quietly changes.
    pub(crate) fn conflicts(given: &Given) -> Vec<Conflict> {
        let view = View { scope: Scope::Producer, given };
        let it = ProducerSettings::of(given);
        let wants = view.flag("enable.idempotence") && view.is_set("enable.idempotence");
        let mut conflicts = Vec::new();
        let mut say = |severity, key, problem: String, help: &str| {
            conflicts.push(Conflict { severity, key, problem, help: help.into() });
        };
        if it.delivery_timeout < it.request_timeout.saturating_add(it.linger) {
            // Kafka stretches a default, and refuses what was set.
            let sum = it.request_timeout.saturating_add(it.linger).0 / 1_000_000;
            match view.is_set("delivery.timeout.ms") {
                true => say(
                    Severity::Error,
                    "delivery.timeout.ms",
                    "is less than linger.ms and request.timeout.ms together: Kafka refuses that".into(),
                    &format!("{sum} or more"),
                ),
                false => say(
                    Severity::Warning,
                    "request.timeout.ms",
                    format!("is longer than delivery.timeout.ms: Kafka stretches that to {sum}"),
                    &format!("\"delivery.timeout.ms\" = {sum} beside it"),
                ),
            }
        }
        let blocker = [
            ("acks", it.acks != Acks::All, "all"),
            ("max.in.flight.requests.per.connection", it.max_in_flight > 5, "5 or less"),
            ("retries", it.retries == 0, "1 or more"),
        ];
        for (key, blocks, help) in blocker.into_iter().filter(|(_, blocks, _)| *blocks) {
            debug_assert!(blocks);
            if wants || it.transactional_id.is_some() {
                say(Severity::Error, key, "does not go with an idempotent producer: Kafka refuses that".into(), help);
            } else if !view.is_set("enable.idempotence") {
                say(Severity::Warning, key, "switches idempotence off: retries may duplicate records".into(), help);
            }
        }
        if it.transactional_id.is_some() && view.is_set("enable.idempotence") && !view.flag("enable.idempotence") {
            let problem = "a transactional producer is idempotent: Kafka refuses that";
            say(Severity::Error, "enable.idempotence", problem.into(), "true");
        }
        conflicts
    }
}

/// Where a consumer starts without a committed offset, or with one out of range: `auto.offset.reset`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OffsetReset {
    /// At the end: what was written before is never seen.
    Latest,
    /// At the start of the log.
    Earliest,
    /// Nowhere: it fails.
    None,
}

/// What a consumer sees of transactions: `isolation.level`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IsolationLevel {
    /// Everything below the high watermark.
    ReadUncommitted,
    /// What is committed, below the last stable offset.
    ReadCommitted,
}

/// Who assigns partitions: `group.protocol`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupProtocol {
    /// The group's leader, with an assignor.
    Classic,
    /// The coordinator (KIP-848).
    Consumer,
}

/// How a classic group assigns partitions: `partition.assignment.strategy`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Assignor {
    /// Ranges of each topic's partitions; eager.
    Range,
    /// In turns; eager.
    RoundRobin,
    /// As before as far as possible; eager.
    Sticky,
    /// The same, and only what moves is revoked: cooperative (KIP-429).
    CooperativeSticky,
}

impl Assignor {
    /// All of them.
    pub const ALL: [Assignor; 4] =
        [Assignor::Range, Assignor::RoundRobin, Assignor::Sticky, Assignor::CooperativeSticky];

    /// Kafka's class, without its package.
    pub fn class(self) -> &'static str {
        match self {
            Assignor::Range => "RangeAssignor",
            Assignor::RoundRobin => "RoundRobinAssignor",
            Assignor::Sticky => "StickyAssignor",
            Assignor::CooperativeSticky => "CooperativeStickyAssignor",
        }
    }

    /// Whether members keep what they have while a rebalance goes on.
    pub fn is_cooperative(self) -> bool {
        self == Assignor::CooperativeSticky
    }
}

/// A `client.rack` that is each member's own zone: what a deployment has in its place. The name is that which the
/// OpenMessaging Benchmark's Kafka driver replaces in `client.id`.
pub const OWN_ZONE: &str = "{zone.id}";

/// A consumer's settings, each under Kafka's name.
#[derive(Clone, Debug, PartialEq)]
pub struct ConsumerSettings {
    /// `auto.offset.reset`.
    pub auto_offset_reset: OffsetReset,
    /// `isolation.level`.
    pub isolation_level: IsolationLevel,
    /// `enable.auto.commit`.
    pub enable_auto_commit: bool,
    /// `auto.commit.interval.ms`.
    pub auto_commit_interval: Nanos,
    /// `fetch.min.bytes`.
    pub fetch_min_bytes: u64,
    /// `fetch.max.bytes`.
    pub fetch_max_bytes: u64,
    /// `fetch.max.wait.ms`.
    pub fetch_max_wait: Nanos,
    /// `max.partition.fetch.bytes`.
    pub max_partition_fetch_bytes: u64,
    /// `max.poll.records`.
    pub max_poll_records: u32,
    /// `max.poll.interval.ms`.
    pub max_poll_interval: Nanos,
    /// `session.timeout.ms`.
    pub session_timeout: Nanos,
    /// `heartbeat.interval.ms`.
    pub heartbeat_interval: Nanos,
    /// `group.protocol`.
    pub group_protocol: GroupProtocol,
    /// The first of `partition.assignment.strategy`.
    pub assignor: Assignor,
    /// `group.instance.id`: static membership.
    pub group_instance_id: Option<String>,
    /// `client.rack`: a zone's name, or [`OWN_ZONE`].
    pub client_rack: Option<String>,
    /// `request.timeout.ms`.
    pub request_timeout: Nanos,
    /// `retry.backoff.ms`.
    pub retry_backoff: Nanos,
    /// `retry.backoff.max.ms`.
    pub retry_backoff_max: Nanos,
    /// `metadata.max.age.ms`.
    pub metadata_max_age: Nanos,
}

impl Default for ConsumerSettings {
    fn default() -> ConsumerSettings {
        ConsumerSettings::of(&Given::default())
    }
}

impl ConsumerSettings {
    /// What was set, and the defaults of the rest.
    pub fn of(given: &Given) -> ConsumerSettings {
        let view = View { scope: Scope::Consumer, given };
        ConsumerSettings {
            auto_offset_reset: match view.word("auto.offset.reset") {
                "earliest" => OffsetReset::Earliest,
                "none" => OffsetReset::None,
                _ => OffsetReset::Latest,
            },
            isolation_level: match view.word("isolation.level") {
                "read_committed" => IsolationLevel::ReadCommitted,
                _ => IsolationLevel::ReadUncommitted,
            },
            enable_auto_commit: view.flag("enable.auto.commit"),
            auto_commit_interval: view.span("auto.commit.interval.ms"),
            fetch_min_bytes: view.bytes("fetch.min.bytes"),
            fetch_max_bytes: view.bytes("fetch.max.bytes"),
            fetch_max_wait: view.span("fetch.max.wait.ms"),
            max_partition_fetch_bytes: view.bytes("max.partition.fetch.bytes"),
            max_poll_records: view.count32("max.poll.records"),
            max_poll_interval: view.span("max.poll.interval.ms"),
            session_timeout: view.span("session.timeout.ms"),
            heartbeat_interval: view.span("heartbeat.interval.ms"),
            group_protocol: match view.word("group.protocol") {
                "consumer" => GroupProtocol::Consumer,
                _ => GroupProtocol::Classic,
            },
            assignor: view.assignor("partition.assignment.strategy"),
            group_instance_id: view.text("group.instance.id"),
            client_rack: view.text("client.rack"),
            request_timeout: view.span("request.timeout.ms"),
            retry_backoff: view.span("retry.backoff.ms"),
            retry_backoff_max: view.span("retry.backoff.max.ms"),
            metadata_max_age: view.span("metadata.max.age.ms"),
        }
    }

    /// What Kafka's consumer refuses.
    pub(crate) fn conflicts(given: &Given) -> Vec<Conflict> {
        let view = View { scope: Scope::Consumer, given };
        let it = ConsumerSettings::of(given);
        let mut conflicts = Vec::new();
        if it.heartbeat_interval >= it.session_timeout && it.group_protocol == GroupProtocol::Classic {
            let set = view.is_set("heartbeat.interval.ms");
            conflicts.push(Conflict {
                severity: Severity::Error,
                key: if set { "heartbeat.interval.ms" } else { "session.timeout.ms" },
                problem: "heartbeats are no more frequent than the session's timeout: Kafka refuses that".into(),
                help: "a heartbeat.interval.ms of a third of session.timeout.ms, or less".into(),
            });
        }
        if it.group_protocol == GroupProtocol::Consumer {
            for key in ["session.timeout.ms", "heartbeat.interval.ms", "partition.assignment.strategy"] {
                if view.is_set(key) {
                    conflicts.push(Conflict {
                        severity: Severity::Error,
                        key,
                        problem: "does not go with group.protocol = consumer: Kafka refuses that".into(),
                        help: "the broker's group.consumer.* settings".into(),
                    });
                }
            }
        }
        conflicts
    }
}
