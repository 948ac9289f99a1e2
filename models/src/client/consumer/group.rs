//! A consumer that is a member of a group (`ConsumerCoordinator`, `AbstractCoordinator`; the classic protocol).
//!
//! The application polls by [`GroupConsumer::begin_poll`] and then [`GroupConsumer::poll`] until it has enough. Only there
//! does a member join again; heartbeats go on meanwhile, unless it has not polled for `max.poll.interval.ms`: then it leaves.
//!
//! Joining again: positions are committed (by `enable.auto.commit` those that earlier polls handed out, otherwise those that
//! the application says it has [processed](GroupConsumer::processed), as a listener does in `onPartitionsRevoked`); eager:
//! everything is given up; JoinGroup, SyncGroup; cooperative: what is not in the new assignment is given up, and joined again;
//! committed offsets of what is new are asked for, and reading begins there.
//!
//! Closing (`AbstractCoordinator.close`): what is to be committed is committed, then the member leaves, so that its
//! coordinator need not wait for its session to end; both within `request.timeout.ms`, or 30 s (`DEFAULT_CLOSE_TIMEOUT_MS`).
//!
//! Simpler than reality: answers are taken in when they come, not in the next `poll()`.

use super::super::alarm::Alarm;
use super::super::{ConsumerSettings, Directory};
use super::membership::{CLOSE_TIMEOUT, Call, Closing, State};
use super::{Consumer, Polled};
use crate::kafka::ids::{GroupId, MetadataOffset, TopicId, TopicIdPartition};
use crate::kafka::protocol::ErrorCode;
use crate::kafka::protocol::Request;
use crate::kafka::protocol::group::{MemberId, OffsetCommitRequest};
use crate::kafka::rpc::{CallId, Rpc};
use crate::kafka::token::TokenSpace;
use crate::world::{Cx, Input};
use std::collections::VecDeque;
use wavetank_sim::{Nanos, NodeId, SortedMap, SortedSet};

/// What happened to a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GroupEvent {
    /// It has an assignment.
    Assigned {
        /// In which generation.
        generation: u32,
        /// All of it.
        partitions: Vec<TopicIdPartition>,
    },
    /// It has given these up.
    Revoked(Vec<TopicIdPartition>),
    /// These were taken away before it knew: others may read them already (`onPartitionsLost`).
    Lost(Vec<TopicIdPartition>),
    /// Offsets were not committed.
    CommitFailed(ErrorCode),
}

/// See the [module](self).
pub struct GroupConsumer {
    pub(super) consumer: Consumer,
    pub(super) directory: Directory,
    pub(super) settings: ConsumerSettings,
    pub(super) group: GroupId,
    pub(super) topics: Vec<TopicId>,
    pub(super) rpc: Rpc,
    alarm: Alarm,
    pub(super) coordinator: Option<NodeId>,
    pub(super) member: Option<MemberId>,
    pub(super) generation: Option<u32>,
    pub(super) state: State,
    pub(super) calls: SortedMap<CallId, Call>,
    pub(super) must_rejoin: bool,
    pub(super) failures: u32,
    pub(super) not_before: Nanos,
    pub(super) heartbeat_due: Nanos,
    pub(super) session_ends: Nanos,
    last_poll: Nanos,
    auto_commit_due: Nanos,
    pub(super) owned: SortedSet<TopicIdPartition>,
    /// Owned, and their committed offsets are not known yet.
    pub(super) without_position: SortedSet<TopicIdPartition>,
    /// Of a group's leader: how many partitions the topics had when it assigned them.
    pub(super) assigned_from: Option<SortedMap<TopicId, u32>>,
    /// Which view of the cluster has been looked at.
    pub(super) seen_view: Option<MetadataOffset>,
    processed: SortedMap<TopicIdPartition, u64>,
    /// What was committed last: nothing new is not committed again.
    committed: SortedMap<TopicIdPartition, u64>,
    pub(super) events: VecDeque<GroupEvent>,
    pub(super) closing: Option<Closing>,
    close_by: Nanos,
}

