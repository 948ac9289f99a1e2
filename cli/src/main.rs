//! The `wavetank` command: arguments, progress, text, exit codes. Nothing is computed here.

mod check;
mod compare;
mod exit;
mod explain;
mod progress;
mod text;

use clap::{Args, Parser, Subcommand};
use exit::Exit;
use progress::Progress;
use std::fmt::Display;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use wavetank_sim::{Digest, Marks, cores};
use wavetank_workloads::catalogue;
use wavetank_workloads::lab;
use wavetank_workloads::mutant::Mutant;
use wavetank_workloads::scenario::{Listeners, RunOptions, Scenario};

/// Makes waves for streaming platforms, and tells what holds.
#[derive(Parser)]
#[command(version, about, after_help = exit::HELP)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Compare platforms on one scenario: the same load, the same faults, the same seeds
    Compare(compare::Arguments),
    /// Run one seed and report
    Run {
        #[command(flatten)]
        what: What,
        /// The seed
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// Print log lines with virtual time, as `RUST_LOG` says (default: info)
        #[arg(long)]
        log: bool,
        /// Write every event, with virtual time and node, to this file
        #[arg(long, value_name = "FILE")]
        trace: Option<PathBuf>,
        /// Write what clients asked and were told to this file, for `wavetank check`
        #[arg(long, value_name = "FILE")]
        history: Option<PathBuf>,
    },
    /// Run many seeds; a seed's digest never depends on --jobs
    Sweep {
        #[command(flatten)]
        what: What,
        /// Seeds, from..to (to is not included)
        #[arg(long, default_value = "0..200", value_parser = text::seeds)]
        seeds: Range<u64>,
        /// Runs at once, at most one a core [default: all cores]
        #[arg(long)]
        jobs: Option<usize>,
        /// Print each seed's digest on a line of its own, and nothing else, to standard output
        #[arg(long)]
        digests: bool,
    },
    /// Run one seed twice side by side and name the first event that differs
    Diverge {
        #[command(flatten)]
        what: What,
        /// The seed
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// Plant a divergence, to see it caught
        #[arg(long, hide = true)]
        planted: bool,
    },
    /// Check a history of client operations, of a run or of a real cluster
    Check(check::Arguments),
    /// Explain a scenario, an OpenMessaging Benchmark file, or the settings there are, in plain words
    Explain(explain::Arguments),
    /// List scenarios and mutants
    List,
}

#[derive(Args)]
struct What {
    /// The scenario: see `wavetank list`
    #[arg(default_value = "harbour", value_parser = Scenario::by_name)]
    scenario: Scenario,
    /// Switch a known bug on: see `wavetank list`
    #[arg(long, value_parser = Mutant::by_name)]
    mutant: Option<Mutant>,
    /// Go on after the first violation, to see what else there is
    #[arg(long)]
    keep_going: bool,
    /// Do not check what clients were told against each other
    #[arg(long)]
    no_check: bool,
}

impl What {
    fn options(&self) -> RunOptions {
        let What { mutant, keep_going, no_check, .. } = *self;
        RunOptions { mutant, keep_going, no_check, planted_divergence: false }
    }
}

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage } else { Exit::Held }.into();
        }
    };
    match cli.command {
        Command::Run { what, seed, log, trace, history } => run(&what, seed, log, trace.as_deref(), history.as_deref()),
        Command::Sweep { what, seeds, jobs, digests } => sweep(&what, seeds, jobs.unwrap_or_else(cores), digests),
        Command::Diverge { what, seed, planted } => {
            diverge(what.scenario, seed, RunOptions { planted_divergence: planted, ..what.options() })
        }
        Command::Compare(arguments) => compare::compare(&arguments),
        Command::Check(arguments) => check::check(&arguments),
        Command::Explain(arguments) => explain::explain(&arguments),
        Command::List => list(),
    }
    .into()
}

fn run(what: &What, seed: u64, log: bool, trace: Option<&Path>, history: Option<&Path>) -> Exit {
    if log {
        progress::install_log();
    }
    let listeners = match listeners(trace, history) {
        Ok(listeners) => listeners,
        Err(message) => {
            eprintln!("{message}");
            return Exit::Usage;
        }
    };
    let report = match lab::run(what.scenario, seed, &what.options(), listeners) {
        Ok(report) => report,
        Err(panic) => return bug(seed, &panic.message),
    };
    say(text::report(what.scenario, &report));
    let exit = Exit::of(&report.findings);
    match report.history.broken {
        None => exit,
        Some(error) => {
            eprintln!("{error}");
            exit.max(Exit::Usage)
        }
    }
}

