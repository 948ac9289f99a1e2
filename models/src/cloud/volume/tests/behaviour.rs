//! One rule a test: failed syncs, faults, crashes, attachments, space.

use super::*;
use proptest::prelude::*;

fn with_file(spec: VolumeSpec) -> (Bench, FileId) {
    let mut bench = Bench::new(spec, 3);
    let file = bench.create("f");
    (bench, file)
}

fn put(bench: &mut Bench, file: FileId, offset: u64, byte: u8, len: u64) {
    assert_eq!(bench.ask(write(file, offset, bytes(byte, len), IoMode::Buffered)), Ok(VolumeAnswer::Written));
}

fn sync(bench: &mut Bench, file: FileId) -> Result<VolumeAnswer, VolumeError> {
    bench.ask(VolumeOp::Sync { file })
}

fn inject(bench: &mut Bench, fault: VolumeFault) {
    bench.with(|volume, now, out| volume.inject(now, FaultId(1), fault, out));
}

fn heal(bench: &mut Bench) {
    bench.with(|volume, now, out| volume.heal(now, FaultId(1), out));
}

#[test]
fn after_a_failed_sync_a_good_one_promises_nothing_about_the_earlier_pages() {
    let (mut bench, file) = with_file(small());
    put(&mut bench, file, 0, 1, 1024);
    sync(&mut bench, file).unwrap();
    put(&mut bench, file, 0, 2, 512);
    inject(&mut bench, VolumeFault::IoErrors { reads: false, writes: true });
    assert_eq!(sync(&mut bench, file), Err(VolumeError::Io));
    heal(&mut bench);
    assert_eq!(sync(&mut bench, file), Ok(VolumeAnswer::Synced));
    assert_eq!(bench.read(file, 0, 512), bytes(2, 512), "the cache still shows it");
    bench.power_loss(Survival::KeepAll);
    assert_eq!(bench.read(file, 0, 1024), bytes(1, 1024), "the medium never had it");
    assert_eq!((bench.volume.witnessed().failed_syncs, bench.volume.witnessed().failed_pages_lost), (1, 1));
    assert!(bench.volume.witnessed().io_errors > 0 && bench.volume.witnessed().power_losses == 1);
}

#[test]
fn a_direct_read_sees_the_medium_where_a_write_has_failed_and_dirty_pages_elsewhere() {
    let (mut bench, file) = with_file(small());
    put(&mut bench, file, 0, 1, 1024);
    sync(&mut bench, file).unwrap();
    put(&mut bench, file, 0, 2, 512);
    inject(&mut bench, VolumeFault::IoErrors { reads: false, writes: true });
    assert_eq!(sync(&mut bench, file), Err(VolumeError::Io));
    heal(&mut bench);
    put(&mut bench, file, 512, 3, 512);
    let direct = VolumeOp::Read { file, offset: 0, len: 1024, mode: IoMode::Direct };
    let mut expected = bytes(1, 512);
    expected.append(&bytes(3, 512));
    assert_eq!(bench.ask(direct), Ok(VolumeAnswer::Read(expected)));
    assert_eq!(bench.read(file, 0, 512), bytes(2, 512), "the cache still shows what the medium never got");
}

#[test]
fn a_direct_read_does_not_believe_a_write_that_is_under_way_and_may_fail() {
    let (mut bench, file) = with_file(small());
    put(&mut bench, file, 0, 1, 512);
    sync(&mut bench, file).unwrap();
    put(&mut bench, file, 0, 2, 512);
    inject(&mut bench, VolumeFault::Slow { latency_factor: 10_000, throughput_divisor: 1 });
    bench.submit(VolumeOp::Sync { file });
    heal(&mut bench);
    let direct = VolumeOp::Read { file, offset: 0, len: 512, mode: IoMode::Direct };
    assert_eq!(bench.ask(direct), Ok(VolumeAnswer::Read(bytes(1, 512))));
    assert_eq!(bench.read(file, 0, 512), bytes(2, 512), "the cache has the newer content");
}

#[test]
fn a_page_of_a_failed_write_goes_back_to_the_old_content_when_evicted() {
    let mut spec = small();
    spec.cache.capacity_bytes = 2048;
    let (mut bench, file) = with_file(spec);
    put(&mut bench, file, 0, 1, 512);
    sync(&mut bench, file).unwrap();
    put(&mut bench, file, 0, 2, 512);
    inject(&mut bench, VolumeFault::IoErrors { reads: false, writes: true });
    assert_eq!(sync(&mut bench, file), Err(VolumeError::Io));
    heal(&mut bench);
    put(&mut bench, file, 4096, 9, 4096);
    assert_eq!(bench.read(file, 0, 512), bytes(1, 512));
}

