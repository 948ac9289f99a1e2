//! The load: topics, partitions, rates, keys and producers; inline or from OpenMessaging Benchmark files.

use super::cluster::{Cluster, Platform, say};
use super::group::Group;
use super::placement::Placement;
use crate::spec::ReadFile;
use crate::spec::document::section::Section;
use crate::spec::document::value::{Wrong, bytes, choice, count, count32, grouped, number, rate, text};
use crate::spec::document::{Node, Severity, Value};
use crate::spec::omb::{KeyDistributor, OmbDriver, OmbWorkload};
use crate::spec::problem::{Parsed, Problems, Source};

use crate::spec::settings::{CleanupPolicy, ConsumerSettings, Given, ProducerSettings, Scope, TopicSettings};
use wavetank_sim::Nanos;

/// The load of a scenario.
#[derive(Clone, Debug, PartialEq)]
pub struct Workload {
    /// Where it was written.
    pub origin: Origin,
    /// Topics, named `topic-0` and so on.
    pub topics: u32,
    /// Partitions of each.
    pub partitions: u32,
    /// Replicas of each partition, where a platform replicates; shared storage keeps one.
    pub replication_factor: u32,
    /// Bytes of a message.
    pub message_size: u64,
    /// Messages a second, of all producers and topics together; none to find the most that a platform sustains.
    pub rate: Option<u64>,
    /// How records get keys.
    pub keys: Keys,
    /// Partitions with more than their share.
    pub hot: Vec<HotPartition>,
    /// Producers; each writes to all topics, an OMB workload's to its own.
    pub producers: Placement,
    /// Bytes that are written before consumers start; zero for none.
    pub backlog_bytes: u64,
    /// What is set for topics, producers and consumers.
    pub given: Given,
    /// The topics' settings.
    pub topic: TopicSettings,
    /// The producers'.
    pub producer: ProducerSettings,
    /// The consumers', where their group says nothing else.
    pub consumer: ConsumerSettings,
}

/// Where a load was written.
#[derive(Clone, Debug, PartialEq)]
pub enum Origin {
    /// In the scenario.
    Inline,
    /// In files of the OpenMessaging Benchmark.
    Omb {
        /// The workload file, as the scenario names it.
        path: String,
        /// The workload.
        workload: Box<OmbWorkload>,
        /// The driver file and what it says.
        driver: Option<(String, Box<OmbDriver>)>,
    },
}

/// How records get keys.
#[derive(Clone, Debug, PartialEq)]
pub struct Keys {
    /// How one is chosen.
    pub choice: KeyChoice,
    /// How many there are; zero when records have none.
    pub count: u64,
}

/// How a record's key is chosen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum KeyChoice {
    /// It has none.
    None,
    /// One after the other.
    RoundRobin,
    /// All alike.
    Uniform,
    /// Zipf's law: the k-th most frequent key has a share like 1 / k^skew.
    Zipf {
        /// The exponent.
        skew: f64,
    },
}

/// A partition with more than its share.
#[derive(Clone, Debug, PartialEq)]
pub struct HotPartition {
    /// Its number, in every topic.
    pub partition: u32,
    /// Its share of the topic's records, from 0 to 1.
    pub share: f64,
}

impl Workload {
    /// Bytes a second that producers write; none where that is what a run is to find.
    pub fn bytes_in_per_sec(&self) -> Option<u64> {
        self.rate.map(|rate| rate.saturating_mul(self.message_size))
    }

    /// Segments and retention of its topics: what is not set for them, the cluster's brokers say.
    pub fn log_config(&self, platform: &Platform) -> LogConfig {
        let (topic, broker) = (&self.topic, &platform.broker);
        let is_own = |key| self.given.get(Scope::Topic, key).is_some();
        let is_deleted = topic.cleanup_policy != CleanupPolicy::Compact;
        let time = if is_own("retention.ms") { topic.retention_time } else { broker.log_retention_time };
        let most = if is_own("retention.bytes") { topic.retention_bytes } else { broker.log_retention_bytes };
        LogConfig {
            segment_bytes: if is_own("segment.bytes") { topic.segment_bytes } else { broker.log_segment_bytes },
            segment_time: if is_own("segment.ms") { topic.segment_time } else { broker.log_roll_time },
            retention_time: time.filter(|_| is_deleted),
            retention_bytes: most.filter(|_| is_deleted),
            check_interval: broker.log_retention_check_interval,
        }
    }

