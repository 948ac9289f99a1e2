//! A log on a block device: the [ring](super::ring) on a raw volume, with direct I/O.
//!
//! # Opening
//! *A volume of one host at a time* (gp3, regional): 1. a rescuer has the volume taken from the victim's host, whatever that
//! does (`ForceDetach`): when the answer comes, nothing of it is or will be written; 2. the volume is attached here. An own
//! broker that finds its volume elsewhere waits [`ATTACH_PATIENCE`] for the rescuer to give it back, then takes it.
//! *A shared volume* (io2 with Multi-Attach): 1. attached, which fences nobody; 2. the host registers; 3. preempts whoever has
//! the reservation and 4. holds it, write exclusive: from then on no other host writes, and what was on its way has been
//! written or never will be.
//! Then the ring's headers are read.
//!
//! A rescuer that is done detaches; its reservation stays, and keeps the old owner out until the next one preempts it. One that
//! is not needed any more, because the owner is back, calls off the detach it waits for, or detaches: else the owner would wait
//! for its volume, or lose it minutes after it was back. Any refusal of the device after the log is acquired is a fence; any
//! other error ends the log (`WALBlockDeviceChannel` marks itself failed).
//!
//! # Simpler than reality
//! All hosts register under one key, so a preempt strikes whoever holds the reservation; real ones read the holder's key
//! with a report that the volume model has not. So a late opener of a lower epoch takes the reservation for a moment,
//! until it reads the header and is fenced: a needless restart of the owner, and no loss. AutoMQ's commercial fencing is
//! not published; these are what EBS and NVMe offer.

use super::mutant::WalMutant;
use super::ring::{POLL, Ring, RingDevice, RingOptions};
use super::{OverCapacity, Wal, WalEvent, WalMode, WalOffset, WalOwner, WalRecord};
use crate::blob::Blob;
use crate::cloud::network::HostId;
use crate::cloud::volume::{
    FileId, InFlight, IoMode, ReservationKey, ReservationOp, ReservationType, VolumeAnswer, VolumeDone, VolumeError,
    VolumeOp,
};
use crate::kafka::token::{TokenSpace, token_of};
use crate::world::{Cx, Input, On, VolumeId, Wait};
use wavetank_sim::Nanos;

/// How often an own broker looks for its volume before it takes it by force.
pub const ATTACH_PATIENCE: u32 = 30;
const RETRY: Nanos = Nanos::secs(1);
const KEY: ReservationKey = ReservationKey(0x4157_414c);

/// How earlier owners are kept out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockFencing {
    /// The volume is on one host at a time: gp3 within its zone, a regional volume in any of its zones.
    Detach,
    /// The volume is shared and has NVMe reservations: io2.
    Reservation,
}

/// Where and how.
#[derive(Clone, Debug)]
pub struct BlockWalOptions {
    /// A raw volume.
    pub volume: VolumeId,
    /// How earlier owners are kept out.
    pub fencing: BlockFencing,
    /// For a rescuer: the host of the dead broker.
    pub victim: Option<HostId>,
    /// The ring; as large as the volume or smaller.
    pub ring: RingOptions,
}

const RETRY_TIMER: u64 = 1;
/// Tokens of volume operations: these, then writes by number.
const STEP: u64 = 0;
const READ: u64 = 1;
const WRITES: u64 = 2;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Closed,
    /// From that host, by force.
    Detaching(HostId),
    Attaching,
    /// Until the device is asked for once more.
    Waiting,
    Registering,
    Preempting,
    Acquiring,
    Using,
    GivingBack,
}

struct Device {
    volume: VolumeId,
    space: TokenSpace,
}

impl RingDevice for Device {
    fn write(&mut self, cx: &mut Cx<'_>, id: u64, offset: u64, data: Blob) {
        let op = VolumeOp::Write { file: FileId::RAW, offset, data, mode: IoMode::Direct };
        cx.volume(self.volume, self.space.token(WRITES + id), op);
    }

    fn read(&mut self, cx: &mut Cx<'_>, offset: u64, len: u64) {
        let op = VolumeOp::Read { file: FileId::RAW, offset, len, mode: IoMode::Direct };
        cx.volume(self.volume, self.space.token(READ), op);
    }
}

