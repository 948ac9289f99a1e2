//! The cloud: hosts, networks, volumes, file shares, object stores, their profiles and prices.
//!
//! Every device is a state machine without I/O and without a clock: it is told `now`, asked for something, and answers
//! with [`Output`]s. Its driver (the [`World`](crate), or a test) keeps time and brings the wake-ups back.

pub mod calibrated;
pub mod data_file;
pub mod express;
pub mod host;
pub mod instance;
pub mod latency;
pub mod network;
pub mod nfs;
pub mod object_store;
pub mod price;
pub mod profile;
pub mod volume;

use wavetank_sim::Nanos;

/// What a device answers with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output<S, D> {
    /// "Call my `step` with this at that time." Never cancelled: a device ignores a step that has lost its meaning.
    Wake {
        /// When; not before the `now` of the call that asked.
        at: Nanos,
        /// What for; opaque to the driver.
        step: S,
    },
    /// Something that somebody waits for has happened, now.
    Done(D),
}
