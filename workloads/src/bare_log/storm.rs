//! What goes wrong around a log, drawn from the seed: families of faults, each off or on.

use super::{Medium, Plan};
use crate::cluster::draw_delay;
use crate::harbour;
use crate::storm::{
    Aim, Blow, Direction, Entry, Kind, Operations, Place, Role, ShareBlow, Step, Storage, StoreBlow, Storm, VolumeBlow,
};
use wavetank_models::anomaly::AnomalyRates;
use wavetank_models::cloud::object_store::ObjectRates;
use wavetank_sim::{Choices, Domain, Nanos, Stream};

/// Nothing goes wrong after this.
pub(super) const STORM_ENDS: Nanos = Nanos::secs(40);

/// Of a storm of short lives, up to which trim they wait for one.
const TRIMS: u32 = 80;

/// A family of faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    Kills,
    RescuerKills,
    PowerLosses,
    Pauses,
    Clocks,
    Cuts,
    Devices,
    Anomalies,
}

const FAMILIES: [Family; 8] = [
    Family::Kills,
    Family::RescuerKills,
    Family::PowerLosses,
    Family::Pauses,
    Family::Clocks,
    Family::Cuts,
    Family::Devices,
    Family::Anomalies,
];

impl Family {
    fn name(self) -> &'static str {
        match self {
            Family::Kills => "kills",
            Family::RescuerKills => "kills of the rescuer",
            Family::PowerLosses => "power losses",
            Family::Pauses => "pauses",
            Family::Clocks => "clocks",
            Family::Cuts => "cuts",
            Family::Devices => "the device",
            Family::Anomalies => "single requests",
        }
    }
}

/// A storm that is being drawn.
struct Draw {
    medium: Medium,
    rates: AnomalyRates,
    families: Vec<Family>,
    pace: Nanos,
    stream: Stream,
}

/// Steps of whoever has the log, that faults of either may wait for.
const STEPS: [Step; 8] = [
    Step::Said(Kind::Started),
    Step::Said(Kind::WalAcquired),
    Step::Said(Kind::WalTakenOver),
    Step::Said(Kind::WalRecovered),
    Step::Said(Kind::WalRecoveryEnded),
    Step::Said(Kind::WalReset),
    Step::Said(Kind::WalDurable),
    Step::Said(Kind::WalTrimmed),
];

/// Whether a seed's owner trims its log often and little by little, as one does that uploads often. Then a trim may lie
/// anywhere in the owner's first objects when it dies.
pub(super) fn trims_often(choices: &Choices) -> bool {
    choices.stream(Domain::new("bare-log/trims"), 0).ratio(1, 3)
}

/// Some of the faults that hit a process, in some seeds, wait for a step of it or of the other one.
fn aim_some(storm: &mut Storm, choices: &Choices) {
    let mut stream = choices.stream(Domain::new("bare-log/storm/aims"), 0);
    if !stream.ratio(1, 2) {
        return;
    }
    for entry in &mut storm.entries {
        let hits_a_process =
            matches!(&entry.what, Blow::Kill(_) | Blow::Pause(_) | Blow::PowerLoss(_) | Blow::Cut { .. });
        if hits_a_process && stream.ratio(1, 2) {
            let step = *stream.pick(&STEPS);
            let nth = 1 + stream.range(0..8) as u32;
            let (after, lasts) = (draw_delay(&mut stream), entry.end - entry.start);
            entry.aim = Some(Aim { step, by: None, nth, after, lasts, at_doer: false });
            entry.end = STORM_ENDS;
        }
    }
}

/// Lives of the owner end just after one of their first trims is written down; every other one in a short time in which the
/// store is slow, so that what it has on its way lands when the next life has begun, where that one's first objects lay, which
/// are trimmed and deleted by then.
fn short_lives(choices: &Choices) -> Storm {
    let mut stream = choices.stream(Domain::new("bare-log/short-lives"), 1);
    let mut storm = Storm::default();
    let owner = Role::Owner.nth(0);
    let (mut nth, mut is_slow) = (0, false);
    while nth < TRIMS {
        nth += 1 + stream.range(0..2) as u32;
        is_slow = !is_slow;
        let mut dies_after = stream.nanos(Nanos::millis(100)..Nanos::millis(450));
        let mut push = |family: Family, after, lasts, what| {
            let aim = Aim { step: Step::Said(Kind::WalTrimmed), by: Some(owner), nth, after, lasts, at_doer: false };
            let (family, start) = (family.name().into(), Nanos::ZERO);
            storm.entries.push(Entry { family, start, end: STORM_ENDS, permanent: false, aim: Some(aim), what });
        };
        if is_slow {
            let slow = stream.nanos(Nanos::millis(250)..Nanos::millis(900));
            let latency_percent = 1_500 + stream.range(0..4_000) as u32;
            let what = Blow::Store(StoreBlow::Brownout { latency_percent, error_ppm: 0 });
            push(Family::Devices, dies_after, slow, what);
            dies_after += slow;
        }
        let down = stream.nanos(Nanos::millis(10)..Nanos::millis(100));
        push(Family::Kills, dies_after, down, Blow::Kill(owner));
    }
    storm
}

