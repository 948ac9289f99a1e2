//! Load: which records are due when, and for which partition.
//!
//! It is open loop: a record's due time depends on the rate alone, never on how fast anything answers, so latency from due
//! to done is free of coordinated omission. Records are never events: how many are due by a time, and when the n-th is, is
//! arithmetic in whole numbers.

mod rate;
mod shares;
mod source;

pub use rate::{Curve, RatePoint, RateSchedule, Reach};
pub use shares::{Partitioner, Shares};
pub(in crate::client) use source::{Source, Target};

use super::settings::SettingsError;
use wavetank_sim::Nanos;

/// What one producer is to send.
#[derive(Clone, Debug, PartialEq)]
pub struct LoadSpec {
    /// Records per second over time, of this producer.
    pub rate: RateSchedule,
    /// A record's value, in bytes; what a batch adds to each is counted on top.
    pub message_bytes: u32,
    /// Which partition a record is for.
    pub partitioner: Partitioner,
    /// When the first record may be due.
    pub start: Nanos,
    /// No record is due from here on.
    pub stop: Nanos,
}

impl LoadSpec {
    /// A constant rate with the default partitioner, from the start of the world to its end.
    pub fn constant(records_per_sec: u64, message_bytes: u32) -> LoadSpec {
        LoadSpec {
            rate: RateSchedule::constant(records_per_sec),
            message_bytes,
            partitioner: Partitioner::Sticky,
            start: Nanos::ZERO,
            stop: Nanos::MAX,
        }
    }

    /// Whether it makes sense.
    ///
    /// # Errors
    /// What does not.
    pub fn validate(&self) -> Result<(), SettingsError> {
        self.rate.validate()?;
        self.partitioner.validate()
    }
}
