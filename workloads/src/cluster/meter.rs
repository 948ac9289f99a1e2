//! Hears the probes of a run: invariants, the recorder of a measured run, and how recoveries went.

use super::job_meter::{JobMeter, Served};
use super::log_starts::LogStarts;
use super::loss::Loss;
use super::reader_meter::ReaderMeter;
use crate::compare::measurement::{JobRecovery, Recovery};
use crate::compare::{Distribution, Recorder};
use std::sync::{Arc, Mutex};
use wavetank_models::flink::oracle::InputLog;
use wavetank_models::invariants::Invariants;
use wavetank_models::kafka::ids::{BrokerId, ControllerId, LeaderEpoch, TopicId, TopicIdPartition};
use wavetank_models::kafka::partition_map::PartitionMap;
use wavetank_models::kafka::wal::WalMode;
use wavetank_models::probe::{BrokenPromise, FirstTold, Probe, ProbeSink};
use wavetank_sim::{Incarnation, Nanos, SortedMap, SortedSet};

/// A broker that was hit, and how far its recovery is.
#[derive(Debug)]
struct Hit {
    broker: BrokerId,
    recovery: Recovery,
    /// When the last stage that is over was over.
    last: Nanos,
    /// What it led, and nobody leads again yet.
    orphans: SortedSet<TopicIdPartition>,
    /// What it led.
    led: SortedSet<TopicIdPartition>,
}

/// Everything that is known of a run from its probes.
pub(super) struct Meter {
    pub(super) invariants: Invariants,
    first_told: FirstTold,
    pub(super) recorder: Option<Recorder>,
    /// When the measurement begins.
    begin: Nanos,
    /// Partitions of topics before the load's first: they are the platform's own.
    first_topic: u32,
    partitions_per_topic: u32,
    leaders: SortedMap<TopicIdPartition, (BrokerId, LeaderEpoch)>,
    active_controller: Option<ControllerId>,
    /// Brokers that the quorum takes for ready.
    unfenced: SortedSet<BrokerId>,
    hits: Vec<Hit>,
    /// Partitions that were given up in good order, and since when nobody leads them.
    resigned: SortedMap<TopicIdPartition, Nanos>,
    /// By partition: offset after the last that was acknowledged to a producer, and that a consumer was handed.
    acked: PartitionMap<u64>,
    consumed: PartitionMap<u64>,
    /// By partition: batches that were sent and not settled.
    on_wire: PartitionMap<u32>,
    lag: u64,
    pub(super) produced_records: u64,
    pub(super) consumed_records: u64,
    pub(super) gave_up_records: u64,
    /// Acknowledged, and not in the log of whoever leads.
    pub(super) acked_lost: u64,
    /// In the order of the scenario.
    pub(super) jobs: Vec<JobMeter>,
    pub(super) readers: ReaderMeter,
    /// What jobs have to work on; exploring runs alone need it.
    served: Option<Served>,
    /// What retention has deleted; exploring runs alone need it.
    pub(super) log_starts: LogStarts,
    /// What is lost with logs; runs alone need it that lose some.
    pub(super) loss: Option<Loss>,
    /// A measured run has lost durable records with a log: it goes on, and invariants hold no longer.
    pub(super) has_lost: bool,
}

/// A meter that the world and the run's end share.
#[derive(Clone)]
pub(super) struct SharedMeter(pub(super) Arc<Mutex<Meter>>);

impl Meter {
    pub(super) fn new(recorder: Option<Recorder>, begin: Nanos, first_topic: u32, partitions_per_topic: u32) -> Meter {
        Meter {
            invariants: Invariants::all(),
            first_told: FirstTold::default(),
            served: recorder.is_none().then(Served::default),
            recorder,
            begin,
            first_topic,
            partitions_per_topic,
            leaders: SortedMap::new(),
            active_controller: None,
            unfenced: SortedSet::new(),
            hits: Vec::new(),
            resigned: SortedMap::new(),
            acked: PartitionMap::default(),
            consumed: PartitionMap::default(),
            on_wire: PartitionMap::default(),
            lag: 0,
            produced_records: 0,
            consumed_records: 0,
            gave_up_records: 0,
            acked_lost: 0,
            jobs: Vec::new(),
            readers: ReaderMeter::default(),
            log_starts: LogStarts::default(),
            loss: None,
            has_lost: false,
        }
    }

