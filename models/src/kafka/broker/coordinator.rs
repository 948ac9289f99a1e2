//! The broker's side of group coordination: whoever leads a partition of `__consumer_offsets` coordinates its groups.
//!
//! A new leader first reads the whole partition into a [`GroupCoordinator`]; until then members are told
//! `COORDINATOR_LOAD_IN_PROGRESS`. What a coordinator wants written is appended like any batch and counts when the high
//! watermark has passed it. With the lead, all of it is dropped.
//!
//! **Compaction.** The topic's `cleanup.policy` is `compact`: of each key the last record counts. What was
//! written since the last compaction, and is in segments that take no batch any more, is *dirty*; when it is more than what
//! the last compaction left (`min.cleanable.dirty.ratio` 0.5), and everything in the partition is durable, the live records
//! are appended once more, and when they are durable too, the log begins at the first of them. A new leader does not know of
//! earlier compactions and takes all for dirty.
//!
//! Simpler than reality: Kafka's cleaner copies the live records of closed segments and leaves them at their offsets, every
//! 15 s at the most; here they get new offsets, as AutoMQ's `MetaStream` does with its keys, when producer state is kept.
//! Nobody but the coordinator reads this topic, so nobody can tell. What is written is the same.

use super::partition::{Appender, Role};
use super::{Broker, COORDINATOR_SPACE, ReplyTo};
use crate::kafka::batch::{BATCH_HEADER_BYTES, RecordBatch, Records};
use crate::kafka::group_coordinator::{
    AppendId, CoordinatorEffect, GroupCoordinator, GroupCoordinatorSettings, Phase, ReplyTo as Asker,
};
use crate::kafka::ids::{GroupId, LeaderEpoch, TopicId, TopicIdPartition};
use crate::kafka::partition_log::{LogRead, LogReadId};
use crate::kafka::protocol::group::{
    FindCoordinatorRequest, FindCoordinatorResponse, HeartbeatResponse, JoinGroupResponse, LeaveGroupResponse,
    OffsetCommitResponse, OffsetFetchResponse, SyncGroupResponse,
};
use crate::kafka::protocol::{ErrorCode, Request, Response};
use crate::world::{Cx, On, Wait};
use bytes::Bytes;
use wavetank_sim::SortedMap;

/// The topic of group offsets.
pub const OFFSETS_TOPIC: &str = "__consumer_offsets";

/// Bytes that are read at once to load a coordinator.
const LOAD_BYTES: u64 = 4 << 20;

/// One partition's coordinator.
enum Seat {
    /// Its partition is being read: everything before `at` is in it.
    Loading { coordinator: GroupCoordinator, at: u64, read: Option<LogReadId> },
    /// It answers.
    Active(GroupCoordinator),
}

/// Coordinators of the partitions that this broker leads.
#[derive(Default)]
pub(super) struct Coordinator {
    seats: SortedMap<TopicIdPartition, Seat>,
    askers: SortedMap<Asker, ReplyTo>,
    next_asker: u64,
    appends: SortedMap<u64, (TopicIdPartition, AppendId)>,
    next_append: u64,
    /// Compactions: the first offset of the live records, and the one after the last.
    compacting: SortedMap<TopicIdPartition, (u64, u64)>,
    /// Bytes that the last compaction left.
    clean: SortedMap<TopicIdPartition, u64>,
    /// Partitions that are led no more, and whose coordinators have something to say still.
    resigned: Vec<(TopicIdPartition, GroupCoordinator)>,
}

impl Coordinator {
    /// This broker gives a partition up.
    pub(super) fn resigned(&mut self, tp: TopicIdPartition) {
        self.compacting.remove(&tp);
        self.clean.remove(&tp);
        if let Some(Seat::Active(coordinator)) = self.seats.remove(&tp) {
            self.resigned.push((tp, coordinator));
        }
    }
}