fn listeners(trace: Option<&Path>, history: Option<&Path>) -> Result<Listeners, String> {
    let create = |what: &str, path: &Path| match File::create(path) {
        Ok(file) => Ok(BufWriter::new(file)),
        Err(error) => Err(format!("can't write the {what} to {}: {error}", path.display())),
    };
    let mut listeners = Listeners::default();
    if let Some(path) = trace {
        let mut file = create("trace", path)?;
        listeners.observer = Some(lab::trace(move |line| match writeln!(file, "{line}") {
            Ok(()) => true,
            Err(error) => {
                eprintln!("the trace ends here: {error}");
                false
            }
        }));
    }
    if let Some(path) = history {
        listeners.history = Some(Box::new(create("history", path)?));
    }
    Ok(listeners)
}

fn sweep(what: &What, seeds: Range<u64>, jobs: usize, digests: bool) -> Exit {
    let progress = Progress::start(seeds.end - seeds.start);
    let mut all = Totals::default();
    lab::sweep(what.scenario, seeds.clone(), jobs, &what.options(), |seed, result| {
        let report = match result {
            Ok(report) => report,
            Err(panic) => {
                all.exit = all.exit.max(bug(seed, &panic.message));
                (all.seeds, all.failed) = (all.seeds + 1, all.failed + 1);
                progress.step(all.failed);
                return true;
            }
        };
        if digests {
            say(format_args!("{seed} {}\n", report.digest));
        }
        all.add(&report);
        if !report.findings.is_empty() {
            eprint!("{}", text::failure(what.scenario, &what.options(), &report));
        }
        progress.step(all.failed);
        true
    });
    let took = progress.finish();
    if !digests {
        say(text::totals(what.scenario, &all.as_text(seeds)));
        say(text::marks(&all.marks));
    }
    eprintln!("{}", text::pace(all.seeds, all.events, took));
    if all.exit == Exit::Held
        && what.mutant.is_none()
        && all.seeds >= text::SEEDS_FOR_MARKS
        && all.marks.missing().next().is_some()
    {
        eprintln!("the sweep did not reach every situation that it must reach");
        return Exit::ExpectationMissed;
    }
    all.exit
}

/// A sweep's sums.
#[derive(Default)]
struct Totals {
    seeds: u64,
    failed: u64,
    events: u64,
    virtual_secs: f64,
    digest: Digest,
    marks: Marks,
    exit: Exit,
}

impl Totals {
    fn add(&mut self, report: &lab::RunReport) {
        self.seeds += 1;
        self.failed += u64::from(!report.findings.is_empty());
        self.events += report.events;
        self.virtual_secs += report.now.as_secs_f64();
        self.digest.mix_bytes(report.digest.to_string().as_bytes());
        self.marks.merge(&report.marks);
        self.exit = self.exit.max(Exit::of(&report.findings));
    }

    fn as_text(&self, seeds: Range<u64>) -> Vec<(&'static str, String)> {
        vec![
            ("seeds", format!("{}..{}", seeds.start, seeds.end)),
            ("failed", self.failed.to_string()),
            ("events", self.events.to_string()),
            ("virtual time", format!("{:.1} s", self.virtual_secs)),
            ("digest of all", self.digest.to_string()),
        ]
    }
}

fn diverge(scenario: Scenario, seed: u64, options: RunOptions) -> Exit {
    match lab::find_divergence(scenario, seed, &options) {
        Ok(None) => {
            say(format_args!("seed {seed}: two runs are the same to the last event\n"));
            Exit::Held
        }
        Ok(Some(divergence)) => {
            say(format_args!("seed {seed}: {divergence}\n"));
            Exit::Violation
        }
        Err(panic) => bug(seed, &panic.message),
    }
}

fn list() -> Exit {
    for (n, section) in catalogue::sections().iter().enumerate() {
        say(format_args!("{}{}\n", if n == 0 { "" } else { "\n" }, section.heading));
        for (name, summary) in &section.items {
            say(text::item(name, summary));
        }
    }
    Exit::Held
}

/// To standard output. Whoever reads it may stop reading (`| head`): that is no bug of ours, and the exit code goes on
/// saying what held.
fn say(text: impl Display) {
    let _ = write!(std::io::stdout(), "{text}");
}

fn bug(seed: u64, message: &str) -> Exit {
    eprintln!("seed {seed}: a bug in wavetank itself: {message}");
    Exit::Bug
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_arguments_are_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn what_weighs_more_decides_the_exit() {
        let ordered =
            [Exit::Held, Exit::ExpectationMissed, Exit::Unknown, Exit::Stall, Exit::Violation, Exit::Usage, Exit::Bug];
        assert!(ordered.is_sorted());
        assert_eq!(Exit::of(&[]), Exit::Held);
    }
}
