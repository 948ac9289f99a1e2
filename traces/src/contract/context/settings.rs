//! Settings of Kafka on which its promises hang, under Kafka's names and in Kafka's units.

use super::scalar::{Acks, CleanupPolicy, IsolationLevel, OffsetReset};
use serde::{Deserialize, Serialize};

/// Settings of a producer and consumer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ClientSettings {
    /// For people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// Which records its polls return (KIP-98). Not given: `read_committed`, which Jepsen assumes too, although Kafka's
    /// default is `read_uncommitted`.
    #[serde(rename = "isolation.level", alias = "isolation_level", skip_serializing_if = "Option::is_none")]
    pub isolation_level: Option<IsolationLevel>,
    /// When its sends are acknowledged. Not given: `all`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acks: Option<Acks>,
    /// Whether the broker drops what it sends twice (KIP-98, KIP-679). Not given: as in Kafka, `true`, unless `acks` is
    /// not `all` or more than five requests may be in flight.
    #[serde(rename = "enable.idempotence", alias = "enable_idempotence", skip_serializing_if = "Option::is_none")]
    pub enable_idempotence: Option<bool>,
    /// How many requests of one connection may be on their way at once. Not given: 5.
    #[serde(
        rename = "max.in.flight.requests.per.connection",
        alias = "max_in_flight",
        skip_serializing_if = "Option::is_none"
    )]
    pub max_in_flight: Option<u32>,
    /// Whether its operations are Kafka transactions (`transactional.id` is set). Not given: a `txn` is one; of a `send`
    /// or a `poll` nobody knows, and nothing is excused by it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transactional: Option<bool>,
    /// After how many milliseconds the coordinator aborts a transaction by itself. Not given: `quiesced` says all.
    #[serde(
        rename = "transaction.timeout.ms",
        alias = "transaction_timeout_ms",
        skip_serializing_if = "Option::is_none"
    )]
    pub transaction_timeout_ms: Option<u64>,
    /// Whether its transactions never time out (KIP-939). Not given: `false`.
    #[serde(
        rename = "transaction.two.phase.commit.enable",
        alias = "transaction_two_phase_commit_enable",
        skip_serializing_if = "Option::is_none"
    )]
    pub two_phase_commit: Option<bool>,
    /// Whether its consumer commits offsets by itself, outside of transactions. Not given: `false`, although Kafka's
    /// default is `true`.
    #[serde(rename = "enable.auto.commit", alias = "enable_auto_commit", skip_serializing_if = "Option::is_none")]
    pub enable_auto_commit: Option<bool>,
    /// Where its consumer goes on when its position is not in the log. Not given: `earliest`, which forgives only what
    /// is gone, although Kafka's default is `latest`.
    #[serde(rename = "auto.offset.reset", alias = "auto_offset_reset", skip_serializing_if = "Option::is_none")]
    pub auto_offset_reset: Option<OffsetReset>,
}

impl ClientSettings {
    /// These, and where they say nothing, `others`.
    #[must_use]
    pub fn or(self, others: &ClientSettings) -> ClientSettings {
        ClientSettings {
            comment: self.comment,
            isolation_level: self.isolation_level.or(others.isolation_level),
            acks: self.acks.or(others.acks),
            enable_idempotence: self.enable_idempotence.or(others.enable_idempotence),
            max_in_flight: self.max_in_flight.or(others.max_in_flight),
            transactional: self.transactional.or(others.transactional),
            transaction_timeout_ms: self.transaction_timeout_ms.or(others.transaction_timeout_ms),
            two_phase_commit: self.two_phase_commit.or(others.two_phase_commit),
            enable_auto_commit: self.enable_auto_commit.or(others.enable_auto_commit),
            auto_offset_reset: self.auto_offset_reset.or(others.auto_offset_reset),
        }
    }

    /// Whether it sees records of transactions that have not committed and perhaps never will.
    pub fn reads_uncommitted(&self) -> bool {
        self.isolation_level == Some(IsolationLevel::ReadUncommitted)
    }

    /// Its `acks`.
    pub fn acks(&self) -> Acks {
        self.acks.unwrap_or(Acks::All)
    }

    /// How many of its requests may overtake each other.
    pub fn in_flight(&self) -> u32 {
        self.max_in_flight.unwrap_or(5)
    }

    /// Whether the broker drops what it sends twice, and keeps what it sends in order.
    pub fn is_idempotent(&self) -> bool {
        self.enable_idempotence.unwrap_or(self.acks() == Acks::All && self.in_flight() <= 5)
    }
}

/// Settings of a topic.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TopicSettings {
    /// For people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// How many replicas `acks=all` waits for at the least. Not given: 1.
    #[serde(rename = "min.insync.replicas", alias = "min_insync_replicas", skip_serializing_if = "Option::is_none")]
    pub min_insync_replicas: Option<u32>,
    /// Whether a replica that is not in sync may become the leader. Not given: only if a key lists that one did. `false`
    /// forbids it: an election that is listed all the same excuses nothing, unless somebody asked for it. `true` without
    /// a list of elections makes losses *unknown*.
    #[serde(
        rename = "unclean.leader.election.enable",
        alias = "unclean_leader_election_enable",
        skip_serializing_if = "Option::is_none"
    )]
    pub unclean_leader_election: Option<bool>,
    /// Whether eligible leader replicas are kept (KIP-966, feature `eligible.leader.replicas.version` 1, on in new
    /// clusters of Kafka 4.1). Without them the last in-sync replica leads again even if it lost its log. Not given:
    /// `true`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub eligible_leader_replicas: Option<bool>,
    /// How old records go. Not given: `delete`.
    #[serde(rename = "cleanup.policy", alias = "cleanup_policy", skip_serializing_if = "Option::is_none")]
    pub cleanup_policy: Option<CleanupPolicy>,
    /// How many milliseconds a record is safe from compaction. Not given: 0.
    #[serde(
        rename = "min.compaction.lag.ms",
        alias = "min_compaction_lag_ms",
        skip_serializing_if = "Option::is_none"
    )]
    pub min_compaction_lag_ms: Option<u64>,
}

impl TopicSettings {
    /// These, and where they say nothing, `others`.
    #[must_use]
    pub fn or(self, others: &TopicSettings) -> TopicSettings {
        TopicSettings {
            comment: self.comment,
            min_insync_replicas: self.min_insync_replicas.or(others.min_insync_replicas),
            unclean_leader_election: self.unclean_leader_election.or(others.unclean_leader_election),
            eligible_leader_replicas: self.eligible_leader_replicas.or(others.eligible_leader_replicas),
            cleanup_policy: self.cleanup_policy.or(others.cleanup_policy),
            min_compaction_lag_ms: self.min_compaction_lag_ms.or(others.min_compaction_lag_ms),
        }
    }

    /// How many in-sync replicas may lose what they did not flush before an acknowledged record may be gone.
    pub fn min_insync_replicas(&self) -> u32 {
        self.min_insync_replicas.unwrap_or(1)
    }

    /// Whether compaction is on.
    pub fn compacts(&self) -> bool {
        matches!(self.cleanup_policy, Some(CleanupPolicy::Compact | CleanupPolicy::Both))
    }
}
