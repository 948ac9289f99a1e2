//! `wavetank mutants --shrink`: a failure of each mutant made small, and the small one replayed.

use crate::progress::Spinner;
use crate::text;
use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;
use wavetank_workloads::lab::{self, Failure, Hunted, Score, Shrunk};
use wavetank_workloads::mutant::Mutant;
use wavetank_workloads::scenario::{Listeners, RunOptions};

/// How often a small failure is replayed.
const REPLAYS: u64 = 100;

/// A failure that was made small.
struct Small {
    mutant: Mutant,
    shrunk: Shrunk,
    took: Duration,
    /// Replays that came to the same digest and the same first finding.
    same: u64,
}

/// Shrinks the first failure of each mutant that was caught, into this folder; `say` hears of each, and of all.
///
/// # Errors
/// When a failure cannot be shrunk.
pub(super) fn all(score: &Score, folder: &Path, jobs: usize, mut say: impl FnMut(String)) -> Result<(), String> {
    std::fs::create_dir_all(folder).map_err(|error| format!("can't make {}: {error}", folder.display()))?;
    say(heading());
    let mut made = Vec::new();
    for (mutant, hunts) in score.by_mutant() {
        let Some(hunted) = hunts.iter().filter(|of| of.bag.caught > 0).min_by_key(|of| of.bag.median()) else {
            continue;
        };
        let small = one(mutant, hunted, folder, jobs)?;
        say(row(&small));
        made.push(small);
    }
    say(medians(&made));
    Ok(())
}

fn one(mutant: Mutant, hunted: &Hunted, folder: &Path, jobs: usize) -> Result<Small, String> {
    let (scenario, options) = (hunted.hunt.scenario, RunOptions { mutant: Some(mutant), ..RunOptions::default() });
    let seed = hunted.bag.first.expect("it was caught");
    let outcome = lab::outcome(&lab::run(scenario, seed, &options, Listeners::default()));
    let failure = Failure::new(scenario, seed, &options, outcome);
    let out = failure.write(folder)?.with_extension("shrunk.json");
    let progress = Spinner::start();
    let shrunk = lab::shrink(&failure, &out, jobs, |step| {
        progress.say(text::shrinking(&step));
        true
    });
    let took = progress.finish();
    let shrunk = shrunk.map_err(|error| format!("{}: {error}", out.display()))?;
    let small = Failure::read(&out).map_err(|error| error.to_string())?;
    let same = small.same_in(REPLAYS, jobs);
    Ok(Small { mutant, shrunk, took, same })
}

fn heading() -> String {
    format!("\n{:<34} {:>12} {:>15} {:>6} {:>8}\n", "made small", "faults", "events", "s", "replays")
}

fn row(small: &Small) -> String {
    let Small { mutant, shrunk: Shrunk { before, after, .. }, took, same } = small;
    let faults = format!("{} -> {}", before.faults(), after.faults());
    let events = format!("{} -> {}", before.events, after.events);
    let (secs, replays) = (format!("{:.1}", took.as_secs_f64()), format!("{same}/{REPLAYS}"));
    format!("{:<34} {faults:>12} {events:>15} {secs:>6} {replays:>8}\n", mutant.name())
}

/// How many faults in a hundred are gone, and how long it took, in the median; and whether all replays were the same.
fn medians(made: &[Small]) -> String {
    let mut out = String::new();
    let fewer = median(made.iter().map(|small| {
        let (before, after) = (small.shrunk.before.faults(), small.shrunk.after.faults());
        if before == 0 { 0.0 } else { 100.0 * (before - after) as f64 / before as f64 }
    }));
    let secs = median(made.iter().map(|small| small.took.as_secs_f64()));
    if let (Some(fewer), Some(secs)) = (fewer, secs) {
        let _ = writeln!(out, "median: {fewer:.0} % fewer faults, in {secs:.1} s");
    }
    let differ = made.iter().filter(|small| small.same < REPLAYS).count();
    let _ = writeln!(out, "{} small failures, {differ} of them not the same in each of {REPLAYS} replays", made.len());
    out
}

fn median(of: impl Iterator<Item = f64>) -> Option<f64> {
    let mut all: Vec<f64> = of.collect();
    all.sort_by(f64::total_cmp);
    all.get(all.len() / 2).copied()
}
