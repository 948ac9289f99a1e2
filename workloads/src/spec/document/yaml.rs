//! YAML into the tree. Booleans are `true` and `false` alone, as in YAML 1.2 and in OpenMessaging Benchmark's reader.

use super::{Entry, Log, Node, Table, Value};
use serde::Deserialize;
use serde::de::{self, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{Location, Options, Spanned};
use std::fmt;
use std::ops::Range;

/// The tree of a YAML text, which must be a mapping. What is no YAML is taken down.
pub(crate) fn parse(log: &Log<'_>) -> Table {
    let mut options = Options::default();
    options.strict_booleans = true;
    options.leading_zero_numbers_as_strings = true;
    options.underscored_numbers_as_strings = true;
    options.with_snippet = false;
    let text = &log.source.text;
    match serde_saphyr::from_str_with_options::<Spanned<Raw>>(text, options) {
        Ok(Spanned { value: Raw::Table(entries), .. }) => into_table(text, entries),
        Ok(Spanned { value: Raw::Null, .. }) => Table::default(),
        Ok(other) => {
            log.error(span(text, other.referenced), "", "this is no mapping of keys to values", "key: value");
            Table::default()
        }
        Err(error) => {
            let at = error.location().map_or(0..0, |location| span(text, location));
            let message = error.without_snippet().to_string();
            let (problem, help) = match message.contains("from_str_multiple") {
                true => ("there are several documents".to_owned(), "one: no second ---"),
                false => (format!("this is no YAML: {}", first_sentence(&message)), ""),
            };
            log.error(at, "", problem, help);
            Table::default()
        }
    }
}

/// The parser appends places that we tell ourselves.
fn first_sentence(message: &str) -> &str {
    let line = message.lines().next().unwrap_or("");
    let line = line.split(" at line ").next().unwrap_or(line);
    line.split(", set ").next().unwrap_or(line)
}

fn into_table(text: &str, entries: Vec<(Spanned<String>, Spanned<Raw>)>) -> Table {
    let entry = |(key, node): (Spanned<String>, Spanned<Raw>)| Entry {
        key_span: span(text, key.referenced),
        key: key.value,
        node: into_node(text, node),
    };
    Table { entries: entries.into_iter().map(entry).collect() }
}

fn into_node(text: &str, raw: Spanned<Raw>) -> Node {
    let value = match raw.value {
        Raw::Null => Value::Null,
        Raw::Bool(it) => Value::Bool(it),
        Raw::Int(it) => Value::Int(it),
        Raw::Float(it) => Value::Float(it),
        Raw::Text(it) => Value::Text(it),
        Raw::List(list) => Value::List(list.into_iter().map(|raw| into_node(text, raw)).collect()),
        Raw::Table(entries) => Value::Table(into_table(text, entries)),
    };
    Node { span: span(text, raw.referenced), value }
}

fn span(text: &str, location: Location) -> Range<usize> {
    let span = location.span();
    let known = span.byte_offset().zip(span.byte_len()).and_then(|(at, len)| {
        let at = usize::try_from(at).ok()?;
        Some(at..at.checked_add(usize::try_from(len).ok()?)?)
    });
    known.filter(|range| range.end <= text.len()).unwrap_or_else(|| {
        let line = usize::try_from(location.line()).unwrap_or(1);
        let starts = std::iter::once(0).chain(text.match_indices('\n').map(|(i, _)| i + 1));
        let at = starts.take(line.max(1)).last().unwrap_or(0);
        at..at
    })
}

/// A value as the parser hands it over.
enum Raw {
    Null,
    Bool(bool),
    Int(i128),
    Float(f64),
    Text(String),
    List(Vec<Spanned<Raw>>),
    Table(Vec<(Spanned<String>, Spanned<Raw>)>),
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Raw, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }
    fn visit_unit<E: de::Error>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }
    fn visit_none<E: de::Error>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }
    fn visit_bool<E: de::Error>(self, it: bool) -> Result<Raw, E> {
        Ok(Raw::Bool(it))
    }
    fn visit_i64<E: de::Error>(self, it: i64) -> Result<Raw, E> {
        Ok(Raw::Int(it.into()))
    }
    fn visit_u64<E: de::Error>(self, it: u64) -> Result<Raw, E> {
        Ok(Raw::Int(it.into()))
    }
    fn visit_i128<E: de::Error>(self, it: i128) -> Result<Raw, E> {
        Ok(Raw::Int(it))
    }
    fn visit_f64<E: de::Error>(self, it: f64) -> Result<Raw, E> {
        Ok(Raw::Float(it))
    }
    fn visit_str<E: de::Error>(self, it: &str) -> Result<Raw, E> {
        Ok(Raw::Text(it.to_owned()))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Raw, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = seq.next_element()? {
            list.push(item);
        }
        Ok(Raw::List(list))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Raw, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Raw::Table(entries))
    }
}
