//! What a probe is about.

use super::Probe;
use crate::kafka::ids::{BrokerId, ObjectId, StreamId, TopicIdPartition};
use wavetank_traces::Concern;

impl Probe {
    /// The things that it is about, nearest first; clients' groups and the metadata log are none.
    pub fn concerns(&self) -> Vec<Concern> {
        let partition = |tp: &TopicIdPartition| Concern::Partition(tp.to_string());
        let broker = |broker: &BrokerId| Concern::Broker(broker.0);
        let stream = |stream: &StreamId| Concern::Stream(stream.0);
        let object = |object: &ObjectId| Concern::Object(object.0);
        match self {
            Probe::ControllerElected { controller, .. } => vec![Concern::Controller(controller.0)],
            Probe::MetadataCommitted { .. } | Probe::Assigned { .. } => Vec::new(),
            Probe::BrokerFenced { broker: who, .. }
            | Probe::BrokerUnfenced { broker: who, .. }
            | Probe::StreamsClaimed { broker: who, .. }
            | Probe::CommitAnswered { broker: who, .. } => vec![broker(who)],
            Probe::StreamOpened { stream: of, tp, broker: who, .. } => vec![stream(of), partition(tp), broker(who)],
            Probe::StreamClosed { stream: of, .. } | Probe::StreamTrimmed { stream: of, .. } => vec![stream(of)],
            Probe::StreamCommitted { range, object: into, broker: who } => {
                vec![stream(&range.stream), object(into), broker(who)]
            }
            Probe::ObjectDropped { object: of }
            | Probe::ObjectDeleted { object: of }
            | Probe::CommitRefusedAfterApplied { object: of } => vec![object(of)],
            Probe::FailoverBegan { broker: of, rescuer } | Probe::FailoverDone { broker: of, rescuer } => {
                vec![Concern::Wal(of.0), broker(of), broker(rescuer)]
            }
            Probe::WalDurable { wal, range, .. } | Probe::WalRecovered { wal, range, .. } => {
                vec![stream(&range.stream), Concern::Wal(wal.0)]
            }
            Probe::WalAcquired { wal, .. }
            | Probe::WalRecoveryEnded { wal, .. }
            | Probe::WalTrimmed { wal, .. }
            | Probe::WalLost { wal }
            | Probe::WalReset { wal, .. } => vec![Concern::Wal(wal.0)],
            Probe::LeaderReady { tp, broker: who, .. }
            | Probe::LogStart { tp, broker: who, .. }
            | Probe::LeaderResigned { tp, broker: who, .. }
            | Probe::HighWatermark { tp, broker: who, .. } => vec![partition(tp), broker(who)],
            Probe::Appended { broker: who, span, .. }
            | Probe::Acked { broker: who, span, .. }
            | Probe::Served { broker: who, span, .. } => vec![partition(&span.tp), broker(who)],
            Probe::Sent { tp, .. } | Probe::GaveUp { tp, .. } => vec![partition(tp)],
            Probe::Produced { span, .. } | Probe::Consumed { span, .. } => vec![partition(&span.tp)],
            Probe::Held { partitions, .. } => partitions.iter().map(partition).collect(),
            Probe::CheckpointCompleted { job, .. }
            | Probe::CheckpointFailed { job, .. }
            | Probe::CheckpointChosen { job, .. }
            | Probe::StateMissing { job, .. }
            | Probe::JobFailed { job }
            | Probe::JobRestarted { job }
            | Probe::JobRestored { job }
            | Probe::JobCaughtUp { job }
            | Probe::Emitted { job, .. } => vec![Concern::Job(*job)],
        }
    }
}
