//! The scenarios there are, by name, and those of files.

mod selection;

pub use selection::select;

use crate::bare_log::{self, Medium};
use crate::bare_quorum;
use crate::case::Case;
use crate::cluster::{self, Purpose, Setup, situations};
use crate::harbour;
use crate::lab::RunReport;
use crate::mutant::Mutant;
use crate::spec::scenario::Scenario as Described;
use crate::spec::scenario::{Platform, builtin};
use crate::spec::{Folder, Parsed, Problem, ReadFile, Source};
use crate::storm::Misfit;
use serde::{Deserialize, Serialize};
use std::cell::RefCell;
use std::fmt;
use std::io::Write;
use std::path::Path;
use wavetank_models::world::{Audience, Event};
use wavetank_sim::{Choices, Observer, Reseed, SortedMap};

/// A scenario: what runs, and what it is exposed to.
#[derive(Clone, Copy)]
pub enum Scenario {
    /// See [`harbour`].
    Harbour,
    /// See [`bare_log`].
    BareLog(Medium),
    /// See [`bare_quorum`].
    BareQuorum,
    /// A described scenario on one of its platforms, at its exploring size.
    Cluster(&'static OnPlatform),
}

/// A described scenario on one of its platforms.
pub struct OnPlatform {
    name: String,
    argument: String,
    scenario: Described,
    platform: usize,
    is_builtin: bool,
    warnings: Vec<Problem>,
    text: DescribedText,
}

/// A scenario as it is kept in a file of results: with all that it was read from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ScenarioText {
    /// See [`harbour`]: written in Rust.
    Harbour,
    /// See [`bare_log`]: written in Rust.
    BareLog(Medium),
    /// See [`bare_quorum`]: written in Rust.
    BareQuorum,
    /// Described by a text.
    Described(DescribedText),
}

impl ScenarioText {
    /// For people: its file and platform.
    pub fn name(&self) -> String {
        match self {
            ScenarioText::Harbour => "harbour".into(),
            ScenarioText::BareLog(medium) => medium.scenario().into(),
            ScenarioText::BareQuorum => bare_quorum::NAME.into(),
            ScenarioText::Described(of) => format!("{}@{}", of.file, of.platform),
        }
    }
}

/// The text of a scenario, and of the files that it names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DescribedText {
    /// Which of its platforms.
    pub platform: String,
    /// Its file, without folders.
    pub file: String,
    /// What the file said.
    pub text: String,
    /// What the files that it names said.
    pub files: SortedMap<String, String>,
}

/// Writes down what is read.
struct Witness<'a> {
    files: &'a dyn ReadFile,
    read: RefCell<SortedMap<String, String>>,
}

impl ReadFile for Witness<'_> {
    fn read(&self, path: &str) -> Result<String, String> {
        let text = self.files.read(path)?;
        self.read.borrow_mut().insert(path.into(), text.clone());
        Ok(text)
    }
}

/// Files as an earlier run read them.
struct Kept<'a>(&'a SortedMap<String, String>);

impl ReadFile for Kept<'_> {
    fn read(&self, path: &str) -> Result<String, String> {
        self.0.get(path).cloned().ok_or_else(|| "it was not kept with the scenario".into())
    }
}

impl OnPlatform {
    /// The platform.
    pub fn platform(&self) -> &Platform {
        &self.scenario.platforms[self.platform]
    }

    /// An exploring run of it.
    fn setup(&self) -> Setup<'_> {
        Setup { scenario: &self.scenario, platform: self.platform(), purpose: Purpose::Explore }
    }
}

