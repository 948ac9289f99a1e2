//! The job manager: slots, heartbeats, checkpoints, failover.
//!
//! Order of steps of a job's life:
//! 1. *Recover*: read the pointer, become the leader, read the latest checkpoint (`checkpoint_store.rs`).
//! 2. *Wait* until the job is submitted and registered task managers have a slot for each subtask.
//! 3. *Deploy*: every task manager gets its tasks, and with them what to restore. When all have their state, the job runs.
//! 4. *Run*: every `execution.checkpointing.interval` sources are triggered (`coordinator.rs`).
//! 5. *Fail*: a task fails, a task manager is lost, or too many checkpoints fail. All tasks are cancelled; a task manager
//!    that does not answer is waited for until its heartbeats fail. Then the restart delay, and 2 again.
//!
//! Heartbeats (`HeartbeatManagerSenderImpl`): asked for every `heartbeat.interval`; a task manager is lost when nothing came
//! for `heartbeat.timeout`, or when asking failed `heartbeat.rpc-failure-threshold` times in a row.
//!
//! Restart delay (`ExponentialDelayRestartBackoffTimeStrategy`): 1 s, times 1.5 at each failure up to 1 min, with 10 % of
//! jitter; from the beginning after an hour without failure.
//!
//! Simpler than reality: resource manager, dispatcher and job master are one; one job a cluster; the failover region is the
//! whole job, as it is where everything is connected. Slots are filled in the order of nodes. A task manager that registers
//! again tells what it runs, which stands for the reconciliation of execution deployments.
//!
//! *Rescaling* (FLIP-291: `PUT /jobs/:jobid/resource-requirements`, which only the adaptive scheduler takes): what runs is
//! cancelled, and deployed again at once with the other parallelism, from the latest checkpoint; key groups and partitions go
//! to their new subtasks. Simpler than reality: there is no cooldown between two of them, the job waits for as many slots as
//! it was told to have instead of making do with fewer, and it is not written down: a job manager that starts again has the
//! parallelism of the job's beginning.
//!
//! Left out, with its place: transactions (committables beside [`StateHandle`](super::state::StateHandle)), unaligned checkpoints
//! (`keyed_task.rs`), savepoints (a second kind in `coordinator.rs`).

use super::checkpoint_store::{CheckpointStore, StoreEvent};
use super::coordinator::Coordinator;
use super::message::{Deployment, FlinkMessage};
use super::state::{Attempt, CheckpointId, CheckpointMetadata};
use super::{FlinkMutant, JobSpec};
use crate::cloud::network::ConnId;
use crate::kafka::token::TokenSpace;
use crate::message::Message;
use crate::probe::Probe;
use crate::world::{Cx, Input, Process, Signal, Wait, Want};
use std::sync::Arc;
use wavetank_sim::{Nanos, NodeId, SortedMap, SortedSet};

const TIMERS: TokenSpace = TokenSpace(1);
const OBJECTS: TokenSpace = TokenSpace(2);
const HEARTBEAT: u64 = 1;
const TRIGGER: u64 = 2;
const EXPIRE: u64 = 3;
const RESTART: u64 = 4;
const BEGIN: u64 = 5;
/// A timer's kind has so many bits; above them lies what it is for.
const KIND_BITS: u32 = 3;

/// A life of a task manager.
pub(super) type WorkerId = (NodeId, u32);

pub(super) struct Worker {
    pub(super) conn: Option<ConnId>,
    pub(super) slots: u32,
    heard: Nanos,
    rpc_failures: u32,
}

#[derive(Debug)]
pub(super) enum Phase {
    Recovering,
    Waiting,
    Deploying { missing: SortedSet<WorkerId> },
    Running,
    Cancelling { missing: SortedSet<WorkerId> },
    Delaying,
}

/// See the [module](self).
pub struct JobManager {
    pub(super) spec: Arc<JobSpec>,
    pub(super) store: CheckpointStore,
    coordinator: Coordinator,
    conns: SortedMap<ConnId, (NodeId, Option<WorkerId>)>,
    pub(super) workers: SortedMap<WorkerId, Worker>,
    pub(super) phase: Phase,
    attempt: Attempt,
    pub(super) assigned: SortedSet<WorkerId>,
    latest: Option<Arc<CheckpointMetadata>>,
    /// When the checkpoint that is being completed was triggered.
    began: Nanos,
    /// When the last one ended.
    ended: Nanos,
    backoff: Nanos,
    failed_at: Nanos,
    /// Tells timers of one execution from those of another.
    serial: u64,
    is_restart: bool,
    /// Subtasks of each operator, from the next deployment on.
    pub(super) parallelism: u32,
    /// What is being cancelled begins again without a delay.
    is_rescaling: bool,
    lags: SortedMap<u32, u64>,
    behind: SortedSet<u32>,
}

