//! What goes wrong around a quorum, drawn from the seed: families of faults, each off or on.

use super::STORM_ENDS;
use crate::storm::{Aim, Blow, Direction, Entry, Kind, Member, Place, Role, Step, Storm, VolumeBlow};
use wavetank_sim::{Choices, Domain, Nanos, Stream};

/// A family of faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    Kills,
    PowerLosses,
    Pauses,
    Cuts,
    OneWayCuts,
    Volumes,
    /// All hosts lose power within an instant.
    Blackouts,
    /// Whoever is elected is hit soon: before others have anything of it, or while they copy what it has.
    ShortReigns,
    /// Whoever has given its vote dies before it has written it down, or just after.
    Voters,
    /// The network and the volumes are slow all the time: what takes an instant elsewhere takes as long as an election.
    ThickAir,
}

impl Family {
    const ALL: [Family; 10] = [
        Family::Kills,
        Family::PowerLosses,
        Family::Pauses,
        Family::Cuts,
        Family::OneWayCuts,
        Family::Volumes,
        Family::Blackouts,
        Family::ShortReigns,
        Family::Voters,
        Family::ThickAir,
    ];

    fn name(self) -> &'static str {
        match self {
            Family::Kills => "kills",
            Family::PowerLosses => "power losses",
            Family::Pauses => "pauses",
            Family::Cuts => "cuts",
            Family::OneWayCuts => "one-way cuts",
            Family::Volumes => "volumes",
            Family::Blackouts => "blackouts",
            Family::ShortReigns => "short reigns",
            Family::Voters => "voters",
            Family::ThickAir => "thick air",
        }
    }
}

/// Elections of a run that short reigns wait for, and votes that deaths of voters wait for.
const REIGNS: u32 = 40;
const VOTES: u64 = 60;

/// What a seed is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Plan {
    /// Families, each off or on.
    Swarm,
    /// Two that stand at one time, and a voter that dies in between.
    Duels,
    /// Short reigns in threes, as in figure 8 of the Raft paper.
    FigureEight,
}

impl Plan {
    pub(super) fn draw(choices: &Choices) -> Plan {
        let mut stream = choices.stream(Domain::new("bare-quorum/plan"), 0);
        [Plan::Swarm, Plan::Duels, Plan::FigureEight][stream.weighted(&[2, 1, 1])]
    }

    /// The families that are on whatever is drawn, and those that may be.
    fn families(self) -> (&'static [Family], &'static [Family]) {
        match self {
            Plan::Swarm => (&[], &Family::ALL),
            Plan::Duels => (&[Family::ThickAir, Family::Voters], &[]),
            Plan::FigureEight => (&[Family::ThickAir, Family::ShortReigns], &[]),
        }
    }
}

/// A seed's storm.
pub(super) fn draw(choices: &Choices, plan: Plan, controllers: u32) -> Storm {
    let mut storm = Storm::default();
    let (on, maybe) = plan.families();
    for (family, entity) in Family::ALL.into_iter().zip(0..) {
        let mut stream = choices.stream(Domain::new("bare-quorum/storm"), entity);
        let is_drawn = stream.ratio(2, 5) && maybe.contains(&family);
        if is_drawn || on.contains(&family) {
            Draw { family, plan, controllers, stream, storm: &mut storm }.all();
        }
    }
    storm
}

struct Draw<'a> {
    family: Family,
    plan: Plan,
    controllers: u32,
    stream: Stream,
    storm: &'a mut Storm,
}

