//! A partition of an idempotent producer (`TransactionManager`, `TxnPartitionEntry`).
//!
//! Sequences are given when a batch is first sent. Batches that came back keep theirs and go one at a time, in order. When
//! a batch is given up and nobody knows what became of it, nothing new is sent until everything on its way has been
//! answered; if then its sequence is still missing, the epoch is raised and the partition starts again from 0 (KIP-360).

use crate::kafka::batch::ProducerStamp;
use crate::kafka::ids::{ProducerEpoch, ProducerId};
use std::collections::VecDeque;

/// A producer's id and its epoch.
pub type Session = (ProducerId, ProducerEpoch);

/// Sequences are of 31 bits and wrap to 0 (`DefaultRecordBatch.incrementSequence`).
const SEQUENCES: u32 = 1 << 31;

/// The sequence so many records later.
pub fn after(sequence: u32, count: u32) -> u32 {
    sequence.wrapping_add(count) % SEQUENCES
}

#[derive(Debug, Default)]
pub(super) struct Sequences {
    /// Under which it sends; the producer's may be newer.
    session: Option<Session>,
    next: u32,
    /// What the broker must get next, as far as it has acknowledged.
    acked_up_to: u32,
    /// First sequences of batches that were sent and are not done, in order; those that wait to be sent again too.
    outstanding: VecDeque<u32>,
    /// A batch that had been sent more than once was given up.
    is_unresolved: bool,
}

impl Sequences {
    /// Whether the batch at the head of the queue may not be sent now (`shouldStopDrainBatchesForPartition`).
    pub fn holds_back(&self, stamp: Option<ProducerStamp>, session: Session) -> bool {
        match stamp {
            None => self.is_unresolved || !self.outstanding.is_empty() && self.session != Some(session),
            Some(stamp) => self.outstanding.front() != Some(&stamp.base_sequence),
        }
    }

    /// Stamps a batch that is sent for the first time.
    pub fn stamp(&mut self, session: Session, count: u32) -> ProducerStamp {
        if self.session != Some(session) {
            assert!(self.outstanding.is_empty(), "a partition changes its epoch when nothing is on its way");
            (self.session, self.next, self.acked_up_to) = (Some(session), 0, 0);
        }
        let base_sequence = self.next;
        self.next = after(base_sequence, count);
        self.outstanding.push_back(base_sequence);
        ProducerStamp { id: session.0, epoch: session.1, base_sequence }
    }

    /// The place of a batch among those that are not done.
    pub fn place(&self, stamp: ProducerStamp) -> Option<usize> {
        self.outstanding.iter().position(|sequence| *sequence == stamp.base_sequence)
    }

    /// Whether the broker must take this one next.
    pub fn is_next(&self, stamp: ProducerStamp) -> bool {
        stamp.base_sequence == self.acked_up_to
    }

    /// A batch is in the log.
    pub fn acked(&mut self, stamp: ProducerStamp, count: u32) {
        self.done(stamp);
        let end = after(stamp.base_sequence, count);
        // Answers over several connections may overtake one another.
        if end.wrapping_sub(self.acked_up_to) % SEQUENCES < SEQUENCES / 2 {
            self.acked_up_to = end;
        }
    }

    /// A batch is not on its way any more.
    pub fn done(&mut self, stamp: ProducerStamp) {
        if let Some(place) = self.place(stamp) {
            self.outstanding.remove(place);
        }
    }

    /// A batch was given up, and an attempt of it may still land.
    pub fn unresolved(&mut self) {
        self.is_unresolved = true;
    }

    /// Whether the epoch must be raised, for a sequence is missing for certain (`maybeResolveSequences`).
    pub fn resolve(&mut self) -> bool {
        if !self.is_unresolved || !self.outstanding.is_empty() {
            return false;
        }
        self.is_unresolved = false;
        self.next != self.acked_up_to
    }

    /// Whether nothing new may be sent for now.
    pub fn is_unresolved(&self) -> bool {
        self.is_unresolved
    }

    /// Begins again from 0 in a new epoch: each of these batches, in their order, gets a new stamp
    /// (`startSequencesAtBeginning`).
    pub fn restart<'a>(
        &mut self,
        session: Session,
        batches: impl Iterator<Item = (u32, &'a mut Option<ProducerStamp>, &'a mut bool)>,
    ) {
        *self = Sequences { session: Some(session), is_unresolved: self.is_unresolved, ..Sequences::default() };
        for (count, stamp, was_reset) in batches {
            *stamp = Some(self.stamp(session, count));
            *was_reset = true;
        }
    }
}
