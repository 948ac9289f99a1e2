//! Sweeps and their books: killed, gone on with, cut into shards and joined, they say the same to the byte.

use crate::common::Folder;
use std::path::{Path, PathBuf};
use wavetank_workloads::lab::{self, Book, Next, Opening, Plan, Seeds, Totals};
use wavetank_workloads::mutant::Mutant;
use wavetank_workloads::scenario::{RunOptions, Scenario};

fn scenario(name: &str) -> Scenario {
    Scenario::by_name(name).expect("it is built in")
}

const SEEDS: Seeds = Seeds { from: 3, to: 15, shard: None };
const NAMES: [&str; 2] = ["harbour.jsonl", "bare-log@nfs.jsonl"];

/// Sweeps the harbour and a bare log into books, up to so many seeds of both; how many were run, and what they add up to.
fn sweep(folder: &Path, seeds: Seeds, jobs: usize, most: usize) -> (usize, Vec<Totals>) {
    let scenarios = [Scenario::Harbour, scenario("bare-log@nfs")];
    let plan = Plan { scenarios: &scenarios, seeds, options: RunOptions::default(), jobs };
    let mut books =
        Book::open_all(folder, &scenarios, seeds, &plan.options, Opening::Resume).expect("good books or none");
    let (mut new, mut seen) = (0, 0);
    let mut all: Vec<Totals> = scenarios.iter().map(|scenario| Totals::new(*scenario)).collect();
    lab::sweep(&plan, &mut books, |swept| {
        all[swept.scenario].add(swept.outcome);
        (new, seen) = (new + usize::from(swept.is_new), seen + 1);
        if seen < most { Next::GoOn } else { Next::Stop }
    })
    .expect("the books hold");
    (new, all)
}

fn bytes(folder: &Path) -> [Vec<u8>; 2] {
    NAMES.map(|name| std::fs::read(folder.join(name)).expect("it was written"))
}

fn sums(all: &[Totals]) -> Vec<String> {
    all.iter().map(|of| format!("{} {} {} {} {:?}", of.seeds, of.digest, of.events, of.pairs(), of.marks)).collect()
}

#[test]
fn a_sweep_that_goes_on_writes_the_bytes_of_one_that_was_not_interrupted() {
    let folder = Folder::new("book");
    let (whole, parts) = (folder.join("whole"), folder.join("parts"));
    let (new, at_once) = sweep(&whole, SEEDS, 1, usize::MAX);
    assert_eq!(new, 24);
    let all = bytes(&whole);

    // Scenarios take turns.
    assert_eq!(sweep(&parts, SEEDS, 2, 5).0, 5);
    let some = bytes(&parts);
    let lines = |of: &[u8]| of.iter().filter(|byte| **byte == b'\n').count();
    assert_eq!((lines(&some[0]), lines(&some[1])), (1 + 3, 1 + 2));
    assert!(all[0].starts_with(&some[0]) && all[1].starts_with(&some[1]));
    // Killed in the middle of a line: that seed is run again.
    std::fs::write(parts.join(NAMES[0]), &some[0][..some[0].len() - 7]).expect("it can be written");
    let (new, in_parts) = sweep(&parts, SEEDS, 2, usize::MAX);
    assert_eq!((new, bytes(&parts) == all), (24 - 4, true));
    assert_eq!(sums(&in_parts), sums(&at_once));
    let (new, from_the_book) = sweep(&parts, SEEDS, 1, usize::MAX);
    assert_eq!((new, sums(&from_the_book)), (0, sums(&at_once)));
}

#[test]
fn wherever_a_book_is_torn_it_is_gone_on_with_to_the_same_bytes() {
    let folder = Folder::new("torn");
    let (scenarios, options) = ([Scenario::Harbour], RunOptions::default());
    let seeds = Seeds { from: 0, to: 2, shard: None };
    let plan = Plan { scenarios: &scenarios, seeds, options, jobs: 1 };
    let path = folder.join(NAMES[0]);
    let open = || Book::open_all(&folder, &scenarios, seeds, &options, Opening::Resume).expect("a good book");
    let mut outcomes = Vec::new();
    lab::sweep(&plan, &mut open(), |swept| {
        outcomes.push(swept.outcome.clone());
        Next::GoOn
    })
    .expect("the book holds");
    let whole = std::fs::read(&path).expect("it was written");
    for length in 0..whole.len() {
        std::fs::write(&path, &whole[..length]).expect("it can be written");
        let mut book = open().remove(0);
        let lines = book.lines();
        assert_eq!(book.outcomes().expect("it can be read").count() as u64, lines);
        for seed in lines..2 {
            book.add(seed, &outcomes[seed as usize]).expect("it can be written");
        }
        assert!(std::fs::read(&path).expect("it was written") == whole, "torn at byte {length}");
    }
}

