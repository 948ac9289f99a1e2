//! Settings of topics.

use crate::spec::settings::given::View;
use crate::spec::settings::{Given, Scope};
use wavetank_sim::Nanos;

/// What happens to old records: `cleanup.policy`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CleanupPolicy {
    /// They are deleted.
    Delete,
    /// Of each key the last one is kept.
    Compact,
    /// Both.
    CompactAndDelete,
}

/// A topic's settings, each under Kafka's name.
#[derive(Clone, Debug, PartialEq)]
pub struct TopicSettings {
    /// `min.insync.replicas`.
    pub min_insync_replicas: u32,
    /// `unclean.leader.election.enable`.
    pub unclean_leader_election: bool,
    /// `flush.messages`: records after which the log is synced; none for never.
    pub flush_messages: Option<u64>,
    /// `flush.ms`: how long the log is left unsynced; none for ever.
    pub flush_interval: Option<Nanos>,
    /// `segment.bytes`.
    pub segment_bytes: u64,
    /// `segment.ms`.
    pub segment_time: Nanos,
    /// `retention.ms`; none for ever.
    pub retention_time: Option<Nanos>,
    /// `retention.bytes`; none for no limit.
    pub retention_bytes: Option<u64>,
    /// `max.message.bytes`.
    pub max_message_bytes: u64,
    /// `cleanup.policy`.
    pub cleanup_policy: CleanupPolicy,
}

impl Default for TopicSettings {
    fn default() -> TopicSettings {
        TopicSettings::of(&Given::default())
    }
}

impl TopicSettings {
    /// What was set, and the defaults of the rest.
    pub fn of(given: &Given) -> TopicSettings {
        let view = View { scope: Scope::Topic, given };
        TopicSettings {
            min_insync_replicas: view.count32("min.insync.replicas"),
            unclean_leader_election: view.flag("unclean.leader.election.enable"),
            flush_messages: view.count_or_none("flush.messages"),
            flush_interval: view.span_or_none("flush.ms"),
            segment_bytes: view.bytes("segment.bytes"),
            segment_time: view.span("segment.ms"),
            retention_time: view.span_or_none("retention.ms"),
            retention_bytes: view.bytes_or_none("retention.bytes"),
            max_message_bytes: view.bytes("max.message.bytes"),
            cleanup_policy: match view.word("cleanup.policy") {
                "delete" => CleanupPolicy::Delete,
                "compact" => CleanupPolicy::Compact,
                _ => CleanupPolicy::CompactAndDelete,
            },
        }
    }
}
