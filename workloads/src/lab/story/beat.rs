//! One thing in a story, or a run of alike ones.

use crate::storm::Met;
use std::collections::BTreeSet;
use wavetank_models::probe::Probe;
use wavetank_sim::Nanos;
use wavetank_traces::{Concern, Finding};

/// One thing that happened, or a run of alike ones told once.
#[derive(Clone, Debug)]
pub struct Beat {
    /// When; of a run, when it began.
    pub from: Nanos,
    /// When the last of a run happened.
    pub to: Nanos,
    /// Who did it: a node's name, or the storm.
    pub who: String,
    /// What.
    pub deed: Deed,
    /// How often.
    pub times: u64,
    /// What it is about, nearest first; of a run, its first's.
    pub about: Vec<Concern>,
    /// Of a run over several streams or partitions, which.
    pub subjects: BTreeSet<Concern>,
}

/// What happened.
#[derive(Clone, Debug)]
pub enum Deed {
    /// A fault of the storm begins.
    FaultBegins {
        /// In words.
        what: String,
        /// When it is healed; none: never.
        until: Option<Nanos>,
    },
    /// A fault of the storm is healed.
    FaultEnds {
        /// In words.
        what: String,
    },
    /// A node's life begins, by its number, from 1.
    Begins(u32),
    /// It is over.
    Ends,
    /// The node stands still.
    Pauses,
    /// It goes on.
    Resumes,
    /// Its process ends itself.
    Exits {
        /// What it says.
        why: String,
    },
    /// A single operation meets something beyond the ordinary.
    Meets(Met),
    /// A situation that sweeps count is reached.
    Reached(&'static str),
    /// A process says what it does: of a run, the first and the last.
    Said {
        /// The first.
        first: Box<Probe>,
        /// The last: of a run of one, the first.
        last: Box<Probe>,
    },
    /// What is wrong.
    Found(Finding),
}

/// How a thing bears on what comes after.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Weight {
    /// Everyday work: runs of it are told once.
    Work,
    /// Everyday work of which its outcome tells as much.
    Quiet,
    /// A node's life.
    Life,
    /// A stream or a partition changes hands: a turn for who has to do with it.
    Handover,
    /// What divides a story into before and after.
    Turn,
}

impl Deed {
    pub(super) fn weight(&self) -> Weight {
        match self {
            Deed::FaultBegins { .. } | Deed::FaultEnds { .. } | Deed::Found(_) => Weight::Turn,
            Deed::Begins(_) | Deed::Ends | Deed::Pauses | Deed::Resumes | Deed::Exits { .. } => Weight::Life,
            Deed::Meets(_) | Deed::Reached(_) => Weight::Work,
            Deed::Said { first, .. } => weight(first),
        }
    }

    /// A name for its kind: what has the same one, and is about the same, is alike.
    pub(super) fn kind(&self) -> String {
        match self {
            Deed::FaultBegins { what, .. } => format!("begins: {what}"),
            Deed::FaultEnds { what } => format!("ends: {what}"),
            Deed::Begins(_) => "life".into(),
            Deed::Ends => "death".into(),
            Deed::Pauses => "pause".into(),
            Deed::Resumes => "resume".into(),
            Deed::Exits { why } => format!("exit: {why}"),
            Deed::Meets(met) => format!("meets: {} {:?}", met.operation.kind, met.fate),
            Deed::Reached(situation) => format!("reached: {situation}"),
            Deed::Said { first, .. } => kind(first).into(),
            Deed::Found(finding) => format!("found: {finding}"),
        }
    }
}