impl Scenario {
    /// The scenario of a text, on one of its platforms; on its first one when none is named. It is kept for as long as the
    /// process lives.
    fn described(
        source: &Source,
        files: &dyn ReadFile,
        platform: Option<&str>,
        is_builtin: bool,
    ) -> Result<Scenario, NoScenario> {
        let files = Witness { files, read: RefCell::default() };
        let Parsed { value: scenario, warnings } = Described::parse(source, &files).map_err(|problems| {
            let problems: Vec<String> = problems.0.iter().map(|problem| problem.render(COLUMNS)).collect();
            NoScenario::Wrong(problems.join("\n"))
        })?;
        let kinds = scenario.platforms.iter().map(|platform| platform.kind.name());
        let place = match platform {
            None => 0,
            Some(on) => {
                kinds.clone().position(|kind| kind == on).ok_or_else(|| UnknownName::new("platform", on, kinds))?
            }
        };
        let platform = scenario.platforms[place].kind.name();
        let file = Path::new(&source.name).file_name().map_or_else(String::new, |name| name.to_string_lossy().into());
        let text = DescribedText {
            platform: platform.into(),
            file,
            text: source.text.clone(),
            files: files.read.into_inner(),
        };
        let name = format!("{}@{platform}", scenario.name);
        let argument = if is_builtin { name.clone() } else { format!("{}@{platform}", source.name) };
        let on = OnPlatform { name, argument, scenario, platform: place, is_builtin, warnings, text };
        Ok(Scenario::Cluster(Box::leak(Box::new(on))))
    }

    /// As files of results keep it.
    pub fn text(self) -> ScenarioText {
        match self {
            Scenario::Harbour => ScenarioText::Harbour,
            Scenario::BareLog(medium) => ScenarioText::BareLog(medium),
            Scenario::BareQuorum => ScenarioText::BareQuorum,
            Scenario::Cluster(on) => ScenarioText::Described(on.text.clone()),
        }
    }

    /// A scenario that was kept.
    ///
    /// # Errors
    /// When its text is wrong.
    pub fn of_text(kept: &ScenarioText) -> Result<Scenario, NoScenario> {
        match kept {
            ScenarioText::Harbour => Ok(Scenario::Harbour),
            ScenarioText::BareLog(medium) => Ok(Scenario::BareLog(*medium)),
            ScenarioText::BareQuorum => Ok(Scenario::BareQuorum),
            ScenarioText::Described(of) => {
                let is_builtin = builtin::ALL.iter().any(|(_, text)| *text == of.text);
                let source = Source::new(of.file.clone(), of.text.clone());
                Scenario::described(&source, &Kept(&of.files), Some(&of.platform), is_builtin)
            }
        }
    }

