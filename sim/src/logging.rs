//! `tracing` lines with virtual time.
//!
//! A subscriber costs tens of nanoseconds at every poll even when it prints nothing, so sweeps install none; a single
//! run that somebody wants to read installs one with [`VirtualTime`] and the directive `madsim=off`.

use crate::tank::virtual_now;
use std::fmt;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;

/// A timer for `tracing_subscriber::fmt` that prints the virtual time of the world on the current thread.
///
/// ```
/// let subscriber = tracing_subscriber::fmt().with_timer(wavetank_sim::VirtualTime).with_writer(std::io::stderr).finish();
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct VirtualTime;

impl FormatTime for VirtualTime {
    fn format_time(&self, w: &mut Writer<'_>) -> fmt::Result {
        write!(w, "{}", virtual_now())
    }
}
