//! A driver for tests: keeps time, brings wake-ups back, collects answers.

use super::*;
use crate::cloud::express::ExpressStore;
use wavetank_sim::{NodeEpoch, NodeId};

/// What the driver needs of either store.
pub(crate) trait Device {
    fn submit(&mut self, now: Nanos, c: Caller, b: BucketId, op: ObjectOp, f: ObjectFate, out: &mut Vec<ObjectOutput>);
    fn step(&mut self, now: Nanos, step: ObjectStep, out: &mut Vec<ObjectOutput>);
}

impl Device for ObjectStore {
    fn submit(&mut self, now: Nanos, c: Caller, b: BucketId, op: ObjectOp, f: ObjectFate, out: &mut Vec<ObjectOutput>) {
        ObjectStore::submit(self, now, c, b, op, f, out);
    }
    fn step(&mut self, now: Nanos, step: ObjectStep, out: &mut Vec<ObjectOutput>) {
        ObjectStore::step(self, now, step, out);
    }
}

impl Device for ExpressStore {
    fn submit(&mut self, now: Nanos, c: Caller, b: BucketId, op: ObjectOp, f: ObjectFate, out: &mut Vec<ObjectOutput>) {
        ExpressStore::submit(self, now, c, b, op, f, out);
    }
    fn step(&mut self, now: Nanos, step: ObjectStep, out: &mut Vec<ObjectOutput>) {
        ExpressStore::step(self, now, step, out);
    }
}

pub(crate) type Answer = Result<ObjectOk, ObjectError>;

pub(crate) const OWNER: Incarnation = Incarnation { node: NodeId(1), epoch: NodeEpoch(1) };

/// One device and its time.
pub(crate) struct Bench<D> {
    pub device: D,
    pub now: Nanos,
    pub from_az: u8,
    pub owner: Incarnation,
    /// By time, then by order of asking: LIFO when set, to try the other tie-break.
    wakes: SortedMap<(Nanos, i64), ObjectStep>,
    asked: i64,
    pub lifo: bool,
    pub answers: SortedMap<u64, (Nanos, Answer)>,
    next_token: u64,
    out: Vec<ObjectOutput>,
}

impl<D: Device> Bench<D> {
    pub fn new(device: D) -> Bench<D> {
        Bench {
            device,
            now: Nanos::ZERO,
            from_az: 0,
            owner: OWNER,
            wakes: SortedMap::new(),
            asked: 0,
            lifo: false,
            answers: SortedMap::new(),
            next_token: 0,
            out: Vec::new(),
        }
    }

    pub fn send(&mut self, op: ObjectOp, fate: ObjectFate) -> u64 {
        self.next_token += 1;
        let caller = Caller { token: self.next_token, owner: self.owner, from_az: self.from_az };
        self.device.submit(self.now, caller, BucketId(0), op, fate, &mut self.out);
        self.collect();
        self.next_token
    }

    fn collect(&mut self) {
        for output in self.out.drain(..) {
            match output {
                Output::Wake { at, step } => {
                    assert!(at >= self.now, "a wake-up in the past");
                    self.asked += 1;
                    self.wakes.insert((at, if self.lifo { -self.asked } else { self.asked }), step);
                }
                Output::Done(done) => {
                    // On its connection alone, as nobody shares a card here.
                    let old = self.answers.insert(done.token, (self.now + done.body_takes, done.result));
                    assert!(old.is_none(), "answered twice");
                }
            }
        }
    }

    /// Lets time pass up to and with `until`.
    pub fn run_to(&mut self, until: Nanos) {
        while let Some((&(at, tie), &step)) = self.wakes.first_key_value() {
            if at > until {
                break;
            }
            self.wakes.remove(&(at, tie));
            self.now = at;
            self.device.step(at, step, &mut self.out);
            self.collect();
        }
        self.now = until;
    }

    /// Sends and waits for the answer; time stands at the answer.
    pub fn call(&mut self, op: ObjectOp, fate: ObjectFate) -> Answer {
        let token = self.send(op, fate);
        self.wait(token)
    }

    /// Waits for an answer; time stands at the answer, or where it stood when that was earlier.
    pub fn wait(&mut self, token: u64) -> Answer {
        while !self.answers.contains_key(&token) {
            let (&(at, _), _) = self.wakes.first_key_value().expect("an answer comes");
            self.run_to(at);
        }
        self.run_to(self.now.max(self.answers[&token].0));
        self.answers[&token].1.clone()
    }

    pub fn ok(&mut self, op: ObjectOp) -> Answer {
        self.call(op, ObjectFate::OK)
    }

    /// Until nothing is under way.
    pub fn run_out(&mut self) {
        while let Some((&(at, _), _)) = self.wakes.first_key_value() {
            self.run_to(at);
        }
    }

    pub fn content(&mut self, name: &str) -> Option<Blob> {
        match self.ok(get(name)) {
            Ok(ObjectOk::Content { body, .. }) => Some(body),
            Err(ObjectError::NoSuchKey) => None,
            other => panic!("{other:?}"),
        }
    }

    pub fn written(&mut self, op: ObjectOp) -> ETag {
        match self.ok(op) {
            Ok(ObjectOk::Written { etag }) => etag,
            other => panic!("{other:?}"),
        }
    }

    pub fn page(&mut self, prefix: &str, from: ListFrom, max_keys: u32, delimiter: Option<char>) -> ListPage {
        match self.ok(ObjectOp::List { prefix: key(prefix), from, max_keys, delimiter }) {
            Ok(ObjectOk::Page(page)) => page,
            other => panic!("{other:?}"),
        }
    }

    /// All pages: keys, common prefixes, number of pages.
    pub fn list_all(&mut self, prefix: &str, max_keys: u32, delimiter: Option<char>) -> (Vec<Key>, Vec<Key>, usize) {
        let (mut keys, mut groups, mut pages, mut from) = (Vec::new(), Vec::new(), 0, ListFrom::Start);
        loop {
            let page = self.page(prefix, from, max_keys, delimiter);
            pages += 1;
            assert!(page.entries.len() + page.common_prefixes.len() <= max_keys.min(1_000) as usize);
            keys.extend(page.entries.into_iter().map(|entry| entry.key));
            groups.extend(page.common_prefixes);
            match page.next {
                Some(token) => from = ListFrom::Continue(token),
                None => return (keys, groups, pages),
            }
        }
    }
}

use crate::blob::Blob;
use crate::cloud::Output;

pub(crate) fn key(name: &str) -> Key {
    Key::from(name)
}

/// A body that is told by its identity.
pub(crate) fn body(identity: u64) -> Blob {
    Blob::named(identity, 100)
}

pub(crate) fn put(name: &str, identity: u64) -> ObjectOp {
    put_if(name, identity, Condition::None)
}

pub(crate) fn put_if(name: &str, identity: u64, condition: Condition) -> ObjectOp {
    ObjectOp::Put { key: key(name), body: body(identity), condition }
}

pub(crate) fn get(name: &str) -> ObjectOp {
    ObjectOp::Get { key: key(name), range: None }
}

pub(crate) fn delete(name: &str) -> ObjectOp {
    ObjectOp::Delete { key: key(name) }
}

/// A store with one bucket and a profile.
pub(crate) fn store_with(profile: ObjectStoreProfile, seed: u64) -> Bench<ObjectStore> {
    let mut store = ObjectStore::new(profile, &Choices::new(seed), 0);
    store.create_bucket(Nanos::ZERO);
    Bench::new(store)
}

pub(crate) fn store() -> Bench<ObjectStore> {
    store_with(ObjectStoreProfile::assumed(), 1)
}
