//! Streams, objects and their commits.

use super::super::object_control::{self, Deletions};
use super::*;
use crate::cloud::object_store::{BucketId, ObjectDone, ObjectOk, ObjectOp};
use crate::kafka::metadata::{ObjectState, StreamRange, StreamState};
use crate::kafka::protocol::controller::{
    CloseStream, CommitStreamObject, CommitStreamSetObject, NewObject, TrimStream,
};
use crate::kafka::shared_storage::object_format::object_key;
use crate::kafka::token::TokenSpace;
use crate::world::{Cx, Detached, Effect, StoreId};
use std::sync::Arc;
use wavetank_sim::SortedMap;

const HOUR: Nanos = Nanos::secs(3_600);

fn range(stream: u64, start: u64, end: u64) -> StreamRange {
    StreamRange { stream: StreamId(stream), start, end }
}

fn upload(object: ObjectId, ranges: &[StreamRange]) -> StorageRequest {
    let (object, ranges) = (Some(NewObject { id: object, size: 100 }), ranges.to_vec());
    let commit = CommitStreamSetObject { object, ranges, stream_objects: vec![], compacted: vec![] };
    StorageRequest::CommitStreamSetObject(Arc::new(commit))
}

fn compaction(object: ObjectId, ranges: &[StreamRange], compacted: &[ObjectId]) -> StorageRequest {
    let (object, ranges) = (Some(NewObject { id: object, size: 100 }), ranges.to_vec());
    let commit = CommitStreamSetObject { object, ranges, stream_objects: vec![], compacted: compacted.to_vec() };
    StorageRequest::CommitStreamSetObject(Arc::new(commit))
}

fn close(stream: u64, epoch: u64, end_offset: Option<u64>) -> StorageRequest {
    StorageRequest::CloseStreams(vec![CloseStream { stream: StreamId(stream), epoch: StreamEpoch(epoch), end_offset }])
}

fn trim(stream: u64, epoch: u64, start_offset: u64) -> StorageRequest {
    StorageRequest::TrimStreams(vec![TrimStream { stream: StreamId(stream), epoch: StreamEpoch(epoch), start_offset }])
}

/// Broker 1 in its life 10 has streams 0 and 1 open under epoch 3.
fn desk() -> Desk {
    let mut desk = Desk::new();
    desk.streams(1, 10, 2);
    assert_eq!((desk.open(1, 10, 0, 3), desk.open(1, 10, 1, 3)), (Ok(0), Ok(0)));
    desk
}

impl Desk {
    fn commit(&mut self, broker: u32, epoch: i64, ranges: &[StreamRange]) -> Answer {
        let object = self.prepare(broker, epoch, 1, HOUR);
        self.storage(broker, epoch, upload(object, ranges))
    }

    fn end(&self, stream: u64) -> u64 {
        self.image.streams[&StreamId(stream)].end_offset
    }
}

#[test]
fn what_a_fast_close_leaves_may_begin_before_what_was_trimmed() {
    let mut desk = Desk::with_brokers(2);
    let epoch = |desk: &Desk, broker: u32| desk.image.brokers[&BrokerId(broker)].epoch.0;
    let (mine, others) = (epoch(&desk, 0), epoch(&desk, 1));
    desk.streams(0, mine, 1);
    desk.open(0, mine, 0, 1).unwrap();
    let (stream, first) = (StreamId(0), StreamEpoch(1));
    // Nothing is in an object yet: the trim moves the end on with the start.
    let trim = StorageRequest::TrimStreams(vec![TrimStream { stream, epoch: first, start_offset: 3 }]);
    only(desk.storage(0, mine, trim)).unwrap();
    let close = StorageRequest::CloseStreams(vec![CloseStream { stream, epoch: first, end_offset: Some(5) }]);
    only(desk.storage(0, mine, close)).unwrap();
    assert_eq!(desk.open(1, others, 0, 2), Ok(5));
    let object = desk.prepare(0, mine, 1, Nanos::secs(60));
    let commit = |start| {
        StorageRequest::CommitStreamSetObject(Arc::new(CommitStreamSetObject {
            object: Some(NewObject { id: object, size: 1 }),
            ranges: vec![StreamRange { stream, start, end: 5 }],
            stream_objects: Vec::new(),
            compacted: Vec::new(),
        }))
    };
    assert_eq!(desk.storage(0, mine, commit(4)), Err(ErrorCode::OffsetNotMatched), "that leaves a hole");
    assert_eq!(desk.storage(0, mine, commit(1)), Ok(ControllerAnswer::Done));
    assert!(desk.image.uncommitted.is_empty());
}

