//! The coordinator, told everything by hand.

use super::*;
use crate::kafka::ids::TopicId;

const GROUP: GroupId = GroupId(5);

fn tp(partition: u32) -> TopicIdPartition {
    TopicIdPartition { topic: TopicId(1), partition }
}

/// A coordinator whose appends are durable when the test says so.
struct Bench {
    coordinator: GroupCoordinator,
    now: Nanos,
    next: u64,
    written: Vec<Bytes>,
    appends: Vec<AppendId>,
    replies: Vec<(ReplyTo, Response)>,
}

impl Bench {
    fn new() -> Bench {
        let coordinator = GroupCoordinator::new(GroupCoordinatorSettings::default(), 77);
        let (written, appends, replies) = Default::default();
        Bench { coordinator, now: Nanos::secs(100), next: 1, written, appends, replies }
    }

    fn take(&mut self, effects: Vec<CoordinatorEffect>) {
        for effect in effects {
            match effect {
                CoordinatorEffect::Reply { to, response } => self.replies.push((to, response)),
                CoordinatorEffect::Append { bytes, then, .. } => {
                    self.written.push(bytes);
                    self.appends.push(then);
                }
                CoordinatorEffect::SetTimer { .. } => {}
            }
        }
    }

    fn ask(&mut self, request: Request) -> ReplyTo {
        let to = ReplyTo(self.next);
        self.next += 1;
        let effects = self.coordinator.handle(self.now, request, to);
        self.take(effects);
        to
    }

    fn durable(&mut self, result: Result<(), ErrorCode>) {
        for id in std::mem::take(&mut self.appends) {
            let effects = self.coordinator.appended(self.now, id, result);
            self.take(effects);
        }
    }

    fn pass(&mut self, span: Nanos) {
        self.now += span;
        let effects = self.coordinator.tick(self.now);
        self.take(effects);
    }

    fn answer(&mut self, to: ReplyTo) -> Option<Response> {
        let at = self.replies.iter().position(|(of, _)| *of == to)?;
        Some(self.replies.remove(at).1)
    }

    fn join(&mut self, member: Option<MemberId>, protocol: RebalanceProtocol) -> ReplyTo {
        self.ask(Request::JoinGroup(JoinGroupRequest {
            group: GROUP,
            member,
            session_timeout: Nanos::secs(10),
            rebalance_timeout: Nanos::secs(60),
            protocol,
            topics: vec![TopicId(1)],
            owned: Vec::new(),
            rack: None,
        }))
    }

    /// A new member, as far as it gets at once.
    fn enter(&mut self) -> (MemberId, ReplyTo) {
        let first = self.join(None, RebalanceProtocol::Eager);
        let Some(Response::JoinGroup(JoinGroupResponse { member: Some(id), result: Err(error) })) = self.answer(first)
        else {
            panic!("a new member is given an id");
        };
        assert_eq!(error, ErrorCode::MemberIdRequired);
        (id, self.join(Some(id), RebalanceProtocol::Eager))
    }

    fn joined(&mut self, to: ReplyTo) -> Joined {
        match self.answer(to) {
            Some(Response::JoinGroup(JoinGroupResponse { result: Ok(joined), .. })) => joined,
            other => panic!("{other:?}"),
        }
    }

    fn sync(
        &mut self,
        member: MemberId,
        generation: u32,
        assignments: Vec<(MemberId, Vec<TopicIdPartition>)>,
    ) -> ReplyTo {
        self.ask(Request::SyncGroup(SyncGroupRequest { group: GROUP, member, generation, assignments }))
    }

    fn commit(&mut self, member: Option<(MemberId, u32)>, offset: u64) -> ReplyTo {
        self.ask(Request::OffsetCommit(OffsetCommitRequest { group: GROUP, member, offsets: vec![(tp(0), offset)] }))
    }

    fn committed(&mut self, to: ReplyTo) -> Option<Option<ErrorCode>> {
        match self.answer(to)? {
            Response::OffsetCommit(response) => Some(response.partitions[0].1),
            other => panic!("{other:?}"),
        }
    }

