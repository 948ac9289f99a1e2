//! The comparison as text: 80 columns, no colour, so that a pipe, a log and a terminal show the same.
//!
//! A row is a figure, a column is a platform, five to a table; more platforms make more tables. A star stands at the
//! winner, where there is one; below is said why there is none elsewhere.

use super::{number, words};
use std::fmt::Write as _;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};
use wavetank_workloads::compare::expected::{ExpectedOverRuns, Kept};
use wavetank_workloads::compare::figure::{Figure, Unclear, Unit, Verdict};
use wavetank_workloads::compare::measurement::{CostPart, JobRecovery, Recovery};
use wavetank_workloads::compare::summary::{FigureRow, PlatformSummary, Stages, Summary};

const WIDTH: usize = 80;
const LABEL: usize = 20;
const COLUMN: usize = 12;
const COLUMNS: usize = (WIDTH - LABEL) / COLUMN;
const NAME_LINES: usize = 4;

/// The whole text.
pub fn text(summary: &Summary) -> String {
    let mut out = String::new();
    heading(&mut out, summary);
    let platforms: Vec<usize> = (0..summary.platforms.len()).collect();
    for columns in platforms.chunks(COLUMNS) {
        figures(&mut out, summary, columns);
    }
    verdicts(&mut out, summary);
    for columns in platforms.chunks(COLUMNS) {
        if columns
            .iter()
            .any(|&p| !summary.platforms[p].recoveries.is_empty() || !summary.platforms[p].job_recoveries.is_empty())
        {
            out.push_str("\nrecovery, mean of each stage\n");
            column_heads(&mut out, summary, columns);
            recoveries(&mut out, summary, columns);
        }
    }
    losses(&mut out, summary);
    for columns in platforms.chunks(COLUMNS) {
        expectations(&mut out, summary, columns);
    }
    for columns in platforms.chunks(COLUMNS) {
        costs(&mut out, summary, columns);
    }
    basis(&mut out, summary);
    // Spaces that must not break are plain to a terminal.
    out.replace('\u{a0}', " ")
}

fn heading(out: &mut String, summary: &Summary) {
    let seeds = summary.seeds.len();
    let subject = &summary.subject;
    let longest = summary.platforms.iter().flat_map(|platform| &platform.runs).map(|run| run.duration_ns.0).max();
    let _ = writeln!(out, "{}", fit(&words::clean(&subject.scenario), WIDTH));
    wrapped(out, 2, &subject.about);
    let interval = match seeds {
        1 => "one seed: no intervals, no winners".into(),
        _ => format!("{seeds} seeds; ± is a 95 % interval over them ({})", summary.interval_method),
    };
    wrapped(out, 2, &format!("{} s of virtual time each; {interval}.", longest.unwrap_or(0) / 1_000_000_000));
}

fn figures(out: &mut String, summary: &Summary, columns: &[usize]) {
    out.push('\n');
    column_heads(out, summary, columns);
    for row in &summary.figures {
        let cells: Vec<String> = columns.iter().map(|&platform| cell(row, platform)).collect();
        line(out, &label(row.figure.name(), row.unit), &cells);
    }
    // How far each column can be trusted, beside its figures.
    let of = |grade: &dyn Fn(&PlatformSummary) -> String| -> Vec<String> {
        columns.iter().map(|&platform| grade(&summary.platforms[platform])).collect()
    };
    line(out, "(profiles)", &of(&|platform| platform.grade.to_string()));
    if summary.figure(Figure::CostMonth).is_some() {
        line(out, "(prices)", &of(&|platform| platform.cost.grade().to_string()));
    }
}

/// A figure's name with its unit; without one where the number stands for itself.
fn label(name: &str, unit: Unit) -> String {
    match unit {
        Unit::Records | Unit::Count => name.to_owned(),
        Unit::Millis | Unit::Seconds | Unit::MegabytesPerSecond | Unit::RecordsPerSecond | Unit::Usd => {
            format!("{name} {}", unit.name())
        }
    }
}

fn cell(row: &FigureRow, platform: usize) -> String {
    let Some(estimate) = &row.cells[platform] else { return "-".into() };
    let star = if row.verdict.winner() == Some(platform) { "*" } else { "" };
    // A value that only some runs have is marked: what the others had is unknown.
    let partly = if estimate.missing() > 0 { "?" } else { "" };
    format!("{star}{}{partly}", words::estimate(row.unit, estimate))
}

