//! The quorum's own requests, and what brokers ask of the active controller.
//!
//! The quorum is KRaft (KIP-595): voters fetch the metadata log from their leader, and a fetch at an offset says that all
//! before it is held. Brokers are observers: they fetch the same log. The stream and object requests are AutoMQ's
//! (`StreamControlManager`, `S3ObjectControlManager`).

use super::{ErrorCode, WireSize};
use crate::kafka::ids::{
    BrokerEpoch, BrokerId, ControllerEpoch, ControllerId, MetadataOffset, ObjectId, ProducerId, StreamEpoch, StreamId,
    TopicId, TopicIdPartition,
};
use crate::kafka::metadata::{ClusterImage, Entry, StreamRange, TopicSetting};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use wavetank_sim::Nanos;

/// Where a metadata log ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LogEnd {
    /// The epoch of the last entry.
    pub epoch: ControllerEpoch,
    /// Offset after the last entry.
    pub offset: MetadataOffset,
}

/// A vote for `candidate` in `epoch`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct VoteRequest {
    /// The candidate's epoch.
    pub epoch: ControllerEpoch,
    /// Who asks.
    pub candidate: ControllerId,
    /// Where its log ends.
    pub log_end: LogEnd,
    /// KIP-996: only asks whether it would win; nobody's state changes.
    pub pre_vote: bool,
}
/// The answer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct VoteResponse {
    /// The voter's epoch.
    pub epoch: ControllerEpoch,
    /// The leader it knows in that epoch.
    pub leader: Option<ControllerId>,
    /// Whether the candidate has the vote.
    pub granted: bool,
}

/// A new leader tells the others.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct BeginQuorumEpochRequest {
    /// Its epoch.
    pub epoch: ControllerEpoch,
    /// Who.
    pub leader: ControllerId,
}
/// Understood, or the epoch is old.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct BeginQuorumEpochResponse {
    /// The receiver's epoch.
    pub epoch: ControllerEpoch,
    /// Why not.
    pub error: Option<ErrorCode>,
}

/// Who fetches the metadata log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Replica {
    /// A voter: what it fetches it has flushed, so its fetches count for the high watermark.
    Voter(ControllerId),
    /// A broker.
    Observer(BrokerId),
}

/// The metadata log from an offset on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FetchMetadataRequest {
    /// Who.
    pub replica: Replica,
    /// The epoch that it knows.
    pub epoch: ControllerEpoch,
    /// From here, and the epoch of the entry before.
    pub from: LogEnd,
    /// How long to wait for something new (500 ms).
    pub max_wait: Nanos,
}
/// Entries, or where the logs part.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FetchMetadataResponse {
    /// The answerer's epoch.
    pub epoch: ControllerEpoch,
    /// The leader it knows.
    pub leader: Option<ControllerId>,
    /// Entries: to voters all there are, to observers those below the high watermark. Or why not.
    pub result: Result<FetchedMetadata, ErrorCode>,
}
/// What a fetch of the metadata log gives.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum FetchedMetadata {
    /// Entries from the asked offset on.
    Entries {
        /// In order.
        entries: Vec<Arc<Entry>>,
        /// The leader's high watermark.
        high_watermark: MetadataOffset,
    },
    /// The fetcher's log is not a prefix: it must cut off what is not in this (KIP-595).
    Diverging(LogEnd),
    /// What was asked for is not in the log any more: the image of all before `end`, from where to go on. Kafka sends a
    /// snapshot in pieces (`FetchSnapshot`, KIP-630); here it is one answer.
    Snapshot {
        /// Where the log ended when it was made: the image's `next`, and the epoch of the entry before.
        end: LogEnd,
        /// What the entries before add up to.
        image: Arc<ClusterImage>,
        /// The leader's high watermark.
        high_watermark: MetadataOffset,
    },
}

/// What a partition carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PartitionLoad {
    /// Which.
    pub tp: TopicIdPartition,
    /// Bytes a second from producers.
    pub bytes_in_per_sec: u64,
    /// Bytes a second to consumers.
    pub bytes_out_per_sec: u64,
}

