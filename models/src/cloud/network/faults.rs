//! What can be broken in a network: overlays on ways that are themselves never changed.

use super::Places;
use super::link::{Route, divided};
use super::topology::{AzId, Direction, HostId, LinkClass, RegionId, Topology};
use crate::fault::FaultId;
use thiserror::Error;
use wavetank_sim::{Nanos, NodeId, SortedMap};

/// One end, or a set of ends, of the ways that a fault touches.
///
/// A fault from X to Y touches the ways that lead from an end in X to an end in Y. Where X and Y differ, ways that
/// stay within what both hold are not touched: "from `Az(a)` to `All`" is the border of the zone, not its inside.
/// Where X and Y are the same, the inside is meant. Loopback is touched only by faults between two `Node`s.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Everything, storage services included.
    All,
    /// All hosts of a region, and the storage services they use.
    Region(RegionId),
    /// All hosts of a zone, and their network volumes (which are zonal); not the object store, not file shares.
    Az(AzId),
    /// One host, with all that runs on it.
    Host(HostId),
    /// One node, in all its lives. For device traffic: the host where it was last seen, with all that runs there.
    Node(NodeId),
    /// The storage services of a class.
    Storage(LinkClass),
}

/// Whether a partition lets the way back pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PartitionDirection {
    /// Only ways from `from` to `to` are cut.
    OneWay,
    /// Ways back, too.
    TwoWay,
}

/// A fault of the network. Any number hold at once: partitions and clogs unite, greys multiply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NetworkFault {
    /// Packets vanish. Connections stay up; what is sent is retransmitted (200 ms, doubling up to 120 s) and comes late
    /// after the heal, or its sender gives up after the TCP user timeout.
    Partition {
        /// Where the cut ways begin.
        from: Scope,
        /// Where they end.
        to: Scope,
        /// Whether the ways back are cut, too.
        direction: PartitionDirection,
    },
    /// Messages from `from` to `to` are held, in order, and set free at once by the heal. This direction only.
    Clog {
        /// Where the clogged ways begin.
        from: Scope,
        /// Where they end.
        to: Scope,
    },
    /// A way that works, badly. This direction only.
    Grey {
        /// Where the grey ways begin.
        from: Scope,
        /// Where they end.
        to: Scope,
        /// Propagation is multiplied by this ratio (numerator, denominator).
        latency_factor: (u32, u32),
        /// Bandwidth is divided by this. From a `Host` to `All` (or from `All` to a `Host`) it is the host's card that
        /// gets slower, for all its traffic together; else each connection, and the links between zones.
        bandwidth_divisor: u32,
    },
    /// Something in between resets connections: both ends are told at the same time, what was under way is lost.
    ResetStorm {
        /// One end of the connections, whoever has opened them.
        from: Scope,
        /// The other end.
        to: Scope,
        /// The time from the injection to the first round, and from round to round.
        every: Nanos,
        /// The chance of each matching connection, in each round, in parts per million.
        ratio_ppm: u32,
    },
}

/// Why a fault makes no sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum NetworkFaultError {
    /// A latency factor with a zero.
    #[error("a grey link's latency factor is {0}/{1}; both must be 1 or more (3/1 is three times as slow)")]
    LatencyFactor(u32, u32),
    /// A divisor of zero.
    #[error("a grey link's bandwidth divisor is 0; it must be 1 (no change) or more")]
    BandwidthDivisor,
    /// Rounds without time in between.
    #[error("a reset storm's period is 0; it must be longer than that")]
    StormPeriod,
    /// A scope of storage that is none.
    #[error("Scope::Storage({0:?}) names no storage; ObjectStorage, BlockStorage or FileStorage do")]
    NotStorage(LinkClass),
}

impl NetworkFault {
    /// Says what is wrong with the fault, if anything is: for readers of plans.
    ///
    /// # Errors
    /// One per rule, each says what would be right.
    pub fn validate(&self) -> Result<(), NetworkFaultError> {
        let (from, to) = self.scopes();
        for scope in [from, to] {
            if let Scope::Storage(class) = scope
                && !class.is_storage()
            {
                return Err(NetworkFaultError::NotStorage(class));
            }
        }
        match *self {
            NetworkFault::Partition { .. } | NetworkFault::Clog { .. } => Ok(()),
            NetworkFault::Grey { latency_factor: (num, den), .. } if num == 0 || den == 0 => {
                Err(NetworkFaultError::LatencyFactor(num, den))
            }
            NetworkFault::Grey { bandwidth_divisor: 0, .. } => Err(NetworkFaultError::BandwidthDivisor),
            NetworkFault::Grey { .. } => Ok(()),
            NetworkFault::ResetStorm { every: Nanos::ZERO, .. } => Err(NetworkFaultError::StormPeriod),
            NetworkFault::ResetStorm { .. } => Ok(()),
        }
    }