    /// Who leads a partition.
    pub(super) fn leader(&self, tp: TopicIdPartition) -> Option<BrokerId> {
        self.leaders.get(&tp).map(|(broker, _)| *broker)
    }

    /// Partitions that somebody has led, and who did last.
    pub(super) fn led(&self) -> impl Iterator<Item = (TopicIdPartition, BrokerId)> {
        self.leaders.iter().map(|(tp, (broker, _))| (*tp, *broker))
    }

    /// The place of the controller that was elected last.
    pub(super) fn active_controller(&self) -> Option<usize> {
        self.active_controller.map(|id| id.0 as usize)
    }

    /// Whether the quorum takes a broker for ready: it is registered and caught up.
    pub(super) fn is_unfenced(&self, broker: BrokerId) -> bool {
        self.unfenced.contains(&broker)
    }

    /// Who leads most partitions; of several the first.
    pub(super) fn busiest(&self) -> Option<BrokerId> {
        let mut counts: SortedMap<BrokerId, u32> = SortedMap::new();
        for (broker, _) in self.leaders.values() {
            *counts.entry(*broker).or_default() += 1;
        }
        counts.into_iter().max_by_key(|(broker, count)| (*count, std::cmp::Reverse(*broker))).map(|(broker, _)| broker)
    }

    /// A broker was hit: from now on its recovery is watched.
    pub(super) fn hit(&mut self, now: Nanos, broker: BrokerId, what: String) {
        let led: SortedSet<_> =
            self.leaders.iter().filter(|(_, (leader, _))| *leader == broker).map(|(tp, _)| *tp).collect();
        let began = now.saturating_sub(self.begin);
        let recovery = Recovery { what, began, ..Recovery::default() };
        self.hits.push(Hit { broker, recovery, last: now, orphans: led.clone(), led });
    }

    /// How recoveries went.
    pub(super) fn recoveries(&self) -> Vec<Recovery> {
        self.hits.iter().filter(|hit| !hit.led.is_empty()).map(|hit| hit.recovery.clone()).collect()
    }

    /// A job's process was hit.
    pub(super) fn hit_job(&mut self, now: Nanos, job: usize, what: String) {
        let begin = self.begin;
        self.jobs[job].hit(now, begin, what);
    }

    /// How jobs came back.
    pub(super) fn job_recoveries(&self) -> Vec<JobRecovery> {
        self.jobs.iter().flat_map(JobMeter::recoveries).collect()
    }

    /// What jobs must have worked on, as far as it is known.
    pub(super) fn inputs(&self) -> SortedMap<TopicIdPartition, InputLog> {
        self.served.as_ref().map_or_else(SortedMap::new, |served| served.inputs(&self.acked, &self.log_starts))
    }

    /// Whether nothing is on its way, and all that was acknowledged was handed to consumers, or deleted.
    pub(super) fn is_quiet(&self) -> bool {
        let was_read = |(tp, acked): (TopicIdPartition, &u64)| self.consumed.get(tp) >= Some(acked);
        self.produced_records > 0 && self.acked.iter().all(was_read)
    }

    /// Records of these topics that were acknowledged and that no group has been handed.
    pub(super) fn unread(&self, topics: &SortedSet<TopicId>) -> u64 {
        let acked = self.acked.iter().filter(|(tp, _)| topics.contains(&tp.topic));
        acked.map(|(tp, acked)| acked.saturating_sub(self.consumed.get(tp).copied().unwrap_or(0))).sum()
    }

    /// Partitions of which something was acknowledged that no consumer has been handed.
    pub(super) fn behind(&self) -> Vec<TopicIdPartition> {
        let is_behind = |(tp, acked): &(TopicIdPartition, &u64)| self.consumed.get(*tp) < Some(*acked);
        self.acked.iter().filter(is_behind).map(|(tp, _)| tp).collect()
    }

    /// What keeps the cluster from being quiet, in words.
    pub(super) fn what_is_left(&self) -> String {
        let count = |of: &PartitionMap<u64>, tp| of.get(tp).copied().unwrap_or(0);
        let told = |tp| format!("{tp} is read to {} of {}", count(&self.consumed, tp), count(&self.acked, tp));
        let behind: Vec<String> = self.behind().into_iter().map(told).collect();
        format!(
            "{} records were acknowledged, {} given up; {}",
            self.produced_records,
            self.gave_up_records,
            if behind.is_empty() { "all of them were read".into() } else { behind.join(", ") }
        )
    }

