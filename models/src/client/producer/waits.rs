//! What a producer waits for.

use super::Producer;
use super::batch::Batch;
use super::partition::Partition;
use crate::world::{On, Wait, Want};

impl Producer {
    /// What it waits for: a producer id, or the leaders of those partitions that it has batches for.
    pub fn waits(&self, want: Want) -> Vec<Wait> {
        if self.is_idle() {
            return Vec::new();
        }
        if self.settings.enable_idempotence && self.session.is_none() {
            let asked = self.asked_for_session.and_then(|call| self.rpc.whom(call));
            let on = asked.map_or(On::Time, On::Node);
            return vec![Wait::new("has no producer id", on, Want::Anything)];
        }
        let is_wanted = |(_, partition): &(usize, &Partition)| match want {
            Want::Partition(tp) => partition.tp == tp,
            _ => true,
        };
        let places = self.partitions.iter().enumerate().filter(is_wanted);
        places.filter_map(|(place, partition)| self.partition_waits(place, partition)).collect()
    }

    /// A batch to an old leader that never got there may come back when its new leader, who had not heard of the producer
    /// before, has taken a later one: it is refused until its delivery times out (`TransactionManager.canRetry`). What
    /// is behind it goes when it is on its way.
    fn partition_waits(&self, place: usize, partition: &Partition) -> Option<Wait> {
        let Partition { tp, leader, queue, .. } = partition;
        let on_wire = self.in_flight.values().flatten().filter(|(of, batch)| *of == place && !batch.is_done);
        let batches: Vec<&Batch> = on_wire.map(|(_, batch)| batch).chain(queue).collect();
        if batches.is_empty() {
            return None;
        }
        let what = format!("has {} batches for {tp} that are not acknowledged", batches.len());
        if batches.iter().any(|batch| batch.is_out_of_order) {
            return Some(Wait::on(format!("{what}, one of which is refused as out of order"), On::Time));
        }
        Some(match leader {
            Some(node) => Wait::new(what, On::Node(*node), Want::Partition(*tp)),
            None => Wait::new(format!("{what}, and knows no leader of it"), On::Leader(*tp), Want::Partition(*tp)),
        })
    }
}
