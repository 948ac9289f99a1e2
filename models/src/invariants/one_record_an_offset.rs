//! At one offset there is one record, for every leader, every acknowledgement and every reader.
//!
//! What retention has deleted is not remembered.

use super::{Broken, Invariant, named};
use crate::kafka::ids::{TopicIdPartition, WriterId};
use crate::kafka::partition_map::PartitionMap;
use crate::probe::{LogSpan, Probe};

/// Records of one writer, one after the other, from an offset on.
#[derive(Clone, Copy, Debug)]
struct Run {
    base: u64,
    next: u64,
    writer: WriterId,
    first: u64,
}

impl Run {
    /// The record at an offset.
    fn at(&self, offset: u64) -> (WriterId, u64) {
        (self.writer, self.first + (offset - self.base))
    }
}

/// An offset, the record that it is said to have, and the one that it is known to have.
type Clash = (u64, (WriterId, u64), (WriterId, u64));

/// What was acknowledged or served of a partition: runs, by their first offset.
#[derive(Default)]
struct Log(Vec<Run>);

/// See the [module](self).
#[derive(Default)]
pub(super) struct OneRecordAnOffset {
    logs: PartitionMap<Log>,
}

impl Log {
    /// Takes a run in that contradicts nothing.
    ///
    /// # Errors
    /// An offset at which it has another record.
    fn add(&mut self, new: Run) -> Result<(), Clash> {
        let after = self.begun(new.base);
        let from = after.saturating_sub(1);
        for run in self.0[from..].iter().take_while(|run| run.base < new.next) {
            let (low, high) = (run.base.max(new.base), run.next.min(new.next));
            if low < high && run.at(low) != new.at(low) {
                return Err((low, new.at(low), run.at(low)));
            }
        }
        match self.0[..after].last_mut() {
            Some(before) if before.next >= new.next => {}
            Some(before) if before.next >= new.base && before.at(new.base) == new.at(new.base) => {
                before.next = new.next
            }
            Some(_) | None => self.0.insert(after, new),
        }
        Ok(())
    }

    /// How many runs begin at an offset or before it: most who ask ask for one of the last.
    fn begun(&self, offset: u64) -> usize {
        const LAST: usize = 8;
        let (earlier, last) = self.0.split_at(self.0.len().saturating_sub(LAST));
        match last.iter().rposition(|run| run.base <= offset) {
            Some(at) => earlier.len() + at + 1,
            None => earlier.partition_point(|run| run.base <= offset),
        }
    }
}

impl OneRecordAnOffset {
    fn compare(&mut self, span: &LogSpan) -> Result<(), String> {
        let Some((writer, first)) = span.first else { return Ok(()) };
        let new = Run { base: span.base, next: span.next, writer, first };
        self.logs.entry(span.tp).add(new).map_err(|(offset, (writer, record), (known_writer, known))| {
            format!(
                "partition {}: offset {offset} holds record {known} of writer {known_writer}, and record {record} of \
                 writer {writer}",
                span.tp
            )
        })
    }

    /// Forgets the runs that are wholly before an offset.
    fn forget(&mut self, tp: TopicIdPartition, before: u64) {
        if let Some(Log(runs)) = self.logs.get_mut(tp) {
            let gone = runs.partition_point(|run| run.next <= before);
            runs.drain(..gone);
        }
    }
}

impl Invariant for OneRecordAnOffset {
    named!(
        "one-record-an-offset",
        "an offset holds the same record in every epoch and for every reader",
        hears: [Partitions, Clients]
    );

    fn heed(&mut self, probe: &Probe) -> Result<bool, Broken> {
        match probe {
            Probe::Acked { span, .. } | Probe::Served { span, .. } | Probe::Produced { span, .. } => {
                self.compare(span)?;
                Ok(true)
            }
            Probe::LogStart { tp, offset, .. } => {
                self.forget(*tp, *offset);
                Ok(false)
            }
            _ => Ok(false),
        }
    }
}
