//! A map in the order of its keys.

use super::{find, insert, places, remove, seat};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde::ser::{Serialize, Serializer};
use std::borrow::Borrow;
use std::collections::{VecDeque, vec_deque};
use std::fmt;
use std::hash::{Hash, Hasher};
use std::iter::Zip;
use std::marker::PhantomData;
use std::mem;
use std::ops::{Index, RangeBounds};

/// A map in the order of its keys, whose methods mean what those of [`BTreeMap`](std::collections::BTreeMap) mean. See the
/// [module](super).
#[derive(Clone, PartialEq, Eq)]
pub struct SortedMap<K, V> {
    // Side by side, so that a search reads keys alone. Invariant: as many of the one as of the other.
    keys: VecDeque<K>,
    values: VecDeque<V>,
}

impl<K, V> SortedMap<K, V> {
    /// A map with nothing in it, which takes no memory.
    pub const fn new() -> Self {
        Self { keys: VecDeque::new(), values: VecDeque::new() }
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Takes all entries out.
    pub fn clear(&mut self) {
        self.keys.clear();
        self.values.clear();
    }

    /// The entries, in order.
    pub fn iter(&self) -> Iter<'_, K, V> {
        self.keys.iter().zip(&self.values)
    }

    /// The entries, in order, their values to be changed.
    pub fn iter_mut(&mut self) -> IterMut<'_, K, V> {
        self.keys.iter().zip(&mut self.values)
    }

    /// The keys, in order.
    pub fn keys(&self) -> vec_deque::Iter<'_, K> {
        self.keys.iter()
    }

    /// The values, in order of their keys.
    pub fn values(&self) -> vec_deque::Iter<'_, V> {
        self.values.iter()
    }

    /// The values, in order of their keys, to be changed.
    pub fn values_mut(&mut self) -> vec_deque::IterMut<'_, V> {
        self.values.iter_mut()
    }

    /// The keys, in order.
    pub fn into_keys(self) -> vec_deque::IntoIter<K> {
        self.keys.into_iter()
    }

    /// The values, in order of their keys.
    pub fn into_values(self) -> vec_deque::IntoIter<V> {
        self.values.into_iter()
    }

    /// The entry of the least key.
    pub fn first_key_value(&self) -> Option<(&K, &V)> {
        self.keys.front().zip(self.values.front())
    }

    /// The entry of the greatest key.
    pub fn last_key_value(&self) -> Option<(&K, &V)> {
        self.keys.back().zip(self.values.back())
    }

    /// Takes the entry of the least key out.
    pub fn pop_first(&mut self) -> Option<(K, V)> {
        self.keys.pop_front().zip(self.values.pop_front())
    }

    /// Takes the entry of the greatest key out.
    pub fn pop_last(&mut self) -> Option<(K, V)> {
        self.keys.pop_back().zip(self.values.pop_back())
    }

    /// The entry of the least key, to be changed or taken out.
    pub fn first_entry(&mut self) -> Option<OccupiedEntry<'_, K, V>> {
        (!self.is_empty()).then_some(OccupiedEntry { map: self, at: 0 })
    }

    /// Keeps the entries of which `keep` says so.
    pub fn retain(&mut self, mut keep: impl FnMut(&K, &mut V) -> bool) {
        let mut kept = 0;
        for at in 0..self.len() {
            if keep(&self.keys[at], &mut self.values[at]) {
                self.keys.swap(kept, at);
                self.values.swap(kept, at);
                kept += 1;
            }
        }
        self.keys.truncate(kept);
        self.values.truncate(kept);
    }

    fn insert_at(&mut self, at: usize, key: K, value: V) {
        insert(&mut self.keys, at, key);
        insert(&mut self.values, at, value);
    }

    fn remove_at(&mut self, at: usize) -> Option<(K, V)> {
        remove(&mut self.keys, at).zip(remove(&mut self.values, at))
    }
}

impl<K: Ord, V> SortedMap<K, V> {
    fn find<Q>(&self, key: &Q) -> Result<usize, usize>
    where
        K: Borrow<Q>,
        Q: Ord + ?Sized,
    {
        find(&self.keys, key)
    }

    /// The value of a key.
    pub fn get<Q>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
        Q: Ord + ?Sized,
    {
        self.find(key).ok().map(|at| &self.values[at])
    }

    /// The value of a key, to be changed.
    pub fn get_mut<Q>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
        Q: Ord + ?Sized,
    {
        self.find(key).ok().map(|at| &mut self.values[at])
    }

    /// The entry of a key.
    pub fn get_key_value<Q>(&self, key: &Q) -> Option<(&K, &V)>
    where
        K: Borrow<Q>,
        Q: Ord + ?Sized,
    {
        self.find(key).ok().map(|at| (&self.keys[at], &self.values[at]))
    }

