//! What a producer waits for.

use super::Producer;
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
        let is_wanted = |partition: &&Partition| match want {
            Want::Partition(tp) => partition.tp == tp,
            _ => true,
        };
        self.partitions.iter().filter(is_wanted).filter_map(partition_waits).collect()
    }
}

fn partition_waits(partition: &Partition) -> Option<Wait> {
    let Partition { tp, leader, queue, on_wire, .. } = partition;
    let count = queue.len() + on_wire;
    if count == 0 {
        return None;
    }
    let what = format!("has {count} batches for {tp} that are not acknowledged");
    Some(match leader {
        Some(node) => Wait::new(what, On::Node(*node), Want::Partition(*tp)),
        None => Wait::new(format!("{what}, and knows no leader of it"), On::Leader(*tp), Want::Partition(*tp)),
    })
}
