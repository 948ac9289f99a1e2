//! The storm over a cluster: a plan drawn from the seed, within what the platform promises to survive.
//!
//! Each family that the scenario names is on or off for a seed (swarm), so that rare combinations get whole runs to
//! themselves. Whatever is broken is mended when the load ends.

use super::admin::PartitionMove;
use super::budget;
use super::build::{Cluster, Member};
use super::jobs::Job;
use super::size::Setup;
use crate::spec::scenario::{Family, Intensity};
use std::ops::Range;
use wavetank_models::anomaly::{Anomalies, AnomalyRates};
use wavetank_models::cloud::host::HostFault;
use wavetank_models::cloud::network::{NetworkFault, PartitionDirection, Scope};
use wavetank_models::cloud::object_store::{ObjectRates, ObjectStoreFault};
use wavetank_models::cloud::volume::{Survival, VolumeFault, VolumeRates};
use wavetank_models::fault::Fault;
use wavetank_models::world::{Action, Event, Signal, World};
use wavetank_sim::{Choices, Core, DRIFT_PPB_MAX, Domain, Nanos, Stream};

/// What was drawn for a seed.
pub(super) struct Drawn {
    families: Vec<(Family, Intensity)>,
    /// Brokers that crash start again after this, before their sessions are over and before their last writes land; and may
    /// crash again as soon as they have begun.
    quick_restart: Option<Nanos>,
    stream: Stream,
}

impl Drawn {
    pub(super) fn draw(setup: Setup<'_>, choices: &Choices) -> Drawn {
        let mut stream = choices.stream(Domain::new("cluster/storm"), 0);
        let (storm, kind) = (&setup.scenario.storm, setup.platform.kind);
        // Each takes its draw, so that a platform's budget does not shift the others.
        let drawn = storm.families.iter().copied().filter(|_| stream.ratio(1, 2));
        let families = drawn.filter(|(family, _)| budget::promise(kind, *family).is_drawn()).collect();
        let mut restarts = choices.stream(Domain::new("cluster/storm/restarts"), 0);
        let (quick, after) = (restarts.ratio(1, 2), restarts.nanos(Nanos::millis(100)..Nanos::secs(2)));
        Drawn { families, quick_restart: quick.then_some(after), stream }
    }

    pub(super) fn describe(&self) -> Vec<String> {
        let name = |(family, intensity): &(Family, Intensity)| format!("{} ({})", family.name(), intensity.name());
        let names: Vec<String> = self.families.iter().map(name).collect();
        let mut lines = vec![format!("faults: {}", if names.is_empty() { "none".into() } else { names.join(", ") })];
        if let Some(after) = self.quick_restart.filter(|_| self.is_on(Family::BrokerCrash)) {
            lines.push(format!("brokers that crash start again after {after} s"));
        }
        lines
    }

    fn is_on(&self, family: Family) -> bool {
        self.families.iter().any(|(on, _)| *on == family)
    }

    pub(super) fn put_on_plan(
        mut self,
        world: &mut World,
        core: &mut Core<Event>,
        cluster: &Cluster,
        during: Range<Nanos>,
    ) {
        let rates = self.rates();
        world.set_anomalies(Anomalies::explore(rates, core.choices()));
        world.plan(core, during.end, Action::EndAnomalies);
        for (family, intensity) in std::mem::take(&mut self.families) {
            let length = during.end - during.start;
            let pace = match intensity {
                Intensity::Rare => length,
                Intensity::Some => length.scale(1, 4),
                Intensity::Often => length.scale(1, 10),
            };
            let mut at = during.start + self.stream.exponential(pace);
            while at < during.end {
                let span = self.stream.nanos(Nanos::millis(50)..Nanos::secs(20));
                self.one(world, core, cluster, family, at..(at + span).min(during.end));
                at += self.stream.exponential(pace);
            }
        }
        // Whatever is down or stopped by then comes back.
        let all = [&cluster.brokers, &cluster.controllers, &cluster.producers, &cluster.consumers];
        let jobs: Vec<Member> = cluster.jobs.iter().flat_map(Job::members).collect();
        for member in all.into_iter().flatten().chain(&jobs) {
            world.plan(core, during.end, Action::Resume(member.node));
            world.plan(core, during.end + Nanos::secs(1), Action::Restart(member.node));
        }
    }

