//! How a partition's streams are closed: behind a forced upload, or fast.

use super::{Log, Stage, Start, StreamLogs};
use crate::kafka::broker::link::ControllerLink;
use crate::kafka::ids::{StreamEpoch, StreamId, TopicIdPartition};
use crate::kafka::partition_log::LogEvent;
use crate::kafka::protocol::controller::{CloseStream, StorageRequest};
use crate::kafka::shared_storage::engine::FlushId;
use crate::world::Cx;

impl StreamLogs {
    /// The log is not this broker's any more.
    pub(super) fn gone(&mut self, tp: TopicIdPartition) {
        let Some(log) = self.logs.remove(&tp) else { return };
        tracing::debug!(broker = %self.spec.broker, partition = %tp, "is closed");
        if let Some(streams) = log.stage.streams() {
            self.by_data.remove(&streams.data);
            self.by_meta.remove(&streams.meta);
            if let Start::Running(engine) = &mut self.start {
                engine.forget(streams.meta);
                engine.forget(streams.data);
            }
        }
        self.events.push_back(LogEvent::Closed { tp, epoch: log.epoch });
    }

    /// Closes fast what is settled: what was appended is in the log.
    pub(super) fn close_settled(&mut self, cx: &mut Cx<'_>, link: &mut ControllerLink, tp: TopicIdPartition) {
        let Some(Log { stage: Stage::Settling(streams), epoch, .. }) = self.logs.get(&tp) else { return };
        let (streams, epoch) = (*streams, StreamEpoch(u64::from(epoch.0)));
        let Start::Running(engine) = &mut self.start else { return };
        let both = [streams.meta, streams.data];
        if both.iter().any(|stream| engine.confirm_offset(*stream) != engine.next_offset(*stream)) {
            return;
        }
        let close = both.map(|stream| CloseStream { stream, epoch, end_offset: engine.next_offset(stream) });
        self.by_data.remove(&streams.data);
        self.by_meta.remove(&streams.meta);
        for stream in both {
            engine.closed_fast(stream);
            self.late.insert(engine.flush(cx, link, stream), stream);
        }
        self.logs.get_mut(&tp).expect("it was looked at").stage = Stage::Closing;
        self.ask(cx, link, tp, StorageRequest::CloseStreams(close.to_vec()));
        self.heed_engine(cx, link);
    }

    /// What was closed fast is in objects now.
    pub(super) fn uploaded_late(&mut self, cx: &mut Cx<'_>, link: &mut ControllerLink, stream: StreamId) {
        if let Start::Running(engine) = &mut self.start {
            engine.forget(stream);
        }
        let waiting = self.logs.iter().find_map(|(tp, log)| match log.stage {
            Stage::Await(streams) if streams.meta == stream || streams.data == stream => Some((*tp, streams)),
            _ => None,
        });
        if let Some((tp, streams)) = waiting {
            self.try_open(cx, link, tp, streams);
        }
    }

    pub(super) fn flushed(&mut self, cx: &mut Cx<'_>, link: &mut ControllerLink, id: FlushId) {
        if let Some(stream) = self.late.remove(&id) {
            return self.uploaded_late(cx, link, stream);
        }
        let mut done = Vec::new();
        for (tp, log) in &mut self.logs {
            if let Stage::Flushing(streams, flushes) = &mut log.stage {
                flushes.retain(|flush| *flush != id);
                if flushes.is_empty() {
                    done.push((*tp, log.epoch, *streams));
                }
            }
        }
        for (tp, epoch, streams) in done {
            let epoch = StreamEpoch(u64::from(epoch.0));
            let close = |stream| CloseStream { stream, epoch, end_offset: None };
            let request = StorageRequest::CloseStreams(vec![close(streams.meta), close(streams.data)]);
            self.logs.get_mut(&tp).expect("it was just there").stage = Stage::Closing;
            self.by_data.remove(&streams.data);
            self.by_meta.remove(&streams.meta);
            if let Start::Running(engine) = &mut self.start {
                engine.forget(streams.meta);
                engine.forget(streams.data);
            }
            self.ask(cx, link, tp, request);
        }
    }
}
