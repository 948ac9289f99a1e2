//! Scenario files, workloads and drivers of OpenMessaging Benchmark, and settings, as they are read.

mod any_text;
mod bad;
mod builtin;
mod omb;
mod scenario;
mod settings;
