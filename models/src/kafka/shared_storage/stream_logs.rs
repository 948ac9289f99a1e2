//! Partitions' logs made of streams (AutoMQ's `ElasticLog`, `DefaultOpenStreamChecker`).
//!
//! A partition has two streams: **meta**, whose last record is the newest snapshot of producer state, and **data**, whose
//! offsets are the partition's. Which they are is in the cluster's KV, under the partition's name.
//!
//! Opening, in order: look the streams up (or make them), wait until the image shows them closed, open both under the leader
//! epoch, read the snapshot. `STREAM_NOT_CLOSED` is tried again; a newer epoch ends it. Closing: everything is uploaded and
//! committed first, then the streams are closed. The **fast close** ([`StorageOptions::fast_close`]) waits only until what was
//! appended is in the log; the streams are closed at their ends, and what is in no object yet is uploaded afterwards. The next
//! owner's reads of it wait for its objects.
//!
//! Simpler than reality: the fast close hands nothing over from broker to broker (`AUTOMQ_PREPARE_PARTITION_HANDOFF`), so the
//! next leader waits for the upload of the newest snapshot, and a partition moves no faster by it than by the normal close; what
//! the two brokers and the controller do to each other is all there. One data stream a partition, not one a segment and index kind; a partition's time index and
//! transaction index are not kept, so a look-up by time is not possible.

mod closing;
mod opening;
mod rescue;
mod trimming;
mod waits;

use super::engine::{Engine, EngineEvent, EngineRead, FlushId};
use super::objects::Bucket;
use super::reader::ReadId;
use super::recovery::{Recovery, RecoverySpaces};
use super::{Identity, StorageMutant, StorageOptions};
use crate::blob::Blob;
use crate::kafka::batch::RecordBatch;
use crate::kafka::broker::link::{ControllerLink, Ticket};
use crate::kafka::ids::{BrokerId, LeaderEpoch, StreamEpoch, StreamId, TopicIdPartition};
use crate::kafka::partition_log::{Ask, LogEvent, LogRead, LogReadId, PartitionLogs, Snapshot};
use crate::kafka::protocol::ErrorCode;
use crate::kafka::protocol::controller::{ControllerAnswer, OpenedStream, StorageRequest, TrimStream};
use crate::kafka::token::{TokenSpace, token_of};
use crate::kafka::wal::{Wal, WalMode, WalRecord};
use crate::world::{Cx, Input, Wait};
use bytes::{BufMut, Bytes, BytesMut};
use rescue::Rescue;
use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use trimming::Trim;
use wavetank_sim::{Nanos, SortedMap, SortedSet};

/// Makes the log of a broker: its own, or another's that it empties.
pub type WalSource = Arc<dyn Fn(BrokerId, WalMode, TokenSpace) -> Box<dyn Wal> + Send + Sync>;

/// What a broker's storage is made of.
#[derive(Clone)]
pub struct StreamLogsSpec {
    /// Whose.
    pub broker: BrokerId,
    /// Sizes and times.
    pub options: StorageOptions,
    /// The data bucket.
    pub bucket: Bucket,
    /// Logs.
    pub wals: WalSource,
    /// The first of [`SPACES`] token spaces, and of as many more as there are failovers.
    pub first_space: TokenSpace,
}

/// Token spaces that a broker's own storage uses.
pub const SPACES: u16 = 8;
const RETRY: Nanos = Nanos::millis(200);

enum Start {
    Waiting,
    Recovering(Box<Recovery>),
    Running(Box<Engine>),
    Over,
}

#[derive(Clone, Copy)]
struct Streams {
    meta: StreamId,
    data: StreamId,
}

enum Stage {
    Find,
    Create,
    Name,
    /// The streams are known, and not closed yet.
    Await(Streams),
    Open(Streams),
    ReadSnapshot(Streams, OpenedStream),
    Opened(Streams),
    Flushing(Streams, Vec<FlushId>),
    /// What was appended is to be in the log, before the fast close.
    Settling(Streams),
    Closing,
}

struct Log {
    epoch: LeaderEpoch,
    stage: Stage,
    is_unwanted: bool,
    /// Who lives, and is to close the streams first.
    awaits: Option<BrokerId>,
    /// A snapshot that is on its way: when it is durable, the meta stream is trimmed to it.
    snapshot: Option<Kept>,
    trim: Trim,
}

/// A snapshot of producer state: its record in the meta stream, and where the log ended.
struct Kept {
    record: u64,
    at: u64,
}

enum Reading {
    Partition(TopicIdPartition, LogReadId),
    Snapshot(TopicIdPartition),
}

