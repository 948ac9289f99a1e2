//! Objects in, objects out: what both compactions do, step by step.
//!
//! 1. Read the sources, one after the other, in pieces of a part's size.
//! 2. The plan makes bodies of their blocks.
//! 3. Prepare ids, put.
//! 4. The plan says what to commit; commit it.
//!
//! A source that is not there, or is no object, ends it.

use super::super::Identity;
use super::super::network::TrafficClass;
use super::super::object_format::{BlockIndex, FOOTER_BYTES, Malformed, decode_footer, decode_index, object_key};
use super::super::objects::{ObjectAnswer, ObjectCall, Objects};
use crate::blob::Blob;
use crate::cloud::object_store::ByteRange;
use crate::kafka::broker::link::{ControllerLink, Ticket};
use crate::kafka::ids::ObjectId;
use crate::kafka::protocol::ErrorCode;
use crate::kafka::protocol::controller::{ControllerAnswer, NewObject, StorageRequest};
use crate::world::Cx;
use std::collections::VecDeque;
use std::sync::Arc;
use wavetank_sim::{Nanos, SortedMap, SortedSet};

/// Bytes that are read with one request.
const PIECE: u64 = 16 << 20;

/// A block of a source.
#[derive(Clone, Debug)]
pub(super) struct Block {
    pub(super) index: BlockIndex,
    pub(super) bytes: Blob,
}

/// A source, read.
#[derive(Clone, Debug)]
pub(super) struct Source {
    pub(super) object: ObjectId,
    pub(super) blocks: Vec<Block>,
}

/// What a rewrite says.
pub(super) enum Step {
    /// All sources are read: [`Rewrite::write`] follows.
    Read(Vec<Source>),
    /// What was to be written is in the store, under these ids: [`Rewrite::commit`] follows.
    Written(Vec<NewObject>),
    /// The controller's answer to the commit: the end.
    Committed(Result<(), ErrorCode>),
    /// It cannot go on: the end.
    Failed,
}

enum Stage {
    Reading,
    Preparing(Ticket, Vec<Blob>),
    Writing(SortedSet<ObjectCall>, Vec<NewObject>),
    Committing(Ticket),
    /// The plan's turn, or the end.
    Idle,
}

struct Reading {
    object: ObjectId,
    calls: SortedMap<ObjectCall, usize>,
    pieces: Vec<Option<Blob>>,
}

/// See the [module](self).
pub(super) struct Rewrite {
    namespace: Arc<str>,
    identity: Identity,
    ttl: Nanos,
    left: VecDeque<(ObjectId, u64)>,
    reading: Option<Reading>,
    sources: Vec<Source>,
    stage: Stage,
}

impl Rewrite {
    /// Begins to read sources of these sizes. Objects that are prepared and not committed by then are dropped.
    pub(super) fn begin(
        cx: &mut Cx<'_>,
        objects: &mut Objects,
        namespace: Arc<str>,
        identity: Identity,
        ttl: Nanos,
        sources: impl IntoIterator<Item = (ObjectId, u64)>,
    ) -> Rewrite {
        let left: VecDeque<(ObjectId, u64)> = sources.into_iter().collect();
        assert!(!left.is_empty(), "a rewrite has sources");
        let (reading, sources, stage) = (None, Vec::new(), Stage::Reading);
        let mut rewrite = Rewrite { namespace, identity, ttl, left, reading, sources, stage };
        rewrite.read_next(cx, objects);
        rewrite
    }

    fn read_next(&mut self, cx: &mut Cx<'_>, objects: &mut Objects) {
        let Some((object, size)) = self.left.pop_front() else { return };
        let key = object_key(&self.namespace, object);
        let mut reading = Reading { object, calls: SortedMap::new(), pieces: Vec::new() };
        for first in (0..size).step_by(PIECE as usize) {
            let range = ByteRange::Span { first, last: (first + PIECE).min(size) - 1 };
            let call = objects.get(cx, TrafficClass::Compaction, key.clone(), range);
            reading.calls.insert(call, reading.pieces.len());
            reading.pieces.push(None);
        }
        self.reading = Some(reading);
    }

