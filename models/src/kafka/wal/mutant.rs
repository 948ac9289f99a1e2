//! Named bugs: what AutoMQ's logs got wrong once, and what one could. Each can be switched on in [`build`](super::build).

/// A bug. The numbers are rows of the table in the facts on AutoMQ (commit, pull request, mechanism).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum WalMutant {
    /// 4 (62025d20cd, #743): whatever lies before the latest completion counts as durable.
    ConfirmMax,
    /// 13 (8c333115a2, #1699): an object's key does not say whose epoch wrote it.
    EpochNotInKey,
    /// 14 (5640433c70): a log that is opened for failover does not take the reservation.
    FailoverVerifiesNothing,
    /// 18 (b020aff228, #2542): recovery gives the place of a record's body for the record's.
    RecoverBodyOffset,
    /// 19 (85638eaaa8, #2805): a reset trims one past the end.
    ResetTrimsPastEnd,
    /// 21 (feaf4f0248, #2524): deleted objects that a duplicate PUT brings back stay.
    NoSecondDelete,
    /// 24 (19f3dad7a5, #1229; 1dd8d0918d, #1234): recovery takes records of an earlier cycle of the ring.
    NoRingCycleCheck,
    /// 27 (5df678ae92, #1469): the header still says that the log was shut down in good order.
    HeaderLeftGraceful,
    /// 32 (f2470b7547, #2660): only the first page of a listing is read.
    ListOnePage,
    /// 46 (fc5e335a49, #2764, in the code today): what overlaps is looked for at the first object only.
    OverlapFirstOnly,
    /// The reservation is taken with a plain PUT, as AutoMQ does: a late duplicate gives it back to the old owner.
    PlainPutReservation,
    /// A bulk is acknowledged without looking whose the log is.
    NoVerifyBeforeAck,
    /// A trim offset at an object's last record does not count up to the object's end, as in AutoMQ: a fenced owner's late
    /// object in the place of one that is deleted is read beyond the trim offset.
    TrimNotRounded,
    /// A ring's newer header is told by the wall clock alone.
    HeaderByWallClock,
}

impl WalMutant {
    /// All of them.
    pub const ALL: [WalMutant; 14] = [
        WalMutant::ConfirmMax,
        WalMutant::EpochNotInKey,
        WalMutant::FailoverVerifiesNothing,
        WalMutant::RecoverBodyOffset,
        WalMutant::ResetTrimsPastEnd,
        WalMutant::NoSecondDelete,
        WalMutant::NoRingCycleCheck,
        WalMutant::HeaderLeftGraceful,
        WalMutant::ListOnePage,
        WalMutant::OverlapFirstOnly,
        WalMutant::PlainPutReservation,
        WalMutant::NoVerifyBeforeAck,
        WalMutant::TrimNotRounded,
        WalMutant::HeaderByWallClock,
    ];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            WalMutant::ConfirmMax => "wal-confirm-max",
            WalMutant::EpochNotInKey => "wal-epoch-not-in-key",
            WalMutant::FailoverVerifiesNothing => "wal-failover-verifies-nothing",
            WalMutant::RecoverBodyOffset => "wal-recover-body-offset",
            WalMutant::ResetTrimsPastEnd => "wal-reset-trims-past-end",
            WalMutant::NoSecondDelete => "wal-no-second-delete",
            WalMutant::NoRingCycleCheck => "wal-no-ring-cycle-check",
            WalMutant::HeaderLeftGraceful => "wal-header-left-graceful",
            WalMutant::ListOnePage => "wal-list-one-page",
            WalMutant::OverlapFirstOnly => "wal-overlap-first-only",
            WalMutant::PlainPutReservation => "wal-plain-put-reservation",
            WalMutant::NoVerifyBeforeAck => "wal-no-verify-before-ack",
            WalMutant::TrimNotRounded => "wal-trim-not-rounded",
            WalMutant::HeaderByWallClock => "wal-header-by-wall-clock",
        }
    }

    /// What is wrong, in a line.
    pub fn summary(self) -> &'static str {
        match self {
            WalMutant::ConfirmMax => "the latest completion confirms all that was appended before it",
            WalMutant::EpochNotInKey => "owners of different epochs write objects under the same keys",
            WalMutant::FailoverVerifiesNothing => "a rescuer reads the log without taking the reservation",
            WalMutant::RecoverBodyOffset => "recovered records carry the offset of their body",
            WalMutant::ResetTrimsPastEnd => "the reset after recovery trims the first record to come",
            WalMutant::NoSecondDelete => "objects that a late PUT brings back after their delete stay for ever",
            WalMutant::NoRingCycleCheck => "recovery takes records of an earlier cycle of the ring for new ones",
            WalMutant::HeaderLeftGraceful => "the header still says GRACEFUL after the start: a crash skips recovery",
            WalMutant::ListOnePage => "recovery reads one page of the listing",
            WalMutant::OverlapFirstOnly => "a fenced owner's late object is looked for at the first object only",
            WalMutant::PlainPutReservation => "the reservation is taken with an unconditional PUT",
            WalMutant::NoVerifyBeforeAck => "the reservation is not read between upload and acknowledgement",
            WalMutant::TrimNotRounded => "a trim offset ends at a record where its object has no more of them",
            WalMutant::HeaderByWallClock => {
                "of two headers the one with the later wall clock counts, which may jump back"
            }
        }
    }
}
