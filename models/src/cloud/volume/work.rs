//! Operations in progress: how each begins, when it is due, how it ends.

use super::attach::{AttachState, InFlight, ReservationOp};
use super::content::FlightId;
use super::faults::VolumeFate;
use super::op::{FileId, IoMode, Owner, VolumeAnswer, VolumeDone, VolumeError, VolumeOp};
use super::power_loss::Survival;
use super::{OpKey, Volume, VolumeOutput, VolumeStep};
use crate::blob::Blob;
use crate::cloud::Output;
use crate::cloud::network::HostId;
use wavetank_sim::Nanos;

/// What a commit of the journal writes.
pub(super) const JOURNAL_BLOCK_BYTES: u64 = 4096;

/// An operation in progress.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) host: HostId,
    /// Who hears the answer, under which token; nobody for the kernel's own work and for the dead.
    pub(super) waiter: Option<(Owner, u64)>,
    pub(super) asked: bool,
    fate: VolumeFate,
    /// Due, but behind an earlier flight.
    pub(super) ready: bool,
    pub(super) work: Work,
}

impl Pending {
    pub(super) fn asked(owner: Owner, token: u64, work: Work) -> Pending {
        let waiter = Some((owner, token));
        Pending { host: owner.host, waiter, asked: true, fate: VolumeFate::None, ready: false, work }
    }

    pub(super) fn silent(host: HostId, work: Work) -> Pending {
        Pending { host, waiter: None, asked: false, fate: VolumeFate::None, ready: false, work }
    }

    fn with(self, fate: VolumeFate) -> Pending {
        Pending { fate, ..self }
    }
}

#[derive(Debug)]
pub(super) enum Work {
    /// The effect is there; the call returns.
    Answer(Result<VolumeAnswer, VolumeError>),
    /// A buffered write, in the cache, whose writer waits for the dirty limit.
    Throttled,
    Read {
        file: FileId,
        offset: u64,
        len: u64,
        mode: IoMode,
        device: bool,
    },
    Direct(FlightId),
    Sync {
        flight: FlightId,
        before: u64,
    },
    Writeback(FlightId),
    Commit {
        before: u64,
    },
    Reserve(ReservationOp),
    Attach,
    Detach,
    ForceDetach {
        victim: HostId,
        survival: Survival,
    },
}

impl Work {
    pub(super) fn flight(&self) -> Option<FlightId> {
        match self {
            Work::Direct(flight) | Work::Sync { flight, .. } | Work::Writeback(flight) => Some(*flight),
            Work::Answer(_) | Work::Throttled | Work::Read { .. } | Work::Commit { .. } | Work::Reserve(_) => None,
            Work::Attach | Work::Detach | Work::ForceDetach { .. } => None,
        }
    }

    fn needs_device(&self) -> bool {
        match self {
            Work::Direct(_) | Work::Sync { .. } | Work::Writeback(_) | Work::Commit { .. } | Work::Reserve(_) => true,
            Work::Read { device, .. } => *device,
            Work::Answer(_) | Work::Throttled | Work::Attach | Work::Detach | Work::ForceDetach { .. } => false,
        }
    }

