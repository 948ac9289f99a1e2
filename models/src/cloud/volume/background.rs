//! The kernel's own work (writeback, journal, unmount), and what becomes of operations when their host goes.

use super::content::{Content, FlightId};
use super::op::{FileId, VolumeError};
use super::power_loss::Survival;
use super::work::{Direction, JOURNAL_BLOCK_BYTES, Pending, Work};
use super::{OpKey, Volume, VolumeOutput, VolumeStep};
use crate::cloud::Output;
use crate::cloud::network::HostId;
use wavetank_sim::{Nanos, SortedSet};

/// One chunk of writeback (MIN_WRITEBACK_PAGES, fs/fs-writeback.c: 4 MiB).
const WRITEBACK_CHUNK_BYTES: u64 = 4 << 20;
/// How many chunks the flusher keeps in flight: enough that the device never waits for it.
const WRITEBACKS_AT_ONCE: u32 = 4;

impl Volume {
    pub(super) fn after_flight(&mut self, now: Nanos, file: FileId, out: &mut Vec<VolumeOutput>) {
        self.wake_ready(now, file, out);
        self.release_throttled(now, out);
        self.flush_some(now, out);
        self.finish_unmounts(now, out);
    }

    /// Goes on with the file's first operation that is due and whose way is free now; its end goes on with the next.
    fn wake_ready(&mut self, now: Nanos, file: FileId, out: &mut Vec<VolumeOutput>) {
        let ready = |id: &FlightId| {
            let key = *self.flight_ops.get(id)?;
            (self.ops.get(key)?.ready && !self.content.blocked(*id)).then_some(key)
        };
        let next = match self.content.inodes.get(&file) {
            Some(inode) => inode.flights.iter().find_map(ready),
            // The file's deletion was committed under its flights: somebody waits for their answers all the same.
            None => self.content.flights.iter().filter(|(_, flight)| flight.file == file).find_map(|(id, _)| ready(id)),
        };
        if let Some(key) = next {
            self.due(now, key, out);
        }
    }

    /// After a host is gone: what waited behind its I/O goes on.
    pub(super) fn wake_survivors(&mut self, now: Nanos, out: &mut Vec<VolumeOutput>) {
        let files: SortedSet<FileId> = self.content.flights.values().map(|flight| flight.file).collect();
        for file in files {
            self.wake_ready(now, file, out);
        }
    }

    pub(super) fn release_throttled(&mut self, now: Nanos, out: &mut Vec<VolumeOutput>) {
        if self.throttled.is_empty() || self.unsynced_bytes() > self.spec.cache.dirty_limit_bytes {
            return;
        }
        for key in std::mem::take(&mut self.throttled) {
            self.finish(now, key, out);
        }
    }

    pub(super) fn arm_tick(&mut self, now: Nanos, out: &mut Vec<VolumeOutput>) {
        let idle = self.content.journal.is_empty() && self.content.dirty_bytes == 0;
        if !idle && !self.tick_armed {
            self.tick_armed = true;
            out.push(Output::Wake { at: now + self.spec.cache.flush_interval, step: VolumeStep::Tick });
        }
    }

    pub(super) fn tick(&mut self, now: Nanos, out: &mut Vec<VolumeOutput>) {
        self.tick_armed = false;
        if let Some(host) = self.attachments.first() {
            if !self.content.journal.is_empty() && !self.committing {
                self.committing = true;
                let before = self.content.journal.next_seq();
                let at = self.admit(now, Direction::Write, JOURNAL_BLOCK_BYTES) + self.sync_latency();
                self.schedule(at, Pending::silent(host, Work::Commit { before }), out);
            }
            self.content.sort_dirty();
            self.flush_some(now, out);
        }
        self.arm_tick(now, out);
    }

    /// Background writeback: above the background threshold whatever is dirty, below it what has expired.
    pub(super) fn flush_some(&mut self, now: Nanos, out: &mut Vec<VolumeOutput>) {
        let Some(host) = self.attachments.first() else { return };
        let cache = self.spec.cache;
        while self.writebacks < WRITEBACKS_AT_ONCE {
            let hurry = self.content.dirty_bytes > cache.dirty_background_bytes || !self.throttled.is_empty();
            let since = if hurry { now } else { now.saturating_sub(cache.dirty_expire) };
            let expired = hurry || now >= cache.dirty_expire;
            let Some(file) = self.content.oldest_dirty(since).filter(|_| expired) else { break };
            let flight = self.content.begin_writeback(host, file, WRITEBACK_CHUNK_BYTES);
            self.take_off(now, host, flight, out);
        }
    }

    pub(super) fn flush_everything(&mut self, now: Nanos, host: HostId, out: &mut Vec<VolumeOutput>) {
        while let Some(file) = self.content.oldest_dirty(now) {
            let flight = self.content.begin_writeback(host, file, WRITEBACK_CHUNK_BYTES);
            self.take_off(now, host, flight, out);
        }
    }

