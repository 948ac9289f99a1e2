//! `unseen`: values that an `ok` operation sent and that no `ok` operation had polled by the end.
//!
//! Only a history whose readers were given the time to reach the end can say this of a value near the end.

use super::Evidence;
use super::proof::Proof;

/// Each key's unseen values.
pub fn check(evidence: &Evidence, out: &mut Vec<Proof>) {
    for (key, known) in evidence.index.keys() {
        let unread = |sent: &std::ops::Range<u64>| known.ok_read.gaps(sent).collect::<Vec<_>>();
        let values: Vec<_> = known.acked.iter().flat_map(unread).collect();
        if !values.is_empty() {
            out.push(Proof::Unseen { key, values });
        }
    }
}
