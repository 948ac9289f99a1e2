//! The checkers against the answers of the real one: the public corpus, and histories of all kinds against the reference.

use crate::generate::{correct_history, mutate, plant, renumber_processes, reorder_unrelated, shapes};
use proptest::prelude::*;
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use wavetank_traces::check::index::{Index, Proofs};
use wavetank_traces::check::order::Order;
use wavetank_traces::check::{Options, check, consume_counts, realtime_lag, unseen};
use wavetank_traces::history::{History, Value, reader};

const MODES: [(bool, bool); 4] = [(false, false), (false, true), (true, false), (true, true)];

fn history(lines: &[Json]) -> History {
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    reader::read(text.as_bytes(), "history").unwrap_or_else(|error| panic!("{error}\n{text}"))
}

fn report(lines: &[Json], subscribe: bool, ww_deps: bool) -> Json {
    let history = history(lines);
    check(&history, &Options { subscribe, ww_deps }).json(&history)
}

/// The folder of a public case, or the reason why there is none.
fn corpus() -> Option<PathBuf> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/conformance/jepsen");
    if !root.is_dir() {
        println!("skipped: {} is not there", root.display());
        return None;
    }
    Some(root)
}

fn json_file(path: PathBuf) -> Json {
    serde_json::from_str(&std::fs::read_to_string(path).expect("the corpus has it")).expect("it is JSON")
}

fn case(name: &str) -> Option<(History, Json)> {
    let folder = corpus()?.join(name);
    let text = std::fs::read_to_string(folder.join("history.jsonl")).expect("a case has a history");
    Some((reader::read(text.as_bytes(), name).expect("it is well-formed"), json_file(folder.join("expected.json"))))
}

#[test]
fn the_checkers_agree_with_the_real_one_on_the_public_corpus() {
    let cases = match crate::reference::cases() {
        Ok(cases) => cases,
        Err(why) => return println!("skipped: {why}"),
    };
    let mut failures = String::new();
    for case in &cases {
        for (subscribe, ww_deps) in MODES {
            let ours = report(&case.lines, subscribe, ww_deps);
            let expected = case.report(subscribe, ww_deps);
            if let Err(why) = crate::reference::compare_to_the_letter(&ours, &expected, &case.ambiguous_keys) {
                let _ = writeln!(failures, "{} subscribe={subscribe} ww_deps={ww_deps}: {why}", case.name);
            }
            let types = expected["errors"].as_object().map(|errors| errors.keys().cloned().collect::<Vec<_>>());
            if Some(ours["error_types"].clone()) != types.map(Json::from) {
                let _ = writeln!(failures, "{} ww_deps={ww_deps}: types {}", case.name, ours["error_types"]);
            }
        }
    }
    assert!(failures.is_empty(), "{failures}");
}

#[test]
fn the_checkers_agree_on_examples_worked_out_by_hand() {
    for example in crate::reference::examples() {
        let ours = report(&example.lines, false, example.ww_deps);
        let expected = crate::reference::check(&example.lines, false, example.ww_deps);
        let ambiguous = crate::reference::ambiguous_keys(&example.lines);
        assert_eq!(crate::reference::compare(&ours, &expected, &ambiguous), Ok(()), "{}", example.rule);
        assert_eq!(ours["error_types"], expected["error_types"], "{}", example.rule);
    }
}

#[test]
fn version_orders_and_measures_agree_with_the_real_checker_on_the_public_corpus() {
    let cases = match crate::reference::cases() {
        Ok(cases) => cases,
        Err(why) => return println!("skipped: {why}"),
    };
    for name in cases.iter().map(|case| &case.name) {
        let Some((history, expected)) = case(name) else { return };
        let real = &expected["real_checker"];
        assert_eq!(orders(&history), real["version_orders"], "{name}");
        let worst = realtime_lag::worst(&realtime_lag::series(&history)).map_or(0, |lag| lag.lag);
        assert_eq!(json!(worst), real["worst_realtime_lag"]["lag"], "{name}");
        let none = real["consume_dup_counts"].as_object().is_none_or(|counts| counts.is_empty());
        assert_eq!(consume_counts::repeated(&history).is_empty(), none, "{name}");
    }
}

