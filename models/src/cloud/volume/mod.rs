//! `Volume`: a block device with a raw device or a journalled file system on it, and the page cache above.
//!
//! # Contract of faults
//! A volume **may**
//! - at a power loss of its host: drop any subset of the sectors that were not synced (dirty pages and I/O in flight),
//!   tear the last sector of each I/O in flight and one of the dirty ones (unless the device promises whole sectors),
//!   and drop any suffix of the uncommitted metadata changes; a dropped sector reads as what the medium held before,
//!   or as zeros where it held nothing;
//! - at a sync that fails: lose what the sync covered, though the cache shows it until it is evicted, and though the
//!   next sync succeeds;
//! - hold I/O back (stall, zone down), slow it, fail it (EIO), refuse space, read one byte wrong (rot);
//! - apply a direct write in flight just before a reservation shuts its host out, or refuse it;
//! - vanish for good with its instance, when it is a local disk, or at any time, when its provider loses it: an empty one
//!   takes its place;
//! - be taken from its host at any time, as by a forced detach.
//!
//! A volume **never**
//! - loses, changes or reorders what was synced, or written directly and answered (faults that hold aside);
//! - loses anything to a crash of a process: the page cache is the kernel's;
//! - keeps a metadata change and drops an earlier one;
//! - shows bytes that nobody wrote there: dropped space reads as zeros, not as another file's blocks;
//! - applies a write of a host after a reservation that shuts it out took effect, or after its detach.
//!
//! # The steps, in the order of the real system
//! 1. *Buffered write*: copied into the page cache, length changed in memory, answered. Above `vm.dirty_bytes` the
//!    writer waits (`balance_dirty_pages`, mm/page-writeback.c).
//! 2. *Background*: every `flush_interval` the journal commits (jbd2 `commit=5`) and files dirty for `dirty_expire` are
//!    written back; above `dirty_background_bytes` at once, oldest file first (admin-guide/sysctl/vm.rst).
//! 3. *Sync* (fs/ext4/fsync.c): the file's dirty pages are written, earlier writeback of it is awaited, the journal is
//!    committed up to now, for all files (jbd2 has one running transaction), the device is flushed.
//! 4. *Failed write of pages*: they are marked clean; the error is reported by one later sync (errseq_t), which promises
//!    nothing about them (LWN 752063, "PostgreSQL's fsync() surprise"; Rebello et al., "Can Applications Recover from
//!    fsync Failures?", USENIX ATC 2020: "pages are always marked clean").
//! 5. *Direct write*: dirty pages beneath go first, then the device; answered when durable.
//! 6. *Device*: IOPS and bytes/s admit an I/O (`limits.rs`), then it takes its drawn latency. I/O of different
//!    files, and direct I/O that does not overlap, completes in any order.
//! 7. *Attach, detach, reservations* (see [`attach`]): EBS user guide; NVMe base specification; rows EBS-reattach,
//!    EBS-detach-term, EBS-force.
//!
//! # Simpler than reality, and what that can hide
//! - `O_DIRECT` always means `O_DIRECT | O_DSYNC`: hides a lost length after a growing direct write without fsync.
//! - Length changes are journalled when written, not when written back, and ext4's `data=ordered` and `auto_da_alloc`
//!   are not modelled: lengths survive without their data more often than on ext4, about as on XFS. Hides nothing.
//! - A failed commit is tried again; ext4 would abort its journal and go read-only. Hides that outage.
//! - fsync and fdatasync are one; there are no directories as objects, links, or open handles of deleted files.
//! - Reads and readahead: a miss costs one device I/O of the missing bytes; eviction is first in, first out.
//! - A direct read shows pages under writeback as the medium has them; the kernel would wait for the write, and dirty
//!   pages count as written without the write that the kernel does first. Hides that wait, and an EIO from that write.
//! - No merging of small sequential I/O by the device: hides that 8 sequential 32 KiB writes can count as one.
//! - A reservation command shuts out a whole write or none of it; a large one could be cut at a command's boundary.
//! - An instance's limit on all its volumes together is applied to each: right for one volume an instance, too generous
//!   for several.

pub mod attach;
mod background;
mod begin;
mod conclude;
mod content;
mod faults;
mod journal;
mod limits;
mod op;
mod power_loss;
mod ranges;
mod spec;
#[cfg(test)]
mod tests;
mod used;
mod witness;
mod work;

