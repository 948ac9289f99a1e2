//! `wavetank sweep`: many seeds of one scenario or several.

use crate::exit::Exit;
use crate::progress::Progress;
use crate::summary::{self, Part};
use crate::{FAILURES, How, bug, say, text, warn};
use clap::Args;
use std::ops::Range;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;
use wavetank_sim::cores;
use wavetank_traces::artifact::Outcome;
use wavetank_workloads::lab::{self, Book, Failure, Next, Opening, Plan, Seeds, Shard, Swept, Totals};
use wavetank_workloads::scenario::{Scenario, select};
use wavetank_workloads::spec::parse_span;

#[derive(Args)]
#[command(after_help = "\
Scenarios take turns, seed by seed. With --out, each has a file in the folder,
NAME@PLATFORM.jsonl (a shard: NAME@PLATFORM.shard-i-of-n.jsonl), with one JSON
line a seed; it may be killed at any moment, and --resume goes on. Shard i/n
has the seeds that leave the remainder i-1 when divided by n; `wavetank merge`
joins what shards wrote to the bytes that one sweep writes.

--stop-after marks: a scenario is left when everything was reached that sweeps
of it must reach, and coverage has levelled off: at least 200 seeds, and at most
one new pair of situations is expected of 100 more (pairs of situations that one
run reached; what only one seed has shown tells how many are left).

Exit code: 2 when a situation was not reached that so many seeds must reach.")]
pub struct Arguments {
    /// Scenarios: see `wavetank list`; or a file, as FILE.toml. Each is on one platform (NAME@PLATFORM), on --platforms, or
    /// on its first one. `all`: every one that comes with wavetank, on all its platforms
    #[arg(value_name = "SCENARIO", default_value = "harbour")]
    scenarios: Vec<String>,
    /// On these platforms, where a scenario names none itself; `all`: on all that it has
    #[arg(long, value_delimiter = ',', value_name = "A,B,..")]
    platforms: Vec<String>,
    #[command(flatten)]
    how: How,
    /// Seeds, from..to (to is not included)
    #[arg(long, default_value = "0..200", value_parser = text::seeds)]
    seeds: Range<u64>,
    /// Only this share of the seeds
    #[arg(long, value_name = "I/N")]
    shard: Option<Shard>,
    /// Runs at once, at most one a core [default: all cores]
    #[arg(long)]
    jobs: Option<usize>,
    /// Print each seed's digest on a line of its own, behind the scenario's name when there are several, and nothing else,
    /// to standard output
    #[arg(long)]
    digests: bool,
    /// Write one JSON line a seed to a file a scenario in this folder
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Go on where the sweep ended that the folder of --out holds; without it, such a folder is refused
    #[arg(long, requires = "out")]
    resume: bool,
    /// Stop early: failures=N, marks (see below), time=DURATION (10m, 2h); several with commas
    #[arg(long, value_delimiter = ',', value_name = "WHEN")]
    stop_after: Vec<StopAfter>,
    /// Where failures go, for `wavetank replay`
    #[arg(long, value_name = "DIR", default_value = FAILURES)]
    artifacts: PathBuf,
}

/// When a sweep ends before its last seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum StopAfter {
    /// So many seeds have failed, of all scenarios.
    Failures(u64),
    /// A scenario's coverage has levelled off: that scenario ends.
    Marks,
    /// It has taken so long: wall time.
    Time(Duration),
}

impl FromStr for StopAfter {
    type Err = String;

    fn from_str(text: &str) -> Result<StopAfter, String> {
        let failures = |count: &str| count.parse().ok().filter(|count| *count > 0).map(StopAfter::Failures);
        let time = |span: &str| {
            parse_span(span).filter(|span| span.0 > 0).map(|span| StopAfter::Time(Duration::from_nanos(span.0)))
        };
        let when = match text.split_once('=') {
            None if text == "marks" => Some(StopAfter::Marks),
            Some(("failures", count)) => failures(count),
            Some(("time", span)) => time(span),
            Some(_) | None => None,
        };
        when.ok_or_else(|| format!("'{text}' is none of failures=N (1 or more), marks, time=DURATION (90s, 10m, 2h)"))
    }
}

/// Sweeps.
pub fn sweep(arguments: &Arguments) -> Exit {
    match prepared(arguments) {
        Ok((scenarios, books)) => Sweep::new(arguments, &scenarios).run(books),
        Err(message) => {
            eprintln!("{message}");
            Exit::Usage
        }
    }
}

/// What is swept, and into which books.
fn prepared(arguments: &Arguments) -> Result<(Vec<Scenario>, Vec<Book>), String> {
    let scenarios = select(&arguments.scenarios, &arguments.platforms).map_err(|error| error.to_string())?;
    warn(&scenarios);
    let options = arguments.how.options();
    scenarios.iter().try_for_each(|scenario| scenario.takes(&options)).map_err(|error| error.to_string())?;
    let Some(folder) = &arguments.out else { return Ok((scenarios, Vec::new())) };
    let opening = if arguments.resume { Opening::Resume } else { Opening::Begin };
    let books = Book::open_all(folder, &scenarios, arguments.seeds(), &arguments.how.options(), opening);
    Ok((scenarios, books.map_err(|error| error.to_string())?))
}

