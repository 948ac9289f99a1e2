//! What is committed of a stream has no hole, and nothing is committed twice by owners.

use super::{Broken, Invariant, named};
use crate::kafka::ids::StreamId;
use crate::probe::Probe;
use wavetank_sim::SortedMap;

/// See the [module](self).
#[derive(Default)]
pub(super) struct CommitsFollowOn {
    ends: SortedMap<StreamId, u64>,
    starts: SortedMap<StreamId, u64>,
}

impl Invariant for CommitsFollowOn {
    named!("commits-follow-on", "objects hold a stream without a hole, and a stream's end never falls", hears: [Objects]);

    fn heed(&mut self, probe: &Probe) -> Result<bool, Broken> {
        match probe {
            Probe::StreamCommitted { range, object, .. } => {
                let end = self.ends.entry(range.stream).or_insert(range.start);
                // A compaction commits again what is there already; an upload, what was trimmed while it was on its way.
                let start = self.starts.get(&range.stream).copied().unwrap_or(0);
                if range.start > *end || (range.start < *end && range.end > *end && *end > start) {
                    return Err(format!(
                        "stream {}: object {object} is committed with {}..{}, but the stream ends at {end}",
                        range.stream, range.start, range.end
                    )
                    .into());
                }
                *end = range.end.max(*end);
                Ok(true)
            }
            // What is before the start needs no object.
            Probe::StreamTrimmed { stream, start_offset } => {
                let end = self.ends.entry(*stream).or_insert(*start_offset);
                *end = (*end).max(*start_offset);
                self.starts.insert(*stream, *start_offset);
                Ok(false)
            }
            Probe::StreamOpened { stream, end_offset, .. } => {
                let end = self.ends.entry(*stream).or_insert(*end_offset);
                if end_offset < end {
                    return Err(
                        format!("stream {stream} is opened with its end at {end_offset}, it was at {end}").into()
                    );
                }
                Ok(true)
            }
            _ => Ok(false),
        }
    }
}
