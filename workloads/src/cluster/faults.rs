//! A scenario's own faults, carried out: who is hit is decided when the fault begins.

use super::build::{Cluster, Member};
use super::chain::{Follower, Places};
use super::jobs::Job;
use super::meter::SharedMeter;
use super::moves::Rolling;
use super::size::Purpose;
use super::standstill::Patience;
use crate::compare::measurement::FaultMark;
use crate::spec::scenario::{Fault, FaultKind, Peer, Target};
use crate::storm::{self, Blow, Role, ShareBlow, VolumeBlow};
use std::sync::{Arc, Mutex};
use wavetank_models::cloud::host::HostFault;
use wavetank_models::cloud::network::{LinkClass, NetworkFault, PartitionDirection, Scope};
use wavetank_models::cloud::object_store::ObjectStoreFault;
use wavetank_models::cloud::volume::{Survival, VolumeFault};
use wavetank_models::fault;
use wavetank_models::flink::oracle::Verdict;
use wavetank_models::kafka::ids::{BrokerId, TopicId, TopicIdPartition};
use wavetank_models::world::{Action, Director, Event, World};
use wavetank_sim::{Choices, Core, Domain, Nanos, Stream};

use super::build::FIRST_TOPIC;

/// What is decided in the middle of a run, by number: below this the scenario's faults.
pub(super) const LOOK_WHETHER_DONE: u32 = u32::MAX;
const LOOK_AT_JOBS: u32 = u32::MAX - 1;
/// How often exploring runs look.
const LOOK_EVERY: Nanos = Nanos::millis(500);
/// A rolling restart goes on, if it can.
pub(super) const ROLL: u32 = u32::MAX - 2;

/// What a run's faults were, for its timeline.
pub(super) type Marks = Arc<Mutex<Vec<FaultMark>>>;

/// Carries out faults, and ends the run when everything is quiet.
pub(super) struct Conductor {
    pub(super) faults: Vec<Fault>,
    pub(super) cluster: Cluster,
    pub(super) meter: SharedMeter,
    pub(super) marks: Marks,
    /// When the measurement begins: faults count from there.
    pub(super) begin: Nanos,
    pub(super) load_ends: Nanos,
    pub(super) stream: Stream,
    pub(super) purpose: Purpose,
    /// A rolling restart that is under way.
    pub(super) rolling: Option<Rolling>,
    /// What the storm never mends.
    pub(super) patience: Patience,
}

impl Conductor {
    /// The stream from which a conductor draws what a scenario leaves to the seed.
    pub(super) fn stream(choices: &Choices) -> Stream {
        choices.stream(Domain::new("cluster/faults"), 0)
    }

    /// Puts the scenario's faults on the plan.
    pub(super) fn put_on_plan(&self, world: &mut World, core: &mut Core<Event>) {
        for (n, fault) in self.faults.iter().enumerate() {
            world.plan(core, self.begin + fault.at, Action::Direct(n as u32));
        }
        world.plan(core, self.load_ends, Action::Direct(LOOK_WHETHER_DONE));
        if self.purpose == Purpose::Explore && !self.cluster.jobs.is_empty() {
            world.plan(core, self.begin, Action::Direct(LOOK_AT_JOBS));
        }
    }

    pub(super) fn broker(&mut self, target: &Target) -> Option<BrokerId> {
        let count = self.cluster.brokers.len() - self.cluster.spares.len();
        let meter = self.meter.0.lock().expect("nobody panics with it");
        match target {
            Target::Any => Some(BrokerId(self.stream.index(count) as u32)),
            Target::Busiest => meter.busiest(),
            Target::Broker(number) => Some(BrokerId(number - 1)),
            Target::LeaderOf { topic, partition } => {
                let number: u32 = topic.rsplit('-').next()?.parse().ok()?;
                meter.leader(TopicIdPartition { topic: TopicId(FIRST_TOPIC + number), partition: *partition })
            }
            Target::CoordinatorOf(_) => meter.leader(TopicIdPartition { topic: TopicId(0), partition: 0 }),
            Target::Az(_)
            | Target::ActiveController
            | Target::Controller(_)
            | Target::TaskManager(_)
            | Target::Group(_) => None,
        }
    }

    fn member(&mut self, target: &Target) -> Option<(String, Member)> {
        let controller = match target {
            Target::Controller(number) => Some(*number as usize - 1),
            Target::ActiveController => Some(self.meter.0.lock().expect("nobody panics with it").active_controller()?),
            _ => None,
        };
        if let Some(place) = controller {
            return Some((format!("controller {}", place + 1), self.cluster.controllers[place]));
        }
        let broker = self.broker(target)?;
        Some((format!("broker {}", broker.0 + 1), self.cluster.brokers[broker.0 as usize]))
    }

