//! Objects of the data bucket: put and got until it succeeds.
//!
//! A request waits for its turn at the [bandwidth limiter](super::network) first. One that failed, or whose outcome is not
//! known, is sent again: after a random second and 2^n seconds, 60 at most (AutoMQ's `AbstractObjectStorage`); a throttled
//! one not before the store's hint. Putting an object twice is harmless: its key is its id's, and its content is always the
//! same.
//!
//! What is larger than a part goes up in parts, all of them at once (`s3.object.part.size`). A completion that the store does
//! not know the upload of may be the echo of one that succeeded: then the object is there (`NoSuchUpload`, HEAD); otherwise
//! the upload begins anew. Parts of an upload that was given up are not removed here: a bucket's lifecycle does that.

use super::network::{Limiter, REFILL, TrafficClass};
use crate::blob::Blob;
use crate::cloud::object_store::{
    BucketId, ByteRange, Condition, ETag, Key, ObjectDone, ObjectError, ObjectOk, ObjectOp, UploadId,
};
use crate::kafka::token::TokenSpace;
use crate::world::{Cx, Input, On, StoreId, Wait};
use std::collections::VecDeque;
use wavetank_sim::{Nanos, SortedMap};

const RETRY: u64 = 1 << 47;
const TICK: u64 = 1 << 46;
const BACKOFF_MAX_SECS: u64 = 60;
/// Seconds of bandwidth that a bucket holds, for what comes in and for what goes out.
const INBOUND_SECS: u64 = 1;
const OUTBOUND_SECS: u64 = 5;

/// Where a broker's objects are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bucket {
    /// In which store.
    pub store: StoreId,
    /// Which.
    pub bucket: BucketId,
}

/// Sizes of requests and of what they share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transfer {
    /// `s3.object.part.size`, bytes: what is larger goes up in such parts.
    pub part_bytes: u64,
    /// `s3.network.baseline.bandwidth`, bytes a second, each way.
    pub bandwidth: u64,
}

impl Default for Transfer {
    fn default() -> Transfer {
        Transfer { part_bytes: 16 << 20, bandwidth: 1 << 30 }
    }
}

/// A request for an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ObjectCall(u64);

/// What became of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ObjectAnswer {
    /// It is in the store.
    Put,
    /// Its bytes.
    Got(Blob),
    /// There is no such object.
    Missing,
}

struct Pending {
    op: ObjectOp,
    attempts: u32,
    /// The multipart upload that it belongs to.
    of: Option<u64>,
}

struct Multipart {
    key: Key,
    body: Blob,
    class: TrafficClass,
    upload: Option<UploadId>,
    /// By part number less one.
    tags: Vec<Option<ETag>>,
}

/// See the [module](self).
pub struct Objects {
    space: TokenSpace,
    bucket: Bucket,
    transfer: Transfer,
    next: u64,
    pending: SortedMap<u64, Pending>,
    multiparts: SortedMap<u64, Multipart>,
    inbound: Limiter,
    outbound: Limiter,
    is_ticking: bool,
    answers: VecDeque<(ObjectCall, ObjectAnswer)>,
}

impl Objects {
    /// Nothing asked yet.
    pub fn new(space: TokenSpace, bucket: Bucket, transfer: Transfer) -> Objects {
        Objects {
            space,
            bucket,
            transfer,
            next: 0,
            pending: SortedMap::new(),
            multiparts: SortedMap::new(),
            inbound: Limiter::new(transfer.bandwidth, INBOUND_SECS),
            outbound: Limiter::new(transfer.bandwidth, OUTBOUND_SECS),
            is_ticking: false,
            answers: VecDeque::new(),
        }
    }

    /// The store, while a request is not answered.
    pub fn waits(&self) -> Option<Wait> {
        let count = self.pending.len();
        (count > 0)
            .then(|| Wait::on(format!("has {count} unanswered requests for objects"), On::Store(self.bucket.store)))
    }

    fn name(&mut self) -> u64 {
        self.next += 1;
        self.next - 1
    }

