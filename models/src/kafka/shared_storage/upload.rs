//! The upload pipeline: archived blocks of the log cache become objects (AutoMQ's `DefaultUploadWriteAheadLogTask` and the
//! queues of `S3Storage`).
//!
//! Order of steps, block by block:
//! 1. **Prepare** ids, strictly one block after the other, so that an earlier block has smaller ids.
//! 2. **Upload**, several blocks at once. A stream with at least `s3.stream.object.split.size` in the block, or the only one
//!    in it, goes into a stream object of its own; the others share one stream-set object.
//! 3. **Commit**, strictly in order, all objects of a block at once. Only then may the WAL be trimmed.
//!
//! A commit that the controller refuses because of who asks (`NODE_EPOCH_*`, `NODE_FENCED`) or because the objects are gone
//! ends the broker; any other refusal is tried again for ever.
//!
//! Simpler than reality: an object is put as one request, not in parts, so a large one takes one connection's time; the rate
//! limit that spreads an upload over up to 20 s is not modelled, so uploads come in larger bursts.

use super::log_cache::{Archived, BlockId};
use super::object_format::{ObjectWriter, object_key};
use super::objects::{ObjectAnswer, ObjectCall, Objects};
use super::{Identity, StorageOptions};
use crate::kafka::broker::link::{ControllerLink, Ticket};
use crate::kafka::ids::{ObjectId, StreamId};
use crate::kafka::protocol::ErrorCode;
use crate::kafka::protocol::controller::{CommitStreamSetObject, ControllerAnswer, NewObject, StorageRequest};
use crate::kafka::token::TokenSpace;
use crate::kafka::wal::{WalOffset, WalRecord};
use crate::world::Cx;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use wavetank_sim::Nanos;

/// How long a prepared object may wait for its commit.
const PREPARE_TTL: Nanos = Nanos::secs(60 * 60);
const RETRY_BASE: Nanos = Nanos::millis(500);
const RETRY_MAX: Nanos = Nanos::secs(10);

/// What the pipeline says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UploadEvent {
    /// A block is in committed objects.
    Committed {
        /// Which.
        block: BlockId,
        /// The WAL offset of its last record.
        last: WalOffset,
    },
    /// The controller will not have this broker's objects.
    Refused(ErrorCode),
}

enum Stage {
    Waiting,
    Preparing,
    Uploading { puts: BTreeSet<ObjectCall> },
    Uploaded,
    Committing,
}

struct Task {
    block: Archived,
    stage: Stage,
    commit: Option<Arc<CommitStreamSetObject>>,
    retry: Nanos,
}

enum Asked {
    Prepare,
    Commit,
}

/// See the [module](self).
pub struct Uploader {
    space: TokenSpace,
    identity: Identity,
    options: StorageOptions,
    tasks: VecDeque<Task>,
    tickets: BTreeMap<Ticket, Asked>,
    puts: BTreeMap<ObjectCall, BlockId>,
    events: VecDeque<UploadEvent>,
    refused: bool,
}

impl Uploader {
    /// An empty pipeline that acts as this broker.
    pub fn new(space: TokenSpace, identity: Identity, options: StorageOptions) -> Uploader {
        Uploader {
            space,
            identity,
            options,
            tasks: VecDeque::new(),
            tickets: BTreeMap::new(),
            puts: BTreeMap::new(),
            events: VecDeque::new(),
            refused: false,
        }
    }

    /// The next block.
    pub fn push(&mut self, cx: &mut Cx<'_>, link: &mut ControllerLink, block: Archived) {
        self.tasks.push_back(Task { block, stage: Stage::Waiting, commit: None, retry: RETRY_BASE });
        self.prepare_next(cx, link);
    }

    /// Blocks that are not committed yet.
    pub fn pending(&self) -> usize {
        self.tasks.len()
    }

