//! Brokers, topics, leaders.

use super::super::cluster_control::{Sessions, fence_a_stale_one};
use super::*;
use crate::kafka::ids::{LeaderEpoch, ProducerId, TopicId};
use crate::kafka::metadata::{StreamRange, TopicSetting};
use crate::kafka::protocol::controller::{CloseStream, CommitStreamSetObject, NewObject};

fn sweep(desk: &mut Desk) -> Vec<MetadataRecord> {
    desk.entry(|draft, sessions| fence_a_stale_one(draft, sessions)).1
}

#[test]
fn a_second_life_registers_once_the_first_ones_session_is_over() {
    let mut desk = Desk::with_brokers(1);
    assert_eq!(desk.register(0, 0), Ok(ControllerAnswer::Done), "the same life asks again");
    assert_eq!(desk.register(0, 7), Err(ErrorCode::DuplicateBrokerRegistration));
    desk.now += Nanos::millis(8_999);
    assert_eq!(desk.register(0, 7), Err(ErrorCode::DuplicateBrokerRegistration));
    desk.now += Nanos::millis(1);
    assert_eq!(desk.register(0, 7), Ok(ControllerAnswer::Done));
    assert!(desk.image.brokers[&BrokerId(0)].fenced, "until it is ready");
}

#[test]
fn a_broker_is_unfenced_when_it_has_applied_its_own_registration() {
    let mut desk = Desk::new();
    desk.register(0, 0).unwrap();
    let epoch = desk.image.brokers[&BrokerId(0)].epoch;
    let mut says = |current: u64, want_fence| {
        let (broker, current) = (BrokerId(0), MetadataOffset(current));
        desk.ask(ControllerRequest::BrokerHeartbeat { broker, epoch, current, want_fence, want_shut_down: false })
    };
    let fenced =
        |is_caught_up, is_fenced| Ok(ControllerAnswer::Heartbeat { is_caught_up, is_fenced, should_shut_down: false });
    assert_eq!(says(0, false), fenced(false, true));
    assert_eq!(says(1, true), fenced(true, true));
    assert_eq!(says(1, false), fenced(true, false));
    assert_eq!(says(1, true), fenced(true, true), "it may want to be fenced again");
}

#[test]
fn heartbeats_of_strangers_and_of_earlier_lives_are_refused() {
    let mut desk = Desk::with_brokers(1);
    let (current, want_fence, want_shut_down) = (MetadataOffset(9), false, false);
    let mut says = |broker, epoch| {
        let (broker, epoch) = (BrokerId(broker), BrokerEpoch(epoch));
        desk.ask(ControllerRequest::BrokerHeartbeat { broker, epoch, current, want_fence, want_shut_down })
    };
    assert_eq!(says(5, 1), Err(ErrorCode::BrokerIdNotRegistered));
    assert_eq!(says(0, 1), Err(ErrorCode::StaleBrokerEpoch));
}

#[test]
fn one_silent_broker_a_check_is_fenced_and_others_lead_in_its_place() {
    let mut desk = Desk::with_brokers(3);
    desk.topic("t", 6);
    assert_eq!(desk.leaders(), [Some(0), Some(1), Some(2), Some(0), Some(1), Some(2)]);
    desk.now += Nanos::secs(5);
    desk.heartbeat(2, false, false).unwrap();
    desk.now += Nanos::millis(3_999);
    assert_eq!(sweep(&mut desk), []);
    desk.now += Nanos::millis(1);
    assert!(!sweep(&mut desk).is_empty());
    assert_eq!(desk.leaders(), [Some(1), Some(1), Some(2), Some(2), Some(1), Some(2)], "spread over the others");
    assert!(!sweep(&mut desk).is_empty());
    assert_eq!(desk.leaders(), [Some(2); 6]);
    assert_eq!(desk.image.partitions().next().unwrap().1.leader_epoch, LeaderEpoch(2), "one more a move");
    assert_eq!(sweep(&mut desk), [], "the third one is there");
}

#[test]
fn when_nobody_lives_nobody_leads_until_somebody_is_back() {
    let mut desk = Desk::with_brokers(1);
    desk.topic("t", 2);
    desk.now += Nanos::secs(9);
    sweep(&mut desk);
    assert_eq!(desk.leaders(), [None, None]);
    desk.heartbeat(0, false, false).unwrap();
    assert_eq!(desk.leaders(), [Some(0), Some(0)]);
    assert!(desk.image.partitions().all(|(_, partition)| partition.leader_epoch == LeaderEpoch(2)));
}

#[test]
fn a_new_active_controller_gives_everybody_a_new_session() {
    let mut desk = Desk::with_brokers(1);
    desk.now += Nanos::secs(20);
    desk.sessions = Sessions::begin(&desk.image, desk.now);
    assert_eq!(sweep(&mut desk), []);
    desk.now += Nanos::secs(9);
    assert!(!sweep(&mut desk).is_empty());
}

#[test]
fn a_broker_that_leaves_leads_nothing_first_and_ends_when_all_know() {
    let mut desk = Desk::with_brokers(2);
    desk.topic("t", 2);
    let told = |should_shut_down, is_fenced| {
        Ok(ControllerAnswer::Heartbeat { is_caught_up: true, is_fenced, should_shut_down })
    };
    assert_eq!(desk.heartbeat(0, false, true), told(false, false));
    assert_eq!(desk.leaders(), [Some(1), Some(1)]);
    assert_eq!(desk.heartbeat(0, false, true), told(false, false), "broker 1 has not applied that yet");
    desk.heartbeat(1, false, false).unwrap();
    assert_eq!(desk.heartbeat(0, false, true), told(true, true));
    assert_eq!(desk.register(0, 9), Ok(ControllerAnswer::Done), "its next life need not wait");
}

