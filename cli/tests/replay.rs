//! Failures as a user has them: files, text, exit codes.

mod common;

use common::{code, folder, text, wavetank};

#[test]
fn a_failure_is_replayed_and_what_differs_is_told() {
    let folder = folder("replay");
    let run = wavetank(&folder, &["run", "--seed", "8", "--mutant", "append-resent"]);
    assert_eq!(code(&run), 3);
    let path = "wavetank-failures/harbour-append-resent-seed-8.json";
    assert!(text(&run.stderr).contains(&format!("again: wavetank replay {path}")), "{}", text(&run.stderr));
    let same = wavetank(&folder, &["replay", path, "--trace", "trace", "--history", "history"]);
    assert_eq!((code(&same), text(&same.stdout)), (3, text(&run.stdout)));
    assert!(text(&same.stderr).contains("the same digest, the same first finding"), "{}", text(&same.stderr));
    assert_eq!(code(&wavetank(&folder, &["check", "history"])), 3);
    assert!(std::fs::read_to_string(folder.join("trace")).expect("it was written").lines().count() > 100);

    let good = std::fs::read_to_string(folder.join(path)).expect("it was written");
    let version = format!("\"wavetank\": \"{}\"", env!("CARGO_PKG_VERSION"));
    let digest = good.find("\"digest\": \"").expect("it has one") + "\"digest\": \"".len();
    let mut other_way = good.clone();
    other_way.replace_range(digest..digest + 8, "00000000");
    for (artifact, exit, said) in [
        (other_way.clone(), 5, "is not deterministic (wavetank diverge)"),
        (other_way.replace(&version, "\"wavetank\": \"0.0.7\""), 3, "wavetank 0.0.7 wrote it, and this is"),
        (good.replace("\"append-resent\"", "null"), 5, "NOT the same"),
        (good.replace("\"version\": 2", "\"version\": 9"), 1, "its format has version 9"),
        (good.replace("\"seed\": 8", "\"seed\": \"8\""), 1, "seed: invalid type: string \"8\", expected u64"),
    ] {
        assert_ne!(artifact, good, "{said}");
        std::fs::write(folder.join("changed.json"), artifact).expect("it can be written");
        let replay = wavetank(&folder, &["replay", "changed.json"]);
        let told = text(&replay.stderr);
        assert!(code(&replay) == exit && told.contains(said), "{said}, {exit}: {} {told}", code(&replay));
    }
    let nowhere = wavetank(&folder, &["replay", "nowhere.json"]);
    assert!(code(&nowhere) == 1 && text(&nowhere.stderr).contains("nowhere.json: can't read it"));
}

#[test]
fn a_scenario_of_a_file_fails_and_is_replayed_without_the_file() {
    let folder = folder("own");
    let source = include_str!("../../workloads/scenarios/steady.toml");
    std::fs::write(folder.join("mine.toml"), source).expect("it can be written");
    let wrong = wavetank(&folder, &["run", "mine.toml@tape", "--seed", "1"]);
    assert!(code(&wrong) == 1 && text(&wrong.stderr).contains("unknown platform 'tape'"), "{}", text(&wrong.stderr));
    let args = ["sweep", "mine.toml@s3-wal", "--seeds", "0..4", "--mutant", MUTANT, "--artifacts", "kept"];
    let sweep = wavetank(&folder, &args);
    let told = text(&sweep.stderr);
    assert_eq!(code(&sweep), 3, "{told}");
    let command =
        |name: &str| told.lines().find_map(|line| line.trim().strip_prefix(name)).expect("a command").to_owned();
    let again = command("again: wavetank ");
    assert!(again.starts_with("run mine.toml@s3-wal --seed "), "{again}");
    assert_eq!(code(&wavetank(&folder, &again.split(' ').collect::<Vec<_>>())), 3);
    std::fs::remove_file(folder.join("mine.toml")).expect("it can go");
    let replay = command("or:    wavetank ");
    let replay = wavetank(&folder, &replay.split(' ').collect::<Vec<_>>());
    assert_eq!(code(&replay), 3, "{}", text(&replay.stderr));
}

/// A bug that shows without any fault.
const MUTANT: &str = "storage-confirm-before-cache";
