//! A broker: the partition layer, written once over the [`PartitionLogs`] seam.
//!
//! The life of a process, in order:
//! 1. It registers with the quorum and reads the metadata log.
//! 2. Its storage recovers ([`PartitionLogs::begin`]). Until then its heartbeats say that it is not ready.
//! 3. The image names it the leader of partitions: each log is opened, its newest producer state is read and brought up to
//!    date from the log itself; then the partition takes requests (`Role`).
//! 4. When the image names another leader, requests are refused with `NOT_LEADER_OR_FOLLOWER` at once and the log is given
//!    up in good order, if the storage is still this broker's.
//! 5. Told to end, it says so in its heartbeats (Kafka's controlled shutdown). The controller gives its partitions to others;
//!    their logs are closed as in 4, with everything uploaded. When nothing is open here any more and every live broker knows
//!    who leads instead, the controller lets it go, and the process ends.
//!
//! A batch is appended when the producer's sequence is right ([`producer_state`]), acknowledged when the high watermark has
//! reached its end, and readable then too.
//!
//! Nothing here outlives the process. Simpler than reality: all requests of a broker are handled in one step each (their CPU
//! time is the host's business); a client's requests on one connection may be in work at once, and are answered in order.

pub mod coordinator;
mod fetches;
pub mod link;
mod loads;
mod outbox;
mod partition;
pub mod producer_state;
pub mod retention;
pub mod segments;
mod waits;

use super::batch::RecordBatch;
use super::ids::{BrokerId, LeaderEpoch, ProducerEpoch, ProducerId, TopicIdPartition};
use super::metadata::ClusterImage;
use super::partition_log::{LogEvent, LogRead, LogReadId, PartitionLogs};
use super::protocol::client::{
    Acks, Appended, ClusterView, FetchRequest, FetchResponse, FetchedPartition, InitProducerIdResponse,
    ListOffsetsRequest, ListOffsetsResponse, MetadataResponse, OffsetSpec, ProduceRequest, ProduceResponse, TopicView,
};
use super::protocol::controller::{ControllerAnswer, ControllerRequest};
use super::protocol::{ErrorCode, Request, Response};
use super::token::{TokenSpace, token_of};
use crate::message::Message;
use crate::probe::Probe;
use crate::world::{Cx, Input, Process, Signal, TimerId, Wait, Want};
use fetches::{FetchId, Fetches, Waiting};
use link::{ControllerLink, LinkEvent, LinkOptions, Ticket, Wish};
use loads::Loads;
use outbox::{Outbox, ReplyTo};
use partition::{Appender, Leader, Learning, Partition, ProduceId, Role, Unacknowledged};
use producer_state::Verdict;
use retention::{Checks, RetentionOptions};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use wavetank_sim::{Nanos, NodeId};

/// Producer ids of one block.
const PRODUCER_IDS: u64 = 1000;
/// Bytes that are read at once to learn what producers did.
const LEARN_BYTES: u64 = 4 << 20;

const KIND: u64 = 0xff << 40;
const PRODUCE: u64 = 1 << 40;
const FETCH: u64 = 2 << 40;
const SNAPSHOT: u64 = 3 << 40;
const GIVE_UP: u64 = 4 << 40;
const REPORT: u64 = 5 << 40;
const RETENTION: u64 = 6 << 40;

/// A controlled shutdown that the controller does not answer ends after this (`BrokerServer.shutdown`).
const SHUT_DOWN_MAX: Nanos = Nanos::secs(300);
/// Let go with partitions open still, a broker waits for their close so long (`ElasticReplicaManager`).
const CLOSE_MAX: Nanos = Nanos::secs(30);

/// Makes the storage of a broker's fresh process.
pub type LogsFactory = Arc<dyn Fn() -> Box<dyn PartitionLogs> + Send + Sync>;

/// What a broker is made of.
#[derive(Clone)]
pub struct BrokerSpec {
    /// Who.
    pub id: BrokerId,
    /// Its zone.
    pub rack: u32,
    /// The quorum's nodes.
    pub controllers: Vec<NodeId>,
    /// Time limits of the link to it.
    pub link: LinkOptions,
    /// Storage; its token spaces begin at [`STORAGE_SPACE`].
    pub logs: LogsFactory,
    /// How often producer state and segments are kept.
    pub snapshot_interval: Nanos,
    /// How often the controller's balancer is told what partitions carry
    /// (`autobalancer.reporter.metrics.reporting.interval.ms`); none: it is off.
    pub report_interval: Option<Nanos>,
    /// What of logs is deleted.
    pub retention: RetentionOptions,
}

