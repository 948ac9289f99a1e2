//! Against the standard library's maps and sets: the same is done to both, and both answer the same.

use super::{Entry, SortedMap, SortedSet};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};

#[derive(Clone, Debug)]
enum Deed {
    Insert(u8, u16),
    Remove(u8),
    Add(u8, u16),
    PopFirst,
    PopLast,
    RemoveFirst,
    Retain(u8),
    SplitOff(u8),
    Extract(u8, u8, u8),
    Append(Vec<(u8, u16)>),
    Raise(u8, u8),
    Clear,
}

fn deeds() -> impl Strategy<Value = Vec<Deed>> {
    let deed = prop_oneof![
        8 => any::<(u8, u16)>().prop_map(|(key, value)| Deed::Insert(key, value)),
        4 => any::<u8>().prop_map(Deed::Remove),
        4 => any::<(u8, u16)>().prop_map(|(key, value)| Deed::Add(key, value)),
        2 => Just(Deed::PopFirst),
        2 => Just(Deed::PopLast),
        2 => Just(Deed::RemoveFirst),
        1 => (2u8..5).prop_map(Deed::Retain),
        1 => any::<u8>().prop_map(Deed::SplitOff),
        1 => (any::<u8>(), any::<u8>(), 1u8..4).prop_map(|(a, b, of)| Deed::Extract(a.min(b), a.max(b), of)),
        1 => prop::collection::vec(any::<(u8, u16)>(), 0..20).prop_map(Deed::Append),
        1 => any::<(u8, u8)>().prop_map(|(a, b)| Deed::Raise(a.min(b), a.max(b))),
        1 => Just(Deed::Clear),
    ];
    prop::collection::vec(deed, 0..120)
}

fn hashed(of: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    of.hash(&mut hasher);
    hasher.finish()
}

/// Both have the same, and say so in every way.
fn same(ours: &SortedMap<u8, u16>, theirs: &BTreeMap<u8, u16>) {
    assert!(ours.iter().eq(theirs));
    assert!(ours.iter().rev().eq(theirs.iter().rev()));
    assert!(ours.keys().eq(theirs.keys()) && ours.values().eq(theirs.values()));
    assert_eq!((ours.len(), ours.is_empty()), (theirs.len(), theirs.is_empty()));
    assert_eq!(ours.first_key_value(), theirs.first_key_value());
    assert_eq!(ours.last_key_value(), theirs.last_key_value());
    assert_eq!(format!("{ours:?}"), format!("{theirs:?}"));
    assert_eq!(hashed(ours), hashed(theirs));
}

fn do_to_both(deed: Deed, ours: &mut SortedMap<u8, u16>, theirs: &mut BTreeMap<u8, u16>) {
    match deed {
        Deed::Insert(key, value) => assert_eq!(ours.insert(key, value), theirs.insert(key, value)),
        Deed::Remove(key) => assert_eq!(ours.remove(&key), theirs.remove(&key)),
        Deed::Add(key, value) => {
            let sum = *theirs.entry(key).and_modify(|had| *had = had.wrapping_add(value)).or_default();
            assert_eq!(*ours.entry(key).and_modify(|had| *had = had.wrapping_add(value)).or_default(), sum);
        }
        Deed::PopFirst => assert_eq!(ours.pop_first(), theirs.pop_first()),
        Deed::PopLast => assert_eq!(ours.pop_last(), theirs.pop_last()),
        Deed::RemoveFirst => {
            let removed = theirs.first_entry().map(|entry| entry.remove_entry());
            assert_eq!(ours.first_entry().map(|entry| entry.remove_entry()), removed);
        }
        Deed::Retain(of) => {
            ours.retain(|key, _| !key.is_multiple_of(of));
            theirs.retain(|key, _| !key.is_multiple_of(of));
        }
        Deed::SplitOff(key) => same(&ours.split_off(&key), &theirs.split_off(&key)),
        Deed::Extract(from, to, of) => {
            let taken: Vec<_> = theirs.extract_if(from..to, |key, _| key.is_multiple_of(of)).collect();
            assert!(ours.extract_if(from..to, |key, _| key.is_multiple_of(of)).eq(taken));
        }
        Deed::Append(more) => {
            ours.append(&mut more.iter().copied().collect());
            theirs.append(&mut more.into_iter().collect());
        }
        Deed::Raise(from, to) => {
            ours.range_mut(from..=to).for_each(|(_, value)| *value = value.wrapping_add(1));
            theirs.range_mut(from..=to).for_each(|(_, value)| *value = value.wrapping_add(1));
        }
        Deed::Clear => {
            ours.clear();
            theirs.clear();
        }
    }
}

