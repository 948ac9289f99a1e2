//! The parts that a search is made of: links, windows, and long histories.

use super::script::{Case, edge, history};
use crate::Offset;
use crate::check::cycles::{Edges, graph, window};
use crate::check::proof::{Edge, Proof};
use crate::history::{Draft, Function, History, Kind, OpId, Process, Value};

const ALL: Edges = Edges { ww: true, process: true };

/// `OP WHY OP`, of a history without real time.
fn links(text: &str) -> Vec<String> {
    let case = Case::new(history(text));
    let links = graph::links(&case.evidence(), ALL);
    links.iter().map(|link| format!("{} {} {}", link.from.0, edge(&case.history, &link.why), link.to.0)).collect()
}

#[test]
fn writers_are_linked_to_the_writers_of_the_next_index() {
    let cases: &[(&str, &[&str])] = &[
        ("- ok x0=1\n - ok x1=2", &["0 ww(x: 1 2) 1"]),
        ("- ok x1=2\n - ok x0=1", &["1 ww(x: 1 2) 0"]),
        // Across a hole, and across keys not at all.
        ("- ok x3=1\n - ok x9=2\n - ok y4=3", &["0 ww(x: 1 2) 1"]),
        // To oneself there is no link, nor past oneself.
        ("- ok x0=1 x1=2\n - ok x2=3", &["0 ww(x: 2 3) 1"]),
        ("- ok x0=1 x2=2\n - ok x1=3", &["1 ww(x: 3 2) 0", "0 ww(x: 1 3) 1"]),
        // What follows on a value that nobody sent follows on nothing.
        ("- ok x2=3\n - ok <x0=1+2\n - ok x3=4", &["0 ww(x: 3 4) 2"]),
        // What is not in the log follows on nothing and precedes nothing.
        ("- ok x0=1\n - fail x1=2\n - info x1=3\n - ok x?=4\n - ok x2=5", &["0 ww(x: 1 5) 4"]),
        // A failed operation's value is in the log if it was read.
        ("- ok x0=1\n - fail x1=2\n - fail <x1=2", &["0 ww(x: 1 2) 1", "1 wr(x: 2) 2"]),
        // The index of a value at several offsets is the last one, but what follows it elsewhere follows it.
        (
            "- ok x0=1\n - ok x1=2\n - ok x2=3\n - ok <x3=1",
            &["2 ww(x: 3 1) 0", "0 ww(x: 1 2) 1", "1 ww(x: 2 3) 2", "0 wr(x: 1) 3"],
        ),
        // The writer is the last operation to send a value.
        ("- ok x0=1\n - info x0=1\n - ok x1=2", &["1 ww(x: 1 2) 2"]),
    ];
    for (text, expected) in cases {
        assert_eq!(links(text), *expected, "{text}");
    }
}

#[test]
fn writers_are_linked_to_readers_of_any_end_but_themselves() {
    let cases: &[(&str, &[&str])] = &[
        ("- ok <x0=1\n - fail <x0=1\n - info <x0=1\n - ok x0=1", &["3 wr(x: 1) 0", "3 wr(x: 1) 1", "3 wr(x: 1) 2"]),
        ("- fail x?=1\n - ok <x0=1", &["0 wr(x: 1) 1"]),
        ("- info x?=1\n - ok <x?=1", &["0 wr(x: 1) 1"]),
        ("- ok x0=1 <x0=1", &[]),
        ("- ok <x0=1", &[]),
        ("- ok x0=1\n - ok <y0=1", &[]),
        ("- ok x0=1\n -:send ok <x0=1\n -:assign ok <x0=1\n -:poll ok <x0=1", &["0 wr(x: 1) 3"]),
        ("-:poll ok x0=1\n - ok <x0=1", &[]),
        ("- ok x0=1+3\n - ok <x1=2+0", &[]),
        // One link for each writer, from the first value that was read of its.
        ("- ok x0=1+9\n - info x9=10+3\n - ok <x5=6+5", &["0 ww(x: 9 10) 1", "0 wr(x: 6) 2", "1 wr(x: 10) 2"]),
    ];
    for (text, expected) in cases {
        assert_eq!(links(text), *expected, "{text}");
    }
}

