//! **wavetank-models**: clouds, what runs on them, and the world that holds both.
//!
//! * [`cloud`]: hosts, networks, volumes, file shares, object stores, profiles, prices. Each device is a state machine
//!   without I/O that opens with its contract of faults.
//! * [`world`]: processes on hosts, stepped by the tank of `wavetank-sim`.
//! * [`kafka`]: brokers, controllers, logs in shared storage, their protocols.
//! * [`client`]: producers, consumers and groups, as Kafka's Java clients have them.
//! * [`flink`]: a checkpointing job that reads from them.
//! * [`fault`], [`anomaly`]: what can be broken for a while, and what can go wrong with one operation.
//! * [`probe`], [`invariants`]: what processes expose, and what must hold of it.
//! * [`blob`], [`extents`]: what is stored and sent.

pub mod anomaly;
pub mod blob;
pub mod client;
pub mod cloud;
pub mod extents;
pub mod fault;
pub mod flink;
pub mod invariants;
pub mod kafka;
pub mod message;
pub mod probe;
pub mod world;
