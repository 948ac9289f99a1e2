//! A storm goes on a world's plan.

use super::blow::{Blow, Direction, Goal, Place, ShareBlow, Storage, StoreBlow, VolumeBlow};
use super::lookout::{Lookout, Strikes, Waiting};
use super::member::{Member, Role};
use super::{Operations, Storm};
use std::ops::Range;
use wavetank_models::anomaly::Anomalies;
use wavetank_models::cloud::express::ExpressFault;
use wavetank_models::cloud::host::HostFault;
use wavetank_models::cloud::network::{AzId, HostId, LinkClass, NetworkFault, PartitionDirection, Scope};
use wavetank_models::cloud::nfs::NfsFault;
use wavetank_models::cloud::object_store::ObjectStoreFault;
use wavetank_models::cloud::volume::{Survival, VolumeFault};
use wavetank_models::fault::Fault;
use wavetank_models::kafka::ids::BrokerId;
use wavetank_models::probe::Probe;
use wavetank_models::world::{Action, Event, ExpressId, ShareId, Signal, StoreId, VolumeId, World};
use wavetank_sim::{Core, Nanos, NodeId, SortedMap};

/// Where a member is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Target {
    pub(crate) node: NodeId,
    pub(crate) host: HostId,
    /// Its own, where it has one that storms aim at.
    pub(crate) volume: Option<VolumeId>,
}

/// Everything in a world that a storm can aim at. What a storm names is here: it was [checked](Storm::check).
pub(crate) struct Targets {
    pub(crate) members: SortedMap<Member, Target>,
    pub(crate) zones: Vec<AzId>,
    pub(crate) store: StoreId,
    pub(crate) express: Vec<ExpressId>,
    pub(crate) share: Option<ShareId>,
    /// Whoever does what operators do, if there is anybody.
    pub(crate) operator: Option<Operator>,
    /// The members of each group; those of jobs have none.
    pub(crate) groups: Vec<Vec<NodeId>>,
    /// The brokers whose logs are on each express store.
    pub(crate) express_logs: Vec<Vec<Member>>,
}

/// Who does what operators do by tools, and how it is told: what makes a signal's number of an errand.
pub(crate) struct Operator {
    pub(crate) admin: NodeId,
    pub(crate) order: Box<dyn Fn(Errand) -> u64 + Send>,
}

/// What an operator asks of a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Errand {
    /// A partition is to be led by a broker.
    MovePartition { topic: u32, partition: u32, to: u32 },
    /// A topic keeps records so long and so many bytes; none: as brokers do by themselves.
    Retain { topic: u32, time: Option<Nanos>, bytes: Option<u64> },
    /// A group's offsets are to be elsewhere; tried until then.
    ResetOffsets { group: u32, to: Goal, until: Nanos },
}

impl Targets {
    fn at(&self, member: Member) -> Target {
        *self.members.get(&member).unwrap_or_else(|| panic!("a checked storm names no {member}"))
    }

    /// The signal that sends the operator on an errand.
    fn errand(&self, errand: Errand) -> Action {
        let operator = self.operator.as_ref().expect("a checked storm has operators at work where there are any");
        Action::Signal(operator.admin, Signal::Order((operator.order)(errand)))
    }

    fn volume_of(&self, member: Member) -> VolumeId {
        self.at(member).volume.expect("a checked storm hits the volumes that there are")
    }

    /// The brokers whose logs are kept on what a blow loses.
    pub(crate) fn logs_lost_by(&self, what: &Blow) -> Vec<Member> {
        match what {
            Blow::Volume { of, fault: VolumeBlow::Lost } => vec![*of],
            Blow::ExpressLost(store) => self.express_logs[*store as usize].clone(),
            Blow::Share(ShareBlow::Lost) => {
                self.members.keys().copied().filter(|member| member.role == Role::Broker).collect()
            }
            _ => Vec::new(),
        }
    }

    fn scope(&self, place: Place) -> Scope {
        match place {
            Place::Everywhere => Scope::All,
            Place::Member(member) => Scope::Host(self.at(member).host),
            Place::Zone(zone) => Scope::Az(self.zones[zone as usize]),
            Place::Storage(Storage::Object) => Scope::Storage(LinkClass::ObjectStorage),
            Place::Storage(Storage::Block) => Scope::Storage(LinkClass::BlockStorage),
            Place::Storage(Storage::File) => Scope::Storage(LinkClass::FileStorage),
        }
    }
}

impl Operations {
    /// From now on operations meet this, until the plan ends it.
    pub(crate) fn begin(&self, world: &mut World, core: &Core<Event>) {
        match self {
            Operations::Ordinary => {}
            Operations::Rates(rates) => world.set_anomalies(Anomalies::explore((**rates).clone(), core.choices())),
            Operations::Fates(list) => {
                world.set_anomalies(Anomalies::replay(list.iter().map(|met| (met.operation, met.fate))));
            }
        }
    }
}

