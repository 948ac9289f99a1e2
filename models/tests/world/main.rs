//! A world: its faults, lives, guests, clocks and what it records.

#[path = "../common/mod.rs"]
mod common;
mod faults;
mod guests;
mod late_delivery;
mod lives;
mod pauses_and_clocks;
mod recording;
