//! What a sweep adds up to, and how much of what there is to see it has seen.
//!
//! Coverage is counted in situations (marks) and in *pairs of situations that one run reached both of*. A run is a path
//! through states that nobody has named; two situations on one path are the nearest thing to a step between them that marks
//! can tell. A pair does not know which of the two came first, or how often.
//!
//! When is there nothing more to see? By Good and Turing's estimate (Good, Biometrika 40, 1953): the chance that the next
//! seed shows a new pair is the number of pairs that only one seed has shown, divided by the number of seeds. Coverage has
//! [levelled off](Totals::has_levelled_off) when a hundred more seeds are expected to show at most one.

use crate::scenario::Scenario;
use std::collections::BTreeMap;
use wavetank_sim::Digest;
use wavetank_traces::artifact::Outcome;
use wavetank_traces::{Finding, Severity};

/// With fewer seeds than this, nothing is said about what others would show.
const SEEDS_TO_TELL: u64 = 200;

/// What a sweep of one scenario adds up to. Its size depends on how many situations there are, not on how many seeds.
#[derive(Clone, Debug, Default)]
pub struct Totals {
    /// Seeds.
    pub seeds: u64,
    /// Seeds in which something is wrong.
    pub failed: u64,
    /// Those of them in which nothing worse than a stall is wrong.
    pub stalled: u64,
    /// Those of them that panicked: bugs in wavetank.
    pub panicked: u64,
    /// Who noticed first what is wrong, and in how many seeds.
    pub noticed: BTreeMap<String, u64>,
    /// Events of all.
    pub events: u64,
    /// Virtual nanoseconds of all.
    pub virtual_ns: u128,
    /// The digest of all digests, in the order of seeds.
    pub digest: Digest,
    /// In how many seeds each situation was reached.
    pub marks: BTreeMap<String, Reached>,
    /// In how many seeds both of two situations were; by their numbers.
    pairs: BTreeMap<(u32, u32), u64>,
    /// How many pairs only one seed has shown.
    pairs_of_one_seed: u64,
}

/// How often a situation was reached.
#[derive(Clone, Copy, Debug)]
pub struct Reached {
    /// In how many seeds.
    pub seeds: u64,
    /// Its number among situations: the order in which they became known.
    number: u32,
}

/// Who noticed: an invariant, or of a process that noticed it itself (`boat-1 (n4.2)`) what it is (`boat`), whichever of them
/// it was and in whichever life.
pub(super) fn who(finding: &Finding) -> &str {
    match finding.by.split_once(" (n") {
        Some((process, _)) => process.trim_end_matches(|c: char| c.is_ascii_digit()).trim_end_matches('-'),
        None => &finding.by,
    }
}

/// Who notices a panic.
const PANIC: &str = "a panic";

impl Totals {
    /// Of a scenario: what it must reach is known, and not reached yet.
    pub fn new(scenario: Scenario) -> Totals {
        let mut totals = Totals::default();
        for mark in scenario.demands(u64::MAX) {
            totals.mark(mark);
        }
        totals
    }

    fn mark(&mut self, name: &str) -> &mut Reached {
        let number = self.marks.len() as u32;
        if !self.marks.contains_key(name) {
            self.marks.insert(name.to_owned(), Reached { seeds: 0, number });
        }
        self.marks.get_mut(name).expect("it is there by now")
    }

    /// Adds a seed's outcome.
    pub fn add(&mut self, outcome: &Outcome) {
        self.seeds += 1;
        self.failed += u64::from(outcome.has_failed());
        let ended = match outcome {
            Outcome::Ended(ended) => ended,
            Outcome::Panicked(_) => {
                self.panicked += 1;
                *self.noticed.entry(PANIC.into()).or_default() += 1;
                return;
            }
        };
        if let Some(first) = ended.findings.first() {
            *self.noticed.entry(who(first).into()).or_default() += 1;
            let is_stall = ended.findings.iter().all(|finding| finding.severity == Severity::Stall);
            self.stalled += u64::from(is_stall);
        }
        self.events += ended.events;
        self.virtual_ns += u128::from(ended.end_ns);
        self.digest.mix_bytes(ended.digest.as_bytes());
        self.add_marks(&ended.marks);
    }