    /// Puts an object.
    pub fn put(&mut self, cx: &mut Cx<'_>, class: TrafficClass, key: Key, body: Blob) -> ObjectCall {
        let call = self.name();
        if body.len() <= self.transfer.part_bytes {
            self.ask(cx, class, call, None, ObjectOp::Put { key, body, condition: Condition::None });
        } else {
            let parts = body.len().div_ceil(self.transfer.part_bytes) as usize;
            let tags = vec![None; parts];
            self.multiparts.insert(call, Multipart { key, body, class, upload: None, tags });
            self.begin_multipart(cx, call);
        }
        ObjectCall(call)
    }

    /// Gets part of an object.
    pub fn get(&mut self, cx: &mut Cx<'_>, class: TrafficClass, key: Key, range: ByteRange) -> ObjectCall {
        let call = self.name();
        self.ask(cx, class, call, None, ObjectOp::Get { key, range: Some(range) });
        ObjectCall(call)
    }

    fn ask(&mut self, cx: &mut Cx<'_>, class: TrafficClass, call: u64, of: Option<u64>, op: ObjectOp) {
        let now = cx.monotonic();
        let may_go = match &op {
            ObjectOp::Get { range: Some(ByteRange::Span { first, last }), .. } => {
                self.inbound.ask(now, class, call, last - first + 1)
            }
            ObjectOp::Get { range: Some(ByteRange::Suffix(bytes)), .. } => self.inbound.ask(now, class, call, *bytes),
            op if op.upload_len() > 0 => self.outbound.ask(now, class, call, op.upload_len()),
            _ => true,
        };
        self.pending.insert(call, Pending { op, attempts: 0, of });
        if may_go {
            self.send(cx, call);
        } else {
            self.tick_later(cx);
        }
    }

    fn tick_later(&mut self, cx: &mut Cx<'_>) {
        let is_needed = self.inbound.is_waiting() || self.outbound.is_waiting();
        if is_needed && !self.is_ticking {
            self.is_ticking = true;
            self.space.set_timer(cx, REFILL, TICK);
        }
    }

    fn tick(&mut self, cx: &mut Cx<'_>) {
        self.is_ticking = false;
        let now = cx.monotonic();
        let free: Vec<u64> = self.inbound.refill(now).into_iter().chain(self.outbound.refill(now)).collect();
        for call in free {
            self.send(cx, call);
        }
        self.tick_later(cx);
    }

    fn send(&mut self, cx: &mut Cx<'_>, call: u64) {
        let Some(pending) = self.pending.get(&call) else { return };
        cx.object(self.bucket.store, self.bucket.bucket, self.space.token(call), pending.op.clone());
    }

    /// Takes an input that answers a request of these; gives back one that does not.
    pub fn input(&mut self, cx: &mut Cx<'_>, input: Input) -> Option<Input> {
        match input {
            Input::Object(done) if TokenSpace::split(done.token).0 == self.space => {
                self.done(cx, *done);
                None
            }
            Input::Timer { token, .. } if TokenSpace::split(token).0 == self.space => {
                match TokenSpace::split(token).1 {
                    TICK => self.tick(cx),
                    retry => self.send(cx, retry & !RETRY),
                }
                None
            }
            other => Some(other),
        }
    }

    fn done(&mut self, cx: &mut Cx<'_>, done: ObjectDone) {
        let call = TokenSpace::split(done.token).1;
        let of = self.pending.get(&call).and_then(|pending| pending.of);
        match (of, done.result) {
            (Some(whole), Ok(ok)) => self.multipart_goes_on(cx, whole, call, ok),
            (Some(whole), Err(ObjectError::NoSuchUpload | ObjectError::NoSuchKey | ObjectError::InvalidPart)) => {
                self.multipart_lost(cx, whole, call);
            }
            (None, Ok(ObjectOk::Content { body, .. })) => self.answer(call, ObjectAnswer::Got(body)),
            (None, Ok(_)) => self.answer(call, ObjectAnswer::Put),
            (None, Err(ObjectError::NoSuchKey)) => self.answer(call, ObjectAnswer::Missing),
            (_, Err(error)) => self.again(cx, call, error),
        }
    }

    fn answer(&mut self, call: u64, answer: ObjectAnswer) {
        if self.pending.remove(&call).is_some() {
            self.answers.push_back((ObjectCall(call), answer));
        }
    }

