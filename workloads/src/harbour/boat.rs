//! A boat: delivers numbered cargo to its pier, reads it back, and holds the pier to what it says.
//!
//! It is two clients in one: a producer, of which one record at a time is on its way, and a consumer, which reads the
//! pier's log from the beginning, from offset to offset. Both are [recorded](wavetank_models::world::Recording):
//!
//! * A `send` is open until its number is acknowledged, over as many connections as that takes, as an idempotent
//!   producer's is: the boat never gives a record up, so no send fails, and one whose boat dies is `info`. Its next life
//!   asks first how far the pier is. If the record is not there it is sent again, and that is another `send` of the same
//!   value: a record's identity does not change.
//! * A `poll` has no effect, so one without an answer has failed, for certain, and the consumer asks again from where it
//!   was. A boat's next life reads from the beginning: that is an `assign`.
//!
//! A life that was born with cargo half delivered reads nothing before it has sent again what may be missing: else it
//! could read a record that the checkers take for one that had not been sent yet.

use super::ledger::Ledger;
use super::pier;
use std::sync::{Arc, Mutex};
use wavetank_models::cloud::network::{ConnId, ResetReason};
use wavetank_models::message::{Frame, Message};
use wavetank_models::world::{ClientId, Cx, Ended, Input, Invocation, Process, TimerId};
use wavetank_sim::{Nanos, NodeId};
use wavetank_traces::Offset;
use wavetank_traces::history::{Draft, Function, KeyId, Value};

/// A request that is not answered by then is given up with its connection.
const REQUEST_TIMEOUT: Nanos = Nanos::secs(4);
const RECONNECT_MAX: Nanos = Nanos::millis(500);
/// While a boat delivers, it reads when it is so many records behind.
const READ_BEHIND: u64 = 8;

const SAIL: u64 = 1;
const GIVE_UP: u64 = 2;

const PRODUCER: ClientId = ClientId(0);
const CONSUMER: ClientId = ClientId(1);

/// See the [module](self).
pub struct Boat {
    number: usize,
    pier: NodeId,
    ledger: Arc<Mutex<Ledger>>,
    conn: Option<ConnId>,
    give_up: Option<TimerId>,
    /// The pier's log, in the history.
    log: KeyId,
    /// The number that is being delivered.
    sending: Option<(u64, Invocation)>,
    polling: Option<Invocation>,
    /// This life has sent something: nothing of a former one is still to be sent again.
    has_sent: bool,
    /// The next offset to read.
    position: u64,
    /// How far the log goes, as far as this boat was told.
    end: u64,
}

impl Boat {
    /// A boat that has just put to sea: where it stands it learns from its own ledger.
    pub fn new(number: usize, pier: NodeId, ledger: Arc<Mutex<Ledger>>) -> Boat {
        Boat {
            number,
            pier,
            ledger,
            conn: None,
            give_up: None,
            log: KeyId(0),
            sending: None,
            polling: None,
            has_sent: false,
            position: 0,
            end: 0,
        }
    }

    fn boot(&mut self, cx: &mut Cx<'_>) {
        self.log = cx.history_key(&format!("pier-{}", self.number));
        let log = self.log;
        let assignment = |draft: &mut Draft| {
            draft.keys.push(log);
            draft.seek_to_beginning = true;
        };
        let assign = cx.invoke(CONSUMER, Function::Assign, assignment);
        cx.complete(assign, Ended::Ok, assignment);
        self.connect(cx);
    }

    fn connect(&mut self, cx: &mut Cx<'_>) {
        let conn = cx.connect(self.pier);
        self.conn = Some(conn);
        self.ask(cx, conn);
    }

    fn ask(&mut self, cx: &mut Cx<'_>, conn: ConnId) {
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
        if let Some(poll) = self.polling.take() {
            cx.complete_as_invoked(poll, Ended::Fail("connection lost"));
        }
        let after = cx.random().nanos(Nanos::millis(1)..RECONNECT_MAX);
        cx.set_timer(after, SAIL);
    }

    // ---- delivering ----

    /// What a record is in the history.
    fn value(boat: usize, number: u64) -> Value {
        Value((boat as u64) << 40 | number)
    }

    fn deliver_next(&mut self, cx: &mut Cx<'_>, conn: ConnId) {
        let next = self.ledger.lock().expect("ledger").acked(self.number) + 1;
        if self.sending.is_none_or(|(number, _)| number != next) {
            let (log, value) = (self.log, Boat::value(self.number, next));
            let send = cx.invoke(PRODUCER, Function::Send, |draft| draft.send(log, None, value));
            self.sending = Some((next, send));
        }
        self.has_sent = true;
        cx.send(conn, Message::frame(pier::APPEND, self.number as u64, next));
        self.wait_for_answer(cx);
    }