#[test]
fn a_scenario_is_left_without_the_others_whatever_the_number_of_jobs() {
    let scenarios = [Scenario::Harbour, scenario("bare-log@nfs"), scenario("bare-log@object")];
    let swept = |jobs, most: u64| {
        let plan = Plan { scenarios: &scenarios, seeds: (0..10).into(), options: RunOptions::default(), jobs };
        let mut seen = Vec::new();
        lab::sweep(&plan, &mut [], |swept| {
            seen.push((swept.seed, swept.scenario));
            let is_over = swept.scenario == 1 && swept.seed == 3 || swept.seed >= most;
            if is_over { Next::LeaveScenario } else { Next::GoOn }
        })
        .expect("there is no book that could fail");
        seen
    };
    let expected = (0..10).flat_map(|seed| [(seed, 0), (seed, 1), (seed, 2)]);
    let expected: Vec<_> = expected.filter(|(seed, at)| *at != 1 || *seed <= 3).collect();
    assert_eq!((swept(1, 99), swept(2, 99)), (expected.clone(), expected));
    assert_eq!(swept(2, 1).len(), 6, "nobody is left");
}

#[test]
fn a_book_of_another_sweep_is_refused_and_left_alone() {
    let folder = Folder::new("other-book");
    sweep(&folder, SEEDS, 1, 4);
    let path = folder.join(NAMES[0]);
    let good = std::fs::read_to_string(&path).expect("it is text");
    let refused = |scenario, seeds, options: &RunOptions, opening| {
        let before = std::fs::read(&path).expect("it is there");
        let error = Book::open_all(&folder, &[scenario], seeds, options, opening).expect_err("it is of another sweep");
        assert_eq!(std::fs::read(&path).expect("it is there"), before);
        error.to_string()
    };
    let plain = RunOptions::default();
    let mutant = Some(Mutant::by_name("append-resent").expect("it is known"));
    let more = Seeds { to: 20, ..SEEDS };
    for (seeds, options, opening, said) in [
        (
            SEEDS,
            RunOptions { mutant, ..plain },
            Opening::Resume,
            "its --mutant is none, and this sweep's append-resent",
        ),
        (
            SEEDS,
            RunOptions { no_check: true, ..plain },
            Opening::Resume,
            "its --no-check is false, and this sweep's true",
        ),
        (more, plain, Opening::Resume, "its --seeds is 3..15, and this sweep's 3..20"),
        (SEEDS, plain, Opening::Begin, "a sweep is there already: go on with it (--resume)"),
    ] {
        let error = refused(Scenario::Harbour, seeds, &options, opening);
        assert!(error.contains(said) && error.contains("name another folder"), "{error}");
    }
    let (header, rest) = good.split_once('\n').expect("lines");
    let (first, second) = rest.split_once('\n').expect("lines");
    for (text, said) in [
        (good.replace(lab::VERSION, "0.0.7"), "its version of wavetank is 0.0.7"),
        (
            good.replace("\"harbour\"", "{\"bare-log\":\"nfs\"}"),
            "its scenario is bare-log@nfs, and this sweep's harbour",
        ),
        (good.replace("\"version\":2", "\"version\":1"), "its format is wavetank-sweep 1"),
        (rest.to_owned(), "line 1 is no header of a sweep: seed"),
        ("a letter to a friend".to_owned(), "line 1 is no header of a sweep"),
        (format!("{header}\n{{\"seed\":3}}\n{rest}"), "line 2, .: missing field `outcome`"),
        (format!("{header}\n{first}\n{first}\n"), "line 3: seed 3 stands where seed 4 belongs"),
        (format!("{header}\n{second}"), "line 2: seed 4 stands where seed 3 belongs"),
        (format!("{}\n{rest}", header.replace("\"to\":15", "\"to\":4")), "its --seeds is 3..4"),
    ] {
        std::fs::write(&path, text).expect("it can be written");
        let error = refused(Scenario::Harbour, SEEDS, &plain, Opening::Resume);
        assert!(error.contains(said), "{said}: {error}");
    }
    std::fs::write(&path, good.replace("\"events\":", "\"event\":")).expect("it can be written");
    let books = Book::open_all(&folder, &[Scenario::Harbour], SEEDS, &plain, Opening::Resume).expect("seeds are right");
    let mut lines = books[0].outcomes().expect("it can be read");
    let error = lines.next().expect("there is a line").expect_err("a key is unknown").to_string();
    assert!(error.contains("line 2, outcome.ended.event: unknown field"), "{error}");
}

