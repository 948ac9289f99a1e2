//! Who writes to controllers: keys, one after the other, until it is time to read back all that were acknowledged.

use std::sync::{Arc, Mutex, PoisonError};
use wavetank_models::kafka::ids::{BrokerEpoch, BrokerId};
use wavetank_models::kafka::protocol::controller::{
    ControllerAnswer, ControllerRequest, ControllerResponse, StorageRequest,
};
use wavetank_models::kafka::protocol::{ErrorCode, Request, Response};
use wavetank_models::kafka::rpc::{Reply, Rpc};
use wavetank_models::kafka::token::TokenSpace;
use wavetank_models::world::{Cx, Input, Process};
use wavetank_sim::{Nanos, NodeId};

/// Why a run ends in which everything was there.
pub(super) const DONE: &str = "all that was acknowledged was read";
const RPC: TokenSpace = TokenSpace(1);
const TIMER: TokenSpace = TokenSpace(2);
/// From one write to the next.
const PAUSE: Nanos = Nanos::millis(25);
/// From a refusal to the next attempt.
const AGAIN: Nanos = Nanos::millis(50);
/// For an answer.
const PATIENCE: Nanos = Nanos::secs(2);

/// How far each registrar is.
#[derive(Clone)]
pub(super) struct Ledger(Arc<Mutex<Vec<Progress>>>);

#[derive(Clone, Copy, Default)]
struct Progress {
    acked: u64,
    read: u64,
    is_done: bool,
}

impl Ledger {
    pub(super) fn new(registrars: usize) -> Ledger {
        Ledger(Arc::new(Mutex::new(vec![Progress::default(); registrars])))
    }

    /// Changes one's, and says whether all are done.
    fn note(&self, number: usize, change: impl FnOnce(&mut Progress)) -> bool {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut all[number]);
        all.iter().all(|progress| progress.is_done)
    }

    /// In words.
    pub(super) fn what_is_left(&self) -> String {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let say = |(number, of): (usize, &Progress)| format!("registrar {number} read {} of {}", of.read, of.acked);
        all.iter().enumerate().map(say).collect::<Vec<_>>().join(", ")
    }
}

/// See the [module](self).
pub(super) struct Registrar {
    number: usize,
    controllers: Vec<NodeId>,
    ledger: Ledger,
    /// It writes until then.
    reads_at: Nanos,
    rpc: Rpc,
    /// Whom it takes for the active one.
    active: usize,
    next: u64,
    acked: Vec<u64>,
    /// How many of them it has read.
    read: Option<usize>,
    /// What it asked last.
    asked: Option<StorageRequest>,
}

impl Registrar {
    pub(super) fn new(number: usize, controllers: Vec<NodeId>, ledger: Ledger, reads_at: Nanos) -> Registrar {
        Registrar {
            number,
            active: number % controllers.len(),
            controllers,
            ledger,
            reads_at,
            rpc: Rpc::new(RPC),
            next: 0,
            acked: Vec::new(),
            read: None,
            asked: None,
        }
    }

    fn key(&self, value: u64) -> Arc<str> {
        format!("registrar-{}/{value}", self.number).into()
    }

    /// The next write, or the next read.
    fn go_on(&mut self, cx: &mut Cx<'_>) {
        if self.read.is_none() && cx.monotonic() >= self.reads_at {
            self.read = Some(0);
        }
        let request = match self.read {
            None => {
                self.next += 1;
                let value = Arc::from(self.next.to_le_bytes());
                StorageRequest::KvPut { key: self.key(self.next), value, if_absent: true }
            }
            Some(at) => match self.acked.get(at) {
                Some(value) => StorageRequest::KvGet { key: self.key(*value) },
                None => {
                    if self.ledger.note(self.number, |progress| progress.is_done = true) {
                        cx.stop(DONE);
                    }
                    return;
                }
            },
        };
        self.asked = Some(request);
        self.ask(cx);
    }

    fn ask(&mut self, cx: &mut Cx<'_>) {
        if !self.rpc.is_ready(cx, self.controllers[self.active]) {
            return self.ask_the_next(cx);
        }
        let request = self.asked.clone().expect("something is to be asked");
        let (broker, epoch, failover) = (BrokerId(self.number as u32), BrokerEpoch(1), false);
        let request = Request::Controller(ControllerRequest::Storage { broker, epoch, failover, request });
        self.rpc.call(cx, self.controllers[self.active], request, PATIENCE);
        self.heed(cx);
    }

    fn ask_the_next(&mut self, cx: &mut Cx<'_>) {
        self.active = (self.active + 1) % self.controllers.len();
        TIMER.set_timer(cx, AGAIN, 0);
    }

    fn heed(&mut self, cx: &mut Cx<'_>) {
        while let Some((_, reply)) = self.rpc.poll() {
            match reply {
                Reply::Answer(Response::Controller(ControllerResponse { result: Ok(answer), .. })) => {
                    self.answered(cx, answer);
                }
                Reply::Answer(Response::Controller(ControllerResponse {
                    result: Err(ErrorCode::NotController),
                    leader: Some(leader),
                })) => {
                    self.active = leader.0 as usize % self.controllers.len();
                    TIMER.set_timer(cx, AGAIN, 0);
                }
                Reply::Answer(_) | Reply::Lost(_) => self.ask_the_next(cx),
            }
        }
    }

    fn answered(&mut self, cx: &mut Cx<'_>, answer: ControllerAnswer) {
        let ControllerAnswer::Kv(value) = answer else {
            return cx.fail(format!("{answer:?} is no answer"));
        };
        match &mut self.read {
            None => {
                self.acked.push(self.next);
                self.ledger.note(self.number, |progress| progress.acked += 1);
                TIMER.set_timer(cx, PAUSE, 1);
            }
            Some(at) => {
                let wanted = self.acked[*at];
                if value.as_deref() != Some(&wanted.to_le_bytes()[..]) {
                    return cx.fail(format!("key {wanted} was acknowledged, and reads {value:?}"));
                }
                *at += 1;
                self.ledger.note(self.number, |progress| progress.read += 1);
                self.go_on(cx);
            }
        }
    }
}

impl Process for Registrar {
    fn step(&mut self, cx: &mut Cx<'_>, input: Input) {
        match input {
            Input::Boot => self.go_on(cx),
            Input::Timer { token, .. } if TokenSpace::split(token).0 == TIMER => match TokenSpace::split(token).1 {
                0 => self.ask(cx),
                _ => self.go_on(cx),
            },
            other => {
                self.rpc.input(cx, other);
                self.heed(cx);
            }
        }
    }
}
