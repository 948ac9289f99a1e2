//! What the share promises.

use super::*;
use crate::cloud::latency::Latency;
use proptest::prelude::*;
use wavetank_sim::{NodeEpoch, NodeId, SortedMap, SortedSet};

fn life(node: u32, epoch: u32) -> Incarnation {
    Incarnation { node: NodeId(node), epoch: NodeEpoch(epoch) }
}

fn spec(nvram: bool) -> NfsSpec {
    NfsSpec {
        nvram,
        read: Latency::constant(Nanos::millis(1)).into(),
        write: Latency::constant(Nanos::millis(1)).into(),
        unstable_write: Latency::constant(Nanos::millis(1)).into(),
        commit: Latency::constant(Nanos::millis(1)),
        metadata: Latency::constant(Nanos::millis(1)),
        cross_az: Nanos::ZERO,
        failback_after: None,
        ..NfsSpec::fsx_ontap_multi_az(0, 1 << 30)
    }
}

struct Rig {
    share: NfsShare,
    wakes: SortedMap<(Nanos, u64), NfsStep>,
    seq: u64,
    now: Nanos,
    out: Vec<NfsOutput>,
    done: Vec<(Nanos, NfsDone)>,
}

impl Rig {
    fn new(spec: NfsSpec) -> Rig {
        let share = NfsShare::new(spec, &Choices::new(1), 0);
        Rig { share, wakes: SortedMap::new(), seq: 0, now: Nanos::ZERO, out: Vec::new(), done: Vec::new() }
    }

    fn collect(&mut self) {
        for output in self.out.drain(..) {
            match output {
                Output::Wake { at, step } => {
                    assert!(at >= self.now, "a wake-up in the past");
                    self.seq += 1;
                    self.wakes.insert((at, self.seq), step);
                }
                Output::Done(done) => self.done.push((self.now, done)),
            }
        }
    }

    /// One event at a time, so that a test can look at the share in between.
    fn next(&mut self, until: Nanos) -> bool {
        self.collect();
        let Some((&(at, seq), _)) = self.wakes.first_key_value().filter(|((at, _), _)| *at <= until) else {
            self.now = until.max(self.now);
            return false;
        };
        let step = self.wakes.remove(&(at, seq)).unwrap();
        self.now = at;
        self.share.step(at, step, &mut self.out);
        self.collect();
        true
    }

    fn run(&mut self, until: Nanos) {
        while self.next(until) {}
    }

    fn submit(&mut self, owner: Incarnation, op: NfsOp, fate: NfsFate) -> u64 {
        self.collect();
        self.seq += 1;
        let token = self.seq;
        self.share.submit(self.now, token, owner, 0, op, fate, &mut self.out);
        self.collect();
        token
    }

    /// Submits and waits for the answer, however long it takes.
    fn ask(&mut self, owner: Incarnation, op: NfsOp) -> Result<NfsReply, NfsError> {
        let token = self.submit(owner, op, NfsFate::default());
        loop {
            if let Some(at) = self.done.iter().position(|(_, d)| d.token == token) {
                return self.done.remove(at).1.result;
            }
            let next = self.wakes.first_key_value().expect("an answer comes").0.0;
            self.next(next);
        }
    }

    fn connect(&mut self, owner: Incarnation) -> ClientId {
        match self.ask(owner, NfsOp::ExchangeId) {
            Ok(NfsReply::Connected(client)) => client,
            other => panic!("{other:?}"),
        }
    }

    fn call(&mut self, client: ClientId, call: NfsCall) -> Result<NfsReply, NfsError> {
        self.ask(life(1, 1), NfsOp::Call { client, call })
    }

    fn open(&mut self, client: ClientId, path: &str) -> (FileHandle, StateId) {
        match self.call(client, NfsCall::Open { path: path.into(), how: OpenHow::Create }) {
            Ok(NfsReply::Opened { handle, state, .. }) => (handle, state),
            other => panic!("{other:?}"),
        }
    }

