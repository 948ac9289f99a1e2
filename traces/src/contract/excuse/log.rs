//! Records that the log is free to have dropped, or that nobody wanted.

use super::{Case, Piece};
use crate::check::anomaly::Anomaly;
use crate::check::proof::Proof;
use crate::contract::class::Class;
use crate::contract::context::OffsetReset;
use crate::contract::facts::Facts;
use std::ops::Range;

/// What lies below the log's start is gone, by retention or `DeleteRecords` (KIP-107). A consumer that stood there goes on
/// at the start (`auto.offset.reset=earliest`); under `none` it gets an exception, and silence is wrong.
pub fn start(facts: &Facts, case: &Case, piece: &Piece) -> Vec<(Range<u64>, Class)> {
    let skips = matches!(case.proof, Proof::Step { anomaly: Anomaly::PollSkip | Anomaly::IntPollSkip, .. });
    let resets = case.reader.and_then(|reader| facts.client(reader).auto_offset_reset);
    if skips && resets == Some(OffsetReset::None) {
        return Vec::new();
    }
    let gone = facts.starts[case.key.0 as usize].until(piece.until);
    gone.filter_map(|gone| Some((piece.at(&gone.offsets)?, Class::allowed(gone.by.clone())))).collect()
}

/// Everybody who read further had sought to beyond it.
pub fn sought(facts: &Facts, case: &Case, piece: &Piece) -> Vec<(Range<u64>, Class)> {
    if piece.passed {
        return Vec::new();
    }
    let sought = facts.key(case.key).passage.sought.iter();
    sought.filter_map(|(offsets, by)| Some((piece.at(offsets)?, Class::allowed(by.clone())))).collect()
}

/// Compaction removes records for which there is a newer one of the same record key, once they are
/// `min.compaction.lag.ms` old (`cleanup.policy=compact`).
pub fn compaction(facts: &Facts, case: &Case, piece: &Piece) -> Vec<(Range<u64>, Class)> {
    let key = facts.key(case.key);
    let known = key.context.and_then(|context| context.compaction.as_ref());
    if !key.topic.compacts() || is_too_young(facts, case, piece) {
        return Vec::new();
    }
    let anywhere = 0..i64::MAX;
    let cleaned = match known.and_then(|known| known.cleaned.as_ref()) {
        None => vec![anywhere],
        Some(ranges) => {
            let ranges = ranges.iter().filter(|range| range.at.is_none_or(|at| at <= piece.until));
            ranges.map(super::super::offsets).collect()
        }
    };
    let mut gone: rangemap::RangeSet<i64> = cleaned.into_iter().collect();
    for kept in known.iter().flat_map(|known| &known.kept) {
        gone.remove(super::super::offsets(kept));
    }
    let by = Class::allowed("cleanup.policy=compact");
    gone.iter().filter_map(|offsets| Some((piece.at(offsets)?, by.clone()))).collect()
}

fn is_too_young(facts: &Facts, case: &Case, piece: &Piece) -> bool {
    let lag = facts.key(case.key).topic.min_compaction_lag_ms.unwrap_or(0);
    let age = piece.until.saturating_sub(piece.since);
    i128::from(age) < i128::from(lag) * 1_000_000
}
