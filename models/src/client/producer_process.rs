//! One producer node: a load and a producer, as one of OMB's workers has them.
//!
//! The application gives records to the producer when they are due. When the buffer is full it waits, as `send()` does; what
//! becomes due meanwhile is given later, and a record that has waited for `max.block.ms` is lost to the application. After
//! a pause it catches up: open loop. At the load's end it flushes and stays quiet.
//!
//! An order (`Signal::Order`) is a new rate in records a second, from now on, as OMB's driver has its workers adjust theirs.
//! Unlike there, what was due under the old rate stays due. A later life begins with its load's own rate again.

use super::alarm::Alarm;
use super::load::{Curve, LoadSpec, Source, Target};
use super::producer::{Identity, Piece, Producer};
use super::{Directory, ProducerSettings};
use crate::kafka::ids::{TopicId, TopicIdPartition, WriterId};
use crate::kafka::token::TokenSpace;
use crate::probe::Probe;
use crate::world::{Cx, Input, Process, Signal, Wait, Want};
use wavetank_sim::Nanos;

/// What a producer node is.
#[derive(Clone, Debug)]
pub struct ProducerSpec {
    /// Where brokers are.
    pub directory: Directory,
    /// Where records go.
    pub topic: TopicId,
    /// How many partitions it has.
    pub partitions: u32,
    /// What is sent.
    pub load: LoadSpec,
    /// How.
    pub settings: ProducerSettings,
    /// Tells producers apart; below 2^15.
    pub number: u32,
    /// Whether its sends go into the history.
    pub recorded: bool,
}

impl ProducerSpec {
    /// The writer that a life of this producer is: lives below 2^8 each have their own.
    pub fn writer(&self, life: u32) -> WriterId {
        assert!(self.number < 1 << 15 && life < 1 << 8, "a writer has 23 bits");
        WriterId(self.number << 8 | life)
    }
}

/// So many times `batch.size` bytes go to a sticky partition at most.
const STICKY_MAX: u64 = 2;

/// See the [module](self).
pub struct ProducerProcess {
    spec: ProducerSpec,
    producer: Producer,
    alarm: Alarm,
    sources: Vec<Source>,
    /// By place: the partition's next index.
    next_index: Vec<u64>,
    /// Records due by then were given to the producer when they were due.
    attentive_until: Nanos,
    /// Since when the application waits for memory.
    blocked_since: Option<Nanos>,
    /// Before that, and unless something is sent, nothing need be given to the producer.
    wake: Nanos,
}

impl ProducerProcess {
    /// A life of a producer node: `life` is its number.
    pub fn new(spec: ProducerSpec, life: u32) -> ProducerProcess {
        spec.load.validate().expect("a load is checked where it is read");
        let identity =
            Identity { writer: spec.writer(life), message_bytes: spec.load.message_bytes, recorded: spec.recorded };
        let spaces = [TokenSpace(1), TokenSpace(2)];
        ProducerProcess {
            producer: Producer::new(spaces, spec.directory.clone(), spec.settings.clone(), identity),
            alarm: Alarm::new(TokenSpace(3)),
            sources: Vec::new(),
            next_index: vec![0; spec.partitions as usize],
            attentive_until: Nanos::ZERO,
            blocked_since: None,
            wake: Nanos::ZERO,
            spec,
        }
    }