#[test]
fn a_background_write_that_failed_is_reported_by_one_sync() {
    let (mut bench, file) = with_file(small());
    put(&mut bench, file, 0, 1, 512);
    inject(&mut bench, VolumeFault::IoErrors { reads: false, writes: true });
    bench.run_until(Nanos::secs(60));
    heal(&mut bench);
    assert_eq!(sync(&mut bench, file), Err(VolumeError::Io));
    assert_eq!(sync(&mut bench, file), Ok(VolumeAnswer::Synced));
}

#[test]
fn the_checkpoint_dance_is_atomic_under_every_survival() {
    for seed in 0..300 {
        let mut bench = Bench::new(small(), seed);
        let old = bench.create("checkpoint");
        put(&mut bench, old, 0, 1, 100);
        sync(&mut bench, old).unwrap();
        let new = bench.create("checkpoint.tmp");
        put(&mut bench, new, 0, 2, 100);
        sync(&mut bench, new).unwrap();
        let rename = VolumeOp::Rename { from: "checkpoint.tmp".into(), to: "checkpoint".into() };
        bench.ask(rename).unwrap();
        let synced = seed % 2 == 0;
        if synced {
            bench.ask(VolumeOp::SyncDirectory).unwrap();
        }
        bench.power_loss(Survival::Drawn);
        let Ok(VolumeAnswer::Found(entry)) = bench.ask(VolumeOp::Lookup { name: "checkpoint".into() }) else {
            panic!("the checkpoint is gone")
        };
        let content = bench.read(entry.file, 0, 100);
        assert!(content == bytes(2, 100) || (!synced && content == bytes(1, 100)));
    }
}

#[test]
fn a_pinned_survival_repeats_a_drawn_one() {
    for seed in 0..50 {
        let mut history = Bench::new(small(), seed);
        let file = history.create("f");
        sync(&mut history, file).unwrap();
        put(&mut history, file, 0, 1, 8192);
        history.submit(VolumeOp::Sync { file });
        let mut replay = Bench::new(small(), seed + 1_000);
        assert_eq!(replay.create("f"), file);
        sync(&mut replay, file).unwrap();
        put(&mut replay, file, 0, 1, 8192);
        replay.submit(VolumeOp::Sync { file });
        let pinned = history.power_loss(Survival::Drawn);
        assert_eq!(replay.power_loss(pinned), pinned);
        assert_eq!(history.list(), replay.list());
        assert_eq!(history.read(file, 0, 8192), replay.read(file, 0, 8192));
    }
}

#[test]
fn a_process_crash_silences_answers_and_keeps_the_cache() {
    let (mut bench, file) = with_file(small());
    let token = bench.submit(write(file, 0, bytes(1, 512), IoMode::Buffered));
    bench.with(|volume, now, out| volume.process_crash(now, owner(H1).incarnation, out));
    bench.run_until(Nanos::secs(1));
    assert_eq!(bench.answer(token), None);
    assert_eq!(bench.volume.witnessed().unheard_answers, 1);
    assert_eq!(bench.read(file, 0, 512), bytes(1, 512));
}

#[test]
fn a_stall_holds_io_until_healed_and_the_cache_still_answers() {
    let (mut bench, file) = with_file(small());
    put(&mut bench, file, 0, 1, 512);
    inject(&mut bench, VolumeFault::Stall);
    let token = bench.submit(VolumeOp::Sync { file });
    assert_eq!(bench.read(file, 0, 512), bytes(1, 512));
    bench.run_until(Nanos::secs(100));
    assert_eq!(bench.answer(token), None);
    heal(&mut bench);
    assert_eq!(bench.wait(token), Ok(VolumeAnswer::Synced));
    assert_eq!(bench.now, Nanos::secs(100));
    assert!(bench.volume.witnessed().stalled_io > 0 && bench.volume.witnessed().cache_hits > 0);
}

