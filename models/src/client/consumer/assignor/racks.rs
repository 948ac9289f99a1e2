//! Who is where: racks of members and of partitions (KIP-881, Kafka 3.5).
//!
//! A partition's racks are those of its replicas. On shared storage that is its leader alone, so to read in one's own rack is
//! to read a partition that is led there; there is no follower to fetch from (KIP-392).

use super::Assignment;
use crate::kafka::ids::{TopicId, TopicIdPartition};
use crate::kafka::protocol::group::{MemberId, MemberSubscription};
use wavetank_sim::{SortedMap, SortedSet};

/// By partition: the rack of its leader, where that is known.
pub type PartitionRacks = SortedMap<TopicIdPartition, u32>;

/// The racks that an assignment is aligned with.
pub(super) struct Racks<'a> {
    members: SortedMap<MemberId, u32>,
    partitions: &'a PartitionRacks,
}

impl<'a> Racks<'a> {
    pub(super) fn of(members: &[MemberSubscription], partitions: &'a PartitionRacks) -> Racks<'a> {
        Racks { members: members.iter().filter_map(|it| Some((it.member, it.rack?))).collect(), partitions }
    }

    /// Whether aligning these partitions makes a difference: some are in a member's rack, and not all in one
    /// (`AbstractPartitionAssignor.useRackAwareAssignment`).
    pub(super) fn matter(&self, all: &[TopicIdPartition]) -> bool {
        let racks: SortedSet<Option<u32>> = all.iter().map(|tp| self.partitions.get(tp).copied()).collect();
        racks.len() > 1 && self.members.values().any(|rack| racks.contains(&Some(*rack)))
    }

    /// Whether a member and a partition are in one rack.
    pub(super) fn is_local(&self, member: MemberId, tp: TopicIdPartition) -> bool {
        self.members.get(&member).is_some_and(|rack| self.partitions.get(&tp) == Some(rack))
    }

    /// Whether a member has a rack, and the partition is not in it.
    pub(super) fn is_mismatch(&self, member: MemberId, tp: TopicIdPartition) -> bool {
        self.members.contains_key(&member) && !self.is_local(member, tp)
    }

    /// How many members are in a partition's rack.
    fn readers_near(&self, tp: TopicIdPartition) -> usize {
        self.members.keys().filter(|member| self.is_local(**member, tp)).count()
    }
}

/// A topic, and how far it is assigned (`RangeAssignor.TopicAssignmentState`).
struct Topic<'a> {
    id: TopicId,
    readers: Vec<MemberId>,
    racks: Racks<'a>,
    is_aligned: bool,
    unassigned: Vec<TopicIdPartition>,
    count: u32,
    assigned: SortedMap<MemberId, usize>,
    share: usize,
    /// Members that may still get one more than their share.
    one_more: usize,
}

impl Topic<'_> {
    /// For a member without a rack anything will do.
    fn may_read(&self, member: MemberId, tp: TopicIdPartition) -> bool {
        !self.racks.is_mismatch(member, tp)
    }

    fn room(&self, member: MemberId) -> usize {
        (self.share + usize::from(self.one_more > 0)).saturating_sub(self.assigned[&member])
    }

    fn assign(&mut self, member: MemberId, partitions: &[TopicIdPartition], assignment: &mut Assignment) {
        let assigned = self.assigned.entry(member).or_default();
        *assigned += partitions.len();
        self.one_more -= usize::from(*assigned > self.share);
        self.unassigned.retain(|tp| !partitions.contains(tp));
        assignment.entry(member).or_default().extend(partitions);
    }

    /// In pieces of a share, those that a member may read.
    fn assign_ranges(&mut self, may_read: impl Fn(&Self, MemberId, TopicIdPartition) -> bool, into: &mut Assignment) {
        for reader in self.readers.clone() {
            let free = self.unassigned.iter().copied().filter(|tp| may_read(self, reader, *tp));
            let piece: Vec<_> = free.take(self.room(reader)).collect();
            if !piece.is_empty() {
                self.assign(reader, &piece, into);
            }
        }
    }
}

