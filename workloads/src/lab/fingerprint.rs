//! What makes two failures the same one, whatever way leads there.

use std::fmt;
use wavetank_traces::Severity;
use wavetank_traces::artifact::Outcome;

/// What a failure is: of a run's first finding how grave it is, who saw it, and what it is about.
///
/// **What it is about** are the words of a finding before its first figure or colon: of `"partition 1/3: the high watermark
/// was 5 and is 4"` that is `partition`, of `"lost-write: x: ..."` the anomaly's name, of `"time cap ended the run: ..."` how
/// the run ended. So the kind of thing that is wrong, and the anomaly, are kept, and its numbers are not: which of the
/// partitions, which offset, how many more. **Who saw it** is a name without its figures too: whether it was the first boat or
/// the second, in which of its lives, does not matter. A panic is its message before the first figure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fingerprint {
    kind: Kind,
    about: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    Found { severity: Severity, by: String },
    Panicked,
}

impl Fingerprint {
    /// Of what came of a run; `None` when everything held.
    pub fn of(outcome: &Outcome) -> Option<Fingerprint> {
        match outcome {
            Outcome::Ended(ended) => {
                let first = ended.findings.first()?;
                let kind =
                    Kind::Found { severity: first.severity, by: opening(&first.by).trim_end_matches('-').into() };
                Some(Fingerprint { kind, about: opening(&first.why).into() })
            }
            Outcome::Panicked(panic) => {
                Some(Fingerprint { kind: Kind::Panicked, about: opening(&panic.message).into() })
            }
        }
    }

    #[cfg(test)]
    pub(super) fn panicked(about: &str) -> Fingerprint {
        Fingerprint { kind: Kind::Panicked, about: about.into() }
    }

    /// Whether something did not become live again, which a shorter time to recover would show of anything.
    pub(super) fn is_stall(&self) -> bool {
        matches!(&self.kind, Kind::Found { severity: Severity::Stall, .. })
    }
}

/// The words before the first figure or colon.
fn opening(why: &str) -> &str {
    why.split(|c: char| c == ':' || c.is_ascii_digit()).next().unwrap_or_default().trim()
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Found { severity: Severity::Violation, by } => write!(f, "violation of {by}")?,
            Kind::Found { severity: Severity::Stall, by } => write!(f, "stall of {by}")?,
            Kind::Panicked => f.write_str("panic")?,
        }
        if self.about.is_empty() { Ok(()) } else { write!(f, " ({})", self.about) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wavetank_traces::Finding;
    use wavetank_traces::artifact::{Ended, Panic};

    fn of(severity: Severity, by: &str, why: &str) -> String {
        let finding = Finding { severity, at_ns: 7, by: by.into(), why: why.into(), about: Vec::new() };
        let ended = Ended {
            reason: "an end".into(),
            end_ns: 9,
            events: 3,
            digest: "ab".into(),
            drawn: Vec::new(),
            marks: std::collections::BTreeMap::new(),
            findings: vec![finding],
        };
        Fingerprint::of(&Outcome::Ended(ended)).expect("it failed").to_string()
    }

    #[test]
    fn figures_are_left_out_and_the_kind_of_thing_is_kept() {
        let violation = |why| of(Severity::Violation, "x", why);
        assert_eq!(violation("partition 1/3: the high watermark was 5"), violation("partition 0/0: the start was 9"));
        assert_ne!(violation("partition 1/3: the high watermark was 5"), violation("stream 7 is opened at 4"));
        assert_ne!(violation("lost-write: x: offset 3"), violation("duplicate: x: offset 3"));
        assert_eq!(violation("unseen: x: 12 values; and 3 more"), "violation of x (unseen)");
        assert_eq!(of(Severity::Violation, "boat-0 (n3.1)", "x"), of(Severity::Violation, "boat-2 (n5.4)", "x"));
        assert_ne!(violation("partition 1"), of(Severity::Stall, "x", "partition 1"));
        assert_ne!(violation("partition 1"), of(Severity::Violation, "y", "partition 1"));
        assert_eq!(
            of(Severity::Stall, "the cluster", "time cap ended the run: 3 left"),
            "stall of the cluster (time cap ended the run)"
        );
    }

    #[test]
    fn a_panic_is_its_message_and_what_held_is_nothing() {
        let panic = Outcome::Panicked(Panic { message: "offset 3 of 5".into() });
        assert_eq!(Fingerprint::of(&panic).expect("it failed").to_string(), "panic (offset)");
    }
}
