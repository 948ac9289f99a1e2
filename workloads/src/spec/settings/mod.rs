//! Settings of Kafka, of AutoMQ-style shared storage and of Flink, under their own names.
//!
//! * [`Setting`]: a row of a table: key, kind, default, and whether wavetank models it. The tables are
//!   [`kafka`], [`shared_storage`] and [`flink`].
//! * [`Given`]: what somebody set, of one scope or several, read from TOML, YAML or properties.
//! * [`ProducerSettings`], [`ConsumerSettings`], [`TopicSettings`], [`BrokerSettings`], [`SharedStorageSettings`],
//!   [`FlinkSettings`]: what was set and the defaults of the rest, as plain data.
//!
//! Values are written as Kafka and Flink want them written: `"linger.ms" = 5` and no unit there,
//! `"execution.checkpointing.interval" = "30 s"` with one. A setting is *modelled* (it changes a run), *inert* (it is
//! accepted and changes nothing here; `wavetank explain` lists it), or unknown.

pub mod flink;
pub mod given;
pub mod kafka;
pub mod shared_storage;
mod typed;
pub mod wal_uri;

pub use given::{Given, GivenSetting};
pub use typed::broker::BrokerSettings;
pub use typed::clients::{
    Acks, Assignor, Compression, ConsumerSettings, GroupProtocol, IsolationLevel, OWN_ZONE, OffsetReset,
    ProducerSettings,
};
pub use typed::flink::{CheckpointingMode, DeliveryGuarantee, FlinkSettings, RestartStrategy, StartupMode};
pub use typed::shared_storage::SharedStorageSettings;
pub use typed::topic::{CleanupPolicy, TopicSettings};
pub use wal_uri::WalUri;

use crate::spec::document::value::{
    Wrong, grouped, number_and_unit, parse_bytes, parse_flink_bytes, parse_flink_span, parse_span, shorten,
};
use crate::spec::near::{advice, nearest};
use wavetank_sim::Nanos;

/// Whose setting it is. One key may be in several scopes, with a default in each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// Of a topic.
    Topic,
    /// Of a broker or controller.
    Broker,
    /// Of a producer.
    Producer,
    /// Of a consumer.
    Consumer,
    /// Of shared storage: AutoMQ's `s3.*`.
    SharedStorage,
    /// Of a Flink job, its cluster or its Kafka connector.
    Flink,
}

impl Scope {
    /// All of them.
    pub const ALL: [Scope; 6] =
        [Scope::Topic, Scope::Broker, Scope::Producer, Scope::Consumer, Scope::SharedStorage, Scope::Flink];

    /// In words.
    pub fn name(self) -> &'static str {
        match self {
            Scope::Topic => "topic",
            Scope::Broker => "broker",
            Scope::Producer => "producer",
            Scope::Consumer => "consumer",
            Scope::SharedStorage => "shared storage",
            Scope::Flink => "Flink",
        }
    }

    /// Its table.
    pub fn table(self) -> &'static [Setting] {
        match self {
            Scope::Topic => kafka::TOPIC,
            Scope::Broker => kafka::BROKER,
            Scope::Producer => kafka::PRODUCER,
            Scope::Consumer => kafka::CONSUMER,
            Scope::SharedStorage => shared_storage::TABLE,
            Scope::Flink => flink::TABLE,
        }
    }

    /// The row of a key.
    pub fn find(self, key: &str) -> Option<&'static Setting> {
        self.table().iter().find(|setting| setting.key == key)
    }
}

/// Whether a setting changes a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// It does.
    Modelled,
    /// It is accepted and changes nothing here.
    Inert,
}

/// A row of a table of settings.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Setting {
    /// Its key, as Kafka or Flink has it.
    pub key: &'static str,
    /// What its values are.
    pub kind: Kind,
    /// Its value when nobody sets it, written as a user would; none when it is then unset or unlimited.
    pub default: Option<&'static str>,
    /// Whether it changes a run.
    pub class: Class,
}

/// What a setting's values are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// A whole number of a unit of time, as Kafka has it.
    Time {
        /// The unit.
        each: Nanos,
        /// The least number.
        least: u64,
        /// A number that means: without end, or unset.
        endless: Option<i64>,
    },
    /// A number and a unit of time, as Flink has it.
    FlinkTime,
    /// A whole number of bytes.
    Bytes {
        /// The least number.
        least: u64,
        /// The largest one.
        most: u64,
        /// A number that means: without limit, or chosen by the broker.
        endless: Option<i64>,
    },
    /// A number and a unit of memory, as Flink has it.
    FlinkBytes,
    /// A whole number.
    Count {
        /// The least number.
        least: u64,
        /// The largest one.
        most: u64,
        /// A number that means: without limit.
        endless: Option<i64>,
    },
    /// True or false.
    Bool,
    /// One of these words; upper and lower case are told apart only where Kafka does.
    OneOf(&'static [&'static str]),
    /// A number with a fraction.
    Number {
        /// The least.
        least: f64,
        /// The largest.
        most: f64,
    },
    /// Assignors by class name, the most wanted first.
    Assignors,
    /// The URI of a write-ahead log.
    WalUri,
    /// Any text.
    Text,
}