/// A seed's storm.
pub(super) fn draw(choices: &Choices, plan: Plan, medium: Medium) -> Storm {
    let mut stream = choices.stream(Domain::new("bare-log/storm"), 0);
    let families = FAMILIES.into_iter().filter(|_| stream.ratio(1, 2)).collect();
    let pace = stream.nanos(Nanos::secs(2)..Nanos::secs(12));
    let drawn = Draw { medium, rates: rates(40_000), families, pace, stream };
    let draw = match plan {
        Plan::ShortLives => return short_lives(choices),
        Plan::Storm => drawn,
        Plan::Zombies => {
            let families = vec![Family::Pauses, Family::Anomalies];
            Draw { rates: rates(400_000), families, pace: Nanos::secs(4), ..drawn }
        }
        Plan::Duplicates => {
            // The second time within 8 s: before the second delete, which comes 10 s after the first.
            let duplicate_after_max = Nanos::secs(8);
            let object = ObjectRates { duplicate_ppm: 400_000, duplicate_after_max, ..ObjectRates::default() };
            let rates = AnomalyRates { object, ..AnomalyRates::default() };
            Draw { rates, families: vec![Family::Anomalies], ..drawn }
        }
    };
    let mut storm = draw.all();
    aim_some(&mut storm, choices);
    storm
}

impl Draw {
    fn all(mut self) -> Storm {
        let mut storm = Storm::default();
        for family in std::mem::take(&mut self.families) {
            if family == Family::Anomalies {
                storm.operations = Operations::at(self.rates.clone());
                continue;
            }
            let mut at = self.stream.exponential(self.pace);
            while at < STORM_ENDS {
                let span = self.stream.nanos(Nanos::millis(5)..Nanos::secs(8));
                let what = self.one(family);
                storm.push(family.name(), at, (at + span).min(STORM_ENDS), what);
                at += self.stream.exponential(self.pace);
            }
        }
        storm
    }

    fn one(&mut self, family: Family) -> Blow {
        let (owner, rescuer) = (Role::Owner.nth(0), Role::Rescuer.nth(0));
        match family {
            Family::Kills => Blow::Kill(owner),
            Family::RescuerKills => Blow::Kill(rescuer),
            Family::PowerLosses => Blow::PowerLoss(owner),
            Family::Pauses => Blow::Pause(owner),
            Family::Clocks => {
                let of = *self.stream.pick(&[owner, rescuer]);
                let jump_ns = self.stream.range(0..60_000_000_000) as i64 - 30_000_000_000;
                Blow::Clock { of, jump_ns, drift_ppb: None }
            }
            Family::Cuts => {
                let to = match self.medium {
                    Medium::Object | Medium::Express => Storage::Object,
                    Medium::Gp3 | Medium::Io2 | Medium::Regional => Storage::Block,
                    Medium::Nfs => Storage::File,
                };
                let direction = *self.stream.pick(&[Direction::OneWay, Direction::TwoWay]);
                Blow::Cut { from: Place::Member(owner), to: Place::Storage(to), direction }
            }
            Family::Devices => self.device(),
            Family::Anomalies => unreachable!("drawn per operation"),
        }
    }

    fn device(&mut self) -> Blow {
        let first = self.stream.ratio(2, 3);
        let volume = |fault| Blow::Volume { of: Role::Owner.nth(0), fault };
        match self.medium {
            Medium::Object if first => Blow::Store(StoreBlow::Brownout { latency_percent: 500, error_ppm: 200_000 }),
            Medium::Object => Blow::Store(StoreBlow::Outage),
            Medium::Express => Blow::ExpressDown(0),
            Medium::Gp3 | Medium::Io2 | Medium::Regional if first => volume(VolumeBlow::Stall),
            Medium::Gp3 | Medium::Io2 | Medium::Regional => volume(VolumeBlow::WriteErrors),
            Medium::Nfs if first => Blow::Share(ShareBlow::Failover { duration: Nanos::secs(5) }),
            Medium::Nfs => Blow::Share(ShareBlow::Stall),
        }
    }
}

/// Those of the harbour's storm, with so many requests that come twice.
fn rates(duplicate_ppm: u32) -> AnomalyRates {
    let rates = harbour::rates();
    let object = ObjectRates { duplicate_ppm, ..rates.object };
    AnomalyRates { express: object.clone(), object, ..rates }
}
