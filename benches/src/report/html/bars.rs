//! Stacked bars: recoveries by stage, costs by part.

use super::chart::{Size, at, both, colour, fitted, text_width};
use crate::report::words;
use maud::{Markup, html};

/// A bar: a platform's.
pub(super) struct Bar {
    /// The platform's place, for its colour.
    pub(super) platform: usize,
    pub(super) name: String,
    /// The part's number and how large it is.
    pub(super) parts: Vec<(usize, f64)>,
    /// What stands at its end instead of its sum, or beside it.
    pub(super) note: Option<String>,
}

/// Bars under one heading.
pub(super) struct Group {
    pub(super) title: Option<String>,
    pub(super) bars: Vec<Bar>,
}

/// The drawing with its legend. `unit` makes text of a value.
pub(super) fn stacked(title: &str, parts: &[&str], groups: &[Group], unit: fn(f64) -> String) -> Markup {
    let used = |part: usize| {
        groups
            .iter()
            .flat_map(|group| &group.bars)
            .flat_map(|bar| &bar.parts)
            .any(|(p, value)| *p == part && *value > 0.0)
    };
    html! {
        ul class="legend" {
            @for (part, name) in parts.iter().enumerate().filter(|(part, _)| used(*part)) {
                li class={ "s" (part) } { span class="key" {} (name) }
            }
        }
        (both(|size| sized(title, parts, groups, unit, size)))
    }
}

fn sum(bar: &Bar) -> f64 {
    bar.parts.iter().map(|(_, value)| value).sum()
}

/// What stands at a bar's end.
fn end_text(bar: &Bar, unit: fn(f64) -> String) -> String {
    bar.note.clone().unwrap_or_else(|| unit(sum(bar)))
}

fn sized(title: &str, parts: &[&str], groups: &[Group], unit: fn(f64) -> String, size: Size) -> Markup {
    let width = size.width();
    let wide = size == Size::Wide;
    let left = if wide { 182.0 } else { 0.0 };
    let texts = groups.iter().flat_map(|group| &group.bars).map(|bar| end_text(bar, unit));
    let right = width - texts.map(|text| text_width(&text, size) * 1.06 + 14.0).fold(40.0, f64::max).min(width / 2.0);
    let (bar_height, pitch, head) = if wide { (20.0, 28.0, 26.0) } else { (16.0, 38.0, 24.0) };
    let largest = groups.iter().flat_map(|group| &group.bars).map(sum).fold(0.0, f64::max).max(f64::MIN_POSITIVE);
    let mut rows = Vec::new();
    let mut heads = Vec::new();
    let mut y = 6.0;
    for group in groups {
        if let Some(title) = &group.title {
            heads.push((y + 14.0, title));
            y += head;
        }
        for bar in &group.bars {
            rows.push((y, bar));
            y += pitch;
        }
        y += 8.0;
    }
    html! {
        svg class=(size.class()) viewBox=(format!("0 0 {width} {}", at(y))) role="img" aria-label=(title) {
            @for (y, title) in &heads {
                text class="value" x="0" y=(at(*y)) { (fitted(&words::clean(title), width, size)) }
            }
            @for (top, bar) in &rows {
                @let bar_top = if wide { *top } else { top + 16.0 };
                g class=(colour(bar.platform)) {
                    text class={ "name" @if wide { " end" } } x=(if wide { left - 10.0 } else { 0.0 }) y=(at(top + if wide { 14.5 } else { 11.0 })) {
                        (fitted(&words::clean(&bar.name), if wide { left - 12.0 } else { width }, size))
                    }
                }
                @let scale = (right - left) / largest;
                @for (part, from, value) in stretches(bar) {
                    @let (x, w) = (left + from * scale, value * scale);
                    rect class={ "seg s" (part) } x=(at(x)) y=(at(bar_top)) width=(at(w)) height=(bar_height) {
                        title { (parts[part]) ": " (unit(value)) }
                    }
                    @if text_width(&unit(value), size) + 8.0 < w {
                        text class={ "middle on" (part) } x=(at(x + w / 2.0)) y=(at(bar_top + bar_height / 2.0 + 4.0)) { (unit(value)) }
                    }
                }
                @let end = left + sum(bar) * scale;
                text class="value" x=(at(end + 7.0)) y=(at(bar_top + bar_height / 2.0 + 4.0)) { (end_text(bar, unit)) }
            }
        }
    }
}

/// Each part with where it begins.
fn stretches(bar: &Bar) -> Vec<(usize, f64, f64)> {
    let mut from = 0.0;
    let mut out = Vec::new();
    for &(part, value) in bar.parts.iter().filter(|(_, value)| *value > 0.0) {
        out.push((part, from, value));
        from += value;
    }
    out
}
