//! What job manager, task managers and the table say to each other.
//!
//! Sizes on the wire are rough: control messages are small beside data, whose bytes are the records'.

use super::keys::KeyGroupRange;
use super::state::{Applied, Attempt, CheckpointId, CheckpointMetadata, SplitState, StateHandle};
use crate::kafka::ids::{TopicIdPartition, WriterId};
use std::sync::Arc;
use wavetank_sim::{Nanos, NodeId};

/// Which task: operators are chained as Flink would, source alone, keyed operator with sink.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Task {
    /// A subtask of the source.
    Source(u32),
    /// A subtask of the keyed operator and its sink.
    Keyed(u32),
}

/// A task's part of a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Snapshot {
    /// Of a source: within the acknowledgement.
    Splits(Vec<SplitState>),
    /// Of a keyed operator.
    Keyed(StateHandle),
}

/// Where an execution's tasks run, and what they begin with.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Deployment {
    /// Which execution.
    pub attempt: Attempt,
    /// By subtask: where. A slot holds one subtask of each operator (slot sharing).
    pub placement: Vec<NodeId>,
    /// What to restore; `None`: the job begins.
    pub restore: Option<Arc<CheckpointMetadata>>,
    /// By source subtask: its lag before the failure, to tell when the job has caught up.
    pub lag_before: Vec<u64>,
}

impl Deployment {
    /// Subtasks of each operator.
    pub fn parallelism(&self) -> u32 {
        self.placement.len() as u32
    }
}

/// Consecutive records of one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RecordSpan {
    /// Of which partition.
    pub tp: TopicIdPartition,
    /// First offset.
    pub base: u64,
    /// So many offsets before the first one were deleted by retention before they were read.
    pub skipped: u64,
    /// How many.
    pub count: u32,
    /// Identity of the first one.
    pub first: (WriterId, u64),
    /// Event times of the first and the last one.
    pub due: (Nanos, Nanos),
}

impl RecordSpan {
    /// Goes on with these, if they follow in the log and are the same writer's next ones. Whether they do.
    pub fn extend(&mut self, next: &RecordSpan) -> bool {
        let (writer, first) = self.first;
        let follows = self.tp == next.tp
            && next.skipped == 0
            && self.base + u64::from(self.count) == next.base
            && (writer, first + u64::from(self.count)) == next.first;
        if let (true, Some(count)) = (follows, self.count.checked_add(next.count)) {
            self.count = count;
            self.due.1 = next.due.1;
            return true;
        }
        false
    }
}

/// A buffer of records.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Buffer {
    /// Whole ranges, in order: the same for all receivers, who know which of the records are theirs.
    pub spans: Arc<[RecordSpan]>,
    /// Bytes of those that are for the receiver.
    pub bytes: u32,
}

/// What travels on a channel.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Element {
    /// Records: one buffer, one credit.
    Records(Buffer),
    /// A barrier: costs no credit, overtakes nothing.
    Barrier(CheckpointId),
}

/// One row of the sink's table: the aggregate of some key groups over one input partition.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Upsert {
    /// Which execution writes.
    pub attempt: Attempt,
    /// Key: the groups.
    pub groups: KeyGroupRange,
    /// Key: the partition.
    pub tp: TopicIdPartition,
    /// The value.
    pub applied: Applied,
    /// Event times of the records that made it.
    pub due: (Nanos, Nanos),
    /// How many of them.
    pub records: u32,
}

