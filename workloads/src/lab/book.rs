//! The book of a sweep: a file of one JSON line a seed, in which an interrupted sweep goes on.
//!
//! The first line says what was swept; each line after it a seed and its [outcome](Outcome):
//!
//! ```json
//! {"format":"wavetank-sweep","version":1,"wavetank":"0.1.0","scenario":{"described":{...}},"options":{...}}
//! {"seed":0,"outcome":{"ended":{"reason":"...","end_ns":1,"events":2,"digest":"...","drawn":[],"marks":{},"findings":[]}}}
//! ```
//!
//! A line is written whole, and when its run is over, so a sweep that is killed leaves whole lines and at most a torn one,
//! which is dropped. Lines are in the order in which seeds were asked for, whatever the number of jobs: a sweep that was
//! interrupted and goes on writes the bytes of one that was not. A sweep of other seeds adds its own behind.

use super::artifact::{KeptOptions, VERSION};
use crate::scenario::{RunOptions, Scenario, ScenarioText};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use wavetank_traces::artifact::{Outcome, WrongKey, from_json};

const FORMAT: &str = "wavetank-sweep";
const FORMAT_VERSION: u32 = 1;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    format: String,
    version: u32,
    wavetank: String,
    scenario: ScenarioText,
    options: KeptOptions,
}

impl Header {
    fn of(scenario: Scenario, options: &RunOptions) -> Header {
        Header {
            format: FORMAT.into(),
            version: FORMAT_VERSION,
            wavetank: VERSION.into(),
            scenario: scenario.text(),
            options: KeptOptions::of(options),
        }
    }

    /// The first thing in which a book's header is another one than a sweep's.
    fn difference(&self, book: &Header) -> Option<Difference> {
        let other = |what, book: String, sweep: String| Some(Difference { what, book, sweep });
        let (mine, theirs) = (&self.options, &book.options);
        let mutant = |of: &KeptOptions| of.mutant.clone().unwrap_or_else(|| "none".into());
        if (&self.format, self.version) != (&book.format, book.version) {
            let name = |of: &Header| format!("{} {}", of.format, of.version);
            other("format", name(book), name(self))
        } else if self.wavetank != book.wavetank {
            other("version of wavetank", book.wavetank.clone(), self.wavetank.clone())
        } else if self.scenario.name() != book.scenario.name() {
            other("scenario", book.scenario.name(), self.scenario.name())
        } else if self.scenario != book.scenario {
            let name = self.scenario.name();
            other("scenario's text", format!("{name} as it was"), format!("{name} as it is now"))
        } else if mine.mutant != theirs.mutant {
            other("--mutant", mutant(theirs), mutant(mine))
        } else if mine.keep_going != theirs.keep_going {
            other("--keep-going", theirs.keep_going.to_string(), mine.keep_going.to_string())
        } else if mine.no_check != theirs.no_check {
            other("--no-check", theirs.no_check.to_string(), mine.no_check.to_string())
        } else {
            None
        }
    }
}

/// In what a book is of another sweep.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Difference {
    what: &'static str,
    book: String,
    sweep: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    seed: u64,
    outcome: Outcome,
}

/// Why a book cannot be gone on with.
#[derive(Debug, thiserror::Error)]
#[error("{}: {why}", path.display())]
pub struct BookError {
    path: PathBuf,
    why: Why,
}

#[derive(Debug, thiserror::Error)]
enum Why {
    #[error("{0}")]
    Io(#[from] std::io::Error),
    #[error("line {line}, {key}: {what}; a line is {{\"seed\": .., \"outcome\": ..}}", key = .wrong.key, what = .wrong.what)]
    Line { line: u64, wrong: WrongKey },
    #[error(
        "line 1 is no header of a sweep: {key}: {what}; name a file that is not there yet, or one that --out wrote",
        key = .0.key, what = .0.what
    )]
    NoHeader(WrongKey),
    #[error(
        "it is of another sweep: its {} is {}, and this sweep's {}; name another file",
        .0.what, .0.book, .0.sweep
    )]
    OtherSweep(Difference),
    #[error("line {line}: seed {seed} has a line already")]
    Twice { line: u64, seed: u64 },
}

/// A book that is open.
#[derive(Debug)]
pub struct Book {
    path: PathBuf,
    file: File,
    reader: BufReader<File>,
    /// Where each seed's line begins.
    places: BTreeMap<u64, u64>,
    end: u64,
}

