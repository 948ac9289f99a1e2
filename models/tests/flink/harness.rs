//! A world with a scripted cluster, a producer, a job and its table, and what came of it.

use super::broker::{Cluster, Log, Script, TOPIC, broker, tp};
use super::common::*;
use std::sync::{Arc, Mutex};
use wavetank_models::client::load::{LoadSpec, Partitioner};
use wavetank_models::client::{
    AutoOffsetReset, ConsumerSettings, Directory, ProducerProcess, ProducerSettings, ProducerSpec,
};
use wavetank_models::cloud::object_store::ObjectStoreFault;
use wavetank_models::fault::Fault;
use wavetank_models::flink::oracle::{InputLog, InputRun, KnownKeys, Verdict, judge};
use wavetank_models::flink::{
    FlinkMutant, FlinkSettings, JobManager, JobSpec, Startup, Table, TableStore, TaskManager,
};
use wavetank_models::invariants::Invariants;
use wavetank_models::kafka::group_coordinator::GroupRecord;
use wavetank_models::kafka::ids::{BrokerId, GroupId};
use wavetank_models::kafka::object_client::{ObjectClientOptions, ObjectPlace};
use wavetank_models::probe::{BrokenPromise, Probe, ProbeSink};
use wavetank_models::world::{Action, Behaviour, Factory, Process};
use wavetank_sim::{Choices, Domain, Incarnation, Limits, Nanos, NodeId, SortedMap, Stream};

/// Keeps probes, and heeds invariants.
#[derive(Clone, Default)]
pub struct Probes(Arc<Mutex<Heard>>);

/// Every probe with its time, and what the invariants make of them.
type Heard = (Vec<(Nanos, Probe)>, Invariants);

impl ProbeSink for Probes {
    fn probe(&mut self, now: Nanos, _: Incarnation, probe: &Probe) -> Result<(), BrokenPromise> {
        let mut kept = self.0.lock().unwrap();
        kept.0.push((now, probe.clone()));
        kept.1.heed(probe)
    }
}

const BROKERS: u32 = 2;
const PARTITIONS: u32 = 3;
const PRODUCER: NodeId = NodeId(2);
const TABLE: NodeId = NodeId(3);
pub const JOB_MANAGER: NodeId = NodeId(4);
const FIRST_TASK_MANAGER: u32 = 5;

/// Which faults a run has.
#[derive(Clone, Copy, Debug, Default)]
pub struct Storm {
    pub kills: u32,
    pub job_manager_kills: u32,
    pub resets: bool,
    pub slow_store: bool,
}

#[derive(Clone)]
pub struct Setup {
    pub seed: u64,
    pub task_managers: u32,
    pub parallelism: u32,
    pub startup: Startup,
    pub rate: u64,
    pub records_per_sec: Option<u64>,
    pub settings: FlinkSettings,
    pub script: Script,
    pub storm: Storm,
    pub mutant: Option<FlinkMutant>,
    /// Input ends, and the storm.
    pub calm_at: Nanos,
    pub ends: Nanos,
}

impl Setup {
    /// Short times everywhere, so that a run sees many checkpoints and failures.
    pub fn new(seed: u64) -> Setup {
        let settings = FlinkSettings {
            checkpointing_interval: Some(Nanos::secs(1)),
            checkpointing_timeout: Nanos::secs(15),
            heartbeat_interval: Nanos::secs(1),
            heartbeat_timeout: Nanos::secs(5),
            restart_initial_backoff: Nanos::millis(200),
            restart_max_backoff: Nanos::secs(2),
            ..FlinkSettings::default()
        };
        Setup {
            seed,
            task_managers: 3,
            parallelism: 3,
            startup: Startup::Earliest,
            rate: 300,
            records_per_sec: Some(2000),
            settings,
            script: Script::default(),
            storm: Storm::default(),
            mutant: None,
            calm_at: Nanos::secs(30),
            ends: Nanos::secs(75),
        }
    }

    pub fn task_manager(&self, number: u32) -> NodeId {
        NodeId(FIRST_TASK_MANAGER + number)
    }

    fn directory(&self) -> Directory {
        Directory::new((0..BROKERS).map(|b| (BrokerId(b), NodeId(b))).collect())
    }

