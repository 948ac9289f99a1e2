//! What is measured of one platform in one run.
//!
//! Everything is virtual: times count from the end of the warm-up, durations are the model's. A
//! [`Recorder`](super::Recorder) fills the histograms and the series while the run goes; the rest is set once, at its end.
//!
//! **Simpler than reality:** latencies have three significant digits and end at one hour; what is longer counts as one
//! hour. Bytes are payload.

use super::expected::Expected;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Deserializer, Serializer, V2Serializer};
use serde::{Deserialize, Serialize};
use wavetank_models::cloud::price::{Bill, Meter, PicoUsd, PriceBook, PriceSource};
use wavetank_models::cloud::profile::Grade;
use wavetank_sim::{Digest, Nanos, SortedMap};

/// The longest latency that a histogram tells from others.
pub const LONGEST: Nanos = Nanos::secs(3_600);

/// Width of the intervals of OpenMessaging results and interval logs.
pub const INTERVAL: Nanos = Nanos::secs(10);

/// A histogram of nanoseconds: three significant digits, up to [`LONGEST`], never resized.
pub fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, LONGEST.0, 3).expect("the bounds are fixed and right")
}

/// What a latency is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Distribution {
    /// From the moment the producer's client has the record to its acknowledgement (OpenMessaging's publish latency).
    Produce,
    /// From the moment a record was due by the load's schedule to the moment the client could take it (OpenMessaging's
    /// publish delay): what a load generator that waits would leave out.
    PublishDelay,
    /// From the moment a record was due to the moment a consumer has it.
    EndToEnd,
    /// A pipeline's checkpoint, from trigger to completion.
    Checkpoint,
    /// From a record's event time to the moment the pipeline's output can be read.
    Freshness,
    /// From the moment a leader gives a partition up in good order to the moment the next one takes requests.
    Handover,
}

impl Distribution {
    /// All of them, in the order of reports.
    pub const ALL: [Distribution; 6] = [
        Distribution::Produce,
        Distribution::PublishDelay,
        Distribution::EndToEnd,
        Distribution::Checkpoint,
        Distribution::Freshness,
        Distribution::Handover,
    ];

    /// Its name in files: the tag of its intervals in a log.
    pub fn name(self) -> &'static str {
        match self {
            Distribution::Produce => "produce",
            Distribution::PublishDelay => "publish-delay",
            Distribution::EndToEnd => "end-to-end",
            Distribution::Checkpoint => "checkpoint",
            Distribution::Freshness => "freshness",
            Distribution::Handover => "handover",
        }
    }

    /// Its place in arrays.
    pub(super) fn index(self) -> usize {
        match self {
            Distribution::Produce => 0,
            Distribution::PublishDelay => 1,
            Distribution::EndToEnd => 2,
            Distribution::Checkpoint => 3,
            Distribution::Freshness => 4,
            Distribution::Handover => 5,
        }
    }
}

/// What is compared: a name for columns and file names, and a line about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Platform {
    /// As given on the command line.
    pub name: String,
    /// What it is: architecture, write-ahead log, settings that matter.
    pub about: String,
}

/// A histogram at rest: HdrHistogram's V2 encoding, in which empty stretches cost a byte or two.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackedHistogram(Vec<u8>);

impl PackedHistogram {
    /// Packs one.
    pub fn pack(histogram: &Histogram<u64>) -> PackedHistogram {
        let mut bytes = Vec::new();
        V2Serializer::new().serialize(histogram, &mut bytes).expect("a histogram in memory has an encoding");
        // Thousands of them are kept in a long run.
        bytes.shrink_to_fit();
        PackedHistogram(bytes)
    }

    /// The histogram again, with the same counts.
    pub fn unpack(&self) -> Histogram<u64> {
        Deserializer::new().deserialize(&mut self.0.as_slice()).expect("packed by us")
    }
}