    /// Whether there is an entry of a key.
    pub fn contains_key<Q>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
        Q: Ord + ?Sized,
    {
        self.find(key).is_ok()
    }

    /// Gives a key a value, and returns the one that it had.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        match seat(&self.keys, &key) {
            Ok(at) => Some(mem::replace(&mut self.values[at], value)),
            Err(at) => {
                self.insert_at(at, key, value);
                None
            }
        }
    }

    /// Takes a key's entry out, and returns its value.
    pub fn remove<Q>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
        Q: Ord + ?Sized,
    {
        self.remove_entry(key).map(|(_, value)| value)
    }

    /// Takes a key's entry out.
    pub fn remove_entry<Q>(&mut self, key: &Q) -> Option<(K, V)>
    where
        K: Borrow<Q>,
        Q: Ord + ?Sized,
    {
        self.find(key).ok().and_then(|at| self.remove_at(at))
    }

    /// A key's place, with or without an entry in it.
    pub fn entry(&mut self, key: K) -> Entry<'_, K, V> {
        match seat(&self.keys, &key) {
            Ok(at) => Entry::Occupied(OccupiedEntry { map: self, at }),
            Err(at) => Entry::Vacant(VacantEntry { map: self, at, key }),
        }
    }

    /// The entries of the keys within bounds, in order.
    ///
    /// # Panics
    ///
    /// If the range starts behind its end.
    pub fn range<Q, R>(&self, range: R) -> Iter<'_, K, V>
    where
        K: Borrow<Q>,
        R: RangeBounds<Q>,
        Q: Ord + ?Sized,
    {
        let places = places(&self.keys, &range);
        self.keys.range(places.clone()).zip(self.values.range(places))
    }

    /// The entries of the keys within bounds, in order, their values to be changed.
    ///
    /// # Panics
    ///
    /// If the range starts behind its end.
    pub fn range_mut<Q, R>(&mut self, range: R) -> IterMut<'_, K, V>
    where
        K: Borrow<Q>,
        R: RangeBounds<Q>,
        Q: Ord + ?Sized,
    {
        let places = places(&self.keys, &range);
        self.keys.range(places.clone()).zip(self.values.range_mut(places))
    }

    /// Takes the entries of the keys from `key` on out.
    pub fn split_off<Q>(&mut self, key: &Q) -> Self
    where
        K: Borrow<Q>,
        Q: Ord + ?Sized,
    {
        let at = self.find(key).unwrap_or_else(|at| at);
        Self { keys: self.keys.split_off(at), values: self.values.split_off(at) }
    }

    /// Takes the entries of the keys within bounds of which `take` says so out, before anything is done with the first of them.
    pub fn extract_if<Q>(
        &mut self,
        range: impl RangeBounds<Q>,
        mut take: impl FnMut(&K, &mut V) -> bool,
    ) -> IntoIter<K, V>
    where
        K: Borrow<Q>,
        Q: Ord + ?Sized,
    {
        let places = places(&self.keys, &range);
        let (mut keys, mut values) = (VecDeque::new(), VecDeque::new());
        let mut at = places.start;
        for _ in places {
            if take(&self.keys[at], &mut self.values[at]) {
                let (key, value) = self.remove_at(at).expect("it was just looked at");
                keys.push_back(key);
                values.push_back(value);
            } else {
                at += 1;
            }
        }
        Self { keys, values }.into_iter()
    }

    /// Takes all entries of another map over.
    pub fn append(&mut self, other: &mut Self) {
        self.extend(mem::take(other));
    }
}

type Iter<'a, K, V> = Zip<vec_deque::Iter<'a, K>, vec_deque::Iter<'a, V>>;
type IterMut<'a, K, V> = Zip<vec_deque::Iter<'a, K>, vec_deque::IterMut<'a, V>>;
type IntoIter<K, V> = Zip<vec_deque::IntoIter<K>, vec_deque::IntoIter<V>>;

/// A key's place in a map.
pub enum Entry<'a, K, V> {
    /// The key has a value.
    Occupied(OccupiedEntry<'a, K, V>),
    /// The key has none.
    Vacant(VacantEntry<'a, K, V>),
}

/// The place of a key that has a value.
pub struct OccupiedEntry<'a, K, V> {
    map: &'a mut SortedMap<K, V>,
    at: usize,
}

/// The place of a key that has no value.
pub struct VacantEntry<'a, K, V> {
    map: &'a mut SortedMap<K, V>,
    at: usize,
    key: K,
}

