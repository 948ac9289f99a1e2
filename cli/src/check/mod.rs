//! `wavetank check`: a history in, a verdict out.

mod text;

use crate::exit::Exit;
use crate::say;
use clap::{Args, ValueEnum};
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use wavetank_traces::check::{Options, Verdict, check as check_jepsen};
use wavetank_traces::contract::{Context, check_kafka};
use wavetank_traces::history::{History, edn, reader};

#[derive(Args)]
pub struct Arguments {
    /// The history: JSON lines, or Jepsen's history.edn; - for standard input
    #[arg(value_name = "HISTORY")]
    history: PathBuf,
    /// Print everything that was found as JSON
    #[arg(long)]
    json: bool,
    /// How consumers got their keys: subscribed ones may skip or go back between operations, after a rebalance
    #[arg(long, value_enum, default_value_t = SubVia::Assign)]
    sub_via: SubVia,
    /// Infer write orders from offsets, and tell cycles of writes and reads: they are normal in Kafka, and allowed
    #[arg(long)]
    ww_deps: bool,
    /// Whose promises count: what Jepsen's checker expects, or what Kafka promises in a --context
    #[arg(long, value_enum, default_value_t = Contract::Jepsen)]
    contract: Contract,
    /// For --contract kafka: settings, log starts, seeks, elections and faults, as JSON (traces/CONTRACT.md)
    #[arg(long, value_name = "FILE")]
    context: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum SubVia {
    Assign,
    Subscribe,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Contract {
    Jepsen,
    Kafka,
}

/// Checks and reports.
pub fn check(arguments: &Arguments) -> Exit {
    try_check(arguments).unwrap_or_else(|error| {
        eprintln!("{error}");
        Exit::Usage
    })
}

fn try_check(arguments: &Arguments) -> Result<Exit, String> {
    if arguments.context.is_some() && arguments.contract == Contract::Jepsen {
        return Err("--context tells what Kafka promises: it needs --contract kafka".into());
    }
    let history = read_history(&arguments.history)?;
    let options = Options { subscribe: arguments.sub_via == SubVia::Subscribe, ww_deps: arguments.ww_deps };
    match arguments.contract {
        Contract::Jepsen => {
            let report = check_jepsen(&history, &options);
            match arguments.json {
                true => say(format_args!("{:#}\n", report.json(&history))),
                false => say(text::jepsen(&history, &report)),
            }
            Ok(exit(report.verdict))
        }
        Contract::Kafka => {
            let context = arguments.context.as_deref().map_or_else(|| Ok(Context::default()), read_context)?;
            for key in context.unknown_keys(&history) {
                eprintln!("warning: the context has a key {key}, of which the history knows nothing");
            }
            let report = check_kafka(&history, &context, &options);
            match arguments.json {
                true => say(format_args!("{:#}\n", report.json(&history))),
                false => say(text::kafka(&history, &report)),
            }
            Ok(if report.only_stalls() { Exit::Stall } else { exit(report.verdict) })
        }
    }
}

fn exit(verdict: Verdict) -> Exit {
    match verdict {
        Verdict::Valid => Exit::Held,
        Verdict::Unknown => Exit::Unknown,
        Verdict::Invalid => Exit::Violation,
    }
}

fn read_history(path: &Path) -> Result<History, String> {
    let is_standard_input = path == Path::new("-");
    let name = if is_standard_input { "standard input".into() } else { path.display().to_string() };
    let source: Box<dyn BufRead> =
        if is_standard_input { Box::new(std::io::stdin().lock()) } else { Box::new(BufReader::new(open(path)?)) };
    if path.extension().is_some_and(|extension| extension == "edn") {
        let mut lines = Vec::new();
        edn::convert(source, &name, &mut lines).map_err(|error| error.to_string())?;
        return reader::read(lines.as_slice(), &name).map_err(|error| error.to_string());
    }
    reader::read(source, &name).map_err(|error| error.to_string())
}

fn read_context(path: &Path) -> Result<Context, String> {
    let mut text = String::new();
    open(path)?.read_to_string(&mut text).map_err(|error| format!("can't read {}: {error}", path.display()))?;
    Context::read(&text, &path.display().to_string()).map_err(|error| error.to_string())
}

fn open(path: &Path) -> Result<File, String> {
    File::open(path).map_err(|error| format!("can't read {}: {error}", path.display()))
}
