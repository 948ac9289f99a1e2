//! Which rate a search for the highest sustainable one tries next.
//!
//! After `RateController.java` of the OpenMessaging Benchmark (2024): every control period the controller looks at how much
//! was published and received. While nothing falls behind the rate doubles; when something does, the next period's rate is
//! a fifth what was really published or received and four fifths what would work the backlog off.
//!
//! **Different from the original**, which never ends and swings about the limit for as long as the test lasts:
//! * A rate that fell behind is remembered, and the next one that is tried lies in the middle between it and the highest
//!   that held, until the two are [`PRECISION_PERCENT`] apart: the step in which the original nears a latency's bound. Rates
//!   between are held for [`TRIAL`] periods, the last one for [`PROOF`]: a log cache that fills has time to.
//! * A thousand messages are not a backlog to a log that acknowledges after a third of a second. What is less than
//!   [`BACKLOG_LIMIT`] messages or a second's worth of the rate does not count as one.
//! * What was due stays due when the rate changes, so nothing is forgotten: a backlog counts until it is worked off.
//! * Whole numbers, so that every machine finds the same.
//!
//! A limit far below the first guess is found slowly, for what the guess has piled up is worked off at that limit: of 300
//! messages a second after 13 to 15 minutes.

use wavetank_sim::Nanos;

/// How far apart what held and what did not may stay, in per cent.
pub(super) const PRECISION_PERCENT: u64 = 5;
/// So many messages are no backlog (`RECEIVE_BACKLOG_LIMIT` and `PUBLISH_BACKLOG_LIMIT` of the original).
pub(super) const BACKLOG_LIMIT: u64 = 1_000;
/// Control periods that a rate between two others is held for.
const TRIAL: u32 = 4;
/// Control periods that the rate which is found was held for.
pub(super) const PROOF: u32 = 10;

/// Records until now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Totals {
    /// That were due.
    pub(super) due: u64,
    /// That producers are done with.
    pub(super) published: u64,
    /// That consumers have not got yet, of those.
    pub(super) unread: u64,
}

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// The next period runs at that rate.
    Rate(u64),
    /// That rate can be sustained.
    Found(u64),
}

/// See the [module](self).
#[derive(Debug)]
pub(super) struct RateController {
    period: Nanos,
    rate: u64,
    before: Totals,
    /// The highest rate that held; zero for none.
    held: u64,
    /// The lowest that fell behind.
    failed: Option<u64>,
    /// Periods for which nothing has fallen behind at this rate.
    calm: u32,
    /// A backlog is being worked off: the rate is none that is tried.
    is_draining: bool,
}

impl RateController {
    pub(super) fn new(first_guess: u64, period: Nanos) -> RateController {
        RateController {
            period,
            rate: first_guess,
            before: Totals::default(),
            held: 0,
            failed: None,
            calm: 0,
            is_draining: false,
        }
    }

    /// The highest rate that held so far; zero for none.
    pub(super) fn held(&self) -> u64 {
        self.held
    }

    /// A control period is over.
    pub(super) fn next(&mut self, now: Totals) -> Next {
        let behind = now.unread.max(now.due.saturating_sub(now.published));
        let next = match behind > BACKLOG_LIMIT.max(self.rate) {
            true => Next::Rate(self.slow_down(now, behind)),
            false => self.go_on(),
        };
        self.before = now;
        if let Next::Rate(rate) = next {
            self.rate = rate;
        }
        next
    }

    /// Something fell behind: a rate that works it off.
    fn slow_down(&mut self, now: Totals, behind: u64) -> u64 {
        if !self.is_draining {
            self.fell_behind();
        }
        (self.is_draining, self.calm) = (true, 0);
        let per_second = |count: u64| Nanos::secs(count).scale(1, self.period.0.max(1)).0;
        let in_period = |rate: u64| Nanos(rate).scale(self.period.0, Nanos::secs(1).0).0;
        let published = now.published.saturating_sub(self.before.published);
        let received = (published + self.before.unread).saturating_sub(now.unread);
        let actual = per_second(if now.unread == behind { received } else { published });
        let wanted = per_second(in_period(self.rate).saturating_sub(behind));
        actual / 5 + wanted / 5 * 4
    }

    fn fell_behind(&mut self) {
        let is_first = self.failed.replace(self.rate).is_none();
        if is_first {
            // The rate before was watched for one period only.
            self.held = self.rate / 4;
        } else if self.is_precise(self.rate) {
            // What held so far does not, or hardly.
            self.held = self.rate / 2;
        }
    }

