//! What the records of a prefix of the metadata log add up to.

use super::{Entry, MetadataRecord, StreamRange, TopicSetting};
use crate::kafka::ids::{
    BrokerEpoch, BrokerId, LeaderEpoch, MetadataOffset, ObjectId, ProducerId, StreamEpoch, StreamId, TopicId,
    TopicIdPartition,
};
use serde::{Deserialize, Serialize};
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use wavetank_sim::{Nanos, SortedMap};

/// A broker's registration.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct BrokerState {
    /// Its number of this life.
    pub incarnation: u64,
    /// Its registration.
    pub epoch: BrokerEpoch,
    /// Its zone.
    pub rack: u32,
    /// It leads nothing and is not in the clients' metadata.
    pub fenced: bool,
    /// It is leaving.
    pub shutting_down: bool,
    /// The metadata offset of its registration: it is ready when it has applied that.
    pub registered_at: MetadataOffset,
}

/// A topic.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TopicImage {
    /// Its name.
    pub name: Arc<str>,
    /// Its partitions.
    pub partitions: Vec<PartitionImage>,
}

/// A partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PartitionImage {
    /// Who leads it.
    pub leader: Option<BrokerId>,
    /// Since which epoch.
    pub leader_epoch: LeaderEpoch,
}

/// A broker's standing in shared storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct WalNode {
    /// The epoch that may commit.
    pub epoch: BrokerEpoch,
    /// Only its rescuer may act for it.
    pub failover: bool,
}

/// Whether somebody has a stream open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum StreamState {
    /// Somebody has.
    Opened,
    /// Nobody has.
    Closed,
}

/// One owner's part of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct StreamRangeImage {
    /// The epoch of its opening.
    pub epoch: StreamEpoch,
    /// From this offset.
    pub start_offset: u64,
    /// Whose.
    pub broker: BrokerId,
}

/// A stream.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct StreamImage {
    /// The partition it belongs to.
    pub tag: TopicIdPartition,
    /// The epoch of its last opening.
    pub epoch: StreamEpoch,
    /// Where it begins.
    pub start_offset: u64,
    /// Where it ends: all before is in objects.
    pub end_offset: u64,
    /// Whether somebody has it open.
    pub state: StreamState,
    /// Its owners in order; the last is the present one's.
    pub ranges: Vec<StreamRangeImage>,
    /// Its stream objects by start offset.
    pub objects: SortedMap<u64, StreamObjectImage>,
}

impl StreamImage {
    /// Who has it open, or had it last.
    pub fn owner(&self) -> Option<BrokerId> {
        self.ranges.last().map(|range| range.broker)
    }
}

/// A stream object, under its start offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct StreamObjectImage {
    /// Which.
    pub object: ObjectId,
    /// Offset after its last.
    pub end: u64,
}

/// Where an object is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ObjectState {
    /// Its id is given out; it is dropped if it is not committed until then (controller's wall clock, ms).
    Prepared {
        /// Until when.
        until_ms: i64,
    },
    /// It holds data.
    Committed {
        /// Bytes.
        size: u64,
    },
    /// Nothing refers to it; it is deleted some time after (controller's wall clock, ms).
    MarkDestroyed {
        /// Since when.
        at_ms: i64,
        /// Whether it ever held data: if not, its writer gave up or was too late.
        was_committed: bool,
    },
}

/// An object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ObjectImage {
    /// Its state.
    pub state: ObjectState,
}

/// A stream-set object.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct StreamSetObjectImage {
    /// Whose.
    pub broker: BrokerId,
    /// Orders a broker's stream-set objects.
    pub order: ObjectId,
    /// What is in it, by stream, ascending.
    pub ranges: Arc<[StreamRange]>,
}

/// Settings that topics have of their own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TopicConfigs(SortedMap<(TopicId, TopicSetting), i64>);

