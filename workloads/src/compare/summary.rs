//! Platforms over seeds: everything that a report shows, as plain data.
//!
//! A [`Summary`] is what goes into `results.json`, and all that the terminal and the HTML report read. Times are whole
//! nanoseconds, other numbers have nine significant digits.

use super::expected::{Expected, ExpectedOverRuns};
use super::figure::{Figure, Rests, Unit, Verdict, uncertainty};
use super::interval::{CONFIDENCE, Estimate, rounded};
use super::measurement::{
    CostPart, Distribution, EndedPromise, Evaluations, FaultMark, JobRecovery, Measurement, Nanoseconds, Platform,
    Recovery, histogram,
};
use super::measurement::{MonthlyCost, ProfileUse};
use serde::{Deserialize, Serialize};
use wavetank_models::cloud::price::{PicoUsd, PriceSource};
use wavetank_models::cloud::profile::Grade;
use wavetank_sim::{Nanos, SortedMap, SortedSet};

/// The version of `results.json`. It rises when a key changes its meaning or goes.
pub const SCHEMA_VERSION: u32 = 1;

/// What was run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subject {
    /// The scenario's name.
    pub scenario: String,
    /// What it does, in a sentence or two.
    pub about: String,
    /// The load's name: OpenMessaging result files carry it.
    pub workload: String,
    /// The command that gives these results again.
    pub command: String,
}

/// A published figure beside ours.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Published {
    /// The row of the calibration tables.
    pub id: String,
    /// What it is.
    pub what: String,
    /// Its unit.
    pub unit: String,
    /// As published.
    pub published: f64,
    /// As simulated.
    pub ours: f64,
}

impl Published {
    /// How far ours is off, as a share of the published; none where that is zero.
    pub fn error(&self) -> Option<f64> {
        (self.published != 0.0).then(|| (self.ours - self.published) / self.published)
    }
}

/// One run, by which its figures can be checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// Its seed.
    pub seed: u64,
    /// Its digest.
    pub digest: String,
    /// Events dispatched.
    pub events: u64,
    /// Virtual time measured.
    pub duration_ns: Nanoseconds,
}

/// A latency's distribution over all seeds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Curve {
    /// What it is of.
    pub of: Distribution,
    /// How many values.
    pub count: u64,
    /// Their mean.
    pub mean_ns: f64,
    /// The largest.
    pub max_ns: Nanoseconds,
    /// Quantile (0 to 1) and value, at ten steps for each halving of the distance to 1.
    pub points: Vec<(f64, Nanoseconds)>,
}

/// A platform second by second: each a mean over the seeds that ran so long.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Series {
    /// Records acknowledged in each second.
    pub published: Vec<f64>,
    /// Their bytes.
    pub published_bytes: Vec<f64>,
    /// Records consumed.
    pub consumed: Vec<f64>,
    /// Records given up on.
    pub errors: Vec<f64>,
    /// Records written but not yet consumed.
    pub lag: Vec<f64>,
    /// The largest lag of any seed.
    pub lag_max: Vec<u64>,
    /// Share of partitions that could be written.
    pub available: Vec<f64>,
    /// The smallest share of any seed.
    pub available_min: Vec<f64>,
    /// 99th percentile of produce latency, in nanoseconds; none where no seed acknowledged anything.
    pub produce_p99_ns: Vec<Option<f64>>,
    /// The same of end-to-end latency.
    pub end_to_end_p99_ns: Vec<Option<f64>>,
}

/// Recoveries from one kind of fault, over all runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stages {
    /// What happened.
    pub what: String,
    /// How many ended with the service back.
    pub recovered: u64,
    /// How many were still out when their run ended. Their stages are not in the means.
    pub unfinished: u64,
    /// In how many the broker was back before anybody else had its log: its own start is what was waited for.
    pub by_itself: u64,
    /// Mean length of each stage in seconds, with its name; none where the platform has no such stage.
    pub stages: Vec<(String, Option<f64>)>,
    /// Mean of the whole, in seconds; none when none ended.
    pub total_s: Option<f64>,
}

