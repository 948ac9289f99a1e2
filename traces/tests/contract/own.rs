//! What Kafka promises and Jepsen's checker cannot see; and what reports say.

use super::bench::{both, history};
use serde_json::json;
use wavetank_traces::check::Options;
use wavetank_traces::check::Verdict::{Invalid, Unknown, Valid};
use wavetank_traces::contract::{Context, check_kafka};

fn group(exactly_once: bool, more: &str) -> String {
    format!(r#"{{"groups": [{{"id": "g", "processes": [2, 3], "exactly_once": {exactly_once}}}]{more}}}"#)
}

const TWICE: &str = "
    1 ok send s:x@0=10+5
    2 ok txn p:x@0=10+3 s:y@0=20
    3 ok txn p:x@2=12+3 s:y@1=21
    4 ok poll p:y@0=20+2";

#[test]
fn an_exactly_once_group_consumes_a_record_once() {
    both(TWICE, &group(true, "")).jepsen(Valid, &[]).kafka(Invalid, &["double-consumption violation 12..13"]);
    both(TWICE, &group(false, "")).kafka(Valid, &[]);
    let others = r#"{"groups": [{"id": "g", "processes": [2], "exactly_once": true},
                                {"id": "h", "processes": [3], "exactly_once": true}]}"#;
    both(TWICE, others).kafka(Valid, &[]);
    for end in ["fail", "info"] {
        let aborted = TWICE.replace("3 ok txn", &format!("3 {end} txn"));
        let both = both(&aborted, &group(true, r#", "quiesced": true"#));
        assert!(!both.kafka.findings.keys().any(|anomaly| anomaly.name() == "double-consumption"));
    }
    let polls = TWICE.replace("3 ok txn p:x@2=12+3 s:y@1=21", "3 ok poll p:x@2=12+3\n 3 ok send s:y@1=21");
    both(&polls, &group(true, "")).kafka(Valid, &[]);
    both(&polls, &group(true, r#", "clients": {"transactional": true}"#))
        .kafka(Invalid, &["double-consumption violation 12..13"]);
}

#[test]
fn an_empty_list_of_records_is_consumed_by_nobody() {
    let text = "
        1 ok send s:x@0=0+5
        2 ok txn p:x@0=0+3
        3 ok txn p:x
        3 ok txn p:x@3=3+2";
    both(text, &group(true, "")).kafka(Valid, &[]);
}

#[test]
fn batches_of_billions_of_records_cost_what_their_number_costs() {
    let text = "
        1 ok txn s:x@0=0+4000000000
        1 fail txn s:x=8000000000+4000000000
        2 ok assign k:x
        2 ok txn p:x@0=0+1000000000
        9 open txn s:x=99999999999
        2 ok txn p:x@3000000000=3000000000
        3 ok txn p:x@500000000=500000000+1000000000
        3 fail txn p:x@8000000000=8000000000+4000000000
        3 ok txn p:x
        1 ok txn s:x@20000000000=20000000000+4000000000
        2 ok poll p";
    let context = group(
        true,
        r#", "quiesced": true, "keys": {"x": {"log_start": [{"offset": 2000000000, "at": 100}],
            "markers": [{"from": 30000000000, "to": 90000000000}]}}"#,
    );
    both(text, &context).kafka(
        Invalid,
        &[
            "aborted-read violation 8000000000..12000000000",
            "double-consumption violation 500000000..1000000000",
            "hanging-transaction violation [20000000000..24000000000]",
            "lost-write allowed 1500000000..2000000000 (retention)",
            "lost-write violation 2000000000..3000000000",
            "poll-skip allowed [1000000000..2000000000] (retention)",
            "poll-skip violation [2000000000..3000000000]",
            "poll-skip allowed [1500000000..2000000000] (retention)",
            "poll-skip violation [2000000000..4000000000]",
            "unseen allowed [1500000000..2000000000] (retention)",
            "unseen violation [2000000000..3000000000, 3000000001..4000000000]",
        ],
    );
}

#[test]
fn each_later_consumer_is_told_with_the_first() {
    let text = "
        1 ok send s:x@0=10+4
        2 ok txn p:x@0=10
        3 ok txn p:x@1=11
        2 ok txn p:x@0=10+4
        3 ok txn p:x@3=13 p:x@3=13";
    let seen: Vec<_> = both(text, &group(true, "")).kafka.findings.into_values().flatten().collect();
    let double = seen.iter().filter(|finding| finding.proof.anomaly().name() == "double-consumption");
    let double: Vec<_> = double.map(|finding| (finding.proof.count(), finding.proof.ops())).collect();
    let ops = |ids: [u32; 2]| ids.map(wavetank_traces::history::OpId).to_vec();
    assert_eq!(double, [(1, ops([3, 7])), (1, ops([5, 7])), (1, ops([7, 9])), (1, ops([7, 9]))]);
}

#[test]
fn the_same_value_at_another_offset_is_another_record() {
    let text = |offset: &str| {
        format!(
            "1 ok send s:x@0=10
            2 ok txn p:x@0=10
            3 ok txn p:x{offset}=10"
        )
    };
    both(&text("@1"), &group(true, "")).kafka(Invalid, &["duplicate violation 10"]);
    both(&text(""), &group(true, "")).kafka(Invalid, &["double-consumption violation 10..11"]);
    let first = text("@0").replace("2 ok txn p:x@0=10", "2 ok txn p:x=10");
    both(&first, &group(true, "")).kafka(Invalid, &["double-consumption violation 10..11"]);
}

#[test]
fn who_seeks_back_consumes_again() {
    let text = "
        1 ok send s:x@0=10+5
        2 ok txn p:x@0=10+3
        2 ok txn p:x@1=11+4";
    let seek = |to: &str, index: u64| {
        let seeks = format!(r#", "seeks": [{{"process": 2, "key": "x", "to": {to}, "at": {{"index": {index}}}}}]"#);
        group(true, &seeks)
    };
    let back = "nonmonotonic-poll allowed 12->11";
    both(text, &seek("1", 4))
        .jepsen(Invalid, &["nonmonotonic-poll"])
        .kafka(Valid, &["double-consumption allowed 11..13 (an explicit seek of process 2 to offset 1)", back]);
    both(text, &seek("2", 4)).kafka(
        Invalid,
        &[
            "double-consumption allowed 12..13",
            "double-consumption violation 11..12",
            "nonmonotonic-poll violation 12->11",
        ],
    );
    both(text, &seek("\"end\"", 4)).kafka(Invalid, &["double-consumption violation 11..13", back]);
    both(text, &seek("1", 2))
        .kafka(Invalid, &["double-consumption violation 11..13", "nonmonotonic-poll violation 12->11"]);
}

#[test]
fn auto_commit_is_not_exactly_once() {
    for process in [2, 3] {
        let auto = format!(r#", "processes": {{"{process}": {{"enable.auto.commit": true}}}}"#);
        both(TWICE, &group(true, &auto)).kafka(
            Valid,
            &[&format!("double-consumption allowed 12..13 (enable.auto.commit=true of process {process})")],
        );
    }
    both(TWICE, &group(true, r#", "clients": {"enable.auto.commit": false}"#))
        .kafka(Invalid, &["double-consumption violation 12..13"]);
}

#[test]
fn a_producers_order_outlives_its_consumers_assignment() {
    for function in ["assign", "subscribe"] {
        let text = format!(
            "1 ok send s:x@1=10
            1 ok {function} k:y
            1 ok send s:x@0=11
            2 ok poll p:x@0=11,x@1=10"
        );
        both(&text, "{}").jepsen(Valid, &[]).kafka(Invalid, &["nonmonotonic-send violation 10->11"]);
    }
}

#[test]
fn what_never_completed_may_have_been_sent() {
    let text = |sends: &str| format!("1 open txn {sends}\n 7 ok poll p\n 2 ok poll p:x@0=10+3");
    both(&text("s:x=10+3"), "{}").jepsen(Unknown, &["no-writer-of-value"]).kafka(Valid, &[]);
    both(&text("s:x=11 s:y=10"), "{}")
        .kafka(Invalid, &["no-writer-of-value violation 10..11", "no-writer-of-value violation 12..13"]);
}

#[test]
fn what_nobody_sent_is_a_violation_if_all_senders_are_known() {
    let text = "7 ok poll p\n 2 ok poll p:x@0=10";
    both(text, "{}").jepsen(Unknown, &["no-writer-of-value"]).kafka(Invalid, &["no-writer-of-value violation 10..11"]);
    both(text, r#"{"all_writers_recorded": false}"#)
        .kafka(Unknown, &["no-writer-of-value unknown 10..11 (not all producers)"]);
    both(text, r#"{"all_writers_recorded": true}"#).kafka(Invalid, &["no-writer-of-value violation 10..11"]);
}

#[test]
fn the_report_is_jepsens_with_a_class_and_a_reason() {
    let text = "
        1 ok send s:x@0=10+3
        1 fail txn s:x=13
        2 ok poll p:x@2=12
        9 fail poll p:x@3=13
        1 ok send s:y@0=20";
    let history = history(text);
    let context = r#"{"keys": {"x": {"log_start": [{"offset": 1}], "end": {"log_end_offset": 2}}},
        "groups": [{"id": "g", "processes": [2], "exactly_once": true}]}"#;
    let context = Context::read(context, "context").unwrap();
    let report = check_kafka(&history, &context, &Options::default());
    assert_eq!(
        report.json(&history),
        json!({
            "valid": false,
            "error_types": ["aborted-read", "lost-write", "unseen"],
            "bad_error_types": ["aborted-read", "lost-write", "unseen"],
            "errors": {
                "aborted-read": [{
                    "key": "x", "value": 13, "writer": {"op": 3}, "reader": {"op": 7},
                    "class": "violation", "why": "records of aborted transactions are never delivered, however the reader ends",
                }],
                "lost-write": [
                    {
                        "key": "x", "value": 11, "index": 1, "writer": {"op": 1}, "max-read-index": 2,
                        "max-read": {"op": 5}, "class": "violation", "why": "an acknowledged record stays in its log",
                    },
                    {
                        "key": "x", "value": 12, "writer": {"op": 1}, "log-end-offset": 2,
                        "class": "violation", "why": "an acknowledged record stays in its log",
                    },
                    {
                        "key": "x", "value": 10, "index": 0, "writer": {"op": 1}, "max-read-index": 2,
                        "max-read": {"op": 5}, "class": "allowed", "by": "retention (retention.ms, retention.bytes)",
                    },
                ],
                "unseen": [
                    {
                        "key": "x", "values": [11], "class": "violation",
                        "why": "an acknowledged record reaches consumers that read on",
                    },
                    {
                        "key": "x", "values": [10], "class": "allowed",
                        "by": "retention (retention.ms, retention.bytes)",
                    },
                    {
                        "key": "y", "values": [20], "class": "unknown",
                        "why": "nobody knows whether consumers had the time to read to the end (quiesced)",
                    },
                ],
            },
        })
    );
}

#[test]
fn findings_of_our_own_are_written_with_all_that_proves_them() {
    let text = "
        1 ok txn s:x@0=10
        9 open txn s:x=99
        1 ok txn s:x@2=11
        2 ok txn p:x@0=10
        3 ok txn p:x@0=10 p";
    let context = r#"{"groups": [{"id": "g", "processes": [2, 3], "exactly_once": true}]}"#;
    let found = |context: &str| {
        let (history, context) = (history(text), Context::read(context, "context").unwrap());
        check_kafka(&history, &context, &Options::default()).json(&history)["errors"].clone()
    };
    let errors = found(context);
    assert_eq!(errors["double-consumption"][0]["ops"], json!([{"op": 6}, {"op": 8}]));
    assert_eq!(errors["double-consumption"][0]["value"], 10);
    assert_eq!(
        errors["hanging-transaction"],
        json!([{
            "key": "x", "values": [11], "transactions": [{"op": 2}], "last-stable-offset": null, "high-watermark": null,
            "class": "unknown", "why": "nobody says that consumers had the time to read to the end (quiesced)",
        }])
    );
    let errors = found(r#"{"quiesced": true, "keys": {"x": {"end": {"last_stable_offset": 1, "high_watermark": 3}}}}"#);
    let hang = &errors["hanging-transaction"][0];
    assert_eq!((&hang["last-stable-offset"], &hang["high-watermark"]), (&json!(1), &json!(3)));
    assert_eq!(hang["why"], "every transaction ends, if need be by its timeout, and the last stable offset moves on");
}

#[test]
fn a_verdict_is_as_bad_as_its_worst_finding_and_a_stall_only_if_all_are() {
    let stall = "
        1 ok send s:x@0=10+2
        2 ok poll p:x@0=10";
    let quiet = both(stall, r#"{"quiesced": true}"#).kafka;
    assert!(quiet.verdict == Invalid && quiet.only_stalls() && quiet.bad().len() == 1);
    let unknown = both(stall, "{}").kafka;
    assert!(unknown.verdict == Unknown && !unknown.only_stalls() && unknown.bad().is_empty());
    let worse = both(&format!("{stall}\n 2 ok poll p:x@0=10"), r#"{"quiesced": true}"#).kafka;
    assert!(worse.verdict == Invalid && !worse.only_stalls() && worse.bad().len() == 2);
    let good = both("1 ok send s:x@0=10\n 2 ok poll p:x@0=10", "{}").kafka;
    assert!(good.verdict == Valid && !good.only_stalls() && good.findings.is_empty());
}
