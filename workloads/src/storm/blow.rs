//! What a fault does, and to whom.

use super::member::Member;
use serde::{Deserialize, Serialize};
use std::fmt;
use wavetank_sim::Nanos;

/// What happens between the beginning and the end of an [entry](super::Entry).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Blow {
    /// Its process dies, and starts again at the end.
    Kill(Member),
    /// Its process is told to end, and starts again at the end, or when it has ended if that is later.
    Terminate(Member),
    /// Its process stops, and goes on at the end as if no time had passed.
    Pause(Member),
    /// The member's host loses power; whatever ran there starts again at the end.
    PowerLoss(Member),
    /// The member's wall clock is wrong.
    Clock {
        /// Whose.
        of: Member,
        /// It jumps by so many nanoseconds, at the beginning.
        jump_ns: i64,
        /// It drifts by so many parts in a billion, until the end; `null`: it goes on as it did.
        drift_ppb: Option<i64>,
    },
    /// Everything on the member's host stands still.
    PauseHost(Member),
    /// Everything on the member's host takes so many times as long.
    SlowHost {
        /// Whose.
        of: Member,
        /// How many times.
        factor: u32,
    },
    /// The zone of that number goes dark.
    ZoneDown(u32),
    /// Packets vanish.
    Cut {
        /// Where the cut ways begin.
        from: Place,
        /// Where they end.
        to: Place,
        /// Whether the ways back are cut, too.
        direction: Direction,
    },
    /// Messages are held, and set free by the heal.
    Clog {
        /// Where the clogged ways begin.
        from: Place,
        /// Where they end.
        to: Place,
    },
    /// A way that works, badly.
    Grey {
        /// Where the grey ways begin.
        from: Place,
        /// Where they end.
        to: Place,
        /// Messages take so many times as long.
        latency_factor: u32,
        /// Bandwidth is divided by this.
        bandwidth_divisor: u32,
    },
    /// Connections are reset, again and again.
    Resets {
        /// One end.
        from: Place,
        /// The other end.
        to: Place,
        /// From round to round.
        every: Nanos,
        /// The chance of each connection in each round, in parts per million.
        ratio_ppm: u32,
    },
    /// Something is wrong with the member's volume.
    Volume {
        /// Whose.
        of: Member,
        /// What.
        fault: VolumeBlow,
    },
    /// Something is wrong with the region's object store.
    Store(StoreBlow),
    /// The express store of that number is gone.
    ExpressDown(u32),
    /// The express store of that number is gone with all that it held; at the end it is there again, empty.
    ExpressLost(u32),
    /// Something is wrong with the file share.
    Share(ShareBlow),
    /// A partition is to be led by another broker; nothing is healed.
    MovePartition {
        /// Its topic, by number; the platform's own come first.
        topic: u32,
        /// Which of its partitions.
        partition: u32,
        /// The new leader.
        to: Member,
    },
    /// An operator has a topic keep less (`retention.ms`, `retention.bytes`), and as much as before at the end.
    Retain {
        /// Which topic, by number; the platform's own come first.
        topic: u32,
        /// Records are kept so long; `null`: as long as others.
        time: Option<Nanos>,
        /// So many bytes of each partition are kept; `null`: as many as of others.
        bytes: Option<u64>,
    },
    /// An operator shuts a group's members down and sets its committed offsets elsewhere; they start again at the end.
    ResetOffsets {
        /// Which group, by number; those of jobs come last.
        group: u32,
        /// Where to.
        to: Goal,
    },
    /// An operator gives a job another parallelism; at the end that of its beginning again.
    Rescale {
        /// Which job, by number.
        job: u32,
        /// Subtasks of each operator.
        parallelism: u32,
    },
}

/// Where a group is to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Goal {
    /// Where logs begin.
    Earliest,
    /// So many records of each partition before where it is.
    Back(u64),
}

