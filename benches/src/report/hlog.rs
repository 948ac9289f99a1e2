//! HdrHistogram interval logs: a histogram of each latency every ten seconds, over all seeds.
//!
//! The log's V2 lines are what HdrHistogram's tools read (HistogramLogProcessor, the plotters, the libraries of other
//! languages). Values are nanoseconds; tags name the latency; the maximum in the line is in milliseconds, as the
//! header says. Times are virtual: seconds since the end of the warm-up, with no start or base time. Where several seeds
//! were run, the histograms of one interval are added: counts are exact.

use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::{IntervalLogWriterBuilder, Tag};
use std::time::Duration;
use wavetank_sim::Nanos;
use wavetank_workloads::compare::measurement::{Interval, histogram};
use wavetank_workloads::compare::{Distribution, Measurement, Subject};

/// The log of one platform's runs.
pub fn log(subject: &Subject, runs: &[&Measurement]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut serializer = V2DeflateSerializer::new();
    let seeds: Vec<String> = runs.iter().map(|run| run.seed.to_string()).collect();
    let mut builder = IntervalLogWriterBuilder::new();
    for line in [
        format!("wavetank, scenario {}, platform {}", subject.scenario, runs[0].platform.name),
        format!("seeds {}", seeds.join(" ")),
        "values in nanoseconds, virtual time since the end of the warm-up".into(),
    ] {
        // A line break would end the comment.
        builder.add_comment(&super::words::clean(&line));
    }
    builder.with_max_value_divisor(1e6);
    let mut writer = builder.begin_log_with(&mut out, &mut serializer).expect("memory takes everything");
    for intervals in by_number(runs) {
        for of in Distribution::ALL {
            let mut sum = histogram();
            for interval in &intervals {
                sum.add(interval.latencies(of)).expect("of one size");
            }
            if !sum.is_empty() {
                let width = intervals.iter().map(|interval| interval.width).max().unwrap_or(Nanos::ZERO);
                let (start, width) = (duration(intervals[0].start), duration(width));
                let written = writer.write_histogram(&sum, start, width, Tag::new(of.name()));
                written.expect("memory takes everything");
            }
        }
    }
    out
}

/// The runs' first intervals, their second ones… A run that ended earlier is missing from the last.
pub(super) fn by_number<'a>(runs: &[&'a Measurement]) -> Vec<Vec<&'a Interval>> {
    let longest = runs.iter().map(|run| run.intervals.len()).max().unwrap_or(0);
    (0..longest).map(|number| runs.iter().filter_map(|run| run.intervals.get(number)).collect()).collect()
}

fn duration(time: Nanos) -> Duration {
    Duration::from_nanos(time.0)
}