    /// The pier says how much of this boat's cargo it has, and how far that goes in the log.
    fn told(&mut self, cx: &mut Cx<'_>, durable: u64, end: u64) {
        let promised = self.ledger.lock().expect("ledger").acked(self.number);
        if durable < promised {
            let (boat, pier) = (self.number, self.pier);
            cx.fail(format!("{pier} acknowledged cargo {promised} of boat-{boat} and now has {durable}"));
        }
        self.sent(cx, durable, end);
        self.end = end;
        let mut ledger = self.ledger.lock().expect("ledger");
        ledger.ack(self.number, durable);
        if ledger.all_done() {
            return cx.stop(super::ALL_DONE);
        }
        let done = ledger.is_done(self.number);
        drop(ledger);
        self.answered(cx);
        // A boat that is done asks now and then whether its cargo is still there.
        let idle = done && !self.wants_to_read(done);
        let pause = if idle { Nanos::millis(900)..Nanos::secs(2) } else { Nanos::micros(100)..Nanos::millis(400) };
        let pause = cx.random().nanos(pause);
        cx.set_timer(pause, SAIL);
    }

    /// Ends the send of what is durable by now.
    fn sent(&mut self, cx: &mut Cx<'_>, durable: u64, end: u64) {
        let Some((number, send)) = self.sending.filter(|(number, _)| *number <= durable) else { return };
        self.sending = None;
        // The answer speaks of the last durable record alone.
        let offset = (number == durable).then(|| Offset(end as i64 - 1));
        let (log, value) = (self.log, Boat::value(self.number, number));
        cx.complete(send, Ended::Ok, |draft| draft.send(log, offset, value));
    }

    // ---- reading ----

    fn wants_to_read(&self, done: bool) -> bool {
        let behind = self.end.saturating_sub(self.position);
        if done { behind > 0 } else { self.has_sent && behind >= READ_BEHIND }
    }

    fn read_on(&mut self, cx: &mut Cx<'_>, conn: ConnId) {
        self.polling = Some(cx.invoke(CONSUMER, Function::Poll, Draft::poll));
        cx.send(conn, Message::frame(pier::READ, self.number as u64, self.position));
        self.wait_for_answer(cx);
    }

    /// The pier says what lies in its log from an offset on.
    fn read(&mut self, cx: &mut Cx<'_>, frame: &Frame) {
        let Some(poll) = self.polling.take() else { return };
        let (log, from) = (self.log, frame.value);
        let cargo = frame.body.as_deref().map(pier::cargo_of).unwrap_or_default();
        cx.complete(poll, Ended::Ok, |draft| {
            draft.poll();
            for ((boat, number), offset) in cargo.iter().zip(from as i64..) {
                draft.polled(log, Some(Offset(offset)), Boat::value(*boat as usize, *number), 1);
            }
        });
        self.position = from + cargo.len() as u64;
        self.answered(cx);
        let mut ledger = self.ledger.lock().expect("ledger");
        for (_, number) in cargo.iter().filter(|(boat, _)| *boat as usize == self.number) {
            ledger.read(self.number, *number);
        }
        if ledger.all_done() {
            return cx.stop(super::ALL_DONE);
        }
        drop(ledger);
        let pause = cx.random().nanos(Nanos::micros(100)..Nanos::millis(20));
        cx.set_timer(pause, SAIL);
    }

    fn sail(&mut self, cx: &mut Cx<'_>) {
        let done = self.ledger.lock().expect("ledger").is_done(self.number);
        match self.conn {
            None => self.connect(cx),
            Some(conn) if self.wants_to_read(done) => self.read_on(cx, conn),
            Some(conn) if done => self.ask(cx, conn),
            Some(conn) => self.deliver_next(cx, conn),
        }
    }
}

impl Process for Boat {
    fn step(&mut self, cx: &mut Cx<'_>, input: Input) {
        match input {
            Input::Boot => self.boot(cx),
            Input::Timer { token: SAIL, .. } => self.sail(cx),
            Input::Timer { .. } => {
                cx.mark("boat: gave up waiting and connected anew");
                self.give_up = None;
                if let Some(conn) = self.conn {
                    cx.close(conn);
                }
                self.lost(cx);
            }
            Input::Message { conn, message: Message::Frame(frame) } if Some(conn) == self.conn => match frame.kind {
                pier::CARGO => self.read(cx, &frame),
                _ => self.told(cx, frame.value, frame.correlation),
            },
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
            // Nobody shuts a boat down.
            Input::Signal(_) => {}
            Input::Volume(_) | Input::Object(_) | Input::Express(_) | Input::Nfs(_) | Input::Worked { .. } => {
                unreachable!("a boat asks no device")
            }
        }
    }
}
