//! The scenarios there are, by name.

use crate::harbour::{self, Mutant};
use crate::lab::RunReport;
use std::io::Write;
use wavetank_models::world::Event;
use wavetank_sim::Observer;

/// A scenario: what runs, and what it is exposed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scenario {
    /// See [`harbour`].
    Harbour,
}

impl Scenario {
    /// All of them.
    pub const ALL: [Scenario; 1] = [Scenario::Harbour];

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Scenario::Harbour => "harbour",
        }
    }

    /// One line for people.
    pub fn summary(self) -> &'static str {
        match self {
            Scenario::Harbour => "a durable log service on all devices, in a storm",
        }
    }

    /// The scenario of that name.
    ///
    /// # Errors
    /// When there is none: says which there are.
    pub fn by_name(name: &str) -> Result<Scenario, UnknownName> {
        let known = Scenario::ALL.iter().map(|s| s.name());
        Scenario::ALL.into_iter().find(|s| s.name() == name).ok_or_else(|| UnknownName::new("scenario", name, known))
    }

    /// Runs it on this thread.
    pub fn run(self, seed: u64, options: &RunOptions, listeners: Listeners) -> RunReport {
        match self {
            Scenario::Harbour => harbour::run(seed, options, listeners),
        }
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
