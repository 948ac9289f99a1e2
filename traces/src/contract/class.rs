//! What a finding means under Kafka's contract.

use crate::check::anomaly::Anomaly;
use crate::check::proof::Proof;
use serde_json::Value as Json;

/// What a finding means.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// Kafka promises that this does not happen.
    Violation,
    /// Nobody can tell.
    Unknown {
        /// What would have to be known.
        why: String,
    },
    /// A promise was given, and a fault that no configuration survives ended it.
    PromiseEnded {
        /// Which fault.
        by: String,
    },
    /// So configured, or so used, Kafka promises nothing of the kind.
    Allowed {
        /// Which setting, or which use.
        by: String,
    },
}

impl Class {
    /// The name in reports.
    pub fn name(&self) -> &'static str {
        match self {
            Class::Violation => "violation",
            Class::Unknown { .. } => "unknown",
            Class::PromiseEnded { .. } => "promise-ended",
            Class::Allowed { .. } => "allowed",
        }
    }

    /// Allowed by this.
    pub(super) fn allowed(by: impl Into<String>) -> Class {
        Class::Allowed { by: by.into() }
    }

    /// The promise ended by this.
    pub(super) fn ended(by: impl Into<String>) -> Class {
        Class::PromiseEnded { by: by.into() }
    }

    /// Unknown for this reason.
    pub(super) fn unknown(why: impl Into<String>) -> Class {
        Class::Unknown { why: why.into() }
    }
}

/// A finding, and what it means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Classified {
    /// What was found.
    pub proof: Proof,
    /// What it means.
    pub class: Class,
}

impl Classified {
    /// Whether it is a violation of liveness alone: something did not come, but may still be there.
    pub fn is_stall(&self) -> bool {
        let liveness = matches!(self.proof.anomaly(), Anomaly::Unseen | Anomaly::HangingTransaction);
        liveness && self.class == Class::Violation
    }

    /// Adds `class`, and `by` or `why`, to an entry of a report.
    pub(super) fn annotate(&self, mut entry: Json) -> Json {
        if !entry.is_object() {
            entry = Json::Object(serde_json::Map::new());
        }
        entry["class"] = self.class.name().into();
        match &self.class {
            Class::Violation => entry["why"] = promise(self.proof.anomaly()).into(),
            Class::Unknown { why } => entry["why"] = why.as_str().into(),
            Class::PromiseEnded { by } | Class::Allowed { by } => entry["by"] = by.as_str().into(),
        }
        entry
    }
}

/// The promise of Kafka that an anomaly breaks.
pub fn promise(anomaly: Anomaly) -> &'static str {
    match anomaly {
        Anomaly::InconsistentOffsets => "an offset of a partition holds one record, once and for all",
        Anomaly::Duplicate => "a record of an idempotent producer is in its log once",
        Anomaly::LostWrite => "an acknowledged record stays in its log",
        Anomaly::Unseen => "an acknowledged record reaches consumers that read on",
        Anomaly::G1a => "records of aborted transactions are never delivered under read_committed",
        Anomaly::PrecommittedRead => "a transaction's records are delivered under read_committed only after its commit",
        Anomaly::NoWriterOfValue => "a log holds only what was sent to it",
        Anomaly::PollSkip => "a consumer's next poll goes on after its last and leaves out nothing",
        Anomaly::NonmonotonicPoll => "a consumer's next poll goes on after its last and never back",
        Anomaly::IntPollSkip => "within one operation polls leave out nothing",
        Anomaly::IntNonmonotonicPoll => "within one operation polls never go back",
        Anomaly::NonmonotonicSend => "a producer's records are in the log in the order in which it sent them",
        Anomaly::IntNonmonotonicSend => "one operation's records are in the log in the order in which it sent them",
        Anomaly::IntSendSkip => "nothing: other producers' records may lie in between",
        Anomaly::G0 => "nothing: writes of transactions are not isolated from each other",
        Anomaly::G0Process => "nothing: writes are not isolated, not even in the order of one process",
        Anomaly::G0Realtime => "nothing: writes are not isolated, not even in the order of real time",
        Anomaly::G1c => "no two transactions deliver their records to each other under read_committed",
        Anomaly::G1cProcess => "no transaction reads what its own process has yet to send",
        Anomaly::G1cRealtime => "no transaction reads what is sent after it ended",
        Anomaly::Pl1CycleExists => "nothing: cycles of writes are normal",
        Anomaly::Pl2CycleExists => "deliveries under read_committed follow the order of commits",
        Anomaly::StrongPl1CycleExists => "nothing: cycles of writes and real time are normal",
        Anomaly::StrongPl2CycleExists => "deliveries under read_committed follow the order of commits and real time",
        Anomaly::EmptyTransactionGraph => "nothing: but a history without dependencies shows nothing",
        Anomaly::AbortedRead => "records of aborted transactions are never delivered, however the reader ends",
        Anomaly::DoubleConsumption => "an exactly-once group consumes a record in one committed transaction",
        Anomaly::HangingTransaction => {
            "every transaction ends, if need be by its timeout, and the last stable offset moves on"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_anomaly_names_a_promise_of_its_own() {
        let promises: BTreeSet<_> = Anomaly::ALL.into_iter().map(promise).collect();
        assert_eq!(promises.len(), Anomaly::ALL.len());
        assert!(promises.iter().all(|promise| promise.len() > 20));
    }

    #[test]
    fn an_entry_says_its_class_and_why() {
        let classified = |class| Classified { proof: Proof::EmptyGraph, class };
        let entry = classified(Class::Violation).annotate(serde_json::json!({"key": "x"}));
        assert_eq!(entry["key"], "x");
        assert_eq!(entry["class"], "violation");
        assert_eq!(entry["why"], promise(Anomaly::EmptyTransactionGraph));
        for (class, name, field) in [
            (Class::unknown("text"), "unknown", "why"),
            (Class::ended("text"), "promise-ended", "by"),
            (Class::allowed("text"), "allowed", "by"),
        ] {
            let entry = classified(class).annotate(true.into());
            assert_eq!(entry, serde_json::json!({"class": name, field: "text"}));
        }
    }
}
