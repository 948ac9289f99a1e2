//! What a fault hits.

use super::cluster::Cluster;
use super::group::Group;
use super::load::Workload;
use super::pipeline::Pipeline;
use crate::spec::document::value::{Wrong, shorten, text};
use crate::spec::document::{Node, Value};
use crate::spec::near::advice;
use std::fmt;

/// What a fault hits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A broker, drawn by the seed: `any`.
    Any,
    /// The broker with most bytes in and out when the fault begins: `busiest`.
    Busiest,
    /// A broker, from 1: `broker:1`.
    Broker(u32),
    /// The broker that leads a partition when the fault begins: `leader-of:topic-0` (its partition 0) or
    /// `leader-of:topic-0/7`.
    LeaderOf {
        /// The topic.
        topic: String,
        /// The partition.
        partition: u32,
    },
    /// The broker that coordinates a group when the fault begins: `coordinator-of:readers`.
    CoordinatorOf(String),
    /// All hosts of a zone: `az:b`.
    Az(String),
    /// The active controller when the fault begins: `controller:active`.
    ActiveController,
    /// A controller, from 1: `controller:2`.
    Controller(u32),
    /// A task manager, from 1: `task-manager:1`.
    TaskManager(u32),
    /// The members of a group: `group:readers`.
    Group(String),
}

/// A kind of target, for what a fault may hit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Broker,
    Az,
    Controller,
    TaskManager,
    Group,
}

/// What there is to hit.
pub(super) struct World<'a> {
    pub(super) cluster: &'a Cluster,
    pub(super) workload: &'a Workload,
    pub(super) groups: &'a [Group],
    pub(super) pipelines: &'a [Pipeline],
}

impl Target {
    pub(super) fn kind(&self) -> Kind {
        match self {
            Target::Any | Target::Busiest | Target::Broker(_) | Target::LeaderOf { .. } | Target::CoordinatorOf(_) => {
                Kind::Broker
            }
            Target::Az(_) => Kind::Az,
            Target::ActiveController | Target::Controller(_) => Kind::Controller,
            Target::TaskManager(_) => Kind::TaskManager,
            Target::Group(_) => Kind::Group,
        }
    }
}

impl Kind {
    /// How such targets are written.
    pub(super) fn forms(self) -> &'static str {
        match self {
            Kind::Broker => "any, busiest, broker:1, leader-of:topic-0, leader-of:topic-0/7, coordinator-of:GROUP",
            Kind::Az => "az:a",
            Kind::Controller => "controller:active, controller:1",
            Kind::TaskManager => "task-manager:1",
            Kind::Group => "group:NAME",
        }
    }
}

impl World<'_> {
    /// Reads a target of one of these kinds.
    pub(super) fn target<'a>(&'a self, kinds: &'a [Kind]) -> impl Fn(&Node) -> Result<Target, Wrong> + 'a {
        move |node| {
            let forms = || kinds.iter().map(|kind| kind.forms()).collect::<Vec<_>>().join(", ");
            let Value::Text(_) = node.value else {
                return Err(Wrong::new(format!("{} where a target belongs", node.value.kind()), forms()));
            };
            let written = text(node)?;
            let target = self.parse(&written).map_err(|wrong| match wrong.help.is_empty() {
                true => Wrong { help: forms(), ..wrong },
                false => wrong,
            })?;
            match kinds.contains(&target.kind()) {
                true => Ok(target),
                false => Err(Wrong::new(format!("\"{}\" cannot be hit by this", shorten(&written)), forms())),
            }
        }
    }

    fn parse(&self, written: &str) -> Result<Target, Wrong> {
        let (word, name) = written.split_once(':').map_or((written, None), |(word, name)| (word, Some(name)));
        match (word, name) {
            ("any", None) => Ok(Target::Any),
            ("busiest", None) => Ok(Target::Busiest),
            ("broker", Some(number)) => numbered("broker", number, self.cluster.brokers).map(Target::Broker),
            ("leader-of", Some(place)) => self.leader_of(place),
            ("coordinator-of", Some(name)) => self.group(name).map(Target::CoordinatorOf),
            ("az", Some(name)) => {
                let azs = self.cluster.azs.iter().map(String::as_str);
                known("zone", name, azs.collect()).map(Target::Az)
            }
            ("controller", Some("active")) => Ok(Target::ActiveController),
            ("controller", Some(number)) => {
                numbered("controller", number, self.cluster.controllers).map(Target::Controller)
            }
            ("task-manager", Some(number)) => {
                let count = self.pipelines.iter().map(|pipeline| pipeline.task_managers.total()).sum();
                numbered("task manager", number, count).map(Target::TaskManager)
            }
            ("group", Some(name)) => self.group(name).map(Target::Group),
            _ => Err(Wrong::new(format!("\"{}\" is no target", shorten(written)), "")),
        }
    }

    fn group(&self, name: &str) -> Result<String, Wrong> {
        known("group", name, self.groups.iter().map(|group| group.name.as_str()).collect())
    }

    fn leader_of(&self, place: &str) -> Result<Target, Wrong> {
        let (topic, partition) = place.split_once('/').unwrap_or((place, "0"));
        let names = self.workload.topic_names();
        let topic = known("topic", topic, names.iter().map(String::as_str).collect())?;
        match partition.parse() {
            Ok(partition) if partition < self.workload.partitions => Ok(Target::LeaderOf { topic, partition }),
            _ => {
                let problem = format!("\"{topic}\" has no partition \"{}\"", shorten(partition));
                Err(Wrong::new(problem, format!("0 to {}", self.workload.partitions - 1)))
            }
        }
    }
}

fn numbered(what: &str, number: &str, count: u32) -> Result<u32, Wrong> {
    match number.parse() {
        Ok(number) if (1..=count).contains(&number) => Ok(number),
        _ => {
            let right = if count == 0 { format!("the scenario has no {what}") } else { format!("1 to {count}") };
            Err(Wrong::new(format!("there is no {what} \"{}\"", shorten(number)), right))
        }
    }
}

fn known(what: &str, name: &str, names: Vec<&str>) -> Result<String, Wrong> {
    if names.contains(&name) {
        return Ok(name.to_owned());
    }
    let right = if names.is_empty() { format!("the scenario has no {what}") } else { advice(name, names) };
    Err(Wrong::new(format!("there is no {what} \"{}\"", shorten(name)), right))
}

impl fmt::Display for Target {
    /// In words.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::Any => f.write_str("any broker (the seed draws it)"),
            Target::Busiest => f.write_str("the busiest broker"),
            Target::Broker(number) => write!(f, "broker {number}"),
            Target::LeaderOf { topic, partition } => write!(f, "the leader of {topic}/{partition}"),
            Target::CoordinatorOf(group) => write!(f, "the coordinator of group {group}"),
            Target::Az(az) => write!(f, "zone {az}"),
            Target::ActiveController => f.write_str("the active controller"),
            Target::Controller(number) => write!(f, "controller {number}"),
            Target::TaskManager(number) => write!(f, "task manager {number}"),
            Target::Group(group) => write!(f, "group {group}"),
        }
    }
}
