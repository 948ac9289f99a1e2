//! `wavetank replay`: a failure, run again.

use crate::exit::Exit;
use crate::story::{self, Asked};
use crate::watch::Watch;
use crate::{say, text, told};
use clap::Args;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use wavetank_sim::Nanos;
use wavetank_traces::artifact::Outcome;
use wavetank_workloads::lab::story::{Collector, Story};
use wavetank_workloads::lab::{self, Failure, Sameness};

#[derive(Args)]
#[command(after_help = "\
Exit code: as `run` has it when the same came of it; 5 when something else did.")]
pub struct Arguments {
    /// What a run or a sweep wrote down: see their --artifacts
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    watch: Watch,
    #[command(flatten)]
    story: Asked,
}

/// Replays.
pub fn replay(arguments: &Arguments) -> Exit {
    let failure = match Failure::read(&arguments.file) {
        Ok(failure) => failure,
        Err(error) => {
            eprintln!("{error}");
            return Exit::Usage;
        }
    };
    let mut listeners = match arguments.watch.listeners() {
        Ok(listeners) => listeners,
        Err(message) => {
            eprintln!("{message}");
            return Exit::Usage;
        }
    };
    let collector = Arc::new(Mutex::new(Collector::new(&failure.case)));
    listeners.audience.add(collector.clone());
    let result = failure.replay(listeners);
    let now = lab::outcome(&result);
    // The story tells what led here.
    let exit = told(failure.scenario, failure.seed, result, text::summary);
    let sameness = failure.compare(&now);
    eprintln!("{}", text::sameness(&failure, sameness, &now));
    if let Outcome::Ended(ended) = &now
        && (!ended.findings.is_empty() || arguments.story.is_explicit())
    {
        let collected = std::mem::take(&mut *collector.lock().expect("no onlooker panics"));
        let story = Story::new(collected, &ended.findings, Nanos(ended.end_ns));
        match story::told(&story, &arguments.story) {
            Ok(page) => say(page),
            Err(message) => {
                eprintln!("{message}");
                return Exit::Usage;
            }
        }
    }
    // Another version may take another way to the same failure; the same version may not.
    let is_same_failure = match sameness {
        Sameness::Same => true,
        Sameness::OtherWay => failure.wavetank != lab::VERSION,
        Sameness::Different => false,
    };
    if is_same_failure || exit == Exit::Usage { exit } else { Exit::Unknown }
}
