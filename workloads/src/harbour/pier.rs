//! A pier: a durable log on a volume, with group commit, recovery and upload.
//!
//! The order of steps is that of any log on a file system that wants to survive: append through the page cache, fsync,
//! and only then acknowledge (one fsync for all that waited); make a new file's name durable before using it; after
//! a crash read until the first record that is not sound, cut the file there, make the cut durable, and only then
//! serve; halt on the first storage error, because after a failed fsync the page cache can no longer be believed.
//!
//! Readers are told what lies in the log from an offset on, out of the index that the pier keeps in memory and builds
//! anew from the disk in each life.

use super::Berth;
use super::mutant::Mutant;
use super::record::Record;
use std::collections::VecDeque;
use wavetank_models::blob::Blob;
use wavetank_models::cloud::network::ConnId;
use wavetank_models::cloud::object_store::{Condition, ObjectDone, ObjectError, ObjectOp};
use wavetank_models::cloud::volume::{FileId, FileName, IoMode, VolumeAnswer, VolumeDone, VolumeError, VolumeOp};
use wavetank_models::message::{Frame, Message};
use wavetank_models::world::{Cx, Input, Process};
use wavetank_sim::{Nanos, SortedMap, SortedSet};

/// Request: append cargo `value` of boat `correlation`. Answer: [`DURABLE`].
pub const APPEND: u32 = 1;
/// Request: how much of boat `correlation`'s cargo is there? Answer: [`DURABLE`].
pub const ASK: u32 = 2;
/// Answer: `value` is the highest number up to which the boat's cargo is durable, and `correlation` one more than that
/// record's offset: its place among the log's cargo. 0 and 0 when there is none.
pub const DURABLE: u32 = 3;
/// Request: which cargo lies in the log from offset `value` on? Answer: [`CARGO`].
pub const READ: u32 = 4;
/// Answer: durable cargo from offset `value` on, in the order of the log, as much as fits: [`cargo_of`] reads it.
pub const CARGO: u32 = 5;

/// So many records are read at once.
const READ_MAX: u64 = 32;
/// Bytes of a record in an answer: the boat and the number.
const ENTRY: usize = 12;

/// Direct I/O is in multiples of this.
const SECTOR: u64 = 4_096;
/// Cargo records a segment: a full one is uploaded.
const SEGMENT: u64 = 32;
const RETRY: Nanos = Nanos::millis(300);

/// The cargo in an answer to [`READ`], boat and number.
pub fn cargo_of(body: &Blob) -> Vec<(u32, u64)> {
    let bytes = body.to_bytes().expect("an answer is real bytes");
    let entry = |entry: &[u8]| {
        let (boat, number) = entry.split_at(4);
        let boat = u32::from_le_bytes(boat.try_into().expect("four bytes"));
        (boat, u64::from_le_bytes(number.try_into().expect("eight bytes")))
    };
    bytes.chunks_exact(ENTRY).map(entry).collect()
}

/// What a volume's or a store's answer is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Lookup,
    Create,
    NameDurable,
    ReadAll,
    Cut,
    CutDurable,
    Append,
    Sync,
    Upload,
    Verify,
}

impl Step {
    const ALL: [Step; 10] = [
        Step::Lookup,
        Step::Create,
        Step::NameDurable,
        Step::ReadAll,
        Step::Cut,
        Step::CutDurable,
        Step::Append,
        Step::Sync,
        Step::Upload,
        Step::Verify,
    ];

    fn of(token: u64) -> Step {
        Step::ALL[token as usize]
    }
}

/// Timers.
const LOOK_AGAIN: u64 = 1;
const UPLOAD_AGAIN: u64 = 2;

/// Who waits for which record.
#[derive(Clone, Copy, Debug)]
struct Waiting {
    conn: ConnId,
    boat: u32,
    number: u64,
}

/// See the [module](self).
pub struct Pier {
    number: usize,
    at: Berth,
    mutant: Option<Mutant>,
    file: Option<FileId>,
    /// The log is recovered: requests are served.
    ready: bool,
    conns: SortedSet<ConnId>,
    /// Where the next record goes.
    end: u64,
    /// Highest number in the log, by boat.
    appended: SortedMap<u32, u64>,
    /// Highest durable number, by boat.
    durable: SortedMap<u32, u64>,
    /// Appends that the volume has not answered, in order.
    writing: VecDeque<Option<Waiting>>,
    /// Written, waiting for the next sync.
    written: Vec<Waiting>,
    /// Waiting for the sync that runs.
    syncing: Option<Vec<Waiting>>,
    unsynced: bool,
    /// The cargo in the log, by offset.
    cargo: Vec<(u32, u64)>,
    /// What lies before that offset is durable, and may be read.
    readable: u64,
    /// Segments that are uploaded.
    uploaded: SortedSet<u64>,
    uploading: bool,
    upload_tries: u32,
}

