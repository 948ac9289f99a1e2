//! Who reads what: computed by the leader of a group (`RangeAssignor`, `CooperativeStickyAssignor`), who knows each member's
//! rack (`client.rack`) and, by its view of the cluster, each partition's (KIP-881): see [`racks`].
//!
//! **Simpler than reality:** where members subscribe to different topics a sticky assignment is less balanced than
//! `GeneralAssignmentBuilder`'s and knows no racks; a leader that changes its rack (a failover, a reassignment) makes nobody
//! join again, as in Kafka's classic protocol up to 3.6.

mod racks;

use crate::client::PartitionAssignor;
use crate::kafka::ids::{TopicId, TopicIdPartition};
use crate::kafka::protocol::group::{MemberId, MemberSubscription};
pub use racks::PartitionRacks;
use racks::Racks;
use wavetank_sim::{SortedMap, SortedSet};

type Assignment = SortedMap<MemberId, Vec<TopicIdPartition>>;

/// The assignment of a generation; `topics` are the topics that exist, with how many partitions they have.
pub fn assign(
    assignor: PartitionAssignor,
    members: &[MemberSubscription],
    topics: &SortedMap<TopicId, u32>,
    racks: &PartitionRacks,
) -> Vec<(MemberId, Vec<TopicIdPartition>)> {
    let assignment = match assignor {
        PartitionAssignor::Range => racks::range(members, topics, racks),
        PartitionAssignor::CooperativeSticky => cooperative(members, topics, racks),
    };
    assignment.into_iter().collect()
}

fn partitions(topic: TopicId, count: u32) -> impl Iterator<Item = TopicIdPartition> {
    (0..count).map(move |partition| TopicIdPartition { topic, partition })
}

/// Everybody keeps what it can; what moves is given to nobody until its owner has given it up.
fn cooperative(
    members: &[MemberSubscription],
    topics: &SortedMap<TopicId, u32>,
    partition_racks: &PartitionRacks,
) -> Assignment {
    let owners = owners(members, topics);
    let all: Vec<TopicIdPartition> = topics.iter().flat_map(|(topic, count)| partitions(*topic, *count)).collect();
    let are_alike = members.iter().all(|member| topics.keys().all(|topic| member.topics.contains(topic)));
    let racks = Racks::of(members, partition_racks);
    let mut target = match are_alike && racks.matter(&all) {
        true => racks::sticky(members, &all, &owners, &racks),
        false => sticky(members, &all, &owners),
    };
    for (member, partitions) in &mut target {
        partitions.retain(|tp| owners.get(tp).is_none_or(|owner| owner == member));
        partitions.sort_unstable();
    }
    target
}

