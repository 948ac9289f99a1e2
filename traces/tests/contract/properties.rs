//! What holds of any history and any context.

use super::bench::{Both, both, history};
use proptest::prelude::*;
use std::collections::BTreeSet;
use wavetank_traces::check::Options;
use wavetank_traces::check::Verdict;
use wavetank_traces::check::proof::Proof;
use wavetank_traces::contract::{Class, Context, check_kafka};
use wavetank_traces::history::KeyId;

/// A few values at a few offsets: contradictions of all kinds are likely.
fn records() -> impl Strategy<Value = String> {
    let key = prop_oneof![Just("x"), Just("y")];
    (key, proptest::option::of(0..8i64), 10..18u64, 0..4u64).prop_map(|(key, offset, value, count)| {
        let offset = offset.map_or(String::new(), |offset| format!("@{offset}"));
        if count == 0 { key.to_owned() } else { format!("{key}{offset}={value}+{count}") }
    })
}

fn word() -> impl Strategy<Value = String> {
    prop_oneof![
        2 => records().prop_filter("sends send", |text| text.contains('=')).prop_map(|text| format!("s:{text}")),
        3 => records().prop_map(|text| format!("p:{text}")),
    ]
}

fn line(number: usize) -> impl Strategy<Value = String> {
    let end = prop_oneof![4 => Just("ok"), 1 => Just("fail"), 1 => Just("info"), 1 => Just("open")];
    let work = (1..4u32, end, proptest::collection::vec(word(), 1..4)).prop_map(move |(process, end, words)| {
        // Who leaves an operation open does nothing more.
        let process = if end == "open" { 100 + number as u32 } else { process };
        format!("{process} {end} txn {}", words.join(" "))
    });
    let assign = (1..4u32, prop_oneof![Just("assign k:x"), Just("subscribe k:x,y"), Just("assign beginning k:x,y")])
        .prop_map(|(process, assign)| format!("{process} ok {assign}"));
    prop_oneof![6 => work, 1 => assign]
}

fn histories() -> impl Strategy<Value = String> {
    (1..14usize).prop_flat_map(|lines| (0..lines).map(line).collect::<Vec<_>>().prop_map(|lines| lines.join("\n")))
}

/// Whole contexts, some of whose parts are left out.
fn contexts() -> impl Strategy<Value = String> {
    const PARTS: [&str; 9] = [
        r#""quiesced": true"#,
        r#""clients": {"isolation.level": "read_uncommitted"}"#,
        r#""processes": {"1": {"acks": "1"}, "2": {"auto.offset.reset": "latest"}, "3": {"transactional": false}}"#,
        r#""topics": {"unclean.leader.election.enable": true, "cleanup.policy": "compact"}"#,
        r#""groups": [{"id": "g", "processes": [1, 2], "exactly_once": true}]"#,
        r#""keys": {"x": {"log_start": [{"offset": 3, "at": 60}], "markers": [{"from": 1, "to": 3}], "unclean_elections": [],
            "end": {"last_stable_offset": 4, "high_watermark": 6, "log_end_offset": 6, "log_start_offset": 4}},
            "y": {"compaction": {"cleaned": [{"from": 0, "to": 4}], "kept": [{"from": 1, "to": 2}]},
            "leader_changes": [{"at": 100, "offset": 2}]}}"#,
        r#""seeks": [{"process": 1, "key": "x", "to": 4, "at": {"index": 6}}, {"process": 2, "key": "y", "to": "end", "at": {"time": 50}}]"#,
        r#""lossy_shutdowns": [{"at": 70, "replicas": 2}]"#,
        r#""faults": [{"name": "fire", "from": 40, "to": 90, "keys": ["y"]}]"#,
    ];
    proptest::sample::subsequence(PARTS.to_vec(), 0..=PARTS.len()).prop_map(|parts| format!("{{{}}}", parts.join(", ")))
}