    fn write(
        &mut self,
        client: ClientId,
        file: (FileHandle, StateId),
        text: &'static str,
        stable: Stable,
    ) -> Result<WriteVerifier, NfsError> {
        match self.call(client, write(file, 0, text, stable))? {
            NfsReply::Written { verifier, .. } => Ok(verifier),
            other => panic!("{other:?}"),
        }
    }

    fn inject(&mut self, id: u32, fault: NfsFault) {
        self.share.inject(self.now, FaultId(id), fault, &mut self.out);
        self.collect();
    }

    fn heal(&mut self, id: u32) {
        self.share.heal(self.now, FaultId(id), &mut self.out);
        self.collect();
    }
}

fn write(file: (FileHandle, StateId), offset: u64, text: &'static str, stable: Stable) -> NfsCall {
    NfsCall::Write { state: file.1, handle: file.0, offset, data: Blob::real(text), stable }
}

#[test]
fn steps_are_small() {
    assert!(size_of::<NfsStep>() <= 16);
}

#[test]
fn a_late_write_of_a_fenced_client_never_lands() {
    let mut rig = Rig::new(spec(true));
    let (old, new) = (rig.connect(life(1, 1)), rig.connect(life(2, 1)));
    let file = rig.open(old, "wal");
    rig.write(old, file, "good", Stable::FileSync).unwrap();
    let late = NfsOp::Call { client: old, call: write(file, 0, "LATE", Stable::FileSync) };
    let token = rig.submit(life(1, 1), late, NfsFate { request_lost: true, ..NfsFate::default() });
    assert_eq!(rig.ask(life(2, 1), NfsOp::Fence { client: old }), Ok(NfsReply::Fenced));
    assert_eq!(rig.ask(life(1, 1), NfsOp::ExchangeId), Err(NfsError::Access));
    let (_, open) = rig.open(new, "wal");
    assert!(matches!(rig.call(new, NfsCall::Lock { open, exclusive: true }), Ok(NfsReply::Locked { .. })));
    rig.run(Nanos::secs(100));
    let late = rig.done.iter().find(|(_, d)| d.token == token).unwrap();
    assert!(late.0 > Nanos::secs(60));
    assert_eq!(late.1.result, Err(NfsError::AdminRevoked));
    assert_eq!(rig.share.peek("wal"), Some(Blob::real("good")));
    // The node's next life is another process.
    rig.connect(life(1, 2));
}

#[test]
fn a_lock_is_free_when_its_lease_has_run_out_and_the_old_holder_is_shut_out() {
    let mut rig = Rig::new(spec(true));
    let (old, new) = (rig.connect(life(1, 1)), rig.connect(life(2, 1)));
    let (file, other) = (rig.open(old, "wal"), rig.open(new, "wal"));
    let lock = |open| NfsCall::Lock { open, exclusive: true };
    let Ok(NfsReply::Locked { state }) = rig.call(old, lock(file.1)) else { panic!("free") };
    let held = (file.0, state);
    let locked_at = rig.now;
    assert_eq!(rig.call(new, lock(other.1)), Err(NfsError::Denied));
    assert_eq!(rig.write(new, other, "no", Stable::FileSync), Err(NfsError::Locked));
    // The new client keeps its lease; the old one falls silent.
    rig.run(locked_at + Nanos::secs(60));
    rig.call(new, NfsCall::Renew).unwrap();
    // An operation is applied a millisecond after it is submitted.
    rig.run(locked_at + Nanos::secs(90) - Nanos::millis(1) - Nanos(1));
    let token = rig.submit(life(2, 1), NfsOp::Call { client: new, call: lock(other.1) }, NfsFate::default());
    rig.run(locked_at + Nanos::secs(90) - Nanos::millis(1));
    assert!(rig.call(new, lock(other.1)).is_ok(), "free on the dot");
    let early = rig.done.iter().find(|(_, d)| d.token == token).unwrap();
    assert_eq!(early.1.result, Err(NfsError::Denied));
    assert!(rig.call(new, lock(other.1)).is_ok());
    assert_eq!(rig.write(old, held, "late", Stable::FileSync), Err(NfsError::Expired));
    assert_eq!(rig.write(new, other, "new", Stable::FileSync), Ok(WriteVerifier(1)));
    // It comes back as a new client, its old state is nobody's.
    let again = rig.connect(life(1, 1));
    assert_ne!(again, old);
    assert_eq!(rig.write(again, held, "late", Stable::FileSync), Err(NfsError::BadStateId));
}

