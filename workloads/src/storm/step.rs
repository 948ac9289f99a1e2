//! Steps of protocols that a fault can wait for: what processes say of themselves as they do it.
//!
//! A step has a name and somebody who did it. Names are those of probes, in kebab case, and those of
//! [marks](super::marks::ALL), as they are.

use super::marks;
use super::member::{Member, Role};
use crate::spec::near;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;
use wavetank_models::kafka::ids::BrokerId;
use wavetank_models::kafka::wal::WalMode;
use wavetank_models::probe::Probe;

/// A step of somebody's protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// A probe of that kind.
    Said(Kind),
    /// A mark of that name.
    Mark(&'static str),
}

/// Kinds of what processes say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A life of a process has begun.
    Started,
    /// A controller has become the active one.
    ControllerElected,
    /// A controller has learned that an entry of the metadata log is committed.
    MetadataCommitted,
    /// The quorum has fenced a broker: the step is the broker's.
    BrokerFenced,
    /// The quorum has unfenced a broker, which is ready again: the step is the broker's.
    BrokerUnfenced,
    /// A stream was opened: the step is its new owner's.
    StreamOpened,
    /// Objects with a piece of a stream are committed: the step is the broker's that asked.
    StreamCommitted,
    /// The quorum learned that a stream begins later.
    StreamTrimmed,
    /// Nothing refers to an object any more.
    ObjectDropped,
    /// An object's content is being deleted, by the active controller.
    ObjectDeleted,
    /// A broker begins to take over a dead one's log: the step is the rescuer's.
    FailoverBegan,
    /// It is done: the step is the rescuer's.
    FailoverDone,
    /// An owner has acquired its own write-ahead log.
    WalAcquired,
    /// A rescuer has acquired somebody else's.
    WalTakenOver,
    /// A record is durable, and about to be acknowledged.
    WalDurable,
    /// A record came out of recovery.
    WalRecovered,
    /// Recovery has read all there is.
    WalRecoveryEnded,
    /// The log's user needs nothing up to some offset any more.
    WalTrimmed,
    /// The log's user needs nothing in it any more.
    WalReset,
    /// A broker begins to lead a partition.
    LeaderReady,
    /// A broker gives a partition up in good order.
    LeaderResigned,
    /// A broker has appended a batch, which is not durable yet.
    Appended,
    /// A broker's high watermark has risen.
    HighWatermark,
    /// A broker acknowledges a batch.
    Acked,
    /// A broker gives records to a reader.
    Served,
    /// A leader has deleted what retention does not keep.
    LogStart,
    /// A producer has learned that a batch is in the log.
    Produced,
    /// A consumer's application has been handed records.
    Consumed,
    /// A member of a group has an assignment.
    Assigned,
    /// A job manager has completed a checkpoint; its tasks are told in the same step.
    CheckpointCompleted,
    /// A job manager has given a checkpoint up.
    CheckpointFailed,
    /// A job manager deploys its job from a checkpoint.
    CheckpointChosen,
    /// A job manager has noticed that its job must restart.
    JobFailed,
    /// All tasks of a job have their state.
    JobRestored,
    /// A table shows output that was not there before.
    Emitted,
}