/// What is asked of the active controller.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ControllerRequest {
    /// A broker's process has begun.
    RegisterBroker {
        /// Who.
        broker: BrokerId,
        /// A number of this life alone, so that a retry is known again (`incarnationId`).
        incarnation: u64,
        /// Wall clock in milliseconds at the start of the process: AutoMQ's node epoch.
        epoch: BrokerEpoch,
        /// Its zone.
        rack: u32,
    },
    /// Every `broker.heartbeat.interval.ms`.
    BrokerHeartbeat {
        /// Who.
        broker: BrokerId,
        /// Its registration.
        epoch: BrokerEpoch,
        /// How far it has applied the metadata log.
        current: MetadataOffset,
        /// It is not ready to lead, or does not want to any more.
        want_fence: bool,
        /// It wants to leave in good order: its partitions are to be led elsewhere.
        want_shut_down: bool,
    },
    /// A topic with so many partitions.
    CreateTopic {
        /// Its name.
        name: Arc<str>,
        /// How many partitions.
        partitions: u32,
    },
    /// A block of 1,000 producer ids for a broker (KIP-730).
    AllocateProducerIds {
        /// Who.
        broker: BrokerId,
        /// Its registration.
        epoch: BrokerEpoch,
    },
    /// What a broker's partitions have carried since its last report: for the balancer.
    ReportLoad {
        /// Who.
        broker: BrokerId,
        /// Its registration.
        epoch: BrokerEpoch,
        /// What.
        loads: Arc<[PartitionLoad]>,
    },
    /// A partition is to be led by another broker: AlterPartitionReassignments with one replica.
    Reassign {
        /// Partitions and where to.
        moves: Vec<(TopicIdPartition, BrokerId)>,
    },
    /// A broker (or, in failover, its rescuer) acts on streams and objects in shared storage.
    Storage {
        /// Whose streams.
        broker: BrokerId,
        /// Of which life of it.
        epoch: BrokerEpoch,
        /// The requester is failing that broker over.
        failover: bool,
        /// What.
        request: StorageRequest,
    },
    /// A topic is to have other settings: IncrementalAlterConfigs.
    AlterTopic {
        /// Which.
        topic: TopicId,
        /// What is set; `None`: taken back (`SET`, `DELETE`).
        settings: Vec<(TopicSetting, Option<i64>)>,
    },
}

/// What brokers ask about streams and objects.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum StorageRequest {
    /// New streams for a partition: made closed, with epoch 0. They are found again by their names in the KV.
    CreateStreams {
        /// How many.
        count: u32,
        /// The partition they belong to.
        tag: TopicIdPartition,
    },
    /// Opens streams under an epoch.
    OpenStreams(Vec<(StreamId, StreamEpoch)>),
    /// Closes streams. With an end offset: the fast close, after which this broker still has to upload up to it.
    CloseStreams(Vec<CloseStream>),
    /// Raises start offsets.
    TrimStreams(Vec<TrimStream>),
    /// Ids for objects to be written.
    PrepareObjects {
        /// How many.
        count: u32,
        /// How long until they are dropped if they are not committed.
        ttl: Nanos,
    },
    /// Objects with the tail of streams are in the store.
    CommitStreamSetObject(Arc<CommitStreamSetObject>),
    /// A stream's objects were compacted into one.
    CommitStreamObject(CommitStreamObject),
    /// Streams that are open at that broker. In failover this also bumps the broker's epoch and fences it.
    GetOpeningStreams,
    /// Keys of the cluster's KV.
    KvPut {
        /// Key.
        key: Arc<str>,
        /// Value.
        value: Arc<[u8]>,
        /// An existing value is kept, and answered.
        if_absent: bool,
    },
    /// A key's value.
    KvGet {
        /// Key.
        key: Arc<str>,
    },
    /// The failover of that broker is done: its WAL is empty and its streams are closed.
    FailoverDone,
}

/// A stream to close.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CloseStream {
    /// Which.
    pub stream: StreamId,
    /// The epoch under which it was opened.
    pub epoch: StreamEpoch,
    /// Fast close (AutoMQ #3495): where it ends, though not all is in objects yet.
    pub end_offset: Option<u64>,
}

/// A stream to trim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TrimStream {
    /// Which.
    pub stream: StreamId,
    /// The epoch under which it was opened.
    pub epoch: StreamEpoch,
    /// Its new start offset.
    pub start_offset: u64,
}

/// A commit of what was uploaded, or of what a compaction made: all or nothing.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CommitStreamSetObject {
    /// The stream-set object; `None` where everything went into stream objects.
    pub object: Option<NewObject>,
    /// What is in the stream-set object, by stream, ascending.
    pub ranges: Vec<StreamRange>,
    /// Stream objects beside it.
    pub stream_objects: Vec<(NewObject, StreamRange)>,
    /// Objects that these replace: of a compaction.
    pub compacted: Vec<ObjectId>,
}

/// A stream object that replaces others of the same stream.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CommitStreamObject {
    /// The new one; `None`: the sources are only dropped (all below the stream's start).
    pub object: Option<(NewObject, StreamRange)>,
    /// Those it replaces, in order.
    pub sources: Vec<ObjectId>,
    /// The stream.
    pub stream: StreamId,
    /// The epoch under which it is open.
    pub epoch: StreamEpoch,
}

/// An object that was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct NewObject {
    /// Its prepared id.
    pub id: ObjectId,
    /// Its size in bytes.
    pub size: u64,
}

/// A stream as it was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct OpenedStream {
    /// Which.
    pub stream: StreamId,
    /// Under which epoch.
    pub epoch: StreamEpoch,
    /// Where it begins.
    pub start_offset: u64,
    /// Where it ends: all before is in objects.
    pub end_offset: u64,
}