#[test]
fn a_later_life_takes_the_place_of_an_earlier_one() {
    let mut rig = Rig::new(spec(true));
    let old = rig.connect(life(1, 1));
    let file = rig.open(old, "wal");
    rig.call(old, NfsCall::Lock { open: file.1, exclusive: true }).unwrap();
    let new = rig.connect(life(1, 2));
    let (_, open) = rig.open(new, "wal");
    assert!(rig.call(new, NfsCall::Lock { open, exclusive: true }).is_ok());
    assert_eq!(rig.write(old, file, "x", Stable::FileSync), Err(NfsError::StaleClientId));
    assert_eq!(rig.ask(life(1, 1), NfsOp::ExchangeId), Err(NfsError::StaleClientId));
}

#[test]
fn a_lost_answer_means_applied_once_and_answered_late() {
    let mut rig = Rig::new(spec(true));
    let client = rig.connect(life(1, 1));
    let lost = NfsFate { reply_lost: true, ..NfsFate::default() };
    let create = NfsCall::Open { path: "a".into(), how: OpenHow::CreateNew };
    let begun = rig.now;
    rig.submit(life(1, 1), NfsOp::Call { client, call: create }, lost);
    rig.run(begun + Nanos::secs(1));
    assert!(rig.share.peek("a").is_some() && rig.done.is_empty());
    // Over a takeover too: a second application of `CreateNew` would say that the file exists.
    rig.inject(1, NfsFault::Failover { duration: Nanos::secs(100) });
    rig.run(begun + Nanos::secs(300));
    let (at, answer) = rig.done.pop().unwrap();
    assert!(matches!(answer.result, Ok(NfsReply::Opened { .. })), "{answer:?}");
    assert!(at > begun + Nanos::secs(101));
    assert_eq!(rig.share.ops_open(), 0);
}

#[test]
fn operations_hang_during_a_takeover_and_then_proceed() {
    let mut rig = Rig::new(spec(true));
    let client = rig.connect(life(1, 1));
    let file = rig.open(client, "wal");
    rig.inject(1, NfsFault::Failover { duration: Nanos::secs(30) });
    assert_eq!(rig.share.active_az(), 1);
    let begun = rig.now;
    rig.write(client, file, "through", Stable::FileSync).unwrap();
    assert_eq!(rig.now, begun + Nanos::secs(30) + Nanos::millis(1));
    assert_eq!(rig.share.peek("wal"), Some(Blob::real("through")));
}

#[test]
fn in_the_grace_period_state_is_kept_by_who_is_heard_of_and_lost_by_who_is_not() {
    let mut rig = Rig::new(spec(true));
    let (a, b) = (rig.connect(life(1, 1)), rig.connect(life(2, 1)));
    let (fa, fb) = (rig.open(a, "a"), rig.open(b, "b"));
    rig.inject(1, NfsFault::Failover { duration: Nanos::secs(10) });
    rig.write(a, fa, "reclaimed", Stable::FileSync).unwrap();
    assert_eq!(rig.call(a, NfsCall::Lock { open: fa.1, exclusive: true }), Err(NfsError::Grace));
    rig.run(rig.now + Nanos::secs(45));
    assert!(rig.call(a, NfsCall::Lock { open: fa.1, exclusive: true }).is_ok());
    assert_eq!(rig.write(b, fb, "x", Stable::FileSync), Err(NfsError::Expired));
}

#[test]
fn a_single_az_share_is_down_with_its_zone_and_a_multi_az_share_is_not() {
    for standby_az in [None, Some(1)] {
        let mut rig = Rig::new(NfsSpec { standby_az, failback_after: Some(Nanos::secs(60)), ..spec(true) });
        let client = rig.connect(life(1, 1));
        let file = rig.open(client, "wal");
        rig.write(client, file, "kept", Stable::FileSync).unwrap();
        rig.inject(1, NfsFault::AzDown { az: 0 });
        rig.run(Nanos::secs(100));
        assert_eq!(rig.share.is_serving(), standby_az.is_some());
        rig.heal(1);
        rig.run(Nanos::secs(400));
        assert!(rig.share.is_serving());
        assert_eq!(rig.share.active_az(), 0, "it fails back to its preferred zone");
        assert_eq!(rig.share.peek("wal"), Some(Blob::real("kept")));
    }
}

