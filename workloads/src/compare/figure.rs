//! The headline figures, and the rule by which one platform is said to be better.
//!
//! A platform wins a figure when, against every other platform,
//! 1. every run of both has a value, and there is more than one seed,
//! 2. the 95 % intervals have no point in common, and
//! 3. the means differ by more than the calibration's uncertainty, as a share of the larger of the two: 10 % where the
//!    worse of the two platforms' profiles is graded measured, 25 % partial, 50 % assumed.
//!
//! Otherwise there is no clear winner, and the verdict says which of these failed, against whom. The third does not
//! apply to what is counted rather than timed: lost records.
//!
//! **Simpler than reality:** a platform's worst profile counts for all its timed figures, also for those that do not
//! rest on it; and two platforms on one and the same profile are wrong in the same direction, which the rule does not
//! credit. Both withhold a winner rather than name a wrong one.

use super::interval::Estimate;
use super::measurement::{Distribution, Measurement};
use serde::{Deserialize, Serialize};
use wavetank_models::cloud::profile::Grade;
use wavetank_sim::Nanos;

/// A headline figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Figure {
    /// The highest rate that is sustained, where a scenario asks for it: what the load had.
    SustainableRate,
    /// Median of [`Distribution::Produce`].
    ProduceP50,
    /// Its 99th percentile.
    ProduceP99,
    /// Its 99.9th percentile.
    ProduceP999,
    /// Median of [`Distribution::EndToEnd`].
    EndToEndP50,
    /// Its 99th percentile.
    EndToEndP99,
    /// Its 99.9th percentile.
    EndToEndP999,
    /// 99th percentile of [`Distribution::PublishDelay`].
    PublishDelayP99,
    /// Payload acknowledged, over the measured time.
    Throughput,
    /// Records given up on.
    Errors,
    /// Partition-seconds that could not be written in, divided by the number of partitions.
    Unavailable,
    /// The largest backlog of any second.
    LagMax,
    /// The longest of the platform's recoveries.
    Recovery,
    /// The longest of the pipelines' recoveries.
    JobRecovery,
    /// Completed checkpoints of pipelines.
    Checkpoints,
    /// Those that were given up: they expired, a task declined, or the job restarted.
    CheckpointsFailed,
    /// Median of [`Distribution::Checkpoint`].
    CheckpointP50,
    /// Its 99th percentile.
    CheckpointP99,
    /// The longest.
    CheckpointMax,
    /// Median of [`Distribution::Freshness`].
    FreshnessP50,
    /// Its 99th percentile.
    FreshnessP99,
    /// The largest backlog of a pipeline in any second: written, and not in its output yet.
    JobLagMax,
    /// The longest time that a partition was without a reader in a rebalance.
    RebalancePause,
    /// The longest that a reader which starts late takes to be where the others are.
    CatchUp,
    /// Records that sinks of pipelines hold twice.
    SinkDuplicates,
    /// 99th percentile of [`Distribution::Handover`].
    HandoverP99,
    /// Acknowledged records that are gone.
    AckedLost,
    /// What a month of it costs.
    CostMonth,
}

/// The unit of a figure's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Unit {
    /// Milliseconds.
    #[serde(rename = "ms")]
    Millis,
    /// Seconds.
    #[serde(rename = "s")]
    Seconds,
    /// 10^6 bytes a second.
    #[serde(rename = "MB/s")]
    MegabytesPerSecond,
    /// Records a second.
    #[serde(rename = "msg/s")]
    RecordsPerSecond,
    /// Records.
    #[serde(rename = "records")]
    Records,
    /// Times.
    #[serde(rename = "count")]
    Count,
    /// US dollars.
    #[serde(rename = "USD")]
    Usd,
}

impl Unit {
    /// For people.
    pub fn name(self) -> &'static str {
        match self {
            Unit::Millis => "ms",
            Unit::Seconds => "s",
            Unit::MegabytesPerSecond => "MB/s",
            Unit::RecordsPerSecond => "msg/s",
            Unit::Records => "records",
            Unit::Count => "count",
            Unit::Usd => "USD",
        }
    }
}

