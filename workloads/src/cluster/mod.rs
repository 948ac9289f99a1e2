//! A cluster of a platform on shared storage: built from a scenario, put under load, hit, measured and checked.
//!
//! A run has five parts: the cluster sets itself up (controllers elect, brokers register and recover, topics are made), the
//! load begins, the warm-up ends, faults happen, and the load ends. A measured run ends with it; an exploring one goes on
//! until everything is quiet: every record that was acknowledged has been handed to a consumer.
//!
//! What is checked: the [invariants](wavetank_models::invariants), on every probe; in exploring runs the history of what
//! clients asked and were told; that the output of Flink-style jobs is the function of a prefix of their input, whatever was
//! killed; and at the end that everything became quiet: jobs too, whose output and latest checkpoint then hold all of it.

mod admin;
mod aims;
mod beyond;
pub mod budget;
mod build;
mod case;
mod cause;
mod chain;
mod cloud;
mod comparison;
mod cost;
mod faults;
mod job_meter;
mod jobs;
mod knobs;
mod log_starts;
mod loss;
mod meter;
mod moves;
mod patterns;
mod promises;
mod rate_controller;
mod reader_meter;
mod settings;
pub mod situations;
mod size;
mod standstill;
mod storm;
mod sustainable;

pub(crate) use aims::draw_delay;
pub use case::Case;
pub use cause::Cause;
pub use comparison::{Measured, compare};
pub use jobs::{NotYet, supported};
pub use knobs::{Knobs, Retention};
pub use size::{Purpose, Setup, Size};

use crate::compare::measurement::{Evaluations, Measurement, UsageReport};
use crate::compare::recorder::Shape;
use crate::compare::{Expected, Platform, Recorder};
use crate::lab::{Phases, RunReport};
use crate::recording::{Heard, Readers, judge, recording};
use crate::scenario::{Listeners, RunOptions};
use crate::spec::scenario::{Fault, FaultKind};
use crate::storm::{Storm, Strikes};
use build::{Builder, FIRST_TOPIC, Map};
use cloud::CLOUD;
use faults::{Conductor, judge_jobs};
use jobs::Job;
use loss::Loss;
use meter::{Meter, SharedMeter};
use standstill::{Patience, STANDS_STILL, Standstills, Told};
use std::sync::{Arc, Mutex};
use sustainable::Sustainable;
use wavetank_models::cloud::price::PriceBook;
use wavetank_models::flink::oracle::Verdict;
use wavetank_models::world::{Event, Failure, Products, Witness, World, launch};
use wavetank_sim::{Core, EndReason, Limits, Nanos, Outcome};
use wavetank_traces::check::Options;
use wavetank_traces::{Concern, Finding, Severity};

/// When the load begins: topics are there by then.
pub const LOAD_BEGINS: Nanos = Nanos::secs(5);
/// Why a run ends in which everything went well.
const ALL_DONE: &str = "everything that was acknowledged was read";
/// Why a measured run ends.
const LOAD_OVER: &str = "the load is over";
/// The price book that costs come from, and the one for volumes of several zones.
const PRICES: &str = "aws-us-east-1-2026";
const OTHER_PRICES: &str = "alibaba-us-east-1-2026";
const REGIONAL_VOLUME: &str = "alibaba-regional-essd";

/// What became of a run.
#[derive(Clone, Debug)]
pub struct ClusterReport {
    /// What any run reports.
    pub run: RunReport,
    /// What was measured.
    pub measurement: Option<Measurement>,
}

/// Runs one seed on this thread; an exploring run as the seed draws it.
pub fn run(setup: Setup<'_>, seed: u64, options: &RunOptions, listeners: Listeners) -> ClusterReport {
    if setup.purpose == Purpose::Explore {
        return run_case(setup, seed, &Case::draw(setup, seed, options.over_budget), options, listeners);
    }
    let mut size = setup.size();
    let is_to_find = setup.scenario.workload.rate.is_none();
    let sustainable = is_to_find.then(|| sustainable::find(setup, seed, options.mutant));
    size.rate = sustainable.map_or(size.rate, |it| it.rate);
    let case = Case { size, knobs: Knobs::default(), storm: Storm::default() };
    carry_out(setup, seed, &case, sustainable, options, listeners)
}

