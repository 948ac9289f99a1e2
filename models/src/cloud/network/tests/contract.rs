//! The contract, under random histories of everything that can happen.

use super::*;
use proptest::prelude::*;
use wavetank_sim::{SortedMap, SortedSet};

#[derive(Clone, Debug)]
enum Op {
    Wait(u64),
    Connect(u32, u32),
    Send { pick: usize, forward: bool, bytes: u64 },
    Close { pick: usize, forward: bool },
    Kill(u32),
    PowerLoss(u32),
    Restart(u32),
    Inject(NetworkFault),
    Heal(usize),
}

fn scope() -> impl Strategy<Value = Scope> {
    prop_oneof![
        Just(Scope::All),
        (0u8..2).prop_map(|r| Scope::Region(RegionId(r))),
        (0u8..3).prop_map(|a| Scope::Az(AzId(a))),
        (0u32..4).prop_map(|h| Scope::Host(HostId(h))),
        (0u32..5).prop_map(|n| Scope::Node(NodeId(n))),
    ]
}

fn fault() -> impl Strategy<Value = NetworkFault> {
    let way = prop_oneof![Just(PartitionDirection::OneWay), Just(PartitionDirection::TwoWay)];
    prop_oneof![
        (scope(), scope(), way).prop_map(|(from, to, direction)| cut(from, to, direction)),
        (scope(), scope()).prop_map(|(from, to)| NetworkFault::Clog { from, to }),
        (scope(), scope(), 1u32..50, 1u32..50).prop_map(|(from, to, times, divisor)| grey(from, to, times, divisor)),
        (scope(), scope(), 1u64..400, 0u32..600_000).prop_map(|(from, to, every, ratio_ppm)| {
            NetworkFault::ResetStorm { from, to, every: Nanos::millis(every), ratio_ppm }
        }),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => (0u32..24).prop_map(|log| Op::Wait(1 << log)),
        1 => (100u64..2_000_000).prop_map(|us| Op::Wait(us * 1000)),
        3 => (0u32..5, 1u32..5).prop_map(|(from, by)| Op::Connect(from, (from + by) % 5)),
        10 => (any::<prop::sample::Index>(), any::<bool>(), 0u64..100_000)
            .prop_map(|(pick, forward, bytes)| Op::Send { pick: pick.index(1 << 20), forward, bytes }),
        1 => (any::<usize>(), any::<bool>()).prop_map(|(pick, forward)| Op::Close { pick, forward }),
        1 => (0u32..5).prop_map(Op::Kill),
        1 => (0u32..4).prop_map(Op::PowerLoss),
        2 => (0u32..5).prop_map(Op::Restart),
        2 => fault().prop_map(Op::Inject),
        3 => any::<usize>().prop_map(Op::Heal),
    ]
}

#[derive(Default)]
struct Ledger {
    /// By message: connection, forward, number within its flow.
    sent: Vec<(ConnId, bool, u32)>,
    ended: SortedSet<u32>,
    next: SortedMap<(ConnId, bool), u32>,
    delivered: SortedMap<(ConnId, bool), u32>,
    ends: SortedMap<(ConnId, bool), Endpoint>,
    /// Ends that are through: told, closed or dead.
    over: SortedSet<(ConnId, bool)>,
    connected: SortedSet<ConnId>,
    closed: SortedSet<ConnId>,
    seen: usize,
}

struct World {
    rig: Rig,
    ledger: Ledger,
    conns: Vec<ConnId>,
    /// By node: its life, and whether it lives.
    lives: [(u32, bool); 5],
    faults: Vec<u32>,
    fault_count: u32,
    overtook: bool,
    late: bool,
}

impl World {
    fn new(nic: NicSpec, limited: bool, backwards: bool) -> World {
        let mut profile = NetworkProfile::assumed();
        if limited {
            profile.cross_az.bandwidth_bytes_per_sec = GIGABYTE / 2;
        }
        let mut rig = Rig::with_profile(nic, profile);
        rig.backwards = backwards;
        World {
            rig,
            ledger: Ledger::default(),
            conns: Vec::new(),
            lives: [(1, true); 5],
            faults: Vec::new(),
            fault_count: 0,
            overtook: false,
            late: false,
        }
    }

    fn me(&self, node: u32) -> Endpoint {
        endpoint(node, self.lives[node as usize].0)
    }