impl Coordinator {
    /// What the group's coordinator waits for, on the partition that it leads, when that has no read on its way.
    pub(super) fn waits_for(&self, tp: TopicIdPartition, group: GroupId) -> Option<Wait> {
        match self.seats.get(&tp) {
            None => Some(Wait::on(format!("has not begun to coordinate group {group}"), On::Nobody)),
            Some(Seat::Loading { at, .. }) => {
                Some(Wait::on(format!("loads the offsets of group {group} at {at} of {tp}"), On::Nobody))
            }
            // Members are waited for until their sessions are over.
            Some(Seat::Active(coordinator)) => {
                let phase = coordinator.phase(group).filter(|phase| *phase != Phase::Stable)?;
                Some(Wait::on(format!("coordinates group {group}, which is {phase:?}"), On::Time))
            }
        }
    }
}

/// The same request, refused.
fn refused(request: &Request, error: ErrorCode) -> Option<Response> {
    Some(match request {
        Request::JoinGroup(request) => {
            Response::JoinGroup(JoinGroupResponse { member: request.member, result: Err(error) })
        }
        Request::SyncGroup(_) => Response::SyncGroup(SyncGroupResponse { result: Err(error) }),
        Request::Heartbeat(_) => Response::Heartbeat(HeartbeatResponse { error: Some(error) }),
        Request::LeaveGroup(_) => Response::LeaveGroup(LeaveGroupResponse { error: Some(error) }),
        Request::OffsetCommit(request) => Response::OffsetCommit(OffsetCommitResponse {
            partitions: request.offsets.iter().map(|(tp, _)| (*tp, Some(error))).collect(),
        }),
        Request::OffsetFetch(_) => Response::OffsetFetch(OffsetFetchResponse { result: Err(error) }),
        _ => return None,
    })
}

/// The group that a request is about.
fn group_of(request: &Request) -> Option<GroupId> {
    Some(match request {
        Request::JoinGroup(request) => request.group,
        Request::SyncGroup(request) => request.group,
        Request::Heartbeat(request) => request.group,
        Request::LeaveGroup(request) => request.group,
        Request::OffsetCommit(request) => request.group,
        Request::OffsetFetch(request) => request.group,
        _ => return None,
    })
}

impl Broker {
    /// The partition of `__consumer_offsets` that a group's coordinator leads.
    pub(super) fn seat_of(&self, group: GroupId) -> Option<TopicIdPartition> {
        let image = &self.link.as_ref()?.image;
        let (topic, image) = image.topics.iter().find(|(_, topic)| *topic.name == *OFFSETS_TOPIC)?;
        let partition = GroupCoordinator::partition_of(group, image.partitions.len() as u32);
        Some(TopicIdPartition { topic: *topic, partition })
    }

    pub(super) fn is_offsets_topic(&self, topic: TopicId) -> bool {
        let image = self.link.as_ref().and_then(|link| link.image.topics.get(&topic));
        image.is_some_and(|topic| *topic.name == *OFFSETS_TOPIC)
    }

    pub(super) fn group_request(&mut self, cx: &mut Cx<'_>, to: ReplyTo, request: Request) {
        if let Request::FindCoordinator(FindCoordinatorRequest { group }) = request {
            let leader = self.seat_of(group).and_then(|tp| self.link.as_ref()?.image.partition(tp)?.leader);
            let result = leader.ok_or(ErrorCode::CoordinatorNotAvailable);
            return self.outbox.answer(cx, to, Response::FindCoordinator(FindCoordinatorResponse { result }));
        }
        let tp = group_of(&request).and_then(|group| self.seat_of(group));
        let seat = tp.and_then(|tp| Some((tp, self.coordinator.seats.get_mut(&tp)?)));
        let error = match seat {
            Some((tp, Seat::Active(coordinator))) => {
                let asker = Asker(self.coordinator.next_asker);
                self.coordinator.next_asker += 1;
                self.coordinator.askers.insert(asker, to);
                let effects = coordinator.handle(cx.monotonic(), request, asker);
                return self.carry_out(cx, tp, effects);
            }
            Some((_, Seat::Loading { .. })) => ErrorCode::CoordinatorLoadInProgress,
            None => ErrorCode::NotCoordinator,
        };
        if let Some(response) = refused(&request, error) {
            self.outbox.answer(cx, to, response);
        }
    }

