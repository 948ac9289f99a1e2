//! Building a world, and running it.

use super::{Action, Audience, Event, ExpressId, Guest, Happening, Process, ShareId, Slot, StoreId, VolumeId, World};
use crate::anomaly::Anomalies;
use crate::cloud::express::ExpressStore;
use crate::cloud::host::{Host, HostSpec, HostSpecError};
use crate::cloud::network::{AzId, HostId, Network, NetworkProfile, NicSpec, RegionId, Topology};
use crate::cloud::nfs::NfsShare;
use crate::cloud::object_store::ObjectStore;
use crate::cloud::volume::Volume;
use crate::probe::ProbeSink;
use slotmap::SlotMap;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use wavetank_sim::{
    Choices, Core, GuestFuture, Incarnation, Limits, Nanos, NodeId, Observer, Outcome, SortedMap, SortedSet, Tank,
};

/// What a life of a node is made of.
pub enum Behaviour {
    /// A state machine, stepped inline: what brokers, controllers and clients are.
    Machine(Box<dyn Process>),
    /// An ordinary future.
    Guest(Box<dyn FnOnce(Guest) -> GuestFuture + Send>),
}

/// Makes a node's next life: called when the node is made and at each restart. Nothing but what it captures, and what
/// devices hold, is known to the new life.
pub type Factory = Box<dyn FnMut(Incarnation) -> Behaviour + Send>;

/// The map and the hosts: what must be known before anything can run.
#[derive(Clone, Debug)]
pub struct CloudSpec {
    topology: Topology,
    hosts: Vec<HostSpec>,
    network: NetworkProfile,
}

impl CloudSpec {
    /// An empty map.
    pub fn new(network: NetworkProfile) -> CloudSpec {
        CloudSpec { topology: Topology::new(), hosts: Vec::new(), network }
    }

    /// One region with three zones.
    pub fn three_azs(network: NetworkProfile) -> (CloudSpec, [AzId; 3]) {
        let mut spec = CloudSpec::new(network);
        let region = spec.region("region");
        let azs = ["az-a", "az-b", "az-c"].map(|name| spec.az(region, name));
        (spec, azs)
    }

    /// Adds a region.
    pub fn region(&mut self, name: &str) -> RegionId {
        self.topology.add_region(name)
    }

    /// Adds a zone.
    pub fn az(&mut self, region: RegionId, name: &str) -> AzId {
        self.topology.add_az(region, name)
    }

    /// Adds a host.
    ///
    /// # Errors
    /// When the host's figures make no sense.
    pub fn host(&mut self, az: AzId, nic: NicSpec, host: HostSpec) -> Result<HostId, HostSpecError> {
        host.validate()?;
        self.hosts.push(host);
        let id = self.topology.add_host(az, nic);
        assert_eq!(id.0 as usize + 1, self.hosts.len(), "hosts are numbered as they come");
        Ok(id)
    }
}

/// Runs a world to its end on this thread.
///
/// `build` fills it (devices, nodes, plan); `finish` takes out what is wanted.
pub fn launch<R>(
    choices: impl Into<Choices>,
    limits: Limits,
    observer: Option<Observer<Event>>,
    cloud: CloudSpec,
    build: impl FnOnce(&mut World, &mut Core<Event>, &Arc<Tank<Event>>),
    finish: impl FnOnce(&mut World, &mut Core<Event>, Outcome<Event>) -> R,
) -> R {
    wavetank_sim::run(
        choices,
        limits,
        observer,
        |tank, core| {
            let choices = *core.choices();
            let world = Arc::new_cyclic(|me| Mutex::new(World::new(cloud, &choices, me.clone(), Arc::downgrade(tank))));
            let mut inside = world.lock().expect("nobody else has it yet");
            inside.start_hosts(core);
            build(&mut inside, core, tank);
            drop(inside);
            world
        },
        finish,
    )
}