const LINK_SPACE: TokenSpace = TokenSpace(0);
const BROKER_SPACE: TokenSpace = TokenSpace(2);
const COORDINATOR_SPACE: TokenSpace = TokenSpace(3);
/// The first token space of a broker's storage.
pub const STORAGE_SPACE: TokenSpace = TokenSpace(16);

struct Producing {
    to: ReplyTo,
    results: Vec<(TopicIdPartition, Option<Result<Appended, ErrorCode>>)>,
    left: usize,
    timer: TimerId,
}

/// How far a controlled shutdown is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    No,
    /// The controller is asked.
    Asked,
    /// It may end when its partitions are closed.
    LetGo,
}

/// See the [module](self).
pub struct Broker {
    spec: BrokerSpec,
    link: Option<ControllerLink>,
    logs: Box<dyn PartitionLogs>,
    /// Storage is recovered: what a former life had open is closed.
    is_ready: bool,
    ending: Ending,
    partitions: BTreeMap<TopicIdPartition, Partition>,
    outbox: Outbox,
    producing: BTreeMap<ProduceId, Producing>,
    next_produce: u64,
    fetches: Fetches,
    /// Partitions whose high watermark or role changed in this step.
    moved: BTreeSet<TopicIdPartition>,
    lessons: BTreeMap<LogReadId, TopicIdPartition>,
    view: Option<Arc<ClusterView>>,
    producer_ids: std::ops::Range<u64>,
    asked_ids: Option<Ticket>,
    wants_id: VecDeque<ReplyTo>,
    coordinator: coordinator::Coordinator,
    loads: Loads,
    /// A report that is on its way: the next one waits for its answer.
    asked_report: Option<Ticket>,
    checks: Checks,
}

impl Broker {
    /// A fresh process.
    pub fn new(spec: BrokerSpec) -> Broker {
        let logs = (spec.logs)();
        Broker {
            spec,
            link: None,
            logs,
            is_ready: false,
            ending: Ending::No,
            partitions: BTreeMap::new(),
            outbox: Outbox::default(),
            producing: BTreeMap::new(),
            next_produce: 0,
            fetches: Fetches::default(),
            moved: BTreeSet::new(),
            lessons: BTreeMap::new(),
            view: None,
            producer_ids: 0..0,
            asked_ids: None,
            wants_id: VecDeque::new(),
            coordinator: coordinator::Coordinator::default(),
            loads: Loads::default(),
            asked_report: None,
            checks: Checks::Far(None),
        }
    }

    fn boot(&mut self, cx: &mut Cx<'_>) {
        let BrokerSpec { id, rack, controllers, link, .. } = self.spec.clone();
        let mut link = ControllerLink::new(cx, LINK_SPACE, id, rack, controllers, link);
        link.boot(cx);
        self.link = Some(link);
        BROKER_SPACE.set_timer(cx, self.spec.snapshot_interval, SNAPSHOT);
        if let Some(interval) = self.spec.report_interval {
            BROKER_SPACE.set_timer(cx, interval, REPORT);
        }
        self.begin_retention(cx);
    }

    /// What the link and the logs have to say, until they have nothing more.
    fn settle(&mut self, cx: &mut Cx<'_>) {
        loop {
            if let Some(event) = self.link.as_mut().and_then(ControllerLink::poll) {
                self.heed_link(cx, event);
            } else if let Some(event) = self.logs.poll() {
                self.heed_logs(cx, event);
            } else if !self.moved.is_empty() {
                self.serve_moved(cx);
            } else {
                return;
            }
        }
    }

    fn heed_link(&mut self, cx: &mut Cx<'_>, event: LinkEvent) {
        let link = self.link.as_mut().expect("it said something");
        match event {
            LinkEvent::Registered => self.logs.begin(cx, link),
            LinkEvent::ImageMoved => {
                self.view = None;
                self.logs.image_moved(cx, link);
                self.follow_topic_configs(cx);
                self.follow_image(cx);
            }
            LinkEvent::Answered(ticket, result) => {
                if self.asked_ids == Some(ticket) {
                    self.ids_came(cx, result);
                } else if self.asked_report == Some(ticket) {
                    self.asked_report = None;
                } else {
                    self.logs.answered(cx, link, ticket, &result);
                }
            }
            LinkEvent::Superseded => cx.exit("another life of this broker is registered"),
            LinkEvent::MayShutDown => {
                if self.ending == Ending::Asked {
                    self.ending = Ending::LetGo;
                    BROKER_SPACE.set_timer(cx, CLOSE_MAX, GIVE_UP);
                }
                self.end_if_closed(cx);
            }
        }
    }

    // ---- the end ----

