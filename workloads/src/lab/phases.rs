//! The phases of an exploring run: the calm before the storm, the storm, the heal, the time to become quiet.
//!
//! Everything that a storm mends is mended when it ends; what it took down takes longer. The **heal** lasts until everybody is
//! up and everything that has a leader is led, and from then on the run has to become **quiet**. Where a run does not tell
//! when it was healed, the heal takes no time.

use crate::storm::{Operations, Storm};
use std::fmt;
use std::ops::Range;
use wavetank_sim::Nanos;

/// So long after the end of a storm whoever is down is started, where no supervisor does it.
pub(crate) const BACK_AFTER: Nanos = Nanos::secs(1);

/// A phase of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Nothing has gone wrong yet.
    Calm,
    /// Things go wrong.
    Storm,
    /// Nothing goes wrong any more, and not everybody is back.
    Heal,
    /// Everybody is back, and has something left to do.
    Quiesce,
}

impl Phase {
    const ALL: [Phase; 4] = [Phase::Calm, Phase::Storm, Phase::Heal, Phase::Quiesce];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Phase::Calm => "calm",
            Phase::Storm => "storm",
            Phase::Heal => "heal",
            Phase::Quiesce => "quiesce",
        }
    }
}

/// When a run was in which phase.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Phases {
    storm: Range<Nanos>,
    healed: Option<Nanos>,
    ended: Nanos,
}

impl Phases {
    /// Of a run with this storm, which is over at `storm_ends` whatever it says; `healed`: when everybody was back.
    pub fn of(storm: &Storm, storm_ends: Nanos, healed: Option<Nanos>, ended: Nanos) -> Phases {
        let first = storm.entries.iter().map(|entry| entry.start).min().unwrap_or(storm_ends);
        let begins = if storm.operations == Operations::Ordinary { first } else { Nanos::ZERO };
        Phases { storm: begins.min(storm_ends)..storm_ends, healed, ended }
    }

    /// The phase at a time.
    pub fn at(&self, at: Nanos) -> Phase {
        match self.healed {
            _ if at < self.storm.start => Phase::Calm,
            _ if at < self.storm.end => Phase::Storm,
            Some(healed) if at >= healed => Phase::Quiesce,
            Some(_) | None => Phase::Heal,
        }
    }

    /// The phases that the run came to, and how long each took.
    pub fn spans(&self) -> impl Iterator<Item = (Phase, Nanos)> {
        let healed = self.healed.unwrap_or(self.ended).max(self.storm.end);
        let bounds = [Nanos::ZERO, self.storm.start, self.storm.end, healed, self.ended].map(|at| at.min(self.ended));
        let took = (1..bounds.len()).map(move |place| bounds[place] - bounds[place - 1]);
        Phase::ALL.into_iter().zip(took).filter(|(_, took)| *took > Nanos::ZERO)
    }
}

impl fmt::Display for Phases {
    /// For people: `calm 3.2 s, storm 41.8 s, heal 0.5 s, quiesce 1.0 s`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, (phase, took)) in self.spans().enumerate() {
            let comma = if place == 0 { "" } else { ", " };
            write!(f, "{comma}{} {:.1} s", phase.name(), took.as_secs_f64())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storm::{Blow, Entry, Member, Role};

    fn storm(start: u64) -> Storm {
        let what = Blow::Kill(Member { role: Role::Broker, number: 0 });
        let (start, end) = (Nanos::secs(start), Nanos::secs(start + 2));
        let entry = Entry { family: "broker-crash".into(), start, end, permanent: false, aim: None, what };
        Storm { entries: vec![entry], ..Storm::default() }
    }

    #[test]
    fn each_moment_is_in_one_phase() {
        let secs = Nanos::secs;
        let phases = Phases::of(&storm(7), secs(45), Some(secs(48)), secs(50));
        let expected =
            [(6, Phase::Calm), (7, Phase::Storm), (45, Phase::Heal), (47, Phase::Heal), (48, Phase::Quiesce)];
        expected.into_iter().for_each(|(at, phase)| assert_eq!(phases.at(secs(at)), phase, "{at} s"));
        assert_eq!(phases.to_string(), "calm 7.0 s, storm 38.0 s, heal 3.0 s, quiesce 2.0 s");
    }

    #[test]
    fn a_run_that_ends_early_has_no_later_phases() {
        let secs = Nanos::secs;
        assert_eq!(Phases::of(&storm(7), secs(45), None, secs(12)).to_string(), "calm 7.0 s, storm 5.0 s");
        assert_eq!(Phases::of(&Storm::default(), secs(45), None, secs(46)).to_string(), "calm 45.0 s, heal 1.0 s");
    }
}