impl GroupConsumer {
    /// A consumer that will join. It uses four token spaces of its process.
    pub fn new(
        spaces: [TokenSpace; 4],
        directory: Directory,
        group: GroupId,
        topics: Vec<TopicId>,
        settings: ConsumerSettings,
    ) -> GroupConsumer {
        GroupConsumer {
            consumer: Consumer::new([spaces[0], spaces[1]], directory.clone(), settings.clone()),
            rpc: Rpc::new(spaces[2]),
            alarm: Alarm::new(spaces[3]),
            directory,
            settings,
            group,
            topics,
            coordinator: None,
            member: None,
            generation: None,
            state: State::Out,
            calls: SortedMap::new(),
            must_rejoin: true,
            failures: 0,
            not_before: Nanos::ZERO,
            heartbeat_due: Nanos::ZERO,
            session_ends: Nanos::MAX,
            last_poll: Nanos::ZERO,
            auto_commit_due: Nanos::ZERO,
            owned: SortedSet::new(),
            without_position: SortedSet::new(),
            assigned_from: None,
            seen_view: None,
            processed: SortedMap::new(),
            committed: SortedMap::new(),
            events: VecDeque::new(),
            closing: None,
            close_by: Nanos::MAX,
        }
    }

    /// The consumer beneath.
    pub fn consumer(&self) -> &Consumer {
        &self.consumer
    }

    /// What happened since it was last asked.
    pub fn next_event(&mut self) -> Option<GroupEvent> {
        self.events.pop_front()
    }

    /// The application calls `poll()`: whatever earlier polls handed out is processed.
    pub fn begin_poll(&mut self, cx: &mut Cx<'_>) {
        self.last_poll = cx.monotonic();
        if self.settings.enable_auto_commit && cx.monotonic() >= self.auto_commit_due && self.state == State::Stable {
            self.auto_commit_due = cx.monotonic() + self.settings.auto_commit_interval;
            self.commit(cx);
        }
        self.rejoin(cx);
    }

    /// Hands out records, as [`Consumer::poll`] does; nothing while a rebalance takes everything away.
    pub fn poll(&mut self, max_records: u32) -> Option<Polled> {
        if self.has_records() { self.consumer.poll(max_records) } else { None }
    }

    /// Whether [`poll`](GroupConsumer::poll) has something.
    pub fn has_records(&self) -> bool {
        self.state != State::Committing && self.consumer.has_records()
    }

    /// The application is done with everything of a partition before that offset; for commits of its own.
    pub fn processed(&mut self, tp: TopicIdPartition, next: u64) {
        if self.owned.contains(&tp) {
            self.processed.insert(tp, next);
        }
    }

    /// Commits where the application is (`commitAsync`).
    pub fn commit(&mut self, cx: &mut Cx<'_>) {
        let offsets = self.offsets_to_commit();
        if !offsets.is_empty() {
            self.send_commit(cx, offsets, |offsets| Call::Commit { offsets });
        }
    }

    pub(super) fn offsets_to_commit(&self) -> Vec<(TopicIdPartition, u64)> {
        let position = |tp: &TopicIdPartition| match self.settings.enable_auto_commit {
            true => self.consumer.position(*tp),
            false => self.processed.get(tp).copied(),
        };
        let of = |tp: &TopicIdPartition| position(tp).map(|offset| (*tp, offset));
        self.owned.iter().filter_map(of).filter(|(tp, offset)| self.committed.get(tp) != Some(offset)).collect()
    }

    /// Sends a commit, if there is a coordinator and a generation to do it in.
    pub(super) fn send_commit(
        &mut self,
        cx: &mut Cx<'_>,
        offsets: Vec<(TopicIdPartition, u64)>,
        then: fn(Vec<(TopicIdPartition, u64)>) -> Call,
    ) -> bool {
        let (Some(node), Some(member), Some(generation)) = (self.coordinator, self.member, self.generation) else {
            return false;
        };
        let member = Some((member, generation));
        let request = OffsetCommitRequest { group: self.group, member, offsets: offsets.clone() };
        self.call(cx, node, Request::OffsetCommit(request), self.settings.request_timeout, then(offsets));
        true
    }

    pub(super) fn was_committed(&mut self, offsets: Vec<(TopicIdPartition, u64)>) {
        self.committed.extend(offsets);
    }

