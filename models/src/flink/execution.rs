//! The tasks of one execution in one task manager, and the channels between them.
//!
//! Every source subtask has a channel to every keyed subtask. Within a task manager an element is handed over; between two,
//! all channels share one connection, which the consumer opens (`PartitionRequest`). Flow is credit-based: a channel has
//! `buffers-per-channel` buffers at its receiver; one that is used up gives its credit back when it has been applied, so a
//! slow operator stops its sources, and a blocked channel fills. When a connection breaks, tasks at both ends fail.
//!
//! Simpler than reality: a buffer holds whole polls, so it can be larger than 32 KiB, and all channels of a source send theirs
//! together; the timeout counts from a buffer's first record (Flink's flusher has a beat of its own); there are no floating
//! buffers; tasks take no time but what `records_per_sec` says.

use super::committer::Committer;
use super::keyed_task::{KeyedTask, Turn};
use super::keys::{GroupKeys, KeyGroupRange};
use super::message::{Deployment, FlinkMessage};
use super::sink::Sink;
use super::source_task::SourceTask;
use super::state::{Attempt, CheckpointId, CheckpointMetadata, GroupState, SplitState};
use super::{FlinkMutant, JobSpec, Startup};
use crate::client::AutoOffsetReset;
use crate::client::consumer::Consumer;
use crate::cloud::network::ConnId;
use crate::kafka::ids::TopicIdPartition;
use crate::kafka::protocol::group::CommittedOffsets;
use crate::kafka::token::TokenSpace;
use crate::message::Message;
use crate::world::{Cx, Input};
use std::sync::Arc;
use wavetank_sim::{Nanos, NodeId, SortedMap};

/// A timer of a source: its buffers are sent. Without it a timer is a keyed subtask's.
const FLUSH: u64 = 1 << 32;

/// A keyed subtask's state at a barrier.
#[derive(Debug)]
pub(super) struct Aligned {
    /// Which subtask.
    pub subtask: u32,
    /// Which barrier.
    pub checkpoint: CheckpointId,
    /// Its state.
    pub states: Vec<GroupState>,
    /// How many keys it has.
    pub keys: u64,
    /// How many upserts the task manager's sinks had made.
    pub flush_to: u64,
}

/// What a turn of the tasks has brought.
#[derive(Debug, Default)]
pub(super) struct Done {
    /// Keyed subtasks whose barriers have all come, with what they had then.
    pub aligned: Vec<Aligned>,
    /// All tasks have their state, since now.
    pub restored: bool,
    /// A task has failed, since now.
    pub failed: bool,
    /// Sources whose lag is what it was.
    pub caught_up: Vec<u32>,
}

/// See the [module](self).
pub(super) struct Execution {
    spec: Arc<JobSpec>,
    me: NodeId,
    deployment: Deployment,
    sources: SortedMap<u32, SourceTask>,
    keyed: SortedMap<u32, KeyedTask>,
    sink: Sink,
    timers: TokenSpace,
    /// Connections to producers, opened here.
    upstream: SortedMap<NodeId, ConnId>,
    /// Connections of consumers.
    downstream: SortedMap<NodeId, ConnId>,
    /// Splits of sources that wait for committed offsets.
    waiting: SortedMap<u32, Vec<SplitState>>,
    told_restored: bool,
    failed: bool,
    told_failed: bool,
}

