//! Produce requests: batches are appended, acknowledged when they are durable, and answered all together.

use super::outbox::ReplyTo;
use super::partition::{Appender, ProduceId, Unacknowledged};
use super::producer_state::Verdict;
use super::{BROKER_SPACE, Broker, PRODUCE};
use crate::kafka::batch::RecordBatch;
use crate::kafka::ids::TopicIdPartition;
use crate::kafka::protocol::client::{Acks, Appended, ProduceRequest, ProduceResponse};
use crate::kafka::protocol::{ErrorCode, Response};
use crate::probe::Probe;
use crate::world::{Cx, TimerId};

/// A request whose batches are not all settled.
pub(super) struct Producing {
    to: ReplyTo,
    results: Vec<(TopicIdPartition, Option<Result<Appended, ErrorCode>>)>,
    left: usize,
    timer: TimerId,
}

impl Broker {
    pub(super) fn produce(&mut self, cx: &mut Cx<'_>, to: ReplyTo, request: ProduceRequest) {
        let id = ProduceId(self.next_produce);
        self.next_produce += 1;
        let timer = BROKER_SPACE.set_timer(cx, request.timeout, PRODUCE | id.0);
        let results: Vec<_> = request.batches.iter().map(|(tp, _)| (*tp, None)).collect();
        self.producing.insert(id, Producing { to, left: results.len(), results, timer });
        for (place, (tp, batch)) in request.batches.into_iter().enumerate() {
            if let Err(error) = self.append(cx, id, place, tp, batch) {
                self.produced(cx, id, place, Err(error));
            }
        }
        if request.acks == Acks::None {
            self.outbox.no_answer(cx, to);
        }
    }

    /// Appends a batch, or finds it in the log.
    fn append(
        &mut self,
        cx: &mut Cx<'_>,
        id: ProduceId,
        place: usize,
        tp: TopicIdPartition,
        mut batch: RecordBatch,
    ) -> Result<(), ErrorCode> {
        let broker = self.spec.id;
        let by = Appender::Client(id, place);
        let (epoch, leader) = self.leader(tp)?;
        match leader.producers.check(batch.producer, batch.count) {
            Verdict::Refuse(error) => Err(error),
            Verdict::Append => {
                self.append_new(cx, tp, batch, by);
                Ok(())
            }
            Verdict::Duplicate(base_offset) => {
                cx.mark("broker: a batch that is in the log already came again");
                (batch.base_offset, batch.leader_epoch) = (base_offset, epoch);
                let waiting = Unacknowledged::new(&batch, by);
                if batch.next_offset() <= leader.high_watermark {
                    let log_start_offset = leader.log_start;
                    cx.probe(Probe::Acked { broker, epoch, span: waiting.span(tp) });
                    self.settled(cx, by, Ok(Appended { base_offset, log_start_offset }));
                } else {
                    let at = leader.waiting.partition_point(|known| known.offsets.1 <= waiting.offsets.1);
                    leader.waiting.insert(at, waiting);
                }
                Ok(())
            }
        }
    }

    /// Gives a batch its offsets, and hands it to the log.
    pub(super) fn append_new(&mut self, cx: &mut Cx<'_>, tp: TopicIdPartition, mut batch: RecordBatch, by: Appender) {
        let broker = self.spec.id;
        let (epoch, leader) = self.leader(tp).expect("only a leader appends");
        (batch.base_offset, batch.leader_epoch) = (leader.log_end, epoch);
        leader.log_end = batch.next_offset();
        leader.producers.append(&batch);
        leader.segments.append(&batch, &leader.config);
        let waiting = Unacknowledged::new(&batch, by);
        cx.probe(Probe::Appended { broker, epoch, span: waiting.span(tp) });
        leader.waiting.push_back(waiting);
        if self.spec.report_interval.is_some() {
            self.loads.came_in(tp, u64::from(batch.size_bytes()));
        }
        self.logs.append(cx, self.link.as_mut().expect("it leads"), tp, &batch);
    }

    /// What was appended is acknowledged, or will not be.
    pub(super) fn settled(&mut self, cx: &mut Cx<'_>, by: Appender, result: Result<Appended, ErrorCode>) {
        match by {
            Appender::Client(id, place) => self.produced(cx, id, place, result),
            Appender::Coordinator(id) => self.coordinator_appended(cx, id, result.map(|_| ())),
        }
    }

    /// One batch of a request is settled.
    fn produced(&mut self, cx: &mut Cx<'_>, id: ProduceId, place: usize, result: Result<Appended, ErrorCode>) {
        let Some(producing) = self.producing.get_mut(&id) else { return };
        let slot = &mut producing.results[place].1;
        if slot.is_none() {
            *slot = Some(result);
            producing.left -= 1;
        }
        if producing.left == 0 {
            self.answer_produce(cx, id);
        }
    }

    pub(super) fn answer_produce(&mut self, cx: &mut Cx<'_>, id: ProduceId) {
        let Some(producing) = self.producing.remove(&id) else { return };
        cx.cancel_timer(producing.timer);
        let or_late = |(tp, result): (_, Option<_>)| (tp, result.unwrap_or(Err(ErrorCode::RequestTimedOut)));
        let partitions = producing.results.into_iter().map(or_late).collect();
        self.outbox.answer(cx, producing.to, Response::Produce(ProduceResponse { partitions }));
    }

    pub(super) fn acknowledge(&mut self, cx: &mut Cx<'_>, tp: TopicIdPartition) {
        let broker = self.spec.id;
        while let Ok((epoch, leader)) = self.leader(tp) {
            let is_durable = |waiting: &&Unacknowledged| waiting.offsets.1 <= leader.high_watermark;
            if leader.waiting.front().filter(is_durable).is_none() {
                return;
            }
            let waiting = leader.waiting.pop_front().expect("it was looked at");
            let appended = Appended { base_offset: waiting.offsets.0, log_start_offset: leader.log_start };
            cx.probe(Probe::Acked { broker, epoch, span: waiting.span(tp) });
            self.settled(cx, waiting.by, Ok(appended));
        }
    }
}