impl TopicConfigs {
    /// A topic's own; `None`: it has the brokers'.
    pub fn get(&self, topic: TopicId, setting: TopicSetting) -> Option<i64> {
        self.0.get(&(topic, setting)).copied()
    }

    /// Whether no topic has any.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Hash for TopicConfigs {
    /// A cluster in which no topic has any is told apart as before there were any.
    fn hash<H: Hasher>(&self, state: &mut H) {
        if !self.is_empty() {
            self.0.hash(state);
        }
    }
}

/// The metadata of a cluster, up to an offset.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ClusterImage {
    /// Offset after the last entry that is in it.
    pub next: MetadataOffset,
    /// Brokers.
    pub brokers: SortedMap<BrokerId, BrokerState>,
    /// Topics.
    pub topics: SortedMap<TopicId, TopicImage>,
    /// The next producer id.
    pub next_producer_id: ProducerId,
    /// Brokers in shared storage.
    pub wal_nodes: SortedMap<BrokerId, WalNode>,
    /// The next stream.
    pub next_stream: StreamId,
    /// Streams.
    pub streams: SortedMap<StreamId, StreamImage>,
    /// What brokers still have to upload of streams that they have closed fast.
    pub uncommitted: SortedMap<(BrokerId, StreamId), StreamRange>,
    /// The next object.
    pub next_object: ObjectId,
    /// Objects.
    pub objects: SortedMap<ObjectId, ObjectImage>,
    /// Stream-set objects.
    pub stream_set_objects: SortedMap<ObjectId, StreamSetObjectImage>,
    /// By stream, the stream-set objects with something of it, by start offset.
    in_sets: SortedMap<StreamId, SortedMap<u64, (u64, ObjectId)>>,
    /// The cluster's KV.
    pub kv: SortedMap<Arc<str>, Arc<[u8]>>,
    /// Settings of topics. In a file they come after the image, where there are any.
    #[serde(skip)]
    pub topic_configs: TopicConfigs,
}

/// A piece of a stream in an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamPiece {
    /// Which object.
    pub object: ObjectId,
    /// What of the stream is in it.
    pub range: StreamRange,
}

impl ClusterImage {
    /// The next entry of the log.
    ///
    /// # Panics
    /// When it is not the next.
    pub fn apply(&mut self, entry: &Entry) {
        assert_eq!(entry.offset, self.next, "an image takes entries in order");
        for record in &entry.records {
            self.apply_record(entry.offset, record);
        }
        self.next = MetadataOffset(entry.offset.0 + 1);
    }