#[test]
fn a_zone_down_hangs_a_zonal_volume_and_not_a_regional_one() {
    let regional = VolumeSpec::regional(vec![AZ, AzId(1)], VolumeFormat::Raw, 1 << 20);
    let zonal = VolumeSpec::gp3(AZ, VolumeFormat::Raw, 1 << 20);
    for (spec, answers) in [(regional, true), (zonal, false)] {
        let mut bench = Bench::new(spec, 1);
        inject(&mut bench, VolumeFault::AzDown { az: AZ });
        let token = bench.submit(write(FileId::RAW, 0, bytes(1, 4096), IoMode::Direct));
        bench.run_until(Nanos::secs(10));
        assert_eq!(bench.answer(token).is_some(), answers);
    }
}

#[test]
fn a_full_volume_refuses_and_a_delete_makes_room() {
    let (mut bench, file) = with_file(VolumeSpec { capacity_bytes: 4096, ..small() });
    put(&mut bench, file, 0, 1, 4000);
    let more = write(file, 4096, bytes(2, 1), IoMode::Buffered);
    assert_eq!(bench.ask(more.clone()), Err(VolumeError::NoSpace));
    assert_eq!(bench.ask(write(file, 0, bytes(2, 4096), IoMode::Buffered)), Ok(VolumeAnswer::Written));
    bench.ask(VolumeOp::Truncate { file, len: 100 }).unwrap();
    assert_eq!(bench.volume.used_bytes(), 512);
    assert_eq!(bench.ask(more.clone()), Ok(VolumeAnswer::Written));
    inject(&mut bench, VolumeFault::Full);
    assert_eq!(bench.ask(more), Err(VolumeError::NoSpace));
    assert_eq!(bench.volume.witnessed().no_space, 2);
}

#[test]
fn rot_shows_from_the_medium_until_healed_or_overwritten() {
    for overwrite in [false, true] {
        let (mut bench, file) = with_file(small());
        put(&mut bench, file, 0, 1, 1024);
        sync(&mut bench, file).unwrap();
        inject(&mut bench, VolumeFault::BitRot { file, offset: 600 });
        assert_eq!(bench.read(file, 0, 1024), bytes(1, 1024), "from the cache");
        bench.power_loss(Survival::KeepNone);
        assert_eq!(bench.read(file, 0, 1024), bytes(1, 1024).rotted(600));
        assert_eq!(bench.read(file, 0, 1024), bytes(1, 1024).rotted(600), "the cache holds the rotted page");
        if overwrite {
            put(&mut bench, file, 512, 1, 512);
            sync(&mut bench, file).unwrap();
        } else {
            heal(&mut bench);
        }
        assert_eq!(bench.read(file, 0, 1024), bytes(1, 1024));
        let seen = bench.volume.witnessed();
        assert_eq!((seen.rotted_reads, seen.rot_overwritten), (2, u64::from(overwrite)));
        assert!(seen.cache_misses > 0);
    }
}

#[test]
fn a_local_disk_dies_with_its_instance_and_ebs_comes_back_elsewhere() {
    let mut bench = Bench::new(VolumeSpec::local_nvme(AZ, VolumeFormat::Raw, 1 << 20), 1);
    bench.ask(write(FileId::RAW, 0, bytes(1, 4096), IoMode::Direct)).unwrap();
    bench.with(|volume, now, out| volume.instance_lost(now, H1, Survival::Drawn, out));
    bench.with(|volume, now, out| volume.attach(now, owner(H2), 500, AZ, out));
    assert_eq!(bench.wait(500), Err(VolumeError::Gone));
    assert_eq!(bench.volume.witnessed().disks_lost, 1);

    let mut bench = Bench::new(VolumeSpec::gp3(AZ, VolumeFormat::Raw, 1 << 20), 1);
    bench.ask(write(FileId::RAW, 0, bytes(1, 4096), IoMode::Direct)).unwrap();
    bench.with(|volume, now, out| volume.instance_lost(now, H1, Survival::Drawn, out));
    bench.with(|volume, now, out| volume.attach(now, owner(H2), 500, AZ, out));
    assert_eq!(bench.wait(500), Err(VolumeError::AttachedElsewhere(H1)));
    bench.run_until(Nanos::secs(61));
    bench.with(|volume, now, out| volume.attach(now, owner(H2), 501, AZ, out));
    assert_eq!(bench.wait(501), Ok(VolumeAnswer::Attached));
    let read = VolumeOp::Read { file: FileId::RAW, offset: 0, len: 4096, mode: IoMode::Direct };
    let token = bench.submit_as(H2, read, VolumeFate::None);
    assert_eq!(bench.wait(token), Ok(VolumeAnswer::Read(bytes(1, 4096))));
}

