//! A client of an object store as S3Stream's `s3/operator/AbstractObjectStorage.java` and `AwsObjectStorage.java` have it.
//!
//! One request of a component, in order:
//! 1. It waits for one of `concurrency` places (AutoMQ: `max(50, min(25 * cores, 1000))`).
//! 2. The SDK tries it: up to `sdk_attempts` times (mode STANDARD: 3), with full jitter between.
//! 3. When the SDK gives up, the request goes back to the queue after `rand(1 s) + min(2^n s, 60 s)`, for ever.
//! 4. *Fast retry*: a plain PUT that takes longer than the 99th percentile of its like is sent again under the same key,
//!    at most [`FAST_RETRIES_MAX`] at a time; the first success counts. The other one may land much later.
//!
//! What ends a request is an answer that cannot change by asking again. An attempt that failed *ambiguously* may have been
//! applied, and may be yet. For a conditional PUT this means that a 412 after such an attempt can be one's own success:
//! the object is read, and when it holds what was to be written the PUT has succeeded.
//!
//! Simpler than reality: no multipart, no traffic regulator (503 is a delay like any other, not below the store's hint),
//! no merging of reads; the SDK's retry quota is not counted. Delays of the SDK (base 100 ms, cap 20 s) are from memory.

use super::token::{TokenSpace, token_of};
use crate::blob::Blob;
use crate::cloud::object_store::{
    BucketId, ByteRange, Condition, Continuation, ETag, Key, ListEntry, ListFrom, ObjectDone, ObjectError, ObjectOk,
    ObjectOp, PAGE_KEYS_MAX,
};
use crate::world::{Cx, ExpressId, Input, On, StoreId, Wait};
use std::collections::VecDeque;
use std::sync::Arc;
use wavetank_sim::{Nanos, SortedMap};

/// Most PUTs that are on their way a second time.
pub const FAST_RETRIES_MAX: usize = 5;
/// Latencies of PUTs that the percentile is taken of.
const SAMPLES: usize = 128;
/// Fewer say nothing.
const SAMPLES_MIN: usize = 32;
const SDK_BASE: Nanos = Nanos::millis(100);
const SDK_CAP: Nanos = Nanos::secs(20);
const APP_CAP: Nanos = Nanos::secs(60);
/// A client's own numbers: 8 bits of lane, 32 of request, 8 of attempt.
const LANE_BITS: u32 = 40;
const ATTEMPT_BITS: u32 = 8;
/// Attempt 0 is no attempt: timers carry it.
const RETRY_TIMER: u64 = 0;
/// And so is the last.
const FAST_RETRY_TIMER: u64 = (1 << ATTEMPT_BITS) - 1;

/// Where objects are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ObjectPlace {
    /// In a region's store.
    Regional(StoreId, BucketId),
    /// In an express store, in one zone.
    Express(ExpressId, BucketId),
}

/// How a client behaves.
#[derive(Clone, Debug)]
pub struct ObjectClientOptions {
    /// Requests on their way at once. Default 50.
    pub concurrency: usize,
    /// Keys asked for in a page of a listing. Default and most: 1,000.
    pub page_keys: u32,
    /// Pages of a listing that are read: all, but for a mutant.
    pub pages_max: u32,
    /// Attempts before the application's own, longer delays. Default 3.
    pub sdk_attempts: u32,
    /// Whether slow plain PUTs are sent twice. Default true.
    pub fast_retry: bool,
}

impl Default for ObjectClientOptions {
    fn default() -> ObjectClientOptions {
        let (concurrency, sdk_attempts) = (50, 3);
        ObjectClientOptions {
            concurrency,
            page_keys: PAGE_KEYS_MAX,
            pages_max: u32::MAX,
            sdk_attempts,
            fast_retry: true,
        }
    }
}

/// How a request ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ObjectAnswer {
    /// It is written.
    Put(ETag),
    /// The condition does not hold, and it is not one's own earlier attempt that is there.
    Refused,
    /// What is there.
    Content {
        /// The bytes of the range.
        body: Blob,
        /// Of the whole object.
        etag: ETag,
    },
    /// There is no such object.
    Missing,
    /// All keys, in the order of the store.
    Listed {
        /// Them.
        entries: Vec<ListEntry>,
        /// In how many pages they came: each is a snapshot of its own instant.
        pages: u32,
    },
    /// All are gone.
    Deleted,
    /// It can never succeed.
    Failed(ObjectError),
}

#[derive(Clone, Debug)]
enum What {
    Put { key: Key, body: Blob, condition: Condition, reading: bool },
    Get { key: Key, range: Option<ByteRange> },
    List { prefix: Key, next: Option<Continuation>, entries: Vec<ListEntry>, pages: u32 },
    Delete { keys: Vec<Key> },
}

