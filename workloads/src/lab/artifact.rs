//! A failure in a file, and the file run again.

use super::{RunReport, run_case};
use crate::case::Case;
use crate::mutant::Mutant;
use crate::scenario::{Listeners, NoScenario, RunOptions, Scenario, ScenarioText, UnknownName};
use crate::storm::{Entry, Misfit};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use wavetank_sim::{Panicked, run_many};
use wavetank_traces::Finding;
use wavetank_traces::artifact::{Artifact, Ended, NoArtifact, Outcome, Panic, Parts};

/// The version of wavetank that this is.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Options of a run, as files keep them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeptOptions {
    /// The mutant's name.
    pub mutant: Option<String>,
    /// See [`RunOptions`].
    pub keep_going: bool,
    /// See [`RunOptions`].
    pub no_check: bool,
    /// See [`RunOptions`].
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub over_budget: bool,
}

impl KeptOptions {
    /// Those of a run. A planted divergence cannot be run again, and is left out, as is another seed's part.
    pub fn of(options: &RunOptions) -> KeptOptions {
        let RunOptions { mutant, keep_going, no_check, over_budget, planted_divergence: _, reseed: _ } = *options;
        KeptOptions { mutant: mutant.map(|mutant| mutant.name().into()), keep_going, no_check, over_budget }
    }

    /// Those for a run.
    ///
    /// # Errors
    /// When there is no such mutant any more.
    pub fn options(&self) -> Result<RunOptions, UnknownName> {
        let mutant = self.mutant.as_deref().map(Mutant::by_name).transpose()?;
        let KeptOptions { keep_going, no_check, over_budget, .. } = *self;
        Ok(RunOptions { mutant, keep_going, no_check, over_budget, ..RunOptions::default() })
    }
}

/// What came of a run, as files keep it.
pub fn outcome(result: &Result<RunReport, Panicked>) -> Outcome {
    match result {
        Ok(report) => Outcome::Ended(Ended {
            reason: report.reason.to_string(),
            end_ns: report.now.0,
            events: report.events,
            digest: report.digest.to_string(),
            drawn: report.drawn.clone(),
            marks: report.marks.iter().map(|(name, count)| (name.to_owned(), count)).collect(),
            findings: report.findings.clone(),
        }),
        Err(panic) => Outcome::Panicked(Panic { message: panic.message.clone() }),
    }
}

/// A failure, ready to be run again.
#[derive(Clone, Debug)]
pub struct Failure {
    /// What ran.
    pub scenario: Scenario,
    /// From which seed.
    pub seed: u64,
    /// How.
    pub options: RunOptions,
    /// What it was.
    pub case: Case,
    /// What came of it.
    pub outcome: Outcome,
    /// Which wavetank saw it.
    pub wavetank: String,
}

/// Why a failure cannot be run again.
#[derive(Debug, thiserror::Error)]
#[error("{}: {why}", path.display())]
pub struct CannotReplay {
    path: PathBuf,
    why: WhyNot,
}

#[derive(Debug, thiserror::Error)]
enum WhyNot {
    #[error("can't read it: {0}")]
    Unreadable(std::io::Error),
    #[error(transparent)]
    NoArtifact(NoArtifact),
    #[error("its scenario means nothing to wavetank {VERSION}, and wavetank {wavetank} wrote it: {why}")]
    Scenario { wavetank: String, why: NoScenario },
    #[error("its options mean nothing to wavetank {VERSION}, and wavetank {wavetank} wrote it: {why}")]
    Options { wavetank: String, why: UnknownName },
    #[error("its case does not fit its scenario: case.{0}")]
    Case(Misfit),
}

/// How a replay compares with what it replays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sameness {
    /// The same digest and the same first finding; the same panic.
    Same,
    /// The same first finding (by whom, and of what kind) on another way there: another digest.
    OtherWay,
    /// Something else, or nothing at all, is wrong.
    Different,
}

impl Failure {
    /// Of a run by this wavetank, as the seed draws it.
    pub fn new(scenario: Scenario, seed: u64, options: &RunOptions, outcome: Outcome) -> Failure {
        Failure::of_case(scenario, seed, scenario.draw(seed, options), options, outcome)
    }

    /// Of a case that this wavetank ran.
    pub fn of_case(scenario: Scenario, seed: u64, case: Case, options: &RunOptions, outcome: Outcome) -> Failure {
        Failure { scenario, seed, options: *options, case, outcome, wavetank: VERSION.into() }
    }

    /// The name of its file: the same for the same scenario, options and seed.
    pub fn file_name(&self) -> String {
        let mutant = self.options.mutant.map(|mutant| format!("-{}", mutant.name())).unwrap_or_default();
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "@-_.".contains(c);
        let name = self.scenario.name().replace(|c| !is_plain(c), "-");
        format!("{name}{mutant}-seed-{}.json", self.seed)
    }