    /// It was told to end.
    fn shut_down(&mut self, cx: &mut Cx<'_>) {
        if !self.is_ready {
            return cx.exit("told to end before it was ready");
        }
        if self.ending == Ending::No {
            self.ending = Ending::Asked;
            BROKER_SPACE.set_timer(cx, SHUT_DOWN_MAX, GIVE_UP);
            self.link.as_mut().expect("it is ready").set_wish(cx, Wish::ShutDown);
        }
    }

    fn end_if_closed(&mut self, cx: &mut Cx<'_>) {
        if self.ending == Ending::LetGo && self.partitions.is_empty() {
            cx.mark("broker: shut down in good order");
            cx.exit("controlled shutdown");
        }
    }

    // ---- leadership ----

    /// Opens what this broker is to lead now, and gives up what it is not.
    fn follow_image(&mut self, cx: &mut Cx<'_>) {
        if !self.is_ready {
            return;
        }
        let me = self.spec.id;
        let image = &self.link.as_ref().expect("it has an image").image;
        let mut open = Vec::new();
        let mut close = Vec::new();
        // Both are in order: nothing is looked up.
        let mut known = self.partitions.iter().peekable();
        for (tp, partition) in image.partitions() {
            let is_mine = partition.leader == Some(me);
            while known.next_if(|(other, _)| **other < tp).is_some() {}
            match known.next_if(|(other, _)| **other == tp).map(|(_, known)| known) {
                None if is_mine => open.push((tp, partition.leader_epoch)),
                Some(known) if !is_mine || known.epoch != partition.leader_epoch => close.push(tp),
                None | Some(_) => {}
            }
        }
        for tp in close {
            self.resign(cx, tp);
        }
        for (tp, epoch) in open {
            tracing::debug!(broker = %me, partition = %tp, %epoch, "opens");
            self.partitions.insert(tp, Partition { epoch, role: Role::Opening });
            self.logs.open(cx, self.link.as_mut().expect("it has an image"), tp, epoch);
        }
    }

    fn resign(&mut self, cx: &mut Cx<'_>, tp: TopicIdPartition) {
        let Some(partition) = self.partitions.get_mut(&tp) else { return };
        let role = std::mem::replace(&mut partition.role, Role::Closing);
        match role {
            Role::Closing => return,
            Role::Opening | Role::Learning(_) => {}
            Role::Leading(mut leader) => {
                let (broker, epoch) = (self.spec.id, partition.epoch);
                cx.probe(Probe::LeaderResigned { tp, broker, epoch });
                if let Some(snapshot) = leader.snapshot() {
                    self.logs.keep_snapshot(cx, self.link.as_mut().expect("it led"), tp, snapshot);
                }
                // What waits may become durable still, but this broker will not be asked for it any more.
                for waiting in leader.waiting {
                    self.settled(cx, waiting.by, Err(ErrorCode::NotLeaderOrFollower));
                }
            }
        }
        tracing::debug!(broker = %self.spec.id, partition = %tp, "gives up");
        self.moved.insert(tp);
        self.coordinator.resigned(tp);
        self.logs.close(cx, self.link.as_mut().expect("it led"), tp);
    }

    fn heed_logs(&mut self, cx: &mut Cx<'_>, event: LogEvent) {
        match event {
            LogEvent::Ready => {
                self.is_ready = true;
                self.link.as_mut().expect("it is registered").set_wish(cx, Wish::Active);
                self.follow_image(cx);
            }
            LogEvent::Opened { tp, epoch, log_start, log_end, snapshot } => {
                let (config, _) = self.log_config(tp);
                let Some(partition) = self.partitions.get_mut(&tp) else { return };
                if partition.epoch != epoch || !matches!(partition.role, Role::Opening) {
                    return;
                }
                match Learning::begin(log_start, log_end, snapshot, config) {
                    Ok(learning) => partition.role = Role::Learning(learning),
                    Err(error) => return cx.fail(format!("partition {tp}: producer state: {error}")),
                }
                self.learn(cx, tp);
            }
            LogEvent::Closed { tp, .. } => {
                self.partitions.remove(&tp);
                self.follow_image(cx);
                self.end_if_closed(cx);
            }
            LogEvent::HighWatermark { tp, offset } => self.high_watermark(cx, tp, offset),
            LogEvent::Read { id, batches } => self.read_done(cx, id, batches),
            LogEvent::Halt { why } => cx.exit(why),
        }
    }

    /// Reads on, until all of the log that the snapshot did not cover is known.
    fn learn(&mut self, cx: &mut Cx<'_>, tp: TopicIdPartition) {
        loop {
            let Some(partition) = self.partitions.get_mut(&tp) else { return };
            let Role::Learning(learning) = &mut partition.role else { return };
            if learning.at >= learning.log_end {
                return self.lead(cx, tp);
            }
            let link = self.link.as_mut().expect("it was elected");
            match self.logs.read(cx, link, tp, learning.at..learning.log_end, LEARN_BYTES) {
                LogRead::Now(batches) if batches.is_empty() => return,
                LogRead::Now(batches) => learning.heard(&batches),
                LogRead::Later(id) => {
                    learning.read = Some(id);
                    self.lessons.insert(id, tp);
                    return;
                }
            }
        }
    }

