//! Percentile curves and timelines, drawn as inline SVG. Each is drawn twice, wide and narrow, for text does not scale
//! with a picture; the style sheet shows the one that fits.

use super::scale::{Linear, Log, Nines, nice, nines, time_step};
use crate::report::{number, words};
use maud::{Markup, html};
use std::fmt::Write as _;
use wavetank_workloads::compare::Distribution;
use wavetank_workloads::compare::measurement::FaultMark;
use wavetank_workloads::compare::summary::{Curve, PlatformSummary, Summary};

/// How wide a drawing is, in pixels of the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Size {
    Wide,
    Narrow,
}

impl Size {
    pub(super) fn width(self) -> f64 {
        match self {
            Size::Wide => 940.0,
            Size::Narrow => 358.0,
        }
    }

    pub(super) fn class(self) -> &'static str {
        match self {
            Size::Wide => "wide",
            Size::Narrow => "narrow",
        }
    }

    pub(super) fn of<T>(self, wide: T, narrow: T) -> T {
        match self {
            Size::Wide => wide,
            Size::Narrow => narrow,
        }
    }
}

/// Both sizes of one drawing.
pub(super) fn both(draw: impl Fn(Size) -> Markup) -> Markup {
    html! { (draw(Size::Wide)) (draw(Size::Narrow)) }
}

/// The class of a platform's colour.
pub(super) fn colour(platform: usize) -> String {
    format!("p{}", platform % 6)
}

/// Platforms beyond the sixth have a colour again, but another dash.
fn dash(platform: usize) -> &'static str {
    ["", "dash1", "dash2"][(platform / 6).min(2)]
}

/// About how wide a text is in the page's font.
pub(super) fn text_width(text: &str, size: Size) -> f64 {
    text.chars().count() as f64 * size.of(6.7, 6.1)
}

/// A text cut to a width, in its middle: names differ at their ends.
pub(super) fn fitted(text: &str, width: f64, size: Size) -> String {
    let most = (width / size.of(7.3, 6.6)) as usize;
    let all: Vec<char> = text.chars().collect();
    if all.len() <= most {
        return text.to_owned();
    }
    let (head, tail) = (most.saturating_sub(1).div_ceil(2), most.saturating_sub(1) / 2);
    all[..head].iter().chain(&['…']).chain(&all[all.len() - tail..]).collect()
}

/// Colours and names for narrow screens, where lines have no labels: from the slowest 99th percentile down, as the lines
/// lie.
pub(super) fn legend(summary: &Summary, of: Distribution) -> Markup {
    let p99 = |platform: &PlatformSummary| {
        let points = &platform.curve(of)?.points;
        points.iter().find(|(quantile, _)| *quantile >= 0.99).map(|(_, value)| value.0)
    };
    let mut order: Vec<(usize, &PlatformSummary)> = summary.platforms.iter().enumerate().collect();
    order.sort_by_key(|(_, platform)| std::cmp::Reverse(p99(platform)));
    html! {
        ul class="legend only-narrow" {
            @for (index, platform) in order {
                @if p99(platform).is_some() {
                    li class=(colour(index)) { span class="key" {} (words::clean(&platform.platform.name)) }
                }
            }
        }
    }
}

/// A latency's percentile curves; nothing when no platform has that latency.
pub(super) fn curves(summary: &Summary, of: Distribution, title: &str) -> Option<Markup> {
    let all: Vec<(usize, &Curve)> =
        summary.platforms.iter().enumerate().filter_map(|(index, p)| Some((index, p.curve(of)?))).collect();
    (!all.is_empty()).then(|| both(|size| curves_sized(summary, &all, title, tall(of), size)))
}

/// The height of the wide and the narrow drawing: what every platform is judged by is larger.
fn tall(of: Distribution) -> (f64, f64) {
    match of {
        Distribution::Produce | Distribution::EndToEnd => (360.0, 300.0),
        Distribution::PublishDelay | Distribution::Checkpoint | Distribution::Freshness | Distribution::Handover => {
            (240.0, 220.0)
        }
    }
}

