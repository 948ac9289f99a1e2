//! Where a log began, and since when.

use super::context::KeyContext;
use std::ops::Range;

/// Offsets that are gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gone {
    /// Which.
    pub offsets: Range<i64>,
    /// Since when.
    pub at: i64,
    /// Why.
    pub by: String,
}

/// All offsets that went, in order of time and of offset.
#[derive(Clone, Debug, Default)]
pub struct LogStarts {
    gone: Vec<Gone>,
}

impl LogStarts {
    /// As the context has it.
    pub fn new(key: Option<&KeyContext>) -> LogStarts {
        let Some(key) = key else { return LogStarts::default() };
        let mut starts: Vec<_> = key
            .log_start
            .iter()
            .map(|start| (start.at.unwrap_or(i64::MIN), start.offset, start.reason.name().to_owned()))
            .collect();
        starts.sort_by_key(|(at, offset, _)| (*at, *offset));
        if let Some(offset) = key.end.as_ref().and_then(|end| end.log_start_offset) {
            let by = format!("the log start offset at the end, {offset}, of which nobody knows since when it is so");
            starts.push((i64::MIN, offset, by));
        }
        let mut all = LogStarts::default();
        for (at, offset, by) in starts {
            let offsets = all.end()..super::signed(offset);
            if !offsets.is_empty() {
                all.gone.push(Gone { offsets, at, by });
            }
        }
        all
    }

    fn end(&self) -> i64 {
        self.gone.last().map_or(0, |gone| gone.offsets.end)
    }

    /// The log start offset at a time.
    pub fn at(&self, time: i64) -> i64 {
        self.until(time).map(|gone| gone.offsets.end).max().unwrap_or(0)
    }

    /// What was gone at a time.
    pub fn until(&self, time: i64) -> impl Iterator<Item = &Gone> {
        self.gone.iter().filter(move |gone| gone.at <= time)
    }
}

#[cfg(test)]
mod tests {
    use super::super::context::{EndState, LogStart, Reason};
    use super::*;

    #[test]
    fn each_part_went_when_the_start_first_passed_it() {
        let start = |offset, at, reason| LogStart { offset, at, reason, comment: None };
        let log_start = vec![
            start(50, Some(200), Reason::DeleteRecords),
            start(20, Some(100), Reason::Retention),
            start(40, Some(300), Reason::Retention),
            start(5, None, Reason::Snapshot),
        ];
        let end = Some(EndState { log_start_offset: Some(60), ..EndState::default() });
        let starts = LogStarts::new(Some(&KeyContext { log_start, end, ..KeyContext::default() }));
        let gone: Vec<_> = starts.gone.iter().map(|gone| (gone.offsets.clone(), gone.at)).collect();
        assert_eq!(gone, [(0..5, i64::MIN), (5..20, 100), (20..50, 200), (50..60, i64::MIN)]);
        assert!(starts.gone[2].by.contains("DeleteRecords"));
        assert_eq!((starts.at(99), starts.until(99).count()), (60, 2), "the end's start may always have been so");
    }

    #[test]
    fn a_start_holds_from_its_time_on() {
        let log_start = vec![LogStart { offset: 7, at: Some(100), reason: Reason::Retention, comment: None }];
        let starts = LogStarts::new(Some(&KeyContext { log_start, ..KeyContext::default() }));
        assert_eq!((starts.at(99), starts.at(100)), (0, 7));
        assert_eq!(LogStarts::new(None).at(0), 0);
    }
}
