//! What a shrinking has tried so far, so that it goes on where it ended.
//!
//! A file of JSON lines beside the result. The first says what is shrunk; each line after it a candidate that was run, by its
//! digest, and whether it failed in the same way. Shrinking is a function of those answers: read back, they lead to where it
//! was, without a run. A line is written whole when its run is over, so at most the last one is torn, and is dropped.

use super::Why;
use crate::lab::VERSION;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use wavetank_traces::artifact::from_json;

const FORMAT: &str = "wavetank-shrinking";
const FORMAT_VERSION: u32 = 1;

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    format: String,
    version: u32,
    wavetank: String,
    /// The digest of the failure that is shrunk.
    of: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    candidate: String,
    same: bool,
}

/// Answers, on disk.
pub(super) struct Journal {
    path: PathBuf,
    file: File,
    known: BTreeMap<String, bool>,
}

impl Journal {
    /// Where the journal of a result is.
    pub(super) fn beside(out: &Path) -> PathBuf {
        let mut name = out.as_os_str().to_owned();
        name.push(".progress");
        name.into()
    }

    /// Opens it, or begins it; one of another failure or version is begun anew.
    pub(super) fn open(path: PathBuf, of: &str) -> Result<Journal, Why> {
        let header = Header { format: FORMAT.into(), version: FORMAT_VERSION, wavetank: VERSION.into(), of: of.into() };
        let text = match std::fs::read(&path) {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(Why::Io(path, error)),
        };
        let mut known = BTreeMap::new();
        let mut lines = text.split_inclusive('\n').take_while(|line| line.ends_with('\n'));
        let mut kept = json_line(&header);
        let held = lines.next().map(from_json::<Header>).transpose();
        let is_of_this = match held {
            Ok(Some(held)) => held == header,
            // Torn, or not there yet.
            Ok(None) if kept.starts_with(&text) => false,
            Ok(None) | Err(_) => return Err(Why::OtherFile(path)),
        };
        if is_of_this {
            for line in lines {
                let Ok(Line { candidate, same }) = from_json(line) else { break };
                kept += line;
                known.insert(candidate, same);
            }
        }
        let written = std::fs::write(&path, kept).and_then(|()| OpenOptions::new().append(true).open(&path));
        match written {
            Ok(file) => Ok(Journal { path, file, known }),
            Err(error) => Err(Why::Io(path, error)),
        }
    }

    /// Whether a candidate failed in the same way, if it was run.
    pub(super) fn answer(&self, candidate: &str) -> Option<bool> {
        self.known.get(candidate).copied()
    }

    /// How many were run.
    pub(super) fn len(&self) -> u64 {
        self.known.len() as u64
    }

    pub(super) fn add(&mut self, candidate: String, same: bool) -> Result<(), Why> {
        if self.known.contains_key(&candidate) {
            return Ok(());
        }
        let line = json_line(&Line { candidate: candidate.clone(), same });
        self.file.write_all(line.as_bytes()).map_err(|error| Why::Io(self.path.clone(), error))?;
        self.known.insert(candidate, same);
        Ok(())
    }

    /// The shrinking is over: nothing is left to go on with.
    pub(super) fn remove(self) -> Result<(), Why> {
        std::fs::remove_file(&self.path).map_err(|error| Why::Io(self.path, error))
    }
}

fn json_line(of: &impl Serialize) -> String {
    serde_json::to_string(of).expect("strings and truth values can be JSON") + "\n"
}