    /// The first block that is not committed yet.
    pub fn first_pending(&self) -> Option<BlockId> {
        self.tasks.front().map(|task| task.block.id)
    }

    /// The last block that is not committed yet.
    pub fn last_pending(&self) -> Option<BlockId> {
        self.tasks.back().map(|task| task.block.id)
    }

    /// What it has to say, in order.
    pub fn poll(&mut self) -> Option<UploadEvent> {
        self.events.pop_front()
    }

    fn prepare_next(&mut self, cx: &mut Cx<'_>, link: &mut ControllerLink) {
        let uploading = self.tasks.iter().filter(|task| matches!(task.stage, Stage::Uploading { .. })).count();
        if self.refused || uploading >= self.options.upload_threads {
            return;
        }
        if self.tasks.iter().any(|task| matches!(task.stage, Stage::Preparing)) {
            return;
        }
        let Some(task) = self.tasks.iter_mut().find(|task| matches!(task.stage, Stage::Waiting)) else { return };
        task.stage = Stage::Preparing;
        let count = Plan::of(&task.block, self.options.split_bytes).objects();
        let request = StorageRequest::PrepareObjects { count, ttl: PREPARE_TTL };
        let ticket = link.ask(cx, self.identity.request(request));
        self.tickets.insert(ticket, Asked::Prepare);
    }

    /// The controller's answer; `false` when it is not to this pipeline.
    pub fn answered(
        &mut self,
        cx: &mut Cx<'_>,
        link: &mut ControllerLink,
        objects: &mut Objects,
        ticket: Ticket,
        result: &Result<ControllerAnswer, ErrorCode>,
    ) -> bool {
        let Some(asked) = self.tickets.remove(&ticket) else { return false };
        match (asked, result) {
            (Asked::Prepare, Ok(ControllerAnswer::Objects(first))) => {
                self.upload(cx, objects, *first);
                self.prepare_next(cx, link);
            }
            (Asked::Commit, Ok(_) | Err(ErrorCode::RedundantOperation)) => self.committed(cx, link),
            (_, Err(error)) => self.not_now(cx, *error),
            (Asked::Prepare, Ok(other)) => unreachable!("prepare is not answered with {other:?}"),
        }
        true
    }

    /// A put is done; `false` when it is not this pipeline's.
    pub fn object(&mut self, cx: &mut Cx<'_>, link: &mut ControllerLink, call: ObjectCall, _: &ObjectAnswer) -> bool {
        let Some(block) = self.puts.remove(&call) else { return false };
        let task = self.tasks.iter_mut().find(|task| task.block.id == block).expect("it is being uploaded");
        if let Stage::Uploading { puts } = &mut task.stage {
            puts.remove(&call);
            if puts.is_empty() {
                task.stage = Stage::Uploaded;
            }
        }
        self.commit_next(cx, link);
        self.prepare_next(cx, link);
        true
    }

    /// A timer of this pipeline's.
    pub fn timer(&mut self, cx: &mut Cx<'_>, link: &mut ControllerLink) {
        for task in &mut self.tasks {
            if matches!(task.stage, Stage::Committing) && self.tickets.is_empty() {
                task.stage = Stage::Uploaded;
            }
        }
        self.commit_next(cx, link);
        self.prepare_next(cx, link);
    }

    fn upload(&mut self, cx: &mut Cx<'_>, objects: &mut Objects, first: ObjectId) {
        let task = self.tasks.iter_mut().find(|task| matches!(task.stage, Stage::Preparing));
        let task = task.expect("ids come for the one block that asked");
        let (commit, bodies) = Plan::of(&task.block, self.options.split_bytes).write(first, self.options.block_bytes);
        let mut puts = BTreeSet::new();
        for (object, body) in bodies {
            let call = objects.put(cx, object_key(&self.options.namespace, object), body);
            self.puts.insert(call, task.block.id);
            puts.insert(call);
        }
        task.commit = Some(Arc::new(commit));
        task.stage = Stage::Uploading { puts };
    }