pub use attach::{InFlight, ReservationKey, ReservationOp, ReservationType};
pub use faults::{VolumeFate, VolumeFault, VolumeRates};
pub use op::{FileEntry, FileId, FileName, IoMode, Owner, VolumeAnswer, VolumeDone, VolumeError, VolumeOp};
pub use power_loss::Survival;
pub use spec::{CacheSpec, ControlTimes, InstanceLimit, MULTI_ATTACH_MAX, VolumeFormat, VolumeKind, VolumeSpec};
pub use used::VolumeUsed;
pub use witness::Witnessed;

use super::Output;
use super::network::{AzId, HostId};
use crate::fault::FaultId;
use attach::{AttachState, Attachments, Reservations};
use content::{Content, FlightId};
use faults::Faults;
use limits::Queue;
use slotmap::{Key, SlotMap, new_key_type};
use wavetank_sim::{Choices, Domain, Incarnation, Nanos, SortedMap, Stream};
use work::{Pending, Work};

new_key_type! {
    /// An operation in progress.
    pub struct OpKey;
}

/// What the driver brings back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VolumeStep {
    /// An operation is due.
    Op(OpKey),
    /// The flusher and the journal wake.
    Tick,
}

impl VolumeStep {
    /// A word that tells steps apart, for the digest.
    pub fn fingerprint(self) -> u64 {
        match self {
            VolumeStep::Op(key) => key.data().as_ffi(),
            VolumeStep::Tick => 0,
        }
    }
}

/// What a volume answers with.
pub type VolumeOutput = Output<VolumeStep, VolumeDone>;

/// A volume. See the module's documentation.
#[derive(Debug)]
pub struct Volume {
    spec: VolumeSpec,
    content: Content,
    queue: Queue,
    faults: Faults,
    attachments: Attachments,
    reservations: Reservations,
    ops: SlotMap<OpKey, Pending>,
    flight_ops: SortedMap<FlightId, OpKey>,
    /// I/O that is due while a stall holds.
    parked: Vec<OpKey>,
    /// Writers above the dirty limit, first come first served.
    throttled: Vec<OpKey>,
    /// Graceful detaches that wait for the last page.
    unmounts: Vec<OpKey>,
    writebacks: u32,
    committing: bool,
    tick_armed: bool,
    gone: bool,
    latency: Stream,
    survival: Stream,
    in_flight: Stream,
    witnessed: Witnessed,
    used: VolumeUsed,
}

impl Volume {
    /// A new, empty, unattached volume; `entity` keys its own randomness.
    ///
    /// # Panics
    /// When sector and capacity do not fit (sectors in multiples of 512, capacity in whole sectors), or a regional
    /// volume has not two or three zones.
    pub fn new(spec: VolumeSpec, choices: &Choices, entity: u64) -> Volume {
        if let VolumeKind::Regional { azs } = &spec.kind {
            assert!((2..=3).contains(&azs.len()), "a regional volume has two or three zones, not {}", azs.len());
        }
        Volume {
            content: Content::new(spec.format, spec.capacity_bytes, spec.sector_bytes),
            spec,
            queue: Queue::default(),
            faults: Faults::default(),
            attachments: Attachments::default(),
            reservations: Reservations::default(),
            ops: SlotMap::with_key(),
            flight_ops: SortedMap::new(),
            parked: Vec::new(),
            throttled: Vec::new(),
            unmounts: Vec::new(),
            writebacks: 0,
            committing: false,
            tick_armed: false,
            gone: false,
            latency: choices.stream(Domain::new("volume/latency"), entity),
            survival: choices.stream(Domain::new("volume/survival"), entity),
            in_flight: choices.stream(Domain::new("volume/in_flight"), entity),
            witnessed: Witnessed::default(),
            used: VolumeUsed::default(),
        }
    }

    /// Attaches at once: for a world that begins with its volumes in place.
    ///
    /// # Errors
    /// As [`Volume::attach`].
    pub fn attach_at_start(&mut self, host: HostId, az: AzId) -> Result<(), VolumeError> {
        self.attachments.begin(&self.spec.kind, host, az)?;
        self.attachments.set(host, AttachState::Attached);
        Ok(())
    }

