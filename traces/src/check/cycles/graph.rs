//! The dependencies that are kept one by one: those of data and of processes. Those of [real time](super::realtime) are
//! far too many.

use super::Edges;
use crate::check::Evidence;
use crate::check::order::{Order, Place};
use crate::check::proof::Edge;
use crate::history::{History, KeyId, Kind, OpId, Run, Value};
use rangemap::RangeMap;
use std::collections::BTreeMap;

/// One operation comes before another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Link {
    /// The earlier one.
    pub from: OpId,
    /// Why. Data comes before process, so that the first link of two operations is the best explanation.
    pub why: Edge,
    /// The later one.
    pub to: OpId,
}

/// The nodes, in order: completions of operations that send or poll.
pub fn completions(history: &History) -> impl Iterator<Item = OpId> {
    history.ids().filter(|id| {
        let op = history.op(*id);
        op.kind != Kind::Invoke && op.function.touches_records()
    })
}

/// All links; as many as there are pieces of runs with one writer, not records.
pub fn links(evidence: &Evidence, edges: Edges) -> Vec<Link> {
    let mut links = Vec::new();
    if edges.ww {
        for (key, known) in evidence.index.keys() {
            ww(key, evidence.order(key), &known.writers, &mut links);
        }
    }
    for reader in completions(evidence.history) {
        for run in evidence.history.polls(reader).filter(|run| run.count > 0) {
            wr(reader, run, &evidence.index.key(run.key).writers, &mut links);
        }
    }
    if edges.process {
        process(evidence.history, &mut links);
    }
    links
}

/// Links each writer to the writer of what comes directly before in the log.
fn ww(key: KeyId, order: &Order, writers: &RangeMap<u64, OpId>, links: &mut Vec<Link>) {
    for place in order.by_value() {
        let sent = writers.overlapping(place.values());
        let pieces = sent.filter_map(|(values, writer)| Some((place.part(values)?, *writer)));
        links.extend(pieces.filter_map(|(piece, writer)| follows(key, order, writers, &piece, writer)));
    }
}

/// What a piece that one operation wrote follows on. Its values have consecutive indices, so only the first of them
/// follows on what another operation wrote.
fn follows(key: KeyId, order: &Order, writers: &RangeMap<u64, OpId>, piece: &Place, to: OpId) -> Option<Link> {
    let value = order.value_at(piece.index.checked_sub(1)?)?;
    let from = *writers.get(&value.0)?;
    let why = Edge::Ww { key, value, next: Value(piece.value) };
    (from != to).then_some(Link { from, why, to })
}

/// Links the writers of a polled run to its reader.
fn wr(reader: OpId, run: &Run, writers: &RangeMap<u64, OpId>, links: &mut Vec<Link>) {
    for (values, writer) in writers.overlapping(run.values()).filter(|(_, writer)| **writer != reader) {
        let why = Edge::Wr { key: run.key, value: Value(values.start.max(run.value.0)) };
        links.push(Link { from: *writer, why, to: reader });
    }
}

/// Links each `ok` operation to the next one of its process.
fn process(history: &History, links: &mut Vec<Link>) {
    let mut last = BTreeMap::new();
    for to in completions(history).filter(|id| history.op(*id).kind == Kind::Ok) {
        if let Some(process) = history.op(to).process
            && let Some(from) = last.insert(process, to)
        {
            links.push(Link { from, why: Edge::Process { process }, to });
        }
    }
}
