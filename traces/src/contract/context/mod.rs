//! What is known about a history beside the history: settings, seeks, log starts, elections, faults.
//!
//! A context is one JSON object, which a simulation writes and a person can write by hand for a real cluster. Everything
//! in it is optional. **What it does not say excuses nothing**: settings that are not given are taken to be those of a
//! careful user of Kafka 4 (`acks=all`, `enable.idempotence=true`, `unclean.leader.election.enable=false`, which are its
//! defaults, and `isolation.level=read_committed`, `auto.offset.reset=earliest`, which are not), and events that are not listed did not happen. Where
//! neither would be fair, the field says so, and findings that hang on it are *unknown*.
//!
//! Settings stand under the names that Kafka gives them and in Kafka's units; facts of the history have names of ours.
//! Times are nanoseconds on the clock of the history; offsets are those of the key's log; keys and processes are named as
//! in the history. Most objects may have a `"comment"`, which nobody reads.
//!
//! ```json
//! {
//!   "clients": {"isolation.level": "read_committed", "acks": "all"},
//!   "processes": {"7": {"isolation.level": "read_uncommitted"}},
//!   "quiesced": true,
//!   "keys": {"orders-0": {"log_start": [{"offset": 120, "at": 5000000000, "reason": "retention"}]}},
//!   "seeks": [{"process": 3, "key": "orders-0", "to": "beginning", "at": {"index": 41}}],
//!   "faults": [{"name": "two zones lost", "from": 6000000000}]
//! }
//! ```
//!
//! A file with all fields is `traces/examples/context.json`; `traces/CONTRACT.md` goes through it.

mod events;
mod key;
mod scalar;
mod settings;

use crate::history::{History, Process};
pub use events::{Fault, Group, LossyShutdown, Move};
pub use key::{
    Compaction, Deletion, EndState, KeyContext, LeaderChange, LogStart, OffsetRange, Reason, UncleanElection,
    ValueRange,
};
pub use scalar::{Acks, At, CleanupPolicy, IsolationLevel, OffsetReset, Target};
use serde::{Deserialize, Serialize};
pub use settings::{ClientSettings, TopicSettings};
use std::collections::BTreeMap;
use thiserror::Error;

/// What is known about a history. See the [module](self).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Context {
    /// For people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// Settings of all clients, producers and consumers alike.
    #[serde(skip_serializing_if = "is_default")]
    pub clients: ClientSettings,
    /// Settings of single processes, by number; what they do not say, `clients` does.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub processes: BTreeMap<i64, ClientSettings>,
    /// Settings of all topics; a key's own `settings` go first.
    #[serde(skip_serializing_if = "is_default")]
    pub topics: TopicSettings,
    /// Consumer groups.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<Group>,
    /// Whether the history ended well: every fault healed, and then consumers were given the time (more than
    /// `transaction.timeout.ms` and its sweep) to read every key to its end. Not given: nobody knows, and whatever was
    /// not read at the end is *unknown*.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quiesced: Option<bool>,
    /// Whether every producer of these keys is in the history. Not given: yes. If not, a value that nobody sent is
    /// *unknown*.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub all_writers_recorded: Option<bool>,
    /// What is known of single keys (partitions), by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub keys: BTreeMap<String, KeyContext>,
    /// Explicit seeks of consumers (`Consumer.seek`, `seekToBeginning`, `seekToEnd`). An `assign` with
    /// `seek-to-beginning?` need not be repeated here.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub seeks: Vec<Move>,
    /// Positions that moved without a seek: `auto.offset.reset` after `OFFSET_OUT_OF_RANGE` or expired offsets
    /// (`offsets.retention.minutes`), an operator's `kafka-consumer-groups --reset-offsets`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub offset_resets: Vec<Move>,
    /// Shutdowns of brokers that lost what they had not flushed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub lossy_shutdowns: Vec<LossyShutdown>,
    /// Faults beyond what the platform promises to survive.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<Fault>,
}

/// Why a text is no context.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{name}:{line}:{column}: {at}{why}", at = Place(.path))]
pub struct ContextError {
    /// The file's name.
    pub name: String,
    /// The line, from 1.
    pub line: usize,
    /// The column, from 1; 0 if the end of the line before is meant.
    pub column: usize,
    /// The field, from the outside in, as in `keys.x.log_start[0].offset`; empty if the text is no JSON.
    pub path: String,
    /// What is wrong, and what would be right.
    pub why: String,
}

/// A path in front of a message.
struct Place<'a>(&'a str);

impl std::fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            "" | "." => Ok(()),
            path => write!(f, "`{path}`: "),
        }
    }
}

impl Context {
    /// Reads a context from the text of the file of this name.
    pub fn read(text: &str, name: &str) -> Result<Context, ContextError> {
        let json = &mut serde_json::Deserializer::from_str(text);
        let read = serde_path_to_error::deserialize(&mut *json);
        let (path, error) = match read {
            Ok(context) => match json.end() {
                Ok(()) => return Ok(context),
                Err(error) => (String::new(), error),
            },
            Err(error) => (error.path().to_string(), error.into_inner()),
        };
        let why = error.to_string();
        let place = format!(" at line {} column {}", error.line(), error.column());
        let why = why.strip_suffix(&place).unwrap_or(&why).to_owned();
        Err(ContextError { name: name.to_owned(), line: error.line(), column: error.column(), path, why })
    }

    /// A process's settings, with those of all clients where it has none of its own.
    pub fn client(&self, process: Option<Process>) -> ClientSettings {
        let own = process.and_then(|process| self.processes.get(&process.0)).cloned().unwrap_or_default();
        own.or(&self.clients)
    }

    /// What is known of the key of this name.
    pub fn key(&self, name: &str) -> Option<&KeyContext> {
        self.keys.get(name)
    }

    /// A key's settings, with those of all topics where it has none of its own.
    pub fn topic(&self, key: &str) -> TopicSettings {
        let own = self.key(key).map(|key| key.settings.clone()).unwrap_or_default();
        own.or(&self.topics)
    }

    /// The keys that the context speaks of and the history does not know: most likely typing errors, worth a warning.
    pub fn unknown_keys(&self, history: &History) -> Vec<&str> {
        let listed = self.lossy_shutdowns.iter().map(|shutdown| &shutdown.keys);
        let listed = listed.chain(self.faults.iter().map(|fault| &fault.keys)).flatten().flatten();
        let moved = self.seeks.iter().chain(&self.offset_resets).map(|moved| &moved.key);
        let named: std::collections::BTreeSet<_> = self.keys.keys().chain(listed).chain(moved).collect();
        named.into_iter().map(String::as_str).filter(|name| history.find_key(name).is_none()).collect()
    }
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

#[cfg(test)]
mod tests;