/// One second of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Second {
    /// Records acknowledged.
    pub published: u64,
    /// Their bytes.
    pub published_bytes: u64,
    /// Records that consumers got.
    pub consumed: u64,
    /// Their bytes.
    pub consumed_bytes: u64,
    /// Records given up on: the producer was told that they failed.
    pub errors: u64,
    /// Records written but not yet consumed, at its end.
    pub lag: u64,
    /// Records written whose output a pipeline has not shown yet, at its end.
    pub job_lag: u64,
    /// Partitions that could be written in it; see [`Recorder`](super::Recorder).
    pub available: u32,
    /// 99th percentile of what was acknowledged in it, if anything was.
    pub produce_p99: Option<Nanos>,
    /// The same of what consumers got.
    pub end_to_end_p99: Option<Nanos>,
}

/// Ten seconds of a run ([`INTERVAL`]; the last may be shorter): what OpenMessaging results and interval logs have.
#[derive(Clone, Debug, PartialEq)]
pub struct Interval {
    /// Since the end of the warm-up.
    pub start: Nanos,
    /// How long it is.
    pub width: Nanos,
    /// Records acknowledged.
    pub published: u64,
    /// Records consumed.
    pub consumed: u64,
    /// Records given up on.
    pub errors: u64,
    /// Records written but not yet consumed, at its end.
    pub lag: u64,
    /// In the order of [`Distribution::ALL`].
    pub(super) latencies: [PackedHistogram; 6],
}

impl Interval {
    /// One of its histograms.
    pub fn latencies(&self, of: Distribution) -> Histogram<u64> {
        self.latencies[of.index()].unpack()
    }
}

/// Something that was broken for a while.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaultMark {
    /// For people: "AZ b dark".
    pub label: String,
    /// Since the end of the warm-up.
    pub start: Nanoseconds,
    /// The same moment as the start for what has no length (a kill).
    pub end: Nanoseconds,
}

/// [`Nanos`] in files: a whole number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Nanoseconds(pub u64);

impl From<Nanos> for Nanoseconds {
    fn from(time: Nanos) -> Nanoseconds {
        Nanoseconds(time.0)
    }
}

impl From<Nanoseconds> for Nanos {
    fn from(time: Nanoseconds) -> Nanos {
        Nanos(time.0)
    }
}

/// How a platform came back after a fault. Stages follow each other; a stage that a platform does not have is none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    /// What happened: "broker-1 killed".
    pub what: String,
    /// When, since the end of the warm-up.
    pub began: Nanos,
    /// Whether the broker was back and emptied its own log before anybody else had: then nobody was failed over to.
    pub by_itself: bool,
    /// Until the controller or a heartbeat's end noticed.
    pub detection: Option<Nanos>,
    /// Until the old owner could write no more.
    pub fencing: Option<Nanos>,
    /// Until the write-ahead log was read and what it held was uploaded or applied.
    pub wal_recovery: Option<Nanos>,
    /// Until the partitions were open again.
    pub open: Option<Nanos>,
    /// Until a producer was acknowledged again. None: not before the run ended.
    pub first_ack: Option<Nanos>,
}

impl Recovery {
    /// Names of the stages.
    pub const STAGES: [&str; 5] = ["detection", "fencing", "WAL recovery", "open", "first ack"];

    /// The stages in order.
    pub fn stages(&self) -> [Option<Nanos>; 5] {
        [self.detection, self.fencing, self.wal_recovery, self.open, self.first_ack]
    }

    /// From the fault to the first acknowledgement; none when there was none.
    pub fn total(&self) -> Option<Nanos> {
        self.first_ack.map(|_| self.stages().into_iter().flatten().sum())
    }
}

/// How a pipeline's job came back. Stages follow each other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JobRecovery {
    /// What happened: "task manager 2 killed".
    pub what: String,
    /// When, since the end of the warm-up.
    pub began: Nanos,
    /// Until the job manager noticed.
    pub detection: Option<Nanos>,
    /// Until tasks were deployed again.
    pub restart: Option<Nanos>,
    /// Until state was loaded from the checkpoint.
    pub restore: Option<Nanos>,
    /// Until the backlog was worked off. None: not before the run ended.
    pub catch_up: Option<Nanos>,
}