/// Who owns what now. What two members claim is nobody's: one of them is behind the times.
fn owners(members: &[MemberSubscription], topics: &SortedMap<TopicId, u32>) -> SortedMap<TopicIdPartition, MemberId> {
    let mut owners = SortedMap::new();
    let mut contested = SortedSet::new();
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
    all: &[TopicIdPartition],
    owners: &SortedMap<TopicIdPartition, MemberId>,
) -> Assignment {
    let mut assignment: Assignment = members.iter().map(|member| (member.member, Vec::new())).collect();
    if members.is_empty() {
        return assignment;
    }
    let (share, mut one_more) = (all.len() / members.len(), all.len() % members.len());
    let mut free = Vec::new();
    for tp in all.iter().copied() {
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
    const NOWHERE: PartitionRacks = SortedMap::new();

    fn tp(partition: u32) -> TopicIdPartition {
        TopicIdPartition { topic: TOPIC, partition }
    }

    fn member(id: u64, owned: &[u32]) -> MemberSubscription {
        let owned = owned.iter().map(|partition| tp(*partition)).collect();
        MemberSubscription { member: MemberId(id), topics: vec![TOPIC], owned, rack: None }
    }

    #[test]
    fn ranges_are_pieces_in_order() {
        let topics = SortedMap::from([(TOPIC, 5)]);
        let members = [member(2, &[]), member(1, &[])];
        let assignment = assign(PartitionAssignor::Range, &members, &topics, &NOWHERE);
        assert_eq!(assignment, [(MemberId(1), vec![tp(0), tp(1), tp(2)]), (MemberId(2), vec![tp(3), tp(4)])]);
    }

    #[test]
    fn what_moves_is_given_up_first() {
        let topics = SortedMap::from([(TOPIC, 4)]);
        let first = assign(
            PartitionAssignor::CooperativeSticky,
            &[member(1, &[0, 1, 2, 3]), member(2, &[])],
            &topics,
            &NOWHERE,
        );
        assert_eq!(first, [(MemberId(1), vec![tp(0), tp(1)]), (MemberId(2), vec![])]);
        let second =
            assign(PartitionAssignor::CooperativeSticky, &[member(1, &[0, 1]), member(2, &[])], &topics, &NOWHERE);
        assert_eq!(second, [(MemberId(1), vec![tp(0), tp(1)]), (MemberId(2), vec![tp(2), tp(3)])]);
    }

    fn in_racks(racks: &[u32]) -> PartitionRacks {
        (0..).map(tp).zip(racks.iter().copied()).collect()
    }

    #[test]
    fn ranges_are_read_in_their_own_rack_as_far_as_balance_allows() {
        let topics = SortedMap::from([(TOPIC, 6)]);
        let members: Vec<_> =
            (0..3).map(|id| MemberSubscription { rack: Some(id as u32), ..member(id, &[]) }).collect();
        let assigned = |racks: &[u32]| {
            let assignment = assign(PartitionAssignor::Range, &members, &topics, &in_racks(racks));
            assignment.into_iter().map(|(_, all)| all.iter().map(|tp| tp.partition).collect()).collect::<Vec<Vec<_>>>()
        };
        assert_eq!(assigned(&[2, 1, 0, 2, 1, 0]), [[2, 5], [1, 4], [0, 3]]);
        // Three of rack 0 are one too many, and nobody's rack is 9.
        assert_eq!(assigned(&[0, 0, 0, 1, 9, 2]), [[0, 1], [2, 3], [4, 5]]);
        // All in one rack: nothing to choose.
        assert_eq!(assigned(&[1, 1, 1, 1, 1, 1]), [[0, 1], [2, 3], [4, 5]]);
    }

    #[test]
    fn topics_of_one_size_stay_together_in_ranges() {
        let (one, two) = (TOPIC, TopicId(2));
        let topics = SortedMap::from([(one, 2), (two, 2)]);
        let members: Vec<_> = (0..2)
            .map(|id| MemberSubscription { rack: Some(id as u32), topics: vec![one, two], ..member(id, &[]) })
            .collect();
        // Partition 0 of both is led in rack 1; the partitions 1 are led apart, so nobody is near both.
        let at = |topic, partition| TopicIdPartition { topic, partition };
        let racks = SortedMap::from([(at(one, 0), 1), (at(two, 0), 1), (at(one, 1), 0), (at(two, 1), 1)]);
        let assignment = assign(PartitionAssignor::Range, &members, &topics, &racks);
        let of = |partition| vec![at(one, partition), at(two, partition)];
        assert_eq!(assignment, [(MemberId(0), of(1)), (MemberId(1), of(0))]);
    }

    #[test]
    fn a_member_gives_up_what_is_in_another_rack_and_keeps_the_rest() {
        let topics = SortedMap::from([(TOPIC, 4)]);
        let mut members = [member(0, &[0, 1]), member(1, &[2, 3])];
        (members[0].rack, members[1].rack) = (Some(0), Some(1));
        let racks = in_racks(&[0, 1, 0, 1]);
        let first = assign(PartitionAssignor::CooperativeSticky, &members, &topics, &racks);
        assert_eq!(first, [(MemberId(0), vec![tp(0)]), (MemberId(1), vec![tp(3)])]);
        (members[0].owned, members[1].owned) = (vec![tp(0)], vec![tp(3)]);
        let second = assign(PartitionAssignor::CooperativeSticky, &members, &topics, &racks);
        assert_eq!(second, [(MemberId(0), vec![tp(0), tp(2)]), (MemberId(1), vec![tp(1), tp(3)])]);
    }

    proptest! {
        #[test]
        fn racks_cost_no_balance_and_never_make_more_of_it_remote(
            places in prop::collection::vec(prop::option::weighted(0.9, 0u32..4), 1..24),
            readers in prop::collection::vec(prop::option::weighted(0.8, 0u32..4), 1..7),
            owned in prop::collection::vec(prop::collection::vec(0u32..24, 0..6), 7),
        ) {
            let topics = SortedMap::from([(TOPIC, places.len() as u32)]);
            let at = |(n, rack): (u32, &Option<u32>)| Some((tp(n), (*rack)?));
            let racks: PartitionRacks = (0..).zip(&places).filter_map(at).collect();
            let mut members: Vec<_> = readers
                .iter()
                .enumerate()
                .map(|(id, rack)| MemberSubscription { rack: *rack, ..member(id as u64, &owned[id]) })
                .collect();
            for assignor in [PartitionAssignor::Range, PartitionAssignor::CooperativeSticky] {
                for _ in 0..5 {
                    for (id, partitions) in assign(assignor, &members, &topics, &racks) {
                        members[id.0 as usize].owned = partitions;
                    }
                }
                let sizes: Vec<_> = members.iter().map(|member| member.owned.len()).collect();
                prop_assert_eq!(sizes.iter().sum::<usize>(), places.len());
                prop_assert!(sizes.iter().max().unwrap() - sizes.iter().min().unwrap() <= 1);
                // Whoever reads from elsewhere has no partition of its rack to swap with somebody from there.
                for (a, b) in members.iter().flat_map(|a| members.iter().map(move |b| (a, b))) {
                    let (Some(here), Some(there)) = (a.rack, b.rack) else { continue };
                    let a_reads_there = a.owned.iter().any(|tp| racks.get(tp) == Some(&there));
                    let b_reads_here = b.owned.iter().any(|tp| racks.get(tp) == Some(&here));
                    prop_assert!(here == there || !(a_reads_there && b_reads_here), "{:?}", members);
                }
            }
        }

        #[test]
        fn nothing_has_two_readers_and_two_rounds_are_enough(
            count in 1u32..20,
            claims in prop::collection::vec(prop::collection::vec(0u32..24, 0..8), 1..6),
        ) {
            let topics = SortedMap::from([(TOPIC, count)]);
            let mut members: Vec<_> =
                claims.iter().enumerate().map(|(id, owned)| member(id as u64, owned)).collect();
            for assignor in [PartitionAssignor::Range, PartitionAssignor::CooperativeSticky] {
                for round in 0..2 {
                    let assignment = assign(assignor, &members, &topics, &NOWHERE);
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