/// Which way is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Better {
    /// Less is better.
    Lower,
    /// More is better.
    Higher,
}

/// What a figure's difference between platforms has to exceed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rests {
    /// On the devices' profiles.
    OnProfiles,
    /// On the price book.
    OnPrices,
    /// On counting alone.
    OnCounting,
}

impl Figure {
    /// All of them, in the order of reports.
    pub const ALL: [Figure; 28] = [
        Figure::SustainableRate,
        Figure::ProduceP50,
        Figure::ProduceP99,
        Figure::ProduceP999,
        Figure::EndToEndP50,
        Figure::EndToEndP99,
        Figure::EndToEndP999,
        Figure::PublishDelayP99,
        Figure::Throughput,
        Figure::Errors,
        Figure::Unavailable,
        Figure::LagMax,
        Figure::Recovery,
        Figure::JobRecovery,
        Figure::JobLagMax,
        Figure::Checkpoints,
        Figure::CheckpointsFailed,
        Figure::CheckpointP50,
        Figure::CheckpointP99,
        Figure::CheckpointMax,
        Figure::FreshnessP50,
        Figure::FreshnessP99,
        Figure::RebalancePause,
        Figure::CatchUp,
        Figure::SinkDuplicates,
        Figure::HandoverP99,
        Figure::AckedLost,
        Figure::CostMonth,
    ];

