//! What sweeps add up to, for people: 80 columns.

use crate::exit::Exit;
use crate::text;
use std::fmt::Write as _;
use wavetank_workloads::lab::{Seeds, Totals};
use wavetank_workloads::scenario::{RunOptions, Scenario};

/// What a sweep of one scenario came to.
pub struct Part {
    pub scenario: Scenario,
    pub options: RunOptions,
    /// Those that were asked for.
    pub seeds: Seeds,
    pub totals: Totals,
}

/// Rare: reached by fewer than one seed of so many.
const RARE: u64 = 100;

/// One scenario at length; several in a table.
pub fn summary(parts: &[Part]) -> String {
    match parts {
        [one] => at_length(one),
        several => table(several),
    }
}

/// The exit code of it all. Says which situations were not reached that must be.
pub fn exit(parts: &[Part]) -> Exit {
    let exit = parts.iter().map(|part| Exit::of_sweep(&part.totals)).max().unwrap_or_default();
    if exit != Exit::Held {
        return exit;
    }
    let mut exit = Exit::Held;
    // A known bug may make a situation impossible.
    for Part { scenario, totals, .. } in parts.iter().filter(|part| part.options.mutant.is_none()) {
        let missing = totals.missing(*scenario);
        if !missing.is_empty() {
            exit = Exit::ExpectationMissed;
            let list: String = missing.iter().map(|mark| format!("\n  {mark}")).collect();
            let (name, seeds) = (scenario.name(), totals.seeds);
            eprintln!("{name}: {seeds} seeds did not reach every situation that they must reach:{list}");
        }
    }
    exit
}

/// Why a scenario was left early.
pub fn levelled_off(scenario: Scenario, totals: &Totals) -> String {
    let expected = totals.new_pairs_expected().unwrap_or_default();
    format!(
        "{}: stopped after {} seeds: all was reached that must be,\n  and 100 more seeds are expected to show {expected:.1} new pairs of situations",
        scenario.name(),
        totals.seeds
    )
}

fn at_length(part: &Part) -> String {
    let Part { scenario, totals, .. } = part;
    let mut out = text::totals(
        *scenario,
        &[
            ("seeds", seeds(part)),
            ("failed", failed(totals)),
            ("events", totals.events.to_string()),
            ("virtual time", format!("{:.1} s", totals.virtual_ns as f64 / 1e9)),
            ("digest of all", totals.digest.to_string()),
            ("situations", format!("{} of {} reached, {} pairs", totals.reached(), totals.marks.len(), totals.pairs())),
        ],
    );
    if let Some(expected) = totals.new_pairs_expected() {
        let _ = writeln!(out, "  {:<14} {expected:.1} new pairs expected of 100 more seeds", "to come");
    }
    let (rare, frequent): (Vec<_>, Vec<_>) = by_frequency(totals).into_iter().partition(|(_, n)| is_rare(*n, totals));
    out += "  reached, by so many seeds\n";
    out += &marks(&frequent);
    if !rare.is_empty() {
        let _ = writeln!(out, "  rare: reached by fewer than one seed in {RARE}");
        out += &marks(&rare);
    }
    out
}

fn seeds(part: &Part) -> String {
    match part.totals.seeds {
        all if all == part.seeds.count() => part.seeds.to_string(),
        some => format!("the first {some} of {}", part.seeds),
    }
}

fn failed(totals: &Totals) -> String {
    let by: Vec<String> = totals.noticed.iter().map(|(by, count)| format!("{by} {count}")).collect();
    match &*by {
        [] => "0".into(),
        by => {
            let indent = " ".repeat(17);
            let options = textwrap::Options::new(80).initial_indent(&indent).subsequent_indent(&indent);
            let text = format!("{}, noticed first by {}", totals.failed, by.join(", "));
            textwrap::fill(&text, options).trim_start().to_owned()
        }
    }
}

/// Situations from the most frequent to the rarest.
fn by_frequency(totals: &Totals) -> Vec<(&str, u64)> {
    let mut marks: Vec<_> = totals.marks.iter().map(|(name, reached)| (name.as_str(), reached.seeds)).collect();
    marks.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    marks
}

fn marks(marks: &[(&str, u64)]) -> String {
    marks.iter().map(|(name, seeds)| format!("  {seeds:>8}  {name}\n")).collect()
}

fn is_rare(count: u64, totals: &Totals) -> bool {
    count * RARE < totals.seeds
}

fn table(parts: &[Part]) -> String {
    let mut out =
        format!("{:<32} {:>9} {:>7} {:>9} {:>7} {:>9}\n", "scenario", "seeds", "failed", "reached", "pairs", "to come");
    for Part { scenario, totals, .. } in parts {
        let reached = format!("{}/{}", totals.reached(), totals.marks.len());
        let to_come = totals.new_pairs_expected().map_or_else(|| "-".into(), |pairs| format!("{pairs:.1}"));
        let (name, seeds, failed, pairs) = (scenario.name(), totals.seeds, totals.failed, totals.pairs());
        let _ = writeln!(out, "{name:<32} {seeds:>9} {failed:>7} {reached:>9} {pairs:>7} {to_come:>9}");
    }
    let sum = |of: fn(&Totals) -> u64| parts.iter().map(|part| of(&part.totals)).sum::<u64>();
    let _ = writeln!(out, "{:<32} {:>9} {:>7}", "all", sum(|of| of.seeds), sum(|of| of.failed));
    out += "reached: situations; pairs: of situations that one run reached;\nto come: new pairs that 100 more seeds are expected to show\n";
    for Part { scenario, totals, .. } in parts {
        if totals.failed > 0 {
            let _ = writeln!(out, "{}\n  {:<14} {}", scenario.name(), "failed", failed(totals));
        }
    }
    let rare: Vec<_> =
        parts.iter().map(|part| (part, rare(&part.totals))).filter(|(_, rare)| !rare.is_empty()).collect();
    if !rare.is_empty() {
        let _ = writeln!(out, "rare situations: reached by fewer than one seed in {RARE}");
    }
    for (part, rare) in rare {
        let _ = writeln!(out, "{}", part.scenario.name());
        out += &marks(&rare);
    }
    out
}

fn rare(totals: &Totals) -> Vec<(&str, u64)> {
    by_frequency(totals).into_iter().filter(|(_, count)| is_rare(*count, totals)).collect()
}
