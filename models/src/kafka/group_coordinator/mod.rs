//! The coordinator of consumer groups: the classic protocol and group offsets (`GroupMetadataManager`, `OffsetMetadataManager`
//! of Kafka 4.x, and `GroupCoordinator.scala` before).
//!
//! One [`GroupCoordinator`] stands for one partition of `__consumer_offsets`; the broker that leads the partition makes it,
//! [replays](GroupCoordinator::replay) the partition into it, and drops it when it leads no more. It is pure: it is told
//! the time, and says what is to be done ([`CoordinatorEffect`]). What it writes counts, and is answered, when the broker
//! [says](GroupCoordinator::appended) that it is durable.
//!
//! ```text
//!   Empty ── first join ──> PreparingRebalance ── all joined, or time over ──> CompletingRebalance
//!     ^                       ^        ^                                          │ leader's SyncGroup is durable
//!     └── last member leaves ─┘        └── join, leave, session over ── Stable <──┘
//! ```
//!
//! Simpler than reality: no static members (`group.instance.id`), no KIP-848 groups, no transactional commits, one protocol
//! a member (so a group whose members name different ones is refused, not voted on).

mod group;
mod join;
mod offsets;
mod record;
#[cfg(test)]
mod tests;
mod time;

pub use group::Phase;
pub use record::{GroupRecord, GroupRecordError, MemberRecord};

use super::ids::{GroupId, TopicIdPartition};
use super::protocol::group::*;
use super::protocol::{ErrorCode, Request, Response};
use bytes::Bytes;
use group::{Committed, Group, Member};
use wavetank_sim::{Nanos, SortedMap};

/// Where an answer goes: the broker's own number of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ReplyTo(pub u64);

/// An append that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AppendId(pub u64);

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CoordinatorEffect {
    /// Answer a request.
    Reply {
        /// Which.
        to: ReplyTo,
        /// With what.
        response: Response,
    },
    /// Append a record to the partition, in this order, as [`Records::Inline`](super::batch::Records), and say when it is
    /// durable.
    Append {
        /// Of which group.
        group: GroupId,
        /// The record.
        bytes: Bytes,
        /// By what to say so.
        then: AppendId,
    },
    /// Call [`tick`](GroupCoordinator::tick) at that time.
    SetTimer {
        /// When.
        at: Nanos,
    },
}

/// A broker's settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupCoordinatorSettings {
    /// `group.initial.rebalance.delay.ms`.
    pub initial_rebalance_delay: Nanos,
    /// `group.min.session.timeout.ms`.
    pub min_session_timeout: Nanos,
    /// `group.max.session.timeout.ms`.
    pub max_session_timeout: Nanos,
    /// `offsets.retention.minutes`.
    pub offsets_retention: Nanos,
    /// `offsets.retention.check.interval.ms`.
    pub offsets_retention_check_interval: Nanos,
}

impl Default for GroupCoordinatorSettings {
    fn default() -> GroupCoordinatorSettings {
        GroupCoordinatorSettings {
            initial_rebalance_delay: Nanos::secs(3),
            min_session_timeout: Nanos::secs(6),
            max_session_timeout: Nanos::secs(1800),
            offsets_retention: Nanos::secs(7 * 86_400),
            offsets_retention_check_interval: Nanos::secs(600),
        }
    }
}

/// What an append is waited for by.
#[derive(Debug)]
enum Then {
    /// These offsets are committed, and somebody is told.
    Commit { group: GroupId, at: Nanos, offsets: Vec<(TopicIdPartition, u64)>, to: ReplyTo },
    /// These offsets are gone.
    Expire { group: GroupId, partitions: Vec<TopicIdPartition> },
    /// The generation has its assignment.
    Assign { group: GroupId, generation: u32, assignments: SortedMap<MemberId, Vec<TopicIdPartition>> },
    /// Nothing: the group is empty, whether that is written or not.
    Nothing,
}

/// An append that is on its way.
#[derive(Debug)]
struct Append {
    then: Then,
    /// The generation that it writes.
    generation: Option<(GroupId, Bytes)>,
}

