//! Brokers, their hosts, and the platforms that the scenario runs on.

use super::expect::{self, Expectation};
use crate::spec::document::Severity;
use crate::spec::document::section::Section;
use crate::spec::document::value::{Wrong, choice, count32, list, name, text};
use crate::spec::document::{Node, Value};
use crate::spec::near::advice;
use crate::spec::settings::given::Conflict;
use crate::spec::settings::wal_uri::{FileWal, ObjectWal};
use crate::spec::settings::{BrokerSettings, Given, Scope, SettingValue, SharedStorageSettings, WalUri};
use wavetank_models::cloud::instance::InstanceTypes;

/// The brokers and their hosts.
#[derive(Clone, Debug, PartialEq)]
pub struct Cluster {
    /// Brokers, spread over the zones.
    pub brokers: u32,
    /// Controllers of the metadata quorum, on hosts of their own.
    pub controllers: u32,
    /// Availability zones, by name.
    pub azs: Vec<String>,
    /// The brokers' instance type, by name.
    pub instance: String,
    /// Its virtual cores.
    pub vcpus: u32,
    /// Its memory in bytes.
    pub memory_bytes: u64,
    /// What `[cluster.settings]` sets.
    pub given: Given,
    /// The brokers' settings; a platform may have others.
    pub settings: BrokerSettings,
}

/// A platform: shared storage below Kafka's protocol, over one kind of write-ahead log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PlatformKind {
    /// The log is objects of S3 Standard.
    S3Wal,
    /// The log is objects of S3 Express One Zone.
    S3ExpressWal,
    /// The log is on a volume of one zone.
    EbsWal,
    /// The log is on a volume of several zones.
    RegionalEbsWal,
    /// The log is a file of NFS.
    NfsWal,
}

impl PlatformKind {
    /// All of them.
    pub const ALL: [PlatformKind; 5] = [
        PlatformKind::S3Wal,
        PlatformKind::S3ExpressWal,
        PlatformKind::EbsWal,
        PlatformKind::RegionalEbsWal,
        PlatformKind::NfsWal,
    ];

    /// Its name in scenarios.
    pub fn name(self) -> &'static str {
        match self {
            PlatformKind::S3Wal => "s3-wal",
            PlatformKind::S3ExpressWal => "s3-express-wal",
            PlatformKind::EbsWal => "ebs-wal",
            PlatformKind::RegionalEbsWal => "regional-ebs-wal",
            PlatformKind::NfsWal => "nfs-wal",
        }
    }

    /// Whether all brokers are in one zone, the cluster's first: a volume of one zone can be attached in that zone alone, so
    /// whoever is to take a dead broker's log over must be there too.
    pub fn is_in_one_zone(self) -> bool {
        self == PlatformKind::EbsWal
    }

    /// One line for people.
    pub fn summary(self) -> &'static str {
        match self {
            PlatformKind::S3Wal => "shared storage, WAL of objects in S3 Standard",
            PlatformKind::S3ExpressWal => "shared storage, WAL of objects in S3 Express One Zone",
            PlatformKind::EbsWal => "shared storage, WAL on a volume of one zone",
            PlatformKind::RegionalEbsWal => "shared storage, WAL on a volume of several zones",
            PlatformKind::NfsWal => "shared storage, WAL in a file on NFS",
        }
    }

    /// Its `s3.wal.path` when nobody says another.
    fn default_wal(self) -> WalUri {
        match self {
            PlatformKind::S3Wal => WalUri::Object(ObjectWal::in_bucket("wavetank-wal")),
            PlatformKind::S3ExpressWal => WalUri::Object(ObjectWal::in_bucket("wavetank-wal--az1--x-s3")),
            PlatformKind::EbsWal | PlatformKind::RegionalEbsWal => WalUri::File(FileWal::at("/dev/wal")),
            PlatformKind::NfsWal => WalUri::File(FileWal::at("/nfs/wal")),
        }
    }

    fn fits(self, wal: &WalUri) -> bool {
        matches!((self.default_wal(), wal), (WalUri::Object(_), WalUri::Object(_)) | (WalUri::File(_), WalUri::File(_)))
    }
}

