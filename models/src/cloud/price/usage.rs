//! What a run used, and what that costs.

use super::book::{Meter, Price, PriceBook, PriceError, PriceSource};
use super::money::PicoUsd;
use wavetank_sim::{Nanos, SortedMap};

/// What was used, by product, in whole numbers of the smallest unit: requests, bytes, and for what is paid by time
/// bytes, IOPS or MiB/s times nanoseconds. Adding two of them (or one again) is exact, in any order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    quantities: SortedMap<(String, Meter), u128>,
}

/// One line of a bill.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CostLine {
    /// The product.
    pub product: String,
    /// What of it was counted.
    pub meter: Meter,
    /// How much, in the smallest unit (see [`Usage`]).
    pub quantity: u128,
    /// What one unit of the meter costs.
    pub price: PicoUsd,
    /// What this line costs.
    pub cost: PicoUsd,
    /// Where the price comes from.
    pub source: PriceSource,
    /// When it was read there.
    pub date: String,
}

/// What a usage costs by one book.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bill {
    /// The book's name.
    pub book: String,
    /// Its lines, by product and meter; what costs nothing is listed too.
    pub lines: Vec<CostLine>,
}

impl Bill {
    /// The sum of all lines.
    pub fn total(&self) -> PicoUsd {
        self.lines.iter().map(|line| line.cost).sum()
    }

    /// The lines that rest on assumed prices: a report shows them.
    pub fn assumed(&self) -> impl Iterator<Item = &CostLine> {
        self.lines.iter().filter(|line| matches!(line.source, PriceSource::Assumed(_)))
    }
}

impl Usage {
    /// Nothing.
    pub fn new() -> Usage {
        Usage::default()
    }

    /// PUT, COPY, POST and LIST requests.
    pub fn add_puts(&mut self, product: &str, requests: u64) {
        self.add(product, Meter::PutPer1000, u128::from(requests));
    }

    /// GET and HEAD requests.
    pub fn add_gets(&mut self, product: &str, requests: u64) {
        self.add(product, Meter::GetPer1000, u128::from(requests));
    }

    /// DELETE requests.
    pub fn add_deletes(&mut self, product: &str, requests: u64) {
        self.add(product, Meter::DeletePer1000, u128::from(requests));
    }

    /// Bytes written to a product that charges for them.
    pub fn add_written(&mut self, product: &str, bytes: u64) {
        self.add(product, Meter::WrittenGb, u128::from(bytes));
    }

    /// Bytes read from a product that charges for them.
    pub fn add_read(&mut self, product: &str, bytes: u64) {
        self.add(product, Meter::ReadGb, u128::from(bytes));
    }

    /// Bytes that crossed a border between zones or regions, or went through a gateway: counted once where they leave
    /// and once where they arrive.
    pub fn add_transfer(&mut self, product: &str, bytes: u64) {
        self.add(product, Meter::TransferOutGb, u128::from(bytes));
        self.add(product, Meter::TransferInGb, u128::from(bytes));
    }

    /// As [`add_transfer`](Usage::add_transfer), only where they leave.
    pub fn add_transfer_out(&mut self, product: &str, bytes: u64) {
        self.add(product, Meter::TransferOutGb, u128::from(bytes));
    }

    /// As [`add_transfer`](Usage::add_transfer), only where they arrive.
    pub fn add_transfer_in(&mut self, product: &str, bytes: u64) {
        self.add(product, Meter::TransferInGb, u128::from(bytes));
    }

    /// So many bytes kept for so long.
    pub fn add_stored(&mut self, product: &str, bytes: u64, time: Nanos) {
        self.add(product, Meter::StorageGbMonth, u128::from(bytes) * u128::from(time.0));
    }

    /// So many bytes times seconds kept: the integral of a size that changed.
    pub fn add_byte_seconds(&mut self, product: &str, byte_seconds: u128) {
        self.add(product, Meter::StorageGbMonth, byte_seconds * NANOS_PER_SEC);
    }

