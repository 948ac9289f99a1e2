//! The member's side of the group protocol: what it asks its coordinator, and what the answers do.

use super::StartAt;
use super::assignor::{PartitionRacks, assign};
use super::group::{GroupConsumer, GroupEvent};
use crate::client::PartitionAssignor;
use crate::kafka::ids::{TopicId, TopicIdPartition};
use crate::kafka::protocol::group::*;
use crate::kafka::protocol::{ErrorCode, Request, Response};
use crate::kafka::rpc::Reply;
use crate::probe::Probe;
use crate::world::Cx;
use wavetank_sim::{Nanos, NodeId, SortedMap, SortedSet};

/// Where a member is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Not in a generation.
    Out,
    /// Commits before it gives up what it has.
    Committing,
    /// JoinGroup or SyncGroup is on its way.
    Joining,
    /// In a generation, with an assignment.
    Stable,
}

/// A request that is on its way.
#[derive(Clone, Debug)]
pub(super) enum Call {
    Find,
    CommitBeforeJoin { offsets: Vec<(TopicIdPartition, u64)> },
    CommitBeforeLeave { offsets: Vec<(TopicIdPartition, u64)> },
    Join,
    Sync { generation: u32 },
    Heartbeat { generation: u32 },
    Commit { offsets: Vec<(TopicIdPartition, u64)> },
    Positions { generation: u32 },
    Leave,
}

/// How far a member that closes is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Closing {
    /// Its last commit is on its way.
    Committing,
    /// LeaveGroup is on its way.
    Leaving,
    /// It is no member, and knows it.
    Left,
}

/// `ConsumerUtils.DEFAULT_CLOSE_TIMEOUT_MS`.
pub(super) const CLOSE_TIMEOUT: Nanos = Nanos::secs(30);

/// How long beyond the rebalance itself a JoinGroup is waited for (`JOIN_GROUP_TIMEOUT_LAPSE`).
const JOIN_LAPSE: Nanos = Nanos::secs(5);

impl GroupConsumer {
    fn protocol(&self) -> RebalanceProtocol {
        match self.settings.partition_assignor {
            PartitionAssignor::Range => RebalanceProtocol::Eager,
            PartitionAssignor::CooperativeSticky => RebalanceProtocol::Cooperative,
        }
    }

    fn is_waiting(&self, is: fn(&Call) -> bool) -> bool {
        self.calls.values().any(is)
    }

    /// In the application's poll: joins (again), if it must.
    pub(super) fn rejoin(&mut self, cx: &mut Cx<'_>) {
        let is_idle = matches!(self.state, State::Out | State::Stable);
        if !self.must_rejoin || !is_idle || cx.monotonic() < self.not_before || self.coordinator.is_none() {
            return;
        }
        if self.state == State::Stable {
            let offsets = self.offsets_to_commit();
            if !offsets.is_empty() && self.send_commit(cx, offsets, |offsets| Call::CommitBeforeJoin { offsets }) {
                self.state = State::Committing;
                return;
            }
        }
        self.join(cx);
    }

    fn join(&mut self, cx: &mut Cx<'_>) {
        let Some(node) = self.coordinator else {
            self.state = State::Out;
            return;
        };
        if self.protocol() == RebalanceProtocol::Eager && !self.owned.is_empty() {
            let all = std::mem::take(&mut self.owned);
            self.give_up(&all);
            self.events.push_back(GroupEvent::Revoked(all.into_iter().collect()));
        }
        (self.must_rejoin, self.state) = (false, State::Joining);
        let request = JoinGroupRequest {
            group: self.group,
            member: self.member,
            session_timeout: self.settings.session_timeout,
            rebalance_timeout: self.settings.max_poll_interval,
            protocol: self.protocol(),
            topics: self.topics.clone(),
            owned: match self.protocol() {
                RebalanceProtocol::Eager => Vec::new(),
                RebalanceProtocol::Cooperative => self.owned.iter().copied().collect(),
            },
            rack: self.settings.client_rack,
        };
        let timeout = (self.settings.max_poll_interval + JOIN_LAPSE).max(self.settings.request_timeout);
        self.call(cx, node, Request::JoinGroup(request), timeout, Call::Join);
    }

