//! The books of a sweep: in a folder, for each scenario a file of one JSON line a seed, in which an interrupted sweep goes
//! on.
//!
//! A book's first line says what is swept; each line after it a seed and its [outcome](Outcome):
//!
//! ```json
//! {"format":"wavetank-sweep","version":2,"wavetank":"0.1.0","scenario":{"described":{...}},"options":{...},"seeds":{"from":0,"to":200}}
//! {"seed":0,"outcome":{"ended":{"reason":"...","end_ns":1,"events":2,"digest":"...","drawn":[],"marks":{},"findings":[]}}}
//! ```
//!
//! Lines are in ascending order of seeds, whatever the number of jobs, so a book holds the first so many of its seeds: a sweep
//! that was interrupted and goes on writes the bytes of one that was not. A line is written whole, and when its run is over,
//! so a sweep that is killed leaves whole lines and at most a torn one, which is dropped. That the machine loses power is
//! another matter: nothing is synced, and what the system had not written yet is lost with what comes after it.
//!
//! Who writes a book holds the system's lock on it, where the file system has locks.

use super::artifact::{KeptOptions, VERSION};
use super::seeds::Seeds;
use crate::scenario::{RunOptions, Scenario, ScenarioText};
use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use wavetank_traces::artifact::{Outcome, WrongKey, from_json};

const FORMAT: &str = "wavetank-sweep";
const FORMAT_VERSION: u32 = 2;
/// How a book's name ends.
pub(super) const EXTENSION: &str = "jsonl";

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Header {
    format: String,
    version: u32,
    pub(super) wavetank: String,
    pub(super) scenario: ScenarioText,
    pub(super) options: KeptOptions,
    pub(super) seeds: Seeds,
}

impl Header {
    fn of(scenario: Scenario, seeds: Seeds, options: &RunOptions) -> Header {
        Header {
            format: FORMAT.into(),
            version: FORMAT_VERSION,
            wavetank: VERSION.into(),
            scenario: scenario.text(),
            options: KeptOptions::of(options),
            seeds,
        }
    }

    /// The name of the book of that header.
    pub(super) fn file_name(&self) -> String {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "@-_.".contains(c);
        let shard = self.seeds.shard.map(|shard| format!(".shard-{}", shard.to_string().replace('/', "-of-")));
        let name = self.scenario.name().replace(|c| !is_plain(c), "-").replace(".toml@", "@");
        format!("{name}{}.{EXTENSION}", shard.unwrap_or_default())
    }

    /// The first thing, other than seeds, in which a book's header is another one than this.
    pub(super) fn difference(&self, book: &Header) -> Option<Difference> {
        let other = |what, book: String, this: String| Some(Difference { what, book, this });
        let (mine, theirs) = (&self.options, &book.options);
        let mutant = |of: &KeptOptions| of.mutant.clone().unwrap_or_else(|| "none".into());
        if self.wavetank != book.wavetank {
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

    fn difference_with_seeds(&self, book: &Header) -> Option<Difference> {
        let seeds = || {
            let text = |of: &Header| of.seeds.to_string();
            (self.seeds != book.seeds).then(|| Difference { what: "--seeds", book: text(book), this: text(self) })
        };
        self.difference(book).or_else(seeds)
    }
}

/// In what a book is of another sweep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Difference {
    pub(super) what: &'static str,
    pub(super) book: String,
    pub(super) this: String,
}

/// A line behind the header; `O`: an [`Outcome`], or nobody cares.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line<O> {
    seed: u64,
    outcome: O,
}

/// What is wrong with a book.
#[derive(Debug, thiserror::Error)]
#[error("{}: {why}", path.display())]
pub struct BookError {
    path: PathBuf,
    why: Why,
}

impl BookError {
    pub(super) fn new(path: &Path, why: impl Into<Why>) -> BookError {
        BookError { path: path.into(), why: why.into() }
    }
}