    fn carry_out(&mut self, cx: &mut Cx<'_>, tp: TopicIdPartition, effects: Vec<CoordinatorEffect>) {
        for effect in effects {
            match effect {
                CoordinatorEffect::Reply { to, response } => {
                    if let Some(to) = self.coordinator.askers.remove(&to) {
                        self.outbox.answer(cx, to, response);
                    }
                }
                CoordinatorEffect::Append { bytes, then, .. } => self.append_record(cx, tp, bytes, then),
                CoordinatorEffect::SetTimer { at } => {
                    let after = at.saturating_sub(cx.monotonic());
                    COORDINATOR_SPACE.set_timer(cx, after, u64::from(tp.partition));
                }
            }
        }
    }

    fn append_record(&mut self, cx: &mut Cx<'_>, tp: TopicIdPartition, bytes: Bytes, then: AppendId) {
        let id = self.coordinator.next_append;
        self.coordinator.next_append += 1;
        self.coordinator.appends.insert(id, (tp, then));
        if self.leader(tp).is_err() {
            return self.coordinator_appended(cx, id, Err(ErrorCode::NotCoordinator));
        }
        self.append_inline(cx, tp, bytes, id);
    }

    fn append_inline(&mut self, cx: &mut Cx<'_>, tp: TopicIdPartition, bytes: Bytes, id: u64) {
        let now = cx.wall();
        let batch = RecordBatch {
            base_offset: 0,
            leader_epoch: LeaderEpoch(0),
            producer: None,
            count: 1,
            base_timestamp: now,
            max_timestamp: now,
            records_bytes: bytes.len() as u32,
            records: Records::Inline(bytes),
        };
        self.append_new(cx, tp, batch, Appender::Coordinator(id));
    }

    pub(super) fn coordinator_appended(&mut self, cx: &mut Cx<'_>, id: u64, result: Result<(), ErrorCode>) {
        let Some((tp, then)) = self.coordinator.appends.remove(&id) else { return };
        let Some(Seat::Active(coordinator)) = self.coordinator.seats.get_mut(&tp) else { return };
        let effects = coordinator.appended(cx.monotonic(), then, result);
        self.carry_out(cx, tp, effects);
    }

    /// Compacts the partitions for which it is time.
    pub(super) fn compact_offsets(&mut self, cx: &mut Cx<'_>) {
        let seats: Vec<TopicIdPartition> = self.coordinator.seats.keys().copied().collect();
        for tp in seats {
            let clean = self.coordinator.clean.get(&tp).copied().unwrap_or(0);
            let Ok((_, leader)) = self.leader(tp) else { continue };
            let dirty = leader.segments.closed_bytes().saturating_sub(clean);
            let (begin, is_durable) = (leader.log_end, leader.high_watermark == leader.log_end);
            if dirty <= clean || !is_durable || self.coordinator.compacting.contains_key(&tp) {
                continue;
            }
            let Some(Seat::Active(coordinator)) = self.coordinator.seats.get(&tp) else { continue };
            let Some(records) = coordinator.live_records() else { continue };
            let bytes = records.iter().map(|record| record.len() as u64 + u64::from(BATCH_HEADER_BYTES)).sum();
            for record in records {
                let id = self.coordinator.next_append;
                self.coordinator.next_append += 1;
                self.append_inline(cx, tp, record, id);
            }
            let end = self.leader(tp).map_or(begin, |(_, leader)| leader.log_end);
            self.coordinator.compacting.insert(tp, (begin, end));
            self.coordinator.clean.insert(tp, bytes);
            self.moved.insert(tp);
        }
    }

    /// The live records are all written: what is before them is not needed any more.
    fn compacted(&mut self, cx: &mut Cx<'_>, tp: TopicIdPartition) {
        let Some((begin, end)) = self.coordinator.compacting.get(&tp).copied() else { return };
        if self.leader(tp).is_ok_and(|(_, leader)| leader.high_watermark >= end) {
            self.coordinator.compacting.remove(&tp);
            cx.mark("coordinator: group offsets were compacted");
            self.advance_log_start(cx, tp, begin);
        }
    }

