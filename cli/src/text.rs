//! What people read: 80 columns.

use crate::corpus;
use std::fmt::{Display, Write as _};
use std::ops::Range;
use std::path::Path;
use std::time::Duration;
use wavetank_sim::{Nanos, SortedSet};
use wavetank_traces::artifact::{Ended, Outcome};
use wavetank_workloads::lab::corpus::Checked;
use wavetank_workloads::lab::{self, Extent, Failure, RunReport, Sameness, Shrunk, Step};
use wavetank_workloads::scenario::Scenario;

/// Reads `from..to`.
pub fn seeds(text: &str) -> Result<Range<u64>, String> {
    let wrong = || format!("'{text}' is no range of seeds: write from..to, for example 0..200");
    let (from, to) = text.split_once("..").ok_or_else(wrong)?;
    let range = from.parse().map_err(|_| wrong())?..to.parse().map_err(|_| wrong())?;
    if range.is_empty() {
        return Err(format!("'{text}' holds no seed: the second number must be larger"));
    }
    Ok(range)
}

/// One run, with its last events where something is wrong.
pub fn report(scenario: Scenario, report: &RunReport) -> String {
    summary(scenario, report) + &led_here(report)
}

/// One run.
pub fn summary(scenario: Scenario, report: &RunReport) -> String {
    let checked = report.history.checked;
    let history = checked.map_or_else(|| "not checked".into(), |count| format!("{count} operations, checked"));
    let mut lines = vec![
        ("seed", report.seed.to_string()),
        ("ended", format!("{} at {} s", report.reason, report.now)),
        ("phases", report.phases.to_string()),
        ("events", report.events.to_string()),
        ("history", history),
        ("digest", report.digest.to_string()),
    ];
    if let Some(finding) = report.findings.first() {
        lines.push(("wrong", format!("in phase {}", report.phases.at(Nanos(finding.at_ns)).name())));
    }
    let mut out = totals(scenario, &lines);
    for line in &report.drawn {
        let _ = writeln!(out, "  drawn          {line}");
    }
    out += &marks(report.marks.iter());
    for line in &report.beyond {
        let _ = writeln!(out, "  {line}");
    }
    match report.findings.is_empty() {
        true => out += "  everything held\n",
        false => out.extend(report.findings.iter().map(|finding| format!("  {finding}\n"))),
    }
    out
}

/// One failure within a sweep, with the commands that show it again, with the same options.
pub fn failure(failure: &Failure, path: &Path) -> String {
    let Failure { scenario, seed, options, .. } = failure;
    let findings: String = failure.outcome.findings().iter().map(|finding| format!("  {finding}\n")).collect();
    let mutant = options.mutant.map(|mutant| format!(" --mutant {}", mutant.name())).unwrap_or_default();
    let flag = |name, set: bool| if set { name } else { "" };
    let flags = [
        flag(" --keep-going", options.keep_going),
        flag(" --no-check", options.no_check),
        flag(" --over-budget", options.over_budget),
    ]
    .concat();
    let again = format!("  again: wavetank run {} --seed {seed}{mutant}{flags}\n", scenario.argument());
    format!("seed {seed}\n{findings}{again}  or:    wavetank replay {}\n", path.display())
}

/// Where a failure was written, and what to do with it.
pub fn replay(path: &Path) -> String {
    format!("again: wavetank replay {}", path.display())
}

/// A kept case: what it protects, and what has become of it.
pub fn kept(checked: &Checked) -> String {
    let name = checked.path.file_stem().map_or_else(String::new, |name| name.to_string_lossy().into());
    let lines = [("protects", checked.protects()), ("it", corpus::in_words(checked))];
    let said: String = lines.iter().map(|(word, what)| item(word, what)).collect();
    format!("{name}\n{said}")
}

/// What a replay came to, beside what it replays.
pub fn sameness(failure: &Failure, sameness: Sameness, now: &Outcome) -> String {
    let (then, this) = (&failure.wavetank, lab::VERSION);
    let why = format!("wavetank {then} wrote it, and this is wavetank {this}");
    let said = match (sameness, now) {
        (Sameness::Same, Outcome::Ended(_)) => return "replay: the same digest, the same first finding".into(),
        (Sameness::Same, Outcome::Panicked(_)) => return "replay: the same panic".into(),
        (Sameness::OtherWay, _) => "the same kind of failure on another way".to_owned(),
        (Sameness::Different, now) => {
            format!("NOT the same\n  then {}\n  now  {}", in_short(&failure.outcome), in_short(now))
        }
    };
    let digest = |of: &Outcome| match of {
        Outcome::Ended(ended) => ended.digest.clone(),
        Outcome::Panicked(_) => "none".into(),
    };
    let (then, now, differs) = (digest(&failure.outcome), digest(now), differences(&failure.outcome, now));
    format!("replay: {said}\n  digest then {then}\n  digest now  {now}\n{differs}  {why}")
}

/// How many differences are told.
const DIFFERENCES: usize = 8;

