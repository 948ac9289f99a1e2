//! What may happen in exploring runs: `[storm]`. Each seed switches each family on or off, and draws the rest.

use crate::spec::document::Severity;
use crate::spec::document::section::Section;
use crate::spec::document::value::{boolean, choice};

/// Families of faults, and how often they strike.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Storm {
    /// Those that are not off, in the order of [`Family::ALL`].
    pub families: Vec<(Family, Intensity)>,
    /// Faults may exceed what the architecture promises to survive: loss is then told, not held against it.
    pub over_budget: bool,
}

/// How often a family strikes while it is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Intensity {
    /// About once a run.
    Rare,
    /// A few times a run.
    Some,
    /// As often as recovery allows.
    Often,
}

impl Intensity {
    /// Its name in scenarios.
    pub fn name(self) -> &'static str {
        match self {
            Intensity::Rare => "rare",
            Intensity::Some => "some",
            Intensity::Often => "often",
        }
    }
}

/// A family of faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Family {
    /// Brokers die and start again.
    BrokerCrash,
    /// Brokers stop and come back.
    BrokerPause,
    /// Brokers slow down.
    BrokerSlow,
    /// Hosts lose power.
    PowerLoss,
    /// Zones go and come back.
    AzOutage,
    /// Controllers die and start again.
    ControllerCrash,
    /// Clients die and start again.
    ClientCrash,
    /// Task managers die and start again.
    TaskManagerCrash,
    /// Job managers die and start again.
    JobManagerCrash,
    /// Hosts do not hear each other.
    NetworkPartition,
    /// Hosts are not heard, and hear.
    OneWayCut,
    /// Messages are late.
    NetworkDelay,
    /// The object store is slow.
    ObjectStoreSlow,
    /// The object store fails requests.
    ObjectStoreErrors,
    /// Requests to the object store land late, after their sender gave up or died.
    ObjectStoreLate,
    /// Volumes answer nothing for a while.
    VolumeStall,
    /// Volumes fail operations.
    VolumeErrors,
    /// Members of groups come and go.
    ConsumerChurn,
    /// Brokers are restarted cleanly.
    CleanRestart,
    /// Partitions move.
    Reassignment,
    /// Somebody else uses hosts.
    NoisyNeighbour,
    /// Wall clocks jump and drift.
    ClockSkew,
    /// All brokers of a zone die, stop or slow down, at once or one shortly after the other; the zone itself is up.
    ZoneHit,
    /// Brokers, or controllers, are hit one after the other, all of them.
    RollingFaults,
    /// Messages on some links are held, link by link, and set free link by link in another order (FoundationDB's swizzle-clogging).
    SwizzleClog,
    /// A broker that has just come back is hit again.
    HitAgain,
    /// A broker is away, and whoever takes its log over is hit while it rescues, or is so slow that the broker is back before,
    /// or cannot upload until then.
    RescuerCrash,
    /// What a broker has just asked of the controllers is held while it dies and comes back, or the answers are lost.
    LateMessages,
    /// Hosts stand still, with everything on them: a collection of garbage, a live migration.
    HostPause,
    /// Controllers stop and come back.
    ControllerPause,
    /// Controllers' hosts lose power.
    ControllerPowerLoss,
    /// Controllers do not hear others, or are not heard.
    ControllerCut,
    /// Controllers' volumes stall, are slow or full, or fail writes.
    ControllerVolume,
    /// Job managers and task managers stop and come back.
    JobPause,
    /// Connections of brokers are reset, again and again.
    ConnectionResets,
    /// The way from one zone to another is slow and narrow.
    ZoneGrey,
    /// Brokers' volumes are slow.
    VolumeSlow,
    /// Writes to brokers' volumes fail for a while.
    VolumeWriteErrors,
    /// The file share fails over to its standby.
    ShareFailover,
    /// The file share answers nothing for a while.
    ShareStall,
    /// The object store answers nobody for a while.
    ObjectStoreOutage,
    /// Brokers and controllers do not hear each other, and clients still reach the brokers.
    QuorumCut,
    /// Operators have topics keep less, and as much as before.
    RetentionChange,
    /// Operators set the committed offsets of groups back.
    OffsetReset,
    /// Operators give jobs another parallelism, and that of their beginning again.
    Rescale,
    /// Operators take brokers' volumes from their hosts.
    VolumeDetach,
}

