//! Fetch requests: answered when there is enough to read, or it is time; and requests for offsets.

use super::fetches::{FetchId, SessionPartition, Waiting};
use super::outbox::ReplyTo;
use super::partition::{Appender, Partition, Role, Unacknowledged};
use super::{BROKER_SPACE, Broker, FETCH};
use crate::kafka::batch::RecordBatch;
use crate::kafka::ids::TopicIdPartition;
use crate::kafka::partition_log::{LogRead, LogReadId};
use crate::kafka::protocol::client::{
    FetchRequest, FetchResponse, FetchedPartition, ListOffsetsRequest, ListOffsetsResponse, OffsetSpec,
};
use crate::kafka::protocol::{ErrorCode, Response};
use crate::probe::Probe;
use crate::world::Cx;
use wavetank_sim::{Nanos, SortedMap};

struct Available {
    bytes: u64,
    has_error: bool,
}

impl Broker {
    pub(super) fn fetch(&mut self, cx: &mut Cx<'_>, to: ReplyTo, request: &FetchRequest) {
        let session = match self.fetches.session(request, || cx.random().bits32()) {
            Ok(session) => session,
            Err(error) => {
                let response = FetchResponse { session: Err(error), partitions: Vec::new() };
                return self.outbox.answer(cx, to, Response::Fetch(response));
            }
        };
        // A client that asks again has given the earlier fetch up.
        if let Some(earlier) = self.fetches.by_session.get(&session).copied() {
            self.finish_fetch(cx, earlier);
        }
        let id = self.fetches.wait(Waiting {
            to,
            session,
            min_bytes: u64::from(request.min_bytes),
            max_bytes: u64::from(request.max_bytes),
            timer: None,
            is_due: request.max_wait == Nanos::ZERO,
            found: Vec::new(),
            reads: SortedMap::new(),
        });
        self.try_fetch(cx, id);
        if let Some(waiting) = self.fetches.waiting.get_mut(&id)
            && !waiting.is_due
        {
            waiting.timer = Some(BROKER_SPACE.set_timer(cx, request.max_wait, FETCH | id.0));
        }
    }

    /// Reads what a fetch can have now; answers it when that is enough, or it is due.
    pub(super) fn try_fetch(&mut self, cx: &mut Cx<'_>, id: FetchId) {
        let Some(waiting) = self.fetches.waiting.get(&id) else { return };
        if !waiting.reads.is_empty() {
            return;
        }
        let (session, min_bytes, max_bytes, is_due) =
            (waiting.session, waiting.min_bytes, waiting.max_bytes, waiting.is_due);
        let available = self.available(session);
        if available.bytes < min_bytes && !available.has_error && !is_due {
            return;
        }
        let (found, reads) = self.read_session(cx, id, session, max_bytes);
        let Some(waiting) = self.fetches.waiting.get_mut(&id) else { return };
        (waiting.found, waiting.reads, waiting.is_due) = (found, reads, true);
        if waiting.reads.is_empty() {
            self.finish_fetch(cx, id);
        }
    }

    /// How much a session could have, without reading it: offsets count as a byte each, as nobody knows better yet.
    fn available(&mut self, session: u32) -> Available {
        let mut available = Available { bytes: 0, has_error: false };
        let Some(session) = self.fetches.session_mut(session) else { return available };
        for (tp, partition) in &session.partitions {
            match self.partitions.get(tp) {
                Some(Partition { epoch, role: Role::Leading(leader) })
                    if partition.fetch.current_leader_epoch <= *epoch
                        && partition.fetch.offset <= leader.log_end
                        && partition.fetch.offset >= leader.log_start =>
                {
                    available.bytes += leader.high_watermark.saturating_sub(partition.fetch.offset);
                }
                Some(_) | None => available.has_error = true,
            }
        }
        available
    }

