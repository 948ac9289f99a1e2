//! OpenMessaging Benchmark's result file, as its `TestResult` writes it (openmessaging/benchmark, 2026-01): 62 keys.
//!
//! Arrays have a number for every ten seconds; publish and end-to-end latencies are milliseconds, publish delays whole
//! microseconds (their means with a fraction). The keys of the quantile maps are percentiles.
//!
//! Where several seeds were run, rates and backlogs are means over them and latencies are of all their records together.
//! The driver is the platform's name. **Different from the original:** quantile maps have about ten steps where it has a
//! hundred, for they are larger than all the rest; what was not measured (no publish delay, say) is zero. A search for the
//! highest sustainable rate (`producerRate: 0`) adds the key `sustainableRate`, in messages a second.

use super::hlog::by_number;
use hdrhistogram::Histogram;
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Value, json};
use wavetank_workloads::compare::interval::rounded;
use wavetank_workloads::compare::measurement::{Interval, histogram};
use wavetank_workloads::compare::{Distribution, Measurement};

/// The latencies of the format, with the names in its keys.
const LATENCIES: [(Distribution, &str, &str); 3] = [
    (Distribution::Produce, "publishLatency", "aggregatedPublishLatency"),
    (Distribution::PublishDelay, "publishDelayLatency", "aggregatedPublishDelayLatency"),
    (Distribution::EndToEnd, "endToEndLatency", "aggregatedEndToEndLatency"),
];

const PERCENTILES: [(&str, f64); 6] =
    [("50pct", 0.5), ("75pct", 0.75), ("95pct", 0.95), ("99pct", 0.99), ("999pct", 0.999), ("9999pct", 0.9999)];

/// The file's bytes for one platform's runs.
pub fn result(workload: &str, runs: &[&Measurement]) -> Vec<u8> {
    let mut bytes = serde_json::to_vec_pretty(&Entries(entries(workload, runs))).expect("plain data has a JSON form");
    bytes.push(b'\n');
    bytes
}

/// Keys and values in the order of the original, which a sorted map would lose.
struct Entries(Vec<(String, Entry)>);

enum Entry {
    Plain(Value),
    Quantiles(Entries),
}

impl Serialize for Entries {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (key, entry) in &self.0 {
            match entry {
                Entry::Plain(value) => map.serialize_entry(key, value)?,
                Entry::Quantiles(entries) => map.serialize_entry(key, entries)?,
            }
        }
        map.end()
    }
}

fn entries(workload: &str, runs: &[&Measurement]) -> Vec<(String, Entry)> {
    let first = runs[0];
    let intervals = by_number(runs);
    let mut out = vec![
        ("workload".to_owned(), json!(workload)),
        ("driver".to_owned(), json!(first.platform.name)),
        ("messageSize".to_owned(), json!(first.record_bytes)),
        ("topics".to_owned(), json!(first.topics)),
        ("partitions".to_owned(), json!(first.partitions / first.topics.max(1))),
        ("producersPerTopic".to_owned(), json!(first.producers_per_topic)),
        ("consumersPerTopic".to_owned(), json!(first.consumers_per_topic)),
        ("publishRate".to_owned(), rates(&intervals, |interval| interval.published)),
        ("publishErrorRate".to_owned(), rates(&intervals, |interval| interval.errors)),
        ("consumeRate".to_owned(), rates(&intervals, |interval| interval.consumed)),
        ("backlog".to_owned(), backlogs(&intervals)),
    ];
    let found: Vec<f64> = runs.iter().filter_map(|run| run.sustainable_rate).map(|rate| rate as f64).collect();
    if !found.is_empty() {
        let mean = found.iter().sum::<f64>() / found.len() as f64;
        out.push(("sustainableRate".to_owned(), json!(rounded(mean))));
    }
    for (of, key, _) in LATENCIES {
        let mut columns = statistics(of, &|suffix, _| (format!("{key}{suffix}"), Value::Array(Vec::new())));
        // One histogram at a time: a day has thousands of intervals.
        for here in &intervals {
            let all = sum(here, of);
            let row = statistics(of, &|suffix, value| (suffix.to_owned(), value(&all)));
            for ((_, column), (_, value)) in columns.iter_mut().zip(row) {
                column.as_array_mut().expect("a column is an array").push(value);
            }
        }
        out.extend(columns);
    }
    let whole = |of| {
        let mut all = histogram();
        runs.iter().for_each(|run| all.add(run.latencies(of)).expect("of one size"));
        all
    };
    let totals: Vec<Histogram<u64>> = LATENCIES.iter().map(|(of, ..)| whole(*of)).collect();
    for ((of, _, key), total) in LATENCIES.iter().zip(&totals) {
        let scalar = |suffix: &str, value: &dyn Fn(&Histogram<u64>) -> Value| (format!("{key}{suffix}"), value(total));
        out.extend(statistics(*of, &scalar));
    }
    let quantiles = LATENCIES
        .iter()
        .zip(&totals)
        .map(|((of, _, key), total)| (format!("{key}Quantiles"), Entry::Quantiles(quantiles(*of, total))));
    out.into_iter().map(|(key, value)| (key, Entry::Plain(value))).chain(quantiles).collect()
}

