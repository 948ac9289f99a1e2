//! What excuses a finding.
//!
//! A finding about records is cut into [pieces](Piece): consecutive values at consecutive offsets from one writer. Each
//! rule looks at each piece and says which of its values it excuses, and how; what an earlier rule has excused, no later
//! one touches, and what none has is a violation. A finding that is not about a set of records is excused as a whole.

mod client;
mod errors;
mod log;
mod position;
mod promise;
#[cfg(test)]
mod tests;
mod whole;

use super::class::{Class, Classified};
use super::facts::{Facts, part_at};
use crate::check::anomaly::Anomaly;
use crate::check::proof::Proof;
use crate::check::ranges::intersect;
use crate::history::{KeyId, OpId};
pub(super) use client::{is_committed, is_transaction};
use rangemap::RangeSet;
use std::collections::BTreeMap;
use std::ops::Range;

/// A finding that is being judged.
pub(super) struct Case<'a> {
    /// The finding.
    proof: &'a Proof,
    key: KeyId,
    /// Who read, or failed to.
    reader: Option<OpId>,
    /// By when it showed.
    until: i64,
}

/// A part of a finding.
#[derive(Clone, Debug)]
pub(super) struct Piece {
    values: Range<u64>,
    /// The first value's.
    offset: Option<i64>,
    writer: Option<OpId>,
    /// When the writer began to send.
    since: i64,
    /// By when it showed.
    until: i64,
    /// Whether somebody read past it.
    passed: bool,
}

impl Piece {
    /// Its values at these offsets.
    fn at(&self, offsets: &Range<i64>) -> Option<Range<u64>> {
        part_at(&self.values, self.offset?, offsets)
    }
}

/// Excuses values of a piece.
type Rule = fn(&Facts, &Case, &Piece) -> Vec<(Range<u64>, Class)>;

const LOST: &[Rule] = &[
    client::acks_none,
    client::commit_unproven,
    log::start,
    log::sought,
    log::compaction,
    promise::ended,
    position::delivered,
    promise::unlisted,
];
const BEYOND_END: &[Rule] = &[client::acks_none, client::commit_unproven, promise::ended, promise::unlisted];
const UNSEEN: &[Rule] = &[
    client::acks_none,
    log::start,
    log::sought,
    log::compaction,
    promise::ended,
    position::delivered_and_there,
    promise::unlisted,
    position::not_quiesced,
];
const SKIPPED: &[Rule] = &[
    position::subscribed,
    position::moved,
    position::delivered_between,
    position::reset_to_latest,
    log::start,
    log::compaction,
    client::invisible,
    whole::repeated,
    client::acks_none,
    promise::ended,
    promise::unlisted,
];
const ABORTED: &[Rule] =
    &[client::sent_again, client::isolation, client::not_atomic, errors::indefinite, promise::ended, promise::unlisted];
const PRECOMMITTED: &[Rule] = &[client::isolation, client::not_a_transaction, promise::ended];
const UNWRITTEN: &[Rule] = &[client::not_recorded, promise::ended];
const CONSUMED_TWICE: &[Rule] = &[client::auto_commit, position::moved, promise::ended];

/// The rules for a finding about records, with those records.
fn rules(proof: &Proof) -> Option<(&'static [Rule], Vec<Range<u64>>)> {
    match proof {
        Proof::LostWrite { values, .. } => Some((LOST, vec![values.clone()])),
        Proof::BeyondEnd { values, .. } => Some((BEYOND_END, vec![values.clone()])),
        Proof::Unseen { values, .. } => Some((UNSEEN, values.clone())),
        Proof::DoubleConsumption { values, .. } => Some((CONSUMED_TWICE, vec![values.clone()])),
        Proof::Read { anomaly, values, .. } => {
            let rules = match anomaly {
                Anomaly::PrecommittedRead => PRECOMMITTED,
                Anomaly::NoWriterOfValue => UNWRITTEN,
                _ => ABORTED,
            };
            Some((rules, vec![values.clone()]))
        }
        Proof::Step { anomaly: Anomaly::PollSkip | Anomaly::IntPollSkip, skipped, .. } => {
            Some((SKIPPED, skipped.clone()))
        }
        Proof::Step { .. }
        | Proof::InconsistentOffsets { .. }
        | Proof::Duplicate { .. }
        | Proof::Cycle { .. }
        | Proof::CycleExists { .. }
        | Proof::EmptyGraph
        | Proof::HangingTransaction { .. } => None,
    }
}

/// Judges a finding; one of which only a part is excused becomes several.
pub(super) fn judge(facts: &Facts, proof: Proof) -> Vec<Classified> {
    let Some((rules, values)) = rules(&proof) else {
        let class = whole::judge(facts, &proof);
        return vec![Classified { proof, class }];
    };
    let key = proof.key().expect("records are some key's");
    let (reader, until) = reader(facts, &proof);
    let case = Case { proof: &proof, key, reader, until };
    let mut classes: BTreeMap<Class, RangeSet<u64>> = BTreeMap::new();
    for piece in pieces(facts, &case, &values) {
        for (values, class) in judge_piece(facts, &case, &piece, rules) {
            classes.entry(class).or_default().insert(values);
        }
    }
    classes
        .into_iter()
        .flat_map(|(class, values)| {
            let proofs = with_values(&proof, values.iter().cloned().collect());
            proofs.into_iter().map(move |proof| Classified { proof, class: class.clone() })
        })
        .collect()
}

