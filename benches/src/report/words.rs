//! What a comparison says, in plain words. A winner is named only where the verdict names one.

use super::number;
use wavetank_workloads::compare::figure::{Figure, Unclear, Unit, Verdict};
use wavetank_workloads::compare::interval::Estimate;
use wavetank_workloads::compare::summary::{FigureRow, PlatformSummary, Summary};

/// One number of a figure, with its unit.
pub(super) fn value(unit: Unit, value: f64) -> String {
    match unit {
        Unit::Millis => number::time(value / 1e3),
        Unit::Seconds => number::time(value),
        Unit::Usd => number::usd(value),
        Unit::MegabytesPerSecond => format!("{} MB/s", number::amount(value)),
        Unit::RecordsPerSecond => format!("{} messages/s", number::amount(value)),
        Unit::Records | Unit::Count => number::amount(value),
    }
}

fn name(summary: &Summary, platform: usize) -> String {
    clean(&summary.platforms[platform].platform.name)
}

fn mean(row: &FigureRow, platform: usize) -> String {
    row.cells[platform].as_ref().map_or_else(|| "no value".into(), |cell| value(row.unit, cell.mean))
}

/// A mean with half its interval.
pub(super) fn estimate(unit: Unit, estimate: &Estimate) -> String {
    match unit {
        Unit::Records | Unit::Count => number::count_with_interval(estimate.mean, estimate.half_width),
        Unit::Millis | Unit::Seconds | Unit::MegabytesPerSecond | Unit::RecordsPerSecond | Unit::Usd => {
            number::with_interval(estimate.mean, estimate.half_width)
        }
    }
}

/// Why there is no winner, in a few words.
pub(super) fn why(summary: &Summary, row: &FigureRow, why: &Unclear) -> String {
    let name = |platform: &usize| name(summary, *platform);
    match why {
        Unclear::OneSeed => "one seed: no interval".into(),
        Unclear::OnePlatform => "nothing to compare with".into(),
        Unclear::Missing { platform } => format!("{} has no value in every run", name(platform)),
        Unclear::Same => "the same for all".into(),
        Unclear::Overlap { best, other } => format!("intervals of {} and {} overlap", name(best), name(other)),
        Unclear::WithinUncertainty { best, other, difference, uncertainty } => format!(
            "{} ({}) and {} ({}) differ by {}; the calibration is good to {}",
            name(best),
            mean(row, *best),
            name(other),
            mean(row, *other),
            number::percent(*difference),
            number::percent(*uncertainty),
        ),
    }
}

/// The same where there is no room for names and numbers.
pub(super) fn why_short(why: &Unclear) -> String {
    match why {
        Unclear::OneSeed => "one seed: no interval".into(),
        Unclear::OnePlatform => "nothing to compare with".into(),
        Unclear::Missing { .. } => "a value is missing".into(),
        Unclear::Same => "the same for all".into(),
        Unclear::Overlap { .. } => "intervals overlap".into(),
        Unclear::WithinUncertainty { difference, uncertainty, .. } => {
            let (apart, good) = (number::percent(*difference), number::percent(*uncertainty));
            format!("{apart} apart, calibration good to {good}")
        }
    }
}

/// What can be said of a figure, without the figure's name.
pub(super) fn verdict(summary: &Summary, row: &FigureRow) -> String {
    match &row.verdict {
        Verdict::NoClearWinner { why: Unclear::Same } => "the same for all".into(),
        Verdict::NoClearWinner { why: reason } => format!("no clear winner: {}", why(summary, row, reason)),
        Verdict::Winner { platform } => {
            let next = next_best(row, *platform);
            let next = next.map(|next| format!("; next is {} with {}", name(summary, next), mean(row, next)));
            format!("{} is best with {}{}", name(summary, *platform), mean(row, *platform), next.unwrap_or_default())
        }
    }
}

/// The best platform but one.
fn next_best(row: &FigureRow, winner: usize) -> Option<usize> {
    let distance = |platform: usize| {
        let of = |platform: usize| row.cells[platform].as_ref().map(|cell: &Estimate| cell.mean);
        Some((of(platform)? - of(winner)?).abs())
    };
    let others = (0..row.cells.len()).filter(|platform| *platform != winner);
    others
        .filter_map(|other| Some((distance(other)?, other)))
        .min_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, other)| other)
}

/// A sentence, and before it what it is about, where that is not clear from itself.
pub(super) struct Sentence {
    pub(super) about: Option<&'static str>,
    pub(super) text: String,
    /// Something that should not have happened.
    pub(super) alarm: bool,
}

/// Three paragraphs: what held, how fast, what it costs.
pub(super) struct Paragraphs {
    pub(super) held: Vec<Sentence>,
    pub(super) fast: Vec<Sentence>,
    pub(super) costs: Vec<Sentence>,
}

