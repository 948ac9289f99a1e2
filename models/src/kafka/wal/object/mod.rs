//! A log in an object store: S3Stream's ObjectWAL (`s3/wal/impl/object/{ObjectWALService,DefaultWriter}.java`), also on an
//! express store.
//!
//! # Steps
//! *Open*: 1. read the reservation; 2. write it with a condition on what was read: no object, or that very tag; a higher epoch
//! in it means that somebody later has the log; 3. list all objects of the log, page by page; 4. drop what late PUTs of
//! fenced owners brought (`layout::drop_dirty`); an object of a higher epoch means fenced; 5. read the newest object's
//! header: the trim offset; 6. in failover write a record of no stream at once, which marks where earlier epochs end;
//! 7. read, with readahead, what is not trimmed, up to the first hole; a checksum that does not match fails the recovery.
//!
//! *Append*: 1. into the current bulk, which is closed at `bulk_bytes_max` or by its timer:
//! `min(max(min(10 ms, batch), last_force + batch - now), batch)` after its first record, so an idle log writes after 10 ms
//! and a busy one every `batch_interval`; 2. sorted by (stream, base offset), then given offsets; each object begins at
//! a multiple of 64 MiB; 3. uploaded, up to `in_flight_max` at once; 4. when all bulks up to one are uploaded, the reservation
//! is read; 5. when it is still one's own, they are acknowledged. Anything else in it, and the log is fenced for good.
//!
//! *Trim*: 1. a record of no stream, so that an object's header carries the trim offset; 2. when that is acknowledged, what
//! lies before is deleted, but the last object, from which the next owner counts on; 3. deleted again after
//! `second_delete_after`, since a copy of a PUT may come after the delete.
//!
//! # Why an acknowledged record is recovered
//! The old owner's PUT took effect before its read of the reservation, which took effect before the new owner's write of
//! it (else it would have shown that), which took effect before its list. A PUT of the old owner that comes after the
//! list is never acknowledged, and lies where the new owner's objects begin or later: dirty. What lies before is older
//! than the trim offset that the new owner's reset writes. For that to hold where a new owner's first objects are
//! trimmed and deleted, a trim offset at an object's last record counts up to the object's end.
//!
//! # Other than AutoMQ
//! The reservation is a plain PUT there, the dirty object is looked for at the first object only, and a trim offset is not
//! rounded: each a mutant or a hole here. A reservation is not given back by a release: it keeps the dead owner out.
//! Exceptions in the verification are retried, not taken for a fence; the acquisition has no timeout of 20 s.

mod layout;

pub use self::layout::{ALIGN, OBJECT_HEADER_BYTES};
use self::layout::{LogObject, Names, ObjectHeader, Reservation, drop_dirty};
use super::mutant::WalMutant;
use super::record::{Entry, EntryReader, EntryWriter, PlaceCheck, RECORD_HEADER_BYTES, logged_bytes};
use super::voice::Voice;
use super::{OverCapacity, Wal, WalEvent, WalMode, WalOffset, WalOwner, WalRecord};
use crate::blob::{Blob, Segment};
use crate::cloud::object_store::{ByteRange, Condition, Key, ListEntry};
use crate::kafka::object_client::{ObjectAnswer, ObjectClient, ObjectClientOptions, ObjectPlace};
use crate::kafka::token::{TokenSpace, token_of};
use crate::world::{Cx, Input, On, TimerId, Wait};
use std::collections::VecDeque;
use wavetank_sim::Nanos;

/// How an object log behaves (`ObjectWALConfig.Builder`).
#[derive(Clone, Debug)]
pub struct ObjectWalOptions {
    /// Part of every key: the cluster.
    pub namespace: String,
    /// `batchInterval`: a busy log closes a bulk this often. Default 250 ms.
    pub batch_interval: Nanos,
    /// `maxBytesInBatch`: a bulk of so many bytes is closed at once. Default 8 MiB.
    pub bulk_bytes_max: u64,
    /// `maxUnflushedBytes`: what is appended beyond is refused. Default 1 GiB.
    pub unflushed_bytes_max: u64,
    /// `maxInflightUploadCount`. Default 50.
    pub in_flight_max: usize,
    /// Bytes of objects that recovery reads ahead. Default 100 MiB.
    pub readahead_bytes: u64,
    /// When what was deleted is deleted again. Default 10 s.
    pub second_delete_after: Nanos,
    /// The client.
    pub client: ObjectClientOptions,
}

