//! What held, what was used, and what the figures rest on.

use super::tables::{by_name, heads};
use crate::report::{number, words};
use maud::{Markup, html};
use wavetank_sim::{SortedMap, SortedSet};
use wavetank_workloads::compare::expected::{ExpectedOverRuns, Kept};
use wavetank_workloads::compare::summary::{Basis, PlatformSummary, Published, Summary};

/// Lost records, ended promises, invariants, situations.
pub(super) fn held(summary: &Summary) -> Markup {
    let any_ended = summary.platforms.iter().any(|platform| !platform.ended_promises.is_empty());
    html! {
        section {
            h2 { "What held" }
            h3 { "Acknowledged records, and promises" }
            div class="scroll" {
                table {
                    thead { tr {
                        th scope="col" { "Platform" }
                        th scope="col" { "Acked, then lost" }
                        @if any_ended {
                            th scope="col" class="text" { "Promise that ended" } th scope="col" class="text" { "Why" } th scope="col" { "Runs" }
                        }
                    } }
                    tbody { @for platform in &summary.platforms {
                        @let ended = &platform.ended_promises;
                        @for row in 0..ended.len().max(1) {
                            tr {
                                @if row == 0 {
                                    th scope="row" { (words::clean(&platform.platform.name)) }
                                    td { span class=[(platform.acked_lost > 0).then_some("bad")] { (number::count(platform.acked_lost)) } }
                                } @else { th {} td {} }
                                @if any_ended {
                                    @match ended.get(row) {
                                        Some(count) => {
                                            td class="text" { (words::clean(&count.promise.promise)) }
                                            td class="text" { (words::clean(&count.promise.why)) }
                                            td { (count.runs) " of " (platform.runs.len()) }
                                        }
                                        None => { td class="text none" { "none" } td {} td {} }
                                    }
                                }
                            }
                        }
                    } }
                }
            }
            @if !any_ended { p { "No promise ended." } }
            (expectations(summary))
            (invariants(summary))
            (situations(summary))
        }
    }
}

fn expectations(summary: &Summary) -> Markup {
    let of =
        |platform: &PlatformSummary, metric: &str| platform.expectations.iter().find(|it| it.metric == metric).cloned();
    let mut metrics: Vec<&str> = Vec::new();
    for expected in summary.platforms.iter().flat_map(|platform| &platform.expectations) {
        if !metrics.contains(&expected.metric.as_str()) {
            metrics.push(&expected.metric);
        }
    }
    html! {
        @if !metrics.is_empty() {
            h3 { "What the scenario expects, and the worst run" }
            div class="scroll" {
                table {
                    thead { tr { th scope="col" { "Expectation" } (heads(summary)) } }
                    tbody { @for metric in metrics { tr {
                        th scope="row" { (breakable(metric)) }
                        @for platform in &summary.platforms { (expectation(of(platform, metric).as_ref(), platform.runs.len())) }
                    } } }
                }
            }
        }
    }
}

/// A dotted name that a narrow column may break after its dots and underscores, and nowhere else.
fn breakable(name: &str) -> Markup {
    html! { @for part in name.split_inclusive(['.', '_']) { (part) wbr; } }
}

fn expectation(expected: Option<&ExpectedOverRuns>, runs: usize) -> Markup {
    html! {
        td {
            @if let Some(expected) = expected {
                span class=[(expected.kept == Kept::Missed).then_some("bad")] {
                    (expected.worst.as_deref().unwrap_or("nothing measured"))
                }
                br;
                small {
                    (expected.bound)
                    @if expected.missed > 0 { ": missed in " (expected.missed) " of " (runs) }
                }
            }
        }
    }
}

fn invariants(summary: &Summary) -> Markup {
    let names: SortedSet<&String> = summary.platforms.iter().flat_map(|platform| platform.invariants.keys()).collect();
    html! {
        @if !names.is_empty() {
            h3 { "Invariants, and how often each was checked" }
            (by_name(summary, "Invariant", &names, |platform, name| {
                let evaluations = platform.invariants.get(name)?;
                Some(html! {
                    @if evaluations.evaluated == 0 { span class="none" { "never" } } @else { (number::count(evaluations.evaluated)) }
                    @if evaluations.violated > 0 { span class="bad" { ", violated " (number::count(evaluations.violated)) " times" } }
                })
            }))
        }
    }
}

fn situations(summary: &Summary) -> Markup {
    let names: SortedSet<&String> = summary.platforms.iter().flat_map(|platform| platform.situations.keys()).collect();
    html! {
        @if !names.is_empty() {
            h3 { "Situations, and how often each was reached" }
            (by_name(summary, "Situation", &names, |platform, name| {
                let count = *platform.situations.get(name)?;
                Some(if count == 0 { html! { span class="none" { "never" } } } else { html! { (number::count(count)) } })
            }))
        }
    }
}

/// Requests and bytes.
pub(super) fn used(summary: &Summary) -> Markup {
    let requests: SortedSet<&String> = summary.platforms.iter().flat_map(|platform| platform.requests.keys()).collect();
    let bytes: SortedSet<&String> = summary.platforms.iter().flat_map(|platform| platform.bytes.keys()).collect();
    html! {
        @if !requests.is_empty() || !bytes.is_empty() {
            section {
                h2 { "What was used" }
                p { "In one run, as a mean over the seeds." }
                @if !requests.is_empty() {
                    (by_name(summary, "Requests", &requests, |p, name| {
                        let requests = *p.requests.get(name)?;
                        Some(html! { (number::count(requests.round() as u64)) })
                    }))
                }
                @if !bytes.is_empty() {
                    (by_name(summary, "Bytes", &bytes, |p, name| { let b = *p.bytes.get(name)?; Some(html! { (number::bytes(b)) }) }))
                }
            }
        }
    }
}

