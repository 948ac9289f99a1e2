//! Clients against a scripted cluster.

#[path = "../common/mod.rs"]
mod common;

mod broker;
mod consuming;
mod harness;
mod producing;
