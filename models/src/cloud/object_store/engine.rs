//! A request's life, the same for every class of store: sent, takes effect at one instant, answered, perhaps landing
//! once more. The stores decide beforehand how long things take and what is refused.

use super::accounting::{Accounting, Witnessed};
use super::api::{BucketId, Caller, Condition, Key, ObjectDone, ObjectError, ObjectOk, ObjectOp};
use super::bucket::{Bucket, Instant};
use super::fate::{AnswerKind, LATE_BOUND, LatticePoint, ObjectFate, Outcome};
use super::faults::Weather;
use crate::blob::Blob;
use crate::cloud::Output;
use slotmap::{Key as _, SlotMap, new_key_type};
use smallvec::SmallVec;
use wavetank_sim::{Incarnation, Nanos};

new_key_type! {
    /// A request in a store's slab. Opaque.
    pub struct RequestId;
}

/// What a store asks to be woken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ObjectStep {
    /// A request takes effect.
    Effect(RequestId),
    /// A request is answered.
    Answer(RequestId),
    /// A request lands (again).
    Duplicate(RequestId),
}

impl ObjectStep {
    /// A word that tells steps apart, for the digest.
    pub fn fingerprint(self) -> u64 {
        let (stage, request) = match self {
            ObjectStep::Effect(request) => (1, request),
            ObjectStep::Answer(request) => (2, request),
            ObjectStep::Duplicate(request) => (3, request),
        };
        request.data().as_ffi() ^ stage << 62
    }
}

/// What a store's methods answer with.
pub type ObjectOutput = Output<ObjectStep, ObjectDone>;

/// A request's times, all after it was sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timing {
    /// From request to effect.
    pub effect: Nanos,
    /// From request to answer (the first byte of a body that is sent back).
    pub answer: Nanos,
    /// How long a mebibyte sent back takes.
    pub mib_out: Nanos,
    /// How long a client waits that gets no answer at all.
    pub attempt_timeout: Nanos,
}

/// What a store decides about a request before it is on its way.
#[derive(Debug)]
pub(crate) enum Admission {
    /// It may take its course.
    Admitted {
        /// Keys of a `DeleteMany` that are over their rate.
        skip: Vec<u32>,
    },
    /// The service answers so, after so long, and does nothing.
    Refused(ObjectError, Nanos),
    /// It gets nowhere.
    Unreachable,
}

struct Request {
    caller: Caller,
    bucket: BucketId,
    /// Taken by its last effect.
    op: Option<ObjectOp>,
    skip: Vec<u32>,
    outcome: Outcome,
    refusal: Option<ObjectError>,
    submitted: Nanos,
    timing: Timing,
    /// The true answer, once there is one.
    result: Option<Result<ObjectOk, ObjectError>>,
    /// How long its body takes on its way back.
    body_takes: Nanos,
    /// The number of its own effect.
    version: Option<u64>,
    raced_by_delete: bool,
    silenced: bool,
    answered: bool,
    duplicated: bool,
    to_be_duplicated: bool,
    /// Wake-ups under way.
    pending: u8,
}

const MIB: u64 = 1 << 20;

pub(crate) struct Engine {
    pub buckets: Vec<Bucket>,
    pub weather: Weather,
    pub witnessed: Witnessed,
    retry_after: Nanos,
    requests: SlotMap<RequestId, Request>,
    /// Conditional writes between request and effect: a delete marks them.
    conditional: Vec<RequestId>,
    sequence: u64,
}

impl Engine {
    pub fn new(retry_after: Nanos) -> Engine {
        Engine {
            buckets: Vec::new(),
            weather: Weather::default(),
            witnessed: Witnessed::default(),
            retry_after,
            requests: SlotMap::with_key(),
            conditional: Vec::new(),
            sequence: 0,
        }
    }

    pub fn in_flight(&self) -> usize {
        self.requests.len()
    }

    pub fn accounting(&mut self, now: Nanos, bucket: BucketId) -> Option<Accounting> {
        let bucket = self.buckets.get_mut(bucket.0 as usize)?;
        bucket.accounting.advance(now);
        Some(bucket.accounting)
    }

    pub fn open_uploads(&self, bucket: BucketId) -> usize {
        self.bucket(bucket).map_or(0, |bucket| bucket.uploads.len())
    }

