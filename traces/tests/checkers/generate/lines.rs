//! What the generators share about the lines of a history.

use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Numbers the lines anew.
pub fn reindex(lines: &mut [Value]) {
    for (index, line) in lines.iter_mut().enumerate() {
        line["index"] = json!(index);
    }
}

/// The times in order again, each where the line now stands.
pub fn retime(lines: &mut [Value]) {
    let mut times: Vec<u64> = lines.iter().map(|line| line["time"].as_u64().unwrap_or_default()).collect();
    times.sort_unstable();
    for (line, time) in lines.iter_mut().zip(times) {
        line["time"] = json!(time);
    }
}

pub fn is_client(line: &Value) -> bool {
    line["process"].is_i64()
}

pub fn is_invocation(line: &Value) -> bool {
    line["type"] == "invoke"
}

pub fn is_completion(line: &Value) -> bool {
    is_client(line) && !is_invocation(line)
}

/// For each line of a client op the other line of that op, where it has one.
pub fn partners(lines: &[Value]) -> Vec<Option<usize>> {
    let mut partners = vec![None; lines.len()];
    let mut open: BTreeMap<i64, usize> = BTreeMap::new();
    for (at, line) in lines.iter().enumerate() {
        let Some(process) = line["process"].as_i64() else { continue };
        if is_invocation(line) {
            open.insert(process, at);
        } else if let Some(invoked) = open.remove(&process) {
            partners[at] = Some(invoked);
            partners[invoked] = Some(at);
        }
    }
    partners
}

/// Whether the history obeys the format: lines numbered from 0 in order of time, each process one op at a time, each
/// completion with the function and the sends of its invocation.
pub fn well_formed(lines: &[Value]) -> Result<(), String> {
    let partners = partners(lines);
    let mut open: BTreeMap<i64, usize> = BTreeMap::new();
    let mut last_time = 0;
    for (at, line) in lines.iter().enumerate() {
        let wrong = |what: &str| Err(format!("line {at}: {what}: {line}"));
        if line["index"] != json!(at) {
            return wrong("its index is not its place");
        }
        let Some(time) = line["time"].as_u64() else { return wrong("no time") };
        if time < last_time {
            return wrong("earlier than the line before");
        }
        last_time = time;
        let Some(process) = line["process"].as_i64() else { continue };
        if is_invocation(line) {
            if open.insert(process, at).is_some() {
                return wrong("its process has an open op");
            }
            continue;
        }
        if !["ok", "fail", "info"].iter().any(|kind| line["type"] == *kind) {
            return wrong("unknown type");
        }
        let Some(invocation) = partners[at].map(|invoked| &lines[invoked]) else { return wrong("never invoked") };
        open.remove(&process);
        if line["f"] != invocation["f"] {
            return wrong("another function than was invoked");
        }
        if sends(line) != sends(invocation) {
            return wrong("other sends than were invoked");
        }
    }
    Ok(())
}

/// The keys and values an op sends, in order.
fn sends(line: &Value) -> Vec<(Value, Value)> {
    let micros = line["value"].as_array().into_iter().flatten();
    micros.filter(|micro| micro[0] == "send").map(|micro| (micro[1].clone(), sent_value(&micro[2]).clone())).collect()
}

/// The value of the bare or paired third element of a send.
pub fn sent_value(sent: &Value) -> &Value {
    if sent.is_array() { &sent[1] } else { sent }
}

/// Where a record stands in a history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    pub line: usize,
    pub micro: usize,
    pub key: String,
    /// The place in the list of a poll; none for a send.
    pub entry: Option<usize>,
}

/// The places of all sends and polled records in the completions of client ops, in order.
pub fn places(lines: &[Value]) -> Vec<Place> {
    let mut places = Vec::new();
    for (line, op) in lines.iter().enumerate().filter(|(_, op)| is_completion(op)) {
        for (micro, step) in op["value"].as_array().into_iter().flatten().enumerate() {
            if step[0] == "send" {
                let key = step[1].as_str().unwrap_or_default().to_owned();
                places.push(Place { line, micro, key, entry: None });
            }
            for (key, records) in step[1].as_object().into_iter().flatten().filter(|_| step[0] == "poll") {
                let count = records.as_array().map_or(0, Vec::len);
                places.extend((0..count).map(|entry| Place { line, micro, key: key.clone(), entry: Some(entry) }));
            }
        }
    }
    places
}

impl Place {
    /// The pair of offset and value that is polled here, or what is sent here: a pair or a bare value.
    pub fn get<'a>(&self, lines: &'a [Value]) -> &'a Value {
        let micro = &lines[self.line]["value"][self.micro];
        match self.entry {
            Some(entry) => &micro[1][&self.key][entry],
            None => &micro[2],
        }
    }

    pub fn get_mut<'a>(&self, lines: &'a mut [Value]) -> &'a mut Value {
        let micro = &mut lines[self.line]["value"][self.micro];
        match self.entry {
            Some(entry) => &mut micro[1][&self.key][entry],
            None => &mut micro[2],
        }
    }

    pub fn value<'a>(&self, lines: &'a [Value]) -> &'a Value {
        sent_value(self.get(lines))
    }

    /// The offset, where there is one.
    pub fn offset(&self, lines: &[Value]) -> Option<u64> {
        self.get(lines)[0].as_u64()
    }

    /// The list of the poll that this record is in.
    pub fn list_mut<'a>(&self, lines: &'a mut [Value]) -> Option<&'a mut Vec<Value>> {
        self.entry?;
        lines[self.line]["value"][self.micro][1][&self.key].as_array_mut()
    }

    pub fn list_len(&self, lines: &[Value]) -> usize {
        lines[self.line]["value"][self.micro][1][&self.key].as_array().map_or(0, Vec::len)
    }

    pub fn is_poll(&self) -> bool {
        self.entry.is_some()
    }

    pub fn is_ok(&self, lines: &[Value]) -> bool {
        lines[self.line]["type"] == "ok"
    }
}
