//! Write-ahead logs in a world: a broker that appends, a rescuer that takes over, a storm; the contract at the top of
//! `kafka/wal/mod.rs` is held against what both saw.

#[path = "../common/mod.rs"]
mod common;
mod corpus;
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
use wavetank_models::cloud::nfs::{NfsShare, NfsSpec};
use wavetank_models::cloud::volume::{ControlTimes, Volume, VolumeFormat, VolumeSpec};
use wavetank_models::kafka::object_client::ObjectPlace;
use wavetank_models::kafka::token::TokenSpace;
use wavetank_models::kafka::wal::block::{BlockFencing, BlockWalOptions};
use wavetank_models::kafka::wal::file::FileWalOptions;
use wavetank_models::kafka::wal::object::ObjectWalOptions;
use wavetank_models::kafka::wal::ring::RingOptions;
use wavetank_models::kafka::wal::{WalMode, WalMutant, WalOffset, WalSpec, build};
use wavetank_models::world::{Action, Behaviour, Factory, World};
use wavetank_sim::{Choices, Core, Domain, EndReason, Limits, Marks, Nanos};

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
                let mut spec = NfsSpec::fsx_ontap_multi_az(512 << 20, 1 << 30);
                // Half of the servers let anybody write who has the file open, and keep unstable writes in memory.
                let ontap = choices.stream(Domain::new("test/share"), 0).ratio(1, 2);
                (spec.nvram, spec.mandatory_locks) = (ontap, ontap);
                (spec.lease_time, spec.grace_period) = (Nanos::secs(6), Nanos::secs(3));
                spec.retransmit_after = Nanos::secs(3);
                let share = world.add_share(NfsShare::new(spec, choices, 9));
                let mut options = FileWalOptions::on(share);
                (options.ring, options.renew_interval) = (ring_options(), Nanos::secs(2));
                let spec = move |_| WalSpec::File(options.clone());
                Berth { spec: Box::new(spec), device: Device::Share(share), rescuer: sea.hosts[2] }
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
    events: u64,
    seen: Seen,
    marks: Marks,
    /// Of the regional store, at the end.
    keys: Vec<String>,
    /// By the first owner.
    trimmed: Option<WalOffset>,
}

fn keeper(shared: &Shared, mode: WalMode) -> Factory {
    let shared = shared.clone();
    Box::new(move |_| Behaviour::Machine(Box::new(Keeper::new(shared.clone(), mode))))
}

/// What happens around the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Plan {
    Storm,
    /// One owner, in peace but for requests that come twice; it stops appending when the storm would end.
    Duplicates,
}

fn run(medium: Medium, seed: u64, mutant: Option<WalMutant>) -> Run {
    run_planned(medium, seed, mutant, Plan::Storm)
}

fn run_planned(medium: Medium, seed: u64, mutant: Option<WalMutant>, plan: Plan) -> Run {
    let limits = Limits { events_max: 3_000_000, time_max: RUN, ..Limits::default() };
    let shared = std::cell::OnceCell::new();
    Chart { limits, ..Chart::seeded(seed) }.run(
        |world: &mut World, core: &mut Core<_>, sea| {
            let Berth { spec, device, rescuer } = medium.furnish(world, &core.choices().clone(), sea);
            let make = Arc::new(move |space: TokenSpace, mode| build(spec(mode), space, mutant));
            let shared = shared.get_or_init(|| match plan {
                Plan::Storm => Shared::new(make, STORM_ENDS, RUN),
                Plan::Duplicates => Shared::new(make, Nanos::ZERO, STORM_ENDS),
            });
            let owner = world.add_node(core, "owner", sea.hosts[0], keeper(shared, WalMode::Own));
            let rescuer = world.add_node(core, "rescuer", rescuer, keeper(shared, WalMode::Failover));
            for node in [owner, rescuer] {
                world.supervise(node, Nanos::millis(700));
            }
            let mut weather = Weather::draw(core.choices(), device);
            match plan {
                Plan::Storm if seed % 4 == 3 => weather = weather.with_zombies(),
                Plan::Storm => (),
                Plan::Duplicates => weather = weather.of_duplicates(),
            }
            weather.put_on_plan(world, core, sea, owner, rescuer);
            for node in [owner, rescuer] {
                world.plan(core, STORM_ENDS, Action::Resume(node));
                world.plan(core, STORM_ENDS + Nanos::secs(1), Action::Restart(node));
            }
        },
        |world, _, outcome, sea| {
            let judge = &shared.get().expect("built").judge;
            let mut broken = judge.verdict();
            broken.extend(world.failures().iter().map(|failure| failure.why.clone()));
            // An owner that stops appending falls silent.
            if outcome.reason != EndReason::TimeCap && plan == Plan::Storm {
                broken.push(format!("the run ended with: {}", outcome.reason));
            }
            let keys = world.store(sea.store).peek_keys(sea.bucket).map(|key| key.to_string()).collect();
            let trimmed = judge.trimmed_upto(1);
            Run { broken, events: outcome.events, seen: judge.seen(), marks: outcome.marks, keys, trimmed }
        },
    )
}

/// So many, or as many as `WAL_SEEDS` says: for a night.
fn seeds(many: u64) -> u64 {
    std::env::var("WAL_SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(many)
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
    let (marks, seen) = sweep(Medium::Object, 0..seeds(120));
    println!("{seen:?} {marks:#?}");
    for mark in [
        "wal: a fenced owner's PUT landed after the new owner's list",
        "wal: list crossed a page",
        "wal: over capacity",
        "wal: a trim lay between crash and recovery",
        "wal: verify found another owner",
        "object client: a refused PUT was one's own success",
        "object client: a slow PUT was sent again",
    ] {
        assert!(marks.count(mark) > 0, "never reached: {mark}");
    }
}

#[test]
fn an_express_log_keeps_its_contract() {
    println!("{:?}", sweep(Medium::Express, 0..seeds(60)).1);
}

#[test]
fn logs_on_volumes_keep_their_contract() {
    for medium in [Medium::Gp3, Medium::Io2, Medium::Regional] {
        let (marks, seen) = sweep(medium, 0..seeds(100));
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
    let (marks, seen) = sweep(Medium::File, 0..seeds(200));
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
        WalMutant::HeaderByWallClock,
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
    caught(Medium::Express, WalMutant::TrimNotRounded, 0..300);
}

/// Objects that were trimmed whole long before the end, and are there.
fn left_behind(seed: u64, mutant: Option<WalMutant>) -> Vec<String> {
    let run = run_planned(Medium::Object, seed, mutant, Plan::Duplicates);
    assert!(run.broken.is_empty(), "seed {seed}: {:#?}", run.broken);
    let trimmed = run.trimmed.expect("an owner trims now and then");
    let end_of = |key: &str| key.split_once("/wal/")?.1.split_once('-')?.1.parse::<u64>().ok();
    run.keys.into_iter().filter(|key| end_of(key).is_some_and(|end| end <= trimmed.0)).collect()
}

#[test]
fn a_put_that_comes_after_the_delete_of_its_object_leaves_nothing_behind() {
    for seed in 0..20 {
        assert_eq!(left_behind(seed, None), [""; 0], "seed {seed}");
    }
    assert!((0..20).any(|seed| !left_behind(seed, Some(WalMutant::NoSecondDelete)).is_empty()));
}
