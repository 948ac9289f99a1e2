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

mod appending;
mod layout;
mod opening;
mod recovery;
mod trimming;

pub use self::layout::{ALIGN, OBJECT_HEADER_BYTES};
use self::layout::{LogObject, Names, Reservation};
use super::mutant::WalMutant;
use super::record::logged_bytes;
use super::voice::Voice;
use super::{OverCapacity, Wal, WalEvent, WalMode, WalOffset, WalOwner, WalRecord};
use crate::blob::Blob;
use crate::cloud::object_store::{Condition, Key};
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
