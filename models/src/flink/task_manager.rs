//! A task manager: slots, and the tasks of at most one execution in them (`execution.rs`).
//!
//! It registers with the job manager, answers its heartbeats, and does what it is told. Without a heartbeat for
//! `heartbeat.timeout`, or when another job manager leads, it cancels what it runs. A restarted one knows nothing.
//!
//! A keyed task's snapshot is written by the task manager, asynchronously: the upload goes on when its task is cancelled,
//! and is acknowledged late; the coordinator must tell executions apart. (Flink closes an `AsyncCheckpointRunnable` with its
//! task, but what is acknowledged by then is on its way all the same.)
//!
//! Simpler than reality: one connection to the job manager for all RPCs; registration is tried again every half second.

use super::JobSpec;
use super::checkpoint_store::checkpoint_key;
use super::committer::Committer;
use super::execution::{Aligned, Execution};
use super::message::{FlinkMessage, Snapshot, Task};
use super::oracle::check_cut;
use super::state::{Attempt, CheckpointId, CheckpointMetadata, GroupState, StateHandle, decode, encode};
use crate::cloud::network::ConnId;
use crate::cloud::object_store::Condition;
use crate::kafka::object_client::{ObjectAnswer, ObjectClient};
use crate::kafka::token::TokenSpace;
use crate::message::Message;
use crate::probe::Probe;
use crate::world::{Cx, Input, Process, Wait, Want};
use std::sync::Arc;
use wavetank_sim::{Nanos, NodeId, SortedMap};

const TIMERS: TokenSpace = TokenSpace(1);
const OBJECTS: TokenSpace = TokenSpace(2);
const COMMITTER: [TokenSpace; 2] = [TokenSpace(3), TokenSpace(4)];
/// Each execution's tasks have token spaces of their own, from here on: what is late is nobody's.
const FIRST_FREE_SPACE: u16 = 16;
const RECONNECT: u64 = 1;
const HEARTBEAT_CHECK: u64 = 2;
const RECONNECT_AFTER: Nanos = Nanos::millis(500);

/// A keyed task's snapshot on its way.
#[derive(Debug)]
struct Upload {
    attempt: Attempt,
    checkpoint: CheckpointId,
    subtask: u32,
    handle: StateHandle,
    is_stored: bool,
    /// The sink must have made so many upserts durable.
    flush_to: u64,
}

/// State on its way back.
#[derive(Debug)]
struct Download {
    attempt: Attempt,
    subtask: u32,
    object: String,
}

enum ObjectRequest {
    Upload(Upload),
    Download(Download),
}

/// See the [module](self).
pub struct TaskManager {
    pub(super) spec: Arc<JobSpec>,
    me: NodeId,
    epoch: u32,
    job_manager: Option<ConnId>,
    leader: u32,
    heard: Nanos,
    pub(super) objects: ObjectClient,
    requests: SortedMap<u64, ObjectRequest>,
    next_request: u64,
    committer: Committer,
    pub(super) execution: Option<Execution>,
    next_space: u16,
    /// Connections of other task managers, with what they have asked for.
    accepted: SortedMap<ConnId, (NodeId, Option<Attempt>)>,
}

impl TaskManager {
    /// A life of a task manager.
    pub fn new(spec: Arc<JobSpec>) -> TaskManager {
        spec.validate().expect("a job is checked where it is read");
        TaskManager {
            me: NodeId(0),
            epoch: 0,
            job_manager: None,
            leader: 0,
            heard: Nanos::ZERO,
            objects: ObjectClient::new(spec.checkpoints, OBJECTS, 0, spec.objects.clone()),
            requests: SortedMap::new(),
            next_request: 0,
            committer: Committer::new(spec.clone(), COMMITTER),
            execution: None,
            next_space: FIRST_FREE_SPACE,
            accepted: SortedMap::new(),
            spec,
        }
    }

