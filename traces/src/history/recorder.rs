//! What a running system is recorded into, operation by operation.

use super::pairing::Pairing;
use super::value::{Keys, Values};
use super::writer::{Form, Names, Writer};
use super::{Draft, History, KeyId, Refusal, Value};
use std::io::{self, Write};
use thiserror::Error;

/// Why an operation could not be recorded.
#[derive(Debug, Error)]
pub enum RecordError {
    /// It cannot be the next one.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// It could not be written; what was written ends in the middle of a line.
    #[error("the history cannot be written: {0}")]
    Io(#[from] io::Error),
}

/// Takes the operations of a running system, in the order in which they are observed.
pub trait Recorder: Send {
    /// The number of a key, new or known. It means this key in this recorder only.
    fn key(&mut self, name: &str) -> KeyId;

    /// The number of a value, new or known; likewise. Small whole numbers need none: see [`Value`].
    fn value(&mut self, json: &serde_json::Value) -> Value;

    /// Takes an operation, or refuses it and stays as it was.
    fn record(&mut self, draft: &Draft) -> Result<(), RecordError>;
}

/// Keeps everything.
impl Recorder for History {
    fn key(&mut self, name: &str) -> KeyId {
        History::key(self, name)
    }

    fn value(&mut self, json: &serde_json::Value) -> Value {
        History::value(self, json)
    }

    fn record(&mut self, draft: &Draft) -> Result<(), RecordError> {
        Ok(self.push(draft).map(drop)?)
    }
}

/// Writes each operation at once, as a line, and remembers only what is open, keys, and values that are not small whole
/// numbers. An operation is one `write`; a buffer around a file is the caller's choice.
#[derive(Debug)]
pub struct LinesRecorder<W> {
    out: W,
    writer: Writer,
    line: Vec<u8>,
    keys: Keys,
    values: Values,
    pairing: Pairing<()>,
}

impl<W: Write> LinesRecorder<W> {
    /// Writes to `out`.
    pub fn new(out: W, form: Form) -> LinesRecorder<W> {
        LinesRecorder {
            out,
            writer: Writer::new(form),
            line: Vec::new(),
            keys: Keys::default(),
            values: Values::default(),
            pairing: Pairing::default(),
        }
    }

    /// Ends the recording: flushes, and gives back what was written to.
    pub fn finish(mut self) -> io::Result<W> {
        self.out.flush()?;
        Ok(self.out)
    }
}

impl<W: Write + Send> Recorder for LinesRecorder<W> {
    fn key(&mut self, name: &str) -> KeyId {
        self.keys.intern(name)
    }

    fn value(&mut self, json: &serde_json::Value) -> Value {
        self.values.intern(json)
    }

    fn record(&mut self, draft: &Draft) -> Result<(), RecordError> {
        self.pairing.next(draft, ())?;
        let names = Names { keys: &self.keys, values: &self.values };
        self.line.clear();
        self.writer.draft(draft, names, &mut self.line)?;
        Ok(self.out.write_all(&self.line)?)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Function, Kind, Process, reader};
    use super::*;
    use crate::Offset;

    /// The same operations for any recorder.
    fn play(recorder: &mut dyn Recorder) -> Vec<Result<(), String>> {
        let (x, y) = (recorder.key("x"), recorder.key("y"));
        let timeout = recorder.value(&"timeout".into());
        let mut draft = Draft::default();
        let mut results = Vec::new();
        for (index, process, kind) in [
            (0, 1, Kind::Invoke),
            (1, 2, Kind::Invoke),
            (2, 1, Kind::Ok),
            (2, 2, Kind::Ok),
            (3, 1, Kind::Fail),
            (4, 2, Kind::Info),
        ] {
            draft.clear();
            (draft.index, draft.process, draft.kind, draft.function) =
                (index, Some(Process(process)), kind, Function::Txn);
            draft.send_batch(x, (kind == Kind::Ok).then_some(Offset(70)), Value(1000), 500);
            draft.poll();
            draft.polled(y, Some(Offset(3)), timeout, 1);
            draft.error = (kind == Kind::Info).then_some(timeout);
            results.push(recorder.record(&draft).map_err(|error| error.to_string()));
        }
        results
    }

    #[test]
    fn a_file_takes_and_refuses_what_memory_does_and_reads_the_same() {
        let mut memory = History::new();
        let mut file = LinesRecorder::new(Vec::new(), Form::Ranges);
        let results = play(&mut memory);
        assert_eq!(results.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, true, true, false, false, true]);
        assert_eq!(play(&mut file), results);

        let bytes = file.finish().unwrap();
        let mut again = Vec::new();
        super::super::writer::write(&memory, &mut again).unwrap();
        assert_eq!(String::from_utf8(bytes.clone()).unwrap(), String::from_utf8(again).unwrap());
        let read = reader::read(&bytes[..], "recorded").unwrap();
        assert_eq!(
            read.ids().map(|id| read.runs(id)).collect::<Vec<_>>(),
            memory.ids().map(|id| memory.runs(id)).collect::<Vec<_>>()
        );
    }
}
