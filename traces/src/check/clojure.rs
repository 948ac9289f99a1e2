//! The order in which Clojure's hash sets iterate.
//!
//! Where several values were seen at one offset, the original checker takes the first of a hash set. Any choice would
//! do; this one gives a reader who holds both reports against each other the same sample. Numbers and strings hash as
//! in Clojure (`clojure.lang.Murmur3`); other values, and keywords that a converter turned into strings, do not occur
//! often enough to matter and follow in order of their text.

use crate::history::{History, Value};
use serde_json::Value as Json;
use std::cmp::Ordering;

/// The place of the value that a Clojure hash set of these would give first.
fn first(values: &[Json]) -> usize {
    (0..values.len()).min_by(|a, b| order(&values[*a], &values[*b])).unwrap_or(0)
}

/// The value that a Clojure hash set of these would give first.
pub fn first_value<'a>(values: &'a [Value], history: &History) -> Option<&'a Value> {
    match values {
        [] | [_] => values.first(),
        _ => {
            let json: Vec<_> = values.iter().map(|value| history.value_json(*value)).collect();
            values.get(first(&json))
        }
    }
}

fn order(a: &Json, b: &Json) -> Ordering {
    trie_order(hash(a)).cmp(&trie_order(hash(b))).then_with(|| a.to_string().cmp(&b.to_string()))
}

/// A hash trie consumes a hash five bits at a time, the lowest first: those digits, highest first, as one number.
fn trie_order(hash: u32) -> u64 {
    (0..7).fold(0, |digits, level| digits << 5 | u64::from(hash >> (5 * level)) & 31)
}

fn hash(value: &Json) -> u32 {
    match value {
        Json::Number(number) => number.as_i64().map_or(0, hash_long),
        Json::String(text) => hash_int(java_hash(text)),
        Json::Bool(_) | Json::Null | Json::Array(_) | Json::Object(_) => 0,
    }
}

/// `String.hashCode`.
fn java_hash(text: &str) -> u32 {
    text.encode_utf16().fold(0u32, |hash, unit| hash.wrapping_mul(31).wrapping_add(u32::from(unit)))
}

fn hash_long(number: i64) -> u32 {
    if number == 0 {
        return 0;
    }
    let low = mix_hash(0, mix_key(number as u32));
    finish(mix_hash(low, mix_key((number >> 32) as u32)), 8)
}

fn hash_int(number: u32) -> u32 {
    if number == 0 {
        return 0;
    }
    finish(mix_hash(0, mix_key(number)), 4)
}

fn mix_key(key: u32) -> u32 {
    key.wrapping_mul(0xcc9e_2d51).rotate_left(15).wrapping_mul(0x1b87_3593)
}

fn mix_hash(hash: u32, key: u32) -> u32 {
    (hash ^ key).rotate_left(13).wrapping_mul(5).wrapping_add(0xe654_6b64)
}

fn finish(hash: u32, length: u32) -> u32 {
    let hash = hash ^ length;
    let hash = (hash ^ hash >> 16).wrapping_mul(0x85eb_ca6b);
    let hash = (hash ^ hash >> 13).wrapping_mul(0xc2b2_ae35);
    hash ^ hash >> 16
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn numbers_and_strings_hash_as_in_clojure() {
        // (hash 1), (hash 2), (hash -1), (hash "a") of Clojure 1.11.
        assert_eq!(hash(&json!(1)) as i32, 1_392_991_556);
        assert_eq!(hash(&json!(2)) as i32, -971_005_196);
        assert_eq!(hash(&json!(-1)) as i32, 1_651_860_712);
        assert_eq!(hash(&json!("a")) as i32, 1_455_541_201);
    }

    #[test]
    fn a_set_of_small_numbers_iterates_as_in_clojure() {
        // (seq #{0 1 2 3 4 5 6 7 8 9}) => (0 7 1 4 6 3 2 9 5 8)
        let mut values: Vec<_> = (0..10).map(|number| json!(number)).collect();
        values.sort_by(order);
        assert_eq!(values, [0, 7, 1, 4, 6, 3, 2, 9, 5, 8].map(|number| json!(number)));
        assert_eq!(first(&[json!(8), json!(7), json!(9)]), 1);
    }
}
