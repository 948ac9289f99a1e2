//! Emptying a log that its owner, or its owner's former life, left behind (AutoMQ's `WALRecovery` and `Failover`).
//!
//! Order of steps, the same for a broker's own start and for a rescuer:
//! 1. The log is opened: whoever had it is fenced, then its records are read.
//! 2. In parallel the controller is asked which streams are open at that broker; from then on only the asker commits for it.
//! 3. Records of these streams that are not in objects yet are uploaded and committed, 512 MiB at a time. A record that does
//!    not follow on the one before is dropped: it was never acknowledged, for acknowledgements follow the log's order.
//! 4. The streams are closed, and the log is reset (own) or given back (rescuer).

use super::log_cache::{Archived, BlockId};
use super::objects::{Bucket, Objects};
use super::upload::{Pace, UploadEvent, Uploader};
use super::{Identity, StorageOptions};
use crate::kafka::broker::link::{ControllerLink, Ticket};
use crate::kafka::ids::{BrokerEpoch, StreamId};
use crate::kafka::metadata::ClusterImage;
use crate::kafka::protocol::ErrorCode;
use crate::kafka::protocol::controller::{CloseStream, ControllerAnswer, OpenedStream, StorageRequest};
use crate::kafka::token::{TokenSpace, token_of};
use crate::kafka::wal::{Wal, WalEvent, WalMode, WalOffset, WalOwner, WalRecord};
use crate::world::{Cx, Input, On, Wait, Want};
use std::collections::VecDeque;
use std::sync::Arc;
use wavetank_sim::SortedMap;

/// Token spaces of a recovery.
#[derive(Clone, Copy, Debug)]
pub struct RecoverySpaces {
    /// The WAL's.
    pub wal: TokenSpace,
    /// The upload pipeline's.
    pub uploader: TokenSpace,
    /// The objects'.
    pub objects: TokenSpace,
}

/// What became of a recovery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recovered {
    /// The log is empty, and the streams are closed.
    Done,
    /// It was called off, and holds nothing of the log any more.
    CalledOff,
    /// It cannot go on: somebody else has the log, or acts for the broker.
    Lost {
        /// How.
        why: String,
    },
}

/// See the [module](self).
pub struct Recovery {
    spaces: RecoverySpaces,
    identity: Identity,
    options: StorageOptions,
    wal: Box<dyn Wal>,
    objects: Objects,
    uploader: Uploader,
    opening: Option<Vec<OpenedStream>>,
    ask_opening: Option<Ticket>,
    ask_close: Option<Ticket>,
    records: Vec<(WalOffset, WalRecord)>,
    is_read: bool,
    /// Batches that are not with the uploader yet.
    batches: VecDeque<Archived>,
    is_planned: bool,
    is_emptied: bool,
    is_closed: bool,
    is_called_off: bool,
    /// Why it is lost, while the log is given back.
    why_lost: Option<String>,
    outcome: Option<Recovered>,
}

impl Recovery {
    /// Begins.
    pub fn begin(
        cx: &mut Cx<'_>,
        link: &mut ControllerLink,
        spaces: RecoverySpaces,
        identity: Identity,
        options: StorageOptions,
        bucket: Bucket,
        mut wal: Box<dyn Wal>,
    ) -> Recovery {
        let mode = if identity.failover { WalMode::Failover } else { WalMode::Own };
        // A rescuer's claim is later than its victim's, and than that of a rescuer before it.
        let epoch = match mode {
            WalMode::Own => identity.epoch,
            WalMode::Failover => BrokerEpoch(ClusterImage::wall_ms(cx.wall()).max(identity.epoch.0 + 1)),
        };
        wal.open(cx, WalOwner { broker: identity.broker, epoch, mode });
        let mut recovery = Recovery {
            spaces,
            identity,
            wal,
            objects: Objects::new(spaces.objects, bucket, options.transfer),
            uploader: Uploader::new(spaces.uploader, identity, options.clone()),
            options,
            opening: None,
            ask_opening: None,
            ask_close: None,
            records: Vec::new(),
            is_read: false,
            batches: VecDeque::new(),
            is_planned: false,
            is_emptied: false,
            is_closed: false,
            is_called_off: false,
            why_lost: None,
            outcome: None,
        };
        // A rescuer asks when the log is acquired: the controller's fence alone would not stop acknowledgements.
        if !identity.failover {
            recovery.ask_opening(cx, link);
        }
        recovery.heed_wal(cx, link);
        recovery
    }

