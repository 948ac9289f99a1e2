//! Client requests of a broker: metadata, produce, fetch, offsets.

use super::{ErrorCode, WireSize};
use crate::kafka::batch::{RecordBatch, Records};
use crate::kafka::ids::{BrokerId, LeaderEpoch, MetadataOffset, ProducerEpoch, ProducerId, TopicId, TopicIdPartition};
use std::sync::Arc;
use wavetank_sim::Nanos;

/// A cluster as one broker knows it: shared, never changed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct ClusterView {
    /// How far that broker has read the metadata log.
    pub offset: MetadataOffset,
    /// Brokers that are registered and not fenced, in order, with their zone (`broker.rack`).
    pub brokers: Vec<(BrokerId, u32)>,
    /// Topics in order, with their names and the leaders of their partitions.
    pub topics: Vec<TopicView>,
}

/// A topic as one broker knows it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TopicView {
    /// Its id.
    pub id: TopicId,
    /// Its name.
    pub name: Arc<str>,
    /// By partition: the leader, if there is one, and its epoch.
    pub leaders: Vec<(Option<BrokerId>, LeaderEpoch)>,
}

impl ClusterView {
    /// Who leads a partition; `None` where there is no such partition.
    pub fn leader(&self, tp: TopicIdPartition) -> Option<(Option<BrokerId>, LeaderEpoch)> {
        let topic = self.topics.binary_search_by_key(&tp.topic, |topic| topic.id).ok()?;
        self.topics[topic].leaders.get(tp.partition as usize).copied()
    }

    /// The topic of that name.
    pub fn topic(&self, name: &str) -> Option<&TopicView> {
        self.topics.iter().find(|topic| *topic.name == *name)
    }
}

/// All topics.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MetadataRequest;

/// The broker's view.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MetadataResponse {
    /// The view.
    pub view: Arc<ClusterView>,
}

/// A producer id for an idempotent producer (no transactional id).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct InitProducerIdRequest;

/// The id.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct InitProducerIdResponse {
    /// A fresh id with epoch 0, or why not.
    pub result: Result<(ProducerId, ProducerEpoch), ErrorCode>,
}

/// `acks`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Acks {
    /// Fire and forget: no response.
    None,
    /// When the leader has appended. On shared storage: as `All`.
    Leader,
    /// When it is as durable as it gets.
    #[default]
    All,
}

/// Batches to append: at most one a partition.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ProduceRequest {
    /// When to answer.
    pub acks: Acks,
    /// How long the broker may wait for that (`request.timeout.ms`).
    pub timeout: Nanos,
    /// What.
    pub batches: Vec<(TopicIdPartition, RecordBatch)>,
}

/// What became of each batch, in the order of the request.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ProduceResponse {
    /// Base offset and log start offset, or why not.
    pub partitions: Vec<(TopicIdPartition, Result<Appended, ErrorCode>)>,
}

/// A batch is in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Appended {
    /// Offset of its first record.
    pub base_offset: u64,
    /// Where the log begins.
    pub log_start_offset: u64,
}

/// Which records a consumer wants to see.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum IsolationLevel {
    /// Up to the high watermark.
    #[default]
    ReadUncommitted,
    /// Up to the last stable offset.
    ReadCommitted,
}

/// A fetch of a session (KIP-227): partitions that are not named are as they were in the last fetch.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FetchRequest {
    /// `None`: a new session is to be made; this request names all partitions.
    pub session: Option<u32>,
    /// 0 where a session is to be made; then counts its fetches from 1.
    pub session_epoch: u32,
    /// How long to wait for `min_bytes` (`fetch.max.wait.ms`).
    pub max_wait: Nanos,
    /// `fetch.min.bytes`.
    pub min_bytes: u32,
    /// `fetch.max.bytes`.
    pub max_bytes: u32,
    /// `isolation.level`.
    pub isolation: IsolationLevel,
    /// `client.rack`: the zone.
    pub rack: Option<u32>,
    /// Partitions that are new or whose position has changed.
    pub partitions: Vec<FetchPartition>,
    /// Partitions that leave the session.
    pub forgotten: Vec<TopicIdPartition>,
}

/// From where to read a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FetchPartition {
    /// Which.
    pub tp: TopicIdPartition,
    /// From this offset.
    pub offset: u64,
    /// The leader's epoch as the client knows it (KIP-320).
    pub current_leader_epoch: LeaderEpoch,
    /// `max.partition.fetch.bytes`.
    pub max_bytes: u32,
}

