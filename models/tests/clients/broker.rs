//! A scripted cluster: nodes with one log each partition between them, that keep Kafka's rules of idempotence and of fetch
//! sessions, and whose answers can be late, lost or refusals. Logs survive their nodes.

use super::common::*;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use wavetank_models::cloud::network::ConnId;
use wavetank_models::kafka::batch::{ProducerStamp, RecordBatch, Records};
use wavetank_models::kafka::ids::*;
use wavetank_models::kafka::protocol::client::*;
use wavetank_models::kafka::protocol::group::*;
use wavetank_models::kafka::protocol::{ErrorCode, Request, Response};
use wavetank_models::message::Message;
use wavetank_models::world::{Behaviour, Cx, Factory, Input, Process};
use wavetank_sim::Nanos;

pub const TOPIC: TopicId = TopicId(1);

pub fn tp(partition: u32) -> TopicIdPartition {
    TopicIdPartition { topic: TOPIC, partition }
}

/// Chances in 1000.
#[derive(Clone, Copy, Debug, Default)]
pub struct Script {
    /// A connection is closed instead of an answer; what was asked for is done.
    pub lose_answer: u32,
    /// A connection is closed instead of doing what was asked for.
    pub lose_request: u32,
    /// `NOT_LEADER_OR_FOLLOWER` though it is.
    pub deny: u32,
    /// A fetch session is forgotten.
    pub forget_session: u32,
    /// No answer at all, ever.
    pub silent: u32,
    /// Answers come so much later, at most.
    pub delay_max: Nanos,
    /// No idempotence: what comes is appended.
    pub gullible: bool,
    /// Nobody is ever answered.
    pub deaf: bool,
}

#[derive(Default)]
pub struct Log {
    pub batches: Vec<RecordBatch>,
    pub start: u64,
    pub producers: BTreeMap<ProducerId, (ProducerEpoch, VecDeque<(u32, u32, u64)>)>,
}

impl Log {
    pub fn end(&self) -> u64 {
        self.batches.last().map_or(0, RecordBatch::next_offset)
    }

    fn append(&mut self, mut batch: RecordBatch, gullible: bool) -> Result<Appended, ErrorCode> {
        let base_offset = self.end();
        let log_start_offset = self.start;
        if let Some(ProducerStamp { id, epoch, base_sequence }) = batch.producer.filter(|_| !gullible) {
            let last = (base_sequence + batch.count - 1) % (1 << 31);
            match self.producers.get_mut(&id) {
                Some((known, _)) if epoch < *known => return Err(ErrorCode::InvalidProducerEpoch),
                Some((known, recent)) if epoch == *known => {
                    if let Some((_, _, base)) = recent.iter().find(|(f, l, _)| (*f, *l) == (base_sequence, last)) {
                        return Ok(Appended { base_offset: *base, log_start_offset });
                    }
                    let next = recent.back().map_or(0, |(_, last, _)| (last + 1) % (1 << 31));
                    if base_sequence != next {
                        return Err(ErrorCode::OutOfOrderSequenceNumber);
                    }
                }
                Some(_) if base_sequence != 0 => return Err(ErrorCode::OutOfOrderSequenceNumber),
                Some(_) | None => {
                    self.producers.insert(id, (epoch, VecDeque::new()));
                }
            }
            let (_, recent) = self.producers.get_mut(&id).expect("it is known");
            recent.push_back((base_sequence, last, base_offset));
            if recent.len() > 5 {
                recent.pop_front();
            }
        }
        batch.base_offset = base_offset;
        self.batches.push(batch);
        Ok(Appended { base_offset, log_start_offset })
    }

    /// Batches from that offset on, up to so many bytes, but at least one.
    fn read(&self, offset: u64, max_bytes: u32) -> Vec<RecordBatch> {
        let mut bytes = 0;
        let from = self.batches.partition_point(|batch| batch.next_offset() <= offset);
        let fits = |batch: &&RecordBatch| {
            bytes += batch.size_bytes();
            bytes <= max_bytes || bytes == batch.size_bytes()
        };
        self.batches[from..].iter().take_while(fits).cloned().collect()
    }

    /// What is in it: writer, first index, how many.
    pub fn ranges(&self) -> Vec<(WriterId, u64, u32)> {
        let range = |batch: &RecordBatch| match batch.records {
            Records::Range { writer, first } => (writer, first, batch.count),
            Records::Inline(_) => unreachable!("the load has no such records"),
        };
        self.batches.iter().map(range).collect()
    }

