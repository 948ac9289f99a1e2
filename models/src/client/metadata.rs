//! What a client knows of the cluster (`org.apache.kafka.clients.Metadata`, `NetworkClient.DefaultMetadataUpdater`).
//!
//! It asks when something asked for an update, and when what it knows is `metadata.max.age.ms` old; one request at a time,
//! of a broker with few requests in flight, and not before `retry.backoff.ms` after the last one. A view that is older than
//! the one at hand is not taken: Kafka compares leader epochs partition by partition, here the offset of the metadata log
//! stands for all of them (KIP-320).

use super::{Backoff, Directory};
use crate::kafka::ids::{LeaderEpoch, TopicIdPartition};
use crate::kafka::protocol::client::{ClusterView, MetadataRequest};
use crate::kafka::protocol::{Request, Response};
use crate::kafka::rpc::{CallId, Reply, Rpc};
use crate::world::Cx;
use std::sync::Arc;
use wavetank_sim::{Nanos, NodeId};

/// See the [module](self).
pub struct Metadata {
    directory: Directory,
    max_age: Nanos,
    backoff: Backoff,
    timeout: Nanos,
    view: Option<Arc<ClusterView>>,
    refreshed_at: Nanos,
    wanted: bool,
    failures: u32,
    not_before: Nanos,
    asked: Option<CallId>,
}

impl Metadata {
    /// Knows nothing but where brokers are, and wants to.
    pub fn new(directory: Directory, max_age: Nanos, backoff: Backoff, timeout: Nanos) -> Metadata {
        Metadata {
            directory,
            max_age,
            backoff,
            timeout,
            view: None,
            refreshed_at: Nanos::ZERO,
            wanted: true,
            failures: 0,
            not_before: Nanos::ZERO,
            asked: None,
        }
    }

    /// What is known; `None` before the first answer.
    pub fn view(&self) -> Option<&Arc<ClusterView>> {
        self.view.as_ref()
    }

    /// Where brokers are.
    pub fn directory(&self) -> &Directory {
        &self.directory
    }

    /// The leader of a partition and where it is, if it has one.
    pub fn leader(&self, tp: TopicIdPartition) -> Option<(NodeId, LeaderEpoch)> {
        let (leader, epoch) = self.view.as_ref()?.leader(tp)?;
        Some((self.directory.node(leader?)?, epoch))
    }

    /// What is known is wrong, or not enough.
    pub fn request_update(&mut self) {
        self.wanted = true;
    }

    /// Asks, if it is time to.
    pub fn poll(&mut self, cx: &mut Cx<'_>, rpc: &mut Rpc) {
        if self.asked.is_some() || cx.monotonic() < self.next_wake() {
            return;
        }
        let Some(node) = self.least_loaded(cx, rpc) else {
            self.not_before = cx.monotonic() + self.backoff.min;
            return;
        };
        self.wanted = false;
        self.asked = Some(rpc.call(cx, node, Request::Metadata(MetadataRequest), self.timeout));
    }

    /// When [`poll`](Metadata::poll) has something to do next.
    pub fn next_wake(&self) -> Nanos {
        match (self.asked, self.wanted) {
            (Some(_), _) => Nanos::MAX,
            (None, true) => self.not_before,
            (None, false) => self.not_before.max(self.refreshed_at.saturating_add(self.max_age)),
        }
    }

    /// Whether this is the call that it waits for.
    pub fn owns(&self, call: CallId) -> bool {
        self.asked == Some(call)
    }

    /// The answer to its call. Whether something new is known.
    pub fn answered(&mut self, cx: &mut Cx<'_>, reply: Reply) -> bool {
        self.asked = None;
        let Reply::Answer(Response::Metadata(response)) = reply else {
            self.failures += 1;
            self.wanted = true;
            self.not_before = cx.monotonic() + self.backoff.after(cx, self.failures);
            return false;
        };
        self.failures = 0;
        self.refreshed_at = cx.monotonic();
        self.not_before = cx.monotonic() + self.backoff.min;
        let is_new = match &self.view {
            None => true,
            Some(known) if known.offset > response.view.offset => {
                cx.mark("client: an older view of the cluster was not taken");
                false
            }
            Some(known) => **known != *response.view,
        };
        if is_new {
            self.view = Some(response.view);
        }
        is_new
    }

    /// `NetworkClient.leastLoadedNode`: of the brokers that can be asked now, one with the fewest requests in flight, from
    /// a random place on.
    fn least_loaded(&self, cx: &mut Cx<'_>, rpc: &Rpc) -> Option<NodeId> {
        let alive = |node: &NodeId| {
            let Some(view) = &self.view else { return true };
            view.brokers.iter().any(|(broker, _)| self.directory.node(*broker) == Some(*node))
        };
        let ready: Vec<NodeId> = self.directory.nodes().filter(|node| rpc.is_ready(cx, *node)).collect();
        let known: Vec<NodeId> = ready.iter().copied().filter(alive).collect();
        // Nobody of those it knows can be asked: from the beginning again (KIP-899).
        let nodes = if known.is_empty() { ready } else { known };
        if nodes.is_empty() {
            return None;
        }
        let from = cx.random().index(nodes.len());
        nodes.iter().cycle().skip(from).take(nodes.len()).min_by_key(|node| rpc.in_flight(**node)).copied()
    }
}