    fn add_marks(&mut self, marks: &BTreeMap<String, u64>) {
        let mut reached = Vec::new();
        for (name, times) in marks {
            let mark = self.mark(name);
            if *times > 0 {
                mark.seeds += 1;
                reached.push(mark.number);
            }
        }
        reached.sort_unstable();
        for (at, one) in reached.iter().enumerate() {
            for other in &reached[at + 1..] {
                let seeds = self.pairs.entry((*one, *other)).or_default();
                *seeds += 1;
                match *seeds {
                    1 => self.pairs_of_one_seed += 1,
                    2 => self.pairs_of_one_seed -= 1,
                    _ => {}
                }
            }
        }
    }

    /// Situations that so many seeds must have reached, and have not.
    pub fn missing(&self, scenario: Scenario) -> Vec<&'static str> {
        self.unreached(scenario.demands(self.seeds))
    }

    fn unreached(&self, demanded: Vec<&'static str>) -> Vec<&'static str> {
        let is_reached = |mark: &str| self.marks.get(mark).is_some_and(|reached| reached.seeds > 0);
        demanded.into_iter().filter(|mark| !is_reached(mark)).collect()
    }

    /// How many situations were reached.
    pub fn reached(&self) -> usize {
        self.marks.values().filter(|reached| reached.seeds > 0).count()
    }

    /// How many pairs of situations some seed reached both of.
    pub fn pairs(&self) -> usize {
        self.pairs.len()
    }

    /// How many new pairs a hundred more seeds are expected to show: a hundred times the pairs that only one seed has shown,
    /// divided by the number of seeds (Good and Turing's estimate). None when too few have run to tell.
    pub fn new_pairs_expected(&self) -> Option<f64> {
        (self.seeds >= SEEDS_TO_TELL).then(|| self.pairs_of_one_seed as f64 * 100.0 / self.seeds as f64)
    }

    /// Whether every situation was reached that any sweep of the scenario must reach, however long, and a hundred more seeds
    /// are expected to show at most one new pair.
    pub fn has_levelled_off(&self, scenario: Scenario) -> bool {
        self.seeds >= SEEDS_TO_TELL
            && self.pairs_of_one_seed.saturating_mul(100) <= self.seeds
            && self.unreached(scenario.demands(u64::MAX)).is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wavetank_traces::artifact::Ended;

    fn outcome(marks: &[&str]) -> Outcome {
        Outcome::Ended(Ended {
            reason: "over".into(),
            end_ns: 1,
            events: 1,
            digest: "0".into(),
            drawn: Vec::new(),
            marks: marks.iter().map(|mark| ((*mark).to_owned(), 1)).chain([("never".into(), 0)]).collect(),
            findings: Vec::new(),
        })
    }

    #[test]
    fn processes_of_a_kind_are_one_who_notices() {
        let who = |by: &str| {
            let finding =
                Finding { severity: Severity::Stall, at_ns: 0, by: by.into(), why: String::new(), about: Vec::new() };
            super::who(&finding).to_owned()
        };
        assert_eq!(
            ["boat-1 (n4.2)", "table (n10.1)", "the cluster", "fenced-is-silent"].map(who),
            ["boat", "table", "the cluster", "fenced-is-silent"]
        );
    }

    #[test]
    fn coverage_levels_off_when_what_only_one_seed_has_shown_is_rare_and_nothing_demanded_is_left() {
        // A scenario of which nothing is demanded.
        let scenario = Scenario::by_name("steady@s3-wal").expect("it is built in");
        let mut all = Totals::new(scenario);
        (0..199).for_each(|_| all.add(&outcome(&["a", "b"])));
        assert_eq!((all.new_pairs_expected(), all.has_levelled_off(scenario)), (None, false), "too few to tell");
        all.add(&outcome(&["a", "b", "c"]));
        assert_eq!((all.pairs(), all.reached(), all.marks.len()), (3, 3, 4));
        // Two pairs of one seed among two hundred seeds: one new one in a hundred.
        assert_eq!((all.new_pairs_expected(), all.has_levelled_off(scenario)), (Some(1.0), true));
        all.add(&outcome(&["a", "d"]));
        assert!(!all.has_levelled_off(scenario), "a new pair is news");
        all.add(&outcome(&["a", "d"]));
        assert!(all.has_levelled_off(scenario), "seen twice it is none");
        assert!(!all.has_levelled_off(Scenario::Harbour), "and there is more that a harbour must reach");
    }
}