    /// Whether each writer's records lie in order, none missing and none twice.
    pub fn is_in_order(&self) -> Result<(), String> {
        let mut next: BTreeMap<WriterId, u64> = BTreeMap::new();
        for (writer, first, count) in self.ranges() {
            let next = next.entry(writer).or_default();
            if *next != first {
                return Err(format!("after {next} of {writer} comes {first}"));
            }
            *next = first + u64::from(count);
        }
        Ok(())
    }
}

pub struct Cluster {
    pub script: Script,
    pub view: Arc<ClusterView>,
    pub logs: BTreeMap<TopicIdPartition, Log>,
    pub committed: BTreeMap<(GroupId, TopicIdPartition), u64>,
    next_producer: u64,
    pub produce_requests: u64,
    pub fetch_requests: u64,
    pub bytes_per_request_max: u64,
}

pub type Shared = Arc<Mutex<Cluster>>;

impl Cluster {
    /// So many brokers and partitions; leaders go round.
    pub fn shared(brokers: u32, partitions: u32, script: Script) -> Shared {
        let leaders = (0..partitions).map(|p| (Some(BrokerId(p % brokers)), LeaderEpoch(1))).collect();
        let topics = vec![TopicView { id: TOPIC, name: "orders".into(), leaders }];
        let view = ClusterView {
            offset: MetadataOffset(1),
            brokers: (0..brokers).map(|b| (BrokerId(b), 0)).collect(),
            topics,
        };
        Arc::new(Mutex::new(Cluster {
            script,
            view: Arc::new(view),
            logs: (0..partitions).map(|p| (tp(p), Log::default())).collect(),
            committed: BTreeMap::new(),
            next_producer: 100,
            produce_requests: 0,
            fetch_requests: 0,
            bytes_per_request_max: 0,
        }))
    }

    /// A partition gets another leader.
    pub fn move_leader(&mut self, partition: u32, to: u32) {
        let mut view = (*self.view).clone();
        let (leader, epoch) = &mut view.topics[0].leaders[partition as usize];
        (*leader, *epoch) = (Some(BrokerId(to)), LeaderEpoch(epoch.0 + 1));
        view.offset.0 += 1;
        self.view = Arc::new(view);
    }

    fn leads(&self, broker: BrokerId, tp: TopicIdPartition) -> Result<LeaderEpoch, ErrorCode> {
        match self.view.leader(tp) {
            Some((Some(leader), epoch)) if leader == broker => Ok(epoch),
            Some(_) => Err(ErrorCode::NotLeaderOrFollower),
            None => Err(ErrorCode::UnknownTopicOrPartition),
        }
    }
}

/// What a connection is doing: one request at a time, in order.
#[derive(Default)]
struct Channel {
    queue: VecDeque<(u64, Request)>,
    /// When the fetch that waits has waited enough.
    until: Option<Nanos>,
    answer: Option<(u64, Option<Response>)>,
}

#[derive(Default)]
struct FetchSession {
    epoch: u32,
    partitions: BTreeMap<TopicIdPartition, FetchPartition>,
}

pub struct Broker {
    me: BrokerId,
    cluster: Shared,
    channels: BTreeMap<u64, (ConnId, Channel)>,
    next_channel: u64,
    sessions: BTreeMap<u32, FetchSession>,
    next_session: u32,
}

/// A broker's node: another life knows nothing but the logs.
pub fn broker(me: u32, cluster: &Shared) -> Factory {
    let cluster = cluster.clone();
    Box::new(move |_| {
        Behaviour::Machine(Box::new(Broker {
            me: BrokerId(me),
            cluster: cluster.clone(),
            channels: BTreeMap::new(),
            next_channel: 0,
            sessions: BTreeMap::new(),
            next_session: 1,
        }))
    })
}

impl Broker {
    fn channel_of(&self, conn: ConnId) -> Option<u64> {
        self.channels.iter().find(|(_, (of, _))| *of == conn).map(|(channel, _)| *channel)
    }

    /// Begins with the next request of a channel, if it is free.
    fn next(&mut self, cx: &mut Cx<'_>, channel: u64) {
        let Some((_, state)) = self.channels.get_mut(&channel) else { return };
        if state.answer.is_some() || state.until.is_some() {
            return;
        }
        let Some((correlation, request)) = state.queue.pop_front() else { return };
        let script = self.cluster.lock().unwrap().script;
        if script.deaf || cx.random().ratio(script.silent, 1000) {
            return;
        }
        if cx.random().ratio(script.lose_request, 1000) {
            return self.hang_up(cx, channel);
        }
        if let Request::Fetch(fetch) = request {
            return self.fetch(cx, channel, correlation, fetch, None);
        }
        let response = self.handle(cx, request);
        self.answer(cx, channel, correlation, response);
    }

