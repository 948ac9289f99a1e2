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
    /// What it takes: a scenario's storm must have all of these, at least that often.
    pub storms: &'static [(Family, Intensity)],
    /// From how many seeds on a sweep must have reached it.
    pub seeds: u64,
}

const ALL: &[PlatformKind] = &PlatformKind::ALL;
const OBJECT: &[PlatformKind] = &[PlatformKind::S3Wal, PlatformKind::S3ExpressWal];
const CRASHES: (Family, Intensity) = (Family::BrokerCrash, Intensity::Often);
const LATE: (Family, Intensity) = (Family::ObjectStoreLate, Intensity::Some);
const CUTS: (Family, Intensity) = (Family::NetworkPartition, Intensity::Some);

/// All of them. In a hundred seeds of `broker-failover`, on the platform where it is rarest:
pub const SITUATIONS: &[Situation] = &[
    // 0.5.
    Situation {
        mark: "wal: a fenced owner's PUT landed after the new owner's list",
        platforms: OBJECT,
        storms: &[CRASHES, LATE],
        seeds: 5_000,
    },
    // 45.
    Situation {
        mark: "producer: a batch of unknown fate was acknowledged by another leader",
        platforms: ALL,
        storms: &[CRASHES],
        seeds: 300,
    },
    // 30.
    Situation { mark: "wal: a trim lay between crash and recovery", platforms: ALL, storms: &[CRASHES], seeds: 300 },
    // 10 (a commit's answer is lost on purpose in some seeds).
    Situation {
        mark: "controller: a commit was retried after it was applied",
        platforms: ALL,
        storms: &[CRASHES, CUTS],
        seeds: 500,
    },
    // 23.
    Situation { mark: "wal: list crossed a page", platforms: OBJECT, storms: &[CRASHES], seeds: 300 },
    // 17.
    Situation { mark: "wal: over capacity", platforms: ALL, storms: &[CRASHES], seeds: 300 },
    // 20.
    Situation { mark: "retention: segments were deleted", platforms: ALL, storms: &[CRASHES], seeds: 300 },
    // 17 of `backfill`, where it is rare.
    Situation {
        mark: "retention: segments were deleted by their topic's own settings",
        platforms: ALL,
        storms: &[(Family::RetentionChange, Intensity::Rare)],
        seeds: 300,
    },
    // 28 of `rebalance`.
    Situation {
        mark: "admin: a group's offsets were reset",
        platforms: ALL,
        storms: &[(Family::OffsetReset, Intensity::Some)],
        seeds: 300,
    },
    // 23 of `rebalance`, 26 of `backfill`.
    Situation {
        mark: "flink: a job is rescaled",
        platforms: ALL,
        storms: &[(Family::Rescale, Intensity::Some)],
        seeds: 300,
    },
    // 0.2.
    Situation { mark: "compaction: a read raced with it", platforms: ALL, storms: &[CRASHES], seeds: 10_000 },
];

/// Those that a scenario must reach on a platform, given enough seeds.
pub fn of(scenario: &Scenario, platform: PlatformKind) -> impl Iterator<Item = &'static Situation> {
    let blows = |of: &Situation| {
        let has = |(family, least): &(Family, Intensity)| {
            scenario.storm.families.iter().any(|(known, intensity)| known == family && intensity >= least)
        };
        of.storms.iter().all(has)
    };
    SITUATIONS.iter().filter(move |of| of.platforms.contains(&platform) && blows(of))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::scenario::builtin;

    #[test]
    fn storms_and_platforms_decide_what_is_demanded() {
        let count = |name: &str, platform| {
            let scenario = builtin::scenario(name).expect("it is built in").expect("it is right").value;
            of(&scenario, platform).count()
        };
        // No operator is at work there.
        let of_operators =
            SITUATIONS.iter().filter(|of| of.storms.iter().all(|(family, _)| *family >= Family::RetentionChange));
        let others = SITUATIONS.len() - of_operators.count();
        assert_eq!(count("broker-failover", PlatformKind::S3Wal), others);
        assert_eq!(count("broker-failover", PlatformKind::EbsWal), others - 2);
        assert_eq!(count("backfill", PlatformKind::S3Wal), 2);
        assert_eq!(count("steady", PlatformKind::S3Wal), 0);
    }
}
