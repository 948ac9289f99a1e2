//! The object store: S3 Standard as one regional service that hosts buckets.
//!
//! # Contract of faults
//!
//! What it may do:
//! * answer any request with 503 or 500, break the connection, or not answer at all, *whether or not* the operation took
//!   effect ([`fate`]: the full lattice);
//! * let a request take effect after its caller was told that it failed, has died or has been replaced, and let it take
//!   effect a second time: over a newer PUT, after a DELETE, after a re-creation; within [`LATE_BOUND`] of the request or
//!   never;
//! * be slow, fail a share of requests, or be out of reach, for one AZ, one prefix or the whole region ([`faults`]);
//! * refuse what is beyond a prefix's request rate ([`limits`]): 503, at once, without effect.
//!
//! What it never does:
//! * answer success before the effect, or without it; lose or change what it has answered for; lose anything when an
//!   AZ or the service fails (eleven nines over at least three AZs);
//! * show a stale read or list: every operation takes effect at one instant between request and answer ("strong
//!   read-after-write consistency" for GET, PUT, LIST, HEAD, DELETE; AWS, 2020-12). A page of a listing is a snapshot
//!   at its own instant; a listing of several pages is not;
//! * apply half a request: a body is all there or not at all (`DeleteMany` too is one instant here);
//! * let two concurrent writes with the same condition both win.
//!
//! # A request, step by step
//!
//! 1. *Sent* ([`ObjectStore::submit`]): counted against its prefix's rate; the time it will take is drawn.
//! 2. *Its body arrives*: size x pace of one connection ([`profile`]; rows S3-A-*, S3-LIM-conn), or later where the driver
//!    passes it over a card that it shares ([`ObjectStore::upload_takes`], [`ObjectStore::submit_uploaded`]).
//! 3. *Effect*: at an instant drawn evenly from the latency's part after the request's arrival. A PUT's lies after the
//!    end of its body. Conditions are evaluated here: of concurrent conditional PUTs the first to take effect wins and
//!    the others get 412; a DELETE of the key that took effect since the request was sent makes it 409 (If-None-Match,
//!    or If-Match that holds again) or 404 (If-Match and nothing there) (AWS S3 User Guide, "Conditional writes",
//!    2024-08 and 2024-11).
//! 4. *Answer*: at the end of the latency. A GET's body takes a while from then on ([`ObjectDone::body_takes`]), on its
//!    connection alone: the driver lets it pass before it hands the answer on.
//! 5. Perhaps *a duplicate*, by its fate.
//!
//! # Simpler than reality
//!
//! * No versioning, no object lock, no conditional deletes, no checksums, no lifecycle, no cross-region anything.
//! * A request that would take effect later than [`LATE_BOUND`] after it was sent is dropped and answered 400
//!   RequestTimeout. So a single PUT of more than about 2.5 GB does not get through (use multipart), and the real
//!   service's rarer, longer delays are not shown: a protocol that waits 30 s before it trusts a listing passes here.
//! * `DeleteMany` is one instant; S3 deletes key by key, so a reader can see it half done. A key of it that is over its
//!   rate is reported for itself.
//! * MD5 is a CRC-32C with the length ([`ETag`]).
//! * CompleteMultipartUpload is one latency; S3 may send its 200 first and an error in the body. A repeated completion
//!   gets NoSuchUpload where S3 sometimes remembers the first.
//! * A 409 comes whenever a delete raced; S3 only says that it may. An outage, too, is all or nothing per AZ.
//! * The connection's pace does not depend on other requests: the host's network is the driver's business. So is an
//!   answer's body that breaks off ([`ObjectStore::answers`]).

mod accounting;
mod api;
mod bucket;
mod engine;
pub mod fate;
pub mod faults;
pub mod limits;
mod listing;
mod multipart;
pub mod profile;

#[cfg(test)]
pub(crate) mod harness;
#[cfg(test)]
mod model_tests;
#[cfg(test)]
mod tests;

