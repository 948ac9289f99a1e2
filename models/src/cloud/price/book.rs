//! A price book: prices by product and meter, each with its source.

use super::money::PicoUsd;
use crate::cloud::data_file::{DataError, DataFile};
use serde::Deserialize;
use std::fmt;
use toml::Spanned;
use wavetank_sim::SortedMap;

/// What is counted and paid for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Meter {
    /// Storage, for each GB and month.
    StorageGbMonth,
    /// PUT, COPY, POST and LIST, for 1,000.
    PutPer1000,
    /// GET and HEAD, for 1,000.
    GetPer1000,
    /// DELETE, for 1,000.
    DeletePer1000,
    /// Bytes written to the product, for each GB.
    WrittenGb,
    /// Bytes read from the product, for each GB.
    ReadGb,
    /// Bytes sent over the network, for each GB that leaves. (A provider that charges each direction has this and the
    /// next.)
    TransferOutGb,
    /// Bytes received over the network, for each GB that arrives.
    TransferInGb,
    /// Provisioned operations a second, for each and month.
    IopsMonth,
    /// Provisioned throughput, for each MiB/s and month.
    MibPerSecMonth,
    /// An instance, endpoint, gateway or cluster, for each hour.
    Hour,
}

/// Every meter with its name in files and what its price is for.
pub(super) const METERS: [(&str, Meter, &str); 11] = [
    ("storage_gb_month", Meter::StorageGbMonth, "USD/GB-month"),
    ("put_per_1000", Meter::PutPer1000, "USD/1000"),
    ("get_per_1000", Meter::GetPer1000, "USD/1000"),
    ("delete_per_1000", Meter::DeletePer1000, "USD/1000"),
    ("written_gb", Meter::WrittenGb, "USD/GB"),
    ("read_gb", Meter::ReadGb, "USD/GB"),
    ("transfer_out_gb", Meter::TransferOutGb, "USD/GB"),
    ("transfer_in_gb", Meter::TransferInGb, "USD/GB"),
    ("iops_month", Meter::IopsMonth, "USD/IOPS-month"),
    ("mib_per_sec_month", Meter::MibPerSecMonth, "USD/(MiB/s)-month"),
    ("hour", Meter::Hour, "USD/h"),
];

impl Meter {
    fn entry(self) -> &'static (&'static str, Meter, &'static str) {
        METERS.iter().find(|(_, meter, _)| *meter == self).expect("every meter is listed")
    }

    /// Its name in files.
    pub fn name(self) -> &'static str {
        self.entry().0
    }

    /// What its price is for.
    pub fn unit(self) -> &'static str {
        self.entry().2
    }
}

impl fmt::Display for Meter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Where a price comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PriceSource {
    /// A row of the calibration tables.
    Row(String),
    /// An address.
    Address(String),
    /// Assumed, to be verified; from what.
    Assumed(String),
}

impl fmt::Display for PriceSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PriceSource::Row(id) => write!(f, "row {id}"),
            PriceSource::Address(address) => f.write_str(address),
            PriceSource::Assumed(what) => write!(f, "assumed: {what}"),
        }
    }
}

/// One price.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Price {
    /// For one unit of its meter.
    pub usd: PicoUsd,
    /// What each volume (or file system) has for nothing, in the meter's unit.
    pub included: u64,
    /// Where it comes from.
    pub source: PriceSource,
    /// When it was read there.
    pub date: String,
    /// What to know about it: conflicts between sources, tiers left out.
    pub note: String,
}

/// A dated book of prices of one region.
#[derive(Clone, Debug)]
pub struct PriceBook {
    /// Its name, by which scenarios refer to it.
    pub name: String,
    /// The provider's region.
    pub region: String,
    /// As of when.
    pub date: String,
    /// What its provider calls a GB, in bytes.
    pub gb_bytes: u64,
    /// Hours that a month is counted as.
    pub hours_per_month: u64,
    prices: SortedMap<(String, Meter), Price>,
}