    /// The data sheet.
    pub fn spec(&self) -> &VolumeSpec {
        &self.spec
    }

    /// What its device has been used for so far.
    pub fn used(&self) -> VolumeUsed {
        self.used
    }

    /// Which outcomes have happened so far.
    pub fn witnessed(&self) -> &Witnessed {
        &self.witnessed
    }

    /// Whether it is reached over a network: everything but a local disk.
    pub fn is_remote(&self) -> bool {
        !matches!(self.spec.kind, VolumeKind::LocalNvme { .. })
    }

    /// The zones that hold its content.
    pub fn zones(&self) -> &[AzId] {
        match &self.spec.kind {
            VolumeKind::LocalNvme { az } | VolumeKind::Gp3 { az } | VolumeKind::Io2 { az, .. } => {
                std::slice::from_ref(az)
            }
            VolumeKind::Regional { azs } => azs,
        }
    }

    /// Whether that host has it, also while the attachment is being made or ended.
    pub fn is_attached_to(&self, host: HostId) -> bool {
        self.attachments.state(host).is_some()
    }

    /// Bytes that a power loss could take: dirty and being written back.
    pub fn unsynced_bytes(&self) -> u64 {
        self.content.dirty_bytes + self.content.writeback_bytes
    }

    /// Bytes of space in use by files, in whole sectors (a raw device: zero).
    pub fn used_bytes(&self) -> u64 {
        self.content.used
    }

    /// Asks for an operation; the answer comes as a [`VolumeDone`] with `token`, perhaps at once. `fate` is what happens
    /// to it beyond the ordinary (see [`VolumeFate::draw`]).
    pub fn submit(
        &mut self,
        now: Nanos,
        owner: Owner,
        token: u64,
        op: VolumeOp,
        fate: VolumeFate,
        out: &mut Vec<VolumeOutput>,
    ) {
        if let Err(error) = self.begin(now, owner, token, op, fate, out) {
            self.witnessed.no_space += u64::from(error == VolumeError::NoSpace);
            out.push(Output::Done(VolumeDone { token, owner, result: Err(error) }));
        }
    }

    /// A wake-up that was asked for.
    pub fn step(&mut self, now: Nanos, step: VolumeStep, out: &mut Vec<VolumeOutput>) {
        match step {
            VolumeStep::Op(key) => self.due(now, key, out),
            VolumeStep::Tick => self.tick(now, out),
        }
    }

    /// Lets a fault hold.
    ///
    /// # Panics
    /// When a fault with that id holds already.
    pub fn inject(&mut self, _now: Nanos, id: FaultId, fault: VolumeFault, out: &mut Vec<VolumeOutput>) {
        self.faults.inject(id, fault);
        if fault == VolumeFault::Lost {
            self.lose(out);
        }
    }

    /// Ends a fault; unknown ids are ignored. I/O that it held back completes now.
    pub fn heal(&mut self, now: Nanos, id: FaultId, out: &mut Vec<VolumeOutput>) {
        self.faults.heal(id);
        if !self.faults.stalled(&self.spec.kind) {
            for key in std::mem::take(&mut self.parked) {
                out.push(Output::Wake { at: now, step: VolumeStep::Op(key) });
            }
        }
    }

    /// A process dies: its operations go on without anybody to hear their answers; the page cache stays.
    pub fn process_crash(&mut self, _now: Nanos, incarnation: Incarnation, _out: &mut Vec<VolumeOutput>) {
        for pending in self.ops.values_mut() {
            if pending.waiter.is_some_and(|(owner, _)| owner.incarnation == incarnation) {
                pending.waiter = None;
            }
        }
    }

    /// The host's power fails: page cache and I/O in flight are settled as `survival` says, its operations are never
    /// answered, the attachment stays. Answers with the survival that repeats the outcome.
    pub fn power_loss(
        &mut self,
        now: Nanos,
        host: HostId,
        survival: Survival,
        out: &mut Vec<VolumeOutput>,
    ) -> Survival {
        let pinned = self.lose_host(host, survival);
        self.drop_ops(host, None, out);
        self.wake_survivors(now, out);
        if self.attachments.state(host) == Some(AttachState::Detaching) {
            self.finish_unmounts(now, out);
        }
        pinned
    }

