//! Controllers: a KRaft quorum, and on its leader the active controller of a cluster on shared storage.
//!
//! ```text
//!   requests ──> active: cluster, streams, objects, failovers ── records ──> quorum ──> log file (volume)
//!                  ^  decides on the next image                                │  ^
//!                  └────────── high watermark: answers, facts <────────────────┘  └── votes, fetches of others
//! ```
//!
//! Order of steps for a request: it is decided on the *next* image (what is committed and what is on its way); its records
//! become one entry, which lingers, is written, flushed and fetched; once the high watermark has passed it, and everything
//! that the decision rested on, the request is answered. A leader that is deposed forgets the next image and answers who
//! still waits with `NOT_CONTROLLER`: whether their requests were carried out is not known.
//!
//! Reads and refusals wait too: they may rest on entries that are on their way.
//!
//! Simpler than reality: requests are decided at once, where Kafka queues them for one thread, so an overloaded controller
//! shows only in the time of its host; one volume write at a time.

mod active;
mod balancer;
mod cluster_control;
mod draft;
mod facts;
mod failover_control;
mod log;
mod log_file;
mod mutant;
mod object_control;
mod options;
mod quorum;
mod quorum_state;
mod storage;
mod stream_control;
#[cfg(test)]
mod tests;
mod waits;

pub use mutant::ControllerMutant;
pub use options::{BalancerOptions, ControllerOptions};

use super::ids::ControllerId;
use super::metadata::ClusterImage;
use super::protocol::controller::{ControllerRequest, ControllerResponse};
use super::protocol::{ErrorCode, Request, Response, fingerprint};
use super::rpc::{CallId, Reply, Rpc};
use super::token::TokenSpace;
use crate::cloud::network::ConnId;
use crate::cloud::object_store::{BucketId, ObjectDone};
use crate::cloud::volume::VolumeDone;
use crate::message::Message;
use crate::probe::Probe;
use crate::world::{Cx, Input, Process, StoreId, TimerId, VolumeId, Wait, Want};
use active::Active;
use log::Log;
use log_file::{LogFile, LogFileEvent};
use quorum::{Act, Caller, Question, Quorum};
use quorum_state::{Promise, QuorumStateEvent, QuorumStateFile};
use std::collections::VecDeque;
use std::sync::Arc;
use storage::StorageError;
use wavetank_sim::{Nanos, NodeId, SortedMap, SortedSet};

/// What a controller is made of.
#[derive(Clone, Debug)]
pub struct ControllerSpec {
    /// Who it is.
    pub id: ControllerId,
    /// All controllers, itself too, and their nodes. Brokers take a controller's id for its place in their list.
    pub peers: SortedMap<ControllerId, NodeId>,
    /// Its metadata log and quorum state lie here: a volume with a file system.
    pub volume: VolumeId,
    /// The store that the active controller deletes dropped objects from.
    pub store: StoreId,
    /// Its bucket.
    pub bucket: BucketId,
    /// The namespace in objects' keys.
    pub namespace: Arc<str>,
    /// Settings.
    pub options: ControllerOptions,
    /// A bug to have.
    pub mutant: Option<ControllerMutant>,
}

const PEERS: TokenSpace = TokenSpace(1);
const LOG_FILE: TokenSpace = TokenSpace(2);
const QUORUM_STATE: TokenSpace = TokenSpace(3);
const TIMERS: TokenSpace = TokenSpace(4);

/// Timers.
const WAKE: u64 = 0;
const OPEN_LOG: u64 = 1;
const OPEN_QUORUM_STATE: u64 = 2;

/// A volume that is not there is looked for again after.
const LOOK_AGAIN: Nanos = Nanos::millis(300);

/// What a controller has when it has read its files.
struct Running {
    quorum: Quorum,
    /// What the quorum wants done, in order.
    acts: VecDeque<Act>,
    /// The first of them waits for this.
    is_persisting: bool,
    /// What is committed.
    image: ClusterImage,
    active: Option<Active>,
}

/// A controller's process.
pub struct Controller {
    spec: ControllerSpec,
    rpc: Rpc,
    calls: SortedMap<CallId, (ControllerId, Question)>,
    /// Connections of others.
    conns: SortedSet<ConnId>,
    log_file: LogFile,
    quorum_state: QuorumStateFile,
    recovered_log: Option<Log>,
    recovered_promise: Option<Promise>,
    running: Option<Running>,
    wake: Option<(Nanos, TimerId)>,
}

