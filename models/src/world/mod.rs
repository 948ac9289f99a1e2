//! The world: processes on hosts in a cloud, held together by the tank.
//!
//! ```text
//!   Process::step(cx, input) --effects--> World --submit--> device --Output::Wake--> Tank
//!        ^                                  ^                  |                       |
//!        '----------- inbox <---------------'<---Output::Done--'<--------step----------'
//! ```
//!
//! The world owns every process, every device and every payload; the tank owns time. An event is a small copy that says
//! which device is due; the device answers with outputs; what is done becomes an [`Input`] in the inbox, and when the
//! device has finished the inbox is delivered, in order, by stepping the processes it is for. Nothing recurses: a step's
//! effects are carried out after it, and what these answer at once goes into the inbox again.
//!
//! What reaches a process, and when:
//! * inputs and timers of its own life only; a paused process gets them when it goes on, in order;
//! * messages after its host's network and request-handler threads have had their turn ([`host`](crate::cloud::host));
//!   answers of devices at once (an I/O completion is cheap beside the I/O).
//!
//! Bodies of object-store requests share the host's network card ([`network`](crate::cloud::network)): a request is at
//! the store when its body is, and an answer at its process.
//!
//! Simpler than reality: a process's own step takes no time (what it costs is the host's service time per request, or
//! [`Cx::work`]); the traffic of network-attached volumes does not share the host's network card (EBS-optimised
//! instances have bandwidth of their own for it); a dead process's upload leaves its host whole when it fits a fresh
//! socket's send buffer, and not at all when it is larger, though a grown buffer could hold more.

mod build;
mod control;
mod devices;
mod effects;
mod event;
mod guest;
mod obstacle;
mod onlooker;
mod process;
mod record;
mod usage;
mod wait;

pub use build::{Behaviour, CloudSpec, Factory, launch};
pub use control::{Action, Director, Failure, HISTORY, Lookout, Said, Witness};
pub(crate) use event::DownloadKey;
pub use event::{Event, InputKey, RequestKey};
pub use guest::Guest;
pub use obstacle::Obstacle;
pub use onlooker::{Audience, Happening, Onlooker};
pub use process::{
    Cx, Detached, Effect, ExpressId, Ids, Input, InputKind, Process, ShareId, Signal, StoreId, TimerId, VolumeId,
};
pub use record::{ABANDONED, ClientId, Ended, Invocation, KILLED, RUN_ENDED, Recorded, Recording};
pub use usage::{Products, Requests, UsageError};
pub use wait::{On, Wait, Want};

use crate::anomaly::Anomalies;
use crate::cloud::express::ExpressStore;
use crate::cloud::host::{Host, HostOutput};
use crate::cloud::network::{AzId, Endpoint, HostId, Network, NetworkOutput};
use crate::cloud::nfs::{NfsOutput, NfsShare};
use crate::cloud::object_store::{ObjectOutput, ObjectStore};
use crate::cloud::volume::{Volume, VolumeOutput};
use crate::fault::{Fault, FaultId};
use crate::message::Message;
use crate::probe::ProbeSink;
use slotmap::{Key, SlotMap};
use std::collections::VecDeque;
use std::sync::{Mutex, Weak};
use wavetank_sim::{Admission, Core, Dispatch, Incarnation, Nanos, NodeId, SortedMap, SortedSet, Stream, Tank};

slotmap::new_key_type! {
    /// A message on its way.
    pub(crate) struct MessageKey;
    /// An input that waits for its host's threads.
    pub(crate) struct JobKey;
}

/// How long a client waits for a storage service that it cannot reach before it gives up an attempt: the AWS SDK's
/// `apiCallAttemptTimeout` as S3 clients of streaming platforms set it (facts on AutoMQ's S3 client: attempt 10 s).
pub const ATTEMPT_TIMEOUT: Nanos = Nanos::secs(10);

/// One node: where it runs and what it is.
struct Slot {
    host: HostId,
    factory: Factory,
    process: Option<Box<dyn Process>>,
    random: Stream,
}

