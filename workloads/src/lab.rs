//! The lab: one run, many runs, two runs in lockstep.

use crate::scenario::{RunOptions, Scenario};
use std::ops::Range;
use wavetank_models::world::Event;
use wavetank_sim::{
    Digest, Divergence, EndReason, Marks, Nanos, Panicked, Record, lockstep, on_fresh_thread, run_many,
};
use wavetank_traces::Finding;

/// What one run came to.
#[derive(Clone, Debug)]
pub struct RunReport {
    /// Its seed.
    pub seed: u64,
    /// Why it ended.
    pub reason: EndReason,
    /// Virtual time at the end.
    pub now: Nanos,
    /// Events dispatched, inputs included.
    pub events: u64,
    /// Its fingerprint.
    pub digest: Digest,
    /// Situations reached.
    pub marks: Marks,
    /// What is wrong, worst first; empty when everything held.
    pub findings: Vec<Finding>,
    /// What was drawn for this seed, one line each.
    pub drawn: Vec<String>,
    /// The last events, one line each, oldest first; only kept when something is wrong.
    pub led_here: Vec<String>,
}

/// Runs one seed on a fresh thread.
///
/// # Errors
/// When the run panics: a bug in wavetank.
pub fn run(scenario: Scenario, seed: u64, options: &RunOptions) -> Result<RunReport, Panicked> {
    on_fresh_thread(|| scenario.run(seed, options, None))
}

/// Runs one seed on a fresh thread and hands over every record, as a line, as it happens: the full trace. `each` returns
/// `false` to end the run.
///
/// # Errors
/// When the run panics: a bug in wavetank.
pub fn trace(
    scenario: Scenario,
    seed: u64,
    options: &RunOptions,
    mut each: impl FnMut(String) -> bool + Send + 'static,
) -> Result<RunReport, Panicked> {
    let observer = Box::new(move |record: &Record<Event>| each(record.to_string()));
    on_fresh_thread(|| scenario.run(seed, options, Some(observer)))
}

/// Runs a range of seeds, at most `jobs` at once, and hands over each report in the order of seeds. `each` returns
/// `false` to start no further runs.
pub fn sweep(
    scenario: Scenario,
    seeds: Range<u64>,
    jobs: usize,
    options: &RunOptions,
    mut each: impl FnMut(u64, Result<RunReport, Panicked>) -> bool,
) {
    let seeds: Vec<u64> = seeds.collect();
    run_many(jobs, &seeds, |seed| scenario.run(*seed, options, None), |seed, report| each(*seed, report));
}

/// Runs one seed twice, side by side, and names the first event in which the runs differ; `None` when they are the same.
///
/// # Errors
/// When a run panics before any difference.
pub fn find_divergence(
    scenario: Scenario,
    seed: u64,
    options: &RunOptions,
) -> Result<Option<Divergence<Event>>, Panicked> {
    let run = |observer| drop(scenario.run(seed, options, Some(observer)));
    lockstep(run, run)
}
