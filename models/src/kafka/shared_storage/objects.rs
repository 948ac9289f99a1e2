//! Objects of the data bucket: put and got until it succeeds.
//!
//! A request that failed, or whose outcome is not known, is sent again: after a random second and 2^n seconds, 60 at most
//! (AutoMQ's `AbstractObjectStorage`); a throttled one not before the store's hint. Putting an object twice is harmless: its
//! key is its id's, and its content is always the same.

use crate::blob::Blob;
use crate::cloud::object_store::{BucketId, ByteRange, Condition, Key, ObjectDone, ObjectError, ObjectOk, ObjectOp};
use crate::kafka::token::TokenSpace;
use crate::world::{Cx, Input, StoreId};
use std::collections::{BTreeMap, VecDeque};
use wavetank_sim::Nanos;

const RETRY: u64 = 1 << 47;
const BACKOFF_MAX_SECS: u64 = 60;

/// Where a broker's objects are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bucket {
    /// In which store.
    pub store: StoreId,
    /// Which.
    pub bucket: BucketId,
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
}

/// See the [module](self).
pub struct Objects {
    space: TokenSpace,
    bucket: Bucket,
    next: u64,
    pending: BTreeMap<u64, Pending>,
    answers: VecDeque<(ObjectCall, ObjectAnswer)>,
}

impl Objects {
    /// Nothing asked yet.
    pub fn new(space: TokenSpace, bucket: Bucket) -> Objects {
        Objects { space, bucket, next: 0, pending: BTreeMap::new(), answers: VecDeque::new() }
    }

    /// Puts an object.
    pub fn put(&mut self, cx: &mut Cx<'_>, key: Key, body: Blob) -> ObjectCall {
        self.ask(cx, ObjectOp::Put { key, body, condition: Condition::None })
    }

    /// Gets part of an object.
    pub fn get(&mut self, cx: &mut Cx<'_>, key: Key, range: ByteRange) -> ObjectCall {
        self.ask(cx, ObjectOp::Get { key, range: Some(range) })
    }

    fn ask(&mut self, cx: &mut Cx<'_>, op: ObjectOp) -> ObjectCall {
        let call = self.next;
        self.next += 1;
        self.pending.insert(call, Pending { op, attempts: 0 });
        self.send(cx, call);
        ObjectCall(call)
    }

    fn send(&mut self, cx: &mut Cx<'_>, call: u64) {
        let Some(pending) = self.pending.get(&call) else { return };
        cx.object(self.bucket.store, self.bucket.bucket, self.space.token(call), pending.op.clone());
    }

    /// Takes an input that answers a request of these; gives back one that does not.
    pub fn input(&mut self, cx: &mut Cx<'_>, input: Input) -> Option<Input> {
        match input {
            Input::Object(done) if TokenSpace::split(done.token).0 == self.space => {
                self.done(cx, done);
                None
            }
            Input::Timer { token, .. } if TokenSpace::split(token).0 == self.space => {
                self.send(cx, TokenSpace::split(token).1 & !RETRY);
                None
            }
            other => Some(other),
        }
    }

    fn done(&mut self, cx: &mut Cx<'_>, done: ObjectDone) {
        let call = TokenSpace::split(done.token).1;
        let answer = match done.result {
            Ok(ObjectOk::Content { body, .. }) => ObjectAnswer::Got(body),
            Ok(_) => ObjectAnswer::Put,
            Err(ObjectError::NoSuchKey) => ObjectAnswer::Missing,
            Err(error) => return self.again(cx, call, error),
        };
        if self.pending.remove(&call).is_some() {
            self.answers.push_back((ObjectCall(call), answer));
        }
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