    /// One record of the entry at that offset.
    pub(crate) fn apply_record(&mut self, offset: MetadataOffset, record: &MetadataRecord) {
        match record {
            MetadataRecord::LeaderChange(_) | MetadataRecord::NoOp => {}
            MetadataRecord::RegisterBroker { broker, incarnation, epoch, rack } => {
                let (incarnation, epoch, rack) = (*incarnation, *epoch, *rack);
                let state =
                    BrokerState { incarnation, epoch, rack, fenced: true, shutting_down: false, registered_at: offset };
                self.brokers.insert(*broker, state);
            }
            MetadataRecord::FenceBroker { broker, epoch } => self.set_fenced(*broker, *epoch, true),
            MetadataRecord::UnfenceBroker { broker, epoch } => self.set_fenced(*broker, *epoch, false),
            MetadataRecord::ShutDownBroker { broker, epoch } => {
                if let Some(state) = self.brokers.get_mut(broker).filter(|state| state.epoch == *epoch) {
                    state.shutting_down = true;
                }
            }
            MetadataRecord::Topic { topic, name } => {
                self.topics.insert(*topic, TopicImage { name: name.clone(), partitions: Vec::new() });
            }
            MetadataRecord::Partition { tp, leader, leader_epoch } => self.set_partition(*tp, *leader, *leader_epoch),
            MetadataRecord::ProducerIds(next) => self.next_producer_id = *next,
            MetadataRecord::WalNode { broker, epoch, failover } => {
                self.wal_nodes.insert(*broker, WalNode { epoch: *epoch, failover: *failover });
            }
            MetadataRecord::NextStream(next) => self.next_stream = *next,
            MetadataRecord::NextObject(next) => self.next_object = *next,
            MetadataRecord::Stream { stream, tag, epoch, start_offset, opened } => {
                let state = if *opened { StreamState::Opened } else { StreamState::Closed };
                self.set_stream(*stream, *tag, *epoch, *start_offset, state);
            }
            MetadataRecord::Range { stream, index, epoch, start_offset, broker } => {
                let ranges = &mut self.stream_mut(*stream).ranges;
                assert_eq!(*index as usize, ranges.len(), "a stream's ranges are numbered as they come");
                ranges.push(StreamRangeImage { epoch: *epoch, start_offset: *start_offset, broker: *broker });
            }
            MetadataRecord::StreamEndOffsets(ends) => {
                for (stream, end) in ends {
                    self.stream_mut(*stream).end_offset = *end;
                }
            }
            MetadataRecord::WalUncommitted { broker, range } => {
                if range.start < range.end {
                    self.uncommitted.insert((*broker, range.stream), *range);
                } else {
                    self.uncommitted.remove(&(*broker, range.stream));
                }
            }
            MetadataRecord::Object { object, state } => {
                self.objects.insert(*object, ObjectImage { state: *state });
            }
            MetadataRecord::RemoveObject(object) => {
                self.objects.remove(object);
            }
            MetadataRecord::StreamSetObject { object, broker, order, ranges } => {
                for range in ranges {
                    self.in_sets.entry(range.stream).or_default().insert(range.start, (range.end, *object));
                }
                let set = StreamSetObjectImage { broker: *broker, order: *order, ranges: ranges.as_slice().into() };
                self.stream_set_objects.insert(*object, set);
            }
            MetadataRecord::RemoveStreamSetObject(object) => self.remove_set(*object),
            MetadataRecord::StreamObject { object, range } => {
                let image = StreamObjectImage { object: *object, end: range.end };
                self.stream_mut(range.stream).objects.insert(range.start, image);
            }
            MetadataRecord::RemoveStreamObject { stream, object } => {
                self.stream_mut(*stream).objects.retain(|_, image| image.object != *object);
            }
            MetadataRecord::Kv { key, value: Some(value) } => {
                self.kv.insert(key.clone(), value.clone());
            }
            MetadataRecord::Kv { key, value: None } => {
                self.kv.remove(key);
            }
            MetadataRecord::TopicConfig { topic, setting, value: Some(value) } => {
                self.topic_configs.0.insert((*topic, *setting), *value);
            }
            MetadataRecord::TopicConfig { topic, setting, value: None } => {
                self.topic_configs.0.remove(&(*topic, *setting));
            }
        }
    }

    fn set_fenced(&mut self, broker: BrokerId, epoch: BrokerEpoch, fenced: bool) {
        if let Some(state) = self.brokers.get_mut(&broker).filter(|state| state.epoch == epoch) {
            state.fenced = fenced;
        }
    }

    fn set_partition(&mut self, tp: TopicIdPartition, leader: Option<BrokerId>, leader_epoch: LeaderEpoch) {
        let topic = self.topics.get_mut(&tp.topic).expect("a partition comes after its topic");
        let image = PartitionImage { leader, leader_epoch };
        match topic.partitions.get_mut(tp.partition as usize) {
            Some(partition) => *partition = image,
            None => {
                assert_eq!(tp.partition as usize, topic.partitions.len(), "partitions are numbered as they come");
                topic.partitions.push(image);
            }
        }
    }

    fn set_stream(
        &mut self,
        stream: StreamId,
        tag: TopicIdPartition,
        epoch: StreamEpoch,
        start_offset: u64,
        state: StreamState,
    ) {
        let image = self.streams.entry(stream).or_insert_with(|| StreamImage {
            tag,
            epoch,
            start_offset,
            end_offset: start_offset,
            state,
            ranges: Vec::new(),
            objects: SortedMap::new(),
        });
        (image.epoch, image.start_offset, image.state) = (epoch, start_offset, state);
        image.end_offset = image.end_offset.max(start_offset);
    }

