//! Random small histories, against brute force.

use super::naive::{Expected, Naive};
use super::script::Case;
use crate::Offset;
use crate::check::anomaly::Anomaly;
use crate::check::cycles::search::{Scope, Search};
use crate::check::cycles::{Edges, Via, graph, window};
use crate::check::proof::{Edge, Proof};
use crate::history::{Draft, Function, History, Kind, OpId, Process, Value};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use std::collections::BTreeMap;

/// A send or, with a count, a poll.
#[derive(Clone, Debug)]
struct Mop {
    key: u8,
    value: u64,
    offset: Option<i64>,
    polled: Option<u32>,
}

/// An operation of a process ends, or a new one begins.
#[derive(Clone, Debug)]
struct Event {
    process: Option<i64>,
    kind: Kind,
    function: Function,
    mops: Vec<Mop>,
}

fn mop() -> impl Strategy<Value = Mop> {
    (
        0..2u8,
        0..7u64,
        prop_oneof![12 => Just(None), 1 => Just(Some(None)), 1 => (0..7i64).prop_map(|at| Some(Some(at)))],
    )
        .prop_flat_map(|(key, value, offset)| {
            let offset = offset.unwrap_or(Some(value as i64));
            let polled = prop_oneof![2 => Just(None), 1 => (1..3u32).prop_map(Some)];
            polled.prop_map(move |polled| Mop { key, value, offset, polled })
        })
}

fn event() -> impl Strategy<Value = Event> {
    let process = prop_oneof![30 => (0..4i64).prop_map(Some), 1 => Just(None)];
    let kind = prop_oneof![8 => Just(Kind::Ok), 1 => Just(Kind::Info), 1 => Just(Kind::Fail)];
    let function = prop_oneof![
        10 => Just(Function::Txn), 1 => Just(Function::Send), 1 => Just(Function::Poll), 1 => Just(Function::Assign),
    ];
    (process, kind, function, prop::collection::vec(mop(), 0..4)).prop_map(|(process, kind, function, mops)| Event {
        process,
        kind,
        function,
        mops,
    })
}

fn history(events: &[Event]) -> History {
    let mut history = History::new();
    let keys = [history.key("x"), history.key("y")];
    let mut open = BTreeMap::new();
    for (index, event) in events.iter().enumerate() {
        let invoked = event.process.map(|process| open.remove(&process));
        let mut draft = Draft::default();
        (draft.index, draft.process) = (index as u64, event.process.map(Process));
        if let Some(None) = invoked {
            draft.function = event.function;
            open.extend(event.process.map(|process| (process, event.function)));
        } else {
            (draft.kind, draft.function) = (event.kind, invoked.flatten().unwrap_or(event.function));
            event.mops.iter().for_each(|mop| add(&mut draft, keys[usize::from(mop.key)], mop));
        }
        history.push(&draft).unwrap();
    }
    history
}

fn add(draft: &mut Draft, key: crate::history::KeyId, mop: &Mop) {
    let (offset, value) = (mop.offset.map(Offset), Value(mop.value));
    match mop.polled {
        None => draft.send(key, offset, value),
        Some(count) => {
            draft.poll();
            draft.polled(key, offset, value, count);
        }
    }
}

fn cases() -> impl Strategy<Value = (Case, Edges)> {
    (prop::collection::vec(event(), 0..26), any::<bool>(), any::<bool>())
        .prop_map(|(events, ww, process)| (Case::new(history(&events)), Edges { ww, process }))
}

impl std::fmt::Debug for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for id in self.history.ids() {
            let op = self.history.op(id);
            writeln!(f, "{} {:?} {} {:?}", op.index, op.process, op.kind.name(), self.history.runs(id))?;
        }
        Ok(())
    }
}

