//! What a coordinator writes to `__consumer_offsets` (`GroupMetadataValue`, `OffsetCommitValue`).

use crate::kafka::ids::{GroupId, TopicId, TopicIdPartition};
use crate::kafka::protocol::group::{MemberId, RebalanceProtocol};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use wavetank_sim::Nanos;

/// A record. The last one of its kind for a group, or for a group and a partition, counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum GroupRecord {
    /// Committed offsets.
    Offsets {
        /// Of which group.
        group: GroupId,
        /// When, in nanoseconds of the coordinator's clock.
        at: u64,
        /// Next offsets to read; `None`: expired.
        offsets: Vec<(TopicIdPartition, Option<u64>)>,
    },
    /// A generation and its assignment; without members: the group is empty.
    Generation {
        /// Of which group.
        group: GroupId,
        /// When, in nanoseconds of the coordinator's clock.
        at: u64,
        /// Its number.
        generation: u32,
        /// Whether it is cooperative.
        cooperative: bool,
        /// Who assigned.
        leader: Option<u64>,
        /// Its members.
        members: Vec<MemberRecord>,
    },
}

/// A member of a generation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberRecord {
    /// Its id.
    pub member: u64,
    /// `session.timeout.ms`, in nanoseconds.
    pub session_timeout: u64,
    /// `max.poll.interval.ms`, in nanoseconds.
    pub rebalance_timeout: u64,
    /// What it is subscribed to.
    pub topics: Vec<TopicId>,
    /// What it is to read.
    pub assignment: Vec<TopicIdPartition>,
}

/// Bytes are no record of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("not a record of __consumer_offsets")]
pub struct GroupRecordError;

impl GroupRecord {
    /// As bytes, for a batch of `__consumer_offsets`.
    pub fn encode(&self) -> Bytes {
        postcard::to_stdvec(self).expect("a record has a size").into()
    }

    /// From bytes.
    ///
    /// # Errors
    /// When they are none.
    pub fn decode(bytes: &[u8]) -> Result<GroupRecord, GroupRecordError> {
        postcard::from_bytes(bytes).map_err(|_| GroupRecordError)
    }
}

impl MemberRecord {
    pub(super) fn id(&self) -> MemberId {
        MemberId(self.member)
    }
}

pub(super) fn protocol(cooperative: bool) -> RebalanceProtocol {
    if cooperative { RebalanceProtocol::Cooperative } else { RebalanceProtocol::Eager }
}

pub(super) fn nanos(n: u64) -> Nanos {
    Nanos(n)
}