/// All version orders, as the corpus writes them.
fn orders(history: &History) -> Json {
    let index = Index::of(history, Proofs::OkPolls);
    let orders = index.keys().map(|(key, known)| {
        let order = index.order(key, history);
        let value = |value: Value| history.value_json(value);
        let by_index: Vec<_> = (0..order.len()).map(|index| value(order.value_at(index).expect("dense"))).collect();
        let mut log = BTreeMap::new();
        for offset in known.log.firsts().flat_map(|stretch| stretch.offsets()) {
            log.insert(offset.to_string(), known.log.values_at(offset).into_iter().map(value).collect::<Vec<_>>());
        }
        (history.key_name(key).to_owned(), json!({ "by-index": by_index, "log": log }))
    });
    Json::Object(orders.filter(|(_, order)| order["log"] != json!({})).collect())
}

#[test]
fn version_orders_of_unit_level_histories_are_as_asserted() {
    for name in ["version_orders__info_proven", "version_orders__real_world_637"] {
        let Some((history, expected)) = case(name) else { return };
        let asserted = &expected["asserted_version_orders"];
        let errors = check(&history, &Options::default()).json(&history)["errors"]["inconsistent-offsets"].clone();
        let mut wanted = asserted["errors"].clone();
        for error in wanted.as_array_mut().expect("a list") {
            error["key"] = error["key"].as_i64().map_or(error["key"].clone(), |key| json!(key.to_string()));
        }
        assert_eq!(errors, wanted, "{name}");
        if let Some(log) = asserted["orders"]["x"]["log"].as_array() {
            let ours = orders(&history);
            for (offset, values) in log.iter().enumerate() {
                assert_eq!(ours["x"]["log"][offset.to_string()], *values, "{name} at {offset}");
            }
        }
    }
}

#[test]
fn the_series_of_lags_and_of_unseen_values_are_as_asserted() {
    let Some((history, expected)) = case("realtime_lag__series") else { return };
    let lags: Vec<_> = realtime_lag::series(&history)
        .into_iter()
        .map(
            |lag| json!({ "process": lag.process, "key": history.key_name(lag.key), "time": lag.time, "lag": lag.lag }),
        )
        .collect();
    assert_eq!(Json::from(lags), expected["asserted_realtime_lag"]);

    let Some((history, expected)) = case("realtime_lag__worst") else { return };
    let worst = realtime_lag::worst(&realtime_lag::series(&history)).expect("it polls");
    let worst =
        json!({ "process": worst.process, "key": history.key_name(worst.key), "time": worst.time, "lag": worst.lag });
    assert_eq!(worst, expected["asserted_worst_realtime_lag"]);

    let Some((history, expected)) = case("unseen__series") else { return };
    for ((time, unseen), asserted) in
        unseen::series(&history).into_iter().zip(expected["asserted_unseen_series"].as_array().expect("a list"))
    {
        let unseen: BTreeMap<_, _> = unseen.into_iter().map(|(key, count)| (history.key_name(key), count)).collect();
        assert_eq!((json!(time), json!(unseen)), (asserted["time"].clone(), asserted["unseen"].clone()));
    }
}

/// A log of a unit vector: offset by offset the values, or null.
fn log_of(vector: &Json, history: &mut History) -> Order {
    let mut log = wavetank_traces::check::log::Log::default();
    for (offset, values) in vector.as_array().expect("a log").iter().enumerate() {
        for value in values.as_array().into_iter().flatten() {
            let value = history.value(value);
            log.add(wavetank_traces::Offset(offset as i64), value, 1);
        }
    }
    Order::new(&log, history)
}