impl Default for ObjectWalOptions {
    fn default() -> ObjectWalOptions {
        ObjectWalOptions {
            namespace: "_kafka_wavetank".into(),
            batch_interval: Nanos::millis(250),
            bulk_bytes_max: 8 << 20,
            unflushed_bytes_max: 1 << 30,
            in_flight_max: 50,
            readahead_bytes: 100 << 20,
            second_delete_after: Nanos::secs(10),
            client: ObjectClientOptions::default(),
        }
    }
}

/// An idle log closes its bulk after this.
const IDLE_FLUSH: Nanos = Nanos::millis(10);

/// Timers: lane 0 of the token space; the client has lane 1.
const CLIENT_LANE: u8 = 1;
const FLUSH: u64 = 0;
/// And above: second deletes, by number.
const SECOND_DELETES: u64 = 1;

/// What a request of the client is for: the top bits of its id.
const RESERVATION: u64 = 0;
const RESERVE: u64 = 1;
const LIST: u64 = 2;
const NEWEST: u64 = 3;
const VERIFY: u64 = 4;
const DELETE: u64 = 5;
const RECOVER: u64 = 1 << 40;
const UPLOAD: u64 = 2 << 40;
const NUMBER: u64 = (1 << 40) - 1;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Closed,
    Acquiring,
    Listing,
    /// A rescuer's first record is on its way.
    Marking,
    Recovering,
    Recovered,
    Resetting,
    Releasing,
    Open,
    Released,
}

impl Phase {
    fn words(self) -> &'static str {
        match self {
            Phase::Closed => "has not opened the log",
            Phase::Acquiring => "acquires the log",
            Phase::Listing => "lists the log",
            Phase::Marking => "puts a rescuer's first record into the log",
            Phase::Recovering => "reads the log",
            Phase::Recovered | Phase::Resetting => "empties the log",
            Phase::Releasing | Phase::Released => "gives the log back",
            Phase::Open => "has records in the log that are not durable",
        }
    }
}

#[derive(Default)]
struct Bulk {
    records: Vec<WalRecord>,
    bytes: u64,
    trims: bool,
}

/// A bulk that has its place.
struct Flight {
    start: u64,
    end: u64,
    last: u64,
    trimmed: u64,
    records: Vec<(WalOffset, WalRecord)>,
    bytes: u64,
    uploaded: bool,
}

/// An object that is acknowledged and not deleted.
struct Flushed {
    start: u64,
    end: u64,
    last: u64,
}

/// An object that recovery reads.
struct Reading {
    object: LogObject,
    body: Option<Blob>,
}

/// See the [module](self).
pub struct ObjectWal {
    options: ObjectWalOptions,
    space: TokenSpace,
    mutant: Option<WalMutant>,
    client: ObjectClient,
    voice: Voice,
    phase: Phase,
    names: Names,
    /// Where the next object begins.
    next: u64,
    /// What lies before is not needed.
    trimmed: u64,
    bulk: Bulk,
    closed: VecDeque<Bulk>,
    last_force: Option<Nanos>,
    timer: Option<TimerId>,
    flights: VecDeque<Flight>,
    /// Number of the first flight.
    first_flight: u64,
    uploading: usize,
    /// The reservation is being read for all flights before this one.
    verifying: Option<u64>,
    unflushed: u64,
    refused: bool,
    flushed: VecDeque<Flushed>,
    /// What was there before, for the delete after the reset.
    stale: Vec<Key>,
    second_deletes: VecDeque<(u64, Vec<Key>)>,
    next_delete: u64,
    to_recover: VecDeque<LogObject>,
    recovering: VecDeque<Reading>,
    next_recovery: u64,
    reading_bytes: u64,
    passed_trimmed: bool,
}

