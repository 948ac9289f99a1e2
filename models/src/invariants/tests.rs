use super::*;
use crate::kafka::ids::{
    BrokerEpoch, BrokerId, ControllerEpoch, ControllerId, LeaderEpoch, MetadataOffset, ObjectId, StreamEpoch, StreamId,
    TopicIdPartition, WriterId,
};
use crate::kafka::metadata::StreamRange;
use crate::kafka::wal::{WalMode, WalOffset};
use crate::probe::LogSpan;

const TP: TopicIdPartition = TopicIdPartition { topic: crate::kafka::ids::TopicId(1), partition: 2 };
const WAL: BrokerId = BrokerId(3);

fn span(base: u64, next: u64, writer: u32, first: u64) -> LogSpan {
    LogSpan { tp: TP, base, next, first: Some((WriterId(writer), first)) }
}
fn acked(base: u64, next: u64, writer: u32, first: u64) -> Probe {
    Probe::Acked { broker: WAL, epoch: LeaderEpoch(0), span: span(base, next, writer, first) }
}
fn served(base: u64, next: u64, writer: u32, first: u64) -> Probe {
    Probe::Served { broker: WAL, epoch: LeaderEpoch(0), span: span(base, next, writer, first) }
}
fn ready(log_end: u64) -> Probe {
    Probe::LeaderReady { tp: TP, broker: WAL, epoch: LeaderEpoch(1), log_start: 0, log_end }
}
fn range(stream: u64, start: u64, end: u64) -> StreamRange {
    StreamRange { stream: StreamId(stream), start, end }
}
fn durable(epoch: i64, at: u64, range: StreamRange) -> Probe {
    Probe::WalDurable { wal: WAL, epoch: BrokerEpoch(epoch), at: WalOffset(at), range }
}
fn recovered(epoch: i64, at: u64, range: StreamRange) -> Probe {
    Probe::WalRecovered { wal: WAL, epoch: BrokerEpoch(epoch), at: WalOffset(at), range }
}
fn acquired(epoch: i64) -> Probe {
    Probe::WalAcquired { wal: WAL, epoch: BrokerEpoch(epoch), mode: WalMode::Own }
}
fn recovery_ended(epoch: i64) -> Probe {
    Probe::WalRecoveryEnded { wal: WAL, epoch: BrokerEpoch(epoch) }
}
fn at_offset(offset: u64) -> Probe {
    Probe::MetadataCommitted { offset: MetadataOffset(offset), fingerprint: offset }
}
fn claimed(epoch: i64, failover: bool) -> Probe {
    Probe::StreamsClaimed { broker: WAL, epoch: BrokerEpoch(epoch), failover }
}
fn answered(epoch: i64, failover: bool, at: u64) -> Probe {
    Probe::CommitAnswered { broker: WAL, epoch: BrokerEpoch(epoch), failover, at: MetadataOffset(at) }
}
fn trimmed(upto: u64) -> Probe {
    Probe::WalTrimmed { wal: WAL, epoch: BrokerEpoch(1), upto: WalOffset(upto) }
}
fn reset() -> Probe {
    Probe::WalReset { wal: WAL, epoch: BrokerEpoch(1) }
}
fn committed(range: StreamRange) -> Probe {
    Probe::StreamCommitted { range, object: ObjectId(7), broker: WAL }
}
fn opened(epoch: u64, broker: u32, end_offset: u64) -> Probe {
    let (stream, epoch, broker) = (StreamId(1), StreamEpoch(epoch), BrokerId(broker));
    Probe::StreamOpened { stream, tp: TP, epoch, broker, end_offset }
}
fn closed() -> Probe {
    Probe::StreamClosed { stream: StreamId(1), epoch: StreamEpoch(1), end_offset: 0 }
}

fn checkpoint_completed(checkpoint: u64) -> Probe {
    Probe::CheckpointCompleted { job: 0, checkpoint, took: Nanos::ZERO }
}
fn state_missing(checkpoint: u64) -> Probe {
    Probe::StateMissing { job: 0, checkpoint }
}

/// The invariant that the last of these breaks; all before it are fine.
fn broken_by(probes: &[Probe]) -> Option<&'static str> {
    let mut invariants = Invariants::all();
    let (last, before) = probes.split_last().expect("something happens");
    for probe in before {
        assert_eq!(invariants.heed(probe), Ok(()), "{probe:?}");
    }
    invariants.heed(last).err().map(|broken| broken.invariant)
}

fn begins(log_start: u64, log_end: u64) -> Probe {
    Probe::LeaderReady { tp: TP, broker: WAL, epoch: LeaderEpoch(1), log_start, log_end }
}

fn log_start(offset: u64) -> Probe {
    Probe::LogStart { tp: TP, broker: WAL, epoch: LeaderEpoch(1), offset }
}

