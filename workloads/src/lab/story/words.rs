//! What a beat says, for people: a clause that follows the name of who did it.

use super::beat::{Beat, Deed};
use std::fmt;
use wavetank_models::kafka::ids::{BrokerId, TopicIdPartition};
use wavetank_models::kafka::metadata::StreamRange;
use wavetank_models::kafka::wal::WalMode;
use wavetank_models::probe::{LogSpan, Probe};
use wavetank_sim::Nanos;
use wavetank_traces::{Finding, Severity};

impl fmt::Display for Beat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let times = Times(self.times);
        match &self.deed {
            Deed::FaultBegins { what, until: None } => write!(f, "{what} (for good)")?,
            Deed::FaultBegins { what, until: Some(until) } if *until > self.from => {
                write!(f, "{what} (until {} s)", seconds(*until))?
            }
            Deed::FaultBegins { what, .. } => f.write_str(what)?,
            Deed::FaultEnds { what } => write!(f, "over: {what}")?,
            Deed::Begins(life) => write!(f, "starts (life {life})")?,
            Deed::Ends => f.write_str("dies")?,
            Deed::Pauses => f.write_str("stands still")?,
            Deed::Resumes => f.write_str("goes on")?,
            Deed::Exits { why } => write!(f, "ends itself: {why}")?,
            Deed::Meets(met) => write!(f, "{met}")?,
            Deed::Reached(situation) => write!(f, "({situation})")?,
            Deed::Found(Finding { severity: Severity::Violation, why, .. }) => return write!(f, "VIOLATION: {why}"),
            Deed::Found(Finding { severity: Severity::Stall, why, .. }) => return write!(f, "STALL: {why}"),
            Deed::Said { first, last } => said(f, self, first, last)?,
        }
        let is_counted = match &self.deed {
            Deed::Said { first, .. } => counts_itself(first),
            _ => false,
        };
        if self.times > 1 && !is_counted {
            write!(f, ", {times}")?;
        }
        if self.to > self.from { write!(f, ", until {} s", seconds(self.to)) } else { Ok(()) }
    }
}

/// With three digits, as the column of times has it.
fn seconds(time: Nanos) -> String {
    format!("{}.{:03}", time.0 / 1_000_000_000, time.0 / 1_000_000 % 1_000)
}

struct Times(u64);

impl fmt::Display for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} times", self.0)
    }
}

/// `1 record`, `17 records`.
struct Many(u64, &'static str);

impl fmt::Display for Many {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Many(count, what) = self;
        match (count, what.strip_suffix('h')) {
            (1, _) => write!(f, "1 {what}"),
            (_, Some(_)) => write!(f, "{count} {what}es"),
            (_, None) => write!(f, "{count} {what}s"),
        }
    }
}

/// Whether the words for a run of these say how many they are.
fn counts_itself(probe: &Probe) -> bool {
    matches!(
        probe,
        Probe::StreamCommitted { .. }
            | Probe::WalDurable { .. }
            | Probe::WalRecovered { .. }
            | Probe::Acked { .. }
            | Probe::Consumed { .. }
            | Probe::Produced { .. }
            | Probe::Appended { .. }
            | Probe::Served { .. }
            | Probe::StreamOpened { .. }
            | Probe::StreamClosed { .. }
            | Probe::ObjectDeleted { .. }
            | Probe::LeaderReady { .. }
            | Probe::LeaderResigned { .. }
    )
}

/// Of which stream, or of how many.
fn streams(beat: &Beat, first: &StreamRange, last: &StreamRange) -> String {
    match beat.subjects.len() {
        0 | 1 => format!("stream {} {}..{}", first.stream, first.start.min(last.start), first.end.max(last.end)),
        many => format!("{many} streams"),
    }
}

fn partitions(beat: &Beat, first: &LogSpan, last: &LogSpan) -> String {
    match beat.subjects.len() {
        0 | 1 => format!("partition {} {}..{}", first.tp, first.base.min(last.base), first.next.max(last.next)),
        many => format!("{many} partitions"),
    }
}

fn one_of(beat: &Beat, tp: &TopicIdPartition) -> String {
    match beat.subjects.len() {
        0 | 1 => format!("partition {tp}"),
        many => format!("{many} partitions"),
    }
}

