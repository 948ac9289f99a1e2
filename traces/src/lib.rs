//! **wavetank-traces**: the vocabulary that models, checkers and reports share.
//!
//! This crate knows no model: what it holds is as true of a real cluster's history as of a simulated one's.

pub mod artifact;
pub mod check;
mod concern;
pub mod contract;
mod finding;
pub mod history;
mod ids;

pub use concern::{Concern, NoConcern};
pub use finding::{Finding, Severity};
pub use ids::{Offset, TopicPartition};
