//! What becomes of one request: the full lattice
//! {applied or not} x {ok, 503, 500, timeout, reset, answered late} x {a duplicate applied later, or not}.
//!
//! Two rows do not exist, and do not compile: *ok but not applied* and *answered late but not applied*. S3 answers a
//! write with 200 only after it is durable and visible ("strong read-after-write consistency", AWS, December 2020), so
//! a store that did so would not be S3 but a broken one. Every failure comes in both kinds: an error of transport tells
//! nothing about the effect, and a 5xx may be made by a front end after the back end has done the work.
//!
//! *Not applied* with a duplicate is the **late request**: nothing has happened when the caller hears of the failure,
//! and then it happens (a retry of the SDK's, a fast-retry copy, a packet train out of a dead owner's socket buffer).
//! *Applied* with a duplicate happens twice: a PUT again over a newer PUT, a DELETE again over a re-created object, a
//! PUT again after a DELETE (`facts/automq.md` 2.1; AutoMQ #2524: such a PUT resurrects a deleted WAL object).
//! Either lands within [`LATE_BOUND`] of the request or never.
//!
//! For reads, *applied* and *duplicate* change nothing but the bill.

use serde::{Deserialize, Serialize};
use thiserror::Error;
use wavetank_sim::{Nanos, Stream};

/// Nothing of a request takes effect later than this after it was submitted.
pub const LATE_BOUND: Nanos = Nanos::secs(30);

/// How a request ends for its caller, and whether it takes effect at its own instant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Outcome {
    /// Applied, and the answer is true: a success, or the operation's own error.
    #[default]
    Ok,
    /// Applied at its own instant; the true answer comes `by` later than it would.
    AnsweredLate {
        /// Added to the answer's time.
        by: Nanos,
    },
    /// 503 SlowDown.
    SlowDown {
        /// Whether it takes effect.
        applied: bool,
    },
    /// 500 InternalError.
    InternalError {
        /// Whether it takes effect.
        applied: bool,
    },
    /// The client hears nothing and gives up.
    TimedOut {
        /// Whether it takes effect (before or after the client gives up).
        applied: bool,
        /// When the client gives up, counted from the request.
        timeout: Nanos,
    },
    /// The connection breaks where the answer would have come.
    Reset {
        /// Whether it takes effect.
        applied: bool,
    },
}

/// The answers of the lattice, without their times.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AnswerKind {
    /// In time and true.
    Ok,
    /// True, and late.
    AnsweredLate,
    /// 503.
    SlowDown,
    /// 500.
    InternalError,
    /// None within the client's time.
    TimedOut,
    /// Connection reset.
    Reset,
}

impl AnswerKind {
    /// All six.
    pub const ALL: [AnswerKind; 6] = [
        AnswerKind::Ok,
        AnswerKind::AnsweredLate,
        AnswerKind::SlowDown,
        AnswerKind::InternalError,
        AnswerKind::TimedOut,
        AnswerKind::Reset,
    ];
}

/// A place in the lattice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LatticePoint {
    /// Takes effect at its own instant.
    pub applied: bool,
    /// What the caller hears.
    pub answer: AnswerKind,
    /// Takes effect (again) later.
    pub duplicate: bool,
}

/// How many places the grid has, the illegal ones included.
pub const LATTICE_POINTS: usize = 24;

impl LatticePoint {
    /// The whole grid, the four illegal points included.
    pub fn grid() -> impl Iterator<Item = LatticePoint> {
        [false, true].into_iter().flat_map(|applied| {
            AnswerKind::ALL.into_iter().flat_map(move |answer| {
                [false, true].into_iter().map(move |duplicate| LatticePoint { applied, answer, duplicate })
            })
        })
    }

    /// Its number in [`LatticePoint::grid`].
    pub fn index(self) -> usize {
        (usize::from(self.applied) * AnswerKind::ALL.len() + self.answer as usize) * 2 + usize::from(self.duplicate)
    }

    /// Whether S3 can do this at all.
    pub fn is_legal(self) -> bool {
        self.applied || !matches!(self.answer, AnswerKind::Ok | AnswerKind::AnsweredLate)
    }
}

/// The times that a point of the lattice leaves open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FateTimes {
    /// For [`Outcome::AnsweredLate`].
    pub late_by: Nanos,
    /// For [`Outcome::TimedOut`].
    pub timeout: Nanos,
    /// For the duplicate: from the request.
    pub duplicate_after: Nanos,
}

