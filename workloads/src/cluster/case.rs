//! What an exploring run of a cluster is, beyond scenario, seed and options: its size, its knobs, its storm. A seed draws
//! it, a file may hold it.

use super::build::{Cluster, Member};
use super::jobs::{self, Job};
use super::knobs::Knobs;
use super::size::{Purpose, Setup, Size};
use super::{beyond, storm};
use crate::spec::scenario::PlatformKind;
use crate::storm::{self as shared, Misfit, Operator, Role, Roster, Storm, Target, Targets};
use serde::{Deserialize, Serialize};
use std::ops::Range;
use wavetank_models::world::VolumeId;
use wavetank_sim::{Choices, SortedMap};

/// What an exploring run of a cluster is, beyond scenario, seed and options.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// How large and how long.
    pub size: Size,
    /// What is not as the scenario says.
    pub knobs: Knobs,
    /// What goes wrong.
    pub storm: Storm,
}

impl Case {
    /// A seed's; over its platform's budget, something is never mended.
    pub fn draw(setup: Setup<'_>, seed: u64, over_budget: bool) -> Case {
        let (size, choices) = (setup.size(), Choices::new(seed));
        let crew = Crew::of(&setup, &size);
        let during = size.begins()..size.load_ends();
        let mut storm = storm::draw(setup, &crew, during.clone(), &choices);
        if over_budget {
            storm.entries.extend(beyond::draw(&setup, &crew, during, &choices));
        }
        let mut knobs = Knobs::draw(&choices);
        if storm.deletes() {
            knobs.notice_retention(&choices);
        }
        Case { knobs, storm, size }
    }

    /// Whether it can be run.
    ///
    /// # Errors
    /// The first thing that does not fit the scenario.
    pub fn check(&self, setup: Setup<'_>) -> Result<(), Misfit> {
        self.size.check(&setup)?;
        self.knobs.check()?;
        self.storm.check(&Crew::of(&setup, &self.size).roster, self.size.load_ends())
    }

    /// For people.
    pub fn describe(&self) -> Vec<String> {
        let mut lines = self.storm.describe();
        lines.extend(self.knobs.describe());
        lines
    }
}

/// Who there is in a run of a size, before there is a world.
pub(super) struct Crew {
    pub(super) roster: Roster,
    /// The processes of jobs, job by job.
    pub(super) jobs: Vec<shared::Member>,
    /// All brokers are in the first zone.
    is_in_one_zone: bool,
}

impl Crew {
    pub(super) fn of(setup: &Setup<'_>, size: &Size) -> Crew {
        let cluster = &setup.scenario.cluster;
        let (mut jobs, mut workers) = (Vec::new(), 0);
        for (number, pipeline) in setup.scenario.pipelines.iter().take(size.pipelines as usize).enumerate() {
            let count = jobs::task_managers(pipeline, setup.purpose);
            jobs.extend((workers..workers + count).map(|n| Role::TaskManager.nth(n as usize)));
            jobs.push(Role::JobManager.nth(number));
            workers += count;
        }
        let groups = setup.scenario.groups.iter();
        let consumers = groups.map(|group| size.members_of(group)).sum();
        let members = SortedMap::from([
            (Role::Broker, cluster.brokers),
            (Role::Controller, cluster.controllers),
            (Role::Producer, size.producers_total()),
            (Role::Consumer, consumers),
            (Role::TaskManager, workers),
            (Role::JobManager, (jobs.len() as u32) - workers),
        ]);
        let pipelines = setup.scenario.pipelines.iter().take(size.pipelines as usize);
        let kind = setup.platform.kind;
        let have_volumes = matches!(kind, PlatformKind::EbsWal | PlatformKind::RegionalEbsWal);
        let zones = u32::try_from(cluster.azs.len()).expect("few zones");
        let roster = Roster {
            members,
            zones,
            with_volumes: [Role::Controller].into_iter().chain(have_volumes.then_some(Role::Broker)).collect(),
            volumes: cluster.controllers + if have_volumes { cluster.brokers } else { 0 },
            express: if kind == PlatformKind::S3ExpressWal { zones } else { 0 },
            has_share: kind == PlatformKind::NfsWal,
            partitions: partitions(setup, size).collect(),
            groups: setup.scenario.groups.len() as u32 + size.pipelines,
            slots: pipelines.map(|pipeline| jobs::slots(pipeline, setup.purpose)).collect(),
        };
        Crew { roster, jobs, is_in_one_zone: kind.is_in_one_zone() }
    }

