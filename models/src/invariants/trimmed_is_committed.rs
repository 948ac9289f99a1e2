//! A log is never trimmed beyond what is in committed objects.

use super::{Broken, Invariant, named};
use crate::kafka::ids::{BrokerId, StreamId};
use crate::kafka::metadata::StreamRange;
use crate::kafka::wal::WalOffset;
use crate::probe::Probe;
use std::collections::BTreeMap;
use wavetank_traces::Concern;

/// See the [module](self).
#[derive(Default)]
pub(super) struct TrimmedIsCommitted {
    /// By log: what was reported durable and is not trimmed.
    held: BTreeMap<BrokerId, BTreeMap<WalOffset, StreamRange>>,
    /// By stream: all before is in objects, or trimmed itself.
    committed: BTreeMap<StreamId, u64>,
}

impl TrimmedIsCommitted {
    fn covered(&mut self, stream: StreamId, upto: u64) {
        let committed = self.committed.entry(stream).or_default();
        *committed = upto.max(*committed);
    }

    /// Drops what a trim drops.
    fn drop_upto(&mut self, wal: BrokerId, upto: WalOffset) -> Result<bool, Broken> {
        let Some(held) = self.held.get_mut(&wal) else { return Ok(true) };
        while let Some(first) = held.first_entry().filter(|first| *first.key() <= upto) {
            let (at, range) = first.remove_entry();
            let committed = self.committed.get(&range.stream).copied().unwrap_or(0);
            if range.end > committed {
                let why = format!(
                    "the log of broker {wal} is trimmed at {at:?}: stream {} {}..{} is gone with it, and only what is \
                     before {committed} is in objects",
                    range.stream, range.start, range.end
                );
                return Err(Broken::about(why, Concern::Stream(range.stream.0)));
            }
        }
        Ok(true)
    }
}

impl Invariant for TrimmedIsCommitted {
    named!("trimmed-is-committed", "a write-ahead log loses nothing that is not in committed objects", hears: [Objects, Wal]);

    fn heed(&mut self, probe: &Probe) -> Result<bool, Broken> {
        match probe {
            Probe::StreamCommitted { range, .. } => self.covered(range.stream, range.end),
            Probe::StreamTrimmed { stream, start_offset } => self.covered(*stream, *start_offset),
            Probe::WalDurable { wal, at, range, .. } => {
                self.held.entry(*wal).or_default().insert(*at, *range);
            }
            Probe::WalTrimmed { wal, upto, .. } => return self.drop_upto(*wal, *upto),
            Probe::WalReset { wal, .. } => return self.drop_upto(*wal, WalOffset(u64::MAX)),
            _ => {}
        }
        Ok(false)
    }
}