pub use accounting::{Accounting, Witnessed};
pub use api::{
    BODY_LEN_MAX, BucketId, ByteRange, Caller, Condition, Continuation, ETag, KEY_LEN_MAX, Key, ListEntry, ListFrom,
    ListPage, ObjectDone, ObjectError, ObjectOk, ObjectOp, OpClass, PAGE_KEYS_MAX, PART_LEN_MIN, PARTS_MAX, UploadId,
};
pub use engine::{ObjectOutput, ObjectStep, RequestId};
pub use fate::{
    AnswerKind, FateError, FateTimes, LATE_BOUND, LATTICE_POINTS, LatticePoint, ObjectFate, ObjectRates, Outcome,
};
pub use faults::ObjectStoreFault;
pub use limits::PrefixLimits;
pub use profile::{ObjectLatencies, ObjectStoreProfile};

pub(crate) use bucket::{Bucket, Flavour};
pub(crate) use engine::{Admission, Engine};
pub(crate) use faults::{Strain, Weather, az_bit};
pub(crate) use listing::ListOrder;

use crate::fault::FaultId;
use limits::{Partitions, RateClass};
use wavetank_sim::{Choices, Domain, Incarnation, Nanos, SortedMap, Stream};

const PPM: u64 = 1_000_000;

/// A regional object store. See the module's contract.
pub struct ObjectStore {
    profile: ObjectStoreProfile,
    engine: Engine,
    /// Per bucket.
    partitions: Vec<Partitions>,
    faults: SortedMap<FaultId, ObjectStoreFault>,
    latency: Stream,
    brownout: Stream,
}

impl ObjectStore {
    /// The `entity`-th store of a world, without buckets.
    pub fn new(profile: ObjectStoreProfile, choices: &Choices, entity: u64) -> ObjectStore {
        ObjectStore {
            engine: Engine::new(profile.latencies.retry_after),
            profile,
            partitions: Vec::new(),
            faults: SortedMap::new(),
            latency: choices.stream(Domain::new("object_store/latency"), entity),
            brownout: choices.stream(Domain::new("object_store/brownout"), entity),
        }
    }

    /// Makes an empty bucket.
    pub fn create_bucket(&mut self, now: Nanos) -> BucketId {
        let id = BucketId(self.engine.buckets.len() as u32);
        self.engine.buckets.push(Bucket::new(Flavour::General, ListOrder::Sorted, now));
        self.partitions.push(Partitions::default());
        assert_eq!(self.engine.buckets.len(), self.partitions.len());
        id
    }

    /// Sends a request. Its one [`ObjectDone`] comes out of a later [`step`](ObjectStore::step).
    ///
    /// # Panics
    /// When the fate's duplicate is beyond [`LATE_BOUND`] (see [`ObjectFate::validate`]) or the AZ is not below 64.
    pub fn submit(
        &mut self,
        now: Nanos,
        caller: Caller,
        bucket: BucketId,
        op: ObjectOp,
        fate: ObjectFate,
        out: &mut Vec<ObjectOutput>,
    ) {
        let upload = self.upload_takes(caller.from_az, bucket, &op);
        self.accept((now, now), upload, caller, bucket, op, fate, out);
    }

    /// Draws how long the body of a request takes on its way to the store, on its connection alone. For a driver that
    /// passes bodies over the caller's card and then calls [`submit_uploaded`](Self::submit_uploaded).
    pub fn upload_takes(&mut self, from_az: u8, bucket: BucketId, op: &ObjectOp) -> Nanos {
        let strain = self.strain(from_az, bucket, op);
        self.profile.latencies.draw_upload(op.upload_len(), strain.latency_percent, &mut self.latency)
    }

