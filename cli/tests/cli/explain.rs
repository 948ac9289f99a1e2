//! `wavetank explain` as a user runs it.

use std::process::{Command, Output};
use wavetank_workloads::spec::scenario::builtin;

fn wavetank(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_wavetank")).args(args).output().expect("the binary is built with its tests")
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("text is UTF-8")
}

fn explained(what: &str) -> String {
    let output = wavetank(&["explain", what]);
    assert_eq!(output.status.code(), Some(0), "{what}: {}", String::from_utf8_lossy(&output.stderr));
    stdout(&output)
}

/// A file of this test, gone with it.
struct Scrap(std::path::PathBuf);

impl Scrap {
    fn new(name: &str, text: &str) -> Scrap {
        let path = std::env::temp_dir().join(format!("wavetank-explain-{}-{name}", std::process::id()));
        std::fs::write(&path, text).expect("a scrap can be written");
        Scrap(path)
    }

    fn path(&self) -> &str {
        self.0.to_str().expect("a path of text")
    }
}

impl Drop for Scrap {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[test]
fn every_built_in_scenario_is_explained_within_eighty_columns() {
    for (name, _) in builtin::ALL {
        let text = explained(name);
        for line in text.lines() {
            assert!(line.chars().count() <= 80, "{name}: {line}");
            assert_eq!(line, line.trim_end(), "{name}: space at the end");
        }
        for heading in ["Platforms", "Cluster", "Load", "Readers", "A measured run", "Expected", "Defaults taken"] {
            assert!(text.lines().any(|line| line.starts_with(heading)), "{name} says nothing of {heading}");
        }
        assert!(!text.contains("warning"), "{name}: {text}");
    }
}

#[test]
fn a_scenario_is_told_in_numbers_that_follow_from_it() {
    let text = explained("broker-failover");
    let load = "\
Load
  from               omb/1-topic-100-partitions-1kb-4p-4c.yaml and
                     omb/kafka-latency.yaml
  topics             1 of 100 partitions: 100 in all
  in                 20,000 messages/s of 1 KiB: 19.5 MiB/s (the OMB file says
                     200,000)
  per partition      200 messages/s, 200 KiB/s
  out                39.1 MiB/s: fan-out 2
  producers          4: 2 in zone a, 1 in zone b, 1 in zone c
                     linger 1 ms, batches of 128 KiB
";
    assert!(text.contains(load), "{text}");
    let run = "\
A measured run: 65 s of warm-up, then 150 s
    0                                                       150 s
  1 |....################........................................|
  2 |............................######..........................|
  3 |..................................##........................|
  4 |............................................##########......|
  1  at 10 s for 40 s: the process of the leader of topic-0/0 dies
  2  at 70 s for 15 s: the leader of topic-0/1 stops, and comes back as if no
     time had passed (zombie)
  3  at 86 s for 5 s: the process of task manager 1 dies
  4  at 110 s for 25 s: the busiest broker becomes 20 times slower (slow death)
";
    assert!(text.contains(run), "{text}");
    assert!(text.contains("without effect: bootstrap.servers=localhost:9092"), "{text}");
    let kept = "\
  kept               for 168 h; deleted in whole segments of 1 GiB, looked at
                     every 5 min
";
    assert!(text.contains(kept), "{text}");
    // Two topics, a group of both and a job of one.
    assert!(explained("steady").contains("out                29.3 MiB/s: fan-out 1.5"));
    assert!(explained("rebalance").contains("out                39.1 MiB/s: fan-out 4"));
}

#[test]
fn a_workload_of_the_benchmark_is_explained_and_its_unknown_keys_are_warned_of_at_the_end() {
    let text = "name: mine\ntopics: 2\npartitionsPerTopic: 8\nmessageSize: 2048\nuseRandomizedPayloads: true\n\
                randomBytesRatio: 0.5\nrandomizedPayloadPoolSize: 10\nsubscriptionsPerTopic: 3\n\
                consumerPerSubscription: 2\nproducersPerTopic: 2\nproducerRate: 4000\ntestDurationMinutes: 5\n\
                consumerBacklogSize: 5\n";
    let scrap = Scrap::new("workload.yaml", text);
    let expected = format!(
        "\
mine
  A workload of the OpenMessaging Benchmark.

Load
  topics             2 of 8 partitions: 16 in all
  in                 4,000 messages/s of 2 KiB: 7.8 MiB/s
  per partition      250 messages/s, 500 KiB/s
  out                23.4 MiB/s: each record is read 3 times
  keys               none: producers fill one partition's batch after the other
  payload            50 % random bytes, the rest zeros; 10 different ones

Clients
  producers          2 for each topic: 4 in all
  consumers          3 groups of 2 consumers for each topic: 12 in all

Run
  warm-up            1 min
  measured           5 min

Defaults taken
  keyDistributor, consumerBacklogSizeGB, backlogDrainRatio,
  warmupDurationMinutes

warning: consumerBacklogSize: is not known, and has no effect
  --> {}:13:1
   |
13 | consumerBacklogSize: 5
   | ^^^^^^^^^^^^^^^^^^^
   = right would be: consumerBacklogSizeGB?
",
        scrap.path()
    );
    assert_eq!(explained(scrap.path()), expected);
}

#[test]
fn brokers_are_said_to_be_where_each_platform_has_them() {
    let one_line = |told: String| told.split_whitespace().collect::<Vec<_>>().join(" ");
    let told = one_line(explained("broker-failover"));
    let there = "1 in each of the zones a, b, c on ebs-wal all in zone a, where its volumes can be attached";
    assert!(told.contains(there), "{told}");
    let text = "platforms = [\"ebs-wal\"]\n[scenario]\nname = \"x\"\nsummary = \"y\"\n[workload]\n\
                partitions = 4\nmessage_size = 10\nrate = 10\n[[group]]\nname = \"g\"\nmembers = 1\n\
                settings = { \"client.rack\" = \"{zone.id}\" }\n";
    let scenario = Scrap::new("zone.toml", text);
    let told = one_line(explained(scenario.path()));
    assert!(told.contains("all in zone a") && !told.contains("in each of the zones"), "{told}");
    assert!(told.contains("client.rack is each member's own zone"), "{told}");
}

#[test]
fn a_rate_that_is_to_be_found_is_explained() {
    let text = "platforms = [\"s3-wal\"]\n[scenario]\nname = \"x\"\nsummary = \"y\"\n[workload]\ntopics = 2\n\
                partitions = 4\nmessage_size = 10\nrate = \"max\"\n[[group]]\nname = \"g\"\nmembers = 1\n";
    let scenario = Scrap::new("max.toml", text);
    let told = explained(scenario.path());
    let told = told.split_whitespace().collect::<Vec<_>>().join(" ");
    let said = "in messages of 10 B as fast as each platform sustains a search finds the rate first, for each platform and \
                seed; the measurement runs at it out fan-out 1 producers";
    assert!(told.contains(said), "{told}");
}

#[test]
fn a_scenario_file_finds_the_files_it_names_beside_it() {
    let workload = "name: w\ntopics: 1\npartitionsPerTopic: 4\nmessageSize: 1\npayloadFile: x\n\
                    subscriptionsPerTopic: 1\nconsumerPerSubscription: 1\nproducersPerTopic: 1\nproducerRate: 7\n\
                    testDurationMinutes: 1\n";
    let omb = Scrap::new("beside.yaml", workload);
    let name = omb.0.file_name().and_then(|name| name.to_str()).expect("a name of text");
    let text =
        format!("platforms = [\"s3-wal\"]\n[scenario]\nname = \"x\"\nsummary = \"y\"\n[workload]\nomb = \"{name}\"\n");
    let scenario = Scrap::new("scenario.toml", &text);
    assert!(explained(scenario.path()).contains("7 messages/s of 1 B"));

    // What is wrong in the other file is told there.
    std::fs::write(&omb.0, workload.replace("topics: 1", "topics: none")).expect("again");
    let output = wavetank(&["explain", scenario.path()]);
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(told.contains(&format!("--> {name}:2:9")), "{told}");
}

#[test]
fn bad_input_is_exit_code_one_with_nothing_on_standard_output() {
    let bad = Scrap::new("bad.toml", "platforms = [\"s3-wal\"]\n[cluster]\nbrokesr = 3\n");
    for (what, said) in [
        (bad.path(), "3 errors: nothing to explain"),
        (bad.path(), "right would be: brokers?"),
        ("/nowhere/at/all.toml", "can't read /nowhere/at/all.toml"),
        ("broker-fialover", "broker-failover, az-outage"),
    ] {
        let output = wavetank(&["explain", what]);
        assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(1), ""));
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(told.contains(said), "{what}: {told}");
        assert!(told.lines().all(|line| line.chars().count() <= 80 || line.contains("-->")), "{told}");
    }
    assert_eq!(wavetank(&["explain"]).status.code(), Some(1));
}

#[test]
fn settings_are_listed_and_code_is_called_code() {
    let output = wavetank(&["explain", "--settings"]);
    let text = stdout(&output);
    assert_eq!(output.status.code(), Some(0));
    assert!(text.contains("linger.ms") && text.contains("s3.wal.path") && text.contains("heartbeat.timeout"));
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    assert!(explained("harbour").contains("no file describes it"));
}
