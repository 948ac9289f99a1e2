//! The device's queue: operations and bytes a second, by eager arithmetic.
//!
//! Two token buckets, each kept as the time at which it is free again. An I/O of `n` bytes counts as
//! `ceil(n / io_size_max)` operations ("Amazon EBS splits the 1,024 KiB I/O operation into four smaller 256 KiB
//! operations": EBS user guide, I/O characteristics); it starts when both buckets admit it and completes when its last
//! operation has had its latency and its last byte has passed. So in every window no more than rate x (window + burst)
//! plus one I/O passes, and a queue that is never empty loses at most a nanosecond an I/O to rounding.

use wavetank_sim::Nanos;

/// The rates that hold at the moment (a fault may have lowered them); 0 for no limit.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rates {
    pub(super) iops: u64,
    pub(super) bytes_per_sec: u64,
    pub(super) io_size_max: u64,
    pub(super) burst: Nanos,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Queue {
    iops_free_at: Nanos,
    bytes_free_at: Nanos,
}

impl Queue {
    /// Takes an I/O in; answers when it completes, given its drawn latency.
    pub(super) fn admit(&mut self, now: Nanos, bytes: u64, latency: Nanos, rates: Rates) -> Nanos {
        let ops = bytes.div_ceil(rates.io_size_max.max(1)).max(1);
        // What was not used is given back, but only as far as the burst goes.
        let floor = now.saturating_sub(rates.burst);
        let ops_from = self.iops_free_at.max(floor);
        let bytes_from = self.bytes_free_at.max(floor);
        let start = now.max(ops_from).max(bytes_from);
        let unused_from = start.saturating_sub(rates.burst);
        self.iops_free_at = ops_from.max(unused_from).saturating_add(Nanos::transfer(ops, rates.iops));
        self.bytes_free_at = bytes_from.max(unused_from).saturating_add(Nanos::transfer(bytes, rates.bytes_per_sec));
        let last_op = start.saturating_add(Nanos::transfer(ops - 1, rates.iops));
        let done = last_op.saturating_add(latency).max(self.bytes_free_at);
        assert!(start >= now && done >= start, "an I/O ran backwards");
        done
    }
}