type Column<'a> = dyn Fn(&str, &dyn Fn(&Histogram<u64>) -> Value) -> (String, Value) + 'a;

/// Mean, percentiles and maximum of a latency: as columns or as totals, as `column` has it.
fn statistics(of: Distribution, column: &Column<'_>) -> Vec<(String, Value)> {
    let unit = unit(of);
    let mut out = vec![column("Avg", &|all| json!(rounded(mean(all) / unit)))];
    for (suffix, quantile) in PERCENTILES {
        out.push(column(suffix, &|all| value(of, all.value_at_quantile(quantile))));
    }
    out.push(column("Max", &|all| value(of, all.max())));
    out
}

/// The format's unit in nanoseconds.
fn unit(of: Distribution) -> f64 {
    if of == Distribution::PublishDelay { 1e3 } else { 1e6 }
}

/// A latency in the format's unit: whole microseconds for the publish delay.
fn value(of: Distribution, nanos: u64) -> Value {
    match of {
        Distribution::PublishDelay => json!(nanos / 1_000),
        Distribution::Produce
        | Distribution::EndToEnd
        | Distribution::Checkpoint
        | Distribution::Freshness
        | Distribution::Handover => {
            json!((nanos / 1_000) as f64 / 1e3)
        }
    }
}

fn mean(of: &Histogram<u64>) -> f64 {
    if of.is_empty() { 0.0 } else { of.mean() }
}

fn sum(intervals: &[&Interval], of: Distribution) -> Histogram<u64> {
    let mut all = histogram();
    intervals.iter().for_each(|interval| all.add(interval.latencies(of)).expect("of one size"));
    all
}

fn rates(intervals: &[Vec<&Interval>], of: fn(&Interval) -> u64) -> Value {
    let rate = |interval: &&Interval| of(interval) as f64 / interval.width.as_secs_f64();
    let mean = |here: &Vec<&Interval>| json!(rounded(here.iter().map(rate).sum::<f64>() / here.len() as f64));
    Value::Array(intervals.iter().map(mean).collect())
}

fn backlogs(intervals: &[Vec<&Interval>]) -> Value {
    let mean = |here: &Vec<&Interval>| json!(here.iter().map(|interval| interval.lag).sum::<u64>() / here.len() as u64);
    Value::Array(intervals.iter().map(mean).collect())
}

fn quantiles(of: Distribution, all: &Histogram<u64>) -> Entries {
    let entry = |(percentile, nanos): (f64, u64)| (rounded(percentile).to_string(), Entry::Plain(value(of, nanos)));
    let steps = all.iter_quantiles(10).map(|step| (step.percentile(), step.value_iterated_to().min(all.max())));
    let mut entries: Vec<(String, Entry)> = Vec::new();
    for (key, entry) in steps.map(entry) {
        // The iterator ends with 100 twice when the last step reaches it.
        if entries.last().is_none_or(|(last, _)| *last != key) {
            entries.push((key, entry));
        }
    }
    Entries(entries)
}