    fn lead(&mut self, cx: &mut Cx<'_>, tp: TopicIdPartition) {
        let partition = self.partitions.get_mut(&tp).expect("it has learned");
        let Role::Learning(learning) = std::mem::replace(&mut partition.role, Role::Closing) else { return };
        let leader = learning.lead();
        let (broker, epoch, log_start, log_end) = (self.spec.id, partition.epoch, leader.log_start, leader.log_end);
        partition.role = Role::Leading(leader);
        cx.probe(Probe::LeaderReady { tp, broker, epoch, log_start, log_end });
        self.moved.insert(tp);
    }

    fn high_watermark(&mut self, cx: &mut Cx<'_>, tp: TopicIdPartition, offset: u64) {
        let Some(partition) = self.partitions.get_mut(&tp) else { return };
        let Role::Leading(leader) = &mut partition.role else { return };
        leader.high_watermark = offset;
        if let Some(snapshot) = leader.durable_snapshot() {
            self.logs.keep_snapshot(cx, self.link.as_mut().expect("it leads"), tp, snapshot);
        }
        cx.probe(Probe::HighWatermark { tp, broker: self.spec.id, epoch: partition.epoch, offset });
        self.moved.insert(tp);
    }

    fn leader(&mut self, tp: TopicIdPartition) -> Result<(LeaderEpoch, &mut Leader), ErrorCode> {
        match self.partitions.get_mut(&tp) {
            Some(Partition { epoch, role: Role::Leading(leader) }) => Ok((*epoch, leader)),
            // It will lead, but cannot say anything yet; clients try again.
            Some(Partition { role: Role::Opening | Role::Learning(_), .. }) => Err(ErrorCode::NotLeaderOrFollower),
            Some(Partition { role: Role::Closing, .. }) | None => Err(ErrorCode::NotLeaderOrFollower),
        }
    }

    // ---- requests ----

    fn request(&mut self, cx: &mut Cx<'_>, to: ReplyTo, request: Request) {
        match request {
            Request::Metadata(_) => {
                let view = self.view();
                self.outbox.answer(cx, to, Response::Metadata(MetadataResponse { view }));
            }
            Request::InitProducerId(_) => {
                self.wants_id.push_back(to);
                self.give_ids(cx);
            }
            Request::Produce(request) => self.produce(cx, to, request),
            Request::Fetch(request) => self.fetch(cx, to, &request),
            Request::ListOffsets(request) => self.list_offsets(cx, to, &request),
            Request::FindCoordinator(_)
            | Request::JoinGroup(_)
            | Request::SyncGroup(_)
            | Request::Heartbeat(_)
            | Request::LeaveGroup(_)
            | Request::OffsetCommit(_)
            | Request::OffsetFetch(_) => self.group_request(cx, to, request),
            Request::Vote(_) | Request::BeginQuorumEpoch(_) | Request::FetchMetadata(_) | Request::Controller(_) => {
                unreachable!("{} is for controllers", request.name())
            }
        }
    }

    fn view(&mut self) -> Arc<ClusterView> {
        let image = &self.link.as_ref().expect("it has booted").image;
        self.view.get_or_insert_with(|| Arc::new(view_of(image))).clone()
    }

    fn give_ids(&mut self, cx: &mut Cx<'_>) {
        while !self.wants_id.is_empty() {
            let Some(id) = self.producer_ids.next() else {
                if self.asked_ids.is_none() {
                    let link = self.link.as_mut().expect("it has booted");
                    let (broker, epoch) = (self.spec.id, link.epoch());
                    self.asked_ids = Some(link.ask(cx, ControllerRequest::AllocateProducerIds { broker, epoch }));
                }
                return;
            };
            let to = self.wants_id.pop_front().expect("it was looked at");
            let result = Ok((ProducerId(id), ProducerEpoch(0)));
            self.outbox.answer(cx, to, Response::InitProducerId(InitProducerIdResponse { result }));
        }
    }

    fn ids_came(&mut self, cx: &mut Cx<'_>, result: Result<ControllerAnswer, ErrorCode>) {
        self.asked_ids = None;
        match result {
            Ok(ControllerAnswer::ProducerIds(first)) => {
                self.producer_ids = first.0..first.0 + PRODUCER_IDS;
                self.give_ids(cx);
            }
            Ok(other) => unreachable!("not producer ids: {other:?}"),
            Err(_) => {
                for to in std::mem::take(&mut self.wants_id) {
                    let result = Err(ErrorCode::CoordinatorLoadInProgress);
                    self.outbox.answer(cx, to, Response::InitProducerId(InitProducerIdResponse { result }));
                }
            }
        }
    }

