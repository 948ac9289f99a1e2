//! Settings of brokers and controllers.

use crate::spec::settings::given::View;
use crate::spec::settings::{Given, Scope};
use wavetank_sim::Nanos;

/// A broker's and controller's settings, each under Kafka's name.
#[derive(Clone, Debug, PartialEq)]
pub struct BrokerSettings {
    /// `auto.leader.rebalance.enable`.
    pub auto_leader_rebalance: bool,
    /// `autobalancer.controller.enable`.
    pub auto_balancer: bool,
    /// `autobalancer.controller.anomaly.detect.interval.ms`.
    pub balancer_detect_interval: Nanos,
    /// `autobalancer.controller.metrics.delay.ms`.
    pub balancer_metrics_delay: Nanos,
    /// `autobalancer.reporter.metrics.reporting.interval.ms`.
    pub balancer_report_interval: Nanos,
    /// `autobalancer.controller.execution.concurrency`.
    pub balancer_concurrency: u32,
    /// `autobalancer.controller.execution.interval.ms`.
    pub balancer_execution_interval: Nanos,
    /// `autobalancer.controller.network.in.usage.distribution.detect.threshold`.
    pub balancer_in_threshold: u64,
    /// `autobalancer.controller.network.out.usage.distribution.detect.threshold`.
    pub balancer_out_threshold: u64,
    /// `autobalancer.controller.network.in.distribution.detect.avg.deviation`.
    pub balancer_in_deviation: f64,
    /// `autobalancer.controller.network.out.distribution.detect.avg.deviation`.
    pub balancer_out_deviation: f64,
    /// `autobalancer.controller.network.in.trivial.change.ratio`.
    pub balancer_in_trivial_change: f64,
    /// `autobalancer.controller.network.out.trivial.change.ratio`.
    pub balancer_out_trivial_change: f64,
    /// `broker.heartbeat.interval.ms`.
    pub heartbeat_interval: Nanos,
    /// `broker.session.timeout.ms`.
    pub session_timeout: Nanos,
    /// `initial.broker.registration.timeout.ms`.
    pub registration_timeout: Nanos,
    /// `controller.quorum.append.linger.ms`.
    pub quorum_append_linger: Nanos,
    /// `controller.quorum.election.backoff.max.ms`.
    pub quorum_election_backoff_max: Nanos,
    /// `controller.quorum.election.timeout.ms`.
    pub quorum_election_timeout: Nanos,
    /// `controller.quorum.fetch.timeout.ms`.
    pub quorum_fetch_timeout: Nanos,
    /// `controller.quorum.request.timeout.ms`.
    pub quorum_request_timeout: Nanos,
    /// `default.replication.factor`.
    pub default_replication_factor: u32,
    /// `min.insync.replicas`.
    pub min_insync_replicas: u32,
    /// `unclean.leader.election.enable`.
    pub unclean_leader_election: bool,
    /// `group.consumer.heartbeat.interval.ms`.
    pub group_consumer_heartbeat_interval: Nanos,
    /// `group.consumer.session.timeout.ms`.
    pub group_consumer_session_timeout: Nanos,
    /// `group.initial.rebalance.delay.ms`.
    pub group_initial_rebalance_delay: Nanos,
    /// `group.min.session.timeout.ms`.
    pub group_min_session_timeout: Nanos,
    /// `group.max.session.timeout.ms`.
    pub group_max_session_timeout: Nanos,
    /// `leader.imbalance.check.interval.seconds`.
    pub leader_imbalance_check_interval: Nanos,
    /// `log.retention.bytes`; none for no limit.
    pub log_retention_bytes: Option<u64>,
    /// `log.retention.check.interval.ms`.
    pub log_retention_check_interval: Nanos,
    /// `log.retention.ms`, or `log.retention.minutes`, or `log.retention.hours`; none for ever.
    pub log_retention_time: Option<Nanos>,
    /// `log.roll.ms`, or `log.roll.hours`.
    pub log_roll_time: Nanos,
    /// `log.segment.bytes`.
    pub log_segment_bytes: u64,
    /// `log.flush.offset.checkpoint.interval.ms`.
    pub recovery_point_checkpoint_interval: Nanos,
    /// `num.io.threads`.
    pub io_threads: u32,
    /// `num.network.threads`.
    pub network_threads: u32,
    /// `queued.max.requests`.
    pub queued_max_requests: u32,
    /// `num.recovery.threads.per.data.dir`.
    pub recovery_threads: u32,
    /// `num.replica.fetchers`.
    pub replica_fetchers: u32,
    /// `replica.fetch.backoff.ms`.
    pub replica_fetch_backoff: Nanos,
    /// `replica.fetch.max.bytes`.
    pub replica_fetch_max_bytes: u64,
    /// `replica.fetch.min.bytes`.
    pub replica_fetch_min_bytes: u64,
    /// `replica.fetch.response.max.bytes`.
    pub replica_fetch_response_max_bytes: u64,
    /// `replica.fetch.wait.max.ms`.
    pub replica_fetch_wait_max: Nanos,
    /// `replica.high.watermark.checkpoint.interval.ms`.
    pub high_watermark_checkpoint_interval: Nanos,
    /// `replica.lag.time.max.ms`.
    pub replica_lag_time_max: Nanos,
    /// `offsets.commit.timeout.ms`.
    pub offsets_commit_timeout: Nanos,
    /// `offsets.retention.minutes`.
    pub offsets_retention: Nanos,
    /// `offsets.topic.num.partitions`.
    pub offsets_topic_partitions: u32,
    /// `offsets.topic.replication.factor`.
    pub offsets_topic_replication_factor: u32,
    /// `offsets.topic.segment.bytes`.
    pub offsets_topic_segment_bytes: u64,
    /// `producer.id.expiration.ms`.
    pub producer_id_expiration: Nanos,
    /// `transaction.abort.timed.out.transaction.cleanup.interval.ms`.
    pub transaction_abort_interval: Nanos,
    /// `transaction.max.timeout.ms`.
    pub transaction_max_timeout: Nanos,
    /// `transaction.state.log.min.isr`.
    pub transaction_log_min_isr: u32,
    /// `transaction.state.log.num.partitions`.
    pub transaction_log_partitions: u32,
    /// `transaction.state.log.replication.factor`.
    pub transaction_log_replication_factor: u32,
    /// `transactional.id.expiration.ms`.
    pub transactional_id_expiration: Nanos,
}

