//! What processes expose on purpose, as it happens: for invariants and for meters.
//!
//! A probe is no event and changes nothing in a run, unless whoever hears it finds a promise broken. It is told after the
//! step in which it was made, in order with what the step wished for.

mod concerns;

use crate::kafka::ids::{
    BrokerEpoch, BrokerId, ControllerEpoch, ControllerId, GroupId, LeaderEpoch, MetadataOffset, ObjectId, StreamEpoch,
    StreamId, TopicIdPartition, WriterId,
};
use crate::kafka::metadata::StreamRange;
use crate::kafka::wal::{WalMode, WalOffset};
use wavetank_sim::{Incarnation, Nanos, NodeId, SortedMap};
use wavetank_traces::Concern;

/// Offsets `base..next` of a partition, and whose records are there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogSpan {
    /// Which partition.
    pub tp: TopicIdPartition,
    /// First offset.
    pub base: u64,
    /// Offset after the last.
    pub next: u64,
    /// Identity of the first record, for records of the load.
    pub first: Option<(WriterId, u64)>,
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Probe {
    // ---- the quorum ----
    /// A controller has become the active one.
    ControllerElected {
        /// Who.
        controller: ControllerId,
        /// In which epoch.
        epoch: ControllerEpoch,
    },
    /// An entry of the metadata log is committed, as this controller sees it.
    MetadataCommitted {
        /// Which.
        offset: MetadataOffset,
        /// Tells entries apart.
        fingerprint: u64,
    },
    /// A broker has been fenced by the active controller.
    BrokerFenced {
        /// Who.
        broker: BrokerId,
        /// Which registration.
        epoch: BrokerEpoch,
    },
    /// A broker has been unfenced.
    BrokerUnfenced {
        /// Who.
        broker: BrokerId,
        /// Which registration.
        epoch: BrokerEpoch,
    },
    // ---- streams and objects, as the active controller commits them ----
    /// A stream was opened.
    StreamOpened {
        /// Which.
        stream: StreamId,
        /// The partition that it belongs to.
        tp: TopicIdPartition,
        /// Under which epoch.
        epoch: StreamEpoch,
        /// By whom.
        broker: BrokerId,
        /// Where it ends.
        end_offset: u64,
    },
    /// A stream was closed.
    StreamClosed {
        /// Which.
        stream: StreamId,
        /// Of which epoch.
        epoch: StreamEpoch,
        /// Where it ends for its next owner.
        end_offset: u64,
    },
    /// A piece of a stream is in a committed object.
    StreamCommitted {
        /// What.
        range: StreamRange,
        /// In which object.
        object: ObjectId,
        /// By whom.
        broker: BrokerId,
    },
    /// A stream begins later.
    StreamTrimmed {
        /// Which.
        stream: StreamId,
        /// Where.
        start_offset: u64,
    },
    /// Nothing refers to an object any more.
    ObjectDropped {
        /// Which.
        object: ObjectId,
    },
    /// An object's content is being deleted.
    ObjectDeleted {
        /// Which.
        object: ObjectId,
    },
    /// Somebody has claimed a broker's streams: earlier lives of it, or it itself where it is being rescued, may commit nothing
    /// any more.
    StreamsClaimed {
        /// Whose.
        broker: BrokerId,
        /// In which of its lives.
        epoch: BrokerEpoch,
        /// By its rescuer.
        failover: bool,
    },
    /// A broker is told that its commit is in the metadata log.
    CommitAnswered {
        /// For whom.
        broker: BrokerId,
        /// In which of its lives.
        epoch: BrokerEpoch,
        /// By its rescuer.
        failover: bool,
        /// The entry that it is in, or, of a repeated one, that it was decided after.
        at: MetadataOffset,
    },
    /// A commit was refused though it had been applied before: its sender will take it for lost.
    CommitRefusedAfterApplied {
        /// Which object.
        object: ObjectId,
    },
    /// A broker's failover has begun at its rescuer.
    FailoverBegan {
        /// Of whom.
        broker: BrokerId,
        /// By whom.
        rescuer: BrokerId,
    },
    /// It is done.
    FailoverDone {
        /// Of whom.
        broker: BrokerId,
        /// By whom.
        rescuer: BrokerId,
    },
    // ---- write-ahead logs ----
    /// A log was acquired: earlier owners can have nothing acknowledged any more.
    WalAcquired {
        /// Whose log.
        wal: BrokerId,
        /// Under which epoch.
        epoch: BrokerEpoch,
        /// By its own broker or by a rescuer.
        mode: WalMode,
    },
    /// A record is durable and reported so to the log's user.
    WalDurable {
        /// Whose log.
        wal: BrokerId,
        /// Of the owner that says so.
        epoch: BrokerEpoch,
        /// Where.
        at: WalOffset,
        /// What.
        range: StreamRange,
    },
    /// A record came out of recovery.
    WalRecovered {
        /// Whose log.
        wal: BrokerId,
        /// Of the owner that recovers.
        epoch: BrokerEpoch,
        /// Where.
        at: WalOffset,
        /// What.
        range: StreamRange,
    },
    /// Recovery has read all there is.
    WalRecoveryEnded {
        /// Whose log.
        wal: BrokerId,
        /// Of the owner that recovers.
        epoch: BrokerEpoch,
    },
    /// The log's user said that it needs nothing up to there any more.
    WalTrimmed {
        /// Whose log.
        wal: BrokerId,
        /// Of the owner that says so.
        epoch: BrokerEpoch,
        /// Up to there, included.
        upto: WalOffset,
    },
    /// What a log is kept on has lost everything: what is in no object yet is gone.
    WalLost {
        /// Whose log.
        wal: BrokerId,
    },
    /// The log's user said that it needs nothing in it any more (after recovery).
    WalReset {
        /// Whose log.
        wal: BrokerId,
        /// Of the owner that says so.
        epoch: BrokerEpoch,
    },
    // ---- partitions ----
    /// A broker has begun to lead a partition: it takes requests.
    LeaderReady {
        /// Which.
        tp: TopicIdPartition,
        /// Who.
        broker: BrokerId,
        /// In which epoch.
        epoch: LeaderEpoch,
        /// Where its log begins.
        log_start: u64,
        /// Where its log ends.
        log_end: u64,
    },
    /// A leader has deleted what lies before: its log begins there.
    LogStart {
        /// Which.
        tp: TopicIdPartition,
        /// Whose.
        broker: BrokerId,
        /// In which epoch.
        epoch: LeaderEpoch,
        /// Its first offset.
        offset: u64,
    },
    /// A broker that led a partition gives it up in good order: it takes no requests from now on.
    LeaderResigned {
        /// Which.
        tp: TopicIdPartition,
        /// Who.
        broker: BrokerId,
        /// In which epoch.
        epoch: LeaderEpoch,
    },
    /// A broker has given offsets to a batch: it is appended, not yet durable.
    Appended {
        /// By whom.
        broker: BrokerId,
        /// In which epoch.
        epoch: LeaderEpoch,
        /// What.
        span: LogSpan,
    },
    /// A broker's high watermark has risen.
    HighWatermark {
        /// Which.
        tp: TopicIdPartition,
        /// Whose.
        broker: BrokerId,
        /// In which epoch.
        epoch: LeaderEpoch,
        /// To there.
        offset: u64,
    },
    /// A broker tells a producer that a batch is in the log.
    Acked {
        /// Who says so.
        broker: BrokerId,
        /// In which epoch.
        epoch: LeaderEpoch,
        /// What.
        span: LogSpan,
    },
    /// A broker gives records to a reader.
    Served {
        /// Who.
        broker: BrokerId,
        /// In which epoch.
        epoch: LeaderEpoch,
        /// What.
        span: LogSpan,
    },
    // ---- clients ----
    /// A producer's client sends a batch for the first time; `Produced` or `GaveUp` follows once, unless it dies.
    Sent {
        /// Where to.
        tp: TopicIdPartition,
        /// How many records.
        records: u32,
    },
    /// A producer has learned that a batch is in the log.
    Produced {
        /// What.
        span: LogSpan,
        /// When the load wanted the first and the last record sent.
        due: (Nanos, Nanos),
        /// When they went into the producer's hands.
        sent: (Nanos, Nanos),
        /// Bytes.
        bytes: u32,
    },
    /// A producer has given a batch up; whether it is in the log is not known.
    GaveUp {
        /// Where to.
        tp: TopicIdPartition,
        /// How many records.
        records: u32,
    },
    /// A consumer's application has been handed records.
    Consumed {
        /// By which group.
        group: GroupId,
        /// What.
        span: LogSpan,
        /// When the load wanted the first and the last record sent.
        due: (Nanos, Nanos),
        /// Bytes.
        bytes: u32,
    },
    /// A consumer group's member has an assignment.
    Assigned {
        /// Which group.
        group: GroupId,
        /// In which generation.
        generation: u32,
        /// How many partitions.
        partitions: u32,
    },
    /// What a member's application reads has changed: it was given partitions, or has given some up.
    Held {
        /// Which group's.
        group: GroupId,
        /// All that it reads now.
        partitions: Vec<TopicIdPartition>,
    },
    // ---- checkpointing jobs ----
    /// A checkpoint is complete.
    CheckpointCompleted {
        /// Which job.
        job: u32,
        /// Its number.
        checkpoint: u64,
        /// From its trigger.
        took: Nanos,
    },
    /// A checkpoint was given up: it expired, a task declined, or the job restarts.
    CheckpointFailed {
        /// Which job.
        job: u32,
        /// Its number.
        checkpoint: u64,
    },
    /// A job is deployed, and begins from there.
    CheckpointChosen {
        /// Which job.
        job: u32,
        /// The checkpoint that it restores; 0: none.
        checkpoint: u64,
    },
    /// A task cannot restore its state: the object store does not have it.
    StateMissing {
        /// Which job.
        job: u32,
        /// Of which checkpoint.
        checkpoint: u64,
    },
    /// A job has noticed that it must restart.
    JobFailed {
        /// Which job.
        job: u32,
    },
    /// All its tasks are to run again.
    JobRestarted {
        /// Which job.
        job: u32,
    },
    /// All its tasks have their state.
    JobRestored {
        /// Which job.
        job: u32,
    },
    /// Its lag is what it was before it failed.
    JobCaughtUp {
        /// Which job.
        job: u32,
    },
    /// Output for records of the load has become visible.
    Emitted {
        /// By which job.
        job: u32,
        /// Event time of the first and the last record.
        due: (Nanos, Nanos),
        /// How many that were not visible before.
        records: u64,
    },
}