    // ---- produce ----

    fn produce(&mut self, cx: &mut Cx<'_>, to: ReplyTo, request: ProduceRequest) {
        let id = ProduceId(self.next_produce);
        self.next_produce += 1;
        let timer = BROKER_SPACE.set_timer(cx, request.timeout, PRODUCE | id.0);
        let results: Vec<_> = request.batches.iter().map(|(tp, _)| (*tp, None)).collect();
        self.producing.insert(id, Producing { to, left: results.len(), results, timer });
        for (place, (tp, batch)) in request.batches.into_iter().enumerate() {
            if let Err(error) = self.append(cx, id, place, tp, batch) {
                self.produced(cx, id, place, Err(error));
            }
        }
        if request.acks == Acks::None {
            self.outbox.no_answer(cx, to);
        }
    }

    /// Appends a batch, or finds it in the log.
    fn append(
        &mut self,
        cx: &mut Cx<'_>,
        id: ProduceId,
        place: usize,
        tp: TopicIdPartition,
        mut batch: RecordBatch,
    ) -> Result<(), ErrorCode> {
        let broker = self.spec.id;
        let by = Appender::Client(id, place);
        let (epoch, leader) = self.leader(tp)?;
        match leader.producers.check(batch.producer, batch.count) {
            Verdict::Refuse(error) => Err(error),
            Verdict::Append => {
                self.append_new(cx, tp, batch, by);
                Ok(())
            }
            Verdict::Duplicate(base_offset) => {
                cx.mark("broker: a batch that is in the log already came again");
                (batch.base_offset, batch.leader_epoch) = (base_offset, epoch);
                let waiting = Unacknowledged::new(&batch, by);
                if batch.next_offset() <= leader.high_watermark {
                    let log_start_offset = leader.log_start;
                    cx.probe(Probe::Acked { broker, epoch, span: waiting.span(tp) });
                    self.settled(cx, by, Ok(Appended { base_offset, log_start_offset }));
                } else {
                    let at = leader.waiting.partition_point(|known| known.offsets.1 <= waiting.offsets.1);
                    leader.waiting.insert(at, waiting);
                }
                Ok(())
            }
        }
    }

    /// Gives a batch its offsets, and hands it to the log.
    fn append_new(&mut self, cx: &mut Cx<'_>, tp: TopicIdPartition, mut batch: RecordBatch, by: Appender) {
        let broker = self.spec.id;
        let (epoch, leader) = self.leader(tp).expect("only a leader appends");
        (batch.base_offset, batch.leader_epoch) = (leader.log_end, epoch);
        leader.log_end = batch.next_offset();
        leader.producers.append(&batch);
        leader.segments.append(&batch, &leader.config);
        let waiting = Unacknowledged::new(&batch, by);
        cx.probe(Probe::Appended { broker, epoch, span: waiting.span(tp) });
        leader.waiting.push_back(waiting);
        if self.spec.report_interval.is_some() {
            self.loads.came_in(tp, u64::from(batch.size_bytes()));
        }
        self.logs.append(cx, self.link.as_mut().expect("it leads"), tp, &batch);
    }

    /// What was appended is acknowledged, or will not be.
    fn settled(&mut self, cx: &mut Cx<'_>, by: Appender, result: Result<Appended, ErrorCode>) {
        match by {
            Appender::Client(id, place) => self.produced(cx, id, place, result),
            Appender::Coordinator(id) => self.coordinator_appended(cx, id, result.map(|_| ())),
        }
    }

    /// One batch of a request is settled.
    fn produced(&mut self, cx: &mut Cx<'_>, id: ProduceId, place: usize, result: Result<Appended, ErrorCode>) {
        let Some(producing) = self.producing.get_mut(&id) else { return };
        let slot = &mut producing.results[place].1;
        if slot.is_none() {
            *slot = Some(result);
            producing.left -= 1;
        }
        if producing.left == 0 {
            self.answer_produce(cx, id);
        }
    }

    fn answer_produce(&mut self, cx: &mut Cx<'_>, id: ProduceId) {
        let Some(producing) = self.producing.remove(&id) else { return };
        cx.cancel_timer(producing.timer);
        let or_late = |(tp, result): (_, Option<_>)| (tp, result.unwrap_or(Err(ErrorCode::RequestTimedOut)));
        let partitions = producing.results.into_iter().map(or_late).collect();
        self.outbox.answer(cx, producing.to, Response::Produce(ProduceResponse { partitions }));
    }

