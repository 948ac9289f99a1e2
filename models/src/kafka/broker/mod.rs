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
mod fetching;
mod leading;
pub mod link;
mod loads;
mod outbox;
mod partition;
pub mod producer_state;
mod producing;
pub mod retention;
pub mod segments;
mod waits;

use super::batch::RecordBatch;
use super::ids::{BrokerId, ProducerEpoch, ProducerId, TopicIdPartition};
use super::metadata::ClusterImage;
use super::partition_log::{LogReadId, PartitionLogs};
use super::protocol::client::{ClusterView, InitProducerIdResponse, MetadataResponse, TopicView};
use super::protocol::controller::{ControllerAnswer, ControllerRequest};
use super::protocol::{ErrorCode, Request, Response};
use super::token::{TokenSpace, token_of};
use crate::message::Message;
use crate::world::{Cx, Input, Process, Signal, Wait, Want};
use fetches::{FetchId, Fetches};
use link::{ControllerLink, LinkEvent, LinkOptions, Ticket, Wish};
use loads::Loads;
use outbox::{Outbox, ReplyTo};
use partition::{Partition, ProduceId, Role};
use producing::Producing;
use retention::{Checks, RetentionOptions};
use std::collections::VecDeque;
use std::sync::Arc;
use wavetank_sim::{Nanos, NodeId, SortedMap, SortedSet};

/// Producer ids of one block.
const PRODUCER_IDS: u64 = 1000;

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
    partitions: SortedMap<TopicIdPartition, Partition>,
    outbox: Outbox,
    producing: SortedMap<ProduceId, Producing>,
    next_produce: u64,
    fetches: Fetches,
    /// Partitions whose high watermark or role changed in this step.
    moved: SortedSet<TopicIdPartition>,
    lessons: SortedMap<LogReadId, TopicIdPartition>,
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
            partitions: SortedMap::new(),
            outbox: Outbox::default(),
            producing: SortedMap::new(),
            next_produce: 0,
            fetches: Fetches::default(),
            moved: SortedSet::new(),
            lessons: SortedMap::new(),
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

    // ---- what moved ----

    /// Acknowledges and serves what the step has made possible.
    fn serve_moved(&mut self, cx: &mut Cx<'_>) {
        let moved = std::mem::take(&mut self.moved);
        let mut fetches = SortedSet::new();
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

    fn read_done(&mut self, cx: &mut Cx<'_>, id: LogReadId, batches: Vec<RecordBatch>) {
        if !self.lesson_came(cx, id, &batches) && !self.coordinator_read(cx, id, &batches) {
            self.fetch_read(cx, id, batches);
        }
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
