//! Offsets committed to Kafka for others to see (`KafkaSourceReader.notifyCheckpointComplete`): asynchronous, and a failure
//! is only logged. The group has no members: a commit carries no member id.
//!
//! A source reads them ([`Committer::ask`]) where it has no state and is to begin at them; never on restore, but for a
//! mutant.

use super::JobSpec;
use crate::kafka::ids::TopicIdPartition;
use crate::kafka::protocol::group::{
    CommittedOffsets, FindCoordinatorRequest, OffsetCommitRequest, OffsetFetchRequest, OffsetFetchResponse,
};
use crate::kafka::protocol::{Request, Response};
use crate::kafka::rpc::{CallId, Reply, Rpc};
use crate::kafka::token::TokenSpace;
use crate::world::{Cx, Input};
use std::sync::Arc;
use wavetank_sim::{Nanos, NodeId, SortedMap};

const RETRY_AFTER: Nanos = Nanos::millis(100);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Call {
    Find,
    Commit,
    Fetch,
}

/// See the [module](self).
pub(super) struct Committer {
    spec: Arc<JobSpec>,
    rpc: Rpc,
    timers: TokenSpace,
    coordinator: Option<NodeId>,
    call: Option<(CallId, Call)>,
    to_commit: SortedMap<TopicIdPartition, u64>,
    asked: Vec<TopicIdPartition>,
    answer: Option<CommittedOffsets>,
    waits: bool,
}

impl Committer {
    /// Uses two token spaces.
    pub fn new(spec: Arc<JobSpec>, spaces: [TokenSpace; 2]) -> Committer {
        Committer {
            spec,
            rpc: Rpc::new(spaces[0]),
            timers: spaces[1],
            coordinator: None,
            call: None,
            to_commit: SortedMap::new(),
            asked: Vec::new(),
            answer: None,
            waits: false,
        }
    }

    /// Commits these, some time.
    pub fn commit(&mut self, offsets: Vec<(TopicIdPartition, u64)>) {
        self.to_commit.extend(offsets);
    }

    /// Asks for what is committed; [`Committer::answer`] has it some time.
    pub fn ask(&mut self, partitions: Vec<TopicIdPartition>) {
        self.asked = partitions;
        self.answer = None;
    }

    /// What is committed.
    pub fn answer(&mut self) -> Option<CommittedOffsets> {
        self.answer.take()
    }

    /// Takes what is its own; gives back what is not.
    pub fn input(&mut self, cx: &mut Cx<'_>, input: Input) -> Option<Input> {
        if let Input::Timer { token, .. } = &input
            && TokenSpace::split(*token).0 == self.timers
        {
            self.waits = false;
            return None;
        }
        self.rpc.input(cx, input)
    }

    /// Sends what is to be sent, one request at a time.
    pub fn run(&mut self, cx: &mut Cx<'_>) {
        while let Some((id, reply)) = self.rpc.poll() {
            if let Some((_, call)) = self.call.take_if(|(of, _)| *of == id) {
                self.replied(cx, call, reply);
            }
        }
        let has_work = !self.to_commit.is_empty() || !self.asked.is_empty();
        if self.call.is_some() || self.waits || !has_work {
            return;
        }
        let (to, call, request) = self.next(cx);
        let timeout = self.spec.consumer.request_timeout;
        self.call = Some((self.rpc.call(cx, to, request, timeout), call));
        // It may have failed at once.
        if !self.rpc.is_ready(cx, to) {
            self.retry_later(cx);
        }
    }

    fn next(&mut self, cx: &mut Cx<'_>) -> (NodeId, Call, Request) {
        let group = self.spec.group;
        let Some(to) = self.coordinator else {
            let nodes: Vec<NodeId> = self.spec.directory.nodes().collect();
            let request = Request::FindCoordinator(FindCoordinatorRequest { group });
            return (*cx.random().pick(&nodes), Call::Find, request);
        };
        if !self.asked.is_empty() {
            let partitions = self.asked.clone();
            return (to, Call::Fetch, Request::OffsetFetch(OffsetFetchRequest { group, partitions }));
        }
        let offsets = std::mem::take(&mut self.to_commit).into_iter().collect();
        (to, Call::Commit, Request::OffsetCommit(OffsetCommitRequest { group, member: None, offsets }))
    }

    fn replied(&mut self, cx: &mut Cx<'_>, call: Call, reply: Reply) {
        match (call, reply) {
            (Call::Find, Reply::Answer(Response::FindCoordinator(found))) if found.result.is_ok() => {
                self.coordinator = found.result.ok().and_then(|broker| self.spec.directory.node(broker));
            }
            (Call::Commit, Reply::Answer(Response::OffsetCommit(done)))
                if done.partitions.iter().all(|(_, error)| error.is_none()) => {}
            (Call::Fetch, Reply::Answer(Response::OffsetFetch(OffsetFetchResponse { result: Ok(offsets) }))) => {
                self.asked.clear();
                self.answer = Some(offsets);
            }
            (call, _) => {
                if call == Call::Commit {
                    cx.mark("flink: an offset commit failed, and the job went on");
                }
                self.coordinator = None;
                self.retry_later(cx);
            }
        }
    }

    fn retry_later(&mut self, cx: &mut Cx<'_>) {
        if !self.waits {
            self.waits = true;
            self.timers.set_timer(cx, RETRY_AFTER, 0);
        }
    }
}
