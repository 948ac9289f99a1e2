//! What a log reported durable, and nobody trimmed, is recovered by whoever opens it next.

use super::{Broken, Invariant, named};
use crate::kafka::ids::{BrokerEpoch, BrokerId, StreamId};
use crate::kafka::metadata::StreamRange;
use crate::kafka::wal::WalOffset;
use crate::probe::Probe;
use std::collections::{BTreeMap, BTreeSet};
use wavetank_traces::Concern;

#[derive(Default)]
struct Log {
    /// Reported durable and not trimmed.
    held: BTreeMap<(StreamId, u64), (u64, WalOffset)>,
    recovered: BTreeSet<(StreamId, u64)>,
    owner: BrokerEpoch,
    /// The newest owner that has recovered all of it.
    ended: Option<BrokerEpoch>,
    /// What it is kept on has lost everything, and nobody has opened it since: what it held it cannot give any more.
    is_lost: bool,
    /// Nor claimed it: on what is empty nobody sees which epochs there were, and the next owner may have any.
    is_unclaimed: bool,
}

/// See the [module](self).
#[derive(Default)]
pub(super) struct DurableIsRecovered {
    logs: BTreeMap<BrokerId, Log>,
}

fn key(range: &StreamRange) -> (StreamId, u64) {
    (range.stream, range.start)
}

impl Invariant for DurableIsRecovered {
    named!("durable-is-recovered", "recovery finds every record that was reported durable and not trimmed", hears: [Wal]);

    fn heed(&mut self, probe: &Probe) -> Result<bool, Broken> {
        match probe {
            Probe::WalDurable { wal, epoch, at, range } => {
                let log = self.logs.entry(*wal).or_default();
                // What is acknowledged late, after its recovery, is in the later owner's hands already, whoever has claimed
                // the log since.
                if log.ended.is_none_or(|ended| *epoch >= ended) && !log.is_lost {
                    log.held.insert(key(range), (range.end, *at));
                }
                Ok(false)
            }
            Probe::WalTrimmed { wal, upto, .. } => {
                self.logs.entry(*wal).or_default().held.retain(|_, (_, at)| *at > *upto);
                Ok(false)
            }
            Probe::WalLost { wal } => {
                let log = self.logs.entry(*wal).or_default();
                log.held.clear();
                (log.is_lost, log.is_unclaimed, log.ended) = (true, true, None);
                Ok(false)
            }
            Probe::WalReset { wal, .. } => {
                self.logs.entry(*wal).or_default().held.clear();
                Ok(false)
            }
            Probe::WalAcquired { wal, epoch, .. } => {
                let log = self.logs.entry(*wal).or_default();
                // An earlier claim may be heard of late, and its owner recover beside a later one, who decides.
                if std::mem::take(&mut log.is_unclaimed) || *epoch >= log.owner {
                    log.recovered.clear();
                    log.owner = *epoch;
                }
                Ok(false)
            }
            Probe::WalRecovered { wal, epoch, range, .. } => {
                let log = self.logs.entry(*wal).or_default();
                if *epoch == log.owner {
                    log.recovered.insert(key(range));
                }
                Ok(false)
            }
            Probe::WalRecoveryEnded { wal, epoch } => {
                let log = self.logs.entry(*wal).or_default();
                if *epoch != log.owner {
                    return Ok(false);
                }
                log.ended = Some(*epoch);
                log.is_lost = false;
                match log.held.iter().find(|(record, _)| !log.recovered.contains(record)) {
                    Some(((stream, start), (end, at))) => {
                        let why = format!(
                            "the log of broker {wal}, opened in epoch {epoch}, gives stream {stream} {start}..{end} no \
                             more, which was durable at {at:?}"
                        );
                        Err(Broken::about(why, Concern::Stream(stream.0)))
                    }
                    None => Ok(true),
                }
            }
            _ => Ok(false),
        }
    }
}