fn curves_sized(summary: &Summary, all: &[(usize, &Curve)], title: &str, tall: (f64, f64), size: Size) -> Markup {
    let (width, height) = (size.width(), size.of(tall.0, tall.1));
    let (left, right) = (size.of(64.0, 50.0), width - size.of(178.0, 14.0));
    let (top, bottom) = (12.0, height - 44.0);
    let most = all.iter().map(|(_, curve)| libm::log10(curve.count.max(10) as f64)).fold(1.0, f64::max).min(6.0);
    let x = Nines { most, from: left, to: right };
    // The fastest tenth may reach far down and says little: the axis begins above it, and curves are cut there.
    let tenth =
        |curve: &Curve| curve.points.iter().find(|(quantile, _)| *quantile >= 0.1).map(|(_, value)| value.0 as f64);
    let low = all.iter().filter_map(|(_, curve)| tenth(curve)).fold(f64::MAX, f64::min);
    let high = all.iter().map(|(_, curve)| curve.max_ns.0 as f64).fold(0.0, f64::max);
    let y = Log::holding(low, high, bottom, top);
    let ends: Vec<f64> = all.iter().map(|(_, curve)| y.place(last(curve, &x))).collect();
    let labels = apart(&ends, 15.0, top + 6.0, bottom);
    html! {
        svg class=(size.class()) viewBox=(format!("0 0 {width} {height}")) role="img" aria-label=(title) {
            @for value in y.ticks() {
                (horizontal(y.place(value), left, right))
                text class="end" x=(left - 8.0) y=(at(y.place(value) + 4.0)) { (tick(value)) }
            }
            @for (quantile, _) in x.ticks() {
                path class="grid" d=(format!("M{} {top}V{bottom}", at(x.place(quantile)))) {}
            }
            @for (label, place) in roomy(&x, size, width) {
                text class="middle" x=(at(place)) y=(bottom + 18.0) { (label) }
            }
            text class="middle" x=(at((left + right) / 2.0)) y=(height - 6.0) { "percentile" }
            @for (place, (index, curve)) in all.iter().enumerate() {
                @let name = words::clean(&summary.platforms[*index].platform.name);
                g class=(colour(*index)) {
                    path class={ "line " (dash(*index)) } d=(curve_path(curve, &x, &y)) { title { (name) } }
                    @if size == Size::Wide {
                        path class="leader" d=(format!("M{} {}L{} {}", at(right + 3.0), at(ends[place]), at(right + 14.0), at(labels[place]))) {}
                        text class="name" x=(at(right + 18.0)) y=(at(labels[place] + 4.0)) { (fitted(&name, 160.0, size)) }
                    }
                }
            }
        }
    }
}

/// The percentile axis' labels that have room, with the middle of each.
fn roomy(x: &Nines, size: Size, width: f64) -> Vec<(&'static str, f64)> {
    let mut free = width;
    let mut kept = Vec::new();
    // From the right, for the rarest percentile is what one looks for.
    for (quantile, label) in x.ticks().into_iter().rev() {
        let half = text_width(label, size) / 2.0;
        let place = x.place(quantile).min(width - half - 1.0);
        if place + half <= free {
            kept.push((label, place));
            free = place - half - 6.0;
        }
    }
    kept
}

/// A latency on an axis: powers of ten need no decimals.
fn tick(nanos: f64) -> String {
    let (value, unit) = match nanos {
        size if size < 1e3 => (nanos, "ns"),
        size if size < 1e6 => (nanos / 1e3, "µs"),
        size if size < 1e9 => (nanos / 1e6, "ms"),
        _ => (nanos / 1e9, "s"),
    };
    format!("{value} {unit}")
}

/// Where the curve is cut: at the axis' end, or at as many nines as it has values for.
fn own_most(curve: &Curve, x: &Nines) -> f64 {
    libm::log10(curve.count as f64).min(x.most)
}

/// The value that the curve ends with.
fn last(curve: &Curve, x: &Nines) -> f64 {
    let end = curve.points.iter().find(|(quantile, _)| nines(*quantile) > own_most(curve, x));
    end.map_or(curve.max_ns, |(_, value)| *value).0 as f64
}

