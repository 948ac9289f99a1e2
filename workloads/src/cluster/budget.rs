//! The budget of faults: what a platform promises to survive, family by family of storms.
//!
//! Within it nothing that was acknowledged may be lost, and after the last heal everything becomes live again. Exploring
//! runs stay within it: a storm draws a family only where this table says that the platform survives it, and that there is
//! something to hit. What would end a promise is [written down](BEYOND), and drawn for runs alone that are to go
//! beyond it (`--over-budget`).
//!
//! A family of storms is one line here, and one arm in `storm.rs`, where it acts.

use crate::spec::scenario::{Family, PlatformKind};

/// What ends a platform's promise.
pub fn beyond(platform: PlatformKind) -> &'static str {
    BEYOND.iter().find(|(kind, _)| *kind == platform).expect("every kind is listed").1
}

/// What a platform promises while a family of faults strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Promise {
    /// It goes on: whoever is hit waits no longer than a failover takes.
    GoesOn,
    /// Some of it may stand still until the fault is healed, and nothing is lost.
    StandsStill,
    /// It has nothing that such a fault could hit.
    Untouched,
}

use Promise::{GoesOn, StandsStill, Untouched};

impl Promise {
    /// Whether a storm brings such a fault over such a platform.
    pub fn is_drawn(self) -> bool {
        match self {
            GoesOn | StandsStill => true,
            Untouched => false,
        }
    }

    /// For people.
    pub fn words(self) -> &'static str {
        match self {
            GoesOn => "goes on",
            StandsStill => "may stand still until healed",
            Untouched => "has nothing to hit",
        }
    }
}

/// The table: families, and the promises of platforms in the order of [`PlatformKind::ALL`]: `s3-wal`, `s3-express-wal`,
/// `ebs-wal`, `regional-ebs-wal`, `nfs-wal`.
const TABLE: [(Family, [Promise; 5]); Family::ALL.len()] = [
    (Family::BrokerCrash, [GoesOn; 5]),
    (Family::BrokerPause, [GoesOn; 5]),
    (Family::BrokerSlow, [GoesOn; 5]),
    // A log is acknowledged when it is durable: what power loss takes was promised to nobody.
    (Family::PowerLoss, [GoesOn; 5]),
    // An Express bucket waits for its zone. Volumes of one zone keep all brokers in that zone. A share of several zones fails
    // over, as a volume of several zones does.
    (Family::AzOutage, [GoesOn, StandsStill, StandsStill, GoesOn, GoesOn]),
    // A quorum of three survives one; a storm may take two.
    (Family::ControllerCrash, [StandsStill; 5]),
    (Family::ClientCrash, [GoesOn; 5]),
    (Family::TaskManagerCrash, [GoesOn; 5]),
    (Family::JobManagerCrash, [GoesOn; 5]),
    (Family::NetworkPartition, [GoesOn; 5]),
    // A broker that the controller hears and its clients do not: nobody takes over.
    (Family::OneWayCut, [StandsStill; 5]),
    (Family::NetworkDelay, [GoesOn; 5]),
    // Slow and failing, not gone: the logs of objects wait, the other logs wait when they are full.
    (Family::ObjectStoreSlow, [StandsStill; 5]),
    (Family::ObjectStoreErrors, [GoesOn; 5]),
    (Family::ObjectStoreLate, [GoesOn; 5]),
    // Its heartbeats still arrive: nobody takes over.
    (Family::VolumeStall, [Untouched, Untouched, StandsStill, StandsStill, Untouched]),
    // Controllers have volumes on every platform: one whose storage fails ends itself.
    (Family::VolumeErrors, [GoesOn; 5]),
    (Family::ConsumerChurn, [GoesOn; 5]),
    (Family::CleanRestart, [GoesOn; 5]),
    (Family::Reassignment, [GoesOn; 5]),
    (Family::NoisyNeighbour, [GoesOn; 5]),
    (Family::ClockSkew, [GoesOn; 5]),
    // Volumes of one zone keep all brokers in that zone: they all start again, and nobody is left to take over.
    (Family::ZoneHit, [GoesOn, GoesOn, StandsStill, GoesOn, GoesOn]),
    // One after the other, all of a quorum may be down at once.
    (Family::RollingFaults, [StandsStill; 5]),
    // As a one-way cut.
    (Family::SwizzleClog, [StandsStill; 5]),
    (Family::HitAgain, [GoesOn; 5]),
    // The object store may be gone meanwhile.
    (Family::RescuerCrash, [StandsStill; 5]),
    // Its heartbeats are held too, or they are not: then nobody takes over.
    (Family::LateMessages, [StandsStill; 5]),
    (Family::HostPause, [GoesOn; 5]),
    (Family::ControllerPause, [StandsStill; 5]),
    // What a voter has promised it has synced: a quorum comes back from a loss of power, all of it.
    (Family::ControllerPowerLoss, [StandsStill; 5]),
    (Family::ControllerCut, [StandsStill; 5]),
    (Family::ControllerVolume, [StandsStill; 5]),
    (Family::JobPause, [GoesOn; 5]),
    (Family::ConnectionResets, [GoesOn; 5]),
    (Family::ZoneGrey, [GoesOn; 5]),
    (Family::VolumeSlow, [Untouched, Untouched, GoesOn, GoesOn, Untouched]),
    // Its log fails, it ends itself and starts again, until writes succeed.
    (Family::VolumeWriteErrors, [Untouched, Untouched, StandsStill, StandsStill, Untouched]),
    (Family::ShareFailover, [Untouched, Untouched, Untouched, Untouched, GoesOn]),
    (Family::ShareStall, [Untouched, Untouched, Untouched, Untouched, StandsStill]),
    // Logs of objects wait; the others wait when they are full.
    (Family::ObjectStoreOutage, [StandsStill; 5]),
    // It is fenced and failed over; until then it may have to wait for what only controllers say.
    (Family::QuorumCut, [GoesOn; 5]),
    // What is deleted was let go by an operator: it is not lost.
    (Family::RetentionChange, [GoesOn; 5]),
    // Back, never forward: what a group reads again it has read.
    (Family::OffsetReset, [GoesOn; 5]),
    (Family::Rescale, [GoesOn; 5]),
    // Its device is gone: it ends itself, starts again and attaches it, unless somebody has taken it over by then.
    (Family::VolumeDetach, [Untouched, Untouched, GoesOn, GoesOn, Untouched]),
];

