//! One partition at its leader: from the election to the last request.

use super::producer_state::ProducerState;
use super::segments::{LogConfig, Segments};
use crate::kafka::batch::{RecordBatch, Records};
use crate::kafka::ids::{LeaderEpoch, TopicIdPartition, WriterId};
use crate::kafka::partition_log::{LogReadId, Snapshot};
use crate::probe::LogSpan;
use std::collections::VecDeque;

/// A produce request that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ProduceId(pub u64);

/// A partition that this broker leads, is to lead, or is giving up.
pub struct Partition {
    /// In which epoch.
    pub epoch: LeaderEpoch,
    /// How far it is.
    pub role: Role,
}

/// How far a leader is.
pub enum Role {
    /// Its log is being opened.
    Opening,
    /// Its log is open, and what producers did is being learned from it.
    Learning(Learning),
    /// It takes requests.
    Leading(Leader),
    /// Its log is being given up.
    Closing,
}

/// A log that is being read for producer state.
pub struct Learning {
    /// Where the log begins.
    pub log_start: u64,
    /// Where it ends.
    pub log_end: u64,
    /// How far it has been read.
    pub at: u64,
    /// What was learned.
    pub producers: ProducerState,
    /// Its segments, as far as it has been read.
    pub segments: Segments,
    /// Its topic's settings when it was opened: where segments end. What is deleted follows the image.
    pub config: LogConfig,
    /// The read that is under way.
    pub read: Option<LogReadId>,
}

/// A leader at work.
pub struct Leader {
    /// Where the log begins.
    pub log_start: u64,
    /// The next offset.
    pub log_end: u64,
    /// All before is as durable as it gets. Without transactions this is the last stable offset too.
    pub high_watermark: u64,
    /// Producers.
    pub producers: ProducerState,
    /// Its segments.
    pub segments: Segments,
    /// Its topic's settings when it was opened: where segments end. What is deleted follows the image.
    pub config: LogConfig,
    /// Batches that are to be acknowledged when the high watermark reaches their ends, in that order.
    pub waiting: VecDeque<Unacknowledged>,
    /// Where the last snapshot was taken.
    pub snapshot_at: u64,
    /// It waits for the high watermark.
    pub pending: Option<Snapshot>,
}

/// A batch that is appended, or was before, and not acknowledged.
#[derive(Clone, Copy, Debug)]
pub struct Unacknowledged {
    /// Its offsets.
    pub offsets: (u64, u64),
    /// Its first record.
    pub first: Option<(WriterId, u64)>,
    /// Who is to be told.
    pub by: Appender,
}

/// Who appended a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Appender {
    /// A client: its request, and the batch's place in it.
    Client(ProduceId, usize),
    /// This broker's group coordinator, by its own number.
    Coordinator(u64),
}

impl Unacknowledged {
    /// A batch with offsets.
    pub fn new(batch: &RecordBatch, by: Appender) -> Unacknowledged {
        let first = match &batch.records {
            Records::Range { writer, first } => Some((*writer, *first)),
            Records::Inline(_) => None,
        };
        Unacknowledged { offsets: (batch.base_offset, batch.next_offset()), first, by }
    }

    /// What it is, for probes.
    pub fn span(&self, tp: TopicIdPartition) -> LogSpan {
        LogSpan { tp, base: self.offsets.0, next: self.offsets.1, first: self.first }
    }
}

impl Learning {
    /// The next batches of the log.
    pub fn heard(&mut self, batches: &[RecordBatch]) {
        for batch in batches {
            // The first one may begin before.
            if batch.next_offset() > self.at {
                self.producers.append(batch);
                self.segments.append(batch, &self.config);
                self.at = batch.next_offset();
            }
        }
    }

    /// Begins at the snapshot, or at the log's start without one.
    ///
    /// # Errors
    /// When the snapshot cannot be read.
    pub fn begin(
        log_start: u64,
        log_end: u64,
        snapshot: Option<Snapshot>,
        config: LogConfig,
    ) -> Result<Learning, postcard::Error> {
        let (at, (producers, mut segments)) = match snapshot {
            Some(snapshot) => (snapshot.at, postcard::from_bytes::<(ProducerState, Segments)>(&snapshot.state)?),
            None => (log_start, Default::default()),
        };
        segments.delete_before(log_start, at);
        let at = at.clamp(log_start, log_end);
        Ok(Learning { log_start, log_end, at, producers, segments, config, read: None })
    }

    /// All of the log is known.
    pub fn lead(self) -> Leader {
        Leader {
            log_start: self.log_start,
            log_end: self.log_end,
            high_watermark: self.log_end,
            producers: self.producers,
            segments: self.segments,
            config: self.config,
            waiting: VecDeque::new(),
            snapshot_at: self.log_end,
            pending: None,
        }
    }
}

impl Leader {
    /// The producer state and the segments, if anything was appended since they were last taken. They are kept when all that
    /// is in them is durable, so that what is kept is never ahead of the log.
    pub fn snapshot(&mut self) -> Option<Snapshot> {
        if self.high_watermark == self.log_end {
            // A newer one can be had.
            self.pending = None;
        }
        if self.pending.is_none() && self.snapshot_at < self.log_end {
            self.snapshot_at = self.log_end;
            let state = postcard::to_stdvec(&(&self.producers, &self.segments)).expect("plain data").into();
            self.pending = Some(Snapshot { at: self.log_end, state });
        }
        self.durable_snapshot()
    }

    /// What was taken, when it may be kept.
    pub fn durable_snapshot(&mut self) -> Option<Snapshot> {
        self.pending.take_if(|snapshot| snapshot.at <= self.high_watermark)
    }
}
