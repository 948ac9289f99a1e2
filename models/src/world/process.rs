//! A process as a state machine: `(state, now, input) -> effects`.
//!
//! A process never sleeps, spawns or reads a clock. It is stepped with an [`Input`] and asks for what it wants through
//! its [`Cx`], which only writes the wish down: the world carries wishes out after the step. So a process can be tested
//! without a world: make a `Cx` with [`Cx::detached`], step, look at the effects.

use super::{Recording, Wait, Want};
use crate::cloud::network::{ConnId, HostId, ResetReason};
use crate::cloud::nfs::{NfsDone, NfsOp, NfsReply};
use crate::cloud::object_store::{BucketId, ObjectDone, ObjectOk, ObjectOp};
use crate::cloud::volume::{VolumeAnswer, VolumeDone, VolumeOp};
use crate::message::Message;
use crate::probe::Probe;
use slotmap::{Key, SlotMap};
use wavetank_sim::{Choices, Domain, EventId, Incarnation, Nanos, NodeEpoch, NodeId, Stream};

slotmap::new_key_type! {
    /// A timer that a process has set.
    pub struct TimerId;
}

/// Which volume of the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VolumeId(pub u32);

/// Which file share of the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShareId(pub u32);

/// Which object store of the world: one a region.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StoreId(pub u32);

/// Which express store of the world: one an AZ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExpressId(pub u32);

/// What somebody outside tells a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// It is to end in good order (SIGTERM).
    Terminate,
    /// An operator's order; what the number means is between the two of them.
    Order(u64),
}

/// What a process is stepped with.
#[derive(Clone, Debug)]
pub enum Input {
    /// Its life has begun. Memory is empty; volumes and stores hold what survived.
    Boot,
    /// A timer fired.
    Timer {
        /// Which, as [`Cx::set_timer`] named it.
        timer: TimerId,
        /// The number the process gave it.
        token: u64,
    },
    /// A connection that this process opened is up.
    Connected {
        /// Which.
        conn: ConnId,
    },
    /// Somebody opened a connection to this process.
    Accepted {
        /// Which.
        conn: ConnId,
        /// Who.
        from: NodeId,
    },
    /// A message arrived, in order on its connection.
    Message {
        /// On which connection.
        conn: ConnId,
        /// What.
        message: Message,
    },
    /// A connection is over: nothing more comes on it, and nothing sent on it from now on arrives. Whether what was
    /// sent before arrived is unknown.
    Reset {
        /// Which.
        conn: ConnId,
        /// Why.
        why: ResetReason,
    },
    /// A volume answers.
    Volume(Box<VolumeDone>),
    /// An object store answers.
    Object(Box<ObjectDone>),
    /// An express store answers.
    Express(Box<ObjectDone>),
    /// A file share answers.
    Nfs(Box<NfsDone>),
    /// CPU work that this process asked for is done.
    Worked {
        /// The number the process gave it.
        token: u64,
    },
    /// Somebody outside tells it something.
    Signal(Signal),
}

impl Input {
    /// A word that tells inputs apart, for the digest and the trace.
    pub fn fingerprint(&self) -> u64 {
        match self {
            Input::Boot | Input::Signal(Signal::Terminate) => 0,
            Input::Signal(Signal::Order(order)) => *order,
            Input::Timer { token, .. } | Input::Worked { token } => *token,
            Input::Connected { conn } | Input::Accepted { conn, .. } => conn.data().as_ffi(),
            Input::Message { conn, message } => conn.data().as_ffi().rotate_left(40) ^ message.fingerprint(),
            Input::Reset { conn, why } => conn.data().as_ffi() ^ (*why as u64) << 56,
            Input::Volume(done) => match &done.result {
                Ok(VolumeAnswer::Read(data)) => done.token ^ data.fingerprint(),
                result => done.token ^ u64::from(result.is_err()) << 63,
            },
            Input::Object(done) | Input::Express(done) => match &done.result {
                Ok(ObjectOk::Content { body, .. }) => done.token ^ body.fingerprint(),
                result => done.token ^ u64::from(result.is_err()) << 63,
            },
            Input::Nfs(done) => match &done.result {
                Ok(NfsReply::Data { data, .. }) => done.token ^ data.fingerprint(),
                result => done.token ^ u64::from(result.is_err()) << 63,
            },
        }
    }

    /// What kind it is, for the trace.
    pub fn kind(&self) -> InputKind {
        match self {
            Input::Boot => InputKind::Boot,
            Input::Timer { .. } => InputKind::Timer,
            Input::Connected { .. } => InputKind::Connected,
            Input::Accepted { .. } => InputKind::Accepted,
            Input::Message { .. } => InputKind::Message,
            Input::Reset { .. } => InputKind::Reset,
            Input::Volume(_) => InputKind::Volume,
            Input::Object(_) => InputKind::Object,
            Input::Express(_) => InputKind::Express,
            Input::Nfs(_) => InputKind::Nfs,
            Input::Worked { .. } => InputKind::Worked,
            Input::Signal(Signal::Terminate) => InputKind::Terminate,
            Input::Signal(Signal::Order(_)) => InputKind::Order,
        }
    }
}