    /// Finds the coordinator, beats, asks for positions.
    pub(super) fn keep_in_touch(&mut self, cx: &mut Cx<'_>) {
        let now = cx.monotonic();
        if self.state == State::Stable && now >= self.session_ends && self.coordinator.is_some() {
            cx.mark("consumer: heard nothing of its coordinator for a session");
            self.coordinator = None;
        }
        if self.coordinator.is_none() && now >= self.not_before && !self.is_waiting(|call| matches!(call, Call::Find)) {
            self.find(cx);
        }
        let (Some(node), Some(member), Some(generation)) = (self.coordinator, self.member, self.generation) else {
            return;
        };
        if self.state != State::Stable {
            return;
        }
        if now >= self.heartbeat_due && !self.is_waiting(|call| matches!(call, Call::Heartbeat { .. })) {
            self.heartbeat_due = now + self.settings.heartbeat_interval;
            let request = Request::Heartbeat(HeartbeatRequest { group: self.group, member, generation });
            self.call(cx, node, request, self.settings.request_timeout, Call::Heartbeat { generation });
        }
        let asks = self.is_waiting(|call| matches!(call, Call::Positions { .. }));
        if !self.without_position.is_empty() && now >= self.not_before && !asks {
            let partitions = self.without_position.iter().copied().collect();
            let request = Request::OffsetFetch(OffsetFetchRequest { group: self.group, partitions });
            self.call(cx, node, request, self.settings.request_timeout, Call::Positions { generation });
        }
    }

    fn find(&mut self, cx: &mut Cx<'_>) {
        let ready: Vec<NodeId> = self.directory.nodes().filter(|node| self.rpc.is_ready(cx, *node)).collect();
        if ready.is_empty() {
            return;
        }
        let node = *cx.random().pick(&ready);
        let request = Request::FindCoordinator(FindCoordinatorRequest { group: self.group });
        self.call(cx, node, request, self.settings.request_timeout, Call::Find);
    }

    pub(super) fn leave(&mut self, cx: &mut Cx<'_>) {
        if let (Some(node), Some(member)) = (self.coordinator, self.member) {
            let request = Request::LeaveGroup(LeaveGroupRequest { group: self.group, member });
            self.call(cx, node, request, self.settings.request_timeout, Call::Leave);
        }
        self.is_out(cx, true);
    }

    /// Commits what is to be committed, then leaves (`ConsumerCoordinator.close`).
    pub(super) fn begin_leaving(&mut self, cx: &mut Cx<'_>) {
        let offsets = self.offsets_to_commit();
        let commits = self.state == State::Stable
            && !offsets.is_empty()
            && self.send_commit(cx, offsets, |offsets| Call::CommitBeforeLeave { offsets });
        if commits {
            self.closing = Some(Closing::Committing);
        } else {
            self.leave_at_last(cx);
        }
    }

    fn leave_at_last(&mut self, cx: &mut Cx<'_>) {
        let is_member = self.coordinator.is_some() && self.member.is_some();
        self.closing = Some(if is_member { Closing::Leaving } else { Closing::Left });
        self.leave(cx);
        cx.mark("consumer: left its group in good order");
    }

    /// It is in no generation any more; what it had may be somebody else's already.
    fn is_out(&mut self, cx: &mut Cx<'_>, forget_member: bool) {
        if forget_member {
            self.member = None;
        }
        self.generation = None;
        self.state = State::Out;
        self.must_rejoin = true;
        let lost = std::mem::take(&mut self.owned);
        if !lost.is_empty() {
            cx.mark("consumer: lost its partitions");
            self.give_up(&lost);
            self.events.push_back(GroupEvent::Lost(lost.into_iter().collect()));
        }
    }

    fn back_off(&mut self, cx: &mut Cx<'_>) {
        self.failures += 1;
        self.not_before = cx.monotonic() + self.settings.retry_backoff.after(cx, self.failures);
    }

    pub(super) fn answered(&mut self, cx: &mut Cx<'_>, call: Call, reply: Reply) {
        let response = match reply {
            Reply::Answer(response) => Some(response),
            Reply::Lost(_) => None,
        };
        if self.closing.is_some() {
            return self.answered_while_closing(cx, call, response);
        }
        match (call, response) {
            (Call::Find, Some(Response::FindCoordinator(found))) => self.found(cx, found),
            (Call::Find, _) => self.back_off(cx),
            (Call::CommitBeforeJoin { offsets }, response) => {
                self.commit_answered(cx, offsets, response);
                if self.state == State::Committing {
                    self.join(cx);
                }
            }
            (Call::Commit { offsets } | Call::CommitBeforeLeave { offsets }, response) => {
                self.commit_answered(cx, offsets, response);
            }
            (Call::Join, Some(Response::JoinGroup(joined))) => self.joined(cx, joined),
            (Call::Sync { generation }, Some(Response::SyncGroup(synced))) => {
                self.synced(cx, generation, synced.result)
            }
            (Call::Join | Call::Sync { .. }, _) => {
                self.state = State::Out;
                self.failed(cx, ErrorCode::CoordinatorNotAvailable);
            }
            (Call::Heartbeat { generation }, Some(Response::Heartbeat(beat))) => {
                self.heartbeat_answered(cx, generation, beat.error);
            }
            (Call::Positions { generation }, Some(Response::OffsetFetch(fetched))) => {
                if self.generation == Some(generation) {
                    self.positions(cx, fetched.result);
                }
            }
            (Call::Heartbeat { .. } | Call::Positions { .. }, _) => {
                self.failed(cx, ErrorCode::CoordinatorNotAvailable);
            }
            (Call::Leave, _) => {}
        }
    }

