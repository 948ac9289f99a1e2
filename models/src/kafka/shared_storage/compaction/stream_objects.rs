//! Compaction of stream objects (AutoMQ's `StreamObjectCompactor`, `S3StreamClient`, V0).
//!
//! Once a minute every stream that has been open for a minute is looked at. Objects wholly below its start are dropped. Then,
//! when it is time for it, objects that go on where others end are joined: to 128 MiB each 5 min (`MINOR`), to 10 GiB each
//! 30 min (`MAJOR`); an object that is too large already stays. Blocks below the stream's start are left out.
//!
//! One thing at a time, under the epoch in which the stream was opened. It ends when the stream is closed, or the commit is
//! refused.

use super::super::object_format::ObjectWriter;
use super::super::objects::{ObjectAnswer, ObjectCall, Objects};
use super::super::{Identity, StorageOptions};
use super::ABANDONED;
use super::rewrite::{Rewrite, Source, Step};
use crate::kafka::broker::link::{ControllerLink, Ticket};
use crate::kafka::ids::{ObjectId, StreamEpoch, StreamId};
use crate::kafka::metadata::{ClusterImage, StreamImage, StreamRange, StreamState};
use crate::kafka::protocol::ErrorCode;
use crate::kafka::protocol::controller::{CommitStreamObject, ControllerAnswer, NewObject, StorageRequest};
use crate::world::Cx;
use std::collections::VecDeque;
use wavetank_sim::{Nanos, SortedMap};

/// Sources of one object, or of one clean-up.
const GROUP_MAX: usize = 5_000;
/// How long a prepared object may wait for its commit.
const TTL: Nanos = Nanos::secs(60 * 60);
/// Streams that were opened together are not compacted together: their first intervals are up to so much shorter.
const JITTER_PERCENT: u64 = 20;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    CleanUp,
    Minor,
    Major,
}

struct Open {
    epoch: StreamEpoch,
    since: Nanos,
    last_minor: Nanos,
    last_major: Nanos,
    jitter_percent: u64,
    /// It is to begin there.
    trimmed: Option<u64>,
}

/// Objects to be joined.
struct Group {
    stream: StreamId,
    sources: Vec<(ObjectId, u64)>,
    range: StreamRange,
    start_offset: u64,
}

enum Work {
    Dropping(Ticket),
    Joining { rewrite: Box<Rewrite>, group: Group, range: Option<StreamRange> },
}

struct Job {
    stream: StreamId,
    epoch: StreamEpoch,
    work: Work,
}

/// See the [module](self).
pub(super) struct StreamObjects {
    identity: Identity,
    options: StorageOptions,
    open: SortedMap<StreamId, Open>,
    queue: VecDeque<(StreamId, Kind)>,
    groups: VecDeque<Group>,
    job: Option<Job>,
    /// The controller does not take anything from this broker any more.
    is_refused: bool,
}

impl StreamObjects {
    pub(super) fn new(identity: Identity, options: StorageOptions) -> StreamObjects {
        let (open, queue, groups) = (SortedMap::new(), VecDeque::new(), VecDeque::new());
        StreamObjects { identity, options, open, queue, groups, job: None, is_refused: false }
    }

    pub(super) fn opened(&mut self, cx: &mut Cx<'_>, stream: StreamId, epoch: StreamEpoch) {
        let now = cx.monotonic();
        let jitter_percent = cx.random().range(0..JITTER_PERCENT + 1);
        let open = Open { epoch, since: now, last_minor: now, last_major: now, jitter_percent, trimmed: None };
        self.open.insert(stream, open);
    }

    pub(super) fn forget(&mut self, stream: StreamId) {
        self.open.remove(&stream);
        self.queue.retain(|(queued, _)| *queued != stream);
        self.groups.retain(|group| group.stream != stream);
        // What it still gets and puts is nobody's then. A commit that is on its way may be applied: that does no harm.
        self.job.take_if(|job| job.stream == stream);
    }

    pub(super) fn trimmed(&mut self, stream: StreamId, start_offset: u64) {
        if let Some(open) = self.open.get_mut(&stream) {
            open.trimmed = Some(start_offset);
        }
    }