/// See the [module](self).
#[derive(Debug)]
pub struct GroupCoordinator {
    settings: GroupCoordinatorSettings,
    /// Tells this coordinator's members from those of all others.
    nonce: u64,
    next_member: u64,
    next_append: u64,
    groups: SortedMap<GroupId, Group>,
    appends: SortedMap<AppendId, Append>,
    next_retention_check: Nanos,
    /// For when a timer is set.
    armed: Nanos,
    effects: Vec<CoordinatorEffect>,
}

impl GroupCoordinator {
    /// One that knows no group yet. `nonce` is random: ids of members are made of it.
    pub fn new(settings: GroupCoordinatorSettings, nonce: u64) -> GroupCoordinator {
        GroupCoordinator {
            settings,
            nonce,
            next_member: 0,
            next_append: 0,
            groups: SortedMap::new(),
            appends: SortedMap::new(),
            next_retention_check: Nanos::ZERO,
            armed: Nanos::MAX,
            effects: Vec::new(),
        }
    }

    /// The partition of `__consumer_offsets` that a group's coordinator leads (`partitionFor`).
    pub fn partition_of(group: GroupId, partitions: u32) -> u32 {
        crc32c::crc32c(&group.0.to_le_bytes()) % partitions
    }

    /// Takes in a record of the partition, in order, before anything else.
    ///
    /// # Errors
    /// When it is none.
    pub fn replay(&mut self, bytes: &[u8]) -> Result<(), GroupRecordError> {
        match GroupRecord::decode(bytes)? {
            GroupRecord::Offsets { group, at, offsets } => {
                let group = self.groups.entry(group).or_insert_with(|| Group::new(group, Nanos(at)));
                for (tp, offset) in offsets {
                    group.offsets.remove(&tp);
                    group.offsets.extend(offset.map(|offset| (tp, Committed { offset, at: Nanos(at) })));
                }
            }
            GroupRecord::Generation { group, at, generation, cooperative, leader, members } => {
                let group = self.groups.entry(group).or_insert_with(|| Group::new(group, Nanos(at)));
                group.written = Some(Bytes::copy_from_slice(bytes));
                group.generation = generation;
                group.protocol = record::protocol(cooperative);
                group.leader = leader.map(MemberId);
                group.members = members.iter().map(|record| (record.id(), replayed(record))).collect();
                (group.phase, group.empty_since) = match group.members.is_empty() {
                    true => (Phase::Empty, Nanos(at)),
                    false => (Phase::Stable, group.empty_since),
                };
            }
        }
        Ok(())
    }

    /// All has been replayed: sessions begin anew.
    pub fn loaded(&mut self, now: Nanos) -> Vec<CoordinatorEffect> {
        for group in self.groups.values_mut() {
            for member in group.members.values_mut() {
                member.expires = now + member.session_timeout;
            }
        }
        self.next_retention_check = now + self.settings.offsets_retention_check_interval;
        self.done()
    }

    /// A request for a group of this partition. Requests that are not for a coordinator are the broker's mistake.
    pub fn handle(&mut self, now: Nanos, request: Request, to: ReplyTo) -> Vec<CoordinatorEffect> {
        match request {
            Request::JoinGroup(request) => self.join(now, request, to),
            Request::SyncGroup(request) => self.sync(now, request, to),
            Request::Heartbeat(request) => {
                let error = self.heartbeat(now, &request).err();
                self.reply(to, Response::Heartbeat(HeartbeatResponse { error }));
            }
            Request::LeaveGroup(request) => {
                let error = self.leave(now, &request).err();
                self.reply(to, Response::LeaveGroup(LeaveGroupResponse { error }));
            }
            Request::OffsetCommit(request) => self.commit(now, request, to),
            Request::OffsetFetch(request) => self.fetch_offsets(&request, to),
            other => panic!("a coordinator was asked {}", other.name()),
        }
        self.done()
    }

