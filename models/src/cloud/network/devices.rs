//! The network as devices see it: no connections, only ways to storage and the card they share with everybody.

use super::Network;
use super::faults::{GreyFactor, Path, Site};
use super::topology::{Direction, HostId, LinkClass};
use wavetank_sim::Nanos;

/// Traffic of devices: volumes over the network, file shares, the object store. They use no connections; the device's
/// own model says how long it takes, the network says whether and how fast the bytes pass.
impl<M: Copy> Network<M> {
    /// Whether requests of the host reach the storage service and answers come back.
    ///
    /// # Panics
    /// For a class that is not storage; so do the other methods of this group.
    pub fn reachable(&self, host: HostId, class: LinkClass) -> bool {
        [Direction::Out, Direction::In].into_iter().all(|direction| self.reachable_one_way(host, class, direction))
    }

    /// Whether bytes get through in one direction. With only `In` cut a request is carried out and its answer is lost.
    /// A clogged way does not let through either.
    pub fn reachable_one_way(&self, host: HostId, class: LinkClass, direction: Direction) -> bool {
        let path = self.storage_path(host, class, direction);
        !path.cut && !path.clogged
    }

    /// How much slower the way is. The latency is the device's to apply; [`charge`](Network::charge) has applied the
    /// bandwidth.
    pub fn grey_factor(&self, host: HostId, class: LinkClass, direction: Direction) -> GreyFactor {
        self.storage_path(host, class, direction).grey()
    }

    /// A draw of the class's one-way latency, grey factor applied: for devices whose own latency does not contain the
    /// way.
    pub fn draw_latency(&mut self, host: HostId, class: LinkClass, direction: Direction) -> Nanos {
        let path = self.storage_path(host, class, direction);
        self.fabric.draw_latency(host, class, &path)
    }

    /// Passes bytes between the host's card and a storage service, beginning now. Returns when the last of them has
    /// passed the card (behind all that came before) and the service's link. To be called in the order of time.
    pub fn charge(&mut self, now: Nanos, host: HostId, class: LinkClass, direction: Direction, bytes: u64) -> Nanos {
        let path = self.storage_path(host, class, direction);
        self.fabric.charge(now, host, class, direction, &path, bytes)
    }

    fn storage_path(&self, host: HostId, class: LinkClass, direction: Direction) -> Path {
        assert!(class.is_storage(), "{class:?} is not a way to storage");
        assert!(self.fabric.topology.has_host(host), "{host:?} is not on the map");
        let (near, far) = (Site::Host(host), Site::Storage { class, used_by: host });
        match direction {
            Direction::Out => self.overlays.path(self.map(), near, far),
            Direction::In => self.overlays.path(self.map(), far, near),
        }
    }
}
