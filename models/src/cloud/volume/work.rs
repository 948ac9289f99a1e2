//! An operation in progress: what it is, who waits for it, when it is due.

use super::attach::ReservationOp;
use super::content::FlightId;
use super::faults::VolumeFate;
use super::op::{FileId, IoMode, Owner, VolumeAnswer, VolumeError};
use super::power_loss::Survival;
use super::{OpKey, Volume, VolumeOutput, VolumeStep};
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
    pub(super) fate: VolumeFate,
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

    pub(super) fn with(self, fate: VolumeFate) -> Pending {
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

    pub(super) fn needs_device(&self) -> bool {
        match self {
            Work::Direct(_) | Work::Sync { .. } | Work::Writeback(_) | Work::Commit { .. } | Work::Reserve(_) => true,
            Work::Read { device, .. } => *device,
            Work::Answer(_) | Work::Throttled | Work::Attach | Work::Detach | Work::ForceDetach { .. } => false,
        }
    }

    /// Whether it takes the volume from that host by force.
    pub(super) fn takes_from(&self, host: HostId) -> bool {
        matches!(self, Work::ForceDetach { victim, .. } if *victim == host)
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
    pub(super) fn schedule(&mut self, at: Nanos, pending: Pending, out: &mut Vec<VolumeOutput>) -> OpKey {
        let key = self.ops.insert(pending);
        out.push(Output::Wake { at, step: VolumeStep::Op(key) });
        key
    }

    pub(super) fn admit(&mut self, now: Nanos, direction: Direction, bytes: u64) -> Nanos {
        self.used.count(direction, bytes);
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
}
