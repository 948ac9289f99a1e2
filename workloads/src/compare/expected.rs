//! What a scenario expects of a platform, held against what one run measured.
//!
//! A run keeps an expectation, misses it, or has nothing to judge it by: that is said, and counts for neither. A recovery
//! that had not ended with the run misses every bound.
//!
//! **Simpler than reality:** lag is the records that no group has read yet, so a slower second group does not count;
//! "as before" (`recovery.steady`) is five seconds in which everything could be written and the 99th percentile of
//! produce latency was at most twice its median before the first fault.

use super::figure::Figure;
use super::measurement::{Distribution, Measurement};
use crate::spec::scenario::{Bound, Expectation, Measured, Metric, Operation, Order, Statistic};
use serde::{Deserialize, Serialize};
use wavetank_sim::Nanos;

/// An expectation, and what one run has to say of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Expected {
    /// What is expected.
    pub expectation: Expectation,
    /// What was measured.
    pub found: Found,
}

/// What was measured of an expectation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Found {
    /// A value.
    Value(Measured),
    /// It had not come to an end when the run did: beyond any bound.
    Endless,
    /// Nothing.
    Nothing,
}

/// What became of an expectation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kept {
    /// Kept.
    Kept,
    /// There was nothing to judge it by.
    Unknown,
    /// Missed.
    Missed,
}

/// An expectation of a platform over all its runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExpectedOverRuns {
    /// Its name in scenarios: `produce.p99`.
    pub metric: String,
    /// Its bound: `< 500 ms`.
    pub bound: String,
    /// What was measured in the worst run, in words; none where nothing was.
    pub worst: Option<String>,
    /// What became of it: missed if any run missed it.
    pub kept: Kept,
    /// In how many runs it was missed.
    pub missed: u64,
}

impl Expected {
    /// Looks for what was measured; `offered` is what the load offers, in records a second.
    pub fn of(expectation: Expectation, run: &Measurement, offered: u64) -> Expected {
        Expected { expectation, found: find(expectation.metric, run, offered) }
    }

    /// What became of it.
    pub fn kept(&self) -> Kept {
        match self.found {
            Found::Value(value) if holds(self.expectation.bound, value) => Kept::Kept,
            Found::Value(_) | Found::Endless => Kept::Missed,
            Found::Nothing => Kept::Unknown,
        }
    }

    /// The same expectation in several runs, of which there is one at least.
    pub fn over(runs: &[&Expected]) -> ExpectedOverRuns {
        let worst = runs.iter().copied().reduce(|worst, one| if one.is_worse_than(worst) { one } else { worst });
        let worst = worst.expect("there is one at least");
        ExpectedOverRuns {
            metric: worst.expectation.metric.name().into(),
            bound: worst.expectation.bound.to_string(),
            worst: match worst.found {
                Found::Value(value) => Some(said(value)),
                Found::Endless => Some("never".into()),
                Found::Nothing => None,
            },
            kept: worst.kept(),
            missed: runs.iter().filter(|run| run.kept() == Kept::Missed).count() as u64,
        }
    }

    fn is_worse_than(&self, other: &Expected) -> bool {
        match (self.found, other.found) {
            (_, Found::Endless) | (Found::Nothing, _) => false,
            (Found::Endless, _) | (Found::Value(_), Found::Nothing) => true,
            // Worse than the other, if it does not keep to what the other has.
            (Found::Value(value), Found::Value(other)) => {
                let order = match self.expectation.bound.order {
                    Order::Below | Order::AtMost => Order::AtMost,
                    Order::Above | Order::AtLeast => Order::AtLeast,
                };
                !holds(Bound { order, value: other }, value)
            }
        }
    }
}

/// Three digits are enough.
fn said(value: Measured) -> String {
    match value {
        Measured::Span(span) if span >= Nanos::secs(1) => format!("{:.2} s", span.as_secs_f64()),
        Measured::Span(span) => format!("{:.1} ms", span.as_millis_f64()),
        Measured::Count(count) => count.to_string(),
        Measured::Share(share) => format!("{:.2} %", share * 100.0),
        Measured::UsdPerHour(usd) => format!("{usd:.2} USD/h"),
    }
}

fn holds(bound: Bound, value: Measured) -> bool {
    let compared = match (value, bound.value) {
        (Measured::Span(value), Measured::Span(bound)) => value.partial_cmp(&bound),
        (Measured::Count(value), Measured::Count(bound)) => value.partial_cmp(&bound),
        (Measured::Share(value), Measured::Share(bound)) => value.partial_cmp(&bound),
        (Measured::UsdPerHour(value), Measured::UsdPerHour(bound)) => value.partial_cmp(&bound),
        (Measured::Span(_) | Measured::Count(_) | Measured::Share(_) | Measured::UsdPerHour(_), _) => None,
    };
    compared.is_some_and(|order| match bound.order {
        Order::Below => order.is_lt(),
        Order::AtMost => order.is_le(),
        Order::Above => order.is_gt(),
        Order::AtLeast => order.is_ge(),
    })
}