impl Blow {
    /// What logs are kept on loses all that it held.
    pub(crate) fn loses(&self) -> bool {
        matches!(
            self,
            Blow::Volume { fault: VolumeBlow::Lost, .. } | Blow::ExpressLost(_) | Blow::Share(ShareBlow::Lost)
        )
    }

    /// The member that it names first: whom it hits, or where the ways begin that it is about.
    pub fn member(&self) -> Option<Member> {
        self.clone().named().copied()
    }

    /// All members that it names.
    pub fn members(&self) -> impl Iterator<Item = Member> {
        let other_end = match self {
            Blow::Cut { to, .. } | Blow::Clog { to, .. } | Blow::Grey { to, .. } | Blow::Resets { to, .. } => {
                to.member()
            }
            _ => None,
        };
        self.member().into_iter().chain(other_end)
    }

    /// The same at another member, where it [names](Blow::member) one.
    pub fn at(&self, other: Member) -> Blow {
        let mut blow = self.clone();
        if let Some(member) = blow.named() {
            *member = other;
        }
        blow
    }

    fn named(&mut self) -> Option<&mut Member> {
        match self {
            Blow::Kill(member)
            | Blow::Terminate(member)
            | Blow::Pause(member)
            | Blow::PowerLoss(member)
            | Blow::PauseHost(member)
            | Blow::Clock { of: member, .. }
            | Blow::SlowHost { of: member, .. }
            | Blow::Volume { of: member, .. }
            | Blow::MovePartition { to: member, .. }
            | Blow::Cut { from: Place::Member(member), .. }
            | Blow::Clog { from: Place::Member(member), .. }
            | Blow::Grey { from: Place::Member(member), .. }
            | Blow::Resets { from: Place::Member(member), .. } => Some(member),
            Blow::ZoneDown(_)
            | Blow::Store(_)
            | Blow::ExpressDown(_)
            | Blow::ExpressLost(_)
            | Blow::Share(_)
            | Blow::Retain { .. }
            | Blow::ResetOffsets { .. }
            | Blow::Rescale { .. }
            | Blow::Cut { .. }
            | Blow::Clog { .. }
            | Blow::Grey { .. }
            | Blow::Resets { .. } => None,
        }
    }
}

impl Place {
    fn member(&self) -> Option<Member> {
        match self {
            Place::Member(member) => Some(*member),
            Place::Everywhere | Place::Zone(_) | Place::Storage(_) => None,
        }
    }
}

/// One end of ways through the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Place {
    /// Everything, storage included.
    Everywhere,
    /// The member's host.
    Member(Member),
    /// The zone of that number.
    Zone(u32),
    /// The storage services of a kind.
    Storage(Storage),
}

/// A kind of storage service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Storage {
    /// Object stores.
    Object,
    /// Volumes.
    Block,
    /// File shares.
    File,
}

/// Whether a cut lets the way back pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// It does.
    OneWay,
    /// It does not.
    TwoWay,
}

/// What is wrong with a volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum VolumeBlow {
    /// It answers nothing.
    Stall,
    /// It is slow.
    Slow {
        /// Operations take so many times as long.
        latency_factor: u32,
        /// Operations and bytes a second are divided by this.
        throughput_divisor: u32,
    },
    /// It is full.
    Full,
    /// Writes and syncs fail.
    WriteErrors,
    /// An operator takes it from whatever host has it; who works with it starts again at the end, at the latest.
    Detach,
    /// It is lost with all that it held; at the end an empty one is in its place.
    Lost,
}

/// What is wrong with the region's object store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum StoreBlow {
    /// It is slow and fails a share of requests.
    Brownout {
        /// In percent of the healthy latency.
        latency_percent: u32,
        /// Requests that fail, in parts per million.
        error_ppm: u32,
    },
    /// It answers nobody.
    Outage,
}

