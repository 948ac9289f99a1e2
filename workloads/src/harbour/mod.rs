//! The built-in scenario: a harbour in a storm.
//!
//! Three zones, a host each. On every host a **pier** keeps a durable log on an EBS gp3 volume (buffered appends, group
//! commit by fsync, recovery by checksum, upload of full segments to the object store under `If-None-Match`); a
//! **boat** in another zone appends to it, numbered from 1, and believes what it was told; a **watchman**, a guest in
//! plain async code, keeps a log book on the NFS share and on the express store of its zone.
//!
//! The storm kills processes, cuts power, darkens zones, pauses, partitions, clogs and greys links, resets connections,
//! stalls and breaks volumes, browns stores out, fails servers over, bends clocks, and gives single operations fates
//! from the whole lattice. Then everything is healed, and:
//!
//! * **safety**: whatever a pier acknowledged it has, in order, after any crash; whatever it recorded as uploaded is in
//!   the store; whatever a watchman was told is durable reads back;
//! * **liveness**: within three minutes of virtual time of the heal every boat has delivered all its cargo, and read it
//!   back.
//!
//! What boats ask and are told is recorded as a history, each pier's log a key, each record's value
//! `boat << 40 | number`: see `boat.rs`. Every boat reads to the end before the run is over, so all that was acknowledged
//! must have been read, and no anomaly is excused. What watchmen do is not recorded: the book on the share is one number
//! that is overwritten, not a log, and what a watchman reads of it may not be committed yet; of the book in the express
//! store it learns the length alone. Nor are uploads: nobody reads them back as records.

mod boat;
mod ledger;
mod mutant;
mod pier;
mod record;
mod storm;
mod watchman;

pub use mutant::Mutant;
pub(crate) use storm::rates;

use crate::lab::{BACK_AFTER, Phases, RunReport};
use crate::recording::{Heard, Readers, judge, recording};
use crate::scenario::{Listeners, RunOptions};
use crate::storm::{LONGEST, Misfit, Operations, Role, Roster, Storm, Strikes, Target, Targets};
use ledger::Ledger;
use serde::{Deserialize, Serialize};
use std::sync::{Arc, LazyLock, Mutex};
use wavetank_models::cloud::calibrated::{self, ShareOrder, VolumeOrder};
use wavetank_models::cloud::express::{ExpressProfile, ExpressStore};
use wavetank_models::cloud::host::HostSpec;
use wavetank_models::cloud::instance::{InstanceType, InstanceTypes};
use wavetank_models::cloud::network::{AzId, HostId, NetworkProfile, NicSpec};
use wavetank_models::cloud::nfs::{NfsShare, NfsSpec};
use wavetank_models::cloud::object_store::{BucketId, ObjectStore, ObjectStoreProfile};
use wavetank_models::cloud::profile::Profile;
use wavetank_models::cloud::volume::{Volume, VolumeFormat, VolumeKind, VolumeSpec};
use wavetank_models::world::{
    Action, Behaviour, CloudSpec, Event, ExpressId, Guest, ShareId, StoreId, VolumeId, World, launch,
};
use wavetank_sim::{Choices, Core, EndReason, Limits, Nanos, NodeId, Outcome};
use wavetank_traces::check::Options;
use wavetank_traces::{Finding, Severity};

/// Why a run ends in which everything went well.
const ALL_DONE: &str = "all cargo delivered and read back";
/// Zones, with a host each.
const BERTHS: usize = 3;
/// How much cargo each boat delivers.
const CARGO: u64 = 150;
const CARGO_MAX: u64 = 1_000_000;
/// When a drawn storm is over.
const STORM_ENDS: Nanos = Nanos::secs(40);
/// How long after it everything must be live again: the slowest recovery allowed here is an NFS lease (90 s) that a
/// dead holder left behind, and a zone's volumes coming back.
const QUIESCE: Nanos = Nanos::secs(180);

/// What the processes of one zone work with.
#[derive(Clone, Copy, Debug)]
struct Berth {
    az: AzId,
    host: HostId,
    volume: VolumeId,
    store: StoreId,
    bucket: BucketId,
    express: ExpressId,
    express_bucket: BucketId,
    share: ShareId,
}

/// Everything a storm can aim at.
struct Harbour {
    berths: Vec<Berth>,
    piers: Vec<NodeId>,
    boats: Vec<NodeId>,
    watchmen: Vec<NodeId>,
}

