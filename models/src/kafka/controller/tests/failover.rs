//! Whose log is emptied by whom.

use super::super::cluster_control::fence_a_stale_one;
use super::super::failover_control::look;
use super::*;
use crate::kafka::metadata::FailoverContext;

fn looked(desk: &mut Desk, last: &mut Option<BrokerId>) -> Vec<(u32, u32)> {
    desk.entry(|draft, _| look(draft, last));
    desk.image.failovers().map(|context| (context.broker.0, context.rescuer.0)).collect()
}

fn epoch(desk: &Desk, broker: u32) -> i64 {
    desk.image.brokers[&BrokerId(broker)].epoch.0
}

/// Brokers 0, 1 and 2; some have a stream open; after `silence`, those that are not `awake` have been fenced.
fn desk(owners: &[u32], awake: &[u32], silence: Nanos) -> Desk {
    let mut desk = Desk::with_brokers(3);
    desk.streams(0, epoch(&desk, 0), 3);
    for owner in owners {
        let epoch = epoch(&desk, *owner);
        desk.open(*owner, epoch, u64::from(*owner), 1).unwrap();
    }
    desk.now += silence;
    awake.iter().for_each(|broker| drop(desk.heartbeat(*broker, false, false).unwrap()));
    for _ in 0..3 {
        desk.entry(|draft, sessions| fence_a_stale_one(draft, sessions));
    }
    desk
}

#[test]
fn a_dead_broker_with_open_streams_is_failed_over_by_the_next_live_one() {
    let mut desk = desk(&[0, 1], &[2], Nanos::secs(61));
    let mut last = None;
    assert_eq!(looked(&mut desk, &mut last), [(0, 2)]);
    assert_eq!(looked(&mut desk, &mut last), [(0, 2)], "one at a time");
    let (dead, other) = (epoch(&desk, 0), epoch(&desk, 1));
    desk.as_someone(0, dead, true, StorageRequest::GetOpeningStreams).unwrap();
    let close = crate::kafka::protocol::controller::CloseStream {
        stream: StreamId(0),
        epoch: StreamEpoch(1),
        end_offset: None,
    };
    only(desk.as_someone(0, dead, true, StorageRequest::CloseStreams(vec![close]))).unwrap();
    assert_eq!(looked(&mut desk, &mut last), [(0, 2)], "until its rescuer is done");
    desk.as_someone(0, dead, true, StorageRequest::FailoverDone).unwrap();
    desk.as_someone(0, dead, true, StorageRequest::FailoverDone).unwrap();
    assert_eq!(looked(&mut desk, &mut last), [(1, 2)]);
    assert_eq!(other, desk.image.failovers().next().unwrap().epoch.0);
}

#[test]
fn a_broker_without_streams_or_alive_or_just_started_is_left_alone_but_by_the_mutant() {
    assert_eq!(looked(&mut desk(&[], &[1, 2], Nanos::secs(61)), &mut None), []);
    assert_eq!(looked(&mut desk(&[0], &[0, 1, 2], Nanos::secs(61)), &mut None), []);
    assert_eq!(looked(&mut desk(&[0], &[1, 2], Nanos::secs(60)), &mut None), []);
    assert_eq!(looked(&mut desk(&[0], &[], Nanos::secs(61)), &mut None), [], "there is nobody to do it");
    let mut desk = desk(&[0], &[1, 2], Nanos::secs(60));
    desk.mutant = Some(ControllerMutant::FailoverWithoutGuard);
    assert_eq!(looked(&mut desk, &mut None), [(0, 1)]);
}

#[test]
fn rescuers_take_turns_and_another_takes_over_from_a_dead_one() {
    let mut desk = desk(&[0], &[1, 2], Nanos::secs(61));
    let mut last = Some(BrokerId(1));
    assert_eq!(looked(&mut desk, &mut last), [(0, 2)]);
    desk.now += Nanos::secs(9);
    desk.heartbeat(1, false, false).unwrap();
    desk.entry(|draft, sessions| fence_a_stale_one(draft, sessions));
    assert_eq!(looked(&mut desk, &mut last), [(0, 1)]);
}

#[test]
fn a_broker_that_is_back_recovers_by_itself_and_is_locked_until_that_is_known() {
    let mut desk = desk(&[0], &[1, 2], Nanos::secs(61));
    let mut last = None;
    assert_eq!(looked(&mut desk, &mut last), [(0, 1)]);
    desk.register(0, 50).unwrap();
    let now = epoch(&desk, 0);
    assert_eq!(desk.open(0, now, 1, 1), Err(ErrorCode::NodeLocked));
    assert_eq!(looked(&mut desk, &mut last), []);
    assert_eq!(desk.open(0, now, 1, 1), Ok(0));
    assert!(!desk.image.kv.contains_key(&FailoverContext::key(BrokerId(0))));
}