    /// So many bytes times nanoseconds kept, as the stores' accounts count them.
    pub fn add_byte_nanos(&mut self, product: &str, byte_nanos: u128) {
        self.add(product, Meter::StorageGbMonth, byte_nanos);
    }

    /// One volume provisioned with so many IOPS and MiB/s for so long; what the book includes for each volume is taken
    /// off here. A meter that the book has no price for comes with the volume.
    pub fn add_volume(&mut self, book: &PriceBook, product: &str, iops: u64, mib_per_sec: u64, time: Nanos) {
        for (meter, amount) in [(Meter::IopsMonth, iops), (Meter::MibPerSecMonth, mib_per_sec)] {
            if let Ok(price) = book.price(product, meter) {
                let charged = amount.saturating_sub(price.included);
                self.add(product, meter, u128::from(charged) * u128::from(time.0));
            }
        }
    }

    /// An instance, endpoint or gateway that was there for so long.
    pub fn add_hours(&mut self, product: &str, time: Nanos) {
        self.add(product, Meter::Hour, u128::from(time.0));
    }

    /// Adds another usage to this one.
    pub fn merge(&mut self, other: &Usage) {
        for ((product, meter), quantity) in &other.quantities {
            self.add(product, *meter, *quantity);
        }
    }

    /// The quantity of one meter, in the smallest unit.
    pub fn quantity(&self, product: &str, meter: Meter) -> u128 {
        self.quantities.get(&(product.to_owned(), meter)).copied().unwrap_or(0)
    }

    /// What it costs by that book.
    ///
    /// # Errors
    /// When something was used that the book has no price for: a bill that leaves it out would be wrong.
    pub fn bill(&self, book: &PriceBook) -> Result<Bill, PriceError> {
        let lines = self.quantities.iter().map(|((product, meter), &quantity)| {
            let price = book.price(product, *meter)?;
            Ok(line(book, product, *meter, quantity, price))
        });
        Ok(Bill { book: book.name.clone(), lines: lines.collect::<Result<_, _>>()? })
    }

    fn add(&mut self, product: &str, meter: Meter, quantity: u128) {
        let sum = self.quantities.entry((product.to_owned(), meter)).or_insert(0);
        *sum = sum.checked_add(quantity).expect("a usage beyond 128 bits");
    }
}

const NANOS_PER_SEC: u128 = 1_000_000_000;
const NANOS_PER_HOUR: u128 = 3_600 * NANOS_PER_SEC;

fn line(book: &PriceBook, product: &str, meter: Meter, quantity: u128, price: &Price) -> CostLine {
    let gb = u128::from(book.gb_bytes);
    let month = u128::from(book.hours_per_month) * NANOS_PER_HOUR;
    let per = match meter {
        Meter::StorageGbMonth => gb * month,
        Meter::PutPer1000 | Meter::GetPer1000 | Meter::DeletePer1000 => 1_000,
        Meter::WrittenGb | Meter::ReadGb | Meter::TransferOutGb | Meter::TransferInGb => gb,
        Meter::IopsMonth | Meter::MibPerSecMonth => month,
        Meter::Hour => NANOS_PER_HOUR,
    };
    CostLine {
        product: product.to_owned(),
        meter,
        quantity,
        price: price.usd,
        cost: cost(price.usd, quantity, per),
        source: price.source.clone(),
        date: price.date.clone(),
    }
}

/// `price * quantity / per`, rounded up, exact where the product would not fit: byte-nanoseconds of a petabyte-year are
/// 10^32.
fn cost(price: PicoUsd, quantity: u128, per: u128) -> PicoUsd {
    let (whole, rest) = (quantity / per, quantity % per);
    let whole = price.times(whole, 1);
    match price.0.checked_mul(rest) {
        Some(product) => whole + PicoUsd(product.div_ceil(per)),
        // Both in units of 2^30: the loss is below a billionth of one unit of the meter.
        None => whole + price.times((rest >> 30) + 1, per >> 30),
    }
}
