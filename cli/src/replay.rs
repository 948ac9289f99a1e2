//! `wavetank replay`: a failure, run again, and its story.

use crate::exit::Exit;
use crate::story::{self, Asked};
use crate::watch::Watch;
use crate::{say, text, told, usage};
use clap::Args;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use wavetank_sim::{Nanos, cores};
use wavetank_traces::artifact::Outcome;
use wavetank_workloads::lab::story::{Collector, Story};
use wavetank_workloads::lab::{self, Failure, Sameness};

#[derive(Args)]
#[command(after_help = "\
Exit code: as `run` has it when the same came of it; 5 when something else did.
With --times: 0 when the same came of all.")]
pub struct Arguments {
    /// What a run or a sweep wrote down: see their --artifacts
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Replay it so many times, and say how many were the same; nothing else is told
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..), conflicts_with_all = ["log", "trace", "history", "until", "around", "node", "all"])]
    times: Option<u64>,
    #[command(flatten)]
    watch: Watch,
    #[command(flatten)]
    story: Asked,
}

/// Replays.
pub fn replay(arguments: &Arguments) -> Exit {
    let failure = match Failure::read(&arguments.file) {
        Ok(failure) => failure,
        Err(error) => return usage(error),
    };
    if let Some(times) = arguments.times {
        let same = failure.same_in(times, cores());
        say(format!("{same} of {times} replays: the same digest, the same first finding\n"));
        return if same == times { Exit::Held } else { Exit::Unknown };
    }
    let case = failure.case_as_it_went();
    let (mut listeners, watched) = match arguments.watch.begin(&case) {
        Ok(begun) => begun,
        Err(message) => return usage(message),
    };
    let collector = Arc::new(Mutex::new(Collector::new(&case)));
    listeners.audience.add(collector.clone());
    let result = failure.replay(listeners);
    let now = lab::outcome(&result);
    // The story tells what led here.
    let exit = told(failure.scenario, failure.seed, result, text::summary);
    let sameness = failure.compare(&now);
    eprintln!("{}", text::sameness(&failure, sameness, &now));
    if sameness != Sameness::Same
        && failure.wavetank == lab::VERSION
        && let Ok(found) = lab::find_divergence_in(&failure)
    {
        eprintln!("{}", text::diverged(found.as_ref()));
    }
    if let Err(message) = watched.finish(&now) {
        return usage(message);
    }
    if let Some(page) = story_of(&now, &collector, &arguments.story) {
        match page {
            Ok(page) => say(page),
            Err(message) => return usage(message),
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

/// The story, where there is one to tell: of a run in which nothing is wrong, when it is asked for.
fn story_of(outcome: &Outcome, collector: &Mutex<Collector>, asked: &Asked) -> Option<Result<String, String>> {
    let Outcome::Ended(ended) = outcome else { return None };
    if ended.findings.is_empty() && !asked.is_explicit() {
        return None;
    }
    let collected = std::mem::take(&mut *collector.lock().expect("no onlooker panics"));
    Some(story::told(&Story::new(collected, &ended.findings, Nanos(ended.end_ns)), asked))
}