    /// What single operations may meet.
    fn rates(&self) -> AnomalyRates {
        let mut rates = AnomalyRates::default();
        if self.is_on(Family::ObjectStoreErrors) {
            rates.object = ObjectRates { slow_down_ppm: 20_000, internal_error_ppm: 10_000, ..rates.object };
        }
        if let Some((_, intensity)) = self.families.iter().find(|(on, _)| *on == Family::ObjectStoreLate) {
            rates.object = late(*intensity, rates.object);
        }
        rates.express = rates.object.clone();
        if self.is_on(Family::VolumeErrors) {
            rates.volume =
                VolumeRates { io_error_ppm: 100, io_error_applied_ppm: 100, late_ppm: 5_000, late_max: Nanos::secs(1) };
        }
        rates
    }

    fn pick(&mut self, of: &[Member]) -> Option<Member> {
        (!of.is_empty()).then(|| *self.stream.pick(of))
    }

    fn one(
        &mut self,
        world: &mut World,
        core: &mut Core<Event>,
        cluster: &Cluster,
        family: Family,
        during: Range<Nanos>,
    ) {
        let Some(broker) = self.pick(&cluster.brokers) else { return };
        let stream = &mut self.stream;
        let clients = [&cluster.producers[..], &cluster.consumers].concat();
        let jobs: Vec<Member> = cluster.jobs.iter().flat_map(Job::members).collect();
        let fault = match family {
            Family::BrokerCrash => {
                let Some(after) = self.quick_restart else { return crash(world, core, broker, &during) };
                let mut at = during.start;
                loop {
                    crash(world, core, broker, &(at..during.end.min(at + after)));
                    at += after + stream.nanos(Nanos::secs(2)..Nanos::secs(12));
                    if at >= during.end || stream.ratio(1, 4) {
                        return;
                    }
                }
            }
            Family::ControllerCrash => {
                return crash(world, core, *stream.pick(&cluster.controllers), &during);
            }
            Family::ClientCrash => return crash(world, core, *stream.pick(&clients), &during),
            Family::BrokerPause => {
                world.plan(core, during.start, Action::Pause(broker.node));
                return world.plan(core, during.end, Action::Resume(broker.node));
            }
            Family::PowerLoss => {
                world.plan(core, during.start, Action::PowerLoss(broker.host, Survival::Drawn));
                return world.plan(core, during.end, Action::Restart(broker.node));
            }
            Family::ClockSkew => {
                let any = *stream.pick(&[&cluster.brokers[..], &cluster.controllers].concat());
                let jump = stream.range(0..4_000_000_000) as i64 - 2_000_000_000;
                let drift = stream.range(0..DRIFT_PPB_MAX as u64) as i64 - DRIFT_PPB_MAX / 2;
                world.plan(core, during.start, Action::JumpClock(any.node, jump));
                world.plan(core, during.start, Action::DriftClock(any.node, drift));
                return world.plan(core, during.end, Action::DriftClock(any.node, 0));
            }
            Family::BrokerSlow | Family::NoisyNeighbour => {
                Fault::Host(broker.host, HostFault::Slow { num: 10, den: 1 })
            }
            Family::AzOutage => Fault::AzDown(*stream.pick(&cluster.azs)),
            Family::NetworkPartition => Fault::Network(NetworkFault::Partition {
                from: Scope::Host(broker.host),
                to: Scope::All,
                direction: PartitionDirection::TwoWay,
            }),
            Family::OneWayCut => {
                let host = Scope::Host(broker.host);
                let other = stream.pick(&[&cluster.brokers[..], &cluster.controllers, &clients, &jobs].concat()).host;
                let (from, to) = match stream.ratio(1, 2) {
                    true => (host, Scope::Host(other)),
                    false => (Scope::Host(other), host),
                };
                if from == to {
                    return;
                }
                Fault::Network(NetworkFault::Partition { from, to, direction: PartitionDirection::OneWay })
            }
            Family::NetworkDelay => Fault::Network(NetworkFault::Grey {
                from: Scope::Host(broker.host),
                to: Scope::All,
                latency_factor: (20, 1),
                bandwidth_divisor: 10,
            }),
            Family::ObjectStoreSlow => {
                let (latency_percent, error_ppm) = (500, 100_000);
                Fault::Object(cluster.store, ObjectStoreFault::Brownout { az: None, latency_percent, error_ppm })
            }
            Family::VolumeStall => match broker.volume {
                Some(volume) => Fault::Volume(volume, VolumeFault::Stall),
                None => return,
            },
            // Drawn per operation.
            Family::ObjectStoreErrors | Family::ObjectStoreLate | Family::VolumeErrors => return,
            Family::TaskManagerCrash => {
                let workers: Vec<Member> =
                    cluster.jobs.iter().flat_map(|job| job.task_managers.iter().copied()).collect();
                return self.pick(&workers).into_iter().for_each(|worker| crash(world, core, worker, &during));
            }
            Family::JobManagerCrash => {
                let managers: Vec<Member> = cluster.jobs.iter().map(|job| job.job_manager).collect();
                return self.pick(&managers).into_iter().for_each(|manager| crash(world, core, manager, &during));
            }
            Family::ConsumerChurn => return restart_cleanly(world, core, *stream.pick(&cluster.consumers), &during),
            Family::CleanRestart => return restart_cleanly(world, core, broker, &during),
            Family::Reassignment => {
                let partitions: Vec<_> = cluster.all_partitions().collect();
                let order = PartitionMove { tp: *stream.pick(&partitions), to: cluster.id_of(broker) }.order();
                return world.plan(core, during.start, Action::Signal(cluster.admin, Signal::Order(order)));
            }
        };
        let id = world.next_fault_id();
        world.plan(core, during.start, Action::Inject(id, fault));
        world.plan(core, during.end, Action::Heal(id));
    }
}