impl Pier {
    /// A pier whose memory is empty: what it had is on the volume.
    pub fn new(number: usize, at: Berth, mutant: Option<Mutant>) -> Pier {
        Pier {
            number,
            at,
            mutant,
            file: None,
            ready: false,
            conns: SortedSet::new(),
            end: 0,
            appended: SortedMap::new(),
            durable: SortedMap::new(),
            writing: VecDeque::new(),
            written: Vec::new(),
            syncing: None,
            unsynced: false,
            cargo: Vec::new(),
            readable: 0,
            uploaded: SortedSet::new(),
            uploading: false,
            upload_tries: 0,
        }
    }

    fn ask_volume(&self, cx: &mut Cx<'_>, step: Step, op: VolumeOp) {
        cx.volume(self.at.volume, step as u64, op);
    }

    fn file(&self) -> FileId {
        self.file.expect("the log is open by now")
    }

    // ---- opening and recovery ----

    fn open(&self, cx: &mut Cx<'_>) {
        self.ask_volume(cx, Step::Lookup, VolumeOp::Lookup { name: FileName::from("log") });
    }

    fn volume_answered(&mut self, cx: &mut Cx<'_>, done: VolumeDone) {
        let step = Step::of(done.token);
        tracing::debug!(pier = self.number, ?step, result = ?done.result, end = self.end, "volume");
        match (step, done.result) {
            (Step::Lookup, Ok(VolumeAnswer::Found(entry))) => {
                self.file = Some(entry.file);
                self.read_all(cx, entry.file, entry.len);
            }
            (Step::Lookup, Err(VolumeError::NotFound)) => {
                self.ask_volume(cx, Step::Create, VolumeOp::Create { name: FileName::from("log") });
            }
            // The volume is not here yet, or its zone has only just come back.
            (Step::Lookup, Err(_)) => drop(cx.set_timer(RETRY, LOOK_AGAIN)),
            (Step::Create, Ok(VolumeAnswer::Created(file))) => {
                self.file = Some(file);
                self.ask_volume(cx, Step::NameDurable, VolumeOp::SyncDirectory);
            }
            (Step::NameDurable | Step::CutDurable, Ok(_)) => self.serve(cx),
            (Step::ReadAll, Ok(VolumeAnswer::Read(log))) => self.recover(cx, &log),
            (Step::Cut, Ok(_)) => self.ask_volume(cx, Step::CutDurable, VolumeOp::Sync { file: self.file() }),
            (Step::Append, Ok(_)) => self.was_written(cx),
            (Step::Sync, Ok(_)) => self.was_synced(cx),
            (Step::Sync, Err(_)) if self.mutant == Some(Mutant::RetryFailedSync) => {
                self.ask_volume(cx, Step::Sync, VolumeOp::Sync { file: self.file() });
            }
            (_, Err(error)) => {
                cx.mark("pier: halted on a storage error");
                cx.exit(format!("{step:?} failed: {error}"));
            }
            (step, Ok(answer)) => unreachable!("{step:?} answered {answer:?}"),
        }
    }

    /// Reads past the page cache: after a failed fsync the cache still shows what the disk never got, also to the next
    /// life ("Can Applications Recover from fsync Failures?", USENIX ATC 2020, section 4).
    fn read_all(&self, cx: &mut Cx<'_>, file: FileId, len: u64) {
        let mode = if self.mutant == Some(Mutant::RecoverFromCache) { IoMode::Buffered } else { IoMode::Direct };
        let op = VolumeOp::Read { file, offset: 0, len: len.next_multiple_of(SECTOR), mode };
        self.ask_volume(cx, Step::ReadAll, op);
    }

