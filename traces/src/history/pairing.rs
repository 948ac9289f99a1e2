//! Which completion belongs to which invocation, and what may not come next.

use super::{Draft, Kind, Process, Refusal};
use std::collections::BTreeMap;

/// What the operations so far leave open. `T` is what a history calls an operation.
#[derive(Clone, Debug)]
pub(super) struct Pairing<T> {
    last: Option<u64>,
    /// By process, its open invocation. A process that is between two operations keeps its place, so that nothing is
    /// allocated for its next one; an `info` ends a process, by Jepsen's convention, and gives the place up.
    processes: BTreeMap<Process, Option<Open<T>>>,
}

#[derive(Clone, Copy, Debug)]
struct Open<T> {
    index: u64,
    id: T,
}

impl<T> Default for Pairing<T> {
    fn default() -> Self {
        Pairing { last: None, processes: BTreeMap::new() }
    }
}

impl<T: Copy> Pairing<T> {
    /// Takes the next operation, or refuses it and stays as it was. Returns the invocation that it completes.
    pub(super) fn next(&mut self, draft: &Draft, id: T) -> Result<Option<T>, Refusal> {
        if let Some(last) = self.last.filter(|last| *last >= draft.index) {
            return Err(Refusal::IndexNotGrowing { index: draft.index, last });
        }
        let partner = match (draft.process, draft.kind) {
            (None, _) => None,
            (Some(process), Kind::Invoke) => {
                self.open_one(process, Open { index: draft.index, id })?;
                None
            }
            (Some(process), kind @ (Kind::Ok | Kind::Fail | Kind::Info)) => Some(self.close(process, kind)?),
        };
        self.last = Some(draft.index);
        Ok(partner)
    }

    fn open_one(&mut self, process: Process, new: Open<T>) -> Result<(), Refusal> {
        let place = self.processes.entry(process).or_default();
        if let Some(open) = place {
            return Err(Refusal::StillOpen { process, open: open.index });
        }
        *place = Some(new);
        Ok(())
    }

    fn close(&mut self, process: Process, kind: Kind) -> Result<T, Refusal> {
        let open = self.processes.get_mut(&process).and_then(Option::take);
        let open = open.ok_or(Refusal::NeverInvoked { process, kind })?;
        if kind == Kind::Info {
            self.processes.remove(&process);
        }
        Ok(open.id)
    }

    /// The open invocations, by process.
    pub(super) fn open(&self) -> impl Iterator<Item = (Process, T)> {
        self.processes.iter().filter_map(|(process, open)| Some((*process, open.as_ref()?.id)))
    }
}