/// A promise that ended, and in how many runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PromiseCount {
    /// Which and why.
    #[serde(flatten)]
    pub promise: EndedPromise,
    /// In how many runs.
    pub runs: u64,
}

/// A line of the monthly bill: mean over the seeds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CostRow {
    /// What it is for.
    pub part: CostPart,
    /// The product's name in the price book.
    pub product: String,
    /// What of it is counted.
    pub meter: String,
    /// US dollars a month.
    pub usd: f64,
    /// Where the price comes from.
    pub source: String,
    /// The price is assumed, not read anywhere.
    pub assumed: bool,
}

/// What a platform costs a month.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Cost {
    /// The price book.
    pub book: String,
    /// Line by line.
    pub lines: Vec<CostRow>,
    /// What it assumes.
    pub assumptions: Vec<String>,
}

impl Cost {
    /// One part's sum.
    pub fn part(&self, part: CostPart) -> f64 {
        self.lines.iter().filter(|line| line.part == part).fold(0.0, |sum, line| sum + line.usd)
    }

    /// The whole.
    pub fn total(&self) -> f64 {
        // A sum of no floats would be -0.
        self.lines.iter().fold(0.0, |sum, line| sum + line.usd)
    }

    /// How far it can be trusted: measured where no price is assumed, partial where less than half of it is.
    pub fn grade(&self) -> Grade {
        let assumed: f64 = self.lines.iter().filter(|line| line.assumed).map(|line| line.usd).sum();
        match assumed {
            0.0 => Grade::Measured,
            part if part < self.total() / 2.0 => Grade::Partial,
            _ => Grade::Assumed,
        }
    }
}

/// A profile that figures rest on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Basis {
    /// The profile's name.
    pub profile: String,
    /// How far it can be trusted.
    #[serde(with = "grade")]
    pub grade: Grade,
    /// What rests on it.
    pub role: String,
}

/// One platform over all seeds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlatformSummary {
    /// What it is.
    #[serde(flatten)]
    pub platform: Platform,
    /// Its runs, in the order of seeds.
    pub runs: Vec<Run>,
    /// The worst grade among its profiles: what its timed figures are judged by.
    #[serde(with = "grade")]
    pub grade: Grade,
    /// Its profiles.
    pub profiles: Vec<Basis>,
    /// Its latencies; those that nothing was recorded of are left out.
    pub curves: Vec<Curve>,
    /// Second by second.
    pub series: Series,
    /// What was broken when: means over the seeds.
    pub faults: Vec<FaultMark>,
    /// How the platform came back.
    pub recoveries: Vec<Stages>,
    /// How pipelines came back.
    pub job_recoveries: Vec<Stages>,
    /// Acknowledged records lost, in all runs.
    pub acked_lost: u64,
    /// Promises that ended.
    pub ended_promises: Vec<PromiseCount>,
    /// What was expected, and what became of it.
    pub expectations: Vec<ExpectedOverRuns>,
    /// Requests by kind: mean over the runs.
    pub requests: SortedMap<String, f64>,
    /// Bytes by path: mean over the runs.
    pub bytes: SortedMap<String, f64>,
    /// What it costs a month.
    pub cost: Cost,
    /// Invariants, over all runs.
    pub invariants: SortedMap<String, Evaluations>,
    /// Situations reached, over all runs.
    pub situations: SortedMap<String, u64>,
}

impl PlatformSummary {
    /// One of its latencies.
    pub fn curve(&self, of: Distribution) -> Option<&Curve> {
        self.curves.iter().find(|curve| curve.of == of)
    }

    /// Violations of invariants, in all runs.
    pub fn violations(&self) -> u64 {
        self.invariants.values().map(|evaluations| evaluations.violated).sum()
    }
}

/// One figure across the platforms.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FigureRow {
    /// Which.
    pub figure: Figure,
    /// The unit of its numbers.
    pub unit: Unit,
    /// A cell for each platform, in their order; none where no run has a value.
    pub cells: Vec<Option<Estimate>>,
    /// What can be said.
    pub verdict: Verdict,
}

