//! Compaction of stream-set objects (AutoMQ's `CompactionManager`, `CompactionAnalyzer`).
//!
//! A run, in order:
//! 1. Take a snapshot of the image, **once**: this broker's own stream-set objects, at most 500 from the oldest on, and where
//!    the streams in them begin. Two looks at an image that moves in between would see streams without their objects, or
//!    objects without their streams (#2653).
//! 2. Choose: objects that share a stream with another one, those of which nothing is needed any more, and those that are
//!    older than the forced split.
//! 3. Read them. Data of streams that do not exist, or below a stream's start, is left out. Pieces of a stream that overlap
//!    mean that something is very wrong: the whole plan is abandoned.
//! 4. A stream with more than the split size, with holes, or of an object that is to be split goes into stream objects, one
//!    for each contiguous piece; the others share one stream-set object.
//! 5. Check that what is written covers what was read; commit all at once.
//!
//! Simpler than reality: an object's age counts from when this process saw it first, so a restart puts forced splits off.

use super::super::mutant::StorageMutant;
use super::super::object_format::ObjectWriter;
use super::super::objects::{ObjectAnswer, ObjectCall, Objects};
use super::super::{Identity, StorageOptions};
use super::ABANDONED;
use super::rewrite::{Block, Rewrite, Source, Step};
use crate::kafka::broker::link::{ControllerLink, Ticket};
use crate::kafka::ids::{ObjectId, StreamId};
use crate::kafka::metadata::{ClusterImage, StreamRange};
use crate::kafka::protocol::ErrorCode;
use crate::kafka::protocol::controller::{CommitStreamSetObject, ControllerAnswer, NewObject, StorageRequest};
use crate::world::Cx;
use std::sync::Arc;
use wavetank_sim::{Nanos, SortedMap, SortedSet};

/// How long a prepared object may wait for its commit.
const TTL: Nanos = Nanos::secs(24 * 60 * 60);

/// A stream-set object of the snapshot.
#[derive(Clone, Debug)]
pub(super) struct Candidate {
    pub(super) object: ObjectId,
    pub(super) size: u64,
    pub(super) order: ObjectId,
    pub(super) ranges: Arc<[StreamRange]>,
}

/// What a run knows of the cluster.
#[derive(Clone, Debug)]
pub(super) struct Snapshot {
    pub(super) sets: Vec<Candidate>,
    /// Where streams begin; a stream that is not here does not exist.
    pub(super) starts: SortedMap<StreamId, u64>,
}

impl Snapshot {
    fn take(cx: &mut Cx<'_>, image: &ClusterImage, who: Identity, mutant: Option<StorageMutant>) -> Snapshot {
        let own = image.stream_set_objects.iter().filter(|(_, set)| set.broker == who.broker);
        let candidate = own.filter_map(|(object, set)| {
            let size = image.object_size(*object)?;
            Some(Candidate { object: *object, size, order: set.order, ranges: set.ranges.clone() })
        });
        let mut sets: Vec<Candidate> = candidate.collect();
        sets.sort_by_key(|set| (set.order, set.object));
        let mut starts: SortedMap<StreamId, u64> =
            image.streams.iter().map(|(stream, image)| (*stream, image.start_offset)).collect();
        if mutant == Some(StorageMutant::TornImageRead) && cx.random().ratio(1, 4) {
            // The rest of the list was being written.
            let seen = cx.random().index(starts.len() + 1);
            starts = starts.into_iter().take(seen).collect();
        }
        Snapshot { sets, starts }
    }

    /// What of a range is still needed.
    fn live(&self, range: &StreamRange) -> Option<StreamRange> {
        let start = *self.starts.get(&range.stream)?;
        (range.end > start).then(|| StreamRange { start: range.start.max(start), ..*range })
    }

    /// Drops the candidates that need not be touched.
    pub(super) fn choose(&mut self, is_split: impl Fn(ObjectId) -> bool) {
        let mut holders: SortedMap<StreamId, u32> = SortedMap::new();
        for set in &self.sets {
            let streams: SortedSet<StreamId> =
                set.ranges.iter().filter_map(|range| self.live(range)).map(|range| range.stream).collect();
            streams.into_iter().for_each(|stream| *holders.entry(stream).or_default() += 1);
        }
        let is_chosen = |set: &Candidate| {
            let mut live = set.ranges.iter().filter_map(|range| self.live(range)).peekable();
            live.peek().is_none() || is_split(set.object) || live.any(|range| holders[&range.stream] > 1)
        };
        let chosen = self.sets.iter().filter(|set| is_chosen(set)).cloned().collect();
        self.sets = chosen;
    }

    /// Whether two candidates claim the same offset of a stream.
    pub(super) fn has_overlaps(&self) -> bool {
        let mut ranges: Vec<&StreamRange> = self.sets.iter().flat_map(|set| set.ranges.iter()).collect();
        ranges.sort_unstable();
        ranges.windows(2).any(|pair| pair[0].stream == pair[1].stream && pair[0].end > pair[1].start)
    }
}

