//! Consumer groups: `[[group]]`.

use super::cluster::{Cluster, say};
use super::load::Workload;
use super::placement::Placement;
use crate::spec::document::section::Section;
use crate::spec::document::value::{Wrong, choice, list, name, span};
use crate::spec::document::{Node, Severity};
use crate::spec::near::advice;
use crate::spec::settings::{Assignor, ConsumerSettings, Given, OWN_ZONE, Scope, SettingValue};
use wavetank_sim::Nanos;

/// A consumer group.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// Its `group.id`.
    pub name: String,
    /// The topics it reads.
    pub topics: Vec<String>,
    /// Its members.
    pub members: Placement,
    /// When they start, from the end of the warm-up; at zero they start with the load.
    pub start_at: Nanos,
    /// What is set for them: the workload's consumer settings, and the group's over them.
    pub given: Given,
    /// Their settings.
    pub settings: ConsumerSettings,
}

const HINTS: [(&str, &str); 3] = [
    ("consumers", "members"),
    ("assignor", "protocol, or \"partition.assignment.strategy\" in settings"),
    ("topic", "topics = [\"topic-0\"]"),
];

pub(super) fn read(top: &Section<'_>, cluster: &Cluster, workload: &Workload, others: &[Group]) -> Vec<Group> {
    let mut names: Vec<String> = others.iter().map(|group| group.name.clone()).collect();
    let sections = top.sections("group");
    let read = sections.iter().map(|section| {
        let group = group(section, cluster, workload);
        if names.contains(&group.name) {
            section.error("name", format!("there is a group \"{}\" already", group.name), "a name of its own");
        }
        names.push(group.name.clone());
        group
    });
    read.collect()
}

/// What a group of KIP-848 runs as, for no coordinator of its kind is modelled.
pub(super) const KIP_848: &str =
    "the coordinator of KIP-848 is not simulated: its members rebalance cooperatively by the classic protocol";

fn group(section: &Section<'_>, cluster: &Cluster, workload: &Workload) -> Group {
    #[derive(Clone, Copy)]
    enum Protocol {
        Eager,
        Cooperative,
        Consumer,
    }
    let protocols =
        [("eager", Protocol::Eager), ("cooperative", Protocol::Cooperative), ("consumer", Protocol::Consumer)];
    let title = section.need("name", String::new(), "name = \"readers\"", name);
    let topics = section.or("topics", workload.topic_names(), topics(workload));
    let members = section.need("members", Placement::default(), "how many: 4", Placement::reader(cluster, 1));
    let start_at = section.or("start_at", Nanos::ZERO, span);
    let table = section.section("settings");
    let mut own =
        table.as_ref().map_or_else(Given::default, |settings| Given::of_section(settings, &[Scope::Consumer], &[]));
    if let Some(protocol) = section.optional("protocol", choice(&protocols)) {
        let strategy = "partition.assignment.strategy";
        let (key, value) = match protocol {
            Protocol::Eager => (strategy, SettingValue::Assignor(Assignor::Range)),
            Protocol::Cooperative => (strategy, SettingValue::Assignor(Assignor::CooperativeSticky)),
            Protocol::Consumer => ("group.protocol", SettingValue::Word("consumer")),
        };
        if own.get(Scope::Consumer, key).is_some() {
            section.error("protocol", format!("says what \"{key}\" says too"), "one of the two");
        } else {
            let text = match &value {
                SettingValue::Assignor(assignor) => assignor.class().to_owned(),
                _ => "consumer".to_owned(),
            };
            own.put(Scope::Consumer, key, value, text, section.span.clone());
        }
    }
    let given = workload.given.of(Scope::Consumer).overlaid(&own);
    if own != Given::default() {
        say(table.as_ref().unwrap_or(section), &given, Scope::Consumer, ConsumerSettings::conflicts);
    }
    section.finish(Severity::Error, &HINTS);
    let settings = ConsumerSettings::of(&given);
    let partitions = u64::from(workload.partitions) * topics.len() as u64;
    if section.is_sound() && u64::from(members.total()) > partitions {
        let problem = format!("{} members, and partitions for {partitions}: some idle", members.total());
        section.warn("members", problem, "no more than partitions");
    }
    Group { name: title, topics, members, start_at, given, settings }
}

/// Whether the racks that groups' members are said to be in are zones: any text is allowed, and does nothing.
pub(super) fn check_racks(top: &Section<'_>, cluster: &Cluster, groups: &[Group]) {
    for group in groups {
        let Some(rack) = &group.settings.client_rack else { continue };
        if rack != OWN_ZONE && !cluster.azs.contains(rack) {
            let problem =
                format!("client.rack of \"{}\" is \"{rack}\", where no broker is: it has no effect", group.name);
            top.warn("group", problem, format!("\"{OWN_ZONE}\", each member's own zone, or a zone of the cluster"));
        }
    }
}

/// Names of topics that there are.
pub(super) fn topics(workload: &Workload) -> impl Fn(&Node) -> Result<Vec<String>, Wrong> + '_ {
    move |node| {
        let known = workload.topic_names();
        let topic = |node: &Node| {
            let topic = name(node)?;
            match known.contains(&topic) {
                true => Ok(topic),
                false => {
                    let help = match known.len() {
                        1..=30 => advice(&topic, known.iter().map(String::as_str).collect::<Vec<_>>()),
                        _ => format!("topic-0 to {}", known.last().map_or("topic-0", String::as_str)),
                    };
                    Err(Wrong::new(format!("there is no topic \"{topic}\""), help))
                }
            }
        };
        let topics = list(topic)(node)?;
        if topics.is_empty() { Err(Wrong::new("names no topic", "[\"topic-0\"]")) } else { Ok(topics) }
    }
}
