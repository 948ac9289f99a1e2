//! Bytes, one by one, and where they are.

use crate::history::read_error::short;
use crate::history::{ReadError, ReadErrorKind};
use std::io::{self, BufRead};

/// A line and a column, from 1.
#[derive(Clone, Copy)]
pub(super) struct Place {
    line: u64,
    column: u64,
}

/// A source that knows where it is.
pub(super) struct Source<R> {
    bytes: R,
    name: String,
    next: Place,
    /// How many bytes may still be taken.
    budget: usize,
}

impl<R: BufRead> Source<R> {
    pub(super) fn new(bytes: R, name: &str) -> Source<R> {
        Source { bytes, name: name.to_owned(), next: Place { line: 1, column: 1 }, budget: 0 }
    }

    /// From here on, at most this many bytes.
    pub(super) fn allow(&mut self, budget: usize) {
        self.budget = budget;
    }

    /// Where the next byte is.
    pub(super) fn place(&self) -> Place {
        self.next
    }

    /// The next byte, which stays the next one; `None` at the end.
    pub(super) fn peek(&mut self) -> Result<Option<u8>, ReadError> {
        loop {
            match self.bytes.fill_buf() {
                Ok(bytes) => return Ok(bytes.first().copied()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    let kind = ReadErrorKind::Io(error);
                    return Err(ReadError { source_name: self.name.clone(), line: self.next.line, kind });
                }
            }
        }
    }

    /// Takes the next byte; `None` at the end.
    pub(super) fn take(&mut self) -> Result<Option<u8>, ReadError> {
        let Some(byte) = self.peek()? else { return Ok(None) };
        let Some(budget) = self.budget.checked_sub(1) else {
            return Err(self.error(self.next, "the operation is too long; its limit is 64 MiB"));
        };
        self.budget = budget;
        self.bytes.consume(1);
        self.next = if byte == b'\n' {
            Place { line: self.next.line + 1, column: 1 }
        } else {
            Place { column: self.next.column + 1, ..self.next }
        };
        Ok(Some(byte))
    }

    /// Takes the next byte if it is this one.
    pub(super) fn take_if(&mut self, byte: u8) -> Result<bool, ReadError> {
        let there = self.peek()? == Some(byte);
        if there {
            self.take()?;
        }
        Ok(there)
    }

    pub(super) fn error(&self, at: Place, message: &str) -> ReadError {
        let kind = ReadErrorKind::Edn { column: at.column, message: short(message) };
        ReadError { source_name: self.name.clone(), line: at.line, kind }
    }

    /// An error about what was read last.
    pub(super) fn error_here(&self, kind: ReadErrorKind) -> ReadError {
        ReadError { source_name: self.name.clone(), line: self.next.line, kind }
    }
}