/// Everything that a report shows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// What was run.
    #[serde(flatten)]
    pub subject: Subject,
    /// The seeds, in order.
    pub seeds: Vec<u64>,
    /// How sure the intervals are.
    pub confidence: f64,
    /// How they were made.
    pub interval_method: String,
    /// The platforms, in the order of the measurements.
    pub platforms: Vec<PlatformSummary>,
    /// Headline figures; those that no run has a value of are left out.
    pub figures: Vec<FigureRow>,
    /// Published figures beside ours.
    pub published: Vec<Published>,
}

/// The measurements do not make a comparison.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SummaryError {
    /// There are none.
    #[error("nothing was measured: a comparison needs one run at least")]
    Nothing,
    /// A run is there twice.
    #[error("platform `{platform}` was measured twice with seed {seed}: once is right")]
    Twice {
        /// The platform.
        platform: String,
        /// The seed.
        seed: u64,
    },
    /// A platform lacks a seed that another has.
    #[error("platform `{platform}` was not measured with seed {seed}, as others were: every platform needs every seed")]
    Lacks {
        /// The platform.
        platform: String,
        /// The seed.
        seed: u64,
    },
}

impl Summary {
    /// From the measurements, in any order of seeds; platforms keep the order in which they come first.
    ///
    /// # Errors
    /// When the platforms were not measured with the same seeds, each once.
    pub fn of(subject: Subject, runs: &[Measurement], published: Vec<Published>) -> Result<Summary, SummaryError> {
        let (seeds, groups) = grouped(runs)?;
        let platforms: Vec<PlatformSummary> = groups.iter().map(|runs| platform(runs)).collect();
        let figures = Figure::ALL.into_iter().filter_map(|figure| figure_row(figure, &groups, &platforms)).collect();
        Ok(Summary {
            schema_version: SCHEMA_VERSION,
            subject,
            seeds,
            confidence: CONFIDENCE,
            interval_method: "Student's t over seeds, two-sided".into(),
            platforms,
            figures,
            published,
        })
    }

    /// One figure's row; none where no run has a value.
    pub fn figure(&self, figure: Figure) -> Option<&FigureRow> {
        self.figures.iter().find(|row| row.figure == figure)
    }
}

type Groups<'a> = Vec<Vec<&'a Measurement>>;

/// The runs by platform, each group in the order of seeds. Report writers that need the runs themselves use it too.
///
/// # Errors
/// When the platforms were not measured with the same seeds, each once.
pub fn grouped(runs: &[Measurement]) -> Result<(Vec<u64>, Groups<'_>), SummaryError> {
    let mut groups: Groups<'_> = Vec::new();
    for run in runs {
        match groups.iter_mut().find(|group| group[0].platform.name == run.platform.name) {
            Some(group) => group.push(run),
            None => groups.push(vec![run]),
        }
    }
    let seeds: SortedSet<u64> = runs.iter().map(|run| run.seed).collect();
    if seeds.is_empty() {
        return Err(SummaryError::Nothing);
    }
    for group in &mut groups {
        group.sort_by_key(|run| run.seed);
        let platform = &group[0].platform.name;
        if let Some(pair) = group.windows(2).find(|pair| pair[0].seed == pair[1].seed) {
            return Err(SummaryError::Twice { platform: platform.clone(), seed: pair[0].seed });
        }
        if let Some(&seed) = seeds.iter().find(|seed| group.iter().all(|run| run.seed != **seed)) {
            return Err(SummaryError::Lacks { platform: platform.clone(), seed });
        }
    }
    Ok((seeds.into_iter().collect(), groups))
}