impl JobRecovery {
    /// Names of the stages.
    pub const STAGES: [&str; 4] = ["detection", "restart", "restore", "catch-up"];

    /// The stages in order.
    pub fn stages(&self) -> [Option<Nanos>; 4] {
        [self.detection, self.restart, self.restore, self.catch_up]
    }

    /// From the fault to the end of the backlog; none when that was not reached.
    pub fn total(&self) -> Option<Nanos> {
        self.catch_up.map(|_| self.stages().into_iter().flatten().sum())
    }
}

/// A promise that a fault beyond the platform's budget has ended.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct EndedPromise {
    /// Which: "writable while one zone is dark".
    pub promise: String,
    /// Why, and what it came to: "single-AZ volume in a dark AZ: unavailable for 41 s, nothing lost".
    pub why: String,
}

/// What a cost is for: one part of a bar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CostPart {
    /// Instances, endpoints, gateways: what is paid by the hour.
    Compute,
    /// What is kept, by GB and month.
    Storage,
    /// Provisioned IOPS and throughput of volumes.
    ProvisionedIo,
    /// Requests to object stores.
    Requests,
    /// Bytes over borders, and bytes in and out of what charges for them.
    Transfer,
}

impl CostPart {
    /// All of them, in the order of bars.
    pub const ALL: [CostPart; 5] =
        [CostPart::Compute, CostPart::Storage, CostPart::ProvisionedIo, CostPart::Requests, CostPart::Transfer];

    /// For people.
    pub fn name(self) -> &'static str {
        match self {
            CostPart::Compute => "compute",
            CostPart::Storage => "storage",
            CostPart::ProvisionedIo => "provisioned I/O",
            CostPart::Requests => "requests",
            CostPart::Transfer => "transfer",
        }
    }

    /// The part that a meter's lines belong to.
    pub fn of(meter: Meter) -> CostPart {
        match meter {
            Meter::StorageGbMonth => CostPart::Storage,
            Meter::PutPer1000 | Meter::GetPer1000 | Meter::DeletePer1000 => CostPart::Requests,
            Meter::WrittenGb | Meter::ReadGb | Meter::TransferOutGb | Meter::TransferInGb => CostPart::Transfer,
            Meter::IopsMonth | Meter::MibPerSecMonth => CostPart::ProvisionedIo,
            Meter::Hour => CostPart::Compute,
        }
    }
}

/// A line of a bill, as if the run went on for a month.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MonthlyCost {
    /// What it is for.
    pub part: CostPart,
    /// The product's name in the price book.
    pub product: String,
    /// What of it was counted.
    pub meter: Meter,
    /// A month of it.
    pub cost: PicoUsd,
    /// Where the price comes from.
    pub source: PriceSource,
}

impl MonthlyCost {
    /// A run's bill, stretched from the time it covers to a month of the book.
    ///
    /// **Simpler than reality:** what was used is taken to be used at that rate for a month. That is wrong for what
    /// grows: retained data is a line for the caller to replace.
    ///
    /// # Panics
    /// When the bill covers no time.
    pub fn lines(bill: &Bill, covers: Nanos, book: &PriceBook) -> Vec<MonthlyCost> {
        let month = Nanos::secs(book.hours_per_month * 3_600);
        bill.lines
            .iter()
            .map(|line| MonthlyCost {
                part: CostPart::of(line.meter),
                product: line.product.clone(),
                meter: line.meter,
                cost: line.cost.times(u128::from(month.0), u128::from(covers.0)),
                source: line.source.clone(),
            })
            .collect()
    }
}

/// What a run used and what that costs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UsageReport {
    /// Requests by kind: PUT, GET, LIST, DELETE…
    pub requests: SortedMap<String, u64>,
    /// Bytes by path: "cross-AZ", "object store written", "volume written"…
    pub bytes: SortedMap<String, u64>,
    /// A month of it, line by line.
    pub monthly: Vec<MonthlyCost>,
    /// The price book's name, region and date.
    pub book: String,
    /// What the bill assumes beyond the book: utilisation, retention, discounts left out…
    pub assumptions: Vec<String>,
}

