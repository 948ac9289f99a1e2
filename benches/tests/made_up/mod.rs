//! Measurements that nobody measured, but that look as if: for tests of reports and for the sample page.

#![allow(dead_code, reason = "each test uses a part of it")]

use wavetank_models::cloud::price::{Meter, PriceBook, Usage};
use wavetank_models::cloud::profile::Grade;
use wavetank_sim::{Choices, Digest, Domain, Nanos, Stream};
use wavetank_workloads::compare::measurement::{
    EndedPromise, Evaluations, FaultMark, JobRecovery, MonthlyCost, ProfileUse, Recovery,
};
use wavetank_workloads::compare::recorder::{Recorder, Shape};
use wavetank_workloads::compare::{Distribution, Measurement, Platform, Published, Subject};

/// How a made-up platform behaves.
pub struct Kind {
    pub name: &'static str,
    pub about: &'static str,
    /// Median of the produce latency.
    pub median: Nanos,
    pub sigma: f64,
    /// How long it is down after a broker is killed.
    pub outage: Nanos,
    /// Down while a zone is dark.
    pub one_zone: bool,
    pub grade: Grade,
    pub brokers: u64,
}

pub const PLATFORMS: [Kind; 5] = [
    Kind {
        name: "kafka-rf3",
        about: "Kafka, three replicas on local volumes, acks=all, min.insync.replicas=2, no fsync",
        median: Nanos::micros(2_300),
        sigma: 0.45,
        outage: Nanos::millis(6_200),
        one_zone: false,
        grade: Grade::Partial,
        brokers: 9,
    },
    Kind {
        name: "kafka-tiered",
        about: "The same with tiered storage: segments older than an hour are in the object store",
        median: Nanos::micros(2_450),
        sigma: 0.5,
        outage: Nanos::millis(6_400),
        one_zone: false,
        grade: Grade::Partial,
        brokers: 6,
    },
    Kind {
        name: "shared-ebs-wal",
        about: "Shared storage; write-ahead log on one block volume per broker, data in the object store",
        median: Nanos::micros(1_700),
        sigma: 0.4,
        outage: Nanos::millis(11_300),
        one_zone: true,
        grade: Grade::Partial,
        brokers: 4,
    },
    Kind {
        name: "shared-nfs-wal",
        about: "Shared storage; write-ahead log on a file share of two zones",
        median: Nanos::micros(3_900),
        sigma: 0.55,
        outage: Nanos::millis(9_100),
        one_zone: false,
        grade: Grade::Assumed,
        brokers: 4,
    },
    Kind {
        name: "shared-s3-wal",
        about: "Shared storage; write-ahead log in the object store too, a batch every 250 ms",
        median: Nanos::millis(240),
        sigma: 0.35,
        outage: Nanos::millis(9_800),
        one_zone: false,
        grade: Grade::Measured,
        brokers: 3,
    },
];

pub fn subject() -> Subject {
    Subject {
        scenario: "zone-dark".into(),
        about: "200 MB/s of 1 KiB records into 64 partitions, read once by a pipeline with exactly-once sinks. A broker is \
                killed, then a zone goes dark for 40 s, then the object store is slow for a minute and a half."
            .into(),
        workload: "64-partitions-200k-1kb".into(),
        command: "wavetank compare zone-dark --seeds 5 --out results".into(),
    }
}

pub fn published() -> Vec<Published> {
    let row = |id: &str, what: &str, published, ours| Published {
        id: id.into(),
        what: what.into(),
        unit: "ms".into(),
        published,
        ours,
    };
    vec![
        row("CF-K200-pub-p50", "Apache Kafka 2.6, 3 x i3en.2xlarge, 200 MB/s, no fsync: produce p50", 2.15, 2.31),
        row("CF-K200-pub-p99.9", "The same: produce p99.9", 17.37, 11.9),
        row("CF-K200-e2e-p99", "The same: end-to-end p99", 5.43, 6.02),
    ]
}

/// Runs of all of them, with seeds from zero.
pub fn runs(kinds: &[Kind], seeds: u64, seconds: u64) -> Vec<Measurement> {
    kinds.iter().flat_map(|kind| (0..seeds).map(move |seed| run(kind, seed, seconds))).collect()
}

const PARTITIONS: u32 = 64;
const BEGIN: Nanos = Nanos::secs(10);

