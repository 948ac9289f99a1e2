//! The built-in scenario `bare-quorum`: controllers by themselves, in a storm.
//!
//! Three or five controllers in three zones keep the metadata log; registrars write keys into it, one after the other, and
//! read back at the end all that was acknowledged. Around them a storm: deaths, power losses, pauses, cuts, volumes that stall,
//! are slow or fail, and patterns that elections are sensitive to. In some seeds a fetch carries one entry only, so that what an
//! earlier leader left behind is copied little by little.
//!
//! No broker stands between the storm and the quorum, so what needs two deaths within one election comes up within some seeds
//! here, and in no sweep over whole clusters. The judge is the invariants over what controllers say of themselves (of one
//! metadata log, above all), and what registrars read back. Nothing is recorded as a history.

mod registrar;
mod storm;

use crate::lab::{BACK_AFTER, Phases, RunReport};
use crate::mutant::Mutant;
use crate::recording::HistoryReport;
use crate::scenario::{Listeners, RunOptions};
use crate::storm::{LONGEST, Misfit, Role, Roster, Storm, Strikes, Target, Targets};
use registrar::{DONE, Ledger, Registrar};
use serde::{Deserialize, Serialize};
use storm::Plan;
use wavetank_models::cloud::host::HostSpec;
use wavetank_models::cloud::network::{AzId, HostId, NetworkProfile, NicSpec};
use wavetank_models::cloud::object_store::{ObjectStore, ObjectStoreProfile};
use wavetank_models::cloud::volume::{Volume, VolumeFormat, VolumeSpec};
use wavetank_models::invariants::Invariants;
use wavetank_models::kafka::controller::{Controller, ControllerMutant, ControllerOptions, ControllerSpec};
use wavetank_models::kafka::ids::ControllerId;
use wavetank_models::world::{Action, Behaviour, CloudSpec, Event, StoreId, VolumeId, World, launch};
use wavetank_sim::{Choices, Core, Domain, EndReason, Limits, Nanos, NodeId, Outcome, SortedMap, SortedSet};
use wavetank_traces::{Finding, Severity};

/// The command line's name for it.
pub const NAME: &str = "bare-quorum";
/// What it is, in a line.
pub const SUMMARY: &str = "controllers by themselves and who writes to them, in a storm";
/// Nothing goes wrong after this.
const STORM_ENDS: Nanos = Nanos::secs(40);
/// From the end of the storm on, by when registrars begin to read back.
const CALM: Nanos = Nanos::secs(12);
/// And by when they must have read everything.
const QUIESCE: Nanos = Nanos::secs(60);
/// Writers, each with one request at a time.
const REGISTRARS: usize = 4;
/// The supervisor starts a controller again after this.
const SUPERVISED: Nanos = Nanos::millis(700);
/// A case has no more controllers.
const MOST: u32 = 9;

/// What a run is, beyond scenario, seed and options. A seed draws it, a file may hold it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// How many controllers.
    pub controllers: u32,
    /// Entries in one answer to a fetch; `null`: as many as a controller gives by itself.
    pub fetch_entries: Option<u32>,
    /// When the storm is over.
    pub storm_ends: Nanos,
    /// What goes wrong.
    pub storm: Storm,
}

impl Case {
    /// A seed's.
    pub fn draw(seed: u64) -> Case {
        let choices = Choices::new(seed);
        let mut stream = choices.stream(Domain::new("bare-quorum"), 0);
        let plan = Plan::draw(&choices);
        let controllers = if stream.ratio(3, 4) || plan != Plan::Swarm { 3 } else { 5 };
        let fetch_entries = (stream.ratio(1, 2) || plan == Plan::FigureEight).then_some(1);
        Case { controllers, fetch_entries, storm_ends: STORM_ENDS, storm: storm::draw(&choices, plan, controllers) }
    }

