//! Where consumers stand.

use super::bench::{both, history};
use wavetank_traces::check::Verdict::{Invalid, Unknown, Valid};
use wavetank_traces::check::{Options, check};
use wavetank_traces::contract::{Context, check_kafka};

/// Process 2 polls 10, at 50 ns, then 13, at 70 ns, where 3 finds everything.
const FORWARD: &str = "
    1 ok send s:x@0=10+5
    2 ok assign k:x
    2 ok poll p:x@0=10
    2 ok poll p:x@3=13+2
    3 ok poll p:x@0=10+5";

/// Process 2 polls 13, at 50 ns, then 11.
const BACK: &str = "
    1 ok send s:x@0=10+5
    2 ok assign k:x
    2 ok poll p:x@0=10+4
    2 ok poll p:x@1=11+4";

fn seek(to: &str, at: &str) -> String {
    format!(r#"{{"seeks": [{{"process": 2, "key": "x", "to": {to}, "at": {at}}}]}}"#)
}

#[test]
fn a_seek_forward_is_no_skip() {
    for at in [r#"{"index": 6}"#, r#"{"time": 50}"#, r#"{"time": 70}"#] {
        both(FORWARD, &seek("3", at))
            .jepsen(Invalid, &["poll-skip"])
            .kafka(Valid, &["poll-skip allowed [11..13] (an explicit seek of process 2 to offset 3)"]);
    }
    both(FORWARD, &seek("\"end\"", r#"{"index": 6}"#)).kafka(Valid, &["poll-skip allowed [11..13] (to the end)"]);
}

#[test]
fn a_seek_excuses_only_what_lies_before_it_and_only_its_own_consumer() {
    both(FORWARD, &seek("2", r#"{"index": 6}"#))
        .kafka(Invalid, &["poll-skip allowed [11..12] (to offset 2)", "poll-skip violation [12..13]"]);
    for at in [r#"{"index": 5}"#, r#"{"index": 8}"#, r#"{"time": 49}"#, r#"{"time": 71}"#] {
        both(FORWARD, &seek("3", at)).kafka(Invalid, &["poll-skip violation [11..13]"]);
    }
    let another = r#"{"seeks": [{"process": 3, "key": "x", "to": 3, "at": {"index": 6}},
                               {"process": 2, "key": "y", "to": 3, "at": {"index": 6}}]}"#;
    both(FORWARD, another).kafka(Invalid, &["poll-skip violation [11..13]"]);
    both(FORWARD, &seek("\"beginning\"", r#"{"index": 6}"#)).kafka(Invalid, &["poll-skip violation [11..13]"]);
}

#[test]
fn a_seek_back_is_not_nonmonotonic() {
    for to in ["0", "1", "\"beginning\"", "\"end\""] {
        both(BACK, &seek(to, r#"{"index": 6}"#))
            .jepsen(Invalid, &["nonmonotonic-poll"])
            .kafka(Valid, &["nonmonotonic-poll allowed 13->11 (an explicit seek)"]);
    }
    both(BACK, &seek("2", r#"{"index": 6}"#)).kafka(Invalid, &["nonmonotonic-poll violation 13->11"]);
    both(BACK, "{}").kafka(Invalid, &["nonmonotonic-poll violation 13->11"]);
}

#[test]
fn a_seek_within_an_operation_explains_its_polls() {
    let inner = "
        1 ok send s:x@0=10+5
        2 ok poll p:x@0=10 p:x@3=13 p:x@1=11
        3 ok poll p:x@0=10+5";
    let seeks =
        |index: u64| format!(r#"{{"seeks": [{{"process": 2, "key": "x", "to": "end", "at": {{"index": {index}}}}}]}}"#);
    both(inner, &seeks(3)).jepsen(Invalid, &["int-poll-skip", "int-nonmonotonic-poll"]).kafka(
        Valid,
        &[
            "int-poll-skip allowed [11..13] (an explicit seek)",
            "int-nonmonotonic-poll allowed 13->11 (an explicit seek)",
        ],
    );
    both(inner, &seeks(2))
        .kafka(Invalid, &["int-poll-skip violation [11..13]", "int-nonmonotonic-poll violation 13->11"]);
}

#[test]
fn an_assign_that_seeks_to_the_beginning_is_a_seek() {
    let seeks = |kind: &str, words: &str| {
        format!(
            "1 ok send s:x@0=10+5
            2 ok assign k:x
            2 ok poll p:x@0=10+4
            2 {kind} {words} k:x
            2 ok poll p:x@0=10+5"
        )
    };
    for kind in ["ok", "info"] {
        both(&seeks(kind, "assign beginning"), "{}")
            .jepsen(Invalid, &["nonmonotonic-poll"])
            .kafka(Valid, &["nonmonotonic-poll allowed 13->10 (seek-to-beginning? of process 2)"]);
    }
    both(&seeks("fail", "assign beginning"), "{}").kafka(Invalid, &["nonmonotonic-poll violation 13->10"]);
    both(&seeks("ok", "assign"), "{}").kafka(Invalid, &["nonmonotonic-poll violation 13->10"]);
}

#[test]
fn an_offset_reset_is_no_skip_and_not_nonmonotonic() {
    let reset =
        |to: &str| format!(r#"{{"offset_resets": [{{"process": 2, "key": "x", "to": {to}, "at": {{"time": 60}}}}]}}"#);
    both(FORWARD, &reset("\"end\""))
        .jepsen(Invalid, &["poll-skip"])
        .kafka(Valid, &["poll-skip allowed [11..13] (an offset reset of process 2 to the end)"]);
    both(BACK, &reset("\"beginning\""))
        .jepsen(Invalid, &["nonmonotonic-poll"])
        .kafka(Valid, &["nonmonotonic-poll allowed 13->11 (an offset reset)"]);
}

#[test]
fn what_all_readers_sought_past_is_not_lost() {
    let text = "
        1 ok send s:x@0=10+5
        2 ok poll p:x@3=13+2";
    for (to, by) in [("3", "to offset 3"), ("\"end\"", "to the end")] {
        both(text, &seek(to, r#"{"index": 2}"#))
            .jepsen(Invalid, &["lost-write", "unseen"])
            .kafka(Valid, &[&format!("lost-write allowed 10..13 ({by})"), &format!("unseen allowed [10..13] ({by})")]);
    }
    both(text, &seek("2", r#"{"index": 2}"#)).kafka(
        Invalid,
        &[
            "lost-write allowed 10..12 (to offset 2)",
            "lost-write violation 12..13",
            "unseen allowed [10..12] (to offset 2)",
            "unseen violation [12..13]",
        ],
    );
    both(text, &seek("\"beginning\"", r#"{"index": 2}"#))
        .kafka(Invalid, &["lost-write violation 10..13", "unseen violation [10..13]"]);
    let another = "
        1 ok send s:x@0=10+5
        2 ok poll p:x@3=13+2
        3 ok poll p:x@4=14";
    both(another, &seek("3", r#"{"index": 2}"#))
        .kafka(Invalid, &["lost-write violation 10..13", "unseen violation [10..13]"]);
}

#[test]
fn a_consumer_that_begins_at_the_end_has_not_lost_what_lies_before() {
    let text = "
        1 ok send s:x@0=10+6
        1 ok send s:y@3=20
        2 ok poll p:x@3=13
        2 ok poll p:x@5=15
        3 ok poll p:y@3=20
        3 ok poll p:x@3=13";
    let policy = |policy: &str| format!(r#"{{"clients": {{"auto.offset.reset": "{policy}"}}}}"#);
    both(text, &policy("latest")).jepsen(Invalid, &["lost-write", "unseen", "poll-skip"]).kafka(
        Invalid,
        &[
            "lost-write allowed 10..13 (auto.offset.reset=latest of process 3)",
            "unseen allowed [10..13] (auto.offset.reset=latest of process 3)",
            "lost-write violation 14..15",
            "unseen violation [14..15]",
            "poll-skip violation [14..15]",
        ],
    );
    assert!(!both(text, &policy("earliest")).kafka.all().any(|finding| finding.class.name() == "allowed"));
}

#[test]
fn a_consumer_that_goes_on_at_the_end_has_not_lost_what_lies_before() {
    let text = "
        1 ok send s:x@0=10+6
        2 ok poll p:x@0=10
        2 ok poll p:x@5=15";
    let latest = |start: u64| {
        format!(
            r#"{{"clients": {{"auto.offset.reset": "latest"}},
                "keys": {{"x": {{"log_start": [{{"offset": {start}, "at": 50}}]}}}}}}"#
        )
    };
    let by = "(auto.offset.reset=latest of process 2)";
    both(text, &latest(2)).jepsen(Invalid, &["lost-write", "unseen", "poll-skip"]).kafka(
        Valid,
        &[
            "lost-write allowed 11..12 (retention)",
            "unseen allowed [11..12] (retention)",
            &format!("lost-write allowed 12..15 {by}"),
            &format!("unseen allowed [12..15] {by}"),
            &format!("poll-skip allowed [11..15] {by}"),
        ],
    );
    both(text, &latest(1))
        .kafka(Invalid, &["lost-write violation 11..15", "unseen violation [11..15]", "poll-skip violation [11..15]"]);
}

#[test]
fn a_consumer_that_sought_and_sought_back_reads_all() {
    let text = "
        1 ok send s:x@0=10+5
        2 ok poll p:x@3=13
        2 ok poll p:x@4=14";
    let seeks = r#"{"seeks": [{"process": 2, "key": "x", "to": 3, "at": {"index": 2}},
                              {"process": 2, "key": "x", "to": "beginning", "at": {"index": 4}}]}"#;
    both(text, seeks).kafka(Invalid, &["lost-write violation 10..13", "unseen violation [10..13]"]);
}

#[test]
fn a_subscription_moves_positions_whatever_the_options_say() {
    let subscribed = FORWARD.replace("assign", "subscribe");
    both(&subscribed, "{}")
        .jepsen(Invalid, &["poll-skip"])
        .kafka(Valid, &["poll-skip allowed [11..13] (the subscription of process 2)"]);
    both(&BACK.replace("assign", "subscribe"), "{}")
        .jepsen(Invalid, &["nonmonotonic-poll"])
        .kafka(Valid, &["nonmonotonic-poll allowed 13->11 (the subscription of process 2)"]);
}

#[test]
fn the_last_assignment_before_a_poll_decides_and_the_options_only_without_one() {
    let then = |words: &str| format!("2 ok subscribe k:x\n 2 {words}\n{}", FORWARD.replace("2 ok assign k:x", ""));
    both(&then("ok assign k:x"), "{}").kafka(Invalid, &["poll-skip violation [11..13]"]);
    both(&then("fail assign k:x"), "{}").kafka(Valid, &["poll-skip allowed [11..13] (subscription)"]);
    let later = format!("{FORWARD}\n 2 ok subscribe k:x");
    both(&later, "{}").kafka(Invalid, &["poll-skip violation [11..13]"]);

    let options = Options { subscribe: true, ..Options::default() };
    let assigned = check_kafka(&history(FORWARD), &Context::default(), &options);
    assert_eq!((assigned.verdict, check(&history(FORWARD), &options).verdict), (Invalid, Valid));
    let bare = check_kafka(&history(&FORWARD.replace("2 ok assign k:x", "")), &Context::default(), &options);
    assert_eq!(bare.verdict, Valid);
}

#[test]
fn polls_within_one_operation_are_not_excused_by_a_subscription() {
    let inner = "
        1 ok send s:x@0=10+5
        2 ok subscribe k:x
        2 ok poll p:x@0=10 p:x@3=13 p:x@1=11
        3 ok poll p:x@0=10+5";
    both(inner, "{}").kafka(Invalid, &["int-poll-skip violation [11..13]", "int-nonmonotonic-poll violation 13->11"]);
}

#[test]
fn a_poll_of_an_aborted_transaction_moves_the_consumer() {
    let unwound = |failed: &str, next: &str| {
        format!(
            "1 ok send s:x@0=10+6
            2 ok assign k:x
            2 ok txn p:x@0=10
            2 {failed}
            2 ok txn p:{next}
            3 ok poll p:x@0=10+6"
        )
    };
    both(&unwound("fail txn p:x@1=11+2", "x@3=13"), "{}")
        .jepsen(Invalid, &["poll-skip"])
        .kafka(Valid, &["poll-skip allowed [11..13] (operation 7, which ended with fail)"]);
    both(&unwound("info txn p:x@1=11+2", "x@3=13"), "{}")
        .kafka(Valid, &["poll-skip allowed [11..13] (operation 7, which ended with info)"]);
    both(&unwound("fail txn p:x@1=11+2", "x@4=14"), "{}")
        .kafka(Invalid, &["poll-skip allowed [11..13] (operation 7)", "poll-skip violation [13..14]"]);
    both(&unwound("fail txn p:x@1=11+2", "x@1=11"), "{}").jepsen(Valid, &[]).kafka(Valid, &[]);
    both(&unwound("fail txn p:y@1=11+2", "x@3=13"), "{}")
        .kafka(Invalid, &["poll-skip violation [11..13]", "no-writer-of-value violation 11..13"]);
}

#[test]
fn a_failed_poll_does_not_excuse_itself() {
    let text = "
        1 ok send s:x@0=10+6
        2 ok txn p:x@0=10
        2 fail txn p:x@4=14 p:x@2=12
        3 ok poll p:x@0=10+6";
    both(text, "{}")
        .jepsen(Invalid, &["poll-skip", "int-nonmonotonic-poll"])
        .kafka(Invalid, &["poll-skip violation [11..14]", "int-nonmonotonic-poll violation 14->12"]);
}

#[test]
fn another_consumers_failed_poll_moves_nobody_else() {
    let text = "
        1 ok send s:x@0=10+5
        2 ok txn p:x@0=10
        3 fail txn p:x@1=11+2
        2 ok txn p:x@3=13
        4 ok poll p:x@0=10+5
        2 fail txn p:x@4=14";
    both(text, "{}").jepsen(Invalid, &["poll-skip"]).kafka(Invalid, &["poll-skip violation [11..13]"]);
}

#[test]
fn what_a_failed_poll_got_is_not_lost() {
    let text = "
        1 ok send s:x@0=10+5
        2 fail txn p:x@0=10+3
        2 ok txn p:x@3=13+2";
    let end = |end: &str| format!(r#"{{"quiesced": true, "keys": {{"x": {{"end": {{{end}}}}}}}}}"#);
    both(text, "{}").jepsen(Invalid, &["lost-write", "unseen"]).kafka(
        Unknown,
        &["lost-write allowed 10..13 (which moved the consumer)", "unseen unknown [10..13] (only the log's end)"],
    );
    for (watermark, there) in
        [(r#""high_watermark": 3"#, true), (r#""log_end_offset": 5"#, true), (r#""high_watermark": 2"#, false)]
    {
        let both = both(text, &end(watermark));
        if there {
            both.kafka(
                Valid,
                &["lost-write allowed 10..13 (which moved)", "unseen allowed [10..13] (which moved the consumer)"],
            );
        } else {
            both.kafka(Invalid, &["lost-write allowed 10..13", "unseen allowed [10..12]", "unseen violation [12..13]"]);
        }
    }
}

#[test]
fn an_empty_list_of_records_hides_no_skip() {
    let text = "
        1 ok send s:x@0=10+5
        2 ok assign k:x
        2 ok poll p:x@0=10
        2 ok poll p:x
        2 ok poll p:x@3=13
        2 ok poll p:x
        2 ok poll p:x@1=11
        3 ok poll p:x@0=10+5";
    both(text, "{}")
        .jepsen(Valid, &[])
        .kafka(Invalid, &["nonmonotonic-poll violation 13->11", "poll-skip violation [11..13]"]);
}

#[test]
fn moved_keys_are_forgotten_under_both_contracts() {
    let text = "
        1 ok send s:x@0=10+5
        2 ok assign k:x
        2 ok poll p:x@0=10
        2 ok assign k:y
        2 ok assign k:x
        2 ok poll p:x@3=13 r:x
        3 ok poll p:x@0=10+5";
    both(text, "{}").jepsen(Valid, &[]).kafka(Valid, &[]);
}
