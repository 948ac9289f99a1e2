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
//! An upload that nobody waits for is spread: over the age of the block, 20 s at most, and never slower than an earlier one
//! was (`uploadDeltaWAL0`). One that is forced goes out at once, and with it all before it (`burst`).
//!
//! Simpler than reality: what is spread are a block's objects, not the parts of one; so a single large object goes out in one
//! burst at the end of its time.

use super::log_cache::{Archived, BlockId};
use super::mutant::StorageMutant;
use super::network::TrafficClass;
use super::object_format::{ObjectWriter, object_key};
use super::objects::{ObjectAnswer, ObjectCall, Objects};
use super::{Identity, StorageOptions};
use crate::blob::Blob;
use crate::kafka::broker::link::{ControllerLink, Ticket};
use crate::kafka::ids::{ObjectId, StreamId};
use crate::kafka::metadata::StreamRange;
use crate::kafka::protocol::ErrorCode;
use crate::kafka::protocol::controller::{CommitStreamSetObject, ControllerAnswer, NewObject, StorageRequest};
use crate::kafka::token::TokenSpace;
use crate::kafka::wal::{WalOffset, WalRecord};
use crate::world::{Cx, On, Wait, Want};
use std::collections::VecDeque;
use std::sync::Arc;
use wavetank_sim::{Nanos, SortedMap, SortedSet};

/// How long a prepared object may wait for its commit.
const PREPARE_TTL: Nanos = Nanos::secs(60 * 60);
const RETRY_BASE: Nanos = Nanos::millis(500);
const RETRY_MAX: Nanos = Nanos::secs(10);
/// A spread upload takes no longer than this.
const SPREAD_MAX: Nanos = Nanos::secs(20);
/// A block that was full so soon goes out at once.
const UNLIMITED_BELOW: Nanos = Nanos::millis(100);

/// A bug takes a question for failed that is not answered within this time.
const MUTANT_PATIENCE: Nanos = Nanos::secs(2);

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

/// How fast a block is to go out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// At once.
    Burst,
    /// Spread: the block took records for so long.
    Spread(Nanos),
}

/// An object that is to be put then.
struct Due {
    at: Nanos,
    object: ObjectId,
    body: Blob,
}

enum Stage {
    Waiting,
    Preparing,
    Uploading {
        due: VecDeque<Due>,
        puts: SortedSet<ObjectCall>,
    },
    Uploaded,
    Committing,
    /// The controller would not have it now: later.
    PutOff,
}

