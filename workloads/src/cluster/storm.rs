//! The storm over a cluster, drawn from the seed, within what the platform promises to survive.
//!
//! Each family that the scenario names is on or off for a seed (swarm), so that rare combinations get whole runs to
//! themselves. Whatever is broken is mended when the load ends.

use super::aims;
use super::budget;
use super::build::Cluster;
use super::case::Crew;
use super::patterns;
use super::size::Setup;
use crate::spec::scenario::{Family, Intensity};
use crate::storm::{
    Blow, Direction, Entry, Member, Operations, Permanent, Place, Role, StoreBlow, Storm, Strikes, VolumeBlow,
};
use std::ops::Range;
use wavetank_models::anomaly::AnomalyRates;
use wavetank_models::cloud::object_store::ObjectRates;
use wavetank_models::cloud::volume::VolumeRates;
use wavetank_models::world::{Action, Event, World};
use wavetank_sim::{Choices, Core, DRIFT_PPB_MAX, Domain, Nanos, Stream};

/// A storm that is being drawn.
struct Draw<'a> {
    crew: &'a Crew,
    families: Vec<(Family, Intensity)>,
    /// Brokers that crash start again after this, before their sessions are over and before their last writes land; and may
    /// crash again as soon as they have begun.
    quick_restart: Option<Nanos>,
    stream: Stream,
    storm: Storm,
}

/// A seed's storm.
pub(super) fn draw(setup: Setup<'_>, crew: &Crew, during: Range<Nanos>, choices: &Choices) -> Storm {
    let mut stream = choices.stream(Domain::new("cluster/storm"), 0);
    let (storm, kind) = (&setup.scenario.storm, setup.platform.kind);
    let has_own_stream = |family: Family| own_stream(family).is_some();
    // Each takes its draw, so that a platform's budget does not shift the others.
    let drawn = storm.families.iter().copied().filter(|(family, _)| !has_own_stream(*family));
    let drawn = drawn.filter(|_| stream.ratio(1, 2));
    let families = drawn.filter(|(family, _)| budget::promise(kind, *family).is_drawn()).collect();
    let mut restarts = choices.stream(Domain::new("cluster/storm/restarts"), 0);
    let (quick, after) = (restarts.ratio(1, 2), restarts.nanos(Nanos::millis(100)..Nanos::secs(2)));
    let draw = Draw { crew, families, quick_restart: quick.then_some(after), stream, storm: Storm::default() };
    let mut storm = draw.all(&during);
    for (family, intensity) in setup.scenario.storm.families.iter().copied() {
        if let Some(mut stream) = own_stream(family).map(|entity| choices.stream(OWN_STREAMS, entity))
            && stream.ratio(1, 3)
            && budget::promise(kind, family).is_drawn()
        {
            patterns::draw(&mut storm, family, pace(intensity, &during), crew, &during, &mut stream);
        }
    }
    keep_slowness_single(&mut storm);
    aims::aim_some(&mut storm, during.end, choices);
    storm
}

/// What is slow twice is slow by the product, and a request that meets six brownouts of the object store at once takes hours:
/// longer than any cluster is given to become quiet. Of faults that make the same thing slow at the same time the first stays.
fn keep_slowness_single(storm: &mut Storm) {
    let mut kept: Vec<Entry> = Vec::new();
    for entry in std::mem::take(&mut storm.entries) {
        let is_double = |other: &Entry| {
            let is_same = slowed(&entry.what).is_some() && slowed(&entry.what) == slowed(&other.what);
            is_same && entry.start < other.end && other.start < entry.end
        };
        if !kept.iter().any(is_double) {
            kept.push(entry);
        }
    }
    storm.entries = kept;
}

/// What a fault makes slow by a factor.
fn slowed(blow: &Blow) -> Option<String> {
    match blow {
        Blow::SlowHost { of, .. } => Some(format!("host of {of}")),
        Blow::Store(StoreBlow::Brownout { .. }) => Some("store".into()),
        Blow::Volume { of, fault: VolumeBlow::Slow { .. } } => Some(format!("volume of {of}")),
        Blow::Grey { from, to, .. } => Some(format!("way from {from} to {to}")),
        _ => None,
    }
}

/// Streams of families by themselves.
const OWN_STREAMS: Domain = Domain::new("cluster/storm/family");

/// Which stream a family has to itself: those from zone hits on, so that a further one shifts none.
fn own_stream(family: Family) -> Option<u64> {
    let place = |of: Family| Family::ALL.iter().position(|(_, known)| *known == of).expect("every family is listed");
    place(family).checked_sub(place(Family::ZoneHit)).map(|place| place as u64)
}

/// From one fault of a family to the next, on average.
fn pace(intensity: Intensity, during: &Range<Nanos>) -> Nanos {
    let length = during.end - during.start;
    match intensity {
        Intensity::Rare => length,
        Intensity::Some => length.scale(1, 4),
        Intensity::Often => length.scale(1, 10),
    }
}

/// Puts a storm on the plan. Whatever is down or stopped when the load ends comes back, but for what is returned.
pub(super) fn put_on_plan(
    storm: &Storm,
    world: &mut World,
    core: &mut Core<Event>,
    cluster: &Cluster,
    load_ends: Nanos,
    strikes: &Strikes,
) -> Vec<Permanent> {
    storm.operations.begin(world, core);
    world.plan(core, load_ends, Action::EndAnomalies);
    let permanent = storm.put_on_plan(world, core, cluster.targets(), strikes);
    for member in cluster.members() {
        world.plan(core, load_ends, Action::Resume(member.node));
        world.plan(core, load_ends + Nanos::secs(1), Action::Restart(member.node));
    }
    permanent
}