fn figure_row(figure: Figure, groups: &Groups<'_>, platforms: &[PlatformSummary]) -> Option<FigureRow> {
    let cell = |group: &Vec<&Measurement>| Estimate::of(group.iter().map(|run| figure.of(run)));
    let cells: Vec<Option<Estimate>> = groups.iter().map(cell).collect();
    let uncertainties: Vec<f64> = platforms
        .iter()
        .map(|platform| match figure.rests() {
            Rests::OnProfiles => uncertainty(platform.grade),
            Rests::OnPrices => uncertainty(platform.cost.grade()),
            Rests::OnCounting => 0.0,
        })
        .collect();
    let verdict = Verdict::judge(figure.better(), &cells, &uncertainties);
    cells.iter().any(Option::is_some).then(|| FigureRow { figure, unit: figure.unit(), cells, verdict })
}

fn platform(runs: &[&Measurement]) -> PlatformSummary {
    let first = runs[0];
    let profiles: SortedSet<&ProfileUse> = runs.iter().flat_map(|run| &run.profiles).collect();
    PlatformSummary {
        platform: first.platform.clone(),
        runs: runs.iter().map(|run| identity(run)).collect(),
        // Who says nothing of what the figures rest on has assumed it.
        grade: profiles.iter().map(|profile| profile.grade).min().unwrap_or(Grade::Assumed),
        profiles: profiles
            .into_iter()
            .map(|profile| Basis { profile: profile.name.clone(), grade: profile.grade, role: profile.role.clone() })
            .collect(),
        curves: Distribution::ALL.into_iter().filter_map(|of| curve(runs, of)).collect(),
        series: series(runs),
        faults: faults(runs),
        recoveries: stages(
            &Recovery::STAGES,
            runs.iter().flat_map(|run| &run.recoveries).map(|r| One {
                what: &r.what,
                by_itself: r.by_itself,
                stages: r.stages().to_vec(),
                total: r.total(),
            }),
        ),
        job_recoveries: stages(
            &JobRecovery::STAGES,
            runs.iter().flat_map(|run| &run.job_recoveries).map(|r| One {
                what: &r.what,
                by_itself: false,
                stages: r.stages().to_vec(),
                total: r.total(),
            }),
        ),
        acked_lost: runs.iter().map(|run| run.acked_lost).sum(),
        ended_promises: ended_promises(runs),
        expectations: expectations(runs),
        requests: mean_by_name(runs, |run| &run.usage.requests),
        bytes: mean_by_name(runs, |run| &run.usage.bytes),
        cost: cost(runs),
        invariants: invariants(runs),
        situations: situations(runs),
    }
}

fn identity(run: &Measurement) -> Run {
    Run { seed: run.seed, digest: run.digest.to_string(), events: run.events, duration_ns: run.duration.into() }
}

fn curve(runs: &[&Measurement], of: Distribution) -> Option<Curve> {
    let mut all = histogram();
    for run in runs {
        all.add(run.latencies(of)).expect("of one size");
    }
    let points = || all.iter_quantiles(10).map(|step| (rounded(step.quantile_iterated_to()), step.value_iterated_to()));
    (!all.is_empty()).then(|| Curve {
        of,
        count: all.len(),
        mean_ns: rounded(all.mean()),
        max_ns: Nanoseconds(all.max()),
        points: points().map(|(quantile, value)| (quantile, Nanoseconds(value.min(all.max())))).collect(),
    })
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, count) = values.fold((0.0, 0u32), |(sum, count), value| (sum + value, count + 1));
    (count > 0).then(|| rounded(sum / f64::from(count)))
}

