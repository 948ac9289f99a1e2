//! The end-to-end check: broker log <-> offsets of a checkpoint <-> operator state <-> the sink's table.
//!
//! * *At each restore* ([`check_cut`]): for the checkpoint's vector of source offsets, what each key group has applied equals
//!   the input from where reading began up to it, each offset once.
//! * *At each write* ([`check_row`]): a row is the pipeline's function of a prefix of the input, whatever was killed.
//! * *At any moment, and at quiesce* ([`judge`]): the latest checkpoint is a consistent cut, every row equals the function of
//!   a prefix of the input that holds the checkpoint's; when all is quiet that prefix is all of it.
//!
//! What retention deleted before a job read it is not in its output, and the job says so ([`Applied::skipped`]). It may only
//! go on where some leader has said that the log begins.
//!
//! An offset stands for a record: that a log never shows two records at one offset is other checkers' business.

use super::checkpoint_store::pointer_key;
use super::keys::{GroupKeys, KeyGroupRange};
use super::state::{Applied, CheckpointMetadata, GroupState, HaPointer, SplitState, decode};
use super::table::TableRows;
use super::{JobSpec, Startup};
use crate::blob::Blob;
use crate::kafka::ids::{TopicIdPartition, WriterId};
use wavetank_sim::{SortedMap, SortedSet};

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

/// Consecutive records of one writer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InputRun {
    /// First offset.
    pub base: u64,
    /// Whose records they are.
    pub writer: WriterId,
    /// Index of the first one.
    pub first: u64,
    /// How many.
    pub count: u64,
}

/// The input of a partition, as far as it is known.
#[derive(Clone, Debug, Default)]
pub struct InputLog {
    /// Where the log has begun, at one time or another: retention moves its start.
    pub starts: SortedSet<u64>,
    /// Records by offset; what nobody has read is not there.
    pub records: Vec<InputRun>,
    /// Offset after the last record that must come out some time.
    pub end: u64,
}

impl InputLog {
    /// How many of the records at offsets `from..to` have such keys; `None` where not all of them are known.
    fn count(&self, keys: &GroupKeys, tp: TopicIdPartition, from: u64, to: u64) -> Option<u64> {
        let (mut known, mut sum) = (0, 0);
        for InputRun { base, writer, first, count } in &self.records {
            let (begin, end) = ((*base).max(from), (base + count).min(to));
            if begin < end {
                known += end - begin;
                sum += keys.count(*writer, tp, first + (begin - base), end - begin);
            }
        }
        (known == to.saturating_sub(from)).then_some(sum)
    }

    /// The same for what was applied, without what was skipped.
    fn count_applied(&self, keys: &GroupKeys, tp: TopicIdPartition, start: u64, shown: &Applied) -> Option<u64> {
        let (mut at, mut sum) = (start, 0);
        for (from, to) in shown.skipped.iter().copied().chain([(shown.end(), shown.end())]) {
            sum += self.count(keys, tp, at, from)?;
            at = to;
        }
        Some(sum)
    }

    /// Up to there nothing has to come out any more.
    fn deleted(&self) -> u64 {
        self.starts.last().copied().unwrap_or(0)
    }
}

/// What can be said of a job's output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// All input is in its latest checkpoint and in its output, each record once.
    Whole,
    /// What there is is right; this is still missing.
    Behind(String),
    /// Something is wrong.
    Wrong(String),
}

/// The keys of key groups, which never change: a job that is judged again and again counts them once.
#[derive(Debug, Default)]
pub struct KnownKeys(SortedMap<KeyGroupRange, GroupKeys>);

impl KnownKeys {
    fn of(&mut self, spec: &JobSpec, groups: KeyGroupRange) -> &GroupKeys {
        self.0.entry(groups).or_insert_with(|| GroupKeys::new(groups, spec.keys, spec.key_groups()))
    }
}

