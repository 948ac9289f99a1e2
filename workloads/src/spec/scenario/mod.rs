//! Scenarios: what runs, under what load, what befalls it, and what is expected of it. TOML.
//!
//! ```toml
//! [scenario]                      # name, summary
//! platforms = ["s3-wal"]          # at the top of the file
//! [cluster]                       # brokers, controllers, azs, instance
//! [cluster.settings]              # brokers' settings, under Kafka's names
//! [platform.s3-wal]               # its own settings: "s3.wal.path"; and expect = { .. }
//! [workload]                      # topics, partitions, rate.. or omb = "file", driver = "file"
//! [workload.producer]             # and .consumer, .topic: settings under Kafka's names
//! [[group]]                       # consumer groups
//! [[pipeline]]                    # Flink-style jobs
//! [[fault]]                       # what happens when: measured runs
//! [storm]                         # what may happen: exploring runs
//! [expect]                        # bounds
//! [explore]                       # how long, how much of it, in exploring runs
//! [measure]                       # and in measured ones
//! ```
//!
//! Times of faults count from the end of the warm-up. Paths are relative to the scenario's file.
//!
//! `rate = "max"` of the workload (or 0, and `producerRate: 0` of an OpenMessaging file) has each measured run find the highest
//! rate that its platform sustains, and run at that. A consumer's `"client.rack" = "{zone.id}"` is each member's own zone, so
//! that a group's partitions are read where they are led. `[expect]` holds, by key: see [`Metric`].

pub mod builtin;
mod cluster;
mod expect;
mod fault;
mod group;
mod load;
mod pipeline;
mod placement;
mod size;
mod storm;
mod target;

pub use cluster::{Cluster, Platform, PlatformKind};
pub use expect::{Bound, Expectation, Measured, Metric, Operation, Order, Statistic};
pub use fault::{Fault, FaultKind, Peer, words};
pub use group::Group;
pub use load::{HotPartition, KeyChoice, Keys, LogConfig, Origin, Workload};
pub use pipeline::{Pipeline, Sink};
pub use placement::Placement;
pub use size::{EXPLORE_RATE, Explore, Measure};
pub use storm::{Family, Intensity, Storm};
pub use target::Target;

use crate::spec::ReadFile;
use crate::spec::document::section::Section;
use crate::spec::document::value::{name, text};
use crate::spec::document::{Log, Severity, parse_toml};
use crate::spec::problem::{Parsed, Problems, Source};
use crate::spec::settings::{Assignor, BrokerSettings, CleanupPolicy, Given, GroupProtocol};

/// A scenario.
#[derive(Clone, Debug, PartialEq)]
pub struct Scenario {
    /// Its name.
    pub name: String,
    /// One sentence.
    pub summary: String,
    /// The brokers and their hosts.
    pub cluster: Cluster,
    /// The platforms it runs on, each for itself.
    pub platforms: Vec<Platform>,
    /// The load.
    pub workload: Workload,
    /// Consumer groups; an OMB workload's subscriptions among them.
    pub groups: Vec<Group>,
    /// Flink-style jobs.
    pub pipelines: Vec<Pipeline>,
    /// What happens in measured runs, in the order of time.
    pub faults: Vec<Fault>,
    /// What may happen in exploring runs.
    pub storm: Storm,
    /// What is expected of every platform that says nothing else of it.
    pub expectations: Vec<Expectation>,
    /// The size of exploring runs.
    pub explore: Explore,
    /// The size of measured runs.
    pub measure: Measure,
}

/// Words that people write for something else.
const HINTS: [(&str, &str); 6] = [
    ("broker", "[cluster] brokers, or [cluster.settings]"),
    ("brokers", "[cluster] brokers"),
    ("consumers", "[[group]]"),
    ("flink", "[[pipeline]]"),
    ("slo", "[expect]"),
    ("topics", "[workload] topics"),
];

impl Scenario {
    /// Reads a scenario; `files` are those that it may name.
    ///
    /// # Errors
    /// Everything that is wrong with it and with the files it names.
    pub fn parse(source: &Source, files: &dyn ReadFile) -> Result<Parsed<Scenario>, Problems> {
        let log = Log::new(source);
        let table = parse_toml(&log);
        // Where the text is no TOML, keys seem to be missing that are there.
        if log.has_errors() {
            return log.close(()).map(|_| unreachable!("it has errors"));
        }
        let top = Section::top(&table, &log);
        let scenario = read(&top, files);
        top.finish(Severity::Error, &HINTS);
        log.close(scenario)
    }

