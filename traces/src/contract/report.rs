//! What a check under Kafka's contract found, and what it means.

use super::class::{Class, Classified};
use crate::check::Verdict;
use crate::check::anomaly::Anomaly;
use crate::check::report::entries_of;
use crate::history::History;
use serde_json::{Map, Value as Json, json};
use std::collections::{BTreeMap, BTreeSet};

/// All findings, classified.
#[derive(Clone, Debug)]
pub struct KafkaReport {
    /// Invalid if there is a violation; else unknown if anything is unknown; else valid.
    pub verdict: Verdict,
    /// What was found, by anomaly; of each, violations first.
    pub findings: BTreeMap<Anomaly, Vec<Classified>>,
}

impl KafkaReport {
    pub(super) fn new(found: Vec<Classified>) -> KafkaReport {
        let is_there = |wanted: &dyn Fn(&Class) -> bool| found.iter().any(|finding| wanted(&finding.class));
        let verdict = if is_there(&|class| *class == Class::Violation) {
            Verdict::Invalid
        } else if is_there(&|class| matches!(class, Class::Unknown { .. })) {
            Verdict::Unknown
        } else {
            Verdict::Valid
        };
        let mut findings: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for finding in found {
            findings.entry(finding.proof.anomaly()).or_default().push(finding);
        }
        for findings in findings.values_mut() {
            findings.sort_by_key(|finding| rank(&finding.class));
        }
        KafkaReport { verdict, findings }
    }

    /// All findings.
    pub fn all(&self) -> impl Iterator<Item = &Classified> {
        self.findings.values().flatten()
    }

    /// Those that break a promise.
    pub fn violations(&self) -> impl Iterator<Item = &Classified> {
        self.all().filter(|finding| finding.class == Class::Violation)
    }

    /// The anomalies of which at least one is a violation.
    pub fn bad(&self) -> BTreeSet<Anomaly> {
        self.violations().map(|finding| finding.proof.anomaly()).collect()
    }

    /// Whether there are violations and all of them are stalls: something did not come, but nothing wrong was seen. A
    /// command then ends with the exit code of a stall, not of a violation of safety.
    pub fn only_stalls(&self) -> bool {
        self.verdict == Verdict::Invalid && self.violations().all(Classified::is_stall)
    }

    /// As `wavetank check --json` prints it: as [`Report::json`](crate::check::Report::json), and each entry also has its
    /// `class` and, in words, `by` what it is allowed, or `why` it is not or nobody knows.
    pub fn json(&self, history: &History) -> Json {
        let errors: Map<_, _> = self
            .findings
            .iter()
            .map(|(anomaly, findings)| (anomaly.name().to_owned(), entries(findings, history)))
            .collect();
        let bad: BTreeSet<_> = self.bad().into_iter().map(Anomaly::name).collect();
        let types: BTreeSet<_> = self.findings.keys().map(|anomaly| anomaly.name()).collect();
        json!({
            "valid": self.verdict.json(),
            "error_types": types,
            "bad_error_types": bad,
            "errors": errors,
        })
    }
}

/// Entries sorted by key, then by class, then as the checker found them.
fn entries(findings: &[Classified], history: &History) -> Json {
    let mut sorted: Vec<_> = findings.iter().collect();
    sorted.sort_by_key(|finding| finding.proof.key().map(|key| history.key_name(key)));
    let entries = sorted
        .into_iter()
        .flat_map(|finding| entries_of(&finding.proof, history).into_iter().map(|entry| finding.annotate(entry)));
    Json::Array(entries.collect())
}

fn rank(class: &Class) -> u8 {
    match class {
        Class::Violation => 0,
        Class::Unknown { .. } => 1,
        Class::PromiseEnded { .. } => 2,
        Class::Allowed { .. } => 3,
    }
}
