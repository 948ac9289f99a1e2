//! A batch in a producer (`ProducerBatch`).

use crate::client::recorder::OpenSend;
use crate::kafka::batch::{BATCH_HEADER_BYTES, ProducerStamp, RecordBatch};
use crate::kafka::ids::WriterId;
use wavetank_sim::{Nanos, NodeId};

/// What a record takes in a batch beside its value: length, attributes, deltas, empty key and headers
/// (`DefaultRecord.sizeInBytes`: seven varints of one or two bytes).
pub const RECORD_OVERHEAD_BYTES: u32 = 9;

/// Consecutive records of one partition, on their way into a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Index of the first one in (writer, partition).
    pub first: u64,
    /// How many.
    pub count: u32,
    /// When the load wanted the first and the last one sent.
    pub due: (Nanos, Nanos),
    /// When they were given to the producer.
    pub sent: (Nanos, Nanos),
}

#[derive(Debug)]
pub(super) struct Batch {
    pub piece: Piece,
    pub records_bytes: u32,
    /// Memory of the buffer that it holds.
    pub memory: u64,
    /// Of an idempotent producer, from the first time that it is sent.
    pub stamp: Option<ProducerStamp>,
    /// How often it has come back.
    pub attempts: u32,
    /// Not again before.
    pub not_before: Nanos,
    /// Where it was sent last.
    pub sent_to: Option<NodeId>,
    /// The first broker of which nobody knows whether it has put it into the log.
    pub maybe_in_log: Option<NodeId>,
    /// Its sequence is another one than it was first sent with.
    pub sequence_was_reset: bool,
    /// The leader last refused it because an earlier sequence is missing, or a later one was taken before it.
    pub is_out_of_order: bool,
    /// It was given up while it was on its way; what is still said of it changes nothing.
    pub is_done: bool,
    pub send: Option<OpenSend>,
}

impl Batch {
    pub fn new(piece: Piece, record_bytes: u32, memory: u64) -> Batch {
        Batch {
            piece,
            records_bytes: piece.count * record_bytes,
            memory,
            stamp: None,
            attempts: 0,
            not_before: Nanos::ZERO,
            sent_to: None,
            maybe_in_log: None,
            sequence_was_reset: false,
            is_out_of_order: false,
            is_done: false,
            send: None,
        }
    }

    pub fn extend(&mut self, piece: Piece, record_bytes: u32) {
        let mine = &mut self.piece;
        assert_eq!(mine.first + u64::from(mine.count), piece.first, "a batch's records are consecutive");
        mine.count += piece.count;
        (mine.due.1, mine.sent.1) = (piece.due.1, piece.sent.1);
        self.records_bytes += piece.count * record_bytes;
    }

    /// Its last attempt may have put it into the log.
    pub fn doubt(&mut self) {
        self.maybe_in_log = self.maybe_in_log.or(self.sent_to);
    }

    /// Whether an attempt of unknown fate was at another broker than its last one.
    pub fn outlived_a_leader(&self) -> bool {
        self.maybe_in_log.is_some() && self.maybe_in_log != self.sent_to
    }

    /// When its first record was given to the producer: from then its linger and its delivery timeout count.
    pub fn created(&self) -> Nanos {
        self.piece.sent.0
    }

    /// Bytes on the wire.
    pub fn size_bytes(&self) -> u32 {
        BATCH_HEADER_BYTES + self.records_bytes
    }

    pub fn as_record_batch(&self, writer: WriterId) -> RecordBatch {
        let Piece { first, count, due, .. } = self.piece;
        RecordBatch { producer: self.stamp, ..RecordBatch::of_load(writer, first, count, self.records_bytes, due) }
    }
}