fn curve_path(curve: &Curve, x: &Nines, y: &Log) -> String {
    let own_most = own_most(curve, x);
    let mut path = String::new();
    let mut before = (f64::MIN, f64::MIN);
    for (quantile, value) in &curve.points {
        let end = nines(*quantile) > own_most;
        let quantile = if end { 1.0 - libm::pow(10.0, -own_most) } else { *quantile };
        let (px, py) = (x.place(quantile), y.place(value.0 as f64));
        // Points that the eye cannot tell apart are left out, all but the last.
        let near = (px - before.0).abs() < 1.5 && (py - before.1).abs() < 1.5;
        if end || !near {
            let _ = write!(path, "{}{} {}", if path.is_empty() { 'M' } else { 'L' }, at(px), at(py));
            before = (px, py);
        }
        if end {
            break;
        }
    }
    path
}

/// Places for labels near their lines, none nearer to the next than `gap`.
fn apart(wanted: &[f64], gap: f64, top: f64, bottom: f64) -> Vec<f64> {
    let mut order: Vec<usize> = (0..wanted.len()).collect();
    order.sort_by(|a, b| wanted[*a].total_cmp(&wanted[*b]).then(a.cmp(b)));
    let mut places = wanted.to_vec();
    let mut free = top;
    for &index in &order {
        places[index] = places[index].max(free);
        free = places[index] + gap;
    }
    // What was pushed below the bottom moves up, and pushes others up.
    let mut limit = bottom;
    for &index in order.iter().rev() {
        places[index] = places[index].min(limit);
        limit = places[index] - gap;
    }
    places
}

/// What a timeline shows of a platform.
pub(super) struct Timeline<'a> {
    pub(super) title: &'a str,
    /// The mean over the seeds, second by second.
    pub(super) mean: fn(&PlatformSummary) -> Vec<f64>,
    /// The worst seed, where that is shown.
    pub(super) worst: Option<fn(&PlatformSummary) -> Vec<f64>>,
    /// The top of the axis, where it is fixed.
    pub(super) top: Option<f64>,
    /// Several seconds share a pixel: the largest, the smallest or the mean of them is shown.
    pub(super) pick: Pick,
    pub(super) unit: fn(f64) -> String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pick {
    Mean,
    Largest,
    Smallest,
}

/// A panel for each platform under each other, on one axis of time, faults drawn through all of them.
pub(super) fn timeline(summary: &Summary, of: &Timeline<'_>) -> Markup {
    both(|size| timeline_sized(summary, of, size))
}

fn timeline_sized(summary: &Summary, of: &Timeline<'_>, size: Size) -> Markup {
    let width = size.width();
    let (left, right) = (size.of(64.0, 46.0), width - 12.0);
    let lengths = summary.platforms.iter().flat_map(|p| &p.runs).map(|run| run.duration_ns.0 as f64 / 1e9);
    let seconds = lengths.fold(1.0, f64::max);
    let x = Linear::new(seconds, left, right);
    let faults = all_faults(summary);
    let strip = strip(&faults, &x, size, right);
    let rows = strip.iter().map(|label| label.row + 1).max().unwrap_or(0);
    let panels_top = 4.0 + rows as f64 * 15.0;
    let (panel, gap) = (size.of(58.0, 48.0), 24.0);
    let height = panels_top + summary.platforms.len() as f64 * (panel + gap) + 22.0;
    let values: Vec<(Vec<f64>, Option<Vec<f64>>)> =
        summary.platforms.iter().map(|p| ((of.mean)(p), of.worst.map(|worst| worst(p)))).collect();
    let largest = values
        .iter()
        .flat_map(|(mean, worst)| mean.iter().chain(worst.iter().flatten()))
        .fold(0.0, |a, b| f64::max(a, *b));
    let top = of.top.unwrap_or_else(|| nice(largest));
    let bottom = height - 22.0;
    let step = time_step(seconds, size.of(10.0, 5.0));
    let ticks = (0..).map(|n| f64::from(n) * step).take_while(|t| *t <= seconds + 0.001).collect::<Vec<_>>();
    html! {
        svg class=(size.class()) viewBox=(format!("0 0 {width} {}", at(height))) role="img" aria-label=(of.title) {
            @for label in &strip {
                path class="edge" d=(format!("M{} {}V{}", at(label.line), at(8.0 + label.row as f64 * 15.0), at(panels_top + 4.0))) {}
            }
            @for label in &strip {
                text class="fault" x=(at(label.x + 2.0)) y=(at(12.0 + label.row as f64 * 15.0)) { (label.text) }
            }
            @for (index, platform) in summary.platforms.iter().enumerate() {
                @let panel_top = panels_top + index as f64 * (panel + gap) + gap - 4.0;
                @let y = Linear::new(top, panel_top + panel, panel_top);
                g class=(colour(index)) {
                    @for fault in &platform.faults {
                        (band(fault, &x, panel_top - gap + 4.0, panel_top + panel))
                    }
                    (horizontal(y.place(top), left, right))
                    (horizontal(y.place(top / 2.0), left, right))
                    text class="end" x=(left - 6.0) y=(at(y.place(top) + 4.0)) { ((of.unit)(top)) }
                    text class="end" x=(left - 6.0) y=(at(y.place(0.0) + 4.0)) { ((of.unit)(0.0)) }
                    (steps(&values[index], of, &x, &y, size))
                    path class="axis" d=(format!("M{left} {}H{right}", at(panel_top + panel))) {}
                    text class="name" x=(at(left)) y=(at(panel_top - 6.0)) {
                        (fitted(&words::clean(&platform.platform.name), right - left, size))
                    }
                }
            }
            @for time in &ticks {
                path class="axis" d=(format!("M{} {}v4", at(x.place(*time)), at(bottom))) {}
                text class={ @if *time == 0.0 { "start" } @else if x.place(*time) > right - 14.0 { "end" } @else { "middle" } }
                    x=(at(x.place(*time))) y=(at(bottom + 17.0)) { (number::clock(*time)) }
            }
        }
    }
}

