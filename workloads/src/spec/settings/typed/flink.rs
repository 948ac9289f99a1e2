//! Settings of Flink jobs.

use super::clients::{ConsumerSettings, ProducerSettings};
use crate::spec::document::Severity;
use crate::spec::settings::given::{Conflict, View};
use crate::spec::settings::{Given, Scope};
use wavetank_sim::Nanos;

/// What a barrier stops: `execution.checkpointing.mode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckpointingMode {
    /// Each channel, until all barriers are there.
    ExactlyOnce,
    /// Nothing: records after a barrier may be in the state of the checkpoint before it.
    AtLeastOnce,
}

/// What a sink promises: `sink.delivery-guarantee`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeliveryGuarantee {
    /// A transaction each checkpoint.
    ExactlyOnce,
    /// A flush each checkpoint.
    AtLeastOnce,
    /// Nothing.
    None,
}

/// Where a source starts without state: `scan.startup.mode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartupMode {
    /// At the start of the log.
    Earliest,
    /// At its end.
    Latest,
    /// At the group's committed offsets.
    GroupOffsets,
}

/// What follows a failure: `restart-strategy.type`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum RestartStrategy {
    /// A restart after a delay that grows.
    ExponentialDelay {
        /// The first delay.
        initial: Nanos,
        /// The longest.
        max: Nanos,
        /// How it grows.
        multiplier: f64,
        /// Its random share.
        jitter: f64,
        /// How long without failure until it starts anew.
        reset: Nanos,
    },
    /// So many restarts, each after the same delay.
    FixedDelay {
        /// How many.
        attempts: u32,
        /// The delay.
        delay: Nanos,
    },
    /// Restarts while failures are rare enough.
    FailureRate {
        /// How many in an interval.
        max_failures: u32,
        /// The interval.
        interval: Nanos,
        /// The delay.
        delay: Nanos,
    },
    /// The job fails.
    None,
}

/// A Flink job's settings, each under Flink's name.
#[derive(Clone, Debug, PartialEq)]
pub struct FlinkSettings {
    /// `execution.checkpointing.interval`; none for no checkpoints.
    pub checkpoint_interval: Option<Nanos>,
    /// `execution.checkpointing.mode`.
    pub mode: CheckpointingMode,
    /// `execution.checkpointing.timeout`.
    pub checkpoint_timeout: Nanos,
    /// `execution.checkpointing.min-pause`.
    pub min_pause: Nanos,
    /// `execution.checkpointing.max-concurrent-checkpoints`.
    pub max_concurrent: u32,
    /// `execution.checkpointing.tolerable-failed-checkpoints`.
    pub tolerable_failed: u32,
    /// `execution.checkpointing.num-retained`.
    pub retained: u32,
    /// `execution.checkpointing.unaligned.enabled`.
    pub unaligned: bool,
    /// `execution.checkpointing.aligned-checkpoint-timeout`.
    pub aligned_timeout: Nanos,
    /// `execution.checkpointing.incremental`.
    pub incremental: bool,
    /// `execution.checkpointing.checkpoints-after-tasks-finish`.
    pub after_tasks_finish: bool,
    /// `execution.buffer-timeout.interval`.
    pub buffer_timeout: Nanos,
    /// `heartbeat.interval`.
    pub heartbeat_interval: Nanos,
    /// `heartbeat.timeout`.
    pub heartbeat_timeout: Nanos,
    /// `heartbeat.rpc-failure-threshold`.
    pub heartbeat_failures: u32,
    /// `jobmanager.execution.failover-strategy` is `region`, not `full`.
    pub failover_by_region: bool,
    /// `restart-strategy.*`.
    pub restart: RestartStrategy,
    /// `slot.request.timeout`.
    pub slot_request_timeout: Nanos,
    /// `task.cancellation.interval`.
    pub cancellation_interval: Nanos,
    /// `task.cancellation.timeout`.
    pub cancellation_timeout: Nanos,
    /// `taskmanager.numberOfTaskSlots`.
    pub slots_per_task_manager: u32,
    /// `pipeline.auto-watermark-interval`.
    pub watermark_interval: Nanos,
    /// `table.exec.source.idle-timeout`; zero for none.
    pub idle_timeout: Nanos,
    /// `scan.startup.mode`.
    pub startup: StartupMode,
    /// `scan.topic-partition-discovery.interval`; zero for none.
    pub discovery_interval: Nanos,
    /// `sink.delivery-guarantee`.
    pub delivery_guarantee: DeliveryGuarantee,
    /// The sink's `properties.transaction.timeout.ms`; Flink's own default is one hour.
    pub transaction_timeout: Nanos,
    /// `properties.*` of its sources.
    pub consumer: ConsumerSettings,
    /// `properties.*` of its sinks.
    pub producer: ProducerSettings,
}

impl Default for FlinkSettings {
    fn default() -> FlinkSettings {
        FlinkSettings::of(&Given::default())
    }
}