fn find(metric: Metric, run: &Measurement, offered: u64) -> Found {
    let known = |value: Option<Measured>| value.map_or(Found::Nothing, Found::Value);
    match metric {
        Metric::Latency(Operation::Produce, statistic) => known(latency(run, Distribution::Produce, statistic)),
        Metric::Latency(Operation::EndToEnd, statistic) => known(latency(run, Distribution::EndToEnd, statistic)),
        Metric::FirstAck => longest(run.recoveries.iter().map(|recovery| recovery.total())),
        Metric::Steady => longest(run.faults.iter().map(|fault| steady_again(run, fault.start.into()))),
        Metric::Rpo => Found::Value(Measured::Count(run.acked_lost)),
        Metric::Availability => known(availability(run).map(Measured::Share)),
        Metric::LagMax => known(run.seconds.iter().map(|second| second.lag).max().map(Measured::Count)),
        Metric::LagEnd => known(run.seconds.last().map(|second| Measured::Count(second.lag))),
        Metric::Throughput => known(throughput(run, offered).map(Measured::Share)),
        Metric::CheckpointDuration => known(latency(run, Distribution::Checkpoint, Statistic::Max)),
        Metric::Cost => known(cost(run)),
        Metric::CheckpointFailed => known(run.checkpoints_failed.map(Measured::Count)),
        Metric::RebalancePause => known(run.rebalance_pause.map(Measured::Span)),
        Metric::CatchUp => longest(run.catch_ups.iter().copied()),
        Metric::SinkDuplicates => known(run.sink_duplicates.map(Measured::Count)),
    }
}

fn latency(run: &Measurement, of: Distribution, statistic: Statistic) -> Option<Measured> {
    let all = run.latencies(of);
    let nanos = match statistic {
        Statistic::Mean => all.mean() as u64,
        Statistic::P50 => all.value_at_quantile(0.5),
        Statistic::P95 => all.value_at_quantile(0.95),
        Statistic::P99 => all.value_at_quantile(0.99),
        Statistic::P999 => all.value_at_quantile(0.999),
        Statistic::Max => all.max(),
    };
    (!all.is_empty()).then_some(Measured::Span(Nanos(nanos)))
}

/// The longest; endless when one did not end.
fn longest(spans: impl Iterator<Item = Option<Nanos>>) -> Found {
    let mut longest = None;
    for span in spans {
        match span {
            Some(span) => longest = longest.max(Some(span)),
            None => return Found::Endless,
        }
    }
    longest.map_or(Found::Nothing, |span| Found::Value(Measured::Span(span)))
}

/// How long after a moment five seconds begin that are as those before the first fault.
fn steady_again(run: &Measurement, after: Nanos) -> Option<Nanos> {
    const CALM: usize = 5;
    let first = run.faults.iter().map(|fault| fault.start.0).min()?;
    let whole = |nanos: u64| (nanos / 1_000_000_000) as usize;
    let mut before: Vec<Nanos> =
        run.seconds.iter().take(whole(first)).filter_map(|second| second.produce_p99).collect();
    before.sort_unstable();
    let usual = *before.get(before.len() / 2)?;
    let is_calm = |second: &super::measurement::Second| {
        second.available >= run.partitions && second.produce_p99.is_none_or(|p99| p99 <= usual + usual)
    };
    let from = whole(after.0) + 1;
    let calm = run.seconds.get(from..)?.windows(CALM).position(|seconds| seconds.iter().all(is_calm))?;
    Some(Nanos::secs((from + calm) as u64).saturating_sub(after))
}

fn availability(run: &Measurement) -> Option<f64> {
    let down = Figure::Unavailable.of(run)?;
    (run.duration > Nanos::ZERO).then(|| 1.0 - down / run.duration.as_secs_f64())
}

fn throughput(run: &Measurement, offered: u64) -> Option<f64> {
    let acked: u64 = run.seconds.iter().map(|second| second.published).sum();
    let due = offered as f64 * run.duration.as_secs_f64();
    (due > 0.0).then(|| (acked as f64 / due).min(1.0))
}

