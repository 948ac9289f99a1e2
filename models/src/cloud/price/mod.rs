//! Prices: dated books, and what a run's usage costs by one of them.
//!
//! A book is a TOML file of prices, each with its value, what it is paid for, its source (a row of the calibration
//! tables, an address, or the word that it is assumed and from what) and its date:
//!
//! ```toml
//! name = "my-prices-2026"
//! region = "us-east-1"
//! date = "2026-10"
//! gb_bytes = 1073741824            # what the provider calls a GB
//! hours_per_month = 730
//!
//! [[price]]
//! product = "s3-standard"
//! meter = "put_per_1000"
//! usd = 0.005
//! row = "USD-s3-put"               # or: address = "https://...", or: assumed = "from what"
//! date = "2026-08-19"
//! ```
//!
//! Money is whole [pico-dollars](PicoUsd): a request of S3 Express costs 30,000 of them and a year of a large fleet fits.
//! A line of a bill is computed once, from its whole quantity, and rounded up: no sum of roundings, no floats.
//!
//! **Simpler than reality:** one price for each meter: no volume tiers (S3's next 450 TB are 4 % cheaper), no discounts, no
//! commitments, no minimum object age or size. What is free up to a limit (gp3's first 3,000 IOPS) is `included` for
//! each volume.

mod book;
mod money;
mod usage;

pub(crate) use book::source_of;
pub use book::{Meter, Price, PriceBook, PriceError, PriceSource};
pub use money::PicoUsd;
pub use usage::{Bill, CostLine, Usage};

#[cfg(test)]
mod tests;
