//! Where things stand: regions hold availability zones, zones hold hosts, a host has one network card.

/// A region of the cloud. Numbered from 0 in the order of creation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RegionId(pub u8);

/// An availability zone. Numbered from 0 in the order of creation, over all regions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AzId(pub u8);

/// A host (an instance). Numbered from 0 in the order of creation, over all zones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostId(pub u32);

impl std::fmt::Display for HostId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "h{}", self.0)
    }
}

/// What a host's network card can do. Full duplex: each direction has the whole bandwidth to itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NicSpec {
    /// Bytes per second, each direction; 0 = not limited. The sustained rate: burst credits are not modelled.
    pub bandwidth_bytes_per_sec: u64,
    /// Bytes per second of one connection in one direction; 0 = not limited. EC2: 5 Gbit/s outside a cluster placement
    /// group, 10 inside (row NET-flow). The lesser of the two ends' limits holds.
    pub single_flow_bytes_per_sec: u64,
}

/// What kind of way a message takes. Latency, bandwidth, bytes and prices go by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LinkClass {
    /// Loopback: passes no network card and no link, and no fault of the network touches it, except between two
    /// processes named by [`Scope::Node`](super::Scope::Node).
    SameHost,
    /// Between hosts of one zone.
    SameAz,
    /// Between zones of one region.
    CrossAz,
    /// Between regions.
    CrossRegion,
    /// Between a host and the object store of its region.
    ObjectStorage,
    /// Between a host and a network volume in its zone.
    BlockStorage,
    /// Between a host and a file share (NFS) of its region.
    FileStorage,
}

impl LinkClass {
    /// All classes, in the order of their declaration.
    pub const ALL: [LinkClass; 7] = [
        LinkClass::SameHost,
        LinkClass::SameAz,
        LinkClass::CrossAz,
        LinkClass::CrossRegion,
        LinkClass::ObjectStorage,
        LinkClass::BlockStorage,
        LinkClass::FileStorage,
    ];

    /// Whether one end is a storage service rather than a host.
    pub const fn is_storage(self) -> bool {
        match self {
            LinkClass::SameHost | LinkClass::SameAz | LinkClass::CrossAz | LinkClass::CrossRegion => false,
            LinkClass::ObjectStorage | LinkClass::BlockStorage | LinkClass::FileStorage => true,
        }
    }

    pub(super) const fn index(self) -> usize {
        self as usize
    }
}

/// Which way bytes go, seen from the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// Out of the host.
    Out,
    /// Into the host.
    In,
}

#[derive(Clone, Debug)]
struct Az {
    region: RegionId,
    name: String,
}

#[derive(Clone, Copy, Debug)]
struct Host {
    az: AzId,
    nic: NicSpec,
}

/// The map of the cloud. Built once, before the network.
#[derive(Clone, Debug, Default)]
pub struct Topology {
    regions: Vec<String>,
    azs: Vec<Az>,
    hosts: Vec<Host>,
}

impl Topology {
    /// An empty map.
    pub fn new() -> Topology {
        Topology::default()
    }

    /// Adds a region.
    ///
    /// # Panics
    /// Beyond 256 regions.
    pub fn add_region(&mut self, name: &str) -> RegionId {
        let id = u8::try_from(self.regions.len()).expect("at most 256 regions");
        self.regions.push(name.to_owned());
        RegionId(id)
    }

    /// Adds an availability zone to a region.
    ///
    /// # Panics
    /// When the region is not of this map, or beyond 256 zones.
    pub fn add_az(&mut self, region: RegionId, name: &str) -> AzId {
        assert!(usize::from(region.0) < self.regions.len(), "{region:?} is not on this map");
        let id = u8::try_from(self.azs.len()).expect("at most 256 availability zones");
        self.azs.push(Az { region, name: name.to_owned() });
        AzId(id)
    }

    /// Adds a host to a zone.
    ///
    /// # Panics
    /// When the zone is not of this map.
    pub fn add_host(&mut self, az: AzId, nic: NicSpec) -> HostId {
        assert!(usize::from(az.0) < self.azs.len(), "{az:?} is not on this map");
        let id = u32::try_from(self.hosts.len()).expect("at most 2^32 hosts");
        self.hosts.push(Host { az, nic });
        HostId(id)
    }

    /// Whether the host is of this map.
    pub fn has_host(&self, host: HostId) -> bool {
        (host.0 as usize) < self.hosts.len()
    }

    /// All hosts.
    pub fn hosts(&self) -> impl Iterator<Item = HostId> + use<> {
        (0..self.hosts.len() as u32).map(HostId)
    }

    /// All zones.
    pub fn azs(&self) -> impl Iterator<Item = AzId> + use<> {
        (0..self.azs.len()).map(|i| AzId(i as u8))
    }

    /// All regions.
    pub fn regions(&self) -> impl Iterator<Item = RegionId> + use<> {
        (0..self.regions.len()).map(|i| RegionId(i as u8))
    }

    /// A region's name. Like all look-ups: panics for an id of another map.
    pub fn region_name(&self, region: RegionId) -> &str {
        &self.regions[usize::from(region.0)]
    }

    /// A zone's name.
    pub fn az_name(&self, az: AzId) -> &str {
        &self.azs[usize::from(az.0)].name
    }

    /// The region of a zone.
    pub fn region_of(&self, az: AzId) -> RegionId {
        self.azs[usize::from(az.0)].region
    }

    /// The zone of a host.
    pub fn az_of(&self, host: HostId) -> AzId {
        self.hosts[host.0 as usize].az
    }

    /// A host's network card.
    pub fn nic(&self, host: HostId) -> NicSpec {
        self.hosts[host.0 as usize].nic
    }

    /// What kind of way leads from one host to another.
    pub fn class_between(&self, from: HostId, to: HostId) -> LinkClass {
        if from == to {
            return LinkClass::SameHost;
        }
        let (a, b) = (self.az_of(from), self.az_of(to));
        if a == b {
            LinkClass::SameAz
        } else if self.region_of(a) == self.region_of(b) {
            LinkClass::CrossAz
        } else {
            LinkClass::CrossRegion
        }
    }

    pub(super) fn az_count(&self) -> usize {
        self.azs.len()
    }

    pub(super) fn pair_index(&self, from: AzId, to: AzId) -> usize {
        usize::from(from.0) * self.azs.len() + usize::from(to.0)
    }
}
