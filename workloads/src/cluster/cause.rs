//! Why a cluster may stand still for good: named causes that a plan makes permanent.
//!
//! No platform promises to go on when such a thing is never mended ([`budget`](super::budget) says what they promise while it
//! lasts). A run that stands still for one of these is not wrong; one that stands still when everything is mended is.

use crate::storm::{Blow, Member, Place, Role, Storage};

/// What is never mended, as far as it can make a cluster stand still.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// Controllers: no majority is left.
    Quorum,
    /// Brokers, with what they alone had.
    Broker,
    /// A zone: what lives in it alone.
    Zone,
    /// A broker's volume: its log.
    Volume,
    /// The region's object store.
    ObjectStore,
    /// A zone's express store: logs in it.
    ExpressStore,
    /// The file share: all logs.
    Share,
    /// A way through the network.
    Way,
    /// Clients: nobody of a group is left to read.
    Client,
    /// A job's job manager.
    JobManager,
    /// A job's task managers: too few slots are left.
    TaskManager,
}

impl Cause {
    /// All.
    pub const ALL: [Cause; 11] = [
        Cause::Quorum,
        Cause::Broker,
        Cause::Zone,
        Cause::Volume,
        Cause::ObjectStore,
        Cause::ExpressStore,
        Cause::Share,
        Cause::Way,
        Cause::Client,
        Cause::JobManager,
        Cause::TaskManager,
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Cause::Quorum => "quorum",
            Cause::Broker => "broker",
            Cause::Zone => "zone",
            Cause::Volume => "volume",
            Cause::ObjectStore => "object-store",
            Cause::ExpressStore => "express-store",
            Cause::Share => "share",
            Cause::Way => "way",
            Cause::Client => "client",
            Cause::JobManager => "job-manager",
            Cause::TaskManager => "task-manager",
        }
    }

    /// For people: what is gone for good.
    pub fn words(self) -> &'static str {
        self.mark().trim_start_matches("standstill: ")
    }

    /// The mark of a run that stood still for it, and went on when it was mended.
    pub fn mark(self) -> &'static str {
        match self {
            Cause::Quorum => "standstill: a majority of the controllers is gone",
            Cause::Broker => "standstill: a broker is gone",
            Cause::Zone => "standstill: a zone is gone",
            Cause::Volume => "standstill: a broker's volume is gone",
            Cause::ObjectStore => "standstill: the object store is gone",
            Cause::ExpressStore => "standstill: an express store is gone",
            Cause::Share => "standstill: the file share is gone",
            Cause::Way => "standstill: a way through the network is gone",
            Cause::Client => "standstill: clients are gone",
            Cause::JobManager => "standstill: a job manager is gone",
            Cause::TaskManager => "standstill: a job's task managers are gone",
        }
    }

    /// Of what a storm never mends.
    pub(super) fn of(blow: &Blow) -> Cause {
        match blow {
            Blow::ZoneDown(_) => Cause::Zone,
            Blow::Cut { from, to, .. }
            | Blow::Clog { from, to }
            | Blow::Grey { from, to, .. }
            | Blow::Resets { from, to, .. } => of_way(*from, *to),
            Blow::Volume { .. } => Cause::Volume,
            Blow::Store(_) => Cause::ObjectStore,
            Blow::ExpressDown(_) | Blow::ExpressLost(_) => Cause::ExpressStore,
            Blow::Share(_) => Cause::Share,
            other => of_member(other.member().expect("what hits no device and no way hits a member")),
        }
    }
}

fn of_member(member: Member) -> Cause {
    match member.role {
        Role::Controller => Cause::Quorum,
        Role::Producer | Role::Consumer => Cause::Client,
        Role::JobManager => Cause::JobManager,
        Role::TaskManager => Cause::TaskManager,
        _ => Cause::Broker,
    }
}

/// A kind of storage that nobody reaches is as good as gone.
fn of_way(from: Place, to: Place) -> Cause {
    match (from, to) {
        (Place::Everywhere, Place::Storage(storage)) | (Place::Storage(storage), Place::Everywhere) => match storage {
            Storage::Object => Cause::ObjectStore,
            Storage::Block => Cause::Volume,
            Storage::File => Cause::Share,
        },
        _ => Cause::Way,
    }
}
