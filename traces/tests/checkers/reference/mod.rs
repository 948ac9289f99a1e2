//! A slow, literal transcription of the definitions of the Kafka history checker, kept apart from the product so that
//! the product can be held against it.
//!
//! It reads the JSON-lines history format as plain JSON, looks at every element, and prefers the shape of the definition
//! over speed. It is meant for histories of up to some hundred ops.

// Each integration test that includes this module uses a part of it.
#![allow(dead_code, unused_imports)]

mod compare;
mod corpus;
mod cycles;
mod examples;
mod history;
mod orders;
mod reads;
mod steps;

pub use compare::{compare, compare_to_the_letter, remap_ops};
pub use corpus::{Case, cases};
pub use examples::{Example, examples};
pub use history::value_order;

use history::History;
use orders::Orders;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// The errors of each type.
type Errors = BTreeMap<String, Vec<Value>>;

/// The report on a history: `valid`, `error_types`, `bad_error_types` and the `errors` of each type.
///
/// Where several values sit at one offset, the smallest is taken for the version order.
pub fn check(lines: &[Value], sub_via_subscribe: bool, ww_deps: bool) -> Value {
    check_with(lines, sub_via_subscribe, ww_deps, &|_| 0)
}

/// As [`check`], with a choice of the value that stands in the version order where several sit at one offset.
///
/// `pick` is given at least two values, numbers first and then strings, in order, and returns the place of one.
pub fn check_with(lines: &[Value], sub_via_subscribe: bool, ww_deps: bool, pick: &dyn Fn(&[Value]) -> usize) -> Value {
    let history = History::read(lines);
    let orders = Orders::of(&history, pick);
    let mut errors = Errors::new();
    orders::inconsistent_offsets(&orders, &mut errors);
    orders::duplicate(&orders, &mut errors);
    reads::no_writer_of_value(&history, &mut errors);
    reads::g1a(&history, &mut errors);
    reads::precommitted_read(&history, &mut errors);
    reads::lost_write(&history, &orders, pick, &mut errors);
    reads::unseen(&history, &mut errors);
    steps::within_polls(&history, &orders, &mut errors);
    steps::within_sends(&history, &orders, &mut errors);
    steps::between_polls(&history, &orders, &mut errors);
    steps::between_sends(&history, &orders, &mut errors);
    let has_edges = cycles::cycles(&history, &orders, ww_deps, &mut errors);
    let mut report: Map<String, Value> = errors.into_iter().map(|(kind, all)| (kind, Value::Array(all))).collect();
    if !has_edges {
        report.insert("empty-transaction-graph".to_owned(), Value::Bool(true));
    }
    verdict(report, sub_via_subscribe, ww_deps)
}

fn verdict(errors: Map<String, Value>, sub_via_subscribe: bool, ww_deps: bool) -> Value {
    let mut types: Vec<&String> = errors.keys().collect();
    types.sort();
    let bad: Vec<&&String> = types.iter().filter(|kind| !allowed(kind, sub_via_subscribe, ww_deps)).collect();
    // The real checker throws on a value without a writer, and what throws has no verdict.
    let valid = if errors.contains_key("no-writer-of-value") { json!("unknown") } else { json!(bad.is_empty()) };
    json!({ "valid": valid, "error_types": types, "bad_error_types": bad, "errors": errors })
}

/// Whether errors of this type leave a history valid.
pub fn allowed(kind: &str, sub_via_subscribe: bool, ww_deps: bool) -> bool {
    match kind {
        "int-send-skip" => true,
        "G0" | "G0-process" | "G0-realtime" | "PL-1-cycle-exists" | "strong-PL-1-cycle-exists" => true,
        "poll-skip" | "nonmonotonic-poll" => sub_via_subscribe,
        "G1c" | "G1c-process" | "G1c-realtime" | "PL-2-cycle-exists" | "strong-PL-2-cycle-exists" => ww_deps,
        _ => false,
    }
}

/// The keys with more than one value at one offset: what depends on the version order says little there.
pub fn ambiguous_keys(lines: &[Value]) -> BTreeSet<String> {
    Orders::of(&History::read(lines), &|_| 0).ambiguous_keys()
}