/// A platform of a scenario, with its settings.
#[derive(Clone, Debug, PartialEq)]
pub struct Platform {
    /// Which.
    pub kind: PlatformKind,
    /// Where its write-ahead log is: `s3.wal.path`, or the platform's own.
    pub wal: WalUri,
    /// What is set for it: the cluster's settings, and its own over them.
    pub given: Given,
    /// Its brokers' settings.
    pub broker: BrokerSettings,
    /// Its storage's settings.
    pub shared_storage: SharedStorageSettings,
    /// What is expected of it alone.
    pub expectations: Vec<Expectation>,
}

const DEFAULT_INSTANCE: &str = "m7g.xlarge";

const HINTS: [(&str, &str); 5] = [
    ("threads", "\"num.io.threads\" and \"num.network.threads\" in [cluster.settings]"),
    ("memory", "instance: memory follows from it"),
    ("ram", "instance: memory follows from it"),
    ("zones", "azs = [\"a\", \"b\", \"c\"]"),
    ("instance_type", "instance"),
];

pub(super) fn read(top: &Section<'_>) -> Cluster {
    let types = InstanceTypes::builtin();
    let empty = Default::default();
    let section = top.section("cluster").unwrap_or_else(|| top.within("cluster".into(), 0..0, &empty));
    let azs = section.or("azs", ["a", "b", "c"].map(String::from).to_vec(), zones);
    let brokers = section.or("brokers", 3, count32(1, 1_000));
    let controllers = section.or("controllers", 3, controllers);
    let known: Vec<&str> = types.iter().map(|it| it.name.as_str()).collect();
    let instance = section.or("instance", DEFAULT_INSTANCE.into(), |node| {
        let name = text(node)?;
        match types.get(&name) {
            Some(_) => Ok(name),
            None => Err(Wrong::new(format!("there is no instance type \"{name}\""), advice(&name, known.clone()))),
        }
    });
    let given = section.section("settings").map_or_else(Given::default, |settings| {
        let given = Given::of_section(&settings, &[Scope::Broker], &[]);
        say(&settings, &given, Scope::Broker, conflicts);
        given
    });
    section.finish(Severity::Error, &HINTS);
    let (vcpus, memory_bytes) = types.get(&instance).map_or((1, 1), |it| (it.vcpus, it.memory_bytes));
    let settings = BrokerSettings::of(&given);
    Cluster { brokers, controllers, azs, instance, vcpus, memory_bytes, given, settings }
}

/// Names of zones, or how many there are.
fn zones(node: &Node) -> Result<Vec<String>, Wrong> {
    if let Value::Int(_) = node.value {
        let count = count32(1, 6)(node)? as usize;
        return Ok(["a", "b", "c", "d", "e", "f"][..count].iter().map(|az| (*az).to_owned()).collect());
    }
    let azs = list(name)(node)?;
    let twice = azs.iter().enumerate().find(|(i, az)| azs[..*i].contains(az));
    match (azs.len(), twice) {
        (1..=6, None) => Ok(azs),
        (_, Some((_, az))) => Err(Wrong::new(format!("zone \"{az}\" is there twice"), "[\"a\", \"b\", \"c\"]")),
        (many, None) => Err(Wrong::new(format!("{many} zones"), "1 to 6: [\"a\", \"b\", \"c\"]")),
    }
}

/// A quorum of an even number tolerates no more than one of one less.
fn controllers(node: &Node) -> Result<u32, Wrong> {
    match count32(1, 9)(node)? {
        odd if odd % 2 == 1 => Ok(odd),
        even => Err(Wrong::new(format!("{even} controllers tolerate no more failures than {}", even - 1), "1, 3 or 5")),
    }
}