/// Profiles and prices.
pub(super) fn basis(summary: &Summary) -> Markup {
    let mut profiles: SortedMap<(&str, String), SortedSet<(&str, &str)>> = SortedMap::new();
    for platform in &summary.platforms {
        for Basis { profile, grade, role } in &platform.profiles {
            profiles.entry((profile, grade.to_string())).or_default().insert((role, &platform.platform.name));
        }
    }
    let unnamed = summary.platforms.iter().filter(|platform| platform.profiles.is_empty());
    let unnamed: Vec<String> = unnamed.map(|platform| words::clean(&platform.platform.name)).collect();
    let assumed: SortedSet<(&str, &str, &str)> = summary
        .platforms
        .iter()
        .flat_map(|platform| &platform.cost.lines)
        .filter(|line| line.assumed)
        .map(|line| (line.product.as_str(), line.meter.as_str(), line.source.as_str()))
        .collect();
    let assumptions: SortedSet<&String> =
        summary.platforms.iter().flat_map(|platform| &platform.cost.assumptions).collect();
    html! {
        section {
            h2 { "What this rests on" }
            @if !profiles.is_empty() {
                h3 { "Profiles of devices" }
                div class="scroll" { table {
                    thead { tr { th scope="col" { "Profile" } th scope="col" class="slim" { "Grade" } th scope="col" class="text" { "Carries" } } }
                    tbody { @for ((profile, grade), uses) in &profiles {
                        tr {
                            th scope="row" { (words::clean(profile)) }
                            td class="slim" { (grade) }
                            td class="text" { (words::clean(&carried(uses))) }
                        }
                    } }
                } }
            }
            @if !unnamed.is_empty() { p { "No profile is named for " (words::list(&unnamed)) ": taken as assumed." } }
            @if !assumed.is_empty() {
                h3 { "Assumed prices" }
                div class="scroll" { table {
                    thead { tr { th scope="col" { "Product" } th scope="col" class="text" { "Meter" } th scope="col" class="text" { "From what" } } }
                    tbody { @for (product, meter, source) in &assumed {
                        tr {
                            th scope="row" { (words::clean(product)) }
                            td class="text" { (meter.replace('_', " ")) }
                            td class="text" { (words::clean(source.strip_prefix("assumed: ").unwrap_or(source))) }
                        }
                    } }
                } }
            }
            @if !assumptions.is_empty() {
                h3 { "What the bill assumes" }
                ul { @for assumption in assumptions { li { (words::clean(assumption)) } } }
            }
        }
    }
}

/// "object store of a and b; volumes of c".
fn carried(uses: &SortedSet<(&str, &str)>) -> String {
    let roles: SortedSet<&str> = uses.iter().map(|(role, _)| *role).collect();
    let one = |role: &str| {
        let names: Vec<String> = uses.iter().filter(|(r, _)| *r == role).map(|(_, name)| (*name).to_owned()).collect();
        format!("{role} of {}", words::list(&names))
    };
    roles.into_iter().map(one).collect::<Vec<_>>().join("; ")
}

/// Seeds and digests: by these a run is known to be the same.
pub(super) fn runs(summary: &Summary) -> Markup {
    html! {
        section {
            h2 { "Runs" }
            p { "The same seed gives the same digest, on any machine." }
            div class="scroll" { table {
                thead { tr {
                    th scope="col" { "Platform" } th scope="col" { "Seed" } th scope="col" { "Virtual time" } th scope="col" { "Events" }
                    th scope="col" class="text" { "Digest" }
                } }
                tbody { @for platform in &summary.platforms { @for (index, run) in platform.runs.iter().enumerate() {
                    tr {
                        th scope="row" { @if index == 0 { (words::clean(&platform.platform.name)) } }
                        td { (run.seed) }
                        td { (number::time(run.duration_ns.0 as f64 / 1e9)) }
                        td { (number::count(run.events)) }
                        td class="text" { code { (run.digest) } }
                    }
                } } }
            } }
        }
    }
}

/// Published figures beside ours.
pub(super) fn published(summary: &Summary) -> Markup {
    html! {
        @if !summary.published.is_empty() {
            section {
                h2 { "Appendix: published figures beside ours" }
                p { "What others measured on real systems, and what the simulation gives for the same set-up, whatever this report is of. The set-ups, and what differs: docs/published.md." }
                div class="scroll" { table {
                    thead { tr {
                        th scope="col" { "Row" } th scope="col" class="text" { "What" } th scope="col" { "Published" } th scope="col" { "Ours" } th scope="col" { "Error" }
                    } }
                    tbody { @for row in &summary.published { (published_row(row)) } }
                } }
            }
        }
    }
}

fn published_row(row: &Published) -> Markup {
    let unit = words::clean(&row.unit);
    html! {
        tr {
            th scope="row" { code { (words::clean(&row.id)) } }
            td class="text" { (words::clean(&row.what)) }
            td { (number::amount(row.published)) " " span class="unit" { (unit) } }
            td { (number::amount(row.ours)) " " span class="unit" { (unit) } }
            td { @match row.error() {
                Some(error) => { @if error > 0.0 { "+" } (number::percent(error)) }
                None => { "–" }
            } }
        }
    }
}
