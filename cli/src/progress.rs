//! Progress on a terminal, silence in a pipe. The only place that reads the wall clock: nothing here reaches a result.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

use indicatif::{ProgressBar, ProgressStyle};
use std::time::{Duration, Instant};
use tracing_subscriber::EnvFilter;
use wavetank_sim::VirtualTime;

/// A running bar (hidden when standard error is no terminal).
pub struct Progress {
    bar: ProgressBar,
    start: Instant,
}

impl Progress {
    /// Starts, for that many steps.
    pub fn start(steps: u64) -> Progress {
        let style = ProgressStyle::with_template("{bar:30} {pos}/{len} runs  {per_sec}  {eta} left  {msg}");
        let bar = ProgressBar::new(steps).with_style(style.expect("a template of ours"));
        Progress { bar, start: Instant::now() }
    }

    /// One step done; so many failed so far.
    pub fn step(&self, failed: u64) {
        self.bar.inc(1);
        if failed > 0 {
            self.bar.set_message(format!("{failed} failed"));
        }
    }

    /// What would have been done in steps and need not be, is done.
    pub fn skip_to(&self, steps: u64) {
        self.bar.set_position(steps);
    }

    /// Prints, with the bar out of the way.
    pub fn beside(&self, print: impl FnOnce()) {
        self.bar.suspend(print);
    }

    /// How long it has taken so far.
    pub fn took(&self) -> Duration {
        self.start.elapsed()
    }

    /// Ends; how long it took.
    pub fn finish(self) -> Duration {
        self.bar.finish_and_clear();
        self.took()
    }
}

/// Work of which nobody knows how much there is: a line that says where it is (hidden when standard error is no terminal).
pub struct Spinner {
    bar: ProgressBar,
    start: Instant,
}

impl Spinner {
    /// Starts.
    pub fn start() -> Spinner {
        let style = ProgressStyle::with_template("{spinner} {elapsed}  {msg}").expect("a template of ours");
        Spinner { bar: ProgressBar::new_spinner().with_style(style), start: Instant::now() }
    }

    /// Where it is.
    pub fn say(&self, message: String) {
        self.bar.set_message(message);
        self.bar.tick();
    }

    /// Ends; how long it took.
    pub fn finish(self) -> Duration {
        self.bar.finish_and_clear();
        self.start.elapsed()
    }
}

/// Log lines with virtual time on standard error. Sweeps never install this.
pub fn install_log() {
    let filter = EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| EnvFilter::new("info"))
        .add_directive("madsim=off".parse().expect("a directive of ours"));
    tracing_subscriber::fmt().with_timer(VirtualTime).with_env_filter(filter).with_writer(std::io::stderr).init();
}
