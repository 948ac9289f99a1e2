//! The reference checker against the public corpus of real answers.

mod reference;

use serde_json::{Value, json};

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
