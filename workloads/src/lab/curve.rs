//! When a failure became inevitable: its run, exactly as it was up to a moment, and drawn anew from there on.
//!
//! For a moment `t` the case is run again and again; up to `t` each run is the failure's own, to the last event, and after it
//! [another seed's](wavetank_sim::Reseed). The share of runs that end in the same failure (the same
//! [fingerprint](Fingerprint)) is an estimate of P(the failure | what had happened until `t`). Where it jumps, something was
//! decided: look there.
//!
//! **What is drawn anew**: latencies, the order of what happens at one instant, what processes draw (backoffs, keys, load),
//! fates of single operations that are drawn at rates, what survives a power loss. **What stays**: the case. The storm's faults
//! come when they come, and fates that the case lists meet the operations that it names. So the curve says how much was chance
//! *beside the storm*. What was on its way at `t` keeps the latency and the place that it had drawn.
//!
//! Half of the points are spread over the run; each other one halves a gap: in turns that in which the failure becomes inevitable
//! and that over which the share changes most. The result is a function of the failure and the plan, whatever runs at once.

use super::artifact::{Failure, outcome};
use super::fingerprint::Fingerprint;
use super::story::{Beat, Choice, Collector, Story};
use crate::scenario::{Listeners, RunOptions};
use crate::storm::Operations;
use std::sync::{Arc, Mutex, PoisonError};
use wavetank_sim::{Choices, Domain, Nanos, Reseed, run_many};
use wavetank_traces::artifact::Outcome;

/// From this share on a failure counts as inevitable.
pub const INEVITABLE: f64 = 0.95;
/// Gaps are not halved below this, nor below this part of the run: other gaps have something to tell, too.
const GAP_MIN: Nanos = Nanos::millis(1);
const GAPS_MAX: u64 = 1_000;
/// Nor where the share changes by less than this: that is chance.
const CHANGE_MIN: f64 = 0.05;
/// 97.5 % of the standard normal distribution lie below.
const Z: f64 = 1.959_963_984_540_054;

/// How a curve is to be measured.
#[derive(Clone, Copy, Debug)]
pub struct CurvePlan {
    /// Runs a point.
    pub samples: u32,
    /// At most so many points; at least 2.
    pub points: u32,
    /// Runs at once.
    pub jobs: usize,
}

/// What came of runs that were drawn anew from a moment on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Point {
    /// From when on.
    pub at: Nanos,
    /// How many runs.
    pub samples: u32,
    /// How many of them failed in the same way.
    pub same: u32,
    /// How many failed in another way.
    pub other: u32,
}

/// How likely a failure was, moment by moment.
#[derive(Clone, Debug)]
pub struct Curve {
    /// What it is.
    pub fingerprint: Fingerprint,
    /// In order of time.
    pub points: Vec<Point>,
    /// When it showed.
    pub shown: Nanos,
    /// Faults of the case in order of time: in words, from when to when.
    pub faults: Vec<(String, Nanos, Nanos)>,
    /// Fates that the case lists, which stay; those at rates are drawn anew.
    pub fates: usize,
    /// What of its story matters most, in order of time.
    pub beats: Vec<Beat>,
}

/// Why a failure has no curve.
#[derive(Debug, thiserror::Error)]
pub enum CannotExplain {
    /// It held.
    #[error("it cannot be explained: nothing is wrong in it")]
    NoFailure,
    /// It did not come again.
    #[error("it cannot be explained: run again, {now}, and it was a {then}; `wavetank replay` tells more")]
    NotReproduced {
        /// What it was.
        then: Fingerprint,
        /// What came of it.
        now: String,
    },
}

impl Point {
    /// Of its runs, how many failed in the same way.
    pub fn share(&self) -> f64 {
        f64::from(self.same) / f64::from(self.samples.max(1))
    }

    /// The 95 % interval of that share (Wilson's: it holds near 0 and 1, where shares of few runs are).
    pub fn interval(&self) -> (f64, f64) {
        let (n, p) = (f64::from(self.samples.max(1)), self.share());
        let scale = 1.0 + Z * Z / n;
        let middle = (p + Z * Z / (2.0 * n)) / scale;
        let half = Z / scale * (p * (1.0 - p) / n + Z * Z / (4.0 * n * n)).sqrt();
        ((middle - half).max(0.0), (middle + half).min(1.0))
    }
}

