//! The seam below the partition layer: what platforms differ in.
//!
//! The partition layer ([`broker`](super::broker)) gives offsets, knows producers and answers clients; it is the same for
//! every platform. Below it, [`PartitionLogs`] keeps what was appended and says how far that is as durable as `acks=all`
//! demands: on shared storage when the write-ahead log has it, with replicas when the in-sync ones have it.

use super::batch::RecordBatch;
use super::broker::link::{ControllerLink, Ticket};
use super::ids::{BrokerId, LeaderEpoch, TopicIdPartition};
use super::protocol::ErrorCode;
use super::protocol::controller::ControllerAnswer;
use crate::world::{Cx, Input, Wait};
use bytes::Bytes;
use std::ops::Range;

/// A read of a partition's log that is not done yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LogReadId(pub u64);

/// What is there at once.
#[derive(Clone, Debug)]
pub enum LogRead {
    /// Whole batches, contiguous, the first of which holds the asked offset.
    Now(Vec<RecordBatch>),
    /// They come with [`LogEvent::Read`].
    Later(LogReadId),
}

/// Producer state as it was when the log ended at `at`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// Offset after the last batch that is in it.
    pub at: u64,
    /// The partition layer's own encoding.
    pub state: Bytes,
}

/// What a platform's logs say.
#[derive(Clone, Debug)]
pub enum LogEvent {
    /// This broker's storage is recovered: it may lead.
    Ready,
    /// A log is open for appends.
    Opened {
        /// Which.
        tp: TopicIdPartition,
        /// In which epoch.
        epoch: LeaderEpoch,
        /// Where it begins.
        log_start: u64,
        /// Where it ends.
        log_end: u64,
        /// Producer state, not later than the end.
        snapshot: Option<Snapshot>,
    },
    /// A log that was open, or being opened, is not this broker's any more.
    Closed {
        /// Which.
        tp: TopicIdPartition,
        /// Of which epoch.
        epoch: LeaderEpoch,
    },
    /// All before is as durable as it gets: readable, and acknowledged.
    HighWatermark {
        /// Which.
        tp: TopicIdPartition,
        /// Offset after the last.
        offset: u64,
    },
    /// A read is done.
    Read {
        /// Which.
        id: LogReadId,
        /// Whole batches, contiguous, the first of which holds the asked offset.
        batches: Vec<RecordBatch>,
    },
    /// The process must end.
    Halt {
        /// Why.
        why: String,
    },
}

/// What of a broker's logs somebody asks about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    /// The broker's own recovery at its start.
    Recovery,
    /// A dead broker's log, that is being emptied here.
    Rescue(BrokerId),
    /// One partition's log: its opening, its appends, its close.
    Log(TopicIdPartition),
    /// What is to be uploaded.
    Uploads,
}

/// The logs of a broker's partitions.
pub trait PartitionLogs: Send {
    /// The broker is registered: storage may be recovered.
    fn begin(&mut self, cx: &mut Cx<'_>, link: &mut ControllerLink);

    /// Opens a log for a leader of that epoch; [`LogEvent::Opened`] follows, or [`LogEvent::Closed`].
    fn open(&mut self, cx: &mut Cx<'_>, link: &mut ControllerLink, tp: TopicIdPartition, epoch: LeaderEpoch);

    /// Gives a log up, so that another broker can open it; [`LogEvent::Closed`] follows.
    fn close(&mut self, cx: &mut Cx<'_>, link: &mut ControllerLink, tp: TopicIdPartition);

    /// Appends at the log's end; the batch has its offsets.
    fn append(&mut self, cx: &mut Cx<'_>, link: &mut ControllerLink, tp: TopicIdPartition, batch: &RecordBatch);

    /// Reads offsets, about `max_bytes` and at least one batch.
    fn read(
        &mut self,
        cx: &mut Cx<'_>,
        link: &mut ControllerLink,
        tp: TopicIdPartition,
        offsets: Range<u64>,
        max_bytes: u64,
    ) -> LogRead;

    /// Keeps producer state, so that the next leader need not read the whole log.
    fn keep_snapshot(&mut self, cx: &mut Cx<'_>, link: &mut ControllerLink, tp: TopicIdPartition, snapshot: Snapshot);

    /// Retention (`retention.ms`, `retention.bytes`): what lies before that offset is not needed any more. The log begins
    /// there soon, or a little before, and what is stored wholly below is deleted.
    fn trim(&mut self, cx: &mut Cx<'_>, link: &mut ControllerLink, tp: TopicIdPartition, offset: u64);

    /// The image has moved on.
    fn image_moved(&mut self, cx: &mut Cx<'_>, link: &mut ControllerLink);

    /// The controller's answer; `false` when it is not to these logs.
    fn answered(
        &mut self,
        cx: &mut Cx<'_>,
        link: &mut ControllerLink,
        ticket: Ticket,
        result: &Result<ControllerAnswer, ErrorCode>,
    ) -> bool;

    /// Takes an input that is these logs'; gives back one that is not.
    fn input(&mut self, cx: &mut Cx<'_>, link: &mut ControllerLink, input: Input) -> Option<Input>;

    /// What they have to say, in order.
    fn poll(&mut self) -> Option<LogEvent>;

    /// What they wait for; nothing where there is nothing to be done, or where what is to be done was forgotten.
    fn waits(&self, link: &ControllerLink, ask: Ask) -> Vec<Wait>;
}