impl Draw<'_> {
    fn all(mut self) {
        match self.family {
            Family::ShortReigns => return self.short_reigns(),
            Family::Voters => return self.voters(),
            Family::ThickAir => return self.thick_air(),
            Family::Kills
            | Family::PowerLosses
            | Family::Pauses
            | Family::Cuts
            | Family::OneWayCuts
            | Family::Volumes
            | Family::Blackouts => {}
        }
        let pace = self.stream.nanos(Nanos::millis(600)..Nanos::secs(6));
        let mut at = self.stream.exponential(pace);
        while at < STORM_ENDS {
            let span = self.stream.nanos(Nanos::millis(10)..Nanos::secs(6));
            self.one(at, span);
            at += self.stream.exponential(pace);
        }
    }

    fn any(&mut self) -> Member {
        Role::Controller.nth(self.stream.index(self.controllers as usize))
    }

    fn push(&mut self, at: Nanos, span: Nanos, what: Blow) {
        if at < STORM_ENDS {
            self.storm.push(self.family.name(), at, STORM_ENDS.min(at + span), what);
        }
    }

    fn one(&mut self, at: Nanos, span: Nanos) {
        let of = self.any();
        let (here, other) = (Place::Member(of), self.any());
        let there = if other == of { Place::Everywhere } else { Place::Member(other) };
        let what = match self.family {
            Family::Kills => Blow::Kill(of),
            Family::PowerLosses => Blow::PowerLoss(of),
            Family::Pauses => Blow::Pause(of),
            Family::Cuts => Blow::Cut { from: here, to: there, direction: Direction::TwoWay },
            Family::OneWayCuts if self.stream.ratio(1, 2) => {
                Blow::Cut { from: here, to: there, direction: Direction::OneWay }
            }
            Family::OneWayCuts => Blow::Cut { from: there, to: here, direction: Direction::OneWay },
            Family::Volumes => Blow::Volume { of, fault: self.volume() },
            Family::Blackouts => return self.blackout(at, span),
            Family::ShortReigns | Family::Voters | Family::ThickAir => unreachable!("they are drawn in another way"),
        };
        self.push(at, span, what);
    }

    /// Factors multiply where faults overlap, and what was asked meanwhile keeps its latency after the heal: larger ones, three
    /// times over, would outlast the time that everything has to become live again.
    fn volume(&mut self) -> VolumeBlow {
        match self.stream.weighted(&[3, 4, 1]) {
            0 => VolumeBlow::Stall,
            1 => VolumeBlow::Slow { latency_factor: 8, throughput_divisor: 8 },
            _ => VolumeBlow::WriteErrors,
        }
    }

    fn blackout(&mut self, at: Nanos, span: Nanos) {
        for member in Role::Controller.first(self.controllers) {
            let later = self.stream.nanos(Nanos::ZERO..Nanos::millis(20));
            let down = span.scale(1, 2) + self.stream.nanos(Nanos::ZERO..Nanos::millis(1_500));
            self.push(at + later, down, Blow::PowerLoss(member));
        }
    }

    /// A fault at whoever did a step, in place of some member.
    fn push_aimed(&mut self, step: Step, nth: u32, (after, lasts): (Nanos, Nanos), what: Blow) {
        let aim = Aim { step, by: None, nth, after, lasts, at_doer: true };
        let (family, start) = (self.family.name().into(), Nanos::ZERO);
        self.storm.entries.push(Entry { family, start, end: STORM_ENDS, permanent: false, aim: Some(aim), what });
    }

    /// Reigns of all lengths, or, in half of the seeds, in threes as in figure 8 of the Raft paper: one that ends with much that
    /// nobody else has; one that nobody hears of; and one that ends while others copy what the first one left.
    fn short_reigns(&mut self) {
        let in_threes = self.stream.ratio(1, 2) || self.plan == Plan::FigureEight;
        for nth in 1..=REIGNS {
            let kind = self.stream.weighted(&[4, 3, 3]);
            let kind = if in_threes { (nth % 3) as usize } else { kind };
            // How much passes in a time depends on how thick the air is.
            let (longest, lasts): (&[u64], _) = match kind {
                0 => (&[2_000], Nanos::secs(3)..Nanos::secs(6)),
                1 => (&[2, 2, 50], Nanos::secs(4)..Nanos::secs(10)),
                _ => (&[30, 150, 400, 1_000], Nanos::secs(3)..Nanos::secs(9)),
            };
            let longest = Nanos::millis(*self.stream.pick(longest));
            let (after, lasts) = (self.stream.nanos(Nanos::ZERO..longest), self.stream.nanos(lasts));
            let of = self.any();
            // What it has appended and told nobody outlasts a cut and a pause.
            let what = match self.stream.weighted(&[2, 1, if kind == 0 { 8 } else { 4 }, 3]) {
                0 => Blow::Kill(of),
                1 => Blow::PowerLoss(of),
                2 => Blow::Cut { from: Place::Member(of), to: Place::Everywhere, direction: Direction::TwoWay },
                _ => Blow::Pause(of),
            };
            self.push_aimed(Step::Said(Kind::ControllerElected), nth, (after, lasts), what);
        }
    }

    /// Leaders die for less time than their followers' patience, so that these stand at one time; and who votes for one of them
    /// dies just after, and is asked by the other one when it is back. Mostly two do not hear of each other at all.
    fn voters(&mut self) {
        const VOTED: Step = Step::Mark("controller: gave its vote");
        if self.stream.ratio(2, 3) || self.plan == Plan::Duels {
            let one = self.any();
            let other = Role::Controller.nth((one.number as usize + 1) % self.controllers as usize);
            let (from, to) = (Place::Member(one), Place::Member(other));
            self.push(Nanos::secs(3), STORM_ENDS, Blow::Cut { from, to, direction: Direction::TwoWay });
        }
        let mut nth = 0;
        while nth < VOTES {
            nth += 1 + self.stream.range(0..2);
            let longest = Nanos::millis(*self.stream.pick(&[6, 40, 300]));
            let after = self.stream.nanos(Nanos::micros(500)..longest);
            let back = Nanos::millis(*self.stream.pick(&[10, 60, 400]));
            let lasts = self.stream.nanos(Nanos::micros(200)..back);
            let of = self.any();
            let what = if self.stream.ratio(2, 3) { Blow::Kill(of) } else { Blow::PowerLoss(of) };
            self.push_aimed(VOTED, nth as u32, (after, lasts), what);
        }
        for nth in 1..=REIGNS {
            let after = self.stream.nanos(Nanos::millis(300)..Nanos::secs(2));
            let lasts = self.stream.nanos(Nanos::millis(20)..Nanos::millis(1_800));
            let of = self.any();
            self.push_aimed(Step::Said(Kind::ControllerElected), nth, (after, lasts), Blow::Kill(of));
        }
    }

    /// The network, the volumes, or both; some ways are longer than others.
    fn thick_air(&mut self) {
        let start = self.stream.nanos(Nanos::ZERO..Nanos::secs(4));
        let (network, volumes) = (self.stream.ratio(2, 3), self.stream.ratio(1, 2));
        let (network, volumes) = match self.plan {
            Plan::Swarm | Plan::FigureEight => (network || !volumes, volumes),
            // A vote is to be written down before the next candidate's request comes.
            Plan::Duels => (true, false),
        };
        let base = 10 + self.stream.range(0..110);
        for of in Role::Controller.first(self.controllers) {
            let latency_factor = (base * (100 + self.stream.range(0..150)) / 100) as u32;
            if network {
                let (from, to) = (Place::Member(of), Place::Everywhere);
                self.push(start, STORM_ENDS, Blow::Grey { from, to, latency_factor, bandwidth_divisor: 1 });
            }
            let latency_factor = 5 + self.stream.range(0..25) as u32;
            if volumes {
                let fault = VolumeBlow::Slow { latency_factor, throughput_divisor: 2 };
                self.push(start, STORM_ENDS, Blow::Volume { of, fault });
            }
        }
    }
}
