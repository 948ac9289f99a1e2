//! Checking while a history grows agrees with checking it when it is done.

use crate::generate::{Shape, correct_history, mutate, plant, shapes};
use proptest::prelude::*;
use serde_json::Value as Json;
use std::collections::BTreeSet;
use wavetank_traces::check::anomaly::Anomaly;
use wavetank_traces::check::online::Online;
use wavetank_traces::check::{Options, check};
use wavetank_traces::history::Kind;
use wavetank_traces::history::reader::{self, Reader};

fn text(lines: &[Json]) -> String {
    lines.iter().map(|line| format!("{line}\n")).collect()
}

/// The first violation that shows while these lines are read, and how many operations were then there.
fn first_violation(lines: &[Json], options: &Options, search_from: usize) -> Option<(Anomaly, usize)> {
    let text = text(lines);
    let mut online = Online::new(options.clone()).searching_from(search_from);
    let mut reader = Reader::new(text.as_bytes(), "history");
    while online.read(&mut reader).expect("well-formed") {
        if let Some(proof) = online.violation() {
            return Some((proof.anomaly(), online.history().len()));
        }
    }
    let (history, report) = online.finish();
    assert_eq!(report.json(&history), check(&history, options).json(&history));
    None
}

/// What stands, whatever follows, wherever offsets are known when they are needed.
const SHOWN_AT_ONCE: [Anomaly; 8] = [
    Anomaly::InconsistentOffsets,
    Anomaly::Duplicate,
    Anomaly::G1a,
    Anomaly::PrecommittedRead,
    Anomaly::IntPollSkip,
    Anomaly::IntNonmonotonicPoll,
    Anomaly::PollSkip,
    Anomaly::NonmonotonicPoll,
];

fn bad(lines: &[Json], options: &Options) -> Vec<Anomaly> {
    let history = reader::read(text(lines).as_bytes(), "history").expect("well-formed");
    check(&history, options).bad.into_iter().collect()
}

/// The prefix that holds so many client operations.
fn prefix(lines: &[Json], operations: usize) -> &[Json] {
    let clients = lines.iter().enumerate().filter(|(_, line)| line["process"].is_i64());
    let end = clients.map(|(place, _)| place + 1).nth(operations - 1).expect("so many were read");
    &lines[..end]
}

fn has_polls_without_offsets(lines: &[Json]) -> bool {
    lines.iter().any(|line| {
        let polls = line["value"].as_array().into_iter().flatten().filter_map(|mop| mop.get(1)?.as_object());
        polls
            .flat_map(|keys| keys.values())
            .any(|list| list.as_array().into_iter().flatten().any(|pair| pair[0].is_null()))
    })
}

/// Whether two operations sent the same value: what that proves of which of them is told at the end only.
fn has_values_sent_twice(lines: &[Json]) -> bool {
    let history = reader::read(text(lines).as_bytes(), "history").expect("well-formed");
    let mut seen = BTreeSet::new();
    history.ids().filter(|id| history.op(*id).kind != Kind::Invoke).any(|id| {
        let sent: BTreeSet<_> = history.sends(id).flat_map(|run| run.values().map(|value| (run.key, value))).collect();
        sent.into_iter().any(|sent| !seen.insert(sent))
    })
}

