//! Keys and values as small numbers.

use std::collections::BTreeMap;

/// A key (a partition), as a number of its [`History`](super::History).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(pub u32);

/// A record's value: its identity, unique within its key.
///
/// Whole numbers from 0 to 2^63 - 1 stand for themselves; any other JSON value is interned by its history and numbered
/// from 2^63. Either way consecutive numbers are different values, which is all that a [`Run`](super::Run) needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Value(pub u64);

impl Value {
    /// The first number of an interned value.
    const INTERNED: u64 = 1 << 63;
    /// The number after the last that stands for itself.
    pub const NUMBERS: u64 = Self::INTERNED;

    /// The value `by` places after this one in a run.
    #[must_use]
    pub fn after(self, by: u64) -> Value {
        Value(self.0 + by)
    }
}

/// The names of the keys.
#[derive(Clone, Debug, Default)]
pub(super) struct Keys {
    names: Vec<Box<str>>,
    ids: BTreeMap<Box<str>, KeyId>,
}

impl Keys {
    pub(super) fn intern(&mut self, name: &str) -> KeyId {
        if let Some(id) = self.ids.get(name) {
            return *id;
        }
        let id = KeyId(u32::try_from(self.names.len()).expect("a key is a partition: fewer than 2^32"));
        self.names.push(name.into());
        self.ids.insert(name.into(), id);
        id
    }

    pub(super) fn get(&self, name: &str) -> Option<KeyId> {
        self.ids.get(name).copied()
    }

    pub(super) fn name(&self, id: KeyId) -> &str {
        &self.names[id.0 as usize]
    }

    pub(super) fn len(&self) -> usize {
        self.names.len()
    }
}

/// The values that are not small whole numbers.
#[derive(Clone, Debug, Default)]
pub(super) struct Values {
    others: Vec<serde_json::Value>,
    /// By canonical JSON text.
    ids: BTreeMap<Box<str>, Value>,
}

impl Values {
    pub(super) fn intern(&mut self, json: &serde_json::Value) -> Value {
        if let Some(number) = json.as_u64().filter(|number| *number < Value::NUMBERS) {
            return Value(number);
        }
        let text = json.to_string();
        if let Some(id) = self.ids.get(text.as_str()) {
            return *id;
        }
        let id = Value(Value::INTERNED + self.others.len() as u64);
        self.others.push(json.clone());
        self.ids.insert(text.into(), id);
        id
    }

    pub(super) fn json(&self, value: Value) -> serde_json::Value {
        self.other(value).cloned().unwrap_or_else(|| value.0.into())
    }

    /// The JSON that this value was interned for; `None` if it stands for itself.
    pub(super) fn other(&self, value: Value) -> Option<&serde_json::Value> {
        value.0.checked_sub(Value::INTERNED).map(|place| &self.others[place as usize])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn equal_json_is_one_value_and_comes_back_as_it_was() {
        let mut values = Values::default();
        for original in [json!(0), json!(7), json!("a"), json!(-1), json!(1.0), json!(null), json!([1, "b"])] {
            let value = values.intern(&original);
            assert_eq!(values.intern(&original), value);
            assert_eq!(values.json(value), original);
        }
        assert_ne!(values.intern(&json!(1)), values.intern(&json!(1.0)));
        assert_ne!(values.intern(&json!(1)), values.intern(&json!("1")));
    }
}
