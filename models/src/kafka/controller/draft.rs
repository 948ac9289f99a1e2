//! One entry in the making: what a request changes.
//!
//! The active controller decides on the *next* image: what is committed and what is on its way. A record is applied to that
//! as it is written down, so whatever is decided later, in the same request too, sees it. Hence the rule of all control
//! managers: check first, write after; a request that is refused has written nothing.

use super::mutant::ControllerMutant;
use super::options::ControllerOptions;
use crate::kafka::metadata::{ClusterImage, MetadataRecord};
use crate::probe::Probe;
use wavetank_sim::Nanos;

/// What decisions rest on, beside the image.
#[derive(Clone, Copy)]
pub(super) struct Rules<'a> {
    /// Monotonic.
    pub(super) now: Nanos,
    /// Wall clock.
    pub(super) now_ms: i64,
    pub(super) options: &'a ControllerOptions,
    pub(super) mutant: Option<ControllerMutant>,
}

/// See the [module](self).
pub(super) struct Draft<'a> {
    image: &'a mut ClusterImage,
    pub(super) rules: Rules<'a>,
    pub(super) records: Vec<MetadataRecord>,
    /// Situations that were met.
    pub(super) marks: Vec<&'static str>,
    /// What is known at once, whether the entry is committed or not.
    pub(super) probes: Vec<Probe>,
}

impl<'a> Draft<'a> {
    pub(super) fn new(image: &'a mut ClusterImage, rules: Rules<'a>) -> Draft<'a> {
        Draft { image, rules, records: Vec::new(), marks: Vec::new(), probes: Vec::new() }
    }

    /// The next image, with what this draft says.
    pub(super) fn image(&self) -> &ClusterImage {
        self.image
    }

    pub(super) fn push(&mut self, record: MetadataRecord) {
        self.image.apply_record(self.image.next, &record);
        self.records.push(record);
    }

    pub(super) fn is_mutant(&self, mutant: ControllerMutant) -> bool {
        self.rules.mutant == Some(mutant)
    }
}