#[derive(Clone, Debug)]
struct Request {
    id: u64,
    what: What,
    /// Sent, and not answered.
    flying: u32,
    /// Sent so far; numbers attempts.
    sent: u64,
    /// Attempts in this round of the SDK.
    tried: u32,
    /// Rounds that failed.
    rounds: u32,
    /// An earlier attempt may have been applied.
    ambiguous: bool,
    /// Holds one of the places.
    placed: bool,
    fast: bool,
    sent_at: Nanos,
}

/// See the [module](self).
pub struct ObjectClient {
    place: ObjectPlace,
    space: TokenSpace,
    lane: u8,
    options: ObjectClientOptions,
    requests: SortedMap<u64, Request>,
    next: u64,
    waiting: VecDeque<u64>,
    placed: usize,
    fast: usize,
    latencies: Vec<Nanos>,
    latency_at: usize,
    answers: VecDeque<(u64, ObjectAnswer)>,
}

impl ObjectClient {
    /// A client of a component with this token space; its numbers there have `lane` in their top 8 bits.
    pub fn new(place: ObjectPlace, space: TokenSpace, lane: u8, options: ObjectClientOptions) -> ObjectClient {
        ObjectClient {
            place,
            space,
            lane,
            options,
            requests: SortedMap::new(),
            next: 0,
            waiting: VecDeque::new(),
            placed: 0,
            fast: 0,
            latencies: Vec::new(),
            latency_at: 0,
            answers: VecDeque::new(),
        }
    }

    /// Writes an object; `id` names the request in the answer.
    pub fn put(&mut self, cx: &mut Cx<'_>, id: u64, key: Key, body: Blob, condition: Condition) {
        self.begin(cx, id, What::Put { key, body, condition, reading: false });
    }

    /// Reads an object, or a part.
    pub fn get(&mut self, cx: &mut Cx<'_>, id: u64, key: Key, range: Option<ByteRange>) {
        self.begin(cx, id, What::Get { key, range });
    }

    /// Lists all keys that begin so. In an express store the prefix must end in `/`.
    pub fn list(&mut self, cx: &mut Cx<'_>, id: u64, prefix: Key) {
        self.begin(cx, id, What::List { prefix, next: None, entries: Vec::new(), pages: 0 });
    }

    /// Deletes objects; it is no error when they are not there.
    pub fn delete(&mut self, cx: &mut Cx<'_>, id: u64, keys: Vec<Key>) {
        if keys.is_empty() {
            return self.answers.push_back((id, ObjectAnswer::Deleted));
        }
        self.begin(cx, id, What::Delete { keys });
    }

    /// The store, while a request is not answered.
    pub fn waits(&self) -> Option<Wait> {
        let on = match self.place {
            ObjectPlace::Regional(store, _) => On::Store(store),
            ObjectPlace::Express(store, _) => On::Express(store),
        };
        let count = self.requests.len();
        (count > 0).then(|| Wait::on(format!("has {count} unanswered requests"), on))
    }

    /// How requests ended, in that order.
    pub fn poll(&mut self) -> Option<(u64, ObjectAnswer)> {
        self.answers.pop_front()
    }

    /// Requests that have not ended.
    pub fn open(&self) -> usize {
        self.requests.len()
    }

    /// Takes what is this client's; gives back what is not.
    pub fn input(&mut self, cx: &mut Cx<'_>, input: Input) -> Option<Input> {
        let Some((space, local)) = token_of(&input).map(TokenSpace::split) else { return Some(input) };
        if space != self.space || local >> LANE_BITS != u64::from(self.lane) {
            return Some(input);
        }
        let number = local >> ATTEMPT_BITS & u64::from(u32::MAX);
        match input {
            Input::Object(done) | Input::Express(done) => self.answered(cx, number, *done),
            Input::Timer { .. } => match local & FAST_RETRY_TIMER {
                FAST_RETRY_TIMER => self.is_slow(cx, number),
                _ => self.enqueue(cx, number),
            },
            other => return Some(other),
        }
        None
    }

    fn begin(&mut self, cx: &mut Cx<'_>, id: u64, what: What) {
        let number = self.next;
        self.next = (self.next + 1) & u64::from(u32::MAX);
        let request = Request {
            id,
            what,
            flying: 0,
            sent: 0,
            tried: 0,
            rounds: 0,
            ambiguous: false,
            placed: false,
            fast: false,
            sent_at: Nanos::ZERO,
        };
        self.requests.insert(number, request);
        self.enqueue(cx, number);
    }

    fn token(&self, number: u64, attempt: u64) -> u64 {
        self.space.token(u64::from(self.lane) << LANE_BITS | number << ATTEMPT_BITS | attempt)
    }

