//! Write-ahead logs of shared storage: where a record is durable before it is in an object.
//!
//! One trait, three media: objects ([`object`]), a block device ([`block`]), a file on a share ([`file`](mod@file)). What they have in
//! common, and what every one of them must keep:
//!
//! * Completions come in WAL order: when [`WalEvent::Durable`] names a record, every record before it is durable too.
//! * An acknowledgement is never given by an owner that has been fenced: whoever opened the log later has seen every
//!   record that was or will be reported durable to an earlier owner.
//! * What was trimmed is never recovered as if it were new; what was durable and not trimmed always is.
//! * A log that cannot keep this says [`WalEvent::Fenced`] or [`WalEvent::Failed`] once, and nothing after it.
//!
//! The life of a log: [`Wal::open`] takes it over from whoever had it (fencing) and recovers; records that are not trimmed
//! come as [`WalEvent::Recovered`], in order, until [`WalEvent::RecoveryEnded`]. Their owner puts them into objects and
//! calls [`Wal::reset`]: the log is empty and, when opened by its own broker, takes appends from [`WalEvent::Ready`] on.
//! A rescuer calls [`Wal::release`] instead of appending.

pub mod block;
pub mod file;
pub mod mutant;
pub mod object;
pub mod record;
pub mod ring;
mod spec;
mod voice;

pub use mutant::WalMutant;
pub use spec::{WalSpec, build};

use super::ids::{BrokerEpoch, BrokerId, StreamEpoch, StreamId};
use super::protocol::WireSize;
use crate::blob::Blob;
use crate::world::{Cx, Input, Wait};

/// Where a record lies in a log. Grows; what a number means is the medium's business.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WalOffset(pub u64);

/// A batch of one stream, as a log keeps it: S3Stream's `StreamRecordBatch`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WalRecord {
    /// Of which stream.
    pub stream: StreamId,
    /// The stream's epoch under which it was appended.
    pub epoch: StreamEpoch,
    /// First offset in the stream.
    pub base_offset: u64,
    /// How many offsets it takes.
    pub count: u32,
    /// Its content: a record batch of Kafka, encoded.
    pub payload: Blob,
}

/// Bytes of a `StreamRecordBatch`'s header: magic 1, stream 8, epoch 8, base offset 8, last offset delta 4, length 4.
pub const STREAM_RECORD_HEADER_BYTES: u64 = 33;

impl WalRecord {
    /// Offset after the last.
    pub fn next_offset(&self) -> u64 {
        self.base_offset + u64::from(self.count)
    }
}

impl WireSize for WalRecord {
    fn wire_bytes(&self) -> u64 {
        STREAM_RECORD_HEADER_BYTES + self.payload.len()
    }
}

/// Who opens a log, and whose it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WalOwner {
    /// Whose log.
    pub broker: BrokerId,
    /// The epoch under which it is opened: greater than every earlier owner's.
    pub epoch: BrokerEpoch,
    /// Why.
    pub mode: WalMode,
}

/// Why a log is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum WalMode {
    /// By its own broker, at its start.
    Own,
    /// By another broker, because its own is dead.
    Failover,
}

/// What a log says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WalEvent {
    /// Of opening: nobody else can have anything acknowledged any more.
    Acquired,
    /// A record that is in the log and not trimmed, in order.
    Recovered {
        /// Where.
        at: WalOffset,
        /// What.
        record: WalRecord,
    },
    /// There are no more.
    RecoveryEnded,
    /// The log is empty and takes appends.
    Ready,
    /// The log is empty and given back.
    Released,
    /// The next record in WAL order is durable; it comes back, so that nobody keeps a copy.
    Durable {
        /// Where.
        at: WalOffset,
        /// What.
        record: WalRecord,
    },
    /// There is room again after [`OverCapacity`].
    Room,
    /// Somebody else has the log now: nothing that is not reported durable will be.
    Fenced,
    /// The medium has failed; what is not reported durable may be in the log or not.
    Failed {
        /// How.
        why: String,
    },
}

/// There is no room now: the record is given back. [`WalEvent::Room`] says when to try again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OverCapacity(pub WalRecord);

/// A write-ahead log.
pub trait Wal: Send {
    /// Takes the log over and recovers.
    fn open(&mut self, cx: &mut Cx<'_>, owner: WalOwner);

    /// Appends a record.
    ///
    /// # Errors
    /// When there is no room now.
    fn append(&mut self, cx: &mut Cx<'_>, record: WalRecord) -> Result<(), OverCapacity>;

    /// All up to this offset, the record there included, is not needed any more. Not before what is there is committed.
    fn trim(&mut self, cx: &mut Cx<'_>, upto: WalOffset);

    /// After recovery: nothing in the log is needed any more. [`WalEvent::Ready`] follows.
    fn reset(&mut self, cx: &mut Cx<'_>);

    /// After a recovery in failover: nothing in the log is needed any more, and it is given back.
    /// [`WalEvent::Released`] follows.
    fn release(&mut self, cx: &mut Cx<'_>);

    /// A rescuer is not needed any more, before it is done: the log's own broker is back. What it holds of the device is
    /// given back, what it waits for is called off; the log keeps its content. [`WalEvent::Released`] follows.
    fn give_up(&mut self, cx: &mut Cx<'_>);

    /// Something with a token of this log's.
    fn input(&mut self, cx: &mut Cx<'_>, input: Input);

    /// What it has to say, in order; to be asked after every call until there is nothing more.
    fn poll(&mut self) -> Option<WalEvent>;

    /// Bytes that were appended and are not durable yet.
    fn unflushed_bytes(&self) -> u64;

    /// What it waits for; nothing where there is nothing to be done, or where what is to be done was forgotten.
    fn waits(&self) -> Vec<Wait>;
}
