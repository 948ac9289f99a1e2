//! A broker's own streams: append, read, upload (AutoMQ's `S3Storage` and `S3Stream`).
//!
//! Order of steps of an append:
//! 1. Offsets are given: `next_offset` moves at once.
//! 2. With room in the log cache it goes to the WAL; else into the back-off queue, behind everything that waits there, so
//!    that order is kept. The queue is drained every 100 ms.
//! 3. The WAL reports it durable, in WAL order. It goes into the log cache, in the same order. **Then** the stream's confirm
//!    offset moves: what is confirmed is durable and readable.
//! 4. A block of the cache that is full, or older than `s3.wal.upload.interval.ms`, or that somebody wants out now, is
//!    uploaded and committed; then the WAL is trimmed up to the block's last record and the block is free.
//!
//! From four fifths of the cache's capacity on, or when the WAL is out of room, an upload is forced.
//!
//! A WAL that is fenced or has failed ends the process (`HaltStorageFailureHandler`): nothing that it did not report durable
//! is ever acknowledged.

use super::compaction::Compaction;
use super::log_cache::{BlockId, LogCache};
use super::mutant::StorageMutant;
use super::objects::{Bucket, Objects};
use super::reader::{ReadDone, ReadId, Reader, Span};
use super::upload::{Pace, UploadEvent, Uploader};
use super::{Identity, StorageOptions};
use crate::blob::Blob;
use crate::kafka::broker::link::{ControllerLink, Ticket};
use crate::kafka::ids::{StreamEpoch, StreamId};
use crate::kafka::protocol::ErrorCode;
use crate::kafka::protocol::controller::{ControllerAnswer, OpenedStream};
use crate::kafka::token::{TokenSpace, token_of};
use crate::kafka::wal::{OverCapacity, Wal, WalEvent, WalOffset, WalRecord};
use crate::world::{Cx, Input, Wait};
use std::collections::VecDeque;
use std::sync::Arc;
use wavetank_sim::{Nanos, SortedMap};

const BACK_OFF: Nanos = Nanos::millis(100);
const DRAIN: u64 = 1;
const UPLOAD: u64 = 2;
const LATE: u64 = 3;
/// How long a bug holds records back.
const MUTANT_LATE: Nanos = Nanos::millis(20);

/// Token spaces of an engine, from its first on.
#[derive(Clone, Copy, Debug)]
pub struct EngineSpaces {
    /// Its own timers.
    pub engine: TokenSpace,
    /// The WAL's.
    pub wal: TokenSpace,
    /// The upload pipeline's.
    pub uploader: TokenSpace,
    /// The objects'.
    pub objects: TokenSpace,
    /// The compactions'.
    pub compaction: TokenSpace,
}

/// Somebody waits until what a stream had is in committed objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FlushId(pub u64);

/// What the engine says.
#[derive(Clone, Debug)]
pub enum EngineEvent {
    /// All of a stream before this offset is durable and readable.
    Confirmed {
        /// Which.
        stream: StreamId,
        /// Offset after the last.
        offset: u64,
    },
    /// A read is done.
    Read(ReadDone),
    /// What was to be flushed is in committed objects.
    Flushed(FlushId),
    /// The process must end.
    Halt {
        /// Why.
        why: String,
    },
}

/// What is there at once.
#[derive(Clone, Debug)]
pub enum EngineRead {
    /// Contiguous records from the one that holds the asked offset on.
    Now(Vec<Arc<WalRecord>>),
    /// They come with [`EngineEvent::Read`].
    Later(ReadId),
}

struct Stream {
    epoch: StreamEpoch,
    next: u64,
    confirm: u64,
}

struct Flush {
    id: FlushId,
    stream: StreamId,
    /// All of the stream before this is to be in objects.
    until: u64,
    /// The block that holds the last of it, once it is archived.
    block: Option<BlockId>,
}

/// See the [module](self).
pub struct Engine {
    spaces: EngineSpaces,
    options: StorageOptions,
    wal: Box<dyn Wal>,
    cache: LogCache,
    uploader: Uploader,
    objects: Objects,
    reader: Reader,
    compaction: Compaction,
    streams: SortedMap<StreamId, Stream>,
    back_off: VecDeque<WalRecord>,
    draining: bool,
    flushes: Vec<Flush>,
    next_flush: u64,
    last_archived: Option<BlockId>,
    /// Since when the active block takes records.
    block_began: Nanos,
    last_durable: WalOffset,
    bug: Bug,
    halted: bool,
    events: VecDeque<EngineEvent>,
}

