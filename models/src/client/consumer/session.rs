//! A fetch session with one broker, as its client keeps it (KIP-227, `FetchSessionHandler`).

use crate::kafka::ids::{LeaderEpoch, TopicIdPartition};
use crate::kafka::protocol::client::FetchPartition;
use crate::kafka::rpc::CallId;
use std::collections::BTreeMap;
use wavetank_sim::Nanos;

#[derive(Debug, Default)]
pub(super) struct Session {
    /// `None`: the next fetch makes one.
    pub id: Option<u32>,
    epoch: u32,
    /// What the broker knows: from where each partition is to be read.
    known: BTreeMap<TopicIdPartition, (u64, LeaderEpoch)>,
    /// The fetch that is on its way.
    pub call: Option<CallId>,
    pub failures: u32,
    pub not_before: Nanos,
}

impl Session {
    /// The next fetch's session, epoch, partitions and forgotten ones, for these to be read.
    pub fn next(
        &mut self,
        wanted: &[FetchPartition],
    ) -> (Option<u32>, u32, Vec<FetchPartition>, Vec<TopicIdPartition>) {
        let is_wanted = |tp: &TopicIdPartition| wanted.iter().any(|partition| partition.tp == *tp);
        let forgotten: Vec<_> = match self.id {
            None => Vec::new(),
            Some(_) => self.known.keys().copied().filter(|tp| !is_wanted(tp)).collect(),
        };
        if self.id.is_none() {
            self.known.clear();
        }
        for tp in &forgotten {
            self.known.remove(tp);
        }
        let mut changed = Vec::new();
        for partition in wanted {
            let place = (partition.offset, partition.current_leader_epoch);
            if self.known.insert(partition.tp, place) != Some(place) {
                changed.push(*partition);
            }
        }
        self.epoch = if self.id.is_none() { 0 } else { self.epoch + 1 };
        (self.id, self.epoch, changed, forgotten)
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
