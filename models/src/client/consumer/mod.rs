//! The consumer (`KafkaConsumer`: `Fetcher`, `SubscriptionState`, `OffsetsRequestManager`).
//!
//! [`Consumer`] reads partitions that it is told to ([`Consumer::assign`]): what a Flink source uses, and what a
//! [`GroupConsumer`] uses beneath its membership. Order of steps at each turn of its process: [`Consumer::input`] takes answers;
//! [`Consumer::poll`] hands records out, until it has no more or the application has enough; [`Consumer::run`] looks up
//! positions that are not known and sends a fetch to each broker that has none on its way, for all partitions that it leads
//! and that have a position, are not paused and have nothing in the buffer. A broker of whose partitions something is still
//! in the buffer is not asked (KAFKA-17182).
//!
//! Simpler than reality: no interceptors; on shared storage a partition has no followers to read from in one's own rack (KIP-392),
//! and a log is never truncated, so there is no `OffsetsForLeaderEpoch` (a fetch names the epoch of its leader all the same,
//! KIP-320).

mod assignor;
mod fetch;
pub mod group;
mod membership;
mod polled;
mod positions;
mod session;
mod waits;

pub use assignor::{PartitionRacks, assign};
pub use group::{GroupConsumer, GroupEvent};
pub use polled::Polled;
pub use positions::StartAt;

use super::alarm::Alarm;
use super::{AutoOffsetReset, ConsumerSettings, Directory, Metadata};
use crate::kafka::batch::RecordBatch;
use crate::kafka::ids::{LeaderEpoch, TopicIdPartition};
use crate::kafka::protocol::client::OffsetSpec;
use crate::kafka::rpc::{CallId, Rpc};
use crate::kafka::token::TokenSpace;
use crate::world::{Cx, Input};
use session::Session;
use smallvec::SmallVec;
use std::collections::VecDeque;
use wavetank_sim::{Nanos, NodeId, SortedMap};

/// Where a partition is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Position {
    /// The next offset.
    At(u64),
    /// To be asked for.
    Unknown(OffsetSpec),
    /// Out of range, and nobody says where to go on.
    Lost,
}

/// One partition of the assignment.
#[derive(Debug)]
struct Assigned {
    /// Who leads it, as far as is known.
    leader: Option<(NodeId, LeaderEpoch)>,
    position: Position,
    is_paused: bool,
    /// Batches that were fetched; the first may begin before the position.
    buffer: VecDeque<RecordBatch>,
    high_watermark: Option<u64>,
    log_start_offset: u64,
    /// The request for its position that is on its way.
    looking_up: Option<CallId>,
    failures: u32,
    not_before: Nanos,
}

/// What an application must be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConsumerEvent {
    /// The position is out of range: it was set anew (`auto.offset.reset`), or, with `None`, the partition stands still
    /// until [`Consumer::seek`] (`OffsetOutOfRangeException`).
    OutOfRange {
        /// Which partition.
        tp: TopicIdPartition,
        /// Where it was.
        offset: u64,
        /// Where it goes on.
        reset_to: Option<OffsetSpec>,
    },
}

/// See the [module](self).
pub struct Consumer {
    settings: ConsumerSettings,
    rpc: Rpc,
    alarm: Alarm,
    metadata: Metadata,
    partitions: SortedMap<TopicIdPartition, Assigned>,
    sessions: SortedMap<NodeId, Session>,
    /// Partitions with something in the buffer, in the order in which it came.
    ready: VecDeque<TopicIdPartition>,
    events: VecDeque<ConsumerEvent>,
}

impl Consumer {
    /// A consumer that reads nothing yet. It uses two token spaces of its process.
    pub fn new(spaces: [TokenSpace; 2], directory: Directory, settings: ConsumerSettings) -> Consumer {
        settings.validate().expect("settings are checked where they are read");
        let metadata =
            Metadata::new(directory, settings.metadata_max_age, settings.retry_backoff, settings.request_timeout);
        Consumer {
            rpc: Rpc::new(spaces[0]),
            alarm: Alarm::new(spaces[1]),
            metadata,
            settings,
            partitions: SortedMap::new(),
            sessions: SortedMap::new(),
            ready: VecDeque::new(),
            events: VecDeque::new(),
        }
    }

