//! `inconsistent-offsets`: an offset of a partition that holds, for different clients, different values.

use super::Evidence;
use super::proof::Proof;
use crate::Offset;

/// Every offset with two or more values.
pub fn check(evidence: &Evidence, out: &mut Vec<Proof>) {
    for (key, known) in evidence.index.keys() {
        for offset in known.log.conflicts() {
            let index = evidence.order(key).index_of(offset).expect("an offset with values is in the order");
            let values = known.log.values_at(offset);
            out.push(Proof::InconsistentOffsets { key, offset: Offset(offset), index, values });
        }
    }
}