    /// These are read no more.
    pub(super) fn give_up(&mut self, partitions: &SortedSet<TopicIdPartition>) {
        self.owned.retain(|tp| !partitions.contains(tp));
        self.without_position.retain(|tp| !partitions.contains(tp));
        self.processed.retain(|tp, _| !partitions.contains(tp));
        self.committed.retain(|tp, _| !partitions.contains(tp));
        self.assign_what_is_known(SortedMap::new());
    }

    /// The consumer reads what is owned and has a position, new ones from there.
    pub(super) fn assign_what_is_known(&mut self, new: SortedMap<TopicIdPartition, super::StartAt>) {
        let known = self.owned.iter().filter(|tp| !self.without_position.contains(tp));
        let start = |tp: &TopicIdPartition| (*tp, new.get(tp).copied().unwrap_or(super::StartAt::Reset));
        self.consumer.assign(known.map(start).collect::<Vec<_>>());
    }

    pub(super) fn call(&mut self, cx: &mut Cx<'_>, node: NodeId, request: Request, timeout: Nanos, what: Call) {
        let call = self.rpc.call(cx, node, request, timeout);
        self.calls.insert(call, what);
    }

    /// Takes an input that is this component's; gives back one that is not. [`run`](GroupConsumer::run) must follow.
    pub fn input(&mut self, cx: &mut Cx<'_>, input: Input) -> Option<Input> {
        if self.alarm.rang(&input) {
            return None;
        }
        let input = self.consumer.input(cx, input)?;
        let other = self.rpc.input(cx, input);
        self.take_replies(cx);
        other
    }

    /// Does what is to be done now, and wakes itself when something is to be done next.
    pub fn run(&mut self, cx: &mut Cx<'_>) {
        self.leave_if_stuck(cx);
        self.watch_topics();
        self.keep_in_touch(cx);
        self.take_replies(cx);
        self.consumer.run(cx);
        let next = self.next_wake(cx);
        self.alarm.set(cx, next);
    }

    /// It is of no use to its application any more: commits and leaves. [`close`](GroupConsumer::close) says when it has.
    pub fn begin_close(&mut self, cx: &mut Cx<'_>) {
        self.close_by = cx.monotonic() + self.settings.request_timeout.min(CLOSE_TIMEOUT);
        self.begin_leaving(cx);
    }

    /// Whether it has left, or has given it up; to be asked after each [`input`](GroupConsumer::input).
    pub fn close(&mut self, cx: &mut Cx<'_>) -> bool {
        let is_over = self.closing == Some(Closing::Left);
        if !is_over && cx.monotonic() >= self.close_by {
            cx.mark("consumer: closed without having left its group");
            return true;
        }
        self.alarm.set(cx, self.close_by);
        is_over
    }

    fn take_replies(&mut self, cx: &mut Cx<'_>) {
        while let Some((call, reply)) = self.rpc.poll() {
            if let Some(what) = self.calls.remove(&call) {
                self.answered(cx, what, reply);
            }
        }
    }

    /// `max.poll.interval.ms` without a poll: somebody else shall have the partitions.
    fn leave_if_stuck(&mut self, cx: &mut Cx<'_>) {
        let deadline = self.last_poll.saturating_add(self.settings.max_poll_interval);
        if self.state == State::Stable && cx.monotonic() >= deadline {
            cx.mark("consumer: left its group, for it did not poll");
            self.leave(cx);
        }
    }

    fn next_wake(&self, cx: &Cx<'_>) -> Nanos {
        let now = cx.monotonic();
        let mut next = if self.not_before > now { self.not_before } else { Nanos::MAX };
        if self.coordinator.is_none() && self.calls.is_empty() {
            next = next.min(self.not_before);
        }
        if self.state == State::Stable {
            next = next.min(self.heartbeat_due).min(self.last_poll.saturating_add(self.settings.max_poll_interval));
            if self.settings.enable_auto_commit {
                next = next.min(self.auto_commit_due);
            }
        }
        // What is due and could not be done is tried again soon.
        if next <= now { now + Nanos::millis(10) } else { next }
    }
}
