//! Reads histories: JSON lines, one operation a line.
//!
//! ```text
//! {"index": 0, "time": 10, "process": 3, "type": "invoke", "f": "txn", "value": [["send", "p0", 7], ["poll"]]}
//! {"index": 1, "time": 25, "process": 3, "type": "ok", "f": "txn", "value": [["send", "p0", [104, 7]], ["poll", {"p1": [[12, 3], [13, 4]]}]]}
//! ```
//!
//! * `index` grows from line to line; without one, it is the line's number, from 0. `time` is in nanoseconds (or any
//!   unit of the history's own), 0 if missing.
//! * `process` is a whole number. A line whose process is anything else (`"nemesis"`) is not a client's, and is ignored.
//!   A line without one is an operation that cannot be paired: single operations for the tests of a checker.
//! * `type` is `invoke`, `ok`, `fail` or `info`. A completion belongs to its process's open invocation.
//! * `f` is `send`, `poll`, `txn`, `assign`, `subscribe` or `crash`. The value of any other operation is ignored.
//! * `value` of `send`, `poll` and `txn` is a list of micro-operations, or null for none: `["send", key, value]` (an
//!   invocation, or no offset is known), `["send", key, [offset, value]]`, `["poll"]` (an invocation, or no data),
//!   `["poll", {key: [[offset, value], ...], ...}]`. Of `assign` and `subscribe` it is a list of keys.
//! * An offset is a whole number, or null if unknown; a negative one is unknown too. A key is a string, or a number that
//!   is the same key as its string. A value is any JSON; an array or an object must come with an offset, which may be
//!   null: `["send", key, [null, {"a": 1}]]`.
//! * Optional: `rebalance-log`, `[{"keys": [...]}, ...]`, the keys that rebalances during the operation moved;
//!   `seek-to-beginning?`, of an `assign`; `error`, any JSON. Other keys are ignored.
//!
//! Our extension: consecutive records can be one entry. `{"offset": 100, "first": 5000, "count": 64}` stands for the
//! values 5000 to 5063 at the offsets 100 to 163, in place of a send's value or of an entry in a poll's list. It has
//! exactly these keys; `offset` may be null.
//!
//! ```
//! # use wavetank_traces::history::reader;
//! let lines = r#"{"process": 0, "type": "invoke", "f": "send", "value": [["send", "p0", {"offset": null, "first": 5000, "count": 64}]]}
//! {"process": 0, "type": "ok", "f": "send", "value": [["send", "p0", {"offset": 100, "first": 5000, "count": 64}]]}
//! {"process": 1, "type": "invoke", "f": "poll", "value": [["poll"]]}
//! {"process": 1, "type": "ok", "f": "poll", "value": [["poll", {"p0": [[99, "a"], {"offset": 100, "first": 5000, "count": 64}]}]]}"#;
//! let history = reader::read(lines.as_bytes(), "history.jsonl")?;
//! let polled = history.find(3).unwrap();
//! assert_eq!(history.polls(polled).map(|run| run.count).collect::<Vec<_>>(), [1, 64]);
//! # Ok::<(), wavetank_traces::history::ReadError>(())
//! ```

use super::line::{Line, Told};
use super::{Draft, History, OpId, ReadError, ReadErrorKind};
use std::io::{BufRead, Read};

/// How long a line may be, unless [`Reader::with_max_line`] says otherwise: 64 MiB.
pub const MAX_LINE: usize = 64 << 20;

/// Reads a whole history. `name` is what errors call the source.
pub fn read(source: impl BufRead, name: &str) -> Result<History, ReadError> {
    let mut reader = Reader::new(source, name);
    let mut history = History::new();
    while reader.next_into(&mut history)?.is_some() {}
    Ok(history)
}

/// Reads a history operation by operation.
#[derive(Debug)]
pub struct Reader<R> {
    source: R,
    name: String,
    max_line: usize,
    /// Lines read so far.
    lines: u64,
    line: Vec<u8>,
    draft: Draft,
    /// Where numbers are written out.
    text: String,
}

impl<R: BufRead> Reader<R> {
    /// A reader at the beginning of `source`, which errors call `name`.
    pub fn new(source: R, name: &str) -> Reader<R> {
        Reader {
            source,
            name: name.to_owned(),
            max_line: MAX_LINE,
            lines: 0,
            line: Vec::new(),
            draft: Draft::default(),
            text: String::new(),
        }
    }

    /// Refuses lines of more than this many bytes, without reading them to their end.
    #[must_use]
    pub fn with_max_line(self, max_line: usize) -> Reader<R> {
        Reader { max_line, ..self }
    }

    /// Adds the next client operation to `history`, which must be the one that took all before; `None` at the end.
    ///
    /// After an error the rest of the source means nothing any more.
    pub fn next_into(&mut self, history: &mut History) -> Result<Option<OpId>, ReadError> {
        while self.next_line().map_err(|kind| self.error(kind))? {
            if let Some(id) = self.take_line(history).map_err(|kind| self.error(kind))? {
                return Ok(Some(id));
            }
        }
        Ok(None)
    }

    /// Reads a line into `self.line`; false at the end.
    fn next_line(&mut self) -> Result<bool, ReadErrorKind> {
        self.line.clear();
        // One byte more for the newline.
        let limit = self.max_line as u64 + 1;
        let taken = self.source.by_ref().take(limit).read_until(b'\n', &mut self.line);
        self.lines += 1;
        taken.map_err(ReadErrorKind::Io)?;
        if self.line.last() == Some(&b'\n') {
            self.line.pop();
        } else if self.line.len() > self.max_line {
            return Err(ReadErrorKind::TooLong { limit: self.max_line });
        } else if self.line.is_empty() {
            return Ok(false);
        }
        Ok(true)
    }

    /// Adds the operation of `self.line`, if it is a client's.
    fn take_line(&mut self, history: &mut History) -> Result<Option<OpId>, ReadErrorKind> {
        let text = std::str::from_utf8(&self.line)
            .map_err(|error| ReadErrorKind::NotUtf8 { byte: error.valid_up_to() + 1 })?;
        if text.trim_ascii().is_empty() {
            return Ok(None);
        }
        self.draft.clear();
        self.draft.index = self.lines - 1;
        match Line::new(history, &mut self.draft, &mut self.text).read(text)? {
            Told::Other => Ok(None),
            Told::Client => history.push(&self.draft).map(Some).map_err(ReadErrorKind::Refused),
        }
    }

    fn error(&self, kind: ReadErrorKind) -> ReadError {
        ReadError { source_name: self.name.clone(), line: self.lines, kind }
    }
}