fn series(runs: &[&Measurement]) -> Series {
    let longest = runs.iter().map(|run| run.seconds.len()).max().unwrap_or(0);
    let mut out = Series::default();
    for index in 0..longest {
        let here = || runs.iter().filter_map(move |run| Some((*run, run.seconds.get(index)?)));
        // A last second that was cut short is shown as a rate.
        let rate = |of: fn(&super::measurement::Second) -> u64| {
            let width = |run: &Measurement| run.second_width(index).as_secs_f64();
            mean(here().map(|(run, second)| of(second) as f64 / width(run))).unwrap_or(0.0)
        };
        let share = |run: &Measurement, available: u32| match run.partitions {
            0 => 1.0,
            partitions => rounded(f64::from(available) / f64::from(partitions)),
        };
        let p99 = |of: fn(&super::measurement::Second) -> Option<Nanos>| {
            mean(here().filter_map(|(_, second)| of(second)).map(|time| time.0 as f64))
        };
        out.published.push(rate(|second| second.published));
        out.published_bytes.push(rate(|second| second.published_bytes));
        out.consumed.push(rate(|second| second.consumed));
        out.errors.push(rate(|second| second.errors));
        out.lag.push(mean(here().map(|(_, second)| second.lag as f64)).unwrap_or(0.0));
        out.lag_max.push(here().map(|(_, second)| second.lag).max().unwrap_or(0));
        out.available.push(mean(here().map(|(run, second)| share(run, second.available))).unwrap_or(1.0));
        out.available_min.push(here().map(|(run, second)| share(run, second.available)).fold(1.0, f64::min));
        out.produce_p99_ns.push(p99(|second| second.produce_p99));
        out.end_to_end_p99_ns.push(p99(|second| second.end_to_end_p99));
    }
    out
}

/// The n-th fault of one label is the same fault in every run.
fn faults(runs: &[&Measurement]) -> Vec<FaultMark> {
    let mut found: Vec<(String, usize, Vec<&FaultMark>)> = Vec::new();
    for run in runs {
        for (index, mark) in run.faults.iter().enumerate() {
            let nth = run.faults[..index].iter().filter(|earlier| earlier.label == mark.label).count();
            match found.iter_mut().find(|(label, n, _)| *label == mark.label && *n == nth) {
                Some((_, _, marks)) => marks.push(mark),
                None => found.push((mark.label.clone(), nth, vec![mark])),
            }
        }
    }
    let mean = |marks: &[&FaultMark], of: fn(&FaultMark) -> u64| {
        let sum: u128 = marks.iter().map(|mark| u128::from(of(mark))).sum();
        Nanoseconds((sum / marks.len() as u128) as u64)
    };
    let mut marks: Vec<FaultMark> = found
        .into_iter()
        .map(|(label, _, m)| FaultMark { label, start: mean(&m, |m| m.start.0), end: mean(&m, |m| m.end.0) })
        .collect();
    marks.sort_by_key(|mark| (mark.start, mark.end));
    marks
}

/// One recovery of a platform or of a pipeline.
struct One<'a> {
    what: &'a str,
    by_itself: bool,
    stages: Vec<Option<Nanos>>,
    total: Option<Nanos>,
}

