//! Listing: the order of keys, and one page of them.
//!
//! A general purpose bucket lists in the order of the keys' bytes. A directory bucket lists "not in lexicographical
//! order" (AWS, differences for directory buckets); what order it has is not said, so it is drawn: by a hash of each
//! path segment under the run's seed, which keeps a directory's keys together, as pages of common prefixes need.

use super::api::{Continuation, Key, ListEntry, ListFrom, ListPage};
use super::bucket::Object;
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

/// A bucket's order of keys.
pub(crate) enum ListOrder {
    /// By bytes: the object map's own.
    Sorted,
    /// By the hash of the path's segments.
    Scrambled { seed: u64, keys: BTreeSet<ScrambledKey> },
}

impl ListOrder {
    pub fn scrambled(seed: u64) -> ListOrder {
        ListOrder::Scrambled { seed, keys: BTreeSet::new() }
    }

    pub fn added(&mut self, key: &Key) {
        match self {
            ListOrder::Sorted => {}
            ListOrder::Scrambled { seed, keys } => {
                keys.insert(ScrambledKey { seed: *seed, key: key.clone() });
            }
        }
    }

    pub fn removed(&mut self, key: &Key) {
        match self {
            ListOrder::Sorted => {}
            ListOrder::Scrambled { seed, keys } => {
                let present = keys.remove(&ScrambledKey { seed: *seed, key: key.clone() });
                assert!(present, "the order had lost a key");
            }
        }
    }

    pub fn clear(&mut self) {
        match self {
            ListOrder::Sorted => {}
            ListOrder::Scrambled { keys, .. } => keys.clear(),
        }
    }
}

/// A key that compares segment by segment, by the segments' hashes.
#[derive(Clone, Debug)]
pub(crate) struct ScrambledKey {
    seed: u64,
    key: Key,
}

impl ScrambledKey {
    fn rank(&self, segment: &str) -> u64 {
        // The empty segment comes first, so that "dir/" comes before everything in it.
        if segment.is_empty() {
            return 0;
        }
        let fnv = segment
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325 ^ self.seed, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0000_0100_0000_01b3));
        // FNV's high bits are weak for short input: finish as SplitMix64 does.
        let mixed = (fnv ^ (fnv >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) | 1
    }
}

impl Ord for ScrambledKey {
    fn cmp(&self, other: &ScrambledKey) -> Ordering {
        assert_eq!(self.seed, other.seed, "keys of two orders");
        let (mut left, mut right) = (self.key.split('/'), other.key.split('/'));
        loop {
            match (left.next(), right.next()) {
                (None, None) => return Ordering::Equal,
                (None, Some(_)) => return Ordering::Less,
                (Some(_), None) => return Ordering::Greater,
                (Some(a), Some(b)) if a == b => {}
                (Some(a), Some(b)) => return (self.rank(a), a).cmp(&(self.rank(b), b)),
            }
        }
    }
}
impl PartialOrd for ScrambledKey {
    fn partial_cmp(&self, other: &ScrambledKey) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl PartialEq for ScrambledKey {
    fn eq(&self, other: &ScrambledKey) -> bool {
        self.cmp(other).is_eq()
    }
}
impl Eq for ScrambledKey {}

/// One page.
pub(crate) fn list(
    objects: &BTreeMap<Key, Object>,
    order: &ListOrder,
    prefix: &str,
    from: &ListFrom,
    page_len: usize,
    delimiter: Option<char>,
    entry: impl Fn(&Key, &Object) -> ListEntry,
) -> ListPage {
    let (after, within) = match from {
        ListFrom::Start => (None, None),
        ListFrom::After(key) => (Some(key), None),
        ListFrom::Continue(token) => (Some(&token.after), token.group.then_some(&*token.after)),
    };
    let pager = Pager { prefix, page_len, delimiter, start_after: start_after(from), done_group: within };
    match order {
        ListOrder::Sorted => {
            let start = match after {
                Some(after) if &**after >= prefix => Bound::Excluded(&**after),
                _ => Bound::Included(prefix),
            };
            pager.page(objects.range::<str, _>((start, Bound::Unbounded)), entry)
        }
        ListOrder::Scrambled { seed, keys } => {
            let bound = |key: &str| ScrambledKey { seed: *seed, key: Key::from(key) };
            let start = match after {
                Some(after) => Bound::Excluded(bound(after)),
                // A prefix of a directory bucket ends in '/': its last segment is empty and comes first.
                None if prefix.is_empty() => Bound::Unbounded,
                None => Bound::Included(bound(prefix)),
            };
            let in_order = keys.range((start, Bound::Unbounded)).map(|scrambled| {
                let (key, object) = objects.get_key_value(&scrambled.key).expect("the order knows only what is there");
                (key, object)
            });
            pager.page(in_order, entry)
        }
    }
}

fn start_after(from: &ListFrom) -> Option<&Key> {
    match from {
        ListFrom::After(key) => Some(key),
        ListFrom::Start | ListFrom::Continue(_) => None,
    }
}

struct Pager<'a> {
    prefix: &'a str,
    page_len: usize,
    delimiter: Option<char>,
    /// Common prefixes not greater than this are left out (API reference, ListObjectsV2).
    start_after: Option<&'a Key>,
    /// A common prefix that an earlier page reported: nothing below it again.
    done_group: Option<&'a str>,
}

impl Pager<'_> {
    fn page<'o>(
        &self,
        in_order: impl Iterator<Item = (&'o Key, &'o Object)>,
        entry: impl Fn(&Key, &Object) -> ListEntry,
    ) -> ListPage {
        let mut page = ListPage::default();
        let mut last: Option<Continuation> = None;
        // Keys with the prefix are neighbours in either order, and the iterator begins at or behind the first.
        for (key, object) in in_order.take_while(|(key, _)| key.starts_with(self.prefix)) {
            let group = self.group(key);
            if let Some(group) = group {
                let reported = page.common_prefixes.last().is_some_and(|last| &**last == group)
                    || self.done_group == Some(group)
                    || self.start_after.is_some_and(|after| group <= &**after);
                if reported {
                    continue;
                }
            }
            if page.entries.len() + page.common_prefixes.len() >= self.page_len {
                page.next = last;
                break;
            }
            match group {
                Some(group) => {
                    let group = Key::from(group);
                    last = Some(Continuation { after: group.clone(), group: true });
                    page.common_prefixes.push(group);
                }
                None => {
                    last = Some(Continuation { after: key.clone(), group: false });
                    page.entries.push(entry(key, object));
                }
            }
        }
        page
    }

    /// The common prefix that the key is rolled up in.
    fn group<'k>(&self, key: &'k str) -> Option<&'k str> {
        let delimiter = self.delimiter?;
        let rest = &key[self.prefix.len()..];
        rest.find(delimiter).map(|at| &key[..self.prefix.len() + at + delimiter.len_utf8()])
    }
}