#[test]
fn with_both_zones_down_nobody_serves_until_one_is_back() {
    let mut rig = Rig::new(spec(true));
    rig.inject(1, NfsFault::AzDown { az: 0 });
    rig.inject(2, NfsFault::AzDown { az: 1 });
    rig.submit(life(1, 1), NfsOp::ExchangeId, NfsFate::default());
    rig.run(Nanos::secs(1_000));
    assert!(!rig.share.is_serving() && rig.done.is_empty());
    rig.heal(2);
    rig.run(Nanos::secs(1_100));
    assert!(rig.share.is_serving());
    assert_eq!((rig.share.active_az(), rig.done.len()), (1, 1));
}

#[test]
fn handles_go_stale_with_the_file_and_with_the_fsid_and_come_back_with_the_heal() {
    let mut rig = Rig::new(spec(true));
    let client = rig.connect(life(1, 1));
    let (a, b) = (rig.open(client, "a"), rig.open(client, "b"));
    assert_eq!(rig.write(client, (b.0, a.1), "x", Stable::FileSync), Err(NfsError::BadStateId), "a's state on b");
    rig.call(client, NfsCall::Remove { path: "a".into() }).unwrap();
    assert_eq!(rig.write(client, a, "x", Stable::FileSync), Err(NfsError::Stale));
    rig.inject(1, NfsFault::StaleHandles);
    assert_eq!(rig.write(client, b, "x", Stable::FileSync), Err(NfsError::Stale));
    let meanwhile = rig.open(client, "b");
    assert!(rig.write(client, meanwhile, "x", Stable::FileSync).is_ok());
    rig.heal(1);
    assert_eq!(rig.write(client, meanwhile, "y", Stable::FileSync), Err(NfsError::Stale));
    assert!(rig.write(client, b, "y", Stable::FileSync).is_ok());
    // A rename over a file makes that one's handles stale, not its own.
    let c = rig.open(client, "c");
    rig.call(client, NfsCall::Rename { from: "b".into(), to: "c".into() }).unwrap();
    assert_eq!(rig.write(client, c, "z", Stable::FileSync), Err(NfsError::Stale));
    assert!(rig.write(client, b, "z", Stable::FileSync).is_ok());
}

#[test]
fn space_is_bounded_and_given_back() {
    let mut rig = Rig::new(NfsSpec { capacity_bytes: 6, ..spec(true) });
    let client = rig.connect(life(1, 1));
    let (a, b) = (rig.open(client, "a"), rig.open(client, "b"));
    rig.write(client, a, "1234", Stable::FileSync).unwrap();
    assert_eq!(rig.write(client, b, "123", Stable::FileSync), Err(NfsError::NoSpc));
    rig.inject(1, NfsFault::Full);
    assert_eq!(rig.write(client, b, "1", Stable::FileSync), Err(NfsError::NoSpc));
    assert!(rig.write(client, a, "4321", Stable::FileSync).is_ok(), "what does not grow needs no space");
    rig.heal(1);
    rig.call(client, NfsCall::SetSize { state: a.1, handle: a.0, size: 1 }).unwrap();
    assert!(rig.write(client, b, "123", Stable::FileSync).is_ok());
    rig.call(client, NfsCall::Remove { path: "b".into() }).unwrap();
    assert_eq!(rig.share.used_bytes(), 1);
}

#[test]
fn a_stall_freezes_leases_and_slow_stretches() {
    let mut rig = Rig::new(spec(true));
    let client = rig.connect(life(1, 1));
    let file = rig.open(client, "wal");
    rig.inject(1, NfsFault::Stall);
    rig.run(Nanos::secs(500));
    rig.heal(1);
    assert!(rig.write(client, file, "x", Stable::FileSync).is_ok());
    rig.inject(2, NfsFault::Slow { num: 5, den: 1 });
    rig.inject(3, NfsFault::Slow { num: 2, den: 1 });
    let begun = rig.now;
    rig.write(client, file, "x", Stable::FileSync).unwrap();
    assert_eq!(rig.now - begun, Nanos::millis(10));
}

