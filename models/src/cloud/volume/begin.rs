//! How operations begin: what is refused at once, what meets the page cache, what goes to the device.

use super::attach::AttachState;
use super::faults::VolumeFate;
use super::op::{FileId, IoMode, Owner, VolumeAnswer, VolumeError, VolumeOp};
use super::work::{Direction, JOURNAL_BLOCK_BYTES, Pending, Work};
use super::{Volume, VolumeOutput};
use crate::blob::Blob;
use crate::cloud::network::HostId;
use wavetank_sim::Nanos;

impl Volume {
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
        if self.is_gone() {
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

    fn copy_time(&self, bytes: u64) -> Nanos {
        self.spec.cache.call + Nanos::transfer(bytes, self.spec.cache.copy_bytes_per_sec)
    }
}
