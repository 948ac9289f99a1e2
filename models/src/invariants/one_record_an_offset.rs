//! At one offset there is one record, for every leader, every acknowledgement and every reader.
//!
//! What retention has deleted is not remembered.

use super::{Invariant, named};
use crate::kafka::ids::{TopicIdPartition, WriterId};
use crate::probe::{LogSpan, Probe};
use std::collections::BTreeMap;

/// Records of one writer, one after the other, from an offset on.
#[derive(Clone, Copy, Debug)]
struct Run {
    next: u64,
    writer: WriterId,
    first: u64,
}

/// See the [module](self).
#[derive(Default)]
pub(super) struct OneRecordAnOffset {
    /// What was acknowledged or served, by partition and first offset; runs do not overlap.
    logs: BTreeMap<TopicIdPartition, BTreeMap<u64, Run>>,
}

impl OneRecordAnOffset {
    fn compare(&mut self, span: &LogSpan) -> Result<(), String> {
        let Some((writer, first)) = span.first else { return Ok(()) };
        let log = self.logs.entry(span.tp).or_default();
        let before = log.range(..=span.base).next_back().map(|(base, run)| (*base, *run));
        let from = before.map_or(span.base, |(base, _)| base);
        for (base, run) in log.range(from..span.next) {
            let (low, high) = ((*base).max(span.base), run.next.min(span.next));
            if low < high && (run.writer, run.first + (low - base)) != (writer, first + (low - span.base)) {
                return Err(format!(
                    "partition {}: offset {low} holds record {} of writer {}, and record {} of writer {writer}",
                    span.tp,
                    run.first + (low - base),
                    run.writer,
                    first + (low - span.base)
                ));
            }
        }
        let is_known = before.is_some_and(|(_, run)| run.next >= span.next);
        if !is_known {
            self.add(span, writer, first);
        }
        Ok(())
    }

    /// Joins a span that contradicts nothing.
    fn add(&mut self, span: &LogSpan, writer: WriterId, first: u64) {
        let log = self.logs.get_mut(&span.tp).expect("it was compared with");
        if let Some((base, run)) = log.range_mut(..=span.base).next_back()
            && run.writer == writer
            && run.next >= span.base
            && run.first + (span.base - base) == first
        {
            run.next = run.next.max(span.next);
            return;
        }
        log.insert(span.base, Run { next: span.next, writer, first });
    }

    /// Forgets the runs that are wholly before an offset.
    fn forget(&mut self, tp: TopicIdPartition, before: u64) {
        let Some(log) = self.logs.get_mut(&tp) else { return };
        while log.first_entry().is_some_and(|first| first.get().next <= before) {
            log.pop_first();
        }
    }
}

impl Invariant for OneRecordAnOffset {
    named!("one-record-an-offset", "an offset holds the same record in every epoch and for every reader");

    fn heed(&mut self, probe: &Probe) -> Result<bool, String> {
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