    /// For people, at most 18 columns wide with its unit apart.
    pub fn name(self) -> &'static str {
        match self {
            Figure::SustainableRate => "highest rate",
            Figure::ProduceP50 => "produce p50",
            Figure::ProduceP99 => "produce p99",
            Figure::ProduceP999 => "produce p99.9",
            Figure::EndToEndP50 => "end-to-end p50",
            Figure::EndToEndP99 => "end-to-end p99",
            Figure::EndToEndP999 => "end-to-end p99.9",
            Figure::PublishDelayP99 => "publish delay p99",
            Figure::Throughput => "throughput",
            Figure::Errors => "records refused",
            Figure::Unavailable => "unavailable",
            Figure::LagMax => "largest lag",
            Figure::Recovery => "longest recovery",
            Figure::JobRecovery => "job recovery",
            Figure::JobLagMax => "job's largest lag",
            Figure::Checkpoints => "checkpoints",
            Figure::CheckpointsFailed => "checkpoints failed",
            Figure::CheckpointP50 => "checkpoint p50",
            Figure::CheckpointP99 => "checkpoint p99",
            Figure::CheckpointMax => "checkpoint max",
            Figure::FreshnessP50 => "freshness p50",
            Figure::FreshnessP99 => "freshness p99",
            Figure::RebalancePause => "rebalance pause",
            Figure::CatchUp => "catch-up",
            Figure::SinkDuplicates => "in sinks twice",
            Figure::HandoverP99 => "handover p99",
            Figure::AckedLost => "acked, then lost",
            Figure::CostMonth => "cost a month",
        }
    }

    /// The unit of its numbers.
    pub fn unit(self) -> Unit {
        match self {
            Figure::ProduceP50
            | Figure::ProduceP99
            | Figure::ProduceP999
            | Figure::EndToEndP50
            | Figure::EndToEndP99
            | Figure::EndToEndP999
            | Figure::PublishDelayP99
            | Figure::CheckpointP50
            | Figure::CheckpointP99
            | Figure::CheckpointMax
            | Figure::FreshnessP50
            | Figure::FreshnessP99
            | Figure::HandoverP99 => Unit::Millis,
            Figure::SustainableRate => Unit::RecordsPerSecond,
            Figure::Throughput => Unit::MegabytesPerSecond,
            Figure::Errors | Figure::LagMax | Figure::JobLagMax | Figure::SinkDuplicates | Figure::AckedLost => {
                Unit::Records
            }
            Figure::Checkpoints | Figure::CheckpointsFailed => Unit::Count,
            Figure::Unavailable | Figure::Recovery | Figure::JobRecovery | Figure::RebalancePause | Figure::CatchUp => {
                Unit::Seconds
            }
            Figure::CostMonth => Unit::Usd,
        }
    }

    /// Which way is better.
    pub fn better(self) -> Better {
        match self {
            Figure::SustainableRate | Figure::Throughput | Figure::Checkpoints => Better::Higher,
            _ => Better::Lower,
        }
    }

    /// What it rests on.
    pub fn rests(self) -> Rests {
        match self {
            Figure::AckedLost | Figure::SinkDuplicates => Rests::OnCounting,
            Figure::CostMonth => Rests::OnPrices,
            Figure::SustainableRate
            | Figure::ProduceP50
            | Figure::ProduceP99
            | Figure::ProduceP999
            | Figure::EndToEndP50
            | Figure::EndToEndP99
            | Figure::EndToEndP999
            | Figure::PublishDelayP99
            | Figure::Throughput
            | Figure::Errors
            | Figure::Unavailable
            | Figure::LagMax
            | Figure::Recovery
            | Figure::JobRecovery
            | Figure::JobLagMax
            | Figure::Checkpoints
            | Figure::CheckpointsFailed
            | Figure::CheckpointP50
            | Figure::CheckpointP99
            | Figure::CheckpointMax
            | Figure::FreshnessP50
            | Figure::FreshnessP99
            | Figure::RebalancePause
            | Figure::CatchUp
            | Figure::HandoverP99 => Rests::OnProfiles,
        }
    }

    /// Its value in one run; none where the run has none.
    pub fn of(self, run: &Measurement) -> Option<f64> {
        match self {
            Figure::SustainableRate => run.sustainable_rate.map(|rate| rate as f64),
            Figure::ProduceP50 => percentile(run, Distribution::Produce, 0.5),
            Figure::ProduceP99 => percentile(run, Distribution::Produce, 0.99),
            Figure::ProduceP999 => percentile(run, Distribution::Produce, 0.999),
            Figure::EndToEndP50 => percentile(run, Distribution::EndToEnd, 0.5),
            Figure::EndToEndP99 => percentile(run, Distribution::EndToEnd, 0.99),
            Figure::EndToEndP999 => percentile(run, Distribution::EndToEnd, 0.999),
            Figure::PublishDelayP99 => percentile(run, Distribution::PublishDelay, 0.99),
            Figure::Checkpoints => run.checkpoints_failed.map(|_| run.latencies(Distribution::Checkpoint).len() as f64),
            Figure::CheckpointsFailed => run.checkpoints_failed.map(|failed| failed as f64),
            Figure::CheckpointP50 => percentile(run, Distribution::Checkpoint, 0.5),
            Figure::CheckpointP99 => percentile(run, Distribution::Checkpoint, 0.99),
            Figure::CheckpointMax => percentile(run, Distribution::Checkpoint, 1.0),
            Figure::FreshnessP50 => percentile(run, Distribution::Freshness, 0.5),
            Figure::JobLagMax => {
                let lags = run.seconds.iter().map(|second| second.job_lag as f64);
                run.checkpoints_failed.and_then(|_| lags.reduce(f64::max))
            }
            Figure::FreshnessP99 => percentile(run, Distribution::Freshness, 0.99),
            Figure::RebalancePause => run.rebalance_pause.map(|pause| pause.as_secs_f64()),
            Figure::CatchUp => longest(run.catch_ups.iter().copied()),
            Figure::SinkDuplicates => run.sink_duplicates.map(|twice| twice as f64),
            Figure::HandoverP99 => percentile(run, Distribution::Handover, 0.99),
            Figure::Throughput => throughput(run),
            Figure::Errors => Some(run.seconds.iter().map(|second| second.errors).sum::<u64>() as f64),
            Figure::Unavailable => unavailable(run),
            Figure::LagMax => run.seconds.iter().map(|second| second.lag as f64).reduce(f64::max),
            Figure::Recovery => longest(run.recoveries.iter().map(|recovery| recovery.total())),
            Figure::JobRecovery => longest(run.job_recoveries.iter().map(|recovery| recovery.total())),
            Figure::AckedLost => Some(run.acked_lost as f64),
            Figure::CostMonth => (!run.usage.monthly.is_empty())
                .then(|| run.usage.monthly.iter().map(|line| line.cost).sum::<wavetank_models::cloud::price::PicoUsd>())
                .map(|total| total.as_usd_f64()),
        }
    }
}

