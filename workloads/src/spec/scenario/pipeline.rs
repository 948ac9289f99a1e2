//! Flink-style jobs: `[[pipeline]]`.

use super::cluster::{Cluster, say};
use super::group::topics;
use super::load::Workload;
use super::placement::Placement;
use crate::spec::document::Severity;
use crate::spec::document::section::Section;
use crate::spec::document::value::{bytes, choice, count, count32, name, span};
use crate::spec::settings::{DeliveryGuarantee, FlinkSettings, Given, Scope};
use wavetank_sim::Nanos;

/// Where a job's results go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sink {
    /// To a store that keeps one row a key: writing it twice is writing it once.
    IdempotentByKey,
    /// To a Kafka topic of its own, as `sink.delivery-guarantee` says.
    Kafka,
    /// Nowhere: its state is the result.
    None,
}

impl Sink {
    const ALL: [(&'static str, Sink); 3] =
        [("idempotent-by-key", Sink::IdempotentByKey), ("kafka", Sink::Kafka), ("none", Sink::None)];

    /// Its name in scenarios.
    pub fn name(self) -> &'static str {
        match self {
            Sink::IdempotentByKey => "idempotent-by-key",
            Sink::Kafka => "kafka",
            Sink::None => "none",
        }
    }
}

/// A Flink-style job: sources, a keyed operator, a sink.
#[derive(Clone, Debug, PartialEq)]
pub struct Pipeline {
    /// Its name.
    pub name: String,
    /// The topics it reads.
    pub sources: Vec<String>,
    /// Subtasks of each operator.
    pub parallelism: u32,
    /// Its task managers.
    pub task_managers: Placement,
    /// Keys that its state holds.
    pub state_keys: u64,
    /// Bytes of state for each key.
    pub state_bytes_per_key: u64,
    /// Where its results go.
    pub sink: Sink,
    /// When it starts, from the end of the warm-up; at zero it starts with the load.
    pub start_at: Nanos,
    /// What is set for it.
    pub given: Given,
    /// Its settings.
    pub settings: FlinkSettings,
}

impl Pipeline {
    /// Bytes of its state once every key is there.
    pub fn state_bytes(&self) -> u64 {
        self.state_keys.saturating_mul(self.state_bytes_per_key)
    }
}

const HINTS: [(&str, &str); 4] = [
    ("checkpoint_interval", "\"execution.checkpointing.interval\" in [pipeline.settings]"),
    ("topics", "sources"),
    ("source", "sources = [\"topic-0\"]"),
    ("keys", "state_keys"),
];

pub(super) fn read(top: &Section<'_>, cluster: &Cluster, workload: &Workload) -> Vec<Pipeline> {
    let mut names: Vec<String> = Vec::new();
    let sections = top.sections("pipeline");
    let read = sections.iter().map(|section| {
        let pipeline = pipeline(section, cluster, workload);
        if names.contains(&pipeline.name) {
            section.error("name", format!("there is a pipeline \"{}\" already", pipeline.name), "a name of its own");
        }
        names.push(pipeline.name.clone());
        pipeline
    });
    read.collect()
}

fn pipeline(section: &Section<'_>, cluster: &Cluster, workload: &Workload) -> Pipeline {
    let given = section.section("settings").map_or_else(Given::default, |settings| {
        let given = Given::of_section(&settings, &[Scope::Flink], &[]);
        say(&settings, &given, Scope::Flink, FlinkSettings::conflicts);
        given
    });
    let settings = FlinkSettings::of(&given);
    let parallelism = section.need("parallelism", 1, "subtasks of each operator: 4", count32(1, 32_768));
    let one = Placement::spread(1, &cluster.azs);
    let pipeline = Pipeline {
        name: section.need("name", String::new(), "name = \"orders\"", name),
        sources: section.or("sources", workload.topic_names(), topics(workload)),
        parallelism,
        task_managers: section.need("task_managers", one, "how many: 2", Placement::reader(cluster, 1)),
        state_keys: section.or("state_keys", 0, count(0, 1_000_000_000_000)),
        state_bytes_per_key: section.or("state_per_key", 100, bytes),
        sink: section.or("sink", Sink::IdempotentByKey, choice(&Sink::ALL)),
        start_at: section.or("start_at", Nanos::ZERO, span),
        given,
        settings,
    };
    section.finish(Severity::Error, &HINTS);
    if section.is_sound() {
        check(section, &pipeline);
    }
    pipeline
}

fn check(section: &Section<'_>, pipeline: &Pipeline) {
    let per_manager = u64::from(pipeline.settings.slots_per_task_manager);
    let slots = u64::from(pipeline.task_managers.total()) * per_manager;
    if slots < u64::from(pipeline.parallelism) {
        let managers = pipeline.task_managers.total();
        let problem = format!("needs {} slots and has {slots}", pipeline.parallelism);
        let right = u64::from(pipeline.parallelism).div_ceil(u64::from(managers.max(1)));
        let help = format!("\"taskmanager.numberOfTaskSlots\" = {right} in its settings, or more task_managers");
        section.error("parallelism", problem, help);
    }
    let guarantee = pipeline.settings.delivery_guarantee;
    if pipeline.sink == Sink::Kafka && guarantee == DeliveryGuarantee::None {
        let help = "\"sink.delivery-guarantee\" = \"exactly-once\" in its settings";
        section.warn("sink", "promises nothing: records may be lost and doubled (Flink's default)", help);
    }
    if pipeline.settings.checkpoint_interval.is_none() {
        let help = "\"execution.checkpointing.interval\" = \"30 s\" in its settings";
        section.warn("settings", "takes no checkpoints: a failure ends the job (Flink's default)", help);
    }
}
