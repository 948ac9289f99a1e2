//! A scenario's Flink-style jobs: a table, a job manager and task managers each, on hosts of their own.
//!
//! Task managers are where the scenario places them, the job manager is where the first of them is, and the table in the
//! first zone. Checkpoints go to a bucket of their own in the region's object store, so whatever slows that store slows
//! checkpoints and restores.
//!
//! Exploring runs take the scenario's job, smaller and faster: at most [`EXPLORE_PARALLELISM`] subtasks and a spare task
//! manager, two checkpoints a second, heartbeats and restart delays of seconds, so that a minute sees many checkpoints and
//! restarts. A start that is late is late by the same share of the run.

use super::build::{Builder, Member};
use super::settings;
use super::size::Purpose;
use crate::mutant::Mutant;
use crate::spec::scenario::{Pipeline, Scenario, Sink};
use crate::spec::settings::{CheckpointingMode, RestartStrategy};
use std::sync::{Arc, Mutex, PoisonError};
use wavetank_models::client::Directory;
use wavetank_models::cloud::network::{AzId, HostId};
use wavetank_models::cloud::object_store::BucketId;
use wavetank_models::flink::oracle::{InputLog, KnownKeys, Verdict, judge};
use wavetank_models::flink::{JobManager, JobSpec, Table, TableStore, TaskManager};
use wavetank_models::kafka::ids::{GroupId, TopicIdPartition};
use wavetank_models::kafka::object_client::{ObjectClientOptions, ObjectPlace};
use wavetank_models::world::{Behaviour, Event, Factory, Process, StoreId, World};
use wavetank_sim::{Core, Nanos, NodeId, SortedMap};

/// Subtasks of an exploring run's operators, at most.
const EXPLORE_PARALLELISM: u32 = 2;
/// Keys of an exploring run's state, at most.
const EXPLORE_KEYS: u64 = 1_000;
/// A supervisor starts a job manager again that another one has deposed.
const SUPERVISED: Nanos = Nanos::secs(2);

/// A job and where its processes are.
#[derive(Clone)]
pub(super) struct Job {
    pub(super) name: String,
    pub(super) spec: Arc<JobSpec>,
    table: TableStore,
    known_keys: Arc<Mutex<KnownKeys>>,
    store: StoreId,
    bucket: BucketId,
    pub(super) job_manager: Member,
    pub(super) task_managers: Vec<Member>,
}

impl Job {
    /// All of its processes that can die.
    pub(super) fn members(&self) -> impl Iterator<Item = Member> + '_ {
        self.task_managers.iter().copied().chain([self.job_manager])
    }

    /// Records that its table holds twice.
    pub(super) fn doubled(&self) -> u64 {
        self.table.lock().unwrap_or_else(PoisonError::into_inner).doubled()
    }

    /// What its output is worth now, when its topics hold that.
    pub(super) fn judge(&self, world: &World, logs: &SortedMap<TopicIdPartition, InputLog>) -> Verdict {
        let mine = |tp: &TopicIdPartition| self.spec.sources.contains(tp);
        let inputs = logs.iter().filter(|(tp, _)| mine(tp)).map(|(tp, log)| (*tp, log.clone())).collect();
        let table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        let store = world.store(self.store);
        let mut known = self.known_keys.lock().unwrap_or_else(PoisonError::into_inner);
        judge(&self.spec, &inputs, &table, &mut known, |key| store.peek(self.bucket, key))
    }
}

/// Something of a scenario that wavetank reads and cannot simulate yet.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the scenario's {what} cannot be simulated yet: take it out")]
pub struct NotYet {
    what: String,
}

/// Whether a scenario's pipelines can be simulated.
///
/// # Errors
/// The first that cannot, and why.
pub fn supported(scenario: &Scenario) -> Result<(), NotYet> {
    for pipeline in &scenario.pipelines {
        let it = &pipeline.settings;
        let missing = [
            (pipeline.sink != Sink::IdempotentByKey, format!("sink = \"{}\"", pipeline.sink.name())),
            (it.mode == CheckpointingMode::AtLeastOnce, "execution.checkpointing.mode = AT_LEAST_ONCE".into()),
            (it.unaligned, "execution.checkpointing.unaligned.enabled = true".into()),
            (it.max_concurrent > 1, "execution.checkpointing.max-concurrent-checkpoints above 1".into()),
            (
                !matches!(it.restart, RestartStrategy::ExponentialDelay { .. })
                    && (it.checkpoint_interval.is_some() || it.restart != RestartStrategy::None),
                "a restart-strategy.type other than exponential-delay".into(),
            ),
            (it.checkpoint_interval.is_none(), "no execution.checkpointing.interval".into()),
        ];
        if let Some((_, what)) = missing.into_iter().find(|(is_missing, _)| *is_missing) {
            return Err(NotYet { what: format!("pipeline \"{}\" with {what}", pipeline.name) });
        }
    }
    Ok(())
}

/// The zones of the hosts of a pipeline, in the order in which they are used: table, job manager, task managers.
pub(super) fn places(pipeline: &Pipeline, purpose: Purpose, azs: &[AzId]) -> Vec<AzId> {
    let mut managers = super::build::zones_of(&pipeline.task_managers.counts(), azs);
    managers.truncate(task_managers(pipeline, purpose) as usize);
    let mut places = vec![azs[0], managers[0]];
    places.extend(managers);
    places
}

fn parallelism(pipeline: &Pipeline, purpose: Purpose) -> u32 {
    match purpose {
        Purpose::Measure => pipeline.parallelism,
        Purpose::Explore => pipeline.parallelism.min(EXPLORE_PARALLELISM),
    }
}

