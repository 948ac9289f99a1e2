//! Latency distributions: a log-normal body, a power-law tail, a maximum.
//!
//! A [`Shape`] is what people publish: the least value, p50, p90, p99, p99.9 and the greatest of about a million draws.
//! There is exactly one distribution of this family through these points, so a shape's *parameters are percentiles*,
//! readable in a data file beside the measured ones:
//!
//! ```text
//!   value
//!    max ┤                                        ────   one in a million and rarer
//!        │                                   ╱
//!  p99.9 ┤                              ╱          Pareto pieces: straight lines of log(value) over log(1 - p)
//!    p99 ┤                       ╱
//!    p90 ┤               ───╱
//!    p50 ┤      ─────                              min + log-normal, through p50 and p90
//!    min ┤──
//!        └────────────────┬──────┬──────┬──────┬──
//!        0               0.9   0.99  0.999  1-1e-6
//! ```
//!
//! At load time the inverse of the distribution function becomes a table: 1,023 steps of equal probability, and 1,024 more
//! for the top 1/1,024, so that p99.9 to p99.9999 have steps of their own. A [`Latency::sample`] is one 64-bit draw
//! and integer arithmetic; [`Latency::quantile`], [`Latency::mean`] and every test read the same table. Only `libm`
//! makes it: the same bits on every platform.
//!
//! [`SizedLatency`] composes two of them: the time to the first byte and the time per MiB of one connection, whose beginning
//! may be slower ([`Ramp`]).
//!
//! **Simpler than reality:** draws are independent. Real slow spells come in runs (a hot partition, a noisy neighbour);
//! those are faults here, injected by a storm. And a distribution has one mode: a cache hit in one request of ten is
//! two distributions, chosen between by who asks.

use std::sync::Arc;
use wavetank_sim::{Nanos, Stream, normal_quantile};

/// Steps of equal probability; the last is resolved by [`Table::fine`].
const STEPS: usize = 1 << 10;
/// Share of draws above which the value is [`Shape::max`]: one in a million.
const MAX_SHARE: f64 = 1e-6;
/// Bytes in a MiB.
const MIB: u64 = 1 << 20;

/// How long an operation takes: a distribution to draw from. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Latency(Kind);

#[derive(Clone, Debug)]
enum Kind {
    /// Always the same.
    Constant(Nanos),
    /// Drawn from the table.
    Table(Arc<Table>),
}

/// The inverse distribution function, tabulated. Values in nanoseconds, never falling.
#[derive(Debug, PartialEq, Eq)]
struct Table {
    /// Values at p = i/1024; the last is at 1023/1024.
    coarse: [u64; STEPS],
    /// Values at p = 1023/1024 + i/1024².
    fine: [u64; STEPS + 1],
}

/// A distribution's parameters: the points it goes through.
///
/// Strictly rising, all above zero; [`Shape::check`] says so. For a value that never varies there is
/// [`Latency::constant`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// No draw is below this.
    pub min: Nanos,
    /// Half of the draws do not exceed this.
    pub p50: Nanos,
    /// The end of the log-normal body and the start of the tail.
    pub p90: Nanos,
    /// Of the tail.
    pub p99: Nanos,
    /// Of the tail.
    pub p99_9: Nanos,
    /// One draw in a million is this; none is greater. (A measured maximum of a thousand requests is about the
    /// shape's p99.9, not this.)
    pub max: Nanos,
}

/// Why a shape is no distribution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{greater} ({greater_value:?}) must be greater than {less} ({less_value:?})")]
pub struct ShapeError {
    /// The point that should be less, by its field's name.
    pub less: &'static str,
    /// Its value.
    pub less_value: Nanos,
    /// The point that should be greater, by its field's name.
    pub greater: &'static str,
    /// Its value.
    pub greater_value: Nanos,
}