#[test]
fn a_lost_volume_fails_everything_and_an_empty_one_takes_its_place() {
    let mut bench = Bench::new(VolumeSpec::gp3(AZ, VolumeFormat::Raw, 1 << 20), 1);
    let put = |byte| write(FileId::RAW, 0, bytes(byte, 4096), IoMode::Direct);
    bench.ask(put(1)).unwrap();
    let under_way = bench.submit_as(H1, put(2), VolumeFate::None);
    inject(&mut bench, VolumeFault::Lost);
    assert_eq!(bench.wait(under_way), Err(VolumeError::Gone));
    assert_eq!(bench.ask(put(3)), Err(VolumeError::Gone));
    bench.with(|volume, now, out| volume.attach(now, owner(H2), 500, AZ, out));
    assert_eq!(bench.wait(500), Err(VolumeError::Gone));
    heal(&mut bench);
    assert_eq!(bench.ask(put(3)), Err(VolumeError::NotAttached(H1)), "the new one is attached to nobody");
    bench.with(|volume, now, out| volume.attach(now, owner(H2), 501, AZ, out));
    assert_eq!(bench.wait(501), Ok(VolumeAnswer::Attached));
    let read = VolumeOp::Read { file: FileId::RAW, offset: 0, len: 4096, mode: IoMode::Direct };
    let token = bench.submit_as(H2, read, VolumeFate::None);
    assert_eq!(bench.wait(token), Ok(VolumeAnswer::Read(bytes(0, 4096))));
    assert_eq!(bench.volume.witnessed().volumes_lost, 1);
}

#[test]
fn a_volume_that_an_operator_takes_away_keeps_what_was_answered() {
    let mut bench = Bench::new(VolumeSpec::gp3(AZ, VolumeFormat::Raw, 1 << 20), 1);
    let put = |byte| write(FileId::RAW, 0, bytes(byte, 4096), IoMode::Direct);
    bench.ask(put(1)).unwrap();
    let under_way = bench.submit_as(H1, put(2), VolumeFate::None);
    bench.with(|volume, now, out| volume.pull(now, Survival::KeepNone, out));
    assert_eq!(bench.wait(under_way), Err(VolumeError::Detached));
    assert_eq!(bench.ask(put(3)), Err(VolumeError::NotAttached(H1)));
    bench.with(|volume, now, out| volume.attach(now, owner(H1), 500, AZ, out));
    assert_eq!(bench.wait(500), Ok(VolumeAnswer::Attached));
    let read = VolumeOp::Read { file: FileId::RAW, offset: 0, len: 4096, mode: IoMode::Direct };
    assert_eq!(bench.ask(read), Ok(VolumeAnswer::Read(bytes(1, 4096))));
}

#[test]
fn a_graceful_detach_writes_everything_and_a_forced_one_does_not() {
    for forced in [false, true] {
        let (mut bench, file) = with_file(small());
        sync(&mut bench, file).unwrap();
        put(&mut bench, file, 0, 1, 512);
        let begun = bench.now;
        if forced {
            bench.with(|v, now, out| v.force_detach(now, owner(H2), 500, H1, Survival::KeepNone, out));
            inject(&mut bench, VolumeFault::Stall);
        } else {
            bench.with(|v, now, out| v.detach(now, owner(H1), 500, out));
        }
        assert_eq!(bench.wait(500), Ok(VolumeAnswer::Detached));
        assert_eq!(bench.now - begun >= Nanos::secs(360), forced);
        assert_eq!(bench.volume.witnessed().forced_detaches, u64::from(forced));
        heal(&mut bench);
        bench.with(|v, now, out| v.attach(now, owner(H1), 501, AZ, out));
        assert_eq!(bench.wait(501), Ok(VolumeAnswer::Attached));
        assert_eq!(bench.read(file, 0, 512), if forced { Blob::new() } else { bytes(1, 512) });
    }
}

