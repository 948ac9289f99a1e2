//! `wavetank corpus`: kept cases, run again.

use crate::exit::Exit;
use crate::{say, text};
use clap::Args;
use std::path::{Path, PathBuf};
use wavetank_workloads::lab::corpus::{self, Checked, Kept};

#[derive(Args)]
#[command(after_help = "\
A case that is kept protects something: with its bug switched on it fails, and
without it does not. When a change of the models that is meant makes a case fail
on another way (another digest, the same failure), --record writes it as it runs
now. A case that does not fail any more, or fails without its bug, is not
written: find the bug again (wavetank sweep --mutant), shrink it, replace the
file.

Exit code: 5 when a case is not what it was (with --record: and cannot be
recorded again).")]
pub struct Arguments {
    /// The folder
    #[arg(default_value = "traces/corpus")]
    folder: PathBuf,
    /// Record again what fails on another way
    #[arg(long)]
    record: bool,
}

/// Checks a corpus.
pub fn corpus(arguments: &Arguments) -> Exit {
    match checked(&arguments.folder, arguments.record) {
        Ok(exit) => exit,
        Err(message) => {
            eprintln!("{message}");
            Exit::Usage
        }
    }
}

fn checked(folder: &Path, record: bool) -> Result<Exit, String> {
    let files = corpus::files(folder)?;
    if files.is_empty() {
        return Err(format!("{}: no case is kept there: they are files NAME.json", folder.display()));
    }
    let mut exit = Exit::Held;
    for path in files {
        let checked = corpus::check(&path)?;
        say(text::kept(&checked));
        exit = exit.max(match &checked.kept {
            Kept::Sound => Exit::Held,
            Kept::OtherWay(now) if record => {
                let name = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into());
                let written = std::fs::write(&path, now.to_json(&name));
                written.map_err(|error| format!("can't write {}: {error}", path.display()))?;
                say("  recorded again\n");
                Exit::Held
            }
            Kept::OtherWay(_) | Kept::Gone { .. } | Kept::FailsAnyway(_) => Exit::Unknown,
        });
    }
    Ok(exit)
}

/// In a word, and what it was if it is not what it was.
pub fn in_words(checked: &Checked) -> String {
    let said = |of: &Option<_>| of.as_ref().map_or_else(|| "nothing".into(), ToString::to_string);
    match &checked.kept {
        Kept::Sound => "holds".into(),
        Kept::OtherWay(_) => "fails on another way: --record writes it as it runs now".into(),
        Kept::Gone { then, now } => format!("is gone: it was {}, and is {}", said(then), said(now)),
        Kept::FailsAnyway(found) => format!("fails without its bug too: {found}"),
    }
}