    fn begin_multipart(&mut self, cx: &mut Cx<'_>, whole: u64) {
        let Some(multipart) = self.multiparts.get_mut(&whole) else { return };
        multipart.upload = None;
        multipart.tags.fill(None);
        let (class, key) = (multipart.class, multipart.key.clone());
        let call = self.name();
        self.ask(cx, class, call, Some(whole), ObjectOp::CreateMultipart { key });
    }

    fn multipart_goes_on(&mut self, cx: &mut Cx<'_>, whole: u64, call: u64, ok: ObjectOk) {
        let pending = self.pending.remove(&call).expect("it was looked at");
        let Some(multipart) = self.multiparts.get_mut(&whole) else { return };
        match (pending.op, ok) {
            (ObjectOp::CreateMultipart { .. }, ObjectOk::Upload(upload)) => {
                multipart.upload = Some(upload);
                self.send_parts(cx, whole, upload);
            }
            (ObjectOp::UploadPart { upload, part_number, .. }, ObjectOk::Written { etag }) => {
                if multipart.upload != Some(upload) {
                    return;
                }
                multipart.tags[usize::from(part_number) - 1] = Some(etag);
                let Some(tags) = multipart.tags.iter().copied().collect::<Option<Vec<ETag>>>() else { return };
                let (parts, condition) = ((1..).zip(tags).collect(), Condition::None);
                let class = multipart.class;
                let call = self.name();
                self.ask(cx, class, call, Some(whole), ObjectOp::CompleteMultipart { upload, parts, condition });
            }
            // Completed; or it is there, so an earlier completion did it.
            (_, _) => {
                self.multiparts.remove(&whole);
                self.answers.push_back((ObjectCall(whole), ObjectAnswer::Put));
            }
        }
    }

    fn send_parts(&mut self, cx: &mut Cx<'_>, whole: u64, upload: UploadId) {
        let Some(multipart) = self.multiparts.get(&whole) else { return };
        let (body, class, part_bytes) = (multipart.body.clone(), multipart.class, self.transfer.part_bytes);
        for n in 0..multipart.tags.len() as u64 {
            let part = body.slice(n * part_bytes..((n + 1) * part_bytes).min(body.len()));
            let part_number = u16::try_from(n + 1).expect("an object has at most 10,000 parts");
            let call = self.name();
            self.ask(cx, class, call, Some(whole), ObjectOp::UploadPart { upload, part_number, body: part });
        }
    }

    /// The store does not know an upload any more.
    fn multipart_lost(&mut self, cx: &mut Cx<'_>, whole: u64, call: u64) {
        let pending = self.pending.remove(&call).expect("it was looked at");
        let Some(multipart) = self.multiparts.get(&whole) else { return };
        if matches!(pending.op, ObjectOp::CompleteMultipart { .. }) {
            let (class, key) = (multipart.class, multipart.key.clone());
            let call = self.name();
            return self.ask(cx, class, call, Some(whole), ObjectOp::Head { key });
        }
        cx.mark("storage: a multipart upload began anew");
        self.begin_multipart(cx, whole);
    }

    fn again(&mut self, cx: &mut Cx<'_>, call: u64, error: ObjectError) {
        let Some(pending) = self.pending.get_mut(&call) else { return };
        pending.attempts += 1;
        let hint = match error {
            ObjectError::SlowDown { retry_after } => retry_after,
            _ => Nanos::ZERO,
        };
        // The SDK's own attempts come first: three, a tenth of a second apart at most (STANDARD retry mode).
        let pause = if pending.attempts < 3 {
            cx.random().nanos(Nanos::ZERO..Nanos::millis(100))
        } else {
            let secs = 1u64.checked_shl(pending.attempts - 3).map_or(BACKOFF_MAX_SECS, |s| s.min(BACKOFF_MAX_SECS));
            cx.random().nanos(Nanos::ZERO..Nanos::secs(1)) + Nanos::secs(secs)
        };
        self.space.set_timer(cx, Nanos(pause.0.max(hint.0)), RETRY | call);
    }

    /// What became of requests, in order.
    pub fn poll(&mut self) -> Option<(ObjectCall, ObjectAnswer)> {
        self.answers.pop_front()
    }
}
