//! Breaking things, and mending them.

use super::{Event, ExpressId, Input, ShareId, Signal, StoreId, VolumeId, World};
use crate::cloud::express::ExpressFault;
use crate::cloud::host::HostFault;
use crate::cloud::network::{AzId, Death, HostId};
use crate::cloud::nfs::NfsFault;
use crate::cloud::object_store::ObjectStoreFault;
use crate::cloud::volume::{Survival, VolumeFault};
use crate::fault::{Fault, FaultId};
use crate::probe::Probe;
use wavetank_sim::{Core, DriftPpb, Incarnation, Nanos, NodeId, NodeState};
use wavetank_traces::{Concern, Finding, Severity};

/// What the checker of histories calls itself in findings.
pub const HISTORY: &str = "the history";

/// Who noticed that a promise was broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Witness {
    /// A process.
    Process(Incarnation),
    /// The online checker of what clients were told.
    History,
    /// An invariant of that name, from what processes expose.
    Invariant(&'static str),
}

/// A promise that was broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// When it showed.
    pub at: Nanos,
    /// Who noticed.
    pub by: Witness,
    /// What.
    pub why: String,
    /// What it is about, nearest first.
    pub about: Vec<Concern>,
}

impl Failure {
    /// As a finding, with names for people.
    pub fn as_finding(&self, core: &Core<Event>) -> Finding {
        let by = match self.by {
            Witness::Process(by) => format!("{} ({by})", core.node_name(by.node)),
            Witness::History => HISTORY.into(),
            Witness::Invariant(name) => name.into(),
        };
        let about = match self.by {
            Witness::Process(by) => vec![Concern::Node(core.node_name(by.node).into())],
            Witness::History | Witness::Invariant(_) => self.about.clone(),
        };
        Finding { severity: Severity::Violation, at_ns: self.at.0, by, why: self.why.clone(), about }
    }
}

/// One timed step of a plan.
#[derive(Clone, Debug)]
pub enum Action {
    /// The process ends at once (SIGKILL, out of memory): its memory is gone, the host's page cache is not.
    Kill(NodeId),
    /// A dead process is started again. Nothing happens while it lives, unless it was told to end: then it starts when it
    /// has. While its zone is down, it starts with the zone.
    Restart(NodeId),
    /// The process ends at once, as when it is killed, and nothing starts it again: neither its supervisor, nor its zone, nor a
    /// restart, until it is dug out.
    Bury(NodeId),
    /// What was buried may be started again, and is, now.
    DigOut(NodeId),
    /// A process is told something from outside. Nothing happens when it is dead.
    Signal(NodeId, Signal),
    /// The process is stopped (SIGSTOP, a debugger).
    Pause(NodeId),
    /// It goes on, when its host does.
    Resume(NodeId),
    /// The host loses power, with everything on it: page caches are gone. Processes stay down.
    PowerLoss(HostId, Survival),
    /// The instance is gone for good: local disks too.
    InstanceLost(HostId, Survival),
    /// An operator takes a volume from every host that has it.
    PullVolume(VolumeId, Survival),
    /// Whoever keeps account is told this, as if that process had said so.
    Tell(NodeId, Probe),
    /// A zone is gone for good: its instances with their local disks, its express stores' content. Its zonal volumes
    /// are out of reach until the fault of that id is healed, which stands for a restore by the provider.
    AzLost(FaultId, AzId),
    /// The node's wall clock jumps by nanoseconds.
    JumpClock(NodeId, i64),
    /// The node's clocks drift from now on.
    DriftClock(NodeId, DriftPpb),
    /// A fault begins.
    Inject(FaultId, Fault),
    /// A fault ends.
    Heal(FaultId),
    /// From now on operations meet nothing beyond the ordinary.
    EndAnomalies,
    /// The world's director decides now what is done: what depends on what has happened until then.
    Direct(u32),
}

