//! Random histories against two small models that share no code with the store.
//!
//! The *exact* model knows every instant (constant latencies, effect at the answer) and predicts every answer of
//! concurrent requests. The *client's* model knows only what a client knows: it keeps the set of states that each key may
//! be in, with the effects that may still land, and every answer must be possible; after [`LATE_BOUND`] nothing moves.

use super::harness::*;
use super::*;
use crate::cloud::express::{ExpressFault, ExpressProfile, ExpressStore};
use proptest::prelude::*;
use wavetank_sim::{SortedMap, SortedSet};

const KEYS: [&str; 3] = ["a/x", "a/y", "b"];

#[derive(Clone, Copy, Debug)]
enum Call {
    Put,
    PutIfNone,
    PutIfMatch(u64),
    Delete,
    Get,
    List,
}

fn call() -> impl Strategy<Value = Call> {
    prop_oneof![
        4 => Just(Call::Put),
        2 => Just(Call::PutIfNone),
        2 => (0u64..40).prop_map(Call::PutIfMatch),
        2 => Just(Call::Delete),
        3 => Just(Call::Get),
        1 => Just(Call::List),
    ]
}

/// A fate anywhere in the lattice, half of the time an ordinary one; the duplicate's time in whole milliseconds.
fn fate() -> impl Strategy<Value = ObjectFate> {
    let times = (0u64..5_000, 1u64..5_000, prop_oneof![0u64..200, 0u64..30_000]);
    let points: Vec<LatticePoint> = LatticePoint::grid().filter(|point| point.is_legal()).collect();
    let anywhere = (prop::sample::select(points), times).prop_map(|(point, (late, timeout, after))| {
        let times = FateTimes {
            late_by: Nanos::millis(late),
            timeout: Nanos::millis(timeout),
            duplicate_after: Nanos::millis(after),
        };
        ObjectFate::at(point, times).expect("legal")
    });
    prop_oneof![Just(ObjectFate::OK), anywhere]
}

fn op_of(call: Call, name: &str, identity: u64) -> ObjectOp {
    match call {
        Call::Put => put(name, identity),
        Call::PutIfNone => put_if(name, identity, Condition::IfNoneMatch),
        Call::PutIfMatch(of) => put_if(name, identity, Condition::IfMatch(ETag::of_body(&body(of)))),
        Call::Delete => delete(name),
        Call::Get => get(name),
        Call::List => ObjectOp::List { prefix: key(""), from: ListFrom::Start, max_keys: 9, delimiter: None },
    }
}

/// What a client learns, without tags.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Told {
    Done,
    Value(Option<u64>),
    Keys(Vec<String>),
    Error(ObjectError),
}

fn told(answer: &Answer) -> Told {
    match answer {
        Ok(ObjectOk::Content { body: content, .. }) => {
            Told::Value(Some((0..100).find(|&id| *content == body(id)).expect("some body that was put")))
        }
        Ok(ObjectOk::Page(page)) => {
            let mut keys: Vec<String> = page.entries.iter().map(|entry| entry.key.to_string()).collect();
            keys.sort();
            Told::Keys(keys)
        }
        Ok(_) => Told::Done,
        Err(error) => Told::Error(*error),
    }
}

/// A plain map and when each key was last really deleted.
#[derive(Default)]
struct Plain {
    objects: SortedMap<&'static str, u64>,
    deleted_at: SortedMap<&'static str, u64>,
}

impl Plain {
    fn apply(&mut self, at: u64, sent: Option<u64>, call: Call, name: &'static str, identity: u64) -> Told {
        let present = self.objects.get(name).copied();
        let raced = sent.is_some_and(|sent| self.deleted_at.get(name).is_some_and(|&gone| gone > sent));
        let refused = match (call, present) {
            (Call::PutIfNone, Some(_)) => Some(ObjectError::PreconditionFailed),
            (Call::PutIfMatch(_), None) => Some(ObjectError::NoSuchKey),
            (Call::PutIfMatch(of), Some(has)) if has != of => Some(ObjectError::PreconditionFailed),
            (Call::PutIfNone | Call::PutIfMatch(_), _) if raced => Some(ObjectError::ConditionalRequestConflict),
            _ => None,
        };
        if let Some(error) = refused {
            return Told::Error(error);
        }
        match call {
            Call::Put | Call::PutIfNone | Call::PutIfMatch(_) => {
                self.objects.insert(name, identity);
                Told::Done
            }
            Call::Delete => {
                if self.objects.remove(name).is_some() {
                    self.deleted_at.insert(name, at);
                }
                Told::Done
            }
            Call::Get => present.map_or(Told::Error(ObjectError::NoSuchKey), |id| Told::Value(Some(id))),
            Call::List => Told::Keys(self.objects.keys().map(|key| (*key).to_owned()).collect()),
        }
    }
}

