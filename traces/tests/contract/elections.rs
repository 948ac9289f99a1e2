//! Promises that faults end.

use super::bench::both;
use wavetank_traces::check::Verdict::{Invalid, Unknown, Valid};

/// Sent from 0 to 10 ns; a reader at 30 ns finds the first and the last.
const LOST: &str = "
    1 ok send s:x@0=10+5
    2 ok poll p:x@0=10 p:x@4=14";

fn key(text: &str) -> String {
    format!(r#"{{"quiesced": true, "keys": {{"x": {{{text}}}}}}}"#)
}

#[test]
fn an_unclean_election_ends_promises_above_its_point() {
    let election = |more: &str| key(&format!(r#""unclean_elections": [{{"at": 20 {more}}}]"#));
    let ended = |values: &str| format!("promise-ended {values} (an unclean leader election at 20 ns)");
    both(LOST, &election("")).jepsen(Invalid, &["lost-write", "unseen", "int-poll-skip"]).kafka(
        Valid,
        &[
            &format!("lost-write {}", ended("11..14")),
            &format!("unseen {}", ended("[11..14]")),
            &format!("int-poll-skip {}", ended("[11..14]")),
        ],
    );
    both(LOST, &election(r#", "offset": 2"#)).kafka(
        Invalid,
        &[
            &format!("lost-write {}", ended("12..14")),
            &format!("unseen {}", ended("[12..14]")),
            &format!("int-poll-skip {}", ended("[12..14]")),
            "lost-write violation 11..12",
            "unseen violation [11..12]",
            "int-poll-skip violation [11..12]",
        ],
    );
}

#[test]
fn an_election_explains_only_what_was_sent_before_and_missed_after() {
    let text = "
        1 ok send t=5 s:x@0=10
        1 ok send t=100 s:x@1=11+2
        1 ok send t=110 s:x@3=13
        2 ok poll t=200 p:x@0=10
        2 ok poll t=210 p:x@3=13";
    let at = |at: u64| key(&format!(r#""unclean_elections": [{{"at": {at}}}]"#));
    let ended =
        &["lost-write promise-ended 11..13", "unseen promise-ended [11..13]", "poll-skip promise-ended [11..13]"];
    // Nobody else saw 11 and 12, so that they lie there is known from their acknowledgement.
    both(text, &at(100)).jepsen(Invalid, &["lost-write", "unseen", "poll-skip"]).kafka(Valid, ended);
    both(text, &at(210)).kafka(Valid, ended);
    let not = &["lost-write violation 11..13", "unseen violation [11..13]", "poll-skip violation [11..13]"];
    both(text, &at(99)).kafka(Invalid, not);
    both(text, &at(211)).kafka(Invalid, not);
}

#[test]
fn an_election_that_is_forbidden_excuses_nothing_unless_somebody_asked_for_it() {
    let text = "
        1 ok send s:x@0=10+5
        2 ok poll p:x@4=14";
    let forbidden = |requested: bool| {
        key(&format!(
            r#""settings": {{"unclean.leader.election.enable": false}},
               "unclean_elections": [{{"at": 20, "requested": {requested}}}]"#
        ))
    };
    both(text, &forbidden(true))
        .jepsen(Invalid, &["lost-write", "unseen"])
        .kafka(Valid, &["lost-write promise-ended 10..14", "unseen promise-ended [10..14]"]);
    both(text, &forbidden(false)).kafka(Invalid, &["lost-write violation 10..14", "unseen violation [10..14]"]);
}

#[test]
fn elections_that_are_allowed_but_not_listed_leave_losses_unknown() {
    let text = "
        1 ok send s:x@0=10+5
        2 ok poll p:x@4=14";
    let enabled = r#""settings": {"unclean.leader.election.enable": true}"#;
    let why = "(nobody listed unclean elections)";
    both(text, &key(enabled))
        .jepsen(Invalid, &["lost-write", "unseen"])
        .kafka(Unknown, &[&format!("lost-write unknown 10..14 {why}"), &format!("unseen unknown [10..14] {why}")]);
    let none = format!(r#"{enabled}, "unclean_elections": []"#);
    both(text, &key(&none)).kafka(Invalid, &["lost-write violation 10..14", "unseen violation [10..14]"]);
    let reused = "
        1 ok send s:x@0=10
        3 ok send s:x@0=11
        2 ok poll p:x@0=10
        4 ok poll p:x@0=11";
    both(reused, &key(enabled)).kafka(Unknown, &["inconsistent-offsets unknown @0 (nobody listed)"]);
}

#[test]
fn offsets_are_reused_and_values_doubled_after_an_unclean_election() {
    let at = |at: u64, offset: u64| key(&format!(r#""unclean_elections": [{{"at": {at}, "offset": {offset}}}]"#));
    let reused = "
        1 ok send t=50 s:x@0=9+2
        3 ok send s:x@1=11
        2 ok poll p:x@0=9+2
        4 ok poll p:x@0=9,x@1=11";
    let ended = &["inconsistent-offsets promise-ended @1 (an unclean leader election)"];
    both(reused, &at(55, 1)).jepsen(Invalid, &["inconsistent-offsets"]).kafka(Valid, ended);
    both(reused, &at(20, 1)).kafka(Valid, ended);
    both(reused, &at(19, 1)).kafka(Invalid, &["inconsistent-offsets violation @1"]);
    both(reused, &at(55, 2)).kafka(Invalid, &["inconsistent-offsets violation @1"]);

    let doubled = "
        1 info send t=50 s:x=10
        3 ok send s:x@2=11
        2 ok poll p:x@0=10
        4 ok poll p:x@2=11,x@3=10";
    let ended = &["duplicate promise-ended 10 (an unclean leader election)"];
    both(doubled, &at(50, 3)).jepsen(Invalid, &["duplicate"]).kafka(Valid, ended);
    both(doubled, &at(50, 4)).kafka(Invalid, &["duplicate violation 10"]);
    both(doubled, &at(49, 3)).kafka(Invalid, &["duplicate violation 10"]);
}

#[test]
fn consumers_and_producers_go_back_after_an_unclean_election() {
    let at = |at: u64, offset: u64| key(&format!(r#""unclean_elections": [{{"at": {at}, "offset": {offset}}}]"#));
    let consumer = "
        1 ok send s:x@0=10+5
        2 ok poll p:x@0=10+5
        2 ok poll p:x@3=13+2";
    let ended = &["nonmonotonic-poll promise-ended 14->13 (an unclean leader election)"];
    let not = &["nonmonotonic-poll violation 14->13"];
    // The polls are at 20 to 30 and 40 to 50 ns.
    both(consumer, &at(20, 4)).jepsen(Invalid, &["nonmonotonic-poll"]).kafka(Valid, ended);
    both(consumer, &at(50, 4)).kafka(Valid, ended);
    both(consumer, &at(19, 4)).kafka(Invalid, not);
    both(consumer, &at(51, 4)).kafka(Invalid, not);
    both(consumer, &at(50, 5)).kafka(Invalid, not);

    let producer = "
        1 ok send s:x@4=10
        1 ok send s:x@3=11
        2 ok poll p:x@3=11,x@4=10";
    let ended = &["nonmonotonic-send promise-ended 10->11 (an unclean leader election)"];
    let not = &["nonmonotonic-send violation 10->11"];
    both(producer, &at(0, 4)).jepsen(Invalid, &["nonmonotonic-send"]).kafka(Valid, ended);
    both(producer, &at(30, 4)).kafka(Valid, ended);
    both(producer, &at(31, 4)).kafka(Invalid, not);
    both(producer, &at(30, 5)).kafka(Invalid, not);
}

#[test]
fn aborted_records_may_come_back_after_an_unclean_election() {
    let text = "
        1 fail txn t=20 s:x=10
        2 ok poll p:x@5=10";
    let at = |at: u64, offset: u64| key(&format!(r#""unclean_elections": [{{"at": {at}, "offset": {offset}}}]"#));
    both(text, &at(30, 5)).jepsen(Invalid, &["G1a"]).kafka(Valid, &["G1a promise-ended 10..11"]);
    both(text, &at(30, 6)).kafka(Invalid, &["G1a violation 10..11"]);
    both(text, &at(31, 5)).kafka(Invalid, &["G1a violation 10..11"]);
}

const TAIL: &str = "
    1 ok send s:x@0=10+5
    2 ok poll p:x@4=14";

fn acks_one(changes: &str) -> String {
    format!(r#"{{"quiesced": true, "processes": {{"1": {{"acks": "1"}}}}, "keys": {{"x": {{{changes}}}}}}}"#)
}

#[test]
fn acks_one_does_not_survive_a_change_of_the_leader() {
    let by = "(a change of the leader at 10 ns, which acks=1 does not survive)";
    let ended = [format!("lost-write promise-ended 10..14 {by}"), format!("unseen promise-ended [10..14] {by}")];
    let change = r#""leader_changes": [{"at": 10}]"#;
    both(TAIL, &acks_one(change)).jepsen(Invalid, &["lost-write", "unseen"]).kafka(Valid, &[&ended[0], &ended[1]]);
    both(TAIL, &key(change)).kafka(Invalid, &["lost-write violation 10..14", "unseen violation [10..14]"]);
    let point = r#""leader_changes": [{"at": 10, "offset": 3}]"#;
    both(TAIL, &acks_one(point)).kafka(
        Invalid,
        &[
            "lost-write promise-ended 13..14",
            "lost-write violation 10..13",
            "unseen promise-ended [13..14]",
            "unseen violation [10..13]",
        ],
    );
}

#[test]
fn acks_one_without_a_list_of_leaders_is_unknown() {
    both(TAIL, &acks_one(""))
        .jepsen(Invalid, &["lost-write", "unseen"])
        .kafka(Unknown, &["lost-write unknown 10..14 (acks is not all)", "unseen unknown [10..14] (acks is not all)"]);
    both(TAIL, &acks_one(r#""leader_changes": []"#))
        .kafka(Invalid, &["lost-write violation 10..14", "unseen violation [10..14]"]);
}

#[test]
fn what_was_read_survives_a_change_of_the_leader_whatever_the_acks() {
    let text = "
        1 fail txn s:x=10
        2 ok poll p:x@0=10";
    for changes in ["", r#""leader_changes": [{"at": 10}]"#] {
        both(text, &acks_one(changes)).jepsen(Invalid, &["G1a"]).kafka(Invalid, &["G1a violation 10..11"]);
    }
}

#[test]
fn an_offset_acknowledged_by_one_leader_is_reused_by_the_next() {
    let text = "
        1 ok send s:x@0=10
        3 ok send s:x@0=11
        2 ok poll p:x@0=11";
    let change = r#""leader_changes": [{"at": 15}]"#;
    both(text, &acks_one(change)).jepsen(Invalid, &["inconsistent-offsets", "lost-write", "unseen"]).kafka(
        Valid,
        &[
            "inconsistent-offsets promise-ended @0 (which acks=1 does not survive)",
            "lost-write promise-ended 10..11",
            "unseen promise-ended [10..11]",
        ],
    );
    let both = both(text, &key(change));
    assert_eq!(both.kafka.verdict, Invalid);
}

#[test]
fn a_producers_next_record_may_come_first_after_a_change_of_the_leader_under_acks_one() {
    let text = "
        1 ok send s:x@4=10
        1 ok send s:x@3=11
        2 ok poll p:x@3=11,x@4=10";
    let change = r#""leader_changes": [{"at": 15}]"#;
    both(text, &acks_one(change))
        .jepsen(Invalid, &["nonmonotonic-send"])
        .kafka(Valid, &["nonmonotonic-send promise-ended 10->11 (which acks=1 does not survive)"]);
    both(text, &key(change)).kafka(Invalid, &["nonmonotonic-send violation 10->11"]);
}

#[test]
fn acks_all_survives_fewer_lossy_shutdowns_than_min_isr() {
    let shutdown = |min: u32, replicas: u32, settings: &str, more: &str| {
        format!(
            r#"{{"quiesced": true, "topics": {{"min.insync.replicas": {min}{settings}}},
                "keys": {{"x": {{"leader_changes": []}}}},
                "lossy_shutdowns": [{{"at": 10, "replicas": {replicas}{more}}}]}}"#
        )
    };
    let not = &["lost-write violation 10..14", "unseen violation [10..14]"];
    let ended =
        |by: &str| [format!("lost-write promise-ended 10..14 ({by})"), format!("unseen promise-ended [10..14] ({by})")];
    let valid = |context: &str, by: &str| {
        let ended = ended(by);
        both(TAIL, context).jepsen(Invalid, &["lost-write", "unseen"]).kafka(Valid, &[&ended[0], &ended[1]]);
    };
    valid(&shutdown(2, 2, "", ""), "2 in-sync replicas lost unflushed data at 10 ns, with min.insync.replicas=2");
    both(TAIL, &shutdown(2, 1, "", "")).kafka(Invalid, not);
    valid(&shutdown(1, 1, "", ""), "1 in-sync replicas lost");
    valid(
        &shutdown(2, 1, r#", "eligible_leader_replicas": false"#, r#", "last_in_sync": true"#),
        "last replica standing",
    );
    both(TAIL, &shutdown(2, 1, r#", "eligible_leader_replicas": true"#, r#", "last_in_sync": true"#))
        .kafka(Invalid, not);
    both(TAIL, &shutdown(2, 1, r#", "eligible_leader_replicas": false"#, "")).kafka(Invalid, not);
    both(TAIL, &shutdown(2, 2, "", r#", "keys": ["y"]"#)).kafka(Invalid, not);
    valid(&shutdown(2, 2, "", r#", "keys": ["y", "x"]"#), "2 in-sync");
}

#[test]
fn acks_one_does_not_survive_one_lossy_shutdown() {
    let context = r#"{"quiesced": true, "clients": {"acks": "1"}, "topics": {"min.insync.replicas": 2},
        "keys": {"x": {"leader_changes": []}}, "lossy_shutdowns": [{"at": 10}]}"#;
    both(TAIL, context).kafka(
        Valid,
        &[
            "lost-write promise-ended 10..14 (a replica lost unflushed data at 10 ns, which acks=1 does not survive)",
            "unseen promise-ended [10..14]",
        ],
    );
}

#[test]
fn a_fault_beyond_the_budget_ends_all_promises_while_it_lasts() {
    let fault = |from: i64, to: &str, keys: &str| {
        format!(r#"{{"quiesced": true, "faults": [{{"name": "two zones burnt", "from": {from}{to}{keys}}}]}}"#)
    };
    // Sent from 0 ns on, missed at 30 ns.
    let ended =
        &["lost-write promise-ended 10..14 (two zones burnt, from", "unseen promise-ended [10..14] (two zones burnt"];
    let not = &["lost-write violation 10..14", "unseen violation [10..14]"];
    for (from, to, keys, ends) in [
        (30, "", "", true),
        (31, "", "", false),
        (-9, r#", "to": 0"#, "", true),
        (-9, r#", "to": -1"#, "", false),
        (10, "", r#", "keys": ["x"]"#, true),
        (10, "", r#", "keys": ["y"]"#, false),
    ] {
        let verdict = if ends { Valid } else { Invalid };
        both(TAIL, &fault(from, to, keys))
            .jepsen(Invalid, &["lost-write", "unseen"])
            .kafka(verdict, if ends { ended } else { not });
    }
    let others = "
        1 ok txn s:x@0=10 p:x@0=10
        2 ok poll p:x@1=99";
    both(others, &fault(30, "", ""))
        .kafka(Invalid, &["precommitted-read violation 10..11", "no-writer-of-value promise-ended 99..100"]);
    both(others, &fault(10, "", ""))
        .kafka(Valid, &["precommitted-read promise-ended 10..11", "no-writer-of-value promise-ended 99..100"]);
}

#[test]
fn a_topic_that_was_deleted_begins_anew() {
    let text = "
        1 ok send s:x@0=10+3
        2 ok poll p:x@0=10+3
        1 ok send s:x@0=20
        2 ok poll p:x@0=20";
    let deletion = |at: u64| key(&format!(r#""deletions": [{{"at": {at}}}]"#));
    let again = both(text, &deletion(35));
    assert_eq!((again.jepsen.verdict, again.kafka.verdict), (Invalid, Valid));
    assert!(again.kafka.all().count() > 0);
    let by = "the deletion of the topic at 35 ns".to_owned();
    let deleted = wavetank_traces::contract::Class::Allowed { by };
    assert!(again.kafka.all().all(|finding| finding.class == deleted), "{:?}", again.kafka.findings);
    assert_eq!(both(text, &deletion(80)).kafka.verdict, Invalid);
}

#[test]
fn what_was_lost_beyond_the_end_is_judged_like_any_other_loss() {
    let text = "
        1 ok send s:x@0=10+5
        2 ok poll p:x@0=10+3";
    let context = |point: u64| {
        key(&format!(r#""end": {{"log_end_offset": 3}}, "unclean_elections": [{{"at": 20, "offset": {point}}}]"#))
    };
    both(text, &context(3))
        .jepsen(Invalid, &["unseen"])
        .kafka(Valid, &["lost-write promise-ended 13..15 (an unclean leader election)"]);
    both(text, &context(4)).kafka(Invalid, &["lost-write promise-ended 14..15", "lost-write violation 13..14"]);
}
