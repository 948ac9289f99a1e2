//! What becomes of a batch (`Sender.completeBatch`, `failBatch`, `canRetry`, `getExpiredInflightBatches`).

use super::Producer;
use super::batch::Batch;
use crate::kafka::protocol::client::Appended;
use crate::kafka::protocol::{ErrorCode, Response};
use crate::kafka::rpc::{CallId, Lost, Reply};
use crate::probe::{LogSpan, Probe};
use crate::world::{Cx, Ended};
use wavetank_sim::Nanos;

/// What an error says of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// It may be sent again: this attempt did nothing.
    Again,
    /// It may be sent again: this attempt may have landed.
    Unknown,
    /// It is refused.
    Refused,
}

/// Whether an error makes what is known of the cluster doubtful (`InvalidMetadataException`).
fn is_about_leaders(error: ErrorCode) -> bool {
    matches!(
        error,
        ErrorCode::NotLeaderOrFollower
            | ErrorCode::UnknownTopicOrPartition
            | ErrorCode::LeaderNotAvailable
            | ErrorCode::FencedLeaderEpoch
            | ErrorCode::KafkaStorageError
    )
}

impl Producer {
    /// The end of a produce request.
    pub(super) fn produced(&mut self, cx: &mut Cx<'_>, call: CallId, reply: Reply) {
        let Some(batches) = self.in_flight.remove(&call) else { return };
        match reply {
            Reply::Answer(Response::Produce(response)) => {
                for (place, batch) in batches {
                    let tp = self.partitions[place].tp;
                    let said = response.partitions.iter().find(|(of, _)| *of == tp).map(|(_, result)| *result);
                    match said.unwrap_or(Err(ErrorCode::InvalidRequest)) {
                        Ok(appended) => self.acknowledged(cx, place, batch, appended),
                        Err(error) => self.failed(cx, place, batch, error),
                    }
                }
            }
            Reply::Answer(_) => {
                batches.into_iter().for_each(|(place, batch)| self.lost(cx, place, batch, Lost::Disconnected));
            }
            Reply::Lost(why) => batches.into_iter().for_each(|(place, batch)| self.lost(cx, place, batch, why)),
        }
    }

    fn acknowledged(&mut self, cx: &mut Cx<'_>, place: usize, batch: Batch, appended: Appended) {
        let partition = &mut self.partitions[place];
        partition.on_wire -= 1;
        if let Some(stamp) = batch.stamp {
            partition.sequences.acked(stamp, batch.piece.count);
        }
        if batch.is_done {
            return;
        }
        if batch.outlived_a_leader() {
            cx.mark("producer: a batch of unknown fate was acknowledged by another leader");
        }
        let (first, count, base) = (batch.piece.first, batch.piece.count, appended.base_offset);
        if let (Some(sends), Some(send)) = (&mut partition.sends, batch.send) {
            sends.ok(cx, send, first, count, Some(base));
        }
        let span = LogSpan {
            tp: partition.tp,
            base,
            next: base + u64::from(count),
            first: Some((self.identity.writer, first)),
        };
        let (due, sent) = (batch.piece.due, batch.piece.sent);
        cx.probe(Probe::Produced { span, due, sent, bytes: batch.size_bytes() });
        self.free(&batch);
    }

    /// With `acks=0` a batch is done when it is sent.
    pub(super) fn sent_for_good(&mut self, cx: &mut Cx<'_>, place: usize, batch: Batch) {
        let partition = &mut self.partitions[place];
        partition.on_wire -= 1;
        if let (Some(sends), Some(send)) = (&mut partition.sends, batch.send) {
            sends.ok(cx, send, batch.piece.first, batch.piece.count, None);
        }
        self.free(&batch);
    }

    fn lost(&mut self, cx: &mut Cx<'_>, place: usize, mut batch: Batch, why: Lost) {
        self.partitions[place].on_wire -= 1;
        self.metadata.request_update();
        match why {
            Lost::NotSent => (),
            Lost::Disconnected | Lost::TimedOut => batch.doubt(),
        }
        self.again_or_never(cx, place, batch);
    }

    fn failed(&mut self, cx: &mut Cx<'_>, place: usize, mut batch: Batch, error: ErrorCode) {
        self.partitions[place].on_wire -= 1;
        batch.is_out_of_order = error == ErrorCode::OutOfOrderSequenceNumber;
        if is_about_leaders(error) {
            self.metadata.request_update();
        }
        match self.verdict(place, &batch, error) {
            Verdict::Again => self.again_or_never(cx, place, batch),
            Verdict::Unknown => {
                batch.doubt();
                self.again_or_never(cx, place, batch);
            }
            Verdict::Refused => self.refused(cx, place, batch, error),
        }
    }

