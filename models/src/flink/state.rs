//! What a checkpoint holds: offsets of splits, what was applied to key groups, and the metadata that names it all.
//!
//! State is encoded with postcard: real bytes. What a key's value would be beyond that is virtual bytes behind them.

use super::keys::KeyGroupRange;
use crate::blob::{Blob, Segment};
use crate::kafka::ids::TopicIdPartition;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use wavetank_sim::SortedMap;

/// Execution of a job: the leader session of its job manager, and its number there. Grows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Attempt {
    /// Which life of the job manager, counted by the pointer in the object store.
    pub leader: u32,
    /// Its number within that life, from 1.
    pub number: u32,
}

/// Number of a checkpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CheckpointId(pub u64);

/// A partition as its reader has it (`KafkaPartitionSplit`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SplitState {
    /// Which partition.
    pub tp: TopicIdPartition,
    /// Where reading began, and the next offset to read; `None`: not known yet, where sources without
    /// state begin.
    pub read: Option<(u64, u64)>,
}

/// Which inputs of one partition were applied to some key groups.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Applied {
    /// Offsets `from..to`, in order, merged; those too that were skipped.
    pub ranges: Vec<(u64, u64)>,
    /// Of them, those that retention had deleted before they were read.
    pub skipped: Vec<(u64, u64)>,
    /// Records with keys of these groups: what the operator aggregates.
    pub records: u64,
    /// Offsets that were applied though they had been before.
    pub doubled: u64,
}

impl Applied {
    /// Applies offsets `from..to`, of which `records` have such keys. Says whether all were new.
    pub fn apply(&mut self, from: u64, to: u64, records: u64) -> bool {
        self.records += records;
        // The common case: it goes on where the last range ends.
        if let Some(last) = self.ranges.last_mut().filter(|last| last.1 == from) {
            last.1 = to;
            return true;
        }
        let before = self.len();
        self.ranges.push((from, to));
        self.ranges.sort_unstable();
        let mut merged: Vec<(u64, u64)> = Vec::with_capacity(self.ranges.len());
        for (from, to) in self.ranges.drain(..) {
            match merged.last_mut() {
                Some(last) if from <= last.1 => last.1 = last.1.max(to),
                _ => merged.push((from, to)),
            }
        }
        self.ranges = merged;
        let doubled = to - from - (self.len() - before);
        self.doubled += doubled;
        doubled == 0
    }

    /// Goes past offsets `from..to`, which are not there to be read any more.
    pub fn skip(&mut self, from: u64, to: u64) {
        if from < to {
            self.apply(from, to, 0);
            self.skipped.push((from, to));
        }
    }

    /// How many offsets.
    pub fn len(&self) -> u64 {
        self.ranges.iter().map(|(from, to)| to - from).sum()
    }

    /// Whether nothing was applied.
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// Where the last range ends.
    pub fn end(&self) -> u64 {
        self.ranges.last().map_or(0, |last| last.1)
    }
}

/// State of consecutive key groups that have always been together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupState {
    /// Which.
    pub groups: KeyGroupRange,
    /// By input partition.
    pub inputs: SortedMap<TopicIdPartition, Applied>,
}

/// Where a keyed subtask's snapshot is.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct StateHandle {
    /// Whose state.
    pub groups: KeyGroupRange,
    /// Key of the object.
    pub object: String,
}

/// A completed checkpoint (`_metadata`). Split states are in it, as state below `state.storage.fs.memory-threshold`
/// (20 KiB) is; keyed state is in objects of its own.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct CheckpointMetadata {
    /// Its number.
    pub id: CheckpointId,
    /// Which execution made it.
    pub attempt: Attempt,
    /// Source state, in order of partitions.
    pub splits: Vec<SplitState>,
    /// Keyed state, in order of key groups.
    pub states: Vec<StateHandle>,
}

/// The pointer that high availability rests on: which checkpoint is the latest complete one, and whose turn it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HaPointer {
    /// The leader session.
    pub leader: u32,
    /// Retained checkpoints, oldest first: number, and keys of its objects, the metadata's first.
    pub completed: Vec<(CheckpointId, Vec<String>)>,
}

/// An object does not hold what it should.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct StateError(String);

/// A length, then so many real bytes, then virtual ones.
pub fn encode<T: Serialize>(value: &T, virtual_bytes: u64, identity: u64) -> Blob {
    let body = postcard::to_stdvec(value).expect("plain data");
    let mut bytes = (body.len() as u32).to_be_bytes().to_vec();
    bytes.extend(body);
    let mut blob = Blob::real(bytes);
    if virtual_bytes > 0 {
        blob.push(Segment::Virtual { identity, from: 0, len: virtual_bytes });
    }
    blob
}

/// What [`encode`] wrote.
///
/// # Errors
/// When it is something else.
pub fn decode<T: DeserializeOwned>(blob: &Blob) -> Result<T, StateError> {
    let cut = || StateError("an object of a checkpoint is cut off".into());
    let real = |from: u64, to: u64| (to <= blob.len()).then(|| blob.slice(from..to).to_bytes()).flatten();
    let length = real(0, 4).ok_or_else(cut)?;
    let length = u32::from_be_bytes(length[..].try_into().expect("four bytes"));
    let body = real(4, 4 + u64::from(length)).ok_or_else(cut)?;
    postcard::from_bytes(&body).map_err(|error| StateError(format!("an object of a checkpoint is malformed: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use wavetank_sim::SortedSet;

    proptest! {
        #[test]
        fn applied_ranges_are_a_set_that_counts_what_comes_twice(
            pieces in prop::collection::vec((0u64..60, 1u64..20), 0..20),
        ) {
            let (mut applied, mut set, mut doubled) = (Applied::default(), SortedSet::new(), 0);
            for (from, len) in pieces {
                let again = (from..from + len).filter(|at| !set.insert(*at)).count() as u64;
                prop_assert_eq!(applied.apply(from, from + len, len), again == 0);
                doubled += again;
            }
            prop_assert_eq!((applied.len(), applied.doubled), (set.len() as u64, doubled));
            prop_assert!(applied.ranges.windows(2).all(|pair| pair[0].1 < pair[1].0));
            let flat: SortedSet<u64> = applied.ranges.iter().flat_map(|(from, to)| *from..*to).collect();
            prop_assert_eq!(flat, set);
        }
    }

    #[test]
    fn what_is_encoded_is_decoded_and_a_torn_object_is_refused() {
        let pointer = HaPointer { leader: 3, completed: vec![(CheckpointId(7), vec!["a".into()])] };
        let blob = encode(&pointer, 100, 5);
        assert_eq!(decode(&blob), Ok(pointer));
        assert!(decode::<HaPointer>(&blob.slice(0..5)).is_err());
    }
}