fn verdicts(out: &mut String, summary: &Summary) {
    let won = |row: &&FigureRow| row.verdict.winner().is_some();
    if summary.figures.iter().any(|row| won(&row)) {
        let _ = writeln!(out, "\n* best, clear of every other by interval and calibration");
    }
    if summary.figures.iter().flat_map(|row| row.cells.iter().flatten()).any(|estimate| estimate.missing() > 0) {
        let _ = writeln!(out, "? in some runs only: in the others it did not end");
    }
    let told = |row: &&FigureRow| match &row.verdict {
        Verdict::Winner { .. } => false,
        Verdict::NoClearWinner { why } => !matches!(why, Unclear::OneSeed | Unclear::OnePlatform | Unclear::Same),
    };
    let unclear: Vec<&FigureRow> = summary.figures.iter().filter(told).collect();
    if !unclear.is_empty() {
        let _ = writeln!(out, "\nno clear winner");
        let mut overlap: Vec<&str> = Vec::new();
        for row in unclear {
            match &row.verdict {
                Verdict::NoClearWinner { why: Unclear::Overlap { .. } } => overlap.push(row.figure.name()),
                Verdict::NoClearWinner { why } => named(out, row.figure.name(), &words::why(summary, row, why)),
                Verdict::Winner { .. } => {}
            }
        }
        if !overlap.is_empty() {
            wrapped(out, 2, &format!("The best one's interval overlaps another's: {}.", overlap.join(", ")));
        }
    }
}

type StagesOf = fn(&PlatformSummary) -> &[Stages];

/// For each kind of fault a table: a row is a stage.
fn recoveries(out: &mut String, summary: &Summary, columns: &[usize]) {
    let of: [(StagesOf, &[&str]); 2] =
        [(|p| &p.recoveries, &Recovery::STAGES), (|p| &p.job_recoveries, &JobRecovery::STAGES)];
    for (of, names) in of {
        let mut kinds: Vec<&str> = Vec::new();
        for stages in columns.iter().flat_map(|&platform| of(&summary.platforms[platform])) {
            if !kinds.contains(&stages.what.as_str()) {
                kinds.push(&stages.what);
            }
        }
        for kind in kinds {
            let cells: Vec<Option<&Stages>> = columns
                .iter()
                .map(|&platform| of(&summary.platforms[platform]).iter().find(|stages| stages.what == kind))
                .collect();
            recovery(out, kind, names, &cells);
        }
    }
}

fn recovery(out: &mut String, kind: &str, names: &[&str], cells: &[Option<&Stages>]) {
    let seconds = |value: Option<f64>| value.map_or_else(|| "-".into(), number::time);
    let _ = writeln!(out, "{}", fit(&format!("after {}", words::clean(kind)), WIDTH));
    for (index, name) in names.iter().enumerate() {
        let values: Vec<Option<f64>> =
            cells.iter().map(|cell| cell.and_then(|stages| stages.stages[index].1)).collect();
        if values.iter().any(Option::is_some) {
            line(out, &format!("  {name}"), &values.into_iter().map(seconds).collect::<Vec<_>>());
        }
    }
    line(out, "  back after", &cells.iter().map(|cell| seconds(cell.and_then(|s| s.total_s))).collect::<Vec<_>>());
    if cells.iter().flatten().any(|stages| stages.unfinished > 0) {
        let missed = |stages: &Stages| format!("{} of {}", stages.unfinished, stages.unfinished + stages.recovered);
        let missed = |cell: &Option<&Stages>| cell.map_or_else(|| "-".into(), missed);
        line(out, "  never back", &cells.iter().map(missed).collect::<Vec<_>>());
    }
    if cells.iter().flatten().any(|stages| stages.by_itself > 0) {
        let own = |stages: &Stages| format!("{} of {}", stages.by_itself, stages.recovered);
        let own = |cell: &Option<&Stages>| cell.map_or_else(|| "-".into(), own);
        line(out, "  by its own start", &cells.iter().map(own).collect::<Vec<_>>());
    }
}

