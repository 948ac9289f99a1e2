//! Write-ahead logs in a world: a broker that appends, a rescuer that takes over, a storm; the contract at the top of
//! `kafka/wal/mod.rs` is held against what both saw.

#[path = "../common/mod.rs"]
mod common;
mod judge;
mod keeper;
mod storm;

use common::{Chart, Sea};
use judge::Seen;
use keeper::{Keeper, Shared};
use std::sync::Arc;
use storm::{Device, STORM_ENDS, Weather};
use wavetank_models::cloud::latency::Latency;
use wavetank_models::cloud::network::HostId;
use wavetank_models::cloud::volume::{ControlTimes, Volume, VolumeFormat, VolumeSpec};
use wavetank_models::kafka::object_client::ObjectPlace;
use wavetank_models::kafka::token::TokenSpace;
use wavetank_models::kafka::wal::block::{BlockFencing, BlockWalOptions};
use wavetank_models::kafka::wal::file::FileWalOptions;
use wavetank_models::kafka::wal::object::ObjectWalOptions;
use wavetank_models::kafka::wal::ring::RingOptions;
use wavetank_models::kafka::wal::{WalMode, WalMutant, WalSpec, build};
use wavetank_models::world::{Action, Behaviour, Factory, World};
use wavetank_sim::{Choices, Core, EndReason, Limits, Marks, Nanos};

/// The run ends here: long enough after the storm for everything to come back.
const RUN: Nanos = Nanos::secs(130);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Medium {
    Object,
    Express,
    Gp3,
    Io2,
    Regional,
    File,
}

fn object_options() -> ObjectWalOptions {
    let mut options = ObjectWalOptions {
        batch_interval: Nanos::millis(60),
        bulk_bytes_max: 24 << 10,
        unflushed_bytes_max: 200 << 10,
        in_flight_max: 6,
        readahead_bytes: 64 << 10,
        ..ObjectWalOptions::default()
    };
    options.client.page_keys = 5;
    options
}

fn ring_options() -> RingOptions {
    RingOptions {
        capacity_bytes: 256 << 10,
        block_soft_limit_bytes: 12 << 10,
        io_threads: 4,
        iops: 400,
        window_initial_bytes: 16 << 10,
        window_max_bytes: 64 << 10,
        window_unit_bytes: 16 << 10,
        recovery_read_bytes: 20 << 10,
        ..RingOptions::default()
    }
}

/// What a log lies on.
struct Berth {
    spec: Box<dyn Fn(WalMode) -> WalSpec + Send + Sync>,
    device: Device,
    /// Where the rescuer is: in another zone where the medium reaches there.
    rescuer: HostId,
}

impl Medium {
    /// Puts the log's device into the world.
    fn furnish(self, world: &mut World, choices: &Choices, sea: &Sea) -> Berth {
        let object = |place, device| {
            let spec = move |_| WalSpec::Object { place, options: object_options() };
            Berth { spec: Box::new(spec), device, rescuer: sea.hosts[1] }
        };
        let capacity = ring_options().capacity_bytes;
        let az = sea.azs[0];
        match self {
            Medium::Object => object(ObjectPlace::Regional(sea.store, sea.bucket), Device::Store(sea.store)),
            Medium::Express => {
                object(ObjectPlace::Express(sea.express, sea.express_bucket), Device::Express(sea.express))
            }
            Medium::Gp3 => block(world, choices, sea, VolumeSpec::gp3(az, VolumeFormat::Raw, capacity), 1),
            Medium::Io2 => block(world, choices, sea, VolumeSpec::io2(az, VolumeFormat::Raw, capacity, 2_000, true), 1),
            Medium::Regional => {
                let azs = vec![az, sea.azs[1]];
                block(world, choices, sea, VolumeSpec::regional(azs, VolumeFormat::Raw, capacity), 2)
            }
            Medium::File => {
                let options = FileWalOptions { ring: ring_options(), ..FileWalOptions::on(sea.share) };
                let spec = move |_| WalSpec::File(options.clone());
                Berth { spec: Box::new(spec), device: Device::Share(sea.share), rescuer: sea.hosts[2] }
            }
        }
    }
}

/// A raw volume whose control plane is quick, so that much happens.
fn block(world: &mut World, choices: &Choices, sea: &Sea, mut spec: VolumeSpec, rescuer: usize) -> Berth {
    spec.control = ControlTimes {
        attach: Latency::constant(Nanos::millis(800)),
        detach: Latency::constant(Nanos::millis(700)),
        detach_terminated: Latency::constant(Nanos::secs(5)),
        force_detach: Latency::constant(Nanos::secs(2)),
    };
    let fencing = if spec.kind.is_shared() { BlockFencing::Reservation } else { BlockFencing::Detach };
    let volume = world.add_volume(Volume::new(spec, choices, 9));
    let victim = sea.hosts[0];
    let make = move |mode| {
        let victim = (mode == WalMode::Failover).then_some(victim);
        WalSpec::Block(BlockWalOptions { volume, fencing, victim, ring: ring_options() })
    };
    Berth { spec: Box::new(make), device: Device::Volume(volume), rescuer: sea.hosts[rescuer] }
}

struct Run {
    broken: Vec<String>,
    seen: Seen,
    marks: Marks,
}

fn keeper(shared: &Shared, mode: WalMode) -> Factory {
    let shared = shared.clone();
    Box::new(move |_| Behaviour::Machine(Box::new(Keeper::new(shared.clone(), mode))))
}

