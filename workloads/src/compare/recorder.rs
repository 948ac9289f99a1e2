//! The recorder: what a run tells while it goes.
//!
//! Each call is a few additions, and one count in a histogram that has its full size from the start: nothing is
//! allocated for a record. When a second ends, its histograms are added to their ten-second interval and cleared; when an
//! interval ends, it is packed and added to the whole.
//!
//! Calls come in the order of virtual time. What comes before the warm-up's end is not counted, except that a record on
//! its way then still waits.
//!
//! **When a partition is available.** A partition is down in a second in which it acknowledged nothing, though something
//! failed in it or something waited in it from the second's start to its end. So an idle partition is available, and a
//! write that crosses a second's border takes nothing away.
//!
//! ```
//! use wavetank_sim::{Digest, Nanos};
//! use wavetank_workloads::compare::recorder::Shape;
//! use wavetank_workloads::compare::{Distribution, Platform, Recorder, Subject, Summary};
//!
//! let platform = Platform { name: "kafka-rf3".into(), about: "three replicas".into() };
//! let (begin, expected) = (Nanos::secs(5), Nanos::secs(60));
//! let shape = Shape {
//!     partitions: 1, record_bytes: 1_024, topics: 1, producers_per_topic: 1, consumers_per_topic: 1, begin, expected,
//! };
//! let mut recorder = Recorder::new(platform, 42, shape);
//! for second in 5..65 {
//!     let (sent, acked) = (Nanos::secs(second), Nanos::secs(second) + Nanos::millis(2));
//!     recorder.sent(sent, 0);
//!     recorder.acked(acked, 0, 100, 102_400);
//!     recorder.latency(acked, Distribution::Produce, acked - sent, 100);
//! }
//! let mut run = recorder.finish(Nanos::secs(65), Digest::default(), 12_345);
//! run.acked_lost = 0; // What is known at the end only is set at the end.
//!
//! let subject = Subject {
//!     scenario: "calm".into(), about: String::new(), workload: "one".into(), command: "wavetank compare calm".into(),
//! };
//! let summary = Summary::of(subject, &[run], vec![]).unwrap();
//! assert_eq!(summary.platforms[0].curve(Distribution::Produce).unwrap().count, 6_000);
//! ```

use super::measurement::{Distribution, INTERVAL, Interval, LONGEST, Measurement, PackedHistogram, Platform, Second};
use super::measurement::{UsageReport, histogram};
use hdrhistogram::Histogram;
use wavetank_sim::{Digest, Nanos, SortedMap};

const SECOND: Nanos = Nanos::secs(1);

/// The shape of the load: what results name, and what the recorder sizes itself by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Partitions, over all topics.
    pub partitions: u32,
    /// Bytes of a record.
    pub record_bytes: u64,
    /// Topics.
    pub topics: u32,
    /// Producers of a topic.
    pub producers_per_topic: u32,
    /// Consumers of a topic.
    pub consumers_per_topic: u32,
    /// When the warm-up ends.
    pub begin: Nanos,
    /// How long the measurement is expected to last: only to reserve room.
    pub expected: Nanos,
}

#[derive(Clone, Copy, Debug, Default)]
struct PartitionState {
    /// Batches that are on their way.
    waiting: u32,
    /// Some were already when the second began.
    waited_at_start: bool,
    acked: bool,
    failed: bool,
}

/// Records one run of one platform.
#[derive(Debug)]
pub struct Recorder {
    platform: Platform,
    seed: u64,
    shape: Shape,
    partitions: Vec<PartitionState>,
    /// Start of the open second, since the end of the warm-up.
    second_start: Nanos,
    second: Second,
    in_second: [Histogram<u64>; 6],
    interval_start: Nanos,
    in_interval: [Histogram<u64>; 6],
    whole: [Histogram<u64>; 6],
    seconds: Vec<Second>,
    intervals: Vec<Interval>,
}

impl Recorder {
    /// An empty one.
    pub fn new(platform: Platform, seed: u64, shape: Shape) -> Recorder {
        let histograms = || std::array::from_fn(|_| histogram());
        let seconds = shape.expected.0.div_ceil(SECOND.0) as usize + 1;
        Recorder {
            platform,
            seed,
            shape,
            partitions: vec![PartitionState::default(); shape.partitions as usize],
            second_start: Nanos::ZERO,
            second: Second::default(),
            in_second: histograms(),
            interval_start: Nanos::ZERO,
            in_interval: histograms(),
            whole: histograms(),
            seconds: Vec::with_capacity(seconds),
            intervals: Vec::with_capacity(seconds / 10 + 1),
        }
    }