impl Arguments {
    fn seeds(&self) -> Seeds {
        Seeds { shard: self.shard, ..Seeds::from(self.seeds.clone()) }
    }
}

/// A sweep on its way.
struct Sweep<'a> {
    arguments: &'a Arguments,
    plan: Plan<'a>,
    parts: Vec<Part>,
    progress: Progress,
    failed: u64,
    new_seeds: u64,
    new_events: u64,
    /// What is wrong with the sweep itself.
    exit: Exit,
    /// Why it ended early.
    stopped: Vec<String>,
}

impl Sweep<'_> {
    fn new<'a>(arguments: &'a Arguments, scenarios: &'a [Scenario]) -> Sweep<'a> {
        let seeds = arguments.seeds();
        let plan =
            Plan { scenarios, seeds, options: arguments.how.options(), jobs: arguments.jobs.unwrap_or_else(cores) };
        let part = |scenario: &Scenario| Part {
            scenario: *scenario,
            options: plan.options,
            seeds,
            totals: Totals::new(*scenario),
        };
        Sweep {
            arguments,
            plan,
            parts: scenarios.iter().map(part).collect(),
            progress: Progress::start(seeds.count().saturating_mul(scenarios.len() as u64)),
            failed: 0,
            new_seeds: 0,
            new_events: 0,
            exit: Exit::Held,
            stopped: Vec::new(),
        }
    }

    fn run(mut self, mut books: Vec<Book>) -> Exit {
        let plan = self.plan;
        if let Err(error) = lab::sweep(&plan, &mut books, |swept| self.hear(&swept)) {
            eprintln!("{error}");
            self.exit = self.exit.max(Exit::Usage);
        }
        let took = self.progress.finish();
        if !self.arguments.digests {
            say(summary::summary(&self.parts));
        }
        self.stopped.iter().for_each(|why| eprintln!("{why}"));
        eprintln!("{}", text::pace(self.new_seeds, self.new_events, took));
        self.exit.max(summary::exit(&self.parts))
    }

    fn hear(&mut self, swept: &Swept<'_>) -> Next {
        let part = &mut self.parts[swept.scenario];
        part.totals.add(swept.outcome);
        self.new_seeds += u64::from(swept.is_new);
        match swept.outcome {
            Outcome::Ended(ended) => {
                self.new_events += ended.events * u64::from(swept.is_new);
                if self.arguments.digests {
                    let name = match self.plan.scenarios {
                        [_] => String::new(),
                        _ => format!("{} ", part.scenario.name()),
                    };
                    say(format_args!("{name}{} {}\n", swept.seed, ended.digest));
                }
            }
            Outcome::Panicked(panic) => {
                bug(swept.seed, &panic.message);
            }
        }
        if swept.outcome.has_failed() {
            self.failed += 1;
            if !self.write_down(swept) {
                return Next::Stop;
            }
        }
        self.progress.step(self.failed);
        self.next(swept)
    }

    /// Puts a failure into a file; whether there is any use in going on.
    fn write_down(&mut self, swept: &Swept<'_>) -> bool {
        let scenario = self.plan.scenarios[swept.scenario];
        let failure = Failure::new(scenario, swept.seed, &self.plan.options, swept.outcome.clone());
        match failure.write(&self.arguments.artifacts) {
            Ok(path) => eprint!("{}", text::failure(&failure, &path)),
            Err(message) => {
                eprintln!("{message}");
                self.exit = self.exit.max(Exit::Usage);
                return false;
            }
        }
        true
    }

    /// Whether it is time to stop.
    fn next(&mut self, swept: &Swept<'_>) -> Next {
        let Part { scenario, totals, .. } = &self.parts[swept.scenario];
        for when in &self.arguments.stop_after {
            match when {
                StopAfter::Failures(most) if self.failed >= *most => {
                    self.stopped.push(format!("stopped after {} failures", self.failed));
                    return Next::Stop;
                }
                StopAfter::Time(longest) if swept.is_new && self.progress.took() >= *longest => {
                    self.stopped.push(format!("stopped after {} s", longest.as_secs_f64()));
                    return Next::Stop;
                }
                StopAfter::Marks if totals.has_levelled_off(*scenario) => {
                    self.stopped.push(summary::levelled_off(*scenario, totals));
                    return Next::LeaveScenario;
                }
                StopAfter::Failures(_) | StopAfter::Time(_) | StopAfter::Marks => {}
            }
        }
        Next::GoOn
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn when_to_stop_is_read_and_what_is_wrong_is_said() {
        for (text, when) in [
            ("failures=3", StopAfter::Failures(3)),
            ("marks", StopAfter::Marks),
            ("time=10m", StopAfter::Time(Duration::from_secs(600))),
            ("time=1.5s", StopAfter::Time(Duration::from_millis(1500))),
        ] {
            assert_eq!(text.parse(), Ok(when));
        }
        for wrong in ["failures", "failures=0", "failures=x", "marks=3", "time=10", "time=0s", "never", ""] {
            let said = wrong.parse::<StopAfter>().expect_err(wrong);
            assert!(said.contains("is none of failures=N"), "{said}");
        }
    }
}
