//! Names of things in a cluster: newtypes, so that nothing is mixed up.

use serde::{Deserialize, Serialize};
use std::cmp::Ordering;
use std::fmt;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident($inner:ty);)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    )*};
}

ids! {
    /// A broker, by `broker.id`: the same in every life.
    BrokerId(u32);
    /// One registration of a broker: AutoMQ's node epoch, the wall clock in milliseconds when its process started
    /// (`AutoMQConfig`). Grows from life to life, as long as the clock does.
    BrokerEpoch(i64);
    /// A controller of the quorum.
    ControllerId(u32);
    /// The term of one active controller: Raft's term.
    ControllerEpoch(u32);
    /// A topic.
    TopicId(u32);
    /// The term of one leader of a partition.
    LeaderEpoch(u32);
    /// An idempotent or transactional producer's session.
    ProducerId(u64);
    /// Fences earlier users of a producer id.
    ProducerEpoch(u16);
    /// One source of load: the part of a record's identity that says who made it.
    WriterId(u32);
    /// A stream of S3Stream: an append-only log in shared storage.
    StreamId(u64);
    /// Fences earlier owners of a stream: the leader epoch of the partition that opened it.
    StreamEpoch(u64);
    /// An object in shared storage, numbered by the controller in the order of `prepareObject`.
    ObjectId(u64);
    /// A consumer group.
    GroupId(u32);
    /// A place in the metadata log.
    MetadataOffset(u64);
}

/// A partition of a topic, by the topic's id: Kafka's `TopicIdPartition`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TopicIdPartition {
    /// The topic.
    pub topic: TopicId,
    /// The partition's number, from 0.
    pub partition: u32,
}

/// By topic, then by number: as one word, for tables of partitions are what is searched most.
impl Ord for TopicIdPartition {
    fn cmp(&self, other: &Self) -> Ordering {
        let word = |tp: &Self| u64::from(tp.topic.0) << 32 | u64::from(tp.partition);
        word(self).cmp(&word(other))
    }
}

impl PartialOrd for TopicIdPartition {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for TopicIdPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.topic, self.partition)
    }
}
