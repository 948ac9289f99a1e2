//! A stream has one owner an epoch, and epochs only rise.

use super::{Broken, Invariant, named};
use crate::kafka::ids::{BrokerId, StreamEpoch, StreamId};
use crate::probe::Probe;
use wavetank_sim::SortedMap;

#[derive(Clone, Copy)]
struct Owner {
    epoch: StreamEpoch,
    broker: BrokerId,
    is_open: bool,
}

/// See the [module](self).
#[derive(Default)]
pub(super) struct OneStreamOwner {
    owners: SortedMap<StreamId, Owner>,
}

impl Invariant for OneStreamOwner {
    named!("one-stream-owner", "a stream is open at one broker, and is opened by a later one when it is closed", hears: [Objects]);

    fn heed(&mut self, probe: &Probe) -> Result<bool, Broken> {
        match probe {
            Probe::StreamOpened { stream, epoch, broker, .. } => {
                let next = Owner { epoch: *epoch, broker: *broker, is_open: true };
                let Some(owner) = self.owners.insert(*stream, next) else { return Ok(true) };
                let is_same = (owner.epoch, owner.broker) == (*epoch, *broker);
                if !is_same && (owner.is_open || owner.epoch >= *epoch) {
                    return Err(format!(
                        "stream {stream} is opened by broker {broker} in epoch {epoch}, but broker {} {} it in epoch {}",
                        owner.broker,
                        if owner.is_open { "has" } else { "had" },
                        owner.epoch
                    ).into());
                }
                Ok(true)
            }
            Probe::StreamClosed { stream, .. } => {
                if let Some(owner) = self.owners.get_mut(stream) {
                    owner.is_open = false;
                }
                Ok(false)
            }
            _ => Ok(false),
        }
    }
}