    /// The task manager of that number, from 1 over all pipelines, and its job's place.
    fn task_manager(&self, number: u32) -> Option<(usize, Member)> {
        let all = self.cluster.jobs.iter().enumerate();
        let mut all = all.flat_map(|(job, of)| of.task_managers.iter().map(move |member| (job, *member)));
        all.nth(number.checked_sub(1)? as usize)
    }

    /// What the output of all jobs is worth now: the worst of them, by the job's name.
    pub(super) fn judge_jobs(&self, world: &World) -> Verdict {
        judge_jobs(&self.cluster.jobs, &self.meter, world)
    }

    pub(super) fn mark(&self, now: Nanos, until: Nanos, label: String) {
        let at = |time: Nanos| time.saturating_sub(self.begin).into();
        let mark = FaultMark { label, start: at(now), end: at(until) };
        self.marks.lock().expect("nobody panics with it").push(mark);
    }

    pub(super) fn watch(&self, now: Nanos, target: BrokerId, what: String) {
        self.meter.0.lock().expect("nobody panics with it").hit(now, target, what);
    }

    fn begin_fault(&mut self, world: &mut World, core: &mut Core<Event>, fault: &Fault) {
        let now = core.now();
        let until = fault.lasts.map(|lasts| now + lasts);
        let end = until.unwrap_or(now);
        match &fault.kind {
            FaultKind::KillBroker(target) => {
                let Some(broker) = self.broker(target) else { return };
                let member = self.cluster.brokers[broker.0 as usize];
                let what = format!("broker {} killed", broker.0 + 1);
                self.mark(now, end, what.clone());
                self.watch(now, broker, what);
                world.kill(core, member.node);
                if let Some(until) = until {
                    world.plan(core, until, Action::Restart(member.node));
                }
            }
            FaultKind::PauseBroker(target) => {
                let Some(broker) = self.broker(target) else { return };
                let member = self.cluster.brokers[broker.0 as usize];
                let what = format!("broker {} paused", broker.0 + 1);
                self.mark(now, end, what.clone());
                self.watch(now, broker, what);
                world.pause(core, member.node);
                world.plan(core, end, Action::Resume(member.node));
            }
            FaultKind::SlowBroker { target, factor } => {
                let Some((name, member)) = self.member(target) else { return };
                self.mark(now, end, format!("{name} {factor}x slower"));
                let num = factor.max(1.0) as u32;
                self.inject(world, core, until, fault::Fault::Host(member.host, HostFault::Slow { num, den: 1 }));
                let grey = |from, to| NetworkFault::Grey { from, to, latency_factor: (1, 1), bandwidth_divisor: num };
                let host = Scope::Host(member.host);
                self.inject(world, core, until, fault::Fault::Network(grey(host, Scope::All)));
                self.inject(world, core, until, fault::Fault::Network(grey(Scope::All, host)));
            }
            FaultKind::NoisyNeighbour { target, share } => {
                let Some((name, member)) = self.member(target) else { return };
                self.mark(now, end, format!("{name} shares its host"));
                // What is left of the cores is 1 - share.
                let left = ((1.0 - share).max(0.01) * 100.0) as u32;
                self.inject(
                    world,
                    core,
                    until,
                    fault::Fault::Host(member.host, HostFault::Slow { num: 100, den: left }),
                );
                if let Some(volume) = member.volume {
                    let divisor = 100u32.div_ceil(left);
                    let slow = VolumeFault::Slow { latency_factor: divisor, throughput_divisor: divisor };
                    self.inject(world, core, until, fault::Fault::Volume(volume, slow));
                }
            }
            FaultKind::PowerLoss(target) => {
                let Some(broker) = self.broker(target) else { return };
                let member = self.cluster.brokers[broker.0 as usize];
                let what = format!("broker {} lost power", broker.0 + 1);
                self.mark(now, end, what.clone());
                self.watch(now, broker, what);
                world.power_loss(core, member.host, Survival::Drawn);
                if let Some(until) = until {
                    world.plan(core, until, Action::Restart(member.node));
                }
            }
            FaultKind::AzOutage(target) => {
                let Target::Az(name) = target else { return };
                let Some(place) = self.cluster.az_names.iter().position(|az| az == name) else { return };
                let az = self.cluster.azs[place];
                self.mark(now, end, format!("zone {name} dark"));
                let ids = (0..self.cluster.brokers.len() as u32).map(BrokerId);
                let hit: Vec<BrokerId> = ids.filter(|id| self.cluster.brokers[id.0 as usize].az == az).collect();
                for broker in hit {
                    self.watch(now, broker, format!("broker {} in the dark", broker.0 + 1));
                }
                self.inject(world, core, until, fault::Fault::AzDown(az));
            }
            FaultKind::ObjectStoreBrownout { latency_factor, error_rate } => {
                self.mark(now, end, format!("object store {latency_factor}x slower"));
                let brownout = ObjectStoreFault::Brownout {
                    az: None,
                    latency_percent: (latency_factor * 100.0) as u32,
                    error_ppm: (error_rate * 1_000_000.0) as u32,
                };
                self.inject(world, core, until, fault::Fault::Object(self.cluster.store, brownout));
            }
            FaultKind::ObjectStoreOutage => {
                self.mark(now, end, "object store down".into());
                let outage = ObjectStoreFault::Outage { az: None };
                self.inject(world, core, until, fault::Fault::Object(self.cluster.store, outage));
            }
            FaultKind::Partition { target, from } => {
                self.cut(world, core, until, (target, from), PartitionDirection::TwoWay);
            }
            FaultKind::OneWayCut { target, from } => {
                self.cut(world, core, until, (target, from), PartitionDirection::OneWay);
            }
            FaultKind::ClockJump { target, by, backwards } => {
                let Some((name, member)) = self.member(target) else { return };
                self.mark(now, end, format!("clock of {name} jumps"));
                let by = by.0 as i64;
                world.act(core, &Action::JumpClock(member.node, if *backwards { -by } else { by }));
            }
            FaultKind::VolumeStall(target) => {
                let Some((name, member)) = self.member(target) else { return };
                self.mark(now, end, format!("storage of {name} stalls"));
                if let Some(volume) = member.volume {
                    self.inject(world, core, until, fault::Fault::Volume(volume, VolumeFault::Stall));
                }
            }
            FaultKind::LogLoss(target) => self.lose_log(world, core, end, target),
            FaultKind::KillController(target) => {
                let Some((name, member)) = self.member(target) else { return };
                self.mark(now, end, format!("{name} killed"));
                world.kill(core, member.node);
                if let Some(until) = until {
                    world.plan(core, until, Action::Restart(member.node));
                }
            }
            FaultKind::RollingRestart { down, pause, brokers } => {
                self.rolling = Some(Rolling::new(*down, *pause, *brokers));
                self.roll(world, core);
            }
            FaultKind::AddBroker(_) => self.add_broker(world, core),
            FaultKind::RemoveBroker(target) => self.remove_broker(world, core, target),
            FaultKind::ConsumerChurn { target, every } => {
                self.mark(now, end, "consumers come and go".into());
                self.churn(world, core, target.as_ref(), *every, end);
            }
            FaultKind::KillTaskManager(target) => {
                let Target::TaskManager(number) = target else { return };
                let Some((job, member)) = self.task_manager(*number) else { return };
                let what = format!("task manager {number} killed");
                self.mark(now, end, what.clone());
                self.meter.0.lock().expect("nobody panics with it").hit_job(now, job, what);
                world.kill(core, member.node);
                if let Some(until) = until {
                    world.plan(core, until, Action::Restart(member.node));
                }
            }
        }
    }

