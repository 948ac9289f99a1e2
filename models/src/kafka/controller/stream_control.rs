//! Streams (AutoMQ's `StreamControlManager`).
//!
//! A broker's life is its *node epoch*. It is written down at the first request about streams of a newer epoch; from then
//! on requests of earlier lives are refused (`NODE_EPOCH_EXPIRED`), and, once its failover has begun, its own too
//! (`NODE_FENCED`).
//!
//! A stream is open at one broker at a time, under the leader epoch of its partition. Opening begins a new range where the
//! stream ends. The normal close comes after everything is in objects. The fast close says where the stream ends; what
//! is not in an object yet stays the closer's business (`WalUncommitted`): it may still commit exactly that.

mod commit;

pub(super) use commit::{commit_stream_object, commit_stream_set_object};

use super::draft::Draft;
use super::mutant::ControllerMutant;
use super::object_control;
use crate::kafka::ids::{BrokerEpoch, BrokerId, StreamEpoch, StreamId, TopicIdPartition};
use crate::kafka::metadata::{ClusterImage, FailoverContext, MetadataRecord, StreamImage, StreamRange, StreamState};
use crate::kafka::protocol::ErrorCode;
use crate::kafka::protocol::controller::{CloseStream, ControllerAnswer, OpenedStream, TrimStream};

/// As whom something is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) broker: BrokerId,
    pub(super) epoch: BrokerEpoch,
    /// By its rescuer.
    pub(super) failover: bool,
}

/// Whether a broker's life may act; its first act is written down (`nodeEpochCheck`, `NodeWALMetadataRecord`).
pub(super) fn check_node(draft: &mut Draft<'_>, who: Identity) -> Result<(), ErrorCode> {
    let Identity { broker, epoch, failover } = who;
    match draft.image().wal_nodes.get(&broker) {
        Some(node) if epoch < node.epoch => Err(ErrorCode::NodeEpochExpired),
        Some(node) if epoch == node.epoch && node.failover && !failover => Err(ErrorCode::NodeFenced),
        Some(node) if epoch == node.epoch => Ok(()),
        Some(_) | None if failover => Err(ErrorCode::NodeEpochNotExist),
        Some(_) | None => {
            draft.push(MetadataRecord::WalNode { broker, epoch, failover: false });
            Ok(())
        }
    }
}

/// New streams, closed, under no name.
pub(super) fn create(
    draft: &mut Draft<'_>,
    who: Identity,
    count: u32,
    tag: TopicIdPartition,
) -> Result<ControllerAnswer, ErrorCode> {
    check_node(draft, who)?;
    let first = draft.image().next_stream.0;
    let streams: Vec<StreamId> = (first..first + u64::from(count)).map(StreamId).collect();
    draft.push(MetadataRecord::NextStream(StreamId(first + u64::from(count))));
    for stream in &streams {
        let epoch = StreamEpoch(0);
        draft.push(MetadataRecord::Stream { stream: *stream, tag, epoch, start_offset: 0, opened: false });
    }
    Ok(ControllerAnswer::Streams(streams))
}

/// Opens streams, each for itself.
pub(super) fn open(
    draft: &mut Draft<'_>,
    who: Identity,
    streams: &[(StreamId, StreamEpoch)],
) -> Result<ControllerAnswer, ErrorCode> {
    check_node(draft, who)?;
    let each = streams.iter().map(|(stream, epoch)| open_one(draft, who, *stream, *epoch)).collect();
    Ok(ControllerAnswer::Opened(each))
}

fn open_one(
    draft: &mut Draft<'_>,
    who: Identity,
    stream: StreamId,
    epoch: StreamEpoch,
) -> Result<OpenedStream, ErrorCode> {
    let image = draft.image().streams.get(&stream).ok_or(ErrorCode::StreamNotExist)?;
    let was_opened = !image.ranges.is_empty();
    if epoch < image.epoch {
        return Err(ErrorCode::StreamFenced);
    }
    let opened = OpenedStream { stream, epoch, start_offset: image.start_offset, end_offset: image.end_offset };
    if was_opened && epoch == image.epoch {
        let is_his = image.state == StreamState::Opened && image.owner() == Some(who.broker);
        return if is_his { Ok(opened) } else { Err(ErrorCode::StreamFenced) };
    }
    if image.state == StreamState::Opened {
        return Err(ErrorCode::StreamNotClosed);
    }
    if is_locked(draft.image(), who.broker) && !who.failover {
        return Err(ErrorCode::NodeLocked);
    }
    // It moved away and back before all of it was uploaded: what is not in objects would be read from nowhere.
    if draft.image().uncommitted.contains_key(&(who.broker, stream)) {
        draft.marks.push("controller: a stream came back before its fast close was uploaded");
        return Err(ErrorCode::StreamNotClosed);
    }
    let (tag, start_offset, index) = (image.tag, image.start_offset, image.ranges.len() as u32);
    draft.push(MetadataRecord::Stream { stream, tag, epoch, start_offset, opened: true });
    let range_start = opened.end_offset;
    draft.push(MetadataRecord::Range { stream, index, epoch, start_offset: range_start, broker: who.broker });
    Ok(opened)
}

/// While a broker's log is being emptied by another, it may not open streams.
fn is_locked(image: &ClusterImage, broker: BrokerId) -> bool {
    image.kv.contains_key(&FailoverContext::key(broker))
}

