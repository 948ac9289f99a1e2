//! Retention: what is deleted of logs, and when (Kafka's `LogManager.cleanupLogs`, `UnifiedLog.deleteOldSegments`,
//! `maybeIncrementLogStartOffset`; KIP-107).
//!
//! Every `log.retention.check.interval.ms`, first 30 s after its start, a broker looks at each log that it leads:
//! 1. which [segments](super::segments) are to go: those before the log's start, those beyond `retention.bytes`, those whose
//!    largest timestamp is older than `retention.ms` by the broker's own clock; none that ends after the high watermark;
//! 2. the log start offset goes up. From now on a fetch below it is refused with `OFFSET_OUT_OF_RANGE`, and
//!    `ListOffsets(earliest)` answers it;
//! 3. the logs below are told ([`PartitionLogs::trim`](crate::kafka::partition_log::PartitionLogs::trim)): they make it durable,
//!    and delete what is stored below.
//!
//! A leader that dies between 2 and 3 leaves its log beginning where it began before, and the next leader deletes again.
//! Kafka's brokers do the same with a log start that is not checkpointed yet.
//!
//! `__consumer_offsets` is not deleted from but compacted: see [`coordinator`](super::coordinator).
//!
//! A topic may have a `retention.ms` and a `retention.bytes` of its own (records of the metadata log, `ConfigRecord`): a broker
//! goes by them from when its image has them, and by its own settings again when they are taken back.
//!
//! Simpler than reality: all other settings of topics are the same at all brokers from the start, and all topics of the load
//! share them.

use super::partition::Role;
use super::segments::{Extent, LogConfig};
use super::{BROKER_SPACE, Broker, RETENTION};
use crate::kafka::ids::TopicIdPartition;
use crate::kafka::metadata::TopicSetting;
use crate::probe::Probe;
use crate::world::{Cx, TimerId};
use wavetank_sim::Nanos;

/// From a broker's start to its first check (`LogManager.InitialTaskDelayMs`).
const FIRST_CHECK: Nanos = Nanos::secs(30);

/// What a broker deletes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetentionOptions {
    /// `log.retention.check.interval.ms` (5 min).
    pub check_interval: Nanos,
    /// Of all topics but the platform's own.
    pub topics: LogConfig,
    /// `offsets.topic.segment.bytes` (100 MiB).
    pub offsets_segment_bytes: u64,
    /// A bug to have.
    pub mutant: Option<BrokerMutant>,
}

impl Default for RetentionOptions {
    fn default() -> RetentionOptions {
        RetentionOptions {
            check_interval: Nanos::secs(300),
            topics: LogConfig::default(),
            offsets_segment_bytes: 100 << 20,
            mutant: None,
        }
    }
}

/// A bug that a broker's partition layer can be given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BrokerMutant {
    /// KAFKA-5634: retention does not stop at the high watermark.
    RetentionPassesHighWatermark,
}

impl BrokerMutant {
    /// All of them.
    pub const ALL: [BrokerMutant; 1] = [BrokerMutant::RetentionPassesHighWatermark];

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            BrokerMutant::RetentionPassesHighWatermark => "retention-passes-high-watermark",
        }
    }

    /// One line for people.
    pub fn summary(self) -> &'static str {
        match self {
            BrokerMutant::RetentionPassesHighWatermark => "retention deletes what is not durable yet",
        }
    }
}

impl RetentionOptions {
    /// Settings of the platform's own topic of offsets, which is compacted.
    pub(super) fn offsets(&self) -> LogConfig {
        let (retention_time, retention_bytes) = (None, None);
        LogConfig { segment_bytes: self.offsets_segment_bytes, retention_time, retention_bytes, ..LogConfig::default() }
    }

    /// From a broker's start to the first check that may find something; none: no check ever does. Where time alone limits
    /// logs, nothing is old enough before the clock says so.
    fn first_check(&self, wall: Nanos) -> Option<Nanos> {
        let LogConfig { retention_time, retention_bytes, .. } = self.topics;
        match (retention_bytes, retention_time) {
            (Some(_), _) => Some(FIRST_CHECK.min(self.check_interval)),
            (None, Some(time)) => Some(FIRST_CHECK.min(self.check_interval).max(time.saturating_sub(wall))),
            (None, None) => None,
        }
    }
}

