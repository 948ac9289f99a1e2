//! Runs the set-ups of published figures and writes `docs/published.md`: `cargo run --release -p wavetank-benches --example published`.
//!
//! Beside it goes the record that reports show (`benches/published/recorded.json`). With a folder as its argument it writes
//! both there.

use std::path::PathBuf;
use std::process::ExitCode;
use wavetank_benches::published::{SETUPS, compute, markdown, outcomes, record};
use wavetank_sim::cores;

fn main() -> ExitCode {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let (docs, records) = match std::env::args_os().nth(1) {
        Some(folder) => (PathBuf::from(&folder), PathBuf::from(folder)),
        None => (here.join("../docs"), here.join("published")),
    };
    let setups: Vec<_> = SETUPS.iter().collect();
    let runs: u64 = SETUPS.iter().map(|setup| setup.seeds).sum();
    let mut done = 0;
    let measured = compute(&setups, cores(), || {
        done += 1;
        eprintln!("{done} of {runs} runs");
    });
    let measured = match measured {
        Ok(measured) => measured,
        Err(panic) => {
            eprintln!("a bug in wavetank: {}", panic.message);
            return ExitCode::from(101);
        }
    };
    let outcomes = outcomes(&measured);
    let files = [
        (docs.join("published.md"), markdown(&outcomes, &measured)),
        (records.join("recorded.json"), record(&outcomes)),
    ];
    for (path, text) in files {
        if let Err(error) = std::fs::write(&path, text) {
            eprintln!("cannot write {}: {error}", path.display());
            return ExitCode::from(1);
        }
        println!("{}", path.display());
    }
    ExitCode::SUCCESS
}
