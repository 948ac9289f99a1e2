//! `wavetank compare`: one scenario on several platforms, the same load, the same faults, the same seeds.

use crate::exit::Exit;
use crate::progress::Progress;
use crate::say;
use clap::Args;
use std::path::{Path, PathBuf};
use wavetank_benches::published::recorded;
use wavetank_benches::report::Report;
use wavetank_sim::cores;
use wavetank_workloads::cluster;
use wavetank_workloads::compare::{Kept, Measurement, Subject};
use wavetank_workloads::spec::scenario::{Origin, Platform, Scenario, builtin};
use wavetank_workloads::spec::{Folder, Parsed, Problem, Problems, Source};

#[derive(Args)]
pub struct Arguments {
    /// A scenario that comes with wavetank, or a scenario file
    #[arg(value_name = "SCENARIO", default_value = "broker-failover")]
    scenario: String,
    /// Only these of the scenario's platforms
    #[arg(long, value_delimiter = ',', value_name = "A,B,..")]
    platforms: Vec<String>,
    /// How many seeds each platform runs; more make narrower intervals
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=1000))]
    seeds: u64,
    /// The first seed
    #[arg(long, default_value_t = 1)]
    first_seed: u64,
    /// Where the report's files go
    #[arg(long, value_name = "DIR", default_value = "wavetank-report")]
    out: PathBuf,
    /// Runs at once, at most one a core [default: all cores]
    #[arg(long)]
    jobs: Option<usize>,
}

/// How wide messages are.
pub const COLUMNS: usize = 80;

/// Compares.
pub fn compare(arguments: &Arguments) -> Exit {
    match prepared(arguments).and_then(|(scenario, platforms)| measured(arguments, &scenario, &platforms)) {
        Ok(exit) => exit,
        Err(message) => {
            eprint!("{message}");
            Exit::Usage
        }
    }
}

/// The scenario and those of its platforms that are to run.
fn prepared(arguments: &Arguments) -> Result<(Scenario, Vec<Platform>), String> {
    let Parsed { value: scenario, warnings } = read(&arguments.scenario)?;
    for warning in &warnings {
        eprint!("{}", warning.render(COLUMNS));
    }
    let mut platforms = Vec::new();
    for name in &arguments.platforms {
        match scenario.platforms.iter().find(|platform| platform.kind.name() == name) {
            Some(platform) => platforms.push(platform.clone()),
            None => {
                let known: Vec<&str> = scenario.platforms.iter().map(|platform| platform.kind.name()).collect();
                return Err(format!(
                    "unknown platform '{name}': {} runs on {}\n",
                    arguments.scenario,
                    known.join(", ")
                ));
            }
        }
    }
    if platforms.is_empty() {
        platforms.clone_from(&scenario.platforms);
    }
    cluster::supported(&scenario).map_err(|error| format!("{error}\n"))?;
    for otherwise in scenario.simulated_otherwise() {
        eprintln!("{}", textwrap::fill(&format!("warning: {otherwise}"), COLUMNS));
    }
    Ok((scenario, platforms))
}

fn read(what: &str) -> Result<Parsed<Scenario>, String> {
    let parsed = match builtin::scenario(what) {
        Some(parsed) => parsed,
        None => {
            let path = Path::new(what);
            let text = std::fs::read_to_string(path).map_err(|error| {
                let names: Vec<&str> = builtin::ALL.iter().map(|(name, _)| *name).collect();
                let there = format!("Scenarios that come with wavetank: {}.", names.join(", "));
                format!("can't read {what}: {error}\n{}\n", textwrap::fill(&there, COLUMNS))
            })?;
            Scenario::parse(&Source::new(what, text), &Folder(path.parent().unwrap_or(Path::new(""))))
        }
    };
    parsed.map_err(|problems: Problems| problems.0.iter().map(|it: &Problem| it.render(COLUMNS)).collect())
}

fn measured(arguments: &Arguments, scenario: &Scenario, platforms: &[Platform]) -> Result<Exit, String> {
    let seeds: Vec<u64> = (0..arguments.seeds).map(|n| arguments.first_seed + n).collect();
    let progress = Progress::start(platforms.len() as u64 * arguments.seeds);
    let mut runs: Vec<Measurement> = Vec::new();
    let mut told = Vec::new();
    let (mut exit, mut failed, mut events) = (Exit::Held, 0, 0);
    let jobs = arguments.jobs.unwrap_or_else(cores);
    cluster::compare(scenario, platforms, &seeds, jobs, |(platform, seed, report)| {
        let name = platforms[platform].kind.name();
        match report {
            Ok(report) => {
                events += report.run.events;
                exit = exit.max(Exit::of(&report.run.findings));
                failed += u64::from(!report.run.findings.is_empty());
                told.extend(report.run.findings.iter().map(|it| format!("{name}, seed {seed}: {}: {}", it.by, it.why)));
                let expected = report.measurement.iter().flat_map(|it| &it.expectations);
                if expected.clone().any(|it| it.kept() == Kept::Missed) {
                    exit = exit.max(Exit::ExpectationMissed);
                }
                runs.extend(report.measurement);
            }
            Err(panic) => {
                exit = Exit::Bug;
                failed += 1;
                told.push(format!("{name}, seed {seed}: a bug in wavetank: {}", panic.message));
            }
        }
        progress.step(failed);
        exit != Exit::Bug
    })
    .map_err(|error| format!("{error}\n"))?;
    let took = progress.finish();
    if exit != Exit::Bug {
        let report =
            Report::new(subject(arguments, scenario), &runs, recorded()).map_err(|error| format!("{error}\n"))?;
        say(report.terminal());
        let files = report.write(&arguments.out).map_err(|error| format!("{error}\n"))?;
        let virtual_time: f64 = runs.iter().map(|run| run.duration.as_secs_f64()).sum();
        eprintln!(
            "{} runs, {:.0} virtual seconds measured, {events} events in {:.1} s of wall time.\nThe report: {}",
            runs.len(),
            virtual_time,
            took.as_secs_f64(),
            files.last().map_or_else(|| arguments.out.clone(), Clone::clone).display()
        );
    }
    for line in told {
        eprintln!("{}", textwrap::fill(&line, COLUMNS));
    }
    Ok(exit)
}

fn subject(arguments: &Arguments, scenario: &Scenario) -> Subject {
    let workload = match &scenario.workload.origin {
        Origin::Inline => scenario.name.clone(),
        Origin::Omb { workload, .. } => workload.name.clone(),
    };
    let mut command = format!("wavetank compare {} --seeds {}", arguments.scenario, arguments.seeds);
    if arguments.first_seed != 1 {
        command += &format!(" --first-seed {}", arguments.first_seed);
    }
    if !arguments.platforms.is_empty() {
        command += &format!(" --platforms {}", arguments.platforms.join(","));
    }
    Subject { scenario: scenario.name.clone(), about: scenario.summary.clone(), workload, command }
}
