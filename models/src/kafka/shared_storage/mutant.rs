//! Named bugs of shared storage above the write-ahead log: what AutoMQ got wrong once. One at a time can be switched on in
//! [`StorageOptions`](super::StorageOptions).

/// A bug. The numbers are rows of the table in the facts on AutoMQ (commit, pull request, mechanism).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum StorageMutant {
    /// 1 (f1005d217f, #3339): where a compaction joins blocks, the offsets that they span overflow.
    DeltaOverflows,
    /// 2 (3678dc2647, #3064): records go into the log cache in another order than that of the log.
    CacheOrderNotWalOrder,
    /// 3 (c27ce6fe58, #961): a record is confirmed, and counts for the trim offset, before it is in the log cache.
    ConfirmBeforeCache,
    /// 5 (66c350d4f3, #495): an append overtakes those that back off.
    BackOffOvertaken,
    /// 6 (bab8169a33, #2653): a compaction reads a list of streams while it changes.
    TornImageRead,
    /// 11 (e19bebaf75, #682): a failover trims the rescuer's own log.
    FailoverTrimsOwnWal,
    /// 12 (d1e38f3391, #2291; 8f9a584b4f, #1739): a broker that has been fenced goes on.
    FencedGoesOn,
    /// A partition that is given up is closed without uploading what is in no object yet, nor saying so.
    CloseWithoutUpload,
    /// 40 (0e459685e3, #3485): that a block got no ids for its objects is swallowed, and no later block is uploaded either.
    PrepareFailureSwallowed,
}

impl StorageMutant {
    /// All of them.
    pub const ALL: [StorageMutant; 9] = [
        StorageMutant::DeltaOverflows,
        StorageMutant::CacheOrderNotWalOrder,
        StorageMutant::ConfirmBeforeCache,
        StorageMutant::BackOffOvertaken,
        StorageMutant::TornImageRead,
        StorageMutant::FailoverTrimsOwnWal,
        StorageMutant::FencedGoesOn,
        StorageMutant::CloseWithoutUpload,
        StorageMutant::PrepareFailureSwallowed,
    ];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            StorageMutant::DeltaOverflows => "storage-delta-overflows",
            StorageMutant::CacheOrderNotWalOrder => "storage-cache-order-not-wal-order",
            StorageMutant::ConfirmBeforeCache => "storage-confirm-before-cache",
            StorageMutant::BackOffOvertaken => "storage-back-off-overtaken",
            StorageMutant::TornImageRead => "storage-torn-image-read",
            StorageMutant::FailoverTrimsOwnWal => "storage-failover-trims-own-wal",
            StorageMutant::FencedGoesOn => "storage-fenced-goes-on",
            StorageMutant::CloseWithoutUpload => "storage-close-without-upload",
            StorageMutant::PrepareFailureSwallowed => "storage-prepare-failure-swallowed",
        }
    }

    /// What is wrong, in a line.
    pub fn summary(self) -> &'static str {
        match self {
            StorageMutant::DeltaOverflows => "an index entry that a compaction joins loses offsets beyond 2^k",
            StorageMutant::CacheOrderNotWalOrder => "some records go into the log cache after later ones",
            StorageMutant::ConfirmBeforeCache => "a block's trim offset covers records that are not in it",
            StorageMutant::BackOffOvertaken => "an append goes ahead of earlier ones that had no room",
            StorageMutant::TornImageRead => "a compaction sees a part of the streams and drops the others' data",
            StorageMutant::FailoverTrimsOwnWal => "whoever empties a dead broker's log trims its own",
            StorageMutant::FencedGoesOn => "a broker whose log was taken acknowledges on",
            StorageMutant::CloseWithoutUpload => "a partition is handed over without what was not uploaded yet",
            StorageMutant::PrepareFailureSwallowed => "uploads stop for good when a question for ids has failed",
        }
    }
}
