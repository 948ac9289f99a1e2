//! Acknowledged records at offsets that the log, at the end, does not reach: told as `lost-write`.
//!
//! Jepsen's `lost-write` needs somebody who read further. Where a log was cut and nothing came after, nobody can; but whoever
//! knows where the log ends knows the same.

use super::facts::{Facts, part_at};
use crate::Offset;
use crate::check::proof::Proof;
use crate::history::KeyId;
use rangemap::RangeSet;
use std::collections::BTreeMap;

/// Every such record of which no other proof tells.
pub fn check(facts: &Facts, out: &mut Vec<Proof>) {
    let told = told(out);
    for (key, known) in facts.evidence.index.keys() {
        let end = facts.key(key).context.and_then(|context| context.end.as_ref()).and_then(|end| end.log_end_offset);
        let Some(end) = end.map(super::signed) else { continue };
        let mut lost = RangeSet::new();
        for values in known.acked.iter() {
            let located = facts.key(key).located(values).into_iter();
            lost.extend(located.filter_map(|(values, first)| part_at(&values, first?, &(end..i64::MAX))));
        }
        for values in told.get(&key).into_iter().flat_map(RangeSet::iter) {
            lost.remove(values.clone());
        }
        for (values, writer) in lost.iter().flat_map(|values| facts.evidence.index.writers(key, values)) {
            let Some(writer) = writer else { continue };
            out.push(Proof::BeyondEnd { key, values, writer, log_end_offset: Offset(end) });
        }
    }
}

fn told(proofs: &[Proof]) -> BTreeMap<KeyId, RangeSet<u64>> {
    let mut told: BTreeMap<KeyId, RangeSet<u64>> = BTreeMap::new();
    for proof in proofs {
        if let Proof::LostWrite { key, values, .. } = proof {
            told.entry(*key).or_default().insert(values.clone());
        }
    }
    told
}
