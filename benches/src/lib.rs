//! **wavetank-benches**: the criterion benches, and what a comparison looks like.
//!
//! * [`published`]: figures of real systems, beside ours.
//! * [`report`]: from measurements to a table in the terminal, files for other tools, and a page to look at.

pub mod published;
pub mod report;