/// The kinds of [`Input`], for the trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum InputKind {
    Boot,
    Timer,
    Connected,
    Accepted,
    Message,
    Reset,
    Volume,
    Object,
    Express,
    Nfs,
    Worked,
    Terminate,
    Order,
}

/// A wish of a process.
///
/// Operations on devices are boxed, as their answers are in [`Input`]: an allocation for each, which costs less than copying every
/// wish and every input at the size of the largest. Messages, timers and work allocate nothing.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub enum Effect {
    SetTimer { timer: TimerId, after: Nanos, token: u64 },
    CancelTimer { timer: TimerId },
    Connect { conn: ConnId, to: NodeId },
    Send { conn: ConnId, message: Message },
    Close { conn: ConnId },
    Volume { volume: VolumeId, token: u64, op: Box<VolumeOp> },
    Attach { volume: VolumeId, token: u64 },
    Detach { volume: VolumeId, token: u64 },
    ForceDetach { volume: VolumeId, token: u64, victim: HostId },
    CallOffForceDetach { volume: VolumeId, victim: HostId },
    Object { store: StoreId, bucket: BucketId, token: u64, op: Box<ObjectOp> },
    Express { store: ExpressId, bucket: BucketId, token: u64, op: Box<ObjectOp> },
    Nfs { share: ShareId, token: u64, op: Box<NfsOp> },
    Work { token: u64, service: Nanos },
    Exit { why: String },
    Mark { name: &'static str },
    Fail { why: String },
    Probe(Probe),
    Stop { why: String },
}

impl Effect {
    /// What is left of a wish that is carried out.
    pub(super) const DONE: Effect = Effect::Mark { name: "" };
}

/// A process.
pub trait Process: Send {
    /// One step.
    fn step(&mut self, cx: &mut Cx<'_>, input: Input);

    /// What it waits for, of what it is asked for: what matters most first, nothing when there is nothing to wait for.
    fn waits(&self, want: Want) -> Vec<Wait> {
        let _ = want;
        Vec::new()
    }
}

/// Names for what processes make: connections and timers. The world has one; a detached test has its own.
#[derive(Default)]
pub struct Ids {
    pub(crate) conns: SlotMap<ConnId, ()>,
    pub(crate) timers: SlotMap<TimerId, EventId>,
}

/// A process's only capability: what time it is, randomness of its own, wishes, and what its clients'
/// operations are recorded into.
pub struct Cx<'a> {
    pub(crate) me: Incarnation,
    pub(crate) monotonic: Nanos,
    pub(crate) wall: Nanos,
    pub(crate) random: &'a mut Stream,
    pub(crate) ids: &'a mut Ids,
    pub(crate) effects: &'a mut Vec<Effect>,
    pub(crate) recording: Option<&'a mut Recording>,
}

/// What [`Cx::detached`] needs to exist.
pub struct Detached {
    /// The process's life.
    pub me: Incarnation,
    /// Both clocks' value.
    pub now: Nanos,
    /// What the process has wished for; drain it between steps.
    pub effects: Vec<Effect>,
    /// What the process records, if anything is to be recorded.
    pub recording: Option<Recording>,
    random: Stream,
    ids: Ids,
}

impl Detached {
    /// A context for a process that is stepped without a world.
    pub fn new(seed: u64) -> Detached {
        Detached {
            me: Incarnation { node: NodeId(0), epoch: NodeEpoch(1) },
            now: Nanos::ZERO,
            effects: Vec::new(),
            recording: None,
            random: Choices::new(seed).stream(PROCESS, 0),
            ids: Ids::default(),
        }
    }
}

/// The domain of processes' own randomness.
pub(crate) const PROCESS: Domain = Domain::new("world/process");