    /// The instance is terminated or its hardware lost. A local disk is gone for good; any other volume suffers a power
    /// loss and is detached by the control plane after a while (row EBS-detach-term).
    pub fn instance_lost(
        &mut self,
        now: Nanos,
        host: HostId,
        survival: Survival,
        out: &mut Vec<VolumeOutput>,
    ) -> Survival {
        if self.attachments.state(host).is_none() {
            return survival;
        }
        match self.spec.kind {
            VolumeKind::LocalNvme { .. } => {
                self.gone = true;
                self.witnessed.disks_lost += 1;
                self.drop_ops(host, None, out);
                self.flight_ops.clear();
                self.content = Content::new(self.spec.format, self.spec.capacity_bytes, self.spec.sector_bytes);
                self.attachments.remove(host);
                survival
            }
            VolumeKind::Gp3 { .. } | VolumeKind::Io2 { .. } | VolumeKind::Regional { .. } => {
                let pinned = self.power_loss(now, host, survival, out);
                self.attachments.set(host, AttachState::Detaching);
                let at = now + self.spec.control.detach_terminated.sample(&mut self.latency);
                self.schedule(at, Pending::silent(host, Work::Detach), out);
                pinned
            }
        }
    }

    /// Asks for an attachment of `owner.host`, which is in `az`; answered when the device is usable.
    pub fn attach(&mut self, now: Nanos, owner: Owner, token: u64, az: AzId, out: &mut Vec<VolumeOutput>) {
        let begun = if self.is_gone() {
            Err(VolumeError::Gone)
        } else {
            self.attachments.begin(&self.spec.kind, owner.host, az)
        };
        match begun {
            Ok(()) => {
                let at = now + self.spec.control.attach.sample(&mut self.latency);
                self.schedule(at, Pending::asked(owner, token, Work::Attach), out);
            }
            Err(error) => out.push(Output::Done(VolumeDone { token, owner, result: Err(error) })),
        }
    }

    /// Asks for a graceful detach from `owner.host`: everything dirty is written, then the device goes. New operations
    /// are refused from now on.
    pub fn detach(&mut self, now: Nanos, owner: Owner, token: u64, out: &mut Vec<VolumeOutput>) {
        let host = owner.host;
        if self.attachments.state(host) != Some(AttachState::Attached) {
            let result = Err(VolumeError::NotAttached(host));
            out.push(Output::Done(VolumeDone { token, owner, result }));
            return;
        }
        self.attachments.set(host, AttachState::Detaching);
        let key = self.ops.insert(Pending::asked(owner, token, Work::Detach));
        self.unmounts.push(key);
        self.flush_everything(now, host, out);
        self.finish_unmounts(now, out);
    }

    /// Asks for a forced detach from `victim`: until it takes effect the victim may still write; then its page cache
    /// and I/O in flight are settled as `survival` says and its operations fail with [`VolumeError::Detached`].
    pub fn force_detach(
        &mut self,
        now: Nanos,
        owner: Owner,
        token: u64,
        victim: HostId,
        survival: Survival,
        out: &mut Vec<VolumeOutput>,
    ) {
        if self.attachments.state(victim).is_none() {
            let result = Err(VolumeError::NotAttached(victim));
            out.push(Output::Done(VolumeDone { token, owner, result }));
            return;
        }
        let at = now + self.spec.control.force_detach.sample(&mut self.latency);
        self.schedule(at, Pending::asked(owner, token, Work::ForceDetach { victim, survival }), out);
    }

    /// An operator takes the volume from every host that has it, by force: as when a [forced detach](Volume::force_detach)
    /// takes effect.
    pub fn pull(&mut self, now: Nanos, survival: Survival, out: &mut Vec<VolumeOutput>) {
        for host in self.attachments.attached() {
            self.take_from(now, host, survival, out);
        }
    }

    /// Calls off what [`Volume::force_detach`] asked for, while whoever detaches is still waiting: the victim is back and
    /// keeps the volume (Kubernetes' attach/detach controller detaches only what is still not wanted on that node when
    /// its wait is over). Nobody hears of it. Nothing happens when it has taken effect already.
    pub fn call_off_force_detach(&mut self, owner: Owner, victim: HostId) {
        self.ops.retain(|_, pending| {
            let is_his = pending.waiter.is_some_and(|(waiter, _)| waiter == owner);
            !(is_his && pending.work.takes_from(victim))
        });
    }
}
