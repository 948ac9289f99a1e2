//! What a checker or a model found to be wrong.

use crate::Concern;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What a finding means for the platform under test.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// A promise was broken although everything that was injected is within its budget.
    Violation,
    /// Something did not become live again after the heal.
    Stall,
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// What it means.
    pub severity: Severity,
    /// Virtual time in nanoseconds at which it showed.
    pub at_ns: u64,
    /// Who noticed, by name.
    pub by: String,
    /// What is wrong, in words.
    pub why: String,
    /// What it is about, nearest first; empty where nobody could say, and in files of before there was such a list.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub about: Vec<Concern>,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Violation => "violation",
            Severity::Stall => "stall",
        };
        write!(
            f,
            "{severity} at {}.{:09} s, seen by {}: {}",
            self.at_ns / 1_000_000_000,
            self.at_ns % 1_000_000_000,
            self.by,
            self.why
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_survives_json_and_reads_well() {
        let (severity, by, why) = (Severity::Violation, "client-0".to_owned(), "lost".to_owned());
        let mut finding = Finding { severity, at_ns: 1_500_000_000, by, why, about: Vec::new() };
        let old = r#"{"severity":"violation","at_ns":1500000000,"by":"client-0","why":"lost"}"#;
        assert_eq!(serde_json::to_string(&finding).unwrap(), old);
        assert_eq!(serde_json::from_str::<Finding>(old).unwrap(), finding);
        finding.about = vec![Concern::Stream(3)];
        let json = serde_json::to_string(&finding).unwrap();
        assert!(json.ends_with(r#""about":["stream 3"]}"#), "{json}");
        assert_eq!(serde_json::from_str::<Finding>(&json).unwrap(), finding);
        assert_eq!(finding.to_string(), "violation at 1.500000000 s, seen by client-0: lost");
    }
}