fn losses(out: &mut String, summary: &Summary) {
    let _ = writeln!(out, "\nwhat held");
    for sentence in words::paragraphs(summary).held {
        wrapped(out, 2, &sentence.text);
    }
    for platform in &summary.platforms {
        for ended in &platform.ended_promises {
            let text = format!("{} ({} of {} runs)", ended.promise.why, ended.runs, platform.runs.len());
            wrapped(out, 2, &format!("{}: {}", platform.platform.name, ended.promise.promise));
            wrapped(out, 4, &text);
        }
        for (name, evaluations) in platform.invariants.iter().filter(|(_, evaluations)| evaluations.violated > 0) {
            let violated = number::count(evaluations.violated);
            wrapped(out, 2, &format!("{}: {name} violated {violated} times", platform.platform.name));
        }
    }
}

/// A row is what is expected, a cell the worst of all runs.
fn expectations(out: &mut String, summary: &Summary, columns: &[usize]) {
    let of = |platform: usize| &summary.platforms[platform].expectations;
    let mut metrics: Vec<&str> = Vec::new();
    for expected in columns.iter().flat_map(|&platform| of(platform)) {
        if !metrics.contains(&expected.metric.as_str()) {
            metrics.push(&expected.metric);
        }
    }
    if metrics.is_empty() {
        return;
    }
    let _ = writeln!(out, "\nexpected, and the worst run (! missed, - nothing to judge it by)");
    column_heads(out, summary, columns);
    for metric in metrics {
        let cells: Vec<_> =
            columns.iter().map(|&platform| of(platform).iter().find(|it| it.metric == metric)).collect();
        let bounds: Vec<String> =
            cells.iter().map(|cell| cell.map_or_else(String::new, |it| it.bound.clone())).collect();
        line(out, metric, &bounds);
        let found = cells.iter().map(|cell| cell.map_or_else(String::new, found));
        line(out, "", &found.collect::<Vec<_>>());
    }
}

fn found(expected: &ExpectedOverRuns) -> String {
    let missed = if expected.kept == Kept::Missed { "!" } else { "" };
    format!("{missed}{}", expected.worst.as_deref().unwrap_or("-"))
}

fn costs(out: &mut String, summary: &Summary, columns: &[usize]) {
    let cost = |platform: usize| &summary.platforms[platform].cost;
    if columns.iter().all(|&platform| cost(platform).lines.is_empty()) {
        return;
    }
    out.push('\n');
    column_heads(out, summary, columns);
    for part in CostPart::ALL {
        let cells: Vec<String> = columns.iter().map(|&platform| money(cost(platform).part(part))).collect();
        line(out, part.name(), &cells);
    }
    let totals: Vec<String> = columns.iter().map(|&platform| money(cost(platform).total())).collect();
    line(out, "a month", &totals);
}

/// What costs nothing is left blank.
fn money(usd: f64) -> String {
    match usd {
        0.0 => "-".into(),
        // What would not fit into a column.
        usd if usd >= 1e8 => format!("${}", number::amount(usd).replace('G', "bn")),
        usd => number::usd(usd),
    }
}

fn basis(out: &mut String, summary: &Summary) {
    let _ = writeln!(out, "\nwhat this rests on");
    for platform in &summary.platforms {
        let profiles: Vec<String> = platform.profiles.iter().map(|p| format!("{} {}", p.profile, p.grade)).collect();
        let profiles = if profiles.is_empty() { "no profile named: assumed".into() } else { profiles.join(", ") };
        named(out, &platform.platform.name, &profiles);
        let assumed = platform.cost.lines.iter().filter(|line| line.assumed);
        let assumed: Vec<String> = assumed.map(|line| format!("{} {}", line.product, line.meter)).collect();
        if !assumed.is_empty() {
            wrapped(out, 4, &format!("assumed prices: {}", assumed.join(", ")));
        }
    }
    let mut assumptions: Vec<&String> =
        summary.platforms.iter().flat_map(|platform| &platform.cost.assumptions).collect();
    assumptions.sort();
    assumptions.dedup();
    for assumption in assumptions {
        wrapped(out, 2, assumption);
    }
    if summary.figure(Figure::CostMonth).is_some() {
        let mut books: Vec<&str> = summary.platforms.iter().map(|platform| platform.cost.book.as_str()).collect();
        books.dedup();
        wrapped(out, 2, &format!("prices: {}", books.join(", ")));
    }
    wrapped(out, 2, &format!("again: {}", summary.subject.command));
}