/// Requests that land late or twice, and answers that come late or never. At its worst most requests land once more, and
/// every fifth lands only after whoever sent it gave up.
fn late(intensity: Intensity, of: ObjectRates) -> ObjectRates {
    // How many time out, are reset, are answered late; how many of the failed are applied; how many land (again) later.
    let [timed_out_ppm, reset_ppm, answered_late_ppm, applied_ppm, duplicate_ppm] = match intensity {
        Intensity::Rare => [10_000, 5_000, 10_000, 500_000, 10_000],
        Intensity::Some => [30_000, 20_000, 30_000, 500_000, 30_000],
        Intensity::Often => [30_000, 250_000, 20_000, 100_000, 800_000],
    };
    ObjectRates {
        timed_out_ppm,
        reset_ppm,
        answered_late_ppm,
        applied_ppm,
        duplicate_ppm,
        timeout: Nanos::secs(2),
        late_by_max: Nanos::secs(15),
        duplicate_after_max: Nanos::secs(20),
        ..of
    }
}

/// A process is told to end, and starts again at the end of that time, or when it has ended if that is later.
fn restart_cleanly(world: &mut World, core: &mut Core<Event>, member: Member, during: &Range<Nanos>) {
    world.plan(core, during.start, Action::Signal(member.node, Signal::Terminate));
    world.plan(core, during.end, Action::Restart(member.node));
}

fn crash(world: &mut World, core: &mut Core<Event>, member: Member, during: &Range<Nanos>) {
    world.plan(core, during.start, Action::Kill(member.node));
    world.plan(core, during.end, Action::Restart(member.node));
}
