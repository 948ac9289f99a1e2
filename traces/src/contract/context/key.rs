//! What is known of one partition.

use super::settings::TopicSettings;
use serde::{Deserialize, Serialize};

/// What is known of one key (partition).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct KeyContext {
    /// For people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// Settings of its topic.
    #[serde(skip_serializing_if = "super::is_default")]
    pub settings: TopicSettings,
    /// When its log start offset moved, where to and why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub log_start: Vec<LogStart>,
    /// What compaction may have removed, and what not. Not given, under `cleanup.policy=compact`: any record older than
    /// `min.compaction.lag.ms`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compaction: Option<Compaction>,
    /// Offsets that hold control records (transaction markers, leader changes), as ranges. No record lies there.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub markers: Vec<OffsetRange>,
    /// Elections of leaders that were not in sync. Not given, under `unclean.leader.election.enable=true`: losses are
    /// *unknown*.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unclean_elections: Option<Vec<UncleanElection>>,
    /// Changes of the leader, clean or not. Not given: what was lost of `acks=1` is *unknown*.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub leader_changes: Option<Vec<LeaderChange>>,
    /// Deletions of the topic, each followed by its creation under the same name: its log began anew.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub deletions: Vec<Deletion>,
    /// Values that a producer wrote again under a new epoch, while an earlier write of them might land (KIP-360): each may
    /// be in the log twice, and out of order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rewritten: Vec<ValueRange>,
    /// What the log was like at the end of the history.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end: Option<EndState>,
}

/// Consecutive values, small whole numbers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ValueRange {
    /// The first.
    pub first: u64,
    /// How many.
    pub count: u64,
}

impl ValueRange {
    /// Whether a value is one of these.
    pub fn contains(&self, value: u64) -> bool {
        value.checked_sub(self.first).is_some_and(|place| place < self.count)
    }
}

/// The log start offset moved.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogStart {
    /// The first offset that can still be read.
    pub offset: u64,
    /// Since when, in nanoseconds. Not given: since before the history.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<i64>,
    /// Why.
    #[serde(default)]
    pub reason: Reason,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
}

/// Why a log start offset moved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// `retention.ms` or `retention.bytes`.
    #[default]
    Retention,
    /// `DeleteRecords` (KIP-107), as `kafka-delete-records` sends it.
    DeleteRecords,
    /// The log was made anew from a snapshot or another cluster and begins there.
    Snapshot,
}

impl Reason {
    /// What a user knows it by.
    pub fn name(self) -> &'static str {
        match self {
            Reason::Retention => "retention (retention.ms, retention.bytes)",
            Reason::DeleteRecords => "DeleteRecords",
            Reason::Snapshot => "a snapshot that begins there",
        }
    }
}

/// What compaction did.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Compaction {
    /// Where the cleaner has been. Not given: anywhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cleaned: Option<Vec<OffsetRange>>,
    /// Offsets that it has to keep: the newest record of each record key. Not given: nobody knows which those are, so any
    /// record where it has been may be gone. A tombstone past `delete.retention.ms` need not be kept.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub kept: Vec<OffsetRange>,
}

/// Consecutive offsets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "RawRange")]
pub struct OffsetRange {
    /// The first.
    pub from: u64,
    /// The one after the last.
    pub to: u64,
    /// Since when it is so, in nanoseconds. Not given: since before the history.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<i64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRange {
    from: u64,
    to: u64,
    #[serde(default)]
    at: Option<i64>,
}

impl TryFrom<RawRange> for OffsetRange {
    type Error = String;

    fn try_from(raw: RawRange) -> Result<OffsetRange, String> {
        let RawRange { from, to, at } = raw;
        if from < to {
            Ok(OffsetRange { from, to, at })
        } else {
            Err(format!("a range ends before `to`, so `to` has to be greater than `from`, {from}; it is {to}"))
        }
    }
}

/// A replica that was not in sync became the leader.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UncleanElection {
    /// When, in nanoseconds.
    pub at: i64,
    /// The first offset at which the new leader's log differs from the old one's. Not given: any may be lost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
    /// The new leader's epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<u32>,
    /// Whether an operator asked for it (`kafka-leader-election --election-type unclean`), so that the setting does not
    /// matter.
    #[serde(default)]
    pub requested: bool,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
}

/// The leader changed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeaderChange {
    /// When, in nanoseconds.
    pub at: i64,
    /// The first offset at which the new leader's log differs from the old one's. Not given: any may be lost that only
    /// the old leader had.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
    /// The new leader's epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<u32>,
}

/// The topic was deleted and created anew.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deletion {
    /// When, in nanoseconds.
    pub at: i64,
}

/// A log at the end of the history.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EndState {
    /// The first offset that can be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_start_offset: Option<u64>,
    /// The first offset that `read_committed` consumers cannot read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_stable_offset: Option<u64>,
    /// The first offset that no consumer can read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub high_watermark: Option<u64>,
    /// The first offset that holds nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_end_offset: Option<u64>,
}
