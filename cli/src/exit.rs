//! Exit codes: what a script can rely on.

use std::process::ExitCode;
use wavetank_traces::{Finding, Severity};
use wavetank_workloads::lab::Totals;

/// For `--help`.
pub const HELP: &str = "\
Exit codes:
  0 everything held       1 usage or bad input      2 an expectation was missed
  3 safety was violated   4 something stalled       5 the verdict is unknown
  101 a bug in wavetank itself";

/// How a command ended; ordered by weight.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Exit {
    /// Everything held.
    #[default]
    Held,
    /// An expectation (an SLO, a situation that a sweep must reach) was missed.
    ExpectationMissed,
    /// What there is to go by does not tell.
    Unknown,
    /// Something did not become live again.
    Stall,
    /// A safety invariant was violated.
    Violation,
    /// Usage or bad input.
    Usage,
    /// A bug of ours.
    Bug,
}

impl Exit {
    /// The worst of these findings.
    pub fn of(findings: &[Finding]) -> Exit {
        let weigh = |finding: &Finding| match finding.severity {
            Severity::Violation => Exit::Violation,
            Severity::Stall => Exit::Stall,
        };
        findings.iter().map(weigh).max().unwrap_or_default()
    }

    /// The worst of a sweep.
    pub fn of_sweep(totals: &Totals) -> Exit {
        let Totals { failed, stalled, panicked, .. } = *totals;
        match failed - stalled - panicked {
            _ if panicked > 0 => Exit::Bug,
            0 if stalled > 0 => Exit::Stall,
            0 => Exit::Held,
            _ => Exit::Violation,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(match exit {
            Exit::Held => 0,
            Exit::Usage => 1,
            Exit::ExpectationMissed => 2,
            Exit::Violation => 3,
            Exit::Stall => 4,
            Exit::Unknown => 5,
            Exit::Bug => 101,
        })
    }
}
