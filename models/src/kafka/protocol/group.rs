//! Consumer groups: the classic protocol (JoinGroup, SyncGroup, Heartbeat, LeaveGroup) and group offsets.

use super::{ErrorCode, WireSize};
use crate::kafka::ids::{BrokerId, GroupId, TopicId, TopicIdPartition};
use std::sync::Arc;
use wavetank_sim::Nanos;

/// A member of a group, named by the coordinator at its first join (KIP-394); never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MemberId(pub u64);

/// `partition.assignment.strategy`, as far as the protocol goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum RebalanceProtocol {
    /// Everything is given up before joining.
    #[default]
    Eager,
    /// Only what moves is given up, in a second rebalance (KIP-429).
    Cooperative,
}

/// Who coordinates a group.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FindCoordinatorRequest {
    /// The group.
    pub group: GroupId,
}
/// The leader of the group's partition of `__consumer_offsets`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FindCoordinatorResponse {
    /// Who, or why nobody.
    pub result: Result<BrokerId, ErrorCode>,
}

/// Join or rejoin.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct JoinGroupRequest {
    /// The group.
    pub group: GroupId,
    /// `None`: a new member; it is refused with `MEMBER_ID_REQUIRED` and its id, and joins with that.
    pub member: Option<MemberId>,
    /// `session.timeout.ms`.
    pub session_timeout: Nanos,
    /// `max.poll.interval.ms`: how long a rebalance waits for this member.
    pub rebalance_timeout: Nanos,
    /// Eager or cooperative.
    pub protocol: RebalanceProtocol,
    /// Topics subscribed to.
    pub topics: Vec<TopicId>,
    /// What it owns now (cooperative).
    pub owned: Vec<TopicIdPartition>,
    /// `client.rack` (version 3 of a consumer's subscription, KIP-881).
    pub rack: Option<u32>,
}
/// The member's subscription, as the leader of the group gets it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MemberSubscription {
    /// Who.
    pub member: MemberId,
    /// Topics subscribed to.
    pub topics: Vec<TopicId>,
    /// What it owns now.
    pub owned: Vec<TopicIdPartition>,
    /// Its `client.rack`.
    pub rack: Option<u32>,
}
/// Joined.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct JoinGroupResponse {
    /// The id that was given, with `MEMBER_ID_REQUIRED` too.
    pub member: Option<MemberId>,
    /// The new generation, or why not.
    pub result: Result<Joined, ErrorCode>,
}
/// A generation that the member belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Joined {
    /// The generation.
    pub generation: u32,
    /// Who assigns.
    pub leader: MemberId,
    /// For the leader alone: all members.
    pub members: Vec<MemberSubscription>,
}

/// Give (the leader) and get (all) the assignment.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SyncGroupRequest {
    /// The group.
    pub group: GroupId,
    /// Who.
    pub member: MemberId,
    /// Of which generation.
    pub generation: u32,
    /// From the leader: who gets what.
    pub assignments: Vec<(MemberId, Vec<TopicIdPartition>)>,
}
/// What this member is to read.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SyncGroupResponse {
    /// Partitions, or why none.
    pub result: Result<Vec<TopicIdPartition>, ErrorCode>,
}

/// Still here.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HeartbeatRequest {
    /// The group.
    pub group: GroupId,
    /// Who.
    pub member: MemberId,
    /// Of which generation.
    pub generation: u32,
}
/// All is well, or not (`REBALANCE_IN_PROGRESS`: rejoin).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HeartbeatResponse {
    /// Why not.
    pub error: Option<ErrorCode>,
}

/// Leaves.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LeaveGroupRequest {
    /// The group.
    pub group: GroupId,
    /// Who.
    pub member: MemberId,
}
/// Has left.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LeaveGroupResponse {
    /// Why not.
    pub error: Option<ErrorCode>,
}

/// This far: next offsets to read.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct OffsetCommitRequest {
    /// The group.
    pub group: GroupId,
    /// Member and generation; `None` of one that assigns itself (Flink), which is accepted while the group is empty.
    pub member: Option<(MemberId, u32)>,
    /// Next offsets.
    pub offsets: Vec<(TopicIdPartition, u64)>,
}
/// Committed, partition by partition.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct OffsetCommitResponse {
    /// In the order of the request.
    pub partitions: Vec<(TopicIdPartition, Option<ErrorCode>)>,
}

/// How far?
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct OffsetFetchRequest {
    /// The group.
    pub group: GroupId,
    /// Of which partitions.
    pub partitions: Vec<TopicIdPartition>,
}
/// The next offset of each partition; `None`: nothing is committed.
pub type CommittedOffsets = Arc<[(TopicIdPartition, Option<u64>)]>;
/// Committed offsets.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct OffsetFetchResponse {
    /// By partition, in the order of the request; `None`: nothing committed. Or why not.
    pub result: Result<CommittedOffsets, ErrorCode>,
}

impl WireSize for FindCoordinatorRequest {
    fn wire_bytes(&self) -> u64 {
        20
    }
}
impl WireSize for FindCoordinatorResponse {
    fn wire_bytes(&self) -> u64 {
        30
    }
}
/// A zone's name, `use1-az1`; its absence is counted with the rest.
fn rack_bytes(rack: Option<u32>) -> u64 {
    rack.map_or(0, |_| 8)
}
impl WireSize for JoinGroupRequest {
    fn wire_bytes(&self) -> u64 {
        90 + 20 * self.topics.len() as u64 + 4 * self.owned.len() as u64 + rack_bytes(self.rack)
    }
}
impl WireSize for JoinGroupResponse {
    fn wire_bytes(&self) -> u64 {
        let member =
            |m: &MemberSubscription| 60 + 20 * m.topics.len() as u64 + 4 * m.owned.len() as u64 + rack_bytes(m.rack);
        90 + self.result.as_ref().map_or(0, |joined| joined.members.iter().map(member).sum())
    }
}
impl WireSize for SyncGroupRequest {
    fn wire_bytes(&self) -> u64 {
        60 + self.assignments.iter().map(|(_, partitions)| 60 + 4 * partitions.len() as u64).sum::<u64>()
    }
}
impl WireSize for SyncGroupResponse {
    fn wire_bytes(&self) -> u64 {
        30 + self.result.as_ref().map_or(0, |partitions| 4 * partitions.len() as u64)
    }
}
impl WireSize for HeartbeatRequest {
    fn wire_bytes(&self) -> u64 {
        60
    }
}
impl WireSize for HeartbeatResponse {
    fn wire_bytes(&self) -> u64 {
        6
    }
}
impl WireSize for LeaveGroupRequest {
    fn wire_bytes(&self) -> u64 {
        60
    }
}
impl WireSize for LeaveGroupResponse {
    fn wire_bytes(&self) -> u64 {
        6
    }
}
impl WireSize for OffsetCommitRequest {
    fn wire_bytes(&self) -> u64 {
        60 + 24 * self.offsets.len() as u64
    }
}
impl WireSize for OffsetCommitResponse {
    fn wire_bytes(&self) -> u64 {
        10 + 6 * self.partitions.len() as u64
    }
}
impl WireSize for OffsetFetchRequest {
    fn wire_bytes(&self) -> u64 {
        30 + 4 * self.partitions.len() as u64
    }
}
impl WireSize for OffsetFetchResponse {
    fn wire_bytes(&self) -> u64 {
        10 + self.result.as_ref().map_or(0, |offsets| 22 * offsets.len() as u64)
    }
}
