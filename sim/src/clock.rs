//! A node's own clocks, which are wrong in the ways real ones are.
//!
//! The tank's clock is the truth and no process ever sees it. A process sees its node's *wall clock* (an offset, a
//! drift, and jumps forward and backward: NTP steps, a bad hypervisor, a leap second handled badly) and its node's
//! *monotonic clock* (the drift only: it never jumps and never runs backward). Timers run on the monotonic clock, as
//! epoll, `nanoTime` and futures do, so a node whose clock runs fast fires its timeouts early in true time.
//!
//! Contract: drift is within ±10 % (real crystals hold ±200 ppm; more is for finding bugs, not for realism);
//! the monotonic clock never decreases over the life of a node, whatever is injected.

use crate::Nanos;

/// Parts per billion by which a clock runs fast (positive) or slow.
pub type DriftPpb = i64;

/// The largest drift either way: 10 %.
pub const DRIFT_PPB_MAX: DriftPpb = 100_000_000;

const BILLION: i128 = 1_000_000_000;

/// One node's clocks.
#[derive(Clone, Copy, Debug, Default)]
pub struct NodeClock {
    /// True time at which the current drift began.
    since: Nanos,
    /// The monotonic clock's value then.
    monotonic_at_since: Nanos,
    drift: DriftPpb,
    /// Wall clock minus monotonic clock.
    wall_offset: i64,
}

impl NodeClock {
    /// The monotonic clock at the true time `now`.
    pub fn monotonic(&self, now: Nanos) -> Nanos {
        if self.drift == 0 {
            return self.monotonic_at_since + (now - self.since);
        }
        let elapsed = i128::from((now - self.since).0);
        let local = elapsed * (BILLION + i128::from(self.drift)) / BILLION;
        self.monotonic_at_since + Nanos(local as u64)
    }

    /// The wall clock at the true time `now`, as nanoseconds since the epoch that the world began with. It never goes
    /// below zero.
    pub fn wall(&self, now: Nanos) -> Nanos {
        let wall = i128::from(self.monotonic(now).0) + i128::from(self.wall_offset);
        Nanos(u64::try_from(wall.max(0)).unwrap_or(u64::MAX))
    }

    /// How long a timer of `local` monotonic nanoseconds takes in true time, rounded up: a timer never fires before
    /// the node's own clock says so.
    pub fn true_span(&self, local: Nanos) -> Nanos {
        if self.drift == 0 {
            return local;
        }
        let rate = (BILLION + i128::from(self.drift)) as u128;
        let wide = (u128::from(local.0) * BILLION as u128).div_ceil(rate);
        Nanos(u64::try_from(wide).unwrap_or(u64::MAX))
    }

    /// From the true time `now` on, both clocks run fast by `drift` parts per billion. Timers that already run keep
    /// the true time they were set for.
    ///
    /// # Panics
    /// When the drift is beyond ±[`DRIFT_PPB_MAX`].
    pub fn set_drift(&mut self, now: Nanos, drift: DriftPpb) {
        assert!(drift.abs() <= DRIFT_PPB_MAX, "a drift of {drift} ppb is beyond 10 %");
        self.monotonic_at_since = self.monotonic(now);
        self.since = now;
        self.drift = drift;
    }

    /// The wall clock jumps by `by` nanoseconds, forward or backward. The monotonic clock does not.
    pub fn jump(&mut self, by: i64) {
        self.wall_offset = self.wall_offset.saturating_add(by);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_jump_moves_the_wall_clock_alone() {
        let mut clock = NodeClock::default();
        clock.jump(-500);
        assert_eq!((clock.wall(Nanos(2_000)), clock.monotonic(Nanos(2_000))), (Nanos(1_500), Nanos(2_000)));
        assert_eq!(clock.wall(Nanos(100)), Nanos::ZERO);
        clock.jump(1_500);
        assert_eq!(clock.wall(Nanos(2_000)), Nanos(3_000));
    }

    #[test]
    fn a_fast_clock_fires_timers_early_in_true_time() {
        let mut clock = NodeClock::default();
        clock.set_drift(Nanos::ZERO, 100_000_000);
        assert_eq!(clock.monotonic(Nanos::secs(10)), Nanos::secs(11));
        assert_eq!(clock.true_span(Nanos::secs(11)), Nanos::secs(10));
    }

    proptest! {
        #[test]
        fn monotonic_never_runs_backward_and_timers_never_fire_early(
            steps in prop::collection::vec((0u64..10_000_000_000, -DRIFT_PPB_MAX..=DRIFT_PPB_MAX, any::<i32>()), 1..20),
            timer in 0u64..100_000_000_000,
        ) {
            let mut clock = NodeClock::default();
            let (mut now, mut last) = (Nanos::ZERO, Nanos::ZERO);
            for (span, drift, jump) in steps {
                now += Nanos(span);
                prop_assert!(clock.monotonic(now) >= last);
                clock.set_drift(now, drift);
                clock.jump(i64::from(jump));
                last = clock.monotonic(now);
                let fires = now + clock.true_span(Nanos(timer));
                prop_assert!(clock.monotonic(fires) >= last + Nanos(timer));
                prop_assert!(clock.monotonic(fires).0 <= last.0 + timer + 2);
            }
        }
    }
}
