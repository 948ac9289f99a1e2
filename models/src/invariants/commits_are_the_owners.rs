//! Once somebody has claimed a broker's streams, nobody who came earlier commits for that broker.
//!
//! What counts is the order of the metadata log: a commit that was decided before the claim may be answered after it.

use super::{Broken, Invariant, named};
use crate::kafka::ids::{BrokerEpoch, BrokerId, MetadataOffset};
use crate::probe::Probe;
use wavetank_sim::SortedMap;

/// A life of a broker, or, after it, whoever rescues that one.
type Claim = (BrokerEpoch, bool);

/// See the [module](self).
#[derive(Default)]
pub(super) struct CommitsAreTheOwners {
    /// The last entry of the metadata log that is known to be committed: what is told of it follows at once.
    last: MetadataOffset,
    claims: SortedMap<BrokerId, Vec<(MetadataOffset, Claim)>>,
}

impl Invariant for CommitsAreTheOwners {
    named!("commits-are-the-owners", "nobody commits for a broker whom a later claim has fenced", hears: [Quorum, Objects]);

    fn heed(&mut self, probe: &Probe) -> Result<bool, Broken> {
        match probe {
            Probe::MetadataCommitted { offset, .. } => {
                self.last = self.last.max(*offset);
                Ok(false)
            }
            Probe::StreamsClaimed { broker, epoch, failover } => {
                self.claims.entry(*broker).or_default().push((self.last, (*epoch, *failover)));
                Ok(true)
            }
            Probe::CommitAnswered { broker, epoch, failover, at } => {
                let mut claims = self.claims.get(broker).into_iter().flatten();
                let later = claims.rfind(|(offset, claim)| offset < at && *claim > (*epoch, *failover));
                let who = |failover| if failover { "a rescuer" } else { "itself" };
                match later {
                    Some((offset, (by, rescued))) => Err(Broken::from(format!(
                        "a commit for broker {broker} by {} in epoch {epoch} went through at {at}, after {} had claimed its \
                         streams in epoch {by} at {offset}",
                        who(*failover),
                        who(*rescued)
                    ))),
                    None => Ok(true),
                }
            }
            _ => Ok(false),
        }
    }
}
