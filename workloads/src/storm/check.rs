//! Whether a storm fits a run: everything that it names is there, and makes sense.

use super::blow::{Blow, Goal, Place, ShareBlow, Storage, StoreBlow, VolumeBlow};
use super::member::{Member, Role};
use super::{Aim, Entry, Met, Operations, Storm};
use wavetank_models::anomaly::{AnomalyRates, Entity, Fate};
use wavetank_models::cloud::nfs::NfsFate;
use wavetank_models::cloud::object_store::{ObjectRates, Outcome};
use wavetank_models::cloud::volume::VolumeFate;
use wavetank_sim::{DRIFT_PPB_MAX, Nanos, SortedMap, SortedSet};

/// Whom and what a storm can aim at in a run.
#[derive(Clone, Debug, Default)]
pub struct Roster {
    /// How many of each role, numbered from 0.
    pub members: SortedMap<Role, u32>,
    /// Zones.
    pub zones: u32,
    /// Whose members have volumes that storms aim at.
    pub with_volumes: SortedSet<Role>,
    /// Volumes, of whomever.
    pub volumes: u32,
    /// Express stores.
    pub express: u32,
    /// Whether there is a file share.
    pub has_share: bool,
    /// How many partitions each topic has, the platform's own first.
    pub partitions: Vec<u32>,
    /// Groups, those of jobs last.
    pub groups: u32,
    /// How many slots each job has.
    pub slots: Vec<u32>,
}

impl Roster {
    /// How many of a role.
    pub(crate) fn count(&self, role: Role) -> u32 {
        self.members.get(&role).copied().unwrap_or(0)
    }

    /// All of a role.
    pub(crate) fn all(&self, role: Role) -> Vec<Member> {
        role.first(self.count(role)).collect()
    }
}

/// What of a case does not fit its run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {what}")]
pub struct Misfit {
    /// The key, from the top of the case.
    pub key: String,
    /// What is wrong, and what would be right.
    pub what: String,
    /// The storm's entry that it is about, if it is about one.
    pub entry: Option<usize>,
}

impl Misfit {
    pub(crate) fn new(key: impl Into<String>, what: impl Into<String>) -> Misfit {
        Misfit { key: key.into(), what: what.into(), entry: None }
    }
}

/// No time in a case is longer: a day.
pub(crate) const LONGEST: Nanos = Nanos::secs(86_400);
const MILLION: u32 = 1_000_000;

impl Storm {
    /// Whether it fits a run with these members and devices, in which storms are over at `ends`.
    ///
    /// # Errors
    /// The first thing that does not.
    pub fn check(&self, roster: &Roster, ends: Nanos) -> Result<(), Misfit> {
        self.operations.check(roster)?;
        for (n, entry) in self.entries.iter().enumerate() {
            let misfit = |what| Misfit { entry: Some(n), ..Misfit::new(format!("storm.entries[{n}]"), what) };
            entry.check(roster, ends).map_err(misfit)?;
        }
        Ok(())
    }
}

impl Storm {
    /// For runs that have no way to tell what stands still.
    ///
    /// # Errors
    /// The first entry that is never healed, or that loses something for good.
    pub(crate) fn check_is_mended(&self) -> Result<(), Misfit> {
        let of_clusters = self.entries.iter().enumerate().find_map(|(n, entry)| match entry {
            Entry { permanent: true, .. } => {
                Some((n, "\"permanent\": only a cluster tells what it stands still for; here everything is healed"))
            }
            Entry { what, .. } if what.loses() => {
                Some((n, "only a cluster tells what is lost; here everything is kept"))
            }
            _ => None,
        });
        let misfit = |(n, what)| Misfit { entry: Some(n), ..Misfit::new(format!("storm.entries[{n}]"), what) };
        of_clusters.map_or(Ok(()), |it| Err(misfit(it)))
    }
}

