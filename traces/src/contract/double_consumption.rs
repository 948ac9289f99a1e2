//! `double-consumption`: two committed transactions of an exactly-once group polled the same record.
//!
//! A transaction that polls commits its consumer's offsets with its sends, so of two that polled the same record only one
//! can commit (KIP-98, KIP-447).

use super::excuse::is_transaction;
use super::facts::Facts;
use crate::check::proof::Proof;
use crate::history::{KeyId, Kind, OpId, Run};
use rangemap::RangeMap;
use std::collections::BTreeMap;

/// A transaction, and where the records it polled lie: the difference of value and offset, if known.
type First = (OpId, Option<u64>);

/// Every record that was consumed twice, with the first transaction and each later one.
pub fn check(facts: &Facts, out: &mut Vec<Proof>) {
    let history = facts.history();
    for group in facts.context.groups.iter().filter(|group| group.exactly_once) {
        let mut consumed: BTreeMap<KeyId, RangeMap<u64, First>> = BTreeMap::new();
        let member = |id: &OpId| history.op(*id).process.is_some_and(|process| group.processes.contains(&process.0));
        let commits = |id: &OpId| history.op(*id).kind == Kind::Ok && is_transaction(facts, *id) == Some(true);
        for id in history.ids().filter(member).filter(commits) {
            for run in history.polls(id).filter(|run| run.count > 0) {
                consume(id, run, consumed.entry(run.key).or_default(), out);
            }
        }
    }
}

fn consume(id: OpId, run: &Run, consumed: &mut RangeMap<u64, First>, out: &mut Vec<Proof>) {
    let place = run.offset.map(|offset| run.value.0.wrapping_sub(offset.0 as u64));
    let same = |other: &Option<u64>| other.is_none() || place.is_none() || *other == place;
    for (values, (first, other)) in consumed.overlapping(run.values()) {
        let values = values.start.max(run.value.0)..values.end.min(run.values().end);
        if *first != id && same(other) {
            out.push(Proof::DoubleConsumption { key: run.key, values, readers: [*first, id] });
        }
    }
    let new: Vec<_> = consumed.gaps(&run.values()).collect();
    consumed.extend(new.into_iter().map(|values| (values, (id, place))));
}