#[test]
fn a_stream_is_open_at_one_broker_under_one_epoch() {
    let mut desk = desk();
    assert_eq!(desk.open(1, 10, 0, 3), Ok(0), "asked again");
    assert_eq!(desk.open(2, 20, 0, 3), Err(ErrorCode::StreamFenced), "another's epoch");
    assert_eq!(desk.open(2, 20, 0, 2), Err(ErrorCode::StreamFenced), "an old epoch");
    assert_eq!(desk.open(2, 20, 0, 4), Err(ErrorCode::StreamNotClosed));
    assert_eq!(desk.open(2, 20, 9, 4), Err(ErrorCode::StreamNotExist));
    desk.commit(1, 10, &[range(0, 0, 5)]).unwrap();
    assert_eq!(only(desk.storage(2, 20, close(0, 3, None))), Err(ErrorCode::StreamFenced));
    assert_eq!(only(desk.storage(1, 10, close(0, 2, None))), Err(ErrorCode::ExpiredStreamEpoch));
    assert_eq!(only(desk.storage(1, 10, close(0, 3, None))), Ok(()));
    assert_eq!(only(desk.storage(1, 10, close(0, 3, None))), Ok(()), "asked again");
    assert_eq!(desk.open(1, 10, 0, 3), Err(ErrorCode::StreamFenced), "an epoch is opened once");
    assert_eq!(desk.open(2, 20, 0, 4), Ok(5), "where it ended");
}

#[test]
fn a_fresh_stream_opens_under_epoch_zero() {
    let mut desk = Desk::new();
    desk.streams(1, 10, 1);
    assert_eq!(desk.open(1, 10, 0, 0), Ok(0));
}

#[test]
fn commits_go_on_where_the_stream_ends() {
    let mut desk = desk();
    assert_eq!(desk.commit(1, 10, &[range(0, 0, 5), range(1, 0, 2)]), Ok(ControllerAnswer::Done));
    assert_eq!((desk.end(0), desk.end(1)), (5, 2));
    assert_eq!(desk.commit(1, 10, &[range(0, 6, 7)]), Err(ErrorCode::OffsetNotMatched));
    assert_eq!(desk.commit(1, 10, &[range(0, 4, 7)]), Err(ErrorCode::OffsetNotMatched));
    assert_eq!(desk.commit(2, 20, &[range(0, 5, 7)]), Err(ErrorCode::StreamFenced));
    assert_eq!(desk.commit(1, 10, &[range(0, 5, 7), range(1, 9, 10)]), Err(ErrorCode::OffsetNotMatched));
    assert_eq!(desk.end(0), 5, "all or nothing");
    only(desk.storage(1, 10, close(0, 3, None))).unwrap();
    assert_eq!(desk.commit(1, 10, &[range(0, 5, 7)]), Err(ErrorCode::StreamNotOpened));
    assert_eq!(desk.storage(1, 10, upload(ObjectId(99), &[range(1, 2, 3)])), Err(ErrorCode::ObjectNotExist));
}

#[test]
fn a_commit_that_is_asked_for_again_is_done_and_the_mutant_refuses_it() {
    for mutant in [None, Some(ControllerMutant::ContinuityBeforeRedundancy)] {
        let mut desk = desk();
        desk.mutant = mutant;
        let object = desk.prepare(1, 10, 1, HOUR);
        let commit = upload(object, &[range(0, 0, 5)]);
        assert_eq!(desk.storage(1, 10, commit.clone()), Ok(ControllerAnswer::Done));
        let again = desk.storage(1, 10, commit);
        if mutant.is_none() {
            assert_eq!((again, desk.marks.len(), desk.probes.len()), (Ok(ControllerAnswer::Done), 1, 0));
        } else {
            let told = vec![Probe::CommitRefusedAfterApplied { object }];
            assert_eq!((again, desk.probes), (Err(ErrorCode::OffsetNotMatched), told));
        }
        assert_eq!(desk.image.streams[&StreamId(0)].end_offset, 5);
    }
}