impl Operations {
    fn check(&self, roster: &Roster) -> Result<(), Misfit> {
        match self {
            Operations::Ordinary => Ok(()),
            Operations::Rates(rates) => check_rates(rates).map_err(|what| Misfit::new("storm.operations.rates", what)),
            Operations::Fates(list) => {
                let mut known = SortedSet::new();
                for (n, met) in list.iter().enumerate() {
                    let twice = || "the operation is listed already".to_owned();
                    let checked = check_met(met, roster);
                    let checked = checked.and_then(|()| known.insert(met.operation).then_some(()).ok_or_else(twice));
                    checked.map_err(|what| Misfit::new(format!("storm.operations.fates[{n}]"), what))?;
                }
                Ok(())
            }
        }
    }
}

fn check_rates(rates: &AnomalyRates) -> Result<(), String> {
    let AnomalyRates { volume, object, express, nfs } = rates;
    let of_objects = |of: &ObjectRates| {
        let times = [of.timeout, of.late_by_max, of.duplicate_after_max];
        let ppm = [of.slow_down_ppm, of.internal_error_ppm, of.timed_out_ppm, of.reset_ppm, of.answered_late_ppm];
        ([ppm.as_slice(), &[of.applied_ppm, of.duplicate_ppm]].concat(), times)
    };
    let ((object, times), (express, more_times)) = (of_objects(object), of_objects(express));
    let volume_ppm = [volume.io_error_ppm, volume.io_error_applied_ppm, volume.late_ppm];
    let nfs_ppm = [nfs.request_lost_ppm, nfs.reply_lost_ppm, nfs.delay_ppm, nfs.io_error_ppm];
    if object.iter().chain(&express).chain(&volume_ppm).chain(&nfs_ppm).any(|ppm| *ppm > MILLION) {
        return Err(format!("a rate is above {MILLION}: rates are parts per million"));
    }
    times.into_iter().chain(more_times).chain([volume.late_max]).try_for_each(is_short)
}

fn is_short(time: Nanos) -> Result<(), String> {
    if time > LONGEST { Err(format!("a time of {time} s: at most a day")) } else { Ok(()) }
}

fn check_met(met: &Met, roster: &Roster) -> Result<(), String> {
    let Met { operation, fate } = met;
    let there_is = |what: &str, number: u32, count: u32| number_is_there(what, number, count);
    match operation.entity {
        Entity::Volume(n) => there_is("volume", n, roster.volumes),
        Entity::Object(n) => there_is("object store", n, 1),
        Entity::Express(n) => there_is("express store", n, roster.express),
        Entity::Nfs(n) => there_is("share", n, u32::from(roster.has_share)),
    }?;
    if !operation.entity.kinds().contains(&operation.kind) {
        let kinds = operation.entity.kinds().join(", ");
        return Err(format!("such a device has no operation {}: it has {kinds}", operation.kind));
    }
    match (operation.entity, fate) {
        (Entity::Volume(_), Fate::Volume(VolumeFate::None | VolumeFate::IoError { .. })) => Ok(()),
        (Entity::Volume(_), Fate::Volume(VolumeFate::Late { by })) => is_short(*by),
        (Entity::Object(_) | Entity::Express(_), Fate::Object(fate)) => {
            fate.validate().map_err(|error| error.to_string())?;
            match fate.outcome {
                Outcome::AnsweredLate { by } => is_short(by),
                Outcome::TimedOut { timeout, .. } => is_short(timeout),
                Outcome::Ok | Outcome::SlowDown { .. } | Outcome::InternalError { .. } | Outcome::Reset { .. } => {
                    Ok(())
                }
            }
        }
        (Entity::Nfs(_), Fate::Nfs(NfsFate { .. })) => Ok(()),
        (Entity::Volume(_) | Entity::Object(_) | Entity::Express(_) | Entity::Nfs(_), _) => {
            Err("the fate is of another kind of device than the operation".into())
        }
    }
}

fn number_is_there(what: &str, number: u32, count: u32) -> Result<(), String> {
    match count {
        _ if number < count => Ok(()),
        0 => Err(format!("there is no {what} {number}: this run has none")),
        1 => Err(format!("there is no {what} {number}: there is {what} 0 alone")),
        _ => Err(format!("there is no {what} {number}: there is 0 to {}", count - 1)),
    }
}