/// The controller's answer: what was done and is in the log, below the high watermark.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ControllerResponse {
    /// The leader that the answerer knows, with `NOT_CONTROLLER`.
    pub leader: Option<ControllerId>,
    /// What.
    pub result: Result<ControllerAnswer, ErrorCode>,
}

/// What was done.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ControllerAnswer {
    /// Nothing more to say.
    Done,
    /// A broker's standing.
    Heartbeat {
        /// It has applied its own registration, and more than that lies before it no longer.
        is_caught_up: bool,
        /// It is fenced: it leads nothing.
        is_fenced: bool,
        /// It may end now.
        should_shut_down: bool,
    },
    /// A topic, new or known already.
    Topic(TopicId),
    /// The first of 1,000 producer ids.
    ProducerIds(ProducerId),
    /// New streams.
    Streams(Vec<StreamId>),
    /// Streams opened, or why not, in the order of the request.
    Opened(Vec<Result<OpenedStream, ErrorCode>>),
    /// What became of each, in the order of the request.
    Each(Vec<Option<ErrorCode>>),
    /// The first of as many ids as were asked for.
    Objects(ObjectId),
    /// Streams that are open.
    Opening(Vec<OpenedStream>),
    /// A value.
    Kv(Option<Arc<[u8]>>),
}

impl WireSize for VoteRequest {
    fn wire_bytes(&self) -> u64 {
        50
    }
}
impl WireSize for VoteResponse {
    fn wire_bytes(&self) -> u64 {
        30
    }
}
impl WireSize for BeginQuorumEpochRequest {
    fn wire_bytes(&self) -> u64 {
        40
    }
}
impl WireSize for BeginQuorumEpochResponse {
    fn wire_bytes(&self) -> u64 {
        30
    }
}
impl WireSize for FetchMetadataRequest {
    fn wire_bytes(&self) -> u64 {
        90
    }
}
impl WireSize for FetchMetadataResponse {
    fn wire_bytes(&self) -> u64 {
        60 + match &self.result {
            Ok(FetchedMetadata::Entries { entries, .. }) => entries.iter().map(|entry| entry.wire_bytes()).sum(),
            Ok(FetchedMetadata::Snapshot { image, .. }) => image.wire_bytes(),
            Ok(FetchedMetadata::Diverging(_)) | Err(_) => 0,
        }
    }
}
impl WireSize for ControllerRequest {
    fn wire_bytes(&self) -> u64 {
        match self {
            ControllerRequest::RegisterBroker { .. } => 120,
            ControllerRequest::BrokerHeartbeat { .. } => 30,
            ControllerRequest::CreateTopic { name, .. } => 30 + name.len() as u64,
            ControllerRequest::AllocateProducerIds { .. } => 12,
            ControllerRequest::ReportLoad { loads, .. } => 12 + 24 * loads.len() as u64,
            ControllerRequest::Reassign { moves } => 12 + 24 * moves.len() as u64,
            ControllerRequest::Storage { request, .. } => 16 + request.wire_bytes(),
            ControllerRequest::AlterTopic { settings, .. } => 12 + 32 * settings.len() as u64,
        }
    }
}
impl WireSize for StorageRequest {
    fn wire_bytes(&self) -> u64 {
        match self {
            StorageRequest::CreateStreams { .. } => 20,
            StorageRequest::OpenStreams(streams) => 16 * streams.len() as u64,
            StorageRequest::CloseStreams(streams) => 24 * streams.len() as u64,
            StorageRequest::TrimStreams(streams) => 24 * streams.len() as u64,
            StorageRequest::PrepareObjects { .. } => 12,
            StorageRequest::CommitStreamSetObject(commit) => {
                32 + 32 * commit.ranges.len() as u64
                    + 48 * commit.stream_objects.len() as u64
                    + 8 * commit.compacted.len() as u64
            }
            StorageRequest::CommitStreamObject(commit) => 56 + 8 * commit.sources.len() as u64,
            StorageRequest::GetOpeningStreams | StorageRequest::FailoverDone => 8,
            StorageRequest::KvPut { key, value, .. } => 8 + key.len() as u64 + value.len() as u64,
            StorageRequest::KvGet { key } => 8 + key.len() as u64,
        }
    }
}
impl WireSize for ControllerResponse {
    fn wire_bytes(&self) -> u64 {
        10 + match &self.result {
            Ok(ControllerAnswer::Streams(streams)) => 8 * streams.len() as u64,
            Ok(ControllerAnswer::Opened(streams)) => 34 * streams.len() as u64,
            Ok(ControllerAnswer::Opening(streams)) => 32 * streams.len() as u64,
            Ok(ControllerAnswer::Each(each)) => 2 * each.len() as u64,
            Ok(ControllerAnswer::Kv(value)) => value.as_ref().map_or(0, |value| value.len() as u64),
            Ok(
                ControllerAnswer::Done
                | ControllerAnswer::Heartbeat { .. }
                | ControllerAnswer::Topic(_)
                | ControllerAnswer::ProducerIds(_)
                | ControllerAnswer::Objects(_),
            )
            | Err(_) => 8,
        }
    }
}
