//! A sweep that panics when something is wrong.

use crate::Settings;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::ops::Range;
use std::path::PathBuf;
use wavetank_sim::{Panicked, run_many};
use wavetank_traces::artifact::Outcome;
use wavetank_traces::{Finding, Severity};
use wavetank_workloads::lab::{self, Failure, RunReport};
use wavetank_workloads::mutant::Mutant;
use wavetank_workloads::scenario::{Listeners, RunOptions, Scenario};

/// Something that is to hold of every run.
type Held = Box<dyn Fn(&RunReport) -> Result<(), String> + Send + Sync>;

/// Scenarios, seeds, and what is to hold beside what wavetank checks anyway. See the [crate](crate).
pub struct Sweep {
    scenarios: Vec<Scenario>,
    seeds: Range<u64>,
    options: RunOptions,
    reaching: Vec<String>,
    holding: Vec<(&'static str, Held)>,
}

/// A seed in which something is wrong.
#[derive(Clone, Debug)]
pub struct Failed {
    /// Of which scenario.
    pub scenario: &'static str,
    /// The seed.
    pub seed: u64,
    /// What is wrong, in a line.
    pub why: String,
    /// The file that shows it again; or why there is none.
    pub file: Result<PathBuf, String>,
}

impl Sweep {
    /// These seeds of each of these scenarios, which are named as on the command line.
    ///
    /// # Panics
    /// When there is no such scenario: says which there are.
    pub fn new<'a>(scenarios: impl IntoIterator<Item = &'a str>, seeds: Range<u64>) -> Sweep {
        let by_name = |name: &str| Scenario::by_name(name).unwrap_or_else(|error| panic!("{error}"));
        Sweep {
            scenarios: scenarios.into_iter().map(by_name).collect(),
            seeds,
            options: RunOptions::default(),
            reaching: Vec::new(),
            holding: Vec::new(),
        }
    }

    /// The same, changed by a closure: for macros.
    pub fn with(self, more: impl FnOnce(Sweep) -> Sweep) -> Sweep {
        more(self)
    }

    /// With other options than the default.
    pub fn options(self, options: RunOptions) -> Sweep {
        Sweep { options, ..self }
    }

    /// With a known bug: the sweep must fail then, and tests of checks want that.
    ///
    /// # Panics
    /// When there is none of that name: says which there are.
    pub fn mutant(self, name: &str) -> Sweep {
        let mutant = Mutant::by_name(name).unwrap_or_else(|error| panic!("{error}"));
        let options = RunOptions { mutant: Some(mutant), ..self.options };
        Sweep { options, ..self }
    }

    /// Some seed must reach this situation: its mark, as `wavetank run` tells it.
    pub fn reaching(mut self, mark: impl Into<String>) -> Sweep {
        self.reaching.push(mark.into());
        self
    }

    /// This must hold of every run; the error says what is wrong. `wavetank replay` does not know of it: it shows the same run,
    /// and `WAVETANK_SEED` the same failure.
    pub fn holding(
        mut self,
        name: &'static str,
        check: impl Fn(&RunReport) -> Result<(), String> + Send + Sync + 'static,
    ) -> Sweep {
        self.holding.push((name, Box::new(check)));
        self
    }

    /// Sweeps, and panics when something is wrong.
    ///
    /// # Panics
    /// When something is wrong in a seed: with the first such seed of each scenario, its file, and the command that shows it again.
    /// When no seed reached what is to be reached, unless the environment has chosen the seeds.
    pub fn run(&self, settings: &Settings) {
        if let Err(message) = self.told(settings) {
            panic!("{message}");
        }
    }

    /// Sweeps; what there is to tell when something is wrong.
    ///
    /// # Errors
    /// See [`run`](Sweep::run).
    pub fn told(&self, settings: &Settings) -> Result<(), String> {
        let (failed, seeds, reached) = self.failures(settings);
        let mut message = String::new();
        if !failed.is_empty() {
            let _ = writeln!(message, "{} of {seeds} runs failed; of each scenario the first:", failed.len());
        }
        let mut known = BTreeSet::new();
        for Failed { scenario, seed, why, file } in failed.iter().filter(|failed| known.insert(failed.scenario)) {
            let again = match file {
                Ok(path) => format!("again: wavetank replay {}", path.display()),
                Err(error) => error.clone(),
            };
            let _ =
                write!(message, "{scenario} seed {seed}\n  {why}\n  {again}\n  or: WAVETANK_SEED={seed} cargo test\n");
        }
        let are_its_own = settings.seed.is_none() && settings.seeds.is_none();
        for mark in self.reaching.iter().filter(|mark| are_its_own && !reached.contains(*mark)) {
            let _ = writeln!(message, "no seed reached: {mark}");
        }
        if message.is_empty() { Ok(()) } else { Err(message) }
    }

    /// All seeds in which something is wrong, how many were run, and which situations were reached.
    pub fn failures(&self, settings: &Settings) -> (Vec<Failed>, u64, BTreeSet<String>) {
        let seeds = match (settings.seed, settings.seeds) {
            (Some(seed), _) => seed..seed + 1,
            (None, Some(count)) => self.seeds.start..self.seeds.start + count,
            (None, None) => self.seeds.clone(),
        };
        let runs = seeds.flat_map(|seed| self.scenarios.iter().map(move |scenario| (*scenario, seed)));
        let options = self.options;
        let (mut failed, mut count, mut reached) = (Vec::new(), 0, BTreeSet::new());
        run_many(
            settings.jobs,
            runs,
            move |(scenario, seed)| scenario.run(*seed, &options, Listeners::default()),
            |(scenario, seed), result| {
                count += 1;
                let result = self.checked(result);
                if let Ok(report) = &result {
                    reached.extend(report.marks.iter().map(|(mark, _)| mark.to_owned()));
                }
                let outcome = lab::outcome(&result);
                if outcome.has_failed() {
                    let why = why(&outcome);
                    let file = Failure::new(*scenario, *seed, &self.options, outcome).write(&settings.artifacts);
                    failed.push(Failed { scenario: scenario.name(), seed: *seed, why, file });
                }
                true
            },
        );
        (failed, count, reached)
    }

    /// What is to hold besides joins what was found.
    fn checked(&self, result: Result<RunReport, Panicked>) -> Result<RunReport, Panicked> {
        let mut report = result?;
        for (name, check) in &self.holding {
            if let Err(why) = check(&report) {
                let (severity, at_ns, by) = (Severity::Violation, report.now.0, (*name).to_owned());
                report.findings.push(Finding { severity, at_ns, by, why, about: Vec::new() });
            }
        }
        Ok(report)
    }
}

fn why(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Ended(ended) => ended.findings.first().map_or_else(String::new, ToString::to_string),
        Outcome::Panicked(panic) => format!("a bug in wavetank itself: {}", panic.message),
    }
}
