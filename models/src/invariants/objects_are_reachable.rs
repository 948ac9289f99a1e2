//! No object is deleted that the metadata refers to.

use super::{Invariant, named};
use crate::kafka::ids::ObjectId;
use crate::probe::Probe;
use std::collections::BTreeSet;

/// See the [module](self).
#[derive(Default)]
pub(super) struct ObjectsAreReachable {
    live: BTreeSet<ObjectId>,
}

impl Invariant for ObjectsAreReachable {
    named!("objects-are-reachable", "no object is deleted that committed metadata refers to", hears: [Objects]);

    fn heed(&mut self, probe: &Probe) -> Result<bool, String> {
        match probe {
            Probe::StreamCommitted { object, .. } => {
                self.live.insert(*object);
                Ok(false)
            }
            Probe::ObjectDropped { object } => {
                self.live.remove(object);
                Ok(false)
            }
            Probe::ObjectDeleted { object } => {
                if self.live.contains(object) {
                    return Err(format!("object {object} is deleted, and streams are in it"));
                }
                Ok(true)
            }
            _ => Ok(false),
        }
    }
}
