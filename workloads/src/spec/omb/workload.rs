//! A workload: `Workload.java`.

use super::count;
use crate::spec::document::section::Section;
use crate::spec::document::value::{Wrong, boolean, choice, number, parse_bytes, parse_span};
use crate::spec::document::{Log, Node, Severity, Value, parse_yaml};
use crate::spec::problem::{Parsed, Problems, Source};
use wavetank_sim::Nanos;

/// How records get keys: `keyDistributor`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyDistributor {
    /// They have none; the producer's sticky partitioner fills one batch after the other.
    NoKey,
    /// From 10,000 keys, one after the other.
    RoundRobin,
    /// From 10,000 keys, at random.
    Random,
}

/// What records hold.
#[derive(Clone, Debug, PartialEq)]
pub enum Payload {
    /// A file's bytes: `payloadFile`.
    File(String),
    /// Part random bytes, part zeros: `useRandomizedPayloads`.
    Random {
        /// The random share, from 0 to 1: `randomBytesRatio`.
        ratio: f64,
        /// How many different ones: `randomizedPayloadPoolSize`.
        pool: u32,
    },
    /// The file says neither.
    Unsaid,
}

/// A workload of the OpenMessaging Benchmark.
#[derive(Clone, Debug, PartialEq)]
pub struct OmbWorkload {
    /// `name`; the file's when it says none.
    pub name: String,
    /// `topics`.
    pub topics: u32,
    /// `partitionsPerTopic`.
    pub partitions_per_topic: u32,
    /// `keyDistributor`.
    pub key_distributor: KeyDistributor,
    /// `messageSize`, in bytes.
    pub message_size: u64,
    /// `useRandomizedPayloads` and its kin, or `payloadFile`.
    pub payload: Payload,
    /// `subscriptionsPerTopic`: groups that read all of it.
    pub subscriptions_per_topic: u32,
    /// `producersPerTopic`.
    pub producers_per_topic: u32,
    /// `consumerPerSubscription`, for each topic.
    pub consumers_per_subscription: u32,
    /// `producerRate`: messages a second, of all producers and topics together; none to find the largest sustainable.
    pub producer_rate: Option<u64>,
    /// `consumerBacklogSizeGB`, in bytes: how much is written before consumers start; zero for no backlog. OMB's GB has
    /// 1024 x 1024 x 1024 bytes.
    pub backlog_bytes: u64,
    /// `backlogDrainRatio`: how much of the backlog must be read, from 0 to 1.
    pub backlog_drain_ratio: f64,
    /// `testDurationMinutes`.
    pub test_duration: Nanos,
    /// `warmupDurationMinutes`.
    pub warmup_duration: Nanos,
    /// Keys whose defaults were taken.
    pub defaults: Vec<&'static str>,
}

const MANY: u64 = 100_000_000;

impl OmbWorkload {
    /// Reads a workload file.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn parse(source: &Source) -> Result<Parsed<OmbWorkload>, Problems> {
        let log = Log::new(source);
        let table = parse_yaml(&log);
        // What is no YAML has no keys: to miss them all would hide why.
        if log.has_errors() {
            return log.close(()).map(|_| unreachable!("it has errors"));
        }
        let top = Section::top(&table, &log);
        let workload = read(&top);
        top.finish(Severity::Warning, &HINTS);
        let defaults = DEFAULTS.into_iter().filter(|key| !table.entries.iter().any(|entry| entry.key == **key));
        let workload = OmbWorkload { defaults: defaults.collect(), ..workload };
        log.close(workload)
    }

    /// Partitions of all topics.
    pub fn partitions(&self) -> u64 {
        u64::from(self.topics) * u64::from(self.partitions_per_topic)
    }

    /// Producers of all topics.
    pub fn producers(&self) -> u64 {
        u64::from(self.topics) * u64::from(self.producers_per_topic)
    }

    /// Consumers of all topics and subscriptions.
    pub fn consumers(&self) -> u64 {
        u64::from(self.topics) * u64::from(self.subscriptions_per_topic) * u64::from(self.consumers_per_subscription)
    }
}

/// Keys that have a default other than "nothing", or whose absence means something.
const DEFAULTS: [&str; 4] = ["keyDistributor", "consumerBacklogSizeGB", "backlogDrainRatio", "warmupDurationMinutes"];

const HINTS: [(&str, &str); 3] = [
    ("consumersPerSubscription", "consumerPerSubscription, without the s"),
    ("nameFormat", "name; this is a template for OMB's workload generator"),
    ("producerRatePerTopic", "producerRate, which is of all topics together"),
];

