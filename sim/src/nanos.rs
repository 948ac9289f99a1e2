//! Virtual time: whole nanoseconds since the world began.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Div, Mul, Sub};

/// A point in virtual time, or a span of it, in whole nanoseconds.
///
/// One type serves both, as in `u64`: the tank's clock starts at zero, so a point is the span since the start.
/// Integers only: an order of events never depends on a float. 2^64 ns are 584 years; arithmetic that would leave
/// that range panics (a bug of ours), except where a method says that it saturates.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Nanos(pub u64);

impl Nanos {
    /// Reads a number of seconds with at most nine digits after the point: exactly, or not at all.
    pub fn in_seconds(number: &str) -> Option<Nanos> {
        let (whole, part) = number.split_once('.').unwrap_or((number, "0"));
        let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if !is_digits(whole) || !is_digits(part) || part.len() > 9 {
            return None;
        }
        let part: u64 = format!("{part:0<9}").parse().ok()?;
        whole.parse::<u64>().ok()?.checked_mul(1_000_000_000)?.checked_add(part).map(Nanos)
    }

    /// The start of the world; the empty span.
    pub const ZERO: Nanos = Nanos(0);
    /// Later than everything: "never".
    pub const MAX: Nanos = Nanos(u64::MAX);

    /// A span of whole microseconds.
    pub const fn micros(us: u64) -> Nanos {
        Nanos(whole(us, 1_000))
    }

    /// A span of whole milliseconds.
    pub const fn millis(ms: u64) -> Nanos {
        Nanos(whole(ms, 1_000_000))
    }

    /// A span of whole seconds.
    pub const fn secs(s: u64) -> Nanos {
        Nanos(whole(s, 1_000_000_000))
    }

    /// The span, or the point's distance from the start, as seconds: for reports, never for decisions.
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / 1e9
    }

    /// As milliseconds: for reports, never for decisions.
    pub fn as_millis_f64(self) -> f64 {
        self.0 as f64 / 1e6
    }

    /// `self - other`, or zero when `other` is later.
    pub const fn saturating_sub(self, other: Nanos) -> Nanos {
        Nanos(self.0.saturating_sub(other.0))
    }

    /// `self + other`, or [`Nanos::MAX`].
    pub const fn saturating_add(self, other: Nanos) -> Nanos {
        Nanos(self.0.saturating_add(other.0))
    }

    /// The span scaled by the ratio `num / den`, rounded down, saturating. Exact for all inputs.
    ///
    /// # Panics
    /// When `den` is zero.
    pub fn scale(self, num: u64, den: u64) -> Nanos {
        if let Some(narrow) = self.0.checked_mul(num) {
            return Nanos(narrow / den);
        }
        let wide = u128::from(self.0) * u128::from(num) / u128::from(den);
        Nanos(u64::try_from(wide).unwrap_or(u64::MAX))
    }

    /// How long `bytes` take at `bytes_per_sec`, rounded up: a transfer never ends early. Zero rate means "not
    /// limited", and takes no time.
    pub fn transfer(bytes: u64, bytes_per_sec: u64) -> Nanos {
        if bytes_per_sec == 0 {
            return Nanos::ZERO;
        }
        if let Some(narrow) = bytes.checked_mul(1_000_000_000) {
            return Nanos(narrow.div_ceil(bytes_per_sec));
        }
        let wide = (u128::from(bytes) * 1_000_000_000).div_ceil(u128::from(bytes_per_sec));
        Nanos(u64::try_from(wide).unwrap_or(u64::MAX))
    }
}

/// A release build would wrap round silently.
const fn whole(count: u64, nanos_each: u64) -> u64 {
    match count.checked_mul(nanos_each) {
        Some(nanos) => nanos,
        None => panic!("virtual time beyond 584 years"),
    }
}

impl Add for Nanos {
    type Output = Nanos;
    fn add(self, rhs: Nanos) -> Nanos {
        Nanos(self.0.checked_add(rhs.0).expect("virtual time beyond 584 years"))
    }
}

impl AddAssign for Nanos {
    fn add_assign(&mut self, rhs: Nanos) {
        *self = *self + rhs;
    }
}

impl Sub for Nanos {
    type Output = Nanos;
    fn sub(self, rhs: Nanos) -> Nanos {
        Nanos(self.0.checked_sub(rhs.0).expect("a span of virtual time below zero"))
    }
}

