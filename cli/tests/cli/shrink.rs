//! `wavetank shrink`, as a user has it: files, text, exit codes.

use crate::common::{code, folder, text, wavetank};

#[test]
fn a_failure_is_shrunk_told_and_replayed() {
    let folder = folder("shrink");
    let run = wavetank(&folder, &["run", "harbour", "--seed", "8", "--mutant", "append-resent", "--artifacts", "."]);
    assert_eq!(code(&run), 3);
    let file = "harbour-append-resent-seed-8.json";
    let shrink = wavetank(&folder, &["shrink", file, "--jobs", "1"]);
    let told = text(&shrink.stdout);
    assert_eq!(code(&shrink), 0, "{}", text(&shrink.stderr));
    assert!(told.contains("what is left") && told.contains("#[test]"), "{told}");
    let report = told.split("As a test").next().expect("there is a report");
    assert!(report.lines().all(|line| line.chars().count() <= 80), "{report}");
    assert!(text(&shrink.stderr).contains(" candidates in "), "{}", text(&shrink.stderr));

    let small = "harbour-append-resent-seed-8.shrunk.json";
    assert!(report.contains(&format!("again: wavetank replay {small}")), "{report}");
    let replay = wavetank(&folder, &["replay", small]);
    assert_eq!(code(&replay), 3, "{}", text(&replay.stderr));
    assert!(text(&replay.stderr).contains("the same digest, the same first finding"), "{}", text(&replay.stderr));

    let side_by_side = wavetank(&folder, &["diverge", "--failure", small]);
    assert_eq!(code(&side_by_side), 0, "{}", text(&side_by_side.stderr));
    assert!(text(&side_by_side.stdout).contains("two runs are the same to the last event"));
    let both = wavetank(&folder, &["diverge", "--failure", small, "--seed", "3"]);
    assert!(code(&both) == 1 && text(&both.stderr).contains("cannot be used with"), "{}", text(&both.stderr));

    let bytes = |name: &str| std::fs::read(folder.join(name)).expect("it was written");
    let first = bytes(small);
    let again = wavetank(&folder, &["shrink", file, "--jobs", "2"]);
    assert_eq!((code(&again), text(&again.stdout)), (0, told));
    assert!(bytes(small) == first, "the result depends on --jobs");
}

#[test]
fn what_cannot_be_shrunk_says_why() {
    let folder = folder("shrink-not");
    let nowhere = wavetank(&folder, &["shrink", "nowhere.json"]);
    assert!(code(&nowhere) == 1 && text(&nowhere.stderr).contains("nowhere.json: can't read it"));
    std::fs::write(folder.join("letter"), "dear friend").expect("it can be written");
    let letter = wavetank(&folder, &["shrink", "letter"]);
    assert!(code(&letter) == 1 && text(&letter.stderr).contains("letter: line 1"), "{}", text(&letter.stderr));
    wavetank(&folder, &["run", "harbour", "--seed", "8", "--mutant", "append-resent", "--artifacts", "."]);
    let file = "harbour-append-resent-seed-8.json";
    let over_itself = wavetank(&folder, &["shrink", file, "--out", file]);
    let told = text(&over_itself.stderr);
    assert!(code(&over_itself) == 1 && told.contains("it would be written over"), "{told}");
    let over_another = wavetank(&folder, &["shrink", file, "--out", "letter"]);
    let told = text(&over_another.stderr);
    assert!(code(&over_another) == 1 && told.contains("name another file with --out"), "{told}");
}
