//! What is heard of Flink-style jobs: their recoveries, their checkpoints, how far their output is behind.

use super::log_starts::LogStarts;
use crate::compare::measurement::JobRecovery;
use wavetank_models::flink::oracle::{InputLog, InputRun};
use wavetank_models::kafka::ids::{TopicIdPartition, WriterId};
use wavetank_models::kafka::partition_map::PartitionMap;
use wavetank_models::probe::{LogSpan, Probe};
use wavetank_sim::{Nanos, SortedMap, SortedSet};

/// A restart, and how far it is.
#[derive(Debug)]
struct Restart {
    recovery: JobRecovery,
    /// When it was hit.
    at: Nanos,
    /// When the last stage that is over was over.
    last: Nanos,
}

/// One job, by its probes.
#[derive(Debug)]
pub(super) struct JobMeter {
    job: u32,
    topics: SortedSet<TopicIdPartition>,
    /// What was written before then is not for it.
    reads_from: Nanos,
    restarts: Vec<Restart>,
    /// Checkpoints that were given up since the measurement began.
    pub(super) failed: u64,
    acked: u64,
    emitted: u64,
}

impl JobMeter {
    pub(super) fn new(job: u32, sources: &[TopicIdPartition], reads_from: Nanos) -> JobMeter {
        let topics = sources.iter().copied().collect();
        JobMeter { job, topics, reads_from, restarts: Vec::new(), failed: 0, acked: 0, emitted: 0 }
    }

    /// Records of its topics that were acknowledged and whose output is not visible yet.
    pub(super) fn lag(&self) -> u64 {
        self.acked.saturating_sub(self.emitted)
    }

    /// One of its processes was hit: from now on its recovery is watched.
    pub(super) fn hit(&mut self, now: Nanos, begin: Nanos, what: String) {
        let recovery = JobRecovery { what, began: now.saturating_sub(begin), ..JobRecovery::default() };
        self.restarts.push(Restart { recovery, at: now, last: now });
    }

    /// How its recoveries went. Whoever was hit and had nothing to do has none.
    pub(super) fn recoveries(&self) -> impl Iterator<Item = JobRecovery> + '_ {
        self.restarts.iter().map(|restart| restart.recovery.clone())
    }

    pub(super) fn heed(&mut self, now: Nanos, begin: Nanos, probe: &Probe) {
        match probe {
            Probe::Produced { span, .. } if now >= self.reads_from && self.topics.contains(&span.tp) => {
                self.acked += span.next - span.base
            }
            Probe::Emitted { job, records, .. } if *job == self.job => self.emitted += records,
            Probe::CheckpointFailed { job, .. } if *job == self.job => self.failed += u64::from(now >= begin),
            Probe::CheckpointCompleted { job, took, .. } if *job == self.job => {
                // A checkpoint that began after a hit and needed no restart: the job did not need whoever was hit.
                let began = now.saturating_sub(*took);
                self.restarts.retain(|restart| restart.recovery.detection.is_some() || restart.at >= began);
            }
            Probe::JobFailed { job } if *job == self.job => self.failed_now(now, begin),
            Probe::JobRestarted { job } if *job == self.job => {
                self.stage(now, |recovery| (recovery.detection.is_some(), &mut recovery.restart));
            }
            Probe::JobRestored { job } if *job == self.job => {
                self.stage(now, |recovery| (recovery.restart.is_some(), &mut recovery.restore));
            }
            Probe::JobCaughtUp { job } if *job == self.job => {
                self.stage(now, |recovery| (recovery.restore.is_some(), &mut recovery.catch_up));
            }
            _ => {}
        }
    }

    /// The job manager has noticed; without a hit that it would be the answer to, the job failed by itself.
    fn failed_now(&mut self, now: Nanos, begin: Nanos) {
        let is_open = |restart: &Restart| restart.recovery.catch_up.is_none();
        if now >= begin && !self.restarts.iter().any(is_open) {
            self.hit(now, begin, "a job failed by itself".into());
        }
        self.stage(now, |recovery| (true, &mut recovery.detection));
    }

    /// A stage is over in all recoveries that have come so far. One that fails again on its way is in the stage that it was.
    fn stage(&mut self, now: Nanos, of: impl Fn(&mut JobRecovery) -> (bool, &mut Option<Nanos>)) {
        for restart in &mut self.restarts {
            let (has_come, stage) = of(&mut restart.recovery);
            if has_come && stage.is_none() {
                *stage = Some(now - restart.last);
                restart.last = now;
            }
        }
    }
}

/// By first offset: the offset after the last, and the identity of the first.
type Runs = SortedMap<u64, (u64, (WriterId, u64))>;