    fn apply(&mut self, op: &Op) {
        match *op {
            Op::Wait(ns) => {
                // One instant at a time, so that the books see what was known when.
                let end = self.rig.now + Nanos(ns);
                while let Some((&(at, _), _)) = self.rig.wakes.first_key_value()
                    && at <= end
                {
                    self.rig.run_until(at);
                    self.book();
                }
                self.rig.now = end;
            }
            Op::Connect(from, to) => {
                if self.lives[from as usize].1 {
                    let conn = self.rig.keys.insert(());
                    let (me, to) = (self.me(from), endpoint(to, 0));
                    self.ledger.ends.insert((conn, true), me);
                    self.conns.push(conn);
                    self.rig.act(|net, now, out| net.connect(now, conn, me, (to.host, to.incarnation.node), out));
                }
            }
            Op::Send { pick, forward, bytes } => {
                if let Some((conn, me)) = self.end(pick, forward) {
                    let msg = self.ledger.sent.len() as u32;
                    let next = self.ledger.next.entry((conn, forward)).or_default();
                    self.ledger.sent.push((conn, forward, *next));
                    *next += 1;
                    self.rig.act(|net, now, out| net.send(now, conn, me.incarnation, msg, bytes, out));
                }
            }
            Op::Close { pick, forward } => {
                if let Some((conn, me)) = self.end(pick, forward) {
                    self.ledger.over.insert((conn, forward));
                    self.rig.act(|net, now, out| net.close(now, conn, me.incarnation, out));
                }
            }
            Op::Kill(node) => self.die(node, Death::Process),
            Op::PowerLoss(host) => {
                for node in 0..5 {
                    if endpoint(node, 0).host == HostId(host) {
                        self.die(node, Death::Host);
                    }
                }
            }
            Op::Restart(node) => {
                let life = &mut self.lives[node as usize];
                if !life.1 {
                    *life = (life.0 + 1, true);
                    let me = self.me(node);
                    self.rig.net.listen(me);
                }
            }
            Op::Inject(fault) => {
                self.faults.push(self.fault_count);
                self.rig.inject(self.fault_count, fault);
                self.fault_count += 1;
            }
            Op::Heal(pick) => {
                if !self.faults.is_empty() {
                    let id = self.faults.remove(pick % self.faults.len());
                    self.rig.heal(id);
                }
            }
        }
        self.book();
    }

    fn end(&self, pick: usize, forward: bool) -> Option<(ConnId, Endpoint)> {
        let conn = *self.conns.get(pick % self.conns.len().max(1))?;
        Some((conn, *self.ledger.ends.get(&(conn, forward))?))
    }

    fn die(&mut self, node: u32, death: Death) {
        let me = self.me(node);
        if !std::mem::replace(&mut self.lives[node as usize].1, false) {
            return;
        }
        for (&end, at) in &self.ledger.ends {
            if *at == me {
                self.ledger.over.insert(end);
            }
        }
        self.rig.act(|net, now, out| net.endpoint_died(now, me.incarnation, death, out));
    }

    /// Checks each new output against the contract.
    fn book(&mut self) {
        while let Some(&(_, done)) = self.rig.log.get(self.ledger.seen) {
            self.ledger.seen += 1;
            self.book_one(done);
        }
    }

    fn alive(&self, at: Endpoint) -> bool {
        let node = at.incarnation.node.0;
        self.lives[node as usize].1 && self.me(node) == at
    }

    fn book_one(&mut self, done: Done<u32>) {
        let touched = match done {
            Done::Connected { conn, .. }
            | Done::Accepted { conn, .. }
            | Done::Deliver { conn, .. }
            | Done::Reset { conn, .. }
            | Done::Closed { conn } => Some(conn),
            Done::Discarded { .. } | Done::Transferred { .. } => None,
        };
        assert!(touched.is_none_or(|conn| !self.ledger.closed.contains(&conn)), "after its end: {done:?}");
        match done {
            Done::Transferred { .. } => unreachable!("no transfer was begun"),
            Done::Connected { conn, at } => {
                assert!(self.alive(at) && self.ledger.ends[&(conn, true)] == at);
                assert!(self.ledger.ends.contains_key(&(conn, false)), "connected before accepted");
                assert!(self.ledger.connected.insert(conn), "connected twice");
            }
            Done::Accepted { conn, at, from } => {
                assert!(self.alive(at) && self.ledger.ends[&(conn, true)] == from);
                assert!(self.ledger.ends.insert((conn, false), at).is_none(), "accepted twice");
            }
            Done::Deliver { conn, to, msg, .. } => {
                let (on, forward, number) = self.ledger.sent[msg as usize];
                assert_eq!(on, conn, "on another connection");
                assert_eq!(self.ledger.ends[&(conn, !forward)], to, "to somebody else");
                assert!(self.alive(to), "to another life");
                assert!(!self.ledger.over.contains(&(conn, !forward)), "after the end's end");
                assert!(self.ledger.connected.contains(&conn) || !forward);
                let next = self.ledger.delivered.entry((conn, forward)).or_default();
                assert_eq!(*next, number, "a gap, a repetition or a wrong order");
                *next += 1;
                assert!(self.ledger.ended.insert(msg), "ended twice");
                self.late |= self.ledger.over.contains(&(conn, forward));
                let earlier = (0..msg).filter(|earlier| !self.ledger.ended.contains(earlier));
                self.overtook |= earlier.map(|e| self.ledger.sent[e as usize]).any(|(other, f, _)| {
                    other != conn && self.ledger.ends.get(&(other, f)) == self.ledger.ends.get(&(conn, forward))
                });
            }
            Done::Discarded { msg } => assert!(self.ledger.ended.insert(msg), "ended twice"),
            Done::Reset { conn, at, .. } => {
                let forward = self.ledger.ends[&(conn, true)] == at;
                assert_eq!(self.ledger.ends[&(conn, forward)], at);
                assert!(self.alive(at), "told the dead");
                assert!(self.ledger.over.insert((conn, forward)), "told twice, or after its close");
            }
            Done::Closed { conn } => {
                assert!(self.ledger.closed.insert(conn));
                for forward in [true, false] {
                    let known = self.ledger.ends.contains_key(&(conn, forward));
                    assert!(!known || self.ledger.over.contains(&(conn, forward)), "an open end was forgotten");
                }
            }
        }
    }