impl FlinkSettings {
    /// What was set, and the defaults of the rest.
    pub fn of(given: &Given) -> FlinkSettings {
        let view = View { scope: Scope::Flink, given };
        let client_timeout = View { scope: Scope::Producer, given };
        FlinkSettings {
            checkpoint_interval: view.span_or_none("execution.checkpointing.interval").filter(|it| *it > Nanos::ZERO),
            mode: match view.word("execution.checkpointing.mode") {
                "AT_LEAST_ONCE" => CheckpointingMode::AtLeastOnce,
                _ => CheckpointingMode::ExactlyOnce,
            },
            checkpoint_timeout: view.span("execution.checkpointing.timeout"),
            min_pause: view.span("execution.checkpointing.min-pause"),
            max_concurrent: view.count32("execution.checkpointing.max-concurrent-checkpoints"),
            tolerable_failed: view.count32("execution.checkpointing.tolerable-failed-checkpoints"),
            retained: view.count32("execution.checkpointing.num-retained"),
            unaligned: view.flag("execution.checkpointing.unaligned.enabled"),
            aligned_timeout: view.span("execution.checkpointing.aligned-checkpoint-timeout"),
            incremental: view.flag("execution.checkpointing.incremental"),
            after_tasks_finish: view.flag("execution.checkpointing.checkpoints-after-tasks-finish"),
            buffer_timeout: view.span("execution.buffer-timeout.interval"),
            heartbeat_interval: view.span("heartbeat.interval"),
            heartbeat_timeout: view.span("heartbeat.timeout"),
            heartbeat_failures: view.count32("heartbeat.rpc-failure-threshold"),
            failover_by_region: view.word("jobmanager.execution.failover-strategy") == "region",
            restart: restart(&view),
            slot_request_timeout: view.span("slot.request.timeout"),
            cancellation_interval: view.span("task.cancellation.interval"),
            cancellation_timeout: view.span("task.cancellation.timeout"),
            slots_per_task_manager: view.count32("taskmanager.numberOfTaskSlots"),
            watermark_interval: view.span("pipeline.auto-watermark-interval"),
            idle_timeout: view.span("table.exec.source.idle-timeout"),
            startup: match view.word("scan.startup.mode") {
                "latest-offset" => StartupMode::Latest,
                "group-offsets" => StartupMode::GroupOffsets,
                _ => StartupMode::Earliest,
            },
            discovery_interval: view.span("scan.topic-partition-discovery.interval"),
            delivery_guarantee: match view.word("sink.delivery-guarantee") {
                "exactly-once" => DeliveryGuarantee::ExactlyOnce,
                "at-least-once" => DeliveryGuarantee::AtLeastOnce,
                _ => DeliveryGuarantee::None,
            },
            transaction_timeout: match client_timeout.is_set("transaction.timeout.ms") {
                true => client_timeout.span("transaction.timeout.ms"),
                false => Nanos::secs(3600),
            },
            consumer: ConsumerSettings::of(given),
            producer: ProducerSettings::of(given),
        }
    }

    /// What Flink refuses, or what loses data with Kafka's own limits.
    pub(crate) fn conflicts(given: &Given) -> Vec<Conflict> {
        let it = FlinkSettings::of(given);
        let mut conflicts = Vec::new();
        let mut say = |severity, key, problem: &str, help: &str| {
            conflicts.push(Conflict { severity, key, problem: problem.into(), help: help.into() });
        };
        let exactly_once = it.delivery_guarantee == DeliveryGuarantee::ExactlyOnce;
        if exactly_once && it.checkpoint_interval.is_none() {
            let problem = "commits with checkpoints, and there are none";
            say(
                Severity::Error,
                "sink.delivery-guarantee",
                problem,
                "\"execution.checkpointing.interval\" = \"30 s\" beside it",
            );
        }
        if exactly_once && it.transaction_timeout > Nanos::secs(900) {
            let problem =
                "its transactions time out after an hour, and brokers allow 15 minutes: the sink cannot start";
            say(
                Severity::Warning,
                "sink.delivery-guarantee",
                problem,
                "\"properties.transaction.timeout.ms\" = 900000 beside it",
            );
        }
        if it.heartbeat_timeout <= it.heartbeat_interval {
            say(
                Severity::Error,
                "heartbeat.timeout",
                "is no longer than heartbeat.interval: Flink refuses that",
                "more than heartbeat.interval",
            );
        }
        conflicts
    }
}

/// Without checkpoints a job does not restart by itself.
fn restart(view: &View<'_>) -> RestartStrategy {
    if view.span_or_none("execution.checkpointing.interval").is_none() && !view.is_set("restart-strategy.type") {
        return RestartStrategy::None;
    }
    match view.word("restart-strategy.type") {
        "fixed-delay" => RestartStrategy::FixedDelay {
            attempts: view.count32("restart-strategy.fixed-delay.attempts"),
            delay: view.span("restart-strategy.fixed-delay.delay"),
        },
        "failure-rate" => RestartStrategy::FailureRate {
            max_failures: view.count32("restart-strategy.failure-rate.max-failures-per-interval"),
            interval: view.span("restart-strategy.failure-rate.failure-rate-interval"),
            delay: view.span("restart-strategy.failure-rate.delay"),
        },
        "none" => RestartStrategy::None,
        _ => RestartStrategy::ExponentialDelay {
            initial: view.span("restart-strategy.exponential-delay.initial-backoff"),
            max: view.span("restart-strategy.exponential-delay.max-backoff"),
            multiplier: view.number("restart-strategy.exponential-delay.backoff-multiplier"),
            jitter: view.number("restart-strategy.exponential-delay.jitter-factor"),
            reset: view.span("restart-strategy.exponential-delay.reset-backoff-threshold"),
        },
    }
}