    /// What is odd about its file.
    pub fn warnings(self) -> &'static [Problem] {
        match self {
            Scenario::Harbour | Scenario::BareLog(_) | Scenario::BareQuorum => &[],
            Scenario::Cluster(on) => &on.warnings,
        }
    }

    /// Situations that a sweep of so many seeds must reach, and reaches: see [its table](crate::cluster::situations).
    pub fn demands(self, seeds: u64) -> Vec<&'static str> {
        match self {
            Scenario::Harbour => harbour::demands(seeds),
            Scenario::BareLog(medium) => bare_log::demands(medium, seeds),
            Scenario::BareQuorum => bare_quorum::demands(seeds),
            // How often a scenario of one's own gets there, nobody has measured.
            Scenario::Cluster(on) if !on.is_builtin => Vec::new(),
            Scenario::Cluster(on) => {
                let demanded = situations::of(&on.scenario, on.platform().kind);
                demanded.filter(|situation| seeds >= situation.seeds).map(|situation| situation.mark).collect()
            }
        }
    }

    /// What names it on the command line.
    pub fn argument(self) -> &'static str {
        match self {
            Scenario::Harbour => "harbour",
            Scenario::BareLog(medium) => medium.scenario(),
            Scenario::BareQuorum => bare_quorum::NAME,
            Scenario::Cluster(on) => &on.argument,
        }
    }

    /// Its name and platform.
    pub fn name(self) -> &'static str {
        match self {
            Scenario::Harbour => "harbour",
            Scenario::BareLog(medium) => medium.scenario(),
            Scenario::BareQuorum => bare_quorum::NAME,
            Scenario::Cluster(on) => &on.name,
        }
    }

    /// One line for people.
    pub fn summary(self) -> &'static str {
        match self {
            Scenario::Harbour => "a durable log service on all devices, in a storm",
            Scenario::BareLog(_) => {
                "a write-ahead log by itself, its broker and a rescuer, in a storm; @object, @express, @gp3, @io2, @regional, @nfs"
            }
            Scenario::BareQuorum => bare_quorum::SUMMARY,
            Scenario::Cluster(on) => &on.scenario.summary,
        }
    }

    /// The scenario of that name: `harbour`, `bare-quorum`, `bare-log` with `@` and a medium, or a built-in one or a file (`.toml`) with `@` and a platform; its first one
    /// without.
    ///
    /// # Errors
    /// When there is none: says which there are. When the file is wrong: says what is.
    pub fn by_name(name: &str) -> Result<Scenario, NoScenario> {
        match name {
            "harbour" => return Ok(Scenario::Harbour),
            bare_quorum::NAME => return Ok(Scenario::BareQuorum),
            _ => {}
        }
        // No platform's name has a dot; folders may have an @.
        let (scenario, platform) = match name.rsplit_once('@') {
            Some((scenario, on)) if !on.contains(['.', '/']) => (scenario, Some(on)),
            Some(_) | None => (name, None),
        };
        if scenario == "bare-log" {
            return Ok(Scenario::BareLog(platform.map_or(Ok(Medium::Object), Medium::by_name)?));
        }
        if let ("harbour" | bare_quorum::NAME, Some(platform)) = (scenario, platform) {
            return Err(NoScenario::NoPlatforms(scenario.into(), platform.into()));
        }
        if let Some(source) = builtin::source(scenario) {
            return Scenario::described(&source, &builtin::Files, platform, true);
        }
        if !scenario.ends_with(".toml") {
            return Err(UnknownName::new("scenario", scenario, Scenario::built_in().chain(["FILE.toml"])).into());
        }
        let path = Path::new(scenario);
        let text = std::fs::read_to_string(path)
            .map_err(|error| NoScenario::Unreadable { path: scenario.into(), why: error.to_string() })?;
        let folder = path.parent().unwrap_or(Path::new(""));
        Scenario::described(&Source::new(scenario, text), &Folder(folder), platform, false)
    }

    /// Whether it can be run with these options.
    ///
    /// # Errors
    /// The first that means nothing to it.
    pub fn takes(self, options: &RunOptions) -> Result<(), UnknownOption> {
        match self {
            Scenario::Harbour | Scenario::BareLog(_) | Scenario::BareQuorum if options.over_budget => {
                Err(UnknownOption(self.name()))
            }
            Scenario::Harbour | Scenario::BareLog(_) | Scenario::BareQuorum | Scenario::Cluster(_) => Ok(()),
        }
    }

    /// The case that a seed draws.
    pub fn draw(self, seed: u64, options: &RunOptions) -> Case {
        match self {
            Scenario::Harbour => Case::Harbour(harbour::Case::draw(seed)),
            Scenario::BareLog(medium) => Case::BareLog(bare_log::Case::draw(medium, seed)),
            Scenario::BareQuorum => Case::BareQuorum(bare_quorum::Case::draw(seed)),
            Scenario::Cluster(on) => Case::Cluster(cluster::Case::draw(on.setup(), seed, options.over_budget)),
        }
    }

    /// Whether a case can be run: it is of this scenario, and everything in it is there and makes sense.
    ///
    /// # Errors
    /// The first thing that does not fit.
    pub fn check(self, case: &Case) -> Result<(), Misfit> {
        match (self, case) {
            (Scenario::Harbour, Case::Harbour(case)) => case.check(),
            (Scenario::BareLog(medium), Case::BareLog(case)) => case.check(medium),
            (Scenario::BareQuorum, Case::BareQuorum(case)) => case.check(),
            (Scenario::Cluster(on), Case::Cluster(case)) => case.check(on.setup()),
            (Scenario::Harbour | Scenario::BareLog(_) | Scenario::BareQuorum | Scenario::Cluster(_), case) => {
                Err(Misfit::new(".", format!("it is of {}, and the scenario is {}", case.kind(), self.name())))
            }
        }
    }

    /// Runs what a seed draws, on this thread.
    pub fn run(self, seed: u64, options: &RunOptions, listeners: Listeners) -> RunReport {
        self.run_case(seed, &self.draw(seed, options), options, listeners)
    }

    /// Runs a case that was [checked](Scenario::check), on this thread.
    ///
    /// # Panics
    /// When the case is of another scenario, or names what is not there.
    pub fn run_case(self, seed: u64, case: &Case, options: &RunOptions, listeners: Listeners) -> RunReport {
        match (self, case) {
            (Scenario::Harbour, Case::Harbour(case)) => harbour::run(seed, case, options, listeners),
            (Scenario::BareLog(medium), Case::BareLog(case)) => bare_log::run(medium, seed, case, options, listeners),
            (Scenario::BareQuorum, Case::BareQuorum(case)) => bare_quorum::run(seed, case, options, listeners),
            (Scenario::Cluster(on), Case::Cluster(case)) => {
                cluster::run_case(on.setup(), seed, case, options, listeners).run
            }
            (Scenario::Harbour | Scenario::BareLog(_) | Scenario::BareQuorum | Scenario::Cluster(_), case) => {
                panic!("a checked case of {} is of {}", self.name(), case.kind())
            }
        }
    }
}

