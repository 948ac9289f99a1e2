//! How long and how large runs are: `[explore]` and `[measure]`.

use crate::spec::document::Severity;
use crate::spec::document::section::Section;
use crate::spec::document::value::{count, count32, rate, span, span_above_zero};
use wavetank_sim::Nanos;

/// Exploring runs: many, short, small, in storms. What is none is as in the scenario.
#[derive(Clone, Debug, PartialEq)]
pub struct Explore {
    /// How long the load lasts after the warm-up.
    pub duration: Nanos,
    /// How long it runs before anything happens.
    pub warm_up: Nanos,
    /// Events after which a run is too large, and ends.
    pub events_max: u64,
    /// Messages a second; where neither it nor the scenario names a rate, [`EXPLORE_RATE`].
    pub rate: Option<u64>,
    /// Topics.
    pub topics: Option<u32>,
    /// Partitions of each.
    pub partitions: Option<u32>,
    /// Producers of all topics.
    pub producers: Option<u32>,
    /// Members of each group.
    pub members: Option<u32>,
}

/// Measured runs: long, at full size, with the scenario's own faults.
#[derive(Clone, Debug, PartialEq)]
pub struct Measure {
    /// How long is measured, after the warm-up.
    pub duration: Nanos,
    /// How long the load runs before that.
    pub warm_up: Nanos,
    /// Events after which a run is too large, and ends.
    pub events_max: u64,
}

/// Messages a second of exploring runs where a scenario asks for the most that can be sustained: they look for mistakes,
/// not for limits.
pub const EXPLORE_RATE: u64 = 60;

/// The design's bound of exploring runs.
const EXPLORE_EVENTS: u64 = 100_000;
const MEASURE_EVENTS: u64 = 100_000_000;

pub(super) fn read_explore(top: &Section<'_>) -> Explore {
    let mut explore = Explore {
        duration: Nanos::secs(60),
        warm_up: Nanos::secs(5),
        events_max: EXPLORE_EVENTS,
        rate: None,
        topics: None,
        partitions: None,
        producers: None,
        members: None,
    };
    let Some(section) = top.section("explore") else { return explore };
    explore.duration = section.or("duration", explore.duration, span_above_zero);
    explore.warm_up = section.or("warm_up", explore.warm_up, span);
    explore.events_max = section.or("events", explore.events_max, count(1_000, EXPLORE_EVENTS));
    explore.rate = section.optional("rate", rate);
    explore.topics = section.optional("topics", count32(1, 10_000));
    explore.partitions = section.optional("partitions", count32(1, 10_000));
    explore.producers = section.optional("producers", count32(1, 10_000));
    explore.members = section.optional("members", count32(1, 10_000));
    section.finish(Severity::Error, &[("warmup", "warm_up"), ("consumers", "members, of each group")]);
    explore
}

pub(super) fn read_measure(top: &Section<'_>) -> Measure {
    let mut measure = Measure { duration: Nanos::secs(120), warm_up: Nanos::secs(30), events_max: MEASURE_EVENTS };
    let Some(section) = top.section("measure") else { return measure };
    measure.duration = section.or("duration", measure.duration, span_above_zero);
    measure.warm_up = section.or("warm_up", measure.warm_up, span);
    measure.events_max = section.or("events", measure.events_max, count(1_000, 1_000_000_000_000));
    section.finish(Severity::Error, &[("warmup", "warm_up")]);
    measure
}
