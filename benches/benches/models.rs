//! How fast the models run. What is measured is one seed on one core, from nothing to its report.
//!
//! * `models/broker_failover`: events a second of the measured run of the scenario that comes with wavetank, whole.
//! * `models/one_gib_per_s`: seconds under a load of 1 GiB/s in and out (`one_gib_per_s.toml`) that are simulated a second,
//!   so an element a second is real time.
//! * `lab/smoke_seed`: exploring seeds a second on each platform, checked, with their storms.
//!
//! Before each one a line says what a run was: virtual seconds, events, and events per MiB. As a test (without `--bench`)
//! the same runs are shortened, and nothing is measured. `lab/smoke_seed_unchecked` leaves out the checkers of histories:
//! the difference is what they cost.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use wavetank_sim::Nanos;
use wavetank_workloads::cluster::{self, ClusterReport, LOAD_BEGINS};
use wavetank_workloads::lab;
use wavetank_workloads::scenario::{Listeners, RunOptions, Scenario};
use wavetank_workloads::spec::scenario::{Platform, Scenario as Described, builtin};
use wavetank_workloads::spec::{Folder, Source};

/// The command's own allocator: what is measured is what its users get.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const SEED: u64 = 1;
/// What smokes.
const SMOKE: &str = "broker-failover";
/// Seeds differ in what befalls them, and so in their events: an iteration runs so many.
const SMOKE_SEEDS: u64 = 20;
/// The platforms that differ most: a log of objects, and one on a volume.
const PLATFORMS: [&str; 2] = ["s3-wal", "ebs-wal"];

/// Whether this is `cargo test`: Criterion then runs everything once.
fn is_test() -> bool {
    !std::env::args().any(|argument| argument == "--bench")
}

fn platform<'a>(scenario: &'a Described, name: &str) -> &'a Platform {
    let found = scenario.platforms.iter().find(|platform| platform.kind.name() == name);
    found.expect("the scenario is for these platforms")
}

/// One measured run.
fn measured(scenario: &Described, platform: &Platform) -> ClusterReport {
    let mut reports = Vec::new();
    let one = std::slice::from_ref(platform);
    let supported = cluster::compare(scenario, one, &[SEED], 1, |(_, _, report)| {
        reports.push(report.expect("no run panics"));
        true
    });
    supported.expect("all of the scenario is simulated");
    let report = reports.pop().expect("there is one seed");
    assert!(report.run.findings.is_empty(), "{:?}", report.run.findings);
    report
}

/// How long a measured run of a scenario is under load.
fn under_load(scenario: &Described) -> Nanos {
    scenario.measure.warm_up + scenario.measure.duration - LOAD_BEGINS
}

/// Benches measured runs of a scenario. Before that one is run to say what it is; how much that is `throughput` says.
fn bench(
    criterion: &mut Criterion,
    name: &str,
    scenario: &Described,
    throughput: impl Fn(&Described, &ClusterReport) -> Throughput,
) {
    let mut group = criterion.benchmark_group(name);
    group.sample_size(10);
    for on in PLATFORMS {
        let platform = platform(scenario, on);
        if !is_test() {
            let report = measured(scenario, platform);
            describe(on, scenario, &report);
            group.throughput(throughput(scenario, &report));
        }
        group.bench_function(BenchmarkId::from_parameter(on), |bencher| bencher.iter(|| measured(scenario, platform)));
    }
    group.finish();
}

/// Says what a run was.
fn describe(platform: &str, scenario: &Described, report: &ClusterReport) {
    let (load, events) = (under_load(scenario).as_secs_f64(), report.run.events);
    let mib = load * scenario.workload.bytes_in_per_sec().expect("its rate is given") as f64 / f64::from(1 << 20);
    let now = report.run.now.as_secs_f64();
    println!(
        "{}@{platform}: {now:.0} virtual seconds, {load:.0} of them under load, {events} events, {:.1} events per MiB",
        scenario.name,
        events as f64 / mib
    );
}

fn broker_failover(criterion: &mut Criterion) {
    let parsed = builtin::scenario("broker-failover").expect("it comes with wavetank");
    let mut scenario = parsed.expect("it is right").value;
    if is_test() {
        // The first fault alone: a broker is killed.
        scenario.measure.warm_up = Nanos::secs(10);
        scenario.measure.duration = Nanos::secs(12);
        scenario.faults.truncate(1);
    }
    bench(criterion, "models/broker_failover", &scenario, |_, report| Throughput::Elements(report.run.events));
}

fn one_gib_per_s(criterion: &mut Criterion) {
    let source = Source::new("one_gib_per_s.toml", include_str!("one_gib_per_s.toml"));
    let parsed = Described::parse(&source, &Folder("benches".as_ref()));
    let mut scenario = parsed.expect("it is right").value;
    if is_test() {
        scenario.measure.warm_up = Nanos::secs(6);
        scenario.measure.duration = Nanos::secs(1);
    }
    bench(criterion, "models/one_gib_per_s", &scenario, |scenario, report| {
        is_carried(scenario, report);
        Throughput::Elements(under_load(scenario).0 / Nanos::secs(1).0)
    });
}

/// All of the load went in, and came out.
fn is_carried(scenario: &Described, report: &ClusterReport) {
    let seconds = &report.measurement.as_ref().expect("it was measured").seconds;
    let (published, consumed) =
        seconds.iter().fold((0, 0), |(p, c), second| (p + second.published, c + second.consumed));
    let wanted = scenario.measure.duration.as_secs_f64() * scenario.workload.rate.expect("it is given") as f64;
    for (what, records) in [("written", published), ("read", consumed)] {
        let share = records as f64 / wanted;
        println!("  {:.1} % of the load were {what}", 100.0 * share);
        // Batches of a second's seams are counted in the next one, or were in the last.
        assert!((0.99..1.01).contains(&share), "not all of the load was {what}");
    }
}

/// On every platform; and, on the first, without the checkers of histories.
fn smoke_seed(criterion: &mut Criterion) {
    let parsed = builtin::scenario(SMOKE).expect("it comes with wavetank");
    let platforms = parsed.expect("it is right").value.platforms;
    let seeds = if is_test() { 1 } else { SMOKE_SEEDS };
    let mut group = criterion.benchmark_group("lab");
    group.sample_size(10).throughput(Throughput::Elements(seeds));
    let checked = platforms.iter().map(|platform| ("smoke_seed", platform, false));
    for (name, platform, no_check) in checked.chain([("smoke_seed_unchecked", &platforms[0], true)]) {
        let on = platform.kind.name();
        let scenario = Scenario::by_name(&format!("{SMOKE}@{on}")).expect("it comes with wavetank");
        let options = RunOptions { no_check, ..RunOptions::default() };
        group.bench_function(BenchmarkId::new(name, on), |bencher| {
            bencher.iter(|| {
                for seed in 0..seeds {
                    let report = lab::run(scenario, seed, &options, Listeners::default()).expect("no run panics");
                    assert!(report.findings.is_empty(), "seed {seed}: {:?}", report.findings);
                }
            });
        });
    }
    group.finish();
}

criterion_group!(benches, broker_failover, one_gib_per_s, smoke_seed);
criterion_main!(benches);