#[derive(Clone, Debug)]
enum Act {
    Open(usize, usize),
    Write { file: usize, offset: u64, len: u64, stable: u8 },
    Commit(usize),
    Read(usize),
    SetSize(usize, u64),
    Remove(usize),
    Rename(usize, usize),
    Lock { file: usize, exclusive: bool },
    Fence(usize),
    Failover,
    Wait(u64),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => (0usize..2, 0usize..2).prop_map(|(c, p)| Act::Open(c, p)),
        10 => (0usize..8, 0u64..20, 0u64..10, 0u8..3)
            .prop_map(|(file, offset, len, stable)| Act::Write { file, offset, len, stable }),
        2 => (0usize..8).prop_map(Act::Commit),
        3 => (0usize..8).prop_map(Act::Read),
        1 => (0usize..8, 0u64..20).prop_map(|(f, s)| Act::SetSize(f, s)),
        1 => (0usize..2).prop_map(Act::Remove),
        1 => (0usize..2, 0usize..2).prop_map(|(a, b)| Act::Rename(a, b)),
        2 => (0usize..8, any::<bool>()).prop_map(|(file, exclusive)| Act::Lock { file, exclusive }),
        1 => (0usize..2).prop_map(Act::Fence),
        2 => Just(Act::Failover),
        2 => (0u64..100).prop_map(Act::Wait),
    ]
}

const PATHS: [&str; 2] = ["a", "b"];

/// A file of the reference: a byte a place, and which places a lost memory may take back.
#[derive(Clone, Debug, Default)]
struct Bytes {
    now: Vec<u8>,
    safe: Vec<u8>,
    at_risk: Vec<bool>,
}

impl Bytes {
    fn write(&mut self, offset: usize, data: &[u8], safe: bool) {
        if data.is_empty() {
            return;
        }
        let end = offset + data.len();
        if self.now.len() < end {
            self.now.resize(end, 0);
        }
        if self.at_risk.len() < end {
            self.at_risk.resize(end, false);
        }
        self.now[offset..end].copy_from_slice(data);
        self.at_risk[offset..end].fill(!safe);
        if safe {
            if self.safe.len() < end {
                self.safe.resize(end, 0);
            }
            self.safe[offset..end].copy_from_slice(data);
        }
    }

    fn commit(&mut self) {
        self.safe = self.now.clone();
        self.at_risk.fill(false);
    }

