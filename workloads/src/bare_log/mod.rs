//! The built-in scenario `bare-log`: a write-ahead log by itself, in a storm.
//!
//! A broker appends to its log, trims it now and then as after a commit, and comes back after each death; a rescuer in
//! another place takes the log over whenever it likes, empties it, and lets it go. Around them a storm: deaths, power losses,
//! pauses, wrong clocks, cuts, a device that stalls, fails and repeats requests. Every fourth seed is about owners that
//! stop and go on while their requests come twice; on a log of objects some seeds are about duplicates alone.
//!
//! No controller, partition or client stands between the storm and the log, so what needs three deaths at the right moments
//! comes up within a few seeds here, and in no sweep over whole clusters. The judge holds the contract of
//! `kafka/wal/mod.rs` against what both saw. Nothing is recorded as a history: there are no clients.

mod judge;
mod keeper;
mod medium;
mod storm;

pub use medium::Medium;

use crate::lab::{BACK_AFTER, Phases, RunReport};
use crate::mutant::Mutant;
use crate::recording::HistoryReport;
use crate::scenario::{Listeners, RunOptions};
use crate::storm::{LONGEST, Misfit, Operations, Role, Storm, Strikes, Target, Targets};
use judge::{Breach, Judge, Rule};
use keeper::{BROKER, Keeper, Shared, Trims};
use medium::{Berth, Place};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use storm::STORM_ENDS;
use wavetank_models::cloud::express::{ExpressProfile, ExpressStore};
use wavetank_models::cloud::host::HostSpec;
use wavetank_models::cloud::network::{AzId, HostId, NetworkProfile, NicSpec};
use wavetank_models::cloud::object_store::{BucketId, ObjectStore, ObjectStoreProfile};
use wavetank_models::kafka::token::TokenSpace;
use wavetank_models::kafka::wal::{WalMode, build};
use wavetank_models::world::{Action, Behaviour, CloudSpec, Event, Factory, ShareId, StoreId, VolumeId, World, launch};
use wavetank_sim::{Choices, Core, Domain, EndReason, Limits, Nanos, NodeId, Outcome};
use wavetank_traces::{Concern, Finding, Severity};

/// A drawn run ends here: long enough after the storm for everything to come back.
const RUN: Nanos = Nanos::secs(130);
/// By then a broker that nothing holds up has acknowledged something.
const STUCK: Nanos = Nanos::secs(20);
/// The supervisor starts a process again after this.
const SUPERVISED: Nanos = Nanos::millis(700);

/// What happens around the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Plan {
    /// A storm.
    Storm,
    /// A storm of owners that stop for a while and go on, and of requests that come twice.
    Zombies,
    /// An owner that hardly begins before it dies again, on a log of objects whose store is slow now and then: what one life
    /// leaves on its way lands in the place of what the next one has trimmed.
    ShortLives,
    /// One owner, in peace but for requests that come twice; it stops appending when the storm would end.
    Duplicates,
}

impl Plan {
    fn draw(medium: Medium, choices: &Choices) -> Plan {
        // A stream of its own: it came later.
        if medium == Medium::Object && choices.stream(Domain::new("bare-log/short-lives"), 0).ratio(1, 4) {
            return Plan::ShortLives;
        }
        let mut stream = choices.stream(Domain::new("bare-log/plan"), 0);
        match stream.range(0..8) {
            0 | 1 => Plan::Zombies,
            // Volumes and shares do not do a request twice of their own accord.
            2 if medium == Medium::Object => Plan::Duplicates,
            _ => Plan::Storm,
        }
    }

    fn words(self) -> &'static str {
        match self {
            Plan::Storm => "a storm",
            Plan::Zombies => "owners that stop and go on, and requests that come twice",
            Plan::ShortLives => {
                "an owner that dies again and again just after its start, and a store that is slow now and then"
            }
            Plan::Duplicates => "requests that come twice, and nothing else",
        }
    }
}

/// What a run is, beyond scenario, seed and options. A seed draws it, a file may hold it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// What happens around the log.
    pub plan: Plan,
    /// When the storm is over.
    pub storm_ends: Nanos,
    /// When the run is.
    pub ends: Nanos,
    /// The owner trims often, and little at a time; else seldom, and any part of what there is.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub trims_often: bool,
    /// What goes wrong.
    pub storm: Storm,
}

impl Case {
    /// A seed's.
    pub fn draw(medium: Medium, seed: u64) -> Case {
        let choices = Choices::new(seed);
        let plan = Plan::draw(medium, &choices);
        let storm = storm::draw(&choices, plan, medium);
        let trims_often = plan == Plan::ShortLives || storm::trims_often(&choices);
        Case { plan, storm_ends: STORM_ENDS, ends: RUN, trims_often, storm }
    }

