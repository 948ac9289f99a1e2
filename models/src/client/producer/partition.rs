//! A partition in a producer: its batches in order (`RecordAccumulator.TopicInfo`).

use super::batch::{Batch, Piece};
use super::sequences::{Sequences, Session};
use crate::client::recorder::Sends;
use crate::kafka::ids::TopicIdPartition;
use crate::world::Cx;
use std::collections::VecDeque;
use wavetank_sim::{Nanos, NodeId};

pub(super) struct Partition {
    pub tp: TopicIdPartition,
    pub leader: Option<NodeId>,
    /// Batches to be sent, in order: first those that came back, last the one that takes records.
    pub queue: VecDeque<Batch>,
    /// The last of the queue takes more.
    is_open: bool,
    /// Batches that are in a request.
    pub on_wire: usize,
    pub sequences: Sequences,
    pub sends: Option<Sends>,
}

impl Partition {
    pub fn new(tp: TopicIdPartition, sends: Option<Sends>) -> Partition {
        let (queue, sequences) = (VecDeque::new(), Sequences::default());
        Partition { tp, leader: None, queue, is_open: false, on_wire: 0, sequences, sends }
    }

    /// How many records the open batch takes; `None`: there is none.
    pub fn room(&self, capacity: u32) -> Option<u32> {
        self.is_open.then(|| capacity - self.queue.back().map_or(0, |batch| batch.piece.count))
    }

    /// Whether the last batch is full (`ProducerBatch.isFull`), or there is none.
    pub fn all_batches_full(&self, batch_size: u32) -> bool {
        let is_full = |batch: &Batch| batch.attempts > 0 || batch.size_bytes() >= batch_size;
        self.queue.back().is_none_or(is_full)
    }

    /// Takes records into the open batch, or into a new one that holds so much memory.
    pub fn append(&mut self, piece: Piece, record_bytes: u32, capacity: u32, memory: u64) {
        match self.queue.back_mut().filter(|_| self.is_open) {
            Some(batch) => batch.extend(piece, record_bytes),
            None => self.queue.push_back(Batch::new(piece, record_bytes, memory)),
        }
        let count = self.queue.back().map_or(0, |batch| batch.piece.count);
        assert!(count <= capacity, "a batch of {count} records where {capacity} fit");
        self.is_open = count < capacity;
    }

    /// From when on the first batch is to be sent; never, if there is none.
    pub fn ready_at(&self, linger: Nanos, at_once: bool) -> Nanos {
        let Some(front) = self.queue.front() else { return Nanos::MAX };
        if front.attempts > 0 {
            return front.not_before;
        }
        let is_full = self.queue.len() > 1 || !self.is_open;
        if is_full || at_once { Nanos::ZERO } else { front.created().saturating_add(linger) }
    }

    /// Takes the first batch out, to be sent.
    pub fn pop(&mut self) -> Option<Batch> {
        let batch = self.queue.pop_front()?;
        self.is_open &= !self.queue.is_empty();
        Some(batch)
    }

    /// A batch comes back: to its place by sequence, or to the front (`insertInSequenceOrder`).
    pub fn reenqueue(&mut self, batch: Batch) {
        let Some(mine) = batch.stamp.and_then(|stamp| self.sequences.place(stamp)) else {
            return self.queue.push_front(batch);
        };
        let is_before =
            |other: &Batch| other.stamp.and_then(|stamp| self.sequences.place(stamp)).is_some_and(|other| other < mine);
        let at = self.queue.iter().take_while(|other| is_before(other)).count();
        self.queue.insert(at, batch);
    }

    /// Everything that was sent begins again from 0. `on_wire` are the batches in requests.
    ///
    /// What of it has landed, or lands yet, under its old stamp is in the log twice then, and behind what came between:
    /// the broker compares sequences within an epoch only (KIP-360).
    pub fn restart(&mut self, cx: &mut Cx<'_>, session: Session, on_wire: Vec<&mut Batch>) {
        let queued = self.queue.iter().filter(|batch| batch.maybe_in_log.is_some());
        for batch in on_wire.iter().map(|batch| &**batch).chain(queued) {
            cx.mark("producer: a batch of unknown fate was written again under a new epoch");
            if let Some(sends) = &self.sends {
                sends.rewritten(cx, batch.piece.first, batch.piece.count);
            }
        }
        let sequences = &self.sequences;
        let place = |batch: &Batch| batch.stamp.and_then(|stamp| sequences.place(stamp));
        let mut batches: Vec<(usize, &mut Batch)> =
            on_wire.into_iter().chain(&mut self.queue).filter_map(|batch| Some((place(batch)?, batch))).collect();
        batches.sort_unstable_by_key(|(place, _)| *place);
        let stamps =
            batches.into_iter().map(|(_, batch)| (batch.piece.count, &mut batch.stamp, &mut batch.sequence_was_reset));
        self.sequences.restart(session, stamps);
    }
}