impl Entry {
    fn check(&self, roster: &Roster, ends: Nanos) -> Result<(), String> {
        let Entry { family: _, start, end, permanent, aim, what } = self;
        if start > end {
            return Err(format!("it ends at {end} s, before it begins at {start} s"));
        }
        if *end > ends {
            return Err(format!("it ends at {end} s: the storm is over at {ends} s"));
        }
        if *permanent && !what.can_be_permanent() {
            return Err(format!("\"permanent\": \"{what}\" is over by itself, or nothing stands still for it"));
        }
        if *permanent && aim.is_some() {
            return Err("\"permanent\": what waits for a step is healed; take out \"aim\" or \"permanent\"".into());
        }
        what.check(roster)?;
        aim.map_or(Ok(()), |aim| aim.check(what, roster))
    }
}

impl Aim {
    fn check(&self, what: &Blow, roster: &Roster) -> Result<(), String> {
        let Aim { step: _, by, nth, after, lasts, at_doer } = self;
        if *nth == 0 {
            return Err("aim.nth is 0: steps are counted from 1".into());
        }
        is_short(*after)?;
        is_short(*lasts)?;
        if let Some(by) = by {
            number_is_there(by.role.name(), by.number, roster.count(by.role))?;
        }
        match what.member() {
            None if *at_doer => Err("aim.at_doer: the fault names no member, so it hits nobody in particular".into()),
            Some(member) if *at_doer && by.is_some_and(|by| by.role != member.role) => {
                let (role, by) = (member.role.name(), by.expect("just looked at"));
                Err(format!("aim.at_doer: {by} is no {role}, and the fault hits a {role}"))
            }
            Some(_) | None => Ok(()),
        }
    }
}

impl Blow {
    /// Whether it can be left unhealed: what is down, stopped, cut off or broken stays so.
    fn can_be_permanent(&self) -> bool {
        match self {
            Blow::Kill(_)
            | Blow::PowerLoss(_)
            | Blow::PauseHost(_)
            | Blow::SlowHost { .. }
            | Blow::ZoneDown(_)
            | Blow::Cut { .. }
            | Blow::Clog { .. }
            | Blow::Grey { .. }
            | Blow::Resets { .. }
            | Blow::Volume {
                fault: VolumeBlow::Stall | VolumeBlow::Slow { .. } | VolumeBlow::Full | VolumeBlow::WriteErrors,
                ..
            }
            | Blow::Store(_)
            | Blow::ExpressDown(_)
            | Blow::Share(ShareBlow::Stall) => true,
            Blow::Volume { fault: VolumeBlow::Detach | VolumeBlow::Lost, .. }
            | Blow::ExpressLost(_)
            | Blow::Share(ShareBlow::Lost)
            | Blow::Terminate(_)
            | Blow::Pause(_)
            | Blow::Clock { .. }
            | Blow::Share(ShareBlow::Failover { .. })
            | Blow::MovePartition { .. }
            | Blow::Retain { .. }
            | Blow::ResetOffsets { .. }
            | Blow::Rescale { .. } => false,
        }
    }

