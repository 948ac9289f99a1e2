//! Trimming of data streams (`S3Stream.trim`).
//!
//! One trim of a stream at a time (`lastPendingTrim`), after the reads that were under way when it was asked for
//! (`pendingFetches`); never beyond what is in committed objects, so what is to go further goes when more is committed; and
//! never beyond the newest durable snapshot of producer state: batches that no leader can read again are known from it alone
//! (Kafka takes one at each roll of a segment, before it deletes any, `UnifiedLog.roll`). The
//! controller refuses it under an old epoch; the next owner trims then. What is stored below is dropped by the
//! [compactions](super::super::compaction), and deleted by the controller.
//!
//! Simpler than reality: a close does not wait for a trim that is under way, which is done before it or refused.

use super::{Log, Reading, Stage, Start, StreamLogs};
use crate::kafka::broker::link::{ControllerLink, Ticket};
use crate::kafka::ids::{StreamEpoch, TopicIdPartition};
use crate::kafka::protocol::ErrorCode;
use crate::kafka::protocol::controller::{ControllerAnswer, StorageRequest, TrimStream};
use crate::kafka::shared_storage::reader::ReadId;
use crate::world::Cx;
use wavetank_sim::SortedSet;

/// How far a data stream is being trimmed.
#[derive(Default)]
pub(super) struct Trim {
    /// What lies before is not needed.
    wanted: u64,
    /// Up to there producer state is kept.
    pub(super) covered: u64,
    /// The controller has it.
    done: u64,
    /// The controller is asked for that.
    asked: Option<(Ticket, u64)>,
    /// Reads that began before it was wanted.
    reads: SortedSet<ReadId>,
}

impl StreamLogs {
    /// A partition's log is to begin there.
    pub(super) fn begin_trim(&mut self, cx: &mut Cx<'_>, link: &mut ControllerLink, tp: TopicIdPartition, offset: u64) {
        let Some(log) = self.logs.get_mut(&tp) else { return };
        log.trim.wanted = log.trim.wanted.max(offset);
        let of_it = |(id, reading): (&ReadId, &Reading)| match reading {
            Reading::Partition(of, _) => (*of == tp).then_some(*id),
            Reading::Snapshot(_) => None,
        };
        log.trim.reads = self.reads.iter().filter_map(of_it).collect();
        self.trimming.insert(tp);
        self.try_trim(cx, link, tp);
    }

    /// The image has moved: more may be in objects.
    pub(super) fn trim_on(&mut self, cx: &mut Cx<'_>, link: &mut ControllerLink) {
        for tp in self.trimming.iter().copied().collect::<Vec<_>>() {
            self.try_trim(cx, link, tp);
        }
    }

    /// Trims a stream. Whatever comes of it: the next trim will do what this one did not.
    pub(super) fn ask_trim(&mut self, cx: &mut Cx<'_>, link: &mut ControllerLink, trim: TrimStream) -> Ticket {
        let ticket = link.ask(cx, self.identity(link).request(StorageRequest::TrimStreams(vec![trim])));
        if let Start::Running(engine) = &mut self.start {
            engine.trimmed(trim.stream, trim.start_offset);
        }
        ticket
    }

    /// The next trim of a partition's data stream, if it may be asked for now.
    pub(super) fn try_trim(&mut self, cx: &mut Cx<'_>, link: &mut ControllerLink, tp: TopicIdPartition) {
        let log = self.logs.get(&tp);
        let Some(Log { stage: Stage::Opened(streams), epoch, trim, .. }) = log else {
            self.trimming.remove(&tp);
            return;
        };
        let Some(image) = link.image.streams.get(&streams.data) else { return };
        if trim.done >= trim.wanted {
            self.trimming.remove(&tp);
            return;
        }
        // Not beyond what is in objects: a record that lies across a trim beyond that would not follow on in a recovery.
        let start_offset = trim.wanted.min(image.end_offset).min(trim.covered);
        if trim.asked.is_some() || !trim.reads.is_empty() || start_offset <= image.start_offset.max(trim.done) {
            return;
        }
        let trim = TrimStream { stream: streams.data, epoch: StreamEpoch(u64::from(epoch.0)), start_offset };
        let ticket = self.ask_trim(cx, link, trim);
        self.logs.get_mut(&tp).expect("it was looked at").trim.asked = Some((ticket, start_offset));
    }

    pub(super) fn read_ended(
        &mut self,
        cx: &mut Cx<'_>,
        link: &mut ControllerLink,
        tp: TopicIdPartition,
        read: ReadId,
    ) {
        if self.logs.get_mut(&tp).is_some_and(|log| log.trim.reads.remove(&read)) {
            cx.mark("storage: a trim waited for a read");
            self.try_trim(cx, link, tp);
        }
    }

    /// The controller's answer to a trim; `false` when it is to something else.
    pub(super) fn trim_answered(
        &mut self,
        cx: &mut Cx<'_>,
        link: &mut ControllerLink,
        ticket: Ticket,
        result: &Result<ControllerAnswer, ErrorCode>,
    ) -> bool {
        let asked = |(tp, log): (&TopicIdPartition, &Log)| {
            log.trim.asked.filter(|(asked, _)| *asked == ticket).map(|(_, start_offset)| (*tp, start_offset))
        };
        let mut trimming = self.trimming.iter().filter_map(|tp| self.logs.get_key_value(tp));
        let Some((tp, start_offset)) = trimming.find_map(asked) else { return false };
        let trim = &mut self.logs.get_mut(&tp).expect("it was found").trim;
        trim.asked = None;
        match result {
            Ok(ControllerAnswer::Each(errors)) if errors.iter().all(Option::is_none) => trim.done = start_offset,
            // Another's, or about to be: the leader will hear of it.
            Ok(_) | Err(_) => {
                cx.mark("storage: a trim was refused");
                trim.wanted = trim.done;
            }
        }
        self.try_trim(cx, link, tp);
        true
    }
}