    fn ask_opening(&mut self, cx: &mut Cx<'_>, link: &mut ControllerLink) {
        self.ask_opening = Some(link.ask(cx, self.identity.request(StorageRequest::GetOpeningStreams)));
    }

    /// A rescue is not needed any more: the dead broker is back, or the controller gives the job to somebody else.
    pub fn call_off(&mut self, cx: &mut Cx<'_>, link: &mut ControllerLink) {
        self.give_up(cx, None);
        self.heed_wal(cx, link);
    }

    /// What is held of the log is given back, unless it is already; then it is over.
    fn give_up(&mut self, cx: &mut Cx<'_>, why_lost: Option<String>) {
        if std::mem::replace(&mut self.is_called_off, true) {
            return;
        }
        self.why_lost = why_lost;
        if self.is_emptied { self.given_up() } else { self.wal.give_up(cx) }
    }

    fn given_up(&mut self) {
        let why = self.why_lost.take();
        self.outcome.get_or_insert(why.map_or(Recovered::CalledOff, |why| Recovered::Lost { why }));
    }

    /// What became of it, once.
    pub fn poll(&mut self) -> Option<Recovered> {
        self.outcome.take()
    }

    /// What it waits for.
    pub fn waits(&self, link: &ControllerLink) -> Vec<Wait> {
        let of = self.identity.broker;
        let asks = |what: &str| vec![Wait::new(format!("{what} broker {of}"), On::Quorum, Want::Answer)];
        if !self.is_read || self.is_called_off {
            return self.wal.waits();
        }
        if self.opening.is_none() {
            return asks("asks which streams are open at");
        }
        if self.uploader.pending() > 0 || !self.batches.is_empty() {
            return self.uploader.waits(link, &self.objects);
        }
        if !self.is_closed {
            return asks("closes the streams of");
        }
        self.wal.waits()
    }

    /// The log, empty.
    pub fn into_wal(self) -> Box<dyn Wal> {
        self.wal
    }

    fn lose(&mut self, why: impl Into<String>) {
        self.outcome.get_or_insert(Recovered::Lost { why: why.into() });
    }

    /// The controller refuses it: what a rescuer holds of the log is given back, for the process lives on, and would keep it.
    fn refused(&mut self, cx: &mut Cx<'_>, why: String) {
        if self.identity.failover { self.give_up(cx, Some(why)) } else { self.lose(why) }
    }

    fn heed_wal(&mut self, cx: &mut Cx<'_>, link: &mut ControllerLink) {
        while let Some(event) = self.wal.poll() {
            match event {
                WalEvent::Acquired if self.identity.failover => self.ask_opening(cx, link),
                WalEvent::Acquired | WalEvent::Room => {}
                WalEvent::Recovered { at, record } => self.records.push((at, record)),
                WalEvent::RecoveryEnded => self.is_read = true,
                WalEvent::Released if self.is_called_off => self.given_up(),
                WalEvent::Ready | WalEvent::Released => self.is_emptied = true,
                WalEvent::Durable { .. } => unreachable!("nothing is appended in recovery"),
                WalEvent::Fenced => self.lose("the WAL is fenced"),
                WalEvent::Failed { why } => self.lose(format!("the WAL failed: {why}")),
            }
        }
        self.go_on(cx, link);
    }

    fn go_on(&mut self, cx: &mut Cx<'_>, link: &mut ControllerLink) {
        if self.is_called_off {
            return;
        }
        if self.is_read && self.opening.is_some() && !self.is_planned {
            self.plan(cx);
        }
        if !self.is_planned {
            return;
        }
        if self.uploader.pending() == 0 {
            match self.batches.pop_front() {
                Some(batch) => self.uploader.push(cx, link, &mut self.objects, batch, Pace::Burst),
                None => self.finish(cx, link),
            }
        }
    }