#[test]
fn a_commit_of_which_one_object_is_gone_since_is_known_by_the_others() {
    let mut desk = desk();
    let first = desk.prepare(1, 10, 2, HOUR);
    let second = ObjectId(first.0 + 1);
    let commit = StorageRequest::CommitStreamSetObject(Arc::new(CommitStreamSetObject {
        object: Some(NewObject { id: first, size: 10 }),
        ranges: vec![range(0, 0, 5)],
        stream_objects: vec![(NewObject { id: second, size: 10 }, range(1, 0, 2))],
        compacted: Vec::new(),
    }));
    assert_eq!(desk.storage(1, 10, commit.clone()), Ok(ControllerAnswer::Done));
    // Compacted, dropped and deleted before the answer came through.
    desk.image.objects.remove(&first);
    assert_eq!(desk.storage(1, 10, commit), Ok(ControllerAnswer::Done));
    assert_eq!((desk.end(0), desk.end(1)), (5, 2));
    assert_eq!(desk.marks, ["controller: a commit was retried after it was applied"]);
}

#[test]
fn an_earlier_life_commits_nothing_but_with_the_mutant() {
    let mut desk = desk();
    assert_eq!(desk.storage(1, 11, StorageRequest::GetOpeningStreams).map(|_| ()), Ok(()));
    assert_eq!(desk.commit(1, 10, &[range(0, 0, 5)]), Err(ErrorCode::NodeEpochExpired));
    assert_eq!(desk.marks, ["controller: an old epoch's commit was refused"]);
    assert_eq!(desk.open(1, 10, 0, 4), Err(ErrorCode::NodeEpochExpired));
    assert_eq!(desk.commit(1, 11, &[range(0, 0, 5)]), Ok(ControllerAnswer::Done));
    desk.mutant = Some(ControllerMutant::NoNodeEpochCheck);
    assert_eq!(desk.commit(1, 10, &[range(0, 5, 6)]), Ok(ControllerAnswer::Done));
}

#[test]
fn once_a_broker_is_failed_over_only_its_rescuer_acts_for_it() {
    let mut desk = desk();
    desk.commit(1, 10, &[range(0, 0, 5)]).unwrap();
    let opening = desk.as_someone(1, 10, true, StorageRequest::GetOpeningStreams).unwrap();
    let ControllerAnswer::Opening(opening) = opening else { panic!("{opening:?}") };
    assert_eq!(opening.iter().map(|o| (o.stream.0, o.end_offset)).collect::<Vec<_>>(), [(0, 5), (1, 0)]);
    assert_eq!(desk.commit(1, 10, &[range(0, 5, 6)]), Err(ErrorCode::NodeFenced));
    let object = desk.prepare(2, 20, 1, HOUR);
    assert_eq!(desk.as_someone(1, 10, true, upload(object, &[range(0, 5, 6)])), Ok(ControllerAnswer::Done));
    assert_eq!(only(desk.as_someone(1, 10, true, close(0, 3, None))), Ok(()));
    assert_eq!(desk.open(2, 20, 0, 4), Ok(6));
    // The broker is back: its rescuer has nothing to say any more.
    desk.storage(1, 11, StorageRequest::GetOpeningStreams).unwrap();
    let late = desk.as_someone(1, 10, true, upload(object, &[range(1, 0, 1)]));
    assert_eq!(late, Err(ErrorCode::NodeEpochExpired));
}

#[test]
fn a_fast_close_leaves_the_rest_to_the_closer_alone() {
    let mut desk = desk();
    desk.commit(1, 10, &[range(0, 0, 5)]).unwrap();
    assert_eq!(only(desk.storage(1, 10, close(0, 3, Some(4)))), Err(ErrorCode::OffsetNotMatched));
    assert_eq!(only(desk.storage(1, 10, close(0, 3, Some(9)))), Ok(()));
    assert_eq!(desk.open(1, 10, 0, 4), Err(ErrorCode::StreamNotClosed), "away and back too soon");
    assert_eq!(desk.open(2, 20, 0, 4), Ok(9));
    assert_eq!(desk.commit(2, 20, &[range(0, 9, 12)]), Ok(ControllerAnswer::Done));
    assert_eq!(desk.commit(1, 10, &[range(0, 6, 9)]), Err(ErrorCode::OffsetNotMatched));
    assert_eq!(desk.commit(1, 10, &[range(0, 5, 10)]), Err(ErrorCode::OffsetNotMatched), "beyond the seal");
    assert_eq!(desk.commit(1, 10, &[range(0, 5, 7)]), Ok(ControllerAnswer::Done));
    let ControllerAnswer::Opening(opening) = desk.storage(1, 10, StorageRequest::GetOpeningStreams).unwrap() else {
        panic!("not an answer");
    };
    assert_eq!(
        opening.iter().map(|o| (o.stream.0, o.epoch.0, o.end_offset)).collect::<Vec<_>>(),
        [(0, 3, 7), (1, 3, 0)]
    );
    assert_eq!(desk.commit(1, 10, &[range(0, 7, 9)]), Ok(ControllerAnswer::Done));
    assert!(desk.image.uncommitted.is_empty());
    assert_eq!(desk.commit(1, 10, &[range(0, 9, 10)]), Err(ErrorCode::StreamFenced));
    assert_eq!(desk.end(0), 12);
    for offset in 0..12 {
        assert!(desk.image.piece_at(StreamId(0), offset).is_some(), "{offset} is in an object");
    }
}