    fn answer(&mut self, cx: &mut Cx<'_>, channel: u64, correlation: u64, response: Option<Response>) {
        let script = self.cluster.lock().unwrap().script;
        let (_, state) = self.channels.get_mut(&channel).expect("it is open");
        state.answer = Some((correlation, response));
        let delay = cx.random().nanos(Nanos(1)..script.delay_max.max(us(20)));
        cx.set_timer(delay, channel);
    }

    fn hang_up(&mut self, cx: &mut Cx<'_>, channel: u64) {
        if let Some((conn, _)) = self.channels.remove(&channel) {
            cx.close(conn);
        }
    }

    fn handle(&mut self, cx: &mut Cx<'_>, request: Request) -> Option<Response> {
        let mut cluster = self.cluster.lock().unwrap();
        let denies = |cx: &mut Cx<'_>, script: Script| cx.random().ratio(script.deny, 1000);
        let script = cluster.script;
        Some(match request {
            Request::Metadata(_) => Response::Metadata(MetadataResponse { view: cluster.view.clone() }),
            Request::InitProducerId(_) => {
                cluster.next_producer += 1;
                let result = Ok((ProducerId(cluster.next_producer), ProducerEpoch(0)));
                Response::InitProducerId(InitProducerIdResponse { result })
            }
            Request::Produce(request) => {
                cluster.produce_requests += 1;
                let bytes = request.batches.iter().map(|(_, batch)| u64::from(batch.size_bytes())).sum();
                cluster.bytes_per_request_max = cluster.bytes_per_request_max.max(bytes);
                let mut partitions = Vec::new();
                for (tp, batch) in request.batches {
                    let result = if denies(cx, script) {
                        Err(ErrorCode::NotLeaderOrFollower)
                    } else {
                        cluster
                            .leads(self.me, tp)
                            .and_then(|_| cluster.logs.get_mut(&tp).expect("it exists").append(batch, script.gullible))
                    };
                    partitions.push((tp, result));
                }
                if request.acks == Acks::None {
                    return None;
                }
                Response::Produce(ProduceResponse { partitions })
            }
            Request::ListOffsets(request) => {
                let offset = |(tp, spec): (TopicIdPartition, OffsetSpec)| {
                    let result = cluster.leads(self.me, tp).map(|_| match spec {
                        OffsetSpec::Earliest => cluster.logs[&tp].start,
                        OffsetSpec::Latest => cluster.logs[&tp].end(),
                    });
                    (tp, result)
                };
                Response::ListOffsets(ListOffsetsResponse {
                    partitions: request.partitions.into_iter().map(offset).collect(),
                })
            }
            // Each broker coordinates any group: offsets are the cluster's.
            Request::FindCoordinator(_) => Response::FindCoordinator(FindCoordinatorResponse { result: Ok(self.me) }),
            Request::OffsetCommit(request) => {
                let mut partitions = Vec::new();
                for (tp, offset) in request.offsets {
                    let denied = denies(cx, script).then_some(ErrorCode::NotCoordinator);
                    if denied.is_none() {
                        cluster.committed.insert((request.group, tp), offset);
                    }
                    partitions.push((tp, denied));
                }
                Response::OffsetCommit(OffsetCommitResponse { partitions })
            }
            Request::OffsetFetch(request) => {
                let offset = |tp: &TopicIdPartition| (*tp, cluster.committed.get(&(request.group, *tp)).copied());
                let result = Ok(request.partitions.iter().map(offset).collect());
                Response::OffsetFetch(OffsetFetchResponse { result })
            }
            other => unreachable!("clients do not ask {}", other.name()),
        })
    }

