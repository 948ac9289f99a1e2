//! Many seeds, and what they add up to.

use super::RunReport;
use super::artifact::outcome;
use super::book::{Book, BookError};
use crate::scenario::{Listeners, RunOptions, Scenario};
use std::collections::BTreeMap;
use std::ops::Range;
use wavetank_sim::{Digest, Panicked, run_many};
use wavetank_traces::artifact::Outcome;

/// A seed of a sweep.
#[derive(Debug)]
pub struct Swept<'a> {
    /// The seed.
    pub seed: u64,
    /// What came of it.
    pub outcome: &'a Outcome,
    /// Whether it was run now, and not read from the sweep's book.
    pub is_new: bool,
}

/// Runs a range of seeds, at most `jobs` at once, and hands over what came of each, in the order of seeds. What the book
/// has is not run again; what it has not, is added. `each` returns `false` to go no further.
///
/// # Errors
/// When the book fails: the sweep ends there.
pub fn sweep(
    scenario: Scenario,
    seeds: Range<u64>,
    jobs: usize,
    options: &RunOptions,
    book: Option<&mut Book>,
    mut each: impl FnMut(Swept<'_>) -> bool,
) -> Result<(), BookError> {
    let is_known = |seed: &u64| book.as_ref().is_some_and(|book| book.has(*seed));
    let to_run: Vec<u64> = seeds.clone().filter(|seed| !is_known(seed)).collect();
    let mut hand_over = HandOver { book, next: seeds.start, each: &mut each };
    let mut state = Ok(true);
    run_many(
        jobs,
        to_run,
        |seed| scenario.run(*seed, options, Listeners::default()),
        |seed, report: Result<RunReport, Panicked>| {
            state = hand_over.run(*seed, &outcome(&report));
            matches!(state, Ok(true))
        },
    );
    if state? {
        hand_over.known_before(seeds.end)?;
    }
    Ok(())
}

/// Hands over in the order of seeds: `Ok(false)` when nobody wants more.
struct HandOver<'a> {
    book: Option<&'a mut Book>,
    next: u64,
    each: &'a mut dyn FnMut(Swept<'_>) -> bool,
}

impl HandOver<'_> {
    /// What the book has of the seeds before one that is run.
    fn known_before(&mut self, seed: u64) -> Result<bool, BookError> {
        while self.next < seed {
            let known = self.next;
            self.next += 1;
            let book = self.book.as_mut().expect("without a book every seed is run");
            let outcome = book.outcome(known)?.expect("what the book has not is run");
            if !(self.each)(Swept { seed: known, outcome: &outcome, is_new: false }) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn run(&mut self, seed: u64, outcome: &Outcome) -> Result<bool, BookError> {
        if !self.known_before(seed)? {
            return Ok(false);
        }
        self.next = seed + 1;
        if let Some(book) = &mut self.book {
            book.add(seed, outcome)?;
        }
        Ok((self.each)(Swept { seed, outcome, is_new: true }))
    }
}

/// What a sweep adds up to.
#[derive(Clone, Debug, Default)]
pub struct Totals {
    /// Seeds.
    pub seeds: u64,
    /// Seeds in which something is wrong.
    pub failed: u64,
    /// Events of all.
    pub events: u64,
    /// Virtual nanoseconds of all.
    pub virtual_ns: u128,
    /// The digest of all digests, in the order of seeds.
    pub digest: Digest,
    /// Situations, and how often each was reached.
    pub marks: BTreeMap<String, u64>,
    /// In how many seeds each was.
    pub seeds_of_marks: BTreeMap<String, u64>,
}

impl Totals {
    /// Of a scenario: what it must reach is known, and not reached yet.
    pub fn new(scenario: Scenario) -> Totals {
        let known = scenario.demands(u64::MAX).into_iter().map(|mark| (mark.to_owned(), 0));
        Totals { marks: known.collect(), ..Totals::default() }
    }

    /// Adds a seed's outcome.
    pub fn add(&mut self, outcome: &Outcome) {
        self.seeds += 1;
        self.failed += u64::from(outcome.has_failed());
        let Outcome::Ended(ended) = outcome else { return };
        self.events += ended.events;
        self.virtual_ns += u128::from(ended.end_ns);
        self.digest.mix_bytes(ended.digest.as_bytes());
        for (mark, count) in &ended.marks {
            *self.marks.entry(mark.clone()).or_default() += count;
            *self.seeds_of_marks.entry(mark.clone()).or_default() += u64::from(*count > 0);
        }
    }

    /// Situations that so many seeds must have reached, and have not.
    pub fn missing(&self, scenario: Scenario) -> Vec<&'static str> {
        let reached = |mark: &str| self.marks.get(mark).copied().unwrap_or(0) > 0;
        scenario.demands(self.seeds).into_iter().filter(|mark| !reached(mark)).collect()
    }
}
