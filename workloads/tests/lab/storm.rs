//! Storms as data: what is drawn, written, read and run again.

use wavetank_sim::run_many;
use wavetank_workloads::case::Case;
use wavetank_workloads::lab;
use wavetank_workloads::scenario::{Listeners, RunOptions, Scenario};
use wavetank_workloads::storm::Operations;

const SCENARIOS: [&str; 12] = [
    "harbour",
    "bare-log@object",
    "bare-log@express",
    "bare-log@gp3",
    "bare-log@nfs",
    "late-writes@s3-wal",
    "late-writes@ebs-wal",
    "broker-failover@s3-express-wal",
    "broker-failover@nfs-wal",
    "az-outage@regional-ebs-wal",
    "rebalance@s3-wal",
    "noisy-neighbour@s3-wal",
];

fn scenario(name: &str) -> Scenario {
    Scenario::by_name(name).expect("it is built in")
}

#[test]
fn what_a_seed_draws_fits_and_comes_back_from_its_file() {
    for name in SCENARIOS {
        for seed in 0..40 {
            let (scenario, case) = (scenario(name), scenario(name).draw(seed, &RunOptions::default()));
            assert_eq!(scenario.check(&case), Ok(()), "{name} seed {seed}");
            let json = serde_json::to_string_pretty(&case).expect("it can be JSON");
            assert_eq!(serde_json::from_str::<Case>(&json).expect("it is a case"), case, "{name} seed {seed}");
        }
    }
}

#[test]
fn listed_fates_do_what_drawn_ones_did() {
    for (name, seeds) in
        [("bare-log@object", 0..12), ("bare-log@nfs", 0..6), ("late-writes@s3-wal", 0..8), ("harbour", 0..6)]
    {
        let (scenario, seeds): (_, Vec<u64>) = (scenario(name), seeds.collect());
        let run = |seed: &u64| {
            let mut case = scenario.draw(*seed, &RunOptions::default());
            let options = RunOptions::default();
            let drawn = scenario.run_case(*seed, &case, &options, Listeners::default());
            let json = serde_json::to_string(&Operations::listed(&drawn.met)).expect("it can be JSON");
            if case.storm_mut().operations == Operations::Ordinary {
                assert!(drawn.met.is_empty());
                return (drawn.met.clone(), drawn.digest, drawn.met, drawn.digest);
            }
            case.storm_mut().operations = serde_json::from_str(&json).expect("it is a list of fates");
            assert_eq!(scenario.check(&case), Ok(()));
            let listed = scenario.run_case(*seed, &case, &options, Listeners::default());
            (drawn.met, drawn.digest, listed.met, listed.digest)
        };
        let mut met_something = 0;
        run_many(2, seeds, run, |seed, both| {
            let (met, digest, met_again, digest_again) = both.expect("no panic");
            assert_eq!((&met, digest), (&met_again, digest_again), "{name} seed {seed}");
            met_something += usize::from(!met.is_empty());
            true
        });
        assert!(met_something > 0, "no seed of {name} has anomalies");
    }
}

