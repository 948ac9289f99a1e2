//! Files of the OpenMessaging Benchmark: every key it knows, and the benchmark's own files where they are at hand.

use std::path::PathBuf;
use wavetank_sim::Nanos;
use wavetank_workloads::spec::omb::{KeyDistributor, OmbDriver, OmbWorkload, Payload};
use wavetank_workloads::spec::settings::{Acks, Compression, Scope};
use wavetank_workloads::spec::{File, Folder, Source};

/// Every key of `Workload.java`.
const EVERY_KEY: &str = "name: 2
topics: 10
partitionsPerTopic: 16
keyDistributor: KEY_ROUND_ROBIN
messageSize: 100
useRandomizedPayloads: true
randomBytesRatio: 0.25
randomizedPayloadPoolSize: 1000
payloadFile: payload/payload-100b.data
subscriptionsPerTopic: 2
producersPerTopic: 3
consumerPerSubscription: 4
producerRate: 0
consumerBacklogSizeGB: 0
backlogDrainRatio: 0.99
testDurationMinutes: 15
warmupDurationMinutes: 0
";

#[test]
fn every_key_of_a_workload_is_read() {
    let parsed = OmbWorkload::parse(&Source::new("w.yaml", EVERY_KEY)).unwrap_or_else(|it| panic!("{it}"));
    assert_eq!(parsed.warnings, []);
    let read = parsed.value;
    let expected = OmbWorkload {
        name: "2".into(),
        topics: 10,
        partitions_per_topic: 16,
        key_distributor: KeyDistributor::RoundRobin,
        message_size: 100,
        payload: Payload::Random { ratio: 0.25, pool: 1000 },
        subscriptions_per_topic: 2,
        producers_per_topic: 3,
        consumers_per_subscription: 4,
        producer_rate: None,
        backlog_bytes: 0,
        backlog_drain_ratio: 0.99,
        test_duration: Nanos::secs(900),
        warmup_duration: Nanos::ZERO,
        defaults: vec![],
    };
    assert_eq!(read, expected);
    assert_eq!((read.partitions(), read.producers(), read.consumers()), (160, 30, 80));
}

#[test]
fn what_is_missing_is_as_in_workload_java() {
    let least = "topics: 1\npartitionsPerTopic: 1\nmessageSize: 1\npayloadFile: x\nsubscriptionsPerTopic: 0\n\
                 producersPerTopic: 1\nconsumerPerSubscription: 0\nproducerRate: 5\ntestDurationMinutes: 1\n";
    let read = OmbWorkload::parse(&Source::new("w.yaml", least)).unwrap_or_else(|it| panic!("{it}")).value;
    assert_eq!((read.key_distributor, read.backlog_bytes), (KeyDistributor::NoKey, 0));
    assert_eq!((read.backlog_drain_ratio, read.warmup_duration), (1.0, Nanos::secs(60)));
    assert_eq!(read.name, "w.yaml");
    assert_eq!(read.defaults.len(), 4);
}

#[test]
fn a_drivers_blocks_are_settings_of_topics_producers_and_consumers() {
    let text = "name: Kafka\r\ndriverClass: io.openmessaging.benchmark.driver.kafka.KafkaBenchmarkDriver\r\n\
                replicationFactor: 3\r\ntopicConfig: |\r\n  min.insync.replicas=2\r\n  flush.messages=1\r\n  flush.ms=0\r\n\
                commonConfig: |\r\n  bootstrap.servers=localhost:9092\r\n  request.timeout.ms=1200000\r\n\
                producerConfig: |\r\n  acks=all\r\n  delivery.timeout.ms=1300000\r\n  compression.type=lz4\r\n\
                consumerConfig: |\r\n  enable.auto.commit=false\r\n";
    let parsed = OmbDriver::parse(&Source::new("d.yaml", text)).unwrap_or_else(|it| panic!("{it}"));
    assert_eq!(parsed.warnings, []);
    let driver = parsed.value;
    assert_eq!((driver.topic().flush_messages, driver.topic().flush_interval), (Some(1), Some(Nanos::ZERO)));
    assert_eq!((driver.producer().acks, driver.producer().compression), (Acks::All, Compression::Lz4));
    // What is common is set for both.
    assert_eq!(driver.producer().request_timeout, Nanos::secs(1200));
    assert_eq!(driver.consumer().request_timeout, Nanos::secs(1200));
    assert!(!driver.consumer().enable_auto_commit);
    assert_eq!(driver.given.inert().map(|it| it.scope).collect::<Vec<_>>(), [Scope::Producer, Scope::Consumer]);
}

/// `WAVETANK_OMB=path/to/benchmark cargo test -p wavetank-workloads --test spec omb -- --ignored`
#[test]
#[ignore = "needs a copy of openmessaging/benchmark, named by WAVETANK_OMB"]
fn the_benchmarks_own_files_are_read() {
    let root = PathBuf::from(std::env::var("WAVETANK_OMB").expect("WAVETANK_OMB names a copy of the benchmark"));
    let mut count = 0;
    for folder in ["workloads", "driver-kafka"] {
        let entries = std::fs::read_dir(root.join(folder)).expect("a copy of the benchmark has this folder");
        for path in entries.map(|entry| entry.expect("readable").path()) {
            if path.extension().is_none_or(|ending| ending != "yaml") {
                continue;
            }
            let text = std::fs::read_to_string(&path).expect("it is text");
            let source = Source::new(path.display().to_string(), text);
            let parsed = File::parse(&source, &Folder(&root)).unwrap_or_else(|it| panic!("{it}"));
            let unknown = parsed.warnings.iter().find(|it| it.problem.contains("not known"));
            assert_eq!(unknown.map(ToString::to_string), None);
            count += 1;
        }
    }
    assert!(count >= 140, "only {count} files");
}