#[test]
fn one_sweep_at_a_time_writes_a_book() {
    let folder = Folder::new("locked");
    let open = || Book::open_all(&folder, &[Scenario::Harbour], SEEDS, &RunOptions::default(), Opening::Resume);
    let first = open().expect("nobody writes it");
    let error = open().expect_err("somebody does").to_string();
    assert!(error.contains("harbour.jsonl: another sweep is writing it"), "{error}");
    drop(first);
    assert!(open().is_ok());
}

/// Seeds of a shard, and the folder of its books.
fn shard(folder: &Folder, shard: &str, most: usize) -> PathBuf {
    let path = folder.join(shard.replace('/', "-"));
    sweep(&path, Seeds { shard: Some(shard.parse().expect("a shard")), ..SEEDS }, 2, most);
    path
}

#[test]
fn shards_are_joined_to_the_bytes_of_one_sweep() {
    let folder = Folder::new("shards");
    let (whole, joined) = (folder.join("whole"), folder.join("joined"));
    let (_, at_once) = sweep(&whole, SEEDS, 2, usize::MAX);
    let shards = ["1/4", "2/4", "3/4", "4/4"].map(|of| shard(&folder, of, usize::MAX));
    let merged = lab::merge(&shards, &joined).expect("they are whole");
    assert!(bytes(&joined) == bytes(&whole));
    // By name, not by turns.
    let totals: Vec<Totals> = merged.into_iter().map(|of| of.totals).rev().collect();
    assert_eq!(sums(&totals), sums(&at_once));
    let again = lab::merge(&shards, &joined).expect_err("it is there").to_string();
    assert!(again.contains("it is there already"), "{again}");
    // A joined book is a book.
    assert_eq!(sweep(&joined, SEEDS, 1, usize::MAX).0, 0);
    // Ranges that follow each other are joined as shards are.
    let (first, second) = (folder.join("first"), folder.join("second"));
    sweep(&first, Seeds { to: 8, ..SEEDS }, 2, usize::MAX);
    sweep(&second, Seeds { from: 8, ..SEEDS }, 2, usize::MAX);
    lab::merge(&[second, first], &folder.join("ranges")).expect("nothing is missing");
    assert!(bytes(&folder.join("ranges")) == bytes(&whole));
}

#[test]
fn what_cannot_be_joined_exactly_is_refused_and_nothing_is_written() {
    let folder = Folder::new("refused");
    let [first, second] = ["1/3", "2/3"].map(|of| shard(&folder, of, usize::MAX));
    let third = shard(&folder, "3/3", 5);
    let out = folder.join("out");
    let refused = |folders: &[&PathBuf]| {
        let folders: Vec<PathBuf> = folders.iter().map(|path| (*path).clone()).collect();
        let error = lab::merge(&folders, &out).expect_err("something is wrong").to_string();
        assert_eq!(std::fs::read_dir(&out).map_or(0, Iterator::count), 0, "{error}");
        error
    };
    // Of twelve seeds each shard has four; of the third, books hold three and two.
    let unfinished = refused(&[&first, &second, &third]);
    assert!(unfinished.contains("bare-log@nfs: seeds are missing, 2 in all: 11, 14; "), "{unfinished}");
    assert!(unfinished.contains("bare-log@nfs.shard-3-of-3.jsonl has not come to its end"), "{unfinished}");
    let absent = refused(&[&first, &third]);
    assert!(absent.contains("6 in all: 4, 7, 10..12, 13..15; none of these books is for the first"), "{absent}");
    let twice = refused(&[&first, &second, &first]);
    assert!(twice.contains("seed 3 is in ") && twice.matches("shard-1-of-3").count() == 2, "{twice}");
    shard(&folder, "3/3", usize::MAX);
    let book = first.join("harbour.shard-1-of-3.jsonl");
    let good = std::fs::read_to_string(&book).expect("it was written");
    for (text, said) in [
        (
            good.replace("\"no_check\":false", "\"no_check\":true"),
            "are of two sweeps: the --no-check of the one is true",
        ),
        (good.replace("\"seed\":6", "\"seed\":7"), "line 3: seed 7 stands where seed 6 belongs"),
        ("{".to_owned(), "line 1 is no header of a sweep"),
    ] {
        std::fs::write(&book, text).expect("it can be written");
        let error = refused(&[&first, &second, &third]);
        assert!(error.contains(said), "{said}: {error}");
    }
    let empty = folder.join("empty");
    std::fs::create_dir(&empty).expect("it can be made");
    assert!(refused(&[&empty]).contains("there is no book of a sweep in it"));
}
