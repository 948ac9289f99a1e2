//! The completions of the client ops of a history, with what each sent and polled.

use serde_json::Value;
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

/// How an op ended.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Ok,
    Fail,
    Info,
}

/// A value and where it is said to be; no offset where none, a negative one or no integer is given.
#[derive(Clone)]
pub struct Record {
    pub offset: Option<u64>,
    pub value: Value,
}

/// One step of an op.
pub enum Micro {
    Send(String, Record),
    Poll(BTreeMap<String, Vec<Record>>),
}

/// A completed client op.
pub struct Op {
    /// Its line in the history, from 0.
    pub line: usize,
    /// The line of its invocation; none for a completion that stands alone.
    pub invoked: Option<usize>,
    pub process: Option<i64>,
    pub kind: Kind,
    pub f: String,
    pub micros: Vec<Micro>,
    /// The keys an assign or subscribe lists.
    pub listed: BTreeSet<String>,
    /// The keys its rebalance log names.
    pub rebalanced: BTreeSet<String>,
}

impl Op {
    /// The records it sent, by key; only a send or txn op sends.
    pub fn writes(&self) -> BTreeMap<&str, Vec<&Record>> {
        let mut writes: BTreeMap<&str, Vec<&Record>> = BTreeMap::new();
        if self.f == "send" || self.f == "txn" {
            for micro in &self.micros {
                if let Micro::Send(key, record) = micro {
                    writes.entry(key).or_default().push(record);
                }
            }
        }
        writes
    }

    /// The records it polled, by key, over all its polls; a key may have none. Only a poll or txn op polls.
    pub fn reads(&self) -> BTreeMap<&str, Vec<&Record>> {
        let mut reads: BTreeMap<&str, Vec<&Record>> = BTreeMap::new();
        if self.f == "poll" || self.f == "txn" {
            for micro in &self.micros {
                if let Micro::Poll(by_key) = micro {
                    for (key, records) in by_key {
                        reads.entry(key).or_default().extend(records);
                    }
                }
            }
        }
        reads
    }

    pub fn wrote(&self, key: &str, value: &Value) -> bool {
        contains(self.writes().get(key), value)
    }

    pub fn read(&self, key: &str, value: &Value) -> bool {
        contains(self.reads().get(key), value)
    }
}

fn contains(records: Option<&Vec<&Record>>, value: &Value) -> bool {
    records.is_some_and(|records| records.iter().any(|record| &record.value == value))
}

/// The completions in history order, and who wrote and read what.
pub struct History {
    pub ops: Vec<Op>,
    /// Key and value (as text) to the last completion that sent it.
    writers: BTreeMap<(String, String), usize>,
    /// Key and value (as text) to whether an ok op polled it.
    read_by_ok: BTreeSet<(String, String)>,
}

impl History {
    pub fn read(lines: &[Value]) -> History {
        let ops = completions(lines);
        let mut writers = BTreeMap::new();
        let mut read_by_ok = BTreeSet::new();
        for (at, op) in ops.iter().enumerate() {
            for (key, records) in op.writes() {
                for record in records {
                    writers.insert(named(key, &record.value), at);
                }
            }
            for (key, records) in op.reads() {
                for record in records.into_iter().filter(|_| op.kind == Kind::Ok) {
                    read_by_ok.insert(named(key, &record.value));
                }
            }
        }
        History { ops, writers, read_by_ok }
    }

    /// The last completion, of whatever type, that sent this value.
    pub fn writer(&self, key: &str, value: &Value) -> Option<&Op> {
        self.writers.get(&named(key, value)).map(|&at| &self.ops[at])
    }

    /// Whether an ok op polled this value.
    pub fn ok_read(&self, key: &str, value: &Value) -> bool {
        self.read_by_ok.contains(&named(key, value))
    }

    /// Whether it is ok, or info with a sent value of any key that an ok op polled.
    pub fn must_have_committed(&self, op: &Op) -> bool {
        match op.kind {
            Kind::Ok => true,
            Kind::Fail => false,
            Kind::Info => op
                .writes()
                .into_iter()
                .any(|(key, records)| records.into_iter().any(|record| self.ok_read(key, &record.value))),
        }
    }
}

fn named(key: &str, value: &Value) -> (String, String) {
    (key.to_owned(), value.to_string())
}

/// A completion belongs to the latest open invocation of its process. A missing process is a process like any other.
fn completions(lines: &[Value]) -> Vec<Op> {
    let mut ops = Vec::new();
    let mut open: BTreeMap<Option<i64>, usize> = BTreeMap::new();
    for (line, op) in lines.iter().enumerate() {
        let process = match &op["process"] {
            Value::Null => None,
            Value::Number(process) if process.is_i64() => process.as_i64(),
            _ => continue,
        };
        let kind = match op["type"].as_str() {
            Some("invoke") => {
                open.insert(process, line);
                continue;
            }
            Some("ok") => Kind::Ok,
            Some("fail") => Kind::Fail,
            Some("info") => Kind::Info,
            _ => continue,
        };
        let invoked = open.remove(&process);
        let f = op["f"].as_str().unwrap_or_default().to_owned();
        let list = elements(&op["value"]);
        let is_assignment = f == "assign" || f == "subscribe";
        let moves_records = f == "send" || f == "poll" || f == "txn";
        ops.push(Op {
            line,
            invoked,
            process,
            kind,
            micros: if moves_records { list.iter().filter_map(micro).collect() } else { Vec::new() },
            listed: if is_assignment { list.iter().map(key_text).collect() } else { BTreeSet::new() },
            rebalanced: elements(&op["rebalance-log"])
                .iter()
                .flat_map(|entry| elements(&entry["keys"]))
                .map(key_text)
                .collect(),
            f,
        });
    }
    ops
}

fn micro(micro: &Value) -> Option<Micro> {
    let parts = elements(micro);
    match (parts.first().and_then(Value::as_str), parts) {
        (Some("send"), [_, key, sent]) => Some(Micro::Send(key_text(key), record(sent))),
        (Some("poll"), [_, Value::Object(by_key), ..]) => Some(Micro::Poll(
            by_key.iter().map(|(key, pairs)| (key.clone(), elements(pairs).iter().map(record).collect())).collect(),
        )),
        _ => None,
    }
}

/// A bare value, or a pair of offset and value.
fn record(sent: &Value) -> Record {
    match sent {
        Value::Array(pair) => {
            Record { offset: pair.first().and_then(Value::as_u64), value: pair.get(1).cloned().unwrap_or(Value::Null) }
        }
        bare => Record { offset: None, value: bare.clone() },
    }
}

fn elements(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

/// Keys are compared by their string form, for JSON object keys are strings.
pub fn key_text(key: &Value) -> String {
    match key {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Numbers before strings before all else; numbers by size, the rest by their text.
pub fn value_order(a: &Value, b: &Value) -> Ordering {
    match (a, b) {
        (Value::Number(x), Value::Number(y)) => match (x.as_i64(), y.as_i64()) {
            (Some(x), Some(y)) => x.cmp(&y),
            _ => x.as_f64().unwrap_or(f64::MAX).total_cmp(&y.as_f64().unwrap_or(f64::MAX)),
        },
        (Value::Number(_), _) => Ordering::Less,
        (_, Value::Number(_)) => Ordering::Greater,
        (Value::String(x), Value::String(y)) => x.cmp(y),
        (Value::String(_), _) => Ordering::Less,
        (_, Value::String(_)) => Ordering::Greater,
        (x, y) => x.to_string().cmp(&y.to_string()),
    }
}
