//! Checkers of histories: what went wrong, by name, with the operations that prove it.
//!
//! The definitions are those of Jepsen's Kafka checker (`jepsen.tests.kafka`, jepsen-io/jepsen c4c7473d), each in the file
//! of its family. All of them look at one [`Index`] and the version [orders](order::Order) that it gives.
//! Time and memory follow the number of operations and [runs](crate::history::Run), not of records.
//!
//! Where the original has quirks, they are not copied: `unseen` is strict (a value polled but never acknowledged is not
//! unseen), a value without a known offset does not break `lost-write`, and a value nobody sent is a finding, not a crash.

pub mod anomaly;
mod clojure;
pub mod consume_counts;
pub mod cycles;
pub mod duplicate;
pub mod g1a;
pub mod inconsistent_offsets;
pub mod index;
pub mod int_poll;
pub mod int_send;
pub mod log;
pub mod lost_write;
pub mod no_writer;
pub mod nonmonotonic_send;
pub mod online;
pub mod order;
pub mod poll_skip;
mod positions;
pub mod precommitted_read;
pub mod proof;
pub(crate) mod ranges;
pub mod realtime_lag;
pub(crate) mod report;
pub mod step;
mod story;
pub mod unseen;

use crate::history::{History, KeyId};
use anomaly::Anomaly;
use index::{Index, Proofs};
use order::Order;
use proof::Proof;
pub use report::{Report, Verdict};
pub use story::Story;

/// What a history is checked for.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Consumers get their keys by subscription, so that rebalances between operations move them: `poll-skip` and
    /// `nonmonotonic-poll` are told but not held against the system.
    pub subscribe: bool,
    /// Infer write orders between operations from offsets. Writes are not isolated in Kafka, so then G0 and G1c are told
    /// but not held against the system.
    pub ww_deps: bool,
}

/// What the checkers look at.
#[derive(Debug)]
pub struct Evidence<'a> {
    /// The history.
    pub history: &'a History,
    /// Its index.
    pub index: &'a Index,
    /// Each key's version order, by key number.
    pub orders: &'a [Order],
}

impl Evidence<'_> {
    /// A key's version order.
    pub fn order(&self, key: KeyId) -> &Order {
        &self.orders[key.0 as usize]
    }
}

/// Checks a whole history as Jepsen does.
pub fn check(history: &History, options: &Options) -> Report {
    check_indexed(history, &Index::of(history, Proofs::OkPolls), options, |_| true)
}

/// Checks a whole history of which there is an index already. Of the findings, those count that `counts`.
fn check_indexed(history: &History, index: &Index, options: &Options, counts: impl Fn(&Proof) -> bool) -> Report {
    let orders = index.orders(history);
    let evidence = Evidence { history, index, orders: &orders };
    let mut proofs = Vec::new();
    for checker in CHECKERS {
        checker(&evidence, &mut proofs);
    }
    cycles::check(&evidence, cycles::Edges { ww: options.ww_deps, process: false }, &mut proofs);
    proofs.retain(counts);
    Report::new(proofs, |anomaly| is_allowed(anomaly, options))
}

/// One family of anomalies.
type Checker = fn(&Evidence, &mut Vec<Proof>);

/// All families but the cycles.
const CHECKERS: [Checker; 11] = [
    inconsistent_offsets::check,
    duplicate::check,
    lost_write::check,
    unseen::check,
    g1a::check,
    precommitted_read::check,
    no_writer::check,
    int_poll::check,
    poll_skip::check,
    int_send::check,
    nonmonotonic_send::check,
];

/// Whether an anomaly is told but not held against the system.
fn is_allowed(anomaly: Anomaly, options: &Options) -> bool {
    match anomaly {
        Anomaly::IntSendSkip
        | Anomaly::G0
        | Anomaly::G0Process
        | Anomaly::G0Realtime
        | Anomaly::Pl1CycleExists
        | Anomaly::StrongPl1CycleExists => true,
        Anomaly::PollSkip | Anomaly::NonmonotonicPoll => options.subscribe,
        Anomaly::G1c
        | Anomaly::G1cProcess
        | Anomaly::G1cRealtime
        | Anomaly::Pl2CycleExists
        | Anomaly::StrongPl2CycleExists => options.ww_deps,
        Anomaly::InconsistentOffsets
        | Anomaly::Duplicate
        | Anomaly::LostWrite
        | Anomaly::Unseen
        | Anomaly::G1a
        | Anomaly::PrecommittedRead
        | Anomaly::NoWriterOfValue
        | Anomaly::IntPollSkip
        | Anomaly::IntNonmonotonicPoll
        | Anomaly::NonmonotonicSend
        | Anomaly::IntNonmonotonicSend
        | Anomaly::EmptyTransactionGraph
        | Anomaly::AbortedRead
        | Anomaly::DoubleConsumption
        | Anomaly::HangingTransaction => false,
    }
}
