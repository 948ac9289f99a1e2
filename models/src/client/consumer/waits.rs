//! What consumers wait for.

use super::membership::State;
use super::{Assigned, Consumer, GroupConsumer, Position};
use crate::kafka::ids::TopicIdPartition;
use crate::world::{On, Wait, Want};

impl Consumer {
    /// What it waits for: the leaders of what it reads.
    pub fn waits(&self, want: Want) -> Vec<Wait> {
        let is_wanted = |tp: TopicIdPartition| match want {
            Want::Partition(wanted) => tp == wanted,
            _ => true,
        };
        let wanted = self.partitions.iter().filter(|(tp, _)| is_wanted(**tp));
        wanted.filter(|(_, assigned)| !assigned.is_paused).map(|(tp, assigned)| assigned.waits(*tp)).collect()
    }
}

impl Assigned {
    fn waits(&self, tp: TopicIdPartition) -> Wait {
        let what = match self.position {
            Position::At(offset) if !self.buffer.is_empty() => {
                return Wait::on(format!("has records of {tp} from {offset} on in hand"), On::Time);
            }
            Position::At(offset) => format!("reads {tp} at {offset}"),
            Position::Unknown(_) => format!("asks where to begin with {tp}"),
            Position::Lost => return Wait::on(format!("is out of range in {tp} and told to go nowhere"), On::Nobody),
        };
        match self.leader {
            Some((node, _)) => Wait::new(what, On::Node(node), Want::Partition(tp)),
            None => Wait::new(format!("{what}, and knows no leader of it"), On::Leader(tp), Want::Partition(tp)),
        }
    }
}

impl GroupConsumer {
    /// What it waits for: its coordinator first, then the leaders of what it reads.
    pub fn waits(&self, want: Want) -> Vec<Wait> {
        let group = self.group;
        let Some(coordinator) = self.coordinator else {
            let asked = self.calls.keys().find_map(|call| self.rpc.whom(*call));
            let on = asked.map_or(On::Time, On::Node);
            return vec![Wait::new(format!("looks for the coordinator of group {group}"), on, Want::Group(group))];
        };
        let asks = |what: String| vec![Wait::new(what, On::Node(coordinator), Want::Group(group))];
        match self.state {
            State::Out => return asks(format!("is no member of group {group}")),
            State::Joining => return asks(format!("joins group {group}")),
            State::Committing => return asks(format!("commits offsets of group {group}")),
            State::Stable => {}
        }
        let mut waits = match self.without_position.len() {
            0 => Vec::new(),
            count => asks(format!("asks where group {group} is in {count} partitions")),
        };
        waits.extend(self.consumer.waits(want));
        waits
    }
}