impl Book {
    /// Opens the book of a sweep, or begins it.
    ///
    /// # Errors
    /// When it cannot be written, is no book, or is of another sweep.
    pub fn open(path: &Path, scenario: Scenario, options: &RunOptions) -> Result<Book, BookError> {
        Book::open_it(path, scenario, options).map_err(|why| BookError { path: path.into(), why })
    }

    fn open_it(path: &Path, scenario: Scenario, options: &RunOptions) -> Result<Book, Why> {
        let file = OpenOptions::new().read(true).append(true).create(true).open(path)?;
        let reader = BufReader::new(File::open(path)?);
        let mut book = Book { path: path.into(), file, reader, places: BTreeMap::new(), end: 0 };
        let header = Header::of(scenario, options);
        let first = json_line(&header);
        let mut line = String::new();
        book.read_line(&mut line)?;
        if line.ends_with('\n') {
            let held: Header = from_json(&line).map_err(Why::NoHeader)?;
            if let Some(difference) = header.difference(&held) {
                return Err(Why::OtherSweep(difference));
            }
            book.end = line.len() as u64;
            book.read_lines()?;
        } else if !first.starts_with(&line) {
            // Only what can have been torn from a header of this sweep is written over.
            let what = "the line has no end".to_owned();
            return Err(Why::NoHeader(WrongKey { line: 1, key: ".".into(), what }));
        }
        // What is torn goes.
        book.file.set_len(book.end)?;
        if book.end == 0 {
            book.write(&first)?;
        }
        Ok(book)
    }

    fn read_line(&mut self, line: &mut String) -> Result<(), Why> {
        line.clear();
        Ok(self.reader.read_line(line).map(drop)?)
    }

    fn read_lines(&mut self) -> Result<(), Why> {
        let (mut text, mut number) = (Vec::new(), 1);
        loop {
            text.clear();
            self.reader.read_until(b'\n', &mut text)?;
            number += 1;
            if text.last() != Some(&b'\n') {
                return Ok(());
            }
            let Line { seed, .. } = read(&text).map_err(|wrong| Why::Line { line: number, wrong })?;
            if self.places.insert(seed, self.end).is_some() {
                return Err(Why::Twice { line: number, seed });
            }
            self.end += text.len() as u64;
        }
    }

    fn write(&mut self, line: &str) -> Result<(), Why> {
        self.file.write_all(line.as_bytes())?;
        self.end += line.len() as u64;
        Ok(())
    }

    /// Whether it has a seed's outcome.
    pub fn has(&self, seed: u64) -> bool {
        self.places.contains_key(&seed)
    }

    /// A seed's outcome, if it has it.
    ///
    /// # Errors
    /// When it cannot be read any more.
    pub fn outcome(&mut self, seed: u64) -> Result<Option<Outcome>, BookError> {
        let Some(place) = self.places.get(&seed).copied() else { return Ok(None) };
        let outcome = self.read_at(place);
        outcome.map(Some).map_err(|why| BookError { path: self.path.clone(), why })
    }

    fn read_at(&mut self, place: u64) -> Result<Outcome, Why> {
        self.reader.seek(SeekFrom::Start(place))?;
        let mut text = Vec::new();
        self.reader.by_ref().read_until(b'\n', &mut text)?;
        let wrong = |wrong| Why::Line { line: 0, wrong };
        Ok(read(&text).map_err(wrong)?.outcome)
    }

    /// Adds a seed's outcome.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn add(&mut self, seed: u64, outcome: &Outcome) -> Result<(), BookError> {
        let place = self.end;
        let line = json_line(&Line { seed, outcome: outcome.clone() });
        self.write(&line).map_err(|why| BookError { path: self.path.clone(), why })?;
        self.places.insert(seed, place);
        Ok(())
    }
}

fn read(line: &[u8]) -> Result<Line, WrongKey> {
    let text = std::str::from_utf8(line).map_err(|error| WrongKey {
        line: 1,
        key: ".".into(),
        what: format!("it is not UTF-8: {error}"),
    })?;
    from_json(text)
}

fn json_line(of: &impl Serialize) -> String {
    serde_json::to_string(of).expect("a line's parts can be JSON") + "\n"
}
