//! What a check found, and whether that is good enough.

use super::anomaly::Anomaly;
use super::proof::{Edge, Proof};
use crate::history::{History, KeyId, OpId, Value};
use serde_json::{Map, Value as Json, json};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

/// Whether a history is as it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// It is.
    Valid,
    /// The history does not tell.
    Unknown,
    /// It is not.
    Invalid,
}

impl Verdict {
    pub(crate) fn json(self) -> Json {
        match self {
            Verdict::Valid => true.into(),
            Verdict::Invalid => false.into(),
            Verdict::Unknown => "unknown".into(),
        }
    }
}

/// All findings of a check.
#[derive(Clone, Debug)]
pub struct Report {
    /// The verdict.
    pub verdict: Verdict,
    /// What was found, by anomaly.
    pub proofs: BTreeMap<Anomaly, Vec<Proof>>,
    /// The anomalies that were found and are not allowed.
    pub bad: BTreeSet<Anomaly>,
}

impl Report {
    /// Sorts findings and judges them.
    pub fn new(found: Vec<Proof>, is_allowed: impl Fn(Anomaly) -> bool) -> Report {
        let mut proofs: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for proof in found {
            proofs.entry(proof.anomaly()).or_default().push(proof);
        }
        let bad: BTreeSet<_> = proofs.keys().copied().filter(|anomaly| !is_allowed(*anomaly)).collect();
        let verdict = if bad.contains(&Anomaly::NoWriterOfValue) {
            Verdict::Unknown
        } else if bad.is_empty() {
            Verdict::Valid
        } else {
            Verdict::Invalid
        };
        Report { verdict, proofs, bad }
    }

    /// As `wavetank check --json` prints it.
    pub fn json(&self, history: &History) -> Json {
        let names = |anomalies: &mut dyn Iterator<Item = Anomaly>| {
            anomalies.map(Anomaly::name).collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>()
        };
        let errors: Map<_, _> =
            self.proofs.iter().map(|(anomaly, proofs)| (anomaly.name().to_owned(), entries(proofs, history))).collect();
        json!({
            "valid": self.verdict.json(),
            "error_types": names(&mut self.proofs.keys().copied()),
            "bad_error_types": names(&mut self.bad.iter().copied()),
            "errors": errors,
        })
    }
}

/// The entries of one anomaly, sorted by key, then as the checker found them.
fn entries(proofs: &[Proof], history: &History) -> Json {
    if proofs == [Proof::EmptyGraph] {
        return true.into();
    }
    let mut sorted: Vec<&Proof> = proofs.iter().collect();
    sorted.sort_by_key(|proof| proof.key().map(|key| history.key_name(key)));
    Json::Array(sorted.into_iter().flat_map(|proof| entries_of(proof, history)).collect())
}

/// The entries of one proof.
pub(crate) fn entries_of(proof: &Proof, history: &History) -> Vec<Json> {
    Writer { history }.entries(proof)
}

/// A range of more values than this is written as in a history: as its `first` value and their `count`.
const SPELLED_MAX: u64 = 1 << 16;

/// Writes proofs with a history's names.
struct Writer<'a> {
    history: &'a History,
}

