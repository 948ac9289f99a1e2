//! Calibrated devices, seen by a process through the whole world, beside what was measured.
//!
//! `cargo test -p wavetank-models --test cloud calibration -- --nocapture` prints the tables.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use wavetank_models::blob::Blob;
use wavetank_models::cloud::calibrated::{self, VolumeOrder};
use wavetank_models::cloud::host::HostSpec;
use wavetank_models::cloud::network::{ConnId, HostId, NicSpec};
use wavetank_models::cloud::object_store::{BucketId, Condition, Key, ObjectDone, ObjectOp, ObjectStore};
use wavetank_models::cloud::profile::{FigureRef, Place, Profile, Role, Row};
use wavetank_models::cloud::volume::{
    FileId, FileName, IoMode, Volume, VolumeAnswer, VolumeFormat, VolumeKind, VolumeOp,
};
use wavetank_models::message::Message;
use wavetank_models::world::{Behaviour, CloudSpec, Cx, Input, Process, StoreId, VolumeId, World, launch};
use wavetank_sim::{Core, Limits, Nanos, NodeId};

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
/// One connection at 4 KiB meets its rows within this: the store is all there is.
const SINGLE_PERCENT: f64 = 10.0;
/// 64 connections on a full interface meet theirs within this: store and card together.
const SHARED_PERCENT: f64 = 15.0;

/// What a process saw: durations in the order of their ends.
type Seen = Arc<Mutex<Vec<Nanos>>>;

/// Limits that no test should reach.
fn limits() -> Limits {
    Limits { events_max: 20_000_000, time_max: Nanos::secs(100_000), ..Limits::default() }
}

/// One host with that card in the calibrated network, one process on it; answers with the virtual time at the end.
fn run_one(
    bytes_per_sec: u64,
    devices: impl FnOnce(&mut World, &mut Core<wavetank_models::world::Event>, HostId),
    process: impl Fn() -> Box<dyn Process> + Send + 'static,
) -> Nanos {
    let network = calibrated::network(&calibrated::profile("network-aws-same-region").unwrap()).unwrap();
    let (mut cloud, azs) = CloudSpec::three_azs(network);
    let nic = NicSpec { bandwidth_bytes_per_sec: bytes_per_sec, single_flow_bytes_per_sec: 0 };
    let host = cloud.host(azs[0], nic, HostSpec::instant()).unwrap();
    launch(
        1,
        limits(),
        None,
        cloud,
        |world, core, _| {
            devices(world, core, host);
            world.add_node(core, "client", host, Box::new(move |_| Behaviour::Machine(process())));
        },
        |world, _, outcome| {
            assert!(world.failures().is_empty(), "{:?}", world.failures());
            outcome.now
        },
    )
}

// ---- object store ----

/// Keeps so many requests of one kind under way, each sent when one is answered.
struct ClosedLoop {
    is_put: bool,
    bytes: u64,
    in_flight: u64,
    requests: usize,
    sent: BTreeMap<u64, Nanos>,
    next: u64,
    seen: Seen,
}

const OBJECT: &str = "bench/object";
/// The token of the PUT that makes what is read.
const SETUP: u64 = u64::MAX;

impl ClosedLoop {
    fn ask(&mut self, cx: &mut Cx<'_>, token: u64, is_put: bool) {
        let key = Key::from(OBJECT);
        let op = if is_put {
            ObjectOp::Put { key, body: Blob::named(7, self.bytes), condition: Condition::None }
        } else {
            ObjectOp::Get { key, range: None }
        };
        cx.object(StoreId(0), BucketId(0), token, op);
    }

    fn one_more(&mut self, cx: &mut Cx<'_>) {
        let token = self.next;
        self.next += 1;
        self.sent.insert(token, cx.monotonic());
        self.ask(cx, token, self.is_put);
    }