impl<'a> Cx<'a> {
    /// A context without a world: wishes pile up in `detached.effects`.
    pub fn detached(detached: &'a mut Detached) -> Cx<'a> {
        if let Some(recording) = &mut detached.recording {
            recording.at(detached.now);
        }
        Cx {
            me: detached.me,
            monotonic: detached.now,
            wall: detached.now,
            random: &mut detached.random,
            ids: &mut detached.ids,
            effects: &mut detached.effects,
            recording: detached.recording.as_mut(),
        }
    }

    /// Which life of which node this is.
    pub fn me(&self) -> Incarnation {
        self.me
    }

    /// The node's monotonic clock: for measuring spans.
    pub fn monotonic(&self) -> Nanos {
        self.monotonic
    }

    /// The node's wall clock: may be wrong, and may jump either way between steps.
    pub fn wall(&self) -> Nanos {
        self.wall
    }

    /// Randomness of this node's own.
    pub fn random(&mut self) -> &mut Stream {
        self.random
    }

    /// Asks for an [`Input::Timer`] when the node's monotonic clock has advanced by `after`.
    pub fn set_timer(&mut self, after: Nanos, token: u64) -> TimerId {
        let timer = self.ids.timers.insert(EventId::NONE);
        self.effects.push(Effect::SetTimer { timer, after, token });
        timer
    }

    /// Takes a timer back. Does nothing when it has fired.
    pub fn cancel_timer(&mut self, timer: TimerId) {
        self.effects.push(Effect::CancelTimer { timer });
    }

    /// Opens a connection to whatever life of a node listens when the request gets there. What is sent before
    /// [`Input::Connected`] flows once it is up.
    pub fn connect(&mut self, to: NodeId) -> ConnId {
        let conn = self.ids.conns.insert(());
        self.effects.push(Effect::Connect { conn, to });
        conn
    }

    /// Sends a message. It arrives once, in order, or not at all; a [`Input::Reset`] says that the connection is over.
    pub fn send(&mut self, conn: ConnId, message: Message) {
        self.effects.push(Effect::Send { conn, message });
    }

    /// Closes a connection: what was sent before still arrives. Nothing more comes on it, but what the host's threads
    /// have read already.
    pub fn close(&mut self, conn: ConnId) {
        self.effects.push(Effect::Close { conn });
    }

    /// Asks a volume for something; [`Input::Volume`] with this token answers.
    pub fn volume(&mut self, volume: VolumeId, token: u64, op: VolumeOp) {
        self.effects.push(Effect::Volume { volume, token, op: Box::new(op) });
    }

    /// Asks the cloud's control plane to attach a volume to this process's host; [`Input::Volume`] with this token answers
    /// when the device is usable.
    pub fn attach(&mut self, volume: VolumeId, token: u64) {
        self.effects.push(Effect::Attach { volume, token });
    }

    /// Asks the control plane to detach a volume from this process's host in good order: everything dirty is written
    /// first. [`Input::Volume`] with this token answers.
    pub fn detach(&mut self, volume: VolumeId, token: u64) {
        self.effects.push(Effect::Detach { volume, token });
    }

    /// Asks the control plane to take a volume away from another host, whatever that host is doing; until the answer
    /// comes the victim may still write. [`Input::Volume`] with this token answers.
    pub fn force_detach(&mut self, volume: VolumeId, token: u64, victim: HostId) {
        self.effects.push(Effect::ForceDetach { volume, token, victim });
    }

    /// Calls off this process's [`Cx::force_detach`], if it has not taken effect yet; then nothing answers that.
    pub fn call_off_force_detach(&mut self, volume: VolumeId, victim: HostId) {
        self.effects.push(Effect::CallOffForceDetach { volume, victim });
    }

    /// Asks an object store for something; [`Input::Object`] with this token answers.
    pub fn object(&mut self, store: StoreId, bucket: BucketId, token: u64, op: ObjectOp) {
        self.effects.push(Effect::Object { store, bucket, token, op: Box::new(op) });
    }

    /// Asks an express store for something; [`Input::Express`] with this token answers.
    pub fn express(&mut self, store: ExpressId, bucket: BucketId, token: u64, op: ObjectOp) {
        self.effects.push(Effect::Express { store, bucket, token, op: Box::new(op) });
    }

    /// Asks a file share for something; [`Input::Nfs`] with this token answers.
    pub fn nfs(&mut self, share: ShareId, token: u64, op: NfsOp) {
        self.effects.push(Effect::Nfs { share, token, op: Box::new(op) });
    }

    /// Asks for CPU time on a background thread of the host; [`Input::Worked`] with this token says that it is done.
    pub fn work(&mut self, token: u64, service: Nanos) {
        self.effects.push(Effect::Work { token, service });
    }

    /// Ends this process after this step, as `Runtime.halt` or a panic does: nothing it wished for after this happens.
    /// A supervised node is started again.
    pub fn exit(&mut self, why: impl Into<String>) {
        self.effects.push(Effect::Exit { why: why.into() });
    }

    /// A situation that a sweep must reach was reached.
    pub fn mark(&mut self, name: &'static str) {
        self.effects.push(Effect::Mark { name });
    }

    /// A promise was broken: the run fails, and ends when the world is set to.
    pub fn fail(&mut self, why: impl Into<String>) {
        self.effects.push(Effect::Fail { why: why.into() });
    }

    /// Something happened that invariants and meters are to know.
    pub fn probe(&mut self, probe: Probe) {
        self.effects.push(Effect::Probe(probe));
    }

    /// Ends the run after this step.
    pub fn stop(&mut self, why: impl Into<String>) {
        self.effects.push(Effect::Stop { why: why.into() });
    }
}
