//! Whoever sets a cluster up and gives it orders: creates its topics, once enough brokers are ready, has partitions
//! moved (`kafka-reassign-partitions.sh`), topics' settings altered (`kafka-configs.sh`) and groups' offsets
//! [reset](reset) (`kafka-consumer-groups.sh`). What no controller answers is asked again.
//!
//! A signal holds one number. A move fits into it; of anything else the number says which [note](Notes) to read.

mod reset;

use crate::storm::Errand;
use reset::{Heard, Next, Reset};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use wavetank_models::client::Directory;
use wavetank_models::kafka::ids::{BrokerId, GroupId, TopicId, TopicIdPartition};
use wavetank_models::kafka::metadata::TopicSetting;
use wavetank_models::kafka::protocol::controller::{ControllerAnswer, ControllerRequest};
use wavetank_models::kafka::protocol::{ErrorCode, Request, Response};
use wavetank_models::kafka::rpc::{Reply, Rpc};
use wavetank_models::kafka::token::TokenSpace;
use wavetank_models::world::{Cx, Input, Process, Signal};
use wavetank_sim::{Nanos, NodeId};

/// A topic to be.
#[derive(Clone, Debug, PartialEq, Eq)]
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

/// What the admin is told beside moves, by number.
#[derive(Clone, Debug, Default)]
pub(super) struct Notes(Arc<Mutex<Vec<Errand>>>);

/// A signal with this bit is about a note: no topic has so high a number.
const NOTE: u64 = 1 << 63;

impl Notes {
    /// An errand as a signal says it.
    pub(super) fn order(&self, errand: Errand) -> u64 {
        if let Errand::MovePartition { topic, partition, to } = errand {
            let tp = TopicIdPartition { topic: TopicId(topic), partition };
            return PartitionMove { tp, to: BrokerId(to) }.order();
        }
        let mut notes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        notes.push(errand);
        NOTE | (notes.len() as u64 - 1)
    }

    fn task(&self, order: u64, groups: &[Vec<TopicIdPartition>]) -> Task {
        if order & NOTE == 0 {
            return Task::Move(PartitionMove::of_order(order));
        }
        let notes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Task::of(notes[(order & !NOTE) as usize].clone(), groups)
    }
}

/// What is to be done next.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Task {
    Create(NewTopic),
    Move(PartitionMove),
    Alter { topic: TopicId, settings: Vec<(TopicSetting, Option<i64>)> },
    Reset(Reset),
}

impl Task {
    /// `groups`: what each reads.
    fn of(errand: Errand, groups: &[Vec<TopicIdPartition>]) -> Task {
        match errand {
            Errand::MovePartition { topic, partition, to } => {
                let tp = TopicIdPartition { topic: TopicId(topic), partition };
                Task::Move(PartitionMove { tp, to: BrokerId(to) })
            }
            Errand::Retain { topic, time, bytes } => {
                let number = |of: u64| i64::try_from(of).unwrap_or(i64::MAX);
                let settings = vec![
                    (TopicSetting::RetentionMs, time.map(|time| number(time.0 / 1_000_000))),
                    (TopicSetting::RetentionBytes, bytes.map(number)),
                ];
                Task::Alter { topic: TopicId(topic), settings }
            }
            Errand::ResetOffsets { group, to, until } => {
                let partitions = groups[group as usize].clone();
                Task::Reset(Reset::new(reset::Order { group: GroupId(group), partitions, to, until }))
            }
        }
    }

    /// What is asked of the active controller; none: it is nothing for controllers.
    fn request(&self) -> Option<ControllerRequest> {
        Some(match self.clone() {
            Task::Create(NewTopic { name, partitions }) => ControllerRequest::CreateTopic { name, partitions },
            Task::Move(PartitionMove { tp, to }) => ControllerRequest::Reassign { moves: vec![(tp, to)] },
            Task::Alter { topic, settings } => ControllerRequest::AlterTopic { topic, settings },
            Task::Reset(_) => return None,
        })
    }
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
const ALTERED: &str = "admin: a topic's settings were altered";
const RESET: &str = "admin: a group's offsets were reset";
const IN_USE: &str = "admin: a group had members, and its offsets were not reset";
const TOO_LATE: &str = "admin: a reset of offsets was given up";

/// What an admin is made of.
#[derive(Clone)]
pub(super) struct AdminSpec {
    pub(super) controllers: Vec<NodeId>,
    /// To be created.
    pub(super) topics: Vec<NewTopic>,
    pub(super) directory: Directory,
    /// What each group reads, those of jobs last.
    pub(super) groups: Vec<Vec<TopicIdPartition>>,
    pub(super) notes: Notes,
}

/// See the [module](self).
pub(super) struct Admin {
    spec: AdminSpec,
    active: usize,
    tasks: VecDeque<Task>,
    /// A request is on its way, or waits to be asked again.
    is_busy: bool,
    rpc: Rpc,
}

impl Admin {
    pub(super) fn new(spec: AdminSpec) -> Admin {
        let tasks = spec.topics.iter().cloned().map(Task::Create).collect();
        Admin { spec, active: 0, tasks, is_busy: true, rpc: Rpc::new(RPC) }
    }