/// What was read.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FetchResponse {
    /// The session, or why it is not there any more.
    pub session: Result<u32, ErrorCode>,
    /// Partitions with records, with an error or with a new high watermark, in the order in which they were served.
    pub partitions: Vec<FetchedPartition>,
}

/// One partition of a fetch response.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FetchedPartition {
    /// Which.
    pub tp: TopicIdPartition,
    /// Why there is nothing.
    pub error: Option<ErrorCode>,
    /// High watermark.
    pub high_watermark: u64,
    /// Last stable offset.
    pub last_stable_offset: u64,
    /// Log start offset.
    pub log_start_offset: u64,
    /// Whole batches, contiguous; the first may begin before the asked offset.
    pub batches: Vec<RecordBatch>,
}

/// Which offset is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OffsetSpec {
    /// The log start offset.
    Earliest,
    /// The high watermark, or the last stable offset.
    Latest,
}

/// First or last offsets of partitions that this broker leads.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ListOffsetsRequest {
    /// `isolation.level`.
    pub isolation: IsolationLevel,
    /// Of which partitions.
    pub partitions: Vec<(TopicIdPartition, OffsetSpec)>,
}

/// The offsets.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ListOffsetsResponse {
    /// In the order of the request.
    pub partitions: Vec<(TopicIdPartition, Result<u64, ErrorCode>)>,
}

impl WireSize for MetadataRequest {
    fn wire_bytes(&self) -> u64 {
        8
    }
}
impl WireSize for MetadataResponse {
    fn wire_bytes(&self) -> u64 {
        let topic = |topic: &TopicView| 30 + topic.name.len() as u64 + 30 * topic.leaders.len() as u64;
        30 * self.view.brokers.len() as u64 + self.view.topics.iter().map(topic).sum::<u64>()
    }
}
impl WireSize for InitProducerIdRequest {
    fn wire_bytes(&self) -> u64 {
        20
    }
}
impl WireSize for InitProducerIdResponse {
    fn wire_bytes(&self) -> u64 {
        16
    }
}
impl WireSize for ProduceRequest {
    fn wire_bytes(&self) -> u64 {
        16 + self.batches.iter().map(|(_, batch)| 24 + u64::from(batch.size_bytes())).sum::<u64>()
    }
}
impl WireSize for ProduceResponse {
    fn wire_bytes(&self) -> u64 {
        8 + 46 * self.partitions.len() as u64
    }
}
impl WireSize for FetchRequest {
    fn wire_bytes(&self) -> u64 {
        48 + 50 * self.partitions.len() as u64 + 20 * self.forgotten.len() as u64
    }
}
impl FetchedPartition {
    /// Nothing, and why.
    pub fn refused(tp: TopicIdPartition, error: ErrorCode) -> FetchedPartition {
        let (high_watermark, last_stable_offset, log_start_offset) = (0, 0, 0);
        FetchedPartition {
            tp,
            error: Some(error),
            high_watermark,
            last_stable_offset,
            log_start_offset,
            batches: Vec::new(),
        }
    }

    /// Bytes of its batches.
    pub fn records_bytes(&self) -> u64 {
        self.batches.iter().map(|batch| u64::from(batch.size_bytes())).sum()
    }
}
impl WireSize for FetchResponse {
    fn wire_bytes(&self) -> u64 {
        16 + self.partitions.iter().map(|partition| 58 + partition.records_bytes()).sum::<u64>()
    }
}
impl WireSize for ListOffsetsRequest {
    fn wire_bytes(&self) -> u64 {
        8 + 30 * self.partitions.len() as u64
    }
}
impl WireSize for ListOffsetsResponse {
    fn wire_bytes(&self) -> u64 {
        8 + 40 * self.partitions.len() as u64
    }
}

impl RecordBatch {
    /// A batch of the load, without offsets yet.
    pub fn of_load(
        writer: crate::kafka::ids::WriterId,
        first: u64,
        count: u32,
        records_bytes: u32,
        timestamps: (Nanos, Nanos),
    ) -> RecordBatch {
        assert!(count > 0, "a batch holds something");
        RecordBatch {
            base_offset: 0,
            leader_epoch: LeaderEpoch(0),
            producer: None,
            count,
            base_timestamp: timestamps.0,
            max_timestamp: timestamps.1,
            // Sixteen bytes say what it is.
            records_bytes: records_bytes.max(16),
            records: Records::Range { writer, first },
        }
    }
}