    /// Whether that get or put is this rewrite's, and what comes of it.
    pub(super) fn object(
        &mut self,
        cx: &mut Cx<'_>,
        objects: &mut Objects,
        call: ObjectCall,
        answer: &ObjectAnswer,
    ) -> Option<Option<Step>> {
        if let Stage::Writing(puts, written) = &mut self.stage {
            if !puts.remove(&call) {
                return None;
            }
            let written = puts.is_empty().then(|| std::mem::take(written));
            return Some(written.map(|written| self.is_written(written)));
        }
        let reading = self.reading.as_mut()?;
        let piece = reading.calls.remove(&call)?;
        let ObjectAnswer::Got(bytes) = answer else {
            self.reading = None;
            self.stage = Stage::Idle;
            return Some(Some(Step::Failed));
        };
        reading.pieces[piece] = Some(bytes.clone());
        Some(if reading.calls.is_empty() { self.one_is_read(cx, objects) } else { None })
    }

    fn one_is_read(&mut self, cx: &mut Cx<'_>, objects: &mut Objects) -> Option<Step> {
        let reading = self.reading.take().expect("one was being read");
        let mut whole = Blob::new();
        reading.pieces.iter().flatten().for_each(|piece| whole.append(piece));
        match blocks_of(&whole) {
            Ok(blocks) => self.sources.push(Source { object: reading.object, blocks }),
            Err(malformed) => {
                cx.fail(format!("committed object {}: {malformed}", reading.object));
                self.stage = Stage::Idle;
                return Some(Step::Failed);
            }
        }
        self.read_next(cx, objects);
        if self.reading.is_some() {
            return None;
        }
        self.stage = Stage::Idle;
        Some(Step::Read(std::mem::take(&mut self.sources)))
    }

    fn is_written(&mut self, written: Vec<NewObject>) -> Step {
        self.stage = Stage::Idle;
        Step::Written(written)
    }

    /// Writes objects. With none there is nothing to wait for.
    pub(super) fn write(&mut self, cx: &mut Cx<'_>, link: &mut ControllerLink, bodies: Vec<Blob>) -> Option<Step> {
        if bodies.is_empty() {
            return Some(self.is_written(Vec::new()));
        }
        let request = StorageRequest::PrepareObjects { count: bodies.len() as u32, ttl: self.ttl };
        let ticket = link.ask(cx, self.identity.request(request));
        self.stage = Stage::Preparing(ticket, bodies);
        None
    }

    /// Commits.
    pub(super) fn commit(&mut self, cx: &mut Cx<'_>, link: &mut ControllerLink, request: StorageRequest) {
        self.stage = Stage::Committing(link.ask(cx, self.identity.request(request)));
    }

    /// Whether that answer is to this rewrite, and what comes of it.
    pub(super) fn answered(
        &mut self,
        cx: &mut Cx<'_>,
        objects: &mut Objects,
        ticket: Ticket,
        result: &Result<ControllerAnswer, ErrorCode>,
    ) -> Option<Option<Step>> {
        match &mut self.stage {
            Stage::Preparing(asked, bodies) if *asked == ticket => {
                let Ok(ControllerAnswer::Objects(first)) = result else {
                    self.stage = Stage::Idle;
                    return Some(Some(Step::Failed));
                };
                let (mut puts, mut written) = (SortedSet::new(), Vec::new());
                for (id, body) in (first.0..).map(ObjectId).zip(std::mem::take(bodies)) {
                    written.push(NewObject { id, size: body.len() });
                    puts.insert(objects.put(cx, TrafficClass::Compaction, object_key(&self.namespace, id), body));
                }
                self.stage = Stage::Writing(puts, written);
                Some(None)
            }
            Stage::Committing(asked) if *asked == ticket => {
                self.stage = Stage::Idle;
                let result = match result {
                    Ok(_) | Err(ErrorCode::RedundantOperation) => Ok(()),
                    Err(error) => Err(*error),
                };
                Some(Some(Step::Committed(result)))
            }
            Stage::Reading | Stage::Preparing(..) | Stage::Writing(..) | Stage::Committing(_) | Stage::Idle => None,
        }
    }
}

/// The blocks of a whole object.
fn blocks_of(whole: &Blob) -> Result<Vec<Block>, Malformed> {
    const WHAT: Malformed = Malformed { what: "index" };
    let (position, size) = decode_footer(whole)?;
    let end = position + u64::from(size);
    if end + FOOTER_BYTES != whole.len() {
        return Err(WHAT);
    }
    let index = decode_index(&whole.slice(position..end))?;
    let block = |index: BlockIndex| {
        let end = index.position + u64::from(index.size);
        let is_inside = end <= position;
        is_inside.then(|| Block { index, bytes: whole.slice(index.position..end) }).ok_or(WHAT)
    };
    index.into_iter().map(block).collect()
}