#[test]
fn attachments_keep_to_zone_and_number() {
    let mut bench = Bench::new(VolumeSpec::io2(AZ, VolumeFormat::Raw, 1 << 20, 100, true), 1);
    for host in 2..=17 {
        let result = bench.volume.attach_at_start(HostId(host), AZ);
        assert_eq!(result, if host <= 16 { Ok(()) } else { Err(VolumeError::TooManyAttachments) });
    }
    assert_eq!(bench.ask(write(FileId::RAW, 0, bytes(1, 9), IoMode::Buffered)), Err(VolumeError::SharedNeedsDirectRaw));
    let mut gp3 = Volume::new(small(), &Choices::new(1), 1);
    assert_eq!(gp3.attach_at_start(H1, AzId(1)), Err(VolumeError::WrongAz(AzId(1))));
    gp3.attach_at_start(H1, AZ).unwrap();
    assert_eq!(gp3.attach_at_start(H2, AZ), Err(VolumeError::AttachedElsewhere(H1)));
}

#[test]
fn a_slow_fault_slows_and_a_fate_delays() {
    let mut bench = Bench::new(VolumeSpec::gp3(AZ, VolumeFormat::Raw, 1 << 20), 1);
    let op = write(FileId::RAW, 0, bytes(1, 4096), IoMode::Direct);
    bench.ask(op.clone()).unwrap();
    assert_eq!(bench.now, Nanos::micros(700));
    inject(&mut bench, VolumeFault::Slow { latency_factor: 10, throughput_divisor: 2 });
    bench.ask(op.clone()).unwrap();
    assert_eq!(bench.now, Nanos::micros(7_700));
    let token = bench.submit_as(H1, op.clone(), VolumeFate::Late { by: Nanos::secs(1) });
    bench.wait(token).unwrap();
    assert_eq!(bench.now, Nanos::micros(1_014_700));
    let token = bench.submit_as(H1, op, VolumeFate::IoError { applied: true });
    assert_eq!(bench.wait(token), Err(VolumeError::Io));
    assert!(std::mem::size_of::<VolumeStep>() <= 16);
}

proptest! {
    #[test]
    fn a_fate_is_drawn_with_a_fixed_number_of_draws(rates in any::<(u32, u32, u32)>(), seed in any::<u64>()) {
        let mut with = Choices::new(seed).stream(Domain::new("t"), 1);
        let mut without = with.clone();
        let max = Nanos::millis(3);
        let drawn = VolumeRates { io_error_ppm: rates.0, io_error_applied_ppm: rates.1, late_ppm: rates.2, late_max: max };
        VolumeFate::draw(&drawn, &mut with);
        prop_assert_eq!(VolumeFate::draw(&VolumeRates::default(), &mut without), VolumeFate::None);
        prop_assert_eq!(with.bits64(), without.bits64());
    }
}

#[test]
fn a_sync_behind_another_is_answered_though_the_files_deletion_was_committed_meanwhile() {
    let mut bench = Bench::new(small(), 1);
    let file = bench.create("log");
    bench.ask(write(file, 0, bytes(1, 512), IoMode::Buffered)).unwrap();
    let late = bench.submit_as(H1, VolumeOp::Sync { file }, VolumeFate::Late { by: Nanos::secs(1) });
    bench.ask(write(file, 512, bytes(2, 512), IoMode::Buffered)).unwrap();
    let behind = bench.submit(VolumeOp::Sync { file });
    bench.ask(VolumeOp::Delete { name: "log".into() }).unwrap();
    bench.ask(VolumeOp::SyncDirectory).unwrap();
    assert!(!bench.volume.content.inodes.contains_key(&file), "the deletion is committed");
    assert_eq!((bench.answer(late), bench.answer(behind)), (None, None));
    bench.wait(late).unwrap();
    bench.wait(behind).unwrap();
}

#[test]
fn files_that_come_and_go_leave_nothing_behind() {
    let mut bench = Bench::new(small(), 1);
    for round in 0..4_000 {
        let (a, b) = (bench.create("a"), bench.create("b"));
        for file in [a, b] {
            bench.ask(write(file, 0, bytes(round as u8, 512), IoMode::Buffered)).unwrap();
        }
        for name in ["a", "b"] {
            bench.ask(VolumeOp::Delete { name: name.into() }).unwrap();
        }
        // Something is always resident, or the list would be cleared.
        if round == 0 {
            let kept = bench.create("kept");
            bench.ask(write(kept, 0, bytes(1, 512), IoMode::Buffered)).unwrap();
        }
    }
    bench.ask(VolumeOp::SyncDirectory).unwrap();
    let content = &bench.volume.content;
    assert_eq!((content.inodes.len(), content.flights.len()), (1, 0));
    assert!(content.resident_order.len() < 3_000, "{} entries", content.resident_order.len());
}
