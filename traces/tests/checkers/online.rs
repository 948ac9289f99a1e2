//! Checking while a history grows agrees with checking it when it is done.

use crate::generate::{Shape, correct_history, mutate, plant, shapes};
use proptest::prelude::*;
use serde_json::Value as Json;
use wavetank_traces::check::anomaly::Anomaly;
use wavetank_traces::check::online::Online;
use wavetank_traces::check::{Options, check};
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

fn agree(lines: &[Json], shape: &Shape, search_from: usize) -> Result<(), TestCaseError> {
    let options = Options { subscribe: shape.subscribe, ww_deps: false };
    let online = first_violation(lines, &options, search_from);
    let at_the_end = bad(lines, &options);
    match online {
        None => {
            let missed: Vec<_> = at_the_end.iter().filter(|anomaly| SHOWN_AT_ONCE.contains(anomaly)).collect();
            let excused = has_polls_without_offsets(lines);
            prop_assert!(missed.is_empty() || excused, "{:?} not seen online in\n{}", missed, text(lines));
        }
        Some((anomaly, operations)) => {
            let then = bad(prefix(lines, operations), &options);
            prop_assert!(then.contains(&anomaly), "{:?} is not among {:?} in\n{}", anomaly, then, text(lines));
            let sooner = bad(prefix(lines, operations - 1), &options);
            let missed: Vec<_> = sooner.iter().filter(|anomaly| SHOWN_AT_ONCE.contains(anomaly)).collect();
            let excused = has_polls_without_offsets(lines);
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