    /// A producer's client has sent a batch to a partition. Each is followed by one [`acked`](Recorder::acked) or
    /// [`failed`](Recorder::failed), however often it is sent again in between.
    ///
    /// # Panics
    /// When there is no such partition.
    pub fn sent(&mut self, at: Nanos, partition: u32) {
        self.advance(at);
        self.partitions[partition as usize].waiting += 1;
    }

    /// A batch was acknowledged. Its records' latencies are told by [`latency`](Recorder::latency).
    ///
    /// # Panics
    /// When nothing was sent to that partition.
    pub fn acked(&mut self, at: Nanos, partition: u32, records: u64, bytes: u64) {
        let measuring = self.advance(at);
        let state = &mut self.partitions[partition as usize];
        state.waiting = state.waiting.checked_sub(1).expect("an acknowledgement of nothing");
        state.acked = true;
        if measuring {
            self.second.published += records;
            self.second.published_bytes += bytes;
        }
    }

    /// A batch was given up on.
    ///
    /// # Panics
    /// When nothing was sent to that partition.
    pub fn failed(&mut self, at: Nanos, partition: u32, records: u64) {
        let measuring = self.advance(at);
        let state = &mut self.partitions[partition as usize];
        state.waiting = state.waiting.checked_sub(1).expect("a failure of nothing");
        state.failed = true;
        if measuring {
            self.second.errors += records;
        }
    }

    /// Consumers got records.
    pub fn consumed(&mut self, at: Nanos, records: u64, bytes: u64) {
        if self.advance(at) {
            self.second.consumed += records;
            self.second.consumed_bytes += bytes;
        }
    }

    /// So many records had this latency.
    pub fn latency(&mut self, at: Nanos, of: Distribution, latency: Nanos, records: u64) {
        if self.advance(at) {
            self.in_second[of.index()].saturating_record_n(latency.0.min(LONGEST.0), records);
        }
    }

    /// A batch of records that came in evenly, so that their latencies lie evenly between the first's and the last's.
    /// Counted at 16 points at most.
    pub fn latencies(&mut self, at: Nanos, of: Distribution, first: Nanos, last: Nanos, records: u64) {
        const POINTS: u64 = 16;
        if first == last {
            return self.latency(at, of, first, records);
        }
        if !self.advance(at) || records == 0 {
            return;
        }
        let histogram = &mut self.in_second[of.index()];
        let points = records.min(POINTS);
        // One point lies in the middle; several lie from the first's latency to the last's.
        let (parts, from) = if points == 1 { (2, 1) } else { (points - 1, 0) };
        let between = multiples(first.0.abs_diff(last.0), parts).skip(from);
        // Record numbers from one multiple to the next go to one point.
        let counts = multiples(records, points).zip(multiples(records, points).skip(1)).map(|(from, to)| to - from);
        for (between, count) in between.zip(counts).take(points as usize) {
            let latency = if first >= last { first.0 - between } else { first.0 + between };
            histogram.saturating_record_n(latency.min(LONGEST.0), count);
        }
    }

    /// How many records are written but not yet consumed. It stays so until told otherwise.
    pub fn lag(&mut self, at: Nanos, records: u64) {
        self.advance(at);
        self.second.lag = records;
    }

    /// How many records are written whose output a pipeline has not shown yet: of the pipeline that is furthest behind. It
    /// stays so until told otherwise.
    pub fn job_lag(&mut self, at: Nanos, records: u64) {
        self.advance(at);
        self.second.job_lag = records;
    }

    /// Ends the recording at that moment; what happened at the very moment is after it. What is not recorded here (faults, recoveries, losses, usage, invariants,
    /// profiles) is empty, for the caller to set.
    pub fn finish(mut self, at: Nanos, digest: Digest, events: u64) -> Measurement {
        let duration = if self.advance(at) { at - self.shape.begin } else { Nanos::ZERO };
        if duration > self.second_start {
            self.end_second(duration);
        }
        if duration > self.interval_start {
            self.end_interval(duration);
        }
        Measurement {
            platform: self.platform,
            seed: self.seed,
            duration,
            digest,
            events,
            partitions: self.shape.partitions,
            record_bytes: self.shape.record_bytes,
            topics: self.shape.topics,
            producers_per_topic: self.shape.producers_per_topic,
            consumers_per_topic: self.shape.consumers_per_topic,
            latencies: self.whole.each_ref().map(PackedHistogram::pack),
            seconds: self.seconds,
            intervals: self.intervals,
            faults: Vec::new(),
            recoveries: Vec::new(),
            job_recoveries: Vec::new(),
            checkpoints_failed: None,
            rebalance_pause: None,
            catch_ups: Vec::new(),
            sink_duplicates: None,
            sustainable_rate: None,
            acked_lost: 0,
            ended_promises: Vec::new(),
            usage: UsageReport::default(),
            invariants: SortedMap::new(),
            situations: SortedMap::new(),
            profiles: Vec::new(),
            expectations: Vec::new(),
        }
    }

