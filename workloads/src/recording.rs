//! The history of a run: where it goes, and what the checkers make of it.
//!
//! A history alone does not show what retention has deleted: to Jepsen's checkers it is lost, unseen or skipped. Where a run
//! deletes, they are heard at the end alone, and what they find counts when [Kafka's contract](check_kafka), which is told
//! where logs began and when, calls it a violation too.

use crate::scenario::RunOptions;
use std::io::Write;
use wavetank_models::world::{HISTORY, Recorded, Recording};
use wavetank_sim::{Nanos, SortedMap, SortedSet};
use wavetank_traces::check::anomaly::Anomaly;
use wavetank_traces::check::proof::Proof;
use wavetank_traces::check::{Options, Story};
use wavetank_traces::contract::context::{KeyContext, LogStart, Reason};
use wavetank_traces::contract::{Context, check_kafka};
use wavetank_traces::history::History;
use wavetank_traces::{Concern, Finding, Severity};

/// What a run is to be recorded into, if anything wants to know: the checkers, unless they are switched off, and a file,
/// if one is given.
pub(crate) fn recording(
    options: &RunOptions,
    checked: Options,
    when: Heard,
    file: Option<Box<dyn Write + Send>>,
) -> Option<Recording> {
    if options.no_check && file.is_none() {
        return None;
    }
    let mut recording = Recording::new();
    if !options.no_check {
        recording = match when {
            Heard::AtOnce => recording.checked(checked),
            Heard::AtEnd => recording.checked_at_end(checked),
        };
    }
    Some(match file {
        Some(file) => recording.written(file),
        None => recording,
    })
}

/// When checkers are heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// As soon as something cannot be taken back.
    AtOnce,
    /// When it is known what explains it.
    AtEnd,
}

/// Where a log began, and since when, by the key in the history.
pub(crate) type LogStarts = SortedMap<String, Vec<(u64, Nanos)>>;

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
    log_starts: Option<&LogStarts>,
    now: Nanos,
    findings: &mut Vec<Finding>,
) -> HistoryReport {
    let Some(Recorded { checked, broken }) = recorded else { return HistoryReport::default() };
    let broken = broken.map(|error| error.to_string());
    let Some((history, report)) = checked else { return HistoryReport { checked: None, broken } };
    let excused = log_starts.map(|starts| {
        // What went after the last operation went before the end of the run.
        let last = history.ids().next_back().map_or(0, |id| history.op(id).time);
        check_kafka(&history, &context(starts, readers, last), &Options::default())
    });
    let told: SortedSet<Anomaly> = Anomaly::ALL.into_iter().filter(|anomaly| is_told(*anomaly, findings)).collect();
    let new = report.bad.iter().filter(|anomaly| !told.contains(anomaly) && counts(**anomaly, readers));
    for anomaly in new {
        let proofs: Vec<&Proof> = match &excused {
            Some(contract) => {
                let violations = contract.violations().map(|classified| &classified.proof);
                violations.filter(|proof| proof.anomaly() == *anomaly).collect()
            }
            None => report.proofs.get(anomaly).into_iter().flatten().collect(),
        };
        findings.extend(finding(&history, &proofs, *anomaly, now));
    }
    HistoryReport { checked: Some(history.len() as u64), broken }
}

/// What Kafka's contract is told.
fn context(log_starts: &LogStarts, readers: Readers, last: i64) -> Context {
    let start = |(offset, at): &(u64, Nanos)| LogStart {
        offset: *offset,
        at: Some((at.0 as i64).min(last)),
        reason: Reason::Retention,
        comment: None,
    };
    let key = |starts: &Vec<_>| KeyContext { log_start: starts.iter().map(start).collect(), ..KeyContext::default() };
    let keys = log_starts.iter().map(|(name, starts)| (name.clone(), key(starts))).collect();
    Context { quiesced: Some(readers == Readers::Finished), keys, ..Context::default() }
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
fn finding(history: &History, proofs: &[&Proof], anomaly: Anomaly, now: Nanos) -> Option<Finding> {
    let first = proofs.first()?;
    let mut why = format!("{anomaly}: {}", Story::new(history).sentence(first));
    let rest = proofs.iter().map(|proof| proof.count()).sum::<u64>() - first.count();
    if rest > 0 {
        why += &format!("; and {rest} more");
    }
    let at = first.ops().iter().map(|id| history.op(*id).time).max();
    let at_ns = at.and_then(|time| u64::try_from(time).ok()).unwrap_or(now.0);
    let about = first.key().map(|key| Concern::Partition(history.key_name(key).into())).into_iter().collect();
    Some(Finding { severity: Severity::Violation, at_ns, by: HISTORY.into(), why, about })
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
        detached.recording = recording(&RunOptions::default(), Options::default(), Heard::AtOnce, None);
        let cx = &mut Cx::detached(&mut detached);
        let key = cx.history_key("x");
        for (offset, value) in [(0, 10), (if wrong { 0 } else { 1 }, 11)] {
            let send = cx.invoke(ClientId(0), Function::Send, |draft| draft.send(key, None, Value(value)));
            cx.complete(send, Ended::Ok, |draft| draft.send(key, Some(Offset(offset)), Value(value)));
        }
        detached.recording.expect("to be checked").finish()
    }

    fn whys(recorded: Recorded, readers: Readers, told: &[&str]) -> Vec<String> {
        let finding = |why: &&str| {
            let (severity, by, why) = (Severity::Violation, HISTORY.into(), (*why).into());
            Finding { severity, at_ns: 0, by, why, about: Vec::new() }
        };
        let mut findings: Vec<_> = told.iter().map(finding).collect();
        let report = judge(Some(recorded), readers, None, Nanos(7), &mut findings);
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
    fn what_retention_deleted_is_not_missed_and_what_lies_after_it_is() {
        let whys = |start| {
            let starts = [("x".to_owned(), vec![(start, Nanos(1 << 40))])].into();
            let mut findings = Vec::new();
            judge(Some(recorded(false)), Readers::Finished, Some(&starts), Nanos(7), &mut findings);
            findings.into_iter().map(|finding| finding.why).collect::<Vec<_>>()
        };
        assert!(!whys(2).iter().any(|why| why.starts_with("unseen")), "{:?}", whys(2));
        assert!(whys(1).iter().any(|why| why.starts_with("unseen: x:") && why.contains("11")), "{:?}", whys(1));
    }

    #[test]
    fn nothing_is_recorded_for_nobody() {
        let unchecked = RunOptions { no_check: true, ..RunOptions::default() };
        assert!(recording(&unchecked, Options::default(), Heard::AtOnce, None).is_none());
        assert!(recording(&unchecked, Options::default(), Heard::AtOnce, Some(Box::new(std::io::sink()))).is_some());
        assert_eq!(judge(None, Readers::Finished, None, Nanos(7), &mut Vec::new()), HistoryReport::default());
    }
}
