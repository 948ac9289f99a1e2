//! What a log is free to drop.

use super::bench::both;
use wavetank_traces::check::Verdict::{Invalid, Unknown, Valid};

/// Five records, of which a consumer finds the last two.
const FIRST_THREE_MISSING: &str = "
    1 ok send s:x@0=10+5
    2 ok assign k:x
    2 ok poll p:x@3=13+2";

fn log_start(start: &str) -> String {
    format!(r#"{{"keys": {{"x": {{"log_start": [{start}]}}}}}}"#)
}

#[test]
fn retention_is_no_loss() {
    let context = log_start(r#"{"offset": 3, "at": 50}"#);
    both(FIRST_THREE_MISSING, &context)
        .jepsen(Invalid, &["lost-write", "unseen"])
        .kafka(Valid, &["lost-write allowed 10..13 (retention)", "unseen allowed [10..13] (retention)"]);
}

#[test]
fn delete_records_is_no_loss() {
    let context = log_start(r#"{"offset": 3, "reason": "delete-records"}"#);
    both(FIRST_THREE_MISSING, &context)
        .jepsen(Invalid, &["lost-write", "unseen"])
        .kafka(Valid, &["lost-write allowed 10..13 (DeleteRecords)", "unseen allowed [10..13] (DeleteRecords)"]);
}

#[test]
fn the_log_start_at_the_end_is_known_without_its_history() {
    let context = r#"{"keys": {"x": {"end": {"log_start_offset": 3}}}}"#;
    both(FIRST_THREE_MISSING, context)
        .kafka(Valid, &["lost-write allowed 10..13 (at the end, 3)", "unseen allowed [10..13] (at the end, 3)"]);
}

#[test]
fn only_what_lies_below_the_log_start_is_excused() {
    let context = log_start(r#"{"offset": 1, "reason": "delete-records"}, {"offset": 2, "at": 40}"#);
    both(FIRST_THREE_MISSING, &context).kafka(
        Invalid,
        &[
            "lost-write allowed 10..11 (DeleteRecords)",
            "lost-write allowed 11..12 (retention)",
            "lost-write violation 12..13",
            "unseen allowed [10..11] (DeleteRecords)",
            "unseen allowed [11..12] (retention)",
            "unseen violation [12..13]",
        ],
    );
}

#[test]
fn retention_after_somebody_went_past_excuses_nothing() {
    let context = log_start(r#"{"offset": 3, "at": 51}"#);
    both(FIRST_THREE_MISSING, &context).kafka(Invalid, &["lost-write violation 10..13", "unseen violation [10..13]"]);
}

#[test]
fn a_reader_who_came_before_retention_proves_the_loss_and_one_who_came_after_does_not() {
    let two_readers = "
        1 ok send s:x@0=10+5
        2 ok poll p:x@2=12
        3 ok poll p:x@4=14";
    let context = log_start(r#"{"offset": 4, "at": 40}"#);
    both(two_readers, &context).kafka(
        Invalid,
        &[
            "lost-write violation 10..12",
            "lost-write allowed 13..14 (retention)",
            "unseen violation [10..12]",
            "unseen allowed [13..14] (retention)",
        ],
    );
}

/// A consumer that finds 10, then 13 at offset 3.
const SKIPPED: &str = "
    1 ok send s:x@0=10+5
    2 ok assign k:x
    2 ok poll p:x@0=10
    2 ok poll p:x@3=13+2
    3 ok poll p:x@0=10+5";

#[test]
fn retention_that_overtakes_a_consumer_is_no_skip() {
    both(SKIPPED, &log_start(r#"{"offset": 3, "at": 70}"#))
        .jepsen(Invalid, &["poll-skip"])
        .kafka(Valid, &["poll-skip allowed [11..13] (retention)"]);
    both(SKIPPED, &log_start(r#"{"offset": 2, "at": 70}"#))
        .kafka(Invalid, &["poll-skip allowed [11..12] (retention)", "poll-skip violation [12..13]"]);
    both(SKIPPED, &log_start(r#"{"offset": 3, "at": 71}"#)).kafka(Invalid, &["poll-skip violation [11..13]"]);
}

#[test]
fn retention_within_one_operation_is_no_skip() {
    let inner = "
        1 ok send s:x@0=10+5
        2 ok poll p:x@0=10 p:x@3=13
        3 ok poll p:x@0=10+5";
    both(inner, &log_start(r#"{"offset": 3, "at": 30}"#))
        .jepsen(Invalid, &["int-poll-skip"])
        .kafka(Valid, &["int-poll-skip allowed [11..13] (retention)"]);
    both(inner, &log_start(r#"{"offset": 3, "at": 31}"#)).kafka(Invalid, &["int-poll-skip violation [11..13]"]);
}

#[test]
fn a_consumer_without_a_reset_may_not_skip_what_is_gone() {
    let none = |policy: &str, at: u64| {
        format!(
            r#"{{"processes": {{"2": {{"auto.offset.reset": "{policy}"}}}},
                "keys": {{"x": {{"log_start": [{{"offset": {at}}}]}}}}}}"#
        )
    };
    both(SKIPPED, &none("none", 3)).jepsen(Invalid, &["poll-skip"]).kafka(Invalid, &["poll-skip violation [11..13]"]);
    both(SKIPPED, &none("earliest", 3)).kafka(Valid, &["poll-skip allowed [11..13] (retention)"]);
    let inner = "
        1 ok send s:x@0=10+5
        2 ok poll p:x@0=10 p:x@3=13
        3 ok poll p:x@0=10+5";
    both(inner, &none("none", 3)).kafka(Invalid, &["int-poll-skip violation [11..13]"]);
    // What it is configured to does not matter to what was lost.
    both(FIRST_THREE_MISSING, &none("none", 3))
        .kafka(Valid, &["lost-write allowed 10..13 (retention)", "unseen allowed [10..13] (retention)"]);
}

#[test]
fn a_reset_to_latest_may_skip_what_is_not_gone() {
    let latest = |offset: u64| {
        format!(
            r#"{{"clients": {{"auto.offset.reset": "latest"}}, "keys": {{"x": {{"log_start": [{{"offset": {offset}, "at": 70}}]}}}}}}"#
        )
    };
    both(SKIPPED, &latest(2))
        .jepsen(Invalid, &["poll-skip"])
        .kafka(Valid, &["poll-skip allowed [11..13] (auto.offset.reset=latest of process 2)"]);
    // The consumer's next record, at offset 1, is still there.
    both(SKIPPED, &latest(1)).kafka(Invalid, &["poll-skip violation [11..13]"]);
}

fn compact(settings: &str, compaction: &str) -> String {
    format!(
        r#"{{"keys": {{"x": {{"settings": {{"cleanup.policy": "compact"{settings}}}, "compaction": {compaction}}}}}}}"#
    )
}

#[test]
fn compaction_is_no_loss() {
    both(FIRST_THREE_MISSING, r#"{"topics": {"cleanup.policy": "compact,delete"}}"#)
        .jepsen(Invalid, &["lost-write", "unseen"])
        .kafka(Valid, &["lost-write allowed 10..13 (compact)", "unseen allowed [10..13] (compact)"]);
    both(SKIPPED, &compact("", "{}"))
        .jepsen(Invalid, &["poll-skip"])
        .kafka(Valid, &["poll-skip allowed [11..13] (cleanup.policy=compact)"]);
}

#[test]
fn compaction_excuses_where_it_has_been_and_never_what_it_keeps() {
    let cleaned = |from: u64, to: u64, at: i64| {
        compact("", &format!(r#"{{"cleaned": [{{"from": {from}, "to": {to}, "at": {at}}}]}}"#))
    };
    both(SKIPPED, &cleaned(1, 3, 70)).kafka(Valid, &["poll-skip allowed [11..13] (compact)"]);
    both(SKIPPED, &cleaned(2, 9, 70))
        .kafka(Invalid, &["poll-skip allowed [12..13] (compact)", "poll-skip violation [11..12]"]);
    both(SKIPPED, &cleaned(1, 3, 71)).kafka(Invalid, &["poll-skip violation [11..13]"]);
    let kept = compact("", r#"{"kept": [{"from": 2, "to": 3}]}"#);
    both(SKIPPED, &kept).kafka(Invalid, &["poll-skip allowed [11..12] (compact)", "poll-skip violation [12..13]"]);
    let off = r#"{"keys": {"x": {"compaction": {}, "settings": {"cleanup.policy": "delete"}}}}"#;
    both(SKIPPED, off).kafka(Invalid, &["poll-skip violation [11..13]"]);
}

#[test]
fn compaction_spares_what_is_younger_than_its_lag() {
    // Sent from 0 ns on, missing at the time of the second poll.
    let polled_at = |time: u64| {
        format!(
            "1 ok send s:x@0=10+5
            2 ok poll p:x@0=10
            2 ok poll t={time} p:x@3=13+2
            3 ok poll t={time} p:x@0=10+5"
        )
    };
    let lag = compact(r#", "min.compaction.lag.ms": 1"#, "{}");
    both(&polled_at(1_000_000), &lag).kafka(Valid, &["poll-skip allowed [11..13] (compact)"]);
    both(&polled_at(999_999), &lag).kafka(Invalid, &["poll-skip violation [11..13]"]);
}

#[test]
fn order_and_uniqueness_survive_compaction() {
    let twice = "
        1 ok send s:x@0=10
        1 ok send s:x@2=11
        2 ok poll p:x@0=10,x@1=10,x@2=11";
    both(twice, &compact("", "{}"))
        .jepsen(Invalid, &["duplicate", "int-nonmonotonic-poll"])
        .kafka(Invalid, &["duplicate violation 10", "int-nonmonotonic-poll violation 10->10"]);
}

#[test]
fn a_gap_at_a_marker_is_no_anomaly_and_a_record_there_is() {
    let gaps = "
        1 ok txn s:x@0=10 s:x@2=11
        1 ok send s:x@4=12
        2 ok poll p:x@0=10,x@2=11 p:x@4=12";
    let markers =
        |from: u64, to: u64| format!(r#"{{"keys": {{"x": {{"markers": [{{"from": {from}, "to": {to}}}]}}}}}}"#);
    both(gaps, &markers(1, 2)).jepsen(Valid, &[]).kafka(Valid, &[]);
    both(gaps, &markers(3, 4)).kafka(Valid, &[]);
    both(gaps, &markers(3, 5)).jepsen(Valid, &[]).kafka(Invalid, &["inconsistent-offsets violation @4"]);
    both(gaps, &markers(2, 3)).kafka(Invalid, &["inconsistent-offsets violation @2"]);
}

#[test]
fn an_offset_is_inconsistent_once() {
    let conflict = "
        1 ok send s:x@0=10
        2 ok send s:x@0=11
        3 ok poll p:x@0=10
        4 ok poll p:x@0=11";
    let context = r#"{"keys": {"x": {"markers": [{"from": 0, "to": 1}]}}}"#;
    both(conflict, context)
        .jepsen(Invalid, &["inconsistent-offsets"])
        .kafka(Invalid, &["inconsistent-offsets violation @0"]);
}

#[test]
fn a_log_that_ends_before_an_acknowledged_record_has_lost_it() {
    let tail = "
        1 ok send s:x@0=10+5
        2 ok poll p:x@0=10+3";
    let end = |end: u64| format!(r#"{{"quiesced": true, "keys": {{"x": {{"end": {{"log_end_offset": {end}}}}}}}}}"#);
    let cut = both(tail, &end(4));
    assert!(!cut.kafka.only_stalls());
    cut.jepsen(Invalid, &["unseen"]).kafka(Invalid, &["lost-write violation 14..15", "unseen violation [13..14]"]);
    let slow = both(tail, &end(5));
    assert!(slow.kafka.only_stalls());
    slow.kafka(Invalid, &["unseen violation [13..15]"]);
    let all = both(tail, &end(3)).kafka(Invalid, &["lost-write violation 13..15"]);
    assert!(!all.kafka.only_stalls());
}

#[test]
fn what_is_lost_before_the_end_is_not_told_twice() {
    let middle = "
        1 ok send s:x@0=10+5
        2 ok poll p:x@4=14";
    let context = r#"{"keys": {"x": {"end": {"log_end_offset": 2}}}}"#;
    both(middle, context)
        .kafka(Invalid, &["lost-write violation 10..14", "lost-write violation 14..15", "unseen violation [10..14]"]);
}

#[test]
fn what_is_not_yet_read_is_unknown_until_the_history_is_quiet() {
    let tail = "
        1 ok send s:x@0=10+5
        2 ok poll p:x@0=10+3";
    both(tail, "{}").jepsen(Invalid, &["unseen"]).kafka(Unknown, &["unseen unknown [13..15] (nobody knows)"]);
    both(tail, r#"{"quiesced": false}"#).kafka(Unknown, &["unseen unknown [13..15] (the history ends before)"]);
    let quiet = both(tail, r#"{"quiesced": true}"#).kafka(Invalid, &["unseen violation [13..15]"]);
    assert!(quiet.kafka.only_stalls());
}
