//! Where each process is in each key.

use super::step::Step;
use crate::history::{KeyId, OpId, Process, Run, Value};
use std::collections::{BTreeMap, BTreeSet};

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
            let keys: BTreeSet<_> = keys.iter().collect();
            positions.retain(|key, _| keys.contains(key));
        }
    }

    /// The step from a process's position in a key to the first of these records of its operation.
    pub fn step(&self, process: Option<Process>, id: OpId, key: KeyId, runs: &[Run]) -> Option<Step> {
        let (last, from) = self.of.get(&process)?.get(&key)?;
        Some(Step { key, from: (*last, (*from)?), to: (id, runs.first()?.value) })
    }

    /// Moves a process's position in a key to the last of these records. None at all leave it nowhere.
    pub fn advance(&mut self, process: Option<Process>, id: OpId, key: KeyId, runs: &[Run]) {
        self.of.entry(process).or_default().insert(key, (id, runs.last().and_then(Run::last)));
    }
}
