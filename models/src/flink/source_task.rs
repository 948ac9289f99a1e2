//! A source subtask (`KafkaSourceReader`): a consumer that is assigned its partitions, and channels to all keyed subtasks.
//!
//! It polls while every channel has room, and hands each keyed subtask the whole range: which of the records are that
//! subtask's is arithmetic (`keys.rs`). What it polls fills a buffer of each channel; they are sent when they are full, after
//! `execution.buffer-timeout.interval`, and before a barrier. A barrier lies between two polls, so the position of the consumer is the split's
//! state. Restored splits are sought to; the group's committed offsets are not asked for. Where retention has passed a split's
//! position, it is reset as the startup mode says (`OffsetsInitializer`'s strategy, not `auto.offset.reset`): the job stays up
//! and its output lacks what was deleted.
//!
//! Stricter than reality: a leader that is deposed and does not know it may have let its log begin beyond the position, and
//! say that it is out of range, when the leader of now has all of it. `KafkaConsumer` then goes back to the earliest offset of
//! the leader of now, and a Flink source with it: it counts records twice (seen here, before the rule). This one does not
//! go back.

use super::keys::GroupKeys;
use super::message::{Buffer, Element, RecordSpan};
use super::state::{CheckpointId, SplitState};
use super::{JobSpec, Startup};
use crate::client::consumer::{Consumer, ConsumerEvent, StartAt};
use crate::kafka::ids::TopicIdPartition;
use crate::kafka::token::TokenSpace;
use crate::world::Cx;
use std::collections::VecDeque;
use std::sync::Arc;
use wavetank_sim::SortedMap;

/// `taskmanager.memory.segment-size`.
const BUFFER_BYTES: u64 = 32 << 10;
/// Buffers that wait for credit at the sender before the source stops.
const QUEUE_MAX: usize = 2;

/// A channel's sending end.
#[derive(Debug)]
pub(super) struct Outgoing {
    /// What is not sent yet.
    pub queue: VecDeque<Element>,
    /// Free buffers at the receiver.
    pub credit: u32,
}

impl Outgoing {
    /// The next element that may be sent now.
    pub fn next(&mut self) -> Option<Element> {
        let is_free = match self.queue.front()? {
            Element::Barrier(_) => true,
            Element::Records(_) => self.credit > 0,
        };
        let element = is_free.then(|| self.queue.pop_front()).flatten()?;
        self.credit -= u32::from(matches!(element, Element::Records(_)));
        Some(element)
    }
}

/// See the [module](self).
pub(super) struct SourceTask {
    /// Reads.
    pub consumer: Consumer,
    /// By keyed subtask.
    pub channels: Vec<Outgoing>,
    splits: SortedMap<TopicIdPartition, Option<(u64, u64)>>,
    keys: Arc<[GroupKeys]>,
    /// What fills the channels' buffers, by channel its bytes, and whether a timer will send it.
    filling: Vec<RecordSpan>,
    filling_bytes: Vec<u64>,
    pub has_timer: bool,
    /// What to commit to Kafka when a checkpoint is complete.
    to_commit: SortedMap<CheckpointId, Vec<(TopicIdPartition, u64)>>,
    lag_goal: Option<u64>,
}

impl SourceTask {
    /// A source that reads nothing before [`assign`](SourceTask::assign).
    pub fn new(spec: &JobSpec, spaces: [TokenSpace; 2], keys: Arc<[GroupKeys]>, lag_goal: u64) -> SourceTask {
        let credit = spec.settings.buffers_per_channel;
        SourceTask {
            consumer: Consumer::new(spaces, spec.directory.clone(), spec.source()),
            channels: keys.iter().map(|_| Outgoing { queue: VecDeque::new(), credit }).collect(),
            splits: SortedMap::new(),
            filling: Vec::new(),
            filling_bytes: vec![0; keys.len()],
            has_timer: false,
            keys,
            to_commit: SortedMap::new(),
            lag_goal: Some(lag_goal),
        }
    }

    /// Begins to read: where it was, or where sources without state begin.
    pub fn assign(&mut self, splits: &[SplitState], startup: Startup) {
        self.splits = splits.iter().map(|split| (split.tp, split.read)).collect();
        let fresh = match startup {
            Startup::Earliest => StartAt::Earliest,
            Startup::Latest => StartAt::Latest,
            Startup::GroupOffsets => StartAt::Reset,
        };
        let start = |split: &SplitState| match split.read {
            Some((_, next)) => (split.tp, StartAt::Offset(next)),
            None => (split.tp, fresh),
        };
        self.consumer.assign(splits.iter().map(start));
    }

