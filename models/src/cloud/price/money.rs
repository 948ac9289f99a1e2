//! Money in whole pico-dollars.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign};

/// US dollars in units of 10^-12. Up to 3.4 * 10^26 dollars.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PicoUsd(pub u128);

/// Pico-dollars in a dollar.
const PER_USD: u128 = 1_000_000_000_000;

impl PicoUsd {
    /// Nothing.
    pub const ZERO: PicoUsd = PicoUsd(0);

    /// A price as written in a file, to the nearest pico-dollar; none for what is no price (below zero, not finite, a
    /// million dollars or more).
    pub fn from_usd(usd: f64) -> Option<PicoUsd> {
        (usd.is_finite() && (0.0..1e6).contains(&usd)).then(|| PicoUsd(libm::round(usd * 1e12) as u128))
    }

    /// This price for `quantity / per` of its unit, rounded up: a bill never forgets a fraction.
    ///
    /// # Panics
    /// When `per` is zero, or the product exceeds 128 bits (10^26 dollars: a bug of ours).
    pub fn times(self, quantity: u128, per: u128) -> PicoUsd {
        assert!(per > 0, "a price for nothing");
        PicoUsd(self.0.checked_mul(quantity).expect("a bill beyond 10^26 dollars").div_ceil(per))
    }

    /// In dollars: for reports.
    pub fn as_usd_f64(self) -> f64 {
        self.0 as f64 / 1e12
    }
}

impl Add for PicoUsd {
    type Output = PicoUsd;
    fn add(self, rhs: PicoUsd) -> PicoUsd {
        PicoUsd(self.0.checked_add(rhs.0).expect("a bill beyond 10^26 dollars"))
    }
}

impl AddAssign for PicoUsd {
    fn add_assign(&mut self, rhs: PicoUsd) {
        *self = *self + rhs;
    }
}

impl Sum for PicoUsd {
    fn sum<I: Iterator<Item = PicoUsd>>(iter: I) -> PicoUsd {
        iter.fold(PicoUsd::ZERO, Add::add)
    }
}

impl fmt::Display for PicoUsd {
    /// Dollars with six digits after the point, rounded down.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}.{:06}", self.0 / PER_USD, self.0 % PER_USD / 1_000_000))
    }
}
