//! **wavetank-workloads**: scenarios, and the lab that runs them.
//!
//! * [`mutant`]: known bugs, by name.
//! * [`scenario`]: the scenarios there are.
//! * [`lab`]: one run, many runs, two runs in lockstep.
//! * [`compare`]: what is measured of a platform, and what of it can be said over seeds.
//! * [`catalogue`]: what there is, for lists.
//! * [`cluster`]: a scenario's cluster on a platform, run once.
//! * [`spec`]: what goes in: scenario files, OpenMessaging Benchmark files, settings.
//! * [`bare_log`]: a write-ahead log by itself, under a storm.
//! * [`harbour`]: the built-in scenario: a small durable log service on every device of the cloud, under a storm.

pub mod bare_log;
pub mod catalogue;
pub mod cluster;
pub mod compare;
pub mod harbour;
pub mod lab;
pub mod mutant;
mod recording;
pub mod scenario;
pub mod spec;

pub use recording::HistoryReport;
