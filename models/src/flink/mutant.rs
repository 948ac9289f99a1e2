//! Named bugs: what a checkpointing job can get wrong. One can be switched on in [`JobSpec`](super::JobSpec).

/// A bug. The letters are rows of the table in the facts on Flink.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FlinkMutant {
    /// L21: sources go on at the group's committed offsets, not at those of the checkpoint.
    RestoreFromCommittedOffsets,
    /// L25: a channel whose barrier has come is read on (AT_LEAST_ONCE run as EXACTLY_ONCE).
    BarrierBlocksNothing,
    /// A checkpoint counts as complete, and the one before is discarded, when all tasks have acknowledged it: its metadata
    /// is written afterwards.
    CompleteBeforeMetadata,
    /// Acknowledgements are told apart by the checkpoint's number alone, and the numbers begin again after the latest
    /// complete one at each restart.
    EarlierAttemptsAcks,
    /// State is not cut by key groups: when the parallelism has changed, whoever has the first of its groups has it, and who has
    /// others of them begins with nothing.
    RescaleUncut,
}

impl FlinkMutant {
    /// All of them.
    pub const ALL: [FlinkMutant; 5] = [
        FlinkMutant::RestoreFromCommittedOffsets,
        FlinkMutant::BarrierBlocksNothing,
        FlinkMutant::CompleteBeforeMetadata,
        FlinkMutant::EarlierAttemptsAcks,
        FlinkMutant::RescaleUncut,
    ];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            FlinkMutant::RestoreFromCommittedOffsets => "flink-restore-from-committed-offsets",
            FlinkMutant::BarrierBlocksNothing => "flink-barrier-blocks-nothing",
            FlinkMutant::CompleteBeforeMetadata => "flink-complete-before-metadata",
            FlinkMutant::EarlierAttemptsAcks => "flink-earlier-attempts-acks",
            FlinkMutant::RescaleUncut => "flink-rescale-uncut",
        }
    }

    /// What is wrong, in a line.
    pub fn summary(self) -> &'static str {
        match self {
            FlinkMutant::RestoreFromCommittedOffsets => "a restored source reads on at the group's committed offsets",
            FlinkMutant::BarrierBlocksNothing => "records behind a barrier are applied before the snapshot",
            FlinkMutant::CompleteBeforeMetadata => "a checkpoint is complete before its metadata is written",
            FlinkMutant::EarlierAttemptsAcks => "state of an earlier attempt becomes part of a checkpoint",
            FlinkMutant::RescaleUncut => "rescaled state goes to whoever has its first key group alone",
        }
    }
}
