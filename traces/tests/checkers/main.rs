//! The checkers against the definitions: the public corpus, a reference, generated histories. One program, so that what
//! they share is compiled once.

mod conformance;
mod generate;
mod online;
mod reference;
mod reference_checks;
