//! Joining, assigning, heartbeats, leaving.

use super::group::{Group, Member, Phase};
use super::{GroupCoordinator, ReplyTo, Then, join_error, sync_error};
use crate::kafka::ids::{GroupId, TopicIdPartition};
use crate::kafka::protocol::group::*;
use crate::kafka::protocol::{ErrorCode, Response};
use wavetank_sim::{Nanos, SortedMap};

impl GroupCoordinator {
    pub(super) fn join(&mut self, now: Nanos, request: JoinGroupRequest, to: ReplyTo) {
        let timeouts = self.settings.min_session_timeout..=self.settings.max_session_timeout;
        if !timeouts.contains(&request.session_timeout) {
            return self.reply(to, join_error(request.member, ErrorCode::InvalidRequest));
        }
        let Some(member) = request.member else { return self.give_id(now, &request, to) };
        if let Err(error) = self.take_in(now, member, request, to) {
            self.reply(to, join_error(Some(member), error));
        }
    }

    /// A new member gets its id, and joins with it then (KIP-394).
    fn give_id(&mut self, now: Nanos, request: &JoinGroupRequest, to: ReplyTo) {
        let id = MemberId(self.nonce.rotate_left(17) ^ self.next_member.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        self.next_member += 1;
        let group = self.groups.entry(request.group).or_insert_with(|| Group::new(request.group, now));
        group.pending.insert(id, now + request.session_timeout);
        self.reply(to, join_error(Some(id), ErrorCode::MemberIdRequired));
    }

    fn take_in(&mut self, now: Nanos, id: MemberId, request: JoinGroupRequest, to: ReplyTo) -> Result<(), ErrorCode> {
        let group = self.groups.get_mut(&request.group).ok_or(ErrorCode::UnknownMemberId)?;
        let is_new = !group.members.contains_key(&id);
        if is_new && !group.pending.contains_key(&id) {
            return Err(ErrorCode::UnknownMemberId);
        }
        if !group.members.is_empty() && group.protocol != request.protocol {
            return Err(ErrorCode::InconsistentGroupProtocol);
        }
        group.protocol = request.protocol;
        group.pending.remove(&id);
        let before = group.members.get(&id);
        let is_as_before = before
            .is_some_and(|it| (&it.topics, &it.owned, it.rack) == (&request.topics, &request.owned, request.rack));
        let assignment = before.map(|member| member.assignment.clone()).unwrap_or_default();
        let former = before.and_then(|member| member.joining);
        let member = Member {
            session_timeout: request.session_timeout,
            rebalance_timeout: request.rebalance_timeout,
            topics: request.topics,
            owned: request.owned,
            rack: request.rack,
            assignment,
            expires: now + request.session_timeout,
            joining: Some(to),
            syncing: None,
        };
        group.members.insert(id, member);
        let (phase, leader, group_id) = (group.phase, group.leader, group.id);
        if let Some(former) = former {
            self.reply(former, join_error(Some(id), ErrorCode::UnknownMemberId));
        }
        match phase {
            Phase::PreparingRebalance { .. } => self.extend_or_complete(now, group_id, is_new),
            // It missed the answer, and asks again.
            Phase::CompletingRebalance { .. } if is_as_before => self.answer_join(now, group_id, id),
            Phase::Stable if is_as_before && leader != Some(id) => self.answer_join(now, group_id, id),
            Phase::Empty | Phase::CompletingRebalance { .. } | Phase::Stable => self.prepare(now, group_id),
        }
        Ok(())
    }

    /// A rebalance begins: everybody is to join again.
    pub(super) fn prepare(&mut self, now: Nanos, id: GroupId) {
        let (delay, group) = (self.settings.initial_rebalance_delay, self.groups.get_mut(&id).expect("it is there"));
        let timeout = group.rebalance_timeout();
        let was_empty = group.phase == Phase::Empty;
        group.phase = match was_empty {
            true => Phase::PreparingRebalance { until: now + delay, initial_until: Some(now + timeout.max(delay)) },
            false => Phase::PreparingRebalance { until: now + timeout, initial_until: None },
        };
        let syncing: Vec<ReplyTo> = group.members.values_mut().filter_map(|member| member.syncing.take()).collect();
        syncing.into_iter().for_each(|to| self.reply(to, sync_error(ErrorCode::RebalanceInProgress)));
        self.extend_or_complete(now, id, false);
    }

    /// Somebody has joined, or is not waited for any more.
    pub(super) fn extend_or_complete(&mut self, now: Nanos, id: GroupId, is_new: bool) {
        let delay = self.settings.initial_rebalance_delay;
        let Some(group) = self.groups.get_mut(&id) else { return };
        let Phase::PreparingRebalance { until, initial_until } = &mut group.phase else { return };
        match initial_until {
            // `InitialDelayedJoin`: as long as members come, it waits for more.
            Some(latest) => {
                if is_new {
                    *until = (now + delay).min(*latest);
                }
            }
            None => {
                if group.all_joined() {
                    self.complete_join(now, id);
                }
            }
        }
    }

    /// The phase of joining is over: who has not joined is out, the others are a new generation.
    pub(super) fn complete_join(&mut self, now: Nanos, id: GroupId) {
        let group = self.groups.get_mut(&id).expect("it is there");
        group.members.retain(|_, member| member.joining.is_some());
        group.generation += 1;
        if group.members.is_empty() {
            (group.phase, group.leader, group.empty_since) = (Phase::Empty, None, now);
            let record = group.record(now, &SortedMap::new());
            return self.append(id, &record, Then::Nothing);
        }
        if group.leader.is_none_or(|leader| !group.members.contains_key(&leader)) {
            group.leader = group.members.keys().next().copied();
        }
        let until = now + group.rebalance_timeout();
        group.phase = Phase::CompletingRebalance { until, is_writing: false };
        group.members.values_mut().for_each(|member| member.assignment.clear());
        let members: Vec<MemberId> = group.members.keys().copied().collect();
        members.into_iter().for_each(|member| self.answer_join(now, id, member));
    }

    fn answer_join(&mut self, now: Nanos, id: GroupId, member_id: MemberId) {
        let group = self.groups.get_mut(&id).expect("it is there");
        let joined = group.joined(member_id);
        let member = group.members.get_mut(&member_id).expect("it has joined");
        member.expires = now + member.session_timeout;
        if let Some(to) = member.joining.take() {
            let response = JoinGroupResponse { member: Some(member_id), result: Ok(joined) };
            self.reply(to, Response::JoinGroup(response));
        }
    }

    /// The group and the member of a request of that generation.
    pub(super) fn member(
        &mut self,
        group: GroupId,
        member: MemberId,
        generation: u32,
    ) -> Result<&mut Group, ErrorCode> {
        let group = self.groups.get_mut(&group).ok_or(ErrorCode::UnknownMemberId)?;
        if !group.members.contains_key(&member) {
            return Err(ErrorCode::UnknownMemberId);
        }
        if group.generation != generation {
            return Err(ErrorCode::IllegalGeneration);
        }
        Ok(group)
    }

    pub(super) fn sync(&mut self, now: Nanos, request: SyncGroupRequest, to: ReplyTo) {
        let SyncGroupRequest { group: id, member: member_id, generation, assignments } = request;
        let group = match self.member(id, member_id, generation) {
            Ok(group) => group,
            Err(error) => return self.reply(to, sync_error(error)),
        };
        let is_leader = group.leader == Some(member_id);
        let member = group.members.get_mut(&member_id).expect("it was found");
        member.expires = now + member.session_timeout;
        match &mut group.phase {
            Phase::Empty => unreachable!("an empty group has no members"),
            Phase::PreparingRebalance { .. } => self.reply(to, sync_error(ErrorCode::RebalanceInProgress)),
            Phase::Stable => {
                let result = Ok(member.assignment.clone());
                self.reply(to, Response::SyncGroup(SyncGroupResponse { result }));
            }
            Phase::CompletingRebalance { is_writing, .. } => {
                let former = member.syncing.replace(to);
                if is_leader && !*is_writing {
                    *is_writing = true;
                    let assignments: SortedMap<_, _> = assignments.into_iter().collect();
                    let record = group.record(now, &assignments);
                    self.append(id, &record, Then::Assign { group: id, generation, assignments });
                }
                if let Some(former) = former {
                    self.reply(former, sync_error(ErrorCode::RebalanceInProgress));
                }
            }
        }
    }

    /// The assignment is durable, or not: then everybody joins again.
    pub(super) fn assigned(
        &mut self,
        now: Nanos,
        id: GroupId,
        generation: u32,
        mut assignments: SortedMap<MemberId, Vec<TopicIdPartition>>,
        result: Result<(), ErrorCode>,
    ) {
        let Some(group) = self.groups.get_mut(&id) else { return };
        // Another rebalance has begun meanwhile.
        if group.generation != generation || !matches!(group.phase, Phase::CompletingRebalance { .. }) {
            return;
        }
        if let Err(error) = result {
            let syncing: Vec<ReplyTo> = group.members.values_mut().filter_map(|member| member.syncing.take()).collect();
            syncing.into_iter().for_each(|to| self.reply(to, sync_error(error)));
            return self.prepare(now, id);
        }
        group.phase = Phase::Stable;
        let mut replies = Vec::new();
        for (id, member) in &mut group.members {
            member.assignment = assignments.remove(id).unwrap_or_default();
            member.expires = now + member.session_timeout;
            replies.extend(member.syncing.take().map(|to| (to, member.assignment.clone())));
        }
        for (to, partitions) in replies {
            self.reply(to, Response::SyncGroup(SyncGroupResponse { result: Ok(partitions) }));
        }
    }

    pub(super) fn heartbeat(&mut self, now: Nanos, request: &HeartbeatRequest) -> Result<(), ErrorCode> {
        let group = self.member(request.group, request.member, request.generation)?;
        let member = group.members.get_mut(&request.member).expect("it was found");
        member.expires = now + member.session_timeout;
        match group.phase {
            Phase::PreparingRebalance { .. } => Err(ErrorCode::RebalanceInProgress),
            Phase::Empty | Phase::CompletingRebalance { .. } | Phase::Stable => Ok(()),
        }
    }

    pub(super) fn leave(&mut self, now: Nanos, request: &LeaveGroupRequest) -> Result<(), ErrorCode> {
        let group = self.groups.get_mut(&request.group).ok_or(ErrorCode::UnknownMemberId)?;
        if group.pending.remove(&request.member).is_some() {
            self.extend_or_complete(now, request.group, false);
            return Ok(());
        }
        if !group.members.contains_key(&request.member) {
            return Err(ErrorCode::UnknownMemberId);
        }
        self.remove(now, request.group, request.member);
        Ok(())
    }

    /// A member is out, and the others share what it had.
    pub(super) fn remove(&mut self, now: Nanos, id: GroupId, member: MemberId) {
        let group = self.groups.get_mut(&id).expect("it is there");
        group.members.remove(&member);
        match group.phase {
            Phase::Empty => {}
            Phase::PreparingRebalance { .. } => self.extend_or_complete(now, id, false),
            Phase::CompletingRebalance { .. } | Phase::Stable => self.prepare(now, id),
        }
    }
}