/// See the [module](self).
pub struct StreamLogs {
    spec: StreamLogsSpec,
    start: Start,
    logs: SortedMap<TopicIdPartition, Log>,
    by_data: SortedMap<StreamId, TopicIdPartition>,
    by_meta: SortedMap<StreamId, TopicIdPartition>,
    tickets: SortedMap<Ticket, TopicIdPartition>,
    /// Partitions whose data streams are to be trimmed.
    trimming: SortedSet<TopicIdPartition>,
    reads: SortedMap<ReadId, Reading>,
    /// Streams that were closed fast, and are uploaded still.
    late: SortedMap<FlushId, StreamId>,
    next_read: u64,
    rescues: SortedMap<BrokerId, Rescue>,
    next_rescue: u16,
    events: VecDeque<LogEvent>,
}

impl StreamLogs {
    /// The storage of a fresh process.
    pub fn new(spec: StreamLogsSpec) -> StreamLogs {
        StreamLogs {
            spec,
            start: Start::Waiting,
            logs: SortedMap::new(),
            by_data: SortedMap::new(),
            by_meta: SortedMap::new(),
            tickets: SortedMap::new(),
            trimming: SortedSet::new(),
            reads: SortedMap::new(),
            late: SortedMap::new(),
            next_read: 0,
            rescues: SortedMap::new(),
            next_rescue: 0,
            events: VecDeque::new(),
        }
    }

    fn space(&self, n: u16) -> TokenSpace {
        TokenSpace(self.spec.first_space.0 + n)
    }

    fn identity(&self, link: &ControllerLink) -> Identity {
        Identity { broker: self.spec.broker, epoch: link.epoch(), failover: false }
    }

    fn ask(&mut self, cx: &mut Cx<'_>, link: &mut ControllerLink, tp: TopicIdPartition, request: StorageRequest) {
        let ticket = link.ask(cx, self.identity(link).request(request));
        self.tickets.insert(ticket, tp);
    }

    fn halt(&mut self, why: String) {
        self.start = Start::Over;
        self.events.push_back(LogEvent::Halt { why });
    }

    fn heed_engine(&mut self, cx: &mut Cx<'_>, link: &mut ControllerLink) {
        while let Start::Running(engine) = &mut self.start {
            let Some(event) = engine.poll() else { return };
            match event {
                EngineEvent::Confirmed { stream, offset } => self.confirmed(cx, link, stream, offset),
                EngineEvent::Read(done) => match self.reads.remove(&done.id) {
                    Some(Reading::Partition(tp, id)) => {
                        let batches = decode(cx, &done.records);
                        self.events.push_back(LogEvent::Read { id, batches });
                        self.read_ended(cx, link, tp, done.id);
                    }
                    Some(Reading::Snapshot(tp)) => self.snapshot_read(cx, link, tp, &done.records),
                    None => {}
                },
                EngineEvent::Flushed(id) => self.flushed(cx, link, id),
                EngineEvent::Halt { why } => self.halt(why),
            }
        }
    }

    fn confirmed(&mut self, cx: &mut Cx<'_>, link: &mut ControllerLink, stream: StreamId, offset: u64) {
        if let Some(tp) = self.by_data.get(&stream).copied() {
            self.events.push_back(LogEvent::HighWatermark { tp, offset });
            return self.close_settled(cx, link, tp);
        }
        let Some(tp) = self.by_meta.get(&stream).copied() else { return };
        let Some(log) = self.logs.get_mut(&tp) else { return };
        // Older snapshots are not needed any more.
        if let Some(kept) = log.snapshot.take_if(|kept| kept.record < offset) {
            log.trim.covered = kept.at;
            let epoch = StreamEpoch(u64::from(log.epoch.0));
            let trim = TrimStream { stream, epoch, start_offset: offset - 1 };
            self.ask_trim(cx, link, trim);
            self.try_trim(cx, link, tp);
        }
        self.close_settled(cx, link, tp);
    }
}

impl Stage {
    fn streams(&self) -> Option<Streams> {
        match self {
            Stage::ReadSnapshot(streams, _)
            | Stage::Opened(streams)
            | Stage::Flushing(streams, _)
            | Stage::Settling(streams) => Some(*streams),
            Stage::Find | Stage::Create | Stage::Name | Stage::Await(_) | Stage::Open(_) | Stage::Closing => None,
        }
    }
}

fn encode_snapshot(snapshot: &Snapshot) -> Blob {
    let mut out = BytesMut::with_capacity(8 + snapshot.state.len());
    out.put_u64(snapshot.at);
    out.put_slice(&snapshot.state);
    Blob::real(out.freeze())
}

fn decode_snapshot(payload: &Blob) -> Option<Snapshot> {
    let bytes: Bytes = payload.to_bytes().filter(|bytes| bytes.len() >= 8)?;
    let at = u64::from_be_bytes(bytes[..8].try_into().expect("eight bytes"));
    Some(Snapshot { at, state: bytes.slice(8..) })
}

