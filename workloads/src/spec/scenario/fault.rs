//! What happens in measured runs, and when: `[[fault]]`.

use super::size::Measure;
use super::target::{Kind, Target, World};
use crate::spec::document::section::Section;
use crate::spec::document::value::{Wrong, boolean, choice, number, span, span_above_zero, text};
use crate::spec::document::{Node, Severity};
use std::fmt;
use wavetank_sim::Nanos;

/// A fault at its time.
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    /// When it begins, from the end of the warm-up.
    pub at: Nanos,
    /// How long it lasts; none for what has no end (a broker that stays down) or no length (a jump of a clock).
    pub lasts: Option<Nanos>,
    /// What happens.
    pub kind: FaultKind,
}

/// What happens.
#[derive(Clone, Debug, PartialEq)]
pub enum FaultKind {
    /// A broker's process dies, and starts again afterwards.
    KillBroker(Target),
    /// A broker stops and comes back as if no time had passed: a zombie.
    PauseBroker(Target),
    /// A broker's host slows down: slow death.
    SlowBroker {
        /// Which.
        target: Target,
        /// How many times slower its cores and network are.
        factor: f64,
    },
    /// Hosts lose power: what was not synced is lost, and they start again afterwards.
    PowerLoss(Target),
    /// All hosts and volumes of a zone are gone, and come back.
    AzOutage(Target),
    /// The object store is slow and fails some requests.
    ObjectStoreBrownout {
        /// How many times slower.
        latency_factor: f64,
        /// The share of requests that fail, from 0 to 1.
        error_rate: f64,
    },
    /// The object store fails every request.
    ObjectStoreOutage,
    /// A target and a peer do not hear each other.
    Partition {
        /// Who is cut off.
        target: Target,
        /// From whom.
        from: Peer,
    },
    /// A target's messages do not arrive at a peer; the other direction works.
    OneWayCut {
        /// Who is not heard.
        target: Target,
        /// By whom.
        from: Peer,
    },
    /// Brokers are shut down cleanly and started again, one after the other.
    RollingRestart {
        /// How long each is down.
        down: Nanos,
        /// How long until the next.
        pause: Nanos,
        /// How many brokers.
        brokers: u32,
    },
    /// One more broker joins.
    AddBroker(Option<Target>),
    /// A broker is shut down cleanly for good.
    RemoveBroker(Target),
    /// Members of a group leave and others join.
    ConsumerChurn {
        /// Whose; none for every group.
        target: Option<Target>,
        /// How often.
        every: Nanos,
    },
    /// Somebody else uses a broker's host.
    NoisyNeighbour {
        /// Whose.
        target: Target,
        /// The share of cores, network and volume that it takes, from 0 to 1.
        share: f64,
    },
    /// A host's wall clock jumps.
    ClockJump {
        /// Whose.
        target: Target,
        /// How far.
        by: Nanos,
        /// Into the past.
        backwards: bool,
    },
    /// A broker's volume or NFS share answers nothing, and everything afterwards.
    VolumeStall(Target),
    /// What a broker's write-ahead log is kept on is lost with all that it held, and an empty one is in its place afterwards: its
    /// volume, its zone's S3 Express bucket, or the file share of all brokers. Beyond what any platform promises to survive; logs
    /// in the region's object store are not lost so.
    LogLoss(Target),
    /// A controller's process dies, and starts again afterwards.
    KillController(Target),
    /// A task manager's process dies, and starts again afterwards.
    KillTaskManager(Target),
}

/// Whom a cut keeps a target from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Peer {
    /// Everyone outside the target.
    Everyone,
    /// Producers, consumers and task managers.
    Clients,
    /// The controllers.
    Controllers,
    /// The object store.
    ObjectStore,
    /// The other brokers.
    Brokers,
}

const PEERS: [(&str, Peer); 5] = [
    ("everyone", Peer::Everyone),
    ("clients", Peer::Clients),
    ("controllers", Peer::Controllers),
    ("object-store", Peer::ObjectStore),
    ("brokers", Peer::Brokers),
];

/// The kinds, by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Name {
    KillBroker,
    PauseBroker,
    SlowBroker,
    PowerLoss,
    AzOutage,
    ObjectStoreBrownout,
    ObjectStoreOutage,
    Partition,
    OneWayCut,
    RollingRestart,
    AddBroker,
    RemoveBroker,
    ConsumerChurn,
    NoisyNeighbour,
    ClockJump,
    VolumeStall,
    LogLoss,
    KillController,
    KillTaskManager,
}

