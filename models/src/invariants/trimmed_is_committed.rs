//! A log is never trimmed beyond what is in committed objects.
//!
//! What a fenced owner trims is its own, and its predecessors': a rescuer that stopped before it had emptied the log says so
//! when it goes on, and what its successor has written meanwhile is none of its business. That it leaves that alone,
//! [`durable-is-recovered`](super::durable_is_recovered) holds.

use super::{Broken, Invariant, named};
use crate::kafka::ids::{BrokerEpoch, BrokerId, StreamId};
use crate::kafka::metadata::StreamRange;
use crate::kafka::wal::WalOffset;
use crate::probe::Probe;
use wavetank_sim::SortedMap;
use wavetank_traces::Concern;

/// See the [module](self).
#[derive(Default)]
pub(super) struct TrimmedIsCommitted {
    /// By log: what was reported durable and is not trimmed, and under which owner.
    held: SortedMap<BrokerId, SortedMap<WalOffset, (BrokerEpoch, StreamRange)>>,
    /// By stream: all before is in objects, or trimmed itself.
    committed: SortedMap<StreamId, u64>,
}

impl TrimmedIsCommitted {
    fn covered(&mut self, stream: StreamId, upto: u64) {
        let committed = self.committed.entry(stream).or_default();
        *committed = upto.max(*committed);
    }

    /// Drops what a trim by an owner drops.
    fn drop_upto(&mut self, wal: BrokerId, by: BrokerEpoch, upto: WalOffset) -> Result<bool, Broken> {
        let Some(held) = self.held.get_mut(&wal) else { return Ok(true) };
        for (at, (_, range)) in held.extract_if(..=upto, |_, (epoch, _)| *epoch <= by) {
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
            Probe::WalDurable { wal, epoch, at, range } => {
                self.held.entry(*wal).or_default().insert(*at, (*epoch, *range));
            }
            Probe::WalLost { wal } => drop(self.held.remove(wal)),
            Probe::WalTrimmed { wal, epoch, upto } => return self.drop_upto(*wal, *epoch, *upto),
            Probe::WalReset { wal, epoch } => return self.drop_upto(*wal, *epoch, WalOffset(u64::MAX)),
            _ => {}
        }
        Ok(false)
    }
}