    /// A partition's leadership or high watermark has changed.
    pub(super) fn coordinator_moved(&mut self, cx: &mut Cx<'_>, tp: TopicIdPartition) {
        self.compacted(cx, tp);
        for (tp, mut coordinator) in std::mem::take(&mut self.coordinator.resigned) {
            let effects = coordinator.resign();
            self.carry_out(cx, tp, effects);
        }
        let leads = matches!(self.partitions.get(&tp).map(|partition| &partition.role), Some(Role::Leading(_)));
        if leads && self.is_offsets_topic(tp.topic) && !self.coordinator.seats.contains_key(&tp) {
            let nonce = cx.random().bits64();
            let coordinator = GroupCoordinator::new(GroupCoordinatorSettings::default(), nonce);
            let at = self.leader(tp).map_or(0, |(_, leader)| leader.log_start);
            self.coordinator.seats.insert(tp, Seat::Loading { coordinator, at, read: None });
            self.load(cx, tp);
        }
    }

    /// Reads on, until all of the partition is in its coordinator.
    fn load(&mut self, cx: &mut Cx<'_>, tp: TopicIdPartition) {
        loop {
            let Ok(end) = self.leader(tp).map(|(_, leader)| leader.high_watermark) else { return };
            let Some(Seat::Loading { at, read, .. }) = self.coordinator.seats.get_mut(&tp) else { return };
            if *at >= end {
                return self.loaded(cx, tp);
            }
            let link = self.link.as_mut().expect("it leads");
            match self.logs.read(cx, link, tp, *at..end, LOAD_BYTES) {
                LogRead::Now(batches) if batches.is_empty() => return,
                LogRead::Now(batches) => self.replay(cx, tp, &batches),
                LogRead::Later(id) => return *read = Some(id),
            }
        }
    }

    fn replay(&mut self, cx: &mut Cx<'_>, tp: TopicIdPartition, batches: &[RecordBatch]) {
        let Some(Seat::Loading { coordinator, at, .. }) = self.coordinator.seats.get_mut(&tp) else { return };
        for batch in batches.iter().filter(|batch| batch.next_offset() > *at) {
            if let Records::Inline(bytes) = &batch.records
                && let Err(error) = coordinator.replay(bytes)
            {
                cx.fail(format!("partition {tp}: a group's record: {error}"));
            }
        }
        if let Some(last) = batches.last() {
            *at = last.next_offset().max(*at);
        }
    }

    fn loaded(&mut self, cx: &mut Cx<'_>, tp: TopicIdPartition) {
        let Some(Seat::Loading { mut coordinator, .. }) = self.coordinator.seats.remove(&tp) else { return };
        let effects = coordinator.loaded(cx.monotonic());
        self.coordinator.seats.insert(tp, Seat::Active(coordinator));
        self.carry_out(cx, tp, effects);
    }

    /// A read is done; `false` when it is not for loading a coordinator.
    pub(super) fn coordinator_read(&mut self, cx: &mut Cx<'_>, id: LogReadId, batches: &[RecordBatch]) -> bool {
        let waits = |seat: &Seat| matches!(seat, Seat::Loading { read, .. } if *read == Some(id));
        let Some(tp) = self.coordinator.seats.iter().find(|(_, seat)| waits(seat)).map(|(tp, _)| *tp) else {
            return false;
        };
        if let Some(Seat::Loading { read, .. }) = self.coordinator.seats.get_mut(&tp) {
            *read = None;
        }
        self.replay(cx, tp, batches);
        self.load(cx, tp);
        true
    }

    pub(super) fn coordinator_timer(&mut self, cx: &mut Cx<'_>, partition: u64) {
        let tp = self.coordinator.seats.keys().find(|tp| u64::from(tp.partition) == partition).copied();
        let Some(tp) = tp else { return };
        let Some(Seat::Active(coordinator)) = self.coordinator.seats.get_mut(&tp) else { return };
        let effects = coordinator.tick(cx.monotonic());
        self.carry_out(cx, tp, effects);
    }
}