#[test]
fn a_broker_that_leaves_is_let_go_only_when_it_has_no_stream_open_and_owes_no_upload() {
    let mut desk = Desk::with_brokers(2);
    let epoch = desk.image.brokers[&BrokerId(0)].epoch.0;
    desk.streams(0, epoch, 1);
    desk.open(0, epoch, 0, 1).unwrap();
    desk.heartbeat(0, false, true).unwrap();
    desk.heartbeat(1, false, false).unwrap();
    let may_end = |desk: &mut Desk| {
        desk.heartbeat(1, false, false).unwrap();
        match desk.heartbeat(0, false, true) {
            Ok(ControllerAnswer::Heartbeat { should_shut_down, .. }) => should_shut_down,
            other => panic!("{other:?}"),
        }
    };
    assert!(!may_end(&mut desk), "a stream is open");
    let close = CloseStream { stream: StreamId(0), epoch: StreamEpoch(1), end_offset: Some(5) };
    only(desk.storage(0, epoch, StorageRequest::CloseStreams(vec![close]))).unwrap();
    assert!(!may_end(&mut desk), "five records are in no object yet");
    let object = desk.prepare(0, epoch, 1, Nanos::secs(60));
    let commit = CommitStreamSetObject {
        object: Some(NewObject { id: object, size: 5 }),
        ranges: vec![StreamRange { stream: StreamId(0), start: 0, end: 5 }],
        stream_objects: Vec::new(),
        compacted: Vec::new(),
    };
    desk.storage(0, epoch, StorageRequest::CommitStreamSetObject(commit.into())).unwrap();
    assert!(may_end(&mut desk));
}

#[test]
fn topics_are_found_again_by_name_and_partitions_move_when_asked() {
    let mut desk = Desk::with_brokers(2);
    assert_eq!(desk.topic("a", 2), ControllerAnswer::Topic(TopicId(0)));
    assert_eq!(desk.topic("b", 1), ControllerAnswer::Topic(TopicId(1)));
    assert_eq!(desk.topic("a", 7), ControllerAnswer::Topic(TopicId(0)));
    assert_eq!(desk.leaders(), [Some(0), Some(1), Some(0)]);
    let tp = |partition| TopicIdPartition { topic: TopicId(0), partition };
    let moves = vec![(tp(0), BrokerId(1)), (tp(1), BrokerId(1)), (tp(2), BrokerId(1)), (tp(1), BrokerId(7))];
    let unknown = Some(ErrorCode::UnknownTopicOrPartition);
    let each = vec![None, None, unknown, Some(ErrorCode::InvalidRequest)];
    assert_eq!(desk.ask(ControllerRequest::Reassign { moves }), Ok(ControllerAnswer::Each(each)));
    assert_eq!(desk.leaders(), [Some(1), Some(1), Some(0)]);
    assert_eq!(desk.image.partition(tp(1)).unwrap().leader_epoch, LeaderEpoch(0), "it led already");
}

#[test]
fn a_topics_settings_are_its_own_until_they_are_taken_back() {
    let mut desk = Desk::with_brokers(1);
    desk.topic("a", 1);
    let (ms, bytes) = (TopicSetting::RetentionMs, TopicSetting::RetentionBytes);
    let mut alter = |topic, settings: &[(TopicSetting, Option<i64>)]| {
        let request = ControllerRequest::AlterTopic { topic: TopicId(topic), settings: settings.to_vec() };
        let (answer, records) = desk.entry(|draft, sessions| handle(draft, sessions, &request));
        let own = [ms, bytes].map(|setting| desk.image.topic_configs.get(TopicId(topic), setting));
        (answer.map(|_| records.len()), own)
    };
    assert_eq!(alter(7, &[(ms, Some(1))]), (Err(ErrorCode::UnknownTopicOrPartition), [None, None]));
    assert_eq!(alter(0, &[(bytes, Some(9)), (ms, Some(-2))]), (Err(ErrorCode::InvalidConfig), [None, None]));
    assert_eq!(alter(0, &[(ms, Some(5_000)), (bytes, Some(-1))]), (Ok(2), [Some(5_000), Some(-1)]));
    assert_eq!(alter(0, &[(ms, Some(5_000)), (bytes, Some(9))]), (Ok(1), [Some(5_000), Some(9)]), "it had the first");
    assert_eq!(alter(0, &[(ms, None), (bytes, None)]), (Ok(2), [None, None]));
}

#[test]
fn blocks_of_producer_ids_do_not_overlap() {
    let mut desk = Desk::with_brokers(1);
    let epoch = desk.image.brokers[&BrokerId(0)].epoch;
    let mut ask = || desk.ask(ControllerRequest::AllocateProducerIds { broker: BrokerId(0), epoch });
    assert_eq!(ask(), Ok(ControllerAnswer::ProducerIds(ProducerId(0))));
    assert_eq!(ask(), Ok(ControllerAnswer::ProducerIds(ProducerId(1_000))));
}
