//! Completed checkpoints in the object store, and the pointer that says which is the latest (`CompletedCheckpointStore` and
//! the high-availability service in one).
//!
//! Order of steps: a job manager that boots reads the pointer, takes the leadership by a conditional PUT of the next leader
//! session, and reads the metadata of the latest checkpoint. To complete one: PUT its metadata, then PUT the pointer on
//! condition that nobody else has; only then does it count, and only then are checkpoints beyond `num-retained` deleted.
//!
//! Simpler than reality: ZooKeeper's or Kubernetes' leader election and the pointer's object are one thing; the checkpoint's
//! number is not kept apart (it goes on after the latest complete one). Only the latest checkpoint is ever read, as
//! `DefaultCompletedCheckpointStore` has it.

use super::state::{Attempt, CheckpointId, CheckpointMetadata, HaPointer, decode, encode};
use super::{FlinkMutant, JobSpec};
use crate::cloud::object_store::{Condition, ETag};
use crate::kafka::object_client::{ObjectAnswer, ObjectClient};
use crate::kafka::token::TokenSpace;
use crate::world::{Cx, Input, Wait};
use std::collections::VecDeque;
use std::sync::Arc;

const POINTER: u64 = 1;
const METADATA: u64 = 2;
const DELETE: u64 = 3;

/// What a store has to say.
#[derive(Clone, Debug)]
pub(super) enum StoreEvent {
    /// This job manager leads now; from here the job goes on.
    Leads {
        /// Its session.
        leader: u32,
        /// The latest complete checkpoint.
        latest: Option<Arc<CheckpointMetadata>>,
    },
    /// A checkpoint is complete.
    Completed(Arc<CheckpointMetadata>),
    /// Another job manager leads.
    Deposed,
    /// What the pointer names is not there, or not what it was.
    Damaged(String),
}

enum Step {
    Reading,
    TakingOver,
    Restoring,
    Idle,
    WritingMetadata(Arc<CheckpointMetadata>),
    MovingPointer(Arc<CheckpointMetadata>),
}

/// See the [module](self).
pub(super) struct CheckpointStore {
    spec: Arc<JobSpec>,
    objects: ObjectClient,
    step: Step,
    pointer: HaPointer,
    etag: Option<ETag>,
    dropped: Vec<String>,
    events: VecDeque<StoreEvent>,
}

/// Under which key the pointer lies.
pub fn pointer_key(job: u32) -> String {
    format!("flink-{job}/ha/pointer")
}

/// Where a checkpoint's objects lie.
pub(super) fn checkpoint_key(job: u32, attempt: Attempt, id: CheckpointId, object: &str) -> String {
    format!("flink-{job}/chk-{}-{}-{}/{object}", attempt.leader, attempt.number, id.0)
}

impl CheckpointStore {
    /// The store, while a request is not answered.
    pub fn waits(&self) -> Option<Wait> {
        self.objects.waits()
    }

    pub fn new(spec: Arc<JobSpec>, space: TokenSpace) -> CheckpointStore {
        CheckpointStore {
            objects: ObjectClient::new(spec.checkpoints, space, 0, spec.objects.clone()),
            spec,
            step: Step::Reading,
            pointer: HaPointer::default(),
            etag: None,
            dropped: Vec::new(),
            events: VecDeque::new(),
        }
    }

    /// Begins.
    pub fn boot(&mut self, cx: &mut Cx<'_>) {
        self.step = Step::Reading;
        self.objects.get(cx, POINTER, pointer_key(self.spec.job).into(), None);
    }

    /// Whether a checkpoint is being completed: which one is the latest is not known.
    pub fn is_busy(&self) -> bool {
        !matches!(self.step, Step::Idle)
    }

    /// What has happened.
    pub fn poll(&mut self) -> Option<StoreEvent> {
        self.events.pop_front()
    }