impl JobManager {
    /// A life of a job manager.
    pub fn new(spec: Arc<JobSpec>) -> JobManager {
        spec.validate().expect("a job is checked where it is read");
        JobManager {
            store: CheckpointStore::new(spec.clone(), OBJECTS),
            coordinator: Coordinator::new(spec.clone(), 0),
            conns: SortedMap::new(),
            workers: SortedMap::new(),
            phase: Phase::Recovering,
            attempt: Attempt::default(),
            assigned: SortedSet::new(),
            latest: None,
            began: Nanos::ZERO,
            ended: Nanos::ZERO,
            backoff: spec.settings.restart_initial_backoff,
            failed_at: Nanos::ZERO,
            serial: 0,
            is_restart: false,
            parallelism: spec.parallelism,
            is_rescaling: false,
            lags: SortedMap::new(),
            behind: SortedSet::new(),
            spec,
        }
    }

    fn set_timer(cx: &mut Cx<'_>, after: Nanos, kind: u64, what: u64) {
        TIMERS.set_timer(cx, after, what << KIND_BITS | kind);
    }

    fn tell(&self, cx: &mut Cx<'_>, worker: WorkerId, message: FlinkMessage) {
        if let Some(conn) = self.workers.get(&worker).and_then(|worker| worker.conn) {
            cx.send(conn, Message::Flink(Box::new(message)));
        }
    }

    fn tell_assigned(&self, cx: &mut Cx<'_>, message: &FlinkMessage) {
        for worker in &self.assigned {
            self.tell(cx, *worker, message.clone());
        }
    }

    // ---- task managers ----

    fn registered(
        &mut self,
        cx: &mut Cx<'_>,
        conn: ConnId,
        id: WorkerId,
        slots: u32,
        running: Option<(Attempt, bool)>,
    ) {
        let worker = Worker { conn: Some(conn), slots, heard: cx.monotonic(), rpc_failures: 0 };
        self.conns.insert(conn, (id.0, Some(id)));
        if let Some(old) = self.workers.insert(id, worker).and_then(|old| old.conn) {
            self.conns.remove(&old);
            cx.close(old);
        }
        if self.attempt.leader == 0 {
            return;
        }
        self.tell(cx, id, FlinkMessage::Registered { leader: self.attempt.leader });
        self.reconcile(cx, id, running);
    }

    /// What a task manager runs, against what it should.
    fn reconcile(&mut self, cx: &mut Cx<'_>, id: WorkerId, running: Option<(Attempt, bool)>) {
        let is_assigned = self.assigned.contains(&id);
        match (&self.phase, running) {
            (Phase::Deploying { .. } | Phase::Running, Some((attempt, restored)))
                if is_assigned && attempt == self.attempt =>
            {
                if restored {
                    self.restored(cx, id);
                }
            }
            (Phase::Deploying { .. } | Phase::Running, _) if is_assigned => self.fail(cx),
            (Phase::Cancelling { .. }, None) => self.cancelled(cx, id),
            (_, Some((attempt, _))) => self.tell(cx, id, FlinkMessage::Cancel { attempt }),
            (_, None) => {}
        }
    }

    fn heartbeats(&mut self, cx: &mut Cx<'_>) {
        let settings = &self.spec.settings;
        Self::set_timer(cx, settings.heartbeat_interval, HEARTBEAT, 0);
        let now = cx.monotonic();
        let mut lost = Vec::new();
        for (id, worker) in &mut self.workers {
            match worker.conn {
                Some(conn) => cx.send(conn, Message::Flink(Box::new(FlinkMessage::Heartbeat))),
                None => worker.rpc_failures += 1,
            }
            let is_unreachable = worker.rpc_failures >= settings.heartbeat_rpc_failure_threshold;
            if is_unreachable || now.saturating_sub(worker.heard) > settings.heartbeat_timeout {
                lost.push(*id);
            }
        }
        for id in lost {
            self.lost(cx, id);
        }
    }

