//! Recovery never gives a trimmed record again from a place beyond the trim.
//!
//! A trim may be lost with its owner before it is written: what it covered is then recovered from where it was, and that is
//! no harm. But a record that was trimmed, recovered from beyond, was left there by an earlier cycle of a ring, or is in an
//! object that came back.

use super::{Broken, Invariant, named};
use crate::kafka::ids::{BrokerId, StreamId};
use crate::kafka::metadata::StreamRange;
use crate::kafka::wal::WalOffset;
use crate::probe::Probe;
use wavetank_sim::SortedMap;

#[derive(Default)]
struct Log {
    /// Reported durable and not trimmed.
    held: SortedMap<WalOffset, StreamRange>,
    /// The highest trim.
    upto: Option<WalOffset>,
    /// By stream: what lies before was trimmed from this log.
    trimmed: SortedMap<StreamId, u64>,
}

impl Log {
    fn trim(&mut self, upto: WalOffset) {
        while let Some(first) = self.held.first_entry().filter(|first| *first.key() <= upto) {
            let (at, range) = first.remove_entry();
            self.upto = self.upto.max(Some(at));
            let end = self.trimmed.entry(range.stream).or_default();
            *end = range.end.max(*end);
        }
    }
}

/// See the [module](self).
#[derive(Default)]
pub(super) struct TrimmedStaysTrimmed {
    logs: SortedMap<BrokerId, Log>,
}

impl Invariant for TrimmedStaysTrimmed {
    named!("trimmed-stays-trimmed", "recovery finds no trimmed record beyond the trim", hears: [Wal]);

    fn heed(&mut self, probe: &Probe) -> Result<bool, Broken> {
        match probe {
            Probe::WalDurable { wal, at, range, .. } => {
                self.logs.entry(*wal).or_default().held.insert(*at, *range);
                Ok(false)
            }
            Probe::WalTrimmed { wal, upto, .. } => {
                self.logs.entry(*wal).or_default().trim(*upto);
                Ok(false)
            }
            Probe::WalReset { wal, .. } => {
                self.logs.entry(*wal).or_default().trim(WalOffset(u64::MAX));
                Ok(false)
            }
            // Its offsets begin anew.
            Probe::WalLost { wal } => {
                self.logs.remove(wal);
                Ok(false)
            }
            Probe::WalRecovered { wal, epoch, at, range } => {
                let log = self.logs.entry(*wal).or_default();
                let is_trimmed = log.trimmed.get(&range.stream).is_some_and(|end| range.end <= *end);
                if is_trimmed && Some(*at) > log.upto {
                    return Err(format!(
                        "the log of broker {wal}, opened in epoch {epoch}, gives stream {} {}..{} at {at:?}: it was trimmed \
                         before, and the log with it up to {:?}",
                        range.stream, range.start, range.end, log.upto
                    ).into());
                }
                Ok(true)
            }
            _ => Ok(false),
        }
    }
}