    /// Partitions of all topics.
    pub fn all_partitions(&self) -> u64 {
        u64::from(self.topics) * u64::from(self.partitions)
    }

    /// The name of a topic.
    pub fn topic_name(&self, number: u32) -> String {
        format!("topic-{number}")
    }

    /// The names of all topics.
    pub fn topic_names(&self) -> Vec<String> {
        (0..self.topics).map(|number| self.topic_name(number)).collect()
    }
}

/// Segments and retention, by the keys of topics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogConfig {
    /// `segment.bytes`.
    pub segment_bytes: u64,
    /// `segment.ms`.
    pub segment_time: Nanos,
    /// `retention.ms`; none for ever.
    pub retention_time: Option<Nanos>,
    /// `retention.bytes`; none for no limit.
    pub retention_bytes: Option<u64>,
    /// `log.retention.check.interval.ms`.
    pub check_interval: Nanos,
}

/// OMB's key distributors hand out so many keys (`KeyDistributor.java`).
const OMB_KEYS: u64 = 10_000;
const TOPICS: u32 = 10_000;
/// Partitions of a topic at most; stands in for a wrong number, so that no partition seems to be missing.
const MANY: u32 = 100_000;

const HINTS: [(&str, &str); 7] = [
    ("consumers", "[[group]] with members"),
    ("duration", "[measure] and [explore]"),
    ("message_bytes", "message_size"),
    ("partitions_per_topic", "partitions, which is of each topic"),
    ("producer_rate", "rate, of all producers together"),
    ("size", "message_size"),
    ("throughput", "rate, in messages a second"),
];

pub(super) struct Loaded {
    pub(super) workload: Workload,
    /// An OMB workload's subscriptions.
    pub(super) groups: Vec<Group>,
}

pub(super) fn read(top: &Section<'_>, cluster: &Cluster, files: &dyn ReadFile) -> Loaded {
    let empty = Default::default();
    let section = top.section("workload").unwrap_or_else(|| {
        top.error("workload", "is missing", "[workload] with topics, partitions, message_size and rate, or omb");
        top.within("workload".into(), 0..0, &empty)
    });
    let own = own_settings(&section);
    let path = section.optional("omb", text);
    let loaded = match (&path, section.table.entries.is_empty()) {
        (Some(path), _) => from_omb(&section, cluster, files, path, &own),
        (None, false) => Loaded { workload: inline(&section, cluster, own), groups: Vec::new() },
        // What it lacks was said above.
        (None, true) => Loaded { workload: nothing(cluster), groups: Vec::new() },
    };
    section.finish(Severity::Error, &HINTS);
    if section.is_sound() {
        check(&section, &loaded.workload);
    }
    loaded
}

fn own_settings(section: &Section<'_>) -> Given {
    let mut own = Given::default();
    for (key, scope) in [("topic", Scope::Topic), ("producer", Scope::Producer), ("consumer", Scope::Consumer)] {
        if let Some(settings) = section.section(key) {
            let given = Given::of_section(&settings, &[scope], &[]);
            let conflicts = match scope {
                Scope::Producer => ProducerSettings::conflicts,
                Scope::Consumer => ConsumerSettings::conflicts,
                _ => |_: &Given| Vec::new(),
            };
            say(&settings, &given, scope, conflicts);
            own = own.overlaid(&given);
        }
    }
    own
}

fn nothing(cluster: &Cluster) -> Workload {
    Workload {
        origin: Origin::Inline,
        topics: 1,
        partitions: 1,
        replication_factor: 1,
        message_size: 1,
        rate: Some(1),
        keys: Keys { choice: KeyChoice::None, count: 0 },
        hot: Vec::new(),
        producers: Placement::spread(1, &cluster.azs),
        backlog_bytes: 0,
        given: Given::default(),
        topic: TopicSettings::default(),
        producer: ProducerSettings::default(),
        consumer: ConsumerSettings::default(),
    }
}

