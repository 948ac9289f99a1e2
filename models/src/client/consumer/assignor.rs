//! Who reads what: computed by the leader of a group (`RangeAssignor`, `CooperativeStickyAssignor`).

use crate::client::PartitionAssignor;
use crate::kafka::ids::{TopicId, TopicIdPartition};
use crate::kafka::protocol::group::{MemberId, MemberSubscription};
use std::collections::{BTreeMap, BTreeSet};

type Assignment = BTreeMap<MemberId, Vec<TopicIdPartition>>;

/// The assignment of a generation; `topics` are the topics that exist, with how many partitions they have.
pub fn assign(
    assignor: PartitionAssignor,
    members: &[MemberSubscription],
    topics: &BTreeMap<TopicId, u32>,
) -> Vec<(MemberId, Vec<TopicIdPartition>)> {
    let assignment = match assignor {
        PartitionAssignor::Range => range(members, topics),
        PartitionAssignor::CooperativeSticky => cooperative(members, topics),
    };
    assignment.into_iter().collect()
}

fn partitions(topic: TopicId, count: u32) -> impl Iterator<Item = TopicIdPartition> {
    (0..count).map(move |partition| TopicIdPartition { topic, partition })
}

/// Topic by topic, its partitions in order in pieces of a size; the first members get one more.
fn range(members: &[MemberSubscription], topics: &BTreeMap<TopicId, u32>) -> Assignment {
    let mut assignment: Assignment = members.iter().map(|member| (member.member, Vec::new())).collect();
    for (topic, count) in topics {
        let mut readers: Vec<MemberId> =
            members.iter().filter(|member| member.topics.contains(topic)).map(|member| member.member).collect();
        readers.sort_unstable();
        let mut left = partitions(*topic, *count);
        for (place, reader) in readers.iter().enumerate() {
            let share = *count as usize / readers.len() + usize::from(place < *count as usize % readers.len());
            assignment.entry(*reader).or_default().extend(left.by_ref().take(share));
        }
    }
    assignment
}

/// Everybody keeps what it can; what moves is given to nobody until its owner has given it up.
fn cooperative(members: &[MemberSubscription], topics: &BTreeMap<TopicId, u32>) -> Assignment {
    let owners = owners(members, topics);
    let mut target = sticky(members, topics, &owners);
    for (member, partitions) in &mut target {
        partitions.retain(|tp| owners.get(tp).is_none_or(|owner| owner == member));
        partitions.sort_unstable();
    }
    target
}

/// Who owns what now. What two members claim is nobody's: one of them is behind the times.
fn owners(members: &[MemberSubscription], topics: &BTreeMap<TopicId, u32>) -> BTreeMap<TopicIdPartition, MemberId> {
    let mut owners = BTreeMap::new();
    let mut contested = BTreeSet::new();
    for member in members {
        let exists = |tp: &&TopicIdPartition| {
            member.topics.contains(&tp.topic) && topics.get(&tp.topic).is_some_and(|count| tp.partition < *count)
        };
        for tp in member.owned.iter().filter(exists) {
            if owners.insert(*tp, member.member).is_some() {
                contested.insert(*tp);
            }
        }
    }
    owners.retain(|tp, _| !contested.contains(tp));
    owners
}

/// A balanced assignment that moves little.
fn sticky(
    members: &[MemberSubscription],
    topics: &BTreeMap<TopicId, u32>,
    owners: &BTreeMap<TopicIdPartition, MemberId>,
) -> Assignment {
    let mut assignment: Assignment = members.iter().map(|member| (member.member, Vec::new())).collect();
    if members.is_empty() {
        return assignment;
    }
    let all: Vec<TopicIdPartition> = topics.iter().flat_map(|(topic, count)| partitions(*topic, *count)).collect();
    let (share, mut one_more) = (all.len() / members.len(), all.len() % members.len());
    let mut free = Vec::new();
    for tp in all {
        let keeps = owners.get(&tp).filter(|owner| {
            let has = assignment[*owner].len();
            let may_have_more = has == share && one_more > 0;
            one_more -= usize::from(may_have_more);
            has < share || may_have_more
        });
        match keeps {
            Some(owner) => assignment.entry(*owner).or_default().push(tp),
            None => free.push(tp),
        }
    }
    for tp in free {
        let readers = members.iter().filter(|member| member.topics.contains(&tp.topic)).map(|member| member.member);
        if let Some(reader) = readers.min_by_key(|reader| (assignment[reader].len(), *reader)) {
            assignment.entry(reader).or_default().push(tp);
        }
    }
    assignment
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TOPIC: TopicId = TopicId(1);

    fn tp(partition: u32) -> TopicIdPartition {
        TopicIdPartition { topic: TOPIC, partition }
    }

    fn member(id: u64, owned: &[u32]) -> MemberSubscription {
        let owned = owned.iter().map(|partition| tp(*partition)).collect();
        MemberSubscription { member: MemberId(id), topics: vec![TOPIC], owned }
    }

    #[test]
    fn ranges_are_pieces_in_order() {
        let topics = BTreeMap::from([(TOPIC, 5)]);
        let members = [member(2, &[]), member(1, &[])];
        let assignment = assign(PartitionAssignor::Range, &members, &topics);
        assert_eq!(assignment, [(MemberId(1), vec![tp(0), tp(1), tp(2)]), (MemberId(2), vec![tp(3), tp(4)])]);
    }

    #[test]
    fn what_moves_is_given_up_first() {
        let topics = BTreeMap::from([(TOPIC, 4)]);
        let first = assign(PartitionAssignor::CooperativeSticky, &[member(1, &[0, 1, 2, 3]), member(2, &[])], &topics);
        assert_eq!(first, [(MemberId(1), vec![tp(0), tp(1)]), (MemberId(2), vec![])]);
        let second = assign(PartitionAssignor::CooperativeSticky, &[member(1, &[0, 1]), member(2, &[])], &topics);
        assert_eq!(second, [(MemberId(1), vec![tp(0), tp(1)]), (MemberId(2), vec![tp(2), tp(3)])]);
    }

    proptest! {
        #[test]
        fn nothing_has_two_readers_and_two_rounds_are_enough(
            count in 1u32..20,
            claims in prop::collection::vec(prop::collection::vec(0u32..24, 0..8), 1..6),
        ) {
            let topics = BTreeMap::from([(TOPIC, count)]);
            let mut members: Vec<_> =
                claims.iter().enumerate().map(|(id, owned)| member(id as u64, owned)).collect();
            for assignor in [PartitionAssignor::Range, PartitionAssignor::CooperativeSticky] {
                for round in 0..2 {
                    let assignment = assign(assignor, &members, &topics);
                    let mut given: Vec<_> = assignment.iter().flat_map(|(_, partitions)| partitions.clone()).collect();
                    let before = given.len();
                    given.sort_unstable();
                    given.dedup();
                    prop_assert_eq!(given.len(), before);
                    if round == 1 || assignor == PartitionAssignor::Range {
                        prop_assert_eq!(given.len(), count as usize);
                        let sizes: Vec<_> = assignment.iter().map(|(_, partitions)| partitions.len()).collect();
                        prop_assert!(sizes.iter().max().unwrap() - sizes.iter().min().unwrap() <= 1);
                    }
                    for (member, partitions) in assignment {
                        members[member.0 as usize].owned = partitions;
                    }
                }
            }
        }
    }
}