impl Draw<'_> {
    fn is_on(&self, family: Family) -> bool {
        self.families.iter().any(|(on, _)| *on == family)
    }

    fn all(mut self, during: &Range<Nanos>) -> Storm {
        self.storm.operations = Operations::at(self.rates());
        for (family, intensity) in std::mem::take(&mut self.families) {
            let pace = pace(intensity, during);
            let mut at = during.start + self.stream.exponential(pace);
            while at < during.end {
                let span = self.stream.nanos(Nanos::millis(50)..Nanos::secs(20));
                self.one(family, at..(at + span).min(during.end));
                at += self.stream.exponential(pace);
            }
        }
        self.storm
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

    fn one(&mut self, family: Family, during: Range<Nanos>) {
        let crew = self.crew;
        let roster = &crew.roster;
        let (brokers, controllers) = (roster.all(Role::Broker), roster.all(Role::Controller));
        let (consumers, zones) = (roster.all(Role::Consumer), roster.zones);
        let clients = [roster.all(Role::Producer), consumers.clone()].concat();
        let Some(broker) = self.pick(&brokers) else { return };
        let what = match family {
            Family::BrokerCrash => return self.broker_crash(broker, during),
            Family::ControllerCrash => self.pick(&controllers).map(Blow::Kill),
            Family::ClientCrash => self.pick(&clients).map(Blow::Kill),
            Family::TaskManagerCrash => self.pick(&roster.all(Role::TaskManager)).map(Blow::Kill),
            Family::JobManagerCrash => self.pick(&roster.all(Role::JobManager)).map(Blow::Kill),
            Family::BrokerPause => Some(Blow::Pause(broker)),
            Family::PowerLoss => Some(Blow::PowerLoss(broker)),
            Family::ClockSkew => {
                let of = *self.stream.pick(&[brokers, controllers].concat());
                let jump_ns = self.stream.range(0..4_000_000_000) as i64 - 2_000_000_000;
                let drift = self.stream.range(0..DRIFT_PPB_MAX as u64) as i64 - DRIFT_PPB_MAX / 2;
                Some(Blow::Clock { of, jump_ns, drift_ppb: Some(drift) })
            }
            Family::BrokerSlow | Family::NoisyNeighbour => Some(Blow::SlowHost { of: broker, factor: 10 }),
            Family::AzOutage => Some(Blow::ZoneDown(self.stream.index(zones as usize) as u32)),
            Family::NetworkPartition => {
                let (from, to) = (Place::Member(broker), Place::Everywhere);
                Some(Blow::Cut { from, to, direction: Direction::TwoWay })
            }
            Family::OneWayCut => self.one_way_cut(broker, &[brokers, controllers, clients].concat()),
            Family::NetworkDelay => Some(Blow::Grey {
                from: Place::Member(broker),
                to: Place::Everywhere,
                latency_factor: 20,
                bandwidth_divisor: 10,
            }),
            Family::ObjectStoreSlow => {
                Some(Blow::Store(StoreBlow::Brownout { latency_percent: 500, error_ppm: 100_000 }))
            }
            Family::VolumeStall => Some(Blow::Volume { of: broker, fault: VolumeBlow::Stall }),
            // Drawn per operation.
            Family::ObjectStoreErrors | Family::ObjectStoreLate | Family::VolumeErrors => None,
            Family::ConsumerChurn => self.pick(&consumers).map(Blow::Terminate),
            Family::CleanRestart => Some(Blow::Terminate(broker)),
            Family::Reassignment => {
                let partitions: Vec<(u32, u32)> = crew.all_partitions().collect();
                let (topic, partition) = *self.stream.pick(&partitions);
                Some(Blow::MovePartition { topic, partition, to: broker })
            }
            family => unreachable!("{} has a stream of its own", family.name()),
        };
        if let Some(what) = what {
            self.push(family, during, what);
        }
    }

    fn push(&mut self, family: Family, during: Range<Nanos>, what: Blow) {
        self.storm.push(family.name(), during.start, during.end, what);
    }

    fn broker_crash(&mut self, broker: Member, during: Range<Nanos>) {
        let Some(after) = self.quick_restart else { return self.push(Family::BrokerCrash, during, Blow::Kill(broker)) };
        let mut at = during.start;
        loop {
            self.push(Family::BrokerCrash, at..during.end.min(at + after), Blow::Kill(broker));
            at += after + self.stream.nanos(Nanos::secs(2)..Nanos::secs(12));
            if at >= during.end || self.stream.ratio(1, 4) {
                return;
            }
        }
    }

    /// Between a broker and anybody, one way or the other.
    fn one_way_cut(&mut self, broker: Member, others: &[Member]) -> Option<Blow> {
        let anybody = [others, &self.crew.jobs].concat();
        let other = *self.stream.pick(&anybody);
        let (from, to) = if self.stream.ratio(1, 2) { (broker, other) } else { (other, broker) };
        let (from, to) = (Place::Member(from), Place::Member(to));
        (from != to).then_some(Blow::Cut { from, to, direction: Direction::OneWay })
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
