//! Known bugs, switched on by name: they prove that the checks bite.

use crate::scenario::UnknownName;

/// A bug that a pier can be given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutant {
    /// The pier acknowledges when the write is in the page cache, before fsync.
    AckBeforeSync,
    /// Recovery believes every record header and checks no checksum: a torn tail counts as data.
    TrustTornTail,
    /// After a failed fsync the pier tries again and believes the second answer (fsyncgate).
    RetryFailedSync,
    /// Recovery reads through the page cache, which after a failed fsync shows what the disk never got.
    RecoverFromCache,
    /// The pier does not know a record again that it has already, and appends it once more.
    AppendResent,
    /// The pier takes "upload timed out" for "uploaded".
    TimeoutMeansUploaded,
    /// The watchman believes an unstable NFS write without a commit.
    NoCommit,
}

impl Mutant {
    /// All of them.
    pub const ALL: [Mutant; 7] = [
        Mutant::AckBeforeSync,
        Mutant::TrustTornTail,
        Mutant::RetryFailedSync,
        Mutant::RecoverFromCache,
        Mutant::AppendResent,
        Mutant::TimeoutMeansUploaded,
        Mutant::NoCommit,
    ];

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Mutant::AckBeforeSync => "ack-before-sync",
            Mutant::TrustTornTail => "trust-torn-tail",
            Mutant::RetryFailedSync => "retry-failed-sync",
            Mutant::RecoverFromCache => "recover-from-cache",
            Mutant::AppendResent => "append-resent",
            Mutant::TimeoutMeansUploaded => "timeout-means-uploaded",
            Mutant::NoCommit => "no-commit",
        }
    }

    /// One line for people.
    pub fn summary(self) -> &'static str {
        match self {
            Mutant::AckBeforeSync => "a pier acknowledges what only the page cache holds",
            Mutant::TrustTornTail => "recovery checks no checksum",
            Mutant::RetryFailedSync => "a failed fsync is tried again and believed",
            Mutant::RecoverFromCache => "recovery believes the cache after an fsync error",
            Mutant::AppendResent => "a pier appends a record that is sent again once more",
            Mutant::TimeoutMeansUploaded => "an upload that timed out counts as done",
            Mutant::NoCommit => "a watchman believes an unstable NFS write",
        }
    }

    /// The mutant of that name.
    ///
    /// # Errors
    /// When there is none: says which there are.
    pub fn by_name(name: &str) -> Result<Mutant, UnknownName> {
        let known = Mutant::ALL.iter().map(|m| m.name());
        Mutant::ALL.into_iter().find(|m| m.name() == name).ok_or_else(|| UnknownName::new("mutant", name, known))
    }
}
