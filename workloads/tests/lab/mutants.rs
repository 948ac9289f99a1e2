//! Known bugs are caught: each by the invariants named here, within so many seeds of a scenario, and the same seeds pass
//! without it. How often each is caught is in `docs/mutants.md`.
//!
//! What shows in few seeds is held in every run; the rest by `--ignored`.

use wavetank_sim::run_many;
use wavetank_traces::Finding;
use wavetank_workloads::mutant::Mutant;
use wavetank_workloads::scenario::{Listeners, RunOptions, Scenario};

/// A bug, where it shows, and who may tell.
struct Case {
    mutant: &'static str,
    scenario: &'static str,
    seeds: std::ops::Range<u64>,
    by: &'static [&'static str],
}

/// What is wrong in a run of that seed; a panic is a bug of ours.
fn findings(scenario: Scenario, seeds: &[u64], mutant: Option<Mutant>, mut each: impl FnMut(u64, &[Finding]) -> bool) {
    let options = RunOptions { mutant, ..RunOptions::default() };
    run_many(
        2,
        seeds.iter().copied(),
        |seed| scenario.run(*seed, &options, Listeners::default()).findings,
        |seed, findings| match findings {
            Ok(findings) => each(*seed, &findings),
            Err(panic) => panic!("{} seed {seed}: panic: {}", scenario.name(), panic.message),
        },
    );
}

/// The first seed in which a named invariant tells, and what it says.
fn first_caught(case: &Case) -> Option<(u64, Finding)> {
    let scenario = Scenario::by_name(case.scenario).expect("it is built in");
    let mutant = Mutant::by_name(case.mutant).expect("it is in the registry");
    let (seeds, mut first): (Vec<u64>, _) = (case.seeds.clone().collect(), None);
    findings(scenario, &seeds, Some(mutant), |seed, findings| {
        let told = findings.iter().find(|finding| case.by.contains(&&*finding.by));
        first = first.take().or_else(|| told.map(|finding| (seed, finding.clone())));
        first.is_none()
    });
    first
}

fn is_caught(case: &Case) {
    let Case { mutant, scenario, seeds, by } = case;
    let Some((seed, finding)) = first_caught(case) else {
        panic!("no seed of {seeds:?} of {scenario} lets {by:?} tell of {mutant}");
    };
    println!("{mutant}: {scenario} seed {seed}: {}: {}", finding.by, finding.why);
    let same: Vec<u64> = (seeds.start..=seed).collect();
    findings(Scenario::by_name(scenario).expect("it is built in"), &same, None, |seed, findings| {
        assert!(findings.is_empty(), "{scenario} seed {seed} without {mutant}: {findings:?}");
        true
    });
}

/// Caught in a good part of all seeds.
const FREQUENT: [Case; 9] = [
    Case {
        mutant: "storage-cache-order-not-wal-order",
        scenario: "late-writes@s3-wal",
        seeds: 0..20,
        by: &["trimmed-is-committed"],
    },
    Case {
        mutant: "storage-confirm-before-cache",
        scenario: "late-writes@s3-wal",
        seeds: 0..20,
        by: &["trimmed-is-committed"],
    },
    Case {
        mutant: "storage-back-off-overtaken",
        scenario: "late-writes@s3-wal",
        seeds: 0..40,
        by: &["trimmed-is-committed", "trimmed-stays-trimmed", "commits-follow-on"],
    },
    Case {
        mutant: "wal-reset-trims-past-end",
        scenario: "late-writes@s3-wal",
        seeds: 0..40,
        by: &["durable-is-recovered"],
    },
    Case { mutant: "wal-list-one-page", scenario: "late-writes@s3-wal", seeds: 0..60, by: &["durable-is-recovered"] },
    Case {
        mutant: "wal-header-left-graceful",
        scenario: "late-writes@ebs-wal",
        seeds: 0..40,
        by: &["durable-is-recovered"],
    },
    Case {
        mutant: "retention-passes-high-watermark",
        scenario: "late-writes@s3-wal",
        seeds: 0..40,
        by: &["retention-is-bounded"],
    },
    Case {
        mutant: "trim-drops-whole-sets",
        scenario: "late-writes@s3-wal",
        seeds: 0..20,
        by: &["objects-are-reachable"],
    },
    Case {
        mutant: "wal-no-ring-cycle-check",
        scenario: "late-writes@ebs-wal",
        seeds: 0..40,
        by: &["trimmed-stays-trimmed"],
    },
];

#[test]
fn bugs_that_show_often_are_caught_and_the_same_seeds_pass_without_them() {
    FREQUENT.iter().for_each(is_caught);
}

/// Caught in one seed of ten, or of a hundred. Those of logs show sooner in `bare-log`, and are held there.
const RARE: [Case; 4] = [
    Case {
        mutant: "continuity-before-redundancy",
        scenario: "broker-failover@s3-wal",
        seeds: 0..600,
        by: &["retried-commit-is-known"],
    },
    Case {
        mutant: "storage-failover-trims-own-wal",
        scenario: "broker-failover@s3-wal",
        seeds: 0..300,
        by: &["trimmed-is-committed", "durable-is-recovered"],
    },
    Case {
        mutant: "storage-fenced-goes-on",
        scenario: "broker-failover@s3-wal",
        seeds: 0..1_000,
        by: &["fenced-is-silent", "durable-is-recovered", "acked-is-kept", "one-record-an-offset"],
    },
    Case {
        mutant: "failover-without-guard",
        scenario: "broker-failover@s3-wal",
        seeds: 0..300,
        by: &["fenced-is-silent", "durable-is-recovered", "one-stream-owner", "acked-is-kept"],
    },
];

#[test]
#[ignore = "minutes"]
fn bugs_that_show_rarely_are_caught_and_the_same_seeds_pass_without_them() {
    RARE.iter().for_each(is_caught);
}
