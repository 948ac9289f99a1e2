//! Published figures: the tables are sound, and the simulation gives what primary measurements gave.

use std::collections::BTreeSet;
use std::path::PathBuf;
use wavetank_benches::published::{NOT_REPRODUCED, ROWS, SETUPS, Setup, compute, outcomes};
use wavetank_sim::cores;
use wavetank_workloads::mutant::Mutant;

#[test]
fn set_ups_can_be_simulated_and_rows_name_them() {
    let mut names = BTreeSet::new();
    for setup in SETUPS {
        let scenario = setup.scenario();
        assert!(scenario.platforms.iter().any(|it| it.kind == setup.platform), "{}: its platform", setup.name);
        assert_eq!(wavetank_workloads::cluster::supported(&scenario), Ok(()), "{}", setup.name);
        if let Some(mutant) = setup.mutant {
            assert_eq!(Mutant::by_name(mutant).map(Mutant::name).ok(), Some(mutant), "{}", setup.name);
        }
        assert!(names.insert(setup.name), "{} is there twice", setup.name);
    }
    for row in ROWS {
        assert!(row.figure.setup().is_none_or(|name| names.contains(name)), "{}: {:?}", row.id, row.figure);
    }
}

#[test]
fn set_ups_of_primary_measurements_give_what_was_measured() {
    let held: BTreeSet<&str> =
        ROWS.iter().filter(|row| row.tolerance.is_some()).filter_map(|row| row.figure.setup()).collect();
    let setups: Vec<&Setup> = held.iter().map(|name| Setup::named(name).expect("a row names it")).collect();
    let measured = compute(&setups, cores(), || ()).expect("no run panics");
    let mut failures = Vec::new();
    for outcome in outcomes(&measured) {
        let (Some(tolerance), Some(error)) = (outcome.row.tolerance, outcome.error()) else { continue };
        println!("{:<28} {:>+6.1} %  {}", outcome.row.id, error * 100.0, outcome.row.what);
        if error.abs() > tolerance {
            failures.push(format!("{}: {:+.1} %, at most {} %", outcome.row.id, error * 100.0, tolerance * 100.0));
        }
    }
    assert!(failures.is_empty(), "{failures:#?}");
}

/// Every row of the calibration table of systems is compared with or named among those that are not, and says here what it
/// says there. Skipped where the table is not at hand.
#[test]
fn every_row_of_the_table_is_accounted_for() {
    let table = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared"));
    let Ok(text) = std::fs::read_to_string(table.join("calibration/systems.csv")) else {
        eprintln!("skipped: no calibration tables beside the repository");
        return;
    };
    let mut failures = Vec::new();
    for line in text.lines().skip(1) {
        let mut fields = line.trim_start_matches('"').split("\",\"");
        let (Some(id), Some(value)) = (fields.next(), fields.nth(2)) else { continue };
        let ours = ROWS.iter().filter(|row| row.id == id).count();
        let not = NOT_REPRODUCED.iter().flat_map(|(begins, _)| *begins).filter(|begin| id.starts_with(**begin)).count();
        if ours + not != 1 {
            failures.push(format!("{id} is compared {ours} times and left out {not} times"));
        }
        let there = value.parse::<f64>().ok();
        for here in ROWS.iter().filter(|row| row.id == id).filter_map(|row| row.claim.exact()) {
            if there.is_some_and(|there| there != here) {
                failures.push(format!("{id}: {value} there, {here} here"));
            }
        }
    }
    assert!(failures.is_empty(), "{failures:#?}");
}