    fn lost(&mut self, cx: &mut Cx<'_>, id: WorkerId) {
        cx.mark("flink: a task manager was lost");
        if let Some(conn) = self.workers.remove(&id).and_then(|worker| worker.conn) {
            self.conns.remove(&conn);
            cx.close(conn);
        }
        if self.assigned.contains(&id) {
            self.fail(cx);
            self.cancelled(cx, id);
        }
    }

    // ---- the job ----

    fn leads(&mut self, cx: &mut Cx<'_>, leader: u32, latest: Option<Arc<CheckpointMetadata>>) {
        self.attempt = Attempt { leader, number: 0 };
        self.coordinator = Coordinator::new(self.spec.clone(), latest.as_ref().map_or(0, |latest| latest.id.0));
        self.latest = latest;
        self.phase = Phase::Waiting;
        if leader > 1 {
            self.is_restart = true;
            cx.probe(Probe::JobFailed { job: self.spec.job });
        }
        for id in self.workers.keys() {
            self.tell(cx, *id, FlinkMessage::Registered { leader });
        }
    }

    /// Deploys, if the job waits for nothing but slots and there are enough.
    fn deploy(&mut self, cx: &mut Cx<'_>) {
        if !matches!(self.phase, Phase::Waiting) || self.store.is_busy() || cx.monotonic() < self.spec.begins_at {
            return;
        }
        let mut slots = Vec::new();
        for (id, worker) in self.workers.iter().filter(|(_, worker)| worker.conn.is_some()) {
            slots.extend((0..worker.slots).map(|_| *id));
        }
        if slots.len() < self.parallelism as usize {
            return;
        }
        slots.truncate(self.parallelism as usize);
        self.attempt.number += 1;
        self.serial += 1;
        self.assigned = slots.iter().copied().collect();
        self.phase = Phase::Deploying { missing: self.assigned.clone() };
        self.behind = (0..self.parallelism).collect();
        let (job, checkpoint) = (self.spec.job, self.latest.as_ref().map_or(0, |latest| latest.id.0));
        cx.probe(Probe::CheckpointChosen { job, checkpoint });
        if self.is_restart {
            cx.probe(Probe::JobRestarted { job });
        }
        let deployment = Deployment {
            attempt: self.attempt,
            placement: slots.iter().map(|(node, _)| *node).collect(),
            restore: self.latest.clone(),
            lag_before: (0..self.parallelism).map(|s| self.lags.get(&s).copied().unwrap_or(0)).collect(),
        };
        self.tell_assigned(cx, &FlinkMessage::Deploy(deployment));
    }

    fn restored(&mut self, cx: &mut Cx<'_>, id: WorkerId) {
        let Phase::Deploying { missing } = &mut self.phase else { return };
        missing.remove(&id);
        if !missing.is_empty() {
            return;
        }
        self.phase = Phase::Running;
        if self.is_restart {
            cx.probe(Probe::JobRestored { job: self.spec.job });
        }
        self.look_whether_caught_up(cx);
        self.trigger_after(cx, self.spec.settings.checkpointing_interval);
    }

    fn caught_up(&mut self, cx: &mut Cx<'_>, subtask: u32) {
        self.behind.remove(&subtask);
        self.look_whether_caught_up(cx);
    }

    /// A source that had nothing to do may be up to date before all others are restored.
    fn look_whether_caught_up(&mut self, cx: &mut Cx<'_>) {
        if self.is_restart && self.behind.is_empty() && matches!(self.phase, Phase::Running) {
            self.is_restart = false;
            cx.probe(Probe::JobCaughtUp { job: self.spec.job });
        }
    }

    /// An operator gives the job so many subtasks of each operator; 0: as many as at its beginning.
    fn rescale(&mut self, cx: &mut Cx<'_>, parallelism: u32) {
        let parallelism = if parallelism == 0 { self.spec.parallelism } else { parallelism };
        if parallelism == self.parallelism {
            return;
        }
        let is_prepared = parallelism == self.spec.parallelism || self.spec.rescaled_to.contains(&parallelism);
        assert!(is_prepared, "state is not cut for a parallelism of {parallelism}");
        self.parallelism = parallelism;
        if matches!(self.phase, Phase::Deploying { .. } | Phase::Running) {
            cx.mark("flink: a job is rescaled");
            self.is_rescaling = true;
            self.fail(cx);
        }
    }

