//! Timelines for Perfetto: they parse, and whatever begins ends.

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Arc, Mutex};
use wavetank_workloads::lab::{Failure, Sameness, Timeline, outcome};
use wavetank_workloads::scenario::Listeners;

/// A file of the corpus, and its timeline.
fn timeline(name: &str) -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../traces/corpus").join(name);
    let failure = Failure::read(&path).expect("it is there");
    let shared = Shared::default();
    let timeline = Arc::new(Mutex::new(Timeline::new(shared.clone(), &failure.case)));
    let mut listeners = Listeners::default();
    listeners.audience.add(timeline.clone());
    let report = failure.replay(listeners);
    assert_eq!(failure.compare(&outcome(&report)), Sameness::Same, "who listens changes nothing");
    timeline.lock().unwrap().finish(report.expect("no panic").now).expect("memory takes it");
    let text = String::from_utf8(shared.0.lock().unwrap().clone()).expect("text");
    let json: Value = serde_json::from_str(&text).expect("it parses");
    json["traceEvents"].as_array().expect("a list").clone()
}

#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn text<'a>(event: &'a Value, key: &str) -> &'a str {
    event[key].as_str().unwrap_or_default()
}

/// By phase, category and name: how many there are. Asserts that slices nest and that everything that begins ends.
fn checked(events: &[Value]) -> BTreeMap<(String, String), usize> {
    let mut counts = BTreeMap::new();
    let mut stacks: BTreeMap<(u64, u64), Vec<&str>> = BTreeMap::new();
    let mut spans: BTreeMap<(String, u64), (&str, f64)> = BTreeMap::new();
    let (mut seen, mut last) = (BTreeSet::new(), BTreeMap::new());
    for event in events {
        let number = |key: &str| event[key].as_u64().unwrap_or_else(|| panic!("{key} of {event}"));
        let ts = event["ts"].as_f64().unwrap_or_else(|| panic!("ts of {event}"));
        let track = (number("pid"), number("tid"));
        let phase = text(event, "ph");
        if phase != "M" {
            let last = last.insert(track, ts).unwrap_or(0.0);
            assert!(last <= ts, "time runs backward on {track:?}: {event}");
        }
        match phase {
            "B" => stacks.entry(track).or_default().push(text(event, "name")),
            "E" => drop(stacks.entry(track).or_default().pop().unwrap_or_else(|| panic!("nothing to end: {event}"))),
            "b" => {
                assert!(seen.insert(number("id")), "an id is used once: {event}");
                spans.insert((text(event, "cat").into(), number("id")), (text(event, "name"), ts));
            }
            "e" => {
                let began = spans.remove(&(text(event, "cat").into(), number("id")));
                let (name, began) = began.unwrap_or_else(|| panic!("nothing to end: {event}"));
                assert!(name == text(event, "name") && began <= ts, "it began as {name} at {began}: {event}");
            }
            "i" | "C" | "M" => {}
            other => panic!("phase {other}: {event}"),
        }
        let name = if phase == "b" { text(event, "cat") } else { text(event, "name") };
        *counts.entry((phase.to_owned(), name.to_owned())).or_default() += 1;
    }
    assert!(stacks.values().all(Vec::is_empty), "slices are open at the end: {stacks:?}");
    assert!(spans.is_empty(), "spans are open at the end: {spans:?}");
    counts
}

#[test]
fn a_cluster_s_timeline_parses_and_its_slices_nest_and_end() {
    let counts = checked(&timeline("broker-failover@s3-wal-storage-failover-trims-own-wal.json"));
    let count = |phase: &str, name: &str| counts.get(&(phase.to_owned(), name.to_owned())).copied().unwrap_or(0);
    assert!(count("M", "process_name") >= 8, "{counts:?}");
    assert!(count("b", "request") > 50 && count("b", "recovery") >= 2 && count("b", "failover") == 1, "{counts:?}");
    assert!(count("b", "fault") >= 1 && count("B", "life 1") >= 6, "{counts:?}");
    assert!(count("i", "acked") > 50 && count("C", "lag of group 0") > 5, "{counts:?}");
}

#[test]
fn lives_pauses_and_faults_of_a_bare_log_are_slices() {
    let events = timeline("bare-log@object-wal-plain-put-reservation.json");
    let counts = checked(&events);
    let count = |phase: &str, name: &str| counts.get(&(phase.to_owned(), name.to_owned())).copied().unwrap_or(0);
    assert_eq!((count("B", "life 1"), count("B", "life 2")), (2, 1), "{counts:?}");
    assert!(count("B", "stands still") >= 1 && count("b", "fault") >= 1, "{counts:?}");
    assert!(count("i", "odd operation") >= 3 && count("i", "exit") >= 1, "{counts:?}");
}

#[test]
fn a_timeline_that_cannot_be_written_says_why() {
    struct Full;
    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::Error::other("the disk is full"))
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../traces/corpus/bare-log@object-wal-confirm-max.json");
    let failure = Failure::read(&path).expect("it is there");
    let error = Timeline::new(Full, &failure.case).finish(wavetank_sim::Nanos::ZERO).unwrap_err();
    assert_eq!(error.to_string(), "the disk is full");
}
