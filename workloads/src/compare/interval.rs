//! Mean and confidence interval of one figure over seeds.
//!
//! The interval is Student's: `mean ± t(0.975, n - 1) * s / sqrt(n)`, two-sided, 95 %. A percentile bootstrap was the
//! alternative; with the three to ten seeds that a comparison has, it is known to come out too narrow, and a narrow
//! interval is what names a winner wrongly. **What it supposes:** seeds are independent (they share no random stream) and
//! the means of a figure over seeds are near enough to normal. A figure that jumps between two values over the seeds
//! breaks that; its interval is then wide, which errs on the safe side.

use serde::{Deserialize, Serialize};

/// How sure an interval is to hold the mean.
pub const CONFIDENCE: f64 = 0.95;

/// Student's t at 0.975 for 1 to 30 degrees of freedom.
const T: [f64; 30] = [
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131, 2.120,
    2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
];

/// Student's t at 0.975. Between the rows of the table the smaller number of degrees counts: the interval is never too
/// narrow.
///
/// # Panics
/// With no degree of freedom.
pub fn student_t(degrees: usize) -> f64 {
    match degrees {
        0 => panic!("no interval from one value"),
        1..=30 => T[degrees - 1],
        31..=39 => 2.042,
        40..=59 => 2.021,
        60..=119 => 2.000,
        _ => 1.980,
    }
}

/// One figure of one platform over its seeds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// The mean over the runs that have a value.
    pub mean: f64,
    /// Half the width of the 95 % interval around it; none from a single value.
    pub half_width: Option<f64>,
    /// Each seed's value, in the order of seeds; none where that run has none (a recovery that did not end).
    pub values: Vec<Option<f64>>,
}

impl Estimate {
    /// From each seed's value; none when no run has one. Values are kept to nine significant digits, so that they
    /// survive text.
    pub fn of(values: impl IntoIterator<Item = Option<f64>>) -> Option<Estimate> {
        let values: Vec<Option<f64>> = values.into_iter().map(|value| value.map(rounded)).collect();
        let known: Vec<f64> = values.iter().flatten().copied().collect();
        if known.is_empty() {
            return None;
        }
        let n = known.len() as f64;
        let mean = known.iter().sum::<f64>() / n;
        let half_width = (known.len() > 1).then(|| {
            let squares: f64 = known.iter().map(|value| (value - mean) * (value - mean)).sum();
            // A square root is correctly rounded everywhere (IEEE 754): the same bits on every machine.
            student_t(known.len() - 1) * (squares / (n - 1.0)).sqrt() / n.sqrt()
        });
        Some(Estimate { mean: rounded(mean), half_width: half_width.map(rounded), values })
    }

    /// How many runs have no value.
    pub fn missing(&self) -> usize {
        self.values.iter().filter(|value| value.is_none()).count()
    }

    /// The interval's ends; none from a single value.
    pub fn ends(&self) -> Option<(f64, f64)> {
        self.half_width.map(|half| (self.mean - half, self.mean + half))
    }

    /// Whether the two intervals have a point in common; a touch is one. Not known from a single value: then yes.
    pub fn overlaps(&self, other: &Estimate) -> bool {
        match (self.ends(), other.ends()) {
            (Some((low, high)), Some((other_low, other_high))) => low <= other_high && other_low <= high,
            _ => true,
        }
    }
}

/// To nine significant digits: what is printed is read back to the same bits, and the tenth digit of a simulated
/// latency means nothing.
pub fn rounded(value: f64) -> f64 {
    if value == 0.0 || !value.is_finite() {
        return value + 0.0;
    }
    format!("{value:.8e}").parse().expect("a float's own text is a float")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[f64]) -> Estimate {
        Estimate::of(values.iter().map(|value| Some(*value))).unwrap()
    }

    #[test]
    fn the_interval_is_students() {
        // By hand: mean 12, s = 1.5811388, t(4) = 2.776, half = 2.776 * 1.5811388 / sqrt(5) = 1.9629284.
        let estimate = of(&[10.0, 11.0, 12.0, 13.0, 14.0]);
        assert_eq!(estimate.mean, 12.0);
        assert!((estimate.half_width.unwrap() - 1.962_928_4).abs() < 1e-6, "{estimate:?}");
    }

    #[test]
    fn two_values_have_a_wide_interval_one_has_none_and_none_is_none() {
        assert!((of(&[1.0, 2.0]).half_width.unwrap() - 6.353).abs() < 1e-9);
        assert_eq!(of(&[1.0]).half_width, None);
        assert_eq!(Estimate::of([None, None]), None);
        assert_eq!(Estimate::of([]), None);
    }

    #[test]
    fn a_run_without_a_value_is_told() {
        let estimate = Estimate::of([Some(1.0), None, Some(3.0)]).unwrap();
        assert_eq!((estimate.mean, estimate.missing()), (2.0, 1));
    }

    #[test]
    fn the_table_falls_towards_the_normal_quantile() {
        let all: Vec<f64> = (1..400).map(student_t).collect();
        assert!(all.is_sorted_by(|a, b| a >= b) && all[398] > 1.959);
        assert_eq!((student_t(1), student_t(30), student_t(45)), (12.706, 2.042, 2.021));
    }

    #[test]
    fn intervals_that_touch_overlap() {
        let estimate = |mean, half| Estimate { mean, half_width: half, values: vec![] };
        assert!(estimate(1.0, Some(0.5)).overlaps(&estimate(2.0, Some(0.5))));
        assert!(!estimate(1.0, Some(0.5)).overlaps(&estimate(2.0, Some(0.4))));
        assert!(estimate(1.0, None).overlaps(&estimate(9.0, Some(0.1))));
    }

    #[test]
    fn rounding_survives_text() {
        for value in [0.1 + 0.2, 1.0 / 3.0, 123_456_789_012.0, -0.0, 5e-324, 2.0f64.powi(70)] {
            let kept = rounded(value);
            assert_eq!(kept.to_string().parse::<f64>().unwrap().to_bits(), kept.to_bits(), "{value}");
        }
    }
}