/// See the [module](self).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum FlinkMessage {
    // ---- task manager to job manager ----
    /// Here is a life of a task manager.
    Register {
        /// Which life of its node.
        epoch: u32,
        /// How many slots.
        slots: u32,
        /// What it runs, and whether all of that has its state.
        running: Option<(Attempt, bool)>,
    },
    /// An answer to a heartbeat, with the lag of each source subtask.
    HeartbeatReply {
        /// By subtask.
        lags: Vec<(u32, u64)>,
    },
    /// All tasks here have their state.
    Restored {
        /// Of which execution.
        attempt: Attempt,
    },
    /// A source's lag is what it was before the failure.
    CaughtUp {
        /// Of which execution.
        attempt: Attempt,
        /// Which source subtask.
        subtask: u32,
    },
    /// A task has failed.
    Failed {
        /// Of which execution.
        attempt: Attempt,
    },
    /// No task of that execution, or of an earlier one, runs here any more.
    Cancelled {
        /// Which execution.
        attempt: Attempt,
    },
    /// A task's part of a checkpoint is durable.
    Acknowledge {
        /// Of which execution.
        attempt: Attempt,
        /// Which checkpoint.
        checkpoint: CheckpointId,
        /// Which task.
        task: Task,
        /// Its part.
        snapshot: Snapshot,
    },
    /// A task cannot do its part.
    Decline {
        /// Of which execution.
        attempt: Attempt,
        /// Which checkpoint.
        checkpoint: CheckpointId,
    },
    // ---- job manager to task manager ----
    /// Welcome.
    Registered {
        /// The leader session.
        leader: u32,
    },
    /// Still there?
    Heartbeat,
    /// Run the tasks that are placed at your node.
    Deploy(Deployment),
    /// Stop that execution's tasks.
    Cancel {
        /// Which execution.
        attempt: Attempt,
    },
    /// Sources: begin a checkpoint.
    Trigger {
        /// Of which execution.
        attempt: Attempt,
        /// Its number.
        checkpoint: CheckpointId,
    },
    /// A checkpoint is complete.
    NotifyComplete {
        /// Of which execution.
        attempt: Attempt,
        /// Its number.
        checkpoint: CheckpointId,
    },
    // ---- between task managers: a consumer opens the connection ----
    /// Send me what is for my subtasks.
    PartitionRequest {
        /// Of which execution.
        attempt: Attempt,
    },
    /// Data of a channel.
    Data {
        /// From which source subtask.
        from: u32,
        /// To which keyed subtask.
        to: u32,
        /// What.
        element: Element,
    },
    /// Another buffer of a channel is free.
    Credit {
        /// From which source subtask.
        from: u32,
        /// To which keyed subtask.
        to: u32,
    },
    // ---- sink and table ----
    /// Write rows.
    Upsert {
        /// Counts the writer's batches.
        sequence: u64,
        /// The rows.
        rows: Arc<[Upsert]>,
    },
    /// They are written, and durable.
    Upserted {
        /// Which.
        sequence: u64,
    },
}

/// An RPC's envelope.
const ENVELOPE_BYTES: u64 = 64;
const ENTRY_BYTES: u64 = 24;

impl FlinkMessage {
    /// Its name, for traces.
    pub fn name(&self) -> &'static str {
        match self {
            FlinkMessage::Register { .. } => "Register",
            FlinkMessage::HeartbeatReply { .. } => "HeartbeatReply",
            FlinkMessage::Restored { .. } => "Restored",
            FlinkMessage::CaughtUp { .. } => "CaughtUp",
            FlinkMessage::Failed { .. } => "Failed",
            FlinkMessage::Cancelled { .. } => "Cancelled",
            FlinkMessage::Acknowledge { .. } => "Acknowledge",
            FlinkMessage::Decline { .. } => "Decline",
            FlinkMessage::Registered { .. } => "Registered",
            FlinkMessage::Heartbeat => "Heartbeat",
            FlinkMessage::Deploy(_) => "Deploy",
            FlinkMessage::Cancel { .. } => "Cancel",
            FlinkMessage::Trigger { .. } => "Trigger",
            FlinkMessage::NotifyComplete { .. } => "NotifyComplete",
            FlinkMessage::PartitionRequest { .. } => "PartitionRequest",
            FlinkMessage::Data { .. } => "Data",
            FlinkMessage::Credit { .. } => "Credit",
            FlinkMessage::Upsert { .. } => "Upsert",
            FlinkMessage::Upserted { .. } => "Upserted",
        }
    }

    /// Bytes on the wire.
    pub fn wire_bytes(&self) -> u64 {
        ENVELOPE_BYTES
            + match self {
                FlinkMessage::HeartbeatReply { lags } => ENTRY_BYTES * lags.len() as u64,
                FlinkMessage::Acknowledge { snapshot, .. } => match snapshot {
                    Snapshot::Splits(splits) => ENTRY_BYTES * splits.len() as u64,
                    Snapshot::Keyed(handle) => ENTRY_BYTES + handle.object.len() as u64,
                },
                FlinkMessage::Deploy(deployment) => {
                    let restored = deployment.restore.as_ref().map_or(0, |meta| meta.splits.len() + meta.states.len());
                    ENTRY_BYTES * (deployment.placement.len() + restored) as u64
                }
                FlinkMessage::Data { element, .. } => match element {
                    Element::Records(buffer) => u64::from(buffer.bytes),
                    Element::Barrier(_) => 0,
                },
                // A row a record: what a database would be sent.
                FlinkMessage::Upsert { rows, .. } => {
                    ENTRY_BYTES * rows.iter().map(|row| u64::from(row.records)).sum::<u64>()
                }
                FlinkMessage::Register { .. }
                | FlinkMessage::Restored { .. }
                | FlinkMessage::CaughtUp { .. }
                | FlinkMessage::Failed { .. }
                | FlinkMessage::Cancelled { .. }
                | FlinkMessage::Decline { .. }
                | FlinkMessage::Registered { .. }
                | FlinkMessage::Heartbeat
                | FlinkMessage::Cancel { .. }
                | FlinkMessage::Trigger { .. }
                | FlinkMessage::NotifyComplete { .. }
                | FlinkMessage::PartitionRequest { .. }
                | FlinkMessage::Credit { .. }
                | FlinkMessage::Upserted { .. } => 0,
            }
    }
}
