//! Commits of objects, in the order of checks of `StreamControlManager#commitStreamSetObject`:
//!
//! 1. the node's epoch;
//! 2. the objects: prepared; *committed already is success*, anything else `OBJECT_NOT_EXIST`;
//! 3. the objects that a compaction replaces: `COMPACTED_OBJECTS_NOT_FOUND`;
//! 4. of an upload, that each stream goes on where it ends: at its owner, open; or is what a fast close left to this broker;
//! 5. all records in one entry.

use super::super::draft::Draft;
use super::super::mutant::ControllerMutant;
use super::super::object_control::{self, Commitment};
use super::{Identity, check_node, check_owner};
use crate::kafka::ids::{ObjectId, StreamId};
use crate::kafka::metadata::{ClusterImage, MetadataRecord, StreamRange, StreamState};
use crate::kafka::protocol::ErrorCode;
use crate::kafka::protocol::controller::{CommitStreamObject, CommitStreamSetObject, ControllerAnswer, NewObject};
use crate::probe::Probe;
use wavetank_sim::SortedMap;

const RETRIED: &str = "controller: a commit was retried after it was applied";
const OLD_EPOCH: &str = "controller: an old epoch's commit was refused";

/// Where streams end after a commit, and what fast closes then still leave to do.
#[derive(Default)]
struct Continued {
    ends: SortedMap<StreamId, u64>,
    left: SortedMap<StreamId, StreamRange>,
}

fn check_commit_node(draft: &mut Draft<'_>, who: Identity) -> Result<(), ErrorCode> {
    if draft.is_mutant(ControllerMutant::NoNodeEpochCheck) {
        return Ok(());
    }
    check_node(draft, who).inspect_err(|error| {
        if *error == ErrorCode::NodeEpochExpired || *error == ErrorCode::NodeFenced {
            draft.marks.push(OLD_EPOCH);
        }
    })
}

/// Objects with the tail of streams, or what a compaction made of a broker's stream-set objects.
pub(in super::super) fn commit_stream_set_object(
    draft: &mut Draft<'_>,
    who: Identity,
    commit: &CommitStreamSetObject,
) -> Result<ControllerAnswer, ErrorCode> {
    check_commit_node(draft, who)?;
    let result = commit_checked(draft, who, commit);
    let objects = commit.object.iter().chain(commit.stream_objects.iter().map(|(object, _)| object));
    if result.is_err() {
        tell_refused_after_applied(draft, objects.map(|object| object.id));
    }
    result
}

/// Whoever may commit, but is refused what has been applied, takes it for lost.
fn tell_refused_after_applied(draft: &mut Draft<'_>, objects: impl Iterator<Item = ObjectId>) {
    let applied = objects.filter(|object| draft.image().object_size(*object).is_some());
    let probes: Vec<Probe> = applied.map(|object| Probe::CommitRefusedAfterApplied { object }).collect();
    draft.probes.extend(probes);
}

fn commit_checked(
    draft: &mut Draft<'_>,
    who: Identity,
    commit: &CommitStreamSetObject,
) -> Result<ControllerAnswer, ErrorCode> {
    let is_compaction = !commit.compacted.is_empty();
    let pieces = || commit.ranges.iter().chain(commit.stream_objects.iter().map(|(_, range)| range));
    let mut continued = Continued::default();
    if !is_compaction && draft.is_mutant(ControllerMutant::ContinuityBeforeRedundancy) {
        continued = check_continuous(draft.image(), who, pieces())?;
    }
    let objects = || commit.object.iter().chain(commit.stream_objects.iter().map(|(object, _)| object));
    // All of a commit is one entry: where one object was committed, all were, though others may be gone since.
    let checked: Vec<_> = objects().map(|object| object_control::check_commit(draft.image(), object.id)).collect();
    if checked.contains(&Ok(Commitment::Redundant)) {
        draft.marks.push(RETRIED);
        return Ok(ControllerAnswer::Done);
    }
    checked.into_iter().collect::<Result<Vec<_>, _>>()?;
    let order = check_compacted(draft.image(), &commit.compacted)?;
    if pieces().any(|range| !draft.image().streams.contains_key(&range.stream)) {
        return Err(ErrorCode::StreamNotExist);
    }
    if !is_compaction && !draft.is_mutant(ControllerMutant::ContinuityBeforeRedundancy) {
        continued = check_continuous(draft.image(), who, pieces())?;
    }
    if is_compaction && draft.is_mutant(ControllerMutant::CompactionSetsEndOffset) {
        continued.ends = pieces().map(|range| (range.stream, range.end)).collect();
    }
    write(draft, who, commit, order, continued);
    Ok(ControllerAnswer::Done)
}

/// What a compaction replaces must be there; the order of the earliest of it.
fn check_compacted(image: &ClusterImage, compacted: &[ObjectId]) -> Result<Option<ObjectId>, ErrorCode> {
    let mut order = None;
    for object in compacted {
        let set = image.stream_set_objects.get(object).ok_or(ErrorCode::CompactedObjectsNotFound)?;
        order = Some(order.map_or(set.order, |order: ObjectId| order.min(set.order)));
    }
    Ok(order)
}

