//! Books are whole, bills are right to the pico-dollar, errors say what is wrong.

use super::*;
use proptest::prelude::*;
use wavetank_sim::Nanos;

const GOOD: &str = r#"name = "mine"
region = "here"
date = "2026-10"
gb_bytes = 1073741824
hours_per_month = 730

[[price]]
product = "store"
meter = "put_per_1000"
usd = 0.005
row = "USD-s3-put"
date = "2026"

[[price]]
product = "store"
meter = "storage_gb_month"
usd = 0.023
assumed = "for tests"
date = "2026"

[[price]]
product = "disk"
meter = "iops_month"
usd = 0.005
included = 3000
assumed = "for tests"
date = "2026"
"#;

fn aws() -> PriceBook {
    PriceBook::named("aws-us-east-1-2026").unwrap()
}

fn usd(text: &str) -> PicoUsd {
    PicoUsd::from_usd(text.parse().unwrap()).unwrap()
}

#[test]
fn a_bill_is_right_to_the_pico_dollar() {
    let book = aws();
    let month = Nanos::secs(730 * 3600);
    let mut usage = Usage::new();
    usage.add_puts("s3-standard", 1_000_000);
    usage.add_gets("s3-standard", 1);
    usage.add_stored("s3-standard", 100 << 30, month);
    usage.add_transfer("network-cross-az", 1 << 30);
    usage.add_volume(&book, "ebs-gp3", 5_000, 225, month);
    usage.add_hours("m7g.large", Nanos::secs(1800));
    let bill = usage.bill(&book).unwrap();
    let cost = |product: &str, meter| {
        bill.lines.iter().find(|line| line.product == product && line.meter == meter).map(|line| line.cost)
    };
    assert_eq!(cost("s3-standard", Meter::PutPer1000), Some(usd("5")));
    assert_eq!(cost("s3-standard", Meter::GetPer1000), Some(PicoUsd(400_000)));
    assert_eq!(cost("s3-standard", Meter::StorageGbMonth), Some(usd("2.3")));
    assert_eq!(cost("network-cross-az", Meter::TransferOutGb), Some(usd("0.01")));
    assert_eq!(cost("network-cross-az", Meter::TransferInGb), Some(usd("0.01")), "each direction is charged");
    assert_eq!(cost("ebs-gp3", Meter::IopsMonth), Some(usd("10")), "3,000 of 5,000 IOPS are included");
    assert_eq!(cost("ebs-gp3", Meter::MibPerSecMonth), Some(usd("4")), "125 of 225 MiB/s are included");
    assert_eq!(cost("m7g.large", Meter::Hour), Some(usd("0.0408")));
    assert_eq!(bill.total(), usd("21.3608") + PicoUsd(400_000));
    assert_eq!(bill.total().to_string(), "21.360800");
}

#[test]
fn what_has_no_price_is_an_error_that_lists_what_has() {
    let book = PriceBook::parse("mine.toml", GOOD).unwrap();
    let mut usage = Usage::new();
    usage.add_gets("store", 1);
    assert_eq!(
        usage.bill(&book).unwrap_err().to_string(),
        "price book `mine` has no get_per_1000 of `store` (it has: storage_gb_month, put_per_1000)"
    );
    let missing = book.price("shop", Meter::Hour).unwrap_err();
    assert_eq!(missing.to_string(), "price book `mine` has no hour of `shop` (it has: disk, store)");
}

#[test]
fn every_mistake_in_a_book_is_named() {
    let error = |from: &str, to: &str| {
        assert!(GOOD.contains(from), "nothing to break: {from}");
        PriceBook::parse("mine.toml", &GOOD.replacen(from, to, 1)).expect_err("accepted").to_string()
    };
    let cases = [
        ("usd = 0.005", "usd = -0.005", "mine.toml:10: `price.store.put_per_1000.usd`: -0.005 is no price"),
        ("usd = 0.005", "usd = \"0.005\"", "mine.toml:10: `price.usd`: invalid type: string \"0.005\""),
        ("put_per_1000", "put_per_100", "mine.toml:9: `price.meter`: unknown \"put_per_100\" (right would be: one of"),
        ("row = \"USD-s3-put\"\n", "", "mine.toml:7: `price.store.put_per_1000`: names no source, or more than one"),
        ("row = ", "assumed = \"x\"\nrow = ", "mine.toml:7: `price.store.put_per_1000`: names no source, or more"),
        ("storage_gb_month", "put_per_1000", "mine.toml:14: `price.store.put_per_1000`: priced twice"),
        ("gb_bytes = 1073741824", "gb_bytes = 0", "mine.toml:4: `gb_bytes`: 0 is not above zero"),
        ("region", "regoin", "mine.toml:2: `regoin`: unknown field `regoin`"),
    ];
    for (from, to, want) in cases {
        let got = error(from, to);
        assert!(got.starts_with(want), "{from} -> {to}\n got: {got}\nwant: {want}");
    }
}

#[test]
fn every_book_that_comes_with_wavetank_is_whole() {
    for book in PriceBook::builtin() {
        assert!(PriceBook::named(&book.name).is_some());
        assert!(book.prices().count() > 3, "{} is empty", book.name);
        for (product, meter, price) in book.prices() {
            assert!(!price.date.is_empty(), "{}: {product} {meter} has no date", book.name);
        }
    }
}

proptest! {
    #[test]
    fn a_bill_does_not_depend_on_how_usage_is_cut_into_parts(
        parts in proptest::collection::vec((0u64..1 << 50, 0u64..1 << 40), 1..20),
    ) {
        let book = PriceBook::parse("mine.toml", GOOD).unwrap();
        let (mut whole, mut forwards, mut backwards) = (Usage::new(), Usage::new(), Usage::new());
        for (bytes, nanos) in &parts {
            whole.add_stored("store", *bytes, Nanos(*nanos));
            whole.add_puts("store", *nanos);
        }
        let one = |(bytes, nanos): &(u64, u64)| {
            let mut usage = Usage::new();
            usage.add_stored("store", *bytes, Nanos(*nanos));
            usage.add_puts("store", *nanos);
            usage
        };
        parts.iter().for_each(|part| forwards.merge(&one(part)));
        parts.iter().rev().for_each(|part| backwards.merge(&one(part)));
        prop_assert_eq!(forwards.bill(&book).unwrap(), whole.bill(&book).unwrap());
        prop_assert_eq!(backwards.bill(&book).unwrap(), whole.bill(&book).unwrap());
    }

    #[test]
    fn a_storage_line_is_the_price_times_the_integral(bytes in 0u64..1 << 60, secs in 0u64..1_000_000_000) {
        let book = PriceBook::parse("mine.toml", GOOD).unwrap();
        let mut usage = Usage::new();
        usage.add_stored("store", bytes, Nanos::secs(secs));
        let got = usage.bill(&book).unwrap().total().as_usd_f64();
        let want = 0.023 * (bytes as f64 / 1_073_741_824.0) * (secs as f64 / (730.0 * 3600.0));
        prop_assert!((got - want).abs() <= want * 1e-9 + 1e-9, "{got} for {want}");
    }
}
