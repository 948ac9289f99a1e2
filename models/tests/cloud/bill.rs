//! A bill of a whole world, against one worked out by hand.

use wavetank_models::blob::Blob;
use wavetank_models::cloud::express::{ExpressProfile, ExpressStore};
use wavetank_models::cloud::host::HostSpec;
use wavetank_models::cloud::network::{NetworkProfile, NicSpec};
use wavetank_models::cloud::nfs::{NfsShare, NfsSpec};
use wavetank_models::cloud::object_store::{BucketId, Condition, Key, ObjectOp, ObjectStore, ObjectStoreProfile};
use wavetank_models::cloud::price::{Meter, PriceBook};
use wavetank_models::cloud::volume::{InstanceLimit, Volume, VolumeFormat, VolumeSpec};
use wavetank_models::message::{Frame, Message};
use wavetank_models::world::{
    Behaviour, CloudSpec, Cx, ExpressId, Input, Process, Products, StoreId, UsageError, launch,
};
use wavetank_sim::{Limits, Nanos, NodeId};

const GIB: u64 = 1 << 30;
/// A frame's header: with it the message below is 1 GiB.
const HEADER: u64 = 24;

/// PUTs 1 GiB to the regional store and 512 MiB to the express store, HEADs and DELETEs something else, and sends 1 GiB
/// to the other zone. At the end of the hour it stops.
struct Spender {
    peer: NodeId,
}

impl Process for Spender {
    fn step(&mut self, cx: &mut Cx<'_>, input: Input) {
        if !matches!(input, Input::Boot) {
            if let Input::Timer { .. } = input {
                cx.stop("the hour is over");
            }
            return;
        }
        let put = |len| ObjectOp::Put { key: Key::from("a"), body: Blob::named(1, len), condition: Condition::None };
        let key = Key::from("b");
        cx.object(StoreId(0), BucketId(0), 1, put(GIB));
        cx.object(StoreId(0), BucketId(0), 2, ObjectOp::Head { key: key.clone() });
        cx.object(StoreId(0), BucketId(0), 3, ObjectOp::Delete { key });
        cx.express(ExpressId(0), BucketId(0), 4, put(GIB / 2));
        let conn = cx.connect(self.peer);
        let frame = Frame { kind: 1, correlation: 0, value: 0, body: Some(Box::new(Blob::named(2, GIB - HEADER))) };
        cx.send(conn, Message::Frame(frame));
        cx.set_timer(Nanos::secs(3_600), 0);
    }
}

struct Sink;