impl Controller {
    /// A process whose memory is empty: what it had is on its volume.
    ///
    /// # Panics
    /// When it is not among its peers.
    pub fn new(spec: ControllerSpec) -> Controller {
        assert!(spec.peers.contains_key(&spec.id), "controller {} is one of all controllers", spec.id);
        Controller {
            rpc: Rpc::new(PEERS),
            calls: SortedMap::new(),
            conns: SortedSet::new(),
            log_file: LogFile::new(LOG_FILE, spec.volume),
            quorum_state: QuorumStateFile::new(QUORUM_STATE, spec.volume),
            recovered_log: None,
            recovered_promise: None,
            running: None,
            wake: None,
            spec,
        }
    }

    // ---- storage ----

    fn volume_answered(&mut self, cx: &mut Cx<'_>, done: VolumeDone) {
        let outcome = if self.log_file.owns(&done) {
            let event = self.log_file.answered(cx, done);
            event.map(|event| self.log_file_says(cx, event)).map_err(|error| (error, OPEN_LOG))
        } else {
            let event = self.quorum_state.answered(cx, done);
            event.map(|event| self.quorum_state_says(cx, event)).map_err(|error| (error, OPEN_QUORUM_STATE))
        };
        match outcome {
            Ok(()) => {}
            Err((StorageError::NotThereYet(_), open)) => drop(TIMERS.set_timer(cx, LOOK_AGAIN, open)),
            Err((error, _)) => {
                cx.mark("controller: halted on a storage error");
                cx.exit(error.to_string());
            }
        }
    }

    fn log_file_says(&mut self, cx: &mut Cx<'_>, event: Option<LogFileEvent>) {
        match event {
            Some(LogFileEvent::Recovered(log)) => {
                self.recovered_log = Some(*log);
                self.run_if_recovered(cx);
            }
            Some(LogFileEvent::Flushed(offset)) => {
                if let Some(running) = &mut self.running {
                    running.quorum.was_flushed(cx, offset);
                } else {
                    self.run_if_recovered(cx);
                }
            }
            None => {}
        }
    }

    fn quorum_state_says(&mut self, cx: &mut Cx<'_>, event: Option<QuorumStateEvent>) {
        match event {
            Some(QuorumStateEvent::Recovered(promise)) => {
                self.recovered_promise = Some(promise);
                self.run_if_recovered(cx);
            }
            Some(QuorumStateEvent::Durable) => {
                let running = self.running.as_mut().expect("it asked");
                running.is_persisting = false;
            }
            None => {}
        }
    }

    fn run_if_recovered(&mut self, cx: &mut Cx<'_>) {
        if self.recovered_log.is_none() || self.recovered_promise.is_none() || !self.log_file.is_idle() {
            return;
        }
        let log = self.recovered_log.take().expect("it was looked at");
        let promise = self.recovered_promise.take().expect("it was looked at");
        let image = (*log.snapshot().image).clone();
        let others = self.spec.peers.keys().copied().filter(|peer| *peer != self.spec.id).collect();
        let rules = (self.spec.options.clone(), self.spec.mutant);
        let quorum = Quorum::new(cx, self.spec.id, others, rules, promise, log);
        let acts = VecDeque::new();
        self.running = Some(Running { quorum, acts, is_persisting: false, image, active: None });
    }

    // ---- requests of others ----

    fn asked(&mut self, cx: &mut Cx<'_>, caller: Caller, request: Request) {
        let Some(running) = &mut self.running else {
            // It still reads its files: whoever asks comes back.
            self.conns.remove(&caller.conn);
            return cx.close(caller.conn);
        };
        match request {
            Request::Vote(request) => running.quorum.vote(cx, caller, &request),
            Request::BeginQuorumEpoch(request) => running.quorum.begin(cx, caller, &request),
            Request::FetchMetadata(request) => running.quorum.fetch(cx, caller, request),
            Request::Controller(request) => running.decide(cx, &self.spec, caller, &request),
            // Not for controllers.
            Request::Metadata(_)
            | Request::InitProducerId(_)
            | Request::Produce(_)
            | Request::Fetch(_)
            | Request::ListOffsets(_)
            | Request::FindCoordinator(_)
            | Request::JoinGroup(_)
            | Request::SyncGroup(_)
            | Request::Heartbeat(_)
            | Request::LeaveGroup(_)
            | Request::OffsetCommit(_)
            | Request::OffsetFetch(_) => {
                self.conns.remove(&caller.conn);
                cx.close(caller.conn);
            }
        }
    }