    fn answered(&mut self, cx: &mut Cx<'_>, done: ObjectDone) {
        assert!(done.result.is_ok(), "{:?}", done.result);
        if done.token == SETUP {
            return (0..self.in_flight).for_each(|_| self.one_more(cx));
        }
        let sent = self.sent.remove(&done.token).expect("answered once");
        let mut seen = self.seen.lock().unwrap();
        seen.push(cx.monotonic() - sent);
        let enough = seen.len() == self.requests;
        drop(seen);
        if enough { cx.stop("measured") } else { self.one_more(cx) }
    }
}

impl Process for ClosedLoop {
    fn step(&mut self, cx: &mut Cx<'_>, input: Input) {
        match input {
            Input::Boot => self.ask(cx, SETUP, true),
            Input::Object(done) => self.answered(cx, *done),
            other => panic!("{other:?}"),
        }
    }
}

/// Latencies in ms, sorted, without the first tenth (all of its requests start at once), and bytes a second.
fn measure(is_put: bool, bytes: u64, in_flight: u64, card: u64, requests: usize) -> (Vec<f64>, f64) {
    let seen = Seen::default();
    let store = calibrated::object_store(&calibrated::profile("s3-standard").unwrap()).unwrap();
    let kept = seen.clone();
    let end = run_one(
        card,
        |world, core, _| {
            let mut store = ObjectStore::new(store, core.choices(), 0);
            store.create_bucket(Nanos::ZERO);
            world.add_store(store);
        },
        move || {
            let (sent, seen) = (BTreeMap::new(), kept.clone());
            Box::new(ClosedLoop { is_put, bytes, in_flight, requests, sent, next: 0, seen })
        },
    );
    let mut latencies: Vec<f64> = seen.lock().unwrap().iter().map(|span| span.as_millis_f64()).collect();
    latencies.drain(..requests / 10);
    latencies.sort_unstable_by(f64::total_cmp);
    (latencies, requests as f64 * bytes as f64 / end.as_secs_f64())
}

fn quantile(sorted: &[f64], p: f64) -> f64 {
    sorted[((p * sorted.len() as f64) as usize).min(sorted.len() - 1)]
}

/// The fitted rows of one operation and size.
fn rows(profile: &Profile, figure: &str, bytes: u64) -> Vec<Row> {
    let wanted = |row: &&Row| row.role == Role::Fit && row.figure == figure && row.bytes == bytes;
    profile.rows.iter().filter(wanted).cloned().collect()
}

/// A table of every row beside what the process saw, and the failures: p50, p90 and p99 of the pooled rows out of bounds.
fn compare(profile: &Profile, rows: &[Row], latencies: &[f64], bound_percent: f64) -> (String, Vec<String>) {
    let mut table =
        format!("{:<22} {:>6} {:>9} {:>9} {:>9} {:>8}\n", "row, ms", "at", "measured", "pooled", "world", "error");
    let mut failures = Vec::new();
    for row in rows {
        let world = match row.place().expect("fitted rows have a place") {
            Place::Quantile(p) => quantile(latencies, p),
            Place::Mean => latencies.iter().sum::<f64>() / latencies.len() as f64,
        };
        let (measured, pooled) = (row.value.number().unwrap(), profile.pooled(row).unwrap());
        let error_percent = (world / pooled - 1.0) * 100.0;
        let (id, at) = (&row.id, row.place_name());
        let line = format!("{id:<22} {at:>6} {measured:>9.2} {pooled:>9.2} {world:>9.2} {error_percent:>+6.1} %");
        table.push_str(&line);
        table.push('\n');
        let bounded = [0.5, 0.9, 0.99].into_iter().any(|p| row.place() == Some(Place::Quantile(p)));
        if bounded && error_percent.abs() > bound_percent {
            failures.push(line);
        }
    }
    (table, failures)
}

#[test]
fn one_connection_at_4_kib_sees_what_warp_measured() {
    let profile = calibrated::profile("s3-standard").unwrap();
    let mut failures = Vec::new();
    for (figure, is_put) in [("put", true), ("get", false)] {
        let (latencies, _) = measure(is_put, 4 * KIB, 1, 1_839_200_000, 30_000);
        let rows = rows(&profile, figure, 4 * KIB);
        assert!(rows.len() >= 6, "only {} rows", rows.len());
        let (table, missed) = compare(&profile, &rows, &latencies, SINGLE_PERCENT);
        println!("\n{figure} 4 KiB, one connection, through the world\n{table}");
        failures.extend(missed);
    }
    assert!(failures.is_empty(), "beyond {SINGLE_PERCENT} %:\n{}", failures.join("\n"));
}

