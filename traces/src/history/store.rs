//! A history in memory: operations, their runs, and who completes whom.

use super::op::Span;
use super::pairing::Pairing;
use super::value::{Keys, Values};
use super::{Function, KeyId, Kind, Op, OpId, Part, Process, Run, Value};
use crate::Offset;
use thiserror::Error;

/// Why an operation cannot be the next one of a history.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Refusal {
    /// A process does one thing at a time.
    #[error("process {process} invokes while its operation {open} is still open; complete that one first")]
    StillOpen {
        /// Whose.
        process: Process,
        /// The open invocation's index.
        open: u64,
    },
    /// A completion needs something to complete.
    #[error("process {process} completes ({kind}) an operation that it never invoked", kind = .kind.name())]
    NeverInvoked {
        /// Whose.
        process: Process,
        /// With what.
        kind: Kind,
    },
    /// Findings name operations by index.
    #[error("index {index} comes after index {last}; indices must grow from line to line")]
    IndexNotGrowing {
        /// This one.
        index: u64,
        /// The one before.
        last: u64,
    },
    /// What lies after a record has an offset too.
    #[error("{count} records from offset {offset} on go beyond the greatest offset, 2^63 - 1")]
    OffsetTooBig {
        /// The first record's offset.
        offset: Offset,
        /// How many there are.
        count: u32,
    },
    /// Indices into a history are 32 bits.
    #[error("a history holds at most 2^32 - 1 operations, runs of records and listed keys")]
    Full,
}

/// An operation that is being put together. Reused from one to the next, it allocates nothing.
#[derive(Clone, Debug, Default)]
pub struct Draft {
    /// See [`Op::index`].
    pub index: u64,
    /// See [`Op::time`].
    pub time: i64,
    /// See [`Op::process`].
    pub process: Option<Process>,
    /// See [`Op::kind`].
    pub kind: Kind,
    /// See [`Op::function`].
    pub function: Function,
    /// See [`Op::seek_to_beginning`].
    pub seek_to_beginning: bool,
    /// See [`Op::error`].
    pub error: Option<Value>,
    /// Of `assign` and `subscribe`: the keys.
    pub keys: Vec<KeyId>,
    /// The keys that rebalances during this operation moved.
    pub rebalanced: Vec<KeyId>,
    runs: Vec<Run>,
    /// Micro-operations so far.
    mops: u32,
}

impl Draft {
    /// Forgets everything but its memory.
    pub fn clear(&mut self) {
        let Draft { mut keys, mut rebalanced, mut runs, .. } = std::mem::take(self);
        keys.clear();
        rebalanced.clear();
        runs.clear();
        *self = Draft { keys, rebalanced, runs, ..Draft::default() };
    }

    /// Adds the micro-operation that sends one record.
    pub fn send(&mut self, key: KeyId, offset: Option<Offset>, value: Value) {
        self.add(Run { key, mop: self.mops, part: Part::Send, count: 1, offset, value });
        self.mops += 1;
    }

    /// Adds one micro-operation that sends `count` records: consecutive values, at consecutive offsets if any is known.
    pub fn send_batch(&mut self, key: KeyId, offset: Option<Offset>, value: Value, count: u32) {
        self.add(Run { key, mop: self.mops, part: Part::SendBatch, count, offset, value });
        self.mops += 1;
    }

    /// Begins the micro-operation that polls; [`Draft::polled`] says what it returned.
    pub fn poll(&mut self) {
        self.mops += 1;
    }

    /// The last [`Draft::poll`] returned these records. No records (`count` 0) says that the key was listed with none.
    pub fn polled(&mut self, key: KeyId, offset: Option<Offset>, value: Value, count: u32) {
        debug_assert!(self.mops > 0, "poll() begins a poll");
        self.add(Run { key, mop: self.mops.saturating_sub(1), part: Part::Poll, count, offset, value });
    }

    /// The runs so far.
    pub fn runs(&self) -> &[Run] {
        &self.runs
    }

    /// How many micro-operations there are so far.
    pub fn mops(&self) -> u32 {
        self.mops
    }

    fn add(&mut self, run: Run) {
        // A negative offset is Kafka's way to say that there is none (acks=0).
        let run = Run { offset: run.offset.filter(|offset| offset.0 >= 0), ..run };
        if !self.runs.last_mut().is_some_and(|last| last.absorb(&run)) {
            self.runs.push(run);
        }
    }
}