#[test]
fn a_case_that_does_not_fit_says_where_and_what_would() {
    let entry = |what: &str| format!(r#"{{"family": "x", "start": "10 s", "end": "12 s", "what": {what}}}"#);
    let with = |operations: &str, entries: &str| {
        format!(
            r#"{{"bare-log": {{"plan": "storm", "storm_ends": "40 s", "ends": "130 s",
                "storm": {{"operations": {operations}, "entries": [{entries}]}}}}}}"#
        )
    };
    let (ordinary, put) = (r#""ordinary""#, |n: u32, kind: &str, fate: &str| {
        format!(r#"{{"operation": {{"entity": {{"object": {n}}}, "kind": "{kind}", "nth": 3}}, "fate": {fate}}}"#)
    });
    let late = r#"{"object": {"outcome": "ok", "duplicate": "31 s"}}"#;
    let soon = r#"{"object": {"outcome": {"timed-out": {"applied": true, "timeout": "2 s"}}, "duplicate": null}}"#;
    let fates = |list: &[String]| with(&format!(r#"{{"fates": [{}]}}"#, list.join(", ")), "");
    for (text, said) in [
        (
            with(ordinary, &entry(r#"{"kill": "broker 0"}"#)),
            "storm.entries[0]: there is no broker 0: this run has none",
        ),
        (
            with(ordinary, &entry(r#"{"kill": "owner 1"}"#)),
            "storm.entries[0]: there is no owner 1: there is owner 0 alone",
        ),
        (with(ordinary, &entry(r#"{"kill": "owner"}"#)), "\"owner\" is no member: write \"broker 1\""),
        (with(ordinary, &entry(r#"{"kil": "owner 0"}"#)), "unknown variant `kil`"),
        (with(ordinary, &entry(r#"{"slow-host": {"of": "owner 0", "factor": 0}}"#)), "factor is 0: 1 or more"),
        (with(ordinary, &entry(r#"{"slow-host": {"of": "owner 0", "faktor": 2}}"#)), "unknown field `faktor`"),
        (with(ordinary, &entry(r#"{"zone-down": 3}"#)), "there is no zone 3: there is 0 to 2"),
        (with(ordinary, &entry(r#"{"share": "stall"}"#)), "there is no file share"),
        (with(ordinary, &entry(r#"{"volume": {"of": "owner 0", "fault": "stall"}}"#)), "owner 0 has no volume"),
        (
            with(ordinary, &entry(r#"{"clock": {"of": "owner 0", "jump_ns": 0, "drift_ppb": 100000001}}"#)),
            "at most 100000000 parts in a billion",
        ),
        (
            with(ordinary, &entry(r#"{"move-partition": {"topic": 0, "partition": 0, "to": "owner 0"}}"#)),
            "owner 0 is none",
        ),
        (
            with(ordinary, r#"{"family": "x", "start": "2 s", "end": "1 s", "what": {"kill": "owner 0"}}"#),
            "it ends at 1.000000000 s, before it begins",
        ),
        (
            with(ordinary, r#"{"family": "x", "start": "2 s", "end": "41 s", "what": {"kill": "owner 0"}}"#),
            "the storm is over at 40.000000000 s",
        ),
        (
            with(ordinary, r#"{"family": "x", "start": 2, "end": "4 s", "what": {"kill": "owner 0"}}"#),
            "invalid type: integer",
        ),
        (fates(&[put(1, "Put", soon)]), "fates[0]: there is no object store 1: there is object store 0 alone"),
        (fates(&[put(0, "Sync", soon)]), "such a device has no operation Sync"),
        (fates(&[put(0, "Putt", soon)]), "no device has an operation \"Putt\""),
        (fates(&[put(0, "Put", late)]), "lands within 30s or never"),
        (
            fates(&[put(
                0,
                "Put",
                r#"{"nfs": {"request_lost": true, "reply_lost": false, "delay": false, "io_error": false}}"#,
            )]),
            "of another kind of device",
        ),
        (fates(&[put(0, "Put", soon), put(0, "Put", soon)]), "fates[1]: the operation is listed already"),
    ] {
        let read = serde_json::from_str::<Case>(&text).map_err(|error| error.to_string());
        let checked =
            read.and_then(|case| scenario("bare-log@object").check(&case).map_err(|misfit| misfit.to_string()));
        let error = checked.expect_err(said);
        assert!(error.contains(said), "{said}: {error}");
    }
    let good = fates(&[put(0, "Put", soon)]);
    let case: Case = serde_json::from_str(&good).expect("it is a case");
    let other = scenario("harbour").check(&case).expect_err("it is another scenario").to_string();
    assert!(other.contains("it is of a bare log, and the scenario is harbour"), "{other}");
    assert!(lab::run_case(scenario("bare-log@object"), 1, &case, &RunOptions::default(), Listeners::default()).is_ok());
}

#[test]
fn a_cluster_can_be_no_smaller_than_it_works_and_has_no_knob_that_stops_it() {
    let scenario = scenario("broker-failover@s3-wal");
    let good = scenario.draw(3, &RunOptions::default());
    let change = |key: &str, value: serde_json::Value| {
        let mut json = serde_json::to_value(&good).expect("it can be JSON");
        let at = json.pointer_mut(&format!("/cluster/{key}")).unwrap_or_else(|| panic!("there is {key}"));
        *at = value;
        let case: Case = serde_json::from_value(json).expect("it is a case");
        scenario.check(&case).expect_err(key).to_string()
    };
    for (key, value, said) in [
        ("size/partitions", 0.into(), "size.partitions: 0: 1 to 10000"),
        ("size/topics", 20_000.into(), "size.topics: 20000: 1 to 10000"),
        ("size/producers", vec![1, 1].into(), "size.producers: 2 numbers: one for each of 3 zones"),
        ("size/producers", vec![0, 0, 0].into(), "size.producers: 0 in all"),
        ("size/pipelines", 2.into(), "size.pipelines: 2: the scenario has 1"),
        ("size/duration", "90000 s".into(), "size.duration: 90000.000000000 s: at most a day"),
        ("knobs/page_keys", 0.into(), "knobs.page_keys: 0: 1 or more"),
        ("knobs/upload_interval", "0 s".into(), "knobs.upload_interval: 0 s: longer than that"),
    ] {
        let error = change(key, value);
        assert!(error.contains(said), "{said}: {error}");
    }
}