proptest! {
    #[test]
    fn a_map_is_a_b_tree_map(deeds in deeds()) {
        let (mut ours, mut theirs) = (SortedMap::new(), BTreeMap::new());
        for deed in deeds {
            do_to_both(deed, &mut ours, &mut theirs);
            same(&ours, &theirs);
        }
    }

    #[test]
    fn a_map_finds_what_a_b_tree_map_finds(
        entries in prop::collection::vec(any::<(u8, u16)>(), 0..40), (a, b) in any::<(u8, u8)>(),
    ) {
        let (ours, theirs): (SortedMap<_, _>, BTreeMap<_, _>) = (entries.iter().copied().collect(), entries.into_iter().collect());
        same(&ours, &theirs);
        prop_assert_eq!(ours.get(&a), theirs.get(&a));
        prop_assert_eq!(ours.contains_key(&a), theirs.contains_key(&a));
        prop_assert_eq!(ours.get_key_value(&a), theirs.get_key_value(&a));
        let (from, to) = (a.min(b), a.max(b));
        prop_assert!(ours.range(from..to).eq(theirs.range(from..to)));
        prop_assert!(ours.range(from..=to).rev().eq(theirs.range(from..=to).rev()));
        prop_assert!(ours.range(..to).eq(theirs.range(..to)));
        prop_assert!(ours.range(from..).eq(theirs.range(from..)));
        let behind = (std::ops::Bound::Excluded(from), std::ops::Bound::Unbounded);
        prop_assert!(ours.range(behind).eq(theirs.range(behind)));
    }

    #[test]
    fn a_set_is_a_b_tree_set(
        members in prop::collection::vec(0u8..60, 0..40), others in prop::collection::vec(0u8..60, 0..40), at in 0u8..60,
    ) {
        let (mut ours, mut theirs) = (SortedSet::new(), BTreeSet::new());
        for member in members {
            prop_assert_eq!(ours.insert(member), theirs.insert(member));
        }
        let (our_others, their_others): (SortedSet<_>, BTreeSet<_>) = (others.iter().copied().collect(), others.iter().copied().collect());
        prop_assert!(ours.iter().eq(&theirs));
        prop_assert!(ours.difference(&our_others).eq(theirs.difference(&their_others)));
        prop_assert!(ours.intersection(&our_others).eq(theirs.intersection(&their_others)));
        prop_assert_eq!(ours.is_subset(&our_others), theirs.is_subset(&their_others));
        prop_assert_eq!(ours.is_disjoint(&our_others), theirs.is_disjoint(&their_others));
        prop_assert!(ours.range(at..).eq(theirs.range(at..)));
        prop_assert_eq!(format!("{ours:?}"), format!("{theirs:?}"));
        prop_assert_eq!(hashed(&ours), hashed(&theirs));
        prop_assert_eq!((ours.contains(&at), ours.take(&at)), (theirs.contains(&at), theirs.take(&at)));
        prop_assert!(ours.split_off(&at).iter().eq(&theirs.split_off(&at)));
        ours.retain(|member| member % 3 != 0);
        theirs.retain(|member| member % 3 != 0);
        prop_assert_eq!((ours.pop_first(), ours.pop_last()), (theirs.pop_first(), theirs.pop_last()));
        prop_assert_eq!((ours.first(), ours.last()), (theirs.first(), theirs.last()));
        ours.append(&mut our_others.clone());
        theirs.append(&mut their_others.clone());
        prop_assert!(ours.iter().eq(&theirs));
        for member in others {
            prop_assert_eq!(ours.remove(&member), theirs.remove(&member));
        }
        prop_assert_eq!((ours.len(), ours.is_empty()), (theirs.len(), theirs.is_empty()));
    }
}

#[test]
fn they_are_written_and_read_as_the_standard_librarys_are() {
    let map = SortedMap::from([("b", 2), ("a", 1)]);
    let text = serde_json::to_string(&map).expect("it is written");
    assert_eq!(text, r#"{"a":1,"b":2}"#);
    let read: SortedMap<String, u8> = serde_json::from_str(&text).expect("it is read");
    assert_eq!(read["b"], 2);
    let set = SortedSet::from([3, 1, 2, 1]);
    let text = serde_json::to_string(&set).expect("it is written");
    assert_eq!(text, "[1,2,3]");
    assert_eq!(serde_json::from_str::<SortedSet<i32>>(&text).expect("it is read"), set);
}

#[test]
fn an_entry_is_taken_or_filled() {
    let mut map = SortedMap::from([(1, "one"), (3, "three")]);
    match map.entry(2) {
        Entry::Vacant(entry) => assert_eq!((*entry.key(), *entry.insert("two")), (2, "two")),
        Entry::Occupied(_) => panic!("there is no 2 yet"),
    }
    match map.entry(3) {
        Entry::Occupied(mut entry) => {
            assert_eq!((*entry.key(), *entry.get(), entry.insert("drei")), (3, "three", "three"));
            assert_eq!(entry.remove(), "drei");
        }
        Entry::Vacant(_) => panic!("there is a 3"),
    }
    assert!(map.into_iter().eq([(1, "one"), (2, "two")]));
}

#[test]
#[should_panic(expected = "there is an entry of the key")]
fn what_is_not_there_is_not_indexed() {
    let _ = SortedMap::from([(1, 'a')])[&2];
}
