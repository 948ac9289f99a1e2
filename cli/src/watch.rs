//! What there is to see of one run beside its report.

use crate::progress;
use clap::Args;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use wavetank_workloads::lab;
use wavetank_workloads::scenario::Listeners;

#[derive(Args)]
pub struct Watch {
    /// Print log lines with virtual time, as `RUST_LOG` says (default: info)
    #[arg(long)]
    log: bool,
    /// Write every event, with virtual time and node, to this file
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
    /// Write what clients asked and were told to this file, for `wavetank check`
    #[arg(long, value_name = "FILE")]
    history: Option<PathBuf>,
}

impl Watch {
    /// Those who listen to the run; log lines begin to be printed.
    pub fn listeners(&self) -> Result<Listeners, String> {
        if self.log {
            progress::install_log();
        }
        let mut listeners = Listeners::default();
        if let Some(path) = &self.trace {
            let mut file = create("trace", path)?;
            listeners.observer = Some(lab::trace(move |line| match writeln!(file, "{line}") {
                Ok(()) => true,
                Err(error) => {
                    eprintln!("the trace ends here: {error}");
                    false
                }
            }));
        }
        if let Some(path) = &self.history {
            listeners.history = Some(Box::new(create("history", path)?));
        }
        Ok(listeners)
    }
}

fn create(what: &str, path: &Path) -> Result<BufWriter<File>, String> {
    match File::create(path) {
        Ok(file) => Ok(BufWriter::new(file)),
        Err(error) => Err(format!("can't write the {what} to {}: {error}", path.display())),
    }
}
