//! Who has the volume: attachments, and the NVMe reservations that fence a host.
//!
//! Reservations after the NVMe base specification ("Reservations") and the kernel's `Documentation/block/pr.rst`; io2
//! offers them (AWS, 2023). They survive a power loss ("all implementations are expected to ensure the reservations
//! survive a power loss": pr.rst).

use super::op::VolumeError;
use super::spec::{MULTI_ATTACH_MAX, VolumeKind};
use crate::cloud::network::{AzId, HostId};
use wavetank_sim::SortedMap;

/// A host's key in the reservation table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ReservationKey(pub u64);

/// Who may do what while a reservation is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReservationType {
    /// Only the holder writes; all read.
    WriteExclusive,
    /// Only the holder reads and writes.
    ExclusiveAccess,
    /// All registered hosts write; all read.
    WriteExclusiveRegistrantsOnly,
    /// All registered hosts read and write; others neither.
    ExclusiveAccessRegistrantsOnly,
}

/// What becomes of a direct write in flight whose host a new reservation shuts out: the device had either done it or
/// will refuse it; never does it afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InFlight {
    /// Drawn for each write.
    Drawn,
    /// Each had been applied.
    Applied,
    /// Each is refused.
    Rejected,
}

/// One reservation command. `key` is the sender's own current key (CRKEY): a command with another one is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReservationOp {
    /// Registers the host under a key, or gives it another one.
    Register {
        /// The new key.
        key: ReservationKey,
    },
    /// Takes the host out of the table; a reservation it holds ends.
    Unregister {
        /// The host's own key.
        key: ReservationKey,
    },
    /// Takes the reservation, which must be free (or the host's own, of the same type).
    Acquire {
        /// The host's own key.
        key: ReservationKey,
        /// What others may still do.
        kind: ReservationType,
        /// What becomes of writes in flight that this shuts out.
        in_flight: InFlight,
    },
    /// Takes the registrants with the key `victim` out of the table and, when one of them held the reservation, takes it.
    Preempt {
        /// The host's own key.
        key: ReservationKey,
        /// Whom to take out.
        victim: ReservationKey,
        /// What others may still do.
        kind: ReservationType,
        /// What becomes of writes in flight that this shuts out.
        in_flight: InFlight,
    },
    /// Ends the reservation the host holds; a success without effect when it holds none.
    Release {
        /// The host's own key.
        key: ReservationKey,
    },
}

impl ReservationOp {
    pub(super) fn in_flight(&self) -> InFlight {
        match self {
            ReservationOp::Acquire { in_flight, .. } | ReservationOp::Preempt { in_flight, .. } => *in_flight,
            ReservationOp::Register { .. } | ReservationOp::Unregister { .. } | ReservationOp::Release { .. } => {
                InFlight::Rejected
            }
        }
    }
}

/// The reservation table.
#[derive(Clone, Debug, Default)]
pub(super) struct Reservations {
    registrants: SortedMap<HostId, ReservationKey>,
    held: Option<(HostId, ReservationType)>,
}

impl Reservations {
    pub(super) fn may_write(&self, host: HostId) -> bool {
        let Some((holder, kind)) = self.held else { return true };
        holder == host
            || match kind {
                ReservationType::WriteExclusive | ReservationType::ExclusiveAccess => false,
                ReservationType::WriteExclusiveRegistrantsOnly | ReservationType::ExclusiveAccessRegistrantsOnly => {
                    self.registrants.contains_key(&host)
                }
            }
    }

    pub(super) fn may_read(&self, host: HostId) -> bool {
        let Some((holder, kind)) = self.held else { return true };
        holder == host
            || match kind {
                ReservationType::WriteExclusive | ReservationType::WriteExclusiveRegistrantsOnly => true,
                ReservationType::ExclusiveAccess => false,
                ReservationType::ExclusiveAccessRegistrantsOnly => self.registrants.contains_key(&host),
            }
    }