fn conflicts(given: &Given) -> Vec<Conflict> {
    let it = BrokerSettings::of(given);
    let mut conflicts = Vec::new();
    if it.heartbeat_interval >= it.session_timeout {
        conflicts.push(Conflict {
            severity: Severity::Error,
            key: "broker.session.timeout.ms",
            problem: "is no longer than broker.heartbeat.interval.ms: every broker is fenced at once".into(),
            help: "several heartbeats long".into(),
        });
    }
    conflicts
}

/// Takes down what does not go together, where a setting of it was set, else at the table.
pub(super) fn say(section: &Section<'_>, given: &Given, scope: Scope, conflicts: fn(&Given) -> Vec<Conflict>) {
    if !section.is_sound() {
        return;
    }
    for conflict in conflicts(given) {
        let at = given.get(scope, conflict.key).map_or_else(|| section.span.clone(), |it| it.at.clone());
        let key = section.full(conflict.key);
        match conflict.severity {
            Severity::Error => section.log.error(at, &key, conflict.problem, conflict.help),
            Severity::Warning => section.log.warn(at, &key, conflict.problem, conflict.help),
        }
    }
}

pub(super) fn read_platforms(top: &Section<'_>, cluster: &Cluster) -> Vec<Platform> {
    let kinds = PlatformKind::ALL.map(|kind| (kind.name(), kind));
    let wanted = top.need("platforms", Vec::new(), "platforms = [\"s3-wal\"], before the first [table]", |node| {
        let kinds = list(choice(&kinds))(node)?;
        let twice = kinds.iter().enumerate().find(|(i, kind)| kinds[..*i].contains(kind));
        match (kinds.is_empty(), twice) {
            (true, _) => Err(Wrong::new("names no platform", "[\"s3-wal\"]")),
            (_, Some((_, kind))) => Err(Wrong::new(format!("\"{}\" is there twice", kind.name()), "each once")),
            _ => Ok(kinds),
        }
    });
    let sections = top.section("platform");
    let platforms = wanted.iter().map(|kind| {
        let own = sections.as_ref().and_then(|sections| sections.section(kind.name()));
        read_platform(*kind, own.as_ref(), cluster)
    });
    let platforms = platforms.collect();
    if let Some(sections) = sections {
        for kind in PlatformKind::ALL.into_iter().filter(|kind| !wanted.contains(kind)) {
            if let Some(idle) = sections.section(kind.name()).filter(|_| !wanted.is_empty()) {
                // Still read: what is wrong in it is wrong.
                read_platform(kind, Some(&idle), cluster);
                sections.warn(
                    kind.name(),
                    "is set, and not among platforms",
                    format!("platforms = [.., \"{}\"]", kind.name()),
                );
            }
        }
        sections.finish(Severity::Error, &[]);
    }
    platforms
}

fn read_platform(kind: PlatformKind, section: Option<&Section<'_>>, cluster: &Cluster) -> Platform {
    let scopes = [Scope::SharedStorage, Scope::Broker];
    let own = section.map_or_else(Given::default, |section| Given::of_section(section, &scopes, &["expect"]));
    let expectations =
        section.and_then(|section| section.section("expect")).map_or_else(Vec::new, |section| expect::read(&section));
    let given = cluster.given.overlaid(&own);
    let set = own.get(Scope::SharedStorage, "s3.wal.path");
    let wal = match set {
        Some(it) => match &it.value {
            SettingValue::WalUri(wal) => wal.clone(),
            _ => kind.default_wal(),
        },
        None => kind.default_wal(),
    };
    if let (Some(it), Some(section), false) = (set, section, kind.fits(&wal)) {
        let problem = format!("is no place for the log of {}", kind.name());
        section.log.error(it.at.clone(), &section.full("s3.wal.path"), problem, kind.default_wal().to_string());
    }
    let broker = BrokerSettings::of(&given);
    if let Some(section) = section.filter(|_| own.of(Scope::Broker) != Given::default()) {
        say(section, &given, Scope::Broker, conflicts);
    }
    let shared_storage = SharedStorageSettings { wal_path: Some(wal.clone()), ..SharedStorageSettings::of(&given) };
    Platform { kind, wal, broker, shared_storage, given, expectations }
}