    fn store_answered(&mut self, cx: &mut Cx<'_>, done: &ObjectDone) {
        let Some(running) = &mut self.running else { return };
        if let Some(active) = &mut running.active {
            active.store_answered(cx, &self.spec, &mut running.quorum, done);
        }
    }

    // ---- after every input ----

    /// Goes on until nothing is left to do now.
    fn settle(&mut self, cx: &mut Cx<'_>) {
        loop {
            let Some(running) = &mut self.running else { return };
            running.go_on(cx, &self.spec);
            self.do_acts(cx);
            let mut heard = false;
            while let Some((call, reply)) = self.rpc.poll() {
                heard = true;
                self.replied(cx, call, &reply);
            }
            if !heard {
                break;
            }
        }
        self.compact_if_long(cx);
        self.set_wake(cx);
    }

    fn do_acts(&mut self, cx: &mut Cx<'_>) {
        loop {
            let running = self.running.as_mut().expect("it runs");
            if running.is_persisting {
                return;
            }
            let Some(act) = running.acts.pop_front() else { return };
            match act {
                Act::Persist(promise) => {
                    running.is_persisting = true;
                    self.quorum_state.write(cx, promise);
                }
                Act::Ask(peer, question) => self.ask(cx, peer, question),
                Act::Answer(caller, response) => self.answer(cx, caller, response),
                Act::Append(entry) => self.log_file.append(cx, entry),
                Act::Cut(offset) => self.log_file.cut(cx, offset),
                Act::Replace(snapshot, entries) => self.log_file.replace(cx, snapshot, entries),
            }
        }
    }

    fn ask(&mut self, cx: &mut Cx<'_>, peer: ControllerId, question: Question) {
        let request = match question.clone() {
            Question::Vote(request) => Request::Vote(request),
            Question::Begin(request) => Request::BeginQuorumEpoch(request),
            Question::Fetch(request) => Request::FetchMetadata(request),
        };
        let call = self.rpc.call(cx, self.spec.peers[&peer], request, self.spec.options.request_timeout);
        self.calls.insert(call, (peer, question));
    }

    fn answer(&self, cx: &mut Cx<'_>, caller: Caller, response: Response) {
        if self.conns.contains(&caller.conn) {
            let (correlation, response) = (caller.correlation, Box::new(response));
            cx.send(caller.conn, Message::Response { correlation, response });
        }
    }

    fn replied(&mut self, cx: &mut Cx<'_>, call: CallId, reply: &Reply) {
        let (peer, question) = self.calls.remove(&call).expect("it was asked");
        let running = self.running.as_mut().expect("it runs");
        match reply {
            Reply::Answer(response) => running.quorum.answered(cx, peer, &question, response),
            Reply::Lost(_) => running.quorum.lost(cx.monotonic(), peer, &question),
        }
    }

    fn compact_if_long(&mut self, cx: &mut Cx<'_>) {
        let running = self.running.as_mut().expect("it runs");
        let since = running.image.next.0 - running.quorum.log().snapshot().end.offset.0;
        if since as usize >= self.spec.options.snapshot_every && self.log_file.is_idle() && running.acts.is_empty() {
            running.quorum.compact(Arc::new(running.image.clone()));
            running.acts.extend(running.quorum.take_acts());
            self.do_acts(cx);
        }
    }

    fn set_wake(&mut self, cx: &mut Cx<'_>) {
        let running = self.running.as_ref().expect("it runs");
        let due = running.active.as_ref().map_or(Nanos::MAX, Active::next_due).min(running.quorum.next_due());
        if due == Nanos::MAX || self.wake.is_some_and(|(at, _)| at <= due) {
            return;
        }
        if let Some((_, timer)) = self.wake.take() {
            cx.cancel_timer(timer);
        }
        let after = due.saturating_sub(cx.monotonic());
        self.wake = Some((due, TIMERS.set_timer(cx, after, WAKE)));
    }