/// When logs are looked at next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Checks {
    /// Never, or not before what brokers keep by themselves can be too old: topics have nothing to say.
    Far(Option<TimerId>),
    /// Every `log.retention.check.interval.ms`.
    Regular,
}

impl Broker {
    pub(super) fn begin_retention(&mut self, cx: &mut Cx<'_>) {
        let first = self.spec.retention.first_check(cx.wall());
        self.checks = Checks::Far(first.map(|after| BROKER_SPACE.set_timer(cx, after, RETENTION)));
    }

    /// The image has moved: a topic may have settings of its own now, and what is checked seldom is checked regularly.
    pub(super) fn follow_topic_configs(&mut self, cx: &mut Cx<'_>) {
        let has_some = self.link.as_ref().is_some_and(|link| !link.image.topic_configs.is_empty());
        if let (true, Checks::Far(timer)) = (has_some, self.checks) {
            timer.into_iter().for_each(|timer| cx.cancel_timer(timer));
            self.checks = Checks::Regular;
            BROKER_SPACE.set_timer(cx, self.spec.retention.check_interval, RETENTION);
        }
    }

    /// A partition's settings, and whether some of them are its topic's own.
    pub(super) fn log_config(&self, tp: TopicIdPartition) -> (LogConfig, bool) {
        if self.is_offsets_topic(tp.topic) {
            return (self.spec.retention.offsets(), false);
        }
        let own = |setting| self.link.as_ref().and_then(|link| link.image.topic_configs.get(tp.topic, setting));
        let (time, bytes) = (own(TopicSetting::RetentionMs), own(TopicSetting::RetentionBytes));
        let of_brokers = self.spec.retention.topics;
        let config = LogConfig {
            // -1 is no limit.
            retention_time: time.map_or(of_brokers.retention_time, |ms| u64::try_from(ms).ok().map(Nanos::millis)),
            retention_bytes: bytes.map_or(of_brokers.retention_bytes, |bytes| u64::try_from(bytes).ok()),
            ..of_brokers
        };
        (config, time.is_some() || bytes.is_some())
    }

    /// Looks at all logs.
    pub(super) fn check_retention(&mut self, cx: &mut Cx<'_>) {
        self.checks = Checks::Regular;
        BROKER_SPACE.set_timer(cx, self.spec.retention.check_interval, RETENTION);
        let now = cx.wall();
        let bug = self.spec.retention.mutant == Some(BrokerMutant::RetentionPassesHighWatermark);
        let mut due = Vec::new();
        for (tp, partition) in &self.partitions {
            let Role::Leading(leader) = &partition.role else { continue };
            let high_watermark = (!bug).then_some(leader.high_watermark);
            let log = Extent { start: leader.log_start, high_watermark, end: leader.log_end };
            let (config, is_its_own) = self.log_config(*tp);
            let start = leader.segments.expired(log, now, &config);
            if start > leader.log_start {
                due.push((*tp, start, is_its_own));
            }
        }
        for (tp, start, is_its_own) in due {
            cx.mark("retention: segments were deleted");
            if is_its_own {
                cx.mark("retention: segments were deleted by their topic's own settings");
            }
            self.advance_log_start(cx, tp, start);
        }
    }

    /// A log begins later: what lies before is deleted.
    pub(super) fn advance_log_start(&mut self, cx: &mut Cx<'_>, tp: TopicIdPartition, offset: u64) {
        let broker = self.spec.id;
        let Ok((epoch, leader)) = self.leader(tp) else { return };
        leader.log_start = offset;
        leader.segments.delete_before(offset, leader.log_end);
        cx.probe(Probe::LogStart { tp, broker, epoch, offset });
        self.logs.trim(cx, self.link.as_mut().expect("it leads"), tp, offset);
        // Whoever waits for what lies before is told.
        self.moved.insert(tp);
    }
}
