//! Leadership: partitions are opened, learned from their logs, led, and given up.

use super::Broker;
use super::link::Wish;
use super::partition::{Leader, Learning, Partition, Role};
use crate::kafka::batch::RecordBatch;
use crate::kafka::ids::{LeaderEpoch, TopicIdPartition};
use crate::kafka::partition_log::{LogEvent, LogRead, LogReadId};
use crate::kafka::protocol::ErrorCode;
use crate::probe::Probe;
use crate::world::Cx;

/// Bytes that are read at once to learn what producers did.
const LEARN_BYTES: u64 = 4 << 20;

impl Broker {
    /// Opens what this broker is to lead now, and gives up what it is not.
    pub(super) fn follow_image(&mut self, cx: &mut Cx<'_>) {
        if !self.is_ready {
            return;
        }
        let me = self.spec.id;
        let image = &self.link.as_ref().expect("it has an image").image;
        let mut open = Vec::new();
        let mut close = Vec::new();
        // Both are in order: nothing is looked up.
        let mut known = self.partitions.iter().peekable();
        for (tp, partition) in image.partitions() {
            let is_mine = partition.leader == Some(me);
            while known.next_if(|(other, _)| **other < tp).is_some() {}
            match known.next_if(|(other, _)| **other == tp).map(|(_, known)| known) {
                None if is_mine => open.push((tp, partition.leader_epoch)),
                Some(known) if !is_mine || known.epoch != partition.leader_epoch => close.push(tp),
                None | Some(_) => {}
            }
        }
        for tp in close {
            self.resign(cx, tp);
        }
        for (tp, epoch) in open {
            tracing::debug!(broker = %me, partition = %tp, %epoch, "opens");
            self.partitions.insert(tp, Partition { epoch, role: Role::Opening });
            self.logs.open(cx, self.link.as_mut().expect("it has an image"), tp, epoch);
        }
    }

    fn resign(&mut self, cx: &mut Cx<'_>, tp: TopicIdPartition) {
        let Some(partition) = self.partitions.get_mut(&tp) else { return };
        let role = std::mem::replace(&mut partition.role, Role::Closing);
        match role {
            Role::Closing => return,
            Role::Opening | Role::Learning(_) => {}
            Role::Leading(mut leader) => {
                let (broker, epoch) = (self.spec.id, partition.epoch);
                cx.probe(Probe::LeaderResigned { tp, broker, epoch });
                if let Some(snapshot) = leader.snapshot() {
                    self.logs.keep_snapshot(cx, self.link.as_mut().expect("it led"), tp, snapshot);
                }
                // What waits may become durable still, but this broker will not be asked for it any more.
                for waiting in leader.waiting {
                    self.settled(cx, waiting.by, Err(ErrorCode::NotLeaderOrFollower));
                }
            }
        }
        tracing::debug!(broker = %self.spec.id, partition = %tp, "gives up");
        self.moved.insert(tp);
        self.coordinator.resigned(tp);
        self.logs.close(cx, self.link.as_mut().expect("it led"), tp);
    }

    pub(super) fn heed_logs(&mut self, cx: &mut Cx<'_>, event: LogEvent) {
        match event {
            LogEvent::Ready => {
                self.is_ready = true;
                self.link.as_mut().expect("it is registered").set_wish(cx, Wish::Active);
                self.follow_image(cx);
            }
            LogEvent::Opened { tp, epoch, log_start, log_end, snapshot } => {
                let (config, _) = self.log_config(tp);
                let Some(partition) = self.partitions.get_mut(&tp) else { return };
                if partition.epoch != epoch || !matches!(partition.role, Role::Opening) {
                    return;
                }
                match Learning::begin(log_start, log_end, snapshot, config) {
                    Ok(learning) => partition.role = Role::Learning(learning),
                    Err(error) => return cx.fail(format!("partition {tp}: producer state: {error}")),
                }
                self.learn(cx, tp);
            }
            LogEvent::Closed { tp, .. } => {
                self.partitions.remove(&tp);
                self.follow_image(cx);
                self.end_if_closed(cx);
            }
            LogEvent::HighWatermark { tp, offset } => self.high_watermark(cx, tp, offset),
            LogEvent::Read { id, batches } => self.read_done(cx, id, batches),
            LogEvent::Halt { why } => cx.exit(why),
        }
    }

