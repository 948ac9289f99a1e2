//! Request rates: exact token buckets, and the partitions of a bucket by key prefix.
//!
//! A partition starts with the documented floors (3,500 PUT/COPY/POST/DELETE and 5,500 GET/HEAD a second; rows
//! S3-LIM-put, S3-LIM-get; LIST is counted with the reads, an assumption). What is beyond is answered 503 SlowDown.
//! Under sustained throttling S3 splits the partition, "gradually": here its capacity doubles after each `split_after`
//! of throttling without a pause of `split_forget`, up to `scale_max` times the floor.
//!
//! Simpler than reality: which keys share a partition is S3's secret and changes by itself; here it is the key up to
//! its `prefix_depth`-th slash, for ever. A split scales the whole prefix although one hot key cannot be split. A scaled
//! partition never shrinks back. So the model cannot show a hot spot *within* a prefix, nor an old bucket that was
//! scaled long ago and has gone cold.

use super::api::Key;
use std::collections::BTreeMap;
use wavetank_sim::Nanos;

/// A token bucket without rounding: `rate` tokens a second, at most `burst` saved up.
#[derive(Clone, Copy, Debug)]
pub struct TokenBucket {
    // In billionths of a token: a rate of r a second adds exactly r of them each nanosecond.
    nano_tokens: u128,
    at: Nanos,
}

const TOKEN: u128 = 1_000_000_000;

impl TokenBucket {
    /// Full.
    pub fn full(burst: u64, now: Nanos) -> TokenBucket {
        TokenBucket { nano_tokens: u128::from(burst) * TOKEN, at: now }
    }

    fn saved_up(&self, now: Nanos, rate_per_sec: u64) -> u128 {
        self.nano_tokens + u128::from(now.saturating_sub(self.at).0) * u128::from(rate_per_sec)
    }

    /// Whether as much as possible is saved up.
    fn is_full(&self, now: Nanos, rate_per_sec: u64, burst: u64) -> bool {
        self.saved_up(now, rate_per_sec) >= u128::from(burst) * TOKEN
    }

    /// Takes one token when there is one.
    pub fn take(&mut self, now: Nanos, rate_per_sec: u64, burst: u64) -> bool {
        let cap = u128::from(burst.max(1)) * TOKEN;
        self.nano_tokens = self.saved_up(now, rate_per_sec).min(cap);
        self.at = self.at.max(now);
        if self.nano_tokens < TOKEN {
            return false;
        }
        self.nano_tokens -= TOKEN;
        true
    }
}

/// The limits of a general purpose bucket's prefixes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrefixLimits {
    /// PUT, COPY, POST and DELETE requests a second and partition; 0: unlimited.
    pub put_per_sec: u64,
    /// GET, HEAD and LIST requests a second and partition; 0: unlimited.
    pub get_per_sec: u64,
    /// How much of a second's requests may come at once, in milliseconds of the rate.
    pub burst_ms: u64,
    /// A partition is a key up to this many slashes; 0: the bucket is one partition.
    pub prefix_depth: u32,
    /// Throttling for so long doubles a partition's capacity.
    pub split_after: Nanos,
    /// A pause in throttling of so long starts the count anew.
    pub split_forget: Nanos,
    /// Capacity is at most so many times the floor.
    pub scale_max: u64,
}

/// Which of a partition's two rates a request counts against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RateClass {
    /// PUT, COPY, POST, DELETE.
    Put,
    /// GET, HEAD, LIST.
    Get,
}

#[derive(Clone, Debug)]
struct Partition {
    puts: TokenBucket,
    gets: TokenBucket,
    scale: u64,
    throttled_since: Nanos,
    throttled_last: Option<Nanos>,
}

/// The partitions of one bucket. Only those that differ from a fresh one are kept: object names that begin with a hash
/// make a partition each.
#[derive(Clone, Debug)]
pub struct Partitions {
    by_prefix: BTreeMap<Key, Partition>,
    /// At how many the idle ones are swept out: twice as many as were left after the last sweep.
    sweep_at: usize,
}

/// Below this many partitions a sweep is not worth its pass.
const SWEEP_MIN: usize = 1024;

impl Default for Partitions {
    fn default() -> Partitions {
        Partitions { by_prefix: BTreeMap::new(), sweep_at: SWEEP_MIN }
    }
}

impl Partitions {
    /// Counts one request against the key's partition; `false`: it is over the rate.
    pub fn admit(&mut self, now: Nanos, limits: &PrefixLimits, key: &str, class: RateClass) -> bool {
        let rate = match class {
            RateClass::Put => limits.put_per_sec,
            RateClass::Get => limits.get_per_sec,
        };
        if rate == 0 {
            return true;
        }
        let prefix = partition_of(key, limits.prefix_depth);
        if !self.by_prefix.contains_key(prefix) {
            if self.by_prefix.len() >= self.sweep_at {
                self.by_prefix.retain(|_, partition| !partition.is_as_new(now, limits));
                self.sweep_at = SWEEP_MIN.max(2 * self.by_prefix.len());
            }
            self.by_prefix.insert(Key::from(prefix), Partition::new(now, limits));
        }
        let partition = self.by_prefix.get_mut(prefix).expect("inserted above");
        let rate = rate * partition.scale;
        let bucket = match class {
            RateClass::Put => &mut partition.puts,
            RateClass::Get => &mut partition.gets,
        };
        let admitted = bucket.take(now, rate, burst(rate, limits.burst_ms));
        if !admitted {
            partition.throttled(now, limits);
        }
        admitted
    }

    /// How many times its floor the key's partition can do.
    pub fn scale(&self, limits: &PrefixLimits, key: &str) -> u64 {
        self.by_prefix.get(partition_of(key, limits.prefix_depth)).map_or(1, |partition| partition.scale)
    }
}