impl ObjectWal {
    /// A log that nobody has opened.
    pub fn new(
        place: ObjectPlace,
        space: TokenSpace,
        options: ObjectWalOptions,
        mutant: Option<WalMutant>,
    ) -> ObjectWal {
        let mut client = options.client.clone();
        if mutant == Some(WalMutant::ListOnePage) {
            client.pages_max = 1;
        }
        ObjectWal {
            client: ObjectClient::new(place, space, CLIENT_LANE, client),
            names: Names::of(&options.namespace, Default::default(), mutant),
            options,
            space,
            mutant,
            voice: Voice::default(),
            phase: Phase::Closed,
            next: 0,
            trimmed: 0,
            bulk: Bulk::default(),
            closed: VecDeque::new(),
            last_force: None,
            timer: None,
            flights: VecDeque::new(),
            first_flight: 0,
            uploading: 0,
            verifying: None,
            unflushed: 0,
            refused: false,
            flushed: VecDeque::new(),
            stale: Vec::new(),
            second_deletes: VecDeque::new(),
            next_delete: 0,
            to_recover: VecDeque::new(),
            recovering: VecDeque::new(),
            next_recovery: 0,
            reading_bytes: 0,
            passed_trimmed: false,
        }
    }

    fn reservation(&self) -> Reservation {
        let WalOwner { broker, epoch, mode } = self.voice.owner();
        Reservation { broker, epoch, mode }
    }

    fn answered(&mut self, cx: &mut Cx<'_>, id: u64, answer: ObjectAnswer) {
        if let ObjectAnswer::Failed(error) = answer {
            return self.voice.failed(format!("object store: {error}"));
        }
        match (id & !NUMBER, id & NUMBER) {
            (UPLOAD, flight) => self.uploaded(cx, flight),
            (RECOVER, number) => self.was_read(cx, number, answer),
            (_, RESERVATION) => self.reservation_read(cx, answer),
            (_, RESERVE) => match answer {
                ObjectAnswer::Put(_) => self.acquired(cx),
                _ => self.read_reservation(cx, RESERVATION),
            },
            (_, LIST) => match answer {
                ObjectAnswer::Listed { entries, pages } => self.listed(cx, &entries, pages),
                other => unreachable!("a listing was answered with {other:?}"),
            },
            (_, NEWEST) => self.newest_read(cx, answer),
            (_, VERIFY) => self.verified(cx, &answer),
            (_, DELETE) => (),
            (_, other) => unreachable!("no request has number {other}"),
        }
    }

    // ---- opening ----

    fn read_reservation(&mut self, cx: &mut Cx<'_>, id: u64) {
        self.client.get(cx, id, self.names.reservation.clone(), None);
    }

    fn reserve(&mut self, cx: &mut Cx<'_>, condition: Condition) {
        self.client.put(cx, RESERVE, self.names.reservation.clone(), self.reservation().encode(), condition);
    }

    fn reservation_read(&mut self, cx: &mut Cx<'_>, answer: ObjectAnswer) {
        let (body, etag) = match answer {
            ObjectAnswer::Content { body, etag } => (body, etag),
            _ => return self.reserve(cx, Condition::IfNoneMatch),
        };
        let Some(held) = Reservation::decode(&body) else {
            return self.voice.failed("the reservation object holds something else");
        };
        let mine = self.reservation();
        if held == mine {
            self.acquired(cx);
        } else if held.epoch >= mine.epoch {
            self.voice.fenced();
        } else {
            self.reserve(cx, Condition::IfMatch(etag));
        }
    }

    fn acquired(&mut self, cx: &mut Cx<'_>) {
        self.voice.acquired(cx);
        self.list(cx);
    }

    fn list(&mut self, cx: &mut Cx<'_>) {
        self.phase = Phase::Listing;
        self.client.list(cx, LIST, self.names.prefix.clone());
    }

