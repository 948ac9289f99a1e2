//! A fenced host never changes what is there.

use super::*;
use proptest::prelude::*;

const K1: ReservationKey = ReservationKey(11);
const K2: ReservationKey = ReservationKey(22);
const TYPE: ReservationType = ReservationType::WriteExclusiveRegistrantsOnly;

fn shared(seed: u64) -> Bench {
    let mut bench = Bench::new(VolumeSpec::io2(AZ, VolumeFormat::Raw, 1 << 20, 10_000, true), seed);
    bench.volume.attach_at_start(H2, AZ).unwrap();
    bench
}

fn reserve(bench: &mut Bench, host: HostId, op: ReservationOp) -> Result<VolumeAnswer, VolumeError> {
    let token = bench.submit_as(host, VolumeOp::Reserve(op), VolumeFate::None);
    bench.wait(token)
}

fn register_and_hold(bench: &mut Bench) {
    reserve(bench, H1, ReservationOp::Register { key: K1 }).unwrap();
    reserve(bench, H2, ReservationOp::Register { key: K2 }).unwrap();
    reserve(bench, H1, ReservationOp::Acquire { key: K1, kind: TYPE, in_flight: InFlight::Drawn }).unwrap();
}

fn raw(bench: &mut Bench) -> Blob {
    let read = VolumeOp::Read { file: FileId::RAW, offset: 0, len: 64 << 10, mode: IoMode::Direct };
    let token = bench.submit_as(H2, read, VolumeFate::None);
    match bench.wait(token) {
        Ok(VolumeAnswer::Read(data)) => data,
        other => panic!("{other:?}"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn writes_of_a_preempted_host_land_before_the_preempt_or_never(
        seed in any::<u64>(),
        gaps in prop::collection::vec(0u64..200, 1..24),
        preempt_at in 0usize..24,
    ) {
        let mut bench = shared(seed);
        register_and_hold(&mut bench);
        let mut writes = Vec::new();
        let mut preempt = None;
        let mut frozen = None;
        for (i, gap) in gaps.into_iter().enumerate() {
            let end = bench.now + Nanos::micros(gap);
            while bench.wakes.first_key_value().is_some_and(|((at, _), _)| *at <= end) {
                bench.pump();
                if frozen.is_none() && preempt.is_some_and(|token| bench.answer(token).is_some()) {
                    frozen = Some(bench.volume.content.inodes[&FileId::RAW].stable.clone());
                }
            }
            bench.now = bench.now.max(end);
            if i == preempt_at {
                let op = ReservationOp::Preempt { key: K2, victim: K1, kind: TYPE, in_flight: InFlight::Drawn };
                preempt = Some(bench.submit_as(H2, VolumeOp::Reserve(op), VolumeFate::None));
            }
            let op = write(FileId::RAW, (i as u64 % 16) * 4096, bytes(i as u8 + 1, 4096), IoMode::Direct);
            writes.push((i, bench.submit_as(H1, op, VolumeFate::None)));
        }
        while bench.pump() {
            if frozen.is_none() && preempt.is_some_and(|token| bench.answer(token).is_some()) {
                frozen = Some(bench.volume.content.inodes[&FileId::RAW].stable.clone());
            }
        }
        let content = raw(&mut bench);
        if let Some(frozen) = frozen {
            prop_assert_eq!(content.clone(), frozen.read(0..64 << 10), "a fenced host changed the volume");
        }
        for (i, token) in writes {
            let refused = bench.answer(token) == Some(&Err(VolumeError::ReservationConflict));
            let at = (i as u64 % 16) * 4096;
            let there = content.slice(at..at + 4096) == bytes(i as u8 + 1, 4096);
            prop_assert!(!refused || !there, "write {} was refused and is there", i);
        }
    }
}

#[test]
fn a_write_in_flight_at_the_preempt_is_applied_or_refused_as_the_plan_says() {
    for (in_flight, expected) in
        [(InFlight::Applied, Ok(VolumeAnswer::Written)), (InFlight::Rejected, Err(VolumeError::ReservationConflict))]
    {
        let mut bench = shared(1);
        register_and_hold(&mut bench);
        let op = ReservationOp::Preempt { key: K2, victim: K1, kind: TYPE, in_flight };
        let preempt = bench.submit_as(H2, VolumeOp::Reserve(op), VolumeFate::None);
        let fate = VolumeFate::Late { by: Nanos::secs(1) };
        let late = bench.submit_as(H1, write(FileId::RAW, 0, bytes(7, 4096), IoMode::Direct), fate);
        bench.wait(preempt).unwrap();
        let applied = expected.is_ok();
        assert_eq!(raw(&mut bench).slice(0..4096) == bytes(7, 4096), applied);
        assert_eq!(bench.wait(late), expected);
        assert_eq!(raw(&mut bench).slice(0..4096) == bytes(7, 4096), applied);
        let seen = bench.volume.witnessed();
        assert_eq!((seen.applied_before_preempt, seen.rejected_by_preempt), (u64::from(applied), u64::from(!applied)));
    }
}

#[test]
fn the_table_of_reservation_types_holds() {
    use ReservationType::*;
    // Type; what the other registrant, and an unregistered host, may do (read, write).
    for (kind, registrant, stranger) in [
        (WriteExclusive, (true, false), (true, false)),
        (ExclusiveAccess, (false, false), (false, false)),
        (WriteExclusiveRegistrantsOnly, (true, true), (true, false)),
        (ExclusiveAccessRegistrantsOnly, (true, true), (false, false)),
    ] {
        let mut table = Reservations::default();
        table.apply(H1, ReservationOp::Register { key: K1 }).unwrap();
        table.apply(H2, ReservationOp::Register { key: K2 }).unwrap();
        table.apply(H1, ReservationOp::Acquire { key: K1, kind, in_flight: InFlight::Drawn }).unwrap();
        let rights = |host| (table.may_read(host), table.may_write(host));
        assert_eq!(rights(H1), (true, true));
        assert_eq!(rights(H2), registrant, "{kind:?}");
        assert_eq!(rights(HostId(3)), stranger, "{kind:?}");
    }
}

#[test]
fn a_command_with_a_wrong_key_or_without_right_is_refused() {
    let mut bench = shared(1);
    register_and_hold(&mut bench);
    let conflict = Err(VolumeError::ReservationConflict);
    let acquire = ReservationOp::Acquire { key: K2, kind: TYPE, in_flight: InFlight::Drawn };
    assert_eq!(reserve(&mut bench, H2, acquire), conflict);
    let forged = ReservationOp::Preempt { key: K1, victim: K1, kind: TYPE, in_flight: InFlight::Drawn };
    assert_eq!(reserve(&mut bench, H2, forged), conflict);
    let nobody = ReservationOp::Preempt { key: K2, victim: ReservationKey(99), kind: TYPE, in_flight: InFlight::Drawn };
    assert_eq!(reserve(&mut bench, H2, nobody), conflict);
    bench.power_loss(Survival::KeepNone);
    assert_eq!(reserve(&mut bench, H2, acquire), conflict, "a reservation survives a power loss");
    reserve(&mut bench, H1, ReservationOp::Release { key: K1 }).unwrap();
    assert!(reserve(&mut bench, H2, acquire).is_ok());
    assert_eq!(bench.volume.witnessed().fenced, 4);
}

#[test]
fn what_waits_behind_the_io_of_a_host_that_is_gone_goes_on() {
    for forced in [false, true] {
        let mut bench = shared(1);
        let late = VolumeFate::Late { by: Nanos::secs(1_000) };
        bench.submit_as(H1, write(FileId::RAW, 0, bytes(1, 4096), IoMode::Direct), late);
        let behind = bench.submit_as(H2, write(FileId::RAW, 0, bytes(2, 4096), IoMode::Direct), VolumeFate::None);
        bench.run_until(Nanos::secs(1));
        assert_eq!(bench.answer(behind), None, "it overlaps what is on its way");
        if forced {
            let owner = owner(H2);
            bench.with(|volume, now, out| volume.force_detach(now, owner, 99, H1, Survival::KeepNone, out));
        } else {
            bench.power_loss(Survival::KeepNone);
        }
        assert_eq!(bench.wait(behind), Ok(VolumeAnswer::Written));
        assert_eq!(raw(&mut bench).slice(0..4096), bytes(2, 4096));
    }
}

#[test]
fn a_forced_detach_is_called_off_by_who_asked_for_it_and_before_it_takes_effect() {
    for (by, called_off_at, kept) in [(H2, 100, true), (HostId(3), 100, false), (H2, 400, false)] {
        let mut bench = Bench::new(VolumeSpec::gp3(AZ, VolumeFormat::Raw, 1 << 20), 1);
        let (asker, by) = (owner(H2), owner(by));
        bench.with(|volume, now, out| volume.force_detach(now, asker, 99, H1, Survival::KeepNone, out));
        bench.run_until(Nanos::secs(called_off_at));
        bench.volume.call_off_force_detach(by, H1);
        bench.run_until(Nanos::secs(1_000));
        assert_eq!(bench.volume.is_attached_to(H1), kept, "{by:?} at {called_off_at} s");
        assert_eq!(bench.answer(99).is_none(), kept, "nobody hears of what was called off");
    }
}

#[test]
fn the_page_cache_of_a_shut_out_host_is_shut_out_too() {
    let mut bench = Bench::new(VolumeSpec::io2(AZ, VolumeFormat::FileSystem, 1 << 20, 10_000, false), 1);
    let file = bench.create("log");
    bench.ask(VolumeOp::Sync { file }).unwrap();
    // Another host's reservation outlives its attachment.
    bench.volume.reservations.apply(H2, ReservationOp::Register { key: K2 }).unwrap();
    let hold = ReservationOp::Acquire { key: K2, kind: TYPE, in_flight: InFlight::Rejected };
    bench.volume.reservations.apply(H2, hold).unwrap();
    bench.ask(write(file, 0, bytes(1, 4096), IoMode::Buffered)).unwrap();
    assert_eq!(bench.ask(VolumeOp::Sync { file }), Err(VolumeError::ReservationConflict));
    assert_eq!(bench.ask(VolumeOp::SyncDirectory), Err(VolumeError::ReservationConflict));
    bench.ask(write(file, 4096, bytes(2, 4096), IoMode::Buffered)).unwrap();
    bench.run_until(Nanos::secs(100));
    let inode = &bench.volume.content.inodes[&file];
    assert_eq!((inode.stable.end(), inode.committed_len), (0, 0), "writeback or the journal got past the reservation");
}
