//! Positions: where reading begins, and where it goes on when that is out of range.

use super::{Assigned, Consumer, ConsumerEvent, Position};
use crate::kafka::ids::TopicIdPartition;
use crate::kafka::protocol::client::{ListOffsetsRequest, OffsetSpec};
use crate::kafka::protocol::{ErrorCode, Request, Response};
use crate::kafka::rpc::{CallId, Reply};
use crate::world::Cx;
use wavetank_sim::{NodeId, SortedMap};

/// Where to begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartAt {
    /// At that offset.
    Offset(u64),
    /// At the log start offset.
    Earliest,
    /// At the high watermark, or the last stable offset.
    Latest,
    /// As `auto.offset.reset` says.
    Reset,
}

impl Consumer {
    pub(super) fn start(&self, start: StartAt) -> Position {
        match start {
            StartAt::Offset(offset) => Position::At(offset),
            StartAt::Earliest => Position::Unknown(OffsetSpec::Earliest),
            StartAt::Latest => Position::Unknown(OffsetSpec::Latest),
            StartAt::Reset => self.settings.auto_offset_reset.spec().map_or(Position::Lost, Position::Unknown),
        }
    }

    /// A fetch was refused there.
    pub(super) fn out_of_range(&mut self, tp: TopicIdPartition, offset: u64) {
        let reset_to = self.settings.auto_offset_reset.spec();
        if let Some(assigned) = self.partitions.get_mut(&tp) {
            assigned.move_to(reset_to.map_or(Position::Lost, Position::Unknown));
            self.events.push_back(ConsumerEvent::OutOfRange { tp, offset, reset_to });
        }
    }

    /// Asks leaders for positions that are not known.
    pub(super) fn look_up(&mut self, cx: &mut Cx<'_>) {
        let now = cx.monotonic();
        let mut by_node: SortedMap<NodeId, Vec<(TopicIdPartition, OffsetSpec)>> = SortedMap::new();
        for (tp, assigned) in &self.partitions {
            let Position::Unknown(spec) = assigned.position else { continue };
            if assigned.looking_up.is_some() || now < assigned.not_before {
                continue;
            }
            match assigned.leader {
                Some((node, _)) if self.rpc.is_ready(cx, node) => by_node.entry(node).or_default().push((*tp, spec)),
                Some(_) => {}
                None => self.metadata.request_update(),
            }
        }
        for (node, partitions) in by_node {
            let isolation = self.settings.isolation_level;
            let request = Request::ListOffsets(ListOffsetsRequest { isolation, partitions: partitions.clone() });
            let call = self.rpc.call(cx, node, request, self.settings.request_timeout);
            for (tp, _) in partitions {
                self.partitions.get_mut(&tp).expect("it is assigned").looking_up = Some(call);
            }
        }
    }

    pub(super) fn looked_up(&mut self, cx: &mut Cx<'_>, call: CallId, reply: Reply) {
        let asked = |assigned: &Assigned| assigned.looking_up == Some(call);
        let of: Vec<_> = self.partitions.iter().filter(|(_, assigned)| asked(assigned)).map(|(tp, _)| *tp).collect();
        for tp in of {
            let said = match &reply {
                Reply::Answer(Response::ListOffsets(response)) => {
                    let found = response.partitions.iter().find(|(of, _)| *of == tp);
                    found.map_or(Err(ErrorCode::InvalidRequest), |(_, result)| *result)
                }
                Reply::Answer(_) => Err(ErrorCode::InvalidRequest),
                Reply::Lost(_) => Err(ErrorCode::LeaderNotAvailable),
            };
            let assigned = self.partitions.get_mut(&tp).expect("it was found");
            assigned.looking_up = None;
            match said {
                Ok(offset) => (assigned.position, assigned.failures) = (Position::At(offset), 0),
                Err(_) => {
                    self.metadata.request_update();
                    assigned.failures += 1;
                    assigned.not_before = cx.monotonic() + self.settings.retry_backoff.after(cx, assigned.failures);
                }
            }
        }
    }
}
