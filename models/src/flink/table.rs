//! A stand-in for the database that the sink writes to: a row per (key groups, input partition).
//!
//! It is no system under test: what it has confirmed is durable, so its rows live outside its process ([`TableStore`]).
//!
//! Simpler than reality: a write of an earlier execution than a row's last one is refused, which few databases do unless
//! the application asks for it; without that a zombie's late upsert would show an old value until the next one. It hides
//! exactly that anomaly. A row stands for all keys of its groups, which no rescaling cuts ([`JobSpec::pieces`](super::JobSpec::pieces)).

use super::keys::KeyGroupRange;
use super::message::{FlinkMessage, Upsert};
use super::oracle::check_row;
use super::state::{Applied, Attempt};
use crate::kafka::ids::TopicIdPartition;
use crate::message::Message;
use crate::probe::Probe;
use crate::world::{Cx, Input, Process};
use std::sync::{Arc, Mutex, PoisonError};
use wavetank_sim::SortedMap;

#[derive(Clone, Debug, Default)]
struct Row {
    attempt: Attempt,
    applied: Applied,
    /// Up to there output has been visible before, and so many records.
    shown: (u64, u64),
}

/// What is in the table.
#[derive(Clone, Debug, Default)]
pub struct TableRows {
    rows: SortedMap<(KeyGroupRange, TopicIdPartition), Row>,
}

/// The database's disk: durable on receipt, by definition.
pub type TableStore = Arc<Mutex<TableRows>>;

impl TableRows {
    /// Records that rows hold twice, in how many rows: what an upsert by key never leaves behind, unless a job that was
    /// restored applied input again that its state had.
    pub fn doubled(&self) -> u64 {
        self.rows.values().map(|row| row.applied.doubled).sum()
    }

    /// The aggregate of some key groups over a partition.
    pub fn row(&self, groups: KeyGroupRange, tp: TopicIdPartition) -> Option<&Applied> {
        self.rows.get(&(groups, tp)).map(|row| &row.applied)
    }
}

/// See the [module](self).
pub struct Table {
    job: u32,
    store: TableStore,
}

impl Table {
    /// A life of the table's process.
    pub fn new(job: u32, store: TableStore) -> Table {
        Table { job, store }
    }

    fn upsert(&self, cx: &mut Cx<'_>, upsert: &Upsert) {
        let &Upsert { attempt, groups, tp, ref applied, due, .. } = upsert;
        let mut store = self.store.lock().unwrap_or_else(PoisonError::into_inner);
        let row = store.rows.entry((groups, tp)).or_default();
        if attempt < row.attempt {
            return cx.mark("flink: the table refused a late write");
        }
        if let Err(why) = check_row(tp, applied) {
            cx.fail(format!("flink: {why}"));
        }
        if applied.end() > row.shown.0 {
            let records = applied.records.saturating_sub(row.shown.1);
            row.shown = (applied.end(), applied.records);
            cx.probe(Probe::Emitted { job: self.job, due, records });
        }
        row.attempt = attempt;
        row.applied.clone_from(applied);
    }
}

impl Process for Table {
    fn step(&mut self, cx: &mut Cx<'_>, input: Input) {
        if let Input::Message { conn, message: Message::Flink(message) } = input
            && let FlinkMessage::Upsert { sequence, rows } = *message
        {
            for row in rows.iter() {
                self.upsert(cx, row);
            }
            cx.send(conn, Message::Flink(Box::new(FlinkMessage::Upserted { sequence })));
        }
    }
}
