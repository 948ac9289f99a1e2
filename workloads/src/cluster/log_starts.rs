//! Where logs began, and since when: retention is not loss, and whatever judges a run is told of it.

use wavetank_models::kafka::ids::TopicIdPartition;
use wavetank_sim::{Nanos, SortedMap, SortedSet};

/// By partition, in the order in which leaders said so.
#[derive(Debug, Default)]
pub(super) struct LogStarts {
    logs: SortedMap<TopicIdPartition, Vec<(u64, Nanos)>>,
}

impl LogStarts {
    /// A leader says that its log begins there.
    pub(super) fn heed(&mut self, now: Nanos, tp: TopicIdPartition, offset: u64) {
        self.logs.entry(tp).or_default().push((offset, now));
    }

    /// All starts of a partition: the first log begins at 0.
    pub(super) fn of(&self, tp: TopicIdPartition) -> SortedSet<u64> {
        let moved = self.logs.get(&tp).into_iter().flatten().map(|(offset, _)| *offset);
        moved.chain([0]).collect()
    }

    /// By the name of a partition in histories; `None` where nothing was deleted.
    pub(super) fn by_key(&self) -> Option<crate::recording::LogStarts> {
        let named = self.logs.iter().map(|(tp, starts)| (tp.to_string(), starts.clone()));
        (!self.logs.is_empty()).then(|| named.collect())
    }
}