/// What bugs remember; empty without one.
#[derive(Default)]
struct Bug {
    /// Records that are to go into the log cache later.
    late: VecDeque<(WalOffset, WalRecord)>,
    /// Records that the log has not reported durable.
    in_flight: VecDeque<WalRecord>,
    /// The log is not this broker's any more, and it does not care.
    is_zombie: bool,
}

impl Engine {
    /// An engine over an empty log that is ready.
    pub fn new(
        cx: &mut Cx<'_>,
        spaces: EngineSpaces,
        identity: Identity,
        options: StorageOptions,
        bucket: Bucket,
        wal: Box<dyn Wal>,
    ) -> Engine {
        spaces.engine.set_timer(cx, options.upload_interval, UPLOAD);
        let compaction = Compaction::new(cx, spaces.compaction, identity, &options);
        Engine {
            spaces,
            wal,
            cache: LogCache::new(options.cache_bytes, options.upload_threshold, options.block_streams),
            uploader: Uploader::new(spaces.uploader, identity, options.clone()),
            objects: Objects::new(spaces.objects, bucket, options.transfer),
            reader: Reader::new(&options),
            compaction,
            options,
            streams: SortedMap::new(),
            back_off: VecDeque::new(),
            draining: false,
            flushes: Vec::new(),
            next_flush: 0,
            last_archived: None,
            block_began: cx.monotonic(),
            last_durable: WalOffset::default(),
            bug: Bug::default(),
            halted: false,
            events: VecDeque::new(),
        }
    }

    /// A stream is open at this broker: it takes appends from its end on.
    pub fn opened(&mut self, cx: &mut Cx<'_>, stream: OpenedStream) {
        let end = stream.end_offset;
        self.compaction.opened(cx, stream.stream, stream.epoch);
        self.streams.insert(stream.stream, Stream { epoch: stream.epoch, next: end, confirm: end });
    }

    /// A stream is not this broker's any more.
    pub fn forget(&mut self, stream: StreamId) {
        self.streams.remove(&stream);
        self.cache.forget(stream);
        self.reader.forget(stream);
        self.compaction.forget(stream);
    }

    /// A stream was closed fast: it takes no appends any more, and is forgotten when all of it is uploaded.
    pub fn closed_fast(&mut self, stream: StreamId) {
        self.compaction.forget(stream);
    }

    /// A stream is to begin there: objects wholly below are dropped when the image says so.
    pub fn trimmed(&mut self, stream: StreamId, start_offset: u64) {
        self.compaction.trimmed(stream, start_offset);
    }

    fn has_bug(&self, mutant: StorageMutant) -> bool {
        self.options.mutant == Some(mutant)
    }

    /// The bug of a rescuer that takes its own log for the dead broker's.
    pub(super) fn trim_own_wal(&mut self, cx: &mut Cx<'_>) {
        self.wal.trim(cx, self.last_durable);
    }

    /// Where a stream's next append goes.
    pub fn next_offset(&self, stream: StreamId) -> Option<u64> {
        self.streams.get(&stream).map(|stream| stream.next)
    }

    /// All before is durable and readable.
    pub fn confirm_offset(&self, stream: StreamId) -> Option<u64> {
        self.streams.get(&stream).map(|stream| stream.confirm)
    }

    /// Appends to an open stream; [`EngineEvent::Confirmed`] says when it is durable.
    pub fn append(&mut self, cx: &mut Cx<'_>, link: &mut ControllerLink, stream: StreamId, count: u32, payload: Blob) {
        let Some(state) = self.streams.get_mut(&stream) else { return };
        let record = WalRecord { stream, epoch: state.epoch, base_offset: state.next, count, payload };
        state.next = record.next_offset();
        if self.back_off.is_empty() || self.has_bug(StorageMutant::BackOffOvertaken) {
            if let Err(record) = self.try_append(cx, link, record) {
                cx.mark("storage: an append backed off");
                self.back_off.push_back(record);
                self.drain_later(cx);
            }
        } else {
            self.back_off.push_back(record);
        }
        self.heed_wal(cx, link);
    }

