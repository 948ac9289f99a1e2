//! Steps from one record to the next, and whether the log agrees with them.

use super::Evidence;
use super::anomaly::Anomaly;
use super::order::{Order, parts};
use super::proof::Proof;
use crate::history::{KeyId, OpId, Run, Value};
use smallvec::SmallVec;

/// What a skip and a step back are called in one place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Names {
    /// A step of more than one place, if that is of interest.
    pub skip: Option<Anomaly>,
    /// A step of less than one place.
    pub nonmonotonic: Anomaly,
}

/// One step of one key: from a value of one operation to a value of another, or of the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// The partition.
    pub key: KeyId,
    /// The operation and the value before.
    pub from: (OpId, Value),
    /// The operation and the value after.
    pub to: (OpId, Value),
}

impl Step {
    /// What is wrong with it. A value whose place is not known is taken to be where it should.
    pub fn check(&self, evidence: &Evidence, names: Names) -> Option<Proof> {
        let order = evidence.order(self.key);
        let delta = order.delta(self.from.1, self.to.1)?;
        let (anomaly, skipped) = match delta {
            1 => return None,
            ..1 => (names.nonmonotonic, Vec::new()),
            2.. => {
                let from = order.index(self.from.1)?;
                (names.skip?, order.values_between(from + 1..from + delta as u64))
            }
        };
        let values = [self.from.1, self.to.1];
        Some(Proof::Step { anomaly, key: self.key, from: self.from.0, to: self.to.0, values, delta, skipped })
    }
}

/// The runs of one operation key by key, in order within a key; a key that was listed without a record has none.
pub fn by_key<'a>(runs: impl Iterator<Item = &'a Run>, mut visit: impl FnMut(KeyId, &[Run])) {
    let mut runs: SmallVec<[Run; 8]> = runs.copied().collect();
    runs.sort_by_key(|run| run.key);
    for runs in runs.chunk_by(|a, b| a.key == b.key) {
        if runs.iter().all(|run| run.count > 0) {
            visit(runs[0].key, runs);
        } else {
            let filled: SmallVec<[Run; 8]> = runs.iter().copied().filter(|run| run.count > 0).collect();
            visit(runs[0].key, &filled);
        }
    }
}

/// The steps from run to run within what one operation sent to, or polled of, one key.
pub fn between(id: OpId, key: KeyId, runs: &[Run], visit: &mut dyn FnMut(Step)) {
    for pair in runs.windows(2) {
        if let Some(last) = pair[0].last() {
            visit(Step { key, from: (id, last), to: (id, pair[1].value) });
        }
    }
}

/// The steps within one run that may be more, or less, than one place: those where the order is not one piece.
pub fn within(order: &Order, id: OpId, run: &Run, visit: &mut dyn FnMut(Step)) {
    let mut end = None;
    for place in parts(order.by_value(), &run.values()) {
        if end == Some(place.value) {
            visit(Step { key: run.key, from: (id, Value(place.value - 1)), to: (id, Value(place.value)) });
        }
        end = Some(place.value + place.len);
    }
}

/// Checks all steps, from run to run and within runs, of one operation and key.
pub fn check_inner(evidence: &Evidence, id: OpId, key: KeyId, runs: &[Run], names: Names, out: &mut Vec<Proof>) {
    let mut check = |step: Step| out.extend(step.check(evidence, names));
    between(id, key, runs, &mut check);
    for run in runs {
        within(evidence.order(key), id, run, &mut check);
    }
}