impl Harbour {
    fn all_nodes(&self) -> Vec<NodeId> {
        [&self.piers[..], &self.boats, &self.watchmen].concat()
    }

    fn targets(&self, world: &World) -> Targets {
        let all = [(Role::Pier, &self.piers), (Role::Boat, &self.boats), (Role::Watchman, &self.watchmen)];
        let members = all.into_iter().flat_map(|(role, nodes)| {
            nodes.iter().enumerate().map(move |(n, node)| {
                let volume = (role == Role::Pier).then(|| self.berths[n].volume);
                (role.nth(n), Target { node: *node, host: world.host_of(*node), volume })
            })
        });
        Targets {
            members: members.collect(),
            zones: self.berths.iter().map(|berth| berth.az).collect(),
            store: self.berths[0].store,
            express: self.berths.iter().map(|berth| berth.express).collect(),
            share: Some(self.berths[0].share),
            operator: None,
            groups: Vec::new(),
            express_logs: Vec::new(),
        }
    }
}

/// A sweep of fewer seeds is not expected to reach every situation.
pub const SEEDS_FOR_SITUATIONS: u64 = 200;

/// Situations that a sweep of so many seeds must reach.
pub fn demands(seeds: u64) -> Vec<&'static str> {
    if seeds < SEEDS_FOR_SITUATIONS { Vec::new() } else { ledger::MUST_REACH.to_vec() }
}

/// What a run is, beyond scenario, seed and options. A seed draws it, a file may hold it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// How much cargo each boat delivers.
    pub cargo: u64,
    /// When the storm is over.
    pub storm_ends: Nanos,
    /// How long after it everything may take to become live again.
    pub quiesce: Nanos,
    /// What goes wrong.
    pub storm: Storm,
}

impl Case {
    /// A seed's.
    pub fn draw(seed: u64) -> Case {
        let storm = storm::draw(&Choices::new(seed));
        Case { cargo: CARGO, storm_ends: STORM_ENDS, quiesce: QUIESCE, storm }
    }

    /// Whether it can be run.
    ///
    /// # Errors
    /// The first thing that does not fit.
    pub fn check(&self) -> Result<(), Misfit> {
        let Case { cargo, storm_ends, quiesce, storm } = self;
        for (key, time) in [("storm_ends", storm_ends), ("quiesce", quiesce)] {
            if *time > LONGEST {
                return Err(Misfit::new(key, format!("{time} s: at most a day")));
            }
        }
        if *cargo == 0 || *cargo > CARGO_MAX {
            return Err(Misfit::new("cargo", format!("{cargo}: 1 to {CARGO_MAX}")));
        }
        let berths = BERTHS as u32;
        let roster = Roster {
            members: [Role::Pier, Role::Boat, Role::Watchman].map(|role| (role, berths)).into(),
            zones: berths,
            with_volumes: [Role::Pier].into(),
            volumes: berths,
            express: berths,
            has_share: true,
            partitions: Vec::new(),
            groups: 0,
            slots: Vec::new(),
        };
        storm.check_is_mended()?;
        storm.check(&roster, *storm_ends)
    }
}

/// Runs one seed on this thread, exactly as a case has it that was [checked](Case::check).
pub fn run(seed: u64, case: &Case, options: &RunOptions, listeners: Listeners) -> RunReport {
    let (storm_ends, time_max) = (case.storm_ends, case.storm_ends + case.quiesce);
    let limits = Limits { events_max: 2_000_000, time_max, ..Limits::default() };
    let (cloud, azs, hosts) = map();
    let ledger = Arc::new(Mutex::new(Ledger::new(azs.len(), case.cargo)));
    let planted = options.planted_divergence.then(planted_divergence);
    let drawn = case.storm.describe();
    let strikes = Strikes::default();
    let struck = strikes.clone();
    let recording = recording(options, Options::default(), Heard::AtOnce, listeners.history);
    let audience = listeners.audience;
    launch(
        options.choices(seed),
        limits,
        audience.with_lives(listeners.observer),
        cloud,
        |world, core, _| {
            world.set_audience(audience.clone());
            ledger::declare_marks(core.marks());
            world.set_stop_at_failure(!options.keep_going);
            if let Some(recording) = recording {
                world.set_recording(recording);
            }
            let berths = build_devices(world, core, &azs, &hosts);
            let harbour = build_nodes(world, core, berths, &ledger, options);
            case.storm.operations.begin(world, core);
            case.storm.put_on_plan(world, core, harbour.targets(world), &strikes);
            if case.storm.operations != Operations::Ordinary {
                world.plan(core, storm_ends, Action::EndAnomalies);
            }
            // Whatever is down or paused by then comes back.
            for node in harbour.all_nodes() {
                world.plan(core, storm_ends, Action::Resume(node));
                world.plan(core, storm_ends + BACK_AFTER, Action::Restart(node));
            }
            for (n, boat) in planted.into_iter().flatten().enumerate() {
                // Only the order of these touches the run, and no seed decides it.
                let at = Nanos::millis(700 + n as u64);
                world.plan(core, at, Action::Pause(harbour.boats[boat]));
                world.plan(core, at, Action::Resume(harbour.boats[boat]));
            }
        },
        |world, core, outcome| {
            let phases = Phases::of(&case.storm, storm_ends, Some(storm_ends + BACK_AFTER), outcome.now);
            let report = report(seed, world, core, outcome, &ledger, drawn);
            RunReport { struck: struck.all(), phases, ..report }
        },
    )
}