/// `RangeAssignor`: what can be read in its own rack first, as far as balance allows; then the rest in ranges. Topics of as
/// many partitions and the same readers stay together: a partition of all of them has one reader.
pub(super) fn range(
    members: &[MemberSubscription],
    topics: &SortedMap<TopicId, u32>,
    partition_racks: &PartitionRacks,
) -> Assignment {
    let mut assignment: Assignment = members.iter().map(|member| (member.member, Vec::new())).collect();
    let mut topics: Vec<Topic<'_>> =
        topics.iter().map(|(id, count)| topic(members, *id, *count, partition_racks)).collect();
    let is_aligned = topics.iter().any(|topic| topic.is_aligned);
    if is_aligned {
        let mut alike: SortedMap<(Vec<MemberId>, u32), Vec<&mut Topic<'_>>> = SortedMap::new();
        for topic in &mut topics {
            alike.entry((topic.readers.clone(), topic.count)).or_default().push(topic);
        }
        for ((readers, count), mut topics) in alike {
            match topics.as_mut_slice() {
                [one] if !one.is_aligned => {}
                [one] => one.assign_ranges(Topic::may_read, &mut assignment),
                several => together(readers, count, several, &mut assignment),
            }
        }
    }
    for topic in &mut topics {
        topic.assign_ranges(|_, _, _| true, &mut assignment);
    }
    if is_aligned {
        assignment.values_mut().for_each(|partitions| partitions.sort_unstable());
    }
    assignment
}

fn topic<'a>(
    members: &[MemberSubscription],
    id: TopicId,
    count: u32,
    partition_racks: &'a PartitionRacks,
) -> Topic<'a> {
    let subscribed: Vec<_> = members.iter().filter(|member| member.topics.contains(&id)).cloned().collect();
    let mut readers: Vec<MemberId> = subscribed.iter().map(|member| member.member).collect();
    readers.sort_unstable();
    let unassigned: Vec<_> = super::partitions(id, count).collect();
    let racks = Racks::of(&subscribed, partition_racks);
    Topic {
        id,
        is_aligned: racks.matter(&unassigned),
        racks,
        unassigned,
        count,
        assigned: readers.iter().map(|reader| (*reader, 0)).collect(),
        share: (count as usize).checked_div(readers.len()).unwrap_or(0),
        one_more: (count as usize).checked_rem(readers.len()).unwrap_or(0),
        readers,
    }
}

/// `assignCoPartitionedWithRackMatching`.
fn together(mut readers: Vec<MemberId>, count: u32, topics: &mut [&mut Topic<'_>], assignment: &mut Assignment) {
    for partition in 0..count {
        let of = |topic: &Topic<'_>| TopicIdPartition { topic: topic.id, partition };
        let takes = |reader: MemberId| topics.iter().all(|it| it.may_read(reader, of(it)) && it.room(reader) > 0);
        let Some(reader) = readers.iter().copied().find(|reader| takes(*reader)) else { continue };
        for topic in topics.iter_mut() {
            let tp = of(topic);
            topic.assign(reader, &[tp], assignment);
        }
        if topics.iter().all(|topic| topic.room(reader) == 0) {
            readers.retain(|other| *other != reader);
        }
    }
}

/// The sticky assignment of members that subscribe to the same topics
/// (`AbstractStickyAssignor.ConstrainedAssignmentBuilder`).
struct Sticky<'a> {
    racks: &'a Racks<'a>,
    /// The least that a member has, and the most.
    quota: (usize, usize),
    /// Members that may still get the most, where that is more than the least.
    one_more: usize,
    assignment: Assignment,
    below: Vec<MemberId>,
    /// With the least, and room for one more.
    exactly: Vec<MemberId>,
}

