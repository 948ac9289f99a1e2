//! What a job is, and its settings by Flink's names, with the defaults of 2.1.

use super::FlinkMutant;
use super::keys::{KeyGroupRange, default_max_parallelism};
use crate::client::{AutoOffsetReset, ConsumerSettings, Directory, SettingsError};
use crate::kafka::ids::{GroupId, TopicIdPartition};
use crate::kafka::object_client::{ObjectClientOptions, ObjectPlace};
use wavetank_sim::{Nanos, NodeId, SortedSet};

/// Where a source without state begins (`scan.startup.mode`, `OffsetsInitializer`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Startup {
    /// `earliest-offset`: at the start of the log.
    #[default]
    Earliest,
    /// `latest-offset`: at its end.
    Latest,
    /// `group-offsets`: at the group's committed offsets; where there are none, as `auto.offset.reset` says.
    GroupOffsets,
}

/// A job: source -> keyBy -> keyed operator -> sink.
#[derive(Clone, Debug)]
pub struct JobSpec {
    /// Its number: tells jobs apart in probes and in the object store.
    pub job: u32,
    /// Where brokers are.
    pub directory: Directory,
    /// What is read.
    pub sources: Vec<TopicIdPartition>,
    /// `group.id`: offsets are committed under it, and never read on restore.
    pub group: GroupId,
    /// When it is submitted to its cluster, by the job manager's monotonic clock.
    pub begins_at: Nanos,
    /// Where its sources begin without state.
    pub startup: Startup,
    /// Subtasks of each operator (`parallelism.default`).
    pub parallelism: u32,
    /// Other parallelisms that it may be given while it runs: its state and its rows are kept in pieces that none of them cuts.
    pub rescaled_to: Vec<u32>,
    /// Key groups (`pipeline.max-parallelism`); `None`: Flink's default for the parallelism.
    pub max_parallelism: Option<u32>,
    /// How many keys there are.
    pub keys: u32,
    /// State of one key, in bytes.
    pub bytes_per_key: u64,
    /// How many records a keyed subtask takes a second; `None`: as many as come.
    pub records_per_sec: Option<u64>,
    /// Where checkpoints go (`execution.checkpointing.dir`, `high-availability.storageDir`).
    pub checkpoints: ObjectPlace,
    /// How they are written.
    pub objects: ObjectClientOptions,
    /// The job manager's node.
    pub job_manager: NodeId,
    /// The node of the table that the sink writes to.
    pub table: NodeId,
    /// Of the source's consumers. Two of them are overridden, as `KafkaSourceBuilder` does: see [`JobSpec::source`].
    pub consumer: ConsumerSettings,
    /// Of the job.
    pub settings: FlinkSettings,
    /// A bug.
    pub mutant: Option<FlinkMutant>,
}

impl JobSpec {
    /// How many key groups there are.
    pub fn key_groups(&self) -> u32 {
        self.max_parallelism.unwrap_or_else(|| default_max_parallelism(self.parallelism))
    }

    /// Those of a subtask of the keyed operator, of so many.
    pub fn groups_of(&self, subtask: u32, parallelism: u32) -> KeyGroupRange {
        KeyGroupRange::of_subtask(subtask, parallelism, self.key_groups())
    }

    /// The pieces in which state of these groups is kept: whatever parallelism the job is given, each has one subtask.
    pub fn pieces(&self, groups: KeyGroupRange) -> Vec<KeyGroupRange> {
        Pieces { parallelism: self.parallelism, others: &self.rescaled_to, groups: self.key_groups() }.of(groups)
    }

    /// Which source subtask, of so many, reads a partition: consecutive partitions of a topic have consecutive readers, from a place that
    /// depends on the topic (`KafkaSourceEnumerator.getSplitOwner`).
    pub fn reader_of(&self, tp: TopicIdPartition, parallelism: u32) -> u32 {
        let start = (u64::from(tp.topic.0) * 31) & 0x7fff_ffff;
        ((start + u64::from(tp.partition)) % u64::from(parallelism)) as u32
    }

    /// What its sources' consumers are told: `enable.auto.commit` is forced to false, and `auto.offset.reset` follows from
    /// where sources begin (L23: a restored offset that is out of range is reset so).
    pub fn source(&self) -> ConsumerSettings {
        let auto_offset_reset = match self.startup {
            Startup::Earliest => AutoOffsetReset::Earliest,
            Startup::Latest => AutoOffsetReset::Latest,
            Startup::GroupOffsets => self.consumer.auto_offset_reset,
        };
        ConsumerSettings { enable_auto_commit: false, auto_offset_reset, ..self.consumer.clone() }
    }

