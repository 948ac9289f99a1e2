//! Offsets of groups.

use super::group::{Committed, Group, Phase};
use super::{GroupCoordinator, GroupRecord, ReplyTo, Then};
use crate::kafka::ids::{GroupId, TopicIdPartition};
use crate::kafka::protocol::group::{
    OffsetCommitRequest, OffsetCommitResponse, OffsetFetchRequest, OffsetFetchResponse,
};
use crate::kafka::protocol::{ErrorCode, Response};
use wavetank_sim::Nanos;

pub(super) fn response(offsets: &[(TopicIdPartition, u64)], error: Option<ErrorCode>) -> Response {
    let partitions = offsets.iter().map(|(tp, _)| (*tp, error)).collect();
    Response::OffsetCommit(OffsetCommitResponse { partitions })
}

impl GroupCoordinator {
    pub(super) fn commit(&mut self, now: Nanos, request: OffsetCommitRequest, to: ReplyTo) {
        if let Err(error) = self.may_commit(now, &request) {
            return self.reply(to, response(&request.offsets, Some(error)));
        }
        let OffsetCommitRequest { group: id, offsets, .. } = request;
        let group = self.groups.entry(id).or_insert_with(|| Group::new(id, now));
        group.commits_on_the_way += 1;
        let written = offsets.iter().map(|(tp, offset)| (*tp, Some(*offset))).collect();
        let record = GroupRecord::Offsets { group: id, at: now.0, offsets: written };
        self.append(id, &record, Then::Commit { group: id, at: now, offsets, to });
    }

    /// `ClassicGroup.validateOffsetCommit`.
    fn may_commit(&mut self, now: Nanos, request: &OffsetCommitRequest) -> Result<(), ErrorCode> {
        let Some((member, generation)) = request.member else {
            // One that assigns itself; in a group with members it is a stranger.
            let phase = self.groups.get(&request.group).map_or(Phase::Empty, |group| group.phase);
            return if phase == Phase::Empty { Ok(()) } else { Err(ErrorCode::UnknownMemberId) };
        };
        let group = self.member(request.group, member, generation)?;
        let known = group.members.get_mut(&member).expect("it was found");
        known.expires = now + known.session_timeout;
        match group.phase {
            Phase::CompletingRebalance { .. } => Err(ErrorCode::RebalanceInProgress),
            Phase::Empty | Phase::PreparingRebalance { .. } | Phase::Stable => Ok(()),
        }
    }

    pub(super) fn committed(
        &mut self,
        id: GroupId,
        at: Nanos,
        offsets: &[(TopicIdPartition, u64)],
        to: ReplyTo,
        result: Result<(), ErrorCode>,
    ) {
        if let Some(group) = self.groups.get_mut(&id) {
            group.commits_on_the_way -= 1;
            if result.is_ok() {
                group.offsets.extend(offsets.iter().map(|(tp, offset)| (*tp, Committed { offset: *offset, at })));
            }
        }
        self.reply(to, response(offsets, result.err()));
    }

    pub(super) fn fetch_offsets(&mut self, request: &OffsetFetchRequest, to: ReplyTo) {
        let group = self.groups.get(&request.group);
        let offset = |tp: &TopicIdPartition| group.and_then(|group| group.offsets.get(tp)).map(|known| known.offset);
        let result = Ok(request.partitions.iter().map(|tp| (*tp, offset(tp))).collect());
        self.reply(to, Response::OffsetFetch(OffsetFetchResponse { result }));
    }

    /// Offsets of groups without members, so long after the last one left (KIP-211).
    pub(super) fn expire_offsets(&mut self, now: Nanos) {
        let retention = self.settings.offsets_retention;
        let mut expired = Vec::new();
        for group in self.groups.values().filter(|group| group.phase == Phase::Empty) {
            let is_old = |known: &&Committed| known.at.max(group.empty_since).saturating_add(retention) <= now;
            let partitions: Vec<TopicIdPartition> =
                group.offsets.iter().filter(|(_, known)| is_old(known)).map(|(tp, _)| *tp).collect();
            if !partitions.is_empty() {
                expired.push((group.id, partitions));
            }
        }
        for (group, partitions) in expired {
            let offsets = partitions.iter().map(|tp| (*tp, None)).collect();
            self.append(group, &GroupRecord::Offsets { group, at: now.0, offsets }, Then::Expire { group, partitions });
        }
    }

    pub(super) fn expired(&mut self, id: GroupId, partitions: &[TopicIdPartition], result: Result<(), ErrorCode>) {
        if let (Some(group), Ok(())) = (self.groups.get_mut(&id), result) {
            group.offsets.retain(|tp, _| !partitions.contains(tp));
            // Dead: nothing is left of it.
            if group.phase == Phase::Empty && group.offsets.is_empty() && group.commits_on_the_way == 0 {
                self.groups.remove(&id);
            }
        }
    }
}