/// What goes where.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// Of the stream-set object, ascending.
    pub(super) shared: Vec<Vec<Block>>,
    /// Of stream objects, one each.
    pub(super) own: Vec<Vec<Block>>,
}

impl Outcome {
    /// Sorts blocks out; `None` when they contradict each other.
    pub(super) fn of(
        snapshot: &Snapshot,
        sources: Vec<Source>,
        split_bytes: u64,
        split: &SortedSet<ObjectId>,
    ) -> Option<Outcome> {
        let mut streams: SortedMap<StreamId, (Vec<Block>, bool)> = SortedMap::new();
        for source in sources {
            let is_split = split.contains(&source.object);
            for block in source.blocks {
                if snapshot.live(&block.index.range).is_some() {
                    let (blocks, own) = streams.entry(block.index.range.stream).or_default();
                    *own |= is_split;
                    blocks.push(block);
                }
            }
        }
        let mut outcome = Outcome::default();
        for (mut blocks, is_split) in streams.into_values() {
            blocks.sort_by_key(|block| block.index.range.start);
            let pieces = pieces(blocks)?;
            let bytes: u64 = pieces.iter().flatten().map(|block| u64::from(block.index.size)).sum();
            if is_split || pieces.len() > 1 || bytes > split_bytes {
                outcome.own.extend(pieces);
            } else {
                outcome.shared.extend(pieces);
            }
        }
        Some(outcome)
    }

    /// What is to be in the stream-set object.
    pub(super) fn shared_ranges(&self) -> Vec<StreamRange> {
        self.shared.iter().map(|blocks| range_of(blocks)).collect()
    }

    /// What is to be in stream objects.
    pub(super) fn own_ranges(&self) -> Vec<StreamRange> {
        self.own.iter().map(|blocks| range_of(blocks)).collect()
    }

    /// Whether all that the sources have and that is still needed is there.
    pub(super) fn covers(&self, snapshot: &Snapshot) -> bool {
        let ranges: Vec<StreamRange> = self.shared_ranges().into_iter().chain(self.own_ranges()).collect();
        let is_covered = |wanted: StreamRange| {
            ranges
                .iter()
                .any(|range| range.stream == wanted.stream && range.start <= wanted.start && wanted.end <= range.end)
        };
        snapshot.sets.iter().flat_map(|set| set.ranges.iter()).filter_map(|range| snapshot.live(range)).all(is_covered)
    }
}

/// Blocks of a stream, by start offset, as contiguous pieces; `None` when some overlap.
fn pieces(blocks: Vec<Block>) -> Option<Vec<Vec<Block>>> {
    let mut pieces: Vec<Vec<Block>> = Vec::new();
    for block in blocks {
        let last = pieces.last().and_then(|piece| piece.last()).map(|last| last.index.range.end);
        match last {
            Some(end) if block.index.range.start < end => return None,
            Some(end) if block.index.range.start == end => pieces.last_mut().expect("it has a last one").push(block),
            Some(_) | None => pieces.push(vec![block]),
        }
    }
    Some(pieces)
}

fn range_of(blocks: &[Block]) -> StreamRange {
    let (first, last) = (blocks[0].index.range, blocks[blocks.len() - 1].index.range);
    StreamRange { end: last.end, ..first }
}

struct Job {
    snapshot: Snapshot,
    split: SortedSet<ObjectId>,
    rewrite: Rewrite,
    has_shared: bool,
    shared: Vec<StreamRange>,
    own: Vec<StreamRange>,
}

/// See the [module](self).
pub(super) struct StreamSets {
    identity: Identity,
    options: StorageOptions,
    seen: SortedMap<ObjectId, Nanos>,
    job: Option<Job>,
    began: Nanos,
    has_ended: bool,
    is_refused: bool,
}

impl StreamSets {
    pub(super) fn new(identity: Identity, options: StorageOptions) -> StreamSets {
        StreamSets {
            identity,
            options,
            seen: SortedMap::new(),
            job: None,
            began: Nanos::ZERO,
            has_ended: false,
            is_refused: false,
        }
    }

    /// When the run began that has ended, once.
    pub(super) fn take_ended(&mut self) -> Option<Nanos> {
        std::mem::take(&mut self.has_ended).then_some(self.began)
    }

