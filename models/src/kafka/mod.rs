//! Kafka-compatible platforms: what brokers, controllers and clients say and keep.
//!
//! ```text
//!   clients ── protocol::client ──> broker: partitions ── PartitionLog ──> streams ── wal, objects
//!                                      │  ^
//!                  protocol::controller v  │ metadata::MetadataRecord, by offset
//!                                   controllers (KRaft quorum)
//! ```
//!
//! Everything here is a component that is stepped with inputs and asks for effects through [`Cx`](crate::world::Cx).
//! Several components live in one process; each owns a [`TokenSpace`](token::TokenSpace), by which answers of devices and
//! timers find their way back.

pub mod batch;
pub mod broker;
pub mod controller;
pub mod group_coordinator;
pub mod ids;
pub mod metadata;
pub mod object_client;
pub mod partition_log;
pub mod partition_map;
pub mod protocol;
pub mod rpc;
pub mod shared_storage;
pub mod token;
pub mod wal;
