//! How soon sweeps catch a known bug, and that they catch nothing without it.
//!
//! A hunt runs seeds with a mutant switched on, from seed 0, until so many of them were caught or there are no more. Seeds are
//! independent, so how many it takes to catch the mutant, from wherever one begins, is geometrically distributed. Its
//! probability is estimated from the hunt: when the hunt ended with its `c`-th catch in its `n`-th seed, by `(c - 1) / (n - 1)`, the
//! unbiased estimate for counting until the `c`-th success (Haldane, Biometrika 33, 1945); otherwise by `c / n`. The median
//! that is told is that distribution's. Of a few catches it is known to a factor of two or so, no better.
//!
//! Whatever is found in a seed is a catch, a stall too. That the invariant tells that is about the bug, tests hold.

use super::sweep::{Next, Plan, sweep};
use super::totals::who;
use crate::mutant::Mutant;
use crate::scenario::{RunOptions, Scenario};
use std::collections::BTreeMap;
use wavetank_traces::artifact::Outcome;

/// What is hunted where.
#[derive(Clone, Copy, Debug)]
pub struct Hunt {
    /// The bug.
    pub mutant: Mutant,
    /// Where it should show.
    pub scenario: Scenario,
}

/// When a hunt is over.
#[derive(Clone, Copy, Debug)]
pub struct HuntLimits {
    /// After so many seeds.
    pub seeds: u64,
    /// After so many of them were caught.
    pub catches: u64,
}

/// What a hunt came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bag {
    /// Seeds that were run.
    pub seeds: u64,
    /// Those in which something was found.
    pub caught: u64,
    /// The first of them.
    pub first: Option<u64>,
    /// Who noticed first, and in how many seeds.
    pub by: BTreeMap<String, u64>,
    /// Those that panicked: bugs in wavetank, which count as no catch.
    pub panicked: u64,
    /// Whether the last of them was a catch that ended the hunt.
    pub ended_with_catch: bool,
    /// Virtual nanoseconds of all.
    pub virtual_ns: u128,
}

impl Hunt {
    /// All hunts for these mutants, in their order.
    pub fn all(mutants: impl IntoIterator<Item = Mutant>) -> Vec<Hunt> {
        let of = |mutant: Mutant| mutant.grounds().into_iter().map(move |scenario| Hunt { mutant, scenario });
        mutants.into_iter().flat_map(of).collect()
    }

    /// Hunts, at most `jobs` runs at once; `each` hears of every seed. What comes of it does not depend on `jobs`.
    pub fn run(&self, limits: HuntLimits, jobs: usize, mut each: impl FnMut()) -> Bag {
        let options = RunOptions { mutant: Some(self.mutant), ..RunOptions::default() };
        let plan = Plan { scenarios: &[self.scenario], seeds: (0..limits.seeds).into(), options, jobs };
        let mut bag = Bag::default();
        let swept = sweep(&plan, &mut [], |swept| {
            each();
            bag.add(swept.seed, swept.outcome);
            bag.ended_with_catch = bag.caught >= limits.catches;
            if bag.ended_with_catch { Next::Stop } else { Next::GoOn }
        });
        swept.expect("there is no book that could fail");
        bag
    }
}

impl Bag {
    fn add(&mut self, seed: u64, outcome: &Outcome) {
        self.seeds += 1;
        match outcome {
            Outcome::Panicked(_) => self.panicked += 1,
            Outcome::Ended(ended) => {
                self.virtual_ns += u128::from(ended.end_ns);
                if let Some(first) = ended.findings.first() {
                    self.caught += 1;
                    self.first.get_or_insert(seed);
                    *self.by.entry(who(first).into()).or_default() += 1;
                }
            }
        }
    }

    /// How many seeds it takes to catch the mutant from wherever one begins, in the median: that of a geometric distribution,
    /// estimated from the hunt. After a few catches it is known to a factor of two or so. None when nothing was caught.
    pub fn median(&self) -> Option<u64> {
        if self.caught == 0 {
            return None;
        }
        let (caught, seeds) = match self.ended_with_catch && self.caught > 1 {
            true => (self.caught - 1, self.seeds - 1),
            false => (self.caught, self.seeds),
        };
        let missed = (seeds - caught) as f64 / seeds as f64;
        let (mut median, mut missed_by_all) = (1, missed);
        while missed_by_all > 0.5 {
            (median, missed_by_all) = (median + 1, missed_by_all * missed);
        }
        Some(median)
    }
}

/// What a scenario's seeds come to without any mutant.
#[derive(Clone, Debug)]
pub struct Clean {
    scenario: Scenario,
    /// Seeds that were run: from 0 on.
    pub seeds: u64,
    /// Those in which something was found, or that panicked, and who noticed: false alarms, or bugs that nobody put there.
    pub alarms: Vec<(u64, String)>,
}

impl Clean {
    /// No seed yet.
    pub fn new(scenario: Scenario) -> Clean {
        Clean { scenario, seeds: 0, alarms: Vec::new() }
    }

    /// Runs more seeds, until there are so many.
    pub fn extend(&mut self, seeds: u64, jobs: usize, mut each: impl FnMut()) {
        let (scenarios, options) = ([self.scenario], RunOptions::default());
        let plan = Plan { scenarios: &scenarios, seeds: (self.seeds..seeds).into(), options, jobs };
        let swept = sweep(&plan, &mut [], |swept| {
            each();
            let by = match swept.outcome {
                Outcome::Ended(ended) => ended.findings.first().map(|first| who(first).to_owned()),
                Outcome::Panicked(panic) => Some(format!("a panic: {}", panic.message)),
            };
            self.alarms.extend(by.map(|by| (swept.seed, by)));
            Next::GoOn
        });
        swept.expect("there is no book that could fail");
        self.seeds = self.seeds.max(seeds);
    }

    /// Alarms among the first so many seeds.
    pub fn alarms_among(&self, seeds: u64) -> u64 {
        self.alarms.iter().filter(|(seed, _)| *seed < seeds).count() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_that_of_the_geometric_distribution() {
        let bag = |caught, seeds, ended_with_catch| Bag { caught, seeds, ended_with_catch, ..Bag::default() };
        for (bag, median) in [
            (bag(0, 500, false), None),
            (bag(5, 5, true), Some(1)),
            // One in two, one in three.
            (bag(5, 9, true), Some(1)),
            (bag(5, 13, true), Some(2)),
            // One in a hundred: ln 2 / 0.01 = 69.
            (bag(5, 401, true), Some(69)),
            (bag(4, 400, false), Some(69)),
            (bag(1, 100, false), Some(69)),
            (bag(1, 100, true), Some(69)),
        ] {
            assert_eq!(bag.median(), median, "{bag:?}");
        }
    }

    #[test]
    fn a_hunt_is_over_with_its_last_catch_whatever_the_number_of_jobs() {
        let hunts = Hunt::all([Mutant::by_name("append-resent").expect("it is known")]);
        let limits = HuntLimits { seeds: 300, catches: 2 };
        let [one, two] = [1, 2].map(|jobs| hunts[0].run(limits, jobs, || {}));
        assert!(one == two && one.caught == 2 && one.ended_with_catch && one.seeds < 300, "{one:?}");
        assert!(one.by.contains_key("the history"), "{one:?}");
        let (mut clean, mut runs) = (Clean::new(Scenario::Harbour), 0);
        for seeds in [3, one.seeds, 2] {
            clean.extend(seeds, 2, || runs += 1);
        }
        assert_eq!((clean.seeds, runs, &*clean.alarms), (one.seeds, one.seeds, &[][..]));
    }
}