/// What one call will do, in the exact model.
struct Landing {
    at: u64,
    sent: Option<u64>,
    nth: usize,
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(15_000))]

    #[test]
    fn every_answer_of_concurrent_requests_is_the_exact_models(
        calls in prop::collection::vec((call(), 0usize..3, fate(), 0u64..40), 1..30), lifo: bool)
    {
        let mut profile = ObjectStoreProfile::assumed();
        profile.latencies.arrival_ppm = 1_000_000;
        let mut bench = store_with(profile, 1);
        bench.lifo = lifo;
        // 100 bytes at 12 ms/MiB, rounded down as the store does.
        let transfer = 12_000_000u64 * 100 / (1 << 20);
        let (mut landings, mut tokens, mut ms) = (Vec::new(), Vec::new(), 0);
        for (nth, &(call, which, fate, gap)) in calls.iter().enumerate() {
            ms += gap;
            // Seven nanoseconds apart and remainders that differ: no two effects at one instant.
            let sent = ms * 1_000_000 + nth as u64 * 7;
            bench.run_to(Nanos(sent));
            tokens.push(bench.send(op_of(call, KEYS[which], nth as u64), fate));
            let latency = match call {
                Call::Put | Call::PutIfNone | Call::PutIfMatch(_) => 30_000_000 + transfer,
                Call::Delete | Call::Get => 25_000_000,
                Call::List => 30_000_000,
            };
            if fate.applied() {
                landings.push(Landing { at: sent + latency, sent: Some(sent), nth });
            }
            if let Some(after) = fate.duplicate {
                landings.push(Landing { at: sent + after.0.max(latency + 1), sent: None, nth });
            }
        }
        bench.run_out();
        prop_assert_eq!(bench.device.in_flight(), 0);
        landings.sort_by_key(|landing| landing.at);
        let (mut plain, mut expected) = (Plain::default(), SortedMap::new());
        for Landing { at, sent, nth } in landings {
            let (call, which, ..) = calls[nth];
            let told = plain.apply(at, sent, call, KEYS[which], nth as u64);
            if sent.is_some() {
                expected.insert(nth, told);
            }
        }
        for (nth, &(call, _, fate, _)) in calls.iter().enumerate() {
            let (_, answer) = &bench.answers[&tokens[nth]];
            let expected = match fate.outcome {
                Outcome::Ok | Outcome::AnsweredLate { .. } => expected[&nth].clone(),
                Outcome::SlowDown { .. } => Told::Error(ObjectError::SlowDown { retry_after: Nanos::secs(1) }),
                Outcome::InternalError { .. } => Told::Error(ObjectError::InternalError),
                Outcome::TimedOut { .. } => Told::Error(ObjectError::TimedOut),
                Outcome::Reset { .. } => Told::Error(ObjectError::ConnectionReset),
            };
            prop_assert_eq!(told(answer), expected, "call {} {:?} {:?}", nth, call, fate);
        }
        for name in KEYS {
            let truth = bench.device.peek(BucketId(0), name).cloned();
            prop_assert_eq!(truth, plain.objects.get(name).map(|&id| body(id)));
        }
    }
}

/// What a client can know of one key.
#[derive(Clone, Debug)]
struct Known {
    possible: SortedSet<Option<u64>>,
    /// Effects that may still land, and until when.
    pending: Vec<(Effect, Nanos)>,
}

#[derive(Clone, Copy, Debug)]
enum Effect {
    Put(u64),
    PutIfNone(u64),
    Delete,
}

