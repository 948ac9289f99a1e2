//! What is heard of readers: how long partitions are without one while a group rebalances, and when a reader that starts late
//! is where those are that were there before.
//!
//! **A pause** is one partition's: from the moment its member gave it up to the moment a member's application has it again.
//! Of a member that died, or was thrown out without a word, it begins with the last records that it was handed. What a group
//! is given first is no pause.
//!
//! **Caught up** is a late reader when it is no further behind than the reader that is furthest behind of those that were there
//! before, or than a second's worth of the load.

use super::job_meter::JobMeter;
use wavetank_models::kafka::ids::{GroupId, TopicIdPartition};
use wavetank_models::kafka::partition_map::PartitionMap;
use wavetank_models::probe::Probe;
use wavetank_sim::{Incarnation, Nanos, SortedMap};

/// How often it is looked whether a late reader has caught up.
const LOOK_EVERY: Nanos = Nanos::millis(100);

/// Who reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Reader {
    /// A group.
    Group(GroupId),
    /// A job, by its place.
    Job(usize),
}

/// A reader that starts late.
#[derive(Clone, Debug)]
pub(super) struct Late {
    pub(super) reader: Reader,
    /// When it starts.
    pub(super) start: Nanos,
    /// When it had caught up.
    pub(super) caught_up: Option<Nanos>,
}

/// A partition that a group reads.
#[derive(Clone, Copy, Debug)]
struct Held {
    by: Incarnation,
    /// Given up since then, and nobody has it.
    free_since: Option<Nanos>,
}

/// See the [module](self).
#[derive(Debug, Default)]
pub(super) struct ReaderMeter {
    /// When the measurement begins.
    begin: Nanos,
    /// A second's worth of the load.
    second: u64,
    held: SortedMap<(GroupId, TopicIdPartition), Held>,
    /// When a member was last handed something.
    heard: SortedMap<Incarnation, Nanos>,
    /// By group and partition: the offset after the last record that was handed out.
    next: SortedMap<(GroupId, TopicIdPartition), u64>,
    /// Topics that groups read.
    topics: SortedMap<GroupId, Vec<TopicIdPartition>>,
    late: Vec<Late>,
    looked: Nanos,
    longest_pause: Option<Nanos>,
}

impl ReaderMeter {
    pub(super) fn new(
        begin: Nanos,
        rate: u64,
        topics: SortedMap<GroupId, Vec<TopicIdPartition>>,
        late: Vec<Late>,
    ) -> ReaderMeter {
        ReaderMeter { begin, second: rate, topics, late, ..ReaderMeter::default() }
    }

    /// The longest pause of a partition that began in the measured time; none where none moved.
    pub(super) fn longest_pause(&self) -> Option<Nanos> {
        self.longest_pause
    }

    /// How long each late reader took to catch up; none for one that has not.
    pub(super) fn catch_ups(&self) -> Vec<Option<Nanos>> {
        self.late.iter().map(|late| late.caught_up.map(|at| at - late.start)).collect()
    }

    pub(super) fn heed(&mut self, now: Nanos, by: Incarnation, probe: &Probe) {
        match probe {
            Probe::Consumed { group, span, .. } => {
                self.heard.insert(by, now);
                let next = self.next.entry((*group, span.tp)).or_default();
                *next = span.next.max(*next);
            }
            Probe::Held { group, partitions } => self.held_now(now, by, *group, partitions),
            _ => {}
        }
    }

    fn held_now(&mut self, now: Nanos, by: Incarnation, group: GroupId, partitions: &[TopicIdPartition]) {
        let mine = self.held.iter_mut().filter(|((of, tp), held)| {
            *of == group && held.by == by && held.free_since.is_none() && !partitions.contains(tp)
        });
        mine.for_each(|(_, held)| held.free_since = Some(now));
        for tp in partitions {
            let held = Held { by, free_since: None };
            let Some(before) = self.held.insert((group, *tp), held) else { continue };
            let since = match before.free_since {
                Some(since) => since,
                None if before.by == by => continue,
                None => self.heard.get(&before.by).copied().unwrap_or(now),
            };
            if since >= self.begin {
                self.longest_pause = self.longest_pause.max(Some(now - since));
            }
        }
        self.heard.insert(by, now);
    }