    pub fn peek(&self, bucket: BucketId, key: &str) -> Option<&Blob> {
        self.bucket(bucket)?.objects.get(key).map(|object| &object.body)
    }

    pub fn peek_keys(&self, bucket: BucketId) -> impl Iterator<Item = &Key> {
        self.bucket(bucket).into_iter().flat_map(|bucket| bucket.objects.keys())
    }

    fn bucket(&self, id: BucketId) -> Option<&Bucket> {
        self.buckets.get(id.0 as usize)
    }

    /// The object's key that an operation is about, for limits and faults; of a listing its prefix, of an unknown
    /// upload nothing.
    pub fn key_of<'a>(&'a self, bucket: BucketId, op: &'a ObjectOp) -> &'a str {
        match op {
            ObjectOp::Put { key, .. }
            | ObjectOp::Append { key, .. }
            | ObjectOp::Get { key, .. }
            | ObjectOp::Head { key }
            | ObjectOp::Delete { key }
            | ObjectOp::Copy { key, .. }
            | ObjectOp::CreateMultipart { key } => key,
            ObjectOp::DeleteMany { keys } => keys.first().map_or("", |key| key),
            ObjectOp::List { prefix, .. } => prefix,
            ObjectOp::UploadPart { upload, .. }
            | ObjectOp::UploadPartCopy { upload, .. }
            | ObjectOp::CompleteMultipart { upload, .. }
            | ObjectOp::AbortMultipart { upload } => self
                .buckets
                .get(bucket.0 as usize)
                .and_then(|bucket| bucket.uploads.get(*upload))
                .map_or("", |upload| &upload.key),
        }
    }

    /// Sends a request on its way; it was sent at `sent`, which its timing counts from.
    pub fn accept(
        &mut self,
        (now, sent): (Nanos, Nanos),
        (caller, bucket, op): (Caller, BucketId, ObjectOp),
        fate: ObjectFate,
        admission: Admission,
        timing: Timing,
        out: &mut Vec<ObjectOutput>,
    ) {
        assert!(fate.duplicate.is_none_or(|after| after <= LATE_BOUND), "{fate:?} lands beyond the bound");
        assert!(timing.effect <= timing.answer, "answered before its effect: {timing:?}");
        assert!(sent <= now && now - sent <= timing.effect, "took effect before it was there: {timing:?}");
        let admission = match admission {
            Admission::Admitted { .. } if timing.effect >= LATE_BOUND => {
                self.witnessed.dropped_beyond_bound += 1;
                Admission::Refused(ObjectError::RequestTimeout, (sent + LATE_BOUND).saturating_sub(now))
            }
            Admission::Admitted { .. } | Admission::Refused(..) | Admission::Unreachable => admission,
        };
        let course = match admission {
            Admission::Admitted { skip } => Course {
                outcome: fate.outcome,
                duplicate: fate.duplicate,
                refusal: None,
                answer_at: sent + timing.answer,
                skip,
            },
            Admission::Refused(error, after) => Course::refused(fate.outcome, error, now + after),
            Admission::Unreachable => {
                self.witnessed.hung += 1;
                Course::unreachable(fate.outcome, timing.attempt_timeout, sent)
            }
        };
        let Course { outcome, duplicate, refusal, answer_at, skip } = course;
        let is_conditional = op.condition() != Condition::None;
        let takes_effect = refusal.is_none() && applied(outcome);
        let id = self.requests.insert(Request {
            caller,
            bucket,
            op: Some(op),
            skip,
            outcome,
            refusal,
            submitted: sent,
            timing,
            result: None,
            body_takes: Nanos::ZERO,
            version: None,
            raced_by_delete: false,
            silenced: false,
            answered: false,
            duplicated: false,
            to_be_duplicated: duplicate.is_some(),
            pending: 0,
        });
        if takes_effect {
            if is_conditional {
                self.conditional.push(id);
            }
            self.wake(id, sent + timing.effect, ObjectStep::Effect(id), out);
        }
        // A true answer is asked for by the effect, so that it never comes first, whatever the driver's tie-break.
        match outcome {
            Outcome::Ok | Outcome::AnsweredLate { .. } if takes_effect => {}
            Outcome::TimedOut { timeout, .. } => self.wake(id, (sent + timeout).max(now), ObjectStep::Answer(id), out),
            Outcome::Ok
            | Outcome::AnsweredLate { .. }
            | Outcome::SlowDown { .. }
            | Outcome::InternalError { .. }
            | Outcome::Reset { .. } => self.wake(id, answer_at.max(now), ObjectStep::Answer(id), out),
        }
        if let Some(after) = duplicate {
            // Not before the whole request can have arrived, and never at the instant of its own effect.
            let at = sent + after.max(timing.effect.saturating_add(Nanos(1))).min(LATE_BOUND);
            self.wake(id, at, ObjectStep::Duplicate(id), out);
        }
    }