    fn boot(&mut self, cx: &mut Cx<'_>) {
        (self.me, self.epoch) = (cx.me().node, cx.me().epoch.0);
        self.heard = cx.monotonic();
        TIMERS.set_timer(cx, self.spec.settings.heartbeat_interval, HEARTBEAT_CHECK);
        self.register(cx);
    }

    // ---- job manager ----

    fn register(&mut self, cx: &mut Cx<'_>) {
        self.job_manager = Some(cx.connect(self.spec.job_manager));
        let running = self.execution.as_ref().filter(|execution| !execution.has_failed());
        let running = running.map(|execution| (execution.attempt(), execution.is_restored()));
        let (epoch, slots) = (self.epoch, self.spec.settings.task_slots);
        self.report(cx, FlinkMessage::Register { epoch, slots, running });
    }

    fn report(&self, cx: &mut Cx<'_>, message: FlinkMessage) {
        if let Some(conn) = self.job_manager {
            cx.send(conn, Message::Flink(Box::new(message)));
        }
    }

    fn check_heartbeat(&mut self, cx: &mut Cx<'_>) {
        TIMERS.set_timer(cx, self.spec.settings.heartbeat_interval, HEARTBEAT_CHECK);
        if cx.monotonic().saturating_sub(self.heard) <= self.spec.settings.heartbeat_timeout {
            return;
        }
        cx.mark("flink: a task manager lost its job manager");
        self.heard = cx.monotonic();
        self.cancel(cx, None);
        if let Some(conn) = self.job_manager.take() {
            cx.close(conn);
            self.register(cx);
        }
    }

    fn told(&mut self, cx: &mut Cx<'_>, message: FlinkMessage) {
        self.heard = cx.monotonic();
        match message {
            FlinkMessage::Registered { leader } => {
                self.leader = leader;
                if self.execution.as_ref().is_some_and(|execution| execution.attempt().leader != leader) {
                    self.cancel(cx, None);
                }
            }
            FlinkMessage::Heartbeat => {
                let lags = self.execution.as_ref().map(Execution::lags).unwrap_or_default();
                self.report(cx, FlinkMessage::HeartbeatReply { lags });
            }
            FlinkMessage::Deploy(deployment) => {
                self.cancel(cx, None);
                let attempt = deployment.attempt;
                let restore = deployment.restore.clone();
                let mut execution = Execution::new(
                    cx,
                    self.spec.clone(),
                    self.me,
                    deployment,
                    &mut self.next_space,
                    &mut self.committer,
                );
                for (conn, (from, asked)) in &self.accepted {
                    if *asked == Some(attempt) {
                        execution.attach(*conn, *from);
                    }
                }
                if let Some(metadata) = restore {
                    self.download(cx, &mut execution, &metadata);
                }
                self.execution = Some(execution);
            }
            FlinkMessage::Cancel { attempt } => {
                self.cancel(cx, Some(attempt));
                self.report(cx, FlinkMessage::Cancelled { attempt });
            }
            FlinkMessage::Trigger { attempt, checkpoint } => {
                let Some(execution) = self.execution_of(attempt) else { return };
                for (subtask, splits) in execution.trigger(checkpoint) {
                    let (task, snapshot) = (Task::Source(subtask), Snapshot::Splits(splits));
                    self.report(cx, FlinkMessage::Acknowledge { attempt, checkpoint, task, snapshot });
                }
            }
            FlinkMessage::NotifyComplete { attempt, checkpoint } => {
                let Some(execution) = self.execution_of(attempt) else { return };
                let offsets = execution.completed(checkpoint);
                self.committer.commit(offsets);
            }
            other => unreachable!("a job manager does not say {}", other.name()),
        }
    }

    fn execution_of(&mut self, attempt: Attempt) -> Option<&mut Execution> {
        self.execution.as_mut().filter(|execution| execution.attempt() == attempt)
    }