    /// Closes what ended before that moment. Whether the moment is measured.
    #[inline]
    fn advance(&mut self, at: Nanos) -> bool {
        if at < self.shape.begin {
            return false;
        }
        let now = at - self.shape.begin;
        debug_assert!(now >= self.second_start, "records come in the order of time");
        while now >= self.second_start + SECOND {
            self.end_second(self.second_start + SECOND);
        }
        true
    }

    fn end_second(&mut self, end: Nanos) {
        self.second.available = self.available();
        self.second.produce_p99 = p99(&self.in_second[Distribution::Produce.index()]);
        self.second.end_to_end_p99 = p99(&self.in_second[Distribution::EndToEnd.index()]);
        for (second, interval) in self.in_second.iter_mut().zip(&mut self.in_interval) {
            drain(second, interval);
        }
        self.seconds.push(self.second);
        // A lag is a level, not a count: it stays.
        self.second = Second { lag: self.second.lag, job_lag: self.second.job_lag, ..Second::default() };
        self.second_start = end;
        if end - self.interval_start == INTERVAL {
            self.end_interval(end);
        }
    }

    fn end_interval(&mut self, end: Nanos) {
        let from = (self.interval_start.0 / SECOND.0) as usize;
        let seconds = &self.seconds[from..];
        self.intervals.push(Interval {
            start: self.interval_start,
            width: end - self.interval_start,
            published: seconds.iter().map(|second| second.published).sum(),
            consumed: seconds.iter().map(|second| second.consumed).sum(),
            errors: seconds.iter().map(|second| second.errors).sum(),
            lag: seconds.last().map_or(0, |second| second.lag),
            latencies: self.in_interval.each_ref().map(PackedHistogram::pack),
        });
        for (interval, whole) in self.in_interval.iter_mut().zip(&mut self.whole) {
            drain(interval, whole);
        }
        self.interval_start = end;
    }

    /// Partitions that were available in the second that ends now; their state is made ready for the next.
    fn available(&mut self) -> u32 {
        let mut available = 0;
        for state in &mut self.partitions {
            let waited_through = state.waited_at_start && state.waiting > 0;
            let down = !state.acked && (state.failed || waited_through);
            available += u32::from(!down);
            *state =
                PartitionState { waiting: state.waiting, waited_at_start: state.waiting > 0, ..Default::default() };
        }
        available
    }
}

/// `total * k / parts`, rounded down, for every `k` from 0, with one division for all of them.
fn multiples(total: u64, parts: u64) -> impl Iterator<Item = u64> {
    let (whole, rest) = (total / parts, total % parts);
    let next = move |(multiple, over): &(u64, u64)| {
        let over = over + rest;
        let carry = u64::from(over >= parts);
        Some((multiple + whole + carry, over - carry * parts))
    };
    std::iter::successors(Some((0, 0)), next).map(|(multiple, _)| multiple)
}

/// Adds one histogram to another and clears it.
fn drain(from: &mut Histogram<u64>, to: &mut Histogram<u64>) {
    if !from.is_empty() {
        to.add(&*from).expect("of one size");
        from.reset();
    }
}