pub(super) fn paragraphs(summary: &Summary) -> Paragraphs {
    let sentences = |figures: &[Figure]| {
        let rows = figures.iter().filter_map(|figure| summary.figure(*figure));
        rows.map(|row| sentence(summary, row)).collect::<Vec<_>>()
    };
    Paragraphs {
        held: held(summary),
        fast: sentences(&[
            Figure::SustainableRate,
            Figure::ProduceP99,
            Figure::EndToEndP99,
            Figure::Unavailable,
            Figure::Recovery,
        ]),
        costs: costs(summary),
    }
}

fn plain(text: String) -> Sentence {
    Sentence { about: None, text, alarm: false }
}

fn alarm(text: String) -> Sentence {
    Sentence { about: None, text, alarm: true }
}

fn sentence(summary: &Summary, row: &FigureRow) -> Sentence {
    let text = match &row.verdict {
        Verdict::NoClearWinner { why: Unclear::OneSeed | Unclear::OnePlatform } => each(summary, row),
        Verdict::NoClearWinner { .. } | Verdict::Winner { .. } => verdict(summary, row),
    };
    Sentence { about: Some(row.figure.name()), text: format!("{text}."), alarm: false }
}

fn each(summary: &Summary, row: &FigureRow) -> String {
    let one = |platform| format!("{} {}", name(summary, platform), mean(row, platform));
    (0..row.cells.len()).map(one).collect::<Vec<_>>().join(", ")
}

fn held(summary: &Summary) -> Vec<Sentence> {
    let runs = summary.seeds.len();
    let runs = format!("{runs} run{}", if runs == 1 { "" } else { "s" });
    let mut out = Vec::new();
    let names = |keep: &dyn Fn(&PlatformSummary) -> bool| {
        let kept = summary.platforms.iter().filter(|platform| keep(platform));
        kept.map(|platform| clean(&platform.platform.name)).collect::<Vec<_>>()
    };
    let kept = names(&|platform| platform.acked_lost == 0);
    if kept.len() == summary.platforms.len() {
        out.push(plain(format!("Nothing that was acknowledged was lost, by any platform, in {runs} each.")));
    } else if !kept.is_empty() {
        let each = if kept.len() == 1 { "" } else { " each" };
        out.push(plain(format!("Nothing that was acknowledged was lost by {}, in {runs}{each}.", list(&kept))));
    }
    for platform in summary.platforms.iter().filter(|platform| platform.acked_lost > 0) {
        let (name, lost) = (clean(&platform.platform.name), number::count(platform.acked_lost));
        out.push(alarm(format!("{name} lost {lost} acknowledged records in {runs}.")));
    }
    let evaluated: u64 = summary.platforms.iter().flat_map(|p| p.invariants.values()).map(|e| e.evaluated).sum();
    let violators = names(&|platform| platform.violations() > 0);
    if evaluated > 0 && violators.is_empty() {
        // What a promise that has ended allows is not judged any more.
        let until = if kept.len() == summary.platforms.len() { "" } else { " until records were lost" };
        out.push(plain(format!("Every invariant held{until}, in {} evaluations.", number::count(evaluated))));
    }
    if !violators.is_empty() {
        out.push(alarm(format!("Invariants were violated by {}: see below.", list(&violators))));
    }
    let ended = names(&|platform| !platform.ended_promises.is_empty());
    match ended.is_empty() {
        true => out.push(plain("No promise ended.".into())),
        false => out.push(plain(format!("A promise ended for {}: see below for which, and why.", list(&ended)))),
    }
    let stuck = names(&|p| p.recoveries.iter().chain(&p.job_recoveries).any(|stages| stages.unfinished > 0));
    if !stuck.is_empty() {
        out.push(plain(format!("Not back from every fault when a run ended: {}.", list(&stuck))));
    }
    out
}

fn costs(summary: &Summary) -> Vec<Sentence> {
    let Some(row) = summary.figure(Figure::CostMonth) else { return vec![plain("Not priced.".into())] };
    let mut out = vec![sentence(summary, row)];
    let mut books: Vec<&str> =
        summary.platforms.iter().map(|p| p.cost.book.as_str()).filter(|b| !b.is_empty()).collect();
    books.dedup();
    if !books.is_empty() {
        out.push(plain(format!("By list prices of {}, this load kept up for a month.", clean(&books.join(", ")))));
    }
    out
}

/// "a, b and c".
pub(super) fn list(names: &[String]) -> String {
    match names {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

pub(super) fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

/// Text from outside without what would move a terminal's cursor or reverse a line.
pub(super) fn clean(text: &str) -> String {
    let harmful = |c: char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
    };
    text.chars().map(|c| if harmful(c) { '\u{fffd}' } else { c }).collect()
}
