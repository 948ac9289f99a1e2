//! Which legal outcomes have happened: so that a sweep can show that it saw each.

/// Counters of outcomes. Plain sums; they never influence anything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Witnessed {
    /// Power losses.
    pub power_losses: u64,
    /// Unsynced sectors that a power loss dropped.
    pub lost_sectors: u64,
    /// Unsynced sectors that survived one.
    pub kept_unsynced_sectors: u64,
    /// Sectors that one left half new, half old.
    pub torn_sectors: u64,
    /// Sectors dropped inside the surviving length of a file where nothing was before: read as zeros.
    pub zero_holes: u64,
    /// Sectors dropped where older content was: read as that.
    pub old_content_kept: u64,
    /// Sectors dropped together with the length that would have shown them.
    pub lost_beyond_end: u64,
    /// Metadata changes dropped (a suffix of the journal).
    pub lost_metadata: u64,
    /// Metadata changes that survived without a sync (a prefix of the journal).
    pub kept_unsynced_metadata: u64,
    /// Direct writes in flight of which a power loss kept all.
    pub in_flight_kept: u64,
    /// Direct writes in flight of which it kept a part.
    pub in_flight_partial: u64,
    /// Direct writes in flight of which it kept nothing.
    pub in_flight_lost: u64,
    /// Chunks that background writeback made durable.
    pub writebacks: u64,
    /// Journal commits nobody asked for.
    pub background_commits: u64,
    /// Writers that waited for the dirty limit.
    pub throttled_writes: u64,
    /// Syncs that failed; their pages count as clean since.
    pub failed_syncs: u64,
    /// Pages of failed writes that went back to the medium's content: by eviction or a power loss.
    pub failed_pages_lost: u64,
    /// I/O that a stall or an unreachable zone held back.
    pub stalled_io: u64,
    /// Operations that ended in EIO.
    pub io_errors: u64,
    /// Writes refused for want of space.
    pub no_space: u64,
    /// Reads that showed a rotted byte.
    pub rotted_reads: u64,
    /// Rotted bytes that a rewrite of their sector mended.
    pub rot_overwritten: u64,
    /// Operations refused by a reservation.
    pub fenced: u64,
    /// Writes in flight that were applied just before a reservation shut their host out.
    pub applied_before_preempt: u64,
    /// Writes in flight that a new reservation refused.
    pub rejected_by_preempt: u64,
    /// Reads served from the page cache.
    pub cache_hits: u64,
    /// Reads that went to the device.
    pub cache_misses: u64,
    /// Answers nobody was left to hear (the process had crashed).
    pub unheard_answers: u64,
    /// Local disks lost with their instance.
    pub disks_lost: u64,
    /// Times that the provider lost it.
    pub volumes_lost: u64,
    /// Forced detaches that took effect.
    pub forced_detaches: u64,
}