    /// Whether it can be run.
    ///
    /// # Errors
    /// The first thing that does not fit.
    pub fn check(&self) -> Result<(), Misfit> {
        let Case { controllers, fetch_entries, storm_ends, storm } = self;
        if !(1..=MOST).contains(controllers) {
            return Err(Misfit::new("controllers", format!("{controllers}: 1 to {MOST}")));
        }
        if *fetch_entries == Some(0) {
            return Err(Misfit::new("fetch_entries", "0: 1 or more"));
        }
        if *storm_ends > LONGEST {
            return Err(Misfit::new("storm_ends", format!("{storm_ends} s: at most a day")));
        }
        let roster = Roster {
            members: SortedMap::from([(Role::Controller, *controllers)]),
            zones: ZONES,
            with_volumes: SortedSet::from([Role::Controller]),
            volumes: *controllers,
            ..Roster::default()
        };
        storm.check(&roster, *storm_ends)?;
        storm.check_is_mended()
    }

    /// For people, beside its storm.
    pub fn size(&self) -> String {
        let entries = self.fetch_entries.map_or_else(String::new, |entries| format!(", {entries} entries a fetch"));
        format!("{} controllers{entries}", self.controllers)
    }

    fn describe(&self) -> Vec<String> {
        [self.size()].into_iter().chain(self.storm.describe()).collect()
    }
}

const ZONES: u32 = 3;

/// Situations that a sweep of so many seeds must reach.
pub fn demands(seeds: u64) -> Vec<&'static str> {
    if seeds < SEEDS_FOR_SITUATIONS { Vec::new() } else { MUST_REACH.to_vec() }
}

/// A sweep of fewer seeds is not expected to reach every situation.
pub const SEEDS_FOR_SITUATIONS: u64 = 100;

const MUST_REACH: [&str; 5] = [
    "controller: election with split vote",
    "controller: a leader resigned without quorum",
    "controller: a follower cut what parted from its leader's log",
    "controller: halted on a storage error",
    "controller: recovery cut off an unsynced tail of the metadata log",
];

/// Runs one seed on this thread, exactly as a case has it that was [checked](Case::check).
pub fn run(seed: u64, case: &Case, options: &RunOptions, listeners: Listeners) -> RunReport {
    let limits = Limits { events_max: 3_000_000, time_max: case.storm_ends + QUIESCE, ..Limits::default() };
    let mutant = match options.mutant {
        Some(Mutant::Controller(mutant)) => Some(mutant),
        Some(Mutant::Harbour(_) | Mutant::Storage(_) | Mutant::Broker(_) | Mutant::Wal(_) | Mutant::Flink(_))
        | None => None,
    };
    let (strikes, ledger) = (Strikes::default(), Ledger::new(REGISTRARS));
    let (struck, written) = (strikes.clone(), ledger.clone());
    let Map { cloud, azs, controllers, registrars } = Map::new(case.controllers);
    let audience = listeners.audience;
    launch(
        options.choices(seed),
        limits,
        audience.with_lives(listeners.observer),
        cloud,
        |world, core, _| {
            world.set_audience(audience.clone());
            world.set_stop_at_failure(!options.keep_going);
            world.set_probes(Box::new(Invariants::all()));
            let (store, members) = build_quorum(world, core, case, &controllers, mutant);
            let nodes: Vec<NodeId> = members.iter().map(|member| member.node).collect();
            for number in 0..REGISTRARS {
                let (ledger, nodes, reads_at) = (ledger.clone(), nodes.clone(), case.storm_ends + CALM);
                let make = move |_| {
                    Behaviour::Machine(Box::new(Registrar::new(number, nodes.clone(), ledger.clone(), reads_at)))
                };
                world.add_node(core, &format!("registrar-{number}"), registrars, Box::new(make));
            }
            let members = (0..).map(|n| Role::Controller.nth(n)).zip(members.iter().copied()).collect();
            let (express, share, operator) = (Vec::new(), None, None);
            let (groups, express_logs) = (Vec::new(), Vec::new());
            let zones = azs.to_vec();
            let targets = Targets { members, zones, store, express, share, operator, groups, express_logs };
            case.storm.operations.begin(world, core);
            world.plan(core, case.storm_ends, Action::EndAnomalies);
            case.storm.put_on_plan(world, core, targets, &strikes);
            for node in nodes {
                world.plan(core, case.storm_ends, Action::Resume(node));
                world.plan(core, case.storm_ends + BACK_AFTER, Action::Restart(node));
            }
        },
        |world, core, outcome| {
            let phases = Phases::of(&case.storm, case.storm_ends, Some(case.storm_ends + BACK_AFTER), outcome.now);
            let report = report(seed, case, &written, world, core, outcome);
            RunReport { struck: struck.all(), phases, ..report }
        },
    )
}