impl Known {
    fn only(&mut self, states: impl IntoIterator<Item = Option<u64>>) {
        self.possible = states.into_iter().collect();
        assert!(!self.possible.is_empty(), "no state explains the answer");
        self.close();
    }

    /// Adds every state that pending effects can lead to.
    fn close(&mut self) {
        loop {
            let before = self.possible.len();
            for (effect, _) in &self.pending {
                match *effect {
                    Effect::Put(id) => {
                        self.possible.insert(Some(id));
                    }
                    Effect::PutIfNone(id) => {
                        if self.possible.contains(&None) {
                            self.possible.insert(Some(id));
                        }
                    }
                    Effect::Delete => {
                        self.possible.insert(None);
                    }
                }
            }
            if self.possible.len() == before {
                return;
            }
        }
    }

    fn forget_before(&mut self, now: Nanos) {
        self.pending.retain(|&(_, until)| until >= now);
    }
}

/// A change of the weather, some milliseconds after a request was sent.
#[derive(Clone, Copy, Debug)]
enum Turn {
    Stays,
    RegionDown,
    Cut,
    Brownout,
    Heals,
}

fn turn() -> impl Strategy<Value = Turn> {
    prop_oneof![
        12 => Just(Turn::Stays),
        1 => Just(Turn::RegionDown),
        1 => Just(Turn::Cut),
        1 => Just(Turn::Brownout),
        4 => Just(Turn::Heals),
    ]
}

/// Faults of either store, by what they do.
trait Weathered: Device {
    fn turn(&mut self, now: Nanos, nth: u32, turn: Turn);
}

impl Weathered for ObjectStore {
    fn turn(&mut self, now: Nanos, nth: u32, turn: Turn) {
        let fault = match turn {
            Turn::Stays => return,
            Turn::Heals => return (0..=nth).for_each(|id| self.heal(now, FaultId(id), &mut Vec::new())),
            Turn::RegionDown => ObjectStoreFault::Outage { az: None },
            Turn::Cut => ObjectStoreFault::Outage { az: Some(0) },
            Turn::Brownout => ObjectStoreFault::Brownout { az: None, latency_percent: 900, error_ppm: 300_000 },
        };
        self.inject(now, FaultId(nth), fault, &mut Vec::new());
    }
}

impl Weathered for ExpressStore {
    fn turn(&mut self, now: Nanos, nth: u32, turn: Turn) {
        let fault = match turn {
            Turn::Stays => return,
            Turn::Heals => return (0..=nth).for_each(|id| self.heal(now, FaultId(id), &mut Vec::new())),
            Turn::RegionDown => ExpressFault::AzDown,
            Turn::Cut => ExpressFault::Unreachable { from_az: 0 },
            Turn::Brownout => ExpressFault::Brownout { latency_percent: 900, error_ppm: 300_000 },
        };
        self.inject(now, FaultId(nth), fault, &mut Vec::new());
    }
}

