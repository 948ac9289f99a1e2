//! `no-writer-of-value`, knowing that an operation that never completed, or of which nobody knows how it did, may have sent
//! its values.

use super::facts::Facts;
use crate::check::no_writer;
use crate::check::proof::Proof;

/// Every poll of a value that nobody can have sent.
pub fn check(facts: &Facts, out: &mut Vec<Proof>) {
    let mut found = Vec::new();
    no_writer::check(facts.evidence, &mut found);
    for proof in found {
        let Proof::Read { anomaly, key, values, writer, reader } = proof else { continue };
        let nobodys = facts.key(key).possible.gaps(&values);
        out.extend(nobodys.map(|values| Proof::Read { anomaly, key, values, writer, reader }));
    }
}