impl World {
    fn new(
        cloud: CloudSpec,
        choices: &Choices,
        me: std::sync::Weak<Mutex<World>>,
        tank: std::sync::Weak<Tank<Event>>,
    ) -> World {
        let host = |(n, spec): (usize, HostSpec)| Host::new(spec, choices, n as u64).expect("checked when added");
        World {
            me,
            tank,
            network: Network::new(cloud.topology, cloud.network, choices),
            hosts: cloud.hosts.into_iter().enumerate().map(host).collect(),
            volumes: Vec::new(),
            stores: Vec::new(),
            expresses: Vec::new(),
            shares: Vec::new(),
            nodes: Vec::new(),
            ids: super::Ids::default(),
            messages: SlotMap::with_key(),
            jobs: SlotMap::with_key(),
            held: SlotMap::with_key(),
            requests: SlotMap::with_key(),
            downloads: SlotMap::with_key(),
            inbox: VecDeque::new(),
            faults: SortedMap::new(),
            next_fault: 0,
            dark_azs: SortedMap::new(),
            stopped: SortedSet::new(),
            collecting: SortedSet::new(),
            supervised: SortedMap::new(),
            dismissed: SortedSet::new(),
            returning: SortedSet::new(),
            buried: SortedSet::new(),
            anomalies: Anomalies::off(),
            plan: Vec::new(),
            failures: Vec::new(),
            stop_at_failure: true,
            recording: None,
            probes: None,
            audience: Audience::default(),
            director: None,
            lookout: None,
            scratch: super::Scratch::default(),
        }
    }

    fn start_hosts(&mut self, core: &mut Core<Event>) {
        for host in 0..self.hosts.len() as u32 {
            self.with_host(core, HostId(host), |host, now, out| host.start(now, out));
        }
    }

    /// Adds a volume.
    pub fn add_volume(&mut self, volume: Volume) -> VolumeId {
        self.volumes.push(volume);
        VolumeId(self.volumes.len() as u32 - 1)
    }

    /// Adds an object store.
    pub fn add_store(&mut self, store: ObjectStore) -> StoreId {
        self.stores.push(store);
        StoreId(self.stores.len() as u32 - 1)
    }

    /// Adds an express store.
    pub fn add_express(&mut self, store: ExpressStore) -> ExpressId {
        self.expresses.push(store);
        ExpressId(self.expresses.len() as u32 - 1)
    }

    /// Adds a file share.
    pub fn add_share(&mut self, share: NfsShare) -> ShareId {
        self.shares.push(share);
        ShareId(self.shares.len() as u32 - 1)
    }

    /// Adds a node on a host; its first life boots now.
    pub fn add_node(&mut self, core: &mut Core<Event>, name: &str, host: HostId, factory: Factory) -> NodeId {
        let node = core.create_node(name);
        assert_eq!(node.0 as usize, self.nodes.len(), "all nodes of a tank are the world's");
        self.audience.hear(core.now(), &Happening::Named { node, name });
        let random = core.choices().stream(super::process::PROCESS, u64::from(node.0));
        self.nodes.push(Slot { host, factory, process: None, random });
        self.begin_life(core, core.incarnation(node));
        node
    }

    /// From now on, operations meet these anomalies.
    pub fn set_anomalies(&mut self, anomalies: Anomalies) {
        self.anomalies = anomalies;
    }

    /// From now on, probes are told to this.
    pub fn set_probes(&mut self, sink: Box<dyn ProbeSink>) {
        self.probes = Some(sink);
    }

    /// From now on, these look on: what they are to know of nodes they hear when nodes are made.
    pub fn set_audience(&mut self, audience: Audience) {
        self.audience = audience;
    }

    /// Whether a broken promise ends the run (as it does unless told otherwise).
    pub fn set_stop_at_failure(&mut self, stop: bool) {
        self.stop_at_failure = stop;
    }

    /// From now on, when this node's process ends itself ([`Cx::exit`](super::Cx::exit)), a supervisor (systemd,
    /// Kubernetes) starts it again after that time.
    pub fn supervise(&mut self, node: NodeId, restart_after: Nanos) {
        self.supervised.insert(node, restart_after);
    }

    /// Puts an action on the plan.
    pub fn plan(&mut self, core: &mut Core<Event>, at: Nanos, action: Action) {
        let index = u32::try_from(self.plan.len()).expect("a plan of fewer than 2^32 actions");
        self.plan.push(action);
        core.schedule(at, Event::Plan { action: index });
    }

    /// Makes a node's life: its struct and its boot, with which it begins to listen on the network.
    pub(super) fn begin_life(&mut self, core: &mut Core<Event>, life: Incarnation) {
        let slot = &mut self.nodes[life.node.0 as usize];
        let process = match (slot.factory)(life) {
            Behaviour::Machine(process) => process,
            Behaviour::Guest(body) => self.host_guest(core, life, body),
        };
        self.nodes[life.node.0 as usize].process = Some(process);
        core.schedule_to(core.now(), life, Event::Boot);
        if self.is_frozen(self.host_of(life.node)) {
            core.pause(life.node);
        }
    }
}
