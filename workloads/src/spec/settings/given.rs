//! What somebody set.

use super::{Class, Scope, Setting, SettingValue, advice_for_key, flink};
use crate::spec::document::section::Section;
use crate::spec::document::value::Wrong;
use crate::spec::document::{Entry, Log, Severity, Table, Value};
use std::ops::Range;

/// Settings that somebody set, in the order of keys. A later one of the same key and scope replaces an earlier one.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Given {
    settings: Vec<GivenSetting>,
}

/// One of them.
#[derive(Clone, Debug, PartialEq)]
pub struct GivenSetting {
    /// Whose it is.
    pub scope: Scope,
    /// Its row.
    pub setting: &'static Setting,
    /// As it was written.
    pub text: String,
    /// What it means.
    pub value: SettingValue,
    /// Its place in its file.
    pub(crate) at: Range<usize>,
}

impl Given {
    /// All of them, by scope and key.
    pub fn iter(&self) -> impl Iterator<Item = &GivenSetting> {
        self.settings.iter()
    }

    /// Those that change nothing here.
    pub fn inert(&self) -> impl Iterator<Item = &GivenSetting> {
        self.iter().filter(|given| given.setting.class == Class::Inert)
    }

    /// Those that change a run.
    pub fn modelled(&self) -> impl Iterator<Item = &GivenSetting> {
        self.iter().filter(|given| given.setting.class == Class::Modelled)
    }

    /// Modelled settings of a scope that nobody set: their defaults count.
    pub fn defaults(&self, scope: Scope) -> impl Iterator<Item = &'static Setting> + use<'_> {
        let unset =
            move |setting: &&Setting| setting.class == Class::Modelled && self.get(scope, setting.key).is_none();
        scope.table().iter().filter(unset)
    }

    /// What was set for a key.
    pub fn get(&self, scope: Scope, key: &str) -> Option<&GivenSetting> {
        self.settings.iter().find(|given| given.scope == scope && given.setting.key == key)
    }

    /// These, and over them those of another.
    #[must_use]
    pub fn overlaid(&self, over: &Given) -> Given {
        let mut all = self.clone();
        over.settings.iter().for_each(|setting| all.insert(setting.clone()));
        all
    }

    /// Those of one scope.
    #[must_use]
    pub fn of(&self, scope: Scope) -> Given {
        Given { settings: self.settings.iter().filter(|given| given.scope == scope).cloned().collect() }
    }

    pub(crate) fn insert(&mut self, given: GivenSetting) {
        let place = |it: &GivenSetting| (it.scope, it.setting.key);
        match self.settings.binary_search_by_key(&place(&given), place) {
            Ok(at) => self.settings[at] = given,
            Err(at) => self.settings.insert(at, given),
        }
    }

    /// Sets a key as if it had been written, for defaults that depend on something else.
    ///
    /// # Panics
    /// When the table has no such key or it takes no such value: a bug of ours.
    pub(crate) fn put(&mut self, scope: Scope, key: &str, value: SettingValue, text: String, at: Range<usize>) {
        let setting = scope.find(key).unwrap_or_else(|| panic!("no setting {key}"));
        self.insert(GivenSetting { scope, setting, text, value, at });
    }

    /// Reads `key = value`; what is wrong goes to `wrong`. Of several scopes every one that has the key takes it.
    pub(crate) fn read(
        &mut self,
        scopes: &[Scope],
        key: &str,
        text: &str,
        at: Range<usize>,
        wrong: &mut dyn FnMut(Trouble),
    ) {
        let mut known = false;
        for scope in scopes {
            let Some(setting) = scope.find(key) else { continue };
            let first = !std::mem::replace(&mut known, true);
            match setting.kind.parse(text) {
                Ok(value) => {
                    self.insert(GivenSetting { scope: *scope, setting, text: text.to_owned(), value, at: at.clone() })
                }
                Err(it) if first => wrong(Trouble::BadValue(it)),
                Err(_) => {}
            }
        }
        if !known {
            wrong(Trouble::UnknownKey(advice_for_key(key, scopes)));
        }
    }

    /// Reads a table of settings. `others` are keys of the table that are no settings. Keys without quotes, which TOML
    /// takes apart at the dots, are put together again.
    pub(crate) fn of_section(section: &Section<'_>, scopes: &[Scope], others: &[&str]) -> Given {
        let mut given = Given::default();
        let entries = section.table.entries.iter().filter(|entry| !others.contains(&entry.key.as_str()));
        entries.for_each(|entry| given.read_entry(section, scopes, "", entry));
        given
    }

    fn read_entry(&mut self, section: &Section<'_>, scopes: &[Scope], before: &str, entry: &Entry) {
        let key = if before.is_empty() { entry.key.clone() } else { format!("{before}.{}", entry.key) };
        let log: &Log<'_> = section.log;
        let full = section.full(&key);
        match (&entry.node.value, entry.node.value.as_setting()) {
            (Value::Table(Table { entries }), _) => {
                entries.iter().for_each(|entry| self.read_entry(section, scopes, &key, entry));
            }
            (_, Some(text)) => {
                let key = current_name(section, scopes, &key, &full, entry);
                let (key, scopes) = without_prefix(key, scopes);
                let at = entry.node.span.clone();
                self.read(&scopes, key, &text, at.clone(), &mut |trouble| match trouble {
                    Trouble::BadValue(wrong) => log.error(at.clone(), &full, wrong.problem, wrong.help),
                    Trouble::UnknownKey(help) => {
                        log.error(entry.key_span.clone(), &full, "is no setting that wavetank knows", help);
                    }
                });
            }
            (Value::List(_), None) => {
                log.error(entry.node.span.clone(), &full, "a list where one value belongs", "\"first,second\"");
            }
            (value, None) => {
                let problem = format!("{} where a value belongs", value.kind());
                log.error(entry.node.span.clone(), &full, problem, "a text, a number, true or false");
            }
        }
    }
}