    /// Nothing but its leave matters any more.
    fn answered_while_closing(&mut self, cx: &mut Cx<'_>, call: Call, response: Option<Response>) {
        match call {
            Call::CommitBeforeLeave { offsets } => {
                self.commit_answered(cx, offsets, response);
                self.leave_at_last(cx);
            }
            Call::Leave => self.closing = Some(Closing::Left),
            // A member id that it did not know yet is left to its session.
            Call::Find
            | Call::CommitBeforeJoin { .. }
            | Call::Join
            | Call::Sync { .. }
            | Call::Heartbeat { .. }
            | Call::Commit { .. }
            | Call::Positions { .. } => {}
        }
    }

    fn found(&mut self, cx: &mut Cx<'_>, found: FindCoordinatorResponse) {
        self.coordinator = found.result.ok().and_then(|broker| self.directory.node(broker));
        if self.coordinator.is_none() {
            return self.back_off(cx);
        }
        if self.state == State::Stable {
            self.session_ends = cx.monotonic() + self.settings.session_timeout;
        }
    }

    fn joined(&mut self, cx: &mut Cx<'_>, response: JoinGroupResponse) {
        self.state = State::Out;
        let joined = match response.result {
            Ok(joined) => joined,
            Err(ErrorCode::MemberIdRequired) => {
                self.member = response.member;
                return self.join(cx);
            }
            Err(error) => return self.failed(cx, error),
        };
        let Some(node) = self.coordinator else { return self.failed(cx, ErrorCode::NotCoordinator) };
        self.failures = 0;
        self.generation = Some(joined.generation);
        self.state = State::Joining;
        let member = self.member.expect("it has joined by it");
        self.assigned_from = None;
        let assignments = if joined.leader == member { self.assign_all(&joined.members) } else { Vec::new() };
        let generation = joined.generation;
        let request = SyncGroupRequest { group: self.group, member, generation, assignments };
        let timeout = self.settings.max_poll_interval + JOIN_LAPSE;
        self.call(cx, node, Request::SyncGroup(request), timeout, Call::Sync { generation });
    }

    /// The leader's work. Topics that it does not know yet are assigned when it does: not modelled, a topic is there first.
    fn assign_all(&mut self, members: &[MemberSubscription]) -> Vec<(MemberId, Vec<TopicIdPartition>)> {
        let wanted: SortedSet<_> = members.iter().flat_map(|member| &member.topics).copied().collect();
        let topics = self.sizes_of(&wanted);
        let assignments = assign(self.settings.partition_assignor, members, &topics, &self.racks_of(&topics));
        self.assigned_from = Some(topics);
        assignments
    }

    /// Where partitions are led, as far as is known.
    fn racks_of(&self, topics: &SortedMap<TopicId, u32>) -> PartitionRacks {
        let Some(view) = self.consumer.metadata().view() else { return PartitionRacks::new() };
        let racks: SortedMap<_, _> = view.brokers.iter().copied().collect();
        let partitions = topics.iter().flat_map(|(topic, count)| {
            let of = move |partition| TopicIdPartition { topic: *topic, partition };
            (0..*count).map(of)
        });
        let rack = |tp| Some((tp, *racks.get(&view.leader(tp)?.0?)?));
        partitions.filter_map(rack).collect()
    }

    /// How many partitions topics have, as far as is known.
    fn sizes_of(&self, wanted: &SortedSet<TopicId>) -> SortedMap<TopicId, u32> {
        let known = self.consumer.metadata().view().into_iter().flat_map(|view| &view.topics);
        let wanted = known.filter(|topic| wanted.contains(&topic.id));
        wanted.map(|topic| (topic.id, topic.leaders.len() as u32)).collect()
    }

