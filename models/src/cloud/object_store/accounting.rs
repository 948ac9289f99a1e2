//! What is billed, and what was seen to happen.

use super::api::OpClass;
use super::fate::{LATTICE_POINTS, LatticePoint};
use wavetank_sim::Nanos;

/// What one bucket costs, in the units AWS bills. A request counts when it is processed (applied, failed with a 4xx,
/// or landed as a duplicate); one that the service refused with a 5xx or never got is free.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Accounting {
    /// PUT, COPY, POST and LIST requests (row USD-s3-put).
    pub put_requests: u64,
    /// Those of them that are LISTs, each page for itself.
    pub list_requests: u64,
    /// GET and HEAD requests (row USD-s3-get).
    pub get_requests: u64,
    /// DELETE and abort requests: free (row USD-s3-del).
    pub delete_requests: u64,
    /// Bytes of bodies received.
    pub bytes_in: u64,
    /// Bytes of bodies sent.
    pub bytes_out: u64,
    /// Bytes held now: objects, and the parts of open uploads.
    pub stored_bytes: u64,
    /// The integral of `stored_bytes` over time, in byte-nanoseconds.
    pub stored_byte_nanos: u128,
    /// Until when the integral goes.
    pub at: Nanos,
}

impl Accounting {
    /// The integral in byte-seconds: for prices.
    pub fn stored_byte_seconds(&self) -> u128 {
        self.stored_byte_nanos / 1_000_000_000
    }

    /// Brings the integral up to `now`.
    pub(crate) fn advance(&mut self, now: Nanos) {
        self.stored_byte_nanos += u128::from(self.stored_bytes) * u128::from(now.saturating_sub(self.at).0);
        self.at = self.at.max(now);
    }

    /// Replaces `old` stored bytes by `new`, at `now`.
    pub(super) fn store(&mut self, now: Nanos, old: u64, new: u64) {
        self.advance(now);
        assert!(self.stored_bytes >= old, "more bytes freed than stored");
        self.stored_bytes = self.stored_bytes - old + new;
    }

    /// Counts a processed request.
    pub(super) fn request(&mut self, class: OpClass, upload_len: u64) {
        self.list_requests += u64::from(matches!(class, OpClass::List));
        match class {
            OpClass::Put | OpClass::Complete | OpClass::List => self.put_requests += 1,
            OpClass::Get | OpClass::Head => self.get_requests += 1,
            OpClass::Delete => self.delete_requests += 1,
        }
        self.bytes_in += upload_len;
    }
}

/// How often what happened: for tests and sweeps that must have reached it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Witnessed {
    /// Requests by what became of them, by [`LatticePoint::index`]. Counted when all of a request is over, and only
    /// when its owner lived to hear the answer. A request over its rate counts as a 503 that was not applied; other
    /// refusals do not count.
    pub lattice: [u64; LATTICE_POINTS],
    /// A request took effect after its owner had died.
    pub landed_after_death: u64,
    /// A request took effect after its caller had been told that it failed.
    pub landed_after_answer: u64,
    /// A duplicate write replaced a newer object.
    pub duplicate_overwrote_newer: u64,
    /// A duplicate write brought back a deleted object.
    pub duplicate_resurrected: u64,
    /// A duplicate delete removed a newer object.
    pub duplicate_deleted_newer: u64,
    /// 412.
    pub precondition_failed: u64,
    /// 409.
    pub conditional_conflicts: u64,
    /// A request was over its rate.
    pub throttled: u64,
    /// A request failed because of a brownout or a slow prefix.
    pub brownout_errors: u64,
    /// A request met an outage and hung.
    pub hung: u64,
    /// An answer was lost to an outage that began meanwhile.
    pub answers_lost: u64,
    /// A request was dropped because it would have taken effect beyond the bound.
    pub dropped_beyond_bound: u64,
}

impl Witnessed {
    /// How often a point of the lattice was reached.
    pub fn reached(&self, point: LatticePoint) -> u64 {
        self.lattice[point.index()]
    }
}
