//! Objects (AutoMQ's `S3ObjectControlManager`).
//!
//! ```text
//!   prepared ──commit──> committed ──compacted──> mark-destroyed ──retention──> deleted from the store ──> forgotten
//!       └──── deadline ──────────────────────────────^
//! ```
//!
//! Ids grow for ever. Once a second the active controller drops what was prepared and not committed in time (it may have
//! been written all the same, so it is deleted as the others are), and deletes what has been dropped for the retention.
//! Only what is *committed* as dropped is deleted: a controller that has been deposed without knowing it does no harm.

use super::draft::Draft;
use super::mutant::ControllerMutant;
use crate::cloud::object_store::{BucketId, ObjectDone, ObjectOk, ObjectOp};
use crate::kafka::ids::{MetadataOffset, ObjectId};
use crate::kafka::metadata::{ClusterImage, MetadataRecord, ObjectState};
use crate::kafka::protocol::ErrorCode;
use crate::kafka::protocol::controller::ControllerAnswer;
use crate::kafka::shared_storage::object_format::object_key;
use crate::kafka::token::TokenSpace;
use crate::probe::Probe;
use crate::world::{Cx, StoreId};
use std::sync::Arc;
use wavetank_sim::{Nanos, SortedMap, SortedSet};

/// Keys of one DeleteObjects.
const KEYS_MAX: usize = 1_000;
/// Objects a round.
const ROUND_MAX: usize = 2_000;
/// Of the bug: a committed object's deadline.
const MUTANT_TTL_MS: i64 = 10_000;

fn ms(span: Nanos) -> i64 {
    (span.0 / 1_000_000) as i64
}

/// Ids for objects to be written.
pub(super) fn prepare(draft: &mut Draft<'_>, count: u32, ttl: Nanos) -> ControllerAnswer {
    let first = draft.image().next_object;
    let until_ms = draft.rules.now_ms.saturating_add(ms(ttl));
    draft.push(MetadataRecord::NextObject(ObjectId(first.0 + u64::from(count))));
    for id in first.0..first.0 + u64::from(count) {
        draft.push(MetadataRecord::Object { object: ObjectId(id), state: ObjectState::Prepared { until_ms } });
    }
    ControllerAnswer::Objects(first)
}

/// Whether a commit of an object has something to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Commitment {
    New,
    Redundant,
}

/// Whether an object can be committed. One that was, and has been compacted away since, is done with: the answer to its
/// commit was lost for longer than a compaction takes. AutoMQ refuses it (`OBJECT_NOT_EXIST`), and its sender gives up.
pub(super) fn check_commit(image: &ClusterImage, object: ObjectId) -> Result<Commitment, ErrorCode> {
    match image.objects.get(&object).map(|object| object.state) {
        Some(ObjectState::Prepared { .. }) => Ok(Commitment::New),
        Some(ObjectState::Committed { .. } | ObjectState::MarkDestroyed { was_committed: true, .. }) => {
            Ok(Commitment::Redundant)
        }
        Some(ObjectState::MarkDestroyed { was_committed: false, .. }) | None => Err(ErrorCode::ObjectNotExist),
    }
}

/// It holds data.
pub(super) fn commit(draft: &mut Draft<'_>, object: ObjectId, size: u64) {
    draft.push(MetadataRecord::Object { object, state: ObjectState::Committed { size } });
}

/// Nothing refers to it any more.
pub(super) fn mark_destroyed(draft: &mut Draft<'_>, object: ObjectId) {
    let was_committed = check_commit(draft.image(), object) == Ok(Commitment::Redundant);
    let state = ObjectState::MarkDestroyed { at_ms: draft.rules.now_ms, was_committed };
    draft.push(MetadataRecord::Object { object, state });
}