impl Writer<'_> {
    fn key(&self, key: KeyId) -> &str {
        self.history.key_name(key)
    }

    fn op(&self, id: OpId) -> Json {
        json!({ "op": self.history.op(id).index })
    }

    fn value(&self, value: Value) -> Json {
        self.history.value_json(value)
    }

    fn values(&self, ranges: &[Range<u64>]) -> Vec<Json> {
        ranges.iter().flat_map(|range| self.each(range)).map(|(_, value)| value).collect()
    }

    /// Each value with its place in the range; or if they are very many, the range.
    fn each(&self, range: &Range<u64>) -> Vec<(u64, Json)> {
        let count = range.end - range.start;
        if count > SPELLED_MAX {
            return vec![(0, json!({ "first": self.value(Value(range.start)), "count": count }))];
        }
        range.clone().map(|value| (value - range.start, self.value(Value(value)))).collect()
    }

    fn entries(&self, proof: &Proof) -> Vec<Json> {
        match proof {
            Proof::InconsistentOffsets { key, offset, index, values } => {
                let mut values: Vec<_> = values.iter().map(|value| self.value(*value)).collect();
                sort_values(&mut values);
                vec![json!({ "key": self.key(*key), "offset": offset, "index": index, "values": values })]
            }
            Proof::Duplicate { key, value, offsets } => vec![json!({
                "key": self.key(*key), "value": self.value(*value), "count": offsets.len(), "offsets": offsets,
            })],
            Proof::LostWrite { key, values, index, writer, max_read_index, max_read } => {
                let entry = |(place, value)| {
                    json!({
                        "key": self.key(*key), "value": value, "index": index + place,
                        "writer": self.op(*writer), "max-read-index": max_read_index,
                        "max-read": max_read.map(|id| self.op(id)),
                    })
                };
                self.each(values).into_iter().map(entry).collect()
            }
            Proof::Unseen { key, values } => {
                let mut values = self.values(values);
                sort_values(&mut values);
                vec![json!({ "key": self.key(*key), "values": values })]
            }
            Proof::Read { anomaly, key, values, writer, reader } => {
                let entry = |(_, value)| self.read(*anomaly, *key, value, *writer, *reader);
                self.each(values).into_iter().map(entry).collect()
            }
            Proof::Step { .. } => vec![self.step(proof)],
            Proof::Cycle { anomaly, cycle, steps } => {
                let ops = cycle.iter().map(|id| self.op(*id)).collect::<Vec<_>>();
                let steps = cycle.windows(2).zip(steps).map(|(pair, edge)| self.edge(pair, edge)).collect::<Vec<_>>();
                let key = proof.key().map(|key| self.key(key));
                vec![json!({ "type": anomaly.name(), "cycle": ops, "steps": steps, "key": key })]
            }
            Proof::CycleExists { anomaly, scc } => {
                let ops = scc.iter().map(|id| self.history.op(*id).index).collect::<Vec<_>>();
                vec![json!({ "type": anomaly.name(), "scc-size": scc.len(), "scc": ops })]
            }
            Proof::EmptyGraph => vec![true.into()],
            Proof::BeyondEnd { key, values, writer, log_end_offset } => {
                let entry = |(_, value)| {
                    json!({
                        "key": self.key(*key), "value": value, "writer": self.op(*writer),
                        "log-end-offset": log_end_offset,
                    })
                };
                self.each(values).into_iter().map(entry).collect()
            }
            Proof::DoubleConsumption { key, values, readers } => {
                let ops = readers.map(|id| self.op(id));
                let entry = |(_, value)| json!({ "key": self.key(*key), "value": value, "ops": ops });
                self.each(values).into_iter().map(entry).collect()
            }
            Proof::HangingTransaction { key, values, transactions, stuck } => {
                let ops = transactions.iter().map(|id| self.op(*id)).collect::<Vec<_>>();
                let [stable, high] = stuck.map_or([None, None], |ends| ends.map(Some));
                vec![json!({
                    "key": self.key(*key), "values": self.values(values), "transactions": ops,
                    "last-stable-offset": stable, "high-watermark": high,
                })]
            }
        }
    }

    fn read(&self, anomaly: Anomaly, key: KeyId, value: Json, writer: Option<OpId>, reader: OpId) -> Json {
        let key = self.key(key);
        match (anomaly, writer) {
            (Anomaly::G1a | Anomaly::AbortedRead, Some(writer)) => {
                json!({ "key": key, "value": value, "writer": self.op(writer), "reader": self.op(reader) })
            }
            _ => json!({ "key": key, "value": value, "op": self.op(reader) }),
        }
    }

    fn step(&self, proof: &Proof) -> Json {
        let Proof::Step { anomaly, key, from, to, values, delta, skipped } = proof else { return Json::Null };
        let mut entry = json!({ "key": self.key(*key), "delta": delta });
        if from == to {
            entry["op"] = self.op(*from);
        } else {
            entry["ops"] = json!([self.op(*from), self.op(*to)]);
        }
        if *anomaly != Anomaly::PollSkip {
            entry["values"] = json!(values.map(|value| self.value(value)));
        }
        if matches!(anomaly, Anomaly::PollSkip | Anomaly::IntPollSkip | Anomaly::IntSendSkip) {
            entry["skipped"] = self.values(skipped).into();
        }
        entry
    }

    fn edge(&self, pair: &[OpId], edge: &Edge) -> Json {
        match edge {
            Edge::Ww { key, value, next } => json!({
                "type": "ww", "key": self.key(*key), "value": self.value(*value), "value'": self.value(*next),
                "a-mop-index": self.mop(pair[0], false, *key, *value), "b-mop-index": self.mop(pair[1], false, *key, *next),
            }),
            Edge::Wr { key, value } => json!({
                "type": "wr", "key": self.key(*key), "value": self.value(*value),
                "a-mop-index": self.mop(pair[0], false, *key, *value), "b-mop-index": self.mop(pair[1], true, *key, *value),
            }),
            Edge::Process { process } => json!({ "type": "process", "process": process }),
            Edge::Realtime { invocation } => {
                json!({ "type": "realtime", "a'": self.op(pair[0]), "b": self.op(*invocation) })
            }
        }
    }

    /// The micro-operation of an operation that sent, or polled, a value.
    fn mop(&self, id: OpId, polled: bool, key: KeyId, value: Value) -> Option<u64> {
        let mut runs = self.history.runs(id).iter().filter(|run| run.key == key && run.is_poll() == polled);
        let run = runs.find(|run| run.values().contains(&value.0))?;
        Some(run.mop_of(value.0 - run.value.0))
    }
}

/// Numbers first, in order, then all else by its text.
fn sort_values(values: &mut [Json]) {
    values.sort_by(|a, b| match (a.as_i64(), b.as_i64()) {
        (Some(a), Some(b)) => a.cmp(&b),
        (Some(_), None) => std::cmp::Ordering::Less,
        (None, Some(_)) => std::cmp::Ordering::Greater,
        (None, None) => a.to_string().cmp(&b.to_string()),
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::Draft;

    #[test]
    fn a_huge_range_is_written_as_its_first_value_and_their_count() {
        let mut history = History::new();
        let key = history.key("x");
        let send = Draft::default();
        let writer = history.push(&send).unwrap();
        let lost =
            |count| Proof::LostWrite { key, values: 7..7 + count, index: 3, writer, max_read_index: 9, max_read: None };
        let spelled = entries_of(&lost(SPELLED_MAX), &history);
        assert_eq!(spelled.len() as u64, SPELLED_MAX);
        assert_eq!((&spelled[2]["value"], &spelled[2]["index"]), (&json!(9), &json!(5)));
        let huge = entries_of(&lost(SPELLED_MAX + 1), &history);
        assert_eq!(huge.len(), 1);
        assert_eq!(huge[0]["value"], json!({ "first": 7, "count": SPELLED_MAX + 1 }));
        let unseen = Proof::Unseen { key, values: vec![1..3, 10..10 + 2 * SPELLED_MAX] };
        let expected = json!([1, 2, { "first": 10, "count": 2 * SPELLED_MAX }]);
        assert_eq!(entries_of(&unseen, &history)[0]["values"], expected);
    }
}
