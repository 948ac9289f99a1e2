//! What was read and should not have been, and what should have been read and was not.

use super::Errors;
use super::history::{History, Kind, value_order};
use super::orders::{Orders, one_of};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

fn report(errors: &mut Errors, kind: &str, entry: Value) {
    errors.entry(kind.to_owned()).or_default().push(entry);
}

/// A value, polled by an op of any type, that no completed op sent. Once for each op, key and value.
pub fn no_writer_of_value(history: &History, errors: &mut Errors) {
    for op in &history.ops {
        for (key, records) in op.reads() {
            let mut told: Vec<&Value> = Vec::new();
            for record in records {
                if history.writer(key, &record.value).is_none() && !told.contains(&&record.value) {
                    told.push(&record.value);
                    let entry = json!({ "key": key, "value": record.value, "op": { "op": op.line } });
                    report(errors, "no-writer-of-value", entry);
                }
            }
        }
    }
}

/// An ok op polls a value that a failed op sent. Once for each time it was polled.
pub fn g1a(history: &History, errors: &mut Errors) {
    let mut failed: BTreeSet<(&str, String)> = BTreeSet::new();
    for op in history.ops.iter().filter(|op| op.kind == Kind::Fail) {
        for (key, records) in op.writes() {
            failed.extend(records.into_iter().map(|record| (key, record.value.to_string())));
        }
    }
    for op in history.ops.iter().filter(|op| op.kind == Kind::Ok) {
        for (key, records) in op.reads() {
            for record in records {
                if failed.contains(&(key, record.value.to_string())) {
                    let writer = history.writer(key, &record.value).map(|writer| json!({ "op": writer.line }));
                    let entry =
                        json!({ "key": key, "value": record.value, "writer": writer, "reader": { "op": op.line } });
                    report(errors, "G1a", entry);
                }
            }
        }
    }
}

/// An op of any type polls a value that it sent itself. Once for each op, key and value.
pub fn precommitted_read(history: &History, errors: &mut Errors) {
    for op in &history.ops {
        for (key, records) in op.writes() {
            let mut values: Vec<&Value> = records.into_iter().map(|record| &record.value).collect();
            values.sort_by(|a, b| value_order(a, b));
            values.dedup();
            for value in values {
                if op.read(key, value) {
                    let entry = json!({ "op": { "op": op.line }, "key": key, "value": value });
                    report(errors, "precommitted-read", entry);
                }
            }
        }
    }
}

/// A value that must have committed and lies, by its last index, no further than the furthest first index that an ok op
/// read, but that no ok op read.
pub fn lost_write(history: &History, orders: &Orders, pick: &dyn Fn(&[Value]) -> usize, errors: &mut Errors) {
    for (key, values) in ok_reads(history) {
        let order = orders.get(key);
        // A value of which no offset is known says nothing; where nothing is known of any value, neither does the key.
        let Some(bound) = values.into_iter().filter_map(|value| order.first_seen(value)).max() else { continue };
        let furthest = order.last_seen_at(bound);
        let max_read = if furthest.is_empty() {
            None
        } else {
            let value = one_of(&furthest, pick);
            history.ops.iter().find(|op| op.read(key, &value)).map(|op| json!({ "op": op.line }))
        };
        for index in 0..=bound {
            for value in order.last_seen_at(index) {
                if history.ok_read(key, &value) {
                    continue;
                }
                let Some(writer) = history.writer(key, &value) else { continue };
                if history.must_have_committed(writer) {
                    let entry = json!({
                        "key": key,
                        "value": value,
                        "index": order.first_seen(&value),
                        "max-read-index": bound,
                        "writer": { "op": writer.line },
                        "max-read": max_read,
                    });
                    report(errors, "lost-write", entry);
                }
            }
        }
    }
}

/// The values that ok ops polled, with repetitions.
fn ok_reads(history: &History) -> BTreeMap<&str, Vec<&Value>> {
    let mut reads: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
    for op in history.ops.iter().filter(|op| op.kind == Kind::Ok) {
        for (key, records) in op.reads() {
            reads.entry(key).or_default().extend(records.into_iter().map(|record| &record.value));
        }
    }
    reads
}

/// The values that ok ops sent and no ok op polled. Once for each key that has any.
pub fn unseen(history: &History, errors: &mut Errors) {
    let mut unseen: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
    for op in history.ops.iter().filter(|op| op.kind == Kind::Ok) {
        for (key, records) in op.writes() {
            for record in records.into_iter().filter(|record| !history.ok_read(key, &record.value)) {
                unseen.entry(key).or_default().push(&record.value);
            }
        }
    }
    for (key, mut values) in unseen {
        values.sort_by(|a, b| value_order(a, b));
        values.dedup();
        report(errors, "unseen", json!({ "key": key, "values": values }));
    }
}
