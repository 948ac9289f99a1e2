//! The same by brute force: every record, every pair of operations.

use super::super::{Edges, Via};
use crate::check::Evidence;
use crate::check::anomaly::Anomaly;
use crate::check::proof::Edge;
use crate::history::{History, Kind, OpId, Value};
use std::collections::{BTreeMap, BTreeSet};

/// Every dependency.
pub struct Naive {
    pub nodes: Vec<OpId>,
    pub edges: BTreeMap<(OpId, OpId), BTreeSet<Edge>>,
}

/// What has to be told of a cycle: its kind, the smallest component of that kind, of what it may consist, and of what it
/// must.
pub struct Expected {
    pub exists: Option<Anomaly>,
    pub cycle: Anomaly,
    pub scc: Vec<OpId>,
    pub via: Via,
}

impl Naive {
    pub fn new(evidence: &Evidence, edges: Edges) -> Naive {
        let history = evidence.history;
        let is_node = |id: &OpId| history.op(*id).kind != Kind::Invoke && history.op(*id).function.touches_records();
        let nodes = history.ids().filter(is_node).collect();
        let mut naive = Naive { nodes, edges: BTreeMap::new() };
        if edges.ww {
            naive.ww(evidence);
        }
        naive.wr(history);
        if edges.process {
            naive.process(history);
        }
        naive.realtime(history);
        naive
    }

    fn writers(&self, history: &History) -> BTreeMap<(u32, u64), OpId> {
        let sends = self.nodes.iter().flat_map(|id| history.sends(*id).map(move |run| (id, run)));
        sends.flat_map(|(id, run)| run.values().map(move |value| ((run.key.0, value), *id))).collect()
    }

    fn add(&mut self, from: OpId, to: OpId, edge: Edge) {
        if from != to {
            self.edges.entry((from, to)).or_default().insert(edge);
        }
    }

    fn ww(&mut self, evidence: &Evidence) {
        let writers = self.writers(evidence.history);
        for ((number, next), to) in &writers {
            let key = crate::history::KeyId(*number);
            let order = evidence.order(key);
            let Some(index) = order.index(Value(*next)).filter(|index| *index > 0) else { continue };
            let value = order.value_at(index - 1).unwrap();
            if let Some(from) = writers.get(&(*number, value.0)) {
                self.add(*from, *to, Edge::Ww { key, value, next: Value(*next) });
            }
        }
    }

    fn wr(&mut self, history: &History) {
        let writers = self.writers(history);
        for reader in self.nodes.clone() {
            for run in history.polls(reader) {
                for value in run.values() {
                    if let Some(writer) = writers.get(&(run.key.0, value)) {
                        self.add(*writer, reader, Edge::Wr { key: run.key, value: Value(value) });
                    }
                }
            }
        }
    }

    fn process(&mut self, history: &History) {
        let oks: Vec<_> = self.nodes.iter().copied().filter(|id| history.op(*id).kind == Kind::Ok).collect();
        for (place, from) in oks.iter().enumerate() {
            let Some(process) = history.op(*from).process else { continue };
            let next = oks[place + 1..].iter().find(|to| history.op(**to).process == Some(process));
            next.into_iter().for_each(|to| self.add(*from, *to, Edge::Process { process }));
        }
    }

    fn realtime(&mut self, history: &History) {
        for from in self.nodes.clone().into_iter().filter(|id| history.op(*id).kind == Kind::Ok) {
            for to in self.nodes.clone() {
                if let Some(invocation) = history.partner(to).filter(|invocation| *invocation > from) {
                    self.add(from, to, Edge::Realtime { invocation });
                }
            }
        }
    }

    /// The best explanation that is allowed for one operation's coming before another.
    pub fn why(&self, from: OpId, to: OpId, via: Via) -> Option<&Edge> {
        self.edges.get(&(from, to))?.iter().find(|edge| allows(via, edge))
    }

    /// The lengths of the shortest paths of one step or more.
    pub fn distances(&self, via: Via, within: &[OpId]) -> BTreeMap<(OpId, OpId), u64> {
        let mut distances = BTreeMap::new();
        for (from, to) in self.edges.keys().filter(|(from, to)| within.contains(from) && within.contains(to)) {
            if self.why(*from, *to, via).is_some() {
                distances.insert((*from, *to), 1);
            }
        }
        for over in within {
            for from in within {
                for to in within {
                    let path = distances.get(&(*from, *over)).zip(distances.get(&(*over, *to))).map(|(a, b)| a + b);
                    if let Some(path) = path {
                        let best = distances.entry((*from, *to)).or_insert(path);
                        *best = path.min(*best);
                    }
                }
            }
        }
        distances
    }

    /// The strongly connected components of two or more operations, in order of their first ones.
    pub fn sccs(&self, via: Via, within: &[OpId]) -> Vec<Vec<OpId>> {
        let distances = self.distances(via, within);
        let tied = |a: &OpId, b: &OpId| distances.contains_key(&(*a, *b)) && distances.contains_key(&(*b, *a));
        let mut sccs: Vec<Vec<OpId>> = Vec::new();
        for op in within {
            if !sccs.iter().any(|scc| scc.contains(op)) && distances.contains_key(&(*op, *op)) {
                sccs.push(within.iter().copied().filter(|other| tied(op, other)).collect());
            }
        }
        sccs
    }

    /// All that has to be told, in order.
    pub fn expected(&self) -> Vec<Expected> {
        self.sccs(via(true, true, true), &self.nodes).iter().flat_map(|component| self.judge(component)).collect()
    }

    fn judge(&self, component: &[OpId]) -> Vec<Expected> {
        let cycle = |wr, process, realtime, exists: Option<Anomaly>, cycle| {
            let via = via(wr, process, realtime);
            let scc = self.sccs(via, component).into_iter().min_by_key(|scc| (scc.len(), scc[0]));
            scc.map(|scc| Expected { exists, cycle, scc, via })
        };
        let ww = cycle(false, false, false, Some(Anomaly::Pl1CycleExists), Anomaly::G0);
        let wr = cycle(true, false, false, Some(Anomaly::Pl2CycleExists), Anomaly::G1c);
        let process = cycle(false, true, false, None, Anomaly::G0Process);
        let wr_process = cycle(true, true, false, None, Anomaly::G1cProcess);
        let realtime = cycle(false, true, true, Some(Anomaly::StrongPl1CycleExists), Anomaly::G0Realtime);
        let all = cycle(true, true, true, Some(Anomaly::StrongPl2CycleExists), Anomaly::G1cRealtime);
        match (ww, wr, process, wr_process, realtime) {
            (Some(ww), _, _, _, _) => vec![ww],
            // A real-time cycle is told beside a process cycle only if that needs a read and this does not.
            (None, wr, Some(process), _, _) => wr.into_iter().chain([process]).collect(),
            (None, Some(wr), None, _, realtime) => [wr].into_iter().chain(realtime).collect(),
            (None, None, None, Some(process), realtime) => [process].into_iter().chain(realtime).collect(),
            (None, None, None, None, Some(realtime)) => vec![realtime],
            (None, None, None, None, None) => all.into_iter().collect(),
        }
    }
}

fn via(wr: bool, process: bool, realtime: bool) -> Via {
    Via { wr, process, realtime }
}

fn allows(via: Via, edge: &Edge) -> bool {
    let wr = via.wr && matches!(edge, Edge::Wr { .. });
    let process = via.process && matches!(edge, Edge::Process { .. });
    let realtime = via.realtime && matches!(edge, Edge::Realtime { .. });
    wr || process || realtime || matches!(edge, Edge::Ww { .. })
}
