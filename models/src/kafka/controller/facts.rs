//! What a committed record says to invariants and meters.
//!
//! Every controller says it when it learns that the entry is committed, and again in its next life. Facts of an entry follow
//! the same controller's `MetadataCommitted` of its offset; [`FirstTold`](crate::probe::FirstTold) takes the first.

use crate::kafka::ids::{BrokerId, StreamId};
use crate::kafka::metadata::{ClusterImage, MetadataRecord, ObjectState, StreamImage, StreamState};
use crate::probe::Probe;
use wavetank_sim::SortedMap;

/// Who closed which streams of an entry fast: late uploads are theirs, whoever has the stream by now.
pub(super) type Closers = SortedMap<StreamId, BrokerId>;

/// The closers that an entry names.
pub(super) fn closers(records: &[MetadataRecord]) -> Closers {
    let of = |record: &MetadataRecord| match record {
        MetadataRecord::WalUncommitted { broker, range } => Some((range.stream, *broker)),
        _ => None,
    };
    records.iter().filter_map(of).collect()
}

/// What a record says, given the image just before it.
pub(super) fn facts(image: &ClusterImage, record: &MetadataRecord, closers: &Closers, mut tell: impl FnMut(Probe)) {
    match record {
        MetadataRecord::FenceBroker { broker, epoch } => {
            if image.brokers.get(broker).is_some_and(|state| !state.fenced && state.epoch == *epoch) {
                tell(Probe::BrokerFenced { broker: *broker, epoch: *epoch });
            }
        }
        MetadataRecord::UnfenceBroker { broker, epoch } => {
            if image.brokers.get(broker).is_some_and(|state| state.fenced && state.epoch == *epoch) {
                tell(Probe::BrokerUnfenced { broker: *broker, epoch: *epoch });
            }
        }
        MetadataRecord::Range { stream, epoch, start_offset, broker, .. } => {
            let Some(StreamImage { tag: tp, .. }) = image.streams.get(stream) else { return };
            let (stream, tp, epoch, broker, end_offset) = (*stream, *tp, *epoch, *broker, *start_offset);
            tell(Probe::StreamOpened { stream, tp, epoch, broker, end_offset });
        }
        MetadataRecord::Stream { stream, epoch, start_offset, opened, .. } => {
            let Some(before) = image.streams.get(stream) else { return };
            if !opened && before.state == StreamState::Opened {
                let end_offset = before.end_offset;
                tell(Probe::StreamClosed { stream: *stream, epoch: *epoch, end_offset });
            }
            if *start_offset > before.start_offset {
                tell(Probe::StreamTrimmed { stream: *stream, start_offset: *start_offset });
            }
        }
        MetadataRecord::StreamSetObject { object, broker, ranges, .. } => {
            for range in ranges {
                tell(Probe::StreamCommitted { range: *range, object: *object, broker: *broker });
            }
        }
        MetadataRecord::StreamObject { object, range } => {
            let owner = image.streams.get(&range.stream).and_then(|stream| stream.owner());
            if let Some(broker) = closers.get(&range.stream).copied().or(owner) {
                tell(Probe::StreamCommitted { range: *range, object: *object, broker });
            }
        }
        MetadataRecord::WalNode { broker, epoch, failover } => {
            tell(Probe::StreamsClaimed { broker: *broker, epoch: *epoch, failover: *failover });
        }
        MetadataRecord::Object { object, state: ObjectState::MarkDestroyed { .. } } => {
            tell(Probe::ObjectDropped { object: *object });
        }
        MetadataRecord::Object { state: ObjectState::Prepared { .. } | ObjectState::Committed { .. }, .. }
        | MetadataRecord::LeaderChange(_)
        | MetadataRecord::NoOp
        | MetadataRecord::RegisterBroker { .. }
        | MetadataRecord::ShutDownBroker { .. }
        | MetadataRecord::Topic { .. }
        | MetadataRecord::Partition { .. }
        | MetadataRecord::ProducerIds(_)
        | MetadataRecord::NextStream(_)
        | MetadataRecord::NextObject(_)
        | MetadataRecord::StreamEndOffsets(_)
        | MetadataRecord::WalUncommitted { .. }
        | MetadataRecord::RemoveObject(_)
        | MetadataRecord::RemoveStreamSetObject(_)
        | MetadataRecord::RemoveStreamObject { .. }
        | MetadataRecord::Kv { .. }
        | MetadataRecord::TopicConfig { .. } => {}
    }
}
