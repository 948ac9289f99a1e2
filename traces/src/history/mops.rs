//! The micro-operations of a line, read straight into a [`Draft`].

use super::line::Sink;
use super::{Draft, History, KeyId, Value};
use crate::Offset;
use serde::Deserialize;
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Unexpected, Visitor};
use std::fmt::{self, Write};

/// Goes through a list, noting at which entry it is.
pub(super) fn entries<'a, E>(
    sink: &mut Sink<'a>,
    mut next: impl FnMut(&mut Sink<'a>) -> Result<Option<()>, E>,
) -> Result<(), E> {
    sink.entry = Some(0);
    while next(sink)?.is_some() {
        sink.entry = sink.entry.map(|entry| entry + 1);
    }
    sink.entry = None;
    Ok(())
}

/// Nothing may follow the last element of a list.
fn end<'de, A: SeqAccess<'de>>(mut seq: A, expected: &str) -> Result<(), A::Error> {
    match seq.next_element::<IgnoredAny>()? {
        None => Ok(()),
        Some(_) => Err(Error::custom(format_args!("it has more elements than {expected}"))),
    }
}

/// A number that only exists rounded is none to compare by.
fn is_rounded(number: f64) -> bool {
    number.abs() >= 2f64.powi(63)
}

/// Reads a string that is one of some names. Null is asked for as `None`.
pub(super) struct Text<F> {
    pub(super) expected: &'static str,
    pub(super) by_name: F,
}

impl<'de, T, F: FnOnce(Option<&str>) -> Option<T>> DeserializeSeed<'de> for Text<F> {
    type Value = T;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<T, D::Error> {
        json.deserialize_any(self)
    }
}

impl<T, F: FnOnce(Option<&str>) -> Option<T>> Visitor<'_> for Text<F> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.expected)
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<T, E> {
        let unknown = || E::custom(format_args!("unknown {name:?}; expected {}", self.expected));
        (self.by_name)(Some(name)).ok_or_else(unknown)
    }

    fn visit_unit<E: Error>(self) -> Result<T, E> {
        let expected = self.expected;
        (self.by_name)(None).ok_or_else(|| E::invalid_type(Unexpected::Unit, &expected))
    }
}

/// Reads a whole number, or null.
pub(super) struct Whole {
    pub(super) expected: &'static str,
    /// Whether `1.0` is one.
    pub(super) whole_floats: bool,
}

impl<'de> DeserializeSeed<'de> for Whole {
    type Value = Option<i64>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Option<i64>, D::Error> {
        json.deserialize_any(self)
    }
}

impl Visitor<'_> for Whole {
    type Value = Option<i64>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.expected)
    }

    fn visit_unit<E: Error>(self) -> Result<Option<i64>, E> {
        Ok(None)
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Option<i64>, E> {
        Ok(Some(number))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Option<i64>, E> {
        let fits = i64::try_from(number);
        fits.map(Some).map_err(|_| E::custom(format_args!("{number} is too big; expected {}", self.expected)))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Option<i64>, E> {
        if self.whole_floats && number.fract() == 0.0 && !is_rounded(number) {
            return Ok(Some(number as i64));
        }
        Err(E::invalid_type(Unexpected::Float(number), &self))
    }
}

fn offset() -> Whole {
    Whole { expected: "an offset: a whole number, or null", whole_floats: false }
}

/// Reads a key: a string, or a number for its string.
struct Key<'s, 'a>(&'s mut Sink<'a>);

impl Key<'_, '_> {
    fn number(self, number: impl fmt::Display) -> KeyId {
        self.0.text.clear();
        write!(self.0.text, "{number}").expect("a string takes everything");
        self.0.history.key(self.0.text)
    }
}

impl<'de> DeserializeSeed<'de> for Key<'_, '_> {
    type Value = KeyId;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<KeyId, D::Error> {
        json.deserialize_any(self)
    }
}

impl Visitor<'_> for Key<'_, '_> {
    type Value = KeyId;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key: a string or a number")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<KeyId, E> {
        Ok(self.0.history.key(name))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<KeyId, E> {
        Ok(self.number(number))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<KeyId, E> {
        Ok(self.number(number))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<KeyId, E> {
        if is_rounded(number) {
            return Err(E::custom("a number too big to be a key; write it as a string"));
        }
        Ok(self.number(serde_json::Value::from(number)))
    }
}

/// Reads a list of keys, or null.
pub(super) struct KeyNames<'s, 'a> {
    pub(super) sink: &'s mut Sink<'a>,
    /// Where they go.
    pub(super) list: fn(&mut Draft) -> &mut Vec<KeyId>,
}

impl<'de> DeserializeSeed<'de> for KeyNames<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for KeyNames<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of keys")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while let Some(key) = seq.next_element_seed(Key(self.sink))? {
            (self.list)(self.sink.draft).push(key);
        }
        Ok(())
    }
}

