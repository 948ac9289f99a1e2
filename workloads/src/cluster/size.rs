//! One run of a scenario: its platform, its size, what of it is checked.

use super::sustainable;
use crate::spec::scenario::{EXPLORE_RATE, Placement, Platform, Scenario};
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
#[derive(Clone, Debug)]
pub(super) struct Size {
    pub(super) warm_up: Nanos,
    pub(super) duration: Nanos,
    /// How long after the load everything may take to become quiet.
    pub(super) quiesce: Nanos,
    pub(super) events_max: u64,
    /// Messages a second; where it is to be found, the first guess.
    pub(super) rate: u64,
    pub(super) topics: u32,
    pub(super) partitions: u32,
    pub(super) producers: Placement,
    /// At most so many members a group; `None`: as many as the scenario says.
    pub(super) members: Option<u32>,
}

impl Size {
    pub(super) fn of(scenario: &Scenario, purpose: Purpose) -> Size {
        let workload = &scenario.workload;
        let (measure, explore) = (&scenario.measure, &scenario.explore);
        match purpose {
            Purpose::Measure => Size {
                warm_up: measure.warm_up,
                duration: measure.duration,
                quiesce: Nanos::secs(5),
                events_max: measure.events_max,
                rate: workload.rate.unwrap_or(sustainable::FIRST_GUESS),
                topics: workload.topics,
                partitions: workload.partitions,
                producers: workload.producers.clone(),
                members: None,
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
                    Some(count) => Placement::spread(count, &scenario.cluster.azs),
                    None => workload.producers.clone(),
                },
                members: explore.members,
            },
        }
    }

    /// When the measurement begins: the warm-up is over, and there has been a load.
    pub(super) fn begins(&self) -> Nanos {
        self.warm_up.max(super::LOAD_BEGINS)
    }

    /// When the load stops.
    pub(super) fn load_ends(&self) -> Nanos {
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
