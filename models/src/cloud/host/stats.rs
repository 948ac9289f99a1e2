//! What a host counted: for tests and reports, never for decisions.

use wavetank_sim::Nanos;

/// Where a job waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitStage {
    /// In the socket's buffer: behind an earlier request of its connection, or for a network thread.
    Socket,
    /// For a handler thread: in the request queue, or in front of it with its network thread blocked.
    RequestQueue,
    /// For a background thread.
    BackgroundQueue,
    /// Its thread is ready and waits for a core.
    Core,
}

/// Waits in one stage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WaitStats {
    /// How many waits ended, those of no length included.
    pub count: u64,
    /// Their sum.
    pub total: Nanos,
    /// The longest.
    pub max: Nanos,
}

impl WaitStats {
    /// The mean wait; zero when there was none.
    pub fn mean(&self) -> Nanos {
        if self.count == 0 { Nanos::ZERO } else { self.total / self.count }
    }
}

/// Counters and integrals over time, all since the start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostStats {
    /// Up to when the integrals run.
    pub until: Nanos,
    /// Jobs accepted: requests and background work.
    pub submitted: u64,
    /// Jobs that ended as `Serve`.
    pub served: u64,
    /// Jobs that ended as `Discarded`.
    pub discarded: u64,
    /// Core-nanoseconds at work, throttled and slowed ones included, paused ones not.
    pub busy_core_nanos: u128,
    /// Time with every thread frozen.
    pub paused: Nanos,
    /// Integral over time of the number of requests in the request queues (length x nanoseconds).
    pub request_queue_nanos: u128,
    /// Integral over time of the number of network threads blocked by a full request queue.
    pub blocked_network_threads_nanos: u128,
    /// Integral over time of the number of ready threads without a core.
    pub core_queue_nanos: u128,
    /// The longest request queue seen in any process.
    pub request_queue_longest: u32,
    waits: [WaitStats; 4],
}

impl HostStats {
    /// The waits of one stage.
    pub fn waits(&self, stage: WaitStage) -> WaitStats {
        self.waits[stage as usize]
    }

    /// Mean length of the request queues, all processes together: for reports.
    pub fn request_queue_mean(&self) -> f64 {
        if self.until == Nanos::ZERO { 0.0 } else { self.request_queue_nanos as f64 / self.until.0 as f64 }
    }

    /// Mean number of cores at work: for reports.
    pub fn busy_cores_mean(&self) -> f64 {
        if self.until == Nanos::ZERO { 0.0 } else { self.busy_core_nanos as f64 / self.until.0 as f64 }
    }

    pub(super) fn waited(&mut self, stage: WaitStage, span: Nanos) {
        let stats = &mut self.waits[stage as usize];
        stats.count += 1;
        stats.total = stats.total.saturating_add(span);
        stats.max = stats.max.max(span);
    }
}