    fn recover(&mut self, cx: &mut Cx<'_>, log: &Blob) {
        let trusting = self.mutant == Some(Mutant::TrustTornTail);
        while let Some(record) = Record::decode(log, self.end, trusting) {
            match record {
                Record::Cargo { boat, number } => {
                    if !record.is_intact(log, self.end) {
                        return cx.fail(format!("recovery took a torn record for cargo {number} of boat-{boat}"));
                    }
                    self.appended.insert(boat, number);
                    self.cargo.push((boat, number));
                }
                Record::Uploaded { segment } => {
                    self.uploaded.insert(segment);
                }
            }
            self.end += record.len();
        }
        self.durable = self.appended.clone();
        self.readable = self.cargo.len() as u64;
        if self.end > 0 {
            cx.mark("pier: recovered a log after a crash");
        }
        if self.end < log.len() {
            cx.mark("pier: recovery cut off an unsynced tail");
        }
        // Even a log without a tail to cut is cut there: the page cache may show a longer file than the disk has.
        self.ask_volume(cx, Step::Cut, VolumeOp::Truncate { file: self.file(), len: self.end });
    }

    fn serve(&mut self, cx: &mut Cx<'_>) {
        self.ready = true;
        if let Some(segment) = self.uploaded.last() {
            let key = self.key(*segment);
            cx.object(self.at.store, self.at.bucket, Step::Verify as u64, ObjectOp::Head { key });
        }
        self.upload_if_full(cx);
    }

    // ---- appending ----

    fn asked(&mut self, cx: &mut Cx<'_>, conn: ConnId, frame: &Frame) {
        if !self.ready {
            // Not yet open: the boat will come back.
            return cx.close(conn);
        }
        let boat = frame.correlation as u32;
        match frame.kind {
            READ => self.tell_cargo(cx, conn, frame.value),
            APPEND => self.asked_to_append(cx, conn, boat, frame.value),
            _ => self.tell(cx, conn, boat),
        }
    }

    fn asked_to_append(&mut self, cx: &mut Cx<'_>, conn: ConnId, boat: u32, number: u64) {
        let (have, durable) = (highest(&self.appended, boat), highest(&self.durable, boat));
        let forgetful = self.mutant == Some(Mutant::AppendResent);
        if number <= durable && !forgetful {
            cx.mark("pier: acknowledged a resent record from its log");
            return self.tell(cx, conn, boat);
        }
        let waiting = Waiting { conn, boat, number };
        if number <= have && !forgetful {
            // Sent again while the first sending is still on its way to the disk.
            self.written.push(waiting);
            return self.sync_if_idle(cx);
        }
        if number > have + 1 {
            cx.fail(format!("boat-{boat} skipped from cargo {have} to {number}"));
        }
        self.appended.insert(boat, number);
        self.cargo.push((boat, number));
        self.append(cx, Record::Cargo { boat, number }, Some(waiting));
    }

    fn append(&mut self, cx: &mut Cx<'_>, record: Record, waiting: Option<Waiting>) {
        let op = VolumeOp::Write {
            file: self.file(),
            offset: self.end,
            data: record.encode(self.end),
            mode: IoMode::Buffered,
        };
        self.end += record.len();
        self.writing.push_back(waiting);
        self.ask_volume(cx, Step::Append, op);
    }

    fn was_written(&mut self, cx: &mut Cx<'_>) {
        self.unsynced = true;
        if let Some(waiting) = self.writing.pop_front().expect("an append was asked for") {
            if self.mutant == Some(Mutant::AckBeforeSync) {
                self.is_durable(waiting);
                self.tell(cx, waiting.conn, waiting.boat);
            }
            self.written.push(waiting);
        }
        self.sync_if_idle(cx);
    }

    fn sync_if_idle(&mut self, cx: &mut Cx<'_>) {
        if self.syncing.is_none() && self.unsynced {
            self.unsynced = false;
            self.syncing = Some(std::mem::take(&mut self.written));
            self.ask_volume(cx, Step::Sync, VolumeOp::Sync { file: self.file() });
        }
    }

    fn was_synced(&mut self, cx: &mut Cx<'_>) {
        for waiting in self.syncing.take().expect("a sync was asked for") {
            self.is_durable(waiting);
            self.tell(cx, waiting.conn, waiting.boat);
        }
        self.sync_if_idle(cx);
        self.upload_if_full(cx);
    }

    fn is_durable(&mut self, record: Waiting) {
        let durable = self.durable.entry(record.boat).or_default();
        *durable = (*durable).max(record.number);
        self.readable = self.readable.max(self.end_of(record.boat, record.number));
    }

    /// One more than the offset of a record, its last one; 0 when it is not in the log.
    fn end_of(&self, boat: u32, number: u64) -> u64 {
        self.cargo.iter().rposition(|record| *record == (boat, number)).map_or(0, |offset| offset as u64 + 1)
    }

    fn tell(&self, cx: &mut Cx<'_>, conn: ConnId, boat: u32) {
        if self.conns.contains(&conn) {
            let durable = highest(&self.durable, boat);
            cx.send(conn, Message::frame(DURABLE, self.end_of(boat, durable), durable));
        }
    }