    fn enqueue(&mut self, cx: &mut Cx<'_>, number: u64) {
        let Some(request) = self.requests.get(&number) else { return };
        if request.placed {
            return self.send(cx, number);
        }
        self.waiting.push_back(number);
        self.fill(cx);
    }

    fn fill(&mut self, cx: &mut Cx<'_>) {
        while self.placed < self.options.concurrency {
            let Some(number) = self.waiting.pop_front() else { return };
            let Some(request) = self.requests.get_mut(&number) else { continue };
            request.placed = true;
            self.placed += 1;
            self.send(cx, number);
        }
    }

    fn send(&mut self, cx: &mut Cx<'_>, number: u64) {
        let page_keys = self.options.page_keys;
        let Some(request) = self.requests.get_mut(&number) else { return };
        let op = request.what.op(page_keys);
        // Numbers of attempts stay clear of the timers'.
        let attempt = 1 + request.sent % (FAST_RETRY_TIMER - 1);
        request.sent += 1;
        request.flying += 1;
        // Of two copies the first one's time counts: the second's would make all PUTs look quick.
        if request.flying == 1 {
            request.sent_at = cx.monotonic();
        }
        let plain = matches!(request.what, What::Put { condition: Condition::None, .. });
        if plain
            && self.options.fast_retry
            && request.flying == 1
            && let Some(after) = self.slow_after()
        {
            cx.set_timer(after, self.token(number, FAST_RETRY_TIMER));
        }
        self.submit(cx, self.token(number, attempt), op);
    }

    fn submit(&self, cx: &mut Cx<'_>, token: u64, op: ObjectOp) {
        match self.place {
            ObjectPlace::Regional(store, bucket) => cx.object(store, bucket, token, op),
            ObjectPlace::Express(store, bucket) => cx.express(store, bucket, token, op),
        }
    }

    // ---- fast retry ----

    fn slow_after(&self) -> Option<Nanos> {
        if self.latencies.len() < SAMPLES_MIN {
            return None;
        }
        let mut sorted = self.latencies.clone();
        sorted.sort_unstable();
        // Later than that, not as late: where latencies are all equal none is slow.
        Some(sorted[(sorted.len() * 99).div_ceil(100) - 1] + Nanos(1))
    }

    fn took(&mut self, latency: Nanos) {
        if self.latencies.len() < SAMPLES {
            self.latencies.push(latency);
        } else {
            self.latencies[self.latency_at] = latency;
            self.latency_at = (self.latency_at + 1) % SAMPLES;
        }
    }

    fn is_slow(&mut self, cx: &mut Cx<'_>, number: u64) {
        let Some(request) = self.requests.get_mut(&number) else { return };
        if request.flying != 1 || request.fast || self.fast == FAST_RETRIES_MAX {
            return;
        }
        request.fast = true;
        self.fast += 1;
        cx.mark("object client: a slow PUT was sent again");
        self.send(cx, number);
    }

    // ---- answers ----

    fn answered(&mut self, cx: &mut Cx<'_>, number: u64, done: ObjectDone) {
        // The second copy of what has succeeded.
        let Some(request) = self.requests.get_mut(&number) else { return };
        request.flying -= 1;
        match done.result {
            Ok(ok) => self.succeeded(cx, number, ok),
            Err(error) => self.failed(cx, number, error),
        }
    }

    fn succeeded(&mut self, cx: &mut Cx<'_>, number: u64, ok: ObjectOk) {
        let request = self.requests.get_mut(&number).expect("looked up by the caller");
        let answer = match (&mut request.what, ok) {
            (What::Put { condition, .. }, ObjectOk::Written { etag }) => {
                let took = (*condition == Condition::None).then(|| cx.monotonic().saturating_sub(request.sent_at));
                if let Some(latency) = took {
                    self.took(latency);
                }
                ObjectAnswer::Put(etag)
            }
            (What::Put { body: mine, .. }, ObjectOk::Content { body, etag, .. }) => {
                if body == *mine {
                    cx.mark("object client: a refused PUT was one's own success");
                    ObjectAnswer::Put(etag)
                } else {
                    ObjectAnswer::Refused
                }
            }
            (What::Get { .. }, ObjectOk::Content { body, etag, .. }) => ObjectAnswer::Content { body, etag },
            (What::List { next, entries, pages, .. }, ObjectOk::Page(page)) => {
                entries.extend(page.entries);
                *pages += 1;
                *next = page.next.filter(|_| *pages < self.options.pages_max);
                if next.is_some() {
                    request.tried = 0;
                    return self.send(cx, number);
                }
                ObjectAnswer::Listed { entries: std::mem::take(entries), pages: *pages }
            }
            (What::Delete { keys }, ObjectOk::GoneExcept(left)) => {
                let chunk = keys.len().min(PAGE_KEYS_MAX as usize);
                let rest: Vec<Key> = left.iter().map(|at| keys[*at as usize].clone()).collect();
                keys.drain(..chunk);
                let throttled = !rest.is_empty();
                keys.extend(rest);
                if throttled {
                    return self.again(cx, number, Nanos::ZERO);
                }
                if !keys.is_empty() {
                    return self.send(cx, number);
                }
                ObjectAnswer::Deleted
            }
            (what, ok) => unreachable!("{what:?} was answered with {ok:?}"),
        };
        self.end(cx, number, answer);
    }

