//! What happened beside the history.

use super::scalar::{At, Target};
use serde::{Deserialize, Serialize};

/// A consumer group.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// Its `group.id`.
    pub id: String,
    /// The processes that were ever its members.
    pub processes: Vec<i64>,
    /// Whether it processes each record exactly once (KIP-98, KIP-129): it commits its offsets in the transactions that
    /// its members' `ok` operations are.
    #[serde(default)]
    pub exactly_once: bool,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
}

/// A consumer's position in a key moved, by itself or by order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Move {
    /// Whose.
    pub process: i64,
    /// In which key.
    pub key: String,
    /// Where to.
    pub to: Target,
    /// When.
    pub at: At,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
}

/// Brokers went down and lost what they had not flushed (power or disk loss; a killed process loses nothing).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LossyShutdown {
    /// When, in nanoseconds.
    pub at: i64,
    /// The keys whose replicas they held. Not given: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keys: Option<Vec<String>>,
    /// How many in-sync replicas lost something before the first of them had caught up again. `acks=all` survives fewer
    /// than `min.insync.replicas`.
    #[serde(default = "one")]
    pub replicas: u32,
    /// Whether that was the last member of the in-sync set. Without eligible leader replicas it leads again, with what
    /// is left (KIP-966, "last replica standing").
    #[serde(default)]
    pub last_in_sync: bool,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
}

fn one() -> u32 {
    1
}

/// A fault beyond what the platform promises to survive.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// What it was, in words.
    pub name: String,
    /// The keys that it struck. Not given: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keys: Option<Vec<String>>,
    /// When it began, in nanoseconds.
    pub from: i64,
    /// When it ended, in nanoseconds. Not given: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<i64>,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
}
