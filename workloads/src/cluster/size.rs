//! One run of a scenario: its platform, its size, what of it is checked.

use super::sustainable;
use crate::spec::scenario::{EXPLORE_RATE, Group, Placement, Platform, Scenario};
use crate::storm::{LONGEST, Misfit};
use serde::{Deserialize, Serialize};
use wavetank_sim::Nanos;

/// For what a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Many, short, small: storms, swarm, histories.
    Explore,
    /// Few, long, at full size: the scenario's own faults, histograms.
    Measure,
}

/// How large a run is: the scenario's figures, with those of its size over them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Size {
    /// How long the load runs before anything goes wrong.
    pub warm_up: Nanos,
    /// How long it goes on after that: storms are over with it.
    pub duration: Nanos,
    /// How long after the load everything may take to become quiet.
    pub quiesce: Nanos,
    /// Events after which a run has gone wrong, and ends.
    pub events_max: u64,
    /// Messages a second; where it is to be found, the first guess.
    pub rate: u64,
    /// Topics.
    pub topics: u32,
    /// Partitions of each.
    pub partitions: u32,
    /// Producers in each zone, in the scenario's order of zones.
    pub producers: Vec<u32>,
    /// At most so many members a group; `null`: as many as the scenario says.
    pub members: Option<u32>,
    /// So many of the scenario's pipelines, the first ones.
    pub pipelines: u32,
}

/// As scenarios have it.
const COUNT_MAX: u64 = 10_000;
const RATE_MAX: u64 = 1_000_000_000;

impl Size {
    pub(super) fn of(scenario: &Scenario, purpose: Purpose) -> Size {
        let workload = &scenario.workload;
        let (measure, explore) = (&scenario.measure, &scenario.explore);
        let pipelines = u32::try_from(scenario.pipelines.len()).expect("few pipelines");
        match purpose {
            Purpose::Measure => Size {
                warm_up: measure.warm_up,
                duration: measure.duration,
                quiesce: Nanos::secs(5),
                events_max: measure.events_max,
                rate: workload.rate.unwrap_or(sustainable::FIRST_GUESS),
                topics: workload.topics,
                partitions: workload.partitions,
                producers: workload.producers.counts(),
                members: None,
                pipelines,
            },
            Purpose::Explore => Size {
                warm_up: explore.warm_up,
                duration: explore.duration,
                // A JoinGroup that died with its host, unheard, is waited for `max.poll.interval.ms` and 5 s, as is a member
                // whose join is lost so (`JOIN_GROUP_TIMEOUT_LAPSE`): 305 s each, one after the other.
                quiesce: Nanos::secs(660),
                // A quiet cluster has its heartbeats; what is over the bound is a run gone wrong.
                events_max: explore.events_max * 20,
                rate: explore.rate.or(workload.rate).unwrap_or(EXPLORE_RATE),
                topics: explore.topics.unwrap_or(workload.topics),
                partitions: explore.partitions.unwrap_or(workload.partitions),
                producers: match explore.producers {
                    Some(count) => Placement::spread(count, &scenario.cluster.azs).counts(),
                    None => workload.producers.counts(),
                },
                members: explore.members,
                pipelines,
            },
        }
    }

    /// Whether a run can be so large.
    ///
    /// # Errors
    /// The first figure that cannot be.
    pub(super) fn check(&self, setup: &Setup<'_>) -> Result<(), Misfit> {
        let Size { warm_up, duration, quiesce, events_max, rate, topics, partitions, producers, members, pipelines } =
            self;
        let wrong = |key: &str, what: String| Err(Misfit::new(format!("size.{key}"), what));
        for (key, time) in [("warm_up", warm_up), ("duration", duration), ("quiesce", quiesce)] {
            if *time > LONGEST {
                return wrong(key, format!("{time} s: at most a day"));
            }
        }
        let counts = [
            ("events_max", *events_max, u64::MAX),
            ("rate", *rate, RATE_MAX),
            ("topics", u64::from(*topics), COUNT_MAX),
            ("partitions", u64::from(*partitions), COUNT_MAX),
            ("members", u64::from(members.unwrap_or(1)), COUNT_MAX),
        ];
        for (key, count, most) in counts {
            if count == 0 || count > most {
                return wrong(key, format!("{count}: 1 to {most}"));
            }
        }
        let (zones, there) = (setup.scenario.cluster.azs.len(), setup.scenario.pipelines.len());
        let total: u64 = producers.iter().map(|count| u64::from(*count)).sum();
        if producers.len() != zones {
            return wrong("producers", format!("{} numbers: one for each of {zones} zones", producers.len()));
        }
        if total == 0 || total > COUNT_MAX {
            return wrong("producers", format!("{total} in all: 1 to {COUNT_MAX}"));
        }
        if *pipelines as usize > there {
            return wrong("pipelines", format!("{pipelines}: the scenario has {there}"));
        }
        Ok(())
    }

    /// Producers of all zones.
    pub(super) fn producers_total(&self) -> u32 {
        self.producers.iter().sum()
    }

    /// How many members a group has.
    pub(super) fn members_of(&self, group: &Group) -> u32 {
        group.members.total().min(self.members.unwrap_or(u32::MAX))
    }

    /// When the measurement begins: the warm-up is over, and there has been a load.
    pub fn begins(&self) -> Nanos {
        self.warm_up.max(super::LOAD_BEGINS)
    }

    /// When the load stops.
    pub fn load_ends(&self) -> Nanos {
        self.begins() + self.duration
    }

    /// When the run is over, whatever it does.
    pub(super) fn ends(&self) -> Nanos {
        self.load_ends() + self.quiesce
    }
}

/// One platform of a scenario, for one purpose.
#[derive(Clone, Copy)]
pub struct Setup<'a> {
    /// The scenario.
    pub scenario: &'a Scenario,
    /// The platform.
    pub platform: &'a Platform,
    /// For what.
    pub purpose: Purpose,
}

impl Setup<'_> {
    pub(super) fn size(&self) -> Size {
        Size::of(self.scenario, self.purpose)
    }
}