#[derive(Debug, thiserror::Error)]
pub(super) enum Why {
    #[error("{0}")]
    Io(#[from] std::io::Error),
    #[error("it is a file: --out names a folder, for a book a scenario")]
    NoFolder,
    #[error("a sweep is there already: go on with it (--resume), or name another folder")]
    Begun,
    #[error("another sweep is writing it")]
    Locked,
    #[error("two of these scenarios have one name: sweep them into two folders")]
    OneName,
    #[error("line {line}, {key}: {what}; a line is {{\"seed\": .., \"outcome\": ..}}", key = .wrong.key, what = .wrong.what)]
    Line { line: u64, wrong: WrongKey },
    #[error(
        "line 1 is no header of a sweep: {key}: {what}; name a folder that is not there yet, or one that --out made",
        key = .0.key, what = .0.what
    )]
    NoHeader(WrongKey),
    #[error("its format is {0} {1}, and this wavetank's {FORMAT} {FORMAT_VERSION}")]
    OtherFormat(String, u32),
    #[error(
        "it is of another sweep: its {} is {}, and this sweep's {}; name another folder",
        .0.what, .0.book, .0.this
    )]
    OtherSweep(Difference),
    #[error("line {line}: seed {seed} stands where seed {expected} belongs")]
    Order { line: u64, seed: u64, expected: u64 },
    #[error("line {line}: seed {seed} is none of its seeds, which are {seeds}")]
    Beyond { line: u64, seed: u64, seeds: Seeds },
}

impl Why {
    /// There is no whole line.
    pub(super) fn no_end() -> Why {
        Why::NoHeader(WrongKey { line: 1, key: ".".into(), what: "the line has no end".into() })
    }
}

/// A book that is open for writing.
#[derive(Debug)]
pub struct Book {
    path: PathBuf,
    file: File,
    seeds: Seeds,
    /// How many of its seeds have a line: the first ones.
    lines: u64,
    /// The seed of the next line.
    next: Option<u64>,
}

/// What to do about books that are there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opening {
    /// There may be none.
    Begin,
    /// Goes on with them; those that are missing are begun.
    Resume,
}

impl Book {
    /// Opens the books of a sweep: one a scenario, in their order. The folder is made when it is missing.
    ///
    /// # Errors
    /// When one cannot be written, is no book, is of another sweep, is being written by somebody else, or is there although
    /// there should be none.
    pub fn open_all(
        folder: &Path,
        scenarios: &[Scenario],
        seeds: Seeds,
        options: &RunOptions,
        opening: Opening,
    ) -> Result<Vec<Book>, BookError> {
        if folder.is_file() {
            return Err(BookError::new(folder, Why::NoFolder));
        }
        std::fs::create_dir_all(folder).map_err(|error| BookError::new(folder, error))?;
        let headers = scenarios.iter().map(|scenario| Header::of(*scenario, seeds, options));
        let headers: Vec<(PathBuf, Header)> = headers.map(|it| (folder.join(it.file_name()), it)).collect();
        let mut paths = BTreeSet::new();
        for (path, _) in &headers {
            if !paths.insert(path) {
                return Err(BookError::new(path, Why::OneName));
            }
            if opening == Opening::Begin && path.exists() {
                return Err(BookError::new(path, Why::Begun));
            }
        }
        let open = |(path, header): &(PathBuf, Header)| Book::open(path, header);
        headers.iter().map(open).collect()
    }

    fn open(path: &Path, header: &Header) -> Result<Book, BookError> {
        Book::open_it(path, header).map_err(|why| BookError::new(path, why))
    }