    // ---- what moved ----

    /// Acknowledges and serves what the step has made possible.
    fn serve_moved(&mut self, cx: &mut Cx<'_>) {
        let moved = std::mem::take(&mut self.moved);
        let mut fetches = BTreeSet::new();
        for tp in &moved {
            self.acknowledge(cx, *tp);
            fetches.extend(self.fetches.waiting_for(*tp));
        }
        for fetch in fetches {
            self.try_fetch(cx, fetch);
        }
        for tp in moved {
            self.coordinator_moved(cx, tp);
        }
    }

    fn acknowledge(&mut self, cx: &mut Cx<'_>, tp: TopicIdPartition) {
        let broker = self.spec.id;
        while let Ok((epoch, leader)) = self.leader(tp) {
            let is_durable = |waiting: &&Unacknowledged| waiting.offsets.1 <= leader.high_watermark;
            if leader.waiting.front().filter(is_durable).is_none() {
                return;
            }
            let waiting = leader.waiting.pop_front().expect("it was looked at");
            let appended = Appended { base_offset: waiting.offsets.0, log_start_offset: leader.log_start };
            cx.probe(Probe::Acked { broker, epoch, span: waiting.span(tp) });
            self.settled(cx, waiting.by, Ok(appended));
        }
    }

    // ---- fetch ----

    fn fetch(&mut self, cx: &mut Cx<'_>, to: ReplyTo, request: &FetchRequest) {
        let session = match self.fetches.session(request, || cx.random().bits32()) {
            Ok(session) => session,
            Err(error) => {
                let response = FetchResponse { session: Err(error), partitions: Vec::new() };
                return self.outbox.answer(cx, to, Response::Fetch(response));
            }
        };
        // A client that asks again has given the earlier fetch up.
        if let Some(earlier) = self.fetches.by_session.get(&session).copied() {
            self.finish_fetch(cx, earlier);
        }
        let id = self.fetches.wait(Waiting {
            to,
            session,
            min_bytes: u64::from(request.min_bytes),
            max_bytes: u64::from(request.max_bytes),
            timer: None,
            is_due: request.max_wait == Nanos::ZERO,
            found: Vec::new(),
            reads: BTreeMap::new(),
        });
        self.try_fetch(cx, id);
        if let Some(waiting) = self.fetches.waiting.get_mut(&id)
            && !waiting.is_due
        {
            waiting.timer = Some(BROKER_SPACE.set_timer(cx, request.max_wait, FETCH | id.0));
        }
    }

    /// Reads what a fetch can have now; answers it when that is enough, or it is due.
    fn try_fetch(&mut self, cx: &mut Cx<'_>, id: FetchId) {
        let Some(waiting) = self.fetches.waiting.get(&id) else { return };
        if !waiting.reads.is_empty() {
            return;
        }
        let (session, min_bytes, max_bytes, is_due) =
            (waiting.session, waiting.min_bytes, waiting.max_bytes, waiting.is_due);
        let available = self.available(session);
        if available.bytes < min_bytes && !available.has_error && !is_due {
            return;
        }
        let (found, reads) = self.read_session(cx, id, session, max_bytes);
        let Some(waiting) = self.fetches.waiting.get_mut(&id) else { return };
        (waiting.found, waiting.reads, waiting.is_due) = (found, reads, true);
        if waiting.reads.is_empty() {
            self.finish_fetch(cx, id);
        }
    }

    /// How much a session could have, without reading it: offsets count as a byte each, as nobody knows better yet.
    fn available(&mut self, session: u32) -> Available {
        let mut available = Available { bytes: 0, has_error: false };
        let Some(session) = self.fetches.session_mut(session) else { return available };
        for (tp, partition) in &session.partitions {
            match self.partitions.get(tp) {
                Some(Partition { epoch, role: Role::Leading(leader) })
                    if partition.fetch.current_leader_epoch <= *epoch
                        && partition.fetch.offset <= leader.log_end
                        && partition.fetch.offset >= leader.log_start =>
                {
                    available.bytes += leader.high_watermark.saturating_sub(partition.fetch.offset);
                }
                Some(_) | None => available.has_error = true,
            }
        }
        available
    }

