//! What bounds a run, how it ended, and what is left of it.

use crate::marks::Marks;
use crate::trace::Record;
use crate::{Digest, Nanos};

/// Bounds of a run, and what it keeps.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The run ends before dispatching more events than this. (A world that feeds itself within one event, see
    /// [`Core::note`](super::Core::note), is stopped by the first one beyond.)
    pub events_max: u64,
    /// The run ends before virtual time passes this.
    pub time_max: Nanos,
    /// How many of the last records are kept: a power of two.
    pub ring: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { events_max: 1_000_000_000, time_max: Nanos::secs(365 * 86_400), ring: 256 }
    }
}

/// Why a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EndReason {
    /// Nothing was pending any more.
    Idle,
    /// The world asked for the end, and said why.
    Stopped(String),
    /// The next event would have been one more than [`Limits::events_max`].
    EventCap,
    /// The next event lay beyond [`Limits::time_max`]; the clock stands at that bound.
    TimeCap,
    /// A guest kept itself runnable and never waited, so time could not move.
    Livelock,
}

impl std::fmt::Display for EndReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            EndReason::Idle => f.pad("idle"),
            EndReason::Stopped(why) => f.pad(why),
            EndReason::EventCap => f.pad("event cap"),
            EndReason::TimeCap => f.pad("time cap"),
            EndReason::Livelock => f.pad("a guest that never waits"),
        }
    }
}

/// How a run went.
#[derive(Clone, Debug)]
pub struct Outcome<E> {
    /// Why it ended.
    pub reason: EndReason,
    /// Virtual time at the end.
    pub now: Nanos,
    /// Events dispatched.
    pub events: u64,
    /// Events dropped because the life they were meant for was over.
    pub discarded: u64,
    /// The fingerprint of everything dispatched.
    pub digest: Digest,
    /// The last records, oldest first.
    pub ring: Vec<Record<E>>,
    /// Situations reached.
    pub marks: Marks,
}