/// An invariant and how often it was looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evaluations {
    /// How often it was evaluated.
    pub evaluated: u64,
    /// How often it did not hold.
    pub violated: u64,
}

/// A profile that figures rest on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ProfileUse {
    /// The profile's name.
    pub name: String,
    /// How far it can be trusted.
    pub grade: Grade,
    /// What of the platform rests on it: "object store", "broker volumes"…
    pub role: String,
}

/// One platform, one seed.
#[derive(Clone, Debug)]
pub struct Measurement {
    /// What was measured.
    pub platform: Platform,
    /// The run's seed.
    pub seed: u64,
    /// Virtual time measured, warm-up excluded.
    pub duration: Nanos,
    /// The run's digest.
    pub digest: Digest,
    /// Events dispatched, warm-up included.
    pub events: u64,
    /// Partitions written to.
    pub partitions: u32,
    /// Bytes of a record, as the load has it.
    pub record_bytes: u64,
    /// Topics, producers and consumers of each: for OpenMessaging results.
    pub topics: u32,
    /// Producers of a topic.
    pub producers_per_topic: u32,
    /// Consumers of a topic.
    pub consumers_per_topic: u32,
    /// The whole run's latencies, in the order of [`Distribution::ALL`].
    pub(super) latencies: [PackedHistogram; 6],
    /// Second by second. The last may be shorter.
    pub seconds: Vec<Second>,
    /// In tens of seconds.
    pub intervals: Vec<Interval>,
    /// What was broken when.
    pub faults: Vec<FaultMark>,
    /// How the platform came back.
    pub recoveries: Vec<Recovery>,
    /// How pipelines came back.
    pub job_recoveries: Vec<JobRecovery>,
    /// Checkpoints of pipelines that were given up; none where there is no pipeline.
    pub checkpoints_failed: Option<u64>,
    /// The longest time for which a rebalance left a partition without a member that reads it; none where none moved.
    pub rebalance_pause: Option<Nanos>,
    /// How long each reader that started late took to be where the others were; none for one that was not when the run ended.
    pub catch_ups: Vec<Option<Nanos>>,
    /// Records that sinks of pipelines hold twice; none where there is no pipeline.
    pub sink_duplicates: Option<u64>,
    /// The highest sustainable rate that was found, which is what the load had, in records a second; none where the
    /// scenario names a rate.
    pub sustainable_rate: Option<u64>,
    /// Acknowledged records that are gone.
    pub acked_lost: u64,
    /// Promises that ended, beyond the platform's budget of faults.
    pub ended_promises: Vec<EndedPromise>,
    /// What it used and costs.
    pub usage: UsageReport,
    /// Invariants by name.
    pub invariants: SortedMap<String, Evaluations>,
    /// Situations (`sometimes` marks) by name, and how often each was reached.
    pub situations: SortedMap<String, u64>,
    /// What the figures rest on.
    pub profiles: Vec<ProfileUse>,
    /// What the scenario expects, in its order.
    pub expectations: Vec<Expected>,
}

impl Measurement {
    /// The whole run's histogram of one latency.
    pub fn latencies(&self, of: Distribution) -> Histogram<u64> {
        self.latencies[of.index()].unpack()
    }

    /// Bytes of what is kept of every interval: what grows with the length of a run, by design.
    pub fn interval_bytes(&self) -> u64 {
        let packed = self.intervals.iter().flat_map(|interval| &interval.latencies).map(|packed| packed.0.len());
        (packed.sum::<usize>() + self.intervals.len() * size_of::<Interval>()) as u64
    }

    /// How long second number `index` is: the last may be cut short.
    pub fn second_width(&self, index: usize) -> Nanos {
        let left = self.duration.saturating_sub(Nanos::secs(index as u64));
        left.min(Nanos::secs(1))
    }
}
