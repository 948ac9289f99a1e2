//! The bandwidth limiter of a broker's traffic with the object store (AutoMQ's `AsyncNetworkBandwidthLimiter`).
//!
//! A token bucket for each direction, refilled every 10 ms. Traffic waits by [`TrafficClass`], first come first served within
//! one. `Bypass` never waits, but takes its tokens all the same, so the others wait longer; the debt is bounded by the size
//! of the bucket. A big request is let through a mebibyte at a time.
//!
//! Simpler than reality: a request's tokens are taken once, not for each attempt; a broker that empties another's log has a
//! limiter of its own for that (all of that traffic bypasses).

use wavetank_sim::{Nanos, SortedMap};

/// How often tokens are added (`s3.network.refill.period.ms`).
pub const REFILL: Nanos = Nanos::millis(10);
/// What a request gets at once at most, bytes.
const PORTION: u64 = 1 << 20;

/// Which traffic goes first (`ThrottleStrategy`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TrafficClass {
    /// Does not wait: uploads of the log cache, reads that somebody waits for.
    Bypass,
    /// Compaction: before the two below, in AutoMQ too.
    Compaction,
    /// Reads near a stream's end.
    Tail,
    /// Reads ahead.
    CatchUp,
}

struct Waiting {
    call: u64,
    left: u64,
}

/// One direction. See the [module](self).
pub struct Limiter {
    bytes_per_sec: u64,
    max: i64,
    tokens: i64,
    refilled: u64,
    queue: SortedMap<(TrafficClass, u64), Waiting>,
    next: u64,
}

impl Limiter {
    /// A full bucket that holds so many seconds of the bandwidth.
    pub fn new(bytes_per_sec: u64, bucket_secs: u64) -> Limiter {
        let max = i64::try_from(bytes_per_sec.saturating_mul(bucket_secs)).unwrap_or(i64::MAX);
        Limiter { bytes_per_sec, max, tokens: max, refilled: 0, queue: SortedMap::new(), next: 0 }
    }

    /// Asks for so many bytes: whether they may go at once. Otherwise [`refill`](Limiter::refill) names the call.
    pub fn ask(&mut self, now: Nanos, class: TrafficClass, call: u64, bytes: u64) -> bool {
        self.add(now);
        if class == TrafficClass::Bypass {
            self.take(bytes);
            return true;
        }
        let is_first = self.queue.is_empty();
        self.queue.insert((class, self.next), Waiting { call, left: bytes });
        self.next += 1;
        is_first && !self.drain().is_empty()
    }

    /// Whether somebody waits: then [`refill`](Limiter::refill) is due in [`REFILL`].
    pub fn is_waiting(&self) -> bool {
        !self.queue.is_empty()
    }

    /// Adds what is due by now: which calls may go.
    pub fn refill(&mut self, now: Nanos) -> Vec<u64> {
        self.add(now);
        self.drain()
    }

    fn add(&mut self, now: Nanos) {
        let period = now.0 / REFILL.0;
        let added =
            u128::from(self.bytes_per_sec) * u128::from(period - self.refilled) / u128::from(1_000_000_000 / REFILL.0);
        self.refilled = period;
        self.tokens = self.tokens.saturating_add(i64::try_from(added).unwrap_or(i64::MAX)).min(self.max);
    }

    fn take(&mut self, bytes: u64) {
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        self.tokens = self.tokens.saturating_sub(bytes).max(-self.max);
    }

    fn drain(&mut self) -> Vec<u64> {
        let mut free = Vec::new();
        while self.tokens > 0 {
            let Some(mut first) = self.queue.first_entry() else { break };
            let portion = first.get().left.min(PORTION);
            first.get_mut().left -= portion;
            if first.get().left == 0 {
                free.push(first.remove().call);
            }
            self.take(portion);
        }
        free
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    fn ms(n: u64) -> Nanos {
        Nanos::millis(n)
    }

    #[test]
    fn classes_wait_in_their_order_and_first_come_first_served() {
        let mut limiter = Limiter::new(100 * MIB, 1);
        assert!(limiter.ask(ms(0), TrafficClass::CatchUp, 0, 100 * MIB), "the bucket is full");
        assert!(!limiter.ask(ms(0), TrafficClass::CatchUp, 1, MIB));
        assert!(!limiter.ask(ms(0), TrafficClass::Tail, 2, MIB));
        assert!(!limiter.ask(ms(0), TrafficClass::Compaction, 3, MIB));
        assert!(!limiter.ask(ms(0), TrafficClass::Tail, 4, MIB));
        assert_eq!(limiter.refill(ms(9)), [0; 0], "not yet");
        let mut order = Vec::new();
        (1..=4).for_each(|n| order.extend(limiter.refill(ms(10 * n))));
        assert_eq!(order, [3, 2, 4, 1]);
        assert!(!limiter.is_waiting());
    }

    #[test]
    fn bypass_never_waits_and_the_others_pay() {
        let mut limiter = Limiter::new(100 * MIB, 1);
        assert!(limiter.ask(ms(0), TrafficClass::Bypass, 0, 10_000 * MIB));
        assert!(!limiter.ask(ms(0), TrafficClass::Compaction, 1, 1));
        assert_eq!(limiter.refill(ms(1000)), [0; 0], "the debt is one bucket");
        assert_eq!(limiter.refill(ms(1010)), [1]);
    }

    #[test]
    fn a_big_request_is_let_through_in_portions() {
        let mut limiter = Limiter::new(100 * MIB, 1);
        limiter.ask(ms(0), TrafficClass::Bypass, 0, 100 * MIB);
        assert!(!limiter.ask(ms(0), TrafficClass::CatchUp, 1, 50 * MIB));
        assert_eq!(limiter.refill(ms(10)), [0; 0]);
        // What is more urgent goes between its portions.
        assert!(!limiter.ask(ms(11), TrafficClass::Compaction, 2, MIB));
        assert_eq!(limiter.refill(ms(20)), [2]);
        assert_eq!(limiter.refill(ms(509)), [0; 0]);
        assert_eq!(limiter.refill(ms(520)), [1]);
    }
}