    fn scopes(&self) -> (Scope, Scope) {
        match *self {
            NetworkFault::Partition { from, to, .. }
            | NetworkFault::Clog { from, to }
            | NetworkFault::Grey { from, to, .. }
            | NetworkFault::ResetStorm { from, to, .. } => (from, to),
        }
    }

    /// The card whose whole bandwidth a grey fault divides.
    fn grey_card(&self) -> Option<(HostId, Direction)> {
        match (self, self.scopes()) {
            (NetworkFault::Grey { .. }, (Scope::Host(host), Scope::All)) => Some((host, Direction::Out)),
            (NetworkFault::Grey { .. }, (Scope::All, Scope::Host(host))) => Some((host, Direction::In)),
            _ => None,
        }
    }
}

/// One end of a way.
#[derive(Clone, Copy, Debug)]
pub(super) enum Site {
    /// A process at one end of a connection.
    Process { host: HostId, node: NodeId },
    /// A host that uses a device.
    Host(HostId),
    /// The storage service that a host uses.
    Storage { class: LinkClass, used_by: HostId },
}

/// What scopes are looked up in.
#[derive(Clone, Copy)]
pub(super) struct Map<'a> {
    pub topology: &'a Topology,
    pub places: &'a Places,
}

impl Map<'_> {
    fn holds(&self, scope: Scope, site: Site) -> bool {
        let host = match site {
            Site::Process { host, .. } | Site::Host(host) => Some(host),
            Site::Storage { .. } => None,
        };
        match scope {
            Scope::All => true,
            Scope::Region(region) => {
                let (Site::Process { host, .. } | Site::Host(host) | Site::Storage { used_by: host, .. }) = site;
                self.topology.region_of(self.topology.az_of(host)) == region
            }
            Scope::Az(az) => match site {
                Site::Process { host, .. } | Site::Host(host) => self.topology.az_of(host) == az,
                Site::Storage { class, used_by } => {
                    class == LinkClass::BlockStorage && self.topology.az_of(used_by) == az
                }
            },
            Scope::Host(id) => host == Some(id),
            Scope::Node(id) => match site {
                Site::Process { node, .. } => node == id,
                Site::Host(host) => self.places.get(&id).is_some_and(|place| place.host == host),
                Site::Storage { .. } => false,
            },
            Scope::Storage(id) => matches!(site, Site::Storage { class, .. } if class == id),
        }
    }

    fn touches(&self, (from, to): (Scope, Scope), (a, b): (Site, Site)) -> bool {
        if let (Site::Process { host: x, .. }, Site::Process { host: y, .. }) = (a, b)
            && x == y
            && !matches!((from, to), (Scope::Node(_), Scope::Node(_)))
        {
            return false;
        }
        let inside = from != to && self.holds(to, a) && self.holds(from, b);
        self.holds(from, a) && self.holds(to, b) && !inside
    }
}

/// How much slower a grey way is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GreyFactor {
    /// Propagation is multiplied by this ratio (numerator, denominator), in lowest terms.
    pub latency: (u64, u64),
    /// Bandwidth is divided by this; cards that are grey as a whole not included.
    pub bandwidth_divisor: u64,
}

/// The state of one way: the sum of the overlays that touch it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Path {
    pub cut: bool,
    pub clogged: bool,
    pub latency_factor: (u64, u64),
    pub bandwidth_divisor: u64,
    /// What one connection gets in this direction; 0 = not limited.
    pub flow_bytes_per_sec: u64,
}

impl Path {
    const PRISTINE: Path =
        Path { cut: false, clogged: false, latency_factor: (1, 1), bandwidth_divisor: 1, flow_bytes_per_sec: 0 };

    pub fn latency(&self, drawn: Nanos) -> Nanos {
        let (num, den) = self.latency_factor;
        if num == den { drawn } else { drawn.scale(num, den) }
    }