    fn offset(&mut self) -> Option<u64> {
        let to = self.ask(Request::OffsetFetch(OffsetFetchRequest { group: GROUP, partitions: vec![tp(0)] }));
        match self.answer(to) {
            Some(Response::OffsetFetch(OffsetFetchResponse { result: Ok(offsets) })) => offsets[0].1,
            other => panic!("{other:?}"),
        }
    }

    fn beat(&mut self, member: MemberId, generation: u32) -> Option<ErrorCode> {
        let to = self.ask(Request::Heartbeat(HeartbeatRequest { group: GROUP, member, generation }));
        match self.answer(to) {
            Some(Response::Heartbeat(response)) => response.error,
            other => panic!("{other:?}"),
        }
    }

    /// A stable group of one.
    fn stable() -> (Bench, MemberId) {
        let mut bench = Bench::new();
        let (member, joining) = bench.enter();
        bench.pass(Nanos::secs(3));
        let joined = bench.joined(joining);
        assert_eq!((joined.generation, joined.leader, joined.members.len()), (1, member, 1));
        let syncing = bench.sync(member, 1, vec![(member, vec![tp(0)])]);
        assert_eq!(bench.answer(syncing), None, "the assignment is not durable yet");
        bench.durable(Ok(()));
        let result = Ok(vec![tp(0)]);
        assert_eq!(bench.answer(syncing), Some(Response::SyncGroup(SyncGroupResponse { result })));
        (bench, member)
    }
}

#[test]
fn an_empty_group_waits_for_more_members_and_a_generation_has_all_of_them() {
    let mut bench = Bench::new();
    let (a, first) = bench.enter();
    bench.pass(Nanos::secs(2));
    let (b, second) = bench.enter();
    bench.pass(Nanos::secs(2));
    assert_eq!(bench.answer(first), None, "the second one has begun the delay anew");
    bench.pass(Nanos::secs(1));
    let (one, two) = (bench.joined(first), bench.joined(second));
    assert_eq!((one.generation, two.generation), (1, 1));
    let leader = one.leader;
    assert_eq!(one.members.len() + two.members.len(), 2, "only the leader is told who there is");
    assert!(leader == a || leader == b);
}

#[test]
fn who_does_not_join_again_is_out() {
    let (mut bench, old) = Bench::stable();
    let (_, joining) = bench.enter();
    assert_eq!(bench.beat(old, 1), Some(ErrorCode::RebalanceInProgress));
    bench.pass(Nanos::secs(9));
    assert_eq!(bench.answer(joining), None);
    // Its session ends before the rebalance's time does.
    bench.pass(Nanos::secs(1));
    assert_eq!(bench.joined(joining).generation, 2);
    assert_eq!(bench.beat(old, 1), Some(ErrorCode::UnknownMemberId));
}

#[test]
fn commits_are_taken_from_members_of_the_generation_and_from_strangers_while_the_group_is_empty() {
    let mut bench = Bench::new();
    let alone = bench.commit(None, 7);
    assert_eq!((bench.committed(alone), bench.offset()), (None, None), "not durable yet");
    bench.durable(Ok(()));
    assert_eq!((bench.committed(alone), bench.offset()), (Some(None), Some(7)));
    let failing = bench.commit(None, 8);
    bench.durable(Err(ErrorCode::NotCoordinator));
    assert_eq!((bench.committed(failing), bench.offset()), (Some(Some(ErrorCode::NotCoordinator)), Some(7)));

    let (mut bench, member) = Bench::stable();
    for (who, error) in [
        (None, ErrorCode::UnknownMemberId),
        (Some((MemberId(1), 1)), ErrorCode::UnknownMemberId),
        (Some((member, 0)), ErrorCode::IllegalGeneration),
        (Some((member, 2)), ErrorCode::IllegalGeneration),
    ] {
        let to = bench.commit(who, 9);
        assert_eq!(bench.committed(to), Some(Some(error)), "{who:?}");
    }
    let to = bench.commit(Some((member, 1)), 9);
    bench.durable(Ok(()));
    assert_eq!((bench.committed(to), bench.offset()), (Some(None), Some(9)));
    // While all are to join again it may still commit; when they have, it must know its assignment first.
    let (_, _) = bench.enter();
    let to = bench.commit(Some((member, 1)), 10);
    bench.durable(Ok(()));
    assert_eq!(bench.committed(to), Some(None));
    let joining = bench.join(Some(member), RebalanceProtocol::Eager);
    assert_eq!(bench.joined(joining).generation, 2);
    let to = bench.commit(Some((member, 2)), 11);
    assert_eq!(bench.committed(to), Some(Some(ErrorCode::RebalanceInProgress)));
}