struct Map {
    cloud: CloudSpec,
    azs: [AzId; 3],
    controllers: Vec<(HostId, AzId)>,
    registrars: HostId,
}

impl Map {
    fn new(controllers: u32) -> Map {
        let (mut cloud, azs) = CloudSpec::three_azs(NetworkProfile::assumed());
        // Quorum and volumes take their time; hosts and cards cost none.
        let nic = NicSpec { bandwidth_bytes_per_sec: 0, single_flow_bytes_per_sec: 0 };
        let mut host = |az| cloud.host(az, nic, HostSpec::instant()).expect("a sane host");
        let registrars = host(azs[0]);
        let controllers = (0..controllers as usize).map(|n| azs[n % azs.len()]).map(|az| (host(az), az)).collect();
        Map { cloud, azs, controllers, registrars }
    }
}

fn build_quorum(
    world: &mut World,
    core: &mut Core<Event>,
    case: &Case,
    hosts: &[(HostId, AzId)],
    mutant: Option<ControllerMutant>,
) -> (StoreId, Vec<Target>) {
    let choices = *core.choices();
    let mut store = ObjectStore::new(ObjectStoreProfile::assumed(), &choices, 0);
    let bucket = store.create_bucket(Nanos::ZERO);
    let store = world.add_store(store);
    // Nodes are numbered as they are made, from 0.
    let peers: SortedMap<ControllerId, NodeId> =
        (0..hosts.len() as u32).map(|n| (ControllerId(n), NodeId(n))).collect();
    let volumes: Vec<VolumeId> = hosts
        .iter()
        .zip(0..)
        .map(|((host, az), n)| {
            let spec = VolumeSpec::gp3(*az, VolumeFormat::FileSystem, 1 << 30);
            let mut volume = Volume::new(spec, &choices, n);
            volume.attach_at_start(*host, *az).expect("a fresh volume in the host's zone");
            world.add_volume(volume)
        })
        .collect();
    // Snapshots come within a run.
    let defaults = ControllerOptions { snapshot_every: 150, snapshot_keep: 20, ..ControllerOptions::default() };
    let fetch_max_entries = case.fetch_entries.map_or(defaults.fetch_max_entries, |entries| entries as usize);
    let options = ControllerOptions { fetch_max_entries, ..defaults };
    let mut members = Vec::new();
    for (((host, _), volume), n) in hosts.iter().zip(volumes).zip(0..) {
        let spec = ControllerSpec {
            id: ControllerId(n),
            peers: peers.clone(),
            volume,
            store,
            bucket,
            namespace: "bare-quorum".into(),
            options: options.clone(),
            mutant,
        };
        let make = move |_| Behaviour::Machine(Box::new(Controller::new(spec.clone())));
        let node = world.add_node(core, &format!("controller-{n}"), *host, Box::new(make));
        world.supervise(node, SUPERVISED);
        members.push(Target { node, host: *host, volume: Some(volume) });
    }
    (store, members)
}

fn report(
    seed: u64,
    case: &Case,
    ledger: &Ledger,
    world: &mut World,
    core: &mut Core<Event>,
    outcome: Outcome<Event>,
) -> RunReport {
    let mut findings: Vec<Finding> = world.failures().iter().map(|failure| failure.as_finding(core)).collect();
    if findings.is_empty() && outcome.reason != EndReason::Stopped(DONE.into()) {
        let why = format!("{} ended the run: {}", outcome.reason, ledger.what_is_left());
        findings.push(Finding {
            severity: Severity::Stall,
            at_ns: outcome.now.0,
            by: "the quorum".into(),
            why,
            about: Vec::new(),
        });
    }
    let led_here = if findings.is_empty() { Vec::new() } else { outcome.ring.iter().map(|r| r.to_string()).collect() };
    RunReport {
        seed,
        reason: outcome.reason,
        now: outcome.now,
        phases: Phases::default(),
        events: outcome.events,
        digest: outcome.digest,
        marks: outcome.marks,
        findings,
        drawn: case.describe(),
        history: HistoryReport::default(),
        met: world.anomalies().happened().to_vec(),
        struck: Vec::new(),
        led_here,
        beyond: Vec::new(),
    }
}