/// Runs an exploring run on this thread, exactly as a case has it that was [checked](Case::check).
pub fn run_case(setup: Setup<'_>, seed: u64, case: &Case, options: &RunOptions, listeners: Listeners) -> ClusterReport {
    carry_out(Setup { purpose: Purpose::Explore, ..setup }, seed, case, None, options, listeners)
}

fn carry_out(
    setup: Setup<'_>,
    seed: u64,
    case: &Case,
    sustainable: Option<Sustainable>,
    options: &RunOptions,
    listeners: Listeners,
) -> ClusterReport {
    let Case { size, knobs, storm } = case;
    let begin = size.begins();
    let (cloud, hosts, instances) = Map::new(&setup, size).split();
    let recorder = (setup.purpose == Purpose::Measure).then(|| recorder(&setup, size, seed, begin));
    let meter = Meter::new(recorder, begin, FIRST_TOPIC, size.partitions);
    let meter = SharedMeter(Arc::new(Mutex::new(meter)));
    let marks = Arc::new(Mutex::new(Vec::new()));
    let jobs = Arc::new(Mutex::new(Vec::new()));
    let strikes = Strikes::default();
    let struck = strikes.clone();
    let is_explore = setup.purpose == Purpose::Explore;
    let drawn = if is_explore { case.describe() } else { Vec::new() };
    // Consumers are members of groups.
    let checked = Options { subscribe: true, ..Options::default() };
    let heard = if knobs.retains_briefly() || storm.deletes() { Heard::AtEnd } else { Heard::AtOnce };
    let recording = is_explore.then(|| recording(options, checked, heard, listeners.history)).flatten();
    // Each thing that is never mended is mended after all, when the cluster stands still.
    let mended = storm.entries.iter().filter(|entry| entry.permanent).count() as u64;
    // A moment longer than a cluster has to become quiet, so that it is asked what it waits for.
    let time_max = size.ends() + size.quiesce * mended + Nanos::secs(1);
    let limits = Limits { events_max: size.events_max * (1 + mended), time_max, ..Limits::default() };
    let standstills = Standstills::default();
    let audience = listeners.audience;
    launch(
        options.choices(seed),
        limits,
        audience.with_lives(listeners.observer),
        cloud,
        |world, core, _| {
            world.set_audience(audience.clone());
            world.set_stop_at_failure(!options.keep_going);
            world.set_probes(Box::new(meter.clone()));
            if let Some(recording) = recording {
                world.set_recording(recording);
            }
            let cluster = Builder { setup, size, mutant: options.mutant, knobs, storm }.build(world, core, &hosts);
            let faults = if is_explore { Vec::new() } else { setup.scenario.faults.clone() };
            let mut unmended = Vec::new();
            if is_explore {
                unmended = storm::put_on_plan(storm, world, core, &cluster, size.load_ends(), &strikes);
            }
            let conductor = Conductor {
                faults,
                cluster,
                meter: meter.clone(),
                marks: marks.clone(),
                begin,
                load_ends: size.load_ends(),
                stream: Conductor::stream(core.choices()),
                purpose: setup.purpose,
                rolling: None,
                patience: Patience::new(unmended, size.load_ends(), size.quiesce, standstills.clone()),
            };
            {
                let mut meter = meter.0.lock().expect("the run begins");
                meter.jobs = conductor.cluster.job_meters();
                meter.readers = conductor.cluster.reader_meter(begin, size.rate);
                let loses = |fault: &Fault| matches!(fault.kind, FaultKind::LogLoss(_));
                let is_to_lose = if is_explore { storm.loses() } else { setup.scenario.faults.iter().any(loses) };
                meter.loss = is_to_lose.then(Loss::default);
            }
            *jobs.lock().expect("the run begins") = conductor.cluster.jobs.clone();
            conductor.put_on_plan(world, core);
            world.set_director(Box::new(conductor));
        },
        |world, core, outcome| {
            let verdict = if is_explore {
                judge_jobs(&jobs.lock().expect("the run is over"), &meter, world)
            } else {
                Verdict::Whole
            };
            let doubled = jobs.lock().expect("the run is over").iter().map(Job::doubled).sum();
            let report = Report { setup, size, seed, drawn, instances, verdict, sustainable, doubled };
            let faults = std::mem::take(&mut *marks.lock().expect("the run is over"));
            let mut meter = meter.0.lock().expect("the run is over");
            let mut measurement = report.measurement(world, &mut meter, &outcome);
            if let Some(measurement) = &mut measurement {
                measurement.faults = faults;
            }
            let standstills = standstills.lock().expect("the run is over");
            let run = report.run(world, core, outcome, &meter, &standstills);
            let phases = Phases::of(storm, size.load_ends(), standstills.healed, run.now);
            let run = RunReport { struck: struck.all(), phases, ..run };
            ClusterReport { run, measurement }
        },
    )
}