    /// The job must restart; once an execution.
    fn fail(&mut self, cx: &mut Cx<'_>) {
        if !matches!(self.phase, Phase::Deploying { .. } | Phase::Running) {
            return;
        }
        cx.probe(Probe::JobFailed { job: self.spec.job });
        self.is_restart = true;
        if let Some(checkpoint) = self.coordinator.pending() {
            cx.probe(Probe::CheckpointFailed { job: self.spec.job, checkpoint: checkpoint.0 });
        }
        self.coordinator.stop(self.latest.as_ref().map_or(0, |latest| latest.id.0));
        self.tell_assigned(cx, &FlinkMessage::Cancel { attempt: self.attempt });
        let missing: SortedSet<_> = self.assigned.iter().copied().filter(|id| self.workers.contains_key(id)).collect();
        self.phase = Phase::Cancelling { missing };
        self.delay_when_cancelled(cx);
    }

    fn cancelled(&mut self, cx: &mut Cx<'_>, id: WorkerId) {
        if let Phase::Cancelling { missing } = &mut self.phase {
            missing.remove(&id);
            self.delay_when_cancelled(cx);
        }
    }

    fn delay_when_cancelled(&mut self, cx: &mut Cx<'_>) {
        let Phase::Cancelling { missing } = &self.phase else { return };
        if !missing.is_empty() {
            return;
        }
        self.assigned.clear();
        if std::mem::take(&mut self.is_rescaling) {
            self.phase = Phase::Waiting;
            return;
        }
        self.phase = Phase::Delaying;
        let settings = &self.spec.settings;
        let now = cx.monotonic();
        if now.saturating_sub(self.failed_at) >= settings.restart_reset_backoff_threshold {
            self.backoff = settings.restart_initial_backoff;
        }
        self.failed_at = now;
        let jitter = settings.restart_jitter_percent;
        let after = self.backoff.scale(cx.random().range(100 - jitter..101 + jitter), 100);
        let next = self.backoff.scale(settings.restart_backoff_multiplier_percent, 100);
        self.backoff = next.min(settings.restart_max_backoff);
        Self::set_timer(cx, after, RESTART, 0);
    }

    // ---- checkpoints ----

    fn trigger_after(&mut self, cx: &mut Cx<'_>, after: Option<Nanos>) {
        if let Some(after) = after {
            Self::set_timer(cx, after, TRIGGER, self.serial);
        }
    }

    fn trigger(&mut self, cx: &mut Cx<'_>) {
        if !matches!(self.phase, Phase::Running) {
            return;
        }
        let due = self.ended.saturating_add(self.spec.settings.checkpointing_min_pause);
        if cx.monotonic() < due {
            return self.trigger_after(cx, Some(due - cx.monotonic()));
        }
        self.trigger_after(cx, self.spec.settings.checkpointing_interval);
        // One at a time: the next one is due with the next interval.
        if self.coordinator.is_busy() || self.store.is_busy() {
            return;
        }
        let checkpoint = self.coordinator.begin(cx.monotonic(), self.attempt, self.parallelism);
        Self::set_timer(cx, self.spec.settings.checkpointing_timeout, EXPIRE, checkpoint.0);
        self.tell_assigned(cx, &FlinkMessage::Trigger { attempt: self.attempt, checkpoint });
    }

    fn checkpoint_failed(&mut self, cx: &mut Cx<'_>, checkpoint: CheckpointId) {
        self.ended = cx.monotonic();
        if self.coordinator.is_pending(checkpoint) {
            cx.probe(Probe::CheckpointFailed { job: self.spec.job, checkpoint: checkpoint.0 });
        }
        if self.coordinator.failed(checkpoint) {
            cx.mark("flink: the job fails for a checkpoint that failed");
            self.fail(cx);
        }
    }

    fn completed(&mut self, cx: &mut Cx<'_>, metadata: Arc<CheckpointMetadata>) {
        self.coordinator.succeeded();
        self.ended = cx.monotonic();
        let took = self.ended - self.began;
        cx.probe(Probe::CheckpointCompleted { job: self.spec.job, checkpoint: metadata.id.0, took });
        if metadata.attempt == self.attempt && matches!(self.phase, Phase::Running) {
            let (attempt, checkpoint) = (self.attempt, metadata.id);
            self.tell_assigned(cx, &FlinkMessage::NotifyComplete { attempt, checkpoint });
        } else {
            cx.mark("flink: a checkpoint was completed after its execution had failed");
        }
        self.latest = Some(metadata);
    }