fn percentile(run: &Measurement, of: Distribution, quantile: f64) -> Option<f64> {
    let all = run.latencies(of);
    (!all.is_empty()).then(|| all.value_at_quantile(quantile) as f64 / 1e6)
}

fn throughput(run: &Measurement) -> Option<f64> {
    let bytes: u64 = run.seconds.iter().map(|second| second.published_bytes).sum();
    (run.duration > Nanos::ZERO).then(|| bytes as f64 / 1e6 / run.duration.as_secs_f64())
}

fn unavailable(run: &Measurement) -> Option<f64> {
    let down = |(index, second): (usize, &super::measurement::Second)| {
        f64::from(run.partitions.saturating_sub(second.available)) * run.second_width(index).as_secs_f64()
    };
    (run.partitions > 0).then(|| run.seconds.iter().enumerate().map(down).sum::<f64>() / f64::from(run.partitions))
}

/// The longest; none when there is none, or one did not end.
fn longest(totals: impl Iterator<Item = Option<Nanos>>) -> Option<f64> {
    let all: Option<Vec<Nanos>> = totals.collect();
    all?.into_iter().max().map(|total| total.as_secs_f64())
}

/// How far a figure that rests on such a profile can be off, as a share of it.
pub fn uncertainty(grade: Grade) -> f64 {
    match grade {
        Grade::Measured => 0.10,
        Grade::Partial => 0.25,
        Grade::Assumed => 0.50,
    }
}

/// Why no platform wins a figure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "reason", rename_all = "kebab-case")]
pub enum Unclear {
    /// A single seed has no interval.
    OneSeed,
    /// There is nothing to compare with.
    OnePlatform,
    /// A platform has no value, or not in every run.
    Missing {
        /// Its place among the platforms.
        platform: usize,
    },
    /// All platforms have the same value in every run.
    Same,
    /// The interval of the best overlaps with another's.
    Overlap {
        /// The platform with the better mean.
        best: usize,
        /// The other.
        other: usize,
    },
    /// The means are too close for what the calibration can tell.
    WithinUncertainty {
        /// The platform with the better mean.
        best: usize,
        /// The other.
        other: usize,
        /// By what share of the larger they differ.
        difference: f64,
        /// By what they would have to.
        uncertainty: f64,
    },
}

/// What can be said of a figure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "kebab-case")]
pub enum Verdict {
    /// One platform is better than every other.
    Winner {
        /// Its place among the platforms.
        platform: usize,
    },
    /// None can be named.
    NoClearWinner {
        /// Why.
        why: Unclear,
    },
}

impl Verdict {
    /// The winner's place, if one is named.
    pub fn winner(&self) -> Option<usize> {
        match self {
            Verdict::Winner { platform } => Some(*platform),
            Verdict::NoClearWinner { .. } => None,
        }
    }

    /// Judges a figure by each platform's estimate and its uncertainty (a share; see [`uncertainty`]).
    pub fn judge(better: Better, cells: &[Option<Estimate>], uncertainties: &[f64]) -> Verdict {
        match why_not(better, cells, uncertainties) {
            Ok(platform) => Verdict::Winner { platform },
            Err(why) => Verdict::NoClearWinner { why },
        }
    }
}

