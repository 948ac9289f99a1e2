//! A record at an offset that holds a control record (a transaction marker): told as `inconsistent-offsets`.
//!
//! Offsets that hold markers are holes for clients, and no anomaly. But whoever says that a record lies in such a hole
//! contradicts the log.

use super::facts::Facts;
use super::offsets;
use crate::Offset;
use crate::check::proof::Proof;
use crate::check::ranges::intersect;

/// Every such offset that holds not two records already.
pub fn check(facts: &Facts, out: &mut Vec<Proof>) {
    for (key, known) in facts.evidence.index.keys() {
        let markers = facts.key(key).context.map_or(&[][..], |context| &context.markers);
        for marker in markers.iter().map(offsets) {
            let records = known.log.firsts().flat_map(|stretch| intersect(&marker, [&stretch.offsets()].into_iter()));
            for offset in records.flatten().filter(|offset| known.log.values_at(*offset).len() == 1) {
                let index = facts.evidence.order(key).index_of(offset).unwrap_or_default();
                let values = known.log.values_at(offset);
                out.push(Proof::InconsistentOffsets { key, offset: Offset(offset), index, values });
            }
        }
    }
}
