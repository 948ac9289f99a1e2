//! Scenarios and storms as they run, and the lab that runs them: in one binary, so that it is linked once.

mod bare_log;
mod bare_quorum;
mod cluster;
mod common;
mod curve;
mod history;
mod loss;
mod mutants;
mod operators;
mod pipelines;
mod runs;
mod shrink;
mod standstill;
mod storm;
mod storm_aims;
mod story;
mod sweep;
mod timeline;