/// What brokers have served, by partition: the input of jobs, for the oracle.
#[derive(Debug, Default)]
pub(super) struct Served {
    logs: SortedMap<TopicIdPartition, Runs>,
}

impl Served {
    pub(super) fn heed(&mut self, span: &LogSpan) {
        let Some((writer, index)) = span.first else { return };
        let log = self.logs.entry(span.tp).or_default();
        let mut at = span.base;
        while at < span.next {
            let before = log.range(..=at).next_back().map(|(base, (next, first))| (*base, *next, *first));
            let (base, next, first) = match before {
                Some((_, next, _)) if next > at => {
                    at = next;
                    continue;
                }
                Some(before) => before,
                None => (at, at, (writer, 0)),
            };
            let to = log.range(at..).next().map_or(span.next, |(base, _)| span.next.min(*base));
            let here = (writer, index + (at - span.base));
            // What follows on what is known makes it longer.
            let goes_on = base < next && next == at && (first.0, first.1 + (next - base)) == here;
            match goes_on {
                true => log.insert(base, (to, first)),
                false => log.insert(at, (to, here)),
            };
            at = to;
        }
    }

    /// What is known of it, and what must come out: all that was acknowledged.
    pub(super) fn inputs(
        &self,
        acked: &PartitionMap<u64>,
        starts: &LogStarts,
    ) -> SortedMap<TopicIdPartition, InputLog> {
        let run = |(base, (next, (writer, first))): (&u64, &(u64, (WriterId, u64)))| InputRun {
            base: *base,
            writer: *writer,
            first: *first,
            count: next - base,
        };
        let input = |(tp, end): (TopicIdPartition, &u64)| {
            let records = self.logs.get(&tp).into_iter().flatten().map(run).collect();
            (tp, InputLog { starts: starts.of(tp), records, end: *end })
        };
        acked.iter().map(input).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TP: TopicIdPartition = TopicIdPartition { topic: wavetank_models::kafka::ids::TopicId(1), partition: 0 };

    fn span(base: u64, next: u64, first: u64) -> LogSpan {
        LogSpan { tp: TP, base, next, first: Some((WriterId(3), first)) }
    }

    #[test]
    fn what_is_served_in_any_order_and_twice_is_one_log() {
        let mut served = Served::default();
        for part in [span(4, 8, 104), span(0, 4, 100), span(2, 6, 102), span(8, 9, 500), span(0, 4, 100)] {
            served.heed(&part);
        }
        let mut acked = PartitionMap::default();
        *acked.entry(TP) = 9;
        let inputs = |served: &Served| served.inputs(&acked, &LogStarts::default()).remove(&TP).unwrap();
        let records = inputs(&served).records;
        assert_eq!(records.iter().map(|run| run.count).sum::<u64>(), 9);
        assert_eq!(records.last(), Some(&InputRun { base: 8, writer: WriterId(3), first: 500, count: 1 }));
        assert_eq!(records[0].first, 100);
        // What lies between is not known.
        served.heed(&span(20, 30, 0));
        let after = InputRun { base: 20, writer: WriterId(3), first: 0, count: 10 };
        assert_eq!(inputs(&served).records.last(), Some(&after));
        assert_eq!(inputs(&served).starts, [0].into());
    }

    #[test]
    fn a_recovery_has_its_stages_in_order_and_who_was_not_needed_has_none() {
        let at = Nanos::secs;
        let begin = at(10);
        let mut meter = JobMeter::new(0, &[TP], Nanos::ZERO);
        let heed = |meter: &mut JobMeter, now, probe: &Probe| meter.heed(now, begin, probe);
        meter.hit(at(20), begin, "task manager 1 killed".into());
        heed(&mut meter, at(22), &Probe::JobFailed { job: 0 });
        heed(&mut meter, at(22), &Probe::JobFailed { job: 1 });
        heed(&mut meter, at(25), &Probe::JobRestarted { job: 0 });
        heed(&mut meter, at(26), &Probe::JobRestored { job: 0 });
        heed(&mut meter, at(30), &Probe::JobCaughtUp { job: 0 });
        meter.hit(at(40), begin, "task manager 3 killed".into());
        heed(&mut meter, at(50), &Probe::CheckpointCompleted { job: 0, checkpoint: 3, took: at(1) });
        heed(&mut meter, at(60), &Probe::JobFailed { job: 0 });
        let stages: Vec<_> = meter.recoveries().map(|r| (r.what.clone(), r.stages(), r.began)).collect();
        let (two, three, one, four) = (Some(at(2)), Some(at(3)), Some(at(1)), Some(at(4)));
        assert_eq!(
            stages,
            [
                ("task manager 1 killed".into(), [two, three, one, four], at(10)),
                ("a job failed by itself".into(), [Some(Nanos::ZERO), None, None, None], at(50)),
            ]
        );
    }
}