    fn try_append(&mut self, cx: &mut Cx<'_>, link: &mut ControllerLink, record: WalRecord) -> Result<(), WalRecord> {
        if self.cache.is_pressed() {
            self.force_upload(cx, link);
        }
        if !self.cache.has_room() {
            return Err(record);
        }
        if self.bug.is_zombie {
            self.durable(cx, link, WalOffset(self.last_durable.0 + 1), record);
            return Ok(());
        }
        if self.has_bug(StorageMutant::FencedGoesOn) {
            self.bug.in_flight.push_back(record.clone());
        }
        match self.wal.append(cx, record) {
            Ok(()) => Ok(()),
            Err(OverCapacity(record)) => {
                self.bug.in_flight.pop_back();
                self.force_upload(cx, link);
                Err(record)
            }
        }
    }

    /// One upload at a time is forced by pressure.
    fn force_upload(&mut self, cx: &mut Cx<'_>, link: &mut ControllerLink) {
        if self.uploader.pending() == 0 {
            self.archive(cx, link, Pace::Burst);
        } else {
            self.uploader.burst(cx, &mut self.objects);
        }
    }

    /// The pace of an upload that nobody waits for.
    fn spread(&self, cx: &Cx<'_>) -> Pace {
        Pace::Spread(cx.monotonic() - self.block_began)
    }

    fn archive(&mut self, cx: &mut Cx<'_>, link: &mut ControllerLink, pace: Pace) {
        let Some(block) = self.cache.archive() else { return };
        self.block_began = cx.monotonic();
        self.last_archived = Some(block.id);
        for flush in self.flushes.iter_mut().filter(|flush| flush.block.is_none()) {
            if self.streams.get(&flush.stream).is_none_or(|stream| stream.confirm >= flush.until) {
                flush.block = Some(block.id);
            }
        }
        self.uploader.push(cx, link, &mut self.objects, block, pace);
    }

    fn drain_later(&mut self, cx: &mut Cx<'_>) {
        if !self.draining {
            self.draining = true;
            self.spaces.engine.set_timer(cx, BACK_OFF, DRAIN);
        }
    }

    fn drain(&mut self, cx: &mut Cx<'_>, link: &mut ControllerLink) {
        while let Some(record) = self.back_off.pop_front() {
            if let Err(record) = self.try_append(cx, link, record) {
                self.back_off.push_front(record);
                return self.drain_later(cx);
            }
        }
    }

    /// What the WAL has to say.
    fn heed_wal(&mut self, cx: &mut Cx<'_>, link: &mut ControllerLink) {
        while let Some(event) = self.wal.poll() {
            match event {
                WalEvent::Durable { at, record } => {
                    self.bug.in_flight.pop_front();
                    self.durable(cx, link, at, record);
                }
                // The next drain will find it.
                WalEvent::Room => {}
                WalEvent::Fenced if self.has_bug(StorageMutant::FencedGoesOn) => {
                    self.bug.is_zombie = true;
                    for record in std::mem::take(&mut self.bug.in_flight) {
                        self.durable(cx, link, WalOffset(self.last_durable.0 + 1), record);
                    }
                }
                WalEvent::Fenced => self.halt("the WAL is fenced: another broker has it".into()),
                WalEvent::Failed { why } => self.halt(format!("the WAL failed: {why}")),
                WalEvent::Acquired
                | WalEvent::Recovered { .. }
                | WalEvent::RecoveryEnded
                | WalEvent::Ready
                | WalEvent::Released => unreachable!("an engine's log is ready"),
            }
        }
    }

    /// The next record in WAL order is durable.
    fn durable(&mut self, cx: &mut Cx<'_>, link: &mut ControllerLink, at: WalOffset, record: WalRecord) {
        self.last_durable = at;
        let is_late = match self.options.mutant {
            Some(StorageMutant::CacheOrderNotWalOrder) => {
                let is_behind = self.bug.late.iter().any(|(_, late)| late.stream == record.stream);
                is_behind || cx.random().ratio(1, 8)
            }
            Some(StorageMutant::ConfirmBeforeCache) => {
                self.cache.claim(at);
                self.confirm(cx, link, record.stream, record.next_offset());
                true
            }
            _ => false,
        };
        if !is_late {
            return self.put(cx, link, at, record);
        }
        if self.bug.late.is_empty() {
            self.spaces.engine.set_timer(cx, MUTANT_LATE, LATE);
        }
        self.bug.late.push_back((at, record));
    }