/// What a probe is about: the parts of [`Probe`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// The quorum and its log.
    Quorum,
    /// Streams and objects, as the active controller commits them.
    Objects,
    /// Write-ahead logs.
    Wal,
    /// Partitions at their brokers.
    Partitions,
    /// Producers and consumers.
    Clients,
    /// Checkpointing jobs.
    Jobs,
}

impl Subject {
    /// How many there are.
    pub const COUNT: usize = 6;
}

impl Probe {
    /// What it is about.
    pub fn subject(&self) -> Subject {
        match self {
            Probe::ControllerElected { .. }
            | Probe::MetadataCommitted { .. }
            | Probe::BrokerFenced { .. }
            | Probe::BrokerUnfenced { .. } => Subject::Quorum,
            Probe::StreamOpened { .. }
            | Probe::StreamClosed { .. }
            | Probe::StreamCommitted { .. }
            | Probe::StreamTrimmed { .. }
            | Probe::ObjectDropped { .. }
            | Probe::ObjectDeleted { .. }
            | Probe::StreamsClaimed { .. }
            | Probe::CommitAnswered { .. }
            | Probe::CommitRefusedAfterApplied { .. }
            | Probe::FailoverBegan { .. }
            | Probe::FailoverDone { .. } => Subject::Objects,
            Probe::WalAcquired { .. }
            | Probe::WalDurable { .. }
            | Probe::WalRecovered { .. }
            | Probe::WalRecoveryEnded { .. }
            | Probe::WalTrimmed { .. }
            | Probe::WalLost { .. }
            | Probe::WalReset { .. } => Subject::Wal,
            Probe::LeaderReady { .. }
            | Probe::LeaderResigned { .. }
            | Probe::Appended { .. }
            | Probe::HighWatermark { .. }
            | Probe::LogStart { .. }
            | Probe::Acked { .. }
            | Probe::Served { .. } => Subject::Partitions,
            Probe::Sent { .. }
            | Probe::Produced { .. }
            | Probe::GaveUp { .. }
            | Probe::Consumed { .. }
            | Probe::Assigned { .. }
            | Probe::Held { .. } => Subject::Clients,
            Probe::CheckpointCompleted { .. }
            | Probe::CheckpointFailed { .. }
            | Probe::CheckpointChosen { .. }
            | Probe::StateMissing { .. }
            | Probe::JobFailed { .. }
            | Probe::JobRestarted { .. }
            | Probe::JobRestored { .. }
            | Probe::JobCaughtUp { .. }
            | Probe::Emitted { .. } => Subject::Jobs,
        }
    }
}