fn in_object(object: u64, range: StreamRange) -> Probe {
    Probe::StreamCommitted { range, object: ObjectId(object), broker: WAL }
}

fn dropped(object: u64) -> Probe {
    Probe::ObjectDropped { object: ObjectId(object) }
}

fn deleted(object: u64) -> Probe {
    Probe::ObjectDeleted { object: ObjectId(object) }
}

#[test]
fn a_log_that_was_lost_owes_nothing_and_the_next_one_does() {
    let (lost, r, next) = (Probe::WalLost { wal: WAL }, range(1, 0, 5), range(1, 5, 9));
    let before = [acquired(1), durable(1, 3, r), committed(r), trimmed(3), durable(1, 4, next)];
    let reopened = [acquired(2), recovery_ended(2)];
    assert_eq!(broken_by(&[&before[..], &reopened].concat()), Some("durable-is-recovered"));
    let lost = [&before[..], &[lost], &reopened].concat();
    assert_eq!(broken_by(&lost), None);
    // What an owner of before says late was so; the log that is there now begins anew.
    let late = [&lost[..], &[durable(1, 5, range(1, 9, 11))]].concat();
    assert_eq!(broken_by(&late), None);
    let anew = [&lost[..], &[durable(2, 1, range(1, 5, 7)), acquired(3), recovered(3, 1, range(1, 5, 7))]].concat();
    assert_eq!(broken_by(&anew), None);
    let kept = [&lost[..], &[durable(2, 1, range(1, 5, 7)), acquired(3), recovery_ended(3)]].concat();
    assert_eq!(broken_by(&kept), Some("durable-is-recovered"));
}

#[test]
fn each_invariant_is_broken_by_what_it_is_about() {
    let r = range(1, 0, 5);
    let cases: [(&str, &[Probe]); 25] = [
        ("acked-is-kept", &[acked(0, 5, 1, 0), ready(4)]),
        ("one-record-an-offset", &[acked(0, 5, 1, 0), served(3, 6, 1, 4)]),
        ("one-record-an-offset", &[acked(0, 5, 1, 0), acked(4, 9, 2, 0)]),
        ("one-record-an-offset", &[acked(4, 9, 2, 0), acked(0, 5, 1, 0)]),
        ("wal-order", &[durable(1, 10, r), durable(1, 10, range(1, 5, 6))]),
        ("durable-is-recovered", &[durable(1, 10, r), acquired(2), recovery_ended(2)]),
        (
            "durable-is-recovered",
            &[durable(1, 10, r), acquired(2), recovered(2, 10, r), recovery_ended(2), acquired(3), recovery_ended(3)],
        ),
        ("fenced-is-silent", &[acquired(2), recovery_ended(2), durable(1, 10, r)]),
        ("fenced-is-silent", &[acquired(1), acquired(2), recovery_ended(2), durable(1, 10, r)]),
        ("fenced-is-silent", &[acquired(2), acquired(1), recovered(1, 10, r), recovery_ended(2), durable(1, 10, r)]),
        (
            "durable-is-recovered",
            &[durable(1, 10, r), acquired(3), acquired(2), recovered(2, 10, r), recovery_ended(3)],
        ),
        ("trimmed-is-committed", &[durable(1, 10, r), trimmed(10)]),
        ("trimmed-is-committed", &[committed(range(1, 0, 4)), durable(1, 10, r), reset()]),
        ("trimmed-stays-trimmed", &[committed(r), durable(1, 10, r), trimmed(10), acquired(2), recovered(2, 20, r)]),
        ("trimmed-stays-trimmed", &[committed(r), durable(1, 10, r), reset(), acquired(2), recovered(2, 20, r)]),
        ("commits-follow-on", &[committed(r), committed(range(1, 6, 7))]),
        ("commits-follow-on", &[committed(r), committed(range(1, 4, 7))]),
        ("commits-follow-on", &[committed(r), opened(1, 1, 4)]),
        ("retried-commit-is-known", &[Probe::CommitRefusedAfterApplied { object: ObjectId(7) }]),
        ("objects-are-reachable", &[committed(r), Probe::ObjectDeleted { object: ObjectId(7) }]),
        (
            "objects-are-reachable",
            &[committed(r), dropped(7), Probe::StreamTrimmed { stream: StreamId(1), start_offset: 4 }, deleted(7)],
        ),
        ("one-stream-owner", &[opened(1, 1, 0), opened(2, 2, 0)]),
        ("retention-is-bounded", &[ready(9), log_start(10)]),
        ("retention-is-bounded", &[ready(9), log_start(5), log_start(4)]),
        ("retention-is-bounded", &[ready(9), log_start(5), begins(6, 9)]),
    ];
    for (name, probes) in cases {
        assert_eq!(broken_by(probes), Some(name), "{probes:?}");
    }
    let elected = |id, epoch| Probe::ControllerElected { controller: ControllerId(id), epoch: ControllerEpoch(epoch) };
    assert_eq!(broken_by(&[elected(1, 1), elected(2, 1)]), Some("metadata-is-one-log"));
    let claims: [&[Probe]; 2] = [
        &[at_offset(4), claimed(2, false), at_offset(6), answered(1, true, 6)],
        &[at_offset(4), claimed(2, true), at_offset(6), answered(2, false, 6)],
    ];
    claims.iter().for_each(|probes| assert_eq!(broken_by(probes), Some("commits-are-the-owners")));
    let entry = |fingerprint| Probe::MetadataCommitted { offset: MetadataOffset(4), fingerprint };
    assert_eq!(broken_by(&[entry(1), entry(2)]), Some("metadata-is-one-log"));
    let (completed, chosen) = (checkpoint_completed(8), |checkpoint| Probe::CheckpointChosen { job: 0, checkpoint });
    assert_eq!(broken_by(&[completed.clone(), chosen(7)]), Some("completed-is-restored"));
    assert_eq!(broken_by(&[completed, state_missing(8)]), Some("completed-is-kept"));
    assert_eq!(broken_by(&[chosen(8), state_missing(8)]), Some("completed-is-kept"));
    let high = |offset| Probe::HighWatermark { tp: TP, broker: WAL, epoch: LeaderEpoch(0), offset };
    assert_eq!(broken_by(&[high(9), ready(8)]), Some("high-watermark-rises"));
}

