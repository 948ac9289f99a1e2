//! A checkpointing job against a scripted cluster.

#[path = "../common/mod.rs"]
mod common;

#[allow(dead_code)] // Clients' tests use more of it.
#[path = "../clients/broker.rs"]
mod broker;

mod harness;
mod mutants;
mod promises;
