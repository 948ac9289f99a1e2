//! Profiles of devices, held to what was measured; and what a run is billed.

mod bill;
mod bodies;
mod calibration;
mod fit;
mod overlays;
