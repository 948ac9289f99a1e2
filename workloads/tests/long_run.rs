//! A day of virtual time needs no more memory than a quarter of it. A binary of its own: the allocator counts for all its
//! threads.
//!
//! ```text
//! cargo test --release -p wavetank-workloads --test long_run -- --ignored --nocapture
//! ```
//!
//! Counted is what is allocated and not freed, looked at once a virtual second: the world, its devices and their content, the
//! checkers and the meter. What a measured run keeps of every ten seconds, its histograms, grows by design: it is printed, and
//! not counted.

use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use std::alloc::System;
use std::sync::{Arc, Mutex};
use wavetank_models::world::Event;
use wavetank_sim::{Nanos, Observer};
use wavetank_workloads::cluster::{Purpose, Setup, run};
use wavetank_workloads::scenario::{Listeners, RunOptions};
use wavetank_workloads::spec::Source;
use wavetank_workloads::spec::scenario::{Scenario, builtin};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const HOUR: u64 = 3_600;

/// A small load whose records are kept for ten minutes, in segments of 1 MiB: of 200 s each. Group offsets are compacted a
/// few times an hour.
///
/// What a ring holds stays in it until it is written over, trimmed or not: one of the default's 2 GiB would fill for days, 6 MiB of
/// the model's memory an hour. These of 32 MiB have gone around before the sixth hour.
const SCENARIO: &str = r#"
platforms = ["s3-wal", "ebs-wal", "nfs-wal"]
[scenario]
name = "long"
summary = "A day of a small load."
[cluster]
brokers = 3
[cluster.settings]
"log.segment.bytes" = 1048576
"offsets.topic.num.partitions" = 4
"offsets.topic.segment.bytes" = 16384
[workload]
partitions = 4
message_size = "1 KiB"
rate = "20 msg/s"
producers = 2
[workload.topic]
"retention.ms" = 600000
[workload.producer]
"linger.ms" = 1000
[[group]]
name = "readers"
members = 2
[group.settings]
"fetch.min.bytes" = 4096
[platform.ebs-wal]
"s3.wal.path" = "0@file:///dev/wal?capacity=33554432"
[platform.nfs-wal]
"s3.wal.path" = "0@file:///nfs/wal?capacity=33554432"
[measure]
warm_up = "60 s"
duration = "DURATION"
events = 1000000000000
"#;

fn live() -> u64 {
    let stats = ALLOCATOR.stats();
    (stats.bytes_allocated - stats.bytes_deallocated) as u64
}

/// The highest that was seen in each hour.
type Peaks = Arc<Mutex<Vec<u64>>>;

fn watch(peaks: Peaks, before: u64) -> Observer<Event> {
    let mut next = Nanos::ZERO;
    Box::new(move |record| {
        if record.at >= next {
            next = record.at + Nanos::secs(1);
            let (hour, now) = ((record.at.0 / Nanos::secs(HOUR).0) as usize, live().saturating_sub(before));
            let mut peaks = peaks.lock().expect("one run");
            if peaks.len() <= hour {
                peaks.resize(hour + 1, 0);
            }
            peaks[hour] = peaks[hour].max(now);
        }
        true
    })
}

/// By hour, the peak of all hours so far, without the histograms of intervals.
fn peaks(platform: usize, hours: u64) -> Vec<u64> {
    let text = SCENARIO.replace("DURATION", &format!("{} s", hours * HOUR));
    let scenario = Scenario::parse(&Source::new("long.toml", text), &builtin::Files).expect("it is right").value;
    let peaks = Peaks::default();
    let setup = Setup { scenario: &scenario, platform: &scenario.platforms[platform], purpose: Purpose::Measure };
    let listeners = Listeners { observer: Some(watch(peaks.clone(), live())), ..Listeners::default() };
    let report = run(setup, 1, &RunOptions::default(), listeners);
    assert_eq!(report.run.findings, []);
    let reached = |mark| report.run.marks.iter().any(|(name, count)| name == mark && count > 0);
    assert!(reached("retention: segments were deleted"), "nothing was deleted");
    assert!(reached("coordinator: group offsets were compacted"), "nothing was compacted");
    let an_hour = report.measurement.expect("it was measured").interval_bytes() / hours;
    let name = setup.platform.kind.name();
    println!("{name}: {} events; histograms of intervals: {} KiB an hour", report.run.events, an_hour >> 10);
    let peaks = peaks.lock().expect("it is over");
    let world = (0..).zip(peaks.iter()).map(|(hour, peak)| peak.saturating_sub(hour * an_hour));
    world.scan(0, |highest, peak| Some(std::mem::replace(highest, peak.max(*highest)).max(peak))).collect()
}

fn is_flat(platform: usize, hours: u64, from: u64) {
    let peaks = peaks(platform, hours);
    let at = |hour: u64| peaks[hour as usize - 1];
    for hour in 1..=hours {
        println!("{hour} h: at most {} KiB", at(hour) >> 10);
    }
    let (early, late) = (at(from), at(hours));
    assert!(late <= early + early / 10, "{late} bytes after {hours} h, {early} after {from} h");
}

#[test]
#[ignore = "minutes"]
fn a_day_needs_no_more_memory_than_six_hours_over_objects() {
    is_flat(0, 24, 6);
}

#[test]
#[ignore = "minutes"]
fn a_day_needs_no_more_memory_than_six_hours_over_volumes() {
    is_flat(1, 24, 6);
}

#[test]
#[ignore = "minutes"]
fn a_day_needs_no_more_memory_than_six_hours_over_a_share() {
    is_flat(2, 24, 6);
}