    /// Whether it can be run.
    ///
    /// # Errors
    /// The first thing that does not fit.
    pub fn check(&self, medium: Medium) -> Result<(), Misfit> {
        let Case { plan: _, storm_ends, ends, trims_often: _, storm } = self;
        if *ends > LONGEST {
            return Err(Misfit::new("ends", format!("{ends} s: at most a day")));
        }
        if storm_ends > ends {
            return Err(Misfit::new("storm_ends", format!("{storm_ends} s: the run is over at {ends} s")));
        }
        storm.check(&medium.roster(), *storm_ends)?;
        storm.check_is_mended()
    }

    fn phases(&self, ended: Nanos) -> Phases {
        Phases::of(&self.storm, self.storm_ends, Some(self.storm_ends + BACK_AFTER), ended)
    }

    /// For people.
    pub fn describe(&self) -> Vec<String> {
        let mut lines = vec![format!("around it: {}", self.plan.words())];
        if self.trims_often {
            lines.push("the owner trims often".into());
        }
        lines.extend(self.storm.describe());
        lines
    }
}

/// Situations that a sweep of so many seeds must reach.
pub fn demands(medium: Medium, seeds: u64) -> Vec<&'static str> {
    if seeds < SEEDS_FOR_SITUATIONS { Vec::new() } else { medium.must_reach().to_vec() }
}

/// A sweep of fewer seeds is not expected to reach every situation.
pub const SEEDS_FOR_SITUATIONS: u64 = 100;

/// Runs one seed on this thread, exactly as a case has it that was [checked](Case::check).
pub fn run(medium: Medium, seed: u64, case: &Case, options: &RunOptions, listeners: Listeners) -> RunReport {
    let limits = Limits { events_max: 3_000_000, time_max: case.ends, ..Limits::default() };
    let judge = Judge::default();
    let mutant = match options.mutant {
        Some(Mutant::Wal(mutant)) => Some(mutant),
        Some(
            Mutant::Harbour(_) | Mutant::Storage(_) | Mutant::Broker(_) | Mutant::Controller(_) | Mutant::Flink(_),
        )
        | None => None,
    };
    let (cloud, azs, hosts) = map();
    let shown = judge.clone();
    let audience = listeners.audience;
    let strikes = Strikes::default();
    let struck = strikes.clone();
    launch(
        options.choices(seed),
        limits,
        audience.with_lives(listeners.observer),
        cloud,
        |world, core, _| {
            world.set_audience(audience.clone());
            world.set_stop_at_failure(!options.keep_going);
            let place = build_stores(world, core, azs, hosts);
            let Berth { spec, volume, share, rescuer } = medium.furnish(world, core.choices(), &place);
            let make = Arc::new(move |space: TokenSpace, mode| build(spec(mode), space, mutant));
            let trims = if case.trims_often { Trims::Often } else { Trims::Seldom };
            let shared = match case.plan {
                Plan::Storm | Plan::Zombies => Shared::new(judge, make, trims, case.storm_ends, case.ends),
                // A rescuer would move the log's end.
                Plan::ShortLives => Shared::new(judge, make, trims, Nanos::ZERO, case.ends),
                Plan::Duplicates => Shared::new(judge, make, trims, Nanos::ZERO, case.storm_ends),
            };
            let owner = world.add_node(core, "owner", place.owner, keeper(&shared, WalMode::Own));
            let rescuer = world.add_node(core, "rescuer", rescuer, keeper(&shared, WalMode::Failover));
            for node in [owner, rescuer] {
                world.supervise(node, SUPERVISED);
            }
            case.storm.operations.begin(world, core);
            let targets = targets(world, &place, [owner, rescuer], volume, share);
            case.storm.put_on_plan(world, core, targets, &strikes);
            if case.storm.operations != Operations::Ordinary {
                world.plan(core, case.storm_ends, Action::EndAnomalies);
            }
            for node in [owner, rescuer] {
                world.plan(core, case.storm_ends, Action::Resume(node));
                world.plan(core, case.storm_ends + BACK_AFTER, Action::Restart(node));
            }
        },
        |world, core, outcome| Report { seed, case, judge: &shown, struck }.of(world, core, outcome),
    )
}

fn map() -> (CloudSpec, [AzId; 3], [HostId; 4]) {
    let (mut cloud, azs) = CloudSpec::three_azs(NetworkProfile::assumed());
    // The log and its device take their time; hosts and cards cost none.
    let nic = NicSpec { bandwidth_bytes_per_sec: 0, single_flow_bytes_per_sec: 0 };
    let mut host = |az: usize| cloud.host(azs[az], nic, HostSpec::instant()).expect("a sane host");
    let hosts = [host(0), host(0), host(1), host(2)];
    (cloud, azs, hosts)
}

fn build_stores(world: &mut World, core: &Core<Event>, azs: [AzId; 3], hosts: [HostId; 4]) -> Place {
    let choices = core.choices();
    let mut store = ObjectStore::new(ObjectStoreProfile::assumed(), choices, 0);
    let bucket = store.create_bucket(Nanos::ZERO);
    let mut express = ExpressStore::new(ExpressProfile::assumed(), azs[0].0, choices, 0);
    let express_bucket = express.create_bucket(Nanos::ZERO);
    Place {
        azs,
        owner: hosts[0],
        near: hosts[1],
        far: hosts[2],
        store: world.add_store(store),
        bucket,
        express: world.add_express(express),
        express_bucket,
    }
}

