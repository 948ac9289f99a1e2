//! Flink's settings: keys, kinds and defaults of Flink 2.1 (`flink-dist`) and of its Kafka connector.

use super::{Class, INT_MAX, Kind, Setting, count, inert, modelled, modelled_unset};

/// The table.
pub const TABLE: &[Setting] = &[
    modelled("execution.buffer-timeout.interval", Kind::FlinkTime, "100 ms"),
    modelled("execution.checkpointing.aligned-checkpoint-timeout", Kind::FlinkTime, "0 ms"),
    modelled("execution.checkpointing.checkpoints-after-tasks-finish", Kind::Bool, "true"),
    modelled("execution.checkpointing.incremental", Kind::Bool, "false"),
    modelled_unset("execution.checkpointing.interval", Kind::FlinkTime),
    modelled("execution.checkpointing.max-concurrent-checkpoints", count(1, INT_MAX), "1"),
    modelled("execution.checkpointing.min-pause", Kind::FlinkTime, "0 ms"),
    modelled("execution.checkpointing.mode", Kind::OneOf(&["EXACTLY_ONCE", "AT_LEAST_ONCE"]), "EXACTLY_ONCE"),
    modelled("execution.checkpointing.num-retained", count(1, INT_MAX), "1"),
    modelled("execution.checkpointing.timeout", Kind::FlinkTime, "10 min"),
    modelled("execution.checkpointing.tolerable-failed-checkpoints", count(0, INT_MAX), "0"),
    modelled("execution.checkpointing.unaligned.enabled", Kind::Bool, "false"),
    modelled("heartbeat.interval", Kind::FlinkTime, "10 s"),
    modelled("heartbeat.rpc-failure-threshold", count(1, INT_MAX), "2"),
    modelled("heartbeat.timeout", Kind::FlinkTime, "50 s"),
    modelled("jobmanager.execution.failover-strategy", Kind::OneOf(&["region", "full"]), "region"),
    modelled("pipeline.auto-watermark-interval", Kind::FlinkTime, "200 ms"),
    modelled("restart-strategy.exponential-delay.backoff-multiplier", Kind::Number { least: 1.0, most: 1e6 }, "1.5"),
    modelled("restart-strategy.exponential-delay.initial-backoff", Kind::FlinkTime, "1 s"),
    modelled("restart-strategy.exponential-delay.jitter-factor", Kind::Number { least: 0.0, most: 1.0 }, "0.1"),
    modelled("restart-strategy.exponential-delay.max-backoff", Kind::FlinkTime, "1 min"),
    modelled("restart-strategy.exponential-delay.reset-backoff-threshold", Kind::FlinkTime, "1 h"),
    modelled("restart-strategy.fixed-delay.attempts", count(0, INT_MAX), "1"),
    modelled("restart-strategy.fixed-delay.delay", Kind::FlinkTime, "1 s"),
    modelled("restart-strategy.failure-rate.delay", Kind::FlinkTime, "1 s"),
    modelled("restart-strategy.failure-rate.failure-rate-interval", Kind::FlinkTime, "1 min"),
    modelled("restart-strategy.failure-rate.max-failures-per-interval", count(1, INT_MAX), "1"),
    modelled(
        "restart-strategy.type",
        Kind::OneOf(&["exponential-delay", "fixed-delay", "failure-rate", "none"]),
        "exponential-delay",
    ),
    modelled(
        "scan.startup.mode",
        Kind::OneOf(&["earliest-offset", "latest-offset", "group-offsets"]),
        "earliest-offset",
    ),
    modelled("scan.topic-partition-discovery.interval", Kind::FlinkTime, "5 min"),
    modelled("sink.delivery-guarantee", Kind::OneOf(&["exactly-once", "at-least-once", "none"]), "none"),
    modelled("slot.request.timeout", Kind::FlinkTime, "5 min"),
    modelled("task.cancellation.interval", Kind::FlinkTime, "30 s"),
    modelled("task.cancellation.timeout", Kind::FlinkTime, "3 min"),
    modelled("taskmanager.numberOfTaskSlots", count(1, INT_MAX), "1"),
    Setting::new("table.exec.source.idle-timeout", Kind::FlinkTime, Some("0 ms"), Class::Modelled),
    inert("connector", Kind::Text),
    inert("execution.checkpointing.dir", Kind::Text),
    inert(
        "execution.checkpointing.externalized-checkpoint-retention",
        Kind::OneOf(&["RETAIN_ON_CANCELLATION", "DELETE_ON_CANCELLATION", "NO_EXTERNALIZED_CHECKPOINTS"]),
    ),
    inert("execution.checkpointing.interval-during-backlog", Kind::FlinkTime),
    inert("execution.checkpointing.local-backup.enabled", Kind::Bool),
    inert("execution.checkpointing.storage", Kind::Text),
    inert("execution.state-recovery.claim-mode", Kind::OneOf(&["CLAIM", "NO_CLAIM", "LEGACY"])),
    inert("format", Kind::Text),
    inert("high-availability.type", Kind::Text),
    inert("jobmanager.memory.process.size", Kind::FlinkBytes),
    inert("jobmanager.scheduler", Kind::Text),
    inert("key.format", Kind::Text),
    inert("parallelism.default", count(1, INT_MAX)),
    inert("sink.parallelism", count(1, INT_MAX)),
    inert("sink.transactional-id-prefix", Kind::Text),
    inert("state.backend.changelog.enabled", Kind::Bool),
    inert("state.backend.type", Kind::Text),
    inert("taskmanager.memory.managed.size", Kind::FlinkBytes),
    inert("taskmanager.memory.process.size", Kind::FlinkBytes),
    inert("taskmanager.network.memory.buffer-debloat.enabled", Kind::Bool),
    inert("topic", Kind::Text),
    inert("value.format", Kind::Text),
];

/// Names of Flink 1.x, and what they are called since.
pub const ALIASES: &[(&str, &str)] = &[
    ("execution.checkpointing.unaligned", "execution.checkpointing.unaligned.enabled"),
    ("restart-strategy", "restart-strategy.type"),
    ("state.backend", "state.backend.type"),
    ("state.backend.incremental", "execution.checkpointing.incremental"),
    ("state.backend.local-recovery", "execution.checkpointing.local-backup.enabled"),
    ("state.checkpoints.dir", "execution.checkpointing.dir"),
];

/// Settings of the connector's Kafka clients: accepted under this prefix, and checked without it.
pub const CLIENT_PREFIX: &str = "properties.";