#[test]
fn the_unit_vectors_are_met() {
    let Some(root) = corpus() else { return };
    let functions = json_file(root.join("_unit/functions.json"));
    let vectors = functions["vectors"].as_array().expect("a list");
    assert_eq!(vectors.len(), 5);
    for vector in vectors {
        let mut history = History::new();
        let (args, expected) = (&vector["args"][0], &vector["expected"]);
        match vector["fn"].as_str().expect("a name") {
            "log->last-index->values" => {
                let order = log_of(args, &mut history);
                let mut by_index: BTreeMap<u64, Vec<Json>> = BTreeMap::new();
                for place in order.last_indices() {
                    for by in 0..place.len {
                        let value = history.value_json(Value(place.value + by));
                        by_index.entry(place.index + by).or_default().push(value);
                    }
                }
                let end = by_index.keys().next_back().map_or(0, |last| last + 1);
                let ours: Vec<_> = (0..end).map(|index| json!(by_index.get(&index))).collect();
                assert_eq!(Json::from(ours), *expected);
            }
            "log->value->first-index" => {
                let order = log_of(args, &mut history);
                for (value, index) in expected.as_object().expect("a map") {
                    let value = history.value(&json!(value));
                    assert_eq!(json!(order.first_index(value)), *index);
                }
                let values: u64 = order.first_indices().iter().map(|place| place.len).sum();
                assert_eq!(values as usize, expected.as_object().expect("a map").len());
            }
            "op->max-offsets" => {
                let lines = [json!({"type": "ok", "f": args["f"], "value": args["value"]})];
                let history = self::history(&lines);
                let id = history.ids().next().expect("one");
                let highest: BTreeMap<_, _> = realtime_lag::highest(&history, id)
                    .into_iter()
                    .map(|(key, offset)| (history.key_name(key).to_owned(), offset))
                    .collect();
                assert_eq!(json!(highest), *expected);
            }
            other => panic!("no such function: {other}"),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_correct_history_never_alarms(shape in shapes()) {
        let lines = correct_history(&shape);
        for ww_deps in [false, true] {
            let report = report(&lines, shape.subscribe, ww_deps);
            prop_assert_eq!(&report["valid"], &json!(true), "{}", report);
        }
    }

    #[test]
    fn a_planted_anomaly_is_found(shape in shapes(), seed in any::<u64>()) {
        let lines = correct_history(&shape);
        for anomaly in crate::generate::Anomaly::ALL {
            let Some(planted) = plant(&lines, anomaly, seed) else { continue };
            let report = report(&planted, shape.subscribe, anomaly.needs_ww_deps());
            let found = report["errors"][anomaly.name()].is_array();
            prop_assert!(found, "{:?} is not in {}", anomaly, report);
        }
    }

    #[test]
    fn damaged_histories_are_judged_as_the_definitions_say(shape in shapes(), seeds in prop::collection::vec(any::<u64>(), 1..6)) {
        let mut lines = correct_history(&shape);
        for seed in seeds {
            lines = mutate(&lines, seed);
        }
        let ambiguous = crate::reference::ambiguous_keys(&lines);
        for (subscribe, ww_deps) in MODES {
            let ours = report(&lines, subscribe, ww_deps);
            let expected = crate::reference::check(&lines, subscribe, ww_deps);
            if let Err(why) = crate::reference::compare(&ours, &expected, &ambiguous) {
                let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
                prop_assert!(false, "subscribe={} ww_deps={}: {}\n{}", subscribe, ww_deps, why, text);
            }
        }
    }

    #[test]
    fn names_of_processes_do_not_matter(shape in shapes(), seed in any::<u64>()) {
        let lines = mutate(&correct_history(&shape), seed);
        let renumbered = renumber_processes(&lines, seed);
        prop_assert_eq!(report(&lines, shape.subscribe, true), report(&renumbered, shape.subscribe, true));
    }

    #[test]
    fn the_order_of_unrelated_operations_does_not_matter(shape in shapes(), seed in any::<u64>()) {
        let lines = mutate(&correct_history(&shape), seed);
        let ambiguous = crate::reference::ambiguous_keys(&lines);
        let (reordered, places) = reorder_unrelated(&lines, seed);
        let (before, after) = (report(&lines, shape.subscribe, true), report(&reordered, shape.subscribe, true));
        let mapped = crate::reference::remap_ops(&before, &places);
        prop_assert_eq!(crate::reference::compare(&after, &mapped, &ambiguous), Ok(()));
    }
}