    /// An append is durable, or will never be.
    pub fn appended(&mut self, now: Nanos, id: AppendId, result: Result<(), ErrorCode>) -> Vec<CoordinatorEffect> {
        let (then, generation) = self.appends.remove(&id).map(|append| (append.then, append.generation)).unzip();
        if let (Some(Some((group, bytes))), Ok(())) = (generation, result)
            && let Some(group) = self.groups.get_mut(&group)
        {
            group.written = Some(bytes);
        }
        match then {
            Some(Then::Commit { group, at, offsets, to }) => self.committed(group, at, &offsets, to, result),
            Some(Then::Expire { group, partitions }) => self.expired(group, &partitions, result),
            Some(Then::Assign { group, generation, assignments }) => {
                self.assigned(now, group, generation, assignments, result);
            }
            Some(Then::Nothing) | None => {}
        }
        self.done()
    }

    /// The last record of each key, in the form in which [`replay`](GroupCoordinator::replay) takes them; `None` while
    /// something is being written. Written again behind all others, they stand for them all.
    pub fn live_records(&self) -> Option<Vec<Bytes>> {
        self.appends.is_empty().then(|| self.groups.values().flat_map(Group::records).collect())
    }

    /// It leads the partition no more: everybody who waits is told so. Drop it then.
    pub fn resign(&mut self) -> Vec<CoordinatorEffect> {
        let error = ErrorCode::NotCoordinator;
        let mut replies = Vec::new();
        for group in self.groups.values_mut() {
            for (id, member) in &mut group.members {
                let joining = member.joining.take().map(|to| (to, join_error(Some(*id), error)));
                let syncing = member.syncing.take().map(|to| (to, sync_error(error)));
                replies.extend(joining.into_iter().chain(syncing));
            }
        }
        for append in std::mem::take(&mut self.appends).into_values() {
            if let Then::Commit { offsets, to, .. } = append.then {
                replies.push((to, offsets::response(&offsets, Some(error))));
            }
        }
        replies.into_iter().for_each(|(to, response)| self.reply(to, response));
        std::mem::take(&mut self.effects)
    }

    /// Where a group is; `None`: there is no such group.
    pub fn phase(&self, group: GroupId) -> Option<Phase> {
        self.groups.get(&group).map(|group| group.phase)
    }

    /// A group's generation.
    pub fn generation(&self, group: GroupId) -> Option<u32> {
        self.groups.get(&group).map(|group| group.generation)
    }

    fn reply(&mut self, to: ReplyTo, response: Response) {
        self.effects.push(CoordinatorEffect::Reply { to, response });
    }

    fn append(&mut self, group: GroupId, record: &GroupRecord, then: Then) {
        let id = AppendId(self.next_append);
        self.next_append += 1;
        let bytes = record.encode();
        let generation = matches!(record, GroupRecord::Generation { .. }).then(|| (group, bytes.clone()));
        self.appends.insert(id, Append { then, generation });
        self.effects.push(CoordinatorEffect::Append { group, bytes, then: id });
    }

    fn done(&mut self) -> Vec<CoordinatorEffect> {
        let deadline = self.groups.values().map(Group::next_deadline).min().unwrap_or(Nanos::MAX);
        let next = if self.groups.is_empty() { Nanos::MAX } else { deadline.min(self.next_retention_check) };
        if next < self.armed {
            self.armed = next;
            self.effects.push(CoordinatorEffect::SetTimer { at: next });
        }
        std::mem::take(&mut self.effects)
    }
}

fn replayed(record: &MemberRecord) -> Member {
    Member {
        session_timeout: record::nanos(record.session_timeout),
        rebalance_timeout: record::nanos(record.rebalance_timeout),
        topics: record.topics.clone(),
        owned: Vec::new(),
        rack: None,
        assignment: record.assignment.clone(),
        expires: Nanos::MAX,
        joining: None,
        syncing: None,
    }
}

fn join_error(member: Option<MemberId>, error: ErrorCode) -> Response {
    Response::JoinGroup(JoinGroupResponse { member, result: Err(error) })
}

fn sync_error(error: ErrorCode) -> Response {
    Response::SyncGroup(SyncGroupResponse { result: Err(error) })
}
