//! Cycles are judged by what makes them.

use super::*;
use crate::check::index::{Index, Proofs};
use crate::check::proof::Edge;
use crate::check::{Evidence, Options};
use crate::contract::context::Context;
use crate::history::{Draft, Function, History, Kind, Process, Value};

/// Transactions of processes 1 and 2, each of which sends to key x, at 10 to 20 and 30 to 40 ns.
fn history() -> History {
    let mut history = History::new();
    let key = history.key("x");
    for place in 0..4u64 {
        let mut draft = Draft::default();
        draft.index = place;
        draft.time = 10 + 10 * place as i64;
        draft.process = Some(Process(1 + place as i64 / 2));
        draft.kind = if place % 2 == 0 { Kind::Invoke } else { Kind::Ok };
        draft.function = Function::Txn;
        draft.send(key, None, Value(place / 2));
        history.push(&draft).unwrap();
    }
    history
}

/// The class of a finding in this context.
fn class(proof: Proof, context: &str) -> Class {
    let history = history();
    let index = Index::of(&history, Proofs::AllPolls);
    let orders = index.orders(&history);
    let evidence = Evidence { history: &history, index: &index, orders: &orders };
    let (context, options) = (Context::read(context, "context").unwrap(), Options::default());
    let facts = Facts::new(&evidence, &context, &options);
    let judged = judge(&facts, proof);
    assert_eq!(judged.len(), 1);
    judged[0].class.clone()
}

fn cycle(anomaly: Anomaly, steps: [Edge; 2]) -> Proof {
    Proof::Cycle { anomaly, cycle: vec![OpId(1), OpId(3), OpId(1)], steps: steps.to_vec() }
}

fn exists(anomaly: Anomaly) -> Proof {
    Proof::CycleExists { anomaly, scc: vec![OpId(1), OpId(3)] }
}

fn wr() -> Edge {
    Edge::Wr { key: KeyId(0), value: Value(0) }
}

fn ww() -> Edge {
    Edge::Ww { key: KeyId(0), value: Value(0), next: Value(1) }
}

fn realtime() -> Edge {
    Edge::Realtime { invocation: OpId(2) }
}

#[test]
fn cycles_with_writes_are_normal_and_cycles_of_reads_are_not() {
    let of_writes = [Anomaly::G0, Anomaly::G0Process, Anomaly::G0Realtime];
    for anomaly in of_writes {
        assert_eq!(class(cycle(anomaly, [ww(), realtime()]), "{}").name(), "allowed", "{anomaly}");
    }
    for anomaly in [Anomaly::Pl1CycleExists, Anomaly::StrongPl1CycleExists, Anomaly::G0, Anomaly::G0Process] {
        assert_eq!(class(exists(anomaly), "{}").name(), "allowed", "{anomaly}");
    }
    assert_eq!(class(cycle(Anomaly::G0Realtime, [realtime(), realtime()]), "{}").name(), "allowed");
    for anomaly in [Anomaly::G1c, Anomaly::G1cProcess, Anomaly::G1cRealtime] {
        assert_eq!(class(cycle(anomaly, [wr(), ww()]), "{}").name(), "allowed", "{anomaly}");
        assert_eq!(class(cycle(anomaly, [wr(), realtime()]), "{}"), Class::Violation, "{anomaly}");
        assert_eq!(class(cycle(anomaly, [wr(), wr()]), "{}"), Class::Violation, "{anomaly}");
    }
    for anomaly in [Anomaly::Pl2CycleExists, Anomaly::StrongPl2CycleExists] {
        assert_eq!(class(exists(anomaly), "{}"), Class::Violation, "{anomaly}");
    }
}

#[test]
fn cycles_of_reads_are_excused_by_isolation_transactions_and_faults() {
    let judged = |context: &str| class(cycle(Anomaly::G1c, [wr(), wr()]), context);
    let by = |context: &str| match judged(context) {
        Class::Allowed { by } | Class::PromiseEnded { by } => by,
        other => panic!("{context}: {other:?}"),
    };
    for process in [1, 2] {
        let free = format!(r#"{{"processes": {{"{process}": {{"isolation.level": "read_uncommitted"}}}}}}"#);
        assert_eq!(by(&free), format!("isolation.level=read_uncommitted of process {process}"));
        let bare = format!(r#"{{"processes": {{"{process}": {{"transactional": false}}}}}}"#);
        assert_eq!(by(&bare), format!("no transactional.id of process {process}"));
    }
    let fault = |from: i64, to: i64, key: &str| {
        format!(r#"{{"faults": [{{"name": "fire", "from": {from}, "to": {to}, "keys": ["{key}"]}}]}}"#)
    };
    assert_eq!(by(&fault(0, 10, "x")), "fire, from 0 ns");
    assert_eq!(by(&fault(40, 50, "x")), "fire, from 40 ns");
    for context in [fault(0, 9, "x"), fault(41, 50, "x"), fault(0, 50, "y")] {
        assert_eq!(judged(&context), Class::Violation, "{context}");
    }
    let change = r#"{"keys": {"x": {"leader_changes": [{"at": 20}]}}}"#;
    assert_eq!(judged(change), Class::Violation, "what was delivered survives a change of the leader");
}

#[test]
fn an_empty_graph_shows_nothing() {
    assert_eq!(class(Proof::EmptyGraph, "{}").name(), "unknown");
}