fn why_not(better: Better, cells: &[Option<Estimate>], uncertainties: &[f64]) -> Result<usize, Unclear> {
    if cells.len() < 2 {
        return Err(Unclear::OnePlatform);
    }
    let known = |(platform, cell): (usize, &Option<Estimate>)| match cell {
        Some(estimate) if estimate.missing() == 0 => Ok(estimate.clone()),
        _ => Err(Unclear::Missing { platform }),
    };
    let cells: Vec<Estimate> = cells.iter().enumerate().map(known).collect::<Result<_, _>>()?;
    if cells.iter().any(|cell| cell.half_width.is_none()) {
        return Err(Unclear::OneSeed);
    }
    if cells.iter().all(|cell| cell.mean == cells[0].mean && cell.half_width == Some(0.0)) {
        return Err(Unclear::Same);
    }
    let better_than = |a: f64, b: f64| if better == Better::Lower { a < b } else { a > b };
    // The first of several equal ones: it will not win anyway.
    let best = (1..cells.len()).fold(0, |best, i| if better_than(cells[i].mean, cells[best].mean) { i } else { best });
    let others = || (0..cells.len()).filter(|other| *other != best);
    if let Some(other) = others().find(|other| cells[best].overlaps(&cells[*other])) {
        return Err(Unclear::Overlap { best, other });
    }
    for other in others() {
        let (a, b) = (cells[best].mean.abs(), cells[other].mean.abs());
        let difference = (cells[best].mean - cells[other].mean).abs() / a.max(b);
        let uncertainty = uncertainties[best].max(uncertainties[other]);
        if difference <= uncertainty {
            let difference = super::interval::rounded(difference);
            return Err(Unclear::WithinUncertainty { best, other, difference, uncertainty });
        }
    }
    Ok(best)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(mean: f64, half: f64) -> Option<Estimate> {
        Some(Estimate { mean, half_width: Some(half), values: vec![Some(mean); 3] })
    }

    fn lower(cells: &[Option<Estimate>], uncertainty: f64) -> Verdict {
        Verdict::judge(Better::Lower, cells, &vec![uncertainty; cells.len()])
    }

    fn why(verdict: Verdict) -> Unclear {
        match verdict {
            Verdict::NoClearWinner { why } => why,
            Verdict::Winner { platform } => panic!("{platform} won"),
        }
    }

    #[test]
    fn a_winner_is_clear_of_every_other() {
        let cells = [cell(10.0, 1.0), cell(5.0, 1.0), cell(20.0, 1.0)];
        assert_eq!(lower(&cells, 0.25).winner(), Some(1));
        assert_eq!(Verdict::judge(Better::Higher, &cells, &[0.25; 3]).winner(), Some(2));
    }

    #[test]
    fn overlapping_intervals_have_no_winner() {
        let cells = [cell(10.0, 3.0), cell(5.0, 2.0), cell(20.0, 1.0)];
        assert_eq!(why(lower(&cells, 0.1)), Unclear::Overlap { best: 1, other: 0 });
    }

    #[test]
    fn a_difference_within_the_calibration_has_no_winner() {
        let cells = [cell(10.0, 0.1), cell(8.0, 0.1)];
        let within = Unclear::WithinUncertainty { best: 1, other: 0, difference: 0.2, uncertainty: 0.25 };
        assert_eq!(why(lower(&cells, 0.25)), within);
        assert_eq!(lower(&cells, 0.10).winner(), Some(1));
        // The worse of the two grades counts.
        assert_eq!(Verdict::judge(Better::Lower, &cells, &[0.25, 0.1]).winner(), None);
    }

    #[test]
    fn one_seed_one_platform_and_missing_values_have_no_winner() {
        let single = |mean| Some(Estimate { mean, half_width: None, values: vec![Some(mean)] });
        assert_eq!(why(lower(&[single(1.0), single(9.0)], 0.1)), Unclear::OneSeed);
        assert_eq!(why(lower(&[cell(1.0, 0.1)], 0.1)), Unclear::OnePlatform);
        assert_eq!(why(lower(&[cell(1.0, 0.1), None], 0.1)), Unclear::Missing { platform: 1 });
        let partly = Some(Estimate { mean: 1.0, half_width: Some(0.1), values: vec![Some(1.0), None, Some(1.0)] });
        assert_eq!(why(lower(&[partly, cell(9.0, 0.1)], 0.1)), Unclear::Missing { platform: 0 });
        assert_eq!(why(lower(&[cell(0.0, 0.0), cell(0.0, 0.0)], 0.0)), Unclear::Same);
    }

    #[test]
    fn nothing_lost_against_something_lost_is_clear() {
        assert_eq!(lower(&[cell(40.0, 5.0), cell(0.0, 0.0)], 0.0).winner(), Some(1));
    }
}
