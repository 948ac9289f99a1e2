//! Whoever sets a cluster up: creates its topics, once enough brokers are ready.

use std::collections::VecDeque;
use std::sync::Arc;
use wavetank_models::kafka::protocol::controller::{ControllerAnswer, ControllerRequest};
use wavetank_models::kafka::protocol::{ErrorCode, Request, Response};
use wavetank_models::kafka::rpc::{Reply, Rpc};
use wavetank_models::kafka::token::TokenSpace;
use wavetank_models::world::{Cx, Input, Process};
use wavetank_sim::{Nanos, NodeId};

/// A topic to be.
#[derive(Clone, Debug)]
pub(super) struct NewTopic {
    pub(super) name: Arc<str>,
    pub(super) partitions: u32,
}

const RPC: TokenSpace = TokenSpace(1);
const TIMER: TokenSpace = TokenSpace(2);
/// When the first topic is asked for: brokers have registered and recovered by then, so that partitions are spread.
const BEGIN: Nanos = Nanos::secs(3);
const PATIENCE: Nanos = Nanos::secs(5);
const AGAIN: Nanos = Nanos::millis(200);

/// See the [module](self).
pub(super) struct Admin {
    controllers: Vec<NodeId>,
    active: usize,
    topics: VecDeque<NewTopic>,
    rpc: Rpc,
}

impl Admin {
    pub(super) fn new(controllers: Vec<NodeId>, topics: Vec<NewTopic>) -> Admin {
        Admin { controllers, active: 0, topics: topics.into(), rpc: Rpc::new(RPC) }
    }

    fn ask(&mut self, cx: &mut Cx<'_>) {
        let Some(topic) = self.topics.front().cloned() else { return };
        let request = ControllerRequest::CreateTopic { name: topic.name, partitions: topic.partitions };
        self.rpc.call(cx, self.controllers[self.active], Request::Controller(request), PATIENCE);
        self.heed(cx);
    }

    fn heed(&mut self, cx: &mut Cx<'_>) {
        while let Some((_, reply)) = self.rpc.poll() {
            let (hint, is_done) = match reply {
                Reply::Answer(Response::Controller(response)) => match response.result {
                    Ok(ControllerAnswer::Topic(_)) => (None, true),
                    Err(ErrorCode::NotController) => (response.leader, false),
                    // No broker is ready yet.
                    Ok(_) | Err(_) => (None, false),
                },
                Reply::Answer(_) | Reply::Lost(_) => {
                    self.active = (self.active + 1) % self.controllers.len();
                    (None, false)
                }
            };
            if let Some(hint) = hint {
                self.active = hint.0 as usize % self.controllers.len();
            }
            if is_done {
                self.topics.pop_front();
                self.ask(cx);
            } else {
                TIMER.set_timer(cx, AGAIN, 0);
            }
        }
    }
}

impl Process for Admin {
    fn step(&mut self, cx: &mut Cx<'_>, input: Input) {
        match input {
            Input::Boot => drop(TIMER.set_timer(cx, BEGIN, 0)),
            Input::Timer { token, .. } if TokenSpace::split(token).0 == TIMER => self.ask(cx),
            other => {
                self.rpc.input(cx, other);
                self.heed(cx);
            }
        }
    }
}