    fn listed(&mut self, cx: &mut Cx<'_>, entries: &[ListEntry], pages: u32) {
        if pages > 1 {
            cx.mark("wal: list crossed a page");
        }
        let mut objects: Vec<LogObject> = entries.iter().filter_map(|entry| self.names.parse(entry)).collect();
        objects.sort();
        let dirty = drop_dirty(&mut objects, self.mutant);
        if !dirty.is_empty() {
            cx.mark("wal: a fenced owner's PUT landed after the new owner's list");
            self.delete(cx, dirty.into_iter().map(|object| object.key).collect());
        }
        let Some(newest) = objects.last() else { return self.trim_known(cx) };
        if newest.epoch > self.voice.owner().epoch {
            return self.voice.fenced();
        }
        self.next = newest.end;
        self.stale = objects.iter().map(|object| object.key.clone()).collect();
        let key = newest.key.clone();
        self.to_recover = objects.into();
        let header = ByteRange::Span { first: 0, last: OBJECT_HEADER_BYTES - 1 };
        self.client.get(cx, NEWEST, key, Some(header));
    }

    fn newest_read(&mut self, cx: &mut Cx<'_>, answer: ObjectAnswer) {
        let header = match &answer {
            ObjectAnswer::Content { body, .. } => ObjectHeader::decode(body),
            _ => None,
        };
        let Some(header) = header else {
            return self.voice.failed("the newest object of the log is gone or has no header");
        };
        self.trimmed = header.trimmed;
        self.trim_known(cx);
    }

    fn trim_known(&mut self, cx: &mut Cx<'_>) {
        self.keep_what_is_whole();
        match self.voice.owner().mode {
            WalMode::Own => self.begin_recovery(cx),
            WalMode::Failover => {
                self.phase = Phase::Marking;
                self.write_trim(cx);
                self.close_bulk(cx);
            }
        }
    }

    /// Of the objects in order: from the first that is not trimmed to the first hole.
    fn keep_what_is_whole(&mut self) {
        let trimmed = self.trimmed;
        let before = self.to_recover.len();
        self.to_recover.retain(|object| object.end > trimmed);
        self.passed_trimmed = self.to_recover.len() < before;
        let whole = 1 + self
            .to_recover
            .iter()
            .zip(self.to_recover.iter().skip(1))
            .take_while(|(a, b)| a.end == b.start)
            .count();
        self.to_recover.truncate(whole);
    }

    // ---- recovery ----

    fn begin_recovery(&mut self, cx: &mut Cx<'_>) {
        self.phase = Phase::Recovering;
        self.read_ahead(cx);
        self.recovery_goes_on(cx);
    }

    fn read_ahead(&mut self, cx: &mut Cx<'_>) {
        while self.reading_bytes == 0 || self.reading_bytes < self.options.readahead_bytes {
            let Some(object) = self.to_recover.pop_front() else { return };
            self.reading_bytes += object.size;
            let number = self.next_recovery + self.recovering.len() as u64;
            self.client.get(cx, RECOVER | number, object.key.clone(), None);
            self.recovering.push_back(Reading { object, body: None });
        }
    }

    fn was_read(&mut self, cx: &mut Cx<'_>, number: u64, answer: ObjectAnswer) {
        let ObjectAnswer::Content { body, .. } = answer else {
            return self.voice.failed("an object of the log is gone");
        };
        self.recovering[(number - self.next_recovery) as usize].body = Some(body);
        self.recovery_goes_on(cx);
    }

    fn recovery_goes_on(&mut self, cx: &mut Cx<'_>) {
        while self.recovering.front().is_some_and(|reading| reading.body.is_some()) {
            let reading = self.recovering.pop_front().expect("looked at");
            self.next_recovery += 1;
            self.reading_bytes -= reading.object.size;
            if let Err(why) = self.recover(cx, &reading.object, &reading.body.expect("looked at")) {
                return self.voice.failed(format!("recovery of {}: {why}", reading.object.key));
            }
        }
        self.read_ahead(cx);
        if self.recovering.is_empty() {
            if self.passed_trimmed {
                cx.mark("wal: a trim lay between crash and recovery");
            }
            self.phase = Phase::Recovered;
            self.voice.recovery_ended(cx);
        }
    }

