//! Whoever sets a cluster up and gives it orders: creates its topics, once enough brokers are ready, and has partitions
//! moved (`kafka-reassign-partitions.sh`). What no controller answers is asked again.

use std::collections::VecDeque;
use std::sync::Arc;
use wavetank_models::kafka::ids::{BrokerId, TopicId, TopicIdPartition};
use wavetank_models::kafka::protocol::controller::{ControllerAnswer, ControllerRequest};
use wavetank_models::kafka::protocol::{ErrorCode, Request, Response};
use wavetank_models::kafka::rpc::{Reply, Rpc};
use wavetank_models::kafka::token::TokenSpace;
use wavetank_models::world::{Cx, Input, Process, Signal};
use wavetank_sim::{Nanos, NodeId};

/// A topic to be.
#[derive(Clone, Debug)]
pub(super) struct NewTopic {
    pub(super) name: Arc<str>,
    pub(super) partitions: u32,
}

/// A partition is to be led by another broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct PartitionMove {
    tp: TopicIdPartition,
    to: BrokerId,
}

/// A move as a signal says it: topic, partition, broker.
pub(super) fn order(topic: u32, partition: u32, to: u32) -> u64 {
    let tp = TopicIdPartition { topic: TopicId(topic), partition };
    PartitionMove { tp, to: BrokerId(to) }.order()
}

impl PartitionMove {
    /// As a signal says it: sixteen bits for the topic, twenty-four each for the partition and the broker.
    fn order(self) -> u64 {
        let PartitionMove { tp, to } = self;
        u64::from(tp.topic.0) << 48 | u64::from(tp.partition) << 24 | u64::from(to.0)
    }

    fn of_order(order: u64) -> PartitionMove {
        let narrow = |bits: u64| (bits & 0xff_ffff) as u32;
        let tp = TopicIdPartition { topic: TopicId((order >> 48) as u32), partition: narrow(order >> 24) };
        PartitionMove { tp, to: BrokerId(narrow(order)) }
    }
}

const RPC: TokenSpace = TokenSpace(1);
const TIMER: TokenSpace = TokenSpace(2);
/// When the first topic is asked for: brokers have registered and recovered by then, so that partitions are spread.
const BEGIN: Nanos = Nanos::secs(3);
const PATIENCE: Nanos = Nanos::secs(5);
const AGAIN: Nanos = Nanos::millis(200);
const MOVED: &str = "admin: a partition was reassigned";
const REFUSED: &str = "admin: a reassignment was refused";

/// See the [module](self).
pub(super) struct Admin {
    controllers: Vec<NodeId>,
    active: usize,
    topics: VecDeque<NewTopic>,
    moves: VecDeque<PartitionMove>,
    /// A request is on its way, or waits to be asked again.
    is_busy: bool,
    rpc: Rpc,
}

impl Admin {
    pub(super) fn new(controllers: Vec<NodeId>, topics: Vec<NewTopic>) -> Admin {
        Admin {
            controllers,
            active: 0,
            topics: topics.into(),
            moves: VecDeque::new(),
            is_busy: true,
            rpc: Rpc::new(RPC),
        }
    }

    fn ask(&mut self, cx: &mut Cx<'_>) {
        let request = if let Some(topic) = self.topics.front().cloned() {
            ControllerRequest::CreateTopic { name: topic.name, partitions: topic.partitions }
        } else if let Some(PartitionMove { tp, to }) = self.moves.front().copied() {
            ControllerRequest::Reassign { moves: vec![(tp, to)] }
        } else {
            self.is_busy = false;
            return;
        };
        self.is_busy = true;
        self.rpc.call(cx, self.controllers[self.active], Request::Controller(request), PATIENCE);
        self.heed(cx);
    }

    fn heed(&mut self, cx: &mut Cx<'_>) {
        while let Some((_, reply)) = self.rpc.poll() {
            let (hint, is_done) = match reply {
                Reply::Answer(Response::Controller(response)) => match response.result {
                    Ok(ControllerAnswer::Topic(_)) => (None, true),
                    Ok(ControllerAnswer::Each(each)) => {
                        let was_refused = each.iter().any(Option::is_some);
                        cx.mark(if was_refused { REFUSED } else { MOVED });
                        (None, true)
                    }
                    Err(ErrorCode::NotController) => (response.leader, false),
                    // No broker is ready yet.
                    Ok(_) | Err(_) => (None, false),
                },
                Reply::Answer(_) | Reply::Lost(_) => {
                    self.active = (self.active + 1) % self.controllers.len();
                    (None, false)
                }
            };
            if let Some(hint) = hint {
                self.active = hint.0 as usize % self.controllers.len();
            }
            if is_done {
                if self.topics.pop_front().is_none() {
                    self.moves.pop_front();
                }
                self.ask(cx);
            } else {
                TIMER.set_timer(cx, AGAIN, 0);
            }
        }
    }
}

impl Process for Admin {
    fn step(&mut self, cx: &mut Cx<'_>, input: Input) {
        match input {
            Input::Boot => drop(TIMER.set_timer(cx, BEGIN, 0)),
            Input::Timer { token, .. } if TokenSpace::split(token).0 == TIMER => self.ask(cx),
            Input::Signal(Signal::Order(order)) => {
                self.moves.push_back(PartitionMove::of_order(order));
                if !self.is_busy {
                    self.ask(cx);
                }
            }
            other => {
                self.rpc.input(cx, other);
                self.heed(cx);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_says_which_partition_moves_where() {
        let tp = TopicIdPartition { topic: TopicId(300), partition: 70_000 };
        let moved = PartitionMove { tp, to: BrokerId(12) };
        assert_eq!(PartitionMove::of_order(moved.order()), moved);
    }
}