/// One run. Faults lie at fixed shares of its length.
pub fn run(kind: &Kind, seed: u64, seconds: u64) -> Measurement {
    let mut random = Choices::new(seed).stream(Domain::new(kind.name), 0);
    let kill = Nanos::secs(seconds / 5);
    let dark = (Nanos::secs(seconds * 2 / 5), Nanos::secs(seconds * 2 / 5 + 40.min(seconds / 10)));
    let slow = (Nanos::secs(seconds * 7 / 10), Nanos::secs(seconds * 17 / 20));
    let outage = kind.outage.scale(random.range(90..110), 100);
    let shape = Shape {
        partitions: PARTITIONS,
        record_bytes: 1_024,
        topics: 1,
        producers_per_topic: 8,
        consumers_per_topic: 8,
        begin: BEGIN,
        expected: Nanos::secs(seconds),
    };
    let mut recorder = Recorder::new(Platform { name: kind.name.into(), about: kind.about.into() }, seed, shape);
    let (mut lag, mut held) = (0u64, vec![false; PARTITIONS as usize]);
    for second in 0..seconds {
        let at = BEGIN + Nanos::secs(second);
        let now = Nanos::secs(second);
        let stretch = 1.0 + random.normal().abs() * 0.05 + if now >= slow.0 && now < slow.1 { 0.8 } else { 0.0 };
        let killed = now >= kill && now < kill + outage;
        let in_dark = kind.one_zone && now >= dark.0 && now < dark.1 + Nanos::secs(2);
        for partition in 0..PARTITIONS {
            let broker = u64::from(partition) % kind.brokers;
            let down = (killed && broker == 1) || (in_dark && broker == 2);
            if !held[partition as usize] {
                recorder.sent(at, partition);
            }
            held[partition as usize] = down;
            if !down {
                recorder.acked(at, partition, 3_125, 3_125 * 1_024);
                batches(&mut recorder, &mut random, kind, at, stretch);
            }
        }
        let up = held.iter().filter(|down| !**down).count() as u64;
        let read = if killed { up * 3_125 / 2 } else { (up * 3_125 + lag.min(60_000)).min(260_000) };
        lag = (lag + up * 3_125 + 400).saturating_sub(read);
        recorder.consumed(at, read, read * 1_024);
        recorder.lag(at, lag + random.range(0..900));
        if second % 10 == 9 {
            let long = random.log_normal(Nanos::millis(900), 0.3);
            recorder.latency(at, Distribution::Checkpoint, long, 1);
            recorder.latency(at, Distribution::Freshness, long + Nanos::secs(5), 50);
            recorder.latency(at, Distribution::Handover, long + Nanos::millis(400), 1);
        }
    }
    let mut digest = Digest::default();
    digest.mix(seed, kind.median.0);
    let mut run = recorder.finish(BEGIN + Nanos::secs(seconds), digest, 40_000_000 + random.range(0..1_000_000));
    let fault =
        |label: &str, start: Nanos, end: Nanos| FaultMark { label: label.into(), start: start.into(), end: end.into() };
    run.faults = vec![
        fault("broker-1 killed", kill, kill),
        fault("AZ b dark", dark.0, dark.1),
        fault("object store slow", slow.0, slow.1),
    ];
    aftermath(&mut run, kind, &mut random, (kill, dark, outage));
    run
}

/// A second's latencies of a partition's batches.
fn batches(recorder: &mut Recorder, random: &mut Stream, kind: &Kind, at: Nanos, stretch: f64) {
    for _ in 0..5 {
        let mut produce = random.log_normal(kind.median, kind.sigma).scale((stretch * 1_000.0) as u64, 1_000);
        if random.ratio(1, 2_000) {
            produce = produce.scale(random.range(4..30), 1);
        }
        recorder.latency(at, Distribution::Produce, produce, 625);
        let delay = random.exponential(Nanos::micros(300));
        recorder.latency(at, Distribution::PublishDelay, delay, 625);
        recorder.latencies(
            at,
            Distribution::EndToEnd,
            produce + delay + Nanos::millis(5),
            produce + Nanos::micros(800),
            625,
        );
    }
}

