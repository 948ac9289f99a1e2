//! Transactions, and who sees what of them.

use super::bench::both;
use wavetank_traces::check::Verdict::{Invalid, Unknown, Valid};

const UNCOMMITTED: &str = r#"{"processes": {"2": {"isolation.level": "read_uncommitted"}}}"#;

#[test]
fn read_uncommitted_reads_what_was_aborted() {
    let text = "
        1 fail txn s:x=10
        2 ok poll p:x@0=10";
    both(text, UNCOMMITTED)
        .jepsen(Invalid, &["G1a"])
        .kafka(Valid, &["G1a allowed 10..11 (isolation.level=read_uncommitted of process 2)"]);
    both(text, "{}").jepsen(Invalid, &["G1a"]).kafka(Invalid, &["G1a violation 10..11"]);
}

#[test]
fn aborted_data_in_a_poll_that_failed_is_a_violation() {
    for end in ["fail", "info"] {
        let text = format!("1 fail txn s:x=10+2\n 2 {end} txn p:x@0=10+2");
        both(&text, "{}").jepsen(Valid, &[]).kafka(Invalid, &["aborted-read violation 10..12"]);
        both(&text, UNCOMMITTED).kafka(Valid, &["aborted-read allowed 10..12 (read_uncommitted)"]);
    }
}

#[test]
fn a_poll_that_failed_proves_a_commit() {
    let text = "
        1 info txn s:x@0=10 s:y@0=20
        3 ok txn s:y@1=21
        2 fail txn p:x@0=10
        2 ok txn p:y@1=21";
    both(text, "{}").jepsen(Valid, &[]).kafka(Invalid, &["lost-write violation 20..21"]);
    // Under read_uncommitted it proves nothing.
    both(text, UNCOMMITTED).kafka(Valid, &["lost-write allowed 20..21 (does not prove that it committed)"]);
}

#[test]
fn read_uncommitted_reads_do_not_prove_a_commit() {
    let text = "
        1 info txn s:x@0=10 s:y@0=20
        3 ok txn s:y@1=21
        2 ok txn p:x@0=10
        4 ok txn p:y@1=21";
    both(text, UNCOMMITTED)
        .jepsen(Invalid, &["lost-write"])
        .kafka(Valid, &["lost-write allowed 20..21 (read_uncommitted)"]);
    both(text, "{}").kafka(Invalid, &["lost-write violation 20..21"]);
}

#[test]
fn committed_readers_leave_out_what_only_uncommitted_ones_see() {
    let sent = |end: &str| {
        format!(
            "1 ok txn s:x@0=10
            3 {end} txn s:x=11
            1 ok txn s:x@2=12
            2 ok poll p:x@0=10,x@1=11,x@2=12
            4 ok poll p:x@0=10
            4 ok poll p:x@2=12
            5 ok poll p:x@0=10,x@2=12"
        )
    };
    let hidden = "isolation.level=read_committed of process 4";
    let inner = "isolation.level=read_committed of process 5";
    let skips = [
        format!("poll-skip allowed [11..12] ({hidden})"),
        format!("int-poll-skip allowed [11..12] ({inner})"),
        "G1a allowed 11..12 (read_uncommitted)".to_owned(),
    ];
    let skips: Vec<_> = skips.iter().map(String::as_str).collect();
    both(&sent("fail"), UNCOMMITTED).jepsen(Invalid, &["G1a", "poll-skip", "int-poll-skip"]).kafka(Valid, &skips);
    both(&sent("info"), UNCOMMITTED).jepsen(Invalid, &["poll-skip", "int-poll-skip"]).kafka(Valid, &skips[..2]);
    both(&sent("open"), UNCOMMITTED).kafka(Valid, &skips[..2]);
    let bad = ["poll-skip violation [11..12]", "int-poll-skip violation [11..12]"];
    both(&sent("ok"), UNCOMMITTED).kafka(Invalid, &bad);
    // Everybody sees everything.
    let all = r#"{"clients": {"isolation.level": "read_uncommitted"}}"#;
    both(&sent("info"), all).kafka(Invalid, &bad);
}

