//! Books of several sweeps joined: of shards, or of ranges of seeds that follow each other. What comes of it is, byte for
//! byte, what one sweep over all of the seeds writes.

use super::artifact::KeptOptions;
use super::book::{BookError, Difference, EXTENSION, Header, Opened, Reader, Why, json_line};
use super::seeds::Seeds;
use super::totals::Totals;
use crate::scenario::{NoScenario, RunOptions, Scenario, UnknownName};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use wavetank_traces::artifact::Outcome;

/// What books of one scenario were joined to.
#[derive(Debug)]
pub struct Merged {
    /// Of what.
    pub scenario: Scenario,
    /// How every seed was run.
    pub options: RunOptions,
    /// Which seeds it has: all of them.
    pub seeds: Seeds,
    /// What they add up to.
    pub totals: Totals,
    /// The book.
    pub path: PathBuf,
}

/// Why books cannot be joined. Nothing is written then.
#[derive(Debug, thiserror::Error)]
pub enum MergeError {
    /// One is wrong, or cannot be read or written.
    #[error(transparent)]
    Book(#[from] BookError),
    /// Not what is to be merged.
    #[error("{}: {why}", path.display())]
    Folder {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// They are of different sweeps.
    #[error("{} and {} are of two sweeps: the {what} of the one is {one}, and of the other {other}", paths[0].display(), paths[1].display())]
    OtherSweep {
        /// The one and the other.
        paths: [PathBuf; 2],
        /// In what they differ.
        what: &'static str,
        /// How the one has it.
        one: String,
        /// How the other has it.
        other: String,
    },
    /// A seed is in two of them.
    #[error("seed {seed} is in {} and in {}", paths[0].display(), paths[1].display())]
    Twice {
        /// The seed.
        seed: u64,
        /// Where.
        paths: [PathBuf; 2],
    },
    /// Seeds are in none of them.
    #[error("{0}")]
    Missing(Missing),
    /// Their scenario means nothing any more.
    #[error("{}: its scenario means nothing to this wavetank: {why}", path.display())]
    Scenario {
        /// A book of it.
        path: PathBuf,
        /// Why.
        why: NoScenario,
    },
    /// Their options mean nothing any more.
    #[error("{}: its options mean nothing to this wavetank: {why}", path.display())]
    Options {
        /// A book with them.
        path: PathBuf,
        /// Why.
        why: UnknownName,
    },
}

/// Seeds that no book has.
#[derive(Debug, Default)]
pub struct Missing {
    scenario: String,
    count: u64,
    /// The first few ranges of them.
    ranges: Vec<Range<u64>>,
    /// A book that should have the first of them.
    book: Option<PathBuf>,
}

/// So many ranges of missing seeds are named.
const NAMED: usize = 8;

impl Missing {
    fn add(&mut self, seeds: Range<u64>) {
        self.count += seeds.end - seeds.start;
        if self.ranges.len() <= NAMED {
            self.ranges.push(seeds);
        }
    }
}

impl std::fmt::Display for Missing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Missing { scenario, count, ranges, book } = self;
        write!(f, "{scenario}: seeds are missing, {count} in all: ")?;
        for (n, Range { start, end }) in ranges.iter().take(NAMED).enumerate() {
            let comma = if n == 0 { "" } else { ", " };
            match end - start {
                1 => write!(f, "{comma}{start}")?,
                _ => write!(f, "{comma}{start}..{end}")?,
            }
        }
        if ranges.len() > NAMED {
            write!(f, ", ..")?;
        }
        match book {
            Some(book) => write!(f, "; {} has not come to its end: go on with its sweep (--resume)", book.display()),
            None => write!(f, "; none of these books is for the first of them"),
        }
    }
}

/// A book that is read, and its next line.
struct Part {
    path: PathBuf,
    reader: Box<Reader>,
    next: Option<(u64, Outcome)>,
}

impl Part {
    fn open(path: PathBuf) -> Result<Part, BookError> {
        match Reader::open(&path) {
            Ok(Opened::Book(reader)) => {
                let mut part = Part { path, reader, next: None };
                part.advance()?;
                Ok(part)
            }
            Ok(Opened::Torn(_)) => Err(BookError::new(&path, Why::no_end())),
            Err(why) => Err(BookError::new(&path, why)),
        }
    }

    fn advance(&mut self) -> Result<(), BookError> {
        self.next = self.reader.next().map_err(|why| BookError::new(&self.path, why))?;
        Ok(())
    }

    fn seed(&self) -> Option<u64> {
        self.next.as_ref().map(|(seed, _)| *seed)
    }
}

/// Joins the books in these folders, and writes a book a scenario into another folder.
///
/// # Errors
/// When a book is wrong or unfinished, when books of one scenario are of two sweeps, when seeds are in two books or in none,
/// or when there is a book already where one is to be written.
pub fn merge(folders: &[PathBuf], out: &Path) -> Result<Vec<Merged>, MergeError> {
    let mut by_name: BTreeMap<String, Vec<Part>> = BTreeMap::new();
    for path in books(folders)? {
        let part = Part::open(path)?;
        by_name.entry(part.reader.header.scenario.name()).or_default().push(part);
    }
    let folder = |path: &Path, why: String| MergeError::Folder { path: path.into(), why };
    std::fs::create_dir_all(out).map_err(|error| folder(out, error.to_string()))?;
    let mut merged = Vec::new();
    for parts in by_name.into_values() {
        merged.push(join(parts, out).inspect_err(|_| merged.iter().for_each(|it: &Merged| forget(&it.path)))?);
    }
    for Merged { path, .. } in &merged {
        std::fs::rename(unfinished(path), path).map_err(|error| folder(path, error.to_string()))?;
    }
    Ok(merged)
}