/// Something is not in the book.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("price book `{book}` has no {meter} of `{product}` (it has: {has})")]
pub struct PriceError {
    /// The book.
    pub book: String,
    /// The product asked for.
    pub product: String,
    /// The meter asked for.
    pub meter: Meter,
    /// The meters of that product, or, where there is no such product, the products.
    pub has: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawBook {
    name: String,
    region: String,
    date: String,
    gb_bytes: Spanned<u64>,
    hours_per_month: Spanned<u64>,
    price: Vec<Spanned<RawPrice>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPrice {
    product: String,
    meter: Spanned<String>,
    usd: Spanned<f64>,
    #[serde(default)]
    included: u64,
    row: Option<String>,
    address: Option<String>,
    assumed: Option<String>,
    date: String,
    #[serde(default)]
    note: String,
}

macro_rules! builtin {
    ($($name:literal),* $(,)?) => {
        /// The books that come with wavetank: file name and text.
        const BUILTIN: &[(&str, &str)] = &[$((
            concat!("models/data/prices/", $name, ".toml"),
            include_str!(concat!("../../../data/prices/", $name, ".toml")),
        )),*];
    };
}
builtin!("aws-us-east-1-2026", "azure-eastus-2026", "gcp-us-central1-2026", "alibaba-us-east-1-2026");

impl PriceBook {
    /// The books that come with wavetank, in a fixed order.
    ///
    /// # Panics
    /// When one of them is broken: a bug of ours, which a test of this module finds.
    pub fn builtin() -> Vec<PriceBook> {
        let parse = |(file, text): &(&str, &str)| PriceBook::parse(file, text).unwrap_or_else(|e| panic!("{e}"));
        BUILTIN.iter().map(parse).collect()
    }

    /// The book of that name among those that come with wavetank.
    pub fn named(name: &str) -> Option<PriceBook> {
        PriceBook::builtin().into_iter().find(|book| book.name == name)
    }

    /// A book from the text of a file; `file` is its name in errors.
    ///
    /// # Errors
    /// The first thing that is wrong, with its line, its key and what would be right.
    pub fn parse(file: &str, text: &str) -> Result<PriceBook, DataError> {
        let file = DataFile { name: file, text };
        let raw: RawBook = file.parse()?;
        for (value, key) in [(&raw.gb_bytes, "gb_bytes"), (&raw.hours_per_month, "hours_per_month")] {
            if *value.get_ref() == 0 {
                return Err(file.error_at(value, key, "0 is not above zero", "1073741824 bytes, 730 hours"));
            }
        }
        let mut prices = SortedMap::new();
        for price in &raw.price {
            let key = (price.get_ref().product.clone(), meter(&file, &price.get_ref().meter)?);
            let what = format!("price.{}.{}", key.0, key.1);
            let read = read_price(&file, price, &what)?;
            if prices.insert(key, read).is_some() {
                return Err(file.error_at(price, what, "priced twice", "one price for each product and meter"));
            }
        }
        let (gb_bytes, hours_per_month) = (raw.gb_bytes.into_inner(), raw.hours_per_month.into_inner());
        Ok(PriceBook { name: raw.name, region: raw.region, date: raw.date, gb_bytes, hours_per_month, prices })
    }

    /// The price of a product's meter.
    ///
    /// # Errors
    /// When the book does not have it; the error lists what it has.
    pub fn price(&self, product: &str, meter: Meter) -> Result<&Price, PriceError> {
        self.prices.get(&(product.to_owned(), meter)).ok_or_else(|| {
            let of_product: Vec<&str> =
                self.prices.keys().filter(|(name, _)| name == product).map(|(_, meter)| meter.name()).collect();
            let mut products: Vec<&str> = self.prices.keys().map(|(name, _)| name.as_str()).collect();
            products.dedup();
            let has = if of_product.is_empty() { products.join(", ") } else { of_product.join(", ") };
            PriceError { book: self.name.clone(), product: product.to_owned(), meter, has }
        })
    }

    /// Storage, for each GB and month.
    ///
    /// # Errors
    /// When the book does not have it.
    pub fn storage_gb_month(&self, product: &str) -> Result<PicoUsd, PriceError> {
        Ok(self.price(product, Meter::StorageGbMonth)?.usd)
    }

    /// An instance, for each hour.
    ///
    /// # Errors
    /// When the book does not have it.
    pub fn instance_hour(&self, instance_type: &str) -> Result<PicoUsd, PriceError> {
        Ok(self.price(instance_type, Meter::Hour)?.usd)
    }

    /// Adds an instance type's own hourly price, unless the book has one: the book is the newer source.
    pub fn add_instance(&mut self, instance: &crate::cloud::instance::InstanceType) {
        let price = Price {
            usd: instance.hour,
            included: 0,
            source: instance.price_source.clone(),
            date: self.date.clone(),
            note: String::new(),
        };
        self.prices.entry((instance.name.clone(), Meter::Hour)).or_insert(price);
    }

    /// Adds a product that only another provider sells, at that provider's price.
    pub fn add_product(&mut self, other: &PriceBook, product: &str) {
        let of_product = other.prices.iter().filter(|((name, _), _)| name == product);
        self.prices.extend(of_product.map(|(key, price)| (key.clone(), price.clone())));
    }

    /// Every price, by product and meter.
    pub fn prices(&self) -> impl Iterator<Item = (&str, Meter, &Price)> {
        self.prices.iter().map(|((product, meter), price)| (product.as_str(), *meter, price))
    }
}

fn meter(file: &DataFile<'_>, raw: &Spanned<String>) -> Result<Meter, DataError> {
    let found = METERS.iter().find(|(name, _, _)| name == raw.get_ref());
    found.map(|(_, meter, _)| *meter).ok_or_else(|| {
        let names: Vec<&str> = METERS.iter().map(|(name, _, _)| *name).collect();
        let problem = format!("unknown \"{}\"", raw.get_ref());
        file.error_at(raw, "price.meter", problem, format!("one of {}", names.join(", ")))
    })
}

fn read_price(file: &DataFile<'_>, raw: &Spanned<RawPrice>, what: &str) -> Result<Price, DataError> {
    let price = raw.get_ref();
    let usd = PicoUsd::from_usd(*price.usd.get_ref()).ok_or_else(|| {
        let problem = format!("{} is no price", price.usd.get_ref());
        file.error_at(&price.usd, format!("{what}.usd"), problem, "dollars, zero or more, below a million")
    })?;
    let source = source_of(&price.row, &price.address, &price.assumed).ok_or_else(|| {
        let help = "exactly one of row = \"id\", address = \"https://...\", assumed = \"from what\"";
        file.error_at(raw, what, "names no source, or more than one", help)
    })?;
    Ok(Price { usd, included: price.included, source, date: price.date.clone(), note: price.note.clone() })
}

/// The one source that is given.
pub(crate) fn source_of(
    row: &Option<String>,
    address: &Option<String>,
    assumed: &Option<String>,
) -> Option<PriceSource> {
    match (row, address, assumed) {
        (Some(id), None, None) => Some(PriceSource::Row(id.clone())),
        (None, Some(address), None) => Some(PriceSource::Address(address.clone())),
        (None, None, Some(what)) => Some(PriceSource::Assumed(what.clone())),
        _ => None,
    }
}
