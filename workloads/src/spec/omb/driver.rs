//! A Kafka driver's settings: `driver-kafka`'s `Config.java` and `KafkaBenchmarkDriver.java`.

use super::count;
use super::properties::{self, Property};
use crate::spec::document::section::Section;
use crate::spec::document::value::{Wrong, text};
use crate::spec::document::{Log, Node, Severity, Value, parse_yaml};
use crate::spec::problem::{Parsed, Problems, Source};
use crate::spec::settings::given::{Conflict, Trouble};
use crate::spec::settings::{ConsumerSettings, Given, ProducerSettings, Scope, TopicSettings};
use std::ops::Range;

/// A Kafka driver file of the OpenMessaging Benchmark.
#[derive(Clone, Debug, PartialEq)]
pub struct OmbDriver {
    /// `name`.
    pub name: String,
    /// `driverClass`, when it is there.
    pub driver_class: Option<String>,
    /// `replicationFactor`.
    pub replication_factor: u32,
    /// What `topicConfig`, `commonConfig`, `producerConfig` and `consumerConfig` set.
    pub given: Given,
}

const KAFKA: &str = "io.openmessaging.benchmark.driver.kafka.KafkaBenchmarkDriver";

const HINTS: [(&str, &str); 3] = [
    ("topicProperties", "topicConfig"),
    ("acks", "acks=all within producerConfig"),
    ("bootstrap.servers", "bootstrap.servers=... within commonConfig"),
];

impl OmbDriver {
    /// Reads a driver file.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn parse(source: &Source) -> Result<Parsed<OmbDriver>, Problems> {
        let log = Log::new(source);
        let table = parse_yaml(&log);
        if log.has_errors() {
            return log.close(()).map(|_| unreachable!("it has errors"));
        }
        let top = Section::top(&table, &log);
        let class = top.optional("driverClass", text);
        if class.as_deref().is_some_and(|class| class != KAFKA) {
            top.error("driverClass", "is no driver that wavetank reads", KAFKA);
            // What follows is of another system: to complain of every key of it would help nobody.
            return log.close(()).map(|_| unreachable!("it has errors"));
        }
        let driver = read(&top, class);
        top.finish(Severity::Warning, &HINTS);
        log.close(driver)
    }

    /// The topics' settings.
    pub fn topic(&self) -> TopicSettings {
        TopicSettings::of(&self.given)
    }

    /// The producers'.
    pub fn producer(&self) -> ProducerSettings {
        ProducerSettings::of(&self.given)
    }

    /// The consumers'.
    pub fn consumer(&self) -> ConsumerSettings {
        ConsumerSettings::of(&self.given)
    }
}

fn read(top: &Section<'_>, driver_class: Option<String>) -> OmbDriver {
    let replication_factor = top.need("replicationFactor", 1, "copies of each partition: 3", |node| {
        count(1, 32_767)(node).map(|it| u32::try_from(it).expect("bounded below 32 bits"))
    });
    let mut given = Given::default();
    let clients = [Scope::Producer, Scope::Consumer];
    block(top, "topicConfig", &[Scope::Topic], &mut given);
    block(top, "commonConfig", &clients, &mut given);
    block(top, "producerConfig", &[Scope::Producer], &mut given);
    block(top, "consumerConfig", &[Scope::Consumer], &mut given);
    if top.is_sound() {
        check(top, &given, replication_factor);
    }
    OmbDriver { name: top.or("name", "Kafka".into(), name), driver_class, replication_factor, given }
}

/// What goes together with what.
fn check(top: &Section<'_>, given: &Given, replication_factor: u32) {
    for (scope, conflicts) in
        [(Scope::Producer, ProducerSettings::conflicts(given)), (Scope::Consumer, ConsumerSettings::conflicts(given))]
    {
        conflicts.into_iter().for_each(|conflict| say(top, given, scope, conflict));
    }
    let topic = TopicSettings::of(given);
    if topic.min_insync_replicas > replication_factor {
        let at = given.get(Scope::Topic, "min.insync.replicas").map_or(0..0, |it| it.at.clone());
        let problem = format!("is more than replicationFactor, {replication_factor}: no write with acks=all succeeds");
        top.log.warn(at, "topicConfig.\"min.insync.replicas\"", problem, "replicationFactor or less");
    }
}

