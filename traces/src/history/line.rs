//! One line of a history's file: an operation, read straight into a [`Draft`].

use super::mops::{self, KeyNames, MicroOps, Text, Whole};
use super::{Draft, Function, History, Kind, Process, ReadErrorKind};
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::fmt;

/// What a line was.
pub(super) enum Told {
    /// A client's operation, now in the draft.
    Client,
    /// Nothing that a checker looks at.
    Other,
}

/// The keys of an operation that mean something.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(field_identifier, rename_all = "lowercase")]
enum Field {
    Index,
    Time,
    Process,
    Type,
    F,
    Value,
    #[serde(rename = "rebalance-log")]
    RebalanceLog,
    #[serde(rename = "seek-to-beginning?")]
    SeekToBeginning,
    Error,
    #[serde(other)]
    Unknown,
}

impl Field {
    fn name(self) -> &'static str {
        match self {
            Field::Index => "index",
            Field::Time => "time",
            Field::Process => "process",
            Field::Type => "type",
            Field::F => "f",
            Field::Value => "value",
            Field::RebalanceLog => "rebalance-log",
            Field::SeekToBeginning => "seek-to-beginning?",
            Field::Error => "error",
            Field::Unknown => "",
        }
    }

    /// Whether other fields decide how it is read.
    fn depends(self) -> bool {
        matches!(self, Field::Value | Field::RebalanceLog | Field::SeekToBeginning | Field::Error)
    }
}

/// Some of the fields.
#[derive(Clone, Copy, Default)]
struct Fields(u16);

impl Fields {
    fn has(self, field: Field) -> bool {
        self.0 & (1 << field as u16) != 0
    }

    fn add(&mut self, field: Field) {
        self.0 |= 1 << field as u16;
    }
}

/// Whose operation it is.
#[derive(Clone, Copy, PartialEq)]
enum Who {
    Client(Process),
    Other,
}

/// Where a line is put, and where in it an error is.
pub(super) struct Sink<'a> {
    pub(super) history: &'a mut History,
    pub(super) draft: &'a mut Draft,
    pub(super) text: &'a mut String,
    /// The field that is being read.
    field: &'static str,
    /// The entry of its list that is being read.
    pub(super) entry: Option<usize>,
}

impl Sink<'_> {
    fn place(&self) -> String {
        match self.entry {
            Some(entry) => format!("{}[{entry}]", self.field),
            None => self.field.to_owned(),
        }
    }
}

/// One line, while it is read.
///
/// What `value` means depends on `process` and `f`. A file that has them first, as all have that keep the documented
/// order, is read in one pass; a line in another order is gone through a second time for what had to wait.
pub(super) struct Line<'a> {
    sink: Sink<'a>,
    second_pass: bool,
    seen: Fields,
    waiting: Fields,
    who: Option<Who>,
    function: Option<Function>,
}

