//! Cycles of dependencies between operations: Adya's G0 and G1c, as Elle finds them.
//!
//! The graph's nodes are the completions of operations that send or poll. One comes before another if
//!
//! * *ww*: a value that it sent lies directly before a value of the other in some log,
//! * *wr*: the other, however it ended, polled a value that it sent,
//! * *process*: the same process did it, and then, both `ok`, the other,
//! * *realtime*: it was `ok` before the other was invoked.
//!
//! No order exists in which operations that lie on a cycle could have happened one after the other. There may be a
//! great many cycles in each strongly connected component of the graph; of each component the gravest kinds
//! are told, each once. A kind that another kind implies is left out, so that no told cycle can be explained without
//! what its name says.

mod graph;
mod realtime;
mod search;
#[cfg(test)]
mod tests;
mod window;

use super::Evidence;
use super::anomaly::Anomaly;
use super::proof::Proof;
use search::{Scope, Search, Via};

/// Which dependencies are looked at, beside *wr* and *realtime*.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Edges {
    /// Write orders, inferred from offsets.
    pub ww: bool,
    /// Process orders. All of them are real-time orders too, so this only tells where a process saw its own operations
    /// out of order.
    pub process: bool,
}

/// A kind of cycle.
struct Rule {
    /// What it may consist of.
    via: Via,
    /// What its existence is called, if that has a name of its own.
    exists: Option<Anomaly>,
    /// What a sample is called.
    cycle: Anomaly,
}

const G0: Rule = Rule { via: Via::WW, exists: Some(Anomaly::Pl1CycleExists), cycle: Anomaly::G0 };
const G1C: Rule = Rule { via: Via { wr: true, ..Via::WW }, exists: Some(Anomaly::Pl2CycleExists), cycle: Anomaly::G1c };
const G0_PROCESS: Rule = Rule { via: Via { process: true, ..Via::WW }, exists: None, cycle: Anomaly::G0Process };
const G1C_PROCESS: Rule =
    Rule { via: Via { wr: true, process: true, ..Via::WW }, exists: None, cycle: Anomaly::G1cProcess };
const G0_REALTIME: Rule = Rule {
    via: Via { wr: false, ..Via::ALL },
    exists: Some(Anomaly::StrongPl1CycleExists),
    cycle: Anomaly::G0Realtime,
};
const G1C_REALTIME: Rule =
    Rule { via: Via::ALL, exists: Some(Anomaly::StrongPl2CycleExists), cycle: Anomaly::G1cRealtime };

/// Every component's cycles, or that there is nothing of which a cycle could be made.
pub fn check(evidence: &Evidence, edges: Edges, out: &mut Vec<Proof>) {
    let links = graph::links(evidence, edges);
    if links.is_empty() && !realtime::orders_any(evidence.history) {
        out.push(Proof::EmptyGraph);
        return;
    }
    let mut search = Search::new(evidence.history);
    for component in search.components(&window::scope(evidence.history, &links), Via::ALL) {
        judge(&mut search, &component, edges, out);
    }
}

/// The cycles of one component of the whole graph.
fn judge(search: &mut Search, component: &Scope, edges: Edges, out: &mut Vec<Proof>) {
    let mut found = |rule: &Rule| find(search, component, rule, out);
    if found(&G0) {
        return;
    }
    let g1c = found(&G1C);
    let g0_process = edges.process && found(&G0_PROCESS);
    let g1c_process = edges.process && !g1c && !g0_process && found(&G1C_PROCESS);
    let g0_realtime = !g0_process && found(&G0_REALTIME);
    if !(g1c || g0_process || g1c_process || g0_realtime) {
        tell(search, component, &G1C_REALTIME, out);
    }
}

/// Whether there is such a cycle; if so, tells of it where it is smallest.
fn find(search: &mut Search, component: &Scope, rule: &Rule, out: &mut Vec<Proof>) -> bool {
    let smallest = search.components(component, rule.via).into_iter().min_by_key(|scc| scc.ops.len());
    if let Some(scc) = &smallest {
        tell(search, scc, rule, out);
    }
    smallest.is_some()
}

fn tell(search: &mut Search, scc: &Scope, rule: &Rule, out: &mut Vec<Proof>) {
    out.extend(rule.exists.map(|anomaly| Proof::CycleExists { anomaly, scc: scc.ops.clone() }));
    let (cycle, steps) = search.cycle(scc, rule.via);
    out.push(Proof::Cycle { anomaly: rule.cycle, cycle, steps });
}