    /// Ends the tasks of that execution and of earlier ones; of any, if none is named.
    fn cancel(&mut self, cx: &mut Cx<'_>, upto: Option<Attempt>) {
        let is_meant = |execution: &mut Execution| upto.is_none_or(|upto| execution.attempt() <= upto);
        if let Some(execution) = self.execution.take_if(is_meant) {
            let attempt = execution.attempt();
            execution.close(cx);
            self.accepted.retain(|_, (_, asked)| asked.is_none_or(|asked| asked > attempt));
            self.requests.retain(|_, request| matches!(request, ObjectRequest::Upload(_)));
        }
        self.acknowledge(cx);
    }

    // ---- state ----

    fn request(&mut self, request: ObjectRequest) -> u64 {
        self.next_request += 1;
        self.requests.insert(self.next_request, request);
        self.next_request
    }

    fn download(&mut self, cx: &mut Cx<'_>, execution: &mut Execution, metadata: &CheckpointMetadata) {
        let attempt = execution.attempt();
        for (subtask, task) in execution.keyed_tasks() {
            for handle in &metadata.states {
                if handle.groups.common(task.groups()).is_some() {
                    task.restoring += 1;
                    let object = handle.object.clone();
                    let id =
                        self.request(ObjectRequest::Download(Download { attempt, subtask, object: object.clone() }));
                    self.objects.get(cx, id, object.into(), None);
                }
            }
        }
    }

    fn downloaded(&mut self, cx: &mut Cx<'_>, download: &Download, answer: ObjectAnswer) {
        let job = self.spec.job;
        let Some(execution) = self.execution_of(download.attempt) else { return };
        let body = match answer {
            ObjectAnswer::Content { body, .. } => body,
            ObjectAnswer::Missing => {
                let checkpoint = execution.restored_from().map_or(0, |metadata| metadata.id.0);
                cx.probe(Probe::StateMissing { job, checkpoint });
                return execution.fail();
            }
            other => unreachable!("a get is answered with {other:?}"),
        };
        let states: Vec<GroupState> = match decode(&body) {
            Ok(states) => states,
            Err(error) => return cx.fail(format!("flink: {}: {error}", download.object)),
        };
        let metadata = execution.restored_from().expect("it restores");
        if let Err(why) = check_cut(&metadata.splits, &states) {
            cx.fail(format!("flink: checkpoint {} is no consistent cut: {why}", metadata.id.0));
        }
        execution.restored(download.subtask, &states);
    }

    fn upload(&mut self, cx: &mut Cx<'_>, attempt: Attempt, aligned: Aligned) {
        let Aligned { subtask, checkpoint, states, keys, flush_to } = aligned;
        let groups = self.execution.as_ref().expect("it has aligned").groups_of(subtask);
        let name = format!("groups-{}-{}", groups.first, groups.next);
        let object = checkpoint_key(self.spec.job, attempt, checkpoint, &name);
        let identity = checkpoint.0 << 16 ^ u64::from(subtask);
        let body = encode(&states, keys * self.spec.bytes_per_key, identity);
        let handle = StateHandle { groups, object: object.clone() };
        let upload = Upload { attempt, checkpoint, subtask, handle, is_stored: false, flush_to };
        let id = self.request(ObjectRequest::Upload(upload));
        self.objects.put(cx, id, object.into(), body, Condition::None);
    }

    fn stored(&mut self, cx: &mut Cx<'_>) {
        while let Some((id, answer)) = self.objects.poll() {
            match (self.requests.remove(&id), answer) {
                (Some(ObjectRequest::Upload(upload)), ObjectAnswer::Put(_)) => {
                    let upload = Upload { is_stored: true, ..upload };
                    self.requests.insert(id, ObjectRequest::Upload(upload));
                }
                (Some(ObjectRequest::Upload(Upload { attempt, checkpoint, .. })), _) => {
                    self.report(cx, FlinkMessage::Decline { attempt, checkpoint });
                }
                (Some(ObjectRequest::Download(download)), answer) => self.downloaded(cx, &download, answer),
                (None, _) => {}
            }
        }
    }

