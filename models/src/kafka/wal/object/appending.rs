//! Bulks, their uploads, and what is verified before it is acknowledged.

use super::layout::{ALIGN, ObjectHeader, Reservation};
use super::{Bulk, FLUSH, Flight, Flushed, IDLE_FLUSH, ObjectWal, Phase, UPLOAD, VERIFY};
use crate::blob::{Blob, Segment};
use crate::cloud::object_store::Condition;
use crate::kafka::object_client::ObjectAnswer;
use crate::kafka::wal::mutant::WalMutant;
use crate::kafka::wal::record::EntryWriter;
use crate::kafka::wal::{WalEvent, WalMode, WalOffset, WalOwner};
use crate::world::Cx;
use wavetank_sim::Nanos;

impl ObjectWal {
    /// A record of no stream, so that the trim offset gets to the store.
    pub(super) fn write_trim(&mut self, cx: &mut Cx<'_>) {
        self.bulk.trims = true;
        self.arm(cx);
    }

    pub(super) fn arm(&mut self, cx: &mut Cx<'_>) {
        if self.timer.is_some() {
            return;
        }
        let (batch, now) = (self.options.batch_interval, cx.monotonic());
        let next_force = self.last_force.map_or(Nanos::ZERO, |last| (last + batch).saturating_sub(now));
        let after = IDLE_FLUSH.min(batch).max(next_force).min(batch);
        self.timer = Some(self.space.set_timer(cx, after, FLUSH));
    }

    pub(super) fn close_bulk(&mut self, cx: &mut Cx<'_>) {
        if let Some(timer) = self.timer.take() {
            cx.cancel_timer(timer);
        }
        self.last_force = Some(cx.monotonic());
        let bulk = std::mem::take(&mut self.bulk);
        if bulk.trims || !bulk.records.is_empty() {
            self.closed.push_back(bulk);
        }
        self.upload_more(cx);
    }

    pub(super) fn upload_more(&mut self, cx: &mut Cx<'_>) {
        while self.uploading < self.options.in_flight_max {
            let Some(bulk) = self.closed.pop_front() else { return };
            self.upload(cx, bulk);
        }
    }

    pub(super) fn upload(&mut self, cx: &mut Cx<'_>, mut bulk: Bulk) {
        bulk.records.sort_by_key(|record| (record.stream, record.base_offset));
        let start = self.next;
        let mut writer = EntryWriter::new(start, bulk.records.len() + 1);
        let mut last = start;
        if bulk.trims {
            writer.trim();
        }
        let mut records = Vec::with_capacity(bulk.records.len());
        for record in bulk.records {
            last = writer.record(&record);
            records.push((WalOffset(last), record));
        }
        let end = writer.at().next_multiple_of(ALIGN);
        let records_blob = writer.finish();
        let WalOwner { broker, epoch, .. } = self.voice.owner();
        let header = ObjectHeader { start, body_len: records_blob.len(), broker, epoch, trimmed: self.trimmed };
        let mut body = Blob::from(Segment::Real(header.encode().freeze()));
        body.append_all(records_blob);
        let number = self.first_flight + self.flights.len() as u64;
        let trimmed = self.trimmed;
        self.flights.push_back(Flight { start, end, last, trimmed, records, bytes: bulk.bytes, uploaded: false });
        self.next = end;
        self.uploading += 1;
        let key = self.names.object(epoch, start, end);
        self.client.put(cx, UPLOAD | number, key, body, Condition::None);
    }

    pub(super) fn uploaded(&mut self, cx: &mut Cx<'_>, number: u64) {
        self.uploading -= 1;
        // Only with a mutant is it acknowledged already.
        if let Some(flight) = number.checked_sub(self.first_flight).and_then(|at| self.flights.get_mut(at as usize)) {
            flight.uploaded = true;
        }
        self.verify(cx);
        self.upload_more(cx);
    }

    pub(super) fn verify(&mut self, cx: &mut Cx<'_>) {
        if self.verifying.is_some() {
            return;
        }
        let ready = match self.mutant {
            Some(WalMutant::ConfirmMax) => {
                self.flights.iter().rposition(|flight| flight.uploaded).map_or(0, |at| at + 1)
            }
            _ => self.flights.iter().take_while(|flight| flight.uploaded).count(),
        };
        if ready == 0 {
            return;
        }
        let upto = self.first_flight + ready as u64;
        let trusting = self.mutant == Some(WalMutant::NoVerifyBeforeAck)
            || self.mutant == Some(WalMutant::FailoverVerifiesNothing) && self.voice.owner().mode == WalMode::Failover;
        if trusting {
            return self.acknowledge(cx, upto);
        }
        self.verifying = Some(upto);
        self.read_reservation(cx, VERIFY);
    }

    pub(super) fn verified(&mut self, cx: &mut Cx<'_>, answer: &ObjectAnswer) {
        let upto = self.verifying.take().expect("asked for");
        let held = match answer {
            ObjectAnswer::Content { body, .. } => Reservation::decode(body),
            _ => None,
        };
        if held != Some(self.reservation()) {
            cx.mark("wal: verify found another owner");
            return self.voice.fenced();
        }
        self.acknowledge(cx, upto);
        self.verify(cx);
    }

    pub(super) fn acknowledge(&mut self, cx: &mut Cx<'_>, upto: u64) {
        let mut trimmed = 0;
        while self.first_flight < upto {
            let flight = self.flights.pop_front().expect("it has a number");
            self.first_flight += 1;
            self.unflushed -= flight.bytes;
            trimmed = flight.trimmed;
            for (at, record) in flight.records {
                self.voice.durable(cx, at, record);
            }
            self.flushed.push_back(Flushed { start: flight.start, end: flight.end, last: flight.last });
        }
        self.phase_goes_on(cx);
        self.delete_trimmed(cx, trimmed);
        if std::mem::take(&mut self.refused) {
            self.voice.say(WalEvent::Room);
        }
    }

    /// The record of no stream that an opening or a reset waits for is acknowledged.
    pub(super) fn phase_goes_on(&mut self, cx: &mut Cx<'_>) {
        match self.phase {
            Phase::Marking => self.begin_recovery(cx),
            Phase::Resetting => {
                self.phase = Phase::Open;
                self.voice.say(WalEvent::Ready);
            }
            Phase::Releasing => {
                self.phase = Phase::Released;
                self.voice.say(WalEvent::Released);
            }
            Phase::Open
            | Phase::Closed
            | Phase::Acquiring
            | Phase::Listing
            | Phase::Recovering
            | Phase::Recovered
            | Phase::Released => (),
        }
    }
}