fn check_continuous<'a>(
    image: &ClusterImage,
    who: Identity,
    pieces: impl Iterator<Item = &'a StreamRange>,
) -> Result<Continued, ErrorCode> {
    let mut pieces: Vec<StreamRange> = pieces.copied().collect();
    pieces.sort_unstable();
    let mut continued = Continued::default();
    for piece in pieces {
        if piece.start >= piece.end {
            return Err(ErrorCode::InvalidRequest);
        }
        continue_stream(image, who, piece, &mut continued)?;
    }
    Ok(continued)
}

fn continue_stream(
    image: &ClusterImage,
    who: Identity,
    piece: StreamRange,
    continued: &mut Continued,
) -> Result<(), ErrorCode> {
    let stream = image.streams.get(&piece.stream).ok_or(ErrorCode::StreamNotExist)?;
    let known = image.uncommitted.get(&(who.broker, piece.stream));
    if let Some(left) = continued.left.get(&piece.stream).or(known).copied() {
        // As below: what was trimmed before the close is owed from the stream's start on, and what comes may begin before.
        let is_trimmed_ahead = piece.start < left.start && left.start <= stream.start_offset;
        if (piece.start != left.start && !is_trimmed_ahead) || piece.end > left.end {
            return Err(ErrorCode::OffsetNotMatched);
        }
        continued.left.insert(piece.stream, StreamRange { start: left.start.max(piece.end), ..left });
        return Ok(());
    }
    if stream.owner() != Some(who.broker) {
        return Err(ErrorCode::StreamFenced);
    }
    if stream.state != StreamState::Opened {
        return Err(ErrorCode::StreamNotOpened);
    }
    let end = continued.ends.get(&piece.stream).copied().unwrap_or(stream.end_offset);
    // Trimmed beyond what was in objects: the stream begins and ends there, and what comes may begin before.
    let is_trimmed_ahead = end == stream.start_offset && piece.start < end;
    if piece.start != end && !is_trimmed_ahead {
        return Err(ErrorCode::OffsetNotMatched);
    }
    continued.ends.insert(piece.stream, end.max(piece.end));
    Ok(())
}

fn write(
    draft: &mut Draft<'_>,
    who: Identity,
    commit: &CommitStreamSetObject,
    order: Option<ObjectId>,
    continued: Continued,
) {
    for object in &commit.compacted {
        draft.push(MetadataRecord::RemoveStreamSetObject(*object));
        object_control::mark_destroyed(draft, *object);
    }
    if let Some(NewObject { id, size }) = commit.object {
        object_control::commit(draft, id, size);
        let (order, ranges) = (order.unwrap_or(id), commit.ranges.clone());
        draft.push(MetadataRecord::StreamSetObject { object: id, broker: who.broker, order, ranges });
    }
    for (NewObject { id, size }, range) in &commit.stream_objects {
        object_control::commit(draft, *id, *size);
        draft.push(MetadataRecord::StreamObject { object: *id, range: *range });
    }
    if !continued.ends.is_empty() {
        draft.push(MetadataRecord::StreamEndOffsets(continued.ends.into_iter().collect()));
    }
    for range in continued.left.into_values() {
        draft.push(MetadataRecord::WalUncommitted { broker: who.broker, range });
    }
}

/// A stream object in the place of others of its stream; or only their end, when the stream begins after them.
pub(in super::super) fn commit_stream_object(
    draft: &mut Draft<'_>,
    who: Identity,
    commit: &CommitStreamObject,
) -> Result<ControllerAnswer, ErrorCode> {
    check_commit_node(draft, who)?;
    let stream = commit.stream;
    check_owner(draft.image(), who.broker, stream, commit.epoch)?;
    if let Some((object, _)) = &commit.object
        && object_control::check_commit(draft.image(), object.id)? == Commitment::Redundant
    {
        draft.marks.push(RETRIED);
        return Ok(ControllerAnswer::Done);
    }
    if commit.object.is_some_and(|(_, range)| range.stream != stream) {
        return Err(ErrorCode::InvalidRequest);
    }
    let image = &draft.image().streams[&stream];
    for source in &commit.sources {
        let found = image.objects.values().find(|object| object.object == *source);
        let found = found.ok_or(ErrorCode::CompactedObjectsNotFound)?;
        if commit.object.is_none() && found.end > image.start_offset {
            return Err(ErrorCode::InvalidRequest);
        }
    }
    for source in &commit.sources {
        draft.push(MetadataRecord::RemoveStreamObject { stream, object: *source });
        object_control::mark_destroyed(draft, *source);
    }
    if let Some((NewObject { id, size }, range)) = commit.object {
        object_control::commit(draft, id, size);
        draft.push(MetadataRecord::StreamObject { object: id, range });
    }
    Ok(ControllerAnswer::Done)
}