impl Process for Sink {
    fn step(&mut self, _: &mut Cx<'_>, _: Input) {}
}

#[test]
fn an_hour_of_a_small_world_costs_what_was_worked_out_by_hand() {
    let (mut cloud, azs) = CloudSpec::three_azs(NetworkProfile::assumed());
    let nic = NicSpec { bandwidth_bytes_per_sec: 0, single_flow_bytes_per_sec: 0 };
    let hosts = [azs[0], azs[1]].map(|az| cloud.host(az, nic, HostSpec::instant()).unwrap());
    let book = PriceBook::named("aws-us-east-1-2026").unwrap();
    let products = Products::aws(["m7g.large", "m7g.large"]);
    let limits = Limits { events_max: 100_000, ..Limits::default() };
    let (bill, missing) = launch(
        1,
        limits,
        None,
        cloud,
        |world, core, _| {
            let choices = *core.choices();
            // A PUT takes effect when it is answered, so that what is stored is stored from a known instant.
            let mut profile = ObjectStoreProfile::assumed();
            profile.latencies.arrival_ppm = 1_000_000;
            let mut store = ObjectStore::new(profile, &choices, 0);
            store.create_bucket(Nanos::ZERO);
            world.add_store(store);
            let mut profile = ExpressProfile::assumed();
            profile.latencies.arrival_ppm = 1_000_000;
            let mut express = ExpressStore::new(profile, azs[0].0, &choices, 0);
            express.create_bucket(Nanos::ZERO);
            world.add_express(express);
            world.add_share(NfsShare::new(NfsSpec::fsx_ontap_multi_az(512 << 20, 1_024 * GIB), &choices, 0));
            // What the instance does not let through is paid for all the same.
            let instance_limit = Some(InstanceLimit { iops: 3_600, bytes_per_sec: 78_750_000 });
            let gp3 = VolumeSpec {
                iops: 4_000,
                throughput_bytes_per_sec: 250 << 20,
                instance_limit,
                ..VolumeSpec::gp3(azs[0], VolumeFormat::Raw, 100 * GIB)
            };
            world.add_volume(Volume::new(gp3, &choices, 0));
            world.add_volume(Volume::new(VolumeSpec::local_nvme(azs[0], VolumeFormat::Raw, GIB), &choices, 1));
            let peer = world.add_node(core, "sink", hosts[1], Box::new(|_| Behaviour::Machine(Box::new(Sink))));
            let spender = move |_| Behaviour::Machine(Box::new(Spender { peer }) as Box<dyn Process>);
            world.add_node(core, "spender", hosts[0], Box::new(spender));
        },
        |world, _, outcome| {
            assert_eq!(outcome.now, Nanos::secs(3_600));
            let missing = world.bill(outcome.now, &book, &Products::aws(["m7g.large"]));
            (world.bill(outcome.now, &book, &products).unwrap(), missing)
        },
    );
    // In 10^-12 dollars, each line rounded up. A month has 730 hours, a GB 2^30 bytes.
    let by_hand: [(&str, Meter, u128); 13] = [
        // 2 hosts x 1 h x 0.0816
        ("m7g.large", Meter::Hour, 163_200_000_000),
        // 100 GB x 1/730 month x 0.08
        ("ebs-gp3", Meter::StorageGbMonth, 10_958_904_110),
        // 4,000 less the 3,000 included x 1/730 x 0.005
        ("ebs-gp3", Meter::IopsMonth, 6_849_315_069),
        // 250 less 125 MiB/s x 1/730 x 0.04
        ("ebs-gp3", Meter::MibPerSecMonth, 6_849_315_069),
        // 1 x 0.005 / 1,000
        ("s3-standard", Meter::PutPer1000, 5_000_000),
        // 1 HEAD x 0.0004 / 1,000
        ("s3-standard", Meter::GetPer1000, 400_000),
        // From 1,024 x 12 ms + 30 ms = 12.318 s on: 1 GB x 3,587.682 s / 3,600 / 730 x 0.023
        ("s3-standard", Meter::StorageGbMonth, 31_399_044),
        // 1 x 0.00113 / 1,000
        ("s3-express", Meter::PutPer1000, 1_130_000),
        // From 512 x 7 ms + 6 ms = 3.59 s on: 0.5 GB x 3,596.41 s / 3,600 / 730 x 0.11
        ("s3-express", Meter::StorageGbMonth, 75_267_333),
        // 0.5 GB x 0.0032
        ("s3-express", Meter::WrittenGb, 1_600_000_000),
        // 1,024 GB x 1/730 x 0.14
        ("fsx-ontap-multi-az", Meter::StorageGbMonth, 196_383_561_644),
        // 512 MiB/s x 1/730 x 1.719
        ("fsx-ontap-multi-az", Meter::MibPerSecMonth, 1_205_654_794_521),
        // 1 GB x 0.01 where it leaves; where it arrives: below
        ("network-cross-az", Meter::TransferOutGb, 10_000_000_000),
    ];
    let cost = |product: &str, meter| {
        bill.lines.iter().find(|line| line.product == product && line.meter == meter).map(|line| line.cost.0)
    };
    for (product, meter, pico_usd) in by_hand {
        assert_eq!(cost(product, meter), Some(pico_usd), "{product} {meter}");
    }
    assert_eq!(cost("network-cross-az", Meter::TransferInGb), Some(10_000_000_000));
    // The rest is free: the DELETE, bytes within a zone, bytes through the gateway endpoint.
    let sum: u128 = by_hand.iter().map(|line| line.2).sum();
    assert_eq!(bill.total().0, sum + 10_000_000_000);
    assert_eq!(bill.total().to_string(), "1.611609");
    let free = ["network-same-az", "s3-gateway-endpoint"].map(|product| cost(product, Meter::TransferOutGb));
    assert_eq!(free, [Some(0), Some(0)]);
    assert_eq!(missing.unwrap_err(), UsageError::NoInstanceType { host: hosts[1] });
}
