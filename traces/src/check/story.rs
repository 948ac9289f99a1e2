//! Findings in words, with the operations around them: what a person reads.

use super::anomaly::Anomaly;
use super::proof::{Edge, Proof};
use crate::history::{Function, History, KeyId, Kind, OpId, Run, Value};
use std::fmt::Write as _;
use std::ops::Range;

/// So many records on either side of the ones that matter are shown.
const AROUND: u64 = 3;
/// So many values or operations are spelled out before the rest is only counted.
const SPELLED: usize = 8;

/// Tells proofs with a history's names.
#[derive(Clone, Copy, Debug)]
pub struct Story<'a> {
    history: &'a History,
}

impl<'a> Story<'a> {
    /// Of this history.
    pub fn new(history: &'a History) -> Story<'a> {
        Story { history }
    }

    /// What is wrong, in one sentence.
    pub fn sentence(&self, proof: &Proof) -> String {
        match proof {
            Proof::InconsistentOffsets { key, offset, values, .. } => {
                let values: Vec<_> = values.iter().map(|value| self.value(*value)).collect();
                format!("{}: offset {offset} holds {}", self.key(*key), and(&values))
            }
            Proof::Duplicate { key, value, offsets } => {
                let offsets: Vec<_> = offsets.iter().map(ToString::to_string).collect();
                format!("{}: value {} lies at offsets {}", self.key(*key), self.value(*value), and(&offsets))
            }
            Proof::LostWrite { key, values, index, writer, max_read_index, max_read } => {
                let (lies, it) = if proof.count() == 1 { ("lies", "it") } else { ("lie", "them") };
                let by = max_read.map(|id| format!(" ({})", self.op(id))).unwrap_or_default();
                let reached = format!("readers got to place {max_read_index}{by}");
                let sent = format!("sent by {}", self.op(*writer));
                format!(
                    "{}: {}, {sent}, {lies} at place {index}; {reached}, but nobody read {it}",
                    self.key(*key),
                    self.range(values)
                )
            }
            Proof::Unseen { key, values } => {
                format!("{}: acknowledged, but read by nobody by the end: {}", self.key(*key), self.ranges(values))
            }
            Proof::Read { anomaly, key, values, writer, reader } => {
                let read = format!("{}: {} polled {}", self.key(*key), self.op(*reader), self.range(values));
                match (anomaly, writer) {
                    (Anomaly::PrecommittedRead, _) => format!("{read}, which it had sent itself"),
                    (_, Some(writer)) => format!("{read}, which {} sent and which failed", self.op(*writer)),
                    (_, None) => format!("{read}, which nobody sent"),
                }
            }
            Proof::Step { anomaly, key, from, to, values, skipped, .. } => {
                let did = if is_send(*anomaly) { "sent" } else { "polled" };
                let (a, b) = (self.value(values[0]), self.value(values[1]));
                let key = self.key(*key);
                let ops = if from == to {
                    format!("{key}: {} {did} {a}, then {b}", self.op(*from))
                } else {
                    format!("{key}: {} {did} {a}, then {} {did} {b}", self.op(*from), self.op(*to))
                };
                match skipped.as_slice() {
                    [] => format!("{ops}, which does not come after it in the log"),
                    skipped => format!("{ops}; between them in the log: {}", self.ranges(skipped)),
                }
            }
            Proof::Cycle { cycle, steps, .. } => self.cycle(cycle, steps),
            Proof::CycleExists { scc, .. } => {
                let ops: Vec<_> = scc.iter().map(|id| self.op(*id)).collect();
                format!("somewhere among {}", and(&ops))
            }
            Proof::BeyondEnd { key, values, writer, log_end_offset } => {
                let (op, end) = (self.op(*writer), format!("the log ends at {log_end_offset}"));
                format!("{}: {}, acknowledged to {op}, but {end}", self.key(*key), self.range(values))
            }
            Proof::DoubleConsumption { key, values, readers } => {
                let readers = readers.map(|id| self.op(id));
                format!("{}: both {} consumed {} and committed", self.key(*key), and(&readers), self.range(values))
            }
            Proof::HangingTransaction { key, values, transactions, stuck } => {
                let ops: Vec<_> = transactions.iter().map(|id| self.op(*id)).collect();
                let by = if ops.is_empty() { "a transaction".into() } else { and(&ops) };
                let stuck = stuck.map(|[stable, high]| format!("; readers stop at {stable}, the log goes to {high}"));
                let held = if values.is_empty() { "what comes after it".into() } else { self.ranges(values) };
                format!("{}: {by} never ended, and holds back {held}{}", self.key(*key), stuck.unwrap_or_default())
            }
            Proof::EmptyGraph => "no operation depends on any other, so this history proves nothing".into(),
        }
    }

    /// The operations that prove it, each on a line, cut to what matters.
    pub fn operations(&self, proof: &Proof) -> Vec<String> {
        let mut ops: Vec<_> = match proof {
            Proof::InconsistentOffsets { key, values, .. } => self.touching(*key, values),
            Proof::Duplicate { key, value, .. } => self.touching(*key, &[*value]),
            Proof::Unseen { key, values } => {
                let first: Vec<_> = values.first().map(|range| Value(range.start)).into_iter().collect();
                self.touching(*key, &first)
            }
            Proof::LostWrite { .. }
            | Proof::Read { .. }
            | Proof::Step { .. }
            | Proof::Cycle { .. }
            | Proof::CycleExists { .. }
            | Proof::BeyondEnd { .. }
            | Proof::DoubleConsumption { .. }
            | Proof::HangingTransaction { .. }
            | Proof::EmptyGraph => proof.ops(),
        };
        ops.sort_unstable();
        ops.dedup();
        let shown = ops.iter().take(SPELLED).map(|id| self.operation(*id, proof));
        let rest = ops.len().saturating_sub(SPELLED);
        shown.chain((rest > 0).then(|| format!("... and {rest} more operations"))).collect()
    }

    fn cycle(&self, cycle: &[OpId], steps: &[Edge]) -> String {
        let mut text = String::new();
        for (pair, edge) in cycle.windows(2).zip(steps).take(SPELLED) {
            let separator = if text.is_empty() { "" } else { "; " };
            let _ = write!(text, "{separator}{} {}", self.op(pair[0]), self.edge(pair[1], edge));
        }
        let rest = steps.len().saturating_sub(SPELLED);
        if rest > 0 {
            let _ = write!(text, "; and {rest} more steps back to {}", self.op(cycle[0]));
        }
        text
    }

    fn edge(&self, to: OpId, edge: &Edge) -> String {
        let to = self.op(to);
        match edge {
            Edge::Ww { key, value, next } => {
                format!("wrote {} of {} before {to} wrote {}", self.value(*value), self.key(*key), self.value(*next))
            }
            Edge::Wr { key, value } => format!("wrote {} of {}, which {to} read", self.value(*value), self.key(*key)),
            Edge::Process { process } => format!("was done by process {process} before {to}"),
            Edge::Realtime { .. } => format!("had ended before {to} began"),
        }
    }

    /// The operations that sent or polled any of these values.
    fn touching(&self, key: KeyId, values: &[Value]) -> Vec<OpId> {
        let has = |run: &Run| run.key == key && values.iter().any(|value| run.values().contains(&value.0));
        let is_end = |id: &OpId| self.history.op(*id).kind != Kind::Invoke;
        self.history.ids().filter(is_end).filter(|id| self.history.runs(*id).iter().any(has)).collect()
    }

    /// One operation: its index, time, process, end, and the runs near what the proof is about.
    fn operation(&self, id: OpId, proof: &Proof) -> String {
        let op = self.history.op(id);
        let process = op.process.map_or_else(|| "-".into(), |process| format!("p{process}"));
        let mut line = format!(
            "#{:<6} {:>12} {process:<5} {:<4} {:<4}",
            op.index,
            seconds(op.time),
            op.kind.name(),
            op.function.name()
        );
        for run in self.history.runs(id) {
            if let Some(text) = self.run(run, proof) {
                let _ = write!(line, "  {text}");
            }
        }
        if let Some(error) = op.error {
            let _ = write!(line, "  error {}", self.value(error));
        }
        if matches!(op.function, Function::Assign | Function::Subscribe) {
            let keys: Vec<_> = self.history.assigned(id).iter().map(|key| self.key(*key).to_owned()).collect();
            let _ = write!(line, "  {}", keys.join(" "));
        }
        line
    }

    /// The part of a run near what the proof is about; `None` if that is elsewhere.
    fn run(&self, run: &Run, proof: &Proof) -> Option<String> {
        let wanted = wanted(proof, run.key)?;
        let values = run.values();
        let near = wanted.iter().map(|value| value.0.saturating_sub(AROUND)..value.0.saturating_add(AROUND + 1));
        let near = near.map(|near| near.start.max(values.start)..near.end.min(values.end));
        let near = near.filter(|near| near.start < near.end).reduce(|a, b| a.start.min(b.start)..a.end.max(b.end))?;
        let did = if run.is_poll() { "polled" } else { "sent" };
        let at = run.offset.map(|offset| offset.0 + (near.start - values.start) as i64);
        let cut = |yes| if yes { ".. " } else { "" };
        let (before, after) = (cut(near.start > values.start), if near.end < values.end { " .." } else { "" });
        let at = at.map_or_else(|| "?".into(), |offset| offset.to_string());
        Some(format!("{did} {}@{at} {before}{}{after}", self.key(run.key), self.spelled(&near)))
    }

    fn key(&self, key: KeyId) -> &str {
        self.history.key_name(key)
    }

    fn op(&self, id: OpId) -> String {
        format!("#{}", self.history.op(id).index)
    }

    fn value(&self, value: Value) -> String {
        self.history.value_json(value).to_string()
    }

    fn range(&self, range: &Range<u64>) -> String {
        let noun = if range.end - range.start == 1 { "value" } else { "values" };
        format!("{noun} {}", self.spelled(range))
    }

    /// Consecutive numbers by their ends; anything else, which only its history has in a row, one by one.
    fn spelled(&self, range: &Range<u64>) -> String {
        let count = range.end - range.start;
        if count > 2 && range.end <= Value::NUMBERS {
            return format!("{} to {} ({count})", range.start, range.end - 1);
        }
        let values: Vec<_> = range.clone().take(SPELLED + 1).map(|value| self.value(Value(value))).collect();
        if count as usize <= SPELLED {
            and(&values)
        } else {
            format!("{} and {} more", values[..SPELLED].join(", "), count as usize - SPELLED)
        }
    }

    fn ranges(&self, ranges: &[Range<u64>]) -> String {
        let spelled: Vec<_> = ranges.iter().take(SPELLED).map(|range| self.range(range)).collect();
        let rest: u64 = ranges.iter().skip(SPELLED).map(|range| range.end - range.start).sum();
        if rest == 0 { spelled.join(", ") } else { format!("{} and {rest} more", spelled.join(", ")) }
    }
}

/// The values of a key that a proof is about; `None` if it is not about the key.
fn wanted(proof: &Proof, of: KeyId) -> Option<Vec<Value>> {
    let ends = |range: &Range<u64>| vec![Value(range.start), Value(range.end - 1)];
    let values = match proof {
        Proof::InconsistentOffsets { key, values, .. } if *key == of => values.clone(),
        Proof::Duplicate { key, value, .. } if *key == of => vec![*value],
        Proof::LostWrite { key, values, .. } | Proof::Read { key, values, .. } if *key == of => ends(values),
        Proof::BeyondEnd { key, values, .. } | Proof::DoubleConsumption { key, values, .. } if *key == of => {
            ends(values)
        }
        Proof::Unseen { key, values } if *key == of => values.first().map(ends)?,
        Proof::Step { key, values, .. } if *key == of => values.to_vec(),
        Proof::Cycle { steps, .. } => steps.iter().flat_map(|edge| edge_values(edge, of)).collect(),
        _ => return None,
    };
    Some(values)
}

fn edge_values(edge: &Edge, of: KeyId) -> Vec<Value> {
    match edge {
        Edge::Ww { key, value, next } if *key == of => vec![*value, *next],
        Edge::Wr { key, value } if *key == of => vec![*value],
        Edge::Ww { .. } | Edge::Wr { .. } | Edge::Process { .. } | Edge::Realtime { .. } => Vec::new(),
    }
}

fn is_send(anomaly: Anomaly) -> bool {
    matches!(anomaly, Anomaly::NonmonotonicSend | Anomaly::IntNonmonotonicSend | Anomaly::IntSendSkip)
}

fn seconds(nanos: i64) -> String {
    format!(
        "{}{}.{:06} s",
        if nanos < 0 { "-" } else { "" },
        nanos.unsigned_abs() / 1_000_000_000,
        nanos.unsigned_abs() % 1_000_000_000 / 1_000
    )
}

/// `a, b and c`; the rest counted if there are many.
fn and(items: &[String]) -> String {
    match items {
        [] => "nothing".into(),
        [one] => one.clone(),
        [most @ .., last] if items.len() <= SPELLED => format!("{} and {last}", most.join(", ")),
        _ => format!("{} and {} more", items[..SPELLED].join(", "), items.len() - SPELLED),
    }
}