#[test]
fn sixty_four_connections_at_4_mib_on_the_clients_card_see_what_warp_measured() {
    let profile = calibrated::profile("s3-standard").unwrap();
    let mut failures = Vec::new();
    for (figure, is_put) in [("put", true), ("get", false)] {
        let rows = rows(&profile, figure, 4 * MIB);
        assert!(rows.len() >= 6, "only {} rows", rows.len());
        let (connections, card) = rows[0].shared_link.expect("measured on a full interface");
        let (latencies, rate) = measure(is_put, 4 * MIB, connections, card as u64, 20_000);
        let (table, missed) = compare(&profile, &rows, &latencies, SHARED_PERCENT);
        let (card_mb, mb) = (card / 1e6, rate / 1e6);
        println!("\n{figure} 4 MiB, {connections} connections, a card of {card_mb} MB/s, {mb:.1} MB/s moved\n{table}");
        failures.extend(missed);
        // Full, and never more than full: the bytes are conserved.
        assert!((0.985..=1.0).contains(&(rate / card)), "{rate} bytes/s through a card of {card}");
    }
    assert!(failures.is_empty(), "beyond {SHARED_PERCENT} %:\n{}", failures.join("\n"));
}

// ---- volume ----

/// Writes directly, so many at once.
struct Writer {
    sequential: bool,
    bytes: u64,
    in_flight: u64,
    writes: usize,
    issued: u64,
    ends: Seen,
}

const VOLUME_BYTES: u64 = 16 << 30;

impl Writer {
    fn one_more(&mut self, cx: &mut Cx<'_>) {
        let places = VOLUME_BYTES / self.bytes;
        let place = if self.sequential { self.issued % places } else { cx.random().range(0..places) };
        self.issued += 1;
        let (offset, data) = (place * self.bytes, Blob::named(self.issued, self.bytes));
        let op = VolumeOp::Write { file: FileId::RAW, offset, data, mode: IoMode::Direct };
        cx.volume(VolumeId(0), self.issued, op);
    }
}

impl Process for Writer {
    fn step(&mut self, cx: &mut Cx<'_>, input: Input) {
        match input {
            Input::Boot => (0..self.in_flight).for_each(|_| self.one_more(cx)),
            Input::Volume(done) => {
                assert_eq!(done.result, Ok(VolumeAnswer::Written));
                let mut ends = self.ends.lock().unwrap();
                ends.push(cx.monotonic());
                let enough = ends.len() == self.writes;
                drop(ends);
                if enough { cx.stop("measured") } else { self.one_more(cx) }
            }
            other => panic!("{other:?}"),
        }
    }
}

fn add_gp3(world: &mut World, core: &Core<wavetank_models::world::Event>, host: HostId, format: VolumeFormat) {
    let az = world.network().topology().az_of(host);
    let order = VolumeOrder::new(VolumeKind::Gp3 { az }, format, VOLUME_BYTES);
    let spec = calibrated::volume(&calibrated::profile("ebs-gp3").unwrap(), order).unwrap();
    let mut volume = Volume::new(spec, core.choices(), 0);
    volume.attach_at_start(host, az).unwrap();
    world.add_volume(volume);
}

/// Writes a second, between the first tenth and the end.
fn write_rate(sequential: bool, bytes: u64, in_flight: u64, writes: usize) -> f64 {
    let ends = Seen::default();
    let kept = ends.clone();
    run_one(
        0,
        |world, core, host| add_gp3(world, core, host, VolumeFormat::Raw),
        move || Box::new(Writer { sequential, bytes, in_flight, writes, issued: 0, ends: kept.clone() }),
    );
    let ends = ends.lock().unwrap();
    let first = writes / 10;
    (writes - first) as f64 / (ends[writes - 1] - ends[first - 1]).as_secs_f64()
}

