//! The reference checker against the public corpus of real answers, and against generated histories: it is silent on
//! correct ones, finds what is planted, and does not depend on names or on what is concurrent.

mod generate;
mod reference;

use generate::{Anomaly, Shape, correct_history, mutate, plant, shapes, well_formed};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Every combination of sub-via subscribe and ww-deps.
const MODES: [(bool, bool); 4] = [(false, false), (false, true), (true, false), (true, true)];

#[test]
fn the_reference_agrees_with_the_real_checker_on_the_public_corpus() {
    let cases = match reference::cases() {
        Ok(cases) => cases,
        Err(why) => return println!("skipped, for there is no corpus: {why}"),
    };
    assert_eq!(cases.len(), 38, "cases with an answer of the real checker");
    let mut failures = Vec::new();
    for case in &cases {
        for (subscribe, ww_deps) in MODES {
            let ours = reference::check(&case.lines, subscribe, ww_deps);
            let expected = case.report(subscribe, ww_deps);
            if let Err(why) = reference::compare_to_the_letter(&ours, &expected, &case.ambiguous_keys) {
                failures.push(format!("{} subscribe={subscribe} ww_deps={ww_deps}: {why}", case.name));
            }
            assert_eq!(reference::ambiguous_keys(&case.lines), case.ambiguous_keys, "{}", case.name);
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// The allowed types are our own reading: they must lead to the very verdicts of the real checker, `unseen` aside.
#[test]
fn the_types_that_are_bad_are_those_of_the_real_checker() {
    let cases = match reference::cases() {
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
            let ours = reference::check(&case.lines, subscribe, ww_deps);
            let at = format!("{} subscribe={subscribe} ww_deps={ww_deps}", case.name);
            assert_eq!(without_unseen(&ours["bad_error_types"]), without_unseen(&real["bad_error_types"]), "{at}");
            let strict = without_unseen(&real["bad_error_types"]).is_empty() && ours["errors"]["unseen"].is_null();
            assert_eq!(ours["valid"], json!(strict), "{at}");
        }
    }
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
        let report = reference::check(&history, shape.subscribe, false);
        prop_assert_eq!(&report["valid"], &json!(true), "{:?}", report);
        let may_show: &[&str] =
            if shape.subscribe { &["int-send-skip", "poll-skip", "nonmonotonic-poll"] } else { &["int-send-skip"] };
        prop_assert!(types(&report).iter().all(|kind| may_show.contains(kind)), "{:?}", report);
        let report = reference::check(&history, shape.subscribe, true);
        prop_assert_eq!(&report["valid"], &json!(true), "with ww-deps: {:?}", report);
    }

    #[test]
    fn a_planted_anomaly_is_found(shape in shapes(), seed in any::<u64>()) {
        let history = correct_history(&shape);
        for anomaly in Anomaly::ALL {
            let Some(planted) = plant(&history, anomaly, seed) else { continue };
            prop_assert_eq!(well_formed(&planted), Ok(()), "{:?}", anomaly);
            let report = reference::check(&planted, shape.subscribe, anomaly.needs_ww_deps());
            prop_assert!(types(&report).contains(&anomaly.name()), "{:?} is not in {:?}", anomaly, report);
            let unknown = anomaly == Anomaly::NoWriterOfValue;
            let verdict = if unknown { json!("unknown") } else { json!(false) };
            let allowed = reference::allowed(anomaly.name(), shape.subscribe, anomaly.needs_ww_deps());
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
        let ambiguous = reference::ambiguous_keys(&history);
        let renumbered = generate::renumber_processes(&history, seed);
        let (reordered, places) = generate::reorder_unrelated(&history, seed);
        for (subscribe, ww_deps) in MODES {
            let report = reference::check(&history, subscribe, ww_deps);
            let after = reference::check(&renumbered, subscribe, ww_deps);
            prop_assert_eq!(reference::compare_to_the_letter(&after, &report, &ambiguous), Ok(()));
            let after = reference::check(&reordered, subscribe, ww_deps);
            let expected = reference::remap_ops(&report, &places);
            prop_assert_eq!(reference::compare_to_the_letter(&after, &expected, &ambiguous), Ok(()));
        }
    }

    #[test]
    fn damage_leaves_a_history_well_formed_and_checkable(shape in shapes(), seed in any::<u64>()) {
        let damaged = mutate(&correct_history(&shape), seed);
        prop_assert_eq!(well_formed(&damaged), Ok(()));
        for (subscribe, ww_deps) in MODES {
            let report = reference::check(&damaged, subscribe, ww_deps);
            prop_assert_eq!(reference::compare(&report, &report, &Default::default()), Ok(()));
        }
    }
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
            for kind in types(&reference::check(&lines, false, seed % 2 == 0)) {
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
