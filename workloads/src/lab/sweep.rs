//! Many seeds of many scenarios, in one order whatever the number of jobs.

use super::artifact::outcome;
use super::book::{Book, BookError};
use super::seeds::Seeds;
use crate::scenario::{Listeners, RunOptions, Scenario};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use wavetank_sim::run_many;
use wavetank_traces::artifact::Outcome;

/// What is swept.
#[derive(Clone, Copy, Debug)]
pub struct Plan<'a> {
    /// These, taking turns: a sweep that is cut short has as many seeds of the one as of the other.
    pub scenarios: &'a [Scenario],
    /// Of each scenario.
    pub seeds: Seeds,
    /// How every seed is run.
    pub options: RunOptions,
    /// Runs at once, at most one a core.
    pub jobs: usize,
}

/// A seed of a sweep.
#[derive(Debug)]
pub struct Swept<'a> {
    /// Which of the plan's scenarios.
    pub scenario: usize,
    /// The seed.
    pub seed: u64,
    /// What came of it.
    pub outcome: &'a Outcome,
    /// Whether it was run now, and not read from a book.
    pub is_new: bool,
}

/// How a sweep goes on behind a seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// As planned.
    GoOn,
    /// Without this scenario.
    LeaveScenario,
    /// Not at all.
    Stop,
}

/// Runs a plan and hands over what came of each seed: first what is in the books, then what is run, seed by seed, the
/// scenarios of a seed in their order. What is in a book is not run again; what is run is added to it before it is handed
/// over. `books`: one a scenario, or none at all.
///
/// # Errors
/// When a book fails: the sweep ends there.
///
/// # Panics
/// When there are books, and not one a scenario.
pub fn sweep(plan: &Plan<'_>, books: &mut [Book], mut each: impl FnMut(Swept<'_>) -> Next) -> Result<(), BookError> {
    let Plan { scenarios, seeds, options, jobs } = *plan;
    assert!(books.is_empty() || books.len() == scenarios.len(), "a book a scenario");
    let left: Vec<AtomicBool> = scenarios.iter().map(|_| AtomicBool::new(false)).collect();
    for (scenario, book) in books.iter().enumerate() {
        for line in book.outcomes()? {
            let (seed, outcome) = line?;
            match each(Swept { scenario, seed, outcome: &outcome, is_new: false }) {
                Next::GoOn => {}
                Next::LeaveScenario => {
                    left[scenario].store(true, Relaxed);
                    break;
                }
                Next::Stop => return Ok(()),
            }
        }
    }
    let known: Vec<u64> = (0..scenarios.len()).map(|at| books.get(at).map_or(0, Book::lines)).collect();
    let is_left = |at: usize| left[at].load(Relaxed);
    let some_go_on = || (0..scenarios.len()).any(|at| !is_left(at));
    let runs = (0..).zip(seeds.iter()).take_while(|_| some_go_on()).flat_map(|(place, seed)| {
        let to_run = (0..scenarios.len()).filter(|at| known[*at] <= place && !is_left(*at));
        to_run.map(|at| (at, seed)).collect::<Vec<_>>()
    });
    let mut result = Ok(());
    run_many(
        jobs,
        runs,
        |(at, seed)| scenarios[*at].run(*seed, &options, Listeners::default()),
        |&(at, seed), report| {
            // It may have begun before its scenario was left.
            if is_left(at) {
                return true;
            }
            let outcome = outcome(&report);
            if let Some(book) = books.get_mut(at) {
                result = book.add(seed, &outcome);
                if result.is_err() {
                    return false;
                }
            }
            match each(Swept { scenario: at, seed, outcome: &outcome, is_new: true }) {
                Next::GoOn => true,
                Next::LeaveScenario => {
                    left[at].store(true, Relaxed);
                    some_go_on()
                }
                Next::Stop => false,
            }
        },
    );
    result
}
