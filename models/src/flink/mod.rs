//! A checkpointing job as Apache Flink 2.1 runs it: source -> keyBy -> keyed operator -> sink, exactly once.
//!
//! ```text
//!              register, heartbeat, acknowledge            PUT pointer, metadata
//!   TaskManager ─────────────────────────────> JobManager ─────────────────────> object store
//!        │  <── deploy, cancel, trigger, notify ──                                   ^
//!        │ SourceTask ══ channels: records, barriers ══> KeyedTask ── PUT state ─────┘
//!        │     ^  (to keyed subtasks of all task managers)   └── Sink ── upserts ──> Table
//!     brokers ─┘  <── offsets of completed checkpoints (Committer), for others to see
//! ```
//!
//! Order of steps of a checkpoint: the job manager triggers sources (`coordinator.rs`); a source acknowledges its splits'
//! offsets and puts a barrier behind what it has polled (`source_task.rs`); a keyed subtask reads no channel beyond its
//! barrier before all have come (`keyed_task.rs`), copies its state, writes it to the object store and waits until its sink
//! has flushed; when all have acknowledged, metadata and then the pointer are written (`checkpoint_store.rs`); only now is
//! it complete. Tasks are told, best effort, and commit the offsets to Kafka. A restart restores the latest complete
//! checkpoint: state from objects, sources sought to its offsets, key groups given to whoever has them now. All protocol
//! facts from Flink 2.1 (`CheckpointCoordinator`, `DefaultScheduler`, `HeartbeatManagerImpl`) and flink-connector-kafka.
//!
//! Records are ranges: one element of a channel is what one poll gave of one batch, and which of its records are a
//! subtask's is arithmetic (`keys.rs`). State says per key groups and input partition which offsets were applied, so the
//! oracle (`oracle.rs`) can tell exactly-once from anything else; the values of keys are virtual bytes.
//!
//! Where sources begin without state is the settings' (`scan.startup.mode`: the start of the log, its end, or the group's
//! committed offsets); with state they begin where it says, whatever is committed. A job may be submitted late
//! ([`JobSpec::begins_at`]).
//!
//! What a job costs a simulation follows its buffers, not its records: sources fill buffers of 32 KiB or 100 ms
//! (`source_task.rs`), sinks write batches of 100 rows or a second (`sink.rs`), as Flink and its JDBC sink do.
//!
//! Simpler than reality, and what that can hide: one keyed operator a job, no watermarks, timers or windows (freshness is
//! event time to visible output; `pipeline.auto-watermark-interval` has nothing to set); state on the heap, full snapshots
//! (no shared incremental files: L14 cannot happen; `execution.checkpointing.incremental` changes nothing, so checkpoints of
//! large states are larger than with it); copying state takes no time; no partition discovery; tasks' CPU is not their
//! host's. The job fails over as one region; of the restart strategies there is the exponential delay alone.
//! Transactions, unaligned checkpoints and rescaling are not here yet: `job_manager.rs` says where they belong.

mod checkpoint_store;
mod committer;
mod coordinator;
mod execution;
pub mod job_manager;
mod keyed_task;
pub mod keys;
pub mod message;
mod mutant;
mod options;
pub mod oracle;
mod sink;
mod source_task;
pub mod state;
pub mod table;
pub mod task_manager;
mod waits;

pub use job_manager::JobManager;
pub use message::FlinkMessage;
pub use mutant::FlinkMutant;
pub use options::{FlinkSettings, JobSpec, Startup};
pub use table::{Table, TableRows, TableStore};
pub use task_manager::TaskManager;
