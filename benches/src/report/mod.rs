//! What a comparison looks like: from measurements to files and terminal.
//!
//! | file | what it is |
//! |---|---|
//! | `results.json` | the whole [`Summary`], with a schema version |
//! | `<workload>-<platform>.json` | OpenMessaging Benchmark's result format: its own chart scripts read it |
//! | `<workload>-<platform>.hlog` | HdrHistogram interval log, a histogram of each latency every ten seconds |
//! | `report.html` | one page for people, without any outside reference |
//!
//! The same measurements give the same bytes: nothing here reads a clock, and no date but virtual time is written.

pub mod hlog;
pub mod html;
pub mod omb;
pub mod terminal;

mod number;
mod words;

use std::io;
use std::path::{Path, PathBuf};
use wavetank_workloads::compare::summary::grouped;
use wavetank_workloads::compare::{Measurement, Published, Subject, Summary, SummaryError};

/// A comparison, ready to be shown.
#[derive(Debug)]
pub struct Report {
    /// Everything that is said.
    pub summary: Summary,
    /// File names and contents, in the order of the module's table.
    pub files: Vec<(String, Vec<u8>)>,
}

/// Files could not be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {}: {source}", path.display())]
pub struct WriteError {
    /// Which.
    pub path: PathBuf,
    /// Why.
    pub source: io::Error,
}

impl Report {
    /// From the runs of a comparison.
    ///
    /// # Errors
    /// When the platforms were not measured with the same seeds, each once.
    pub fn new(subject: Subject, runs: &[Measurement], published: Vec<Published>) -> Result<Report, SummaryError> {
        let summary = Summary::of(subject, runs, published)?;
        let (_, groups) = grouped(runs)?;
        let mut files = vec![("results.json".to_owned(), results_json(&summary))];
        let mut taken: Vec<String> = Vec::new();
        for group in &groups {
            let stem = unused(&taken, &summary.subject.workload, &group[0].platform.name);
            files.push((format!("{stem}.json"), omb::result(&summary.subject.workload, group)));
            files.push((format!("{stem}.hlog"), hlog::log(&summary.subject, group)));
            taken.push(stem);
        }
        files.push(("report.html".to_owned(), html::page(&summary).into_bytes()));
        Ok(Report { summary, files })
    }

    /// Writes the files into a folder, which is made if it is not there. What is there under these names is replaced.
    /// Says what was written.
    ///
    /// # Errors
    /// The first file that cannot be written.
    pub fn write(&self, dir: &Path) -> Result<Vec<PathBuf>, WriteError> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| WriteError { path, source }
        };
        std::fs::create_dir_all(dir).map_err(failed(dir))?;
        let write = |(name, bytes): &(String, Vec<u8>)| {
            let path = dir.join(name);
            std::fs::write(&path, bytes).map_err(failed(&path))?;
            Ok(path)
        };
        self.files.iter().map(write).collect()
    }

    /// For the terminal: 80 columns.
    pub fn terminal(&self) -> String {
        terminal::text(&self.summary)
    }
}

/// `results.json`.
fn results_json(summary: &Summary) -> Vec<u8> {
    let mut bytes = serde_json::to_vec_pretty(summary).expect("plain data has a JSON form");
    bytes.push(b'\n');
    bytes
}

/// A file's stem from two names that may hold anything: what is no letter, digit, `.`, `_` or `-` becomes `-`. A stem
/// that another platform has already gets a number.
fn unused(taken: &[String], workload: &str, platform: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '-' };
    let stem: String = format!("{workload}-{platform}").chars().map(plain).take(120).collect();
    // A leading dot would hide the file.
    let stem = stem.trim_start_matches('.').to_owned();
    // `results.json` and the page have names of their own; upper and lower case are one name to some file systems.
    let free = |candidate: &String| {
        !taken.iter().any(|other| other.eq_ignore_ascii_case(candidate)) && !candidate.eq_ignore_ascii_case("results")
    };
    let numbered = (2..).map(|n| format!("{stem}-{n}"));
    std::iter::once(stem.clone()).chain(numbered).find(free).expect("there are more numbers than platforms")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_names_hold_nothing_that_a_shell_or_file_system_minds() {
        assert_eq!(unused(&[], "load", "kafka-rf3"), "load-kafka-rf3");
        assert_eq!(unused(&[], "../up", "a/b c;<é>"), "-up-a-b-c----");
        assert_eq!(unused(&["l-P".into()], "l", "p"), "l-p-2");
        assert_eq!(unused(&["l-p".into(), "l-p-2".into()], "l", "p"), "l-p-3");
    }
}