/// A history in memory. See the [module](super).
#[derive(Clone, Debug, Default)]
pub struct History {
    ops: Vec<Op>,
    runs: Vec<Run>,
    lists: Vec<KeyId>,
    pub(super) keys: Keys,
    pub(super) values: Values,
    pairing: Pairing<OpId>,
}

impl History {
    /// An empty one.
    pub fn new() -> History {
        History::default()
    }

    /// The number of a key, new or known.
    pub fn key(&mut self, name: &str) -> KeyId {
        self.keys.intern(name)
    }

    /// The number of a key that the history knows.
    pub fn find_key(&self, name: &str) -> Option<KeyId> {
        self.keys.get(name)
    }

    /// A key's name.
    pub fn key_name(&self, key: KeyId) -> &str {
        self.keys.name(key)
    }

    /// How many keys there are; they are numbered from 0.
    pub fn keys(&self) -> usize {
        self.keys.len()
    }

    /// The number of a value, new or known.
    pub fn value(&mut self, json: &serde_json::Value) -> Value {
        self.values.intern(json)
    }

    /// A value as it was given.
    pub fn value_json(&self, value: Value) -> serde_json::Value {
        self.values.json(value)
    }

    /// Adds an operation at the end.
    pub fn push(&mut self, draft: &Draft) -> Result<OpId, Refusal> {
        for run in &draft.runs {
            if let Some(offset) = run.offset.filter(|offset| offset.0.checked_add(i64::from(run.count)).is_none()) {
                return Err(Refusal::OffsetTooBig { offset, count: run.count });
            }
        }
        let small = |len: usize| u32::try_from(len).ok().filter(|len| *len < u32::MAX).ok_or(Refusal::Full);
        let id = OpId(small(self.ops.len())?);
        small(self.runs.len() + draft.runs.len())?;
        small(self.lists.len() + draft.keys.len() + draft.rebalanced.len())?;

        let partner = self.pairing.next(draft, id)?;
        if let Some(invocation) = partner {
            self.ops[invocation.0 as usize].partner = Some(id);
        }
        let runs = append(&mut self.runs, &draft.runs);
        let keys = append(&mut self.lists, &draft.keys);
        let rebalanced = append(&mut self.lists, &draft.rebalanced);
        self.ops.push(Op {
            index: draft.index,
            time: draft.time,
            process: draft.process,
            kind: draft.kind,
            function: draft.function,
            seek_to_beginning: draft.seek_to_beginning,
            error: draft.error,
            mops: draft.mops,
            partner,
            runs,
            keys,
            rebalanced,
        });
        Ok(id)
    }

    /// All operations, in order.
    pub fn ids(&self) -> impl DoubleEndedIterator<Item = OpId> + use<> {
        (0..self.ops.len() as u32).map(OpId)
    }

    /// How many operations there are.
    pub fn len(&self) -> usize {
        self.ops.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.ops.is_empty()
    }

    /// How many runs of records all operations have together.
    pub fn run_count(&self) -> usize {
        self.runs.len()
    }

    /// One operation.
    pub fn op(&self, id: OpId) -> &Op {
        &self.ops[id.0 as usize]
    }

    /// The operation of this index.
    pub fn find(&self, index: u64) -> Option<OpId> {
        self.ops.binary_search_by_key(&index, |op| op.index).ok().map(|place| OpId(place as u32))
    }

    /// An invocation's completion, if there was one, or a completion's invocation.
    pub fn partner(&self, id: OpId) -> Option<OpId> {
        self.op(id).partner
    }

    /// The invocations that nobody completed, by process.
    pub fn open(&self) -> impl Iterator<Item = (Process, OpId)> {
        self.pairing.open()
    }

    /// What an operation's micro-operations sent and polled, whatever its function, in order.
    pub fn runs(&self, id: OpId) -> &[Run] {
        &self.runs[self.op(id).runs.range()]
    }

    /// What it sent: `send` and `txn` only.
    pub fn sends(&self, id: OpId) -> impl Iterator<Item = &Run> {
        let counts = self.op(id).function.sends();
        self.runs(id).iter().filter(move |run| counts && !run.is_poll())
    }

    /// What it polled: `poll` and `txn` only.
    pub fn polls(&self, id: OpId) -> impl Iterator<Item = &Run> {
        let counts = self.op(id).function.polls();
        self.runs(id).iter().filter(move |run| counts && run.is_poll())
    }