fn column_heads(out: &mut String, summary: &Summary, columns: &[usize]) {
    let heads: Vec<Vec<String>> = columns.iter().map(|&p| name_lines(&summary.platforms[p].platform.name)).collect();
    let lines = heads.iter().map(Vec::len).max().unwrap_or(0);
    for number in 0..lines {
        // Short names stand at the bottom, right above their numbers.
        let cells: Vec<String> = heads
            .iter()
            .map(|head| (number + head.len()).checked_sub(lines).map_or_else(String::new, |at| head[at].clone()))
            .collect();
        line(out, "", &cells);
    }
    let _ = writeln!(out, "{}", "-".repeat(LABEL + columns.len() * COLUMN));
}

/// A name over a few lines of a column, broken after hyphens where it can be.
fn name_lines(name: &str) -> Vec<String> {
    let width = COLUMN - 1;
    let mut lines = vec![String::new()];
    for piece in words::clean(name).split_inclusive(['-', '_', ' ', '/']) {
        let last = lines.last_mut().expect("there is one always");
        if last.width() + piece.trim_end().width() > width && !last.is_empty() {
            lines.push(String::new());
        }
        for c in piece.chars() {
            let last = lines.last_mut().expect("there is one always");
            if last.width() + c.width().unwrap_or(0) > width {
                lines.push(String::new());
            }
            lines.last_mut().expect("there is one always").push(c);
        }
    }
    if lines.len() > NAME_LINES {
        lines.truncate(NAME_LINES);
        let last = lines.last_mut().expect("there are some");
        *last = fit(&format!("{last}……"), width);
    }
    lines.iter().map(|line| line.trim().to_owned()).collect()
}

/// A label and right-aligned cells.
fn line(out: &mut String, label: &str, cells: &[String]) {
    let label = fit(label, LABEL);
    let mut line = format!("{label}{}", " ".repeat(LABEL - label.width()));
    for cell in cells {
        // A marked cell may use the gap to its left.
        let cell = fit(cell, if cell.starts_with('*') || cell.ends_with('?') { COLUMN } else { COLUMN - 1 });
        line += &" ".repeat(COLUMN - cell.width());
        line += &cell;
    }
    let _ = writeln!(out, "{}", line.trim_end());
}

/// A name and what is said of it, indented under each other where it takes more lines.
fn named(out: &mut String, name: &str, text: &str) {
    let name = fit(&words::clean(name), LABEL - 2);
    let mut indent = format!("  {name}{}", " ".repeat(LABEL - 2 - name.width()));
    for text in wrap(&words::clean(text), WIDTH - LABEL - 1) {
        let _ = writeln!(out, "{indent} {text}");
        indent = " ".repeat(LABEL);
    }
}

fn wrapped(out: &mut String, indent: usize, text: &str) {
    for line in wrap(&words::clean(text), WIDTH - indent) {
        let _ = writeln!(out, "{}{line}", " ".repeat(indent));
    }
}

/// Lines of at most that width, broken at spaces, and within a word only where it is longer than a line.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split([' ', '\t', '\n']).filter(|word| !word.is_empty()) {
        let last = lines.last_mut().expect("there is one always");
        if !last.is_empty() && last.width() + 1 + word.width() > width {
            lines.push(String::new());
        } else if !last.is_empty() {
            last.push(' ');
        }
        for c in word.chars() {
            let last = lines.last_mut().expect("there is one always");
            if last.width() + c.width().unwrap_or(0) > width {
                lines.push(String::new());
            }
            lines.last_mut().expect("there is one always").push(c);
        }
    }
    lines.retain(|line| !line.is_empty());
    lines
}

/// Cut to a width, with an ellipsis where something is missing.
fn fit(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut out = String::new();
    for c in text.chars() {
        if out.width() + c.width().unwrap_or(0) + 1 > width {
            break;
        }
        out.push(c);
    }
    out.push('…');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_break_after_hyphens_and_never_exceed_a_column() {
        assert_eq!(name_lines("kafka-rf3"), ["kafka-rf3"]);
        assert_eq!(name_lines("automq-s3-express-wal"), ["automq-s3-", "express-wal"]);
        let long = name_lines(&"wide名".repeat(30));
        assert!(long.len() == NAME_LINES && long.iter().all(|line| line.width() < COLUMN), "{long:?}");
        assert!(long[NAME_LINES - 1].ends_with('…'));
    }

    #[test]
    fn text_is_wrapped_at_spaces_and_within_long_words() {
        assert_eq!(wrap("aa bb cc", 5), ["aa bb", "cc"]);
        assert_eq!(wrap("aaaaaaa b", 3), ["aaa", "aaa", "a b"]);
        assert_eq!(wrap("", 3), Vec::<String>::new());
    }
}
