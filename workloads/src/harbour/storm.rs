//! The storm over the harbour: a plan drawn from the seed.
//!
//! Each family of faults is fully off or on for a seed (swarm), so that rare combinations get whole runs to themselves.

use super::{Harbour, STORM_ENDS};
use wavetank_models::anomaly::{Anomalies, AnomalyRates};
use wavetank_models::cloud::express::ExpressFault;
use wavetank_models::cloud::host::HostFault;
use wavetank_models::cloud::network::{LinkClass, NetworkFault, PartitionDirection, Scope};
use wavetank_models::cloud::nfs::{NfsFault, NfsRates};
use wavetank_models::cloud::object_store::{ObjectRates, ObjectStoreFault};
use wavetank_models::cloud::volume::{Survival, VolumeFault, VolumeRates};
use wavetank_models::fault::Fault;
use wavetank_models::world::{Action, Event, World};
use wavetank_sim::{Choices, Core, DRIFT_PPB_MAX, Domain, Nanos, NodeId, Stream};

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

/// What was drawn for a seed.
pub(super) struct Storm {
    families: Vec<Family>,
    /// Mean time between two faults of one family.
    pace: Nanos,
    stream: Stream,
}

impl Storm {
    pub(super) fn draw(choices: &Choices) -> Storm {
        let mut stream = choices.stream(Domain::new("harbour/storm"), 0);
        let families = Family::ALL.into_iter().filter(|_| stream.ratio(1, 2)).collect();
        let pace = stream.nanos(Nanos::secs(2)..Nanos::secs(10));
        Storm { families, pace, stream }
    }

    pub(super) fn describe(&self) -> Vec<String> {
        let names: Vec<String> = self.families.iter().map(|family| format!("{family:?}").to_lowercase()).collect();
        vec![
            format!("faults: {}", if names.is_empty() { "none".into() } else { names.join(" ") }),
            format!("one of each every {:.1} s on average, until {STORM_ENDS:?}", self.pace.as_secs_f64()),
        ]
    }

    pub(super) fn put_on_plan(mut self, world: &mut World, core: &mut Core<Event>, harbour: &Harbour) {
        for family in std::mem::take(&mut self.families) {
            if family == Family::Anomalies {
                world.set_anomalies(Anomalies::explore(rates(), core.choices()));
                world.plan(core, STORM_ENDS, Action::EndAnomalies);
                continue;
            }
            let mut at = Nanos::millis(500) + self.stream.exponential(self.pace);
            while at < STORM_ENDS {
                let span = self.stream.nanos(Nanos::millis(5)..Nanos::secs(6));
                let ends = (at + span).min(STORM_ENDS);
                self.one(world, core, harbour, family, at, ends);
                at += self.stream.exponential(self.pace);
            }
        }
        // Whatever is down or paused by then comes back.
        for node in harbour.all_nodes() {
            world.plan(core, STORM_ENDS, Action::Resume(node));
            world.plan(core, STORM_ENDS + Nanos::secs(1), Action::Restart(node));
        }
    }

    fn node(&mut self, harbour: &Harbour) -> NodeId {
        // Piers have the most to lose.
        match self.stream.weighted(&[4, 1, 2]) {
            0 => *self.stream.pick(&harbour.piers),
            1 => *self.stream.pick(&harbour.boats),
            _ => *self.stream.pick(&harbour.watchmen),
        }
    }