    fn spec(&self, sea: &Sea) -> Arc<JobSpec> {
        Arc::new(JobSpec {
            job: 1,
            directory: self.directory(),
            sources: (0..PARTITIONS).map(tp).collect(),
            group: GroupId(9),
            begins_at: Nanos::ZERO,
            startup: self.startup,
            parallelism: self.parallelism,
            rescaled_to: Vec::new(),
            max_parallelism: None,
            keys: 50,
            bytes_per_key: 1000,
            records_per_sec: self.records_per_sec,
            checkpoints: ObjectPlace::Regional(sea.store, sea.bucket),
            objects: ObjectClientOptions::default(),
            job_manager: JOB_MANAGER,
            table: TABLE,
            consumer: ConsumerSettings {
                auto_offset_reset: AutoOffsetReset::Earliest,
                max_poll_records: 40,
                ..ConsumerSettings::default()
            },
            settings: self.settings.clone(),
            mutant: self.mutant,
        })
    }

    fn producer(&self) -> Factory {
        // One partition has more than the others: a barrier is late in its channel, and early where there is no backlog.
        let partitioner = Partitioner::Keyed { keys: 10_000, skew: 0.0, hot: vec![(0, 4.0)] };
        let load = LoadSpec { stop: self.calm_at, partitioner, ..LoadSpec::constant(self.rate, 200) };
        let spec = ProducerSpec {
            directory: self.directory(),
            topic: TOPIC,
            partitions: PARTITIONS,
            load,
            settings: ProducerSettings::default(),
            number: 0,
            recorded: false,
        };
        Box::new(move |life| Behaviour::Machine(Box::new(ProducerProcess::new(spec.clone(), life.epoch.0))))
    }

    pub fn run(&self) -> Ran {
        self.run_with(|_, _, _| ())
    }

    pub fn run_with(
        &self,
        plan: impl FnOnce(&mut wavetank_models::world::World, &mut wavetank_sim::Core<wavetank_models::world::Event>, &Sea),
    ) -> Ran {
        let cluster = Cluster::shared(BROKERS, PARTITIONS, self.script);
        let probes = Probes::default();
        let table = TableStore::default();
        let limits = Limits { events_max: 20_000_000, time_max: self.ends, ..Limits::default() };
        let chart = Chart { seed: self.seed, limits, ..Chart::default() };
        let calm = cluster.clone();
        chart.run(
            |world, core, sea| {
                world.set_probes(Box::new(probes.clone()));
                world.set_stop_at_failure(true);
                let spec = self.spec(sea);
                for b in 0..BROKERS {
                    world.add_node(core, &format!("broker-{b}"), sea.hosts[b as usize], broker(b, &cluster));
                }
                assert_eq!(world.add_node(core, "producer", sea.hosts[2], self.producer()), PRODUCER);
                let rows = table.clone();
                let database: Factory = Box::new(move |_| machine(Table::new(1, rows.clone())));
                assert_eq!(world.add_node(core, "table", sea.hosts[3], database), TABLE);
                let of = spec.clone();
                let manager: Factory = Box::new(move |_| machine(JobManager::new(of.clone())));
                assert_eq!(world.add_node(core, "job-manager", sea.hosts[0], manager), JOB_MANAGER);
                for n in 0..self.task_managers {
                    let of = spec.clone();
                    let worker: Factory = Box::new(move |_| machine(TaskManager::new(of.clone())));
                    let host = sea.hosts[(n + 1) as usize % 4];
                    let node = world.add_node(core, &format!("task-manager-{n}"), host, worker);
                    assert_eq!(node, self.task_manager(n));
                }
                self.plan_storm(world, core, sea);
                plan(world, core, sea);
            },
            |world, _, outcome, sea| {
                let cluster = calm.lock().unwrap();
                let input = |log: &Log| {
                    let mut base = 0;
                    let run = |(writer, first, n)| {
                        base += u64::from(n);
                        InputRun { base: base - u64::from(n), writer, first, count: u64::from(n) }
                    };
                    let records = log.ranges().into_iter().map(run).collect();
                    InputLog { starts: [0].into(), records, end: log.end() }
                };
                let inputs: SortedMap<_, _> = cluster.logs.iter().map(|(tp, log)| (*tp, input(log))).collect();
                let store = world.store(sea.store);
                let rows = table.lock().unwrap();
                let verdict = match judge(&self.spec(sea), &inputs, &rows, &mut KnownKeys::default(), |key| {
                    store.peek(sea.bucket, key)
                }) {
                    Verdict::Whole => Ok(()),
                    Verdict::Behind(why) | Verdict::Wrong(why) => Err(why),
                };
                let failures: Vec<String> = world.failures().iter().map(|failure| failure.why.clone()).collect();
                Ran {
                    verdict,
                    failures,
                    marks: outcome.marks.iter().map(|(name, times)| (name.to_string(), times)).collect(),
                    probes: probes.0.lock().unwrap().0.clone(),
                    records: cluster.logs.values().map(|log| log.end()).sum(),
                    committed: committed(&cluster.offsets_log),
                }
            },
        )
    }