impl Curve {
    /// From when on it was inevitable, and the last moment looked at before: `None` when it was from the start.
    pub fn inevitable(&self) -> (Option<Nanos>, Nanos) {
        inevitable(&self.points, self.shown)
    }

    /// The beats from one point to the next; those before the first belong to it, too.
    pub fn beats_of(&self, place: usize) -> impl Iterator<Item = &Beat> {
        let from = if place == 0 { Nanos::ZERO } else { self.points[place].at };
        let to = self.points.get(place + 1).map_or(Nanos::MAX, |next| next.at);
        self.beats.iter().filter(move |beat| (from..to).contains(&beat.from))
    }
}

fn inevitable(points: &[Point], shown: Nanos) -> (Option<Nanos>, Nanos) {
    let open = points.iter().rposition(|point| point.share() < INEVITABLE);
    let from = points.get(open.map_or(0, |place| place + 1)).map_or(shown, |point| point.at);
    (open.map(|place| points[place].at), from)
}

/// Measures the curve of a failure; `each` is told how many runs are done, and of how many at most.
///
/// # Errors
/// When the failure does not come again as it was.
pub fn curve(failure: &Failure, plan: &CurvePlan, mut each: impl FnMut(u64, u64)) -> Result<Curve, CannotExplain> {
    let fingerprint = Fingerprint::of(&failure.outcome).ok_or(CannotExplain::NoFailure)?;
    let (shown, beats) = replayed(failure, &fingerprint, plan)?;
    let points = plan.points.max(2);
    let spread = points.div_ceil(2);
    let all = u64::from(points) * u64::from(plan.samples);
    let mut measured = Measured { failure, fingerprint: &fingerprint, plan, points: Vec::new(), done: 0 };
    let first = (0..spread).map(|n| Nanos(shown.0 / u64::from(spread) * u64::from(n)));
    measured.add(first.collect(), |done| each(done, all));
    while measured.points.len() < points as usize
        && let Some(at) = measured.next(shown)
    {
        measured.add(vec![at], |done| each(done, all));
    }
    let points = measured.points;
    let storm = failure.case.storm();
    let faults = storm.entries.iter().map(|entry| (entry.what.to_string(), entry.start, entry.ends()));
    let fates = match &storm.operations {
        Operations::Fates(list) => list.len(),
        Operations::Ordinary | Operations::Rates(_) => 0,
    };
    let mut faults: Vec<(String, Nanos, Nanos)> = faults.collect();
    faults.sort_by_key(|(_, start, end)| (*start, *end));
    Ok(Curve { fingerprint, points, shown, faults, fates, beats })
}

/// Runs it as it was: when it shows, and what of its story matters most.
fn replayed(
    failure: &Failure,
    fingerprint: &Fingerprint,
    plan: &CurvePlan,
) -> Result<(Nanos, Vec<Beat>), CannotExplain> {
    let collector = Arc::new(Mutex::new(Collector::new(&failure.case_as_it_went())));
    let mut listeners = Listeners::default();
    listeners.audience.add(collector.clone());
    let now = outcome(&failure.replay(listeners));
    if Fingerprint::of(&now).as_ref() != Some(fingerprint) {
        let then = fingerprint.clone();
        let now = Fingerprint::of(&now).map_or_else(|| "everything held".into(), |now| format!("it is a {now}"));
        return Err(CannotExplain::NotReproduced { then, now });
    }
    let collected = std::mem::take(&mut *collector.lock().unwrap_or_else(PoisonError::into_inner));
    // A panic has no time of its own.
    let end = match &now {
        Outcome::Ended(ended) => Nanos(ended.end_ns),
        Outcome::Panicked(_) => collected.heard_last(),
    };
    let shown = now.findings().first().map_or(end, |first| Nanos(first.at_ns).min(end));
    let story = Story::new(collected, now.findings(), end);
    let told = story.tell(&Choice::default(), 2 * plan.points as usize, |_| 1).expect("no node is asked for");
    Ok((shown, told.beats))
}

struct Measured<'a> {
    failure: &'a Failure,
    fingerprint: &'a Fingerprint,
    plan: &'a CurvePlan,
    points: Vec<Point>,
    done: u64,
}

