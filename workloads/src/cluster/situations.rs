//! Situations that sweeps over clusters must reach: a sweep that never saw a fenced owner's late PUT has not tested
//! fencing, however green it is.
//!
//! Each is a mark of the models, the platforms on which it can come up, the storm it needs, and the number of seeds from
//! which on a sweep is wrong that has not seen it. That number is chosen from how often seeds reach it: so that a sound
//! sweep misses it less often than once in a million times, on the scenario and platform where it is rarest.

use crate::spec::scenario::{Family, Intensity, PlatformKind, Scenario};

/// A situation. See the [module](self).
#[derive(Clone, Copy, Debug)]
pub struct Situation {
    /// Its mark.
    pub mark: &'static str,
    /// Platforms on which it can come up.
    pub platforms: &'static [PlatformKind],
    /// Storms that bring it: a scenario's must have one of them that is not rare. Empty: any scenario reaches it.
    pub storms: &'static [Family],
    /// From how many seeds on a sweep must have reached it.
    pub seeds: u64,
}

const ALL: &[PlatformKind] = &PlatformKind::ALL;
const OBJECT: &[PlatformKind] = &[PlatformKind::S3Wal, PlatformKind::S3ExpressWal];

/// All of them.
pub const SITUATIONS: &[Situation] = &[
    Situation {
        mark: "wal: a fenced owner's PUT landed after the new owner's list",
        platforms: OBJECT,
        storms: &[Family::ObjectStoreLate],
        seeds: 5_000,
    },
    Situation {
        mark: "producer: a batch of unknown fate was acknowledged by another leader",
        platforms: ALL,
        storms: &[Family::BrokerCrash],
        seeds: 300,
    },
    Situation {
        mark: "wal: a trim lay between crash and recovery",
        platforms: ALL,
        storms: &[Family::BrokerCrash],
        seeds: 300,
    },
    Situation {
        mark: "controller: a commit was retried after it was applied",
        platforms: ALL,
        storms: &[Family::NetworkPartition],
        seeds: 3_000,
    },
    Situation { mark: "wal: list crossed a page", platforms: OBJECT, storms: &[Family::BrokerCrash], seeds: 300 },
    Situation { mark: "wal: over capacity", platforms: ALL, storms: &[], seeds: 300 },
    Situation {
        mark: "compaction: a read raced with it",
        platforms: ALL,
        storms: &[Family::BrokerCrash],
        seeds: 5_000,
    },
];

/// Those that a scenario must reach on a platform, given enough seeds.
pub fn of(scenario: &Scenario, platform: PlatformKind) -> impl Iterator<Item = &'static Situation> {
    let blows = |of: &Situation| {
        let strong = |family: &Family| {
            let found = scenario.storm.families.iter().find(|(known, _)| known == family);
            found.is_some_and(|(_, intensity)| *intensity != Intensity::Rare)
        };
        of.storms.is_empty() || of.storms.iter().any(strong)
    };
    SITUATIONS.iter().filter(move |of| of.platforms.contains(&platform) && blows(of))
}
