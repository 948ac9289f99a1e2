//! A log reports records durable in its own order.

use super::{Broken, Invariant, named};
use crate::kafka::ids::{BrokerEpoch, BrokerId};
use crate::kafka::wal::WalOffset;
use crate::probe::Probe;
use wavetank_sim::SortedMap;

/// See the [module](self).
#[derive(Default)]
pub(super) struct WalOrder {
    last: SortedMap<(BrokerId, BrokerEpoch), WalOffset>,
}

impl Invariant for WalOrder {
    named!("wal-order", "a write-ahead log reports records durable in WAL order", hears: [Wal]);

    fn heed(&mut self, probe: &Probe) -> Result<bool, Broken> {
        let Probe::WalDurable { wal, epoch, at, range } = probe else { return Ok(false) };
        let last = self.last.insert((*wal, *epoch), *at);
        match last {
            Some(last) if last >= *at => Err(format!(
                "the log of broker {wal}: stream {} at {} is durable at {at:?}, after {last:?}",
                range.stream, range.start
            )
            .into()),
            Some(_) | None => Ok(true),
        }
    }
}
