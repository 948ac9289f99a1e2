//! What is expected: `[expect]`. A key names what is measured, its value is a bound.

use super::fault::{percent, words};
use crate::spec::document::Severity;
use crate::spec::document::section::Section;
use crate::spec::document::value::{Wrong, grouped, number_and_unit, parse_span, shorten};
use crate::spec::document::{Node, Value};
use std::fmt;
use wavetank_sim::Nanos;

/// A bound on something measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Expectation {
    /// What.
    pub metric: Metric,
    /// The bound.
    pub bound: Bound,
}

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Metric {
    /// A latency: `produce.p99`, `end_to_end.max`.
    Latency(Operation, Statistic),
    /// From a fault to the first acknowledged record of the partitions it hit: `recovery.first_ack`.
    FirstAck,
    /// From a fault to latencies as before it: `recovery.steady`.
    Steady,
    /// Acknowledged records lost: `rpo`.
    Rpo,
    /// Share of produce requests, each second of each partition, that were acknowledged in time: `availability`.
    Availability,
    /// Records that the slowest group is behind, at worst: `lag.max`.
    LagMax,
    /// The same at the end: `lag.end`.
    LagEnd,
    /// The longest time that a group's partition was without a member in a rebalance: `rebalance.pause`.
    RebalancePause,
    /// From the start of a late group or job to its being where those are that were there before: `catch_up`.
    CatchUp,
    /// Share of the offered rate that was acknowledged: `throughput`.
    Throughput,
    /// The longest checkpoint that was completed: `checkpoint.duration`.
    CheckpointDuration,
    /// Checkpoints that failed: `checkpoint.failed`.
    CheckpointFailed,
    /// Records that a job's sink holds twice at the end; writing a row again is none: `sink.duplicates`.
    SinkDuplicates,
    /// Dollars an hour: `cost`.
    Cost,
}

/// An operation with latencies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operation {
    /// From the moment a record was due to be sent to its acknowledgement.
    Produce,
    /// From that moment to a consumer's reading it.
    EndToEnd,
}

/// A statistic of latencies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Statistic {
    /// The mean.
    Mean,
    /// The median.
    P50,
    /// The 95th percentile.
    P95,
    /// The 99th.
    P99,
    /// The 99.9th.
    P999,
    /// The largest.
    Max,
}

/// A bound.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bound {
    /// How it compares.
    pub order: Order,
    /// With what.
    pub value: Measured,
}

/// How a measured value compares with its bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// `<`.
    Below,
    /// `<=`; a bound without a sign, where less is better.
    AtMost,
    /// `>`.
    Above,
    /// `>=`; a bound without a sign, where more is better.
    AtLeast,
}

/// A measured value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Measured {
    /// A span of time.
    Span(Nanos),
    /// How many.
    Count(u64),
    /// A share, from 0 to 1; written in percent.
    Share(f64),
    /// Dollars an hour.
    UsdPerHour(f64),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Unit {
    Span,
    Count,
    Share,
    Usd,
}

const NAMES: &[(&str, Metric)] = {
    use Metric::Latency;
    use Operation::{EndToEnd, Produce};
    use Statistic::{Max, Mean, P50, P95, P99, P999};
    &[
        ("produce.mean", Latency(Produce, Mean)),
        ("produce.p50", Latency(Produce, P50)),
        ("produce.p95", Latency(Produce, P95)),
        ("produce.p99", Latency(Produce, P99)),
        ("produce.p999", Latency(Produce, P999)),
        ("produce.max", Latency(Produce, Max)),
        ("end_to_end.mean", Latency(EndToEnd, Mean)),
        ("end_to_end.p50", Latency(EndToEnd, P50)),
        ("end_to_end.p95", Latency(EndToEnd, P95)),
        ("end_to_end.p99", Latency(EndToEnd, P99)),
        ("end_to_end.p999", Latency(EndToEnd, P999)),
        ("end_to_end.max", Latency(EndToEnd, Max)),
        ("recovery.first_ack", Metric::FirstAck),
        ("recovery.steady", Metric::Steady),
        ("rpo", Metric::Rpo),
        ("availability", Metric::Availability),
        ("lag.max", Metric::LagMax),
        ("lag.end", Metric::LagEnd),
        ("rebalance.pause", Metric::RebalancePause),
        ("catch_up", Metric::CatchUp),
        ("throughput", Metric::Throughput),
        ("checkpoint.duration", Metric::CheckpointDuration),
        ("checkpoint.failed", Metric::CheckpointFailed),
        ("sink.duplicates", Metric::SinkDuplicates),
        ("cost", Metric::Cost),
    ]
};

