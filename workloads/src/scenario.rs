//! The scenarios there are, by name.

use crate::cluster::{self, Purpose, Setup};
use crate::harbour;
use crate::lab::RunReport;
use crate::mutant::Mutant;
use crate::spec::scenario::Scenario as Described;
use crate::spec::scenario::{Platform, builtin};
use std::fmt;
use std::io::Write;
use wavetank_models::world::Event;
use wavetank_sim::Observer;

/// A scenario: what runs, and what it is exposed to.
#[derive(Clone, Copy)]
pub enum Scenario {
    /// See [`harbour`].
    Harbour,
    /// A described scenario on one of its platforms, at its exploring size.
    Cluster(&'static OnPlatform),
}

/// A described scenario on one of its platforms.
pub struct OnPlatform {
    name: String,
    scenario: Described,
    platform: usize,
}

impl OnPlatform {
    /// The platform.
    pub fn platform(&self) -> &Platform {
        &self.scenario.platforms[self.platform]
    }
}

impl Scenario {
    /// A described scenario on its platform of that place. It is kept for as long as the process lives.
    pub fn described(scenario: Described, platform: usize) -> Scenario {
        let name = format!("{}@{}", scenario.name, scenario.platforms[platform].kind.name());
        Scenario::Cluster(Box::leak(Box::new(OnPlatform { name, scenario, platform })))
    }

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Scenario::Harbour => "harbour",
            Scenario::Cluster(on) => &on.name,
        }
    }

    /// One line for people.
    pub fn summary(self) -> &'static str {
        match self {
            Scenario::Harbour => "a durable log service on all devices, in a storm",
            Scenario::Cluster(on) => &on.scenario.summary,
        }
    }

    /// The scenario of that name: `harbour`, or a built-in one with `@` and a platform; its first one without.
    ///
    /// # Errors
    /// When there is none: says which there are.
    pub fn by_name(name: &str) -> Result<Scenario, UnknownName> {
        if name == "harbour" {
            return Ok(Scenario::Harbour);
        }
        let (scenario, platform) = name.split_once('@').map_or((name, None), |(name, on)| (name, Some(on)));
        let Some(parsed) = builtin::scenario(scenario) else {
            let known = std::iter::once("harbour").chain(builtin::ALL.iter().map(|(name, _)| *name));
            return Err(UnknownName::new("scenario", scenario, known));
        };
        let described = parsed.expect("a built-in scenario is right").value;
        let kinds = described.platforms.iter().map(|platform| platform.kind.name());
        match platform {
            None => Ok(Scenario::described(described, 0)),
            Some(on) => match kinds.clone().position(|kind| kind == on) {
                Some(place) => Ok(Scenario::described(described, place)),
                None => Err(UnknownName::new("platform", on, kinds)),
            },
        }
    }

    /// Runs it on this thread.
    pub fn run(self, seed: u64, options: &RunOptions, listeners: Listeners) -> RunReport {
        match self {
            Scenario::Harbour => harbour::run(seed, options, listeners),
            Scenario::Cluster(on) => {
                let (scenario, platform) = (&on.scenario, on.platform());
                let setup = Setup { scenario, platform, purpose: Purpose::Explore };
                cluster::run(setup, seed, options, listeners).run
            }
        }
    }
}

impl fmt::Debug for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What can be set for a run.
#[derive(Clone, Copy, Debug, Default)]
pub struct RunOptions {
    /// A known bug to switch on.
    pub mutant: Option<Mutant>,
    /// Goes on after a violation, to see what else there is.
    pub keep_going: bool,
    /// Leaves the history of what clients asked and were told unchecked.
    pub no_check: bool,
    /// For tests of the divergence finder only: something that no seed decides.
    pub planted_divergence: bool,
}

/// Who listens to a run. What they hear of changes nothing in it.
#[derive(Default)]
pub struct Listeners {
    /// Sees every record of the trace, and may end the run.
    pub observer: Option<Observer<Event>>,
    /// Takes the history of what clients asked and were told, a line an operation, each in one `write`.
    pub history: Option<Box<dyn Write + Send>>,
}

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