/// Whom and what a storm can aim at, with the owner's volume.
fn targets(
    world: &World,
    place: &Place,
    [owner, rescuer]: [NodeId; 2],
    volume: Option<VolumeId>,
    share: Option<ShareId>,
) -> Targets {
    let target = |node, volume| Target { node, host: world.host_of(node), volume };
    Targets {
        members: [(Role::Owner.nth(0), target(owner, volume)), (Role::Rescuer.nth(0), target(rescuer, None))].into(),
        zones: place.azs.to_vec(),
        store: place.store,
        express: vec![place.express],
        share,
        operator: None,
        groups: Vec::new(),
        express_logs: Vec::new(),
    }
}

fn keeper(shared: &Shared, mode: WalMode) -> Factory {
    let shared = shared.clone();
    Box::new(move |_| Behaviour::Machine(Box::new(Keeper::new(shared.clone(), mode))))
}

/// The first breach of a rule, and how many there are: one record that is missing is mostly one of many.
fn first_of(rule: Rule, breaches: &[Breach], end: Nanos) -> Option<Finding> {
    let mut of_it = breaches.iter().filter(|breach| breach.rule == rule);
    let Breach { at, why, stream, .. } = of_it.next()?;
    let why = match of_it.count() {
        0 => why.clone(),
        more => format!("{why}; and {more} more"),
    };
    let stream = stream.map(|stream| Concern::Stream(stream.0));
    let about = stream.into_iter().chain([Concern::Wal(BROKER.0)]).collect();
    Some(Finding { severity: Severity::Violation, at_ns: at.unwrap_or(end).0, by: rule.name().into(), why, about })
}

struct Report<'a> {
    seed: u64,
    case: &'a Case,
    judge: &'a Judge,
    struck: Strikes,
}

impl Report<'_> {
    fn of(self, world: &mut World, core: &mut Core<Event>, outcome: Outcome<Event>) -> RunReport {
        let mut findings: Vec<Finding> = world.failures().iter().map(|failure| failure.as_finding(core)).collect();
        let left = self.left_behind(world).map(|key| {
            let why = format!("the object {key} was trimmed long ago, deleted twice, and is there");
            Breach { rule: Rule::TrimmedIsDeleted, at: None, why, stream: None }
        });
        let breaches: Vec<Breach> = self.judge.verdict().into_iter().chain(left).collect();
        findings.extend(Rule::ALL.into_iter().filter_map(|rule| first_of(rule, &breaches, outcome.now)));
        findings.sort_by_key(|finding| finding.at_ns);
        findings.extend(self.stall(&outcome));
        let led_here =
            if findings.is_empty() { Vec::new() } else { outcome.ring.iter().map(|r| r.to_string()).collect() };
        RunReport {
            seed: self.seed,
            reason: outcome.reason,
            now: outcome.now,
            phases: self.case.phases(outcome.now),
            events: outcome.events,
            digest: outcome.digest,
            marks: outcome.marks,
            findings,
            drawn: self.case.describe(),
            history: HistoryReport::default(),
            met: world.anomalies().happened().to_vec(),
            struck: self.struck.all(),
            led_here,
            beyond: Vec::new(),
        }
    }

    /// Objects of the log that were trimmed whole, where nothing but duplicates disturbed it: all have landed by the end.
    fn left_behind(&self, world: &World) -> impl Iterator<Item = String> {
        let only_life = 1;
        let trimmed = self.judge.trimmed_upto(only_life).filter(|_| self.case.plan == Plan::Duplicates);
        let end_of = |key: &str| key.split_once("/wal/")?.1.split_once('-')?.1.parse::<u64>().ok();
        let keys = world.store(StoreId(0)).peek_keys(BucketId(0)).map(|key| key.to_string());
        let left: Vec<String> = match trimmed {
            Some(upto) => keys.filter(|key| end_of(key).is_some_and(|end| end <= upto.0)).collect(),
            None => Vec::new(),
        };
        left.into_iter()
    }

    fn stall(&self, outcome: &Outcome<Event>) -> Option<Finding> {
        let why = match (self.case.plan, &outcome.reason) {
            // It falls silent by itself.
            (Plan::Duplicates, _) => return None,
            (Plan::Storm | Plan::Zombies | Plan::ShortLives, EndReason::TimeCap) => {
                let last = self.judge.last_durable();
                (last + STUCK <= self.case.ends).then(|| format!("nothing was acknowledged after {last} s"))?
            }
            (Plan::Storm | Plan::Zombies | Plan::ShortLives, EndReason::Stopped(_)) => return None,
            (Plan::Storm | Plan::Zombies | Plan::ShortLives, reason) => format!("the run ended early: {reason}"),
        };
        let (severity, by, about) = (Severity::Stall, "the bare log".into(), vec![Concern::Wal(BROKER.0)]);
        Some(Finding { severity, at_ns: outcome.now.0, by, why, about })
    }
}