    fn boot(&mut self, cx: &mut Cx<'_>) {
        let (now, spec) = (cx.monotonic(), self.spec.clone());
        for partition in 0..spec.partitions {
            self.producer.partition(cx, TopicIdPartition { topic: spec.topic, partition });
        }
        let mut source = |cx: &mut Cx<'_>, share, target| {
            let phase = cx.random().range(0..1_000_000_000);
            let curve = Curve::new(&spec.load.rate, share, phase, spec.load.start, spec.load.stop);
            // A later life goes on where time is.
            let next = curve.count(now);
            self.sources.push(Source { curve, next, target });
        };
        match spec.load.partitioner.shares(spec.partitions) {
            None => {
                let partition = cx.random().index(spec.partitions as usize);
                source(cx, 1_000_000_000, Target::Sticky { partition, bytes: 0 });
            }
            Some(shares) => {
                for (place, share) in shares.0.into_iter().enumerate().filter(|(_, share)| *share > 0) {
                    source(cx, share, Target::Fixed(place));
                }
            }
        }
        self.attentive_until = now;
    }

    /// From now on so many records are due a second.
    fn adjust_rate(&mut self, cx: &mut Cx<'_>, records_per_sec: u64) {
        let now = cx.monotonic();
        self.sources.iter_mut().for_each(|source| source.curve.change(now, records_per_sec));
        self.wake = now;
    }

    /// When a source's next batch is full or has lingered; what is due by then need not be looked at before.
    fn wake_of(&self, source: usize) -> Nanos {
        let Source { curve, next, .. } = &self.sources[source];
        let lingered = curve.due(*next).saturating_add(self.spec.settings.linger);
        if lingered == Nanos::MAX {
            return Nanos::MAX;
        }
        let room = self.producer.room(self.sources[source].partition());
        curve.due(next + u64::from(room.max(1)) - 1).min(lingered)
    }

    /// Gives the producer what is due.
    fn offer(&mut self, cx: &mut Cx<'_>) {
        let now = cx.monotonic();
        let was_blocked = self.blocked_since.take();
        let mut took = false;
        for source in 0..self.sources.len() {
            while self.offer_one(cx, source, now) {
                took = true;
            }
            if self.blocked_since.is_some() {
                self.producer.wait_for_memory();
                break;
            }
        }
        // The same `send()` still waits.
        if !took && self.blocked_since.is_some() {
            self.blocked_since = was_blocked.or(self.blocked_since);
        }
    }

    /// Gives the producer what fits of a source's records into one batch. Whether there may be more.
    fn offer_one(&mut self, cx: &mut Cx<'_>, source: usize, now: Nanos) -> bool {
        let Source { curve, next, .. } = &self.sources[source];
        let due = curve.count(now).saturating_sub(*next);
        if due == 0 {
            return false;
        }
        self.switch(cx, source, Producer::takes_no_more);
        let place = self.sources[source].partition();
        let Source { curve, next, target } = &mut self.sources[source];
        let room = self.producer.room(place);
        if room == 0 {
            self.blocked_since.get_or_insert(now);
            return false;
        }
        let limit = match target {
            Target::Fixed(_) => u64::from(room),
            Target::Sticky { bytes, .. } => {
                let left = STICKY_MAX * u64::from(self.spec.settings.batch_size) - *bytes;
                let left = left.saturating_sub(self.producer.new_batch_bytes(place));
                u64::from(room).min(left.div_ceil(u64::from(self.producer.record_size())).max(1))
            }
        };
        let count = due.min(limit) as u32;
        let dues = (curve.due(*next), curve.due(*next + u64::from(count) - 1));
        let attentive = self.attentive_until;
        let sent = |due: Nanos| if due <= attentive { due } else { now };
        let first = self.next_index[place];
        let piece = Piece { first, count, due: dues, sent: (sent(dues.0), sent(dues.1)) };
        *next += u64::from(count);
        self.next_index[place] += u64::from(count);
        if let Target::Sticky { bytes, .. } = target {
            *bytes += self.producer.new_batch_bytes(place) + u64::from(count) * u64::from(self.producer.record_size());
        }
        self.producer.append(place, piece);
        self.switch(cx, source, Producer::all_batches_full);
        true
    }

    /// The sticky partition changes when `batch.size` bytes have gone to it and no batch of it is still to be filled, else
    /// a small one would be left behind; when twice as many have, in any case (`BuiltInPartitioner.updatePartitionInfo`).
    /// That is looked at when a record is offered (`RecordAccumulator.partitionChanged`) and when it has been appended.
    fn switch(&mut self, cx: &mut Cx<'_>, source: usize, is_full: fn(&Producer, usize) -> bool) {
        let Target::Sticky { partition, bytes } = &mut self.sources[source].target else { return };
        let batch_size = u64::from(self.spec.settings.batch_size);
        let is_enough = *bytes >= batch_size && is_full(&self.producer, *partition);
        if is_enough || *bytes >= STICKY_MAX * batch_size {
            (*partition, *bytes) = (cx.random().index(self.spec.partitions as usize), 0);
        }
    }

    /// `max.block.ms` is over: the record that `send()` was called with is lost, and the next one waits.
    fn unblock(&mut self, cx: &mut Cx<'_>) {
        let now = cx.monotonic();
        let Some(since) = self.blocked_since else { return };
        if now.saturating_sub(since) < self.spec.settings.max_block {
            return;
        }
        let waiting = self.sources.iter().position(|source| source.curve.count(now) > source.next);
        if let Some(source) = waiting {
            let partition = self.sources[source].partition() as u32;
            self.sources[source].next += 1;
            let tp = TopicIdPartition { topic: self.spec.topic, partition };
            cx.mark("producer: a record waited for memory for max.block.ms");
            cx.probe(Probe::GaveUp { tp, records: 1 });
        }
        self.blocked_since = Some(now);
    }

    fn run(&mut self, cx: &mut Cx<'_>) {
        let now = cx.monotonic();
        if now >= self.spec.load.stop {
            self.producer.flush();
        }
        self.unblock(cx);
        // Whoever sends takes along what is due.
        let must_offer = now >= self.wake || self.blocked_since.is_some() || self.producer.is_about_to_send(cx);
        if must_offer {
            self.offer(cx);
        }
        self.producer.run(cx);
        // What was given up has made room.
        if self.blocked_since.is_some_and(|_| self.producer.has_memory()) {
            self.offer(cx);
            self.producer.run(cx);
        }
        if must_offer {
            self.sleep(now);
        }
        self.alarm.set(cx, self.wake);
    }

    /// When to look again.
    fn sleep(&mut self, now: Nanos) {
        let next = match self.blocked_since {
            Some(since) => {
                // Nothing is given until there is memory; what becomes due meanwhile is late.
                self.attentive_until = self.attentive_until.min(since);
                since.saturating_add(self.spec.settings.max_block)
            }
            None => {
                let sources = self.sources.len();
                let next = (0..sources).map(|source| self.wake_of(source)).min().unwrap_or(Nanos::MAX);
                self.attentive_until = next.max(now);
                next
            }
        };
        let end = if now < self.spec.load.stop { self.spec.load.stop } else { Nanos::MAX };
        self.wake = next.min(end);
    }
}

impl Process for ProducerProcess {
    fn step(&mut self, cx: &mut Cx<'_>, input: Input) {
        match input {
            Input::Boot => self.boot(cx),
            Input::Signal(Signal::Order(records_per_sec)) => self.adjust_rate(cx, records_per_sec),
            input if self.alarm.rang(&input) => {}
            input => drop(self.producer.input(cx, input)),
        }
        self.run(cx);
    }

    fn waits(&self, want: Want) -> Vec<Wait> {
        self.producer.waits(want)
    }
}
