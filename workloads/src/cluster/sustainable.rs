//! The highest rate that a platform sustains: what `rate = "max"`, and `producerRate: 0` of the OpenMessaging Benchmark, ask
//! for.
//!
//! It is looked for in a run of its own, on a cluster as the measurement has it, without the scenario's faults and with the
//! readers that are there from the beginning; the measurement then runs at the rate that was found, from its first record
//! on, on a fresh cluster. (`WorkloadGenerator.findMaximumSustainableRate` goes on changing the rate while it measures, so its
//! latencies are of no rate.) Each seed looks for its own.
//!
//! A rate is sustained when producers' records are acknowledged, and all groups' topics read, as fast as records become due:
//! see [`rate_controller`](super::rate_controller) for how much may be behind.
//!
//! **Simpler than reality:** of several groups the fastest counts, and whether jobs keep up does not; what fills in hours
//! (retention, compaction's debt) is not seen in the half minute for which a rate has to hold.

use super::LOAD_BEGINS;
use super::build::{Builder, FIRST_TOPIC, Map};
use super::knobs::Knobs;
use super::meter::{Meter, SharedMeter};
use super::rate_controller::{Next, RateController, Totals};
use super::size::{Setup, Size};
use crate::mutant::Mutant;
use crate::spec::scenario::Group;
use crate::storm::Storm;
use std::sync::{Arc, Mutex};
use wavetank_models::kafka::ids::TopicId;
use wavetank_models::world::{Action, Director, Event, Signal, World, launch};
use wavetank_sim::{Core, Limits, Nanos, NodeId, SortedSet};

/// The rate that is tried first, as in the OpenMessaging Benchmark: messages a second.
pub(super) const FIRST_GUESS: u64 = 10_000;
/// How often the rate is adjusted, as there.
const PERIOD: Nanos = Nanos::secs(3);
/// When the search is over, whatever it has found.
const LONGEST: Nanos = Nanos::secs(900);
/// Why a search ends.
const FOUND: &str = "the highest sustainable rate was found";

/// What a search came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sustainable {
    /// Messages a second, of all producers together; at least one.
    pub(super) rate: u64,
    /// Whether it was held for as long as it has to be. Otherwise it is the highest that held for a while.
    pub(super) is_proven: bool,
}

/// Looks for it. The run has the measured run's seed.
pub(super) fn find(setup: Setup<'_>, seed: u64, mutant: Option<Mutant>) -> Sustainable {
    let size = Size { warm_up: LONGEST, duration: Nanos::secs(1), rate: FIRST_GUESS, ..setup.size() };
    let (cloud, hosts, _) = Map::new(&setup, &size).split();
    let meter = Meter::new(None, size.warm_up, FIRST_TOPIC, size.partitions);
    let meter = SharedMeter(Arc::new(Mutex::new(meter)));
    let best = Arc::new(Mutex::new(Sustainable { rate: 1, is_proven: false }));
    let found = best.clone();
    let limits = Limits { events_max: size.events_max, time_max: LONGEST, ..Limits::default() };
    launch(
        seed,
        limits,
        None,
        cloud,
        |world, core, _| {
            world.set_probes(Box::new(meter.clone()));
            let cluster = Builder { setup, size: &size, mutant, knobs: &Knobs::default(), storm: &Storm::default() }
                .build(world, core, &hosts);
            let search = Search {
                producers: cluster.producers.iter().map(|producer| producer.node).collect(),
                topics: topics_read(&setup, &size),
                controller: RateController::new(FIRST_GUESS, PERIOD),
                rate: FIRST_GUESS,
                due: 0,
                meter: meter.clone(),
                best: best.clone(),
            };
            world.plan(core, LOAD_BEGINS + PERIOD, Action::Direct(0));
            world.set_director(Box::new(search));
        },
        |_, _, _| (),
    );
    *found.lock().expect("the run is over")
}

/// Those that a group reads from the beginning.
fn topics_read(setup: &Setup<'_>, size: &Size) -> SortedSet<TopicId> {
    let groups = setup.scenario.groups.iter().filter(|group| group.start_at == Nanos::ZERO);
    let read: SortedSet<&String> = groups.flat_map(|group: &Group| &group.topics).collect();
    let is_read = |topic: &u32| read.contains(&setup.scenario.workload.topic_name(*topic));
    (0..size.topics).filter(is_read).map(|topic| TopicId(FIRST_TOPIC + topic)).collect()
}

/// Adjusts the rate each control period.
struct Search {
    producers: Vec<NodeId>,
    /// Whose records somebody is to read.
    topics: SortedSet<TopicId>,
    controller: RateController,
    rate: u64,
    /// Records that have become due.
    due: u64,
    meter: SharedMeter,
    best: Arc<Mutex<Sustainable>>,
}

impl Director for Search {
    fn direct(&mut self, world: &mut World, core: &mut Core<Event>, _what: u32) {
        self.due += Nanos(self.rate).scale(PERIOD.0, Nanos::secs(1).0).0;
        let totals = {
            let meter = self.meter.0.lock().expect("nobody panics with it");
            let published = meter.produced_records + meter.gave_up_records;
            Totals { due: self.due, published, unread: meter.unread(&self.topics) }
        };
        let next = self.controller.next(totals);
        tracing::info!(rate = self.rate, ?totals, ?next, "control period");
        let mut best = self.best.lock().expect("nobody panics with it");
        match next {
            Next::Found(rate) => {
                *best = Sustainable { rate, is_proven: true };
                core.stop(FOUND);
            }
            Next::Rate(rate) => {
                best.rate = self.controller.held().max(1);
                self.rate = rate;
                for (share, producer) in shares(rate, self.producers.len()).zip(&self.producers) {
                    world.signal(core, *producer, Signal::Order(share));
                }
                world.plan(core, core.now() + PERIOD, Action::Direct(0));
            }
        }
    }
}

/// A rate, shared by so many producers; the first few take what does not divide.
pub(super) fn shares(rate: u64, producers: usize) -> impl Iterator<Item = u64> {
    let producers = producers as u64;
    (0..producers).map(move |n| rate / producers + u64::from(n < rate % producers))
}