/// Everything there is. See the [module docs](self).
pub struct World {
    /// For guests: the world that they live in.
    me: Weak<Mutex<World>>,
    tank: Weak<Tank<Event>>,
    network: Network<MessageKey>,
    hosts: Vec<Host<JobKey>>,
    volumes: Vec<Volume>,
    stores: Vec<ObjectStore>,
    expresses: Vec<ExpressStore>,
    shares: Vec<NfsShare>,
    nodes: Vec<Slot>,
    ids: Ids,
    messages: SlotMap<MessageKey, Message>,
    jobs: SlotMap<JobKey, (Incarnation, Input)>,
    held: SlotMap<InputKey, Input>,
    requests: SlotMap<RequestKey, devices::Request>,
    downloads: SlotMap<DownloadKey, devices::Download>,
    inbox: VecDeque<(Incarnation, Input)>,
    faults: SortedMap<FaultId, Fault>,
    next_fault: u32,
    /// What ran in a zone when it went dark.
    dark_azs: SortedMap<FaultId, Vec<NodeId>>,
    /// Processes that are stopped by themselves, whatever their host does.
    stopped: SortedSet<NodeId>,
    /// Hosts whose processes are held still by a collection of garbage.
    collecting: SortedSet<HostId>,
    /// How soon a node's supervisor starts it again after it has ended itself.
    supervised: SortedMap<NodeId, Nanos>,
    /// Nodes that were told to end: their supervisors leave them alone until they are started again.
    dismissed: SortedSet<NodeId>,
    /// Nodes that are still ending, and are started again as soon as they have.
    returning: SortedSet<NodeId>,
    /// Nodes that nothing starts again.
    buried: SortedSet<NodeId>,
    anomalies: Anomalies,
    plan: Vec<Action>,
    failures: Vec<Failure>,
    stop_at_failure: bool,
    recording: Option<Box<Recording>>,
    probes: Option<Box<dyn ProbeSink>>,
    audience: Audience,
    director: Option<Box<dyn Director>>,
    lookout: Option<Box<dyn Lookout>>,
    scratch: Scratch,
}

/// Buffers that keep their capacity, so that a step allocates nothing.
#[derive(Default)]
struct Scratch {
    effects: Vec<Effect>,
    network: Vec<NetworkOutput<MessageKey>>,
    host: Vec<HostOutput<JobKey>>,
    volume: Vec<VolumeOutput>,
    object: Vec<ObjectOutput>,
    express: Vec<ObjectOutput>,
    nfs: Vec<NfsOutput>,
}

impl Dispatch<Event> for World {
    fn dispatch(&mut self, core: &mut Core<Event>, to: Option<Incarnation>, event: Event) {
        match event {
            Event::Boot => {
                let life = to.expect("a boot is a node's");
                // Not earlier: a connection at the instant of the restart must not come before the boot.
                self.network.listen(self.endpoint(life));
                self.step(core, life, Input::Boot);
                self.tell_lookout(core, life, Said::Started);
            }
            Event::Timer { timer, token } => {
                // A timer that was taken back while its node was paused is gone from the table.
                if self.ids.timers.remove(timer).is_some() {
                    self.step(core, to.expect("a timer is a node's"), Input::Timer { timer, token });
                }
            }
            Event::Input { input, .. } => {
                let input = self.held.remove(input).expect("an input is delivered once");
                self.step(core, to.expect("an input is a node's"), input);
            }
            Event::Network(step) => self.with_network(core, |network, now, out| network.step(now, step, out)),
            Event::Host { host, step } => self.with_host(core, host, |device, now, out| device.step(now, step, out)),
            Event::Volume { volume, step } => {
                self.with_volume(core, volume, |device, now, out| device.step(now, step, out));
            }
            Event::Object { store, step } => {
                self.with_store(core, store, |device, now, out| device.step(now, step, out));
            }
            Event::Express { store, step } => {
                self.with_express(core, store, |device, now, out| device.step(now, step, out));
            }
            Event::Nfs { share, step } => self.with_share(core, share, |device, now, out| device.step(now, step, out)),
            Event::Request { request } => self.request_passed(core, request),
            Event::Plan { action } => {
                let action = self.plan[action as usize].clone();
                self.act(core, &action);
            }
        }
        self.deliver_inbox(core);
    }

    fn discard(&mut self, _: &mut Core<Event>, _: Incarnation, event: Event) {
        self.free_payload(event);
    }
}

