//! Kafka's contract: what a finding means once the configuration, the log starts, the seeks and the faults are known.
//!
//! Jepsen's checker sees a history and nothing else, so it calls retention a lost write, and cannot see aborted data in
//! a poll whose transaction failed. [`check_kafka`] runs the same [checkers](crate::check), some of its own, and says of each
//! finding what it [is](Class): a *violation*, *allowed* by a named setting or use, the end of a *promise* by a named fault,
//! or *unknown*. `traces/CONTRACT.md` has the table of all cases in which it and Jepsen differ; each has a test in
//! `tests/contract/`, which runs both on the same history.
//!
//! What differs at the ground: every poll under `read_committed`, also of an operation that did not end well, proves that
//! what it returned was committed; an operation that never completed may have sent its values; a poll that lists a key
//! with no record does not forget where its consumer stood; and an assignment has nothing to do with a producer's order.

mod aborted_read;
mod beyond_end;
mod breach;
mod class;
pub mod context;
mod double_consumption;
mod excuse;
mod facts;
mod hanging_transaction;
mod log_start;
mod marker;
mod moves;
mod passage;
mod possible_writer;
mod report;

use crate::check::cycles::{self, Edges};
use crate::check::index::{Index, Proofs};
use crate::check::proof::{Edge, Proof};
use crate::check::{self, Evidence, Options};
use crate::history::{History, KeyId};
pub use class::{Class, Classified, promise};
pub use context::{Context, ContextError};
use facts::Facts;
use rangemap::RangeSet;
pub use report::KafkaReport;
use std::collections::BTreeMap;
use std::ops::Range;

/// Checks a whole history against what Kafka promises in this context.
///
/// Of the options, `subscribe` is for consumers of which the history shows neither an `assign` nor a `subscribe`.
pub fn check_kafka(history: &History, context: &Context, options: &Options) -> KafkaReport {
    let index = Index::of(history, Proofs::AllPolls);
    let orders = index.orders(history);
    let evidence = Evidence { history, index: &index, orders: &orders };
    let facts = Facts::new(&evidence, context, options);
    let proofs = find(&facts);
    KafkaReport::new(proofs.into_iter().flat_map(|proof| excuse::judge(&facts, proof)).collect())
}

/// All findings.
fn find(facts: &Facts) -> Vec<Proof> {
    let evidence = facts.evidence;
    let mut proofs = Vec::new();
    for checker in SHARED {
        checker(evidence, &mut proofs);
    }
    for checker in OWN {
        checker(facts, &mut proofs);
    }
    find_cycles(facts, &mut proofs);
    let told = told_elsewhere(&proofs);
    check::unseen::check(evidence, &mut proofs);
    proofs.into_iter().filter_map(|proof| without(proof, &told)).collect()
}

/// Checkers that are Jepsen's too.
const SHARED: [fn(&Evidence, &mut Vec<Proof>); 10] = [
    check::inconsistent_offsets::check,
    check::duplicate::check,
    check::lost_write::check,
    check::g1a::check,
    aborted_read::check,
    check::precommitted_read::check,
    check::int_poll::check,
    check::poll_skip::check_keeping_positions,
    check::int_send::check,
    check::nonmonotonic_send::check_across_assignments,
];

/// Checkers that need the context.
const OWN: [fn(&Facts, &mut Vec<Proof>); 5] =
    [possible_writer::check, double_consumption::check, hanging_transaction::check, marker::check, beyond_end::check];

/// Cycles of reads, and if they are asked for those with write orders too. Both are looked for apart: where writes go
/// round anyway, a cycle of reads alone is still one.
fn find_cycles(facts: &Facts, out: &mut Vec<Proof>) {
    cycles::check(facts.evidence, Edges { ww: false, process: true }, out);
    if facts.options.ww_deps {
        let mut found = Vec::new();
        cycles::check(facts.evidence, Edges { ww: true, process: true }, &mut found);
        out.retain(|proof| *proof != Proof::EmptyGraph || found.contains(proof));
        let has_write = |proof: &Proof| match proof {
            Proof::Cycle { steps, .. } => steps.iter().any(|step| matches!(step, Edge::Ww { .. })),
            _ => false,
        };
        out.extend(found.into_iter().filter(has_write));
    }
}

/// Unseen values whose cause another finding names.
fn told_elsewhere(proofs: &[Proof]) -> BTreeMap<KeyId, RangeSet<u64>> {
    let mut told: BTreeMap<KeyId, RangeSet<u64>> = BTreeMap::new();
    for proof in proofs {
        match proof {
            Proof::HangingTransaction { key, values, .. } => told.entry(*key).or_default().extend(values.clone()),
            Proof::BeyondEnd { key, values, .. } => told.entry(*key).or_default().insert(values.clone()),
            _ => {}
        }
    }
    told
}

/// A finding without the values of which others tell; none if none is left.
fn without(proof: Proof, told: &BTreeMap<KeyId, RangeSet<u64>>) -> Option<Proof> {
    let Proof::Unseen { key, values } = &proof else { return Some(proof) };
    let Some(told) = told.get(key) else { return Some(proof) };
    let values: Vec<_> = values.iter().flat_map(|values| told.gaps(values)).collect();
    (!values.is_empty()).then_some(Proof::Unseen { key: *key, values })
}

/// An offset of a context as one of a history.
fn signed(offset: u64) -> i64 {
    i64::try_from(offset).unwrap_or(i64::MAX)
}

/// Offsets of a context as ones of a history.
fn offsets(range: &context::OffsetRange) -> Range<i64> {
    signed(range.from)..signed(range.to)
}
