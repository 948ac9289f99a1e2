//! What keeps somebody from doing anything: what is dead, stopped, cut off, or broken now.

use super::{ExpressId, On, ShareId, StoreId, VolumeId, World};
use crate::cloud::express::ExpressFault;
use crate::cloud::host::HostFault;
use crate::cloud::network::{AzId, LinkClass};
use crate::cloud::nfs::NfsFault;
use crate::cloud::object_store::ObjectStoreFault;
use crate::cloud::volume::VolumeFault;
use crate::fault::Fault;
use crate::world::Event;
use std::fmt;
use wavetank_sim::{Core, NodeId, NodeState};

/// Why somebody who is waited for does nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// Its process is dead.
    Down,
    /// Its process is stopped.
    Stopped,
    /// Its host stands still.
    HostStopped,
    /// Its zone is dark.
    Dark(AzId),
    /// Whoever waits for it is cut off from it.
    Cut,
    /// The device answers nothing.
    Silent,
    /// The device is full.
    Full,
    /// The device fails what it is asked.
    Failing,
    /// The device is lost.
    Lost,
}

impl fmt::Display for Obstacle {
    /// For people: a clause without its subject.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Obstacle::Down => f.write_str("is down"),
            Obstacle::Stopped => f.write_str("is stopped"),
            Obstacle::HostStopped => f.write_str("is on a host that stands still"),
            Obstacle::Dark(az) => write!(f, "is in zone {}, which is dark", az.0),
            Obstacle::Cut => f.write_str("cannot be reached, or cannot answer"),
            Obstacle::Silent => f.write_str("answers nothing"),
            Obstacle::Full => f.write_str("is full"),
            Obstacle::Failing => f.write_str("fails what it is asked"),
            Obstacle::Lost => f.write_str("is lost"),
        }
    }
}

impl World {
    /// What keeps a process from answering another one, or anybody.
    pub fn obstacle_to_node(&self, core: &Core<Event>, from: Option<NodeId>, to: NodeId) -> Option<Obstacle> {
        let az = self.az_of(to);
        if self.faults.values().any(|fault| *fault == Fault::AzDown(az)) {
            return Some(Obstacle::Dark(az));
        }
        match core.node_state(to) {
            NodeState::Down => return Some(Obstacle::Down),
            NodeState::Paused if self.stopped.contains(&to) => return Some(Obstacle::Stopped),
            NodeState::Paused => return Some(Obstacle::HostStopped),
            NodeState::Up => {}
        }
        let is_cut = from.is_some_and(|from| self.network.is_cut(self.host_of(from), self.host_of(to)));
        is_cut.then_some(Obstacle::Cut)
    }

    /// What keeps a device from answering a process; nothing is told of what is no device.
    pub fn obstacle_to_device(&self, from: NodeId, device: On) -> Option<Obstacle> {
        let host = self.host_of(from);
        let cut = |class| self.network.is_cut_from_storage(host, class).then_some(Obstacle::Cut);
        match device {
            On::Store(id) => self.of_faults(|fault| of_store(id, fault)).or_else(|| cut(LinkClass::ObjectStorage)),
            On::Express(id) => self.of_faults(|fault| of_express(id, fault)).or_else(|| cut(LinkClass::ObjectStorage)),
            On::Share(id) => self.of_faults(|fault| of_share(id, fault)).or_else(|| cut(LinkClass::FileStorage)),
            On::Volume(id) => {
                let dark = || self.of_faults(|fault| self.of_zones(id, fault));
                let own = self.of_faults(|fault| of_volume(id, fault));
                own.or_else(dark).or_else(|| cut(LinkClass::BlockStorage))
            }
            On::Node(_) | On::Broker(_) | On::Leader(_) | On::Quorum | On::Workers(_) | On::Time | On::Nobody => None,
        }
    }

    fn of_faults(&self, is: impl Fn(&Fault) -> Option<Obstacle>) -> Option<Obstacle> {
        self.faults.values().find_map(is)
    }

    /// A volume that is in no zone but a dark one.
    fn of_zones(&self, id: VolumeId, fault: &Fault) -> Option<Obstacle> {
        match fault {
            Fault::AzDown(az) if self.volume(id).zones().iter().all(|zone| zone == az) => Some(Obstacle::Dark(*az)),
            Fault::Host(host, HostFault::Pause) if self.volume(id).is_attached_to(*host) => Some(Obstacle::HostStopped),
            _ => None,
        }
    }
}

fn of_store(id: StoreId, fault: &Fault) -> Option<Obstacle> {
    match fault {
        Fault::Object(store, ObjectStoreFault::Outage { az: None }) if *store == id => Some(Obstacle::Silent),
        Fault::Object(store, ObjectStoreFault::Brownout { .. }) if *store == id => Some(Obstacle::Failing),
        _ => None,
    }
}

fn of_express(id: ExpressId, fault: &Fault) -> Option<Obstacle> {
    match fault {
        Fault::Express(store, ExpressFault::AzDown) if *store == id => Some(Obstacle::Silent),
        Fault::Express(store, ExpressFault::Lost) if *store == id => Some(Obstacle::Lost),
        Fault::Express(store, ExpressFault::Brownout { .. }) if *store == id => Some(Obstacle::Failing),
        _ => None,
    }
}

fn of_share(id: ShareId, fault: &Fault) -> Option<Obstacle> {
    match fault {
        Fault::Nfs(share, NfsFault::Stall) if *share == id => Some(Obstacle::Silent),
        Fault::Nfs(share, NfsFault::Lost) if *share == id => Some(Obstacle::Lost),
        Fault::Nfs(share, NfsFault::Full) if *share == id => Some(Obstacle::Full),
        _ => None,
    }
}

fn of_volume(id: VolumeId, fault: &Fault) -> Option<Obstacle> {
    match fault {
        Fault::Volume(volume, fault) if *volume == id => match fault {
            VolumeFault::Stall => Some(Obstacle::Silent),
            VolumeFault::Full => Some(Obstacle::Full),
            VolumeFault::Lost => Some(Obstacle::Lost),
            VolumeFault::IoErrors { .. } => Some(Obstacle::Failing),
            VolumeFault::Slow { .. } | VolumeFault::BitRot { .. } | VolumeFault::AzDown { .. } => None,
        },
        _ => None,
    }
}