    fn plan_storm(
        &self,
        world: &mut wavetank_models::world::World,
        core: &mut wavetank_sim::Core<wavetank_models::world::Event>,
        sea: &Sea,
    ) {
        let mut draw = Choices::new(self.seed).stream(Domain::new("test/flink"), 0);
        let at = |draw: &mut Stream| draw.nanos(Nanos::secs(3)..self.calm_at);
        for kill in 0..self.storm.kills + self.storm.job_manager_kills {
            let node = match kill < self.storm.kills {
                true => self.task_manager(draw.index(self.task_managers as usize) as u32),
                false => JOB_MANAGER,
            };
            let from = at(&mut draw);
            world.plan(core, from, Action::Kill(node));
            world.plan(core, from + draw.nanos(Nanos::millis(50)..Nanos::secs(3)), Action::Restart(node));
        }
        if self.storm.slow_store {
            // One after the other: what is slow twice over never ends.
            let half = self.calm_at / 2;
            for begins in [Nanos::ZERO, half] {
                let from = begins + draw.nanos(Nanos::secs(1)..half - Nanos::secs(8));
                let percent = *draw.pick(&[1000, 5000, 20_000]);
                let fault = ObjectStoreFault::Brownout { az: None, latency_percent: percent, error_ppm: 50_000 };
                let to = from + draw.nanos(Nanos::secs(1)..Nanos::secs(8));
                fault_between(world, core, Fault::Object(sea.store, fault), from, to);
            }
        }
        if self.storm.resets {
            use wavetank_models::cloud::network::{NetworkFault, Scope};
            let from = at(&mut draw);
            let every = draw.nanos(Nanos::millis(100)..Nanos::secs(2));
            let storm = NetworkFault::ResetStorm { from: Scope::All, to: Scope::All, every, ratio_ppm: 200_000 };
            fault_between(world, core, Fault::Network(storm), from, from + Nanos::secs(3));
        }
    }
}

fn machine(process: impl Process + 'static) -> Behaviour {
    Behaviour::Machine(Box::new(process))
}

#[derive(Debug)]
pub struct Ran {
    pub verdict: Result<(), String>,
    pub failures: Vec<String>,
    pub marks: SortedMap<String, u64>,
    pub probes: Vec<(Nanos, Probe)>,
    pub records: u64,
    pub committed: u64,
}

impl Ran {
    pub fn count(&self, is: impl Fn(&Probe) -> bool) -> usize {
        self.probes.iter().filter(|(_, probe)| is(probe)).count()
    }

    pub fn checkpoints(&self) -> usize {
        self.count(|probe| matches!(probe, Probe::CheckpointCompleted { .. }))
    }

    /// Whatever was wrong first.
    pub fn bad(&self) -> Option<String> {
        self.failures.first().cloned().or_else(|| self.verdict.clone().err())
    }

    /// What became of the job, in order.
    pub fn probes_in_short(&self) -> Vec<String> {
        let is_progress = |probe: &Probe| {
            matches!(
                probe,
                Probe::JobFailed { .. }
                    | Probe::JobRestarted { .. }
                    | Probe::JobRestored { .. }
                    | Probe::JobCaughtUp { .. }
                    | Probe::CheckpointChosen { .. }
                    | Probe::CheckpointCompleted { .. }
            )
        };
        let progress = self.probes.iter().filter(|(_, probe)| is_progress(probe));
        progress.map(|(at, probe)| format!("{at} {probe:?}")).collect()
    }
}

/// The sum of all committed offsets, as the group coordinator's log says.
fn committed(log: &[bytes::Bytes]) -> u64 {
    let mut offsets = wavetank_sim::SortedMap::new();
    for bytes in log {
        if let GroupRecord::Offsets { group, offsets: of_group, .. } =
            GroupRecord::decode(bytes).expect("it wrote them")
        {
            offsets.extend(of_group.into_iter().map(|(tp, offset)| ((group, tp), offset.unwrap_or(0))));
        }
    }
    offsets.values().sum()
}