    fn wake(&mut self, id: RequestId, at: Nanos, step: ObjectStep, out: &mut Vec<ObjectOutput>) {
        self.requests[id].pending += 1;
        out.push(Output::Wake { at, step });
    }

    /// Does what was asked to be woken for.
    pub fn step(&mut self, now: Nanos, step: ObjectStep, out: &mut Vec<ObjectOutput>) {
        let (ObjectStep::Effect(id) | ObjectStep::Answer(id) | ObjectStep::Duplicate(id)) = step;
        let Some(request) = self.requests.get_mut(id) else { return };
        assert!(request.pending > 0, "woken once too often");
        request.pending -= 1;
        match step {
            ObjectStep::Effect(_) => self.effect(now, id, out),
            ObjectStep::Answer(_) => self.answer(now, id, out),
            ObjectStep::Duplicate(_) => self.duplicate(now, id),
        }
        self.free_when_over(id);
    }

    fn effect(&mut self, now: Nanos, id: RequestId, out: &mut Vec<ObjectOutput>) {
        self.conditional.retain(|&waiting| waiting != id);
        let request = &mut self.requests[id];
        let (submitted, timing, outcome) = (request.submitted, request.timing, request.outcome);
        let mut answer_at = submitted + timing.answer;
        if self.weather.down {
            answer_at = submitted + timing.attempt_timeout;
        } else {
            let op = if request.to_be_duplicated { request.op.clone() } else { request.op.take() };
            let raced = request.raced_by_delete;
            let (result, version) = self.land(now, id, op.expect("not yet used up"), raced);
            let returns = if let Ok(ObjectOk::Content { body, .. }) = &result { body.len() } else { 0 };
            self.count_result(&result);
            let request = &mut self.requests[id];
            request.version = Some(version);
            request.body_takes = timing.mib_out.scale(returns, MIB);
            if !request.silenced && matches!(outcome, Outcome::Ok | Outcome::AnsweredLate { .. }) {
                request.result = Some(result);
            }
        }
        match outcome {
            Outcome::Ok => self.wake(id, answer_at.max(now), ObjectStep::Answer(id), out),
            Outcome::AnsweredLate { by } => self.wake(id, (answer_at + by).max(now), ObjectStep::Answer(id), out),
            Outcome::SlowDown { .. }
            | Outcome::InternalError { .. }
            | Outcome::TimedOut { .. }
            | Outcome::Reset { .. } => {}
        }
    }

    fn duplicate(&mut self, now: Nanos, id: RequestId) {
        let request = &mut self.requests[id];
        let op = request.op.take().expect("kept for the duplicate");
        let own = request.version;
        if self.weather.down {
            return;
        }
        request.duplicated = true;
        let before = self.version_under(id, &op);
        let (key, writes) = (self.target(id, &op), !matches!(op, ObjectOp::Delete { .. }));
        // A copy of the request is a request of its own: it has raced with no delete.
        let _ = self.land(now, id, op, false);
        let Some(key) = key else { return };
        let after = self.buckets[self.requests[id].bucket.0 as usize].objects.get(&*key).map(|object| object.version);
        if before == after {
            return;
        }
        match (writes, before, own) {
            (true, Some(before), Some(own)) if before > own => self.witnessed.duplicate_overwrote_newer += 1,
            (true, None, Some(_)) => self.witnessed.duplicate_resurrected += 1,
            (false, Some(before), Some(own)) if before > own => self.witnessed.duplicate_deleted_newer += 1,
            _ => {}
        }
    }