fn steps(values: &(Vec<f64>, Option<Vec<f64>>), of: &Timeline<'_>, x: &Linear, y: &Linear, size: Size) -> Markup {
    let buckets = size.of(400, 160);
    let mean = bucketed(&values.0, buckets, of.pick);
    let line = polyline(&mean, values.0.len(), x, y);
    let worst = values
        .1
        .as_ref()
        .filter(|worst| **worst != values.0)
        .map(|worst| polyline(&bucketed(worst, buckets, of.pick), worst.len(), x, y));
    let area = match line.is_empty() {
        true => String::new(),
        false => {
            let end = x.place(values.0.len() as f64);
            format!("{line}L{} {}L{} {}Z", at(end.min(x.to)), at(y.from), at(x.from), at(y.from))
        }
    };
    html! {
        path class="area" d=(area) {}
        @if let Some(worst) = worst { path class="worst" d=(worst) {} }
        path class="line" style="stroke-width:1.5" d=(line) {}
    }
}

/// At most so many values; each with the second it begins at.
fn bucketed(values: &[f64], most: usize, pick: Pick) -> Vec<(usize, f64)> {
    let per = values.len().div_ceil(most).max(1);
    let one = |(index, chunk): (usize, &[f64])| {
        let value = match pick {
            Pick::Mean => chunk.iter().sum::<f64>() / chunk.len() as f64,
            Pick::Largest => chunk.iter().copied().fold(f64::MIN, f64::max),
            Pick::Smallest => chunk.iter().copied().fold(f64::MAX, f64::min),
        };
        (index * per, value)
    };
    values.chunks(per).enumerate().map(one).collect()
}

/// Horizontal steps: a second's value holds for the second.
fn polyline(values: &[(usize, f64)], seconds: usize, x: &Linear, y: &Linear) -> String {
    let mut path = String::new();
    let mut height = String::new();
    for (second, value) in values {
        let (px, py) = (at(x.place(*second as f64)), at(y.place(*value)));
        let _ = match path.is_empty() {
            true => write!(path, "M{px} {py}"),
            // A level goes on.
            false if py == height => Ok(()),
            false => write!(path, "H{px}V{py}"),
        };
        height = py;
    }
    if !path.is_empty() {
        let _ = write!(path, "H{}", at(x.place(seconds as f64)));
    }
    path
}

pub(super) fn band(fault: &FaultMark, x: &Linear, top: f64, bottom: f64) -> Markup {
    let (start, end) = (x.place(fault.start.0 as f64 / 1e9), x.place(fault.end.0 as f64 / 1e9));
    html! {
        @if end > start { rect class="band" x=(at(start)) y=(at(top)) width=(at(end - start)) height=(at(bottom - top)) {} }
        path class="edge" d=(format!("M{} {}V{}", at(start), at(top), at(bottom))) { title { (words::clean(&fault.label)) } }
    }
}