impl Execution {
    /// Tasks that are placed at `me`, without the state of keyed ones.
    pub fn new(
        cx: &mut Cx<'_>,
        spec: Arc<JobSpec>,
        me: NodeId,
        deployment: Deployment,
        next_space: &mut u16,
        committer: &mut Committer,
    ) -> Execution {
        let mut space = || {
            *next_space = next_space.checked_add(1).expect("an execution needs few token spaces");
            TokenSpace(*next_space)
        };
        let (groups, parallelism) = (spec.key_groups(), deployment.parallelism());
        let of = |subtask| GroupKeys::new(spec.groups_of(subtask, parallelism), spec.keys, groups);
        let keys: Arc<[GroupKeys]> = (0..parallelism).map(of).collect();
        let (timers, sink) = (space(), space());
        let mut execution = Execution {
            me,
            sources: SortedMap::new(),
            keyed: SortedMap::new(),
            sink: Sink::new(cx, spec.table, sink, &spec.settings),
            timers,
            upstream: SortedMap::new(),
            downstream: SortedMap::new(),
            waiting: SortedMap::new(),
            told_restored: false,
            failed: false,
            told_failed: false,
            deployment,
            spec,
        };
        for subtask in execution.subtasks_at(me) {
            let lag_goal = execution.deployment.lag_before[subtask as usize];
            let source = SourceTask::new(&execution.spec, [space(), space()], keys.clone(), lag_goal);
            execution.sources.insert(subtask, source);
            execution.begin_source(subtask, committer);
            let mut keyed = KeyedTask::new(&execution.spec, subtask, parallelism);
            if execution.deployment.restore.is_none() {
                keyed.begin();
            }
            execution.keyed.insert(subtask, keyed);
        }
        execution.connect(cx);
        execution
    }

    fn subtasks_at(&self, node: NodeId) -> Vec<u32> {
        let placement = self.deployment.placement.iter().zip(0..);
        placement.filter(|(at, _)| **at == node).map(|(_, subtask)| subtask).collect()
    }

    fn begin_source(&mut self, subtask: u32, committer: &mut Committer) {
        let mine = |tp: &TopicIdPartition| self.spec.reader_of(*tp, self.deployment.parallelism()) == subtask;
        let restored = |tp: TopicIdPartition| {
            let splits = self.deployment.restore.iter().flat_map(|metadata| &metadata.splits);
            splits.copied().find(|split| split.tp == tp).unwrap_or(SplitState { tp, read: None })
        };
        let splits: Vec<SplitState> = self.spec.sources.iter().copied().filter(mine).map(restored).collect();
        let is_mutant = self.spec.has(FlinkMutant::RestoreFromCommittedOffsets) && self.deployment.restore.is_some();
        let is_new = splits.iter().any(|split| split.read.is_none());
        if is_mutant || (self.spec.startup == Startup::GroupOffsets && is_new) {
            self.waiting.insert(subtask, splits);
            let all = self.waiting.values().flatten().map(|split| split.tp).collect();
            return committer.ask(all);
        }
        self.sources.get_mut(&subtask).expect("it is here").assign(&splits, self.spec.startup);
    }

    /// Committed offsets: where sources without state begin at them, and for the mutant that always does.
    pub fn begin_at(&mut self, cx: &mut Cx<'_>, committed: &CommittedOffsets) {
        let is_mutant = self.spec.has(FlinkMutant::RestoreFromCommittedOffsets);
        for (subtask, mut splits) in std::mem::take(&mut self.waiting) {
            for split in splits.iter_mut().filter(|split| split.read.is_none() || is_mutant) {
                let offset = committed.iter().find(|(tp, _)| *tp == split.tp).and_then(|(_, offset)| *offset);
                split.read = offset.map(|offset| (split.read.map_or(offset, |(start, _)| start), offset));
            }
            let has_no_place = splits.iter().any(|split| split.read.is_none());
            if has_no_place && self.spec.startup == Startup::GroupOffsets {
                cx.mark("flink: a group has no committed offset to begin at");
                // `NoOffsetForPartitionException`.
                self.failed |= self.spec.consumer.auto_offset_reset == AutoOffsetReset::None;
            }
            self.sources.get_mut(&subtask).expect("it is here").assign(&splits, self.spec.startup);
        }
    }

    /// Opens connections to all other task managers that have sources.
    fn connect(&mut self, cx: &mut Cx<'_>) {
        let attempt = self.deployment.attempt;
        let mut nodes = self.deployment.placement.clone();
        nodes.sort_unstable();
        nodes.dedup();
        for node in nodes.into_iter().filter(|node| *node != self.me) {
            let conn = cx.connect(node);
            cx.send(conn, Message::Flink(Box::new(FlinkMessage::PartitionRequest { attempt })));
            self.upstream.insert(node, conn);
        }
    }

