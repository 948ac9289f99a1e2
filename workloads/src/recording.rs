//! The history of a run: where it goes, and what the checkers make of it.

use crate::scenario::RunOptions;
use std::collections::BTreeSet;
use std::io::Write;
use wavetank_models::world::{HISTORY, Recorded, Recording};
use wavetank_sim::Nanos;
use wavetank_traces::check::anomaly::Anomaly;
use wavetank_traces::check::proof::Proof;
use wavetank_traces::check::{Options, Report, Story};
use wavetank_traces::history::History;
use wavetank_traces::{Finding, Severity};

/// What a run is to be recorded into, if anything wants to know: the checkers, unless they are switched off, and a file,
/// if one is given.
pub(crate) fn recording(
    options: &RunOptions,
    checked: Options,
    file: Option<Box<dyn Write + Send>>,
) -> Option<Recording> {
    if options.no_check && file.is_none() {
        return None;
    }
    let mut recording = Recording::new();
    if !options.no_check {
        recording = recording.checked(checked);
    }
    Some(match file {
        Some(file) => recording.written(file),
        None => recording,
    })
}

/// Whether a run's readers got to read everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Readers {
    /// Whatever they have not read by the end is missing.
    Finished,
    /// The run ended before: what they have not read, they might have read still.
    Interrupted,
}

/// What a history came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HistoryReport {
    /// How many operations were checked; `None` if they were not to be.
    pub checked: Option<u64>,
    /// Why it is not whole: its file could not be written.
    pub broken: Option<String>,
}

/// Judges the whole history at the end of a run: adds to the findings what the online checker has not said already.
pub(crate) fn judge(
    recorded: Option<Recorded>,
    readers: Readers,
    now: Nanos,
    findings: &mut Vec<Finding>,
) -> HistoryReport {
    let Some(Recorded { checked, broken }) = recorded else { return HistoryReport::default() };
    let broken = broken.map(|error| error.to_string());
    let Some((history, report)) = checked else { return HistoryReport { checked: None, broken } };
    let told: BTreeSet<Anomaly> = Anomaly::ALL.into_iter().filter(|anomaly| is_told(*anomaly, findings)).collect();
    let new = report.bad.iter().filter(|anomaly| !told.contains(anomaly) && counts(**anomaly, readers));
    findings.extend(new.filter_map(|anomaly| finding(&history, &report, *anomaly, now)));
    HistoryReport { checked: Some(history.len() as u64), broken }
}

/// Whether the online checker has found one of these.
fn is_told(anomaly: Anomaly, findings: &[Finding]) -> bool {
    let begins = |why: &str| why.strip_prefix(anomaly.name()).is_some_and(|rest| rest.starts_with(':'));
    findings.iter().any(|finding| finding.by == HISTORY && begins(&finding.why))
}

/// Some anomalies are what a history lacks; one that breaks off lacks them anyway.
fn counts(anomaly: Anomaly, readers: Readers) -> bool {
    readers == Readers::Finished || !matches!(anomaly, Anomaly::Unseen | Anomaly::EmptyTransactionGraph)
}

/// The first of one kind, and how many there are.
fn finding(history: &History, report: &Report, anomaly: Anomaly, now: Nanos) -> Option<Finding> {
    let proofs = report.proofs.get(&anomaly)?;
    let first = proofs.first()?;
    let mut why = format!("{anomaly}: {}", Story::new(history).sentence(first));
    let rest = proofs.iter().map(Proof::count).sum::<u64>() - first.count();
    if rest > 0 {
        why += &format!("; and {rest} more");
    }
    let at = first.ops().iter().map(|id| history.op(*id).time).max();
    let at_ns = at.and_then(|time| u64::try_from(time).ok()).unwrap_or(now.0);
    Some(Finding { severity: Severity::Violation, at_ns, by: HISTORY.into(), why })
}

#[cfg(test)]
mod tests {
    use super::*;
    use wavetank_models::world::{ClientId, Cx, Detached, Ended};
    use wavetank_traces::Offset;
    use wavetank_traces::history::{Function, Value};

    /// A record that was acknowledged and never read, and, where `wrong`, one at the offset of another that was.
    fn recorded(wrong: bool) -> Recorded {
        let mut detached = Detached::new(1);
        detached.recording = recording(&RunOptions::default(), Options::default(), None);
        let cx = &mut Cx::detached(&mut detached);
        let key = cx.history_key("x");
        for (offset, value) in [(0, 10), (if wrong { 0 } else { 1 }, 11)] {
            let send = cx.invoke(ClientId(0), Function::Send, |draft| draft.send(key, None, Value(value)));
            cx.complete(send, Ended::Ok, |draft| draft.send(key, Some(Offset(offset)), Value(value)));
        }
        detached.recording.expect("to be checked").finish()
    }

    fn whys(recorded: Recorded, readers: Readers, told: &[&str]) -> Vec<String> {
        let finding =
            |why: &&str| Finding { severity: Severity::Violation, at_ns: 0, by: HISTORY.into(), why: (*why).into() };
        let mut findings: Vec<_> = told.iter().map(finding).collect();
        let report = judge(Some(recorded), readers, Nanos(7), &mut findings);
        assert_eq!(report, HistoryReport { checked: Some(4), broken: None });
        findings.into_iter().skip(told.len()).map(|finding| finding.why).collect()
    }

    #[test]
    fn what_nobody_read_is_missed_when_readers_had_finished_alone() {
        let unseen = "unseen: x: acknowledged, but read by nobody by the end: values 10 and 11";
        assert!(whys(recorded(false), Readers::Finished, &[]).contains(&unseen.to_string()));
        assert_eq!(whys(recorded(false), Readers::Interrupted, &[]), [""; 0]);
    }

    #[test]
    fn what_the_online_checker_has_said_is_not_said_again() {
        let inconsistent = "inconsistent-offsets: x: offset 0 holds 10 and 11";
        assert_eq!(whys(recorded(true), Readers::Interrupted, &[]), [inconsistent]);
        assert_eq!(whys(recorded(true), Readers::Interrupted, &[inconsistent]), [""; 0]);
        assert_eq!(whys(recorded(true), Readers::Interrupted, &["duplicate: x"]), [inconsistent]);
    }

    #[test]
    fn nothing_is_recorded_for_nobody() {
        let unchecked = RunOptions { no_check: true, ..RunOptions::default() };
        assert!(recording(&unchecked, Options::default(), None).is_none());
        assert!(recording(&unchecked, Options::default(), Some(Box::new(std::io::sink()))).is_some());
        assert_eq!(judge(None, Readers::Finished, Nanos(7), &mut Vec::new()), HistoryReport::default());
    }
}