    fn stream_mut(&mut self, stream: StreamId) -> &mut StreamImage {
        self.streams.get_mut(&stream).expect("a stream's records come after it")
    }

    fn remove_set(&mut self, object: ObjectId) {
        let Some(set) = self.stream_set_objects.remove(&object) else { return };
        for range in set.ranges.iter() {
            let Some(pieces) = self.in_sets.get_mut(&range.stream) else { continue };
            // A compaction may have put its own piece in this one's place already.
            if pieces.get(&range.start).is_some_and(|(_, of)| *of == object) {
                pieces.remove(&range.start);
            }
        }
    }

    /// A partition.
    pub fn partition(&self, tp: TopicIdPartition) -> Option<PartitionImage> {
        self.topics.get(&tp.topic)?.partitions.get(tp.partition as usize).copied()
    }

    /// All partitions, in order.
    pub fn partitions(&self) -> impl Iterator<Item = (TopicIdPartition, PartitionImage)> {
        self.topics.iter().flat_map(|(topic, image)| {
            let of = move |(n, partition): (usize, &PartitionImage)| {
                (TopicIdPartition { topic: *topic, partition: n as u32 }, *partition)
            };
            image.partitions.iter().enumerate().map(of)
        })
    }

    /// The piece of a stream that holds an offset.
    pub fn piece_at(&self, stream: StreamId, offset: u64) -> Option<StreamPiece> {
        let of_stream = self.streams.get(&stream)?.objects.range(..=offset).next_back();
        let own = of_stream.map(|(start, image)| (*start, image.end, image.object));
        let in_set = self.in_sets.get(&stream).and_then(|pieces| pieces.range(..=offset).next_back());
        let in_set = in_set.map(|(start, (end, object))| (*start, *end, *object));
        let holds = |piece: &(u64, u64, ObjectId)| offset < piece.1;
        let (start, end, object) = own.filter(holds).or(in_set.filter(holds))?;
        Some(StreamPiece { object, range: StreamRange { stream, start, end } })
    }

    /// Size of a committed object in bytes.
    pub fn object_size(&self, object: ObjectId) -> Option<u64> {
        match self.objects.get(&object)?.state {
            ObjectState::Committed { size } => Some(size),
            ObjectState::Prepared { .. } | ObjectState::MarkDestroyed { .. } => None,
        }
    }

    /// Streams that a broker has open.
    pub fn opened_by(&self, broker: BrokerId) -> impl Iterator<Item = (StreamId, &StreamImage)> {
        let is_its = move |image: &&StreamImage| image.state == StreamState::Opened && image.owner() == Some(broker);
        self.streams.iter().filter(move |(_, image)| is_its(image)).map(|(stream, image)| (*stream, image))
    }

    /// Bytes of a snapshot, about: forty a thing.
    pub fn wire_bytes(&self) -> u64 {
        let partitions: usize = self.topics.values().map(|topic| 1 + topic.partitions.len()).sum();
        let of_streams = |stream: &StreamImage| 1 + stream.ranges.len() + stream.objects.len();
        let streams: usize = self.streams.values().map(of_streams).sum();
        let pieces: usize = self.stream_set_objects.values().map(|set| 1 + set.ranges.len()).sum();
        let others = self.brokers.len() + self.wal_nodes.len() + self.uncommitted.len() + self.objects.len();
        let others = others + self.topic_configs.0.len();
        let kv: usize = self.kv.iter().map(|(key, value)| key.len() + value.len() + 10).sum();
        61 + 40 * (partitions + streams + pieces + others) as u64 + kv as u64
    }

    /// When the wall clock says this many milliseconds.
    pub fn wall_ms(wall: Nanos) -> i64 {
        (wall.0 / 1_000_000) as i64
    }
}
