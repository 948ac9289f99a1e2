//! The lab: one run, many runs, a failure run again and made small, two runs in lockstep.

mod artifact;
mod book;
mod fingerprint;
mod hunt;
mod merge;
mod score;
mod seeds;
mod shrink;
mod sweep;
mod totals;

pub use artifact::{CannotReplay, Failure, KeptOptions, Sameness, VERSION, outcome};
pub use book::{Book, BookError, Opening};
pub use fingerprint::Fingerprint;
pub use hunt::{Bag, Clean, Hunt, HuntLimits};
pub use merge::{MergeError, Merged, merge};
pub use score::{Hunted, Score};
pub use seeds::{Seeds, Shard};
pub use shrink::{CannotShrink, Extent, FRESH_SEEDS, Shrunk, Step, regression_test, shrink};
pub use sweep::{Next, Plan, Swept, sweep};
pub use totals::{Reached, Totals};

use crate::case::Case;
use crate::recording::HistoryReport;
use crate::scenario::{Listeners, RunOptions, Scenario};
use crate::storm::Struck;
use wavetank_models::anomaly::{Fate, Operation};
use wavetank_models::world::Event;
use wavetank_sim::{
    Digest, Divergence, EndReason, Marks, Nanos, Observer, Panicked, Record, lockstep, on_fresh_thread,
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
    /// What became of the history of its clients.
    pub history: HistoryReport,
    /// Operations that met something beyond the ordinary, and what: the list that replays it.
    pub met: Vec<(Operation, Fate)>,
    /// Faults that waited for a step, and whose step came.
    pub struck: Vec<Struck>,
    /// The last events, one line each, oldest first; only kept when something is wrong.
    pub led_here: Vec<String>,
}

/// Runs one seed on a fresh thread.
///
/// # Errors
/// When the run panics: a bug in wavetank.
pub fn run(scenario: Scenario, seed: u64, options: &RunOptions, listeners: Listeners) -> Result<RunReport, Panicked> {
    on_fresh_thread(|| scenario.run(seed, options, listeners))
}

/// Runs a case on a fresh thread, once it has been [checked](Scenario::check).
///
/// # Errors
/// When the run panics: a bug in wavetank.
pub fn run_case(
    scenario: Scenario,
    seed: u64,
    case: &Case,
    options: &RunOptions,
    listeners: Listeners,
) -> Result<RunReport, Panicked> {
    on_fresh_thread(|| scenario.run_case(seed, case, options, listeners))
}

/// Hands over every record, as a line, as it happens: the full trace. `each` returns `false` to end the run.
pub fn trace(mut each: impl FnMut(String) -> bool + Send + 'static) -> Observer<Event> {
    Box::new(move |record: &Record<Event>| each(record.to_string()))
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
    let listeners = |observer| Listeners { observer: Some(observer), history: None };
    let run = |observer| drop(scenario.run(seed, options, listeners(observer)));
    lockstep(run, run)
}