fn aftermath(
    run: &mut Measurement,
    kind: &Kind,
    random: &mut Stream,
    (kill, dark, outage): (Nanos, (Nanos, Nanos), Nanos),
) {
    let shared = kind.name.starts_with("shared");
    let part = |share: u64| Some(outage.scale(share, 100));
    let recovery = |what: &str, began| Recovery {
        what: what.into(),
        began,
        by_itself: kind.one_zone && run.seed == 2,
        detection: part(if shared { 62 } else { 80 }),
        fencing: shared.then(|| outage.scale(5, 100)),
        wal_recovery: shared.then(|| outage.scale(20, 100)),
        open: part(if shared { 8 } else { 15 }),
        first_ack: part(5),
    };
    run.recoveries = vec![recovery("broker-1 killed", kill), recovery("AZ b dark", dark.0)];
    if kind.one_zone && run.seed == 1 {
        run.recoveries[1].first_ack = None;
    }
    run.job_recoveries = vec![JobRecovery {
        what: "task manager 2 killed".into(),
        began: kill,
        detection: Some(Nanos::secs(5)),
        restart: Some(Nanos::millis(1_200 + random.range(0..300))),
        restore: Some(Nanos::millis(2_600 + random.range(0..400))),
        catch_up: Some(Nanos::millis(8_000 + random.range(0..2_000))),
    }];
    if kind.one_zone {
        run.ended_promises = vec![EndedPromise {
            promise: "writable while one zone is dark".into(),
            why: "single-AZ volume in a dark AZ: unavailable for 41 s, nothing lost".into(),
        }];
    }
    usage(run, kind, shared, random);
    for (name, times) in [
        ("high watermark never goes back", 2_400_000),
        ("no offset served by two epochs", 310_000),
        ("acked records are readable", 38_000_000),
        ("WAL trim never passes what is committed", if shared { 4_100 } else { 0 }),
    ] {
        run.invariants.insert(name.into(), Evaluations { evaluated: times, violated: 0 });
    }
    for (name, times) in
        [("a fenced owner's PUT landed late", u64::from(shared) * 2), ("a truncation removed records", 1)]
    {
        run.situations.insert(name.into(), times);
    }
    let profile = |name: &str, grade, role: &str| ProfileUse { name: name.into(), grade, role: role.into() };
    run.profiles = vec![profile("s3-standard", Grade::Measured, "object store")];
    if kind.grade != Grade::Measured {
        let volumes = if kind.grade == Grade::Assumed { "fsx-ontap-multi-az" } else { "ebs-gp3" };
        run.profiles.push(profile(volumes, kind.grade, if shared { "write-ahead log" } else { "log segments" }));
    }
}

fn usage(run: &mut Measurement, kind: &Kind, shared: bool, random: &mut Stream) {
    let book = PriceBook::named("aws-us-east-1-2026").expect("comes with wavetank");
    let time = run.duration;
    let bytes: u64 = run.seconds.iter().map(|second| second.published_bytes).sum();
    let mut usage = Usage::new();
    for _ in 0..kind.brokers {
        usage.add_hours("r6i.large", time);
    }
    usage.add_stored("s3-standard", if shared { bytes * 20 } else { bytes }, time);
    let puts = if kind.name.contains("s3") { bytes / 400_000 } else { bytes / 8_000_000 };
    let gets = puts * 3 + random.range(0..1_000);
    usage.add_puts("s3-standard", puts);
    usage.add_gets("s3-standard", gets);
    let crossing = if shared { bytes / 40 } else { bytes * 2 };
    usage.add_transfer("network-cross-az", crossing);
    if !kind.name.contains("s3") {
        usage.add_volume(&book, "ebs-gp3", 6_000, 500, time);
    }
    let bill = usage.bill(&book).expect("all of it has a price");
    run.usage.monthly = MonthlyCost::lines(&bill, time, &book);
    assert!(run.usage.monthly.iter().any(|line| line.meter == Meter::Hour));
    run.usage.book = format!("{} ({}, {})", book.name, book.region, book.date);
    run.usage.assumptions = vec![
        "list prices, no volume tiers, no commitments".into(),
        "retention of a day: what is stored is taken as it is at the run's end".into(),
    ];
    for (name, count) in [("PUT", puts), ("GET", gets), ("LIST", 40), ("DELETE", puts / 10)] {
        run.usage.requests.insert(name.into(), count);
    }
    for (name, count) in [("cross-AZ", crossing), ("object store, written", bytes), ("volume, written", bytes / 2)] {
        run.usage.bytes.insert(name.into(), count);
    }
}