impl Shape {
    /// The points with the names of their fields, in the order in which they must rise.
    pub fn points(&self) -> [(&'static str, Nanos); 6] {
        [
            ("min", self.min),
            ("p50", self.p50),
            ("p90", self.p90),
            ("p99", self.p99),
            ("p99_9", self.p99_9),
            ("max", self.max),
        ]
    }

    /// That the points rise strictly.
    ///
    /// # Errors
    /// The first pair of neighbours that does not.
    pub fn check(&self) -> Result<(), ShapeError> {
        for pair in self.points().windows(2) {
            let ((less, less_value), (greater, greater_value)) = (pair[0], pair[1]);
            if less_value >= greater_value {
                return Err(ShapeError { less, less_value, greater, greater_value });
            }
        }
        Ok(())
    }

    /// The value that a share `1 - above` of draws does not exceed. `above` is in 0..=1.
    fn at_share_above(&self, above: f64) -> f64 {
        assert!((0.0..=1.0).contains(&above), "a share of {above}");
        let [min, p50, p90, p99, p99_9, max] = self.points().map(|(_, value)| value.0 as f64);
        if above >= 1.0 {
            return min;
        }
        if above >= 0.1 {
            let sigma = libm::log((p90 - min) / (p50 - min)) / normal_quantile(0.9);
            return min + (p50 - min) * libm::exp(sigma * normal_quantile(1.0 - above));
        }
        let pieces = [(0.1, p90, 0.01, p99), (0.01, p99, 0.001, p99_9), (0.001, p99_9, MAX_SHARE, max)];
        for (from, from_value, to, to_value) in pieces {
            if above >= to {
                // A Pareto piece: value = from_value * (from / above)^(1 / alpha).
                let inverse_alpha = libm::log(to_value / from_value) / libm::log(from / to);
                return from_value * libm::exp(inverse_alpha * libm::log(from / above));
            }
        }
        max
    }
}

impl Table {
    fn new(shape: &Shape) -> Table {
        let table = Table::of(|above| shape.at_share_above(above));
        assert_eq!(table.fine[STEPS], shape.max.0, "the tail does not end at the maximum");
        table
    }

    /// Of the value that a share of draws exceeds.
    fn of(value_exceeded_by: impl Fn(f64) -> f64) -> Table {
        let steps = STEPS as f64;
        let mut table = Table { coarse: [0; STEPS], fine: [0; STEPS + 1] };
        for (i, value) in table.coarse.iter_mut().enumerate() {
            *value = to_nanos(value_exceeded_by((steps - i as f64) / steps));
        }
        for (i, value) in table.fine.iter_mut().enumerate() {
            *value = to_nanos(value_exceeded_by((steps - i as f64) / (steps * steps)));
        }
        table.make_monotone();
        assert_eq!(table.coarse[STEPS - 1], table.fine[0], "the two levels do not meet");
        table
    }

    /// Takes out what rounding in the last bit of a float may have turned round.
    fn make_monotone(&mut self) {
        let mut floor = 0;
        for value in self.coarse.iter_mut().chain(self.fine.iter_mut()) {
            floor = floor.max(*value);
            *value = floor;
        }
    }

    /// The value at p = `bits` / 2^64: linear between the steps.
    fn at(&self, bits: u64) -> u64 {
        let step = (bits >> 54) as usize;
        if step < STEPS - 1 {
            return between(self.coarse[step], self.coarse[step + 1], (bits >> 22) as u32);
        }
        let step = (bits >> 44) as usize & (STEPS - 1);
        between(self.fine[step], self.fine[step + 1], (bits >> 12) as u32)
    }

    /// Every step as (share of draws in parts of 2^20, value at its start, value at its end).
    fn steps(&self) -> impl Iterator<Item = (u64, u64, u64)> + '_ {
        let coarse = self.coarse.windows(2).map(|w| (STEPS as u64, w[0], w[1]));
        coarse.chain(self.fine.windows(2).map(|w| (1, w[0], w[1])))
    }

    /// The share of draws that do not exceed `value`, in parts of 2^20.
    fn share_to(&self, value: f64) -> f64 {
        let first = self.fine[0] as f64;
        if value < first {
            return share_in(&self.coarse, value) * STEPS as f64;
        }
        ((STEPS - 1) * STEPS) as f64 + share_in(&self.fine, value)
    }
}

