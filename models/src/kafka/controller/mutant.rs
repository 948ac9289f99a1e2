//! Known bugs, switched on by name: they prove that the checks bite. Numbers are rows of the table of AutoMQ's bugs.

/// A bug that a controller can be given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ControllerMutant {
    /// 9 (AutoMQ #1056): a commit's continuity is checked before whether it was applied already, so a retry of an applied
    /// commit is refused with `OFFSET_NOT_MATCHED`.
    ContinuityBeforeRedundancy,
    /// 17 (AutoMQ #3045): a broker that has only just started, and recovers by itself, is failed over.
    FailoverWithoutGuard,
    /// 7 (AutoMQ #2040): the record of a compaction sets streams' end offsets, back where there is more by now.
    CompactionSetsEndOffset,
    /// 41 (AutoMQ #1639, #3539): a prepared object's deadline counts even after it was committed.
    CommittedObjectsExpire,
    /// A commit is taken whatever life of the broker it comes from.
    NoNodeEpochCheck,
    /// A fast close does not write down what its broker still has to upload.
    FastCloseForgets,
    /// A trim drops every stream-set object with something of the stream before its start, whatever else is in it.
    TrimDropsWholeSets,
    /// The quorum: a fetch says "I hold" before what it holds is flushed, and the leader counts itself so too.
    AckUnflushed,
    /// The quorum: a vote is answered without being made durable.
    ForgetVotes,
    /// The quorum: what a majority holds counts as committed, though it is of an earlier epoch (Raft, figure 8).
    CommitOldEpochs,
}

impl ControllerMutant {
    /// All of them.
    pub const ALL: [ControllerMutant; 10] = [
        ControllerMutant::ContinuityBeforeRedundancy,
        ControllerMutant::FailoverWithoutGuard,
        ControllerMutant::CompactionSetsEndOffset,
        ControllerMutant::CommittedObjectsExpire,
        ControllerMutant::NoNodeEpochCheck,
        ControllerMutant::FastCloseForgets,
        ControllerMutant::TrimDropsWholeSets,
        ControllerMutant::AckUnflushed,
        ControllerMutant::ForgetVotes,
        ControllerMutant::CommitOldEpochs,
    ];

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            ControllerMutant::ContinuityBeforeRedundancy => "continuity-before-redundancy",
            ControllerMutant::FailoverWithoutGuard => "failover-without-guard",
            ControllerMutant::CompactionSetsEndOffset => "compaction-sets-end-offset",
            ControllerMutant::CommittedObjectsExpire => "committed-objects-expire",
            ControllerMutant::NoNodeEpochCheck => "no-node-epoch-check",
            ControllerMutant::FastCloseForgets => "fast-close-forgets",
            ControllerMutant::TrimDropsWholeSets => "trim-drops-whole-sets",
            ControllerMutant::AckUnflushed => "ack-unflushed",
            ControllerMutant::ForgetVotes => "forget-votes",
            ControllerMutant::CommitOldEpochs => "commit-old-epochs",
        }
    }

    /// One line for people.
    pub fn summary(self) -> &'static str {
        match self {
            ControllerMutant::ContinuityBeforeRedundancy => "a retry of an applied commit is refused",
            ControllerMutant::FailoverWithoutGuard => "a broker that is recovering by itself is failed over",
            ControllerMutant::CompactionSetsEndOffset => "a compaction sets a stream's end offset back",
            ControllerMutant::CommittedObjectsExpire => {
                "a committed object is dropped at the deadline of its preparation"
            }
            ControllerMutant::NoNodeEpochCheck => "commits of a broker's earlier lives are taken",
            ControllerMutant::FastCloseForgets => {
                "a stream is closed fast, and what is to be uploaded still is forgotten"
            }
            ControllerMutant::TrimDropsWholeSets => "a trim drops stream-set objects in which other streams are still",
            ControllerMutant::AckUnflushed => "a voter's fetch acknowledges what it has not flushed",
            ControllerMutant::ForgetVotes => "a controller forgets at a crash whom it voted for",
            ControllerMutant::CommitOldEpochs => "a majority commits entries of earlier epochs",
        }
    }
}