    fn check(&self, roster: &Roster) -> Result<(), String> {
        let is_there = |member: &Member| number_is_there(member.role.name(), member.number, roster.count(member.role));
        let zone_is_there = |zone: u32| number_is_there("zone", zone, roster.zones);
        let at_least_one = |what: &str, value: u32| match value {
            0 => Err(format!("{what} is 0: 1 or more")),
            _ => Ok(()),
        };
        let is_ratio = |ppm: u32| match ppm {
            0..=MILLION => Ok(()),
            _ => Err(format!("{ppm} parts per million: at most {MILLION}")),
        };
        let places = |places: [&Place; 2]| {
            places.into_iter().try_for_each(|place| match place {
                Place::Everywhere | Place::Storage(Storage::Object | Storage::Block | Storage::File) => Ok(()),
                Place::Member(member) => is_there(member),
                Place::Zone(zone) => zone_is_there(*zone),
            })
        };
        match self {
            Blow::Kill(member)
            | Blow::Terminate(member)
            | Blow::Pause(member)
            | Blow::PowerLoss(member)
            | Blow::PauseHost(member) => is_there(member),
            Blow::Clock { of, jump_ns, drift_ppb } => {
                is_there(of)?;
                is_short(Nanos(jump_ns.unsigned_abs()))?;
                match drift_ppb {
                    Some(drift) if drift.unsigned_abs() > DRIFT_PPB_MAX.unsigned_abs() => {
                        Err(format!("a clock drifts by at most {DRIFT_PPB_MAX} parts in a billion"))
                    }
                    Some(_) | None => Ok(()),
                }
            }
            Blow::SlowHost { of, factor } => is_there(of).and_then(|()| at_least_one("factor", *factor)),
            Blow::ZoneDown(zone) => zone_is_there(*zone),
            Blow::Cut { from, to, direction: _ } | Blow::Clog { from, to } => places([from, to]),
            Blow::Grey { from, to, latency_factor, bandwidth_divisor } => {
                places([from, to])?;
                at_least_one("latency_factor", *latency_factor)?;
                at_least_one("bandwidth_divisor", *bandwidth_divisor)
            }
            Blow::Resets { from, to, every, ratio_ppm } => {
                places([from, to])?;
                is_ratio(*ratio_ppm)?;
                match *every {
                    Nanos::ZERO => Err("every 0 s: rounds have time in between".into()),
                    every => is_short(every),
                }
            }
            Blow::Volume { of, fault } => {
                is_there(of)?;
                if !roster.with_volumes.contains(&of.role) {
                    return Err(format!("{of} has no volume that storms aim at"));
                }
                match fault {
                    VolumeBlow::Detach | VolumeBlow::Lost if of.role != Role::Broker => {
                        Err(format!("{of} keeps its volume: those of brokers are detached and lost"))
                    }
                    VolumeBlow::Slow { latency_factor, throughput_divisor } => {
                        at_least_one("latency_factor", *latency_factor)?;
                        at_least_one("throughput_divisor", *throughput_divisor)
                    }
                    VolumeBlow::Stall
                    | VolumeBlow::Full
                    | VolumeBlow::WriteErrors
                    | VolumeBlow::Detach
                    | VolumeBlow::Lost => Ok(()),
                }
            }
            Blow::Store(StoreBlow::Brownout { latency_percent, error_ppm }) => {
                at_least_one("latency_percent", *latency_percent)?;
                is_ratio(*error_ppm)
            }
            Blow::Store(StoreBlow::Outage) => Ok(()),
            Blow::ExpressDown(store) | Blow::ExpressLost(store) => {
                number_is_there("express store", *store, roster.express)
            }
            Blow::Share(_) if !roster.has_share => Err("there is no file share in this run".into()),
            Blow::Share(ShareBlow::Failover { duration }) => is_short(*duration),
            Blow::Share(ShareBlow::Stall | ShareBlow::Lost) => Ok(()),
            Blow::MovePartition { topic, partition, to } => {
                is_there(to)?;
                if to.role != Role::Broker {
                    return Err(format!("a partition moves to a broker, and {to} is none"));
                }
                let topics = u32::try_from(roster.partitions.len()).unwrap_or(u32::MAX);
                number_is_there("topic", *topic, topics)?;
                number_is_there("partition", *partition, roster.partitions[*topic as usize])
            }
            Blow::Retain { topic, time, bytes } => {
                let topics = u32::try_from(roster.partitions.len()).unwrap_or(u32::MAX);
                number_is_there("topic", *topic, topics)?;
                if *topic == 0 {
                    return Err("topic 0 is the platform's own: it is compacted, and keeps what is live".into());
                }
                if time.is_none() && bytes.is_none() {
                    return Err("retain: neither \"time\" nor \"bytes\" is given, so nothing is altered".into());
                }
                time.map_or(Ok(()), is_short)
            }
            Blow::Rescale { job, parallelism } => {
                number_is_there("job", *job, roster.slots.len() as u32)?;
                let slots = roster.slots[*job as usize];
                match (1..=slots).contains(parallelism) {
                    true => Ok(()),
                    false => {
                        Err(format!("a parallelism of {parallelism}, and job {job} has {slots} slots: 1 to {slots}"))
                    }
                }
            }
            Blow::ResetOffsets { group, to } => {
                number_is_there("group", *group, roster.groups)?;
                match to {
                    Goal::Back(0) => Err("back by 0 is where it is: 1 or more".into()),
                    Goal::Back(_) | Goal::Earliest => Ok(()),
                }
            }
        }
    }
}