    fn place(&self, tp: TopicIdPartition) -> Option<u32> {
        let topic = tp.topic.0.checked_sub(self.first_topic)?;
        Some(topic * self.partitions_per_topic + tp.partition)
    }

    fn count(&mut self, now: Nanos, probe: &Probe) {
        match probe {
            Probe::Sent { tp, .. } => {
                let place = self.place(*tp);
                if let (Some(recorder), Some(place)) = (&mut self.recorder, place) {
                    recorder.sent(now, place);
                    *self.on_wire.entry(*tp) += 1;
                }
            }
            Probe::Produced { span, due, sent, bytes } => {
                let records = span.next - span.base;
                self.produced_records += records;
                let acked = self.acked.entry(span.tp);
                *acked = span.next.max(*acked);
                let place = self.place(span.tp);
                self.lag += records;
                if let (Some(recorder), Some(place)) = (&mut self.recorder, place) {
                    let on_wire = self.on_wire.entry(span.tp);
                    *on_wire = on_wire.saturating_sub(1);
                    recorder.acked(now, place, records, u64::from(*bytes));
                    let (first, last) = (now - due.0.min(now), now - due.1.min(now));
                    recorder.latencies(now, Distribution::Produce, first, last, records);
                    let delay = |due: Nanos, sent: Nanos| sent.saturating_sub(due);
                    let delays = (delay(due.0, sent.0), delay(due.1, sent.1));
                    recorder.latencies(now, Distribution::PublishDelay, delays.0, delays.1, records);
                    recorder.lag(now, self.lag);
                }
            }
            Probe::GaveUp { tp, records } => {
                self.gave_up_records += u64::from(*records);
                let place = self.place(*tp);
                if let (Some(recorder), Some(place)) = (&mut self.recorder, place) {
                    // What was never sent waited too.
                    match self.on_wire.entry(*tp) {
                        0 => recorder.sent(now, place),
                        batches => *batches -= 1,
                    }
                    recorder.failed(now, place, u64::from(*records));
                }
            }
            Probe::Consumed { span, due, bytes, .. } => {
                let consumed = self.consumed.entry(span.tp);
                // What a group reads again, after a rebalance or a crash, is not counted twice.
                let fresh = span.next.saturating_sub((*consumed).max(span.base));
                *consumed = span.next.max(*consumed);
                self.consumed_records += fresh;
                self.lag = self.lag.saturating_sub(fresh);
                if let Some(recorder) = &mut self.recorder {
                    recorder.consumed(now, fresh, u64::from(*bytes));
                    let (first, last) = (now - due.0.min(now), now - due.1.min(now));
                    recorder.latencies(now, Distribution::EndToEnd, first, last, span.next - span.base);
                    recorder.lag(now, self.lag);
                }
            }
            Probe::LogStart { tp, offset, .. } if tp.topic.0 >= self.first_topic => {
                // What is deleted is waited for no more.
                let consumed = self.consumed.entry(*tp);
                self.lag = self.lag.saturating_sub(offset.saturating_sub(*consumed));
                *consumed = (*consumed).max(*offset);
                if self.served.is_some() {
                    self.log_starts.heed(now, *tp, *offset);
                }
            }
            Probe::Served { span, .. } if span.tp.topic.0 >= self.first_topic => {
                if let Some(served) = &mut self.served {
                    served.heed(span);
                }
            }
            Probe::CheckpointCompleted { took, .. } => {
                if let Some(recorder) = &mut self.recorder {
                    recorder.latency(now, Distribution::Checkpoint, *took, 1);
                }
            }
            Probe::Emitted { due, records, .. } => {
                if let Some(recorder) = &mut self.recorder {
                    let (first, last) = (now - due.0.min(now), now - due.1.min(now));
                    recorder.latencies(now, Distribution::Freshness, first, last, *records);
                }
            }
            _ => {}
        }
        self.count_jobs(now, probe);
    }

    /// Only measured runs ask.
    fn watch_readers(&mut self, now: Nanos, by: Incarnation, probe: &Probe) {
        if self.recorder.is_some() {
            self.readers.heed(now, by, probe);
            if let Probe::Consumed { .. } | Probe::Emitted { .. } = probe {
                self.readers.look(now, &self.acked, &self.jobs);
            }
        }
    }