fn name(node: &Node) -> Result<String, Wrong> {
    node.value.as_setting().ok_or_else(|| Wrong::kind(node, "a text"))
}

fn say(top: &Section<'_>, given: &Given, scope: Scope, conflict: Conflict) {
    let block = if scope == Scope::Producer { "producerConfig" } else { "consumerConfig" };
    let at = given.get(scope, conflict.key).map_or(0..0, |it| it.at.clone());
    let key = format!("{block}.\"{}\"", conflict.key);
    match conflict.severity {
        Severity::Error => top.log.error(at, &key, conflict.problem, conflict.help),
        Severity::Warning => top.log.warn(at, &key, conflict.problem, conflict.help),
    }
}

/// A block of properties.
fn block(top: &Section<'_>, key: &'static str, scopes: &[Scope], given: &mut Given) {
    let Some(entry) = top.entry(key) else {
        // OMB's reader falls over a block that is missing.
        top.log.warn(top.span.clone(), key, "is missing: OMB's driver would not start", format!("{key}: |"));
        return;
    };
    let text = match &entry.node.value {
        Value::Text(text) => text,
        Value::Null => return,
        other => {
            let help = format!("{key}: | and the lines below it, each key=value");
            let problem = format!("{} where lines of properties belong", other.kind());
            return top.log.error(entry.node.span.clone(), key, problem, help);
        }
    };
    let place = Place::of(top.log, entry.key_span.start, &entry.node);
    let mut seen: Vec<String> = Vec::new();
    for property in properties::parse(text) {
        let full = format!("{key}.\"{}\"", property.key);
        if seen.contains(&property.key) {
            top.log.warn(place.key(&property), &full, "is there twice: the last one counts", "one of them");
        }
        seen.push(property.key.clone());
        let (key_at, value_at) = (place.key(&property), place.value(&property));
        given.read(scopes, &property.key, &property.value, value_at.clone(), &mut |trouble| match trouble {
            Trouble::BadValue(wrong) => top.log.error(value_at.clone(), &full, wrong.problem, wrong.help),
            Trouble::UnknownKey(help) => {
                top.log.warn(key_at.clone(), &full, "is not known, and has no effect here", help);
            }
        });
    }
}

/// Where a block's lines are in the file.
enum Place<'a> {
    /// A literal block (`key: |`): its lines are the file's, from this one on, indented.
    Lines { log: &'a Log<'a>, first: usize },
    /// A text within a line, or folded: only the value as a whole is known.
    Whole(Range<usize>),
}

impl<'a> Place<'a> {
    fn of(log: &'a Log<'a>, key_start: usize, node: &Node) -> Place<'a> {
        let line = log.source.line_at(key_start);
        let indicator = line.split_once(':').map(|(_, rest)| rest.trim().starts_with('|'));
        match indicator {
            Some(true) => Place::Lines { log, first: log.source.position(key_start).0 + 1 },
            _ => Place::Whole(node.span.clone()),
        }
    }

    fn key(&self, property: &Property) -> Range<usize> {
        self.at(property.line, property.key_at.clone())
    }

    fn value(&self, property: &Property) -> Range<usize> {
        match property.value_at.is_empty() {
            true => self.key(property),
            false => self.at(property.line, property.value_at.clone()),
        }
    }

    /// Bytes of a line of the value, as bytes of the file. YAML took the same indent off every line.
    fn at(&self, line: usize, within: Range<usize>) -> Range<usize> {
        match self {
            Place::Whole(range) => range.clone(),
            Place::Lines { log, first } => {
                let indent_of = |line: &str| line.len() - line.trim_start_matches(' ').len();
                let lines = log.source.text.split('\n').skip(first - 1);
                let indent = lines.map(|line| line.trim_end_matches('\r')).find(|line| !line.trim().is_empty());
                let start = log.source.line_start(first + line) + indent.map_or(0, indent_of);
                let end = log.source.text.len();
                (start + within.start).min(end)..(start + within.end).min(end)
            }
        }
    }
}