    fn recover(&mut self, cx: &mut Cx<'_>, object: &LogObject, bytes: &Blob) -> Result<(), String> {
        let header = ObjectHeader::decode(bytes).ok_or("no header")?;
        if header.start != object.start || header.body_len + OBJECT_HEADER_BYTES != bytes.len() {
            return Err("its header belongs to another object".into());
        }
        let mut reader = EntryReader::new(bytes);
        reader.skip(OBJECT_HEADER_BYTES);
        let mut at = object.start;
        while reader.left() > 0 {
            let (entry, len) = reader.entry(at, PlaceCheck::Strict).map_err(|error| error.to_string())?;
            match entry {
                Entry::Record(record) if at >= self.trimmed => {
                    let off = if self.mutant == Some(WalMutant::RecoverBodyOffset) { RECORD_HEADER_BYTES } else { 0 };
                    self.voice.recovered(cx, WalOffset(at + off), record);
                }
                Entry::Record(_) => self.passed_trimmed = true,
                Entry::Trim | Entry::Padding => (),
            }
            at += len;
        }
        Ok(())
    }

    // ---- appending ----

    /// A record of no stream, so that the trim offset gets to the store.
    fn write_trim(&mut self, cx: &mut Cx<'_>) {
        self.bulk.trims = true;
        self.arm(cx);
    }

    fn arm(&mut self, cx: &mut Cx<'_>) {
        if self.timer.is_some() {
            return;
        }
        let (batch, now) = (self.options.batch_interval, cx.monotonic());
        let next_force = self.last_force.map_or(Nanos::ZERO, |last| (last + batch).saturating_sub(now));
        let after = IDLE_FLUSH.min(batch).max(next_force).min(batch);
        self.timer = Some(self.space.set_timer(cx, after, FLUSH));
    }

    fn close_bulk(&mut self, cx: &mut Cx<'_>) {
        if let Some(timer) = self.timer.take() {
            cx.cancel_timer(timer);
        }
        self.last_force = Some(cx.monotonic());
        let bulk = std::mem::take(&mut self.bulk);
        if bulk.trims || !bulk.records.is_empty() {
            self.closed.push_back(bulk);
        }
        self.upload_more(cx);
    }

    fn upload_more(&mut self, cx: &mut Cx<'_>) {
        while self.uploading < self.options.in_flight_max {
            let Some(bulk) = self.closed.pop_front() else { return };
            self.upload(cx, bulk);
        }
    }

    fn upload(&mut self, cx: &mut Cx<'_>, mut bulk: Bulk) {
        bulk.records.sort_by_key(|record| (record.stream, record.base_offset));
        let start = self.next;
        let mut writer = EntryWriter::new(start, bulk.records.len() + 1);
        let mut last = start;
        if bulk.trims {
            writer.trim();
        }
        let mut records = Vec::with_capacity(bulk.records.len());
        for record in bulk.records {
            last = writer.record(&record);
            records.push((WalOffset(last), record));
        }
        let end = writer.at().next_multiple_of(ALIGN);
        let records_blob = writer.finish();
        let WalOwner { broker, epoch, .. } = self.voice.owner();
        let header = ObjectHeader { start, body_len: records_blob.len(), broker, epoch, trimmed: self.trimmed };
        let mut body = Blob::from(Segment::Real(header.encode().freeze()));
        body.append_all(records_blob);
        let number = self.first_flight + self.flights.len() as u64;
        let trimmed = self.trimmed;
        self.flights.push_back(Flight { start, end, last, trimmed, records, bytes: bulk.bytes, uploaded: false });
        self.next = end;
        self.uploading += 1;
        let key = self.names.object(epoch, start, end);
        self.client.put(cx, UPLOAD | number, key, body, Condition::None);
    }

    fn uploaded(&mut self, cx: &mut Cx<'_>, number: u64) {
        self.uploading -= 1;
        // Only with a mutant is it acknowledged already.
        if let Some(flight) = number.checked_sub(self.first_flight).and_then(|at| self.flights.get_mut(at as usize)) {
            flight.uploaded = true;
        }
        self.verify(cx);
        self.upload_more(cx);
    }

    fn verify(&mut self, cx: &mut Cx<'_>) {
        if self.verifying.is_some() {
            return;
        }
        let ready = match self.mutant {
            Some(WalMutant::ConfirmMax) => {
                self.flights.iter().rposition(|flight| flight.uploaded).map_or(0, |at| at + 1)
            }
            _ => self.flights.iter().take_while(|flight| flight.uploaded).count(),
        };
        if ready == 0 {
            return;
        }
        let upto = self.first_flight + ready as u64;
        let trusting = self.mutant == Some(WalMutant::NoVerifyBeforeAck)
            || self.mutant == Some(WalMutant::FailoverVerifiesNothing) && self.voice.owner().mode == WalMode::Failover;
        if trusting {
            return self.acknowledge(cx, upto);
        }
        self.verifying = Some(upto);
        self.read_reservation(cx, VERIFY);
    }