/// Reads a record's value: any JSON.
struct AnyValue<'s>(&'s mut History);

impl<'de> DeserializeSeed<'de> for AnyValue<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Value, D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for AnyValue<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(self.0.value(&serde_json::Value::Null))
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(self.0.value(&value.into()))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Value, E> {
        Ok(self.0.value(&number.into()))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Value, E> {
        Ok(self.0.value(&number.into()))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Value, E> {
        if is_rounded(number) {
            return Err(E::custom("a number too big to tell it from its neighbours; write it as a string"));
        }
        Ok(self.0.value(&number.into()))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Value, E> {
        Ok(self.0.value(&text.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Value, A::Error> {
        Ok(self.0.value(&serde_json::Value::deserialize(SeqAccessDeserializer::new(seq))?))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Value, A::Error> {
        Ok(self.0.value(&serde_json::Value::deserialize(MapAccessDeserializer::new(map))?))
    }
}

/// Records, as a file has them: one value, or consecutive ones.
struct Records {
    offset: Option<Offset>,
    first: Value,
    /// `None`: it is one record, not a range.
    count: Option<u32>,
}

impl Records {
    /// The rest of `[offset, value]`.
    fn pair<'de, A: SeqAccess<'de>>(mut seq: A, sink: &mut Sink<'_>) -> Result<Records, A::Error> {
        const EXPECTED: &str = "[offset, value]";
        let offset = seq.next_element_seed(offset())?.ok_or_else(|| Error::invalid_length(0, &EXPECTED))?;
        let first =
            seq.next_element_seed(AnyValue(sink.history))?.ok_or_else(|| Error::invalid_length(1, &EXPECTED))?;
        end(seq, EXPECTED)?;
        Ok(Records { offset: offset.map(Offset), first, count: None })
    }

    /// The rest of `{"offset": ..., "first": ..., "count": ...}`.
    fn range<'de, A: MapAccess<'de>>(map: A) -> Result<Records, A::Error> {
        let Range { offset, first, count } = Range::deserialize(MapAccessDeserializer::new(map))?;
        let places =
            count.checked_sub(1).ok_or_else(|| Error::custom("a range holds at least 1 record; count is 0"))?;
        let fits = |from: u64| from.checked_add(u64::from(places)).is_some_and(|last| last < Value::NUMBERS);
        if !fits(first) {
            return Err(Error::custom("the range's last value is too big; at most 2^63 - 1"));
        }
        if offset.is_some_and(|offset| !fits(offset)) {
            return Err(Error::custom("the range's last offset is too big; at most 2^63 - 1"));
        }
        let offset = offset.map(|offset| Offset(offset as i64));
        Ok(Records { offset, first: Value(first), count: Some(count) })
    }
}

/// Consecutive records in a file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a range: an object of offset, first and count")]
struct Range {
    // Named so that it may be null, but not missing.
    #[serde(deserialize_with = "Option::deserialize")]
    offset: Option<u64>,
    first: u64,
    count: u32,
}

/// Reads the micro-operations, or null.
pub(super) struct MicroOps<'s, 'a>(pub(super) &'s mut Sink<'a>);

impl<'de> DeserializeSeed<'de> for MicroOps<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for MicroOps<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of micro-operations, or null")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        entries(self.0, |sink| seq.next_element_seed(MicroOp(sink)))
    }
}

/// Which micro-operation.
enum Name {
    Send,
    Poll,
}

/// Reads one micro-operation.
struct MicroOp<'s, 'a>(&'s mut Sink<'a>);

impl MicroOp<'_, '_> {
    fn send<'de, A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        const EXPECTED: &str = "[\"send\", key, value]";
        let key = seq.next_element_seed(Key(self.0))?.ok_or_else(|| Error::invalid_length(1, &EXPECTED))?;
        let sent = seq.next_element_seed(Sent(self.0))?.ok_or_else(|| Error::invalid_length(2, &EXPECTED))?;
        end(seq, EXPECTED)?;
        match sent.count {
            None => self.0.draft.send(key, sent.offset, sent.first),
            Some(count) => self.0.draft.send_batch(key, sent.offset, sent.first, count),
        }
        Ok(())
    }

    fn poll<'de, A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        self.0.draft.poll();
        if seq.next_element_seed(Polled(self.0))?.is_some() {
            end(seq, "[\"poll\", {key: records, ...}]")?;
        }
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for MicroOp<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for MicroOp<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a micro-operation: [\"send\", ...] or [\"poll\", ...]")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let by_name = |name: Option<&str>| match name {
            Some("send") => Some(Name::Send),
            Some("poll") => Some(Name::Poll),
            _ => None,
        };
        match seq.next_element_seed(Text { expected: "\"send\" or \"poll\"", by_name })? {
            None => Err(Error::invalid_length(0, &self)),
            Some(Name::Send) => self.send(seq),
            Some(Name::Poll) => self.poll(seq),
        }
    }
}

/// Reads what a `send` sent: a value, `[offset, value]` or a range.
struct Sent<'s, 'a>(&'s mut Sink<'a>);

impl Sent<'_, '_> {
    fn value<E: Error>(self, read: impl FnOnce(AnyValue<'_>) -> Result<Value, E>) -> Result<Records, E> {
        Ok(Records { offset: None, first: read(AnyValue(self.0.history))?, count: None })
    }
}

impl<'de> DeserializeSeed<'de> for Sent<'_, '_> {
    type Value = Records;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Records, D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Sent<'_, '_> {
    type Value = Records;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value, [offset, value] or a range")
    }

    fn visit_unit<E: Error>(self) -> Result<Records, E> {
        self.value(|any| any.visit_unit())
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Records, E> {
        self.value(|any| any.visit_bool(value))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Records, E> {
        self.value(|any| any.visit_u64(number))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Records, E> {
        self.value(|any| any.visit_i64(number))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Records, E> {
        self.value(|any| any.visit_f64(number))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Records, E> {
        self.value(|any| any.visit_str(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Records, A::Error> {
        Records::pair(seq, self.0)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Records, A::Error> {
        Records::range(map)
    }
}

/// Reads what a poll returned, or null: records by key. A key that is there twice adds to what it had.
struct Polled<'s, 'a>(&'s mut Sink<'a>);

impl<'de> DeserializeSeed<'de> for Polled<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Polled<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of records by key, or null")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key_seed(Key(self.0))? {
            map.next_value_seed(KeyRecords { sink: self.0, key })?;
        }
        Ok(())
    }
}

/// Reads the records that a poll returned of one key.
struct KeyRecords<'s, 'a> {
    sink: &'s mut Sink<'a>,
    key: KeyId,
}

impl<'de> DeserializeSeed<'de> for KeyRecords<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for KeyRecords<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of records, each [offset, value] or a range")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let mut none = true;
        while let Some(Records { offset, first, count }) = seq.next_element_seed(Entry(self.sink))? {
            self.sink.draft.polled(self.key, offset, first, count.unwrap_or(1));
            none = false;
        }
        if none {
            self.sink.draft.polled(self.key, None, Value(0), 0);
        }
        Ok(())
    }
}

/// Reads one entry of a poll's list.
struct Entry<'s, 'a>(&'s mut Sink<'a>);

impl<'de> DeserializeSeed<'de> for Entry<'_, '_> {
    type Value = Records;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Records, D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Entry<'_, '_> {
    type Value = Records;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a record: [offset, value] or a range")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Records, A::Error> {
        Records::pair(seq, self.0)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Records, A::Error> {
        Records::range(map)
    }
}