/// Whose log.
struct Log<'a>(&'a BrokerId);

impl fmt::Display for Log<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the log of broker {}", self.0)
    }
}

fn said(f: &mut fmt::Formatter<'_>, beat: &Beat, first: &Probe, last: &Probe) -> fmt::Result {
    let records = Many(beat.times, "record");
    let batches = Many(beat.times, "batch");
    match (first, last) {
        (Probe::ControllerElected { epoch, .. }, _) => write!(f, "is elected: the active controller of epoch {epoch}"),
        (Probe::MetadataCommitted { offset, .. }, Probe::MetadataCommitted { offset: last, .. }) => {
            write!(f, "sees the metadata log committed from {offset} to {last}")
        }
        (Probe::BrokerFenced { broker, epoch }, _) => write!(f, "fences broker {broker} of epoch {epoch}"),
        (Probe::BrokerUnfenced { broker, epoch }, _) => write!(f, "unfences broker {broker} of epoch {epoch}"),
        (Probe::StreamsClaimed { broker, epoch, failover }, _) => {
            let by = if *failover { "for its rescuer" } else { "for itself" };
            write!(f, "hands out the streams of broker {broker} in epoch {epoch}, {by}")
        }
        (Probe::CommitAnswered { broker, .. }, _) => write!(f, "has a commit of broker {broker} in the metadata log"),
        (Probe::StreamOpened { .. }, _) if beat.times > 1 => write!(f, "opens {}", Many(beat.times, "stream")),
        (Probe::StreamClosed { .. }, _) if beat.times > 1 => write!(f, "closes {}", Many(beat.times, "stream")),
        (Probe::ObjectDeleted { .. }, _) if beat.times > 1 => write!(f, "deletes {}", Many(beat.times, "object")),
        (Probe::LeaderReady { .. }, _) if beat.times > 1 => write!(f, "leads {}", Many(beat.times, "partition")),
        (Probe::LeaderResigned { .. }, _) if beat.times > 1 => {
            write!(f, "gives up {}", Many(beat.times, "partition"))
        }
        (Probe::StreamOpened { stream, tp, epoch, end_offset, .. }, _) => {
            write!(f, "opens stream {stream} of partition {tp} at {end_offset}, in epoch {epoch}")
        }
        (Probe::StreamClosed { stream, epoch, end_offset }, _) => {
            write!(f, "closes stream {stream} of epoch {epoch} at {end_offset}")
        }
        (Probe::StreamCommitted { range, .. }, Probe::StreamCommitted { range: last, .. }) => {
            write!(f, "commits {} in {}", streams(beat, range, last), Many(beat.times, "piece"))
        }
        (Probe::StreamTrimmed { stream, .. }, Probe::StreamTrimmed { start_offset, .. }) => {
            write!(f, "lets stream {stream} begin at {start_offset}")
        }
        (Probe::ObjectDropped { object }, _) => write!(f, "refers to object {object} no more"),
        (Probe::ObjectDeleted { object }, _) => write!(f, "deletes object {object}"),
        (Probe::CommitRefusedAfterApplied { object }, _) => {
            write!(f, "refuses the commit of object {object}, which it had applied")
        }
        (Probe::FailoverBegan { broker, .. }, _) => write!(f, "begins the failover of broker {broker}"),
        (Probe::FailoverDone { broker, .. }, _) => write!(f, "is done with the failover of broker {broker}"),
        (Probe::WalAcquired { wal, epoch, mode }, _) => {
            let why = match mode {
                WalMode::Own => "",
                WalMode::Failover => ", to rescue it",
            };
            write!(f, "acquires {} in epoch {epoch}{why}: earlier owners are fenced", Log(wal))
        }
        (Probe::WalDurable { wal, epoch, range, .. }, Probe::WalDurable { range: last, .. }) => {
            let what = streams(beat, range, last);
            write!(f, "has {what} durable in {} in epoch {epoch}: {records}", Log(wal))
        }
        (Probe::WalRecovered { wal, range, .. }, Probe::WalRecovered { range: last, .. }) => {
            write!(f, "recovers {} from {}: {records}", streams(beat, range, last), Log(wal))
        }
        (Probe::WalRecoveryEnded { wal, epoch }, _) => write!(f, "has recovered all of {} in epoch {epoch}", Log(wal)),
        (Probe::WalTrimmed { wal, .. }, Probe::WalTrimmed { upto, .. }) => {
            write!(f, "trims {} up to {}", Log(wal), upto.0)
        }
        (Probe::WalLost { wal }, _) => write!(f, "loses all of {}", Log(wal)),
        (Probe::WalReset { wal, epoch }, _) => write!(f, "empties {} in epoch {epoch}", Log(wal)),
        (Probe::LeaderReady { tp, epoch, log_start, log_end, .. }, _) => {
            write!(f, "leads partition {tp} in epoch {epoch}, with its log {log_start}..{log_end}")
        }
        (Probe::LogStart { tp, offset, .. }, _) => write!(f, "lets partition {tp} begin at {offset}"),
        (Probe::LeaderResigned { tp, epoch, .. }, _) => write!(f, "gives up partition {tp} of epoch {epoch}"),
        (Probe::Appended { span, .. }, Probe::Appended { span: last, .. }) => {
            write!(f, "appends {}: {batches}", partitions(beat, span, last))
        }
        (Probe::HighWatermark { tp, .. }, Probe::HighWatermark { offset, .. }) => {
            write!(f, "raises the high watermark of {} to {offset}", one_of(beat, tp))
        }
        (Probe::Acked { span, .. }, Probe::Acked { span: last, .. }) => {
            write!(f, "acknowledges {}: {batches}", partitions(beat, span, last))
        }
        (Probe::Served { span, .. }, Probe::Served { span: last, .. }) => {
            write!(f, "serves {}: {batches}", partitions(beat, span, last))
        }
        (Probe::Sent { tp, .. }, _) => write!(f, "sends a batch to {}", one_of(beat, tp)),
        (Probe::Produced { span, .. }, Probe::Produced { span: last, .. }) => {
            write!(f, "learns that {} is there: {batches}", partitions(beat, span, last))
        }
        (Probe::GaveUp { tp, .. }, _) => write!(f, "gives up a batch for {}", one_of(beat, tp)),
        (Probe::Consumed { group, span, .. }, Probe::Consumed { span: last, .. }) => {
            write!(f, "reads {} for group {group}: {batches}", partitions(beat, span, last))
        }
        (Probe::Assigned { group, .. }, Probe::Assigned { generation, partitions, .. }) => {
            let many = Many(u64::from(*partitions), "partition");
            write!(f, "is assigned {many} of group {group} in generation {generation}")
        }
        (_, Probe::Held { group, partitions }) => {
            write!(f, "reads {} of group {group}", Many(partitions.len() as u64, "partition"))
        }
        (Probe::CheckpointCompleted { job, .. }, Probe::CheckpointCompleted { checkpoint, .. }) => {
            write!(f, "completes checkpoint {checkpoint} of job {job}")
        }
        (Probe::CheckpointFailed { job, checkpoint }, _) => write!(f, "gives up checkpoint {checkpoint} of job {job}"),
        (Probe::CheckpointChosen { job, checkpoint: 0 }, _) => write!(f, "deploys job {job} from its beginning"),
        (Probe::CheckpointChosen { job, checkpoint }, _) => write!(f, "deploys job {job} from checkpoint {checkpoint}"),
        (Probe::StateMissing { job, checkpoint }, _) => {
            write!(f, "finds no state of checkpoint {checkpoint} of job {job}")
        }
        (Probe::JobFailed { job }, _) => write!(f, "notices that job {job} must restart"),
        (Probe::JobRestarted { job }, _) => write!(f, "lets all tasks of job {job} run again"),
        (Probe::JobRestored { job }, _) => write!(f, "has the state of job {job} back in all its tasks"),
        (Probe::JobCaughtUp { job }, _) => write!(f, "sees job {job} as far behind as before it failed"),
        (Probe::Emitted { job, .. }, _) => write!(f, "shows output of job {job}"),
        (first, _) => write!(f, "{first:?}"),
    }
}
