//! The sink's connection to the table: upserts in order, a bounded number on their way, sent again after a reset.
//!
//! An upsert is idempotent, so sending it again is harmless. A checkpoint waits until all that was written before it is
//! durable (`flush` at a checkpoint: at-least-once, made effectively once by the key).

use super::message::{FlinkMessage, Upsert};
use crate::cloud::network::ConnId;
use crate::kafka::token::TokenSpace;
use crate::message::Message;
use crate::world::{Cx, Input};
use std::collections::VecDeque;
use wavetank_sim::{Nanos, NodeId};

const RECONNECT_AFTER: Nanos = Nanos::millis(200);

/// See the [module](self).
pub(super) struct Sink {
    table: NodeId,
    space: TokenSpace,
    conn: Option<ConnId>,
    unacked: VecDeque<(u64, Upsert)>,
    written: u64,
    in_flight_max: usize,
}

impl Sink {
    pub fn new(cx: &mut Cx<'_>, table: NodeId, space: TokenSpace, in_flight_max: usize) -> Sink {
        let conn = Some(cx.connect(table));
        Sink { table, space, conn, unacked: VecDeque::new(), written: 0, in_flight_max }
    }

    /// Whether it takes more.
    pub fn has_room(&self) -> bool {
        self.unacked.len() < self.in_flight_max
    }

    /// How many upserts it has been given.
    pub fn written(&self) -> u64 {
        self.written
    }

    /// How many of them, from the first, are durable.
    pub fn durable(&self) -> u64 {
        self.unacked.front().map_or(self.written, |(sequence, _)| sequence - 1)
    }

    pub fn write(&mut self, cx: &mut Cx<'_>, row: Upsert) {
        self.written += 1;
        self.unacked.push_back((self.written, row.clone()));
        self.send(cx, self.written, row);
    }

    fn send(&self, cx: &mut Cx<'_>, sequence: u64, row: Upsert) {
        if let Some(conn) = self.conn {
            cx.send(conn, Message::Flink(Box::new(FlinkMessage::Upsert { sequence, row })));
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
                self.space.set_timer(cx, RECONNECT_AFTER, 0);
                None
            }
            Input::Timer { token, .. } if TokenSpace::split(token).0 == self.space => {
                if self.conn.is_none() {
                    cx.mark("flink: a sink sent again what it had written");
                    self.conn = Some(cx.connect(self.table));
                    for (sequence, row) in &self.unacked {
                        self.send(cx, *sequence, row.clone());
                    }
                }
                None
            }
            other => Some(other),
        }
    }
}