/// Drops what was not committed in time.
pub(super) fn expire(draft: &mut Draft<'_>, deadlines: &mut SortedMap<ObjectId, i64>) {
    let now_ms = draft.rules.now_ms;
    let prepared = draft
        .image()
        .objects
        .iter()
        .filter(|(_, object)| matches!(object.state, ObjectState::Prepared { until_ms } if until_ms < now_ms));
    let mut expired: Vec<ObjectId> = prepared.map(|(object, _)| *object).take(ROUND_MAX).collect();
    if draft.is_mutant(ControllerMutant::CommittedObjectsExpire) {
        expired.extend(expired_committed(draft.image(), now_ms, deadlines));
    }
    expired.into_iter().for_each(|object| mark_destroyed(draft, object));
}

fn expired_committed(image: &ClusterImage, now_ms: i64, deadlines: &mut SortedMap<ObjectId, i64>) -> Vec<ObjectId> {
    let is_committed = |object: &ObjectId| image.object_size(*object).is_some();
    for object in image.objects.keys().filter(|object| is_committed(object)) {
        deadlines.entry(*object).or_insert(now_ms + MUTANT_TTL_MS);
    }
    deadlines.retain(|object, _| is_committed(object));
    deadlines.iter().filter(|(_, until)| **until < now_ms).map(|(object, _)| *object).collect()
}

/// Deletions that are on their way: soft state of the active controller.
pub(super) struct Deletions {
    space: TokenSpace,
    store: StoreId,
    bucket: BucketId,
    namespace: Arc<str>,
    next: u64,
    requests: SortedMap<u64, Vec<ObjectId>>,
    /// On their way, or gone and waiting for that to be committed.
    busy: SortedMap<ObjectId, Option<MetadataOffset>>,
    told: SortedSet<ObjectId>,
}

impl Deletions {
    pub(super) fn new(space: TokenSpace, store: StoreId, bucket: BucketId, namespace: Arc<str>) -> Deletions {
        Deletions {
            space,
            store,
            bucket,
            namespace,
            next: 0,
            requests: SortedMap::new(),
            busy: SortedMap::new(),
            told: SortedSet::new(),
        }
    }

    /// Deletes what has been dropped for long enough; `image` is what is committed.
    pub(super) fn scan(&mut self, cx: &mut Cx<'_>, image: &ClusterImage, retention: Nanos) {
        let before = ClusterImage::wall_ms(cx.wall()) - ms(retention);
        self.busy.retain(|object, _| image.objects.contains_key(object));
        self.told.retain(|object| image.objects.contains_key(object));
        let due = image
            .objects
            .iter()
            .filter(|(_, object)| matches!(object.state, ObjectState::MarkDestroyed { at_ms, .. } if at_ms <= before));
        let due: Vec<ObjectId> =
            due.map(|(object, _)| *object).filter(|object| !self.busy.contains_key(object)).take(ROUND_MAX).collect();
        due.chunks(KEYS_MAX).for_each(|objects| self.delete(cx, objects));
    }

    fn delete(&mut self, cx: &mut Cx<'_>, objects: &[ObjectId]) {
        for object in objects {
            self.busy.insert(*object, None);
            if self.told.insert(*object) {
                cx.probe(Probe::ObjectDeleted { object: *object });
            }
        }
        let keys = objects.iter().map(|object| object_key(&self.namespace, *object)).collect();
        let token = self.space.token(self.next);
        self.requests.insert(self.next, objects.to_vec());
        self.next += 1;
        cx.object(self.store, self.bucket, token, ObjectOp::DeleteMany { keys });
    }

    /// The store has answered: which objects are gone. The others are tried again.
    pub(super) fn answered(&mut self, done: &ObjectDone) -> Vec<ObjectId> {
        let (space, request) = TokenSpace::split(done.token);
        if space != self.space {
            return Vec::new();
        }
        let Some(objects) = self.requests.remove(&request) else { return Vec::new() };
        let is_gone = |i: usize| match &done.result {
            Ok(ObjectOk::GoneExcept(left)) => !left.contains(&(i as u32)),
            _ => false,
        };
        let (gone, left): (Vec<_>, Vec<_>) = objects.into_iter().enumerate().partition(|(i, _)| is_gone(*i));
        for (_, object) in left {
            self.busy.remove(&object);
        }
        gone.into_iter().map(|(_, object)| object).collect()
    }
}
