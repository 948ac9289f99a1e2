//! The producer (`KafkaProducer`: `RecordAccumulator`, `Sender`, `TransactionManager`).
//!
//! Order of steps, at each turn of its process:
//!
//! 1. [`Producer::input`] takes answers: a batch is done, comes back with a backoff, or is given up;
//! 2. the owner appends what its records are by now ([`Producer::room`], [`Producer::append`]);
//! 3. [`Producer::run`] gives up what is older than `delivery.timeout.ms`, raises the epoch if a sequence is missing, and
//!    sends: to each broker that leads a partition whose first batch is full or has lingered, and that has fewer than
//!    `max.in.flight.requests.per.connection` requests on their way, the first batches of *all* partitions that it leads, up
//!    to `max.request.size`.
//!
//! What a batch's `send` is in the history: `ok` when it was acknowledged; `fail` when it was refused and no earlier attempt
//! can have landed; `info` otherwise, and always when its delivery timed out.
//!
//! Simpler than reality: a request counts as in flight while its connection is still being opened; a batch that is too large
//! is refused, not split; buffers are not pooled, but a batch holds `batch.size` of memory as there. With `acks=0` a
//! batch is done when it is sent, its offset is never known, and no [`Probe::Produced`](crate::probe::Probe) is made.

mod batch;
mod idempotence;
mod outcome;
mod partition;
mod places;
mod sender;
mod sequences;
mod waits;

pub use batch::{Piece, RECORD_OVERHEAD_BYTES};

use super::alarm::Alarm;
use super::recorder::Sends;
use super::{Directory, Metadata, ProducerSettings};
use crate::kafka::batch::BATCH_HEADER_BYTES;
use crate::kafka::ids::{TopicIdPartition, WriterId};
use crate::kafka::rpc::{CallId, Rpc};
use crate::kafka::token::TokenSpace;
use crate::world::{Cx, Input};
use batch::Batch;
use partition::Partition;
use places::Places;
use sequences::Session;
use wavetank_sim::{Nanos, SortedMap, SortedSet};

/// What a producer is.
#[derive(Clone, Debug)]
pub struct Identity {
    /// Whose records these are. Another one in each life: a record's identity is never used again.
    pub writer: WriterId,
    /// A record's value, in bytes.
    pub message_bytes: u32,
    /// Whether sends go into the history.
    pub recorded: bool,
}

/// The batches of a produce request that is on its way, by place of the partition.
type InFlight = Vec<(usize, Batch)>;

/// See the [module](self).
pub struct Producer {
    identity: Identity,
    settings: ProducerSettings,
    rpc: Rpc,
    alarm: Alarm,
    metadata: Metadata,
    partitions: Vec<Partition>,
    places: SortedMap<TopicIdPartition, usize>,
    /// Whose queues hold something.
    busy: Places,
    in_flight: SortedMap<CallId, InFlight>,
    memory_free: u64,
    /// The application waits for memory: everything is sent at once.
    is_starved: bool,
    is_flushing: bool,
    session: Option<Session>,
    asked_for_session: Option<CallId>,
    session_failures: u32,
    session_not_before: Nanos,
    /// Partitions whose sequences are unresolved.
    unresolved: SortedSet<usize>,
    /// Partitions that must begin again in a new epoch.
    bump: SortedSet<usize>,
    /// No batch's delivery times out before.
    expiry: Nanos,
    /// From which partition on the next request is filled.
    drain_from: usize,
    next_client: u32,
}

impl Producer {
    /// A producer that has sent nothing yet. It uses two token spaces of its process.
    pub fn new(
        spaces: [TokenSpace; 2],
        directory: Directory,
        settings: ProducerSettings,
        identity: Identity,
    ) -> Producer {
        settings.validate().expect("settings are checked where they are read");
        let metadata =
            Metadata::new(directory, settings.metadata_max_age, settings.retry_backoff, settings.request_timeout);
        Producer {
            identity,
            rpc: Rpc::new(spaces[0]),
            alarm: Alarm::new(spaces[1]),
            metadata,
            partitions: Vec::new(),
            places: SortedMap::new(),
            busy: Places::default(),
            in_flight: SortedMap::new(),
            memory_free: settings.buffer_memory,
            settings,
            is_starved: false,
            is_flushing: false,
            session: None,
            asked_for_session: None,
            session_failures: 0,
            session_not_before: Nanos::ZERO,
            unresolved: SortedSet::new(),
            bump: SortedSet::new(),
            expiry: Nanos::MAX,
            drain_from: 0,
            next_client: 0,
        }
    }

    /// What it knows of the cluster.
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// The place of a partition, new or known: by it records are appended.
    pub fn partition(&mut self, cx: &mut Cx<'_>, tp: TopicIdPartition) -> usize {
        if let Some(place) = self.places.get(&tp) {
            return *place;
        }
        let sends = self.identity.recorded.then(|| Sends::new(cx, tp, self.identity.writer));
        let mut partition = Partition::new(tp, sends);
        partition.leader = self.metadata.leader(tp).map(|(node, _)| node);
        self.partitions.push(partition);
        self.places.insert(tp, self.partitions.len() - 1);
        self.partitions.len() - 1
    }

    fn record_bytes(&self) -> u32 {
        self.identity.message_bytes + RECORD_OVERHEAD_BYTES
    }

    /// Bytes that a record takes in a batch.
    pub fn record_size(&self) -> u32 {
        self.record_bytes()
    }

