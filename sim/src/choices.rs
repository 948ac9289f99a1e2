//! All randomness of a run: streams of ChaCha8, keyed by (seed, domain, entity).
//!
//! Two streams with different keys share nothing, so a draw added to the network never shifts the object store, and
//! one client's draws never shift another's. A stream's values depend on its key and on how often it was asked, on
//! nothing else: not on the order in which streams were made, not on the platform, not on the build profile.
//!
//! ```
//! use wavetank_sim::{Choices, Domain};
//!
//! let choices = Choices::new(42);
//! let mut link = choices.stream(Domain::new("example/link"), 7);
//! let heads = link.ratio(1, 2);
//! assert_eq!(heads, choices.stream(Domain::new("example/link"), 7).ratio(1, 2));
//! ```

use crate::Nanos;
use crate::tank::virtual_now;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use std::ops::Range;

/// What a family of streams is for, by name: `"net/latency"`, `"volume/power_loss"`.
///
/// The name is hashed at once (FNV-1a, 64 bits; in a `const` when the program is compiled), so a domain is one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Domain(u64);

impl Domain {
    /// The domain of that name.
    pub const fn new(name: &str) -> Domain {
        let bytes = name.as_bytes();
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        let mut i = 0;
        while i < bytes.len() {
            hash = (hash ^ bytes[i] as u64).wrapping_mul(0x0000_0100_0000_01b3);
            i += 1;
        }
        Domain(hash)
    }
}

/// From a moment of virtual time on, a run's streams go on under the keys of another seed.
///
/// What was drawn before stands: latencies of what is under way, and the order of what was scheduled. So a run is the same
/// up to that moment, to the last event, and another one after it. What is no stream's stays as it was: a storm that is
/// data, and the order in which madsim polls guests that are runnable at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reseed {
    /// The first moment at which the other seed is drawn from.
    pub at: Nanos,
    /// The other seed.
    pub seed: u64,
}

/// The root of a run's randomness. Holds the seed and hands out streams.
#[derive(Clone, Copy, Debug)]
pub struct Choices {
    seed: u64,
    later: Option<Reseed>,
}

impl Choices {
    /// The choices of the run with that seed.
    pub const fn new(seed: u64) -> Choices {
        Choices { seed, later: None }
    }

    /// The same, and another seed's from a moment on.
    pub const fn reseeded(self, later: Reseed) -> Choices {
        Choices { later: Some(later), ..self }
    }

    /// The run's seed.
    pub const fn seed(&self) -> u64 {
        self.seed
    }

    /// The stream of one entity in one domain, from its start.
    pub fn stream(&self, domain: Domain, entity: u64) -> Stream {
        let later = self.later.map(|Reseed { at, seed }| Box::new((at, key(seed, domain, entity))));
        Stream { rng: ChaCha8Rng::from_seed(key(self.seed, domain, entity)), later }
    }
}

impl From<u64> for Choices {
    fn from(seed: u64) -> Choices {
        Choices::new(seed)
    }
}

fn key(seed: u64, domain: Domain, entity: u64) -> [u8; 32] {
    let mut key = [0u8; 32];
    key[0..8].copy_from_slice(&seed.to_le_bytes());
    key[8..16].copy_from_slice(&domain.0.to_le_bytes());
    key[16..24].copy_from_slice(&entity.to_le_bytes());
    key[24..32].copy_from_slice(b"wavetank");
    key
}

/// One entity's choices. Every method takes a number of words from the stream that depends on nothing but the words
/// themselves ([`Stream::range`] and what rests on it may reject one and take another).
#[derive(Clone, Debug)]
pub struct Stream {
    rng: ChaCha8Rng,
    /// The key that it goes on under, and from when on: see [`Reseed`].
    later: Option<Box<(Nanos, [u8; 32])>>,
}

impl Stream {
    /// 32 random bits.
    pub fn bits32(&mut self) -> u32 {
        self.rng().next_u32()
    }