    pub(super) fn image_moved(&mut self, cx: &mut Cx<'_>, link: &mut ControllerLink, objects: &mut Objects) {
        for (stream, open) in &mut self.open {
            let is_there = |at: &mut u64| link.image.streams.get(stream).is_some_and(|image| image.start_offset >= *at);
            if open.trimmed.take_if(is_there).is_some() {
                self.queue.push_back((*stream, Kind::CleanUp));
            }
        }
        self.go_on(cx, link, objects);
    }

    /// Looks at every open stream.
    pub(super) fn scan(&mut self, cx: &mut Cx<'_>, link: &mut ControllerLink, objects: &mut Objects) {
        let (now, options) = (cx.monotonic(), &self.options.compaction);
        for (stream, open) in &mut self.open {
            if now - open.since < options.stream_cooldown || self.queue.iter().any(|(queued, _)| queued == stream) {
                continue;
            }
            let is_due = |last: Nanos, interval: Nanos| {
                let early = Nanos(interval.0 / 100 * if last == open.since { open.jitter_percent } else { 0 });
                now - last >= interval - early
            };
            let kind = if is_due(open.last_major, options.major_interval) {
                (open.last_major, open.last_minor) = (now, now);
                Kind::Major
            } else if is_due(open.last_minor, options.minor_interval) {
                open.last_minor = now;
                Kind::Minor
            } else {
                Kind::CleanUp
            };
            self.queue.push_back((*stream, kind));
        }
        self.go_on(cx, link, objects);
    }

    /// The next thing to do, while nothing is being done.
    fn go_on(&mut self, cx: &mut Cx<'_>, link: &mut ControllerLink, objects: &mut Objects) {
        while self.job.is_none() && !self.is_refused {
            if let Some(group) = self.groups.pop_front() {
                self.join(cx, objects, group);
            } else if let Some((stream, kind)) = self.queue.pop_front() {
                self.plan(cx, link, stream, kind);
            } else {
                return;
            }
        }
    }

    fn plan(&mut self, cx: &mut Cx<'_>, link: &mut ControllerLink, stream: StreamId, kind: Kind) {
        let Some(open) = self.open.get(&stream) else { return };
        let Some(image) = link.image.streams.get(&stream) else { return };
        let is_mine = image.epoch == open.epoch
            && image.state == StreamState::Opened
            && image.owner() == Some(self.identity.broker);
        if !is_mine {
            return;
        }
        let epoch = open.epoch;
        match kind {
            Kind::CleanUp => {}
            Kind::Minor => self.groups.extend(groups(&link.image, stream, image, self.options.compaction.minor_bytes)),
            Kind::Major => self.groups.extend(groups(&link.image, stream, image, self.options.compaction.major_bytes)),
        }
        let below = image.objects.values().take_while(|object| object.end <= image.start_offset);
        let sources: Vec<ObjectId> = below.map(|object| object.object).take(GROUP_MAX).collect();
        if sources.is_empty() {
            return;
        }
        cx.mark("compaction: objects below a stream's start were dropped");
        let commit = CommitStreamObject { object: None, sources, stream, epoch };
        let ticket = link.ask(cx, self.identity.request(StorageRequest::CommitStreamObject(commit)));
        self.job = Some(Job { stream, epoch, work: Work::Dropping(ticket) });
    }

    fn join(&mut self, cx: &mut Cx<'_>, objects: &mut Objects, group: Group) {
        let Some(open) = self.open.get(&group.stream) else { return };
        let (stream, epoch) = (group.stream, open.epoch);
        let namespace = self.options.namespace.clone();
        let rewrite = Rewrite::begin(cx, objects, namespace, self.identity, TTL, group.sources.iter().copied());
        self.job = Some(Job { stream, epoch, work: Work::Joining { rewrite: Box::new(rewrite), group, range: None } });
    }

    pub(super) fn object(
        &mut self,
        cx: &mut Cx<'_>,
        link: &mut ControllerLink,
        objects: &mut Objects,
        call: ObjectCall,
        answer: &ObjectAnswer,
    ) -> bool {
        let Some(Job { work: Work::Joining { rewrite, .. }, .. }) = &mut self.job else { return false };
        let Some(step) = rewrite.object(cx, objects, call, answer) else { return false };
        self.stepped(cx, link, objects, step);
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
        let step = match self.job.as_mut().map(|job| &mut job.work) {
            Some(Work::Dropping(asked)) if *asked == ticket => {
                Some(Step::Committed(result.as_ref().map(|_| ()).map_err(|error| *error)))
            }
            Some(Work::Joining { rewrite, .. }) => match rewrite.answered(cx, objects, ticket, result) {
                Some(step) => step,
                None => return false,
            },
            Some(Work::Dropping(_)) | None => return false,
        };
        self.stepped(cx, link, objects, step);
        true
    }

