//! The clock of work: how much CPU time each running thread has got, with pauses, slow-downs and CPU credits.
//!
//! All running threads progress alike, so one number serves them all: `work`, the nanoseconds of service that a thread
//! running since the start would have got. A thread is done when `work` reaches its target. A change of speed moves no
//! target; only the wake-ups move.

use super::spec::CpuCredits;
use wavetank_sim::Nanos;

/// Balances are kept in this fraction of a core-nanosecond, so that earning (thousandths of a credit an hour) and
/// spending are whole numbers a nanosecond: 1/1000 credit an hour = 60e9/1000/3600e9 = 1/60,000 core.
const UNITS_PER_CORE_NANO: u64 = 60_000;
/// Units in a thousandth of a credit (60 ms of one core).
const UNITS_PER_MILLI: u128 = 60_000_000 * UNITS_PER_CORE_NANO as u128;

#[derive(Clone, Debug)]
pub(super) struct CpuClock {
    at: Nanos,
    work: u64,
    // What `work` has got beyond a whole nanosecond, in parts of `speed.den`.
    remainder: u128,
    speed: Speed,
    faults: Speed,
    busy: u32,
    credits: Option<Balance>,
}

/// Service received per nanosecond, as a ratio; zero is a pause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Speed {
    pub num: u64,
    pub den: u64,
}

impl Speed {
    pub const FULL: Speed = Speed { num: 1, den: 1 };
    pub const PAUSED: Speed = Speed { num: 0, den: 1 };

    /// This speed with service times stretched by `num / den`. Kept within 32 bits each side: exact for any sane pair
    /// of faults, rounded (and never to zero) beyond.
    pub fn stretched(self, num: u32, den: u32) -> Speed {
        let (mut up, mut down) = (u128::from(self.num) * u128::from(den), u128::from(self.den) * u128::from(num));
        let common = gcd(up.max(1), down.max(1));
        (up, down) = (up / common, down / common);
        while up.max(down) > u128::from(u32::MAX) {
            (up, down) = ((up >> 1).max(1), (down >> 1).max(1));
        }
        Speed { num: up as u64, den: (down as u64).max(1) }
    }

    fn is_above(self, other: Speed) -> bool {
        u128::from(self.num) * u128::from(other.den) > u128::from(other.num) * u128::from(self.den)
    }
}

fn gcd(a: u128, b: u128) -> u128 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[derive(Clone, Debug)]
struct Balance {
    spec: CpuCredits,
    units: u128,
    surplus: u128,
}

impl CpuClock {
    pub fn new(credits: Option<CpuCredits>) -> CpuClock {
        let credits = credits.map(|spec| {
            let launch = spec.launch_milli.min(spec.max_milli);
            Balance { spec, units: u128::from(launch) * UNITS_PER_MILLI, surplus: 0 }
        });
        CpuClock { at: Nanos::ZERO, work: 0, remainder: 0, speed: Speed::FULL, faults: Speed::FULL, busy: 0, credits }
    }

    /// Service that a thread running since the start has got by now.
    pub fn work(&self) -> u64 {
        self.work
    }

    pub fn is_paused(&self) -> bool {
        self.faults.num == 0
    }

    /// Cores at work: pauses count as not at work.
    pub fn busy(&self) -> u32 {
        self.busy
    }

    /// Thousandths of a credit left, rounded down.
    pub fn credits_milli(&self) -> Option<u64> {
        self.credits.as_ref().map(|b| (b.units / UNITS_PER_MILLI) as u64)
    }

    /// Core-nanoseconds spent beyond the balance (unlimited mode).
    pub fn surplus_core_nanos(&self) -> u64 {
        self.credits.as_ref().map_or(0, |b| (b.surplus / u128::from(UNITS_PER_CORE_NANO)) as u64)
    }

    /// Brings everything up to `now`, in pieces of constant speed.
    pub fn advance(&mut self, now: Nanos) {
        assert!(now >= self.at, "a host's time went back from {:?} to {now:?}", self.at);
        while self.at < now {
            let span = self.until_credits_change().map_or(now - self.at, |s| s.min(now - self.at));
            self.pass(span);
            self.refresh();
        }
    }

    /// When a running thread with that target will be done if nothing changes; `None` while paused.
    pub fn due(&self, target: u64) -> Option<Nanos> {
        if self.speed.num == 0 {
            return None;
        }
        let parts = u128::from(target.saturating_sub(self.work)) * u128::from(self.speed.den);
        let span = parts.saturating_sub(self.remainder).div_ceil(u128::from(self.speed.num));
        Some(self.at.saturating_add(Nanos(u64::try_from(span).unwrap_or(u64::MAX))))
    }

    /// Sets the number of cores at work. True when the others got faster by it: their wake-ups are too late now.
    pub fn set_busy(&mut self, busy: u32) -> bool {
        self.busy = busy;
        self.refresh()
    }

    /// Sets what the faults that hold make of the speed. True when it rose.
    pub fn set_faults(&mut self, faults: Speed) -> bool {
        self.faults = faults;
        self.refresh()
    }

    fn spending(&self) -> u64 {
        if self.is_paused() { 0 } else { u64::from(self.busy) * UNITS_PER_CORE_NANO }
    }

    /// Standard mode with an empty balance: threads get what is earned, shared, so the balance stays at zero.
    fn throttled(&self) -> bool {
        self.credits.as_ref().is_some_and(|b| {
            !b.spec.unlimited && b.units == 0 && self.spending() > u64::from(b.spec.earned_per_hour_milli)
        })
    }

    fn until_credits_change(&self) -> Option<Nanos> {
        let balance = self.credits.as_ref()?;
        let drain = self.spending().checked_sub(u64::from(balance.spec.earned_per_hour_milli))?;
        if drain == 0 || balance.units == 0 {
            return None;
        }
        Some(Nanos(u64::try_from(balance.units.div_ceil(u128::from(drain))).unwrap_or(u64::MAX)))
    }

    fn pass(&mut self, span: Nanos) {
        let parts = self.remainder + u128::from(span.0) * u128::from(self.speed.num);
        let den = u128::from(self.speed.den);
        self.work += u64::try_from(parts / den).expect("work is at most time");
        self.remainder = parts % den;
        self.at += span;
        let (spending, throttled) = (self.spending(), self.throttled());
        let Some(balance) = self.credits.as_mut() else { return };
        if throttled {
            return;
        }
        let earned = u128::from(span.0) * u128::from(balance.spec.earned_per_hour_milli);
        let spent = u128::from(span.0) * u128::from(spending);
        let have = balance.units + earned;
        if balance.spec.unlimited {
            balance.surplus += spent.saturating_sub(have);
        }
        let cap = u128::from(balance.spec.max_milli) * UNITS_PER_MILLI;
        balance.units = have.saturating_sub(spent).min(cap);
    }

    fn refresh(&mut self) -> bool {
        let mut speed = self.faults;
        if self.throttled() {
            let earned = u64::from(self.credits.as_ref().map_or(0, |b| b.spec.earned_per_hour_milli));
            speed = Speed { num: speed.num * earned, den: speed.den * u64::from(self.busy) * UNITS_PER_CORE_NANO };
        }
        if speed == self.speed {
            return false;
        }
        let rose = speed.is_above(self.speed);
        self.speed = speed;
        // Less than a nanosecond of work is forgotten with each change of speed; none where speeds are whole.
        self.remainder = 0;
        rose
    }
}