/// How many steps of `values` lie at or below `value`, with the part of the step it falls into.
fn share_in(values: &[u64], value: f64) -> f64 {
    let past = values.partition_point(|&v| v as f64 <= value);
    if past == 0 {
        return 0.0;
    }
    if past == values.len() {
        return (values.len() - 1) as f64;
    }
    let (low, high) = (values[past - 1] as f64, values[past] as f64);
    (past - 1) as f64 + (value - low) / (high - low)
}

fn between(low: u64, high: u64, fraction: u32) -> u64 {
    debug_assert!(low <= high, "a table that falls from {low} to {high}");
    low + ((u128::from(high - low) * u128::from(fraction)) >> 32) as u64
}

fn to_nanos(value: f64) -> u64 {
    assert!(value >= 0.0 && value < u64::MAX as f64, "{value} ns are no latency");
    (value + 0.5) as u64
}

impl Latency {
    /// Always the same.
    pub fn constant(value: Nanos) -> Latency {
        Latency(Kind::Constant(value))
    }

    /// The distribution through a shape's points.
    ///
    /// # Errors
    /// When the points do not rise strictly.
    pub fn from_shape(shape: &Shape) -> Result<Latency, ShapeError> {
        shape.check()?;
        Ok(Latency(Kind::Table(Arc::new(Table::new(shape)))))
    }

    /// Exponentially distributed with that mean, as the time between the arrivals of a Poisson process; cut off at what
    /// one draw in a million exceeds (13.8 times the mean).
    ///
    /// # Panics
    /// When the mean is zero, or beyond 584 years in the tail.
    pub fn exponential(mean: Nanos) -> Latency {
        assert!(mean > Nanos::ZERO, "an exponential distribution needs a mean above zero");
        Latency(Kind::Table(Arc::new(Table::of(|above| -libm::log(above.max(MAX_SHARE)) * mean.0 as f64))))
    }

    /// One draw: takes exactly one 64-bit word from the stream, a constant too, so that giving an operation a
    /// distribution does not shift what is drawn after it.
    pub fn sample(&self, stream: &mut Stream) -> Nanos {
        self.at(stream.bits64())
    }

    /// The value that a share `p` (0..=1) of draws does not exceed.
    ///
    /// # Panics
    /// When `p` is not in 0..=1.
    pub fn quantile(&self, p: f64) -> Nanos {
        assert!((0.0..=1.0).contains(&p), "no quantile {p}");
        // 2^64 as a float; the cast saturates, so that p = 1 is the last of the table.
        self.at((p * 18_446_744_073_709_551_616.0) as u64)
    }

    /// The mean of all draws.
    pub fn mean(&self) -> Nanos {
        match &self.0 {
            Kind::Constant(value) => *value,
            Kind::Table(table) => {
                let twice: u128 = table.steps().map(|(w, a, b)| u128::from(w) * (u128::from(a) + u128::from(b))).sum();
                Nanos((twice >> 21) as u64)
            }
        }
    }

    /// No draw is below this.
    pub fn min(&self) -> Nanos {
        self.quantile(0.0)
    }

    /// No draw is above this.
    pub fn max(&self) -> Nanos {
        match &self.0 {
            Kind::Constant(value) => *value,
            Kind::Table(table) => Nanos(table.fine[STEPS]),
        }
    }

    /// The same distribution with every value multiplied by `num / den`: a slower or faster device. Makes a table:
    /// not for the hot path.
    ///
    /// # Panics
    /// When `den` is zero.
    pub fn scaled(&self, num: u64, den: u64) -> Latency {
        match &self.0 {
            Kind::Constant(value) => Latency::constant(value.scale(num, den)),
            Kind::Table(table) => {
                let scale = |v: &u64| Nanos(*v).scale(num, den).0;
                let scaled =
                    Table { coarse: table.coarse.each_ref().map(scale), fine: table.fine.each_ref().map(scale) };
                Latency(Kind::Table(Arc::new(scaled)))
            }
        }
    }

