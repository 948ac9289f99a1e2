//! When a failure became inevitable, as one page.

use super::chart::{Size, at, band, both, horizontal, strip};
use super::document;
use super::scale::{Linear, time_step};
use crate::report::words;
use maud::{Markup, html};
use wavetank_sim::Nanos;
use wavetank_workloads::compare::measurement::FaultMark;
use wavetank_workloads::lab::{Curve, INEVITABLE, Point};

/// The page's text. `file` is the failure's file, without folders.
pub fn page(scenario: &str, seed: u64, file: &str, curve: &Curve) -> String {
    let title = format!("{}: when it became inevitable", words::clean(scenario));
    document(
        &title,
        &html! {
            (head(scenario, seed, file, curve))
            section {
                h2 { "How likely it was, moment by moment" }
                figure {
                    (both(|size| drawing(curve, size)))
                    figcaption {
                        "The share of runs that end in the same failure when everything but the storm is drawn anew from "
                        "that moment on. Shaded in the line's colour: its 95 % interval (Wilson). Shaded from top to "
                        "bottom: faults. Between the dashed lines it becomes inevitable."
                    }
                }
            }
            (table(curve))
        },
    )
}

fn head(scenario: &str, seed: u64, file: &str, curve: &Curve) -> Markup {
    let samples = curve.points.iter().map(|point| point.samples).max().unwrap_or(0);
    let sure = format!("{:.0} %", INEVITABLE * 100.0);
    html! {
        header {
            h1 {
                @match curve.inevitable() {
                    (None, _) => "Inevitable from the start",
                    (Some(open), from) => { "Inevitable between " (seconds(open)) " and " (seconds(from)) " s" }
                }
            }
            p class="lead" { (words::capital(&words::clean(&curve.fingerprint.to_string()))) }
            p class="meta" {
                (words::clean(scenario)) ", seed " (seed) "; it shows at " (seconds(curve.shown)) " s. Each moment: "
                (samples) " runs. What stays: the run up to the moment, and the storm with its " (curve.faults.len())
                " faults" @if curve.fates > 0 { " and " (curve.fates) " listed fates of single operations" } ". "
                "Inevitable: it comes in " (sure) " of runs or more, from there on. Again: "
                code { "wavetank explain-failure " (words::clean(file)) }
            }
        }
    }
}

fn drawing(curve: &Curve, size: Size) -> Markup {
    let width = size.width();
    let (left, right) = (size.of(52.0, 44.0), width - 14.0);
    let end = curve.shown.as_secs_f64();
    let x = Linear::new(end, left, right);
    let faults: Vec<FaultMark> = curve.faults.iter().map(mark).filter(|mark| mark.start.0 <= curve.shown.0).collect();
    let labels = strip(&faults, &x, size, right);
    let rows = labels.iter().map(|label| label.row + 1).max().unwrap_or(0);
    let top = 14.0 + rows as f64 * 15.0;
    let bottom = top + size.of(320.0, 260.0);
    let y = Linear::new(1.0, bottom, top);
    let step = if end < 5.0 { 0.5 } else { time_step(end, size.of(12.0, 6.0)) };
    let ticks: Vec<f64> = (0..).map(|n| f64::from(n) * step).take_while(|tick| *tick <= end * 1.000_001).collect();
    let (open, from) = curve.inevitable();
    html! {
        svg class=(size.class()) viewBox=(format!("0 0 {width} {}", at(bottom + 40.0))) role="img" aria-label="Share of runs that fail in the same way, over the moment from which all is drawn anew" {
            @for fault in &faults { (band(fault, &x, top, bottom)) }
            @for label in &labels {
                text class="fault" x=(at(label.x + 2.0)) y=(at(12.0 + label.row as f64 * 15.0)) { (label.text) }
            }
            @for share in [0.0, 0.25, 0.5, 0.75, 1.0] {
                (horizontal(y.place(share), left, right))
                text class="end" x=(at(left - 6.0)) y=(at(y.place(share) + 4.0)) { (format!("{:.0} %", share * 100.0)) }
            }
            g class="p0" {
                path class="area" style="opacity:.25" d=(interval(curve, &x, &y)) {}
                path class="line" d=(line(curve, &x, &y)) {}
                @for point in &curve.points {
                    circle cx=(at(x.place(point.at.as_secs_f64()))) cy=(at(y.place(point.share()))) r="3" style="fill:var(--c)" {
                        title { (said(point)) }
                    }
                }
            }
            g class="p1" {
                @for moment in open.into_iter().chain([from]) {
                    path class="line" style="stroke-width:1.5;stroke-dasharray:5 3" d=(format!("M{} {}V{}", at(x.place(moment.as_secs_f64())), at(top), at(bottom))) {}
                }
            }
            @for tick in &ticks {
                path class="axis" d=(format!("M{} {}v4", at(x.place(*tick)), at(bottom))) {}
                text class="middle" x=(at(x.place(*tick))) y=(at(bottom + 17.0)) { (tick) }
            }
            text class="middle" x=(at((left + right) / 2.0)) y=(at(bottom + 34.0)) { "virtual seconds" }
        }
    }
}