    /// Reads a session's partitions in turn, until the response is full.
    fn read_session(
        &mut self,
        cx: &mut Cx<'_>,
        id: FetchId,
        session: u32,
        max_bytes: u64,
    ) -> (Vec<FetchedPartition>, BTreeMap<LogReadId, usize>) {
        let (mut found, mut reads, mut left) = (Vec::new(), BTreeMap::new(), max_bytes);
        let Some(state) = self.fetches.session_mut(session) else { return (found, reads) };
        let from = state.next.unwrap_or_default();
        let turn = state.partitions.range(from..).chain(state.partitions.range(..from));
        let turn: Vec<_> = turn.map(|(tp, partition)| (*tp, *partition)).collect();
        let mut stopped_at = None;
        for (tp, partition) in turn {
            let mut one = match self.readable(tp, partition) {
                Ok(one) => one,
                Err(error) => {
                    found.push(FetchedPartition::refused(tp, error));
                    continue;
                }
            };
            let offsets = partition.fetch.offset..one.high_watermark;
            if !offsets.is_empty() && left > 0 {
                let want = u64::from(partition.fetch.max_bytes).min(left);
                let link = self.link.as_mut().expect("it leads");
                match self.logs.read(cx, link, tp, offsets, want) {
                    LogRead::Now(batches) => one.batches = batches,
                    LogRead::Later(read) => {
                        reads.insert(read, found.len());
                        self.fetches.by_read.insert(read, id);
                    }
                }
                left = left.saturating_sub(one.records_bytes());
                stopped_at = Some(tp);
            }
            let is_pending = reads.values().any(|place| *place == found.len());
            if !one.batches.is_empty() || is_pending || partition.told != Some(one.high_watermark) {
                found.push(one);
            }
        }
        if let Some(state) = self.fetches.session_mut(session) {
            // The one after the last that was served is the first next time.
            state.next = stopped_at.map(|tp| TopicIdPartition { partition: tp.partition + 1, ..tp });
        }
        (found, reads)
    }

    fn readable(
        &mut self,
        tp: TopicIdPartition,
        partition: fetches::SessionPartition,
    ) -> Result<FetchedPartition, ErrorCode> {
        let (epoch, leader) = self.leader(tp)?;
        let fetch = partition.fetch;
        if fetch.current_leader_epoch < epoch {
            return Err(ErrorCode::FencedLeaderEpoch);
        }
        if fetch.current_leader_epoch > epoch {
            return Err(ErrorCode::UnknownLeaderEpoch);
        }
        if fetch.offset < leader.log_start || fetch.offset > leader.log_end {
            return Err(ErrorCode::OffsetOutOfRange);
        }
        Ok(FetchedPartition {
            tp,
            error: None,
            high_watermark: leader.high_watermark,
            last_stable_offset: leader.high_watermark,
            log_start_offset: leader.log_start,
            batches: Vec::new(),
        })
    }

    fn read_done(&mut self, cx: &mut Cx<'_>, id: LogReadId, batches: Vec<RecordBatch>) {
        if let Some(tp) = self.lessons.remove(&id) {
            if let Some(Partition { role: Role::Learning(learning), .. }) = self.partitions.get_mut(&tp)
                && learning.read == Some(id)
            {
                learning.read = None;
                learning.heard(&batches);
                self.learn(cx, tp);
            }
            return;
        }
        if self.coordinator_read(cx, id, &batches) {
            return;
        }
        let Some(fetch) = self.fetches.by_read.remove(&id) else { return };
        let Some(waiting) = self.fetches.waiting.get_mut(&fetch) else { return };
        if let Some(place) = waiting.reads.remove(&id) {
            waiting.found[place].batches = batches;
        }
        if waiting.reads.is_empty() {
            self.finish_fetch(cx, fetch);
        }
    }

    fn finish_fetch(&mut self, cx: &mut Cx<'_>, id: FetchId) {
        let Some(waiting) = self.fetches.take(id) else { return };
        if let Some(timer) = waiting.timer {
            cx.cancel_timer(timer);
        }
        if let Some(session) = self.fetches.session_mut(waiting.session) {
            for found in &waiting.found {
                if let Some(partition) = session.partitions.get_mut(&found.tp) {
                    partition.told = found.error.is_none().then_some(found.high_watermark);
                }
            }
        }
        for found in &waiting.found {
            if self.spec.report_interval.is_some() {
                self.loads.went_out(found.tp, found.records_bytes());
            }
            self.probe_served(cx, found);
        }
        let response = FetchResponse { session: Ok(waiting.session), partitions: waiting.found };
        self.outbox.answer(cx, waiting.to, Response::Fetch(response));
    }

    fn probe_served(&mut self, cx: &mut Cx<'_>, found: &FetchedPartition) {
        let broker = self.spec.id;
        for batch in &found.batches {
            let waiting = Unacknowledged::new(batch, Appender::Coordinator(0));
            cx.probe(Probe::Served { broker, epoch: batch.leader_epoch, span: waiting.span(found.tp) });
        }
    }