impl<'a, K, V> Entry<'a, K, V> {
    /// The key's value; where it has none, it gets this one.
    pub fn or_insert(self, value: V) -> &'a mut V {
        self.or_insert_with(|| value)
    }

    /// The key's value; where it has none, it gets what `make` makes.
    pub fn or_insert_with(self, make: impl FnOnce() -> V) -> &'a mut V {
        match self {
            Self::Occupied(entry) => entry.into_mut(),
            Self::Vacant(entry) => entry.insert(make()),
        }
    }

    /// The key's value; where it has none, it gets the default.
    pub fn or_default(self) -> &'a mut V
    where
        V: Default,
    {
        self.or_insert_with(V::default)
    }

    /// Changes the value, where there is one.
    #[must_use]
    pub fn and_modify(mut self, change: impl FnOnce(&mut V)) -> Self {
        if let Self::Occupied(entry) = &mut self {
            change(entry.get_mut());
        }
        self
    }
}

impl<'a, K, V> OccupiedEntry<'a, K, V> {
    /// The key.
    pub fn key(&self) -> &K {
        &self.map.keys[self.at]
    }

    /// Its value.
    pub fn get(&self) -> &V {
        &self.map.values[self.at]
    }

    /// Its value, to be changed.
    pub fn get_mut(&mut self) -> &mut V {
        &mut self.map.values[self.at]
    }

    /// Its value, to be changed for as long as the map is borrowed.
    pub fn into_mut(self) -> &'a mut V {
        &mut self.map.values[self.at]
    }

    /// Gives the key another value, and returns the one that it had.
    pub fn insert(&mut self, value: V) -> V {
        mem::replace(self.get_mut(), value)
    }

    /// Takes the entry out, and returns its value.
    pub fn remove(self) -> V {
        self.remove_entry().1
    }

    /// Takes the entry out.
    pub fn remove_entry(self) -> (K, V) {
        self.map.remove_at(self.at).expect("it is occupied")
    }
}

impl<'a, K, V> VacantEntry<'a, K, V> {
    /// The key.
    pub fn key(&self) -> &K {
        &self.key
    }

    /// Gives the key a value.
    pub fn insert(self, value: V) -> &'a mut V {
        self.map.insert_at(self.at, self.key, value);
        &mut self.map.values[self.at]
    }
}

impl<K, V> Default for SortedMap<K, V> {
    fn default() -> Self {
        Self::new()
    }
}

/// As a B-tree's: what is hashed in digests does not tell what a table is made of.
impl<K: Hash, V: Hash> Hash for SortedMap<K, V> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_usize(self.len());
        self.iter().for_each(|entry| entry.hash(state));
    }
}

impl<K: fmt::Debug, V: fmt::Debug> fmt::Debug for SortedMap<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl<K, V, Q> Index<&Q> for SortedMap<K, V>
where
    K: Borrow<Q> + Ord,
    Q: Ord + ?Sized,
{
    type Output = V;

    fn index(&self, key: &Q) -> &V {
        self.get(key).expect("there is an entry of the key")
    }
}

impl<K: Ord, V> Extend<(K, V)> for SortedMap<K, V> {
    fn extend<I: IntoIterator<Item = (K, V)>>(&mut self, entries: I) {
        for (key, value) in entries {
            self.insert(key, value);
        }
    }
}

impl<K: Ord, V> FromIterator<(K, V)> for SortedMap<K, V> {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        let mut map = Self::new();
        map.extend(entries);
        map
    }
}

impl<K: Ord, V, const N: usize> From<[(K, V); N]> for SortedMap<K, V> {
    fn from(entries: [(K, V); N]) -> Self {
        entries.into_iter().collect()
    }
}

impl<K, V> IntoIterator for SortedMap<K, V> {
    type Item = (K, V);
    type IntoIter = IntoIter<K, V>;

    fn into_iter(self) -> Self::IntoIter {
        self.keys.into_iter().zip(self.values)
    }
}

impl<'a, K, V> IntoIterator for &'a SortedMap<K, V> {
    type Item = (&'a K, &'a V);
    type IntoIter = Iter<'a, K, V>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<'a, K, V> IntoIterator for &'a mut SortedMap<K, V> {
    type Item = (&'a K, &'a mut V);
    type IntoIter = IterMut<'a, K, V>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter_mut()
    }
}

impl<K: Serialize, V: Serialize> Serialize for SortedMap<K, V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self)
    }
}

impl<'de, K: Deserialize<'de> + Ord, V: Deserialize<'de>> Deserialize<'de> for SortedMap<K, V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries<K, V>(PhantomData<(K, V)>);

        impl<'de, K: Deserialize<'de> + Ord, V: Deserialize<'de>> Visitor<'de> for Entries<K, V> {
            type Value = SortedMap<K, V>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
                let mut map = SortedMap::new();
                while let Some((key, value)) = entries.next_entry()? {
                    map.insert(key, value);
                }
                Ok(map)
            }
        }
        deserializer.deserialize_map(Entries(PhantomData))
    }
}
