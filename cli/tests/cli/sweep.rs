//! Sweeps as a user has them: killed at any moment, gone on with, cut into shards, merged; files, text, exit codes.

use crate::common::{code, command, folder, text, wavetank};
use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;
use wavetank_sim::{Choices, Domain};

fn read(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Waits: for a process of the system, not in a world.
#[allow(clippy::disallowed_methods)]
fn wait(span: Duration) {
    std::thread::sleep(span);
}

const KILLS: u64 = 50;

#[test]
fn killed_at_fifty_random_moments_a_sweep_loses_and_repeats_no_seed() {
    let folder = folder("killed");
    let sweep = |out: &str, more: &[&str]| {
        let args = ["sweep", "harbour", "bare-log@nfs", "--seeds", "0..150", "--jobs", "2", "--out", out];
        command(&folder, &[&args[..], more].concat())
    };
    let books = |out: &str| {
        ["harbour", "bare-log@nfs"].map(|name| read(&folder.join(out).join(name).with_added_extension("jsonl")))
    };
    let whole = sweep("whole", &[]).output().expect("it runs");
    assert_eq!(code(&whole), 0, "{}", text(&whole.stderr));
    let mut moments = Choices::new(1).stream(Domain::new("test/kill"), 0);
    let (mut kills, mut sweeps, mut lives, mut kept) = (0, 0, 0, 0);
    // A sweep that comes to its end is followed by another one, until there were kills enough.
    while kills < KILLS {
        let out = format!("killed-{sweeps}");
        sweeps += 1;
        let last = loop {
            let mut running = sweep(&out, &["--resume"])
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .expect("the binary is built with its tests");
            wait(Duration::from_millis(moments.range(0..250)));
            lives += 1;
            if running.try_wait().expect("it is our child").is_none() && kills < KILLS {
                running.kill().expect("it is our child");
                kills += 1;
            }
            let status = running.wait().expect("it is our child");
            if status.code().is_some() {
                break status;
            }
            let book = folder.join(&out).join("harbour.jsonl");
            kept += usize::from(book.metadata().is_ok_and(|book| book.len() > 10_000));
        };
        assert_eq!(last.code(), Some(0));
        let (once, again) = (books("whole"), books(&out));
        assert!(once == again, "after {lives} lives the books are other ones");
        let rest = sweep(&out, &["--resume"]).output().expect("it runs");
        assert!(text(&rest.stderr).starts_with("0 seeds in"), "{}", text(&rest.stderr));
        assert_eq!(text(&rest.stdout), text(&whole.stdout));
    }
    println!("{KILLS} kills in {sweeps} sweeps; {kept} of them left seeds behind");
    assert!(kept > KILLS as usize / 5, "kills come too early: {kept}");
}

#[test]
fn four_shards_merged_are_the_serial_run_byte_for_byte() {
    let folder = folder("shards");
    let sweep = |args: &[&str]| {
        wavetank(&folder, &[&["sweep", "harbour", "bare-log", "--platforms", "all", "--seeds", "5..45"], args].concat())
    };
    // The harbour is on no platform, and a bare log on six media.
    let whole = sweep(&["--out", "whole", "--jobs", "1"]);
    assert_eq!(code(&whole), 0, "{}", text(&whole.stderr));
    for shard in ["1/4", "2/4", "3/4", "4/4"] {
        let part = sweep(&["--out", "shards", "--shard", shard]);
        assert_eq!(code(&part), 0, "{}", text(&part.stderr));
    }
    assert_eq!(std::fs::read_dir(folder.join("shards")).expect("it is there").count(), 4 * 7);
    let merged = wavetank(&folder, &["merge", "shards", "--out", "merged"]);
    assert_eq!(code(&merged), 0, "{}", text(&merged.stderr));
    let mut names = Vec::new();
    for book in std::fs::read_dir(folder.join("whole")).expect("it is there") {
        let name = book.expect("it can be read").file_name();
        assert!(read(&folder.join("whole").join(&name)) == read(&folder.join("merged").join(&name)), "{name:?}");
        names.push(name);
    }
    assert_eq!(names.len(), 7);
    assert_eq!(std::fs::read_dir(folder.join("merged")).expect("it is there").count(), 7);
    // The same lines; a merge has scenarios by name.
    let sorted = |output: &Output| {
        let mut lines: Vec<String> = text(&output.stdout).lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    assert_eq!(sorted(&merged), sorted(&whole));
    for line in text(&whole.stdout).lines() {
        assert!(line.chars().count() <= 80, "{line}");
    }

    std::fs::remove_file(folder.join("shards/bare-log@io2.shard-3-of-4.jsonl")).expect("it can go");
    let missing = wavetank(&folder, &["merge", "shards", "--out", "again"]);
    let told = text(&missing.stderr);
    assert!(code(&missing) == 1 && told.contains("bare-log@io2: seeds are missing, 10 in all: 6, 10, 14,"), "{told}");
}

#[test]
fn a_folder_that_holds_a_sweep_is_gone_on_with_only_when_asked() {
    let folder = folder("resume");
    let sweep = |more: &[&str]| wavetank(&folder, &[&["sweep", "--seeds", "0..20", "--out", "out"], more].concat());
    let first = sweep(&["--resume"]);
    assert_eq!(code(&first), 0, "with no sweep there, one begins: {}", text(&first.stderr));
    let book = read(&folder.join("out/harbour.jsonl"));
    let again = sweep(&[]);
    assert!(code(&again) == 1 && text(&again.stderr).contains("(--resume)"), "{}", text(&again.stderr));
    assert!(read(&folder.join("out/harbour.jsonl")) == book);
    let digests = sweep(&["--resume", "--digests"]);
    assert_eq!(text(&digests.stdout), text(&wavetank(&folder, &["sweep", "--seeds", "0..20", "--digests"]).stdout));
    let alone = wavetank(&folder, &["sweep", "--resume"]);
    assert!(code(&alone) == 1 && text(&alone.stderr).contains("--out <DIR>"), "{}", text(&alone.stderr));
    std::fs::write(folder.join("file"), "").expect("it can be written");
    let file = wavetank(&folder, &["sweep", "--out", "file"]);
    assert!(code(&file) == 1 && text(&file.stderr).contains("file: it is a file"), "{}", text(&file.stderr));
}

#[test]
fn a_sweep_fails_when_a_situation_is_missing() {
    let folder = folder("missing");
    let sweep = || wavetank(&folder, &["sweep", "--seeds", "0..200", "--out", "out", "--resume"]);
    assert_eq!(code(&sweep()), 0);
    let path = folder.join("out/harbour.jsonl");
    // As if no seed had reached it.
    let mark = "\"pier: halted on a storage error\":";
    let book = String::from_utf8(read(&path)).expect("it is text");
    let unreached: String = book
        .lines()
        .map(|line| match line.split_once(mark) {
            Some((before, after)) => format!("{before}{mark}0{}\n", after.trim_start_matches(|c: char| c.is_numeric())),
            None => format!("{line}\n"),
        })
        .collect();
    std::fs::write(&path, unreached).expect("it can be written");
    let missed = sweep();
    let told = text(&missed.stderr);
    assert!(code(&missed) == 2 && told.contains("\n  pier: halted on a storage error"), "{} {told}", code(&missed));
    assert!(text(&missed.stdout).contains("rare: reached by fewer than one seed in 100\n         0  pier: halted"));
}

#[test]
fn a_sweep_stops_after_failures_or_when_its_coverage_has_levelled_off() {
    let folder = folder("stop");
    let args = ["sweep", "--seeds", "0..1000", "--mutant", "append-resent", "--stop-after", "failures=2"];
    let failing = |jobs| wavetank(&folder, &[&args[..], &["--jobs", jobs]].concat());
    let (one, two) = (failing("1"), failing("2"));
    assert_eq!((code(&one), text(&one.stdout)), (3, text(&two.stdout)));
    assert!(text(&one.stdout).contains("  failed         2, noticed first by"), "{}", text(&one.stdout));
    assert!(text(&one.stderr).contains("stopped after 2 failures"), "{}", text(&one.stderr));

    let args = ["sweep", "--seeds", "0..100000", "--stop-after", "marks,time=10m"];
    let marks = wavetank(&folder, &args);
    let told = text(&marks.stderr);
    assert!(code(&marks) == 0 && told.contains("all was reached that must be"), "{} {told}", code(&marks));
    assert!(text(&marks.stdout).contains("  seeds          the first "), "{}", text(&marks.stdout));

    let time = wavetank(&folder, &["sweep", "--seeds", "0..1000000", "--stop-after", "time=1ms"]);
    assert!(text(&time.stderr).contains("stopped after 0.001 s"), "{}", text(&time.stderr));
    let never = wavetank(&folder, &["sweep", "--stop-after", "never"]);
    assert!(code(&never) == 1 && text(&never.stderr).contains("is none of failures=N"), "{}", text(&never.stderr));
}
