//! Families of faults that have a stream of draws to themselves: patterns of several blows that belong together, and single
//! blows that came later than [those of one stream](super::storm).

use super::aims::draw_delay;
use super::build::FIRST_TOPIC;
use super::case::Crew;
use crate::spec::scenario::Family;
use crate::storm::{
    Aim, Blow, Direction, Entry, Goal, Kind, Member, Place, Role, ShareBlow, Step, StoreBlow, Storm, VolumeBlow,
};
use std::ops::Range;
use wavetank_sim::{Nanos, Stream};

/// What is being drawn of one family.
struct Draw<'a> {
    family: Family,
    crew: &'a Crew,
    /// No fault lasts beyond it.
    ends: Nanos,
    stream: &'a mut Stream,
    storm: &'a mut Storm,
}

/// Adds a family's faults to a storm, one every `pace` on average.
pub(super) fn draw(
    storm: &mut Storm,
    family: Family,
    pace: Nanos,
    crew: &Crew,
    during: &Range<Nanos>,
    stream: &mut Stream,
) {
    let mut draw = Draw { family, crew, ends: during.end, stream, storm };
    let mut at = during.start + draw.stream.exponential(pace);
    while at < during.end {
        let span = draw.stream.nanos(Nanos::millis(50)..Nanos::secs(20));
        draw.one(at, span);
        at += draw.stream.exponential(pace);
    }
}

