//! Failures as a user has them: files, text, exit codes.

use crate::common::{code, folder, text, wavetank};

#[test]
fn a_failure_is_replayed_and_what_differs_is_told() {
    let folder = folder("replay");
    let run = wavetank(&folder, &["run", "--seed", "8", "--mutant", "append-resent"]);
    assert_eq!(code(&run), 3);
    let path = "wavetank-failures/harbour-append-resent-seed-8.json";
    assert!(text(&run.stderr).contains(&format!("again: wavetank replay {path}")), "{}", text(&run.stderr));
    let same = wavetank(&folder, &["replay", path, "--trace", "trace", "--history", "history"]);
    let often = wavetank(&folder, &["replay", path, "--times", "3"]);
    let said = text(&often.stdout);
    assert!(code(&often) == 0 && said == "3 of 3 replays: the same digest, the same first finding\n", "{said}");
    let (report, story) =
        text(&same.stdout).split_once("\nthe story of ").map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
    assert!(code(&same) == 3 && text(&run.stdout).starts_with(&report), "{report}");
    assert!(story.starts_with("partition pier-") && story.contains("  VIOLATION: "), "{story}");
    assert!(text(&same.stderr).contains("the same digest, the same first finding"), "{}", text(&same.stderr));
    assert_eq!(code(&wavetank(&folder, &["check", "history"])), 3);
    assert!(std::fs::read_to_string(folder.join("trace")).expect("it was written").lines().count() > 100);

    let good = std::fs::read_to_string(folder.join(path)).expect("it was written");
    let version = format!("\"wavetank\": \"{}\"", env!("CARGO_PKG_VERSION"));
    let digest = good.find("\"digest\": \"").expect("it has one") + "\"digest\": \"".len();
    let mut other_way = good.clone();
    other_way.replace_range(digest..digest + 8, "00000000");
    for (artifact, exit, said) in [
        (other_way.clone(), 5, "are the same to the last event: it was built from other sources"),
        (good.replace("\"events\": ", "\"events\": 9").replace(digest_of(&good), "00"), 5, "  events: then 9"),
        (other_way.replace(&version, "\"wavetank\": \"0.0.7\""), 3, "wavetank 0.0.7 wrote it, and this is"),
        (good.replace("\"append-resent\"", "null"), 5, "NOT the same"),
        (good.replace("\"version\": 2", "\"version\": 9"), 1, "its format has version 9"),
        (good.replace("\"seed\": 8", "\"seed\": \"8\""), 1, "seed: invalid type: string \"8\", expected u64"),
    ] {
        assert_ne!(artifact, good, "{said}");
        std::fs::write(folder.join("changed.json"), artifact).expect("it can be written");
        let replay = wavetank(&folder, &["replay", "changed.json"]);
        if said == "  events: then 9" {
            assert_eq!(code(&wavetank(&folder, &["replay", "changed.json", "--times", "2"])), 5);
        }
        let told = text(&replay.stderr);
        assert!(code(&replay) == exit && told.contains(said), "{said}, {exit}: {} {told}", code(&replay));
    }
    let nowhere = wavetank(&folder, &["replay", "nowhere.json"]);
    assert!(code(&nowhere) == 1 && text(&nowhere.stderr).contains("nowhere.json: can't read it"));
}

/// The digest that a failure's file holds.
fn digest_of(file: &str) -> &str {
    file.split_once("\"digest\": \"").expect("it has one").1.split('"').next().expect("it ends")
}

#[test]
fn a_scenario_of_a_file_fails_and_is_replayed_without_the_file() {
    let folder = folder("own");
    let source = include_str!("../../../workloads/scenarios/steady.toml");
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

const CORPUS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../traces/corpus/bare-log@object-wal-confirm-max.json");

#[test]
fn a_replay_tells_what_led_to_the_finding_in_order_on_a_screen_or_two() {
    let folder = folder("story");
    let replay = |more: &[&str]| wavetank(&folder, &[&["replay", CORPUS], more].concat());
    let story = |more: &[&str]| {
        let replay = replay(more);
        assert_eq!(code(&replay), 3, "{}", text(&replay.stderr));
        text(&replay.stdout).split_once("\nthe story of ").expect("it is told").1.to_owned()
    };
    let whole = story(&[]);
    assert!(whole.starts_with("stream 0, wal 1\n"), "{whole}");
    let mut rest = whole.as_str();
    for said in [
        "acquires the log of broker 1 in epoch 1",
        "has stream 0",
        "the storm     the host of owner 0 loses power",
        "owner         dies",
        "acquires the log of broker 1 in epoch 2",
        "recovers stream 0",
        "VIOLATION: epoch 2 did not recover",
    ] {
        rest = rest.split_once(said).unwrap_or_else(|| panic!("{said} is not said in its place:\n{whole}")).1;
    }
    assert!(whole.lines().count() <= 60 && whole.lines().all(|line| line.chars().count() <= 80), "{whole}");

    assert!(!story(&["--until", "4.5"]).contains("loses power"));
    story(&["--trace", "run.json"]);
    let trace = std::fs::read_to_string(folder.join("run.json")).expect("it was written");
    let trace: serde_json::Value = serde_json::from_str(&trace).expect("it parses");
    assert!(trace["traceEvents"].as_array().is_some_and(|events| events.len() > 100));
    let around = story(&["--around", "5±0.2"]);
    assert!(around.contains("loses power") && !around.contains("empties the log"), "{around}");
    assert!(!story(&["--node", "rescuer"]).contains("owner   "));
    assert!(story(&["--all"]).lines().count() > whole.lines().count());
    for (more, said) in [
        (["--node", "ship"], "there is no node 'ship' in this run: there is owner, rescuer"),
        (["--until", "soon"], "'soon' is no time: write virtual seconds"),
        (["--around", "5±x"], "'x' is no time: write virtual seconds"),
    ] {
        let wrong = replay(&more);
        assert!(code(&wrong) == 1 && text(&wrong.stderr).contains(said), "{said}: {}", text(&wrong.stderr));
    }
}