impl World {
    /// Steps a process and carries out what it wishes.
    fn step(&mut self, core: &mut Core<Event>, me: Incarnation, input: Input) {
        let slot = &mut self.nodes[me.node.0 as usize];
        let mut process = slot.process.take().expect("a process is not stepped within its own step");
        let mut effects = std::mem::take(&mut self.scratch.effects);
        debug_assert!(effects.is_empty(), "effects of an earlier step were left over");
        let (clock, now) = (core.clock(me.node), core.now());
        if let Some(recording) = &mut self.recording {
            recording.at(now);
        }
        process.step(
            &mut Cx {
                me,
                monotonic: clock.monotonic(now),
                wall: clock.wall(now),
                random: &mut slot.random,
                ids: &mut self.ids,
                effects: &mut effects,
                recording: self.recording.as_deref_mut(),
            },
            input,
        );
        slot.process = Some(process);
        self.heed_recording(core);
        self.carry_out(core, me, &mut effects);
        self.scratch.effects = effects;
    }

    /// Delivers what devices have answered, and what that leads to at once.
    fn deliver_inbox(&mut self, core: &mut Core<Event>) {
        // What is left when the run is over stays: "ends the run after this step", and a process that feeds itself at one
        // instant would never let the tank's caps see it.
        while !core.is_over()
            && let Some((to, input)) = self.inbox.pop_front()
        {
            let (kind, word) = (input.kind(), input.fingerprint());
            match core.admission(to) {
                Admission::Deliver => {
                    core.note(to, Event::Input { input: InputKey::null(), kind, word });
                    self.step(core, to, input);
                }
                Admission::Hold => {
                    let input = self.held.insert(input);
                    core.hold(to, Event::Input { input, kind, word });
                }
                Admission::Dead => {}
            }
        }
    }

    /// Frees what an event that will never be dispatched has in the slabs.
    fn free_payload(&mut self, event: Event) {
        match event {
            Event::Timer { timer, .. } => {
                self.ids.timers.remove(timer);
            }
            Event::Input { input, .. } => {
                self.held.remove(input);
            }
            Event::Boot => {}
            Event::Network(_)
            | Event::Host { .. }
            | Event::Volume { .. }
            | Event::Object { .. }
            | Event::Express { .. }
            | Event::Nfs { .. }
            | Event::Request { .. }
            | Event::Plan { .. } => unreachable!("{event:?} is the world's own and never discarded"),
        }
    }

    fn endpoint(&self, me: Incarnation) -> Endpoint {
        Endpoint { host: self.host_of(me.node), incarnation: me }
    }

    /// Where a node runs.
    pub fn host_of(&self, node: NodeId) -> HostId {
        self.nodes[node.0 as usize].host
    }

    /// In which zone a node runs.
    pub fn az_of(&self, node: NodeId) -> AzId {
        self.network.topology().az_of(self.host_of(node))
    }

    /// The network: what passed, what is connected.
    pub fn network(&self) -> &Network<impl Copy + use<>> {
        &self.network
    }

    /// A volume, for looking at.
    pub fn volume(&self, id: VolumeId) -> &Volume {
        &self.volumes[id.0 as usize]
    }

    /// An object store, for looking at.
    pub fn store(&self, id: StoreId) -> &ObjectStore {
        &self.stores[id.0 as usize]
    }

    /// An express store, for looking at.
    pub fn express(&self, id: ExpressId) -> &ExpressStore {
        &self.expresses[id.0 as usize]
    }

    /// A file share, for looking at.
    pub fn share(&self, id: ShareId) -> &NfsShare {
        &self.shares[id.0 as usize]
    }

    /// The anomalies that were drawn so far, or are to be replayed.
    pub fn anomalies(&self) -> &Anomalies {
        &self.anomalies
    }

    /// Promises that were broken.
    pub fn failures(&self) -> &[Failure] {
        &self.failures
    }

    /// What a process waits for, of what it is asked for; nothing when it is dead, or a guest.
    pub fn waits(&self, node: NodeId, want: Want) -> Vec<Wait> {
        self.nodes[node.0 as usize].process.as_ref().map_or_else(Vec::new, |process| process.waits(want))
    }

    /// How many payloads and names the world holds beyond open connections: zero when nothing is on its way.
    pub fn payloads(&self) -> usize {
        let on_cards = self.requests.len() + self.downloads.len();
        let payloads = self.messages.len() + self.jobs.len() + self.held.len() + on_cards;
        payloads + self.ids.timers.len() + self.ids.conns.len() - self.network.connection_count()
    }
}
