//! `wavetank mutants`: which known bugs sweeps catch, and how soon.

mod small;

use crate::exit::Exit;
use crate::progress::Progress;
use crate::say;
use clap::Args;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;
use wavetank_sim::{SortedMap, cores};
use wavetank_workloads::lab::{Bag, Clean, Hunt, HuntLimits, Hunted, Score};
use wavetank_workloads::mutant::Mutant;

#[derive(Args)]
#[command(after_help = "\
Each mutant is hunted where it should show, from seed 0 on, until --catches
seeds were caught or --seeds were run; then the same seeds run without it.
`median`: how many seeds it takes to catch it, from wherever one begins,
estimated from the hunt (the median of a geometric distribution). `alarms`: of
the same seeds without the mutant, those in which something was found.

Exit code: 2 when a mutant was caught nowhere, 3 when there was a false alarm.")]
pub struct Arguments {
    /// Only these: see `wavetank list`
    #[arg(long, value_delimiter = ',', value_name = "A,B,..", value_parser = Mutant::by_name)]
    only: Vec<Mutant>,
    /// The most seeds of a hunt
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(1..))]
    seeds: u64,
    /// A hunt is over after so many catches
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..))]
    catches: u64,
    /// Runs at once, at most one a core [default: all cores]
    #[arg(long)]
    jobs: Option<usize>,
    /// Write what came of it to this file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Shrink the first failure of each one that is caught into this folder, and replay what is left 100 times
    #[arg(long, value_name = "DIR")]
    shrink: Option<PathBuf>,
}

/// Hunts.
pub fn mutants(arguments: &Arguments) -> Exit {
    let limits = HuntLimits { seeds: arguments.seeds, catches: arguments.catches };
    let jobs = arguments.jobs.unwrap_or_else(cores);
    let wanted = Mutant::all().filter(|mutant| arguments.only.is_empty() || arguments.only.contains(mutant));
    let hunts = Hunt::all(wanted);
    let progress = Progress::start(hunts.len() as u64 * limits.seeds);
    let mut score = Score { limits, hunted: Vec::new() };
    let mut cleans: SortedMap<&str, Clean> = SortedMap::new();
    say(heading());
    for (n, hunt) in hunts.into_iter().enumerate() {
        let before = progress.took();
        let bag = hunt.run(limits, jobs, || progress.step(0));
        let took = progress.took() - before;
        let clean = cleans.entry(hunt.scenario.name()).or_insert_with(|| Clean::new(hunt.scenario));
        clean.extend(bag.seeds, jobs, || {});
        let hunted = Hunted { hunt, false_alarms: clean.alarms_among(bag.seeds), bag };
        let is_next_mutant = score.hunted.last().is_none_or(|last: &Hunted| last.hunt.mutant != hunt.mutant);
        progress.beside(|| say(row(&hunted, is_next_mutant, took)));
        score.hunted.push(hunted);
        progress.skip_to((n as u64 + 1) * limits.seeds);
    }
    let took = progress.finish();
    say(sums(&score, &cleans));
    eprintln!("{:.0} s", took.as_secs_f64());
    let mut exit = exit(&score, &cleans);
    if let Some(folder) = &arguments.shrink
        && let Err(error) = small::all(&score, folder, jobs, say)
    {
        eprintln!("{error}");
        exit = exit.max(Exit::Usage);
    }
    let Some(path) = &arguments.json else { return exit };
    match std::fs::write(path, score.to_json()) {
        Ok(()) => exit,
        Err(error) => {
            eprintln!("can't write the score to {}: {error}", path.display());
            exit.max(Exit::Usage)
        }
    }
}

fn exit(score: &Score, cleans: &SortedMap<&str, Clean>) -> Exit {
    let panicked = score.hunted.iter().any(|of| of.bag.panicked > 0);
    let alarmed = cleans.values().any(|clean| !clean.alarms.is_empty());
    match score.not_caught() {
        _ if panicked => Exit::Bug,
        _ if alarmed => Exit::Violation,
        missed if missed.is_empty() => Exit::Held,
        _ => Exit::ExpectationMissed,
    }
}

/// How wide the last column may be.
const BY: usize = 24;

fn heading() -> String {
    format!("{:<24} {:>9} {:>6} {:>6} {:>5}  {}\n", "mutant, and where", "caught", "median", "alarms", "s", "by")
}

fn row(hunted: &Hunted, is_next_mutant: bool, took: Duration) -> String {
    let Hunted { hunt, bag, false_alarms } = hunted;
    let mut out = if is_next_mutant { format!("{}\n", hunt.mutant.name()) } else { String::new() };
    let caught = format!("{}/{}", bag.caught, bag.seeds);
    let median = bag.median().map_or_else(|| "-".into(), |median| median.to_string());
    let secs = format!("{:.1}", took.as_secs_f64());
    let options = textwrap::Options::new(BY).word_splitter(textwrap::WordSplitter::NoHyphenation);
    let by = textwrap::wrap(&noticed(bag), options).join(&format!("\n{:56}", ""));
    let name = hunt.scenario.name();
    let _ = writeln!(out, "  {name:<22} {caught:>9} {median:>6} {false_alarms:>6} {secs:>5}  {by}");
    out
}

/// Who caught it, most often first.
fn noticed(bag: &Bag) -> String {
    let mut by: Vec<(&str, u64)> = bag.by.iter().map(|(by, count)| (by.as_str(), *count)).collect();
    by.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let panicked = (bag.panicked > 0).then(|| format!("{} panicked", bag.panicked));
    let told = match &*by {
        [] => "NOT CAUGHT".into(),
        [(one, _)] => (*one).to_owned(),
        several => several.iter().map(|(by, count)| format!("{by} {count}")).collect::<Vec<_>>().join(", "),
    };
    panicked.into_iter().chain([told]).collect::<Vec<_>>().join(", ")
}

fn sums(score: &Score, cleans: &SortedMap<&str, Clean>) -> String {
    let not_caught = score.not_caught();
    let all = score.by_mutant().count();
    let mut out = format!(
        "\n{} of {all} mutants were caught, in at most {} seeds each\n",
        all - not_caught.len(),
        score.limits.seeds
    );
    for mutant in not_caught {
        let _ = writeln!(out, "  NOT CAUGHT: {}", mutant.name());
    }
    let seeds: u64 = cleans.values().map(|clean| clean.seeds).sum();
    let alarms: usize = cleans.values().map(|clean| clean.alarms.len()).sum();
    let _ = writeln!(out, "{alarms} false alarms in {seeds} seeds without mutants");
    for (name, clean) in cleans {
        for (seed, by) in &clean.alarms {
            let _ = writeln!(out, "  {name} seed {seed}: {by}");
        }
    }
    out
}