/// What is wrong with a file share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum ShareBlow {
    /// Its standby takes over.
    Failover {
        /// How long that takes.
        duration: Nanos,
    },
    /// It answers nothing.
    Stall,
    /// It answers nothing and has lost all files; at the end it is there again, empty.
    Lost,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Everywhere => f.write_str("everything"),
            Place::Member(member) => member.fmt(f),
            Place::Zone(zone) => write!(f, "zone {zone}"),
            Place::Storage(Storage::Object) => f.write_str("object stores"),
            Place::Storage(Storage::Block) => f.write_str("volumes"),
            Place::Storage(Storage::File) => f.write_str("file shares"),
        }
    }
}

impl fmt::Display for Blow {
    /// For people: a clause.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Blow::Kill(member) => write!(f, "{member} is killed"),
            Blow::Terminate(member) => write!(f, "{member} is shut down"),
            Blow::Pause(member) => write!(f, "{member} stops, and goes on"),
            Blow::PowerLoss(member) => write!(f, "the host of {member} loses power"),
            Blow::Clock { of, jump_ns, drift_ppb } => {
                let drift = drift_ppb.map_or_else(String::new, |drift| format!(" and drifts by {drift} ppb"));
                write!(f, "the clock of {of} jumps by {:.3} s{drift}", *jump_ns as f64 / 1e9)
            }
            Blow::PauseHost(member) => write!(f, "the host of {member} stands still"),
            Blow::SlowHost { of, factor } => write!(f, "the host of {of} is {factor} times slower"),
            Blow::ZoneDown(zone) => write!(f, "zone {zone} goes dark"),
            Blow::Cut { from, to, direction: Direction::OneWay } => write!(f, "{from} is not heard by {to}"),
            Blow::Cut { from, to, direction: Direction::TwoWay } => write!(f, "{from} is cut off from {to}"),
            Blow::Clog { from, to } => write!(f, "messages from {from} to {to} are held"),
            Blow::Grey { from, to, .. } => write!(f, "the way from {from} to {to} is slow"),
            Blow::Resets { from, to, .. } => write!(f, "connections between {from} and {to} are reset"),
            Blow::Volume { of, fault } => match fault {
                VolumeBlow::Stall => write!(f, "the volume of {of} stalls"),
                VolumeBlow::Slow { .. } => write!(f, "the volume of {of} is slow"),
                VolumeBlow::Full => write!(f, "the volume of {of} is full"),
                VolumeBlow::WriteErrors => write!(f, "writes to the volume of {of} fail"),
                VolumeBlow::Detach => write!(f, "the volume of {of} is detached by force"),
                VolumeBlow::Lost => write!(f, "the volume of {of} is lost"),
            },
            Blow::Store(StoreBlow::Brownout { .. }) => f.write_str("the object store is slow and fails requests"),
            Blow::Store(StoreBlow::Outage) => f.write_str("the object store is gone"),
            Blow::ExpressDown(store) => write!(f, "express store {store} is gone"),
            Blow::ExpressLost(store) => write!(f, "express store {store} is lost"),
            Blow::Share(ShareBlow::Lost) => f.write_str("the share is lost"),
            Blow::Share(ShareBlow::Failover { .. }) => f.write_str("the share fails over"),
            Blow::Share(ShareBlow::Stall) => f.write_str("the share stalls"),
            Blow::MovePartition { topic, partition, to } => {
                write!(f, "partition {partition} of topic {topic} moves to {to}")
            }
            Blow::Rescale { job, parallelism } => write!(f, "job {job} has a parallelism of {parallelism}"),
            Blow::ResetOffsets { group, to } => {
                write!(f, "group {group} is shut down, and its offsets set back ")?;
                match to {
                    Goal::Earliest => f.write_str("to the beginning"),
                    Goal::Back(records) => write!(f, "by {records}"),
                }
            }
            Blow::Retain { topic, time, bytes } => {
                let time = time.map(|time| format!("records for {time} s"));
                let bytes = bytes.map(|bytes| format!("{bytes} bytes of a partition"));
                let what: Vec<String> = time.into_iter().chain(bytes).collect();
                write!(f, "topic {topic} keeps no more than {}", what.join(" and "))
            }
        }
    }
}