    fn open_it(path: &Path, header: &Header) -> Result<Book, Why> {
        let mut file = OpenOptions::new().read(true).append(true).create(true).open(path)?;
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => return Err(Why::Locked),
            // A file system without locks.
            Ok(()) | Err(TryLockError::Error(_)) => {}
        }
        let mut whole = match Reader::open(path)? {
            Opened::Book(reader) => {
                if let Some(difference) = header.difference_with_seeds(&reader.header) {
                    return Err(Why::OtherSweep(difference));
                }
                reader
            }
            Opened::Torn(line) => {
                let first = json_line(header);
                if !first.starts_with(&line) {
                    // Only what can have been torn from this header is written over.
                    return Err(Why::no_end());
                }
                file.set_len(0)?;
                file.write_all(first.as_bytes())?;
                return Ok(Book {
                    path: path.into(),
                    file,
                    seeds: header.seeds,
                    lines: 0,
                    next: header.seeds.iter().next(),
                });
            }
        };
        while whole.next::<IgnoredAny>()?.is_some() {}
        // What is torn goes.
        file.set_len(whole.end)?;
        Ok(Book { path: path.into(), file, seeds: header.seeds, lines: whole.lines, next: whole.expected.next() })
    }

    /// How many of its seeds have an outcome: the first so many.
    pub fn lines(&self) -> u64 {
        self.lines
    }

    /// What it has, in order.
    ///
    /// # Errors
    /// When it cannot be read, or a line is wrong.
    pub fn outcomes(&self) -> Result<impl Iterator<Item = Result<(u64, Outcome), BookError>> + use<>, BookError> {
        let (path, opened) = (self.path.clone(), Reader::open(&self.path));
        let mut reader = match opened.map_err(|why| BookError::new(&path, why))? {
            Opened::Book(reader) => Some(reader),
            Opened::Torn(_) => None,
        };
        Ok(std::iter::from_fn(move || {
            let next = reader.as_mut()?.next::<Outcome>().transpose()?;
            Some(next.map_err(|why| BookError::new(&path, why)))
        }))
    }

    /// Adds a seed's outcome.
    ///
    /// # Errors
    /// When it cannot be written.
    ///
    /// # Panics
    /// When it is another seed's turn.
    pub fn add(&mut self, seed: u64, outcome: &Outcome) -> Result<(), BookError> {
        assert_eq!(self.next, Some(seed), "a book is written in the order of its seeds");
        let line = json_line(&Line { seed, outcome });
        self.file.write_all(line.as_bytes()).map_err(|error| BookError::new(&self.path, error))?;
        self.lines += 1;
        self.next = Seeds { from: seed + 1, ..self.seeds }.iter().next();
        Ok(())
    }
}

/// Reads a book from its first line to its last whole one.
pub(super) struct Reader {
    pub(super) header: Header,
    reader: BufReader<File>,
    text: Vec<u8>,
    /// Seeds that have no line yet.
    expected: Box<dyn Iterator<Item = u64>>,
    lines: u64,
    /// Where the last whole line ends, in bytes.
    end: u64,
}

/// A file that is a book, or may become one.
pub(super) enum Opened {
    /// It has a header.
    Book(Box<Reader>),
    /// What there is of its first line has no end.
    Torn(String),
}

impl Reader {
    pub(super) fn open(path: &Path) -> Result<Opened, Why> {
        let mut reader = BufReader::new(File::open(path)?);
        let mut text = Vec::new();
        reader.read_until(b'\n', &mut text)?;
        if text.last() != Some(&b'\n') {
            return Ok(Opened::Torn(String::from_utf8_lossy(&text).into_owned()));
        }
        let header: Header = read(&text).map_err(Why::NoHeader)?;
        if (header.format.as_str(), header.version) != (FORMAT, FORMAT_VERSION) {
            return Err(Why::OtherFormat(header.format, header.version));
        }
        let (expected, end) = (Box::new(header.seeds.iter()), text.len() as u64);
        Ok(Opened::Book(Box::new(Reader { header, reader, text, expected, lines: 0, end })))
    }

    /// The next line's seed and outcome; none behind the last whole line.
    pub(super) fn next<O: DeserializeOwned>(&mut self) -> Result<Option<(u64, O)>, Why> {
        self.text.clear();
        self.reader.read_until(b'\n', &mut self.text)?;
        if self.text.last() != Some(&b'\n') {
            return Ok(None);
        }
        let line = self.lines + 2;
        let Line { seed, outcome } = read(&self.text).map_err(|wrong| Why::Line { line, wrong })?;
        match self.expected.next() {
            Some(expected) if expected == seed => {}
            Some(expected) => return Err(Why::Order { line, seed, expected }),
            None => return Err(Why::Beyond { line, seed, seeds: self.header.seeds }),
        }
        self.lines += 1;
        self.end += self.text.len() as u64;
        Ok(Some((seed, outcome)))
    }

    /// The bytes of the line that [`next`](Reader::next) read.
    pub(super) fn line(&self) -> &[u8] {
        &self.text
    }
}

fn read<T: DeserializeOwned>(line: &[u8]) -> Result<T, WrongKey> {
    let text = std::str::from_utf8(line).map_err(|error| WrongKey {
        line: 1,
        key: ".".into(),
        what: format!("it is not UTF-8: {error}"),
    })?;
    from_json(text)
}

pub(super) fn json_line(of: &impl Serialize) -> String {
    serde_json::to_string(of).expect("a line's parts can be JSON") + "\n"
}