    /// Writes it into a folder, which is made when it is missing.
    ///
    /// # Errors
    /// What the system says, with the path.
    pub fn write(&self, folder: &Path) -> Result<PathBuf, String> {
        let name = self.file_name();
        let path = folder.join(&name);
        let written = std::fs::create_dir_all(folder).and_then(|()| std::fs::write(&path, self.to_json(&name)));
        written.map_err(|error| format!("can't write the failure to {}: {error}", path.display()))?;
        Ok(path)
    }

    /// As a file of that name holds it.
    pub fn to_json(&self, file_name: &str) -> String {
        Artifact::new(Parts {
            wavetank: self.wavetank.clone(),
            replay: format!("wavetank replay {file_name}"),
            scenario: self.scenario.text(),
            seed: self.seed,
            options: KeptOptions::of(&self.options),
            case: self.case.clone(),
            outcome: self.outcome.clone(),
        })
        .to_json()
    }

    /// Reads its file.
    ///
    /// # Errors
    /// When it cannot be read, is no artifact, or is of a wavetank that knew what this one does not.
    pub fn read(path: &Path) -> Result<Failure, CannotReplay> {
        let text = std::fs::read_to_string(path).map_err(WhyNot::Unreadable);
        text.and_then(|text| Failure::parse_it(&text)).map_err(|why| CannotReplay { path: path.into(), why })
    }

    /// Of the text of a file of that name.
    ///
    /// # Errors
    /// When it is no artifact, or is of a wavetank that knew what this one does not.
    pub fn parse(name: &str, text: &str) -> Result<Failure, CannotReplay> {
        Failure::parse_it(text).map_err(|why| CannotReplay { path: name.into(), why })
    }

    fn parse_it(text: &str) -> Result<Failure, WhyNot> {
        let artifact: Artifact<ScenarioText, KeptOptions, Case> =
            Artifact::from_json(text).map_err(WhyNot::NoArtifact)?;
        let Artifact { wavetank, scenario, seed, options, case, outcome, .. } = artifact;
        let scenario =
            Scenario::of_text(&scenario).map_err(|why| WhyNot::Scenario { wavetank: wavetank.clone(), why })?;
        let options = options.options().map_err(|why| WhyNot::Options { wavetank: wavetank.clone(), why })?;
        // Before version 2, what a seed drew was drawn again.
        let case = case.unwrap_or_else(|| scenario.draw(seed, &options));
        scenario.check(&case).map_err(WhyNot::Case)?;
        Ok(Failure { scenario, seed, options, case, outcome, wavetank })
    }

    /// How many of so many replays, at most `jobs` at once, came to the same digest and the same first finding.
    pub fn same_in(&self, replays: u64, jobs: usize) -> u64 {
        let mut same = 0;
        run_many(
            jobs,
            0..replays,
            |_| self.compare(&outcome(&self.replay(Listeners::default()))),
            |_, replayed| {
                same += u64::from(matches!(replayed, Ok(Sameness::Same)));
                true
            },
        );
        same
    }

    /// Runs it again, on a fresh thread.
    ///
    /// # Errors
    /// When it panics.
    pub fn replay(&self, listeners: Listeners) -> Result<RunReport, Panicked> {
        run_case(self.scenario, self.seed, &self.case, &self.options, listeners)
    }

    /// The case as it went, for telling: each fault that waited for a step is at the moment at which it struck, and those whose
    /// step never came are gone. Takes a run where there are any.
    pub fn case_as_it_went(&self) -> Case {
        let mut case = self.case.clone();
        if case.storm().entries.iter().any(|entry| entry.aim.is_some()) {
            let struck = self.replay(Listeners::default()).map_or_else(|_| Vec::new(), |report| report.struck);
            let at = |place: usize, entry: &Entry| match entry.aim {
                None => Some(entry.clone()),
                Some(_) => struck.iter().find(|it| it.entry == place).map(|it| entry.at_time(*it)),
            };
            let entries = case.storm().entries.iter().enumerate();
            case.storm_mut().entries = entries.filter_map(|(place, entry)| at(place, entry)).collect();
        }
        case
    }

    /// How another outcome compares with it.
    pub fn compare(&self, now: &Outcome) -> Sameness {
        let (then, now) = match (&self.outcome, now) {
            (Outcome::Ended(then), Outcome::Ended(now)) => (then, now),
            (then, now) if then == now => return Sameness::Same,
            (Outcome::Ended(_) | Outcome::Panicked(_), Outcome::Ended(_) | Outcome::Panicked(_)) => {
                return Sameness::Different;
            }
        };
        let kind = |of: &Ended| of.findings.first().map(|first| (first.severity, first.by.clone()));
        // What it is about follows from the rest, and older files do not say it.
        let first = |of: &Ended| of.findings.first().map(|first| Finding { about: Vec::new(), ..first.clone() });
        if then.digest == now.digest && first(then) == first(now) {
            Sameness::Same
        } else if kind(then) == kind(now) {
            Sameness::OtherWay
        } else {
            Sameness::Different
        }
    }
}
