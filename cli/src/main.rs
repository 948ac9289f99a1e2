//! The `wavetank` command: arguments, progress, text, exit codes. Nothing is computed here.

mod check;
mod compare;
mod exit;
mod explain;
mod progress;
mod replay;
mod text;
mod watch;

use clap::{Args, Parser, Subcommand};
use exit::Exit;
use progress::Progress;
use std::fmt::Display;
use std::io::Write;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use watch::Watch;
use wavetank_sim::{Panicked, cores};
use wavetank_traces::artifact::Outcome;
use wavetank_workloads::catalogue;
use wavetank_workloads::lab::{self, Book, Failure, Swept, Totals};
use wavetank_workloads::mutant::Mutant;
use wavetank_workloads::scenario::{RunOptions, Scenario};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

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
        /// Where a failure goes, for `wavetank replay`
        #[arg(long, value_name = "DIR", default_value = FAILURES)]
        artifacts: PathBuf,
        #[command(flatten)]
        watch: Watch,
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
        /// Write one JSON line a seed to this file; with a file that an interrupted sweep left, go on where it ended
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
        /// Where failures go, for `wavetank replay`
        #[arg(long, value_name = "DIR", default_value = FAILURES)]
        artifacts: PathBuf,
    },
    /// Run a failure again that a run or a sweep wrote down, and say whether the same came of it
    Replay(replay::Arguments),
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

/// Where failures go when nobody says another place.
const FAILURES: &str = "wavetank-failures";

#[derive(Args)]
struct What {
    /// The scenario: see `wavetank list`; or a scenario file, as FILE.toml@PLATFORM
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

    /// Says what is odd about the scenario's file.
    fn warn(&self) {
        for warning in self.scenario.warnings() {
            eprint!("{}", warning.render(compare::COLUMNS));
        }
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
        Command::Run { what, seed, artifacts, watch } => run(&what, seed, &artifacts, &watch),
        Command::Sweep { what, seeds, jobs, digests, out, artifacts } => {
            sweep(&what, seeds, jobs.unwrap_or_else(cores), digests, out.as_deref(), &artifacts)
        }
        Command::Diverge { what, seed, planted } => {
            what.warn();
            diverge(what.scenario, seed, RunOptions { planted_divergence: planted, ..what.options() })
        }
        Command::Replay(arguments) => replay::replay(&arguments),
        Command::Compare(arguments) => compare::compare(&arguments),
        Command::Check(arguments) => check::check(&arguments),
        Command::Explain(arguments) => explain::explain(&arguments),
        Command::List => list(),
    }
    .into()
}

fn run(what: &What, seed: u64, artifacts: &Path, watch: &Watch) -> Exit {
    what.warn();
    let listeners = match watch.listeners() {
        Ok(listeners) => listeners,
        Err(message) => {
            eprintln!("{message}");
            return Exit::Usage;
        }
    };
    let result = lab::run(what.scenario, seed, &what.options(), listeners);
    let outcome = lab::outcome(&result);
    let exit = told(what.scenario, seed, result);
    if !outcome.has_failed() {
        return exit;
    }
    match Failure::new(what.scenario, seed, &what.options(), outcome).write(artifacts) {
        Ok(path) => {
            eprintln!("{}", text::replay(&path));
            exit
        }
        Err(message) => {
            eprintln!("{message}");
            exit.max(Exit::Usage)
        }
    }
}

/// Reports a run.
fn told(scenario: Scenario, seed: u64, result: Result<lab::RunReport, Panicked>) -> Exit {
    let report = match result {
        Ok(report) => report,
        Err(panic) => return bug(seed, &panic.message),
    };
    say(text::report(scenario, &report));
    let exit = Exit::of(&report.findings);
    match report.history.broken {
        None => exit,
        Some(error) => {
            eprintln!("{error}");
            exit.max(Exit::Usage)
        }
    }
}

fn sweep(what: &What, seeds: Range<u64>, jobs: usize, digests: bool, out: Option<&Path>, artifacts: &Path) -> Exit {
    what.warn();
    let (scenario, options) = (what.scenario, what.options());
    let mut book = match out.map(|path| Book::open(path, scenario, &options)).transpose() {
        Ok(book) => book,
        Err(error) => {
            eprintln!("{error}");
            return Exit::Usage;
        }
    };
    let progress = Progress::start(seeds.end - seeds.start);
    let (mut all, mut exit) = (Totals::new(scenario), Exit::Held);
    let (mut new_seeds, mut new_events) = (0, 0);
    let swept = lab::sweep(scenario, seeds.clone(), jobs, &options, book.as_mut(), |swept| {
        let Swept { seed, outcome, is_new } = swept;
        all.add(outcome);
        match outcome {
            Outcome::Ended(ended) => {
                exit = exit.max(Exit::of(&ended.findings));
                (new_seeds, new_events) =
                    (new_seeds + u64::from(is_new), new_events + ended.events * u64::from(is_new));
                if digests {
                    say(format_args!("{seed} {}\n", ended.digest));
                }
            }
            Outcome::Panicked(panic) => exit = exit.max(bug(seed, &panic.message)),
        }
        if outcome.has_failed() {
            let failure = Failure::new(scenario, seed, &options, outcome.clone());
            match failure.write(artifacts) {
                Ok(path) => eprint!("{}", text::failure(&failure, &path)),
                Err(message) => {
                    eprintln!("{message}");
                    exit = exit.max(Exit::Usage);
                    return false;
                }
            }
        }
        progress.step(all.failed);
        true
    });
    let took = progress.finish();
    if let Err(error) = swept {
        eprintln!("{error}");
        exit = exit.max(Exit::Usage);
    }
    if !digests {
        say(text::totals(scenario, &text::sums(&all, seeds)));
        say(text::marks(all.marks.iter().map(|(name, count)| (name.as_str(), *count))));
    }
    eprintln!("{}", text::pace(new_seeds, new_events, took));
    if exit == Exit::Held && what.mutant.is_none() {
        let missing = all.missing(scenario);
        if !missing.is_empty() {
            eprintln!("{}", text::missing(&missing, all.seeds));
            return Exit::ExpectationMissed;
        }
    }
    exit
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
