//! Bodies of object-store requests on a host's card: what becomes of them when something breaks on the way.

use std::sync::{Arc, Mutex};
use wavetank_models::blob::Blob;
use wavetank_models::cloud::host::HostSpec;
use wavetank_models::cloud::network::{NetworkFault, NetworkProfile, NicSpec, PartitionDirection, Scope};
use wavetank_models::cloud::object_store::{
    BucketId, Condition, Key, ObjectDone, ObjectError, ObjectOp, ObjectStore, ObjectStoreFault, ObjectStoreProfile,
};
use wavetank_models::fault::{Fault, FaultId};
use wavetank_models::world::{Action, Behaviour, CloudSpec, Cx, Input, Process, StoreId, launch};
use wavetank_sim::{Limits, Nanos, NodeId};

const BODY: u64 = 4 << 20;
type Answers = Arc<Mutex<Vec<(Nanos, ObjectDone)>>>;

/// PUTs an object of 4 MiB (48 ms on its connection alone, then 30 ms), then GETs it (25 ms, then 48 ms).
struct Client {
    answers: Answers,
}

impl Process for Client {
    fn step(&mut self, cx: &mut Cx<'_>, input: Input) {
        let key = Key::from("k");
        match input {
            Input::Boot => {
                let body = Blob::named(1, BODY);
                cx.object(StoreId(0), BucketId(0), 1, ObjectOp::Put { key, body, condition: Condition::None });
            }
            Input::Object(done) => {
                if done.token == 1 {
                    cx.object(StoreId(0), BucketId(0), 2, ObjectOp::Get { key, range: None });
                }
                self.answers.lock().unwrap().push((cx.monotonic(), *done));
            }
            other => panic!("{other:?}"),
        }
    }
}

/// Runs the client on a card of so many bytes a second with one thing happening; answers with what it heard, and
/// whether the object is there at the end.
fn run(bytes_per_sec: u64, happens: Option<(Nanos, Action)>) -> (Vec<(Nanos, ObjectDone)>, bool) {
    let (mut cloud, azs) = CloudSpec::three_azs(NetworkProfile::assumed());
    let nic = NicSpec { bandwidth_bytes_per_sec: bytes_per_sec, single_flow_bytes_per_sec: 0 };
    let host = cloud.host(azs[0], nic, HostSpec::instant()).unwrap();
    let answers = Answers::default();
    let kept = answers.clone();
    let there = launch(
        1,
        Limits { events_max: 10_000, ..Limits::default() },
        None,
        cloud,
        |world, core, _| {
            let mut store = ObjectStore::new(ObjectStoreProfile::assumed(), core.choices(), 0);
            store.create_bucket(Nanos::ZERO);
            world.add_store(store);
            let client = move |_| Behaviour::Machine(Box::new(Client { answers: kept.clone() }) as Box<dyn Process>);
            assert_eq!(world.add_node(core, "client", host, Box::new(client)), NodeId(0));
            if let Some((at, action)) = happens {
                world.plan(core, at, action);
            }
        },
        |world, _, _| {
            assert_eq!(world.payloads(), 0, "a body is still held");
            world.store(StoreId(0)).peek(BucketId(0), "k").is_some()
        },
    );
    let answers = answers.lock().unwrap().clone();
    (answers, there)
}

#[test]
fn a_body_takes_its_connections_pace_or_its_cards_whichever_is_slower() {
    let at = |card| run(card, None).0.iter().map(|(at, _)| *at).collect::<Vec<_>>();
    assert_eq!(at(0), [Nanos::millis(48 + 30), Nanos::millis(78 + 25 + 48)]);
    // 40 MiB a second: 100 ms.
    assert_eq!(at(40 << 20), [Nanos::millis(100 + 30), Nanos::millis(130 + 25 + 100)]);
}

#[test]
fn a_process_that_dies_while_its_body_is_under_way_has_put_nothing() {
    assert_eq!(run(0, Some((Nanos::millis(47), Action::Kill(NodeId(0))))), (vec![], false));
    let (answers, there) = run(0, Some((Nanos::millis(49), Action::Kill(NodeId(0)))));
    assert!(answers.is_empty() && there, "what has left the host takes effect");
}

#[test]
fn an_answer_breaks_off_when_the_way_or_the_store_goes_while_its_body_is_under_way() {
    let (from, to) = (Scope::Az(wavetank_models::cloud::network::AzId(0)), Scope::All);
    let cut = Fault::Network(NetworkFault::Partition { from, to, direction: PartitionDirection::TwoWay });
    let down = Fault::Object(StoreId(0), ObjectStoreFault::Outage { az: None });
    for fault in [cut, down] {
        let (answers, there) = run(0, Some((Nanos::millis(110), Action::Inject(FaultId(1), fault.clone()))));
        assert!(there && answers[0].1.result.is_ok());
        assert_eq!(answers[1].1.result, Err(ObjectError::TimedOut), "{fault:?}");
    }
}