/// The cloud that the harbour lies in, as measured: read once, the same for every run.
struct Measured {
    network: NetworkProfile,
    instance: InstanceType,
    nic: NicSpec,
    host: HostSpec,
    store: ObjectStoreProfile,
    express: ExpressProfile,
    gp3: Profile,
    share: NfsSpec,
}

static MEASURED: LazyLock<Measured> = LazyLock::new(Measured::read);

impl Measured {
    fn read() -> Measured {
        let profile = |name| calibrated::profile(name).expect("it comes with wavetank");
        let types = InstanceTypes::builtin();
        let instance = types.get("m7g.large").expect("it comes with wavetank").clone();
        let network = profile("network-aws-same-region");
        let share = ShareOrder {
            preferred_az: 0,
            standby_az: Some(1),
            capacity_bytes: 1 << 30,
            throughput_bytes_per_sec: None,
        };
        let fits = "a profile that comes with wavetank fits its kind";
        Measured {
            nic: calibrated::nic(&instance, &network).expect(fits),
            host: calibrated::host(&instance, &profile("host-kafka")).expect(fits),
            store: calibrated::object_store(&profile("s3-standard")).expect(fits),
            express: calibrated::express_store(&profile("s3-express")).expect(fits),
            gp3: profile("ebs-gp3"),
            share: calibrated::nfs_share(&profile("fsx-ontap-multi-az"), &network, share).expect(fits),
            network: calibrated::network(&network).expect(fits),
            instance,
        }
    }

    fn volume(&self, az: AzId) -> VolumeSpec {
        let order = VolumeOrder::new(VolumeKind::Gp3 { az }, VolumeFormat::FileSystem, 1 << 30);
        let spec = calibrated::volume(&self.gp3, order).expect("less than can be bought");
        // The profile promises whole sectors; the pier's recovery must do without that promise.
        VolumeSpec { atomic_sectors: false, ..calibrated::on_instance(spec, &self.instance) }
    }
}

fn map() -> (CloudSpec, [AzId; 3], Vec<HostId>) {
    let (mut cloud, azs) = CloudSpec::three_azs(MEASURED.network.clone());
    let host = |az: &AzId| cloud.host(*az, MEASURED.nic, MEASURED.host.clone()).expect("Kafka's defaults make sense");
    let hosts = azs.iter().map(host).collect();
    (cloud, azs, hosts)
}

fn build_devices(world: &mut World, core: &mut Core<Event>, azs: &[AzId], hosts: &[HostId]) -> Vec<Berth> {
    let choices = *core.choices();
    let mut store = ObjectStore::new(MEASURED.store.clone(), &choices, 0);
    let bucket = store.create_bucket(core.now());
    let store = world.add_store(store);
    let share = world.add_share(NfsShare::new(share_spec(), &choices, 0));
    let berth = |(n, (az, host)): (usize, (&AzId, &HostId))| {
        let mut volume = Volume::new(MEASURED.volume(*az), &choices, n as u64);
        volume.attach_at_start(*host, *az).expect("a fresh volume in the host's zone");
        let mut express = ExpressStore::new(MEASURED.express.clone(), az.0, &choices, n as u64);
        let express_bucket = express.create_bucket(core.now());
        Berth {
            az: *az,
            host: *host,
            volume: world.add_volume(volume),
            store,
            bucket,
            express: world.add_express(express),
            express_bucket,
            share,
        }
    };
    azs.iter().zip(hosts).enumerate().map(berth).collect()
}