const NAMES: [(&str, Name); 19] = [
    ("kill-broker", Name::KillBroker),
    ("pause-broker", Name::PauseBroker),
    ("slow-broker", Name::SlowBroker),
    ("power-loss", Name::PowerLoss),
    ("az-outage", Name::AzOutage),
    ("object-store-brownout", Name::ObjectStoreBrownout),
    ("object-store-outage", Name::ObjectStoreOutage),
    ("partition", Name::Partition),
    ("one-way-cut", Name::OneWayCut),
    ("rolling-restart", Name::RollingRestart),
    ("add-broker", Name::AddBroker),
    ("remove-broker", Name::RemoveBroker),
    ("consumer-churn", Name::ConsumerChurn),
    ("noisy-neighbour", Name::NoisyNeighbour),
    ("clock-jump", Name::ClockJump),
    ("volume-stall", Name::VolumeStall),
    ("log-loss", Name::LogLoss),
    ("kill-controller", Name::KillController),
    ("kill-task-manager", Name::KillTaskManager),
];

/// Whether a kind has an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Length {
    /// It must be said.
    Needed,
    /// Without one it lasts for good.
    Optional,
    /// It has none.
    None,
}

impl Name {
    fn length(self) -> Length {
        match self {
            Name::KillBroker | Name::KillController | Name::KillTaskManager | Name::PowerLoss => Length::Optional,
            Name::RollingRestart | Name::AddBroker | Name::RemoveBroker | Name::ClockJump => Length::None,
            Name::PauseBroker
            | Name::SlowBroker
            | Name::AzOutage
            | Name::ObjectStoreBrownout
            | Name::ObjectStoreOutage
            | Name::Partition
            | Name::OneWayCut
            | Name::ConsumerChurn
            | Name::NoisyNeighbour
            | Name::VolumeStall
            | Name::LogLoss => Length::Needed,
        }
    }
}

const HINTS: [(&str, &str); 6] = [
    ("duration", "for"),
    ("lasts", "for"),
    ("start", "at"),
    ("broker", "target = \"broker:1\""),
    ("az", "target = \"az:a\""),
    ("type", "kind"),
];

pub(super) fn read(top: &Section<'_>, world: &World<'_>, measure: &Measure) -> Vec<Fault> {
    let sections = top.sections("fault");
    let mut faults: Vec<Fault> = sections.iter().filter_map(|section| fault(section, world, measure)).collect();
    faults.sort_by_key(|fault| fault.at);
    faults
}

fn fault(section: &Section<'_>, world: &World<'_>, measure: &Measure) -> Option<Fault> {
    let names = NAMES.map(|(name, _)| name).join(", ");
    let at = section.need("at", Nanos::ZERO, "from the end of the warm-up: \"30 s\"", span);
    let kind = section.need("kind", None, &format!("one of {names}"), |node| choice(&NAMES)(node).map(Some))?;
    let lasts = lasts(section, kind);
    let fault = Fault { at, lasts, kind: read_kind(section, world, kind) };
    section.finish(Severity::Error, &HINTS);
    let end = at.saturating_add(fault.length().unwrap_or(Nanos::ZERO));
    if section.is_sound() && end > measure.duration {
        let key = match (at > measure.duration, fault.lasts) {
            (true, _) => "at",
            (false, Some(_)) => "for",
            (false, None) => "kind",
        };
        let problem = format!("is over only at {}, after the run", words(end));
        let help = format!("an end within measure.duration, {}", words(measure.duration));
        section.error(key, problem, help);
    }
    Some(fault)
}

fn lasts(section: &Section<'_>, kind: Name) -> Option<Nanos> {
    let entry = section.entry("for");
    match kind.length() {
        Length::Needed => Some(section.need("for", Nanos::ZERO, "how long it lasts: \"20 s\"", span_above_zero)),
        Length::Optional => section.optional("for", span_above_zero),
        Length::None => {
            if entry.is_some() {
                section.error("for", "has no meaning for this kind", "no `for`");
            }
            None
        }
    }
}

const BROKER: &[Kind] = &[Kind::Broker];
const HOSTS: &[Kind] = &[Kind::Broker, Kind::Az];
const ANY_HOST: &[Kind] = &[Kind::Broker, Kind::Controller, Kind::Az];