impl Measured<'_> {
    /// Measures points.
    fn add(&mut self, moments: Vec<Nanos>, mut each: impl FnMut(u64)) {
        let samples = self.plan.samples;
        let points = moments.iter().map(|at| Point { at: *at, samples, same: 0, other: 0 });
        let first = self.points.len();
        self.points.extend(points);
        let runs = (0..moments.len()).flat_map(|place| (0..samples).map(move |sample| (place, sample)));
        let (failure, fingerprint) = (self.failure, self.fingerprint);
        let run = |(place, sample): &(usize, u32)| {
            let reseed = Reseed { at: moments[*place], seed: fresh_seed(failure.seed, *sample) };
            let options = RunOptions { reseed: Some(reseed), ..failure.options };
            let report = failure.scenario.run_case(failure.seed, &failure.case, &options, Listeners::default());
            Fingerprint::of(&outcome(&Ok(report)))
        };
        let (points, done) = (&mut self.points, &mut self.done);
        run_many(self.plan.jobs, runs, run, |(place, _), ran| {
            let point = &mut points[first + place];
            match ran.unwrap_or_else(|panic| Fingerprint::of(&outcome(&Err(panic)))) {
                Some(now) if now == *fingerprint => point.same += 1,
                Some(_) => point.other += 1,
                None => {}
            }
            *done += 1;
            each(*done);
            true
        });
        self.points.sort_by_key(|point| point.at);
    }

    /// The next moment to look at, if there is a gap that is worth it: in turns the middle of the one in which the failure
    /// becomes inevitable, and of the one over which the share changes most.
    fn next(&self, shown: Nanos) -> Option<Nanos> {
        let ends = self.points.iter().map(|point| (point.at, point.share())).chain([(shown, 1.0)]);
        let ends: Vec<(Nanos, f64)> = ends.collect();
        let is_wide = |(from, to): &(Nanos, Nanos)| *to - *from >= (GAP_MIN * 2).max(shown / GAPS_MAX);
        let (open, from) = inevitable(&self.points, shown);
        let edge = open.map(|open| (open, from)).filter(is_wide);
        let gaps = ends.windows(2).map(|pair| ((pair[0].0, pair[1].0), (pair[1].1 - pair[0].1).abs()));
        let steep = gaps.filter(|(gap, change)| is_wide(gap) && *change >= CHANGE_MIN);
        // The earliest of the steepest.
        let steepest = steep.reduce(|best, gap| if gap.1 > best.1 { gap } else { best }).map(|(gap, _)| gap);
        let (first, second) = if self.points.len().is_multiple_of(2) { (edge, steepest) } else { (steepest, edge) };
        first.or(second).map(|(from, to)| from + (to - from) / 2)
    }
}

/// The seed that the n-th run of each point goes on with.
fn fresh_seed(seed: u64, sample: u32) -> u64 {
    Choices::new(seed).stream(Domain::new("lab/curve"), u64::from(sample)).bits64()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(at: u64, same: u32, samples: u32) -> Point {
        Point { at: Nanos::secs(at), samples, same, other: 0 }
    }

    #[test]
    fn wilson_s_intervals_are_those_of_the_tables() {
        for (same, samples, low, high) in
            [(0, 200, 0.0, 0.0188), (200, 200, 0.9812, 1.0), (10, 20, 0.2993, 0.7007), (1, 10, 0.0179, 0.4042)]
        {
            let (from, to) = point(0, same, samples).interval();
            assert!((from - low).abs() < 1e-4 && (to - high).abs() < 1e-4, "{same} of {samples}: {from} {to}");
        }
    }

    #[test]
    fn it_is_inevitable_from_where_no_later_point_gets_away() {
        let failure = Fingerprint::panicked("x");
        let curve = |points: &[(u64, u32)]| Curve {
            fingerprint: failure.clone(),
            points: points.iter().map(|(at, same)| point(*at, *same, 100)).collect(),
            shown: Nanos::secs(9),
            faults: Vec::new(),
            fates: 0,
            beats: Vec::new(),
        };
        let of = |points: &[(u64, u32)]| curve(points).inevitable();
        assert_eq!(of(&[(0, 10), (2, 97), (4, 90), (6, 95), (8, 100)]), (Some(Nanos::secs(4)), Nanos::secs(6)));
        assert_eq!(of(&[(0, 10), (8, 20)]), (Some(Nanos::secs(8)), Nanos::secs(9)));
        assert_eq!(of(&[(0, 100), (8, 100)]), (None, Nanos::ZERO));
    }
}