    /// The share (0..=1) of draws that do not exceed `value` nanoseconds.
    fn share_to(&self, value: f64) -> f64 {
        match &self.0 {
            Kind::Constant(constant) if value >= constant.0 as f64 => 1.0,
            Kind::Constant(_) => 0.0,
            Kind::Table(table) => table.share_to(value) / (STEPS * STEPS) as f64,
        }
    }

    fn at(&self, bits: u64) -> Nanos {
        match &self.0 {
            Kind::Constant(value) => *value,
            Kind::Table(table) => Nanos(table.at(bits)),
        }
    }
}

/// How long a request takes that moves bytes: the time to the first byte, then the bytes at the rate that this
/// request's connection happens to have.
///
/// `per_mib` is drawn once per request, not per MiB: a slow connection stays slow to its end, so the spread of large
/// requests does not average out (S3-DV rows: the p90 of 16 MB is as far above its p50 as that of 4 MB).
#[derive(Clone, Debug)]
pub struct SizedLatency {
    /// Request sent to first byte of the answer; for a write, everything that does not grow with the size.
    pub first_byte: Latency,
    /// Time for each MiB of one connection that has its client's network interface for itself.
    pub per_mib: Latency,
    /// How much slower the beginning of a body is.
    pub ramp: Ramp,
}

/// The beginning of a body that goes slower than its rest: its first bytes take as long as they and so many others would
/// at the connection's pace. A body shorter than the ramp pays its share of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ramp {
    /// How long the beginning is; 0: there is none.
    pub bytes: u64,
    /// What it takes beyond its own bytes, in bytes at the connection's pace.
    pub extra_bytes: u64,
}

impl Ramp {
    /// What a body of `bytes` comes to, in bytes at the connection's pace.
    pub fn paced(self, bytes: u64) -> u64 {
        let begun = bytes.min(self.bytes);
        let extra = (u128::from(self.extra_bytes) * u128::from(begun)).checked_div(u128::from(self.bytes));
        bytes.saturating_add(extra.map_or(0, |extra| extra as u64))
    }
}

impl From<Latency> for SizedLatency {
    /// One that does not grow with the size.
    fn from(first_byte: Latency) -> SizedLatency {
        SizedLatency { first_byte, per_mib: Latency::constant(Nanos::ZERO), ramp: Ramp::default() }
    }
}

impl SizedLatency {
    /// One draw for a request of that many bytes: takes exactly two 64-bit words from the stream.
    pub fn sample(&self, bytes: u64, stream: &mut Stream) -> Nanos {
        let first_byte = self.first_byte.sample(stream);
        first_byte.saturating_add(self.per_mib.sample(stream).scale(self.ramp.paced(bytes), MIB))
    }

    /// The value that a share `p` (0..1) of draws for that size does not exceed: by convolving the two tables, without
    /// randomness. For reports and fits (about a millisecond), not for the hot path.
    ///
    /// # Panics
    /// When `p` is not in 0..=1.
    pub fn quantile(&self, bytes: u64, p: f64) -> Nanos {
        self.quantile_slowed(bytes, p, 1.0)
    }

    /// As [`SizedLatency::quantile`] when every transfer takes `slowdown` times as long because the client's
    /// connections share one saturated network interface.
    ///
    /// # Panics
    /// When `p` is not in 0..=1, or the slowdown below zero.
    pub fn quantile_slowed(&self, bytes: u64, p: f64, slowdown: f64) -> Nanos {
        assert!((0.0..=1.0).contains(&p), "no quantile {p}");
        assert!(slowdown >= 0.0, "no slowdown of {slowdown}");
        let mibs = self.ramp.paced(bytes) as f64 / MIB as f64 * slowdown;
        if mibs == 0.0 || p == 0.0 {
            let least_transfer = self.per_mib.quantile(p).0 as f64 * mibs;
            return self.first_byte.quantile(p) + Nanos(to_nanos(least_transfer));
        }
        let mut low = 0.0;
        let mut high = self.first_byte.max().0 as f64 + self.per_mib.max().0 as f64 * mibs;
        while high - low > 1.0 {
            let middle = (low + high) / 2.0;
            if self.share_to(middle, mibs) < p { low = middle } else { high = middle }
        }
        Nanos(to_nanos(high))
    }

