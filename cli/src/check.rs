//! `wavetank check`: a history in, a verdict out.

use crate::exit::Exit;
use crate::say;
use clap::{Args, ValueEnum};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use wavetank_traces::check::anomaly::Anomaly;
use wavetank_traces::check::proof::Proof;
use wavetank_traces::check::{Options, Report, Story, Verdict};
use wavetank_traces::history::{History, edn, reader};

/// So many findings of a kind are told in full.
const TOLD: usize = 3;
const COLUMNS: usize = 80;

#[derive(Args)]
pub struct Arguments {
    /// The history: JSON lines, or Jepsen's history.edn; - for standard input
    #[arg(value_name = "HISTORY")]
    history: PathBuf,
    /// Print everything that was found as JSON
    #[arg(long)]
    json: bool,
    /// How consumers got their keys. With subscribe, a poll may skip or go back after a rebalance
    #[arg(long, value_enum, default_value_t = SubVia::Assign)]
    sub_via: SubVia,
    /// Infer write orders between operations from offsets; then cycles of writes and reads are told, but allowed
    #[arg(long)]
    ww_deps: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum SubVia {
    Assign,
    Subscribe,
}

/// Checks and reports.
pub fn check(arguments: &Arguments) -> Exit {
    let history = match read(&arguments.history) {
        Ok(history) => history,
        Err(error) => {
            eprintln!("{error}");
            return Exit::Usage;
        }
    };
    let options = Options { subscribe: arguments.sub_via == SubVia::Subscribe, ww_deps: arguments.ww_deps };
    let report = wavetank_traces::check::check(&history, &options);
    if arguments.json {
        say(format_args!("{:#}\n", report.json(&history)));
    } else {
        say(text(&history, &report));
    }
    match report.verdict {
        Verdict::Valid => Exit::Held,
        Verdict::Unknown => Exit::Unknown,
        Verdict::Invalid => Exit::Violation,
    }
}

fn read(path: &Path) -> Result<History, String> {
    let is_standard_input = path == Path::new("-");
    let name = if is_standard_input { "standard input".into() } else { path.display().to_string() };
    let source: Box<dyn BufRead> = if is_standard_input {
        Box::new(std::io::stdin().lock())
    } else {
        Box::new(BufReader::new(File::open(path).map_err(|error| format!("can't read {name}: {error}"))?))
    };
    if path.extension().is_some_and(|extension| extension == "edn") {
        let mut lines = Vec::new();
        edn::convert(source, &name, &mut lines).map_err(|error| error.to_string())?;
        return reader::read(lines.as_slice(), &name).map_err(|error| error.to_string());
    }
    reader::read(source, &name).map_err(|error| error.to_string())
}

/// The report for people: the verdict, a count of each kind, then the worst first with the operations that prove it.
fn text(history: &History, report: &Report) -> String {
    let mut out = summary(history, report);
    let story = Story::new(history);
    for (anomaly, proofs) in worst_first(report) {
        // That a cycle exists is told by the cycle itself.
        if matches!(proofs, [Proof::CycleExists { .. }, ..]) {
            continue;
        }
        out += &format!("\n{anomaly}\n");
        for proof in proofs.iter().take(TOLD) {
            out += &wrapped(&story.sentence(proof), "  ", "    ");
            for line in story.operations(proof) {
                out += &wrapped(&line, "    ", "            ");
            }
        }
        if proofs.len() > TOLD {
            out += &format!("  ... and {} more; --json tells them all\n", proofs.len() - TOLD);
        }
    }
    out
}

fn summary(history: &History, report: &Report) -> String {
    let records: u64 = history.ids().flat_map(|id| history.sends(id)).map(|run| u64::from(run.count)).sum();
    let verdict = match report.verdict {
        Verdict::Valid => "valid",
        Verdict::Unknown => "unknown",
        Verdict::Invalid => "INVALID",
    };
    let (operations, keys) = (history.len(), history.keys());
    let mut out = format!("{verdict}: operations {operations}, keys {keys}, records sent {records}\n");
    for (anomaly, proofs) in worst_first(report) {
        let count: u64 = proofs.iter().map(|proof| proof.count()).sum();
        let allowed = if report.bad.contains(&anomaly) { "" } else { "  allowed" };
        out += &format!("  {:<26} {count:>8}{allowed}\n", anomaly.name());
    }
    out
}

/// What counts against the system first; then the gravest first.
fn worst_first(report: &Report) -> Vec<(Anomaly, &[Proof])> {
    let mut all: Vec<_> = report.proofs.iter().map(|(anomaly, proofs)| (*anomaly, proofs.as_slice())).collect();
    all.sort_by_key(|(anomaly, _)| (!report.bad.contains(anomaly), *anomaly));
    all
}

fn wrapped(text: &str, first: &str, rest: &str) -> String {
    let options = textwrap::Options::new(COLUMNS).initial_indent(first).subsequent_indent(rest);
    textwrap::fill(text, options) + "\n"
}
