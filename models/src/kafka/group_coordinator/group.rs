//! One group, as its coordinator has it (`ClassicGroup`).

use super::ReplyTo;
use super::record::{GroupRecord, MemberRecord};
use crate::kafka::ids::{GroupId, TopicId, TopicIdPartition};
use crate::kafka::protocol::group::{Joined, MemberId, MemberSubscription, RebalanceProtocol};
use bytes::Bytes;
use wavetank_sim::{Nanos, SortedMap};

/// Where a group is in its life. A group that is dead is not there any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// No members; perhaps offsets.
    Empty,
    /// Members are to join again by then.
    PreparingRebalance {
        /// Who has not by then is out.
        until: Nanos,
        /// The group was empty: it waits for more members (`group.initial.rebalance.delay.ms`), but not beyond this.
        initial_until: Option<Nanos>,
    },
    /// The leader is to assign by then.
    CompletingRebalance {
        /// Who has not asked for its assignment by then is out.
        until: Nanos,
        /// The assignment is being written: it is the answer when it is durable.
        is_writing: bool,
    },
    /// All members have their assignment.
    Stable,
}

#[derive(Clone, Debug)]
pub(super) struct Member {
    pub session_timeout: Nanos,
    pub rebalance_timeout: Nanos,
    pub topics: Vec<TopicId>,
    pub owned: Vec<TopicIdPartition>,
    pub rack: Option<u32>,
    pub assignment: Vec<TopicIdPartition>,
    /// When its session is over.
    pub expires: Nanos,
    /// Its JoinGroup waits for the end of the phase.
    pub joining: Option<ReplyTo>,
    /// Its SyncGroup waits for the assignment.
    pub syncing: Option<ReplyTo>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Committed {
    pub offset: u64,
    pub at: Nanos,
}

#[derive(Debug)]
pub(super) struct Group {
    pub id: GroupId,
    pub phase: Phase,
    pub generation: u32,
    pub protocol: RebalanceProtocol,
    pub leader: Option<MemberId>,
    pub members: SortedMap<MemberId, Member>,
    /// Ids that were given to members who have not joined with them yet, until then.
    pub pending: SortedMap<MemberId, Nanos>,
    pub offsets: SortedMap<TopicIdPartition, Committed>,
    pub commits_on_the_way: u32,
    /// Since when it has no members.
    pub empty_since: Nanos,
    /// Its last generation that is written, as it is written.
    pub written: Option<Bytes>,
}

impl Group {
    pub fn new(id: GroupId, now: Nanos) -> Group {
        Group {
            id,
            phase: Phase::Empty,
            generation: 0,
            protocol: RebalanceProtocol::Eager,
            leader: None,
            members: SortedMap::new(),
            pending: SortedMap::new(),
            offsets: SortedMap::new(),
            commits_on_the_way: 0,
            empty_since: now,
            written: None,
        }
    }

    /// Whether everybody known has joined.
    pub fn all_joined(&self) -> bool {
        self.pending.is_empty() && self.members.values().all(|member| member.joining.is_some())
    }

    pub fn rebalance_timeout(&self) -> Nanos {
        self.members.values().map(|member| member.rebalance_timeout).max().unwrap_or(Nanos::ZERO)
    }

    /// What a member is told when it has joined; the leader gets everybody's subscription.
    pub fn joined(&self, member: MemberId) -> Joined {
        let leader = self.leader.expect("a generation has a leader");
        let subscription = |(id, member): (&MemberId, &Member)| MemberSubscription {
            member: *id,
            topics: member.topics.clone(),
            owned: member.owned.clone(),
            rack: member.rack,
        };
        let members = if member == leader { self.members.iter().map(subscription).collect() } else { Vec::new() };
        Joined { generation: self.generation, leader, members }
    }

    /// The generation as a record, with this assignment.
    pub fn record(&self, now: Nanos, assignments: &SortedMap<MemberId, Vec<TopicIdPartition>>) -> GroupRecord {
        let member = |(id, member): (&MemberId, &Member)| MemberRecord {
            member: id.0,
            session_timeout: member.session_timeout.0,
            rebalance_timeout: member.rebalance_timeout.0,
            topics: member.topics.clone(),
            assignment: assignments.get(id).cloned().unwrap_or_default(),
        };
        GroupRecord::Generation {
            group: self.id,
            at: now.0,
            generation: self.generation,
            cooperative: self.protocol == RebalanceProtocol::Cooperative,
            leader: self.leader.map(|leader| leader.0),
            members: self.members.iter().map(member).collect(),
        }
    }

    /// All that is written of it, without what was superseded.
    pub fn records(&self) -> impl Iterator<Item = Bytes> + use<> {
        let mut by_time: SortedMap<Nanos, Vec<(TopicIdPartition, Option<u64>)>> = SortedMap::new();
        for (tp, known) in &self.offsets {
            by_time.entry(known.at).or_default().push((*tp, Some(known.offset)));
        }
        let group = self.id;
        let offsets = by_time.into_iter().map(move |(at, offsets)| GroupRecord::Offsets { group, at: at.0, offsets });
        self.written.clone().into_iter().chain(offsets.map(|record| record.encode()))
    }

    /// When something in it is due.
    pub fn next_deadline(&self) -> Nanos {
        let phase = match self.phase {
            Phase::Empty | Phase::Stable => Nanos::MAX,
            Phase::PreparingRebalance { until, .. } | Phase::CompletingRebalance { until, .. } => until,
        };
        let waits = |member: &&Member| member.joining.is_none() && member.syncing.is_none();
        let sessions = self.members.values().filter(waits).map(|member| member.expires).min();
        let pending = self.pending.values().copied().min();
        phase.min(sessions.unwrap_or(Nanos::MAX)).min(pending.unwrap_or(Nanos::MAX))
    }
}
