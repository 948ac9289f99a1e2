//! The public conformance corpus: histories with what the real checker says of them.

use super::verdict;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// One case of the corpus on which the real checker ran.
pub struct Case {
    pub name: String,
    pub lines: Vec<Value>,
    pub ambiguous_keys: BTreeSet<String>,
    expected: Value,
}

/// All cases with a verdict of the real checker, by name; or why there are none to be had.
pub fn cases() -> Result<Vec<Case>, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/conformance/jepsen");
    let entries = fs::read_dir(&root).map_err(|error| format!("{}: {error}", root.display()))?;
    let mut cases = Vec::new();
    for entry in entries {
        let directory = entry.map_err(|error| format!("{}: {error}", root.display()))?.path();
        let Ok(expected) = fs::read_to_string(directory.join("expected.json")) else { continue };
        let expected = json_of(&expected, &directory)?;
        if expected["real_checker"].is_null() {
            continue;
        }
        let history = fs::read_to_string(directory.join("history.jsonl"))
            .map_err(|error| format!("{}: {error}", directory.display()))?;
        let lines: Result<Vec<Value>, String> = history.lines().map(|line| json_of(line, &directory)).collect();
        let name = directory.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let ambiguous = expected["order_ambiguous_keys"].as_array().into_iter().flatten();
        let ambiguous_keys = ambiguous.filter_map(Value::as_str).map(str::to_owned).collect();
        cases.push(Case { name, lines: lines?, ambiguous_keys, expected });
    }
    cases.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(cases)
}

fn json_of(text: &str, at: &Path) -> Result<Value, String> {
    serde_json::from_str(text).map_err(|error| format!("{}: {error}", at.display()))
}

impl Case {
    /// The report that the real checker's answer amounts to, with `unseen` by its strict definition.
    pub fn report(&self, sub_via_subscribe: bool, ww_deps: bool) -> Value {
        let real = &self.expected["real_checker"];
        let mut errors = Map::new();
        for kind in real["error_types"][format!("ww_deps={ww_deps}")].as_array().into_iter().flatten() {
            let kind = kind.as_str().unwrap_or_default();
            let delta = real["errors"]["ww_deps=true_delta"].get(kind).filter(|_| ww_deps);
            let entries = delta.unwrap_or(&real["errors"]["ww_deps=false"][kind]);
            errors.insert(kind.to_owned(), entries.clone());
        }
        errors.remove("unseen");
        let strict = self.expected["strict_unseen"].as_object().into_iter().flatten();
        let unseen: Vec<Value> = strict.map(|(key, values)| json!({ "key": key, "values": values })).collect();
        if !unseen.is_empty() {
            errors.insert("unseen".to_owned(), Value::Array(unseen));
        }
        verdict(errors, sub_via_subscribe, ww_deps)
    }

    /// What the real checker itself said: whether it is valid and which types are bad, with its own `unseen`.
    pub fn real_verdict(&self, sub_via_subscribe: bool, ww_deps: bool) -> Value {
        let sub_via = if sub_via_subscribe { "subscribe" } else { "assign" };
        self.expected["real_checker"]["verdicts"][format!("sub_via={sub_via},ww_deps={ww_deps}")].clone()
    }
}
