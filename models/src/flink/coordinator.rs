//! The checkpoint being taken (`CheckpointCoordinator`, `PendingCheckpoint`): one at a time
//! (`max-concurrent-checkpoints` 1).

use super::message::{Snapshot, Task};
use super::state::{Attempt, CheckpointId, CheckpointMetadata, SplitState, StateHandle};
use super::{FlinkMutant, JobSpec};
use std::sync::Arc;
use wavetank_sim::{Nanos, SortedMap};

struct Pending {
    id: CheckpointId,
    attempt: Attempt,
    /// Subtasks of each operator.
    parallelism: usize,
    began: Nanos,
    splits: SortedMap<u32, Vec<SplitState>>,
    states: SortedMap<u32, StateHandle>,
}

/// See the [module](self).
pub(super) struct Coordinator {
    spec: Arc<JobSpec>,
    /// The last number that was given.
    last: u64,
    pending: Option<Pending>,
    failed_in_a_row: u32,
}

impl Coordinator {
    /// Numbers go on after the latest complete checkpoint's.
    pub fn new(spec: Arc<JobSpec>, latest: u64) -> Coordinator {
        Coordinator { spec, last: latest, pending: None, failed_in_a_row: 0 }
    }

    /// Whether a checkpoint is being taken.
    pub fn is_busy(&self) -> bool {
        self.pending.is_some()
    }

    /// The checkpoint that is being taken.
    pub fn pending(&self) -> Option<CheckpointId> {
        self.pending.as_ref().map(|pending| pending.id)
    }

    /// Whether that checkpoint is being taken.
    pub fn is_pending(&self, id: CheckpointId) -> bool {
        self.pending() == Some(id)
    }

    /// Begins a checkpoint of an execution with so many subtasks of each operator.
    pub fn begin(&mut self, now: Nanos, attempt: Attempt, parallelism: u32) -> CheckpointId {
        self.last += 1;
        let id = CheckpointId(self.last);
        let (splits, states) = (SortedMap::new(), SortedMap::new());
        self.pending = Some(Pending { id, attempt, parallelism: parallelism as usize, began: now, splits, states });
        id
    }

    /// A task's part has come. When it was the last one: the checkpoint, and since when it was taken.
    pub fn acknowledge(
        &mut self,
        attempt: Attempt,
        id: CheckpointId,
        task: Task,
        snapshot: Snapshot,
    ) -> Option<(CheckpointMetadata, Nanos)> {
        let any_attempt = self.spec.has(FlinkMutant::EarlierAttemptsAcks);
        let pending = self.pending.as_mut().filter(|pending| pending.id == id)?;
        if pending.attempt != attempt && !any_attempt {
            return None;
        }
        match (task, snapshot) {
            (Task::Source(subtask), Snapshot::Splits(splits)) => drop(pending.splits.entry(subtask).or_insert(splits)),
            (Task::Keyed(subtask), Snapshot::Keyed(state)) => drop(pending.states.entry(subtask).or_insert(state)),
            (Task::Source(_), Snapshot::Keyed(_)) | (Task::Keyed(_), Snapshot::Splits(_)) => {
                unreachable!("a task sends its own kind of snapshot")
            }
        }
        let all = pending.parallelism;
        if (pending.splits.len(), pending.states.len()) != (all, all) {
            return None;
        }
        let Pending { id, attempt, parallelism: _, began, splits, states } =
            self.pending.take().expect("it is pending");
        let mut splits: Vec<SplitState> = splits.into_values().flatten().collect();
        splits.sort_unstable_by_key(|split| split.tp);
        Some((CheckpointMetadata { id, attempt, splits, states: states.into_values().collect() }, began))
    }

    /// The one of that number is given up (it has expired, or a task declined). Whether the job must fail.
    pub fn failed(&mut self, id: CheckpointId) -> bool {
        if self.pending.as_ref().is_none_or(|pending| pending.id != id) {
            return false;
        }
        self.pending = None;
        self.failed_in_a_row += 1;
        self.failed_in_a_row > self.spec.settings.tolerable_failed_checkpoints
    }

    /// One is complete.
    pub fn succeeded(&mut self) {
        self.failed_in_a_row = 0;
    }

    /// The job restarts: what is pending is given up, and does not count as failed.
    pub fn stop(&mut self, latest: u64) {
        self.pending = None;
        self.failed_in_a_row = 0;
        if self.spec.has(FlinkMutant::EarlierAttemptsAcks) {
            self.last = latest;
        }
    }
}