    /// Records that fit into a batch; one always does.
    pub fn capacity(&self) -> u32 {
        (self.settings.batch_size.saturating_sub(BATCH_HEADER_BYTES) / self.record_bytes()).max(1)
    }

    /// Bytes that records take beside their own, if they begin a new batch of a partition.
    pub fn new_batch_bytes(&self, place: usize) -> u64 {
        u64::from(if self.takes_no_more(place) { BATCH_HEADER_BYTES } else { 0 })
    }

    /// Whether a record more would begin a new batch of a partition.
    pub fn takes_no_more(&self, place: usize) -> bool {
        self.partitions[place].room(self.capacity()).is_none()
    }

    /// Whether no batch of a partition is still to be filled (`RecordAccumulator.allBatchesFull`), as it is known when a
    /// record has been appended. One into which not a record more fits, though not all of `batch.size` is used, is
    /// [known to be full](Producer::takes_no_more) when the next record is offered, and is closed then.
    pub fn all_batches_full(&self, place: usize) -> bool {
        self.partitions[place].all_batches_full(self.settings.batch_size)
    }

    /// What a batch takes of `buffer.memory`.
    fn batch_memory(&self) -> u64 {
        u64::from(self.settings.batch_size.max(BATCH_HEADER_BYTES + self.record_bytes()))
    }

    /// How many records the partition's open batch takes, or a new one if there is none. 0: the buffer is full, and the
    /// application must wait; it [says so](Producer::wait_for_memory).
    pub fn room(&self, place: usize) -> u32 {
        let capacity = self.capacity();
        let fits = || if self.has_memory() { capacity } else { 0 };
        self.partitions[place].room(capacity).unwrap_or_else(fits)
    }

    /// Whether there is memory for a batch.
    pub fn has_memory(&self) -> bool {
        self.memory_free >= self.batch_memory()
    }

    /// The application waits for memory: nothing lingers until some is free.
    pub fn wait_for_memory(&mut self) {
        self.is_starved = true;
    }

    /// Takes records, no more than there is room for.
    pub fn append(&mut self, place: usize, piece: Piece) {
        let (record_bytes, capacity, memory) = (self.record_bytes(), self.capacity(), self.batch_memory());
        let partition = &mut self.partitions[place];
        if partition.room(capacity).is_none() {
            self.memory_free = self.memory_free.checked_sub(memory).expect("there was room");
            self.expiry = self.expiry.min(piece.sent.0.saturating_add(self.settings.delivery_timeout));
        }
        partition.append(piece, record_bytes, capacity, memory);
        self.busy.insert(place);
    }

    /// From now on nothing lingers.
    pub fn flush(&mut self) {
        self.is_flushing = true;
    }

    /// Whether nothing is in the buffer or on its way.
    pub fn is_idle(&self) -> bool {
        self.in_flight.is_empty() && self.busy.is_empty()
    }

    /// Whether a broker could be sent something now: then all that is due should be appended first.
    pub fn is_about_to_send(&self, cx: &Cx<'_>) -> bool {
        let now = cx.monotonic();
        self.busy.iter().map(|place| &self.partitions[place]).any(|partition| {
            partition.ready_at(self.settings.linger, self.at_once()) <= now
                && partition.leader.is_some_and(|node| self.can_send(cx, node))
        })
    }

    /// Takes the first batch of a partition out.
    fn pop(&mut self, place: usize) -> Option<Batch> {
        let partition = &mut self.partitions[place];
        let batch = partition.pop();
        if partition.queue.is_empty() {
            self.busy.remove(place);
        }
        batch
    }

    fn at_once(&self) -> bool {
        self.is_flushing || self.is_starved
    }

    /// Takes an input that is this component's; gives back one that is not. [`run`](Producer::run) must follow.
    pub fn input(&mut self, cx: &mut Cx<'_>, input: Input) -> Option<Input> {
        if self.alarm.rang(&input) {
            return None;
        }
        let other = self.rpc.input(cx, input);
        self.take_replies(cx);
        other
    }

    /// Does what is to be done now, and wakes itself when something is to be done next.
    pub fn run(&mut self, cx: &mut Cx<'_>) {
        self.metadata.poll(cx, &mut self.rpc);
        self.expire(cx);
        self.keep_sequences(cx);
        self.drain(cx);
        self.take_replies(cx);
        let next = self.next_wake(cx);
        self.alarm.set(cx, next);
    }

    fn take_replies(&mut self, cx: &mut Cx<'_>) {
        while let Some((call, reply)) = self.rpc.poll() {
            if self.metadata.owns(call) {
                if self.metadata.answered(cx, reply) {
                    self.learn_leaders();
                }
            } else if self.asked_for_session == Some(call) {
                self.session_answered(cx, reply);
            } else {
                self.produced(cx, call, reply);
            }
        }
    }

    fn learn_leaders(&mut self) {
        for partition in &mut self.partitions {
            partition.leader = self.metadata.leader(partition.tp).map(|(node, _)| node);
        }
    }

    fn next_wake(&self, cx: &Cx<'_>) -> Nanos {
        let mut next = self.metadata.next_wake().min(self.expiry);
        if self.wants_session() {
            next = next.min(self.session_not_before.max(cx.monotonic() + Nanos::millis(1)));
        }
        for partition in self.busy.iter().map(|place| &self.partitions[place]) {
            let Some(node) = partition.leader else { continue };
            let ready = partition.ready_at(self.settings.linger, self.at_once()).max(self.rpc.ready_at(node));
            // What is ready and was not sent waits for an answer, not for time.
            if ready > cx.monotonic() {
                next = next.min(ready);
            }
        }
        next
    }
}