    fn failed(&mut self, cx: &mut Cx<'_>, number: u64, error: ObjectError) {
        let request = self.requests.get_mut(&number).expect("looked up by the caller");
        request.ambiguous |= error.is_ambiguous();
        match (error, &mut request.what) {
            (ObjectError::SlowDown { retry_after }, _) => self.again(cx, number, retry_after),
            (
                ObjectError::InternalError
                | ObjectError::RequestTimeout
                | ObjectError::TimedOut
                | ObjectError::ConnectionReset
                | ObjectError::ConditionalRequestConflict,
                _,
            ) => self.again(cx, number, Nanos::ZERO),
            (ObjectError::PreconditionFailed, What::Put { reading, .. }) if request.ambiguous => {
                *reading = true;
                self.send(cx, number);
            }
            // The object that was there when the condition failed is gone.
            (ObjectError::NoSuchKey, What::Put { reading, .. }) if *reading => {
                *reading = false;
                self.again(cx, number, Nanos::ZERO);
            }
            (ObjectError::PreconditionFailed, _) => self.end(cx, number, ObjectAnswer::Refused),
            (ObjectError::NoSuchKey, What::Put { .. }) => self.end(cx, number, ObjectAnswer::Refused),
            (ObjectError::NoSuchKey, _) => self.end(cx, number, ObjectAnswer::Missing),
            (
                ObjectError::NoSuchBucket
                | ObjectError::NoSuchUpload
                | ObjectError::InvalidRange
                | ObjectError::EntityTooSmall
                | ObjectError::EntityTooLarge
                | ObjectError::InvalidPart
                | ObjectError::InvalidPartOrder
                | ObjectError::InvalidArgument
                | ObjectError::MalformedXml
                | ObjectError::KeyTooLong
                | ObjectError::InvalidWriteOffset
                | ObjectError::TooManyParts
                | ObjectError::NotImplemented,
                _,
            ) => self.end(cx, number, ObjectAnswer::Failed(error)),
        }
    }

    /// Not sooner than after `least`: within the SDK's round, or in another one.
    fn again(&mut self, cx: &mut Cx<'_>, number: u64, least: Nanos) {
        let request = self.requests.get_mut(&number).expect("looked up by the caller");
        // Its other copy may succeed yet.
        if request.flying > 0 {
            return;
        }
        if request.fast {
            request.fast = false;
            self.fast -= 1;
        }
        request.tried += 1;
        let delay = if request.tried < self.options.sdk_attempts {
            let most = SDK_CAP.min(SDK_BASE * (1 << (request.tried - 1).min(8)));
            cx.random().nanos(Nanos::ZERO..most)
        } else {
            let backoff = APP_CAP.min(Nanos::secs(1 << request.rounds.min(6)));
            request.rounds += 1;
            request.tried = 0;
            request.placed = false;
            self.placed -= 1;
            self.fill(cx);
            cx.random().nanos(Nanos::ZERO..Nanos::secs(1)) + backoff
        };
        cx.set_timer(delay.max(least), self.token(number, RETRY_TIMER));
    }

    fn end(&mut self, cx: &mut Cx<'_>, number: u64, answer: ObjectAnswer) {
        let request = self.requests.remove(&number).expect("a request ends once");
        self.placed -= usize::from(request.placed);
        self.fast -= usize::from(request.fast);
        self.answers.push_back((request.id, answer));
        self.fill(cx);
    }
}

impl What {
    fn op(&self, page_keys: u32) -> ObjectOp {
        match self {
            What::Put { key, reading: true, .. } => ObjectOp::Get { key: key.clone(), range: None },
            What::Put { key, body, condition, reading: false } => {
                ObjectOp::Put { key: key.clone(), body: body.clone(), condition: *condition }
            }
            What::Get { key, range } => ObjectOp::Get { key: key.clone(), range: *range },
            What::List { prefix, next, .. } => ObjectOp::List {
                prefix: Arc::clone(prefix),
                from: next.clone().map_or(ListFrom::Start, ListFrom::Continue),
                max_keys: page_keys,
                delimiter: None,
            },
            What::Delete { keys } => {
                let chunk = keys.len().min(PAGE_KEYS_MAX as usize);
                ObjectOp::DeleteMany { keys: keys[..chunk].to_vec() }
            }
        }
    }
}
