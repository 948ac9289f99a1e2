//! `wavetank replay`: a failure, run again.

use crate::exit::Exit;
use crate::watch::Watch;
use crate::{text, told};
use clap::Args;
use std::path::PathBuf;
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
    let listeners = match arguments.watch.listeners() {
        Ok(listeners) => listeners,
        Err(message) => {
            eprintln!("{message}");
            return Exit::Usage;
        }
    };
    let result = failure.replay(listeners);
    let now = lab::outcome(&result);
    let exit = told(failure.scenario, failure.seed, result);
    let sameness = failure.compare(&now);
    eprintln!("{}", text::sameness(&failure, sameness, &now));
    // Another version may take another way to the same failure; the same version may not.
    let is_same_failure = match sameness {
        Sameness::Same => true,
        Sameness::OtherWay => failure.wavetank != lab::VERSION,
        Sameness::Different => false,
    };
    if is_same_failure || exit == Exit::Usage { exit } else { Exit::Unknown }
}