#[test]
fn a_gp3_volume_reaches_what_was_bought_within_one_percent() {
    let iops = write_rate(false, 4 * KIB, 64, 20_000);
    let mib_per_sec = write_rate(true, MIB, 16, 2_000);
    println!(
        "\nebs-gp3: 4 KiB random direct writes {iops:.0} a second (3000), 1 MiB sequential {mib_per_sec:.2} MiB/s (125)"
    );
    assert!((iops / 3_000.0 - 1.0).abs() < 0.01, "{iops}");
    assert!((mib_per_sec / 125.0 - 1.0).abs() < 0.01, "{mib_per_sec}");
}

/// Writes 4 KiB through the page cache and syncs, again and again, with a pause in between.
struct Syncer {
    file: Option<FileId>,
    syncs: usize,
    begun: Nanos,
    offset: u64,
    seen: Seen,
}

const CREATED: u64 = 1;
const WRITTEN: u64 = 2;
const SYNCED: u64 = 3;

impl Syncer {
    fn write(&mut self, cx: &mut Cx<'_>) {
        let (file, data) = (self.file.expect("created"), Blob::named(self.offset, 4 * KIB));
        let op = VolumeOp::Write { file, offset: self.offset % (64 * MIB), data, mode: IoMode::Buffered };
        self.offset += 4 * KIB;
        cx.volume(VolumeId(0), WRITTEN, op);
    }
}

