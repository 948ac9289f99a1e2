//! Latency distributions. (Interface first; the body is being written.)

use wavetank_sim::{Nanos, Stream};

/// How long an operation takes: a distribution to draw from.
#[derive(Clone, Debug)]
pub struct Latency(Nanos);

impl Latency {
    /// Always the same.
    pub fn constant(value: Nanos) -> Latency {
        Latency(value)
    }
    /// One draw.
    pub fn sample(&self, stream: &mut Stream) -> Nanos {
        stream.bits64();
        self.0
    }
    /// The value that a share `p` (0..1) of draws does not exceed.
    pub fn quantile(&self, _p: f64) -> Nanos {
        self.0
    }
}
