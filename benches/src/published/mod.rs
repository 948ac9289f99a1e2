//! Published figures of whole systems, beside what the simulation gives for the same set-up.
//!
//! Three tables: [`SETUPS`], the set-ups in our terms; [`ROWS`], what was published of them; [`NOT_REPRODUCED`], the rows that
//! have no set-up here, and why. [`compute`] runs the set-ups and [`markdown`] writes the document that is committed as
//! `docs/published.md`:
//!
//! ```text
//! cargo run --release -p wavetank-benches --example published
//! ```
//!
//! Row ids are those of the calibration tables (`systems.csv`, and `components.csv` for what a profile says of a device), or
//! name the document they come from. A row is compared with, never fitted to: profiles rest on rows of components.
//! `benches/tests/published.rs` runs the set-ups of primary measurements again and holds them to a tolerance.

mod document;
mod rows;
mod setups;

pub use document::markdown;
pub use rows::{Claim, Figure, NOT_REPRODUCED, ROWS, Row};
pub use setups::{SETUPS, Setup, Text};

use hdrhistogram::Histogram;
use wavetank_models::cloud::profile::{Figures, Profile};
use wavetank_sim::{Nanos, Panicked, run_many};
use wavetank_workloads::cluster::{self, Purpose};
use wavetank_workloads::compare::{Distribution, Measurement, Published};
use wavetank_workloads::mutant::Mutant;
use wavetank_workloads::scenario::{Listeners, RunOptions};

/// What became of a set-up: its measurements, a seed each.
pub struct Measured {
    /// Which.
    pub setup: &'static Setup,
    /// Its runs.
    pub runs: Vec<Measurement>,
}

/// A row beside ours.
pub struct Outcome {
    /// The row.
    pub row: &'static Row,
    /// What we get, in the row's unit; none when the runs have nothing of it.
    pub ours: Option<f64>,
}

impl Outcome {
    /// How far ours is off, as a share of what was published; zero within a range or a bound.
    pub fn error(&self) -> Option<f64> {
        self.ours.map(|ours| self.row.claim.error(ours))
    }
}

/// What [`compute`] gave when `docs/published.md` was last written, of the rows that say one value: for reports.
pub fn recorded() -> Vec<Published> {
    serde_json::from_str(include_str!("../../published/recorded.json")).expect("written by the example `published`")
}

/// The record that [`recorded`] reads: JSON, with a line end.
pub fn record(outcomes: &[Outcome]) -> String {
    let row = |outcome: &Outcome| {
        let Row { id, what, claim, .. } = outcome.row;
        let (published, ours) = (claim.exact()?, outcome.ours?);
        // What a report shows of it.
        let ours = libm::round(ours * 1e3) / 1e3;
        Some(Published { id: (*id).into(), what: (*what).into(), unit: claim.unit().into(), published, ours })
    };
    let rows: Vec<Published> = outcomes.iter().filter_map(row).collect();
    serde_json::to_string_pretty(&rows).expect("numbers and text have a form") + "\n"
}

/// Runs these set-ups, at most `jobs` runs at once. `each` is called after every run.
///
/// # Errors
/// The first run that panicked: a bug in wavetank.
pub fn compute(setups: &[&'static Setup], jobs: usize, mut each: impl FnMut()) -> Result<Vec<Measured>, Panicked> {
    let scenarios: Vec<_> = setups.iter().map(|setup| setup.scenario()).collect();
    let runs = setups.iter().enumerate().flat_map(|(at, setup)| (1..=setup.seeds).map(move |seed| (at, seed)));
    let mut measured: Vec<Measured> = setups.iter().map(|setup| Measured { setup, runs: Vec::new() }).collect();
    let mut panicked = None;
    run_many(
        jobs,
        runs,
        |(at, seed)| {
            let (scenario, setup) = (&scenarios[*at], setups[*at]);
            let platform = scenario.platforms.iter().find(|it| it.kind == setup.platform).expect("a test holds that");
            let setup_of_run = cluster::Setup { scenario, platform, purpose: Purpose::Measure };
            let mutant = setup.mutant.map(|name| Mutant::by_name(name).expect("a test holds that"));
            cluster::run(setup_of_run, *seed, &RunOptions { mutant, ..RunOptions::default() }, Listeners::default())
        },
        |(at, _), report| {
            each();
            match report {
                Ok(report) => measured[*at].runs.extend(report.measurement),
                Err(panic) => panicked = Some(panic),
            }
            panicked.is_none()
        },
    );
    panicked.map_or(Ok(measured), Err)
}

/// Every row beside ours, in their order; rows of set-ups that were not run have nothing beside them.
pub fn outcomes(measured: &[Measured]) -> Vec<Outcome> {
    ROWS.iter().map(|row| Outcome { row, ours: ours(row, measured) }).collect()
}

fn ours(row: &Row, measured: &[Measured]) -> Option<f64> {
    let runs = || {
        let name = row.figure.setup()?;
        measured.iter().find(|it| it.setup.name == name).map(|it| it.runs.as_slice())
    };
    let nanos = match row.figure {
        Figure::At(_, of, quantile) => latencies(runs()?, of)?.value_at_quantile(quantile) as f64,
        Figure::Mean(_, of) => latencies(runs()?, of)?.mean(),
        Figure::Put { bytes, quantile } => s3_put(bytes, quantile).0 as f64,
        Figure::Reattach { profile } => reattach(profile).0 as f64,
    };
    Some(nanos / row.claim.unit_nanos())
}

/// A latency over all seeds; none when nothing was measured.
pub(crate) fn latencies(runs: &[Measurement], of: Distribution) -> Option<Histogram<u64>> {
    let mut all = wavetank_workloads::compare::measurement::histogram();
    for run in runs {
        all.add(run.latencies(of)).expect("all have the same bounds");
    }
    (!all.is_empty()).then_some(all)
}

fn s3_put(bytes: u64, quantile: f64) -> Nanos {
    match &Profile::named("s3-standard").expect("it comes with wavetank").figures {
        Figures::ObjectStore(store) => store.put.quantile(bytes, quantile),
        Figures::Volume(_) | Figures::Network(_) | Figures::Nfs(_) | Figures::Host(_) => unreachable!("S3 is a store"),
    }
}

fn reattach(profile: &str) -> Nanos {
    match &Profile::named(profile).expect("it comes with wavetank").figures {
        Figures::Volume(volume) => volume.reattach.quantile(0.5),
        Figures::ObjectStore(_) | Figures::Network(_) | Figures::Nfs(_) | Figures::Host(_) => {
            unreachable!("only volumes are attached")
        }
    }
}