    /// Waits for the last event: greys that multiplied may have put it hours away.
    fn drain(&mut self) {
        let enough = self.rig.steps + 1_000 + 100 * (self.conns.len() + self.ledger.sent.len()) as u64;
        while let Some((&(at, _), _)) = self.rig.wakes.first_key_value() {
            self.rig.run_until(at);
            self.book();
            assert!(self.rig.steps < enough, "something ticks on");
        }
    }

    /// Everything heals, then all connections are closed: nothing may be left.
    fn quiesce(&mut self) {
        while !self.faults.is_empty() {
            self.apply(&Op::Heal(0));
        }
        for node in 0..5 {
            self.apply(&Op::Restart(node));
        }
        self.drain();
        // What was sent on a connection whose ends both live has arrived.
        for (msg, &(conn, forward, _)) in self.ledger.sent.iter().enumerate() {
            let open = [true, false].iter().all(|&f| !self.ledger.over.contains(&(conn, f)));
            assert!(!open || self.ledger.ended.contains(&(msg as u32)), "{msg} ({forward}) is stuck");
        }
        for pick in 0..self.conns.len() {
            for forward in [true, false] {
                if !self.ledger.over.contains(&(self.conns[pick], forward)) {
                    self.apply(&Op::Close { pick, forward });
                }
            }
        }
        self.drain();
        assert_eq!(self.ledger.ended.len(), self.ledger.sent.len(), "messages were forgotten");
        assert_eq!((self.rig.net.connection_count(), self.rig.keys.len()), (0, 0));
    }
}

fn play(ops: &[Op], nic: NicSpec, limited: bool, backwards: bool) -> World {
    let mut world = World::new(nic, limited, backwards);
    for op in ops {
        world.apply(op);
    }
    world.quiesce();
    world
}

fn nic() -> impl Strategy<Value = NicSpec> {
    let capped = NicSpec { bandwidth_bytes_per_sec: GIGABYTE / 100, single_flow_bytes_per_sec: GIGABYTE / 300 };
    prop_oneof![Just(FREE), Just(FAST), Just(capped)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn the_contract_holds_in_every_history(
        ops in prop::collection::vec(op(), 1..150), nic in nic(), limited in any::<bool>(), backwards in any::<bool>(),
    ) {
        play(&ops, nic, limited, backwards);
    }

    #[test]
    fn same_seed_same_outputs(ops in prop::collection::vec(op(), 1..60), nic in nic(), limited in any::<bool>()) {
        let first = play(&ops, nic, limited, false).rig.log;
        prop_assert_eq!(first, play(&ops, nic, limited, false).rig.log);
    }
}

/// The histories above reach what they are meant to reach.
#[test]
fn random_histories_see_overtaking_late_delivery_and_every_reason_to_reset() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let strategy = prop::collection::vec(op(), 100..150);
    let (mut overtook, mut late, mut reasons) = (0, 0, Vec::new());
    for _ in 0..200 {
        let ops = strategy.new_tree(&mut runner).unwrap().current();
        let world = play(&ops, FAST, true, false);
        overtook += u32::from(world.overtook);
        late += u32::from(world.late);
        for (_, why, _) in world.rig.resets() {
            if !reasons.contains(&why) {
                reasons.push(why);
            }
        }
    }
    assert!(overtook > 10, "connections overtake: {overtook}");
    assert!(late > 10, "the dead are heard: {late}");
    use ResetReason::*;
    for why in [Refused, ConnectTimeout, ClosedByPeer, ResetByPeer, ResetByNetwork] {
        assert!(reasons.contains(&why), "{why:?}");
    }
}