/// In what two runs differ beside their digests, a line each: their ends, and how often situations were reached.
fn differences(then: &Outcome, now: &Outcome) -> String {
    let (Outcome::Ended(then), Outcome::Ended(now)) = (then, now) else { return String::new() };
    let mut lines = Vec::new();
    let mut tell = |what: &str, then: String, now: String| {
        if then != now {
            lines.push(format!("  {what}: then {then}, now {now}\n"));
        }
    };
    tell("events", then.events.to_string(), now.events.to_string());
    tell("ended at", format!("{} s", Nanos(then.end_ns)), format!("{} s", Nanos(now.end_ns)));
    let names: SortedSet<&String> = then.marks.keys().chain(now.marks.keys()).collect();
    let count = |of: &Ended, name: &str| of.marks.get(name).copied().unwrap_or(0).to_string();
    names.into_iter().for_each(|name| tell(name, count(then, name), count(now, name)));
    if lines.len() > DIFFERENCES {
        let more = lines.len() - DIFFERENCES;
        lines.truncate(DIFFERENCES);
        lines.push(format!("  and {more} more\n"));
    }
    lines.concat()
}

/// What two replays side by side have shown of a digest that is not the kept one, both by one version.
pub fn diverged(found: Option<&impl Display>) -> String {
    match found {
        None => "  two replays side by side are the same to the last event: it was built from other sources".into(),
        Some(divergence) => format!("  it is not deterministic; two replays side by side:\n{divergence}"),
    }
}

/// Where a shrinking is: within 80 columns.
pub fn shrinking(step: &Step<'_>) -> String {
    let Step { tried, pass, extent, .. } = step;
    format!("{tried} tried, {} faults, {} events: {pass}", extent.faults(), extent.events)
}

/// What a shrinking came to: what is left, how to see it again, and a test.
pub fn shrunk(shrunk: &Shrunk, out: &Path) -> String {
    let Shrunk { before, after, failure, fingerprint, .. } = shrunk;
    let from_to = |from: String, to: String| format!("{from} -> {to}");
    let numbers = |of: fn(&Extent) -> u64| from_to(of(before).to_string(), of(after).to_string());
    let lines = [
        ("it is", format!("a {fingerprint}")),
        ("faults", numbers(|of| of.entries as u64)),
        ("odd operations", numbers(|of| of.fates as u64)),
        ("events", numbers(|of| of.events)),
        ("virtual time", from_to(format!("{} s", before.end), format!("{} s", after.end))),
        ("seed", failure.seed.to_string()),
    ];
    let mut page = totals(failure.scenario, &lines);
    page += "  what is left\n";
    let finding = failure.outcome.findings().first().map(ToString::to_string);
    for line in failure.case.story().into_iter().chain(finding) {
        page += &textwrap::fill(&line, textwrap::Options::new(80).initial_indent("    ").subsequent_indent("      "));
        page += "\n";
    }
    let file_name = out.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let test = lab::regression_test(failure, fingerprint, &file_name);
    format!("{page}again: wavetank replay {}\n\nAs a test, with the file beside it:\n\n{test}", out.display())
}

fn in_short(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Ended(ended) => ended.findings.first().map_or_else(|| "everything held".into(), ToString::to_string),
        Outcome::Panicked(panic) => format!("a panic: {}", panic.message),
    }
}

/// A heading and lines of name and value.
pub fn totals(scenario: Scenario, lines: &[(&'static str, String)]) -> String {
    let mut out = format!("{}\n", scenario.name());
    for (name, value) in lines {
        let _ = writeln!(out, "  {name:<14} {value}");
    }
    out
}

/// A line of a list: a name, and what it is.
pub fn item(name: &str, summary: &str) -> String {
    let indent = format!("  {:<24} ", "");
    let first = format!("  {name:<24} ");
    let options = textwrap::Options::new(80).initial_indent(&first).subsequent_indent(&indent);
    textwrap::fill(summary, options) + "\n"
}

/// Situations and how often each was reached.
pub fn marks<'a>(marks: impl Iterator<Item = (&'a str, u64)>) -> String {
    let mut out = String::from("  reached\n");
    for (name, count) in marks {
        let _ = writeln!(out, "    {count:>10}  {name}");
    }
    out
}

/// How fast it went: wall time, so for standard error only.
pub fn pace(seeds: u64, events: u64, took: Duration) -> String {
    let secs = took.as_secs_f64().max(1e-9);
    format!(
        "{seeds} seeds in {secs:.1} s: {:.0} seeds/min, {:.2} M events/s",
        seeds as f64 / secs * 60.0,
        events as f64 / secs / 1e6
    )
}

/// The last events, where something is wrong.
fn led_here(report: &RunReport) -> String {
    if report.findings.is_empty() {
        return String::new();
    }
    let mut out = String::from("  what led here\n");
    for line in &report.led_here {
        let _ = writeln!(out, "    {line}");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_are_read_and_what_is_wrong_is_said() {
        assert_eq!(seeds("0..200"), Ok(0..200));
        for (text, said) in [
            ("7", "write from..to"),
            ("a..b", "write from..to"),
            ("-1..5", "write from..to"),
            ("5..5", "holds no seed"),
            ("9..3", "holds no seed"),
            ("0..18446744073709551616", "write from..to"),
        ] {
            assert!(seeds(text).unwrap_err().contains(said), "{text}");
        }
    }
}
