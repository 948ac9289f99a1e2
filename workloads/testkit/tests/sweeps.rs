//! What sweeps in tests say when something is wrong, and when nothing is.

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use std::path::PathBuf;
use wavetank_testkit::strategies::{cases, scenarios};
use wavetank_testkit::{Settings, Sweep, sweeps};
use wavetank_workloads::lab::{Failure, run_case};
use wavetank_workloads::mutant::Mutant;
use wavetank_workloads::scenario::{Listeners, RunOptions, Scenario};

sweeps! {
    /// A broker that dies loses nothing, whatever its log is on.
    nothing_is_lost_in_failovers: ["broker-failover@s3-wal", "broker-failover@nfs-wal"], 0..4;
    /// Whoever takes a log over finds records that are in no object.
    logs_are_taken_over: ["bare-log@object"], 0..10, |sweep| {
        sweep.holding("runs end", |report| {
            (report.events < 3_000_000).then_some(()).ok_or_else(|| format!("{} events", report.events))
        })
    };
}

fn settings(name: &str) -> (Settings, PathBuf) {
    let folder = std::env::temp_dir().join(format!("wavetank-testkit-{name}-{}", std::process::id()));
    (Settings { artifacts: folder.clone(), ..Settings::default() }, folder)
}

#[test]
fn a_failure_names_its_seed_and_leaves_a_file_that_shows_it_again() {
    let (settings, folder) = settings("failure");
    let sweep = Sweep::new(["bare-log@object"], 0..6).mutant("wal-recover-body-offset");
    let told = sweep.told(&settings).expect_err("the bug shows in every seed");
    let (failed, seeds, _) = sweep.failures(&settings);
    let first = &failed[0];
    assert!(told.starts_with(&format!("{} of {seeds} runs failed", failed.len())), "{told}");
    let path = first.file.as_ref().expect("it was written");
    for said in [
        format!("bare-log@object seed {}\n  violation at ", first.seed),
        format!("again: wavetank replay {}", path.display()),
        format!("WAVETANK_SEED={} cargo test", first.seed),
    ] {
        assert!(told.contains(&said), "{told}");
    }
    assert_eq!(Failure::read(path).expect("it can be read").seed, first.seed);
    let alone = Settings { seed: Some(first.seed), ..settings.clone() };
    assert_eq!(sweep.failures(&alone).1, 1);
    assert_eq!(sweep.failures(&Settings { seeds: Some(2), ..settings }).1, 2);
    std::fs::remove_dir_all(folder).expect("it is there");
}

#[test]
fn what_is_to_hold_and_to_be_reached_is_missed() {
    let (settings, folder) = settings("missed");
    let never = |_: &_| Err("as it was meant to".to_owned());
    let sweep = Sweep::new(["bare-log@nfs"], 3..5).holding("never", never).reaching("no such situation");
    let told = sweep.told(&settings).expect_err("it never holds");
    assert!(told.contains("seen by never: as it was meant to"), "{told}");
    assert!(told.ends_with("no seed reached: no such situation\n"), "{told}");
    std::fs::remove_dir_all(folder).expect("it is there");
}

#[test]
fn proptest_leaves_out_what_a_failure_does_not_need() {
    let scenario = Scenario::by_name("bare-log@object").expect("it is there");
    let mutant = Some(Mutant::by_name("wal-recover-body-offset").expect("it is known"));
    let options = RunOptions { mutant, ..RunOptions::default() };
    let mut runner = TestRunner::new_with_rng(
        Config { cases: 20, failure_persistence: None, ..Config::default() },
        proptest::test_runner::TestRng::deterministic_rng(proptest::test_runner::RngAlgorithm::ChaCha),
    );
    let result = runner.run(&cases(scenario), |(seed, case)| {
        scenario.check(&case).map_err(|misfit| TestCaseError::fail(misfit.to_string()))?;
        let report = run_case(scenario, seed, &case, &options, Listeners::default()).expect("no panic");
        prop_assert!(report.findings.is_empty(), "{:?}", report.findings);
        Ok(())
    });
    let Err(proptest::test_runner::TestError::Fail(_, (seed, case))) = result else { panic!("{result:?}") };
    let drawn = scenario.draw(seed, &options);
    assert!(case.storm().entries.len() < drawn.storm().entries.len(), "{} entries", case.storm().entries.len());
}

#[test]
fn every_scenario_can_be_drawn() {
    let mut runner = TestRunner::deterministic();
    for _ in 0..40 {
        let scenario = scenarios().new_tree(&mut runner).expect("one").current();
        let case = scenario.draw(1, &RunOptions::default());
        assert_eq!(scenario.check(&case), Ok(()), "{scenario:?}");
    }
}