/// See the [module](self).
pub struct BlockWal {
    options: BlockWalOptions,
    device: Device,
    ring: Ring,
    step: Step,
    tries: u32,
    is_given_up: bool,
}

impl BlockWal {
    /// A log that nobody has opened.
    pub fn new(options: BlockWalOptions, space: TokenSpace, mutant: Option<WalMutant>) -> BlockWal {
        let device = Device { volume: options.volume, space };
        let ring = Ring::new(options.ring.clone(), space, mutant);
        BlockWal { options, device, ring, step: Step::Closed, tries: 0, is_given_up: false }
    }

    fn token(&self) -> u64 {
        self.device.space.token(STEP)
    }

    fn force_detach(&mut self, cx: &mut Cx<'_>, victim: HostId) {
        self.step = Step::Detaching(victim);
        cx.force_detach(self.options.volume, self.token(), victim);
    }

    fn attach(&mut self, cx: &mut Cx<'_>) {
        self.step = Step::Attaching;
        cx.attach(self.options.volume, self.token());
    }

    fn reserve(&mut self, cx: &mut Cx<'_>, step: Step, op: ReservationOp) {
        self.step = step;
        cx.volume(self.options.volume, self.token(), VolumeOp::Reserve(op));
    }

    fn use_it(&mut self, cx: &mut Cx<'_>) {
        self.step = Step::Using;
        self.ring.begin(cx, &mut self.device);
    }

    fn answered(&mut self, cx: &mut Cx<'_>, result: Result<VolumeAnswer, VolumeError>) {
        let (kind, in_flight) = (ReservationType::WriteExclusive, InFlight::Drawn);
        if self.is_given_up && self.step != Step::GivingBack {
            return self.give_back(cx);
        }
        match (self.step, result) {
            (Step::Detaching(_), Ok(_) | Err(VolumeError::NotAttached(_))) => self.attach(cx),
            (Step::Attaching, Ok(_) | Err(VolumeError::AlreadyAttached(_))) => match self.options.fencing {
                BlockFencing::Detach => self.use_it(cx),
                BlockFencing::Reservation => {
                    self.reserve(cx, Step::Registering, ReservationOp::Register { key: KEY });
                }
            },
            (Step::Attaching, Err(VolumeError::AttachedElsewhere(host))) => {
                self.tries += 1;
                if self.ring.voice.owner().mode == WalMode::Failover || self.tries > ATTACH_PATIENCE {
                    self.force_detach(cx, host);
                } else {
                    self.retry(cx);
                }
            }
            (Step::Registering, Ok(_)) => {
                let op = ReservationOp::Preempt { key: KEY, victim: KEY, kind, in_flight };
                self.reserve(cx, Step::Preempting, op);
            }
            (Step::Preempting, Ok(_)) => {
                self.reserve(cx, Step::Acquiring, ReservationOp::Acquire { key: KEY, kind, in_flight });
            }
            (Step::Acquiring, Ok(_)) => self.use_it(cx),
            // Somebody else was quicker.
            (Step::Preempting | Step::Acquiring, Err(VolumeError::ReservationConflict)) => self.ring.voice.fenced(),
            (Step::GivingBack, _) => self.ring.voice.say(WalEvent::Released),
            (Step::Registering, Err(VolumeError::NotAttached(_))) => self.retry(cx),
            (step, Ok(answer)) => unreachable!("{step:?} was answered with {answer:?}"),
            (step, Err(error)) => self.ring.voice.failed(format!("{step:?}: {error}")),
        }
    }

    fn retry(&mut self, cx: &mut Cx<'_>) {
        self.step = Step::Waiting;
        self.device.space.set_timer(cx, RETRY, RETRY_TIMER);
    }

    fn refused(&mut self, cx: &mut Cx<'_>, error: VolumeError) {
        match error {
            // The attachment is being made or ended.
            VolumeError::NotAttached(_) if !self.ring.is_acquired() => self.retry(cx),
            VolumeError::NotAttached(_) | VolumeError::Detached | VolumeError::ReservationConflict => {
                cx.mark("wal: the device refused a fenced owner");
                self.ring.voice.fenced();
            }
            error => self.ring.voice.failed(format!("volume: {error}")),
        }
    }