#[test]
fn each_ok_operation_of_a_process_is_linked_to_its_next() {
    let text = "
        0 invoke\n 0 ok\n 1 invoke\n 1 ok\n 0 invoke\n 0 fail\n 0 invoke\n 0 info\n 0:assign invoke\n 0:assign ok
        0 invoke\n 0 ok\n 1 invoke\n 0 invoke\n 0 ok\n 1 ok\n - ok\n - ok";
    assert_eq!(links(text), ["1 process(0) 11", "11 process(0) 14", "3 process(1) 15"]);
    let case = Case::new(history(text));
    assert_eq!(graph::links(&case.evidence(), Edges { ww: true, process: false }), []);
}

#[test]
fn links_are_as_many_as_runs_not_records() {
    let text = "- ok x0=1+1000000\n - ok x1000000=1000001+1000000\n - ok <x0=1+2000000";
    assert_eq!(links(text), ["0 ww(x: 1000000 1000001) 1", "0 wr(x: 1) 2", "1 wr(x: 1000001) 2"]);
}

#[test]
fn only_operations_between_the_ends_of_backward_links_are_searched() {
    let ops = |text| {
        let case = Case::new(history(text));
        let scope = window::scope(&case.history, &graph::links(&case.evidence(), ALL));
        let links: Vec<_> = scope.links.iter().map(|link| (link.from.0, link.to.0)).collect();
        (scope.ops.iter().map(|op| op.0).collect::<Vec<_>>(), links)
    };
    assert_eq!(ops("- ok x0=1\n - ok <x0=1\n - ok <x0=1"), (vec![], vec![]));
    let text = "- ok <x0=1\n - ok x0=1\n - ok <x0=1\n - ok <x1=2\n - ok\n -:assign ok\n - ok x1=2\n - ok <x1=2";
    assert_eq!(ops(text), (vec![0, 1, 3, 4, 6], vec![(1, 6), (1, 0), (6, 3)]));
    let nested = "- ok <x1=2\n - ok <x0=1\n - ok\n - ok x0=1\n - ok\n - ok x1=2\n - ok";
    assert_eq!(ops(nested), (vec![0, 1, 2, 3, 4, 5], vec![(3, 5), (5, 0), (3, 1)]));
}

fn push(history: &mut History, process: usize, kind: Kind, mops: impl FnOnce(&mut Draft)) -> OpId {
    let mut draft = Draft::default();
    draft.index = history.len() as u64;
    draft.process = Some(Process(process as i64));
    (draft.kind, draft.function) = (kind, Function::Txn);
    mops(&mut draft);
    history.push(&draft).unwrap()
}

/// Enough for any recursion to overflow the stack.
const LONG: usize = 100_000;

#[test]
fn a_long_cycle_of_data_overflows_no_stack() {
    let mut history = History::new();
    let x = history.key("x");
    for process in 0..LONG {
        push(&mut history, process, Kind::Invoke, |_| ());
    }
    for process in 0..LONG {
        push(&mut history, process, Kind::Ok, |draft| {
            draft.send(x, None, Value(process as u64));
            draft.poll();
            draft.polled(x, None, Value(((process + 1) % LONG) as u64), 1);
        });
    }
    let found = Case::new(history).check(ALL);
    let [Proof::CycleExists { scc, .. }, Proof::Cycle { steps, .. }] = &found[..] else { panic!("two findings") };
    assert_eq!((scc.len(), steps.len()), (LONG, LONG));
}

#[test]
fn a_long_component_of_real_time_overflows_no_stack_and_has_a_short_cycle() {
    let mut history = History::new();
    let x = history.key("x");
    for op in 0..LONG {
        let invocation = push(&mut history, op % 5, Kind::Invoke, |_| ());
        push(&mut history, op % 5, Kind::Ok, |draft| {
            if op == 0 {
                draft.poll();
                draft.polled(x, Some(Offset(0)), Value(0), 1);
            }
            if op == LONG - 1 {
                draft.send(x, Some(Offset(0)), Value(0));
                assert_eq!(invocation.0 as usize, 2 * LONG - 2);
            }
        });
    }
    let found = Case::new(history).check(Edges::default());
    let [Proof::CycleExists { scc, .. }, Proof::Cycle { steps, .. }] = &found[..] else { panic!("two findings") };
    assert_eq!(scc.len(), LONG);
    assert!(
        matches!(steps[..], [Edge::Realtime { invocation: OpId(at) }, Edge::Wr { .. }] if at as usize == 2 * LONG - 2)
    );
}