    fn verdict(&mut self, place: usize, batch: &Batch, error: ErrorCode) -> Verdict {
        let sequences = &self.partitions[place].sequences;
        match error {
            // Not the one that the broker waits for: an earlier one of this producer is still to come.
            ErrorCode::OutOfOrderSequenceNumber => match batch.stamp {
                Some(stamp)
                    if !sequences.is_unresolved() && (batch.sequence_was_reset || !sequences.is_next(stamp)) =>
                {
                    Verdict::Again
                }
                Some(_) | None => Verdict::Refused,
            },
            // The broker has forgotten this producer: from the beginning, in a new epoch.
            ErrorCode::UnknownProducerId => {
                if !batch.sequence_was_reset {
                    self.bump.insert(place);
                }
                Verdict::Again
            }
            ErrorCode::LeaderNotAvailable
            | ErrorCode::FencedLeaderEpoch
            | ErrorCode::UnknownLeaderEpoch
            | ErrorCode::ThrottlingQuotaExceeded => Verdict::Again,
            // These three may be said of a batch that is in the log, and whose leader has changed before it was
            // acknowledged (`DelayedProduce.tryComplete`).
            ErrorCode::NotLeaderOrFollower
            | ErrorCode::UnknownTopicOrPartition
            | ErrorCode::KafkaStorageError
            | ErrorCode::RequestTimedOut => Verdict::Unknown,
            _ => Verdict::Refused,
        }
    }

    /// Sends a batch again after a backoff, unless its time or its retries are over.
    fn again_or_never(&mut self, cx: &mut Cx<'_>, place: usize, mut batch: Batch) {
        if batch.is_done {
            return self.forget(place, &batch);
        }
        let deadline = batch.created().saturating_add(self.settings.delivery_timeout);
        if cx.monotonic() >= deadline || batch.attempts >= self.settings.retries {
            return self.timed_out(cx, place, batch);
        }
        batch.attempts += 1;
        batch.not_before = cx.monotonic() + self.settings.retry_backoff.after(cx, batch.attempts);
        self.expiry = self.expiry.min(deadline);
        self.partitions[place].reenqueue(batch);
        self.busy.insert(place);
    }

    fn refused(&mut self, cx: &mut Cx<'_>, place: usize, batch: Batch, error: ErrorCode) {
        self.forget(place, &batch);
        if batch.is_done {
            return;
        }
        // What follows it has its sequence from it.
        if self.settings.enable_idempotence {
            self.bump.insert(place);
        }
        let why = name(error);
        let ended = if batch.maybe_in_log.is_some() { Ended::Info(why) } else { Ended::Fail(why) };
        self.give_up(cx, place, &batch, ended);
    }

    fn timed_out(&mut self, cx: &mut Cx<'_>, place: usize, batch: Batch) {
        self.forget(place, &batch);
        self.leave_unresolved(place, &batch);
        self.give_up(cx, place, &batch, Ended::Info("delivery.timeout.ms"));
    }

    /// Only a batch that had been sent again leaves its sequence unresolved (`Sender.sendProducerData`).
    fn leave_unresolved(&mut self, place: usize, batch: &Batch) {
        if batch.stamp.is_some() && batch.attempts > 0 {
            self.partitions[place].sequences.unresolved();
            self.unresolved.insert(place);
        }
    }

    fn forget(&mut self, place: usize, batch: &Batch) {
        if let Some(stamp) = batch.stamp {
            self.partitions[place].sequences.done(stamp);
        }
    }

    fn give_up(&mut self, cx: &mut Cx<'_>, place: usize, batch: &Batch, ended: Ended) {
        let partition = &mut self.partitions[place];
        if let (Some(sends), Some(send)) = (&mut partition.sends, batch.send) {
            sends.gave_up(cx, send, ended);
        }
        cx.probe(Probe::GaveUp { tp: partition.tp, records: batch.piece.count });
        self.free(batch);
    }

    fn free(&mut self, batch: &Batch) {
        self.memory_free += batch.memory;
        self.is_starved = false;
        assert!(self.memory_free <= self.settings.buffer_memory, "memory is given back once");
    }

    /// Gives up what is too old, in the buffer and on its way.
    pub(super) fn expire(&mut self, cx: &mut Cx<'_>) {
        let (now, timeout) = (cx.monotonic(), self.settings.delivery_timeout);
        if now < self.expiry {
            return;
        }
        self.expiry = Nanos::MAX;
        for place in 0..self.partitions.len() {
            while let Some(front) = self.partitions[place].queue.front() {
                let deadline = front.created().saturating_add(timeout);
                if now < deadline {
                    self.expiry = self.expiry.min(deadline);
                    break;
                }
                let batch = self.pop(place).expect("it has a front");
                self.timed_out(cx, place, batch);
            }
        }
        self.expire_in_flight(cx, now, timeout);
    }

    fn expire_in_flight(&mut self, cx: &mut Cx<'_>, now: Nanos, timeout: Nanos) {
        let mut in_flight = std::mem::take(&mut self.in_flight);
        for (place, batch) in in_flight.values_mut().flatten() {
            let deadline = batch.created().saturating_add(timeout);
            if batch.is_done {
                continue;
            }
            if now < deadline {
                self.expiry = self.expiry.min(deadline);
                continue;
            }
            batch.is_done = true;
            self.forget(*place, batch);
            self.leave_unresolved(*place, batch);
            self.give_up(cx, *place, batch, Ended::Info("delivery.timeout.ms"));
        }
        self.in_flight = in_flight;
    }
}

/// An error as a reason in the history.
fn name(error: ErrorCode) -> &'static str {
    match error {
        ErrorCode::OutOfOrderSequenceNumber => "OUT_OF_ORDER_SEQUENCE_NUMBER",
        ErrorCode::InvalidProducerEpoch => "INVALID_PRODUCER_EPOCH",
        ErrorCode::MessageTooLarge => "MESSAGE_TOO_LARGE",
        _ => "refused",
    }
}
