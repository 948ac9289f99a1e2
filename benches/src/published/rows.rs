//! What was published, row by row.

use wavetank_workloads::compare::Distribution;

/// A published figure, and which of ours it is compared with.
pub struct Row {
    /// Of the calibration tables; or the document.
    pub id: &'static str,
    /// What it is.
    pub what: &'static str,
    /// What was published.
    pub claim: Claim,
    /// Ours.
    pub figure: Figure,
    /// Measured by its source, and published with its set-up: ours is held to this, as a share of what was published.
    pub tolerance: Option<f64>,
    /// What is different between theirs and ours.
    pub note: &'static str,
}

/// What a source says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Claim {
    /// So many milliseconds.
    Ms(f64),
    /// Between these, in milliseconds.
    MsWithin(f64, f64),
    /// Less than this, in milliseconds.
    MsBelow(f64),
    /// More than this, in milliseconds.
    MsAbove(f64),
    /// So many seconds.
    Secs(f64),
    /// Between these, in seconds.
    SecsWithin(f64, f64),
    /// Less than this, in seconds.
    SecsBelow(f64),
}

impl Claim {
    /// Nanoseconds in its unit.
    pub fn unit_nanos(self) -> f64 {
        match self {
            Claim::Ms(_) | Claim::MsWithin(..) | Claim::MsBelow(_) | Claim::MsAbove(_) => 1e6,
            Claim::Secs(_) | Claim::SecsWithin(..) | Claim::SecsBelow(_) => 1e9,
        }
    }

    /// Its unit.
    pub fn unit(self) -> &'static str {
        if self.unit_nanos() == 1e6 { "ms" } else { "s" }
    }

    /// The value, where the source says one.
    pub fn exact(self) -> Option<f64> {
        let (low, high) = self.bounds();
        (low == high).then_some(low)
    }

    /// The least and the greatest value that agree with it.
    fn bounds(self) -> (f64, f64) {
        match self {
            Claim::Ms(value) | Claim::Secs(value) => (value, value),
            Claim::MsWithin(low, high) | Claim::SecsWithin(low, high) => (low, high),
            Claim::MsBelow(high) | Claim::SecsBelow(high) => (0.0, high),
            Claim::MsAbove(low) => (low, f64::INFINITY),
        }
    }

    /// How far `ours` is from the nearest value that agrees, as a share of that.
    pub fn error(self, ours: f64) -> f64 {
        let (low, high) = self.bounds();
        let nearest = ours.clamp(low, high);
        (ours - nearest) / nearest
    }

    /// For people.
    pub fn text(self) -> String {
        let unit = self.unit();
        match self {
            Claim::Ms(value) | Claim::Secs(value) => format!("{value} {unit}"),
            Claim::MsWithin(low, high) | Claim::SecsWithin(low, high) => format!("{low} to {high} {unit}"),
            Claim::MsBelow(high) | Claim::SecsBelow(high) => format!("< {high} {unit}"),
            Claim::MsAbove(low) => format!("> {low} {unit}"),
        }
    }
}

/// Which of our figures.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Figure {
    /// A quantile of a latency in a set-up.
    At(&'static str, Distribution, f64),
    /// A latency's mean in a set-up.
    Mean(&'static str, Distribution),
    /// A quantile of a PUT to S3 Standard, as its profile has it.
    Put {
        /// The object's size.
        bytes: u64,
        /// From 0 to 1.
        quantile: f64,
    },
    /// The median of an orderly detach and attach of a volume, as its profile has it.
    Reattach {
        /// The volume's profile.
        profile: &'static str,
    },
}

impl Figure {
    /// The set-up that it is measured in; none where a profile says it.
    pub fn setup(self) -> Option<&'static str> {
        match self {
            Figure::At(setup, ..) | Figure::Mean(setup, _) => Some(setup),
            Figure::Put { .. } | Figure::Reattach { .. } => None,
        }
    }
}

const fn produce(setup: &'static str, quantile: f64) -> Figure {
    Figure::At(setup, Distribution::Produce, quantile)
}

const SLATEDB: &str = "theirs is one process without a network before it, and puts one object after the other";
const MINIO: &str = "their store was a MinIO beside the broker: what follows the bulk's wait takes some 30 ms there, and on S3 a PUT and a GET";
const WARPSTREAM: &str =
    "theirs commits metadata after the PUT, ours reads the reservation; their load and clients are not published";

const fn slatedb(id: &'static str, what: &'static str, ms: f64, quantile: f64, tolerance: f64) -> Row {
    let figure = produce("group-commit", quantile);
    Row { id, what, claim: Claim::Ms(ms), figure, tolerance: Some(tolerance), note: SLATEDB }
}

const fn compared(id: &'static str, what: &'static str, claim: Claim, figure: Figure, note: &'static str) -> Row {
    Row { id, what, claim, figure, tolerance: None, note }
}