impl Partition {
    fn new(now: Nanos, limits: &PrefixLimits) -> Partition {
        Partition {
            puts: TokenBucket::full(burst(limits.put_per_sec, limits.burst_ms), now),
            gets: TokenBucket::full(burst(limits.get_per_sec, limits.burst_ms), now),
            scale: 1,
            throttled_since: now,
            throttled_last: None,
        }
    }

    /// Whether forgetting it would change no answer.
    fn is_as_new(&self, now: Nanos, limits: &PrefixLimits) -> bool {
        let remembers = self.throttled_last.is_some_and(|last| now.saturating_sub(last) <= limits.split_forget);
        let full = |bucket: &TokenBucket, rate| bucket.is_full(now, rate, burst(rate, limits.burst_ms));
        self.scale == 1 && !remembers && full(&self.puts, limits.put_per_sec) && full(&self.gets, limits.get_per_sec)
    }

    fn throttled(&mut self, now: Nanos, limits: &PrefixLimits) {
        let goes_on = self.throttled_last.is_some_and(|last| now.saturating_sub(last) <= limits.split_forget);
        if !goes_on {
            self.throttled_since = now;
        }
        self.throttled_last = Some(now);
        if now.saturating_sub(self.throttled_since) >= limits.split_after && self.scale < limits.scale_max {
            self.scale = (self.scale * 2).min(limits.scale_max);
            self.throttled_since = now;
        }
        assert!(self.scale >= 1 && self.throttled_since <= now, "a partition shrank or lives in the future");
    }
}

fn burst(rate_per_sec: u64, burst_ms: u64) -> u64 {
    (rate_per_sec * burst_ms / 1_000).max(1)
}

/// The key up to and with its `depth`-th slash, or its last one when it has fewer.
fn partition_of(key: &str, depth: u32) -> &str {
    let mut end = 0;
    for (i, _) in key.match_indices('/').take(depth as usize) {
        end = i + 1;
    }
    &key[..end]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn limits() -> PrefixLimits {
        PrefixLimits {
            put_per_sec: 3_500,
            get_per_sec: 5_500,
            burst_ms: 100,
            prefix_depth: 1,
            split_after: Nanos::secs(60),
            split_forget: Nanos::secs(5),
            scale_max: 4,
        }
    }

    #[test]
    fn partitions_are_keys_up_to_a_slash() {
        assert_eq!(partition_of("a/b/c", 0), "");
        assert_eq!(partition_of("a/b/c", 1), "a/");
        assert_eq!(partition_of("a/b/c", 9), "a/b/");
        assert_eq!(partition_of("abc", 1), "");
    }

    proptest! {
        #[test]
        fn a_token_bucket_never_gives_more_than_rate_times_time_plus_burst_and_never_starves(
            gaps in prop::collection::vec(0u64..3_000_000, 1..400), rate in 1u64..5_000, burst in 1u64..50)
        {
            let mut bucket = TokenBucket::full(burst, Nanos::ZERO);
            let (mut now, mut given) = (0u64, 0u128);
            for gap in gaps {
                now += gap;
                given += u128::from(bucket.take(Nanos(now), rate, burst));
                prop_assert!(given * TOKEN <= u128::from(burst) * TOKEN + u128::from(now) * u128::from(rate));
            }
            // After the time of one token there is one.
            prop_assert!(bucket.take(Nanos(now + 1_000_000_000u64.div_ceil(rate)), rate, burst));
        }
    }

    #[test]
    fn an_overloaded_prefix_gets_its_floor_and_its_neighbour_is_untouched() {
        let (limits, mut partitions) = (limits(), Partitions::default());
        let mut admitted = 0;
        for i in 0..100_000u64 {
            // 10,000 a second for 10 s.
            admitted += u64::from(partitions.admit(Nanos(i * 100_000), &limits, "hot/x", RateClass::Put));
        }
        assert_eq!(admitted, 3_500 * 10 + 350 - 1);
        assert!(partitions.admit(Nanos::secs(10), &limits, "cold/x", RateClass::Put));
        assert!(partitions.admit(Nanos::secs(10), &limits, "hot/x", RateClass::Get), "reads have a rate of their own");
    }

    #[test]
    fn partitions_that_are_idle_again_are_forgotten_and_hot_ones_are_not() {
        let (limits, mut partitions) = (limits(), Partitions::default());
        let mut bare = limits.clone();
        bare.put_per_sec = 100;
        while partitions.admit(Nanos::ZERO, &bare, "hot/x", RateClass::Put) {}
        for i in 0..100_000u64 {
            // A prefix of its own each, as object names that begin with a hash have.
            partitions.admit(Nanos::micros(i * 10), &bare, &format!("{i}/x"), RateClass::Put);
        }
        assert!(partitions.by_prefix.len() < 10_000, "{} partitions", partitions.by_prefix.len());
        assert!(partitions.by_prefix.contains_key("hot/"), "throttled a second ago: its count goes on");
    }

    #[test]
    fn sustained_throttling_doubles_a_partition_up_to_the_limit_and_a_pause_starts_anew() {
        let (limits, mut partitions) = (limits(), Partitions::default());
        let mut drive = |from: u64, to: u64| {
            for ms in from * 1_000..to * 1_000 {
                for _ in 0..20 {
                    partitions.admit(Nanos::millis(ms), &limits, "hot/x", RateClass::Put);
                }
            }
            partitions.scale(&limits, "hot/x")
        };
        assert_eq!(drive(0, 50), 1);
        assert_eq!(drive(60, 110), 1, "a pause of 10 s starts the count anew");
        assert_eq!(drive(110, 125), 2);
        assert_eq!(drive(125, 190), 4);
        assert_eq!(drive(190, 320), 4, "the limit");
    }
}