    fn volume(&mut self, cx: &mut Cx<'_>, local: u64, done: VolumeDone) {
        match (local, done.result) {
            (STEP, result) => self.answered(cx, result),
            // What was on its way when it was given back.
            _ if self.step == Step::GivingBack => {}
            (READ, Ok(VolumeAnswer::Read(data))) => self.ring.was_read(cx, &mut self.device, &data),
            (write, Ok(_)) => self.ring.written(cx, &mut self.device, write - WRITES),
            (_, Err(error)) => self.refused(cx, error),
        }
        if self.ring.is_released() && self.step == Step::Using {
            self.give_back(cx);
        }
    }

    /// The reservation stays with this host though it detaches: were it given back, the owner that it keeps out could
    /// write again.
    fn give_back(&mut self, cx: &mut Cx<'_>) {
        self.step = Step::GivingBack;
        cx.detach(self.options.volume, self.token());
    }
}

impl Wal for BlockWal {
    fn open(&mut self, cx: &mut Cx<'_>, owner: WalOwner) {
        assert_eq!(self.step, Step::Closed, "a log is opened once a life");
        self.ring.voice.opened_by(owner);
        match (owner.mode, self.options.fencing, self.options.victim) {
            (WalMode::Failover, BlockFencing::Detach, Some(victim)) => self.force_detach(cx, victim),
            (WalMode::Own | WalMode::Failover, _, _) => self.attach(cx),
        }
    }

    fn append(&mut self, cx: &mut Cx<'_>, record: WalRecord) -> Result<(), OverCapacity> {
        self.ring.append(cx, record)
    }

    fn trim(&mut self, cx: &mut Cx<'_>, upto: WalOffset) {
        self.ring.trim(cx, &mut self.device, upto);
    }

    fn reset(&mut self, cx: &mut Cx<'_>) {
        if !self.ring.voice.is_over() {
            self.ring.empty(cx, &mut self.device, WalMode::Own);
        }
    }

    fn release(&mut self, cx: &mut Cx<'_>) {
        if !self.ring.voice.is_over() {
            self.ring.empty(cx, &mut self.device, WalMode::Failover);
        }
    }

    fn give_up(&mut self, cx: &mut Cx<'_>) {
        if self.ring.voice.is_over() || std::mem::replace(&mut self.is_given_up, true) {
            return;
        }
        match self.step {
            Step::Detaching(from) => {
                cx.call_off_force_detach(self.options.volume, from);
                self.ring.voice.say(WalEvent::Released);
            }
            Step::Closed | Step::Waiting => self.ring.voice.say(WalEvent::Released),
            Step::Using => self.give_back(cx),
            // Its answer comes, and then it is given back.
            Step::Attaching | Step::Registering | Step::Preempting | Step::Acquiring | Step::GivingBack => {}
        }
    }

    fn input(&mut self, cx: &mut Cx<'_>, input: Input) {
        if self.ring.voice.is_over() {
            return;
        }
        let Some((_, local)) = token_of(&input).map(TokenSpace::split) else { return };
        match input {
            Input::Volume(done) => self.volume(cx, local, *done),
            Input::Timer { .. } if self.is_given_up => {}
            Input::Timer { .. } if local == POLL => self.ring.poll_blocks(cx, &mut self.device),
            Input::Timer { .. } if local == RETRY_TIMER => self.attach(cx),
            other => unreachable!("a block log asked for no {:?}", other.kind()),
        }
    }

    fn poll(&mut self) -> Option<WalEvent> {
        self.ring.voice.poll()
    }

    fn waits(&self) -> Vec<Wait> {
        let volume = On::Volume(self.options.volume);
        let (what, on) = match self.step {
            Step::Closed => return Vec::new(),
            Step::Using => return self.ring.waits(volume).into_iter().collect(),
            Step::Detaching(_) => ("has the log's volume detached from its broker's host", volume),
            Step::Attaching => ("attaches the log's volume", volume),
            Step::Waiting => ("tries again to attach the log's volume", On::Time),
            Step::Registering | Step::Preempting | Step::Acquiring => ("reserves the log's volume", volume),
            Step::GivingBack => ("gives the log's volume back", volume),
        };
        vec![Wait::on(what, on)]
    }

    fn unflushed_bytes(&self) -> u64 {
        self.ring.unflushed()
    }
}