fn agree(lines: &[Json], shape: &Shape, search_from: usize) -> Result<(), TestCaseError> {
    let options = Options { subscribe: shape.subscribe, ww_deps: false };
    let online = first_violation(lines, &options, search_from);
    let at_the_end = bad(lines, &options);
    match online {
        None => {
            let missed: Vec<_> = at_the_end.iter().filter(|anomaly| SHOWN_AT_ONCE.contains(anomaly)).collect();
            let excused = has_polls_without_offsets(lines) || has_values_sent_twice(lines);
            prop_assert!(missed.is_empty() || excused, "{:?} not seen online in\n{}", missed, text(lines));
        }
        Some((anomaly, operations)) => {
            let then = bad(prefix(lines, operations), &options);
            prop_assert!(then.contains(&anomaly), "{:?} is not among {:?} in\n{}", anomaly, then, text(lines));
            let sooner = bad(prefix(lines, operations - 1), &options);
            let missed: Vec<_> = sooner.iter().filter(|anomaly| SHOWN_AT_ONCE.contains(anomaly)).collect();
            let excused = has_polls_without_offsets(lines) || has_values_sent_twice(lines);
            prop_assert!(missed.is_empty() || excused, "{:?} was there before in\n{}", missed, text(lines));
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_correct_history_is_never_stopped(shape in shapes()) {
        let lines = correct_history(&shape);
        let options = Options { subscribe: shape.subscribe, ww_deps: false };
        prop_assert_eq!(first_violation(&lines, &options, 1), None);
    }

    #[test]
    fn what_is_planted_stops_the_run_where_it_shows(shape in shapes(), seed in any::<u64>()) {
        let lines = correct_history(&shape);
        for anomaly in crate::generate::Anomaly::ALL {
            if let Some(planted) = plant(&lines, anomaly, seed) {
                agree(&planted, &shape, 1 << 20)?;
            }
        }
    }

    #[test]
    fn damage_stops_the_run_where_it_shows(shape in shapes(), seeds in prop::collection::vec(any::<u64>(), 1..4)) {
        let damaged = seeds.iter().fold(correct_history(&shape), |lines, seed| mutate(&lines, *seed));
        agree(&damaged, &shape, 1 << 20)?;
    }

    #[test]
    fn cycles_are_found_when_they_are_looked_for(shape in shapes(), seed in any::<u64>()) {
        let lines = correct_history(&shape);
        let Some(planted) = plant(&lines, crate::generate::Anomaly::G1c, seed) else { return Ok(()) };
        let options = Options { subscribe: shape.subscribe, ww_deps: false };
        let whole = bad(&planted, &options);
        let online = first_violation(&planted, &options, planted.len());
        if whole.contains(&Anomaly::G1c) && planted.iter().all(|line| line["process"].is_i64()) {
            prop_assert!(online.is_some(), "{}", text(&planted));
        }
    }
}

#[test]
fn sends_that_go_back_stop_the_run_within_an_operation_and_from_one_to_the_next() {
    let send = |process: i64, index: u64, records: Json| {
        let ends = [("invoke", index), ("ok", index + 1)];
        ends.map(|(kind, index)| {
            serde_json::json!({
                "index": index, "process": process, "type": kind, "f": "send", "value": records.clone(),
            })
        })
    };
    let within = send(0, 0, serde_json::json!([["send", "x", [5, 1]], ["send", "x", [3, 2]]]));
    let options = Options::default();
    assert_eq!(first_violation(&within, &options, 1 << 20), Some((Anomaly::IntNonmonotonicSend, 2)));
    let first = send(0, 0, serde_json::json!([["send", "x", [5, 1]]]));
    let second = send(0, 2, serde_json::json!([["send", "x", [3, 2]]]));
    let across = [first, second].concat();
    assert_eq!(first_violation(&across, &options, 1 << 20), Some((Anomaly::NonmonotonicSend, 4)));
}

#[test]
fn what_a_new_producer_epoch_writes_again_may_be_there_twice_and_nothing_else_may() {
    let line = |index: u64, process: i64, kind: &str, f: &str, value: Json| serde_json::json!({ "index": index, "process": process, "type": kind, "f": f, "value": value });
    let sent = |index, value: u64, offset: u64| {
        let ends = [serde_json::json!([["send", "x", value]]), serde_json::json!([["send", "x", [offset, value]]])];
        [line(index, 0, "invoke", "send", ends[0].clone()), line(index + 1, 0, "ok", "send", ends[1].clone())]
    };
    let polled = serde_json::json!([["poll", { "x": [[0, 10], [1, 11], [2, 10]] }]]);
    let poll = [line(4, 1, "invoke", "poll", serde_json::json!([["poll"]])), line(5, 1, "ok", "poll", polled)];
    let lines = text(&[&sent(0, 10, 2)[..], &sent(2, 11, 1), &poll].concat());
    let bad_if_rewritten = |value: u64| {
        let mut online = Online::new(Options::default());
        let mut reader = Reader::new(lines.as_bytes(), "history");
        let mut stopped = false;
        while online.read(&mut reader).expect("well-formed") {
            let key = online.history().ids().flat_map(|id| online.history().runs(id)).map(|run| run.key).next();
            online.rewritten(key.expect("something was sent"), value..value + 1);
            stopped |= online.violation().is_some();
        }
        (stopped, online.finish().1.bad.into_iter().collect::<Vec<_>>())
    };
    assert_eq!(bad_if_rewritten(10), (false, Vec::new()));
    let (stopped, bad) = bad_if_rewritten(11);
    assert!(stopped && bad.contains(&Anomaly::Duplicate), "{bad:?}");
}
