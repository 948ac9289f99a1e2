//! What the regional store promises, rule by rule; the histories are in `model_tests`.

use super::harness::*;
use super::*;
use crate::blob::Blob;
use crate::cloud::Output;
use crate::cloud::latency::Latency;
use proptest::prelude::*;
use wavetank_sim::{NodeEpoch, NodeId};

const TIMES: FateTimes =
    FateTimes { late_by: Nanos::secs(3), timeout: Nanos::secs(2), duplicate_after: Nanos::secs(20) };

fn again_after(after: Nanos) -> ObjectFate {
    ObjectFate { outcome: Outcome::Ok, duplicate: Some(after) }
}

/// Operations whose effect can be counted: what to do before, what to do, and how often it has been done since.
type Countable = (&'static str, fn(&mut Bench<ObjectStore>) -> ObjectOp, fn(&mut Bench<ObjectStore>) -> u64);

/// Puts something else over what was written, so that the next landing shows.
fn countables() -> Vec<Countable> {
    fn is(b: &mut Bench<ObjectStore>, name: &str, wanted: Option<u64>) -> u64 {
        u64::from(b.device.peek(BucketId(0), name).cloned() == wanted.map(body))
    }
    vec![
        ("put", |_| put("k", 7), |b| is(b, "k", Some(7))),
        ("put if none match", |_| put_if("k", 7, Condition::IfNoneMatch), |b| is(b, "k", Some(7))),
        (
            "delete",
            |b| {
                b.written(put("k", 7));
                delete("k")
            },
            |b| is(b, "k", None),
        ),
        (
            "delete many",
            |b| {
                b.written(put("k", 7));
                ObjectOp::DeleteMany { keys: vec![key("k"), key("other")] }
            },
            |b| is(b, "k", None),
        ),
        (
            "copy",
            |b| {
                b.written(put("source", 7));
                ObjectOp::Copy { source: key("source"), key: key("k"), condition: Condition::None }
            },
            |b| is(b, "k", Some(7)),
        ),
        (
            "create multipart",
            |_| ObjectOp::CreateMultipart { key: key("k") },
            |b| b.device.open_uploads(BucketId(0)) as u64,
        ),
        (
            "complete multipart",
            |b| {
                let upload = create(b, "k");
                let etag = b.written(ObjectOp::UploadPart { upload, part_number: 1, body: body(7) });
                ObjectOp::CompleteMultipart { upload, parts: vec![(1, etag)], condition: Condition::None }
            },
            |b| is(b, "k", Some(7)),
        ),
        (
            "abort multipart",
            |b| {
                let upload = create(b, "k");
                ObjectOp::AbortMultipart { upload }
            },
            |b| u64::from(b.device.open_uploads(BucketId(0)) == 0),
        ),
        ("get", |_| get("source"), |_| 0),
        ("head", |_| ObjectOp::Head { key: key("source") }, |_| 0),
        ("list", |_| ObjectOp::List { prefix: key(""), from: ListFrom::Start, max_keys: 10, delimiter: None }, |_| 0),
    ]
}

fn create<D: Device>(bench: &mut Bench<D>, name: &str) -> UploadId {
    match bench.ok(ObjectOp::CreateMultipart { key: key(name) }) {
        Ok(ObjectOk::Upload(id)) => id,
        other => panic!("{other:?}"),
    }
}

/// The whole lattice, every kind of operation, once: the answer, its time, the effects and their times.
#[test]
fn the_lattice_is_walked_exhaustively_with_every_operation() {
    for (name, prepare, done) in countables() {
        let mut all = Witnessed::default();
        for point in LatticePoint::grid() {
            let Some(fate) = ObjectFate::at(point, TIMES) else {
                assert!(!point.is_legal());
                continue;
            };
            for lifo in [false, true] {
                let mut bench = store();
                bench.lifo = lifo;
                bench.written(put("source", 1));
                let op = prepare(&mut bench);
                let billed = |bench: &mut Bench<ObjectStore>| {
                    let seen = bench.device.accounting(bench.now, BucketId(0)).unwrap();
                    seen.put_requests + seen.get_requests + seen.delete_requests
                };
                let (sent_at, before) = (bench.now, billed(&mut bench));
                let has_effect = !matches!(op.class(), OpClass::Get | OpClass::Head | OpClass::List);
                let answer = bench.call(op, fate);
                let took = bench.now - sent_at;
                match point.answer {
                    AnswerKind::Ok => assert!(answer.is_ok() && took < Nanos::secs(1), "{name} {point:?} {took:?}"),
                    AnswerKind::AnsweredLate => assert!(answer.is_ok() && took >= TIMES.late_by, "{name} {point:?}"),
                    AnswerKind::SlowDown => {
                        assert_eq!(answer, Err(ObjectError::SlowDown { retry_after: Nanos::secs(1) }));
                    }
                    AnswerKind::InternalError => assert_eq!(answer, Err(ObjectError::InternalError)),
                    AnswerKind::TimedOut => {
                        assert_eq!(answer, Err(ObjectError::TimedOut));
                        assert_eq!(took, TIMES.timeout);
                    }
                    AnswerKind::Reset => assert_eq!(answer, Err(ObjectError::ConnectionReset)),
                }
                // By the time of the answer: its own effect and nothing else.
                assert_eq!(billed(&mut bench) - before, u64::from(point.applied), "{name} {point:?}");
                if has_effect {
                    assert_eq!(done(&mut bench) > 0, point.applied, "{name} {point:?}");
                }
                // Just before the duplicate's time nothing more; at its time it, and never anything after.
                bench.run_to(sent_at + TIMES.duplicate_after - Nanos(1));
                assert_eq!(billed(&mut bench) - before, u64::from(point.applied), "{name} {point:?}");
                bench.run_to(sent_at + TIMES.duplicate_after);
                let effects = u64::from(point.applied) + u64::from(point.duplicate);
                assert_eq!(billed(&mut bench) - before, effects, "{name} {point:?}");
                if has_effect {
                    assert_eq!(done(&mut bench) > 0, effects > 0, "{name} {point:?}");
                }
                assert_eq!(bench.device.in_flight(), 0, "{name} {point:?}");
                bench.run_out();
                assert!(bench.now <= sent_at + LATE_BOUND, "{name} {point:?}");
                let seen = bench.device.witnessed();
                all.landed_after_answer += seen.landed_after_answer;
                for (sum, n) in all.lattice.iter_mut().zip(seen.lattice) {
                    *sum += n;
                }
                assert!(seen.reached(point) >= 1, "{name} {point:?} was not reached");
            }
        }
        for point in LatticePoint::grid() {
            assert_eq!(all.reached(point) > 0, point.is_legal(), "{name} {point:?}");
        }
        assert!(all.landed_after_answer > 0, "{name}");
    }
}

#[test]
fn a_duplicate_put_overwrites_a_newer_one_and_resurrects_a_deleted_object() {
    let mut bench = store();
    assert!(bench.call(put("k", 1), again_after(Nanos::secs(10))).is_ok());
    bench.written(put("k", 2));
    assert_eq!(bench.content("k"), Some(body(2)));
    bench.run_to(Nanos::secs(11));
    assert_eq!(bench.content("k"), Some(body(1)), "the old PUT has landed again");
    assert_eq!(bench.device.witnessed().duplicate_overwrote_newer, 1);

    let sent = bench.now;
    assert!(bench.call(put("gone", 3), again_after(Nanos::secs(10))).is_ok());
    assert!(bench.ok(delete("gone")).is_ok());
    assert_eq!(bench.content("gone"), None);
    bench.run_to(sent + Nanos::secs(11));
    assert_eq!(bench.content("gone"), Some(body(3)), "the deleted object is back (AutoMQ #2524)");
    assert_eq!(bench.device.witnessed().duplicate_resurrected, 1);
}

#[test]
fn a_duplicate_delete_removes_a_newer_object_and_a_conditional_duplicate_fails_on_its_own_effect() {
    let mut bench = store();
    bench.written(put("k", 1));
    assert!(bench.call(delete("k"), again_after(Nanos::secs(10))).is_ok());
    bench.written(put("k", 2));
    bench.run_to(Nanos::secs(12));
    assert_eq!(bench.content("k"), None);
    assert_eq!(bench.device.witnessed().duplicate_deleted_newer, 1);

    let sent = bench.now;
    assert!(bench.call(put_if("c", 1, Condition::IfNoneMatch), again_after(Nanos::secs(10))).is_ok());
    let version = bench.device.accounting(bench.now, BucketId(0)).unwrap();
    bench.run_to(sent + Nanos::secs(11));
    assert_eq!(bench.content("c"), Some(body(1)));
    assert!(bench.device.accounting(bench.now, BucketId(0)).unwrap().put_requests > version.put_requests);
}

#[test]
fn a_dead_owners_request_lands_and_is_not_answered() {
    let mut bench = store();
    let late = ObjectFate { outcome: Outcome::Reset { applied: false }, duplicate: Some(Nanos::secs(29)) };
    bench.send(put("k", 1), ObjectFate::OK);
    bench.send(put("late", 2), late);
    bench.device.owner_died(OWNER);
    bench.owner = Incarnation { node: NodeId(1), epoch: NodeEpoch(2) };
    assert_eq!(bench.content("k"), Some(body(1)));
    assert_eq!(bench.content("late"), None);
    bench.run_to(Nanos::secs(29));
    assert_eq!(bench.content("late"), Some(body(2)));
    bench.run_out();
    assert!(!bench.answers.contains_key(&1) && !bench.answers.contains_key(&2), "a dead owner was answered");
    assert_eq!(bench.device.witnessed().landed_after_death, 2);
    assert_eq!(bench.device.in_flight(), 0);
}

#[test]
#[should_panic(expected = "lands beyond the bound")]
fn a_late_effect_beyond_the_bound_cannot_be_asked_for() {
    store().send(put("k", 1), again_after(LATE_BOUND + Nanos(1)));
}

#[test]
fn what_would_take_effect_beyond_the_bound_never_does() {
    let mut bench = store();
    let slow = ObjectStoreFault::Brownout { az: None, latency_percent: 400_000, error_ppm: 0 };
    bench.device.inject(Nanos::ZERO, FaultId(1), slow, &mut Vec::new());
    assert_eq!(bench.call(put("k", 1), again_after(Nanos::secs(1))), Err(ObjectError::RequestTimeout));
    assert_eq!(bench.now, LATE_BOUND);
    bench.device.heal(bench.now, FaultId(1), &mut Vec::new());
    bench.run_to(Nanos::secs(1_000));
    assert_eq!(bench.content("k"), None);
    assert_eq!(bench.device.witnessed().dropped_beyond_bound, 1);
    let huge = ObjectOp::Put { key: key("k"), body: Blob::named(1, 4 << 30), condition: Condition::None };
    assert_eq!(bench.ok(huge), Err(ObjectError::RequestTimeout), "4 GiB take longer than the bound");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// Of writers that all want to be the one, exactly one is; with deletes between there is at most one an object.
    #[test]
    fn a_conditional_race_has_exactly_one_winner(
        offsets in prop::collection::vec(0u64..40, 2..8), seed: u64, if_match: bool, lifo: bool)
    {
        let mut bench = store_with(ObjectStoreProfile::assumed(), seed);
        bench.lifo = lifo;
        let condition = if if_match {
            Condition::IfMatch(bench.written(put("k", 999)))
        } else {
            Condition::IfNoneMatch
        };
        let start = bench.now;
        let mut at: Vec<u64> = offsets;
        at.sort_unstable();
        let mut tokens = Vec::new();
        for (i, ms) in at.iter().enumerate() {
            bench.run_to(start + Nanos::millis(*ms));
            tokens.push((bench.send(put_if("k", i as u64, condition), ObjectFate::OK), i as u64));
        }
        bench.run_out();
        let winners: Vec<u64> =
            tokens.iter().filter(|(t, _)| bench.answers[t].1.is_ok()).map(|&(_, i)| i).collect();
        prop_assert_eq!(winners.len(), 1);
        for (token, _) in &tokens {
            let answer = &bench.answers[token].1;
            prop_assert!(answer.is_ok() || *answer == Err(ObjectError::PreconditionFailed));
        }
        prop_assert_eq!(bench.content("k"), Some(body(winners[0])));
    }

    /// A read or list sent after a write's success sees it or something newer, whatever the tie-break.
    #[test]
    fn reads_and_lists_sent_after_a_success_see_it(seed: u64, lifo: bool, gaps in prop::collection::vec(0u64..60, 1..12)) {
        let mut bench = store_with(ObjectStoreProfile::assumed(), seed);
        bench.lifo = lifo;
        let mut sent = Vec::new();
        let mut acked_before = Vec::new();
        for (i, gap) in gaps.into_iter().enumerate() {
            // Only writes known to be done count; those under way may or may not show.
            sent.push(bench.send(put(&format!("a/{i:02}"), i as u64), ObjectFate::OK));
            bench.run_to(bench.now + Nanos::millis(gap));
            let acked: Vec<usize> = (0..sent.len()).filter(|&n| bench.answers.contains_key(&sent[n])).collect();
            let list = ObjectOp::List { prefix: key("a/"), from: ListFrom::Start, max_keys: 100, delimiter: None };
            acked_before.push((bench.send(list, ObjectFate::OK), acked));
        }
        bench.run_out();
        for (token, acked) in acked_before {
            let Ok(ObjectOk::Page(page)) = &bench.answers[&token].1 else { panic!() };
            for n in acked {
                let name = format!("a/{n:02}");
                prop_assert!(page.entries.iter().any(|e| *e.key == *name));
            }
            prop_assert!(page.entries.is_sorted_by(|a, b| a.key < b.key));
        }
    }

    /// Pages of any size, with or without a delimiter, are complete, sorted, without repetition, and equal to what
    /// filtering all keys by hand gives.
    #[test]
    fn pages_are_complete_and_sorted(
        names in prop::collection::btree_set("[ab/]{1,5}", 0..40), prefix in "[ab/]{0,2}", page in 1u32..8,
        delimiter in prop::option::of(prop::sample::select(vec!['/', 'b'])), after in prop::option::of("[ab/]{1,3}"))
    {
        let mut bench = store();
        for name in &names {
            bench.send(put(name, 1), ObjectFate::OK);
        }
        bench.run_out();
        let (mut keys, mut groups) = (Vec::new(), wavetank_sim::SortedSet::new());
        for name in names.iter().filter(|name| name.starts_with(&prefix)) {
            match delimiter.and_then(|d| name[prefix.len()..].find(d)) {
                Some(at) => { groups.insert(name[..prefix.len() + at + 1].to_owned()); }
                None => keys.push(name.clone()),
            }
        }
        let (got, got_groups, pages) = bench.list_all(&prefix, page, delimiter);
        prop_assert_eq!(got.iter().map(|k| k.to_string()).collect::<Vec<_>>(), keys.clone());
        prop_assert_eq!(got_groups.iter().map(|k| k.to_string()).collect::<Vec<_>>(),
            groups.iter().cloned().collect::<Vec<_>>());
        prop_assert_eq!(pages, (keys.len() + groups.len()).div_ceil(page as usize).max(1));
        if let Some(after) = after {
            let page = bench.page(&prefix, ListFrom::After(key(&after)), 1_000, delimiter);
            prop_assert_eq!(page.entries.iter().map(|e| e.key.to_string()).collect::<Vec<_>>(),
                keys.into_iter().filter(|k| *k > after).collect::<Vec<_>>());
            prop_assert_eq!(page.common_prefixes.iter().map(|k| k.to_string()).collect::<Vec<_>>(),
                groups.into_iter().filter(|g| *g > after).collect::<Vec<_>>());
        }
    }
}

#[test]
fn a_page_has_at_most_a_thousand_keys() {
    let mut bench = store();
    for i in 0..2_100 {
        bench.send(put(&format!("{i:04}"), 1), ObjectFate::OK);
    }
    bench.run_out();
    let (keys, _, pages) = bench.list_all("", 5_000, None);
    assert_eq!((keys.len(), pages), (2_100, 3));
}

#[test]
fn a_delete_that_races_with_a_conditional_put_gives_409_or_404() {
    // Effect and answer coincide, so the delete (25 ms) takes effect before the put (30 ms).
    let mut profile = ObjectStoreProfile::assumed();
    profile.latencies.arrival_ppm = 1_000_000;
    let mut bench = store_with(profile, 1);
    bench.written(put("k", 1));
    let racing = bench.send(put_if("k", 2, Condition::IfNoneMatch), ObjectFate::OK);
    bench.send(delete("k"), ObjectFate::OK);
    bench.run_out();
    assert_eq!(bench.answers[&racing].1, Err(ObjectError::ConditionalRequestConflict));
    assert!(bench.ok(put_if("k", 2, Condition::IfNoneMatch)).is_ok(), "a retry after 409 succeeds");

    let etag = bench.written(put("k", 3));
    let racing = bench.send(put_if("k", 4, Condition::IfMatch(etag)), ObjectFate::OK);
    bench.send(delete("k"), ObjectFate::OK);
    bench.run_out();
    assert_eq!(bench.answers[&racing].1, Err(ObjectError::NoSuchKey));
    // A delete of what is not there races with nothing.
    let calm = bench.send(put_if("k", 5, Condition::IfNoneMatch), ObjectFate::OK);
    bench.send(delete("k"), ObjectFate::OK);
    bench.run_out();
    assert!(bench.answers[&calm].1.is_ok());
    assert_eq!(bench.device.witnessed().conditional_conflicts, 1);
}

#[test]
fn tags_are_of_content_so_if_match_does_not_see_a_b_a() {
    let mut bench = store();
    let first = bench.written(put("k", 1));
    assert_ne!(bench.written(put("k", 2)), first);
    assert_eq!(bench.written(put("k", 1)), first);
    assert!(bench.ok(put_if("k", 3, Condition::IfMatch(first))).is_ok(), "A-B-A is not seen, as with MD5");
    assert_eq!(bench.ok(put_if("k", 4, Condition::IfMatch(first))), Err(ObjectError::PreconditionFailed));
}

#[test]
fn ranges_are_those_of_http() {
    let mut bench = store();
    let whole = Blob::named(1, 100);
    bench.written(put("k", 1));
    let mut read = |range| match bench.ok(ObjectOp::Get { key: key("k"), range: Some(range) }) {
        Ok(ObjectOk::Content { body, size: 100, .. }) => Ok(body),
        Ok(other) => panic!("{other:?}"),
        Err(error) => Err(error),
    };
    assert_eq!(read(ByteRange::Span { first: 10, last: 19 }), Ok(whole.slice(10..20)));
    assert_eq!(read(ByteRange::Span { first: 90, last: 5_000 }), Ok(whole.slice(90..100)));
    assert_eq!(read(ByteRange::Span { first: 0, last: u64::MAX }), Ok(whole.clone()));
    assert_eq!(read(ByteRange::From(99)), Ok(whole.slice(99..100)));
    assert_eq!(read(ByteRange::Suffix(3)), Ok(whole.slice(97..100)));
    assert_eq!(read(ByteRange::Suffix(300)), Ok(whole.clone()));
    for beyond in [ByteRange::From(100), ByteRange::Suffix(0), ByteRange::Span { first: 100, last: 100 }] {
        assert_eq!(read(beyond), Err(ObjectError::InvalidRange));
    }
}

#[test]
fn multipart_has_s3s_errors_and_its_leftovers_are_paid_for() {
    let mut bench = store();
    let upload = create(&mut bench, "big");
    let part = |upload, part_number, len| ObjectOp::UploadPart { upload, part_number, body: Blob::named(9, len) };
    let complete = |upload, parts| ObjectOp::CompleteMultipart { upload, parts, condition: Condition::None };
    let small = bench.written(part(upload, 1, PART_LEN_MIN - 1));
    let last = bench.written(part(upload, 7, 10));
    assert_eq!(bench.ok(part(upload, 0, 1)), Err(ObjectError::InvalidArgument));
    assert_eq!(bench.ok(part(upload, 10_001, 1)), Err(ObjectError::InvalidArgument));
    assert_eq!(bench.ok(part(UploadId(0), 1, 1)), Err(ObjectError::NoSuchUpload));
    assert_eq!(bench.ok(complete(upload, vec![])), Err(ObjectError::MalformedXml));
    assert_eq!(bench.ok(complete(upload, vec![(1, small), (7, last)])), Err(ObjectError::EntityTooSmall));
    assert_eq!(bench.ok(complete(upload, vec![(7, last), (1, small)])), Err(ObjectError::InvalidPartOrder));
    assert_eq!(bench.ok(complete(upload, vec![(1, last)])), Err(ObjectError::InvalidPart));
    assert_eq!(bench.ok(complete(upload, vec![(2, last)])), Err(ObjectError::InvalidPart));
    assert_eq!(bench.content("big"), None, "parts do not show");
    let now = bench.now;
    assert_eq!(bench.device.accounting(now, BucketId(0)).unwrap().stored_bytes, PART_LEN_MIN - 1 + 10);
    let first = bench.written(part(upload, 1, PART_LEN_MIN));
    let etag = bench.written(complete(upload, vec![(1, first), (7, last)]));
    assert_ne!(
        etag,
        bench.written(ObjectOp::Put {
            key: key("same bytes"),
            body: {
                let mut b = Blob::named(9, PART_LEN_MIN);
                b.append(&Blob::named(9, 10));
                b
            },
            condition: Condition::None,
        }),
        "the tag tells how it was cut"
    );
    assert_eq!(bench.content("big").unwrap().len(), PART_LEN_MIN + 10);
    assert_eq!(bench.ok(complete(upload, vec![(1, first)])), Err(ObjectError::NoSuchUpload));
    assert_eq!(bench.ok(ObjectOp::AbortMultipart { upload }), Err(ObjectError::NoSuchUpload));

    let copied = create(&mut bench, "copied");
    let range = Some(ByteRange::Span { first: 5, last: 9 });
    let copy = ObjectOp::UploadPartCopy { upload: copied, part_number: 1, source: key("big"), range };
    let etag = bench.written(copy);
    bench.written(complete(copied, vec![(1, etag)]));
    assert_eq!(bench.content("copied"), Some(Blob::named(9, PART_LEN_MIN).slice(5..10)));

    let left = create(&mut bench, "left");
    bench.written(part(left, 1, 77));
    assert_eq!(bench.device.open_uploads(BucketId(0)), 1);
    assert!(bench.ok(ObjectOp::AbortMultipart { upload: left }).is_ok());
    assert_eq!(bench.device.open_uploads(BucketId(0)), 0);
}

#[test]
fn a_conditional_completion_keeps_the_upload_after_412() {
    let mut bench = store();
    bench.written(put("k", 1));
    let upload = create(&mut bench, "k");
    let etag = bench.written(ObjectOp::UploadPart { upload, part_number: 1, body: body(2) });
    let complete = |condition| ObjectOp::CompleteMultipart { upload, parts: vec![(1, etag)], condition };
    assert_eq!(bench.ok(complete(Condition::IfNoneMatch)), Err(ObjectError::PreconditionFailed));
    assert!(bench.ok(complete(Condition::None)).is_ok());
    assert_eq!(bench.content("k"), Some(body(2)));
}

#[test]
fn bad_requests_are_answered_not_panicked_at() {
    let mut bench = store();
    assert_eq!(bench.ok(put("", 1)), Err(ObjectError::KeyTooLong));
    assert_eq!(bench.ok(put(&"x".repeat(1_025), 1)), Err(ObjectError::KeyTooLong));
    assert_eq!(bench.ok(ObjectOp::DeleteMany { keys: vec![] }), Err(ObjectError::MalformedXml));
    assert_eq!(bench.ok(ObjectOp::DeleteMany { keys: vec![key("k"); 1_001] }), Err(ObjectError::MalformedXml));
    let append = ObjectOp::Append { key: key("k"), offset: 0, body: body(1), condition: Condition::None };
    assert_eq!(bench.ok(append), Err(ObjectError::NotImplemented));
    let mut out = Vec::new();
    let caller = Caller { token: 900, owner: OWNER, from_az: 0 };
    bench.device.submit(bench.now, caller, BucketId(5), get("k"), ObjectFate::OK, &mut out);
    assert!(matches!(out[..], [crate::cloud::Output::Wake { .. }]));
}

#[test]
fn beyond_the_rate_comes_503_at_once_without_effect_and_with_a_hint() {
    let mut bench = store();
    // 7,000 a second for 4 s on one prefix: 3,500 a second and one second's burst get through.
    let mut tokens = Vec::new();
    for i in 0..28_000u64 {
        bench.run_to(Nanos(i * 1_000_000_000 / 7_000));
        tokens.push((bench.now, bench.send(put("hot/k", i), ObjectFate::OK)));
    }
    let other = bench.ok(put("cold/k", 1));
    assert!(other.is_ok());
    bench.run_out();
    let (mut ok, mut slow) = (0u64, 0u64);
    for (sent, token) in tokens {
        match &bench.answers[&token] {
            (_, Ok(_)) => ok += 1,
            (at, Err(ObjectError::SlowDown { retry_after })) => {
                assert!(*at - sent == Nanos::millis(5) && *retry_after == Nanos::secs(1));
                slow += 1;
            }
            other => panic!("{other:?}"),
        }
    }
    assert!((17_498..=17_500).contains(&ok), "{ok}");
    assert_eq!(slow, 28_000 - ok);
    assert_eq!(bench.device.witnessed().throttled, slow);
    let bill = bench.device.accounting(bench.now, BucketId(0)).unwrap();
    assert_eq!(bill.put_requests, ok + 1, "a 503 is free");
}

#[test]
fn a_delete_of_many_keys_counts_each_and_reports_those_over_the_rate() {
    let mut profile = ObjectStoreProfile::assumed();
    profile.limits.burst_ms = 100;
    let mut bench = store_with(profile, 1);
    let keys: Vec<Key> = (0..400).map(|i| key(&format!("p/{i}"))).collect();
    for k in &keys {
        bench.run_to(bench.now + Nanos::millis(1));
        bench.send(put(k, 1), ObjectFate::OK);
    }
    bench.run_to(Nanos::secs(10));
    let Ok(ObjectOk::GoneExcept(failed)) = bench.ok(ObjectOp::DeleteMany { keys: keys.clone() }) else { panic!() };
    assert_eq!(failed, (350..400).collect::<Vec<u32>>());
    let left: Vec<Key> = bench.device.peek_keys(BucketId(0)).cloned().collect();
    assert_eq!(left.len(), 50);
}

#[test]
fn a_key_of_many_that_was_not_deleted_races_with_nothing() {
    let mut profile = ObjectStoreProfile::assumed();
    profile.latencies.arrival_ppm = 1_000_000;
    (profile.limits.put_per_sec, profile.limits.burst_ms) = (1, 1_000);
    let mut bench = store_with(profile, 1);
    let etag = bench.written(put("k", 1));
    bench.run_to(Nanos::secs(5));
    let racing = bench.send(put_if("k", 2, Condition::IfMatch(etag)), ObjectFate::OK);
    let over = bench.send(ObjectOp::DeleteMany { keys: vec![key("k")] }, ObjectFate::OK);
    bench.run_out();
    assert_eq!(bench.answers[&over].1, Ok(ObjectOk::GoneExcept(vec![0])));
    assert!(bench.answers[&racing].1.is_ok(), "{:?}", bench.answers[&racing]);
}

#[test]
fn an_outage_hangs_requests_loses_answers_and_never_content() {
    let mut bench = store();
    bench.written(put("safe", 1));
    let mut out = Vec::new();
    // The way from AZ 0 is cut while a PUT is under way: applied, and its answer lost.
    let cut = bench.now;
    let under_way = bench.send(put("k", 2), ObjectFate::OK);
    bench.device.inject(bench.now, FaultId(1), ObjectStoreFault::Outage { az: Some(0) }, &mut out);
    let hung = bench.send(put("never", 3), again_after(Nanos::secs(1)));
    bench.run_out();
    for token in [under_way, hung] {
        assert_eq!(bench.answers[&token], (cut + Nanos::secs(10), Err(ObjectError::TimedOut)));
    }
    bench.from_az = 1;
    assert_eq!(bench.content("k"), Some(body(2)), "another AZ sees what was sent before");
    assert_eq!(bench.content("never"), None);
    // The region is down: nothing is applied, and after the heal all is as before.
    let under_way = bench.send(put("k", 4), again_after(Nanos::secs(2)));
    bench.device.inject(bench.now, FaultId(2), ObjectStoreFault::Outage { az: None }, &mut out);
    bench.run_out();
    assert_eq!(bench.answers[&under_way].1, Err(ObjectError::TimedOut));
    bench.device.heal(bench.now, FaultId(2), &mut out);
    assert_eq!(bench.content("k"), Some(body(2)));
    bench.from_az = 0;
    assert_eq!(bench.call(get("safe"), ObjectFate::OK), Err(ObjectError::TimedOut), "fault 1 holds on");
    bench.device.heal(bench.now, FaultId(1), &mut out);
    assert_eq!(bench.content("safe"), Some(body(1)));
    assert!(out.is_empty());
}

#[test]
fn a_brownout_slows_and_fails_its_az_only_and_heals_exactly() {
    let mut bench = store();
    let mut out = Vec::new();
    let brownout = ObjectStoreFault::Brownout { az: Some(0), latency_percent: 1_000, error_ppm: 200_000 };
    bench.device.inject(Nanos::ZERO, FaultId(1), brownout, &mut out);
    let slow = ObjectStoreFault::SlowPrefix {
        bucket: BucketId(0),
        prefix: key("slow/"),
        latency_percent: 200,
        slow_down_ppm: 500_000,
    };
    bench.device.inject(Nanos::ZERO, FaultId(2), slow, &mut out);
    let failures = |bench: &mut Bench<ObjectStore>, az: u8, name: &str| {
        bench.from_az = az;
        let started = bench.now;
        let failed =
            (0..500).filter(|_| bench.ok(ObjectOp::Head { key: key(name) }).err() != Some(ObjectError::NoSuchKey));
        (failed.count(), bench.now - started)
    };
    let (failed, took) = failures(&mut bench, 0, "k");
    assert!((60..140).contains(&failed) && took > Nanos::secs(70), "{failed} {took:?}");
    assert_eq!(failures(&mut bench, 1, "k"), (0, Nanos::millis(20 * 500)));
    let (failed, _) = failures(&mut bench, 1, "slow/k");
    assert!((200..300).contains(&failed), "{failed}");
    bench.device.heal(bench.now, FaultId(1), &mut out);
    bench.device.heal(bench.now, FaultId(2), &mut out);
    assert_eq!(failures(&mut bench, 0, "slow/k"), (0, Nanos::millis(20 * 500)));
}

#[test]
fn latency_is_first_byte_plus_transfer_at_one_connections_pace() {
    let mut bench = store();
    let sent = bench.now;
    bench.written(ObjectOp::Put { key: key("k"), body: Blob::named(1, 8 << 20), condition: Condition::None });
    assert_eq!(bench.now - sent, Nanos::millis(30 + 8 * 12));
    let sent = bench.now;
    assert!(bench.ok(ObjectOp::Get { key: key("k"), range: Some(ByteRange::From(4 << 20)) }).is_ok());
    assert_eq!(bench.now - sent, Nanos::millis(25 + 4 * 12));
}

#[test]
fn a_body_that_the_driver_passed_counts_from_when_it_was_sent_and_is_admitted_when_it_is_there() {
    let put = || ObjectOp::Put { key: key("k"), body: Blob::named(1, 8 << 20), condition: Condition::None };
    let caller = |token| Caller { token, owner: OWNER, from_az: 0 };
    let mut store = ObjectStore::new(ObjectStoreProfile::assumed(), &Choices::new(1), 0);
    let bucket = store.create_bucket(Nanos::ZERO);
    assert_eq!(store.upload_takes(0, bucket, &put()), Nanos::millis(8 * 12));
    let mut out = Vec::new();
    // A shared card made it two seconds: latency comes after them.
    store.submit_uploaded(Nanos::secs(5), Nanos::secs(3), caller(1), bucket, put(), ObjectFate::OK, &mut out);
    let Some(Output::Wake { at: effect, step }) = out.pop() else { panic!("it takes effect") };
    assert!(Nanos::secs(5) <= effect && effect <= Nanos::millis(5_030), "{effect:?}");
    store.step(effect, step, &mut out);
    let Some(Output::Wake { at: answer, .. }) = out.pop() else { panic!("it is answered") };
    assert_eq!(answer, Nanos::millis(5_030));
    // Longer under way than any request may be: dropped, and said so.
    let (sent, now) = (Nanos::secs(10), Nanos::secs(10) + LATE_BOUND);
    store.submit_uploaded(now, sent, caller(2), bucket, put(), ObjectFate::OK, &mut out);
    let Some(Output::Wake { at, step }) = out.pop() else { panic!("it is answered") };
    store.step(at, step, &mut out);
    let refused = |done: &ObjectDone| done.result == Err(ObjectError::RequestTimeout);
    assert!(at == now && matches!(&out[..], [Output::Done(done)] if refused(done)), "{out:?}");
}

#[test]
fn the_bill_counts_requests_bytes_and_byte_seconds() {
    let mut bench = store();
    bench.written(put("k", 1));
    let start = bench.device.accounting(bench.now, BucketId(0)).unwrap();
    assert_eq!((start.put_requests, start.bytes_in, start.stored_bytes), (1, 100, 100));
    let later = bench.now + Nanos::secs(10);
    bench.run_to(later);
    let end = bench.device.accounting(later, BucketId(0)).unwrap();
    assert_eq!(end.stored_byte_nanos - start.stored_byte_nanos, 100 * 10_000_000_000);
    assert!(bench.ok(get("k")).is_ok() && bench.ok(ObjectOp::Head { key: key("k") }).is_ok());
    bench.page("", ListFrom::Start, 10, None);
    assert!(bench.ok(delete("k")).is_ok() && bench.ok(delete("k")).is_ok());
    let bill = bench.device.accounting(bench.now, BucketId(0)).unwrap();
    assert_eq!((bill.put_requests, bill.get_requests, bill.delete_requests), (2, 2, 2));
    assert_eq!((bill.bytes_out, bill.stored_bytes), (100, 0));
}

#[test]
fn the_same_seed_gives_the_same_history_and_another_seed_another() {
    let history = |seed| {
        let mut bench = store_with(
            ObjectStoreProfile {
                latencies: ObjectLatencies {
                    list: Latency::constant(Nanos::millis(3)),
                    ..ObjectStoreProfile::assumed().latencies
                },
                ..ObjectStoreProfile::assumed()
            },
            seed,
        );
        let mut fates = Choices::new(seed).stream(Domain::new("test/fates"), 0);
        let rates = ObjectRates { reset_ppm: 300_000, duplicate_ppm: 300_000, ..ObjectRates::default() };
        for i in 0..200 {
            let fate = ObjectFate::draw(&rates, &mut fates);
            bench.send(put(&format!("k{}", i % 3), i), fate);
            bench.send(get(&format!("k{}", i % 3)), ObjectFate::OK);
            bench.run_to(bench.now + Nanos::millis(9));
        }
        bench.run_out();
        (bench.answers, *bench.device.witnessed())
    };
    assert_eq!(history(3), history(3));
    assert_ne!(history(3).0, history(4).0);
}

#[test]
fn a_step_is_small() {
    assert!(std::mem::size_of::<ObjectStep>() <= 16);
}