fn weight(probe: &Probe) -> Weight {
    match probe {
        Probe::StreamOpened { .. }
        | Probe::StreamClosed { .. }
        | Probe::ObjectDeleted { .. }
        | Probe::LeaderReady { .. }
        | Probe::LogStart { .. }
        | Probe::LeaderResigned { .. } => Weight::Handover,
        Probe::ControllerElected { .. }
        | Probe::BrokerFenced { .. }
        | Probe::BrokerUnfenced { .. }
        | Probe::StreamsClaimed { .. }
        | Probe::CommitRefusedAfterApplied { .. }
        | Probe::FailoverBegan { .. }
        | Probe::FailoverDone { .. }
        | Probe::WalAcquired { .. }
        | Probe::WalRecoveryEnded { .. }
        | Probe::WalReset { .. }
        | Probe::WalLost { .. }
        | Probe::CheckpointChosen { .. }
        | Probe::StateMissing { .. }
        | Probe::JobFailed { .. }
        | Probe::JobRestarted { .. }
        | Probe::JobRestored { .. }
        | Probe::JobCaughtUp { .. } => Weight::Turn,
        Probe::StreamCommitted { .. }
        | Probe::StreamTrimmed { .. }
        | Probe::WalDurable { .. }
        | Probe::WalRecovered { .. }
        | Probe::WalTrimmed { .. }
        | Probe::Acked { .. }
        | Probe::GaveUp { .. }
        | Probe::Consumed { .. }
        | Probe::CheckpointCompleted { .. }
        | Probe::CheckpointFailed { .. }
        | Probe::Emitted { .. } => Weight::Work,
        Probe::MetadataCommitted { .. }
        | Probe::CommitAnswered { .. }
        | Probe::ObjectDropped { .. }
        | Probe::Appended { .. }
        | Probe::HighWatermark { .. }
        | Probe::Served { .. }
        | Probe::Sent { .. }
        | Probe::Produced { .. }
        | Probe::Assigned { .. }
        | Probe::Held { .. } => Weight::Quiet,
    }
}

/// The probe's name.
pub(in crate::lab) fn kind(probe: &Probe) -> &'static str {
    match probe {
        Probe::ControllerElected { .. } => "controller elected",
        Probe::MetadataCommitted { .. } => "metadata committed",
        Probe::BrokerFenced { .. } => "broker fenced",
        Probe::BrokerUnfenced { .. } => "broker unfenced",
        Probe::StreamOpened { .. } => "stream opened",
        Probe::StreamClosed { .. } => "stream closed",
        Probe::StreamCommitted { .. } => "stream committed",
        Probe::StreamTrimmed { .. } => "stream trimmed",
        Probe::StreamsClaimed { .. } => "streams claimed",
        Probe::CommitAnswered { .. } => "commit answered",
        Probe::ObjectDropped { .. } => "object dropped",
        Probe::ObjectDeleted { .. } => "object deleted",
        Probe::CommitRefusedAfterApplied { .. } => "commit refused after it was applied",
        Probe::FailoverBegan { .. } => "failover began",
        Probe::FailoverDone { .. } => "failover done",
        Probe::WalAcquired { .. } => "WAL acquired",
        Probe::WalDurable { .. } => "WAL durable",
        Probe::WalRecovered { .. } => "WAL recovered",
        Probe::WalRecoveryEnded { .. } => "WAL recovery ended",
        Probe::WalTrimmed { .. } => "WAL trimmed",
        Probe::WalReset { .. } => "WAL reset",
        Probe::WalLost { .. } => "WAL lost",
        Probe::LeaderReady { .. } => "leader ready",
        Probe::LogStart { .. } => "log start",
        Probe::LeaderResigned { .. } => "leader resigned",
        Probe::Appended { .. } => "appended",
        Probe::HighWatermark { .. } => "high watermark",
        Probe::Acked { .. } => "acked",
        Probe::Served { .. } => "served",
        Probe::Sent { .. } => "sent",
        Probe::Produced { .. } => "produced",
        Probe::GaveUp { .. } => "gave up",
        Probe::Consumed { .. } => "consumed",
        Probe::Assigned { .. } => "assigned",
        Probe::Held { .. } => "held",
        Probe::CheckpointCompleted { .. } => "checkpoint completed",
        Probe::CheckpointFailed { .. } => "checkpoint failed",
        Probe::CheckpointChosen { .. } => "checkpoint chosen",
        Probe::StateMissing { .. } => "state missing",
        Probe::JobFailed { .. } => "job failed",
        Probe::JobRestarted { .. } => "job restarted",
        Probe::JobRestored { .. } => "job restored",
        Probe::JobCaughtUp { .. } => "job caught up",
        Probe::Emitted { .. } => "emitted",
    }
}

impl Beat {
    pub(super) fn new(at: Nanos, who: impl Into<String>, deed: Deed, about: Vec<Concern>) -> Beat {
        let subjects = about.first().cloned().into_iter().collect();
        Beat { from: at, to: at, who: who.into(), deed, times: 1, about, subjects }
    }

    /// A later one that is alike follows.
    pub(super) fn absorb(&mut self, later: Beat) {
        self.to = later.to;
        self.times += later.times;
        self.subjects.extend(later.subjects);
        if let (Deed::Said { last, .. }, Deed::Said { last: newer, .. }) = (&mut self.deed, later.deed) {
            *last = newer;
        }
    }
}