#[test]
fn what_is_right_breaks_nothing() {
    let r = range(1, 0, 5);
    let elected = |id, epoch| Probe::ControllerElected { controller: ControllerId(id), epoch: ControllerEpoch(epoch) };
    let fine: [&[Probe]; 20] = [
        // Acknowledged late, when a rescuer had recovered and emptied the log, and the next one had claimed it.
        &[
            acquired(2),
            recovered(2, 10, r),
            recovery_ended(2),
            committed(r),
            reset(),
            acquired(3),
            durable(1, 10, r),
            recovery_ended(3),
        ],
        // A task that was cut off looks for what was discarded since.
        &[checkpoint_completed(7), checkpoint_completed(8), state_missing(7)],
        // A claim that is heard of late, beside a later one.
        &[durable(1, 10, r), acquired(3), acquired(2), recovery_ended(2), recovered(3, 10, r), recovery_ended(3)],
        &[acquired(2), durable(1, 10, r), recovered(2, 10, r), recovery_ended(2)],
        &[acquired(2), recovered(2, 10, r), recovery_ended(2), durable(1, 10, r)],
        &[acked(0, 5, 1, 0), served(2, 5, 1, 2), served(0, 9, 1, 0), acked(9, 12, 2, 0), ready(12)],
        &[durable(1, 10, r), committed(r), trimmed(10), acquired(2), recovery_ended(2)],
        &[durable(1, 10, r), acquired(2), recovered(2, 10, r), recovery_ended(2), committed(r), reset()],
        &[acquired(1), durable(1, 10, r), acquired(2), durable(2, 3, r)],
        // A fenced owner goes on, and gives up what was its own.
        &[acquired(1), acquired(2), durable(2, 10, r), reset()],
        &[acquired(1), acquired(2), durable(2, 10, r), trimmed(10)],
        // A trim that was lost with its owner.
        &[committed(r), durable(1, 10, r), trimmed(10), acquired(2), recovered(2, 10, r), recovery_ended(2)],
        &[committed(r), committed(range(1, 5, 8)), committed(range(1, 0, 8)), opened(1, 1, 8)],
        // Compacted, and trimmed.
        &[committed(r), dropped(7), in_object(8, range(1, 0, 3)), in_object(9, range(1, 3, 5)), deleted(7)],
        &[committed(r), dropped(7), Probe::StreamTrimmed { stream: StreamId(1), start_offset: 5 }, deleted(7)],
        &[ready(9), log_start(5), begins(0, 9), begins(5, 9), log_start(9)],
        &[opened(1, 1, 0), opened(1, 1, 0), closed(), opened(2, 2, 0)],
        &[elected(1, 1), elected(1, 1), elected(2, 2)],
        &[at_offset(4), claimed(2, true), at_offset(6), answered(2, true, 6), claimed(3, false), answered(3, false, 7)],
        // Decided before the claim, and answered after it.
        &[at_offset(4), at_offset(5), claimed(2, false), answered(1, false, 4)],
    ];
    for probes in fine {
        assert_eq!(broken_by(probes), None, "{probes:?}");
    }
    // Every one of them says something, and once.
    let names: wavetank_sim::SortedSet<_> = Invariants::all().checked().map(|(name, ..)| name).collect();
    assert_eq!(names.len(), Invariants::all().checked().count());
}
