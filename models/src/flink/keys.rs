//! Keys, key groups, and which subtask has which (`KeyGroupRangeAssignment`).
//!
//! A record's key is a pure function of its identity: records of one (writer, partition) take the keys in turn, from a place
//! that is hashed from both. So how many of a range of records are for a subtask is arithmetic, whatever its length.
//!
//! Simpler than reality: keys are evenly used, no key is hot; the hash is splitmix64, not murmur.

use crate::kafka::ids::{TopicIdPartition, WriterId};
use serde::{Deserialize, Serialize};

/// Flink's bounds of the default maximum parallelism (`KeyGroupRangeAssignment`).
const MAX_PARALLELISM_MIN: u32 = 1 << 7;
const MAX_PARALLELISM_MAX: u32 = 1 << 15;

/// The default number of key groups: 1.5 times the parallelism, rounded up to a power of two, from 128 to 32,768.
pub fn default_max_parallelism(parallelism: u32) -> u32 {
    (parallelism + parallelism / 2).next_power_of_two().clamp(MAX_PARALLELISM_MIN, MAX_PARALLELISM_MAX)
}

/// Key groups `first..next`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct KeyGroupRange {
    /// The first one.
    pub first: u32,
    /// The one after the last.
    pub next: u32,
}

impl KeyGroupRange {
    /// Those of a subtask: a group is subtask `group * parallelism / max_parallelism`'s.
    pub fn of_subtask(subtask: u32, parallelism: u32, max_parallelism: u32) -> KeyGroupRange {
        let first = |subtask: u32| (subtask * max_parallelism).div_ceil(parallelism);
        KeyGroupRange { first: first(subtask), next: first(subtask + 1) }
    }

    /// What both have, if anything.
    pub fn common(self, other: KeyGroupRange) -> Option<KeyGroupRange> {
        let (first, next) = (self.first.max(other.first), self.next.min(other.next));
        (first < next).then_some(KeyGroupRange { first, next })
    }
}

/// The keys of some key groups, to count by.
#[derive(Clone, Debug)]
pub struct GroupKeys {
    /// By key: how many of those before it are in the groups.
    before: Vec<u32>,
}

impl GroupKeys {
    /// Of these groups, where there are so many keys and groups.
    pub fn new(groups: KeyGroupRange, keys: u32, max_parallelism: u32) -> GroupKeys {
        let mut before = Vec::with_capacity(keys as usize + 1);
        before.push(0);
        for key in 0..keys {
            let group = (splitmix(u64::from(key)) % u64::from(max_parallelism)) as u32;
            before.push(before[key as usize] + u32::from((groups.first..groups.next).contains(&group)));
        }
        GroupKeys { before }
    }

    /// How many keys there are.
    pub fn keys(&self) -> u32 {
        self.before[self.before.len() - 1]
    }

    /// How many of `count` records from that one on have such a key.
    pub fn count(&self, writer: WriterId, tp: TopicIdPartition, first: u64, count: u64) -> u64 {
        let all = (self.before.len() - 1) as u64;
        let place = splitmix(u64::from(writer.0) << 32 ^ u64::from(tp.topic.0) << 20 ^ u64::from(tp.partition)) % all;
        self.below(place + first % all + count) - self.below(place + first % all)
    }

    /// How many of the first `n` keys, taken in turn.
    fn below(&self, n: u64) -> u64 {
        let all = (self.before.len() - 1) as u64;
        n / all * u64::from(self.keys()) + u64::from(self.before[(n % all) as usize])
    }
}

fn splitmix(n: u64) -> u64 {
    let n = n.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let n = (n ^ n >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let n = (n ^ n >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    n ^ n >> 31
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_default_number_of_key_groups_is_flinks() {
        let expected = [(1, 128), (85, 128), (86, 256), (200, 512), (30_000, 32_768)];
        assert_eq!(expected.map(|(p, _)| default_max_parallelism(p)), expected.map(|(_, groups)| groups));
    }

    proptest! {
        #[test]
        fn each_group_is_one_subtasks(parallelism in 1u32..40, group in 0u32..128) {
            let of = |subtask| KeyGroupRange::of_subtask(subtask, parallelism, 128);
            let owners: Vec<u32> = (0..parallelism).filter(|s| (of(*s).first..of(*s).next).contains(&group)).collect();
            prop_assert_eq!(owners, vec![group * parallelism / 128]);
        }

        #[test]
        fn counts_of_all_subtasks_add_up_and_ranges_join(first in 0u64..1 << 40, a in 0u64..5000, b in 0u64..5000) {
            let tp = TopicIdPartition::default();
            let mut sum = 0;
            for subtask in 0..3 {
                let keys = GroupKeys::new(KeyGroupRange::of_subtask(subtask, 3, 128), 100, 128);
                let whole = keys.count(WriterId(7), tp, first, a + b);
                prop_assert_eq!(whole, keys.count(WriterId(7), tp, first, a) + keys.count(WriterId(7), tp, first + a, b));
                sum += whole;
            }
            prop_assert_eq!(sum, a + b);
        }
    }
}
