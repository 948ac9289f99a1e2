//! Cases that are kept: the smallest known run in which a bug of a log shows, as a file of `traces/corpus`.

use super::{Medium, run};
use serde::Deserialize;
use wavetank_models::kafka::wal::WalMutant;

/// Where they are kept.
const CORPUS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../traces/corpus");

/// A run over a bare log: a broker, a rescuer, the judge of this test.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    format: String,
    version: u32,
    mutant: String,
    seed: u64,
    /// Dispatched in it.
    events: u64,
    /// How many breaches the judge finds, and the first.
    breaks: usize,
    first: String,
}

fn by_name(name: &str) -> WalMutant {
    WalMutant::ALL.into_iter().find(|mutant| mutant.name() == name).expect("it is in the registry")
}

/// With the bug the same comes of it, without it nothing.
#[test]
fn kept_cases_show_their_bugs_again() {
    let mut cases = 0;
    for entry in std::fs::read_dir(CORPUS).expect("the corpus is there") {
        let path = entry.expect("it can be listed").path();
        let is_ours = path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with("log-"));
        if !is_ours {
            continue;
        }
        cases += 1;
        let text = std::fs::read_to_string(&path).expect("it can be read");
        let case: Case = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert_eq!((&*case.format, case.version), ("wavetank-log-case", 1));
        let with = run(Medium::Object, case.seed, Some(by_name(&case.mutant)));
        let (breaks, first) = (with.broken.len(), with.broken.first());
        assert_eq!((with.events, breaks, first), (case.events, case.breaks, Some(&case.first)), "{}", path.display());
        let without = run(Medium::Object, case.seed, None);
        assert_eq!(without.broken, [""; 0], "{} without its bug", path.display());
    }
    assert!(cases > 0);
}

/// How many seeds a search takes, from wherever it begins: for every seed the distance to the next that shows the bug.
fn median_search(found: &[u64], seeds: u64) -> Option<u64> {
    let mut searches: Vec<u64> =
        (0..seeds).filter_map(|from| found.iter().find(|at| **at >= from).map(|at| at - from + 1)).collect();
    searches.sort_unstable();
    searches.get(searches.len() / 2).copied()
}

/// `WAL_MUTANT`, over `WAL_SEEDS`: how often it shows, how many seeds that takes, and its smallest case.
#[test]
#[ignore = "for a table, not for every day"]
fn how_many_seeds_a_bug_takes() {
    let name = std::env::var("WAL_MUTANT").unwrap_or_else(|_| "wal-overlap-first-only".into());
    let (mutant, seeds) = (by_name(&name), super::seeds(400));
    let (mut found, mut smallest) = (Vec::new(), None::<(u64, u64, usize, String)>);
    for seed in 0..seeds {
        let run = run(Medium::Object, seed, Some(mutant));
        let Some(first) = run.broken.first() else { continue };
        found.push(seed);
        if smallest.as_ref().is_none_or(|(events, ..)| run.events < *events) {
            smallest = Some((run.events, seed, run.broken.len(), first.clone()));
        }
    }
    println!("{name}: {} of {seeds} seeds, median {:?}: {found:?}", found.len(), median_search(&found, seeds));
    println!("smallest (events, seed, breaks, first): {smallest:#?}");
}
