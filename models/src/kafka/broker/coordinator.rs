//! The broker's group coordinator: not wired yet.

use super::{Broker, ReplyTo};
use crate::kafka::batch::RecordBatch;
use crate::kafka::ids::TopicIdPartition;
use crate::kafka::partition_log::LogReadId;
use crate::kafka::protocol::group::FindCoordinatorResponse;
use crate::kafka::protocol::{ErrorCode, Request, Response};
use crate::world::Cx;

/// Coordinator of the groups whose partitions this broker leads.
#[derive(Default)]
pub(super) struct Coordinator {}

impl Coordinator {
    pub(super) fn resigned(&mut self, _: TopicIdPartition) {}
}

impl Broker {
    pub(super) fn group_request(&mut self, cx: &mut Cx<'_>, to: ReplyTo, request: Request) {
        if let Request::FindCoordinator(_) = request {
            let result = Err(ErrorCode::CoordinatorNotAvailable);
            self.outbox.answer(cx, to, Response::FindCoordinator(FindCoordinatorResponse { result }));
        }
    }

    pub(super) fn coordinator_appended(&mut self, _: &mut Cx<'_>, _: u64, _: Result<(), ErrorCode>) {}

    pub(super) fn coordinator_moved(&mut self, _: &mut Cx<'_>, _: TopicIdPartition) {}

    pub(super) fn coordinator_read(&mut self, _: &mut Cx<'_>, _: LogReadId, _: &[RecordBatch]) -> bool {
        false
    }

    pub(super) fn coordinator_timer(&mut self, _: &mut Cx<'_>, _: u64) {}
}
