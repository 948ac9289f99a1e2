//! Kafka's contract and Jepsen's on the same histories: where they differ, and why.
//!
//! The tests' names are those of the table in `CONTRACT.md`.

mod bench;
mod clients;
mod elections;
mod log;
mod own;
mod positions;
mod transactions;