    /// 64 random bits.
    pub fn bits64(&mut self) -> u64 {
        self.rng().next_u64()
    }

    #[inline]
    fn rng(&mut self) -> &mut ChaCha8Rng {
        if self.later.is_some() {
            self.change_key();
        }
        &mut self.rng
    }

    /// Goes on under the later key, when it is time.
    #[cold]
    fn change_key(&mut self) {
        if let Some(later) = self.later.take_if(|later| later.0 <= virtual_now()) {
            self.rng = ChaCha8Rng::from_seed(later.1);
        }
    }

    /// True in `num` of `den` cases. `num >= den` is always true; a ratio of 0 is always false. One draw either way,
    /// so that switching a fault off does not shift the stream.
    ///
    /// # Panics
    /// When `den` is zero.
    pub fn ratio(&mut self, num: u32, den: u32) -> bool {
        assert!(den > 0, "a ratio out of nothing");
        let scaled = (u64::from(self.bits32()) * u64::from(den)) >> 32;
        scaled < u64::from(num)
    }

    /// A whole number in the half-open range, each equally likely (Lemire's method with rejection: no bias).
    ///
    /// # Panics
    /// When the range is empty.
    pub fn range(&mut self, range: Range<u64>) -> u64 {
        assert!(range.start < range.end, "a choice out of nothing: {range:?}");
        let span = range.end - range.start;
        let threshold = span.wrapping_neg() % span;
        loop {
            let wide = u128::from(self.bits64()) * u128::from(span);
            if wide as u64 >= threshold {
                return range.start + (wide >> 64) as u64;
            }
        }
    }

    /// An index below `len`, each equally likely.
    ///
    /// # Panics
    /// When `len` is zero.
    pub fn index(&mut self, len: usize) -> usize {
        self.range(0..len as u64) as usize
    }

    /// One element of a slice, each equally likely.
    ///
    /// # Panics
    /// When the slice is empty.
    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.index(items.len())]
    }

    /// A span in the half-open range, each nanosecond equally likely.
    ///
    /// # Panics
    /// When the range is empty.
    pub fn nanos(&mut self, range: Range<Nanos>) -> Nanos {
        Nanos(self.range(range.start.0..range.end.0))
    }

    /// An index, chosen with the given weights.
    ///
    /// # Panics
    /// When the weights sum to zero.
    pub fn weighted(&mut self, weights: &[u32]) -> usize {
        let total: u64 = weights.iter().map(|&w| u64::from(w)).sum();
        let mut left = self.range(0..total);
        for (i, &w) in weights.iter().enumerate() {
            if left < u64::from(w) {
                return i;
            }
            left -= u64::from(w);
        }
        unreachable!("the weights sum to more than the draw")
    }

    /// Puts the items into a random order, each equally likely (Fisher-Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.index(i + 1));
        }
    }

    /// A float in [0, 1) with 53 random bits: the shape of a sample, never an order of events.
    pub fn unit(&mut self) -> f64 {
        (self.bits64() >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
    }

    /// An exponentially distributed span with the given mean, rounded to whole nanoseconds: the time between the
    /// arrivals of a Poisson process.
    pub fn exponential(&mut self, mean: Nanos) -> Nanos {
        // 1 - unit() is in (0, 1], so the logarithm is finite. libm: the same bits on every platform.
        Nanos((-libm::log(1.0 - self.unit()) * mean.0 as f64 + 0.5) as u64)
    }

    /// A standard normal deviate (inversion: one draw each).
    pub fn normal(&mut self) -> f64 {
        // The draw's middle, so that it is never 0 or 1.
        let p = ((self.bits64() >> 12) as f64 + 0.5) * (1.0 / (1u64 << 52) as f64);
        normal_quantile(p)
    }

    /// A log-normal span with the given median; `sigma` is the standard deviation of its logarithm.
    pub fn log_normal(&mut self, median: Nanos, sigma: f64) -> Nanos {
        Nanos((median.0 as f64 * libm::exp(sigma * self.normal()) + 0.5) as u64)
    }
}