#[test]
fn a_trim_moves_the_start_forward_and_what_is_on_its_way_may_lie_before() {
    let mut desk = desk();
    desk.commit(1, 10, &[range(0, 0, 5)]).unwrap();
    assert_eq!(only(desk.storage(1, 10, trim(0, 3, 3))), Ok(()));
    assert_eq!(only(desk.storage(1, 10, trim(0, 3, 3))), Ok(()), "asked again");
    assert_eq!(only(desk.storage(1, 10, trim(0, 3, 2))), Err(ErrorCode::OffsetNotMatched));
    assert_eq!(only(desk.storage(1, 10, trim(0, 2, 4))), Err(ErrorCode::ExpiredStreamEpoch));
    assert_eq!(only(desk.storage(1, 10, trim(0, 3, 8))), Ok(()), "beyond what is in objects");
    assert_eq!(desk.commit(1, 10, &[range(0, 5, 10)]), Ok(ControllerAnswer::Done));
    assert_eq!(desk.end(0), 10);
    assert_eq!(desk.commit(1, 10, &[range(0, 9, 12)]), Err(ErrorCode::OffsetNotMatched));
}

#[test]
fn a_compaction_replaces_objects_and_moves_no_end_but_the_mutants_does() {
    for mutant in [None, Some(ControllerMutant::CompactionSetsEndOffset)] {
        let mut desk = desk();
        desk.mutant = mutant;
        for end in 1..4 {
            desk.commit(1, 10, &[range(0, end - 1, end), range(1, end - 1, end)]).unwrap();
        }
        let object = desk.prepare(1, 10, 1, HOUR);
        let both = [range(0, 0, 2), range(1, 0, 2)];
        let unknown = [ObjectId(0), ObjectId(77)];
        let refused = desk.storage(1, 10, compaction(object, &both, &unknown));
        assert_eq!(refused, Err(ErrorCode::CompactedObjectsNotFound));
        let strange = [range(0, 0, 2), range(9, 0, 2)];
        let sources = [ObjectId(0), ObjectId(1)];
        let refused = desk.storage(1, 10, compaction(object, &strange, &sources));
        assert_eq!(refused, Err(ErrorCode::StreamNotExist));
        assert_eq!(desk.storage(1, 10, compaction(object, &both, &sources)), Ok(ControllerAnswer::Done));
        assert_eq!(desk.end(0), if mutant.is_none() { 3 } else { 2 });
        assert_eq!(desk.image.stream_set_objects[&object].order, ObjectId(0));
        assert!(matches!(desk.image.objects[&ObjectId(0)].state, ObjectState::MarkDestroyed { .. }));
        assert_eq!(desk.image.piece_at(StreamId(0), 1).unwrap().object, object);
        // Sent again when what it committed has been compacted away.
        let again = desk.storage(1, 10, upload(ObjectId(1), &[range(0, 1, 2), range(1, 1, 2)]));
        assert_eq!(again, Ok(ControllerAnswer::Done));
    }
}