impl Family {
    /// All of them, with their names in scenarios.
    pub const ALL: [(&'static str, Family); 46] = [
        ("broker-crash", Family::BrokerCrash),
        ("broker-pause", Family::BrokerPause),
        ("broker-slow", Family::BrokerSlow),
        ("power-loss", Family::PowerLoss),
        ("az-outage", Family::AzOutage),
        ("controller-crash", Family::ControllerCrash),
        ("client-crash", Family::ClientCrash),
        ("task-manager-crash", Family::TaskManagerCrash),
        ("job-manager-crash", Family::JobManagerCrash),
        ("network-partition", Family::NetworkPartition),
        ("one-way-cut", Family::OneWayCut),
        ("network-delay", Family::NetworkDelay),
        ("object-store-slow", Family::ObjectStoreSlow),
        ("object-store-errors", Family::ObjectStoreErrors),
        ("object-store-late", Family::ObjectStoreLate),
        ("volume-stall", Family::VolumeStall),
        ("volume-errors", Family::VolumeErrors),
        ("consumer-churn", Family::ConsumerChurn),
        ("clean-restart", Family::CleanRestart),
        ("reassignment", Family::Reassignment),
        ("noisy-neighbour", Family::NoisyNeighbour),
        ("clock-skew", Family::ClockSkew),
        ("zone-hit", Family::ZoneHit),
        ("rolling-faults", Family::RollingFaults),
        ("swizzle-clog", Family::SwizzleClog),
        ("hit-again", Family::HitAgain),
        ("rescuer-crash", Family::RescuerCrash),
        ("late-messages", Family::LateMessages),
        ("host-pause", Family::HostPause),
        ("controller-pause", Family::ControllerPause),
        ("controller-power-loss", Family::ControllerPowerLoss),
        ("controller-cut", Family::ControllerCut),
        ("controller-volume", Family::ControllerVolume),
        ("job-pause", Family::JobPause),
        ("connection-resets", Family::ConnectionResets),
        ("zone-grey", Family::ZoneGrey),
        ("volume-slow", Family::VolumeSlow),
        ("volume-write-errors", Family::VolumeWriteErrors),
        ("share-failover", Family::ShareFailover),
        ("share-stall", Family::ShareStall),
        ("object-store-outage", Family::ObjectStoreOutage),
        ("quorum-cut", Family::QuorumCut),
        ("retention-change", Family::RetentionChange),
        ("offset-reset", Family::OffsetReset),
        ("rescale", Family::Rescale),
        ("volume-detach", Family::VolumeDetach),
    ];

    /// Its name in scenarios.
    pub fn name(self) -> &'static str {
        let found = Family::ALL.iter().find(|(_, family)| *family == self);
        found.map(|(name, _)| *name).expect("every family is listed")
    }
}

pub(super) fn read(top: &Section<'_>) -> Storm {
    let intensities = [
        ("off", None),
        ("rare", Some(Intensity::Rare)),
        ("some", Some(Intensity::Some)),
        ("often", Some(Intensity::Often)),
    ];
    let Some(section) = top.section("storm") else { return Storm::default() };
    let families = Family::ALL.into_iter().filter_map(|(name, family)| {
        let intensity = section.optional(name, choice(&intensities))??;
        Some((family, intensity))
    });
    let storm = Storm { families: families.collect(), over_budget: section.or("over_budget", false, boolean) };
    section.finish(Severity::Error, &[("kill-broker", "broker-crash"), ("pause-broker", "broker-pause")]);
    storm
}
