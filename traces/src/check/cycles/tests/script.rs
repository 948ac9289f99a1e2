//! Histories and findings as text.

use super::super::{Edges, check};
use crate::Offset;
use crate::check::Evidence;
use crate::check::index::{Index, Proofs};
use crate::check::order::Order;
use crate::check::proof::{Edge, Proof};
use crate::history::{Draft, Function, History, Kind, OpId, Process, Value};

/// A history, from one line for each operation: `PROCESS[:FUNCTION] KIND MOP...`. A process of `-` is none, the function
/// is `txn` unless it is named, `x0=7` sends value 7 to x at offset 0, `x?=7` without an offset, and `<x0=7+3` polls
/// values 7, 8 and 9 from offset 0.
pub fn history(text: &str) -> History {
    let mut history = History::new();
    for (index, line) in text.lines().map(str::trim).filter(|line| !line.is_empty()).enumerate() {
        let mut words = line.split_whitespace();
        let (process, function) = words.next().map(|word| word.split_once(':').unwrap_or((word, "txn"))).unwrap();
        let kind = words.next().unwrap();
        let mut draft = Draft::default();
        draft.index = index as u64;
        draft.process = process.parse().ok().map(Process);
        draft.function = Function::by_name(function);
        draft.kind = [Kind::Invoke, Kind::Ok, Kind::Fail, Kind::Info].into_iter().find(|k| k.name() == kind).unwrap();
        words.for_each(|word| mop(&mut history, &mut draft, word));
        history.push(&draft).unwrap();
    }
    history
}

fn mop(history: &mut History, draft: &mut Draft, word: &str) {
    let (place, values) = word.split_once('=').unwrap();
    let (key, offset) = place.trim_start_matches('<').split_at(1);
    let (key, offset) = (history.key(key), offset.parse().ok().map(Offset));
    let (value, count) = values.split_once('+').unwrap_or((values, "1"));
    let (value, count) = (Value(value.parse().unwrap()), count.parse().unwrap());
    if place.starts_with('<') {
        draft.poll();
        draft.polled(key, offset, value, count);
    } else if count == 1 {
        draft.send(key, offset, value);
    } else {
        draft.send_batch(key, offset, value, count);
    }
}

/// A history with its index.
pub struct Case {
    pub history: History,
    index: Index,
    orders: Vec<Order>,
}

impl Case {
    pub fn new(history: History) -> Case {
        let index = Index::of(&history, Proofs::OkPolls);
        let orders = index.orders(&history);
        Case { history, index, orders }
    }

    pub fn evidence(&self) -> Evidence<'_> {
        Evidence { history: &self.history, index: &self.index, orders: &self.orders }
    }

    pub fn check(&self, edges: Edges) -> Vec<Proof> {
        let mut out = Vec::new();
        check(&self.evidence(), edges, &mut out);
        out
    }
}

/// What is found in a history: `NAME: OP WHY OP WHY OP`, or `NAME: OP OP OP`.
pub fn told(text: &str, edges: Edges) -> Vec<String> {
    let case = Case::new(history(text));
    case.check(edges).iter().map(|proof| format!("{}{}", proof.anomaly(), details(&case.history, proof))).collect()
}

fn details(history: &History, proof: &Proof) -> String {
    let index = |id: &OpId| history.op(*id).index.to_string();
    match proof {
        Proof::Cycle { cycle, steps, .. } => {
            let step = |(op, why): (&OpId, &Edge)| format!("{} {}", index(op), edge(history, why));
            let steps: Vec<_> = cycle.iter().zip(steps).map(step).collect();
            format!(": {} {}", steps.join(" "), index(cycle.last().unwrap()))
        }
        Proof::CycleExists { scc, .. } => format!(": {}", scc.iter().map(index).collect::<Vec<_>>().join(" ")),
        _ => String::new(),
    }
}

pub fn edge(history: &History, edge: &Edge) -> String {
    match edge {
        Edge::Ww { key, value, next } => format!("ww({}: {} {})", history.key_name(*key), value.0, next.0),
        Edge::Wr { key, value } => format!("wr({}: {})", history.key_name(*key), value.0),
        Edge::Process { process } => format!("process({process})"),
        Edge::Realtime { invocation } => format!("realtime({})", history.op(*invocation).index),
    }
}
