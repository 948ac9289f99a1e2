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
use storm::{STORM_ENDS, Weather};
use wavetank_models::kafka::object_client::ObjectPlace;
use wavetank_models::kafka::token::TokenSpace;
use wavetank_models::kafka::wal::object::ObjectWalOptions;
use wavetank_models::kafka::wal::{WalMode, WalMutant, WalSpec, build};
use wavetank_models::world::{Action, Behaviour, Factory, World};
use wavetank_sim::{Core, EndReason, Limits, Marks, Nanos};

/// The run ends here: long enough after the storm for everything to come back.
const RUN: Nanos = Nanos::secs(130);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Medium {
    Object,
    Express,
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

impl Medium {
    /// Puts the log's device into the world; says how a log there is made, by its mode.
    fn furnish(self, sea: &Sea) -> impl Fn(WalMode) -> WalSpec + Send + Sync + 'static {
        let place = match self {
            Medium::Object => ObjectPlace::Regional(sea.store, sea.bucket),
            Medium::Express => ObjectPlace::Express(sea.express, sea.express_bucket),
        };
        move |_| WalSpec::Object { place, options: object_options() }
    }
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
            let spec = medium.furnish(sea);
            let make = Arc::new(move |space: TokenSpace, mode| build(spec(mode), space, mutant));
            let shared = shared.get_or_init(|| Shared::new(make, STORM_ENDS));
            let owner = world.add_node(core, "owner", sea.hosts[0], keeper(shared, WalMode::Own));
            let rescuer = world.add_node(core, "rescuer", sea.hosts[1], keeper(shared, WalMode::Failover));
            world.supervise(owner, Nanos::millis(700));
            Weather::draw(core.choices()).put_on_plan(world, core, sea, owner, rescuer);
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
        assert!(run.broken.is_empty(), "{medium:?} seed {seed}: {:#?}\n{:?}", run.broken, run.seen);
        assert!(run.seen.last_durable + Nanos::secs(5) > RUN, "{medium:?} seed {seed}: stuck: {:?}", run.seen);
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