impl fmt::Debug for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// For messages.
const COLUMNS: usize = 80;

/// What can be set for a run.
#[derive(Clone, Copy, Debug, Default)]
pub struct RunOptions {
    /// A known bug to switch on.
    pub mutant: Option<Mutant>,
    /// Goes on after a violation, to see what else there is.
    pub keep_going: bool,
    /// The storm goes beyond what the platform promises to survive: something is never mended. Draws alone heed it.
    pub over_budget: bool,
    /// Leaves the history of what clients asked and were told unchecked.
    pub no_check: bool,
    /// For tests of the divergence finder only: something that no seed decides.
    pub planted_divergence: bool,
    /// From a moment on, choices are another seed's; the case stays as it is. Such a run is none that a file keeps.
    pub reseed: Option<Reseed>,
}

impl RunOptions {
    /// The choices of a run of that seed.
    pub(crate) fn choices(&self, seed: u64) -> Choices {
        let choices = Choices::new(seed);
        self.reseed.map_or(choices, |reseed| choices.reseeded(reseed))
    }
}

/// Who listens to a run. What they hear of changes nothing in it.
#[derive(Default)]
pub struct Listeners {
    /// Sees every record of the trace, and may end the run.
    pub observer: Option<Observer<Event>>,
    /// Hears what processes say and how nodes live and die.
    pub audience: Audience,
    /// Takes the history of what clients asked and were told, a line an operation, each in one `write`.
    pub history: Option<Box<dyn Write + Send>>,
}

/// Why there is no such scenario.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoScenario {
    /// Nobody knows it.
    #[error(transparent)]
    Unknown(#[from] UnknownName),
    /// It is written for no platform, and one was named.
    #[error("{0} is on no platform: it cannot be on '{1}'")]
    NoPlatforms(String, String),
    /// Its file cannot be read.
    #[error("can't read {path}: {why}")]
    Unreadable {
        /// The file.
        path: String,
        /// What the system says.
        why: String,
    },
    /// Its text is wrong: everything that is.
    #[error("the scenario is wrong:\n{0}")]
    Wrong(String),
}

/// An option that a scenario cannot be run with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("--over-budget: {0} has no budget to go over; scenarios on platforms have (wavetank list)")]
pub struct UnknownOption(&'static str);

/// A name that nobody knows.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown {kind} '{name}': there is {known}")]
pub struct UnknownName {
    kind: &'static str,
    name: String,
    known: String,
}

impl UnknownName {
    pub(crate) fn new<'a>(kind: &'static str, name: &str, known: impl Iterator<Item = &'a str>) -> UnknownName {
        UnknownName { kind, name: name.into(), known: known.collect::<Vec<_>>().join(", ") }
    }
}