/// What becomes of one request. The default: nothing out of the ordinary.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ObjectFate {
    /// How it ends, and whether it takes effect at its own instant.
    pub outcome: Outcome,
    /// When a (further) copy takes effect, counted from the request, not above [`LATE_BOUND`]. Never before the
    /// request's own instant: an earlier time is taken as just after that.
    pub duplicate: Option<Nanos>,
}

/// A fate that is not in the lattice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum FateError {
    /// The duplicate would land beyond the bound.
    #[error("a duplicate {0:?} after its request: it lands within {LATE_BOUND:?} or never")]
    DuplicateTooLate(Nanos),
}

impl ObjectFate {
    /// Nothing out of the ordinary.
    pub const OK: ObjectFate = ObjectFate { outcome: Outcome::Ok, duplicate: None };

    /// The fate at a point of the lattice; `None` where S3 never is.
    pub fn at(point: LatticePoint, times: FateTimes) -> Option<ObjectFate> {
        let applied = point.applied;
        let outcome = match (point.answer, applied) {
            (AnswerKind::Ok | AnswerKind::AnsweredLate, false) => return None,
            (AnswerKind::Ok, true) => Outcome::Ok,
            (AnswerKind::AnsweredLate, true) => Outcome::AnsweredLate { by: times.late_by },
            (AnswerKind::SlowDown, _) => Outcome::SlowDown { applied },
            (AnswerKind::InternalError, _) => Outcome::InternalError { applied },
            (AnswerKind::TimedOut, _) => Outcome::TimedOut { applied, timeout: times.timeout },
            (AnswerKind::Reset, _) => Outcome::Reset { applied },
        };
        Some(ObjectFate { outcome, duplicate: point.duplicate.then_some(times.duplicate_after) })
    }

    /// Every legal point, once, with these times.
    pub fn all(times: FateTimes) -> impl Iterator<Item = ObjectFate> {
        LatticePoint::grid().filter_map(move |point| ObjectFate::at(point, times))
    }

    /// Its place in the lattice.
    pub fn point(self) -> LatticePoint {
        let (answer, applied) = match self.outcome {
            Outcome::Ok => (AnswerKind::Ok, true),
            Outcome::AnsweredLate { .. } => (AnswerKind::AnsweredLate, true),
            Outcome::SlowDown { applied } => (AnswerKind::SlowDown, applied),
            Outcome::InternalError { applied } => (AnswerKind::InternalError, applied),
            Outcome::TimedOut { applied, .. } => (AnswerKind::TimedOut, applied),
            Outcome::Reset { applied } => (AnswerKind::Reset, applied),
        };
        LatticePoint { applied, answer, duplicate: self.duplicate.is_some() }
    }

    /// Whether it takes effect at its own instant.
    pub fn applied(self) -> bool {
        self.point().applied
    }

    /// Checks a fate that came from outside, a plan file for one.
    ///
    /// # Errors
    /// When its duplicate is beyond the bound.
    pub fn validate(self) -> Result<ObjectFate, FateError> {
        match self.duplicate {
            Some(after) if after > LATE_BOUND => Err(FateError::DuplicateTooLate(after)),
            Some(_) | None => Ok(self),
        }
    }

    /// Draws one. Takes the same number of words from the stream whatever the rates are.
    pub fn draw(rates: &ObjectRates, stream: &mut Stream) -> ObjectFate {
        const PPM: u64 = 1_000_000;
        let mut roll = stream.range(0..PPM);
        let applied = stream.range(0..PPM) < u64::from(rates.applied_ppm);
        let duplicated = stream.range(0..PPM) < u64::from(rates.duplicate_ppm);
        let late_by = stream.nanos(Nanos::ZERO..rates.late_by_max + Nanos(1));
        let duplicate_after = stream.nanos(Nanos::ZERO..rates.duplicate_after_max.min(LATE_BOUND) + Nanos(1));
        let mut takes = |ppm: u32| {
            let hit = roll < u64::from(ppm);
            roll = if hit { PPM } else { roll - u64::from(ppm) };
            hit
        };
        let outcome = if takes(rates.slow_down_ppm) {
            Outcome::SlowDown { applied }
        } else if takes(rates.internal_error_ppm) {
            Outcome::InternalError { applied }
        } else if takes(rates.timed_out_ppm) {
            Outcome::TimedOut { applied, timeout: rates.timeout }
        } else if takes(rates.reset_ppm) {
            Outcome::Reset { applied }
        } else if takes(rates.answered_late_ppm) {
            Outcome::AnsweredLate { by: late_by }
        } else {
            Outcome::Ok
        };
        ObjectFate { outcome, duplicate: duplicated.then_some(duplicate_after) }
    }
}