fn decode(cx: &mut Cx<'_>, records: &[Arc<WalRecord>]) -> Vec<RecordBatch> {
    let mut out = Vec::with_capacity(records.len());
    for record in records {
        match RecordBatch::decode(&record.payload) {
            Ok((batch, _)) => out.push(batch),
            Err(error) => {
                cx.fail(format!("stream {} at {}: {error}", record.stream, record.base_offset));
                break;
            }
        }
    }
    out
}

impl PartitionLogs for StreamLogs {
    fn begin(&mut self, cx: &mut Cx<'_>, link: &mut ControllerLink) {
        let spaces = RecoverySpaces { wal: self.space(1), uploader: self.space(5), objects: self.space(6) };
        let wal = (self.spec.wals)(self.spec.broker, WalMode::Own, spaces.wal);
        let (identity, options, bucket) = (self.identity(link), self.spec.options.clone(), self.spec.bucket);
        let recovery = Recovery::begin(cx, link, spaces, identity, options, bucket, wal);
        self.start = Start::Recovering(Box::new(recovery));
        self.own_recovery_done(cx, link);
    }

    fn open(&mut self, cx: &mut Cx<'_>, link: &mut ControllerLink, tp: TopicIdPartition, epoch: LeaderEpoch) {
        let log =
            Log { epoch, stage: Stage::Find, is_unwanted: false, awaits: None, snapshot: None, trim: Trim::default() };
        assert!(self.logs.insert(tp, log).is_none(), "a log is opened when it is closed");
        self.ask(cx, link, tp, StorageRequest::KvGet { key: StreamLogs::key(tp) });
    }

    fn close(&mut self, cx: &mut Cx<'_>, link: &mut ControllerLink, tp: TopicIdPartition) {
        let Some(log) = self.logs.get_mut(&tp) else { return };
        log.is_unwanted = true;
        match log.stage {
            Stage::Opened(streams) if self.spec.options.fast_close => {
                log.stage = Stage::Settling(streams);
                self.close_settled(cx, link, tp);
            }
            Stage::Opened(streams) => {
                let Start::Running(engine) = &mut self.start else { return };
                if self.spec.options.mutant == Some(StorageMutant::CloseWithoutUpload) {
                    log.stage = Stage::Flushing(streams, Vec::new());
                    return self.flushed(cx, link, FlushId(u64::MAX));
                }
                let flushes = [streams.meta, streams.data].map(|stream| engine.flush(cx, link, stream));
                log.stage = Stage::Flushing(streams, flushes.to_vec());
                self.heed_engine(cx, link);
            }
            // Not open anywhere: there is nothing to give up.
            Stage::Await(_) => self.gone(tp),
            Stage::Find
            | Stage::Create
            | Stage::Name
            | Stage::Open(_)
            | Stage::ReadSnapshot(..)
            | Stage::Flushing(..)
            | Stage::Settling(_)
            | Stage::Closing => {}
        }
    }

    fn append(&mut self, cx: &mut Cx<'_>, link: &mut ControllerLink, tp: TopicIdPartition, batch: &RecordBatch) {
        let Start::Running(engine) = &mut self.start else { return };
        let Some(Stage::Opened(streams)) = self.logs.get(&tp).map(|log| &log.stage) else { return };
        assert_eq!(engine.next_offset(streams.data), Some(batch.base_offset), "a log has no holes");
        engine.append(cx, link, streams.data, batch.count, batch.encode(tp));
        self.heed_engine(cx, link);
    }

    fn read(
        &mut self,
        cx: &mut Cx<'_>,
        link: &mut ControllerLink,
        tp: TopicIdPartition,
        offsets: Range<u64>,
        max_bytes: u64,
    ) -> LogRead {
        let Start::Running(engine) = &mut self.start else { return LogRead::Now(Vec::new()) };
        let Some(streams) = self.logs.get(&tp).and_then(|log| log.stage.streams()) else {
            return LogRead::Now(Vec::new());
        };
        match engine.read(cx, link, streams.data, offsets, max_bytes) {
            EngineRead::Now(records) => LogRead::Now(decode(cx, &records)),
            EngineRead::Later(read) => {
                let id = LogReadId(self.next_read);
                self.next_read += 1;
                self.reads.insert(read, Reading::Partition(tp, id));
                LogRead::Later(id)
            }
        }
    }

    fn keep_snapshot(&mut self, cx: &mut Cx<'_>, link: &mut ControllerLink, tp: TopicIdPartition, snapshot: Snapshot) {
        let Start::Running(engine) = &mut self.start else { return };
        let Some(log) = self.logs.get_mut(&tp) else { return };
        let Stage::Opened(streams) = log.stage else { return };
        log.snapshot = engine.next_offset(streams.meta).map(|record| Kept { record, at: snapshot.at });
        engine.append(cx, link, streams.meta, 1, encode_snapshot(&snapshot));
        self.heed_engine(cx, link);
    }

