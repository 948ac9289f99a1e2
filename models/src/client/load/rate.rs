//! Rates over time, as whole numbers: a curve says how many records are due by a time, and when the n-th is.

use crate::client::settings::SettingsError;
use wavetank_sim::Nanos;

/// How a rate gets from one point to the next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reach {
    /// It stays what it was until the point, and jumps.
    #[default]
    Step,
    /// In a straight line.
    Linear,
}

/// A rate from a time on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RatePoint {
    /// Since the load's start.
    pub at: Nanos,
    /// Records per second.
    pub records_per_sec: u64,
    /// How it is reached from the point before.
    pub reach: Reach,
}

/// Rates over time; the last one goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RateSchedule(pub Vec<RatePoint>);

/// A straight line is so many steps: good to 1/64 of its height.
const RAMP_STEPS: u64 = 64;
/// Records are counted in units of 10^-18: a rate in 10^-9 records a second, times nanoseconds.
const RECORD: u128 = 1_000_000_000_000_000_000;
/// A share of a rate is in units of 10^-9.
pub const WHOLE_SHARE: u64 = 1_000_000_000;

impl RateSchedule {
    /// One rate for ever.
    pub fn constant(records_per_sec: u64) -> RateSchedule {
        RateSchedule(vec![RatePoint { at: Nanos::ZERO, records_per_sec, reach: Reach::Step }])
    }

    /// A base rate with one burst.
    pub fn burst(base: u64, high: u64, from: Nanos, to: Nanos) -> RateSchedule {
        let point = |at, records_per_sec| RatePoint { at, records_per_sec, reach: Reach::Step };
        RateSchedule(vec![point(Nanos::ZERO, base), point(from, high), point(to, base)])
    }

    /// Whether it makes sense.
    ///
    /// # Errors
    /// What does not.
    pub fn validate(&self) -> Result<(), SettingsError> {
        let refuse = |value: String, why| Err(SettingsError { key: "load.rate", value, why });
        match self.0.first() {
            None => return refuse("[]".into(), "at least one point"),
            Some(first) if first.at != Nanos::ZERO => {
                return refuse(format!("{:?}", first.at), "the first point must be at 0");
            }
            Some(_) => {}
        }
        for pair in self.0.windows(2) {
            if pair[1].at <= pair[0].at {
                return refuse(format!("{:?}", pair[1].at), "points must come in the order of time");
            }
        }
        // So that a curve's numbers fit: a share of it in 10^-9 records a second has 64 bits.
        match self.0.iter().find(|point| point.records_per_sec > 10_000_000_000) {
            Some(point) => refuse(point.records_per_sec.to_string(), "at most 10^10 records per second"),
            None => Ok(()),
        }
    }

    /// As steps: from when, and how many records per second.
    fn steps(&self) -> Vec<(Nanos, u64)> {
        let mut steps: Vec<(Nanos, u64)> = Vec::new();
        for point in &self.0 {
            if let (Reach::Linear, Some((from, base))) = (point.reach, steps.last().copied()) {
                let span = (point.at - from).0;
                for step in 1..RAMP_STEPS {
                    let at = Nanos(from.0 + span / RAMP_STEPS * step);
                    let rise = i128::from(point.records_per_sec) - i128::from(base);
                    let rate = i128::from(base) + rise * i128::from(step) / i128::from(RAMP_STEPS);
                    steps.push((at, rate as u64));
                }
            }
            steps.push((point.at, point.records_per_sec));
        }
        steps
    }
}

struct Segment {
    from: Nanos,
    /// 10^-9 records a second.
    rate: u64,
    /// 10^-18 records before it.
    before: u128,
}

/// A share of a schedule's rate: the due times of one stream of records, numbered from 0.
pub struct Curve {
    segments: Vec<Segment>,
    /// 10^-18 records that are due already at the start, less than one: so that streams do not beat in unison.
    phase: u128,
    share: u64,
    stop: Nanos,
}

impl Curve {
    /// That share of the rate, from `start` until `stop`; `phase` is the part of the first record's interval, in 10^-9,
    /// that is over at the start.
    pub fn new(schedule: &RateSchedule, share: u64, phase: u64, start: Nanos, stop: Nanos) -> Curve {
        let mut segments: Vec<Segment> = Vec::new();
        for (at, records_per_sec) in schedule.steps() {
            let from = start.saturating_add(at);
            let before = segments.last().map_or(0, |last| last.before + last.over(from));
            segments.push(Segment { from, rate: rate_of(records_per_sec, share), before });
        }
        let phase = u128::from(phase.min(WHOLE_SHARE - 1)) * 1_000_000_000;
        Curve { segments, phase, share, stop }
    }

    /// From that time on the whole rate is another one, whatever the schedule says of later; what was due by then stays due.
    pub fn change(&mut self, at: Nanos, records_per_sec: u64) {
        self.segments.retain(|segment| segment.from < at);
        let before = self.segments.last().map_or(0, |last| last.before + last.over(at));
        self.segments.push(Segment { from: at, rate: rate_of(records_per_sec, self.share), before });
    }

    /// How many records are due by that time.
    pub fn count(&self, at: Nanos) -> u64 {
        let at = at.min(self.stop);
        let place = self.segments.partition_point(|segment| segment.from <= at);
        let Some(segment) = place.checked_sub(1).map(|place| &self.segments[place]) else { return 0 };
        ((segment.before + segment.over(at) + self.phase) / RECORD) as u64
    }

