//! What a run used, and what a month of that costs.

use crate::compare::measurement::{MonthlyCost, UsageReport};
use std::collections::BTreeMap;
use wavetank_models::cloud::price::{Meter, PriceBook, Usage};
use wavetank_models::world::{Products, World};
use wavetank_sim::Nanos;

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
        requests: requests(&usage, products),
        bytes: bytes(&usage, products),
        monthly,
        book: format!("{}, {}, {}", book.name, book.region, book.date),
        assumptions: ASSUMPTIONS.map(str::to_owned).to_vec(),
    }
}

fn requests(usage: &Usage, products: &Products) -> BTreeMap<String, u64> {
    let kinds = [("PUT", Meter::PutPer1000), ("GET", Meter::GetPer1000), ("DELETE", Meter::DeletePer1000)];
    let stores = [("S3", &products.object_store), ("S3 Express", &products.express_store)];
    let mut out = BTreeMap::new();
    for (store, product) in stores {
        for (kind, meter) in kinds {
            let count = u64::try_from(usage.quantity(product, meter)).unwrap_or(u64::MAX);
            if count > 0 {
                out.insert(format!("{store} {kind}"), count);
            }
        }
    }
    out
}

fn bytes(usage: &Usage, products: &Products) -> BTreeMap<String, u64> {
    let paths = [
        ("cross-AZ", &products.cross_az, Meter::TransferOutGb),
        ("within a zone", &products.same_az, Meter::TransferOutGb),
        ("to object stores", &products.object_store_transfer, Meter::TransferOutGb),
        ("from object stores", &products.object_store_transfer, Meter::TransferInGb),
    ];
    let count = |product: &String, meter| u64::try_from(usage.quantity(product, meter)).unwrap_or(u64::MAX);
    paths.into_iter().map(|(path, product, meter)| (path.to_owned(), count(product, meter))).collect()
}