    /// What is expected on a platform: its own bounds, and the scenario's for what it says nothing of.
    pub fn expectations_on(&self, platform: &Platform) -> Vec<Expectation> {
        let common =
            self.expectations.iter().filter(|it| platform.expectations.iter().all(|own| own.metric != it.metric));
        platform.expectations.iter().chain(common).copied().collect()
    }

    /// What of the scenario is run otherwise than it says, in words.
    pub fn simulated_otherwise(&self) -> Vec<String> {
        let is_kip_848 = |group: &&Group| group.settings.group_protocol == GroupProtocol::Consumer;
        let groups = self.groups.iter().filter(is_kip_848);
        let mut otherwise: Vec<String> =
            groups.map(|group| format!("group {}: {}", group.name, group::KIP_848)).collect();
        let is_taken_for_range = |group: &&Group| {
            let assignor = group.settings.assignor;
            !is_kip_848(group) && !assignor.is_cooperative() && assignor != Assignor::Range
        };
        otherwise.extend(self.groups.iter().filter(is_taken_for_range).map(|group| {
            let assignor = group.settings.assignor.class();
            format!("group {}: {assignor} is not simulated: partitions are given out as by RangeAssignor", group.name)
        }));
        let default = BrokerSettings::of(&Given::default()).producer_id_expiration;
        if self.platforms.iter().any(|platform| platform.broker.producer_id_expiration != default) {
            otherwise.push("brokers: producer.id.expiration.ms is not simulated: producers are not forgotten".into());
        }
        if self.storm.over_budget {
            otherwise.push("storm: over_budget is not simulated: exploring runs stay within the budget".into());
        }
        if self.workload.topic.cleanup_policy != CleanupPolicy::Delete {
            otherwise.push("topics: cleanup.policy=compact is not simulated: nothing is compacted".into());
        }
        otherwise
    }

    /// Bytes a second that groups and pipelines read when they keep up with so many written: each reads all of the topics
    /// it reads.
    pub fn bytes_out_per_sec(&self, bytes_in_per_sec: u64) -> u64 {
        let topics = u128::from(self.workload.topics.max(1));
        let shares = self.pipelines.iter().map(|pipeline| pipeline.sources.len() as u128);
        let read: u128 =
            shares.sum::<u128>() + self.groups.iter().map(|group| group.topics.len() as u128).sum::<u128>();
        let bytes = u128::from(bytes_in_per_sec) * read / topics;
        u64::try_from(bytes).unwrap_or(u64::MAX)
    }
}

fn read(top: &Section<'_>, files: &dyn ReadFile) -> Scenario {
    let (title, summary) = match top.section("scenario") {
        Some(section) => {
            let title = section.need("name", String::new(), "name = \"my-scenario\"", name);
            let summary = section.need("summary", String::new(), "summary = \"what it shows, in a sentence\"", text);
            section.finish(Severity::Error, &[("description", "summary")]);
            (title, summary)
        }
        None => {
            top.error("scenario", "is missing", "[scenario] with name and summary");
            Default::default()
        }
    };
    let cluster = cluster::read(top);
    let platforms = cluster::read_platforms(top, &cluster);
    let load::Loaded { workload, mut groups } = load::read(top, &cluster, files);
    groups.extend(group::read(top, &cluster, &workload, &groups));
    group::check_racks(top, &cluster, &groups);
    let pipelines = pipeline::read(top, &cluster, &workload);
    let measure = size::read_measure(top);
    let explore = size::read_explore(top);
    let world = target::World { cluster: &cluster, workload: &workload, groups: &groups, pipelines: &pipelines };
    let faults = fault::read(top, &world, &measure);
    let storm = storm::read(top);
    let expectations = top.section("expect").map_or_else(Vec::new, |section| expect::read(&section));
    Scenario {
        name: title,
        summary,
        platforms,
        groups,
        faults,
        storm,
        expectations,
        explore,
        measure,
        workload: workload.clone(),
        pipelines: pipelines.clone(),
        cluster: cluster.clone(),
    }
}