    /// The keys that an `assign` or `subscribe` lists.
    pub fn assigned(&self, id: OpId) -> &[KeyId] {
        &self.lists[self.op(id).keys.range()]
    }

    /// The keys that rebalances during the operation moved.
    pub fn rebalanced(&self, id: OpId) -> &[KeyId] {
        &self.lists[self.op(id).rebalanced.range()]
    }
}

fn append<T: Copy>(arena: &mut Vec<T>, items: &[T]) -> Span {
    let start = arena.len() as u32;
    arena.extend_from_slice(items);
    Span { start, len: items.len() as u32 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft(index: u64, process: i64, kind: Kind, function: Function) -> Draft {
        Draft { index, process: Some(Process(process)), kind, function, ..Draft::default() }
    }

    #[test]
    fn consecutive_records_are_one_run_and_keep_their_micro_operations() {
        let mut history = History::new();
        let (x, y) = (history.key("x"), history.key("y"));
        let mut ok = draft(0, 1, Kind::Invoke, Function::Txn);
        for (key, offset, value) in [(x, 5, 10), (x, 6, 11), (x, 8, 12), (y, 9, 13), (y, 10, 14)] {
            ok.send(key, Some(Offset(offset)), Value(value));
        }
        ok.send(y, None, Value(15));
        ok.send(y, None, Value(16));
        ok.poll();
        ok.polled(x, Some(Offset(0)), Value(1), 3);
        ok.polled(x, Some(Offset(3)), Value(4), 2);
        let id = history.push(&ok).unwrap();
        let seen: Vec<_> = history.runs(id).iter().map(|run| (run.value.0, run.count, run.mop)).collect();
        assert_eq!(seen, [(10, 2, 0), (12, 1, 2), (13, 2, 3), (15, 2, 5), (1, 5, 7)]);
        assert_eq!(history.runs(id)[2].mop_of(1), 4);
        assert_eq!((history.sends(id).count(), history.polls(id).count()), (4, 1));
    }

    #[test]
    fn a_known_offset_is_never_joined_to_an_unknown_one() {
        let mut history = History::new();
        let x = history.key("x");
        let mut op = draft(0, 1, Kind::Invoke, Function::Send);
        op.send(x, None, Value(1));
        op.send(x, Some(Offset(0)), Value(2));
        op.send(x, Some(Offset(-1)), Value(3));
        let id = history.push(&op).unwrap();
        let offsets: Vec<_> = history.runs(id).iter().map(|run| run.offset).collect();
        assert_eq!(offsets, [None, Some(Offset(0)), None]);
    }

    #[test]
    fn completions_find_their_invocations() {
        let mut history = History::new();
        let first = history.push(&draft(0, 1, Kind::Invoke, Function::Poll)).unwrap();
        let other = history.push(&draft(1, 2, Kind::Invoke, Function::Poll)).unwrap();
        let done = history.push(&draft(2, 1, Kind::Info, Function::Poll)).unwrap();
        assert_eq!((history.partner(first), history.partner(done)), (Some(done), Some(first)));
        assert_eq!(history.open().collect::<Vec<_>>(), [(Process(2), other)]);
        assert_eq!(
            history.push(&draft(3, 1, Kind::Ok, Function::Poll)),
            Err(Refusal::NeverInvoked { process: Process(1), kind: Kind::Ok })
        );
        assert_eq!(
            history.push(&draft(3, 2, Kind::Invoke, Function::Poll)),
            Err(Refusal::StillOpen { process: Process(2), open: 1 })
        );
        assert_eq!(
            history.push(&draft(2, 9, Kind::Invoke, Function::Poll)),
            Err(Refusal::IndexNotGrowing { index: 2, last: 2 })
        );
        let mut far = draft(3, 2, Kind::Ok, Function::Poll);
        far.poll();
        let x = history.key("x");
        far.polled(x, Some(Offset(i64::MAX - 1)), Value(1), 2);
        assert_eq!(history.push(&far), Err(Refusal::OffsetTooBig { offset: Offset(i64::MAX - 1), count: 2 }));
        assert_eq!(history.len(), 3, "what is refused leaves nothing behind");
        far.clear();
        (far.index, far.process, far.kind) = (3, Some(Process(2)), Kind::Ok);
        far.poll();
        far.polled(x, Some(Offset(i64::MAX - 1)), Value(1), 1);
        assert!(history.push(&far).is_ok());
        assert_eq!((history.find(2), history.find(7)), (Some(done), None));
    }
}
