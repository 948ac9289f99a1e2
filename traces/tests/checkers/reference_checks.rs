//! The reference checker against the public corpus of real answers, and against generated histories: it is silent on
//! correct ones, finds what is planted, and does not depend on names or on what is concurrent.

use crate::generate::{Anomaly, Shape, correct_history, mutate, plant, shapes, well_formed};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Every combination of sub-via subscribe and ww-deps.
const MODES: [(bool, bool); 4] = [(false, false), (false, true), (true, false), (true, true)];

#[test]
fn the_reference_agrees_with_the_real_checker_on_the_public_corpus() {
    let cases = match crate::reference::cases() {
        Ok(cases) => cases,
        Err(why) => return println!("skipped, for there is no corpus: {why}"),
    };
    assert_eq!(cases.len(), 38, "cases with an answer of the real checker");
    let mut failures = Vec::new();
    for case in &cases {
        for (subscribe, ww_deps) in MODES {
            let ours = crate::reference::check(&case.lines, subscribe, ww_deps);
            let expected = case.report(subscribe, ww_deps);
            if let Err(why) = crate::reference::compare_to_the_letter(&ours, &expected, &case.ambiguous_keys) {
                failures.push(format!("{} subscribe={subscribe} ww_deps={ww_deps}: {why}", case.name));
            }
            assert_eq!(crate::reference::ambiguous_keys(&case.lines), case.ambiguous_keys, "{}", case.name);
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// The allowed types are our own reading: they must lead to the very verdicts of the real checker, `unseen` aside.
#[test]
fn the_types_that_are_bad_are_those_of_the_real_checker() {
    let cases = match crate::reference::cases() {
        Ok(cases) => cases,
        Err(why) => return println!("skipped, for there is no corpus: {why}"),
    };
    for case in &cases {
        for (subscribe, ww_deps) in MODES {
            let real = case.real_verdict(subscribe, ww_deps);
            let without_unseen = |types: &Value| {
                let types = types.as_array().cloned().unwrap_or_default();
                types.into_iter().filter(|kind| kind != "unseen").collect::<Vec<Value>>()
            };
            let ours = crate::reference::check(&case.lines, subscribe, ww_deps);
            let at = format!("{} subscribe={subscribe} ww_deps={ww_deps}", case.name);
            assert_eq!(without_unseen(&ours["bad_error_types"]), without_unseen(&real["bad_error_types"]), "{at}");
            let strict = without_unseen(&real["bad_error_types"]).is_empty() && ours["errors"]["unseen"].is_null();
            assert_eq!(ours["valid"], json!(strict), "{at}");
        }
    }
}

/// What no public case reaches: each entry worked out by hand.
#[test]
fn the_reference_agrees_with_the_examples_worked_out_by_hand() {
    let sorted = |entries: &[Value]| {
        let mut entries: Vec<String> = entries.iter().map(Value::to_string).collect();
        entries.sort();
        entries
    };
    for example in crate::reference::examples() {
        let report = crate::reference::check(&example.lines, false, example.ww_deps);
        for (kind, expected) in &example.expected {
            let ours = report["errors"][kind].as_array().cloned().unwrap_or_default();
            assert_eq!(sorted(&ours), sorted(expected), "{}: {kind} in {report}", example.rule);
        }
    }
}

/// A report with these errors, as far as [`crate::reference::compare`] looks at it.
fn report(valid: bool, bad: &[&str], errors: Value) -> Value {
    let types: Vec<&String> = errors.as_object().into_iter().flatten().map(|(kind, _)| kind).collect();
    json!({ "valid": valid, "error_types": types, "bad_error_types": bad, "errors": errors })
}

#[test]
fn a_comparison_sees_what_the_rules_of_the_corpus_compare_and_nothing_else() {
    let lost = |max_read: Value| {
        let entry = json!({ "key": "x", "value": 1, "max-read": max_read });
        report(false, &["lost-write"], json!({ "lost-write": [entry] }))
    };
    let skips = |key: &str, ops: &[u64]| {
        let entries: Vec<Value> = ops.iter().map(|op| json!({ "key": key, "delta": 2, "op": { "op": op } })).collect();
        report(false, &["int-poll-skip"], json!({ "int-poll-skip": entries }))
    };
    let precommitted = |op: u64, keys: &[&str]| {
        let entries: Vec<Value> =
            keys.iter().map(|key| json!({ "op": { "op": op }, "key": key, "value": 1 })).collect();
        report(false, &["precommitted-read"], json!({ "precommitted-read": entries }))
    };
    let unseen = |values: Value| report(false, &["unseen"], json!({ "unseen": [{ "key": "x", "values": values }] }));
    let cycles = |kinds: &[&str], bad: &[&str]| {
        let errors: BTreeMap<&str, Value> = kinds.iter().map(|kind| (*kind, json!([[1, 2]]))).collect();
        report(false, bad, json!(errors))
    };
    let duplicate = |bad: &[&str]| report(false, bad, json!({ "duplicate": [{ "key": "x" }] }));
    let empty = |valid| report(valid, &[], json!({}));
    let (nowhere, at_x): (&[&str], &[&str]) = (&[], &["x"]);
    let op = |op: u64| json!({ "op": op });
    let (ww, wr) = (["G0", "PL-1-cycle-exists"], ["G1c", "PL-2-cycle-exists"]);
    let (ww_realtime, all) =
        (["G0-realtime", "strong-PL-1-cycle-exists"], ["G1c-realtime", "strong-PL-2-cycle-exists"]);
    let table = [
        ("nothing at all", empty(true), empty(true), nowhere, true),
        ("another verdict", empty(false), empty(true), nowhere, false),
        ("an error too many", skips("x", &[1, 2]), skips("x", &[1]), nowhere, false),
        ("an error too few", skips("x", &[1]), skips("x", &[1, 1]), nowhere, false),
        ("another order of errors", skips("x", &[1, 2]), skips("x", &[2, 1]), nowhere, true),
        ("positions on an ambiguous key", skips("x", &[1, 2]), skips("x", &[3]), at_x, true),
        ("positions on another key than the ambiguous", skips("y", &[1, 2]), skips("y", &[3]), at_x, false),
        ("another max-read", lost(op(1)), lost(op(2)), nowhere, false),
        ("another max-read on an ambiguous key", lost(op(1)), lost(op(2)), at_x, true),
        ("more keys of an op's own reads", precommitted(1, &["x", "y"]), precommitted(1, &["y"]), nowhere, true),
        ("another op's own reads", precommitted(1, &["x"]), precommitted(2, &["x"]), nowhere, false),
        ("unseen values in another order", unseen(json!([1, 2])), unseen(json!([2, 1])), nowhere, true),
        ("an unseen value less", unseen(json!([1])), unseen(json!([2, 1])), nowhere, false),
        ("another kind of cycle that says as much", cycles(&ww_realtime, &[]), cycles(&all, &[]), nowhere, true),
        ("a cycle of another class", cycles(&ww, &[]), cycles(&wr, &[]), nowhere, false),
        ("a coarse companion alone", cycles(&ww[1..], &[]), cycles(&ww, &[]), nowhere, false),
        ("a ww cycle with an ambiguous key", cycles(&ww, &[]), empty(false), at_x, true),
        ("a bad cycle with an ambiguous key", cycles(&wr, &wr), empty(false), at_x, false),
        ("the same error, bad or not", duplicate(&["duplicate"]), duplicate(&[]), nowhere, false),
    ];
    for (what, ours, expected, ambiguous, agrees) in table {
        let ambiguous = ambiguous.iter().map(|key| (*key).to_owned()).collect();
        let answer = crate::reference::compare(&ours, &expected, &ambiguous);
        assert_eq!(answer.is_ok(), agrees, "{what}: {answer:?}");
    }
    let answer = crate::reference::compare_to_the_letter(&lost(op(1)), &lost(op(2)), &["x".to_owned()].into());
    assert!(answer.is_err(), "to the letter every max-read counts");
}

fn types(report: &Value) -> Vec<&str> {
    report["error_types"].as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_correct_history_never_alarms(shape in shapes()) {
        let history = correct_history(&shape);
        prop_assert_eq!(well_formed(&history), Ok(()));
        let report = crate::reference::check(&history, shape.subscribe, false);
        prop_assert_eq!(&report["valid"], &json!(true), "{:?}", report);
        let may_show: &[&str] =
            if shape.subscribe { &["int-send-skip", "poll-skip", "nonmonotonic-poll"] } else { &["int-send-skip"] };
        prop_assert!(types(&report).iter().all(|kind| may_show.contains(kind)), "{:?}", report);
        let report = crate::reference::check(&history, shape.subscribe, true);
        prop_assert_eq!(&report["valid"], &json!(true), "with ww-deps: {:?}", report);
    }

    #[test]
    fn a_planted_anomaly_is_found(shape in shapes(), seed in any::<u64>()) {
        let history = correct_history(&shape);
        for anomaly in Anomaly::ALL {
            let Some(planted) = plant(&history, anomaly, seed) else { continue };
            prop_assert_eq!(well_formed(&planted), Ok(()), "{:?}", anomaly);
            let report = crate::reference::check(&planted, shape.subscribe, anomaly.needs_ww_deps());
            prop_assert!(types(&report).contains(&anomaly.name()), "{:?} is not in {:?}", anomaly, report);
            let unknown = anomaly == Anomaly::NoWriterOfValue;
            let verdict = if unknown { json!("unknown") } else { json!(false) };
            let allowed = crate::reference::allowed(anomaly.name(), shape.subscribe, anomaly.needs_ww_deps());
            prop_assert!(allowed || report["valid"] == verdict, "{:?}: {:?}", anomaly, report["valid"]);
        }
    }

    #[test]
    fn names_of_processes_and_the_order_of_what_is_concurrent_do_not_matter(
        shape in shapes(),
        seed in any::<u64>(),
        damaged in any::<bool>(),
    ) {
        let history = correct_history(&shape);
        let history = if damaged { mutate(&history, seed) } else { history };
        let ambiguous = crate::reference::ambiguous_keys(&history);
        let renumbered = crate::generate::renumber_processes(&history, seed);
        let (reordered, places) = crate::generate::reorder_unrelated(&history, seed);
        for (subscribe, ww_deps) in MODES {
            let report = crate::reference::check(&history, subscribe, ww_deps);
            let after = crate::reference::check(&renumbered, subscribe, ww_deps);
            prop_assert_eq!(crate::reference::compare_to_the_letter(&after, &report, &ambiguous), Ok(()));
            let after = crate::reference::check(&reordered, subscribe, ww_deps);
            let expected = crate::reference::remap_ops(&report, &places);
            prop_assert_eq!(crate::reference::compare_to_the_letter(&after, &expected, &ambiguous), Ok(()));
        }
    }

    #[test]
    fn reordering_leaves_each_process_and_the_realtime_order_alone(shape in shapes(), seed in any::<u64>()) {
        let history = mutate(&correct_history(&shape), seed);
        let (reordered, places) = crate::generate::reorder_unrelated(&history, seed);
        prop_assert_eq!(well_formed(&reordered), Ok(()));
        let client = |line: &Value| line["process"].is_i64();
        let invoked = |line: &Value| line["type"] == "invoke";
        for (at, first) in history.iter().enumerate().filter(|(_, line)| client(line)) {
            prop_assert_eq!(&first["value"], &reordered[places[at]]["value"]);
            for (after, second) in history.iter().enumerate().skip(at + 1).filter(|(_, line)| client(line)) {
                if places[at] < places[after] {
                    continue;
                }
                prop_assert!(first["process"] != second["process"], "{first} and {second}");
                prop_assert!(invoked(first) == invoked(second), "{first} and {second}");
                // The first reader is named and the last sender is the writer.
                prop_assert!(invoked(first) || !share_a_record(first, second), "{first} and {second}");
            }
        }
    }

    #[test]
    fn damage_leaves_a_history_well_formed_and_checkable(shape in shapes(), seed in any::<u64>()) {
        let damaged = mutate(&correct_history(&shape), seed);
        prop_assert_eq!(well_formed(&damaged), Ok(()));
        for (subscribe, ww_deps) in MODES {
            let report = crate::reference::check(&damaged, subscribe, ww_deps);
            prop_assert_eq!(crate::reference::compare(&report, &report, &Default::default()), Ok(()));
        }
    }
}

/// Whether one poll or one send of each is of the same value.
fn share_a_record(first: &Value, second: &Value) -> bool {
    let of_second = records(second);
    records(first).iter().any(|record| of_second.contains(record))
}

/// The key and value of everything that a completion sent and polled.
fn records(line: &Value) -> Vec<String> {
    let mut records = Vec::new();
    for micro in line["value"].as_array().into_iter().flatten() {
        if micro[0] == "send" {
            let value = if micro[2].is_array() { &micro[2][1] } else { &micro[2] };
            records.push(format!("sent {} {value}", micro[1]));
        }
        for (key, list) in micro[1].as_object().into_iter().flatten() {
            records.extend(list.as_array().into_iter().flatten().map(|record| format!("polled {key} {}", record[1])));
        }
    }
    records
}

/// Some shape of a good size; `seed` decides the rest.
fn a_shape(seed: u64) -> Shape {
    let (keys, processes, ops, micros, batch) = (2, 5, 50, 1 + seed as usize % 3, 4);
    let (transactional, fail, info, open, strings, subscribe) = (50, 15, 15, 3, 20, false);
    Shape { seed, keys, processes, ops, micros, batch, transactional, fail, info, open, strings, subscribe }
}

/// Generators that yield next to nothing would prove next to nothing.
#[test]
fn the_generators_reach_every_kind_of_op_and_every_type_of_error() {
    let mut reached: BTreeMap<String, usize> = BTreeMap::new();
    for seed in 0..200 {
        let history = correct_history(&a_shape(seed));
        for line in &history {
            *reached.entry(format!("{} {}", line["type"], line["f"])).or_default() += 1;
        }
        for anomaly in Anomaly::ALL {
            let appended = plant(&history, anomaly, seed).is_some_and(|planted| planted.starts_with(&history));
            *reached.entry(format!("appended {appended}: {}", anomaly.name())).or_default() += 1;
        }
        for (name, lines) in [("correct", history.clone()), ("damaged", mutate(&history, seed))] {
            for kind in types(&crate::reference::check(&lines, false, seed % 2 == 0)) {
                *reached.entry(format!("{name}: {kind}")).or_default() += 1;
            }
        }
    }
    println!("{reached:#?}");
    for f in ["send", "poll", "txn"] {
        for kind in ["ok", "fail", "info"] {
            assert!(reached.contains_key(&format!("{kind:?} {f:?}")), "no {kind} {f} in {reached:?}");
        }
    }
    for anomaly in Anomaly::ALL {
        let has = |how: &str| reached.contains_key(&format!("{how}: {}", anomaly.name()));
        assert!(has("damaged"), "no damage led to {anomaly:?}: {reached:#?}");
        assert!(!has("correct") || anomaly.may_be_correct(), "{anomaly:?} in correct histories");
        assert!(has("appended true"), "{anomaly:?} was never appended");
        assert_eq!(has("appended false"), anomaly.can_be_edited_in(), "{anomaly:?} planted by an edit");
    }
    for kind in ["G0", "int-send-skip"] {
        assert!(reached.contains_key(&format!("correct: {kind}")), "no correct history has {kind}: {reached:#?}");
    }
}