fn p99(of: &Histogram<u64>) -> Option<Nanos> {
    (!of.is_empty()).then(|| Nanos(of.value_at_quantile(0.99)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recorder(partitions: u32) -> Recorder {
        let platform = Platform { name: "p".into(), about: "a platform".into() };
        let (begin, expected) = (Nanos::secs(5), Nanos::secs(30));
        let shape = Shape {
            partitions,
            record_bytes: 1_024,
            topics: 1,
            producers_per_topic: 1,
            consumers_per_topic: 1,
            begin,
            expected,
        };
        Recorder::new(platform, 7, shape)
    }

    fn at(ms: u64) -> Nanos {
        Nanos::secs(5) + Nanos::millis(ms)
    }

    fn available(measurement: &Measurement) -> Vec<u32> {
        measurement.seconds.iter().map(|second| second.available).collect()
    }

    #[test]
    fn the_warm_up_is_not_counted() {
        let mut recorder = recorder(1);
        recorder.sent(Nanos::secs(1), 0);
        recorder.acked(Nanos::secs(2), 0, 10, 100);
        recorder.latency(Nanos::secs(2), Distribution::Produce, Nanos::millis(3), 10);
        recorder.sent(Nanos::secs(4), 0);
        recorder.acked(at(1), 0, 5, 50);
        let measurement = recorder.finish(at(2_500), Digest::default(), 1);
        assert_eq!(measurement.duration, Nanos::millis(2_500));
        let published: Vec<u64> = measurement.seconds.iter().map(|second| second.published).collect();
        assert_eq!(published, [5, 0, 0]);
        assert_eq!(measurement.latencies(Distribution::Produce).len(), 0);
        assert_eq!(measurement.second_width(2), Nanos::millis(500));
    }

    #[test]
    fn a_partition_is_down_when_it_failed_or_waited_through() {
        let mut recorder = recorder(3);
        // Partition 0 waits from 0.5 s to 3.2 s: down in seconds 1 and 2, not in 0 (sent in it) nor in 3 (acked in it).
        recorder.sent(at(500), 0);
        // Partition 1 fails in second 1. Partition 2 is idle.
        recorder.sent(at(900), 1);
        recorder.failed(at(1_500), 1, 10);
        recorder.acked(at(3_200), 0, 1, 1);
        let measurement = recorder.finish(at(4_000), Digest::default(), 1);
        assert_eq!(available(&measurement), [3, 1, 2, 3]);
        assert_eq!(measurement.seconds[1].errors, 10);
    }

    #[test]
    fn intervals_add_up_to_the_whole_and_to_the_seconds() {
        let mut recorder = recorder(1);
        for ms in (0..25_300).step_by(7) {
            recorder.sent(at(ms), 0);
            recorder.acked(at(ms), 0, 3, 30);
            recorder.latency(at(ms), Distribution::Produce, Nanos::micros(100 + ms), 3);
            recorder.lag(at(ms), ms);
        }
        let measurement = recorder.finish(at(25_300), Digest::default(), 1);
        assert_eq!((measurement.seconds.len(), measurement.intervals.len()), (26, 3));
        let mut sum = histogram();
        for interval in &measurement.intervals {
            sum.add(interval.latencies(Distribution::Produce)).unwrap();
        }
        assert_eq!(sum, measurement.latencies(Distribution::Produce));
        assert_eq!(sum.len(), measurement.seconds.iter().map(|second| second.published).sum::<u64>());
        assert_eq!(sum.len(), measurement.intervals.iter().map(|interval| interval.published).sum::<u64>());
        assert_eq!(measurement.intervals[2].width, Nanos::millis(5_300));
        assert_eq!(measurement.seconds[25].lag, 25_298);
    }

    #[test]
    fn a_batch_is_spread_over_its_latencies() {
        for (first, last) in [(50, 10), (10, 50)] {
            let mut recorder = recorder(1);
            recorder.latencies(at(0), Distribution::EndToEnd, Nanos::millis(first), Nanos::millis(last), 1_000);
            let all = recorder.finish(at(1_000), Digest::default(), 1).latencies(Distribution::EndToEnd);
            assert_eq!(all.len(), 1_000);
            assert!((all.mean() / 1e6 - 30.0).abs() < 0.1, "{}", all.mean());
            assert!(all.min() / 1_000_000 == 9 || all.min() / 1_000_000 == 10, "{}", all.min());
            assert!(all.max() >= 50_000_000);
        }
    }

    #[test]
    fn a_batch_of_nothing_has_no_latency() {
        let mut recorder = recorder(1);
        recorder.latencies(at(0), Distribution::Freshness, Nanos::millis(1), Nanos::millis(2), 0);
        assert_eq!(recorder.finish(at(1), Digest::default(), 1).latencies(Distribution::Freshness).len(), 0);
    }

    #[test]
    fn multiples_are_rounded_down_one_by_one() {
        for (total, parts) in [(0, 1), (7, 1), (7, 15), (1_000, 15), (15, 15), (u64::from(u32::MAX), 16)] {
            let expected: Vec<u64> = (0..=parts).map(|k| total * k / parts).collect();
            assert_eq!(
                multiples(total, parts).take(parts as usize + 1).collect::<Vec<_>>(),
                expected,
                "{total} / {parts}"
            );
        }
    }

    #[test]
    fn a_latency_beyond_an_hour_counts_as_an_hour() {
        let mut recorder = recorder(1);
        recorder.latency(at(0), Distribution::Produce, Nanos::MAX, 2);
        let all = recorder.finish(at(1), Digest::default(), 1).latencies(Distribution::Produce);
        assert_eq!(all.len(), 2);
        assert!(all.equivalent(all.max(), LONGEST.0));
    }
}