    /// When a record is due; never, if its time is not before the stop.
    pub fn due(&self, record: u64) -> Nanos {
        let wanted = (u128::from(record) + 1) * RECORD - self.phase;
        let place = self.segments.partition_point(|segment| segment.before < wanted);
        let Some(segment) = place.checked_sub(1).map(|place| &self.segments[place]) else { return Nanos::MAX };
        if segment.rate == 0 {
            return Nanos::MAX;
        }
        let after = (wanted - segment.before).div_ceil(u128::from(segment.rate));
        let due = u64::try_from(after).map_or(Nanos::MAX, |after| segment.from.saturating_add(Nanos(after)));
        if due <= self.stop { due } else { Nanos::MAX }
    }
}

/// A share of a rate, in 10^-9 records a second.
fn rate_of(records_per_sec: u64, share: u64) -> u64 {
    let rate = u128::from(records_per_sec) * u128::from(share) * 1_000_000_000 / u128::from(WHOLE_SHARE);
    u64::try_from(rate).expect("a validated rate")
}

impl Segment {
    /// 10^-18 records from its beginning to a time.
    fn over(&self, at: Nanos) -> u128 {
        u128::from(self.rate) * u128::from(at.0 - self.from.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn schedule() -> impl Strategy<Value = RateSchedule> {
        let point = (1u64..5_000_000_000, 0u64..100_000, any::<bool>());
        prop::collection::vec(point, 1..5).prop_map(|points| {
            let mut at = 0;
            let point = |(n, (span, records_per_sec, linear)): (usize, (u64, u64, bool))| {
                at += if n == 0 { 0 } else { span };
                let reach = if linear { Reach::Linear } else { Reach::Step };
                RatePoint { at: Nanos(at), records_per_sec, reach }
            };
            RateSchedule(points.into_iter().enumerate().map(point).collect())
        })
    }

    proptest! {
        /// The two questions have one answer: a record is due at the first instant at which it is counted.
        #[test]
        fn a_record_is_due_when_it_is_first_counted(
            schedule in schedule(),
            share in 1u64..=WHOLE_SHARE,
            phase in 0u64..WHOLE_SHARE,
            record in 0u64..100_000,
        ) {
            prop_assert_eq!(schedule.validate(), Ok(()));
            let curve = Curve::new(&schedule, share, phase, Nanos::millis(7), Nanos::secs(30));
            let due = curve.due(record);
            if due < Nanos::MAX {
                prop_assert!(curve.count(due) > record);
                prop_assert!(curve.count(Nanos(due.0 - 1)) <= record);
            } else {
                prop_assert!(curve.count(Nanos::secs(30)) <= record);
            }
            prop_assert!(curve.due(record + 1) >= due);
        }
    }

    #[test]
    fn a_ramp_and_a_burst_have_the_records_that_their_areas_say() {
        let at = |at, records_per_sec, reach| RatePoint { at: Nanos::secs(at), records_per_sec, reach };
        let ramp = RateSchedule(vec![at(0, 0, Reach::Step), at(10, 1000, Reach::Linear)]);
        let curve = Curve::new(&ramp, WHOLE_SHARE, 0, Nanos::ZERO, Nanos::MAX);
        let half = curve.count(Nanos::secs(10));
        assert!((4_800..=5_000).contains(&half), "{half}");
        let burst = RateSchedule::burst(10, 1000, Nanos::secs(5), Nanos::secs(6));
        let curve = Curve::new(&burst, WHOLE_SHARE / 2, 0, Nanos::ZERO, Nanos::MAX);
        assert_eq!([4, 5, 6, 7].map(|s| curve.count(Nanos::secs(s))), [20, 25, 525, 530]);
    }

    #[test]
    fn a_rate_that_is_changed_leaves_what_was_due_and_goes_on_from_there() {
        let at = |at, records_per_sec| RatePoint { at: Nanos::secs(at), records_per_sec, reach: Reach::Step };
        let schedule = RateSchedule(vec![at(0, 100), at(20, 7)]);
        let mut curve = Curve::new(&schedule, WHOLE_SHARE / 2, 0, Nanos::ZERO, Nanos::MAX);
        curve.change(Nanos::secs(10), 1_000);
        assert_eq!([5, 10, 11, 30].map(|s| curve.count(Nanos::secs(s))), [250, 500, 1_000, 10_500]);
        curve.change(Nanos::secs(11), 0);
        assert_eq!([10, 11, 12].map(|s| curve.count(Nanos::secs(s))), [500, 1_000, 1_000]);
        // Before its start nothing is due, and a change then is the beginning.
        let mut curve = Curve::new(&schedule, WHOLE_SHARE, 0, Nanos::secs(5), Nanos::MAX);
        curve.change(Nanos::secs(1), 10);
        assert_eq!([1, 2].map(|s| curve.count(Nanos::secs(s))), [0, 10]);
    }

    #[test]
    fn schedules_without_sense_are_refused() {
        let point = |at| RatePoint { at: Nanos::secs(at), records_per_sec: 1, reach: Reach::Step };
        for bad in [vec![], vec![point(1)], vec![point(0), point(0)]] {
            assert_eq!(RateSchedule(bad).validate().unwrap_err().key, "load.rate");
        }
        assert!(RateSchedule::constant(10_000_000_001).validate().is_err());
    }
}
