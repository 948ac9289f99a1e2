//! A keyed subtask with its sink, chained: applies what comes on its channels, one element at a time, channels in turn.
//!
//! Barriers are aligned (`SingleCheckpointBarrierHandler`): a channel whose barrier has come is not read until all have
//! come. Then the state is copied, which costs no time, and the channels are free again. A barrier of a later checkpoint
//! ends the alignment of an earlier one. Unaligned checkpoints would act here: take the channels' queues as state at the
//! first barrier.

use super::keys::{GroupKeys, KeyGroupRange};
use super::message::{Buffer, Element, RecordSpan, Upsert};
use super::state::{Attempt, CheckpointId, GroupState};
use super::{FlinkMutant, JobSpec};
use crate::kafka::ids::TopicIdPartition;
use std::collections::VecDeque;
use wavetank_sim::{Nanos, SortedMap};

/// A channel's receiving end.
#[derive(Debug, Default)]
struct Incoming {
    queue: VecDeque<Element>,
    has_barrier: bool,
}

/// Key groups that have always been together, and their keys.
struct Part {
    state: GroupState,
    keys: GroupKeys,
}

/// What a turn did.
#[derive(Debug)]
pub(super) enum Turn {
    /// There was nothing to do.
    Idle,
    /// A barrier was taken, and others are awaited.
    Barrier,
    /// All barriers have come.
    Aligned(CheckpointId),
    /// Records were applied.
    Applied {
        /// Of which channel: a buffer of it is free.
        from: u32,
        /// How many of them were for this subtask.
        records: u64,
        /// What the sink writes.
        upserts: Vec<Upsert>,
    },
}

/// See the [module](self).
pub(super) struct KeyedTask {
    /// Objects that are not read yet.
    pub restoring: usize,
    /// It works on what it has; nothing else is taken.
    pub is_busy: bool,
    groups: KeyGroupRange,
    /// In which its state is kept.
    pieces: Vec<KeyGroupRange>,
    key_counts: (u32, u32),
    parts: Vec<Part>,
    inputs: Vec<Incoming>,
    aligning: Option<CheckpointId>,
    next_input: usize,
    blocks: bool,
    cuts: bool,
}

impl KeyedTask {
    /// A subtask, of so many, without state.
    pub fn new(spec: &JobSpec, subtask: u32, parallelism: u32) -> KeyedTask {
        let groups = spec.groups_of(subtask, parallelism);
        let cuts = !spec.has(FlinkMutant::RescaleUncut);
        KeyedTask {
            restoring: 0,
            is_busy: false,
            groups,
            pieces: if cuts { spec.pieces(groups) } else { vec![groups] },
            key_counts: (spec.keys, spec.key_groups()),
            parts: Vec::new(),
            inputs: (0..parallelism).map(|_| Incoming::default()).collect(),
            aligning: None,
            next_input: 0,
            blocks: !spec.has(FlinkMutant::BarrierBlocksNothing),
            cuts,
        }
    }

    /// Its key groups.
    pub fn groups(&self) -> KeyGroupRange {
        self.groups
    }

    /// Begins with nothing.
    pub fn begin(&mut self) {
        for groups in self.pieces.clone() {
            self.add(GroupState { groups, inputs: SortedMap::new() });
        }
    }

    /// Takes its part of restored state: key groups of others are left out.
    pub fn restore(&mut self, states: &[GroupState]) {
        for state in states {
            if let Some(groups) = state.groups.common(self.groups) {
                let is_mine = self.cuts || groups.first == state.groups.first;
                let inputs = if is_mine { state.inputs.clone() } else { SortedMap::new() };
                self.add(GroupState { groups, inputs });
            }
        }
    }

    fn add(&mut self, state: GroupState) {
        let keys = GroupKeys::new(state.groups, self.key_counts.0, self.key_counts.1);
        self.parts.push(Part { state, keys });
    }

    /// Its state, to be written; and how many keys it has.
    pub fn snapshot(&self) -> (Vec<GroupState>, u64) {
        let keys = self.parts.iter().map(|part| u64::from(part.keys.keys())).sum();
        (self.parts.iter().map(|part| part.state.clone()).collect(), keys)
    }

    /// Something came on a channel.
    pub fn receive(&mut self, from: u32, element: Element) {
        self.inputs[from as usize].queue.push_back(element);
    }

    /// Takes one element, if it may.
    pub fn turn(&mut self, attempt: Attempt) -> Turn {
        if self.restoring > 0 || self.is_busy {
            return Turn::Idle;
        }
        let all = self.inputs.len();
        for step in 0..all {
            let place = (self.next_input + step) % all;
            let input = &mut self.inputs[place];
            if input.has_barrier && self.blocks {
                continue;
            }
            let Some(element) = input.queue.pop_front() else { continue };
            self.next_input = (place + 1) % all;
            return match element {
                Element::Records(buffer) => self.apply(attempt, place as u32, &buffer),
                Element::Barrier(checkpoint) => self.barrier(place, checkpoint),
            };
        }
        Turn::Idle
    }

    fn barrier(&mut self, place: usize, checkpoint: CheckpointId) -> Turn {
        match self.aligning {
            Some(current) if checkpoint < current => return Turn::Barrier,
            Some(current) if checkpoint == current => {}
            Some(_) | None => {
                self.inputs.iter_mut().for_each(|input| input.has_barrier = false);
                self.aligning = Some(checkpoint);
            }
        }
        self.inputs[place].has_barrier = true;
        if !self.inputs.iter().all(|input| input.has_barrier) {
            return Turn::Barrier;
        }
        self.inputs.iter_mut().for_each(|input| input.has_barrier = false);
        self.aligning = None;
        Turn::Aligned(checkpoint)
    }

    /// Applies a buffer: one upsert for each partition that is in it.
    fn apply(&mut self, attempt: Attempt, from: u32, buffer: &Buffer) -> Turn {
        let mut turn = (0, Vec::new());
        for part in &mut self.parts {
            let mut touched: SortedMap<TopicIdPartition, ((Nanos, Nanos), u64)> = SortedMap::new();
            for RecordSpan { tp, base, skipped, count, first, due } in buffer.spans.iter().copied() {
                let records = part.keys.count(first.0, tp, first.1, u64::from(count));
                let applied = part.state.inputs.entry(tp).or_default();
                applied.skip(base - skipped, base);
                applied.apply(base, base + u64::from(count), records);
                let (span, sum) = touched.entry(tp).or_insert((due, 0));
                (span.1, *sum) = (due.1, *sum + records);
                turn.0 += records;
            }
            turn.1.extend(touched.into_iter().map(|(tp, (due, records))| Upsert {
                attempt,
                groups: part.state.groups,
                tp,
                applied: part.state.inputs[&tp].clone(),
                due,
                records: u32::try_from(records).unwrap_or(u32::MAX),
            }));
        }
        Turn::Applied { from, records: turn.0, upserts: turn.1 }
    }
}