    pub(super) fn take_off(&mut self, now: Nanos, host: HostId, flight: FlightId, out: &mut Vec<VolumeOutput>) {
        self.writebacks += 1;
        let bytes = self.content.flights[&flight].bytes();
        let at = self.admit(now, Direction::Write, bytes);
        let key = self.schedule(at, Pending::silent(host, Work::Writeback(flight)), out);
        self.flight_ops.insert(flight, key);
    }

    /// Detaches that wait for the last page: when it is written, the journal is clean and the device can go.
    pub(super) fn finish_unmounts(&mut self, now: Nanos, out: &mut Vec<VolumeOutput>) {
        let waiting = std::mem::take(&mut self.unmounts);
        for key in waiting {
            let Some(pending) = self.ops.get(key) else { continue };
            let host = pending.host;
            let flying = self.content.flights.values().any(|flight| flight.host == host);
            if flying || self.content.dirty_bytes > 0 {
                self.unmounts.push(key);
                continue;
            }
            if self.reservations.may_write(host) {
                self.content.commit_all();
                self.content.unmount(&mut self.witnessed);
            } else {
                self.lose_host(host, Survival::KeepNone);
            }
            let at = now + self.spec.control.detach.sample(&mut self.latency);
            out.push(Output::Wake { at, step: VolumeStep::Op(key) });
        }
    }

    // ---- hosts that go --------------------------------------------------------------------------------------------

    /// The volume goes from a host that has it, whatever that does.
    pub(super) fn take_from(&mut self, now: Nanos, host: HostId, survival: Survival, out: &mut Vec<VolumeOutput>) {
        self.lose_host(host, survival);
        self.drop_ops(host, Some(VolumeError::Detached), out);
        self.wake_survivors(now, out);
        self.attachments.remove(host);
        self.witnessed.forced_detaches += 1;
        self.finish_unmounts(now, out);
    }

    /// The device and what it held are gone; whatever is under way fails, the control plane's work too.
    pub(super) fn lose(&mut self, out: &mut Vec<VolumeOutput>) {
        self.witnessed.volumes_lost += 1;
        let doomed: Vec<Pending> = self.ops.drain().map(|(_, pending)| pending).collect();
        for pending in doomed.iter().filter(|pending| pending.asked) {
            self.answer(pending, Err(VolumeError::Gone), out);
        }
        self.content = Content::new(self.spec.format, self.spec.capacity_bytes, self.spec.sector_bytes);
        (self.attachments, self.reservations) = Default::default();
        self.flight_ops.clear();
        [&mut self.parked, &mut self.throttled, &mut self.unmounts].into_iter().for_each(Vec::clear);
        (self.writebacks, self.committing) = (0, false);
    }

    pub(super) fn is_gone(&self) -> bool {
        self.gone || self.faults.lost()
    }

    pub(super) fn lose_host(&mut self, host: HostId, survival: Survival) -> Survival {
        let pinned = match survival {
            Survival::Drawn => Survival::Pinned(self.survival.bits64()),
            Survival::Pinned(_) | Survival::KeepAll | Survival::KeepNone => survival,
            Survival::KeepData | Survival::KeepMetadata => survival,
        };
        if self.attachments.state(host).is_some() {
            self.content.power_loss(host, pinned, self.spec.atomic_sectors, &mut self.witnessed);
            self.faults.cache_dropped();
        }
        pinned
    }

    /// The host's operations end: unheard, or with `error`. The control plane's go on.
    pub(super) fn drop_ops(&mut self, host: HostId, error: Option<VolumeError>, out: &mut Vec<VolumeOutput>) {
        let doomed: Vec<OpKey> =
            self.ops.iter().filter(|(_, p)| p.host == host && !p.work.is_control()).map(|(key, _)| key).collect();
        for key in doomed {
            let pending = self.ops.remove(key).expect("listed above");
            if let Some(flight) = pending.work.flight() {
                self.flight_ops.remove(&flight);
            }
            match &pending.work {
                Work::Writeback(_) => self.writebacks = self.writebacks.saturating_sub(1),
                Work::Commit { .. } => self.committing &= pending.asked,
                Work::Answer(_) | Work::Throttled | Work::Read { .. } | Work::Direct(_) | Work::Sync { .. } => {}
                Work::Reserve(_) | Work::Attach | Work::Detach | Work::ForceDetach { .. } => {}
            }
            if let (Some(error), true) = (&error, pending.asked) {
                self.answer(&pending, Err(error.clone()), out);
            }
        }
        let ops = &self.ops;
        self.parked.retain(|key| ops.contains_key(*key));
        self.throttled.retain(|key| ops.contains_key(*key));
    }
}
