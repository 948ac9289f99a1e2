//! A fault that waits for a step of somebody's protocol.

use super::member::Member;
use super::step::Step;
use serde::{Deserialize, Serialize};
use std::fmt;
use wavetank_sim::Nanos;

/// When a fault strikes that waits for a step: `after` the `nth` time that somebody has done it, counted from its entry's
/// `start` on. It lasts for `lasts`, and is healed at the entry's `end` at the latest; what would begin only then does not.
///
/// As JSON: `{"step": "wal-trimmed", "by": "broker 1", "nth": 2, "after": "0.003 s", "lasts": "4 s"}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Aim {
    /// Which step.
    pub step: Step,
    /// Whose; absent: anybody's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<Member>,
    /// Which occurrence, from 1.
    pub nth: u32,
    /// From the step to the fault.
    pub after: Nanos,
    /// From the fault to its heal.
    pub lasts: Nanos,
    /// Whoever did the step is hit, in place of the member that the entry names; only steps by members of that role count.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub at_doer: bool,
}

/// A fault that struck: it waited for a step, and the step came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Struck {
    /// The storm's entry.
    pub entry: usize,
    /// When it began.
    pub at: Nanos,
    /// Whose step it was.
    pub doer: Member,
}

impl fmt::Display for Aim {
    /// For people: when it begins, and how long it lasts.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Aim { step, by, nth, after, lasts, at_doer: _ } = self;
        let by = by.map_or_else(String::new, |by| format!(" by {by}"));
        write!(f, "{after} s after \"{step}\"{by} no. {nth}, for {lasts} s")
    }
}
