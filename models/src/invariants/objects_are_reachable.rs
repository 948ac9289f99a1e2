//! No object is deleted that the metadata refers to, and none whose offsets are nowhere else.
//!
//! An object may go when all that is in it lies before its streams' starts, or in other objects: those of a compaction. That
//! is looked at when it is deleted, not when it is dropped, for a compaction drops its sources before it names what replaces
//! them.

use super::{Broken, Invariant, named};
use crate::kafka::ids::{ObjectId, StreamId};
use crate::kafka::metadata::StreamRange;
use crate::probe::Probe;
use wavetank_sim::SortedMap;
use wavetank_traces::Concern;

/// See the [module](self).
#[derive(Default)]
pub(super) struct ObjectsAreReachable {
    /// What is in objects that the metadata refers to.
    live: SortedMap<ObjectId, Vec<StreamRange>>,
    /// The same by stream: from an offset on, by object, the offset after the last.
    held: SortedMap<StreamId, SortedMap<(u64, ObjectId), u64>>,
    /// What is in objects that were dropped.
    dropped: SortedMap<ObjectId, Vec<StreamRange>>,
    starts: SortedMap<StreamId, u64>,
}

impl ObjectsAreReachable {
    fn drop_object(&mut self, object: ObjectId) {
        let Some(ranges) = self.live.remove(&object) else { return };
        for range in &ranges {
            if let Some(held) = self.held.get_mut(&range.stream) {
                held.remove(&(range.start, object));
            }
        }
        self.dropped.insert(object, ranges);
    }

    /// The first offset of a range that is still needed, and in no object.
    fn missing(&self, range: &StreamRange) -> Option<u64> {
        let mut at = range.start.max(self.starts.get(&range.stream).copied().unwrap_or(0));
        let held = self.held.get(&range.stream);
        for ((start, _), end) in held.into_iter().flatten() {
            if at >= range.end || *start > at {
                break;
            }
            at = at.max(*end);
        }
        (at < range.end).then_some(at)
    }
}

impl Invariant for ObjectsAreReachable {
    named!(
        "objects-are-reachable",
        "no object is deleted that metadata refers to, or that alone holds what is needed",
        hears: [Objects]
    );

    fn heed(&mut self, probe: &Probe) -> Result<bool, Broken> {
        match probe {
            Probe::StreamCommitted { range, object, .. } => {
                self.live.entry(*object).or_default().push(*range);
                self.held.entry(range.stream).or_default().insert((range.start, *object), range.end);
                Ok(false)
            }
            Probe::StreamTrimmed { stream, start_offset } => {
                self.starts.insert(*stream, *start_offset);
                Ok(false)
            }
            Probe::ObjectDropped { object } => {
                self.drop_object(*object);
                Ok(false)
            }
            Probe::ObjectDeleted { object } => {
                if self.live.contains_key(object) {
                    return Err(format!("object {object} is deleted, and streams are in it").into());
                }
                let ranges = self.dropped.remove(object).unwrap_or_default();
                match ranges.iter().find_map(|range| Some((range, self.missing(range)?))) {
                    Some((range, at)) => {
                        let why = format!(
                            "object {object} is deleted with stream {} {}..{}, and offset {at} of it is in no other \
                             object",
                            range.stream, range.start, range.end
                        );
                        Err(Broken::about(why, Concern::Stream(range.stream.0)))
                    }
                    None => Ok(true),
                }
            }
            _ => Ok(false),
        }
    }
}
