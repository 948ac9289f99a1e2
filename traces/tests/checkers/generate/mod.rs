//! Random histories for tests: of a correct system, with an anomaly planted, with small damage of any kind, and variants
//! on which the verdict must not change.
//!
//! All are pure functions of their arguments; randomness comes from seeds.

// Each integration test that includes this module uses a part of it.
#![allow(dead_code, unused_imports)]

mod append;
mod cluster;
mod dice;
mod edit;
mod lines;
mod mutate;
mod plant;
mod shape;
mod simulate;
mod variants;
mod worker;

pub use lines::well_formed;
pub use mutate::mutate;
pub use plant::{Anomaly, plant};
pub use shape::{Shape, shapes};
pub use simulate::correct_history;
pub use variants::{renumber_processes, reorder_unrelated};