    fn inject(&self, world: &mut World, core: &mut Core<Event>, until: Option<Nanos>, fault: fault::Fault) {
        let id = world.next_fault_id();
        world.act(core, &Action::Inject(id, fault));
        if let Some(until) = until {
            world.plan(core, until, Action::Heal(id));
        }
    }

    /// What a broker's log is kept on is lost, with the logs of all brokers that are kept there too.
    fn lose_log(&mut self, world: &mut World, core: &mut Core<Event>, end: Nanos, target: &Target) {
        let Some(broker) = self.broker(target) else { return };
        let (now, place) = (core.now(), broker.0 as usize);
        let member = self.cluster.brokers[place];
        let zone = self.cluster.azs.iter().position(|az| *az == member.az);
        let (what, blow) = if member.volume.is_some() {
            ("volume", Blow::Volume { of: Role::Broker.nth(place), fault: VolumeBlow::Lost })
        } else if let Some(zone) = zone.filter(|zone| *zone < self.cluster.express.len()) {
            ("express bucket", Blow::ExpressLost(zone as u32))
        } else if self.cluster.share.is_some() {
            ("share", Blow::Share(ShareBlow::Lost))
        } else {
            return self.mark(now, now, format!("log of broker {}: in the region's store, not lost", place + 1));
        };
        self.mark(now, end, format!("{what} of broker {} lost", place + 1));
        let targets = self.cluster.targets();
        for loser in targets.logs_lost_by(&blow) {
            self.watch(now, BrokerId(loser.number), format!("broker {} lost its log", loser.number + 1));
        }
        storm::put(&blow, world, core, &targets, now..end);
    }