fn stages<'a>(names: &[&str], recoveries: impl Iterator<Item = One<'a>>) -> Vec<Stages> {
    let mut groups: Vec<(&str, Vec<One<'a>>)> = Vec::new();
    for one in recoveries {
        match groups.iter_mut().find(|(what, _)| *what == one.what) {
            Some((_, group)) => group.push(one),
            None => groups.push((one.what, vec![one])),
        }
    }
    let summarised = |(what, all): (&str, Vec<One<'a>>)| {
        let ended: Vec<(&[_], Nanos)> = all.iter().filter_map(|one| Some((&*one.stages, one.total?))).collect();
        // A stage that only some of the recoveries had counts as zero in the others: so the stages add up to the total.
        let stage = |index: usize| {
            let any = ended.iter().any(|(stages, _)| stages[index].is_some());
            let seconds = ended.iter().map(|(stages, _)| stages[index].unwrap_or(Nanos::ZERO).as_secs_f64());
            any.then(|| mean(seconds)).flatten()
        };
        Stages {
            what: what.into(),
            recovered: ended.len() as u64,
            unfinished: (all.len() - ended.len()) as u64,
            by_itself: all.iter().filter(|one| one.total.is_some() && one.by_itself).count() as u64,
            stages: names.iter().enumerate().map(|(index, name)| (String::from(*name), stage(index))).collect(),
            total_s: mean(ended.iter().map(|(_, total)| total.as_secs_f64())),
        }
    };
    groups.into_iter().map(summarised).collect()
}

fn ended_promises(runs: &[&Measurement]) -> Vec<PromiseCount> {
    let mut counts: SortedMap<&EndedPromise, u64> = SortedMap::new();
    for run in runs {
        for promise in run.ended_promises.iter().collect::<SortedSet<_>>() {
            *counts.entry(promise).or_default() += 1;
        }
    }
    counts.into_iter().map(|(promise, runs)| PromiseCount { promise: promise.clone(), runs }).collect()
}

/// All runs of a platform have the same expectations, in the same order.
fn expectations(runs: &[&Measurement]) -> Vec<ExpectedOverRuns> {
    let place = |place| runs.iter().filter_map(|run| run.expectations.get(place)).collect::<Vec<&Expected>>();
    (0..runs[0].expectations.len()).map(|at| Expected::over(&place(at))).collect()
}

fn mean_by_name(runs: &[&Measurement], of: fn(&Measurement) -> &SortedMap<String, u64>) -> SortedMap<String, f64> {
    let names: SortedSet<&String> = runs.iter().flat_map(|run| of(run).keys()).collect();
    let value = |name: &String| mean(runs.iter().map(|run| of(run).get(name).copied().unwrap_or(0) as f64));
    names.into_iter().map(|name| (name.clone(), value(name).unwrap_or(0.0))).collect()
}

fn cost(runs: &[&Measurement]) -> Cost {
    let mut lines: Vec<(&MonthlyCost, PicoUsd)> = Vec::new();
    for line in runs.iter().flat_map(|run| &run.usage.monthly) {
        let same =
            |other: &MonthlyCost| (other.part, &other.product, other.meter) == (line.part, &line.product, line.meter);
        match lines.iter_mut().find(|(other, _)| same(other)) {
            Some((_, sum)) => *sum += line.cost,
            None => lines.push((line, line.cost)),
        }
    }
    lines.sort_by(|(a, _), (b, _)| (a.part, &a.product, a.meter).cmp(&(b.part, &b.product, b.meter)));
    let mut assumptions: Vec<String> = Vec::new();
    for assumption in runs.iter().flat_map(|run| &run.usage.assumptions) {
        if !assumptions.contains(assumption) {
            assumptions.push(assumption.clone());
        }
    }
    let row = |(line, sum): (&MonthlyCost, PicoUsd)| CostRow {
        part: line.part,
        product: line.product.clone(),
        meter: line.meter.name().into(),
        usd: rounded(sum.as_usd_f64() / runs.len() as f64),
        source: line.source.to_string(),
        assumed: matches!(line.source, PriceSource::Assumed(_)),
    };
    Cost { book: runs[0].usage.book.clone(), lines: lines.into_iter().map(row).collect(), assumptions }
}

fn invariants(runs: &[&Measurement]) -> SortedMap<String, Evaluations> {
    let mut out: SortedMap<String, Evaluations> = SortedMap::new();
    for (name, evaluations) in runs.iter().flat_map(|run| &run.invariants) {
        let sum = out.entry(name.clone()).or_default();
        sum.evaluated += evaluations.evaluated;
        sum.violated += evaluations.violated;
    }
    out
}

fn situations(runs: &[&Measurement]) -> SortedMap<String, u64> {
    let mut out: SortedMap<String, u64> = SortedMap::new();
    for (name, count) in runs.iter().flat_map(|run| &run.situations) {
        *out.entry(name.clone()).or_default() += count;
    }
    out
}

/// Grades by their names.
mod grade {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};
    use wavetank_models::cloud::profile::Grade;

    pub(super) fn serialize<S: Serializer>(grade: &Grade, out: S) -> Result<S::Ok, S::Error> {
        out.collect_str(grade)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(input: D) -> Result<Grade, D::Error> {
        let name = String::deserialize(input)?;
        [Grade::Assumed, Grade::Partial, Grade::Measured]
            .into_iter()
            .find(|grade| grade.to_string() == name)
            .ok_or_else(|| D::Error::custom(format!("unknown grade `{name}`: there is assumed, partial, measured")))
    }
}
