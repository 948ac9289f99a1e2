//! What a broker's partitions carry, for the balancer (AutoMQ's `AutoBalancerMetricsReporter`).

use crate::kafka::ids::TopicIdPartition;
use crate::kafka::protocol::controller::PartitionLoad;
use std::sync::Arc;
use wavetank_sim::{Nanos, SortedMap};

/// Bytes since the last report, by partition.
#[derive(Default)]
pub(super) struct Loads {
    since: Nanos,
    bytes: SortedMap<TopicIdPartition, (u64, u64)>,
}

impl Loads {
    pub(super) fn came_in(&mut self, tp: TopicIdPartition, bytes: u64) {
        self.bytes.entry(tp).or_default().0 += bytes;
    }

    pub(super) fn went_out(&mut self, tp: TopicIdPartition, bytes: u64) {
        self.bytes.entry(tp).or_default().1 += bytes;
    }

    /// What all of these carried; counting begins anew.
    pub(super) fn report(&mut self, now: Nanos, led: impl Iterator<Item = TopicIdPartition>) -> Arc<[PartitionLoad]> {
        let span = u128::from((now - self.since).0.max(1));
        self.since = now;
        let bytes = std::mem::take(&mut self.bytes);
        let per_sec = |bytes: u64| u64::try_from(u128::from(bytes) * 1_000_000_000 / span).unwrap_or(u64::MAX);
        let of = |tp| {
            let (came_in, went_out) = bytes.get(&tp).copied().unwrap_or_default();
            PartitionLoad { tp, bytes_in_per_sec: per_sec(came_in), bytes_out_per_sec: per_sec(went_out) }
        };
        led.map(of).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_of_the_time_since_the_last_one() {
        let tp = TopicIdPartition::default();
        let mut loads = Loads::default();
        loads.came_in(tp, 5_000);
        loads.went_out(tp, 10_000);
        let report = loads.report(Nanos::secs(5), [tp].into_iter());
        assert_eq!(*report, [PartitionLoad { tp, bytes_in_per_sec: 1_000, bytes_out_per_sec: 2_000 }]);
        loads.came_in(tp, 50);
        let report = loads.report(Nanos::secs(10), [tp].into_iter());
        assert_eq!(*report, [PartitionLoad { tp, bytes_in_per_sec: 10, bytes_out_per_sec: 0 }]);
    }
}
