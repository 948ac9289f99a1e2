//! Faults of an object store: overlays, any number at once, each healed by its own id.

use super::api::{BucketId, Key};
use crate::fault::FaultId;
use wavetank_sim::SortedMap;

/// What can be wrong with a regional store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ObjectStoreFault {
    /// The service is slow and fails a share of requests: for callers in one AZ, or for all.
    Brownout {
        /// Whose requests; `None`: everybody's.
        az: Option<u8>,
        /// Latency and transfer time in percent of the healthy ones: 300 is three times as slow. Several multiply.
        latency_percent: u32,
        /// Requests that fail, in parts per million: half with 503 (not applied), half with 500 (half of them applied).
        /// Several add up.
        error_ppm: u32,
    },
    /// Nothing gets through: requests hang until the client gives up and are not applied; answers under way are lost.
    Outage {
        /// The AZ that cannot reach the store; what it had sent is applied all the same. `None`: the region's service
        /// is down, and what was under way is not applied.
        az: Option<u8>,
    },
    /// A prefix whose partition is being moved or has lost its cache.
    SlowPrefix {
        /// Bucket.
        bucket: BucketId,
        /// Keys that begin so.
        prefix: Key,
        /// As in a brownout.
        latency_percent: u32,
        /// Requests answered 503 SlowDown and not applied, in parts per million.
        slow_down_ppm: u32,
    },
}

/// How a store stands at one time, for requests on their way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Weather {
    /// The service does nothing at all.
    pub down: bool,
    /// The AZs that cannot reach it, a bit each.
    pub cut: u64,
}

impl Weather {
    /// Whether an answer can reach a caller in that AZ.
    pub fn is_cut(self, az: u8) -> bool {
        self.down || self.cut & az_bit(az) != 0
    }
}

/// What the faults make of one request as it is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Strain {
    pub latency_percent: u64,
    pub error_ppm: u32,
    pub slow_down_ppm: u32,
}

impl Strain {
    pub const NONE: Strain = Strain { latency_percent: 100, error_ppm: 0, slow_down_ppm: 0 };

    pub fn slower(&mut self, latency_percent: u32) {
        self.latency_percent = (self.latency_percent * u64::from(latency_percent) / 100).clamp(1, 100_000_000);
    }
}

/// The bit of an AZ in [`Weather::cut`].
///
/// # Panics
/// When it is not below 64: no region has as many.
pub(crate) fn az_bit(az: u8) -> u64 {
    assert!(az < 64, "AZ {az}: an AZ is a number below 64");
    1 << az
}

pub(super) fn weather(faults: &SortedMap<FaultId, ObjectStoreFault>) -> Weather {
    let mut weather = Weather::default();
    for fault in faults.values() {
        match fault {
            ObjectStoreFault::Outage { az: Some(az) } => weather.cut |= az_bit(*az),
            ObjectStoreFault::Outage { az: None } => weather.down = true,
            ObjectStoreFault::Brownout { .. } | ObjectStoreFault::SlowPrefix { .. } => {}
        }
    }
    weather
}

pub(super) fn strain(faults: &SortedMap<FaultId, ObjectStoreFault>, az: u8, bucket: BucketId, key: &str) -> Strain {
    let mut strain = Strain::NONE;
    for fault in faults.values() {
        match fault {
            ObjectStoreFault::Brownout { az: whose, latency_percent, error_ppm } => {
                if whose.is_none_or(|whose| whose == az) {
                    strain.slower(*latency_percent);
                    strain.error_ppm = strain.error_ppm.saturating_add(*error_ppm).min(1_000_000);
                }
            }
            ObjectStoreFault::SlowPrefix { bucket: b, prefix, latency_percent, slow_down_ppm } => {
                if *b == bucket && key.starts_with(&**prefix) {
                    strain.slower(*latency_percent);
                    strain.slow_down_ppm = strain.slow_down_ppm.saturating_add(*slow_down_ppm).min(1_000_000);
                }
            }
            ObjectStoreFault::Outage { .. } => {}
        }
    }
    strain
}