    /// Whether what held and that rate, which did not, are close together.
    fn is_precise(&self, failed: u64) -> bool {
        failed.saturating_sub(self.held) * 100 <= failed * PRECISION_PERCENT
    }

    fn go_on(&mut self) -> Next {
        if std::mem::take(&mut self.is_draining) {
            return Next::Rate(self.between());
        }
        self.calm += 1;
        let Some(failed) = self.failed else {
            self.held = self.rate;
            return Next::Rate(self.rate.saturating_mul(2));
        };
        if self.calm < TRIAL {
            return Next::Rate(self.rate);
        }
        self.held = self.held.max(self.rate);
        if !self.is_precise(failed) {
            self.calm = 0;
            return Next::Rate(self.between());
        }
        if self.calm < PROOF { Next::Rate(self.rate) } else { Next::Found(self.rate) }
    }

    /// The middle between what held and what did not.
    fn between(&self) -> u64 {
        let failed = self.failed.unwrap_or(self.rate);
        (self.held + (failed - self.held) / 2).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PERIOD: Nanos = Nanos::secs(3);

    /// A platform: publishes and delivers at most so much, and has a latency.
    struct Model {
        publishes: u64,
        delivers: u64,
        latency_ms: u64,
    }

    /// What a controller makes of it: the rate, and after how many periods.
    fn search(model: &Model) -> (u64, u32) {
        let mut controller = RateController::new(10_000, PERIOD);
        let (mut rate, mut due, mut published, mut read) = (10_000, 0u64, 0u64, 0u64);
        for period in 1..1_000 {
            due += rate * 3;
            let on_its_way = rate * model.latency_ms / 1_000;
            published = (published + model.publishes * 3).min(due - on_its_way.min(due)).max(published);
            read = (read + model.delivers * 3).min(published);
            match controller.next(Totals { due, published, unread: published - read }) {
                Next::Rate(next) => rate = next,
                Next::Found(rate) => return (rate, period),
            }
        }
        panic!("no end: {controller:?}");
    }

    #[test]
    fn the_limit_is_found_from_below_whatever_it_is_of() {
        for limit in [1_000, 5_000, 12_000, 77_777, 400_000, 3_000_000] {
            for (publishes, delivers) in [(limit, u64::MAX / 10), (u64::MAX / 10, limit)] {
                for latency_ms in [1, 300, 900] {
                    let (rate, periods) = search(&Model { publishes, delivers, latency_ms });
                    // A second's worth, or a thousand messages, may be behind after thirty seconds of proof.
                    let most = limit + limit / 25 + BACKLOG_LIMIT / 30 + 1;
                    let what = format!("{limit} at {latency_ms} ms: {rate} after {periods} periods");
                    assert!(rate <= most && rate * 100 >= limit * (100 - 2 * PRECISION_PERCENT), "{what}");
                    // A backlog of a first guess far too high takes its time.
                    assert!(periods < 300, "{what}");
                }
            }
        }
    }

    #[test]
    fn a_rate_holds_only_where_it_holds_for_thirty_seconds() {
        // A cache takes whatever comes for a while: 600,000 records beyond 50,000 a second, since something last drained.
        let (mut controller, mut room) = (RateController::new(10_000, PERIOD), 600_000u64);
        let (mut rate, mut due, mut published) = (10_000, 0u64, 0u64);
        let found = loop {
            due += rate * 3;
            let fast = (due - published).min(150_000);
            let cached = (due - published - fast).min(room);
            room = (room - cached + (150_000 - fast)).min(600_000);
            published += fast + cached;
            match controller.next(Totals { due, published, unread: 0 }) {
                Next::Rate(next) => rate = next,
                Next::Found(rate) => break rate,
            }
        };
        assert!((45_000..=72_000).contains(&found), "{found}");
    }

    #[test]
    fn the_first_steps_are_the_originals() {
        let mut controller = RateController::new(10_000, PERIOD);
        let at = |due, published| Totals { due, published, unread: 0 };
        assert_eq!(controller.next(at(30_000, 30_000)), Next::Rate(20_000));
        assert_eq!(controller.next(at(90_000, 89_000)), Next::Rate(40_000));
        // 45,000 are behind, of 120,000: a fifth of the 55,000 a second really published, four fifths of 25,000.
        let Next::Rate(rate) = controller.next(at(210_000, 165_000)) else { panic!("nothing is found yet") };
        assert_eq!(rate, 76_000 / 3 / 5 + 25_000 / 5 * 4);
    }
}
