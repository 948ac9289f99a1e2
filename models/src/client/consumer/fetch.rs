//! Fetching (`AbstractFetch`, `Fetcher`).

use super::session::Session;
use super::{Consumer, Position};
use crate::kafka::ids::TopicIdPartition;
use crate::kafka::protocol::client::{FetchPartition, FetchRequest, FetchResponse, FetchedPartition};
use crate::kafka::protocol::{ErrorCode, Request, Response};
use crate::kafka::rpc::Reply;
use crate::world::Cx;
use smallvec::SmallVec;
use wavetank_sim::NodeId;

impl Consumer {
    /// Sends a fetch to each broker that is to have one.
    pub(super) fn fetch(&mut self, cx: &mut Cx<'_>) {
        let wanted = self.wanted(cx);
        for of_node in wanted.chunk_by(|(one, _), (next, _)| one == next) {
            let node = of_node[0].0;
            let session = self.sessions.entry(node).or_default();
            let (id, epoch, partitions, forgotten) = session.next(of_node.iter().map(|(_, partition)| *partition));
            let request = Request::Fetch(FetchRequest {
                session: id,
                session_epoch: epoch,
                max_wait: self.settings.fetch_max_wait,
                min_bytes: self.settings.fetch_min_bytes,
                max_bytes: self.settings.fetch_max_bytes,
                isolation: self.settings.isolation_level,
                rack: self.settings.client_rack,
                partitions,
                forgotten,
            });
            session.call = Some(self.rpc.call(cx, node, request, self.settings.request_timeout));
        }
    }

    /// What to read, of brokers that can be asked: broker by broker, in the order of partitions.
    fn wanted(&mut self, cx: &mut Cx<'_>) -> Vec<(NodeId, FetchPartition)> {
        let now = cx.monotonic();
        let mut wanted = Vec::new();
        let mut buffered: SmallVec<[NodeId; 16]> = SmallVec::new();
        let waits = |(_, session): &(&NodeId, &Session)| session.call.is_some() || session.not_before > now;
        let busy: SmallVec<[NodeId; 16]> = self.sessions.iter().filter(waits).map(|(node, _)| *node).collect();
        for (tp, assigned) in &self.partitions {
            let Some((node, epoch)) = assigned.leader else {
                self.metadata.request_update();
                continue;
            };
            if assigned.is_paused {
                continue;
            }
            if !assigned.buffer.is_empty() {
                buffered.push(node);
                continue;
            }
            let Position::At(offset) = assigned.position else { continue };
            if assigned.not_before <= now && !busy.contains(&node) {
                let max_bytes = self.settings.max_partition_fetch_bytes;
                wanted.push((node, FetchPartition { tp: *tp, offset, current_leader_epoch: epoch, max_bytes }));
            }
        }
        wanted.retain(|(node, _)| !buffered.contains(node) && self.rpc.is_ready(cx, *node));
        wanted.sort_by_key(|(node, _)| *node);
        wanted
    }

    pub(super) fn fetched(&mut self, cx: &mut Cx<'_>, node: NodeId, reply: Reply) {
        let session = self.sessions.get_mut(&node).expect("it had a fetch on its way");
        session.call = None;
        match reply {
            Reply::Answer(Response::Fetch(FetchResponse { session: Ok(id), partitions })) => {
                session.id = Some(id);
                session.failures = 0;
                for fetched in partitions {
                    self.fetched_partition(cx, node, fetched);
                }
            }
            // The next fetch makes a new session, at once.
            Reply::Answer(Response::Fetch(FetchResponse { session: Err(_), .. })) => {
                cx.mark("consumer: a fetch session was lost");
                session.reset();
                self.back_off(cx, node);
            }
            Reply::Answer(_) | Reply::Lost(_) => {
                session.reset();
                self.back_off(cx, node);
                self.metadata.request_update();
            }
        }
    }

    fn back_off(&mut self, cx: &mut Cx<'_>, node: NodeId) {
        let session = self.sessions.entry(node).or_default();
        session.failures += 1;
        session.not_before = cx.monotonic() + self.settings.retry_backoff.after(cx, session.failures);
    }

    fn fetched_partition(&mut self, cx: &mut Cx<'_>, node: NodeId, fetched: FetchedPartition) {
        let FetchedPartition { tp, error, high_watermark, log_start_offset, batches, .. } = fetched;
        let asked = self.sessions[&node].offset_of(tp);
        let Some(assigned) = self.partitions.get_mut(&tp) else { return };
        // It was moved, or taken away and given back, meanwhile.
        if asked.is_none_or(|offset| assigned.position != Position::At(offset)) || !assigned.buffer.is_empty() {
            return;
        }
        if let Some(error) = error {
            return self.fetch_failed(cx, tp, error);
        }
        (assigned.high_watermark, assigned.log_start_offset) = (Some(high_watermark), log_start_offset);
        assigned.failures = 0;
        if !batches.is_empty() {
            assigned.buffer.extend(batches);
            self.ready.push_back(tp);
        }
    }

    fn fetch_failed(&mut self, cx: &mut Cx<'_>, tp: TopicIdPartition, error: ErrorCode) {
        let assigned = self.partitions.get_mut(&tp).expect("it is assigned");
        match (error, assigned.position) {
            (ErrorCode::OffsetOutOfRange, Position::At(offset)) => return self.out_of_range(tp, offset),
            // Its broker is behind this client, or not sure yet of its high watermark.
            (ErrorCode::UnknownLeaderEpoch | ErrorCode::OffsetNotAvailable, _) => {}
            _ => self.metadata.request_update(),
        }
        assigned.failures += 1;
        assigned.not_before = cx.monotonic() + self.settings.retry_backoff.after(cx, assigned.failures);
    }
}