/// Judges a job at any moment: whether its latest checkpoint is a consistent cut, whether every row is the pipeline's
/// function of a prefix of the input that holds the checkpoint's, and whether all input is in both.
///
/// `object` reads an object of the job's bucket; `known` is the job's alone.
pub fn judge<'a>(
    spec: &JobSpec,
    inputs: &SortedMap<TopicIdPartition, InputLog>,
    table: &TableRows,
    known: &mut KnownKeys,
    object: impl Fn(&str) -> Option<&'a Blob>,
) -> Verdict {
    let (splits, states) = match latest(spec, object) {
        Ok(Some(latest)) => latest,
        Ok(None) => return Verdict::Behind("no checkpoint was ever completed".into()),
        Err(why) => return Verdict::Wrong(why),
    };
    let mut behind = None;
    for (tp, input) in inputs {
        let read = splits.iter().find(|split| split.tp == *tp).and_then(|split| split.read);
        if spec.startup == Startup::Earliest && read.is_some_and(|(start, _)| !input.starts.contains(&start)) {
            return Verdict::Wrong(format!(
                "partition {tp} was read from {read:?}, but its log has only ever begun at {:?}",
                input.starts
            ));
        }
        let next = read.map_or(0, |(_, next)| next);
        if next.max(input.deleted()) < input.end {
            behind = Some(format!("the latest checkpoint has read {next} of {} records of {tp}", input.end));
        }
        let Some((start, next)) = read else { continue };
        for state in &states {
            let keys = known.of(spec, state.groups);
            match judge_row((*tp, input), (state.groups, keys), (start, next), table) {
                Ok(shown) if shown.max(input.deleted()) < input.end => {
                    behind = Some(format!("the table shows {shown} of {} records of {tp}", input.end));
                }
                Ok(_) => {}
                Err(why) => return Verdict::Wrong(why),
            }
        }
    }
    behind.map_or(Verdict::Whole, Verdict::Behind)
}

type Latest = (Vec<SplitState>, Vec<GroupState>);

/// The latest checkpoint, which is a cut and whole.
fn latest<'a>(spec: &JobSpec, object: impl Fn(&str) -> Option<&'a Blob>) -> Result<Option<Latest>, String> {
    let read = |key: &str| object(key).ok_or_else(|| format!("there is no object {key}"));
    let Some(pointer) = object(&pointer_key(spec.job)) else { return Ok(None) };
    let pointer: HaPointer = decode(pointer).map_err(|error| error.to_string())?;
    let Some((_, objects)) = pointer.completed.last() else { return Ok(None) };
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
    Ok(Some((metadata.splits, states)))
}

/// Up to which offset a row shows its partition: it must be made of all that is there from where reading began, each once,
/// and hold no less than the latest checkpoint.
fn judge_row(
    (tp, input): (TopicIdPartition, &InputLog),
    (groups, keys): (KeyGroupRange, &GroupKeys),
    (start, next): (u64, u64),
    table: &TableRows,
) -> Result<u64, String> {
    let shown = table.row(groups, tp).cloned().unwrap_or_default();
    if shown.is_empty() && start == next {
        return Ok(next);
    }
    // A job that began anew without a checkpoint, where the log begins by now, and has read nothing yet: the row is an earlier
    // execution's. That one may even have begun later: where a deposed leader let its log begin.
    let begins = shown.ranges.first().map_or(start, |(from, _)| *from);
    if start == next && begins != start && input.starts.contains(&begins) {
        return judge_row((tp, input), (groups, keys), (begins, begins), table).map(|shown| shown.max(next));
    }
    let end = shown.end();
    if end < next {
        return Err(format!("the table shows {end} records of {tp} for {groups:?}, and a checkpoint holds {next}"));
    }
    if let Some((from, to)) = shown.skipped.iter().find(|(_, to)| !input.starts.contains(to)) {
        return Err(format!("the job has skipped {from}..{to} of {tp}, and its log has never begun at {to}"));
    }
    let Some(records) = input.count_applied(keys, tp, start, &shown) else {
        return Err(format!("the table shows {tp} up to {end}: no broker has ever served that"));
    };
    let expected = Applied { ranges: vec![(start, end)], records, doubled: 0, skipped: shown.skipped.clone() };
    if shown != expected {
        return Err(format!("the table shows {shown:?} for {groups:?} of {tp}, not {expected:?}"));
    }
    Ok(end)
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
            let applied = Applied { ranges: ranges.to_vec(), doubled, ..Applied::default() };
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
