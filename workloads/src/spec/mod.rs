//! What goes in: scenarios, OpenMessaging Benchmark files, settings; as data, with errors that point at the line.
//!
//! * [`scenario`]: wavetank's own files, TOML: platforms, workload, pipelines, faults, storm, expectations; and those
//!   that come with wavetank.
//! * [`omb`]: workload and Kafka-driver files of the OpenMessaging Benchmark, YAML, as they are.
//! * [`settings`]: settings of Kafka, of AutoMQ-style storage and of Flink, under their own names.
//!
//! A text becomes a tree that knows places (`document`); readers ask the tree for keys, and what they do not ask for
//! is unknown. What is wrong is taken down as a [`Problem`] and reading goes on, so that one look shows all of it. A
//! file with an error has no value; fallbacks that let reading go on never leave.

mod document;
pub(crate) mod near;
pub mod omb;
mod problem;
pub mod scenario;
pub mod settings;

pub use document::value::{grouped, parse_span};
pub use problem::{Parsed, Problem, Problems, Severity, Source};

use omb::{OmbDriver, OmbWorkload};
use scenario::Scenario;
use std::path::Path;

/// Reads files that a file names.
pub trait ReadFile {
    /// The text of a file; `path` as it was written.
    ///
    /// # Errors
    /// Why it cannot be read, for people.
    fn read(&self, path: &str) -> Result<String, String>;
}

/// Files of a folder.
#[derive(Clone, Copy, Debug)]
pub struct Folder<'a>(pub &'a Path);

impl ReadFile for Folder<'_> {
    fn read(&self, path: &str) -> Result<String, String> {
        std::fs::read_to_string(self.0.join(path)).map_err(|error| error.to_string())
    }
}

/// A file of any kind that wavetank reads.
#[derive(Clone, Debug, PartialEq)]
pub enum File {
    /// A scenario.
    Scenario(Box<Scenario>),
    /// A workload of the OpenMessaging Benchmark.
    OmbWorkload(Box<OmbWorkload>),
    /// A Kafka driver's settings of the OpenMessaging Benchmark.
    OmbDriver(Box<OmbDriver>),
}

impl File {
    /// Reads a file of whatever kind: TOML by its ending, else YAML, a driver by its `driverClass`.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn parse(source: &Source, files: &dyn ReadFile) -> Result<Parsed<File>, Problems> {
        if source.name.ends_with(".toml") {
            return Scenario::parse(source, files).map(|parsed| parsed.map(|it| File::Scenario(Box::new(it))));
        }
        match omb::is_driver(source) {
            true => OmbDriver::parse(source).map(|parsed| parsed.map(|it| File::OmbDriver(Box::new(it)))),
            false => OmbWorkload::parse(source).map(|parsed| parsed.map(|it| File::OmbWorkload(Box::new(it)))),
        }
    }
}