/// The kinds of edges that must be in a cycle of this name.
fn required(anomaly: Anomaly) -> &'static [fn(&Edge) -> bool] {
    const WW: fn(&Edge) -> bool = |edge| matches!(edge, Edge::Ww { .. });
    const WR: fn(&Edge) -> bool = |edge| matches!(edge, Edge::Wr { .. });
    const PROCESS: fn(&Edge) -> bool = |edge| matches!(edge, Edge::Process { .. });
    const REALTIME: fn(&Edge) -> bool = |edge| matches!(edge, Edge::Realtime { .. });
    match anomaly {
        Anomaly::G0 => &[WW],
        Anomaly::G1c => &[WR],
        Anomaly::G0Process => &[WW, PROCESS],
        Anomaly::G1cProcess => &[WR, PROCESS],
        Anomaly::G0Realtime => &[WW, REALTIME],
        Anomaly::G1cRealtime => &[WR, REALTIME],
        _ => panic!("{anomaly} is no cycle"),
    }
}

/// A sample is a shortest cycle through the first operation of the smallest component, with the best explanations.
fn verify(naive: &Naive, expected: &Expected, cycle: &[OpId], steps: &[Edge]) {
    let first = expected.scc[0];
    assert_eq!((cycle[0], *cycle.last().unwrap()), (first, first));
    assert_eq!(steps.len() + 1, cycle.len());
    assert_eq!(naive.distances(expected.via, &expected.scc)[&(first, first)], steps.len() as u64);
    for (pair, step) in cycle.windows(2).zip(steps) {
        assert_eq!(naive.why(pair[0], pair[1], expected.via), Some(step));
    }
    for required in required(expected.cycle) {
        assert!(steps.iter().any(required), "{} with nothing but {steps:?}", expected.cycle);
    }
}

fn compare(case: &Case, edges: Edges) -> Vec<Proof> {
    let naive = Naive::new(&case.evidence(), edges);
    let found = case.check(edges);
    if naive.edges.is_empty() {
        assert_eq!(found, [Proof::EmptyGraph]);
        return found;
    }
    let mut rest = found.iter();
    for expected in naive.expected() {
        if let Some(anomaly) = expected.exists {
            assert_eq!(rest.next(), Some(&Proof::CycleExists { anomaly, scc: expected.scc.clone() }));
        }
        let Some(Proof::Cycle { anomaly, cycle, steps }) = rest.next() else { panic!("no {}", expected.cycle) };
        assert_eq!(*anomaly, expected.cycle);
        verify(&naive, &expected, cycle, steps);
    }
    assert_eq!(rest.next(), None);
    found
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_told_of_each_component_is_what_brute_force_finds((case, edges) in cases()) {
        let found = compare(&case, edges);
        prop_assert_eq!(case.check(edges), found, "the same again");
    }

    #[test]
    fn nothing_outside_of_windows_is_on_a_cycle((case, edges) in cases()) {
        let links = graph::links(&case.evidence(), edges);
        let all = Scope { ops: graph::completions(&case.history).collect(), links: links.clone() };
        let pruned = window::scope(&case.history, &links);
        let mut search = Search::new(&case.history);
        prop_assert_eq!(search.components(&pruned, Via::ALL), search.components(&all, Via::ALL));
    }
}

#[test]
fn the_random_histories_have_cycles_of_every_kind_and_none() {
    let mut runner = TestRunner::deterministic();
    let mut seen: BTreeMap<Option<Anomaly>, u32> = BTreeMap::new();
    for _ in 0..2000 {
        let (case, edges) = cases().new_tree(&mut runner).unwrap().current();
        let found = case.check(edges);
        let anomalies: std::collections::BTreeSet<_> = found.iter().map(Proof::anomaly).collect();
        anomalies.iter().for_each(|anomaly| *seen.entry(Some(*anomaly)).or_default() += 1);
        if found.is_empty() {
            *seen.entry(None).or_default() += 1;
        }
    }
    assert_eq!(seen.len(), 12, "{seen:?}");
    assert!(seen.values().all(|count| *count >= 10), "{seen:?}");
}
