//! Cycles among the completed ops: write-write, write-read and realtime.

use super::Errors;
use super::history::{History, Kind, Op};
use super::orders::Orders;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// A relation among `0..size`, as a square of bits.
#[derive(Clone)]
struct Relation {
    size: usize,
    rows: Vec<Vec<u64>>,
}

impl Relation {
    fn empty(size: usize) -> Relation {
        Relation { size, rows: vec![vec![0; size.div_ceil(64)]; size] }
    }

    fn add(&mut self, from: usize, to: usize) {
        self.rows[from][to / 64] |= 1 << (to % 64);
    }

    fn has(&self, from: usize, to: usize) -> bool {
        self.rows[from][to / 64] >> (to % 64) & 1 == 1
    }

    fn is_empty(&self) -> bool {
        self.rows.iter().flatten().all(|bits| *bits == 0)
    }

    fn join(&mut self, from: usize, other: &[u64]) {
        for (bits, more) in self.rows[from].iter_mut().zip(other) {
            *bits |= more;
        }
    }

    fn union(&self, other: &Relation) -> Relation {
        let mut union = self.clone();
        for (from, row) in other.rows.iter().enumerate() {
            union.join(from, row);
        }
        union
    }

    /// What is left of it among some members.
    fn among(&self, members: &[usize]) -> Relation {
        let mut restricted = Relation::empty(self.size);
        for &from in members {
            for &to in members.iter().filter(|&&to| self.has(from, to)) {
                restricted.add(from, to);
            }
        }
        restricted
    }

    /// Warshall's: from reaches to over one step or more.
    fn reach(&self) -> Relation {
        let mut reach = self.clone();
        for middle in 0..self.size {
            let onwards = reach.rows[middle].clone();
            for from in 0..self.size {
                if reach.has(from, middle) {
                    reach.join(from, &onwards);
                }
            }
        }
        reach
    }

    fn is_cyclic(&self) -> bool {
        let reach = self.reach();
        (0..self.size).any(|at| reach.has(at, at))
    }
}

/// Reports the types of cycles that Elle reports, one entry for each strongly connected component: the lines in it.
/// Answers whether there is any edge at all.
pub fn cycles(history: &History, orders: &Orders, ww_deps: bool, errors: &mut Errors) -> bool {
    let ops: Vec<&Op> = history.ops.iter().filter(|op| ["send", "poll", "txn"].contains(&op.f.as_str())).collect();
    let place: BTreeMap<usize, usize> = ops.iter().enumerate().map(|(place, op)| (op.line, place)).collect();
    let ww = if ww_deps { ww(history, orders, &ops, &place) } else { Relation::empty(ops.len()) };
    let wr = wr(history, &ops, &place);
    let realtime = realtime(&ops);
    let all = ww.union(&wr).union(&realtime);
    for members in components(&all) {
        let lines: Vec<usize> = members.iter().map(|&member| ops[member].line).collect();
        let ww_cycle = ww.among(&members).is_cyclic();
        let ww_wr_cycle = ww.union(&wr).among(&members).is_cyclic();
        let ww_realtime_cycle = ww.union(&realtime).among(&members).is_cyclic();
        let mut found = |coarse: &str, kind: &str| {
            for kind in [coarse, kind] {
                errors.entry(kind.to_owned()).or_default().push(json!(lines));
            }
        };
        if ww_cycle {
            // It breaks every level, so nothing else is looked for.
            found("PL-1-cycle-exists", "G0");
            continue;
        }
        if ww_wr_cycle {
            found("PL-2-cycle-exists", "G1c");
        }
        if ww_realtime_cycle {
            found("strong-PL-1-cycle-exists", "G0-realtime");
        }
        if !ww_wr_cycle && !ww_realtime_cycle {
            found("strong-PL-2-cycle-exists", "G1c-realtime");
        }
    }
    !all.is_empty()
}

/// The writer of the value before to the writer of each value.
fn ww(history: &History, orders: &Orders, ops: &[&Op], place: &BTreeMap<usize, usize>) -> Relation {
    let mut edges = Relation::empty(ops.len());
    for op in ops {
        for (key, records) in op.writes() {
            let order = orders.get(key);
            for value in records.into_iter().map(|record| &record.value) {
                // Of several senders of one value the last is its writer.
                if history.writer(key, value).is_none_or(|writer| writer.line != op.line) {
                    continue;
                }
                let Some(before) = order.index(value).and_then(|index| index.checked_sub(1)) else { continue };
                add(&mut edges, history.writer(key, order.at(before)), op, place);
            }
        }
    }
    edges
}

/// The writer of a value to each op, of any type, that polled it.
fn wr(history: &History, ops: &[&Op], place: &BTreeMap<usize, usize>) -> Relation {
    let mut edges = Relation::empty(ops.len());
    for op in ops {
        for (key, records) in op.reads() {
            for record in records {
                add(&mut edges, history.writer(key, &record.value), op, place);
            }
        }
    }
    edges
}

/// No edge from an op to itself.
fn add(edges: &mut Relation, from: Option<&Op>, to: &Op, place: &BTreeMap<usize, usize>) {
    if let Some(from) = from
        && from.line != to.line
    {
        edges.add(place[&from.line], place[&to.line]);
    }
}

/// An ok completion to the completion, of any type, of each op invoked after it.
fn realtime(ops: &[&Op]) -> Relation {
    let mut edges = Relation::empty(ops.len());
    for (from, earlier) in ops.iter().enumerate().filter(|(_, op)| op.kind == Kind::Ok) {
        for (to, later) in ops.iter().enumerate() {
            if later.invoked.is_some_and(|invoked| invoked > earlier.line) {
                edges.add(from, to);
            }
        }
    }
    edges
}

/// The strongly connected components of two members or more; there are no edges from an op to itself.
fn components(all: &Relation) -> Vec<Vec<usize>> {
    let reach = all.reach();
    let mutual = |a: usize, b: usize| reach.has(a, b) && reach.has(b, a);
    (0..all.size)
        .map(|first| (0..all.size).filter(|&other| other == first || mutual(first, other)).collect::<Vec<usize>>())
        .enumerate()
        .filter(|(first, members)| members.len() > 1 && members[0] == *first)
        .map(|(_, members)| members)
        .collect()
}

/// Every type of error that tells of a cycle.
pub fn is_cycle(kind: &str) -> bool {
    kind.starts_with("G0") || kind.starts_with("G1c") || kind.ends_with("-cycle-exists")
}

/// What the existence of these types says: a ww cycle, a ww+wr cycle, a ww+wr+realtime cycle; first by the types
/// themselves and then by their coarse companions.
pub fn classes(kinds: &[&str]) -> Value {
    let any = |wanted: &[&str]| kinds.iter().any(|kind| wanted.contains(kind));
    let all = ["G0", "G0-process", "G0-realtime", "G1c", "G1c-process", "G1c-realtime"];
    let companions = ["PL-1-cycle-exists", "PL-2-cycle-exists", "strong-PL-1-cycle-exists", "strong-PL-2-cycle-exists"];
    json!({
        "ww": [any(&["G0"]), any(&companions[..1])],
        "ww+wr": [any(&["G0", "G1c"]), any(&companions[..2])],
        "ww+wr+realtime": [any(&all), any(&companions)],
    })
}