    /// The control plane's work outlives the host.
    pub(super) fn is_control(&self) -> bool {
        match self {
            Work::Attach | Work::Detach | Work::ForceDetach { .. } => true,
            Work::Answer(_) | Work::Throttled | Work::Read { .. } | Work::Direct(_) | Work::Sync { .. } => false,
            Work::Writeback(_) | Work::Commit { .. } | Work::Reserve(_) => false,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    Read,
    Write,
}

impl Volume {
    // ---- beginning ------------------------------------------------------------------------------------------------

    pub(super) fn begin(
        &mut self,
        now: Nanos,
        owner: Owner,
        token: u64,
        op: VolumeOp,
        fate: VolumeFate,
        out: &mut Vec<VolumeOutput>,
    ) -> Result<(), VolumeError> {
        self.admissible(owner.host, &op)?;
        match op {
            VolumeOp::Write { file, offset, data, mode } => {
                let end = offset.checked_add(data.len()).ok_or(VolumeError::NoSpace)?;
                self.content.file(file)?;
                if self.faults.full() {
                    return Err(VolumeError::NoSpace);
                }
                self.content.check_space(file, &(offset..end))?;
                match mode {
                    IoMode::Buffered => self.write_buffered(now, owner, token, (file, offset, data), fate, out),
                    IoMode::Direct => {
                        self.check_aligned(offset, data.len())?;
                        self.write_direct(now, owner, token, (file, offset, data), fate, out);
                    }
                }
            }
            VolumeOp::Read { file, offset, len, mode } => {
                self.content.file(file)?;
                if mode == IoMode::Direct {
                    self.check_aligned(offset, len)?;
                }
                self.begin_read(now, owner, token, (file, offset, len, mode), fate, out);
            }
            VolumeOp::Sync { file } => {
                self.content.file(file)?;
                self.begin_sync(now, owner, token, file, fate, out);
            }
            VolumeOp::SyncDirectory => self.begin_commit(now, Pending::asked, owner, token, fate, out),
            VolumeOp::Reserve(op) => {
                if !self.spec.kind.has_reservations() {
                    return Err(VolumeError::NoReservations);
                }
                let at = self.admit(now, Direction::Write, 0) + fate.delay();
                self.schedule(at, Pending::asked(owner, token, Work::Reserve(op)).with(fate), out);
            }
            VolumeOp::Create { .. }
            | VolumeOp::Lookup { .. }
            | VolumeOp::Rename { .. }
            | VolumeOp::Delete { .. }
            | VolumeOp::Truncate { .. }
            | VolumeOp::List { .. } => {
                let result = self.metadata(&op, fate);
                self.witnessed.no_space += u64::from(result == Err(VolumeError::NoSpace));
                let at = now + self.spec.cache.call + fate.delay();
                self.schedule(at, Pending::asked(owner, token, Work::Answer(result)), out);
                self.arm_tick(now, out);
            }
        }
        Ok(())
    }

    fn admissible(&self, host: HostId, op: &VolumeOp) -> Result<(), VolumeError> {
        if self.gone {
            return Err(VolumeError::Gone);
        }
        if self.attachments.state(host) != Some(AttachState::Attached) {
            return Err(VolumeError::NotAttached(host));
        }
        if !self.spec.kind.is_shared() {
            return Ok(());
        }
        match op {
            VolumeOp::Write { file: FileId::RAW, mode: IoMode::Direct, .. }
            | VolumeOp::Read { file: FileId::RAW, mode: IoMode::Direct, .. }
            | VolumeOp::Sync { file: FileId::RAW }
            | VolumeOp::Reserve(_) => Ok(()),
            VolumeOp::Write { .. } | VolumeOp::Read { .. } | VolumeOp::Sync { .. } => {
                Err(VolumeError::SharedNeedsDirectRaw)
            }
            VolumeOp::SyncDirectory
            | VolumeOp::Create { .. }
            | VolumeOp::Lookup { .. }
            | VolumeOp::Rename { .. }
            | VolumeOp::Delete { .. }
            | VolumeOp::Truncate { .. }
            | VolumeOp::List { .. } => Err(VolumeError::SharedNeedsDirectRaw),
        }
    }

    fn check_aligned(&self, offset: u64, len: u64) -> Result<(), VolumeError> {
        let sector_bytes = self.spec.sector_bytes;
        if offset.is_multiple_of(sector_bytes) && len.is_multiple_of(sector_bytes) {
            Ok(())
        } else {
            Err(VolumeError::Misaligned { sector_bytes })
        }
    }

    fn write_buffered(
        &mut self,
        now: Nanos,
        owner: Owner,
        token: u64,
        (file, offset, data): (FileId, u64, Blob),
        fate: VolumeFate,
        out: &mut Vec<VolumeOutput>,
    ) {
        let result = match fate {
            VolumeFate::IoError { .. } => Err(VolumeError::Io),
            VolumeFate::None | VolumeFate::Late { .. } => Ok(VolumeAnswer::Written),
        };
        if fate != (VolumeFate::IoError { applied: false }) {
            self.content.write_cached(now, file, offset, &data);
        }
        let at = now + self.copy_time(data.len()) + fate.delay();
        if result.is_ok() && self.unsynced_bytes() > self.spec.cache.dirty_limit_bytes {
            self.witnessed.throttled_writes += 1;
            let key = self.ops.insert(Pending::asked(owner, token, Work::Throttled).with(fate));
            self.throttled.push(key);
        } else {
            self.schedule(at, Pending::asked(owner, token, Work::Answer(result)), out);
        }
        self.content.evict(self.spec.cache.capacity_bytes, &mut self.witnessed);
        self.arm_tick(now, out);
        self.flush_some(now, out);
    }

    fn write_direct(
        &mut self,
        now: Nanos,
        owner: Owner,
        token: u64,
        (file, offset, data): (FileId, u64, Blob),
        fate: VolumeFate,
        out: &mut Vec<VolumeOutput>,
    ) {
        let range = offset..offset + data.len();
        let sectors = self.content.sectors_of(&range);
        if let Some(under) = self.content.begin_writeback_under(owner.host, file, &sectors) {
            self.take_off(now, owner.host, under, out);
        }
        let grows = self.content.file(file).is_ok_and(|inode| range.end > inode.live_len);
        let commit = if grows { self.sync_latency() } else { Nanos::ZERO };
        let at = self.admit(now, Direction::Write, data.len()) + commit + fate.delay();
        let flight = self.content.begin_direct(owner.host, file, offset, data);
        let key = self.schedule(at, Pending::asked(owner, token, Work::Direct(flight)).with(fate), out);
        self.flight_ops.insert(flight, key);
    }

    fn begin_read(
        &mut self,
        now: Nanos,
        owner: Owner,
        token: u64,
        (file, offset, len, mode): (FileId, u64, u64, IoMode),
        fate: VolumeFate,
        out: &mut Vec<VolumeOutput>,
    ) {
        let inode = self.content.file(file).expect("checked by the caller");
        let end = offset.saturating_add(len).min(inode.live_len).max(offset);
        let missing = match mode {
            IoMode::Buffered => end - offset - inode.resident.covered(&(offset..end)),
            IoMode::Direct => end - offset,
        };
        let device = missing > 0;
        let at = if device {
            self.witnessed.cache_misses += u64::from(mode == IoMode::Buffered);
            self.admit(now, Direction::Read, missing)
        } else {
            self.witnessed.cache_hits += 1;
            now + self.copy_time(end - offset)
        };
        let work = Work::Read { file, offset, len: end - offset, mode, device };
        self.schedule(at + fate.delay(), Pending::asked(owner, token, work).with(fate), out);
    }

    fn begin_sync(
        &mut self,
        now: Nanos,
        owner: Owner,
        token: u64,
        file: FileId,
        fate: VolumeFate,
        out: &mut Vec<VolumeOutput>,
    ) {
        let before = self.content.journal.next_seq();
        let mut bytes = if self.content.journal.is_empty() { 0 } else { JOURNAL_BLOCK_BYTES };
        let flight = self.content.begin_writeback(owner.host, file, u64::MAX);
        bytes += self.content.flights[&flight].bytes();
        let written = if bytes == 0 { now } else { self.admit(now, Direction::Write, bytes) };
        let at = written + self.sync_latency() + fate.delay();
        let key = self.schedule(at, Pending::asked(owner, token, Work::Sync { flight, before }).with(fate), out);
        self.flight_ops.insert(flight, key);
    }

    fn begin_commit(
        &mut self,
        now: Nanos,
        asked: fn(Owner, u64, Work) -> Pending,
        owner: Owner,
        token: u64,
        fate: VolumeFate,
        out: &mut Vec<VolumeOutput>,
    ) {
        let before = self.content.journal.next_seq();
        let at = self.admit(now, Direction::Write, JOURNAL_BLOCK_BYTES) + self.sync_latency() + fate.delay();
        self.schedule(at, asked(owner, token, Work::Commit { before }).with(fate), out);
    }

    fn metadata(&mut self, op: &VolumeOp, fate: VolumeFate) -> Result<VolumeAnswer, VolumeError> {
        if fate == (VolumeFate::IoError { applied: false }) {
            self.witnessed.io_errors += 1;
            return Err(VolumeError::Io);
        }
        let answer = match op {
            VolumeOp::Create { .. } if self.faults.full() => return Err(VolumeError::NoSpace),
            VolumeOp::Create { name } => VolumeAnswer::Created(self.content.create(name)?),
            VolumeOp::Lookup { name } => VolumeAnswer::Found(self.content.lookup(name)?),
            VolumeOp::Rename { from, to } => {
                self.content.rename(from, to)?;
                VolumeAnswer::Changed
            }
            VolumeOp::Delete { name } => {
                self.content.delete(name)?;
                VolumeAnswer::Changed
            }
            VolumeOp::Truncate { file, len } => {
                self.content.truncate(*file, *len)?;
                VolumeAnswer::Changed
            }
            VolumeOp::List { prefix } => VolumeAnswer::Listed(self.content.list(prefix)?),
            VolumeOp::Write { .. }
            | VolumeOp::Read { .. }
            | VolumeOp::Sync { .. }
            | VolumeOp::SyncDirectory
            | VolumeOp::Reserve(_) => unreachable!("not a metadata operation"),
        };
        match fate {
            VolumeFate::IoError { .. } => {
                self.witnessed.io_errors += 1;
                Err(VolumeError::Io)
            }
            VolumeFate::None | VolumeFate::Late { .. } => Ok(answer),
        }
    }

    // ---- time -----------------------------------------------------------------------------------------------------

    pub(super) fn schedule(&mut self, at: Nanos, pending: Pending, out: &mut Vec<VolumeOutput>) -> OpKey {
        let key = self.ops.insert(pending);
        out.push(Output::Wake { at, step: VolumeStep::Op(key) });
        key
    }

    pub(super) fn admit(&mut self, now: Nanos, direction: Direction, bytes: u64) -> Nanos {
        let latency = match direction {
            Direction::Read => &self.spec.latency_read,
            Direction::Write => &self.spec.latency_write,
        };
        let latency = self.faults.slowed(latency.sample(&mut self.latency));
        self.queue.admit(now, bytes, latency, self.faults.rates(&self.spec))
    }

    pub(super) fn sync_latency(&mut self) -> Nanos {
        self.faults.slowed(self.spec.latency_sync.sample(&mut self.latency))
    }

    fn copy_time(&self, bytes: u64) -> Nanos {
        self.spec.cache.call + Nanos::transfer(bytes, self.spec.cache.copy_bytes_per_sec)
    }

    // ---- ending ---------------------------------------------------------------------------------------------------

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
                self.lose_host(*victim, *survival);
                self.drop_ops(*victim, Some(VolumeError::Detached), out);
                self.wake_survivors(now, out);
                self.attachments.remove(*victim);
                self.witnessed.forced_detaches += 1;
                self.finish_unmounts(now, out);
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
