//! The `wavetank` command: arguments, progress, text, exit codes. Nothing is computed here.

mod check;
mod compare;
mod corpus;
mod exit;
mod explain;
mod explain_failure;
mod merge;
mod mutants;
mod progress;
mod replay;
mod shrink;
mod story;
mod summary;
mod sweep;
mod text;
mod watch;

use clap::{Args, Parser, Subcommand};
use exit::Exit;
use std::fmt::Display;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use watch::Watch;
use wavetank_sim::{Panicked, SortedSet};
use wavetank_workloads::catalogue;
use wavetank_workloads::lab::{self, Failure};
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
    /// Run many seeds of one scenario or several; a seed's digest never depends on --jobs
    Sweep(sweep::Arguments),
    /// Join the books of shards into those of one sweep
    Merge(merge::Arguments),
    /// Hunt known bugs: which sweeps catch them, how soon, and that they catch nothing without them
    Mutants(mutants::Arguments),
    /// Run a failure again that a run or a sweep wrote down, and say whether the same came of it
    Replay(replay::Arguments),
    /// Make a failure small: fewer faults, a shorter run, a smaller cluster, and the same thing wrong
    Shrink(shrink::Arguments),
    /// Check kept cases: what each protects, and whether it still does
    Corpus(corpus::Arguments),
    /// Say when a failure became inevitable: its run up to a moment, and drawn anew from there on
    ExplainFailure(explain_failure::Arguments),
    /// Run one seed, or a failure, twice side by side and name the first event that differs
    Diverge {
        #[command(flatten)]
        what: What,
        /// The seed
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// What a run or a sweep wrote down, instead of a scenario and a seed
        #[arg(long, value_name = "FILE", conflicts_with_all = ["scenario", "seed", "mutant", "keep_going", "no_check", "over_budget", "planted"])]
        failure: Option<PathBuf>,
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
    #[command(flatten)]
    how: How,
}

/// How a run goes.
#[derive(Args)]
struct How {
    /// Switch a known bug on: see `wavetank list`
    #[arg(long, value_parser = Mutant::by_name)]
    mutant: Option<Mutant>,
    /// Go on after the first violation, to see what else there is
    #[arg(long)]
    keep_going: bool,
    /// Do not check what clients were told against each other
    #[arg(long)]
    no_check: bool,
    /// Leave something broken for good, or lose a log, beyond what the platform promises to survive, and tell what comes of it
    #[arg(long)]
    over_budget: bool,
}

impl How {
    fn options(&self) -> RunOptions {
        let How { mutant, keep_going, no_check, over_budget } = *self;
        RunOptions { mutant, keep_going, no_check, over_budget, ..RunOptions::default() }
    }
}

/// Says what is odd about scenarios' files: once, also when a file is there on several platforms.
fn warn(scenarios: &[Scenario]) {
    let warnings = scenarios.iter().flat_map(|scenario| scenario.warnings());
    let warnings: SortedSet<String> = warnings.map(|warning| warning.render(compare::COLUMNS)).collect();
    warnings.iter().for_each(|warning| eprint!("{warning}"));
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
        Command::Sweep(arguments) => sweep::sweep(&arguments),
        Command::Merge(arguments) => merge::merge(&arguments),
        Command::Mutants(arguments) => mutants::mutants(&arguments),
        Command::Diverge { failure: Some(file), .. } => match Failure::read(&file) {
            Ok(failure) => diverged(failure.seed, lab::find_divergence_in(&failure)),
            Err(error) => usage(error),
        },
        Command::Diverge { what, seed, planted, failure: None } => {
            warn(&[what.scenario]);
            diverge(what.scenario, seed, RunOptions { planted_divergence: planted, ..what.how.options() })
        }
        Command::Replay(arguments) => replay::replay(&arguments),
        Command::ExplainFailure(arguments) => explain_failure::explain_failure(&arguments),
        Command::Shrink(arguments) => shrink::shrink(&arguments),
        Command::Compare(arguments) => compare::compare(&arguments),
        Command::Corpus(arguments) => corpus::corpus(&arguments),
        Command::Check(arguments) => check::check(&arguments),
        Command::Explain(arguments) => explain::explain(&arguments),
        Command::List => list(),
    }
    .into()
}

fn run(what: &What, seed: u64, artifacts: &Path, watch: &Watch) -> Exit {
    warn(&[what.scenario]);
    let options = what.how.options();
    if let Err(error) = what.scenario.takes(&options) {
        return usage(error);
    }
    let case = what.scenario.draw(seed, &options);
    let (listeners, watched) = match watch.begin(&case) {
        Ok(begun) => begun,
        Err(message) => return usage(message),
    };
    let result = lab::run_case(what.scenario, seed, &case, &options, listeners);
    let outcome = lab::outcome(&result);
    if let Err(message) = watched.finish(&outcome) {
        return usage(message);
    }
    let exit = told(what.scenario, seed, result, text::report);
    if !outcome.has_failed() {
        return exit;
    }
    match Failure::of_case(what.scenario, seed, case, &options, outcome).write(artifacts) {
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

/// Says what is wrong with what was asked for.
fn usage(message: impl Display) -> Exit {
    eprintln!("{message}");
    Exit::Usage
}

/// Reports a run, in the words that are given.
fn told(
    scenario: Scenario,
    seed: u64,
    result: Result<lab::RunReport, Panicked>,
    words: fn(Scenario, &lab::RunReport) -> String,
) -> Exit {
    let report = match result {
        Ok(report) => report,
        Err(panic) => return bug(seed, &panic.message),
    };
    say(words(scenario, &report));
    let exit = Exit::of(&report.findings);
    match report.history.broken {
        None => exit,
        Some(error) => {
            eprintln!("{error}");
            exit.max(Exit::Usage)
        }
    }
}

fn diverge(scenario: Scenario, seed: u64, options: RunOptions) -> Exit {
    if let Err(error) = scenario.takes(&options) {
        eprintln!("{error}");
        return Exit::Usage;
    }
    diverged(seed, lab::find_divergence(scenario, seed, &options))
}

fn diverged(seed: u64, found: Result<Option<impl Display>, Panicked>) -> Exit {
    match found {
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
