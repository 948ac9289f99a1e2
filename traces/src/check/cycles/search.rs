//! Strongly connected components, and the shortest cycle through an operation of one.

use super::graph::Link;
use super::realtime;
use crate::check::proof::Edge;
use crate::history::{History, OpId};
use petgraph::algo::kosaraju_scc;
use petgraph::graph::DiGraph;
use std::collections::{BTreeMap, VecDeque};

/// Some operations, and the links between them. Real time orders them too, by what the history says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    /// Completions, in order.
    pub ops: Vec<OpId>,
    /// Links from one of them to another.
    pub links: Vec<Link>,
}

/// What a cycle may consist of, beside *ww*.
#[derive(Clone, Copy, Debug)]
pub struct Via {
    /// Reads.
    pub wr: bool,
    /// Process orders.
    pub process: bool,
    /// Real-time orders.
    pub realtime: bool,
}

impl Via {
    /// Nothing else.
    pub const WW: Via = Via { wr: false, process: false, realtime: false };
    /// Everything.
    pub const ALL: Via = Via { wr: true, process: true, realtime: true };

    fn allows(self, edge: &Edge) -> bool {
        match edge {
            Edge::Ww { .. } => true,
            Edge::Wr { .. } => self.wr,
            Edge::Process { .. } => self.process,
            Edge::Realtime { .. } => self.realtime,
        }
    }
}

/// Searches scopes of one history.
pub struct Search<'a> {
    history: &'a History,
    /// Of the operations of the scope in hand: their places in it. Of others it says nothing.
    place: Vec<u32>,
}

impl<'a> Search<'a> {
    /// Of this history.
    pub fn new(history: &'a History) -> Search<'a> {
        Search { history, place: vec![0; history.len()] }
    }

    /// The strongly connected components of two or more operations, in order of their first operations; each with its
    /// links, sorted.
    pub fn components(&mut self, scope: &Scope, via: Via) -> Vec<Scope> {
        self.number(scope);
        let sccs = kosaraju_scc(&self.graph(scope, via));
        let mut components: Vec<Scope> = Vec::new();
        let mut component_of = vec![None; scope.ops.len()];
        // Moments alone make no cycle, and no operation was invoked after it ended: two nodes mean two operations.
        for scc in sccs.iter().filter(|scc| scc.len() > 1) {
            for node in scc {
                if let Some(component) = component_of.get_mut(node.index()) {
                    *component = Some(components.len());
                }
            }
            components.push(Scope::default());
        }
        for (op, component) in scope.ops.iter().zip(&component_of) {
            if let Some(number) = component {
                components[*number].ops.push(*op);
            }
        }
        for link in scope.links.iter().filter(|link| via.allows(&link.why)) {
            let [from, to] = [link.from, link.to].map(|op| component_of[self.place(op)]);
            if let Some(number) = from.filter(|_| from == to) {
                components[number].links.push(*link);
            }
        }
        components.iter_mut().for_each(|component| component.links.sort_unstable());
        components.sort_unstable_by_key(|component| component.ops.first().copied());
        components
    }

    /// A shortest cycle through the first operation of a strongly connected scope, which is repeated at the end; and why
    /// each operation comes before the next.
    pub fn cycle(&mut self, scc: &Scope, via: Via) -> (Vec<OpId>, Vec<Edge>) {
        self.number(scc);
        let came_from = self.breadth_first(scc, via);
        let (mut cycle, mut steps) = (vec![scc.ops[0]], Vec::new());
        let mut at = 0;
        while let Some((from, why)) = came_from[at] {
            cycle.push(scc.ops[from]);
            steps.push(why);
            at = from;
            if at == 0 {
                break;
            }
        }
        cycle.reverse();
        steps.reverse();
        (cycle, steps)
    }

    /// From where, and why, each operation is first reached from the first one, until that is reached itself.
    fn breadth_first(&self, scc: &Scope, via: Via) -> Vec<Option<(usize, Edge)>> {
        let mut came_from = vec![None; scc.ops.len()];
        // Those which real time has not reached, by invocation.
        let mut waiting = if via.realtime { self.invocations(scc) } else { BTreeMap::new() };
        let mut queue = VecDeque::from([0]);
        while let Some(at) = queue.pop_front().filter(|_| came_from[0].is_none()) {
            let op = scc.ops[at];
            let links = &scc.links[scc.links.partition_point(|link| link.from < op)..];
            let links = links.iter().take_while(|link| link.from == op).filter(|link| via.allows(&link.why));
            let is_before = realtime::has_successors(self.history, op);
            let invoked_later = if is_before { waiting.split_off(&op) } else { BTreeMap::new() };
            let later = invoked_later.into_iter().map(|(invocation, next)| (next, Edge::Realtime { invocation }));
            for (next, why) in links.map(|link| (self.place(link.to), link.why)).chain(later) {
                if came_from[next].is_none() {
                    came_from[next] = Some((at, why));
                    queue.push_back(next);
                }
            }
        }
        came_from
    }

    /// Operations are nodes by their places in the scope. If real time counts, [moments](Self::moments) are nodes too.
    fn graph(&self, scope: &Scope, via: Via) -> DiGraph<(), ()> {
        let mut graph = DiGraph::new();
        let links = scope.links.iter().filter(|link| via.allows(&link.why));
        graph.extend_with_edges(links.map(|link| (self.place[link.from.0 as usize], self.place[link.to.0 as usize])));
        if via.realtime {
            graph.extend_with_edges(self.moments(scope));
        }
        graph
    }

    /// Real time in few edges: each operation's completion is a moment, which is a node `ops.len()` places after its
    /// operation. They lead from operations that have successors to their moments, from each moment to the next, and from
    /// the last moment before an operation's invocation to that operation.
    fn moments(&self, scope: &Scope) -> impl Iterator<Item = (u32, u32)> {
        let moment = |place: usize| (scope.ops.len() + place) as u32;
        scope.ops.iter().enumerate().flat_map(move |(place, op)| {
            let ended = realtime::has_successors(self.history, *op).then(|| (place as u32, moment(place)));
            let passed = place.checked_sub(1).map(|before| (moment(before), moment(place)));
            let invocation = self.history.partner(*op);
            let invoked =
                invocation.and_then(|at| last_before(&scope.ops, at)).map(|last| (moment(last), place as u32));
            [ended, passed, invoked].into_iter().flatten()
        })
    }

    /// The operations of a scope by their invocations, with their places.
    fn invocations(&self, scope: &Scope) -> BTreeMap<OpId, usize> {
        let by_place = scope.ops.iter().enumerate();
        by_place.filter_map(|(place, op)| Some((self.history.partner(*op)?, place))).collect()
    }

    fn number(&mut self, scope: &Scope) {
        for (place, op) in scope.ops.iter().enumerate() {
            self.place[op.0 as usize] = place as u32;
        }
    }

    /// Of an operation of the scope in hand.
    fn place(&self, op: OpId) -> usize {
        self.place[op.0 as usize] as usize
    }
}

/// The place of the last of these completions before an invocation.
fn last_before(ops: &[OpId], invocation: OpId) -> Option<usize> {
    let (Ok(rank) | Err(rank)) = ops.binary_search(&invocation);
    rank.checked_sub(1)
}