/// Tells what is said for the first time: committed metadata is said by every controller.
#[derive(Clone, Debug, Default)]
pub struct FirstTold {
    /// Everything before has been said.
    next: MetadataOffset,
    /// By controller, whether the entry that it speaks of is said for the first time.
    fresh: SortedMap<NodeId, bool>,
}

impl FirstTold {
    /// Whether this is said for the first time.
    pub fn is_news(&mut self, by: Incarnation, probe: &Probe) -> bool {
        match probe {
            Probe::MetadataCommitted { offset, .. } => {
                let is_fresh = *offset >= self.next;
                self.next = self.next.max(MetadataOffset(offset.0 + 1));
                self.fresh.insert(by.node, is_fresh);
                true
            }
            Probe::BrokerFenced { .. }
            | Probe::BrokerUnfenced { .. }
            | Probe::StreamOpened { .. }
            | Probe::StreamClosed { .. }
            | Probe::StreamCommitted { .. }
            | Probe::StreamTrimmed { .. }
            | Probe::StreamsClaimed { .. }
            | Probe::ObjectDropped { .. } => self.fresh.get(&by.node).copied().unwrap_or(true),
            _ => true,
        }
    }
}

/// Who hears probes.
pub trait ProbeSink: Send {
    /// Something happened.
    ///
    /// # Errors
    /// When a promise is broken: which, and how.
    fn probe(&mut self, now: Nanos, by: Incarnation, probe: &Probe) -> Result<(), BrokenPromise>;
}

/// An invariant does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokenPromise {
    /// The invariant's name.
    pub invariant: &'static str,
    /// How.
    pub why: String,
    /// What it is about, nearest first.
    pub about: Vec<Concern>,
}