    fn survives_as(&self, seen: &[u8]) -> bool {
        let at = |bytes: &[u8], i: usize| bytes.get(i).copied().unwrap_or(0);
        (self.safe.len()..=self.now.len()).contains(&seen.len())
            && seen.iter().enumerate().all(|(i, byte)| {
                *byte == at(&self.now, i) || (self.at_risk.get(i) == Some(&true) && *byte == at(&self.safe, i))
            })
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    /// One operation at a time against plain vectors: contents, names, stale handles, fences, leases, locks, and what
    /// a takeover may take.
    #[test]
    fn the_share_equals_its_reference(nvram in any::<bool>(), acts in prop::collection::vec(act(), 1..60)) {
        let mut rig = Rig::new(NfsSpec { grace_period: Nanos::ZERO, ..spec(nvram) });
        let clients = [rig.connect(life(1, 1)), rig.connect(life(2, 1))];
        let mut heard = [rig.now; 2];
        let mut gone = [false; 2]; // fenced or expired
        let mut fenced = SortedSet::new();
        let mut verifier = WriteVerifier(1);
        let mut names: SortedMap<&str, usize> = SortedMap::new();
        let mut files: Vec<Option<Bytes>> = Vec::new();
        let mut opens: Vec<(usize, usize, FileHandle, StateId)> = Vec::new(); // client, file
        let mut locks: Vec<(usize, usize, bool)> = Vec::new(); // client, file, exclusive
        for (i, act) in acts.into_iter().enumerate() {
            let tag = i as u8 + 1;
            let open_of = |n: usize| opens.get(n % opens.len().max(1)).copied();
            let (who, call) = match act {
                Act::Wait(secs) => {
                    rig.run(rig.now + Nanos::secs(secs));
                    continue;
                }
                Act::Failover => {
                    let duration = Nanos::secs(5);
                    for c in 0..2 {
                        gone[c] |= rig.now - heard[c] >= Nanos::secs(90);
                    }
                    rig.inject(1, NfsFault::Failover { duration });
                    rig.run(rig.now + duration);
                    heard = [rig.now; 2];
                    for (path, file) in &names {
                        let seen = rig.share.peek(path).unwrap().to_bytes().unwrap().to_vec();
                        let bytes = files[*file].as_mut().unwrap();
                        prop_assert!(bytes.survives_as(&seen), "{bytes:?} became {seen:?}");
                        prop_assert!(!nvram || seen == bytes.now);
                        *bytes = Bytes { at_risk: vec![false; seen.len()], safe: seen.clone(), now: seen };
                    }
                    verifier.0 += u64::from(!nvram);
                    continue;
                }
                Act::Fence(c) => {
                    prop_assert_eq!(rig.ask(life(9, 1), NfsOp::Fence { client: clients[c] }), Ok(NfsReply::Fenced));
                    gone[c] = true;
                    fenced.insert(c);
                    continue;
                }
                Act::Open(c, p) => (c, NfsCall::Open { path: PATHS[p].into(), how: OpenHow::Create }),
                Act::Remove(p) => (i % 2, NfsCall::Remove { path: PATHS[p].into() }),
                Act::Rename(a, b) => (i % 2, NfsCall::Rename { from: PATHS[a].into(), to: PATHS[b].into() }),
                Act::Write { file, offset, len, stable } => {
                    let Some((c, _, handle, state)) = open_of(file) else { continue };
                    let stable = [Stable::Unstable, Stable::DataSync, Stable::FileSync][stable as usize];
                    (c, NfsCall::Write { state, handle, offset, data: Blob::real(vec![tag; len as usize]), stable })
                }
                Act::Commit(file) => {
                    let Some((c, _, handle, _)) = open_of(file) else { continue };
                    (c, NfsCall::Commit { handle })
                }
                Act::Read(file) => {
                    let Some((c, _, handle, state)) = open_of(file) else { continue };
                    (c, NfsCall::Read { state, handle, offset: 3, len: 10 })
                }
                Act::SetSize(file, size) => {
                    let Some((c, _, handle, state)) = open_of(file) else { continue };
                    (c, NfsCall::SetSize { state, handle, size })
                }
                Act::Lock { file, exclusive } => {
                    let Some((c, _, _, open)) = open_of(file) else { continue };
                    (c, NfsCall::Lock { open, exclusive })
                }
            };
            let file_of = |handle: FileHandle| opens.iter().find(|o| o.2 == handle).map(|o| o.1).unwrap();
            let answer = rig.ask(life(1, 1), NfsOp::Call { client: clients[who], call: call.clone() });
            // Whose state is gone by now? Their locks go with it.
            for c in 0..2 {
                gone[c] |= rig.now - heard[c] >= Nanos::secs(90);
            }
            locks.retain(|(c, file, _)| !gone[*c] && files[*file].is_some());
            if gone[who] {
                let error = if fenced.contains(&who) { NfsError::AdminRevoked } else { NfsError::Expired };
                prop_assert_eq!(&answer, &Err(error));
            } else {
                heard[who] = rig.now;
                let locked_out = |file: usize, writes: bool| locks.iter().any(|l| l.0 != who && l.1 == file && (writes || l.2));
                let refusal = |file: usize, writes: bool| match &files[file] {
                    None => Some(NfsError::Stale),
                    Some(_) if locked_out(file, writes) => Some(NfsError::Locked),
                    Some(_) => None,
                };
                match call {
                    NfsCall::Open { path, .. } => {
                        let path = PATHS.into_iter().find(|p| **p == *path).unwrap();
                        let file = *names.entry(path).or_insert_with(|| {
                            files.push(Some(Bytes::default()));
                            files.len() - 1
                        });
                        let Ok(NfsReply::Opened { handle, state, size }) = answer else { panic!("{answer:?}") };
                        prop_assert_eq!(size as usize, files[file].as_ref().unwrap().now.len());
                        opens.push((who, file, handle, state));
                    }
                    NfsCall::Write { handle, offset, data, stable, .. } => {
                        let file = file_of(handle);
                        match refusal(file, true) {
                            Some(error) => prop_assert_eq!(answer, Err(error)),
                            None => {
                                let safe = nvram || stable != Stable::Unstable;
                                let committed = if nvram { Stable::FileSync } else { stable };
                                prop_assert_eq!(answer, Ok(NfsReply::Written { committed, verifier }));
                                let data = data.to_bytes().unwrap();
                                files[file].as_mut().unwrap().write(offset as usize, &data, safe);
                            }
                        }
                    }
                    NfsCall::Commit { handle } => match files[file_of(handle)].as_mut() {
                        None => prop_assert_eq!(answer, Err(NfsError::Stale)),
                        Some(bytes) => {
                            bytes.commit();
                            prop_assert_eq!(answer, Ok(NfsReply::Committed { verifier }));
                        }
                    },
                    NfsCall::Read { handle, .. } => {
                        let file = file_of(handle);
                        match refusal(file, false) {
                            Some(error) => prop_assert_eq!(answer, Err(error)),
                            None => {
                                let now = &files[file].as_ref().unwrap().now;
                                let data = now.get(3..now.len().min(13)).unwrap_or(&[]).to_vec();
                                prop_assert_eq!(answer, Ok(NfsReply::Data { data: Blob::real(data), eof: now.len() <= 13 }));
                            }
                        }
                    }
                    NfsCall::SetSize { handle, size, .. } => {
                        let file = file_of(handle);
                        match refusal(file, true) {
                            Some(error) => prop_assert_eq!(answer, Err(error)),
                            None => {
                                let bytes = files[file].as_mut().unwrap();
                                for part in [&mut bytes.now, &mut bytes.safe] {
                                    part.resize(size as usize, 0);
                                }
                                bytes.at_risk.resize(size as usize, false);
                                prop_assert_eq!(answer, Ok(NfsReply::Ok));
                            }
                        }
                    }
                    NfsCall::Remove { path } => match names.remove(&*path) {
                        None => prop_assert_eq!(answer, Err(NfsError::NoEnt)),
                        Some(file) => files[file] = None,
                    },
                    NfsCall::Rename { from, to } => {
                        let to = PATHS.into_iter().find(|p| **p == *to).unwrap();
                        match names.remove(&*from) {
                            None => prop_assert_eq!(answer, Err(NfsError::NoEnt)),
                            Some(file) => {
                                if let Some(replaced) = names.insert(to, file) {
                                    files[replaced] = None;
                                }
                            }
                        }
                    }
                    NfsCall::Lock { open, exclusive } => {
                        let file = opens.iter().find(|o| o.3 == open).map(|o| o.1).unwrap();
                        let conflict = locks.iter().any(|l| l.0 != who && l.1 == file && (exclusive || l.2));
                        match (&files[file], conflict) {
                            (None, _) => prop_assert_eq!(answer, Err(NfsError::BadStateId)),
                            (Some(_), true) => prop_assert_eq!(answer, Err(NfsError::Denied)),
                            (Some(_), false) => {
                                prop_assert!(answer.is_ok(), "{answer:?}");
                                locks.push((who, file, exclusive));
                            }
                        }
                    }
                    NfsCall::Renew | NfsCall::Release { .. } | NfsCall::ReadDir { .. } => unreachable!(),
                }
            }
            // Whatever was answered, nothing else changed.
            for path in PATHS {
                let expect = names.get(path).map(|file| Blob::real(files[*file].as_ref().unwrap().now.clone()));
                prop_assert_eq!(rig.share.peek(path), expect, "{}", path);
            }
            let used: usize = files.iter().flatten().map(|f| f.now.len()).sum();
            prop_assert_eq!(rig.share.used_bytes(), used as u64);
        }
    }

    /// The share is a pipe of a fixed width: together, reads and writes never go faster, and it never idles.
    #[test]
    fn throughput_and_operations_are_capped_and_conserved(sizes in prop::collection::vec(1u64..100_000, 1..50)) {
        let rate = 1_000_000;
        let mut rig = Rig::new(NfsSpec { throughput_bytes_per_sec: rate, ops_per_sec: 50, ..spec(true) });
        let client = rig.connect(life(1, 1));
        let file = rig.open(client, "wal");
        rig.run(rig.now + Nanos::secs(1));
        let begun = rig.now;
        let (mut tokens, mut free) = (SortedMap::new(), (0u128, 0u128));
        for (i, len) in sizes.iter().enumerate() {
            let call = if i % 2 == 0 {
                NfsCall::Write { state: file.1, handle: file.0, offset: 0, data: Blob::named(1, *len), stable: Stable::FileSync }
            } else {
                NfsCall::Read { state: file.1, handle: file.0, offset: 0, len: *len }
            };
            let token = rig.submit(life(1, 1), NfsOp::Call { client, call }, NfsFate::default());
            free.0 += u128::from(*len) * 1_000;
            free.1 += 20_000_000;
            tokens.insert(token, free.0.max(free.1) + 1_000_000);
        }
        rig.run(begun + Nanos::secs(1_000));
        prop_assert_eq!(rig.done.len(), sizes.len());
        for (at, done) in &rig.done {
            prop_assert_eq!(u128::from((*at - begun).0), tokens[&done.token]);
        }
    }

    /// Whatever holds and heals, and whatever fate strikes: each operation ends once.
    #[test]
    fn every_operation_ends_once(
        acts in prop::collection::vec((0u64..40, 0u8..8, 0u32..4, any::<[bool; 4]>()), 1..60),
        nvram in any::<bool>(),
    ) {
        let mut rig = Rig::new(NfsSpec { failback_after: Some(Nanos::secs(20)), ..spec(nvram) });
        let mut tokens = SortedSet::new();
        let client = rig.connect(life(1, 1));
        for (gap, kind, id, fate) in acts {
            rig.run(rig.now + Nanos::secs(gap));
            match kind {
                0 => rig.inject(id, NfsFault::Failover { duration: Nanos::secs(7) }),
                1 => rig.inject(id, NfsFault::AzDown { az: (id % 2) as u8 }),
                2 => rig.inject(id, NfsFault::Stall),
                3 | 4 => rig.heal(id),
                _ => {
                    let [request_lost, reply_lost, delay, io_error] = fate;
                    let call = NfsCall::Open { path: "a".into(), how: OpenHow::Create };
                    let fate = NfsFate { request_lost, reply_lost, delay, io_error };
                    tokens.insert(rig.submit(life(1, 1), NfsOp::Call { client, call }, fate));
                }
            }
        }
        (0..4).for_each(|id| rig.heal(id));
        rig.run(rig.now + Nanos::secs(1_000));
        let ended: Vec<u64> = rig.done.iter().map(|(_, d)| d.token).collect();
        prop_assert_eq!(ended.len(), tokens.len());
        prop_assert_eq!(ended.into_iter().collect::<SortedSet<_>>(), tokens);
        prop_assert!(rig.share.is_serving() && rig.share.ops_open() == 0);
    }
}

#[test]
fn fates_take_the_same_draws_whatever_the_rates() {
    let draws = |rates: NfsRates| {
        let mut stream = Choices::new(1).stream(Domain::new("test"), 0);
        let fate = NfsFate::draw(&rates, &mut stream);
        (fate, stream.bits64())
    };
    let (none, after_none) = draws(NfsRates::default());
    let all = NfsRates {
        request_lost_ppm: 1_000_000,
        reply_lost_ppm: 1_000_000,
        delay_ppm: 1_000_000,
        io_error_ppm: 1_000_000,
    };
    let (every, after_every) = draws(all);
    assert_eq!(none, NfsFate::default());
    assert!(every.request_lost && every.reply_lost && every.delay && every.io_error);
    assert_eq!(after_none, after_every);
}