    fn cut(
        &mut self,
        world: &mut World,
        core: &mut Core<Event>,
        until: Option<Nanos>,
        (target, peer): (&Target, &Peer),
        direction: PartitionDirection,
    ) {
        let Some((name, member)) = self.member(target) else { return };
        let now = core.now();
        self.mark(now, until.unwrap_or(now), format!("{name} cut off"));
        let hosts = |members: &[Member]| members.iter().map(|member| Scope::Host(member.host)).collect::<Vec<_>>();
        let scopes = match peer {
            Peer::Everyone => vec![Scope::All],
            Peer::Controllers => hosts(&self.cluster.controllers),
            Peer::ObjectStore => vec![Scope::Storage(LinkClass::ObjectStorage)],
            Peer::Clients => {
                let jobs = self.cluster.jobs.iter().flat_map(Job::members).collect();
                hosts(&[self.cluster.producers.clone(), self.cluster.consumers.clone(), jobs].concat())
            }
            Peer::Brokers => hosts(&self.cluster.brokers),
        };
        let from = Scope::Host(member.host);
        for to in scopes.into_iter().filter(|to| *to != from) {
            self.inject(world, core, until, fault::Fault::Network(NetworkFault::Partition { from, to, direction }));
        }
    }

    fn look_whether_done(&mut self, world: &mut World, core: &mut Core<Event>) {
        // A measured run is over with its load; whether everything becomes quiet is what exploring runs judge.
        if self.purpose == Purpose::Measure {
            return core.stop(super::LOAD_OVER);
        }
        if self.follows(world, core, |follower| follower.is_healed()) {
            self.patience.is_healed(core);
        }
        let is_quiet = self.meter.0.lock().expect("nobody panics with it").is_quiet();
        match self.judge_jobs(world) {
            Verdict::Whole if is_quiet && self.follows(world, core, |follower| follower.is_live()) => {
                self.patience.is_quiet(core);
                return core.stop(super::ALL_DONE);
            }
            Verdict::Wrong(why) => return core.stop(why),
            Verdict::Whole | Verdict::Behind(_) => {}
        }
        let Conductor { cluster, meter, patience, .. } = self;
        patience.wait(world, core, |world, core| {
            let meter = &meter.0.lock().expect("nobody panics with it");
            Follower { world, core, places: &Places::of(cluster), meter }.chain()
        });
        world.plan(core, core.now() + LOOK_EVERY, Action::Direct(LOOK_WHETHER_DONE));
    }

    fn follows(&self, world: &World, core: &Core<Event>, asks: impl FnOnce(&Follower<'_>) -> bool) -> bool {
        let meter = &self.meter.0.lock().expect("nobody panics with it");
        asks(&Follower { world, core, places: &Places::of(&self.cluster), meter })
    }

    /// What a job has put out is right at any moment, also in the middle of a storm.
    fn look_at_jobs(&self, world: &mut World, core: &mut Core<Event>) {
        if let Verdict::Wrong(why) = self.judge_jobs(world) {
            return core.stop(why);
        }
        let next = core.now() + LOOK_EVERY;
        if next < self.load_ends {
            world.plan(core, next, Action::Direct(LOOK_AT_JOBS));
        }
    }
}

/// What the output of jobs is worth now: the worst of all.
pub(super) fn judge_jobs(jobs: &[Job], meter: &SharedMeter, world: &World) -> Verdict {
    let inputs = meter.0.lock().expect("nobody panics with it").inputs();
    let mut worst = Verdict::Whole;
    for job in jobs {
        match job.judge(world, &inputs) {
            Verdict::Whole => {}
            Verdict::Behind(why) => worst = Verdict::Behind(format!("pipeline {}: {why}", job.name)),
            Verdict::Wrong(why) => return Verdict::Wrong(format!("pipeline {}: {why}", job.name)),
        }
    }
    worst
}

impl Director for Conductor {
    fn direct(&mut self, world: &mut World, core: &mut Core<Event>, what: u32) {
        match what {
            LOOK_WHETHER_DONE => return self.look_whether_done(world, core),
            LOOK_AT_JOBS => return self.look_at_jobs(world, core),
            _ => {}
        }
        if what == ROLL {
            return self.roll(world, core);
        }
        let fault = self.faults[what as usize].clone();
        self.begin_fault(world, core, &fault);
    }
}