    /// What it knows of the cluster.
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// The next chance is used to learn of the cluster.
    pub(super) fn request_metadata(&mut self) {
        self.metadata.request_update();
    }

    /// Its settings.
    pub fn settings(&self) -> &ConsumerSettings {
        &self.settings
    }

    /// Reads these and nothing else. What was assigned before goes on where it is, whatever `start` says.
    pub fn assign(&mut self, partitions: impl IntoIterator<Item = (TopicIdPartition, StartAt)>) {
        let mut before = std::mem::take(&mut self.partitions);
        for (tp, start) in partitions {
            let new = || Assigned { leader: self.metadata.leader(tp), ..Assigned::new(self.start(start)) };
            let assigned = before.remove(&tp).unwrap_or_else(new);
            self.partitions.insert(tp, assigned);
        }
        self.ready.retain(|tp| self.partitions.contains_key(tp));
    }

    /// What it reads.
    pub fn assignment(&self) -> impl Iterator<Item = TopicIdPartition> + '_ {
        self.partitions.keys().copied()
    }

    /// Goes on there; what is in the buffer is dropped. Not assigned: nothing happens.
    pub fn seek(&mut self, tp: TopicIdPartition, to: StartAt) {
        let position = self.start(to);
        if let Some(assigned) = self.partitions.get_mut(&tp) {
            assigned.move_to(position);
            self.ready.retain(|other| *other != tp);
        }
    }

    /// Hands out nothing of these until they are resumed.
    pub fn pause(&mut self, tp: TopicIdPartition) {
        self.set_paused(tp, true);
    }

    /// Hands out records of it again.
    pub fn resume(&mut self, tp: TopicIdPartition) {
        self.set_paused(tp, false);
    }

    fn set_paused(&mut self, tp: TopicIdPartition, paused: bool) {
        if let Some(assigned) = self.partitions.get_mut(&tp) {
            assigned.is_paused = paused;
        }
    }

    /// The next offset that [`poll`](Consumer::poll) hands out; `None` where that is not known yet.
    pub fn position(&self, tp: TopicIdPartition) -> Option<u64> {
        match self.partitions.get(&tp)?.position {
            Position::At(offset) => Some(offset),
            Position::Unknown(_) | Position::Lost => None,
        }
    }

    /// The high watermark, as far as a fetch has told.
    pub fn high_watermark(&self, tp: TopicIdPartition) -> Option<u64> {
        self.partitions.get(&tp)?.high_watermark
    }

    /// How far behind the high watermark it is, over all partitions, as far as it knows.
    pub fn lag(&self) -> u64 {
        let lag = |assigned: &Assigned| match (assigned.position, assigned.high_watermark) {
            (Position::At(offset), Some(high_watermark)) => high_watermark.saturating_sub(offset),
            _ => 0,
        };
        self.partitions.values().map(lag).sum()
    }

    /// Records in the buffer of partitions that are not paused.
    pub fn has_records(&self) -> bool {
        self.ready.iter().any(|tp| self.partitions.get(tp).is_some_and(|assigned| !assigned.is_paused))
    }

    /// Hands out consecutive records of one batch, at most so many, and moves the position beyond them. Call
    /// [`run`](Consumer::run) when the application has had enough.
    pub fn poll(&mut self, max_records: u32) -> Option<Polled> {
        let mut place = 0;
        while let Some(tp) = self.ready.get(place).copied() {
            match self.partitions.get_mut(&tp) {
                Some(assigned) if !assigned.is_paused => match assigned.take(tp, max_records) {
                    Some(polled) => return Some(polled),
                    None => drop(self.ready.remove(place)),
                },
                _ => place += 1,
            }
        }
        None
    }

    /// Closes its connections. It is of no use afterwards.
    pub fn close(&mut self, cx: &mut Cx<'_>) {
        self.rpc.close(cx);
    }

    /// What the application must be told.
    pub fn next_event(&mut self) -> Option<ConsumerEvent> {
        self.events.pop_front()
    }

    /// Takes an input that is this component's; gives back one that is not. [`run`](Consumer::run) must follow.
    pub fn input(&mut self, cx: &mut Cx<'_>, input: Input) -> Option<Input> {
        if self.alarm.rang(&input) {
            return None;
        }
        let other = self.rpc.input(cx, input);
        self.take_replies(cx);
        other
    }

    /// Does what is to be done now, and wakes itself when something is to be done next.
    pub fn run(&mut self, cx: &mut Cx<'_>) {
        self.metadata.poll(cx, &mut self.rpc);
        self.look_up(cx);
        self.fetch(cx);
        self.take_replies(cx);
        let next = self.next_wake(cx.monotonic());
        self.alarm.set(cx, next);
    }

    fn take_replies(&mut self, cx: &mut Cx<'_>) {
        while let Some((call, reply)) = self.rpc.poll() {
            if self.metadata.owns(call) {
                if self.metadata.answered(cx, reply) {
                    self.learn_leaders();
                }
            } else if let Some(node) = self.session_of(call) {
                self.fetched(cx, node, reply);
            } else {
                self.looked_up(cx, call, reply);
            }
        }
    }

    fn learn_leaders(&mut self) {
        for (tp, assigned) in &mut self.partitions {
            assigned.leader = self.metadata.leader(*tp);
        }
    }

    fn session_of(&self, call: CallId) -> Option<NodeId> {
        self.sessions.iter().find(|(_, session)| session.call == Some(call)).map(|(node, _)| *node)
    }

    fn next_wake(&self, now: Nanos) -> Nanos {
        let later = |at: Nanos| if at > now { at } else { Nanos::MAX };
        let mut next = self.metadata.next_wake();
        for (node, session) in self.sessions.iter().filter(|(_, session)| session.call.is_none()) {
            next = next.min(later(session.not_before.max(self.rpc.ready_at(*node))));
        }
        let barred: SmallVec<[(NodeId, Nanos); 4]> = self.rpc.barred(now).collect();
        for assigned in self.partitions.values().filter(|assigned| assigned.looking_up.is_none()) {
            let is_of = |(node, _): &&(NodeId, Nanos)| assigned.leader.is_some_and(|(leader, _)| leader == *node);
            let connects = barred.iter().find(is_of).map_or(Nanos::ZERO, |(_, until)| *until);
            next = next.min(later(assigned.not_before.max(connects)));
        }
        next
    }
}