    fn timer(&mut self, cx: &mut Cx<'_>, local: u64) {
        match local {
            WAKE => self.wake = None,
            OPEN_LOG => self.log_file.open(cx),
            OPEN_QUORUM_STATE => self.quorum_state.open(cx),
            other => unreachable!("a controller sets no timer {other}"),
        }
    }
}

impl Running {
    /// A request to the active controller.
    fn decide(&mut self, cx: &mut Cx<'_>, spec: &ControllerSpec, caller: Caller, request: &ControllerRequest) {
        self.follow_leadership(cx, spec);
        match &mut self.active {
            Some(active) => active.ask(cx, spec, &mut self.quorum, caller, request),
            None => self.refuse(caller),
        }
    }

    fn refuse(&mut self, caller: Caller) {
        let response = ControllerResponse { leader: self.quorum.leader(), result: Err(ErrorCode::NotController) };
        self.acts.push_back(Act::Answer(caller, Response::Controller(response)));
    }

    fn go_on(&mut self, cx: &mut Cx<'_>, spec: &ControllerSpec) {
        self.quorum.poll(cx);
        self.follow_leadership(cx, spec);
        if let Some(active) = &mut self.active {
            active.look_after(cx, spec, &mut self.quorum, &self.image);
        }
        self.apply_committed(cx);
        self.acts.extend(self.quorum.take_acts());
    }

    /// Becomes the active controller, or ceases to be it, with the quorum's leadership.
    fn follow_leadership(&mut self, cx: &mut Cx<'_>, spec: &ControllerSpec) {
        let leading = self.quorum.leading();
        if self.active.as_ref().map(Active::epoch) == leading {
            return;
        }
        let waiting = self.active.take().into_iter().flat_map(Active::end);
        waiting.collect::<Vec<_>>().into_iter().for_each(|caller| self.refuse(caller));
        if let Some(epoch) = leading {
            cx.probe(Probe::ControllerElected { controller: spec.id, epoch });
            self.active = Some(Active::begin(cx, spec, &self.quorum, &self.image));
        }
    }

    fn apply_committed(&mut self, cx: &mut Cx<'_>) {
        let high_watermark = self.quorum.high_watermark();
        let log = self.quorum.log();
        if log.start().offset > self.image.next {
            self.image = (*log.snapshot().image).clone();
        }
        while self.image.next < high_watermark {
            let Some(entry) = log.get(self.image.next).cloned() else { break };
            cx.probe(Probe::MetadataCommitted { offset: entry.offset, fingerprint: fingerprint(&*entry) });
            let closers = facts::closers(&entry.records);
            for record in &entry.records {
                facts::facts(&self.image, record, &closers, |fact| cx.probe(fact));
                self.image.apply_record(entry.offset, record);
            }
            self.image.next.0 += 1;
        }
        if let Some(active) = &mut self.active {
            for (caller, response) in active.committed(cx, self.image.next) {
                self.acts.push_back(Act::Answer(caller, Response::Controller(response)));
            }
        }
    }
}

impl Process for Controller {
    fn step(&mut self, cx: &mut Cx<'_>, input: Input) {
        let Some(input) = self.rpc.input(cx, input) else { return self.settle(cx) };
        match input {
            Input::Boot => {
                self.log_file.open(cx);
                self.quorum_state.open(cx);
            }
            Input::Timer { token, .. } => self.timer(cx, TokenSpace::split(token).1),
            Input::Accepted { conn, .. } => {
                self.conns.insert(conn);
            }
            Input::Reset { conn, .. } => {
                self.conns.remove(&conn);
            }
            Input::Message { conn, message: Message::Request { correlation, request } } => {
                // Read by the host's threads before its connection was closed here.
                if self.conns.contains(&conn) {
                    self.asked(cx, Caller { conn, correlation }, *request);
                }
            }
            Input::Volume(done) => self.volume_answered(cx, *done),
            Input::Object(done) => self.store_answered(cx, &done),
            Input::Message { .. }
            | Input::Connected { .. }
            | Input::Express(_)
            | Input::Nfs(_)
            | Input::Worked { .. }
            | Input::Signal(_) => {}
        }
        self.settle(cx);
    }

    fn waits(&self, _: Want) -> Vec<Wait> {
        self.waits_for()
    }
}
