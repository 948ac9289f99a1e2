//! The sink's connection to the table: batches of upserts in order, a bounded number on their way, sent again after a reset.
//!
//! Rows wait for others and are written together, as the JDBC sink's are (`JdbcOutputFormat`): after
//! `sink.buffer-flush.interval`, when there are `sink.buffer-flush.max-rows`, and before a checkpoint. The newest value of
//! a row replaces one that waits (`TableBufferReducedStatementExecutor`).
//!
//! An upsert is idempotent, so sending it again is harmless. A checkpoint waits until all that was written before it is
//! durable (`flush` at a checkpoint: at-least-once, made effectively once by the key).

use super::FlinkSettings;
use super::keys::KeyGroupRange;
use super::message::{FlinkMessage, Upsert};
use crate::cloud::network::ConnId;
use crate::kafka::ids::TopicIdPartition;
use crate::kafka::token::TokenSpace;
use crate::message::Message;
use crate::world::{Cx, Input};
use std::collections::VecDeque;
use std::sync::Arc;
use wavetank_sim::{Nanos, NodeId, SortedMap};

const RECONNECT_AFTER: Nanos = Nanos::millis(200);
const RECONNECT: u64 = 0;
const FLUSH: u64 = 1;

/// See the [module](self).
pub(super) struct Sink {
    table: NodeId,
    space: TokenSpace,
    conn: Option<ConnId>,
    /// Rows that wait, and how many records are in them.
    waiting: SortedMap<(KeyGroupRange, TopicIdPartition), Upsert>,
    waiting_rows: u32,
    has_timer: bool,
    unacked: VecDeque<(u64, Arc<[Upsert]>)>,
    written: u64,
    flush_interval: Nanos,
    flush_rows: u32,
    in_flight_max: usize,
}

impl Sink {
    pub fn new(cx: &mut Cx<'_>, table: NodeId, space: TokenSpace, settings: &FlinkSettings) -> Sink {
        Sink {
            table,
            space,
            conn: Some(cx.connect(table)),
            waiting: SortedMap::new(),
            waiting_rows: 0,
            has_timer: false,
            unacked: VecDeque::new(),
            written: 0,
            flush_interval: settings.sink_flush_interval,
            flush_rows: settings.sink_flush_rows,
            in_flight_max: settings.sink_in_flight_max,
        }
    }

    /// Whether it takes more.
    pub fn has_room(&self) -> bool {
        self.unacked.len() < self.in_flight_max
    }

    /// How many batches it has written.
    pub fn written(&self) -> u64 {
        self.written
    }

    /// How many of them, from the first, are durable.
    pub fn durable(&self) -> u64 {
        self.unacked.front().map_or(self.written, |(sequence, _)| sequence - 1)
    }

    /// Takes a row; it is written some time.
    pub fn write(&mut self, cx: &mut Cx<'_>, mut row: Upsert) {
        self.waiting_rows = self.waiting_rows.saturating_add(row.records);
        if let Some(older) = self.waiting.remove(&(row.groups, row.tp)) {
            row.due.0 = older.due.0;
            row.records = row.records.saturating_add(older.records);
        }
        self.waiting.insert((row.groups, row.tp), row);
        if self.waiting_rows >= self.flush_rows {
            self.flush(cx);
        } else if !self.has_timer {
            self.has_timer = true;
            self.space.set_timer(cx, self.flush_interval, FLUSH);
        }
    }

    /// Writes what waits.
    pub fn flush(&mut self, cx: &mut Cx<'_>) {
        self.waiting_rows = 0;
        if self.waiting.is_empty() {
            return;
        }
        let rows: Arc<[Upsert]> = std::mem::take(&mut self.waiting).into_values().collect();
        self.written += 1;
        self.unacked.push_back((self.written, rows.clone()));
        self.send(cx, self.written, rows);
    }

    fn send(&self, cx: &mut Cx<'_>, sequence: u64, rows: Arc<[Upsert]>) {
        if let Some(conn) = self.conn {
            cx.send(conn, Message::Flink(Box::new(FlinkMessage::Upsert { sequence, rows })));
        }
    }

    pub fn close(&self, cx: &mut Cx<'_>) {
        if let Some(conn) = self.conn {
            cx.close(conn);
        }
    }

    /// Takes what is its own; gives back what is not.
    pub fn input(&mut self, cx: &mut Cx<'_>, input: Input) -> Option<Input> {
        match input {
            Input::Message { conn, message: Message::Flink(message) } if self.conn == Some(conn) => {
                if let FlinkMessage::Upserted { sequence } = *message {
                    while self.unacked.front().is_some_and(|(first, _)| *first <= sequence) {
                        self.unacked.pop_front();
                    }
                }
                None
            }
            Input::Reset { conn, .. } if self.conn == Some(conn) => {
                self.conn = None;
                self.space.set_timer(cx, RECONNECT_AFTER, RECONNECT);
                None
            }
            Input::Timer { token, .. } if TokenSpace::split(token).0 == self.space => {
                if TokenSpace::split(token).1 == FLUSH {
                    self.has_timer = false;
                    self.flush(cx);
                } else if self.conn.is_none() {
                    cx.mark("flink: a sink sent again what it had written");
                    self.conn = Some(cx.connect(self.table));
                    for (sequence, rows) in &self.unacked {
                        self.send(cx, *sequence, rows.clone());
                    }
                }
                None
            }
            other => Some(other),
        }
    }
}
