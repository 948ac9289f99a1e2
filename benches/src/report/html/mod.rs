//! The comparison as one page: no outside reference, no script; works from a file, in print, and without colour.
//!
//! A content security policy in the page forbids browsers to load anything, so a mistake here cannot become a request.
//! All text from outside is escaped by the template.

mod bars;
mod chart;
pub mod curve;
mod rests;
mod scale;
mod tables;

use super::{number, words};
use bars::{Bar, Group};
use chart::{Pick, Timeline, colour};
use maud::{DOCTYPE, Markup, PreEscaped, html};
use wavetank_workloads::compare::Distribution;
use wavetank_workloads::compare::measurement::{CostPart, JobRecovery, Recovery};
use wavetank_workloads::compare::summary::{PlatformSummary, Stages, Summary};

/// The page's text.
pub fn page(summary: &Summary) -> String {
    let title = format!("{}: platforms compared", words::clean(&summary.subject.scenario));
    document(
        &title,
        &html! {
            (head(summary))
            (overview(summary))
            (tables::headline(summary))
            (latency(summary))
            (over_time(summary))
            (recovery(summary))
            (cost(summary))
            (rests::held(summary))
            (rests::used(summary))
            (rests::basis(summary))
            (rests::runs(summary))
            (rests::published(summary))
        },
    )
}

/// A page around its content: one file, which loads nothing.
fn document(title: &str, main: &Markup) -> String {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'";
                meta name="color-scheme" content="light dark";
                title { (title) }
                style { (PreEscaped(include_str!("style.css"))) }
            }
            body { main { (main) } }
        }
    }
    .into_string()
}

fn head(summary: &Summary) -> Markup {
    let subject = &summary.subject;
    let longest = summary.platforms.iter().flat_map(|platform| &platform.runs).map(|run| run.duration_ns.0).max();
    let seeds = summary.seeds.len();
    html! {
        header {
            h1 { (words::capital(&words::clean(&subject.scenario))) }
            p class="lead" { (words::clean(&subject.about)) }
            dl class="platforms" {
                @for (index, platform) in summary.platforms.iter().enumerate() {
                    dt class=(colour(index)) { span class="key" {} (words::clean(&platform.platform.name)) }
                    dd { (words::clean(&platform.platform.about)) }
                }
            }
            p class="meta" {
                "Simulated: " (number::time(longest.unwrap_or(0) as f64 / 1e9)) " of virtual time after the warm-up, "
                (seeds) @if seeds == 1 { " seed" } @else { " seeds" } " each. Workload " (words::clean(&subject.workload)) ". Again: "
                code { (words::clean(&subject.command)) }
            }
        }
    }
}

fn overview(summary: &Summary) -> Markup {
    let words = words::paragraphs(summary);
    html! {
        section class="cards" aria-label="Summary" {
            @for (title, sentences) in [("What held", &words.held), ("How fast", &words.fast), ("What it costs", &words.costs)] {
                div class="card" {
                    h2 { (title) }
                    ul { @for sentence in sentences { li class=[sentence.alarm.then_some("bad")] { @if let Some(about) = sentence.about { b { (words::capital(about)) ": " } } (sentence.text) } } }
                }
            }
        }
        p class="note" {
            @if summary.seeds.len() == 1 {
                "One seed has no interval, so no winner is named. Run more seeds to know what is chance."
            } @else {
                "A winner is named only where its " (number::short(summary.confidence * 100.0)) " % interval over the seeds ("
                (summary.interval_method) ") has no point in common with any other's, and the difference exceeds what the "
                "calibration can tell: 10 % on measured profiles, 25 % on partly measured ones, 50 % on assumed ones."
            }
        }
    }
}

fn latency(summary: &Summary) -> Markup {
    let charts = [
        (Distribution::Produce, "Produce latency", "From the client's send to its acknowledgement."),
        (
            Distribution::EndToEnd,
            "End-to-end latency",
            "From the moment a record was due to the moment a consumer has it.",
        ),
        (
            Distribution::PublishDelay,
            "Publish delay",
            "From the moment a record was due to the moment the client could take it.",
        ),
        (Distribution::Freshness, "Freshness", "From a record's event time to the pipeline's readable output."),
        (Distribution::Checkpoint, "Checkpoint duration", "From trigger to completion."),
        (
            Distribution::Handover,
            "Handover of partitions",
            "From one leader's giving a partition up in good order to the next one's taking requests.",
        ),
    ];
    let drawn: Vec<(Distribution, &str, &str, Markup)> = charts
        .into_iter()
        .filter_map(|(of, title, note)| Some((of, title, note, chart::curves(summary, of, title)?)))
        .collect();
    html! {
        @if !drawn.is_empty() {
            section {
                h2 { "Latency" }
                p { "All seeds together. To the right each step is ten times rarer; upwards each step is ten times slower." }
                @for (of, title, note, drawing) in drawn {
                    h3 { (title) }
                    (chart::legend(summary, of))
                    figure { (drawing) figcaption { (note) } }
                }
            }
        }
    }
}