/// All rows that have a set-up here.
pub const ROWS: &[Row] = &[
    slatedb("SDB-0.15.0-balanced-p50", "SlateDB, write to durable, p50", 115.3, 0.5, 0.1),
    slatedb("SDB-0.15.0-balanced-p99", "SlateDB, write to durable, p99", 219.9, 0.99, 0.2),
    slatedb("SDB-0.15.0-balanced-p99.9", "SlateDB, write to durable, p99.9", 301.6, 0.999, 0.35),
    slatedb("SDB-0.14.1-balanced-p50", "SlateDB, write to durable, p50", 113.9, 0.5, 0.1),
    slatedb("SDB-0.14.1-balanced-p99", "SlateDB, write to durable, p99", 216.4, 0.99, 0.2),
    slatedb("SDB-0.14.1-balanced-p99.9", "SlateDB, write to durable, p99.9", 337.4, 0.999, 0.35),
    Row {
        id: "AutoMQ perf, eks-anywhere-addons PR 375",
        what: "AutoMQ, S3 WAL, idle: produce p50",
        claim: Claim::MsWithin(137.0, 152.0),
        figure: produce("automq-perf", 0.5),
        tolerance: Some(0.35),
        note: MINIO,
    },
    Row {
        id: "AutoMQ perf, eks-anywhere-addons PR 375",
        what: "AutoMQ, S3 WAL, idle: produce p99",
        claim: Claim::MsWithin(265.0, 290.0),
        figure: produce("automq-perf", 0.99),
        tolerance: Some(0.25),
        note: MINIO,
    },
    compared(
        "AMQ-s3wal",
        "AutoMQ, S3 WAL: produce, \"hundreds of ms\"",
        Claim::MsWithin(100.0, 999.0),
        produce("steady", 0.5),
        "p50 of ours",
    ),
    compared(
        "AMQ-s3put",
        "AutoMQ, PUT of a 4 MiB WAL object, p99",
        Claim::Ms(400.0),
        Figure::Put { bytes: 4 << 20, quantile: 0.99 },
        "a planning value; two other sources measured about 200 ms, which is what the profile is fitted to",
    ),
    compared(
        "WS-D-p99",
        "WarpStream, S3, 250 ms batches: produce p99",
        Claim::Ms(400.0),
        produce("steady-unlimited", 0.99),
        WARPSTREAM,
    ),
    compared(
        "WS-D24-p99",
        "WarpStream, 2024, as a competitor quotes it: produce p99",
        Claim::MsAbove(620.0),
        produce("steady", 0.99),
        "ours with Kafka's own limit of five requests in flight; the same README has also said > 400 and > 1200 ms",
    ),
    compared(
        "WS-doc-p99",
        "WarpStream, S3 Express, shorter batches: produce p99",
        Claim::MsBelow(150.0),
        produce("express-50ms", 0.99),
        WARPSTREAM,
    ),
    compared(
        "AMQ-fsx-lat",
        "AutoMQ, WAL on FSx for ONTAP: mean write latency",
        Claim::MsBelow(10.0),
        Figure::Mean("nfs", Distribution::Produce),
        "ours holds 5 ms of linger.ms, theirs is a title's claim",
    ),
    compared(
        "AutoMQ docs, \"Partition reassignment in seconds\"",
        "AutoMQ, reassignment of a partition, typically",
        Claim::Secs(1.5),
        Figure::At("rebalance", Distribution::Handover, 0.5),
        "ours from the old leader's close to the new one's first requests, median of all partitions that move in good order",
    ),
    compared(
        "GRAB-new",
        "AutoMQ at Grab, reassignment of a partition",
        Claim::SecsBelow(60.0),
        Figure::At("rebalance", Distribution::Handover, 0.99),
        "p99 of ours",
    ),
    compared(
        "EBS-move-good",
        "EBS volume of a pod, detach and attach in good order",
        Claim::SecsWithin(10.0, 20.0),
        Figure::Reattach { profile: "ebs-gp3" },
        "what the profile is fitted to, listed for completeness",
    ),
];

/// Rows of `systems.csv` that have no set-up here: how their ids begin, and why.
pub const NOT_REPRODUCED: &[(&[&str], &str)] = &[
    (
        &["CF-", "SN-", "LI-", "SWM-", "RP-", "SO-", "K-reassign-h"],
        "replicated Kafka (and Pulsar, Redpanda) on local disks: not simulated yet",
    ),
    (
        &["AMQ-cold-", "AMQ-max-x", "AMQ-p999-x", "AMQ-cost-x", "AMQ-fsx-cost", "XHS-", "GRAB-old"],
        "a ratio to, or a figure of, Kafka on local disks: not simulated yet",
    ),
    (&["EBS-move-term", "EBS-move-bad", "EBS-oos"], "timers of Kubernetes and of EC2's control plane; no pods here"),
    (&["FLK-"], "incremental snapshots of RocksDB: jobs here upload their whole state"),
    (&["FLK2-"], "a ratio of disaggregated to local state: there is no disaggregated state here"),
    (&["SDB-KWAL-"], "its set-up is not published"),
    (&["URSA-", "KORA-", "MSK-"], "another product's fleet or price, without a set-up"),
];