    fn trim(&mut self, cx: &mut Cx<'_>, link: &mut ControllerLink, tp: TopicIdPartition, offset: u64) {
        self.begin_trim(cx, link, tp, offset);
    }

    fn image_moved(&mut self, cx: &mut Cx<'_>, link: &mut ControllerLink) {
        self.look_for_rescues(cx, link);
        let waiting = self.logs.iter().filter_map(|(tp, log)| match log.stage {
            Stage::Await(streams) => Some((*tp, streams)),
            _ => None,
        });
        for (tp, streams) in waiting.collect::<Vec<_>>() {
            self.try_open(cx, link, tp, streams);
        }
        self.trim_on(cx, link);
        if let Start::Running(engine) = &mut self.start {
            engine.image_moved(cx, link);
            self.heed_engine(cx, link);
        }
    }

    fn answered(
        &mut self,
        cx: &mut Cx<'_>,
        link: &mut ControllerLink,
        ticket: Ticket,
        result: &Result<ControllerAnswer, ErrorCode>,
    ) -> bool {
        if let Start::Running(engine) = &mut self.start
            && engine.answered(cx, link, ticket, result)
        {
            self.heed_engine(cx, link);
            return true;
        }
        if let Start::Recovering(recovery) = &mut self.start
            && recovery.answered(cx, link, ticket, result)
        {
            self.own_recovery_done(cx, link);
            return true;
        }
        for rescue in self.rescues.values_mut() {
            if rescue.recovery.as_mut().is_some_and(|recovery| recovery.answered(cx, link, ticket, result)) {
                self.rescues_done(cx, link);
                return true;
            }
        }
        if self.trim_answered(cx, link, ticket, result) {
            return true;
        }
        let Some(tp) = self.tickets.remove(&ticket) else { return false };
        let Some(log) = self.logs.get_mut(&tp) else { return true };
        match (&log.stage, result) {
            (Stage::Find, Ok(ControllerAnswer::Kv(Some(value))))
            | (Stage::Name, Ok(ControllerAnswer::Kv(Some(value)))) => {
                let value = value.clone();
                self.found(cx, link, tp, &value);
            }
            (Stage::Find, Ok(ControllerAnswer::Kv(None))) => {
                log.stage = Stage::Create;
                self.ask(cx, link, tp, StorageRequest::CreateStreams { count: 2, tag: tp });
            }
            (Stage::Create, Ok(ControllerAnswer::Streams(streams))) => {
                log.stage = Stage::Name;
                let value = postcard::to_stdvec(&(streams[0].0, streams[1].0)).expect("two numbers").into();
                let key = StreamLogs::key(tp);
                self.ask(cx, link, tp, StorageRequest::KvPut { key, value, if_absent: true });
            }
            (Stage::Open(_), Ok(ControllerAnswer::Opened(results))) => self.stream_opened(cx, link, tp, results),
            (Stage::Closing, Ok(_)) => self.gone(tp),
            (_, Err(error)) => self.halt(format!("the controller refuses: {error}")),
            (_, Ok(other)) => unreachable!("not what was asked for partition {tp}: {other:?}"),
        }
        true
    }

    fn input(&mut self, cx: &mut Cx<'_>, link: &mut ControllerLink, input: Input) -> Option<Input> {
        let token = token_of(&input);
        if token.is_some_and(|token| TokenSpace::split(token).0 == self.space(4)) {
            self.image_moved(cx, link);
            return None;
        }
        let mut input = input;
        if let Start::Running(engine) = &mut self.start {
            let Some(rest) = engine.input(cx, link, input) else {
                self.heed_engine(cx, link);
                return None;
            };
            input = rest;
        }
        if let Start::Recovering(recovery) = &mut self.start {
            let Some(rest) = recovery.input(cx, link, input) else {
                self.own_recovery_done(cx, link);
                return None;
            };
            input = rest;
        }
        for rescue in self.rescues.values_mut() {
            let Some(recovery) = rescue.recovery.as_mut() else { continue };
            let Some(rest) = recovery.input(cx, link, input) else {
                self.rescues_done(cx, link);
                return None;
            };
            input = rest;
        }
        // An answer to a component that is gone.
        let first = self.spec.first_space.0;
        token.is_none_or(|token| TokenSpace::split(token).0.0 < first).then_some(input)
    }

    fn poll(&mut self) -> Option<LogEvent> {
        self.events.pop_front()
    }

    fn waits(&self, link: &ControllerLink, ask: Ask) -> Vec<Wait> {
        self.waits_for(link, ask)
    }
}
