//! How operations end: what reaches the medium, what a reservation shuts out, what is answered.

use super::attach::{AttachState, InFlight, ReservationOp};
use super::content::FlightId;
use super::faults::VolumeFate;
use super::op::{FileId, IoMode, VolumeAnswer, VolumeDone, VolumeError};
use super::work::{Pending, Work};
use super::{OpKey, Volume, VolumeOutput};
use crate::cloud::Output;
use crate::cloud::network::HostId;
use wavetank_sim::Nanos;

impl Volume {
    pub(super) fn due(&mut self, now: Nanos, key: OpKey, out: &mut Vec<VolumeOutput>) {
        let Some(pending) = self.ops.get_mut(key) else { return };
        if pending.work.needs_device() && self.faults.stalled(&self.spec.kind) {
            self.witnessed.stalled_io += 1;
            self.parked.push(key);
            return;
        }
        if let Some(flight) = pending.work.flight()
            && self.content.blocked(flight)
        {
            pending.ready = true;
            return;
        }
        self.finish(now, key, out);
    }

    pub(super) fn finish(&mut self, now: Nanos, key: OpKey, out: &mut Vec<VolumeOutput>) {
        let Some(pending) = self.ops.remove(key) else { return };
        let flight = pending.work.flight();
        let file = flight.and_then(|id| self.content.flights.get(&id)).map(|flight| flight.file);
        if let Some(id) = flight {
            self.flight_ops.remove(&id);
        }
        let result = self.conclude(now, &pending, out);
        self.witnessed.io_errors += u64::from(result == Err(VolumeError::Io));
        self.answer(&pending, result, out);
        if let Some(file) = file {
            self.after_flight(now, file, out);
        }
    }

    pub(super) fn answer(
        &mut self,
        pending: &Pending,
        result: Result<VolumeAnswer, VolumeError>,
        out: &mut Vec<VolumeOutput>,
    ) {
        match pending.waiter {
            Some((owner, token)) => out.push(Output::Done(VolumeDone { token, owner, result })),
            None => self.witnessed.unheard_answers += u64::from(pending.asked),
        }
    }

    fn conclude(
        &mut self,
        now: Nanos,
        pending: &Pending,
        out: &mut Vec<VolumeOutput>,
    ) -> Result<VolumeAnswer, VolumeError> {
        match &pending.work {
            Work::Answer(result) => result.clone(),
            Work::Throttled => Ok(VolumeAnswer::Written),
            Work::Read { file, offset, len, mode, device } => {
                self.conclude_read(pending, *file, *offset..offset + len, *mode, *device)
            }
            Work::Direct(flight) => self.conclude_direct(pending, *flight),
            Work::Sync { flight, before } => self.conclude_sync(pending, *flight, *before),
            Work::Writeback(flight) => {
                self.writebacks = self.writebacks.saturating_sub(1);
                self.conclude_writeback(pending.host, *flight);
                Ok(VolumeAnswer::Synced)
            }
            Work::Commit { before } => {
                self.committing &= pending.asked;
                self.conclude_commit(pending, *before)
            }
            Work::Reserve(op) => self.conclude_reservation(pending, *op),
            Work::Attach => {
                self.attachments.set(pending.host, AttachState::Attached);
                Ok(VolumeAnswer::Attached)
            }
            Work::Detach => {
                self.attachments.remove(pending.host);
                self.faults.cache_dropped();
                Ok(VolumeAnswer::Detached)
            }
            Work::ForceDetach { victim, survival } => {
                if self.attachments.state(*victim).is_none() {
                    return Ok(VolumeAnswer::Detached);
                }
                self.take_from(now, *victim, *survival, out);
                Ok(VolumeAnswer::Detached)
            }
        }
    }

    fn conclude_read(
        &mut self,
        pending: &Pending,
        file: FileId,
        range: std::ops::Range<u64>,
        mode: IoMode,
        device: bool,
    ) -> Result<VolumeAnswer, VolumeError> {
        if !self.reservations.may_read(pending.host) {
            self.witnessed.fenced += 1;
            return Err(VolumeError::ReservationConflict);
        }
        let failed = match pending.fate {
            VolumeFate::IoError { .. } => true,
            VolumeFate::None | VolumeFate::Late { .. } => device && self.faults.reads_fail(),
        };
        if failed {
            return Err(VolumeError::Io);
        }
        let buffered = mode == IoMode::Buffered;
        let data = match mode {
            IoMode::Buffered => self.content.read(file, range.clone())?,
            IoMode::Direct => self.content.read_past_cache(file, range.clone())?,
        };
        let inode = self.content.file(file)?;
        let in_cache = |at: u64| buffered && inode.resident.covered(&(at..at + 1)) > 0;
        let end = range.start + data.len();
        let shown = self.faults.show(file, range.start, data, in_cache, buffered, &mut self.witnessed);
        if buffered && device {
            self.content.make_resident(file, range.start..end);
            self.content.evict(self.spec.cache.capacity_bytes, &mut self.witnessed);
        }
        Ok(VolumeAnswer::Read(shown))
    }