impl Assigned {
    fn new(position: Position) -> Assigned {
        Assigned {
            leader: None,
            position,
            is_paused: false,
            buffer: VecDeque::new(),
            high_watermark: None,
            log_start_offset: 0,
            looking_up: None,
            failures: 0,
            not_before: Nanos::ZERO,
        }
    }

    fn move_to(&mut self, position: Position) {
        self.position = position;
        self.buffer.clear();
        self.looking_up = None;
    }

    /// The next records of the first batch in the buffer.
    fn take(&mut self, tp: TopicIdPartition, max_records: u32) -> Option<Polled> {
        let Position::At(position) = self.position else { return None };
        while self.buffer.front().is_some_and(|batch| batch.next_offset() <= position) {
            self.buffer.pop_front();
        }
        let batch = self.buffer.front()?;
        // Offsets that hold nothing (of a log that was compacted, or trimmed) are passed over.
        let offset = position.max(batch.base_offset);
        let count = u32::try_from(batch.next_offset() - offset).unwrap_or(u32::MAX).min(max_records);
        let polled = Polled { tp, batch: batch.clone(), offset, count };
        self.position = Position::At(polled.next_offset());
        if polled.next_offset() == batch.next_offset() {
            self.buffer.pop_front();
        }
        Some(polled)
    }
}

impl AutoOffsetReset {
    fn spec(self) -> Option<OffsetSpec> {
        match self {
            AutoOffsetReset::Earliest => Some(OffsetSpec::Earliest),
            AutoOffsetReset::Latest => Some(OffsetSpec::Latest),
            AutoOffsetReset::None => None,
        }
    }
}
