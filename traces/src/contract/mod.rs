//! Kafka's contract.
pub mod context;