    /// A topic that is not there yet is looked for; the leader has a group assigned anew whose topics have grown
    /// (`ConsumerCoordinator.rejoinNeededOrPending`, its `assignmentSnapshot`).
    pub(super) fn watch_topics(&mut self) {
        let view = self.consumer.metadata().view().map(|view| view.offset);
        if view == self.seen_view {
            return;
        }
        self.seen_view = view;
        let wanted: SortedSet<TopicId> = self.topics.iter().copied().collect();
        let sizes = self.sizes_of(&wanted);
        if sizes.len() < wanted.len() {
            self.consumer.request_metadata();
            self.seen_view = None;
        }
        if self
            .assigned_from
            .as_ref()
            .is_some_and(|from| sizes.iter().any(|(topic, size)| from.get(topic) != Some(size)))
        {
            self.must_rejoin = true;
        }
    }

    fn synced(&mut self, cx: &mut Cx<'_>, generation: u32, result: Result<Vec<TopicIdPartition>, ErrorCode>) {
        self.state = State::Out;
        let assigned: SortedSet<_> = match result {
            Ok(assigned) => assigned.into_iter().collect(),
            Err(error) => return self.failed(cx, error),
        };
        let now = cx.monotonic();
        self.state = State::Stable;
        self.heartbeat_due = now + self.settings.heartbeat_interval;
        self.session_ends = now + self.settings.session_timeout;
        let revoked: SortedSet<_> = self.owned.difference(&assigned).copied().collect();
        if !revoked.is_empty() {
            self.give_up(&revoked);
            self.events.push_back(GroupEvent::Revoked(revoked.into_iter().collect()));
            // What it gave up is given to others in the next generation.
            self.must_rejoin = true;
        }
        let new: Vec<_> = assigned.difference(&self.owned).copied().collect();
        self.without_position.extend(new);
        let partitions: Vec<_> = assigned.iter().copied().collect();
        cx.probe(Probe::Assigned { group: self.group, generation, partitions: partitions.len() as u32 });
        self.owned = assigned;
        self.events.push_back(GroupEvent::Assigned { generation, partitions });
        // A leader that knew no topic has assigned nothing.
        let knows_topics = self.consumer.metadata().view().is_some();
        self.must_rejoin |= !knows_topics;
    }

    fn heartbeat_answered(&mut self, cx: &mut Cx<'_>, generation: u32, error: Option<ErrorCode>) {
        // Of a former generation: it says nothing of this one.
        if self.generation != Some(generation) || self.state != State::Stable {
            return;
        }
        self.session_ends = cx.monotonic() + self.settings.session_timeout;
        match error {
            None => self.failures = 0,
            Some(error) => self.failed(cx, error),
        }
    }

    fn positions(&mut self, cx: &mut Cx<'_>, result: Result<CommittedOffsets, ErrorCode>) {
        let offsets = match result {
            Ok(offsets) => offsets,
            Err(error) => return self.failed(cx, error),
        };
        let start = |offset: &Option<u64>| offset.map_or(StartAt::Reset, StartAt::Offset);
        let new = offsets.iter().filter(|(tp, _)| self.without_position.contains(tp));
        let new: SortedMap<_, _> = new.map(|(tp, offset)| (*tp, start(offset))).collect();
        self.without_position.retain(|tp| !new.contains_key(tp));
        self.assign_what_is_known(new);
    }

    fn commit_answered(&mut self, cx: &mut Cx<'_>, offsets: Vec<(TopicIdPartition, u64)>, response: Option<Response>) {
        let error = match response {
            Some(Response::OffsetCommit(committed)) => committed.partitions.iter().find_map(|(_, error)| *error),
            Some(_) | None => Some(ErrorCode::CoordinatorNotAvailable),
        };
        match error {
            None => self.was_committed(offsets),
            Some(error) => {
                self.events.push_back(GroupEvent::CommitFailed(error));
                self.failed(cx, error);
            }
        }
    }

    /// What an error of the coordinator means for a member.
    fn failed(&mut self, cx: &mut Cx<'_>, error: ErrorCode) {
        match error {
            ErrorCode::UnknownMemberId => self.is_out(cx, true),
            ErrorCode::IllegalGeneration => self.is_out(cx, false),
            ErrorCode::RebalanceInProgress => self.must_rejoin = true,
            ErrorCode::NotCoordinator | ErrorCode::CoordinatorNotAvailable => {
                self.coordinator = None;
                self.must_rejoin |= self.state == State::Out;
                self.back_off(cx);
            }
            _ => {
                self.must_rejoin |= self.state == State::Out;
                self.back_off(cx);
            }
        }
    }
}
