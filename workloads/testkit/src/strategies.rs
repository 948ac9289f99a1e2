//! Strategies for proptest: scenarios, seeds, and cases.
//!
//! ```no_run
//! use proptest::prelude::*;
//! use wavetank_testkit::strategies::cases;
//! use wavetank_workloads::lab::run_case;
//! use wavetank_workloads::scenario::{Listeners, RunOptions, Scenario};
//!
//! let scenario = Scenario::by_name("bare-log@object").unwrap();
//! proptest!(|((seed, case) in cases(scenario))| {
//!     let report = run_case(scenario, seed, &case, &RunOptions::default(), Listeners::default()).unwrap();
//!     prop_assert!(report.findings.is_empty(), "{:?}", report.findings);
//! });
//! ```
//!
//! What proptest finds it makes smaller by leaving out entries of the storm. `wavetank shrink` does far more.

use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use wavetank_workloads::case::Case;
use wavetank_workloads::scenario::{RunOptions, Scenario};

/// One of the scenarios that come with wavetank, on one of its platforms.
pub fn scenarios() -> impl Strategy<Value = Scenario> {
    let all =
        wavetank_workloads::scenario::select(&["all".to_owned()], &[]).expect("what comes with wavetank is right");
    select(all)
}

/// A seed of a scenario and the case that it draws, with some of the storm's entries or all of them.
pub fn cases(scenario: Scenario) -> impl Strategy<Value = (u64, Case)> {
    any::<u64>().no_shrink().prop_flat_map(move |seed| {
        let case = scenario.draw(seed, &RunOptions::default());
        let places: Vec<usize> = (0..case.storm().entries.len()).collect();
        let count = places.len();
        subsequence(places, 0..=count).prop_map(move |kept| {
            let mut smaller = case.clone();
            let entries = &case.storm().entries;
            smaller.storm_mut().entries = kept.iter().map(|place| entries[*place].clone()).collect();
            (seed, smaller)
        })
    })
}
