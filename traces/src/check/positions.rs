//! Where each process is in each key.

use super::Evidence;
use super::proof::Proof;
use super::step::{Names, Step};
use crate::history::{KeyId, OpId, Process, Run, Value};
use std::collections::BTreeMap;

/// The operation that moved there, and the record it stands on.
type Position = (OpId, Option<Value>);

/// The last record, if any, that each process sent to or polled of each key, and in which operation.
#[derive(Clone, Debug, Default)]
pub struct Positions {
    of: BTreeMap<Option<Process>, BTreeMap<KeyId, Position>>,
}

impl Positions {
    /// Forgets all keys of a process but these.
    pub fn keep(&mut self, process: Option<Process>, keys: &[KeyId]) {
        if let Some(positions) = self.of.get_mut(&process) {
            positions.retain(|key, _| keys.contains(key));
        }
    }

    /// Checks the step from a process's position in a key to the first of these records.
    pub fn check(&self, evidence: &Evidence, id: OpId, key: KeyId, runs: &[Run], names: Names, out: &mut Vec<Proof>) {
        let process = evidence.history.op(id).process;
        let position = self.of.get(&process).and_then(|positions| positions.get(&key));
        let (Some((last, Some(from))), Some(next)) = (position, runs.first()) else { return };
        out.extend(Step { key, from: (*last, *from), to: (id, next.value) }.check(evidence, names));
    }

    /// Moves a process's position in a key to the last of these records. None at all leave it nowhere.
    pub fn advance(&mut self, process: Option<Process>, id: OpId, key: KeyId, runs: &[Run]) {
        self.of.entry(process).or_default().insert(key, (id, runs.last().and_then(Run::last)));
    }
}