    /// Begins a run.
    pub(super) fn run(&mut self, cx: &mut Cx<'_>, link: &ControllerLink, objects: &mut Objects) {
        assert!(self.job.is_none(), "the next run is due after this one");
        self.began = cx.monotonic();
        if self.is_refused {
            return;
        }
        let mut snapshot = Snapshot::take(cx, &link.image, self.identity, self.options.mutant);
        let split = self.too_old(&snapshot, self.began);
        snapshot.sets.truncate(self.options.compaction.set_objects_max);
        snapshot.choose(|object| split.contains(&object));
        if snapshot.sets.is_empty() {
            self.has_ended = true;
        } else if snapshot.has_overlaps() {
            self.abandon(cx);
        } else {
            let sources: Vec<(ObjectId, u64)> = snapshot.sets.iter().map(|set| (set.object, set.size)).collect();
            let namespace = self.options.namespace.clone();
            let rewrite = Rewrite::begin(cx, objects, namespace, self.identity, TTL, sources);
            let (shared, own) = (Vec::new(), Vec::new());
            self.job = Some(Job { snapshot, split, rewrite, has_shared: false, shared, own });
        }
    }

    /// Objects that are to be split up.
    fn too_old(&mut self, snapshot: &Snapshot, now: Nanos) -> SortedSet<ObjectId> {
        let known: SortedSet<ObjectId> = snapshot.sets.iter().map(|set| set.object).collect();
        self.seen.retain(|object, _| known.contains(object));
        let force_split = self.options.compaction.set_force_split;
        known.into_iter().filter(|object| now - *self.seen.entry(*object).or_insert(now) >= force_split).collect()
    }

    fn abandon(&mut self, cx: &mut Cx<'_>) {
        cx.mark(ABANDONED);
        self.job = None;
        self.has_ended = true;
    }

    pub(super) fn object(
        &mut self,
        cx: &mut Cx<'_>,
        link: &mut ControllerLink,
        objects: &mut Objects,
        call: ObjectCall,
        answer: &ObjectAnswer,
    ) -> bool {
        let Some(job) = &mut self.job else { return false };
        let Some(step) = job.rewrite.object(cx, objects, call, answer) else { return false };
        self.stepped(cx, link, step);
        true
    }

    pub(super) fn answered(
        &mut self,
        cx: &mut Cx<'_>,
        link: &mut ControllerLink,
        objects: &mut Objects,
        ticket: Ticket,
        result: &Result<ControllerAnswer, ErrorCode>,
    ) -> bool {
        let Some(job) = &mut self.job else { return false };
        let Some(step) = job.rewrite.answered(cx, objects, ticket, result) else { return false };
        self.stepped(cx, link, step);
        true
    }

    fn stepped(&mut self, cx: &mut Cx<'_>, link: &mut ControllerLink, step: Option<Step>) {
        let mut next = step;
        while let Some(step) = next.take() {
            match step {
                Step::Read(sources) => next = self.write(cx, link, sources),
                Step::Written(written) => self.commit(cx, link, &written),
                Step::Committed(result) => self.ended(cx, result),
                Step::Failed => self.abandon(cx),
            }
        }
    }

    fn write(&mut self, cx: &mut Cx<'_>, link: &mut ControllerLink, sources: Vec<Source>) -> Option<Step> {
        let job = self.job.as_mut().expect("it goes on");
        let split_bytes = self.options.compaction.set_split_bytes;
        let outcome = Outcome::of(&job.snapshot, sources, split_bytes, &job.split);
        let Some(outcome) = outcome.filter(|outcome| outcome.covers(&job.snapshot)) else { return Some(Step::Failed) };
        (job.shared, job.own) = (outcome.shared_ranges(), outcome.own_ranges());
        job.has_shared = !outcome.shared.is_empty();
        let body = |pieces: &mut dyn Iterator<Item = &Vec<Block>>| {
            let mut writer = ObjectWriter::of_compaction(self.options.block_bytes, self.options.mutant);
            pieces.flatten().for_each(|block| writer.push_block(&block.index, &block.bytes));
            writer.finish().0
        };
        let mut bodies = Vec::new();
        if job.has_shared {
            bodies.push(body(&mut outcome.shared.iter()));
        }
        bodies.extend(outcome.own.iter().map(|piece| body(&mut std::iter::once(piece))));
        job.rewrite.write(cx, link, bodies)
    }

    fn commit(&mut self, cx: &mut Cx<'_>, link: &mut ControllerLink, written: &[NewObject]) {
        let job = self.job.as_mut().expect("it goes on");
        let (object, own) = match job.has_shared {
            true => (Some(written[0]), &written[1..]),
            false => (None, written),
        };
        let commit = CommitStreamSetObject {
            object,
            ranges: std::mem::take(&mut job.shared),
            stream_objects: own.iter().copied().zip(std::mem::take(&mut job.own)).collect(),
            compacted: job.snapshot.sets.iter().map(|set| set.object).collect(),
        };
        job.rewrite.commit(cx, link, StorageRequest::CommitStreamSetObject(Arc::new(commit)));
    }

    fn ended(&mut self, cx: &mut Cx<'_>, result: Result<(), ErrorCode>) {
        match result {
            Ok(()) => {
                cx.mark("compaction: stream-set objects were compacted");
                self.job = None;
                self.has_ended = true;
            }
            Err(error) => {
                self.is_refused |= super::is_final(error);
                self.abandon(cx);
            }
        }
    }
}