    /// Acknowledges snapshots that are durable, and whose upserts are. Nobody waits for those of a cancelled task's sink.
    fn acknowledge(&mut self, cx: &mut Cx<'_>) {
        let current = self.execution.as_ref().map(|execution| (execution.attempt(), execution.sink().durable()));
        let is_done = |request: &ObjectRequest| match request {
            ObjectRequest::Download(_) => false,
            ObjectRequest::Upload(Upload { is_stored: false, .. }) => false,
            ObjectRequest::Upload(Upload { attempt, flush_to, .. }) => match current {
                Some((running, durable)) if running == *attempt => durable >= *flush_to,
                Some(_) | None => true,
            },
        };
        // One that has to be told waits for the job manager.
        if self.job_manager.is_none() || self.leader == 0 {
            return;
        }
        let done: Vec<u64> = self.requests.iter().filter(|(_, request)| is_done(request)).map(|(id, _)| *id).collect();
        for id in done {
            let Some(ObjectRequest::Upload(upload)) = self.requests.remove(&id) else { continue };
            let Upload { attempt, checkpoint, subtask, handle, .. } = upload;
            let (task, snapshot) = (Task::Keyed(subtask), Snapshot::Keyed(handle));
            self.report(cx, FlinkMessage::Acknowledge { attempt, checkpoint, task, snapshot });
        }
    }

    // ---- tasks ----

    fn run(&mut self, cx: &mut Cx<'_>) {
        self.committer.run(cx);
        if let Some(execution) = &mut self.execution {
            let attempt = execution.attempt();
            if let Some(offsets) = self.committer.answer() {
                execution.begin_at(cx, &offsets);
            }
            let done = execution.run(cx);
            for aligned in done.aligned {
                self.upload(cx, attempt, aligned);
            }
            if done.restored {
                self.report(cx, FlinkMessage::Restored { attempt });
            }
            if done.failed {
                self.report(cx, FlinkMessage::Failed { attempt });
            }
            for subtask in done.caught_up {
                self.report(cx, FlinkMessage::CaughtUp { attempt, subtask });
            }
        }
        self.acknowledge(cx);
    }

    fn own_input(&mut self, cx: &mut Cx<'_>, input: Input) {
        match input {
            Input::Boot => self.boot(cx),
            Input::Message { conn, message: Message::Flink(message) } if self.job_manager == Some(conn) => {
                self.told(cx, *message);
            }
            Input::Reset { conn, .. } if self.job_manager == Some(conn) => {
                self.job_manager = None;
                TIMERS.set_timer(cx, RECONNECT_AFTER, RECONNECT);
            }
            Input::Accepted { conn, from } => drop(self.accepted.insert(conn, (from, None))),
            Input::Message { conn, message: Message::Flink(message) } => {
                let FlinkMessage::PartitionRequest { attempt } = *message else { return };
                let Some((from, asked)) = self.accepted.get_mut(&conn) else { return };
                *asked = Some(attempt);
                let from = *from;
                if let Some(execution) = self.execution_of(attempt) {
                    execution.attach(conn, from);
                }
            }
            Input::Reset { conn, .. } => drop(self.accepted.remove(&conn)),
            Input::Timer { token, .. } if TokenSpace::split(token).0 == TIMERS => match TokenSpace::split(token).1 {
                RECONNECT if self.job_manager.is_none() => self.register(cx),
                HEARTBEAT_CHECK => self.check_heartbeat(cx),
                _ => {}
            },
            // What belongs to an execution that is over.
            _ => {}
        }
    }
}

impl Process for TaskManager {
    fn step(&mut self, cx: &mut Cx<'_>, input: Input) {
        let mut input = self.objects.input(cx, input);
        self.stored(cx);
        input = input.and_then(|input| self.committer.input(cx, input));
        if let Some(execution) = &mut self.execution {
            input = input.and_then(|input| execution.input(cx, input));
        }
        if let Some(input) = input {
            self.own_input(cx, input);
        }
        self.run(cx);
    }

    fn waits(&self, want: Want) -> Vec<Wait> {
        self.waits_for(want)
    }
}