fn run(medium: Medium, seed: u64, mutant: Option<WalMutant>) -> Run {
    let limits = Limits { events_max: 3_000_000, time_max: RUN, ..Limits::default() };
    let shared = std::cell::OnceCell::new();
    Chart { limits, ..Chart::seeded(seed) }.run(
        |world: &mut World, core: &mut Core<_>, sea| {
            let Berth { spec, device, rescuer } = medium.furnish(world, &core.choices().clone(), sea);
            let make = Arc::new(move |space: TokenSpace, mode| build(spec(mode), space, mutant));
            let shared = shared.get_or_init(|| Shared::new(make, STORM_ENDS));
            let owner = world.add_node(core, "owner", sea.hosts[0], keeper(shared, WalMode::Own));
            let rescuer = world.add_node(core, "rescuer", rescuer, keeper(shared, WalMode::Failover));
            for node in [owner, rescuer] {
                world.supervise(node, Nanos::millis(700));
            }
            let mut weather = Weather::draw(core.choices(), device);
            if seed % 4 == 3 {
                weather = weather.with_zombies();
            }
            weather.put_on_plan(world, core, sea, owner, rescuer);
            for node in [owner, rescuer] {
                world.plan(core, STORM_ENDS, Action::Resume(node));
                world.plan(core, STORM_ENDS + Nanos::secs(1), Action::Restart(node));
            }
        },
        |world, _, outcome, _| {
            let judge = &shared.get().expect("built").judge;
            let mut broken = judge.verdict();
            broken.extend(world.failures().iter().map(|failure| failure.why.clone()));
            if outcome.reason != EndReason::TimeCap {
                broken.push(format!("the run ended with: {}", outcome.reason));
            }
            Run { broken, seen: judge.seen(), marks: outcome.marks }
        },
    )
}

fn sweep(medium: Medium, seeds: std::ops::Range<u64>) -> (Marks, Seen) {
    let (mut marks, mut all) = (Marks::default(), Seen::default());
    for seed in seeds {
        let run = run(medium, seed, None);
        // The first few say enough.
        let broken: Vec<&String> = run.broken.iter().take(5).collect();
        assert!(broken.is_empty(), "{medium:?} seed {seed}: {broken:#?}\n{:?}", run.seen);
        assert!(run.seen.last_durable + Nanos::secs(20) > RUN, "{medium:?} seed {seed}: stuck: {:?}", run.seen);
        marks.merge(&run.marks);
        all.durable += run.seen.durable;
        all.recovered += run.seen.recovered;
        all.released += run.seen.released;
        all.ready += run.seen.ready;
        all.owners += run.seen.owners;
        all.trimmed += run.seen.trimmed;
    }
    (marks, all)
}

fn caught(medium: Medium, mutant: WalMutant, seeds: std::ops::Range<u64>) {
    let found = seeds.clone().find_map(|seed| {
        let run = run(medium, seed, Some(mutant));
        run.broken.first().map(|first| (seed, first.clone()))
    });
    let (seed, how) = found.unwrap_or_else(|| panic!("no seed of {seeds:?} catches {mutant:?} on {medium:?}"));
    println!("{medium:?} {}: seed {seed}: {how}", mutant.name());
}

#[test]
fn an_object_log_keeps_its_contract() {
    let (marks, seen) = sweep(Medium::Object, 0..100);
    println!("{seen:?} {marks:#?}");
    for mark in [
        "wal: a fenced owner's PUT landed after the new owner's list",
        "wal: list crossed a page",
        "wal: over capacity",
        "wal: a trim lay between crash and recovery",
        "wal: verify found another owner",
    ] {
        assert!(marks.count(mark) > 0, "never reached: {mark}");
    }
}

#[test]
fn an_express_log_keeps_its_contract() {
    println!("{:?}", sweep(Medium::Express, 0..40).1);
}

#[test]
fn logs_on_volumes_keep_their_contract() {
    for medium in [Medium::Gp3, Medium::Io2, Medium::Regional] {
        let (marks, seen) = sweep(medium, 0..150);
        println!("{medium:?} {seen:?} {marks:#?}");
        for mark in [
            "wal: over capacity",
            "wal: a trim lay between crash and recovery",
            "wal: the device refused a fenced owner",
        ] {
            assert!(marks.count(mark) > 0, "{medium:?} never reached: {mark}");
        }
    }
}

#[test]
fn a_log_on_a_share_keeps_its_contract() {
    let (marks, seen) = sweep(Medium::File, 0..300);
    println!("{seen:?} {marks:#?}");
    for mark in [
        "wal: over capacity",
        "wal: a trim lay between crash and recovery",
        "wal: an owner's client was fenced",
        "wal: the device refused a fenced owner",
    ] {
        assert!(marks.count(mark) > 0, "never reached: {mark}");
    }
}

#[test]
fn mutants_of_the_ring_are_caught() {
    for mutant in [
        WalMutant::ConfirmMax,
        WalMutant::RecoverBodyOffset,
        WalMutant::ResetTrimsPastEnd,
        WalMutant::NoRingCycleCheck,
        WalMutant::HeaderLeftGraceful,
    ] {
        caught(Medium::Io2, mutant, 0..300);
        caught(Medium::File, mutant, 0..300);
    }
}

#[test]
fn mutants_of_the_object_log_are_caught() {
    for mutant in [
        WalMutant::ConfirmMax,
        WalMutant::EpochNotInKey,
        WalMutant::FailoverVerifiesNothing,
        WalMutant::RecoverBodyOffset,
        WalMutant::ResetTrimsPastEnd,
        WalMutant::ListOnePage,
        WalMutant::OverlapFirstOnly,
        WalMutant::PlainPutReservation,
        WalMutant::NoVerifyBeforeAck,
    ] {
        caught(Medium::Object, mutant, 0..300);
    }
}