#[test]
fn what_a_committed_reader_saw_is_visible_to_the_others() {
    for end in ["info", "open"] {
        let text = format!(
            "1 ok txn s:x@0=10
            3 {end} txn s:x=11
            1 ok txn s:x@2=12
            2 ok poll p:x@0=10,x@1=11,x@2=12
            4 ok poll p:x@0=10
            4 ok poll p:x@2=12"
        );
        both(&text, "{}").kafka(Invalid, &["poll-skip violation [11..12]"]);
    }
}

#[test]
fn read_uncommitted_and_no_transaction_deliver_to_the_sender() {
    let text = "7 ok poll p\n 1 ok txn s:x@0=10 p:x@0=10";
    both(text, "{}").jepsen(Invalid, &["precommitted-read"]).kafka(Invalid, &["precommitted-read violation 10..11"]);
    both(text, r#"{"clients": {"isolation.level": "read_uncommitted"}}"#)
        .kafka(Valid, &["precommitted-read allowed 10..11 (read_uncommitted of process 1)"]);
    both(text, r#"{"clients": {"transactional": false}}"#)
        .kafka(Valid, &["precommitted-read allowed 10..11 (no transactional.id of process 1)"]);
    both(text, r#"{"clients": {"transactional": true}}"#).kafka(Invalid, &["precommitted-read violation 10..11"]);
}

#[test]
fn without_a_transaction_sends_fail_one_by_one() {
    let two = "
        1 fail send s:x=10 s:y=20
        2 ok poll p:x@0=10";
    both(two, r#"{"clients": {"transactional": false}}"#)
        .jepsen(Invalid, &["G1a"])
        .kafka(Valid, &["G1a allowed 10..11 (no transactional.id of process 1)"]);
    both(two, "{}").kafka(Invalid, &["G1a violation 10..11"]);
    let one = "
        1 fail send s:x=10
        2 ok poll p:x@0=10";
    both(one, r#"{"clients": {"transactional": false}}"#).kafka(Invalid, &["G1a violation 10..11"]);
}

#[test]
fn an_error_that_is_not_definite_excuses_a_read_of_what_failed() {
    let failed = |function: &str, error: &str| format!("1 fail {function} s:x=10 !{error}\n 2 ok poll p:x@0=10");
    let bare = r#"{"clients": {"transactional": false}}"#;
    for error in ["NotLeaderOrFollowerException", "NOT_ENOUGH_REPLICAS_AFTER_APPEND", ":timeout", "NetworkException"] {
        both(&failed("send", error), bare)
            .jepsen(Invalid, &["G1a"])
            .kafka(Valid, &["G1a allowed 10..11 (is not a definite failure)"]);
        both(&failed("send", error), "{}").kafka(Unknown, &["G1a unknown 10..11 (is not a definite failure)"]);
    }
    both(&failed("txn", "INVALID_TXN_STATE"), "{}")
        .kafka(Unknown, &["G1a unknown 10..11 (INVALID_TXN_STATE is not a definite failure: the retry of a commit)"]);
    both(&failed("txn", "ProducerFencedException"), "{}")
        .kafka(Unknown, &["G1a unknown 10..11 (somebody else decided)"]);
    both(&failed("send", "NotEnoughReplicasException"), bare).kafka(Invalid, &["G1a violation 10..11"]);
}

/// Process 9's transaction is before 11 and 12 in the log; process 2 polls 10 and then nothing more.
fn stuck(transaction: &str) -> String {
    format!(
        "1 ok txn s:x@0=10
        2 ok assign k:x
        2 ok poll p:x@0=10
        9 {transaction}
        1 ok txn s:x@2=11
        1 ok txn s:x@3=12
        2 ok poll p"
    )
}

#[test]
fn a_transaction_that_never_ends_hangs() {
    for transaction in ["open txn s:x=99", "info txn s:x=99"] {
        let quiet = both(&stuck(transaction), r#"{"quiesced": true}"#);
        assert!(quiet.kafka.only_stalls());
        quiet.jepsen(Invalid, &["unseen"]).kafka(Invalid, &["hanging-transaction violation [11..13]"]);
        both(&stuck(transaction), "{}").kafka(Unknown, &["hanging-transaction unknown [11..13] (quiesced)"]);
    }
}

#[test]
fn not_every_unseen_record_is_held_back_by_a_transaction() {
    let unseen = &["unseen violation [11..13]"];
    for transaction in ["ok poll p", "open txn s:y=99", "open txn p", "open send s:x=99", "fail txn s:x=99"] {
        both(&stuck(transaction), r#"{"quiesced": true}"#).kafka(Invalid, unseen);
    }
    let bare = r#"{"quiesced": true, "processes": {"9": {"transactional": false}}}"#;
    both(&stuck("open txn s:x=99"), bare).kafka(Invalid, unseen);
    let sends = r#"{"quiesced": true, "processes": {"9": {"transactional": true}}}"#;
    both(&stuck("open send s:x=99"), sends).kafka(Invalid, &["hanging-transaction violation [11..13]"]);
    // The transaction is known to have committed.
    let committed = format!("{}\n 3 fail txn p:x@1=99", stuck("info txn s:x=99"));
    both(&committed, r#"{"quiesced": true}"#).kafka(Invalid, unseen);
    let committed = format!("{}\n 3 fail txn p:x@1=99", stuck("open txn s:x=99"));
    both(&committed, r#"{"quiesced": true}"#).kafka(Invalid, unseen);
}

#[test]
fn only_what_was_sent_after_the_transaction_and_before_the_last_poll_is_held_back() {
    let quiet = r#"{"quiesced": true}"#;
    let before = "
        1 ok txn s:x@0=10+2
        9 open txn s:x=99
        1 ok txn s:x@3=12
        2 ok assign k:x
        2 ok poll p:x@0=10
        1 ok txn s:x@4=13
        3 ok poll p";
    both(before, quiet)
        .kafka(Invalid, &["hanging-transaction violation [12..13]", "unseen violation [11..12, 13..14]"]);
}

#[test]
fn what_readers_went_past_is_lost_and_not_held_back() {
    let text = "
        9 open txn s:x=99
        1 ok txn s:x@2=11+4
        2 ok assign k:x
        2 ok poll p:x@3=12+2
        2 ok poll p";
    both(text, r#"{"quiesced": true}"#).jepsen(Invalid, &["lost-write", "unseen"]).kafka(
        Invalid,
        &["hanging-transaction violation [14..15]", "lost-write violation 11..12", "unseen violation [11..12]"],
    );
}

#[test]
fn a_transaction_that_readers_passed_has_ended() {
    let passed = |transaction: &str| {
        format!(
            "1 ok txn s:x@0=10
            9 {transaction} txn s:x=99
            1 ok txn s:x@2=11
            2 ok assign k:x
            2 ok poll p:x@0=10,x@2=11
            1 ok txn s:x@3=12
            2 ok poll p"
        )
    };
    both(&passed("info"), r#"{"quiesced": true}"#).kafka(Invalid, &["unseen violation [12..13]"]);
    // One that is still open may have sent later.
    both(&passed("open"), r#"{"quiesced": true}"#).kafka(Invalid, &["hanging-transaction violation [12..13]"]);
}

#[test]
fn consumers_have_to_go_on_polling_the_key_for_a_hang_to_show() {
    let quiet = r#"{"quiesced": true}"#;
    let hang = &["hanging-transaction violation [11..13]"];
    let unseen = &["unseen violation [11..13]"];
    let text = |ending: &str| {
        let all = stuck("open txn s:x=99");
        let (start, _) = all.rsplit_once("2 ok poll p").unwrap();
        format!("{start}{ending}")
    };
    both(&text("2 ok poll p"), quiet).kafka(Invalid, hang);
    both(&text("2 fail poll p"), quiet).kafka(Invalid, unseen);
    both(&text("2 ok assign k:y\n 2 ok poll p"), quiet).kafka(Invalid, unseen);
    both(&text("2 fail assign k:y\n 2 ok poll p"), quiet).kafka(Invalid, hang);
    both(&text("2 ok poll p\n 2 ok assign k:y\n 2 ok poll p"), quiet).kafka(Invalid, hang);
    both(&text("3 ok poll p:x"), quiet).kafka(Invalid, hang);
    both(&text("3 ok poll p:y"), quiet).kafka(Invalid, unseen);
    // A reader of everything is not held back, so it shows nothing.
    let free = r#"{"quiesced": true, "processes": {"3": {"isolation.level": "read_uncommitted"}}}"#;
    both(&text("3 ok poll p:x"), free).kafka(Invalid, unseen);
    both(&text("3 ok poll p:x@2=11"), free).kafka(Invalid, &["unseen violation [12..13]"]);
}

#[test]
fn what_only_uncommitted_readers_got_is_held_back_too() {
    let free = r#"{"quiesced": true, "processes": {"3": {"isolation.level": "read_uncommitted"}}}"#;
    let text = format!("{}\n 3 ok poll p:x@0=10,x@2=11,x@3=12", stuck("open txn s:x=99"));
    both(&text, free).jepsen(Valid, &[]).kafka(Invalid, &["hanging-transaction violation [11..13]"]);
}

fn ends(stable: u64, high: u64, more: &str) -> String {
    format!(r#"{{"keys": {{"x": {{"end": {{"last_stable_offset": {stable}, "high_watermark": {high}}}}}}}{more}}}"#)
}

#[test]
fn a_last_stable_offset_that_stays_behind_is_a_hanging_transaction() {
    let text = "
        1 ok txn s:x@0=10+4
        9 info txn s:x=99
        2 ok poll p:x@0=10";
    both(text, &ends(2, 4, r#", "quiesced": true"#))
        .jepsen(Invalid, &["unseen"])
        .kafka(Invalid, &["hanging-transaction violation [12..14]", "unseen violation [11..12]"]);
    both(text, &ends(2, 3, r#", "quiesced": true"#))
        .kafka(Invalid, &["hanging-transaction violation [12..13]", "unseen violation [11..12, 13..14]"]);
    both(text, &ends(4, 4, r#", "quiesced": true"#)).kafka(Invalid, &["unseen violation [11..14]"]);
    both(text, &ends(2, 4, "")).kafka(Unknown, &["unseen unknown [11..14]"]);
    // Without any record behind it, it is one too.
    let empty = both("1 ok txn s:x@0=10\n 2 ok poll p:x@0=10", &ends(1, 2, r#", "quiesced": true"#));
    assert!(empty.kafka.only_stalls());
    empty.jepsen(Valid, &[]).kafka(Invalid, &["hanging-transaction violation []"]);
}

#[test]
fn a_transaction_may_hang_until_its_timeout() {
    let late = |time: u64| {
        format!(
            "1 ok txn s:x@0=10
            2 ok assign k:x
            2 ok poll p:x@0=10
            9 open txn s:x=99
            1 ok txn s:x@2=11
            2 ok poll t={time} p"
        )
    };
    let timeout = |settings: &str| format!(r#"{{"quiesced": true, "processes": {{"9": {{{settings}}}}}}}"#);
    // It began at 60 ns, times out after 1 ms, and the coordinator looks every 10 s.
    let soon = timeout(r#""transaction.timeout.ms": 1"#);
    both(&late(10_001_000_059), &soon).jepsen(Invalid, &["unseen"]).kafka(
        Valid,
        &["hanging-transaction allowed [11..12] (transaction.timeout.ms of process 9, which is not over)"],
    );
    both(&late(10_001_000_060), &soon).kafka(Invalid, &["hanging-transaction violation [11..12]"]);
    both(&late(10_001_000_060), &timeout(r#""transaction.timeout.ms": 2"#))
        .kafka(Valid, &["hanging-transaction allowed [11..12]"]);
    both(&late(10_001_000_060), &timeout(r#""transaction.two.phase.commit.enable": true"#)).kafka(
        Valid,
        &["hanging-transaction allowed [11..12] (transaction.two.phase.commit.enable=true of process 9)"],
    );
    both(&late(10_001_000_060), &timeout(r#""transaction.two.phase.commit.enable": false"#))
        .kafka(Invalid, &["hanging-transaction violation [11..12]"]);
}

#[test]
fn a_fault_beyond_the_budget_may_leave_a_transaction_hanging() {
    let fault = |to: u64| {
        format!(
            r#"{{"quiesced": true, "faults": [{{"name": "the coordinator's disks burnt", "from": 0, "to": {to}}}]}}"#
        )
    };
    both(&stuck("open txn s:x=99"), &fault(60))
        .kafka(Valid, &["hanging-transaction promise-ended [11..13] (the coordinator's disks burnt)"]);
    both(&stuck("open txn s:x=99"), &fault(59)).kafka(Invalid, &["hanging-transaction violation [11..13]"]);
}