/// Decides in the middle of a run what a plan leaves open: who is hit by a fault that names the busiest broker.
pub trait Director: Send {
    /// The plan's step of that number is due.
    fn direct(&mut self, world: &mut World, core: &mut Core<Event>, what: u32);
}

/// What a process has just said or done, for a [`Lookout`].
#[derive(Clone, Copy, Debug)]
pub enum Said<'a> {
    /// A life of it has begun.
    Started,
    /// It marked a situation.
    Mark(&'static str),
    /// It made a probe.
    Probe(&'a Probe),
}

/// Acts on what processes say, as they say it: puts on the plan what waits for a step of somebody's protocol.
///
/// It is told within the step in which the process said so, so what it plans for this instant comes after everything else
/// that the step wished for.
pub trait Lookout: Send {
    /// Somebody said something. Returns whether it listens on; when it does not, nothing is told any more and nothing costs
    /// anything.
    fn hears(&mut self, world: &mut World, core: &mut Core<Event>, by: Incarnation, said: Said<'_>) -> bool;
}

impl World {
    /// From now on, this hears what processes say.
    pub fn set_lookout(&mut self, lookout: Box<dyn Lookout>) {
        self.lookout = Some(lookout);
    }

    pub(super) fn tell_lookout(&mut self, core: &mut Core<Event>, by: Incarnation, said: Said<'_>) {
        if let Some(mut lookout) = self.lookout.take()
            && lookout.hears(self, core, by, said)
        {
            self.lookout = Some(lookout);
        }
    }

    /// From now on, this decides what [`Action::Direct`] does.
    pub fn set_director(&mut self, director: Box<dyn Director>) {
        self.director = Some(director);
    }

    fn direct(&mut self, core: &mut Core<Event>, what: u32) {
        let mut director = self.director.take().expect("a plan with open steps has a director");
        director.direct(self, core, what);
        self.director = Some(director);
    }

    /// Does what a plan says, now.
    pub fn act(&mut self, core: &mut Core<Event>, action: &Action) {
        tracing::info!(?action, "plan");
        match action {
            Action::Kill(node) => self.kill(core, *node),
            Action::Restart(node) => self.restart(core, *node),
            Action::Bury(node) => {
                self.buried.insert(*node);
                self.kill(core, *node);
            }
            Action::DigOut(node) => {
                self.buried.remove(node);
                self.restart(core, *node);
            }
            Action::Signal(node, signal) => self.signal(core, *node, *signal),
            Action::Pause(node) => self.pause(core, *node),
            Action::Resume(node) => self.resume(core, *node),
            Action::PowerLoss(host, survival) => self.power_loss(core, *host, *survival),
            Action::InstanceLost(host, survival) => self.instance_lost(core, *host, *survival),
            Action::PullVolume(volume, survival) => {
                self.with_volume(core, *volume, |device, now, out| device.pull(now, *survival, out));
            }
            Action::Tell(node, probe) => self.heed_probe(core, core.incarnation(*node), probe),
            Action::AzLost(id, az) => self.az_lost(core, *id, *az),
            Action::JumpClock(node, by) => core.jump_clock(*node, *by),
            Action::DriftClock(node, drift) => core.set_clock_drift(*node, *drift),
            Action::Inject(id, fault) => self.inject(core, *id, fault.clone()),
            Action::Heal(id) => self.heal(core, *id),
            Action::EndAnomalies => self.anomalies.end(),
            Action::Direct(what) => self.direct(core, *what),
        }
    }

    /// Ends a process. Its peers' kernels learn of it, its unsynced writes stay in the page cache, requests that left
    /// it go on.
    pub fn kill(&mut self, core: &mut Core<Event>, node: NodeId) {
        self.end_life(core, node, Death::Process);
    }

    /// Starts a dead process again: see [`Action::Restart`].
    pub fn restart(&mut self, core: &mut Core<Event>, node: NodeId) {
        if self.buried.contains(&node) {
            return;
        }
        if core.node_state(node) != NodeState::Down {
            if self.dismissed.contains(&node) {
                self.returning.insert(node);
            }
            return;
        }
        if let Some(waiting) = self.darkness_over(node) {
            if !waiting.contains(&node) {
                waiting.push(node);
            }
            return;
        }
        self.dismissed.remove(&node);
        self.returning.remove(&node);
        let life = core.restart(node);
        self.begin_life(core, life);
    }

    /// Tells a process something from outside. One that is told to end is not started again by its supervisor, however
    /// it ends. Nothing happens when it is dead.
    pub fn signal(&mut self, core: &mut Core<Event>, node: NodeId, signal: Signal) {
        if core.node_state(node) == NodeState::Down {
            return;
        }
        if signal == Signal::Terminate {
            self.dismissed.insert(node);
        }
        self.inbox.push_back((core.incarnation(node), Input::Signal(signal)));
    }

    /// What starts when the zone of a node is back, if that is down.
    fn darkness_over(&mut self, node: NodeId) -> Option<&mut Vec<NodeId>> {
        let down = Fault::AzDown(self.network.topology().az_of(self.host_of(node)));
        let id = self.faults.iter().find(|(_, fault)| **fault == down).map(|(id, _)| *id)?;
        self.dark_azs.get_mut(&id)
    }

    /// Stops a process (SIGSTOP). Nothing happens when it is dead; the stop ends with its life.
    pub fn pause(&mut self, core: &mut Core<Event>, node: NodeId) {
        if core.node_state(node) != NodeState::Down {
            self.stopped.insert(node);
            core.pause(node);
        }
    }

    /// Lets a stopped process go on (SIGCONT): at once, or when its host does.
    pub fn resume(&mut self, core: &mut Core<Event>, node: NodeId) {
        if self.stopped.remove(&node) && !self.is_frozen(self.host_of(node)) {
            core.resume(node);
        }
    }

    /// Whether a fault holds all of the host's processes still.
    pub(super) fn is_frozen(&self, host: HostId) -> bool {
        self.collecting.contains(&host)
            || self.faults.values().any(|fault| *fault == Fault::Host(host, HostFault::Pause))
    }

    /// A stop-the-world collection holds a host's processes still, as a pause does: heartbeats are missed.
    pub(super) fn collection_began(&mut self, core: &mut Core<Event>, host: HostId) {
        self.collecting.insert(host);
        self.nodes_on(host).into_iter().for_each(|node| core.pause(node));
    }

    pub(super) fn collection_ended(&mut self, core: &mut Core<Event>, host: HostId) {
        self.collecting.remove(&host);
        self.thaw(core, host);
    }

    /// Lets go on what neither its host nor anybody else holds still.
    fn thaw(&mut self, core: &mut Core<Event>, host: HostId) {
        if !self.is_frozen(host) {
            let going_on = self.nodes_on(host).into_iter().filter(|node| !self.stopped.contains(node));
            going_on.for_each(|node| core.resume(node));
        }
    }

    /// Turns a host off: every process on it dies without a word, and its page caches are gone.
    pub fn power_loss(&mut self, core: &mut Core<Event>, host: HostId, survival: Survival) {
        self.cut_power(core, host);
        for volume in self.volumes_at(host) {
            self.with_volume(core, volume, |device, now, out| {
                device.power_loss(now, host, survival, out);
            });
        }
    }

    /// Loses an instance for good: as [`power_loss`](World::power_loss), and its local disks are empty afterwards.
    pub fn instance_lost(&mut self, core: &mut Core<Event>, host: HostId, survival: Survival) {
        self.cut_power(core, host);
        for volume in self.volumes_at(host) {
            self.with_volume(core, volume, |device, now, out| {
                device.instance_lost(now, host, survival, out);
            });
        }
    }

    fn cut_power(&mut self, core: &mut Core<Event>, host: HostId) {
        self.requests_lose_power(host);
        for node in self.nodes_on(host) {
            if core.node_state(node) == NodeState::Down {
                // What it had left to the kernel goes with the kernel.
                let life = core.incarnation(node);
                self.with_network(core, |network, now, out| network.endpoint_died(now, life, Death::Host, out));
            } else {
                self.end_life(core, node, Death::Host);
            }
        }
    }

    fn end_life(&mut self, core: &mut Core<Event>, node: NodeId, death: Death) {
        if core.node_state(node) == NodeState::Down {
            return;
        }
        let life = core.incarnation(node);
        let mut freed = Vec::new();
        core.kill(node, |event| freed.push(event));
        freed.into_iter().for_each(|event| self.free_payload(event));
        self.nodes[node.0 as usize].process = None;
        if let Some(recording) = &mut self.recording {
            recording.at(core.now());
            recording.life_ended(node);
        }
        self.stopped.remove(&node);
        self.with_network(core, |network, now, out| network.endpoint_died(now, life, death, out));
        self.with_host(core, self.host_of(node), |host, now, out| host.process_died(now, life, out));
        self.tell_devices_of_death(core, life, death);
    }

    fn tell_devices_of_death(&mut self, core: &mut Core<Event>, life: Incarnation, death: Death) {
        for id in (0..self.volumes.len() as u32).map(VolumeId) {
            self.with_volume(core, id, |device, now, out| device.process_crash(now, life, out));
        }
        for id in (0..self.stores.len() as u32).map(StoreId) {
            self.with_store(core, id, |device, _, _| device.owner_died(life));
        }
        for id in (0..self.expresses.len() as u32).map(ExpressId) {
            self.with_express(core, id, |device, _, _| device.owner_died(life));
        }
        for id in (0..self.shares.len() as u32).map(ShareId) {
            if death == Death::Process {
                self.with_share(core, id, |device, _, _| device.process_died(life));
            }
        }
    }

    // ---- faults ----

    /// A fresh name for a fault.
    pub fn next_fault_id(&mut self) -> FaultId {
        self.next_fault += 1;
        FaultId(self.next_fault)
    }

    /// A fault begins.
    ///
    /// # Panics
    /// When the id holds already.
    pub fn inject(&mut self, core: &mut Core<Event>, id: FaultId, fault: Fault) {
        self.next_fault = self.next_fault.max(id.0);
        assert!(self.faults.insert(id, fault.clone()).is_none(), "{id} holds already");
        match fault {
            Fault::Network(fault) => self.with_network(core, |device, now, out| device.inject(now, id, fault, out)),
            Fault::Host(host, fault) => {
                if fault == HostFault::Pause {
                    self.nodes_on(host).into_iter().for_each(|node| core.pause(node));
                }
                self.with_host(core, host, |device, now, out| device.inject(now, id, fault, out));
            }
            Fault::Volume(volume, fault) => {
                self.with_volume(core, volume, |device, now, out| device.inject(now, id, fault, out));
            }
            Fault::Object(store, fault) => {
                self.with_store(core, store, |device, now, out| device.inject(now, id, fault, out));
            }
            Fault::Express(store, fault) => {
                self.with_express(core, store, |device, now, out| device.inject(now, id, fault, out));
            }
            Fault::Nfs(share, fault) => {
                self.with_share(core, share, |device, now, out| device.inject(now, id, fault, out));
            }
            Fault::AzDown(az) => self.az_down(core, id, az),
        }
    }

    /// A fault ends. Nothing happens when it does not hold.
    pub fn heal(&mut self, core: &mut Core<Event>, id: FaultId) {
        let Some(fault) = self.faults.remove(&id) else { return };
        match fault {
            Fault::Network(_) => self.with_network(core, |device, now, out| device.heal(now, id, out)),
            Fault::Host(host, fault) => {
                self.with_host(core, host, |device, now, out| device.heal(now, id, out));
                if fault == HostFault::Pause {
                    self.thaw(core, host);
                }
            }
            Fault::Volume(volume, _) => self.with_volume(core, volume, |device, now, out| device.heal(now, id, out)),
            Fault::Object(store, _) => self.with_store(core, store, |device, now, out| device.heal(now, id, out)),
            Fault::Express(store, _) => self.with_express(core, store, |device, now, out| device.heal(now, id, out)),
            Fault::Nfs(share, _) => self.with_share(core, share, |device, now, out| device.heal(now, id, out)),
            Fault::AzDown(_) => self.az_up(core, id),
        }
    }
}

/// Whole hosts and zones.
impl World {
    pub(super) fn nodes_on(&self, host: HostId) -> Vec<NodeId> {
        (0..self.nodes.len() as u32).map(NodeId).filter(|node| self.host_of(*node) == host).collect()
    }

    fn volumes_at(&self, host: HostId) -> Vec<VolumeId> {
        (0..self.volumes.len() as u32).map(VolumeId).filter(|id| self.volume(*id).is_attached_to(host)).collect()
    }

    fn hosts_in(&self, az: AzId) -> Vec<HostId> {
        let topology = self.network.topology();
        (0..self.hosts.len() as u32).map(HostId).filter(|host| topology.az_of(*host) == az).collect()
    }

    fn az_down(&mut self, core: &mut Core<Event>, id: FaultId, az: AzId) {
        let mut ran = Vec::new();
        for host in self.hosts_in(az) {
            ran.extend(self.nodes_on(host).into_iter().filter(|node| core.node_state(*node) != NodeState::Down));
            self.power_loss(core, host, Survival::Drawn);
        }
        self.dark_azs.insert(id, ran);
        for volume in (0..self.volumes.len() as u32).map(VolumeId) {
            self.with_volume(core, volume, |device, now, out| device.inject(now, id, VolumeFault::AzDown { az }, out));
        }
        for store in (0..self.stores.len() as u32).map(StoreId) {
            let fault = ObjectStoreFault::Outage { az: Some(az.0) };
            self.with_store(core, store, |device, now, out| device.inject(now, id, fault, out));
        }
        for store in (0..self.expresses.len() as u32).map(ExpressId) {
            if self.express(store).az() == az.0 {
                self.with_express(core, store, |device, now, out| device.inject(now, id, ExpressFault::AzDown, out));
            }
        }
        for share in (0..self.shares.len() as u32).map(ShareId) {
            self.with_share(core, share, |device, now, out| device.inject(now, id, NfsFault::AzDown { az: az.0 }, out));
        }
    }

    fn az_lost(&mut self, core: &mut Core<Event>, id: FaultId, az: AzId) {
        for host in self.hosts_in(az) {
            self.instance_lost(core, host, Survival::Drawn);
        }
        self.inject(core, id, Fault::AzDown(az));
        for store in self.expresses.iter_mut().filter(|store| store.az() == az.0) {
            store.az_lost(core.now());
        }
    }

    fn az_up(&mut self, core: &mut Core<Event>, id: FaultId) {
        for volume in (0..self.volumes.len() as u32).map(VolumeId) {
            self.with_volume(core, volume, |device, now, out| device.heal(now, id, out));
        }
        for store in (0..self.stores.len() as u32).map(StoreId) {
            self.with_store(core, store, |device, now, out| device.heal(now, id, out));
        }
        for store in (0..self.expresses.len() as u32).map(ExpressId) {
            self.with_express(core, store, |device, now, out| device.heal(now, id, out));
        }
        for share in (0..self.shares.len() as u32).map(ShareId) {
            self.with_share(core, share, |device, now, out| device.heal(now, id, out));
        }
        for node in self.dark_azs.remove(&id).expect("a zone that went dark") {
            // Another fault may keep the zone dark: then it waits for that one.
            self.restart(core, node);
        }
    }
}