/// How often what happens to a request. Ratios in parts per million; the default is all zero.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ObjectRates {
    /// 503 SlowDown.
    pub slow_down_ppm: u32,
    /// 500 InternalError.
    pub internal_error_ppm: u32,
    /// No answer within `timeout`.
    pub timed_out_ppm: u32,
    /// Connection reset.
    pub reset_ppm: u32,
    /// The true answer late.
    pub answered_late_ppm: u32,
    /// Of the four failures: how many take effect at their instant all the same.
    pub applied_ppm: u32,
    /// Of all requests: how many take effect once more (or late), after up to `duplicate_after_max`.
    pub duplicate_ppm: u32,
    /// When the client of a timed out request gives up. Default 10 s (AutoMQ's attempt timeout).
    pub timeout: Nanos,
    /// Late answers are late by up to this. Default 10 s.
    pub late_by_max: Nanos,
    /// Duplicates land up to this after the request. Default [`LATE_BOUND`], and never more.
    pub duplicate_after_max: Nanos,
}

impl Default for ObjectRates {
    fn default() -> Self {
        ObjectRates {
            slow_down_ppm: 0,
            internal_error_ppm: 0,
            timed_out_ppm: 0,
            reset_ppm: 0,
            answered_late_ppm: 0,
            applied_ppm: 0,
            duplicate_ppm: 0,
            timeout: Nanos::secs(10),
            late_by_max: Nanos::secs(10),
            duplicate_after_max: LATE_BOUND,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wavetank_sim::{Choices, Domain};

    const TIMES: FateTimes =
        FateTimes { late_by: Nanos::secs(1), timeout: Nanos::secs(2), duplicate_after: Nanos::secs(3) };

    #[test]
    fn the_lattice_has_twenty_legal_points_and_each_knows_its_place() {
        let grid: Vec<_> = LatticePoint::grid().collect();
        assert_eq!(grid.len(), LATTICE_POINTS);
        for (i, point) in grid.iter().enumerate() {
            assert_eq!(point.index(), i);
            assert_eq!(ObjectFate::at(*point, TIMES).map(ObjectFate::point), point.is_legal().then_some(*point));
        }
        assert_eq!(ObjectFate::all(TIMES).count(), 20);
    }

    #[test]
    fn every_legal_point_is_drawn_and_zero_rates_draw_nothing() {
        let rates = ObjectRates {
            slow_down_ppm: 150_000,
            internal_error_ppm: 150_000,
            timed_out_ppm: 150_000,
            reset_ppm: 150_000,
            answered_late_ppm: 150_000,
            applied_ppm: 500_000,
            duplicate_ppm: 300_000,
            ..ObjectRates::default()
        };
        let mut stream = Choices::new(1).stream(Domain::new("test/fate"), 0);
        let mut calm = stream.clone();
        let mut seen = [0u32; LATTICE_POINTS];
        for _ in 0..10_000 {
            let fate = ObjectFate::draw(&rates, &mut stream).validate().unwrap();
            seen[fate.point().index()] += 1;
            assert_eq!(ObjectFate::draw(&ObjectRates::default(), &mut calm), ObjectFate::OK);
        }
        for point in LatticePoint::grid() {
            assert_eq!(seen[point.index()] > 0, point.is_legal(), "{point:?}");
        }
        assert_eq!(stream.bits64(), calm.bits64(), "rates shifted the stream");
    }

    #[test]
    fn a_duplicate_beyond_the_bound_is_refused() {
        let late = ObjectFate { duplicate: Some(LATE_BOUND + Nanos(1)), ..ObjectFate::OK };
        assert_eq!(late.validate(), Err(FateError::DuplicateTooLate(LATE_BOUND + Nanos(1))));
        assert!(ObjectFate { duplicate: Some(LATE_BOUND), ..ObjectFate::OK }.validate().is_ok());
    }
}