    /// A durable record goes into the log cache, and is confirmed then.
    fn put(&mut self, cx: &mut Cx<'_>, link: &mut ControllerLink, at: WalOffset, record: WalRecord) {
        let (stream, next) = (record.stream, record.next_offset());
        let is_full = match self.options.mutant {
            None => self.cache.put(at, record),
            Some(_) => self.cache.put_in_any_order(at, record),
        };
        if is_full {
            let pace = self.spread(cx);
            self.archive(cx, link, pace);
        }
        self.confirm(cx, link, stream, next);
    }

    fn confirm(&mut self, cx: &mut Cx<'_>, link: &mut ControllerLink, stream: StreamId, next: u64) {
        let Some(state) = self.streams.get_mut(&stream) else { return };
        if next <= state.confirm {
            assert!(self.options.mutant.is_some(), "records of a stream become durable in order");
            return;
        }
        state.confirm = next;
        self.events.push_back(EngineEvent::Confirmed { stream, offset: next });
        if self.flushes.iter().any(|flush| flush.stream == stream && flush.block.is_none() && flush.until <= next) {
            self.archive_for_flushes(cx, link);
        }
    }

    fn halt(&mut self, why: String) {
        if !self.halted {
            self.halted = true;
            self.events.push_back(EngineEvent::Halt { why });
        }
    }

    /// What a stream has now is to be in committed objects; [`EngineEvent::Flushed`] says when it is.
    pub fn flush(&mut self, cx: &mut Cx<'_>, link: &mut ControllerLink, stream: StreamId) -> FlushId {
        let id = FlushId(self.next_flush);
        self.next_flush += 1;
        let until = self.streams.get(&stream).map_or(0, |stream| stream.next);
        self.flushes.push(Flush { id, stream, until, block: None });
        self.archive_for_flushes(cx, link);
        id
    }

    /// Archives for those flushes whose data is durable.
    fn archive_for_flushes(&mut self, cx: &mut Cx<'_>, link: &mut ControllerLink) {
        let (streams, cache) = (&self.streams, &self.cache);
        let is_durable = |flush: &&mut Flush| {
            flush.block.is_none() && streams.get(&flush.stream).is_none_or(|stream| stream.confirm >= flush.until)
        };
        let mut wants_archive = false;
        for flush in self.flushes.iter_mut().filter(is_durable) {
            if cache.is_in_active(flush.stream) {
                wants_archive = true;
            } else {
                // Archived before: the newest pending block stands for all of them.
                flush.block = self.uploader.last_pending().or(self.last_archived).or(Some(BlockId(0)));
            }
        }
        if wants_archive {
            self.archive(cx, link, Pace::Burst);
        } else {
            self.uploader.burst(cx, &mut self.objects);
        }
        self.tell_flushed();
    }

    fn tell_flushed(&mut self) {
        let pending = self.uploader.first_pending();
        let events = &mut self.events;
        self.flushes.retain(|flush| {
            let is_done = flush.block.is_some_and(|block| pending.is_none_or(|first| block < first));
            if is_done {
                events.push_back(EngineEvent::Flushed(flush.id));
            }
            !is_done
        });
    }

    /// Reads `from..until` of a stream, about `max_bytes` and at least one record.
    pub fn read(
        &mut self,
        cx: &mut Cx<'_>,
        link: &ControllerLink,
        stream: StreamId,
        offsets: std::ops::Range<u64>,
        max_bytes: u64,
    ) -> EngineRead {
        let mut records = Vec::new();
        self.cache.read(stream, offsets.start, offsets.end, max_bytes, &mut records);
        if !records.is_empty() || offsets.is_empty() {
            return EngineRead::Now(records);
        }
        cx.mark("storage: a read went to objects");
        let horizon = self.cache.first_at_or_after(stream, offsets.start).unwrap_or(u64::MAX);
        let offsets = offsets.start..horizon.min(offsets.end);
        let span = Span { stream, offsets, max_bytes, horizon };
        EngineRead::Later(self.reader.read(cx, &link.image, &mut self.objects, span))
    }

