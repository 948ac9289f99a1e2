//! What goes wrong around a log: families of faults, each off or on for a seed.

use super::Plan;
use super::medium::{Device, Place};
use crate::harbour;
use wavetank_models::anomaly::{Anomalies, AnomalyRates};
use wavetank_models::cloud::express::ExpressFault;
use wavetank_models::cloud::network::{LinkClass, NetworkFault, PartitionDirection, Scope};
use wavetank_models::cloud::nfs::NfsFault;
use wavetank_models::cloud::object_store::{ObjectRates, ObjectStoreFault};
use wavetank_models::cloud::volume::{Survival, VolumeFault};
use wavetank_models::fault::Fault;
use wavetank_models::world::{Action, Event, World};
use wavetank_sim::{Choices, Core, Domain, Nanos, NodeId, Stream};

/// Nothing goes wrong after this.
pub(super) const STORM_ENDS: Nanos = Nanos::secs(40);

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

/// A seed's storm.
pub(super) struct Weather {
    rates: AnomalyRates,
    families: Vec<Family>,
    pace: Nanos,
    stream: Stream,
}

impl Weather {
    pub(super) fn draw(choices: &Choices, plan: Plan) -> Weather {
        let mut stream = choices.stream(Domain::new("bare-log/storm"), 0);
        let families = FAMILIES.into_iter().filter(|_| stream.ratio(1, 2)).collect();
        let pace = stream.nanos(Nanos::secs(2)..Nanos::secs(12));
        let drawn = Weather { rates: rates(40_000), families, pace, stream };
        match plan {
            Plan::Storm => drawn,
            Plan::Zombies => {
                let families = vec![Family::Pauses, Family::Anomalies];
                Weather { rates: rates(400_000), families, pace: Nanos::secs(4), ..drawn }
            }
            Plan::Duplicates => {
                // The second time within 8 s: before the second delete, which comes 10 s after the first.
                let duplicate_after_max = Nanos::secs(8);
                let object = ObjectRates { duplicate_ppm: 400_000, duplicate_after_max, ..ObjectRates::default() };
                let rates = AnomalyRates { object, ..AnomalyRates::default() };
                Weather { rates, families: vec![Family::Anomalies], ..drawn }
            }
        }
    }

    /// One line for people.
    pub(super) fn describe(&self) -> String {
        let names: Vec<&str> = self.families.iter().map(|family| family.name()).collect();
        format!("faults: {}", if names.is_empty() { "none".into() } else { names.join(", ") })
    }

    pub(super) fn put_on_plan(
        mut self,
        world: &mut World,
        core: &mut Core<Event>,
        place: &Place,
        device: Device,
        [owner, rescuer]: [NodeId; 2],
    ) {
        for family in std::mem::take(&mut self.families) {
            if family == Family::Anomalies {
                world.set_anomalies(Anomalies::explore(self.rates.clone(), core.choices()));
                world.plan(core, STORM_ENDS, Action::EndAnomalies);
                continue;
            }
            let mut at = self.stream.exponential(self.pace);
            while at < STORM_ENDS {
                let span = self.stream.nanos(Nanos::millis(5)..Nanos::secs(8));
                let ends = (at + span).min(STORM_ENDS);
                match family {
                    Family::Kills | Family::RescuerKills => {
                        let node = if family == Family::Kills { owner } else { rescuer };
                        world.plan(core, at, Action::Kill(node));
                        world.plan(core, ends, Action::Restart(node));
                    }
                    Family::PowerLosses => {
                        world.plan(core, at, Action::PowerLoss(place.owner, Survival::Drawn));
                        world.plan(core, ends, Action::Restart(owner));
                    }
                    Family::Pauses => {
                        world.plan(core, at, Action::Pause(owner));
                        world.plan(core, ends, Action::Resume(owner));
                    }
                    Family::Clocks => {
                        let node = *self.stream.pick(&[owner, rescuer]);
                        let jump = self.stream.range(0..60_000_000_000) as i64 - 30_000_000_000;
                        world.plan(core, at, Action::JumpClock(node, jump));
                    }
                    Family::Cuts | Family::Devices => {
                        let is_cut = family == Family::Cuts;
                        let fault = if is_cut { self.cut(place, device) } else { self.fault_of(device) };
                        let id = world.next_fault_id();
                        world.plan(core, at, Action::Inject(id, fault));
                        world.plan(core, ends, Action::Heal(id));
                    }
                    Family::Anomalies => unreachable!("drawn per operation"),
                }
                at += self.stream.exponential(self.pace);
            }
        }
    }

    fn cut(&mut self, place: &Place, device: Device) -> Fault {
        let to = match device {
            Device::Store(_) | Device::Express(_) => LinkClass::ObjectStorage,
            Device::Volume(_) => LinkClass::BlockStorage,
            Device::Share(_) => LinkClass::FileStorage,
        };
        let direction = *self.stream.pick(&[PartitionDirection::OneWay, PartitionDirection::TwoWay]);
        Fault::Network(NetworkFault::Partition { from: Scope::Host(place.owner), to: Scope::Storage(to), direction })
    }

    fn fault_of(&mut self, device: Device) -> Fault {
        let first = self.stream.ratio(2, 3);
        match device {
            Device::Store(store) if first => {
                Fault::Object(store, ObjectStoreFault::Brownout { az: None, latency_percent: 500, error_ppm: 200_000 })
            }
            Device::Store(store) => Fault::Object(store, ObjectStoreFault::Outage { az: None }),
            Device::Express(store) => Fault::Express(store, ExpressFault::AzDown),
            Device::Volume(volume) if first => Fault::Volume(volume, VolumeFault::Stall),
            Device::Volume(volume) => Fault::Volume(volume, VolumeFault::IoErrors { reads: false, writes: true }),
            Device::Share(share) if first => Fault::Nfs(share, NfsFault::Failover { duration: Nanos::secs(5) }),
            Device::Share(share) => Fault::Nfs(share, NfsFault::Stall),
        }
    }
}

/// Those of the harbour's storm, with so many requests that come twice.
fn rates(duplicate_ppm: u32) -> AnomalyRates {
    let rates = harbour::rates();
    let object = ObjectRates { duplicate_ppm, ..rates.object };
    AnomalyRates { express: object.clone(), object, ..rates }
}