impl Storm {
    /// Puts the entries on the plan, in their order; those that wait for a step go on it when the step comes, and the
    /// strikes tell of them. What is never healed by the plan comes back.
    pub(crate) fn put_on_plan(
        &self,
        world: &mut World,
        core: &mut Core<Event>,
        targets: Targets,
        strikes: &Strikes,
    ) -> Vec<Permanent> {
        let (mut waiting, mut permanent) = (Vec::new(), Vec::new());
        for (place, entry) in self.entries.iter().enumerate() {
            let (start, end, what) = (entry.start, entry.end, entry.what.clone());
            match entry.aim {
                Some(aim) => waiting.push(Waiting { entry: place, aim, start, end, what, seen: 0 }),
                None if entry.permanent => permanent.push(put_for_good(&entry.what, world, core, &targets, start)),
                None => put(&entry.what, world, core, &targets, start..end),
            }
        }
        if !waiting.is_empty() {
            world.set_lookout(Box::new(Lookout::new(waiting, targets, strikes.clone())));
        }
        permanent
    }
}

/// What the plan never heals.
#[derive(Clone, Debug)]
pub(crate) struct Permanent {
    /// What it is.
    pub(crate) what: Blow,
    /// What would mend it.
    pub(crate) mend: Vec<Action>,
}

/// The order to a job manager that takes others back.
const AS_AT_THE_BEGINNING: u64 = 0;

/// Puts what is never healed on the plan.
fn put_for_good(what: &Blow, world: &mut World, core: &mut Core<Event>, targets: &Targets, start: Nanos) -> Permanent {
    let buried = |nodes: Vec<NodeId>| (nodes.clone(), nodes.into_iter().map(Action::DigOut).collect());
    let (nodes, mend): (Vec<NodeId>, Vec<Action>) = match what {
        Blow::Kill(member) => buried(vec![targets.at(*member).node]),
        Blow::PowerLoss(member) => {
            let host = targets.at(*member).host;
            world.plan(core, start, Action::PowerLoss(host, Survival::Drawn));
            let there = targets.members.values().filter(|target| target.host == host);
            buried(there.map(|target| target.node).collect())
        }
        other => {
            let (id, fault) = (world.next_fault_id(), other.fault(targets));
            world.plan(core, start, Action::Inject(id, fault));
            (Vec::new(), vec![Action::Heal(id)])
        }
    };
    nodes.into_iter().for_each(|node| world.plan(core, start, Action::Bury(node)));
    Permanent { what: what.clone(), mend }
}

/// Puts a blow on the plan.
pub(crate) fn put(what: &Blow, world: &mut World, core: &mut Core<Event>, targets: &Targets, during: Range<Nanos>) {
    let mut plan = |at: Nanos, action| world.plan(core, at, action);
    let (start, end) = (during.start, during.end);
    for owner in targets.logs_lost_by(what) {
        let lost = Probe::WalLost { wal: BrokerId(owner.number) };
        plan(start, Action::Tell(targets.at(owner).node, lost));
    }
    match what {
        Blow::Kill(member) => {
            let node = targets.at(*member).node;
            plan(start, Action::Kill(node));
            return plan(end, Action::Restart(node));
        }
        Blow::Terminate(member) => {
            let node = targets.at(*member).node;
            plan(start, Action::Signal(node, Signal::Terminate));
            return plan(end, Action::Restart(node));
        }
        Blow::Pause(member) => {
            let node = targets.at(*member).node;
            plan(start, Action::Pause(node));
            return plan(end, Action::Resume(node));
        }
        Blow::PowerLoss(member) => {
            let host = targets.at(*member).host;
            plan(start, Action::PowerLoss(host, Survival::Drawn));
            let there = targets.members.values().filter(|target| target.host == host);
            return there.for_each(|target| plan(end, Action::Restart(target.node)));
        }
        Blow::Clock { of, jump_ns, drift_ppb } => {
            let node = targets.at(*of).node;
            plan(start, Action::JumpClock(node, *jump_ns));
            if let Some(drift) = drift_ppb {
                plan(start, Action::DriftClock(node, *drift));
                plan(end, Action::DriftClock(node, 0));
            }
            return;
        }
        Blow::Volume { of, fault: VolumeBlow::Detach } => {
            plan(start, Action::PullVolume(targets.volume_of(*of), Survival::Drawn));
            return plan(end, Action::Restart(targets.at(*of).node));
        }
        Blow::MovePartition { topic, partition, to } => {
            let (topic, partition) = (*topic, *partition);
            return plan(start, targets.errand(Errand::MovePartition { topic, partition, to: to.number }));
        }
        Blow::Retain { topic, time, bytes } => {
            let (topic, time, bytes) = (*topic, *time, *bytes);
            plan(start, targets.errand(Errand::Retain { topic, time, bytes }));
            return plan(end, targets.errand(Errand::Retain { topic, time: None, bytes: None }));
        }
        Blow::Rescale { job, parallelism } => {
            let job_manager = targets.at(Role::JobManager.nth(*job as usize)).node;
            plan(start, Action::Signal(job_manager, Signal::Order(u64::from(*parallelism))));
            return plan(end, Action::Signal(job_manager, Signal::Order(AS_AT_THE_BEGINNING)));
        }
        Blow::ResetOffsets { group, to } => {
            for node in &targets.groups[*group as usize] {
                plan(start, Action::Signal(*node, Signal::Terminate));
                plan(end, Action::Restart(*node));
            }
            let (group, to) = (*group, *to);
            return plan(start, targets.errand(Errand::ResetOffsets { group, to, until: end }));
        }
        _ => {}
    }
    let (id, fault) = (world.next_fault_id(), what.fault(targets));
    world.plan(core, start, Action::Inject(id, fault));
    world.plan(core, end, Action::Heal(id));
}