fn read_kind(section: &Section<'_>, world: &World<'_>, kind: Name) -> FaultKind {
    let target = |kinds| section.or("target", Target::Any, world.target(kinds));
    let az = || {
        let first = Target::Az(world.cluster.azs.first().cloned().unwrap_or_default());
        section.need("target", first, "which zone: \"az:a\"", world.target(&[Kind::Az]))
    };
    let from = || section.or("from", Peer::Everyone, peer);
    match kind {
        Name::KillBroker => FaultKind::KillBroker(target(BROKER)),
        Name::PauseBroker => FaultKind::PauseBroker(target(BROKER)),
        Name::SlowBroker => {
            FaultKind::SlowBroker { target: target(BROKER), factor: section.or("factor", 10.0, number(1.0, 1e6)) }
        }
        Name::PowerLoss => FaultKind::PowerLoss(target(HOSTS)),
        Name::AzOutage => FaultKind::AzOutage(az()),
        Name::ObjectStoreBrownout => brownout(section),
        Name::ObjectStoreOutage => FaultKind::ObjectStoreOutage,
        Name::Partition => FaultKind::Partition { target: target(ANY_HOST), from: from() },
        Name::OneWayCut => FaultKind::OneWayCut { target: target(ANY_HOST), from: from() },
        Name::RollingRestart => FaultKind::RollingRestart {
            down: section.or("down", Nanos::secs(5), span_above_zero),
            pause: section.or("pause", Nanos::secs(10), span),
            brokers: world.cluster.brokers,
        },
        Name::AddBroker => FaultKind::AddBroker(section.optional("target", world.target(&[Kind::Az]))),
        Name::RemoveBroker => FaultKind::RemoveBroker(target(BROKER)),
        Name::ConsumerChurn => FaultKind::ConsumerChurn {
            target: section.optional("target", world.target(&[Kind::Group])),
            every: section.or("every", Nanos::secs(10), span_above_zero),
        },
        Name::NoisyNeighbour => {
            FaultKind::NoisyNeighbour { target: target(BROKER), share: section.or("share", 0.5, number(0.0, 0.99)) }
        }
        Name::ClockJump => FaultKind::ClockJump {
            target: target(ANY_HOST),
            by: section.need("by", Nanos::ZERO, "how far: \"5 s\"", span_above_zero),
            backwards: section.or("backwards", false, boolean),
        },
        Name::VolumeStall => FaultKind::VolumeStall(target(BROKER)),
        Name::LogLoss => FaultKind::LogLoss(target(BROKER)),
        Name::KillController => {
            let kinds = [Kind::Controller];
            FaultKind::KillController(section.or("target", Target::ActiveController, world.target(&kinds)))
        }
        Name::KillTaskManager => {
            if world.pipelines.is_empty() {
                section.error("kind", "has nobody to kill: the scenario has no [[pipeline]]", "a [[pipeline]]");
            }
            let kinds = [Kind::TaskManager];
            FaultKind::KillTaskManager(section.or("target", Target::TaskManager(1), world.target(&kinds)))
        }
    }
}

fn brownout(section: &Section<'_>) -> FaultKind {
    let latency_factor = section.or("latency_factor", 1.0, number(1.0, 1e6));
    let error_rate = section.or("error_rate", 0.0, number(0.0, 1.0));
    if section.entry("latency_factor").is_none() && section.entry("error_rate").is_none() {
        section.error("kind", "changes nothing by itself", "latency_factor = 5 or error_rate = 0.05 beside it");
    }
    FaultKind::ObjectStoreBrownout { latency_factor, error_rate }
}

fn peer(node: &Node) -> Result<Peer, Wrong> {
    let word = text(node)?;
    let found = PEERS.iter().find(|(name, _)| *name == word);
    found.map(|(_, peer)| peer.clone()).ok_or_else(|| {
        let names = PEERS.map(|(name, _)| name);
        Wrong::new(format!("there is no \"{word}\""), format!("one of {}", names.join(", ")))
    })
}

impl Fault {
    /// How long it takes, all in all; none when it has no end.
    pub fn length(&self) -> Option<Nanos> {
        match &self.kind {
            FaultKind::RollingRestart { down, pause, brokers } => {
                Some(down.saturating_add(*pause).scale((*brokers).into(), 1))
            }
            FaultKind::AddBroker(_) | FaultKind::RemoveBroker(_) | FaultKind::ClockJump { .. } => None,
            FaultKind::KillBroker(_)
            | FaultKind::PauseBroker(_)
            | FaultKind::SlowBroker { .. }
            | FaultKind::PowerLoss(_)
            | FaultKind::AzOutage(_)
            | FaultKind::ObjectStoreBrownout { .. }
            | FaultKind::ObjectStoreOutage
            | FaultKind::Partition { .. }
            | FaultKind::OneWayCut { .. }
            | FaultKind::ConsumerChurn { .. }
            | FaultKind::NoisyNeighbour { .. }
            | FaultKind::VolumeStall(_)
            | FaultKind::LogLoss(_)
            | FaultKind::KillController(_)
            | FaultKind::KillTaskManager(_) => self.lasts,
        }
    }
}