    fn store_events(&mut self, cx: &mut Cx<'_>) {
        while let Some(event) = self.store.poll() {
            match event {
                StoreEvent::Leads { leader, latest } => self.leads(cx, leader, latest),
                StoreEvent::Completed(metadata) => self.completed(cx, metadata),
                StoreEvent::Deposed => {
                    cx.mark("flink: a job manager was deposed");
                    cx.exit("another job manager leads");
                }
                StoreEvent::Damaged(why) => cx.fail(format!("flink: the latest checkpoint is lost: {why}")),
            }
        }
    }

    // ---- inputs ----

    fn message(&mut self, cx: &mut Cx<'_>, conn: ConnId, message: FlinkMessage) {
        let Some((node, id)) = self.conns.get(&conn).copied() else { return };
        if let FlinkMessage::Register { epoch, slots, running } = message {
            return self.registered(cx, conn, (node, epoch), slots, running);
        }
        let Some(id) = id else { return };
        if let Some(worker) = self.workers.get_mut(&id) {
            (worker.heard, worker.rpc_failures) = (cx.monotonic(), 0);
        }
        match message {
            FlinkMessage::HeartbeatReply { lags } => self.lags.extend(lags),
            FlinkMessage::Restored { attempt } if attempt == self.attempt => self.restored(cx, id),
            FlinkMessage::CaughtUp { attempt, subtask } if attempt == self.attempt => self.caught_up(cx, subtask),
            FlinkMessage::Failed { attempt } if attempt == self.attempt => self.fail(cx),
            FlinkMessage::Cancelled { attempt } if attempt == self.attempt => self.cancelled(cx, id),
            FlinkMessage::Acknowledge { attempt, checkpoint, task, snapshot } => {
                if attempt != self.attempt {
                    cx.mark("flink: an acknowledgement of an earlier execution came");
                }
                let running = matches!(self.phase, Phase::Running);
                if let Some((metadata, began)) =
                    running.then(|| self.coordinator.acknowledge(attempt, checkpoint, task, snapshot)).flatten()
                {
                    self.began = began;
                    self.store.complete(cx, metadata);
                }
            }
            FlinkMessage::Decline { attempt, checkpoint } if attempt == self.attempt => {
                self.checkpoint_failed(cx, checkpoint);
            }
            // Of an execution that is over, or not for a job manager.
            _ => {}
        }
    }

    fn timer(&mut self, cx: &mut Cx<'_>, local: u64) {
        let what = local >> KIND_BITS;
        match local & ((1 << KIND_BITS) - 1) {
            HEARTBEAT => self.heartbeats(cx),
            TRIGGER if what == self.serial => self.trigger(cx),
            EXPIRE => self.checkpoint_failed(cx, CheckpointId(what)),
            RESTART => self.phase = Phase::Waiting,
            _ => {}
        }
    }
}

impl Process for JobManager {
    fn step(&mut self, cx: &mut Cx<'_>, input: Input) {
        let Some(input) = self.store.input(cx, input) else {
            self.store_events(cx);
            return self.deploy(cx);
        };
        match input {
            Input::Boot => {
                self.store.boot(cx);
                Self::set_timer(cx, self.spec.settings.heartbeat_interval, HEARTBEAT, 0);
                let left = self.spec.begins_at.saturating_sub(cx.monotonic());
                if left > Nanos::ZERO {
                    Self::set_timer(cx, left, BEGIN, 0);
                }
            }
            Input::Signal(Signal::Order(parallelism)) => {
                self.rescale(cx, u32::try_from(parallelism).unwrap_or(u32::MAX));
            }
            Input::Accepted { conn, from } => drop(self.conns.insert(conn, (from, None))),
            Input::Message { conn, message: Message::Flink(message) } => self.message(cx, conn, *message),
            Input::Reset { conn, .. } => {
                if let Some((_, Some(id))) = self.conns.remove(&conn) {
                    self.workers.get_mut(&id).filter(|worker| worker.conn == Some(conn)).into_iter().for_each(
                        |worker| {
                            worker.conn = None;
                        },
                    );
                }
            }
            Input::Timer { token, .. } if TokenSpace::split(token).0 == TIMERS => {
                self.timer(cx, TokenSpace::split(token).1);
            }
            // Timers that are over.
            _ => {}
        }
        // The mutant completes within its step.
        if self.spec.has(FlinkMutant::CompleteBeforeMetadata) {
            self.store_events(cx);
        }
        self.deploy(cx);
    }

    fn waits(&self, _: Want) -> Vec<Wait> {
        self.waits_for()
    }
}
