//! Why a file is no history.

use super::Refusal;
use std::fmt;
use thiserror::Error;

/// What is wrong with a history's file, and where.
#[derive(Debug, Error)]
#[error("{source_name}:{line}: {kind}")]
pub struct ReadError {
    /// What was read: a file's name.
    pub source_name: String,
    /// The line, from 1, as an editor counts.
    pub line: u64,
    /// What is wrong there.
    pub kind: ReadErrorKind,
}

/// What can be wrong with a line. Columns and bytes count from 1 within the line.
#[derive(Debug, Error)]
pub enum ReadErrorKind {
    /// It could not be read at all.
    #[error("it cannot be read: {0}")]
    Io(std::io::Error),
    /// What was made of it could not be written.
    #[error("what was made of it cannot be written: {0}")]
    Output(std::io::Error),
    /// The line goes on and on.
    #[error("it is longer than {limit} bytes; a history has one operation a line")]
    TooLong {
        /// How much would have been read.
        limit: usize,
    },
    /// Text is UTF-8.
    #[error("byte {byte} is not UTF-8; a history is UTF-8 text")]
    NotUtf8 {
        /// The first that is not.
        byte: usize,
    },
    /// Half a line: its writer was cut short.
    #[error("it breaks off at column {column}; a line is one whole JSON object")]
    Truncated {
        /// Where it ends.
        column: usize,
    },
    /// Anything else that JSON's grammar has no place for, and numbers and nestings that are too big.
    #[error("it is not JSON at column {column}: {message}")]
    NotJson {
        /// Where that shows.
        column: usize,
        /// What is wrong.
        message: String,
    },
    /// JSON, but no operation.
    #[error("{place}{message} (column {column})", place = Place(.place))]
    Shape {
        /// In which part of the operation, for example `value[2]`, its third micro-operation. Empty: in none.
        place: String,
        /// What is wrong, and what would be right.
        message: String,
        /// Where that shows.
        column: usize,
    },
    /// An operation that cannot follow those before.
    #[error(transparent)]
    Refused(Refusal),
    /// Not EDN, or EDN that is no operation.
    #[error("column {column}: {message}")]
    Edn {
        /// Where that shows.
        column: u64,
        /// What is wrong, and what would be right.
        message: String,
    },
}

/// The place before a message.
struct Place<'a>(&'a str);

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() { Ok(()) } else { write!(f, "{}: ", self.0) }
    }
}

impl ReadErrorKind {
    /// What the JSON parser says of one line, of which it was reading `place`.
    pub(super) fn of_json(error: &serde_json::Error, place: String) -> ReadErrorKind {
        let column = error.column();
        let text = error.to_string();
        let message = text.strip_suffix(&format!(" at line {} column {column}", error.line())).unwrap_or(&text);
        match error.classify() {
            serde_json::error::Category::Eof => ReadErrorKind::Truncated { column },
            serde_json::error::Category::Data => ReadErrorKind::Shape { place, message: short(message), column },
            serde_json::error::Category::Syntax | serde_json::error::Category::Io => {
                ReadErrorKind::NotJson { column, message: short(message) }
            }
        }
    }
}

/// A message may quote the file, and the file may be anything.
pub(super) fn short(message: &str) -> String {
    const MOST: usize = 300;
    match message.char_indices().nth(MOST) {
        None => message.to_owned(),
        Some((end, _)) => format!("{}...", &message[..end]),
    }
}
