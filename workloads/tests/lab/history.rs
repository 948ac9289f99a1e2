//! What boats are told is checked as a history: silent where all is well, loud where a pier loses or doubles records.

use crate::common::Shared;
use std::collections::BTreeSet;
use std::io::Write;
use wavetank_models::world::HISTORY;
use wavetank_traces::check::{Options, Verdict, check};
use wavetank_traces::history::{Kind, reader};
use wavetank_workloads::harbour::Mutant;
use wavetank_workloads::lab::{self, RunReport};
use wavetank_workloads::scenario::{Listeners, RunOptions, Scenario};

fn run(seed: u64, options: RunOptions, file: Option<&Shared>) -> RunReport {
    let history = file.map(|file| Box::new(file.clone()) as Box<dyn Write + Send>);
    lab::run(Scenario::Harbour, seed, &options, Listeners { history, ..Listeners::default() }).expect("no panic")
}

/// The names of what the history told of a run.
fn told(report: &RunReport) -> BTreeSet<&str> {
    let by_history = report.findings.iter().filter(|finding| finding.by == HISTORY);
    by_history.map(|finding| finding.why.split(':').next().expect("a name")).collect()
}

#[test]
fn recording_and_checking_change_nothing_and_find_nothing_where_all_is_well() {
    for seed in 0..40 {
        let file = Shared::default();
        let unchecked = RunOptions { no_check: true, ..RunOptions::default() };
        let plain = run(seed, unchecked, None);
        let written = run(seed, unchecked, Some(&file));
        let checked = run(seed, RunOptions::default(), Some(&Shared::default()));
        assert_eq!((plain.digest, plain.events), (written.digest, written.events), "seed {seed}");
        assert_eq!((plain.digest, plain.events), (checked.digest, checked.events), "seed {seed}");
        assert!(checked.findings.is_empty(), "seed {seed}: {:?}", checked.findings);
        assert_eq!((plain.history.checked, written.history.checked), (None, None));

        let history = reader::read(&file.0.lock().unwrap()[..], "the file").unwrap();
        assert_eq!(checked.history.checked, Some(history.len() as u64), "seed {seed}: the file is what was checked");
        assert_eq!(check(&history, &Options::default()).verdict, Verdict::Valid, "seed {seed}");
        assert_eq!(history.open().count(), 0, "seed {seed}: everything has an end");
        let count = |kind: Kind| history.ids().filter(|id| history.op(*id).kind == kind).count();
        assert!(count(Kind::Ok) >= 450, "seed {seed}: {} operations ended well", count(Kind::Ok));
        let read: u64 = history.ids().flat_map(|id| history.polls(id)).map(|run| u64::from(run.count)).sum();
        assert!(read >= 450, "seed {seed}: {read} records were read back");
    }
}

#[test]
fn storms_leave_outcomes_unknown_and_polls_without_an_answer() {
    let (mut killed, mut failed) = (0, 0);
    for seed in 0..40 {
        let file = Shared::default();
        run(seed, RunOptions { no_check: true, ..RunOptions::default() }, Some(&file));
        let history = reader::read(&file.0.lock().unwrap()[..], "the file").unwrap();
        let count = |kind: Kind| history.ids().filter(|id| history.op(*id).kind == kind).count();
        (killed, failed) = (killed + count(Kind::Info), failed + count(Kind::Fail));
        let processes: BTreeSet<_> = history.ids().filter_map(|id| history.op(id).process).collect();
        assert!(processes.len() >= 6, "three boats are six clients");
    }
    assert!(killed > 0 && failed > 0, "{killed} unknown, {failed} failed");
}

#[test]
fn piers_that_lose_or_double_records_are_caught_by_the_history_too() {
    for (mutant, anomaly) in [
        (Mutant::AckBeforeSync, "inconsistent-offsets"),
        (Mutant::RetryFailedSync, "inconsistent-offsets"),
        (Mutant::RecoverFromCache, "inconsistent-offsets"),
        (Mutant::AppendResent, "duplicate"),
    ] {
        let options = RunOptions { mutant: Some(mutant.into()), keep_going: true, ..RunOptions::default() };
        let mut caught = (0..150).map(|seed| run(seed, options, None));
        assert!(caught.any(|report| told(&report).contains(anomaly)), "{}: no {anomaly} in 150 seeds", mutant.name());
    }
}

#[test]
fn the_first_violation_ends_a_run_unless_it_is_to_go_on() {
    let options = RunOptions { mutant: Some(Mutant::AppendResent.into()), ..RunOptions::default() };
    let on = RunOptions { keep_going: true, ..options };
    let first = |seed: &u64| told(&run(*seed, options, None)).contains("duplicate");
    let seed = (0..150).find(first).expect("a duplicate in 150 seeds");
    let (stopped, gone_on) = (run(seed, options, None), run(seed, on, None));
    assert_eq!(stopped.reason.to_string(), stopped.findings[0].why, "the run says why it ended");
    assert!(stopped.now < gone_on.now && stopped.history.checked < gone_on.history.checked);
    assert_eq!(stopped.findings[0], gone_on.findings[0], "the same run up to there");
    assert!(!told(&stopped).contains("unseen"), "its readers had not finished: {:?}", stopped.findings);
}

#[test]
fn what_is_lost_before_all_have_read_to_the_end_is_missed_there() {
    let options = RunOptions { mutant: Some(Mutant::AckBeforeSync.into()), keep_going: true, ..RunOptions::default() };
    let mut runs = (0..150).map(|seed| run(seed, options, None));
    assert!(runs.any(|report| told(&report).contains("unseen")));
}