/// One client, one request at a time, any fates, any weather: whatever it is told must be possible.
fn check_client_view<D: Weathered>(
    bench: &mut Bench<D>,
    calls: &[(Call, usize, ObjectFate, u64, Turn)],
) -> Result<(), TestCaseError> {
    let mut known = vec![Known { possible: SortedSet::from([None]), pending: Vec::new() }; KEYS.len()];
    for (nth, &(call, which, fate, pause, turn)) in calls.iter().enumerate() {
        bench.run_to(bench.now + Nanos::millis(pause * pause * 4));
        let sent = bench.now;
        let identity = nth as u64;
        for key in &mut known {
            key.forget_before(sent);
        }
        let token = bench.send(op_of(call, KEYS[which], identity), fate);
        bench.run_to(sent + Nanos::millis(pause));
        bench.device.turn(bench.now, nth as u32, turn);
        let answer = told(&bench.wait(token));
        let effect = match call {
            Call::Put => Some(Effect::Put(identity)),
            Call::PutIfNone => Some(Effect::PutIfNone(identity)),
            Call::Delete => Some(Effect::Delete),
            Call::PutIfMatch(_) | Call::Get | Call::List => None,
        };
        let key = &mut known[which];
        let ambiguous = matches!(answer, Told::Error(error) if error.is_ambiguous());
        if let Some(effect) = effect.filter(|_| ambiguous || fate.duplicate.is_some()) {
            key.pending.push((effect, sent + LATE_BOUND));
        }
        key.close();
        let present: Vec<_> = key.possible.iter().copied().filter(Option::is_some).collect();
        match (call, answer) {
            (_, Told::Error(error)) if error.is_ambiguous() => {}
            // Several brownouts at once: dropped, for sure and for ever.
            (_, Told::Error(ObjectError::RequestTimeout)) => {}
            (Call::Put, Told::Done) => key.only([Some(identity)]),
            (Call::PutIfNone, Told::Done) => {
                prop_assert!(key.possible.contains(&None), "created over {:?}", key.possible);
                key.only([Some(identity)]);
            }
            (Call::PutIfNone, Told::Error(ObjectError::PreconditionFailed)) => key.only(present),
            (Call::PutIfNone, Told::Error(ObjectError::ConditionalRequestConflict)) => {
                prop_assert!(key.pending.iter().any(|(effect, _)| matches!(effect, Effect::Delete)));
                key.only([None]);
            }
            (Call::Delete, Told::Done) => key.only([None]),
            (Call::Get, Told::Value(value)) => {
                prop_assert!(key.possible.contains(&value), "read {value:?}, possible {:?}", key.possible);
                key.only([value]);
            }
            (Call::Get, Told::Error(ObjectError::NoSuchKey)) => {
                prop_assert!(key.possible.contains(&None), "read nothing, possible {:?}", key.possible);
                key.only([None]);
            }
            (Call::List, Told::Keys(listed)) => {
                for (name, key) in KEYS.iter().zip(&mut known) {
                    key.close();
                    let is_listed = listed.iter().any(|listed| listed == name);
                    let states: Vec<_> = key.possible.iter().copied().filter(|s| s.is_some() == is_listed).collect();
                    prop_assert!(!states.is_empty(), "{name} listed: {is_listed}, possible {:?}", key.possible);
                    key.only(states);
                }
            }
            (call, answer) => prop_assert!(false, "{call:?} was answered {answer:?}"),
        }
    }
    bench.device.turn(bench.now, calls.len() as u32, Turn::Heals);
    // Beyond the bound nothing lands any more: what is read now stays.
    bench.run_to(bench.now + LATE_BOUND + Nanos(1));
    let first: Vec<_> = KEYS.iter().map(|name| bench.content(name)).collect();
    bench.run_to(bench.now + Nanos::secs(100));
    for ((name, first), key) in KEYS.iter().zip(first).zip(&known) {
        prop_assert_eq!(&bench.content(name), &first);
        prop_assert!(key.possible.iter().any(|state| state.map(body) == first), "{} {:?}", name, key.possible);
    }
    Ok(())
}

/// As `call`, without If-Match (a client's model would need the tags).
fn plain_call() -> impl Strategy<Value = Call> {
    call().prop_map(|call| match call {
        Call::PutIfMatch(_) => Call::Get,
        other => other,
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(15_000))]

    #[test]
    fn a_client_is_told_nothing_impossible(
        calls in prop::collection::vec((plain_call(), 0usize..3, fate(), 0u64..50, turn()), 1..25), seed: u64, lifo: bool)
    {
        let mut bench = store_with(ObjectStoreProfile::assumed(), seed);
        bench.lifo = lifo;
        check_client_view(&mut bench, &calls)?;
    }

    #[test]
    fn a_client_of_an_express_bucket_is_told_nothing_impossible(
        calls in prop::collection::vec((plain_call(), 0usize..3, fate(), 0u64..50, turn()), 1..25), seed: u64, lifo: bool)
    {
        let mut store = ExpressStore::new(ExpressProfile::assumed(), 2, &Choices::new(seed), 0);
        store.create_bucket(Nanos::ZERO);
        let mut bench = Bench::new(store);
        bench.lifo = lifo;
        check_client_view(&mut bench, &calls)?;
    }
}
