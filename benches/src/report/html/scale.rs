//! Axes: from values to places, and where the ticks go. Logarithms are `libm`'s: the same bits on every machine.

/// A linear axis from zero.
#[derive(Clone, Copy, Debug)]
pub(super) struct Linear {
    pub(super) top: f64,
    pub(super) from: f64,
    pub(super) to: f64,
}

impl Linear {
    /// From zero at place `from` to `top` at place `to`.
    pub(super) fn new(top: f64, from: f64, to: f64) -> Linear {
        Linear { top: if top > 0.0 { top } else { 1.0 }, from, to }
    }

    pub(super) fn place(&self, value: f64) -> f64 {
        self.from + (value / self.top).clamp(0.0, 1.0) * (self.to - self.from)
    }
}

/// The next 1, 2, 2.5 or 5 times a power of ten: where an axis can end.
pub(super) fn nice(value: f64) -> f64 {
    if value <= 0.0 {
        return 1.0;
    }
    let decade =
        (-15..16).map(|power| libm::pow(10.0, f64::from(power))).find(|decade| decade * 10.0 > value).unwrap_or(1e15);
    let steps = [1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0];
    steps.into_iter().map(|step| step * decade).find(|top| *top >= value * 0.999_999).unwrap_or(decade * 10.0)
}

/// A logarithmic axis of time, in nanoseconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Log {
    low: f64,
    high: f64,
    from: f64,
    to: f64,
}

impl Log {
    /// Holds all these values, but none less than a millionth of the highest: those are at the axis' end (a delay of
    /// nothing would stretch it to the nanosecond). Ends at 1, 2 or 5 times a power of ten.
    pub(super) fn holding(low: f64, high: f64, from: f64, to: f64) -> Log {
        let low = low.max(high / 1e6);
        let marks: Vec<f64> = marks().collect();
        let low = marks.iter().rev().find(|mark| **mark <= low.max(1.0) * 1.000_001).copied().unwrap_or(1.0);
        let high = marks.iter().find(|mark| **mark >= high && **mark > low).copied().unwrap_or(low * 10.0);
        Log { low, high, from, to }
    }

    pub(super) fn place(&self, value: f64) -> f64 {
        let share = libm::log10(value.max(1.0) / self.low) / libm::log10(self.high / self.low);
        self.from + share.clamp(0.0, 1.0) * (self.to - self.from)
    }

    /// Values with a tick: powers of ten, or 1, 2 and 5 times them where there is room.
    pub(super) fn ticks(&self) -> Vec<f64> {
        let within: Vec<f64> = marks().filter(|mark| (self.low..=self.high).contains(mark)).collect();
        let fine = within.len() <= 8;
        within.into_iter().filter(|mark| fine || is_decade(*mark)).collect()
    }
}

fn marks() -> impl DoubleEndedIterator<Item = f64> {
    (0..14).flat_map(|power| [1.0, 2.0, 5.0].map(|step| step * 10f64.powi(power)))
}

fn is_decade(value: f64) -> bool {
    (0..14).any(|power| 10f64.powi(power) == value)
}

/// How many nines a quantile has: 0.999 has three.
pub(super) fn nines(quantile: f64) -> f64 {
    if quantile >= 1.0 { f64::INFINITY } else { -libm::log10(1.0 - quantile) }
}

/// The percentile axis: place grows with log10(1 / (1 - quantile)), as HdrHistogram's plots have it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Nines {
    pub(super) most: f64,
    pub(super) from: f64,
    pub(super) to: f64,
}

impl Nines {
    pub(super) fn place(&self, quantile: f64) -> f64 {
        let nines = nines(quantile).min(self.most);
        self.from + (nines / self.most).min(1.0) * (self.to - self.from)
    }

    /// Quantile and label.
    pub(super) fn ticks(&self) -> Vec<(f64, &'static str)> {
        const ALL: [(f64, f64, &str); 8] = [
            (0.0, 0.0, "0"),
            (0.301, 0.5, "50"),
            (1.0, 0.9, "90"),
            (2.0, 0.99, "99"),
            (3.0, 0.999, "99.9"),
            (4.0, 0.9999, "99.99"),
            (5.0, 0.99999, "99.999"),
            (6.0, 0.999999, "99.9999"),
        ];
        ALL.iter()
            .filter(|(nines, ..)| *nines <= self.most + 1e-9)
            .map(|(_, quantile, label)| (*quantile, *label))
            .collect()
    }
}

/// Steps of a timeline in seconds, so that at most so many ticks are there.
pub(super) fn time_step(seconds: f64, most: f64) -> f64 {
    let steps =
        [1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1_800.0, 3_600.0, 7_200.0, 21_600.0];
    steps.into_iter().find(|step| seconds / step <= most).unwrap_or(86_400.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_end_where_people_expect() {
        for (value, top) in [(0.0, 1.0), (0.7, 0.8), (1.0, 1.0), (101.0, 150.0), (204.8, 250.0), (9_999.0, 10_000.0)] {
            assert!((nice(value) - top).abs() < top * 1e-9, "{value}: {}", nice(value));
        }
    }

    #[test]
    fn a_log_axis_holds_its_values_and_has_few_ticks() {
        for (low, high) in [(1.1e6, 3.0e6), (0.5e6, 40e9), (1.0, 3.6e12), (5e6, 5e6)] {
            let axis = Log::holding(low, high, 0.0, 100.0);
            assert!((2..=14).contains(&axis.ticks().len()), "{low} {high}: {:?}", axis.ticks());
            assert!(axis.place(low) >= 0.0 && axis.place(high) <= 100.0 && axis.place(high) >= axis.place(low));
        }
        assert!((Log::holding(1e6, 1e8, 0.0, 100.0).place(1e7) - 50.0).abs() < 1e-9);
    }

    #[test]
    fn every_nine_is_as_wide_as_the_next() {
        let axis = Nines { most: 4.0, from: 0.0, to: 400.0 };
        for (quantile, place) in [(0.0, 0.0), (0.9, 100.0), (0.99, 200.0), (0.999, 300.0), (1.0, 400.0)] {
            assert!((axis.place(quantile) - place).abs() < 1e-6, "{quantile}");
        }
    }
}