    /// Cuts what is to be uploaded into batches.
    fn plan(&mut self, cx: &mut Cx<'_>) {
        self.is_planned = true;
        let opening = self.opening.as_ref().expect("it was looked at");
        let mut ends: SortedMap<StreamId, u64> = opening.iter().map(|open| (open.stream, open.end_offset)).collect();
        let mut batch: SortedMap<StreamId, Vec<Arc<WalRecord>>> = SortedMap::new();
        let (mut bytes, mut last) = (0, WalOffset(0));
        let mut batches = VecDeque::new();
        let mut cut = |batch: &mut SortedMap<StreamId, Vec<Arc<WalRecord>>>, last| {
            if !batch.is_empty() {
                let id = BlockId(batches.len() as u64);
                batches.push_back(Archived { id, streams: std::mem::take(batch).into_iter().collect(), last });
            }
        };
        for (at, record) in std::mem::take(&mut self.records) {
            let Some(end) = ends.get_mut(&record.stream) else { continue };
            if record.next_offset() <= *end {
                continue;
            }
            if record.base_offset != *end {
                cx.mark("recovery: a record did not follow on");
                continue;
            }
            *end = record.next_offset();
            bytes += record.payload.len();
            last = at;
            batch.entry(record.stream).or_default().push(Arc::new(record));
            if bytes >= self.options.recovery_batch {
                bytes = 0;
                cut(&mut batch, last);
            }
        }
        cut(&mut batch, last);
        if !batches.is_empty() {
            cx.mark("recovery: a log had records that were in no object");
        }
        self.batches = batches;
    }

    fn finish(&mut self, cx: &mut Cx<'_>, link: &mut ControllerLink) {
        let opening = self.opening.as_ref().expect("it was planned");
        if self.ask_close.is_none() && !self.is_closed {
            let close =
                opening.iter().map(|open| CloseStream { stream: open.stream, epoch: open.epoch, end_offset: None });
            let request = StorageRequest::CloseStreams(close.collect());
            self.ask_close = Some(link.ask(cx, self.identity.request(request)));
            if self.identity.failover {
                self.wal.release(cx)
            } else {
                self.wal.reset(cx)
            }
            return self.heed_wal(cx, link);
        }
        if self.is_closed && self.is_emptied {
            self.outcome.get_or_insert(Recovered::Done);
        }
    }

    /// The controller's answer; `false` when it is not to this recovery.
    pub fn answered(
        &mut self,
        cx: &mut Cx<'_>,
        link: &mut ControllerLink,
        ticket: Ticket,
        result: &Result<ControllerAnswer, ErrorCode>,
    ) -> bool {
        if self.is_called_off {
            return false;
        }
        if self.ask_opening == Some(ticket) {
            match result {
                Ok(ControllerAnswer::Opening(streams)) => self.opening = Some(streams.clone()),
                Ok(other) => unreachable!("not an answer to GetOpeningStreams: {other:?}"),
                Err(error) => self.refused(cx, format!("the controller refuses: {error}")),
            }
        } else if self.ask_close == Some(ticket) {
            match result {
                // Streams that somebody else has closed or opened since are not this one's business any more.
                Ok(_) => self.is_closed = true,
                Err(error) => self.refused(cx, format!("the controller refuses to close: {error}")),
            }
        } else if !self.uploader.answered(cx, link, &mut self.objects, ticket, result) {
            return false;
        }
        self.heed_uploads(cx, link);
        true
    }

    fn heed_uploads(&mut self, cx: &mut Cx<'_>, link: &mut ControllerLink) {
        while let Some(event) = self.uploader.poll() {
            match event {
                UploadEvent::Committed { .. } => {}
                UploadEvent::Refused(error) => self.refused(cx, format!("the controller refuses a commit: {error}")),
            }
        }
        self.heed_wal(cx, link);
    }

    /// Takes an input that is this recovery's; gives back one that is not.
    pub fn input(&mut self, cx: &mut Cx<'_>, link: &mut ControllerLink, input: Input) -> Option<Input> {
        let Some(token) = token_of(&input) else { return Some(input) };
        let (space, _) = TokenSpace::split(token);
        if space == self.spaces.wal {
            self.wal.input(cx, input);
            self.heed_wal(cx, link);
        } else if self.is_called_off {
            return Some(input);
        } else if space == self.spaces.objects {
            self.objects.input(cx, input);
            while let Some((call, answer)) = self.objects.poll() {
                self.uploader.object(cx, link, call, &answer);
            }
            self.heed_uploads(cx, link);
        } else if space == self.spaces.uploader {
            self.uploader.timer(cx, link, &mut self.objects);
        } else {
            return Some(input);
        }
        None
    }
}