    /// The brokers of a zone: they are spread over zones in turn, or are all in the first one.
    pub(super) fn brokers_in(&self, zone: u32) -> Vec<shared::Member> {
        let zone_of = |broker: &shared::Member| if self.is_in_one_zone { 0 } else { broker.number % self.roster.zones };
        self.roster.all(Role::Broker).into_iter().filter(|broker| zone_of(broker) == zone).collect()
    }

    /// Every partition, the platform's own first: topic and number.
    pub(super) fn all_partitions(&self) -> impl Iterator<Item = (u32, u32)> {
        let of = |(topic, count): (u32, &u32)| (0..*count).map(move |partition| (topic, partition));
        (0..).zip(&self.roster.partitions).flat_map(of)
    }
}

/// How many partitions each topic has, the platform's own first.
pub(super) fn partitions(setup: &Setup<'_>, size: &Size) -> impl Iterator<Item = u32> {
    let offsets = setup.platform.broker.offsets_topic_partitions;
    let offsets = if setup.purpose == Purpose::Explore { offsets.min(4) } else { offsets };
    std::iter::once(offsets).chain(std::iter::repeat_n(size.partitions, size.topics as usize))
}

impl Cluster {
    /// All processes that can die, in the order in which they are mended.
    pub(super) fn members(&self) -> impl Iterator<Item = Member> {
        let all = [&self.brokers, &self.controllers, &self.producers, &self.consumers];
        all.into_iter()
            .flatten()
            .copied()
            .chain(self.jobs.iter().flat_map(Job::members))
            .collect::<Vec<_>>()
            .into_iter()
    }

    /// Whom and what a storm can aim at.
    pub(super) fn targets(&self) -> Targets {
        let job_managers: Vec<Member> = self.jobs.iter().map(|job| job.job_manager).collect();
        let task_managers: Vec<Member> = self.jobs.iter().flat_map(|job| job.task_managers.iter().copied()).collect();
        let with_volume = |(of, volume): (&Member, &VolumeId)| Member { volume: Some(*volume), ..*of };
        let controllers: Vec<Member> = self.controllers.iter().zip(&self.controller_volumes).map(with_volume).collect();
        let all = [
            (Role::Broker, &self.brokers),
            (Role::Controller, &controllers),
            (Role::Producer, &self.producers),
            (Role::Consumer, &self.consumers),
            (Role::JobManager, &job_managers),
            (Role::TaskManager, &task_managers),
        ];
        let notes = self.notes.clone();
        let nodes = |members: &[Member]| members.iter().map(|member| member.node).collect();
        let members_of = |(_, range): &(String, Range<usize>)| nodes(&self.consumers[range.clone()]);
        let target = |member: &Member| Target { node: member.node, host: member.host, volume: member.volume };
        let named = all.into_iter().flat_map(|(role, members)| {
            members.iter().enumerate().map(move |(n, member)| (role.nth(n), target(member)))
        });
        let brokers_in = |store: usize| {
            let there = self.brokers.iter().enumerate().filter(move |(_, broker)| broker.az == self.azs[store]);
            there.map(|(n, _)| Role::Broker.nth(n)).collect()
        };
        Targets {
            express_logs: (0..self.express.len()).map(brokers_in).collect(),
            members: named.collect(),
            zones: self.azs.clone(),
            store: self.store,
            express: self.express.clone(),
            share: self.share,
            groups: self.groups.iter().map(members_of).chain(self.jobs.iter().map(|_| Vec::new())).collect(),
            operator: Some(Operator { admin: self.admin, order: Box::new(move |errand| notes.order(errand)) }),
        }
    }
}