    pub fn grey(&self) -> GreyFactor {
        GreyFactor { latency: self.latency_factor, bandwidth_divisor: self.bandwidth_divisor }
    }

    fn multiply(&mut self, (num, den): (u32, u32)) {
        let num = self.latency_factor.0.saturating_mul(u64::from(num));
        let den = self.latency_factor.1.saturating_mul(u64::from(den));
        let divisor = gcd(num, den);
        self.latency_factor = (num / divisor, den / divisor);
    }
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// A fault that holds.
#[derive(Clone, Copy, Debug)]
struct Overlay {
    fault: NetworkFault,
    /// Which injection this was: a wake-up of an earlier one under the same id means nothing.
    serial: u32,
}

/// The faults that hold now.
#[derive(Clone, Debug, Default)]
pub(super) struct Overlays {
    holding: SortedMap<FaultId, Overlay>,
    serial: u32,
}

impl Overlays {
    pub fn insert(&mut self, id: FaultId, fault: NetworkFault) -> u32 {
        self.serial += 1;
        let before = self.holding.insert(id, Overlay { fault, serial: self.serial });
        assert!(before.is_none(), "{id} holds already");
        self.serial
    }

    pub fn remove(&mut self, id: FaultId) -> bool {
        self.holding.remove(&id).is_some()
    }

    pub fn get(&self, id: FaultId, serial: u32) -> Option<NetworkFault> {
        self.holding.get(&id).filter(|overlay| overlay.serial == serial).map(|overlay| overlay.fault)
    }

    /// The state of the way from one site to another, without the flow's rate.
    pub fn path(&self, map: Map<'_>, from: Site, to: Site) -> Path {
        let mut path = Path::PRISTINE;
        for Overlay { fault, .. } in self.holding.values() {
            let scopes = fault.scopes();
            let touched = map.touches(scopes, (from, to));
            match *fault {
                NetworkFault::Partition { direction: PartitionDirection::OneWay, .. } => path.cut |= touched,
                NetworkFault::Partition { direction: PartitionDirection::TwoWay, .. } => {
                    path.cut |= touched || map.touches(scopes, (to, from));
                }
                NetworkFault::Clog { .. } => path.clogged |= touched,
                NetworkFault::Grey { latency_factor, bandwidth_divisor, .. } if touched => {
                    path.multiply(latency_factor);
                    if fault.grey_card().is_none() {
                        path.bandwidth_divisor = path.bandwidth_divisor.saturating_mul(u64::from(bandwidth_divisor));
                    }
                }
                NetworkFault::Grey { .. } | NetworkFault::ResetStorm { .. } => {}
            }
        }
        path
    }

    /// The state of one direction of a connection.
    pub fn flow_path(&self, map: Map<'_>, from: Site, to: Site, route: Route, link_bytes_per_sec: u64) -> Path {
        let mut path = self.path(map, from, to);
        if route.class == LinkClass::SameHost {
            return path;
        }
        let least = |rates: &[u64]| rates.iter().copied().filter(|&rate| rate > 0).min().unwrap_or(0);
        let (a, b) = (map.topology.nic(route.from), map.topology.nic(route.to));
        let cap = least(&[a.single_flow_bytes_per_sec, b.single_flow_bytes_per_sec]);
        path.flow_bytes_per_sec = match path.bandwidth_divisor {
            1 => cap,
            divisor => {
                let rates = [cap, a.bandwidth_bytes_per_sec, b.bandwidth_bytes_per_sec, link_bytes_per_sec];
                divided(least(&rates), divisor)
            }
        };
        path
    }

    /// Whether a storm reaches a connection between the two.
    pub fn storms(&self, map: Map<'_>, fault: &NetworkFault, a: Site, b: Site) -> bool {
        map.touches(fault.scopes(), (a, b)) || map.touches(fault.scopes(), (b, a))
    }

    /// By how much a card as a whole is slower.
    pub fn card_divisor(&self, host: HostId, direction: Direction) -> u64 {
        let mut product = 1u64;
        for Overlay { fault, .. } in self.holding.values() {
            if let NetworkFault::Grey { bandwidth_divisor, .. } = fault
                && fault.grey_card() == Some((host, direction))
            {
                product = product.saturating_mul(u64::from(*bandwidth_divisor));
            }
        }
        product
    }
}