fn mark((label, start, end): &(String, Nanos, Nanos)) -> FaultMark {
    FaultMark { label: label.clone(), start: (*start).into(), end: (*end).into() }
}

/// Through the points, and to certainty where it shows.
fn line(curve: &Curve, x: &Linear, y: &Linear) -> String {
    let points = curve.points.iter().map(|point| (point.at, point.share()));
    path(points.chain([(curve.shown, 1.0)]), x, y)
}

/// Around the intervals: their upper ends from left to right, and their lower ones back.
fn interval(curve: &Curve, x: &Linear, y: &Linear) -> String {
    let upper = curve.points.iter().map(|point| (point.at, point.interval().1)).chain([(curve.shown, 1.0)]);
    let lower = curve.points.iter().rev().map(|point| (point.at, point.interval().0));
    path(upper.chain(lower), x, y) + "Z"
}

fn path(points: impl Iterator<Item = (Nanos, f64)>, x: &Linear, y: &Linear) -> String {
    let place = |(time, share): (Nanos, f64)| format!("{} {}", at(x.place(time.as_secs_f64())), at(y.place(share)));
    format!("M{}", points.map(place).collect::<Vec<_>>().join("L"))
}

fn said(point: &Point) -> String {
    let (low, high) = point.interval();
    let percent = |share: f64| format!("{:.0} %", share * 100.0);
    let (share, low, high) = (percent(point.share()), percent(low), percent(high));
    format!("from {} s on: {share} ({low} to {high})", seconds(point.at))
}

fn table(curve: &Curve) -> Markup {
    html! {
        section {
            h2 { "Moments, and what happened after each" }
            div class="scroll" {
                table {
                    thead {
                        tr { th class="text" { "Drawn anew from" } th { "Same" } th { "Other" } th { "Share" } th { "95 %" } th class="text" { "Until the next" } }
                    }
                    tbody {
                        @for (place, point) in curve.points.iter().enumerate() {
                            @let (low, high) = point.interval();
                            tr {
                                th { (seconds(point.at)) " s" }
                                td { (point.same) " of " (point.samples) }
                                td { (point.other) }
                                td { (format!("{:.1} %", point.share() * 100.0)) }
                                td { (format!("{:.0} to {:.0} %", low * 100.0, high * 100.0)) }
                                td class="text" style="min-width:24em" {
                                    @for beat in curve.beats_of(place) {
                                        div { (seconds(beat.from)) " s " b { (words::clean(&beat.who)) } " " (words::clean(&beat.to_string())) }
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn seconds(time: Nanos) -> String {
    let millis = time.0 / 1_000_000;
    format!("{}.{:03}", millis / 1_000, millis % 1_000)
}