/// A share in percent: 0.999 is 99.9, and no 99.90000000000001.
pub(super) fn percent(share: f64) -> f64 {
    (share * 1e8).round() / 1e6
}

/// A span of time as people write it: `30 s`, `1.5 s`, `10 min`.
pub fn words(span: Nanos) -> String {
    let units =
        [(3_600_000_000_000, "h"), (60_000_000_000, "min"), (1_000_000_000, "s"), (1_000_000, "ms"), (1_000, "us")];
    let whole = units.iter().find(|(each, _)| span.0 >= *each && span.0.is_multiple_of(*each));
    match whole {
        Some((each, unit)) => format!("{} {unit}", span.0 / each),
        None if span == Nanos::ZERO => "0 s".into(),
        None if span.0 >= 1_000_000_000 => format!("{} s", span.as_secs_f64()),
        None => format!("{} ms", span.as_millis_f64()),
    }
}

impl FaultKind {
    /// Whether it is over as soon as it happened.
    pub fn is_instant(&self) -> bool {
        matches!(self, FaultKind::AddBroker(_) | FaultKind::RemoveBroker(_) | FaultKind::ClockJump { .. })
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Peer::Everyone => "everyone",
            Peer::Clients => "clients",
            Peer::Controllers => "the controllers",
            Peer::ObjectStore => "the object store",
            Peer::Brokers => "the other brokers",
        })
    }
}

impl fmt::Display for FaultKind {
    /// In words.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FaultKind::KillBroker(target) => write!(f, "the process of {target} dies"),
            FaultKind::PauseBroker(target) => {
                write!(f, "{target} stops, and comes back as if no time had passed (zombie)")
            }
            FaultKind::SlowBroker { target, factor } => {
                write!(f, "{target} becomes {factor} times slower (slow death)")
            }
            FaultKind::PowerLoss(target) => write!(f, "{target} loses power, and all that was not synced"),
            FaultKind::AzOutage(target) => write!(f, "all of {target} is gone"),
            FaultKind::ObjectStoreBrownout { latency_factor, error_rate } => {
                write!(
                    f,
                    "the object store is {latency_factor} times slower and fails {} % of requests",
                    percent(*error_rate)
                )
            }
            FaultKind::ObjectStoreOutage => f.write_str("the object store fails every request"),
            FaultKind::Partition { target, from } => write!(f, "{target} is cut off from {from}"),
            FaultKind::OneWayCut { target, from } => {
                write!(f, "{target} is no longer heard by {from}, and still hears")
            }
            FaultKind::RollingRestart { down, pause, brokers } => write!(
                f,
                "{brokers} brokers restart, one after the other: each is down for {}, the next follows after {}",
                words(*down),
                words(*pause)
            ),
            FaultKind::AddBroker(None) => f.write_str("one more broker joins"),
            FaultKind::AddBroker(Some(target)) => write!(f, "one more broker joins in {target}"),
            FaultKind::RemoveBroker(target) => write!(f, "{target} is shut down cleanly for good"),
            FaultKind::ConsumerChurn { target, every } => {
                let whose = target.as_ref().map_or_else(|| "every group".to_owned(), Target::to_string);
                write!(f, "in {whose} a member leaves and another joins, every {}", words(*every))
            }
            FaultKind::NoisyNeighbour { target, share } => {
                write!(f, "a neighbour takes {:.0} % of the host of {target}", share * 100.0)
            }
            FaultKind::ClockJump { target, by, backwards } => {
                let way = if *backwards { "back" } else { "ahead" };
                write!(f, "the wall clock of {target} jumps {} {way}", words(*by))
            }
            FaultKind::VolumeStall(target) => write!(f, "the volume of {target} answers nothing"),
            FaultKind::LogLoss(target) => {
                write!(f, "what the log of {target} is kept on is lost with all that it held")
            }
            FaultKind::KillController(target) => write!(f, "the process of {target} dies"),
            FaultKind::KillTaskManager(target) => write!(f, "the process of {target} dies"),
        }
    }
}