/// A fault's label above the panels.
pub(super) struct Label {
    pub(super) text: String,
    pub(super) x: f64,
    pub(super) row: usize,
    /// Where the fault begins.
    line: f64,
}

/// The faults of all platforms, each once: the scenario's are the same for all, but for what a model adds.
pub(super) fn all_faults(summary: &Summary) -> Vec<FaultMark> {
    let mut all: Vec<FaultMark> = Vec::new();
    for fault in summary.platforms.iter().flat_map(|platform| &platform.faults) {
        // Two platforms' marks of one label within a second are one fault.
        let same =
            |other: &FaultMark| other.label == fault.label && other.start.0.abs_diff(fault.start.0) < 1_000_000_000;
        if !all.iter().any(same) {
            all.push(fault.clone());
        }
    }
    all.sort_by(|a, b| (a.start, a.end, &a.label).cmp(&(b.start, b.end, &b.label)));
    all
}

/// Labels in as few rows as hold them without overlap.
pub(super) fn strip(faults: &[FaultMark], x: &Linear, size: Size, right: f64) -> Vec<Label> {
    let mut rows: Vec<f64> = Vec::new();
    let mut labels = Vec::new();
    for fault in faults {
        let start = x.place(fault.start.0 as f64 / 1e9);
        let text = fitted(&words::clean(&fault.label), size.of(260.0, 200.0), size);
        let long = text_width(&text, size);
        let from = start.min(right - long).max(0.0);
        let row = rows.iter().position(|taken| *taken + 12.0 <= from).unwrap_or(rows.len());
        if row == rows.len() {
            rows.push(0.0);
        }
        rows[row] = from + long;
        labels.push(Label { text, x: from, row, line: start });
    }
    labels
}

pub(super) fn horizontal(y: f64, left: f64, right: f64) -> Markup {
    html! { path class="grid" d=(format!("M{} {}H{}", at(left), at(y), at(right))) {} }
}

/// A place in a drawing: a tenth of a pixel is enough.
pub(super) fn at(place: f64) -> String {
    let text = format!("{place:.1}");
    text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_stay_apart_and_inside() {
        let places = apart(&[100.0, 101.0, 99.0, 10.0], 15.0, 10.0, 110.0);
        let mut sorted = places.clone();
        sorted.sort_by(f64::total_cmp);
        assert!(sorted.windows(2).all(|pair| pair[1] - pair[0] >= 14.999), "{places:?}");
        assert!(sorted.iter().all(|place| (10.0..=110.0).contains(place)), "{places:?}");
        assert!(places[2] < places[0] && places[0] < places[1], "the order of the lines is kept: {places:?}");
    }

    #[test]
    fn long_names_keep_their_ends() {
        assert_eq!(fitted("kafka-rf3", 160.0, Size::Wide), "kafka-rf3");
        let (one, two) = ("a-platform-with-a-long-name-1", "a-platform-with-a-long-name-2");
        assert_ne!(fitted(one, 160.0, Size::Wide), fitted(two, 160.0, Size::Wide));
        assert_eq!(fitted(one, 80.0, Size::Wide).chars().count(), 10);
        assert_eq!(fitted(one, 0.0, Size::Wide), "…");
    }

    #[test]
    fn a_level_is_drawn_once_and_a_dip_is_kept() {
        let (x, y) = (Linear::new(10.0, 0.0, 100.0), Linear::new(1.0, 10.0, 0.0));
        let values: Vec<(usize, f64)> = (0..10).map(|second| (second, if second == 5 { 0.0 } else { 1.0 })).collect();
        assert_eq!(polyline(&values, 10, &x, &y), "M0 0H50V10H60V0H100");
    }

    #[test]
    fn a_bucket_shows_what_must_not_be_averaged_away() {
        let mut values = vec![1.0; 1_000];
        values[500] = 0.0;
        let lowest = |pick| bucketed(&values, 100, pick).iter().map(|(_, value)| *value).fold(1.0, f64::min);
        assert_eq!((lowest(Pick::Smallest), lowest(Pick::Mean), lowest(Pick::Largest)), (0.0, 0.9, 1.0));
        assert_eq!(bucketed(&values, 100, Pick::Mean).len(), 100);
    }
}