/// The standard normal distribution's quantile function: Wichura's AS 241 (PPND16), good to about 1e-16. The same
/// bits on every platform: only `libm` and the four operations.
///
/// # Panics
/// When `p` does not lie between 0 and 1, or is one of them: the normal distribution has no ends.
pub fn normal_quantile(p: f64) -> f64 {
    assert!(p > 0.0 && p < 1.0, "no quantile {p} of a normal distribution");
    let q = p - 0.5;
    if q.abs() <= 0.425 {
        let r = 0.180625 - q * q;
        return q * horner(&CENTRE_NUM, r) / horner(&CENTRE_DEN, r);
    }
    let tail = libm::sqrt(-libm::log(if q < 0.0 { p } else { 1.0 - p }));
    let x = if tail <= 5.0 {
        horner(&MIDDLE_NUM, tail - 1.6) / horner(&MIDDLE_DEN, tail - 1.6)
    } else {
        horner(&FAR_NUM, tail - 5.0) / horner(&FAR_DEN, tail - 5.0)
    };
    if q < 0.0 { -x } else { x }
}

fn horner(coefficients: &[f64; 8], x: f64) -> f64 {
    coefficients.iter().fold(0.0, |sum, c| sum * x + c)
}

// AS 241's coefficients, highest power first, each written with as many digits as name its float.
const CENTRE_NUM: [f64; 8] = [
    2.509_080_928_730_122_7e3,
    3.343_057_558_358_813e4,
    6.726_577_092_700_87e4,
    4.592_195_393_154_987e4,
    1.373_169_376_550_946e4,
    1.971_590_950_306_551_4e3,
    1.331_416_678_917_843_8e2,
    3.387_132_872_796_366_6e0,
];
const CENTRE_DEN: [f64; 8] = [
    5.226_495_278_852_854e3,
    2.872_908_573_572_194_3e4,
    3.930_789_580_009_271e4,
    2.121_379_430_158_659_6e4,
    5.394_196_021_424_751e3,
    6.871_870_074_920_579e2,
    4.231_333_070_160_091e1,
    1.0,
];
const MIDDLE_NUM: [f64; 8] = [
    7.745_450_142_783_414e-4,
    2.272_384_498_926_918_4e-2,
    2.417_807_251_774_506e-1,
    1.270_458_252_452_368_4,
    3.647_848_324_763_204_5,
    5.769_497_221_460_691,
    4.630_337_846_156_545,
    1.423_437_110_749_683_5,
];
const MIDDLE_DEN: [f64; 8] = [
    1.050_750_071_644_416_9e-9,
    5.475_938_084_995_345e-4,
    1.519_866_656_361_645_7e-2,
    1.481_039_764_274_800_8e-1,
    6.897_673_349_851e-1,
    1.676_384_830_183_803_8,
    2.053_191_626_637_759,
    1.0,
];
const FAR_NUM: [f64; 8] = [
    2.010_334_399_292_288_1e-7,
    2.711_555_568_743_487_6e-5,
    1.242_660_947_388_078_4e-3,
    2.653_218_952_657_612_4e-2,
    2.965_605_718_285_048_7e-1,
    1.784_826_539_917_291_3,
    5.463_784_911_164_114,
    6.657_904_643_501_103,
];
const FAR_DEN: [f64; 8] = [
    2.044_263_103_389_939_8e-15,
    1.421_511_758_316_446e-7,
    1.846_318_317_510_054_7e-5,
    7.868_691_311_456_133e-4,
    1.487_536_129_085_061_5e-2,
    1.369_298_809_227_358e-1,
    5.998_322_065_558_88e-1,
    1.0,
];

#[cfg(test)]
mod tests {
    use super::*;

    const TEST: Domain = Domain::new("test");

