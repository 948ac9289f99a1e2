//! What a run used, and what a month of that costs.

use crate::compare::measurement::{MonthlyCost, UsageReport};
use wavetank_models::cloud::price::{Meter, PriceBook, Usage};
use wavetank_models::world::{Products, Requests, World};
use wavetank_sim::{Nanos, SortedMap};

const ASSUMPTIONS: [&str; 4] = [
    "on-demand prices, no discounts",
    "the run's rates go on for a month; what is stored is what the run stored, not a retention's worth",
    "clients' instances are not counted; their traffic between zones is",
    "hosts are paid for while they are down",
];

/// Counted until now, at the prices of that book.
pub(super) fn report(
    world: &mut World,
    now: Nanos,
    book: &PriceBook,
    products: &Products,
    client_hours: &[&str],
) -> UsageReport {
    let usage = world.usage(now, book, products).expect("every product is in the book");
    let bill = usage.bill(book).expect("every product is in the book");
    let mut monthly = MonthlyCost::lines(&bill, now.max(Nanos(1)), book);
    monthly.retain(|line| !(line.meter == Meter::Hour && client_hours.contains(&line.product.as_str())));
    UsageReport {
        requests: requests(world, now),
        bytes: bytes(world, &usage, products),
        monthly,
        book: format!("{}, {}, {}", book.name, book.region, book.date),
        assumptions: ASSUMPTIONS.map(str::to_owned).to_vec(),
    }
}

/// Of object stores and volumes, those that there were. What of a volume is used is not what is paid for: that is in the bill,
/// as provisioned.
fn requests(world: &mut World, now: Nanos) -> SortedMap<String, u64> {
    let mut out = SortedMap::new();
    for (store, asked) in [("S3", world.object_requests(now)), ("S3 Express", world.express_requests(now))] {
        let Requests { puts, lists, gets, deletes } = asked;
        let kinds = [("PUT", puts), ("LIST", lists), ("GET", gets), ("DELETE", deletes)];
        out.extend(kinds.map(|(kind, count)| (format!("{store} {kind}"), count)));
    }
    let volumes = world.volume_use();
    out.extend([("volume read", volumes.reads), ("volume write", volumes.writes)].map(|(k, n)| (k.to_owned(), n)));
    out.retain(|_, count| *count > 0);
    out
}

fn bytes(world: &World, usage: &Usage, products: &Products) -> SortedMap<String, u64> {
    let paths = [
        ("cross-AZ", &products.cross_az, Meter::TransferOutGb),
        ("within a zone", &products.same_az, Meter::TransferOutGb),
        ("to object stores", &products.object_store_transfer, Meter::TransferOutGb),
        ("from object stores", &products.object_store_transfer, Meter::TransferInGb),
    ];
    let count = |product: &String, meter| u64::try_from(usage.quantity(product, meter)).unwrap_or(u64::MAX);
    let moved = paths.into_iter().map(|(path, product, meter)| (path.to_owned(), count(product, meter)));
    let (volumes, shares) = (world.volume_use(), world.share_bytes());
    let kept = [
        ("read from volumes", volumes.read_bytes),
        ("written to volumes", volumes.written_bytes),
        ("read from NFS", shares.0),
        ("written to NFS", shares.1),
    ];
    let kept = kept.into_iter().filter(|(_, bytes)| *bytes > 0).map(|(path, bytes)| (path.to_owned(), bytes));
    moved.chain(kept).collect()
}