    /// A consumer has asked for its data.
    pub fn attach(&mut self, conn: ConnId, consumer: NodeId) {
        self.downstream.insert(consumer, conn);
    }

    /// Ends all of it.
    pub fn close(mut self, cx: &mut Cx<'_>) {
        for source in self.sources.values_mut() {
            source.consumer.close(cx);
        }
        for conn in self.upstream.values().chain(self.downstream.values()) {
            cx.close(*conn);
        }
        self.sink.close(cx);
    }

    pub fn attempt(&self) -> Attempt {
        self.deployment.attempt
    }

    /// The key groups of a keyed subtask.
    pub fn groups_of(&self, subtask: u32) -> KeyGroupRange {
        self.spec.groups_of(subtask, self.deployment.parallelism())
    }

    pub fn has_failed(&self) -> bool {
        self.failed
    }

    /// A task of it has failed.
    pub fn fail(&mut self) {
        self.failed = true;
    }

    pub fn is_restored(&self) -> bool {
        self.keyed.values().all(|task| task.restoring == 0) && self.waiting.is_empty()
    }

    pub fn restored_from(&self) -> Option<&CheckpointMetadata> {
        self.deployment.restore.as_deref()
    }

    pub fn sink(&self) -> &Sink {
        &self.sink
    }

    /// What its sources read with.
    pub fn consumers(&self) -> impl Iterator<Item = &Consumer> {
        self.sources.values().map(|source| &source.consumer)
    }

    pub fn keyed_tasks(&mut self) -> impl Iterator<Item = (u32, &mut KeyedTask)> {
        self.keyed.iter_mut().map(|(subtask, task)| (*subtask, task))
    }

    /// By source subtask: how far behind it is.
    pub fn lags(&self) -> Vec<(u32, u64)> {
        self.sources.iter().map(|(subtask, source)| (*subtask, source.consumer.lag())).collect()
    }

    /// An object of a keyed subtask's state has come.
    pub fn restored(&mut self, subtask: u32, states: &[GroupState]) {
        let task = self.keyed.get_mut(&subtask).expect("it is here");
        task.restore(states);
        task.restoring -= 1;
    }

    /// Sources begin a checkpoint: their states.
    pub fn trigger(&mut self, checkpoint: CheckpointId) -> Vec<(u32, Vec<SplitState>)> {
        self.sources.iter_mut().map(|(subtask, source)| (*subtask, source.trigger(checkpoint))).collect()
    }

    /// A checkpoint is complete: what to commit to Kafka.
    pub fn completed(&mut self, checkpoint: CheckpointId) -> Vec<(TopicIdPartition, u64)> {
        self.sources.values_mut().flat_map(|source| source.completed(checkpoint)).collect()
    }

    /// Takes what is its own; gives back what is not.
    pub fn input(&mut self, cx: &mut Cx<'_>, input: Input) -> Option<Input> {
        let mut input = self.sink.input(cx, input)?;
        for source in self.sources.values_mut() {
            input = source.consumer.input(cx, input)?;
        }
        match input {
            Input::Timer { token, .. } if TokenSpace::split(token).0 == self.timers => {
                let local = TokenSpace::split(token).1;
                let subtask = (local & !FLUSH) as u32;
                if local & FLUSH == 0 {
                    self.keyed.get_mut(&subtask).expect("it is here").is_busy = false;
                } else {
                    let source = self.sources.get_mut(&subtask).expect("it is here");
                    source.has_timer = false;
                    source.flush();
                }
                None
            }
            Input::Message { conn, message: Message::Flink(message) } if self.is_mine(conn) => {
                self.exchanged(*message);
                None
            }
            Input::Reset { conn, .. } if self.is_mine(conn) => {
                self.failed = true;
                // Whoever accepted it forgets it, too.
                Some(input)
            }
            other => Some(other),
        }
    }