impl Default for BrokerSettings {
    fn default() -> BrokerSettings {
        BrokerSettings::of(&Given::default())
    }
}

impl BrokerSettings {
    /// What was set, and the defaults of the rest.
    pub fn of(given: &Given) -> BrokerSettings {
        let view = View { scope: Scope::Broker, given };
        BrokerSettings {
            auto_leader_rebalance: view.flag("auto.leader.rebalance.enable"),
            auto_balancer: view.flag("autobalancer.controller.enable"),
            balancer_detect_interval: view.span("autobalancer.controller.anomaly.detect.interval.ms"),
            balancer_metrics_delay: view.span("autobalancer.controller.metrics.delay.ms"),
            balancer_report_interval: view.span("autobalancer.reporter.metrics.reporting.interval.ms"),
            balancer_concurrency: view.count32("autobalancer.controller.execution.concurrency"),
            balancer_execution_interval: view.span("autobalancer.controller.execution.interval.ms"),
            balancer_in_threshold: view.bytes("autobalancer.controller.network.in.usage.distribution.detect.threshold"),
            balancer_out_threshold: view
                .bytes("autobalancer.controller.network.out.usage.distribution.detect.threshold"),
            balancer_in_deviation: view.number("autobalancer.controller.network.in.distribution.detect.avg.deviation"),
            balancer_out_deviation: view
                .number("autobalancer.controller.network.out.distribution.detect.avg.deviation"),
            balancer_in_trivial_change: view.number("autobalancer.controller.network.in.trivial.change.ratio"),
            balancer_out_trivial_change: view.number("autobalancer.controller.network.out.trivial.change.ratio"),
            heartbeat_interval: view.span("broker.heartbeat.interval.ms"),
            session_timeout: view.span("broker.session.timeout.ms"),
            registration_timeout: view.span("initial.broker.registration.timeout.ms"),
            quorum_append_linger: view.span("controller.quorum.append.linger.ms"),
            quorum_election_backoff_max: view.span("controller.quorum.election.backoff.max.ms"),
            quorum_election_timeout: view.span("controller.quorum.election.timeout.ms"),
            quorum_fetch_timeout: view.span("controller.quorum.fetch.timeout.ms"),
            quorum_request_timeout: view.span("controller.quorum.request.timeout.ms"),
            default_replication_factor: view.count32("default.replication.factor"),
            min_insync_replicas: view.count32("min.insync.replicas"),
            unclean_leader_election: view.flag("unclean.leader.election.enable"),
            group_consumer_heartbeat_interval: view.span("group.consumer.heartbeat.interval.ms"),
            group_consumer_session_timeout: view.span("group.consumer.session.timeout.ms"),
            group_initial_rebalance_delay: view.span("group.initial.rebalance.delay.ms"),
            group_min_session_timeout: view.span("group.min.session.timeout.ms"),
            group_max_session_timeout: view.span("group.max.session.timeout.ms"),
            leader_imbalance_check_interval: view.span("leader.imbalance.check.interval.seconds"),
            log_retention_bytes: view.bytes_or_none("log.retention.bytes"),
            log_retention_check_interval: view.span("log.retention.check.interval.ms"),
            log_retention_time: log_retention_time(&view),
            log_roll_time: view.span_or_none("log.roll.ms").unwrap_or_else(|| view.span("log.roll.hours")),
            log_segment_bytes: view.bytes("log.segment.bytes"),
            recovery_point_checkpoint_interval: view.span("log.flush.offset.checkpoint.interval.ms"),
            io_threads: view.count32("num.io.threads"),
            network_threads: view.count32("num.network.threads"),
            queued_max_requests: view.count32("queued.max.requests"),
            recovery_threads: view.count32("num.recovery.threads.per.data.dir"),
            replica_fetchers: view.count32("num.replica.fetchers"),
            replica_fetch_backoff: view.span("replica.fetch.backoff.ms"),
            replica_fetch_max_bytes: view.bytes("replica.fetch.max.bytes"),
            replica_fetch_min_bytes: view.bytes("replica.fetch.min.bytes"),
            replica_fetch_response_max_bytes: view.bytes("replica.fetch.response.max.bytes"),
            replica_fetch_wait_max: view.span("replica.fetch.wait.max.ms"),
            high_watermark_checkpoint_interval: view.span("replica.high.watermark.checkpoint.interval.ms"),
            replica_lag_time_max: view.span("replica.lag.time.max.ms"),
            offsets_commit_timeout: view.span("offsets.commit.timeout.ms"),
            offsets_retention: view.span("offsets.retention.minutes"),
            offsets_topic_partitions: view.count32("offsets.topic.num.partitions"),
            offsets_topic_replication_factor: view.count32("offsets.topic.replication.factor"),
            offsets_topic_segment_bytes: view.bytes("offsets.topic.segment.bytes"),
            producer_id_expiration: view.span("producer.id.expiration.ms"),
            transaction_abort_interval: view.span("transaction.abort.timed.out.transaction.cleanup.interval.ms"),
            transaction_max_timeout: view.span("transaction.max.timeout.ms"),
            transaction_log_min_isr: view.count32("transaction.state.log.min.isr"),
            transaction_log_partitions: view.count32("transaction.state.log.num.partitions"),
            transaction_log_replication_factor: view.count32("transaction.state.log.replication.factor"),
            transactional_id_expiration: view.span("transactional.id.expiration.ms"),
        }
    }
}

/// The finest unit that is set counts (`AbstractKafkaConfig.logRetentionTimeMillis`).
fn log_retention_time(view: &View<'_>) -> Option<Nanos> {
    let keys = ["log.retention.ms", "log.retention.minutes"];
    view.span_or_none(keys.into_iter().find(|key| view.is_set(key)).unwrap_or("log.retention.hours"))
}