    /// Answers a fetch, or lets it wait.
    fn fetch(&mut self, cx: &mut Cx<'_>, channel: u64, correlation: u64, fetch: FetchRequest, until: Option<Nanos>) {
        let until = until.unwrap_or(cx.monotonic() + fetch.max_wait);
        let script = self.cluster.lock().unwrap().script;
        let is_first = self.channels[&channel].1.until.is_none();
        let session = match fetch.session {
            _ if !is_first => Ok(fetch.session.expect("it was made")),
            None => {
                assert_eq!(fetch.session_epoch, 0, "a new session");
                self.next_session += 1;
                self.sessions.insert(self.next_session, FetchSession::default());
                Ok(self.next_session)
            }
            Some(_) if cx.random().ratio(script.forget_session, 1000) => Err(ErrorCode::FetchSessionIdNotFound),
            Some(id) => match self.sessions.get_mut(&id) {
                None => Err(ErrorCode::FetchSessionIdNotFound),
                Some(session) if session.epoch + 1 != fetch.session_epoch => Err(ErrorCode::InvalidFetchSessionEpoch),
                Some(session) => {
                    session.epoch += 1;
                    Ok(id)
                }
            },
        };
        let Ok(id) = session else {
            let response = Response::Fetch(FetchResponse { session, partitions: Vec::new() });
            return self.answer(cx, channel, correlation, Some(response));
        };
        let known = self.sessions.get_mut(&id).expect("it is there");
        if is_first {
            self.cluster.lock().unwrap().fetch_requests += 1;
            known.partitions.extend(fetch.partitions.iter().map(|partition| (partition.tp, *partition)));
            fetch.forgotten.iter().for_each(|tp| drop(known.partitions.remove(tp)));
        }
        let partitions = self.read(cx, id);
        let (_, state) = self.channels.get_mut(&channel).expect("it is open");
        if partitions.is_empty() && cx.monotonic() < until {
            state.until = Some(until);
            let again = FetchRequest { session: Some(id), ..fetch };
            state.queue.push_front((correlation, Request::Fetch(again)));
            cx.set_timer(ms(2), channel);
            return;
        }
        state.until = None;
        let response = Response::Fetch(FetchResponse { session: Ok(id), partitions });
        self.answer(cx, channel, correlation, Some(response));
    }

    fn read(&self, cx: &mut Cx<'_>, id: u32) -> Vec<FetchedPartition> {
        let cluster = self.cluster.lock().unwrap();
        let mut found = Vec::new();
        for wanted in self.sessions[&id].partitions.values() {
            let log = &cluster.logs[&wanted.tp];
            let deny = cx.random().ratio(cluster.script.deny, 1000).then_some(ErrorCode::NotLeaderOrFollower);
            let error = match cluster.leads(self.me, wanted.tp) {
                _ if deny.is_some() => deny,
                Err(error) => Some(error),
                Ok(epoch) if wanted.current_leader_epoch < epoch => Some(ErrorCode::FencedLeaderEpoch),
                Ok(epoch) if wanted.current_leader_epoch > epoch => Some(ErrorCode::UnknownLeaderEpoch),
                Ok(_) if wanted.offset < log.start || wanted.offset > log.end() => Some(ErrorCode::OffsetOutOfRange),
                Ok(_) => None,
            };
            let batches = if error.is_none() { log.read(wanted.offset, wanted.max_bytes) } else { Vec::new() };
            if error.is_some() || !batches.is_empty() {
                let (high_watermark, last_stable_offset) = (log.end(), log.end());
                let (tp, log_start_offset) = (wanted.tp, log.start);
                found.push(FetchedPartition {
                    tp,
                    error,
                    high_watermark,
                    last_stable_offset,
                    log_start_offset,
                    batches,
                });
            }
        }
        found
    }

    fn due(&mut self, cx: &mut Cx<'_>, channel: u64) {
        let Some((conn, state)) = self.channels.get_mut(&channel) else { return };
        if let Some((correlation, response)) = state.answer.take() {
            let conn = *conn;
            let loses = cx.random().ratio(self.cluster.lock().unwrap().script.lose_answer, 1000);
            match response {
                Some(_) if loses => return self.hang_up(cx, channel),
                Some(response) => cx.send(conn, Message::Response { correlation, response: Box::new(response) }),
                None => {}
            }
            return self.next(cx, channel);
        }
        if let Some(until) = state.until {
            let Some((correlation, Request::Fetch(fetch))) = state.queue.pop_front() else {
                unreachable!("a fetch waits")
            };
            self.fetch(cx, channel, correlation, fetch, Some(until));
        }
    }
}

impl Process for Broker {
    fn step(&mut self, cx: &mut Cx<'_>, input: Input) {
        match input {
            Input::Accepted { conn, .. } => {
                self.channels.insert(self.next_channel, (conn, Channel::default()));
                self.next_channel += 1;
            }
            Input::Message { conn, message: Message::Request { correlation, request } } => {
                let Some(channel) = self.channel_of(conn) else { return };
                self.channels.get_mut(&channel).unwrap().1.queue.push_back((correlation, *request));
                // A fetch that waits has its own place at the front.
                self.next(cx, channel);
            }
            Input::Reset { conn, .. } => {
                if let Some(channel) = self.channel_of(conn) {
                    self.channels.remove(&channel);
                }
            }
            Input::Timer { token, .. } => self.due(cx, token),
            Input::Boot => {}
            other => unreachable!("{other:?}"),
        }
    }
}