impl Process for Syncer {
    fn step(&mut self, cx: &mut Cx<'_>, input: Input) {
        match input {
            Input::Boot => cx.volume(VolumeId(0), CREATED, VolumeOp::Create { name: FileName::from("log") }),
            Input::Timer { .. } => self.write(cx),
            Input::Volume(done) => match (done.token, done.result) {
                (CREATED, Ok(VolumeAnswer::Created(file))) => {
                    self.file = Some(file);
                    self.write(cx);
                }
                (WRITTEN, Ok(_)) => {
                    self.begun = cx.monotonic();
                    cx.volume(VolumeId(0), SYNCED, VolumeOp::Sync { file: self.file.expect("created") });
                }
                (SYNCED, Ok(_)) => {
                    let mut seen = self.seen.lock().unwrap();
                    seen.push(cx.monotonic() - self.begun);
                    if seen.len() == self.syncs {
                        cx.stop("measured");
                    }
                    cx.set_timer(Nanos::millis(20), 0);
                }
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        }
    }
}

/// The rows of one figure, as printed in the tables.
fn print_rows(profile: &Profile, figure: &str) {
    for row in profile.rows.iter().filter(|row| row.figure == figure) {
        println!("  {:<18} {} {} {}", row.id, row.value, row.unit, row.at);
    }
}

#[test]
fn an_unloaded_fsync_on_gp3_takes_a_write_and_a_flush() {
    let seen = Seen::default();
    let kept = seen.clone();
    run_one(
        0,
        |world, core, host| add_gp3(world, core, host, VolumeFormat::FileSystem),
        move || Box::new(Syncer { file: None, syncs: 20_000, begun: Nanos::ZERO, offset: 0, seen: kept.clone() }),
    );
    let mut latencies: Vec<f64> = seen.lock().unwrap().iter().map(|span| span.as_millis_f64()).collect();
    latencies.sort_unstable_by(f64::total_cmp);
    let [p50, p99] = [0.5, 0.99].map(|p| quantile(&latencies, p));
    println!("\nebs-gp3: unloaded fsync of 4 KiB p50 {p50:.2} ms, p99 {p99:.2} ms; beside");
    let profile = calibrated::profile("ebs-gp3").unwrap();
    print_rows(&profile, "sync");
    print_rows(&profile, "write");
    let at = |figure, p| match profile.figures.get(figure) {
        Some(FigureRef::Latency(latency)) => latency.quantile(p).as_millis_f64(),
        other => panic!("{other:?}"),
    };
    // A sum of two independent draws: its median is near the sum of the medians, its p99 between the greater p99 and
    // the sum of both. Below the loaded flush of EBS-gp3-flush in the median.
    let medians = at("write", 0.5) + at("sync", 0.5);
    assert!((0.95..1.15).contains(&(p50 / medians)) && p50 < 2.6, "{p50} for {medians}");
    assert!(at("write", 0.99) < p99 && p99 < at("write", 0.99) + at("sync", 0.99), "{p99}");
}

// ---- network ----

/// Sends a message, waits for its echo, sends the next.
struct Pinger {
    to: NodeId,
    conn: Option<ConnId>,
    sent: Nanos,
    pings: usize,
    seen: Seen,
}

impl Pinger {
    fn ping(&mut self, cx: &mut Cx<'_>) {
        self.sent = cx.monotonic();
        cx.send(self.conn.expect("connected"), Message::frame(1, 0, 0));
    }
}

impl Process for Pinger {
    fn step(&mut self, cx: &mut Cx<'_>, input: Input) {
        match input {
            Input::Boot => drop(cx.connect(self.to)),
            Input::Connected { conn } => {
                self.conn = Some(conn);
                self.ping(cx);
            }
            Input::Message { .. } => {
                let mut seen = self.seen.lock().unwrap();
                seen.push(cx.monotonic() - self.sent);
                let enough = seen.len() == self.pings;
                drop(seen);
                if enough { cx.stop("measured") } else { self.ping(cx) }
            }
            other => panic!("{other:?}"),
        }
    }
}

struct Echo;

impl Process for Echo {
    fn step(&mut self, cx: &mut Cx<'_>, input: Input) {
        if let Input::Message { conn, message } = input {
            cx.send(conn, message);
        }
    }
}

#[test]
fn a_round_trip_between_zones_lies_within_the_profiles_quantiles() {
    let profile = calibrated::profile("network-aws-same-region").unwrap();
    let (mut cloud, azs) = CloudSpec::three_azs(calibrated::network(&profile).unwrap());
    let types = wavetank_models::cloud::instance::InstanceTypes::builtin();
    let nic = calibrated::nic(types.get("m7g.4xlarge").unwrap(), &profile).unwrap();
    let hosts = [azs[0], azs[1]].map(|az| cloud.host(az, nic, HostSpec::instant()).unwrap());
    let seen = Seen::default();
    launch(
        1,
        limits(),
        None,
        cloud,
        |world, core, _| {
            let echo = world.add_node(core, "echo", hosts[1], Box::new(|_| Behaviour::Machine(Box::new(Echo))));
            let kept = seen.clone();
            let pinger = move |_| {
                let (conn, sent, seen) = (None, Nanos::ZERO, kept.clone());
                Behaviour::Machine(Box::new(Pinger { to: echo, conn, sent, pings: 20_000, seen }) as Box<dyn Process>)
            };
            world.add_node(core, "pinger", hosts[0], Box::new(pinger));
        },
        |_, _, _| (),
    );
    let mut trips: Vec<f64> = seen.lock().unwrap().iter().map(|span| span.as_millis_f64()).collect();
    assert_eq!(trips.len(), 20_000);
    trips.sort_unstable_by(f64::total_cmp);
    let [p50, p99] = [0.5, 0.99].map(|p| quantile(&trips, p));
    let mean = trips.iter().sum::<f64>() / trips.len() as f64;
    println!("\ncross-AZ round trip: min {:.3} p50 {p50:.3} mean {mean:.3} p99 {p99:.3} ms; beside", trips[0]);
    print_rows(&profile, "cross_az.one_way");
    let Some(FigureRef::Latency(way)) = profile.figures.get("cross_az.one_way") else { panic!("no such figure") };
    let both_ways = |p| 2.0 * way.quantile(p).as_millis_f64();
    assert!(trips[0] >= both_ways(0.0), "{}", trips[0]);
    assert!((both_ways(0.4)..both_ways(0.6)).contains(&p50), "{p50}");
    assert!(p99 <= both_ways(0.99) + 0.001 && p99 > both_ways(0.9), "{p99}");
    assert!((mean / (2.0 * way.mean().as_millis_f64()) - 1.0).abs() < 0.02, "{mean}");
}