    /// A log's readers get what is durable and nothing else: the rest may be gone tomorrow.
    fn tell_cargo(&self, cx: &mut Cx<'_>, conn: ConnId, from: u64) {
        let to = self.readable.min(from.saturating_add(READ_MAX));
        let cargo = self.cargo.get(from as usize..to as usize).unwrap_or_default();
        let mut body = Vec::with_capacity(cargo.len() * ENTRY);
        for (boat, number) in cargo {
            body.extend_from_slice(&boat.to_le_bytes());
            body.extend_from_slice(&number.to_le_bytes());
        }
        let body = Some(Box::new(Blob::real(body)));
        cx.send(conn, Message::Frame(Frame { kind: CARGO, correlation: 0, value: from, body }));
    }

    // ---- uploading ----

    fn key(&self, segment: u64) -> wavetank_models::cloud::object_store::Key {
        format!("pier-{}/{segment:012}", self.number).into()
    }

    fn next_segment(&self) -> u64 {
        self.uploaded.last().map_or(0, |segment| segment + 1)
    }

    fn upload_if_full(&mut self, cx: &mut Cx<'_>) {
        let segment = self.next_segment();
        let durable: u64 = self.durable.values().sum();
        if self.uploading || durable < (segment + 1) * SEGMENT {
            return;
        }
        self.uploading = true;
        self.upload_tries = 0;
        self.upload(cx);
    }

    fn upload(&mut self, cx: &mut Cx<'_>) {
        let segment = self.next_segment();
        // The same name and content at every try: a try that landed unseen is met by the precondition.
        let body = Blob::named((self.number as u64 + 1) << 48 | segment, 256 << 10);
        let op = ObjectOp::Put { key: self.key(segment), body, condition: Condition::IfNoneMatch };
        cx.object(self.at.store, self.at.bucket, Step::Upload as u64, op);
        self.upload_tries += 1;
    }

    fn store_answered(&mut self, cx: &mut Cx<'_>, done: ObjectDone) {
        match (Step::of(done.token), done.result) {
            (Step::Verify, Err(ObjectError::NoSuchKey)) => {
                cx.fail(format!("pier-{} recorded an upload that the store does not have", self.number));
            }
            (Step::Verify, _) => {}
            (_, Ok(_)) => self.was_uploaded(cx),
            (_, Err(ObjectError::PreconditionFailed)) => {
                cx.mark("pier: an upload met its own earlier attempt");
                self.was_uploaded(cx);
            }
            (_, Err(ObjectError::TimedOut)) if self.mutant == Some(Mutant::TimeoutMeansUploaded) => {
                self.was_uploaded(cx);
            }
            (_, Err(_)) => {
                cx.mark("pier: an upload was tried again");
                let backoff = RETRY * (1 << self.upload_tries.min(5));
                let after = cx.random().nanos(RETRY..RETRY + backoff);
                cx.set_timer(after, UPLOAD_AGAIN);
            }
        }
    }

    fn was_uploaded(&mut self, cx: &mut Cx<'_>) {
        let segment = self.next_segment();
        self.uploading = false;
        self.uploaded.insert(segment);
        self.append(cx, Record::Uploaded { segment }, None);
    }
}

fn highest(of: &SortedMap<u32, u64>, boat: u32) -> u64 {
    of.get(&boat).copied().unwrap_or(0)
}

impl Process for Pier {
    fn step(&mut self, cx: &mut Cx<'_>, input: Input) {
        match input {
            Input::Boot | Input::Timer { token: LOOK_AGAIN, .. } => self.open(cx),
            Input::Timer { .. } => self.upload(cx),
            Input::Accepted { conn, .. } => {
                self.conns.insert(conn);
            }
            Input::Message { conn, message: Message::Frame(frame) } => self.asked(cx, conn, &frame),
            Input::Message {
                message: Message::Request { .. } | Message::Response { .. } | Message::Flink(_), ..
            } => {
                unreachable!("a harbour speaks in frames")
            }
            Input::Reset { conn, .. } => {
                self.conns.remove(&conn);
            }
            Input::Volume(done) => self.volume_answered(cx, *done),
            Input::Object(done) => self.store_answered(cx, *done),
            // Nobody shuts a pier down.
            Input::Signal(_) => {}
            Input::Connected { .. } | Input::Express(_) | Input::Nfs(_) | Input::Worked { .. } => {
                unreachable!("a pier opens no connection and asks no other device")
            }
        }
    }
}
