//! Stories of failures that are kept.

use std::path::Path;
use std::sync::{Arc, Mutex};
use wavetank_sim::Nanos;
use wavetank_traces::Concern;
use wavetank_workloads::lab::story::{Choice, Collector, Deed, Story, Told};
use wavetank_workloads::lab::{Failure, Sameness, outcome};
use wavetank_workloads::scenario::Listeners;

/// A file of the corpus, replayed while its story is collected.
fn story(name: &str) -> Story {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../traces/corpus").join(name);
    let failure = Failure::read(&path).expect("it is there");
    let collector = Arc::new(Mutex::new(Collector::new(&failure.case)));
    let mut listeners = Listeners::default();
    listeners.audience.add(collector.clone());
    let report = failure.replay(listeners);
    assert_eq!(failure.compare(&outcome(&report)), Sameness::Same, "who listens changes nothing");
    let report = report.expect("no panic");
    let collected = std::mem::take(&mut *collector.lock().expect("nobody panics with it"));
    Story::new(collected, &report.findings, report.now)
}

fn told(story: &Story, choice: &Choice) -> Told {
    story.tell(choice, 56, |_| 1).expect("no node is asked for")
}

/// What is said by whom, in order: each follows what was said before it.
fn assert_says(told: &Told, said: &[(&str, &str)]) {
    let all: Vec<String> = told.beats.iter().map(|beat| format!("{} {} {beat}", beat.from, beat.who)).collect();
    let mut beats = told.beats.iter();
    for (who, what) in said {
        let found = beats.any(|beat| beat.who == *who && beat.to_string().contains(what));
        assert!(found, "{who} {what} is not told in its place:\n{}", all.join("\n"));
    }
}

#[test]
fn a_cluster_s_story_names_the_fault_the_fencing_and_the_finding() {
    let story = story("broker-failover@s3-wal-storage-failover-trims-own-wal.json");
    let all = told(&story, &Choice::default());
    assert_eq!(
        all.about,
        [Concern::Partition("0-3".into()), Concern::Stream(2), Concern::Wal(0)],
        "the partition follows from the stream"
    );
    assert_says(
        &all,
        &[
            ("broker-0", "acquires the log of broker 0"),
            ("broker-0", "opens stream 2 of partition 0-3"),
            ("broker-0", "acknowledges partition 0-3"),
            ("broker-0", "begins the failover of broker 1"),
            ("broker-0", "acquires the log of broker 1"),
            ("broker-0", "empties the log of broker 1"),
            ("trimmed-is-committed", "stream 2"),
        ],
    );
    assert!(all.left_out > 100 && all.beats.len() <= 56, "{} left out, {} told", all.left_out, all.beats.len());
    let node = told(&story, &Choice { node: Some("broker-1".into()), ..Choice::default() });
    assert_says(&node, &[("broker-1", "acquires the log of broker 1")]);
    assert!(node.beats.iter().all(|beat| beat.who != "broker-2"));
}

#[test]
fn what_is_left_out_is_counted_and_nothing_is_when_all_is_asked_for() {
    let story = story("late-writes@s3-wal-storage-confirm-before-cache.json");
    let short = story.tell(&Choice::default(), 5, |_| 1).expect("no node is asked for");
    let long = told(&story, &Choice::default());
    let count = |told: &Told| told.beats.iter().map(|beat| beat.times).sum::<u64>();
    assert_eq!(short.beats.len(), 5);
    assert_eq!(count(&short) + short.left_out, count(&long) + long.left_out);
    let found = |told: &Told| told.beats.iter().filter(|beat| matches!(beat.deed, Deed::Found(_))).count();
    assert_eq!((found(&short), found(&long)), (1, 1), "what is wrong is never left out");
    assert_eq!(told(&story, &Choice { all: true, ..Choice::default() }).left_out, 0);
    let until = told(&story, &Choice { until: Some(Nanos::secs(4)), ..Choice::default() });
    assert!(until.beats.iter().all(|beat| beat.from <= Nanos::secs(4) || matches!(beat.deed, Deed::Found(_))));
}