/// A share whose server keeps unstable writes in memory only, as RFC 8881 allows.
fn share_spec() -> NfsSpec {
    // Shorter than the longest pause, so that leases are lost.
    let lease_time = Nanos::secs(5);
    NfsSpec { nvram: false, lease_time, grace_period: Nanos::secs(5), ..MEASURED.share.clone() }
}

fn build_nodes(
    world: &mut World,
    core: &mut Core<Event>,
    berths: Vec<Berth>,
    ledger: &Arc<Mutex<Ledger>>,
    options: &RunOptions,
) -> Harbour {
    let (mut piers, mut boats, mut watchmen) = (Vec::new(), Vec::new(), Vec::new());
    let mutant = match options.mutant {
        Some(crate::mutant::Mutant::Harbour(mutant)) => Some(mutant),
        Some(_) | None => None,
    };
    for (n, berth) in berths.iter().enumerate() {
        let berth = *berth;
        let factory = Box::new(move |_| Behaviour::Machine(Box::new(pier::Pier::new(n, berth, mutant))));
        piers.push(world.add_node(core, &format!("pier-{n}"), berth.host, factory));
    }
    for n in 0..berths.len() {
        // A boat is at home in the next zone: its connection crosses.
        let (home, pier, ledger) = (berths[(n + 1) % berths.len()].host, piers[n], ledger.clone());
        let factory = Box::new(move |_| Behaviour::Machine(Box::new(boat::Boat::new(n, pier, ledger.clone()))));
        boats.push(world.add_node(core, &format!("boat-{n}"), home, factory));
    }
    for (n, berth) in berths.iter().enumerate() {
        let (berth, ledger) = (*berth, ledger.clone());
        let factory = Box::new(move |_| {
            let ledger = ledger.clone();
            Guest::behaviour(move |guest| watchman::watch(guest, n, berth, ledger, mutant))
        });
        watchmen.push(world.add_node(core, &format!("watchman-{n}"), berth.host, factory));
    }
    for node in piers.iter().chain(&boats).chain(&watchmen) {
        world.supervise(*node, Nanos::secs(1));
    }
    Harbour { berths, piers, boats, watchmen }
}

fn report(
    seed: u64,
    world: &mut World,
    core: &mut Core<Event>,
    outcome: Outcome<Event>,
    ledger: &Mutex<Ledger>,
    drawn: Vec<String>,
) -> RunReport {
    let mut findings: Vec<Finding> = Vec::new();
    for finding in world.failures().iter().map(|failure| failure.as_finding(core)) {
        // A run that goes on may see the same again and again.
        if !findings.iter().any(|known| (&known.by, &known.why) == (&finding.by, &finding.why)) {
            findings.push(finding);
        }
    }
    let all_done = outcome.reason == EndReason::Stopped(ALL_DONE.into());
    let readers = if all_done { Readers::Finished } else { Readers::Interrupted };
    let history = judge(world.finish_recording(core), readers, None, outcome.now, &mut findings);
    if findings.is_empty() && !matches!(outcome.reason, EndReason::Stopped(_)) {
        let late = ledger.lock().expect("the ledger outlives the run").unfinished();
        let why = format!("{} ended the run with cargo not delivered or not read: {}", outcome.reason, late.join(", "));
        let (severity, by, about) = (Severity::Stall, "the harbour".into(), Vec::new());
        findings.push(Finding { severity, at_ns: outcome.now.0, by, why, about });
    }
    let mut marks = outcome.marks;
    ledger::mark_devices(world, &mut marks);
    let led_here = if findings.is_empty() { Vec::new() } else { outcome.ring.iter().map(|r| r.to_string()).collect() };
    RunReport {
        seed,
        reason: outcome.reason,
        now: outcome.now,
        phases: Phases::default(),
        events: outcome.events,
        digest: outcome.digest,
        marks,
        findings,
        drawn,
        history,
        met: world.anomalies().happened().to_vec(),
        struck: Vec::new(),
        led_here,
        beyond: Vec::new(),
    }
}

/// The classic mistake: the order in which a randomly seeded map yields its keys. Made outside the run's thread
/// context, where hash seeds are really random.
#[allow(clippy::disallowed_types)]
fn planted_divergence() -> Vec<usize> {
    let map: std::collections::HashMap<usize, ()> = (0..64).map(|n| (n, ())).collect();
    map.into_keys().map(|n| n % 3).collect()
}