fn inline(section: &Section<'_>, cluster: &Cluster, own: Given) -> Workload {
    if section.entry("driver").is_some() {
        section.error("driver", "is an OMB driver without an OMB workload", "omb = \"workload.yaml\" beside it");
    }
    let partitions = section.need("partitions", MANY, "partitions of each topic: 12", count32(1, MANY));
    let hot = section.sections("hot").iter().map(|section| hot_partition(section, partitions)).collect();
    Workload {
        topics: section.or("topics", 1, count32(1, TOPICS)),
        partitions,
        replication_factor: section.or("replication_factor", 1, count32(1, cluster.brokers)),
        message_size: section.need("message_size", 1, "bytes of a message: \"1 KiB\"", message_size),
        rate: section.need("rate", Some(1), "messages a second of all producers: 20000", rate_or_most),
        keys: section.section("keys").map_or(Keys { choice: KeyChoice::None, count: 0 }, |section| keys(&section)),
        hot,
        producers: section.or("producers", Placement::spread(1, &cluster.azs), Placement::reader(cluster, 1)),
        backlog_bytes: section.or("backlog", 0, bytes),
        topic: TopicSettings::of(&own),
        producer: ProducerSettings::of(&own),
        consumer: ConsumerSettings::of(&own),
        given: own,
        ..nothing(cluster)
    }
}

/// `"max"`, or 0 as in the OpenMessaging Benchmark, asks for the most that can be sustained.
fn rate_or_most(node: &Node) -> Result<Option<u64>, Wrong> {
    match &node.value {
        Value::Text(text) if text == "max" => Ok(None),
        Value::Int(0) => Ok(None),
        _ => rate(node).map(Some),
    }
}

fn message_size(node: &Node) -> Result<u64, Wrong> {
    match bytes(node)? {
        size @ 1..=0x4000_0000 => Ok(size),
        size => Err(Wrong::new(format!("{} bytes", grouped(size)), "from 1 byte to 1 GiB")),
    }
}

fn keys(section: &Section<'_>) -> Keys {
    #[derive(Clone, Copy, PartialEq)]
    enum How {
        RoundRobin,
        Uniform,
        Zipf,
    }
    let hows = [("round-robin", How::RoundRobin), ("uniform", How::Uniform), ("zipf", How::Zipf)];
    let how = section.or("choice", How::Uniform, choice(&hows));
    let count = section.need("count", 1, "how many keys there are: 10000", count(1, 1_000_000_000_000));
    let skew = section.optional("skew", number(0.0, 10.0));
    section.finish(Severity::Error, &[("distribution", "choice")]);
    let choice = match (how, skew) {
        (How::Zipf, None) => {
            section.error("skew", "is missing", "the exponent of Zipf's law: skew = 0.99");
            KeyChoice::Uniform
        }
        (How::Zipf, Some(skew)) => KeyChoice::Zipf { skew },
        (_, Some(_)) => {
            section.error("skew", "belongs to choice = \"zipf\" alone", "choice = \"zipf\"");
            KeyChoice::Uniform
        }
        (How::RoundRobin, None) => KeyChoice::RoundRobin,
        (How::Uniform, None) => KeyChoice::Uniform,
    };
    Keys { choice, count }
}

fn hot_partition(section: &Section<'_>, partitions: u32) -> HotPartition {
    let last = partitions.saturating_sub(1);
    let hot = HotPartition {
        partition: section.need("partition", 0, "the partition's number, from 0", count32(0, last)),
        share: section.need("share", 0.0, "its share of the topic's records: 0.3", number(0.0, 1.0)),
    };
    section.finish(Severity::Error, &[]);
    hot
}