    fn is_mine(&self, conn: ConnId) -> bool {
        self.upstream.values().chain(self.downstream.values()).any(|of| *of == conn)
    }

    fn exchanged(&mut self, message: FlinkMessage) {
        match message {
            FlinkMessage::Data { from, to, element } => {
                self.keyed.get_mut(&to).expect("data comes to where its receiver is").receive(from, element);
            }
            FlinkMessage::Credit { from, to } => {
                let source = self.sources.get_mut(&from).expect("credit comes to where the sender is");
                source.channels[to as usize].credit += 1;
            }
            other => unreachable!("task managers do not say {}", other.name()),
        }
    }

    /// Does what can be done now.
    pub fn run(&mut self, cx: &mut Cx<'_>) -> Done {
        let mut done = Done::default();
        loop {
            let mut any = false;
            for source in self.sources.values_mut() {
                any |= source.poll(cx);
            }
            any |= self.send(cx);
            any |= self.apply(cx, &mut done);
            if !any {
                break;
            }
        }
        for (subtask, source) in &mut self.sources {
            source.consumer.run(cx);
            if source.is_filling() && !source.has_timer {
                source.has_timer = true;
                self.timers.set_timer(cx, self.spec.settings.buffer_timeout, FLUSH | u64::from(*subtask));
            }
            if source.has_caught_up() {
                done.caught_up.push(*subtask);
            }
        }
        if self.is_restored() && !self.told_restored {
            (self.told_restored, done.restored) = (true, true);
        }
        if self.failed && !self.told_failed {
            (self.told_failed, done.failed) = (true, true);
        }
        done
    }

    /// Sends what may be sent. Whether anything was.
    fn send(&mut self, cx: &mut Cx<'_>) -> bool {
        let mut any = false;
        for (from, source) in &mut self.sources {
            for (to, channel) in (0..).zip(&mut source.channels) {
                let node = self.deployment.placement[to as usize];
                let conn = self.downstream.get(&node).copied();
                if node != self.me && conn.is_none() {
                    continue;
                }
                while let Some(element) = channel.next() {
                    any = true;
                    match conn {
                        Some(conn) => {
                            let data = FlinkMessage::Data { from: *from, to, element };
                            cx.send(conn, Message::Flink(Box::new(data)));
                        }
                        None => self.keyed.get_mut(&to).expect("it is here").receive(*from, element),
                    }
                }
            }
        }
        any
    }

    /// Lets keyed subtasks take a turn each. Whether any did something.
    fn apply(&mut self, cx: &mut Cx<'_>, done: &mut Done) -> bool {
        let mut any = false;
        for (subtask, task) in &mut self.keyed {
            if !self.sink.has_room() {
                break;
            }
            match task.turn(self.deployment.attempt) {
                Turn::Idle => continue,
                Turn::Barrier => {}
                Turn::Aligned(checkpoint) => {
                    // The state is copied before anything else is applied.
                    let (states, keys) = task.snapshot();
                    self.sink.flush(cx);
                    let flush_to = self.sink.written();
                    done.aligned.push(Aligned { subtask: *subtask, checkpoint, states, keys, flush_to });
                }
                Turn::Applied { from, records, upserts } => {
                    for row in upserts {
                        self.sink.write(cx, row);
                    }
                    if let Some(rate) = self.spec.records_per_sec {
                        task.is_busy = true;
                        let takes = Nanos::transfer(records, rate);
                        self.timers.set_timer(cx, takes, u64::from(*subtask));
                    }
                    match self.sources.get_mut(&from) {
                        Some(source) => source.channels[*subtask as usize].credit += 1,
                        None => {
                            let conn = self.upstream[&self.deployment.placement[from as usize]];
                            let credit = FlinkMessage::Credit { from, to: *subtask };
                            cx.send(conn, Message::Flink(Box::new(credit)));
                        }
                    }
                }
            }
            any = true;
        }
        any
    }
}