/// A value of a setting.
#[derive(Clone, Debug, PartialEq)]
pub enum SettingValue {
    /// Unset, or without limit.
    Unset,
    /// A span of time.
    Span(Nanos),
    /// Bytes.
    Bytes(u64),
    /// A whole number.
    Count(u64),
    /// True or false.
    Bool(bool),
    /// One of the kind's words.
    Word(&'static str),
    /// A number.
    Number(f64),
    /// An assignor.
    Assignor(Assignor),
    /// The URI of a write-ahead log.
    WalUri(WalUri),
    /// A text.
    Text(String),
}

impl Setting {
    const fn new(key: &'static str, kind: Kind, default: Option<&'static str>, class: Class) -> Setting {
        Setting { key, kind, default, class }
    }

    /// Its value when nobody sets it.
    ///
    /// # Panics
    /// When the table is wrong: a bug of ours, which a test finds.
    pub fn default_value(&self) -> SettingValue {
        self.default.map_or(SettingValue::Unset, |text| {
            self.kind.parse(text).unwrap_or_else(|wrong| panic!("default of {}: {}", self.key, wrong.problem))
        })
    }
}

/// A row of a setting that changes a run.
const fn modelled(key: &'static str, kind: Kind, default: &'static str) -> Setting {
    Setting::new(key, kind, Some(default), Class::Modelled)
}

/// The same, unset when nobody sets it.
const fn modelled_unset(key: &'static str, kind: Kind) -> Setting {
    Setting::new(key, kind, None, Class::Modelled)
}

/// A row of a setting that changes nothing here.
const fn inert(key: &'static str, kind: Kind) -> Setting {
    Setting::new(key, kind, None, Class::Inert)
}

const INT_MAX: u64 = i32::MAX as u64;
const LONG_MAX: u64 = i64::MAX as u64;

const fn ms(least: u64) -> Kind {
    Kind::Time { each: Nanos::millis(1), least, endless: None }
}

const fn ms_or(endless: i64) -> Kind {
    Kind::Time { each: Nanos::millis(1), least: 0, endless: Some(endless) }
}

const fn time(each: Nanos, least: u64) -> Kind {
    Kind::Time { each, least, endless: None }
}

const fn time_or(each: Nanos, endless: i64) -> Kind {
    Kind::Time { each, least: 1, endless: Some(endless) }
}

const fn bytes(least: u64) -> Kind {
    Kind::Bytes { least, most: LONG_MAX, endless: None }
}

/// Bytes that Kafka keeps in 32 bits.
const fn bytes32(least: u64) -> Kind {
    Kind::Bytes { least, most: INT_MAX, endless: None }
}

const fn bytes_or(endless: i64) -> Kind {
    Kind::Bytes { least: 0, most: LONG_MAX, endless: Some(endless) }
}

const fn count(least: u64, most: u64) -> Kind {
    Kind::Count { least, most, endless: None }
}

impl Kind {
    /// A value, from the text of it.
    pub(crate) fn parse(self, text: &str) -> Result<SettingValue, Wrong> {
        let text = text.trim();
        match self {
            Kind::Time { each, least, endless } => match whole(text, endless, || Kind::time_instead(text, each)) {
                Ok(None) => Ok(SettingValue::Unset),
                Ok(Some(it)) => {
                    let it = within(it, least, LONG_MAX, unit_of(each))?;
                    // Kafka's largest number means "for ever": 292 years are, and leave room for what is added.
                    Ok(SettingValue::Span(Nanos(it.saturating_mul(each.0).min(LONG_MAX))))
                }
                Err(wrong) => Err(wrong),
            },
            Kind::Bytes { least, most, endless } => match whole(text, endless, || bytes_instead(text))? {
                None => Ok(SettingValue::Unset),
                Some(it) => within(it, least, most, "bytes").map(SettingValue::Bytes),
            },
            Kind::Count { least, most, endless } => match whole(text, endless, || right_count(least, most, ""))? {
                None => Ok(SettingValue::Unset),
                Some(it) => within(it, least, most, "").map(SettingValue::Count),
            },
            Kind::FlinkTime => parse_flink_span(text).map(SettingValue::Span).ok_or_else(|| {
                let right = "a number and one of ms, s, min, h, d: \"30 s\"";
                Wrong::new(format!("\"{}\" is no span of time", shorten(text)), right)
            }),
            Kind::FlinkBytes => parse_flink_bytes(text).map(SettingValue::Bytes).ok_or_else(|| {
                let right = "a number and one of b, kb, mb, gb, tb: \"32 mb\"";
                Wrong::new(format!("\"{}\" is no amount of memory", shorten(text)), right)
            }),
            Kind::Bool => match text.to_ascii_lowercase().as_str() {
                "true" => Ok(SettingValue::Bool(true)),
                "false" => Ok(SettingValue::Bool(false)),
                _ => Err(Wrong::new(format!("\"{}\" is neither true nor false", shorten(text)), "true or false")),
            },
            Kind::OneOf(words) => {
                let exact = words.iter().find(|word| **word == text);
                let found = exact.or_else(|| words.iter().find(|word| word.eq_ignore_ascii_case(text)));
                found.map(|word| SettingValue::Word(word)).ok_or_else(|| {
                    Wrong::new(format!("there is no \"{}\"", shorten(text)), format!("one of {}", words.join(", ")))
                })
            }
            Kind::Number { least, most } => match text.parse::<f64>() {
                Ok(it) if (least..=most).contains(&it) => Ok(SettingValue::Number(it)),
                _ => {
                    let right = format!("a number from {least} to {most}");
                    Err(Wrong::new(format!("\"{}\" is no such number", shorten(text)), right))
                }
            },
            Kind::Assignors => assignor(text),
            Kind::WalUri => WalUri::parse(text).map(SettingValue::WalUri),
            Kind::Text => Ok(SettingValue::Text(text.to_owned())),
        }
    }

