//! **wavetank-workloads**: scenarios, and the lab that runs them.
//!
//! * [`mutant`]: known bugs, by name.
//! * [`scenario`]: the scenarios there are.
//! * [`case`]: what a run is, beyond scenario, seed and options.
//! * [`lab`]: one run, many runs, two runs in lockstep.
//! * [`compare`]: what is measured of a platform, and what of it can be said over seeds.
//! * [`catalogue`]: what there is, for lists.
//! * [`cluster`]: a scenario's cluster on a platform, run once.
//! * [`storm`]: a storm as data: what goes wrong in a run, when, and to whom.
//! * [`spec`]: what goes in: scenario files, OpenMessaging Benchmark files, settings.
//! * [`bare_log`]: a write-ahead log by itself, under a storm.
//! * [`bare_quorum`]: controllers by themselves, under a storm.
//! * [`harbour`]: the built-in scenario: a small durable log service on every device of the cloud, under a storm.

pub mod bare_log;
pub mod bare_quorum;
pub mod case;
pub mod catalogue;
pub mod cluster;
pub mod compare;
pub mod harbour;
pub mod lab;
pub mod mutant;
mod recording;
pub mod scenario;
pub mod spec;
pub mod storm;

pub use recording::HistoryReport;
