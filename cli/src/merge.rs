//! `wavetank merge`: the books of shards, joined.

use crate::exit::Exit;
use crate::say;
use crate::summary::{self, Part};
use clap::Args;
use std::path::PathBuf;
use wavetank_workloads::lab::{self, Merged};

#[derive(Args)]
#[command(after_help = "\
What is written is, byte for byte, what one sweep over all of the seeds writes.
Books of one scenario must be of one sweep: the same version, text and options;
and no seed between their first and their last may be missing or be there twice.
Ranges of seeds that follow each other are joined as shards are.

Exit code: that of one sweep over all of the seeds.")]
pub struct Arguments {
    /// Folders that `sweep --out` made
    #[arg(value_name = "DIR", required = true)]
    folders: Vec<PathBuf>,
    /// Where the joined books go
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

/// Merges.
pub fn merge(arguments: &Arguments) -> Exit {
    let merged = match lab::merge(&arguments.folders, &arguments.out) {
        Ok(merged) => merged,
        Err(error) => {
            eprintln!("{error}");
            return Exit::Usage;
        }
    };
    merged.iter().for_each(|of| eprintln!("{} seeds in {}", of.totals.seeds, of.path.display()));
    let part = |of: Merged| Part { scenario: of.scenario, options: of.options, seeds: of.seeds, totals: of.totals };
    let parts: Vec<Part> = merged.into_iter().map(part).collect();
    say(summary::summary(&parts));
    summary::exit(&parts)
}
