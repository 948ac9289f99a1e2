//! Once somebody has acquired a log, no earlier owner reports anything durable that the later one does not recover.
//!
//! An acknowledgement may come late: what an earlier owner had verified before it was fenced is in the log, and whoever
//! acquired the log sees it there (the object log's order is PUT, verify, acknowledge against claim, LIST). What the later
//! owner does not find must never be acknowledged.

use super::{Broken, Invariant, named};
use crate::kafka::ids::{BrokerEpoch, BrokerId, StreamId};
use crate::kafka::metadata::StreamRange;
use crate::probe::Probe;
use std::collections::{BTreeMap, BTreeSet};
use wavetank_traces::Concern;

#[derive(Default)]
struct Log {
    owner: BrokerEpoch,
    /// What the present owner has recovered.
    recovered: BTreeSet<(StreamId, u64)>,
    has_ended: bool,
    /// Acknowledged late, while the owner was still recovering.
    owed: BTreeSet<(StreamId, u64)>,
    /// The newest owner when what it is kept on had lost everything: what it or an earlier one says durable late was so, and
    /// nobody can find it.
    lost_under: Option<BrokerEpoch>,
    /// Nobody has claimed it since: on what is empty nobody sees which epochs there were, and the next owner may have any.
    is_unclaimed: bool,
    /// What earlier owners had recovered, each all of the log: it is in their hands, and they may have emptied the log.
    handed_on: BTreeSet<(StreamId, u64)>,
}

/// See the [module](self).
#[derive(Default)]
pub(super) struct FencedIsSilent {
    logs: BTreeMap<BrokerId, Log>,
}

fn lost(wal: BrokerId, owner: BrokerEpoch, (stream, start): (StreamId, u64)) -> Broken {
    let why = format!(
        "the log of broker {wal}: stream {stream} from {start} on was reported durable by an earlier owner, after epoch \
         {owner} had acquired the log, which did not find it there"
    );
    Broken::about(why, Concern::Stream(stream.0))
}

fn key(range: &StreamRange) -> (StreamId, u64) {
    (range.stream, range.start)
}

impl Invariant for FencedIsSilent {
    named!("fenced-is-silent", "no fenced owner of a log acknowledges what its successor does not find", hears: [Wal]);

    fn heed(&mut self, probe: &Probe) -> Result<bool, Broken> {
        match probe {
            Probe::WalAcquired { wal, epoch, .. } => {
                let log = self.logs.entry(*wal).or_default();
                // A claim may be heard of late, when a later one has followed it already: what counts is what is
                // acknowledged under it.
                if std::mem::take(&mut log.is_unclaimed) || *epoch >= log.owner {
                    let Log { mut recovered, has_ended, mut handed_on, lost_under, .. } = std::mem::take(log);
                    if has_ended {
                        handed_on.append(&mut recovered);
                    }
                    *log = Log { owner: *epoch, handed_on, lost_under, ..Log::default() };
                }
                Ok(false)
            }
            Probe::WalLost { wal } => {
                let log = self.logs.entry(*wal).or_default();
                log.owed.clear();
                (log.lost_under, log.is_unclaimed) = (Some(log.owner).max(log.lost_under), true);
                Ok(false)
            }
            Probe::WalRecovered { wal, epoch, range, .. } => {
                let log = self.logs.entry(*wal).or_default();
                if *epoch == log.owner {
                    log.recovered.insert(key(range));
                }
                Ok(false)
            }
            Probe::WalRecoveryEnded { wal, epoch, .. } => {
                let log = self.logs.entry(*wal).or_default();
                if *epoch != log.owner {
                    return Ok(false);
                }
                log.has_ended = true;
                match log.owed.difference(&log.recovered).next() {
                    Some(record) => Err(lost(*wal, log.owner, *record)),
                    None => Ok(true),
                }
            }
            Probe::WalDurable { wal, epoch, range, .. } => {
                let log = self.logs.entry(*wal).or_default();
                let was_lost = log.lost_under.is_some_and(|owner| *epoch <= owner);
                if *epoch >= log.owner || was_lost || log.handed_on.contains(&key(range)) {
                    return Ok(true);
                }
                if log.has_ended && !log.recovered.contains(&key(range)) {
                    return Err(lost(*wal, log.owner, key(range)));
                }
                log.owed.insert(key(range));
                Ok(true)
            }
            _ => Ok(false),
        }
    }
}