    /// Whether that bug is on.
    pub fn has(&self, mutant: FlinkMutant) -> bool {
        self.mutant == Some(mutant)
    }

    /// Whether it makes sense.
    ///
    /// # Errors
    /// What does not, by Flink's name for it.
    pub fn validate(&self) -> Result<(), SettingsError> {
        check(self.parallelism > 0, "parallelism.default", self.parallelism, "at least 1")?;
        let groups = self.key_groups();
        let fits = (self.parallelism..=1 << 15).contains(&groups);
        check(fits, "pipeline.max-parallelism", groups, "from the parallelism to 32768")?;
        let is_no_parallelism = |of: &&u32| !(1..=groups).contains(*of);
        let wrong = self.rescaled_to.iter().find(is_no_parallelism);
        check(wrong.is_none(), "job.rescaled_to", wrong.copied().unwrap_or(0), "from 1 to the number of key groups")?;
        check(self.keys > 0, "job.keys", self.keys, "at least 1")?;
        check(self.records_per_sec != Some(0), "job.records_per_sec", 0, "at least 1")?;
        check(!self.sources.is_empty(), "job.sources", "[]", "at least one partition")?;
        self.consumer.validate()?;
        self.settings.validate()
    }
}

/// How state is cut: where any parallelism cuts it.
struct Pieces<'a> {
    parallelism: u32,
    others: &'a [u32],
    groups: u32,
}

impl Pieces<'_> {
    fn of(&self, whole: KeyGroupRange) -> Vec<KeyGroupRange> {
        let begin = |subtask, all| KeyGroupRange::of_subtask(subtask, all, self.groups).first;
        let parallelisms = self.others.iter().copied().chain([self.parallelism]);
        let begins = parallelisms.flat_map(|all| (0..all).map(move |subtask| begin(subtask, all)));
        let mut cuts: SortedSet<u32> = begins.filter(|cut| (whole.first..whole.next).contains(cut)).collect();
        cuts.extend([whole.first, whole.next]);
        let cuts: Vec<u32> = cuts.into_iter().collect();
        cuts.windows(2).map(|pair| KeyGroupRange { first: pair[0], next: pair[1] }).collect()
    }
}

/// Settings of a job and its cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlinkSettings {
    /// `execution.checkpointing.interval`; `None`: no checkpoints, the default.
    pub checkpointing_interval: Option<Nanos>,
    /// `execution.checkpointing.timeout`.
    pub checkpointing_timeout: Nanos,
    /// `execution.checkpointing.min-pause`.
    pub checkpointing_min_pause: Nanos,
    /// `execution.checkpointing.tolerable-failed-checkpoints`: consecutive ones.
    pub tolerable_failed_checkpoints: u32,
    /// `execution.checkpointing.num-retained`.
    pub checkpoints_num_retained: usize,
    /// `heartbeat.interval`.
    pub heartbeat_interval: Nanos,
    /// `heartbeat.timeout`.
    pub heartbeat_timeout: Nanos,
    /// `heartbeat.rpc-failure-threshold`.
    pub heartbeat_rpc_failure_threshold: u32,
    /// `restart-strategy.exponential-delay.initial-backoff`.
    pub restart_initial_backoff: Nanos,
    /// `restart-strategy.exponential-delay.max-backoff`.
    pub restart_max_backoff: Nanos,
    /// `restart-strategy.exponential-delay.backoff-multiplier`, in percent.
    pub restart_backoff_multiplier_percent: u64,
    /// `restart-strategy.exponential-delay.jitter-factor`, in percent.
    pub restart_jitter_percent: u64,
    /// `restart-strategy.exponential-delay.reset-backoff-threshold`.
    pub restart_reset_backoff_threshold: Nanos,
    /// `taskmanager.numberOfTaskSlots`.
    pub task_slots: u32,
    /// `taskmanager.network.memory.buffers-per-channel`: exclusive buffers, the credit of a channel.
    pub buffers_per_channel: u32,
    /// `execution.buffer-timeout.interval`: a buffer that is not full is sent after that; zero: after each poll.
    pub buffer_timeout: Nanos,
    /// `sink.buffer-flush.interval` (of the JDBC sink): rows that wait are written after that.
    pub sink_flush_interval: Nanos,
    /// `sink.buffer-flush.max-rows`: rows that are written without waiting longer.
    pub sink_flush_rows: u32,
    /// Batches of upserts that a sink has on its way at most; JDBC and Cassandra sinks name it differently.
    pub sink_in_flight_max: usize,
}