    fn verified(&mut self, cx: &mut Cx<'_>, answer: &ObjectAnswer) {
        let upto = self.verifying.take().expect("asked for");
        let held = match answer {
            ObjectAnswer::Content { body, .. } => Reservation::decode(body),
            _ => None,
        };
        if held != Some(self.reservation()) {
            cx.mark("wal: verify found another owner");
            return self.voice.fenced();
        }
        self.acknowledge(cx, upto);
        self.verify(cx);
    }

    fn acknowledge(&mut self, cx: &mut Cx<'_>, upto: u64) {
        let mut trimmed = 0;
        while self.first_flight < upto {
            let flight = self.flights.pop_front().expect("it has a number");
            self.first_flight += 1;
            self.unflushed -= flight.bytes;
            trimmed = flight.trimmed;
            for (at, record) in flight.records {
                self.voice.durable(cx, at, record);
            }
            self.flushed.push_back(Flushed { start: flight.start, end: flight.end, last: flight.last });
        }
        self.phase_goes_on(cx);
        self.delete_trimmed(cx, trimmed);
        if std::mem::take(&mut self.refused) {
            self.voice.say(WalEvent::Room);
        }
    }

    /// The record of no stream that an opening or a reset waits for is acknowledged.
    fn phase_goes_on(&mut self, cx: &mut Cx<'_>) {
        match self.phase {
            Phase::Marking => self.begin_recovery(cx),
            Phase::Resetting => {
                self.phase = Phase::Open;
                self.voice.say(WalEvent::Ready);
            }
            Phase::Releasing => {
                self.phase = Phase::Released;
                self.voice.say(WalEvent::Released);
            }
            Phase::Open
            | Phase::Closed
            | Phase::Acquiring
            | Phase::Listing
            | Phase::Recovering
            | Phase::Recovered
            | Phase::Released => (),
        }
    }

    // ---- trimming ----

    /// A trim offset that is durable; all but the last acknowledged object that lie before it can go.
    fn delete_trimmed(&mut self, cx: &mut Cx<'_>, trimmed: u64) {
        let epoch = self.voice.owner().epoch;
        let mut keys = match self.phase {
            Phase::Open | Phase::Released => std::mem::take(&mut self.stale),
            _ => Vec::new(),
        };
        while self.flushed.len() > 1 && self.flushed[0].last < trimmed {
            let object = self.flushed.pop_front().expect("looked at");
            keys.push(self.names.object(epoch, object.start, object.end));
        }
        self.delete(cx, keys);
    }

    fn delete(&mut self, cx: &mut Cx<'_>, keys: Vec<Key>) {
        if keys.is_empty() {
            return;
        }
        if self.mutant != Some(WalMutant::NoSecondDelete) {
            let number = self.next_delete;
            self.next_delete += 1;
            self.second_deletes.push_back((number, keys.clone()));
            self.space.set_timer(cx, self.options.second_delete_after, SECOND_DELETES + number);
        }
        self.client.delete(cx, DELETE, keys);
    }

    fn delete_again(&mut self, cx: &mut Cx<'_>, number: u64) {
        let Some(at) = self.second_deletes.iter().position(|(other, _)| *other == number) else { return };
        let (_, keys) = self.second_deletes.remove(at).expect("found");
        self.client.delete(cx, DELETE, keys);
    }

    fn empty(&mut self, cx: &mut Cx<'_>, phase: Phase) {
        assert_eq!(self.phase, Phase::Recovered, "a log is emptied after its recovery");
        self.voice.reset(cx);
        self.phase = phase;
        self.trimmed = self.next;
        if self.mutant == Some(WalMutant::ResetTrimsPastEnd) {
            // Past the end as it is once the record below has its place.
            self.trimmed = self.next + ALIGN + 1;
        }
        self.write_trim(cx);
        self.close_bulk(cx);
    }
}

