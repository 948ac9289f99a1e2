//! The network as devices see it: no connections, only ways to storage and the card they share with everybody.

use super::faults::{GreyFactor, Path, Site};
use super::topology::{Direction, HostId, LinkClass};
use super::{Kind, Network, NetworkOutput};
use crate::cloud::Output;
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

    /// Begins to pass bytes between the host's card and a storage service, side by side with the other transfers on it;
    /// alone they would take `alone`, by the pace of their own connection. Ends in one
    /// [`Done::Transferred`](super::Done::Transferred) with `tag`: not before `alone` is over, and later when what is on
    /// the card wants more than it has, or the service's link or a grey way takes longer.
    ///
    /// For bodies of requests, which are large and each on a connection of its own; [`charge`](Network::charge) is for
    /// small transfers: without an event, and first in, first out. Faults that begin meanwhile slow the card, but do not
    /// stop a transfer: whether the way is still there at its end is the driver's to ask.
    #[expect(clippy::too_many_arguments, reason = "a way, a size, a pace, and where to answer")]
    pub fn transfer(
        &mut self,
        now: Nanos,
        host: HostId,
        class: LinkClass,
        direction: Direction,
        bytes: u64,
        alone: Nanos,
        tag: u64,
        out: &mut Vec<NetworkOutput<M>>,
    ) {
        let path = self.storage_path(host, class, direction);
        if let Some(at) = self.fabric.transfer(now, (host, class, direction), &path, bytes, alone, tag) {
            out.push(Kind::Card { host, direction }.at(at));
        }
    }

    pub(super) fn card_woken(
        &mut self,
        now: Nanos,
        host: HostId,
        direction: Direction,
        out: &mut Vec<NetworkOutput<M>>,
    ) {
        let done = |tag| out.push(Output::Done(super::Done::Transferred { direction, tag }));
        if let Some(at) = self.fabric.card(host, direction).woken(now, done) {
            out.push(Kind::Card { host, direction }.at(at));
        }
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