fn cost(run: &Measurement) -> Option<Measured> {
    /// As price books count.
    const HOURS_PER_MONTH: f64 = 730.0;
    Figure::CostMonth.of(run).map(|month| Measured::UsdPerHour(month / HOURS_PER_MONTH))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::Recorder;
    use crate::compare::measurement::{FaultMark, Platform, Recovery, Second};
    use crate::compare::recorder::Shape;
    use wavetank_sim::Digest;

    /// Ten calm seconds, five bad ones, ten calm ones; half of the two partitions is down while they are bad.
    fn run() -> Measurement {
        let shape = Shape {
            partitions: 2,
            record_bytes: 1,
            topics: 1,
            producers_per_topic: 1,
            consumers_per_topic: 1,
            begin: Nanos::ZERO,
            expected: Nanos::secs(25),
        };
        let platform = Platform { name: "p".into(), about: "a platform".into() };
        let mut recorder = Recorder::new(platform, 1, shape);
        for second in 0..25 {
            let at = Nanos::secs(second) + Nanos::millis(500);
            recorder.sent(at, 0);
            recorder.acked(at, 0, 8, 8);
            let is_bad = (10..15).contains(&second);
            recorder.latency(at, Distribution::Produce, Nanos::millis(if is_bad { 900 } else { 10 }), 8);
        }
        let mut run = recorder.finish(Nanos::secs(25), Digest::default(), 1);
        let bad = |(second, it): (usize, &mut Second)| it.available = if (10..15).contains(&second) { 1 } else { 2 };
        run.seconds.iter_mut().enumerate().for_each(bad);
        let [start, end] = [10, 11].map(|s| Nanos::secs(s).into());
        run.faults = vec![FaultMark { label: "hit".into(), start, end }];
        run
    }

    fn judged(metric: Metric, order: Order, value: Measured, run: &Measurement) -> (Kept, Option<String>) {
        let expectation = Expectation { metric, bound: Bound { order, value } };
        let over = Expected::over(&[&Expected::of(expectation, run, 10)]);
        (over.kept, over.worst)
    }

    #[test]
    fn what_was_measured_is_held_against_its_bound() {
        let run = run();
        let span = |ms| Measured::Span(Nanos::millis(ms));
        let is = |metric, order, value, kept, worst: &str| {
            assert_eq!(judged(metric, order, value, &run), (kept, Some(worst.to_owned())), "{metric:?}");
        };
        is(Metric::Availability, Order::AtLeast, Measured::Share(0.9), Kept::Kept, "90.00 %");
        is(Metric::Availability, Order::Above, Measured::Share(0.9), Kept::Missed, "90.00 %");
        is(Metric::Throughput, Order::AtLeast, Measured::Share(0.81), Kept::Missed, "80.00 %");
        // The second in which the fault begins counts as bad; calm is what follows the five bad ones.
        is(Metric::Steady, Order::AtMost, span(5_000), Kept::Kept, "5.00 s");
        is(Metric::Steady, Order::Below, span(5_000), Kept::Missed, "5.00 s");
        is(Metric::Rpo, Order::AtMost, Measured::Count(0), Kept::Kept, "0");
        let p50 = Metric::Latency(Operation::Produce, Statistic::P50);
        is(p50, Order::Below, span(11), Kept::Kept, "10.0 ms");
        for metric in [Metric::CatchUp, Metric::RebalancePause, Metric::SinkDuplicates] {
            assert_eq!(judged(metric, Order::Below, span(1), &run), (Kept::Unknown, None));
        }
        let run = Measurement {
            rebalance_pause: Some(Nanos::secs(3)),
            catch_ups: vec![Some(Nanos::secs(7)), Some(Nanos::secs(2))],
            sink_duplicates: Some(4),
            ..run
        };
        let is = |metric, order, value, kept, worst: &str| {
            assert_eq!(judged(metric, order, value, &run), (kept, Some(worst.to_owned())), "{metric:?}");
        };
        is(Metric::RebalancePause, Order::AtMost, span(3_000), Kept::Kept, "3.00 s");
        is(Metric::CatchUp, Order::Below, span(7_000), Kept::Missed, "7.00 s");
        is(Metric::SinkDuplicates, Order::AtMost, Measured::Count(0), Kept::Missed, "4");
        let behind = Measurement { catch_ups: vec![Some(Nanos::secs(7)), None], ..run.clone() };
        let never = judged(Metric::CatchUp, Order::Below, span(60_000), &behind);
        assert_eq!(never, (Kept::Missed, Some("never".into())));
    }

    #[test]
    fn what_has_not_ended_misses_every_bound_and_the_worst_run_counts() {
        let bound = Bound { order: Order::Below, value: Measured::Span(Nanos::secs(60)) };
        let expectation = Expectation { metric: Metric::FirstAck, bound };
        let after = |first_ack| {
            let mut run = run();
            run.recoveries = vec![Recovery { first_ack, ..Recovery::default() }];
            Expected::of(expectation, &run, 10)
        };
        let [fast, slow, never] = [Some(Nanos::secs(3)), Some(Nanos::secs(61)), None].map(after);
        let over = |runs: &[&Expected]| {
            let over = Expected::over(runs);
            (over.kept, over.missed, over.worst.unwrap())
        };
        assert_eq!(over(&[&fast, &fast]), (Kept::Kept, 0, "3.00 s".into()));
        assert_eq!(over(&[&slow, &fast]), (Kept::Missed, 1, "61.00 s".into()));
        assert_eq!(over(&[&fast, &never, &slow]), (Kept::Missed, 2, "never".into()));
    }
}
