//! Once somebody has acquired a log, no earlier owner reports anything durable.

use super::{Invariant, named};
use crate::kafka::ids::{BrokerEpoch, BrokerId};
use crate::probe::Probe;
use std::collections::BTreeMap;

/// See the [module](self).
#[derive(Default)]
pub(super) struct FencedIsSilent {
    owners: BTreeMap<BrokerId, BrokerEpoch>,
}

impl Invariant for FencedIsSilent {
    named!("fenced-is-silent", "no owner of a log acknowledges after a later one has acquired it");

    fn heed(&mut self, probe: &Probe) -> Result<bool, String> {
        match probe {
            Probe::WalAcquired { wal, epoch } => {
                let owner = self.owners.entry(*wal).or_insert(*epoch);
                if *epoch < *owner {
                    return Err(format!("the log of broker {wal}: epoch {epoch} acquired it after epoch {owner}"));
                }
                *owner = *epoch;
                Ok(false)
            }
            Probe::WalDurable { wal, epoch, range, .. } => match self.owners.get(wal) {
                Some(owner) if owner > epoch => Err(format!(
                    "the log of broker {wal}: epoch {epoch} reports stream {} {}..{} durable, but epoch {owner} has it",
                    range.stream, range.start, range.end
                )),
                Some(_) | None => Ok(true),
            },
            _ => Ok(false),
        }
    }
}