/// Who read, or failed to, and by when that showed.
fn reader(facts: &Facts, proof: &Proof) -> (Option<OpId>, i64) {
    let reader = match proof {
        Proof::Read { reader, .. } => Some(*reader),
        Proof::DoubleConsumption { readers, .. } => Some(readers[1]),
        Proof::Step { to, .. } => Some(*to),
        _ => None,
    };
    (reader, reader.map_or(facts.end, |reader| facts.ended(reader)))
}

/// Cuts a finding's values by writer, offset and the time by which they were found missing.
fn pieces(facts: &Facts, case: &Case, values: &[Range<u64>]) -> Vec<Piece> {
    let misses = matches!(case.proof, Proof::LostWrite { .. } | Proof::Unseen { .. });
    let mut pieces = Vec::new();
    for (values, writer) in values.iter().flat_map(|values| facts.evidence.index.writers(case.key, values)) {
        let since = writer.map_or(i64::MIN, |writer| facts.invoked(writer));
        for (values, offset) in facts.key(case.key).located(&values) {
            let piece = Piece { values, offset, writer, since, until: case.until, passed: false };
            if misses { cut_by_passage(facts, case, &piece, &mut pieces) } else { pieces.push(piece) }
        }
    }
    pieces
}

fn cut_by_passage(facts: &Facts, case: &Case, piece: &Piece, out: &mut Vec<Piece>) {
    let mut rest = RangeSet::from_iter([piece.values.clone()]);
    if let Some(first) = piece.offset {
        let offsets = first..first.saturating_add_unsigned(piece.values.end - piece.values.start);
        for (passed, time) in facts.key(case.key).passage.passed.overlapping(&offsets) {
            let values = piece.at(passed).expect("it overlaps");
            rest.remove(values.clone());
            let offset = Some(passed.start.max(first));
            out.push(Piece { values, offset, until: *time, passed: true, ..piece.clone() });
        }
    }
    for values in rest.iter() {
        let offset = piece.offset.map(|first| first + (values.start - piece.values.start) as i64);
        out.push(Piece { values: values.clone(), offset, ..piece.clone() });
    }
}

/// Each part of a piece with its class.
fn judge_piece(facts: &Facts, case: &Case, piece: &Piece, rules: &[Rule]) -> Vec<(Range<u64>, Class)> {
    let mut rest = RangeSet::from_iter([piece.values.clone()]);
    let mut judged = Vec::new();
    for rule in rules {
        if rest.is_empty() {
            break;
        }
        for (values, class) in rule(facts, case, piece) {
            let excused = intersect(&values, rest.overlapping(&values));
            for values in excused {
                rest.remove(values.clone());
                judged.push((values, class.clone()));
            }
        }
    }
    judged.extend(rest.iter().map(|values| (values.clone(), Class::Violation)));
    judged
}

/// The finding, with only these of its values.
fn with_values(proof: &Proof, only: Vec<Range<u64>>) -> Vec<Proof> {
    let each = |with: &dyn Fn(Range<u64>) -> Proof| only.iter().cloned().map(with).collect();
    match proof.clone() {
        Proof::Unseen { key, .. } => vec![Proof::Unseen { key, values: only }],
        Proof::Step { anomaly, key, from, to, values, delta, .. } => {
            vec![Proof::Step { anomaly, key, from, to, values, delta, skipped: only }]
        }
        Proof::LostWrite { key, values, index, writer, max_read_index, max_read } => each(&|part| {
            let index = index + (part.start - values.start);
            Proof::LostWrite { key, values: part, index, writer, max_read_index, max_read }
        }),
        Proof::BeyondEnd { key, writer, log_end_offset, .. } => {
            each(&|values| Proof::BeyondEnd { key, values, writer, log_end_offset })
        }
        Proof::Read { anomaly, key, writer, reader, .. } => {
            each(&|values| Proof::Read { anomaly, key, values, writer, reader })
        }
        Proof::DoubleConsumption { key, readers, .. } => {
            each(&|values| Proof::DoubleConsumption { key, values, readers })
        }
        other @ (Proof::InconsistentOffsets { .. }
        | Proof::Duplicate { .. }
        | Proof::Cycle { .. }
        | Proof::CycleExists { .. }
        | Proof::EmptyGraph
        | Proof::HangingTransaction { .. }) => vec![other],
    }
}

/// All of a piece, excused like this.
fn all(piece: &Piece, class: Class) -> Vec<(Range<u64>, Class)> {
    vec![(piece.values.clone(), class)]
}

/// All of a piece, excused like this if that is so.
fn all_if(excused: bool, piece: &Piece, class: impl FnOnce() -> Class) -> Vec<(Range<u64>, Class)> {
    if excused { all(piece, class()) } else { Vec::new() }
}

/// A process, in words.
fn process_of(facts: &Facts, id: OpId) -> String {
    facts.history().op(id).process.map_or("no process".to_owned(), |process| format!("process {process}"))
}