    fn count_jobs(&mut self, now: Nanos, probe: &Probe) {
        let begin = self.begin;
        self.jobs.iter_mut().for_each(|job| job.heed(now, begin, probe));
        if let (Some(recorder), Probe::Produced { .. } | Probe::Emitted { .. }) = (&mut self.recorder, probe) {
            recorder.job_lag(now, self.jobs.iter().map(JobMeter::lag).max().unwrap_or(0));
        }
    }

    fn follow(&mut self, now: Nanos, probe: &Probe) {
        match probe {
            Probe::LeaderReady { tp, broker, epoch, log_start, log_end } => {
                // A log may begin before its last leader said: so far as that was durable.
                if self.served.is_some() && *log_start > 0 && tp.topic.0 >= self.first_topic {
                    self.log_starts.heed(now, *tp, *log_start);
                }
                // One that was deposed before it was ready says so all the same.
                if self.leaders.get(tp).is_none_or(|(_, known)| epoch >= known) {
                    self.leaders.insert(*tp, (*broker, *epoch));
                }
                if let Some(acked) = self.acked.get_mut(*tp) {
                    // What is lost is lost once, and waited for no more.
                    let consumed = self.consumed.entry(*tp);
                    self.acked_lost += acked.saturating_sub(*log_end);
                    self.lag = self.lag.saturating_sub(acked.saturating_sub((*log_end).max(*consumed)));
                    (*acked, *consumed) = ((*acked).min(*log_end), (*consumed).min(*log_end));
                }
                if let (Some(since), Some(recorder)) = (self.resigned.remove(tp), &mut self.recorder) {
                    recorder.latency(now, Distribution::Handover, now - since, 1);
                }
            }
            Probe::LeaderResigned { tp, .. } => drop(self.resigned.entry(*tp).or_insert(now)),
            Probe::BrokerFenced { broker, .. } => drop(self.unfenced.remove(broker)),
            Probe::BrokerUnfenced { broker, .. } => drop(self.unfenced.insert(*broker)),
            Probe::ControllerElected { controller, .. } => self.active_controller = Some(*controller),
            _ => {}
        }
        for hit in &mut self.hits {
            hit.heed(now, probe);
        }
    }
}

impl Hit {
    fn heed(&mut self, now: Nanos, probe: &Probe) {
        let recovery = &mut self.recovery;
        if recovery.first_ack.is_some() {
            return;
        }
        if let Probe::WalAcquired { wal, mode, .. } = probe
            && *wal == self.broker
            && recovery.fencing.is_none()
        {
            recovery.by_itself = *mode == WalMode::Own;
        }
        let stage = match probe {
            Probe::BrokerFenced { broker, .. } if *broker == self.broker => &mut recovery.detection,
            Probe::WalAcquired { wal, .. } if *wal == self.broker => &mut recovery.fencing,
            Probe::FailoverDone { broker, .. } if *broker == self.broker => &mut recovery.wal_recovery,
            Probe::WalReset { wal, .. } if *wal == self.broker && recovery.by_itself => &mut recovery.wal_recovery,
            Probe::LeaderReady { tp, .. } => {
                if !self.orphans.remove(tp) {
                    return;
                }
                &mut recovery.open
            }
            Probe::Produced { span, .. } if self.led.contains(&span.tp) && !self.orphans.contains(&span.tp) => {
                &mut recovery.first_ack
            }
            _ => return,
        };
        if stage.is_none() {
            *stage = Some(now - self.last);
            self.last = now;
        }
    }
}

impl ProbeSink for SharedMeter {
    fn probe(&mut self, now: Nanos, by: Incarnation, probe: &Probe) -> Result<(), BrokenPromise> {
        let mut meter = self.0.lock().expect("nobody panics with it");
        if !meter.first_told.is_news(by, probe) {
            return Ok(());
        }
        meter.count(now, probe);
        meter.watch_readers(now, by, probe);
        meter.follow(now, probe);
        if let Some(Err(broken)) = meter.loss.as_mut().map(|loss| loss.heed(probe)) {
            if meter.recorder.is_none() {
                return Err(broken);
            }
            meter.has_lost = true;
        }
        if meter.has_lost { Ok(()) } else { meter.invariants.heed(probe) }
    }
}
