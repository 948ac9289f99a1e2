//! The end-to-end check: broker log <-> offsets of a checkpoint <-> operator state <-> the sink's table.
//!
//! * *At each restore* ([`check_cut`]): for the checkpoint's vector of source offsets, what each key group has applied equals
//!   the input from where reading began up to it, each offset once.
//! * *At each write* ([`check_row`]): a row is the pipeline's function of a prefix of the input, whatever was killed.
//! * *At quiesce* ([`judge`]): the latest checkpoint is a consistent cut, and every row equals the function of all input.
//!
//! An offset stands for a record: that a log never shows two records at one offset is other checkers' business.

use super::JobSpec;
use super::checkpoint_store::pointer_key;
use super::keys::GroupKeys;
use super::state::{Applied, CheckpointMetadata, GroupState, HaPointer, SplitState, decode};
use super::table::TableRows;
use crate::blob::Blob;
use crate::kafka::ids::{TopicIdPartition, WriterId};
use std::collections::BTreeMap;

/// Whether state and source offsets are one cut of the input.
///
/// # Errors
/// Where they are not.
pub fn check_cut(splits: &[SplitState], states: &[GroupState]) -> Result<(), String> {
    for state in states {
        let groups = format!("key groups {}..{}", state.groups.first, state.groups.next);
        for SplitState { tp, read } in splits {
            let (start, next) = read.unwrap_or((0, 0));
            let nothing = Applied::default();
            let applied = state.inputs.get(tp).unwrap_or(&nothing);
            let expected: &[(u64, u64)] = if start == next { &[] } else { &[(start, next)] };
            if applied.ranges != expected || applied.doubled > 0 {
                return Err(format!(
                    "{groups} have applied {:?} of partition {tp} ({} of them twice), but the source stands at {next} \
                     and began at {start}",
                    applied.ranges, applied.doubled
                ));
            }
        }
        if let Some(tp) = state.inputs.keys().find(|tp| splits.iter().all(|split| split.tp != **tp)) {
            return Err(format!("{groups} have applied records of partition {tp}, which has no offset"));
        }
    }
    Ok(())
}

/// Whether a row is made of a prefix of a partition.
///
/// # Errors
/// Why not.
pub fn check_row(tp: TopicIdPartition, applied: &Applied) -> Result<(), String> {
    if applied.ranges.len() > 1 {
        return Err(format!("the sink's row for partition {tp} is made of {:?}: offsets are missing", applied.ranges));
    }
    if applied.doubled > 0 {
        return Err(format!("the sink's row for partition {tp} has {} records twice", applied.doubled));
    }
    Ok(())
}

/// The input of a partition: where its log begins, and whose records are in it, in order.
#[derive(Clone, Debug, Default)]
pub struct Input {
    /// Log start offset when the job began.
    pub start: u64,
    /// Writer, first index, how many.
    pub records: Vec<(WriterId, u64, u32)>,
}

/// Judges a job at quiesce: everything was read, and a checkpoint was taken since.
///
/// `object` reads an object of the job's bucket.
///
/// # Errors
/// What is wrong.
pub fn judge<'a>(
    spec: &JobSpec,
    inputs: &BTreeMap<TopicIdPartition, Input>,
    table: &TableRows,
    object: impl Fn(&str) -> Option<&'a Blob>,
) -> Result<(), String> {
    let read = |key: &str| object(key).ok_or_else(|| format!("there is no object {key}"));
    let pointer: HaPointer = decode(read(&pointer_key(spec.job))?).map_err(|error| error.to_string())?;
    let (_, objects) = pointer.completed.last().ok_or("no checkpoint was ever completed")?;
    let metadata: CheckpointMetadata = decode(read(&objects[0])?).map_err(|error| error.to_string())?;
    let mut states: Vec<GroupState> = Vec::new();
    for handle in &metadata.states {
        states.extend(decode::<Vec<GroupState>>(read(&handle.object)?).map_err(|error| error.to_string())?);
    }
    check_cut(&metadata.splits, &states)?;
    let mut covered: Vec<(u32, u32)> = states.iter().map(|state| (state.groups.first, state.groups.next)).collect();
    covered.sort_unstable();
    let joins = covered.windows(2).all(|pair| pair[0].1 == pair[1].0);
    if !joins || covered.first().map(|c| c.0) != Some(0) || covered.last().map(|c| c.1) != Some(spec.key_groups()) {
        return Err(format!("the checkpoint holds key groups {covered:?} of {}", spec.key_groups()));
    }
    for (tp, input) in inputs {
        let count: u64 = input.records.iter().map(|(_, _, count)| u64::from(*count)).sum();
        let end = input.start + count;
        let reached = metadata.splits.iter().find(|split| split.tp == *tp).and_then(|split| split.read);
        if reached.is_some_and(|(_, next)| next != end) || (reached.is_none() && count > 0) {
            return Err(format!("the last checkpoint has partition {tp} at {reached:?}, but its log ends at {end}"));
        }
        for state in &states {
            let keys = GroupKeys::new(state.groups, spec.keys, spec.key_groups());
            let records = input.records.iter().map(|(w, first, n)| keys.count(*w, *tp, *first, u64::from(*n))).sum();
            let ranges = if count == 0 { Vec::new() } else { vec![(input.start, end)] };
            let expected = Applied { ranges, records, doubled: 0 };
            let shown = table.row(state.groups, *tp).cloned().unwrap_or_default();
            if shown != expected {
                return Err(format!("the table shows {shown:?} for {:?} of {tp}, not {expected:?}", state.groups));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::keys::KeyGroupRange;
    use super::*;

    #[test]
    fn a_cut_is_refused_where_state_and_offsets_differ() {
        let tp = TopicIdPartition::default();
        let split = |next| [SplitState { tp, read: Some((3, next)) }];
        let state = |ranges: &[(u64, u64)], doubled| {
            let applied = Applied { ranges: ranges.to_vec(), records: 0, doubled };
            [GroupState { groups: KeyGroupRange { first: 0, next: 9 }, inputs: [(tp, applied)].into() }]
        };
        assert_eq!(check_cut(&split(9), &state(&[(3, 9)], 0)), Ok(()));
        assert_eq!(check_cut(&split(3), &state(&[], 0)), Ok(()));
        for (next, ranges, doubled) in
            [(9, vec![(3, 8)], 0), (9, vec![(3, 10)], 0), (9, vec![(3, 5), (6, 9)], 0), (9, vec![(3, 9)], 1)]
        {
            assert!(check_cut(&split(next), &state(&ranges, doubled)).is_err(), "{ranges:?}");
        }
        assert!(check_cut(&[], &state(&[(3, 9)], 0)).is_err());
    }
}
