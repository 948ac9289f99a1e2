//! One operation, and the runs of records that it sent or polled.

use super::{KeyId, Value};
use crate::Offset;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A client's process: one logical thread, which does one thing at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Process(pub i64);

impl fmt::Display for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Where an operation is in its life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// It begins.
    #[default]
    Invoke,
    /// It ended, and it happened.
    Ok,
    /// It ended, and it did not happen and never will.
    Fail,
    /// It ended for the client, who does not know whether it happened, or whether it still will.
    Info,
}

impl Kind {
    /// As in the file.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Invoke => "invoke",
            Kind::Ok => "ok",
            Kind::Fail => "fail",
            Kind::Info => "info",
        }
    }
}

/// What an operation does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Function {
    /// Sends values, outside of a transaction.
    Send,
    /// Polls.
    Poll,
    /// A transaction: sends and polls.
    Txn,
    /// Replaces the consumer's assignment.
    Assign,
    /// Replaces the consumer's subscription.
    Subscribe,
    /// Crashes the client.
    Crash,
    /// Something that no checker looks at.
    #[default]
    Other,
}

impl Function {
    /// As in the file. What no checker looks at is written as `other`, whatever it was called.
    pub fn name(self) -> &'static str {
        match self {
            Function::Send => "send",
            Function::Poll => "poll",
            Function::Txn => "txn",
            Function::Assign => "assign",
            Function::Subscribe => "subscribe",
            Function::Crash => "crash",
            Function::Other => "other",
        }
    }

    /// The function of this name; any unknown name is one that no checker looks at.
    pub fn by_name(name: &str) -> Function {
        [Function::Send, Function::Poll, Function::Txn, Function::Assign, Function::Subscribe, Function::Crash]
            .into_iter()
            .find(|function| function.name() == name)
            .unwrap_or_default()
    }

    /// Whether the sends of such an operation count.
    pub fn sends(self) -> bool {
        matches!(self, Function::Send | Function::Txn)
    }

    /// Whether the polls of such an operation count.
    pub fn polls(self) -> bool {
        matches!(self, Function::Poll | Function::Txn)
    }

    /// Whether it carries micro-operations.
    pub fn touches_records(self) -> bool {
        self.sends() || self.polls()
    }
}

/// An operation's place in its [`History`](super::History).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OpId(pub u32);

/// One line of a history.
#[derive(Clone, Debug, PartialEq)]
pub struct Op {
    /// The name by which findings refer to it: its line, from 0.
    pub index: u64,
    /// When, in the history's own unit (nanoseconds).
    pub time: i64,
    /// Whose it is; `None` only in histories of whole operations without clients, which cannot be paired.
    pub process: Option<Process>,
    /// Beginning or which end.
    pub kind: Kind,
    /// What it does.
    pub function: Function,
    /// An `assign` that also goes back to the beginning of its keys.
    pub seek_to_beginning: bool,
    /// What the client said went wrong.
    pub error: Option<Value>,
    /// How many micro-operations it has. Those that no run belongs to are polls without data.
    pub mops: u32,
    pub(super) partner: Option<OpId>,
    pub(super) runs: Span,
    pub(super) keys: Span,
    pub(super) rebalanced: Span,
}

/// A part of one of the history's arenas.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Span {
    pub(super) start: u32,
    pub(super) len: u32,
}

impl Span {
    pub(super) fn range(self) -> std::ops::Range<usize> {
        self.start as usize..(self.start + self.len) as usize
    }
}

/// Which micro-operation a run belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// One `send` for each record.
    Send,
    /// One `send` for all of them.
    SendBatch,
    /// A `poll`.
    Poll,
}

/// Consecutive values at consecutive offsets, as one operation sent or polled them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// The key.
    pub key: KeyId,
    /// The place of its (first) micro-operation in the operation.
    pub mop: u32,
    /// What that is.
    pub part: Part,
    /// How many records. 0 if a poll listed the key with no record at all.
    pub count: u32,
    /// The first record's offset, if the client was told; never negative.
    pub offset: Option<Offset>,
    /// The first record's value.
    pub value: Value,
}

impl Run {
    /// Whether it was polled.
    pub fn is_poll(&self) -> bool {
        self.part == Part::Poll
    }

    /// The values, as numbers.
    pub fn values(&self) -> std::ops::Range<u64> {
        self.value.0..self.value.0 + u64::from(self.count)
    }

    /// The last value.
    pub fn last(&self) -> Option<Value> {
        self.count.checked_sub(1).map(|by| self.value.after(u64::from(by)))
    }

    /// The micro-operation of the record at this place of the run.
    pub fn mop_of(&self, place: u64) -> u64 {
        u64::from(self.mop) + if self.part == Part::Send { place } else { 0 }
    }

    /// Takes `next` in, if it goes on exactly where this run ends.
    pub(super) fn absorb(&mut self, next: &Run) -> bool {
        let count = u64::from(self.count);
        let adjacent = self.count > 0
            && next.count > 0
            && self.part == next.part
            && self.key == next.key
            && self.part != Part::SendBatch
            && self.mop_of(count) == u64::from(next.mop)
            && self.value.0.checked_add(count) == Some(next.value.0)
            && self.offset.and_then(|offset| offset.0.checked_add_unsigned(count)).map(Offset) == next.offset
            && (self.offset.is_some() || next.offset.is_none());
        let Some(sum) = self.count.checked_add(next.count).filter(|_| adjacent) else { return false };
        self.count = sum;
        true
    }
}
