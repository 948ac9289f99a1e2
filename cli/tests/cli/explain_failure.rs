//! When a failure became inevitable, as a user asks for it.

use crate::common::{code, folder, text, wavetank};

const CORPUS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../traces/corpus/bare-log@object-wal-confirm-max.json");

#[test]
fn a_failure_is_explained_in_80_columns_and_as_a_page_whatever_the_jobs() {
    let folder = folder("explain-failure");
    let explain = |jobs: &str, page: &str| {
        let few = ["--samples", "20", "--points", "10", "--jobs", jobs, "--html", page];
        let explained = wavetank(&folder, &[&["explain-failure", CORPUS], &few[..]].concat());
        assert_eq!(code(&explained), 0, "{}", text(&explained.stderr));
        (text(&explained.stdout), std::fs::read_to_string(folder.join(page)).expect("it was written"))
    };
    let (said, page) = explain("1", "one.html");
    for expected in ["violation of durable-is-recovered (epoch)", "storm's 2 faults", "loses power", "between"] {
        assert!(said.contains(expected), "{expected}: {said}");
    }
    assert!(
        said.contains("the bug becomes inevitable between ") && said.contains("|################|  100 %"),
        "{said}"
    );
    assert!(said.lines().all(|line| line.chars().count() <= 80), "{said}");
    assert!(page.contains("Inevitable between") && page.contains("default-src 'none'"), "{page}");
    assert!(!page.contains("http:") && !page.contains("https:") && !page.contains("<script"), "it needs nothing else");
    assert_eq!(explain("2", "two.html"), (said, page));
}

#[test]
fn what_cannot_be_explained_is_told() {
    let folder = folder("explain-failure-bad");
    let sound = std::fs::read_to_string(CORPUS).expect("it is there").replace("\"wal-confirm-max\"", "null");
    std::fs::write(folder.join("sound.json"), sound).expect("it can be written");
    for (more, said) in [
        (&["nowhere.json"][..], "nowhere.json: can't read it"),
        (&["sound.json"], "sound.json: it cannot be explained: run again, everything held"),
        (&["sound.json", "--samples", "0"], "invalid value '0' for '--samples"),
        (&["sound.json", "--points", "1"], "invalid value '1' for '--points"),
    ] {
        let wrong = wavetank(&folder, &[&["explain-failure"], more].concat());
        assert!(code(&wrong) == 1 && text(&wrong.stderr).contains(said), "{said}: {}", text(&wrong.stderr));
    }
    let args = ["explain-failure", CORPUS, "--samples", "2", "--points", "2", "--html", "no/such/folder.html"];
    let unwritable = wavetank(&folder, &args);
    assert!(code(&unwritable) == 1 && text(&unwritable.stderr).contains("can't write the page to no/such/folder.html"));
}
