//! Settings as plain data: what was set, and the defaults of the rest.

pub mod broker;
pub mod clients;
pub mod flink;
pub mod shared_storage;
pub mod topic;