impl Metric {
    /// Its name in scenarios.
    pub fn name(self) -> &'static str {
        let found = NAMES.iter().find(|(_, metric)| *metric == self);
        found.map(|(name, _)| *name).expect("every metric is listed")
    }

    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Metric::Latency(Operation::Produce, _) => "latency of produce",
            Metric::Latency(Operation::EndToEnd, _) => "latency from send to read",
            Metric::FirstAck => "from a fault to the first acknowledgement",
            Metric::Steady => "from a fault to latencies as before",
            Metric::Rpo => "acknowledged records lost",
            Metric::Availability => "requests acknowledged in time",
            Metric::LagMax => "records the slowest group is behind, at worst",
            Metric::LagEnd => "records the slowest group is behind at the end",
            Metric::RebalancePause => "longest time without partitions in a rebalance",
            Metric::CatchUp => "a late reader reads the newest records",
            Metric::Throughput => "share of the offered rate that gets through",
            Metric::CheckpointDuration => "longest completed checkpoint",
            Metric::CheckpointFailed => "failed checkpoints",
            Metric::SinkDuplicates => "results kept twice",
            Metric::Cost => "cost of all of it",
        }
    }

    fn unit(self) -> Unit {
        match self {
            Metric::Latency(..)
            | Metric::FirstAck
            | Metric::Steady
            | Metric::RebalancePause
            | Metric::CatchUp
            | Metric::CheckpointDuration => Unit::Span,
            Metric::Rpo | Metric::LagMax | Metric::LagEnd | Metric::CheckpointFailed | Metric::SinkDuplicates => {
                Unit::Count
            }
            Metric::Availability | Metric::Throughput => Unit::Share,
            Metric::Cost => Unit::Usd,
        }
    }

    /// Whether more of it is better.
    fn wants_more(self) -> bool {
        matches!(self, Metric::Availability | Metric::Throughput)
    }
}

impl Unit {
    fn example(self) -> &'static str {
        match self {
            Unit::Span => "500 ms",
            Unit::Count => "0",
            Unit::Share => "99.9 %",
            Unit::Usd => "3.5 USD/h",
        }
    }

    fn parse(self, text: &str) -> Option<Measured> {
        match self {
            Unit::Span => parse_span(text).map(Measured::Span),
            Unit::Count => text.replace('_', "").parse().ok().map(Measured::Count),
            Unit::Share => number_and_unit(text)
                .filter(|(number, unit)| *unit == "%" && *number <= 100.0)
                .map(|(number, _)| Measured::Share(number / 100.0)),
            Unit::Usd => number_and_unit(text)
                .filter(|(_, unit)| *unit == "USD/h")
                .map(|(number, _)| Measured::UsdPerHour(number)),
        }
    }
}

pub(super) fn read(section: &Section<'_>) -> Vec<Expectation> {
    let read = NAMES.iter().filter_map(|(name, metric)| {
        let bound = section.optional(name, |node| bound(*metric, node))?;
        Some(Expectation { metric: *metric, bound })
    });
    let expectations = read.collect();
    section.finish(Severity::Error, &[("rto", "\"recovery.first_ack\""), ("latency", "\"produce.p99\"")]);
    expectations
}

fn bound(metric: Metric, node: &Node) -> Result<Bound, Wrong> {
    let sign = if metric.wants_more() { ">=" } else { "<=" };
    let right = format!("\"{sign} {}\"", metric.unit().example());
    let text = match &node.value {
        Value::Text(text) => text.clone(),
        Value::Int(it) if metric.unit() == Unit::Count => it.to_string(),
        Value::Int(it) => return Err(Wrong::new(format!("{it} has no unit"), right)),
        _ => return Err(Wrong { help: right, ..Wrong::kind(node, "a bound") }),
    };
    let text = text.trim();
    let (order, rest) = match text.find(|c| c != '<' && c != '>' && c != '=').unwrap_or(text.len()) {
        0 if metric.wants_more() => (Order::AtLeast, text),
        0 => (Order::AtMost, text),
        end => match &text[..end] {
            "<" => (Order::Below, &text[end..]),
            "<=" => (Order::AtMost, &text[end..]),
            ">" => (Order::Above, &text[end..]),
            ">=" => (Order::AtLeast, &text[end..]),
            sign => return Err(Wrong::new(format!("there is no sign \"{}\"", shorten(sign)), "<, <=, > or >=")),
        },
    };
    if metric.wants_more() != matches!(order, Order::Above | Order::AtLeast) {
        let better = if metric.wants_more() { "more" } else { "less" };
        return Err(Wrong::new(format!("\"{}\" bounds the wrong side: {better} is better", shorten(text)), right));
    }
    let value = metric.unit().parse(rest.trim());
    let value = value.ok_or_else(|| Wrong::new(format!("\"{}\" is no such bound", shorten(text)), right))?;
    Ok(Bound { order, value })
}

impl fmt::Display for Bound {
    /// `< 500 ms`; `0` where nothing is less.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if (self.order, self.value) == (Order::AtMost, Measured::Count(0)) {
            return f.write_str("0");
        }
        let sign = match self.order {
            Order::Below => "<",
            Order::AtMost => "<=",
            Order::Above => ">",
            Order::AtLeast => ">=",
        };
        match self.value {
            Measured::Span(span) => write!(f, "{sign} {}", words(span)),
            Measured::Count(count) => write!(f, "{sign} {}", grouped(count)),
            Measured::Share(share) => write!(f, "{sign} {} %", percent(share)),
            Measured::UsdPerHour(usd) => write!(f, "{sign} {usd} USD/h"),
        }
    }
}
