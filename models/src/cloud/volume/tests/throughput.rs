//! Bandwidth and operations are conserved in every window, and a full queue uses them up.

use super::*;
use crate::cloud::latency::Latency;
use proptest::prelude::*;

fn limited(iops: u64, rate: u64, burst: Nanos) -> VolumeSpec {
    VolumeSpec {
        iops,
        throughput_bytes_per_sec: rate,
        burst,
        latency_write: Latency::constant(Nanos::ZERO),
        ..VolumeSpec::gp3(AZ, VolumeFormat::Raw, 1 << 30)
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn no_window_carries_more_than_the_limits(
        iops in prop::sample::select(vec![0u64, 100, 3_000, 256_000]),
        rate in prop::sample::select(vec![0u64, 1 << 20, 125 << 20]),
        burst_ms in 0u64..20,
        ios in prop::collection::vec((0u64..2_000, 1u64..200), 1..80),
    ) {
        let burst = Nanos::millis(burst_ms);
        let mut bench = Bench::new(limited(iops, rate, burst), 1);
        let mut sizes = Vec::new();
        for (gap_us, sectors) in ios {
            let at = bench.now + Nanos::micros(gap_us);
            bench.run_until(at);
            bench.submit(write(FileId::RAW, 0, Blob::named(1, sectors * 4096), IoMode::Direct));
            sizes.push(sectors * 4096);
        }
        while bench.pump() {}
        prop_assert_eq!(bench.done.len(), sizes.len());
        let done: Vec<(Nanos, u64)> = bench.done.iter().map(|(at, d)| (*at, sizes[d.token as usize - 1])).collect();
        for first in 0..done.len() {
            let (mut bytes, mut ops) = (0u64, 0u64);
            for (at, size) in &done[first..] {
                let window = *at - done[first].0 + burst;
                // The first one began before the window did.
                if rate > 0 && bytes > 0 {
                    prop_assert!(Nanos::transfer(bytes, rate) <= window + Nanos::transfer(*size + sizes.iter().max().unwrap(), rate) + Nanos(100));
                }
                if iops > 0 && ops > 0 {
                    prop_assert!(Nanos::transfer(ops, iops) <= window + Nanos::transfer(8, iops) + Nanos(100));
                }
                bytes += size;
                ops += size.div_ceil(256 << 10);
            }
        }
    }
}

/// Bytes and operations a second of a queue that is never empty.
fn saturate(spec: VolumeSpec, size: u64, count: u64) -> (f64, f64) {
    let mut bench = Bench::new(spec, 1);
    for i in 0..count {
        bench.submit(write(FileId::RAW, i * size % (1 << 30), Blob::named(1, size), IoMode::Direct));
    }
    while bench.pump() {}
    let seconds = bench.now.as_secs_f64();
    ((count * size) as f64 / seconds, count as f64 / seconds)
}

#[test]
fn a_full_queue_reaches_99_percent_of_each_limit_and_never_more_than_it() {
    let (bytes, _) = saturate(limited(3_000, 125 << 20, Nanos::ZERO), 1 << 20, 500);
    let share = bytes / f64::from(125 << 20);
    assert!((0.99..=1.0).contains(&share), "{share} of the throughput");
    // One more than the limit: the first of a window needs no token of it.
    let (_, ops) = saturate(limited(3_000, 125 << 20, Nanos::ZERO), 4096, 3_000);
    assert!((0.99..=1.001).contains(&(ops / 3_000.0)), "{ops} IOPS");
    let (_, ops) = saturate(limited(256_000, 4 << 30, Nanos::ZERO), 4096, 4_000);
    assert!((0.99..=1.001).contains(&(ops / 256_000.0)), "{ops} IOPS");
}

#[test]
fn an_io_larger_than_256_kib_counts_as_several() {
    let (_, ops) = saturate(limited(3_000, 0, Nanos::ZERO), 1 << 20, 750);
    assert!((0.99..=1.002).contains(&(ops * 4.0 / 3_000.0)), "{ops} writes of 1 MiB");
}

#[test]
fn a_buffered_writer_above_the_dirty_limit_writes_at_the_devices_pace() {
    let mut spec = VolumeSpec::gp3(AZ, VolumeFormat::FileSystem, 8 << 30);
    spec.cache.dirty_limit_bytes = 64 << 20;
    spec.cache.dirty_background_bytes = 32 << 20;
    let mut bench = Bench::new(spec, 1);
    let file = bench.create("f");
    let (count, size) = (1_000, 1 << 20);
    for i in 0..count {
        bench.ask(write(file, i * size, Blob::named(i, size), IoMode::Buffered)).unwrap();
        assert!(bench.volume.unsynced_bytes() <= (64 << 20) + size);
    }
    let pace = ((count * size - (64 << 20)) as f64 / bench.now.as_secs_f64()) / f64::from(125 << 20);
    assert!((0.99..1.02).contains(&pace), "{pace}");
    assert!(bench.volume.witnessed().throttled_writes > 100);
}