impl Wal for ObjectWal {
    fn open(&mut self, cx: &mut Cx<'_>, owner: WalOwner) {
        assert_eq!(self.phase, Phase::Closed, "a log is opened once a life");
        self.names = Names::of(&self.options.namespace, owner.broker, self.mutant);
        self.voice.opened_by(owner);
        self.phase = Phase::Acquiring;
        if self.mutant == Some(WalMutant::FailoverVerifiesNothing) && owner.mode == WalMode::Failover {
            self.acquired(cx);
        } else if self.mutant == Some(WalMutant::PlainPutReservation) {
            self.reserve(cx, Condition::None);
        } else {
            self.read_reservation(cx, RESERVATION);
        }
    }

    fn append(&mut self, cx: &mut Cx<'_>, record: WalRecord) -> Result<(), OverCapacity> {
        let bytes = logged_bytes(&record);
        let full = self.unflushed > 0 && self.unflushed + bytes > self.options.unflushed_bytes_max;
        if full || self.phase != Phase::Open || self.voice.is_over() {
            if full {
                cx.mark("wal: over capacity");
            }
            self.refused = true;
            return Err(OverCapacity(record));
        }
        if bytes > ALIGN {
            self.voice.failed(format!("a record of {bytes} bytes: at most 64 MiB fit an object"));
            return Ok(());
        }
        self.unflushed += bytes;
        // A bulk never holds more than an object can.
        if self.bulk.bytes + bytes > ALIGN / 2 {
            self.close_bulk(cx);
        }
        self.bulk.bytes += bytes;
        self.bulk.records.push(record);
        if self.bulk.bytes >= self.options.bulk_bytes_max {
            self.close_bulk(cx);
        } else {
            self.arm(cx);
        }
        Ok(())
    }

    fn trim(&mut self, cx: &mut Cx<'_>, upto: WalOffset) {
        if self.phase != Phase::Open || self.voice.is_over() || upto.0 < self.trimmed {
            return;
        }
        self.voice.trimmed(cx, upto);
        // Up to an object's end where its last record is trimmed: see the module.
        let at = self.flushed.partition_point(|object| object.last < upto.0);
        let whole = self.flushed.get(at).filter(|object| object.last == upto.0).map(|object| object.end);
        let whole = whole.filter(|_| self.mutant != Some(WalMutant::TrimNotRounded));
        self.trimmed = whole.unwrap_or(upto.0 + 1);
        self.write_trim(cx);
    }

    fn reset(&mut self, cx: &mut Cx<'_>) {
        if !self.voice.is_over() {
            self.empty(cx, Phase::Resetting);
        }
    }

    fn release(&mut self, cx: &mut Cx<'_>) {
        if !self.voice.is_over() {
            self.empty(cx, Phase::Releasing);
        }
    }

    /// The reservation object keeps nobody out whose epoch is later.
    fn give_up(&mut self, _cx: &mut Cx<'_>) {
        self.voice.say(WalEvent::Released);
    }

    fn input(&mut self, cx: &mut Cx<'_>, input: Input) {
        // The client goes on after the end: nobody hears of it, and nothing is acknowledged.
        if let Some(input) = self.client.input(cx, input)
            && let Some((_, local)) = token_of(&input).map(TokenSpace::split)
            && !self.voice.is_over()
        {
            match local {
                FLUSH => {
                    self.timer = None;
                    self.close_bulk(cx);
                }
                number => self.delete_again(cx, number - SECOND_DELETES),
            }
        }
        while let Some((id, answer)) = self.client.poll() {
            if !self.voice.is_over() {
                self.answered(cx, id, answer);
            }
        }
    }

    fn poll(&mut self) -> Option<WalEvent> {
        self.voice.poll()
    }

    fn waits(&self) -> Vec<Wait> {
        let Some(wait) = self.client.waits() else {
            let is_bulking = self.phase == Phase::Open && self.timer.is_some();
            return is_bulking.then(|| Wait::on("gathers records for an upload", On::Time)).into_iter().collect();
        };
        vec![Wait { what: format!("{}: it {}", self.phase.words(), wait.what), ..wait }]
    }

    fn unflushed_bytes(&self) -> u64 {
        self.unflushed
    }
}