    fn list_offsets(&mut self, cx: &mut Cx<'_>, to: ReplyTo, request: &ListOffsetsRequest) {
        let one = |(tp, spec): &(TopicIdPartition, OffsetSpec)| {
            let offset = self.leader(*tp).map(|(_, leader)| match spec {
                OffsetSpec::Earliest => leader.log_start,
                OffsetSpec::Latest => leader.high_watermark,
            });
            (*tp, offset)
        };
        let partitions = request.partitions.iter().map(one).collect();
        self.outbox.answer(cx, to, Response::ListOffsets(ListOffsetsResponse { partitions }));
    }

    // ---- timers ----

    fn timer(&mut self, cx: &mut Cx<'_>, local: u64) {
        match local & KIND {
            PRODUCE => self.answer_produce(cx, ProduceId(local & !KIND)),
            FETCH => {
                let id = FetchId(local & !KIND);
                if let Some(waiting) = self.fetches.waiting.get_mut(&id) {
                    waiting.is_due = true;
                    self.try_fetch(cx, id);
                }
            }
            SNAPSHOT => {
                self.keep_snapshots(cx);
                self.compact_offsets(cx);
                BROKER_SPACE.set_timer(cx, self.spec.snapshot_interval, SNAPSHOT);
            }
            REPORT => self.report(cx),
            RETENTION => self.check_retention(cx),
            GIVE_UP => {
                cx.mark("broker: gave its controlled shutdown up");
                cx.exit("controlled shutdown took too long");
            }
            other => unreachable!("a broker sets no timer {other:x}"),
        }
    }

    fn report(&mut self, cx: &mut Cx<'_>) {
        let Some(interval) = self.spec.report_interval else { return };
        BROKER_SPACE.set_timer(cx, interval, REPORT);
        if self.is_ready && self.asked_report.is_none() {
            let led = self.partitions.iter().filter(|(_, partition)| matches!(partition.role, Role::Leading(_)));
            let loads = self.loads.report(cx.monotonic(), led.map(|(tp, _)| *tp));
            let link = self.link.as_mut().expect("it is ready");
            let (broker, epoch) = (self.spec.id, link.epoch());
            self.asked_report = Some(link.ask(cx, ControllerRequest::ReportLoad { broker, epoch, loads }));
        }
    }

    fn keep_snapshots(&mut self, cx: &mut Cx<'_>) {
        for (tp, partition) in &mut self.partitions {
            if let Role::Leading(leader) = &mut partition.role
                && let Some(snapshot) = leader.snapshot()
            {
                self.logs.keep_snapshot(cx, self.link.as_mut().expect("it leads"), *tp, snapshot);
            }
        }
    }
}

struct Available {
    bytes: u64,
    has_error: bool,
}

fn view_of(image: &ClusterImage) -> ClusterView {
    let live = image.brokers.iter().filter(|(_, state)| !state.fenced);
    let leaders = |topic: &super::metadata::TopicImage| {
        topic.partitions.iter().map(|partition| (partition.leader, partition.leader_epoch)).collect()
    };
    let topics = image.topics.iter();
    ClusterView {
        offset: image.next,
        brokers: live.map(|(id, state)| (*id, state.rack)).collect(),
        topics: topics.map(|(id, t)| TopicView { id: *id, name: t.name.clone(), leaders: leaders(t) }).collect(),
    }
}

impl Process for Broker {
    fn step(&mut self, cx: &mut Cx<'_>, input: Input) {
        let input = match input {
            Input::Boot => {
                self.boot(cx);
                return self.settle(cx);
            }
            Input::Signal(Signal::Terminate) => {
                self.shut_down(cx);
                return self.settle(cx);
            }
            Input::Message { conn, message: Message::Request { correlation, request } } => {
                let to = self.outbox.request(conn, correlation);
                self.request(cx, to, *request);
                return self.settle(cx);
            }
            Input::Timer { token, .. } if TokenSpace::split(token).0 == BROKER_SPACE => {
                self.timer(cx, TokenSpace::split(token).1);
                return self.settle(cx);
            }
            Input::Timer { token, .. } if TokenSpace::split(token).0 == COORDINATOR_SPACE => {
                self.coordinator_timer(cx, TokenSpace::split(token).1);
                return self.settle(cx);
            }
            other => other,
        };
        let link = self.link.as_mut().expect("the boot comes first");
        let Some(input) = link.input(cx, input) else { return self.settle(cx) };
        let Some(input) = self.logs.input(cx, link, input) else { return self.settle(cx) };
        if let Input::Reset { conn, .. } = input {
            self.outbox.closed(conn);
        }
        debug_assert!(token_of(&input).is_none(), "an answer nobody asked for: {input:?}");
        self.settle(cx);
    }

    fn waits(&self, want: Want) -> Vec<Wait> {
        self.waits_for(want)
    }
}
