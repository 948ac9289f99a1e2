//! `wavetank explain`: a scenario, an OMB workload or an OMB driver in plain words.

mod omb;
mod page;
mod scenario;
mod settings;

use crate::exit::Exit;
use crate::say;
use clap::Args;
use page::{COLUMNS, Page};
use std::path::Path;
use wavetank_workloads::scenario::Scenario as Coded;
use wavetank_workloads::spec::scenario::builtin;
use wavetank_workloads::spec::{File, Folder, Parsed, Problem, Problems, Source};

#[derive(Args)]
pub struct Arguments {
    /// A scenario that comes with wavetank, a scenario file (.toml), or a workload or Kafka driver file of the
    /// OpenMessaging Benchmark (.yaml)
    #[arg(value_name = "FILE|NAME", required_unless_present = "settings")]
    what: Option<String>,
    /// List every setting that wavetank knows, with its default and whether it changes a run
    #[arg(long, conflicts_with = "what")]
    settings: bool,
}

/// Explains.
pub fn explain(arguments: &Arguments) -> Exit {
    let Some(what) = &arguments.what else {
        say(settings::all());
        return Exit::Held;
    };
    match text(what) {
        Ok(text) => {
            say(text);
            Exit::Held
        }
        Err(message) => {
            eprint!("{message}");
            Exit::Usage
        }
    }
}

fn text(what: &str) -> Result<String, String> {
    if let Some(source) = builtin::source(what) {
        return explained(File::parse(&source, &builtin::Files));
    }
    if let Ok(coded @ (Coded::Harbour | Coded::BareLog(_) | Coded::BareQuorum)) = Coded::by_name(what) {
        return Ok(format!("{}\n  {}\n  Written in Rust; no file describes it.\n", coded.name(), coded.summary()));
    }
    let path = Path::new(what);
    match std::fs::read(path) {
        Ok(bytes) => {
            let text = String::from_utf8(bytes).map_err(|_| format!("{what} is no text: its bytes are not UTF-8\n"))?;
            let folder = path.parent().unwrap_or(Path::new(""));
            explained(File::parse(&Source::new(what, text), &Folder(folder)))
        }
        Err(error) => {
            let names: Vec<&str> = builtin::ALL.iter().map(|(name, _)| *name).collect();
            let there = format!("Scenarios that come with wavetank: {}.", names.join(", "));
            Err(format!("can't read {what}: {error}\n{}\n", textwrap::fill(&there, COLUMNS)))
        }
    }
}

fn explained(file: Result<Parsed<File>, Problems>) -> Result<String, String> {
    let Parsed { value, warnings } = file.map_err(|problems| refused(&problems))?;
    let mut page = Page::default();
    match &value {
        File::Scenario(it) => scenario::explain(&mut page, it),
        File::OmbWorkload(it) => omb::workload(&mut page, it),
        File::OmbDriver(it) => omb::driver(&mut page, it),
    }
    let mut text = page.into_text();
    if !warnings.is_empty() {
        text += &format!("\n{}", problems(&warnings));
    }
    Ok(text)
}

fn refused(Problems(all): &Problems) -> String {
    let errors = Problems(all.clone()).errors().count();
    let count = if errors == 1 { "1 error".to_owned() } else { format!("{errors} errors") };
    format!("{}\n{count}: nothing to explain\n", problems(all))
}

fn problems(problems: &[Problem]) -> String {
    problems.iter().map(|problem| problem.render(COLUMNS)).collect::<Vec<_>>().join("\n")
}