/// All books in these folders, in the order of folders and names.
fn books(folders: &[PathBuf]) -> Result<Vec<PathBuf>, MergeError> {
    let mut all = Vec::new();
    for path in folders {
        let folder = |why: String| MergeError::Folder { path: path.clone(), why };
        let mut of_folder = Vec::new();
        for entry in std::fs::read_dir(path).map_err(|error| folder(error.to_string()))? {
            let path = entry.map_err(|error| folder(error.to_string()))?.path();
            of_folder.extend(path.extension().is_some_and(|it| it == EXTENSION).then_some(path));
        }
        if of_folder.is_empty() {
            return Err(folder("there is no book of a sweep in it".into()));
        }
        of_folder.sort();
        all.extend(of_folder);
    }
    Ok(all)
}

/// Where a book is until all are right.
fn unfinished(path: &Path) -> PathBuf {
    path.with_added_extension("part")
}

/// What is left of a merge that failed is of no use; that it stays does no harm either.
fn forget(path: &Path) {
    let _ = std::fs::remove_file(unfinished(path));
}

/// Joins the books of one scenario.
fn join(mut parts: Vec<Part>, out: &Path) -> Result<Merged, MergeError> {
    let header = joined_header(&parts)?;
    let path = out.join(header.file_name());
    if path.exists() {
        return Err(MergeError::Folder { path, why: "it is there already: name another folder".into() });
    }
    let first = &parts[0].path;
    let scenario =
        Scenario::of_text(&header.scenario).map_err(|why| MergeError::Scenario { path: first.clone(), why })?;
    let options = options(&header.options, first)?;
    let mut totals = Totals::new(scenario);
    let io = |error: std::io::Error| BookError::new(&path, error);
    let mut file = BufWriter::new(File::create(unfinished(&path)).map_err(io)?);
    let written = file.write_all(json_line(&header).as_bytes()).map_err(|error| io(error).into());
    let written = written.and_then(|()| {
        in_order(&mut parts, header.seeds, |outcome, line| {
            totals.add(outcome);
            file.write_all(line).map_err(io)
        })
    });
    let written = written.and_then(|()| file.flush().map_err(|error| io(error).into()));
    written.inspect_err(|_: &MergeError| forget(&path))?;
    Ok(Merged { scenario, options, seeds: header.seeds, totals, path })
}

fn options(kept: &KeptOptions, path: &Path) -> Result<RunOptions, MergeError> {
    kept.options().map_err(|why| MergeError::Options { path: path.into(), why })
}

/// The header of all of them: the same but for seeds.
fn joined_header(parts: &[Part]) -> Result<Header, MergeError> {
    let (first, others) = parts.split_first().expect("a scenario is known by a book of it");
    let mut seeds = Seeds { shard: None, ..first.reader.header.seeds };
    for other in others {
        if let Some(Difference { what, book, this }) = first.reader.header.difference(&other.reader.header) {
            let paths = [first.path.clone(), other.path.clone()];
            return Err(MergeError::OtherSweep { paths, what, one: this, other: book });
        }
        seeds.from = seeds.from.min(other.reader.header.seeds.from);
        seeds.to = seeds.to.max(other.reader.header.seeds.to);
    }
    let mut header = first.reader.header.clone();
    header.seeds = seeds;
    Ok(header)
}

/// Hands over the lines of all of them in the order of seeds.
fn in_order(
    parts: &mut [Part],
    seeds: Seeds,
    mut each: impl FnMut(&Outcome, &[u8]) -> Result<(), BookError>,
) -> Result<(), MergeError> {
    let mut missing = Missing::default();
    let mut expected = seeds.from;
    while let Some((seed, at)) = (0..parts.len()).filter_map(|at| Some((parts[at].seed()?, at))).min() {
        if let Some(other) = (at + 1..parts.len()).find(|other| parts[*other].seed() == Some(seed)) {
            return Err(MergeError::Twice { seed, paths: [at, other].map(|at| parts[at].path.clone()) });
        }
        if seed > expected {
            missing.add(expected..seed);
        }
        let part = &mut parts[at];
        if let Some((_, outcome)) = &part.next {
            each(outcome, part.reader.line())?;
        }
        part.advance()?;
        expected = seed + 1;
    }
    if expected < seeds.to {
        missing.add(expected..seeds.to);
    }
    let Some(first) = missing.ranges.first().map(|range| range.start) else { return Ok(()) };
    missing.scenario = parts[0].reader.header.scenario.name();
    let should_have = parts.iter().find(|part| part.reader.header.seeds.contains(first));
    missing.book = should_have.map(|part| part.path.clone());
    Err(MergeError::Missing(missing))
}