    /// Completes a checkpoint that all tasks have acknowledged.
    pub fn complete(&mut self, cx: &mut Cx<'_>, metadata: CheckpointMetadata) {
        assert!(!self.is_busy(), "one at a time");
        let metadata = Arc::new(metadata);
        let key = checkpoint_key(self.spec.job, metadata.attempt, metadata.id, "_metadata");
        let mut objects = vec![key.clone()];
        objects.extend(metadata.states.iter().map(|state| state.object.clone()));
        self.pointer.completed.push((metadata.id, objects));
        while self.pointer.completed.len() > self.spec.settings.checkpoints_num_retained {
            let (_, objects) = self.pointer.completed.remove(0);
            self.dropped.extend(objects);
        }
        if self.spec.has(FlinkMutant::CompleteBeforeMetadata) {
            self.delete_dropped(cx);
            self.events.push_back(StoreEvent::Completed(metadata.clone()));
        }
        self.objects.put(cx, METADATA, key.into(), encode(&*metadata, 0, 0), Condition::None);
        self.step = Step::WritingMetadata(metadata);
    }

    /// Takes what is this store's; gives back what is not.
    pub fn input(&mut self, cx: &mut Cx<'_>, input: Input) -> Option<Input> {
        let other = self.objects.input(cx, input);
        while let Some((id, answer)) = self.objects.poll() {
            if id != DELETE {
                self.answered(cx, answer);
            }
        }
        other
    }

    fn answered(&mut self, cx: &mut Cx<'_>, answer: ObjectAnswer) {
        match (std::mem::replace(&mut self.step, Step::Idle), answer) {
            (Step::Reading, ObjectAnswer::Missing) => self.take_over(cx, HaPointer::default(), Condition::IfNoneMatch),
            (Step::Reading, ObjectAnswer::Content { body, etag }) => match decode(&body) {
                Ok(pointer) => self.take_over(cx, pointer, Condition::IfMatch(etag)),
                Err(error) => self.events.push_back(StoreEvent::Damaged(error.to_string())),
            },
            (Step::TakingOver, ObjectAnswer::Put(etag)) => {
                self.etag = Some(etag);
                match self.pointer.completed.last() {
                    Some((_, objects)) => {
                        self.step = Step::Restoring;
                        self.objects.get(cx, METADATA, objects[0].as_str().into(), None);
                    }
                    None => self.leads(None),
                }
            }
            // What the life before had sent came in between.
            (Step::TakingOver, ObjectAnswer::Refused) => self.boot(cx),
            (Step::Restoring, ObjectAnswer::Content { body, .. }) => match decode(&body) {
                Ok(metadata) => self.leads(Some(Arc::new(metadata))),
                Err(error) => self.events.push_back(StoreEvent::Damaged(error.to_string())),
            },
            (Step::WritingMetadata(metadata), ObjectAnswer::Put(_)) => {
                let etag = self.etag.expect("it leads");
                let body = encode(&self.pointer, 0, 0);
                self.objects.put(cx, POINTER, pointer_key(self.spec.job).into(), body, Condition::IfMatch(etag));
                self.step = Step::MovingPointer(metadata);
                cx.mark("flink: a checkpoint's metadata is written, and the pointer not moved");
            }
            (Step::MovingPointer(metadata), ObjectAnswer::Put(etag)) => {
                self.etag = Some(etag);
                if !self.spec.has(FlinkMutant::CompleteBeforeMetadata) {
                    self.delete_dropped(cx);
                    self.events.push_back(StoreEvent::Completed(metadata));
                }
            }
            (Step::MovingPointer(_), ObjectAnswer::Refused) => self.events.push_back(StoreEvent::Deposed),
            (_, answer) => self.events.push_back(StoreEvent::Damaged(format!("the object store says {answer:?}"))),
        }
    }

    fn take_over(&mut self, cx: &mut Cx<'_>, pointer: HaPointer, condition: Condition) {
        self.pointer = HaPointer { leader: pointer.leader + 1, ..pointer };
        let body = encode(&self.pointer, 0, 0);
        self.objects.put(cx, POINTER, pointer_key(self.spec.job).into(), body, condition);
        self.step = Step::TakingOver;
    }

    fn leads(&mut self, latest: Option<Arc<CheckpointMetadata>>) {
        self.events.push_back(StoreEvent::Leads { leader: self.pointer.leader, latest });
    }

    fn delete_dropped(&mut self, cx: &mut Cx<'_>) {
        let keys = self.dropped.drain(..).map(Into::into).collect();
        self.objects.delete(cx, DELETE, keys);
    }
}