    /// As [`submit`](Self::submit), of a request that was sent at `sent` and whose body is there now. Whether it is
    /// admitted is decided now; its late bound and its client's time-outs count from when it was sent.
    ///
    /// # Panics
    /// As `submit`; and when it was sent later than now.
    #[expect(clippy::too_many_arguments, reason = "a submit, and when it was sent")]
    pub fn submit_uploaded(
        &mut self,
        now: Nanos,
        sent: Nanos,
        caller: Caller,
        bucket: BucketId,
        op: ObjectOp,
        fate: ObjectFate,
        out: &mut Vec<ObjectOutput>,
    ) {
        self.accept((now, sent), now - sent, caller, bucket, op, fate, out);
    }

    #[expect(clippy::too_many_arguments, reason = "a submit, when it was sent, and what its body takes")]
    fn accept(
        &mut self,
        (now, sent): (Nanos, Nanos),
        upload: Nanos,
        caller: Caller,
        bucket: BucketId,
        op: ObjectOp,
        mut fate: ObjectFate,
        out: &mut Vec<ObjectOutput>,
    ) {
        let strain = self.strain(caller.from_az, bucket, &op);
        let timing = self.profile.latencies.draw(op.class(), upload, strain.latency_percent, &mut self.latency);
        let admission = self.admit(now, caller, bucket, &op, strain, &mut fate);
        self.engine.accept((now, sent), (caller, bucket, op), fate, admission, timing, out);
    }

    /// Whether callers of that AZ get answers now: a body on its way back breaks off where they do not.
    pub fn answers(&self, az: u8) -> bool {
        !self.engine.weather.is_cut(az)
    }

    fn strain(&self, from_az: u8, bucket: BucketId, op: &ObjectOp) -> Strain {
        if self.faults.is_empty() {
            return Strain::NONE;
        }
        faults::strain(&self.faults, from_az, bucket, self.engine.key_of(bucket, op))
    }

    fn admit(
        &mut self,
        now: Nanos,
        caller: Caller,
        bucket: BucketId,
        op: &ObjectOp,
        strain: Strain,
        fate: &mut ObjectFate,
    ) -> Admission {
        if self.engine.weather.is_cut(caller.from_az) {
            return Admission::Unreachable;
        }
        let quickly = |stream: &mut Stream, profile: &ObjectStoreProfile| profile.latencies.slow_down.sample(stream);
        if bucket.0 as usize >= self.engine.buckets.len() {
            return Admission::Refused(ObjectError::NoSuchBucket, quickly(&mut self.latency, &self.profile));
        }
        let slow_down = ObjectError::SlowDown { retry_after: self.profile.latencies.retry_after };
        if strain.error_ppm > 0 || strain.slow_down_ppm > 0 {
            match brownout_error(&mut self.brownout, strain) {
                BrownoutError::None => {}
                BrownoutError::Unavailable => {
                    self.engine.witnessed.brownout_errors += 1;
                    return Admission::Refused(slow_down, quickly(&mut self.latency, &self.profile));
                }
                BrownoutError::Internal { applied } => {
                    self.engine.witnessed.brownout_errors += 1;
                    if fate.outcome == Outcome::Ok {
                        fate.outcome = Outcome::InternalError { applied };
                    }
                }
            }
        }
        match self.within_rates(now, bucket, op) {
            Ok(skip) => Admission::Admitted { skip },
            Err(()) => {
                self.engine.witnessed.throttled += 1;
                Admission::Refused(slow_down, quickly(&mut self.latency, &self.profile))
            }
        }
    }

    /// Counts the request against its prefix's rate: which keys of a `DeleteMany` are over it, or `Err`: all of it is.
    fn within_rates(&mut self, now: Nanos, bucket: BucketId, op: &ObjectOp) -> Result<Vec<u32>, ()> {
        let class = match op.class() {
            OpClass::Put | OpClass::Complete | OpClass::Delete => RateClass::Put,
            OpClass::Get | OpClass::Head | OpClass::List => RateClass::Get,
        };
        let (partitions, limits) = (&mut self.partitions[bucket.0 as usize], &self.profile.limits);
        if let ObjectOp::DeleteMany { keys } = op {
            // "Counts as N deletes" (AWS, DeleteObjects).
            let over = (0u32..).zip(keys).filter(|(_, key)| !partitions.admit(now, limits, key, class));
            return Ok(over.map(|(i, _)| i).collect());
        }
        let key = self.engine.key_of(bucket, op);
        if partitions.admit(now, limits, key, class) { Ok(Vec::new()) } else { Err(()) }
    }

