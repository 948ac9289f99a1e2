//! `wavetank mutants` as a user has it: the table, the file, the exit code.

use crate::common::{code, text};
use std::path::Path;
use std::process::Output;

fn wavetank(args: &[&str]) -> Output {
    crate::common::wavetank(Path::new(env!("CARGO_TARGET_TMPDIR")), args)
}

#[test]
fn caught_mutants_are_told_by_whom_and_the_file_does_not_depend_on_jobs() {
    let hunt = |jobs, file| {
        let args = ["mutants", "--only", "append-resent,wal-header-left-graceful", "--catches", "3", "--seeds", "300"];
        let output = wavetank(&[&args[..], &["--jobs", jobs, "--json", file]].concat());
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(file);
        (output, std::fs::read_to_string(path).expect("it was written"))
    };
    let ((one, file), (two, again)) = (hunt("1", "one.json"), hunt("2", "two.json"));
    assert_eq!((code(&one), code(&two)), (0, 0), "{}{}", text(&one.stdout), text(&one.stderr));
    assert_eq!(file, again);
    let table = text(&one.stdout);
    for said in [
        "append-resent\n  harbour ",
        "wal-header-left-graceful\n  bare-log@io2 ",
        "  late-writes@ebs-wal ",
        "durable-is-recovered",
        "2 of 2 mutants were caught, in at most 300 seeds each",
        "0 false alarms in ",
    ] {
        assert!(table.contains(said), "{said}: {table}");
    }
    for line in table.lines() {
        assert!(line.chars().count() <= 80, "{line}");
    }
    let score: serde_json::Value = serde_json::from_str(&file).expect("it is JSON");
    let hunts = score["mutants"][1]["hunts"].as_array().expect("a list");
    assert_eq!((hunts.len(), &score["mutants"][1]["caught"]), (3, &true.into()));
    for hunt in hunts {
        assert_eq!((&hunt["caught"], &hunt["false_alarms"], &hunt["panicked"]), (&3.into(), &0.into(), &0.into()));
        assert!(hunt["median_seeds"].as_u64().is_some_and(|median| (1..20).contains(&median)), "{hunt}");
    }
}

#[test]
fn a_mutant_that_is_not_caught_is_an_expectation_that_was_missed() {
    // It takes hundreds of seeds.
    let hunt = wavetank(&["mutants", "--only", "wal-trim-not-rounded", "--seeds", "2"]);
    let table = text(&hunt.stdout);
    assert_eq!(code(&hunt), 2, "{table}");
    assert!(
        table.contains("0 of 1 mutants were caught") && table.contains("  NOT CAUGHT: wal-trim-not-rounded"),
        "{table}"
    );
    let unknown = wavetank(&["mutants", "--only", "no-such"]);
    assert!(code(&unknown) == 1 && text(&unknown.stderr).contains("unknown mutant 'no-such'"));
}
