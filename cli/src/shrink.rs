//! `wavetank shrink`: a failure made small.

use crate::exit::Exit;
use crate::progress::Spinner;
use crate::{say, text};
use clap::Args;
use std::path::{Path, PathBuf};
use wavetank_sim::cores;
use wavetank_workloads::lab::{self, Failure};

#[derive(Args)]
#[command(after_help = "\
An interrupted shrinking goes on where it was when the same command is given
again. The result does not depend on --jobs.

Exit code: 0 when it is shrunk; 1 when it cannot be.")]
pub struct Arguments {
    /// What a run or a sweep wrote down: see their --artifacts
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Where the small failure goes [default: FILE with .shrunk.json at its end]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Runs at once, at most one a core [default: all cores]
    #[arg(long)]
    jobs: Option<usize>,
}

/// Shrinks.
pub fn shrink(arguments: &Arguments) -> Exit {
    let Arguments { file, out, jobs } = arguments;
    let out = out.clone().unwrap_or_else(|| file.with_extension("shrunk.json"));
    match shrunk(file, &out, jobs.unwrap_or_else(cores)) {
        Ok(()) => Exit::Held,
        Err(message) => {
            eprintln!("{message}");
            Exit::Usage
        }
    }
}

fn shrunk(file: &Path, out: &Path, jobs: usize) -> Result<(), String> {
    let failure = Failure::read(file).map_err(|error| error.to_string())?;
    if std::path::absolute(file).ok() == std::path::absolute(out).ok() {
        return Err(format!("{}: it would be written over: name another file with --out", out.display()));
    }
    let progress = Spinner::start();
    let shrunk = lab::shrink(&failure, out, jobs, |step| {
        progress.say(text::shrinking(&step));
        true
    });
    let took = progress.finish();
    let shrunk = shrunk.map_err(|error| format!("{}: {error}", file.display()))?;
    say(text::shrunk(&shrunk, out));
    eprintln!("{} candidates in {:.1} s", shrunk.tried, took.as_secs_f64());
    Ok(())
}
