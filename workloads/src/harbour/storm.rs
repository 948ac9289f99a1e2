//! The storm over the harbour, drawn from the seed.
//!
//! Each family of faults is fully off or on for a seed (swarm), so that rare combinations get whole runs to themselves.

use super::{BERTHS, STORM_ENDS};
use crate::storm::{
    Blow, Direction, Member, Operations, Place, Role, ShareBlow, Storage, StoreBlow, Storm, VolumeBlow,
};
use wavetank_models::anomaly::AnomalyRates;
use wavetank_models::cloud::nfs::NfsRates;
use wavetank_models::cloud::object_store::ObjectRates;
use wavetank_models::cloud::volume::VolumeRates;
use wavetank_sim::{Choices, DRIFT_PPB_MAX, Domain, Nanos, Stream};

/// A family of faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    Kills,
    PowerLosses,
    ZoneLosses,
    Pauses,
    Clocks,
    Network,
    Hosts,
    Volumes,
    Stores,
    Shares,
    Anomalies,
}

impl Family {
    const ALL: [Family; 11] = [
        Family::Kills,
        Family::PowerLosses,
        Family::ZoneLosses,
        Family::Pauses,
        Family::Clocks,
        Family::Network,
        Family::Hosts,
        Family::Volumes,
        Family::Stores,
        Family::Shares,
        Family::Anomalies,
    ];
}

/// A seed's storm.
pub(super) fn draw(choices: &Choices) -> Storm {
    let mut stream = choices.stream(Domain::new("harbour/storm"), 0);
    let families: Vec<Family> = Family::ALL.into_iter().filter(|_| stream.ratio(1, 2)).collect();
    // Mean time between two faults of one family.
    let pace = stream.nanos(Nanos::secs(2)..Nanos::secs(10));
    let (mut storm, mut draw) = (Storm::default(), Draw(stream));
    for family in families {
        if family == Family::Anomalies {
            storm.operations = Operations::at(rates());
            continue;
        }
        let mut at = Nanos::millis(500) + draw.0.exponential(pace);
        while at < STORM_ENDS {
            let span = draw.0.nanos(Nanos::millis(5)..Nanos::secs(6));
            let what = draw.one(family);
            storm.push(&format!("{family:?}").to_lowercase(), at, (at + span).min(STORM_ENDS), what);
            at += draw.0.exponential(pace);
        }
    }
    storm
}

/// Draws faults.
struct Draw(Stream);

impl Draw {
    fn berth(&mut self) -> usize {
        self.0.index(BERTHS)
    }

    fn member(&mut self) -> Member {
        // Piers have the most to lose.
        let role = [Role::Pier, Role::Boat, Role::Watchman][self.0.weighted(&[4, 1, 2])];
        role.nth(self.berth())
    }

    fn one(&mut self, family: Family) -> Blow {
        let berth = self.berth();
        let pier = Role::Pier.nth(berth);
        match family {
            Family::Kills => Blow::Kill(self.member()),
            Family::PowerLosses => Blow::PowerLoss(pier),
            Family::Pauses => Blow::Pause(self.member()),
            Family::Clocks => {
                let of = self.member();
                let jump_ns = self.0.range(0..20_000_000_000) as i64 - 10_000_000_000;
                let drift = self.0.range(0..DRIFT_PPB_MAX as u64) as i64 - DRIFT_PPB_MAX / 2;
                Blow::Clock { of, jump_ns, drift_ppb: Some(drift) }
            }
            Family::ZoneLosses => Blow::ZoneDown(berth as u32),
            Family::Network => self.network(),
            Family::Hosts if self.0.ratio(1, 2) => Blow::PauseHost(pier),
            Family::Hosts => Blow::SlowHost { of: pier, factor: 8 },
            Family::Volumes => Blow::Volume { of: pier, fault: self.volume() },
            Family::Stores => match self.0.weighted(&[3, 1, 1]) {
                0 => Blow::Store(StoreBlow::Brownout { latency_percent: 500, error_ppm: 300_000 }),
                1 => Blow::Store(StoreBlow::Outage),
                _ => Blow::ExpressDown(berth as u32),
            },
            Family::Shares => {
                Blow::Share(*self.0.pick(&[ShareBlow::Failover { duration: Nanos::secs(8) }, ShareBlow::Stall]))
            }
            Family::Anomalies => unreachable!("drawn per operation"),
        }
    }

    fn network(&mut self) -> Blow {
        let (a, b) = (self.berth() as u32, self.berth() as u32);
        let (from, to) = (Place::Zone(a), if a == b { Place::Everywhere } else { Place::Zone(b) });
        match self.0.weighted(&[3, 2, 2, 2, 1, 1]) {
            0 => Blow::Cut { from, to, direction: Direction::TwoWay },
            1 => Blow::Cut { from, to, direction: Direction::OneWay },
            2 => Blow::Clog { from, to },
            3 => Blow::Grey { from, to, latency_factor: 10, bandwidth_divisor: 20 },
            4 => Blow::Resets { from, to, every: Nanos::millis(300), ratio_ppm: 300_000 },
            _ => Blow::Cut {
                from,
                to: Place::Storage(Storage::Object),
                direction: if self.0.ratio(1, 2) { Direction::OneWay } else { Direction::TwoWay },
            },
        }
    }

    /// Factors multiply where faults of one kind overlap, and what was asked meanwhile keeps its latency after the heal: a
    /// larger factor here, three times over, would outlast the time that everything has to become live again.
    fn volume(&mut self) -> VolumeBlow {
        match self.0.weighted(&[3, 2, 1, 2]) {
            0 => VolumeBlow::Stall,
            1 => VolumeBlow::Slow { latency_factor: 8, throughput_divisor: 8 },
            2 => VolumeBlow::Full,
            _ => VolumeBlow::WriteErrors,
        }
    }
}

pub(crate) fn rates() -> AnomalyRates {
    let object = ObjectRates {
        slow_down_ppm: 30_000,
        internal_error_ppm: 20_000,
        timed_out_ppm: 60_000,
        reset_ppm: 30_000,
        answered_late_ppm: 50_000,
        applied_ppm: 500_000,
        duplicate_ppm: 40_000,
        timeout: Nanos::secs(2),
        late_by_max: Nanos::secs(5),
        duplicate_after_max: Nanos::secs(20),
    };
    let volume =
        VolumeRates { io_error_ppm: 300, io_error_applied_ppm: 300, late_ppm: 5_000, late_max: Nanos::secs(1) };
    let nfs = NfsRates { request_lost_ppm: 5_000, reply_lost_ppm: 5_000, delay_ppm: 20_000, io_error_ppm: 2_000 };
    AnomalyRates { volume, express: object.clone(), object, nfs }
}
