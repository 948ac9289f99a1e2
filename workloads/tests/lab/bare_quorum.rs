//! A bare quorum keeps its promises in storms, and known bugs of quorums are caught.

use std::ops::Range;
use wavetank_sim::run_many;
use wavetank_workloads::bare_quorum::SEEDS_FOR_SITUATIONS;
use wavetank_workloads::lab::{self, RunReport, Totals};
use wavetank_workloads::mutant::Mutant;
use wavetank_workloads::scenario::{Listeners, RunOptions, Scenario};

/// What came of each seed, in their order, until `each` has had enough.
fn runs(seeds: Range<u64>, mutant: Option<&str>, mut each: impl FnMut(RunReport) -> bool) {
    let mutant = mutant.map(|name| Mutant::by_name(name).expect("it is in the registry"));
    let options = RunOptions { mutant, ..RunOptions::default() };
    let run = |seed: &u64| Scenario::BareQuorum.run(*seed, &options, Listeners::default());
    run_many(2, seeds, run, |seed, report| match report {
        Ok(report) => each(report),
        Err(panic) => panic!("seed {seed}: panic: {}", panic.message),
    });
}

#[test]
fn a_quorum_keeps_its_promises_and_reaches_every_situation() {
    let mut totals = Totals::new(Scenario::BareQuorum);
    runs(0..SEEDS_FOR_SITUATIONS, None, |report| {
        assert_eq!(report.findings, [], "seed {}: {:?}", report.seed, report.drawn);
        totals.add(&lab::outcome(&Ok(report)));
        true
    });
    assert_eq!(totals.missing(Scenario::BareQuorum), [""; 0]);
}

#[test]
fn a_quorum_that_breaks_a_rule_is_caught() {
    for mutant in ["ack-unflushed", "forget-votes", "commit-old-epochs"] {
        let mut first = None;
        runs(0..1_000, Some(mutant), |report| {
            first = report.findings.into_iter().next().map(|finding| (report.seed, finding));
            first.is_none()
        });
        let (seed, finding) = first.unwrap_or_else(|| panic!("no seed tells of {mutant}"));
        println!("{mutant}: seed {seed}: {}: {}", finding.by, finding.why);
        let told = finding.by == "metadata-is-one-log"
            || finding.by.starts_with("registrar")
            || finding.by.starts_with("controller");
        assert!(told, "{mutant}: {finding:?}");
    }
}
