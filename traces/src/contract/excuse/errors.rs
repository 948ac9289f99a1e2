//! Errors that do not say what they seem to.
//!
//! A history's `fail` claims that an operation did not happen and never will. Kafka has errors that clients like to take
//! for that although they promise less.

use super::{Case, Piece, all, client};
use crate::contract::class::Class;
use crate::contract::facts::Facts;
use crate::history::OpId;
use serde_json::Value as Json;
use std::ops::Range;

/// Errors after which a record may be in its log: by name, and why.
const OF_SENDS: [(&str, &str); 8] = [
    ("NOT_LEADER_OR_FOLLOWER", "KAFKA-13574: an earlier attempt may have been appended"),
    ("NOT_LEADER_FOR_PARTITION", "KAFKA-13574: an earlier attempt may have been appended"),
    ("NOT_ENOUGH_REPLICAS_AFTER_APPEND", "the leader has appended it, and it may commit"),
    ("REQUEST_TIMED_OUT", "the leader may have appended it"),
    ("TIMEOUT", "the leader may have appended it"),
    ("NETWORK_EXCEPTION", "the request may have arrived"),
    ("DISCONNECT", "the request may have arrived"),
    ("OUT_OF_ORDER_SEQUENCE", "an earlier attempt may have been appended"),
];

/// Errors after which a transaction's end was, or will be, decided by somebody else.
const OF_COMMITS: [(&str, &str); 6] = [
    ("INVALID_TXN_STATE", "the retry of a commit that went through may get it"),
    ("PRODUCER_FENCED", "somebody else decided the transaction"),
    ("INVALID_PRODUCER_EPOCH", "somebody else decided the transaction"),
    ("TRANSACTION_COORDINATOR_FENCED", "another coordinator decided the transaction"),
    ("CONCURRENT_TRANSACTIONS", "the decision was already under way"),
    ("COORDINATOR_NOT_AVAILABLE", "the decision may have been written"),
];

/// The failure of the writer was not a definite one. Outside of a transaction, its record may then be in the log; in
/// one, it depends on whether the transaction was aborted after all, which nobody saw.
pub fn indefinite(facts: &Facts, _: &Case, piece: &Piece) -> Vec<(Range<u64>, Class)> {
    let Some((name, why)) = piece.writer.and_then(|writer| error_of(facts, writer)) else { return Vec::new() };
    let outside = piece.writer.is_some_and(|writer| client::is_transaction(facts, writer) == Some(false));
    let text = format!("{name} is not a definite failure: {why}");
    all(piece, if outside { Class::allowed(text) } else { Class::unknown(text) })
}

fn error_of(facts: &Facts, writer: OpId) -> Option<(&'static str, &'static str)> {
    let error = facts.history().value_json(facts.history().op(writer).error?);
    let text = plain(&text_of(&error));
    OF_SENDS.into_iter().chain(OF_COMMITS).find(|(name, _)| text.contains(&plain(name)))
}

/// All strings in it.
fn text_of(json: &Json) -> String {
    match json {
        Json::String(text) => format!("{text} "),
        Json::Array(items) => items.iter().map(text_of).collect(),
        Json::Object(fields) => fields.iter().map(|(name, value)| format!("{name} {}", text_of(value))).collect(),
        Json::Null | Json::Bool(_) | Json::Number(_) => String::new(),
    }
}

/// `NOT_LEADER_OR_FOLLOWER`, `NotLeaderOrFollowerException` and `:not-leader-or-follower` are the same.
fn plain(text: &str) -> String {
    text.chars().filter(char::is_ascii_alphanumeric).map(|letter| letter.to_ascii_uppercase()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn errors_are_found_in_any_spelling_and_place() {
        let plain_of = |json: Json| plain(&text_of(&json));
        for json in [
            json!("NOT_LEADER_OR_FOLLOWER"),
            json!(["not-leader-or-follower", 3]),
            json!({"type": "org.apache.kafka.common.errors.NotLeaderOrFollowerException"}),
            json!({"NotLeaderOrFollower": null}),
        ] {
            assert!(plain_of(json.clone()).contains(&plain("NOT_LEADER_OR_FOLLOWER")), "{json}");
        }
        assert_eq!(plain_of(json!([1, true, null])), "");
    }

    #[test]
    fn a_lack_of_replicas_is_definite_and_a_lack_after_the_append_is_not() {
        let found = |text: &str| OF_SENDS.iter().any(|(name, _)| plain(text).contains(&plain(name)));
        assert!(!found("NotEnoughReplicasException"));
        assert!(found("NotEnoughReplicasAfterAppendException"));
    }
}