    /// What it has to say, in order.
    pub fn poll(&mut self) -> Option<EngineEvent> {
        if let Some(done) = self.reader.poll() {
            return Some(EngineEvent::Read(done));
        }
        self.events.pop_front()
    }

    /// The image has moved on.
    pub fn image_moved(&mut self, cx: &mut Cx<'_>, link: &mut ControllerLink) {
        self.reader.image_moved(cx, &link.image, &mut self.objects);
        self.compaction.image_moved(cx, link, &mut self.objects);
    }

    /// The controller's answer; `false` when it is not to the engine.
    pub fn answered(
        &mut self,
        cx: &mut Cx<'_>,
        link: &mut ControllerLink,
        ticket: Ticket,
        result: &Result<ControllerAnswer, ErrorCode>,
    ) -> bool {
        let is_its = self.uploader.answered(cx, link, &mut self.objects, ticket, result)
            || self.compaction.answered(cx, link, &mut self.objects, ticket, result);
        self.heed_uploads(cx, link);
        is_its
    }

    fn heed_uploads(&mut self, cx: &mut Cx<'_>, link: &mut ControllerLink) {
        while let Some(event) = self.uploader.poll() {
            match event {
                UploadEvent::Committed { block, last } => {
                    self.wal.trim(cx, last);
                    self.cache.free(block);
                }
                UploadEvent::Refused(_) if self.has_bug(StorageMutant::FencedGoesOn) => {}
                UploadEvent::Refused(error) => self.halt(format!("the controller refuses a commit: {error}")),
            }
        }
        self.heed_wal(cx, link);
        self.tell_flushed();
    }

    /// Takes an input that is the engine's; gives back one that is not.
    pub fn input(&mut self, cx: &mut Cx<'_>, link: &mut ControllerLink, input: Input) -> Option<Input> {
        let Some(token) = token_of(&input) else { return Some(input) };
        let (space, local) = TokenSpace::split(token);
        if space == self.spaces.wal {
            self.wal.input(cx, input);
            self.heed_wal(cx, link);
        } else if space == self.spaces.objects {
            self.objects.input(cx, input);
            while let Some((call, answer)) = self.objects.poll() {
                let objects = &mut self.objects;
                // Somebody's, or of a compaction that was given up.
                let _ = self.uploader.object(cx, link, call, &answer)
                    || self.compaction.object(cx, link, objects, call, &answer)
                    || self.reader.object(cx, &link.image, objects, call, &answer);
            }
        } else if space == self.spaces.uploader {
            self.uploader.timer(cx, link, &mut self.objects);
        } else if space == self.spaces.compaction {
            self.compaction.timer(cx, link, &mut self.objects, local);
        } else if space == self.spaces.engine {
            match local {
                DRAIN => {
                    self.draining = false;
                    self.drain(cx, link);
                    self.heed_wal(cx, link);
                }
                UPLOAD => {
                    let pace = self.spread(cx);
                    self.archive(cx, link, pace);
                    self.spaces.engine.set_timer(cx, self.options.upload_interval, UPLOAD);
                }
                LATE => {
                    for (at, record) in std::mem::take(&mut self.bug.late) {
                        self.put(cx, link, at, record);
                    }
                }
                other => unreachable!("the engine sets no timer {other}"),
            }
        } else {
            return Some(input);
        }
        None
    }

    /// What it waits for: appends that have no room wait for uploads, others for the log; then reads, then uploads.
    pub fn waits(&self, link: &ControllerLink) -> Vec<Wait> {
        let uploads = || self.uploader.waits(link, &self.objects);
        let prefix = |about: &str, waits: Vec<Wait>| {
            let about = |wait: Wait| Wait { what: format!("{about}: it {}", wait.what), ..wait };
            waits.into_iter().map(about).collect::<Vec<_>>()
        };
        let mut waits = Vec::new();
        if !self.back_off.is_empty() {
            waits.extend(prefix(&format!("has {} appends without room", self.back_off.len()), uploads()));
        }
        if self.wal.unflushed_bytes() > 0 {
            waits.extend(self.wal.waits());
        }
        waits.extend(self.reader.waits(&self.objects));
        if waits.is_empty() {
            waits = uploads();
        }
        waits
    }

    /// Bytes that are not in committed objects yet.
    pub fn uncommitted_bytes(&self) -> u64 {
        self.cache.pinned_bytes() + self.wal.unflushed_bytes()
    }
}
