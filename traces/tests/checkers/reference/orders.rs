//! The version order of each key, and the errors that show in it alone.

use super::Errors;
use super::history::{History, Micro, Record, value_order};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// What is known of one key: the values at each offset, holes left out.
#[derive(Default)]
pub struct Order {
    /// Offset to the distinct values seen there, sorted; never empty.
    log: BTreeMap<u64, Vec<Value>>,
    /// The value chosen at each index.
    by_index: Vec<Value>,
}

impl Order {
    fn add(&mut self, record: &Record) {
        let Some(offset) = record.offset else { return };
        let values = self.log.entry(offset).or_default();
        if !values.contains(&record.value) {
            values.push(record.value.clone());
            values.sort_by(value_order);
        }
    }

    fn choose(&mut self, pick: &dyn Fn(&[Value]) -> usize) {
        self.by_index = self.log.values().map(|values| one_of(values, pick)).collect();
    }

    /// The index of a value: its last, where it was chosen more than once; none where it was never chosen.
    pub fn index(&self, value: &Value) -> Option<usize> {
        self.by_index.iter().rposition(|chosen| chosen == value)
    }

    /// The value chosen at an index.
    pub fn at(&self, index: usize) -> &Value {
        &self.by_index[index]
    }

    /// How far the log goes from one value to the next; 1 where either index is unknown.
    pub fn delta(&self, from: &Value, to: &Value) -> i64 {
        match (self.index(from), self.index(to)) {
            (Some(from), Some(to)) => to as i64 - from as i64,
            _ => 1,
        }
    }

    /// The values strictly between two.
    pub fn between(&self, from: &Value, to: &Value) -> Vec<Value> {
        match (self.index(from), self.index(to)) {
            (Some(from), Some(to)) => (from + 1..to).map(|index| self.at(index).clone()).collect(),
            _ => Vec::new(),
        }
    }

    /// The first index at which a value was seen, whether it was chosen there or not.
    pub fn first_seen(&self, value: &Value) -> Option<usize> {
        self.log.values().position(|values| values.contains(value))
    }

    /// The values seen at an index and at none after it, sorted.
    pub fn last_seen_at(&self, index: usize) -> Vec<Value> {
        let Some(here) = self.log.values().nth(index) else { return Vec::new() };
        here.iter()
            .filter(|value| !self.log.values().skip(index + 1).any(|later| later.contains(value)))
            .cloned()
            .collect()
    }
}

/// The chosen one of a sorted list of values.
pub fn one_of(values: &[Value], pick: &dyn Fn(&[Value]) -> usize) -> Value {
    let place = if values.len() > 1 { pick(values) } else { 0 };
    values[place].clone()
}

/// The version orders of all keys of which any offset is known.
pub struct Orders {
    by_key: BTreeMap<String, Order>,
    unknown: Order,
}

impl Orders {
    /// From the sends of ops that must have committed, and from the polls of all.
    pub fn of(history: &History, pick: &dyn Fn(&[Value]) -> usize) -> Orders {
        let mut by_key: BTreeMap<String, Order> = BTreeMap::new();
        for op in &history.ops {
            let committed = history.must_have_committed(op);
            for micro in &op.micros {
                match micro {
                    Micro::Send(key, record) if committed => by_key.entry(key.clone()).or_default().add(record),
                    Micro::Send(..) => (),
                    Micro::Poll(polled) => {
                        for (key, records) in polled {
                            records.iter().for_each(|record| by_key.entry(key.clone()).or_default().add(record));
                        }
                    }
                }
            }
        }
        by_key.values_mut().for_each(|order| order.choose(pick));
        Orders { by_key, unknown: Order::default() }
    }

    pub fn get(&self, key: &str) -> &Order {
        self.by_key.get(key).unwrap_or(&self.unknown)
    }

    pub fn ambiguous_keys(&self) -> BTreeSet<String> {
        let ambiguous = |order: &Order| order.log.values().any(|values| values.len() > 1);
        self.by_key.iter().filter(|(_, order)| ambiguous(order)).map(|(key, _)| key.clone()).collect()
    }
}

/// An offset of a key with two values or more.
pub fn inconsistent_offsets(orders: &Orders, errors: &mut Errors) {
    for (key, order) in &orders.by_key {
        for (index, (offset, values)) in order.log.iter().enumerate() {
            if values.len() >= 2 {
                errors
                    .entry("inconsistent-offsets".to_owned())
                    .or_default()
                    .push(json!({ "key": key, "offset": offset, "index": index, "values": values }));
            }
        }
    }
}

/// A value at two offsets of a key or more.
pub fn duplicate(orders: &Orders, errors: &mut Errors) {
    for (key, order) in &orders.by_key {
        let mut values: Vec<&Value> = order.log.values().flatten().collect();
        values.sort_by(|a, b| value_order(a, b));
        values.dedup();
        for value in values {
            let offsets: Vec<u64> =
                order.log.iter().filter(|(_, values)| values.contains(value)).map(|(offset, _)| *offset).collect();
            if offsets.len() >= 2 {
                errors
                    .entry("duplicate".to_owned())
                    .or_default()
                    .push(json!({ "key": key, "value": value, "count": offsets.len(), "offsets": offsets }));
            }
        }
    }
}