    /// Carries a command out, or refuses it and changes nothing.
    pub(super) fn apply(&mut self, host: HostId, op: ReservationOp) -> Result<(), VolumeError> {
        match op {
            ReservationOp::Register { key } => {
                self.registrants.insert(host, key);
            }
            ReservationOp::Unregister { key } => {
                self.authorise(host, key)?;
                self.strike(host);
            }
            ReservationOp::Acquire { key, kind, .. } => {
                self.authorise(host, key)?;
                if self.held.is_some_and(|held| held != (host, kind)) {
                    return Err(VolumeError::ReservationConflict);
                }
                self.held = Some((host, kind));
            }
            ReservationOp::Preempt { key, victim, kind, .. } => {
                self.authorise(host, key)?;
                self.preempt(host, victim, kind)?;
            }
            ReservationOp::Release { key } => {
                self.authorise(host, key)?;
                self.held = self.held.filter(|(holder, _)| *holder != host);
            }
        }
        assert!(self.held.is_none_or(|(holder, _)| self.registrants.contains_key(&holder)), "a holder not registered");
        Ok(())
    }

    fn authorise(&self, host: HostId, key: ReservationKey) -> Result<(), VolumeError> {
        if self.registrants.get(&host) == Some(&key) { Ok(()) } else { Err(VolumeError::ReservationConflict) }
    }

    fn preempt(&mut self, host: HostId, victim: ReservationKey, kind: ReservationType) -> Result<(), VolumeError> {
        let victims: Vec<HostId> =
            self.registrants.iter().filter(|(_, key)| **key == victim).map(|(host, _)| *host).collect();
        if victims.is_empty() {
            return Err(VolumeError::ReservationConflict);
        }
        let takes_over = self.held.is_some_and(|(holder, _)| victims.contains(&holder));
        for other in victims.into_iter().filter(|other| *other != host) {
            self.strike(other);
        }
        if takes_over {
            self.held = Some((host, kind));
        }
        Ok(())
    }

    fn strike(&mut self, host: HostId) {
        self.registrants.remove(&host);
        self.held = self.held.filter(|(holder, _)| *holder != host);
    }
}

/// How far an attachment is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AttachState {
    Attaching,
    Attached,
    Detaching,
}

/// The hosts that have the volume, or are getting or losing it.
#[derive(Clone, Debug, Default)]
pub(super) struct Attachments(Vec<(HostId, AttachState)>);

impl Attachments {
    pub(super) fn begin(&mut self, kind: &VolumeKind, host: HostId, az: AzId) -> Result<(), VolumeError> {
        if !kind.azs().contains(&az) {
            return Err(VolumeError::WrongAz(az));
        }
        if self.state(host).is_some() {
            return Err(VolumeError::AlreadyAttached(host));
        }
        match self.0.first() {
            Some((other, _)) if !kind.is_shared() => return Err(VolumeError::AttachedElsewhere(*other)),
            Some(_) if self.0.len() >= MULTI_ATTACH_MAX => return Err(VolumeError::TooManyAttachments),
            Some(_) | None => {}
        }
        self.0.push((host, AttachState::Attaching));
        Ok(())
    }

    pub(super) fn state(&self, host: HostId) -> Option<AttachState> {
        self.0.iter().find(|(other, _)| *other == host).map(|(_, state)| *state)
    }

    /// Those that have it, and are not losing it already.
    pub(super) fn attached(&self) -> Vec<HostId> {
        self.0.iter().filter(|(_, state)| *state == AttachState::Attached).map(|(host, _)| *host).collect()
    }

    pub(super) fn set(&mut self, host: HostId, state: AttachState) {
        for slot in self.0.iter_mut().filter(|(other, _)| *other == host) {
            slot.1 = state;
        }
    }

    pub(super) fn remove(&mut self, host: HostId) {
        self.0.retain(|(other, _)| *other != host);
    }

    /// Whose page cache it is: of a volume that is not shared, the one host's.
    pub(super) fn first(&self) -> Option<HostId> {
        self.0.first().map(|(host, _)| *host)
    }
}