fn over_time(summary: &Summary) -> Markup {
    let megabytes = |p: &PlatformSummary| p.series.published_bytes.iter().map(|bytes| bytes / 1e6).collect();
    let throughput = Timeline {
        title: "Throughput over time, MB/s acknowledged",
        mean: megabytes,
        worst: None,
        top: None,
        pick: Pick::Mean,
        unit: number::short,
    };
    let lag = Timeline {
        title: "Lag over time, records",
        mean: |p| p.series.lag.clone(),
        worst: Some(|p| p.series.lag_max.iter().map(|lag| *lag as f64).collect()),
        top: None,
        pick: Pick::Largest,
        unit: number::short,
    };
    let available = Timeline {
        title: "Share of partitions that could be written",
        mean: |p| p.series.available.clone(),
        worst: Some(|p| p.series.available_min.clone()),
        top: Some(1.0),
        pick: Pick::Smallest,
        unit: |share| format!("{:.0} %", share * 100.0),
    };
    let several = summary.seeds.len() > 1;
    html! {
        section {
            h2 { "Over time" }
            p {
                "Minutes and seconds since the end of the warm-up; every platform on the same scale. Shaded: while a fault lasts."
                @if several { " Solid: the mean over the seeds. Dotted: the worst seed of each second." }
            }
            h3 { "Throughput" } figure { (chart::timeline(summary, &throughput)) figcaption { "MB/s acknowledged." } }
            h3 { "Lag" } figure { (chart::timeline(summary, &lag)) figcaption { "Records written but not yet consumed." } }
            h3 { "Availability" }
            figure {
                (chart::timeline(summary, &available))
                figcaption { "Share of partitions that could be written. A partition is down in a second in which it acknowledged nothing though something failed in it or waited through the whole of it." }
            }
        }
    }
}

fn recovery(summary: &Summary) -> Markup {
    html! {
        @if summary.platforms.iter().any(|p| !p.recoveries.is_empty() || !p.job_recoveries.is_empty()) {
            section {
                h2 { "Recovery" }
                p { "From the fault to the first acknowledgement, stage after stage; means over all recoveries of the kind." }
                (stage_bars(summary, "Platforms", &Recovery::STAGES, |p| &p.recoveries))
                (stage_bars(summary, "Pipelines", &JobRecovery::STAGES, |p| &p.job_recoveries))
            }
        }
    }
}

/// Beside the length of a bar: what not all of its recoveries have in common.
fn exceptions(stages: &Stages) -> Option<String> {
    let counted = |count: u64, of: u64, what: &str| (count > 0).then(|| format!("{count} of {of} {what}"));
    let all = [
        counted(stages.unfinished, stages.unfinished + stages.recovered, "not back"),
        counted(stages.by_itself, stages.recovered, "by its own start"),
    ];
    let all: Vec<String> = all.into_iter().flatten().collect();
    let back = stages.total_s.map(number::time).unwrap_or_default();
    (!all.is_empty()).then(|| format!("{back} ({})", all.join(", ")).trim().to_owned())
}

fn stage_bars(summary: &Summary, title: &str, stages: &[&str], of: fn(&PlatformSummary) -> &[Stages]) -> Markup {
    let mut kinds: Vec<&str> = Vec::new();
    for stages in summary.platforms.iter().flat_map(of) {
        if !kinds.contains(&stages.what.as_str()) {
            kinds.push(&stages.what);
        }
    }
    let bar = |platform: usize, stages: &Stages| Bar {
        platform,
        name: summary.platforms[platform].platform.name.clone(),
        parts: stages.stages.iter().enumerate().filter_map(|(part, (_, s))| Some((part, (*s)?))).collect(),
        note: exceptions(stages),
    };
    let group = |kind: &&str| {
        let all = summary.platforms.iter().enumerate();
        let bars = all.flat_map(|(index, p)| of(p).iter().filter(|s| s.what == *kind).map(move |s| (index, s)));
        Group { title: Some((*kind).to_owned()), bars: bars.map(|(index, stages)| bar(index, stages)).collect() }
    };
    let groups: Vec<Group> = kinds.iter().map(group).collect();
    html! {
        @if !groups.is_empty() {
            h3 { (title) }
            figure { (bars::stacked(&format!("{title}: recovery by stage"), stages, &groups, number::time)) }
        }
    }
}

fn cost(summary: &Summary) -> Markup {
    let names: Vec<&str> = CostPart::ALL.iter().map(|part| part.name()).collect();
    let bars = summary.platforms.iter().enumerate().filter(|(_, p)| !p.cost.lines.is_empty());
    let bars: Vec<Bar> = bars
        .map(|(platform, p)| Bar {
            platform,
            name: p.platform.name.clone(),
            parts: CostPart::ALL.iter().enumerate().map(|(index, part)| (index, p.cost.part(*part))).collect(),
            note: None,
        })
        .collect();
    html! {
        @if !bars.is_empty() {
            section {
                h2 { "Cost a month" }
                p { "What the runs used, kept up for a month, by list prices." }
                figure { (bars::stacked("Cost a month by part", &names, &[Group { title: None, bars }], number::usd)) }
                (tables::cost(summary))
            }
        }
    }
}