    /// Reads on, until all of the log that the snapshot did not cover is known.
    fn learn(&mut self, cx: &mut Cx<'_>, tp: TopicIdPartition) {
        loop {
            let Some(partition) = self.partitions.get_mut(&tp) else { return };
            let Role::Learning(learning) = &mut partition.role else { return };
            if learning.at >= learning.log_end {
                return self.lead(cx, tp);
            }
            let link = self.link.as_mut().expect("it was elected");
            match self.logs.read(cx, link, tp, learning.at..learning.log_end, LEARN_BYTES) {
                LogRead::Now(batches) if batches.is_empty() => return,
                LogRead::Now(batches) => learning.heard(&batches),
                LogRead::Later(id) => {
                    learning.read = Some(id);
                    self.lessons.insert(id, tp);
                    return;
                }
            }
        }
    }

    fn lead(&mut self, cx: &mut Cx<'_>, tp: TopicIdPartition) {
        let partition = self.partitions.get_mut(&tp).expect("it has learned");
        let Role::Learning(learning) = std::mem::replace(&mut partition.role, Role::Closing) else { return };
        let leader = learning.lead();
        let (broker, epoch, log_start, log_end) = (self.spec.id, partition.epoch, leader.log_start, leader.log_end);
        partition.role = Role::Leading(leader);
        cx.probe(Probe::LeaderReady { tp, broker, epoch, log_start, log_end });
        self.moved.insert(tp);
    }

    pub(super) fn high_watermark(&mut self, cx: &mut Cx<'_>, tp: TopicIdPartition, offset: u64) {
        let Some(partition) = self.partitions.get_mut(&tp) else { return };
        let Role::Leading(leader) = &mut partition.role else { return };
        leader.high_watermark = offset;
        if let Some(snapshot) = leader.durable_snapshot() {
            self.logs.keep_snapshot(cx, self.link.as_mut().expect("it leads"), tp, snapshot);
        }
        cx.probe(Probe::HighWatermark { tp, broker: self.spec.id, epoch: partition.epoch, offset });
        self.moved.insert(tp);
    }

    pub(super) fn leader(&mut self, tp: TopicIdPartition) -> Result<(LeaderEpoch, &mut Leader), ErrorCode> {
        match self.partitions.get_mut(&tp) {
            Some(Partition { epoch, role: Role::Leading(leader) }) => Ok((*epoch, leader)),
            // It will lead, but cannot say anything yet; clients try again.
            Some(Partition { role: Role::Opening | Role::Learning(_), .. }) => Err(ErrorCode::NotLeaderOrFollower),
            Some(Partition { role: Role::Closing, .. }) | None => Err(ErrorCode::NotLeaderOrFollower),
        }
    }

    /// More of a log came that a new leader learns from; `false`: nobody was waiting for that.
    pub(super) fn lesson_came(&mut self, cx: &mut Cx<'_>, id: LogReadId, batches: &[RecordBatch]) -> bool {
        let Some(tp) = self.lessons.remove(&id) else { return false };
        if let Some(Partition { role: Role::Learning(learning), .. }) = self.partitions.get_mut(&tp)
            && learning.read == Some(id)
        {
            learning.read = None;
            learning.heard(batches);
            self.learn(cx, tp);
        }
        true
    }

    pub(super) fn keep_snapshots(&mut self, cx: &mut Cx<'_>) {
        for (tp, partition) in &mut self.partitions {
            if let Role::Leading(leader) = &mut partition.role
                && let Some(snapshot) = leader.snapshot()
            {
                self.logs.keep_snapshot(cx, self.link.as_mut().expect("it leads"), *tp, snapshot);
            }
        }
    }
}
