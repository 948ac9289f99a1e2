//! Variants of a history on which a verdict must not change.

use super::dice::Dice;
use super::lines::{Place, is_client, is_invocation, places, reindex, retime};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// The history with other process ids, one for one. What is no client op stays as it is.
pub fn renumber_processes(history: &[Value], seed: u64) -> Vec<Value> {
    let mut dice = Dice::new(seed);
    let old: Vec<i64> = history.iter().filter_map(|line| line["process"].as_i64()).collect();
    let old: Vec<i64> = old.into_iter().collect::<BTreeSet<i64>>().into_iter().collect();
    let mut new: Vec<i64> = (0..old.len() as i64).map(|process| process * 3 + 1).collect();
    dice.shuffle(&mut new);
    let renamed: BTreeMap<i64, i64> = old.into_iter().zip(new).collect();
    let mut lines = history.to_vec();
    for line in &mut lines {
        if let Some(new) = line["process"].as_i64().and_then(|process| renamed.get(&process)) {
            line["process"] = json!(new);
        }
    }
    lines
}

/// The history with adjacent lines exchanged, many times over, where no rule can tell the difference; and the new place
/// of each old line.
///
/// Never exchanged are two lines of one process, an invocation and a completion (realtime order), or two completions that
/// both send or both poll one value of one key (the last sender is its writer, and the first op that polled it is named).
pub fn reorder_unrelated(history: &[Value], seed: u64) -> (Vec<Value>, Vec<usize>) {
    let mut dice = Dice::new(seed);
    let mut touched: Vec<BTreeSet<(String, bool, String)>> = vec![BTreeSet::new(); history.len()];
    for place in places(history) {
        touched[place.line].insert((place.key.clone(), place.is_poll(), place.value(history).to_string()));
    }
    // By place: the old line that now stands there.
    let mut order: Vec<usize> = (0..history.len()).collect();
    for _ in 0..history.len() * 4 {
        let at = dice.below(history.len().saturating_sub(1));
        let Some((&first, &second)) = order.get(at).zip(order.get(at + 1)) else { break };
        if unrelated(&history[first], &history[second]) && touched[first].is_disjoint(&touched[second]) {
            order.swap(at, at + 1);
        }
    }
    let mut lines: Vec<Value> = order.iter().map(|&old| history[old].clone()).collect();
    reindex(&mut lines);
    retime(&mut lines);
    let mut new_places = vec![0; history.len()];
    for (new, &old) in order.iter().enumerate() {
        new_places[old] = new;
    }
    (lines, new_places)
}

fn unrelated(first: &Value, second: &Value) -> bool {
    if !is_client(first) || !is_client(second) {
        // A history without processes is one process.
        return first["process"].is_string() || second["process"].is_string();
    }
    first["process"] != second["process"] && is_invocation(first) == is_invocation(second)
}
