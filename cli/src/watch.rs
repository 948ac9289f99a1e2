//! What there is to see of one run beside its report.

use crate::progress;
use clap::Args;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use wavetank_sim::Nanos;
use wavetank_traces::artifact::Outcome;
use wavetank_workloads::case::Case;
use wavetank_workloads::lab::{self, Timeline};
use wavetank_workloads::scenario::Listeners;

#[derive(Args)]
pub struct Watch {
    /// Print log lines with virtual time, as `RUST_LOG` says (default: info)
    #[arg(long)]
    log: bool,
    /// Write every event, with virtual time and node, to this file; into a FILE.json lives, faults, requests and what
    /// processes say, as a timeline for ui.perfetto.dev
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
    /// Write what clients asked and were told to this file, for `wavetank check`
    #[arg(long, value_name = "FILE")]
    history: Option<PathBuf>,
}

type Written = Timeline<BufWriter<File>>;

/// What is to be brought to its end when the run is over.
#[derive(Default)]
pub struct Watched {
    timeline: Option<(PathBuf, Arc<Mutex<Written>>)>,
}

impl Watch {
    /// Those who listen to a run of that case; log lines begin to be printed.
    pub fn begin(&self, case: &Case) -> Result<(Listeners, Watched), String> {
        if self.log {
            progress::install_log();
        }
        let (mut listeners, mut watched) = (Listeners::default(), Watched::default());
        match &self.trace {
            Some(path) if path.extension().is_some_and(|extension| extension == "json") => {
                let timeline = Arc::new(Mutex::new(Timeline::new(create("trace", path)?, case)));
                listeners.audience.add(timeline.clone());
                watched.timeline = Some((path.clone(), timeline));
            }
            Some(path) => {
                let mut file = create("trace", path)?;
                listeners.observer = Some(lab::trace(move |line| match writeln!(file, "{line}") {
                    Ok(()) => true,
                    Err(error) => {
                        eprintln!("the trace ends here: {error}");
                        false
                    }
                }));
            }
            None => {}
        }
        if let Some(path) = &self.history {
            listeners.history = Some(Box::new(create("history", path)?));
        }
        Ok((listeners, watched))
    }
}

impl Watched {
    /// Brings files to their end.
    pub fn finish(self, outcome: &Outcome) -> Result<(), String> {
        let Some((path, timeline)) = self.timeline else { return Ok(()) };
        let end = match outcome {
            Outcome::Ended(ended) => Nanos(ended.end_ns),
            Outcome::Panicked(_) => Nanos::ZERO,
        };
        // A panic of the run may have come while it was told something.
        let mut timeline = timeline.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        timeline.finish(end).map_err(|error| unwritable("trace", &path, &error))
    }
}

fn create(what: &str, path: &Path) -> Result<BufWriter<File>, String> {
    File::create(path).map(BufWriter::new).map_err(|error| unwritable(what, path, &error))
}

fn unwritable(what: &str, path: &Path, error: &std::io::Error) -> String {
    format!("can't write the {what} to {}: {error}", path.display())
}