/// Everybody keeps what is in its own rack, as far as balance allows; then what is free is given to members in its rack, and
/// what is left to whoever has least.
pub(super) fn sticky(
    members: &[MemberSubscription],
    all: &[TopicIdPartition],
    owners: &SortedMap<TopicIdPartition, MemberId>,
    racks: &Racks<'_>,
) -> Assignment {
    let mut ids: Vec<MemberId> = members.iter().map(|member| member.member).collect();
    ids.sort_unstable();
    let mut sticky = Sticky {
        racks,
        quota: (all.len() / ids.len(), all.len().div_ceil(ids.len())),
        one_more: all.len() % ids.len(),
        assignment: ids.iter().map(|id| (*id, Vec::new())).collect(),
        below: Vec::new(),
        exactly: Vec::new(),
    };
    for id in ids {
        let owned = all.iter().copied().filter(|tp| owners.get(tp) == Some(&id) && !racks.is_mismatch(id, *tp));
        sticky.keep(id, owned.collect());
    }
    let kept: SortedSet<TopicIdPartition> = sticky.assignment.values().flatten().copied().collect();
    let mut free: Vec<_> = all.iter().copied().filter(|tp| !kept.contains(tp)).collect();
    // Those with few readers near come first.
    free.sort_by_key(|tp| racks.readers_near(*tp));
    let free = sticky.give_near(free);
    sticky.give(free);
    sticky.assignment
}

impl Sticky<'_> {
    /// A member keeps what it may of what it has.
    fn keep(&mut self, id: MemberId, mut owned: Vec<TopicIdPartition>) {
        owned.sort_by_key(|tp| (tp.partition, tp.topic));
        let (least, most) = self.quota;
        if owned.len() < least {
            self.below.push(id);
        } else if owned.len() >= most && self.one_more > 0 {
            owned.truncate(most);
            self.got_one_more();
        } else {
            owned.truncate(least);
            if self.one_more > 0 {
                self.exactly.push(id);
            }
        }
        self.assignment.insert(id, owned);
    }

    fn got_one_more(&mut self) {
        self.one_more -= 1;
        if self.one_more == 0 {
            self.exactly.clear();
        }
    }

    /// The next member from a place on that is in a partition's rack.
    fn near(&self, tp: TopicIdPartition, members: &[MemberId], from: usize) -> Option<usize> {
        let mut places = (0..members.len()).map(|n| (from + n) % members.len());
        places.find(|place| self.racks.is_local(members[*place], tp))
    }

    /// `assignRackAwareRoundRobin`; what is left.
    fn give_near(&mut self, free: Vec<TopicIdPartition>) -> Vec<TopicIdPartition> {
        let (least, most) = self.quota;
        let (mut next, mut left) = (0, Vec::new());
        for tp in free {
            let member = if let Some(mut place) = self.near(tp, &self.below, next) {
                let member = self.below[place];
                let has = self.assignment[&member].len() + 1;
                if has >= least {
                    self.below.remove(place);
                    if has < most && self.one_more > 0 {
                        self.exactly.push(member);
                    }
                } else {
                    place += 1;
                }
                next = place.checked_rem(self.below.len()).unwrap_or(0);
                member
            } else if let Some(place) = self.near(tp, &self.exactly, 0) {
                let member = self.exactly.remove(place);
                self.got_one_more();
                member
            } else {
                left.push(tp);
                continue;
            };
            self.assignment.entry(member).or_default().push(tp);
        }
        left
    }

    /// `assignRoundRobin`.
    fn give(&mut self, free: Vec<TopicIdPartition>) {
        let mut next = 0;
        for tp in free {
            let is_below = !self.below.is_empty();
            next = if next < self.below.len() { next } else { 0 };
            let member = if is_below { self.below[next] } else { self.exactly.remove(0) };
            let has = self.assignment.entry(member).or_default();
            has.push(tp);
            match has.len() == self.quota.0 {
                true if is_below => {
                    self.below.remove(next);
                    self.exactly.push(member);
                }
                _ => next += usize::from(is_below),
            }
        }
    }
}
