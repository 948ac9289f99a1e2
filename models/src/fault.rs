//! What can be broken, by name.

use crate::cloud::express::ExpressFault;
use crate::cloud::host::HostFault;
use crate::cloud::network::{AzId, HostId, NetworkFault};
use crate::cloud::nfs::NfsFault;
use crate::cloud::object_store::ObjectStoreFault;
use crate::cloud::volume::VolumeFault;
use crate::world::{ExpressId, ShareId, StoreId, VolumeId};
use std::fmt;

/// One injected fault. Faults are overlays on pristine devices: any number may hold at once, each is healed by its
/// own id, and the device behaves as the sum of those that hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FaultId(pub u32);

impl fmt::Display for FaultId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "fault-{}", self.0)
    }
}

/// Every fault that holds for a while and can be healed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Of the network: partitions, clogs, grey links, reset storms.
    Network(NetworkFault),
    /// Of one host: pauses, slowness. A pause stops the host's processes too.
    Host(HostId, HostFault),
    /// Of one volume.
    Volume(VolumeId, VolumeFault),
    /// Of one region's object store.
    Object(StoreId, ObjectStoreFault),
    /// Of one zone's express store.
    Express(ExpressId, ExpressFault),
    /// Of one file share.
    Nfs(ShareId, NfsFault),
    /// A whole zone: its hosts lose power, its volumes and express stores are out of reach, shares fail over, and the
    /// regional object store is out of its reach. When it is healed, its hosts boot and the processes that ran then
    /// start again.
    AzDown(AzId),
}