/// Whether that broker has that stream under that epoch, or had it last.
fn check_owner(
    image: &ClusterImage,
    broker: BrokerId,
    stream: StreamId,
    epoch: StreamEpoch,
) -> Result<&StreamImage, ErrorCode> {
    let image = image.streams.get(&stream).ok_or(ErrorCode::StreamNotExist)?;
    if epoch < image.epoch {
        return Err(ErrorCode::ExpiredStreamEpoch);
    }
    if epoch > image.epoch {
        return Err(ErrorCode::InvalidRequest);
    }
    if image.owner() != Some(broker) { Err(ErrorCode::StreamFenced) } else { Ok(image) }
}

/// Closes streams, each for itself.
pub(super) fn close(
    draft: &mut Draft<'_>,
    who: Identity,
    streams: &[CloseStream],
) -> Result<ControllerAnswer, ErrorCode> {
    check_node(draft, who)?;
    Ok(ControllerAnswer::Each(streams.iter().map(|close| close_one(draft, who, close).err()).collect()))
}

fn close_one(draft: &mut Draft<'_>, who: Identity, close: &CloseStream) -> Result<(), ErrorCode> {
    let CloseStream { stream, epoch, end_offset } = *close;
    let image = check_owner(draft.image(), who.broker, stream, epoch)?;
    if image.state == StreamState::Closed {
        return Ok(());
    }
    let (tag, start_offset, committed) = (image.tag, image.start_offset, image.end_offset);
    let end = end_offset.unwrap_or(committed);
    if end < committed {
        return Err(ErrorCode::OffsetNotMatched);
    }
    if end > committed {
        let range = StreamRange { stream, start: committed, end };
        draft.marks.push("controller: a stream was closed fast");
        if !draft.is_mutant(ControllerMutant::FastCloseForgets) {
            draft.push(MetadataRecord::WalUncommitted { broker: who.broker, range });
        }
        draft.push(MetadataRecord::StreamEndOffsets(vec![(stream, end)]));
    }
    draft.push(MetadataRecord::Stream { stream, tag, epoch, start_offset, opened: false });
    Ok(())
}

/// Raises streams' start offsets, each for itself.
pub(super) fn trim(
    draft: &mut Draft<'_>,
    who: Identity,
    streams: &[TrimStream],
) -> Result<ControllerAnswer, ErrorCode> {
    check_node(draft, who)?;
    Ok(ControllerAnswer::Each(streams.iter().map(|trim| trim_one(draft, who, trim).err()).collect()))
}

fn trim_one(draft: &mut Draft<'_>, who: Identity, trim: &TrimStream) -> Result<(), ErrorCode> {
    let TrimStream { stream, epoch, start_offset } = *trim;
    let image = check_owner(draft.image(), who.broker, stream, epoch)?;
    if image.state == StreamState::Closed {
        return Err(ErrorCode::StreamNotOpened);
    }
    if start_offset < image.start_offset {
        return Err(ErrorCode::OffsetNotMatched);
    }
    if start_offset > image.start_offset {
        let tag = image.tag;
        draft.push(MetadataRecord::Stream { stream, tag, epoch, start_offset, opened: true });
        if draft.is_mutant(ControllerMutant::TrimDropsWholeSets) {
            drop_sets_of(draft, stream, start_offset);
        }
    }
    Ok(())
}

/// The bug of whoever forgets that other streams are in a stream-set object too.
fn drop_sets_of(draft: &mut Draft<'_>, stream: StreamId, before: u64) {
    let is_in = |range: &StreamRange| range.stream == stream && range.end <= before;
    let sets = draft.image().stream_set_objects.iter().filter(|(_, set)| set.ranges.iter().any(is_in));
    for object in sets.map(|(object, _)| *object).collect::<Vec<_>>() {
        draft.push(MetadataRecord::RemoveStreamSetObject(object));
        object_control::mark_destroyed(draft, object);
    }
}

/// Streams whose tail that broker's log may hold: those it has open, and those it closed fast.
pub(super) fn opening(draft: &mut Draft<'_>, who: Identity) -> Result<ControllerAnswer, ErrorCode> {
    let Identity { broker, epoch, failover } = who;
    match draft.image().wal_nodes.get(&broker) {
        Some(node) if epoch < node.epoch => return Err(ErrorCode::NodeEpochExpired),
        Some(node) if epoch == node.epoch && node.failover && !failover => return Err(ErrorCode::NodeFenced),
        Some(node) if epoch == node.epoch && node.failover == failover => {}
        Some(_) | None => draft.push(MetadataRecord::WalNode { broker, epoch, failover }),
    }
    let opened = draft.image().opened_by(broker).map(|(stream, image)| OpenedStream {
        stream,
        epoch: image.epoch,
        start_offset: image.start_offset,
        end_offset: image.end_offset,
    });
    let mut opening: Vec<OpenedStream> = opened.collect();
    for range in uncommitted_of(draft.image(), broker) {
        let Some(image) = draft.image().streams.get(&range.stream) else { continue };
        let mine = image.ranges.iter().rfind(|mine| mine.broker == broker && mine.start_offset <= range.start);
        let epoch = mine.map_or(image.epoch, |mine| mine.epoch);
        let start_offset = image.start_offset;
        opening.push(OpenedStream { stream: range.stream, epoch, start_offset, end_offset: range.start });
    }
    opening.sort_unstable_by_key(|opened| opened.stream);
    Ok(ControllerAnswer::Opening(opening))
}

/// What a broker still has to upload of streams that it has closed fast.
pub(super) fn uncommitted_of(image: &ClusterImage, broker: BrokerId) -> impl Iterator<Item = StreamRange> {
    let all = (broker, StreamId(0))..=(broker, StreamId(u64::MAX));
    image.uncommitted.range(all).map(|(_, range)| *range)
}