    /// The mean for that size.
    pub fn mean(&self, bytes: u64) -> Nanos {
        self.first_byte.mean() + self.transfer_mean(bytes)
    }

    /// The mean of what the body takes of it.
    pub fn transfer_mean(&self, bytes: u64) -> Nanos {
        self.per_mib.mean().scale(self.ramp.paced(bytes), MIB)
    }

    /// How much longer than alone a transfer takes when `connections` requests of `bytes` are always under way and the
    /// client's network interface moves `bytes_per_sec` in all: by Little's law the mean latency is then
    /// `connections * bytes / bytes_per_sec`, and what exceeds the first byte is transfer. 1 when the interface is
    /// not the limit.
    pub fn slowdown_of_shared_link(&self, bytes: u64, connections: u64, bytes_per_sec: f64) -> f64 {
        assert!(bytes_per_sec > 0.0, "a link without a rate");
        let mean_seconds = connections as f64 * bytes as f64 / bytes_per_sec;
        let transfer_alone = self.transfer_mean(bytes).as_secs_f64();
        ((mean_seconds - self.first_byte.mean().as_secs_f64()) / transfer_alone).max(1.0)
    }

    /// The share of draws that do not exceed `value`.
    fn share_to(&self, value: f64, mibs: f64) -> f64 {
        match &self.first_byte.0 {
            Kind::Constant(first) => self.per_mib.share_to((value - first.0 as f64) / mibs),
            Kind::Table(table) => {
                let parts = table.steps().map(|(weight, low, high)| {
                    let first = (low as f64 + high as f64) / 2.0;
                    weight as f64 * self.per_mib.share_to((value - first) / mibs)
                });
                parts.sum::<f64>() / (STEPS * STEPS) as f64
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use wavetank_sim::{Choices, Domain};

    fn stream(entity: u64) -> Stream {
        Choices::new(7).stream(Domain::new("test/latency"), entity)
    }

    fn shape() -> Shape {
        Shape {
            min: Nanos::millis(20),
            p50: Nanos::millis(28),
            p90: Nanos::millis(37),
            p99: Nanos::millis(73),
            p99_9: Nanos::millis(140),
            max: Nanos::secs(10),
        }
    }

    fn any_shape() -> impl Strategy<Value = Shape> {
        let gap = 1u64..1_000_000_000;
        (0u64..1_000_000, gap.clone(), gap.clone(), gap.clone(), gap.clone(), gap).prop_map(|(min, a, b, c, d, e)| {
            let n = |v| Nanos(v);
            Shape {
                min: n(min),
                p50: n(min + a),
                p90: n(min + a + b),
                p99: n(min + a + b + c),
                p99_9: n(min + a + b + c + d),
                max: n(min + a + b + c + d + e),
            }
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn a_table_never_falls_and_keeps_to_its_ends(shape in any_shape(), mut bits in proptest::collection::vec(any::<u64>(), 100)) {
            let latency = Latency::from_shape(&shape).unwrap();
            bits.extend([0, u64::MAX]);
            bits.sort_unstable();
            let values: Vec<Nanos> = bits.iter().map(|&b| latency.at(b)).collect();
            prop_assert!(values.is_sorted(), "{values:?}");
            prop_assert_eq!(values[0], shape.min);
            prop_assert!(*values.last().unwrap() <= shape.max);
            prop_assert!(latency.mean() >= shape.min && latency.mean() <= shape.max);
        }

        #[test]
        fn a_distribution_goes_through_its_own_points(shape in any_shape()) {
            let latency = Latency::from_shape(&shape).unwrap();
            let points = [(0.5, shape.p50), (0.9, shape.p90), (0.99, shape.p99), (0.999, shape.p99_9)];
            for (p, want) in points {
                // Within its own step of the table: that is all that linear interpolation can promise for a shape
                // that jumps by orders of magnitude from one point to the next.
                let step = 1.0 / STEPS as f64;
                let (low, high) = (latency.quantile(p - step).0, latency.quantile((p + step).min(1.0)).0);
                prop_assert!(low <= want.0 + 1 && want.0 <= high + 1, "p{p}: {want:?} not in {low}..{high} ns");
            }
        }
    }

    #[test]
    fn quantiles_match_the_formula() {
        let (shape, latency) = (shape(), Latency::from_shape(&shape()).unwrap());
        for p in [0.01, 0.1, 0.5, 0.75, 0.9, 0.95, 0.99, 0.995, 0.999, 0.9995, 0.9999, 0.99999] {
            let (got, want) = (latency.quantile(p).0 as f64, shape.at_share_above(1.0 - p));
            // Linear steps lie above a curve that bends upwards: by most where one step spans the most, at p99.8-p99.9.
            let bound = if p < 0.99 { 1e-3 } else { 1.5e-2 };
            assert!((got / want - 1.0).abs() < bound, "p{p}: {got} for {want}");
        }
        assert_eq!(latency.quantile(0.0), shape.min);
        assert_eq!(latency.quantile(1.0), shape.max);
    }

    #[test]
    fn draws_are_distributed_as_the_quantiles_say() {
        let latency = Latency::from_shape(&shape()).unwrap();
        let (mut s, n) = (stream(1), 200_000);
        let mut draws: Vec<Nanos> = (0..n).map(|_| latency.sample(&mut s)).collect();
        draws.sort_unstable();
        for percent in 1..100 {
            let p = f64::from(percent) / 100.0;
            let share = draws.partition_point(|&d| d <= latency.quantile(p)) as f64 / f64::from(n);
            // Kolmogorov's bound for 200,000 draws at one in a million: 2.7 / sqrt(n) = 0.006.
            assert!((share - p).abs() < 0.006, "p{p}: {share}");
        }
        let above = draws.iter().filter(|&&d| d > latency.quantile(0.999)).count();
        assert!((140..260).contains(&above), "200 of 200,000 lie above p99.9, not {above}");
        let mean = draws.iter().map(|d| d.0 as f64).sum::<f64>() / f64::from(n);
        assert!((mean / latency.mean().0 as f64 - 1.0).abs() < 0.01, "{mean} for {:?}", latency.mean());
    }

    #[test]
    fn an_exponential_distribution_has_its_mean_and_its_median() {
        let latency = Latency::exponential(Nanos::secs(5));
        assert!((latency.mean().as_secs_f64() / 5.0 - 1.0).abs() < 1e-3, "{:?}", latency.mean());
        let median = latency.quantile(0.5).as_secs_f64();
        assert!((median - 5.0 * std::f64::consts::LN_2).abs() < 1e-6, "{median}");
        assert_eq!(latency.min(), Nanos::ZERO);
    }

    #[test]
    fn every_sample_takes_its_fixed_number_of_words() {
        let drawn = Latency::from_shape(&shape()).unwrap();
        let constant = Latency::constant(Nanos(5));
        for latency in [&drawn, &constant] {
            let (mut a, mut b) = (stream(2), stream(2));
            latency.sample(&mut a);
            b.bits64();
            assert_eq!(a.bits64(), b.bits64());
        }
        let sized = SizedLatency { per_mib: constant, ..drawn.into() };
        let (mut a, mut b) = (stream(3), stream(3));
        sized.sample(100, &mut a);
        b.bits64();
        b.bits64();
        assert_eq!(a.bits64(), b.bits64());
    }

    #[test]
    fn golden_values_pin_the_table_on_every_platform() {
        let latency = Latency::from_shape(&shape()).unwrap();
        let mut s = stream(4);
        let draws: Vec<u64> = (0..4).map(|_| latency.sample(&mut s).0).collect();
        assert_eq!(draws, GOLDEN_DRAWS);
        assert_eq!(latency.mean(), GOLDEN_MEAN);
        let sized = SizedLatency { per_mib: latency.scaled(1, 2), ..latency.clone().into() };
        assert_eq!(sized.quantile(4 << 20, 0.99), GOLDEN_SIZED_P99);
        assert_eq!(sized.sample(4 << 20, &mut s), GOLDEN_SIZED_DRAW);
    }
    const GOLDEN_DRAWS: [u64; 4] = [55102741, 23901305, 26046382, 29751239];
    const GOLDEN_MEAN: Nanos = Nanos(30579671);
    const GOLDEN_SIZED_P99: Nanos = Nanos(184762844);
    const GOLDEN_SIZED_DRAW: Nanos = Nanos(80232109);

    #[test]
    fn the_convolved_quantiles_are_those_of_the_draws() {
        let first_byte = Latency::from_shape(&shape()).unwrap();
        let sized = SizedLatency { per_mib: first_byte.scaled(1, 2), ..first_byte.into() };
        let (mut s, n) = (stream(5), 50_000);
        for bytes in [1 << 10, 1 << 20, 16 << 20] {
            let mut draws: Vec<Nanos> = (0..n).map(|_| sized.sample(bytes, &mut s)).collect();
            draws.sort_unstable();
            for p in [0.1, 0.5, 0.9, 0.99] {
                let share = draws.partition_point(|&d| d <= sized.quantile(bytes, p)) as f64 / f64::from(n);
                assert!((share - p).abs() < 0.012, "{bytes} bytes p{p}: {share}");
            }
        }
    }

    #[test]
    fn a_ramp_is_paid_by_the_share_of_it_that_a_body_has() {
        let ramp = Ramp { bytes: 128 << 10, extra_bytes: 2 << 20 };
        assert_eq!(
            [0, 64 << 10, 128 << 10, 1 << 20].map(|bytes| ramp.paced(bytes) - bytes),
            [0, 1 << 20, 2 << 20, 2 << 20]
        );
        assert_eq!(Ramp::default().paced(4 << 20), 4 << 20);
        assert_eq!(ramp.paced(u64::MAX), u64::MAX);
        let sized = SizedLatency {
            per_mib: Latency::constant(Nanos::millis(10)),
            ramp,
            ..SizedLatency::from(Latency::constant(Nanos::millis(20)))
        };
        let one = sized.sample(1 << 20, &mut stream(1));
        assert_eq!((one, sized.mean(1 << 20)), (Nanos::millis(50), one));
    }

    #[test]
    fn the_ends_of_a_sum_are_the_sums_of_the_ends() {
        let first_byte = Latency::from_shape(&shape()).unwrap();
        let sized = SizedLatency { per_mib: first_byte.scaled(1, 2), ..first_byte.into() };
        assert_eq!(sized.quantile(4 << 20, 0.0), Nanos::millis(20 + 40));
        assert_eq!(sized.quantile(0, 0.5), sized.first_byte.quantile(0.5));
        let most = sized.quantile(4 << 20, 1.0);
        assert!(most > Nanos::secs(29) && most <= Nanos::secs(30), "{most:?}");
    }

    #[test]
    fn a_shared_link_slows_transfers_until_littles_law_holds() {
        let ms = |v| Latency::constant(Nanos::millis(v));
        let sized = SizedLatency { per_mib: ms(10), ..ms(20).into() };
        // 10 connections of 1 MiB over 100 MiB/s: 100 ms each, 80 of them transfer, which alone takes 10.
        assert!((sized.slowdown_of_shared_link(1 << 20, 10, 100.0 * 1_048_576.0) - 8.0).abs() < 1e-9);
        assert_eq!(sized.slowdown_of_shared_link(1 << 20, 1, 100.0 * 1_048_576.0), 1.0, "one alone is not slowed");
        assert_eq!(sized.quantile_slowed(1 << 20, 0.5, 8.0).0.div_ceil(1_000_000), 100);
    }

    #[test]
    fn points_that_do_not_rise_are_refused_by_name() {
        let bad = Shape { p99: Nanos::millis(30), ..shape() };
        let error = Latency::from_shape(&bad).unwrap_err();
        assert_eq!(error.to_string(), "p99 (30ms) must be greater than p90 (37ms)");
    }
}
