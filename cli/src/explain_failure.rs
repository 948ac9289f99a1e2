//! `wavetank explain-failure`: when a failure became inevitable.

use crate::exit::Exit;
use crate::progress::Spinner;
use crate::{say, text, usage};
use clap::Args;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use wavetank_benches::report::html;
use wavetank_sim::{Nanos, cores};
use wavetank_workloads::lab::story::Deed;
use wavetank_workloads::lab::{Curve, CurvePlan, Failure, INEVITABLE, Point, curve};

#[derive(Args)]
#[command(after_help = "\
The run is the failure's own up to a moment, to the last event, and drawn anew
from there on; the storm stays as it is. The share of such runs that end in the
same failure is plotted over the moments. The result does not depend on --jobs.

Exit code: 0 when it is explained; 1 when it cannot be.")]
pub struct Arguments {
    /// What a run or a sweep wrote down, or a shrunk one, which is faster
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Runs for each moment
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    samples: u32,
    /// Moments: half of them evenly, the others where the share changes most
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(2..=1_000))]
    points: u32,
    /// Runs at once, at most one a core [default: all cores]
    #[arg(long)]
    jobs: Option<usize>,
    /// Write the curve to this file too, as a page that needs nothing else
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

/// Explains.
pub fn explain_failure(arguments: &Arguments) -> Exit {
    match explained(arguments) {
        Ok(()) => Exit::Held,
        Err(message) => usage(message),
    }
}

fn explained(arguments: &Arguments) -> Result<(), String> {
    let Arguments { file, samples, points, jobs, html: page } = arguments;
    let failure = Failure::read(file).map_err(|error| error.to_string())?;
    let plan = CurvePlan { samples: *samples, points: *points, jobs: jobs.unwrap_or_else(cores) };
    let progress = Spinner::start();
    let curve = curve(&failure, &plan, |done, of| {
        if done.is_multiple_of(10) {
            progress.say(format!("{done} of at most {of} runs"));
        }
    });
    let took = progress.finish();
    let curve = curve.map_err(|error| format!("{}: {error}", file.display()))?;
    say(plotted(&failure, &curve, &plan));
    if let Some(page) = page {
        write(page, &failure, &curve, file)?;
    }
    let runs: u64 = curve.points.iter().map(|point| u64::from(point.samples)).sum();
    eprintln!("{runs} runs in {:.1} s", took.as_secs_f64());
    Ok(())
}

fn write(page: &Path, failure: &Failure, curve: &Curve, file: &Path) -> Result<(), String> {
    let name = file.file_name().map_or_else(String::new, |name| name.to_string_lossy().into());
    let html = html::curve::page(failure.scenario.name(), failure.seed, &name, curve);
    std::fs::write(page, html).map_err(|error| format!("can't write the page to {}: {error}", page.display()))
}

/// Of a bar.
const BAR: usize = 16;
/// Of what stands beside it.
const BESIDE: usize = 34;
/// Lines beside one point.
const BESIDE_MAX: usize = 3;

/// The curve in 80 columns.
fn plotted(failure: &Failure, curve: &Curve, plan: &CurvePlan) -> String {
    let fates = match curve.fates {
        0 => String::new(),
        many => format!(", and {many} odd operations that the case lists"),
    };
    let faults = match curve.faults.len() {
        0 => "the storm has no faults".into(),
        1 => "the storm's fault".into(),
        many => format!("the storm's {many} faults"),
    };
    let lines = [
        ("it is", format!("a {}", curve.fingerprint)),
        ("it shows at", format!("{} s", seconds(curve.shown))),
        ("stays", format!("the run up to a moment; {faults}{fates}")),
        ("drawn anew", format!("all else from that moment on, {} times each", plan.samples)),
    ];
    let mut page = text::totals(failure.scenario, &lines);
    let _ = writeln!(page, "\n   moment   0 %        100 %   share  95 %");
    for (place, point) in curve.points.iter().enumerate() {
        page += &row(point, beside(curve, place));
    }
    let _ = writeln!(page, "{:>9}  it shows", seconds(curve.shown));
    page + &conclusion(curve)
}

/// One moment, and what happened from it to the next.
fn row(point: &Point, beside: Vec<String>) -> String {
    let filled = (point.share() * BAR as f64).round() as usize;
    let bar = format!("{}{}", "#".repeat(filled), " ".repeat(BAR - filled));
    let percent = |share: f64| (share * 100.0).round();
    let (low, high) = point.interval();
    let interval = format!("{}-{}", percent(low), percent(high));
    let first = format!("{:>9}  |{bar}|  {:>3} %  {interval:<6}", seconds(point.at), percent(point.share()));
    let blank = " ".repeat(first.chars().count());
    let mut lines = String::new();
    for n in 0..beside.len().max(1) {
        let left = if n == 0 { &first } else { &blank };
        let _ = writeln!(lines, "{}", format!("{left}  {}", beside.get(n).map_or("", String::as_str)).trim_end());
    }
    lines
}

/// What happened between a moment and the next, in a few short lines.
fn beside(curve: &Curve, place: usize) -> Vec<String> {
    let told = curve.beats_of(place).map(|beat| match beat.deed {
        // Nobody else does such things.
        Deed::FaultBegins { .. } | Deed::FaultEnds { .. } => beat.to_string(),
        _ => format!("{}: {beat}", beat.who),
    });
    let mut lines: Vec<String> = told
        .map(|line| match line.chars().count() > BESIDE {
            true => line.chars().take(BESIDE - 1).chain(['…']).collect(),
            false => line,
        })
        .collect();
    if lines.len() > BESIDE_MAX {
        let more = lines.len() - (BESIDE_MAX - 1);
        lines.truncate(BESIDE_MAX - 1);
        lines.push(format!("and {more} more"));
    }
    lines
}

fn conclusion(curve: &Curve) -> String {
    let sure = (INEVITABLE * 100.0).round();
    let said = match curve.inevitable() {
        (None, _) => format!(
            "the bug is inevitable from the start: it comes in {sure} % of runs or more, whatever is drawn beside the storm"
        ),
        (Some(open), from) => format!(
            "the bug becomes inevitable between {} and {} s: it comes in {sure} % of runs or more from there on",
            seconds(open),
            seconds(from)
        ),
    };
    format!("\n{}\n", textwrap::fill(&said, 80))
}

fn seconds(time: Nanos) -> String {
    let millis = time.0 / 1_000_000;
    format!("{}.{:03}", millis / 1_000, millis % 1_000)
}