    /// Takes what has been fetched, as long as there is room. Whether anything was taken.
    pub fn poll(&mut self, cx: &mut Cx<'_>) -> bool {
        while let Some(ConsumerEvent::OutOfRange { .. }) = self.consumer.next_event() {
            // L23: the position is reset by the initializer's strategy, and the job stays up. What it skips by that, its
            // state says.
            cx.mark("flink: a source's position was out of range");
        }
        for (tp, read) in self.splits.iter_mut().filter(|(_, read)| read.is_none()) {
            *read = self.consumer.position(*tp).map(|start| (start, start));
        }
        let mut any = false;
        while self.channels.iter().all(|channel| channel.queue.len() < QUEUE_MAX) {
            let max = self.consumer.settings().max_poll_records;
            let Some(polled) = self.consumer.poll(max) else { break };
            any = true;
            let next = polled.next_offset();
            let (start, before) = self.splits[&polled.tp].unwrap_or((polled.offset, polled.offset));
            if polled.offset < before {
                cx.mark("flink: a source was sent back, and did not go");
                self.consumer.seek(polled.tp, StartAt::Offset(before));
                continue;
            }
            let skipped = polled.offset.saturating_sub(before);
            self.splits.insert(polled.tp, Some((start, next)));
            let Some(first) = polled.first() else { continue };
            let bytes = u64::from(polled.bytes());
            let count = u64::from(polled.count);
            for (sum, keys) in self.filling_bytes.iter_mut().zip(self.keys.iter()) {
                *sum += bytes * keys.count(first.0, polled.tp, first.1, count) / count;
            }
            let (tp, base, count, due) = (polled.tp, polled.offset, polled.count, polled.timestamps());
            let span = RecordSpan { tp, base, skipped, count, first, due };
            if !self.filling.last_mut().is_some_and(|last| last.extend(&span)) {
                self.filling.push(span);
            }
            if self.filling_bytes.iter().any(|bytes| *bytes >= BUFFER_BYTES) {
                self.flush();
            }
        }
        any
    }

    /// Whether a buffer waits to be filled.
    pub fn is_filling(&self) -> bool {
        !self.filling.is_empty()
    }

    /// Hands buffers over to their channels, full or not.
    pub fn flush(&mut self) {
        if self.filling.is_empty() {
            return;
        }
        let spans: Arc<[RecordSpan]> = self.filling.drain(..).collect();
        for (channel, bytes) in self.channels.iter_mut().zip(&mut self.filling_bytes) {
            let bytes = u32::try_from(std::mem::take(bytes)).unwrap_or(u32::MAX);
            channel.queue.push_back(Element::Records(Buffer { spans: spans.clone(), bytes }));
        }
    }

    /// Its state, and the barrier behind all that was polled.
    pub fn trigger(&mut self, checkpoint: CheckpointId) -> Vec<SplitState> {
        self.flush();
        for channel in &mut self.channels {
            channel.queue.push_back(Element::Barrier(checkpoint));
        }
        let reached = |(tp, read): (&TopicIdPartition, &Option<(u64, u64)>)| Some((*tp, (*read)?.1));
        self.to_commit.insert(checkpoint, self.splits.iter().filter_map(reached).collect());
        self.splits.iter().map(|(tp, read)| SplitState { tp: *tp, read: *read }).collect()
    }

    /// That checkpoint is complete: what to commit to Kafka. Earlier ones are subsumed.
    pub fn completed(&mut self, checkpoint: CheckpointId) -> Vec<(TopicIdPartition, u64)> {
        let later = self.to_commit.split_off(&CheckpointId(checkpoint.0 + 1));
        let offsets = self.to_commit.remove(&checkpoint).unwrap_or_default();
        self.to_commit = later;
        offsets
    }

    /// Says once that its lag is what it was before the failure. A partition of which nothing came yet is behind.
    pub fn has_caught_up(&mut self) -> bool {
        let Some(goal) = self.lag_goal else { return false };
        let known = |tp: &TopicIdPartition| self.consumer.high_watermark(*tp).is_some();
        let reached = self.splits.keys().all(known) && self.consumer.lag() <= goal;
        if reached {
            self.lag_goal = None;
        }
        reached
    }
}