    /// What somebody meant who wrote a unit where Kafka takes none.
    fn time_instead(text: &str, each: Nanos) -> String {
        match parse_span(text).filter(|span| span.0 % each.0 == 0) {
            Some(span) => format!("{}: Kafka counts {} and takes no unit", span.0 / each.0, unit_of(each)),
            None => format!("a whole number of {}", unit_of(each)),
        }
    }
}

fn bytes_instead(text: &str) -> String {
    match parse_bytes(text).filter(|_| number_and_unit(text).is_some_and(|(_, unit)| !unit.is_empty())) {
        Some(it) => format!("{it}: Kafka counts bytes and takes no unit"),
        None => "a whole number of bytes".into(),
    }
}

fn unit_of(each: Nanos) -> &'static str {
    match each.0 {
        1_000_000 => "milliseconds",
        1_000_000_000 => "seconds",
        60_000_000_000 => "minutes",
        _ => "hours",
    }
}

/// A whole number; none when it is the one that means "without end".
fn whole(text: &str, endless: Option<i64>, right: impl Fn() -> String) -> Result<Option<i64>, Wrong> {
    match text.parse::<i64>() {
        Ok(it) if Some(it) == endless => Ok(None),
        Ok(it) => Ok(Some(it)),
        Err(_) if text.parse::<i128>().is_ok() => Err(Wrong::new(format!("{} is too large", shorten(text)), right())),
        Err(_) => Err(Wrong::new(format!("\"{}\" is no whole number", shorten(text)), right())),
    }
}

fn within(it: i64, least: u64, most: u64, unit: &str) -> Result<u64, Wrong> {
    match u64::try_from(it) {
        Ok(it) if (least..=most).contains(&it) => Ok(it),
        Ok(it) if it < least => Err(Wrong::new(format!("{it} is too small"), right_count(least, most, unit))),
        Ok(it) => Err(Wrong::new(format!("{it} is too large"), right_count(least, most, unit))),
        Err(_) => Err(Wrong::new(format!("{it} is below zero"), right_count(least, most, unit))),
    }
}

fn right_count(least: u64, most: u64, unit: &str) -> String {
    let unit = if unit.is_empty() { String::new() } else { format!(" {unit}") };
    match most {
        0..INT_MAX => format!("a whole number from {} to {}{unit}", grouped(least), grouped(most)),
        _ => format!("{} or more{unit}", grouped(least)),
    }
}

/// The first of a list of assignors: with a group of one kind of member it is the one that all support.
fn assignor(text: &str) -> Result<SettingValue, Wrong> {
    let prefix = "org.apache.kafka.clients.consumer.";
    let mut found = Vec::new();
    for class in text.split(',').map(str::trim) {
        let name = class.strip_prefix(prefix).unwrap_or(class);
        let name = name.strip_prefix('[').unwrap_or(name);
        match Assignor::ALL.into_iter().find(|assignor| assignor.class() == name) {
            Some(assignor) => found.push(assignor),
            None => {
                let names = Assignor::ALL.map(Assignor::class);
                return Err(Wrong::new(format!("there is no assignor \"{}\"", shorten(class)), advice(name, names)));
            }
        }
    }
    found.first().copied().map(SettingValue::Assignor).ok_or_else(|| Wrong::new("names no assignor", "RangeAssignor"))
}

/// What to say of a key that none of these scopes has: the nearest key, or the scope that has it.
pub(crate) fn advice_for_key(key: &str, scopes: &[Scope]) -> String {
    if let Some(scope) = Scope::ALL.into_iter().find(|scope| scope.find(key).is_some()) {
        return format!("the same among {} settings", scope.name());
    }
    let keys = scopes.iter().flat_map(|scope| scope.table()).map(|setting| setting.key);
    nearest(key, keys).map(|near| format!("{near}?")).unwrap_or_default()
}