impl Blow {
    /// As a fault of a world's device or zone.
    ///
    /// # Panics
    /// When it is something that is done to a process, or to a clock.
    fn fault(&self, targets: &Targets) -> Fault {
        match self {
            Blow::PauseHost(member) => Fault::Host(targets.at(*member).host, HostFault::Pause),
            Blow::SlowHost { of, factor } => {
                Fault::Host(targets.at(*of).host, HostFault::Slow { num: *factor, den: 1 })
            }
            Blow::ZoneDown(zone) => Fault::AzDown(targets.zones[*zone as usize]),
            Blow::Cut { .. } | Blow::Clog { .. } | Blow::Grey { .. } | Blow::Resets { .. } => {
                Fault::Network(network_fault(self, targets))
            }
            Blow::Volume { of, fault } => Fault::Volume(targets.volume_of(*of), volume_fault(*fault)),
            Blow::Store(StoreBlow::Brownout { latency_percent, error_ppm }) => {
                let (latency_percent, error_ppm) = (*latency_percent, *error_ppm);
                Fault::Object(targets.store, ObjectStoreFault::Brownout { az: None, latency_percent, error_ppm })
            }
            Blow::Store(StoreBlow::Outage) => Fault::Object(targets.store, ObjectStoreFault::Outage { az: None }),
            Blow::ExpressDown(store) => Fault::Express(targets.express[*store as usize], ExpressFault::AzDown),
            Blow::ExpressLost(store) => Fault::Express(targets.express[*store as usize], ExpressFault::Lost),
            Blow::Share(fault) => {
                let share = targets.share.expect("a checked storm hits a share where there is one");
                Fault::Nfs(share, share_fault(*fault))
            }
            Blow::Kill(_)
            | Blow::Terminate(_)
            | Blow::Pause(_)
            | Blow::PowerLoss(_)
            | Blow::Clock { .. }
            | Blow::MovePartition { .. }
            | Blow::Retain { .. }
            | Blow::ResetOffsets { .. }
            | Blow::Rescale { .. } => unreachable!("{self:?} is no fault of a device"),
        }
    }
}

/// Of the blows that are the network's.
fn network_fault(blow: &Blow, targets: &Targets) -> NetworkFault {
    let scopes = |from: &Place, to: &Place| (targets.scope(*from), targets.scope(*to));
    match blow {
        Blow::Cut { from, to, direction } => {
            let (from, to) = scopes(from, to);
            let direction = match direction {
                Direction::OneWay => PartitionDirection::OneWay,
                Direction::TwoWay => PartitionDirection::TwoWay,
            };
            NetworkFault::Partition { from, to, direction }
        }
        Blow::Clog { from, to } => {
            let (from, to) = scopes(from, to);
            NetworkFault::Clog { from, to }
        }
        Blow::Grey { from, to, latency_factor, bandwidth_divisor } => {
            let ((from, to), latency_factor) = (scopes(from, to), (*latency_factor, 1));
            NetworkFault::Grey { from, to, latency_factor, bandwidth_divisor: *bandwidth_divisor }
        }
        Blow::Resets { from, to, every, ratio_ppm } => {
            let (from, to) = scopes(from, to);
            NetworkFault::ResetStorm { from, to, every: *every, ratio_ppm: *ratio_ppm }
        }
        other => unreachable!("{other:?} is no fault of the network"),
    }
}

fn volume_fault(blow: VolumeBlow) -> VolumeFault {
    match blow {
        VolumeBlow::Stall => VolumeFault::Stall,
        VolumeBlow::Slow { latency_factor, throughput_divisor } => {
            VolumeFault::Slow { latency_factor, throughput_divisor }
        }
        VolumeBlow::Full => VolumeFault::Full,
        VolumeBlow::WriteErrors => VolumeFault::IoErrors { reads: false, writes: true },
        VolumeBlow::Lost => VolumeFault::Lost,
        VolumeBlow::Detach => unreachable!("a volume that is taken from its host is not at fault"),
    }
}

fn share_fault(blow: ShareBlow) -> NfsFault {
    match blow {
        ShareBlow::Failover { duration } => NfsFault::Failover { duration },
        ShareBlow::Stall => NfsFault::Stall,
        ShareBlow::Lost => NfsFault::Lost,
    }
}
