//! How a partition's streams are opened (`ElasticLog`, `DefaultOpenStreamChecker`).
//!
//! Look them up (or make them), wait until the image shows them closed, open both under the leader epoch, read the snapshot.

use super::{RETRY, Reading, Stage, Start, StreamLogs, Streams, decode_snapshot};
use crate::kafka::broker::link::ControllerLink;
use crate::kafka::ids::{BrokerId, StreamEpoch, StreamId, TopicIdPartition};
use crate::kafka::metadata::StreamState;
use crate::kafka::partition_log::{LogEvent, PartitionLogs, Snapshot};
use crate::kafka::protocol::ErrorCode;
use crate::kafka::protocol::controller::{OpenedStream, StorageRequest};
use crate::kafka::shared_storage::engine::EngineRead;
use crate::kafka::wal::WalRecord;
use crate::world::Cx;
use std::sync::Arc;

impl StreamLogs {
    pub(super) fn key(tp: TopicIdPartition) -> Arc<str> {
        format!("partition/{tp}").into()
    }

    pub(super) fn found(&mut self, cx: &mut Cx<'_>, link: &mut ControllerLink, tp: TopicIdPartition, value: &[u8]) {
        let Ok((meta, data)) = postcard::from_bytes(value) else {
            return cx.fail(format!("the streams of partition {tp} are not readable"));
        };
        let streams = Streams { meta: StreamId(meta), data: StreamId(data) };
        self.try_open(cx, link, tp, streams);
    }

    /// Opens the streams when the image shows them closed.
    pub(super) fn try_open(
        &mut self,
        cx: &mut Cx<'_>,
        link: &mut ControllerLink,
        tp: TopicIdPartition,
        streams: Streams,
    ) {
        let Some(log) = self.logs.get_mut(&tp) else { return };
        if log.is_unwanted {
            return self.gone(tp);
        }
        let epoch = StreamEpoch(u64::from(log.epoch.0));
        let is_closed = |stream: StreamId| {
            let image = link.image.streams.get(&stream);
            image.is_some_and(|image| image.state == StreamState::Closed || image.epoch == epoch)
        };
        let is_late = self.late.values().any(|stream| [streams.meta, streams.data].contains(stream));
        if is_late || !is_closed(streams.meta) || !is_closed(streams.data) {
            log.stage = Stage::Await(streams);
            let owner = link.image.streams.get(&streams.data).and_then(|image| image.owner());
            let is_gone = |owner: BrokerId| link.image.brokers.get(&owner).is_none_or(|state| state.fenced);
            if log.awaits.take_if(|owner| is_gone(*owner)).is_some() {
                cx.mark("storage: a former leader died before it had closed a partition");
            } else {
                log.awaits = owner.filter(|owner| !is_gone(*owner));
            }
            tracing::debug!(broker = %self.spec.broker, partition = %tp, "awaits the streams' close");
            return;
        }
        log.stage = Stage::Open(streams);
        let request = StorageRequest::OpenStreams(vec![(streams.meta, epoch), (streams.data, epoch)]);
        self.ask(cx, link, tp, request);
    }

    pub(super) fn stream_opened(
        &mut self,
        cx: &mut Cx<'_>,
        link: &mut ControllerLink,
        tp: TopicIdPartition,
        results: &[Result<OpenedStream, ErrorCode>],
    ) {
        let Some(log) = self.logs.get_mut(&tp) else { return };
        let Stage::Open(streams) = log.stage else { return };
        if let Some(error) = results.iter().find_map(|result| result.as_ref().err()) {
            return self.not_opened(cx, tp, streams, *error);
        }
        let (Ok(meta), Ok(data)) = (results[0], results[1]) else { unreachable!("no error was found") };
        let Start::Running(engine) = &mut self.start else { return };
        engine.opened(cx, meta);
        engine.opened(cx, data);
        self.by_data.insert(streams.data, tp);
        self.by_meta.insert(streams.meta, tp);
        log.stage = Stage::ReadSnapshot(streams, data);
        if meta.end_offset == meta.start_offset {
            return self.log_opened(cx, link, tp, None);
        }
        let last = meta.end_offset - 1;
        match engine.read(cx, link, streams.meta, last..meta.end_offset, 1) {
            EngineRead::Now(records) => self.snapshot_read(cx, link, tp, &records),
            EngineRead::Later(id) => drop(self.reads.insert(id, Reading::Snapshot(tp))),
        }
    }

    pub(super) fn not_opened(&mut self, cx: &mut Cx<'_>, tp: TopicIdPartition, streams: Streams, error: ErrorCode) {
        let log = self.logs.get_mut(&tp).expect("it was looked at");
        match error {
            ErrorCode::StreamFenced | ErrorCode::ExpiredStreamEpoch => self.gone(tp),
            ErrorCode::NodeEpochExpired | ErrorCode::NodeFenced | ErrorCode::NodeEpochNotExist => {
                self.halt(format!("the controller refuses to open a stream: {error}"));
            }
            _ => {
                cx.mark("storage: a stream was not closed yet");
                log.stage = Stage::Await(streams);
                self.space(4).set_timer(cx, RETRY, 0);
            }
        }
    }

    pub(super) fn snapshot_read(
        &mut self,
        cx: &mut Cx<'_>,
        link: &mut ControllerLink,
        tp: TopicIdPartition,
        records: &[Arc<WalRecord>],
    ) {
        let Some(log) = self.logs.get(&tp) else { return };
        let Stage::ReadSnapshot(streams, _) = log.stage else { return };
        let epoch = StreamEpoch(u64::from(log.epoch.0));
        if link.image.streams.get(&streams.meta).is_some_and(|meta| meta.epoch > epoch) {
            // Its next owner may have trimmed the stream beyond that record already.
            cx.mark("storage: a stream had its next owner before it was open");
            return self.gone(tp);
        }
        let snapshot = records.first().and_then(|record| decode_snapshot(&record.payload));
        if snapshot.is_none() {
            cx.fail(format!("partition {tp}: the snapshot of producer state is not readable"));
        }
        self.log_opened(cx, link, tp, snapshot);
    }

    pub(super) fn log_opened(
        &mut self,
        cx: &mut Cx<'_>,
        link: &mut ControllerLink,
        tp: TopicIdPartition,
        snapshot: Option<Snapshot>,
    ) {
        let Some(log) = self.logs.get_mut(&tp) else { return };
        let Stage::ReadSnapshot(streams, data) = log.stage else { return };
        log.stage = Stage::Opened(streams);
        log.trim.covered = snapshot.as_ref().map_or(0, |snapshot| snapshot.at);
        let epoch = log.epoch;
        let (log_start, log_end) = (data.start_offset, data.end_offset);
        self.events.push_back(LogEvent::Opened { tp, epoch, log_start, log_end, snapshot });
        if self.logs[&tp].is_unwanted {
            self.close(cx, link, tp);
        }
    }
}
