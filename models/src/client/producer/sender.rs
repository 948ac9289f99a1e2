//! Sending (`Sender.sendProducerData`, `RecordAccumulator.ready` and `drain`).

use super::Producer;
use super::batch::Batch;
use crate::kafka::protocol::Request;
use crate::kafka::protocol::client::{Acks, ProduceRequest};
use crate::probe::Probe;
use crate::world::Cx;
use smallvec::SmallVec;
use wavetank_sim::{Nanos, NodeId};

impl Producer {
    pub(super) fn can_send(&self, cx: &Cx<'_>, node: NodeId) -> bool {
        let most = self.settings.max_in_flight_requests_per_connection;
        self.rpc.in_flight(node) < most && self.rpc.is_ready(cx, node)
    }

    /// Sends until nothing more can be.
    pub(super) fn drain(&mut self, cx: &mut Cx<'_>) {
        if self.settings.enable_idempotence && self.session.is_none() {
            return self.miss_leaders();
        }
        loop {
            let nodes = self.ready_nodes(cx);
            let mut sent = false;
            for node in nodes {
                let batches = self.drain_node(cx, node);
                if !batches.is_empty() {
                    self.send(cx, node, batches);
                    sent = true;
                }
            }
            if !sent {
                break;
            }
        }
        self.miss_leaders();
    }

    /// A batch without a leader to send it to needs news of the cluster.
    fn miss_leaders(&mut self) {
        if self.busy.iter().any(|place| self.partitions[place].leader.is_none()) {
            self.metadata.request_update();
        }
    }

    /// Brokers with a partition whose first batch is to be sent now.
    fn ready_nodes(&self, cx: &Cx<'_>) -> SmallVec<[NodeId; 16]> {
        let (now, at_once) = (cx.monotonic(), self.at_once());
        let mut nodes = SmallVec::new();
        for partition in self.busy.iter().map(|place| &self.partitions[place]) {
            let Some(node) = partition.leader.filter(|node| !nodes.contains(node)) else { continue };
            if partition.ready_at(self.settings.linger, at_once) <= now && self.can_send(cx, node) {
                nodes.push(node);
            }
        }
        nodes
    }

    /// The first batches of all partitions of a broker, as many as go into a request.
    fn drain_node(&mut self, cx: &mut Cx<'_>, node: NodeId) -> Vec<(usize, Batch)> {
        let now = cx.monotonic();
        let (mut picked, mut bytes) = (Vec::new(), 0);
        let from = self.drain_from;
        let (mut next, mut wrapped) = (from, false);
        loop {
            let place = match self.busy.next(next) {
                Some(place) if !wrapped || place < from => place,
                None if !wrapped => {
                    (next, wrapped) = (0, true);
                    continue;
                }
                Some(_) | None => break,
            };
            next = place + 1;
            if self.partitions[place].leader != Some(node) || !self.may_go(place, now) {
                continue;
            }
            let size = self.partitions[place].queue.front().map_or(0, Batch::size_bytes);
            if bytes + size > self.settings.max_request_size && !picked.is_empty() {
                self.drain_from = place;
                break;
            }
            bytes += size;
            picked.push((place, self.take_first(cx, place)));
        }
        picked
    }

    /// Whether the first batch of a partition may be sent, full or not.
    fn may_go(&self, place: usize, now: Nanos) -> bool {
        let partition = &self.partitions[place];
        let Some(front) = partition.queue.front() else { return false };
        // With one request at a time order is kept without sequences (`guaranteeMessageOrder`).
        let is_muted = self.settings.max_in_flight_requests_per_connection == 1 && partition.on_wire > 0;
        let is_held_back = self.settings.enable_idempotence
            && self.session.is_none_or(|session| partition.sequences.holds_back(front.stamp, session));
        !is_muted && !is_held_back && (front.attempts == 0 || front.not_before <= now)
    }

    fn take_first(&mut self, cx: &mut Cx<'_>, place: usize) -> Batch {
        let mut batch = self.pop(place).expect("it may go");
        let partition = &mut self.partitions[place];
        partition.on_wire += 1;
        if batch.attempts == 0 {
            cx.probe(Probe::Sent { tp: partition.tp, records: batch.piece.count });
        }
        if let Some(session) = self.session.filter(|_| batch.stamp.is_none()) {
            batch.stamp = Some(partition.sequences.stamp(session, batch.piece.count));
        }
        if let (Some(sends), None) = (&mut partition.sends, batch.send) {
            batch.send = Some(sends.invoke(cx, &mut self.next_client, batch.piece.first, batch.piece.count));
        }
        batch
    }

    fn send(&mut self, cx: &mut Cx<'_>, node: NodeId, mut batches: Vec<(usize, Batch)>) {
        let writer = self.identity.writer;
        batches.iter_mut().for_each(|(_, batch)| batch.sent_to = Some(node));
        let wired = batches.iter().map(|(place, batch)| (self.partitions[*place].tp, batch.as_record_batch(writer)));
        let request = Request::Produce(ProduceRequest {
            acks: self.settings.acks,
            timeout: self.settings.request_timeout,
            batches: wired.collect(),
        });
        match self.settings.acks {
            Acks::None => {
                let was_sent = self.rpc.tell(cx, node, request);
                assert!(was_sent, "it was asked whether it could be sent");
                batches.into_iter().for_each(|(place, batch)| self.sent_for_good(cx, place, batch));
            }
            Acks::Leader | Acks::All => {
                let call = self.rpc.call(cx, node, request, self.settings.request_timeout);
                self.in_flight.insert(call, batches);
            }
        }
    }
}