#[test]
fn a_stream_object_takes_the_place_of_others_of_its_stream() {
    let mut desk = desk();
    for start in 0..3 {
        let object = desk.prepare(1, 10, 1, HOUR);
        let stream_objects = vec![(NewObject { id: object, size: 1 }, range(0, start, start + 1))];
        let commit = CommitStreamSetObject { object: None, ranges: vec![], stream_objects, compacted: vec![] };
        desk.storage(1, 10, StorageRequest::CommitStreamSetObject(Arc::new(commit))).unwrap();
    }
    let new = desk.prepare(1, 10, 1, HOUR);
    let commit = |epoch, object, sources: &[u64]| {
        let sources = sources.iter().copied().map(ObjectId).collect();
        let (stream, epoch) = (StreamId(0), StreamEpoch(epoch));
        StorageRequest::CommitStreamObject(CommitStreamObject { object, sources, stream, epoch })
    };
    let object = Some((NewObject { id: new, size: 2 }, range(0, 0, 2)));
    assert_eq!(desk.storage(1, 10, commit(2, object, &[0, 1])), Err(ErrorCode::ExpiredStreamEpoch));
    assert_eq!(desk.storage(1, 10, commit(3, object, &[0, 9])), Err(ErrorCode::CompactedObjectsNotFound));
    assert_eq!(desk.storage(1, 10, commit(3, object, &[0, 1])), Ok(ControllerAnswer::Done));
    assert_eq!(desk.storage(1, 10, commit(3, object, &[0, 1])), Ok(ControllerAnswer::Done), "asked again");
    assert_eq!(desk.image.piece_at(StreamId(0), 1).unwrap().object, new);
    assert_eq!(desk.storage(1, 10, commit(3, None, &[new.0])), Err(ErrorCode::InvalidRequest), "it is still wanted");
    only(desk.storage(1, 10, trim(0, 3, 2))).unwrap();
    assert_eq!(desk.storage(1, 10, commit(3, None, &[new.0])), Ok(ControllerAnswer::Done));
    assert!(desk.image.piece_at(StreamId(0), 1).is_none() && desk.image.piece_at(StreamId(0), 2).is_some());
    assert_eq!(desk.image.streams[&StreamId(0)].state, StreamState::Opened);
}

#[test]
fn what_is_not_committed_in_time_is_dropped_and_what_is_never_is_but_with_the_mutant() {
    for mutant in [None, Some(ControllerMutant::CommittedObjectsExpire)] {
        let mut desk = desk();
        desk.mutant = mutant;
        let first = desk.prepare(1, 10, 2, Nanos::secs(60));
        desk.storage(1, 10, upload(first, &[range(0, 0, 5)])).unwrap();
        let mut deadlines = SortedMap::new();
        let mut expire = |desk: &mut Desk| desk.entry(|draft, _| object_control::expire(draft, &mut deadlines)).1.len();
        assert_eq!(expire(&mut desk), 0);
        desk.now += Nanos::millis(60_001);
        assert_eq!(expire(&mut desk), if mutant.is_none() { 1 } else { 2 });
        let late = desk.storage(1, 10, upload(ObjectId(first.0 + 1), &[range(0, 5, 6)]));
        assert_eq!(late, Err(ErrorCode::ObjectNotExist));
    }
}

#[test]
fn a_dropped_object_is_deleted_after_the_retention_and_tried_again_when_that_fails() {
    let mut desk = desk();
    desk.prepare(1, 10, 2, Nanos::secs(0));
    desk.now += Nanos::secs(1);
    desk.entry(|draft, _| object_control::expire(draft, &mut SortedMap::new()));
    let mut detached = Detached::new(1);
    let mut deletions = Deletions::new(TokenSpace(5), StoreId(0), BucketId(0), "ns".into());
    let mut scan = |deletions: &mut Deletions, now: Nanos| {
        detached.now = now;
        deletions.scan(&mut Cx::detached(&mut detached), &desk.image, Nanos::secs(60));
        detached.effects.drain(..).filter(|effect| matches!(effect, Effect::Object { .. })).collect::<Vec<_>>()
    };
    assert!(scan(&mut deletions, desk.now + Nanos::millis(59_999)).is_empty());
    let effects = scan(&mut deletions, desk.now + Nanos::secs(60));
    let [Effect::Object { token, op, .. }] = &effects[..] else { panic!("{effects:?}") };
    let ObjectOp::DeleteMany { keys } = &**op else { panic!("{op:?}") };
    assert_eq!(**keys, [object_key("ns", ObjectId(0)), object_key("ns", ObjectId(1))]);
    assert_eq!(&*object_key("ns", ObjectId(0x1a2b)), "b2a10000/ns/6699");
    let later = desk.now + Nanos::secs(61);
    assert!(scan(&mut deletions, later).is_empty(), "it is on its way");
    let result = Ok(ObjectOk::GoneExcept(vec![0]));
    let done = ObjectDone { token: *token, owner: Detached::new(1).me, result, body_takes: Nanos::ZERO };
    assert_eq!(deletions.answered(&done), [ObjectId(1)]);
    let effects = scan(&mut deletions, later);
    let [Effect::Object { op, .. }] = &effects[..] else { panic!("{effects:?}") };
    let ObjectOp::DeleteMany { keys } = &**op else { panic!("{op:?}") };
    assert_eq!(**keys, [object_key("ns", ObjectId(0))]);
}