/// What ends a platform's promise, in the order of [`PlatformKind::ALL`]. A storm within the budget never does it: what was
/// acknowledged and is in no object of the region yet would be lost, and no bug would be found.
pub const BEYOND: [(PlatformKind, &str); 5] = [
    (PlatformKind::S3Wal, "objects of the regional store that are lost or rot"),
    (PlatformKind::S3ExpressWal, "a zone that is lost with its bucket: what was not uploaded from its logs"),
    (PlatformKind::EbsWal, "a volume or its zone that is lost: what was not uploaded from its log"),
    (PlatformKind::RegionalEbsWal, "a volume that is lost in all its zones: what was not uploaded from its log"),
    (PlatformKind::NfsWal, "a share that is lost: what was not uploaded from all logs"),
];

/// What a platform promises while a family strikes.
pub fn promise(platform: PlatformKind, family: Family) -> Promise {
    let column = PlatformKind::ALL.iter().position(|kind| *kind == platform).expect("every kind is listed");
    let row = TABLE.iter().find(|(of, _)| *of == family).expect("every family has a row");
    row.1[column]
}

/// A row of the table in words: who promises what.
pub fn in_words(family: Family) -> String {
    let mut groups: Vec<(Promise, Vec<&str>)> = Vec::new();
    for kind in PlatformKind::ALL {
        let promise = promise(kind, family);
        match groups.iter_mut().find(|(known, _)| *known == promise) {
            Some((_, names)) => names.push(kind.name()),
            None => groups.push((promise, vec![kind.name()])),
        }
    }
    if let [(promise, _)] = &groups[..] {
        return promise.words().into();
    }
    let say = |(promise, names): &(Promise, Vec<&str>)| format!("{}: {}", promise.words(), names.join(", "));
    groups.iter().map(say).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use wavetank_sim::SortedSet;

    #[test]
    fn every_family_has_one_row_and_every_platform_an_end_of_its_promise() {
        let rows: SortedSet<Family> = TABLE.iter().map(|(family, _)| *family).collect();
        assert!(rows.len() == TABLE.len() && Family::ALL.iter().all(|(_, family)| rows.contains(family)));
        assert!(BEYOND.iter().map(|(kind, _)| *kind).eq(PlatformKind::ALL));
    }

    #[test]
    fn rows_read_well() {
        assert_eq!(in_words(Family::BrokerCrash), "goes on");
        assert_eq!(
            in_words(Family::AzOutage),
            "goes on: s3-wal, regional-ebs-wal, nfs-wal; may stand still until healed: s3-express-wal, ebs-wal"
        );
    }
}