    /// Applies the operation: the one place where anything changes.
    fn land(
        &mut self,
        now: Nanos,
        id: RequestId,
        op: ObjectOp,
        raced_by_delete: bool,
    ) -> (Result<ObjectOk, ObjectError>, u64) {
        let request = &mut self.requests[id];
        assert!(now.saturating_sub(request.submitted) <= LATE_BOUND, "landed beyond the bound");
        self.witnessed.landed_after_death += u64::from(request.silenced);
        self.witnessed.landed_after_answer += u64::from(request.answered);
        let skip = if request.to_be_duplicated { request.skip.clone() } else { std::mem::take(&mut request.skip) };
        let bucket_id = request.bucket;
        self.sequence += 1;
        if !self.conditional.is_empty() {
            self.mark_raced(bucket_id, &op, &skip);
        }
        let at = Instant { now, sequence: self.sequence, raced_by_delete };
        (self.buckets[bucket_id.0 as usize].apply(op, at, skip), self.sequence)
    }

    /// Tells the conditional writes under way that their key is being deleted; `skip` as in [`Bucket::apply`].
    fn mark_raced(&mut self, bucket: BucketId, op: &ObjectOp, skip: &[u32]) {
        let deleted: &[Key] = if let ObjectOp::Delete { key } = op {
            std::slice::from_ref(key)
        } else if let ObjectOp::DeleteMany { keys } = op {
            keys
        } else {
            return;
        };
        let here = &self.buckets[bucket.0 as usize];
        let raced = |id: &RequestId| {
            let waiting = &self.requests[*id];
            let key = waiting.op.as_ref().map_or("", |op| self.key_of(waiting.bucket, op));
            let gone = |(i, gone): (u32, &Key)| **gone == *key && skip.binary_search(&i).is_err();
            waiting.bucket == bucket && here.objects.contains_key(key) && (0u32..).zip(deleted).any(gone)
        };
        let raced: SmallVec<[RequestId; 4]> = self.conditional.iter().copied().filter(raced).collect();
        for id in raced {
            self.requests[id].raced_by_delete = true;
        }
    }

    fn answer(&mut self, now: Nanos, id: RequestId, out: &mut Vec<ObjectOutput>) {
        let request = &mut self.requests[id];
        if request.silenced {
            return;
        }
        let timed_out = matches!(request.outcome, Outcome::TimedOut { .. });
        // The effect never was, or the way back is cut: the client waits out its attempt.
        let lost = request.refusal.is_none() && request.result.is_none() && is_true(request.outcome);
        if !timed_out && (lost || self.weather.is_cut(request.caller.from_az)) {
            self.witnessed.answers_lost += 1;
            let timeout = request.timing.attempt_timeout;
            let applied = request.version.is_some();
            let gives_up = request.submitted + timeout;
            request.outcome = Outcome::TimedOut { applied, timeout };
            request.refusal = None;
            if gives_up > now {
                return self.wake(id, gives_up, ObjectStep::Answer(id), out);
            }
        }
        let request = &mut self.requests[id];
        assert!(!request.answered, "answered twice");
        request.answered = true;
        let result = match (request.refusal, request.outcome) {
            (Some(refusal), _) => Err(refusal),
            (None, Outcome::Ok | Outcome::AnsweredLate { .. }) => request.result.take().expect("checked above"),
            (None, Outcome::SlowDown { .. }) => Err(ObjectError::SlowDown { retry_after: self.retry_after }),
            (None, Outcome::InternalError { .. }) => Err(ObjectError::InternalError),
            (None, Outcome::TimedOut { .. }) => Err(ObjectError::TimedOut),
            (None, Outcome::Reset { .. }) => Err(ObjectError::ConnectionReset),
        };
        let body_takes = if result.is_ok() { request.body_takes } else { Nanos::ZERO };
        let (token, owner) = (request.caller.token, request.caller.owner);
        out.push(Output::Done(ObjectDone { token, owner, result, body_takes }));
    }