impl Mul<u64> for Nanos {
    type Output = Nanos;
    fn mul(self, rhs: u64) -> Nanos {
        Nanos(self.0.checked_mul(rhs).expect("virtual time beyond 584 years"))
    }
}

impl Div<u64> for Nanos {
    type Output = Nanos;
    fn div(self, rhs: u64) -> Nanos {
        Nanos(self.0 / rhs)
    }
}

impl Sum for Nanos {
    fn sum<I: Iterator<Item = Nanos>>(iter: I) -> Nanos {
        iter.fold(Nanos::ZERO, Add::add)
    }
}

impl fmt::Display for Nanos {
    /// Seconds with all nine digits, so that columns of a trace line up and nothing is rounded away.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}.{:09}", self.0 / 1_000_000_000, self.0 % 1_000_000_000))
    }
}

impl fmt::Debug for Nanos {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            u64::MAX => f.write_str("never"),
            ns if ns % 1_000_000_000 == 0 => write!(f, "{}s", ns / 1_000_000_000),
            ns if ns % 1_000_000 == 0 => write!(f, "{}ms", ns / 1_000_000),
            ns if ns % 1_000 == 0 => write!(f, "{}us", ns / 1_000),
            ns => write!(f, "{ns}ns"),
        }
    }
}

impl Serialize for Nanos {
    /// Text for people that loses nothing: seconds with as many digits as it takes, `"1.25 s"`.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let digits = self.to_string();
        serializer.collect_str(&format_args!("{} s", digits.trim_end_matches('0').trim_end_matches('.')))
    }
}

impl<'de> Deserialize<'de> for Nanos {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Nanos, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        let wrong = || de::Error::custom(format!("\"{text}\" is no time: write seconds, as \"1.25 s\""));
        text.strip_suffix('s').and_then(|number| Nanos::in_seconds(number.trim_end())).ok_or_else(wrong)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_time_in_a_file_comes_back_as_it_was(ns: u64) {
            let text = serde_json::to_string(&Nanos(ns)).unwrap();
            prop_assert_eq!(serde_json::from_str::<Nanos>(&text).unwrap(), Nanos(ns));
        }
    }

    #[test]
    fn a_time_in_a_file_is_seconds_and_nothing_else() {
        assert_eq!(serde_json::to_string(&Nanos::millis(1_250)).unwrap(), "\"1.25 s\"");
        assert_eq!(serde_json::to_string(&Nanos::secs(10)).unwrap(), "\"10 s\"");
        assert_eq!(serde_json::to_string(&Nanos::ZERO).unwrap(), "\"0 s\"");
        for bad in ["", "s", "1", "1 ms", "-1 s", "1. s", ".5 s", "1.0000000001 s", "1e3 s", "99999999999 s", "+1 s"] {
            let error = serde_json::from_str::<Nanos>(&format!("\"{bad}\"")).unwrap_err().to_string();
            assert!(error.contains("write seconds"), "{bad}: {error}");
        }
    }

    #[test]
    fn a_transfer_never_ends_early_and_is_exact_where_it_can_be() {
        assert_eq!(Nanos::transfer(1_000_000, 1_000_000), Nanos::secs(1));
        assert_eq!(Nanos::transfer(1, 3_000_000_000), Nanos(1));
        assert_eq!(Nanos::transfer(10, 0), Nanos::ZERO);
        assert_eq!(Nanos::transfer(u64::MAX, 1), Nanos::MAX);
    }

    #[test]
    fn scale_does_not_overflow_in_between() {
        assert_eq!(Nanos(u64::MAX).scale(3, 3), Nanos::MAX);
        assert_eq!(Nanos::secs(9).scale(1, 3), Nanos::secs(3));
        assert_eq!(Nanos(u64::MAX / 2).scale(3, 6), Nanos(u64::MAX / 4));
    }

    #[test]
    fn a_span_beyond_the_range_is_refused_in_every_build() {
        for too_long in [|| Nanos::secs(u64::MAX), || Nanos::secs(1) * u64::MAX, || Nanos::MAX + Nanos(1)] {
            assert!(std::panic::catch_unwind(too_long).is_err());
        }
    }

    #[test]
    fn text_for_people() {
        assert_eq!(Nanos(1_500_000_001).to_string(), "1.500000001");
        assert_eq!(format!("{:?} {:?} {:?}", Nanos::millis(3), Nanos(7), Nanos::MAX), "3ms 7ns never");
    }
}