    fn one(
        &mut self,
        world: &mut World,
        core: &mut Core<Event>,
        harbour: &Harbour,
        family: Family,
        at: Nanos,
        ends: Nanos,
    ) {
        let berth = *self.stream.pick(&harbour.berths);
        let fault = match family {
            Family::Kills => {
                let node = self.node(harbour);
                world.plan(core, at, Action::Kill(node));
                return world.plan(core, ends, Action::Restart(node));
            }
            Family::PowerLosses => {
                world.plan(core, at, Action::PowerLoss(berth.host, Survival::Drawn));
                for node in harbour.nodes_on(world, berth.host) {
                    world.plan(core, ends, Action::Restart(node));
                }
                return;
            }
            Family::Pauses => {
                let node = self.node(harbour);
                world.plan(core, at, Action::Pause(node));
                return world.plan(core, ends, Action::Resume(node));
            }
            Family::Clocks => {
                let node = self.node(harbour);
                let jump = self.stream.range(0..20_000_000_000) as i64 - 10_000_000_000;
                let drift = self.stream.range(0..DRIFT_PPB_MAX as u64) as i64 - DRIFT_PPB_MAX / 2;
                world.plan(core, at, Action::JumpClock(node, jump));
                world.plan(core, at, Action::DriftClock(node, drift));
                return world.plan(core, ends, Action::DriftClock(node, 0));
            }
            Family::ZoneLosses => Fault::AzDown(berth.az),
            Family::Network => Fault::Network(self.network_fault(harbour)),
            Family::Hosts => Fault::Host(
                berth.host,
                if self.stream.ratio(1, 2) { HostFault::Pause } else { HostFault::Slow { num: 8, den: 1 } },
            ),
            Family::Volumes => Fault::Volume(berth.volume, self.volume_fault()),
            Family::Stores => match self.stream.weighted(&[3, 1, 1]) {
                0 => Fault::Object(
                    berth.store,
                    ObjectStoreFault::Brownout { az: None, latency_percent: 500, error_ppm: 300_000 },
                ),
                1 => Fault::Object(berth.store, ObjectStoreFault::Outage { az: None }),
                _ => Fault::Express(berth.express, ExpressFault::AzDown),
            },
            Family::Shares => Fault::Nfs(berth.share, self.share_fault()),
            Family::Anomalies => unreachable!("drawn per operation"),
        };
        let id = world.next_fault_id();
        world.plan(core, at, Action::Inject(id, fault));
        world.plan(core, ends, Action::Heal(id));
    }

    fn network_fault(&mut self, harbour: &Harbour) -> NetworkFault {
        let (a, b) = (self.stream.pick(&harbour.berths).az, self.stream.pick(&harbour.berths).az);
        let (from, to) = (Scope::Az(a), if a == b { Scope::All } else { Scope::Az(b) });
        match self.stream.weighted(&[3, 2, 2, 2, 1, 1]) {
            0 => NetworkFault::Partition { from, to, direction: PartitionDirection::TwoWay },
            1 => NetworkFault::Partition { from, to, direction: PartitionDirection::OneWay },
            2 => NetworkFault::Clog { from, to },
            3 => NetworkFault::Grey { from, to, latency_factor: (10, 1), bandwidth_divisor: 20 },
            4 => NetworkFault::ResetStorm { from, to, every: Nanos::millis(300), ratio_ppm: 300_000 },
            _ => NetworkFault::Partition {
                from: Scope::Az(a),
                to: Scope::Storage(LinkClass::ObjectStorage),
                direction: if self.stream.ratio(1, 2) {
                    PartitionDirection::OneWay
                } else {
                    PartitionDirection::TwoWay
                },
            },
        }
    }

    /// Factors multiply where faults of one kind overlap, and what was asked meanwhile keeps its latency after the heal: a
    /// larger factor here, three times over, would outlast the time that everything has to become live again.
    fn volume_fault(&mut self) -> VolumeFault {
        match self.stream.weighted(&[3, 2, 1, 2]) {
            0 => VolumeFault::Stall,
            1 => VolumeFault::Slow { latency_factor: 8, throughput_divisor: 8 },
            2 => VolumeFault::Full,
            _ => VolumeFault::IoErrors { reads: false, writes: true },
        }
    }

    fn share_fault(&mut self) -> NfsFault {
        *self.stream.pick(&[NfsFault::Failover { duration: Nanos::secs(8) }, NfsFault::Stall])
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
