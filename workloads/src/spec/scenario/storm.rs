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
}

impl Family {
    /// All of them, with their names in scenarios.
    pub const ALL: [(&'static str, Family); 22] = [
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
