//! Whom a fault can hit, by role and number.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;

/// What a process is in its scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Of a cluster.
    Broker,
    /// Of a cluster.
    Controller,
    /// Of a cluster, numbered over all topics.
    Producer,
    /// Of a cluster, numbered over all groups.
    Consumer,
    /// Of a cluster, one a pipeline.
    JobManager,
    /// Of a cluster, numbered over all pipelines.
    TaskManager,
    /// The broker of a bare log.
    Owner,
    /// Whoever takes a bare log over.
    Rescuer,
    /// Of the harbour.
    Pier,
    /// Of the harbour.
    Boat,
    /// Of the harbour.
    Watchman,
}

impl Role {
    const ALL: [Role; 11] = [
        Role::Broker,
        Role::Controller,
        Role::Producer,
        Role::Consumer,
        Role::JobManager,
        Role::TaskManager,
        Role::Owner,
        Role::Rescuer,
        Role::Pier,
        Role::Boat,
        Role::Watchman,
    ];

    /// Its name in files.
    pub fn name(self) -> &'static str {
        match self {
            Role::Broker => "broker",
            Role::Controller => "controller",
            Role::Producer => "producer",
            Role::Consumer => "consumer",
            Role::JobManager => "job-manager",
            Role::TaskManager => "task-manager",
            Role::Owner => "owner",
            Role::Rescuer => "rescuer",
            Role::Pier => "pier",
            Role::Boat => "boat",
            Role::Watchman => "watchman",
        }
    }

    /// The member of that number, from 0.
    pub fn nth(self, number: usize) -> Member {
        Member { role: self, number: u32::try_from(number).expect("fewer than 2^32 members") }
    }

    /// So many, from 0 on.
    pub(crate) fn first(self, count: u32) -> impl Iterator<Item = Member> {
        (0..count).map(move |number| Member { role: self, number })
    }
}

/// A process of a scenario. In files `"broker 1"`: its role and its number, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Member {
    /// What it is.
    pub role: Role,
    /// Which of those, from 0.
    pub number: u32,
}

impl fmt::Display for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.role.name(), self.number)
    }
}

impl Serialize for Member {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Member {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Member, D::Error> {
        let text = String::deserialize(deserializer)?;
        let wrong = || {
            let roles = Role::ALL.map(Role::name).join(", ");
            de::Error::custom(format!("\"{text}\" is no member: write \"broker 1\"; there is {roles}"))
        };
        let (role, number) = text.split_once(' ').ok_or_else(wrong)?;
        let role = Role::ALL.into_iter().find(|known| known.name() == role).ok_or_else(wrong)?;
        let number = number.parse().map_err(|_| wrong())?;
        Ok(Member { role, number })
    }
}
