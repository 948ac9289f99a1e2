//! Settings: the tables, and what becomes of them.

use wavetank_sim::Nanos;
use wavetank_workloads::spec::Source;
use wavetank_workloads::spec::scenario::{Scenario, builtin};
use wavetank_workloads::spec::settings::{
    Acks, Assignor, BrokerSettings, CheckpointingMode, Class, ConsumerSettings, DeliveryGuarantee, FlinkSettings,
    Given, OffsetReset, ProducerSettings, RestartStrategy, Scope, SettingValue, SharedStorageSettings, TopicSettings,
};

#[test]
fn every_default_is_a_value_of_its_setting_and_no_key_is_there_twice() {
    for scope in Scope::ALL {
        let table = scope.table();
        for (i, row) in table.iter().enumerate() {
            assert!(table[..i].iter().all(|other| other.key != row.key), "{} is there twice", row.key);
            // It panics when the default is no value.
            let unset = row.default_value() == SettingValue::Unset;
            assert_eq!(unset, row.default.is_none(), "{}", row.key);
            assert!(row.class == Class::Modelled || unset, "{} is inert: its default would say nothing", row.key);
        }
    }
}

/// Kafka 4.2's and Flink 2.1's defaults as their tables of facts have them.
#[test]
fn defaults_are_those_of_kafka_automq_and_flink() {
    let producer = ProducerSettings::default();
    assert_eq!((producer.acks, producer.enable_idempotence, producer.max_in_flight), (Acks::All, true, 5));
    assert_eq!((producer.linger, producer.batch_size), (Nanos::millis(5), 16_384));
    assert_eq!((producer.delivery_timeout, producer.retries), (Nanos::secs(120), i32::MAX as u32));
    let consumer = ConsumerSettings::default();
    assert_eq!((consumer.session_timeout, consumer.heartbeat_interval), (Nanos::secs(45), Nanos::secs(3)));
    assert_eq!((consumer.auto_offset_reset, consumer.assignor), (OffsetReset::Latest, Assignor::Range));
    let broker = BrokerSettings::default();
    assert_eq!((broker.heartbeat_interval, broker.session_timeout), (Nanos::secs(2), Nanos::secs(9)));
    assert_eq!((broker.replica_lag_time_max, broker.group_initial_rebalance_delay), (Nanos::secs(30), Nanos::secs(3)));
    let topic = TopicSettings::default();
    assert_eq!((topic.min_insync_replicas, topic.flush_messages, topic.flush_interval), (1, None, None));
    assert_eq!(topic.retention_time, Some(Nanos::secs(7 * 86_400)));
    let storage = SharedStorageSettings::default();
    assert_eq!((storage.wal_upload_interval, storage.object_block_size), (Nanos::secs(60), 512 << 10));
    assert_eq!(storage.stream_set_object_compaction_interval, Nanos::secs(300));
    let flink = FlinkSettings::default();
    assert_eq!((flink.checkpoint_interval, flink.restart), (None, RestartStrategy::None));
    assert_eq!((flink.mode, flink.checkpoint_timeout), (CheckpointingMode::ExactlyOnce, Nanos::secs(600)));
    assert_eq!((flink.delivery_guarantee, flink.tolerable_failed), (DeliveryGuarantee::None, 0));
    assert_eq!((flink.heartbeat_interval, flink.heartbeat_timeout), (Nanos::secs(10), Nanos::secs(50)));
}

/// AutoMQ's documents have such a table for 8, 16 and 32 GiB of memory; its formula over half a heap is the source's.
#[test]
fn caches_follow_from_memory_as_in_automqs_source() {
    let derived = SharedStorageSettings::default();
    assert_eq!(derived.wal_cache_bytes(3 << 30), 1 << 30);
    assert_eq!(derived.wal_cache_bytes(12 << 30), 6 << 30);
    assert_eq!(derived.block_cache_bytes(12 << 30), 3 << 30);
    assert_eq!(derived.upload_threshold_bytes(12 << 30), 500 << 20);
    let set = SharedStorageSettings { wal_cache_size: Some(1 << 20), ..derived };
    assert_eq!((set.wal_cache_bytes(1 << 40), set.upload_threshold_bytes(1 << 40)), (1 << 20, (1 << 20) / 3));
}

#[test]
fn nothing_given_leaves_every_modelled_setting_at_its_default() {
    let given = Given::default();
    for scope in Scope::ALL {
        let modelled = scope.table().iter().filter(|row| row.class == Class::Modelled).count();
        assert_eq!(given.defaults(scope).count(), modelled);
    }
}

/// A topic's own key goes first, then the cluster's finest unit (`LogConfig`, `AbstractKafkaConfig.logRetentionTimeMillis`).
#[test]
fn retention_is_the_topics_else_the_clusters_else_kafkas() {
    let kept = |cluster: &str, topic: &str| {
        let text = format!(
            "platforms = [\"s3-wal\"]\n[scenario]\nname = \"kept\"\nsummary = \"Kept.\"\n[cluster.settings]\n{cluster}\n\
             [workload]\npartitions = 1\nmessage_size = 100\nrate = 1\n[workload.topic]\n{topic}\n"
        );
        let parsed = Scenario::parse(&Source::new("kept.toml", text), &builtin::Files).unwrap();
        let of = parsed.value.workload.log_config(&parsed.value.platforms[0]);
        (of.retention_time, of.retention_bytes, of.segment_bytes)
    };
    let (week, gib) = (Some(Nanos::secs(7 * 86_400)), 1 << 30);
    assert_eq!(kept("", ""), (week, None, gib));
    assert_eq!(kept("\"log.retention.hours\" = 2", ""), (Some(Nanos::secs(7_200)), None, gib));
    let all = "\"log.retention.hours\" = 2\n\"log.retention.minutes\" = 3\n\"log.retention.ms\" = 4000";
    assert_eq!(kept(all, ""), (Some(Nanos::secs(4)), None, gib));
    assert_eq!(kept("\"log.retention.ms\" = -1", ""), (None, None, gib));
    assert_eq!(kept("\"log.retention.bytes\" = 5", "\"retention.ms\" = 6000"), (Some(Nanos::secs(6)), Some(5), gib));
    assert_eq!(kept("\"log.retention.bytes\" = 5", "\"retention.bytes\" = -1"), (week, None, gib));
    assert_eq!(kept("\"log.segment.bytes\" = 2097152", "\"segment.bytes\" = 1048576").2, 1 << 20);
    assert_eq!(kept("", "\"cleanup.policy\" = \"compact\""), (None, None, gib), "compaction deletes no segments");
}
