//! What processes wait for: asked when a cluster stands still, to find out why.
//!
//! What stands still is a chain. A reader waits for a partition, the partition's leader for its log, the log for a device that
//! answers nobody. Each process knows one link: what it still has to do for whoever asks ([`Want`]), and who has to do
//! something first ([`On`]). Following the links leads to what is broken; or to somebody who waits for nobody, and that is
//! a bug: what is to be done was forgotten.
//!
//! Asking changes nothing: it is no event, and a process answers from what it has at hand anyway.

use super::{ExpressId, ShareId, StoreId, VolumeId};
use crate::kafka::ids::{BrokerId, GroupId, TopicIdPartition};
use wavetank_sim::NodeId;

/// What somebody is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Want {
    /// Whatever it has to do.
    Anything,
    /// To take records for a partition, or to give some.
    Partition(TopicIdPartition),
    /// To lead a partition: to be ready to take records for it.
    Lead(TopicIdPartition),
    /// To close a partition's streams, so that its next leader can open them.
    Close(TopicIdPartition),
    /// To answer members of a group.
    Group(GroupId),
    /// To empty a dead broker's log.
    Rescue(BrokerId),
    /// To answer a request to the quorum.
    Answer,
}

/// Who has to do something first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum On {
    /// A process.
    Node(NodeId),
    /// A broker.
    Broker(BrokerId),
    /// Whoever leads a partition.
    Leader(TopicIdPartition),
    /// The active controller.
    Quorum,
    /// The task managers of a job.
    Workers(u32),
    /// A region's object store.
    Store(StoreId),
    /// A zone's express store.
    Express(ExpressId),
    /// A volume, or who attaches and detaches it.
    Volume(VolumeId),
    /// A file share.
    Share(ShareId),
    /// Nobody: it goes on by itself when it is time.
    Time,
    /// Nobody at all: nothing that it asked for is on its way, and no timer will wake it.
    Nobody,
}

/// One thing that a process has not done yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wait {
    /// What about it, for people: a clause without its subject.
    pub what: String,
    /// Who has to do something first.
    pub on: On,
    /// What.
    pub want: Want,
}

impl Wait {
    /// Somebody is to do something first.
    pub fn new(what: impl Into<String>, on: On, want: Want) -> Wait {
        Wait { what: what.into(), on, want }
    }

    /// A device, or time, or nobody.
    pub fn on(what: impl Into<String>, on: On) -> Wait {
        Wait::new(what, on, Want::Anything)
    }
}
