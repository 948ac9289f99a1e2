//! Two reports on one history held against each other, by the rules of the conformance corpus.

use super::cycles::{classes, is_cycle};
use super::history::{key_text, value_order};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// What depends on the version order: it says nothing on keys where an offset holds several values.
const BY_POSITION: [&str; 7] = [
    "poll-skip",
    "nonmonotonic-poll",
    "nonmonotonic-send",
    "int-poll-skip",
    "int-nonmonotonic-poll",
    "int-send-skip",
    "int-nonmonotonic-send",
];

/// Whether two reports agree; if not, in what. On ambiguous keys the `max-read` of a lost write, too, hangs on the choice
/// among several values and is not compared: see [`compare_to_the_letter`].
pub fn compare(ours: &Value, expected: &Value, ambiguous_keys: &BTreeSet<String>) -> Result<(), String> {
    compare_reports(ours, expected, ambiguous_keys, false)
}

/// As [`compare`], with `max-read` compared on all keys, as the rules of the corpus say. Both reports must then choose the
/// same one among the values of an offset.
pub fn compare_to_the_letter(ours: &Value, expected: &Value, ambiguous_keys: &BTreeSet<String>) -> Result<(), String> {
    compare_reports(ours, expected, ambiguous_keys, true)
}

fn compare_reports(
    ours: &Value,
    expected: &Value,
    ambiguous_keys: &BTreeSet<String>,
    every_max_read: bool,
) -> Result<(), String> {
    let mut differences = Vec::new();
    if ours["valid"] != expected["valid"] {
        differences.push(format!("valid: {} but expected {}", ours["valid"], expected["valid"]));
    }
    let reported: BTreeSet<&str> = strings(&ours["error_types"]).into_iter().collect();
    let listed: BTreeSet<&str> = kinds(ours).into_iter().collect();
    if reported != listed {
        differences.push(format!("error_types {reported:?} are not the types of the errors {listed:?}"));
    }
    let all: BTreeSet<&str> = kinds(ours).into_iter().chain(kinds(expected)).collect();
    for kind in all {
        if is_cycle(kind) || kind == "cycle-search-timeout" {
            continue;
        }
        // With ww-deps the only edges may be those of the version order.
        if kind == "empty-transaction-graph" && !ambiguous_keys.is_empty() {
            continue;
        }
        let entries = |report: &Value| comparable(kind, &report["errors"][kind], ambiguous_keys, every_max_read);
        let (mine, theirs) = (entries(ours), entries(expected));
        if mine != theirs {
            differences.push(format!("{kind}: {}", difference(&mine, &theirs)));
        }
        let is_bad = |report: &Value| strings(&report["bad_error_types"]).contains(&kind);
        // Whether an unknown verdict names bad types as well is not said.
        let says_bad = !mine.is_empty() && kind != "no-writer-of-value";
        if says_bad && is_bad(ours) != is_bad(expected) {
            differences.push(format!("{kind}: bad is {} but expected {}", is_bad(ours), is_bad(expected)));
        }
    }
    let (mine, theirs) = (cycle_classes(ours, ambiguous_keys), cycle_classes(expected, ambiguous_keys));
    if mine != theirs {
        differences.push(format!("cycles: {mine} but expected {theirs}"));
    }
    if differences.is_empty() { Ok(()) } else { Err(differences.join("\n")) }
}

/// Which classes of cycles there are. On ambiguous keys the ww edges are not comparable: cycles are compared only where
/// they are bad, which is to say where ww-deps is off.
fn cycle_classes(report: &Value, ambiguous_keys: &BTreeSet<String>) -> Value {
    let bad = strings(&report["bad_error_types"]);
    let counts = |kind: &&str| is_cycle(kind) && (ambiguous_keys.is_empty() || bad.contains(kind));
    let kinds: Vec<&str> = kinds(report).into_iter().filter(counts).collect();
    json!({ "exist": classes(&kinds), "bad": kinds.iter().any(|kind| bad.contains(kind)) })
}

