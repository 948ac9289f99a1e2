//! What clients are configured to.

use super::bench::both;
use wavetank_traces::check::Verdict::{Invalid, Unknown, Valid};

/// Settings of process 1, the producer.
fn producer(settings: &str) -> String {
    format!(r#"{{"quiesced": true, "processes": {{"1": {{{settings}}}}}}}"#)
}

#[test]
fn acks_none_promises_nothing() {
    let lost = "
        1 ok send s:x@0=10
        3 ok send s:x@1=11
        1 ok send s:x=12
        2 ok assign k:x
        2 ok poll p:x@1=11";
    both(lost, &producer(r#""acks": "0""#)).jepsen(Invalid, &["lost-write", "unseen"]).kafka(
        Valid,
        &["lost-write allowed 10..11 (acks=0 of process 1)", "unseen allowed [10..11, 12..13] (acks=0 of process 1)"],
    );
    both(lost, &producer(r#""acks": "all""#))
        .kafka(Invalid, &["lost-write violation 10..11", "unseen violation [10..11, 12..13]"]);
    let skipped = "
        1 ok send s:x@0=10+3
        2 ok poll p:x@0=10
        2 ok poll p:x@2=12
        3 ok poll p:x@0=10+3";
    both(skipped, &producer(r#""acks": "0""#)).kafka(Valid, &["poll-skip allowed [11..12] (acks=0)"]);
}

#[test]
fn a_tail_of_acks_none_may_be_cut() {
    let text = "
        1 ok send s:x@0=10+2
        2 ok poll p:x@0=10";
    let end = |acks: u32| {
        format!(
            r#"{{"quiesced": true, "clients": {{"acks": {acks}}},
                "keys": {{"x": {{"end": {{"log_end_offset": 1}}, "leader_changes": []}}}}}}"#
        )
    };
    both(text, &end(0)).kafka(Valid, &["lost-write allowed 11..12 (acks=0)"]);
    both(text, &end(1)).kafka(Invalid, &["lost-write violation 11..12"]);
}

/// A value twice in the log.
const TWICE: &str = "
    1 ok send s:x@0=10
    1 ok send s:x@1=11
    2 ok poll p:x@0=10,x@1=11,x@2=10";

#[test]
fn a_duplicate_without_idempotence_is_a_retry() {
    both(TWICE, &producer(r#""enable.idempotence": false"#))
        .jepsen(Invalid, &["duplicate", "int-nonmonotonic-poll", "nonmonotonic-send"])
        .kafka(
            Valid,
            &[
                "duplicate allowed 10 (enable.idempotence=false of process 1)",
                "int-nonmonotonic-poll allowed 10->11 (enable.idempotence=false)",
                "nonmonotonic-send allowed 10->11 (enable.idempotence=false)",
            ],
        );
    both(TWICE, &producer(r#""enable.idempotence": true"#)).kafka(
        Invalid,
        &["duplicate violation 10", "int-nonmonotonic-poll violation 10->11", "nonmonotonic-send violation 10->11"],
    );
}

#[test]
fn what_a_new_producer_epoch_writes_again_may_be_there_twice() {
    let rewritten = |first: u64| {
        format!(r#"{{"quiesced": true, "keys": {{"x": {{"rewritten": [{{"first": {first}, "count": 1}}]}}}}}}"#)
    };
    let by = "a new producer epoch, in which it was written again (KIP-360)";
    both(TWICE, &rewritten(10)).jepsen(Invalid, &["duplicate", "int-nonmonotonic-poll", "nonmonotonic-send"]).kafka(
        Valid,
        &[
            &format!("duplicate allowed 10 ({by})"),
            &format!("int-nonmonotonic-poll allowed 10->11 ({by})"),
            &format!("nonmonotonic-send allowed 10->11 ({by})"),
        ],
    );
    both(TWICE, &rewritten(12)).kafka(
        Invalid,
        &["duplicate violation 10", "int-nonmonotonic-poll violation 10->11", "nonmonotonic-send violation 10->11"],
    );
}

#[test]
fn acks_one_switches_idempotence_off() {
    let once = TWICE.replace("1 ok send s:x@1=11", "3 ok send s:x@1=11");
    both(&once, &producer(r#""acks": "1""#)).jepsen(Invalid, &["duplicate", "int-nonmonotonic-poll"]).kafka(
        Valid,
        &[
            "duplicate allowed 10 (enable.idempotence=false)",
            "int-nonmonotonic-poll allowed 10->11 (enable.idempotence)",
        ],
    );
}

#[test]
fn a_value_at_two_offsets_makes_skips_of_its_own() {
    let text = "
        1 ok send s:x@0=10
        3 ok send s:x@1=11
        3 ok send s:x@2=12
        2 ok poll p:x@0=10
        2 ok poll p:x@1=11
        4 ok poll p:x@1=11,x@2=12,x@3=10
        5 ok poll p:x@2=12 p:x@3=10";
    let off = producer(r#""enable.idempotence": false"#);
    let back = "nonmonotonic-poll allowed 10->11 (enable.idempotence=false)";
    both(text, &off)
        .jepsen(Invalid, &["duplicate", "nonmonotonic-poll"])
        .kafka(Valid, &["duplicate allowed 10 (enable.idempotence=false)", back]);
    let skips = "
        1 ok send s:x@1=10
        3 ok send s:x@0=11
        3 ok send s:x@2=12
        3 ok send s:x@3=13
        2 ok poll p:x@0=11
        2 ok poll p:x@1=10
        4 ok poll p:x@2=12,x@3=13,x@4=10";
    both(skips, &off).jepsen(Invalid, &["duplicate", "poll-skip"]).kafka(
        Valid,
        &[
            "duplicate allowed 10 (enable.idempotence=false)",
            "poll-skip allowed [10..11, 12..14] (enable.idempotence=false)",
        ],
    );
    both(skips, "{}").kafka(Invalid, &["duplicate violation 10", "poll-skip violation [10..11, 12..14]"]);
}

#[test]
fn a_value_that_the_application_sends_again_is_no_retry() {
    let again = |end: &str| {
        format!(
            "1 {end} send s:x=10
            3 ok send s:x@1=11
            4 ok send s:x=10
            2 ok poll p:x@0=10,x@1=11
            5 ok poll p:x@2=10"
        )
    };
    let off = r#"{"clients": {"enable.idempotence": false}}"#;
    for end in ["ok", "info", "open"] {
        both(&again(end), off)
            .jepsen(Invalid, &["duplicate", "int-nonmonotonic-poll"])
            .kafka(Invalid, &["duplicate violation 10", "int-nonmonotonic-poll violation 10->11"]);
    }
    // Nothing of a failed operation is in the log, so this is a retry of the second.
    let read = "G1a allowed 10..11 (sent it again)";
    both(&again("fail"), off).jepsen(Invalid, &["duplicate", "G1a", "int-nonmonotonic-poll"]).kafka(
        Valid,
        &[
            "duplicate allowed 10 (enable.idempotence=false)",
            "int-nonmonotonic-poll allowed 10->11 (enable)",
            read,
            read,
        ],
    );
}

#[test]
fn what_was_aborted_and_sent_again_may_be_read() {
    let text = "
        1 fail txn s:x=10+3
        1 ok txn s:x@1=11
        2 ok poll p:x@1=11
        2 fail poll p:x@2=12";
    both(text, "{}")
        .jepsen(Invalid, &["G1a"])
        .kafka(Invalid, &["G1a allowed 11..12 (sent it again)", "aborted-read violation 12..13"]);
}

/// What process 1 sends first comes later; process 2 shows it.
fn inversion(first: &str) -> String {
    format!(
        "1 {first} send s:x=10
        1 ok send s:x=11
        2 ok poll p:x@0=11,x@1=10"
    )
}

#[test]
fn requests_in_flight_overtake_each_other_without_idempotence() {
    let off = producer(r#""enable.idempotence": false"#);
    both(&inversion("info"), &off).jepsen(Invalid, &["nonmonotonic-send"]).kafka(
        Valid,
        &["nonmonotonic-send allowed 10->11 (enable.idempotence=false of process 1, with 5 requests in flight)"],
    );
    for settings in
        [r#""enable.idempotence": true"#, r#""enable.idempotence": false, "max.in.flight.requests.per.connection": 1"#]
    {
        both(&inversion("info"), &producer(settings)).kafka(Invalid, &["nonmonotonic-send violation 10->11"]);
    }
    let two = producer(r#""enable.idempotence": false, "max.in.flight.requests.per.connection": 2"#);
    both(&inversion("info"), &two).kafka(Valid, &["nonmonotonic-send allowed 10->11 (with 2 requests in flight)"]);
}

#[test]
fn what_was_acknowledged_is_not_overtaken() {
    let off = producer(r#""enable.idempotence": false"#);
    both(&inversion("ok"), &off)
        .jepsen(Invalid, &["nonmonotonic-send"])
        .kafka(Invalid, &["nonmonotonic-send violation 10->11"]);
    both(&inversion("ok"), &producer(r#""acks": "0""#))
        .kafka(Valid, &["nonmonotonic-send allowed 10->11 (enable.idempotence=false)"]);
}

#[test]
fn sends_of_one_operation_overtake_each_other_without_idempotence() {
    let text = "7 ok poll p\n 1 ok send s:x@1=10 s:x@0=11";
    both(text, r#"{"clients": {"enable.idempotence": false}}"#)
        .jepsen(Invalid, &["unseen", "int-nonmonotonic-send"])
        .kafka(Unknown, &["unseen unknown [10..12]", "int-nonmonotonic-send allowed 10->11 (5 requests)"]);
    both(text, "{}").kafka(Invalid, &["unseen unknown [10..12]", "int-nonmonotonic-send violation 10->11"]);
}

#[test]
fn records_of_others_between_ones_own_are_normal() {
    let text = "
        1 ok txn s:x@0=10 s:x@2=11
        3 ok txn s:x@1=12
        2 ok poll p:x@0=10,x@1=12,x@2=11";
    both(text, "{}")
        .jepsen(Valid, &["int-send-skip"])
        .kafka(Valid, &["int-send-skip allowed [12..13] (other producers)"]);
}