fn read(top: &Section<'_>) -> OmbWorkload {
    let count32 = |min: u32, max: u64| {
        let wide = count(min.into(), max);
        move |node: &Node| wide(node).map(|it| u32::try_from(it).expect("bounded below 32 bits"))
    };
    let some = |key, right| top.need(key, 1, right, count32(1, MANY));
    let distributors = [
        ("NO_KEY", KeyDistributor::NoKey),
        ("KEY_ROUND_ROBIN", KeyDistributor::RoundRobin),
        ("RANDOM_NANO", KeyDistributor::Random),
    ];
    let workload = OmbWorkload {
        name: top.or("name", top.log.source.name.clone(), text_of_anything),
        topics: some("topics", "how many topics to create: 1 or more"),
        partitions_per_topic: some("partitionsPerTopic", "1 or more"),
        key_distributor: top.or("keyDistributor", KeyDistributor::NoKey, choice(&distributors)),
        message_size: top.need("messageSize", 1, "bytes of a message: 1024", message_size),
        payload: payload(top),
        subscriptions_per_topic: top.need(
            "subscriptionsPerTopic",
            0,
            "how many groups read: 0 or more",
            count32(0, MANY),
        ),
        producers_per_topic: some("producersPerTopic", "1 or more"),
        consumers_per_subscription: top.need("consumerPerSubscription", 0, "members of each group", count32(0, MANY)),
        producer_rate: Some(top.need(
            "producerRate",
            1,
            "messages a second, 0 to find the most",
            count(0, i32::MAX as u64),
        ))
        .filter(|rate| *rate > 0),
        backlog_bytes: top.or("consumerBacklogSizeGB", 0, count(0, 1 << 30)) << 30,
        backlog_drain_ratio: top.or("backlogDrainRatio", 1.0, number(0.0, 1.0)),
        test_duration: top.need("testDurationMinutes", Nanos::ZERO, "minutes: 5", minutes(1)),
        warmup_duration: top.or("warmupDurationMinutes", Nanos::secs(60), minutes(0)),
        defaults: Vec::new(),
    };
    if top.is_sound() {
        check(top, &workload);
    }
    workload
}

/// What goes together with what.
fn check(top: &Section<'_>, workload: &OmbWorkload) {
    if workload.backlog_bytes > 0 && workload.producer_rate.is_none() {
        top.error("producerRate", "is 0 (find the largest) while a backlog is built: OMB refuses that", "1 or more");
    }
    let groups = (workload.subscriptions_per_topic, workload.consumers_per_subscription);
    if workload.backlog_bytes > 0 && (groups.0 == 0 || groups.1 == 0) {
        top.warn("consumerBacklogSizeGB", "builds a backlog that nobody reads", "a consumer at least");
    }
    if groups.0 > 0 && groups.1 > workload.partitions_per_topic {
        let problem =
            format!("{} consumers for {} to read: some idle", groups.1, partitions(workload.partitions_per_topic));
        top.warn("consumerPerSubscription", problem, "no more than partitionsPerTopic");
    }
    if workload.payload == Payload::Unsaid {
        let problem = "neither payloadFile nor useRandomizedPayloads: OMB itself would not start";
        top.log.warn(top.span.clone(), "payloadFile", problem, "useRandomizedPayloads: true");
    }
}

fn payload(top: &Section<'_>) -> Payload {
    let random = top.or("useRandomizedPayloads", false, boolean);
    let ratio = top.optional("randomBytesRatio", number(0.0, 1.0));
    let pool = top.optional("randomizedPayloadPoolSize", count(0, MANY));
    let file = top.optional("payloadFile", text_of_anything);
    match (random, file) {
        (true, _) => {
            if pool == Some(0) || pool.is_none() {
                top.error("randomizedPayloadPoolSize", "leaves no payload to send", "1 or more: 1000");
            }
            let pool = u32::try_from(pool.unwrap_or(1)).expect("bounded below 32 bits");
            Payload::Random { ratio: ratio.unwrap_or(0.0), pool }
        }
        (false, Some(file)) => Payload::File(file),
        (false, None) => Payload::Unsaid,
    }
}

/// A name may look like a number.
fn text_of_anything(node: &Node) -> Result<String, Wrong> {
    match &node.value {
        Value::Null | Value::Date | Value::List(_) | Value::Table(_) => Err(Wrong::kind(node, "a text")),
        other => Ok(other.as_setting().unwrap_or_default()),
    }
}

/// Bytes; what is written with a unit is told without one.
fn message_size(node: &Node) -> Result<u64, Wrong> {
    let meant = |text: &String| parse_bytes(text).map(|it| format!("{it}: OMB counts bytes and takes no unit"));
    instead(node, count(1, 1 << 30)(node), meant)
}

/// Minutes; what is written with a unit is told without one.
fn minutes(least: u64) -> impl Fn(&Node) -> Result<Nanos, Wrong> {
    const MINUTE: u64 = 60_000_000_000;
    let whole = |text: &String| parse_span(text).filter(|it| it.0.is_multiple_of(MINUTE)).map(|it| it.0 / MINUTE);
    let meant = move |text: &String| whole(text).map(|it| format!("{it}: OMB counts minutes and takes no unit"));
    move |node| instead(node, count(least, 1_000_000)(node).map(|it| Nanos::secs(it * 60)), meant)
}

/// The same error with what was meant as its help, where that can be told.
fn instead<T>(node: &Node, read: Result<T, Wrong>, meant: impl Fn(&String) -> Option<String>) -> Result<T, Wrong> {
    let Value::Text(text) = &node.value else { return read };
    read.map_err(|wrong| meant(text).map_or(wrong.clone(), |help| Wrong { help, ..wrong }))
}

fn partitions(count: u32) -> String {
    if count == 1 { "1 partition".into() } else { format!("{count} partitions") }
}