    #[test]
    fn golden_values_pin_the_streams() {
        let mut s = Choices::new(42).stream(TEST, 7);
        let words: Vec<u64> = (0..4).map(|_| s.bits64()).collect();
        assert_eq!(words, GOLDEN_WORDS);
        let mut s = Choices::new(42).stream(TEST, 8);
        let mut deck: Vec<u32> = (0..8).collect();
        s.shuffle(&mut deck);
        assert_eq!(deck, GOLDEN_DECK);
        let drawn = (s.range(10..20), s.ratio(1, 3), s.weighted(&[1, 0, 5]), s.nanos(Nanos::ZERO..Nanos::secs(1)));
        assert_eq!(drawn, GOLDEN_DRAWS);
        let shaped = (s.exponential(Nanos::millis(1)), s.log_normal(Nanos::millis(10), 0.5), s.normal().to_bits());
        assert_eq!(shaped, GOLDEN_SHAPES);
    }
    const GOLDEN_WORDS: [u64; 4] =
        [10756106193891024244, 2597842690111477139, 16671522571486508095, 1368014173438860069];
    const GOLDEN_DECK: [u32; 8] = [7, 5, 3, 2, 6, 1, 4, 0];
    const GOLDEN_DRAWS: (u64, bool, usize, Nanos) = (14, false, 2, Nanos(933409994));
    const GOLDEN_SHAPES: (Nanos, Nanos, u64) = (Nanos(2622894), Nanos(21381529), 13825555902608764979);

    #[test]
    fn an_added_draw_in_one_stream_leaves_all_others_unchanged() {
        let choices = Choices::new(9);
        let others = |extra: bool| {
            let mut net = choices.stream(Domain::new("net"), 1);
            let mut disk = choices.stream(Domain::new("disk"), 1);
            let mut net2 = choices.stream(Domain::new("net"), 2);
            let mut seen = Vec::new();
            for round in 0..50 {
                net.bits64();
                if extra && round % 3 == 0 {
                    net.bits32();
                }
                seen.push((disk.bits64(), net2.range(0..1000)));
            }
            seen
        };
        assert_eq!(others(false), others(true));
    }

    #[test]
    fn seed_domain_and_entity_each_matter() {
        let first = |seed, domain, entity| Choices::new(seed).stream(Domain::new(domain), entity).bits64();
        let all = [first(1, "a", 1), first(2, "a", 1), first(1, "b", 1), first(1, "a", 2)];
        for (i, x) in all.iter().enumerate() {
            assert!(!all[i + 1..].contains(x));
        }
    }

    #[test]
    fn ratio_holds_its_ends_and_its_middle() {
        let mut s = Choices::new(1).stream(TEST, 1);
        assert!((0..1000).all(|_| !s.ratio(0, 5)));
        assert!((0..1000).all(|_| s.ratio(5, 5)));
        let hits = (0..100_000).filter(|_| s.ratio(1, 4)).count();
        assert!((24_300..25_700).contains(&hits), "{hits}");
    }

    #[test]
    fn shapes_have_their_means() {
        let mut s = Choices::new(3).stream(TEST, 1);
        let n = 200_000;
        let mean = (0..n).map(|_| s.exponential(Nanos::micros(100)).0 as f64).sum::<f64>() / f64::from(n);
        assert!((mean / 100_000.0 - 1.0).abs() < 0.01, "{mean}");
        let (mut sum, mut squares) = (0.0, 0.0);
        for _ in 0..n {
            let x = s.normal();
            sum += x;
            squares += x * x;
        }
        assert!((sum / f64::from(n)).abs() < 0.01 && (squares / f64::from(n) - 1.0).abs() < 0.01);
    }

    #[test]
    fn normal_quantiles_match_the_tables() {
        for (p, x) in
            [(0.5, 0.0), (0.975, 1.959_963_984_540_054), (0.999, 3.090_232_306_167_813), (1e-9, -5.997_807_015)]
        {
            assert!((normal_quantile(p) - x).abs() < 1e-8, "{p}: {}", normal_quantile(p));
        }
    }
}