/// The values of all proofs that have some, by what they were found to be.
fn values<'a>(proofs: impl Iterator<Item = &'a Proof>, names: &[&str]) -> BTreeSet<(KeyId, u64)> {
    let mut all = BTreeSet::new();
    for proof in proofs.filter(|proof| names.contains(&proof.anomaly().name())) {
        let ranges = match proof {
            Proof::LostWrite { values, .. } | Proof::BeyondEnd { values, .. } | Proof::Read { values, .. } => {
                vec![values.clone()]
            }
            Proof::Unseen { values, .. } | Proof::HangingTransaction { values, .. } => values.clone(),
            Proof::Duplicate { value, .. } => std::iter::once(value.0..value.0 + 1).collect(),
            other => panic!("{other:?}"),
        };
        let key = proof.key().expect("records are some key's");
        all.extend(ranges.into_iter().flatten().map(|value| (key, value)));
    }
    all
}

fn found_by_jepsen(both: &Both, name: &str) -> BTreeSet<(KeyId, u64)> {
    values(both.jepsen.proofs.values().flatten(), &[name])
}

fn found_by_us(both: &Both, names: &[&str]) -> BTreeSet<(KeyId, u64)> {
    values(both.kafka.all().map(|finding| &finding.proof), names)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    /// What is excused is told, not swept under the carpet.
    #[test]
    fn no_record_of_a_finding_is_dropped(text in histories(), context in contexts()) {
        let both = both(&text, &context);
        // A value that turns out to lie at a second offset moves what was read, and with it what was passed over.
        if found_by_us(&both, &["duplicate"]).is_empty() {
            prop_assert!(found_by_jepsen(&both, "lost-write").is_subset(&found_by_us(&both, &["lost-write"])));
        }
        for (theirs, ours) in [
            ("unseen", &["unseen", "hanging-transaction", "lost-write"][..]),
            ("G1a", &["G1a"]),
            ("duplicate", &["duplicate"]),
            ("precommitted-read", &["precommitted-read"]),
        ] {
            let (theirs, ours) = (found_by_jepsen(&both, theirs), found_by_us(&both, ours));
            prop_assert!(theirs.is_subset(&ours), "{theirs:?} {ours:?}");
        }
    }

    /// Whatever is found, a fault that strikes everything for ever explains it.
    #[test]
    fn a_fault_without_bounds_leaves_no_violation(text in histories(), context in contexts()) {
        let mut context = Context::read(&context, "context").unwrap();
        context.faults = Context::read(r#"{"faults": [{"name": "the end", "from": -1}]}"#, "fault").unwrap().faults;
        let report = check_kafka(&history(&text), &context, &Options::default());
        prop_assert_ne!(report.verdict, Verdict::Invalid, "{:?}", report.bad());
    }

    /// Nothing is excused by a context that says nothing, but by what the history says itself.
    #[test]
    fn silence_ends_no_promise(text in histories()) {
        let both = both(&text, "{}");
        for finding in both.kafka.all() {
            prop_assert!(!matches!(finding.class, Class::PromiseEnded { .. }), "{finding:?}");
        }
    }

    /// The report's parts agree with each other.
    #[test]
    fn a_report_agrees_with_itself(text in histories(), context in contexts()) {
        let history = history(&text);
        let report = check_kafka(&history, &Context::read(&context, "context").unwrap(), &Options::default());
        let json = report.json(&history);
        let entries: Vec<_> = json["errors"].as_object().unwrap().values().flat_map(|list| list.as_array().unwrap()).collect();
        let is = |class: &str| entries.iter().any(|entry| entry["class"] == class);
        let verdict = match (is("violation"), is("unknown")) {
            (true, _) => Verdict::Invalid,
            (false, true) => Verdict::Unknown,
            (false, false) => Verdict::Valid,
        };
        prop_assert_eq!(report.verdict, verdict);
        prop_assert_eq!(report.bad().is_empty(), verdict != Verdict::Invalid);
        for entry in entries {
            let text = entry.get("by").or(entry.get("why")).and_then(|text| text.as_str());
            prop_assert!(text.is_some_and(|text| text.len() > 3), "{}", entry);
        }
    }
}
