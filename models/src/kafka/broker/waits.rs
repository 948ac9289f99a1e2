//! What a broker waits for.

use super::partition::{Partition, Role};
use super::{Broker, coordinator};
use crate::kafka::ids::{GroupId, TopicIdPartition};
use crate::kafka::partition_log::Ask;
use crate::world::{On, Wait, Want};

impl Broker {
    pub(super) fn waits_for(&self, want: Want) -> Vec<Wait> {
        let Some(link) = self.link.as_ref().filter(|link| link.is_registered()) else {
            return vec![Wait::new("is not registered with the quorum", On::Quorum, Want::Answer)];
        };
        if !self.is_ready {
            let waits = self.logs.waits(link, Ask::Recovery);
            return or_nobody(waits, "has not recovered its own log");
        }
        match want {
            Want::Lead(tp) if self.leads(tp) => Vec::new(),
            Want::Partition(tp) | Want::Lead(tp) => self.partition_waits(tp),
            Want::Group(group) => self.group_waits(group),
            Want::Rescue(broker) => {
                or_nobody(self.logs.waits(link, Ask::Rescue(broker)), "is not emptying that broker's log")
            }
            Want::Close(tp) => or_nobody(self.logs.waits(link, Ask::Log(tp)), "has not closed the partition"),
            Want::Anything | Want::Answer => self.logs.waits(link, Ask::Uploads),
        }
    }

    fn leads(&self, tp: TopicIdPartition) -> bool {
        matches!(self.partitions.get(&tp), Some(Partition { role: Role::Leading(_), .. }))
    }

    fn partition_waits(&self, tp: TopicIdPartition) -> Vec<Wait> {
        let link = self.link.as_ref().expect("it is registered");
        let Some(Partition { epoch, role }) = self.partitions.get(&tp) else {
            let what = format!("does not lead {tp} by the metadata that it has, up to offset {}", link.offset());
            return vec![Wait::new(what, On::Quorum, Want::Answer)];
        };
        let log = || self.logs.waits(link, Ask::Log(tp));
        match role {
            Role::Opening => or_nobody(log(), &format!("opens {tp} in epoch {epoch}")),
            Role::Closing => or_nobody(log(), &format!("closes {tp} of epoch {epoch}")),
            Role::Learning(learning) => {
                let what = format!("reads {tp} at {} of {} for what producers did", learning.at, learning.log_end);
                if learning.read.is_none() { vec![Wait::on(what, On::Nobody)] } else { or_nobody(log(), &what) }
            }
            Role::Leading(leader) if leader.high_watermark < leader.log_end => {
                let behind = leader.log_end - leader.high_watermark;
                or_nobody(log(), &format!("has {behind} records of {tp} that are not durable"))
            }
            Role::Leading(_) => log(),
        }
    }

    fn group_waits(&self, group: GroupId) -> Vec<Wait> {
        match self.seat_of(group) {
            None => {
                let what = format!("knows no topic {}", coordinator::OFFSETS_TOPIC);
                vec![Wait::new(what, On::Quorum, Want::Answer)]
            }
            Some(tp) => {
                let mut waits = self.partition_waits(tp);
                if waits.is_empty() {
                    waits.extend(self.coordinator.waits_for(tp, group));
                }
                waits
            }
        }
    }
}

/// Whoever has something to do and nothing to wait for has forgotten it.
fn or_nobody(waits: Vec<Wait>, what: &str) -> Vec<Wait> {
    if waits.is_empty() { vec![Wait::on(what, On::Nobody)] } else { waits }
}
