//! Runs of one scenario on several platforms and seeds.

use super::{ClusterReport, NotYet, Purpose, Setup, run, supported};
use crate::scenario::{Listeners, RunOptions};
use crate::spec::scenario::{Platform, Scenario};
use wavetank_sim::{Panicked, run_many};

/// One run of a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Run {
    platform: usize,
    seed: u64,
}

/// A measured run: its platform's place, its seed and what became of it.
pub type Measured = (usize, u64, Result<ClusterReport, Panicked>);

/// Runs a scenario on platforms, each with these seeds, at most `jobs` runs at once, and hands over what became of each:
/// platform by platform, seed by seed. `each` returns `false` to start no further runs.
///
/// # Errors
/// When the scenario asks for something that cannot be simulated.
pub fn compare(
    scenario: &Scenario,
    platforms: &[Platform],
    seeds: &[u64],
    jobs: usize,
    mut each: impl FnMut(Measured) -> bool,
) -> Result<(), NotYet> {
    supported(scenario)?;
    let of_platform = |platform| seeds.iter().map(move |seed| Run { platform, seed: *seed });
    let runs = (0..platforms.len()).flat_map(of_platform);
    run_many(
        jobs,
        runs,
        |one| {
            let setup = Setup { scenario, platform: &platforms[one.platform], purpose: Purpose::Measure };
            run(setup, one.seed, &RunOptions::default(), Listeners::default())
        },
        |one, report| each((one.platform, one.seed, report)),
    );
    Ok(())
}