/// Exploring runs have one to spare, if the scenario has.
pub(super) fn task_managers(pipeline: &Pipeline, purpose: Purpose) -> u32 {
    let all = pipeline.task_managers.total();
    match purpose {
        Purpose::Measure => all,
        Purpose::Explore => all.min(EXPLORE_PARALLELISM + 1),
    }
}

/// How many slots an exploring run's task managers have.
pub(super) fn slots(pipeline: &Pipeline, purpose: Purpose) -> u32 {
    let managers = task_managers(pipeline, purpose);
    managers * settings::flink(&pipeline.settings, purpose, (parallelism(pipeline, purpose), managers)).task_slots
}

impl Builder<'_> {
    /// The jobs of all pipelines.
    pub(super) fn jobs(
        &self,
        world: &mut World,
        core: &mut Core<Event>,
        hosts: &mut dyn Iterator<Item = (HostId, AzId)>,
        directory: &Directory,
        (store, bucket): (StoreId, BucketId),
    ) -> Vec<Job> {
        let mut jobs = Vec::new();
        for (number, pipeline) in (0..self.size.pipelines).zip(&self.setup.scenario.pipelines) {
            let mut host = || hosts.next().expect("a host for each process of a job");
            let ((at_table, _), (at_manager, manager_az)) = (host(), host());
            let rows = TableStore::default();
            let kept = rows.clone();
            let database = factory(move || Table::new(number, kept.clone()));
            let table = world.add_node(core, &format!("table-{}", pipeline.name), at_table, database);
            // Nodes are numbered as they are made.
            let job_manager = NodeId(table.0 + 1);
            let place = ObjectPlace::Regional(store, bucket);
            let spec = Arc::new(self.job(number, pipeline, directory, (table, job_manager), place));
            let of = spec.clone();
            let manager = factory(move || JobManager::new(of.clone()));
            let node = world.add_node(core, &format!("job-manager-{}", pipeline.name), at_manager, manager);
            assert_eq!(node, job_manager, "nodes are numbered as they are made");
            world.supervise(node, SUPERVISED);
            let job_manager = Member { node, host: at_manager, az: manager_az, volume: None };
            let mut task_managers = Vec::new();
            for n in 0..self::task_managers(pipeline, self.setup.purpose) {
                let (host, az) = host();
                let of = spec.clone();
                let worker = factory(move || TaskManager::new(of.clone()));
                let node = world.add_node(core, &format!("task-manager-{}-{n}", pipeline.name), host, worker);
                task_managers.push(Member { node, host, az, volume: None });
            }
            let name = pipeline.name.clone();
            let known_keys = Arc::default();
            jobs.push(Job { name, spec, table: rows, known_keys, store, bucket, job_manager, task_managers });
        }
        jobs
    }

    fn job(
        &self,
        number: u32,
        pipeline: &Pipeline,
        directory: &Directory,
        (table, job_manager): (NodeId, NodeId),
        checkpoints: ObjectPlace,
    ) -> JobSpec {
        let purpose = self.setup.purpose;
        let keys = pipeline.state_keys.clamp(1, if purpose == Purpose::Explore { EXPLORE_KEYS } else { u64::MAX });
        let groups = self.setup.scenario.groups.len() as u32;
        let slots = (parallelism(pipeline, purpose), task_managers(pipeline, purpose));
        JobSpec {
            job: number,
            directory: directory.clone(),
            sources: self.sources(pipeline),
            group: GroupId(groups + number),
            begins_at: self.begins_at(pipeline),
            startup: settings::startup(pipeline.settings.startup),
            parallelism: parallelism(pipeline, purpose),
            rescaled_to: self.storm.parallelisms_of(number),
            max_parallelism: None,
            keys: u32::try_from(keys).unwrap_or(u32::MAX),
            bytes_per_key: pipeline.state_bytes_per_key,
            records_per_sec: self.pace(purpose),
            checkpoints,
            objects: ObjectClientOptions::default(),
            job_manager,
            table,
            consumer: settings::consumer(&pipeline.settings.consumer),
            settings: settings::flink(&pipeline.settings, purpose, slots),
            mutant: match self.mutant {
                Some(Mutant::Flink(mutant)) => Some(mutant),
                Some(_) | None => None,
            },
        }
    }

    /// Exploring runs' operators are slow, each thrice as fast as all input: so barriers wait behind records, and channels fill.
    fn pace(&self, purpose: Purpose) -> Option<u64> {
        (purpose == Purpose::Explore).then_some(3 * self.size.rate)
    }

    /// The partitions of its topics.
    fn sources(&self, pipeline: &Pipeline) -> Vec<TopicIdPartition> {
        let partition = |topic, partition| TopicIdPartition { topic, partition };
        let topics = self.topics_named(&pipeline.sources).into_iter();
        topics.flat_map(|topic| (0..self.size.partitions).map(move |n| partition(topic, n))).collect()
    }

    fn begins_at(&self, pipeline: &Pipeline) -> Nanos {
        if pipeline.start_at == Nanos::ZERO {
            return Nanos::ZERO;
        }
        let late = match self.setup.purpose {
            Purpose::Measure => pipeline.start_at,
            Purpose::Explore => {
                let (short, long) = (self.size.duration, self.setup.scenario.measure.duration);
                pipeline.start_at.min(long).scale(short.0, long.0)
            }
        };
        self.size.begins() + late
    }
}

fn factory<P: Process + 'static>(make: impl Fn() -> P + Send + 'static) -> Factory {
    Box::new(move |_| Behaviour::Machine(Box::new(make())))
}
