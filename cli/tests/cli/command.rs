//! The command as a user runs it: processes, text, exit codes. First of all the meta-test: the same seeds give the same
//! digests in two processes, whatever the number of jobs.

use std::process::{Command, Output};

fn wavetank(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wavetank"));
    // Failures are written where it runs.
    command.current_dir(env!("CARGO_TARGET_TMPDIR")).args(args).output().expect("the binary is built with its tests")
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("text is UTF-8")
}

fn code(output: &Output) -> i32 {
    output.status.code().expect("not ended by a signal")
}

#[test]
fn two_hundred_seeds_have_the_same_digests_in_two_processes_with_one_or_two_jobs() {
    let one = wavetank(&["sweep", "--seeds", "0..200", "--jobs", "1", "--digests"]);
    let two = wavetank(&["sweep", "--seeds", "0..200", "--jobs", "2", "--digests"]);
    assert_eq!((code(&one), code(&two)), (0, 0), "{}", String::from_utf8_lossy(&one.stderr));
    let (one, two) = (stdout(&one), stdout(&two));
    let mut digests: Vec<&str> = one.lines().filter_map(|line| line.split_once(' ')).map(|(_, d)| d).collect();
    assert_eq!(digests.len(), 200);
    assert_eq!(one, two);
    digests.sort_unstable();
    digests.dedup();
    assert_eq!(digests.len(), 200, "different seeds have different digests");
}

#[test]
fn a_planted_divergence_is_caught_and_its_first_event_named() {
    let clean = wavetank(&["diverge", "--seed", "3"]);
    assert_eq!(code(&clean), 0, "{}", stdout(&clean));
    // Each run orders a randomly seeded map; that two orders agree has a chance of 1 in 10^50.
    let planted = wavetank(&["diverge", "--seed", "3", "--planted"]);
    let text = stdout(&planted);
    assert_eq!(code(&planted), 3, "{text}");
    assert!(text.contains("first run: 0.7") && text.contains("second run: 0.7") && text.contains("Paused"), "{text}");
}

#[test]
fn a_trace_holds_every_event_and_changes_nothing() {
    let file = std::env::temp_dir().join(format!("wavetank-trace-{}", std::process::id()));
    let traced = wavetank(&["run", "--seed", "4", "--trace", file.to_str().expect("a path of text")]);
    let trace = std::fs::read_to_string(&file).expect("the trace was written");
    std::fs::remove_file(&file).expect("it can go");
    assert_eq!(stdout(&traced), stdout(&wavetank(&["run", "--seed", "4"])));
    assert!(trace.lines().count() > 1_000 && trace.contains("Boot") && trace.contains("Volume"), "{trace}");
}

#[test]
fn a_history_is_written_and_checked_and_changes_nothing() {
    let folder = std::env::temp_dir();
    let path = folder.join(format!("wavetank-history-{}", std::process::id()));
    let file = path.to_str().expect("a path of text");
    let plain = wavetank(&["run", "--seed", "4"]);
    let recorded = wavetank(&["run", "--seed", "4", "--history", file]);
    assert_eq!((code(&recorded), stdout(&recorded)), (0, stdout(&plain)));
    let history = std::fs::read_to_string(&path).expect("the history was written");
    let said = format!("{} operations, checked", history.lines().count());
    assert!(stdout(&plain).contains(&said), "{said}: {}", stdout(&plain));
    assert_eq!(code(&wavetank(&["check", file])), 0);

    // Not checked, the run is the same to the last byte of its history.
    let unchecked = wavetank(&["run", "--seed", "4", "--no-check", "--history", file]);
    assert_eq!(stdout(&unchecked), stdout(&plain).replace(&said, "not checked"));
    assert_eq!(std::fs::read_to_string(&path).expect("again"), history);

    // A pier that doubles records: told by the run, and by the file.
    let seed = "8";
    let broken = wavetank(&["run", "--seed", seed, "--mutant", "append-resent", "--history", file]);
    assert_eq!(code(&broken), 3, "{}", stdout(&broken));
    assert!(stdout(&broken).contains("seen by the history: duplicate: pier-"), "{}", stdout(&broken));
    let verdict = wavetank(&["check", file]);
    assert_eq!(code(&verdict), 3);
    assert!(stdout(&verdict).contains("duplicate"), "{}", stdout(&verdict));
    let seen_by_nobody = wavetank(&["run", "--seed", seed, "--mutant", "append-resent", "--no-check"]);
    assert!(!stdout(&seen_by_nobody).contains("duplicate"));
    std::fs::remove_file(&path).expect("it can go");
}

#[test]
fn a_history_that_cannot_be_written_is_bad_usage() {
    let nowhere = wavetank(&["run", "--history", "/nowhere/at/all"]);
    assert_eq!(code(&nowhere), 1);
    let text = String::from_utf8_lossy(&nowhere.stderr).into_owned();
    assert!(text.contains("can't write the history to /nowhere/at/all"), "{text}");
    if std::path::Path::new("/dev/full").exists() {
        let full = wavetank(&["run", "--history", "/dev/full"]);
        assert_eq!(code(&full), 1);
        let text = String::from_utf8_lossy(&full.stderr).into_owned();
        assert!(text.contains("the history cannot be written"), "{text}");
        assert!(stdout(&full).contains("everything held"), "the run itself is told all the same");
    }
}

#[test]
fn every_mutant_of_the_harbour_is_caught() {
    let list = stdout(&wavetank(&["list"]));
    let mutants: Vec<&str> = list
        .lines()
        .skip_while(|line| !line.starts_with("mutants"))
        .skip(1)
        .filter_map(|line| line.trim().split_once(' '))
        .filter(|(_, what)| what.trim().starts_with("harbour: "))
        .map(|(name, _)| name)
        .collect();
    assert!(mutants.len() >= 6, "{list}");
    for mutant in mutants {
        let sweep = wavetank(&["sweep", "--seeds", "0..300", "--mutant", mutant, "--stop-after", "failures=1"]);
        assert_eq!(code(&sweep), 3, "{mutant} was not caught");
        let advice = String::from_utf8_lossy(&sweep.stderr).into_owned();
        let again = advice.lines().find_map(|line| line.trim().strip_prefix("again: wavetank ")).expect("a command");
        let replayed = wavetank(&again.split(' ').collect::<Vec<_>>());
        assert_eq!(code(&replayed), 3, "`{again}` does not show the failure again");
        assert!(stdout(&replayed).contains("what led here"));
    }
}

#[test]
fn bad_usage_is_exit_code_one_and_says_what_would_be_right() {
    for (args, advice) in [
        (&["run", "marina"][..], "harbour"),
        (&["sweep", "--seeds", "5"], "0..200"),
        (&["sweep", "--seeds", "5..5"], "must be larger"),
        (&["run", "--mutant", "x"], "ack-before-sync"),
        (&["sail"], "unrecognized"),
    ] {
        let output = wavetank(args);
        assert_eq!(code(&output), 1, "{args:?}");
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(text.contains(advice), "{args:?}: {text}");
    }
    assert_eq!(code(&wavetank(&["--help"])), 0);
}

#[test]
fn a_report_fits_eighty_columns() {
    for args in [&["run", "--seed", "7"][..], &["sweep", "--seeds", "0..20"], &["list"]] {
        for line in stdout(&wavetank(args)).lines() {
            assert!(line.chars().count() <= 80, "{args:?}: {line}");
        }
    }
}