    fn conclude_direct(&mut self, pending: &Pending, flight: FlightId) -> Result<VolumeAnswer, VolumeError> {
        let landed = self.content.flights.get(&flight).is_some_and(|flight| flight.landed);
        if self.is_shut_out(pending.host, Some(flight)) {
            self.content.fail(flight);
            return Err(VolumeError::ReservationConflict);
        }
        let file = self.content.flights.get(&flight).map(|flight| flight.file);
        let (fails, applied) = self.write_outcome(pending.fate);
        if !applied && !landed {
            self.content.fail(flight);
            return Err(VolumeError::Io);
        }
        self.land(flight);
        if file.is_some_and(|file| self.content.journal.concerns(file)) {
            self.content.commit_all();
        }
        if fails { Err(VolumeError::Io) } else { Ok(VolumeAnswer::Written) }
    }

    /// Whether the device refuses a write or a flush of that host: a reservation of another's, which the flight did not
    /// beat to the medium. (NVMe base specification, "Command Behavior in the Presence of a Reservation": writes and
    /// flushes alike, whoever in the host asked for them.)
    fn is_shut_out(&mut self, host: HostId, flight: Option<FlightId>) -> bool {
        let landed = flight.and_then(|id| self.content.flights.get(&id)).is_some_and(|flight| flight.landed);
        let shut_out = !landed && !self.reservations.may_write(host);
        self.witnessed.fenced += u64::from(shut_out);
        shut_out
    }

    /// Whether a write to the medium is reported as failed, and whether it happens.
    fn write_outcome(&self, fate: VolumeFate) -> (bool, bool) {
        match fate {
            VolumeFate::IoError { applied } => (true, applied),
            VolumeFate::None | VolumeFate::Late { .. } => (self.faults.writes_fail(), !self.faults.writes_fail()),
        }
    }

    fn land(&mut self, flight: FlightId) {
        for (file, range) in self.content.land(flight) {
            self.faults.rewritten(file, &range, &mut self.witnessed);
        }
    }

    fn conclude_sync(&mut self, pending: &Pending, flight: FlightId, before: u64) -> Result<VolumeAnswer, VolumeError> {
        if self.is_shut_out(pending.host, Some(flight)) {
            self.witnessed.failed_syncs += 1;
            self.content.fail(flight);
            return Err(VolumeError::ReservationConflict);
        }
        let file = self.content.flights.get(&flight).map(|flight| flight.file);
        let (fails, applied) = self.write_outcome(pending.fate);
        if applied {
            self.land(flight);
            self.content.commit_before(before);
        } else {
            self.content.fail(flight);
        }
        let earlier = file
            .and_then(|file| self.content.inodes.get_mut(&file))
            .is_some_and(|inode| std::mem::take(&mut inode.writeback_failed));
        if fails || earlier {
            self.witnessed.failed_syncs += 1;
            return Err(VolumeError::Io);
        }
        Ok(VolumeAnswer::Synced)
    }

    fn conclude_writeback(&mut self, host: HostId, flight: FlightId) {
        let file = self.content.flights.get(&flight).map(|flight| flight.file);
        if self.is_shut_out(host, Some(flight)) || self.faults.writes_fail() {
            self.content.fail(flight);
            if let Some(inode) = file.and_then(|file| self.content.inodes.get_mut(&file)) {
                inode.writeback_failed = true;
            }
        } else {
            self.witnessed.writebacks += 1;
            self.land(flight);
        }
    }

    fn conclude_commit(&mut self, pending: &Pending, before: u64) -> Result<VolumeAnswer, VolumeError> {
        if self.is_shut_out(pending.host, None) {
            return Err(VolumeError::ReservationConflict);
        }
        let (fails, applied) = self.write_outcome(pending.fate);
        if applied {
            self.content.commit_before(before);
            self.witnessed.background_commits += u64::from(!pending.asked);
        }
        if fails { Err(VolumeError::Io) } else { Ok(VolumeAnswer::Synced) }
    }

    fn conclude_reservation(&mut self, pending: &Pending, op: ReservationOp) -> Result<VolumeAnswer, VolumeError> {
        let (fails, applied) = self.write_outcome(pending.fate);
        if applied {
            // Writes that may happen now and may not afterwards: done already, or never.
            let before = self.reservations.clone();
            self.reservations.apply(pending.host, op).inspect_err(|_| self.witnessed.fenced += 1)?;
            let caught: Vec<FlightId> = self
                .content
                .flights
                .iter()
                .filter(|(_, flight)| !flight.landed && before.may_write(flight.host))
                .filter(|(_, flight)| !self.reservations.may_write(flight.host))
                .map(|(id, _)| *id)
                .collect();
            for flight in caught {
                self.settle_shut_out(flight, op.in_flight());
            }
        }
        if fails { Err(VolumeError::Io) } else { Ok(VolumeAnswer::Reserved) }
    }

    fn settle_shut_out(&mut self, flight: FlightId, in_flight: InFlight) {
        let applied = match in_flight {
            InFlight::Drawn => self.in_flight.ratio(1, 2),
            InFlight::Applied => true,
            InFlight::Rejected => false,
        };
        // Behind an earlier overlapping flight it cannot have been done.
        if applied && !self.content.blocked(flight) {
            self.witnessed.applied_before_preempt += 1;
            self.content.land_early(flight);
        } else {
            self.witnessed.rejected_by_preempt += 1;
        }
    }
}