    /// Looks who has caught up; `acked` is the offset after the last record of each partition that was acknowledged.
    pub(super) fn look(&mut self, now: Nanos, acked: &PartitionMap<u64>, jobs: &[JobMeter]) {
        let is_waiting = |late: &Late| late.caught_up.is_none() && now > late.start;
        if now < self.looked + LOOK_EVERY || !self.late.iter().any(is_waiting) {
            return;
        }
        self.looked = now;
        let lags: Vec<u64> = self.late.iter().map(|late| self.lag(late.reader, acked, jobs)).collect();
        let groups = self.topics.keys().copied().map(Reader::Group);
        let others = groups.chain((0..jobs.len()).map(Reader::Job));
        let live = others.filter(|reader| self.late.iter().all(|late| late.reader != *reader));
        let usual = live.map(|reader| self.lag(reader, acked, jobs)).max().unwrap_or(0).max(self.second);
        for (late, lag) in self.late.iter_mut().zip(lags) {
            if is_waiting(late) && lag <= usual {
                late.caught_up = Some(now);
            }
        }
    }

    fn lag(&self, reader: Reader, acked: &PartitionMap<u64>, jobs: &[JobMeter]) -> u64 {
        let group = match reader {
            Reader::Job(place) => return jobs[place].lag(),
            Reader::Group(group) => group,
        };
        let behind = |tp: &TopicIdPartition| {
            let acked = acked.get(*tp).copied().unwrap_or(0);
            acked.saturating_sub(self.next.get(&(group, *tp)).copied().unwrap_or(0))
        };
        self.topics.get(&group).into_iter().flatten().map(behind).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wavetank_models::kafka::ids::TopicId;
    use wavetank_models::probe::LogSpan;
    use wavetank_sim::{NodeEpoch, NodeId};

    const GROUP: GroupId = GroupId(0);

    fn tp(partition: u32) -> TopicIdPartition {
        TopicIdPartition { topic: TopicId(1), partition }
    }

    fn by(node: u32) -> Incarnation {
        Incarnation { node: NodeId(node), epoch: NodeEpoch(1) }
    }

    fn meter(late: Vec<Late>) -> ReaderMeter {
        let topics = [GroupId(0), GroupId(1)].map(|group| (group, vec![tp(0), tp(1)]));
        ReaderMeter::new(Nanos::secs(10), 100, topics.into(), late)
    }

    fn consumed(group: GroupId, partition: u32, next: u64) -> Probe {
        let span = LogSpan { tp: tp(partition), base: 0, next, first: None };
        Probe::Consumed { group, span, due: (Nanos::ZERO, Nanos::ZERO), bytes: 1 }
    }

    #[test]
    fn a_pause_lasts_from_what_was_given_up_to_who_has_it_next() {
        let mut meter = meter(Vec::new());
        let held = |partitions: &[u32]| Probe::Held {
            group: GROUP,
            partitions: partitions.iter().map(|partition| tp(*partition)).collect(),
        };
        let at = Nanos::secs;
        meter.heed(at(1), by(1), &held(&[0, 1]));
        // Before the measurement begins nothing counts.
        meter.heed(at(2), by(1), &held(&[]));
        meter.heed(at(9), by(1), &held(&[0, 1]));
        assert_eq!(meter.longest_pause(), None);
        meter.heed(at(12), by(1), &held(&[0]));
        meter.heed(at(15), by(2), &held(&[1]));
        assert_eq!(meter.longest_pause(), Some(at(3)));
        // It dies without a word, after it was last handed something at 20 s.
        meter.heed(at(20), by(2), &consumed(GROUP, 1, 7));
        meter.heed(at(65), by(1), &held(&[0, 1]));
        assert_eq!(meter.longest_pause(), Some(at(45)));
    }

    #[test]
    fn a_late_reader_has_caught_up_when_it_is_as_far_as_the_others() {
        let start = Nanos::secs(20);
        let late = Late { reader: Reader::Group(GroupId(1)), start, caught_up: None };
        let mut meter = meter(vec![late]);
        let mut acked = PartitionMap::default();
        (0..2).for_each(|partition| *acked.entry(tp(partition)) = 5_000);
        let at = |ms| Nanos::secs(20) + Nanos::millis(ms);
        for partition in 0..2 {
            meter.heed(at(0), by(1), &consumed(GROUP, partition, 4_000));
        }
        meter.heed(at(500), by(2), &consumed(GroupId(1), 0, 5_000));
        meter.look(at(500), &acked, &[]);
        assert_eq!(meter.catch_ups(), [None]);
        meter.heed(at(900), by(2), &consumed(GroupId(1), 1, 3_000));
        // It is looked ten times a second.
        meter.look(at(550), &acked, &[]);
        assert_eq!(meter.catch_ups(), [None]);
        meter.look(at(900), &acked, &[]);
        assert_eq!(meter.catch_ups(), [Some(Nanos::millis(900))]);
    }
}