    /// Reads a session's partitions in turn, until the response is full.
    fn read_session(
        &mut self,
        cx: &mut Cx<'_>,
        id: FetchId,
        session: u32,
        max_bytes: u64,
    ) -> (Vec<FetchedPartition>, SortedMap<LogReadId, usize>) {
        let (mut found, mut reads, mut left) = (Vec::new(), SortedMap::new(), max_bytes);
        let Some(state) = self.fetches.session_mut(session) else { return (found, reads) };
        let from = state.next.unwrap_or_default();
        let turn = state.partitions.range(from..).chain(state.partitions.range(..from));
        let turn: Vec<_> = turn.map(|(tp, partition)| (*tp, *partition)).collect();
        let mut stopped_at = None;
        for (tp, partition) in turn {
            let mut one = match self.readable(tp, partition) {
                Ok(one) => one,
                Err(error) => {
                    found.push(FetchedPartition::refused(tp, error));
                    continue;
                }
            };
            let offsets = partition.fetch.offset..one.high_watermark;
            if !offsets.is_empty() && left > 0 {
                let want = u64::from(partition.fetch.max_bytes).min(left);
                let link = self.link.as_mut().expect("it leads");
                match self.logs.read(cx, link, tp, offsets, want) {
                    LogRead::Now(batches) => one.batches = batches,
                    LogRead::Later(read) => {
                        reads.insert(read, found.len());
                        self.fetches.by_read.insert(read, id);
                    }
                }
                left = left.saturating_sub(one.records_bytes());
                stopped_at = Some(tp);
            }
            let is_pending = reads.values().any(|place| *place == found.len());
            if !one.batches.is_empty() || is_pending || partition.told != Some(one.high_watermark) {
                found.push(one);
            }
        }
        if let Some(state) = self.fetches.session_mut(session) {
            // The one after the last that was served is the first next time.
            state.next = stopped_at.map(|tp| TopicIdPartition { partition: tp.partition + 1, ..tp });
        }
        (found, reads)
    }

    fn readable(&mut self, tp: TopicIdPartition, partition: SessionPartition) -> Result<FetchedPartition, ErrorCode> {
        let (epoch, leader) = self.leader(tp)?;
        let fetch = partition.fetch;
        if fetch.current_leader_epoch < epoch {
            return Err(ErrorCode::FencedLeaderEpoch);
        }
        if fetch.current_leader_epoch > epoch {
            return Err(ErrorCode::UnknownLeaderEpoch);
        }
        if fetch.offset < leader.log_start || fetch.offset > leader.log_end {
            return Err(ErrorCode::OffsetOutOfRange);
        }
        Ok(FetchedPartition {
            tp,
            error: None,
            high_watermark: leader.high_watermark,
            last_stable_offset: leader.high_watermark,
            log_start_offset: leader.log_start,
            batches: Vec::new(),
        })
    }

    /// What was read for a fetch came.
    pub(super) fn fetch_read(&mut self, cx: &mut Cx<'_>, id: LogReadId, batches: Vec<RecordBatch>) {
        let Some(fetch) = self.fetches.by_read.remove(&id) else { return };
        let Some(waiting) = self.fetches.waiting.get_mut(&fetch) else { return };
        if let Some(place) = waiting.reads.remove(&id) {
            waiting.found[place].batches = batches;
        }
        if waiting.reads.is_empty() {
            self.finish_fetch(cx, fetch);
        }
    }

    fn finish_fetch(&mut self, cx: &mut Cx<'_>, id: FetchId) {
        let Some(waiting) = self.fetches.take(id) else { return };
        if let Some(timer) = waiting.timer {
            cx.cancel_timer(timer);
        }
        if let Some(session) = self.fetches.session_mut(waiting.session) {
            for found in &waiting.found {
                if let Some(partition) = session.partitions.get_mut(&found.tp) {
                    partition.told = found.error.is_none().then_some(found.high_watermark);
                }
            }
        }
        for found in &waiting.found {
            if self.spec.report_interval.is_some() {
                self.loads.went_out(found.tp, found.records_bytes());
            }
            self.probe_served(cx, found);
        }
        let response = FetchResponse { session: Ok(waiting.session), partitions: waiting.found };
        self.outbox.answer(cx, waiting.to, Response::Fetch(response));
    }

    fn probe_served(&mut self, cx: &mut Cx<'_>, found: &FetchedPartition) {
        let broker = self.spec.id;
        for batch in &found.batches {
            let waiting = Unacknowledged::new(batch, Appender::Coordinator(0));
            cx.probe(Probe::Served { broker, epoch: batch.leader_epoch, span: waiting.span(found.tp) });
        }
    }

    pub(super) fn list_offsets(&mut self, cx: &mut Cx<'_>, to: ReplyTo, request: &ListOffsetsRequest) {
        let one = |(tp, spec): &(TopicIdPartition, OffsetSpec)| {
            let offset = self.leader(*tp).map(|(_, leader)| match spec {
                OffsetSpec::Earliest => leader.log_start,
                OffsetSpec::Latest => leader.high_watermark,
            });
            (*tp, offset)
        };
        let partitions = request.partitions.iter().map(one).collect();
        self.outbox.answer(cx, to, Response::ListOffsets(ListOffsetsResponse { partitions }));
    }
}