fn recorder(setup: &Setup<'_>, size: &Size, seed: u64, begin: Nanos) -> Recorder {
    let kind = setup.platform.kind;
    let platform = Platform { name: kind.name().into(), about: kind.summary().into() };
    let consumers = setup.scenario.groups.iter().map(|group| group.members.total()).sum();
    let shape = Shape {
        partitions: size.partitions * size.topics,
        record_bytes: setup.scenario.workload.message_size,
        topics: size.topics,
        producers_per_topic: size.producers_total() / size.topics.max(1),
        consumers_per_topic: consumers,
        begin,
        expected: size.duration,
    };
    Recorder::new(platform, seed, shape)
}

struct Report<'a> {
    setup: Setup<'a>,
    size: &'a Size,
    seed: u64,
    drawn: Vec<String>,
    instances: Vec<String>,
    /// Of the jobs.
    verdict: Verdict,
    /// Records that jobs' tables hold twice.
    doubled: u64,
    /// Where the rate had to be found.
    sustainable: Option<Sustainable>,
}

impl Report<'_> {
    fn measurement(&self, world: &mut World, meter: &mut Meter, outcome: &Outcome<Event>) -> Option<Measurement> {
        let recorder = meter.recorder.take()?;
        let end = outcome.now.min(self.size.load_ends());
        let mut measurement = recorder.finish(end, outcome.digest, outcome.events);
        measurement.recoveries = meter.recoveries();
        measurement.job_recoveries = meter.job_recoveries();
        measurement.checkpoints_failed =
            (!meter.jobs.is_empty()).then(|| meter.jobs.iter().map(|job| job.failed).sum());
        measurement.profiles = CLOUD.profiles(self.setup.platform.kind);
        measurement.invariants = meter
            .invariants
            .checked()
            .map(|(name, _, evaluated)| (name.to_owned(), Evaluations { evaluated, violated: 0 }))
            .collect();
        for failure in world.failures() {
            if let Witness::Invariant(name) = failure.by {
                measurement.invariants.entry(name.into()).or_default().violated += 1;
            }
        }
        measurement.situations = outcome.marks.iter().map(|(name, count)| (name.to_owned(), count)).collect();
        measurement.usage = self.usage(world, outcome.now);
        measurement.rebalance_pause = meter.readers.longest_pause();
        measurement.catch_ups = meter.readers.catch_ups();
        measurement.sink_duplicates = (!meter.jobs.is_empty()).then_some(self.doubled);
        measurement.sustainable_rate = self.sustainable.map(|it| it.rate);
        measurement.acked_lost = meter.acked_lost;
        measurement.ended_promises = promises::ended(&self.setup, &measurement, meter.has_lost);
        let expected = self.setup.scenario.expectations_on(self.setup.platform).into_iter();
        measurement.expectations = expected.map(|it| Expected::of(it, &measurement, self.size.rate)).collect();
        Some(measurement)
    }

    /// What the run used, and what a month of it costs.
    fn usage(&self, world: &mut World, now: Nanos) -> UsageReport {
        let mut book = PriceBook::named(PRICES).expect("it comes with wavetank");
        for instance in &self.instances {
            book.add_instance(CLOUD.instance(instance));
        }
        let mut products = Products::aws(self.instances.iter().map(String::as_str));
        // AWS sells no volume of several zones.
        book.add_product(&PriceBook::named(OTHER_PRICES).expect("it comes with wavetank"), REGIONAL_VOLUME);
        products.regional_volume = Some(REGIONAL_VOLUME.into());
        cost::report(world, now, &book, &products, &[cloud::CLIENT_INSTANCE])
    }

    fn run(
        self,
        world: &mut World,
        core: &mut Core<Event>,
        outcome: Outcome<Event>,
        meter: &Meter,
        standstills: &Told,
    ) -> RunReport {
        let is_loss = |failure: &&Failure| failure.by == Witness::Invariant(loss::PROMISE);
        let ended = world.failures().iter().find(is_loss).cloned();
        let mut findings: Vec<Finding> = Vec::new();
        let broken = world.failures().iter().filter(|failure| !is_loss(failure));
        for finding in broken.map(|failure| failure.as_finding(core)) {
            if !findings.iter().any(|known| (&known.by, &known.why) == (&finding.by, &finding.why)) {
                findings.push(finding);
            }
        }
        let all_done = outcome.reason == EndReason::Stopped(ALL_DONE.into());
        let readers = if all_done { Readers::Finished } else { Readers::Interrupted };
        let (recorded, log_starts) = (world.finish_recording(core), meter.log_starts.by_key());
        let history = judge(recorded, readers, log_starts.as_ref(), outcome.now, &mut findings);
        if let Verdict::Wrong(why) = &self.verdict {
            let (severity, by) = (Severity::Violation, "the oracle of pipelines".into());
            let names = (0..).zip(self.setup.scenario.pipelines.iter().map(|pipeline| &pipeline.name));
            let wrong = names.filter(|(_, name)| why.starts_with(&format!("pipeline {name}: ")));
            let about = wrong.map(|(job, _)| Concern::Job(job)).collect();
            findings.push(Finding { severity, at_ns: outcome.now.0, by, why: why.clone(), about });
        }
        let stands_still = outcome.reason == EndReason::Stopped(STANDS_STILL.into());
        if findings.is_empty() && (stands_still || !matches!(outcome.reason, EndReason::Stopped(_))) {
            let opening = standstills.last.as_ref().map_or_else(String::new, |chain| format!("{chain}; "));
            let mut why = format!("{opening}{} ended the run: {}", outcome.reason, meter.what_is_left());
            if let Verdict::Behind(job) = &self.verdict {
                why = format!("{why}; {job}");
            }
            let about = standstills.last.as_ref().map_or_else(Vec::new, |chain| chain.about.clone());
            let (severity, by) = (Severity::Stall, "the cluster".into());
            findings.push(Finding { severity, at_ns: outcome.now.0, by, why, about });
        }
        if let Some(Sustainable { rate, is_proven: false }) = self.sustainable {
            let why = format!("no rate was found that holds; the run has {rate} messages a second");
            let by = "the search for the highest rate".into();
            findings.push(Finding { severity: Severity::Stall, at_ns: 0, by, why, about: Vec::new() });
        }
        let mut marks = outcome.marks;
        if let Some((mark, times)) = meter.loss.as_ref().and_then(Loss::marks) {
            marks.hit_many(mark, times);
        }
        let mut beyond = standstill::describe(&standstills.mended);
        if let Some(Failure { at, why, .. }) = ended {
            // What follows from it is no bug.
            findings.retain(|finding| finding.at_ns < at.0);
            marks.hit(loss::ENDED);
            beyond.push(format!("lost at {at} s: {why}"));
            beyond.push(format!("  a promise ended: {}", budget::beyond(self.setup.platform.kind)));
        }
        let led_here =
            if findings.is_empty() { Vec::new() } else { outcome.ring.iter().map(|r| r.to_string()).collect() };
        RunReport {
            seed: self.seed,
            reason: outcome.reason,
            now: outcome.now,
            phases: Phases::default(),
            events: outcome.events,
            digest: outcome.digest,
            marks,
            findings,
            drawn: self.drawn,
            history,
            met: world.anomalies().happened().to_vec(),
            struck: Vec::new(),
            led_here,
            beyond,
        }
    }
}