impl Draw<'_> {
    fn one(&mut self, at: Nanos, span: Nanos) {
        let roster = &self.crew.roster;
        let [brokers, controllers] = [Role::Broker, Role::Controller].map(|role| roster.all(role));
        let broker = *self.stream.pick(&brokers);
        let controller = *self.stream.pick(&controllers);
        let what = match self.family {
            Family::ZoneHit => return self.zone_hit(at, span),
            Family::RollingFaults => return self.rolling(at),
            Family::SwizzleClog => return self.swizzle_clog(at, &[brokers, controllers].concat()),
            Family::HitAgain => return self.hit_again(at, span, broker),
            Family::RescuerCrash => return self.rescuer_crash(at, broker),
            Family::LateMessages => return self.late_messages(at, broker),
            Family::QuorumCut => return self.quorum_cut(at, broker),
            Family::HostPause => {
                Blow::PauseHost(*self.stream.pick(&[brokers, controllers, self.crew.jobs.clone()].concat()))
            }
            Family::ControllerPause => Blow::Pause(controller),
            Family::ControllerPowerLoss => Blow::PowerLoss(controller),
            Family::ControllerCut => self.controller_cut(controller, &brokers, &controllers),
            Family::ControllerVolume => Blow::Volume { of: controller, fault: self.controller_volume() },
            Family::JobPause if self.crew.jobs.is_empty() => return,
            Family::JobPause => Blow::Pause(*self.stream.pick(&self.crew.jobs)),
            Family::ConnectionResets => Blow::Resets {
                from: Place::Member(broker),
                to: Place::Everywhere,
                every: Nanos::millis(300),
                ratio_ppm: 200_000,
            },
            Family::ZoneGrey => match self.two_zones() {
                Some((from, to)) => Blow::Grey { from, to, latency_factor: 20, bandwidth_divisor: 10 },
                None => return,
            },
            Family::VolumeSlow => {
                Blow::Volume { of: broker, fault: VolumeBlow::Slow { latency_factor: 8, throughput_divisor: 8 } }
            }
            Family::VolumeWriteErrors => Blow::Volume { of: broker, fault: VolumeBlow::WriteErrors },
            Family::VolumeDetach => Blow::Volume { of: broker, fault: VolumeBlow::Detach },
            Family::ShareFailover => {
                Blow::Share(ShareBlow::Failover { duration: self.stream.nanos(Nanos::secs(1)..Nanos::secs(8)) })
            }
            Family::ShareStall => Blow::Share(ShareBlow::Stall),
            Family::ObjectStoreOutage => Blow::Store(StoreBlow::Outage),
            Family::RetentionChange => return self.retention_change(at),
            Family::OffsetReset => return self.offset_reset(at),
            Family::Rescale => return self.rescale(at),
            other => unreachable!("{} is drawn from the stream of all", other.name()),
        };
        self.push(at, span, what);
    }

    fn push(&mut self, at: Nanos, span: Nanos, what: Blow) {
        if at < self.ends {
            self.storm.push(self.family.name(), at, self.ends.min(at + span), what);
        }
    }

    /// Waits from a time on, as long as there is time.
    fn push_aimed(&mut self, start: Nanos, aim: Aim, what: Blow) {
        let entry =
            Entry { family: self.family.name().into(), start, end: self.ends, permanent: false, aim: Some(aim), what };
        self.storm.entries.push(entry);
    }

    /// A blow that ends or holds up one process or its host.
    fn blow(&mut self, at: Member) -> Blow {
        match self.stream.weighted(&[4, 3, 2, 1]) {
            0 => Blow::Kill(at),
            1 => Blow::Pause(at),
            2 => Blow::PowerLoss(at),
            _ => Blow::Cut { from: Place::Member(at), to: Place::Everywhere, direction: Direction::TwoWay },
        }
    }

    /// All brokers of a zone, in the same way.
    fn zone_hit(&mut self, at: Nanos, span: Nanos) {
        let zone = self.stream.index(self.crew.roster.zones as usize) as u32;
        let (kind, staggered) = (self.stream.index(4), self.stream.ratio(1, 2));
        for broker in self.crew.brokers_in(zone) {
            let later = if staggered { self.stream.exponential(Nanos::secs(1)) } else { Nanos::ZERO };
            let what = match kind {
                0 => Blow::Kill(broker),
                1 => Blow::PauseHost(broker),
                2 => Blow::PowerLoss(broker),
                _ => Blow::SlowHost { of: broker, factor: 10 },
            };
            self.push(at + later, span, what);
        }
    }

    /// One after the other over all brokers, or all controllers: each comes back before the next is hit, or only after.
    fn rolling(&mut self, mut at: Nanos) {
        let role = if self.stream.ratio(2, 3) { Role::Broker } else { Role::Controller };
        let mut members = self.crew.roster.all(role);
        self.stream.shuffle(&mut members);
        let down = self.stream.nanos(Nanos::millis(100)..Nanos::secs(12));
        let (overlap, pause) = (self.stream.ratio(1, 3), self.stream.nanos(Nanos::ZERO..Nanos::secs(4)));
        let kind = self.blow(members[0]);
        for member in members {
            self.push(at, down, kind.at(member));
            at += if overlap { down.scale(2, 3) } else { down + pause };
        }
    }

    /// Some links, one way each, in a random order and back in another.
    fn swizzle_clog(&mut self, mut at: Nanos, members: &[Member]) {
        let pairs = members.iter().flat_map(|from| members.iter().map(move |to| (*from, *to)));
        let mut links: Vec<(Member, Member)> = pairs.filter(|(from, to)| from != to).collect();
        self.stream.shuffle(&mut links);
        links.truncate(2 + self.stream.index(7));
        let mut clogged = Vec::new();
        for link in links {
            clogged.push((link, at));
            at += self.stream.exponential(Nanos::millis(700));
        }
        self.stream.shuffle(&mut clogged);
        for ((from, to), since) in clogged {
            at += self.stream.exponential(Nanos::millis(700));
            let what = Blow::Clog { from: Place::Member(from), to: Place::Member(to) };
            self.push(since, at - since, what);
        }
    }

    /// Once, and again up to three times at a step of its way back.
    fn hit_again(&mut self, at: Nanos, span: Nanos, broker: Member) {
        const WAY_BACK: [Kind; 6] = [
            Kind::Started,
            Kind::WalAcquired,
            Kind::WalRecoveryEnded,
            Kind::WalReset,
            Kind::BrokerUnfenced,
            Kind::LeaderReady,
        ];
        let first = self.blow(broker);
        self.push(at, span.scale(1, 4), first);
        for nth in 1..=1 + self.stream.range(0..3) as u32 {
            let step = Step::Said(*self.stream.pick(&WAY_BACK));
            let (after, lasts) = (draw_delay(self.stream), self.stream.nanos(Nanos::millis(50)..Nanos::secs(6)));
            let what = self.blow(broker);
            self.push_aimed(at, Aim { step, by: Some(broker), nth, after, lasts, at_doer: false }, what);
        }
    }

    /// A broker is away for longer than its session, and whoever rescues is hit at a step of the rescue; perhaps its successor
    /// too. Or the rescuer is slow, or cannot upload, and the broker is back before the rescue is done.
    fn rescuer_crash(&mut self, at: Nanos, broker: Member) {
        const RESCUE: [Kind; 3] = [Kind::FailoverBegan, Kind::WalTakenOver, Kind::FailoverDone];
        match self.stream.weighted(&[4, 3, 1]) {
            0 => return self.slow_rescue(at, broker),
            1 => {}
            _ => return self.held_rescue(at, broker),
        }
        let away = self.stream.nanos(Nanos::secs(12)..Nanos::secs(30));
        let first = self.blow(broker);
        self.push(at, away, first);
        for nth in 1..=1 + self.stream.range(0..2) as u32 {
            let step = Step::Said(*self.stream.pick(&RESCUE));
            let (after, lasts) = (draw_delay(self.stream), self.stream.nanos(Nanos::millis(100)..Nanos::secs(12)));
            let what = self.blow(broker);
            self.push_aimed(at, Aim { step, by: None, nth, after, lasts, at_doer: true }, what);
        }
    }

    /// A broker stops in the middle of an upload, and goes on with it when somebody else has its log and has not done its work.
    fn slow_rescue(&mut self, at: Nanos, broker: Member) {
        let steps = ["storage: objects were prepared", "storage: a commit was asked for"];
        let step = Step::Mark(steps[self.stream.weighted(&[4, 1])]);
        let nth = 1 + self.stream.range(0..3) as u32;
        let after = self.stream.nanos(Nanos::ZERO..Nanos::millis(50));
        // Longer than its session, and hardly longer than what follows takes.
        let lasts = self.stream.nanos(Nanos::secs(10)..Nanos::secs(17));
        let stops = if self.stream.ratio(3, 4) { Blow::Pause(broker) } else { Blow::PauseHost(broker) };
        self.push_aimed(at, Aim { step, by: Some(broker), nth, after, lasts, at_doer: false }, stops);
        let step = Step::Said(*self.stream.pick(&[Kind::WalTakenOver, Kind::WalRecoveryEnded]));
        let after = self.stream.nanos(Nanos::ZERO..Nanos::millis(200));
        // Shorter than its session: nobody else takes the rescue over.
        let lasts = self.stream.nanos(Nanos::secs(3)..Nanos::secs(8));
        // Whoever recovers its own log is no rescuer: later than the broker's session.
        let rescue = at + Nanos::secs(8);
        if rescue < self.ends {
            self.push_aimed(rescue, Aim { step, by: None, nth: 1, after, lasts, at_doer: true }, Blow::Pause(broker));
        }
    }

    /// The object store is gone from before a broker's session is over until after the broker is back: whoever has taken its
    /// log over cannot finish, and is called off.
    fn held_rescue(&mut self, at: Nanos, broker: Member) {
        let away = self.stream.nanos(Nanos::secs(12)..Nanos::secs(25));
        let (first, begins) = (self.blow(broker), at + Nanos::secs(4));
        self.push(at, away, first);
        let longer = self.stream.nanos(Nanos::ZERO..Nanos::secs(10));
        self.push(begins, away.saturating_sub(Nanos::secs(4)) + longer, Blow::Store(StoreBlow::Outage));
    }

    /// Between a broker and all controllers; clients still reach it.
    fn quorum_cut(&mut self, at: Nanos, broker: Member) {
        let lasts = self.stream.nanos(Nanos::secs(6)..Nanos::secs(30));
        let direction = if self.stream.ratio(3, 4) { Direction::TwoWay } else { Direction::OneWay };
        for controller in self.crew.roster.all(Role::Controller) {
            let (from, to) = (Place::Member(broker), Place::Member(controller));
            self.push(at, lasts, Blow::Cut { from, to, direction });
        }
    }

    /// What it asks of the controllers is on its way when it dies, and comes when it has begun again; or the answers are lost,
    /// and it asks again what was done long ago.
    fn late_messages(&mut self, at: Nanos, broker: Member) {
        const ASKED: [&str; 2] = ["storage: a commit was asked for", "storage: objects were prepared"];
        let step = Step::Mark(ASKED[self.stream.weighted(&[3, 1])]);
        let nth = 1 + self.stream.range(0..4) as u32;
        let aim = |after, lasts| Aim { step, by: Some(broker), nth, after, lasts, at_doer: false };
        let (here, controllers) = (Place::Member(broker), self.crew.roster.all(Role::Controller));
        let answers = self.stream.ratio(1, 2);
        let held = self.stream.nanos(Nanos::millis(200)..Nanos::secs(15));
        let after = self.stream.nanos(Nanos::ZERO..Nanos::millis(4));
        for there in controllers.into_iter().map(Place::Member) {
            if answers {
                let what = Blow::Cut { from: there, to: here, direction: Direction::OneWay };
                self.push_aimed(at, aim(after, held), what);
            } else {
                self.push_aimed(at, aim(Nanos::ZERO, held), Blow::Clog { from: here, to: there });
            }
        }
        let dies_after = self.stream.nanos(Nanos::millis(1)..Nanos::millis(300));
        let down = self.stream.nanos(Nanos::millis(50)..Nanos::secs(3));
        let what = if self.stream.ratio(2, 3) { Blow::Kill(broker) } else { Blow::Pause(broker) };
        if !answers || self.stream.ratio(1, 3) {
            self.push_aimed(at, aim(dies_after, down), what);
        }
    }

    /// From everybody, from other controllers, or from brokers; heard and not hearing, or neither.
    fn controller_cut(&mut self, controller: Member, brokers: &[Member], controllers: &[Member]) -> Blow {
        let others: Vec<Member> = brokers.iter().chain(controllers).copied().filter(|it| *it != controller).collect();
        let other = Place::Member(*self.stream.pick(&others));
        let (one_way, everywhere, turned) = (self.stream.ratio(1, 2), self.stream.ratio(1, 2), self.stream.ratio(1, 2));
        let (here, there) = (Place::Member(controller), if everywhere { Place::Everywhere } else { other });
        let (from, to) = if turned { (there, here) } else { (here, there) };
        Blow::Cut { from, to, direction: if one_way { Direction::OneWay } else { Direction::TwoWay } }
    }

    fn controller_volume(&mut self) -> VolumeBlow {
        match self.stream.weighted(&[3, 3, 1, 2]) {
            0 => VolumeBlow::Stall,
            1 => VolumeBlow::Slow { latency_factor: 20, throughput_divisor: 20 },
            2 => VolumeBlow::Full,
            _ => VolumeBlow::WriteErrors,
        }
    }

    /// Of one of the load's topics, for longer than a broker takes to notice.
    fn retention_change(&mut self, at: Nanos) {
        let topics = self.crew.roster.partitions.len() as u64;
        let topic = self.stream.range(u64::from(FIRST_TOPIC)..topics) as u32;
        let (by_time, time) = (self.stream.ratio(3, 4), self.stream.nanos(Nanos::secs(1)..Nanos::secs(10)));
        let (by_bytes, bytes) = (self.stream.ratio(1, 2), self.stream.range(4 << 10..48 << 10));
        // One of them at least.
        let (time, bytes) = (by_time.then_some(time), (by_bytes || !by_time).then_some(bytes));
        let lasts = self.stream.nanos(Nanos::secs(3)..Nanos::secs(25));
        self.push(at, lasts, Blow::Retain { topic, time, bytes });
    }

    /// Of any group, jobs' too; for longer than its members take to leave.
    fn offset_reset(&mut self, at: Nanos) {
        let groups = self.crew.roster.groups as usize;
        if groups == 0 {
            return;
        }
        let group = self.stream.index(groups) as u32;
        let (from_the_start, records) = (self.stream.ratio(1, 2), self.stream.range(1..100));
        let to = if from_the_start { Goal::Earliest } else { Goal::Back(records) };
        let lasts = self.stream.nanos(Nanos::secs(2)..Nanos::secs(15));
        self.push(at, lasts, Blow::ResetOffsets { group, to });
    }

    /// To any parallelism that its slots are enough for.
    fn rescale(&mut self, at: Nanos) {
        let jobs = self.crew.roster.slots.len();
        if jobs == 0 {
            return;
        }
        let job = self.stream.index(jobs);
        let parallelism = 1 + self.stream.index(self.crew.roster.slots[job] as usize) as u32;
        let lasts = self.stream.nanos(Nanos::secs(1)..Nanos::secs(15));
        self.push(at, lasts, Blow::Rescale { job: job as u32, parallelism });
    }

    fn two_zones(&mut self) -> Option<(Place, Place)> {
        let mut zones: Vec<u32> = (0..self.crew.roster.zones).collect();
        self.stream.shuffle(&mut zones);
        match zones[..] {
            [from, to, ..] => Some((Place::Zone(from), Place::Zone(to))),
            _ => None,
        }
    }
}
