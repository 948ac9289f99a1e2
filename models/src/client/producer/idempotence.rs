//! The producer's id and epoch, and when sequences begin again.

use super::Producer;
use super::batch::Batch;
use crate::kafka::ids::ProducerEpoch;
use crate::kafka::protocol::client::InitProducerIdRequest;
use crate::kafka::protocol::{Request, Response};
use crate::kafka::rpc::Reply;
use crate::world::Cx;
use wavetank_sim::NodeId;

/// Beyond it an id is used up.
const EPOCH_MAX: u16 = i16::MAX as u16 - 1;

impl Producer {
    pub(super) fn wants_session(&self) -> bool {
        self.settings.enable_idempotence && self.session.is_none() && self.asked_for_session.is_none()
    }

    /// Raises the epoch where a sequence is missing for certain, and asks for an id if there is none.
    pub(super) fn keep_sequences(&mut self, cx: &mut Cx<'_>) {
        self.unresolved.retain(|place| {
            let sequences = &mut self.partitions[*place].sequences;
            if sequences.resolve() {
                self.bump.insert(*place);
            }
            sequences.is_unresolved()
        });
        if let (false, Some((id, epoch))) = (self.bump.is_empty(), self.session) {
            cx.mark("producer: raised its epoch");
            if epoch.0 >= EPOCH_MAX {
                self.session = None;
            } else {
                self.session = Some((id, ProducerEpoch(epoch.0 + 1)));
                self.restart_sequences(cx);
            }
        }
        self.ask_for_session(cx);
    }

    /// Partitions that must begin again do; the others follow when nothing of theirs is on its way.
    fn restart_sequences(&mut self, cx: &mut Cx<'_>) {
        let Some(session) = self.session else { return };
        for place in std::mem::take(&mut self.bump) {
            let in_requests = self.in_flight.values_mut().flatten();
            let on_wire: Vec<&mut Batch> = in_requests
                .filter(|(other, batch)| *other == place && !batch.is_done)
                .map(|(_, batch)| batch)
                .collect();
            self.partitions[place].restart(cx, session, on_wire);
        }
    }

    fn ask_for_session(&mut self, cx: &mut Cx<'_>) {
        if !self.wants_session() || cx.monotonic() < self.session_not_before {
            return;
        }
        let Some(node) = self.any_node(cx) else { return };
        let request = Request::InitProducerId(InitProducerIdRequest);
        self.asked_for_session = Some(self.rpc.call(cx, node, request, self.settings.request_timeout));
    }

    fn any_node(&self, cx: &mut Cx<'_>) -> Option<NodeId> {
        let ready: Vec<NodeId> =
            self.metadata.directory().nodes().filter(|node| self.rpc.is_ready(cx, *node)).collect();
        (!ready.is_empty()).then(|| *cx.random().pick(&ready))
    }

    pub(super) fn session_answered(&mut self, cx: &mut Cx<'_>, reply: Reply) {
        self.asked_for_session = None;
        match reply {
            Reply::Answer(Response::InitProducerId(response)) if response.result.is_ok() => {
                self.session = response.result.ok();
                self.session_failures = 0;
                self.restart_sequences(cx);
            }
            Reply::Answer(_) | Reply::Lost(_) => {
                self.session_failures += 1;
                let backoff = self.settings.retry_backoff.after(cx, self.session_failures);
                self.session_not_before = cx.monotonic() + backoff;
            }
        }
    }
}