    /// Does what it asked to be woken for.
    pub fn step(&mut self, now: Nanos, step: ObjectStep, out: &mut Vec<ObjectOutput>) {
        self.engine.step(now, step, out);
    }

    /// A process life has ended: it gets no more answers. What it has sent still takes effect, now or late.
    pub fn owner_died(&mut self, owner: Incarnation) {
        self.engine.owner_died(owner);
    }

    /// Begins a fault. Requests under way: see [`ObjectStoreFault`].
    ///
    /// # Panics
    /// When the id is in use.
    pub fn inject(&mut self, _now: Nanos, id: FaultId, fault: ObjectStoreFault, _out: &mut Vec<ObjectOutput>) {
        let old = self.faults.insert(id, fault);
        assert!(old.is_none(), "{id} is already injected");
        self.engine.weather = faults::weather(&self.faults);
    }

    /// Ends a fault; one that does not hold is ignored. A request that hangs goes on hanging.
    pub fn heal(&mut self, _now: Nanos, id: FaultId, _out: &mut Vec<ObjectOutput>) {
        self.faults.remove(&id);
        self.engine.weather = faults::weather(&self.faults);
        assert!(!self.faults.is_empty() || self.engine.weather == Weather::default(), "weather without a fault");
    }

    /// What a bucket has cost up to `now`; `None`: no such bucket.
    pub fn accounting(&mut self, now: Nanos, bucket: BucketId) -> Option<Accounting> {
        self.engine.accounting(now, bucket)
    }

    /// How many buckets there are, numbered from 0.
    pub fn bucket_count(&self) -> u32 {
        self.engine.buckets.len() as u32
    }

    /// How many multipart uploads of a bucket are neither completed nor aborted: their parts are paid for.
    pub fn open_uploads(&self, bucket: BucketId) -> usize {
        self.engine.open_uploads(bucket)
    }

    /// What was seen to happen.
    pub fn witnessed(&self) -> &Witnessed {
        &self.engine.witnessed
    }

    /// Requests not over yet: unanswered, or with an effect still to come.
    pub fn in_flight(&self) -> usize {
        self.engine.in_flight()
    }

    /// The truth, for invariant checkers: what is under a key at this instant, without a request.
    pub fn peek(&self, bucket: BucketId, key: &str) -> Option<&crate::blob::Blob> {
        self.engine.peek(bucket, key)
    }

    /// The truth, for invariant checkers: all keys of a bucket at this instant, sorted.
    pub fn peek_keys(&self, bucket: BucketId) -> impl Iterator<Item = &Key> {
        self.engine.peek_keys(bucket)
    }
}

/// What a brownout makes of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BrownoutError {
    /// Nothing.
    None,
    /// 503, without effect.
    Unavailable,
    /// 500.
    Internal {
        /// Whether it takes effect.
        applied: bool,
    },
}

/// Draws it: the same number of words whatever the ratios.
pub(crate) fn brownout_error(stream: &mut Stream, strain: Strain) -> BrownoutError {
    let (throttled, failed) = (stream.range(0..PPM), stream.range(0..PPM));
    let kind = stream.range(0..4);
    if throttled < u64::from(strain.slow_down_ppm) {
        return BrownoutError::Unavailable;
    }
    if failed >= u64::from(strain.error_ppm) {
        return BrownoutError::None;
    }
    if kind < 2 { BrownoutError::Unavailable } else { BrownoutError::Internal { applied: kind == 2 } }
}
