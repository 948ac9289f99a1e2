//! Tables with a column for each platform.

use super::chart::colour;
use crate::report::{number, words};
use maud::{Markup, html};
use wavetank_sim::SortedSet;
use wavetank_workloads::compare::figure::{Unclear, Unit, Verdict};
use wavetank_workloads::compare::interval::Estimate;
use wavetank_workloads::compare::measurement::CostPart;
use wavetank_workloads::compare::summary::{FigureRow, PlatformSummary, Summary};

/// A heading for each platform.
pub(super) fn heads(summary: &Summary) -> Markup {
    html! {
        @for (index, platform) in summary.platforms.iter().enumerate() {
            th scope="col" class={ "platform " (colour(index)) } { span class="key" {} (words::clean(&platform.platform.name)) }
        }
    }
}

/// The headline figures.
pub(super) fn headline(summary: &Summary) -> Markup {
    let judged = summary.seeds.len() > 1 && summary.platforms.len() > 1;
    html! {
        section {
            h2 { "Figures" }
            div class="scroll" {
                table class="headline" {
                    thead { tr {
                        th scope="col" { "" }
                        (heads(summary))
                        @if judged { th scope="col" class="text" { "Clear best" } }
                    } }
                    tbody {
                        @for row in &summary.figures {
                            tr {
                                th scope="row" { (words::capital(row.figure.name())) span class="unit" { ", " (row.unit.name()) } }
                                @for (platform, estimate) in row.cells.iter().enumerate() { (cell(row, platform, estimate.as_ref())) }
                                @if judged { (verdict(summary, row)) }
                            }
                        }
                        (grades(summary, judged))
                    }
                }
            }
            @if summary.seeds.len() > 1 { p class="note" { "± 0: less than half of the last digit." } }
            @if summary.figures.iter().flat_map(|row| row.cells.iter().flatten()).any(|cell| cell.missing() > 0) {
                p class="note" { "A question mark: some runs ended before this did, and are not in the mean." }
            }
        }
    }
}

/// How far each column can be trusted, beside its figures.
fn grades(summary: &Summary, judged: bool) -> Markup {
    let priced = summary.figures.iter().any(|row| row.unit == Unit::Usd);
    html! {
        tr class="grades" {
            th scope="row" { "Profiles" }
            @for platform in &summary.platforms { td { (platform.grade) } }
            @if judged { td class="text why" { "what times rest on, at worst" } }
        }
        @if priced {
            tr class="grades" {
                th scope="row" { "Prices" }
                @for platform in &summary.platforms { td { (platform.cost.grade()) } }
                @if judged { td class="text why" { "what costs rest on" } }
            }
        }
    }
}

fn cell(row: &FigureRow, platform: usize, estimate: Option<&Estimate>) -> Markup {
    let Some(estimate) = estimate else { return html! { td class="none" { "–" } } };
    let won = row.verdict.winner() == Some(platform);
    let text = words::estimate(row.unit, estimate);
    let (mean, half) = text.split_once('±').map_or((text.as_str(), None), |(mean, half)| (mean, Some(half)));
    html! {
        td {
            span class=[won.then_some("win")] { (mean) }
            @if let Some(half) = half { span class="half" { " ± " (half) } }
            @if estimate.missing() > 0 { span class="bad" title="not in every run" { " ?" } }
        }
    }
}

fn verdict(summary: &Summary, row: &FigureRow) -> Markup {
    match &row.verdict {
        Verdict::Winner { platform } => {
            html! { td class="text" { strong { (words::clean(&summary.platforms[*platform].platform.name)) } } }
        }
        Verdict::NoClearWinner { why: Unclear::Same } => html! { td class="text why" { "all the same" } },
        Verdict::NoClearWinner { why } => {
            html! { td class="text why" { "none: " (words::why_short(why)) } }
        }
    }
}

/// The monthly bill, line by line.
pub(super) fn cost(summary: &Summary) -> Markup {
    let lines = summary.platforms.iter().flat_map(|platform| &platform.cost.lines);
    let keys: SortedSet<(CostPart, &str, &str)> =
        lines.map(|line| (line.part, line.product.as_str(), line.meter.as_str())).collect();
    let value = |platform: &PlatformSummary, key: &(CostPart, &str, &str)| {
        let found = platform.cost.lines.iter().find(|l| (l.part, l.product.as_str(), l.meter.as_str()) == *key);
        found.map(|line| (line.usd, line.assumed))
    };
    let assumed = summary.platforms.iter().flat_map(|platform| &platform.cost.lines).any(|line| line.assumed);
    let shows = |key: &(CostPart, &str, &str)| {
        summary.platforms.iter().any(|platform| value(platform, key).is_some_and(|(usd, _)| usd >= 0.005))
    };
    let (keys, hidden): (Vec<_>, Vec<_>) = keys.into_iter().partition(shows);
    html! {
        div class="scroll" {
            table {
                thead { tr { th scope="col" { "US dollars a month" } (heads(summary)) } }
                tbody {
                    @for key in &keys {
                        tr {
                            th scope="row" { (words::clean(key.1)) " " span class="unit" { (key.2.replace('_', " ")) } }
                            @for platform in &summary.platforms {
                                @match value(platform, key) {
                                    Some((usd, assumed)) => { td { (number::usd(usd)) @if assumed { " †" } } }
                                    None => { td class="none" { "–" } }
                                }
                            }
                        }
                    }
                    @if !hidden.is_empty() {
                        tr {
                            th scope="row" { (hidden.len()) " more, each less than a cent" }
                            @for platform in &summary.platforms {
                                td { (number::usd(hidden.iter().filter_map(|key| value(platform, key)).map(|(usd, _)| usd).sum())) }
                            }
                        }
                    }
                    tr class="sum" {
                        th scope="row" { "A month" }
                        @for platform in &summary.platforms { td { (number::usd(platform.cost.total())) } }
                    }
                }
            }
        }
        @if assumed { p class="note" { "† rests on an assumed price." } }
    }
}

/// Rows of names, with one number for each platform that has it.
pub(super) fn by_name(
    summary: &Summary,
    first: &str,
    names: &SortedSet<&String>,
    value: impl Fn(&PlatformSummary, &str) -> Option<Markup>,
) -> Markup {
    html! {
        div class="scroll" {
            table {
                thead { tr { th scope="col" { (first) } (heads(summary)) } }
                tbody {
                    @for name in names {
                        tr {
                            th scope="row" { (words::clean(name)) }
                            @for platform in &summary.platforms {
                                @match value(platform, name) {
                                    Some(value) => { td { (value) } }
                                    None => { td class="none" { "–" } }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}
