//! A group's committed offsets are set elsewhere (`kafka-consumer-groups.sh --reset-offsets`, KIP-122).
//!
//! Order of steps: who leads the partitions (Metadata), who coordinates the group (FindCoordinator), what is committed
//! (OffsetFetch), where logs begin (ListOffsets, of each leader), and the commit, by somebody who is no member. A coordinator
//! takes that only while the group is empty; else it answers `UNKNOWN_MEMBER_ID`. Whatever goes wrong, all of it is done
//! again, until it is too late.
//!
//! Back is where the tool's `--shift-by` goes: from what is committed, never before the log's start; where nothing is
//! committed there is nothing to go back from. Never forward: what is skipped nobody reads.

use crate::storm::Goal;
use std::collections::VecDeque;
use wavetank_models::client::Directory;
use wavetank_models::kafka::ids::{GroupId, TopicIdPartition};
use wavetank_models::kafka::protocol::client::{IsolationLevel, ListOffsetsRequest, MetadataRequest, OffsetSpec};
use wavetank_models::kafka::protocol::group::{
    CommittedOffsets, FindCoordinatorRequest, OffsetCommitRequest, OffsetFetchRequest,
};
use wavetank_models::kafka::protocol::{ErrorCode, Request, Response};
use wavetank_models::kafka::rpc::Reply;
use wavetank_models::world::Cx;
use wavetank_sim::{Nanos, NodeId, SortedMap};

/// What is to be reset, and until when it is tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Order {
    pub(super) group: GroupId,
    pub(super) partitions: Vec<TopicIdPartition>,
    pub(super) to: Goal,
    pub(super) until: Nanos,
}

/// How far it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Known {
    /// Who is still to be asked where logs begin, and of which.
    leaders: Option<VecDeque<(NodeId, Vec<TopicIdPartition>)>>,
    coordinator: Option<NodeId>,
    committed: Option<CommittedOffsets>,
    starts: SortedMap<TopicIdPartition, u64>,
}

/// See the [module](self).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reset {
    order: Order,
    known: Known,
}

/// What is next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Ask.
    Ask(NodeId, Request),
    /// It is done, whatever is committed now.
    Done,
}

/// What an answer comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// There is a next step.
    Goes,
    /// It is done.
    Done,
    /// The group has members.
    IsInUse,
    /// Something went wrong.
    Fails,
}

impl Reset {
    pub(super) fn new(order: Order) -> Reset {
        Reset { order, known: Known::default() }
    }

    pub(super) fn is_too_late(&self, now: Nanos) -> bool {
        now >= self.order.until
    }

    /// From the first step on.
    pub(super) fn begin_anew(&mut self) {
        self.known = Known::default();
    }

    pub(super) fn next(&self, cx: &mut Cx<'_>, directory: &Directory) -> Next {
        let group = self.order.group;
        let anybody = |cx: &mut Cx<'_>| *cx.random().pick(&directory.nodes().collect::<Vec<_>>());
        let Some(leaders) = &self.known.leaders else {
            return Next::Ask(anybody(cx), Request::Metadata(MetadataRequest));
        };
        let Some(coordinator) = self.known.coordinator else {
            return Next::Ask(anybody(cx), Request::FindCoordinator(FindCoordinatorRequest { group }));
        };
        if self.known.committed.is_none() {
            let partitions = self.order.partitions.clone();
            return Next::Ask(coordinator, Request::OffsetFetch(OffsetFetchRequest { group, partitions }));
        }
        if let Some((leader, of)) = leaders.front() {
            let partitions = of.iter().map(|tp| (*tp, OffsetSpec::Earliest)).collect();
            let request = ListOffsetsRequest { isolation: IsolationLevel::default(), partitions };
            return Next::Ask(*leader, Request::ListOffsets(request));
        }
        match self.offsets() {
            offsets if offsets.is_empty() => Next::Done,
            offsets => {
                let request = OffsetCommitRequest { group, member: None, offsets };
                Next::Ask(coordinator, Request::OffsetCommit(request))
            }
        }
    }

    /// What is to be committed.
    fn offsets(&self) -> Vec<(TopicIdPartition, u64)> {
        let committed: SortedMap<_, _> = self.known.committed.iter().flat_map(|all| all.iter().copied()).collect();
        let place = |(tp, start): (&TopicIdPartition, &u64)| {
            let committed = committed.get(tp).copied().flatten();
            let to = match self.order.to {
                Goal::Earliest => *start,
                // Retention may have passed what is committed: that is where it goes on, and no further.
                Goal::Back(records) => committed?.saturating_sub(records).max(*start),
            };
            Some((*tp, to))
        };
        self.known.starts.iter().filter_map(place).collect()
    }

    pub(super) fn heard(&mut self, reply: Reply, directory: &Directory) -> Heard {
        let Reply::Answer(response) = reply else { return Heard::Fails };
        match response {
            Response::Metadata(metadata) => {
                let mut by_leader: SortedMap<NodeId, Vec<TopicIdPartition>> = SortedMap::new();
                for tp in &self.order.partitions {
                    let leader = metadata.view.leader(*tp).and_then(|(leader, _)| directory.node(leader?));
                    let Some(leader) = leader else { return Heard::Fails };
                    by_leader.entry(leader).or_default().push(*tp);
                }
                self.known.leaders = Some(by_leader.into_iter().collect());
                Heard::Goes
            }
            Response::FindCoordinator(found) => {
                self.known.coordinator = found.result.ok().and_then(|broker| directory.node(broker));
                if self.known.coordinator.is_some() { Heard::Goes } else { Heard::Fails }
            }
            Response::OffsetFetch(fetched) => {
                self.known.committed = fetched.result.ok();
                if self.known.committed.is_some() { Heard::Goes } else { Heard::Fails }
            }
            Response::ListOffsets(listed) => {
                self.known.leaders.as_mut().and_then(VecDeque::pop_front);
                for (tp, start) in listed.partitions {
                    let Ok(start) = start else { return Heard::Fails };
                    self.known.starts.insert(tp, start);
                }
                Heard::Goes
            }
            Response::OffsetCommit(done) => {
                let errors: Vec<ErrorCode> = done.partitions.iter().filter_map(|(_, error)| *error).collect();
                match errors.first() {
                    None => Heard::Done,
                    Some(ErrorCode::UnknownMemberId) => Heard::IsInUse,
                    Some(_) => Heard::Fails,
                }
            }
            _ => Heard::Fails,
        }
    }
}