    fn free_when_over(&mut self, id: RequestId) {
        if self.requests[id].pending > 0 {
            return;
        }
        let request = self.requests.remove(id).expect("indexed above");
        if request.silenced {
            return;
        }
        assert!(request.answered, "over without an answer");
        let answer = match (request.refusal, request.outcome) {
            (Some(ObjectError::SlowDown { .. }), _) => AnswerKind::SlowDown,
            (Some(_), _) => return,
            (None, outcome) => ObjectFate { outcome, duplicate: None }.point().answer,
        };
        let point = LatticePoint { applied: request.version.is_some(), answer, duplicate: request.duplicated };
        assert!(point.is_legal(), "reached {point:?}, which S3 never does");
        self.witnessed.lattice[point.index()] += 1;
    }

    fn count_result(&mut self, result: &Result<ObjectOk, ObjectError>) {
        match result {
            Err(ObjectError::PreconditionFailed) => self.witnessed.precondition_failed += 1,
            Err(ObjectError::ConditionalRequestConflict) => self.witnessed.conditional_conflicts += 1,
            Ok(_) | Err(_) => {}
        }
    }

    /// The one key whose object the operation writes or deletes.
    fn target(&self, id: RequestId, op: &ObjectOp) -> Option<Key> {
        match op {
            ObjectOp::Put { key, .. }
            | ObjectOp::Append { key, .. }
            | ObjectOp::Copy { key, .. }
            | ObjectOp::Delete { key } => Some(key.clone()),
            ObjectOp::CompleteMultipart { upload, .. } => {
                let bucket = &self.buckets[self.requests[id].bucket.0 as usize];
                bucket.uploads.get(*upload).map(|upload| upload.key.clone())
            }
            ObjectOp::Get { .. }
            | ObjectOp::Head { .. }
            | ObjectOp::List { .. }
            | ObjectOp::DeleteMany { .. }
            | ObjectOp::CreateMultipart { .. }
            | ObjectOp::UploadPart { .. }
            | ObjectOp::UploadPartCopy { .. }
            | ObjectOp::AbortMultipart { .. } => None,
        }
    }

    fn version_under(&self, id: RequestId, op: &ObjectOp) -> Option<u64> {
        let key = self.target(id, op)?;
        self.buckets[self.requests[id].bucket.0 as usize].objects.get(&*key).map(|object| object.version)
    }

    /// No more answers for that life. What it has sent still takes effect.
    pub fn owner_died(&mut self, owner: Incarnation) {
        for request in self.requests.values_mut().filter(|request| request.caller.owner == owner) {
            request.silenced = true;
            request.result = None;
        }
    }
}

/// What is to become of a request, once it is known whether it gets anywhere.
struct Course {
    outcome: Outcome,
    duplicate: Option<Nanos>,
    refusal: Option<ObjectError>,
    answer_at: Nanos,
    skip: Vec<u32>,
}

impl Course {
    /// Without effect; a client that was to hear nothing hears nothing of the refusal either.
    fn refused(outcome: Outcome, error: ObjectError, answer_at: Nanos) -> Course {
        let (outcome, refusal) = match outcome {
            Outcome::TimedOut { timeout, .. } => (Outcome::TimedOut { applied: false, timeout }, None),
            Outcome::Reset { .. } => (Outcome::Reset { applied: false }, None),
            Outcome::Ok | Outcome::AnsweredLate { .. } | Outcome::SlowDown { .. } | Outcome::InternalError { .. } => {
                (Outcome::Ok, Some(error))
            }
        };
        Course { outcome, duplicate: None, refusal, answer_at, skip: Vec::new() }
    }

    /// Without effect and without any answer.
    fn unreachable(outcome: Outcome, attempt_timeout: Nanos, sent: Nanos) -> Course {
        let timeout = match outcome {
            Outcome::TimedOut { timeout, .. } => timeout,
            Outcome::Ok
            | Outcome::AnsweredLate { .. }
            | Outcome::SlowDown { .. }
            | Outcome::InternalError { .. }
            | Outcome::Reset { .. } => attempt_timeout,
        };
        let outcome = Outcome::TimedOut { applied: false, timeout };
        Course { outcome, duplicate: None, refusal: None, answer_at: sent + timeout, skip: Vec::new() }
    }
}

fn applied(outcome: Outcome) -> bool {
    ObjectFate { outcome, duplicate: None }.applied()
}

fn is_true(outcome: Outcome) -> bool {
    matches!(outcome, Outcome::Ok | Outcome::AnsweredLate { .. })
}