#[test]
fn another_coordinator_knows_what_was_written() {
    let (mut bench, member) = Bench::stable();
    bench.commit(Some((member, 1)), 9);
    bench.durable(Ok(()));
    let mut next = GroupCoordinator::new(GroupCoordinatorSettings::default(), 78);
    bench.written.iter().for_each(|bytes| next.replay(bytes).unwrap());
    bench.coordinator = next;
    let effects = bench.coordinator.loaded(bench.now);
    bench.take(effects);
    assert_eq!((bench.beat(member, 1), bench.offset()), (None, Some(9)));
    bench.pass(Nanos::secs(11));
    assert_eq!(bench.beat(member, 1), Some(ErrorCode::UnknownMemberId));
    assert_eq!(bench.coordinator.phase(GROUP), Some(Phase::Empty));
}

#[test]
fn an_assignment_that_is_not_written_is_nobodys() {
    let mut bench = Bench::new();
    let (member, _) = bench.enter();
    bench.pass(Nanos::secs(3));
    let syncing = bench.sync(member, 1, vec![(member, vec![tp(0)])]);
    bench.durable(Err(ErrorCode::CoordinatorNotAvailable));
    let result = Err(ErrorCode::CoordinatorNotAvailable);
    assert_eq!(bench.answer(syncing), Some(Response::SyncGroup(SyncGroupResponse { result })));
    assert!(matches!(bench.coordinator.phase(GROUP), Some(Phase::PreparingRebalance { .. })));
}

#[test]
fn offsets_expire_a_week_after_the_last_member_left_and_not_before() {
    let (mut bench, member) = Bench::stable();
    bench.commit(Some((member, 1)), 9);
    bench.durable(Ok(()));
    let (day, beats_a_day) = (Nanos::secs(86_400), 86_400 / 9);
    for _ in 0..8 * beats_a_day {
        bench.pass(Nanos::secs(9));
        assert_eq!(bench.beat(member, 1), None);
        bench.durable(Ok(()));
    }
    assert_eq!(bench.offset(), Some(9), "its group is alive");
    bench.ask(Request::LeaveGroup(LeaveGroupRequest { group: GROUP, member }));
    assert_eq!(bench.coordinator.phase(GROUP), Some(Phase::Empty));
    bench.pass(day * 6);
    bench.durable(Ok(()));
    assert_eq!(bench.offset(), Some(9));
    bench.pass(day);
    bench.durable(Ok(()));
    assert_eq!((bench.offset(), bench.coordinator.phase(GROUP)), (None, None));
}

#[test]
fn who_speaks_another_protocol_is_refused() {
    let (mut bench, _) = Bench::stable();
    let first = bench.join(None, RebalanceProtocol::Cooperative);
    let Some(Response::JoinGroup(JoinGroupResponse { member, .. })) = bench.answer(first) else { panic!("an id") };
    let to = bench.join(member, RebalanceProtocol::Cooperative);
    let result = Err(ErrorCode::InconsistentGroupProtocol);
    assert_eq!(bench.answer(to), Some(Response::JoinGroup(JoinGroupResponse { member, result })));
}