    fn commit_next(&mut self, cx: &mut Cx<'_>, link: &mut ControllerLink) {
        let Some(task) = self.tasks.front_mut() else { return };
        if self.refused || !matches!(task.stage, Stage::Uploaded) {
            return;
        }
        task.stage = Stage::Committing;
        let commit = task.commit.clone().expect("what is uploaded is to be committed");
        let ticket = link.ask(cx, self.identity.request(StorageRequest::CommitStreamSetObject(commit)));
        self.tickets.insert(ticket, Asked::Commit);
    }

    fn committed(&mut self, cx: &mut Cx<'_>, link: &mut ControllerLink) {
        let task = self.tasks.pop_front().expect("the head was committed");
        self.events.push_back(UploadEvent::Committed { block: task.block.id, last: task.block.last });
        self.commit_next(cx, link);
        self.prepare_next(cx, link);
    }

    fn not_now(&mut self, cx: &mut Cx<'_>, error: ErrorCode) {
        match error {
            ErrorCode::NodeEpochNotExist
            | ErrorCode::NodeEpochExpired
            | ErrorCode::NodeFenced
            | ErrorCode::ObjectNotExist => {
                self.refused = true;
                self.events.push_back(UploadEvent::Refused(error));
            }
            _ => {
                let Some(task) = self.tasks.front_mut() else { return };
                let pause = task.retry;
                task.retry = Nanos((task.retry.0 * 2).min(RETRY_MAX.0));
                for task in &mut self.tasks {
                    if matches!(task.stage, Stage::Preparing) {
                        task.stage = Stage::Waiting;
                    }
                }
                self.space.set_timer(cx, pause, 0);
            }
        }
    }
}

/// Which streams of a block go where.
struct Plan<'a> {
    own: Vec<&'a [Arc<WalRecord>]>,
    shared: Vec<&'a [Arc<WalRecord>]>,
}

impl<'a> Plan<'a> {
    fn of(block: &'a Archived, split_bytes: u64) -> Plan<'a> {
        let bytes = |records: &[Arc<WalRecord>]| records.iter().map(|record| record.payload.len()).sum::<u64>();
        let is_alone = block.streams.len() == 1;
        let all = block.streams.iter().map(|(_, records): &(StreamId, _)| records.as_slice());
        let (own, shared) = all.partition(|records| is_alone || bytes(records) >= split_bytes);
        Plan { own, shared }
    }

    fn objects(&self) -> u32 {
        self.own.len() as u32 + u32::from(!self.shared.is_empty())
    }

    /// The stream-set object has the first id.
    fn write(&self, first: ObjectId, block_bytes: u64) -> (CommitStreamSetObject, Vec<(ObjectId, crate::blob::Blob)>) {
        let (mut next, mut bodies) = (first, Vec::new());
        let mut one = |streams: &mut dyn Iterator<Item = &&[Arc<WalRecord>]>| {
            let mut writer = ObjectWriter::new(block_bytes);
            streams.for_each(|records| records.iter().for_each(|record| writer.push(record)));
            let (body, ranges) = writer.finish();
            let object = NewObject { id: next, size: body.len() };
            next = ObjectId(next.0 + 1);
            bodies.push((object.id, body));
            (object, ranges)
        };
        let set = (!self.shared.is_empty()).then(|| one(&mut self.shared.iter()));
        let stream_objects = self.own.iter().map(|records| {
            let (object, ranges) = one(&mut std::iter::once(records));
            assert_eq!(ranges.len(), 1, "a stream is contiguous in a block");
            (object, ranges[0])
        });
        let stream_objects = stream_objects.collect();
        let (object, ranges) = set.map_or((None, Vec::new()), |(object, ranges)| (Some(object), ranges));
        (CommitStreamSetObject { object, ranges, stream_objects, compacted: Vec::new() }, bodies)
    }
}
