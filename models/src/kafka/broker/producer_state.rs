//! What a partition's leader knows of idempotent producers (Kafka's `ProducerStateManager`, KIP-98).
//!
//! By producer id: its epoch and its last five batches. A batch that is one of these is a duplicate and is answered with the
//! offset it had; otherwise its first sequence must follow on the last one's, or be 0 in a new epoch. A producer that is not
//! known may begin with any sequence: its state may have expired.

use crate::kafka::batch::{ProducerStamp, RecordBatch};
use crate::kafka::ids::{ProducerEpoch, ProducerId};
use crate::kafka::protocol::ErrorCode;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use wavetank_sim::SortedMap;

/// Batches that are remembered of a producer (`ProducerStateEntry.NUM_BATCHES_TO_RETAIN`).
const BATCHES: usize = 5;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Remembered {
    first_sequence: u32,
    count: u32,
    base_offset: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Producer {
    epoch: ProducerEpoch,
    batches: VecDeque<Remembered>,
}

/// What is to be done with a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Append it.
    Append,
    /// It is in the log already, from that offset on.
    Duplicate(u64),
    /// Refuse it.
    Refuse(ErrorCode),
}

/// See the [module](self).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProducerState {
    producers: SortedMap<ProducerId, Producer>,
}

/// The sequence after a batch; after `i32::MAX` comes 0.
fn next_sequence(first: u32, count: u32) -> u32 {
    (u64::from(first) + u64::from(count)).rem_euclid(1 << 31) as u32
}

impl ProducerState {
    /// What is to be done with a batch that a client sends.
    pub fn check(&self, stamp: Option<ProducerStamp>, count: u32) -> Verdict {
        let Some(stamp) = stamp else { return Verdict::Append };
        let Some(producer) = self.producers.get(&stamp.id) else { return Verdict::Append };
        if stamp.epoch < producer.epoch {
            return Verdict::Refuse(ErrorCode::InvalidProducerEpoch);
        }
        if stamp.epoch > producer.epoch {
            let begins = stamp.base_sequence == 0;
            return if begins { Verdict::Append } else { Verdict::Refuse(ErrorCode::OutOfOrderSequenceNumber) };
        }
        let same = |known: &&Remembered| known.first_sequence == stamp.base_sequence && known.count == count;
        if let Some(known) = producer.batches.iter().find(same) {
            return Verdict::Duplicate(known.base_offset);
        }
        let last = producer.batches.back().expect("a producer is known by a batch");
        if next_sequence(last.first_sequence, last.count) == stamp.base_sequence {
            Verdict::Append
        } else {
            Verdict::Refuse(ErrorCode::OutOfOrderSequenceNumber)
        }
    }

    /// A batch is in the log.
    pub fn append(&mut self, batch: &RecordBatch) {
        let Some(stamp) = batch.producer else { return };
        let known =
            Remembered { first_sequence: stamp.base_sequence, count: batch.count, base_offset: batch.base_offset };
        let producer = self
            .producers
            .entry(stamp.id)
            .or_insert_with(|| Producer { epoch: stamp.epoch, batches: VecDeque::with_capacity(BATCHES) });
        if producer.epoch != stamp.epoch {
            producer.epoch = stamp.epoch;
            producer.batches.clear();
        }
        if producer.batches.len() == BATCHES {
            producer.batches.pop_front();
        }
        producer.batches.push_back(known);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kafka::ids::WriterId;
    use wavetank_sim::Nanos;

    fn stamp(epoch: u16, base_sequence: u32) -> ProducerStamp {
        ProducerStamp { id: ProducerId(1), epoch: ProducerEpoch(epoch), base_sequence }
    }

    fn batch(stamp: ProducerStamp, count: u32, base_offset: u64) -> RecordBatch {
        let mut batch = RecordBatch::of_load(WriterId(0), 0, count, 100, (Nanos::ZERO, Nanos::ZERO));
        (batch.producer, batch.base_offset) = (Some(stamp), base_offset);
        batch
    }

    #[test]
    fn the_last_five_batches_are_known_again_and_no_others() {
        let mut state = ProducerState::default();
        for n in 0..7u32 {
            let stamp = stamp(0, n * 10);
            assert_eq!(state.check(Some(stamp), 10), Verdict::Append);
            state.append(&batch(stamp, 10, u64::from(n) * 100));
        }
        for n in 2..7u32 {
            assert_eq!(state.check(Some(stamp(0, n * 10)), 10), Verdict::Duplicate(u64::from(n) * 100));
        }
        let refused = Verdict::Refuse(ErrorCode::OutOfOrderSequenceNumber);
        assert_eq!(state.check(Some(stamp(0, 10)), 10), refused, "too old to be known");
        assert_eq!(state.check(Some(stamp(0, 60)), 5), refused, "not the same batch");
        assert_eq!(state.check(Some(stamp(0, 80)), 10), refused, "a hole");
        let bytes = postcard::to_stdvec(&state).unwrap();
        assert_eq!(postcard::from_bytes::<ProducerState>(&bytes).unwrap(), state);
    }

    #[test]
    fn a_new_epoch_begins_at_zero_and_fences_the_old_one() {
        let mut state = ProducerState::default();
        state.append(&batch(stamp(3, 50), 10, 7));
        assert_eq!(state.check(Some(stamp(4, 60)), 1), Verdict::Refuse(ErrorCode::OutOfOrderSequenceNumber));
        assert_eq!(state.check(Some(stamp(4, 0)), 1), Verdict::Append);
        state.append(&batch(stamp(4, 0), 1, 17));
        assert_eq!(state.check(Some(stamp(3, 60)), 1), Verdict::Refuse(ErrorCode::InvalidProducerEpoch));
        assert_eq!(state.check(None, 1), Verdict::Append);
    }

    #[test]
    fn sequences_wrap_to_zero() {
        let mut state = ProducerState::default();
        state.append(&batch(stamp(0, (1 << 31) - 4), 4, 7));
        assert_eq!(state.check(Some(stamp(0, 0)), 1), Verdict::Append);
        assert_eq!(next_sequence((1 << 31) - 2, 5), 3);
    }
}
