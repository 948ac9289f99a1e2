//! **wavetank-benches**: the criterion benches, and what a comparison looks like.
//!
//! * [`report`]: from measurements to a table in the terminal, files for other tools, and a page to look at.

pub mod report;