impl Default for FlinkSettings {
    fn default() -> FlinkSettings {
        FlinkSettings {
            checkpointing_interval: None,
            checkpointing_timeout: Nanos::secs(600),
            checkpointing_min_pause: Nanos::ZERO,
            tolerable_failed_checkpoints: 0,
            checkpoints_num_retained: 1,
            heartbeat_interval: Nanos::secs(10),
            heartbeat_timeout: Nanos::secs(50),
            heartbeat_rpc_failure_threshold: 2,
            restart_initial_backoff: Nanos::secs(1),
            restart_max_backoff: Nanos::secs(60),
            restart_backoff_multiplier_percent: 150,
            restart_jitter_percent: 10,
            restart_reset_backoff_threshold: Nanos::secs(3600),
            task_slots: 1,
            buffers_per_channel: 2,
            buffer_timeout: Nanos::millis(100),
            sink_flush_interval: Nanos::secs(1),
            sink_flush_rows: 100,
            sink_in_flight_max: 16,
        }
    }
}

impl FlinkSettings {
    /// Whether Flink starts with these.
    ///
    /// # Errors
    /// The first setting that it would refuse.
    pub fn validate(&self) -> Result<(), SettingsError> {
        let interval = self.checkpointing_interval;
        let least = Nanos::millis(10);
        let shown = interval.map_or(0.0, Nanos::as_millis_f64);
        check(interval.is_none_or(|i| i >= least), "execution.checkpointing.interval", shown, "at least 10 ms")?;
        let timeout = self.checkpointing_timeout;
        check(timeout >= least, "execution.checkpointing.timeout", timeout.as_millis_f64(), "at least 10 ms")?;
        check(self.checkpoints_num_retained > 0, "execution.checkpointing.num-retained", 0, "at least 1")?;
        let (beat, dead) = (self.heartbeat_interval, self.heartbeat_timeout);
        check(beat > Nanos::ZERO, "heartbeat.interval", 0, "more than 0")?;
        check(dead > beat, "heartbeat.timeout", dead.as_millis_f64(), "must be greater than heartbeat.interval")?;
        let key = "restart-strategy.exponential-delay.backoff-multiplier";
        let times = self.restart_backoff_multiplier_percent;
        check(times > 100, key, times, "more than 1 (100 percent)")?;
        let key = "restart-strategy.exponential-delay.jitter-factor";
        check(self.restart_jitter_percent < 100, key, self.restart_jitter_percent, "less than 1 (100 percent)")?;
        check(self.task_slots > 0, "taskmanager.numberOfTaskSlots", 0, "at least 1")?;
        check(self.buffers_per_channel > 0, "taskmanager.network.memory.buffers-per-channel", 0, "at least 1")?;
        check(self.sink_flush_rows > 0, "sink.buffer-flush.max-rows", 0, "at least 1")?;
        check(self.sink_in_flight_max > 0, "job.sink.in-flight-max", 0, "at least 1")
    }
}

fn check(ok: bool, key: &'static str, value: impl ToString, why: &'static str) -> Result<(), SettingsError> {
    if ok { Ok(()) } else { Err(SettingsError { key, value: value.to_string(), why }) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_flink_refuses_is_refused_by_name() {
        assert_eq!(FlinkSettings::default().validate(), Ok(()));
        type Spoil = fn(&mut FlinkSettings);
        let bad: [(&str, Spoil); 4] = [
            ("execution.checkpointing.interval", |s| s.checkpointing_interval = Some(Nanos::millis(1))),
            ("execution.checkpointing.num-retained", |s| s.checkpoints_num_retained = 0),
            ("heartbeat.timeout", |s| s.heartbeat_timeout = Nanos::secs(10)),
            ("restart-strategy.exponential-delay.backoff-multiplier", |s| s.restart_backoff_multiplier_percent = 100),
        ];
        for (key, spoil) in bad {
            let mut settings = FlinkSettings::default();
            spoil(&mut settings);
            assert_eq!(settings.validate().unwrap_err().key, key);
        }
    }

    proptest! {
        #[test]
        fn each_piece_of_state_has_one_subtask_whatever_the_parallelism(
            parallelism in 1u32..9, others in prop::collection::vec(1u32..9, 0..3),
        ) {
            let spec = Pieces { parallelism, others: &others, groups: 128 };
            let pieces = spec.of(KeyGroupRange { first: 0, next: 128 });
            prop_assert!(pieces.windows(2).all(|pair| pair[0].next == pair[1].first));
            prop_assert_eq!((pieces[0].first, pieces[pieces.len() - 1].next), (0, 128));
            for all in others.iter().copied().chain([parallelism]) {
                let of = |subtask| spec.of(KeyGroupRange::of_subtask(subtask, all, 128));
                let of_subtasks: Vec<KeyGroupRange> = (0..all).flat_map(of).collect();
                prop_assert_eq!(&of_subtasks, &pieces, "{} subtasks", all);
            }
        }
    }
}
