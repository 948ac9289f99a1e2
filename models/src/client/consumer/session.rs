//! A fetch session with one broker, as its client keeps it (KIP-227, `FetchSessionHandler`).

use crate::kafka::ids::{LeaderEpoch, TopicIdPartition};
use crate::kafka::protocol::client::FetchPartition;
use crate::kafka::rpc::CallId;
use wavetank_sim::{Nanos, SortedMap};

#[derive(Debug, Default)]
pub(super) struct Session {
    /// `None`: the next fetch makes one.
    pub id: Option<u32>,
    epoch: u32,
    /// What the broker knows: from where each partition is to be read.
    known: SortedMap<TopicIdPartition, (u64, LeaderEpoch)>,
    /// The fetch that is on its way.
    pub call: Option<CallId>,
    pub failures: u32,
    pub not_before: Nanos,
}

impl Session {
    /// The next fetch's session, epoch, partitions and forgotten ones, for these to be read, which are in order.
    pub fn next(
        &mut self,
        wanted: impl Iterator<Item = FetchPartition> + Clone,
    ) -> (Option<u32>, u32, Vec<FetchPartition>, Vec<TopicIdPartition>) {
        let forgotten = self.forget_all_but(wanted.clone());
        let mut changed = Vec::new();
        for partition in wanted {
            let place = (partition.offset, partition.current_leader_epoch);
            if self.known.insert(partition.tp, place) != Some(place) {
                changed.push(partition);
            }
        }
        self.epoch = if self.id.is_none() { 0 } else { self.epoch + 1 };
        (self.id, self.epoch, changed, forgotten)
    }

    /// Forgets what is not wanted any more, and says what the broker is to forget of that.
    fn forget_all_but(&mut self, mut wanted: impl Iterator<Item = FetchPartition>) -> Vec<TopicIdPartition> {
        if self.id.is_none() {
            self.known.clear();
        }
        let mut next = wanted.next();
        let mut forgotten = Vec::new();
        self.known.retain(|tp, _| {
            while next.is_some_and(|partition| partition.tp < *tp) {
                next = wanted.next();
            }
            let is_wanted = next.is_some_and(|partition| partition.tp == *tp);
            if !is_wanted {
                forgotten.push(*tp);
            }
            is_wanted
        });
        forgotten
    }

    /// From where the fetch on its way reads a partition.
    pub fn offset_of(&self, tp: TopicIdPartition) -> Option<u64> {
        self.known.get(&tp).map(|(offset, _)| *offset)
    }

    /// The session is over at the broker, or may be.
    pub fn reset(&mut self) {
        self.id = None;
        self.known.clear();
    }
}
