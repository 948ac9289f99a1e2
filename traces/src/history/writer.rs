//! Writes histories: the lines that [`reader`](super::reader) reads.
//!
//! Keys come in the order `index`, `time`, `process`, `type`, `f`, `value`, and, where there is something to say,
//! `rebalance-log`, `seek-to-beginning?` and `error`. What was read comes back with the same meaning: each record at the
//! same place of the same micro-operation. What a [`History`] does not keep is gone: lines that are no client's, the
//! name and value of functions that no checker looks at, and keys that the format does not know.
//!
//! A poll lists each key once, so records of one key that a program added between those of another move together.

use super::op::Op;
use super::value::{Keys, Values};
use super::{Draft, Function, History, KeyId, Kind, OpId, Part, Process, Run, Value};
use std::io::{self, Write};

/// From this many consecutive records on, a poll has them as one range.
pub const RANGE_FROM: u32 = 4;

/// What a file may hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// Consecutive records as one entry, our extension: what was one batch stays one.
    #[default]
    Ranges,
    /// Each record by itself, for tools that only know Jepsen's form. A batch becomes as many micro-operations as it has
    /// records.
    Plain,
}

/// Writes a whole history, with ranges. [`Writer::all`] leaves a choice.
pub fn write(history: &History, out: &mut impl Write) -> io::Result<()> {
    Writer::new(Form::Ranges).all(history, out)
}

/// Writes one operation, with ranges. [`Writer::op`] leaves a choice.
pub fn write_op(history: &History, id: OpId, out: &mut impl Write) -> io::Result<()> {
    Writer::new(Form::Ranges).op(history, id, out)
}

/// Writes operations, in steady state without allocating.
#[derive(Clone, Debug, Default)]
pub struct Writer {
    form: Form,
    /// The runs of a poll, by the first run of their key and by place.
    order: Vec<(u32, u32)>,
}

/// What keys and values are called.
#[derive(Clone, Copy)]
pub(super) struct Names<'a> {
    pub(super) keys: &'a Keys,
    pub(super) values: &'a Values,
}

/// An operation, wherever it is kept.
struct Line<'a> {
    index: u64,
    time: i64,
    process: Option<Process>,
    kind: Kind,
    function: Function,
    mops: u32,
    runs: &'a [Run],
    keys: &'a [KeyId],
    rebalanced: &'a [KeyId],
    seek_to_beginning: bool,
    error: Option<Value>,
}

