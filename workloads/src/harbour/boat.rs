//! A boat: delivers numbered cargo to its pier and holds it to what it says.

use super::ledger::Ledger;
use super::pier;
use std::sync::{Arc, Mutex};
use wavetank_models::cloud::network::{ConnId, ResetReason};
use wavetank_models::message::Message;
use wavetank_models::world::{Cx, Input, Process, TimerId};
use wavetank_sim::{Nanos, NodeId};

/// A request that is not answered by then is given up with its connection.
const REQUEST_TIMEOUT: Nanos = Nanos::secs(4);
const RECONNECT_MAX: Nanos = Nanos::millis(500);

const SAIL: u64 = 1;
const GIVE_UP: u64 = 2;

/// See the [module](self).
pub struct Boat {
    number: usize,
    pier: NodeId,
    ledger: Arc<Mutex<Ledger>>,
    conn: Option<ConnId>,
    give_up: Option<TimerId>,
}

impl Boat {
    /// A boat that has just put to sea: where it stands it learns from its own ledger.
    pub fn new(number: usize, pier: NodeId, ledger: Arc<Mutex<Ledger>>) -> Boat {
        Boat { number, pier, ledger, conn: None, give_up: None }
    }

    fn connect(&mut self, cx: &mut Cx<'_>) {
        let conn = cx.connect(self.pier);
        self.conn = Some(conn);
        cx.send(conn, Message::frame(pier::ASK, self.number as u64, 0));
        self.wait_for_answer(cx);
    }

    fn wait_for_answer(&mut self, cx: &mut Cx<'_>) {
        self.answered(cx);
        self.give_up = Some(cx.set_timer(REQUEST_TIMEOUT, GIVE_UP));
    }

    fn answered(&mut self, cx: &mut Cx<'_>) {
        if let Some(timer) = self.give_up.take() {
            cx.cancel_timer(timer);
        }
    }

    fn lost(&mut self, cx: &mut Cx<'_>) {
        self.answered(cx);
        self.conn = None;
        let after = cx.random().nanos(Nanos::millis(1)..RECONNECT_MAX);
        cx.set_timer(after, SAIL);
    }

    fn deliver_next(&mut self, cx: &mut Cx<'_>) {
        let Some(conn) = self.conn else { return };
        let next = self.ledger.lock().expect("ledger").acked(self.number) + 1;
        cx.send(conn, Message::frame(pier::APPEND, self.number as u64, next));
        self.wait_for_answer(cx);
    }

    /// The pier says how much of this boat's cargo it has.
    fn told(&mut self, cx: &mut Cx<'_>, durable: u64) {
        let mut ledger = self.ledger.lock().expect("ledger");
        let promised = ledger.acked(self.number);
        if durable < promised {
            let (boat, pier) = (self.number, self.pier);
            return cx.fail(format!("{pier} acknowledged cargo {promised} of boat-{boat} and now has {durable}"));
        }
        ledger.ack(self.number, durable);
        if ledger.all_done() {
            return cx.stop("all cargo delivered");
        }
        let done = ledger.is_done(self.number);
        drop(ledger);
        self.answered(cx);
        // A boat that is done asks now and then whether its cargo is still there.
        let pause = if done { Nanos::millis(900)..Nanos::secs(2) } else { Nanos::micros(100)..Nanos::millis(400) };
        let pause = cx.random().nanos(pause);
        cx.set_timer(pause, SAIL);
    }

    fn sail(&mut self, cx: &mut Cx<'_>) {
        let done = self.ledger.lock().expect("ledger").is_done(self.number);
        match self.conn {
            None => self.connect(cx),
            Some(conn) if done => {
                cx.send(conn, Message::frame(pier::ASK, self.number as u64, 0));
                self.wait_for_answer(cx);
            }
            Some(_) => self.deliver_next(cx),
        }
    }
}

impl Process for Boat {
    fn step(&mut self, cx: &mut Cx<'_>, input: Input) {
        match input {
            Input::Boot => self.connect(cx),
            Input::Timer { token: SAIL, .. } => self.sail(cx),
            Input::Timer { .. } => {
                cx.mark("boat: gave up waiting and connected anew");
                self.give_up = None;
                if let Some(conn) = self.conn {
                    cx.close(conn);
                }
                self.lost(cx);
            }
            Input::Message { conn, message: Message::Frame(frame) } if Some(conn) == self.conn => {
                self.told(cx, frame.value);
            }
            Input::Reset { conn, why } if Some(conn) == self.conn => {
                cx.mark(match why {
                    ResetReason::Refused | ResetReason::ConnectTimeout => "boat: found its pier gone",
                    ResetReason::ClosedByPeer
                    | ResetReason::ResetByPeer
                    | ResetReason::TimedOut
                    | ResetReason::ResetByNetwork => "boat: a connection was reset under it",
                });
                self.lost(cx);
            }
            // What comes on a connection that this boat has given up.
            Input::Message { .. } | Input::Reset { .. } | Input::Connected { .. } | Input::Accepted { .. } => {}
            Input::Volume(_) | Input::Object(_) | Input::Express(_) | Input::Nfs(_) | Input::Worked { .. } => {
                unreachable!("a boat asks no device")
            }
        }
    }
}
