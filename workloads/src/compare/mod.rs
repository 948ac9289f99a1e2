//! Comparison: what is measured of a platform in one run, and what can be said of platforms over seeds.
//!
//! ```text
//! the lab ── sent, acked, consumed… ──> Recorder ── finish ──> Measurement (one platform, one seed)
//!                                                                   │ a list of them
//!                                                                   v
//!          terminal, JSON, HTML <── Summary: figures with intervals, verdicts, curves, series
//!          OpenMessaging JSON, interval logs <── the measurements themselves
//! ```
//!
//! * [`measurement`]: the data of one run, and the recorder that fills it without an allocation for a record.
//! * [`expected`]: what a scenario expects, held against what was measured.
//! * [`interval`]: mean and confidence interval.
//! * [`summary`]: platforms over seeds, and the rule by which a winner is named.
//!
//! Nothing here reads a clock or draws: the same measurements give the same summary, bit for bit.

pub mod expected;
pub mod figure;
pub mod interval;
pub mod measurement;
pub mod recorder;
pub mod summary;

pub use expected::{Expected, Kept};
pub use figure::{Better, Figure, Unit, Verdict};
pub use interval::Estimate;
pub use measurement::{Distribution, Measurement, Platform};
pub use recorder::Recorder;
pub use summary::{Published, Subject, Summary, SummaryError};
