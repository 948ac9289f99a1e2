//! Anomalies planted by ops appended to a history, on offsets past all that it knows.

use super::dice::Dice;
use super::lines::places;
use super::plant::Anomaly;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// A history that is being added to: new processes, new values, new offsets of one key.
struct Tail {
    lines: Vec<Value>,
    key: String,
    /// The first free offset; all after it are free, too.
    offset: u64,
    next_process: i64,
    time: u64,
}

/// The history with the anomaly in ops after its end, on a key of its own; none where no client op of it has a key.
pub fn append(history: &[Value], anomaly: Anomaly, dice: &mut Dice) -> Option<Vec<Value>> {
    let places = places(history);
    let keys: Vec<String> =
        places.iter().map(|place| place.key.clone()).collect::<BTreeSet<String>>().into_iter().collect();
    let key = dice.one(&keys)?.clone();
    let offset = places.iter().filter_map(|place| place.offset(history)).max().map_or(0, |last| last + 1);
    let numbers = places.iter().filter_map(|place| place.value(history).as_u64());
    let first_value = numbers.max().unwrap_or_default() + 1000;
    let next_process = history.iter().filter_map(|line| line["process"].as_i64()).max().map_or(0, |last| last + 1);
    let time = history.iter().filter_map(|line| line["time"].as_u64()).max().unwrap_or_default();
    let mut tail = Tail { lines: history.to_vec(), key, offset: offset + dice.below(3) as u64, next_process, time };
    tail.add(anomaly, [json!(first_value), json!(first_value + 1), json!(first_value + 2)]);
    Some(tail.lines)
}

impl Tail {
    fn add(&mut self, anomaly: Anomaly, [a, b, c]: [Value; 3]) {
        let at = self.offset;
        let (first, second) = (self.process(), self.process());
        // Whoever polls correctly, so that the planted anomaly is the only one where that can be.
        let reader = self.process();
        let all = [(at, &a), (at + 1, &b), (at + 2, &c)];
        match anomaly {
            Anomaly::InconsistentOffsets => {
                self.send(first, &[(at, &a)]);
                self.send(second, &[(at, &b)]);
                self.poll(first, &[(at, &a)]);
                self.poll(second, &[(at, &b)]);
            }
            Anomaly::Duplicate => {
                self.send(first, &[(at, &a)]);
                self.poll(first, &[(at, &a)]);
                self.poll(second, &[(at + 1, &a)]);
            }
            Anomaly::G1a => {
                self.begin(first, "send", self.sends(&[&a]));
                self.end(first, "fail", "send", self.sends(&[&a]));
                self.poll(reader, &[(at, &a)]);
            }
            Anomaly::PrecommittedRead => {
                self.begin(first, "txn", json!([["send", self.key, a], ["poll"]]));
                let polled = self.polled(&[(at, &a)]);
                self.end(first, "ok", "txn", json!([["send", self.key, [at, a]], polled]));
            }
            Anomaly::LostWrite => {
                self.send(first, &[(at, &a), (at + 1, &b)]);
                self.poll(reader, &[(at + 1, &b)]);
            }
            Anomaly::Unseen => self.send(first, &[(at, &a)]),
            Anomaly::IntPollSkip => {
                self.send(first, &all);
                self.poll(reader, &all);
                self.poll(second, &[(at, &a), (at + 2, &c)]);
            }
            Anomaly::IntNonmonotonicPoll => {
                self.send(first, &all);
                self.poll(reader, &all);
                self.poll(second, &[(at + 1, &b), (at, &a)]);
            }
            Anomaly::PollSkip => {
                self.send(first, &all);
                self.poll(reader, &all);
                self.poll(second, &[(at, &a)]);
                self.poll(second, &[(at + 2, &c)]);
            }
            Anomaly::NonmonotonicPoll => {
                self.send(first, &all);
                self.poll(reader, &all);
                self.poll(second, &[(at + 1, &b)]);
                self.poll(second, &[(at, &a)]);
            }
            Anomaly::NonmonotonicSend => {
                self.send(first, &[(at + 1, &b)]);
                self.send(first, &[(at, &a)]);
                self.poll(reader, &all[..2]);
            }
            Anomaly::IntNonmonotonicSend => {
                self.send(first, &[(at + 1, &b), (at, &a)]);
                self.poll(reader, &all[..2]);
            }
            Anomaly::IntSendSkip | Anomaly::G0 => {
                self.begin(first, "send", self.sends(&[&a, &c]));
                self.begin(second, "send", self.sends(&[&b]));
                self.end(second, "ok", "send", self.sent(&[(at + 1, &b)]));
                self.end(first, "ok", "send", self.sent(&[(at, &a), (at + 2, &c)]));
                self.poll(reader, &all);
            }
            Anomaly::G0Realtime => {
                self.send(first, &[(at + 1, &b)]);
                self.send(second, &[(at, &a)]);
                self.poll(reader, &all[..2]);
            }
            Anomaly::G1c => {
                self.begin(first, "txn", json!([["send", self.key, a], ["poll"]]));
                self.begin(second, "txn", json!([["send", self.key, b], ["poll"]]));
                let (polled_b, polled_a) = (self.polled(&[(at + 1, &b)]), self.polled(&[(at, &a)]));
                self.end(first, "ok", "txn", json!([["send", self.key, [at, a]], polled_b]));
                self.end(second, "ok", "txn", json!([["send", self.key, [at + 1, b]], polled_a]));
            }
            Anomaly::G1cRealtime => {
                self.poll(reader, &[(at, &a)]);
                self.send(first, &[(at, &a)]);
            }
            Anomaly::NoWriterOfValue => self.poll(reader, &[(at, &a)]),
        }
    }

    fn process(&mut self) -> i64 {
        self.next_process += 1;
        self.next_process - 1
    }

    fn line(&mut self, process: i64, kind: &str, f: &str, value: Value) {
        self.time += 1;
        let index = self.lines.len();
        self.lines.push(
            json!({ "index": index, "time": self.time, "process": process, "type": kind, "f": f, "value": value }),
        );
    }

    fn begin(&mut self, process: i64, f: &str, value: Value) {
        self.line(process, "invoke", f, value);
    }

    fn end(&mut self, process: i64, kind: &str, f: &str, value: Value) {
        self.line(process, kind, f, value);
    }

    fn sends(&self, values: &[&Value]) -> Value {
        values.iter().map(|value| json!(["send", self.key, value])).collect()
    }

    fn sent(&self, records: &[(u64, &Value)]) -> Value {
        records.iter().map(|record| json!(["send", self.key, record])).collect()
    }

    fn polled(&self, records: &[(u64, &Value)]) -> Value {
        json!(["poll", { self.key.as_str(): records }])
    }

    /// An ok send of its own.
    fn send(&mut self, process: i64, records: &[(u64, &Value)]) {
        let values: Vec<&Value> = records.iter().map(|(_, value)| *value).collect();
        self.begin(process, "send", self.sends(&values));
        self.end(process, "ok", "send", self.sent(records));
    }

    /// An ok poll of its own.
    fn poll(&mut self, process: i64, records: &[(u64, &Value)]) {
        self.begin(process, "poll", json!([["poll"]]));
        self.end(process, "ok", "poll", json!([self.polled(records)]));
    }
}
