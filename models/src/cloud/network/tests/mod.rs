//! A tiny driver, and what the network promises.

mod bandwidth;
mod contract;
mod lives;
mod partitions;

use super::*;
use slotmap::SlotMap;

/// 1 GB/s cards: a byte a nanosecond.
pub(super) const GIGABYTE: u64 = 1_000_000_000;
pub(super) const FREE: NicSpec = NicSpec { bandwidth_bytes_per_sec: 0, single_flow_bytes_per_sec: 0 };
pub(super) const FAST: NicSpec = NicSpec { bandwidth_bytes_per_sec: GIGABYTE, single_flow_bytes_per_sec: 0 };

/// Two regions, the first with two zones. Hosts 0 and 1 in the first zone, 2 in the second, 3 in the other region.
pub(super) fn map(nic: NicSpec) -> Topology {
    let mut map = Topology::new();
    let region = map.add_region("here");
    let far = map.add_region("far");
    let (a, b, c) = (map.add_az(region, "a"), map.add_az(region, "b"), map.add_az(far, "c"));
    for az in [a, a, b, c] {
        map.add_host(az, nic);
    }
    map
}

/// Where each node runs: 0 and 4 share host 0.
pub(super) fn endpoint(node: u32, epoch: u32) -> Endpoint {
    Endpoint { host: HostId(node % 4), incarnation: Incarnation { node: NodeId(node), epoch: NodeEpoch(epoch) } }
}

pub(super) struct Rig {
    pub net: Network<u32>,
    pub now: Nanos,
    pub wakes: SortedMap<(Nanos, u64), Step>,
    pub log: Vec<(Nanos, Done<u32>)>,
    pub keys: SlotMap<ConnId, ()>,
    pub steps: u64,
    seq: u64,
    /// Events of one instant come last in, first out.
    pub backwards: bool,
}

impl Rig {
    pub fn new(topology: Topology, profile: NetworkProfile, seed: u64) -> Rig {
        Rig {
            net: Network::new(topology, profile, &Choices::new(seed)),
            now: Nanos::ZERO,
            wakes: SortedMap::new(),
            log: Vec::new(),
            keys: SlotMap::with_key(),
            steps: 0,
            seq: 0,
            backwards: false,
        }
    }

    /// Nodes 0 to 4 listen, in their first life.
    pub fn listening(nic: NicSpec) -> Rig {
        Rig::with_profile(nic, NetworkProfile::assumed())
    }

    pub fn with_profile(nic: NicSpec, profile: NetworkProfile) -> Rig {
        let mut rig = Rig::new(map(nic), profile, 1);
        for node in 0..5 {
            rig.net.listen(endpoint(node, 1));
        }
        rig
    }

    pub fn act(&mut self, act: impl FnOnce(&mut Network<u32>, Nanos, &mut Vec<NetworkOutput<u32>>)) {
        let mut out = Vec::new();
        act(&mut self.net, self.now, &mut out);
        for output in out {
            match output {
                Output::Wake { at, step } => {
                    assert!(at >= self.now, "a wake-up in the past");
                    self.seq += 1;
                    let order = if self.backwards { u64::MAX - self.seq } else { self.seq };
                    self.wakes.insert((at, order), step);
                }
                Output::Done(done) => {
                    if let Done::Closed { conn } = done {
                        assert!(self.keys.remove(conn).is_some(), "closed twice");
                    }
                    self.log.push((self.now, done));
                }
            }
        }
    }

    pub fn run_until(&mut self, end: Nanos) {
        while let Some(entry) = self.wakes.first_entry()
            && entry.key().0 <= end
        {
            self.now = entry.key().0;
            let step = entry.remove();
            self.steps += 1;
            self.act(|net, now, out| net.step(now, step, out));
        }
        self.now = end;
    }

    pub fn run_for(&mut self, span: Nanos) {
        self.run_until(self.now + span);
    }

    pub fn connect(&mut self, from: u32, to: u32) -> ConnId {
        let conn = self.keys.insert(());
        let to = endpoint(to, 1);
        self.act(|net, now, out| net.connect(now, conn, endpoint(from, 1), (to.host, to.incarnation.node), out));
        conn
    }

    /// A connection that is up, at a round second.
    pub fn connected(&mut self, from: u32, to: u32) -> ConnId {
        let conn = self.connect(from, to);
        self.run_for(Nanos::secs(1));
        assert!(self.log.iter().any(|(_, done)| matches!(done, Done::Connected { conn: c, .. } if *c == conn)));
        self.log.clear();
        self.steps = 0;
        conn
    }

    pub fn send(&mut self, conn: ConnId, from: u32, msg: u32, bytes: u64) {
        self.act(|net, now, out| net.send(now, conn, endpoint(from, 1).incarnation, msg, bytes, out));
    }

    pub fn inject(&mut self, id: u32, fault: NetworkFault) {
        self.act(|net, now, out| net.inject(now, FaultId(id), fault, out));
    }

    pub fn heal(&mut self, id: u32) {
        self.act(|net, now, out| net.heal(now, FaultId(id), out));
    }

    pub fn delivered(&self) -> Vec<(u32, Nanos)> {
        let pick = |&(at, done): &(Nanos, Done<u32>)| match done {
            Done::Deliver { msg, .. } => Some((msg, at)),
            _ => None,
        };
        self.log.iter().filter_map(pick).collect()
    }

    pub fn resets(&self) -> Vec<(u32, ResetReason, Nanos)> {
        let pick = |&(now, done): &(Nanos, Done<u32>)| match done {
            Done::Reset { at, why, .. } => Some((at.incarnation.node.0, why, now)),
            _ => None,
        };
        self.log.iter().filter_map(pick).collect()
    }

    pub fn discarded(&self) -> Vec<u32> {
        let pick = |&(_, done): &(Nanos, Done<u32>)| match done {
            Done::Discarded { msg } => Some(msg),
            _ => None,
        };
        self.log.iter().filter_map(pick).collect()
    }
}

pub(super) fn cut(from: Scope, to: Scope, direction: PartitionDirection) -> NetworkFault {
    NetworkFault::Partition { from, to, direction }
}

pub(super) fn grey(from: Scope, to: Scope, times: u32, divisor: u32) -> NetworkFault {
    NetworkFault::Grey { from, to, latency_factor: (times, 1), bandwidth_divisor: divisor }
}