impl Kind {
    /// All of them, with their names in files.
    const ALL: [(&'static str, Kind); 35] = [
        ("started", Kind::Started),
        ("controller-elected", Kind::ControllerElected),
        ("metadata-committed", Kind::MetadataCommitted),
        ("broker-fenced", Kind::BrokerFenced),
        ("broker-unfenced", Kind::BrokerUnfenced),
        ("stream-opened", Kind::StreamOpened),
        ("stream-committed", Kind::StreamCommitted),
        ("stream-trimmed", Kind::StreamTrimmed),
        ("object-dropped", Kind::ObjectDropped),
        ("object-deleted", Kind::ObjectDeleted),
        ("failover-began", Kind::FailoverBegan),
        ("failover-done", Kind::FailoverDone),
        ("wal-acquired", Kind::WalAcquired),
        ("wal-taken-over", Kind::WalTakenOver),
        ("wal-durable", Kind::WalDurable),
        ("wal-recovered", Kind::WalRecovered),
        ("wal-recovery-ended", Kind::WalRecoveryEnded),
        ("wal-trimmed", Kind::WalTrimmed),
        ("wal-reset", Kind::WalReset),
        ("leader-ready", Kind::LeaderReady),
        ("leader-resigned", Kind::LeaderResigned),
        ("appended", Kind::Appended),
        ("high-watermark", Kind::HighWatermark),
        ("acked", Kind::Acked),
        ("served", Kind::Served),
        ("log-start", Kind::LogStart),
        ("produced", Kind::Produced),
        ("consumed", Kind::Consumed),
        ("assigned", Kind::Assigned),
        ("checkpoint-completed", Kind::CheckpointCompleted),
        ("checkpoint-failed", Kind::CheckpointFailed),
        ("checkpoint-chosen", Kind::CheckpointChosen),
        ("job-failed", Kind::JobFailed),
        ("job-restored", Kind::JobRestored),
        ("emitted", Kind::Emitted),
    ];

    /// Of a probe, and the broker whose step it is where that is not the one who says so. `None`: nobody waits for it.
    pub(super) fn of(probe: &Probe) -> Option<(Kind, Option<BrokerId>)> {
        let by_itself = |kind| Some((kind, None));
        match probe {
            Probe::ControllerElected { .. } => by_itself(Kind::ControllerElected),
            Probe::MetadataCommitted { .. } => by_itself(Kind::MetadataCommitted),
            Probe::BrokerFenced { broker, .. } => Some((Kind::BrokerFenced, Some(*broker))),
            Probe::BrokerUnfenced { broker, .. } => Some((Kind::BrokerUnfenced, Some(*broker))),
            Probe::StreamOpened { broker, .. } => Some((Kind::StreamOpened, Some(*broker))),
            Probe::StreamCommitted { broker, .. } => Some((Kind::StreamCommitted, Some(*broker))),
            Probe::StreamTrimmed { .. } => by_itself(Kind::StreamTrimmed),
            Probe::ObjectDropped { .. } => by_itself(Kind::ObjectDropped),
            Probe::ObjectDeleted { .. } => by_itself(Kind::ObjectDeleted),
            Probe::FailoverBegan { .. } => by_itself(Kind::FailoverBegan),
            Probe::FailoverDone { .. } => by_itself(Kind::FailoverDone),
            Probe::WalAcquired { mode: WalMode::Own, .. } => by_itself(Kind::WalAcquired),
            Probe::WalAcquired { mode: WalMode::Failover, .. } => by_itself(Kind::WalTakenOver),
            Probe::WalDurable { .. } => by_itself(Kind::WalDurable),
            Probe::WalRecovered { .. } => by_itself(Kind::WalRecovered),
            Probe::WalRecoveryEnded { .. } => by_itself(Kind::WalRecoveryEnded),
            Probe::WalTrimmed { .. } => by_itself(Kind::WalTrimmed),
            Probe::WalReset { .. } => by_itself(Kind::WalReset),
            Probe::LeaderReady { .. } => by_itself(Kind::LeaderReady),
            Probe::LeaderResigned { .. } => by_itself(Kind::LeaderResigned),
            Probe::Appended { .. } => by_itself(Kind::Appended),
            Probe::HighWatermark { .. } => by_itself(Kind::HighWatermark),
            Probe::Acked { .. } => by_itself(Kind::Acked),
            Probe::Served { .. } => by_itself(Kind::Served),
            Probe::LogStart { .. } => by_itself(Kind::LogStart),
            Probe::Produced { .. } => by_itself(Kind::Produced),
            Probe::Consumed { .. } => by_itself(Kind::Consumed),
            Probe::Assigned { .. } => by_itself(Kind::Assigned),
            Probe::CheckpointCompleted { .. } => by_itself(Kind::CheckpointCompleted),
            Probe::CheckpointFailed { .. } => by_itself(Kind::CheckpointFailed),
            Probe::CheckpointChosen { .. } => by_itself(Kind::CheckpointChosen),
            Probe::JobFailed { .. } => by_itself(Kind::JobFailed),
            Probe::JobRestored { .. } => by_itself(Kind::JobRestored),
            Probe::Emitted { .. } => by_itself(Kind::Emitted),
            Probe::StreamClosed { .. }
            | Probe::StreamsClaimed { .. }
            | Probe::CommitAnswered { .. }
            | Probe::CommitRefusedAfterApplied { .. }
            | Probe::Sent { .. }
            | Probe::GaveUp { .. }
            | Probe::Held { .. }
            | Probe::StateMissing { .. }
            | Probe::WalLost { .. }
            | Probe::JobRestarted { .. }
            | Probe::JobCaughtUp { .. } => None,
        }
    }
}

impl Step {
    /// Its name in files.
    pub fn name(self) -> &'static str {
        match self {
            Step::Mark(name) => name,
            Step::Said(kind) => {
                let found = Kind::ALL.iter().find(|(_, known)| *known == kind);
                found.map(|(name, _)| *name).expect("every kind is listed")
            }
        }
    }

    fn by_name(name: &str) -> Option<Step> {
        let kind = Kind::ALL.iter().find(|(known, _)| *known == name).map(|(_, kind)| Step::Said(*kind));
        kind.or_else(|| marks::ALL.iter().find(|known| **known == name).map(|known| Step::Mark(known)))
    }
}

/// The broker of that number.
pub(super) fn broker(id: BrokerId) -> Member {
    Role::Broker.nth(id.0 as usize)
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Serialize for Step {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Step {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Step, D::Error> {
        let text = String::deserialize(deserializer)?;
        Step::by_name(&text).ok_or_else(|| {
            let kinds = Kind::ALL.map(|(name, _)| name);
            let near = near::nearest(&text, kinds.iter().chain(&marks::ALL).copied());
            let advice = near.map_or_else(
                || format!("there is {}, and the situations of `wavetank list`", kinds.join(", ")),
                |near| format!("did you mean \"{near}\"?"),
            );
            de::Error::custom(format!("\"{text}\" is no step: {advice}"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_come_back_from_their_names_and_a_slip_is_told() {
        for (name, kind) in Kind::ALL {
            assert_eq!(serde_json::from_str::<Step>(&format!("\"{name}\"")).expect(name), Step::Said(kind));
            assert_eq!(Step::Said(kind).name(), name);
        }
        for mark in marks::ALL {
            let json = serde_json::to_string(mark).expect("a text can be JSON");
            assert_eq!(serde_json::from_str::<Step>(&json).expect(mark), Step::Mark(mark));
        }
        for (wrong, said) in [
            ("wal-trimed", "\"wal-trimed\" is no step: did you mean \"wal-trimmed\"?"),
            ("wal: list crossed pages", "did you mean \"wal: list crossed a page\"?"),
            ("banana", "there is started, controller-elected"),
        ] {
            let error = serde_json::from_str::<Step>(&format!("\"{wrong}\"")).expect_err(wrong).to_string();
            assert!(error.contains(said), "{error}");
        }
    }
}
