//! What is lost with what a log is kept on: beyond any platform's budget, and no bug.
//!
//! A log holds what is acknowledged until it is in committed objects. When its volume, its bucket or its share is lost, what
//! was not committed by then is gone, and whoever opens the log next, empty as it is, cannot know. That is where a run ends
//! that [storms](super::beyond) took beyond the budget: the promise has ended, and everything that follows from it (a high
//! watermark that falls, other records at the same offsets, results that have counted what is gone) is its consequence.
//!
//! What is lost is counted, not guessed, records of partitions and of their snapshots alike: reported durable, not trimmed, not
//! recovered, and in no committed object when the next owner has recovered what there is. Until then a broker that is still up
//! may upload from memory what it had in the log; then nothing is lost, the run goes on, and everything must hold.
//!
//! A measured run goes on in any case: what it measures then is what a platform comes to that has lost records, and no invariant
//! is held against it.

use wavetank_models::kafka::ids::{BrokerEpoch, BrokerId, StreamId};
use wavetank_models::kafka::metadata::StreamRange;
use wavetank_models::kafka::wal::WalOffset;
use wavetank_models::probe::{BrokenPromise, Probe};
use wavetank_sim::{SortedMap, SortedSet};
use wavetank_traces::Concern;

/// What ends.
pub(super) const PROMISE: &str = "what-is-durable-is-kept";
/// The mark of a run whose promise ended.
pub(super) const ENDED: &str = "beyond the budget: durable records were lost with their log";
/// The mark of a run that lost a log, and nothing with it.
const UNHARMED: &str = "beyond the budget: a log was lost, and all of it was in objects";

type Key = (StreamId, u64);

#[derive(Default)]
struct Log {
    /// Reported durable and not trimmed: until where, and at which place in the log.
    held: SortedMap<Key, (u64, WalOffset)>,
    owner: BrokerEpoch,
    /// What the newest owner has recovered.
    recovered: SortedSet<Key>,
    /// It was lost, and nobody has recovered what there is since.
    is_lost: bool,
    /// Nor claimed it: on what is empty nobody sees which epochs there were, and the next owner may have any.
    is_unclaimed: bool,
    /// All that have claimed it.
    owners: SortedSet<BrokerEpoch>,
    /// Owners of before, once somebody has opened what is left: what they say durable late may be lost, too.
    bereft: SortedSet<BrokerEpoch>,
}

/// Keeps account of logs that are lost, where storms lose them.
#[derive(Default)]
pub(super) struct Loss {
    logs: SortedMap<BrokerId, Log>,
    /// By stream: all before is in committed objects, or trimmed.
    committed: SortedMap<StreamId, u64>,
    unharmed: u64,
}

impl Loss {
    /// Situations that a run has reached.
    pub(super) fn marks(&self) -> Option<(&'static str, u64)> {
        (self.unharmed > 0).then_some((UNHARMED, self.unharmed))
    }

    fn covered(&mut self, stream: StreamId, upto: u64) {
        let committed = self.committed.entry(stream).or_default();
        *committed = upto.max(*committed);
    }

    /// How many of these records are in no object.
    fn uncommitted(&self, (stream, start): Key, end: u64) -> u64 {
        let committed = self.committed.get(&stream).copied().unwrap_or(0);
        end.saturating_sub(start.max(committed))
    }

    /// Something happened.
    ///
    /// # Errors
    /// What is lost.
    pub(super) fn heed(&mut self, probe: &Probe) -> Result<(), BrokenPromise> {
        match probe {
            Probe::StreamCommitted { range, .. } => self.covered(range.stream, range.end),
            Probe::StreamTrimmed { stream, start_offset } => self.covered(*stream, *start_offset),
            Probe::WalLost { wal } => {
                let log = self.logs.entry(*wal).or_default();
                (log.is_lost, log.is_unclaimed) = (true, true);
            }
            Probe::WalDurable { wal, epoch, at, range } => return self.durable(*wal, *epoch, *at, range),
            Probe::WalTrimmed { wal, upto, .. } => self.trimmed(*wal, *upto),
            Probe::WalReset { wal, .. } => self.trimmed(*wal, WalOffset(u64::MAX)),
            Probe::WalAcquired { wal, epoch, .. } => {
                let log = self.logs.entry(*wal).or_default();
                log.owners.insert(*epoch);
                if std::mem::take(&mut log.is_unclaimed) || *epoch >= log.owner {
                    (log.owner, log.recovered) = (*epoch, SortedSet::new());
                }
            }
            Probe::WalRecovered { wal, epoch, range, .. } => {
                let log = self.logs.entry(*wal).or_default();
                if *epoch == log.owner {
                    log.recovered.insert((range.stream, range.start));
                }
            }
            Probe::WalRecoveryEnded { wal, epoch } => return self.reopened(*wal, *epoch),
            _ => {}
        }
        Ok(())
    }

    /// What is emptied after it was lost says nothing about what it held.
    fn trimmed(&mut self, wal: BrokerId, upto: WalOffset) {
        let log = self.logs.entry(wal).or_default();
        if !log.is_lost {
            log.held.retain(|_, (_, at)| *at > upto);
        }
    }

