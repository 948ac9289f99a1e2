//! Bare logs keep their contract in storms, whatever they lie on; and known bugs of logs are caught, each by the rule that
//! is about it.

use std::ops::Range;
use std::path::Path;
use wavetank_sim::run_many;
use wavetank_traces::Finding;
use wavetank_workloads::bare_log::{Medium, SEEDS_FOR_SITUATIONS};
use wavetank_workloads::lab::corpus::{self, Kept};
use wavetank_workloads::lab::{self, RunReport, Totals};
use wavetank_workloads::mutant::Mutant;
use wavetank_workloads::scenario::{Listeners, RunOptions, Scenario};

/// What came of each seed, in their order, until `each` has had enough.
fn runs(medium: Medium, seeds: Range<u64>, mutant: Option<&str>, mut each: impl FnMut(RunReport) -> bool) {
    let mutant = mutant.map(|name| Mutant::by_name(name).expect("it is in the registry"));
    let options = RunOptions { mutant, ..RunOptions::default() };
    let run = |seed: &u64| Scenario::BareLog(medium).run(*seed, &options, Listeners::default());
    run_many(2, seeds, run, |seed, report| match report {
        Ok(report) => each(report),
        Err(panic) => panic!("{medium:?} seed {seed}: panic: {}", panic.message),
    });
}

#[test]
fn logs_keep_their_contract_and_reach_every_situation() {
    for medium in Medium::ALL {
        let scenario = Scenario::BareLog(medium);
        let mut totals = Totals::new(scenario);
        let seeds = SEEDS_FOR_SITUATIONS;
        runs(medium, 0..seeds, None, |report| {
            assert_eq!(report.findings, [], "{} seed {}: {:?}", scenario.name(), report.seed, report.drawn);
            totals.add(&lab::outcome(&Ok(report)));
            true
        });
        assert_eq!((totals.seeds, totals.failed), (seeds, 0));
        assert_eq!(totals.missing(scenario), [""; 0], "{} never reached these", scenario.name());
    }
}

/// Who tells first of a bug, in which seed.
fn first_told(medium: Medium, mutant: &str, seeds: Range<u64>) -> Option<(u64, Finding)> {
    let mut first = None;
    runs(medium, seeds, Some(mutant), |report| {
        first = report.findings.into_iter().next().map(|finding| (report.seed, finding));
        first.is_none()
    });
    first
}

fn is_caught(medium: Medium, mutant: &str, by: &[&str]) {
    let (seed, finding) =
        first_told(medium, mutant, 0..300).unwrap_or_else(|| panic!("no seed tells of {mutant} on {medium:?}"));
    println!("{} {mutant}: seed {seed}: {}: {}", medium.scenario(), finding.by, finding.why);
    assert!(by.contains(&&*finding.by), "{mutant} on {medium:?}: {finding:?}");
}

const LOST: &[&str] = &["durable-is-recovered", "nothing-comes-back", "wal-order"];

#[test]
fn mutants_of_logs_of_objects_are_caught() {
    for mutant in [
        "wal-confirm-max",
        "wal-epoch-not-in-key",
        "wal-failover-verifies-nothing",
        "wal-recover-body-offset",
        "wal-reset-trims-past-end",
        "wal-list-one-page",
        "wal-overlap-first-only",
        "wal-plain-put-reservation",
        "wal-no-verify-before-ack",
        "wal-trim-not-rounded",
    ] {
        is_caught(Medium::Object, mutant, LOST);
    }
    is_caught(Medium::Object, "wal-no-second-delete", &["trimmed-is-deleted"]);
}

#[test]
fn mutants_of_logs_in_rings_are_caught() {
    for mutant in [
        "wal-confirm-max",
        "wal-recover-body-offset",
        "wal-reset-trims-past-end",
        "wal-no-ring-cycle-check",
        "wal-header-left-graceful",
        "wal-header-by-wall-clock",
    ] {
        is_caught(Medium::Io2, mutant, LOST);
        is_caught(Medium::Nfs, mutant, LOST);
    }
}

/// Cases that are kept: with its bug the same comes of each, without it nothing.
#[test]
fn kept_cases_show_their_bugs_again() {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../traces/corpus"));
    let files = corpus::files(folder).expect("the corpus is there");
    assert!(!files.is_empty());
    for path in files {
        let checked = corpus::check(&path).unwrap_or_else(|error| panic!("{error}"));
        assert!(matches!(checked.kept, Kept::Sound), "{}: {:?}", path.display(), checked.kept);
    }
}