/// The entries of a type as sorted texts that are equal where the entries are.
fn comparable(kind: &str, entries: &Value, ambiguous_keys: &BTreeSet<String>, every_max_read: bool) -> Vec<String> {
    let is_ambiguous = |entry: &Value| ambiguous_keys.contains(&key_text(&entry["key"]));
    let mut comparable: Vec<String> = match (kind, entries) {
        (_, Value::Null) => Vec::new(),
        ("unseen", Value::Array(keys)) => keys.iter().flat_map(unseen_values).collect(),
        (_, Value::Array(entries)) => entries
            .iter()
            .filter(|entry| !(BY_POSITION.contains(&kind) && is_ambiguous(entry)))
            .map(|entry| {
                let with_max_read = every_max_read || !is_ambiguous(entry);
                canonical(&normal_entry(kind, entry, with_max_read))
            })
            .collect(),
        (_, other) => vec![canonical(other)],
    };
    comparable.sort();
    if matches!(kind, "precommitted-read" | "no-writer-of-value" | "unseen") {
        comparable.dedup();
    }
    comparable
}

fn unseen_values(entry: &Value) -> Vec<String> {
    let key = key_text(&entry["key"]);
    entry["values"].as_array().into_iter().flatten().map(|value| canonical(&json!([key, value]))).collect()
}

fn normal_entry(kind: &str, entry: &Value, with_max_read: bool) -> Value {
    let mut entry = entry.clone();
    if !entry["key"].is_null() {
        entry["key"] = json!(key_text(&entry["key"]));
    }
    match kind {
        // The real checker reports at most one key and value of an op.
        "precommitted-read" => entry["op"].clone(),
        "inconsistent-offsets" => {
            if let Some(values) = entry["values"].as_array_mut() {
                values.sort_by(value_order);
            }
            entry
        }
        "lost-write" if !with_max_read => {
            entry["max-read"] = Value::Null;
            entry
        }
        _ => entry,
    }
}

/// JSON text with the fields of objects sorted.
fn canonical(value: &Value) -> String {
    match value {
        Value::Object(fields) => {
            let mut fields: Vec<String> =
                fields.iter().map(|(name, value)| format!("{}:{}", json!(name), canonical(value))).collect();
            fields.sort();
            format!("{{{}}}", fields.join(","))
        }
        Value::Array(items) => format!("[{}]", items.iter().map(canonical).collect::<Vec<String>>().join(",")),
        scalar => scalar.to_string(),
    }
}

/// What one sorted list has more than the other, with repetitions.
fn difference(mine: &[String], theirs: &[String]) -> String {
    let less = |list: &[String], other: &[String]| {
        let mut rest = other.to_vec();
        let mut only: Vec<String> = Vec::new();
        for entry in list {
            match rest.iter().position(|candidate| candidate == entry) {
                Some(place) => drop(rest.remove(place)),
                None => only.push(entry.clone()),
            }
        }
        only
    };
    format!("unexpected {:?}, missing {:?}", less(mine, theirs), less(theirs, mine))
}

fn kinds(report: &Value) -> Vec<&str> {
    report["errors"].as_object().into_iter().flat_map(|errors| errors.keys().map(String::as_str)).collect()
}

fn strings(list: &Value) -> Vec<&str> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

/// A report in which each line `n` that it refers to has become `lines[n]`: what the report on a reordered history must
/// be.
pub fn remap_ops(report: &Value, lines: &[usize]) -> Value {
    let mut report = report.clone();
    if let Some(errors) = report["errors"].as_object_mut() {
        for (kind, entries) in errors {
            remap(entries, lines, is_cycle(kind));
        }
    }
    report
}

/// Inside the entries of a cycle type every whole number is a line; elsewhere only the field `op` is.
fn remap(value: &mut Value, lines: &[usize], bare: bool) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| remap(item, lines, bare)),
        Value::Object(fields) => {
            for (name, field) in fields {
                remap(field, lines, name == "op");
            }
        }
        Value::Number(line) if bare => {
            if let Some(new) = line.as_u64().and_then(|line| lines.get(line as usize)) {
                *value = json!(new);
            }
        }
        _ => (),
    }
}
