//! `wavetank` as a user has it: what it prints and writes, and its exit codes.

mod check;
mod command;
mod common;
mod explain;
mod explain_failure;
mod mutants;
mod replay;
mod shrink;
mod sweep;
