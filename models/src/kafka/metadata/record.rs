//! Records of the metadata log: Kafka's (`metadata/src/main/resources/common/metadata`) and AutoMQ's.

use crate::kafka::ids::{
    BrokerEpoch, BrokerId, ControllerId, LeaderEpoch, ObjectId, ProducerId, StreamEpoch, StreamId, TopicId,
    TopicIdPartition,
};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Offsets `start..end` of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct StreamRange {
    /// Which stream.
    pub stream: StreamId,
    /// First offset.
    pub start: u64,
    /// Offset after the last.
    pub end: u64,
}

/// A setting that a topic can have of its own, by Kafka's key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum TopicSetting {
    /// `retention.ms`; -1: for ever.
    RetentionMs,
    /// `retention.bytes`; -1: no limit.
    RetentionBytes,
}

/// One change of the metadata.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum MetadataRecord {
    /// A new active controller: the first entry of its epoch (`LeaderChangeMessage`).
    LeaderChange(ControllerId),
    /// Nothing, so that observers know how far the log is (`metadata.max.idle.interval.ms`).
    NoOp,
    /// A broker's process has registered; it is fenced until it is caught up.
    RegisterBroker {
        /// Who.
        broker: BrokerId,
        /// Its number of this life.
        incarnation: u64,
        /// Its registration.
        epoch: BrokerEpoch,
        /// Its zone.
        rack: u32,
    },
    /// It missed its heartbeats, or wants to lead nothing.
    FenceBroker {
        /// Who.
        broker: BrokerId,
        /// Which registration.
        epoch: BrokerEpoch,
    },
    /// It is ready.
    UnfenceBroker {
        /// Who.
        broker: BrokerId,
        /// Which registration.
        epoch: BrokerEpoch,
    },
    /// It is leaving in good order.
    ShutDownBroker {
        /// Who.
        broker: BrokerId,
        /// Which registration.
        epoch: BrokerEpoch,
    },
    /// A topic.
    Topic {
        /// Its id.
        topic: TopicId,
        /// Its name.
        name: Arc<str>,
    },
    /// A partition, new or with another leader.
    Partition {
        /// Which.
        tp: TopicIdPartition,
        /// Who leads it.
        leader: Option<BrokerId>,
        /// Since which epoch.
        leader_epoch: LeaderEpoch,
    },
    /// The next producer id that nobody has.
    ProducerIds(ProducerId),
    /// A broker's standing in shared storage (`NodeWALMetadataRecord`).
    WalNode {
        /// Who.
        broker: BrokerId,
        /// The epoch that may commit.
        epoch: BrokerEpoch,
        /// Only its rescuer may act for it.
        failover: bool,
    },
    /// The next stream id that nobody has.
    NextStream(StreamId),
    /// The next object id that nobody has.
    NextObject(ObjectId),
    /// A stream: new, opened, closed or trimmed.
    Stream {
        /// Which.
        stream: StreamId,
        /// The partition it belongs to.
        tag: TopicIdPartition,
        /// The epoch of its last opening.
        epoch: StreamEpoch,
        /// Where it begins.
        start_offset: u64,
        /// Whether somebody has it open.
        opened: bool,
    },
    /// Who owns a stream from an offset on (`RangeRecord`); the last range is the present owner's.
    Range {
        /// Which stream.
        stream: StreamId,
        /// The how-manieth owner.
        index: u32,
        /// The epoch of the opening.
        epoch: StreamEpoch,
        /// From this offset.
        start_offset: u64,
        /// Who.
        broker: BrokerId,
    },
    /// All of these streams before these offsets is in objects (`S3StreamEndOffsetsRecord`).
    StreamEndOffsets(Vec<(StreamId, u64)>),
    /// A broker has closed a stream but not uploaded all of it: it still has to, from `start` to `end`; equal when it has
    /// (`NodeWALUncommittedOffset`, fast close).
    WalUncommitted {
        /// Who.
        broker: BrokerId,
        /// What.
        range: StreamRange,
    },
    /// An object, new or in another state.
    Object {
        /// Which.
        object: ObjectId,
        /// Its state.
        state: super::ObjectState,
    },
    /// An object's record is gone, as its content is.
    RemoveObject(ObjectId),
    /// A stream-set object.
    StreamSetObject {
        /// Which.
        object: ObjectId,
        /// Whose.
        broker: BrokerId,
        /// Orders a broker's stream-set objects: the id of the first object whose data it holds.
        order: ObjectId,
        /// What is in it.
        ranges: Vec<StreamRange>,
    },
    /// It has been compacted.
    RemoveStreamSetObject(ObjectId),
    /// A stream object.
    StreamObject {
        /// Which.
        object: ObjectId,
        /// What is in it.
        range: StreamRange,
    },
    /// It has been compacted, or lies below its stream's start.
    RemoveStreamObject {
        /// Which stream's.
        stream: StreamId,
        /// Which.
        object: ObjectId,
    },
    /// A key of the cluster's KV; `None`: removed.
    Kv {
        /// Key.
        key: Arc<str>,
        /// Value.
        value: Option<Arc<[u8]>>,
    },
    /// A topic has a setting of its own (`ConfigRecord`); `None`: the brokers' again.
    TopicConfig {
        /// Which topic.
        topic: TopicId,
        /// Which setting.
        setting: TopicSetting,
        /// What it is now.
        value: Option<i64>,
    },
}

impl MetadataRecord {
    /// Bytes, about.
    pub fn wire_bytes(&self) -> u64 {
        match self {
            MetadataRecord::StreamEndOffsets(ends) => 10 + 16 * ends.len() as u64,
            MetadataRecord::StreamSetObject { ranges, .. } => 40 + 24 * ranges.len() as u64,
            MetadataRecord::Kv { key, value } => {
                10 + key.len() as u64 + value.as_ref().map_or(0, |value| value.len() as u64)
            }
            MetadataRecord::Topic { name, .. } => 30 + name.len() as u64,
            MetadataRecord::LeaderChange(_)
            | MetadataRecord::NoOp
            | MetadataRecord::RegisterBroker { .. }
            | MetadataRecord::FenceBroker { .. }
            | MetadataRecord::UnfenceBroker { .. }
            | MetadataRecord::ShutDownBroker { .. }
            | MetadataRecord::Partition { .. }
            | MetadataRecord::ProducerIds(_)
            | MetadataRecord::WalNode { .. }
            | MetadataRecord::NextStream(_)
            | MetadataRecord::NextObject(_)
            | MetadataRecord::Stream { .. }
            | MetadataRecord::Range { .. }
            | MetadataRecord::WalUncommitted { .. }
            | MetadataRecord::Object { .. }
            | MetadataRecord::RemoveObject(_)
            | MetadataRecord::RemoveStreamSetObject(_)
            | MetadataRecord::StreamObject { .. }
            | MetadataRecord::RemoveStreamObject { .. }
            | MetadataRecord::TopicConfig { .. } => 40,
        }
    }
}
