//! Steps through the log that skip, stand still or go back: within one op, and from op to op of one process.

use super::Errors;
use super::history::{History, Kind, Op, Record};
use super::orders::Orders;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

fn report(errors: &mut Errors, kind: &str, entry: Value) {
    errors.entry(kind.to_owned()).or_default().push(entry);
}

/// int-poll-skip and int-nonmonotonic-poll: consecutive values of a key over all polls of an op. A key that the op's
/// rebalance log names is exempt.
pub fn within_polls(history: &History, orders: &Orders, errors: &mut Errors) {
    for op in &history.ops {
        for (key, records) in op.reads() {
            if !op.rebalanced.contains(key) {
                within_one(op, key, &records, orders, ("int-poll-skip", "int-nonmonotonic-poll"), errors);
            }
        }
    }
}

/// int-send-skip and int-nonmonotonic-send: consecutive sends to a key in an op.
pub fn within_sends(history: &History, orders: &Orders, errors: &mut Errors) {
    for op in &history.ops {
        for (key, records) in op.writes() {
            within_one(op, key, &records, orders, ("int-send-skip", "int-nonmonotonic-send"), errors);
        }
    }
}

fn within_one(
    op: &Op,
    key: &str,
    records: &[&Record],
    orders: &Orders,
    (skip, nonmonotonic): (&str, &str),
    errors: &mut Errors,
) {
    let order = orders.get(key);
    for pair in records.windows(2) {
        let (from, to) = (&pair[0].value, &pair[1].value);
        let delta = order.delta(from, to);
        let mut entry = json!({ "key": key, "values": [from, to], "delta": delta, "op": { "op": op.line } });
        if delta > 1 {
            entry["skipped"] = json!(order.between(from, to));
            report(errors, skip, entry);
        } else if delta < 1 {
            report(errors, nonmonotonic, entry);
        }
    }
}

/// The last op of one process on each key, and what an assignment leaves of that.
#[derive(Default)]
struct LastOps<'a>(BTreeMap<&'a str, &'a Op>);

impl<'a> LastOps<'a> {
    /// An ok or info assign or subscribe keeps only the keys it lists.
    fn assign(&mut self, op: &'a Op) {
        if op.kind != Kind::Fail {
            self.0.retain(|key, _| op.listed.contains(*key));
        }
    }

    fn advance<T>(&mut self, op: &'a Op, records: BTreeMap<&'a str, T>) {
        self.0.extend(records.into_keys().map(|key| (key, op)));
    }
}

fn processes(history: &History) -> BTreeSet<Option<i64>> {
    history.ops.iter().map(|op| op.process).collect()
}

/// poll-skip and nonmonotonic-poll: from the last value of a key in the last ok poll of it to the first value of the
/// next, per process.
pub fn between_polls(history: &History, orders: &Orders, errors: &mut Errors) {
    for process in processes(history) {
        let mut last = LastOps::default();
        for op in history.ops.iter().filter(|op| op.process == process) {
            match op.f.as_str() {
                "assign" | "subscribe" => last.assign(op),
                "poll" | "txn" => {
                    for (key, records) in op.reads() {
                        if let Some(before) = last.0.get(key) {
                            between_two_polls(before, op, key, &records, orders, errors);
                        }
                    }
                    if op.kind == Kind::Ok {
                        last.advance(op, op.reads());
                    }
                }
                _ => (),
            }
        }
    }
}

fn between_two_polls(before: &Op, op: &Op, key: &str, records: &[&Record], orders: &Orders, errors: &mut Errors) {
    let before_records = &before.reads()[key];
    // A key polled without any record: it is not known from where, or to where, the process moved.
    let (Some(from), Some(to)) = (before_records.last(), records.first()) else { return };
    let (from, to, order) = (&from.value, &to.value, orders.get(key));
    let delta = order.delta(from, to);
    let ops = json!([{ "op": before.line }, { "op": op.line }]);
    if delta > 1 {
        let entry = json!({ "key": key, "delta": delta, "skipped": order.between(from, to), "ops": ops });
        report(errors, "poll-skip", entry);
    } else if delta < 1 {
        report(errors, "nonmonotonic-poll", json!({ "key": key, "values": [from, to], "delta": delta, "ops": ops }));
    }
}

/// nonmonotonic-send: from the last value a process sent to a key to the first value it sends next, over ok and info ops.
pub fn between_sends(history: &History, orders: &Orders, errors: &mut Errors) {
    for process in processes(history) {
        let mut last = LastOps::default();
        for op in history.ops.iter().filter(|op| op.process == process && op.kind != Kind::Fail) {
            match op.f.as_str() {
                "assign" | "subscribe" => last.assign(op),
                "send" | "txn" => {
                    for (key, records) in op.writes() {
                        let Some(before) = last.0.get(key) else { continue };
                        let (from, to) = (&last_written(before, key).value, &records[0].value);
                        let delta = orders.get(key).delta(from, to);
                        if delta < 1 {
                            let ops = json!([{ "op": before.line }, { "op": op.line }]);
                            let entry = json!({ "key": key, "values": [from, to], "delta": delta, "ops": ops });
                            report(errors, "nonmonotonic-send", entry);
                        }
                    }
                    last.advance(op, op.writes());
                }
                _ => (),
            }
        }
    }
}

/// The last record an op that wrote a key wrote to it.
fn last_written<'a>(op: &'a Op, key: &str) -> &'a Record {
    op.writes()[key][op.writes()[key].len() - 1]
}