fn from_omb(section: &Section<'_>, cluster: &Cluster, files: &dyn ReadFile, path: &str, own: &Given) -> Loaded {
    let workload = file(section, files, "omb", path, OmbWorkload::parse);
    let driver_path = section.optional("driver", text);
    let driver = driver_path.and_then(|path| {
        let driver = file(section, files, "driver", &path, OmbDriver::parse)?;
        Some((path, Box::new(driver)))
    });
    for key in ["topics", "partitions", "message_size", "producers", "keys", "hot", "replication_factor", "backlog"] {
        if section.entry(key).is_some() {
            section.error(key, "is said by the OMB file", "the same in the file, or no omb; rate alone may differ");
        }
    }
    let own_rate = section.optional("rate", rate_or_most);
    let Some(workload) = workload else { return Loaded { workload: nothing(cluster), groups: Vec::new() } };
    let rate = own_rate.unwrap_or(workload.producer_rate);
    if workload.topics > TOPICS {
        let problem = format!("its {} topics are too many for a simulation", grouped(workload.topics.into()));
        section.error("omb", problem, format!("{} or less", grouped(TOPICS.into())));
        return Loaded { workload: nothing(cluster), groups: Vec::new() };
    }
    let given = driver.as_ref().map_or_else(Given::default, |(_, driver)| driver.given.clone()).overlaid(own);
    let keys = match workload.key_distributor {
        KeyDistributor::NoKey => Keys { choice: KeyChoice::None, count: 0 },
        KeyDistributor::RoundRobin => Keys { choice: KeyChoice::RoundRobin, count: OMB_KEYS },
        KeyDistributor::Random => Keys { choice: KeyChoice::Uniform, count: OMB_KEYS },
    };
    let producers = u32::try_from(workload.producers()).unwrap_or(u32::MAX);
    let load = Workload {
        topics: workload.topics,
        partitions: workload.partitions_per_topic,
        replication_factor: driver.as_ref().map_or(1, |(_, driver)| driver.replication_factor),
        message_size: workload.message_size,
        rate,
        keys,
        producers: Placement::spread(producers, &cluster.azs),
        backlog_bytes: workload.backlog_bytes,
        topic: TopicSettings::of(&given),
        producer: ProducerSettings::of(&given),
        consumer: ConsumerSettings::of(&given),
        given,
        origin: Origin::Omb { path: path.to_owned(), workload: Box::new(workload.clone()), driver },
        ..nothing(cluster)
    };
    let groups = subscriptions(&workload, &load, cluster);
    Loaded { groups, workload: load }
}

/// A group a subscription. Members of an OMB group read one topic each; here a group reads all, which is the same for
/// one topic.
fn subscriptions(omb: &OmbWorkload, load: &Workload, cluster: &Cluster) -> Vec<Group> {
    let members = u32::try_from(u64::from(omb.topics) * u64::from(omb.consumers_per_subscription)).unwrap_or(u32::MAX);
    let group = |number: u32| Group {
        name: format!("sub-{number}"),
        topics: load.topic_names(),
        members: Placement::spread(members, &cluster.azs),
        start_at: wavetank_sim::Nanos::ZERO,
        given: load.given.of(Scope::Consumer),
        settings: load.consumer.clone(),
    };
    if members == 0 { Vec::new() } else { (0..omb.subscriptions_per_topic).map(group).collect() }
}

/// Reads a file that the scenario names; its problems are the scenario's.
fn file<T>(
    section: &Section<'_>,
    files: &dyn ReadFile,
    key: &str,
    path: &str,
    parse: fn(&Source) -> Result<Parsed<T>, Problems>,
) -> Option<T> {
    let text = match files.read(path) {
        Ok(text) => text,
        Err(error) => {
            section.error(key, format!("\"{path}\" cannot be read: {error}"), "a path from the scenario's folder");
            return None;
        }
    };
    match parse(&Source::new(path, text)) {
        Ok(parsed) => {
            parsed.warnings.into_iter().for_each(|problem| section.log.add(problem));
            Some(parsed.value)
        }
        Err(Problems(problems)) => {
            problems.into_iter().for_each(|problem| section.log.add(problem));
            None
        }
    }
}

fn check(section: &Section<'_>, load: &Workload) {
    if load.backlog_bytes > 0 && load.rate.is_none() {
        let key = if section.entry("rate").is_some() { "rate" } else { "omb" };
        section.error(key, "asks for the most that can be sustained while a backlog is built", "a rate: rate = 20000");
    }
    let shares: f64 = load.hot.iter().map(|hot| hot.share).sum();
    if shares > 1.0 {
        section.error("hot", format!("its shares make {shares}, more than all"), "1 or less together");
    }
    if load.message_size > load.topic.max_message_bytes {
        let problem = format!("is more than the topic's max.message.bytes, {}", grouped(load.topic.max_message_bytes));
        section.error("message_size", problem, "a larger \"max.message.bytes\" in [workload.topic]");
    } else if load.message_size > load.producer.max_request_size {
        let problem =
            format!("is more than the producer's max.request.size, {}", grouped(load.producer.max_request_size));
        section.error("message_size", problem, "a larger \"max.request.size\" in [workload.producer]");
    }
}