/// A name of Flink 1.x as what it is called since, with a warning.
fn current_name<'a>(section: &Section<'_>, scopes: &[Scope], key: &'a str, full: &str, entry: &Entry) -> &'a str {
    let alias = flink::ALIASES.iter().find(|(old, _)| scopes.contains(&Scope::Flink) && *old == key);
    alias.map_or(key, |(_, new)| {
        section.log.warn(entry.key_span.clone(), full, "is the name of Flink 1.x", *new);
        new
    })
}

/// `properties.x` of a Flink job is x of its Kafka clients.
fn without_prefix<'k>(key: &'k str, scopes: &[Scope]) -> (&'k str, Vec<Scope>) {
    match key.strip_prefix(flink::CLIENT_PREFIX) {
        Some(client) if scopes.contains(&Scope::Flink) => (client, vec![Scope::Producer, Scope::Consumer]),
        _ => (key, scopes.to_vec()),
    }
}

/// What can be wrong with a setting.
pub(crate) enum Trouble {
    /// Nobody knows the key; what may have been meant.
    UnknownKey(String),
    /// The value.
    BadValue(Wrong),
}

/// Settings that do not go together.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Conflict {
    pub(crate) severity: Severity,
    pub(crate) key: &'static str,
    pub(crate) problem: String,
    pub(crate) help: String,
}

/// Reads values of one scope, set or default. A key or kind that the table does not have is a bug of ours.
pub(super) struct View<'a> {
    pub(super) scope: Scope,
    pub(super) given: &'a Given,
}

impl View<'_> {
    pub(super) fn is_set(&self, key: &str) -> bool {
        self.given.get(self.scope, key).is_some()
    }

    fn value(&self, key: &str) -> SettingValue {
        let row = || self.scope.find(key).unwrap_or_else(|| panic!("no {} setting {key}", self.scope.name()));
        self.given.get(self.scope, key).map_or_else(|| row().default_value(), |given| given.value.clone())
    }

    pub(super) fn span(&self, key: &str) -> wavetank_sim::Nanos {
        self.span_or_none(key).unwrap_or_else(|| panic!("{key} is unset"))
    }

    pub(super) fn span_or_none(&self, key: &str) -> Option<wavetank_sim::Nanos> {
        match self.value(key) {
            SettingValue::Span(it) => Some(it),
            SettingValue::Unset => None,
            other => panic!("{key} is {other:?}"),
        }
    }

    pub(super) fn bytes(&self, key: &str) -> u64 {
        self.bytes_or_none(key).unwrap_or_else(|| panic!("{key} is unset"))
    }

    pub(super) fn bytes_or_none(&self, key: &str) -> Option<u64> {
        match self.value(key) {
            SettingValue::Bytes(it) => Some(it),
            SettingValue::Unset => None,
            other => panic!("{key} is {other:?}"),
        }
    }

    pub(super) fn count_or_none(&self, key: &str) -> Option<u64> {
        match self.value(key) {
            SettingValue::Count(it) => Some(it),
            SettingValue::Unset => None,
            other => panic!("{key} is {other:?}"),
        }
    }

    pub(super) fn count32(&self, key: &str) -> u32 {
        let it = self.count_or_none(key).unwrap_or_else(|| panic!("{key} is unset"));
        u32::try_from(it).unwrap_or_else(|_| panic!("{key} is bounded by 32 bits"))
    }

    pub(super) fn flag(&self, key: &str) -> bool {
        match self.value(key) {
            SettingValue::Bool(it) => it,
            other => panic!("{key} is {other:?}"),
        }
    }

    pub(super) fn word(&self, key: &str) -> &'static str {
        match self.value(key) {
            SettingValue::Word(it) => it,
            other => panic!("{key} is {other:?}"),
        }
    }

    pub(super) fn number(&self, key: &str) -> f64 {
        match self.value(key) {
            SettingValue::Number(it) => it,
            other => panic!("{key} is {other:?}"),
        }
    }

    pub(super) fn text(&self, key: &str) -> Option<String> {
        match self.value(key) {
            SettingValue::Text(it) => Some(it).filter(|text| !text.is_empty()),
            SettingValue::Unset => None,
            other => panic!("{key} is {other:?}"),
        }
    }

    pub(super) fn assignor(&self, key: &str) -> super::Assignor {
        match self.value(key) {
            SettingValue::Assignor(it) => it,
            other => panic!("{key} is {other:?}"),
        }
    }

    pub(super) fn wal_uri(&self, key: &str) -> Option<super::WalUri> {
        match self.value(key) {
            SettingValue::WalUri(it) => Some(it),
            SettingValue::Unset => None,
            other => panic!("{key} is {other:?}"),
        }
    }
}