    fn durable(
        &mut self,
        wal: BrokerId,
        by: BrokerEpoch,
        at: WalOffset,
        range: &StreamRange,
    ) -> Result<(), BrokenPromise> {
        let key = (range.stream, range.start);
        let log = self.logs.entry(wal).or_default();
        if !log.bereft.contains(&by) {
            log.held.insert(key, (range.end, at));
        } else if !log.recovered.contains(&key) {
            return self.lost(wal, &[(key, range.end)]);
        }
        Ok(())
    }

    fn reopened(&mut self, wal: BrokerId, by: BrokerEpoch) -> Result<(), BrokenPromise> {
        let log = self.logs.entry(wal).or_default();
        if by != log.owner || !std::mem::take(&mut log.is_lost) {
            return Ok(());
        }
        let before = log.owners.iter().copied().filter(|owner| *owner != by);
        log.bereft.extend(before);
        let held = std::mem::take(&mut log.held).into_iter();
        let gone: Vec<(Key, u64)> =
            held.filter(|(key, _)| !log.recovered.contains(key)).map(|(key, (end, _))| (key, end)).collect();
        self.lost(wal, &gone)?;
        self.unharmed += 1;
        Ok(())
    }

    fn lost(&mut self, wal: BrokerId, gone: &[(Key, u64)]) -> Result<(), BrokenPromise> {
        let lost: Vec<(StreamId, u64)> = gone
            .iter()
            .map(|(key, end)| (key.0, self.uncommitted(*key, *end)))
            .filter(|(_, count)| *count > 0)
            .collect();
        let streams: SortedSet<StreamId> = lost.iter().map(|(stream, _)| *stream).collect();
        let records: u64 = lost.iter().map(|(_, count)| count).sum();
        if records == 0 {
            return Ok(());
        }
        let why = format!(
            "{records} records of {} streams are lost with the log of broker {wal}: they were durable there, and in no \
             object yet",
            streams.len()
        );
        let about = streams.into_iter().map(|stream| Concern::Stream(stream.0)).chain([Concern::Wal(wal.0)]).collect();
        Err(BrokenPromise { invariant: PROMISE, why, about })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wavetank_models::kafka::ids::ObjectId;
    use wavetank_models::kafka::wal::WalMode;

    const WAL: BrokerId = BrokerId(1);

    fn range(start: u64, end: u64) -> StreamRange {
        StreamRange { stream: StreamId(1), start, end }
    }

    fn durable(epoch: i64, at: u64, range: StreamRange) -> Probe {
        Probe::WalDurable { wal: WAL, epoch: BrokerEpoch(epoch), at: WalOffset(at), range }
    }

    fn committed(range: StreamRange) -> Probe {
        Probe::StreamCommitted { range, object: ObjectId(1), broker: WAL }
    }

    fn recovered(epoch: i64, range: StreamRange) -> Probe {
        Probe::WalRecovered { wal: WAL, epoch: BrokerEpoch(epoch), at: WalOffset(1), range }
    }

    /// What is said of these, in order, until something is lost.
    fn lost(probes: &[Probe]) -> Option<String> {
        let mut loss = Loss::default();
        probes.iter().find_map(|probe| loss.heed(probe).err()).map(|broken| broken.why)
    }

    #[test]
    fn what_was_durable_and_in_no_object_is_counted_when_somebody_opens_what_is_left() {
        let (gone, epoch) = (Probe::WalLost { wal: WAL }, BrokerEpoch(2));
        let first = Probe::WalAcquired { wal: WAL, epoch: BrokerEpoch(1), mode: WalMode::Own };
        let opened = [
            Probe::WalAcquired { wal: WAL, epoch, mode: WalMode::Failover },
            Probe::WalRecoveryEnded { wal: WAL, epoch },
        ];
        let held = [first, durable(1, 1, range(0, 5)), durable(1, 2, range(5, 9)), committed(range(0, 7))];
        assert_eq!(lost(&[&held[..], &opened].concat()), None, "nothing was lost");
        assert_eq!(lost(&[&held[..], std::slice::from_ref(&gone)].concat()), None, "its broker may upload it yet");
        let words = "2 records of 1 streams are lost with the log of broker 1";
        let told = lost(&[&held[..], std::slice::from_ref(&gone), &opened].concat()).expect("they are");
        assert!(told.starts_with(words), "{told}");
        let rescued = [&held[..], &[gone.clone(), committed(range(7, 9))], &opened].concat();
        assert_eq!(lost(&rescued), None, "it has");
        let found =
            [&held[..], &[gone.clone(), opened[0].clone(), recovered(2, range(5, 9)), opened[1].clone()]].concat();
        assert_eq!(lost(&found), None, "it had been read before");
        let emptied = Probe::WalReset { wal: WAL, epoch: BrokerEpoch(1) };
        let told = lost(&[&held[..], &[gone.clone(), emptied], &opened].concat()).expect("they are lost all the same");
        assert!(told.starts_with(words), "{told}");
        let late = [&rescued[..], &[durable(1, 3, range(9, 12))]].concat();
        assert!(lost(&late).is_some_and(|told| told.starts_with("3 records")), "acknowledged late, and nowhere");
    }
}