impl<'a> Line<'a> {
    /// `draft` is empty but for the index that counts if the line has none. `text` is a place to work.
    pub(super) fn new(history: &'a mut History, draft: &'a mut Draft, text: &'a mut String) -> Line<'a> {
        Line {
            sink: Sink { history, draft, text, field: "", entry: None },
            second_pass: false,
            seen: Fields::default(),
            waiting: Fields::default(),
            who: None,
            function: None,
        }
    }

    /// Reads the line.
    pub(super) fn read(mut self, text: &str) -> Result<Told, ReadErrorKind> {
        self.pass(text)?;
        if self.who == Some(Who::Other) {
            return Ok(Told::Other);
        }
        if self.waiting.0 != 0 {
            self.second_pass = true;
            self.pass(text)?;
        }
        Ok(Told::Client)
    }

    fn pass(&mut self, text: &str) -> Result<(), ReadErrorKind> {
        let mut json = serde_json::Deserializer::from_str(text);
        json.deserialize_map(&mut *self)
            .and_then(|()| json.end())
            .map_err(|error| ReadErrorKind::of_json(&error, self.sink.place()))
    }

    /// Reads a field of the first pass that depends on no other.
    fn plain<'de, A: MapAccess<'de>>(&mut self, field: Field, map: &mut A) -> Result<(), A::Error> {
        match field {
            Field::Index => {
                let expected = "a whole number from 0, that grows from line to line";
                if let Some(index) = map.next_value_seed(Whole { expected, whole_floats: false })? {
                    self.sink.draft.index = u64::try_from(index)
                        .map_err(|_| Error::custom(format_args!("{index} is negative; expected {expected}")))?;
                }
            }
            Field::Time => {
                let whole = Whole { expected: "a whole number of nanoseconds", whole_floats: true };
                self.sink.draft.time = map.next_value_seed(whole)?.unwrap_or(0);
            }
            Field::Process => {
                let who = map.next_value_seed(WhoSeed)?;
                self.who = Some(who);
                if let Who::Client(process) = who {
                    self.sink.draft.process = Some(process);
                }
            }
            Field::Type => {
                let by_name = |name: Option<&str>| {
                    [Kind::Invoke, Kind::Ok, Kind::Fail, Kind::Info].into_iter().find(|kind| Some(kind.name()) == name)
                };
                let expected = "a type: \"invoke\", \"ok\", \"fail\" or \"info\"";
                self.sink.draft.kind = map.next_value_seed(Text { expected, by_name })?;
            }
            Field::F => {
                let by_name = |name: Option<&str>| Some(name.map(Function::by_name));
                self.function = map.next_value_seed(Text { expected: "the name of a function", by_name })?;
                self.sink.draft.function = self.function.unwrap_or_default();
            }
            Field::Value | Field::RebalanceLog | Field::SeekToBeginning | Field::Error | Field::Unknown => {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }

    /// Reads a field that depends on others, all of which are known.
    fn dependent<'de, A: MapAccess<'de>>(&mut self, field: Field, map: &mut A) -> Result<(), A::Error> {
        let sink = &mut self.sink;
        match field {
            Field::Value => match self.function.unwrap_or_default() {
                Function::Send | Function::Poll | Function::Txn => map.next_value_seed(MicroOps(sink)),
                Function::Assign | Function::Subscribe => {
                    map.next_value_seed(KeyNames { sink, list: |draft| &mut draft.keys })
                }
                Function::Crash | Function::Other => map.next_value::<IgnoredAny>().map(drop),
            },
            Field::RebalanceLog => map.next_value_seed(RebalanceLog(sink)),
            Field::SeekToBeginning => {
                sink.draft.seek_to_beginning = map.next_value::<Option<bool>>()?.unwrap_or(false);
                Ok(())
            }
            Field::Error => {
                let error = map.next_value::<serde_json::Value>()?;
                sink.draft.error = (!error.is_null()).then(|| sink.history.value(&error));
                Ok(())
            }
            Field::Index | Field::Time | Field::Process | Field::Type | Field::F | Field::Unknown => {
                map.next_value::<IgnoredAny>().map(drop)
            }
        }
    }

    /// Whether it is known how to read a field that depends on others.
    fn is_ready(&self, field: Field) -> bool {
        self.who.is_some() && (field != Field::Value || self.function.is_some())
    }

    fn first_pass<'de, A: MapAccess<'de>>(&mut self, field: Field, map: &mut A) -> Result<(), A::Error> {
        if field != Field::Unknown && self.seen.has(field) {
            return Err(Error::duplicate_field(field.name()));
        }
        self.seen.add(field);
        if !field.depends() {
            return self.plain(field, map);
        }
        if self.who == Some(Who::Other) {
            return map.next_value::<IgnoredAny>().map(drop);
        }
        if self.is_ready(field) {
            return self.dependent(field, map);
        }
        self.waiting.add(field);
        map.next_value::<IgnoredAny>().map(drop)
    }

    fn end_of_first_pass<E: Error>(&self) -> Result<(), E> {
        if !self.seen.has(Field::Type) {
            return Err(E::missing_field(Field::Type.name()));
        }
        if self.function.is_none() && self.who != Some(Who::Other) {
            return Err(E::missing_field(Field::F.name()));
        }
        Ok(())
    }
}

impl<'de> Visitor<'de> for &mut Line<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an operation: a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(field) = map.next_key::<Field>()? {
            self.sink.field = field.name();
            if !self.second_pass {
                self.first_pass(field, &mut map)?;
            } else if self.waiting.has(field) {
                self.dependent(field, &mut map)?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
            self.sink.field = "";
        }
        if self.second_pass { Ok(()) } else { self.end_of_first_pass() }
    }
}

/// Reads a process: a client's is a whole number.
struct WhoSeed;

impl<'de> DeserializeSeed<'de> for WhoSeed {
    type Value = Who;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Who, D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for WhoSeed {
    type Value = Who;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a client's number, or the name of something else")
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Who, E> {
        Ok(Who::Client(Process(number)))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Who, E> {
        let number =
            i64::try_from(number).map_err(|_| E::custom(format_args!("{number} is too big; at most 2^63 - 1")))?;
        self.visit_i64(number)
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Who, E> {
        Ok(Who::Other)
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Who, E> {
        Ok(Who::Other)
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<Who, E> {
        Ok(Who::Other)
    }

    fn visit_unit<E: Error>(self) -> Result<Who, E> {
        Ok(Who::Other)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Who, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Who::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Who, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Who::Other)
    }
}

/// Reads the log of rebalances: the keys of each.
struct RebalanceLog<'s, 'a>(&'s mut Sink<'a>);

impl<'de> DeserializeSeed<'de> for RebalanceLog<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for RebalanceLog<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of rebalances, each an object with a list of \"keys\"")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        mops::entries(self.0, |sink| seq.next_element_seed(Rebalance(sink)))
    }
}

/// Reads one rebalance.
struct Rebalance<'s, 'a>(&'s mut Sink<'a>);

impl<'de> DeserializeSeed<'de> for Rebalance<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Rebalance<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a rebalance: an object with a list of \"keys\"")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let is_keys = |name: Option<&str>| Some(name == Some("keys"));
        while let Some(is_keys) = map.next_key_seed(Text { expected: "a name", by_name: is_keys })? {
            if is_keys {
                map.next_value_seed(KeyNames { sink: &mut *self.0, list: |draft| &mut draft.rebalanced })?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }
}