    fn stepped(&mut self, cx: &mut Cx<'_>, link: &mut ControllerLink, objects: &mut Objects, step: Option<Step>) {
        let mut next = step;
        while let Some(step) = next.take() {
            match step {
                Step::Read(sources) => next = self.write(cx, link, &sources),
                Step::Written(written) => self.commit(cx, link, &written),
                Step::Committed(result) => {
                    self.ended(cx, result);
                    self.go_on(cx, link, objects);
                }
                Step::Failed => {
                    cx.mark(ABANDONED);
                    self.job = None;
                    self.go_on(cx, link, objects);
                }
            }
        }
    }

    fn write(&mut self, cx: &mut Cx<'_>, link: &mut ControllerLink, sources: &[Source]) -> Option<Step> {
        let Some(Job { work: Work::Joining { rewrite, group, range }, .. }) = &mut self.job else { return None };
        let mut writer = ObjectWriter::of_compaction(self.options.block_bytes, self.options.mutant);
        let mut kept: Option<StreamRange> = None;
        for block in sources.iter().flat_map(|source| &source.blocks) {
            if block.index.range.end <= group.start_offset {
                continue;
            }
            let follows_on = kept.is_none_or(|kept| kept.end == block.index.range.start);
            if block.index.range.stream != group.stream || !follows_on {
                return Some(Step::Failed);
            }
            kept.get_or_insert(block.index.range).end = block.index.range.end;
            writer.push_block(&block.index, &block.bytes);
        }
        // Sanity: all that the sources had and that is not trimmed is there.
        let wanted = group.range.start.max(group.start_offset)..group.range.end;
        if !kept.is_some_and(|kept| kept.start <= wanted.start && kept.end == wanted.end) {
            return Some(Step::Failed);
        }
        *range = kept;
        rewrite.write(cx, link, vec![writer.finish().0])
    }

    fn commit(&mut self, cx: &mut Cx<'_>, link: &mut ControllerLink, written: &[NewObject]) {
        let Some(Job { stream, epoch, work: Work::Joining { rewrite, group, range } }) = &mut self.job else { return };
        let sources = group.sources.iter().map(|(object, _)| *object).collect();
        let range = range.expect("it was written");
        let commit = CommitStreamObject { object: Some((written[0], range)), sources, stream: *stream, epoch: *epoch };
        rewrite.commit(cx, link, StorageRequest::CommitStreamObject(commit));
    }

    fn ended(&mut self, cx: &mut Cx<'_>, result: Result<(), ErrorCode>) {
        let was_joining = self.job.take().is_some_and(|job| matches!(job.work, Work::Joining { .. }));
        match result {
            Ok(()) if was_joining => cx.mark("compaction: stream objects were joined"),
            Ok(()) => {}
            // An earlier sending of it was applied.
            Err(ErrorCode::CompactedObjectsNotFound) if !was_joining => {}
            Err(error) => {
                cx.mark(ABANDONED);
                self.is_refused |= super::is_final(error);
            }
        }
    }
}

/// Contiguous objects that make up to so many bytes.
fn groups(image: &ClusterImage, stream: StreamId, of: &StreamImage, bytes_max: u64) -> Vec<Group> {
    let mut groups = Vec::new();
    let mut group: Option<(Group, u64)> = None;
    let start_offset = of.start_offset;
    let mut close = |group: Option<(Group, u64)>| groups.extend(group.map(|g| g.0).filter(|g| g.sources.len() > 1));
    for (start, object) in of.objects.iter().filter(|(_, object)| object.end > start_offset) {
        let Some(size) = image.object_size(object.object) else { continue };
        let fits = group.as_ref().is_some_and(|(group, bytes)| {
            group.range.end == *start && bytes + size <= bytes_max && group.sources.len() < GROUP_MAX
        });
        if !fits {
            close(group.take());
        }
        let range = StreamRange { stream, start: *start, end: *start };
        let empty = (Group { stream, sources: Vec::new(), range, start_offset }, 0);
        let (open, bytes) = group.get_or_insert(empty);
        open.sources.push((object.object, size));
        open.range.end = object.end;
        *bytes += size;
    }
    close(group.take());
    groups
}
