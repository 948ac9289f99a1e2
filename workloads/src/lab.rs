//! The lab: one run, many runs, a failure run again and made small, two runs in lockstep.

mod artifact;
mod book;
pub mod corpus;
mod curve;
mod fingerprint;
mod hunt;
mod merge;
mod phases;
mod score;
mod seeds;
mod shrink;
pub mod story;
mod sweep;
mod timeline;
mod totals;

pub use artifact::{CannotReplay, Failure, KeptOptions, Sameness, VERSION, outcome};
pub use book::{Book, BookError, Opening};
pub use curve::{CannotExplain, Curve, CurvePlan, INEVITABLE, Point, curve};
pub use fingerprint::Fingerprint;
pub use hunt::{Bag, Clean, Hunt, HuntLimits};
pub use merge::{MergeError, Merged, merge};
pub(crate) use phases::BACK_AFTER;
pub use phases::{Phase, Phases};
pub use score::{Hunted, Score};
pub use seeds::{Seeds, Shard};
pub use shrink::{CannotShrink, Extent, FRESH_SEEDS, Shrunk, Step, regression_test, shrink};
pub use sweep::{Next, Plan, Swept, sweep};
pub use timeline::Timeline;
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
    /// When it was in which phase.
    pub phases: Phases,
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
    /// Where it stood still for something that its plan never mends: what that was, and who waited for whom; and which promise
    /// ended, and what was lost. A line each.
    pub beyond: Vec<String>,
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
    let run = |observer| drop(scenario.run(seed, options, observed_by(observer)));
    lockstep(run, run)
}

/// The same of a failure, as its file has it.
///
/// # Errors
/// When a run panics before any difference.
pub fn find_divergence_in(failure: &Failure) -> Result<Option<Divergence<Event>>, Panicked> {
    let Failure { scenario, seed, options, case, .. } = failure;
    let run = |observer| drop(scenario.run_case(*seed, case, options, observed_by(observer)));
    lockstep(run, run)
}

fn observed_by(observer: Observer<Event>) -> Listeners {
    Listeners { observer: Some(observer), ..Listeners::default() }
}