    fn ask(&mut self, cx: &mut Cx<'_>) {
        let (to, request) = loop {
            match self.tasks.front() {
                None => {
                    self.is_busy = false;
                    return;
                }
                Some(Task::Reset(reset)) if reset.is_too_late(cx.monotonic()) => cx.mark(TOO_LATE),
                Some(Task::Reset(reset)) => match reset.next(cx, &self.spec.directory) {
                    Next::Ask(to, request) => break (to, request),
                    Next::Done => {}
                },
                Some(task) => {
                    let request = task.request().expect("it is for controllers");
                    break (self.spec.controllers[self.active], Request::Controller(request));
                }
            }
            self.tasks.pop_front();
        };
        self.is_busy = true;
        self.rpc.call(cx, to, request, PATIENCE);
        self.heed(cx);
    }

    fn heed(&mut self, cx: &mut Cx<'_>) {
        while let Some((_, reply)) = self.rpc.poll() {
            let heard = if let Some(Task::Reset(reset)) = self.tasks.front_mut() {
                reset.heard(reply, &self.spec.directory)
            } else if self.controller_said(cx, reply) {
                Heard::Done
            } else {
                Heard::Fails
            };
            match heard {
                Heard::Goes => self.ask(cx),
                Heard::Done => {
                    if let Some(Task::Reset(_)) = self.tasks.pop_front() {
                        cx.mark(RESET);
                    }
                    self.ask(cx);
                }
                Heard::IsInUse => {
                    cx.mark(IN_USE);
                    self.try_again(cx);
                }
                Heard::Fails => self.try_again(cx),
            }
        }
    }

    fn try_again(&mut self, cx: &mut Cx<'_>) {
        if let Some(Task::Reset(reset)) = self.tasks.front_mut() {
            reset.begin_anew();
        }
        TIMER.set_timer(cx, AGAIN, 0);
    }

    /// Whether it has done what it was asked.
    fn controller_said(&mut self, cx: &mut Cx<'_>, reply: Reply) -> bool {
        let (hint, is_done) = match reply {
            Reply::Answer(Response::Controller(response)) => match response.result {
                Ok(ControllerAnswer::Topic(_)) => (None, true),
                Ok(ControllerAnswer::Done) => {
                    cx.mark(ALTERED);
                    (None, true)
                }
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
                self.active = (self.active + 1) % self.spec.controllers.len();
                (None, false)
            }
        };
        if let Some(hint) = hint {
            self.active = hint.0 as usize % self.spec.controllers.len();
        }
        is_done
    }
}

impl Process for Admin {
    fn step(&mut self, cx: &mut Cx<'_>, input: Input) {
        match input {
            Input::Boot => drop(TIMER.set_timer(cx, BEGIN, 0)),
            Input::Timer { token, .. } if TokenSpace::split(token).0 == TIMER => self.ask(cx),
            Input::Signal(Signal::Order(order)) => {
                self.tasks.push_back(self.spec.notes.task(order, &self.spec.groups));
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

    #[test]
    fn what_fits_no_number_is_a_note() {
        let notes = Notes::default();
        let orders = [(1, None), (2, Some(9))]
            .map(|(topic, bytes)| notes.order(Errand::Retain { topic, time: Some(Nanos::secs(3)), bytes }));
        let alter = |topic, bytes| {
            let settings = vec![(TopicSetting::RetentionMs, Some(3_000)), (TopicSetting::RetentionBytes, bytes)];
            Task::Alter { topic: TopicId(topic), settings }
        };
        assert_eq!(orders.map(|order| notes.task(order, &[])), [alter(1, None), alter(2, Some(9))]);
        let order = notes.order(Errand::MovePartition { topic: 9_999, partition: 4, to: 2 });
        assert!(matches!(notes.task(order, &[]), Task::Move(_)));
    }
}