impl<'a> Line<'a> {
    fn of_op(history: &'a History, id: OpId) -> Line<'a> {
        let Op { index, time, process, kind, function, mops, seek_to_beginning, error, .. } = *history.op(id);
        let (runs, keys, rebalanced) = (history.runs(id), history.assigned(id), history.rebalanced(id));
        Line { index, time, process, kind, function, mops, runs, keys, rebalanced, seek_to_beginning, error }
    }

    fn of_draft(draft: &'a Draft) -> Line<'a> {
        let Draft { index, time, process, kind, function, seek_to_beginning, error, .. } = *draft;
        let (runs, keys, rebalanced, mops) = (draft.runs(), &draft.keys, &draft.rebalanced, draft.mops());
        Line { index, time, process, kind, function, mops, runs, keys, rebalanced, seek_to_beginning, error }
    }
}

impl Writer {
    /// One that writes this form.
    pub fn new(form: Form) -> Writer {
        Writer { form, order: Vec::new() }
    }

    /// Writes one operation, as a line, in many small pieces: `out` had better have a buffer.
    pub fn op(&mut self, history: &History, id: OpId, out: &mut impl Write) -> io::Result<()> {
        self.line(&Line::of_op(history, id), Names { keys: &history.keys, values: &history.values }, out)
    }

    /// Writes a whole history.
    pub fn all(&mut self, history: &History, out: &mut impl Write) -> io::Result<()> {
        let mut out = io::BufWriter::new(out);
        history.ids().try_for_each(|id| self.op(history, id, &mut out))?;
        out.flush()
    }

    /// Writes an operation that no history holds.
    pub(super) fn draft(&mut self, draft: &Draft, names: Names<'_>, out: &mut impl Write) -> io::Result<()> {
        self.line(&Line::of_draft(draft), names, out)
    }

    fn line(&mut self, line: &Line<'_>, names: Names<'_>, out: &mut impl Write) -> io::Result<()> {
        write!(out, "{{\"index\":{},\"time\":{},", line.index, line.time)?;
        if let Some(process) = line.process {
            write!(out, "\"process\":{process},")?;
        }
        write!(out, "\"type\":\"{}\",\"f\":\"{}\",\"value\":", line.kind.name(), line.function.name())?;
        match line.function {
            Function::Send | Function::Poll | Function::Txn => self.micro_ops(line, names, out)?,
            Function::Assign | Function::Subscribe => keys(line.keys, names, out)?,
            Function::Crash | Function::Other => out.write_all(b"null")?,
        }
        if !line.rebalanced.is_empty() {
            out.write_all(b",\"rebalance-log\":[{\"keys\":")?;
            keys(line.rebalanced, names, out)?;
            out.write_all(b"}]")?;
        }
        if line.seek_to_beginning {
            out.write_all(b",\"seek-to-beginning?\":true")?;
        }
        if let Some(error) = line.error {
            out.write_all(b",\"error\":")?;
            value(error, names, out)?;
        }
        out.write_all(b"}\n")
    }

    fn micro_ops(&mut self, line: &Line<'_>, names: Names<'_>, out: &mut impl Write) -> io::Result<()> {
        out.write_all(b"[")?;
        let mut mop = 0;
        let mut runs = line.runs;
        while mop < line.mops {
            separate(u64::from(mop), out)?;
            match runs.first().filter(|run| run.mop == mop) {
                Some(run) if !run.is_poll() && run.count > 0 => {
                    self.sends(run, names, out)?;
                    mop += if run.part == Part::Send { run.count } else { 1 };
                    runs = &runs[1..];
                }
                _ => {
                    // No run, or a batch of nothing: neither says anything, so both are polls without data.
                    let len = runs.iter().take_while(|run| run.mop == mop).count();
                    self.poll(&runs[..len], names, out)?;
                    mop += 1;
                    runs = &runs[len..];
                }
            }
        }
        out.write_all(b"]")
    }

    fn sends(&self, run: &Run, names: Names<'_>, out: &mut impl Write) -> io::Result<()> {
        if run.part == Part::SendBatch && self.form == Form::Ranges && run.has_numbers() {
            out.write_all(b"[\"send\",")?;
            string(names.keys.name(run.key), out)?;
            out.write_all(b",")?;
            range(run, out)?;
            out.write_all(b"]")?;
            return Ok(());
        }
        for place in 0..u64::from(run.count) {
            separate(place, out)?;
            out.write_all(b"[\"send\",")?;
            string(names.keys.name(run.key), out)?;
            out.write_all(b",")?;
            let sent = run.value.after(place);
            // An array or an object by itself would be taken for an offset and a value, or for a range.
            let plain = names.values.other(sent).is_none_or(|json| !json.is_array() && !json.is_object());
            if run.offset.is_none() && plain {
                value(sent, names, out)?;
            } else {
                pair(run, place, names, out)?;
            }
            out.write_all(b"]")?;
        }
        Ok(())
    }

    fn poll(&mut self, runs: &[Run], names: Names<'_>, out: &mut impl Write) -> io::Result<()> {
        out.write_all(b"[\"poll\"")?;
        if runs.iter().any(Run::is_poll) {
            self.sort(runs);
            out.write_all(b",{")?;
            for (nth, key) in self.order.chunk_by(|a, b| a.0 == b.0).enumerate() {
                separate(nth as u64, out)?;
                string(names.keys.name(runs[key[0].1 as usize].key), out)?;
                out.write_all(b":[")?;
                let runs = key.iter().map(|(_, place)| &runs[*place as usize]).filter(|run| run.count > 0);
                for (nth, run) in runs.enumerate() {
                    separate(nth as u64, out)?;
                    self.polled(run, names, out)?;
                }
                out.write_all(b"]")?;
            }
            out.write_all(b"}")?;
        }
        out.write_all(b"]")
    }

    /// Brings the runs of each key together, keys and runs in the order in which they appear.
    fn sort(&mut self, runs: &[Run]) {
        self.order.clear();
        self.order.extend(runs.iter().enumerate().map(|(place, run)| (run.key.0, place as u32)));
        self.order.sort_unstable();
        for key in self.order.chunk_by_mut(|a, b| a.0 == b.0) {
            let first = key[0].1;
            key.iter_mut().for_each(|(by, _)| *by = first);
        }
        self.order.sort_unstable();
    }

    fn polled(&self, run: &Run, names: Names<'_>, out: &mut impl Write) -> io::Result<()> {
        if self.form == Form::Ranges && run.count >= RANGE_FROM && run.has_numbers() {
            return range(run, out);
        }
        for place in 0..u64::from(run.count) {
            separate(place, out)?;
            pair(run, place, names, out)?;
        }
        Ok(())
    }
}

impl Run {
    /// Whether all its values stand for themselves.
    fn has_numbers(&self) -> bool {
        self.value.0.checked_add(u64::from(self.count)).is_some_and(|end| end <= Value::NUMBERS)
    }

    fn offset_of(&self, place: u64) -> Option<i64> {
        self.offset.map(|offset| offset.0.saturating_add_unsigned(place))
    }
}

/// A comma before all elements of a list but the first, which is the 0th.
fn separate(nth: u64, out: &mut impl Write) -> io::Result<()> {
    if nth == 0 { Ok(()) } else { out.write_all(b",") }
}

fn range(run: &Run, out: &mut impl Write) -> io::Result<()> {
    out.write_all(b"{\"offset\":")?;
    offset(run.offset_of(0), out)?;
    write!(out, ",\"first\":{},\"count\":{}}}", run.value.0, run.count)
}

/// One record of a run, as `[offset, value]`.
fn pair(run: &Run, place: u64, names: Names<'_>, out: &mut impl Write) -> io::Result<()> {
    out.write_all(b"[")?;
    offset(run.offset_of(place), out)?;
    out.write_all(b",")?;
    value(run.value.after(place), names, out)?;
    out.write_all(b"]")
}

fn offset(offset: Option<i64>, out: &mut impl Write) -> io::Result<()> {
    match offset {
        Some(offset) => write!(out, "{offset}"),
        None => out.write_all(b"null"),
    }
}

fn value(value: Value, names: Names<'_>, out: &mut impl Write) -> io::Result<()> {
    match names.values.other(value) {
        Some(json) => Ok(serde_json::to_writer(out, json)?),
        None => write!(out, "{}", value.0),
    }
}

fn keys(keys: &[KeyId], names: Names<'_>, out: &mut impl Write) -> io::Result<()> {
    out.write_all(b"[")?;
    for (nth, key) in keys.iter().enumerate() {
        separate(nth as u64, out)?;
        string(names.keys.name(*key), out)?;
    }
    out.write_all(b"]")
}

fn string(text: &str, out: &mut impl Write) -> io::Result<()> {
    Ok(serde_json::to_writer(out, text)?)
}