struct Task {
    block: Archived,
    pace: Pace,
    stage: Stage,
    /// Of a bug: when its question for ids has failed, if it was not answered before.
    ids_by: Option<Nanos>,
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
    tickets: SortedMap<Ticket, Asked>,
    puts: SortedMap<ObjectCall, BlockId>,
    events: VecDeque<UploadEvent>,
    /// The fastest rate of a spread upload so far, bytes a second (`maxDataWriteRate`).
    fastest: u64,
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
            tickets: SortedMap::new(),
            puts: SortedMap::new(),
            events: VecDeque::new(),
            fastest: 0,
            refused: false,
        }
    }

    /// The next block.
    pub fn push(
        &mut self,
        cx: &mut Cx<'_>,
        link: &mut ControllerLink,
        objects: &mut Objects,
        block: Archived,
        pace: Pace,
    ) {
        self.tasks.push_back(Task {
            block,
            pace,
            stage: Stage::Waiting,
            ids_by: None,
            commit: None,
            retry: RETRY_BASE,
        });
        if pace == Pace::Burst {
            self.burst(cx, objects);
        }
        self.prepare_next(cx, link);
    }

    /// All that is here goes out at once.
    pub fn burst(&mut self, cx: &mut Cx<'_>, objects: &mut Objects) {
        self.tasks.iter_mut().for_each(|task| task.pace = Pace::Burst);
        self.put_due(cx, objects);
    }

    /// Puts the objects whose time has come.
    fn put_due(&mut self, cx: &mut Cx<'_>, objects: &mut Objects) {
        for task in &mut self.tasks {
            let Stage::Uploading { due, puts } = &mut task.stage else { continue };
            while let Some(first) = due.pop_front_if(|first| task.pace == Pace::Burst || first.at <= cx.monotonic()) {
                let key = object_key(&self.options.namespace, first.object);
                let call = objects.put(cx, TrafficClass::Bypass, key, first.body);
                self.puts.insert(call, task.block.id);
                puts.insert(call);
            }
        }
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

    /// What the first block waits for that is not committed.
    pub fn waits(&self, link: &ControllerLink, objects: &Objects) -> Vec<Wait> {
        let Some(task) = self.tasks.front() else { return Vec::new() };
        let asked = |is: fn(&Asked) -> bool| {
            let is_open = self.tickets.iter().any(|(ticket, asked)| is(asked) && link.is_open(*ticket));
            if is_open { On::Quorum } else { On::Nobody }
        };
        let (what, on) = match &task.stage {
            Stage::Waiting if self.refused => ("may not upload any more", On::Nobody),
            Stage::Waiting => ("is to have objects' ids", On::Time),
            Stage::Preparing => ("asks for objects' ids", asked(|asked| matches!(asked, Asked::Prepare))),
            Stage::Uploading { puts, .. } if puts.is_empty() => ("spreads an upload", On::Time),
            Stage::Uploading { .. } => match objects.waits() {
                Some(wait) => return vec![wait],
                None => ("uploads a block", On::Nobody),
            },
            Stage::Uploaded => ("has uploaded a block and not committed it", On::Nobody),
            Stage::Committing => ("commits a block", asked(|asked| matches!(asked, Asked::Commit))),
            Stage::PutOff => ("commits a block again, later", On::Time),
        };
        vec![Wait::new(what, on, Want::Answer)]
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
        if self.options.mutant == Some(StorageMutant::PrepareFailureSwallowed) {
            task.ids_by = Some(cx.monotonic() + MUTANT_PATIENCE);
            self.space.set_timer(cx, MUTANT_PATIENCE, 0);
        }
        let ticket = link.ask(cx, self.identity.request(request));
        self.tickets.insert(ticket, Asked::Prepare);
    }

    /// The bug: the question has failed, and nobody hears of it; its answer, should it come, is nobody's.
    fn swallow_failure(&mut self, now: Nanos) {
        let has_failed =
            |task: &Task| matches!(task.stage, Stage::Preparing) && task.ids_by.is_some_and(|by| now >= by);
        if self.tasks.iter().any(has_failed) {
            self.tickets.retain(|_, asked| !matches!(asked, Asked::Prepare));
        }
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
            (asked, Err(error)) => self.not_now(cx, &asked, *error),
            (Asked::Prepare, Ok(other)) => unreachable!("prepare is not answered with {other:?}"),
        }
        true
    }

    /// A put is done; `false` when it is not this pipeline's.
    pub fn object(&mut self, cx: &mut Cx<'_>, link: &mut ControllerLink, call: ObjectCall, _: &ObjectAnswer) -> bool {
        let Some(block) = self.puts.remove(&call) else { return false };
        let task = self.tasks.iter_mut().find(|task| task.block.id == block).expect("it is being uploaded");
        if let Stage::Uploading { due, puts } = &mut task.stage {
            puts.remove(&call);
            if puts.is_empty() && due.is_empty() {
                task.stage = Stage::Uploaded;
            }
        }
        self.commit_next(cx, link);
        self.prepare_next(cx, link);
        true
    }

    /// A timer of this pipeline's.
    pub fn timer(&mut self, cx: &mut Cx<'_>, link: &mut ControllerLink, objects: &mut Objects) {
        self.swallow_failure(cx.monotonic());
        for task in self.tasks.iter_mut().filter(|task| matches!(task.stage, Stage::PutOff)) {
            task.stage = Stage::Uploaded;
        }
        self.put_due(cx, objects);
        self.commit_next(cx, link);
        self.prepare_next(cx, link);
    }

    fn upload(&mut self, cx: &mut Cx<'_>, objects: &mut Objects, first: ObjectId) {
        let task = self.tasks.iter_mut().find(|task| matches!(task.stage, Stage::Preparing));
        let task = task.expect("ids come for the one block that asked");
        let (commit, bodies) = Plan::of(&task.block, self.options.split_bytes).write(first, self.options.block_bytes);
        let rate = match task.pace {
            Pace::Spread(age) if age > UNLIMITED_BELOW => {
                let rate = task.block.bytes().saturating_mul(1000) / (age.min(SPREAD_MAX).0 / 1_000_000);
                self.fastest = self.fastest.max(rate).max(1);
                Some(self.fastest)
            }
            Pace::Spread(_) | Pace::Burst => None,
        };
        let (mut due, mut bytes) = (VecDeque::new(), 0);
        for (object, body) in bodies {
            bytes += body.len();
            let after = rate.map_or(Nanos::ZERO, |rate| Nanos::millis(bytes.saturating_mul(1000) / rate));
            if after > Nanos::ZERO {
                self.space.set_timer(cx, after, 0);
            }
            due.push_back(Due { at: cx.monotonic() + after, object, body });
        }
        cx.mark("storage: objects were prepared");
        task.commit = Some(Arc::new(commit));
        task.stage = Stage::Uploading { due, puts: SortedSet::new() };
        self.put_due(cx, objects);
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
        cx.mark("storage: a commit was asked for");
    }

    fn committed(&mut self, cx: &mut Cx<'_>, link: &mut ControllerLink) {
        let task = self.tasks.pop_front().expect("the head was committed");
        self.events.push_back(UploadEvent::Committed { block: task.block.id, last: task.block.last });
        self.commit_next(cx, link);
        self.prepare_next(cx, link);
    }

    fn not_now(&mut self, cx: &mut Cx<'_>, asked: &Asked, error: ErrorCode) {
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
                    match (asked, &task.stage) {
                        (Asked::Prepare, Stage::Preparing) => task.stage = Stage::Waiting,
                        (Asked::Commit, Stage::Committing) => task.stage = Stage::PutOff,
                        _ => {}
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
    fn write(&self, first: ObjectId, block_bytes: u64) -> (CommitStreamSetObject, Vec<(ObjectId, Blob)>) {
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
            // Contiguous; but for bugs, which are found elsewhere.
            (object, StreamRange { end: ranges[ranges.len() - 1].end, ..ranges[0] })
        });
        let stream_objects = stream_objects.collect();
        let (object, ranges) = set.map_or((None, Vec::new()), |(object, ranges)| (Some(object), ranges));
        (CommitStreamSetObject { object, ranges, stream_objects, compacted: Vec::new() }, bodies)
    }
}
